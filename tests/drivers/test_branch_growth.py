"""Runs with branches leave nothing behind: no thread, no task, nothing for the collector."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest
from typing_extensions import override

from sagalib import Compensated, Ok, Retry, Step, each, outcome_of, par, run, run_async
from tests.drivers.test_growth import (
    SLACK,
    after,
    after_async,
    done,
    done_async,
    hangs_async,
    interrupted,
    interrupted_async,
    left_by,
    left_by_async,
    objects,
    raises,
    raises_async,
    refused,
    refused_async,
    run_and_drop,
    undo_raises,
)
from tests.drivers.world import join_calls, threads_of_calls
from tests.support.time import VirtualClock, run_virtual

RUNS = 500
"""With the slack of the other file: less than one object leaked in two runs."""


class Patient(VirtualClock):
    """Waits until a call has answered, and its thread has ended."""

    @override
    def wait(self, event: threading.Event, seconds: float, /) -> bool:
        """Wait."""
        event.wait()
        join_calls()
        return True


def branches(last: Any, **settings: Any) -> Any:
    """Make a saga of a step, two branches, and a last step."""
    return Step(done) >> par(after(last, **settings), after(done)) >> Step(done)


SAGAS: dict[str, Any] = {
    "ok": branches(done),
    "refused": branches(refused),
    "raises": branches(raises),
    "raises, retried": branches(raises, retries=2),
    "interrupted": branches(interrupted),
    "fatal": par(after(done, undo_raises), after(done)) >> Step(refused),
    "a scope that unwinds": par(after(raises) | Step(done), after(done)),
    "with a hard timeout": branches(done, timeout=5.0),
    "raises, with a hard timeout": branches(raises, timeout=5.0),
    "interrupted, with a hard timeout": branches(interrupted, timeout=5.0),
    "with a deadline": branches(raises, timeout=5.0).deadline(100.0),
    "one by one": par(after(done), after(raises), limit=1),
}


def run_and_wait(saga: Any) -> Any:
    """Make a function that runs a saga, keeps nothing, and waits for the threads of its calls."""
    once = run_and_drop(saga, clock=Patient())

    def and_wait() -> None:
        once()
        join_calls()

    return and_wait


@pytest.mark.parametrize("name", SAGAS)
def test_a_run_leaves_nothing_to_the_collector(name: str) -> None:
    """When its outcome is dropped, a run is gone at once, however it has ended."""
    assert 0 == left_by(run_and_wait(SAGAS[name]))
    assert [] == threads_of_calls()


def branches_async(last: Any, on_failure: Any = "await", **settings: Any) -> Any:
    """Make the same of coroutine functions."""
    both = par(after_async(last, **settings), after_async(done_async), on_failure=on_failure)
    return after_async(done_async) >> both >> Step(done)


ASYNC_SAGAS: dict[str, Any] = {
    "ok": branches_async(done_async),
    "refused": branches_async(refused_async),
    "raises": branches_async(raises_async),
    "raises, retried": branches_async(raises_async, retries=Retry(2, wait=1.0)),
    "cut": branches_async(hangs_async, timeout=5.0),
    "cut by a deadline": branches_async(hangs_async, timeout=None).deadline(5.0),
    "plain, raises": par(after(raises), after_async(done_async)),
    "plain, raises on a thread": par(after(raises, timeout=5.0), after_async(done_async)),
    "interrupting": par(
        after_async(hangs_async, timeout=None), after_async(raises_async), on_failure="interrupt"
    ),
}


@pytest.mark.parametrize("name", ASYNC_SAGAS)
def test_an_async_run_leaves_nothing_to_the_collector(name: str) -> None:
    """When its outcome is dropped, an async run is gone at once, however it has ended."""

    async def once() -> None:
        outcome = await run_async(ASYNC_SAGAS[name])
        assert outcome.log
        del outcome
        join_calls()

    async def bare() -> None:
        async def cut() -> None:
            await asyncio.get_running_loop().create_future()

        task = asyncio.create_task(cut())
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait({task})

    left = run_virtual(left_by_async(once))
    # What asyncio itself leaves of a task that was cancelled and awaited.
    assert left <= (run_virtual(left_by_async(bare)) if name == "interrupting" else 0)


def test_an_interrupted_async_run_leaves_nothing_to_the_collector() -> None:
    """KeyboardInterrupt in the task of a branch leaves nothing, once the exception is dropped."""
    seen: list[type[object]] = []

    async def once() -> None:
        try:
            await run_async(branches_async(interrupted_async))
        except KeyboardInterrupt as interrupt:
            seen.append(type(outcome_of(interrupt)))

    assert 0 == run_virtual(left_by_async(once))
    assert [Compensated, Compensated] == seen


@pytest.mark.slow
@pytest.mark.parametrize("name", ["ok", "refused", "raises, with a hard timeout"])
def test_hundreds_of_runs(name: str) -> None:
    """After them there are as many threads and objects as before."""
    once = run_and_wait(SAGAS[name])
    for _ in range(20):
        once()
    before, threads = objects(), threading.active_count()
    for _ in range(RUNS):
        once()
    assert threads == threading.active_count()
    assert objects() - before < SLACK


@pytest.mark.slow
@pytest.mark.parametrize("name", ["ok", "raises", "cut by a deadline", "interrupting"])
def test_hundreds_of_async_runs(name: str) -> None:
    """After them there are as many tasks, timers and objects as before."""

    async def main() -> tuple[int, int]:
        loop: Any = asyncio.get_running_loop()
        for _ in range(20):
            await run_async(ASYNC_SAGAS[name])
        before = objects()
        for _ in range(RUNS):
            await run_async(ASYNC_SAGAS[name])
        assert len(loop._scheduled) <= 100
        return len(asyncio.all_tasks()), objects() - before

    tasks, grown = run_virtual(main())
    assert 1 == tasks
    assert grown < SLACK


def test_a_saga_of_many_items_ends() -> None:
    """Two hundred items, all at once or some: as many outputs, and no thread left."""
    assert isinstance(run(each(after(done), limit=None), range(200)), Ok)
    assert isinstance(run(each(after(done), limit=7), range(200)), Ok)
    join_calls()
    assert [] == threads_of_calls()
