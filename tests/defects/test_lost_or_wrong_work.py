"""Defects 1 to 12: work that is lost, done twice, hidden, or undone with the wrong value."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from typing import Any

import pytest
from returns.result import Failure, Success

from sagalib import (
    AsyncStep,
    Compensated,
    CompensationFailed,
    Fatal,
    Ok,
    Raised,
    Retry,
    Saga,
    Soft,
    Step,
    TimedOut,
    arrow,
    current_call,
    outcome_of,
    run,
    run_async,
)
from sagalib.core.forward import CANCELLED
from sagalib.core.messages import Direction, Unknown
from sagalib.core.state import Cell, Compensating, Executing, Machine
from sagalib.core.strand import Transition
from tests.defects.colours import ASYNC, SYNC, AnySaga, Colour, World, both_colours
from tests.defects.planted import ended, notices, planted, planted_transition, true_one
from tests.support.time import VirtualClock, run_virtual

interrupts = pytest.mark.parametrize(
    "interrupt", [KeyboardInterrupt, SystemExit, asyncio.CancelledError]
)
UNDONE = ["a", "b", "c", "undo b", "undo a"]


# ------------------------------------------------------------------ 1


def check_interrupted(colour: Colour, interrupt: type[BaseException]) -> None:
    """Interrupt the third step; the two before it must be compensated."""
    world = World(colour)
    raised = interrupt()
    saga = world.step("a") >> world.step("b") >> world.step("c", raised)

    assert colour.interrupt_of(saga, "x") is raised
    assert UNDONE == world.names


@both_colours
@interrupts
def test_defect_01_completed_steps_are_compensated_on_an_interrupt(
    colour: Colour, interrupt: type[BaseException]
) -> None:
    """Ctrl-C, SystemExit and a cancellation compensate what has completed, last first."""
    check_interrupted(colour, interrupt)


@both_colours
@interrupts
def test_defect_01_an_interrupt_between_two_calls_compensates(
    colour: Colour, interrupt: type[BaseException]
) -> None:
    """An interrupt that comes when no call is in progress compensates what has completed."""
    world = World(colour)
    saga = world.step("a") >> world.step("b") >> world.step("c")

    def observer(event: Any) -> None:
        if "step_ok" == event.kind and "b" == event.path:
            raise interrupt

    raised = colour.interrupt_of(saga, "x", observers=[observer])

    assert interrupt is type(raised)
    assert ["a", "b", "undo b", "undo a"] == world.names


def forgetting_when_cancelled(true: Transition) -> Transition:
    """Plant: a cancelled run ends without the way back."""
    return lambda machine, reply: (
        ended(machine, CANCELLED) if CANCELLED == reply.reason else true(machine, reply)
    )


@both_colours
@interrupts
def test_defect_01_planted(colour: Colour, interrupt: type[BaseException]) -> None:
    """A planted end without compensations after an interrupt is noticed."""
    with planted_transition(Executing, Unknown, forgetting_when_cancelled), notices():
        check_interrupted(colour, interrupt)


# ------------------------------------------------------------------ 2


def check_cancelled_is_no_success(colour: Colour) -> None:
    """Let a step raise CancelledError by itself; it must not count as done."""
    world = World(colour)
    saga = world.step("a") >> world.step("b", asyncio.CancelledError()) >> world.step("c")

    interrupt = colour.interrupt_of(saga, "x")

    assert Compensated(CANCELLED, "b", in_doubt=("b",)) == outcome_of(interrupt)
    assert ["a", "b", "undo a"] == world.names


@both_colours
def test_defect_02_a_step_that_raises_cancelled_error_is_no_success(colour: Colour) -> None:
    """A step that raises CancelledError has failed, in doubt, and nothing after it is called."""
    check_cancelled_is_no_success(colour)


def test_defect_02_gather_shows_the_cancellation() -> None:
    """`gather(return_exceptions=True)` over runs gives the CancelledError and the other outcome."""

    async def main() -> tuple[object, object]:
        cancelled, other = World(ASYNC), World(ASYNC)
        came: tuple[object, object] = await asyncio.gather(
            run_async(cancelled.step("a", asyncio.CancelledError()), "x"),
            run_async(other.step("b"), "x"),
            return_exceptions=True,
        )
        return came

    came = run_virtual(main())

    assert asyncio.CancelledError is type(came[0])
    assert Ok("x+b") == came[1]


def succeeding(_: Transition) -> Transition:
    """Plant: no answer is taken for success."""
    succeeded: Transition = true_one("sagalib.core.strand", "_succeeded")
    return lambda machine, _: succeeded(machine, Success(None))


@both_colours
def test_defect_02_planted(colour: Colour) -> None:
    """A planted success of a step that raised CancelledError is noticed."""
    with planted_transition(Executing, Unknown, succeeding), notices():
        check_cancelled_is_no_success(colour)


# ------------------------------------------------------------------ 3


def check_same_object(colour: Colour, interrupt: type[BaseException]) -> None:
    """Interrupt a step; the very object must come out, and it must know the outcome."""
    world = World(colour)
    raised = interrupt("stop")

    came = colour.interrupt_of(world.step("a") >> world.step("b", raised), "x")

    assert came is raised
    assert Compensated(CANCELLED, "b", in_doubt=("b",)) == outcome_of(came)


@both_colours
@interrupts
def test_defect_03_the_same_interrupt_is_raised_again(
    colour: Colour, interrupt: type[BaseException]
) -> None:
    """After the compensations the interrupt itself is raised, not an ordinary exception."""
    check_same_object(colour, interrupt)


def test_defect_03_asyncio_timeout_still_works() -> None:
    """`asyncio.timeout` around a run raises TimeoutError, after the compensations."""
    world = World(ASYNC)

    async def main() -> None:
        async with asyncio.timeout(5):
            await run_async(world.step("a") >> hanging(world, "b"), "x")

    with pytest.raises(TimeoutError):
        run_virtual(main())
    assert ["a", "b", "undo a"] == world.names


def test_defect_03_a_task_group_still_works() -> None:
    """A failing sibling in a TaskGroup cancels a run, which compensates; the group raises that."""
    world = World(ASYNC)

    async def failing() -> None:
        await asyncio.sleep(5)
        message = "the sibling"
        raise ValueError(message)

    async def main() -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(run_async(world.step("a") >> hanging(world, "b"), "x"))
            group.create_task(failing())

    with pytest.RaisesGroup(ValueError):
        run_virtual(main())
    assert ["a", "b", "undo a"] == world.names


def hanging(world: World, name: str, seconds: float = 1000.0) -> AnySaga:
    """Give an async step that notes its call and then takes long."""

    async def hang(value: Any) -> Any:
        world.calls.append((name, value))
        await asyncio.sleep(seconds)
        return Success(value)

    return AsyncStep(hang, name=name, timeout=None)


def swallowing(_: object) -> Callable[..., None]:
    """Plant: an interrupt is not raised again."""

    def reraise(*_: object) -> None: ...

    return reraise


@both_colours
def test_defect_03_planted(colour: Colour) -> None:
    """A planted driver that swallows the interrupt is noticed."""
    driver = "sagalib.drivers.aio" if colour.is_async else "sagalib.drivers.sync"
    with planted(driver, "reraise", swallowing), notices():
        check_same_object(colour, KeyboardInterrupt)


# ------------------------------------------------------------------ 4


def check_cancelled_twice(wait_for_undo: str) -> None:
    """Cancel a run in its second step, and again in a compensation; all must be undone once."""
    world = World(ASYNC)
    saga = slow(world, "a") >> slow(world, "b") >> hanging(world, "c")

    async def main() -> None:
        task = asyncio.create_task(run_async(saga, "x"))
        await asyncio.sleep(5)  # the third step is in progress
        task.cancel()
        await asyncio.sleep(5 if "undo b" == wait_for_undo else 15)  # that compensation is
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    run_virtual(main())
    assert ["a", "b", "c", "undo b", "end b", "undo a", "end a"] == world.names


def slow(world: World, name: str) -> AnySaga:
    """Give an async step whose compensation takes ten seconds and notes its end."""

    async def execute(value: Any) -> Any:
        world.calls.append((name, value))
        return Success(value)

    async def undo(value: Any) -> Any:
        world.calls.append((f"undo {name}", value))
        await asyncio.sleep(10)
        world.calls.append((f"end {name}", value))
        return Success(None)

    return AsyncStep(execute, undo, name=name)


@pytest.mark.parametrize("wait_for_undo", ["undo b", "undo a"])
def test_defect_04_a_second_cancel_drops_no_compensation(wait_for_undo: str) -> None:
    """A task that is cancelled again in the way back goes that way to its end, once."""
    check_cancelled_twice(wait_for_undo)


def check_interrupted_undo(interrupt: type[BaseException], times: int) -> list[str]:
    """Interrupt a compensation some times; give the keys with which it was called."""
    world, keys = World(), list[str]()

    def undo(_: Any) -> Any:
        keys.append(current_call().key)
        return interrupt() if len(keys) <= times else Success(None)

    saga = world.step("a") >> world.step("b", undo=undo) >> world.step("c", interrupt("first"))
    came = SYNC.interrupt_of(saga, "x", run_id="run")

    assert "first" == str(came)
    assert ["a", "b", "c", *["undo b"] * len(keys), "undo a"] == world.names
    return keys


@interrupts
def test_defect_04_an_interrupted_compensation_is_called_again(
    interrupt: type[BaseException],
) -> None:
    """A compensation that is interrupted once is called again with the same key."""
    key = "run/b/compensate/1"
    assert [key, key] == check_interrupted_undo(interrupt, 1)


@interrupts
def test_defect_04_a_second_interrupt_of_a_compensation_is_its_failure(
    interrupt: type[BaseException],
) -> None:
    """A compensation that is interrupted twice has failed, and the others are still called."""
    key = "run/b/compensate/1"
    assert [key, key] == check_interrupted_undo(interrupt, 2)


@contextmanager
def unshielded() -> Generator[None]:
    """Plant: the way back goes on in the task of the run."""
    with (
        planted("sagalib.drivers.aio", "shielded", unwinding_here),
        planted("sagalib.drivers.aio_run", "shielded", unwinding_here),
    ):
        yield


def unwinding_here(_: object) -> Callable[[Any, object], Any]:
    """Give a function that awaits the way back where it is called."""

    def unshielded_call(called: Any, _: object) -> Any:
        return called

    return unshielded_call


def test_defect_04_planted_unshielded() -> None:
    """A planted way back in the task that can be cancelled is noticed."""
    with unshielded(), notices():
        check_cancelled_twice("undo b")


def test_defect_04_planted_stop() -> None:
    """A planted end of the way back at an interrupted compensation is noticed."""

    def stopping(_: Transition) -> Transition:
        return lambda machine, reply: ended(machine, reply.reason)

    with planted_transition(Compensating, Unknown, stopping), notices():
        check_interrupted_undo(KeyboardInterrupt, 1)


# ------------------------------------------------------------------ 5


def check_all_are_compensated(colour: Colour, broken: object) -> None:
    """Let a compensation fail; the others must be called, and the outcome must name it."""
    world = World(colour)
    saga = (
        world.step("a")
        >> world.step("b", undo=broken)
        >> world.step("c")
        >> world.step("d", Failure("no"))
    )

    outcome = colour.run(saga, "x")

    assert ["a", "b", "c", "d", "undo c", "undo b", "undo a"] == world.names
    assert isinstance(outcome, Fatal)
    assert ["b"] == [failure.step for failure in outcome.failures]


@both_colours
@pytest.mark.parametrize("broken", [Failure("jammed"), ValueError("jammed")], ids=["no", "raise"])
def test_defect_05_the_first_failed_compensation_does_not_stop_the_rest(
    colour: Colour, broken: object
) -> None:
    """A compensation that fails or raises leaves the others to be called."""
    check_all_are_compensated(colour, broken)


def halting(true: Transition) -> Transition:
    """Plant: the way back ends at the first failure."""
    return lambda machine, reply: true(
        machine._replace(book=machine.book._replace(stop=True)), reply
    )


@both_colours
def test_defect_05_planted(colour: Colour) -> None:
    """A planted halt at the first failed compensation is noticed."""
    with planted_transition(Compensating, type(Failure(0)), halting), notices():
        check_all_are_compensated(colour, Failure("jammed"))
    with planted_transition(Compensating, Unknown, halting), notices():
        check_all_are_compensated(colour, ValueError("jammed"))


# ------------------------------------------------------------------ 6


def check_failure_is_seen(colour: Colour) -> None:
    """Let a compensation hit a misspelt name; the outcome must be Fatal and say so."""
    world = World(colour)

    def misspelt(_: Any) -> Any:
        return NameError("name 'realease' is not defined")

    outcome = colour.run(world.step("a", undo=misspelt) >> world.step("b", Failure("no")), "x")

    reason = Raised("NameError", "name 'realease' is not defined")
    assert Fatal("no", (CompensationFailed("a", reason),), "b") == outcome


@both_colours
def test_defect_06_a_failed_compensation_is_an_outcome_of_its_own(colour: Colour) -> None:
    """A compensation that fails makes the run Fatal, with its error beside the original one."""
    check_failure_is_seen(colour)


def hiding(_: Transition) -> Transition:
    """Plant: a failed compensation counts as done."""
    made_up_for: Transition = true_one("sagalib.core.strand", "_made_up_for")
    return made_up_for


@both_colours
def test_defect_06_planted(colour: Colour) -> None:
    """A planted clean outcome after a failed compensation is noticed."""
    with planted_transition(Compensating, Unknown, hiding), notices():
        check_failure_is_seen(colour)


# ------------------------------------------------------------------ 7


def check_original_reason(colour: Colour) -> None:
    """Let every compensation fail; the reason must stay the original one."""
    world = World(colour)
    saga = (
        world.step("a", undo=Failure("a is jammed"))
        >> world.step("b", undo=ValueError("b is jammed"))
        >> world.step("c", Failure("declined"))
    )

    outcome = colour.run(saga, "x")

    failures = (
        CompensationFailed("b", Raised("ValueError", "b is jammed")),
        CompensationFailed("a", "a is jammed"),
    )
    assert Fatal("declined", failures, "c") == outcome


@both_colours
def test_defect_07_the_original_error_is_kept(colour: Colour) -> None:
    """Errors of compensations stand beside the error that started the way back."""
    check_original_reason(colour)


@both_colours
def test_defect_07_a_clean_way_back_does_not_overwrite_the_error(colour: Colour) -> None:
    """After successful compensations the reason is still why the saga failed."""
    world = World(colour)
    outcome = colour.run(world.step("a") >> world.step("b", KeyError("sku")), "x")

    assert Compensated(Raised("KeyError", "'sku'"), "b", in_doubt=("b",)) == outcome


def overwriting(true: Transition) -> Transition:
    """Plant: the error of a compensation takes the place of the original one."""

    def transition(machine: Machine, reply: Any) -> Machine:
        progress: Any = machine.progress
        failed = progress.failed._replace(reason=reply.failure())
        return true(machine._replace(progress=progress._replace(failed=failed)), reply)

    return transition


@both_colours
def test_defect_07_planted(colour: Colour) -> None:
    """A planted loss of the original error is noticed."""
    with planted_transition(Compensating, type(Failure(0)), overwriting), notices():
        check_original_reason(colour)


# ------------------------------------------------------------------ 8


def check_own_values(colour: Colour) -> None:
    """Fail at the end; each compensation must get what its own step gave."""
    world = World(colour)
    saga = (
        (world.step("a") >> world.step("b").map(str.upper)).keep().map(str)
        >> world.step("c").map(lambda _: "later data")
        >> world.step("d", Failure("no"))
    )

    colour.run(saga, "x")

    assert [
        ("undo c", "('x', 'X+A+B')+c"),
        ("undo b", "x+a+b"),
        ("undo a", "x+a"),
    ] == world.calls[4:]


@both_colours
def test_defect_08_a_compensation_gets_what_its_step_gave(colour: Colour) -> None:
    """A compensation gets its own step's value: no input, nothing later, nothing mapped."""
    check_own_values(colour)


