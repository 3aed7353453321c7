"""Cases 18-37: a step fails, and what had completed is compensated."""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from returns.result import Failure, Success

from sagalib import Cancelled, Compensated, Raised, RunCompensated, chain, current_call
from tests.conformance.world import MODES, Did, Mode, Settled, Undid, World, opened, story


def test_018_completed_steps_are_compensated_in_reverse(world: World) -> None:
    """If the third step returns an error, the second is compensated, then the first."""
    saga = world.step("a") >> world.step("b") >> world.step("c", Failure("no"))
    outcome = world.run(saga)
    assert Compensated("no", "c") == outcome
    assert [
        Did("a", "in"),
        Did("b", "A"),
        Did("c", "B"),
        Undid("b", "B"),
        Undid("a", "A"),
    ] == world.calls
    assert [
        "saga_started",
        "step_started a",
        "step_ok a",
        "step_started b",
        "step_ok b",
        "step_started c",
        "step_failed c",
        "compensating",
        "compensation_started b",
        "step_compensated b",
        "compensation_started a",
        "step_compensated a",
        "saga_compensated",
    ] == story(outcome.log)


@pytest.mark.parametrize("mode", MODES)
@given(before=st.integers(0, 20), after=st.integers(0, 3))
def test_019_any_number_of_steps_is_compensated(mode: Mode, before: int, after: int) -> None:
    """Of any number of completed steps each is compensated once, in reverse, and no other."""
    world = World(mode)
    names = [f"s{number}" for number in range(before)]
    done = chain([world.step(name, Success(name)) for name in names])
    rest = chain([world.step(f"r{number}") for number in range(after)])
    assert Compensated("no", "bad") == world.run(done >> world.step("bad", Failure("no")) >> rest)
    values = ["in", *names]
    forward = [Did(name, value) for name, value in zip([*names, "bad"], values, strict=True)]
    assert [*forward, *(Undid(name, name) for name in reversed(names))] == world.calls


def test_020_steps_after_the_failing_one_never_start(world: World) -> None:
    """Steps after the failing one are neither executed nor compensated."""
    saga = world.step("a") >> world.step("b", Failure("no")) >> world.step("c") >> world.step("d")
    assert Compensated("no", "b") == world.run(saga)
    assert [Did("a", "in"), Did("b", "A"), Undid("a", "A")] == world.calls


def test_021_a_failing_first_step_has_nothing_before_it(world: World) -> None:
    """If the first step fails, nothing is compensated."""
    saga = world.step("a", Failure("no")) >> world.step("b")
    assert Compensated("no", "a") == world.run(saga)
    assert [Did("a", "in")] == world.calls


def test_022_the_failing_step_is_not_compensated_itself(world: World) -> None:
    """A step that returned an error is neither compensated nor settled: nothing happened."""
    failing = world.step("b", Failure("no"), undo=Success(None), settle=Success(None))
    saga = world.step("a") >> failing
    assert Compensated("no", "b") == world.run(saga)
    assert [Did("a", "in"), Did("b", "A"), Undid("a", "A")] == world.calls


def test_023_settle_on_failure_runs_for_the_failing_step_first(world: World) -> None:
    """A step with `settle_on="failure"` that fails is settled, before earlier ones are undone."""
    failing = world.step("b", Failure("no"), settle=Success(None), settle_on="failure")
    assert Compensated("no", "b") == world.run(world.step("a") >> failing)
    assert [Did("a", "in"), Did("b", "A"), Settled("b", "A"), Undid("a", "A")] == world.calls


def test_024_settle_on_failure_does_not_run_for_a_step_that_went_well(world: World) -> None:
    """A step with `settle_on="failure"` that succeeded is not settled when a later step fails."""
    fine = world.step("b", undo=None, settle=Success(None), settle_on="failure")
    saga = world.step("a") >> fine >> world.step("c", Failure("no"))
    assert Compensated("no", "c") == world.run(saga)
    assert [Did("a", "in"), Did("b", "A"), Did("c", "B"), Undid("a", "A")] == world.calls


