"""The supervisor on threads: states, waiting, cancelling, leaving, keeping, and no leaks."""

from __future__ import annotations

import contextvars
import gc
import logging
import os
import random
import subprocess
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from attrs import evolve
from returns.result import Failure, Result, Success
from typing_extensions import override

from sagalib import (
    AsyncStep,
    Cancelled,
    Compensated,
    CompensationFailed,
    Event,
    Fatal,
    InvalidOption,
    InvalidSaga,
    Ok,
    Raised,
    Retry,
    RunIdInUse,
    Saga,
    Soft,
    Status,
    Step,
    StepStatus,
    Supervisor,
    SupervisorClosed,
    UnknownRun,
    WrongColour,
    arrow,
    current_call,
    events,
    observing,
    run,
    status_of,
)
from sagalib.drivers import records
from tests.drivers.test_growth import SLACK, left_by, objects
from tests.drivers.world import join_calls, no, threads_of_calls
from tests.support.time import VirtualClock

Answer = Result[str, str]
Undone = Result[None, str]
LONG = 20.0
"""Seconds; more than any test here takes, unless something hangs."""


class Held:
    """A step function that says when it is inside, and stays there until it may go on."""

    def __init__(self, answer: Answer | Undone | None = None) -> None:
        self.inside = threading.Event()
        self.go_on = threading.Event()
        self.answer: Any = Success("held") if answer is None else answer

    def __call__(self, _: object) -> Any:
        """Be inside until `go_on`; then answer."""
        self.inside.set()
        assert self.go_on.wait(LONG)
        return self.answer


@pytest.fixture
def held() -> Iterator[Held]:
    """Give a function that is held; at the end it is let go, and no thread is left."""
    function = Held()
    yield function
    function.go_on.set()
    join_calls()


class Ledger:
    """What the other steps did, in order."""

    def __init__(self) -> None:
        self.calls: list[str] = []

    def step(
        self, name: str, answer: Answer | None = None, **settings: Any
    ) -> Saga[Any, str, str, str]:
        """Make a step that notes its calls there and back."""

        def execute(_: object) -> Answer:
            self.calls.append(name)
            return Success(name) if answer is None else answer

        def undo(_: object) -> Undone:
            self.calls.append(f"undo {name}")
            return Success(None)

        return Step(execute, undo, name=name, **settings)


@pytest.fixture
def ledger() -> Ledger:
    """Give an empty ledger."""
    return Ledger()


def undone(_: object) -> Undone:
    """Make up for it."""
    return Success(None)


def stuck(_: object) -> Undone:
    """Fail to make up for it."""
    return Failure("stuck")


def fine(_: object) -> Answer:
    """Succeed."""
    return Success("fine")


# -- states ----------------------------------------------------------------------------------------


def test_start_gives_an_id_and_status_tells_what_runs(held: Held, ledger: Ledger) -> None:
    """While a step is running, `start` and `status` have answered, with the state of each step."""
    with Supervisor() as supervisor:
        run_id = supervisor.start(ledger.step("a") >> Step(held, name="b"), "in")
        assert held.inside.wait(LONG)
        status = supervisor.status(run_id)
        assert (
            Status(
                "running",
                (("a", StepStatus("done", 1)), ("b", StepStatus("running", 1))),
                ("a",),
            )
            == status
        )
        assert status.started_ns is not None
        assert status.ended_ns is None
        with pytest.raises(TimeoutError, match=f"run {run_id} has not ended within 0.01 seconds"):
            supervisor.wait(run_id, timeout=0.01)
        held.go_on.set()
        assert Ok("held") == supervisor.wait(run_id, timeout=LONG)
        assert "completed" == supervisor.status(run_id).state
        assert supervisor.status(run_id).ended_ns is not None


def test_every_state(held: Held, ledger: Ledger) -> None:
    """A run is pending, running, compensating, and then completed, compensated or fatal."""
    back = Held(Success(None))
    way_back: Saga[Any, str, str, str] = Step(held, back, name="a") >> ledger.step("b", no("no"))
    with Supervisor(max_running=1) as supervisor:
        turning = supervisor.start(way_back, None, "turning")
        pending = supervisor.start(ledger.step("c"), None, "pending")
        failing: Saga[Any, str, str, str] = Step(fine, stuck, name="d") >> ledger.step("e", no("x"))
        supervisor.start(failing, None, "failing")
        assert held.inside.wait(LONG)
        states = [supervisor.status(run_id).state for run_id in supervisor.runs()]
        assert ["running", "pending", "pending"] == states
        assert Status() == supervisor.status(pending)
        held.go_on.set()
        assert back.inside.wait(LONG)
        status = supervisor.status(turning)
        assert ("compensating", "no") == (status.state, status.reason)
        assert StepStatus("compensating", 1) == status.steps["a"]
        assert ("turning",) == supervisor.runs("compensating")
        back.go_on.set()
        assert Compensated("no", "b") == supervisor.wait(turning)
        assert Ok("c") == supervisor.wait(pending)
        assert Fatal("x", (CompensationFailed("d", "stuck"),), "e") == supervisor.wait("failing")
        states = [supervisor.status(run_id).state for run_id in supervisor.runs()]
        assert ["compensated", "completed", "fatal"] == states
        assert ("pending",) == supervisor.runs("completed")


def test_the_last_status_is_that_of_the_log(ledger: Ledger) -> None:
    """The status of a run that has ended is the fold of its log, doubt included."""

    def breaks(_: object) -> Answer:
        raise ConnectionError

    with Supervisor() as supervisor:
        run_id = supervisor.start(ledger.step("a") >> Step(breaks, name="b"), "in")
        outcome = supervisor.wait(run_id)
        assert ("b",) == outcome.in_doubt
        assert status_of(outcome.log) == supervisor.status(run_id)
        assert supervisor.status(run_id) is supervisor.status(run_id)


