"""A compensation takes what its own step gives, and answers with a Result of nothing."""

from returns.result import Result, Success

from sagalib import Step, compensating, stage, step
from tests.typing.shop import (
    CardDeclined,
    Payment,
    Reservation,
    charge,
    charge_for,
    refund,
    refund_for,
    release,
    reserve,
)


def forget(reservation: Reservation) -> None:
    """Answer with no Result."""


def count(reservation: Reservation) -> Result[int, str]:
    """Answer with something."""
    return Success(1)


right = Step(reserve, release)
of_another_step = Step(reserve, refund)  # type: ignore
with_no_result = Step(reserve, forget)  # type: ignore
with_some_value = Step(reserve, count)  # type: ignore

right_later = Step(charge).compensated_by(refund)
of_another_step_later = Step(charge).compensated_by(release)  # type: ignore

right_stage = stage(charge_for, refund)
of_another_stage = stage(charge_for, release)  # type: ignore
right_context = stage(charge_for, refund_for, context=True)
no_context = stage(charge_for, refund_for)  # type: ignore

right_passing = right >> compensating(release)
not_what_passes = right >> compensating(refund)  # type: ignore

decorator = step(compensate=release)


@step(compensate=refund)
def right_decorator(reservation: Reservation) -> Result[Payment, CardDeclined]:
    """Take the money."""
    return charge(reservation)


decorated = decorator(reserve)
of_another_function = decorator(charge)  # type: ignore
