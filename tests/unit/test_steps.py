"""Steps and the sugar around them: decorators, stages, lifted functions."""

from __future__ import annotations

import copy
import functools
import pickle
from typing import Any

import pytest
from returns.result import Failure, Result, Success

from sagalib import (
    AsyncStep,
    Compensated,
    CompensationFailed,
    Fatal,
    Ok,
    Raised,
    Retry,
    Soft,
    Step,
    async_stage,
    catching,
    compensating,
    last,
    stage,
    star,
    step,
)
from tests.defects.colours import (
    ASYNC,
    SYNC,
    Colour,
    World,
    both_colours,
    coroutine_function,
    pass_on,
    refuse,
)

# Written without the types of the stages, where a test takes both forms of a compensation.
any_stage: Any = stage
any_async_stage: Any = async_stage


def reserve(value: Any) -> Result[Any, Any]:
    """Reserve."""
    return Success(f"{value}+r")


def release(_: Any) -> Result[None, Any]:
    """Release."""
    return Success(None)


async def reserve_async(value: Any) -> Result[Any, Any]:
    """Reserve."""
    return Success(f"{value}+r")


async def release_async(_: Any) -> Result[None, Any]:
    """Release."""
    return Success(None)


# ------------------------------------------------------------------ decorators


def test_a_decorated_function_is_a_step() -> None:
    """`@step` makes of a function what `Step` or `AsyncStep` makes of it."""
    assert Step(reserve) == step(reserve)
    assert AsyncStep(reserve_async) == step(reserve_async)


def test_a_decorator_takes_the_keywords_of_a_step() -> None:
    """`@step(...)` takes a compensation and all settings, in both colours."""
    assert Step(reserve, release, retries=2, name="r") == step(
        compensate=release, retries=2, name="r"
    )(reserve)
    assert AsyncStep(reserve_async, release_async, timeout=5) == step(
        compensate=release_async, timeout=5
    )(reserve_async)
    assert AsyncStep(reserve_async, name="r") == step(name="r")(reserve_async)
    assert Step(reserve, release, settle=release) == step(compensate=release, settle=release)(
        reserve
    )
    assert Step(reserve, pivot=True) == step(pivot=True)(reserve)


def test_a_step_decorates_its_compensation_and_its_settle() -> None:
    """`compensated_by` and `settled_by` add a function, and leave the step itself as it was."""
    plain, coroutine = Step(reserve, retries=2), AsyncStep(reserve_async, retries=2)

    assert Step(reserve, release, retries=2) == plain.compensated_by(release)
    assert Step(reserve, settle=release, retries=2) == plain.settled_by(release)
    assert AsyncStep(reserve_async, release_async, retries=2) == coroutine.compensated_by(
        release_async
    )
    assert AsyncStep(reserve_async, settle=release_async, retries=2) == coroutine.settled_by(
        release_async
    )
    assert plain.compensate is None
    assert coroutine.settle is None


# ------------------------------------------------------------------ names


class Charge:
    """A service that is called itself."""

    def __call__(self, value: Any) -> Result[Any, Any]:
        """Charge."""
        return Success(value)

    def method(self, value: Any) -> Result[Any, Any]:
        """Charge."""
        return Success(value)


@pytest.mark.parametrize(
    ("function", "name"),
    [
        (reserve, "reserve"),
        (Charge(), "Charge"),
        (Charge().method, "method"),
        (functools.partial(reserve), "reserve"),
        (functools.partial(functools.partial(reserve)), "reserve"),
        (star(reserve), "reserve"),
        (catching()(reserve), "reserve"),
        (catching(ValueError)(star(reserve)), "reserve"),
        (lambda: None, "<lambda>"),
        (Success, "Success"),
    ],
    ids=range(10),
)
def test_a_step_is_called_like_its_function(function: Any, name: str) -> None:
    """The name of a step is that of the function, below what wraps it."""
    assert name == Step(function).name
    assert "other" == Step(function, name="other").name
    assert "other" == Step(function).named("other").name


@pytest.mark.parametrize(
    "function",
    [
        reserve_async,
        functools.partial(reserve_async),
        star(reserve_async),
        catching(ValueError)(reserve_async),
        coroutine_function(reserve),
    ],
    ids=range(5),
)
def test_wrappers_keep_the_colour(function: Any) -> None:
    """A wrapped coroutine function is one for an AsyncStep."""
    assert AsyncStep(function).is_async
    assert function.__class__ is function.__class__


