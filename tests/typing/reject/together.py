"""``together`` takes stages over one context, and adds what each gives, in that order."""

from sagalib import Step, arrow, async_stage, run, stage, together
from tests.typing.shop import (
    Order,
    charge_for,
    charge_for_async,
    refund,
    release,
    reserve,
    ship_for,
)

begun = Step(reserve, release).keep()
paying = stage(charge_for, refund)

right = begun >> paying >> together(stage(ship_for), stage(ship_for))
too_early = begun >> together(stage(ship_for), stage(ship_for))  # type: ignore
of_two_contexts = begun >> together(paying, stage(ship_for))  # type: ignore
of_no_stages = together(Step(reserve), Step(reserve))  # type: ignore
of_functions = together(charge_for, charge_for)  # type: ignore
of_a_list = together([paying, paying])  # type: ignore
after_one_value = Step(reserve) >> together(paying, paying)  # type: ignore
limited = together(paying, paying, limit="all")  # type: ignore
async_in_run = run(begun >> together(paying, async_stage(charge_for_async)), Order(1))  # type: ignore


def first_of(values: tuple[Order, int]) -> Order:
    """Take a context of another shape."""
    return values[0]


into_another_shape = begun >> together(paying, paying) >> arrow(first_of)  # type: ignore
