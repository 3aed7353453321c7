"""``stage``: a growing context, whose type is known position by position."""

from typing import assert_type

from sagalib import Saga, Step, last, stage
from tests.typing.shop import (
    CardDeclined,
    NoCourier,
    Order,
    OutOfStock,
    Payment,
    RefundRejected,
    Reservation,
    Shipment,
    VoidLost,
    charge_for,
    refund,
    refund_for,
    release,
    reserve,
    ship_for,
    void_for,
)

begun = Step(reserve, release).keep()
assert_type(begun, Saga[Order, tuple[Order, Reservation], OutOfStock])

assert_type(
    stage(charge_for),
    Saga[tuple[Order, Reservation], tuple[Order, Reservation, Payment], CardDeclined],
)
assert_type(
    stage(charge_for, refund, retries=2, timeout=5),
    Saga[
        tuple[Order, Reservation], tuple[Order, Reservation, Payment], CardDeclined, RefundRejected
    ],
)
assert_type(
    stage(charge_for, refund, settle=void_for),
    Saga[
        tuple[Order, Reservation],
        tuple[Order, Reservation, Payment],
        CardDeclined,
        RefundRejected | VoidLost,
    ],
)
assert_type(
    stage(charge_for, settle=void_for),
    Saga[tuple[Order, Reservation], tuple[Order, Reservation, Payment], CardDeclined, VoidLost],
)

# With its context, the compensation gets all that was known.
assert_type(
    stage(charge_for, refund_for, context=True),
    Saga[
        tuple[Order, Reservation], tuple[Order, Reservation, Payment], CardDeclined, RefundRejected
    ],
)
assert_type(
    stage(charge_for, refund_for, settle=void_for, context=True),
    Saga[
        tuple[Order, Reservation],
        tuple[Order, Reservation, Payment],
        CardDeclined,
        RefundRejected | VoidLost,
    ],
)

sell = (begun >> stage(charge_for, refund) >> stage(ship_for)).map(last)
assert_type(sell, Saga[Order, Shipment, OutOfStock | CardDeclined | NoCourier, RefundRejected])
