"""What is still owed at the end of a run, as a saga that can be run."""

from __future__ import annotations

from typing import Any, Never

import pytest
from returns.result import Failure, Result, Success

from sagalib import (
    AsyncStep,
    Compensated,
    CompensationFailed,
    Fatal,
    Irreversible,
    Ok,
    Raised,
    Retry,
    Saga,
    TimedOut,
    WrongColour,
    chain,
    current_call,
    fail,
    identity,
    run,
    simulate,
)
from tests.defects.colours import SYNC, Colour, World, both_colours, refuse


async def pass_on(value: str) -> Result[str, Never]:
    """Pass a value on."""
    return Success(value)


async def refuse_async(value: str) -> Result[None, str]:
    """Compensate nothing."""
    return Failure(f"no way back for {value}")


def test_run_refuses_what_an_async_run_owes() -> None:
    """The types of an outcome do not tell the mode: ``run`` does, before anything is called."""
    saga = AsyncStep(pass_on, refuse_async) >> fail("no")
    outcome = simulate(
        saga, "x", {"pass_on": [Success("x")], "pass_on:compensate": [Failure("no way back")]}
    )

    assert isinstance(outcome, Fatal)
    with pytest.raises(WrongColour, match="run_async"):
        run(outcome.residual)


def three(world: World, **undo: Any) -> Any:
    """Give three steps, of which some cannot be undone."""
    return chain([world.step(name, undo=undo.get(name)) for name in "abc"])


# ------------------------------------------------------------------ ok.compensation


@both_colours
def test_the_compensation_undoes_a_completed_saga(colour: Colour) -> None:
    """`ok.compensation` calls the compensations, last first, with the values of that run."""
    world = World(colour)
    ok: Any = colour.run(three(world), "x")
    world.calls.clear()

    assert Ok(None) == colour.run(ok.compensation)
    assert [("undo c", "x+a+b+c"), ("undo b", "x+a+b"), ("undo a", "x+a")] == world.calls


@both_colours
def test_the_compensation_goes_on_past_a_failure(colour: Colour) -> None:
    """A compensation that fails there makes it Fatal; the others are called."""
    world = World(colour)
    ok: Any = colour.run(three(world, b=Failure("jammed")), "x")
    world.calls.clear()

    outcome = colour.run(ok.compensation)

    assert isinstance(outcome, Fatal)
    assert (CompensationFailed("b", "jammed"),) == outcome.failures
    assert Raised("CompensationFailed", "the compensation of 'b' failed: 'jammed'") == (
        outcome.reason
    )
    assert ["undo c", "undo b", "undo a"] == world.names


def test_nothing_to_compensate_is_identity() -> None:
    """A saga without compensations has nothing to undo."""
    ok: Any = SYNC.run(SYNC.step(Success), "x")

    assert identity() == ok.compensation
    assert Ok(None) == run(ok.compensation)


@both_colours
def test_the_compensation_after_a_pivot_calls_nothing(colour: Colour) -> None:
    """After a completed pivot the compensation is Fatal, irreversible, and calls nothing."""
    world = World(colour)
    ok: Any = colour.run(world.step("a") >> world.step("p", pivot=True) >> world.step("b"), "x")
    world.calls.clear()

    outcome = colour.run(ok.compensation)

    message = "the pivot 'p' has completed: nothing at or before it is compensated"
    assert Fatal(Raised("Irreversible", message), (Irreversible("p"),), "p") == outcome
    assert [] == world.names


# ------------------------------------------------------------------ fatal.residual


@both_colours
def test_the_residual_is_what_failed(colour: Colour) -> None:
    """`fatal.residual` tries what failed again, last completed first, and nothing else."""
    world = World(colour)
    jammed = [Failure("jammed"), Failure("jammed"), Success(None), Success(None)]

    def undo(_: object) -> Any:
        return jammed.pop(0)

    saga = three(world, a=undo, c=undo) >> colour.step(refuse)
    fatal: Any = colour.run(saga, "x")
    world.calls.clear()

    assert ["c", "a"] == [failure.step for failure in fatal.failures]
    assert Ok(None) == colour.run(fatal.residual)
    assert [("undo c", "x+a+b+c"), ("undo a", "x+a")] == world.calls


