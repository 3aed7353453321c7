"""`simulate`: a saga that is answered from a script."""

from __future__ import annotations

from typing import Any

import pytest
from returns.result import Failure, Success

from sagalib import (
    Cancel,
    Cancelled,
    Compensated,
    CompensationFailed,
    Fatal,
    Late,
    Ok,
    Outcome,
    Raised,
    Refused,
    Retry,
    Step,
    TimedOut,
    Unknown,
    current_call,
    simulate,
)
from tests.defects.colours import ASYNC, SYNC, AnySaga, World, pass_on


def place(world: World) -> AnySaga:
    """Give three steps that note their calls."""
    return world.step("a") >> world.step("b", retries=1) >> world.step("c")


def test_without_a_script_the_steps_are_called() -> None:
    """A simulation without faults calls every step of plain functions."""
    world = World()

    assert Ok("x+a+b+c") == simulate(place(world), "x")
    assert ["a", "b", "c"] == world.names


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        (Failure("no"), Compensated("no", "c")),
        (TimedOut(5), Compensated(TimedOut(5), "c", in_doubt=("c",))),
        (Raised("E", "x"), Compensated(Raised("E", "x"), "c", in_doubt=("c",))),
        (Cancelled(), Compensated(Cancelled(), "c", in_doubt=("c",))),
        (KeyError("k"), Compensated(Raised("KeyError", "'k'"), "c", in_doubt=("c",))),
        (Unknown(TimedOut(5)), Compensated(TimedOut(5), "c", in_doubt=("c",))),
        (Late("late"), Compensated(TimedOut(30), "c")),
        (Refused(Raised("Busy", "")), Compensated(Raised("Busy", ""), "c")),
        (Cancel(), Compensated(Cancelled())),
        (Success("given"), Ok("given")),
    ],
    ids=lambda value: type(value).__name__,
)
def test_the_answers_of_a_script(answer: Any, outcome: Outcome[Any, Any, Any]) -> None:
    """Each kind of answer stands for what a driver may see."""
    world = World()

    assert outcome == simulate(place(world), "x", {"c": [answer]})
    undone = [] if isinstance(outcome, Ok) else ["undo b", "undo a"]
    late = ["undo c"] if isinstance(answer, Late) else []
    assert ["a", "b", *late, *undone] == world.names


def test_a_script_has_one_answer_for_each_call() -> None:
    """Answers are used up in order; when none is left the step itself is called."""
    world = World()

    assert Ok("x+a+b+c") == simulate(place(world), "x", {"b": [Failure("busy")]})
    assert ["a", "b", "c"] == world.names


def test_the_way_back_is_scripted_apart() -> None:
    """Answers for compensate and settle stand under the path and the direction."""
    world = World()
    saga = world.step("a") >> world.step("b", settle=Success(None))
    script: dict[str, list[Any]] = {
        "b": [TimedOut(1)],
        "b:settle": [Failure("unknown to us")],
        "a:compensate": [TimedOut(2)],
    }

    assert (
        Fatal(
            TimedOut(1),
            (CompensationFailed("b", "unknown to us"), CompensationFailed("a", TimedOut(2))),
            "b",
            in_doubt=("b",),
        )
    ) == simulate(saga, "x", script)
    assert ["a"] == world.names


def test_a_script_is_a_function_of_the_call() -> None:
    """A function sees each call; with None it leaves the call to the step."""
    world = World()
    seen: list[tuple[str, str, int]] = []

    def answer(call: Any) -> Any:
        seen.append((call.path, call.direction, call.attempt))
        return Failure("busy") if "b" == call.path and "execute" == call.direction else None

    assert Compensated("busy", "b") == simulate(place(world), "x", answer)
    assert [
        ("a", "execute", 1),
        ("b", "execute", 1),
        ("b", "execute", 2),
        ("a", "compensate", 1),
    ] == seen
    assert ["a", "undo a"] == world.names


def test_a_script_is_not_used_up() -> None:
    """The same script gives the same outcome again: it is read, not written."""
    script: dict[str, list[Any]] = {"c": [Failure("no")]}

    first, second = (simulate(place(World()), "x", script) for _ in range(2))

    assert Compensated("no", "c") == first
    assert first == second
    assert {"c": [Failure("no")]} == script


def test_pauses_take_no_time() -> None:
    """A simulation does not wait."""
    patient = Step(pass_on, name="a", retries=Retry(3, wait=3600))

    assert Ok("x") == simulate(patient, "x", {"a": [Failure(1), Failure(2), Failure(3)]})


def test_an_own_function_that_raises_is_in_doubt() -> None:
    """A step that is called and raises is in doubt, as in a run."""
    world = World()

    assert Compensated(Raised("ValueError", "no"), "a", in_doubt=("a",)) == simulate(
        world.step("a", ValueError("no")), "x"
    )


def test_own_functions_have_their_call() -> None:
    """`current_call()` works in the functions that a simulation calls."""
    keys: list[str] = []

    def execute(value: Any) -> Any:
        call = current_call()
        keys.append(call.key)
        assert call.deadline is None or 30_000_000_000 == call.deadline
        return Success(value)

    simulate(SYNC.step(execute, name="a"), "x")
    simulate(SYNC.step(execute, name="a"), "x", run_id="order:7")

    assert ["simulated/a/execute/0", "order:7/a/execute/0"] == keys


def test_async_steps_are_answered() -> None:
    """A saga with async steps is simulated without an event loop, from its script."""
    saga = ASYNC.step(pass_on, pass_on, name="a") >> ASYNC.step(pass_on, name="b")
    script: dict[str, list[Any]] = {
        "a": [Success("y")],
        "b": [Failure("no")],
        "a:compensate": [Success(None)],
    }

    assert Compensated("no", "b") == simulate(saga, "x", script)


def test_a_simulation_may_stop_at_the_first_failed_compensation() -> None:
    """`on_compensation_failure="stop"` ends the way back, as in a run."""
    world = World()
    saga = world.step("a") >> world.step("b", undo=Failure(1)) >> world.step("c", Failure("no"))

    outcome = simulate(saga, "x", {}, on_compensation_failure="stop")

    assert Fatal("no", (CompensationFailed("b", 1),), "c") == outcome
    assert ["a", "b", "c", "undo b"] == world.names
