"""What a second pair of eyes found: forks, residuals that are cancelled, keys across runs."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from contextvars import copy_context
from typing import Any, Never

import pytest
from returns.result import Failure, Result, Success
from typing_extensions import override

from sagalib import (
    AsyncStep,
    Compensated,
    Fatal,
    InvalidSaga,
    NoCurrentCall,
    Ok,
    Raised,
    Saga,
    Step,
    TimedOut,
    compensating,
    current_call,
    fail,
    identity,
    outcome_of,
    run,
    run_async,
    stage,
)
from sagalib.drivers import calls
from tests.defects.planted import planted
from tests.support.time import VirtualClock, run_virtual

FORKING = """
import os
from sagalib import Step, current_call, run
from returns.result import Success

saga = Step(lambda value: Success(current_call().key), name="charge")
run(saga, 1)
for _ in range(2):
    child = os.fork()
    if child == 0:
        print(run(saga, 1).unwrap(), flush=True)
        os._exit(0)
    os.waitpid(child, 0)
print(run(saga, 1).unwrap())
"""


def test_forked_children_have_keys_of_their_own() -> None:
    """A child that was forked shares no made-up run id, so no key, with its parent or siblings."""
    done = subprocess.run(
        [sys.executable, "-c", FORKING], capture_output=True, text=True, check=True
    )
    keys = done.stdout.split()

    assert 3 == len(keys) == len(set(keys))


async def cancelled_on_the_way_back(begin: Any) -> tuple[list[str], BaseException | None, Any]:
    """Cancel a run whose first call is already one on the way back, in the middle of that call."""
    calls: list[str] = []

    async def undo(value: object) -> Result[None, str]:
        calls.append("begun")
        await asyncio.sleep(1)
        calls.append("done")
        return Success(None)

    task = asyncio.create_task(run_async(*await begin(undo)))
    await asyncio.sleep(0.5)
    task.cancel("enough")
    try:
        return calls, None, await task
    except asyncio.CancelledError as error:
        return calls, error, None


async def _from_ok(undo: Any) -> tuple[Any, ...]:
    async def do(value: int) -> Result[int, str]:
        return Success(value)

    outcome: Any = await run_async(AsyncStep(do, undo), 1)
    return (outcome.compensation,)


async def _from_nothing(undo: Any) -> tuple[Any, ...]:
    return (compensating(undo) >> fail("no"), 1)


@pytest.mark.parametrize("begin", [_from_ok, _from_nothing])
def test_a_run_that_begins_on_the_way_back_is_shielded(begin: Any) -> None:
    """The compensation runs to its end, once, and the caller's own cancellation is raised."""
    calls, error, _ = run_virtual(cancelled_on_the_way_back(begin))

    assert ["begun", "done"] == calls
    assert ("enough",) == getattr(error, "args", None)


def test_the_residual_repeats_a_call_in_doubt_under_its_key() -> None:
    """A refund that raised is called again by the residual with the same key: a repetition."""
    keys: list[str] = []

    def refund(value: int) -> Result[None, str]:
        keys.append(current_call().key)
        if len(keys) == 1:
            raise TimeoutError
        return Success(None)

    saga = Step(Success, refund, name="charge") >> fail("no")
    outcome = run(saga, 1, run_id="r1")
    assert isinstance(outcome, Fatal)

    assert Ok(None) == run(outcome.residual, run_id="r2")
    assert ["r1/charge/compensate/1", "r1/charge/compensate/1"] == keys


def test_the_residual_of_a_definite_failure_has_a_fresh_key() -> None:
    """A refund that was refused is a new call when the residual, and its residual, make it."""
    keys: list[str] = []

    def refund(value: int) -> Result[None, str]:
        keys.append(current_call().key)
        return Failure("closed")

    saga = Step(Success, refund, name="charge") >> fail("no")
    first = run(saga, 1, run_id="r1")
    assert isinstance(first, Fatal)
    second = run(first.residual, run_id="r2")
    assert isinstance(second, Fatal)
    run(second.residual, run_id="r3")

    assert [f"r1/charge/compensate/{k}" for k in (1, 2, 3)] == keys


