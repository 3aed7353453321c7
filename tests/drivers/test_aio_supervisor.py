"""The supervisor on asyncio: states, waiting, cancelling, leaving, keeping, and no leaks."""

from __future__ import annotations

import asyncio
import contextvars
import threading
import time
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
from returns.result import Failure, Result, Success

from sagalib import (
    AsyncStep,
    AsyncSupervisor,
    Cancelled,
    Compensated,
    CompensationFailed,
    Event,
    Fatal,
    NoCurrentCall,
    Ok,
    Outcome,
    Raised,
    Retry,
    RunIdInUse,
    Saga,
    Soft,
    Status,
    Step,
    StepStatus,
    SupervisorClosed,
    UnknownRun,
    arrow,
    current_call,
    outcome_of,
    run_async,
    status_of,
)
from sagalib.core.saga import Async
from sagalib.drivers.loop_clock import LoopClock
from tests.drivers.test_growth import SLACK, left_by_async, objects
from tests.support.time import run_virtual

Answer = Result[str, str]
Undone = Result[None, str]
AnySaga = Saga[Any, str, str, str, Async]


class Ledger:
    """What the steps did, in order; and the steps that are held."""

    def __init__(self) -> None:
        self.calls: list[str] = []

    def step(
        self,
        name: str,
        answer: Answer | Undone | BaseException | None = None,
        *,
        seconds: float = 0.0,
        back: Undone | None = None,
        back_seconds: float = 0.0,
        **settings: Any,
    ) -> AnySaga:
        """Make a step that takes its time, there and back, and notes its calls."""

        async def execute(_: object) -> Any:
            self.calls.append(name)
            await asyncio.sleep(seconds)
            if isinstance(answer, BaseException):
                raise answer
            return Success(name) if answer is None else answer

        async def undo(_: object) -> Undone:
            self.calls.append(f"undo {name}")
            await asyncio.sleep(back_seconds)
            return Success(None) if back is None else back

        return AsyncStep(execute, undo, name=name, **settings)


@pytest.fixture
def ledger() -> Ledger:
    """Give an empty ledger."""
    return Ledger()


async def fine(_: object) -> Answer:
    """Succeed."""
    return Success("fine")


# -- states ----------------------------------------------------------------------------------------


def test_start_gives_an_id_and_status_tells_what_runs(ledger: Ledger) -> None:
    """While a step is running, `start` and `status` have answered, with the state of each step."""

    async def main() -> None:
        async with AsyncSupervisor() as supervisor:
            run_id = supervisor.start(ledger.step("a") >> ledger.step("b", seconds=9), "in")
            assert Status() == supervisor.status(run_id)
            await asyncio.sleep(1)
            assert Status(
                "running",
                (("a", StepStatus("done", 1)), ("b", StepStatus("running", 1))),
                ("a",),
            ) == supervisor.status(run_id)
            with pytest.raises(TimeoutError, match=f"run {run_id} has not ended within 3 seconds"):
                await supervisor.wait(run_id, timeout=3)
            assert 4.0 == asyncio.get_running_loop().time()
            assert Ok("b") == await supervisor.wait(run_id, timeout=100)
            assert 9.0 == asyncio.get_running_loop().time()
            assert "completed" == supervisor.status(run_id).state
            assert Ok("b") == await supervisor.wait(run_id, timeout=0)

    run_virtual(main())


