"""``together``: stages side by side, each of which adds a value to the same context."""

from typing import assert_type

from sagalib import Async, Saga, Step, async_stage, last, stage, together
from tests.typing.shop import (
    CardDeclined,
    NoCourier,
    Order,
    OutOfStock,
    Payment,
    RefundRejected,
    Reservation,
    Shipment,
    charge_for,
    charge_for_async,
    refund,
    release,
    reserve,
    ship_for,
)

paying = stage(charge_for, refund)
begun = Step(reserve, release).keep()

assert_type(
    together(paying, paying),
    Saga[
        tuple[Order, Reservation],
        tuple[Order, Reservation, Payment, Payment],
        CardDeclined,
        RefundRejected,
    ],
)
assert_type(
    together(stage(charge_for), stage(charge_for), stage(charge_for), limit=2),
    Saga[
        tuple[Order, Reservation],
        tuple[Order, Reservation, Payment, Payment, Payment],
        CardDeclined,
    ],
)
assert_type(
    together(paying, async_stage(charge_for_async)),
    Saga[
        tuple[Order, Reservation],
        tuple[Order, Reservation, Payment, Payment],
        CardDeclined,
        RefundRejected,
        Async,
    ],
)

two_parcels = begun >> paying >> together(stage(ship_for), stage(ship_for))
assert_type(
    two_parcels,
    Saga[
        Order,
        tuple[Order, Reservation, Payment, Shipment, Shipment],
        OutOfStock | CardDeclined | NoCourier,
        RefundRejected,
    ],
)
assert_type(
    two_parcels.map(last),
    Saga[Order, Shipment, OutOfStock | CardDeclined | NoCourier, RefundRejected],
)
