"""`plan` of choices, scopes, branches, `each` and `bind`."""

from __future__ import annotations

import math
from typing import Any, Final

import pytest

from sagalib import (
    AsyncStep,
    InvalidSaga,
    Retry,
    Step,
    arrow,
    each,
    fail,
    on,
    par,
    plan,
    when,
)

AnySaga = Any


def execute(value: Any) -> Any:
    """Be a step that is not called."""
    raise AssertionError(value)


async def execute_async(value: Any) -> Any:
    """Be the same as a coroutine function."""
    raise AssertionError(value)


def undo(value: Any) -> Any:
    """Be a compensation that is not called."""
    raise AssertionError(value)


def brings(value: Any) -> AnySaga:
    """Be a function of `bind` that is not called."""
    raise AssertionError(value)


def is_big(value: Any) -> bool:
    """Be a predicate that is not called."""
    raise AssertionError(value)


def rescue(value: Any) -> int:
    """Be a function of `recover` that is not called."""
    raise AssertionError(value)


class Card:
    """One kind of value."""


class Cash:
    """Another kind of value."""


def step(name: str, **settings: Any) -> AnySaga:
    """Give a compensable step whose calls are stopped in time."""
    terms: Any = {"timeout": 2.0, "compensation_timeout": 1.0, **settings}
    return Step(execute, undo, name=name, **terms)


def bare(name: str, **settings: Any) -> AnySaga:
    """Give a step without a compensation."""
    return Step(execute, name=name, timeout=2.0, **settings)


A: Final[AnySaga] = step("a")
B: Final[AnySaga] = step("b")
C: Final[AnySaga] = step("c")
D: Final[AnySaga] = bare("d")
NOTHING: Final[AnySaga] = arrow(rescue)
P: Final[AnySaga] = bare("p", pivot=True)


def after(saga: AnySaga, path: str | None, how: str = "returned") -> list[tuple[Any, ...]]:
    """Give what is called after a failure, how that ends, and what was given."""
    return [
        (" ".join(str(call) for call in point.calls), point.ends, point.given)
        for point in plan(saga).failures
        if (point.path, point.how) == (path, how)
    ]


# ------------------------------------------------------------------ what is called


def test_both_sides_of_a_choice_are_planned() -> None:
    """The calls of both are listed, and the way back depends on the side that was taken."""
    saga = when(is_big, A).otherwise(B) >> D

    assert ["a", "b", "d"] == [call.path for call in plan(saga).forward]
    assert [
        ("compensate a", "compensated", ("is_big",)),
        ("compensate b", "compensated", ("not is_big",)),
    ] == after(saga, "d")
    assert "d in doubt, given not is_big" in str(plan(saga))


def test_what_does_not_depend_on_a_choice_is_told_once() -> None:
    """If both sides lead to the same, it is one failure point, and nothing is given."""
    assert [("", "compensated", ())] == after(
        when(is_big, bare("x")).otherwise(bare("y")) >> D, "d"
    )


def test_the_cases_of_on_are_told_by_their_classes() -> None:
    """That there is no case is an error of types, and is not planned."""
    saga = on(Card, A).on(Cash, B) >> D

    assert [
        ("compensate a", "compensated", ("Card",)),
        ("compensate b", "compensated", ("Cash",)),
    ] == after(saga, "d")
    assert plan(saga).completes
    assert [] == after(saga, None, "fail")


def test_a_side_may_fail_by_itself() -> None:
    """A saga completes if one of its ways does."""
    saga = A >> when(is_big, fail("no")).otherwise(B)

    assert plan(saga).completes
    assert [("compensate a", "compensated", ("is_big",))] == after(saga, None, "fail")


def test_an_alternative_goes_on_after_the_way_back() -> None:
    """What or_else catches ends well; of its own the alternative fails as a step does."""
    saga = C >> (A >> B).or_else(step("x")) >> D

    assert [("compensate a execute x execute d", "ok", ())] == after(saga, "b")
    assert [("compensate c", "compensated", ("or_else of a",))] == after(saga, "x")
    assert [
        ("compensate b compensate a compensate c", "compensated", ()),
        ("compensate x compensate c", "compensated", ("or_else of a",)),
    ] == after(saga, "d")
    assert [("compensate a compensate c", "compensated", ())] == after(saga, "b", "cut")
    assert [("compensate a compensate c", "compensated", ())] == after(saga, "b", "cancelled")


def test_recover_takes_returned_errors_only() -> None:
    """An error that is returned is recovered from; a call in doubt fails the saga."""
    saga = (A >> B).recover(rescue) >> D

    assert [("compensate a execute d", "ok", ())] == after(saga, "b")
    assert [("compensate a", "compensated", ())] == after(saga, "b", "in_doubt")


