"""The main points of cancellation on another event loop: uvloop."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
import uvloop

from sagalib import Cancelled, Compensated, Ok, TimedOut, outcome_of, run_async
from tests.drivers.test_cancellation import check_cancelled, pairs, singles
from tests.drivers.world import AsyncPart, World, coroutine, for_ever, no, plain

BACK = [("undo", "b"), ("undo", "a")]


def run_on_uvloop(main: Any) -> Any:
    """Run a coroutine to its end on uvloop."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(main)


def test_cancelled_at_every_suspension_point() -> None:
    """Wherever a run is cancelled, all is compensated, and the same object is raised again."""
    how: dict[str, Any] = {"last": no("no"), "whom": "caller", "loop": uvloop.new_event_loop}
    reports = [report for _, report in singles(**how, wait=0.0, tick=0.0)]
    for report in reports:
        check_cancelled(report, 1)
    assert len(reports) >= 18


def test_cancelled_at_every_pair_of_suspension_points() -> None:
    """A second cancellation takes away no compensation."""
    how: dict[str, Any] = {"last": no("no"), "whom": "caller", "loop": uvloop.new_event_loop}
    reports = [report for _, report in pairs(**how, wait=0.0, tick=0.0)]
    for report in reports:
        check_cancelled(report, 2)
    assert len(reports) >= 100


async def briefly() -> None:
    """Suspend once."""
    await asyncio.sleep(0)


def stuck_briefly(
    world: World, stuck_now: asyncio.Event | None = None, timeout: float | None = None
) -> AsyncPart:
    """Make a saga that completes `a` and `b` and hangs in `c`; there it sets the event."""

    async def hang() -> None:
        if stuck_now is not None:
            stuck_now.set()
        await for_ever()

    saga: AsyncPart = (
        coroutine(world, "a", during=briefly, during_back=briefly)
        >> coroutine(world, "b", during=briefly, during_back=briefly)
        >> coroutine(world, "c", during=hang, timeout=timeout)
    )
    return saga


def test_a_timeout_of_asyncio() -> None:
    """Under `asyncio.timeout` a run is compensated, and no cancel is left."""
    world = World()

    async def main() -> int:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.01):
                await run_async(stuck_briefly(world))
        task = asyncio.current_task()
        assert task is not None
        return task.cancelling()

    assert run_on_uvloop(main()) == 0
    assert BACK == world.back


def test_a_step_times_out() -> None:
    """A step is cut at its timeout, and the task is not left cancelled."""
    world = World()

    async def main() -> int:
        assert Compensated(TimedOut(0.01), "c", in_doubt=("c",)) == await run_async(
            stuck_briefly(world, timeout=0.01)
        )
        task = asyncio.current_task()
        assert task is not None
        await asyncio.sleep(0)
        return task.cancelling()

    assert run_on_uvloop(main()) == 0
    assert BACK == world.back


def test_a_task_group() -> None:
    """When a sibling fails, the group raises the sibling's error alone, after the compensations."""
    world, stuck_now = World(), asyncio.Event()

    async def failing() -> None:
        await stuck_now.wait()
        raise ZeroDivisionError

    async def main() -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(run_async(stuck_briefly(world, stuck_now)))
            group.create_task(failing())

    with pytest.raises(ExceptionGroup) as caught:
        run_on_uvloop(main())
    assert [ZeroDivisionError] == [type(error) for error in caught.value.exceptions]
    assert BACK == world.back


def test_an_interrupt() -> None:
    """KeyboardInterrupt inside an async step comes out of the loop after the compensations."""
    world, mine = World(), KeyboardInterrupt()

    async def interrupted() -> None:
        raise mine

    async def main() -> None:
        await run_async(
            coroutine(world, "a", during=briefly, during_back=briefly)
            >> coroutine(world, "b", during=interrupted)
        )

    with pytest.raises(KeyboardInterrupt) as caught:
        run_on_uvloop(main())
    assert caught.value is mine
    assert Compensated(Cancelled(), "b", in_doubt=("b",)) == outcome_of(mine)
    assert [("undo", "a")] == world.back


def test_a_plain_step_with_a_hard_timeout() -> None:
    """A plain step on a thread of its own wakes the loop."""
    world = World()
    saga = coroutine(world, "a", during=briefly) >> plain(world, "b", timeout=3600.0)
    assert Ok("b") == run_on_uvloop(run_async(saga))


def test_the_loop_ends_while_a_run_goes_on() -> None:
    """When the loop ends, a run in the background is cancelled and still compensated."""
    world, stuck_now = World(), asyncio.Event()

    async def main() -> None:
        run = asyncio.create_task(run_async(stuck_briefly(world, stuck_now)))
        await stuck_now.wait()
        assert not run.done()

    run_on_uvloop(main())
    assert BACK == world.back
