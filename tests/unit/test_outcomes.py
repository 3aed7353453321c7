"""Outcomes as values: what they compare, show, give and raise."""

from __future__ import annotations

import pickle
from typing import Any, assert_never

import pytest
from returns.result import Failure, Success

from sagalib import (
    Cancelled,
    Compensated,
    CompensationFailed,
    Fatal,
    Irreversible,
    Ok,
    Outcome,
    Raised,
    RunCompensated,
    RunFatal,
    Step,
    TimedOut,
    identity,
    run,
)
from tests.defects.colours import SYNC, AnyOutcome, Colour, World, both_colours, pass_on, refuse

FAILED = (CompensationFailed("a", "jammed"),)


@pytest.mark.parametrize(
    ("outcome", "other"),
    [
        (Ok(1), Ok(2)),
        (Ok(1), Ok(1, in_doubt=("a",))),
        (Compensated("no", "a"), Compensated("yes", "a")),
        (Compensated("no", "a"), Compensated("no", "b")),
        (Compensated("no", "a"), Compensated("no", "a", in_doubt=("a",))),
        (Fatal("no", FAILED, "a"), Fatal("no", (Irreversible("a"),), "a")),
        (Fatal("no", FAILED, "a"), Fatal("no", FAILED, "b")),
        (Fatal("no", FAILED, "a"), Fatal("no", FAILED, "a", in_doubt=("a",))),
        (Fatal("no", (), "a"), Compensated("no", "a")),
        (Raised("E", "x"), Raised("E", "y")),
        (Raised("E", "x"), Raised("F", "x")),
        (TimedOut(1), TimedOut(2)),
        (Cancelled(), TimedOut(1)),
    ],
)
def test_outcomes_differ_in_what_they_compare(outcome: object, other: object) -> None:
    """A difference in value, reason, step, failures or doubt is a difference."""
    assert outcome != other


@pytest.mark.parametrize(
    ("outcome", "other"),
    [
        (Compensated("no", "a", "context"), Compensated("no", "a", "other")),
        (Fatal("no", FAILED, "a", "context"), Fatal("no", FAILED, "a", "other")),
        (Raised.of(KeyError("sku")), Raised("KeyError", "'sku'")),
        (Ok(1), SYNC.run(SYNC.step(pass_on), 1)),
    ],
    ids=["compensated", "fatal", "raised", "log"],
)
def test_context_log_and_live_exception_are_not_compared(outcome: object, other: object) -> None:
    """Outcomes that differ in what is not compared are equal, and have the same hash."""
    assert outcome == other
    assert hash(outcome) == hash(other)


@pytest.mark.parametrize(
    ("outcome", "text"),
    [
        (Ok(1), "Ok(value=1)"),
        (
            Compensated("no", "a", "context"),
            "Compensated(reason='no', step='a')",
        ),
        (
            Fatal("no", FAILED, "a", "context", in_doubt=("b",)),
            (
                "Fatal(reason='no', failures=(CompensationFailed(step='a', reason='jammed'),), "
                "step='a', in_doubt=('b',))"
            ),
        ),
        (Raised.of(KeyError("sku")), "Raised(kind='KeyError', message=\"'sku'\")"),
    ],
)
def test_an_outcome_shows_what_it_compares(outcome: object, text: str) -> None:
    """The representation has neither context nor log nor exception, and doubts if there are."""
    assert text == repr(outcome)


def test_to_result_is_success_or_failure() -> None:
    """`to_result` gives the value as Success, and any other outcome whole as Failure."""
    compensated: Compensated[str] = Compensated("no", "a")
    fatal: Fatal[str, str] = Fatal("no", FAILED, "a")

    assert Success(1) == Ok(1).to_result()
    assert Failure(compensated) == compensated.to_result()
    assert Failure(fatal) == fatal.to_result()


def test_unwrap_gives_the_value() -> None:
    """`unwrap` of Ok is its value."""
    assert 1 == Ok(1).unwrap()


@pytest.mark.parametrize(
    ("outcome", "error"),
    [(Compensated("no", "a"), RunCompensated), (Fatal("no", FAILED, "a"), RunFatal)],
    ids=["compensated", "fatal"],
)
def test_unwrap_raises_the_outcome(outcome: Any, error: type[RunCompensated | RunFatal]) -> None:
    """`unwrap` of a failed run raises an error that carries the outcome and shows it."""
    with pytest.raises(error) as raised:
        outcome.unwrap()

    assert outcome is raised.value.outcome
    assert repr(outcome) == str(raised.value)
    assert raised.value.__cause__ is None


@both_colours
@pytest.mark.parametrize("undo", [Success(None), Failure("jammed")], ids=["compensated", "fatal"])
def test_unwrap_is_chained_from_the_exception(colour: Colour, undo: object) -> None:
    """`unwrap` after a step that raised is chained from that very exception."""
    world, error = World(colour), KeyError("sku")
    outcome = colour.run(world.step("a", undo=undo) >> world.step("b", error), "x")

    with pytest.raises((RunCompensated, RunFatal)) as raised:
        outcome.unwrap()

    assert error is raised.value.__cause__


