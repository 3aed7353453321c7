"""Many values through one saga: in order, bounded, lazy, and closed with care; on both drivers."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterable, Iterator
from contextlib import aclosing, suppress
from typing import Any

import pytest
from returns.result import Failure, Result, Success

from sagalib import (
    AsyncStep,
    Cancelled,
    Compensated,
    Event,
    InvalidOption,
    InvalidSaga,
    Ok,
    Outcome,
    Saga,
    Step,
    WrongColour,
    current_call,
    events,
    observing,
    outcome_of,
    run_many,
    run_many_async,
)
from tests.support.time import run_virtual

Answer = Result[int, str]
Undone = Result[None, str]
AnySaga = Saga[Any, Any, Any, Any, Any]
LONG = 20.0


def double(value: int) -> Answer:
    """Give twice the value; 13 is refused."""
    return Failure("unlucky") if value == 13 else Success(2 * value)


def many(
    saga: Any, values: Iterable[Any], *, is_async: bool, **options: Any
) -> list[Outcome[Any, Any, Any]]:
    """Give all outcomes, by either driver."""
    if not is_async:
        return list(run_many(saga, values, **options))

    async def main() -> list[Outcome[Any, Any, Any]]:
        return [outcome async for outcome in run_many_async(saga, values, **options)]

    return run_virtual(main())


BOTH = pytest.mark.parametrize("is_async", [False, True], ids=["run_many", "run_many_async"])
LIMITS = pytest.mark.parametrize("limit", [1, 2, 5, 100])


@BOTH
@LIMITS
def test_outcomes_come_in_the_order_of_the_values(limit: int, *, is_async: bool) -> None:
    """Each value gives its outcome, in the order of the values, whatever became of it."""
    outcomes = many(Step(double), range(10, 16), limit=limit, is_async=is_async)
    assert [Ok(20), Ok(22), Ok(24), Compensated("unlucky", "double"), Ok(28), Ok(30)] == outcomes


@BOTH
@LIMITS
def test_no_values_give_no_outcomes(limit: int, *, is_async: bool) -> None:
    """Nothing comes of nothing."""
    assert [] == many(Step(double), [], limit=limit, is_async=is_async)


@BOTH
@LIMITS
def test_a_function_gives_the_saga_of_each_value(limit: int, *, is_async: bool) -> None:
    """Instead of a saga, a function may be given that makes one of each value, and an id."""
    ids: list[str] = []

    def make(times: int) -> AnySaga:
        saga: AnySaga = Step(double)
        for _ in range(times):
            saga = saga >> Step(double)
        return saga

    def listen(event: Event) -> None:
        ids.append(event.run_id)

    outcomes = many(
        make,
        range(4),
        limit=limit,
        is_async=is_async,
        run_id="value-{}".format,
        observers=[observing(listen, events.SagaStarted)],
        on_compensation_failure="stop",
        dice=lambda: 0.5,
    )
    assert [Ok(0), Ok(4), Ok(16), Ok(48)] == outcomes
    assert ["value-0", "value-1", "value-2", "value-3"] == [each.run_id for each in outcomes]
    assert sorted(ids) == [each.run_id for each in outcomes]
    started: Any = outcomes[0].log[0]
    assert "stop" == started.on_compensation_failure


class Counted:
    """Values that count how many of them were taken."""

    def __init__(self) -> None:
        self.taken = 0

    def __iter__(self) -> Iterator[int]:
        while True:
            self.taken += 1
            yield self.taken


@BOTH
@LIMITS
def test_values_are_taken_one_by_one(limit: int, *, is_async: bool) -> None:
    """At most `limit` values are ahead of the outcomes that were given; they may be endless."""
    values = Counted()
    ahead: list[int] = []

    def look(given: int) -> None:
        ahead.append(values.taken - given)

    if is_async:

        async def main() -> None:
            outcomes: Any = run_many_async(Step(double), values, limit=limit)
            look(0)
            for given in range(7):
                assert Ok(2 * given + 2) == await anext(outcomes)
                look(given)
            await outcomes.aclose()

        run_virtual(main())
    else:
        outcomes: Any = run_many(Step(double), values, limit=limit)
        look(0)
        for given in range(7):
            assert Ok(2 * given + 2) == next(outcomes)
            look(given)
        outcomes.close()
    assert [0, *[limit] * 7] == ahead


@BOTH
@LIMITS
def test_values_that_raise_lose_no_outcome(limit: int, *, is_async: bool) -> None:
    """If taking a value raises, the outcomes of those before are given; then it is raised."""
    mistake = LookupError("mistake")

    def broken() -> Iterator[int]:
        yield from range(3)
        raise mistake

    outcomes: list[object] = []
    with pytest.raises(LookupError) as raised:
        if is_async:

            async def main() -> None:
                async for outcome in run_many_async(Step(double), broken(), limit=limit):
                    outcomes.append(outcome)  # noqa: PERF401 - up to what is raised

            run_virtual(main())
        else:
            outcomes.extend(run_many(Step(double), broken(), limit=limit))
    assert mistake is raised.value
    assert [Ok(0), Ok(2), Ok(4)] == outcomes


@BOTH
@pytest.mark.parametrize("limit", [2, 8])
def test_no_more_than_limit_go_on_at_once(limit: int, *, is_async: bool) -> None:
    """As many runs as `limit` says go on at once, and no more."""
    inside, most = 0, 0
    lock, arrived = threading.Lock(), threading.Semaphore(0)

    def enter() -> None:
        nonlocal inside, most
        with lock:
            inside += 1
            most = max(most, inside)
            if inside == limit:
                for _ in range(24):
                    arrived.release()

    def leave() -> None:
        nonlocal inside
        with lock:
            inside -= 1

    def plain(value: int) -> Answer:
        enter()
        assert arrived.acquire(timeout=LONG)
        leave()
        return Success(value)

    async def coroutine(value: int) -> Answer:
        enter()
        await asyncio.sleep(1)
        leave()
        return Success(value)

    step: Any = AsyncStep(coroutine) if is_async else Step(plain)
    values = range(24)
    assert [Ok(value) for value in values] == many(step, values, limit=limit, is_async=is_async)
    assert limit == most


def test_with_limit_1_the_runs_are_on_this_thread() -> None:
    """With `limit=1` the runs follow one another on the thread of who takes the outcomes."""
    threads: list[threading.Thread] = []

    def look(_: int) -> Answer:
        threads.append(threading.current_thread())
        return Success(1)

    list(run_many(Step(look), range(3), limit=1))
    assert [threading.current_thread()] * 3 == threads


def test_whoever_closes_early_has_the_rest_compensated(gate: threading.Event) -> None:
    """A loop that is left cancels the runs in progress, and waits for their compensations."""
    calls: list[str] = []
    inside = threading.Event()

    def first(value: int) -> Answer:
        return Success(value)

    def undo(value: int) -> Undone:
        calls.append(f"undo {value}")
        return Success(None)

    def second(value: int) -> Answer:
        if value:
            inside.set()
            gate.wait()
        return Success(value)

    def third(value: int) -> Answer:
        calls.append(f"third {value}")
        return Success(value)

    saga = Step(first, undo) >> Step(second, timeout=3_600) >> Step(third)
    outcomes: Any = run_many(saga, range(9), limit=2)
    assert Ok(0) == next(outcomes)
    assert inside.wait(LONG)
    outcomes.close()
    assert ["third 0", "undo 1"] == calls


def test_whoever_closes_the_async_one_early_has_the_rest_compensated() -> None:
    """`aclose` cancels the runs in progress, and waits for their compensations."""
    calls: list[str] = []

    async def first(value: int) -> Answer:
        return Success(value)

    async def undo(value: int) -> Undone:
        await asyncio.sleep(5)
        calls.append(f"undo {value}")
        return Success(None)

    async def second(value: int) -> Answer:
        await asyncio.sleep(100 * value)
        return Success(value)

    saga = AsyncStep(first, undo) >> AsyncStep(second)

    async def main() -> float:
        outcomes: Any = run_many_async(saga, range(9), limit=3)
        async with aclosing(outcomes):
            async for outcome in outcomes:
                assert Ok(0) == outcome
                break
        assert 1 == len(asyncio.all_tasks())
        return asyncio.get_running_loop().time()

    assert 5.0 == run_virtual(main())
    assert ["undo 1", "undo 2"] == calls


@pytest.mark.parametrize("limit", [1, 3])
def test_an_interrupt_inside_a_step_is_raised(limit: int) -> None:
    """What interrupts a run is raised to who takes the outcomes, with the outcome on it."""
    interrupt = KeyboardInterrupt()
    calls: list[str] = []

    def execute(value: int) -> Answer:
        if value == 2:
            raise interrupt
        return Success(value)

    def undo(value: int) -> Undone:
        calls.append(f"undo {value}")
        return Success(None)

    outcomes: list[object] = []
    with pytest.raises(KeyboardInterrupt) as raised:
        outcomes.extend(run_many(Step(double, undo) >> Step(execute), range(3), limit=limit))
    assert interrupt is raised.value
    assert [Ok(0), Compensated(Cancelled(), "execute", in_doubt=("execute",))] == [
        *outcomes,
        outcome_of(interrupt),
    ]
    assert "undo 2" in calls


def test_a_cancellation_cancels_all_runs() -> None:
    """A task that is cancelled while it waits for an outcome has all runs compensated first."""
    undone: list[int] = []

    async def undo(value: int) -> Undone:
        await asyncio.sleep(1)
        undone.append(value)
        return Success(None)

    async def first(value: int) -> Answer:
        return Success(value)

    async def hang(_: int) -> Answer:
        await asyncio.sleep(1_000)
        return Success(0)

    async def consume() -> None:
        saga = AsyncStep(first, undo) >> AsyncStep(hang, timeout=None)
        async for _ in run_many_async(saga, range(5), limit=3):
            raise AssertionError("no run ends")

    async def main() -> None:
        task = asyncio.create_task(consume())
        await asyncio.sleep(5)
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        assert task.cancelled()
        assert 6.0 == asyncio.get_running_loop().time()

    run_virtual(main())
    assert [0, 1, 2] == undone


@BOTH
def test_wrong_arguments_are_refused_at_once(*, is_async: bool) -> None:
    """What no run can begin with is refused by the call, before a value is taken."""
    values = Counted()
    start: Any = run_many_async if is_async else run_many
    for limit in (0, -1, True, 1.5):
        with pytest.raises(InvalidOption, match=r"limit must be a whole number, 1 or more"):
            start(Step(double), values, limit=limit)
    for wrong in (1, Step, None):
        with pytest.raises(InvalidSaga, match="expected a saga, or a function"):
            start(wrong, values, limit=2)
    with pytest.raises(InvalidSaga, match="an observer is a function"):
        start(Step(double), values, limit=1, observers=[1])
    assert 0 == values.taken


def test_async_steps_are_for_the_other_one() -> None:
    """A saga with an async step is refused, with the name of what runs it."""

    async def later(_: object) -> Answer:
        raise NotImplementedError

    saga: Any = AsyncStep(later)
    with pytest.raises(WrongColour, match=r"run_many takes .* use run_many_async"):
        run_many(saga, [1], limit=2)


@LIMITS
def test_a_wrong_saga_of_a_value_is_raised_in_its_turn(limit: int) -> None:
    """A function that gives no saga for a value is found out when the value is taken."""

    def make(value: int) -> Any:
        return Step(double) if value < 2 else current_call

    outcomes: list[object] = []
    with pytest.raises(InvalidSaga, match="expected a saga to run"):
        outcomes.extend(run_many(make, range(9), limit=limit))
    assert [Ok(0), Ok(2)] == outcomes