def test_every_state(ledger: Ledger) -> None:
    """A run is pending, running, compensating, and then completed, compensated or fatal."""

    async def main() -> None:
        clock = LoopClock(asyncio.get_running_loop())
        async with AsyncSupervisor(max_running=1, clock=clock) as supervisor:
            turns = ledger.step("a", seconds=1, back_seconds=1) >> ledger.step("b", Failure("no"))
            sticks = ledger.step("d", back=Failure("stuck")) >> ledger.step("e", Failure("x"))
            ids = ["turns", "goes", "sticks"]
            for run_id, saga in zip(ids, [turns, ledger.step("c"), sticks], strict=True):
                supervisor.start(saga, None, run_id)
            await asyncio.sleep(0.5)
            assert ["running", "pending", "pending"] == [supervisor.status(i).state for i in ids]
            await asyncio.sleep(1)
            assert ("turns",) == supervisor.runs("compensating")
            assert Compensated("no", "b") == await supervisor.wait("turns")
            assert Ok("c") == await supervisor.wait("goes")
            failures = (CompensationFailed("d", "stuck"),)
            assert Fatal("x", failures, "e") == await supervisor.wait("sticks")
            assert ["compensated", "completed", "fatal"] == [
                supervisor.status(run_id).state for run_id in supervisor.runs()
            ]

    run_virtual(main())


def test_a_step_that_resists_its_timeout_is_overdue() -> None:
    """A coroutine that goes on after it was cut is overdue."""
    seen: list[tuple[str, ...]] = []

    async def resists(_: object) -> Answer:
        try:
            await asyncio.sleep(100)
        except asyncio.CancelledError:
            await asyncio.sleep(1)
            seen.append(supervisor.status("r").overdue)
        return Success("late")

    supervisor = AsyncSupervisor()

    async def main() -> None:
        async with supervisor:
            supervisor.start(AsyncStep(resists, timeout=Soft(5.0)), None, "r")
            await asyncio.sleep(4)
            seen.append(supervisor.status("r").overdue)
            assert Ok("late") == await supervisor.wait("r")
            assert () == supervisor.status("r").overdue

    run_virtual(main())
    assert [(), ("resists",)] == seen


# -- ids, places, and what is kept -----------------------------------------------------------------


def test_ids_are_known_in_use_and_free(ledger: Ledger) -> None:
    """Unknown ids are named; ids in use are refused, here, elsewhere, and while they are kept."""

    async def main() -> None:
        async with AsyncSupervisor(keep=1) as supervisor:
            with pytest.raises(UnknownRun, match="'order-7'"):
                supervisor.status("order-7")
            with pytest.raises(UnknownRun, match="'order-7'"):
                supervisor.cancel("order-7")
            with pytest.raises(UnknownRun, match="'order-7'"):
                await supervisor.wait("order-7")
            supervisor.start(ledger.step("a"), None, "mine")
            with pytest.raises(RunIdInUse):
                supervisor.start(ledger.step("a"), None, "mine")
            with pytest.raises(RunIdInUse):
                await run_async(ledger.step("a"), None, run_id="mine")
            await supervisor.wait("mine")
            with pytest.raises(RunIdInUse, match="is kept here"):
                supervisor.start(ledger.step("a"), None, "mine")
            await supervisor.wait(supervisor.start(ledger.step("b"), None))
            assert 1 == len(supervisor.runs())
            assert Ok("c") == await supervisor.wait(
                supervisor.start(ledger.step("c"), None, "mine")
            )
        with pytest.raises(SupervisorClosed):
            supervisor.start(ledger.step("a"), None)

    run_virtual(main())
    assert ["a", "b", "c"] == ledger.calls


def test_no_more_than_max_running_go_on_at_once(ledger: Ledger) -> None:
    """Three places take three runs; the others begin in the order of their start."""

    async def main() -> None:
        async with AsyncSupervisor(max_running=3) as supervisor:
            for number in range(8):
                supervisor.start(ledger.step(f"{number}", seconds=1), None)
            for third in range(3):
                await asyncio.sleep(0.5)
                assert [f"{n}" for n in range(8)][: 3 * third + 3] == ledger.calls
                await asyncio.sleep(0.5)

    run_virtual(main())


