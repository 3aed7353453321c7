"""``|``, ``or_else``, ``recover``, ``retry``, ``deadline``, ``nested``, ``bind``."""

from typing import Never, assert_type

from sagalib import Async, AsyncStep, Retry, Saga, Step, fail
from tests.typing.shop import (
    CardDeclined,
    Invoice,
    LedgerClosed,
    NoCourier,
    Order,
    OutOfStock,
    Payment,
    RefundRejected,
    Reservation,
    Shipment,
    bill,
    charge,
    charge_async,
    notify,
    refund,
    refund_async,
    release,
    reserve,
    reserve_async,
    ship,
    write_off,
)

reserving = Step(reserve, release)
paying = Step(charge, refund)
billing = Step(bill, write_off)
notifying = Step(notify)

# Only the errors of the second remain; compensations of both may be called.
assert_type(reserving | notifying, Saga[Order, Reservation | str])
assert_type(reserving | billing, Saga[Order, Reservation | Invoice, Never, LedgerClosed])
assert_type(reserving.or_else(billing), Saga[Order, Reservation | Invoice, Never, LedgerClosed])
assert_type(notifying | reserving, Saga[Order, str | Reservation, OutOfStock])
assert_type(notifying | notifying, Saga[Order, str])
assert_type(reserving | fail(NoCourier()), Saga[Order, Reservation, NoCourier])
mixed: Saga[Order, str | Reservation, OutOfStock, Never, Async]
mixed = notifying | AsyncStep(reserve_async)

# What binds tighter: >> before &, & before |.
assert_type(
    reserving >> paying & billing | notifying & notifying,
    Saga[Order, tuple[Payment, Invoice] | tuple[str, str], Never, RefundRejected | LedgerClosed],
)


def wait_for_more(error: OutOfStock) -> str:
    """Make a value of an error."""
    return "later"


assert_type(reserving.recover(wait_for_more), Saga[Order, Reservation | str])
assert_type(
    (reserving >> paying).retry(Retry(2, wait=1)).deadline(30),
    Saga[Order, Payment, OutOfStock | CardDeclined, RefundRejected],
)
assert_type(reserving.retry(2), Saga[Order, Reservation, OutOfStock])

assert_type(reserving.nested("hold"), Saga[Order, Reservation, OutOfStock])
assert_type(
    (reserving >> paying).nested("sell", refund),
    Saga[Order, Payment, OutOfStock | CardDeclined, RefundRejected],
)
assert_type(
    (reserving >> Step(charge)).nested("sell", compensate=refund),
    Saga[Order, Payment, OutOfStock | CardDeclined, RefundRejected],
)
assert_type(
    Step(charge).nested("pay", refund_async),
    Saga[Reservation, Payment, CardDeclined, RefundRejected, Async],
)


def parcel(payment: Payment) -> Saga[Payment, Shipment, NoCourier]:
    """Make a saga of a value."""
    return Step(ship)


def pay_later(reservation: Reservation) -> AsyncStep[Reservation, Payment, CardDeclined]:
    """Make an async one."""
    return AsyncStep(charge_async)


assert_type(
    paying.bind(parcel), Saga[Reservation, Shipment, CardDeclined | NoCourier, RefundRejected]
)
bound: Saga[Order, Payment, OutOfStock | CardDeclined, Never, Async] = reserving.bind(pay_later)
