"""Many runs leave nothing behind: no thread, task or object, nothing for the collector."""

from __future__ import annotations

import asyncio
import gc
import threading
from collections.abc import Callable, Coroutine, Generator, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from returns.result import Failure, Result, Success
from typing_extensions import override

from sagalib import (
    AsyncStep,
    Compensated,
    Event,
    Fatal,
    Ok,
    Outcome,
    Retry,
    Saga,
    Soft,
    Step,
    TimedOut,
    outcome_of,
    run,
    run_async,
)
from sagalib.drivers.loop_clock import LoopClock
from tests.drivers.world import join_calls, threads_of_calls
from tests.support.time import VirtualClock, run_virtual

RUNS = 10_000
SLACK = 200
"""Fewer objects than one leaked in fifty runs."""

Answer = Result[str, str]
Undone = Result[None, str]


def done(_: object) -> Answer:
    """Succeed."""
    return Success("done")


def refused(_: object) -> Answer:
    """Fail."""
    return Failure("refused")


def raises(_: object) -> Answer:
    """Raise."""
    raise ZeroDivisionError


def undo(_: object) -> Undone:
    """Make up for it."""
    return Success(None)


def undo_raises(_: object) -> Undone:
    """Raise on the way back."""
    raise ZeroDivisionError


def undo_refused(_: object) -> Undone:
    """Fail on the way back."""
    return Failure("never")


def interrupted(_: object) -> Answer:
    """Do as Ctrl-C does."""
    raise KeyboardInterrupt


async def done_async(_: object) -> Answer:
    """Succeed, after a while."""
    await asyncio.sleep(0)
    return Success("done")


async def refused_async(_: object) -> Answer:
    """Fail, after a while."""
    await asyncio.sleep(0)
    return Failure("refused")


async def raises_async(_: object) -> Answer:
    """Raise, after a while."""
    await asyncio.sleep(0)
    raise ZeroDivisionError


async def hangs_async(_: object) -> Answer:
    """Hang."""
    await asyncio.get_running_loop().create_future()
    return Success("never")


async def interrupted_async(_: object) -> Answer:
    """Do as Ctrl-C does."""
    await asyncio.sleep(0)
    raise KeyboardInterrupt


async def undo_async(_: object) -> Undone:
    """Make up for it, after a while."""
    await asyncio.sleep(0)
    return Success(None)


async def undo_hangs_async(_: object) -> Undone:
    """Hang on the way back."""
    await asyncio.get_running_loop().create_future()
    return Success(None)


async def undo_raises_async(_: object) -> Undone:
    """Raise on the way back."""
    await asyncio.sleep(0)
    raise ZeroDivisionError


def after(
    last: Callable[[object], Answer],
    back: Callable[[object], Undone] = undo,
    **settings: Any,
) -> Saga[object, str, str, str]:
    """Make a saga of a step that can be undone and a last one."""
    return Step(done, back) >> Step(last, undo, **settings)


def after_async(
    last: Callable[[object], Coroutine[Any, Any, Answer]],
    back: Callable[[object], Coroutine[Any, Any, Undone]] = undo_async,
    **settings: Any,
) -> Any:
    """Make the same of coroutine functions."""
    return AsyncStep(done_async, back) >> AsyncStep(last, undo_async, **settings)


def objects() -> int:
    """Count the objects that the collector knows, once all garbage is gone."""
    gc.collect()
    return len(gc.get_objects())


def heard(_: Event) -> None:
    """Listen."""


