"""`run_async` and `CancelledError`: at every suspension point, and under all that cancels."""

from __future__ import annotations

import asyncio
import types
from collections.abc import Callable, Coroutine, Generator, Iterator
from itertools import pairwise
from typing import Any

import pytest
from attrs import Factory, define
from returns.result import Success

from sagalib import (
    AsyncStep,
    Cancelled,
    Compensated,
    CompensationFailed,
    Fatal,
    Ok,
    Outcome,
    Retry,
    TimedOut,
    current_call,
    outcome_of,
    run_async,
)
from tests.drivers.world import (
    Answer,
    AsyncPart,
    World,
    coroutine,
    for_ever,
    kinds,
    no,
    no_way_back,
    plain,
    two_ticks,
    value_of,
)
from tests.support.time import VirtualLoop, run_virtual

# -- every suspension point -----------------------------------------------------------------------


@define
class Report:
    """How a run ended that was cancelled at some of its suspension points."""

    world: World
    suspensions: int = 0
    thrown: list[BaseException] = Factory(list[BaseException])
    raised: BaseException | None = None
    returned: Outcome[Any, Any, Any] | None = None
    cancelling: int = 0

    @property
    def outcome(self) -> Outcome[Any, Any, Any] | None:
        """The outcome, returned or on the exception."""
        return self.returned if self.raised is None else outcome_of(self.raised)


def the_way(world: World, *, last: Answer | None, wait: float, tick: float) -> AsyncPart:
    """Make a saga that suspends in every way: in calls and in pauses, there and back."""

    async def twice() -> None:
        await asyncio.sleep(0)
        await asyncio.sleep(tick)

    def stop(name: str, **settings: Any) -> AsyncPart:
        return coroutine(world, name, during=twice, during_back=twice, **settings)

    saga: AsyncPart = (
        stop("a")
        >> stop(
            "b",
            answers=(no("busy"),),
            retries=Retry(1, wait=wait),
            back=(no_way_back("later"),),
            compensation_retries=Retry(1, wait=wait),
        )
        >> stop("c", settle=True)
        >> stop("d", undo=False)
        >> stop("e", answers=() if last is None else (last,))
    )
    return saga


def cancelled_at(
    points: tuple[int, ...],
    *,
    last: Answer | None,
    whom: str,
    loop: Callable[[], asyncio.AbstractEventLoop] = VirtualLoop,
    wait: float = 5.0,
    tick: float = 1.0,
) -> Report:
    """Run the saga; at these suspensions, cancel the caller's task or the one that suspends.

    A suspension is counted in the task of the caller and in every task that the run makes.
    """
    report = Report(World())
    callers: list[asyncio.Task[Any]] = []

    def suspended() -> None:
        report.suspensions += 1
        if report.suspensions in points:
            task = callers[0] if whom == "caller" else asyncio.current_task()
            assert task is not None
            task.cancel()

    @types.coroutine
    def counted(inner: Coroutine[Any, Any, Any]) -> Generator[Any, None, Any]:
        thrown: BaseException | None = None
        while True:
            try:
                awaited = inner.send(None) if thrown is None else inner.throw(thrown)
            except StopIteration as stop:
                return stop.value
            suspended()
            thrown = None
            try:
                yield awaited
            except asyncio.CancelledError as cancelled:
                thrown = cancelled
                if asyncio.current_task() is callers[0]:
                    report.thrown.append(cancelled)

    async def counting(inner: Coroutine[Any, Any, Any]) -> Any:
        return await counted(inner)

    def factory(
        event_loop: asyncio.AbstractEventLoop,
        inner: Coroutine[Any, Any, Any],
        **settings: Any,
    ) -> asyncio.Task[Any]:
        return asyncio.Task(counting(inner), loop=event_loop, **settings)

    async def caller() -> None:
        try:
            report.returned = await run_async(
                the_way(report.world, last=last, wait=wait, tick=tick), run_id="r"
            )
        except asyncio.CancelledError as cancelled:
            report.raised = cancelled
        task = asyncio.current_task()
        assert task is not None
        report.cancelling = task.cancelling()

    async def main() -> None:
        asyncio.get_running_loop().set_task_factory(factory)  # type: ignore[arg-type] # any keywords will do
        callers.append(asyncio.create_task(caller()))
        await asyncio.wait(callers)
        callers[0].result()

    with asyncio.Runner(loop_factory=loop) as runner:
        runner.run(main())
    return report


