"""Arguments of the wrong shape: what was expected, what came, what to write instead."""

from __future__ import annotations

from typing import Any

import pytest
from returns.result import Failure, Result, Success

from sagalib import AsyncStep, InvalidOption, InvalidSaga, Step, chain, simulate


def reserve(value: int) -> Result[int, str]:
    """Stand in for an execute."""
    return Success(value)


async def reserve_async(value: int) -> Result[int, str]:
    """Stand in for an execute of the other colour."""
    return Success(value)


@pytest.mark.parametrize("made", [Step(reserve), AsyncStep(reserve_async)])
@pytest.mark.parametrize("role", ["compensation", "settle"])
def test_nothing_is_no_compensation(made: Any, role: str) -> None:
    """`compensated_by(None)` and `settled_by(None)` are refused, in place of adding nothing."""
    add = made.compensated_by if role == "compensation" else made.settled_by

    with pytest.raises(InvalidSaga) as raised:
        add(None)

    assert (
        f"a {role} of step {made.name!r} is a function, got None: write a function, or nothing"
    ) == str(raised.value)


def test_a_single_saga_is_no_chain() -> None:
    """`chain(step)` is refused: it takes an iterable."""
    alone: Any = Step(reserve)

    with pytest.raises(InvalidSaga) as raised:
        chain(alone)

    assert "chain takes an iterable of sagas, got Step: write chain([first, second])" == str(
        raised.value
    )


def test_a_number_is_no_script() -> None:
    """`simulate` takes a mapping or a function as its script."""
    script: Any = 5

    with pytest.raises(InvalidSaga) as raised:
        simulate(Step(reserve), 1, script)

    assert (
        "a script is a mapping from paths to answers, or a function of a call; "
        'got int: write script={"charge": [Failure("declined")]}'
    ) == str(raised.value)


def test_a_misspelt_path_is_refused() -> None:
    """A script that names no step of the saga would pass without a fault: it is refused."""
    with pytest.raises(InvalidOption) as raised:
        simulate(Step(reserve), 1, {"resrve": [Success(1)]})

    assert (
        "a script answers the calls of reserve, also :compensate and :settle; got 'resrve'. "
        "Write one of these paths"
    ) == str(raised.value)


def test_one_answer_is_no_list_of_answers() -> None:
    """`{"reserve": Failure(...)}` is refused: a path has a list of answers."""
    script: Any = {"reserve": Failure("x")}

    with pytest.raises(InvalidOption) as raised:
        simulate(Step(reserve), 1, script)

    assert (
        "a script gives a list of answers for each path, got Failure for 'reserve': "
        "write {'reserve': [Success(1)]}"
    ) == str(raised.value)
