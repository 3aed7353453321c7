"""`plan`: what a saga would do, before anything is called."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from typing import Any, Final, TypeAlias

import pytest
from returns.result import Failure, Result, Success

from sagalib import (
    AsyncStep,
    Fatal,
    InvalidOption,
    InvalidSaga,
    Lint,
    Ok,
    Plan,
    PlannedCall,
    Retry,
    Soft,
    Step,
    arrow,
    chain,
    compensating,
    fail,
    identity,
    plan,
    simulate,
)

AnySaga: TypeAlias = Any


def execute(value: object) -> Result[Any, Any]:
    """Be a step that is not called."""
    raise AssertionError(value)


async def execute_async(value: object) -> Result[Any, Any]:
    """Be the same as a coroutine function."""
    raise AssertionError(value)


def undo(value: object) -> Result[None, Any]:
    """Be a compensation that is not called."""
    raise AssertionError(value)


async def undo_async(value: object) -> Result[None, Any]:
    """Be the same as a coroutine function."""
    raise AssertionError(value)


TIMED: Final[dict[str, Any]] = {"timeout": 2.0, "compensation_timeout": 1.0}


def step(name: str, **settings: Any) -> AnySaga:
    """Give a compensable step whose calls are stopped in time."""
    terms: Any = {**TIMED, **settings}
    return Step(execute, undo, name=name, **terms)


ORDER: Final[AnySaga] = (
    step("reserve")
    >> step("charge", settle=undo, timeout=5.0, retries=Retry(2, wait=1.0))
    >> Step(execute, name="ship", pivot=True, timeout=4.0)
    >> Step(execute, name="mail", timeout=1.0, retries=1)
).named("place order")

TEXT: Final = """\
place order: at most 26 s
forward: reserve, charge (up to 3 times), ship, mail (up to 2 times); at most 26 s

