"""The classes of errors, and what no message and no representation ever shows."""

from __future__ import annotations

import copy
import logging
import pickle
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from attrs import frozen
from returns.result import Failure, Success

import sagalib
from sagalib import (
    Compensated,
    CompensationFailed,
    Fatal,
    IllegalReply,
    InvalidOption,
    InvalidSaga,
    Irreversible,
    LogMismatch,
    NoAnswer,
    NoCurrentCall,
    Raised,
    RunCompensated,
    RunFailed,
    RunFatal,
    RunIdInUse,
    SagaError,
    Step,
    SupervisorClosed,
    TimedOut,
    UnknownRun,
    WrongColour,
    chain,
    compensating,
    current_call,
    fail,
    replay,
    run,
    status_of,
)
from sagalib.core.events import StepOk, StepStarted
from sagalib.core.machine import begin, decide, evolve
from sagalib.core.messages import Woke
from tests.defects.colours import ASYNC, SYNC, AnySaga, Colour, World, both_colours, pass_on, refuse
from tests.errors.test_building import anything, message_of

ERRORS: dict[type[SagaError], type[Exception]] = {
    InvalidSaga: TypeError,
    InvalidOption: ValueError,
    WrongColour: TypeError,
    RunIdInUse: ValueError,
    UnknownRun: LookupError,
    SupervisorClosed: RuntimeError,
    NoCurrentCall: LookupError,
    IllegalReply: ValueError,
    LogMismatch: ValueError,
    NoAnswer: LookupError,
    RunFailed: RuntimeError,
    RunCompensated: RuntimeError,
    RunFatal: RuntimeError,
}


# ------------------------------------------------------------------ the tree


def test_the_tree_is_complete() -> None:
    """Every public error stands in the table of this file."""
    public = [getattr(sagalib, name) for name in sagalib.__all__]
    errors = [cls for cls in public if isinstance(cls, type) and issubclass(cls, Exception)]

    assert sorted([SagaError, *ERRORS], key=str) == sorted(errors, key=str)


@pytest.mark.parametrize("error", ERRORS)
def test_an_error_has_a_builtin_base(error: type[SagaError]) -> None:
    """An error is a SagaError, and also the builtin error that says the same."""
    assert issubclass(error, SagaError)
    assert issubclass(error, ERRORS[error])
    assert ERRORS[error] is not Exception


OUTCOMES: dict[type[RunFailed], Compensated[Any] | Fatal[Any, Any]] = {
    RunFailed: Compensated("no", "b"),
    RunCompensated: Compensated("no", "b", in_doubt=("b",)),
    RunFatal: Fatal("no", (CompensationFailed("a", TimedOut(1)), Irreversible("p")), "b"),
}


def thawed(value: Any) -> Any:
    """Give what comes out of a pickle."""
    return pickle.loads(pickle.dumps(value))


@pytest.mark.parametrize("error", ERRORS)
@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy, thawed])
def test_an_error_can_be_copied_and_pickled(error: Any, copied: Callable[[Any], Any]) -> None:
    """An error comes out of a pickle with its class, its arguments and its message."""
    before = error(OUTCOMES.get(error, "expected this, got that: write this"))
    after = copied(before)

    assert (type(before), before.args, str(before)) == (type(after), after.args, str(after))
    assert getattr(before, "outcome", None) == getattr(after, "outcome", None)


@both_colours
def test_an_error_of_a_real_run_can_be_pickled(colour: Colour) -> None:
    """What `unwrap()` raises comes out of a pickle with outcome, log and id of its run."""
    outcome = colour.run(colour.step(refuse, name="a"), "x", run_id="order:7")

    with pytest.raises(RunCompensated) as raised:
        outcome.unwrap()
    after = thawed(raised.value)

    assert outcome == after.outcome
    assert "order:7" == after.outcome.run_id
    assert list(outcome.log) == list(after.outcome.log)
    assert "Compensated(reason='x', step='a')" == str(after)


# ------------------------------------------------------------------ secrets

CANARY = "CANARY"


class Secret:
    """A value that shows itself to everybody who asks."""

    def __repr__(self) -> str:
        return CANARY