@pytest.mark.parametrize(
    ("made", "text"),
    [
        (Step(reserve), "Step('reserve')"),
        (
            Step(reserve, release, settle=release, retries=2),
            "Step('reserve', compensate=release, settle=release, retries=2)",
        ),
        (Step(reserve, pivot=True), "Step('reserve', pivot=True)"),
        (
            AsyncStep(reserve_async, release_async),
            "AsyncStep('reserve_async', compensate=release_async)",
        ),
        (Step(reserve, name="it's"), 'Step("it\'s")'),
    ],
    ids=range(5),
)
def test_a_step_shows_what_is_not_as_usual(made: object, text: str) -> None:
    """The representation of a step has its name, its functions, and what differs."""
    assert text == repr(made)


# ------------------------------------------------------------------ values


@pytest.mark.parametrize(
    "other",
    [
        Step(reserve),
        Step(reserve, release, retries=1),
        Step(reserve, release, timeout=5),
        Step(reserve, release, name="other"),
        Step(reserve, release, settle=release),
        Step(release, release),
        AsyncStep(reserve_async, release_async),
    ],
    ids=range(7),
)
def test_steps_differ_in_what_they_are_made_of(other: object) -> None:
    """Steps are equal if all their functions and settings are."""
    assert Step(reserve, release) != other
    assert Step(reserve, release) == Step(reserve, release)
    assert hash(Step(reserve, release)) == hash(Step(reserve, release))


@pytest.mark.parametrize(
    "saga",
    [
        Step(reserve, release, settle=release, retries=Retry(2, wait=1), timeout=Soft(5)),
        AsyncStep(reserve_async, release_async, compensation_retries=2),
        Step(star(reserve)).keep(),
        any_stage(reserve, release, context=True, settle=release),
        any_async_stage(reserve_async, release_async, context=True),
        compensating(release),
        Step(catching(ValueError)(reserve)).map(str).map_error(str).named("order"),
    ],
    ids=range(7),
)
def test_a_saga_of_functions_of_a_module_comes_out_of_a_pickle(saga: Any) -> None:
    """A saga is equal to itself after a pickle, and is its own copy."""
    again: Any = pickle.loads(pickle.dumps(saga))

    assert saga == again
    assert hash(saga) == hash(again)
    assert (saga.name, saga.paths, saga.is_async) == (again.name, again.paths, again.is_async)
    assert saga is copy.copy(saga)
    assert saga is copy.deepcopy(saga)
    assert saga is copy.deepcopy([saga])[0]


# ------------------------------------------------------------------ stages


@both_colours
def test_stages_add_to_a_growing_context(colour: Colour) -> None:
    """Each stage gets all that is known so far as arguments, and adds its value."""
    seen: list[tuple[Any, ...]] = []

    def execute(*values: Any) -> Any:
        seen.append(values)
        return Success(len(values))

    async def execute_async(*values: Any) -> Any:
        return execute(*values)

    one: Any = async_stage(execute_async) if colour.is_async else stage(execute)
    saga = colour.step(pass_on).keep() >> one >> one

    assert Ok(("x", "x", 2, 3)) == colour.run(saga, "x")
    assert Ok(3) == colour.run(saga.map(last), "x")
    assert [("x", "x"), ("x", "x", 2)] * 2 == seen


@both_colours
@pytest.mark.parametrize("context", [False, True], ids=["value", "context"])
def test_a_stage_is_undone_with_its_value_or_its_context(colour: Colour, context: bool) -> None:
    """The compensation of a stage gets its value; with `context=True` all that was known too."""
    seen: list[Any] = []

    def execute(*_: Any) -> Any:
        return Success("paid")

    def undo(*values: Any) -> Any:
        seen.append(values)
        return Success(None)

    async def execute_async(*values: Any) -> Any:
        return execute(*values)

    async def undo_async(*values: Any) -> Any:
        return undo(*values)

    made: Any = (
        any_async_stage(execute_async, undo_async, context=context)
        if colour.is_async
        else any_stage(execute, undo, context=context)
    )
    saga = colour.step(pass_on).keep() >> made >> colour.step(refuse)
    outcome = colour.run(saga, "x")

    assert Compensated(("x", "x", "paid"), "refuse") == outcome
    assert [("x", "x", "paid") if context else ("paid",)] == seen


