"""``Step`` takes plain functions, ``AsyncStep`` coroutine functions; the colours do not mix."""

from sagalib import AsyncStep, Step, async_stage, stage, step
from tests.typing.shop import (
    charge,
    charge_async,
    charge_for,
    charge_for_async,
    refund,
    refund_async,
    void,
    void_async,
)

right = Step(charge, refund, settle=void)
right_async = AsyncStep(charge_async, refund_async, settle=void_async)

a_coroutine_function = Step(charge_async)  # type: ignore
compensated_by_one = Step(charge, refund_async)  # type: ignore
settled_by_one = Step(charge, settle=void_async)  # type: ignore
later_compensated_by_one = Step(charge).compensated_by(refund_async)  # type: ignore
later_settled_by_one = Step(charge).settled_by(void_async)  # type: ignore

a_plain_function = AsyncStep(charge)  # type: ignore
compensated_by_a_plain_one = AsyncStep(charge_async, refund)  # type: ignore
settled_by_a_plain_one = AsyncStep(charge_async, settle=void)  # type: ignore
later_compensated_by_a_plain_one = AsyncStep(charge_async).compensated_by(refund)  # type: ignore

a_coroutine_function_as_stage = stage(charge_for_async)  # type: ignore
a_plain_function_as_async_stage = async_stage(charge_for)  # type: ignore

decorated = step(compensate=refund)(charge)
decorated_by_the_other_colour = step(compensate=refund)(charge_async)  # type: ignore
