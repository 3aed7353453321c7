"""`run_async` with branches: a task for each call, awaited whatever is cancelled."""

from __future__ import annotations

import asyncio
import sys
import threading
import types
from collections.abc import Callable, Coroutine, Generator, Iterator
from typing import Any

import pytest
import uvloop
from attrs import Factory, define
from returns.result import Result, Success

from sagalib import (
    AsyncStep,
    AsyncSupervisor,
    Call,
    Cancelled,
    Compensated,
    Event,
    Ok,
    Outcome,
    Retry,
    Soft,
    Step,
    TimedOut,
    current_call,
    each,
    gather,
    outcome_of,
    par,
    replay,
    run,
    run_async,
)
from tests.drivers.world import World, coroutine, for_ever, kinds, no, plain
from tests.support.time import VirtualLoop, run_virtual


def undone(world: World) -> set[str]:
    """Give the steps that were undone."""
    return {name for kind, name in world.back if kind == "undo"}


def same_again(saga: Any, outcome: Outcome[Any, Any, Any] | None) -> bool:
    """Tell whether the log of an outcome gives that outcome again, and the same log."""
    assert outcome is not None
    again: Any = replay(saga, None, outcome.log)
    return again == outcome and list(again.log) == list(outcome.log)


# -- every suspension point ------------------------------------------------------------------------


@define
class Report:
    """How a run ended that was cancelled at some of its suspension points."""

    world: World
    eager: bool = False
    saga: Any = None
    suspensions: int = 0
    thrown: list[BaseException] = Factory(list[BaseException])
    raised: BaseException | None = None
    returned: Outcome[Any, Any, Any] | None = None
    cancelling: int = 0
    left: int = 0

    @property
    def outcome(self) -> Outcome[Any, Any, Any] | None:
        """The outcome, returned or on the exception."""
        return self.returned if self.raised is None else outcome_of(self.raised)


def the_way(world: World, *, fails: bool, wait: float, on_failure: Any) -> Any:
    """Make a saga whose branches suspend in every way, one in a scope that unwinds meanwhile."""

    def stop(name: str, **settings: Any) -> Any:
        return coroutine(world, name, **settings)

    branches = par(
        stop("a", answers=(no("busy"),), retries=Retry(1, wait=wait)) >> stop("b", settle=True),
        (stop("c") >> stop("d", answers=(no("no"),))) | stop("e"),
        plain(world, "f") >> stop("g", answers=(no("g fails"),) if fails else ()),
        on_failure=on_failure,
    )
    return stop("first") >> branches >> stop("last")


def cancelled_at(
    points: tuple[int, ...],
    *,
    fails: bool,
    on_failure: Any = "await",
    loop: Callable[[], asyncio.AbstractEventLoop] = VirtualLoop,
    wait: float = 1.5,
    eager: bool = False,
) -> Report:
    """Run the saga; cancel the caller at these suspensions, of whatever task of the run."""
    report = Report(World(), eager)
    callers: list[asyncio.Task[Any]] = []

    def suspended() -> None:
        report.suspensions += 1
        if report.suspensions in points:
            callers[0].cancel()

    @types.coroutine
    def counted(inner: Coroutine[Any, Any, Any]) -> Generator[Any, None, Any]:
        thrown: BaseException | None = None
        while True:
            try:
                awaited = inner.send(None) if thrown is None else inner.throw(thrown)
            except StopIteration as stop:
                return stop.value
            if callers:  # an eager task suspends before it is known
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
        event_loop: asyncio.AbstractEventLoop, inner: Coroutine[Any, Any, Any], **settings: Any
    ) -> asyncio.Task[Any]:
        if eager and callers:
            settings["eager_start"] = True
        return asyncio.Task(counting(inner), loop=event_loop, **settings)

    async def caller() -> None:
        report.saga = the_way(report.world, fails=fails, wait=wait, on_failure=on_failure)
        try:
            report.returned = await run_async(report.saga, run_id="r")
        except asyncio.CancelledError as cancelled:
            report.raised = cancelled
        task = asyncio.current_task()
        assert task is not None
        report.cancelling = task.cancelling()
        report.left = len(asyncio.all_tasks()) - 2  # but this one and that of `main`

    async def main() -> None:
        asyncio.get_running_loop().set_task_factory(factory)  # type: ignore[arg-type] # any keywords will do
        callers.append(asyncio.create_task(caller()))
        await asyncio.wait(callers)
        callers[0].result()

    with asyncio.Runner(loop_factory=loop) as runner:
        runner.run(main())
    return report