def test_a_retry_is_planned_in_its_last_attempt() -> None:
    """Its calls are listed once, and how often they are come to is said."""
    planned = plan((A >> B).retry(2) >> D)

    assert [("a", 1, 3), ("b", 1, 3), ("d", 1, 1)] == [
        (call.path, call.attempts, call.repeats) for call in planned.forward
    ]
    assert [("compensate a", "compensated", ())] == after((A >> B).retry(2) >> D, "b")
    assert "forward: a (up to 3 times), b (up to 3 times), d;" in str(planned)


def test_a_programmed_compensation_takes_the_place_of_those_inside() -> None:
    """What is nested with a compensation owes that one, once it has gone through."""
    saga = (A >> B).nested("pay", undo) >> D

    assert [("compensate pay/a", "compensated", ())] == after(saga, "pay/b")
    assert [("compensate pay", "compensated", ())] == after(saga, "d")


def test_a_deadline_can_pass_before_and_during_each_call() -> None:
    """It is a failure that is caught around it, and not inside."""
    saga = (A >> B.or_else(C)).deadline(9).or_else(D)

    assert [
        ("compensate a execute d", "ok", ()),
    ] == after(saga, "b", "expired")[:1]
    assert [("compensate a", "compensated", ())] == after(saga, "b", "cancelled")
    assert "b past the deadline" in str(plan(saga)).replace("or ", "").replace("in doubt ", "")


def test_branches_are_planned_one_after_the_other() -> None:
    """A branch that fails awaits its sibling; then all that has completed is compensated."""
    saga = par(A >> B, C) >> D

    assert [
        (
            "execute branch[1]/c compensate branch[1]/c compensate branch[0]/a",
            "compensated",
            (),
        )
    ] == after(saga, "branch[0]/b")
    assert any(note.startswith("branches are planned one after") for note in plan(saga).notes)


def test_a_branch_that_recovers_has_not_failed() -> None:
    """A failure that is caught in a branch does not reach its siblings."""
    saga = par(A.recover(rescue), B) >> D

    assert [("execute branch[1]/b execute d", "ok", ())] == after(saga, "branch[0]/a")
    assert [
        ("compensate branch[1]/b compensate branch[0]/a", "compensated", ()),
        ("compensate branch[1]/b", "compensated", ("recover of branch[0]/a",)),
    ] == after(saga, "d")
    assert [
        ("compensate branch[0]/a", "compensated", ()),
        ("", "compensated", ("recover of branch[0]/a",)),
    ] == after(saga, "branch[1]/b")


def test_the_body_of_each_is_planned_once_and_said_so() -> None:
    """It is planned for one item, with a path that has no number, and without a bound."""
    planned = plan(each(A >> B, limit=None) >> D)

    assert ["item[]/a", "item[]/b", "d"] == [call.path for call in planned.forward]
    assert any(note.startswith("the body of each is planned once") for note in planned.notes)
    assert 6.0 == planned.forward_seconds
    assert math.inf == planned.seconds
    assert math.inf == plan(each(bare("a"))).forward_seconds


def test_what_bind_brings_is_one_call_and_said_so() -> None:
    """It is called, and compensated, and no more is known of it."""
    planned = plan(A.bind(brings) >> D)

    assert ["a", "bind", "d"] == [call.path for call in planned.forward]
    assert [("compensate bind compensate a", "compensated", ())] == after(A.bind(brings) >> D, "d")
    assert any(note.startswith("what bind brings is not planned") for note in planned.notes)
    assert math.inf == planned.seconds
    assert str(planned).endswith(
        "\n\nwhat bind brings is not planned: it is one call, with a compensation"
    )
    assert ["what bind brings is not planned: it is one call, with a compensation"] == (
        planned.to_dict()["notes"]
    )


def test_too_many_ways_are_refused() -> None:
    """Ways multiply; of more than 1,000 a plan says so, and gives no part of them for all."""
    saga = step("first")
    for number in range(12):
        saga = saga >> when(is_big, step(f"a{number}")).otherwise(step(f"b{number}"))

    with pytest.raises(InvalidSaga, match=r"expected at most 1,000 ways .* write plan\(part\)"):
        plan(saga)


# ------------------------------------------------------------------ time


