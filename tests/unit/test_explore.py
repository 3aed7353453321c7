"""`explore`: every way in which the calls of a saga can be answered."""

from __future__ import annotations

from collections.abc import Callable
from itertools import islice
from typing import Any, Final, TypeAlias

import pytest
from returns.result import Failure, Result, Success

from sagalib import (
    AsyncStep,
    Call,
    Cancel,
    Cancelled,
    Compensated,
    CompensationFailed,
    Fatal,
    IllegalReply,
    InvalidOption,
    InvalidSaga,
    Late,
    Ok,
    Raised,
    Retry,
    Soft,
    Step,
    TimedOut,
    arrow,
    chain,
    explore,
    simulate,
)

AnySaga: TypeAlias = Any
MANY: Final = 100_000
NONE: Final[list[AnySaga]] = []


def execute(value: object) -> Result[Any, Any]:
    """Be a step that is not called."""
    raise AssertionError(value)


async def execute_async(value: object) -> Result[Any, Any]:
    """Be the same as a coroutine function."""
    raise AssertionError(value)


async def undo_async(value: object) -> Result[None, Any]:
    """Be its compensation, which is not called."""
    raise AssertionError(value)


def line(number: int, **settings: Any) -> AnySaga:
    """Give a number of compensable steps, one after the other."""
    return chain([Step(execute, execute, name="a", **settings)] * number)


def ok_or_failed(saga: AnySaga) -> dict[str, list[Any]]:
    """Give two answers to each execute of a saga."""
    return {path: [Success(1), Failure("no")] for path in saga.paths}


# ------------------------------------------------------------------ counts


@pytest.mark.parametrize("steps", range(7))
def test_two_answers_to_each_call_make_two_to_the_steps(steps: int) -> None:
    """With k completed steps there are 2^k ways back: 1 + 1 + 2 + ... + 2^(n - 1) = 2^n."""
    schedules = explore(line(steps), 0, ok_or_failed(line(steps)), bound=MANY)

    assert 2**steps == len(list(schedules))
    assert (2**steps, True, ()) == (schedules.walked, schedules.is_complete, schedules.cut)


@pytest.mark.parametrize("retries", range(4))
def test_a_retry_forks_again(retries: int) -> None:
    """A step with r retries succeeds at one of its attempts or fails at all: r + 2 schedules."""
    saga = line(1, retries=Retry(retries, wait=1.0))

    assert retries + 2 == len(list(explore(saga, 0, ok_or_failed(saga), bound=MANY)))


@pytest.mark.parametrize("retries", range(4))
def test_a_retry_of_a_compensation_forks_again(retries: int) -> None:
    """A failing second step leaves r + 2 ways back over one compensation with r retries."""
    saga = line(2, compensation_retries=Retry(retries, wait=1.0))

    # ok ok, failed, and ok failed with its ways back
    assert 2 + retries + 2 == len(list(explore(saga, 0, ok_or_failed(saga), bound=MANY)))


@pytest.mark.parametrize(
    ("made", "more"),
    [
        (Step(execute, timeout=None), []),
        (Step(execute, timeout=Soft(2.0)), [Late("execute")]),
        (Step(execute, timeout=2.0), [TimedOut(2.0)]),
        (AsyncStep(execute_async, name="execute", timeout=None), []),
        (
            AsyncStep(execute_async, name="execute", timeout=2.0),
            [TimedOut(2.0), Late("execute")],
        ),
        (
            AsyncStep(execute_async, name="execute", timeout=Soft(2.0)),
            [TimedOut(2.0), Late("execute")],
        ),
    ],
    ids=str,
)
def test_the_usual_answers_are_those_that_the_timeout_allows(
    made: AnySaga, more: list[Any]
) -> None:
    """A soft timeout lets a plain call be late; a hard one gives it up; asyncio does both."""
    usual = [
        Success("execute"),
        Failure("failed"),
        Raised("Exception", "raised"),
        Cancelled(),
        *more,
    ]

    assert [(("execute", answer),) for answer in usual] == [
        schedule.answers for schedule in explore(made, 0, bound=MANY)
    ]


def test_the_smallest_saga_has_one_schedule() -> None:
    """`identity()`, a chain of none, calls nothing: there is one run."""
    schedules = explore(chain(NONE), 7, bound=1)

    assert [((), Ok(7))] == [(one.answers, one.outcome) for one in schedules]
    assert schedules.is_complete


# ------------------------------------------------------------------ order, and what was cut


