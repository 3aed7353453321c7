"""What the two supervisors share: which runs there are, where they stand, how they ended.

A record of a run is a list of the events heard so far, and its outcome in the end. A status is a
fold of that list, and goes on where the fold before it stopped. So nobody who asks waits for
anybody: the driver appends, the asker reads, and no lock is held while user code runs.
"""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Iterable
from contextvars import Context, copy_context
from typing import Any, Final, Generic, get_args

from attrs import evolve
from typing_extensions import TypeVar

from sagalib.core.errors import (
    InvalidOption,
    InvalidSaga,
    RunIdInUse,
    SupervisorClosed,
    UnknownRun,
    shown,
)
from sagalib.core.events import Event
from sagalib.core.outcomes import Outcome, Raised
from sagalib.core.policy import SECOND_NS, seconds_of
from sagalib.core.saga import Saga, identity
from sagalib.core.state import AnySaga, path_of
from sagalib.core.status import PENDING, RunState, Status, status_of
from sagalib.drivers.branches import Branches
from sagalib.drivers.calls import (
    Audience,
    Claim,
    Observer,
    OnCompensationFailure,
    check,
    new_run_id,
)

__all__ = ["Board", "Record", "maker_of", "whole"]

Done = TypeVar("Done")


class Record(Generic[Done]):
    """One run of a supervisor."""

    __slots__ = (
        "audience",
        "claim",
        "context",
        "done",
        "folded",
        "given",
        "heard",
        "interrupts",
        "is_cancelled",
        "is_over",
        "last",
        "outcome",
        "passed",
        "run",
        "run_id",
    )

    def __init__(
        self,
        claim: Claim,
        given: tuple[AnySaga, Any],
        audience: Audience | None,
        heard: list[Event],
        done: Done,
    ) -> None:
        """Note what is to be run, with the context variables as they are now."""
        self.run_id: str = claim.run_id
        self.claim: Claim = claim
        self.given: tuple[AnySaga, Any] = given
        self.audience: Audience | None = audience
        self.context: Context = copy_context()
        self.heard: list[Event] = heard
        self.done: Done = done
        self.folded: tuple[Status, int] = (PENDING, 0)
        """Where the run stood after so many of the events heard: one tuple, one assignment."""
        self.last: Status | None = None
        """How it stood in the end, once somebody has asked."""
        self.interrupts: list[BaseException] = []
        """What the run is interrupted by; a run that is cancelled before it begins finds it."""
        self.run: Branches | None = None
        self.outcome: Outcome[Any, Any, Any] | None = None
        self.passed: BaseException | None = None
        """What the run raised in the end, other than what cancelled it."""
        self.is_cancelled: bool = False
        self.is_over: bool = False

    def status(self) -> Status:
        """Tell where the run stands now."""
        if self.is_over:
            if self.last is None and self.outcome is not None:
                self.last = status_of(self.outcome.log)
            return self.last or PENDING
        status, run = self._told(), self.run
        overdue = () if run is None else _overdue(run)
        return evolve(status, overdue=overdue) if overdue else status

    def _told(self) -> Status:
        """Fold what has been heard since the last time."""
        status, count = self.folded
        news = self.heard[count:]
        if news:
            status = status_of(news, status)
            self.folded = (status, count + len(news))
        return status

    def end(self) -> None:
        """Keep of the run how it ended, and let go of the rest."""
        if self.outcome is None:  # it broke: no log tells of its end
            reason = None if self.passed is None else Raised.of(self.passed)
            self.last = evolve(self._told(), state="fatal", reason=reason)
        self.is_over = True
        self.given, self.heard, self.context = (_NOTHING, None), list[Event](), Context()
        self.audience = self.run = None


_NOTHING: Final[Saga[object, object]] = identity()


def _overdue(run: Branches) -> tuple[str, ...]:
    overdue: list[str] = []
    for call in run.in_hands:
        machine, began = call.in_progress()
        seconds = None if machine is None else seconds_of(machine.timeout)
        if machine is not None and seconds is not None and run.now() - began > seconds * SECOND_NS:
            overdue.append(path_of(machine))
    return tuple(overdue)