def check_cancelled(report: Report, times: int) -> None:
    """Check a run that was cancelled so often: all made up for, and the cancellation handed on."""
    world, outcome = report.world, report.outcome
    assert report.raised is not None
    # An eager task suspends while the caller runs: that it is cancelled is seen first.
    assert report.eager or report.thrown[0] is report.raised
    assert times == report.cancelling
    assert 0 == report.left
    assert isinstance(outcome, Compensated)
    assert list(dict.fromkeys(world.keys)) == world.keys
    assert same_again(report.saga, outcome)
    cut = [name for name in world.cut if name != "b"]
    assert sorted(cut) == sorted(path.split("/")[-1] for path in outcome.in_doubt)
    undone_in_order = [name for kind, name in world.back if kind == "undo"]
    assert sorted(world.done) == sorted(undone_in_order)
    assert ("b" in world.cut) == (("settle", "b") in world.back)
    # In a scope, "c" may be undone while its siblings run; all else in the reverse of completion.
    completed = [name for name in world.done if name != "c"]
    assert completed[::-1] == [name for name in undone_in_order if name != "c"]


def singles(**how: Any) -> Iterator[tuple[tuple[int, ...], Report]]:
    """Cancel at each suspension."""
    for first in range(1, cancelled_at((), **how).suspensions + 1):
        yield (first,), cancelled_at((first,), **how)


EAGER = pytest.param(
    {"eager": True},
    id="eager",
    marks=pytest.mark.skipif(
        sys.version_info < (3, 12), reason="eager tasks came with Python 3.12"
    ),
)


@pytest.mark.parametrize("more", [{}, {"on_failure": "interrupt"}, EAGER])
@pytest.mark.parametrize("fails", [False, True])
def test_cancelled_at_every_suspension_point(more: dict[str, Any], *, fails: bool) -> None:
    """Wherever a run is cancelled, its branches end, and all that completed is undone."""
    reports = [report for _, report in singles(fails=fails, **more)]
    for report in reports:
        check_cancelled(report, 1)
    assert len(reports) >= (15 if fails and "on_failure" in more else 25)


@pytest.mark.slow
@pytest.mark.parametrize("more", [{}, {"on_failure": "interrupt"}, EAGER])
@pytest.mark.parametrize("fails", [False, True])
def test_cancelled_at_every_pair_of_suspension_points(more: dict[str, Any], *, fails: bool) -> None:
    """A second cancellation takes away no compensation, and the first object is raised again."""
    number = 0
    for (first,), once in singles(fails=fails, **more):
        for second in range(first + 1, once.suspensions + 1):
            number += 1
            check_cancelled(cancelled_at((first, second), fails=fails, **more), 2)
    assert number >= (55 if fails and "on_failure" in more else 180)


@pytest.mark.parametrize("point", [2, 7])
def test_cancelled_on_uvloop(point: int) -> None:
    """On that loop too; only at some points, since real seconds pass there."""
    report = cancelled_at((point,), fails=True, loop=uvloop.new_event_loop, wait=0.0)
    check_cancelled(report, 1)


def test_a_run_that_is_not_cancelled_is_not_disturbed() -> None:
    """Without a point the saga goes through, and its failing twin is compensated."""
    through = cancelled_at((), fails=False)
    assert Ok("last") == through.returned
    assert ["c"] == [name for _, name in through.world.back]
    failing = cancelled_at((), fails=True)
    assert Compensated("g fails", "branch[2]/g") == failing.returned
    assert {"first", "a", "b", "c", "e", "f"} == undone(failing.world)
    assert same_again(failing.saga, failing.returned)


