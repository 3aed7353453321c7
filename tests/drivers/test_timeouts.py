"""Timeouts, hard and soft, of steps and of compensations; retries and their pauses."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any

import pytest
from returns.result import Success
from typing_extensions import override

from sagalib import (
    AsyncStep,
    Compensated,
    CompensationFailed,
    Event,
    Fatal,
    Ok,
    Outcome,
    Raised,
    Retry,
    Soft,
    Step,
    TimedOut,
    current_call,
    run,
    run_async,
)
from sagalib.core.events import LateReply, StepOk
from tests.drivers.world import (
    Answer,
    World,
    coroutine,
    for_ever,
    join_calls,
    kinds,
    no,
    no_way_back,
    plain,
    threads_of_calls,
    value_of,
)
from tests.support.time import SECOND, VirtualClock, run_virtual


class ImpatientClock(VirtualClock):
    """A clock on which a call on another thread has always hung for its whole time."""

    @override
    def wait(self, event: threading.Event, seconds: float, /) -> bool:
        """Wait for the call, or not."""
        self.advance(seconds)
        return event.is_set()


class PatientClock(VirtualClock):
    """A clock on which a call on another thread takes as long as it takes, and no time."""

    @override
    def wait(self, event: threading.Event, seconds: float, /) -> bool:
        """Wait for the call, or not."""
        return event.wait()


def lates(outcome: Outcome[Any, Any, Any]) -> list[bool]:
    """Tell of each success in the log whether it was late."""
    return [event.late for event in outcome.log if isinstance(event, StepOk)]


async def immediately() -> None:
    """Suspend not at all."""


def boom() -> None:
    """Raise."""
    raise ZeroDivisionError


# -- hard, in run ---------------------------------------------------------------------------------


def test_a_hard_timeout_frees_the_caller(gate: threading.Event) -> None:
    """A call that hangs is given up at its deadline and in doubt; the run makes up for the rest."""
    world = World()
    clock = ImpatientClock()
    outcome = run(
        plain(world, "a") >> plain(world, "b", during=gate.wait, timeout=5.0) >> plain(world, "c"),
        clock=clock,
    )
    assert Compensated(TimedOut(5.0), "b", in_doubt=("b",)) == outcome
    assert 5 * SECOND == clock.now_ns()
    assert ["a", "b"] == world.begun
    assert [("undo", "a")] == world.back
    assert [1] == [len(threads_of_calls())]
    gate.set()
    join_calls()
    assert [] == threads_of_calls()


def test_a_hard_timeout_is_settled(gate: threading.Event) -> None:
    """A call that was given up is settled in its place, and is not in doubt any more."""
    world = World()
    saga = plain(world, "a") >> plain(world, "b", during=gate.wait, timeout=5.0, settle=True)
    assert Compensated(TimedOut(5.0), "b") == run(saga, clock=ImpatientClock())
    assert [("settle", "b"), ("undo", "a")] == world.back
    gate.set()
    join_calls()


def test_a_call_that_answers_in_time_is_not_given_up() -> None:
    """With a prompt answer all is as without a timeout, but for a daemon thread, which is gone."""
    world = World()
    threads: list[threading.Thread] = []

    def look() -> None:
        threads.append(threading.current_thread())

    saga = plain(world, "a", during=look, timeout=5.0) >> plain(
        world, "b", timeout=5.0, answers=(no("no"),)
    )
    assert Compensated("no", "b") == run(saga, clock=PatientClock())
    assert [("undo", "a")] == world.back
    assert [True] == [thread.daemon and thread is not threading.main_thread() for thread in threads]
    join_calls()
    assert [] == threads_of_calls()


def test_a_call_on_its_thread_raises() -> None:
    """What a call with a hard timeout raises leaves it in doubt, as on the caller's thread."""
    outcome = run(plain(World(), "a", during=boom, timeout=5.0), clock=PatientClock())
    assert Compensated(Raised("ZeroDivisionError", ""), "a", in_doubt=("a",)) == outcome


