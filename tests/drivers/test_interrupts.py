"""`run` and Ctrl-C: at every line and every instruction where it can come, and out of user code."""

from __future__ import annotations

import asyncio
import dis
import inspect
import itertools
import linecache
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from functools import cache
from types import CodeType, FrameType
from typing import Any

import pytest
from attrs import define
from typing_extensions import override

import sagalib.core.functions
import sagalib.core.history
import sagalib.core.machine
import sagalib.core.messages
import sagalib.core.scopes
import sagalib.core.state
import sagalib.core.strand
import sagalib.core.strands
import sagalib.drivers.branches
import sagalib.drivers.calls
import sagalib.drivers.sync
import sagalib.drivers.sync_run
import sagalib.drivers.threads
import sagalib.drivers.turns
from sagalib import (
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
    arrow,
    current_call,
    outcome_of,
    run,
    run_async,
)
from tests.drivers.world import (
    AsyncPart,
    Part,
    World,
    coroutine,
    for_ever,
    join_calls,
    kinds,
    no,
    no_way_back,
    plain,
)
from tests.support.time import VirtualClock, run_virtual

MODULES = (
    sagalib.core.functions,
    sagalib.core.history,
    sagalib.core.machine,
    sagalib.core.messages,
    sagalib.core.state,
    sagalib.core.scopes,
    sagalib.core.strand,
    sagalib.core.strands,
    sagalib.drivers.branches,
    sagalib.drivers.calls,
    sagalib.drivers.sync,
    sagalib.drivers.sync_run,
    sagalib.drivers.threads,
    sagalib.drivers.turns,
)
FILES = frozenset(module.__file__ for module in MODULES)


# -- at every line, at every instruction ----------------------------------------------------------


class PatientClock(VirtualClock):
    """Waits for a call on another thread; in the first pause somebody may press Ctrl-C."""

    def __init__(self, interrupt: BaseException | None = None) -> None:
        super().__init__()
        self._interrupt = interrupt

    @override
    def sleep(self, seconds: float, /) -> None:
        """Sleep, or be interrupted."""
        if self._interrupt is not None:
            interrupt, self._interrupt = self._interrupt, None
            raise interrupt
        super().sleep(seconds)

    @override
    def wait(self, event: threading.Event, seconds: float, /) -> bool:
        """Wait for the call."""
        return event.wait()


def boom() -> None:
    """Raise."""
    raise ZeroDivisionError


def success(world: World) -> Part:
    """Go through, with a retry after a pause and a pure function."""
    return (
        plain(world, "a")
        >> plain(world, "b", answers=(no("busy"),), retries=Retry(1, wait=5.0), settle=True)
        >> arrow(str)
        >> plain(world, "c", undo=False)
        >> plain(world, "d")
    )


def failure(world: World) -> Part:
    """Fail at the last step, after a retry."""
    return success(world) >> plain(world, "e", answers=(no("no"), no("no")), retries=1)


def doubt(world: World) -> Part:
    """End in doubt, and settle another doubt."""
    return (
        plain(world, "a")
        >> plain(world, "b", during=boom, settle=True, retries=1).map_error(str).keep().map(str)
        >> plain(world, "c")
    )


def bad_compensation(world: World) -> Part:
    """Fail on the way back, too, at two of four compensations, after a pause."""
    return (
        plain(world, "a")
        >> plain(
            world,
            "b",
            back=(no_way_back("later"), no_way_back("never")),
            compensation_retries=Retry(1, wait=5.0),
        )
        >> plain(world, "c")
        >> plain(world, "d", during_back=boom)
        >> plain(world, "e", answers=(no("no"),))
    )


def on_a_thread(world: World) -> Part:
    """Make calls on threads of their own, there and back."""
    return (
        plain(world, "a", timeout=5.0, compensation_timeout=5.0)
        >> plain(world, "b", timeout=5.0, settle=True)
        >> plain(world, "c", timeout=5.0, during=boom)
    )


