"""What both drivers do while a run has several strands: everything but the waiting.

Each strand that asks for something has a ``Flight``: its call, on a thread or in a task of its own,
or its pause. What comes back is put into ``landed``, in the order in which it came, and taken in
one after the other, in the driver's own thread or task. As in ``turns``, any line may be
interrupted: a flight is known by the strand that asked, so nothing is taken in twice.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from heapq import heappop, heappush
from itertools import count
from typing import Any, Final

from typing_extensions import override

from sagalib.core.forward import stopping
from sagalib.core.history import begun, reply_of, taken_in
from sagalib.core.messages import BEGUN
from sagalib.core.outcomes import TimedOut
from sagalib.core.policy import SECOND_NS
from sagalib.core.state import Ended, Executing, Forked, Joining, Machine, strand_at, strands_of
from sagalib.drivers.calls import CUT, NOTHING, WOKE, CallInHand
from sagalib.drivers.turns import MOST_STUMBLES, Turns

__all__ = ["Branches", "Flight"]

_order = count()  # of two flights that are over at once
_RESTS: Final = (Joining, Ended)


class Flight:
    """A call, or a pause, of one strand.

    ``began`` is when its call began, ``until`` when the pause or the time of the call is over.
    """

    __slots__ = (
        "at",
        "began",
        "call",
        "ended",
        "in_hand",
        "is_cut",
        "is_made",
        "reason",
        "reply",
        "returned",
        "strand",
        "tries",
        "until",
    )

    def __init__(self, at: int, strand: Machine) -> None:
        """Begin nothing yet."""
        self.at: int = at
        self.strand: Machine = strand
        self.began: int | None = None
        self.ended: int | None = None
        self.until: int | None = None
        self.reason: TimedOut | None = None
        self.call: Any = None
        self.in_hand: CallInHand | None = None
        self.is_cut: bool = False
        self.is_made: bool = False
        self.tries: int = 0
        self.reply: Any = NOTHING
        self.returned: Any = NOTHING

    def is_over(self) -> None:
        """Forget what came of it: what its call raised holds the frames that hold this."""
        self.call = None
        self.reply = self.returned = NOTHING


class Branches(Turns):
    """One run in the hands of a driver, with as many strands as there are."""

    def __init__(self, *arguments: Any) -> None:
        """Take a run over: see ``Turns``."""
        super().__init__(*arguments)
        self.flights: dict[int, Flight] = {}
        self.backlog: dict[int, Flight] = {}
        self.landed: deque[Flight] = deque()
        self.times: list[tuple[int, int, Flight]] = []
        self.changed: set[int] = set(strands_of(self.state))

    @property
    def in_hands(self) -> list[CallInHand]:
        """The calls in progress; any thread may ask."""
        calls = [flight.in_hand for flight in self.flights.copy().values()]
        return [call for call in (self.in_hand, *calls) if call is not None]

    @override
    def catch_up(self) -> None:
        """Remember which strands have changed."""
        self.notice_begun()
        trace = self.past.trace
        if trace is not None and trace.after is not self.state:
            after = trace.after
            self.changed.update(after.changed if isinstance(after, Forked) else ())
        super().catch_up()

    def waiting(self) -> list[Flight]:
        """Give the flights that have not begun, in the order of their strands."""
        flights = self.flights
        for at in sorted(self.changed):
            strand = strand_at(self.state, at)
            known = flights.get(at)
            if known is not None and known.strand is not strand:
                self.backlog.pop(at, None)  # stopped in a pause, or before it had begun
                del flights[at]
            if at not in flights and strand is not None and not isinstance(strand.progress, _RESTS):
                flights[at] = self.backlog[at] = Flight(at, strand)
        self.changed.clear()
        return list(self.backlog.values())

    def begins(self, flight: Flight) -> None:
        """Note that a flight has begun; last of all that this takes."""
        if flight.until is not None:
            heappush(self.times, (flight.until, next(_order), flight))
        self.backlog.pop(flight.at, None)

    def is_to_stop(self, flight: Flight) -> bool:
        """Tell whether the call of a flight may not go on, or begin: a deadline does not say so."""
        book = self.state.book
        if not (book.cancels or book.interrupted or book.halted):
            return False
        stop = stopping(book, flight.strand.place)
        forward = isinstance(flight.strand.progress, Executing)
        return forward and stop is not None and stop.due is None

    def notice_begun(self) -> None:
        """Take from the trace when the call that was announced last has begun."""
        newest = self.past.trace
        if newest is not None and newest.reply is BEGUN and newest.at in self.flights:
            flight, strand = self.flights[newest.at], strand_at(newest.after, newest.at)
            if strand is not None:
                flight.began, flight.strand = newest.ended, strand

    def announce(self, flight: Flight) -> int:
        """Note that a call begins; give the time."""
        self.catch_up()
        if flight.began is None:
            self.past.trace = begun(self.state, flight.at, self.now(), self.past.trace)
        self.catch_up()
        began = flight.began or 0
        seconds, flight.reason = self.bound(flight.strand, began)
        flight.until = None if seconds is None else began + int(seconds * SECOND_NS)
        flight.in_hand = CallInHand(flight.strand, began, None, self.scope_until(flight.strand))
        return began

    def next_time(self) -> int | None:
        """Give the time of the next pause, call or deadline that will be over, if there is one."""
        times = self.times
        while times and self.flights.get(times[0][2].at) is not times[0][2]:
            heappop(times)
        known = [times[0][0]] if times else []
        if self.state.book.entered:
            for strand in strands_of(self.state).values():
                known += [until for until, _ in self.deadlines(strand)]
        return min(known, default=None)

    def over(self) -> Iterator[Flight]:
        """Give the flights whose time is over."""
        times, now = self.times, self.now()
        while times and times[0][0] <= now:
            flight = times[0][2]
            if self.flights.get(flight.at) is flight:
                yield flight
            heappop(times)

    def land_pauses(self) -> None:
        """Let the pauses that are over land."""
        for flight in self.over():
            self.land_pause(flight)

    def land_pause(self, flight: Flight) -> None:
        """Let a pause land that is over."""
        if flight.began is None:
            flight.reply = WOKE
            self.landed.append(flight)

    def land(self, flight: Flight, returned: object, reply: object) -> None:
        """Note what has come back of a call; its strand takes it in later."""
        flight.reply = reply
        if reply is NOTHING:
            flight.reply = reply_of(
                flight.strand, returned, flight.began or 0, flight.ended or self.now()
            )

    def collect(self, flight: Flight) -> None:
        """Fetch what a call has returned, if nothing is known of it yet."""

    def take_in_landed(self) -> None:
        """Take in what has come, in the order in which it came."""
        while self.landed:
            if not self.goes_on():
                return
            flight = self.landed[0]
            if self.flights.get(flight.at) is flight:
                self.collect(flight)
                if flight.in_hand is not None:
                    flight.in_hand.is_over()
                if strand_at(self.state, flight.at) is flight.strand:
                    ended = flight.ended = flight.ended or self.now()
                    flight.tries += 1
                    if flight.tries > MOST_STUMBLES + 1 and flight.began is not None:
                        flight.reply = CUT
                    self.past.trace = taken_in(
                        self.state, flight.reply, flight.began, ended, self.past.trace, flight.at
                    )
                    self.catch_up()
                self.flights.pop(flight.at, None)
            flight.is_over()
            self.landed.popleft()

    def close(self) -> None:
        """Forget the run."""
        super().close()
        for flight in self.flights.values():
            flight.is_over()
        self.flights.clear()
        self.backlog.clear()
        self.landed.clear()
        self.times.clear()