def test_the_callers_context_is_seen_on_the_thread() -> None:
    """A call on a thread sees the caller's context variables and its own `current_call`."""
    variable: ContextVar[str] = ContextVar("variable", default="unset")
    token = variable.set("set by the caller")

    def look(_: object) -> Answer:
        call = current_call()
        variable.set("set by the call")
        assert call.deadline == 12 * SECOND
        return Success(f"{variable.get()} {call.path}")

    clock = PatientClock()
    clock.advance(7)
    try:
        assert Ok("set by the call look") == run(Step(look, timeout=5.0), clock=clock)
        assert variable.get() == "set by the caller"
    finally:
        variable.reset(token)


def test_the_context_that_the_thread_sees_is_the_callers() -> None:
    """Before a call on a thread sets anything, its context has what the caller has set."""
    variable: ContextVar[str] = ContextVar("variable", default="unset")
    token = variable.set("set by the caller")
    try:
        step: Step[object, str] = Step(lambda _: Success(variable.get()), name="look", timeout=5.0)
        assert Ok("set by the caller") == run(step, clock=PatientClock())
    finally:
        variable.reset(token)


def test_a_late_reply_while_the_run_goes_on(gate: threading.Event) -> None:
    """A late answer to a call that was given up is an event, and changes nothing."""
    world = World()

    def open_gate() -> None:
        gate.set()
        join_calls()

    heard: list[Event] = []
    saga = plain(world, "a", during_back=open_gate) >> plain(
        world, "b", during=gate.wait, timeout=5.0
    )
    outcome = run(saga, clock=ImpatientClock(), observers=[heard.append])
    assert Compensated(TimedOut(5.0), "b", in_doubt=("b",)) == outcome
    assert [("undo", "a")] == world.back
    assert ["a", "b"] == world.done
    assert [
        "saga_started",
        "step_started",
        "step_ok",
        "step_started",
        "step_in_doubt",
        "step_failed",
        "compensating",
        "compensation_started",
    ] == kinds(outcome)[:8]
    assert ["late_reply", "saga_compensated", "step_compensated"] == sorted(kinds(outcome)[8:])
    (late,) = [event for event in outcome.log if isinstance(event, LateReply)]
    assert ("b", "b", 1, "execute") == (late.path, late.step, late.attempt, late.direction)
    assert list(outcome.log) == heard


def test_a_late_reply_during_the_last_call_of_an_async_run(
    gate: threading.Event, caplog: pytest.LogCaptureFixture
) -> None:
    """A late answer during the last call of the run is an event or a warning, and not lost."""
    world = World()

    async def open_gate() -> None:
        gate.set()
        join_calls()

    saga = coroutine(world, "a", during=immediately, during_back=open_gate) >> plain(
        world, "b", during=gate.wait, timeout=5.0
    )
    outcome = run_virtual(run_async(saga))
    assert Compensated(TimedOut(5.0), "b", in_doubt=("b",)) == outcome
    assert kinds(outcome).count("late_reply") + len(caplog.records) == 1


def test_a_late_reply_after_the_run(
    gate: threading.Event, caplog: pytest.LogCaptureFixture
) -> None:
    """A late answer after the run has ended is one warning, with run id and path."""
    world = World()
    outcome = run(
        plain(world, "b", during=gate.wait, timeout=5.0), run_id="ended", clock=ImpatientClock()
    )
    assert "late_reply" not in kinds(outcome)
    with caplog.at_level(logging.WARNING):
        gate.set()
        join_calls()
    assert [("sagalib", logging.WARNING)] == [
        (record.name, record.levelno) for record in caplog.records
    ]
    assert "'b' in run ended" in caplog.records[0].getMessage()
    assert "late_reply" not in kinds(outcome)


@pytest.mark.parametrize("answer", ["returns", "raises", "exits"])
def test_a_late_reply_of_any_kind(
    gate: threading.Event, answer: str, caplog: pytest.LogCaptureFixture
) -> None:
    """A given-up call may return, raise or exit as late as it likes: it is one warning."""
    endings: dict[str, type[BaseException]] = {"raises": ZeroDivisionError, "exits": SystemExit}

    def hang() -> None:
        gate.wait()
        if answer in endings:
            raise endings[answer]

    outcome = run(plain(World(), "b", during=hang, timeout=5.0), clock=ImpatientClock())
    gate.set()
    join_calls()
    assert Compensated(TimedOut(5.0), "b", in_doubt=("b",)) == outcome
    assert len(caplog.records) == 1


