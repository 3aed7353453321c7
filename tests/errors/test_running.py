"""Messages of what is run wrongly, and of steps that return the wrong thing."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Generator
from typing import Any

import pytest
from returns.result import Failure, Success

import sagalib
from sagalib import (
    Cancel,
    Compensated,
    CompensationFailed,
    Fatal,
    InvalidOption,
    InvalidSaga,
    Late,
    NoCurrentCall,
    Ok,
    Raised,
    Refused,
    RunIdInUse,
    Step,
    TimedOut,
    Unknown,
    WrongColour,
    current_call,
    run,
    run_async,
    simulate,
)
from sagalib.core.messages import Woke
from tests.defects.colours import (
    ASYNC,
    SYNC,
    AnySaga,
    Colour,
    World,
    both_colours,
    pass_on,
    refuse,
)
from tests.errors.test_building import anything, message_of
from tests.support.time import VirtualClock, run_virtual


def run_in_async(saga: Any, *arguments: Any, **keywords: Any) -> Any:
    """Run as `run_async` does."""
    return run_virtual(anything.run_async(saga, *arguments, **keywords))


three_drivers = pytest.mark.parametrize(
    "driver",
    [anything.run, run_in_async, anything.simulate],
    ids=["run", "run_async", "simulate"],
)
two_drivers = pytest.mark.parametrize(
    "driver", [anything.run, run_in_async], ids=["run", "run_async"]
)


# ------------------------------------------------------------------ what is run


@three_drivers
@pytest.mark.parametrize(
    ("saga", "came"), [(5, "int"), (None, "NoneType"), (pass_on, "function"), ([], "list")]
)
def test_only_sagas_are_run(driver: Callable[..., object], saga: object, came: str) -> None:
    """A driver names the type of what is no saga, and how to make one."""
    assert (f"expected a saga to run, got {came}: write run(Step(function), value)") == message_of(
        InvalidSaga, lambda: driver(saga, "x")
    )


def test_only_sagas_are_replayed() -> None:
    """`replay` refuses what is no saga, as the drivers do."""
    log = run(SYNC.step(pass_on), "x").log

    assert "expected a saga to replay, got int: write replay(saga, value, log)" == message_of(
        InvalidSaga, lambda: anything.replay(5, "x", log)
    )


def test_run_refuses_async_steps_and_names_them() -> None:
    """`run` names the first async steps of a saga and the driver for it, and calls nothing."""
    world, other = World(SYNC), World(ASYNC)
    saga: Any = world.step("a")
    for name in "bcde":
        saga = saga >> other.step(name)

    assert (
        "run takes sagas of plain functions, and this one has async steps (b, c, d): "
        "use await run_async(...)"
    ) == message_of(WrongColour, lambda: run(saga, "x"))
    assert [] == world.names + other.names


def test_run_refuses_an_async_compensation() -> None:
    """`run` refuses a saga whose only async part is a promised compensation."""
    saga: Any = SYNC.step(pass_on) >> anything.compensating(ASYNC_STEP.execute)

    assert "use await run_async(...)" in message_of(WrongColour, lambda: run(saga, "x"))


ASYNC_STEP: Any = ASYNC.step(pass_on)


# ------------------------------------------------------------------ what a step returns


class Awaitable:
    """Something to await that is no coroutine."""

    def __await__(self) -> Generator[Any, None, None]:
        yield


async def forgotten() -> None:
    """Be a coroutine that nobody awaits."""


LIFT = "forgot `return Success(...)`? A plain function is lifted by catching()(function)"
RETURNED: list[tuple[Callable[[], Any], str, str]] = [
    (lambda: None, "NoneType", LIFT),
    (lambda: 42, "int", LIFT),
    (lambda: {"sku": 1}, "dict", LIFT),
    (lambda: ValueError("not raised"), "ValueError", LIFT),
    (VirtualClock, "tests.support.time.VirtualClock", LIFT),
    (forgotten, "coroutine", "use AsyncStep for coroutine functions"),
    (
        Awaitable,
        "tests.errors.test_running.Awaitable",
        "use AsyncStep for coroutine functions",
    ),
]


def returning(make: Callable[[], Any]) -> Callable[[Any], Any]:
    """Give a function that returns what it must not."""

    def function(_: Any) -> Any:
        return make()

    return function


@both_colours
@pytest.mark.parametrize(("make", "came", "hint"), RETURNED, ids=[row[1] for row in RETURNED])
def test_a_step_that_returns_no_result_is_in_doubt(
    colour: Colour, make: Callable[[], Any], came: str, hint: str
) -> None:
    """A step that returns something else has failed, in doubt; what came and a hint are named."""
    message = f"step 'a' must return Success(...) or Failure(...), and returned {came}: {hint}"

    outcome = colour.run(colour.step(returning(make), name="a"), "x")

    assert Compensated(Raised("NotAResult", message), "a", in_doubt=("a",)) == outcome


@both_colours
@pytest.mark.parametrize(
    ("make", "came", "hint"),
    [
        (
            lambda: None,
            "NoneType",
            "write `return Success(None)`, or lift the plain function: catching()(function)",
        ),
        (lambda: True, "bool", "return Success(None) when it has worked"),
        (forgotten, "coroutine", "use AsyncStep for coroutine functions"),
    ],
    ids=["None", "a bare value", "a coroutine"],
)
@pytest.mark.parametrize("role", ["compensate", "settle"])
def test_a_compensation_that_returns_no_result_has_failed(
    colour: Colour, make: Callable[[], Any], came: str, hint: str, role: str
) -> None:
    """A compensation or settle that returns something else has failed; the way back goes on."""
    world = World(colour)
    broken = returning(make)
    functions: dict[str, Any] = {role: broken}
    b = colour.step(
        pass_on if "compensate" == role else returning(lambda: None), name="b", **functions
    )

    outcome = colour.run(world.step("a") >> b >> world.step("c", Failure("no")), "x")

    message = f"{role} of step 'b' must return Success(...) or Failure(...), and returned {came}"
    assert isinstance(outcome, Fatal)
    assert (CompensationFailed("b", Raised("NotAResult", f"{message}: {hint}")),) == (
        outcome.failures
    )
    assert "undo a" == world.names[-1]


REPLIES = [
    Cancel(),
    Cancel(in_flight=True),
    Late(3),
    Unknown(TimedOut(1)),
    Refused(Raised("Busy", "")),
    Woke(),
]


@three_drivers
@pytest.mark.parametrize("reply", REPLIES, ids=repr)
def test_a_step_cannot_answer_for_the_driver(driver: Callable[..., Any], reply: object) -> None:
    """A step that returns a value meant for scripts has returned no Result: it is in doubt."""
    outcome = driver(Step(returning(lambda: reply), name="a"), "x")

    assert "NotAResult" == outcome.reason.kind
    assert ("a",) == outcome.in_doubt


@pytest.mark.parametrize("reply", REPLIES, ids=repr)
def test_a_step_on_a_thread_cannot_answer_for_the_driver(reply: object) -> None:
    """The same holds for a call with a hard timeout, and for one of a coroutine function."""
    saga: Any = Step(returning(lambda: reply), name="a", timeout=5)
    outcomes: list[Any] = [
        SYNC.run(saga, "x"),
        ASYNC.run(saga, "x"),
        ASYNC.run(ASYNC.step(returning(lambda: reply), name="a"), "x"),
    ]

    assert ["NotAResult"] * 3 == [getattr(o.reason, "kind", o.reason) for o in outcomes]
    assert [("a",)] * 3 == [outcome.in_doubt for outcome in outcomes]


# ------------------------------------------------------------------ run ids

HOSTILE = {
    "a path": "../../etc/passwd",
    "nul": "run\x00",
    "right to left": "run\u202egpj",
    "escape": "\x1b[2Jrun",
    "sql": "'; DROP TABLE runs; --",
    "huge": "a" * 10_000_000,
    "long": "a" * 201,
    "empty": "",
    "newline": "run\n",
    "blank": "two words",
    "letters": "\u0430dmin",
    "surrogate": "\ud800",
    "bytes": b"run",
    "number": 7,
}


@three_drivers
@pytest.mark.parametrize("what", HOSTILE)
def test_a_hostile_run_id_is_refused(driver: Callable[..., object], what: str) -> None:
    """A run id outside the alphabet is refused; the message is short and shows a right one."""
    world = World()

    message = message_of(InvalidOption, lambda: driver(world.step("a"), "x", run_id=HOSTILE[what]))

    assert message.startswith("run_id must be 1 to 200 characters of A-Z a-z 0-9 . _ : - ; got ")
    assert message.endswith('. Write run_id="order:10248"')
    assert message.isascii()
    assert message.isprintable()
    assert len(message) < 200
    assert [] == world.names


@two_drivers
def test_a_run_id_left_out_is_made_up(driver: Callable[..., Any]) -> None:
    """Runs without an id get different ones, of the alphabet that ids have."""
    first, second = driver(SYNC.step(pass_on), "x"), driver(SYNC.step(pass_on), "x")

    assert first.run_id != second.run_id
    assert Ok("x") == driver(SYNC.step(pass_on), "x", run_id=first.run_id)


IN_USE = (
    "run_id 'order:7' is in use by a run that goes on in this process: expected a free one. "
    "Leave run_id out to get one"
)


def second_run(world: World) -> AnySaga:
    """Give a step that begins another run of the same id, and notes the message."""

    def inner(value: Any) -> Any:
        message = message_of(RunIdInUse, lambda: run(world.step("inner"), value, run_id="order:7"))
        return Success(message)

    return SYNC.step(inner, name="outer")


@two_drivers
def test_a_nested_run_of_the_same_id_is_refused(driver: Callable[..., Any]) -> None:
    """A run that is begun inside a step under the id of the outer run is refused."""
    world = World()

    assert Ok(IN_USE) == driver(second_run(world), "x", run_id="order:7")
    assert [] == world.names


def test_an_id_is_in_use_on_another_thread() -> None:
    """While a run goes on in one thread its id is refused in another, and is free afterwards."""
    world, begun, go_on = World(), threading.Event(), threading.Event()

    def waiting(value: Any) -> Any:
        begun.set()
        return Success(go_on.wait(10) and value)

    outcomes: list[Any] = []
    saga = SYNC.step(waiting)
    thread = threading.Thread(target=lambda: outcomes.append(run(saga, "x", run_id="order:7")))
    thread.start()
    try:
        assert begun.wait(10)
        assert IN_USE == message_of(RunIdInUse, lambda: run(world.step("a"), "x", run_id="order:7"))
    finally:
        go_on.set()
        thread.join(10)

    assert [Ok("x")] == outcomes
    assert [] == world.names
    assert Ok("x+a") == run(world.step("a"), "x", run_id="order:7")


def test_an_id_is_in_use_by_another_task() -> None:
    """While a run goes on in one task its id is refused in another, and is free afterwards."""
    world = World(ASYNC)

    async def main() -> list[Any]:
        saga = world.step("a") >> world.step("b")
        return list(
            await asyncio.gather(
                run_async(saga, "x", run_id="order:7"),
                run_async(saga, "y", run_id="order:7"),
                return_exceptions=True,
            )
        )

    first, second = run_virtual(main())

    assert Ok("x+a+b") == first
    assert (RunIdInUse, IN_USE) == (type(second), str(second))
    assert [("a", "x"), ("b", "x+a")] == world.calls
    assert Ok("z+a") == ASYNC.run(world.step("a"), "z", run_id="order:7")


@both_colours
def test_an_id_is_free_after_an_interrupt(colour: Colour) -> None:
    """A run that was interrupted gives its id back."""
    saga = World(colour).step("a", KeyboardInterrupt())

    colour.interrupt_of(saga, "x", run_id="order:7")

    assert Ok("x") == colour.run(colour.step(pass_on), "x", run_id="order:7")


# ------------------------------------------------------------------ other arguments


@two_drivers
@pytest.mark.parametrize(
    ("observers", "came"),
    [([1], "int"), ([print, None], "NoneType"), ("print", "str")],
    ids=["a number", "None", "text"],
)
def test_observers_are_functions(
    driver: Callable[..., object], observers: object, came: str
) -> None:
    """An observer that is no function is refused by its type, before anything is called."""
    world = World()

    message = message_of(InvalidSaga, lambda: driver(world.step("a"), "x", observers=observers))

    assert f"an observer is a function of one event, got {came}: write observers=[print]" == (
        message
    )
    assert [] == world.names


@two_drivers
@pytest.mark.parametrize("observers", [print, 5, None], ids=["print", "5", "None"])
def test_observers_are_a_list(driver: Callable[..., object], observers: object) -> None:
    """One observer without brackets is refused, with the way to write it."""
    world = World()

    message = message_of(InvalidSaga, lambda: driver(world.step("a"), "x", observers=observers))

    assert f"got {type(observers).__name__}" in message
    assert "observers=[print]" in message
    assert [] == world.names


@three_drivers
@pytest.mark.parametrize(
    ("policy", "came"), [("halt", "'halt'"), (None, "None"), (True, "True"), ([], "[]")]
)
def test_on_compensation_failure_is_one_of_two_words(
    driver: Callable[..., object], policy: object, came: str
) -> None:
    """`on_compensation_failure` takes "continue" and "stop"."""
    world = World()

    message = message_of(
        InvalidOption, lambda: driver(world.step("a"), "x", on_compensation_failure=policy)
    )

    assert f'on_compensation_failure must be "continue" or "stop", got {came}' == message
    assert [] == world.names


# ------------------------------------------------------------------ current_call

OUTSIDE = (
    "current_call() is for the inside of execute, compensate and settle: "
    "expected a call in progress, found none"
)


def test_current_call_outside_a_call_is_refused() -> None:
    """Outside a call there is no current call; the message says where there is one."""
    assert OUTSIDE == message_of(NoCurrentCall, current_call)


@both_colours
def test_there_is_no_current_call_between_the_calls(colour: Colour) -> None:
    """In a pure function, a predicate of a policy and after a run there is no current call."""
    found: list[object] = []

    def look(value: Any) -> Any:
        found.append(message_of(NoCurrentCall, current_call))
        return value

    saga = (
        colour.step(pass_on).map(look)
        >> colour.step(refuse, retries=sagalib.Retry(1, only=look)).map_error(look)
    ).contramap(look)

    colour.run(saga, "x")
    look("after the run")

    assert [OUTSIDE] * 5 == found


@both_colours
def test_an_observer_has_no_current_call(colour: Colour) -> None:
    """While observers hear of an event no call is in progress."""
    found: list[object] = []

    def look(_: Any) -> None:
        found.append(message_of(NoCurrentCall, current_call))

    saga = colour.step(pass_on, pass_on) >> colour.step(refuse)
    log = colour.run(saga, "x", observers=[look]).log

    assert [OUTSIDE] * len(log) == found


def test_a_nested_run_has_its_own_current_call() -> None:
    """After a run inside a step the call of that step is the current one again."""
    keys: list[str] = []

    def inner(value: Any) -> Any:
        keys.append(current_call().key)
        return Success(value)

    def outer(value: Any) -> Any:
        keys.append(current_call().key)
        run(SYNC.step(inner, name="inner"), value, run_id="two")
        simulate(SYNC.step(inner, name="inner"), value, run_id="three")
        keys.append(current_call().key)
        return Success(value)

    run(SYNC.step(outer, name="outer"), "x", run_id="one")

    assert [
        "one/outer/execute/0",
        "two/inner/execute/0",
        "three/inner/execute/0",
        "one/outer/execute/0",
    ] == keys