@pytest.fixture(autouse=True, scope="module")
def _only_what_is_new() -> Iterator[None]:
    """Let the collector, and its counts, leave out what was there before."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


# -- ten thousand runs ----------------------------------------------------------------------------


def growth(once: Callable[[], object]) -> int:
    """Give by how many objects ten thousand runs have grown the process; no thread is left."""
    for _ in range(100):
        once()
    before, threads = objects(), threading.active_count()
    for _ in range(RUNS):
        once()
    join_calls()
    assert threads == threading.active_count()
    return objects() - before


CLOCK = VirtualClock()


def slow(_: object) -> Answer:
    """Succeed, too late."""
    CLOCK.advance(60)
    return Success("slow")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("saga", "kind"),
    [
        (after(done), Ok),
        (after(refused, retries=Retry(1, wait=1.0)), Compensated),
        (after(raises), Compensated),
        (after(refused, undo_raises), Fatal),
        (after(slow, timeout=Soft(30.0)), Compensated),
    ],
    ids=["ok", "refused", "raises", "fatal", "late"],
)
def test_ten_thousand_runs(saga: Saga[object, str, str, str], kind: type[object]) -> None:
    """After ten thousand runs there are as many threads and objects as before."""

    def once() -> None:
        assert type(run(saga, clock=CLOCK, run_id="again")) is kind
        CLOCK.sleeps.clear()

    assert growth(once) < SLACK


@pytest.mark.slow
def test_ten_thousand_observed_runs() -> None:
    """An observer and a read log leave nothing either."""

    def once() -> None:
        assert len(run(after(refused), observers=[heard]).log) == 9

    assert growth(once) < SLACK


@pytest.mark.slow
def test_a_thousand_calls_on_threads() -> None:
    """The threads of calls with a hard timeout are gone when the calls have ended."""

    class Patient(VirtualClock):
        @override
        def wait(self, event: threading.Event, seconds: float, /) -> bool:
            return event.wait()

    clock, saga = Patient(), after(done, timeout=5.0)
    before = threading.active_count()
    for _ in range(1_000):
        assert Ok("done") == run(saga, clock=clock)
    join_calls()
    assert before == threading.active_count()
    assert [] == threads_of_calls()


def test_a_planted_leak_is_seen() -> None:
    """The count is fine enough: what grows by one object in forty runs is more than the slack."""
    kept: list[object] = []
    number = 0

    def once() -> None:
        nonlocal number
        number += 1
        if number % 40 == 0:
            kept.append([number])

    assert growth(once) >= SLACK


@pytest.mark.slow
@pytest.mark.parametrize(
    ("saga", "kind"),
    [
        (after_async(done_async), Ok),
        (after_async(refused_async), Compensated),
        (after_async(raises_async), Compensated),
        (after_async(refused_async, undo_raises_async), Fatal),
        (after_async(hangs_async, timeout=5.0), Compensated),
    ],
    ids=["ok", "refused", "raises", "fatal", "cut"],
)
def test_ten_thousand_async_runs(saga: Any, kind: type[object]) -> None:
    """After ten thousand runs in one loop there are as many tasks and objects as before."""

    async def many(runs: int) -> None:
        for _ in range(runs):
            assert type(await run_async(saga, run_id="again")) is kind

    async def main() -> tuple[int, int]:
        await many(100)
        before, threads = objects(), threading.active_count()
        await many(RUNS)
        assert threads == threading.active_count()
        return len(asyncio.all_tasks()), objects() - before

    tasks, grown = run_virtual(main())
    assert tasks == 1
    assert grown < SLACK


@pytest.mark.slow
def test_ten_thousand_cancelled_runs() -> None:
    """Runs that are cancelled leave neither a task nor an object."""
    saga = after_async(hangs_async, timeout=None)

    async def many(runs: int) -> None:
        for _ in range(runs):
            running = asyncio.create_task(run_async(saga, run_id="again"))
            for _ in range(4):
                await asyncio.sleep(0)
            running.cancel()
            await asyncio.wait({running})

    async def main() -> tuple[int, int]:
        await many(100)
        before = objects()
        await many(RUNS)
        return len(asyncio.all_tasks()), objects() - before

    tasks, grown = run_virtual(main())
    assert tasks == 1
    assert grown < SLACK


def test_timers_do_not_pile_up() -> None:
    """A loop has no more timers after a thousand runs than after a few, whatever the clock."""

    async def main() -> list[int]:
        loop: Any = asyncio.get_running_loop()
        counts: list[int] = []
        for clock in (None, LoopClock(loop)):
            for _ in range(1_000):
                await run_async(after_async(done_async), clock=clock)
            counts.append(len(loop._scheduled))
        return counts

    assert [True, True] == [count <= 3 for count in run_virtual(main())]


# -- nothing for the cyclic collector -------------------------------------------------------------


@contextmanager
def no_collector() -> Generator[None]:
    """Collect now, and not again until the end."""
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def left_by(once: Callable[[], object]) -> int:
    """Give how many objects one more run leaves to the cyclic collector."""
    once()
    with no_collector():
        once()
        return gc.collect()


def run_and_drop(saga: Saga[object, str, str, str], **settings: Any) -> Callable[[], None]:
    """Make a function that runs a saga and keeps nothing."""

    def once() -> None:
        try:
            outcome: Outcome[str, str, str] | None = run(saga, **settings)
            assert outcome is not None
            assert outcome.log
            del outcome
        except KeyboardInterrupt as interrupt:
            outcome = outcome_of(interrupt)
            assert outcome is not None
            del outcome

    return once


SAGAS = {
    "ok": after(done),
    "refused": after(refused),
    "raises": after(raises),
    "raises, retried": after(raises, retries=2),
    "interrupted": after(interrupted),
    "fatal": after(refused, undo_refused),
    "fatal, raises": after(raises, undo_raises),
    "refused, undo raises": after(refused, undo_raises),
    "on a thread": after(done, timeout=5.0),
    "raises on a thread": after(raises, timeout=5.0),
    "interrupted on a thread": after(interrupted, timeout=5.0),
}


@pytest.mark.parametrize("observers", [[], [heard]], ids=["", "observed"])
@pytest.mark.parametrize("name", SAGAS)
def test_a_run_leaves_nothing_to_the_collector(
    name: str, observers: list[Callable[[Event], object]]
) -> None:
    """When its outcome is dropped, a run is gone at once, however it has ended."""

    class Patient(VirtualClock):
        @override
        def wait(self, event: threading.Event, seconds: float, /) -> bool:
            event.wait()
            join_calls()
            return True

    assert left_by(run_and_drop(SAGAS[name], observers=observers, clock=Patient())) == 0


def inside(saga: Saga[object, str, str, str]) -> Callable[[object], Answer]:
    """Make a function that runs a saga, and raises what that has raised."""
    return lambda value: Success(run(saga, value).unwrap())


def undo_inside(value: object) -> Undone:
    """Run a saga on the way back, and raise what that has raised."""
    run(after(raises), value).unwrap()
    return Success(None)


NESTED = {"there": after(inside(after(raises))), "back": after(refused, undo_inside)}


@pytest.mark.parametrize("name", NESTED)
def test_a_run_inside_a_step_leaves_nothing_to_the_collector(name: str) -> None:
    """A run that ends inside a step of another keeps nothing of that other one."""
    assert 0 == left_by(run_and_drop(NESTED[name]))


def test_a_planted_ring_is_seen() -> None:
    """The count is not always 0: an exception kept in a frame that it passed is a ring."""

    def once() -> None:
        try:
            raises(None)
        except ZeroDivisionError as error:
            kept = error
            assert kept is not None

    assert left_by(once) > 0


async def left_by_async(once: Callable[[], Coroutine[Any, Any, object]]) -> int:
    """Give how many objects one more task leaves to the cyclic collector."""

    async def in_a_task() -> None:
        task = asyncio.create_task(once())
        await asyncio.wait({task})
        if not task.cancelled():
            task.exception()

    await in_a_task()
    with no_collector():
        await in_a_task()
        await asyncio.sleep(0)
        return gc.collect()


ASYNC_SAGAS = {
    "ok": after_async(done_async),
    "refused": after_async(refused_async),
    "raises": after_async(raises_async),
    "raises, retried": after_async(raises_async, retries=2),
    "fatal": after_async(refused_async, undo_raises_async),
    "cut": after_async(hangs_async, timeout=5.0),
    "plain undo raises": after(refused, undo_raises),
    "plain undo raises among others": AsyncStep(done_async, undo_async)
    >> after(refused, undo_raises),
    "undo is cut": AsyncStep(done_async, undo_hangs_async, compensation_timeout=5.0)
    >> Step(refused),
    "plain, raises": AsyncStep(done_async, undo_async) >> Step(raises),
    "plain, raises in a run inside": AsyncStep(done_async, undo_async)
    >> Step(inside(after(raises))),
    "plain, raises on a thread": AsyncStep(done_async, undo_async) >> Step(raises, timeout=5.0),
}


@pytest.mark.parametrize("name", ASYNC_SAGAS)
def test_an_async_run_leaves_nothing_to_the_collector(name: str) -> None:
    """When its outcome is dropped, an async run is gone at once, however it has ended."""

    async def once() -> None:
        outcome = await run_async(ASYNC_SAGAS[name])
        assert outcome.log
        del outcome
        join_calls()

    assert run_virtual(left_by_async(once)) == 0


def test_a_cancelled_run_leaves_no_more_than_a_bare_task() -> None:
    """A cancelled run leaves to the collector what any cancelled task leaves, and no more."""

    async def bare() -> None:
        task = asyncio.current_task()
        assert task is not None
        asyncio.get_running_loop().call_later(5, task.cancel)
        del task
        await hangs_async(None)

    async def running() -> None:
        task = asyncio.current_task()
        assert task is not None
        asyncio.get_running_loop().call_later(5, task.cancel)
        del task
        await run_async(after_async(hangs_async, timeout=None))

    assert run_virtual(left_by_async(bare)) == run_virtual(left_by_async(running))


def test_an_interrupted_async_run_leaves_nothing_to_the_collector() -> None:
    """KeyboardInterrupt inside an async step leaves nothing, once the exception is dropped."""
    seen: list[type[object]] = []

    async def once() -> None:
        try:
            await run_async(after_async(interrupted_async))
        except KeyboardInterrupt as interrupt:
            seen.append(type(outcome_of(interrupt)))

    assert run_virtual(left_by_async(once)) == 0
    assert [Compensated, Compensated] == seen


def test_an_outcome_that_is_kept_keeps_what_it_tells() -> None:
    """An outcome that is kept can be asked for its log and its exception long after the run."""
    outcomes = [run(after(raises)) for _ in range(3)]
    gc.collect()
    for outcome in outcomes:
        assert isinstance(outcome, Compensated)
        exception = getattr(outcome.reason, "exception", None)
        assert isinstance(exception, ZeroDivisionError)
        trace = exception.__traceback__
        assert trace is not None
        assert trace.tb_frame.f_code is raises.__code__
        assert len(outcome.log) == 10


def test_a_late_run_does_not_keep_its_timeout() -> None:
    """The sample of a late run is late: its reason is the timeout."""
    assert Compensated(TimedOut(30.0), "slow") == run(after(slow, timeout=Soft(30.0)), clock=CLOCK)
