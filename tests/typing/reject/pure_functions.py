"""``.map``, ``.contramap``, ``.map_error`` and ``arrow`` take functions of what is there."""

from sagalib import Step, arrow
from tests.typing.shop import (
    CardDeclined,
    Order,
    OutOfStock,
    Payment,
    Reservation,
    release,
    reserve,
)

step = Step(reserve, release)


def number_of(reservation: Reservation) -> int:
    """Give the number."""
    return reservation.number


def cents_of(payment: Payment) -> int:
    """Give the cents."""
    return payment.cents


def order_of(number: int) -> Order:
    """Make an order."""
    return Order(number)


def told(error: OutOfStock) -> str:
    """Say it."""
    return "sold out"


def told_of_a_card(error: CardDeclined) -> str:
    """Say it."""
    return "no money"


right = step.map(number_of).contramap(order_of).map_error(told)
of_another_output = step.map(cents_of)  # type: ignore
to_another_input = step.contramap(cents_of)  # type: ignore
of_another_error = step.map_error(told_of_a_card)  # type: ignore

right_arrow = step >> arrow(number_of)
arrow_of_another = step >> arrow(cents_of)  # type: ignore
arrow_of_a_value = arrow(1)  # type: ignore
