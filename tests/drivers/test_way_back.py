"""`run_async` on a way back that it follows by itself: the same as if somebody listened."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any

import pytest
from attrs import define, field
from returns.result import Result, Success

from sagalib import (
    AsyncStep,
    Compensated,
    CompensationFailed,
    Fatal,
    NoCurrentCall,
    Outcome,
    Raised,
    Soft,
    Step,
    TimedOut,
    current_call,
    outcome_of,
    run_async,
)
from tests.defects.planted import planted
from tests.drivers.world import AsyncPart, World, coroutine, for_ever, kinds, no, plain
from tests.support.time import run_virtual

BACK = [("undo", "b"), ("undo", "a")]

Prepare = Callable[[asyncio.Task[Any]], object]


@define
class Report:
    """What a run has done and how it has ended, on a loop of virtual time."""

    world: World
    outcome: Outcome[Any, Any, Any] | None
    kinds: list[str]
    raised: BaseException | None = field(eq=str)
    cancelling: int
    ended: float


def nothing(_: asyncio.Task[Any]) -> None:
    """Prepare nothing."""


def ran(
    way: Callable[[World], Any], prepare: Prepare = nothing, observers: tuple[Any, ...] = ()
) -> Report:
    """Run a saga in a task, which ``prepare`` is given first."""
    world = World()

    async def main() -> Report:
        outcome, error = None, None
        mine: Any = asyncio.current_task()
        prepare(mine)
        try:
            outcome = await run_async(way(world), run_id="r", observers=observers)
        except BaseException as interrupt:
            outcome, error = outcome_of(interrupt), interrupt
        ended = asyncio.get_running_loop().time()
        for _ in range(mine.cancelling()):
            mine.uncancel()
        return Report(world, outcome, kinds(outcome), error, mine.cancelling(), ended)

    return run_virtual(main())


def same(way: Callable[[World], Any], prepare: Prepare = nothing) -> Report:
    """Run a saga unheard and heard; give the report, which is the same."""
    unheard, heard = ran(way, prepare), ran(way, prepare, (str,))
    assert unheard == heard
    return unheard


def failing(world: World, **settings: Any) -> AsyncPart:
    """Make a saga that fails in `c` after three seconds; the way back takes two."""
    saga: AsyncPart = (
        coroutine(world, "a")
        >> coroutine(world, "b", **settings)
        >> coroutine(world, "c", answers=(no("no"),))
    )
    return saga


def at(*times: float, whom: Callable[[asyncio.Task[Any]], asyncio.Task[Any]]) -> Prepare:
    """Cancel a task at these times, in seconds; the first is called 1."""

    def prepare(mine: asyncio.Task[Any]) -> None:
        def cancel(number: int) -> None:
            whom(mine).cancel(number)

        loop = asyncio.get_running_loop()
        for number, time in enumerate(times, 1):
            loop.call_at(time, partial(cancel, number))

    return prepare


def caller(mine: asyncio.Task[Any]) -> asyncio.Task[Any]:
    """Give the task of the caller."""
    return mine


def other(mine: asyncio.Task[Any]) -> asyncio.Task[Any]:
    """Give the task of the way back."""
    (found,) = asyncio.all_tasks() - {mine}
    return found


def no_machine(_: Any) -> Any:
    """Give what stands for the machine's turns where there are to be none."""

    def refuse(*_: object, **__: object) -> None:
        pytest.fail("the way back is left to the machine")

    return refuse


@pytest.mark.parametrize("timeout", [None, 5.0, Soft(5.0)], ids=str)
def test_a_way_back_on_which_all_goes_well_takes_no_turn(timeout: Any) -> None:
    """After a plain failure no machine is asked, whatever timeouts the compensations have."""

    def way(world: World) -> Any:
        return failing(world, compensation_timeout=timeout)

    with planted("sagalib.drivers.aio", "AsyncRun", no_machine):
        report = ran(way)

    assert Compensated("no", "c") == report.outcome
    assert BACK == report.world.back
    assert report == same(way)


@pytest.mark.parametrize("times", [(3.5,), (4.5,), (3.25, 3.75), (3.5, 4.5), (4.25, 4.75)], ids=str)
def test_the_caller_is_cancelled_on_the_way_back(times: tuple[float, ...]) -> None:
    """No compensation is cut or left out; the first cancellation is raised with the outcome."""
    report = same(failing, at(*times, whom=caller))

    assert BACK == report.world.back
    assert ["r/b/compensate/1", "r/a/compensate/1"] == report.world.keys
    assert Compensated("no", "c") == report.outcome
    assert isinstance(report.raised, asyncio.CancelledError)
    assert (1,) == report.raised.args
    assert 5.0 == report.ended
    assert (times[0] < 4) == ("cancel_requested" in report.kinds)