def test_a_step_past_its_soft_timeout_is_overdue(held: Held) -> None:
    """A call is overdue from its timeout until it returns, by the clock of the supervisor."""
    clock = VirtualClock()
    with Supervisor(clock=clock) as supervisor:
        run_id = supervisor.start(Step(held, name="slow", timeout=Soft(30.0)), None)
        assert held.inside.wait(LONG)
        clock.advance(30)
        before = supervisor.status(run_id)
        clock.advance(1)
        after = supervisor.status(run_id)
        assert [(), ("slow",)] == [before.overdue, after.overdue]
        assert before == evolve(after, overdue=())
        held.go_on.set()
        supervisor.wait(run_id)
        assert () == supervisor.status(run_id).overdue


def test_a_step_without_timeout_is_never_overdue(held: Held) -> None:
    """A call without a timeout may take as long as it takes."""
    clock = VirtualClock()
    with Supervisor(clock=clock) as supervisor:
        run_id = supervisor.start(Step(held, timeout=None), None)
        assert held.inside.wait(LONG)
        clock.advance(1_000_000)
        assert () == supervisor.status(run_id).overdue
        held.go_on.set()


# -- ids, places, and what is kept -----------------------------------------------------------------


@pytest.mark.parametrize("method", ["status", "wait", "cancel"])
def test_an_unknown_id_is_named(method: str) -> None:
    """Asking for a run that was never started raises an error that names the id."""
    with (
        Supervisor() as supervisor,
        pytest.raises(UnknownRun, match=r"got 'order-7'.* keep=") as raised,
    ):
        getattr(supervisor, method)("order-7")
    assert isinstance(raised.value, LookupError)


def test_an_id_is_in_use_until_it_is_forgotten(held: Held) -> None:
    """An id is refused while its run is pending, going on, or kept; then it is free."""
    with Supervisor(max_running=1, keep=1) as supervisor:
        supervisor.start(Step(held), None, "going-on")
        supervisor.start(Step(fine), None, "pending")
        for run_id in ("going-on", "pending"):
            with pytest.raises(RunIdInUse, match=f"'{run_id}' is in use"):
                supervisor.start(Step(fine), None, run_id)
        held.go_on.set()
        supervisor.wait("pending")
        with pytest.raises(RunIdInUse, match="goes on or is kept here"):
            supervisor.start(Step(fine), None, "pending")
        assert Ok("fine") == supervisor.wait(supervisor.start(Step(fine), None, "going-on"))


def test_an_id_in_use_outside_is_refused(held: Held) -> None:
    """An id of a run elsewhere in the process is refused, and the other way round."""
    with Supervisor() as supervisor:
        supervisor.start(Step(held), None, "mine")
        with pytest.raises(RunIdInUse):
            run(Step(fine), None, run_id="mine")
        with Supervisor() as other, pytest.raises(RunIdInUse):
            other.start(Step(fine), None, "mine")
        assert () == other.runs()
        held.go_on.set()
    assert Ok("fine") == run(Step(fine), None, run_id="mine")


def test_at_most_keep_ended_runs_stay(ledger: Ledger) -> None:
    """The runs that ended last are kept, the others are forgotten, the first to end first."""
    with Supervisor(max_running=1, keep=2) as supervisor:
        ids = [supervisor.start(ledger.step("a"), None, f"run-{n}") for n in range(5)]
    assert ("run-3", "run-4") == supervisor.runs()
    with pytest.raises(UnknownRun, match="'run-2'"):
        supervisor.status(ids[2])
    assert Ok("a") == supervisor.wait(ids[3])


def test_a_run_that_goes_on_is_never_forgotten(held: Held) -> None:
    """Only runs that have ended are forgotten; whoever waits gets the outcome even of those."""
    last = Held()
    with Supervisor(max_running=2, keep=0) as supervisor:
        supervisor.start(Step(held), None, "held")
        assert held.inside.wait(LONG)
        for n in range(5):
            supervisor.start(Step(fine), None, f"run-{n}")
        supervisor.start(Step(last), None, "last")
        outcomes: list[object] = []
        waiting = threading.Thread(target=lambda: outcomes.append(supervisor.wait("held")))
        waiting.start()
        assert last.inside.wait(LONG)  # in the one place that is left, so the five have ended
        assert ("held", "last") == supervisor.runs()
        held.go_on.set()
        last.go_on.set()
        waiting.join(LONG)
    assert [Ok("held")] == outcomes
    assert () == supervisor.runs()


def test_no_more_than_max_running_go_on_at_once(held: Held) -> None:
    """Three places take three runs; the others begin in the order of their start."""
    begun: list[str] = []

    def step(_: object) -> Answer:
        begun.append(current_call().run_id)
        arrived.release()
        return held(None)  # type: ignore[no-any-return]

    arrived = threading.Semaphore(0)
    with Supervisor(max_running=3) as supervisor:
        ids = [supervisor.start(Step(step), None) for _ in range(8)]
        for _ in range(3):
            assert arrived.acquire(timeout=LONG)
        assert tuple(ids[3:]) == supervisor.runs("pending")
        assert tuple(ids[:3]) == supervisor.runs("running")
        held.go_on.set()
    assert sorted(ids) == sorted(begun)
    assert ids[:3] == sorted(begun[:3])


