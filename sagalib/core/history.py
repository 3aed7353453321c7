"""The event log as a fold: what was asked and what was answered, read as events.

A driver keeps nothing but a trace: the machine before each reply, and the reply. The events of a
reply are a function of the machine before it, the reply, and the machine after it; so the log of a
finished run, the events that an observer hears while a run goes on, and the check of a stored log
are one function, applied at different times.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final, NamedTuple, Never, TypeAlias, cast, final

import attrs
from attrs import frozen
from returns.result import Failure, Success
from typing_extensions import TypeVar

from sagalib.core import events as e
from sagalib.core.forward import stopping
from sagalib.core.machine import begin, evolve, understand
from sagalib.core.messages import (
    BEGUN,
    RESULTS,
    Begun,
    Cancel,
    Direction,
    Expired,
    Late,
    Reply,
    Unknown,
    Woke,
    late,
)
from sagalib.core.outcomes import Compensated, Fatal, Ok, Outcome
from sagalib.core.owed import failures_of, in_doubt_of, owed_by
from sagalib.core.policy import limit_of
from sagalib.core.saga import Saga
from sagalib.core.state import (
    ROOT,
    AnySaga,
    Book,
    Compensating,
    Ended,
    Executing,
    Failed,
    Machine,
    Pausing,
    Resting,
    State,
    direction_of,
    path_of,
    step_of,
    strand_at,
    strands_of,
)

__all__ = [
    "Ahead",
    "Entry",
    "History",
    "Known",
    "Trace",
    "answered",
    "asked",
    "begun",
    "conclude",
    "opening",
    "reply_of",
    "since_epoch",
    "taken_in",
]

A = TypeVar("A")
B = TypeVar("B")
E = TypeVar("E")
F = TypeVar("F")

_new: Callable[..., Any] = tuple[Any, ...].__new__


_NOTHING: Final[object] = object()


class Entry(NamedTuple):
    """One reply of a run.

    It holds the states before and after, when the call began and ended in ns, the entry before, and
    which strand the reply is for.
    """

    before: State
    reply: Reply | Begun | e.LateReply
    began: int | None
    ended: int | None
    after: State
    earlier: Trace
    at: int = ROOT


Trace: TypeAlias = Entry | None
"""The replies of a run, newest first."""


def taken_in(  # noqa: PLR0917 - the parts of an entry
    state: State,
    reply: Reply,
    began: int | None,
    ended: int | None,
    earlier: Trace,
    at: int = ROOT,
) -> Entry:
    """Evolve the state by one reply, and add that to the trace."""
    after = evolve(state, reply, at)
    entry: Entry = _new(Entry, (state, reply, began, ended, after, earlier, at))
    return entry


def begun(state: State, at: int, time: int | None, earlier: Trace) -> Entry:
    """Add to the trace that the call which the strand ``at`` asks for begins."""
    return Entry(state, BEGUN, None, time, evolve(state, BEGUN, at), earlier, at)


Ahead: TypeAlias = "tuple[object, int, Ahead] | None"
"""What calls on the course have returned, and when they began, newest first.

The machine has not taken it in yet. A call ends when the next one begins.
"""


class Known(NamedTuple):
    """A reply that a driver has made itself, in the place of what the call returned."""

    reply: Reply


def reply_of(machine: Machine, returned: object, began: int, ended: int) -> Reply:
    """Read what the call that ``machine`` asks for has returned, with regard to its timeout."""
    given: Any = returned
    if isinstance(returned, Known):
        return returned.reply
    reply: Reply = given if type(given) in RESULTS else understand(machine, returned)
    return late(reply) if ended - began > limit_of(machine.timeout) else reply


def since_epoch(time: int | None, epoch: int) -> int | None:
    """Give a driver's time as nanoseconds since the epoch."""
    return None if time is None else time + epoch


def opening(state: State, at_ns: int | None = None) -> list[e.Event]:
    """Give the events of a run's beginning, up to its first call."""
    book = state.book
    policy = "stop" if book.stop else "continue"
    started = e.SagaStarted(book.run_id, book.saga.name, book.value, policy, at_ns=at_ns)
    return [started, *_turned(None, state, at_ns), *_ended(state, at_ns)]