def kind_of(outcome: Outcome[int, str, str]) -> str:
    """Name an outcome with a match that type checkers know to be complete."""
    match outcome:
        case Ok(value):
            return f"ok {value}"
        case Compensated(reason, step):
            return f"compensated {reason} at {step}"
        case Fatal(reason, failures, step):
            return f"fatal {reason} at {step}: {len(failures)}"
        case _ as other:
            assert_never(other)


def test_match_takes_outcomes_apart() -> None:
    """The fields of an outcome are matched in the order in which they are documented."""
    assert "ok 1" == kind_of(Ok(1))
    assert "compensated no at a" == kind_of(Compensated("no", "a"))
    assert "fatal no at a: 1" == kind_of(Fatal("no", FAILED, "a"))


def test_match_takes_reasons_apart() -> None:
    """The reasons that the library adds, and the failures, are matched by their fields."""
    match (TimedOut(5), Raised("E", "x"), Cancelled(), FAILED[0], Irreversible("p")):
        case (
            TimedOut(seconds),
            Raised(kind, message),
            Cancelled(),
            CompensationFailed(step, reason),
            Irreversible(pivot),
        ):
            assert (5, "E", "x", "a", "jammed", "p") == (
                seconds,
                kind,
                message,
                step,
                reason,
                pivot,
            )


def test_an_outcome_that_was_written_down_has_no_past() -> None:
    """An outcome that no run gave has an empty log, no id, and nothing that is owed."""
    ok, fatal = Ok(1), Fatal("no", FAILED)

    assert ((), "", identity()) == (ok.log, ok.run_id, ok.compensation)
    assert ((), "", identity()) == (fatal.log, fatal.run_id, fatal.residual)


def outcomes_of(colour: Colour) -> list[AnyOutcome]:
    """Give an outcome of each kind, of real runs."""
    a, b = colour.step(pass_on, name="a"), colour.step(refuse, name="b")
    jammed = colour.step(pass_on, name="p", pivot=True)
    return [colour.run(saga, "x", run_id="run") for saga in (a, a >> b, jammed >> b)]


@both_colours
def test_an_outcome_comes_out_of_a_pickle(colour: Colour) -> None:
    """Outcome, log and id are the same after a pickle, and after a second one."""
    for outcome in outcomes_of(colour):
        again: AnyOutcome = outcome
        for _ in range(2):
            again = pickle.loads(pickle.dumps(again))
            assert (outcome, list(outcome.log), "run") == (again, list(again.log), again.run_id)


def test_what_is_owed_comes_out_of_a_pickle() -> None:
    """The residual of a pickled outcome is the one that it had, and can be run."""
    fatal: Any = SYNC.run(module_step >> SYNC.step(refuse, name="b"), "x")
    again = pickle.loads(pickle.dumps(fatal))

    assert fatal.residual == again.residual
    assert Fatal is type(SYNC.run(again.residual))


module_step = SYNC.step(pass_on, refuse, name="a")


def test_a_raised_leaves_its_exception_behind() -> None:
    """A pickle of Raised keeps class names and message, not the live exception."""
    before = Raised.of(KeyError("sku"))
    after: Raised = pickle.loads(pickle.dumps(before))

    assert before == after
    assert after.exception is None
    assert [True, False] == [after.is_a(LookupError), after.is_a(ValueError)]


class Unspeakable(Exception):
    """An exception whose message cannot be made."""

    def __str__(self) -> str:
        message = "no"
        raise ValueError(message)


def test_an_exception_without_a_message_does_not_hide_itself() -> None:
    """An exception whose __str__ raises is reported by its class."""
    raised = Raised.of(Unspeakable())

    assert f"{__name__}.Unspeakable" == raised.kind
    assert "<no message: its __str__ raised ValueError>" == raised.message


@both_colours
def test_the_context_is_the_input_of_the_call_that_failed(colour: Colour) -> None:
    """An outcome knows what the failing call, function or failure got."""
    a = World(colour).step("a")

    def broken(_: object) -> object:
        message = "a bug"
        raise ValueError(message)

    sagas = [a >> colour.step(refuse, name="b"), a.map(broken)]

    assert [("x+a", "b"), ("x+a", None)] == [
        (outcome.context, outcome.step)
        for outcome in (colour.run(saga, "x") for saga in sagas)
        if isinstance(outcome, Compensated)
    ]


def test_the_messages_of_nested_runs_do_not_grow_without_end() -> None:
    """A run in a step of a run in a step ...: each shows the one within it, up to a length."""

    def nest(depth: int) -> Any:
        return run(Step(nest, name="nest"), depth - 1).unwrap() if depth else Failure("no")

    outcome = run(Step(nest, name="nest"), 30)

    assert isinstance(outcome, Compensated)
    assert isinstance(outcome.reason, Raised)
    assert len(outcome.reason.message) < 2_100
    assert outcome.reason.message.endswith(" characters)")
