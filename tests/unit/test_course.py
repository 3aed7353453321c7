"""How far a driver to which nobody listens follows a saga, and what it leaves to the machine."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from returns.result import Failure, Success

from sagalib import Retry, Soft, compensating, run
from tests.defects.colours import SYNC, AnySaga, World
from tests.support.time import VirtualClock

Build = Callable[[World, VirtualClock], AnySaga]


def slow(clock: VirtualClock) -> Callable[[Any], Any]:
    """Give a function that takes a minute."""

    def take_long(value: Any) -> Any:
        clock.advance(60)
        return Success(value)

    return take_long


SAGAS: dict[str, Build] = {
    "all goes well": lambda w, _: w.step("a") >> w.step("b") >> w.step("c"),
    "a growing context": lambda w, _: w.step("a").keep() >> w.step("b", Success("b")).keep(),
    "a failure": lambda w, _: w.step("a") >> w.step("b") >> w.step("c", Failure("no")),
    "a failure in a bracket": lambda w, _: (
        w.step("a").keep() >> w.step("b") >> w.step("c", Failure("no")).keep()
    ),
    "no compensation between": lambda w, _: (
        w.step("a") >> SYNC.step(Success, name="b") >> w.step("c", Failure("no"))
    ),
    "a failure that is tried again": lambda w, _: (
        w.step("a") >> w.step("b", Failure("no"), retries=Retry(1))
    ),
    "a failure that is settled": lambda w, _: (
        w.step("a") >> w.step("b", Failure("no"), settle=Success(None), settle_on="failure")
    ),
    "a failure after a pivot": lambda w, _: (
        w.step("a") >> w.step("p", pivot=True) >> w.step("b", Failure("no"))
    ),
    "a pivot that fails": lambda w, _: w.step("a") >> w.step("p", Failure("no"), pivot=True),
    "an exception": lambda w, _: w.step("a") >> w.step("b", ValueError("lost")) >> w.step("c"),
    "no result": lambda w, _: w.step("a") >> w.step("b", 7) >> w.step("c"),
    "a late success": lambda w, clock: (
        w.step("a") >> w.step("b", slow(clock), timeout=Soft(30.0)) >> w.step("c")
    ),
    "a pure function": lambda w, _: w.step("a").map(str) >> w.step("b", Failure("no")),
    "a pure function that raises": lambda w, _: w.step("a").map(int) >> w.step("b"),
    "an error that is mapped": lambda w, _: (
        w.step("a") >> w.step("b", Failure("no")).map_error(str.upper)
    ),
    "a promise": lambda w, _: (
        w.step("a") >> compensating(lambda value: Success(None)) >> w.step("b", Failure("no"))
    ),
    "a failed compensation": lambda w, _: (
        w.step("a") >> w.step("b", undo=Failure("stuck")) >> w.step("c", Failure("no"))
    ),
    "a compensation that raises": lambda w, _: (
        w.step("a") >> w.step("b", undo=ValueError("lost")) >> w.step("c", Failure("no"))
    ),
    "a compensation on a thread": lambda w, _: (
        w.step("a", compensation_timeout=5.0) >> w.step("b", Failure("no"))
    ),
    "a step on a thread": lambda w, _: w.step("a", timeout=5.0) >> w.step("b", Failure("no")),
}


@pytest.mark.parametrize("name", SAGAS)
def test_nobody_sees_whether_anybody_listens(name: str) -> None:
    """The calls with their values, the outcome, the log and what is owed are the same."""
    seen: list[tuple[object, ...]] = []
    for observers in ((), (str,)):
        world, clock = World(), VirtualClock()
        outcome: Any = run(
            SAGAS[name](world, clock), "x", run_id="run", observers=observers, clock=clock
        )
        times = [event.at_ns for event in outcome.log]
        seen.append((world.calls, outcome, outcome.log, times))

    assert seen[0] == seen[1]
