"""What `current_call()` tells a step, a compensation and a settle."""

from __future__ import annotations

import asyncio
import threading
from contextvars import copy_context
from typing import Any

import pytest
from attrs.exceptions import FrozenInstanceError
from returns.result import Failure, Success

from sagalib import (
    AsyncStep,
    Call,
    NoCurrentCall,
    Ok,
    Retry,
    Soft,
    chain,
    current_call,
    run,
    run_async,
)
from tests.defects.colours import ASYNC, SYNC, Colour, both_colours, refuse
from tests.defects.planted import planted
from tests.support.time import SECOND, VirtualClock, run_virtual


class Calls:
    """The calls of a run, as its functions see them."""

    def __init__(self) -> None:
        self.seen: list[Call] = []

    def noting(self, *answers: Any) -> Any:
        """Give a function that notes its call, and gives its answers one after the other."""
        left = list(answers)

        def function(value: Any) -> Any:
            self.seen.append(current_call())
            answer = left.pop(0) if left else Success(value)
            if isinstance(answer, BaseException):
                raise answer
            return answer

        return function


@both_colours
def test_a_call_knows_where_it_is(colour: Colour) -> None:
    """Run id, path, name, direction, attempt and reason of each call of a run."""
    calls = Calls()
    saga = (
        colour.step(calls.noting(), calls.noting(), name="a")
        >> colour.step(calls.noting(), calls.noting(), name="a")
        >> colour.step(
            calls.noting(Failure("busy"), ValueError("lost")),
            settle=calls.noting(),
            name="b",
            retries=1,
        )
    )

    colour.run(saga, "x", run_id="order:7")

    assert {"order:7"} == {call.run_id for call in calls.seen}
    assert [
        ("a", "a", "execute", 1),
        ("a~2", "a", "execute", 1),
        ("b", "b", "execute", 1),
        ("b", "b", "execute", 2),
        ("b", "b", "settle", 1),
        ("a~2", "a", "compensate", 1),
        ("a", "a", "compensate", 1),
    ] == [(call.path, call.step, call.direction, call.attempt) for call in calls.seen]
    assert [None] * 4 == [call.reason for call in calls.seen[:4]]
    assert ["Raised(kind='ValueError', message='lost')"] * 3 == [
        repr(call.reason) for call in calls.seen[4:]
    ]


@both_colours
def test_a_key_repeats_only_what_was_not_answered(colour: Colour) -> None:
    """After a definite answer the key is new; after a raise it is the same."""
    calls = Calls()
    a = colour.step(
        calls.noting(ValueError(1), Failure(2), ValueError(3)),
        calls.noting(ValueError(1), Failure(2), ValueError(3)),
        name="a",
        retries=3,
        compensation_retries=3,
    )

    colour.run(a >> colour.step(refuse), "x", run_id="run")

    assert [
        "run/a/execute/0",
        "run/a/execute/0",
        "run/a/execute/1",
        "run/a/execute/1",
        "run/a/compensate/2",
        "run/a/compensate/2",
        "run/a/compensate/3",
        "run/a/compensate/3",
    ] == [call.key for call in calls.seen]


