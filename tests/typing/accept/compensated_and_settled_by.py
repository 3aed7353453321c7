"""``compensated_by`` and ``settled_by`` add to the errors of a step's compensations."""

from typing import assert_type

from sagalib import AsyncStep, Step
from tests.typing.shop import (
    CardDeclined,
    Payment,
    RefundRejected,
    Reservation,
    VoidLost,
    charge,
    charge_async,
    refund,
    refund_async,
    void,
    void_async,
)

assert_type(
    Step(charge).compensated_by(refund),
    Step[Reservation, Payment, CardDeclined, RefundRejected],
)
assert_type(
    Step(charge, refund).settled_by(void),
    Step[Reservation, Payment, CardDeclined, RefundRejected | VoidLost],
)
assert_type(
    AsyncStep(charge_async).compensated_by(refund_async).settled_by(void_async),
    AsyncStep[Reservation, Payment, CardDeclined, RefundRejected | VoidLost],
)