def test_a_retry_overlaps_the_call_that_was_given_up(gate: threading.Event) -> None:
    """After a hard timeout the next attempt has the key of the first, whose answer is unknown."""
    keys: list[str] = []

    def execute(_: object) -> Answer:
        keys.append(current_call().key)
        if len(keys) == 1:
            gate.wait()
        return Success("second")

    clock = VirtualClock()
    outcome = run(Step(execute, name="b", timeout=5.0, retries=1), run_id="r", clock=FirstHangs())
    assert Ok("second") == outcome
    assert ["r/b/execute/0", "r/b/execute/0"] == keys
    assert ["step_in_doubt", "step_retrying"] == kinds(outcome)[2:4]
    assert [] == clock.sleeps
    gate.set()
    join_calls()


class FirstHangs(PatientClock):
    """A clock on which the first call on another thread hangs for its whole time."""

    def __init__(self) -> None:
        super().__init__()
        self._waits = 0

    @override
    def wait(self, event: threading.Event, seconds: float, /) -> bool:
        """Wait for the call, or not."""
        self._waits += 1
        if self._waits > 1:
            return event.wait()
        self.advance(seconds)
        return event.is_set()


MOST = 32


def test_so_many_calls_may_be_given_up(
    gate: threading.Event, caplog: pytest.LogCaptureFixture
) -> None:
    """When 32 given-up calls go on, the next is refused before it is called, and not in doubt."""
    hanging = plain(World(), "hanging", during=gate.wait, timeout=5.0)
    for _ in range(MOST):
        assert Compensated(TimedOut(5.0), "hanging", in_doubt=("hanging",)) == run(
            hanging, clock=ImpatientClock()
        )
    assert len(threads_of_calls()) == MOST

    world = World()
    saga = plain(world, "a") >> plain(world, "b", timeout=5.0, settle=True)
    refused = run(saga, clock=PatientClock())
    assert isinstance(refused, Compensated)
    assert isinstance(refused.reason, Raised)
    assert refused.reason.kind == "TooManyAbandonedCalls"
    assert (("b", ()), ["a"], [("undo", "a")]) == (
        (refused.step, refused.in_doubt),
        world.begun,
        world.back,
    )

    async_world = World()
    async_refused = run_virtual(
        run_async(coroutine(async_world, "a") >> plain(async_world, "b", timeout=5.0))
    )
    assert refused == async_refused
    assert (["a"], [("undo", "a")]) == (async_world.begun, async_world.back)

    # Calls without a thread are made as ever.
    assert Ok("c") == run(plain(world, "c", timeout=Soft(5.0)))
    gate.set()
    join_calls()
    assert [] == threads_of_calls()
    assert len(caplog.records) == MOST
    assert Ok("b") == run(saga, clock=PatientClock())


def test_no_thread_can_be_started(monkeypatch: pytest.MonkeyPatch) -> None:
    """If the system gives no further thread, the call fails, and the run goes on to its outcome."""

    def start(_: threading.Thread) -> None:
        msg = "can't start new thread"
        raise RuntimeError(msg)

    monkeypatch.setattr(threading.Thread, "start", start)
    world = World()
    outcome = run(plain(world, "a") >> plain(world, "b", timeout=5.0), clock=PatientClock())
    assert isinstance(outcome, Compensated)
    assert isinstance(outcome.reason, Raised)
    assert ("b", ["a"], [("undo", "a")]) == (outcome.step, world.begun, world.back)
    async_world = World()
    async_outcome = run_virtual(
        run_async(coroutine(async_world, "a") >> plain(async_world, "b", timeout=5.0))
    )
    assert outcome == async_outcome
    assert [("undo", "a")] == async_world.back


# -- soft, in run ---------------------------------------------------------------------------------


def slow(
    clock: VirtualClock, seconds: float, then: Callable[[], object] = lambda: None
) -> Callable[[], None]:
    """Make what a slow step does."""

    def function() -> None:
        clock.advance(seconds)
        then()

    return function


