"""The course of a saga is what the machine asks as long as all goes well."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from returns.result import Success

from sagalib import Ok
from sagalib.core.instructions import Keep, Merge, is_step
from sagalib.core.machine import begin, evolve
from sagalib.core.state import Ended
from tests.laws.interpreters import Case, by_run, by_run_async
from tests.laws.strategies import cases


@given(cases())
def test_the_machine_asks_for_the_steps_of_the_course_one_after_the_other(case: Case) -> None:
    """On the course, a success leads to the next step, and a whole course to the end."""
    word, is_whole, back = case.saga.course
    assert case.saga.instructions[: len(word)] == word
    assert (len(case.saga.instructions) == len(word)) == is_whole
    assert 0 <= back <= len(word)
    machine: Any = begin(case.saga, case.value, "run")
    for pc, instruction in enumerate(word):
        if is_step(instruction):
            assert (pc, instruction.execute) == (machine.pc, machine.function)
            assert not isinstance(instruction.timeout, float) or instruction.is_async
            machine = evolve(machine, Success(machine.value))
        else:
            assert isinstance(instruction, (Keep, Merge))
    assert is_whole <= (machine.progress == Ended(None))


@given(cases())
def test_a_run_that_is_heard_and_one_that_is_not_are_the_same(case: Case) -> None:
    """Whoever listens, the calls, the outcome, the log and what is owed are the same."""
    drivers = (by_run_async,) if case.saga.is_async else (by_run, by_run_async)
    for driver in drivers:
        unheard, heard = driver(case), driver(case, observers=[str])
        assert unheard.ledger == heard.ledger
        assert unheard.outcome == heard.outcome
        assert unheard.log == heard.log
        assert unheard.standing == heard.standing
        owed = [
            seen.outcome.compensation
            if isinstance(seen.outcome, Ok)
            else getattr(seen.outcome, "residual", None)
            for seen in (unheard, heard)
        ]
        assert owed[0] == owed[1]
