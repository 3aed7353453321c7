"""``compensating``: nothing forward; on the way back, a call with the value that passed."""

from typing import Never, assert_type

from sagalib import Async, Saga, Soft, compensating
from tests.typing.shop import Payment, RefundRejected, Reservation, refund, refund_async, release

assert_type(compensating(release), Saga[Reservation, Reservation])
assert_type(compensating(refund), Saga[Payment, Payment, Never, RefundRejected])
assert_type(compensating(refund_async), Saga[Payment, Payment, Never, RefundRejected, Async])
assert_type(
    compensating(refund, name="money back", compensation_timeout=Soft(5), compensation_retries=2),
    Saga[Payment, Payment, Never, RefundRejected],
)