SCENARIOS = (success, failure, doubt, bad_compensation, on_a_thread)


def trace_with(tracer: Callable[[FrameType, str, object], Any]) -> None:
    """Set the trace function; let it see instructions, too."""
    frame = inspect.currentframe()
    assert frame is not None
    frame.f_trace_opcodes = True  # CPython 3.12 looks for such a frame when the function is set
    sys.settrace(tracer)


@define
class Attempt:
    """A run that was interrupted at one point."""

    world: World
    interrupt: BaseException
    at: str | None = None
    raised: BaseException | None = None
    returned: Outcome[Any, Any, Any] | None = None

    @property
    def outcome(self) -> Outcome[Any, Any, Any] | None:
        """The outcome, returned or on the exception."""
        return self.returned if self.raised is None else outcome_of(self.raised)


def is_empty(frame: FrameType) -> bool:
    """Tell whether a line says only `try:`: nothing is executed there, and no signal can come."""
    line: int | None = frame.f_lineno  # None in what the compiler adds
    return line is not None and linecache.getline(frame.f_code.co_filename, line).strip() == "try:"


def may_be_signalled(frame: FrameType, last: int) -> bool:
    """Tell whether signals may have been looked for after `last`: after calls and jumps back.

    It does not when a call has raised.
    """
    names = instruction_names(frame.f_code)
    looked = last < 0 or names.get(last, "").startswith(("CALL", "JUMP_BACKWARD"))
    return looked and names.get(frame.f_lasti) != "PUSH_EXC_INFO"


@cache
def instruction_names(code: CodeType) -> dict[int, str]:
    """Give the names of the instructions of a function, by offset."""
    return {instruction.offset: instruction.opname for instruction in dis.get_instructions(code)}


def interrupted_at(
    number: int,
    event: str,
    scenario: Callable[[World], Part],
    *,
    first: BaseException | None = None,
    observe: bool = False,
    clock: Callable[[BaseException | None], VirtualClock] = PatientClock,
) -> Attempt:
    """Run a scenario and raise KeyboardInterrupt at the line, or the instruction, of this number.

    Args:
        number: which of the points, from 1; `at` of the answer is `None` if there are fewer.
        event: `"line"` or `"opcode"`.
        scenario: what to run.
        first: what interrupts the first pause before that.
        observe: whether somebody listens to the events.
        clock: makes the clock.
    """
    attempt = Attempt(World(), KeyboardInterrupt())
    saga = scenario(attempt.world)
    _ = saga.paths
    seen = 0
    last: dict[FrameType, int] = {}

    def tracer(frame: FrameType, kind: str, _: object) -> Any:
        nonlocal seen
        if frame.f_code.co_filename not in FILES:
            return None
        frame.f_trace_opcodes = event == "opcode"
        if kind == event:
            before, last[frame] = last.get(frame, -1), frame.f_lasti
            if not is_empty(frame) and (event == "line" or may_be_signalled(frame, before)):
                seen += 1
                if seen == number:
                    attempt.at = f"{frame.f_code.co_name}:{frame.f_lineno}"
                    raise attempt.interrupt
        return tracer

    before = sys.gettrace()
    observers: list[Callable[[Event], object]] = [str] if observe else []
    trace_with(tracer)
    try:
        attempt.returned = run(saga, run_id="interrupted", clock=clock(first), observers=observers)
    except KeyboardInterrupt as interrupt:
        sys.settrace(before)
        attempt.raised = interrupt
    finally:
        sys.settrace(before)
        last.clear()
    join_calls()
    return attempt


def attempts(event: str, scenario: Callable[[World], Part], **how: Any) -> Iterator[Attempt]:
    """Interrupt a scenario at each of its points."""
    for number in itertools.count(1):
        attempt = interrupted_at(number, event, scenario, **how)
        if attempt.at is None:
            return
        yield attempt


