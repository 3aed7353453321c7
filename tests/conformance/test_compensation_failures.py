"""Cases 38-50: a compensation fails."""

from __future__ import annotations

import pytest
from returns.result import Failure, Success

from sagalib import (
    Compensated,
    CompensationFailed,
    Event,
    Fatal,
    Ok,
    Raised,
    Retry,
    RunFatal,
    StepStatus,
    status_of,
)
from tests.conformance.world import AnySaga, Did, Settled, Undid, World, story

BROKEN = Raised("OSError", "broken")


def _three(world: World, *undos: object) -> AnySaga:
    """Give steps a, b, c with these compensations, before a step d that fails."""
    done = (world.step(name, undo=undo) for name, undo in zip("abc", undos, strict=True))
    first, second, third = done
    return first >> second >> third >> world.step("d", Failure("no"))


FORWARD = [Did("a", "in"), Did("b", "A"), Did("c", "B"), Did("d", "C")]


def test_038_stop_ends_the_way_back_at_the_first_failed_compensation(world: World) -> None:
    """Under `stop`, nothing is compensated after a compensation that raised, and it is reported."""
    saga = _three(world, Success(None), OSError("broken"), Success(None))
    outcome = world.run(saga, on_compensation_failure="stop")
    assert Fatal("no", (CompensationFailed("b", BROKEN),), "d") == outcome
    assert [*FORWARD, Undid("c", "C"), Undid("b", "B")] == world.calls


def test_039_continue_compensates_the_others_all_the_same(world: World) -> None:
    """By default, the steps before one whose compensation raised are compensated all the same."""
    outcome = world.run(_three(world, Success(None), OSError("broken"), Success(None)))
    assert Fatal("no", (CompensationFailed("b", BROKEN),), "d") == outcome
    assert [*FORWARD, Undid("c", "C"), Undid("b", "B"), Undid("a", "A")] == world.calls


def test_040_the_original_error_comes_first(world: World) -> None:
    """The outcome holds both errors: the original as the reason, the compensation's beside it."""
    original = ValueError("original")
    saga = world.step("a", undo=OSError("broken")) >> world.step("b", original)
    outcome = world.run(saga)
    reason, failures = Raised("ValueError", "original"), (CompensationFailed("a", BROKEN),)
    assert Fatal(reason, failures, "b", in_doubt=("b",)) == outcome
    with pytest.raises(RunFatal, match=r"original.*broken") as told:
        outcome.unwrap()
    assert original is told.value.__cause__


def test_041_results_are_reported_in_compensation_order(world: World) -> None:
    """If two compensations fail and one between them works, that is reported as it happened."""
    outcome = world.run(_three(world, Failure("last"), Success(None), Failure("first")))
    failures = (CompensationFailed("c", "first"), CompensationFailed("a", "last"))
    assert Fatal("no", failures, "d") == outcome
    assert [
        "compensating",
        "compensation_started c",
        "compensation_failed c",
        "compensation_started b",
        "step_compensated b",
        "compensation_started a",
        "compensation_failed a",
        "saga_fatal",
    ] == story(outcome.log)[9:]


def test_042_all_failed_compensations_are_reported_in_order(world: World) -> None:
    """If all compensations fail, all their errors are reported, in the order of compensation."""
    outcome = world.run(_three(world, Failure("3rd"), OSError("broken"), Failure("1st")))
    failures = (
        CompensationFailed("c", "1st"),
        CompensationFailed("b", BROKEN),
        CompensationFailed("a", "3rd"),
    )
    assert Fatal("no", failures, "d") == outcome
    assert [*FORWARD, Undid("c", "C"), Undid("b", "B"), Undid("a", "A")] == world.calls


@pytest.mark.parametrize(("answer", "came"), [((None,), "NoneType"), (42, "int")])
def test_043_a_compensation_must_return_a_result(world: World, answer: object, came: str) -> None:
    """A compensation that returns no Result counts as failed, by an error that names the step."""
    outcome = world.run(_three(world, Success(None), answer, Success(None)))
    assert isinstance(outcome, Fatal)
    (failure,) = outcome.failures
    assert isinstance(failure, CompensationFailed)
    assert "b" == failure.step
    assert isinstance(failure.reason, Raised)
    assert (
        "NotAResult",
        f"compensate of step 'b' must return Success(...) or Failure(...), and returned {came}",
    ) == (failure.reason.kind, failure.reason.message.partition(":")[0])
    assert [*FORWARD, Undid("c", "C"), Undid("b", "B"), Undid("a", "A")] == world.calls


