"""Cases 1-15 and 89: a saga goes forward; what a definition may be."""

from __future__ import annotations

from typing import Any, Never

import pytest
from returns.result import Failure, Result, Success

from sagalib import (
    AsyncStep,
    Compensated,
    Event,
    InvalidOption,
    Ok,
    Raised,
    Step,
    arrow,
    async_stage,
    chain,
    fail,
    stage,
)
from sagalib.core.events import SagaStarted, StepOk
from tests.conformance.world import UNIT, AnySaga, Did, Settled, Undid, World, opened, story


def test_001_actions_happen_in_definition_order(world: World) -> None:
    """Steps run in the order of definition, the last value is the result, the log has every one."""
    saga = world.step("a") >> world.step("b") >> world.step("c") >> world.step("d")
    outcome = world.run(saga)
    assert Ok("D") == outcome
    assert [Did("a", "in"), Did("b", "A"), Did("c", "B"), Did("d", "C")] == world.calls
    values = [(event.path, event.value) for event in outcome.log if isinstance(event, StepOk)]
    assert [("a", "A"), ("b", "B"), ("c", "C"), ("d", "D")] == values


def test_002_a_stage_sees_the_earlier_results(world: World) -> None:
    """A stage gets the input and the results of all earlier stages, each in its place."""
    saga = world.step("a").keep() >> world.stage("b") >> world.stage("c")
    assert Ok(("in", "A", "B", "C")) == world.run(saga)
    assert [Did("a", "in"), Did("b", ("in", "A")), Did("c", ("in", "A", "B"))] == world.calls


def test_003_all_receive_the_run_argument(world: World) -> None:
    """Actions, compensations and observers get the very argument of the run."""
    argument = {"a": "b"}
    heard: list[Event] = []
    saga = opened() >> world.stage("a", context=True) >> world.stage("b", Failure("no"))
    outcome = world.run(saga, argument, observers=[heard.append])
    assert Compensated("no", "b") == outcome
    assert [
        Did("a", (argument,)),
        Did("b", (argument, "A")),
        Undid("a", (argument, "A")),
    ] == world.calls
    for call in world.calls:
        held: Any = call.value
        assert argument is held[0]
    assert isinstance(heard[0], SagaStarted)
    assert argument is heard[0].value
    assert outcome.log[0] == heard[0]


def test_004_a_saga_alone_calls_nothing(world: World) -> None:
    """Building, composing, mapping, comparing and showing sagas calls no action."""
    saga = (world.step("a") >> world.step("b")).map(str).keep().map_error(str).named("quiet")
    assert saga == saga.named("quiet")
    assert hash(saga) == hash(saga.named("quiet"))
    assert "quiet" in repr(saga)
    assert [] == world.calls


def test_005_map_changes_the_result_alone(world: World) -> None:
    """A saga mapped with `str` gives text, by the same calls."""
    assert Ok("1") == world.run(world.step("a", Success(1)).map(str))
    assert [Did("a", "in")] == world.calls


def test_006_an_inner_saga_is_undone_before_the_outer(world: World) -> None:
    """Steps of an inner saga run after those of the outer one, and are undone before them."""
    inner = world.step("inner 1") >> world.step("inner 2")
    saga = (world.step("outer") >> inner) >> world.step("last", Failure("no"))
    assert Compensated("no", "last") == world.run(saga)
    assert [
        Did("outer", "in"),
        Did("inner 1", "OUTER"),
        Did("inner 2", "INNER 1"),
        Did("last", "INNER 2"),
        Undid("inner 2", "INNER 2"),
        Undid("inner 1", "INNER 1"),
        Undid("outer", "OUTER"),
    ] == world.calls


def _one(_: object) -> int:
    return 1


def test_007_a_constant_owes_nothing(world: World) -> None:
    """After a constant, a failing step is the only one with something to do on the way back."""
    failing = world.step("a", Failure("no"), settle=Success(None), settle_on="failure")
    assert Compensated("no", "a") == world.run(arrow(_one) >> failing)
    assert [Did("a", 1), Settled("a", 1)] == world.calls


def test_008_a_failed_saga_starts_nothing(world: World) -> None:
    """After `fail(error)` no step starts, nothing is compensated, and the error is the reason."""
    outcome = world.run(fail("no") >> world.step("a"))
    assert Compensated("no", None) == outcome
    assert [] == world.calls
    assert ["saga_started", "compensating", "saga_compensated"] == story(outcome.log)


