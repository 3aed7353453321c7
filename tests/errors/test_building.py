"""Messages of what is written wrongly: each says what was expected, what came, what to write."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
from returns.result import Result, Success

import sagalib
from sagalib import (
    AsyncStep,
    InvalidOption,
    InvalidSaga,
    Retry,
    SagaError,
    Soft,
    Step,
    WrongColour,
    catching,
    chain,
    compensating,
    stage,
)

# Written without the types of the library, since type checkers refuse what these tests write.
anything: Any = sagalib


def plain(value: int) -> Result[int, str]:
    """Be a plain function."""
    return Success(value)


def undo(_: int) -> Result[None, str]:
    """Be a plain compensation."""
    return Success(None)


async def coroutine(value: int) -> Result[int, str]:
    """Be a coroutine function."""
    return Success(value)


async def coroutine_undo(_: int) -> Result[None, str]:
    """Be a coroutine compensation."""
    return Success(None)


class Callable0:
    """Be called as a coroutine function."""

    async def __call__(self, value: int) -> Result[int, str]:
        """Succeed."""
        return Success(value)


def message_of(error: type[SagaError], write: Callable[[], object]) -> str:
    """Do what must raise; give the message."""
    with pytest.raises(error) as raised:
        write()
    assert error is type(raised.value)
    return str(raised.value)


# ------------------------------------------------------------------ what is no function


@pytest.mark.parametrize(
    ("write", "message"),
    [
        (
            lambda: anything.Step(1),
            "Step takes a function to execute, got int: write Step(function, compensate)",
        ),
        (
            lambda: anything.Step(None),
            "Step takes a function to execute, got NoneType: write Step(function, compensate)",
        ),
        (
            lambda: anything.AsyncStep("charge"),
            "AsyncStep takes a function to execute, got str: write AsyncStep(function, compensate)",
        ),
        (
            lambda: anything.Step(plain, "refund"),
            "Step takes a function to compensate, got str: write Step(function, compensate)",
        ),
        (
            lambda: anything.Step(plain, settle=0),
            "Step takes a function to settle, got int: write Step(function, compensate)",
        ),
        (
            lambda: anything.Step(plain).compensated_by(1),
            "Step takes a function to compensate, got int: write Step(function, compensate)",
        ),
        (
            lambda: anything.AsyncStep(coroutine).settled_by(1),
            "AsyncStep takes a function to settle, got int: write AsyncStep(function, compensate)",
        ),
        (
            lambda: anything.stage(1),
            "Step takes a function to execute, got int: write Step(function, compensate)",
        ),
        (
            lambda: anything.stage(1, undo, context=True),
            "Step takes a function to execute, got int: write Step(function, compensate)",
        ),
        (
            lambda: anything.stage(plain, settle=1),
            "Step takes a function to settle, got int: write Step(function, compensate)",
        ),
        (
            lambda: anything.compensating(1),
            "compensating takes a function to compensate, got int: write compensating(release)",
        ),
        (
            lambda: anything.compensating([undo]),
            "compensating takes a function to compensate, got list: write compensating(release)",
        ),
        (
            lambda: anything.arrow(1),
            "arrow takes a function, got int: write arrow(lambda value: ...)",
        ),
        (
            lambda: anything.Step(plain).map(1),
            "arrow takes a function, got int: write arrow(lambda value: ...)",
        ),
        (
            lambda: anything.Step(plain).map_error(1),
            "map_error takes a function, got int: write map_error(lambda value: ...)",
        ),
        (
            lambda: anything.catching(ValueError)(1),
            "catching(...) lifts a function, got int: write catching(ValueError)(function)",
        ),
    ],
)
def test_what_is_no_function_is_refused(write: Callable[[], object], message: str) -> None:
    """A value where a function belongs is named by its type, with the way to write it."""
    assert message == message_of(InvalidSaga, write)


# ------------------------------------------------------------------ the wrong colour


@pytest.mark.parametrize(
    ("write", "message"),
    [
        (
            lambda: anything.Step(coroutine),
            (
                "Step takes plain functions, and execute 'coroutine' is a coroutine function: "
                "use AsyncStep"
            ),
        ),
        (
            lambda: anything.Step(plain, coroutine_undo),
            (
                "Step takes plain functions, and compensate 'coroutine_undo' is a coroutine "
                "function: "
                "use AsyncStep"
            ),
        ),
        (
            lambda: anything.Step(plain, settle=coroutine_undo),
            (
                "Step takes plain functions, and settle 'coroutine_undo' is a coroutine function: "
                "use AsyncStep"
            ),
        ),
        (
            lambda: anything.Step(plain).compensated_by(coroutine_undo),
            (
                "Step takes plain functions, and compensate 'coroutine_undo' is a coroutine "
                "function: "
                "use AsyncStep"
            ),
        ),
        (
            lambda: anything.Step(Callable0()),
            (
                "Step takes plain functions, and execute 'Callable0' is a coroutine function: "
                "use AsyncStep"
            ),
        ),
        (
            lambda: anything.Step(catching()(coroutine)),
            (
                "Step takes plain functions, and execute 'coroutine' is a coroutine function: "
                "use AsyncStep"
            ),
        ),
        (
            lambda: anything.stage(coroutine),
            (
                "Step takes plain functions, and execute 'coroutine' is a coroutine function: "
                "use AsyncStep"
            ),
        ),
        (
            lambda: anything.AsyncStep(plain),
            (
                "AsyncStep takes coroutine functions, and execute 'plain' is a plain function: "
                "use Step, or write `async def plain`"
            ),
        ),
        (
            lambda: anything.AsyncStep(coroutine, undo),
            (
                "AsyncStep takes coroutine functions, and compensate 'undo' is a plain function: "
                "use Step, or write `async def undo`"
            ),
        ),
        (
            lambda: anything.AsyncStep(coroutine, settle=undo),
            (
                "AsyncStep takes coroutine functions, and settle 'undo' is a plain function: "
                "use Step, or write `async def undo`"
            ),
        ),
        (
            lambda: anything.AsyncStep(coroutine).settled_by(undo),
            (
                "AsyncStep takes coroutine functions, and settle 'undo' is a plain function: "
                "use Step, or write `async def undo`"
            ),
        ),
        (
            lambda: anything.async_stage(plain),
            (
                "AsyncStep takes coroutine functions, and execute 'plain' is a plain function: "
                "use Step, or write `async def plain`"
            ),
        ),
        (
            lambda: anything.step(compensate=undo)(coroutine),
            (
                "AsyncStep takes coroutine functions, and compensate 'undo' is a plain function: "
                "use Step, or write `async def undo`"
            ),
        ),
    ],
)
def test_the_wrong_colour_is_refused(write: Callable[[], object], message: str) -> None:
    """A function of the wrong colour is named with its role, and with the class that takes it."""
    assert message == message_of(WrongColour, write)


@pytest.mark.parametrize("kind", ["stage", "async_stage"])
def test_a_stage_with_context_checks_its_colour(kind: str) -> None:
    """`context=True` does not hide the colour of a function."""
    function, hint = (coroutine, "use AsyncStep") if "stage" == kind else (plain, "use Step")

    message = message_of(
        WrongColour, lambda: getattr(anything, kind)(function, function, context=True)
    )

    assert f"execute '{function.__name__}' is a" in message
    assert hint in message


# ------------------------------------------------------------------ composition


@pytest.mark.parametrize(
    ("write", "message"),
    [
        (
            lambda: anything.Step(plain) >> plain,
            (
                "expected a saga on each side of >>, got function: "
                "wrap it: Step(f), or arrow(f) for a pure function"
            ),
        ),
        (
            lambda: plain >> anything.Step(plain),
            (
                "expected a saga on each side of >>, got function: "
                "wrap it: Step(f), or arrow(f) for a pure function"
            ),
        ),
        (
            lambda: anything.Step(plain).then(None),
            (
                "expected a saga on each side of >>, got NoneType: "
                "write Step(function), a saga, or identity()"
            ),
        ),
        (
            lambda: 5 >> anything.identity(),
            (
                "expected a saga on each side of >>, got int: "
                "write Step(function), a saga, or identity()"
            ),
        ),
        (
            lambda: anything.chain([Step(plain), 5]),
            (
                "expected a saga on each side of >>, got int: "
                "write Step(function), a saga, or identity()"
            ),
        ),
    ],
)
def test_what_is_no_saga_is_not_composed(write: Callable[[], object], message: str) -> None:
    """Composition with something else names its type and how to make a saga of it."""
    assert message == message_of(InvalidSaga, write)


def test_a_coroutine_function_is_to_be_wrapped_in_an_async_step() -> None:
    """The hint for `step >> coroutine_function` names the class that takes it."""
    message = message_of(InvalidSaga, lambda: anything.Step(plain) >> coroutine)

    assert "AsyncStep" in message


@pytest.mark.parametrize(
    "write",
    [
        lambda: anything.Step(plain) and anything.Step(plain),
        lambda: anything.Step(plain) or anything.Step(plain),
        lambda: not anything.identity(),
        lambda: bool(chain([Step(plain), Step(plain)])),
    ],
    ids=["and", "or", "not", "bool"],
)
def test_a_saga_is_neither_true_nor_false(write: Callable[[], object]) -> None:
    """`a and b`, `a or b`, `not a` and `bool(a)` are refused, with what to write instead."""
    message = message_of(InvalidSaga, write)

    assert message.startswith("a saga is neither true nor false: expected a composition, got ")
    assert "`and`, `or`, `not` or `if`" in message


@pytest.mark.parametrize(
    ("write", "message"),
    [
        (
            lambda: Step(plain, undo).compensated_by(undo),
            (
                "step 'plain' has a compensation already (undo): expected none. "
                "Write a step of its own"
            ),
        ),
        (
            lambda: Step(plain).settled_by(undo).settled_by(undo),
            "step 'plain' has a settle already (undo): expected none. Write a step of its own",
        ),
        (
            lambda: AsyncStep(coroutine, coroutine_undo).compensated_by(coroutine_undo),
            (
                "step 'coroutine' has a compensation already (coroutine_undo): expected none. "
                "Write a step of its own"
            ),
        ),
        (
            lambda: AsyncStep(coroutine, settle=coroutine_undo).settled_by(coroutine_undo),
            (
                "step 'coroutine' has a settle already (coroutine_undo): expected none. "
                "Write a step of its own"
            ),
        ),
    ],
)
def test_a_second_compensation_is_refused(write: Callable[[], object], message: str) -> None:
    """A step that has a compensation or a settle takes no other."""
    assert message == message_of(InvalidSaga, write)


@pytest.mark.parametrize(
    "write",
    [
        lambda: Step(plain, undo, pivot=True),
        lambda: Step(plain, pivot=True).compensated_by(undo),
        lambda: stage(plain, undo, pivot=True),
    ],
    ids=["at once", "afterwards", "stage"],
)
def test_a_pivot_takes_no_compensation(write: Callable[[], object]) -> None:
    """A point of no return with a compensation is refused, with the two ways out."""
    assert (
        "a pivot is a point of no return: expected no compensation, got undo. "
        "Drop pivot=True or the compensation"
    ) == message_of(InvalidOption, write)


@pytest.mark.parametrize(
    ("classes", "came"),
    [
        ((1,), "1"),
        ((ValueError, "KeyError"), "'KeyError'"),
        ((KeyboardInterrupt,), "<class 'KeyboardInterrupt'>"),
        ((ValueError(),), "ValueError()"),
    ],
)
def test_catching_takes_classes_of_exceptions(classes: tuple[Any, ...], came: str) -> None:
    """What is no class of Exception cannot be caught."""
    assert (
        f"catching takes classes of Exception, got {came}: write catching(ValueError)(function)"
    ) == message_of(InvalidSaga, lambda: anything.catching(*classes))


# ------------------------------------------------------------------ timeouts


@pytest.mark.parametrize("role", ["timeout", "compensation_timeout"])
@pytest.mark.parametrize(
    ("timeout", "came"),
    [
        (0, "0"),
        (-1.5, "-1.5"),
        (math.nan, "nan"),
        (-math.inf, "-inf"),
        (math.inf, "inf"),
        ("5", "'5'"),
        (True, "True"),
        ([5], "[5]"),
    ],
)
def test_a_timeout_is_a_number_above_zero(role: str, timeout: object, came: str) -> None:
    """A timeout that is no number of seconds above 0 is refused, with the way to have none."""
    message = message_of(InvalidOption, lambda: anything.Step(plain, **{role: timeout}))

    assert message.startswith(f"{role} must be a number of seconds")
    assert f"got {came}" in message
    assert f"Write {role}=None" in message


@pytest.mark.parametrize(
    ("seconds", "came"),
    [(0, "0"), (-1, "-1"), (math.nan, "nan"), ("5", "'5'"), (False, "False"), (None, "None")],
)
def test_a_soft_timeout_is_a_number_above_zero(seconds: object, came: str) -> None:
    """`Soft` takes a number of seconds above 0."""
    message = message_of(InvalidOption, lambda: anything.Soft(seconds))

    assert message.startswith(f"Soft(seconds) must be a number of seconds, more than 0; got {came}")


@pytest.mark.parametrize(
    "write",
    [
        lambda: Step(plain, timeout=10**400),
        lambda: Soft(10**400),
        lambda: Retry(1, wait=10**400),
        lambda: Retry(1, factor=10**400),
        lambda: Retry(-(10**5000)),
    ],
    ids=["timeout", "Soft", "wait", "factor", "times"],
)
def test_a_number_beyond_all_floats_is_refused(write: Callable[[], object]) -> None:
    """A number that no float can hold, or no message could show, is refused like another."""
    message = message_of(InvalidOption, write)

    assert "must be" in message
    assert "got a number of more than 80 digits" in message


# ------------------------------------------------------------------ retries


@pytest.mark.parametrize("role", ["retries", "compensation_retries"])
@pytest.mark.parametrize(
    ("retries", "came"),
    [(-1, "-1"), (True, "True"), ("3", "'3'"), (1.0, "1.0"), (None, "None")],
)
def test_retries_are_a_whole_number(role: str, retries: object, came: str) -> None:
    """A number of retries that is no whole number from 0 is refused, with the way to have none."""
    assert (
        f"retries must be a whole number, 0 or more; got {came}. Write retries=0 for none"
    ) == message_of(InvalidOption, lambda: anything.Step(plain, **{role: retries}))


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"wait": math.inf}, "Retry(wait=) must be a number of seconds, 0 or more; got inf"),
        ({"wait": -1}, "Retry(wait=) must be a number of seconds, 0 or more; got -1"),
        ({"wait": "1"}, "Retry(wait=) must be a number of seconds, 0 or more; got '1'"),
        ({"wait": True}, "Retry(wait=) must be a number of seconds, 0 or more; got True"),
        ({"wait": math.nan}, "Retry(wait=) must be a number of seconds, 0 or more; got nan"),
        ({"cap": -1}, "Retry(cap=) must be a number of seconds, 0 or more; got -1"),
        ({"cap": None}, "Retry(cap=) must be a number of seconds, 0 or more; got None"),
        ({"factor": 0.5}, "Retry(factor=) must be a number, 1 or more; got 0.5"),
        ({"factor": "2"}, "Retry(factor=) must be a number, 1 or more; got '2'"),
        ({"factor": math.nan}, "Retry(factor=) must be a number, 1 or more; got nan"),
        ({"jitter": 1.5}, "Retry(jitter=) must be between 0 and 1; got 1.5"),
        ({"jitter": -0.5}, "Retry(jitter=) must be between 0 and 1; got -0.5"),
        ({"jitter": "full"}, "Retry(jitter=) must be between 0 and 1; got 'full'"),
        (
            {"only": "ValueError"},
            (
                "Retry(only=) must be an error class, a tuple of them, or a predicate over the "
                "reason; got 'ValueError'"
            ),
        ),
        (
            {"unless": (ValueError, 1)},
            (
                "Retry(unless=) must be an error class, a tuple of them, or a predicate over the "
                "reason; got (<class 'ValueError'>, 1)"
            ),
        ),
    ],
)
def test_the_fields_of_retry_have_ranges(fields: dict[str, Any], message: str) -> None:
    """Each field of `Retry` outside its range is named with the range and what came."""
    assert message == message_of(InvalidOption, lambda: anything.Retry(1, **fields))


@pytest.mark.parametrize(
    ("settle_on", "came"), [("always", "'always'"), (None, "None"), (["doubt"], "['doubt']")]
)
def test_settle_on_is_one_of_two_words(settle_on: object, came: str) -> None:
    """`settle_on` takes "doubt" and "failure"."""
    message = message_of(InvalidOption, lambda: anything.Step(plain, settle_on=settle_on))

    assert f'settle_on must be "doubt" or "failure", got {came}' == message


# ------------------------------------------------------------------ names

NAMES: list[tuple[object, str]] = [
    ("", "''"),
    ("a" * 201, "201 characters"),
    ("a" * 10_000_000, "10,000,000 characters"),
    ("two\nlines", r"'two\nlines'"),
    ("bell\x07", r"'bell\x07'"),
    ("\x1b[31mred", r"'\x1b[31mred'"),
    ("nul\x00", r"'nul\x00'"),
    ("del\x7f", r"'del\x7f'"),
    ("c1\x9b", r"'c1\x9b'"),
    ("line\u2028", r"'line\u2028'"),
    ("half \ud800", r"'half \ud800'"),
    ("pay\u202eyap", r"'pay\u202eyap'"),
    (b"bytes", "b'bytes'"),
    (5, "5"),
]
WRITE: list[Callable[[object], object]] = [
    lambda name: anything.Step(plain, name=name),
    lambda name: anything.AsyncStep(coroutine, name=name),
    lambda name: anything.Step(plain).named(name),
    lambda name: anything.AsyncStep(coroutine).named(name),
    lambda name: anything.identity().named(name),
    lambda name: chain([Step(plain), Step(plain)]).named(anything_of(name)),
]


def anything_of(value: object) -> Any:
    """Hide the type of a value."""
    return value


@pytest.mark.parametrize("write", WRITE, ids=range(len(WRITE)))
@pytest.mark.parametrize(("name", "came"), NAMES, ids=range(len(NAMES)))
def test_a_name_is_short_plain_text(
    write: Callable[[object], object], name: object, came: str
) -> None:
    """A name that is empty, long, no text or has controls is refused, and shown escaped."""
    assert (
        f"name must be text of 1 to 200 characters without control characters; got {came}. "
        'Write name="charge"'
    ) == message_of(InvalidOption, lambda: write(name))


def test_a_name_with_none_of_that_is_taken() -> None:
    """A name may have any letters, spaces, separators of paths, and 200 characters."""
    names = ["a" * 200, "réserver l'article", "a/b~2[0]%", "注文", "\N{SHOPPING TROLLEY}"]

    assert names == [Step(plain, name=name).name for name in names]


# ------------------------------------------------------------------ immutability


def assign(saga: Any, name: str) -> None:
    """Assign to an attribute."""
    setattr(saga, name, "other")


@pytest.mark.parametrize("change", [assign, delattr], ids=["set", "delete"])
@pytest.mark.parametrize(
    "saga",
    [Step(plain), AsyncStep(coroutine), Step(plain).keep(), compensating(undo), Retry(1), Soft(1)],
    ids=["Step", "AsyncStep", "composite", "compensating", "Retry", "Soft"],
)
def test_values_do_not_change(saga: Any, change: Callable[[object, str], None]) -> None:
    """Assigning to and deleting an attribute of a saga or a policy raises AttributeError."""
    name = next(name for name in ("name", "times", "seconds") if hasattr(saga, name))
    before = getattr(saga, name)

    with pytest.raises(AttributeError):
        change(saga, name)

    assert before == getattr(saga, name)


def test_assigning_to_a_composite_says_what_to_do() -> None:
    """The message for an assignment to a composed saga names the ways to build another."""
    saga: Any = Step(plain) >> Step(plain)

    with pytest.raises(AttributeError) as raised:
        saga.name = "other"

    message = str(raised.value)

    assert message.startswith("a saga is immutable: expected no ")
    assert message.endswith("'name'. Build a new one with >> or .named(...)")
