"""``simulate``: a script answers in place of the steps, for sagas of either mode."""

from typing import Never, assert_type

from returns.result import Failure, Result, Success

from sagalib import (
    AsyncStep,
    Call,
    Cancel,
    Cancelled,
    Late,
    Outcome,
    Raised,
    Refused,
    Step,
    TimedOut,
    Unknown,
    simulate,
)
from tests.typing.shop import (
    Order,
    OutOfStock,
    Reservation,
    release,
    release_async,
    reserve,
    reserve_async,
)

plain = Step(reserve, release)
waits = AsyncStep(reserve_async, release_async)

assert_type(simulate(plain, Order(1)), Outcome[Reservation, OutOfStock, Never])
assert_type(
    simulate(waits, Order(1), {"reserve_async": [Success(Reservation(1))]}),
    Outcome[Reservation, OutOfStock, Never],
)
simulate(
    plain,
    Order(1),
    {
        "reserve": [
            Failure(OutOfStock()),
            TimedOut(5.0),
            Cancelled(),
            Raised("KeyError", "7"),
            Late(Reservation(1)),
            Unknown(TimedOut(5.0)),
            Refused(Raised("OSError", "no thread")),
            Cancel(),
            ValueError("a step may raise"),
        ]
    },
)


def sold_out(call: Call) -> Result[Reservation, OutOfStock] | None:
    """Answer one call; None makes the call."""
    return Failure(OutOfStock()) if call.attempt == 1 else None


assert_type(simulate(plain, Order(1), sold_out), Outcome[Reservation, OutOfStock, Never])