NOTHING: list[AnySaga] = []


@pytest.mark.parametrize("empty", [UNIT, chain(NOTHING)], ids=["identity", "chain"])
def test_009_a_saga_without_steps_gives_its_input(world: World, empty: AnySaga) -> None:
    """A saga of no steps is the identity: it goes through and gives the very value it got."""
    value = object()
    outcome = world.run(empty, value)
    assert Ok(value) == outcome
    assert ["saga_started", "saga_completed"] == story(outcome.log)


def test_010_equal_names_have_paths_of_their_own(world: World) -> None:
    """Steps of one name, next to each other and apart, run, and are told apart by their paths."""
    saga = chain([world.step(name) for name in ("a", "a", "b", "a")])
    outcome = world.run(saga >> world.step("c", Failure("no")))
    assert Compensated("no", "c") == outcome
    assert [
        "saga_started",
        "step_started a",
        "step_ok a",
        "step_started a~2",
        "step_ok a~2",
        "step_started b",
        "step_ok b",
        "step_started a~3",
        "step_ok a~3",
        "step_started c",
        "step_failed c",
        "compensating",
        "compensation_started a~3",
        "step_compensated a~3",
        "compensation_started b",
        "step_compensated b",
        "compensation_started a~2",
        "step_compensated a~2",
        "compensation_started a",
        "step_compensated a",
        "saga_compensated",
    ] == story(outcome.log)


def _plain(value: object) -> Result[object, Never]:
    return Success(value)


async def _coroutine(value: object) -> Result[object, Never]:
    return Success(value)


def test_011_a_tuple_is_no_name() -> None:
    """A step name is text: a tuple is refused at construction, with what came in the message."""
    name: Any = ("step", 1)
    with pytest.raises(InvalidOption, match=r"name must be text .*got \('step', 1\)"):
        Step(_plain, name=name)
    with pytest.raises(InvalidOption, match=r"name must be text .*got \('step', 1\)"):
        AsyncStep(_coroutine, name=name)


def test_012_a_name_may_stand_in_parent_and_sub_saga(world: World) -> None:
    """A sub-saga may use a name of its parent: both steps run, and both are undone."""
    inner = world.step("a", Success("inner")) >> world.step("b", Success("B"))
    saga = world.step("a", Success("outer")) >> inner >> world.step("c", Failure("no"))
    outcome = world.run(saga)
    assert Compensated("no", "c") == outcome
    assert [Undid("b", "B"), Undid("a", "inner"), Undid("a", "outer")] == world.calls[4:]
    undone = [line for line in story(outcome.log) if line.startswith("step_compensated")]
    assert ["step_compensated b", "step_compensated a~2", "step_compensated a"] == undone


def test_015_a_stage_without_its_input_does_nothing(world: World) -> None:
    """A stage whose context lacks an argument fails before its body; earlier ones are undone."""

    def wants_three(one: str, two: str, three: str) -> Result[str, Never]:
        raise AssertionError("it has no third argument")

    async def wants_three_too(one: str, two: str, three: str) -> Result[str, Never]:
        raise AssertionError("it has no third argument")

    # The types of the stages refuse this composition: hence Any.
    asking: Any = async_stage(wants_three_too) if world.is_async else stage(wants_three)
    outcome = world.run(world.step("a").keep() >> asking)
    assert isinstance(outcome, Compensated)
    assert isinstance(outcome.reason, Raised)
    assert "TypeError" == outcome.reason.kind
    assert "missing 1 required positional argument: 'three'" in outcome.reason.message
    assert [Did("a", "in"), Undid("a", "A")] == world.calls


def test_089_the_steps_of_a_finished_sub_saga_are_undone(world: World) -> None:
    """If a later step fails, a sub-saga that had succeeded is undone step by step, newest first."""
    inner = (world.step("x") >> world.step("y") >> world.step("z")).named("inner")
    saga = (inner >> world.step("later", Failure("no"))).named("outer")
    assert Compensated("no", "later") == world.run(saga)
    assert [Undid("z", "Z"), Undid("y", "Y"), Undid("x", "X")] == world.calls[4:]
