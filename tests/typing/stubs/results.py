"""With ``typings/``, Result is the closed union of Success and Failure."""

from typing import assert_never, assert_type

from returns.pipeline import is_successful
from returns.result import Failure, Result, Success

from sagalib import Compensated, Fatal, Ok, Step
from tests.typing.shop import (
    CardDeclined,
    Order,
    OutOfStock,
    Payment,
    Reservation,
    charge,
    release,
    reserve,
)


def told(result: Result[Reservation, OutOfStock]) -> int:
    """A ``match`` is complete."""
    match result:
        case Success(reservation):
            assert_type(reservation, Reservation)
            return reservation.number
        case Failure(error):
            assert_type(error, OutOfStock)
            return 0


def told_again(result: Result[Reservation, OutOfStock]) -> int:
    """And so is one that says so."""
    match result:
        case Success(reservation):
            return reservation.number
        case Failure():
            return 0
        case _ as other:
            assert_never(other)


def half_told(result: Result[Reservation, OutOfStock]) -> int:
    """A case that is left out is found."""
    match result:
        case Success(reservation):
            return reservation.number
        case _ as other:
            assert_never(other)  # type: ignore


def bound(result: Result[Reservation, OutOfStock]) -> Result[Payment, OutOfStock | CardDeclined]:
    """``bind`` adds the errors of what follows."""
    return result.bind(charge)


def parts(result: Result[Reservation, OutOfStock]) -> None:
    """The other methods keep both types."""
    assert_type(result.unwrap(), Reservation)
    assert_type(result.failure(), OutOfStock)
    assert_type(result.value_or(None), Reservation | None)
    assert_type(is_successful(result), bool)


def of_outcome(
    outcome: Ok[Reservation] | Compensated[OutOfStock],
) -> Result[Reservation, Compensated[OutOfStock] | Fatal[OutOfStock]]:
    """An outcome is a result of that kind too."""
    return outcome.to_result()


def unlike(order: Order) -> Result[Reservation, OutOfStock]:
    """A value that is neither is refused."""
    return order  # type: ignore


# A Success says nothing about errors, where the class in ``returns`` says Any.
number = int("1")
assert_type(Success(number), Success[int])
some: Result[int, OutOfStock] = Success(number)

assert_type(Step(reserve, release), Step[Order, Reservation, OutOfStock])
