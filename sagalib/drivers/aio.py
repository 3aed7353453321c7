"""``run_async``: a saga in the caller's task, its unwinding in a task of its own."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Coroutine, Iterable
from contextlib import suppress
from typing import Any, overload

from typing_extensions import TypeVar

from sagalib.core.machine import begin
from sagalib.core.messages import Unknown
from sagalib.core.outcomes import Outcome, TimedOut
from sagalib.core.policy import Soft
from sagalib.core.saga import Async, Saga
from sagalib.core.state import Machine, call_of, step_of
from sagalib.drivers.calls import (
    CURRENT,
    NOTHING,
    WOKE,
    Audience,
    Claim,
    Observer,
    OnCompensationFailure,
    check,
    new_run_id,
    raised,
    seconds_of,
    with_outcome,
)
from sagalib.drivers.clock import SECOND_NS, AsyncClock
from sagalib.drivers.threads import Inbox, ThreadCall, refused
from sagalib.drivers.turns import Turns
from sagalib.drivers.watchdog import Watchdog, watchdog_of

__all__ = ["run_async"]

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
    claim = Claim(new_run_id() if run_id is None else run_id)
    token = CURRENT.set(None)
    try:
        claim.take()
        machine = begin(saga, value, claim.run_id, stop=on_compensation_failure == "stop")
        return await _AsyncRun(machine, audience, watchdog, dice).to_the_end()
    finally:
        claim.release()
        with suppress(ValueError):  # a coroutine that is closed is closed from another context
            CURRENT.reset(token)


class _Cut(Exception):
    """A call was cut by its timeout."""


def _in_a_task() -> bool:
    try:
        return asyncio.current_task() is not None
    except RuntimeError:
        return False


class _AsyncRun(Turns):
    """One run in the caller's task, its unwinding in a task of its own."""

    __slots__ = ("cancelling", "clock", "watchdog")

    def __init__(
        self,
        start: Machine,
        audience: Audience | None,
        watchdog: Watchdog,
        dice: Callable[[], float],
    ) -> None:
        self.watchdog = watchdog
        self.clock = watchdog.clock
        super().__init__(start, audience, self.clock.now_ns, self.clock.epoch_ns, dice)
        task = asyncio.current_task()
        self.cancelling = 0 if task is None else task.cancelling()

    async def to_the_end(self) -> Outcome[Any, Any, Any]:
        try:
            while self.concluded is None:
                while self.is_unwinding():
                    await self.unwind_shielded()
                await self.guarded_turn(back=False)
                self.notice_swallowed_cancel()
            return self.outcome()
        except BaseException as interrupt:
            with_outcome(interrupt, self.concluded)
            raise
        finally:
            self.close()

    def notice_swallowed_cancel(self) -> None:
        """A step that catches its cancellation does not unmake it: the task is to stop."""
        task = asyncio.current_task()
        if task is not None and not self.interrupts and task.cancelling() > self.cancelling:
            self.interrupts.append(asyncio.CancelledError())

    async def unwind_shielded(self) -> None:
        """Unwind in a task of its own; wait for it however often this task is cancelled."""
        unwinding = asyncio.create_task(self.unwind())
        while not unwinding.done():
            try:
                await asyncio.wait((unwinding,))
            except asyncio.CancelledError as cancelled:
                self.interrupts.append(cancelled)
        if not unwinding.cancelled():
            unwinding.result()

    async def unwind(self) -> None:
        while self.is_unwinding():
            await self.guarded_turn(back=True)

    async def guarded_turn(self, *, back: bool) -> None:
        try:
            await self.turn(back=back)
        except BaseException as interrupt:
            if isinstance(interrupt, GeneratorExit) and not _in_a_task():
                raise  # the coroutine is being closed, without a loop: nothing can be awaited
            self.note(interrupt)
            if back and isinstance(interrupt, asyncio.CancelledError):
                self.interrupts.pop()  # that of the unwinding's own task is not the caller's

    async def turn(self, *, back: bool) -> None:
        if not self.goes_on():
            self.conclude()
            return
        if self.is_unwinding() and not back:
            return  # a cancel has turned it: the way back is for a task of its own
        if self.waits():
            if self.machine.function is None:
                await self.pause()
            else:
                await self.call(self.machine.function)
        self.take_in()

    async def pause(self) -> None:
        seconds = self.left_of_pause()
        if seconds > 0:
            await self.clock.sleep(seconds)
        self.reply = WOKE

    async def call(self, function: Callable[[Any], Any]) -> None:
        """Make the call that is asked for, on the terms of its step."""
        machine, began = self.machine, self.begin_call()
        seconds = seconds_of(machine.timeout)
        try:
            if step_of(machine).is_async:
                called = function(machine.value)
                self.returned = await (
                    called if seconds is None else self.within(seconds, began, called)
                )
            elif seconds is None or isinstance(machine.timeout, Soft):
                self.returned = function(machine.value)
            else:
                try:
                    self.returned, self.reply = await self.in_thread(seconds)
                finally:
                    self.let_go()
        except _Cut:
            self.reply = Unknown(TimedOut(seconds or 0.0))
        except Exception as error:
            self.reply = Unknown(raised(error))

    async def within(
        self, seconds: float, began: int, called: Coroutine[Any, Any, object]
    ) -> object:
        """Await a call; cancel it, and wait for its end, when its time is up."""
        task: Any = asyncio.current_task()
        before = task.cancelling()
        watch = self.watchdog.watch(task, seconds, began)
        try:
            return await called
        except asyncio.CancelledError:
            if watch.fired and task.cancelling() - 1 <= before:
                raise _Cut from None
            raise
        except Exception:
            if watch.fired:
                raise _Cut from None
            raise
        finally:
            self.watchdog.release(seconds, watch)
            if watch.fired:
                self.was_cut = True
                task.uncancel()

    async def in_thread(self, seconds: float) -> tuple[object, object]:
        """Make the call of a plain function, and walk away from it at its deadline."""
        loop = asyncio.get_running_loop()
        answered: asyncio.Future[None] = loop.create_future()

        def wake() -> None:
            if not answered.done():
                answered.set_result(None)

        self.inbox = self.inbox or Inbox()
        call = ThreadCall(
            call_of(self.machine, None), self.inbox, lambda: loop.call_soon_threadsafe(wake)
        )
        refusal = refused() or call.start(self.machine.function, self.machine.value)
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
        unanswered = Unknown(TimedOut(seconds))
        return (NOTHING, unanswered) if walked_away else call.answer(self.interrupts)