def test_025_a_compensation_runs_in_its_turn(world: World) -> None:
    """A step with both ways back that succeeded is compensated in its turn, and not settled."""
    both = world.step("b", settle=Success(None), settle_on="failure")
    saga = world.step("a") >> both >> world.step("c") >> world.step("d", Failure("no"))
    assert Compensated("no", "d") == world.run(saga)
    assert [Undid("c", "C"), Undid("b", "B"), Undid("a", "A")] == world.calls[4:]


@pytest.mark.parametrize(
    ("answer", "reason", "in_doubt"),
    [
        (Failure("no"), "no", ()),
        (OSError("broken"), Raised("OSError", "broken"), ("b",)),
    ],
    ids=["returned", "raised"],
)
def test_026_a_compensation_does_not_run_for_the_step_that_failed(
    world: World, answer: object, reason: object, in_doubt: tuple[str, ...]
) -> None:
    """A compensation does not run for a step that did not end well, not even in doubt."""
    saga = world.step("a") >> world.step("b", answer)
    assert Compensated(reason, "b", in_doubt=in_doubt) == world.run(saga)
    assert [Did("a", "in"), Did("b", "A"), Undid("a", "A")] == world.calls


def test_027_the_way_back_knows_how_its_step_ended(world: World) -> None:
    """Settle can read the failure of its step, and compensate gets the value of its step."""
    reasons: list[tuple[str, object]] = []

    def noting(_: object) -> object:
        reasons.append((current_call().path, current_call().reason))
        return Success(None)

    failing = world.step("b", Failure("no"), settle=noting, settle_on="failure")
    assert Compensated("no", "b") == world.run(world.step("a", undo=noting) >> failing)
    assert [Settled("b", "A"), Undid("a", "A")] == world.calls[2:]
    assert [("b", "no"), ("a", "no")] == reasons


def test_028_a_compensation_gets_the_very_value_of_its_step(world: World) -> None:
    """The compensation gets the object that its step gave, whatever was mapped on the way."""
    payment = ["payment-123"]
    pay = world.step("pay", Success(payment)).map(len)
    assert Compensated("no", "ship") == world.run(pay >> world.step("ship", Failure("no")))
    assert [Did("pay", "in"), Did("ship", 1), Undid("pay", payment)] == world.calls
    assert payment is world.calls[2].value


def test_029_each_compensation_sees_what_its_step_saw(world: World) -> None:
    """Compensations of stages see the context of their stage, which shrinks on the way back."""
    saga = (
        opened()
        >> world.stage("a", context=True)
        >> world.stage("b", context=True)
        >> world.stage("c", Failure("no"), context=True, settle=Success(None), settle_on="failure")
    )
    assert Compensated("no", "c") == world.run(saga)
    assert [
        Settled("c", ("in", "A", "B")),
        Undid("b", ("in", "A", "B")),
        Undid("a", ("in", "A")),
    ] == world.calls[3:]


def test_030_a_step_without_compensation_is_passed_over(world: World) -> None:
    """A step with nothing to undo is passed over on the way back, and changes no outcome."""
    saga = (
        world.step("a")
        >> world.step("b", undo=None)
        >> world.step("c")
        >> world.step("d", Failure("no"))
    )
    assert Compensated("no", "d") == world.run(saga)
    assert [Undid("c", "C"), Undid("a", "A")] == world.calls[4:]


def test_032_a_raised_exception_is_reported_itself(world: World) -> None:
    """If a step raises, earlier ones are compensated, and the same exception is reported."""
    error = ValueError("boom")
    outcome = world.run(world.step("a") >> world.step("b", error))
    assert Compensated(Raised("ValueError", "boom"), "b", in_doubt=("b",)) == outcome
    assert [Did("a", "in"), Did("b", "A"), Undid("a", "A")] == world.calls
    assert isinstance(outcome, Compensated)
    assert isinstance(outcome.reason, Raised)
    assert error is outcome.reason.exception
    with pytest.raises(RunCompensated) as told:
        outcome.unwrap()
    assert error is told.value.__cause__
    assert outcome is told.value.outcome