def test_a_late_success_is_compensated_first() -> None:
    """A step that succeeds after its soft timeout has failed, and is the first compensated."""
    world, clock = World(), VirtualClock()
    saga = plain(world, "a") >> plain(
        world, "b", during=slow(clock, 6), timeout=Soft(5.0), retries=3, settle=True
    )
    outcome = run(saga >> plain(world, "c"), clock=clock)
    assert Compensated(TimedOut(5.0), "b") == outcome
    assert ["a", "b"] == world.begun
    assert [("undo", "b"), ("undo", "a")] == world.back
    assert [False, True] == lates(outcome)


@pytest.mark.parametrize("pivot", [True, False])
def test_a_late_success_that_cannot_be_undone_is_a_success(pivot: bool) -> None:
    """A pivot, or a step without a compensation, that succeeds late has succeeded."""
    world, clock = World(), VirtualClock()
    saga = plain(world, "a") >> plain(
        world, "b", during=slow(clock, 6), timeout=Soft(5.0), undo=False, pivot=pivot, settle=True
    )
    outcome = run(saga >> plain(world, "c"), clock=clock)
    assert Ok("c") == outcome
    assert ["a", "b", "c"] == world.begun
    assert [] == world.back
    assert [False, True, False] == lates(outcome)


def test_a_success_at_the_very_deadline_is_in_time() -> None:
    """A call that takes exactly its timeout is not late; a nanosecond more is."""
    clock = VirtualClock()
    assert Ok("a") == run(
        plain(World(), "a", during=slow(clock, 5), timeout=Soft(5.0)), clock=clock
    )
    late = slow(clock, 5.000_000_001)
    assert Compensated(TimedOut(5.0), "a") == run(
        plain(World(), "a", during=late, timeout=Soft(5.0)), clock=clock
    )


def test_a_late_failure_is_that_failure() -> None:
    """A step that fails after its soft timeout has failed for its own reason."""
    world, clock = World(), VirtualClock()
    outcome = run(
        plain(
            world,
            "a",
            during=slow(clock, 6),
            timeout=Soft(5.0),
            answers=(no("x"), no("y")),
            retries=1,
        ),
        clock=clock,
    )
    assert Compensated("y", "a") == outcome
    assert ["a", "a"] == world.begun


def test_a_late_raise_is_that_raise() -> None:
    """A step that raises after its soft timeout is in doubt for what it raised."""
    world, clock = World(), VirtualClock()
    outcome = run(plain(world, "a", during=slow(clock, 6, boom), timeout=Soft(5.0)), clock=clock)
    assert Compensated(Raised("ZeroDivisionError", ""), "a", in_doubt=("a",)) == outcome


def test_a_soft_timeout_stays_on_the_callers_thread() -> None:
    """A soft timeout needs no thread, and neither does none at all."""
    threads: list[threading.Thread] = []
    for timeout in (Soft(5.0), None):
        run(
            plain(
                World(),
                "a",
                during=lambda: threads.append(threading.current_thread()),
                timeout=timeout,
            )
        )
    assert [threading.current_thread()] * 2 == threads


def test_the_usual_timeout_is_soft() -> None:
    """A step without a word about time may take 30 seconds."""
    clock = VirtualClock()

    def fast(_: object) -> Answer:
        clock.advance(30)
        return Success("fast")

    def slow_one(_: object) -> Answer:
        clock.advance(30.1)
        return Success("slow")

    def undo(_: str) -> Any:
        return Success(None)

    assert Ok("fast") == run(Step(fast, undo), clock=clock)
    assert Compensated(TimedOut(30.0), "slow_one") == run(Step(slow_one, undo), clock=clock)


# -- of compensations -----------------------------------------------------------------------------


def test_a_compensation_hangs(gate: threading.Event) -> None:
    """A compensation that hangs is given up and has failed; the others are still called."""
    world = World()
    saga = (
        plain(world, "a")
        >> plain(world, "b", during_back=gate.wait, compensation_timeout=5.0)
        >> plain(world, "c", answers=(no("no"),))
    )
    assert Fatal("no", (CompensationFailed("b", TimedOut(5.0)),), "c") == run(
        saga, clock=ImpatientClock()
    )
    assert [("undo", "a")] == world.back
    gate.set()
    join_calls()