def asked(machine: Machine, at_ns: int | None = None) -> e.Event:
    """Give the event of the call that ``machine`` asks for."""
    progress: Any = machine.progress
    where = (machine.book.run_id, path_of(machine), step_of(machine).name, progress.attempt)
    if isinstance(progress, Executing):
        return e.StepStarted(*where, at_ns=at_ns)
    return e.CompensationStarted(*where, direction_of(machine).value, at_ns=at_ns)


def answered(
    before: State,
    reply: Reply | Begun | e.LateReply,
    after: State,
    at_ns: int | None = None,
    at: int = ROOT,
) -> list[e.Event]:
    """Give the events of ``reply``, which took the state from ``before`` to ``after``."""
    if isinstance(reply, e.LateReply):
        return [attrs.evolve(reply, at_ns=at_ns)]
    if isinstance(before, Machine) and isinstance(before.progress, Ended):
        return []
    strand = strand_at(before, at)
    if isinstance(reply, Begun):
        return [] if strand is None else [asked(strand, at_ns)]
    return [
        *_said(before, strand, reply, after, at, at_ns),
        *_turned(before, after, at_ns),
        *_ended(after, at_ns),
    ]


def _said(  # noqa: PLR0917 - the parts of an entry
    before: State, strand: Machine | None, reply: Reply, after: State, at: int, at_ns: int | None
) -> Iterator[e.Event]:
    if isinstance(reply, (Cancel, Expired)):
        yield from _told(before, reply, after.book, at_ns)
    elif not isinstance(reply, Woke) and strand is not None:
        back = isinstance(strand.progress, (Compensating, Resting))
        said = _said_back if back else _said_forward
        yield from said(strand, reply, strand_at(after, at), at_ns)


def _told(
    state: State, reply: Cancel | Expired, book: Book, at_ns: int | None
) -> Iterator[e.Event]:
    """Give the events of what was said to all strands."""
    if isinstance(reply, Cancel):
        yield e.CancelRequested(book.run_id, at_ns=at_ns)
    else:
        yield e.DeadlineExpired(book.run_id, reply.number, at_ns=at_ns)
    for strand in strands_of(state).values():
        progress = strand.progress
        if not isinstance(progress, (Executing, Pausing)):
            continue
        if reply.in_flight or (isinstance(progress, Executing) and progress.begun):
            continue
        stop = stopping(book, strand.place)
        made = progress.attempt - isinstance(progress, Executing)
        if made and stop is not None:
            where = (book.run_id, path_of(strand), step_of(strand).name, made)
            yield e.StepFailed(*where, stop.reason, False, at_ns=at_ns)


def _said_forward(
    before: Machine, reply: Any, after: Machine | None, at_ns: int | None
) -> Iterator[e.Event]:
    progress: Any = before.progress
    succeeded: Any = reply
    where = (before.book.run_id, path_of(before), step_of(before).name, progress.attempt)
    match reply:
        case Success():
            yield e.StepOk(*where, succeeded.unwrap(), at_ns=at_ns)
        case Late(value):
            yield e.StepOk(*where, value, True, at_ns=at_ns)
        case _:
            reason, returned = _reason(reply)
            if isinstance(reply, Unknown):
                yield e.StepInDoubt(*where, reason, at_ns=at_ns)
            again = after is not None and after.pc == before.pc and _is_next(progress, after)
            yield (e.StepRetrying if again else e.StepFailed)(*where, reason, returned, at_ns=at_ns)


def _is_next(failed: Executing | Pausing, following: Machine) -> bool:
    """Tell a retry of the step from a new beginning at the same place."""
    match following.progress:
        case Pausing(attempt=attempt):
            return attempt == failed.attempt
        case Executing(attempt=attempt):
            return attempt == failed.attempt + 1
        case _:
            return False


def _said_back(
    before: Machine, reply: Any, after: Machine | None, at_ns: int | None
) -> Iterator[e.Event]:
    progress: Any = before.progress
    direction = direction_of(before)
    where = (before.book.run_id, path_of(before), step_of(before).name, progress.attempt)
    match reply:
        case Success() | Late():
            yield (e.StepSettled if direction is Direction.SETTLE else e.StepCompensated)(
                *where, at_ns=at_ns
            )
        case _:
            again = (
                after is not None
                and after.cells is before.cells
                and isinstance(after.progress, (Compensating, Resting))
            )
            kind = e.CompensationRetrying if again else e.CompensationGaveUp
            yield kind(*where, direction.value, *_reason(reply), at_ns=at_ns)