@both_colours
def test_defect_08_a_compensation_gets_the_very_object(colour: Colour) -> None:
    """A compensation gets the object that the step gave, not a copy of it."""
    world = World(colour)
    given = ["a mutable value"]
    saga = world.step("a", Success(given)) >> world.step("b", Failure("no"))

    colour.run(saga, "x")

    assert ["a", "b", "undo a"] == world.names
    assert given is world.calls[2][1]


def test_defect_08_runs_at_the_same_time_do_not_mix_their_values() -> None:
    """Two runs of one saga at the same time undo each its own value."""
    world = World(ASYNC)
    saga = slow(world, "a") >> hanging(world, "b", 10) >> world.step("c", Failure("no"))

    async def main() -> None:
        await asyncio.gather(run_async(saga, "first"), run_async(saga, "second"))

    run_virtual(main())
    undone = [value for name, value in world.calls if "undo a" == name]

    assert ["first", "second"] == undone


def taking_the_input(true: Transition) -> Transition:
    """Plant: a compensation gets the input of its step."""

    def transition(machine: Machine, reply: Any) -> Machine:
        after = true(machine, reply)
        owed = Cell(
            pc=machine.pc,
            value=machine.value,
            direction=Direction.COMPENSATE,
            answers=1,
            in_doubt=False,
            below=machine.cells,
            place=machine.place,
            turn=0,
        )
        return after._replace(cells=owed) if after.cells is not machine.cells else after

    return transition


