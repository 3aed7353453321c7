"""G7 to G9: sagas of coroutine functions, one at a time and ten thousand at once."""

from __future__ import annotations

import asyncio
import tracemalloc
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any

from returns.result import Result, Success

from sagalib import AsyncStep, run_async
from tests.benchmarks import peers
from tests.benchmarks.measuring import awaited, quiet, together
from tests.benchmarks.rows import Comparison, Row
from tests.benchmarks.work import (
    add_one_later,
    add_three_later,
    add_two_later,
    refuse_later,
    undo_later,
)

Outcome = Result[Any, str]
Undos = list[tuple[Callable[[Any], Coroutine[Any, Any, Result[None, str]]], Any]]

CROWD = 10_000
SECONDS = 30.0


async def go_back(undos: Undos) -> None:
    """Await the compensations, last first; stop at one that fails."""
    for compensate, value in reversed(undos):
        undone = await compensate(value)
        if Success is not type(undone):
            raise RuntimeError(undone)


async def three_by_hand(value: int) -> Outcome:
    """Three steps that go well."""
    undos: Undos = []
    first = await add_one_later(value)
    if Success is not type(first):
        await go_back(undos)
        return first
    one = first.unwrap()
    undos.append((undo_later, one))
    second = await add_two_later(one)
    if Success is not type(second):
        await go_back(undos)
        return second
    two = second.unwrap()
    undos.append((undo_later, two))
    third = await add_three_later(two)
    if Success is not type(third):
        await go_back(undos)
        return third
    undos.append((undo_later, third.unwrap()))
    return third


async def failure_by_hand(value: int) -> Outcome:
    """Two steps that go well, and one that fails."""
    undos: Undos = []
    first = await add_one_later(value)
    if Success is not type(first):
        await go_back(undos)
        return first
    one = first.unwrap()
    undos.append((undo_later, one))
    second = await add_two_later(one)
    if Success is not type(second):
        await go_back(undos)
        return second
    two = second.unwrap()
    undos.append((undo_later, two))
    third = await refuse_later(two)
    if Success is not type(third):
        await go_back(undos)
        return third
    undos.append((undo_later, third.unwrap()))
    return third


async def three_bare(value: int) -> Outcome:
    """Three awaits without a way back."""
    one = (await add_one_later(value)).unwrap()
    two = (await add_two_later(one)).unwrap()
    return await add_three_later(two)


async def three_bare_in_time(value: int) -> Outcome:
    """Three awaits without a way back, each with a timeout of asyncio."""
    async with asyncio.timeout(SECONDS):
        one = (await add_one_later(value)).unwrap()
    async with asyncio.timeout(SECONDS):
        two = (await add_two_later(one)).unwrap()
    async with asyncio.timeout(SECONDS):
        return await add_three_later(two)


FAILURE = (
    AsyncStep(add_one_later, undo_later)
    >> AsyncStep(add_two_later, undo_later)
    >> AsyncStep(refuse_later, undo_later)
)
THREE = (
    AsyncStep(add_one_later, undo_later)
    >> AsyncStep(add_two_later, undo_later)
    >> AsyncStep(add_three_later, undo_later)
)
UNTIMED = (
    AsyncStep(add_one_later, undo_later, timeout=None)
    >> AsyncStep(add_two_later, undo_later, timeout=None)
    >> AsyncStep(add_three_later, undo_later, timeout=None)
)
TIMED = (
    AsyncStep(add_one_later, undo_later, timeout=SECONDS)
    >> AsyncStep(add_two_later, undo_later, timeout=SECONDS)
    >> AsyncStep(add_three_later, undo_later, timeout=SECONDS)
)

COMPARISONS = [
    Comparison(
        goal="G7",
        what="asyncio: 3 steps that go well, each suspends once",
        ours=awaited(partial(run_async, THREE), 1),
        baseline=awaited(three_by_hand, 1),
        gate=1.25,
        brave=1.12,
        beside=lambda: {
            "ours, timeout=None": awaited(partial(run_async, UNTIMED), 1),
            **peers.three_async(),
        },
    ),
    Comparison(
        goal="G7",
        what="asyncio: failure at step 3, 2 compensations",
        ours=awaited(partial(run_async, FAILURE), 1),
        baseline=awaited(failure_by_hand, 1),
        gate=1.5,
        brave=1.2,
        beside=peers.failure_async,
    ),
    Comparison(
        goal="G8",
        what=f"{CROWD:,} at once, timeout=None, beside bare coroutines",
        ours=together(partial(run_async, UNTIMED), 1, CROWD),
        baseline=together(three_bare, 1, CROWD),
        gate=1.5,
        brave=1.2,
        pieces=CROWD,
        beside=lambda: {"by hand, with the undo list": together(three_by_hand, 1, CROWD)},
    ),
    Comparison(
        goal="G9",
        what=f"{CROWD:,} at once, each step with an enforced timeout",
        ours=together(partial(run_async, TIMED), 1, CROWD),
        baseline=together(three_bare, 1, CROWD),
        gate=1.7,
        brave=1.4,
        pieces=CROWD,
        beside=lambda: {"bare, with asyncio.timeout": together(three_bare_in_time, 1, CROWD)},
    ),
]


async def bytes_in_flight(function: Callable[[Any], Coroutine[Any, Any, object]]) -> float:
    """Give the bytes that each of a crowd holds while all of them are in their second step."""
    await function(1)
    with quiet():
        tracemalloc.start()
        tasks = [asyncio.ensure_future(function(1)) for _ in range(CROWD)]
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        held, _ = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    await asyncio.gather(*tasks)
    return held / CROWD


def memory(_: float) -> list[Row]:
    """Measure the memory of sagas in flight: the same in each run, so that one is enough."""
    bare = asyncio.run(bytes_in_flight(three_bare))

    def row(goal: str, what: str, held: float, gate: float | None = None) -> Row:
        return Row(
            goal=goal, what=what, unit="B", ours=held, baseline=bare, ratio=held / bare, gate=gate
        )

    ours = asyncio.run(bytes_in_flight(partial(run_async, UNTIMED)))
    timed = asyncio.run(bytes_in_flight(partial(run_async, TIMED)))
    by_hand = asyncio.run(bytes_in_flight(three_by_hand))
    return [
        row("G8", f"memory of each of {CROWD:,} in flight, beside bare coroutines", ours, 1.35),
        row("", "  with enforced timeouts", timed),
        row("", "  by hand, with the undo list", by_hand),
    ]