def test_a_run_sees_the_context_of_its_start() -> None:
    """Context variables are those at `start`; a call of whoever starts is not that of the run."""
    variable = contextvars.ContextVar("variable", default="none")
    seen: list[str] = []

    async def look(_: object) -> Answer:
        seen.append(f"{variable.get()}, {current_call().step}")
        return Success("seen")

    def no_call(_: object) -> str:
        with pytest.raises(NoCurrentCall):
            current_call()
        return variable.get()

    async def main() -> None:
        async with AsyncSupervisor() as supervisor:

            async def outer(_: object) -> Answer:
                variable.set("two")
                supervisor.start(arrow(no_call) >> AsyncStep(look), None)
                variable.set("three")
                await asyncio.sleep(1)
                return Success("outer")

            variable.set("one")
            supervisor.start(AsyncStep(look), None)
            supervisor.start(AsyncStep(outer), None)
            await asyncio.sleep(1)

    run_virtual(main())
    assert ["one, look", "two, look"] == seen


def test_observers_hear_every_run(ledger: Ledger) -> None:
    """The observers of a supervisor hear what stands in the logs of all its runs."""
    heard: list[Event] = []

    async def main() -> list[Event]:
        async with AsyncSupervisor(max_running=1, observers=[heard.append]) as supervisor:
            ids = [supervisor.start(ledger.step("a"), None) for _ in range(2)]
            outcomes = [await supervisor.wait(run_id) for run_id in ids]
            assert [status_of(o.log) for o in outcomes] == [supervisor.status(i) for i in ids]
            return [event for outcome in outcomes for event in outcome.log]

    assert run_virtual(main()) == heard


def test_a_saga_of_none_needs_no_value() -> None:
    """The value may be left out for a saga that takes None; plain steps are welcome."""
    saga: Saga[None, str] = arrow(str)

    async def main() -> Outcome[Any, Any, Any]:
        async with AsyncSupervisor() as supervisor:
            return await supervisor.wait(supervisor.start(saga))

    assert Ok("None") == run_virtual(main())


# -- cancelling ------------------------------------------------------------------------------------


def cancelled_after(
    seconds: float, saga: AnySaga, *, max_running: int = 1
) -> tuple[Outcome[Any, Any, Any], float]:
    """Cancel a run; give its outcome, and when it came."""

    async def main() -> tuple[Outcome[Any, Any, Any], float]:
        async with AsyncSupervisor(max_running) as supervisor:
            run_id = supervisor.start(saga, None)
            if seconds:
                await asyncio.sleep(seconds)
            supervisor.cancel(run_id)
            supervisor.cancel(run_id)
            outcome = await supervisor.wait(run_id)
            supervisor.cancel(run_id)
            assert outcome is await supervisor.wait(run_id)
            return outcome, asyncio.get_running_loop().time()

    return run_virtual(main())


def test_a_run_is_cancelled_in_a_call(ledger: Ledger) -> None:
    """The call in progress is cut at once and in doubt; what has completed is compensated."""
    saga = ledger.step("a", back_seconds=2) >> ledger.step("b", seconds=100, timeout=None)
    assert (Compensated(Cancelled(), "b", in_doubt=("b",)), 7.0) == cancelled_after(5, saga)
    assert ["a", "b", "undo a"] == ledger.calls


def test_a_run_is_cancelled_before_its_first_turn(ledger: Ledger) -> None:
    """A run that is cancelled right after its start calls nothing."""
    assert (Compensated(Cancelled(), None), 0.0) == cancelled_after(0, ledger.step("a"))
    assert [] == ledger.calls


def test_a_run_is_cancelled_in_a_pause(ledger: Ledger) -> None:
    """A pause between two attempts ends at once, and the step is not called again."""
    saga = ledger.step("a") >> ledger.step("b", Failure("busy"), retries=Retry(5, wait=3_600))
    assert (Compensated(Cancelled(), "b"), 5.0) == cancelled_after(5, saga)
    assert ["a", "b", "undo a"] == ledger.calls


