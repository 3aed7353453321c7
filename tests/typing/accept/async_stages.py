"""``async_stage``: stages of coroutine functions, among plain ones."""

from typing import Never, assert_type

from sagalib import Async, AsyncStep, Saga, async_stage, last, stage
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
    charge_for_async,
    refund_async,
    refund_for_async,
    release_async,
    reserve_async,
    ship_for,
    void_for_async,
)

assert_type(
    async_stage(charge_for_async),
    Saga[tuple[Order, Reservation], tuple[Order, Reservation, Payment], CardDeclined, Never, Async],
)
assert_type(
    async_stage(charge_for_async, refund_async, settle=void_for_async),
    Saga[
        tuple[Order, Reservation],
        tuple[Order, Reservation, Payment],
        CardDeclined,
        RefundRejected | VoidLost,
        Async,
    ],
)
assert_type(
    async_stage(charge_for_async, refund_for_async, context=True),
    Saga[
        tuple[Order, Reservation],
        tuple[Order, Reservation, Payment],
        CardDeclined,
        RefundRejected,
        Async,
    ],
)
assert_type(
    async_stage(charge_for_async, refund_for_async, settle=void_for_async, context=True),
    Saga[
        tuple[Order, Reservation],
        tuple[Order, Reservation, Payment],
        CardDeclined,
        RefundRejected | VoidLost,
        Async,
    ],
)

begun = AsyncStep(reserve_async, release_async).keep()
sell: Saga[Order, Shipment, OutOfStock | CardDeclined | NoCourier, RefundRejected, Async]
sell = (begun >> async_stage(charge_for_async, refund_async) >> stage(ship_for)).map(last)
