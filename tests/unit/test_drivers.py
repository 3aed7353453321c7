"""Moments of a driver that only an unlucky clock, task or thread brings about."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
from returns.result import Failure, Success
from typing_extensions import override

from sagalib import (
    AsyncStep,
    Cancel,
    Cancelled,
    Compensated,
    Ok,
    Outcome,
    Retry,
    Step,
    TimedOut,
    identity,
    outcome_of,
    run,
    run_async,
    simulate,
)
from sagalib.core.machine import begin, decide, evolve
from sagalib.core.owed import owed_by
from sagalib.drivers.clock import SystemClock
from sagalib.drivers.loop_clock import LoopClock
from tests.defects.colours import ASYNC, SYNC, World, pass_on, refuse
from tests.defects.planted import planted
from tests.support.time import VirtualClock, run_virtual

# ------------------------------------------------------------------ the machine


def test_an_ended_machine_asks_for_nothing() -> None:
    """At the end of a run there is no command."""
    machine = begin(SYNC.step(pass_on), "x", "run")

    assert 1 == len(decide(machine))
    assert () == decide(evolve(machine, Success("x")))


def test_a_run_that_goes_on_owes_nothing_yet() -> None:
    """What is owed is known at the end of a run only."""
    saga = SYNC.step(pass_on, pass_on) >> SYNC.step(pass_on)

    assert identity() == owed_by(evolve(begin(saga, "x", "run"), Success("x")))


def test_after_a_second_cancel_the_error_is_not_mapped() -> None:
    """A run that was cancelled twice calls no function of the saga, and its reason is that."""
    mapped: list[object] = []
    saga = SYNC.step(pass_on, name="a").map_error(mapped.append)
    cancel = Cancel(in_flight=True)

    assert Compensated(Cancelled(), "a") == simulate(
        saga, "x", {"a": [cancel, cancel, Failure("no")]}
    )
    assert [] == mapped


def test_a_saga_that_another_thread_writes_out_is_read_again() -> None:
    """A saga whose two sides are replaced between two looks at them is looked at again."""
    a, b, c = (Step(pass_on, name=name) for name in "abc")
    saga = a >> b >> c
    unlucky = [True]

    def meanwhile(true: Callable[[Any], Any]) -> Callable[[Any], Any]:
        def sides(self: Any) -> Any:
            left, right = true(self)
            return left, None if unlucky and unlucky.pop() else right

        return sides

    with planted("sagalib.core.saga:Composite", "sides", meanwhile):
        assert ("a", "b", "c") == saga.paths
    assert [] == unlucky


# ------------------------------------------------------------------ clocks


def test_the_clock_of_the_system_waits_through_the_system(monkeypatch: pytest.MonkeyPatch) -> None:
    """A pause of the system clock is one of the system, cut to what that can wait."""
    slept: list[float] = []
    monkeypatch.setattr(time, "sleep", slept.append)
    saga = SYNC.step(refuse, retries=Retry(2, wait=3, factor=1e12, cap=1e12))

    run(saga, "x")
    SystemClock().sleep(0.5)

    assert 2.9 < slept[0] <= 3
    assert [threading.TIMEOUT_MAX, 0.5] == slept[1:]


def test_the_clock_of_the_system_waits_for_an_event() -> None:
    """A call on a thread that answers in time needs no more time than that."""
    event = threading.Event()

    def setting(value: Any) -> Any:
        event.set()
        return Success(value)

    assert Ok("x") == run(Step(setting, timeout=60), "x")
    assert SystemClock().wait(event, 60)
    assert not SystemClock().wait(threading.Event(), 1e-9)


class BrokenClock(VirtualClock):
    """A clock that raises some times in a row."""

    def __init__(self) -> None:
        super().__init__()
        self.broken = 0

    def now_ns(self) -> int:
        """Give the time, or raise."""
        if self.broken:
            self.broken -= 1
            message = f"{self.broken} to go"
            raise OSError(message)
        return super().now_ns()


@pytest.mark.parametrize("times", [1, 2, 3, 5])
def test_a_clock_that_raises_is_an_interrupt(times: int) -> None:
    """What a clock raises ends the run after the compensations, and comes out of it."""
    world, clock = World(), BrokenClock()

    def breaking(value: Any) -> Any:
        clock.broken = times
        return Success(value)

    saga = world.step("a") >> Step(breaking, name="b") >> world.step("c")

    with pytest.raises(OSError, match=f"{times - 1} to go") as raised:
        run(saga, "x", clock=clock)

    assert isinstance(outcome_of(raised.value), Compensated)
    assert ["a", "undo a"] == world.names


def test_a_clock_that_is_gone_ends_the_run() -> None:
    """A clock that never stops raising does not hold the run for ever."""
    clock = BrokenClock()

    def breaking(value: Any) -> Any:
        clock.broken = 10**9
        return Success(value)

    with pytest.raises(OSError, match="to go"):
        run(Step(breaking), "x", clock=clock)
    clock.broken = 0
    assert Ok("x") == run(SYNC.step(pass_on), "x", clock=clock)


def test_interrupts_that_never_end_are_let_through() -> None:
    """A run that is interrupted whenever it is to leave its course does not go on for ever."""
    tries: list[object] = []

    def interrupting(_: object) -> Any:
        def take_over(*arguments: object) -> Any:
            tries.append(arguments)
            raise KeyboardInterrupt

        return take_over

    with (
        planted("sagalib.drivers.sync", "SyncRun", interrupting),
        pytest.raises(KeyboardInterrupt),
    ):
        run(SYNC.step(refuse, retries=1), "x")

    assert 1 < len(tries) < 50


# ------------------------------------------------------------------ asyncio


def test_a_way_back_that_is_cancelled_before_it_begins_is_begun_again() -> None:
    """A task of the way back that others cancel at once does not end the way back."""
    world = World(ASYNC)
    cancelled: list[bool] = []

    async def main() -> Any:
        mine = asyncio.current_task()

        def cancel_others() -> None:
            cancelled.extend(task.cancel() for task in asyncio.all_tasks() if task is not mine)

        def refuse_and_cancel(_: object) -> Any:
            # Called before the task of the way back, which begins in this turn of the loop.
            asyncio.get_running_loop().call_soon(cancel_others)
            return Failure("no")

        return await run_async(world.step("a") >> world.step("b", refuse_and_cancel), "x")

    assert Compensated("no", "b") == run_virtual(main())
    assert [True] == cancelled
    assert ["a", "b", "undo a"] == world.names


def ended_calls() -> None:
    """Wait for the calls that go on, on threads of their own."""
    for thread in threading.enumerate():
        if thread.name.startswith("sagalib "):
            thread.join(10)


class Unlucky:
    """A clock of a loop, on which something else happens when a call has just answered."""

    epoch_ns = 0

    def __init__(self, happens: Callable[[Callable[[], object]], object]) -> None:
        self.happens = happens

    def now_ns(self) -> int:
        """Give the time of the loop."""
        return LoopClock(asyncio.get_running_loop()).now_ns()

    async def sleep(self, seconds: float, /) -> None:
        """Wait."""
        await asyncio.sleep(seconds)

    def call_at(self, when_ns: int, callback: Callable[[], object], /) -> asyncio.TimerHandle:
        """Let the call answer, and then something happen."""
        ended_calls()
        self.happens(callback)
        return asyncio.get_running_loop().call_later(1000, callback)


def test_an_answer_that_comes_with_the_deadline_counts() -> None:
    """A call on a thread whose answer and deadline come together has answered."""
    saga = Step(pass_on, name="a", timeout=5)

    async def main() -> Any:
        return await run_async(saga, "x", clock=Unlucky(lambda callback: callback()))

    assert Ok("x") == run_virtual(main())


def test_an_answer_that_comes_with_a_cancellation_counts() -> None:
    """A call on a thread that has answered when the task is cancelled is compensated."""
    world = World()
    saga = Step(world.does("a", Success("done")), world.does("undo a", Success(None)), timeout=5)

    async def main() -> Any:
        mine: Any = asyncio.current_task()
        try:
            await run_async(saga >> World().step("b"), "x", clock=Unlucky(lambda _: mine.cancel()))
        except asyncio.CancelledError as cancelled:
            return outcome_of(cancelled)

    assert Compensated(Cancelled()) == run_virtual(main())
    assert [("a", "x"), ("undo a", "done")] == world.calls


def test_a_clock_that_raises_interrupts_an_async_run() -> None:
    """What a clock raises between two async calls comes out of the run after the compensations."""
    world = World(ASYNC)

    class Broken(Unlucky):
        broken = False

        @override
        def now_ns(self) -> int:
            if self.broken:
                self.broken = False
                raise OSError
            return super().now_ns()

    async def main() -> Outcome[Any, Any, Any] | None:
        clock = Broken(lambda callback: None)

        async def breaking(value: Any) -> Any:
            clock.broken = True
            return Success(value)

        saga = world.step("a") >> AsyncStep(breaking, name="b") >> world.step("c")
        with pytest.raises(OSError) as raised:  # noqa: PT011 - the clock's own, without a message
            await run_async(saga, "x", clock=clock)
        return outcome_of(raised.value)

    assert Compensated(Cancelled()) == run_virtual(main())
    assert ["a", "undo a"] == world.names


def test_a_run_is_driven_without_a_task() -> None:
    """A callback of the loop may drive a run by hand: there is nobody who could cancel it."""
    came: list[object] = []

    async def at_once(value: Any) -> Any:
        return Success(value)

    def drive() -> None:
        try:
            run_async(AsyncStep(at_once, timeout=None), "x").send(None)
        except StopIteration as end:
            came.append(end.value)

    async def main() -> None:
        asyncio.get_running_loop().call_soon(drive)
        await asyncio.sleep(1)

    run_virtual(main())

    assert [Ok("x")] == came


# ------------------------------------------------------------------ late answers


def test_a_late_answer_at_the_very_end_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    """An answer that comes while the outcome is worked out is not lost: one warning names it."""
    may_land = threading.Event()

    def ship(value: Any) -> Any:
        assert may_land.wait(10)
        return Success(value)

    def landing(true: Callable[[Any], Any]) -> Callable[[Any], Any]:
        def conclude(history: Any) -> Any:
            may_land.set()
            ended_calls()
            return true(history)

        return conclude

    saga = Step(ship, name="ship", timeout=5)
    with (
        caplog.at_level(logging.WARNING, logger="sagalib"),
        planted("sagalib.drivers.sync_run", "conclude", landing),
    ):
        outcome = run(saga, "x", clock=VirtualClock(), run_id="order:7")

    assert Compensated(TimedOut(5), "ship", in_doubt=("ship",)) == outcome
    (record,) = caplog.records
    assert "execute of step 'ship' in run order:7 answered Success" in record.getMessage()