def taking_the_latest(true: Transition) -> Transition:
    """Plant: a compensation gets the latest value of the saga."""

    def transition(machine: Machine, reply: Any) -> Machine:
        after = true(machine, reply)
        return (
            after
            if after.cells is None
            else after._replace(cells=after.cells._replace(value=after.value))
        )

    return transition


@both_colours
@pytest.mark.parametrize("plant", [taking_the_input, taking_the_latest])
def test_defect_08_planted(colour: Colour, plant: Callable[[Transition], Transition]) -> None:
    """A planted wrong value for a compensation is noticed."""
    with planted_transition(Executing, type(Success(0)), plant), notices():
        check_own_values(colour)


# ------------------------------------------------------------------ 9


def broken(*_: Any) -> Any:
    """Raise, where a pure function is expected."""
    message = "a bug in a mapper"
    raise TypeError(message)


def nothing(_: object) -> None:
    """Return nothing, where a Result is expected."""


def retried(colour: Colour, **matcher: Any) -> AnySaga:
    """Give a step that fails and whose policy is broken."""
    return World(colour).step("r", Failure("no"), retries=Retry(1, **matcher))


OUTSIDE: dict[str, Callable[[Colour], Any]] = {
    "map": lambda _: arrow(broken),
    "map of the step": lambda colour: World(colour).step("c", undo=False).map(broken),
    "contramap": lambda colour: World(colour).step("c").contramap(broken),
    "map_error": lambda colour: World(colour).step("c", Failure("no")).map_error(broken),
    "retries only": lambda colour: retried(colour, only=broken),
    "retries unless": lambda colour: retried(colour, unless=broken),
    "a dict": lambda colour: World(colour).step("c", {"not": "a Result"}),
    "nothing": lambda colour: World(colour).step("c", nothing),
}


