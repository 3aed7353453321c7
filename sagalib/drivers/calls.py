"""What all drivers share.

The call in progress, the ids in use, observers, and exceptions as replies.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterable
from contextvars import ContextVar
from itertools import count
from threading import get_ident
from typing import Any, Final, Literal, Never, Protocol, TypeAlias
from uuid import uuid4

from sagalib.core.errors import InvalidOption, InvalidSaga, NoCurrentCall, RunIdInUse, shown
from sagalib.core.events import Event
from sagalib.core.functions import is_coroutine_function, name_of
from sagalib.core.history import Entry, answered, asked, opening, since_epoch
from sagalib.core.messages import Call, Unknown, Woke
from sagalib.core.outcomes import Cancelled, Outcome, Raised
from sagalib.core.paths import check_run_id
from sagalib.core.policy import SECOND_NS, seconds_of
from sagalib.core.saga import Saga
from sagalib.core.state import Machine, State, call_of

__all__ = [
    "CURRENT",
    "CUT",
    "NOTHING",
    "WOKE",
    "Audience",
    "CallInHand",
    "Claim",
    "Observer",
    "OnCompensationFailure",
    "after_fork",
    "check",
    "current_call",
    "new_run_id",
    "outcome_of",
    "raised",
    "reraise",
    "with_outcome",
]

Observer: TypeAlias = Callable[[Event], object]
"""A function that is called with each event of a run, in order; what it returns is ignored."""

OnCompensationFailure: TypeAlias = Literal["continue", "stop"]
"""What is done when a compensation fails: go on with the others, or stop there."""


class InProgress(Protocol):
    """What knows the call in progress."""

    @property
    def thread(self) -> int | None:
        """The only thread that may ask, if there is one."""
        ...

    @property
    def until(self) -> int | None:
        """When the deadline of a scope around the call passes, if there is one."""
        ...

    def in_progress(self) -> tuple[Machine | None, int]:
        """Give the machine that asks for the call, and when it began; none if it is over."""
        ...


CURRENT: Final[ContextVar[InProgress | None]] = ContextVar("sagalib_call", default=None)
CUT: Final = Unknown(Cancelled())
WOKE: Final = Woke()
NOTHING: Final[Any] = object()

logger: logging.Logger = logging.getLogger("sagalib")


_process = f"{uuid4().hex[:12]}-"
_counter = count(1)
_in_use: dict[str, Claim] = {}


def after_fork() -> None:
    """Begin anew in a forked child: its ids are its own, and no run of the parent goes on there."""
    global _process  # noqa: PLW0603 - the one name of this process
    _process = f"{uuid4().hex[:12]}-"
    _in_use.clear()


if hasattr(os, "register_at_fork"):  # pragma: no branch - Windows has no fork
    os.register_at_fork(after_in_child=after_fork)


class CallInHand:
    """One call, as long as it goes on.

    What a step has left running in its context finds no call any more, instead of the next one.
    """

    __slots__ = ("_began", "_machine", "thread", "until")

    def __init__(
        self, machine: Machine, began: int, thread: int | None = None, until: int | None = None
    ) -> None:
        """Hold the call that ``machine`` asks for; ``thread`` is the only one it is made on."""
        self.until: int | None = until
        self._machine: Machine | None = machine
        self._began: int = began
        self.thread: int | None = thread

    def in_progress(self) -> tuple[Machine | None, int]:
        """Give the machine that asks for the call, and when it began; none if it is over."""
        return self._machine, self._began

    def is_over(self) -> None:
        """Forget the call."""
        self._machine = None


def current_call() -> Call:
    """Describe the call in which this is called: run id, path, attempt, idempotency key, ...

    In ``run`` and ``simulate``, ask on the thread on which the function was called; under
    ``run_async``, anything that the call has started may ask, as long as the call goes on.

    Raises:
        NoCurrentCall: outside execute, compensate and settle.
    """
    current = CURRENT.get()
    if current is not None and current.thread not in (None, get_ident()):
        # A context that a step has left behind may ask while a later step goes on.
        msg = (
            "current_call() was called on another thread than the step was: expected the thread of "
            "the step. Write call = current_call() in the step, and hand it to the thread"
        )
        raise NoCurrentCall(msg)
    # Only now: what the answer is worked out from may belong to that thread alone.
    machine, began = (None, 0) if current is None else current.in_progress()
    if machine is None:
        msg = (
            "current_call() is for the inside of execute, compensate and settle: "
            "expected a call in progress, found none"
        )
        raise NoCurrentCall(msg)
    seconds = seconds_of(machine.timeout)
    own = None if seconds is None else began + int(seconds * SECOND_NS)
    until = None if current is None else current.until
    return call_of(machine, until if own is None or (until and until < own) else own)


def raised(exception: BaseException) -> Raised:
    """Describe what user code raised; the frames of this library leave its traceback."""
    trace = exception.__traceback__
    while trace is not None and trace.tb_frame.f_globals.get("__name__", "").startswith("sagalib."):
        trace = trace.tb_next
    exception.__traceback__ = trace
    return Raised.of(exception)


def outcome_of(exception: BaseException) -> Outcome[Any, Any, Any] | None:
    """Give the outcome of the run that compensated and then raised ``exception`` again.

    ``KeyboardInterrupt``, ``SystemExit``, ``CancelledError`` and any other exception that is no
    ``Exception`` pass through a run, after the compensations. An exception that was made of one of
    them, as ``asyncio.timeout`` and ``asyncio.run`` do, is followed back to it. ``None`` for an
    exception that passed through no run.
    """
    seen: set[int] = set()
    following: BaseException | None = exception
    while following is not None and id(following) not in seen:
        outcome: Outcome[Any, Any, Any] | None = getattr(following, "_sagalib_outcome", None)
        if outcome is not None:
            return outcome
        seen.add(id(following))
        following = following.__cause__ or following.__context__
    return None


def with_outcome(interrupt: BaseException, outcome: Outcome[Any, Any, Any] | None) -> None:
    """Put the outcome of a run on what interrupted it: see ``outcome_of``."""
    if outcome is not None:
        interrupt._sagalib_outcome = outcome  # type: ignore[attr-defined] # ty: ignore[missing-attribute] # noqa: SLF001 - ours


def reraise(interrupts: list[BaseException]) -> Never:
    """Raise the first of ``interrupts`` again."""
    first = interrupts[0]
    interrupts.clear()
    try:
        raise first
    finally:
        del first  # or this frame, which is in its traceback, would keep it alive


def new_run_id() -> str:
    """Make up an id that no other run has."""
    return f"{_process}{next(_counter)}"


class Claim:
    """The right to an id while its run goes on in this process."""

    __slots__ = ("run_id",)

    def __init__(self, run_id: str) -> None:
        """Check ``run_id``; take nothing yet."""
        self.run_id: str = check_run_id(run_id)

    def take(self) -> None:
        """Take the id if it is free.

        To be called inside the ``try`` whose ``finally`` releases: an interrupt may come at any
        point.
        """
        if _in_use.setdefault(self.run_id, self) is not self:
            msg = (
                f"run_id {self.run_id!r} is in use by a run that goes on in this process: "
                "expected a free one. Leave run_id out to get one"
            )
            raise RunIdInUse(msg)

    def release(self) -> None:
        """Give the id back if it was taken; may be called again."""
        if _in_use.get(self.run_id) is self:
            del _in_use[self.run_id]


class Audience:
    """The observers of one run. They hear its events in order; one that raises changes nothing."""

    __slots__ = ("_epoch", "_observers", "_reported")

    def __init__(self, observers: tuple[Observer, ...], epoch: int) -> None:
        """Take observers that ``check`` has seen, and the epoch of the clock."""
        self._observers = observers
        self._epoch = epoch
        self._reported = False

    def opened(self, state: State, at_ns: int | None) -> None:
        """Tell of the beginning."""
        self._tell(opening(state, since_epoch(at_ns, self._epoch)))

    def asked(self, machine: Machine, at_ns: int | None) -> None:
        """Tell that a call is about to be made."""
        self._tell([asked(machine, since_epoch(at_ns, self._epoch))])

    def answered(self, entry: Entry) -> None:
        """Tell of a reply."""
        told = answered(
            entry.before,
            entry.reply,
            entry.after,
            since_epoch(entry.ended, self._epoch),
            entry.at,
        )
        self._tell(told)

    def _tell(self, events: Iterable[Event]) -> None:
        for event in events:
            for observer in self._observers:
                try:
                    observer(event)
                except Exception:
                    if not self._reported:
                        self._reported = True
                        logger.warning(
                            "observer %r raised on %s of run %s; the run goes on, "
                            "further failures are not reported",
                            observer,
                            event.kind,
                            event.run_id,
                            exc_info=True,
                        )


def check(
    saga: object, observers: object, on_compensation_failure: str, epoch: int = 0
) -> Audience | None:
    """Refuse arguments that no run can begin with; give the audience, ``None`` without observers.

    Raises:
        InvalidSaga: ``saga`` is not a saga, or an observer is not a function.
        InvalidOption: ``on_compensation_failure`` is neither "continue" nor "stop".
    """
    if not isinstance(saga, Saga):
        raise InvalidSaga(
            f"expected a saga to run, got {type(saga).__qualname__}: "
            "write run(Step(function), value)"
        )
    if on_compensation_failure not in ("continue", "stop"):
        raise InvalidOption(
            'on_compensation_failure must be "continue" or "stop", '
            f"got {shown(on_compensation_failure)}"
        )
    if observers == ():
        return None
    given: Any = observers
    if not isinstance(observers, Iterable):
        raise InvalidSaga(
            f"observers are a list of functions of one event, got {type(given).__qualname__}: "
            "write observers=[print]"
        )
    heard: tuple[Any, ...] = tuple(given)
    for observer in heard:
        if is_coroutine_function(observer):
            raise InvalidSaga(
                f"an observer is a plain function, and {name_of(observer)!r} is a coroutine "
                "function: write `def`, and hand the event to a task"
            )
        if not callable(observer):
            raise InvalidSaga(
                f"an observer is a function of one event, got {type(observer).__qualname__}: "
                "write observers=[print]"
            )
    return Audience(heard, epoch) if heard else None
