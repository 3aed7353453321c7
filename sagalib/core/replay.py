"""Replay: a stored log, interpreted again.

The answers are read from the log and fed to the machine, which works out what else must stand
there; so a log that the saga cannot have written is found out at the first difference. A resume
is a replay that goes on live.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, final

import attrs
from attrs import frozen
from returns.result import Failure, Success
from typing_extensions import TypeVar

from sagalib.core import events as e
from sagalib.core.errors import InvalidSaga, LogMismatch
from sagalib.core.history import (
    Entry,
    History,
    answered,
    asked,
    begun,
    conclude,
    opening,
    taken_in,
)
from sagalib.core.machine import decide
from sagalib.core.messages import Cancel, Command, Expired, Late, Refused, Reply, Unknown, Woke
from sagalib.core.outcomes import Outcome
from sagalib.core.saga import Saga
from sagalib.core.state import (
    ROOT,
    Backing,
    Compensating,
    Ended,
    Executing,
    Forked,
    Machine,
    Pausing,
    Resting,
    State,
    path_of,
    strands_of,
)

__all__ = ["Suspended", "replay"]

A = TypeVar("A")
B = TypeVar("B")
E = TypeVar("E")
F = TypeVar("F")


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
    if not isinstance(came, Saga):
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
    history = History(saga, value, first.run_id, first.on_compensation_failure == "stop")
    reader.expect(opening(history.start))
    in_flight: set[int] = set()
    while (event := reader.peek()) is not None:
        state, trace = history.end, history.trace
        if isinstance(event, e.LateReply):
            reader.expect([event])
            history.trace = Entry(state, event, None, event.at_ns, state, trace)
            continue
        at, strand = _strand_of(state, event)
        told = isinstance(event, (e.CancelRequested, e.DeadlineExpired))
        if not told and at not in in_flight and strand.function is not None:
            reader.expect([asked(strand)])
            in_flight.add(at)
            if isinstance(state, Forked):
                history.trace = begun(state, at, None, trace)
            continue
        reply = _reply_in(strand, event, in_flight)
        history.trace = taken_in(state, reply, None, None, trace, at)
        reader.expect(answered(state, reply, history.end, at=at))
        if not told:
            in_flight.discard(at)
    machine = history.end
    if isinstance(machine, Machine) and isinstance(machine.progress, Ended):
        outcome: Outcome[B, E, F] = conclude(history)
        return outcome
    return Suspended(decide(machine), bool(in_flight))


def _strand_of(state: State, event: e.Event) -> tuple[int, Machine]:
    """Give the strand of which ``event`` tells; that of no other may be meant."""
    if isinstance(state, Machine):
        return ROOT, state
    strands, path = strands_of(state), getattr(event, "path", None)
    for at, strand in strands.items():
        if not isinstance(strand.progress, Backing) and path_of(strand) == path:
            return at, strand
    for at, strand in strands.items():
        if isinstance(strand.progress, Backing):
            return at, strand  # its pause is over, which no event tells
    return next(iter(strands.items()))


def _reply_in(machine: Machine, event: e.Event, in_flight: set[int]) -> Reply:
    """Read the reply that ``event`` records."""
    back = isinstance(machine.progress, Compensating)
    match event:
        case e.CancelRequested():
            return Cancel(ROOT in in_flight)
        case e.DeadlineExpired(number=number):
            return Expired(number, ROOT in in_flight)
        case _ if isinstance(machine.progress, Backing):
            return Woke()
        case e.StepOk(value=value, late=late) if isinstance(machine.progress, Executing):
            return Late(value) if late else Success(value)
        case e.StepInDoubt(reason=reason) if isinstance(machine.progress, Executing):
            return Unknown(reason)  # type: ignore[arg-type] # ty: ignore[invalid-argument-type]
        case (
            e.StepRetrying(reason=reason, returned=returned)
            | e.StepFailed(reason=reason, returned=returned)
        ) if isinstance(machine.progress, Executing):
            return Failure(reason) if returned else Refused(reason)  # type: ignore[arg-type] # ty: ignore[invalid-argument-type]
        case e.StepCompensated() | e.StepSettled() if back:
            return Success(None)
        case (
            e.CompensationRetrying(reason=reason, returned=returned)
            | e.CompensationGaveUp(reason=reason, returned=returned)
        ) if back:
            return Failure(reason) if returned else Unknown(reason)  # type: ignore[arg-type] # ty: ignore[invalid-argument-type]
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
