"""``run``: a saga on the caller's thread."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable
from typing import Any, overload

from typing_extensions import TypeVar

from sagalib.core.errors import WrongColour
from sagalib.core.instructions import Owed, Promise, is_step
from sagalib.core.machine import begin
from sagalib.core.messages import Unknown
from sagalib.core.outcomes import Outcome, TimedOut
from sagalib.core.policy import Soft
from sagalib.core.saga import Saga, Sync
from sagalib.core.state import Machine, call_of
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
    with_outcome,
)
from sagalib.drivers.clock import Clock, SystemClock
from sagalib.drivers.threads import Inbox, ThreadCall, refused
from sagalib.drivers.turns import Turns

__all__ = ["run"]

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
        names = [
            made.name if is_step(made) else made.step.name
            for made in saga.instructions
            if made.is_async and (is_step(made) or isinstance(made, (Promise, Owed)))
        ]
        msg = (
            "run takes sagas of plain functions, and this one has async steps "
            f"({', '.join(names[:3])}): use await run_async(...)"
        )
        raise WrongColour(msg)
    stop = on_compensation_failure == "stop"
    if run_id is None:
        return _SyncRun(
            begin(saga, value, new_run_id(), stop=stop), audience, clock, dice
        ).to_the_end()
    claim = Claim(run_id)
    try:
        claim.take()
        return _SyncRun(begin(saga, value, run_id, stop=stop), audience, clock, dice).to_the_end()
    finally:
        try:
            claim.release()
        finally:
            claim.release()  # again, in case the first was interrupted


class _SyncRun(Turns):
    """One run on the caller's thread."""

    __slots__ = ("clock",)

    def __init__(
        self,
        start: Machine,
        audience: Audience | None,
        clock: Clock,
        dice: Callable[[], float],
    ) -> None:
        super().__init__(start, audience, clock.now_ns, clock.epoch_ns, dice)
        self.clock = clock

    def to_the_end(self) -> Outcome[Any, Any, Any]:
        token = CURRENT.set(None)
        try:
            # Twice, so that an interrupt which comes while another is noted is noted too.
            while self.concluded is None:
                try:
                    while self.concluded is None:
                        try:
                            self.turns()
                        except BaseException as interrupt:
                            self.note(interrupt)
                except BaseException as another:
                    self.note(another.__context__ or another)
            return self.outcome()
        except BaseException as interrupt:
            with_outcome(interrupt, self.concluded)
            raise
        finally:
            CURRENT.reset(token)
            self.close()

    def turns(self) -> None:
        while self.goes_on():
            if self.waits():
                if self.machine.function is None:
                    self.pause()
                else:
                    self.call(self.machine.function)
            self.take_in()
        self.conclude()

    def pause(self) -> None:
        seconds = self.left_of_pause()
        if seconds > 0:
            self.clock.sleep(seconds)
        self.reply = WOKE

    def call(self, function: Callable[[Any], Any]) -> None:
        """Make the call that is asked for, on the terms of its step."""
        self.begin_call()
        timeout = self.machine.timeout
        if timeout is None or isinstance(timeout, Soft):
            try:
                self.returned = function(self.machine.value)
            except Exception as error:
                self.reply = Unknown(raised(error))
        else:
            self.returned, self.reply = self.in_thread(timeout)
            self.let_go()

    def in_thread(self, seconds: float) -> tuple[object, object]:
        """Make the call on a thread of its own, and walk away from it at its deadline."""
        self.inbox = self.inbox or Inbox()
        call = ThreadCall(call_of(self.machine, None), self.inbox, lambda: None)
        refusal = refused() or call.start(self.machine.function, self.machine.value)
        if refusal is not None:
            return NOTHING, refusal
        in_time, unanswered = False, Unknown(TimedOut(seconds))
        try:
            in_time = self.clock.wait(call.done, seconds)
        except BaseException as interrupt:
            self.interrupts.append(interrupt)
            unanswered = CUT
        walked_away = not in_time and call.give_up()
        return (NOTHING, unanswered) if walked_away else call.answer(self.interrupts)
