"""One run on the caller's thread; the calls of its branches are on threads of their own."""

from __future__ import annotations

import threading
from collections.abc import Callable
from threading import get_ident
from typing import Any, Final, cast

from typing_extensions import override

from sagalib.core.history import conclude
from sagalib.core.messages import Refused, Reply, Unknown
from sagalib.core.outcomes import Outcome, Raised, TimedOut
from sagalib.core.policy import SECOND_NS, is_hard
from sagalib.core.state import Executing, Forked, Machine, call_of, path_of, step_of
from sagalib.drivers.branches import Branches, Flight
from sagalib.drivers.calls import CURRENT, CUT, NOTHING, WOKE, CallInHand, raised
from sagalib.drivers.threads import Inbox, ThreadCall, refused

__all__ = ["MAX_THREADS", "SyncRun"]

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
        elif is_hard(timeout):
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
        waiting = self.waiting()
        is_alone = len(waiting) == len(self.flights) == 1
        for flight in waiting:
            if flight.strand.function is None:
                flight.until = self.end_of_pause(flight.strand)
                self.begins(flight)
            elif flight.is_made or (is_alone and _is_for_this_thread(flight)):
                self.call_here(flight)
            elif self.has_place():
                self.begin_flight(flight)
        self.end_flights()
        if not self.landed:
            self.await_landing(self.arrival)
        self.take_in_landed()

    def call_here(self, flight: Flight) -> None:
        """Make a call on the caller's thread, as if there were no branches."""
        if not flight.is_made:
            self.announce(flight)
            strand, flight.until = flight.strand, None
            flight.in_hand = in_hand = CallInHand(
                strand, flight.began or 0, get_ident(), self.scope_until(strand)
            )
            function = cast("Callable[[Any], Any]", strand.function)
            flight.is_made = True
            CURRENT.set(in_hand)
            try:
                flight.returned = function(strand.value)
            except Exception as error:
                flight.reply = Unknown(raised(error))
        CURRENT.set(None)
        flight.ended = flight.ended or self.now()
        if flight.reply is NOTHING:
            # If an interrupt came before it returned, nothing is known of it.
            self.land(flight, flight.returned, CUT if flight.returned is NOTHING else NOTHING)
        self.landed.append(flight)
        self.begins(flight)

    def has_place(self) -> bool:
        """Tell whether one more call may be made now; a pause takes no place."""
        if len(self.flights) - len(self.backlog) < MAX_THREADS:
            return True
        return sum(flight.call is not None for flight in self.flights.values()) < MAX_THREADS

    def begin_flight(self, flight: Flight) -> None:
        """Make a call on a thread of its own, or note why it is not made."""
        refusal: object = None
        if flight.call is None:
            refusal = self.launch(flight)
        elif flight.reply is NOTHING and flight.call.withdraw():
            refusal = CUT  # an interrupt came while it began
        if refusal is not None:
            flight.reply = refusal
            self.landed.append(flight)
        self.begins(flight)

    def launch(self, flight: Flight) -> Reply | None:
        """Begin the thread of a call; give the reply to one that is not begun."""
        strand = flight.strand
        self.announce(flight)
        if step_of(strand).is_async:
            return _refused_async(strand)
        if not is_hard(strand.timeout):
            flight.until = None  # nobody walks away from it
        elif (refusal := refused()) is not None:
            return refusal
        self.inbox = self.inbox or Inbox()
        call = ThreadCall(call_of(strand, None), self.inbox, lambda: self.arrive(flight))
        CURRENT.set(flight.in_hand)
        flight.call = call
        refusal = call.start(strand.function, strand.value)
        CURRENT.set(None)
        return refusal

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
        """Let the pauses land that are over, and walk away from the calls whose time is up.

        Once the run is cancelled, from all calls that can be walked away from.
        """
        for flight in self.over():
            self.land_pause(flight)
            if flight.call is not None:
                self.walk_away(flight, Unknown(cast("TimedOut", flight.reason)))
        if self.state.book.cancels:
            for flight in self.flights.values():
                forward = isinstance(flight.strand.progress, Executing)
                if flight.call is not None and flight.until is not None and forward:
                    self.walk_away(flight, CUT)

    def walk_away(self, flight: Flight, reply: Unknown) -> None:
        """Answer for a call, unless it has answered itself."""
        if flight.reply is NOTHING and flight.call.give_up():
            flight.reply = reply
            flight.ended = self.now()
            self.landed.append(flight)


def _is_for_this_thread(flight: Flight) -> bool:
    """Tell a call from which nobody walks away, and that has no thread yet."""
    strand = flight.strand
    return not (flight.call or is_hard(strand.timeout) or step_of(strand).is_async)


def _refused_async(strand: Machine) -> Refused:
    message = (
        f"run takes steps of plain functions, and {path_of(strand)!r}, which bind has brought, is "
        "async: use await run_async(...)"
    )
    return Refused(Raised("WrongColour", message))