def check_interrupted(attempt: Attempt, usual: World) -> None:
    """Check that nothing is left over, lost or done too often, compared with the `usual`."""
    world, outcome, at = attempt.world, attempt.outcome, attempt.at
    if outcome is None:
        # Before the first call, or when the run had ended.
        assert not world.begun or (usual.done, usual.back) == (world.done, world.back), at
        return
    if isinstance(outcome, Ok):
        assert usual.done == world.done, at
        assert [] == world.back, at
        return
    made_up_for = world.made_up_for()
    # A call may be interrupted before it has begun: then its settle is called for nothing.
    assert world.owed(outcome) == [
        name for kind, name in made_up_for if kind == "undo" or name in world.effects()
    ], at
    assert len(world.back) - len(made_up_for) <= 1, at
    assert all(name in {*world.reversible, *outcome.in_doubt} for name in world.cut), at


def check_aftermath() -> None:
    """Check that nothing of the run is left: neither its id, nor its call, nor a thread."""
    assert Ok(None) == run(arrow(lambda _: None), run_id="interrupted")
    with pytest.raises(NoCurrentCall):
        current_call()
    join_calls()


def usually(scenario: Callable[[World], Part], **how: Any) -> Attempt:
    """Run a scenario without an interrupt."""
    attempt = interrupted_at(0, "line", scenario, **how)
    assert attempt.returned is not None
    return attempt


@pytest.mark.slow
@pytest.mark.parametrize(
    ("scenario", "event", "observe"),
    [
        *((scenario, event, False) for scenario in SCENARIOS for event in ("line", "opcode")),
        (failure, "line", True),
        (doubt, "line", True),
    ],
)
def test_ctrl_c_at_every_point(
    scenario: Callable[[World], Part], event: str, *, observe: bool
) -> None:
    """Wherever Ctrl-C comes, what completed is compensated, and Ctrl-C is raised again."""
    usual = usually(scenario).world
    points = 0
    for attempt in attempts(event, scenario, observe=observe):
        points += 1
        assert attempt.raised is attempt.interrupt, attempt.at
        check_interrupted(attempt, usual)
        check_aftermath()
    assert points >= 180


@pytest.mark.slow
@pytest.mark.parametrize("event", ["line", "opcode"])
@pytest.mark.parametrize("scenario", [success, bad_compensation])
def test_ctrl_c_at_every_point_after_another(scenario: Callable[[World], Part], event: str) -> None:
    """A second Ctrl-C, after one that came in a pause, takes away no compensation either."""
    usual = interrupted_at(0, "line", scenario, first=KeyboardInterrupt()).world
    for number in itertools.count(1):
        first = KeyboardInterrupt()
        attempt = interrupted_at(number, event, scenario, first=first)
        if attempt.at is None:
            break
        assert attempt.raised in {first, attempt.interrupt}, attempt.at
        check_interrupted(attempt, usual)
        check_aftermath()


def catches(code: CodeType, offset: int) -> bool:
    """Tell whether an interrupt at an offset goes to an `except BaseException` of this function."""
    bytecode: Any = dis.Bytecode(code)
    instructions = list(bytecode)
    offsets = [instruction.offset for instruction in instructions]
    for entry in bytecode.exception_entries:
        if entry.start <= offset <= entry.end:
            at = offsets.index(entry.target)
            return "BaseException" in [each.argval for each in instructions[at : at + 3]]
    return False


def is_guarded(frame: FrameType | None, offsets: list[int]) -> bool:
    """Tell whether an interrupt at these offsets of a frame is caught there or further up."""
    while frame is not None and str(frame.f_globals["__name__"]).startswith("sagalib."):
        code = frame.f_code
        if all(catches(code, offset) for offset in offsets):
            return True
        frame = frame.f_back
        offsets = [] if frame is None else [frame.f_lasti]
    return False