def _is_of_call(reply: Reply | Begun | e.LateReply) -> bool:
    """Tell whether ``reply`` says that the call asked for has begun."""
    return not isinstance(reply, (Woke, Begun, e.LateReply)) and (
        not isinstance(reply, (Cancel, Expired)) or reply.in_flight
    )


def _is_failure(reply: object) -> bool:
    return isinstance(reply, Failure)


def _reason(reply: Any) -> tuple[object, bool]:
    return (reply.failure(), True) if _is_failure(reply) else (reply.reason, False)


def _unwinding(strand: Machine | None) -> Failed | None:
    """Give why a strand goes back, if it does."""
    if strand is None:
        return None
    progress = strand.progress
    if isinstance(progress, (Compensating, Resting)):
        return progress.failed
    return progress.failed if isinstance(progress, Ended) and strand.frames is None else None


def _turned(before: State | None, after: State, at_ns: int | None) -> Iterator[e.Event]:
    for at in (ROOT,) if isinstance(after, Machine) else sorted(after.changed):
        failed = _unwinding(strand_at(after, at))
        earlier = None if before is None else strand_at(before, at)
        if failed is not None and _unwinding(earlier) is None:
            yield e.Compensating(after.book.run_id, failed.reason, failed.step, at_ns=at_ns)


def _ended(state: State, at_ns: int | None) -> Iterator[e.Event]:
    if not isinstance(state, Machine) or not isinstance(state.progress, Ended):
        return
    run_id, failed, in_doubt = state.book.run_id, state.progress.failed, in_doubt_of(state)
    if failed is None:
        yield e.SagaCompleted(run_id, state.value, in_doubt, at_ns=at_ns)
    elif failures := failures_of(state):
        yield e.SagaFatal(run_id, failed.reason, failures, failed.step, in_doubt, at_ns=at_ns)
    else:
        yield e.SagaCompensated(run_id, failed.reason, failed.step, in_doubt, at_ns=at_ns)


