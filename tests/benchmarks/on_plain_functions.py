"""G1 to G5: sagas of plain functions, and what a careful person writes by hand in their place.

By hand, `type(x)` is compared: the fastest way to ask. `Success` stands first since pyright, which
would narrow `x` to a `Success` of an unknown type, does not do so then.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from returns.result import Result, Success

from sagalib import Step, catching, chain, run
from tests.benchmarks import peers
from tests.benchmarks.measuring import plain
from tests.benchmarks.rows import Comparison
from tests.benchmarks.work import (
    Context,
    Refused,
    add_one,
    add_three,
    add_two,
    plus_one,
    plus_three,
    plus_two,
    refuse,
    take_back,
    undo,
    with_parcel,
    with_payment,
    with_stock,
)

Outcome = Result[Any, str]
Undos = list[tuple[Callable[[Any], Result[None, str]], Any]]


def go_back(undos: Undos) -> None:
    """Call the compensations, last first; stop at one that fails."""
    for compensate, value in reversed(undos):
        undone = compensate(value)
        if Success is not type(undone):
            raise RuntimeError(undone)


def three_by_hand(value: int) -> Outcome:
    """Three steps that go well."""
    undos: Undos = []
    first = add_one(value)
    if Success is not type(first):
        go_back(undos)
        return first
    one = first.unwrap()
    undos.append((undo, one))
    second = add_two(one)
    if Success is not type(second):
        go_back(undos)
        return second
    two = second.unwrap()
    undos.append((undo, two))
    third = add_three(two)
    if Success is not type(third):
        go_back(undos)
        return third
    undos.append((undo, third.unwrap()))
    return third


def failure_by_hand(value: int) -> Outcome:
    """Two steps that go well, and one that fails."""
    undos: Undos = []
    first = add_one(value)
    if Success is not type(first):
        go_back(undos)
        return first
    one = first.unwrap()
    undos.append((undo, one))
    second = add_two(one)
    if Success is not type(second):
        go_back(undos)
        return second
    two = second.unwrap()
    undos.append((undo, two))
    third = refuse(two)
    if Success is not type(third):
        go_back(undos)
        return third
    undos.append((undo, third.unwrap()))
    return third


def contexts_by_hand(context: Context) -> Outcome:
    """Three steps on dicts that go well."""
    undos: Undos = []
    first = with_stock(context)
    if Success is not type(first):
        go_back(undos)
        return first
    one = first.unwrap()
    undos.append((undo, one))
    second = with_payment(one)
    if Success is not type(second):
        go_back(undos)
        return second
    two = second.unwrap()
    undos.append((undo, two))
    third = with_parcel(two)
    if Success is not type(third):
        go_back(undos)
        return third
    undos.append((undo, third.unwrap()))
    return third


MANY = 300
PAIRS = [(add_one, undo)] * MANY


def many_by_hand(value: int) -> Outcome:
    """Loop over many steps."""
    undos: Undos = []
    made: Outcome = Success(value)
    for execute, compensate in PAIRS:
        made = execute(value)
        if Success is not type(made):
            go_back(undos)
            return made
        value = made.unwrap()
        undos.append((compensate, value))
    return made


# ------------------------------------------------------------------ functions that raise


def three_that_raise_by_hand(value: int) -> int:
    """Three steps that go well, of functions that could raise."""
    undos: list[tuple[Callable[[int], None], int]] = []
    try:
        one = plus_one(value)
        undos.append((take_back, one))
        two = plus_two(one)
        undos.append((take_back, two))
        three = plus_three(two)
        undos.append((take_back, three))
    except Refused:
        for compensate, made in reversed(undos):
            compensate(made)
        raise
    return three


lift = catching(Refused)

THREE = Step(add_one, undo) >> Step(add_two, undo) >> Step(add_three, undo)
FAILURE = Step(add_one, undo) >> Step(add_two, undo) >> Step(refuse, undo)
LIFTED = (
    Step(lift(plus_one), lift(take_back))
    >> Step(lift(plus_two), lift(take_back))
    >> Step(lift(plus_three), lift(take_back))
)
LIFTED_CALLS = (lift(plus_one), lift(plus_two), lift(plus_three))
CONTEXTS = Step(with_stock, undo) >> Step(with_payment, undo) >> Step(with_parcel, undo)
LONG = chain([Step(add_one, undo)] * MANY)


def three_and_the_log(value: int) -> object:
    """Run three steps that go well, and derive the log."""
    return run(THREE, value).log


def lifted_calls(value: int) -> object:
    """Make the calls of three lifted functions, and nothing else."""
    for function in LIFTED_CALLS:
        value = function(value).unwrap()
    return value


COMPARISONS = [
    Comparison(
        goal="G1",
        what="3 steps that go well",
        ours=plain(partial(run, THREE), 1),
        baseline=plain(three_by_hand, 1),
        gate=2.5,
        brave=1.6,
        beside=lambda: {
            "ours, and the log is read": plain(three_and_the_log, 1),
            "contextlib.ExitStack": plain(peers.three_on_a_stack, 1),
        },
    ),
    Comparison(
        goal="G2",
        what="the same, of functions that raise, lifted with `catching`",
        ours=plain(partial(run, LIFTED), 1),
        baseline=plain(three_that_raise_by_hand, 1),
        gate=15,
        brave=11,
        beside=lambda: {
            "only the three lifted calls": plain(lifted_calls, 1),
            **peers.three(),
        },
    ),
    Comparison(
        goal="G3",
        what="failure at step 3, 2 compensations",
        ours=plain(partial(run, FAILURE), 1),
        baseline=plain(failure_by_hand, 1),
        gate=3,
        brave=2,
        beside=peers.failure,
    ),
    Comparison(
        goal="G4",
        what="3 steps that copy a dict and add to it",
        ours=plain(partial(run, CONTEXTS), {"order": 1}),
        baseline=plain(contexts_by_hand, {"order": 1}),
        gate=2,
        brave=1.4,
    ),
    Comparison(
        goal="G5",
        what="300 steps, per step",
        ours=plain(partial(run, LONG), 1),
        baseline=plain(many_by_hand, 1),
        gate=2,
        brave=1.1,
        pieces=MANY,
    ),
]
