"""A shop, as the type tests talk of it: values, errors, and functions that answer with a Result.

The error classes have nothing in common: a union of related ones may be simplified.
"""

from typing import Never

from attrs import frozen
from returns.result import Result, Success


@frozen
class Order:
    """What comes in."""

    number: int


@frozen
class Reservation:
    """Goods that are kept for an order."""

    number: int


@frozen
class Payment:
    """Money that was taken."""

    cents: int


@frozen
class Shipment:
    """A parcel on its way."""

    tracking: str


@frozen
class Invoice:
    """What is to be paid."""

    number: int


@frozen
class Card:
    """One way to pay."""


@frozen
class Cash:
    """Another way to pay."""


@frozen
class Cheque:
    """A third way to pay."""


@frozen
class OutOfStock:
    """Why a reservation may fail."""


@frozen
class CardDeclined:
    """Why a payment may fail."""


@frozen
class NoCourier:
    """Why a shipment may fail."""


@frozen
class NoChange:
    """Why cash may be refused."""


@frozen
class LedgerClosed:
    """Why an invoice may stay."""


@frozen
class RefundRejected:
    """Why a refund may fail."""


@frozen
class VoidLost:
    """Why a payment in doubt may stay in doubt."""


def reserve(order: Order) -> Result[Reservation, OutOfStock]:
    """Keep goods for an order."""
    return Success(Reservation(order.number))


def release(reservation: Reservation) -> Result[None, Never]:
    """Give the goods back; it cannot fail."""
    return Success(None)


def charge(reservation: Reservation) -> Result[Payment, CardDeclined]:
    """Take the money."""
    return Success(Payment(reservation.number))


def refund(payment: Payment) -> Result[None, RefundRejected]:
    """Give the money back."""
    return Success(None)


def void(reservation: Reservation) -> Result[None, VoidLost]:
    """Make sure that no money was taken."""
    return Success(None)


def ship(payment: Payment) -> Result[Shipment, NoCourier]:
    """Send the parcel."""
    return Success(Shipment(f"parcel {payment.cents}"))


def charge_for(order: Order, reservation: Reservation) -> Result[Payment, CardDeclined]:
    """Take the money, as a stage: it gets everything known so far."""
    return Success(Payment(order.number))


def void_for(order: Order, reservation: Reservation) -> Result[None, VoidLost]:
    """Make sure that no money was taken, as a stage."""
    return Success(None)


def refund_for(
    order: Order, reservation: Reservation, payment: Payment
) -> Result[None, RefundRejected]:
    """Give the money back, as a stage with its context."""
    return Success(None)


def ship_for(
    order: Order, reservation: Reservation, payment: Payment
) -> Result[Shipment, NoCourier]:
    """Send the parcel, as a stage."""
    return Success(Shipment("parcel"))


def notify(order: Order) -> Result[str, Never]:
    """Write to who has ordered; it cannot fail."""
    return Success("written")


def bill(order: Order) -> Result[Invoice, Never]:
    """Write an invoice; it cannot fail."""
    return Success(Invoice(order.number))


def write_off(invoice: Invoice) -> Result[None, LedgerClosed]:
    """Take an invoice back."""
    return Success(None)


def choose(reservation: Reservation) -> Result[Card | Cash, Never]:
    """Ask how to pay."""
    return Success(Card())


def take_card(card: Card) -> Result[Payment, CardDeclined]:
    """Take the money from a card."""
    return Success(Payment(1))


def take_cash(cash: Cash) -> Result[Payment, NoChange]:
    """Take coins."""
    return Success(Payment(1))


def is_large(order: Order) -> bool:
    """Tell a large order."""
    return order.number > 100


async def reserve_async(order: Order) -> Result[Reservation, OutOfStock]:
    """Do what reserve does, as a coroutine function."""
    return reserve(order)


async def release_async(reservation: Reservation) -> Result[None, Never]:
    """Do what release does, as a coroutine function."""
    return release(reservation)


async def charge_async(reservation: Reservation) -> Result[Payment, CardDeclined]:
    """Do what charge does, as a coroutine function."""
    return charge(reservation)


async def refund_async(payment: Payment) -> Result[None, RefundRejected]:
    """Do what refund does, as a coroutine function."""
    return refund(payment)


async def void_async(reservation: Reservation) -> Result[None, VoidLost]:
    """Do what void does, as a coroutine function."""
    return void(reservation)


async def charge_for_async(order: Order, reservation: Reservation) -> Result[Payment, CardDeclined]:
    """Do what charge_for does, as a coroutine function."""
    return charge_for(order, reservation)


async def void_for_async(order: Order, reservation: Reservation) -> Result[None, VoidLost]:
    """Do what void_for does, as a coroutine function."""
    return void_for(order, reservation)


async def refund_for_async(
    order: Order, reservation: Reservation, payment: Payment
) -> Result[None, RefundRejected]:
    """Do what refund_for does, as a coroutine function."""
    return refund_for(order, reservation, payment)