@final
class History:
    """What a driver knows of a run: the past of an outcome, read only when asked."""

    __slots__ = (
        "_events",
        "_start",
        "_taken_in",
        "ahead",
        "began",
        "calling",
        "epoch",
        "has_left_course",
        "now",
        "run_id",
        "saga",
        "stop",
        "thread",
        "trace",
        "value",
    )

    saga: AnySaga
    value: object
    run_id: str
    stop: bool
    began: int | None
    epoch: int
    now: int
    """The latest time on the course: the call in progress began then, or the newest one ended."""
    ahead: Ahead
    """What has come on the course of the saga."""
    calling: object
    """What was ahead when the latest call on the course began: it goes on while that is so."""
    thread: int | None
    """The only thread on which the call in progress may be asked about, if there is one."""
    has_left_course: bool
    """Whether the replies are in ``trace`` from now on."""
    trace: Trace

    def __init__(  # noqa: PLR0917 - by keyword they cost a tenth of a short run
        self,
        saga: AnySaga,
        value: object,
        run_id: str,
        stop: bool = False,  # noqa: FBT001, FBT002 - as above
        began: int | None = None,
        epoch: int = 0,
    ) -> None:
        """Begin with the arguments of ``begin`` at ``began``; ``epoch`` is that of times, in ns."""
        self.saga, self.value, self.run_id, self.stop = saga, value, run_id, stop
        self.began, self.now = began, began or 0
        self.epoch = epoch
        self.ahead = self.trace = self.thread = None
        self.calling = _NOTHING
        self.has_left_course = False
        self._taken_in: tuple[Ahead, Trace] = (None, None)
        self._start: State | None = None
        self._events: tuple[e.Event, ...] | None = None

    @property
    def start(self) -> State:
        """The first state."""
        if self._start is None:
            self._start = begin(self.saga, self.value, self.run_id, stop=self.stop)
        return self._start

    @property
    def until(self) -> int | None:
        """No deadline of a scope stands around a call on the course."""
        return None

    def in_progress(self) -> tuple[Machine | None, int]:
        """Give the machine that asks for the call in progress on the course, and when that began.

        None if there is none.
        """
        if self.has_left_course or self.calling is not self.ahead:
            return None, 0
        return self.asking(self.ahead, self.now), self.now

    def asking(self, newest: Ahead, ended: int) -> Machine:
        """Give the machine that asks for the call after ``newest``, which ended at ``ended``."""
        trace = self.take_in(newest, ended)
        return cast("Machine", self.start if trace is None else trace.after)

    def replies(self) -> Trace:
        """Give the replies, of which the machine has taken in what was ahead of it."""
        if self.has_left_course or self.ahead is None:
            return self.trace
        return self.take_in(self.ahead, self.now)

    def take_in(self, newest: Ahead, ended: int) -> Trace:
        """Let the machine take in what is ahead up to ``newest``, which ended at ``ended``."""
        known, trace = self._taken_in
        waiting: list[tuple[object, int, int]] = []
        node: Any = newest
        while node is not None and node is not known:
            returned, began, node = node
            waiting.append((returned, began, ended))
            ended = began
        if node is None:
            trace = None  # what is known came after `newest`: another thread has asked
        while waiting:
            returned, began, ended = waiting.pop()
            machine = cast("Machine", self.start if trace is None else trace.after)
            reply = reply_of(machine, returned, began, ended)
            trace = taken_in(machine, reply, began, ended, trace)
        self._taken_in = (newest, trace)
        return trace

    @property
    def end(self) -> State:
        """The present state."""
        trace = self.replies()
        return self.start if trace is None else trace.after

    def log(self) -> Sequence[e.Event]:
        """Give the events so far, first to last."""
        if self._events is None:
            self._events = tuple(self._fold())
        return self._events

    def _fold(self) -> Iterator[e.Event]:
        entries: list[Entry] = []
        newest = self.replies()
        while newest is not None:
            entries.append(newest)
            newest = newest.earlier
        yield from opening(self.start, since_epoch(self.began, self.epoch))
        begun = False
        for before, reply, began, ended, after, _, at in reversed(entries):
            alone = isinstance(before, Machine)
            if alone and not begun and _is_of_call(reply):
                yield asked(before, since_epoch(began, self.epoch))
            yield from answered(before, reply, after, since_epoch(ended, self.epoch), at)
            if not isinstance(reply, e.LateReply):  # which may come while a call is in flight
                begun = alone and isinstance(reply, (Cancel, Expired)) and reply.in_flight

    def owed(self) -> Saga[None, None, Never, Any]:
        """Give the compensations that can still be run, as a saga."""
        return owed_by(self.end)

    def others(self) -> tuple[Any, ...]:
        """Give why the other branches failed, in declared order."""
        end = self.end
        progress = end.progress if isinstance(end, Machine) else None
        failed = progress.failed if isinstance(progress, Ended) else None
        return () if failed is None else tuple(reason for reason, _ in failed.others)

    def __reduce__(self) -> tuple[object, ...]:
        """Pickle what was read, without the machines."""
        return (_Recorded, (self.run_id, tuple(self.log()), self.owed(), self.others()))


@frozen
class _Recorded:
    """The past of an outcome that came out of a pickle."""

    run_id: str
    events: tuple[e.Event, ...]
    still_owed: Saga[None, None, Never, Any]
    other_reasons: tuple[Any, ...] = ()

    def log(self) -> Sequence[e.Event]:
        return self.events

    def owed(self) -> Saga[None, None, Never, Any]:
        return self.still_owed

    def others(self) -> tuple[Any, ...]:
        return self.other_reasons


def conclude(history: History) -> Outcome[Any, Any, Any]:
    """Give the outcome of an ended run."""
    machine = cast("Machine", history.end)
    failed = cast("Ended", machine.progress).failed
    if failed is None:
        return Ok(machine.value, in_doubt=in_doubt_of(machine), past=history)
    reason: Any = failed.reason
    in_doubt, failures = in_doubt_of(machine), failures_of(machine)
    if failures:
        return Fatal(reason, failures, failed.step, failed.context, in_doubt=in_doubt, past=history)
    return Compensated(reason, failed.step, failed.context, in_doubt=in_doubt, past=history)