def check_outside(colour: Colour, outside: Callable[[Colour], Any]) -> None:
    """Let something between the calls break; what has completed must be compensated."""
    world = World(colour)

    outcome = colour.run(world.step("a") >> world.step("b") >> outside(colour), "x")

    assert isinstance(outcome, Compensated)
    assert isinstance(outcome.reason, Raised)
    assert ["a", "b", "undo b", "undo a"] == world.names


@both_colours
@pytest.mark.parametrize("where", OUTSIDE)
def test_defect_09_an_error_outside_the_calls_is_compensated(colour: Colour, where: str) -> None:
    """A bug in a mapper or a policy, or a wrong return value, fails the saga and is undone."""
    check_outside(colour, OUTSIDE[where])


@both_colours
def test_defect_09_values_need_not_be_storable(colour: Colour) -> None:
    """A value that no journal could write passes from step to step, and to the compensation."""
    world = World(colour)
    lock = threading.Lock()

    colour.run(world.step("a", Success(lock)) >> world.step("b", Failure("no")), "x")

    assert [("a", "x"), ("b", lock), ("undo a", lock)] == world.calls


def skipping_pure_failures(true: Any) -> Any:
    """Plant: a failure that no call made is not compensated."""

    def fail(book: Any, failed: Any, frames: Any, cells: Any) -> Any:
        return true(book, failed, frames, None if failed.step is None else cells)

    return fail