@pytest.mark.parametrize(
    ("saga", "seconds"),
    [
        (par(A >> B, step("c", timeout=7.0)), 7.0),
        (par(A >> B, step("c", timeout=7.0), limit=1), 11.0),
        (par(A, par(B, step("c", timeout=7.0)) >> D), 9.0),
        (when(is_big, A >> B).otherwise(C), 4.0),
        (A.retry(2), 6.0),
        ((A >> B).retry(Retry(2, wait=1.0)), (2 + 2 + 1) * 2 + 1 + 2 + 4),
        ((A >> B).retry(1).retry(1), ((2 + 2 + 1) + (2 + 2) + 1) + (2 + 2 + 1) + 4),
        ((A >> B).or_else(C), 4.0),
        (A.deadline(1.0), 2.0),
        (par(A.retry(2), B), 6.0),
        (par(A, B >> C).retry(1), (4.0 + 2.0) + 4.0),
    ],
    ids=lambda value: None if not isinstance(value, float) else str(value),
)
def test_the_time_there_counts_the_longest_branch_and_each_attempt(
    saga: AnySaga, seconds: float
) -> None:
    """Branches count as the longest, attempts of a retry with their way back and their pauses."""
    assert seconds == plan(saga).forward_seconds


def test_an_alternative_comes_after_the_longest_failure() -> None:
    """What it is tried instead of has failed, and been compensated, before."""
    planned = plan((A >> B).or_else(C))

    assert [(5.0 + 2.0)] == [
        point.forward_seconds
        for point in planned.failures
        if (point.path, point.how) == ("c", "returned")
    ]
    assert 7.0 == planned.seconds


def test_branches_are_awaited_before_the_way_back() -> None:
    """A failure in a short branch is known when the long one has ended."""
    points = plan(par(A, step("b", timeout=20.0))).failures
    (point,) = [one for one in points if (one.path, one.how) == ("branch[0]/a", "returned")]

    assert (2.0, 19.0) == (point.forward_seconds, point.back_seconds)


# ------------------------------------------------------------------ lints


@pytest.mark.parametrize(
    ("saga", "found"),
    [
        (P >> D, [("fallible-after-pivot", "d")]),
        (P >> D.retry(1), []),
        (P >> D.or_else(bare("x", retries=1)), []),
        (P >> D.recover(rescue), []),
        ((P >> D).retry(1), [("fallible-after-pivot", "d")]),
        (P >> (A >> D).retry(1), [("retries-without-settle", "a")]),
        (when(is_big, P).otherwise(A) >> D, [("fallible-after-pivot", "d")]),
        (when(is_big, P).otherwise(A), []),
        (P.or_else(A), []),
        (P >> when(is_big, fail("no")).otherwise(D.retry(1)), [("fallible-after-pivot", None)]),
        (when(is_big, D).otherwise(bare("x")), []),
        (
            when(is_big, D).otherwise(bare("x")) >> A,
            [("uncompensable-before-fallible", "d"), ("uncompensable-before-fallible", "x")],
        ),
        (D.or_else(A), []),
        (D.or_else(A) >> B, [("uncompensable-before-fallible", "d")]),
        (par(A, D), [("uncompensable-before-fallible", "branch[1]/d")]),
        (par(D, A), [("uncompensable-before-fallible", "branch[0]/d")]),
        (par(D), []),
        (each(D), [("uncompensable-before-fallible", "item[]/d")]),
        (D.bind(brings), [("uncompensable-before-fallible", "d")]),
        (D.nested("n", undo) >> A, []),
        (A.retry(1), [("retries-without-settle", "a")]),
        (A.retry(0), []),
        (step("a", settle=undo).retry(1), []),
        ((A >> B).deadline(3.5), [("deadline-too-short", "a")]),
        ((A >> B).deadline(4.0), []),
        ((A >> B).recover(rescue).deadline(4.5), [("deadline-too-short", "a")]),
        (NOTHING.deadline(0), []),
        (
            AsyncStep(execute_async, name="x", timeout=None).deadline(1),
            [("deadline-too-short", "x")],
        ),
    ],
)
def test_a_lint_is_given_through_scopes(saga: AnySaga, found: list[tuple[str, str | None]]) -> None:
    """Advice is given by what can happen before and after, and not by what stands side by side."""
    assert found == [(lint.kind, lint.path) for lint in plan(saga).lints]


def test_the_lint_of_a_deadline_says_how_long_its_inside_may_need() -> None:
    """The message has the time that is allowed, and the one that may be needed."""
    (lint,) = plan((A >> B).deadline(3.5)).lints
    assert (
        "deadline-too-short: the deadline of 3.5 s around 'a' can pass: what is inside may need "
        "4 s. Write shorter timeouts or fewer retries, or allow more time"
    ) == str(lint)