def test_every_cancellation_of_the_caller_is_counted() -> None:
    """A task that is cancelled twice on the way back has two requests to answer."""
    counts: list[int] = []

    async def main() -> None:
        mine: Any = asyncio.current_task()
        at(3.25, 4.75, whom=caller)(mine)
        with pytest.raises(asyncio.CancelledError):
            await run_async(failing(World()))
        counts.append(mine.cancelling())
        mine.uncancel()
        mine.uncancel()

    run_virtual(main())
    assert [2] == counts


def test_the_caller_is_cancelled_before_the_way_back_begins() -> None:
    """A cancellation between the failure and the task of the way back is in the log."""

    def way(world: World) -> Any:
        mine: Any = asyncio.current_task()

        async def soon() -> None:
            asyncio.get_running_loop().call_soon(mine.cancel, 1)

        return (
            coroutine(world, "a")
            >> coroutine(world, "b")
            >> coroutine(world, "c", during=soon, answers=(no("no"),))
        )

    report = same(way)
    assert BACK == report.world.back
    assert Compensated("no", "c") == report.outcome
    assert isinstance(report.raised, asyncio.CancelledError)
    assert "cancel_requested" in report.kinds


def test_the_caller_is_cancelled_when_the_way_back_has_just_ended() -> None:
    """A cancellation between the last compensation and the return is raised with the outcome."""

    def way(world: World) -> Any:
        mine: Any = asyncio.current_task()

        async def soon() -> None:
            asyncio.get_running_loop().call_soon(mine.cancel, 1)

        return coroutine(world, "a", during_back=soon) >> coroutine(world, "c", answers=(no("no"),))

    complaints: list[Any] = []

    def listen(_: object) -> None:
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda _, context: complaints.append(context))

    report = same(way, listen)
    assert [("undo", "a")] == report.world.back
    assert Compensated("no", "c") == report.outcome
    assert isinstance(report.raised, asyncio.CancelledError)
    assert (1,) == report.raised.args
    assert [] == complaints


def test_the_task_of_the_way_back_is_cancelled() -> None:
    """A call that is cut there is made again with its key, and the caller hears nothing of it."""
    report = same(failing, at(3.5, whom=other))

    assert ["r/b/compensate/1", "r/b/compensate/1", "r/a/compensate/1"] == report.world.keys
    assert BACK == report.world.back
    assert Compensated("no", "c") == report.outcome
    assert report.raised is None


@pytest.mark.parametrize("timeout", [0.5, Soft(0.5)], ids=str)
def test_a_compensation_times_out_on_the_way_back(timeout: Any) -> None:
    """It is cut when its time is up, has failed, and the others are still called."""

    def way(world: World) -> Any:
        return failing(world, during_back=for_ever, compensation_timeout=timeout)

    report = same(way)
    assert Fatal("no", (CompensationFailed("b", TimedOut(0.5)),), "c") == report.outcome
    assert [("undo", "a")] == report.world.back
    assert 4.5 == report.ended


def test_a_compensation_that_ends_after_its_time_has_compensated() -> None:
    """A compensation that is cut and succeeds all the same is late, which is well."""

    async def stubborn() -> None:
        try:
            await for_ever()
        except asyncio.CancelledError:
            await asyncio.sleep(1)

    def way(world: World) -> Any:
        return failing(world, during_back=stubborn, compensation_timeout=0.5)

    report = same(way)
    assert Compensated("no", "c") == report.outcome
    assert BACK == report.world.back
    assert 5.5 == report.ended


def test_the_time_of_a_compensation_begins_with_its_call() -> None:
    """A loop that is busy before the task of the way back begins takes none of its time."""

    def way(world: World) -> Any:
        loop: Any = asyncio.get_running_loop()

        def busy() -> None:
            loop._jumping.jump += 10  # a callback that blocks

        async def soon() -> None:
            loop.call_soon(busy)

        return coroutine(world, "a", compensation_timeout=5.0) >> coroutine(
            world, "c", during=soon, answers=(no("no"),)
        )

    report = same(way)
    assert Compensated("no", "c") == report.outcome
    assert 12.0 == report.ended


async def raise_later() -> None:
    """Raise, after a while."""
    await asyncio.sleep(1)
    raise ZeroDivisionError


def raise_at_once() -> None:
    """Raise."""
    raise ZeroDivisionError


def named(function: Any) -> str:
    """Give the name of a case: the same in every process."""
    return str(function.__name__)