def test_a_compensation_that_hung_is_retried_with_its_key(gate: threading.Event) -> None:
    """A compensation that was given up is called again, with the same key."""
    world = World()
    hangs = [True, False]

    def hang_once() -> None:
        if hangs.pop(0):
            gate.wait()

    saga = plain(
        world, "a", during_back=hang_once, compensation_timeout=5.0, compensation_retries=1
    ) >> plain(world, "b", answers=(no("no"),))
    assert Compensated("no", "b") == run(saga, run_id="r", clock=FirstHangs())
    assert ["r/a/compensate/1", "r/a/compensate/1"] == world.keys
    gate.set()
    join_calls()


def test_a_settle_hangs(gate: threading.Event) -> None:
    """A settle that is given up has failed, and its step is in doubt."""
    world = World()
    saga = plain(world, "a") >> plain(
        world, "b", during=boom, settle=True, during_back=gate.wait, compensation_timeout=5.0
    )
    reason = Raised("ZeroDivisionError", "")
    expected: Fatal[str, str] = Fatal(
        reason, (CompensationFailed("b", TimedOut(5.0)),), "b", in_doubt=("b",)
    )
    assert expected == run(saga, clock=ImpatientClock())
    assert [("undo", "a")] == world.back
    gate.set()
    join_calls()


def test_a_compensation_that_succeeds_late_has_succeeded() -> None:
    """A compensation that succeeds after its soft timeout has made up for its step."""
    world, clock = World(), VirtualClock()
    saga = plain(world, "a", during_back=slow(clock, 6), compensation_timeout=Soft(5.0)) >> plain(
        world, "b", answers=(no("no"),)
    )
    assert Compensated("no", "b") == run(saga, clock=clock)
    assert [("undo", "a")] == world.back


def test_a_compensation_has_no_timeout_by_default() -> None:
    """Neither the timeout of the step nor any other bounds its compensation."""
    world, clock = World(), VirtualClock()
    saga = plain(world, "a", timeout=Soft(1.0), during_back=slow(clock, 10_000)) >> plain(
        world, "b", answers=(no("no"),)
    )
    assert Compensated("no", "b") == run(saga, clock=clock)

    async def main() -> None:
        there = coroutine(
            world, "a", timeout=1.0, during=immediately, during_back=lambda: asyncio.sleep(10_000)
        )
        assert Compensated("no", "b") == await run_async(
            there >> coroutine(world, "b", answers=(no("no"),))
        )

    run_virtual(main())


# -- retries and pauses ---------------------------------------------------------------------------


def test_the_pauses_go_through_the_clock() -> None:
    """The pauses between attempts grow by the factor up to the cap, on the clock that was given."""
    clock = VirtualClock()
    retries = Retry(5, wait=1.0, factor=3.0, cap=10.0)
    outcome = run(
        plain(World(), "a", answers=(no("busy"),) * 6, retries=retries),
        clock=clock,
        dice=lambda: 0.999,
    )
    assert Compensated("busy", "a") == outcome
    assert [1.0, 3.0, 9.0, 10.0, 10.0] == clock.sleeps


def test_the_dice_shorten_the_pauses() -> None:
    """Each pause throws the dice once, there and back, which shorten it by up to the jitter."""
    clock, world = VirtualClock(), World()
    dice = iter([0.0, 0.5, 0.25])
    policy = Retry(2, wait=8.0, factor=1.0, jitter=0.5)
    saga = plain(world, "a", back=(no_way_back("later"),), compensation_retries=policy) >> plain(
        world, "b", answers=(no("busy"),) * 3, retries=policy
    )
    assert Compensated("busy", "b") == run(saga, clock=clock, dice=lambda: next(dice))
    assert [8.0, 6.0, 7.0] == clock.sleeps


def test_no_pause_without_a_wait() -> None:
    """Retries without a wait follow each other at once, and throw no dice."""
    clock = VirtualClock()

    def never() -> float:
        raise AssertionError

    saga = plain(World(), "a", answers=(no("busy"),) * 3, retries=3)
    assert Ok("a") == run(saga, clock=clock, dice=never)
    assert [] == clock.sleeps


def test_the_pauses_of_an_async_run_go_through_its_clock() -> None:
    """The pauses of `run_async` are those of `run`, on the loop's time."""

    async def main() -> float:
        retries = Retry(3, wait=1.0, factor=3.0, jitter=0.5)
        saga = coroutine(
            World(), "a", during=immediately, answers=(no("busy"),) * 3, retries=retries
        )
        assert value_of(await run_async(saga, dice=lambda: 0.5)) == "a"
        return asyncio.get_running_loop().time()

    assert run_virtual(main()) == pytest.approx(13.0 * 0.75)