def check_forward(report: Report) -> None:
    """Check what was cut short on the way there: in doubt, or settled."""
    world = report.world
    assert report.outcome is not None
    assert len(world.cut) <= 1
    assert tuple(name for name in world.cut if name != "c") == report.outcome.in_doubt
    settled = [("settle", "c")] if "c" in world.cut else []
    assert [
        *settled,
        *[("undo", name) for name in reversed(world.done) if name != "d"],
    ] == world.back


def check_cancelled(report: Report, times: int) -> None:
    """Check a run that was cancelled so often: all made up for, and the cancellation handed on."""
    assert report.raised is not None
    assert report.thrown[0] is report.raised
    assert times == report.cancelling
    assert isinstance(report.outcome, Compensated)
    # The caller's cancellation does not reach a call on the way back: none is made twice.
    assert list(dict.fromkeys(report.world.keys)) == report.world.keys
    check_forward(report)


def singles(**how: Any) -> Iterator[tuple[tuple[int, ...], Report]]:
    """Cancel at each suspension."""
    for first in range(1, cancelled_at((), **how).suspensions + 1):
        yield (first,), cancelled_at((first,), **how)


def pairs(**how: Any) -> Iterator[tuple[tuple[int, ...], Report]]:
    """Cancel at each suspension, and again at each that then follows."""
    for first, report in singles(**how):
        for second in range(first[0] + 1, report.suspensions + 1):
            yield (*first, second), cancelled_at((*first, second), **how)


@pytest.mark.parametrize("last", [None, no("no")], ids=["ok", "failing"])
def test_cancelled_at_every_suspension_point(last: Answer | None) -> None:
    """Wherever a run is cancelled, all is compensated, and the same object is raised again."""
    number = 0
    for number, ((point,), report) in enumerate(singles(last=last, whom="caller"), 1):
        assert number == point
        check_cancelled(report, 1)
    assert number >= (12 if last is None else 20)


@pytest.mark.parametrize("last", [None, no("no")], ids=["ok", "failing"])
def test_cancelled_at_every_pair_of_suspension_points(last: Answer | None) -> None:
    """A second cancellation takes away no compensation, and the first object is raised again."""
    reports = [report for _, report in pairs(last=last, whom="caller")]
    for report in reports:
        check_cancelled(report, 2)
    assert len(reports) >= (70 if last is None else 120)


def test_a_run_that_is_not_cancelled_is_not_disturbed() -> None:
    """Without a point the saga goes through, and its failing twin is compensated."""
    through = cancelled_at((), last=None, whom="caller")
    assert Ok("e") == through.returned
    assert [] == through.world.back
    failing = cancelled_at((), last=no("no"), whom="caller")
    assert Compensated("no", "e") == failing.returned
    check_forward(failing)


def test_the_reason_of_a_run_that_was_on_its_way_back_stays() -> None:
    """A cancellation in the unwinding changes neither the reason nor the step of the failure."""
    turned = 0
    for _, report in singles(last=no("no"), whom="caller"):
        events = kinds(report.outcome)
        if "cancel_requested" not in events[: events.index("compensating")]:
            turned += 1
            assert Compensated("no", "e") == report.outcome
            # A request that comes during the last call is not in the log: nothing follows.
            assert (
                "cancel_requested" in events[events.index("compensating") :]
                or "a" == report.world.back[-1][1]
            )
    assert turned >= 8