@pytest.mark.parametrize(
    "answer", [Failure("refused"), OSError("broken"), "malformed"], ids=["fails", "raises", "other"]
)
def test_044_the_residual_is_what_is_still_to_do(world: World, answer: object) -> None:
    """After `stop` the residual makes the calls still to do, the failed compensation's first."""
    saga = _three(world, Success(None), (answer, Success(None)), Success(None))
    outcome = world.run(saga, on_compensation_failure="stop")
    assert isinstance(outcome, Fatal)
    assert ["b"] == [failure.step for failure in outcome.failures]
    assert [*FORWARD, Undid("c", "C"), Undid("b", "B")] == world.calls
    world.calls.clear()
    assert Ok(None) == world.run(outcome.residual, None)
    assert [Undid("b", "B"), Undid("a", "A")] == world.calls


def test_044_the_residual_of_an_exit_in_a_compensation(world: World) -> None:
    """A compensation that exits twice has failed: the way back goes on, and it stays owed."""
    leaving = SystemExit("leaving")
    saga = _three(world, Success(None), (leaving, leaving, Success(None)), Success(None))
    passed, outcome = world.interrupted(saga)
    assert leaving is passed
    assert isinstance(outcome, Fatal)
    assert ("no", "d", ["b"]) == (
        outcome.reason,
        outcome.step,
        [failure.step for failure in outcome.failures],
    )
    assert [
        *FORWARD,
        Undid("c", "C"),
        Undid("b", "B"),
        Undid("b", "B"),
        Undid("a", "A"),
    ] == world.calls
    world.calls.clear()
    assert Ok(None) == world.run(outcome.residual, None)
    assert [Undid("b", "B")] == world.calls


def test_046_a_compensation_is_retried_and_the_way_back_goes_on(world: World) -> None:
    """A compensation that fails twice and has two retries is called three times, then the next."""
    undo = (Failure("busy"), OSError("broken"), Success(None))
    saga = world.step("a") >> world.step("b", undo=undo, compensation_retries=2)
    assert Compensated("no", "c") == world.run(saga >> world.step("c", Failure("no")))
    assert [
        Undid("b", "B"),
        Undid("b", "B"),
        Undid("b", "B"),
        Undid("a", "A"),
    ] == world.calls[3:]


def test_047_a_compensation_stops_at_its_limit(world: World) -> None:
    """A compensation that never works stops at its limit, with its last error, and is recorded."""
    undo = (Failure("1st"), Failure("2nd"), Failure("3rd"), Success(None))
    saga = world.step("a") >> world.step("b", undo=undo, compensation_retries=Retry(2))
    outcome = world.run(saga >> world.step("c", Failure("no")))
    assert Fatal("no", (CompensationFailed("b", "3rd"),), "c") == outcome
    assert [
        Undid("b", "B"),
        Undid("b", "B"),
        Undid("b", "B"),
        Undid("a", "A"),
    ] == world.calls[3:]
    assert "compensation_failed b" == story(outcome.log)[-4]


def test_048_a_limit_of_one_makes_two_calls(world: World) -> None:
    """A compensation with one retry that always fails is called exactly twice; a settle too."""
    saga = world.step("a", undo=Failure("never"), compensation_retries=1) >> world.step(
        "b", OSError("broken"), settle=Failure("neither"), compensation_retries=1
    )
    failures = (CompensationFailed("b", "neither"), CompensationFailed("a", "never"))
    assert Fatal(BROKEN, failures, "b", in_doubt=("b",)) == world.run(saga)
    assert [
        Settled("b", "A"),
        Settled("b", "A"),
        Undid("a", "A"),
        Undid("a", "A"),
    ] == world.calls[2:]


def test_049_the_status_of_a_stuck_saga_says_where_each_step_stands(world: World) -> None:
    """In a stuck saga the status tells failed, owed, compensated and standing steps apart."""
    saga = _three(world, Success(None), Failure("stuck"), Success(None))
    status = status_of(world.run(saga, on_compensation_failure="stop").log)
    assert [
        ("a", StepStatus("done", 1)),
        ("b", StepStatus("owed", 1)),
        ("c", StepStatus("compensated", 1)),
        ("d", StepStatus("failed", 1)),
    ] == list(status.steps.items())
    assert ("fatal", "no", ("a", "b")) == (status.state, status.reason, status.completed)


@pytest.mark.parametrize("policy", ["continue", "stop"])
def test_050_observers_hear_the_end_of_a_fatal_run(world: World, policy: str) -> None:
    """If a compensation failed, observers are told of the end all the same, once and last."""
    heard: list[Event] = []
    saga = _three(world, Success(None), Failure("stuck"), Success(None))
    if policy == "stop":
        outcome = world.run(saga, observers=[heard.append], on_compensation_failure="stop")
    else:
        outcome = world.run(saga, observers=[heard.append])
    assert Fatal("no", (CompensationFailed("b", "stuck"),), "d") == outcome
    ends = {"saga_completed", "saga_compensated", "saga_fatal"}
    last = len(heard) - 1
    assert [(last, "saga_fatal")] == [
        (at, event.kind) for at, event in enumerate(heard) if event.kind in ends
    ]