@both_colours
@pytest.mark.parametrize("where", ["map", "map of the step", "contramap"])
def test_defect_09_planted(colour: Colour, where: str) -> None:
    """A planted failure between the steps that undoes nothing is noticed."""
    with planted("sagalib.core.forward", "fail", skipping_pure_failures), notices():
        check_outside(colour, OUTSIDE[where])


# ------------------------------------------------------------------ 11


class Warehouse:
    """A function that hangs until the test lets its effect land."""

    def __init__(self) -> None:
        self.may_land = threading.Event()
        self.effects: list[str] = []

    def ship(self, value: Any) -> Any:
        """Have the effect, late."""
        assert self.may_land.wait(10)
        self.effects.append(value)
        return Success(value)

    def land(self) -> None:
        """Let the effect land, and wait for the end of the call."""
        self.may_land.set()
        for thread in threading.enumerate():
            if thread.name.startswith("sagalib "):
                thread.join(10)


def check_threaded(colour: Colour, *, settles: bool) -> None:
    """Let a plain function take longer than its hard timeout; the report must say unknown."""
    world, warehouse = World(), Warehouse()
    settle = world.does("settle ship", Success(None)) if settles else None
    late = Step(warehouse.ship, settle=settle, name="ship", timeout=5)
    try:
        # A plain step in either driver: only a plain function can be left behind.
        outcome = colour.run(world.step("a") >> late, "x")
    finally:
        warehouse.land()

    assert ["x+a"] == warehouse.effects
    assert Compensated(TimedOut(5), "ship", in_doubt=() if settles else ("ship",)) == outcome
    assert ["a", *(["settle ship"] if settles else []), "undo a"] == world.names