def test_the_task_of_the_unwinding_is_cancelled_at_every_suspension_point() -> None:
    """If the unwinding's own task is cancelled, the call in hand is made again with its key."""
    repeated = 0
    for _, report in singles(last=no("no"), whom="whoever"):
        assert isinstance(report.outcome, Compensated)
        check_forward(report)
        if report.raised is None:
            assert Compensated("no", "e") == report.outcome
        keys = report.world.keys
        repeated += any(before == after for before, after in pairwise(keys))
    assert repeated >= 6


def test_the_task_of_the_unwinding_is_cancelled_at_every_pair_of_suspension_points() -> None:
    """A compensation that is cut short twice has failed, and the others are still called."""
    gave_up = 0
    for _, report in pairs(last=no("no"), whom="whoever"):
        world, outcome = report.world, report.outcome
        assert outcome is not None
        failures = outcome.failures if isinstance(outcome, Fatal) else ()
        gave_up += len(failures)
        assert [CompensationFailed(failure.step, Cancelled()) for failure in failures] == list(
            failures
        )
        assert world.owed(outcome) == [name for _, name in world.made_up_for()]
    assert gave_up >= 3


# -- under what asyncio cancels with --------------------------------------------------------------


def stuck(world: World) -> AsyncPart:
    """Make a saga that completes `a` and `b` and then hangs in `c`."""
    saga: AsyncPart = (
        coroutine(world, "a")
        >> coroutine(world, "b")
        >> coroutine(world, "c", during=for_ever, timeout=None)
    )
    return saga


BACK = [("undo", "b"), ("undo", "a")]


def test_asyncio_timeout() -> None:
    """Under `asyncio.timeout` the run is compensated, and the task is not left cancelled."""
    world = World()

    async def main() -> int:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(50):
                await run_async(stuck(world))
        assert BACK == world.back
        await asyncio.sleep(1)
        task = asyncio.current_task()
        assert task is not None
        return task.cancelling()

    assert run_virtual(main()) == 0


def test_asyncio_timeout_while_the_run_is_on_its_way_back() -> None:
    """A timeout in the unwinding waits for it, and then is a `TimeoutError` all the same."""
    world = World()

    async def main() -> float:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(3.5):
                await run_async(
                    coroutine(world, "a")
                    >> coroutine(world, "b")
                    >> coroutine(world, "c", answers=(no("no"),))
                )
        task = asyncio.current_task()
        assert task is not None
        assert task.cancelling() == 0
        return asyncio.get_running_loop().time()

    assert run_virtual(main()) == pytest.approx(5.0)
    assert BACK == world.back


def test_task_group() -> None:
    """When a sibling fails, the group waits for the compensations and raises that error alone."""
    world = World()
    outcomes: list[Outcome[Any, Any, Any] | None] = []

    async def running() -> None:
        try:
            await run_async(stuck(world))
        except asyncio.CancelledError as cancelled:
            outcomes.append(outcome_of(cancelled))
            raise

    async def failing() -> None:
        await asyncio.sleep(10)
        raise ZeroDivisionError

    async def main() -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(running())
            group.create_task(failing())

    with pytest.raises(ExceptionGroup) as caught:
        run_virtual(main())
    assert [ZeroDivisionError] == [type(error) for error in caught.value.exceptions]
    assert BACK == world.back
    assert [Compensated(Cancelled(), "c", in_doubt=("c",))] == outcomes


def test_a_run_in_the_body_of_a_task_group() -> None:
    """In the body of a group, too, only the sibling's error comes out, and no cancel is left."""
    world = World()

    async def failing() -> None:
        await asyncio.sleep(10)
        raise ZeroDivisionError

    async def main() -> int:
        with pytest.raises(ExceptionGroup) as caught:
            async with asyncio.TaskGroup() as group:
                group.create_task(failing())
                await run_async(stuck(world))
        assert [ZeroDivisionError] == [type(error) for error in caught.value.exceptions]
        task = asyncio.current_task()
        assert task is not None
        return task.cancelling()

    assert run_virtual(main()) == 0
    assert BACK == world.back


