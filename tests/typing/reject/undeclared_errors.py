"""A saga may not do more than its type says: errors, errors of compensations, async steps."""

from sagalib import Async, AsyncStep, Saga, Step
from tests.typing.shop import (
    CardDeclined,
    NoCourier,
    Order,
    OutOfStock,
    Payment,
    RefundRejected,
    charge,
    charge_async,
    refund,
    release,
    reserve,
)

saga = Step(reserve, release) >> Step(charge, refund)
waits = Step(reserve, release) >> AsyncStep(charge_async)

right: Saga[Order, Payment, OutOfStock | CardDeclined, RefundRejected] = saga
one_error: Saga[Order, Payment, OutOfStock, RefundRejected] = saga  # type: ignore
other_error: Saga[Order, Payment, OutOfStock | NoCourier, RefundRejected] = saga  # type: ignore
no_error: Saga[Order, Payment] = saga  # type: ignore
cannot_owe: Saga[Order, Payment, OutOfStock | CardDeclined] = saga  # type: ignore

right_mode: Saga[Order, Payment, OutOfStock | CardDeclined, RefundRejected, Async] = waits
no_mode: Saga[Order, Payment, OutOfStock | CardDeclined, RefundRejected] = waits  # type: ignore

other_input: Saga[Payment, Payment, OutOfStock | CardDeclined, RefundRejected] = saga  # type: ignore
other_output: Saga[Order, Order, OutOfStock | CardDeclined, RefundRejected] = saga  # type: ignore
