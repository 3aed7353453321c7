"""Branches, beside a bare TaskGroup and a bare thread pool: neither knows a way back."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import repeat
from time import process_time_ns
from typing import Any, Final

from returns.result import Result

from sagalib import AsyncStep, Step, gather, run, run_async
from tests.benchmarks.measuring import Timed, awaited
from tests.benchmarks.rows import Comparison
from tests.benchmarks.work import add_one, add_one_later, undo, undo_later

WIDTHS: Final = (2, 16, 100)


async def in_a_task_group(width: int) -> list[Result[int, str]]:
    """Await as many calls at once."""
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(add_one_later(1)) for _ in range(width)]
    return [task.result() for task in tasks]


def in_a_pool(width: int) -> list[Result[int, str]]:
    """Make as many calls on threads, as many at once as a run of ours makes."""
    with ThreadPoolExecutor(min(32, width)) as pool:
        return list(pool.map(add_one, repeat(1, width)))


def on_threads(function: Callable[[Any], object], value: object) -> Timed:
    """Call `function(value)`; the CPU time is that of all threads."""

    def timed(times: int) -> int:
        began = process_time_ns()
        for _ in range(times):
            function(value)
        return process_time_ns() - began

    return timed


def _asyncio(width: int) -> Comparison:
    saga = gather([AsyncStep(add_one_later, undo_later)] * width)
    return Comparison(
        goal="P1",
        what=f"{width} branches under asyncio, each; beside a TaskGroup",
        ours=awaited(partial(run_async, saga), 1),
        baseline=awaited(in_a_task_group, width),
        pieces=width,
    )


def _threads(width: int) -> Comparison:
    saga = gather([Step(add_one, undo)] * width)
    return Comparison(
        goal="P2",
        what=f"{width} branches on threads, each; beside a thread pool",
        ours=on_threads(partial(run, saga), 1),
        baseline=on_threads(in_a_pool, width),
        pieces=width,
    )


COMPARISONS: Final = [make(width) for make in (_asyncio, _threads) for width in WIDTHS]
