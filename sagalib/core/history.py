"""The event log as a fold: what was asked and what was answered, read as events.

A driver keeps nothing but a trace: the machine before each reply, and the reply. The events of a
reply are a function of the machine before it, the reply, and the machine after it; so the log of a
finished run, the events that an observer hears while a run goes on, and the check of a stored log
are one function, applied at different times.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple, Never, TypeAlias, cast, final

import attrs
from attrs import frozen
from returns.result import Failure, Success
from typing_extensions import TypeVar

from sagalib.core import events as e
from sagalib.core.machine import CANCELLED, evolve
from sagalib.core.messages import Cancel, Direction, Late, Reply, Unknown, Woke
from sagalib.core.outcomes import Compensated, Fatal, Ok, Outcome
from sagalib.core.owed import failures_of, in_doubt_of, owed_by
from sagalib.core.saga import Saga
from sagalib.core.state import (
    Compensating,
    Ended,
    Executing,
    Failed,
    Machine,
    Pausing,
    Progress,
    Resting,
    direction_of,
    path_of,
    step_of,
)

__all__ = [
    "Entry",
    "History",
    "Trace",
    "answered",
    "asked",
    "conclude",
    "opening",
    "taken_in",
]

A = TypeVar("A")
B = TypeVar("B")
E = TypeVar("E")
F = TypeVar("F")

_new: Callable[..., Any] = tuple[Any, ...].__new__


class Entry(NamedTuple):
    """One reply of a run.

    It holds the machines before and after, when the call began and ended in ns, and the entry
    before.
    """

    before: Machine
    reply: Reply | e.LateReply
    began: int | None
    ended: int | None
    after: Machine
    earlier: Trace


Trace: TypeAlias = Entry | None
"""The replies of a run, newest first."""


def taken_in(
    machine: Machine, reply: Reply, began: int | None, ended: int | None, earlier: Trace
) -> Entry:
    """Evolve the machine by one reply, and add that to the trace."""
    entry: Entry = _new(Entry, (machine, reply, began, ended, evolve(machine, reply), earlier))
    return entry


def at(time: int | None, epoch: int) -> int | None:
    """Give a driver's time as nanoseconds since the epoch."""
    return None if time is None else time + epoch


def opening(machine: Machine, at_ns: int | None = None) -> list[e.Event]:
    """Give the events of a run's beginning, up to its first call."""
    book = machine.book
    policy = "stop" if book.stop else "continue"
    started = e.SagaStarted(book.run_id, book.saga.name, book.value, policy, at_ns=at_ns)
    return [started, *_turned(None, machine, at_ns), *_ended(machine, at_ns)]


def asked(machine: Machine, at_ns: int | None = None) -> e.Event:
    """Give the event of the call that ``machine`` asks for."""
    progress: Any = machine.progress
    where = (machine.book.run_id, path_of(machine), step_of(machine).name, progress.attempt)
    if isinstance(progress, Executing):
        return e.StepStarted(*where, at_ns=at_ns)
    return e.CompensationStarted(*where, direction_of(machine).value, at_ns=at_ns)


def answered(
    before: Machine, reply: Reply | e.LateReply, after: Machine, at_ns: int | None = None
) -> list[e.Event]:
    """Give the events of ``reply``, which took the machine from ``before`` to ``after``."""
    if isinstance(reply, e.LateReply):
        return [attrs.evolve(reply, at_ns=at_ns)]
    if isinstance(before.progress, Ended):
        return []
    said = _said_back if isinstance(before.progress, (Compensating, Resting)) else _said
    return [
        *said(before, reply, after, at_ns),
        *_turned(before, after, at_ns),
        *_ended(after, at_ns),
    ]


def _said(before: Machine, reply: Reply, after: Machine, at_ns: int | None) -> Iterator[e.Event]:
    progress: Any = before.progress
    where = (before.book.run_id, path_of(before), step_of(before).name, progress.attempt)
    match reply:
        case Woke():
            return
        case Cancel(in_flight):
            yield e.CancelRequested(before.book.run_id, at_ns=at_ns)
            made = progress.attempt - isinstance(progress, Executing)
            if made and not in_flight:
                yield e.StepFailed(*where[:3], made, CANCELLED, False, at_ns=at_ns)
        case Success():
            yield e.StepOk(*where, reply.unwrap(), at_ns=at_ns)
        case Late(value):
            yield e.StepOk(*where, value, True, at_ns=at_ns)
        case _:
            reason, returned = _reason(reply)
            if isinstance(reply, Unknown):
                yield e.StepInDoubt(*where, reason, at_ns=at_ns)
            again = after.pc == before.pc and _is_next_attempt(progress, after.progress)
            yield (e.StepRetrying if again else e.StepFailed)(*where, reason, returned, at_ns=at_ns)


def _is_next_attempt(failed: Executing | Pausing, following: Progress) -> bool:
    """Tell a retry of the step from a new beginning at the same place."""
    match following:
        case Pausing(attempt=attempt):
            return attempt == failed.attempt
        case Executing(attempt=attempt):
            return attempt == failed.attempt + 1
        case _:
            return False