def test_a_run_is_cancelled_in_a_call_on_a_thread(ledger: Ledger, gate: threading.Event) -> None:
    """A plain call with a hard timeout is left alone at once, and is in doubt."""

    def hangs(_: object) -> Answer:
        gate.wait()
        return Success("late")

    saga: AnySaga = ledger.step("a") >> Step(hangs, name="b", timeout=3_600)

    def listen(event: Event) -> None:
        if getattr(event, "path", None) == "b":
            begun.set()

    begun = asyncio.Event()

    async def main() -> Outcome[Any, Any, Any]:
        async with AsyncSupervisor(observers=[listen]) as supervisor:
            run_id = supervisor.start(saga, None)
            await begun.wait()
            supervisor.cancel(run_id)
            return await supervisor.wait(run_id)

    assert Compensated(Cancelled(), "b", in_doubt=("b",)) == run_virtual(main())
    assert ["a", "undo a"] == ledger.calls


def test_a_run_is_cancelled_in_vain_on_the_way_back(ledger: Ledger) -> None:
    """A cancel on the way back changes nothing, and cuts neither call nor pause."""
    saga = ledger.step("a", back_seconds=10) >> ledger.step("b", Failure("no"))
    assert (Compensated("no", "b"), 10.0) == cancelled_after(5, saga)
    assert ["a", "b", "undo a"] == ledger.calls


def test_a_pending_run_is_cancelled_at_once(ledger: Ledger) -> None:
    """A run that is cancelled before it has a place ends without a call, and takes no place."""

    async def main() -> None:
        async with AsyncSupervisor(max_running=1) as supervisor:
            supervisor.start(ledger.step("a", seconds=10), None)
            pending = supervisor.start(ledger.step("b"), None)
            supervisor.start(ledger.step("c"), None)
            await asyncio.sleep(1)
            supervisor.cancel(pending)
            assert Compensated(Cancelled(), None) == await supervisor.wait(pending, timeout=0.1)
            assert ["a"] == ledger.calls
            assert 1.0 == asyncio.get_running_loop().time()

    run_virtual(main())
    assert ["a", "c"] == ledger.calls


def test_a_run_may_cancel_itself(ledger: Ledger) -> None:
    """A step may cancel the run that it is in: it is cut where it waits next."""

    async def cancels(_: object) -> Answer:
        supervisor.cancel(current_call().run_id)
        await asyncio.sleep(1)
        return Success("never")

    supervisor = AsyncSupervisor()

    async def main() -> Outcome[Any, Any, Any]:
        async with supervisor:
            run_id = supervisor.start(ledger.step("a") >> AsyncStep(cancels, name="b"), None)
            return await supervisor.wait(run_id)

    assert Compensated(Cancelled(), "b", in_doubt=("b",)) == run_virtual(main())


def test_who_waits_may_be_cancelled(ledger: Ledger) -> None:
    """A task that waits for a run may be cancelled: the run goes on."""

    async def main() -> None:
        async with AsyncSupervisor() as supervisor:
            run_id = supervisor.start(ledger.step("a", seconds=5), None)
            waiting = asyncio.create_task(supervisor.wait(run_id))
            await asyncio.sleep(1)
            waiting.cancel()
            assert "running" == supervisor.status(run_id).state
            assert Ok("a") == await supervisor.wait(run_id)
            assert waiting.cancelled()

    run_virtual(main())


# -- leaving ---------------------------------------------------------------------------------------


def test_leaving_waits_for_all_runs(ledger: Ledger) -> None:
    """When the `async with` has been left, all runs have ended, and no task is left."""

    async def main() -> None:
        async with AsyncSupervisor(max_running=2) as supervisor:
            for _ in range(5):
                supervisor.start(ledger.step("a", seconds=5), None)
        assert 15.0 == asyncio.get_running_loop().time()
        assert 5 == len(supervisor.runs("completed"))
        assert 1 == len(asyncio.all_tasks())

    run_virtual(main())


