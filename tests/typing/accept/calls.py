"""``current_call``, observers, clocks and ``outcome_of``: what surrounds a run."""

from typing import Any, assert_type

from sagalib import (
    AsyncClock,
    Call,
    Clock,
    Event,
    Observer,
    Outcome,
    Step,
    current_call,
    outcome_of,
    run,
    run_async,
)
from tests.typing.shop import Order, release, reserve

saga = Step(reserve, release)


def key() -> str:
    """Give the idempotency key of the call."""
    call = current_call()
    assert_type(call, Call)
    assert_type(call.deadline, int | None)
    return call.key


def watch(event: Event) -> None:
    """Look at an event."""


observer: Observer = watch


def watched(clock: Clock) -> None:
    """All that ``run`` takes."""
    run(
        saga,
        Order(1),
        run_id="order-1",
        observers=[observer, print],
        clock=clock,
        dice=lambda: 0.5,
        on_compensation_failure="stop",
    )


async def watched_async(clock: AsyncClock) -> None:
    """All that ``run_async`` takes."""
    await run_async(
        saga,
        Order(1),
        run_id="order-1",
        observers=[observer],
        clock=clock,
        dice=lambda: 0.5,
        on_compensation_failure="continue",
    )


def interrupted() -> Outcome[Any, Any, Any] | None:
    """Ask an interrupt what became of the run that it went through."""
    try:
        run(saga, Order(1))
    except KeyboardInterrupt as interrupt:
        return outcome_of(interrupt)
    return None
