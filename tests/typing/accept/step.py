"""``Step``: its keywords, as arguments or as a dict that many steps share."""

from typing import assert_type

from sagalib import Retry, Soft, Step, StepSettings
from tests.typing.shop import (
    CardDeclined,
    Order,
    OutOfStock,
    Payment,
    RefundRejected,
    Reservation,
    VoidLost,
    charge,
    refund,
    reserve,
    void,
)

assert_type(Step(reserve), Step[Order, Reservation, OutOfStock])
assert_type(Step(charge, refund), Step[Reservation, Payment, CardDeclined, RefundRejected])
assert_type(Step(charge, settle=void), Step[Reservation, Payment, CardDeclined, VoidLost])

assert_type(
    Step(
        reserve,
        name="hold",
        timeout=5,
        retries=2,
        settle_on="failure",
        compensation_timeout=Soft(1.5),
        compensation_retries=Retry(3, wait=0.1, factor=2, cap=10, jitter=0.5, only=OutOfStock),
        pivot=True,
    ),
    Step[Order, Reservation, OutOfStock],
)

careful: StepSettings = {"timeout": None, "retries": Retry(2, unless=(OutOfStock, CardDeclined))}
assert_type(Step(reserve, **careful), Step[Order, Reservation, OutOfStock])

made = Step(charge, refund, **careful)
assert_type(made.retries, Retry)
assert_type(made.name, str)
assert_type(made.pivot, bool)
