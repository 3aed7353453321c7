"""The event log as a fold: what was asked and what was answered, read as events.

A driver keeps nothing but a trace: the machine before each reply, and the reply. The events of a
reply are a function of the machine before it, the reply, and the machine after it; so the log of a
finished run, the events that an observer hears while a run goes on, and the check of a stored log
are one function, applied at different times.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple, Never, TypeAlias, cast, final

import attrs
from attrs import frozen
from returns.result import Failure, Success
from typing_extensions import TypeVar

from sagalib.core import events as e
from sagalib.core.errors import InvalidSaga, LogMismatch
from sagalib.core.machine import (
    CANCELLED,
    Compensating,
    Ended,
    Executing,
    Failed,
    Machine,
    Pausing,
    Progress,
    Resting,
    begin,
    decide,
    direction_of,
    evolve,
    failures_of,
    in_doubt_of,
    owed_by,
    path_of,
    step_of,
)
from sagalib.core.messages import Cancel, Command, Direction, Late, Refused, Reply, Unknown, Woke
from sagalib.core.outcomes import Compensated, Fatal, Ok, Outcome
from sagalib.core.saga import Saga

__all__ = [
    "Entry",
    "History",
    "Suspended",
    "Trace",
    "answered",
    "asked",
    "conclude",
    "opening",
    "replay",
    "taken_in",
]

A = TypeVar("A")
B = TypeVar("B")
E = TypeVar("E")
F = TypeVar("F")

_new: Callable[..., Any] = tuple[Any, ...].__new__


class Entry(NamedTuple):
    """One reply of a run.

    From which machine to which, when the call began and ended in ns, and the entry before.
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
            if not in_flight and (progress.attempt > 1 or isinstance(progress, Pausing)):
                yield e.StepFailed(*where, CANCELLED, False, at_ns=at_ns)
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
        self.start = start
        self.trace = trace
        self.began = began
        self.epoch = epoch
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


# -- replay ----------------------------------------------------------------------------------------


@final
@frozen
class Suspended:
    """A log that breaks off: what the machine asks for next.

    ``in_doubt`` if the call had begun and its answer is not in the log.
    """

    commands: tuple[Command, ...]
    in_doubt: bool


def replay(
    saga: Saga[A, B, E, F, Any], value: A, log: Iterable[e.Event]
) -> Outcome[B, E, F] | Suspended:
    """Interpret ``saga`` with the answers in ``log``; no step is called, pure functions are.

    Args:
        saga: the saga that wrote the log.
        value: the input of that run.
        log: its events, or the first of them.

    Returns:
        The outcome, or ``Suspended`` with the next commands if the log breaks off.

    Raises:
        LogMismatch: ``saga`` cannot have written ``log``; the message names the event and what was
            expected.
    """
    came: Any = saga
    if not _is_saga(came):
        msg = (
            f"expected a saga to replay, got {type(saga).__qualname__}: "
            "write replay(saga, value, log)"
        )
        raise InvalidSaga(msg)
    reader = _Reader(tuple(log))
    first = reader.peek()
    if not isinstance(first, e.SagaStarted):
        msg = f"a log begins with SagaStarted, got {_shown(first)}: pass the whole log of one run"
        raise LogMismatch(msg)
    start = machine = begin(saga, value, first.run_id, stop=first.on_compensation_failure == "stop")
    reader.expect(opening(machine))
    trace: Trace = None
    begun = False
    while (event := reader.peek()) is not None:
        if isinstance(event, e.LateReply):
            reader.expect([event])
            trace = Entry(machine, event, None, event.at_ns, machine, trace)
        elif (
            not begun and machine.function is not None and not isinstance(event, e.CancelRequested)
        ):
            reader.expect([asked(machine)])
            begun = True
        else:
            trace = taken_in(machine, _reply_in(machine, event, begun=begun), None, None, trace)
            reader.expect(answered(machine, trace.reply, trace.after))
            machine, begun = trace.after, begun and isinstance(trace.reply, Cancel)
    if isinstance(machine.progress, Ended):
        outcome: Outcome[B, E, F] = conclude(History(start, trace))
        return outcome
    return Suspended(decide(machine), begun)


def _reply_in(machine: Machine, event: e.Event | None, *, begun: bool) -> Reply:
    """Read the reply that ``event`` records."""
    back = isinstance(machine.progress, Compensating)
    match event:
        case e.CancelRequested():
            return Cancel(begun)
        case e.StepOk(value=value, late=late) if isinstance(machine.progress, Executing):
            return Late(value) if late else Success(value)
        case e.StepInDoubt(reason=reason) if isinstance(machine.progress, Executing):
            return Unknown(reason)  # type: ignore[arg-type]
        case (
            e.StepRetrying(reason=reason, returned=returned)
            | e.StepFailed(reason=reason, returned=returned)
        ) if isinstance(machine.progress, Executing):
            return Failure(reason) if returned else Refused(reason)  # type: ignore[arg-type]
        case e.StepCompensated() | e.StepSettled() if back:
            return Success(None)
        case (
            e.CompensationRetrying(reason=reason, returned=returned)
            | e.CompensationGaveUp(reason=reason, returned=returned)
        ) if back:
            return Failure(reason) if returned else Unknown(reason)  # type: ignore[arg-type]
        case e.StepStarted() if isinstance(machine.progress, Pausing):
            return Woke()
        case e.CompensationStarted() if isinstance(machine.progress, Resting):
            return Woke()
        case _:
            state = type(machine.progress).__name__
            msg = (
                f"this saga is {state} here and cannot have written {_shown(event)}: replay a "
                "log with the saga that wrote it"
            )
            raise LogMismatch(msg)


def _is_saga(value: object) -> bool:
    return isinstance(value, Saga)


class _Reader:
    """The events of a log in order, compared with what the machine would have written."""

    def __init__(self, events: tuple[e.Event, ...]) -> None:
        self._events = events
        self._next = 0

    def peek(self) -> e.Event | None:
        return self._events[self._next] if self._next < len(self._events) else None

    def expect(self, written: Sequence[e.Event]) -> None:
        for expected in written:
            came = self.peek()
            if came is None:
                return
            if _identity(came) != _identity(expected):
                msg = (
                    f"event {self._next} of the log is {_shown(came)}, "
                    f"and this saga writes {_shown(expected)} there{_difference(came, expected)}: "
                    "replay a log with the saga that wrote it"
                )
                raise LogMismatch(msg)
            self._next += 1


_NOT_COMPARED = {"value", "reason", "failures", "at_ns"}


def _identity(event: e.Event) -> dict[str, object]:
    """All of an event but the user's values, which need not have an ``==``."""
    names = attrs.fields_dict(type(event))
    facts = {name: getattr(event, name) for name in names if name not in _NOT_COMPARED}
    return {"kind": event.kind, **facts}


def _shown(event: e.Event | None) -> str:
    if event is None:
        return "nothing"
    path = getattr(event, "path", None)
    return event.kind if path is None else f"{event.kind} of {path!r}"


def _difference(came: e.Event, expected: e.Event) -> str:
    """Say which fact differs in events of one kind."""
    ours, theirs = _identity(expected), _identity(came)
    if came.kind != expected.kind:
        return ""
    differing = [name for name, value in ours.items() if theirs[name] != value]
    return "".join(f" ({name}: {theirs[name]!r}, not {ours[name]!r})" for name in differing)