def test_a_soft_timeout_is_of_one_attempt() -> None:
    """Each attempt has the whole timeout; attempts and pauses together may take longer."""
    world, clock = World(), VirtualClock()
    saga = plain(
        world,
        "a",
        during=slow(clock, 4),
        timeout=Soft(5.0),
        answers=(no("busy"), no("busy")),
        retries=Retry(2, wait=60.0),
    )
    assert Ok("a") == run(saga, clock=clock)
    assert 192 * SECOND == clock.now_ns()


# -- in run_async ---------------------------------------------------------------------------------


@pytest.mark.parametrize("timeout", [5.0, Soft(5.0)])
def test_an_async_call_is_cut(timeout: float | Soft) -> None:
    """Under asyncio every timeout cuts: the call is cancelled and awaited, then it is in doubt."""
    world = World()
    cleaned: list[float] = []

    async def hang() -> None:
        try:
            await for_ever()
        finally:
            await asyncio.sleep(2)
            cleaned.append(asyncio.get_running_loop().time())

    async def main() -> int:
        saga = coroutine(world, "a", during=immediately) >> coroutine(
            world, "b", during=hang, timeout=timeout
        )
        outcome = await run_async(saga >> coroutine(world, "c"))
        assert Compensated(TimedOut(5.0), "b", in_doubt=("b",)) == outcome
        task = asyncio.current_task()
        assert task is not None
        await asyncio.sleep(100)
        return task.cancelling()

    assert run_virtual(main()) == 0
    assert [pytest.approx(7.0)] == cleaned
    assert [("undo", "a")] == world.back


def test_an_async_call_that_was_cut_is_retried() -> None:
    """A cut attempt is made again with the same key, and settled if none succeeds."""
    world = World()

    async def main() -> float:
        saga = coroutine(
            world,
            "b",
            during=for_ever,
            timeout=5.0,
            retries=Retry(2, wait=1.0, factor=1.0),
            settle=True,
        )
        assert Compensated(TimedOut(5.0), "b") == await run_async(saga, run_id="r")
        return asyncio.get_running_loop().time()

    assert run_virtual(main()) == pytest.approx(18.0)  # 3 * 5 + 2 * 1, and one for the settle
    assert ["b", "b", "b"] == world.begun
    assert ["r/b/settle/0"] == world.keys


async def stubborn() -> None:
    """Hang until cut, and take no notice."""
    try:
        await for_ever()
    except asyncio.CancelledError:
        return


async def stubborn_and_slow() -> None:
    """Hang until cut, take no notice, and take two seconds more."""
    await stubborn()
    await asyncio.sleep(2)


@pytest.mark.parametrize("during", [stubborn, stubborn_and_slow])
def test_an_async_late_success(during: Callable[[], Any]) -> None:
    """A call that succeeds after its cut has succeeded late, and is the first compensated."""
    world = World()

    async def main() -> int:
        saga = coroutine(world, "a") >> coroutine(
            world, "b", during=during, timeout=5.0, settle=True, retries=2
        )
        outcome = await run_async(saga >> coroutine(world, "c"))
        assert Compensated(TimedOut(5.0), "b") == outcome
        assert [False, True] == lates(outcome)
        task = asyncio.current_task()
        assert task is not None
        await asyncio.sleep(100)
        return task.cancelling()

    assert run_virtual(main()) == 0
    assert ["a", "b"] == world.begun
    assert [("undo", "b"), ("undo", "a")] == world.back


@pytest.mark.parametrize("pivot", [True, False])
def test_an_async_late_success_that_cannot_be_undone(pivot: bool) -> None:
    """What cannot be undone and succeeds after its cut has succeeded, and the saga goes on."""
    world = World()

    async def main() -> int:
        saga = coroutine(world, "b", during=stubborn_and_slow, timeout=5.0, undo=False, pivot=pivot)
        outcome = await run_async(saga >> coroutine(world, "c"))
        assert Ok("c") == outcome
        assert [True, False] == lates(outcome)
        task = asyncio.current_task()
        assert task is not None
        return task.cancelling()

    assert run_virtual(main()) == 0