# -- siblings --------------------------------------------------------------------------------------


def test_a_failed_branch_waits_for_its_siblings() -> None:
    """Nothing is undone before the last sibling has ended; it is not cut."""
    world = World()
    saga = par(
        coroutine(world, "a", answers=(no("no"),)),
        coroutine(world, "b") >> coroutine(world, "c"),
    )

    async def main() -> Outcome[Any, Any, Any]:
        return await run_async(saga)

    outcome = run_virtual(main())
    assert Compensated("no", "branch[0]/a") == outcome
    assert [] == world.cut
    assert [("undo", "c"), ("undo", "b")] == world.back
    assert same_again(saga, outcome)


def test_an_interrupting_failure_cuts_siblings_and_is_the_reason() -> None:
    """The calls of siblings are cancelled and awaited, and in doubt; the run is not cancelled."""
    world = World()
    saga = par(
        coroutine(world, "a", during=for_ever, timeout=None),
        coroutine(world, "b", answers=(no("no"),)),
        coroutine(world, "c", during=for_ever, timeout=None, settle=True),
        on_failure="interrupt",
    )

    async def main() -> Outcome[Any, Any, Any]:
        outcome = await run_async(saga)
        task = asyncio.current_task()
        assert task is not None
        assert 0 == task.cancelling()
        return outcome

    outcome = run_virtual(main())
    assert Compensated("no", "branch[1]/b", in_doubt=("branch[0]/a",)) == outcome
    assert ["a", "c"] == world.cut
    assert [("settle", "c")] == world.back
    assert "cancel_requested" not in kinds(outcome)
    assert same_again(saga, outcome)


def test_an_interrupted_par_is_caught() -> None:
    """What is in doubt in a sibling does not make the failure one that cannot be caught."""
    world = World()
    branches = par(
        coroutine(world, "a", during=for_ever, timeout=None),
        coroutine(world, "b", answers=(no("no"),)),
        on_failure="interrupt",
    )
    saga = branches | coroutine(world, "other")
    outcome = run_virtual(run_async(saga))
    assert Ok("other", in_doubt=("branch[0]/a",)) == outcome
    assert same_again(saga, outcome)


def test_a_step_that_swallows_its_cancellation_has_completed() -> None:
    """An interrupted sibling that answers all the same is undone; its branch goes no further."""
    world = World()

    async def swallow() -> None:
        try:
            await for_ever()
        except asyncio.CancelledError:
            await asyncio.sleep(1)

    saga = par(
        coroutine(world, "a", during=swallow, timeout=None) >> coroutine(world, "after"),
        coroutine(world, "b", answers=(no("no"),)),
        on_failure="interrupt",
    )
    outcome = run_virtual(run_async(saga))
    assert Compensated("no", "branch[1]/b") == outcome
    assert [("undo", "a")] == world.back
    assert "after" not in world.begun
    assert same_again(saga, outcome)


def test_siblings_whose_next_call_is_asked_for_when_another_fails_make_no_call() -> None:
    """Two branches answer in the same turn of the loop; the failure stops the other's next call."""
    world = World()

    async def one() -> None:
        await asyncio.sleep(1)

    saga = par(
        coroutine(world, "a", during=one) >> coroutine(world, "after", settle=True),
        coroutine(world, "b", during=one, answers=(no("no"),)),
        on_failure="interrupt",
    )
    outcome = run_virtual(run_async(saga))
    assert Compensated("no", "branch[1]/b") == outcome
    assert ["a", "b"] == world.begun
    assert [("undo", "a")] == world.back
    assert same_again(saga, outcome)