class Board(ABC, Generic[Done]):
    """The runs of a supervisor, and their places: so many go on at once, the rest is pending."""

    def __init__(
        self,
        max_running: int,
        keep: int,
        observers: Iterable[Observer],
        dice: Callable[[], float],
        on_compensation_failure: OnCompensationFailure,
    ) -> None:
        """Hold no run yet; refuse arguments with which none could begin."""
        self._places: int = whole("max_running", max_running, least=1)
        self._keep: int = whole("keep", keep, least=0)
        self._observers: tuple[Observer, ...] = tuple(observers)
        self._dice: Callable[[], float] = dice
        self._policy: OnCompensationFailure = on_compensation_failure
        check(_NOTHING, self._observers, on_compensation_failure)
        self._lock = threading.Lock()
        self._records: dict[str, Record[Done]] = {}
        self._pending: dict[str, Record[Done]] = {}
        self._finished: deque[str] = deque()
        self._running = 0
        self._is_closed = False

    # -- what is asked ----------------------------------------------------------------------------

    def status(self, run_id: str) -> Status:
        """Tell where a run stands. Never waits, also while a step is running.

        Raises:
            UnknownRun: no run of that id was started here, or it is no longer kept.
        """
        return self._find(run_id).status()

    def runs(self, state: RunState | None = None) -> tuple[str, ...]:
        """Give the ids of the runs, in the order of their start; only those in ``state``, if given.

        Raises:
            InvalidOption: there is no such state.
        """
        if state is None:
            return tuple(self._records)
        if state not in _STATES:
            raise InvalidOption(f"state must be one of {', '.join(_STATES)}; got {shown(state)}")
        records = list(self._records.values())
        return tuple(record.run_id for record in records if record.status().state == state)

    def _find(self, run_id: str) -> Record[Done]:
        record = self._records.get(run_id)
        if record is None:
            raise UnknownRun(
                f"expected the id of a run that was started here and is still kept; got "
                f"{shown(run_id)}. The last {self._keep} runs that have ended are kept: "
                "keep=... for more"
            )
        return record

    # -- from start to end ------------------------------------------------------------------------

    def _enter(
        self, saga: AnySaga, value: Any, run_id: str | None, epoch_ns: int, done: Done
    ) -> Record[Done]:
        """Take a run in, as pending."""
        heard: list[Event] = []
        audience = check(saga, (heard.append, *self._observers), self._policy, epoch_ns)
        self._refuse(saga)
        claim = Claim(new_run_id() if run_id is None else run_id)
        with self._lock:
            if self._is_closed:
                raise SupervisorClosed(
                    "the `with` of this supervisor has been left: expected one that is open. "
                    "Start runs inside the `with`, or make a new supervisor"
                )
            if claim.run_id in self._records:
                raise RunIdInUse(
                    f"run_id {claim.run_id!r} is in use by a run that goes on or is kept here: "
                    "expected a new one. Leave run_id out to get one"
                )
            record = Record(claim, (saga, value), audience, heard, done)
            claim.take()
            self._records[claim.run_id] = self._pending[claim.run_id] = record
        return record

    def _close(self) -> None:
        """Let no run be started any more."""
        with self._lock:
            self._is_closed = True

    def _take_place(self) -> bool:
        """Take one more place, if one is free and a run needs it."""
        with self._lock:
            free = self._running < self._places and bool(self._pending)
            self._running += free
            return free

    def _next(self) -> Record[Done] | None:
        """Give the run that has been pending longest; or give the place back if there is none."""
        with self._lock:
            for run_id in self._pending:
                return self._pending.pop(run_id)
            self._running -= 1
            return None

    def _take(self, record: Record[Done]) -> bool:
        """Take a run out of turn; tell whether it was still pending."""
        with self._lock:
            if self._pending.get(record.run_id) is not record:
                return False
            del self._pending[record.run_id]
            return True

    def _withdraw(self, record: Record[Done]) -> bool:
        """Forget a run that cannot begin; tell whether it had not begun."""
        with self._lock:
            if self._pending.get(record.run_id) is not record:
                return False
            del self._pending[record.run_id], self._records[record.run_id]
        record.claim.release()
        return True

    def _leave(self, record: Record[Done]) -> None:
        """Let a run go that is over; forget the oldest that there is no room for."""
        record.end()
        record.claim.release()
        with self._lock:
            self._finished.append(record.run_id)
            while len(self._finished) > self._keep:
                del self._records[self._finished.popleft()]

    def _outcome(self, record: Record[Done]) -> Outcome[Any, Any, Any]:
        if record.outcome is None:
            assert record.passed is not None  # noqa: S101 - a run that is over gave or raised
            raise record.passed
        return record.outcome

    # -- cancelling -------------------------------------------------------------------------------

    def cancel(self, run_id: str) -> None:
        """Have a run call no further step, and compensate. Does not wait for that.

        A run that is pending calls nothing at all. One that compensates already, or has ended, goes
        on as it is; so does one that is cancelled twice.

        Raises:
            UnknownRun: no run of that id was started here, or it is no longer kept.
        """
        self._cancel([self._find(run_id)])

    def _cancel(self, records: list[Record[Done]]) -> None:
        for record in records:
            if not record.is_over and not record.is_cancelled:
                self._interrupt(record)
                record.is_cancelled = True
        pending = [record for record in records if self._pending.get(record.run_id) is record]
        if pending:
            self._begin(pending)  # they make no call, so they need no place

    def _cancel_all(self) -> None:
        self._cancel(list(self._records.values()))

    def _refuse(self, saga: AnySaga) -> None:
        """Refuse a saga that cannot be run here."""

    @abstractmethod
    def _interrupt(self, record: Record[Done]) -> None:
        """Make a run notice that it is cancelled."""

    @abstractmethod
    def _begin(self, records: list[Record[Done]]) -> None:
        """Begin out of turn those of ``records`` that are still pending."""


_STATES: Final = get_args(RunState)


def maker_of(saga: Any, check_one: Callable[[AnySaga], object]) -> Callable[[Any], AnySaga]:
    """Give the function that gives the saga for a value, of which there may be one for all.

    Raises:
        InvalidSaga: ``saga`` is neither a saga nor a function; or what ``check_one`` raises.
    """
    if _is_saga(saga):
        check_one(saga)
        return lambda _: saga
    if _is_function(saga):
        function: Callable[[Any], AnySaga] = saga
        return function
    raise InvalidSaga(
        "expected a saga, or a function that gives the saga for a value; got "
        f"{type(saga).__qualname__}: write run_many(Step(function), values, limit=8)"
    )


def _is_saga(value: object) -> bool:
    return isinstance(value, Saga)


def _is_function(value: object) -> bool:
    return callable(value) and not isinstance(value, type)


def whole(name: str, value: object, *, least: int) -> int:
    """Give ``value`` back if it is a whole number, ``least`` or more.

    Raises:
        InvalidOption: it is not.
    """
    if isinstance(value, int) and not isinstance(value, bool) and value >= least:
        return value
    raise InvalidOption(f"{name} must be a whole number, {least} or more; got {shown(value)}")