@both_colours
@pytest.mark.parametrize("settles", [False, True], ids=["in doubt", "settled"])
def test_defect_11_a_timed_out_threaded_call_is_in_doubt(colour: Colour, settles: bool) -> None:
    """A plain function that is given up is reported in doubt, or settled: never as clean."""
    check_threaded(colour, settles=settles)


def test_defect_11_an_async_call_is_awaited_before_the_way_back() -> None:
    """A coroutine that takes its time to be cancelled has ended before the compensations start."""
    world = World(ASYNC)

    async def ship(value: Any) -> Any:
        try:
            await asyncio.sleep(1000)
        finally:
            await asyncio.sleep(50)
            world.calls.append(("ship has ended", value))

    saga = world.step("a") >> AsyncStep(ship, timeout=5)
    outcome = run_virtual(run_async(saga, "x"))

    assert Compensated(TimedOut(5), "ship", in_doubt=("ship",)) == outcome
    assert ["a", "ship has ended", "undo a"] == world.names


def reporting_clean(_: Transition) -> Transition:
    """Plant: a timeout is taken for an answer that nothing happened."""
    was_refused: Transition = true_one("sagalib.core.strand", "_was_refused")
    return was_refused


@both_colours
@pytest.mark.parametrize("settles", [False, True], ids=["in doubt", "settled"])
def test_defect_11_planted(colour: Colour, settles: bool) -> None:
    """A planted clean report of a timed out call is noticed."""
    with planted_transition(Executing, Unknown, reporting_clean), notices():
        check_threaded(colour, settles=settles)


# ------------------------------------------------------------------ 12


def check_timeout_spares_the_way_back() -> None:
    """Let a timeout of the whole fire in a compensation; that must be called once, to its end."""
    world = World(ASYNC)
    saga = slow(world, "a") >> slow(world, "b") >> world.step("c", Failure("no"))

    async def main() -> None:
        async with asyncio.timeout(5):
            await run_async(saga, "x")

    with suppress(TimeoutError):
        run_virtual(main())
    assert ["a", "b", "c", "undo b", "end b", "undo a", "end a"] == world.names


def test_defect_12_a_timeout_of_the_whole_does_not_restart_a_compensation() -> None:
    """A timeout around the run that fires in a compensation neither cuts nor repeats it."""
    check_timeout_spares_the_way_back()


def slow_undo(world: World, clock: VirtualClock, **settings: Any) -> Saga[Any, Any, Any, Any]:
    """Give a plain step whose compensation takes a hundred seconds."""

    def undo(value: Any) -> Any:
        world.calls.append(("undo a", value))
        clock.advance(100)
        return Success(None)

    return Step(world.does("a", Success("done")), undo, **settings)


def test_defect_12_the_timeout_of_a_step_is_not_that_of_its_compensation() -> None:
    """A compensation may take longer than the timeout of its step, and is called once."""
    world, clock = World(), VirtualClock()
    saga = slow_undo(world, clock, timeout=5) >> Step(world.does("b", Failure("no")))

    assert Compensated("no", "b") == run(saga, "x", clock=clock)
    assert ["a", "b", "undo a"] == world.names


def test_defect_12_a_late_compensation_that_succeeded_is_not_repeated() -> None:
    """A compensation that returns Success after its own soft timeout is done."""
    world, clock = World(), VirtualClock()
    policy: dict[str, Any] = {"compensation_timeout": Soft(1), "compensation_retries": 3}
    saga = slow_undo(world, clock, **policy) >> Step(world.does("b", Failure("no")))

    assert Compensated("no", "b") == run(saga, "x", clock=clock)
    assert ["a", "b", "undo a"] == world.names


def test_defect_12_planted() -> None:
    """A planted timeout that reaches the compensations is noticed."""
    with unshielded(), notices():
        check_timeout_spares_the_way_back()