def test_schedules_come_first_answers_first() -> None:
    """The first schedule takes each first answer; then the last call varies fastest."""
    answers = {"a": [Success(1), Failure("no")], "a~2": [Success(2), Failure("never")]}
    undo: list[tuple[str, Any]] = [("a:compensate", Success(None))]
    broken: list[tuple[str, Any]] = [("a:compensate", Failure("failed"))]

    assert [
        ((("a", Success(1)), ("a~2", Success(2))), Ok(2)),
        ((("a", Success(1)), ("a~2", Failure("never")), *undo), Compensated("never", "a~2")),
        (
            (("a", Success(1)), ("a~2", Failure("never")), *broken),
            Fatal("never", (CompensationFailed("a", "failed"),), "a~2"),
        ),
        ((("a", Failure("no")),), Compensated("no", "a")),
    ] == [(one.answers, one.outcome) for one in explore(line(2), 0, answers, bound=MANY)]


def test_what_is_cut_is_told() -> None:
    """At the bound the beginnings that were not followed are there, next one first."""
    saga = line(3)
    schedules = explore(saga, 0, ok_or_failed(saga), bound=2)

    assert 2 == len(list(schedules))
    assert [] == list(schedules)
    assert (2, 2, False) == (schedules.walked, schedules.bound, schedules.is_complete)
    one, failed = ("a", Success(1)), Failure("no")
    assert (
        (
            one,
            ("a~2", Success(1)),
            ("a~3", failed),
            ("a~2:compensate", Success(None)),
            ("a:compensate", Failure("failed")),
        ),
        (one, ("a~2", Success(1)), ("a~3", failed), ("a~2:compensate", Failure("failed"))),
        (one, ("a~2", failed)),
        (("a", failed),),
    ) == schedules.cut
    assert "<Exploration: 2 walked, 4 beginnings cut>" == repr(schedules)


def test_a_schedule_is_walked_when_it_is_asked_for() -> None:
    """Of a saga with more schedules than could ever be walked, the first come at once."""
    saga = line(300)
    first = list(islice(explore(saga, 0, bound=10**100), 3))

    assert [300, 300 + 299, 300 + 299] == [len(one.answers) for one in first]


def test_a_long_saga_needs_no_deep_stack() -> None:
    """Nothing recurses: a saga may be far longer than Python's stack is deep."""
    saga = line(5_000)
    (only,) = explore(saga, 0, lambda _: [Success(0)], bound=2)

    assert Ok(0) == only.outcome


# ------------------------------------------------------------------ answers


def test_an_exploration_finds_every_kind_of_end() -> None:
    """Four steps with a pivot end in each of the three outcomes, with and without doubt."""
    saga = line(2) >> Step(execute, name="p", pivot=True) >> Step(execute, name="z")
    schedules = list(explore(saga, 0, bound=MANY))

    assert {
        (Ok, False),
        (Compensated, False),
        (Compensated, True),
        (Fatal, False),
        (Fatal, True),
    } == {(type(one.outcome), bool(one.outcome.in_doubt)) for one in schedules}
    after_pivot = [one for one in schedules if ("p", Success("p")) in one.answers]
    assert {Ok, Fatal} == {type(one.outcome) for one in after_pivot}


def test_an_exploration_finds_a_wrong_order_on_the_way_back() -> None:
    """A compensation that needs another's effect is found by an invariant over all schedules."""

    def broken(schedule: Any) -> bool:
        """Tell whether the account was closed while the card on it was still open."""
        undone = [key for key, _ in schedule.answers if key.endswith(":compensate")]
        wrong = ["account:compensate", "card:compensate"]
        return [key for key in undone if key in wrong] == wrong

    account, card, limit, mail = (
        Step(execute, execute, name=name) for name in ("account", "card", "limit", "mail")
    )
    good = explore(account >> card >> limit >> mail, 0, bound=MANY)
    bad = explore(card >> account >> limit >> mail, 0, bound=MANY)

    assert [] == [one for one in good if broken(one)]
    found = next(one for one in bad if broken(one))
    assert [
        ("card", Success("card")),
        ("account", Success("account")),
        ("limit", Success("limit")),
        ("mail", Failure("failed")),
        ("limit:compensate", Success(None)),
        ("account:compensate", Success(None)),
        ("card:compensate", Success(None)),
    ] == list(found.answers)


def test_a_schedule_can_be_simulated_with_the_real_steps() -> None:
    """The answers of a schedule are a script: with it `simulate` makes the same run."""
    saga = line(2, retries=1)
    for schedule in explore(saga, 0, bound=MANY):
        again: Any = simulate(saga, 0, schedule.script, run_id="explored")
        assert (schedule.outcome, tuple(schedule.outcome.log)) == (again, tuple(again.log))