def test_wait_for() -> None:
    """`asyncio.wait_for` raises `TimeoutError` once the compensations are done."""
    world = World()

    async def main() -> float:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(run_async(stuck(world)), 10)
        assert BACK == world.back
        return asyncio.get_running_loop().time()

    assert run_virtual(main()) == pytest.approx(12.0)


def test_gather() -> None:
    """A cancelled `asyncio.gather` cancels all its runs, and each makes up for its own."""
    worlds = [World(), World(), World()]

    async def main() -> None:
        runs = [asyncio.ensure_future(run_async(stuck(world))) for world in worlds]
        gathering = asyncio.gather(*runs)
        asyncio.get_running_loop().call_later(10, gathering.cancel)
        with pytest.raises(asyncio.CancelledError):
            await gathering
        assert [True, True, True] == [run.cancelled() for run in runs]

    run_virtual(main())
    assert [BACK, BACK, BACK] == [world.back for world in worlds]


def test_other_runs_go_on_when_one_is_cancelled() -> None:
    """A cancellation is of one run: another in the same loop goes through."""
    world, other = World(), World()

    async def main() -> str:
        run = asyncio.create_task(run_async(stuck(world)))
        going = asyncio.create_task(run_async(coroutine(other, "x") >> coroutine(other, "y")))
        await asyncio.sleep(1.5)
        run.cancel()
        return value_of(await going)

    assert run_virtual(main()) == "y"
    assert [("undo", "a")] == world.back
    assert [] == other.back


def test_cancelled_before_it_began() -> None:
    """A run that is cancelled before its task has begun calls nothing, and leaves its id free."""
    world = World()

    async def main() -> None:
        run = asyncio.create_task(run_async(stuck(world), run_id="r"))
        run.cancel()
        with pytest.raises(asyncio.CancelledError) as caught:
            await run
        assert outcome_of(caught.value) is None
        assert Ok("a") == await run_async(coroutine(world, "a"), run_id="r")

    run_virtual(main())
    assert ["a"] == world.begun


def test_a_run_begins_in_a_task_that_was_cancelled_before() -> None:
    """Clean-up code may run a saga: cancellations from before it are not its own."""
    world = World()

    async def main() -> tuple[str, int]:
        task = asyncio.current_task()
        assert task is not None
        task.cancel()
        try:
            await asyncio.sleep(1)
        except asyncio.CancelledError:
            value = value_of(await run_async(coroutine(world, "a") >> coroutine(world, "b")))
            return value, task.cancelling()
        return "", 0

    assert run_virtual(main()) == ("b", 1)


def test_a_plain_step_cancels_its_own_task() -> None:
    """A cancellation that comes while a plain step holds the loop is obeyed before a call."""
    world = World()

    def stop() -> None:
        task = asyncio.current_task()
        assert task is not None
        task.cancel()

    async def main() -> None:
        saga = coroutine(world, "a") >> plain(world, "b", during=stop) >> coroutine(world, "c")
        with pytest.raises(asyncio.CancelledError) as caught:
            await run_async(saga)
        assert Compensated(Cancelled()) == outcome_of(caught.value)
        task = asyncio.current_task()
        assert task is not None
        assert task.cancelling() == 1

    run_virtual(main())
    assert ["a", "b"] == world.begun
    assert BACK == world.back


# -- nested runs ----------------------------------------------------------------------------------


def nesting(inner: World, seen: list[BaseException], **settings: Any) -> AsyncPart:
    """Make a step that runs a stuck saga."""

    async def nest(_: object) -> Answer:
        try:
            return Success(value_of(await run_async(stuck(inner))))
        except asyncio.CancelledError as cancelled:
            seen.append(cancelled)
            assert current_call().step == "nest"
            raise

    return AsyncStep(nest, name="nest", **settings)