def test_leaving_by_an_exception_cancels_and_waits(ledger: Ledger) -> None:
    """An exception that leaves the `async with` is raised itself, once all is compensated."""
    mistake = LookupError("mistake")

    async def main() -> None:
        supervisor = AsyncSupervisor(max_running=1)
        with pytest.raises(LookupError) as raised:
            async with supervisor:
                saga = ledger.step("a", back_seconds=3) >> ledger.step("b", seconds=100)
                supervisor.start(saga, None, "running")
                supervisor.start(ledger.step("c"), None, "pending")
                await asyncio.sleep(1)
                raise mistake
        assert mistake is raised.value
        assert 4.0 == asyncio.get_running_loop().time()
        outcome = await supervisor.wait("running", timeout=0)
        assert Compensated(Cancelled(), "b", in_doubt=("b",)) == outcome
        assert Compensated(Cancelled(), None) == await supervisor.wait("pending", timeout=0)

    run_virtual(main())
    assert ["a", "b", "undo a"] == ledger.calls


@pytest.mark.parametrize("inside", [None, LookupError, asyncio.CancelledError])
def test_a_cancellation_while_leaving_cancels_and_waits(
    ledger: Ledger, inside: type[BaseException] | None
) -> None:
    """However often the task is cancelled while it leaves, all compensations run to their end."""
    supervisor = AsyncSupervisor()
    first = inside("first") if inside is asyncio.CancelledError else None
    raised: list[BaseException] = []

    async def leaving() -> None:
        try:
            async with supervisor:
                saga = ledger.step("a", back_seconds=3) >> ledger.step("b", seconds=100)
                supervisor.start(saga, None, "r")
                await asyncio.sleep(1)
                if inside is not None:
                    raise first or inside  # noqa: TRY301 - it is to leave the `async with`
        except BaseException as error:
            raised.append(error)
            raise

    async def main() -> None:
        task = asyncio.create_task(leaving())
        await asyncio.sleep(2)
        task.cancel("second")
        await asyncio.sleep(1)
        task.cancel("third")
        await asyncio.wait({task})
        assert task.cancelled()
        assert (4.0 if inside else 5.0) == asyncio.get_running_loop().time()
        assert "compensated" == supervisor.status("r").state

    run_virtual(main())
    assert ["a", "b", "undo a"] == ledger.calls
    if first is None:
        assert [("second",)] == [error.args for error in raised]
    else:
        assert [first] == raised


@pytest.mark.parametrize("interrupt", [SystemExit(3), KeyboardInterrupt()])
def test_an_interrupt_inside_a_step_leaves_the_loop(
    interrupt: BaseException, ledger: Ledger
) -> None:
    """SystemExit in a step leaves the loop after the compensations of its run, as from any task."""
    supervisor = AsyncSupervisor()

    async def main() -> None:
        async with supervisor:
            supervisor.start(ledger.step("a") >> ledger.step("b", interrupt), None, "left")
            supervisor.start(ledger.step("c") >> ledger.step("d", seconds=100), None, "other")

    with pytest.raises(type(interrupt)) as raised:
        run_virtual(main())
    assert interrupt is raised.value
    expected = Compensated(Cancelled(), "b", in_doubt=("b",))
    assert expected == outcome_of(raised.value)
    assert ["compensated", "compensated"] == [
        supervisor.status(run_id).state for run_id in ("left", "other")
    ]
    assert {"undo a", "undo c"} <= set(ledger.calls)


def test_a_run_that_breaks_before_its_first_step_is_fatal() -> None:
    """A pure function that raises SystemExit leaves no outcome; the status tells why."""

    def leaves(_: object) -> str:
        raise SystemExit(3)

    supervisor = AsyncSupervisor()

    async def main() -> None:
        async with supervisor:
            supervisor.start(arrow(leaves), None, "broken")

    with pytest.raises(SystemExit):
        run_virtual(main())
    status = supervisor.status("broken")
    assert ("fatal", Raised("SystemExit", "3")) == (status.state, status.reason)


