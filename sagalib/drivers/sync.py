"""``run``: a saga on the caller's thread."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable
from threading import get_ident
from typing import Any, overload

from typing_extensions import TypeVar

from sagalib.core.errors import WrongColour
from sagalib.core.history import History, Known
from sagalib.core.instructions import Keep, Owed, Promise, is_step
from sagalib.core.messages import SUCCESS, Unknown
from sagalib.core.outcomes import Outcome, went_back, went_through
from sagalib.core.saga import Saga, Sync
from sagalib.core.walk import way_back
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
from sagalib.drivers.clock import Clock, SystemClock
from sagalib.drivers.sync_run import SyncRun
from sagalib.drivers.turns import MAX_TRIES

__all__ = ["refuse_async", "run", "to_the_end"]

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