@both_colours
def test_the_residual_of_a_residual_is_smaller(colour: Colour) -> None:
    """A residual that fails in part owes that part, with the paths of the first run."""
    world = World(colour)
    jammed = [Failure(1), Failure(2), Success(None), Failure(3), Success(None)]

    def undo(_: object) -> Any:
        return jammed.pop(0)

    saga = three(world, a=undo, c=undo) >> colour.step(refuse)
    fatal: Any = colour.run(saga, "x")
    again: Any = colour.run(fatal.residual)
    world.calls.clear()

    assert (CompensationFailed("a", 3),) == again.failures
    assert Ok(None) == colour.run(again.residual)
    assert ["undo a"] == world.names


@both_colours
def test_the_residual_after_a_stop_is_all_that_was_left(colour: Colour) -> None:
    """Under "stop" the residual has what failed and what was not reached, in their order."""
    world = World(colour)
    jammed = [Failure("jammed"), Success(None)]

    def undo(_: object) -> Any:
        return jammed.pop(0)

    saga = three(world, b=undo) >> colour.step(refuse)
    fatal: Any = colour.run(saga, "x", on_compensation_failure="stop")

    assert ["a", "b", "c", "undo c", "undo b"] == world.names
    world.calls.clear()
    assert Ok(None) == colour.run(fatal.residual)
    assert ["undo b", "undo a"] == world.names


@both_colours
def test_a_residual_can_be_stopped_too(colour: Colour) -> None:
    """Under "stop" a residual ends at its first failure and owes the rest."""
    world = World(colour)
    fatal: Any = colour.run(
        three(world, a=Failure(1), b=Failure(2), c=Failure(3)) >> colour.step(refuse), "x"
    )
    world.calls.clear()

    again: Any = colour.run(fatal.residual, on_compensation_failure="stop")

    assert ["undo c"] == world.names
    assert (CompensationFailed("c", 3),) == again.failures
    assert ["c", "b", "a"] == [
        failure.step for failure in getattr(colour.run(again.residual), "failures", ())
    ]


def test_a_failed_settle_is_owed() -> None:
    """A settle that failed is in the residual and its path in doubt, until it has worked."""
    world = World()
    jammed = [Failure("jammed"), Failure("jammed"), Success(None)]

    def settle(_: object) -> Any:
        return jammed.pop(0)

    saga = world.step("a") >> world.step("b", ValueError("lost"), settle=settle)
    fatal: Any = run(saga, "x")
    world.calls.clear()
    again: Any = run(fatal.residual)
    done: Any = run(again.residual)

    assert [("b",), ("b",), ()] == [outcome.in_doubt for outcome in (fatal, again, done)]
    assert [("settle b", "x+a"), ("settle b", "x+a")] == world.calls
    assert Ok(None) == done


def test_a_stop_at_a_settle_leaves_the_rest_owed() -> None:
    """Under "stop" a settle that failed ends the way back: it and all before it are owed."""
    world = World()
    lost = world.step("b", ValueError("lost"), settle=Failure("jammed"))

    fatal: Any = run(world.step("a") >> lost, "x", on_compensation_failure="stop")

    assert ["a", "b", "settle b"] == world.names
    assert ("b",) == fatal.in_doubt
    assert (CompensationFailed("b", "jammed"),) == fatal.failures
    assert [("b", "settle"), ("a", "compensate")] == calls_of(fatal.residual)


def calls_of(saga: Saga[None, None, Any, Any, Any]) -> list[tuple[str, str]]:
    """Give path and direction of the calls that a saga makes."""
    calls: list[tuple[str, str]] = []

    def answer(call: Any) -> Any:
        calls.append((call.path, call.direction))
        return Success(None)

    simulate(saga, None, answer)
    return calls


def test_a_doubt_that_was_not_settled_is_not_owed() -> None:
    """A step in doubt without a settle is in no residual."""
    world = World()
    saga = world.step("a", undo=Failure("jammed")) >> world.step("b", ValueError("lost"))

    fatal: Any = run(saga, "x")

    assert ("b",) == fatal.in_doubt
    assert [("a", "compensate")] == calls_of(fatal.residual)


