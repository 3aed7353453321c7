"""``>>`` and ``.then``: values meet, errors add up, and so do those of the compensations."""

from typing import assert_type

from sagalib import Saga, Step
from tests.typing.shop import (
    CardDeclined,
    NoCourier,
    Order,
    OutOfStock,
    Payment,
    RefundRejected,
    Reservation,
    Shipment,
    charge,
    refund,
    release,
    reserve,
    ship,
)

first = Step(reserve, release)
second = Step(charge, refund)
third = Step(ship)

assert_type(first, Step[Order, Reservation, OutOfStock])
assert_type(second, Step[Reservation, Payment, CardDeclined, RefundRejected])

assert_type(first >> second, Saga[Order, Payment, OutOfStock | CardDeclined, RefundRejected])
assert_type(first.then(second), Saga[Order, Payment, OutOfStock | CardDeclined, RefundRejected])

whole = first >> second >> third
assert_type(whole, Saga[Order, Shipment, OutOfStock | CardDeclined | NoCourier, RefundRejected])
assert_type(
    first >> (second >> third),
    Saga[Order, Shipment, OutOfStock | CardDeclined | NoCourier, RefundRejected],
)