@both_colours
@pytest.mark.parametrize("context", [False, True], ids=["value", "context"])
def test_a_stage_is_settled_with_what_it_got(colour: Colour, context: bool) -> None:
    """The settle of a stage gets the arguments of its execute; a Failure passes unchanged."""
    seen: list[Any] = []

    def execute(*_: Any) -> Any:
        return Failure("declined")

    def settle(*values: Any) -> Any:
        seen.append(values)
        return Success(None)

    async def execute_async(*values: Any) -> Any:
        return execute(*values)

    async def settle_async(*values: Any) -> Any:
        return settle(*values)

    kind: Any = async_stage if colour.is_async else stage
    made = kind(
        execute_async if colour.is_async else execute,
        settle_async if colour.is_async else settle,
        settle=settle_async if colour.is_async else settle,
        settle_on="failure",
        context=context,
    )
    outcome = colour.run(colour.step(pass_on).keep() >> made, "x")

    assert isinstance(outcome, Compensated)
    assert "declined" == outcome.reason
    assert [("x", "x")] == seen


@pytest.mark.parametrize("context", [False, True], ids=["value", "context"])
def test_a_stage_is_called_like_its_function(context: bool) -> None:
    """The name of a stage is that of its execute, unless it is given one."""
    assert "reserve" in any_stage(reserve, release, context=context).paths
    assert "r" in any_stage(reserve, release, context=context, name="r").paths


@both_colours
def test_a_context_stage_that_returns_no_result_is_in_doubt(colour: Colour) -> None:
    """A mistake in a stage with context is reported as that of any other step."""

    def execute(*_: Any) -> Any:
        return 5

    async def execute_async(*_: Any) -> Any:
        return 5

    kind: Any = async_stage if colour.is_async else stage
    made = kind(execute_async if colour.is_async else execute, context=True, name="s")

    outcome = colour.run(made, ("x",))

    assert isinstance(outcome, Compensated)
    assert "step 's' must return Success(...) or Failure(...), and returned int" in repr(outcome)
    assert ("s",) == outcome.in_doubt


# ------------------------------------------------------------------ star, last, keep


def test_star_spreads_a_tuple() -> None:
    """`star(f)` of a tuple is `f` of its items, and two of one function are equal."""

    def add(a: int, b: int) -> int:
        return a + b

    assert 3 == star(add)((1, 2))
    assert star(add) == star(add)
    assert star(add) != star(max)


def test_last_is_the_last_item() -> None:
    """`last` gives the last of a growing context."""
    assert 3 == last((1, 2, 3))


@both_colours
def test_keep_gives_the_input_too(colour: Colour) -> None:
    """`keep` pairs what a saga takes with what it gives, and undoes with what it gave."""
    world = World(colour)
    kept = (world.step("a") >> world.step("b")).keep()

    assert Ok(("x", "x+a+b")) == colour.run(kept, "x")
    assert Ok(("x", ("x", "x+a+b"))) == colour.run(kept.keep(), "x")
    world.calls.clear()
    colour.run(kept >> colour.step(refuse), "x")
    assert [("undo b", "x+a+b"), ("undo a", "x+a")] == world.calls[2:]


# ------------------------------------------------------------------ errors that are mapped


@both_colours
def test_map_error_maps_returned_errors_only(colour: Colour) -> None:
    """`map_error` sees errors that steps of its own part return, and nothing else."""
    world = World(colour)

    def mapped(error: Any) -> str:
        return f"mapped {error}"

    inside = (world.step("a", Failure("no"))).map_error(mapped)
    raising = (world.step("a", ValueError("no"))).map_error(mapped)
    outside = world.step("a").map_error(mapped) >> world.step("b", Failure("no"))

    assert Compensated("mapped no", "a") == colour.run(inside, "x")
    assert Compensated("mapped mapped no", "a") == colour.run(inside.map_error(mapped), "x")
    assert Compensated(Raised("ValueError", "no"), "a", in_doubt=("a",)) == colour.run(raising, "x")
    assert Compensated("no", "b") == colour.run(outside, "x")


@both_colours
def test_map_error_that_raises_keeps_the_error_in_its_message(colour: Colour) -> None:
    """A function that raises while it maps an error is the reason, with that error beside it."""

    def broken(_: object) -> object:
        message = "a bug"
        raise ValueError(message)

    saga = World(colour).step("a", Failure("no")).map_error(broken)

    assert Compensated(
        Raised("ValueError", "a bug (while the error 'no' was mapped)"), "a"
    ) == colour.run(saga, "x")