@pytest.mark.parametrize("value", [0, -1, True, 1.5, "8"])
def test_max_running_is_a_whole_number(value: Any) -> None:
    """`max_running` must be 1 or more."""
    with pytest.raises(InvalidOption, match=r"max_running must be a whole number, 1 or more"):
        Supervisor(value)


def test_wrong_arguments_are_refused_at_once() -> None:
    """What no run can begin with is refused by the constructor or by `start`, and leaves none."""
    with pytest.raises(InvalidOption, match=r"keep must be a whole number, 0 or more"):
        Supervisor(keep=-1)
    with pytest.raises(InvalidSaga, match="an observer is a function"):
        Supervisor(observers=[1])  # type: ignore[list-item]
    with pytest.raises(InvalidOption, match="on_compensation_failure"):
        Supervisor(on_compensation_failure="halt")  # type: ignore[arg-type]
    with Supervisor() as supervisor:
        wrong: Any = fine
        with pytest.raises(InvalidSaga, match="expected a saga"):
            supervisor.start(wrong, None)
        with pytest.raises(InvalidOption, match="run_id must be"):
            supervisor.start(Step(fine), None, "no spaces")
        with pytest.raises(InvalidOption, match="state must be one of pending, running"):
            supervisor.runs("done")  # type: ignore[arg-type]
        assert () == supervisor.runs()


def test_async_steps_are_for_the_other_supervisor() -> None:
    """A saga with an async step is refused, with the name of what runs it."""

    async def later(_: object) -> Answer:
        raise NotImplementedError

    saga: Any = AsyncStep(later)
    with Supervisor() as supervisor, pytest.raises(WrongColour, match=r"later.*: use AsyncSuperv"):
        supervisor.start(saga, None)


def test_a_closed_supervisor_starts_nothing(ledger: Ledger) -> None:
    """After its `with` a supervisor refuses to start runs, and still tells of those it kept."""
    with Supervisor() as supervisor:
        run_id = supervisor.start(ledger.step("a"), None)
    with pytest.raises(SupervisorClosed, match="has been left"):
        supervisor.start(ledger.step("b"), None)
    assert Ok("a") == supervisor.wait(run_id)
    assert ["a"] == ledger.calls


def test_a_saga_of_none_needs_no_value() -> None:
    """The value may be left out for a saga that takes None."""
    saga: Saga[None, str] = arrow(str)
    with Supervisor() as supervisor:
        assert Ok("None") == supervisor.wait(supervisor.start(saga))


def test_a_run_sees_the_context_of_its_start() -> None:
    """Context variables are those at `start`, whatever they are when the run begins."""
    variable = contextvars.ContextVar("variable", default="none")
    seen: list[str] = []

    def look(_: object) -> Answer:
        seen.append(variable.get())
        return Success("seen")

    with Supervisor(max_running=1) as supervisor:
        for word in ("one", "two"):
            variable.set(word)
            supervisor.start(Step(look), None)
        variable.set("three")
    assert ["one", "two"] == seen


def test_observers_hear_every_run(ledger: Ledger) -> None:
    """The observers of a supervisor hear what stands in the logs of all its runs."""
    heard: list[Event] = []
    with Supervisor(max_running=1, observers=iter([heard.append])) as supervisor:
        ids = [supervisor.start(ledger.step("a"), None) for _ in range(2)]
        outcomes = [supervisor.wait(run_id) for run_id in ids]
    assert [event for outcome in outcomes for event in outcome.log] == heard


# -- cancelling ------------------------------------------------------------------------------------


def test_a_pending_run_is_cancelled_at_once(held: Held, ledger: Ledger) -> None:
    """A run that is cancelled before it has a place ends without a call and without waiting."""
    with Supervisor(max_running=1) as supervisor:
        going_on = supervisor.start(Step(held), None)
        pending = supervisor.start(ledger.step("a"), None)
        supervisor.cancel(pending)
        assert Compensated(Cancelled(), None) == supervisor.wait(pending, timeout=LONG)
        assert "compensated" == supervisor.status(pending).state
        assert "running" == supervisor.status(going_on).state
        held.go_on.set()
    assert [] == ledger.calls


def test_a_step_that_is_running_ends_before_the_cancel(held: Held, ledger: Ledger) -> None:
    """A plain call is let finish; then nothing further is called, and all is compensated."""
    saga = ledger.step("a") >> Step(held, undone, name="b") >> ledger.step("c")
    with Supervisor() as supervisor:
        run_id = supervisor.start(saga, None)
        assert held.inside.wait(LONG)
        supervisor.cancel(run_id)
        assert "running" == supervisor.status(run_id).state
        held.go_on.set()
        assert Compensated(Cancelled(), None) == supervisor.wait(run_id, timeout=LONG)
        assert [("a", StepStatus("compensated", 1)), ("b", StepStatus("compensated", 1))] == list(
            supervisor.status(run_id).step_states
        )
    assert ["a", "undo a"] == ledger.calls


def test_a_cancel_during_the_last_step_comes_too_late(held: Held) -> None:
    """A run whose last step has begun and goes well is Ok, cancelled or not."""
    with Supervisor() as supervisor:
        run_id = supervisor.start(Step(held), None)
        assert held.inside.wait(LONG)
        supervisor.cancel(run_id)
        held.go_on.set()
        assert Ok("held") == supervisor.wait(run_id)
        assert "completed" == supervisor.status(run_id).state