@pytest.mark.parametrize("scenario", [failure, bad_compensation])
def test_the_jumps_back_of_the_driver_are_guarded(scenario: Callable[[World], Part]) -> None:
    """An interrupt at a jump back, or at what stands before its target, is inside a `try`."""
    world = World()
    guarded: list[bool] = []

    def tracer(frame: FrameType, kind: str, _: object) -> Any:
        if frame.f_code.co_filename not in FILES:
            return None
        frame.f_trace_opcodes = True
        name = instruction_names(frame.f_code).get(frame.f_lasti, "")
        if kind == "opcode" and "JUMP_BACKWARD" in name and world.begun:
            instructions = list(dis.get_instructions(frame.f_code))
            offsets = [instruction.offset for instruction in instructions]
            target = instructions[offsets.index(frame.f_lasti)].argval
            before = offsets[offsets.index(target) - 1]
            guarded.append(is_guarded(frame, [frame.f_lasti, before]))
        return tracer

    trace = sys.gettrace()
    trace_with(tracer)
    try:
        run(scenario(world), clock=PatientClock(), observers=[str])
    finally:
        sys.settrace(trace)
    assert len(guarded) >= 8
    assert [True] * len(guarded) == guarded


# -- out of user code -----------------------------------------------------------------------------


def three(world: World, *, during: Callable[[], object], **settings: Any) -> Part:
    """Make a saga that completes `a` and `b`, and in `c` does something."""
    return plain(world, "a") >> plain(world, "b") >> plain(world, "c", during=during, **settings)


BACK = [("undo", "b"), ("undo", "a")]


def raising(*interrupts: BaseException) -> Callable[[], None]:
    """Make a function that raises these, call after call, and then nothing."""
    left = list(interrupts)

    def function() -> None:
        if left:
            raise left.pop(0)

    return function


def signalled() -> None:
    """Do what Ctrl-C does."""
    signal.raise_signal(signal.SIGINT)


@pytest.mark.parametrize("kind", [KeyboardInterrupt, SystemExit, GeneratorExit, BaseException])
def test_a_step_is_interrupted(kind: type[BaseException]) -> None:
    """What is no Exception leaves the call in doubt, and comes out after the compensations."""
    world, mine = World(), kind()
    with pytest.raises(kind) as caught:
        run(three(world, during=raising(mine), retries=3))
    assert caught.value is mine
    assert Compensated(Cancelled(), "c", in_doubt=("c",)) == outcome_of(mine)
    assert BACK == world.back


def test_a_step_that_is_interrupted_is_settled() -> None:
    """An interrupted step with a settle is settled in its place, and is not in doubt any more."""
    world = World()
    with pytest.raises(KeyboardInterrupt) as caught:
        run(three(world, during=raising(KeyboardInterrupt()), settle=True))
    assert Compensated(Cancelled(), "c") == outcome_of(caught.value)
    assert [("settle", "c"), *BACK] == world.back


def test_a_real_signal_in_a_step() -> None:
    """A real SIGINT inside a step is the KeyboardInterrupt that comes out."""
    world = World()
    with pytest.raises(KeyboardInterrupt) as caught:
        run(three(world, during=signalled))
    assert Compensated(Cancelled(), "c", in_doubt=("c",)) == outcome_of(caught.value)
    assert [
        "saga_started",
        *["step_started", "step_ok"] * 2,
        "step_started",
        "cancel_requested",
    ] == kinds(outcome_of(caught.value))[:7]
    assert BACK == world.back


def test_a_real_signal_in_an_async_run() -> None:
    """A real SIGINT inside an async step is the KeyboardInterrupt that comes out of the loop."""
    world = World()

    async def signalled_there() -> None:
        signalled()

    async def main() -> None:
        signal.signal(
            signal.SIGINT, signal.default_int_handler
        )  # not the one of asyncio, which cancels
        await run_async(coroutine(world, "a") >> coroutine(world, "b", during=signalled_there))

    before = signal.getsignal(signal.SIGINT)
    try:
        with pytest.raises(KeyboardInterrupt) as caught:
            run_virtual(main())
    finally:
        signal.signal(signal.SIGINT, before)
    assert Compensated(Cancelled(), "b", in_doubt=("b",)) == outcome_of(caught.value)
    assert [("undo", "a")] == world.back


