"""``identity``, ``arrow``, ``fail`` and ``chain``: units and lifts."""

from typing import Never, assert_type

from returns.result import Result, Success

from sagalib import Async, AsyncStep, Saga, Step, arrow, chain, fail, identity
from tests.typing.shop import Order, OutOfStock, Reservation, release, reserve


def number_of(order: Order) -> int:
    """Give the number."""
    return order.number


def claim(order: Order) -> Result[Order, OutOfStock]:
    """Pass an order on."""
    return Success(order)


async def claim_async(order: Order) -> Result[Order, OutOfStock]:
    """Pass an order on."""
    return Success(order)


assert_type(arrow(number_of), Saga[Order, int])
assert_type(fail(OutOfStock()), Saga[object, Never, OutOfStock])
assert_type(Step(reserve, release) >> fail(OutOfStock()), Saga[Order, Never, OutOfStock])

nothing: Saga[Order, Order] = identity()
assert_type(nothing >> Step(reserve, release), Saga[Order, Reservation, OutOfStock])
kept: Saga[Reservation, Reservation] = identity()
assert_type(Step(reserve, release) >> kept, Saga[Order, Reservation, OutOfStock])

assert_type(chain([Step(claim), Step(claim)]), Saga[Order, Order, OutOfStock])
assert_type(chain([AsyncStep(claim_async)]), Saga[Order, Order, OutOfStock, Never, Async])
none: Saga[Order, Order, OutOfStock] = chain([])