def test_a_cancel_ends_a_pause(ledger: Ledger) -> None:
    """A run that pauses between two attempts is woken, and the step is not called again."""
    pausing = threading.Event()

    class Patient(VirtualClock):
        @override
        def wait(self, event: threading.Event, seconds: float, /) -> bool:
            return event.wait(seconds)

    saga = ledger.step("a") >> ledger.step("b", no("busy"), retries=Retry(5, wait=3_600))
    told = observing(lambda _: pausing.set(), events.StepRetrying)
    with Supervisor(observers=[told], clock=Patient()) as supervisor:
        run_id = supervisor.start(saga, None)
        assert pausing.wait(LONG)
        assert StepStatus("retrying", 1) == supervisor.status(run_id).steps["b"]
        supervisor.cancel(run_id)
        assert Compensated(Cancelled(), "b") == supervisor.wait(run_id, timeout=LONG)
    assert ["a", "b", "undo a"] == ledger.calls


def test_a_cancel_walks_away_from_a_call_with_a_hard_timeout(held: Held, ledger: Ledger) -> None:
    """A call on a thread of its own is left alone at once, and is in doubt."""
    waiting = threading.Event()

    class Telling(VirtualClock):
        @override
        def wait(self, event: threading.Event, seconds: float, /) -> bool:
            waiting.set()
            return event.wait(seconds)

    saga = ledger.step("a") >> Step(held, name="b", timeout=3_600)
    with Supervisor(clock=Telling()) as supervisor:
        run_id = supervisor.start(saga, None)
        assert held.inside.wait(LONG)
        assert waiting.wait(LONG)
        supervisor.cancel(run_id)
        outcome = supervisor.wait(run_id, timeout=LONG)
        assert Compensated(Cancelled(), "b", in_doubt=("b",)) == outcome
        assert ("b",) == supervisor.status(run_id).in_doubt
    assert ["a", "undo a"] == ledger.calls


def test_a_cancel_just_before_a_call_with_a_hard_timeout(held: Held) -> None:
    """A cancel that comes while such a call begins is not missed."""

    def cancel(event: Event) -> None:
        supervisor.cancel(event.run_id)

    supervisor = Supervisor(observers=[observing(cancel, events.StepStarted)])
    with supervisor:
        run_id = supervisor.start(Step(held, name="b", timeout=3_600), None)
        outcome = supervisor.wait(run_id, timeout=LONG)
    assert Compensated(Cancelled(), "b", in_doubt=("b",)) == outcome


def test_a_call_with_a_hard_timeout_that_answers_counts(ledger: Ledger) -> None:
    """Without a cancel, a call on a thread of its own gives its answer, and a late one none."""
    with Supervisor() as supervisor:
        run_id = supervisor.start(Step(fine, timeout=3_600), None)
        assert Ok("fine") == supervisor.wait(run_id, timeout=LONG)


def test_the_way_back_is_not_cut_short_by_a_cancel(held: Held, ledger: Ledger) -> None:
    """After a cancel, compensations have their pauses and their time."""
    waiting = threading.Event()
    answers: list[Undone] = [Failure("busy"), Failure("busy"), Success(None)]
    back = Held()

    def undo(_: object) -> Undone:
        return answers.pop(0)

    def undo_held(_: object) -> Undone:
        back(None)
        return Success(None)

    saga: Saga[Any, str, str, str] = (
        Step(fine, undo_held, name="a", compensation_timeout=3_600)
        >> Step(fine, undo, name="b", compensation_retries=Retry(2, wait=7, factor=1))
        >> Step(held, name="c")
        >> ledger.step("d")
    )

    class Patient(VirtualClock):
        @override
        def wait(self, event: threading.Event, seconds: float, /) -> bool:
            waiting.set()
            return event.wait(LONG)

    clock = Patient()
    with Supervisor(clock=clock) as supervisor:
        run_id = supervisor.start(saga, None)
        assert held.inside.wait(LONG)
        supervisor.cancel(run_id)
        held.go_on.set()
        assert back.inside.wait(LONG)
        assert waiting.wait(LONG)
        assert [7, 7] == clock.sleeps
        supervisor.cancel(run_id)
        assert "compensating" == supervisor.status(run_id).state
        back.go_on.set()
        assert Compensated(Cancelled(), None) == supervisor.wait(run_id)
    assert [] == ledger.calls


def test_a_run_that_compensates_is_cancelled_in_vain(ledger: Ledger) -> None:
    """A cancel on the way back changes nothing: the reason stays, and all is compensated."""
    back = Held(Success(None))
    saga: Saga[Any, str, str, str] = (
        ledger.step("a") >> Step(fine, back, name="b") >> ledger.step("c", no("no"))
    )
    with Supervisor() as supervisor:
        run_id = supervisor.start(saga, None)
        assert back.inside.wait(LONG)
        supervisor.cancel(run_id)
        supervisor.cancel(run_id)
        back.go_on.set()
        assert Compensated("no", "c") == supervisor.wait(run_id, timeout=LONG)
        supervisor.cancel(run_id)
        assert Compensated("no", "c") == supervisor.wait(run_id)
    assert ["a", "c", "undo a"] == ledger.calls


def test_a_cancelled_run_may_be_fatal(held: Held, ledger: Ledger) -> None:
    """The outcome of a cancelled run is what the machine makes of it."""
    saga: Saga[Any, str, str, str] = Step(held, stuck, name="a") >> ledger.step("b")
    with Supervisor() as supervisor:
        run_id = supervisor.start(saga, None)
        assert held.inside.wait(LONG)
        supervisor.cancel(run_id)
        held.go_on.set()
        assert Fatal(Cancelled(), (CompensationFailed("a", "stuck"),)) == supervisor.wait(run_id)