def test_an_async_late_failure() -> None:
    """A call that fails after it was cut has failed for its own reason, and is not in doubt."""
    world = World()
    saga = coroutine(world, "b", during=stubborn, timeout=5.0, answers=(no("no"),), settle=True)
    assert Compensated("no", "b") == run_virtual(run_async(saga))
    assert [] == world.back


def test_an_async_call_that_raises_when_it_is_cut() -> None:
    """A call that raises something else when it is cut has timed out."""

    async def grumble() -> None:
        try:
            await for_ever()
        except asyncio.CancelledError:
            raise ZeroDivisionError from None

    saga = coroutine(World(), "b", during=grumble, timeout=5.0)
    assert Compensated(TimedOut(5.0), "b", in_doubt=("b",)) == run_virtual(run_async(saga))


@pytest.mark.parametrize("timeout", [5.0, Soft(5.0)])
def test_an_async_compensation_hangs(timeout: float | Soft) -> None:
    """An async compensation is cut, retried, and has failed; the others are still called."""
    world = World()
    saga = (
        coroutine(world, "a")
        >> coroutine(
            world, "b", during_back=for_ever, compensation_timeout=timeout, compensation_retries=1
        )
        >> coroutine(world, "c", answers=(no("no"),))
    )
    outcome = run_virtual(run_async(saga, run_id="r"))
    assert Fatal("no", (CompensationFailed("b", TimedOut(5.0)),), "c") == outcome
    assert [("undo", "a")] == world.back
    assert ["r/b/compensate/1", "r/b/compensate/1", "r/a/compensate/1"] == world.keys


def test_an_async_compensation_that_succeeds_after_its_cut_has_succeeded() -> None:
    """A compensation that takes no notice of its cut and succeeds has made up for its step."""
    world = World()
    saga = coroutine(world, "a", during_back=stubborn, compensation_timeout=5.0) >> coroutine(
        world, "b", answers=(no("no"),)
    )
    assert Compensated("no", "b") == run_virtual(run_async(saga))
    assert [("undo", "a")] == world.back


def test_a_plain_step_of_an_async_run_with_a_hard_timeout(gate: threading.Event) -> None:
    """A plain step with a hard timeout does not hold the loop, and is given up in time."""
    world = World()

    async def main() -> float:
        saga = coroutine(world, "a", during=immediately) >> plain(
            world, "b", during=gate.wait, timeout=5.0, settle=True
        )
        assert Compensated(TimedOut(5.0), "b") == await run_async(saga)
        return asyncio.get_running_loop().time()

    assert run_virtual(main()) == pytest.approx(6.0)
    assert [("settle", "b"), ("undo", "a")] == world.back
    gate.set()
    join_calls()
    assert [] == threads_of_calls()


def test_a_prompt_plain_step_of_an_async_run_with_a_hard_timeout() -> None:
    """A plain step that answers in time wakes the loop, which goes on at once."""
    world, variable = World(), ContextVar("variable", default="unset")
    threads: list[threading.Thread] = []
    seen: list[str] = []

    def look() -> None:
        threads.append(threading.current_thread())
        seen.append(f"{variable.get()} {current_call().path}")

    async def main() -> str:
        variable.set("set by the caller")
        return value_of(
            await run_async(
                plain(world, "a", during=look, timeout=3600.0)
                >> coroutine(world, "b", during=immediately)
            )
        )

    assert asyncio.run(main()) == "b"
    assert ["set by the caller a"] == seen
    assert [True] == [thread is not threading.main_thread() for thread in threads]
    join_calls()


def test_a_plain_step_of_an_async_run_without_a_hard_timeout() -> None:
    """A plain step with a soft timeout or none stays on the thread of the loop."""
    threads: list[threading.Thread] = []

    def look() -> None:
        threads.append(threading.current_thread())

    saga = (
        plain(World(), "a", during=look)
        >> plain(World(), "b", during=look, timeout=None)
        >> coroutine(World(), "c")
    )
    assert Ok("c") == run_virtual(run_async(saga))
    assert [threading.current_thread()] * 2 == threads


