"""Messages of branches, choice and scopes: what was expected, what came, what to write instead."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from returns.result import Result, Success

import sagalib
from sagalib import InvalidOption, InvalidSaga, Raised, Step, run
from tests.errors.test_building import message_of

# Written without the types of the library, since type checkers refuse what these tests write.
anything: Any = sagalib


def plain(value: int) -> Result[int, str]:
    """Be a plain function."""
    return Success(value)


async def coroutine(value: int) -> Result[int, str]:
    """Be a coroutine function."""
    return Success(value)


def is_large(value: int) -> bool:
    """Be a predicate."""
    return value > 1


def reason_of(saga: Any, value: object) -> object:
    """Run a saga that fails; give the reason."""
    outcome: Any = run(saga, value)
    return outcome.reason


a: Any = Step(plain, name="a")
PIVOT: Any = Step(plain, name="p", pivot=True)
HALF: Any = anything.when(is_large, a)

WRAP = "wrap it: Step(f), or arrow(f) for a pure function"
WRITE = "write Step(function), a saga, or identity()"
WHOLE = "end it with .otherwise(saga), or .otherwise(identity())"


@pytest.mark.parametrize(
    ("write", "message"),
    [
        (lambda: a & plain, f"expected a saga on each side of &, got function: {WRAP}"),
        (lambda: plain & a, f"expected a saga on each side of &, got function: {WRAP}"),
        (lambda: a & 1, f"expected a saga on each side of &, got int: {WRITE}"),
        (lambda: a | plain, f"expected a saga on each side of |, got function: {WRAP}"),
        (lambda: plain | a, f"expected a saga on each side of |, got function: {WRAP}"),
        (lambda: a | None, f"expected a saga on each side of |, got NoneType: {WRITE}"),
        (lambda: a.or_else(plain), f"or_else takes sagas, got function: {WRAP}"),
        (
            lambda: a.or_else(coroutine),
            "or_else takes sagas, got function: wrap it: AsyncStep(f)",
        ),
        (lambda: anything.par(a, plain), f"par takes sagas, got function: {WRAP}"),
        (lambda: anything.par([a, a]), "par takes sagas, got list: write gather(sagas)"),
        (lambda: anything.gather([a, 1]), f"gather takes sagas, got int: {WRITE}"),
        (lambda: anything.each(plain), f"each takes sagas, got function: {WRAP}"),
        (lambda: anything.each([a]), f"each takes sagas, got list: {WRITE}"),
        (lambda: anything.together(a, plain), f"together takes sagas, got function: {WRAP}"),
        (lambda: anything.when(is_large, plain), f"when takes sagas, got function: {WRAP}"),
        (lambda: HALF.otherwise(plain), f"otherwise takes sagas, got function: {WRAP}"),
        (lambda: HALF.otherwise(None), f"otherwise takes sagas, got NoneType: {WRITE}"),
        (lambda: anything.on(int, plain), f"on takes sagas, got function: {WRAP}"),
        (lambda: anything.on(int, a).on(str, 1), f"on takes sagas, got int: {WRITE}"),
    ],
)
def test_what_is_no_saga_has_no_place_in_a_form(write: Callable[[], object], message: str) -> None:
    """A form that takes sagas names itself, what came, and how to make a saga of it."""
    assert message == message_of(InvalidSaga, write)


@pytest.mark.parametrize(
    ("write", "message"),
    [
        (lambda: a >> HALF, "expected a saga on each side of >>, got When"),
        (lambda: HALF >> a, "expected a saga on each side of >>, got When"),
        (lambda: HALF & a, "expected a saga on each side of &, got When"),
        (lambda: a | HALF, "expected a saga on each side of |, got When"),
        (lambda: anything.par(a, HALF), "par takes sagas, got When"),
        (lambda: anything.on(int, HALF), "on takes sagas, got When"),
    ],
)
def test_half_a_choice_says_how_to_end_it(write: Callable[[], object], message: str) -> None:
    """A ``when`` without its ``otherwise`` is no saga, and the message says what is missing."""
    assert f"{message}: {WHOLE}" == message_of(InvalidSaga, write)


@pytest.mark.parametrize("form", ["&", "par", "gather", "each", "together"])
def test_a_pivot_has_no_place_in_a_branch(form: str) -> None:
    """A branch with a pivot is refused when it is built, by the name of the form."""
    write = {
        "&": lambda: a & PIVOT,
        "par": lambda: anything.par(a, PIVOT),
        "gather": lambda: anything.gather([PIVOT]),
        "each": lambda: anything.each(PIVOT),
        "together": lambda: anything.together(a, PIVOT),
    }[form]

    assert message_of(InvalidSaga, write) == (
        f"{form} takes sagas without a pivot, and Step('p', pivot=True) has one: what its siblings "
        "have done could not be compensated after it. Put the pivot behind the branches"
    )


def test_one_saga_is_no_iterable_of_branches() -> None:
    """What ``gather`` takes, and how to write it, stands in the message."""
    expected = "gather takes an iterable of sagas, got Step: write gather([first, second])"

    assert expected == message_of(InvalidSaga, lambda: anything.gather(a))


@pytest.mark.parametrize("limit", [0, -1, True, 1.5, "2"])
@pytest.mark.parametrize("form", ["par", "gather", "each", "together"])
def test_a_limit_is_a_whole_number(form: str, limit: object) -> None:
    """The limit of branches is 1 or more; ``None`` is how to have none."""
    given = [a] if form == "gather" else a
    expected = (
        f"limit must be a whole number, 1 or more, or None; got {limit!r}. "
        "Write limit=None for all at once"
    )

    assert expected == message_of(
        InvalidOption, lambda: getattr(anything, form)(given, limit=limit)
    )


@pytest.mark.parametrize("form", ["par", "gather", "each", "together"])
def test_what_is_done_on_failure_is_one_of_two_words(form: str) -> None:
    """What is done with the other branches is said by a word; the message has both."""
    given = [a] if form == "gather" else a
    expected = (
        'on_failure must be "await" or "interrupt"; got \'stop\'. '
        'Write on_failure="await" to let the others end'
    )

    assert expected == message_of(
        InvalidOption, lambda: getattr(anything, form)(given, on_failure="stop")
    )


@pytest.mark.parametrize(("predicate", "came"), [(True, "True"), (a, "Step('a')")])
def test_a_predicate_is_a_function(predicate: object, came: str) -> None:
    """``when`` takes a function of the value first, then the saga."""
    expected = (
        f"when takes a predicate, got {came}: "
        "write when(lambda order: order.total > 0, charge).otherwise(identity())"
    )

    assert expected == message_of(InvalidSaga, lambda: anything.when(predicate, a))


@pytest.mark.parametrize(
    "write",
    [lambda: anything.on("Card", a), lambda: anything.on(int, a).on("Card", a)],
)
def test_a_case_is_a_class(write: Callable[[], object]) -> None:
    """``on`` takes one class, itself, not its name."""
    expected = "on takes a class, got 'Card': write on(Card, charge).on(Cash, take)"

    assert expected == message_of(InvalidSaga, write)


def test_a_value_without_a_case_says_which_there_are() -> None:
    """What types did not prevent names the class that came, and the case to add."""
    cases: Any = anything.on(int, a).on(bytes, a)

    message = "no case for str: expected int, bytes. Add .on(str, saga)"

    assert Raised("TypeError", message) == reason_of(cases, "cheque")


@pytest.mark.parametrize("method", ["recover", "bind"])
def test_a_handler_is_a_function(method: str) -> None:
    """``recover`` and ``bind`` take a function, not what it would give."""
    expected = f"{method} takes a function, got Step: write {method}(lambda value: ...)"

    assert expected == message_of(InvalidSaga, lambda: getattr(a, method)(a))


def test_a_bound_function_gives_a_saga() -> None:
    """A function that gives a value has its place in ``map``."""
    message = (
        "bind takes a function that gives a saga, and it gave Success: "
        "write .bind(lambda value: Step(function)), or .map(function) for a value"
    )

    assert Raised("NotASaga", message) == reason_of(a.bind(plain), 1)


@pytest.mark.parametrize("retries", [-1, 1.5, "twice"])
def test_the_retries_of_a_scope_are_a_whole_number(retries: object) -> None:
    """``retry`` takes what the ``retries`` of a step are."""
    expected = (
        f"retries must be a whole number, 0 or more; got {retries!r}. Write retries=0 for none"
    )

    assert expected == message_of(InvalidOption, lambda: a.retry(retries))


@pytest.mark.parametrize("seconds", [-1, None, "1 s"])
def test_a_deadline_is_a_number_of_seconds(seconds: object) -> None:
    """``deadline`` takes seconds, 0 or more; there is no way to say none but to leave it out."""
    expected = f"deadline(seconds) must be a number of seconds, 0 or more; got {seconds!r}"

    assert expected == message_of(InvalidOption, lambda: a.deadline(seconds))


@pytest.mark.parametrize("name", ["", 1, "two\nlines"])
def test_the_name_of_a_nested_saga_is_that_of_a_step(name: object) -> None:
    """``nested`` takes the same names as ``Step``."""
    expected = (
        "name must be text of 1 to 200 characters without control characters; "
        f'got {name!r}. Write name="charge"'
    )

    assert expected == message_of(InvalidOption, lambda: a.nested(name))


@pytest.mark.parametrize(("compensate", "came"), [(1, "int"), (a, "Step")])
def test_the_compensation_of_a_nested_saga_is_a_function(compensate: object, came: str) -> None:
    """``nested`` takes a function to compensate, and says so in its own name."""
    expected = f"nested takes a function to compensate, got {came}: write nested(name, refund)"

    assert expected == message_of(InvalidSaga, lambda: a.nested("hold", compensate))
