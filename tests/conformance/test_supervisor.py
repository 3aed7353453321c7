"""Cases 110 and 111: ids of runs, and the status of a run that goes on."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest
from returns.result import Result, Success

from sagalib import (
    AsyncStep,
    AsyncSupervisor,
    Ok,
    RunIdInUse,
    Saga,
    Status,
    Step,
    StepStatus,
    Supervisor,
    SupervisorClosed,
    UnknownRun,
)

Answer = Result[str, str]
LONG = 20.0

EXPECTED = Status(
    "running",
    (("a", StepStatus("done", 1)), ("b", StepStatus("running", 2))),
    ("a",),
    in_doubt=("b",),
)
"""After a: b has raised once, and is called again."""


def plain() -> tuple[Saga[Any, Any, Any, Any], threading.Event, threading.Event]:
    """Make a saga whose second step is held at its second call."""
    inside, go_on = threading.Event(), threading.Event()
    calls: list[object] = []

    def a(_: object) -> Answer:
        return Success("A")

    def b(value: object) -> Answer:
        calls.append(value)
        if len(calls) == 1:
            raise ConnectionError
        inside.set()
        assert go_on.wait(LONG)
        return Success("B")

    return Step(a) >> Step(b, retries=1), inside, go_on


def coroutine() -> tuple[Saga[Any, Any, Any, Any, Any], asyncio.Event, asyncio.Event]:
    """Make the same of coroutine functions."""
    inside, go_on = asyncio.Event(), asyncio.Event()
    calls: list[object] = []

    async def a(_: object) -> Answer:
        return Success("A")

    async def b(value: object) -> Answer:
        calls.append(value)
        if len(calls) == 1:
            raise ConnectionError
        inside.set()
        await go_on.wait()
        return Success("B")

    return AsyncStep(a) >> AsyncStep(b, retries=1), inside, go_on


def test_110_an_id_in_use_is_refused() -> None:
    """An id that is in use cannot be started again, nor anything out of turn; threads."""
    saga, inside, go_on = plain()
    with Supervisor() as supervisor:
        with pytest.raises(UnknownRun):
            supervisor.wait("trip")
        supervisor.start(saga, "in", "trip")
        with pytest.raises(RunIdInUse):
            supervisor.start(saga, "in", "trip")
        assert inside.wait(LONG)
        go_on.set()
        assert Ok("B") == supervisor.wait("trip")
        with pytest.raises(RunIdInUse):
            supervisor.start(saga, "in", "trip")
    with pytest.raises(SupervisorClosed):
        supervisor.start(saga, "in", "another")
    assert ("trip",) == supervisor.runs()


def test_110_an_id_in_use_is_refused_under_asyncio() -> None:
    """An id that is in use cannot be started again, nor anything out of turn; tasks."""

    async def main() -> None:
        saga, inside, go_on = coroutine()
        async with AsyncSupervisor() as supervisor:
            with pytest.raises(UnknownRun):
                await supervisor.wait("trip")
            supervisor.start(saga, "in", "trip")
            with pytest.raises(RunIdInUse):
                supervisor.start(saga, "in", "trip")
            await inside.wait()
            go_on.set()
            assert Ok("B") == await supervisor.wait("trip")
            with pytest.raises(RunIdInUse):
                supervisor.start(saga, "in", "trip")
        with pytest.raises(SupervisorClosed):
            supervisor.start(saga, "in", "another")
        assert ("trip",) == supervisor.runs()

    asyncio.run(main())


def test_111_status_answers_while_a_step_runs() -> None:
    """The status of a run that goes on answers at once, with a state for each step; threads."""
    saga, inside, go_on = plain()
    with Supervisor() as supervisor:
        run_id = supervisor.start(saga, "in")
        assert inside.wait(LONG)
        assert EXPECTED == supervisor.status(run_id)
        go_on.set()


def test_111_status_answers_while_a_step_runs_under_asyncio() -> None:
    """The status of a run that goes on answers at once, with a state for each step; tasks."""

    async def main() -> None:
        saga, inside, go_on = coroutine()
        async with AsyncSupervisor() as supervisor:
            run_id = supervisor.start(saga, "in")
            await inside.wait()
            assert EXPECTED == supervisor.status(run_id)
            go_on.set()

    asyncio.run(main())
