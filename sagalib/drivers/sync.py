"""``run``: a saga on the caller's thread."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Iterable
from threading import get_ident
from typing import Any, Final, cast, overload

from typing_extensions import TypeVar, override

from sagalib.core.errors import WrongColour
from sagalib.core.history import History, Known, conclude
from sagalib.core.instructions import Keep, Owed, Promise, is_step
from sagalib.core.messages import SUCCESS, Refused, Unknown
from sagalib.core.outcomes import Outcome, Raised, TimedOut, went_back, went_through
from sagalib.core.policy import SECOND_NS, Soft, Timeout
from sagalib.core.saga import Saga, Sync
from sagalib.core.state import Forked, Machine, call_of, path_of, step_of
from sagalib.core.walk import way_back
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
from sagalib.drivers.clock import Clock, SystemClock
from sagalib.drivers.threads import Inbox, ThreadCall, refused
from sagalib.drivers.turns import MAX_TRIES

__all__ = ["SyncRun", "refuse_async", "run", "to_the_end"]

A = TypeVar("A")
B = TypeVar("B")
E = TypeVar("E")
F = TypeVar("F")

_SYSTEM_CLOCK = SystemClock()


@overload
def run(
    saga: Saga[None, B, E, F, Sync],
    *,
    run_id: str | None = None,
    observers: Iterable[Observer] = (),
    clock: Clock = ...,
    dice: Callable[[], float] = ...,
    on_compensation_failure: OnCompensationFailure = "continue",
) -> Outcome[B, E, F]: ...
@overload
def run(
    saga: Saga[A, B, E, F, Sync],
    value: A,
    *,
    run_id: str | None = None,
    observers: Iterable[Observer] = (),
    clock: Clock = ...,
    dice: Callable[[], float] = ...,
    on_compensation_failure: OnCompensationFailure = "continue",
) -> Outcome[B, E, F]: ...
def run(
    saga: Saga[Any, Any, Any, Any, Sync],
    value: Any = None,
    *,
    run_id: str | None = None,
    observers: Iterable[Observer] = (),
    clock: Clock = _SYSTEM_CLOCK,
    dice: Callable[[], float] = random.random,
    on_compensation_failure: OnCompensationFailure = "continue",
) -> Outcome[Any, Any, Any]:
    """Run ``saga`` on ``value`` on this thread; give its outcome.

    Args:
        saga: what to run; without async steps.
        value: its input; may be left out for a saga that takes ``None``.
        run_id: an id of 1 to 200 characters of ``A-Z a-z 0-9 . _ : -``, a part of every idempotency
            key; made up if left out.
        observers: called with each event, in order, on this thread. One that raises changes
            nothing, and is logged once.
        clock: the time; the system's by default.
        dice: gives numbers from 0 up to 1 for the jitter of ``Retry``.
        on_compensation_failure: ``"continue"`` with the other compensations, or ``"stop"`` at the
            first that fails.

    Raises:
        WrongColour: the saga has an async step; nothing has been called.
        InvalidSaga, InvalidOption, RunIdInUse: an argument is not as it should be; nothing has been
            called.
        KeyboardInterrupt, SystemExit, ...: what interrupted the run, after the compensations; see
            ``outcome_of``.
    """
    audience = check(saga, observers, on_compensation_failure, clock.epoch_ns)
    if saga.is_async:
        refuse_async(saga, "run", "await run_async(...)")
    stop = on_compensation_failure == "stop"
    if run_id is None:
        made_up = new_run_id()
        return to_the_end(
            History(saga, value, made_up, stop, clock.now_ns(), clock.epoch_ns),
            audience,
            clock,
            dice,
        )
    claim = Claim(run_id)
    try:
        claim.take()
        return to_the_end(
            History(saga, value, run_id, stop, clock.now_ns(), clock.epoch_ns),
            audience,
            clock,
            dice,
        )
    finally:
        try:
            claim.release()
        finally:
            claim.release()  # again, in case the first was interrupted


def refuse_async(saga: Saga[Any, Any, Any, Any, Any], refusing: str, instead: str) -> None:
    """Refuse a saga with async steps.

    Raises:
        WrongColour: it names what is ``refusing`` the saga, and what to use ``instead``.
    """
    if not saga.is_async:
        return
    names = [
        made.name if is_step(made) else made.step.name
        for made in saga.instructions
        if made.is_async and (is_step(made) or isinstance(made, (Promise, Owed)))
    ]
    msg = (
        f"{refusing} takes sagas of plain functions, and this one has async steps "
        f"({', '.join(names[:3])}): use {instead}"
    )
    raise WrongColour(msg)


def to_the_end(
    past: History,
    audience: Audience | None,
    clock: Clock,
    dice: Callable[[], float],
    *,
    interrupts: list[BaseException] | None = None,
    make: Callable[..., SyncRun] | None = None,
) -> Outcome[Any, Any, Any]:
    """Take a run to its end.

    ``interrupts`` are what it is interrupted by, also from other threads; ``make`` makes the run.
    """
    run: SyncRun | None = None
    outcome: Outcome[Any, Any, Any] | None = None
    interrupts = [] if interrupts is None else interrupts
    make = make or SyncRun
    past.thread = get_ident()
    token = CURRENT.set(past)
    try:
        # Twice, so that an interrupt which comes while another is noted is noted too.
        while outcome is None:
            try:
                while outcome is None:
                    try:
                        if run is None and audience is None and not interrupts:
                            outcome = _follow(past, clock.now_ns)
                        if outcome is None:
                            run = run or make(past, audience, clock, dice, interrupts)
                            outcome = run.turns()
                    except BaseException as interrupt:
                        _note(interrupts, interrupt, run)
            except BaseException as another:
                _note(interrupts, another.__context__ or another, run)
        if interrupts:
            reraise(interrupts)
        return outcome  # noqa: TRY300 - what interrupts even this is raised with the outcome on it
    except BaseException as interrupt:
        with_outcome(interrupt, outcome)
        raise
    finally:
        CURRENT.reset(token)
        if run is not None:
            run.close()
        # The frame of a step that raised holds this one, and the past holds what it raised: no ring
        # of them is to stay. A token holds what was current before: the past of a run around this.
        del past, run, outcome, audience, make, token


def _note(interrupts: list[BaseException], interrupt: BaseException, run: SyncRun | None) -> None:
    if run is not None:
        run.note(interrupt)
    elif len(interrupts) < MAX_TRIES:
        interrupts.append(interrupt)
    else:
        raise interrupt


def _follow(  # noqa: C901 - every line of it is in every run
    past: History, now: Callable[[], int]
) -> Outcome[Any, Any, Any] | None:
    """Follow the course of the saga; give the outcome if nothing is left to decide."""
    word, is_whole, _ = past.saga.course
    value: Any = past.value
    ahead: Any = None
    kept: Any = None
    began = past.now
    try:
        for instruction in word:
            if instruction.is_step:
                past.calling = ahead
                past.ahead = ahead = (instruction.execute(value), began, ahead)
                past.now = ended = now()
                returned: Any = ahead[0]
                if type(returned) is not SUCCESS or ended - began > instruction.limit:
                    break
                began, value = ended, returned.unwrap()
            elif type(instruction) is Keep:
                kept = (value, kept)
            else:
                value, kept = instruction.combine(kept[0], value), kept[1]
        else:
            return went_through(value, past) if is_whole else None
        back = way_back(past)
        if back is None:
            return None
        for compensate, argument in back.calls:
            past.calling, began = ahead, past.now
            past.ahead = ahead = (compensate(argument), began, ahead)
            past.now = now()
            if type(ahead[0]) is not SUCCESS:
                return None
    except Exception as error:
        if past.calling is not past.ahead:
            raise
        past.ahead = (Known(Unknown(raised(error))), past.now, past.ahead)
        past.now = now()
        del past, ahead  # as at the end of a run
    else:
        return went_back(back.reason, back.step, value, past)
    return None


MAX_THREADS: Final = 32
"""How many calls of one run are made at once, each on a thread of its own."""


class SyncRun(Branches):
    """One run on the caller's thread; the calls of branches are on threads of their own."""

    reply: Any
    returned: Any
    inbox: Inbox | None
    arrival: threading.Event | None = None

    def turns(self) -> Outcome[Any, Any, Any]:
        """Turn after turn, to the end: ask, perform, take in."""
        while self.goes_on():
            if isinstance(self.state, Forked):
                self.side_by_side()
                continue
            if self.waits():
                if self.machine.function is None:
                    self.pause()
                else:
                    self.call(self.machine.function)
            self.take_in()
        return conclude(self.past)

    def pause(self) -> None:
        """Wait for what is left of a pause."""
        seconds = self.left_of_pause()
        if seconds > 0:
            self.sleep(seconds)
        self.reply = WOKE

    def call(self, function: Callable[[Any], Any]) -> None:
        """Make the call that is asked for, on the terms of its step."""
        timeout = self.machine.timeout
        if step_of(self.machine).is_async:
            self.reply = _refused_async(self.machine)
        elif _is_hard(timeout):
            began = self.begin_call()
            self.returned, self.reply = self.in_thread(*self.bound(self.machine, began))
            self.let_go()
        else:
            self.begin_call(get_ident())
            try:
                self.returned = function(self.machine.value)
            except Exception as error:
                self.reply = Unknown(raised(error))

    def in_thread(self, seconds: Any, reason: Any) -> tuple[object, object]:
        """Make the call on a thread of its own, and walk away from it at its deadline."""
        self.inbox = self.inbox or Inbox()
        call = ThreadCall(call_of(self.machine, None), self.inbox, lambda: None)
        refusal = refused() or call.start(self.machine.function, self.machine.value)
        if refusal is not None:
            return NOTHING, refusal
        in_time, unanswered = False, Unknown(reason)
        try:
            in_time = self.wait(call.done, seconds)
        except BaseException as interrupt:
            self.interrupts.append(interrupt)
            unanswered = CUT
        walked_away = not in_time and call.give_up()
        return (NOTHING, unanswered) if walked_away else call.answer(self.interrupts)

    def sleep(self, seconds: float) -> None:
        """Wait in a pause."""
        self.clock.sleep(seconds)

    def wait(self, done: threading.Event, seconds: float | None) -> bool:
        """Wait for calls on other threads; tell whether one is done."""
        in_time: bool = done.wait() if seconds is None else self.clock.wait(done, seconds)
        return in_time

    # -- branches ------------------------------------------------------------------------------

    def side_by_side(self) -> None:
        """Begin what branches ask for, wait until something has come back, and take that in."""
        self.arrival = self.arrival or threading.Event()
        for flight in self.waiting():
            if flight.strand.function is None:
                flight.until = self.end_of_pause(flight.strand)
                self.begins(flight)
            elif len(self.flights) - len(self.backlog) < MAX_THREADS:
                self.begin_flight(flight)
        self.end_flights()
        if not self.landed:
            self.await_landing(self.arrival)
        self.take_in_landed()

    def begin_flight(self, flight: Flight) -> None:
        """Make a call on a thread of its own."""
        strand = flight.strand
        self.announce(flight)
        if not _is_hard(strand.timeout):
            flight.until = None  # nobody walks away from it
        self.inbox = self.inbox or Inbox()
        call = ThreadCall(call_of(strand, None), self.inbox, lambda: self.arrive(flight))
        refusal = None
        if step_of(strand).is_async:
            refusal = _refused_async(strand)
        elif _is_hard(strand.timeout):
            refusal = refused()
        CURRENT.set(flight.in_hand)
        flight.call = call
        self.begins(flight)
        refusal = refusal or call.start(strand.function, strand.value)
        CURRENT.set(None)
        if refusal is not None:
            flight.reply = refusal
            self.landed.append(flight)

    def arrive(self, flight: Flight) -> None:
        """Note, on the thread of a call, that it is over."""
        flight.ended = self.now()
        self.landed.append(flight)
        cast("threading.Event", self.arrival).set()

    @override
    def collect(self, flight: Flight) -> None:
        """Fetch what a call has returned."""
        if flight.reply is NOTHING:
            returned, reply = flight.call.answer(self.interrupts)
            self.land(flight, returned, CUT if returned is reply is NOTHING else reply)

    def await_landing(self, arrival: threading.Event) -> None:
        """Wait until a call is over, or its time is, or that of a pause or a deadline."""
        arrival.clear()
        if self.landed:
            return
        until = self.next_time()
        self.wait(arrival, None if until is None else max(0, until - self.now()) / SECOND_NS)
        self.end_flights()

    def end_flights(self) -> None:
        """Let the pauses land that are over, and walk away from the calls whose time is up."""
        for flight in self.over():
            self.land_pause(flight)
            if flight.began is not None and flight.call.give_up():
                flight.reply = Unknown(cast("TimedOut", flight.reason))
                flight.ended = self.now()
                self.landed.append(flight)


def _is_hard(timeout: Timeout) -> bool:
    return timeout is not None and not isinstance(timeout, Soft)


def _refused_async(strand: Machine) -> Refused:
    message = (
        f"run takes steps of plain functions, and {path_of(strand)!r}, which bind has brought, is "
        "async: use await run_async(...)"
    )
    return Refused(Raised("WrongColour", message))