def test_a_real_signal_under_the_handler_of_asyncio() -> None:
    """Under `asyncio.run`, Ctrl-C is a KeyboardInterrupt after the compensations."""
    world = World()

    async def signalled_there() -> None:
        signalled()
        await for_ever()

    async def main() -> None:
        await run_async(coroutine(world, "a") >> coroutine(world, "b", during=signalled_there))

    with pytest.raises(KeyboardInterrupt):
        run_virtual(main())
    assert ["a", "b"] == world.begun
    assert [("undo", "a")] == world.back


@pytest.mark.parametrize("times", [1, 2])
def test_a_compensation_is_interrupted(times: int) -> None:
    """An interrupted compensation is called again; at the second interrupt it has failed."""
    world, interrupts = World(), [KeyboardInterrupt(), KeyboardInterrupt()][:times]
    saga = (
        plain(world, "a")
        >> plain(world, "b", during_back=raising(*interrupts), compensation_retries=3)
        >> plain(world, "c", answers=(no("no"),))
    )
    with pytest.raises(KeyboardInterrupt) as caught:
        run(saga, run_id="r")
    assert caught.value is interrupts[0]
    if times == 1:
        assert Compensated("no", "c") == outcome_of(caught.value)
        assert BACK == world.back
    else:
        assert Fatal("no", (CompensationFailed("b", Cancelled()),), "c") == outcome_of(caught.value)
        assert [("undo", "a")] == world.back
    assert ["r/b/compensate/1", "r/b/compensate/1", "r/a/compensate/1"] == world.keys


def test_a_settle_is_interrupted() -> None:
    """An interrupted settle is called again with its key."""
    world = World()
    saga = plain(world, "a") >> plain(
        world, "b", during=boom, settle=True, during_back=raising(SystemExit())
    )
    with pytest.raises(SystemExit) as caught:
        run(saga, run_id="r")
    assert Compensated(Raised("ZeroDivisionError", ""), "b") == outcome_of(caught.value)
    assert [("settle", "b"), ("undo", "a")] == world.back
    assert ["r/b/settle/0", "r/b/settle/0", "r/a/compensate/1"] == world.keys


def test_the_interrupted_residual_is_still_owed() -> None:
    """What a twice interrupted compensation leaves can be run later."""
    world = World()
    saga = plain(
        world, "a", during_back=raising(KeyboardInterrupt(), KeyboardInterrupt())
    ) >> plain(world, "b", answers=(no("no"),))
    with pytest.raises(KeyboardInterrupt) as caught:
        run(saga)
    outcome = outcome_of(caught.value)
    assert isinstance(outcome, Fatal)
    assert [] == world.back
    assert Ok(None) == run(outcome.residual)
    assert [("undo", "a")] == world.back


def test_the_first_interrupt_comes_out() -> None:
    """Of several interrupts in one run the first is raised again, and it alone has the outcome."""
    world, first, second = World(), KeyboardInterrupt(), SystemExit()
    saga = (
        plain(world, "a")
        >> plain(world, "b", during_back=raising(second))
        >> plain(world, "c", during=raising(first))
    )
    with pytest.raises(KeyboardInterrupt) as caught:
        run(saga)
    assert caught.value is first
    assert Compensated(Cancelled(), "c", in_doubt=("c",)) == outcome_of(first)
    assert outcome_of(second) is None
    assert BACK == world.back