def give_secret(_: object) -> Any:
    """Succeed with a secret."""
    return Success(Secret())


def shown(value: object) -> list[str]:
    """Give all texts of a value."""
    return [repr(value), str(value), f"{value}"]


def leaks(texts: list[str]) -> list[str]:
    """Give the texts that show a secret."""
    return [text for text in texts if CANARY in text]


def test_the_canary_sings() -> None:
    """A text that shows a secret is found."""
    assert 3 == len(leaks(shown(Secret())))


def secret_saga(colour: Colour, *end: AnySaga) -> AnySaga:
    """Give a saga in which every input and every value is a secret."""
    return chain(
        [
            colour.step(give_secret, give_secret_failure, settle=give_secret, name="a"),
            colour.step(give_secret, pass_on, name="b"),
            compensating(give_secret, name="c"),
            *end,
        ]
    )


def give_secret_failure(_: object) -> Any:
    """Fail as a compensation, with an error that is no secret."""
    return Failure("jammed")


REFUSING: AnySaga = SYNC.step(lambda _: Failure("no"), name="end")


@both_colours
@pytest.mark.parametrize(
    ("end", "reason"),
    [
        (REFUSING, "no"),
        (SYNC.step(lambda _: 1 / 0, name="end"), "division by zero"),
        (SYNC.step(lambda _: Secret(), name="end"), "NotAResult"),
        (fail("failed"), "failed"),
        (Step(give_secret, name="end", pivot=True) >> fail("too late"), "too late"),
    ],
    ids=["refused", "raised", "no result", "fail", "pivot"],
)
def test_no_representation_shows_a_value(colour: Colour, end: AnySaga, reason: str) -> None:
    """Outcome, events, status, residual, errors: none shows an input or what a step gave."""
    observed: list[object] = []
    saga = secret_saga(colour, end)

    outcome = colour.run(saga, Secret(), observers=[observed.append])

    assert isinstance(outcome, Fatal)
    with pytest.raises(RunFatal) as raised:
        outcome.unwrap()
    values = [
        outcome,
        *outcome.log,
        *observed,
        *outcome.failures,
        outcome.residual,
        *outcome.residual.instructions,
        status_of(outcome.log),
        raised.value,
        saga,
        *saga.instructions,
    ]

    assert reason in repr(outcome)
    assert [] == leaks([text for value in values for text in shown(value)])


@both_colours
def test_no_event_of_a_success_shows_a_value(colour: Colour) -> None:
    """The log of a run that went through shows no value, and neither does its compensation."""
    outcome: Any = colour.run(secret_saga(colour), Secret())
    values = [*outcome.log, outcome.compensation, *outcome.compensation.instructions]

    assert [] == leaks([text for value in values for text in shown(value)])


@both_colours
def test_a_call_shows_no_value(colour: Colour) -> None:
    """What `current_call()` gives shows no input and no reason."""
    texts: list[str] = []

    def look(_: object) -> Any:
        texts.extend(shown(current_call()))
        return Success(Secret())

    def refuse_secretly(_: object) -> Any:
        return Failure(Secret())

    colour.run(
        colour.step(look, look, name="a") >> colour.step(refuse_secretly, name="b"), Secret()
    )

    assert 6 == len(texts)
    assert [] == leaks(texts)


def test_commands_and_suspensions_show_no_value() -> None:
    """What the machine asks for, and what a log that breaks off gives, show no value."""
    saga = secret_saga(SYNC, REFUSING)
    log = list(run(saga, Secret(), run_id="run").log)
    texts: list[str] = []
    for length in range(1, len(log)):
        texts += shown(replay(saga, Secret(), log[:length]))
    texts += shown(decide(begin(saga, Secret(), "run")))

    assert [] == leaks(texts)