@pytest.mark.parametrize("timeout", [None, Soft(30.0), 60.0], ids=["none", "soft", "hard"])
def test_runs_that_are_cancelled_anywhere_leave_nothing_undone(
    timeout: float | Soft | None,
) -> None:
    """Wherever a cancel comes, what a run did is kept whole or undone, and its log is heard."""
    dice, all_started = random.Random(7), threading.Event()
    done: dict[str, list[str]] = defaultdict(list)
    heard: dict[str, list[Event]] = defaultdict(list)

    def listen(event: Event) -> None:
        heard[event.run_id].append(event)

    def step(name: str) -> Saga[Any, Any, str, str]:
        def execute(value: str) -> Answer:
            assert all_started.wait(LONG)
            if dice.random() < 0.2:
                return Failure("busy")
            done[current_call().run_id].append(name)
            return Success(value)

        def undo(_: str) -> Undone:
            done[current_call().run_id].remove(name)
            return Success(None)

        retries = Retry(9, wait=0.001)
        return Step(execute, undo, name=name, timeout=timeout, retries=retries)

    saga = step("a") >> step("b") >> step("c") >> step("d")
    with Supervisor(max_running=4, observers=[listen]) as supervisor:
        ids = [supervisor.start(saga, "in") for _ in range(60)]
        for number, run_id in enumerate(dice.choices(ids, k=90)):
            if number == 10:
                all_started.set()
            supervisor.cancel(run_id)
            supervisor.status(run_id)
    outcomes = [supervisor.wait(run_id, timeout=0) for run_id in ids]
    assert Compensated(Cancelled(), None) in outcomes
    for run_id, outcome in zip(ids, outcomes, strict=True):
        if not outcome.in_doubt:  # a call that was walked away from may have done it or not
            assert (["a", "b", "c", "d"] if isinstance(outcome, Ok) else []) == done[run_id]
        assert list(outcome.log) == heard[run_id]
        assert status_of(outcome.log) == supervisor.status(run_id)


# -- leaving ---------------------------------------------------------------------------------------


def test_leaving_waits_for_all_runs(ledger: Ledger) -> None:
    """When the `with` has been left, all runs have ended, and no thread is left."""
    before = threading.active_count()
    held = Held()
    with Supervisor(max_running=2) as supervisor:
        supervisor.start(Step(held), None)
        for _ in range(10):
            supervisor.start(ledger.step("a"), None)
        threading.Thread(target=held.go_on.set).start()
    assert ["completed"] * 11 == [supervisor.status(run_id).state for run_id in supervisor.runs()]
    assert ["a"] * 10 == ledger.calls
    assert before == threading.active_count()


def test_leaving_by_an_exception_cancels_and_waits(ledger: Ledger) -> None:
    """An exception that leaves the `with` is raised itself, once all runs are compensated."""
    held, mistake = Held(), LookupError("mistake")
    opener = observing(lambda _: held.go_on.set(), events.CancelRequested)
    supervisor = Supervisor(max_running=1, observers=[opener])
    saga = ledger.step("a") >> Step(held, undone, name="b") >> ledger.step("c")
    with pytest.raises(LookupError) as raised, supervisor:
        supervisor.start(saga, None, "running")
        supervisor.start(ledger.step("d"), None, "pending")
        assert held.inside.wait(LONG)
        raise mistake
    assert mistake is raised.value
    assert Compensated(Cancelled(), None) == supervisor.wait("running", timeout=0)
    assert Compensated(Cancelled(), None) == supervisor.wait("pending", timeout=0)
    assert ["a", "undo a"] == ledger.calls


@pytest.mark.parametrize(
    ("inside", "leaves"),
    [(None, KeyboardInterrupt), (LookupError, KeyboardInterrupt), (SystemExit, SystemExit)],
)
def test_ctrl_c_while_leaving_cancels_and_waits(
    monkeypatch: pytest.MonkeyPatch,
    ledger: Ledger,
    inside: type[BaseException] | None,
    leaves: type[BaseException],
) -> None:
    """Ctrl-C while the `with` waits cancels all runs; it is raised when they are compensated."""
    held = Held()
    true_wait, this = threading.Event.wait, threading.current_thread()
    interrupts = [KeyboardInterrupt(), KeyboardInterrupt()]

    def wait(self: threading.Event, timeout: float | None = None) -> bool:
        if interrupts and this is threading.current_thread():
            held.go_on.set()
            raise interrupts.pop()
        return true_wait(self, timeout)

    supervisor = Supervisor()
    with pytest.raises(leaves), supervisor:
        supervisor.start(ledger.step("a") >> Step(held, name="b") >> ledger.step("c"), None, "r")
        assert held.inside.wait(LONG)
        monkeypatch.setattr(threading.Event, "wait", wait)
        if inside is not None:
            raise inside
    assert [] == interrupts
    monkeypatch.undo()
    assert supervisor.status("r").ended_ns is not None
    assert [] == threads_of_calls()


def test_leaving_does_not_go_round_in_circles(monkeypatch: pytest.MonkeyPatch) -> None:
    """Threads are joined at their end: in CPython 3.11 a join that was cut waits no more."""
    held = Held()
    joined_at_an_end: list[bool] = []

    def join(_: threading.Thread, timeout: float | None = None) -> None:
        assert timeout is None
        joined_at_an_end.append(held.go_on.is_set())

    with Supervisor() as supervisor:
        supervisor.start(Step(held), None)
        assert held.inside.wait(LONG)
        threading.Timer(0.01, held.go_on.set).start()
        monkeypatch.setattr(threading.Thread, "join", join)
    monkeypatch.undo()
    assert [True] == joined_at_an_end
    join_calls()