def test_ctrl_c_in_a_backoff() -> None:
    """Ctrl-C in the pause before a retry ends the waiting, and no further attempt is made."""
    world, first = World(), KeyboardInterrupt()
    clock = PatientClock(first)
    saga = plain(world, "a") >> plain(
        world, "b", answers=(no("busy"),), retries=Retry(3, wait=60.0)
    )
    with pytest.raises(KeyboardInterrupt) as caught:
        run(saga, clock=clock)
    assert Compensated(Cancelled(), "b") == outcome_of(caught.value)
    assert ["a", "b"] == world.begun
    assert [] == clock.sleeps
    assert [("undo", "a")] == world.back


def test_ctrl_c_in_the_backoff_of_a_compensation() -> None:
    """Ctrl-C in the pause of a compensation ends the pause, not the compensation."""
    world = World()
    saga = plain(
        world, "a", back=(no_way_back("later"),), compensation_retries=Retry(1, wait=60.0)
    ) >> plain(world, "b", answers=(no("no"),))
    with pytest.raises(KeyboardInterrupt) as caught:
        run(saga, clock=PatientClock(KeyboardInterrupt()))
    assert Compensated("no", "b") == outcome_of(caught.value)
    assert [("undo", "a")] == world.back


def test_ctrl_c_while_a_call_goes_on_on_another_thread(gate: threading.Event) -> None:
    """Ctrl-C does not wait for a call with a hard timeout: it is given up and in doubt."""
    world = World()

    class Interrupted(VirtualClock):
        @override
        def wait(self, event: threading.Event, seconds: float, /) -> bool:
            signalled()
            return True

    saga = plain(world, "a") >> plain(world, "b", during=gate.wait, timeout=60.0)
    with pytest.raises(KeyboardInterrupt) as caught:
        run(saga, clock=Interrupted())
    assert Compensated(Cancelled(), "b", in_doubt=("b",)) == outcome_of(caught.value)
    assert [("undo", "a")] == world.back
    gate.set()
    join_calls()


def test_an_exit_on_another_thread() -> None:
    """SystemExit inside a call on a thread comes out of the run, after the compensations."""
    world, mine = World(), SystemExit(3)
    with pytest.raises(SystemExit) as caught:
        run(three(world, during=raising(mine), timeout=60.0), clock=PatientClock())
    assert caught.value is mine
    assert Compensated(Cancelled(), "c", in_doubt=("c",)) == outcome_of(mine)
    assert BACK == world.back


async def immediately() -> None:
    """Suspend not at all."""


def prompt(world: World, name: str) -> AsyncPart:
    """Make a step that takes no time, on a loop of real time."""
    return coroutine(world, name, during=immediately, during_back=immediately)


def test_an_exit_on_another_thread_in_an_async_run() -> None:
    """The same for a plain step with a hard timeout under asyncio."""
    world, mine = World(), SystemExit(3)

    async def main() -> None:
        await run_async(prompt(world, "a") >> plain(world, "b", during=raising(mine), timeout=60.0))

    with pytest.raises(SystemExit) as caught:
        asyncio.run(main())
    assert caught.value is mine
    assert Compensated(Cancelled(), "b", in_doubt=("b",)) == outcome_of(mine)
    assert [("undo", "a")] == world.back


def test_a_pure_function_is_interrupted() -> None:
    """Ctrl-C inside a pure function of the saga compensates what had completed before it."""
    world, mine = World(), KeyboardInterrupt()

    def pressed(_: str) -> str:
        raise mine

    with pytest.raises(KeyboardInterrupt) as caught:
        run(plain(world, "a") >> plain(world, "b").map(pressed) >> plain(world, "c"))
    assert caught.value is mine
    assert ["a", "b"] == world.begun
    assert BACK == world.back


def test_a_run_inside_a_step_is_interrupted() -> None:
    """A run inside a step makes up for its own before the outer run does."""
    world, inner, mine = World(), World(), KeyboardInterrupt()
    seen: list[Outcome[Any, Any, Any] | None] = []

    def nest() -> None:
        try:
            run(three(inner, during=raising(mine)))
        except KeyboardInterrupt as interrupt:
            seen.append(outcome_of(interrupt))
            assert current_call().step == "c"
            raise

    with pytest.raises(KeyboardInterrupt) as caught:
        run(three(world, during=nest))
    assert caught.value is mine
    assert [Compensated(Cancelled(), "c", in_doubt=("c",))] == seen
    assert BACK == inner.back
    assert BACK == world.back


