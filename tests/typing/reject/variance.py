"""A step's output is exactly what its compensation takes; seen as a saga, it may be wider."""

from sagalib import AsyncStep, Saga, Step
from tests.typing.shop import (
    Order,
    OutOfStock,
    Reservation,
    release,
    release_async,
    reserve,
    reserve_async,
)

step = Step(reserve, release)
step_async = AsyncStep(reserve_async, release_async)

right: Saga[Order, Reservation | None, OutOfStock] = step
wider_step: Step[Order, Reservation | None, OutOfStock] = step  # type: ignore
wider_async_step: AsyncStep[Order, Reservation | None, OutOfStock] = step_async  # type: ignore
wider_input: Saga[Order | None, Reservation, OutOfStock] = step  # type: ignore
the_other_kind: AsyncStep[Order, Reservation, OutOfStock] = step  # type: ignore
