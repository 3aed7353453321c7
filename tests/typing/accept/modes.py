"""``run`` takes sagas of plain functions; ``run_async`` takes those and all others."""

from typing import Never, assert_type

from sagalib import (
    Async,
    AsyncStep,
    Compensated,
    Fatal,
    Ok,
    Outcome,
    Saga,
    Step,
    Sync,
    arrow,
    run,
    run_async,
)
from tests.typing.shop import (
    CardDeclined,
    Order,
    OutOfStock,
    Payment,
    RefundRejected,
    Reservation,
    charge_async,
    refund_async,
    release,
    reserve,
)

plain = Step(reserve, release)
mixed = plain >> AsyncStep(charge_async, refund_async)

assert_type(
    run(plain, Order(1)), Ok[Reservation] | Compensated[OutOfStock] | Fatal[OutOfStock, Never]
)


async def both() -> None:
    """Run either."""
    assert_type(await run_async(plain, Order(1)), Outcome[Reservation, OutOfStock, Never])
    assert_type(
        await run_async(mixed, Order(1)),
        Outcome[Payment, OutOfStock | CardDeclined, RefundRejected],
    )


def order_of(_: None) -> Order:
    """Make an order of nothing."""
    return Order(1)


# A saga that takes None needs no value.
assert_type(run(arrow(order_of) >> plain), Outcome[Reservation, OutOfStock, Never])

# A function that can run whatever it gets says so; Sync is the default.
named: Saga[Order, Reservation, OutOfStock, Never, Sync] = plain


async def run_any(
    saga: Saga[Order, Reservation, OutOfStock, Never, Async],
) -> Outcome[Reservation, OutOfStock, Never]:
    """Run a saga of either mode."""
    return await run_async(saga, Order(1))