def test_what_is_owed_keeps_its_reason() -> None:
    """`current_call().reason` in the residual of a residual is still why the saga failed."""
    reasons: list[object] = []

    def refund(value: int) -> Result[None, str]:
        reasons.append(current_call().reason)
        return Failure("closed")

    saga = Step(Success, refund, name="charge") >> fail("why")
    outcome: Any = run(saga, 1)
    for _ in range(2):
        outcome = run(outcome.residual)

    assert ["why", "why", "why"] == reasons


def test_a_thread_keeps_its_call_when_the_run_is_cancelled() -> None:
    """A plain step that goes on in its thread after a cancellation still finds its key."""
    begun, go_on = threading.Event(), threading.Event()
    keys: list[str] = []
    over = threading.Event()

    def slow(value: int) -> Result[int, str]:
        begun.set()
        go_on.wait(10)
        keys.append(current_call().key)
        over.set()
        return Success(value)

    async def main() -> None:
        saga = Step(slow, name="slow", timeout=30.0)
        task = asyncio.create_task(run_async(saga, 1, run_id="r1"))
        await asyncio.to_thread(begun.wait, 10)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())
    go_on.set()
    assert over.wait(10)
    for thread in threading.enumerate():
        if thread.name.startswith("sagalib"):
            thread.join(10)

    assert ["r1/slow/execute/0"] == keys


def test_a_pipeline_that_begins_with_a_stage_says_what_to_write() -> None:
    """A first `stage` on a value that is no tuple names `.keep()`, even if `*` could spread it."""

    def reserve(order: str) -> Result[str, str]:
        return Success(order)

    first: Any = stage(reserve)
    outcome = run(first, "ab")

    assert isinstance(outcome, Compensated)
    assert (
        Raised(
            "TypeError",
            "a stage, or star(f), takes a tuple of all that is known, got str: "
            "begin the pipeline with Step(f, undo).keep()",
        )
        == outcome.reason
    )


def test_a_misspelt_keyword_names_those_there_are() -> None:
    """`retry=3` is refused, with the keywords that a step takes."""
    made: Any = Step

    with pytest.raises(InvalidSaga) as raised:
        made(Success, retry=3)

    assert str(raised.value) == (
        "Step takes the keywords name, settle, timeout, retries, settle_on, compensation_timeout, "
        "compensation_retries, pivot; got 'retry'. Write one of them"
    )


def test_an_observer_of_the_wrong_colour_is_refused() -> None:
    """A coroutine function would never be awaited, so it is no observer."""
    nothing: Saga[int, int] = identity()

    async def listen(event: object) -> None:
        """Hear nothing."""

    with pytest.raises(InvalidSaga) as raised:
        run(nothing, 1, observers=[listen])

    assert (
        "an observer is a plain function, and 'listen' is a coroutine function: "
        "write `def`, and hand the event to a task"
    ) == str(raised.value)


