"""``run_async``: a saga in the caller's task, its unwinding in a task of its own."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple, overload

from typing_extensions import TypeVar

from sagalib.core.history import Ahead, History, Known
from sagalib.core.instructions import Keep
from sagalib.core.messages import SUCCESS, Unknown
from sagalib.core.outcomes import Outcome, went_back, went_through
from sagalib.core.policy import seconds_of
from sagalib.core.saga import Async, Saga
from sagalib.core.state import Machine
from sagalib.core.walk import WayBack, way_back
from sagalib.drivers.aio_run import NO_TASK, AsyncRun, is_closing, shielded, within_time
from sagalib.drivers.calls import (
    CURRENT,
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
from sagalib.drivers.watchdog import Watchdog, watchdog_of

__all__ = ["run_async", "to_the_end"]

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
    task: Any = asyncio.current_task() or NO_TASK
    asked = task.cancelling()
    try:
        if audience is None:
            try:
                followed = await _follow(past, watchdog, task)
            except BaseException as interrupt:
                if is_closing(interrupt):
                    raise
                interrupts.append(interrupt)
            if isinstance(followed, _Turned):
                back = _follow_back(past, followed, watchdog, task, asked, interrupts)
                # Between plain calls nothing can be cut.
                outcome = await (shielded(back, interrupts) if followed.is_async else back)
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


class _CallOnCourse(NamedTuple):
    """The call that began at ``began``, when ``calling`` was ahead."""

    past: History
    calling: Ahead
    began: int
    thread: int | None = None
    until: int | None = None

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
                CURRENT.set(_new(_CallOnCourse, (past, ahead, began, None, None)))
                returned: Any = instruction.execute(value)
                if instruction.is_async:
                    if instruction.timeout is not None:
                        seconds = seconds_of(instruction.timeout)
                        returned = within_time(watchdog, seconds, began, returned, task)
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
            CURRENT.set(_new(_CallOnCourse, (past, ahead, began, None, None)))
            returned: Any = compensate(argument)
            if step.is_async:
                seconds = seconds_of(step.compensation_timeout)
                if seconds is not None:
                    returned = within_time(watchdog, seconds, began, returned, task)
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
