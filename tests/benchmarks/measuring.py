"""How time is measured: candidates interleaved, thread CPU time, the median of per-round ratios."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Callable, Coroutine, Generator, Mapping, Sequence
from contextlib import contextmanager
from itertools import repeat
from statistics import median
from time import thread_time_ns
from typing import Any, Final, TypeAlias

Timed: TypeAlias = Callable[[int], int]
"""Does its work so many times, and gives the nanoseconds of thread CPU time that it took."""

BLOCK_NS: Final = 2_000_000
"""How long a candidate works before it is the turn of the next."""

FEWEST_ROUNDS: Final = 7


def plain(function: Callable[[Any], object], value: object) -> Timed:
    """Call `function(value)`."""

    def timed(times: int) -> int:
        calls = repeat(None, times)
        began = thread_time_ns()
        for _ in calls:
            function(value)
        return thread_time_ns() - began

    return timed


def awaited(function: Callable[[Any], Coroutine[Any, Any, object]], value: object) -> Timed:
    """Await `function(value)` in a task, one after the other; the loop is made untimed."""

    async def work(times: int) -> int:
        await function(value)
        calls = repeat(None, times)
        began = thread_time_ns()
        for _ in calls:
            await function(value)
        return thread_time_ns() - began

    return lambda times: asyncio.run(work(times))


def together(
    function: Callable[[Any], Coroutine[Any, Any, object]], value: object, size: int
) -> Timed:
    """Await `size` of `function(value)` at once, each in a task of its own."""

    async def work(times: int) -> int:
        began = thread_time_ns()
        for _ in range(times):
            async with asyncio.TaskGroup() as group:
                for _ in range(size):
                    group.create_task(function(value))
        return thread_time_ns() - began

    return lambda times: asyncio.run(work(times))


@contextmanager
def quiet() -> Generator[None, None, None]:
    """Keep the garbage collector out of what is timed: `measure` collects between the rounds."""
    gc.collect()
    gc.freeze()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
        gc.unfreeze()


def times_that_fill(timed: Timed, block_ns: int) -> int:
    """Find how often a candidate does its work in a block; its first calls warm it up."""
    times = 1
    while (took := timed(times)) < block_ns // 2:
        times *= max(2, min(10, block_ns // max(1, took)))
    return max(1, times * block_ns // max(1, took))


def measure(candidates: Mapping[str, Timed], seconds: float) -> dict[str, list[float]]:
    """Give the nanoseconds of one piece of work, of each candidate, in each round.

    Args:
        candidates: what is compared, by name.
        seconds: thread CPU time to spend on all of them; there are at least `FEWEST_ROUNDS`.
    """
    with quiet():
        times = {name: times_that_fill(timed, BLOCK_NS) for name, timed in candidates.items()}
        samples: dict[str, list[float]] = {name: [] for name in candidates}
        order = list(candidates)
        end = thread_time_ns() + round(seconds * 1e9)
        rounds = 0
        while rounds < FEWEST_ROUNDS or thread_time_ns() < end:
            for name in order:
                samples[name].append(candidates[name](times[name]) / times[name])
            gc.collect()
            order = order[1:] + order[:1]  # nobody is always the first
            rounds += 1
    return samples


def median_of_ratios(ours: Sequence[float], baseline: Sequence[float]) -> float:
    """Compare two candidates round by round, and give the median.

    A round in which the machine was busy slows both down, and its ratio stays about the same.
    """
    return median(one / other for one, other in zip(ours, baseline, strict=True))