@pytest.mark.parametrize(
    ("step", "during_back"), [(coroutine, raise_later), (plain, raise_at_once)], ids=named
)
def test_a_compensation_raises_on_the_way_back(step: Any, during_back: Any) -> None:
    """It has failed, and the others are still called."""

    def way(world: World) -> Any:
        return (
            coroutine(world, "a")
            >> step(world, "b", during_back=during_back)
            >> coroutine(world, "c", answers=(no("no"),))
        )

    report = same(way)
    assert isinstance(report.outcome, Fatal)
    (failure,) = report.outcome.failures
    assert isinstance(failure, CompensationFailed)
    assert isinstance(failure.reason, Raised)
    assert "b" == failure.step
    assert [("undo", "a")] == report.world.back


async def exit_later() -> None:
    """Do as `sys.exit` does, once in each run."""
    await asyncio.sleep(0)
    raise SystemExit(3)


def exit_at_once() -> None:
    """Do as `sys.exit` does."""
    raise SystemExit(3)


@pytest.mark.parametrize(
    ("step", "during_back"), [(coroutine, exit_later), (plain, exit_at_once)], ids=named
)
def test_an_exit_on_the_way_back_is_raised_at_its_end(step: Any, during_back: Any) -> None:
    """`SystemExit` inside a compensation leaves the run after the others, not the event loop."""

    def way(world: World) -> Any:
        return (
            step(world, "a")
            >> step(world, "b", during_back=during_back)
            >> step(world, "c", answers=(no("no"),))
        )

    report = same(way)
    assert isinstance(report.raised, SystemExit)
    assert [("undo", "a")] == report.world.back
    assert isinstance(report.outcome, Fatal)


def test_a_compensation_asks_for_its_call() -> None:
    """It is told its key and deadline as long as it goes on, also in what it starts."""
    calls: list[list[Any]] = []

    def way(_: World) -> Any:
        made: list[Any] = []
        calls.append(made)

        async def left_running() -> None:
            made.append(current_call())
            await asyncio.sleep(1.5)
            with pytest.raises(NoCurrentCall):
                current_call()
            made.append("over")

        async def undo(_: object) -> Result[None, str]:
            made.append(current_call())
            made.append(asyncio.create_task(left_running()))
            await asyncio.sleep(1)
            made.append(current_call())
            return Success(None)

        async def do(value: object) -> Result[object, str]:
            return Success(value)

        return (
            AsyncStep(do, undo, name="a", compensation_timeout=7.0)
            >> AsyncStep(do, undo, name="b", compensation_timeout=None)
            >> coroutine(World(), "c", answers=(no("no"),))
        )

    report = same(way)
    assert Compensated("no", "c") == report.outcome
    told = [[call for call in made if hasattr(call, "key")] for made in calls]
    assert told[0] == told[1]
    assert [*["r/b/compensate/1"] * 3, *["r/a/compensate/1"] * 3] == [c.key for c in told[0]]
    assert {"no"} == {call.reason for call in told[0]}
    assert [1] == [made.count("over") for made in calls][:1]


def refusing(world: World, **settings: Any) -> Any:
    """Make a saga whose way back is all plain."""
    return (
        plain(world, "a")
        >> plain(world, "b", **settings)
        >> coroutine(world, "c", undo=False, answers=(no("no"),))
    )


def test_a_plain_way_back_needs_no_task() -> None:
    """Nothing can be cut between plain calls: they are made in the task of the caller."""
    tasks: list[Coroutine[Any, Any, Any]] = []

    def prepare(_: object) -> None:
        def factory(loop: Any, made: Any, **settings: Any) -> Any:
            tasks.append(made)
            return asyncio.Task(made, loop=loop, **settings)

        asyncio.get_running_loop().set_task_factory(factory)

    report = ran(refusing, prepare)
    assert [] == [made for made in tasks if "_follow_back" in repr(made)]
    assert BACK == report.world.back
    assert report == same(refusing)


def test_a_plain_compensation_cancels_the_caller() -> None:
    """The others are still called, and the cancellation is raised with the outcome."""

    def way(world: World) -> Any:
        mine: Any = asyncio.current_task()
        return refusing(world, during_back=lambda: mine.cancel(1))

    report = same(way)
    assert BACK == report.world.back
    assert isinstance(report.raised, asyncio.CancelledError)
    assert (1,) == report.raised.args
    assert Compensated("no", "c") == report.outcome


def test_a_saga_with_nothing_to_undo_has_an_empty_way_back() -> None:
    """A failure of the first step is the outcome at once."""

    def way(_: World) -> Any:
        def refuse(_: None) -> Result[str, str]:
            return no("no")

        return Step(refuse, name="c")

    report = same(way)

    assert Compensated("no", "c") == report.outcome