def test_leaving_while_a_thread_is_being_started(
    monkeypatch: pytest.MonkeyPatch, ledger: Ledger
) -> None:
    """A run whose thread is only about to begin is waited for, as any other."""
    true_start, starting, left = threading.Thread.start, threading.Event(), threading.Event()

    def start(self: threading.Thread) -> None:
        if self.name.startswith("sagalib"):
            starting.set()
            left.wait(0.1)
        true_start(self)

    monkeypatch.setattr(threading.Thread, "start", start)
    with Supervisor() as supervisor:
        elsewhere = threading.Thread(target=supervisor.start, args=(ledger.step("a"), None, "r"))
        elsewhere.start()
        assert starting.wait(LONG)
    assert Ok("a") == supervisor.wait("r", timeout=0)
    elsewhere.join(LONG)


FORKING = """
import os, sys, threading
from returns.result import Success
from sagalib import Step, Supervisor

inside, go_on = threading.Event(), threading.Event()
heard = []
def held(value):
    inside.set()
    go_on.wait()
    return Success(value)

with Supervisor(max_running=1, observers=[heard.append]) as supervisor:
    supervisor.start(Step(held), 1)
    supervisor.start(Step(held), 1)
    inside.wait()
    before = len(heard)
    child = os.fork()
    if child == 0:
        try:
            with supervisor:
                sys.exit(7)
        finally:
            os._exit(7 if len(heard) == before else 8)
    _, status = os.waitpid(child, 0)
    go_on.set()
print(os.waitstatus_to_exitcode(status))
"""


def test_a_forked_child_leaves_the_runs_to_its_parent() -> None:
    """A child that leaves the `with` neither waits for the runs of its parent nor cancels them."""
    done = subprocess.run(
        [sys.executable, "-c", FORKING], capture_output=True, text=True, check=True, timeout=60
    )
    assert "7\n" == done.stdout


def test_another_process_does_not_wait(monkeypatch: pytest.MonkeyPatch, held: Held) -> None:
    """Where the process is another than the one that made the supervisor, leaving does nothing."""
    with Supervisor() as supervisor:
        run_id = supervisor.start(Step(held), None)
        monkeypatch.setattr(os, "getpid", lambda: -1)
        with pytest.raises(LookupError), supervisor:
            raise LookupError
        monkeypatch.undo()
        held.go_on.set()
        assert Ok("held") == supervisor.wait(run_id)
        assert Ok("held") == supervisor.wait(supervisor.start(Step(held), None))