@pytest.mark.parametrize(
    "kind",
    ["saga_started", "step_started", "step_ok", "step_failed", "compensating", "step_compensated"],
)
def test_an_observer_that_raises_system_exit_again_and_again(kind: str) -> None:
    """An observer that exits again and again does not keep the compensations from being made."""
    world = World()
    began = False

    def observer(event: Any) -> None:
        nonlocal began
        began = began or event.kind == kind
        if began:
            raise SystemExit

    with pytest.raises(SystemExit):
        run(three(world, during=boom), observers=[observer])
    assert [("undo", name) for name in reversed(world.done)] == world.made_up_for()


def test_an_exception_that_passed_through_no_run_has_no_outcome() -> None:
    """`outcome_of` is None for an exception that no run has raised again."""
    assert outcome_of(KeyboardInterrupt()) is None
    assert outcome_of(ValueError()) is None


def handlers() -> list[object]:
    """Give the handlers of all signals."""
    return [signal.getsignal(number) for number in sorted(signal.valid_signals())]


@pytest.fixture
def handlers_of_ours() -> Iterator[None]:
    """Set handlers that nobody else has, so that a change is seen though it was made before."""
    kinds_of_signals = ("SIGINT", "SIGTERM", "SIGHUP", "SIGALRM", "SIGCHLD", "SIGUSR1", "SIGUSR2")
    numbers = [number for number in signal.Signals if number.name in kinds_of_signals]
    before = [signal.signal(number, lambda _, __: None) for number in numbers]
    yield
    for number, handler in zip(numbers, before, strict=True):
        signal.signal(number, handler)


@pytest.mark.usefixtures("handlers_of_ours")
def test_no_signal_handler_is_changed() -> None:
    """The handlers of all signals are the same before, during and after a run."""
    world = World()
    seen: list[list[object]] = []
    before = handlers()

    def look() -> None:
        seen.append(handlers())

    def look_and_exit() -> None:
        look()
        raise SystemExit

    run(
        plain(world, "a", during=look) >> plain(world, "b", during=look, timeout=9.0),
        clock=PatientClock(),
    )
    with pytest.raises(SystemExit):
        run(plain(world, "a", during_back=look) >> plain(world, "b", during=look_and_exit))
    assert [before] * 4 == seen
    assert before == handlers()


@pytest.mark.usefixtures("handlers_of_ours")
def test_no_signal_handler_is_changed_under_asyncio() -> None:
    """The same for `run_async`: the handlers are those that asyncio has set."""
    world = World()
    seen: list[list[object]] = []

    async def look() -> None:
        seen.append(handlers())

    async def main() -> None:
        await look()
        await run_async(
            coroutine(world, "a", during=look, during_back=look)
            >> coroutine(world, "b", answers=(no("no"),))
        )
        await look()

    run_virtual(main())
    assert [seen[0]] * 4 == seen


def test_a_compensation_that_fails_after_an_interrupt_is_retried() -> None:
    """An interrupt takes no retry away from a compensation."""
    world = World()
    answers: list[BaseException | None] = [
        ZeroDivisionError(),
        KeyboardInterrupt(),
        ZeroDivisionError(),
        None,
    ]

    def during_back() -> None:
        answer = answers.pop(0)
        if answer is not None:
            raise answer

    saga = plain(world, "a", during_back=during_back, compensation_retries=2) >> plain(
        world, "b", answers=(no("no"),)
    )
    with pytest.raises(KeyboardInterrupt) as caught:
        run(saga, run_id="r")
    assert Compensated("no", "b") == outcome_of(caught.value)
    assert ["r/a/compensate/1"] * 4 == world.keys
