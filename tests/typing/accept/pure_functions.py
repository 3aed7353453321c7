"""``.map``, ``.contramap`` and ``.map_error``: pure functions around a saga."""

from typing import assert_type

from sagalib import Saga, Step
from tests.typing.shop import Order, OutOfStock, Reservation, release, reserve

step = Step(reserve, release)


def number_of(reservation: Reservation) -> int:
    """Give the number."""
    return reservation.number


def order_of(number: int) -> Order:
    """Make an order."""
    return Order(number)


def told(error: OutOfStock) -> str:
    """Say it."""
    return "sold out"


assert_type(step.map(number_of), Saga[Order, int, OutOfStock])
assert_type(step.contramap(order_of), Saga[int, Reservation, OutOfStock])
assert_type(step.map_error(told), Saga[Order, Reservation, str])

assert_type(step.map(lambda reservation: reservation.number), Saga[Order, int, OutOfStock])
assert_type(step.map_error(lambda error: f"no: {error}"), Saga[Order, Reservation, str])
