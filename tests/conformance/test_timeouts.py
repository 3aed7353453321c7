"""Cases 94-100: timeouts and cancellation."""

from __future__ import annotations

import asyncio

import pytest
from returns.result import Failure, Success

from sagalib import Cancelled, Compensated, Ok, Soft, TimedOut, current_call
from tests.conformance.world import (
    HANG,
    INTERRUPT,
    PLAIN_MODES,
    Did,
    Settled,
    Takes,
    Undid,
    World,
)


def test_094_a_call_that_takes_too_long_times_out(world: World) -> None:
    """A call past its timeout fails in doubt, with step and limit; earlier steps are undone."""
    saga = world.step("a") >> world.step("b", HANG, timeout=0.01) >> world.step("c")
    assert Compensated(TimedOut(0.01), "b", in_doubt=("b",)) == world.run(saga)
    assert [Did("a", "in"), Did("b", "A"), Undid("a", "A")] == world.calls


def test_094_a_call_that_timed_out_is_settled(world: World) -> None:
    """A step with a settle leaves no doubt when it times out: it is settled before the others."""
    saga = world.step("a") >> world.step("b", HANG, timeout=0.01, settle=Success(None))
    assert Compensated(TimedOut(0.01), "b") == world.run(saga)
    assert [Did("a", "in"), Did("b", "A"), Settled("b", "A"), Undid("a", "A")] == world.calls


@pytest.mark.parametrize("world", PLAIN_MODES, indirect=True)
def test_094_a_late_success_of_a_plain_function_is_undone_itself(world: World) -> None:
    """A plain function that succeeds after its soft timeout is the first to be compensated."""
    late = world.step("b", Takes(0.02, Success("B")), timeout=Soft(0.01))
    assert Compensated(TimedOut(0.01), "b") == world.run(world.step("a") >> late)
    assert [Did("a", "in"), Did("b", "A"), Undid("b", "B"), Undid("a", "A")] == world.calls


@pytest.mark.parametrize("world", ["run_async"], indirect=True)
def test_094_asyncio_cuts_a_soft_timeout(world: World) -> None:
    """Under asyncio a soft timeout of a coroutine function cuts the call, which is in doubt."""
    late = world.step("b", Takes(0.02, Success("B")), timeout=Soft(0.01))
    assert Compensated(TimedOut(0.01), "b", in_doubt=("b",)) == world.run(world.step("a") >> late)
    assert [Did("a", "in"), Did("b", "A"), Undid("a", "A")] == world.calls


def test_095_the_clock_of_a_timeout_starts_with_its_call(world: World) -> None:
    """What earlier steps took does not count towards a timeout, nor does it lengthen it."""
    slow = world.step("slow", Takes(0.1, Success("S")), timeout=None)
    in_time = world.step("in time", Takes(0.02, Success("T")), timeout=Soft(0.03))
    assert Ok("T") == world.run(slow >> in_time)
    assert [Did("slow", "in"), Did("in time", "S")] == world.calls
    world.calls.clear()
    hanging = world.step("hanging", HANG, timeout=0.03)
    outcome = world.run(slow >> hanging)
    assert Compensated(TimedOut(0.03), "hanging", in_doubt=("hanging",)) == outcome
    assert [Did("slow", "in"), Did("hanging", "S"), Undid("slow", "S")] == world.calls
    started, failed = (
        event.at_ns or 0
        for event in outcome.log
        if getattr(event, "path", "") == "hanging" and event.kind in {"step_started", "step_failed"}
    )
    assert 0.03 == (failed - started) / 1e9


def test_096_a_timeout_is_of_one_attempt(world: World) -> None:
    """Three attempts that are each in time may take longer than the timeout together."""
    answers = (Takes(0.02, Failure(1)), Takes(0.02, Failure(2)), Takes(0.02, Success("A")))
    assert Ok("A") == world.run(world.step("a", *answers, retries=2, timeout=Soft(0.03)))
    assert [Did("a", "in")] * 3 == world.calls


def test_096_a_timeout_is_retried(world: World) -> None:
    """A call that timed out uses a retry; a definite answer of the next ends the doubt."""
    step = world.step("a", HANG, Success("A"), retries=1, timeout=0.03)
    assert Ok("B", in_doubt=()) == world.run(step >> world.step("b"))
    assert [Did("a", "in"), Did("a", "in"), Did("b", "A")] == world.calls


def test_099_an_interrupted_action_is_compensated_before_it_passes(world: World) -> None:
    """Completed steps are compensated before the interrupt of an action is raised again, itself."""
    saga = world.step("a") >> world.step("b") >> world.step("c", INTERRUPT) >> world.step("d")
    passed, outcome = world.interrupted(saga)
    assert [passed] == world.interrupts
    assert passed is world.interrupts[0]
    assert Compensated(Cancelled(), "c", in_doubt=("c",)) == outcome
    assert [
        Did("a", "in"),
        Did("b", "A"),
        Did("c", "B"),
        Undid("b", "B"),
        Undid("a", "A"),
    ] == world.calls


@pytest.mark.parametrize("world", PLAIN_MODES, indirect=True)
def test_100_an_interrupted_compensation_is_called_again(world: World) -> None:
    """An interrupted compensation of a plain step is called again, with its key; others follow."""
    keys: list[str] = []

    def noting(answer: object) -> object:
        def note(_: object) -> object:
            keys.append(current_call().key)
            return answer

        return note

    saga = (
        world.step("a", undo=noting(Success(None)))
        >> world.step("b", undo=(noting(INTERRUPT), noting(Success(None))))
        >> world.step("c", Failure("no"))
    )
    passed, outcome = world.interrupted(saga, run_id="r")
    assert passed is world.interrupts[0]
    assert Compensated("no", "c") == outcome
    assert [Undid("b", "B"), Undid("b", "B"), Undid("a", "A")] == world.calls[3:]
    assert ["r/b/compensate/1", "r/b/compensate/1", "r/a/compensate/1"] == keys


@pytest.mark.parametrize("world", ["run_async"], indirect=True)
def test_100_compensations_finish_before_a_cancellation_passes(world: World) -> None:
    """If the task is cancelled during a compensation, all compensations finish before it passes."""
    saga = world.step("a") >> world.step("b", undo=INTERRUPT) >> world.step("c", Failure("no"))
    passed, outcome = world.interrupted(saga)
    assert isinstance(passed, asyncio.CancelledError)
    assert Compensated("no", "c") == outcome
    assert [Undid("b", "B"), Undid("a", "A")] == world.calls[3:]
    assert [] == world.interrupts