def test_a_forked_child_begins_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a child does after a fork gives it ids of its own, and frees those of its parent."""
    monkeypatch.setattr(calls, "_process", "parent")
    monkeypatch.setattr(calls, "_in_use", {"taken": calls.Claim("taken")})

    calls.after_fork()

    assert not calls.new_run_id().startswith("parent-")
    calls.Claim("taken").take()


@contextmanager
def held_up_in_take_in(here: threading.Event, go_on: threading.Event) -> Generator[None]:
    """Have every thread but this one stop where it begins to work out what has been answered."""
    this = threading.get_ident()

    def holding(true: Any) -> Any:
        def take_in(*arguments: Any) -> Any:
            if threading.get_ident() != this:
                here.set()
                assert go_on.wait(10)
            return true(*arguments)

        return take_in

    with planted("sagalib.core.history:History", "take_in", holding):
        yield


@pytest.mark.parametrize("colour", ["run", "run_async"])
def test_a_thread_that_asks_for_its_call_disturbs_no_run(colour: str) -> None:
    """A thread that asks while its run goes on is told of no later call, and changes nothing."""
    here, go_on = threading.Event(), threading.Event()
    found: list[str] = []
    done: list[str] = []
    threads: list[threading.Thread] = []

    def ask() -> None:
        try:
            found.append(current_call().key)
        except NoCurrentCall:
            found.append("none")
        finally:
            here.set()

    def a(value: str) -> Result[str, Never]:
        return Success(value)

    def b(value: str) -> Result[str, Never]:
        thread = threading.Thread(target=copy_context().run, args=(ask,))
        thread.start()
        threads.append(thread)
        assert here.wait(10)
        return Success(value)

    def c(value: str) -> Result[str, Never]:
        done.append(current_call().key)
        go_on.set()
        threads[0].join(10)
        return Success(value)

    def d(_: str) -> Result[str, Never]:
        raise ZeroDivisionError

    def step(function: Callable[[str], Result[str, Never]]) -> Saga[str, str, Any, Any, Any]:
        def undo(_: str) -> Result[None, Never]:
            done.append(f"undo {function.__name__}")
            return Success(None)

        async def execute(value: str) -> Result[str, Never]:
            return function(value)

        async def undo_later(value: str) -> Result[None, Never]:
            return undo(value)

        name = function.__name__
        if colour == "run":
            return Step(function, undo, name=name)
        return AsyncStep(execute, undo_later, name=name)

    saga: Any = step(a) >> step(b) >> step(c) >> step(d)
    with held_up_in_take_in(here, go_on):
        outcome = (
            run(saga, "in", run_id="r")
            if colour == "run"
            else run_virtual(run_async(saga, "in", run_id="r"))
        )

    assert ["r/c/execute/0", "undo c", "undo b", "undo a"] == done
    assert isinstance(outcome, Compensated)
    assert "d" == outcome.step
    assert found in (["none"], ["r/b/execute/0"])


def test_the_time_of_a_loop_may_be_patched() -> None:
    """A timeout goes by the time of its loop, also where a test puts another clock into it."""
    loop = asyncio.new_event_loop()
    now = [0.0]

    def jump() -> None:
        now[0] += 10.0

    async def hangs(_: object) -> Result[str, Never]:
        loop.call_soon(jump)
        await asyncio.sleep(0.01)
        await asyncio.sleep(3600.0)
        return Success("never")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loop, "time", lambda: now[0])
        outcome = loop.run_until_complete(run_async(AsyncStep(hangs, timeout=5.0), None))
    loop.close()
    assert Compensated(TimedOut(5.0), "hangs", in_doubt=("hangs",)) == outcome


@pytest.mark.parametrize("observers", [(), (str,)], ids=["course", "turns"])
@pytest.mark.parametrize("seconds", [1.0, 10.0])
def test_a_run_without_a_task_cannot_be_cut(seconds: float, observers: Any) -> None:
    """A coroutine that no task drives is run; a call that takes too long is late."""

    async def slow(value: str) -> Result[str, Never]:
        await asyncio.sleep(seconds)
        return Success(value)

    async def undo(_: str) -> Result[None, Never]:
        return Success(None)

    saga = AsyncStep(slow, timeout=5.0) if seconds < 5 else AsyncStep(slow, undo, timeout=5.0)

    async def main() -> object:
        ended = asyncio.get_running_loop().create_future()
        running = run_async(saga, "x", observers=observers)

        def drive(_: object = None) -> None:
            try:
                waits_for: Any = running.send(None)
            except StopIteration as end:
                ended.set_result(end.value)
            else:
                waits_for._asyncio_future_blocking = False
                waits_for.add_done_callback(drive)

        asyncio.get_running_loop().call_soon(drive)
        return await ended

    expected = Ok("x") if seconds < 5 else Compensated(TimedOut(5.0), "slow")
    assert expected == run_virtual(main())


@pytest.mark.parametrize("observers", [(), (str,)], ids=["course", "turns"])
def test_a_late_call_is_late_if_ctrl_c_comes_at_its_end(observers: Any) -> None:
    """Ctrl-C between the return of a call and the look at the clock does not make it in time."""

    class Interrupting(VirtualClock):
        is_due = False

        @override
        def now_ns(self) -> int:
            if self.is_due:
                self.is_due = False
                raise KeyboardInterrupt
            return super().now_ns()

    clock = Interrupting()
    clock.advance(1.0)

    def slow(value: str) -> Result[str, Never]:
        clock.advance(40.0)
        clock.is_due = True
        return Success(value)

    with pytest.raises(KeyboardInterrupt) as interrupted:
        run(Step(slow, lambda _: Success(None)), "x", clock=clock, observers=observers)
    outcome = outcome_of(interrupted.value)

    assert outcome is not None
    assert Compensated(TimedOut(30.0), "slow") == outcome
    times = [event.at_ns or 0 for event in outcome.log]
    assert sorted(times) == times