def _wrong(_: object) -> object:
    wrong: Any = 1
    return wrong + "1"


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (_wrong, "TypeError"),
        (ExceptionGroup("two", [ValueError("one"), KeyError("two")]), "ExceptionGroup"),
        (TimeoutError("mine, not the library's"), "TimeoutError"),
    ],
)
def test_033_any_exception_turns_the_saga_back(world: World, answer: object, kind: str) -> None:
    """An exception of any class, a mistake in user code too, is a failure in doubt."""
    outcome = world.run(world.step("a") >> world.step("b", answer))
    assert isinstance(outcome, Compensated)
    assert isinstance(outcome.reason, Raised)
    assert (kind, "b", ("b",)) == (outcome.reason.kind, outcome.step, outcome.in_doubt)
    assert [Did("a", "in"), Did("b", "A"), Undid("a", "A")] == world.calls


class _Foreign(BaseException):
    """An exception that is no Exception."""


@pytest.mark.parametrize("make", [KeyboardInterrupt, SystemExit, GeneratorExit, _Foreign])
def test_033_what_is_no_exception_passes_after_the_compensations(
    world: World, make: Callable[[], BaseException]
) -> None:
    """What is no Exception is raised again, itself, once completed steps are compensated."""
    interrupt = make()
    passed, outcome = world.interrupted(
        world.step("a") >> world.step("b", interrupt) >> world.step("c")
    )
    assert interrupt is passed
    assert Compensated(Cancelled(), "b", in_doubt=("b",)) == outcome
    assert [Did("a", "in"), Did("b", "A"), Undid("a", "A")] == world.calls


@pytest.mark.parametrize(("answer", "came"), [(None, "NoneType"), (42, "int"), ({"ok": 1}, "dict")])
def test_034_a_step_must_return_a_result(world: World, answer: object, came: str) -> None:
    """A step that returns no Result fails in doubt, with an error that names step and type."""
    outcome = world.run(world.step("a") >> world.step("b", answer))
    assert isinstance(outcome, Compensated)
    assert isinstance(outcome.reason, Raised)
    assert (
        "NotAResult",
        f"step 'b' must return Success(...) or Failure(...), and returned {came}",
    ) == (outcome.reason.kind, outcome.reason.message.partition(":")[0])
    assert ("b", ("b",)) == (outcome.step, outcome.in_doubt)
    assert [Did("a", "in"), Did("b", "A"), Undid("a", "A")] == world.calls


def test_035_what_raises_between_steps_turns_the_saga_back(world: World) -> None:
    """If code between the steps raises, earlier steps are compensated and it is reported."""
    error = ZeroDivisionError("between")

    def between(_: object) -> object:
        raise error

    outcome = world.run(world.step("a").map(between) >> world.step("b"))
    assert Compensated(Raised("ZeroDivisionError", "between"), None) == outcome
    assert [Did("a", "in"), Undid("a", "A")] == world.calls
    assert isinstance(outcome, Compensated)
    assert isinstance(outcome.reason, Raised)
    assert error is outcome.reason.exception


def _modules(traceback: TracebackType | None) -> list[str]:
    modules: list[str] = []
    while traceback is not None:
        modules.append(traceback.tb_frame.f_globals["__name__"])
        traceback = traceback.tb_next
    return modules


def test_036_the_error_shows_the_step_and_no_library_frames(world: World) -> None:
    """The traceback of a step's exception begins in the step, and the error names the step."""

    def boom(_: object) -> object:
        raise ValueError("boom")

    outcome = world.run(world.step("a") >> world.step("bang", boom))
    with pytest.raises(RunCompensated, match="bang") as told:
        outcome.unwrap()
    cause = told.value.__cause__
    assert isinstance(cause, ValueError)
    modules = _modules(cause.__traceback__)
    assert __name__ == modules[-1]
    assert [] == [name for name in modules if name.startswith("sagalib")]


def test_037_the_first_failure_is_the_one_reported(world: World) -> None:
    """Of two steps that would fail, the first is reported, and the second is not called."""
    saga = (
        world.step("a") >> world.step("b", Failure("first")) >> world.step("c", Failure("second"))
    )
    assert Compensated("first", "b") == world.run(saga)
    assert [Did("a", "in"), Did("b", "A"), Undid("a", "A")] == world.calls