def _said_back(
    before: Machine, reply: Reply, after: Machine, at_ns: int | None
) -> Iterator[e.Event]:
    progress: Any = before.progress
    direction = direction_of(before)
    where = (before.book.run_id, path_of(before), step_of(before).name, progress.attempt)
    match reply:
        case Woke():
            return
        case Cancel():
            yield e.CancelRequested(before.book.run_id, at_ns=at_ns)
        case Success() | Late():
            yield (e.StepSettled if direction is Direction.SETTLE else e.StepCompensated)(
                *where, at_ns=at_ns
            )
        case _:
            again = after.cells is before.cells and not isinstance(after.progress, Ended)
            kind = e.CompensationRetrying if again else e.CompensationGaveUp
            yield kind(*where, direction.value, *_reason(reply), at_ns=at_ns)


def _is_of_call(reply: Reply | e.LateReply) -> bool:
    """Tell whether ``reply`` says that the call asked for has begun."""
    return not isinstance(reply, (Woke, e.LateReply)) and (
        not isinstance(reply, Cancel) or reply.in_flight
    )


def _is_failure(reply: object) -> bool:
    return isinstance(reply, Failure)


def _reason(reply: Any) -> tuple[object, bool]:
    return (reply.failure(), True) if _is_failure(reply) else (reply.reason, False)


def _failed(machine: Machine | None) -> Failed | None:
    progress = None if machine is None else machine.progress
    return progress.failed if isinstance(progress, (Compensating, Resting, Ended)) else None


def _turned(before: Machine | None, after: Machine, at_ns: int | None) -> Iterator[e.Event]:
    failed = _failed(after)
    if failed is not None and _failed(before) is None:
        yield e.Compensating(after.book.run_id, failed.reason, failed.step, at_ns=at_ns)


def _ended(machine: Machine, at_ns: int | None) -> Iterator[e.Event]:
    if not isinstance(machine.progress, Ended):
        return
    run_id, failed, in_doubt = machine.book.run_id, machine.progress.failed, in_doubt_of(machine)
    if failed is None:
        yield e.SagaCompleted(run_id, machine.value, in_doubt, at_ns=at_ns)
    elif failures := failures_of(machine):
        yield e.SagaFatal(run_id, failed.reason, failures, failed.step, in_doubt, at_ns=at_ns)
    else:
        yield e.SagaCompensated(run_id, failed.reason, failed.step, in_doubt, at_ns=at_ns)


@final
class History:
    """What a driver knows of a run: the past of an outcome, read only when asked."""

    __slots__ = ("_events", "began", "epoch", "start", "trace")

    def __init__(
        self, start: Machine, trace: Trace, began: int | None = None, epoch: int = 0
    ) -> None:
        """Hold the first machine and the replies since; ``epoch`` is that of their times, in ns."""
        self.start: Machine = start
        self.trace: Trace = trace
        self.began: int | None = began
        self.epoch: int = epoch
        self._events: tuple[e.Event, ...] | None = None

    @property
    def end(self) -> Machine:
        """The present machine."""
        return self.start if self.trace is None else self.trace.after

    @property
    def run_id(self) -> str:
        """The id of the run."""
        return self.start.book.run_id

    def log(self) -> Sequence[e.Event]:
        """Give the events so far, first to last."""
        if self._events is None:
            self._events = tuple(self._fold())
        return self._events

    def _fold(self) -> Iterator[e.Event]:
        entries: list[Entry] = []
        newest = self.trace
        while newest is not None:
            entries.append(newest)
            newest = newest.earlier
        yield from opening(self.start, at(self.began, self.epoch))
        begun = False
        for before, reply, began, ended, after, _ in reversed(entries):
            if not begun and _is_of_call(reply):
                yield asked(before, at(began, self.epoch))
            yield from answered(before, reply, after, at(ended, self.epoch))
            if not isinstance(reply, e.LateReply):  # which may come while a call is in flight
                begun = isinstance(reply, Cancel) and reply.in_flight

    def owed(self) -> Saga[None, None, Never, Any]:
        """Give the compensations that can still be run, as a saga."""
        return owed_by(self.end)

    def __reduce__(self) -> tuple[object, ...]:
        """Pickle what was read, without the machines."""
        return (_Recorded, (self.run_id, tuple(self.log()), self.owed()))


@frozen
class _Recorded:
    """The past of an outcome that came out of a pickle."""

    run_id: str
    events: tuple[e.Event, ...]
    still_owed: Saga[None, None, Never, Any]

    def log(self) -> Sequence[e.Event]:
        return self.events

    def owed(self) -> Saga[None, None, Never, Any]:
        return self.still_owed


def conclude(history: History) -> Outcome[Any, Any, Any]:
    """Give the outcome of an ended run."""
    machine = history.end
    failed = cast("Ended", machine.progress).failed
    if failed is None:
        return Ok(machine.value, in_doubt=in_doubt_of(machine), past=history)
    reason: Any = failed.reason
    in_doubt, failures = in_doubt_of(machine), failures_of(machine)
    if failures:
        return Fatal(reason, failures, failed.step, failed.context, in_doubt=in_doubt, past=history)
    return Compensated(reason, failed.step, failed.context, in_doubt=in_doubt, past=history)
