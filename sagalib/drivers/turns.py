"""What both drivers do between two waits: everything but the waiting.

Ask, perform, take in: that is a turn. Any line of it may be interrupted, by Ctrl-C, by a
cancellation, or by what a call raises. So a turn can be begun again at any point: a reply is taken
in by one assignment, to ``trace``, and the rest follows from that.

A run to which nobody listens follows the course of its saga first (see ``core.course``): there a
reply is noted by one assignment, to ``past.ahead``, and turns begin where the course is left.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Final, cast

from sagalib.core.history import Entry, History, reply_of, taken_in
from sagalib.core.machine import decide
from sagalib.core.messages import Cancel, Expired, Sleep
from sagalib.core.outcomes import TimedOut
from sagalib.core.policy import SECOND_NS, seconds_of
from sagalib.core.state import (
    Backing,
    Compensating,
    Due,
    Ended,
    Executing,
    Forked,
    Machine,
    Pausing,
    Resting,
    State,
    strands_of,
)
from sagalib.drivers.calls import CURRENT, CUT, NOTHING, Audience, CallInHand
from sagalib.drivers.threads import Inbox

__all__ = ["Turns"]

MOST_STUMBLES: Final = 2
"""How often taking in one reply may be interrupted before the reply is given up."""
MAX_TRIES: Final = 16
"""How often in a row a turn may be interrupted before the interrupt is let through."""


class Turns:
    """One run in the hands of a driver."""

    state: State
    reply: Any = NOTHING
    returned: Any = NOTHING
    began: int | None = None
    ended: int | None = None
    wake: tuple[object, int] | None = None
    told: object = NOTHING
    told_of_call: object = NOTHING
    tries: int = 0
    inbox: Inbox | None = None
    in_hand: CallInHand | None = None

    def __init__(
        self,
        past: History,
        audience: Audience | None,
        clock: Any,
        dice: Callable[[], float],
        interrupts: list[BaseException],
    ) -> None:
        """Take a run over where it has left the course; it may have a call in flight."""
        self.past: History = past
        self.audience: Audience | None = audience
        self.clock: Any = clock
        self.now: Callable[[], int] = clock.now_ns
        self.dice: Callable[[], float] = dice
        self.interrupts: list[BaseException] = interrupts
        newest, ended = past.ahead, past.now
        if past.calling is newest:
            self.began = ended
        elif newest is not None:
            # Taken in by a turn: what follows it on the word may be a function of the user.
            self.returned, self.began, newest = newest
            # If an interrupt came before its end was noted, it ends now.
            self.ended, ended = None if ended == self.began else ended, self.began
        past.trace = past.take_in(newest, ended)
        past.has_left_course = True
        self.state = past.end
        self.until: dict[int, int] = {}
        CURRENT.set(None)

    @property
    def machine(self) -> Machine:
        """The strand in hand, where there is only one."""
        return cast("Machine", self.state)

    def goes_on(self) -> bool:
        """Catch up with the trace, and take in what nobody asked for.

        Tell whether the run goes on.
        """
        while True:
            self.catch_up()
            trace = self.past.trace
            if self.began is not None and self.waits():
                self.reply = CUT
            if self.interrupts and self.state.book.cancels < (2 if self.tries > 1 else 1):
                self.tell(Cancel(self.began is not None))
            elif self.inbox is not None and self.inbox.replies:
                late_reply = self.inbox.replies.popleft()
                state = self.state
                self.past.trace = Entry(state, late_reply, None, self.now(), state, trace)
            elif self.began is None and (due := self.passed()) is not None:
                self.tell(Expired(due.number))
            else:
                return isinstance(self.state, Forked) or not isinstance(self.state.progress, Ended)

    def catch_up(self) -> None:
        """Follow the trace: the state is that after the latest reply, and who listens hears it."""
        trace = self.past.trace
        if trace is not None and trace.after is not self.state:
            if not isinstance(trace.reply, (Cancel, Expired)):  # which leave a call in flight
                self.reply = self.returned = NOTHING
                self.began, self.tries = None, 0
            self.state = trace.after
        if self.audience is not None and self.told is not trace:
            self.told = trace
            if trace is None:
                self.audience.opened(self.past.start, self.past.began)
            else:
                self.audience.answered(trace)

    def tell(self, what: Cancel | Expired) -> None:
        """Take in what nobody asked for."""
        if self.began is None:
            self.reply = NOTHING  # the end of a pause
        self.past.trace = taken_in(self.state, what, self.began, self.now(), self.past.trace)

    # -- deadlines of scopes -------------------------------------------------------------------

    def passed(self, at: int | None = None) -> Due | None:
        """Give a deadline around what is asked for that has passed, and has not been told yet.

        By now, or ``at`` a time.
        """
        book = self.state.book
        if not book.entered:
            return None
        time = self.now() if at is None else at
        for strand in strands_of(self.state).values():
            for until, due in self.deadlines(strand):
                if until <= time:
                    return due
        return None

    def deadlines(self, strand: Machine) -> Iterator[tuple[int, Due]]:
        """Give when each deadline around a strand passes, outermost last; none on the way back."""
        link: Any = None
        if isinstance(strand.progress, (Executing, Pausing)):
            link = strand.place.deadlines
        elif isinstance(strand.progress, Backing):
            link = cast("Any", strand.frames).place.deadlines
        expired = self.state.book.expired
        while link is not None:
            due, link = link
            if due.number not in self.until:
                self.until[due.number] = self.now() + int(due.seconds * SECOND_NS)
            if due.number not in expired:
                yield self.until[due.number], due

    def scope_until(self, strand: Machine) -> int | None:
        """Give when the first of the deadlines around a strand passes."""
        if strand.place.deadlines is None:
            return None
        return min((until for until, _ in self.deadlines(strand)), default=None)

    def bound(self, strand: Machine, began: int) -> tuple[float | None, TimedOut | None]:
        """Give the seconds that a call has at most, and the reason of one that takes longer."""
        seconds = seconds_of(strand.timeout)
        reason = None if seconds is None else TimedOut(seconds)
        if strand.place.deadlines is not None:
            for until, due in self.deadlines(strand):
                left = max(0, until - began) / SECOND_NS
                if seconds is None or left < seconds:
                    seconds, reason = left, TimedOut(due.seconds)
        return seconds, reason

    def is_unwinding(self) -> bool:
        """Tell whether the next call is one on the way back."""
        end = self.past.end
        return isinstance(end, Machine) and isinstance(end.progress, (Compensating, Resting))

    def waits(self) -> bool:
        """Tell whether the machine still waits for what it has asked for."""
        return self.reply is NOTHING and self.returned is NOTHING

    def left_of_pause(self) -> float:
        """Give the seconds that are left of the pause asked for.

        There are none once it has been interrupted.
        """
        machine = self.machine
        if self.wake is None or self.wake[0] is not machine.progress:
            self.wake = (machine.progress, self.end_of_pause(machine))
        until = min([self.wake[1], *(until for until, _ in self.deadlines(machine))])
        return 0 if self.tries else max(0, until - self.now()) / SECOND_NS

    def end_of_pause(self, strand: Machine) -> int:
        """Give when the pause that a strand asks for is over, if it begins now."""
        (sleep,) = decide(strand)
        seconds = sleep.retry.delay(sleep.attempt, self.dice()) if isinstance(sleep, Sleep) else 0
        return self.now() + int(seconds * SECOND_NS)

    def begin_call(self, thread: int | None = None) -> int:
        """Note that the call asked for begins, on which thread if it matters; give the time."""
        machine = self.machine
        if self.audience is not None and self.told_of_call is not machine:
            self.told_of_call = machine
            self.audience.asked(machine, self.now())
        self.ended, self.tries = None, 0
        self.began = began = self.now()
        self.in_hand = CallInHand(machine, began, thread, self.scope_until(machine))
        CURRENT.set(self.in_hand)
        return began

    def let_go(self) -> None:
        """Leave the call its context: it may be going on, on a thread of its own."""
        self.in_hand = None
        CURRENT.set(None)

    def take_in(self) -> None:
        """Take in what has come.

        What a call returned, or what is known of it, or the end of a pause.
        """
        machine, reply, began = self.machine, self.reply, self.began
        if began is None:
            self.ended = None  # that of the call before the pause
        ended = self.ended = self.ended or self.now()
        if began is not None and self.in_hand is not None:
            self.in_hand.is_over()
        if (due := self.passed(ended)) is not None:
            self.tell(Expired(due.number, in_flight=began is not None))
            return
        if began is not None:
            if reply is NOTHING:
                reply = reply_of(machine, self.returned, began, ended)
            if self.tries > MOST_STUMBLES:
                reply = CUT
        self.past.trace = taken_in(machine, reply, began, ended, self.past.trace)

    def note(self, interrupt: BaseException) -> None:
        """Remember what interrupted a turn; let it through if no turn comes to its end any more."""
        self.interrupts.append(interrupt)
        self.tries += 1
        if self.tries > MAX_TRIES:
            raise interrupt

    def close(self) -> None:
        """Forget the run.

        The frame of a step that raised holds the frames of the driver, and an outcome holds the
        exception: no ring of them is to stay.
        """
        if self.inbox is not None:
            self.inbox.close()
        self.told = self.told_of_call = self.reply = self.returned = NOTHING
        self.wake = self.in_hand = None
        del self.past, self.state
