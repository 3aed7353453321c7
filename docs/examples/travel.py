"""A trip: flight, hotel and car, or nothing; then the visa, after which there is no way back.

Flight and hotel are booked side by side. A booking whose answer is lost may have been made all the
same: ``settle`` asks for it to be dropped. A visa cannot be returned: it is a pivot. Run it:

    python travel.py
"""

from typing import Never, TypeAlias

from attrs import define, field, frozen
from returns.result import Failure, Result, Success

from sagalib import (
    Cancelled,
    Compensated,
    Fatal,
    Ok,
    Raised,
    Saga,
    Step,
    TimedOut,
    last,
    run,
    stage,
)


@frozen
class Trip:
    """What is asked for."""

    traveller: str
    city: str


@frozen
class Booking:
    """A flight, a room or a car, held for a traveller."""

    what: str
    traveller: str


@frozen
class Visa:
    """A stamp."""

    traveller: str


@frozen
class SoldOut:
    """Nothing is left of it."""

    what: str


@frozen
class NoVisa:
    """The consulate says no."""


@frozen
class TooLateToCancel:
    """The fee is due whether one comes or not."""

    what: str


Stay: TypeAlias = tuple[Booking, Booking]
"""Flight and hotel."""

Problem: TypeAlias = SoldOut | NoVisa | TimedOut | Raised | Cancelled


@define
class Agency:
    """Books with others; what is full, and whose answers get lost, is known beforehand here."""

    full: frozenset[str] = frozenset()
    lost: frozenset[str] = frozenset()
    strict: frozenset[str] = frozenset()
    refused: frozenset[str] = frozenset()
    booked: set[str] = field(factory=set[str])

    def book(self, what: str, trip: Trip) -> Result[Booking, SoldOut]:
        """Book, unless there is nothing left."""
        if what in self.full:
            return Failure(SoldOut(what))
        self.booked.add(what)
        if what in self.lost:
            message = f"no answer about the {what}"
            raise ConnectionError(message)
        return Success(Booking(what, trip.traveller))

    def book_flight(self, trip: Trip) -> Result[Booking, SoldOut]:
        """Book a seat."""
        return self.book("flight", trip)

    def book_hotel(self, trip: Trip) -> Result[Booking, SoldOut]:
        """Book a room."""
        return self.book("hotel", trip)

    def rent_car(self, trip: Trip, stay: Stay) -> Result[Booking, SoldOut]:
        """Have a car brought to the hotel."""
        return self.book("car", trip)

    def cancel(self, booking: Booking) -> Result[None, TooLateToCancel]:
        """Give back a seat, a room or a car."""
        if booking.what in self.strict:
            return Failure(TooLateToCancel(booking.what))
        self.booked.remove(booking.what)
        return Success(None)

    def drop_car(self, trip: Trip, stay: Stay) -> Result[None, Never]:
        """Drop whatever car there is for this trip: nobody knows whether there is one."""
        self.booked.discard("car")
        return Success(None)

    def get_visa(self, trip: Trip, stay: Stay, car: Booking) -> Result[Visa, NoVisa]:
        """Show the bookings to the consulate."""
        if trip.traveller in self.refused:
            return Failure(NoVisa())
        return Success(Visa(trip.traveller))


def booking(agency: Agency) -> Saga[Trip, Visa, SoldOut | NoVisa, TooLateToCancel]:
    """Book everything or nothing."""
    flight = Step(agency.book_flight, agency.cancel)
    hotel = Step(agency.book_hotel, agency.cancel)
    return (
        (
            (flight & hotel).keep()
            >> stage(agency.rent_car, agency.cancel, settle=agency.drop_car)
            >> stage(agency.get_visa, pivot=True)
        )
        .map(last)
        .named("travel")
    )


def travel(agency: Agency, trip: Trip) -> str:
    """Book everything or nothing, and say how it went."""
    match run(booking(agency), trip):
        case Ok(visa):
            return f"{visa.traveller} goes to {trip.city}"
        case Compensated(reason):
            return f"{trip.traveller} stays: {told(reason)}"
        case Fatal(reason, failures):
            return f"{trip.traveller} stays and pays: {told(reason)}, then {failures}"


def told(reason: Problem) -> str:
    """Say what went wrong."""
    match reason:
        case SoldOut(what):
            return f"no {what} left"
        case NoVisa():
            return "no visa"
        case TimedOut(seconds):
            return f"no answer in {seconds} s"
        case Raised(_, message):
            return message
        case Cancelled():
            return "called off"


def main() -> None:
    """Try the same trip in five worlds."""
    trip = Trip("Ada", "Turin")
    for agency in (
        Agency(),
        Agency(full=frozenset({"hotel"})),
        Agency(lost=frozenset({"car"})),
        Agency(refused=frozenset({"Ada"})),
        Agency(full=frozenset({"car"}), strict=frozenset({"hotel"})),
    ):
        print(travel(agency, trip), sorted(agency.booked))


if __name__ == "__main__":
    main()