@pytest.mark.parametrize("times", [1, 2, 30])
def test_cancelled_often_while_a_sibling_cleans_up(times: int) -> None:
    """However often the task is cancelled, each call of a branch is awaited to its end."""
    world = World()

    async def reluctant() -> None:
        try:
            await for_ever()
        finally:
            await asyncio.sleep(100)
            world.back.append(("cleaned", "a"))

    saga = coroutine(world, "first") >> par(
        coroutine(world, "a", during=reluctant, timeout=None), coroutine(world, "b")
    )

    async def main() -> int:
        task = asyncio.create_task(run_async(saga))
        for _ in range(times):
            await asyncio.sleep(2)
            task.cancel()
        with pytest.raises(asyncio.CancelledError) as raised:
            await task
        outcome = outcome_of(raised.value)
        assert isinstance(outcome, Compensated)
        assert same_again(saga, outcome)
        return task.cancelling()

    assert times == run_virtual(main())
    assert [("cleaned", "a"), ("undo", "b"), ("undo", "first")] == world.back


@pytest.mark.parametrize("kind", [KeyboardInterrupt, SystemExit])
def test_an_interrupt_raised_in_the_task_of_a_branch(kind: type[BaseException]) -> None:
    """It does not end the loop: siblings are cut, all is undone, and that object is raised."""
    world = World()
    interrupt = kind()

    async def raising() -> None:
        await asyncio.sleep(1)
        raise interrupt

    saga = coroutine(world, "first") >> par(
        coroutine(world, "a", during=raising),
        coroutine(world, "b", during=for_ever, timeout=None),
        coroutine(world, "c", during=lambda: asyncio.sleep(0)),
    )

    async def main() -> Outcome[Any, Any, Any] | None:
        with pytest.raises(kind) as raised:
            await run_async(saga)
        assert interrupt is raised.value
        return outcome_of(raised.value)

    outcome = run_virtual(main())
    assert isinstance(outcome, Compensated)
    assert Cancelled() == outcome.reason
    assert ("branch[0]/a", "branch[1]/b") == tuple(sorted(outcome.in_doubt))
    assert [("undo", "c"), ("undo", "first")] == world.back
    assert same_again(saga, outcome)


def test_an_interrupt_raised_by_a_call_that_is_cut_is_not_lost() -> None:
    """A sibling that answers its cancellation with `SystemExit` has that raised by the run."""
    world = World()

    async def exiting() -> None:
        try:
            await for_ever()
        finally:
            sys.exit(3)

    saga = par(
        coroutine(world, "a", during=exiting, timeout=None),
        coroutine(world, "b", answers=(no("no"),)),
        on_failure="interrupt",
    )

    async def main() -> None:
        with pytest.raises(SystemExit):
            await run_async(saga)

    run_virtual(main())


# -- calls -----------------------------------------------------------------------------------------


def test_timeouts_in_branches() -> None:
    """A call is cut when its time is up, soft or hard, and siblings go on."""
    world = World()
    saga = par(
        coroutine(world, "a", during=for_ever, timeout=5.0),
        coroutine(world, "b", during=for_ever, timeout=Soft(7.0), retries=1, settle=True),
        coroutine(world, "c"),
    )

    async def main() -> float:
        outcome = await run_async(saga)
        assert Compensated(TimedOut(5.0), "branch[0]/a", in_doubt=("branch[0]/a",)) == outcome
        assert same_again(saga, outcome)
        return asyncio.get_running_loop().time()

    assert pytest.approx(16.0) == run_virtual(main())
    assert [("settle", "b"), ("undo", "c")] == world.back


def test_plain_steps_in_branches() -> None:
    """They block the loop; with a hard timeout they are on a thread, and can be given up."""
    world = World()
    gate = threading.Event()
    threads: dict[str, int] = {}

    def where(name: str) -> Callable[[], None]:
        return lambda: threads.update({name: threading.get_ident()})

    saga = par(
        plain(world, "a", during=where("a")),
        plain(world, "b", during=where("b"), timeout=1000.0),
        plain(world, "c", during=lambda: gate.wait(60), timeout=5.0),
        coroutine(world, "d"),
    )
    try:
        outcome = run_virtual(run_async(saga))
    finally:
        gate.set()
    assert isinstance(outcome, Compensated)
    assert ("branch[2]/c",) == outcome.in_doubt
    assert threading.get_ident() == threads["a"]
    assert threading.get_ident() != threads["b"]
    assert {"a", "b", "d"} == undone(world)
    assert same_again(saga, outcome)


