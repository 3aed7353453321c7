"""``@step`` in its forms: bare, with keywords, with a compensation; for either colour."""

from typing import Never, assert_type

from returns.result import Result, Success

from sagalib import AsyncStep, Step, step
from tests.typing.shop import (
    CardDeclined,
    Order,
    OutOfStock,
    Payment,
    RefundRejected,
    Reservation,
    charge,
    charge_async,
    refund,
    refund_async,
    reserve,
)


@step
def bare(order: Order) -> Result[Reservation, OutOfStock]:
    """Keep goods."""
    return reserve(order)


@step
async def bare_async(order: Order) -> Result[Reservation, OutOfStock]:
    """Keep goods."""
    return reserve(order)


@step(name="hold", retries=2, timeout=5)
def with_keywords(order: Order) -> Result[Reservation, OutOfStock]:
    """Keep goods."""
    return reserve(order)


@step(name="hold", retries=2, timeout=5)
async def with_keywords_async(order: Order) -> Result[Reservation, OutOfStock]:
    """Keep goods."""
    return reserve(order)


@step(compensate=refund, retries=2)
def with_compensation(reservation: Reservation) -> Result[Payment, CardDeclined]:
    """Take the money."""
    return charge(reservation)


@step(compensate=refund_async)
async def with_compensation_async(reservation: Reservation) -> Result[Payment, CardDeclined]:
    """Take the money."""
    return await charge_async(reservation)


def unpay(reservation: Reservation) -> Result[None, RefundRejected]:
    """Make sure that no money was taken."""
    return Success(None)


async def unpay_async(reservation: Reservation) -> Result[None, RefundRejected]:
    """Make sure that no money was taken."""
    return Success(None)


@step(compensate=refund, settle=unpay, retries=2)
def with_both(reservation: Reservation) -> Result[Payment, CardDeclined]:
    """Take the money."""
    return charge(reservation)


@step(compensate=refund_async, settle=unpay_async)
async def with_both_async(reservation: Reservation) -> Result[Payment, CardDeclined]:
    """Take the money."""
    return await charge_async(reservation)


@bare.compensated_by
def compensated(reservation: Reservation) -> Result[None, Never]:
    """Give the goods back."""
    return Success(None)


assert_type(bare, Step[Order, Reservation, OutOfStock])
assert_type(bare_async, AsyncStep[Order, Reservation, OutOfStock])
assert_type(with_keywords, Step[Order, Reservation, OutOfStock])
assert_type(with_keywords_async, AsyncStep[Order, Reservation, OutOfStock])
assert_type(with_compensation, Step[Reservation, Payment, CardDeclined, RefundRejected])
assert_type(with_compensation_async, AsyncStep[Reservation, Payment, CardDeclined, RefundRejected])
assert_type(with_both, Step[Reservation, Payment, CardDeclined, RefundRejected])
assert_type(with_both_async, AsyncStep[Reservation, Payment, CardDeclined, RefundRejected])
assert_type(compensated, Step[Order, Reservation, OutOfStock])
