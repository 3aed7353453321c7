"""``AsyncStep``: coroutine functions; the mode Async spreads to what it is part of."""

from typing import assert_type

from sagalib import Async, AsyncStep, Saga, Step, StepSettings
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
    charge_async,
    refund_async,
    release,
    release_async,
    reserve,
    reserve_async,
    ship,
    void_async,
)

first = AsyncStep(reserve_async, release_async)
second = AsyncStep(charge_async, refund_async)
assert_type(first, AsyncStep[Order, Reservation, OutOfStock])
assert_type(second, AsyncStep[Reservation, Payment, CardDeclined, RefundRejected])
assert_type(
    AsyncStep(charge_async, settle=void_async),
    AsyncStep[Reservation, Payment, CardDeclined, VoidLost],
)

assert_type(first >> second, Saga[Order, Payment, OutOfStock | CardDeclined, RefundRejected, Async])

# Either colour first: the whole is async.
mixed: Saga[Order, Payment, OutOfStock | CardDeclined, RefundRejected, Async]
mixed = Step(reserve, release) >> second
mixed_last: Saga[Reservation, Shipment, CardDeclined | NoCourier, RefundRejected, Async]
mixed_last = second >> Step(ship)

shared: StepSettings = {"timeout": 5.0, "retries": 1}
assert_type(AsyncStep(reserve_async, **shared), AsyncStep[Order, Reservation, OutOfStock])