@both_colours
def test_a_predicate_that_raises_keeps_the_error_in_its_message(colour: Colour) -> None:
    """A predicate of a policy that raises allows nothing, and stands in the reason."""

    def broken(_: object) -> bool:
        message = "a bug"
        raise ValueError(message)

    a = colour.step(pass_on, refuse, name="a", compensation_retries=Retry(1, only=broken))
    saga = a >> World(colour).step("b", Failure("no"), retries=Retry(3, unless=broken))
    outcome = colour.run(saga, "x")

    text = "a bug (while it was decided whether to retry after {})"
    assert isinstance(outcome, Fatal)
    assert Raised("ValueError", text.format("'no'")) == outcome.reason
    assert (CompensationFailed("a", Raised("ValueError", text.format("'x'"))),) == (
        outcome.failures
    )


# ------------------------------------------------------------------ compensating


@both_colours
def test_compensating_calls_nothing_forward(colour: Colour) -> None:
    """`compensating` passes the value on, and on the way back calls its function with it."""
    world = World(colour)
    undo = world.does("undo", Success(None))
    promised: Any = compensating(coroutine_function(undo) if colour.is_async else undo)
    saga = world.step("a") >> promised >> world.step("b")

    assert Ok("x+a+b") == colour.run(saga, "x")
    assert ["a", "b"] == world.names
    world.calls.clear()
    colour.run(saga >> colour.step(refuse), "x")
    assert [("undo b", "x+a+b"), ("undo", "x+a"), ("undo a", "x+a")] == world.calls[2:]


@both_colours
def test_compensating_has_a_name_and_a_policy(colour: Colour) -> None:
    """A promised compensation is retried and named as its settings say."""
    world = World(colour)
    undo = world.does("undo", Failure("jammed"))
    promised: Any = compensating(
        coroutine_function(undo) if colour.is_async else undo,
        name="insurance",
        compensation_retries=2,
        compensation_timeout=60,
    )

    outcome = colour.run(promised >> colour.step(refuse), "x")

    assert isinstance(outcome, Fatal)
    assert ["insurance"] == [failure.step for failure in outcome.failures]
    assert ["undo"] * 3 == world.names


# ------------------------------------------------------------------ catching


def parse(text: str, base: int = 10) -> int:
    """Raise ValueError for what is no number, and KeyError for a secret."""
    if "secret" == text:
        raise KeyError(text)
    return int(text, base)


async def parse_async(text: str, base: int = 10) -> int:
    """Raise as `parse` does."""
    return parse(text, base)


@both_colours
def test_catching_returns_what_it_is_told_to(colour: Colour) -> None:
    """Exceptions of the named classes are a Failure; others leave the call in doubt."""
    lift: Any = catching(ValueError)
    a: Any = AsyncStep(lift(parse_async)) if colour.is_async else Step(lift(parse))

    assert Ok(7) == colour.run(a, "7")
    failed = colour.run(a, "seven")
    assert isinstance(failed, Compensated)
    assert ValueError is type(failed.reason)
    assert () == failed.in_doubt
    assert Compensated(Raised("KeyError", "'secret'"), a.name, in_doubt=(a.name,)) == colour.run(
        a, "secret"
    )


@both_colours
def test_catching_nothing_lifts_a_plain_function(colour: Colour) -> None:
    """`catching()` makes Success of what a function returns, and catches nothing."""
    lift: Any = catching()
    a: Any = AsyncStep(lift(parse_async)) if colour.is_async else Step(lift(parse))

    assert Ok(7) == colour.run(a, "7")
    raised = colour.run(a, "seven")
    assert (a.name,) == raised.in_doubt


def test_catching_several_classes_and_all_arguments() -> None:
    """A lifted function takes the arguments of the function, and catches each named class."""
    lifted = catching(ValueError, KeyError)(parse)

    assert Success(255) == lifted("ff", base=16)
    assert [ValueError, KeyError] == [type(lifted(text).failure()) for text in ("seven", "secret")]


def test_catching_the_same_is_the_same() -> None:
    """Two lifted functions are equal if function and classes are."""
    other: object = catching(KeyError)(parse)

    assert catching(ValueError)(parse) == catching(ValueError)(parse)
    assert catching(ValueError)(parse) != other
    assert Step(catching(ValueError)(parse)) == Step(catching(ValueError)(parse))


def test_colours_are_told_apart() -> None:
    """A saga is async if one of its steps is."""
    assert [False, True, True] == [
        saga.is_async
        for saga in (
            SYNC.step(pass_on).keep(),
            SYNC.step(pass_on) >> ASYNC.step(pass_on),
            ASYNC.step(pass_on).map_error(str).named("n"),
        )
    ]