def test_answers_are_a_function_of_the_call() -> None:
    """A function gives the answers to each call; with None a call has the usual ones."""
    asked: list[tuple[str, str, int]] = []

    def answers(call: Call) -> Any:
        asked.append((call.path, call.direction, call.attempt))
        if "a" == call.path and "execute" == call.direction:
            return iter([Success(call.key)])
        return [Failure("no")] if "execute" == call.direction else None

    outcomes = [one.outcome for one in explore(line(2), 0, answers, bound=MANY, run_id="run:7")]

    assert [
        Compensated("no", "a~2"),
        Fatal("no", (CompensationFailed("a", "failed"),), "a~2"),
    ] == outcomes
    assert [("a", "execute", 1), ("a~2", "execute", 1), ("a", "compensate", 1)] == asked


def test_pure_functions_get_what_the_answers_give() -> None:
    """What a step gives in an exploration is what its answer says."""

    def double(amount: int) -> int:
        return amount * 2

    saga = line(1).map(double) >> arrow(str)

    assert [Ok("6"), Ok("8")] == [
        one.outcome for one in explore(saga, 0, {"a": [Success(3), Success(4)]}, bound=MANY)
    ]


def test_a_run_is_cancelled_once() -> None:
    """`Cancel()` is an answer until the run is cancelled; the way back goes on after it."""
    answers: dict[str, list[Any]] = {
        "a": [Success(1), Cancel()],
        "a~2": [Success(2), Cancel()],
        "a:compensate": [Cancel(), Success(None)],
    }

    assert [
        ([("a", Success(1)), ("a~2", Success(2))], Ok(2)),
        (
            [("a", Success(1)), ("a~2", Cancel()), ("a:compensate", Success(None))],
            Compensated(Cancelled()),
        ),
        ([("a", Cancel())], Compensated(Cancelled())),
    ] == [(list(one.answers), one.outcome) for one in explore(line(2), 0, answers, bound=MANY)]


def test_the_policy_for_failed_compensations_is_that_of_run() -> None:
    """With `stop` nothing is called after the first failed compensation."""
    answers: Any = {
        "a": [Success(1)],
        "a~2": [Success(1)],
        "a~3": [Failure("no")],
        "a:compensate": [Success(None)],
        "a~2:compensate": [Failure("broken")],
    }
    keys = [
        [key for key, _ in one.answers]
        for policy in ("continue", "stop")
        for one in explore(line(3), 0, answers, bound=MANY, on_compensation_failure=policy)
    ]

    forward = ["a", "a~2", "a~3", "a~2:compensate"]
    assert [[*forward, "a:compensate"], forward] == keys


# ------------------------------------------------------------------ what is refused


@pytest.mark.parametrize(
    ("exploring", "error", "message"),
    [
        (
            lambda: explore(line(1), 0, 5, bound=1),  # type: ignore[arg-type] # to be refused
            InvalidSaga,
            (
                "answers are a mapping from paths to lists of answers, or a function of a call; "
                'got int: write {"charge": [Success(1), Failure("declined")]}'
            ),
        ),
        (
            lambda: explore(line(1), 0, bound=0),
            InvalidOption,
            "bound must be a whole number, 1 or more; got 0. Write bound=10_000",
        ),
        (
            lambda: explore(line(1), 0, bound=True),
            InvalidOption,
            "bound must be a whole number, 1 or more; got True. Write bound=10_000",
        ),
        (
            lambda: explore(line(1), 0, {"b": [Success(1)]}, bound=1),
            InvalidOption,
            (
                "a script answers the calls of a, also :compensate and :settle; got 'b'. Write one "
                "of these paths"
            ),
        ),
        (
            lambda: next(explore(line(1), 0, {"a": []}, bound=1)),
            InvalidOption,
            (
                "execute of 'a', attempt 1, has no answers: expected one or more. Write {'a': "
                "[Success(1)]}"
            ),
        ),
        (
            lambda: explore(line(1), 0, bound=1, run_id=""),
            InvalidOption,
            (
                "run_id must be 1 to 200 characters of A-Z a-z 0-9 . _ : - ; got ''. Write "
                'run_id="order:10248"'
            ),
        ),
    ],
)
def test_a_wrong_argument_is_refused(
    exploring: Callable[[], object], error: type[Exception], message: str
) -> None:
    """The message says what was expected, what came, and what to write."""
    with pytest.raises(error) as refused:
        exploring()

    assert message == str(refused.value)


def test_what_is_no_answer_is_refused() -> None:
    """A plain value is not an answer."""
    answers: Any = {"a": [1]}
    with pytest.raises(IllegalReply, match=r"Executing takes one of .*; got int"):
        next(explore(line(1), 0, answers, bound=1))
