"""A step is a saga, and a saga fits wherever one that may do more is asked for."""

from sagalib import Async, AsyncStep, Saga, Step
from tests.typing.shop import (
    CardDeclined,
    Order,
    OutOfStock,
    RefundRejected,
    Reservation,
    release,
    release_async,
    reserve,
    reserve_async,
)

saga: Saga[Order, Reservation, OutOfStock] = Step(reserve, release)

# More errors, errors of compensations, the mode of async sagas, a wider output.
may_fail: Saga[Order, Reservation, OutOfStock | CardDeclined] = saga
may_owe: Saga[Order, Reservation, OutOfStock, RefundRejected] = saga
may_wait: Saga[Order, Reservation, OutOfStock, RefundRejected, Async] = saga
gives_more: Saga[Order, Reservation | None, OutOfStock] = saga

waits: Saga[Order, Reservation, OutOfStock, RefundRejected, Async] = AsyncStep(
    reserve_async, release_async
)