def test_a_cancelled_run_inside_a_step_of_another() -> None:
    """The inner run makes up for its own before the outer does; both hand on the same object."""
    outer, inner = World(), World()
    seen: list[BaseException] = []

    async def main() -> None:
        task = asyncio.current_task()
        assert task is not None
        asyncio.get_running_loop().call_later(10, task.cancel)
        with pytest.raises(asyncio.CancelledError) as caught:
            await run_async(coroutine(outer, "o") >> nesting(inner, seen, timeout=None))
        assert [caught.value] == seen
        assert Compensated(Cancelled(), "nest", in_doubt=("nest",)) == outcome_of(caught.value)
        assert task.cancelling() == 1
        assert asyncio.get_running_loop().time() == pytest.approx(13.0)

    run_virtual(main())
    assert BACK == inner.back
    assert [("undo", "o")] == outer.back


def test_a_run_inside_a_step_that_times_out() -> None:
    """A step's timeout cuts the run inside, which makes up for its own; nobody is cancelled."""
    outer, inner = World(), World()
    seen: list[BaseException] = []

    async def main() -> int:
        outcome = await run_async(coroutine(outer, "o") >> nesting(inner, seen, timeout=5.0))
        assert Compensated(TimedOut(5.0), "nest", in_doubt=("nest",)) == outcome
        assert "cancel_requested" not in kinds(outcome)
        await asyncio.sleep(1)
        task = asyncio.current_task()
        assert task is not None
        return task.cancelling()

    assert run_virtual(main()) == 0
    assert [Compensated(Cancelled(), "c", in_doubt=("c",))] == [outcome_of(error) for error in seen]
    assert BACK == inner.back
    assert [("undo", "o")] == outer.back


# -- steps that have their own mind ---------------------------------------------------------------


async def stubborn() -> None:
    """Suspend until cancelled, and take no notice."""
    try:
        await for_ever()
    except asyncio.CancelledError:
        await asyncio.sleep(1)


def cancelled_in(saga: AsyncPart) -> tuple[Outcome[Any, Any, Any] | None, int]:
    """Cancel a run after 10 seconds; give the outcome, and how often its task was cancelled."""

    async def main() -> tuple[Outcome[Any, Any, Any] | None, int]:
        task = asyncio.current_task()
        assert task is not None
        asyncio.get_running_loop().call_later(10, task.cancel)
        with pytest.raises(asyncio.CancelledError) as caught:
            await run_async(saga)
        return outcome_of(caught.value), task.cancelling()

    return run_virtual(main())


def test_a_step_that_swallows_its_cancellation() -> None:
    """A step that swallows its cancellation and succeeds is the last, and is compensated."""
    world = World()
    saga = (
        coroutine(world, "a")
        >> coroutine(world, "b", during=stubborn, timeout=None)
        >> coroutine(world, "c")
    )
    assert (Compensated(Cancelled()), 1) == cancelled_in(saga)
    assert ["a", "b"] == world.begun
    assert BACK == world.back


def test_the_last_step_swallows_its_cancellation() -> None:
    """If the last step swallows its cancellation, the error that is raised says Ok."""
    world = World()
    saga = coroutine(world, "a") >> coroutine(world, "b", during=stubborn, timeout=None)
    assert (Ok("b"), 1) == cancelled_in(saga)
    assert [] == world.back


def test_a_step_that_answers_its_cancellation_with_a_failure() -> None:
    """A step that answers its cancellation with a failure is not in doubt, nor tried again."""
    world = World()
    saga = coroutine(world, "a") >> coroutine(
        world, "b", during=stubborn, answers=(no("stopped"),), settle=True, retries=3, timeout=None
    )
    assert (Compensated(Cancelled(), "b"), 1) == cancelled_in(saga)
    assert ["a", "b"] == world.begun
    assert [("undo", "a")] == world.back


