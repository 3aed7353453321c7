"""Sagas of a million steps, in either nesting: no recursion, and `>>` copies nothing."""

from __future__ import annotations

import copy
import pickle
import sys
from collections.abc import Callable
from functools import partial
from types import FrameType
from typing import Any, Final

import pytest
from returns.result import Failure, Result, Success

from sagalib import (
    Compensated,
    Fatal,
    Saga,
    Step,
    chain,
    fail,
    identity,
    run,
    simulate,
    status_of,
)

QUICK: Final = 20_000
MILLION: Final = 1_000_000

AnySaga = Saga[Any, Any, Any, Any, Any]


def add(value: int) -> Result[int, str]:
    """Give the next number."""
    return Success(value + 1)


class Undo:
    """Counts down, and remembers the first value that it was not given in turn."""

    def __init__(self) -> None:
        self.next = 0
        self.wrong: list[int] = []

    def __call__(self, value: int) -> Result[None, str]:
        """Compensate."""
        if value != self.next and not self.wrong:
            self.wrong.append(value)
        self.next = value - 1
        return Success(None)


def plain(value: int) -> Result[None, str]:
    """Compensate nothing."""
    return Success(None) if value else Failure("never")


def left_nested(step: AnySaga, size: int) -> AnySaga:
    """Build `((a >> a) >> a) ...`."""
    saga: AnySaga = identity()
    for _ in range(size):
        saga = saga >> step
    return saga


def right_nested(step: AnySaga, size: int) -> AnySaga:
    """Build `a >> (a >> (a ...))`."""
    saga: AnySaga = identity()
    for _ in range(size):
        saga = step >> saga
    return saga


def in_brackets(step: AnySaga, size: int) -> AnySaga:
    """Build steps deep in brackets: an error mapped again and again."""
    saga = step
    for _ in range(size - 1):
        saga = (saga >> step).map_error(str)
    return saga


def check_values(build: Callable[[AnySaga, int], AnySaga], size: int) -> None:
    """Check equality, hash, repr, pickle and deepcopy."""
    step = Step(add, plain)
    saga, other = build(step, size), build(step, size)
    assert saga == other
    assert hash(saga) == hash(other)
    assert saga != build(step, size - 1)
    assert f"... {len(saga.instructions) - 10:,} more" in repr(saga)
    assert copy.deepcopy(saga) == saga
    assert pickle.loads(pickle.dumps(saga)) == saga


def check_runs(build: Callable[[AnySaga, int], AnySaga], size: int) -> None:
    """Check a run that goes through all steps and then back."""
    undo = Undo()
    saga = build(Step(add, undo, timeout=None), size)
    undo.next = size
    outcome = run(saga >> fail("no"), 0)
    assert Compensated("no") == outcome
    assert isinstance(outcome, Compensated)
    assert size == outcome.context
    assert [] == undo.wrong
    assert 0 == undo.next


@pytest.mark.parametrize("build", [left_nested, right_nested])
def test_a_long_saga_is_a_value(build: Callable[[AnySaga, int], AnySaga]) -> None:
    """Equality, hash, repr, pickle and deepcopy work on thousands of steps, in either nesting."""
    check_values(build, QUICK)


@pytest.mark.parametrize("build", [left_nested, right_nested])
def test_a_long_saga_runs_and_is_compensated(build: Callable[[AnySaga, int], AnySaga]) -> None:
    """Thousands of steps run, and are compensated in reverse order, in either nesting."""
    check_runs(build, QUICK)


def test_deep_brackets_are_values_and_run() -> None:
    """Thousands of brackets inside each other are built, compared, pickled, run and left again."""
    check_values(in_brackets, 5_000)
    check_runs(in_brackets, 5_000)


def test_a_long_residual_is_run() -> None:
    """What thousands of failed compensations leave runs, and `status_of` reads its log."""
    size = 5_000
    saga = left_nested(Step(add, lambda _: Failure("broken"), timeout=None), size)
    outcome = simulate(saga >> fail("no"), 0)
    assert isinstance(outcome, Fatal)
    assert size == len(outcome.failures)
    assert size + 1 == len(outcome.residual.instructions)
    assert size == len(status_of(outcome.log).completed)
    again = run(outcome.residual)
    assert isinstance(again, Fatal)
    assert outcome.failures[0] == again.failures[0]
    assert size == len(again.failures)


@pytest.mark.slow
def test_a_million_steps_are_a_value() -> None:
    """Equality, hash, repr, pickle and deepcopy work on a million steps, nested to the right."""
    check_values(right_nested, MILLION)


@pytest.mark.slow
def test_a_million_steps_run_and_are_compensated() -> None:
    """A million steps, nested to the left, run and are compensated in reverse order."""
    check_runs(left_nested, MILLION)


def calls_of(work: Callable[[], object]) -> list[str]:
    """Give the names of the Python and C functions that are called."""
    names: list[str] = []

    def note(frame: FrameType, event: str, argument: Any) -> None:
        if event == "call":
            names.append(frame.f_code.co_name)
        elif event == "c_call":
            names.append(argument.__name__)

    sys.setprofile(note)
    try:
        work()
    finally:
        sys.setprofile(None)
    return names


def test_composition_reads_nothing() -> None:
    """`then`, which is `>>`, makes the same calls however long its sides are, and reads neither."""
    step = Step(add, plain)
    made: list[list[str]] = []
    for size in (10, 3_000):
        left, right = left_nested(step, size), right_nested(step, size)
        made += [calls_of(partial(left.then, right)), calls_of(partial(left.then, step))]
    assert made[:2] == made[2:]
    reading = {"instructions", "_write_out", "paths", "__hash__", "extend"}
    assert [] == [name for names in made for name in names if name in reading]


def test_instructions_are_written_out_once() -> None:
    """The first reader writes the word out, in linear time; the second only looks it up."""
    saga = left_nested(Step(add, plain), 1_000)
    first, second = calls_of(lambda: saga.instructions), calls_of(lambda: saga.instructions)
    assert 1 == first.count("_write_out")
    assert 1_000 <= len(first) <= 20_000
    assert 0 == second.count("_write_out")
    assert len(second) < 10


def test_chain_of_many_is_the_sequence_of_many() -> None:
    """`chain` of thousands is the saga that `>>` makes of them."""
    step = Step(add, plain)
    assert left_nested(step, QUICK) == chain([step] * QUICK)
