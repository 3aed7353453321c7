"""``run`` refuses a saga with an async step, wherever the step stands."""

from sagalib import Async, AsyncStep, Saga, Step, compensating, run, run_async
from tests.typing.shop import (
    Order,
    OutOfStock,
    Reservation,
    charge,
    charge_async,
    refund_async,
    release,
    reserve,
    reserve_async,
    ship,
)

plain = Step(reserve, release) >> Step(charge) >> Step(ship)
right = run(plain, Order(1))

a_step = run(AsyncStep(reserve_async), Order(1))  # type: ignore
first = run(AsyncStep(reserve_async) >> Step(charge), Order(1))  # type: ignore
last = run(Step(reserve) >> AsyncStep(charge_async), Order(1))  # type: ignore
amid = run(Step(reserve) >> AsyncStep(charge_async) >> Step(ship), Order(1))  # type: ignore
mapped = run(AsyncStep(reserve_async).map(repr), Order(1))  # type: ignore
kept = run(AsyncStep(reserve_async).keep(), Order(1))  # type: ignore
named = run((Step(reserve) >> AsyncStep(charge_async)).named("sell"), Order(1))  # type: ignore
on_the_way_back = run(Step(reserve) >> Step(charge) >> compensating(refund_async), Order(1))  # type: ignore


async def declared(saga: Saga[Order, Reservation, OutOfStock, OutOfStock, Async]) -> None:
    """A saga of unknown mode may be async."""
    accepted = await run_async(saga, Order(1))
    refused = run(saga, Order(1))  # type: ignore
    print(accepted, refused)