def test_an_interrupted_cancel_loses_no_run(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C while a pending run is cancelled is raised, and the run still ends."""
    true_start = threading.Thread.start

    def before(_: threading.Thread) -> None:
        raise KeyboardInterrupt

    def after(self: threading.Thread) -> None:
        true_start(self)
        raise KeyboardInterrupt

    for start in (before, after):
        held = Held()
        with Supervisor(max_running=1) as supervisor:
            supervisor.start(Step(held), None)
            pending = supervisor.start(Step(fine), None)
            monkeypatch.setattr(threading.Thread, "start", start)
            with pytest.raises(KeyboardInterrupt):
                supervisor.cancel(pending)
            monkeypatch.undo()
            held.go_on.set()
            assert Compensated(Cancelled(), None) == supervisor.wait(pending, timeout=LONG)


def test_without_threads_a_cancelled_run_ends_in_its_turn(
    monkeypatch: pytest.MonkeyPatch, held: Held
) -> None:
    """If no thread can be started, a cancelled run waits for its place, and makes no call."""

    def refuse(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with Supervisor(max_running=1) as supervisor:
        supervisor.start(Step(held), None)
        pending = supervisor.start(Step(fine), None)
        monkeypatch.setattr(threading.Thread, "start", refuse)
        supervisor.cancel(pending)
        monkeypatch.undo()
        assert "pending" == supervisor.status(pending).state
        held.go_on.set()
        assert Compensated(Cancelled(), None) == supervisor.wait(pending, timeout=LONG)


def test_a_worker_may_end_a_cancelled_run_first(
    monkeypatch: pytest.MonkeyPatch, held: Held
) -> None:
    """A cancelled run ends once, also if a place is free before the thread that is to end it."""
    true_start = threading.Thread.start
    late: list[threading.Thread] = []
    heard: list[Event] = []

    def not_yet(self: threading.Thread) -> None:
        late.append(self)

    with Supervisor(max_running=1, observers=[heard.append]) as supervisor:
        supervisor.start(Step(held), None)
        pending = supervisor.start(Step(fine), None)
        monkeypatch.setattr(threading.Thread, "start", not_yet)
        supervisor.cancel(pending)
        monkeypatch.undo()
        held.go_on.set()
        assert Compensated(Cancelled(), None) == supervisor.wait(pending, timeout=LONG)
        true_start(*late)
    assert list(supervisor.wait(pending).log) == [e for e in heard if e.run_id == pending]


def test_a_thread_that_begins_after_its_start_was_interrupted(
    monkeypatch: pytest.MonkeyPatch, ledger: Ledger
) -> None:
    """A thread whose start was interrupted has given its place back, and performs nothing."""
    true_start = threading.Thread.start
    late: list[threading.Thread] = []

    def interrupted(self: threading.Thread) -> None:
        late.append(self)
        raise KeyboardInterrupt

    with Supervisor(max_running=1) as supervisor:
        monkeypatch.setattr(threading.Thread, "start", interrupted)
        with pytest.raises(KeyboardInterrupt):
            supervisor.start(ledger.step("a"), None, "a")
        monkeypatch.undo()
        (thread,) = late
        true_start(thread)
        thread.join(LONG)
        assert "pending" == supervisor.status("a").state
        supervisor.start(ledger.step("b"), None, "b")
        assert [Ok("a"), Ok("b")] == [supervisor.wait("a"), supervisor.wait("b")]


def test_leaving_without_more_threads(monkeypatch: pytest.MonkeyPatch, ledger: Ledger) -> None:
    """What an interrupted start has left is performed by those threads that there are."""
    held = Held()

    def interrupted(_: object) -> None:
        raise KeyboardInterrupt

    def refuse(_: object) -> None:
        held.go_on.set()
        raise RuntimeError("can't start new thread")

    with Supervisor(max_running=2) as supervisor:
        supervisor.start(Step(held), None)
        monkeypatch.setattr(threading.Thread, "start", interrupted)
        with pytest.raises(KeyboardInterrupt):
            supervisor.start(ledger.step("a"), None, "r")
        monkeypatch.setattr(threading.Thread, "start", refuse)
    monkeypatch.undo()
    assert Ok("a") == supervisor.wait("r", timeout=0)


def test_leaving_without_threads(monkeypatch: pytest.MonkeyPatch, ledger: Ledger) -> None:
    """What an interrupted start has left is performed on this thread if there is no other."""

    def interrupted(_: object) -> None:
        raise KeyboardInterrupt

    def refuse(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with Supervisor() as supervisor:
        monkeypatch.setattr(threading.Thread, "start", interrupted)
        with pytest.raises(KeyboardInterrupt):
            supervisor.start(ledger.step("a"), None, "r")
        monkeypatch.setattr(threading.Thread, "start", refuse)
    monkeypatch.undo()
    assert Ok("a") == supervisor.wait("r", timeout=0)


def test_leaving_begins_what_an_interrupted_start_left(
    monkeypatch: pytest.MonkeyPatch, ledger: Ledger
) -> None:
    """A run that was taken in, but not begun, when its `start` was interrupted is not lost."""

    def interrupted(_: object) -> bool:
        raise KeyboardInterrupt

    with Supervisor() as supervisor:
        monkeypatch.setattr(Supervisor, "_take_place", interrupted)
        with pytest.raises(KeyboardInterrupt):
            supervisor.start(ledger.step("a"), None, "r")
        monkeypatch.undo()
    assert Ok("a") == supervisor.wait("r", timeout=0)


def test_a_step_may_use_the_supervisor_that_runs_it(ledger: Ledger) -> None:
    """A step may start further runs, ask for their status, and wait for them."""

    def nested(_: object) -> Answer:
        run_id = supervisor.start(ledger.step("inner"), None)
        outcome = supervisor.wait(run_id, timeout=LONG)
        return Success(f"{outcome.unwrap()}, {supervisor.status(current_call().run_id).state}")

    with Supervisor() as supervisor:
        run_id = supervisor.start(Step(nested), None)
        assert Ok("inner, running") == supervisor.wait(run_id, timeout=LONG)


# -- what goes wrong -------------------------------------------------------------------------------


@pytest.mark.parametrize("interrupt", [SystemExit(3), KeyboardInterrupt()])
def test_an_interrupt_inside_a_step_ends_its_run_alone(
    interrupt: BaseException, ledger: Ledger, caplog: pytest.LogCaptureFixture
) -> None:
    """SystemExit in a step compensates its run and is logged; the worker goes on with the next."""

    def leaves(_: object) -> Answer:
        raise interrupt

    saga = ledger.step("a") >> Step(leaves, name="b")
    with (
        caplog.at_level(logging.WARNING, logger="sagalib"),
        Supervisor(max_running=1) as supervisor,
    ):
        left = supervisor.start(saga, None, "left")
        after = supervisor.start(ledger.step("c"), None)
        assert Compensated(Cancelled(), "b", in_doubt=("b",)) == supervisor.wait(left)
        assert Ok("c") == supervisor.wait(after)
    assert ["a", "undo a", "c"] == ledger.calls
    logged = [(r.getMessage(), r.exc_info[1]) for r in caplog.records if r.exc_info]
    assert [("run left was interrupted", interrupt)] == logged


def test_a_run_that_breaks_before_its_first_step_is_fatal(ledger: Ledger) -> None:
    """A pure function that raises SystemExit leaves no outcome: `wait` raises, status tells."""

    def leaves(_: object) -> str:
        raise SystemExit(3)

    with Supervisor(max_running=1) as supervisor:
        broken = supervisor.start(arrow(leaves) >> ledger.step("a"), None)
        with pytest.raises(SystemExit):
            supervisor.wait(broken)
        status = supervisor.status(broken)
        assert ("fatal", Raised("SystemExit", "3")) == (status.state, status.reason)
        assert Ok("b") == supervisor.wait(supervisor.start(ledger.step("b"), None))
    assert ["b"] == ledger.calls


def test_a_thread_that_cannot_be_started_leaves_nothing(
    monkeypatch: pytest.MonkeyPatch, ledger: Ledger
) -> None:
    """If no thread can be started, `start` raises, and neither run nor id nor place is taken."""

    def refuse(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with Supervisor(max_running=1) as supervisor:
        monkeypatch.setattr(threading.Thread, "start", refuse)
        with pytest.raises(RuntimeError, match="can't start new thread"):
            supervisor.start(ledger.step("a"), None, "r")
        monkeypatch.undo()
        assert () == supervisor.runs()
        assert Ok("a") == supervisor.wait(supervisor.start(ledger.step("a"), None, "r"))


def test_another_worker_may_take_a_run_whose_thread_cannot_start(
    monkeypatch: pytest.MonkeyPatch, held: Held, ledger: Ledger
) -> None:
    """If no thread can be started, but another worker has taken the run, all is well."""

    def refuse(_: threading.Thread) -> None:
        held.go_on.set()
        assert begun.wait(LONG)
        raise RuntimeError("can't start new thread")

    def listen(event: Event) -> None:
        if event.run_id == "second":
            begun.set()

    begun = threading.Event()
    with Supervisor(max_running=2, observers=[listen]) as supervisor:
        supervisor.start(Step(held), None)
        monkeypatch.setattr(threading.Thread, "start", refuse)
        supervisor.start(ledger.step("a"), None, "second")
        monkeypatch.undo()
        assert Ok("a") == supervisor.wait("second")
        assert Ok("b") == supervisor.wait(supervisor.start(ledger.step("b"), None))


# -- size ------------------------------------------------------------------------------------------


def test_a_status_folds_only_what_is_new(monkeypatch: pytest.MonkeyPatch, held: Held) -> None:
    """Asking again folds no event twice: what a status costs does not grow with the log."""
    folded: list[int] = []

    def counting(log: Any, *before: Status) -> Status:
        folded.append(len(log))
        return status_of(log, *before)

    monkeypatch.setattr(records, "status_of", counting)
    with Supervisor() as supervisor:
        steps: Saga[Any, str, str] = Step(fine)
        for _ in range(49):
            steps = steps >> Step(fine)
        run_id = supervisor.start(steps >> Step(held), None)
        assert held.inside.wait(LONG)
        for _ in range(3):
            supervisor.status(run_id)
        assert [1 + 2 * 50 + 1] == folded
        held.go_on.set()


def test_a_thread_may_end_while_all_are_looked_at() -> None:
    """Garbage collection runs functions of the user, and so other threads, in between."""
    supervisor: Any = Supervisor()
    threads: dict[threading.Thread, threading.Event] = supervisor._threads

    gone: list[object] = []

    def end_one(phase: str, _: object) -> None:
        if phase == "start" and threads:
            gone.append(threads.popitem())

    before = gc.get_threshold()
    gc.callbacks.append(end_one)
    gc.set_threshold(1)
    # CPython keeps some thousand pairs for reuse; only what it makes anew makes it collect.
    hoard = [(number, number) for number in range(5_000)]
    threads.update({threading.Thread(target=print): threading.Event() for _ in range(100)})
    try:
        others = supervisor._others()
    finally:
        hoard.clear()
        gc.set_threshold(*before)
        gc.callbacks.remove(end_one)

    assert gone
    assert others


def test_a_thousand_runs_at_once(held: Held) -> None:
    """With a thousand runs going on, a status takes less than a millisecond of CPU time."""
    arrived = threading.Semaphore(0)

    def step(_: object) -> Answer:
        arrived.release()
        return held(None)  # type: ignore[no-any-return]

    before = threading.active_count()
    with Supervisor(max_running=1_000) as supervisor:
        ids = [supervisor.start(Step(fine) >> Step(step), None) for _ in range(1_000)]
        for _ in ids:
            assert arrived.acquire(timeout=LONG)
        costs: list[int] = []
        for run_id in ids:
            began = time.thread_time_ns()
            status = supervisor.status(run_id)
            costs.append(time.thread_time_ns() - began)
            assert "running" == status.state
        assert sorted(costs)[len(costs) // 2] < 1_000_000
        assert 1_000 == len(supervisor.runs("running"))
        held.go_on.set()
    assert before == threading.active_count()
    assert 1_000 == len(supervisor.runs("completed"))


def raises(_: object) -> Answer:
    """Raise."""
    raise ZeroDivisionError


def leaves_quietly(_: object) -> Answer:
    """Leave the process."""
    raise SystemExit


ENDINGS: dict[str, Callable[[], Saga[Any, Any, str, str]]] = {
    "ok": lambda: Step(fine, undone) >> Step(fine),
    "compensated": lambda: Step(fine, undone) >> Step(raises),
    "fatal": lambda: Step(fine, stuck) >> Step(raises),
    "hard": lambda: Step(fine, undone, timeout=60.0) >> Step(raises, timeout=60.0),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", ENDINGS)
def test_runs_that_are_forgotten_leave_nothing(name: str) -> None:
    """A supervisor is no bigger after a thousand runs than after a hundred."""
    saga = ENDINGS[name]()
    with Supervisor(max_running=1, keep=3) as supervisor:

        def many(runs: int) -> None:
            last = ""
            for _ in range(runs):
                last = supervisor.start(saga, None)
            supervisor.wait(last)

        many(100)
        before = objects()
        many(1_000)
        assert objects() - before < SLACK
    join_calls()


@pytest.mark.parametrize("name", ENDINGS)
def test_a_forgotten_run_leaves_nothing_to_the_collector(name: str) -> None:
    """When a run is forgotten, it is gone at once, however it ended."""
    with Supervisor(keep=0) as supervisor:

        def once() -> None:
            supervisor.start(ENDINGS[name](), None)
            join_calls()

        assert 0 == left_by(once)


def test_a_cancelled_run_leaves_nothing_to_the_collector() -> None:
    """A cancelled run is gone when it is forgotten, the interrupt and its frames included."""
    with Supervisor(keep=0) as supervisor:

        def once() -> None:
            held = Held()
            run_id = supervisor.start(Step(held, undone) >> Step(fine), None)
            assert held.inside.wait(LONG)
            supervisor.cancel(run_id)
            held.go_on.set()
            join_calls()

        assert 0 == left_by(once)
