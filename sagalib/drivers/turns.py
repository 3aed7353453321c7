"""What both drivers do between two waits: everything but the waiting.

Ask, perform, take in: that is a turn. Any line of it may be interrupted, by Ctrl-C, by a
cancellation, or by what a call raises. So a turn can be begun again at any point: a reply is taken
in by one assignment, to ``trace``, and the rest follows from that.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from sagalib.core.history import Entry, History, Trace, conclude, taken_in
from sagalib.core.machine import decide, understand
from sagalib.core.messages import RESULTS, Cancel, Sleep
from sagalib.core.outcomes import Outcome
from sagalib.core.state import Compensating, Ended, Machine, Resting
from sagalib.drivers.calls import (
    CURRENT,
    CUT,
    NOTHING,
    Audience,
    CallInHand,
    is_late,
    late,
    reraise,
)
from sagalib.drivers.clock import SECOND_NS
from sagalib.drivers.threads import Inbox

__all__ = ["Turns"]

MOST_STUMBLES: Final = 2
"""How often taking in one reply may be interrupted before the reply is given up."""
MAX_TRIES: Final = 16
"""How often in a row a turn may be interrupted before the interrupt is let through."""


class Turns:
    """One run in the hands of a driver."""

    __slots__ = (
        "audience",
        "began",
        "concluded",
        "dice",
        "ended",
        "epoch",
        "in_hand",
        "inbox",
        "interrupts",
        "machine",
        "now",
        "opened",
        "reply",
        "returned",
        "start",
        "told",
        "told_of_call",
        "trace",
        "tries",
        "wake",
        "was_cut",
    )

    def __init__(
        self,
        start: Machine,
        audience: Audience | None,
        now: Callable[[], int],
        epoch: int,
        dice: Callable[[], float],
    ) -> None:
        """Begin where ``start`` stands."""
        self.start: Machine = start
        self.machine: Machine = start
        self.audience: Audience | None = audience
        self.now: Callable[[], int] = now
        self.epoch: int = epoch
        self.dice: Callable[[], float] = dice
        self.trace: Trace = None
        self.reply: Any = NOTHING
        self.returned: Any = NOTHING
        self.began: int | None = None
        self.ended: int | None = None
        self.wake: tuple[object, int] | None = None
        self.told: object = NOTHING
        self.told_of_call: object = NOTHING
        self.interrupts: list[BaseException] = []
        self.tries: int = 0
        self.was_cut: bool = False
        self.inbox: Inbox | None = None
        self.in_hand: CallInHand = [None, 0]
        self.concluded: Outcome[Any, Any, Any] | None = None
        self.opened: int = now()

    def goes_on(self) -> bool:
        """Catch up with the trace, and take in what nobody asked for.

        Tell whether the run goes on.
        """
        while True:
            trace = self.trace
            if trace is not None and trace.after is not self.machine:
                if not isinstance(trace.reply, Cancel):  # which leaves a call in flight
                    self.reply = self.returned = NOTHING
                    self.began, self.tries = None, 0
                self.machine = trace.after
            if self.audience is not None and self.told is not trace:
                self.told = trace
                if trace is None:
                    self.audience.opened(self.start, self.opened)
                else:
                    self.audience.answered(trace)
            if self.began is not None and self.reply is NOTHING and self.returned is NOTHING:
                self.reply = CUT
            if self.interrupts and self.machine.book.cancels < (2 if self.tries > 1 else 1):
                self._cancel()
            elif self.inbox is not None and self.inbox.replies:
                late_reply = self.inbox.replies.popleft()
                self.trace = Entry(self.machine, late_reply, None, self.now(), self.machine, trace)
            else:
                return not isinstance(self.machine.progress, Ended)

    def _cancel(self) -> None:
        cancel = Cancel(in_flight=self.began is not None)
        if self.began is None:
            self.reply = NOTHING  # the end of a pause
        self.trace = taken_in(self.machine, cancel, self.began, self.now(), self.trace)

    def is_unwinding(self) -> bool:
        """Tell whether the next call is one on the way back."""
        machine = self.start if self.trace is None else self.trace.after
        return isinstance(machine.progress, (Compensating, Resting))

    def waits(self) -> bool:
        """Tell whether the machine still waits for what it has asked for."""
        return self.reply is NOTHING and self.returned is NOTHING

    def left_of_pause(self) -> float:
        """Give the seconds that are left of the pause asked for.

        There are none once it has been interrupted.
        """
        progress = self.machine.progress
        if self.wake is None or self.wake[0] is not progress:
            (sleep,) = decide(self.machine)
            seconds = (
                sleep.retry.delay(sleep.attempt, self.dice()) if isinstance(sleep, Sleep) else 0
            )
            self.wake = (progress, self.now() + int(seconds * SECOND_NS))
        return 0 if self.tries else max(0, self.wake[1] - self.now()) / SECOND_NS

    def begin_call(self) -> int:
        """Note that the call asked for begins; give the time."""
        machine = self.machine
        if self.audience is not None and self.told_of_call is not machine:
            self.told_of_call = machine
            self.audience.asked(machine, self.now())
        self.ended, self.tries, self.was_cut = None, 0, False
        self.began = began = self.now()
        self.in_hand = [machine, began]
        CURRENT.set(self.in_hand)
        return began

    def let_go(self) -> None:
        """Leave the call its context: it may be going on, on a thread of its own."""
        self.in_hand = [None, 0]
        CURRENT.set(None)

    def take_in(self) -> None:
        """Take in what has come.

        What a call returned, or what is known of it, or the end of a pause.
        """
        machine, reply, began = self.machine, self.reply, self.began
        if began is not None:
            ended = self.ended = self.ended or self.now()
            self.in_hand[0] = None
            if reply is NOTHING:
                returned = self.returned
                reply = returned if type(returned) in RESULTS else understand(machine, returned)
            if self.was_cut or is_late(machine.timeout, began, ended):
                reply = late(reply)
            if self.tries > MOST_STUMBLES:
                reply = CUT
        self.trace = taken_in(machine, reply, began, self.ended, self.trace)

    def note(self, interrupt: BaseException) -> None:
        """Remember what interrupted a turn; let it through if no turn comes to its end any more."""
        self.interrupts.append(interrupt)
        self.tries += 1
        if self.tries > MAX_TRIES:
            raise interrupt

    def conclude(self) -> None:
        """Work out the outcome."""
        self.concluded = conclude(History(self.start, self.trace, self.opened, self.epoch))

    def outcome(self) -> Outcome[Any, Any, Any]:
        """Give the outcome, or raise what interrupted the run again, with the outcome on it."""
        assert self.concluded is not None  # noqa: S101 - the loops end with conclude()
        if self.interrupts:
            reraise(self.interrupts)
        return self.concluded

    def close(self) -> None:
        """Forget the run.

        The frame of a step that raised holds the frames of the driver, and an outcome holds the
        exception: no ring of them is to stay.
        """
        if self.inbox is not None:
            self.inbox.close()
        self.machine, self.trace, self.told, self.told_of_call = self.start, None, None, None
        self.reply = self.returned = NOTHING
        self.wake, self.in_hand, self.concluded = None, [None, 0], None