if                                 then                                   ends                               at most
reserve fails or cancelled before  nothing                                compensated                        2 s
reserve in doubt                   nothing                                compensated, in doubt: reserve     2 s
charge fails or cancelled before   compensate reserve                     compensated                        21 s
charge in doubt                    settle charge, compensate reserve      compensated                        22 s
ship fails or cancelled before     compensate charge, compensate reserve  compensated                        26 s
ship in doubt                      compensate charge, compensate reserve  compensated, in doubt: ship        26 s
mail fails or cancelled before     nothing                                fatal: pivot ship                  26 s
mail in doubt                      nothing                                fatal: pivot ship, in doubt: mail  26 s"""  # noqa: E501 - the table is as wide as its cells


def kinds(saga: AnySaga, **options: Any) -> list[tuple[str, str | None]]:
    """Give kind and path of each lint."""
    return [(lint.kind, lint.path) for lint in plan(saga, **options).lints]


# ------------------------------------------------------------------ time


def test_the_text_has_a_row_for_each_way_to_fail() -> None:
    """The text says what is called after each failure, how that ends, and how long it takes."""
    planned = plan(ORDER)

    assert TEXT == str(planned)
    assert 26.0 == planned.seconds
    assert 2.0 + (3 * 5.0 + 1.0 + 2.0) + 4.0 + 2 * 1.0 == planned.forward_seconds


@pytest.mark.parametrize(
    ("retry", "seconds"),
    [
        (0, 10.0),
        (2, 30.0),
        (Retry(3, wait=1.0), 40.0 + 1 + 2 + 4),
        (Retry(3, wait=1.0, factor=1.0), 40.0 + 3),
        (Retry(4, wait=1.0, factor=3.0, cap=5.0), 50.0 + 1 + 3 + 5 + 5),
        (Retry(2, wait=1.0, jitter=1.0), 30.0 + 1 + 2),
        (Retry(10**9, wait=1.0, cap=2.0), 10.0 * (10**9 + 1) + 1 + 2 * (10**9 - 1)),
        (Retry(1, wait=1.0, only=KeyError), 21.0),
    ],
    ids=str,
)
@pytest.mark.parametrize("back", [False, True])
def test_a_call_takes_its_attempts_times_its_timeout_and_the_longest_pauses(
    retry: int | Retry, seconds: float, back: bool
) -> None:
    """Attempts, timeouts and pauses without luck at dice make up the time of a call."""
    if back:
        saga = step("a", compensation_timeout=10.0, compensation_retries=retry) >> step("b")
        call = plan(saga).failures[-1].calls[0]
    else:
        call = plan(step("a", timeout=10.0, retries=retry)).forward[0]

    assert seconds == pytest.approx(call.seconds)


def test_more_retries_than_a_float_can_count_are_planned() -> None:
    """A policy that never gives up has a time beyond all bearing, and no error."""
    assert 1e300 < plan(step("a", retries=Retry(10**400, wait=1.0, cap=1.0))).seconds


@pytest.mark.parametrize(
    ("made", "seconds"),
    [
        (Step(execute, timeout=3.0), 3.0),
        (Step(execute, timeout=Soft(3.0)), math.inf),
        (Step(execute), math.inf),
        (Step(execute, timeout=None), math.inf),
        (AsyncStep(execute_async, timeout=3.0), 3.0),
        (AsyncStep(execute_async, timeout=Soft(3.0)), 3.0),
        (AsyncStep(execute_async), 30.0),
        (AsyncStep(execute_async, timeout=None), math.inf),
    ],
    ids=str,
)
def test_only_a_timeout_that_stops_the_call_bounds_it(made: AnySaga, seconds: float) -> None:
    """A soft timeout is judged when a plain function returns, whenever that is."""
    assert seconds == plan(made).seconds


def test_the_time_of_a_path_is_that_up_to_the_failure_and_that_of_the_way_back() -> None:
    """A call that fails has taken all its time; one that is cancelled before it has taken none."""
    found = {
        (point.path, point.how): (point.forward_seconds, point.back_seconds, point.seconds)
        for point in plan(ORDER).failures
    }

    assert (2.0, 1.0, 3.0) == found["charge", "cancelled"]
    assert (20.0, 1.0, 21.0) == found["charge", "returned"]
    assert (20.0, 2.0, 22.0) == found["charge", "in_doubt"]
    assert (24.0, 2.0, 26.0) == found["ship", "returned"]


def test_the_longest_path_may_be_one_that_fails() -> None:
    """A plan takes as long as its longest path, forward or back."""
    saga = step("a", compensation_timeout=100.0) >> step("b")

    assert (4.0, 104.0) == (plan(saga).forward_seconds, plan(saga).seconds)


def test_what_no_timeout_stops_is_named_once() -> None:
    """The calls without a bound are listed, forward first."""
    saga = step("a", compensation_timeout=None) >> step("b", timeout=Soft(1.0)) >> step("c")

    assert ("execute b", "compensate a") == plan(saga).unbounded
    assert math.inf == plan(saga).seconds
    text = str(plan(saga))
    assert "saga: no bound on the time\n" in text
    assert "\nno timeout stops: execute b, compensate a\n" in text


# ------------------------------------------------------------------ calls


def test_a_late_success_is_compensated_first() -> None:
    """A step that succeeds after its timeout is the first to be compensated."""
    made: AnySaga = AsyncStep(execute_async, undo_async, name="b", compensation_timeout=1.0)
    late = [point for point in plan(step("a") >> made).failures if "late" == point.how]

    assert [["compensate b", "compensate a"]] == [list(map(str, point.calls)) for point in late]
    assert [("b", 32.0, 2.0)] == [(p.path, p.forward_seconds, p.back_seconds) for p in late]


def test_a_saga_that_fails_by_itself_does_not_complete() -> None:
    """`fail` is a failure point without a step, and nothing after it is planned."""
    planned = plan(step("a") >> fail("no") >> step("b"))

    assert not planned.completes
    assert ["a"] == [call.path for call in planned.forward]
    assert (None, "fail", ("compensate a",)) == (
        planned.failures[-1].path,
        planned.failures[-1].how,
        tuple(map(str, planned.failures[-1].calls)),
    )
    assert "forward: a, then fail(error); at most 2 s" in str(planned)
    assert "fail(error) " in str(planned)


def test_what_an_earlier_run_owes_is_planned() -> None:
    """A residual calls compensations on the way forward; one that fails leaves the run fatal."""
    outcome = simulate(
        step("a") >> step("b"),
        1,
        {"a": [Success(1)], "b": [KeyError()], "a:compensate": [KeyError()]},
    )
    assert isinstance(outcome, Fatal)
    planned = plan(outcome.residual)

    assert ["compensate a"] == list(map(str, planned.forward))
    assert [("a", "compensate", "returned", "fatal"), ("a", "compensate", "in_doubt", "fatal")] == [
        (point.path, point.direction, point.how, point.ends) for point in planned.failures
    ]
    assert "forward: compensate a; at most 1 s" in str(planned)
    assert "compensate a fails or in doubt  nothing  fatal  1 s" in str(planned)


def test_a_compensation_that_an_earlier_run_owes_fails_after_all_its_attempts() -> None:
    """The retries of an owed compensation are in its time, and not in the calls after it."""
    stuck = [KeyError()] * 3
    saga = step("a", compensation_retries=2) >> step("b", compensation_retries=2) >> step("c")
    script: dict[str, list[Any]] = {"c": [Failure(1)], "a": [Success(1)], "b": [Success(1)]}
    outcome = simulate(saga, 1, {**script, "a:compensate": stuck, "b:compensate": stuck})
    assert isinstance(outcome, Fatal)
    planned = plan(outcome.residual)

    assert [("compensate b", 3, 3.0), ("compensate a", 3, 3.0)] == [
        (str(call), call.attempts, call.seconds) for call in planned.forward
    ]
    assert [
        ("b", ("compensate a",), "fatal", 6.0),
        ("b", ("compensate a",), "fatal", 6.0),
        ("a", (), "fatal", 6.0),
        ("a", (), "fatal", 6.0),
    ] == [
        (point.path, tuple(map(str, point.calls)), point.ends, point.seconds)
        for point in planned.failures
    ]


def test_the_smallest_saga_has_nothing_to_plan() -> None:
    """`identity()` calls nothing and cannot fail."""
    assert Plan("saga", (), True, (), (), 0.0) == plan(identity())
    assert "saga: at most 0 s\nforward: nothing; at most 0 s" == str(plan(identity()))


def test_a_long_saga_is_shown_in_short() -> None:
    """Of many calls the first and the last are shown."""
    saga = chain([step(name) for name in "abcdefgh"])

    assert "forward: a, b, c, d, e, ... 2 more, h; at most 16 s" in str(plan(saga))


def test_no_predicate_is_called() -> None:
    """The policy of a retry may ask a function; a plan does not."""
    asked: list[object] = []

    def worth_it(reason: object) -> bool:
        asked.append(reason)
        return False

    retry = Retry(2, wait=1.0, only=worth_it)
    planned = plan(step("a", retries=retry, compensation_retries=retry) >> step("b"))

    assert [] == asked
    assert (3, 3) == (planned.forward[0].attempts, planned.failures[-1].calls[0].attempts)


# ------------------------------------------------------------------ lints


@pytest.mark.parametrize(
    ("saga", "found"),
    [
        (ORDER, []),
        (step("a") >> step("b"), []),
        # fallible-after-pivot
        (
            Step(execute, name="p", pivot=True) >> Step(execute, name="a"),
            [("fallible-after-pivot", "a")],
        ),
        (Step(execute, name="p", pivot=True) >> Step(execute, name="a", retries=1), []),
        (Step(execute, name="p", pivot=True) >> fail("no"), [("fallible-after-pivot", None)]),
        (fail("no") >> Step(execute, name="p", pivot=True), []),
        (
            Step(execute, name="p", pivot=True)
            >> Step(execute, name="a", retries=1)
            >> Step(execute, name="b", retries=1),
            [],
        ),
        # uncompensable-before-fallible
        (
            Step(execute, name="a") >> step("b"),
            [("uncompensable-before-fallible", "a")],
        ),
        (Step(execute, name="a") >> fail("no"), [("uncompensable-before-fallible", "a")]),
        (Step(execute, name="a") >> arrow(execute), []),
        (step("a") >> Step(execute, name="b"), []),
        (
            Step(execute, name="a")
            >> arrow(execute)
            >> compensating(undo, compensation_timeout=1.0)
            >> step("b"),
            [],
        ),
        # retries-without-settle
        (step("a", retries=1), [("retries-without-settle", "a")]),
        (step("a", retries=1, settle=undo), []),
        (Step(execute, name="a", retries=1), []),
        # compensation-without-timeout
        (step("a", compensation_timeout=None), [("compensation-without-timeout", "a")]),
        (compensating(undo), [("compensation-without-timeout", "undo")]),
        (Step(execute, settle=undo, name="a"), [("compensation-without-timeout", "a")]),
    ],
)
def test_a_lint_is_given_where_it_is_due(
    saga: AnySaga, found: list[tuple[str, str | None]]
) -> None:
    """Each kind of advice is given for the step that it is about, and for no other."""
    assert found == kinds(saga)


def test_what_an_earlier_run_owes_is_linted() -> None:
    """An owed compensation should have a timeout; an owed pivot calls nothing."""
    slow = step("a", compensation_timeout=None) >> Step(execute, name="p", settle=undo, pivot=True)
    done = simulate(slow, 1, {"a": [Success(1)], "p": [Success(1)]})
    half = simulate(slow, 1, {"a": [Success(1)], "p": [Failure(1)], "a:compensate": [KeyError()]})

    assert isinstance(done, Ok)
    assert [] == kinds(done.compensation)
    assert isinstance(half, Fatal)
    assert [("compensation-without-timeout", "a")] == kinds(half.residual)


@pytest.mark.parametrize(
    ("deadline", "found"), [(None, []), (5.0, []), (4.9, [("deadline-too-short", None)])]
)
def test_a_deadline_is_compared_with_the_worst_case(
    deadline: float | None, found: list[tuple[str, str | None]]
) -> None:
    """A run that may take longer than it is allowed is pointed out."""
    assert 5.0 == plan(step("a") >> step("b")).seconds
    assert found == kinds(step("a") >> step("b"), deadline=deadline)


def test_a_lint_says_what_and_why_and_what_to_write() -> None:
    """The message names the step and ends in what to write instead."""
    saga = step("a", compensation_timeout=None, retries=1) >> step("b")

    assert (
        Lint(
            "retries-without-settle",
            "a",
            "'a' is retried and has no settle: if one attempt is in doubt and the last one fails, "
            "nobody makes up for the first. Write settle=",
        ),
        Lint(
            "compensation-without-timeout",
            "a",
            "compensate of 'a' has no timeout: if it hangs, the rest of the way back waits. Write "
            "compensation_timeout=",
        ),
        Lint(
            "deadline-too-short",
            None,
            "the run may take 9 s, and no timeout stops compensate a. Write shorter timeouts or "
            "fewer retries, or allow more time",
        ),
    ) == plan(saga, deadline=9).lints
    (late,) = plan(step("a"), deadline=1.5).lints
    assert (
        "deadline-too-short: the run may take 1.5 s, and it may need 2 s. Write shorter timeouts "
        "or fewer retries, or allow more time"
    ) == str(late)
    assert str(plan(step("a"), deadline=1.5)).endswith(f"\n\n{late}")


# ------------------------------------------------------------------ data, and what is refused


def test_a_plan_is_data() -> None:
    """`to_dict` gives what JSON can hold: a time without bound is null."""
    saga = step("a") >> Step(execute, name="b", compensate=undo)
    data: Any = plan(saga).to_dict()

    assert data == json.loads(json.dumps(data))
    assert {
        "path": "b",
        "direction": "execute",
        "how": "late",
        "calls": [
            {"path": "b", "direction": "compensate", "attempts": 1, "repeats": 1, "seconds": None},
            {"path": "a", "direction": "compensate", "attempts": 1, "repeats": 1, "seconds": 1.0},
        ],
        "ends": "compensated",
        "pivot": None,
        "in_doubt": [],
        "forward_seconds": None,
        "back_seconds": None,
        "seconds": None,
        "given": [],
    } in data["failures"]
    assert [
        *("name", "completes", "seconds", "unbounded"),
        *("forward", "failures", "lints", "notes"),
    ] == [*data]
    assert ["compensation-without-timeout"] == [lint["kind"] for lint in data["lints"]]


def test_equal_sagas_have_equal_plans() -> None:
    """A plan is a value."""
    assert plan(step("a") >> ORDER) == plan(step("a") >> ORDER)
    assert plan(step("a")) != plan(step("b"))
    assert PlannedCall("a", "execute", 1, 2.0) == plan(step("a")).forward[0]


@pytest.mark.parametrize(
    ("planning", "error", "message"),
    [
        (
            lambda: plan(execute),  # type: ignore[arg-type] # it must be refused
            InvalidSaga,
            "expected a saga to plan, got function: write plan(saga)",
        ),
        (
            lambda: plan(ORDER, deadline=0),
            InvalidOption,
            (
                "deadline must be a number of seconds, more than 0; got 0. Write deadline=None for "
                "no deadline"
            ),
        ),
    ],
)
def test_a_wrong_argument_is_refused(
    planning: Callable[[], object], error: type[Exception], message: str
) -> None:
    """The message says what was expected, what came, and what to write."""
    with pytest.raises(error) as refused:
        planning()

    assert message == str(refused.value)
