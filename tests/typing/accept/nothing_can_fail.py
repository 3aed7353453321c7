"""A compensation and a settle that cannot fail: together they cannot either."""

from typing import Never, assert_type

from returns.result import Result, Success

from sagalib import Async, AsyncStep, Saga, Step, async_stage, stage, step
from tests.typing.shop import Order, OutOfStock, Reservation, release, release_async


def drop(order: Order) -> Result[None, Never]:
    """Make sure that nothing is kept."""
    return Success(None)


async def drop_async(order: Order) -> Result[None, Never]:
    """Make sure that nothing is kept."""
    return Success(None)


def reserve(order: Order) -> Result[Reservation, OutOfStock]:
    """Keep goods."""
    return Success(Reservation(order.number))


async def reserve_async(order: Order) -> Result[Reservation, OutOfStock]:
    """Keep goods."""
    return Success(Reservation(order.number))


assert_type(Step(reserve, release, settle=drop), Step[Order, Reservation, OutOfStock])
assert_type(Step(reserve, release).settled_by(drop), Step[Order, Reservation, OutOfStock])
assert_type(step(compensate=release, settle=drop)(reserve), Step[Order, Reservation, OutOfStock])
assert_type(
    step(compensate=release_async, settle=drop_async)(reserve_async),
    AsyncStep[Order, Reservation, OutOfStock],
)
assert_type(
    stage(reserve, release, settle=drop),
    Saga[tuple[Order], tuple[Order, Reservation], OutOfStock],
)
assert_type(
    async_stage(reserve_async, release_async, settle=drop_async),
    Saga[tuple[Order], tuple[Order, Reservation], OutOfStock, Never, Async],
)