def test_a_step_that_swallows_its_cancellation_under_a_timeout() -> None:
    """`asyncio.timeout` is a `TimeoutError` even if a step has swallowed its cancellation."""
    world = World()

    async def main() -> int:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(10):
                await run_async(
                    coroutine(world, "a")
                    >> coroutine(world, "b", during=stubborn, timeout=None)
                    >> coroutine(world, "c")
                )
        task = asyncio.current_task()
        assert task is not None
        return task.cancelling()

    assert run_virtual(main()) == 0
    assert BACK == world.back


def test_a_step_with_a_timeout_of_its_own_inside() -> None:
    """A step that uses `asyncio.timeout` itself cancels nothing but its own waiting."""
    world = World()

    async def impatient() -> None:
        try:
            async with asyncio.timeout(5):
                await for_ever()
        except TimeoutError:
            await asyncio.sleep(1)

    async def main() -> tuple[str, int]:
        value = value_of(
            await run_async(coroutine(world, "a", during=impatient) >> coroutine(world, "b"))
        )
        task = asyncio.current_task()
        assert task is not None
        return value, task.cancelling()

    assert run_virtual(main()) == ("b", 0)


def test_a_step_that_raises_cancelled_error_itself() -> None:
    """A step that awaits a cancelled future is in doubt, and its error is raised again."""
    world = World()
    mine = asyncio.CancelledError("mine")

    async def gone() -> None:
        raise mine

    async def main() -> int:
        with pytest.raises(asyncio.CancelledError) as caught:
            await run_async(coroutine(world, "a") >> coroutine(world, "b", during=gone))
        assert caught.value is mine
        assert Compensated(Cancelled(), "b", in_doubt=("b",)) == outcome_of(mine)
        task = asyncio.current_task()
        assert task is not None
        return task.cancelling()

    assert run_virtual(main()) == 0
    assert [("undo", "a")] == world.back


def test_retries_are_not_made_once_cancelled() -> None:
    """A cancelled attempt is not made again, however many retries the step has."""
    world = World()
    outcome, _ = cancelled_in(
        coroutine(world, "a") >> coroutine(world, "b", during=for_ever, retries=5, timeout=None)
    )
    assert Compensated(Cancelled(), "b", in_doubt=("b",)) == outcome
    assert ["a", "b"] == world.begun


def test_cancelled_in_a_backoff() -> None:
    """A run that is cancelled between two attempts makes no further one, and is not in doubt."""
    world = World()
    outcome, cancelling = cancelled_in(
        coroutine(world, "a")
        >> coroutine(world, "b", answers=(no("busy"),), retries=Retry(1, wait=100.0))
    )
    assert Compensated(Cancelled(), "b") == outcome
    assert cancelling == 1
    assert ["a", "b"] == world.begun
    assert [("undo", "a")] == world.back


async def nine_seconds() -> None:
    """Suspend once, for long."""
    await asyncio.sleep(9)


async def two_seconds() -> None:
    """Suspend once."""
    await asyncio.sleep(2)


@pytest.mark.parametrize("how", ["in a backoff", "in a plain step", "swallowed"])
def test_cancelled_again_and_again(how: str) -> None:
    """However a run was cancelled, the cancellations that follow never reach a compensation."""
    world = World()

    async def main() -> int:
        task = asyncio.current_task()
        assert task is not None
        loop = asyncio.get_running_loop()
        lasts: dict[str, AsyncPart] = {
            "in a backoff": coroutine(
                world, "b", during=immediately, answers=(no("busy"),), retries=Retry(1, wait=100.0)
            ),
            "in a plain step": plain(world, "b", during=task.cancel, answers=(no("no"),)),
            "swallowed": coroutine(world, "b", during=stubborn, answers=(no("no"),), timeout=None),
        }
        # While the step goes on, and then four times while `a` is compensated.
        for when in (9.5, 10.2, 10.4, 10.6, 10.8):
            loop.call_at(when, task.cancel)
        first = coroutine(world, "a", during=nine_seconds, during_back=two_seconds)
        with pytest.raises(asyncio.CancelledError) as caught:
            await run_async(first >> lasts[how])
        assert isinstance(outcome_of(caught.value), Compensated)
        return task.cancelling()

    assert run_virtual(main()) == (6 if how == "in a plain step" else 5)
    assert [("undo", "a")] == world.back
    assert len(world.keys) == 1


