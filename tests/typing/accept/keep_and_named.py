"""``.keep`` gives the input too; ``.named`` changes no type, and a named step stays a step."""

from typing import assert_type

from sagalib import AsyncStep, Saga, Step
from tests.typing.shop import (
    CardDeclined,
    Order,
    OutOfStock,
    Payment,
    RefundRejected,
    Reservation,
    charge,
    refund,
    release,
    reserve,
    reserve_async,
)

assert_type(Step(reserve, release).keep(), Saga[Order, tuple[Order, Reservation], OutOfStock])
assert_type(Step(reserve).named("hold"), Step[Order, Reservation, OutOfStock])
assert_type(AsyncStep(reserve_async).named("hold"), AsyncStep[Order, Reservation, OutOfStock])
assert_type(
    (Step(reserve, release) >> Step(charge, refund)).named("sell"),
    Saga[Order, Payment, OutOfStock | CardDeclined, RefundRejected],
)
