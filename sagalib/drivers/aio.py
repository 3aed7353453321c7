"""``run_async``: a saga in the caller's task, its unwinding in a task of its own."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from typing import Any, NamedTuple, cast, overload

from typing_extensions import TypeVar, override

from sagalib.core.history import Ahead, History, Known, conclude
from sagalib.core.instructions import Keep
from sagalib.core.messages import SUCCESS, Unknown, late
from sagalib.core.outcomes import Outcome, TimedOut, went_back, went_through
from sagalib.core.policy import SECOND_NS, Soft, Timeout, seconds_of
from sagalib.core.saga import Async, Saga
from sagalib.core.state import Executing, Forked, Machine, call_of, step_of
from sagalib.core.strand import stopping
from sagalib.core.walk import WayBack, way_back
from sagalib.drivers.branches import Branches, Flight
from sagalib.drivers.calls import (
    CURRENT,
    CUT,
    NOTHING,
    WOKE,
    Audience,
    Claim,
    Observer,
    OnCompensationFailure,
    check,
    new_run_id,
    raised,
    reraise,
    with_outcome,
)
from sagalib.drivers.clock import AsyncClock
from sagalib.drivers.threads import Inbox, ThreadCall, refused
from sagalib.drivers.watchdog import Watchdog, watchdog_of

__all__ = ["AsyncRun", "run_async", "to_the_end"]

# As in the machine.
_new: Callable[..., Any] = tuple[Any, ...].__new__

A = TypeVar("A")
B = TypeVar("B")
E = TypeVar("E")
F = TypeVar("F")


@overload
async def run_async(
    saga: Saga[None, B, E, F, Async],
    *,
    run_id: str | None = None,
    observers: Iterable[Observer] = (),
    clock: AsyncClock | None = None,
    dice: Callable[[], float] = ...,
    on_compensation_failure: OnCompensationFailure = "continue",
) -> Outcome[B, E, F]: ...
@overload
async def run_async(
    saga: Saga[A, B, E, F, Async],
    value: A,
    *,
    run_id: str | None = None,
    observers: Iterable[Observer] = (),
    clock: AsyncClock | None = None,
    dice: Callable[[], float] = ...,
    on_compensation_failure: OnCompensationFailure = "continue",
) -> Outcome[B, E, F]: ...
async def run_async(
    saga: Saga[Any, Any, Any, Any, Async],
    value: Any = None,
    *,
    run_id: str | None = None,
    observers: Iterable[Observer] = (),
    clock: AsyncClock | None = None,
    dice: Callable[[], float] = random.random,
    on_compensation_failure: OnCompensationFailure = "continue",
) -> Outcome[Any, Any, Any]:
    """Run ``saga``, with plain and async steps, on ``value`` in this task; give its outcome.

    If the task is cancelled, the call in progress is cancelled at once and is in doubt; what has
    completed is compensated in a task of its own, which is awaited to its end whatever else is
    cancelled; then the first ``CancelledError`` is raised again. A plain step runs on the event
    loop's thread, and blocks it; with a hard timeout it runs on a thread of its own.

    Args:
        saga: what to run.
        value: its input; may be left out for a saga that takes ``None``.
        run_id: an id of 1 to 200 characters of ``A-Z a-z 0-9 . _ : -``, a part of every idempotency
            key; made up if left out.
        observers: called with each event, in order. One that raises changes nothing, and is logged
            once.
        clock: the time; the event loop's by default.
        dice: gives numbers from 0 up to 1 for the jitter of ``Retry``.
        on_compensation_failure: ``"continue"`` with the other compensations, or ``"stop"`` at the
            first that fails.

    Raises:
        InvalidSaga, InvalidOption, RunIdInUse: an argument is not as it should be; nothing has been
            called.
        asyncio.CancelledError, KeyboardInterrupt, ...: what interrupted the run, after the
            compensations; see ``outcome_of``.
    """
    watchdog = watchdog_of(clock)
    audience = check(saga, observers, on_compensation_failure, watchdog.clock.epoch_ns)
    stop, clock = on_compensation_failure == "stop", watchdog.clock
    claim = None if run_id is None else Claim(run_id)
    token = CURRENT.set(None)
    try:
        if claim is not None:
            claim.take()
        return await to_the_end(
            History(
                saga,
                value,
                new_run_id() if run_id is None else run_id,
                stop,
                clock.now_ns(),
                clock.epoch_ns,
            ),
            audience,
            watchdog,
            dice,
        )
    finally:
        if claim is not None:
            claim.release()
        try:  # noqa: SIM105 - suppress() costs as much as a whole call
            CURRENT.reset(token)
        except ValueError:  # a coroutine that is closed is closed from another context
            pass
        del token  # as in ``run``: it holds the past of a run around this one


async def to_the_end(
    past: History,
    audience: Audience | None,
    watchdog: Watchdog,
    dice: Callable[[], float],
    *,
    interrupts: list[BaseException] | None = None,
    make: Callable[..., AsyncRun] | None = None,
) -> Outcome[Any, Any, Any]:
    """Take a run to its end in this task.

    ``interrupts`` are what it is interrupted by beside the task; ``make`` makes the run.
    """
    interrupts = [] if interrupts is None else interrupts
    make = make or AsyncRun
    run: AsyncRun | None = None
    outcome: Outcome[Any, Any, Any] | None = None
    followed: Outcome[Any, Any, Any] | _Turned | None = None
    task: Any = asyncio.current_task() or _NO_TASK
    asked = task.cancelling()
    try:
        if audience is None:
            try:
                followed = await _follow(past, watchdog, task)
            except BaseException as interrupt:
                if _is_closing(interrupt):
                    raise
                interrupts.append(interrupt)
            if isinstance(followed, _Turned):
                back = _follow_back(past, followed, watchdog, task, asked, interrupts)
                # Between plain calls nothing can be cut.
                outcome = await (_shielded(back, interrupts) if followed.is_async else back)
                del back
            else:
                outcome = followed
        if outcome is None:
            run = make(past, audience, watchdog, dice, interrupts, cancelling=asked)
            outcome = await run.turns()
        if interrupts:
            reraise(interrupts)
        return outcome  # noqa: TRY300 - what interrupts even this is raised with the outcome on it
    except BaseException as interrupt:
        with_outcome(interrupt, outcome)
        raise
    finally:
        if run is not None:
            run.close()
        # As in ``run``: no ring of frames and exceptions is to stay; a task holds what it raised.
        del past, run, outcome, followed, task, audience, make


class _NoTask:
    """Stands for the task where a coroutine is driven without one: no call of it can be cut."""

    def cancelling(self) -> int:
        return 0

    def cancel(self) -> bool:
        return False

    def uncancel(self) -> int:
        return 0


_NO_TASK = _NoTask()


class _CallOnCourse(NamedTuple):
    """The call that began at ``began``, when ``calling`` was ahead."""

    past: History
    calling: Ahead
    began: int
    thread: int | None = None

    def in_progress(self) -> tuple[Machine | None, int]:
        """Give the machine that asks for the call, and when it began; none if it is over.

        Any thread may ask, at any time: so the machine is that of this call, whatever comes.
        """
        past = self.past
        if (
            past.has_left_course
            or past.calling is not self.calling
            or past.ahead is not self.calling
        ):
            return None, 0
        return past.asking(self.calling, self.began), self.began


class _Turned(NamedTuple):
    """A failure on the course: its way back, and the ``outcome`` if all goes well there."""

    back: WayBack
    outcome: Outcome[Any, Any, Any]

    @property
    def is_async(self) -> bool:
        """Whether the way back suspends."""
        return any(step.is_async for step in self.back.steps)


async def _follow(  # noqa: C901, PLR0912 - every line of it is in every run
    past: History, watchdog: Watchdog, task: Any
) -> Outcome[Any, Any, Any] | _Turned | None:
    """Follow the course of the saga there; give the outcome if nothing is left to decide.

    The way back is not followed here, but told: it may be for a task of its own.
    """
    word, is_whole, _ = past.saga.course
    value: Any = past.value
    ahead: Any = None
    kept: Any = None
    began, now = past.now, watchdog.clock.now_ns
    asked = task.cancelling()
    try:
        for instruction in word:
            if instruction.is_step:
                past.calling = ahead
                CURRENT.set(_new(_CallOnCourse, (past, ahead, began, None)))
                returned: Any = instruction.execute(value)
                if instruction.is_async:
                    if instruction.timeout is not None:
                        seconds = seconds_of(instruction.timeout)
                        returned = _within(watchdog, seconds, began, returned, task)
                    returned = await returned
                past.ahead = ahead = (returned, began, ahead)
                past.now = ended = now()
                if task.cancelling() > asked:
                    return None  # the step has swallowed its cancellation
                if type(returned) is not SUCCESS or ended - began > instruction.limit:
                    back = way_back(past)
                    if back is None:
                        return None
                    return _Turned(back, went_back(back.reason, back.step, value, past))
                began, value = ended, returned.unwrap()
            elif type(instruction) is Keep:
                kept = (value, kept)
            else:
                value, kept = instruction.combine(kept[0], value), kept[1]
    except Exception as error:
        if past.calling is not past.ahead:
            raise
        past.ahead = (Known(Unknown(raised(error))), past.now, past.ahead)
        past.now = now()
        del past, ahead  # as at the end of a run
    else:
        return went_through(value, past) if is_whole else None
    finally:
        del task
    return None


async def _follow_back(  # noqa: PLR0917 - what both ways share
    past: History,
    turned: _Turned,
    watchdog: Watchdog,
    caller: Any,
    asked: int,
    interrupts: list[BaseException],
) -> Outcome[Any, Any, Any] | None:
    """Follow the way back; give the outcome if nothing is left to decide.

    What interrupts it is noted here, for it may be in a task of its own: but not what cancels that.
    """
    now = watchdog.clock.now_ns
    task: Any = asyncio.current_task()
    ahead: Any = past.ahead
    past.now = began = now()  # that task begins when the loop turns
    try:
        for step, (compensate, argument) in zip(turned.back.steps, turned.back.calls, strict=True):
            past.calling = ahead
            CURRENT.set(_new(_CallOnCourse, (past, ahead, began, None)))
            returned: Any = compensate(argument)
            if step.is_async:
                seconds = seconds_of(step.compensation_timeout)
                if seconds is not None:
                    returned = _within(watchdog, seconds, began, returned, task)
                returned = await returned
            past.ahead = ahead = (returned, began, ahead)
            past.now = began = now()
            if type(returned) is not SUCCESS or caller.cancelling() > asked:
                return None
        return turned.outcome  # noqa: TRY300 - what interrupts even this is noted
    except BaseException as interrupt:
        if isinstance(interrupt, Exception) and past.calling is past.ahead:
            past.ahead = (Known(Unknown(raised(interrupt))), past.now, past.ahead)
            past.now = now()
        elif not isinstance(interrupt, asyncio.CancelledError):
            interrupts.append(interrupt)
        return None
    finally:
        del past, turned, ahead, task, caller  # as at the end of a run


async def _shielded(called: Coroutine[Any, Any, B], interrupts: list[BaseException]) -> B | None:
    """Await a call in a task of its own, however often this task is cancelled.

    Give ``None`` if that task was cancelled.
    """
    loop = asyncio.get_running_loop()
    woken = loop.create_future()

    def wake(_: object) -> None:
        if not woken.done():
            woken.set_result(None)

    shielded = loop.create_task(called)
    shielded.add_done_callback(wake)
    while not shielded.done():
        try:
            await woken
        except asyncio.CancelledError as cancelled:
            interrupts.append(cancelled)
            woken = loop.create_future()
    return None if shielded.cancelled() else shielded.result()


async def _within(
    watchdog: Watchdog,
    seconds: Any,
    began: int,
    called: Coroutine[Any, Any, object],
    task: Any,
    reason: TimedOut | None = None,
) -> Any:
    """Await a call in ``task``; cancel it, and wait for its end, when its time is up."""
    before = task.cancelling()
    watch = watchdog.watch(task, seconds, began)
    try:
        returned = await called
    except asyncio.CancelledError:
        if not watch.fired or task.cancelling() - 1 > before:
            raise
        return Known(Unknown(reason or TimedOut(seconds)))
    except Exception:
        if not watch.fired:
            raise
        return Known(Unknown(reason or TimedOut(seconds)))
    finally:
        watchdog.release(seconds, watch)
        fired = watch.fired
        if fired:
            task.uncancel()
        del task, watch  # a task holds what it raised, which holds this frame
    return Known(late(returned)) if fired and type(returned) is SUCCESS else returned


def _is_closing(interrupt: BaseException) -> bool:
    """Tell whether the coroutine is being closed, without a loop: nothing can be awaited."""
    return isinstance(interrupt, GeneratorExit) and not _in_a_task()


def _in_a_task() -> bool:
    try:
        return asyncio.current_task() is not None
    except RuntimeError:
        return False


class AsyncRun(Branches):
    """One run in the caller's task, its unwinding and the calls of branches in tasks of their own."""

    outcome: Outcome[Any, Any, Any] | None = None
    scoped: Watchdog | None = None
    arrival: asyncio.Future[None] | None = None
    reply: Any
    returned: Any
    inbox: Inbox | None

    def __init__(
        self,
        past: History,
        audience: Audience | None,
        watchdog: Watchdog,
        dice: Callable[[], float],
        interrupts: list[BaseException],
        *,
        cancelling: int,
    ) -> None:
        super().__init__(past, audience, watchdog.clock, dice, interrupts)
        self.watchdog: Watchdog = watchdog
        self.cancelling: int = cancelling

    async def turns(self) -> Outcome[Any, Any, Any]:
        """Turn after turn, to the end."""
        if not self.waits() and self.is_unwinding():
            self.take_in()  # it came before what has interrupted the way back is noted
        while self.outcome is None:
            while self.is_unwinding():
                await self.unwind_shielded()
            await self.guarded_turn(back=False)
            self.notice_swallowed_cancel()
        return self.outcome

    @override
    def close(self) -> None:
        """Forget the run, and its outcome."""
        super().close()
        self.outcome = None

    def notice_swallowed_cancel(self) -> None:
        """A step that catches its cancellation does not unmake it: the task is to stop."""
        task: Any = asyncio.current_task() or _NO_TASK
        if not self.interrupts and task.cancelling() > self.cancelling:
            self.interrupts.append(asyncio.CancelledError())

    async def unwind_shielded(self) -> None:
        """Unwind in a task of its own; wait for it however often this task is cancelled."""
        await _shielded(self.unwind(), self.interrupts)

    async def unwind(self) -> None:
        """Go all the way back."""
        while self.is_unwinding():
            await self.guarded_turn(back=True)

    async def guarded_turn(self, *, back: bool) -> None:
        """Take a turn; note what interrupts it."""
        try:
            await self.turn(back=back)
        except BaseException as interrupt:
            if _is_closing(interrupt):
                raise
            self.note(interrupt)
            if back and isinstance(interrupt, asyncio.CancelledError):
                self.interrupts.pop()  # that of the unwinding's own task is not the caller's

    async def turn(self, *, back: bool) -> None:
        """Ask, perform, take in."""
        if not self.goes_on():
            self.outcome = conclude(self.past)
            return
        if self.is_unwinding() and not back:
            return  # a cancel has turned it: the way back is for a task of its own
        if isinstance(self.state, Forked):
            await self.side_by_side()
            return
        if self.waits():
            if self.machine.function is None:
                await self.pause()
            else:
                await self.call(self.machine.function)
        self.take_in()

    async def pause(self) -> None:
        """Wait for what is left of a pause."""
        seconds = self.left_of_pause()
        if seconds > 0:
            await self.clock.sleep(seconds)
        self.reply = WOKE

    async def call(self, function: Callable[[Any], Any]) -> None:
        """Make the call that is asked for, on the terms of its step."""
        machine, began = self.machine, self.begin_call()
        seconds, reason = self.bound(machine, began)
        try:
            if step_of(machine).is_async:
                called = function(machine.value)
                self.returned = await self.within(seconds, reason, began, called)
            elif seconds is None or not _is_hard(machine.timeout):
                self.returned = function(machine.value)
            else:
                try:
                    self.returned, self.reply = await self.in_thread(machine, seconds, reason)
                finally:
                    self.let_go()
        except Exception as error:
            self.reply = Unknown(raised(error))

    def within(
        self, seconds: float | None, reason: TimedOut | None, began: int, called: Any
    ) -> Awaitable[Any]:
        """Give what is to be awaited for a call."""
        if seconds is None or reason is None:
            return cast("Awaitable[Any]", called)
        watchdog = self.watchdog
        if reason.seconds != seconds:  # what is left of a deadline: no line to stand in
            watchdog = self.scoped = self.scoped or Watchdog(watchdog.clock, shared=False)
        task: Any = asyncio.current_task() or _NO_TASK
        return _within(watchdog, seconds, began, called, task, reason)

    async def in_thread(
        self, strand: Machine, seconds: float, reason: Any
    ) -> tuple[object, object]:
        """Make the call of a plain function, and walk away from it at its deadline."""
        loop = asyncio.get_running_loop()
        answered: asyncio.Future[None] = loop.create_future()

        def wake() -> None:
            if not answered.done():
                answered.set_result(None)

        self.inbox = self.inbox or Inbox()
        call = ThreadCall(
            call_of(strand, None), self.inbox, lambda: loop.call_soon_threadsafe(wake)
        )
        refusal = refused() or call.start(strand.function, strand.value)
        if refusal is not None:
            return NOTHING, refusal
        timer = self.clock.call_at(self.now() + int(seconds * SECOND_NS), wake)
        try:
            await answered
        except asyncio.CancelledError as cancelled:
            if call.give_up():
                raise
            self.interrupts.append(cancelled)
        finally:
            timer.cancel()
        walked_away = call.give_up()
        unanswered = Unknown(reason)
        return (NOTHING, unanswered) if walked_away else call.answer(self.interrupts)

    # -- branches ------------------------------------------------------------------------------

    async def side_by_side(self) -> None:
        """Begin what branches ask for, wait until something has come back, and take that in."""
        for flight in self.waiting():
            if flight.strand.function is None:
                flight.until = self.end_of_pause(flight.strand)
                self.begins(flight)
            else:
                self.begin_flight(flight)
        self.cut_stopped()
        self.land_pauses()
        if not self.landed:
            await self.landing()
        self.take_in_landed()

    def begin_flight(self, flight: Flight) -> None:
        """Make a call in a task of its own."""
        self.announce(flight)
        CURRENT.set(flight.in_hand)
        flight.call = asyncio.create_task(self.perform(flight))
        self.backlog.pop(flight.at, None)
        CURRENT.set(None)

    async def perform(self, flight: Flight) -> None:
        """Make the call of a branch, on the terms of its step."""
        strand, began, until = flight.strand, flight.began or 0, flight.until
        seconds = None if until is None else (until - began) / SECOND_NS
        returned, reply = NOTHING, NOTHING
        try:
            function = cast("Callable[[Any], Any]", strand.function)
            if step_of(strand).is_async:
                called = function(strand.value)
                returned = await self.within(seconds, flight.reason, began, called)
            elif seconds is None or not _is_hard(strand.timeout):
                returned = function(strand.value)
            else:
                returned, reply = await self.in_thread(strand, seconds, flight.reason)
        except Exception as error:
            reply = Unknown(raised(error))
        except GeneratorExit:
            raise
        except BaseException as interrupt:
            reply = CUT
            if not flight.is_cut:
                self.interrupts.append(interrupt)
        flight.ended = self.now()
        self.land(flight, returned, reply)
        self.landed.append(flight)
        self.arrived()
        del strand, flight, returned, reply  # as at the end of a run

    def arrived(self) -> None:
        """Wake the run."""
        if self.arrival is not None and not self.arrival.done():
            self.arrival.set_result(None)

    def cut_stopped(self) -> None:
        """Cut the calls of branches that are to stop; each is awaited all the same."""
        book = self.state.book
        if not (book.cancels or book.interrupted or book.halted):
            return
        for flight in self.flights.values():
            if flight.call is None or flight.is_cut:
                continue
            if not isinstance(flight.strand.progress, Executing):
                continue
            stop = stopping(book, flight.strand.place)
            if stop is not None and stop.due is None:
                flight.is_cut = True
                flight.call.cancel()

    async def landing(self) -> None:
        """Wait until a call is over, or the time of a pause or a deadline is."""
        self.arrival = asyncio.get_running_loop().create_future()
        until = self.next_time()
        timer = None if until is None else self.clock.call_at(until, self.arrived)
        try:
            if not self.landed:
                await self.arrival
        finally:
            self.arrival = None
            if timer is not None:
                timer.cancel()


def _is_hard(timeout: Timeout) -> bool:
    return timeout is not None and not isinstance(timeout, Soft)