def test_current_call_in_branches() -> None:
    """Each task of a branch finds its own call, before and after it suspends."""
    calls: list[Call] = []

    async def execute(_: object) -> Result[str, str]:
        before = current_call()
        await asyncio.sleep(1)
        calls.append(current_call())
        assert before == current_call()
        return Success(before.path)

    step = AsyncStep(execute, name="a", timeout=7.0)
    outcome = run_virtual(run_async(par(step, step), run_id="r"))
    assert Ok(("branch[0]/a", "branch[1]/a")) == outcome
    assert {"r/branch[0]/a/execute/0", "r/branch[1]/a/execute/0"} == {call.key for call in calls}
    assert [7_000_000_000] * 2 == [call.deadline for call in calls]


def test_observers_hear_the_log() -> None:
    """One event after the other, in the task that drives the run."""
    world = World()
    heard: list[Event] = []
    tasks: set[Any] = set()

    def listen(event: Event) -> None:
        heard.append(event)
        tasks.add(asyncio.current_task())

    branches = [
        coroutine(world, f"a{number}", answers=(no("busy"),), retries=Retry(1, wait=1.0 * number))
        for number in range(5)
    ]
    saga = gather(branches)
    outcome = run_virtual(run_async(saga, observers=[listen]))
    assert isinstance(outcome, Ok)
    assert list(outcome.log) == heard
    assert 1 == len(tasks)
    assert same_again(saga, outcome)


def test_items_follow_one_another_or_go_side_by_side() -> None:
    """`each` takes as long as its items in a row, or as the longest of them."""
    world = World()

    async def main(limit: int | None) -> float:
        saga = each(coroutine(world, "a"), limit=limit)
        assert Ok(("a",) * 4) == await run_async(saga, range(4))
        return asyncio.get_running_loop().time()

    assert pytest.approx(4.0) == run_virtual(main(1))
    assert pytest.approx(2.0) == run_virtual(main(2))
    assert pytest.approx(1.0) == run_virtual(main(None))


# -- runs in runs, and supervisors -----------------------------------------------------------------


def test_a_run_inside_a_branch_is_a_run_of_its_own() -> None:
    """Both have branches; a failure of the inner one is what its step makes of it."""
    world = World()

    async def around(_: object) -> Result[str, str]:
        inner = par(coroutine(world, "x"), coroutine(world, "y", answers=(no("no"),)))
        outcome = await run_async(inner, run_id="in")
        assert "branch[0]/around" == current_call().path
        return Success(type(outcome).__name__)

    plain_around: Step[object, Outcome[tuple[str, str], str, str]] = Step(
        lambda _: Success(run(par(plain(world, "p"), plain(world, "q")), run_id="plain")),
        name="plain",
    )
    saga = par(AsyncStep(around, name="around"), plain_around, coroutine(world, "z"))
    outcome = run_virtual(run_async(saga, run_id="out"))
    assert Ok(("Compensated", Ok(("p", "q")), "z")) == outcome
    assert [("undo", "x")] == world.back


def test_a_supervisor_cancels_a_run_with_branches() -> None:
    """Its calls are cut, what completed is undone, and its status says where it was."""
    world = World()
    saga = coroutine(world, "first") >> par(
        coroutine(world, "a", during=for_ever, timeout=Soft(5e5)),
        coroutine(world, "b") >> coroutine(world, "c", during=for_ever, timeout=None),
    )

    async def main() -> Outcome[Any, Any, Any]:
        async with AsyncSupervisor() as supervisor:
            run_id = supervisor.start(saga)
            await asyncio.sleep(10)
            status = supervisor.status(run_id)
            assert status is not None
            assert "running" == status.state
            supervisor.cancel(run_id)
            return await supervisor.wait(run_id)

    outcome = run_virtual(main())
    assert isinstance(outcome, Compensated)
    assert ("branch[0]/a", "branch[1]/c") == tuple(sorted(outcome.in_doubt))
    assert [("undo", "b"), ("undo", "first")] == world.back
    assert same_again(saga, outcome)
