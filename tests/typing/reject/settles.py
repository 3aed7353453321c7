"""A settle takes what its own step takes: nobody knows what the step gave."""

from sagalib import AsyncStep, Step, stage, step
from tests.typing.shop import (
    charge,
    charge_async,
    charge_for,
    refund,
    refund_async,
    void,
    void_async,
    void_for,
)

# Not here: Step(charge, settle=refund), for which pyrefly 1.4 infers that it takes either.
right = Step(charge, refund).settled_by(void)
of_the_output = Step(charge, refund).settled_by(refund)  # type: ignore

right_async = AsyncStep(charge_async).settled_by(void_async)
of_the_output_async = AsyncStep(charge_async).settled_by(refund_async)  # type: ignore

right_decorator = step(compensate=refund, settle=void)(charge)
of_the_output_decorator = step(compensate=refund, settle=refund)(charge)  # type: ignore

right_stage = stage(charge_for, refund, settle=void_for)
of_one_argument = stage(charge_for, refund, settle=void)  # type: ignore