def test_a_pure_function_that_cancels_breaks_its_run() -> None:
    """A pure function that raises CancelledError before the first step leaves no outcome either."""

    def leaves(_: object) -> str:
        raise asyncio.CancelledError

    async def main() -> None:
        async with AsyncSupervisor() as supervisor:
            run_id = supervisor.start(arrow(leaves), None)
            with pytest.raises(asyncio.CancelledError):
                await supervisor.wait(run_id)
            assert "fatal" == supervisor.status(run_id).state

    run_virtual(main())


def test_a_task_that_is_cancelled_before_it_begins_is_over(ledger: Ledger) -> None:
    """A run whose task a closing loop cancels before its first turn has ended, without a call."""
    supervisor = AsyncSupervisor()

    async def main() -> None:
        supervisor.start(ledger.step("a"), None, "r")
        for task in asyncio.all_tasks() - {asyncio.current_task()}:
            task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await supervisor.wait("r")

    run_virtual(main())
    assert [] == ledger.calls
    assert "fatal" == supervisor.status("r").state


# -- size ------------------------------------------------------------------------------------------


def test_a_thousand_runs_at_once(ledger: Ledger) -> None:
    """With a thousand runs going on, a status takes less than a millisecond of CPU time."""

    async def main() -> None:
        async with AsyncSupervisor(max_running=1_000) as supervisor:
            saga = ledger.step("a") >> ledger.step("b", seconds=10)
            ids = [supervisor.start(saga, None) for _ in range(1_000)]
            await asyncio.sleep(1)
            costs: list[int] = []
            for run_id in ids:
                began = time.thread_time_ns()
                status = supervisor.status(run_id)
                costs.append(time.thread_time_ns() - began)
                assert "running" == status.state
            assert sorted(costs)[len(costs) // 2] < 1_000_000
            assert 1_000 == len(supervisor.runs("running"))
        assert 1_000 == len(supervisor.runs("completed"))
        assert 1 == len(asyncio.all_tasks())

    run_virtual(main())


async def undone(_: object) -> Undone:
    """Make up for it."""
    return Success(None)


async def stuck(_: object) -> Undone:
    """Fail to make up for it."""
    return Failure("stuck")


async def raises(_: object) -> Answer:
    """Raise."""
    raise ZeroDivisionError


ENDINGS: dict[str, Callable[[], AnySaga]] = {
    "ok": lambda: AsyncStep(fine, undone) >> AsyncStep(fine),
    "compensated": lambda: AsyncStep(fine, undone) >> AsyncStep(raises),
    "fatal": lambda: AsyncStep(fine, stuck) >> AsyncStep(raises),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", ENDINGS)
def test_runs_that_are_forgotten_leave_nothing(name: str) -> None:
    """A supervisor is no bigger after a thousand runs than after a hundred."""
    saga = ENDINGS[name]()

    async def main() -> int:
        async with AsyncSupervisor(max_running=8, keep=3) as supervisor:

            async def many(runs: int) -> None:
                ids = [supervisor.start(saga, None) for _ in range(runs)]
                await supervisor.wait(ids[-1])

            await many(100)
            before = objects()
            await many(1_000)
            return objects() - before

    assert run_virtual(main()) < SLACK


def forgetting(once: Callable[[AsyncSupervisor], Coroutine[Any, Any, object]]) -> int:
    """Give how many objects a run of a supervisor that keeps none leaves to the collector."""

    async def main() -> int:
        async with AsyncSupervisor(keep=0) as supervisor:
            return await left_by_async(lambda: once(supervisor))

    return run_virtual(main())


@pytest.mark.parametrize("name", ENDINGS)
def test_a_forgotten_run_leaves_nothing_to_the_collector(name: str) -> None:
    """When a run is forgotten, it is gone at once, however it ended."""

    async def once(supervisor: AsyncSupervisor) -> None:
        await supervisor.wait(supervisor.start(ENDINGS[name](), None))

    assert 0 == forgetting(once)