def test_nothing_behind_a_pivot_is_owed() -> None:
    """What a completed pivot seals is not owed; a failed compensation above it is."""
    world = World()
    sealed = world.step("a") >> world.step("p", pivot=True)

    fatal: Any = run(sealed >> SYNC.step(refuse), "x")
    jammed: Any = run(sealed >> world.step("b", undo=Failure(1)) >> SYNC.step(refuse), "x")

    assert identity() == fatal.residual
    assert (CompensationFailed("b", 1), Irreversible("p")) == jammed.failures
    assert [("b", "compensate")] == calls_of(jammed.residual)


def test_each_owed_call_has_its_own_policy() -> None:
    """A residual retries as the step says; its keys go on counting those of the run that owes."""
    keys: list[str] = []
    answers = [Failure("jammed")] * 4 + [Success(None)]

    def undo(_: object) -> Any:
        keys.append(current_call().key)
        return answers.pop(0)

    a = SYNC.step(Success, undo, name="a", compensation_retries=Retry(1))
    fatal: Any = run(a >> SYNC.step(refuse), "x", run_id="first")
    again: Any = run(fatal.residual, run_id="second")
    done = run(again.residual, run_id="third")

    assert Ok(None) == done
    assert [
        "first/a/compensate/1",
        "first/a/compensate/2",
        "first/a/compensate/3",
        "first/a/compensate/4",
        "first/a/compensate/5",
    ] == keys


def test_what_is_owed_composes() -> None:
    """A residual is a saga like another: what follows it gets None, or is compensated with it."""
    world = World()
    jammed = [Failure("jammed"), Success(None)]

    def undo(_: object) -> Any:
        return jammed.pop(0)

    fatal: Any = run(world.step("a", undo=undo) >> SYNC.step(refuse), "x")

    assert Ok("None+b") == run(fatal.residual >> world.step("b"))


def test_names_tell_what_is_owed() -> None:
    """The sagas of the way back are named after the run's saga, however long its name is."""
    world = World()
    saga = three(world).named("n" * 200)
    ok: Any = run(saga, "x")
    fatal: Any = run((three(world, a=Failure(1)) >> SYNC.step(refuse)).named("order"), "x")
    again: Any = run(fatal.residual)

    assert "n" * 180 + ":compensation" == ok.compensation.name
    assert ["order:residual"] * 2 == [fatal.residual.name, again.residual.name]


def test_equal_paths_stay_apart() -> None:
    """Two steps of one name are owed under the paths that they had."""
    world = World()
    saga = chain([world.step("a", undo=Failure(1)) for _ in range(3)]) >> SYNC.step(refuse)
    fatal: Any = run(saga, "x")

    assert ("a", "a~2", "a~3", None) == fatal.residual.paths
    again: Any = run(fatal.residual)
    assert ["a~3", "a~2", "a"] == [failure.step for failure in again.failures]


@pytest.mark.parametrize("reason", [TimedOut(1), Raised("E", "x")])
def test_owed_calls_see_why_they_are_owed(reason: Any) -> None:
    """In every residual of a line the call knows the reason for which the first run failed."""
    reasons: list[object] = []

    def undo(_: object) -> Any:
        reasons.append(current_call().reason)
        return Failure("jammed")

    two = SYNC.step(Success, undo, name="a") >> SYNC.step(Success, undo, name="a")
    fatal: Any = simulate(two >> SYNC.step(refuse, name="b"), "x", {"b": [reason]})
    again: Any = run(fatal.residual)
    run(again.residual)

    assert [reason] * 6 == reasons


def test_what_a_longer_saga_owes_is_owed_for_its_own_reason() -> None:
    """A saga that ends in a residual and fails is no residual: its calls see why it failed."""
    reasons: list[object] = []

    def undo(_: object) -> Any:
        reasons.append(current_call().reason)
        return Failure("jammed")

    fatal: Any = run(SYNC.step(Success, undo, name="a") >> SYNC.step(refuse, name="b"), "x")
    longer: Any = run(SYNC.step(Success, undo, name="z") >> fatal.residual, "y")
    reasons.clear()
    run(longer.residual)

    jammed = Raised("CompensationFailed", "the compensation of 'a' failed: 'jammed'")
    assert [jammed, jammed] == reasons


def test_an_outcome_that_is_compensated_owes_nothing() -> None:
    """A clean outcome has neither residual nor compensation."""
    compensated = run(World().step("a") >> SYNC.step(refuse), "x")

    assert isinstance(compensated, Compensated)
    assert not hasattr(compensated, "residual")
    assert not hasattr(compensated, "compensation")