def test_a_hard_timeout_of_a_plain_step_and_a_cancellation(gate: threading.Event) -> None:
    """A cancelled run does not wait for a call on another thread: it gives it up."""
    world = World()

    async def main() -> None:
        saga = coroutine(world, "a", during=immediately) >> plain(
            world, "b", during=gate.wait, timeout=60.0
        )
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(10):
                await run_async(saga)

    run_virtual(main())
    assert [("undo", "a")] == world.back
    gate.set()
    join_calls()


# -- the watchdog ---------------------------------------------------------------------------------


async def cut_after(seconds: float, *, begin: float = 0.0) -> float:
    """Run a saga that hangs; give the time at which it was cut."""
    await asyncio.sleep(begin)
    outcome = await run_async(coroutine(World(), "a", during=for_ever, timeout=seconds))
    assert Compensated(TimedOut(seconds), "a", in_doubt=("a",)) == outcome
    return asyncio.get_running_loop().time()


def test_many_runs_with_equal_timeouts() -> None:
    """Runs with equal timeouts are each cut at their own time, in the order of their begin."""

    async def main() -> list[float]:
        return await asyncio.gather(*(cut_after(5.0, begin=begin / 10) for begin in range(100)))

    times = run_virtual(main())
    assert [pytest.approx(5.0 + begin / 10) for begin in range(100)] == times


def test_many_runs_with_different_timeouts() -> None:
    """Runs with different timeouts are each cut at their own time."""
    seconds = [0.5 + (number * 37) % 100 / 10 for number in range(100)]

    async def main() -> list[float]:
        return await asyncio.gather(*(cut_after(each) for each in seconds))

    assert [pytest.approx(each) for each in seconds] == run_virtual(main())


def test_a_call_that_ended_in_time_cuts_no_other() -> None:
    """The timer of a call that has ended does not cut the next with the same timeout."""

    async def main() -> list[float]:
        await run_async(coroutine(World(), "a", during=lambda: asyncio.sleep(4), timeout=5.0))
        return [await cut_after(5.0), await cut_after(5.0)]

    assert [pytest.approx(9.0), pytest.approx(14.0)] == run_virtual(main())


def test_calls_in_time_among_calls_that_hang() -> None:
    """Of many concurrent calls with one timeout those that hang are cut, and no other."""

    async def one(number: int) -> str:
        takes = number / 10
        outcome = await run_async(
            coroutine(World(), f"s{number}", during=lambda: asyncio.sleep(takes), timeout=5.05)
        )
        return outcome.value if isinstance(outcome, Ok) else repr(outcome.reason)

    async def main() -> list[str]:
        return await asyncio.gather(*(one(number) for number in range(100)))

    expected = [f"s{number}" if number <= 50 else "TimedOut(seconds=5.05)" for number in range(100)]
    assert expected == run_virtual(main())


@pytest.mark.parametrize("begin", [7.8811644872522635, 1e-9, 0.1 + 0.2, 123_456.789_012_345])
@pytest.mark.parametrize("seconds", [8.285059714691135, 1e-9, 1 / 3, 86_400.000_000_001])
def test_no_rounding_of_time_keeps_a_call_from_being_cut(begin: float, seconds: float) -> None:
    """A call that hangs is cut, even at an instant that no float can name."""

    async def main() -> float:
        ticks = 0

        def count() -> None:
            nonlocal ticks
            ticks += 1
            if ticks > 1_000:
                raise SystemExit  # the one thing that ends a loop that spins
            asyncio.get_running_loop().call_soon(count)

        asyncio.get_running_loop().call_later(begin + seconds, count)
        return await cut_after(seconds, begin=begin)

    assert run_virtual(main()) == pytest.approx(begin + seconds)


def test_a_nested_call_is_cut_at_its_own_time() -> None:
    """A step inside a step is cut without the outer one being taken for cut, and vice versa."""

    async def inner(_: object) -> Answer:
        outcome = await run_async(coroutine(World(), "x", during=for_ever, timeout=3.0))
        assert Compensated(TimedOut(3.0), "x", in_doubt=("x",)) == outcome
        await for_ever()
        return Success("never")

    async def main() -> float:
        assert Compensated(TimedOut(8.0), "inner", in_doubt=("inner",)) == await run_async(
            AsyncStep(inner, timeout=8.0)
        )
        return asyncio.get_running_loop().time()

    assert run_virtual(main()) == pytest.approx(8.0)