def test_messages_of_the_library_show_no_value() -> None:
    """Errors about replies, logs, scripts and arguments show no value of a run."""
    machine = begin(secret_saga(SYNC), Secret(), "run")
    log = list(run(secret_saga(SYNC), Secret(), run_id="run").log)
    secret: Any = Secret()
    texts = [
        message_of(IllegalReply, lambda: evolve(machine, Woke())),
        message_of(IllegalReply, lambda: evolve(machine, secret)),
        message_of(LogMismatch, lambda: replay(secret_saga(SYNC), secret, log[1:])),
        message_of(LogMismatch, lambda: replay(secret_saga(SYNC), secret, [*log[:3], *log[2:]])),
        message_of(NoAnswer, lambda: anything.simulate(secret_saga(ASYNC), secret)),
        message_of(InvalidSaga, lambda: run(secret, secret)),
        message_of(InvalidSaga, lambda: anything.Step(secret)),
        message_of(InvalidSaga, lambda: anything.Step(pass_on) >> secret),
        message_of(InvalidSaga, lambda: run(SYNC.step(pass_on), secret, observers=[secret])),
    ]

    assert [] == leaks(texts)


def test_the_lines_that_are_logged_show_no_value(caplog: pytest.LogCaptureFixture) -> None:
    """The warnings about a broken observer show no value of the run."""

    def broken(_: object) -> None:
        message = "a broken observer"
        raise ValueError(message)

    with caplog.at_level(logging.DEBUG, logger="sagalib"):
        run(secret_saga(SYNC, REFUSING), Secret(), observers=[broken])

    assert 1 == len(caplog.records)
    assert "a broken observer" in caplog.text
    assert [] == leaks([caplog.text])


# ------------------------------------------------------------------ raw text from data


@frozen
class Named:
    """An error that carries text from data."""

    text: str


RAW = "\x1b[31mred\x00\r\n\u202etxt"


@both_colours
def test_text_from_data_is_shown_escaped(colour: Colour) -> None:
    """Errors, exceptions and failures of compensations with controls are shown without them."""
    world = World(colour)
    saga = (
        world.step("a", undo=Failure(RAW))
        >> world.step("b", undo=ValueError(RAW))
        >> world.step("c", Failure(Named(RAW)))
    )
    outcome = colour.run(saga, RAW)

    with pytest.raises(RunFatal) as raised:
        outcome.unwrap()
    texts = [
        text
        for value in (outcome, raised.value, *outcome.log, status_of(outcome.log))
        for text in shown(value)
    ]

    assert [] == [text for text in texts if not text.isprintable()]


def test_the_text_of_a_foreign_log_is_shown_escaped() -> None:
    """A log that was tampered with does not get its letters into a message as they are."""
    log = list(run(Step(pass_on, name="a"), "x", run_id="run").log)
    foreign: list[Any] = [
        StepOk("run", RAW, RAW, 1, "x"),
        StepStarted("run", RAW, RAW, 1),
        StepStarted(RAW, "a", "a", 1),
    ]
    logs = [[*log[:at], event] for event in foreign for at in range(len(log))]
    texts = [message_of(LogMismatch, partial(replay, SAME, "x", tampered)) for tampered in logs]

    assert [] == [text for text in texts if not text.isprintable()]


SAME = Step(pass_on, name="a")


def test_messages_stay_short() -> None:
    """A huge argument of the wrong kind does not make a huge message."""
    huge = "x" * 1_000_000
    texts = [
        message_of(InvalidOption, lambda: anything.Step(pass_on, name=huge)),
        message_of(InvalidOption, lambda: anything.Step(pass_on, name=huge.encode())),
        message_of(InvalidOption, lambda: anything.Step(pass_on, timeout=huge)),
        message_of(InvalidOption, lambda: anything.Step(pass_on, retries=huge)),
        message_of(InvalidOption, lambda: anything.Step(pass_on, settle_on=huge)),
        message_of(InvalidOption, lambda: anything.run(Step(pass_on), 1, run_id=huge.encode())),
        message_of(
            InvalidOption,
            lambda: anything.run(Step(pass_on), 1, on_compensation_failure=huge),
        ),
    ]

    assert [] == [text[:80] for text in texts if len(text) > 1_000]


def test_huge_errors_are_the_users_own() -> None:
    """An error of the user is kept whole: the library cuts nothing from a reason."""
    huge = "x" * 1_000_000

    assert Compensated(huge, "a") == SYNC.run(World().step("a", Failure(huge)), "x")
    assert Compensated(Raised("ValueError", huge), "a", in_doubt=("a",)) == SYNC.run(
        World().step("a", ValueError(huge)), "x"
    )