@both_colours
def test_the_deadline_is_that_of_the_attempt(colour: Colour) -> None:
    """Each attempt has its own deadline, by the clock of the run; without a timeout none."""
    left: list[tuple[int, int | None]] = []
    clock = VirtualClock()
    answers = [Failure("busy"), Success(1), Success(2)]

    def execute(_: object) -> Any:
        deadline, now = current_call().deadline, colour.now_ns(clock)
        left.append((now // SECOND, None if deadline is None else deadline - now))
        return answers.pop(0)

    saga = colour.step(
        execute, name="a", timeout=Soft(10), retries=Retry(1, wait=100)
    ) >> colour.step(execute, name="b", timeout=None)
    colour.run(saga, "x", clock=clock)

    assert [(0, 10 * SECOND), (100, 10 * SECOND), (100, None)] == left


@both_colours
def test_a_call_on_a_thread_knows_where_it_is(colour: Colour) -> None:
    """A plain function with a hard timeout has its call too, on its own thread."""
    calls, threads = Calls(), list[int]()

    def execute(value: Any) -> Any:
        threads.append(threading.get_ident())
        return calls.noting()(value)

    saga = SYNC.step(execute, name="a", timeout=60)
    if colour.is_async:  # not in virtual time, which would not wait for a thread
        asyncio.run(run_async(saga, "x", run_id="run"))
    else:
        run(saga, "x", run_id="run")

    assert [("a", "run/a/execute/0")] == [(call.path, call.key) for call in calls.seen]
    assert threading.get_ident() not in threads


def test_a_call_is_frozen() -> None:
    """A call cannot be changed, and is equal to another look at it."""
    calls: list[Call] = []

    def execute(value: Any) -> Any:
        calls.extend((current_call(), current_call()))
        return Success(value)

    run(SYNC.step(execute, name="a"), "x")

    assert calls[0] == calls[1]
    with pytest.raises(FrozenInstanceError):
        calls[0].attempt = 2  # type: ignore[misc]


def test_runs_at_the_same_time_have_their_own_calls() -> None:
    """Two runs in two tasks see each their own call, also after a pause."""
    calls = Calls()
    note = calls.noting()

    async def main() -> None:
        saga = ASYNC.step(note, name="a") >> ASYNC.step(note, name="b")
        await asyncio.gather(run_async(saga, "x", run_id="one"), run_async(saga, "x", run_id="two"))

    run_virtual(main())

    assert [("one", "a"), ("two", "a"), ("one", "b"), ("two", "b")] == sorted(
        ((call.run_id, call.path) for call in calls.seen), key=lambda seen: (seen[1], seen[0])
    )


def test_what_an_async_step_starts_finds_the_call_while_it_goes_on() -> None:
    """The context of a call goes with the tasks and threads that the call starts."""
    keys: list[str] = []
    left: list[asyncio.Task[None]] = []

    def ask() -> None:
        keys.append(current_call().key)

    async def execute(value: Any) -> Any:
        async def look() -> None:
            ask()
            await asyncio.sleep(5)  # meanwhile the next step goes on
            with pytest.raises(NoCurrentCall, match="found none"):
                ask()

        left.append(asyncio.create_task(look()))
        thread = threading.Thread(target=copy_context().run, args=(ask,))
        thread.start()
        thread.join(10)
        await asyncio.sleep(1)
        return Success(value)

    async def later(value: Any) -> Any:
        await asyncio.gather(*left)
        return Success(value)

    saga = AsyncStep(execute, name="a") >> AsyncStep(later)
    assert Ok("x") == run_virtual(run_async(saga, "x", run_id="run"))

    assert ["run/a/execute/0"] * 2 == keys


@pytest.mark.parametrize("observers", [(), (str,)], ids=["course", "turns"])
def test_a_plain_step_asks_on_its_own_thread(observers: Any) -> None:
    """On another thread `current_call()` is refused: it might be that of a later step."""
    said: list[object] = []

    def execute(value: Any) -> Any:
        def look() -> None:
            try:
                said.append(current_call())
            except NoCurrentCall as error:
                said.append(str(error))

        thread = threading.Thread(target=copy_context().run, args=(look,))
        thread.start()
        thread.join(10)
        said.append(current_call().key)
        return Success(value)

    run(SYNC.step(execute, name="a"), "x", run_id="run", observers=observers)

    refusal = (
        "current_call() was called on another thread than the step was: expected the thread of the "
        "step. Write call = current_call() in the step, and hand it to the thread"
    )
    assert [refusal, "run/a/execute/0"] == said


def test_the_current_call_of_a_long_course_is_cheap() -> None:
    """Asking in every step of a long saga takes time in proportion: nothing is folded twice."""
    keys: list[str] = []

    def execute(value: Any) -> Any:
        keys.append(current_call().key)
        return Success(value)

    made: list[object] = []

    def counting(true: Any) -> Any:
        def evolve(*arguments: Any) -> Any:
            made.append(arguments)
            return true(*arguments)

        return evolve

    with planted("sagalib.core.history", "evolve", counting):
        run(chain([SYNC.step(execute, name="a")] * 100), "x", run_id="run")

    assert ["run/a/execute/0", "run/a~2/execute/0", "run/a~100/execute/0"] == [
        keys[0],
        keys[1],
        keys[-1],
    ]
    assert 99 == len(made)