# -- a timeout and a cancellation at once ---------------------------------------------------------


@pytest.mark.parametrize("when", ["before", "after", "in the clean-up"])
def test_a_step_times_out_and_its_run_is_cancelled_at_the_same_moment(when: str) -> None:
    """A cancellation is never taken for the timeout of a step, even at the same moment."""
    world = World()
    tasks: list[asyncio.Task[Any]] = []
    seen: list[BaseException] = []

    async def hang() -> None:
        loop = asyncio.get_running_loop()
        if when == "after":
            loop.call_at(5.0, tasks[0].cancel)
        try:
            try:
                await for_ever()
            finally:
                if when == "in the clean-up":
                    tasks[0].cancel()
                    await asyncio.sleep(0)
        except asyncio.CancelledError as cancelled:
            seen.append(cancelled)
            raise

    async def main() -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.append(task)
        loop = asyncio.get_running_loop()
        if when == "before":
            loop.call_at(5.0, task.cancel)
        with pytest.raises(asyncio.CancelledError) as caught:
            await run_async(
                coroutine(world, "a", during=immediately)
                >> coroutine(world, "b", during=hang, timeout=5.0, retries=2)
            )
        assert [caught.value] == seen
        assert Compensated(Cancelled(), "b", in_doubt=("b",)) == outcome_of(caught.value)
        assert task.cancelling() == 1
        await asyncio.sleep(100)

    run_virtual(main())
    assert ["a", "b"] == world.begun
    assert [("undo", "a")] == world.back


async def immediately() -> None:
    """Suspend not at all."""


def test_a_timeout_of_asyncio_and_of_a_step_at_the_same_moment() -> None:
    """`asyncio.timeout` and the timeout of a step at once: `TimeoutError`, no cancel left."""
    world = World()

    async def main() -> int:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(5):
                await run_async(
                    coroutine(world, "a", during=immediately)
                    >> coroutine(world, "b", during=for_ever, timeout=5.0, retries=2)
                )
        task = asyncio.current_task()
        assert task is not None
        await asyncio.sleep(100)
        return task.cancelling()

    assert run_virtual(main()) == 0
    assert [("undo", "a")] == world.back


# -- the end of the loop --------------------------------------------------------------------------


@pytest.mark.parametrize("moment", [0.5, 1.5, 2.5, 3.5, 4.5])
def test_the_loop_ends_while_a_run_goes_on(moment: float) -> None:
    """When `asyncio.run` ends, a run in the background is cancelled and still compensated."""
    world = World()
    runs: list[asyncio.Task[Any]] = []

    async def main() -> None:
        saga = (
            coroutine(world, "a")
            >> coroutine(world, "b")
            >> coroutine(world, "c", answers=(no("no"),), settle=True)
        )
        runs.append(asyncio.create_task(run_async(saga)))
        await asyncio.sleep(moment)

    run_virtual(main())
    assert [True] == [run.cancelled() for run in runs]
    settled = [("settle", "c")] if "c" in world.cut else []
    assert [*settled, *[("undo", name) for name in reversed(world.done)]] == world.back


# -- KeyboardInterrupt and SystemExit -------------------------------------------------------------


