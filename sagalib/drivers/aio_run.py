"""One run under asyncio: the forward calls in the caller's task, the rest in tasks of their own.

The unwinding has a task of its own, which no cancellation of the caller's reaches; so has the call
of each branch.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, cast

from typing_extensions import TypeVar, override

from sagalib.core.history import History, Known, conclude
from sagalib.core.messages import SUCCESS, Unknown, late
from sagalib.core.outcomes import Outcome, TimedOut
from sagalib.core.policy import SECOND_NS, is_hard
from sagalib.core.state import Executing, Forked, Machine, call_of, step_of
from sagalib.drivers.branches import Branches, Flight
from sagalib.drivers.calls import CURRENT, CUT, NOTHING, WOKE, Audience, raised
from sagalib.drivers.threads import Inbox, ThreadCall, refused
from sagalib.drivers.watchdog import Watchdog

__all__ = ["NO_TASK", "AsyncRun", "is_closing", "shielded", "within_time"]

B = TypeVar("B")


class _NoTask:
    """Stands for the task where a coroutine is driven without one: no call of it can be cut."""

    def cancelling(self) -> int:
        return 0

    def cancel(self) -> bool:
        return False

    def uncancel(self) -> int:
        return 0


NO_TASK = _NoTask()


async def shielded(called: Coroutine[Any, Any, B], interrupts: list[BaseException]) -> B | None:
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


async def within_time(  # noqa: PLR0917 - by keyword they cost a tenth of a call
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


def is_closing(interrupt: BaseException) -> bool:
    """Tell whether the coroutine is being closed, without a loop: nothing can be awaited."""
    return isinstance(interrupt, GeneratorExit) and not _in_a_task()


def _in_a_task() -> bool:
    try:
        return asyncio.current_task() is not None
    except RuntimeError:
        return False


class AsyncRun(Branches):
    """One run in the caller's task; its unwinding and its branches are in others."""

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
        task: Any = asyncio.current_task() or NO_TASK
        if not self.interrupts and task.cancelling() > self.cancelling:
            self.interrupts.append(asyncio.CancelledError())

    async def unwind_shielded(self) -> None:
        """Unwind in a task of its own; wait for it however often this task is cancelled."""
        await shielded(self.unwind(), self.interrupts)

    async def unwind(self) -> None:
        """Go all the way back."""
        while self.is_unwinding():
            await self.guarded_turn(back=True)

    async def guarded_turn(self, *, back: bool) -> None:
        """Take a turn; note what interrupts it."""
        try:
            await self.turn(back=back)
        except BaseException as interrupt:
            if is_closing(interrupt):
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
            elif seconds is None or not is_hard(machine.timeout):
                self.returned = function(machine.value)
            else:
                try:
                    in_thread = self.in_thread(machine, seconds, reason, self.interrupts)
                    self.returned, self.reply = await in_thread
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
        task: Any = asyncio.current_task() or NO_TASK
        return within_time(watchdog, seconds, began, called, task, reason)

    async def in_thread(
        self, strand: Machine, seconds: float, reason: Any, cancelled: list[BaseException]
    ) -> tuple[object, object]:
        """Make the call of a plain function, and walk away from it at its deadline.

        A cancellation that comes when the call has just answered is added to ``cancelled``.
        """
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
        except asyncio.CancelledError as interrupt:
            if call.give_up():
                raise
            cancelled.append(interrupt)
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
        if flight.call is None:
            CURRENT.set(flight.in_hand)
            flight.call = asyncio.create_task(self.perform(flight))
            CURRENT.set(None)
        self.backlog.pop(flight.at, None)

    async def perform(self, flight: Flight) -> None:
        """Make the call of a branch, on the terms of its step."""
        strand, began, until = flight.strand, flight.began or 0, flight.until
        seconds = None if until is None else (until - began) / SECOND_NS
        returned, reply = NOTHING, NOTHING
        cancelled: list[BaseException] = []
        if flight.is_made:
            return  # an interrupt came when its task had just been created: that one makes the call
        flight.is_made = True
        try:
            function = cast("Callable[[Any], Any]", strand.function)
            if step_of(strand).is_async:
                called = function(strand.value)
                returned = await self.within(seconds, flight.reason, began, called)
            elif seconds is None or not is_hard(strand.timeout):
                returned = function(strand.value)
            else:
                in_thread = self.in_thread(strand, seconds, flight.reason, cancelled)
                returned, reply = await in_thread
        except Exception as error:
            reply = Unknown(raised(error))
        except GeneratorExit:
            raise
        except BaseException as interrupt:
            reply = CUT
            cancelled.append(interrupt)
        if flight.is_cut or not isinstance(strand.progress, Executing):
            # What cancels its task alone is not the caller's.
            cancelled = [one for one in cancelled if not isinstance(one, asyncio.CancelledError)]
        self.interrupts.extend(cancelled)
        flight.ended = self.now()
        self.land(flight, returned, reply)
        self.landed.append(flight)
        self.arrived()
        del strand, flight, returned, reply, cancelled  # as at the end of a run

    def arrived(self) -> None:
        """Wake the run."""
        if self.arrival is not None and not self.arrival.done():
            self.arrival.set_result(None)

    def cut_stopped(self) -> None:
        """Cut the calls of branches that are to stop; each is awaited all the same."""
        for flight in self.flights.values():
            if flight.call is not None and not flight.is_cut and self.is_to_stop(flight):
                flight.is_cut = True
                flight.call.cancel()
                if not flight.is_made:  # its task has not begun, and will not
                    flight.reply = CUT
                    self.landed.append(flight)

    async def landing(self) -> None:
        """Wait until a call is over, or the time of a pause or a deadline is."""
        self.arrival = asyncio.get_running_loop().create_future()
        until = self.next_time()
        timer = None if until is None else self.clock.call_at(until, self.arrived)
        try:
            if not self.landed:
                await self.arrival
        except asyncio.CancelledError as cancelled:
            self.interrupts.append(cancelled)  # however often: each call of a branch is awaited
        finally:
            self.arrival = None
            if timer is not None:
                timer.cancel()
