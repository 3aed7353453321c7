"""Many runs: the supervisors take what ``run`` and ``run_async`` take; ``run_many`` keeps types."""

import logging
from collections.abc import AsyncIterator, Iterator
from typing import Any, Never, assert_type

from sagalib import (
    AsyncStep,
    AsyncSupervisor,
    Observer,
    Outcome,
    Saga,
    Status,
    Step,
    Supervisor,
    SupervisorClosed,
    UnknownRun,
    arrow,
    events,
    log_to,
    observing,
    run_many,
    run_many_async,
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


def order_of(_: None) -> Order:
    """Make an order of nothing."""
    return Order(1)


def page(event: events.SagaFatal) -> None:
    """Wake somebody."""
    assert event.failures


observers: list[Observer] = [observing(page, events.SagaFatal), log_to(logging.getLogger("shop"))]


def watch() -> None:
    """Start, look, wait."""
    with Supervisor(max_running=2, observers=observers) as supervisor:
        run_id = supervisor.start(plain, Order(1))
        assert_type(run_id, str)
        supervisor.start(plain, Order(1), "order-1")
        supervisor.start(arrow(order_of) >> plain, run_id="order-2")
        assert_type(supervisor.status(run_id), Status)
        assert_type(supervisor.status(run_id).to_dict(), dict[str, object])
        assert_type(supervisor.runs("pending"), tuple[str, ...])
        supervisor.cancel(run_id)
        assert_type(supervisor.wait(run_id, timeout=1.0), Outcome[Any, Any, Any])


async def watch_async() -> None:
    """Start, look, wait, for sagas of either mode."""
    async with AsyncSupervisor(keep=10) as supervisor:
        run_id = supervisor.start(waits, Order(1))
        supervisor.start(plain, Order(1))
        assert_type(supervisor.status(run_id), Status)
        assert_type(await supervisor.wait(run_id), Outcome[Any, Any, Any])


def saga_of(order: Order) -> Saga[Order, Reservation, OutOfStock]:
    """Make a saga for one order."""
    return plain.named(f"order {order.number}")


orders = [Order(1), Order(2)]

assert_type(run_many(plain, orders, limit=2), Iterator[Outcome[Reservation, OutOfStock, Never]])
assert_type(run_many(saga_of, orders, limit=2), Iterator[Outcome[Reservation, OutOfStock, Never]])
assert_type(
    run_many_async(waits, orders, limit=2),
    AsyncIterator[Outcome[Reservation, OutOfStock, Never]],
)

of_lookups: tuple[type[LookupError], ...] = (UnknownRun,)
of_programs: tuple[type[RuntimeError], ...] = (SupervisorClosed,)