@pytest.mark.parametrize("kind", [KeyboardInterrupt, SystemExit])
def test_an_async_step_is_interrupted(kind: type[BaseException]) -> None:
    """An interrupt inside an async step comes out, the same object, after the compensations."""
    world = World()
    mine = kind()

    async def interrupted() -> None:
        await two_ticks()
        raise mine

    async def main() -> None:
        await run_async(
            coroutine(world, "a")
            >> coroutine(world, "b")
            >> coroutine(world, "c", during=interrupted)
        )

    with pytest.raises(kind) as caught:
        run_virtual(main())
    assert caught.value is mine
    assert Compensated(Cancelled(), "c", in_doubt=("c",)) == outcome_of(mine)
    assert BACK == world.back


@pytest.mark.parametrize("kind", [KeyboardInterrupt, SystemExit])
@pytest.mark.parametrize("times", [1, 2])
def test_an_async_compensation_is_interrupted(kind: type[BaseException], times: int) -> None:
    """An interrupted async compensation is called again; at the second interrupt it failed."""
    world = World()
    interrupts = [kind() for _ in range(times)]
    left = list(interrupts)

    async def interrupted() -> None:
        await two_ticks()
        if left:
            raise left.pop(0)

    async def main() -> None:
        await run_async(
            coroutine(world, "a")
            >> coroutine(world, "b", during_back=interrupted)
            >> coroutine(world, "c", answers=(no("no"),)),
            run_id="r",
        )

    with pytest.raises(kind) as caught:
        run_virtual(main())
    assert caught.value is interrupts[0]
    if times == 1:
        assert Compensated("no", "c") == outcome_of(caught.value)
        assert BACK == world.back
    else:
        assert Fatal("no", (CompensationFailed("b", Cancelled()),), "c") == outcome_of(caught.value)
        assert [("undo", "a")] == world.back
    assert ["r/b/compensate/1", "r/b/compensate/1", "r/a/compensate/1"] == world.keys


def test_an_interrupt_and_then_a_cancellation() -> None:
    """The first of several interrupts is raised again, whatever its kind."""
    world = World()
    mine = KeyboardInterrupt()

    async def interrupted() -> None:
        raise mine

    async def main() -> None:
        task = asyncio.current_task()
        assert task is not None
        asyncio.get_running_loop().call_later(1.5, task.cancel)
        await run_async(coroutine(world, "a") >> coroutine(world, "b", during=interrupted))

    with pytest.raises(KeyboardInterrupt) as caught:
        run_virtual(main())
    assert caught.value is mine
    assert [("undo", "a")] == world.back


@pytest.mark.parametrize(
    "kind",
    ["saga_started", "step_started", "step_ok", "step_failed", "compensating", "step_compensated"],
)
def test_an_observer_that_raises_system_exit_again_and_again(kind: str) -> None:
    """An observer that exits again and again does not keep the compensations from being made."""
    world = World()
    began = False

    def observer(event: Any) -> None:
        nonlocal began
        began = began or event.kind == kind
        if began:
            raise SystemExit

    async def main() -> None:
        saga = (
            coroutine(world, "a")
            >> coroutine(world, "b")
            >> coroutine(world, "c", answers=(no("no"),))
        )
        await run_async(saga, observers=[observer])

    with pytest.raises(SystemExit):
        run_virtual(main())
    assert [("undo", name) for name in reversed(world.done)] == world.back


@pytest.mark.parametrize("observers", [(), (str,)], ids=["course", "turns"])
def test_a_run_is_closed_without_a_loop(observers: Any) -> None:
    """A run whose coroutine is closed does nothing more, and leaves its id free."""
    world = World()
    loop = VirtualLoop()
    loop.set_exception_handler(lambda _, __: None)  # told of the task that is destroyed
    running = run_async(stuck(world), run_id="closed", observers=observers)
    loop.call_later(10, loop.stop)
    task = loop.create_task(running)
    loop.run_forever()
    running.close()
    del task
    loop.close()
    assert ["a", "b", "c"] == world.begun
    assert [] == world.back
    assert Ok("a") == run_virtual(run_async(coroutine(world, "a"), run_id="closed"))
