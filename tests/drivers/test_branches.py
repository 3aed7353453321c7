"""`run` with branches: calls on threads of their own, and one thread that drives them."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextvars import ContextVar, copy_context
from functools import partial
from typing import Any

import pytest
from returns.result import Result, Success
from typing_extensions import override

from sagalib import (
    Call,
    Cancelled,
    Compensated,
    Event,
    Fatal,
    Ok,
    Outcome,
    Raised,
    Retry,
    Soft,
    Step,
    Supervisor,
    TimedOut,
    arrow,
    current_call,
    each,
    gather,
    outcome_of,
    par,
    replay,
    run,
)
from sagalib.core.events import StepOk
from sagalib.drivers.sync_run import MAX_THREADS
from tests.drivers.world import World, coroutine, join_calls, kinds, no, no_way_back, plain
from tests.support.time import VirtualClock


def undone(world: World) -> set[str]:
    """Give the steps that were undone."""
    return {name for kind, name in world.back if kind == "undo"}


def same_again(saga: Any, outcome: Outcome[Any, Any, Any]) -> bool:
    """Tell whether the log of an outcome gives that outcome again, and the same log."""
    again: Any = replay(saga, None, outcome.log)
    return again == outcome and list(again.log) == list(outcome.log)


# -- what a call of a branch sees ------------------------------------------------------------------


def test_the_calls_of_branches_see_the_context_of_the_caller() -> None:
    """A context variable of the caller is seen in every branch; what a branch sets stays there."""
    variable: ContextVar[str] = ContextVar("variable", default="unset")

    def look(_: object) -> Result[str, str]:
        seen = variable.get()
        variable.set("set in a branch")
        return Success(seen)

    variable.set("caller")
    outcome = run(par(Step(look, name="a"), Step(look, name="b")))
    assert Ok(("caller", "caller")) == outcome
    assert "caller" == variable.get()


def test_current_call_in_branches() -> None:
    """Each call of a branch finds itself: its path, key, attempt, deadline; on the way back too."""
    calls: list[Call] = []
    both = threading.Barrier(2)

    def execute(_: object) -> Result[str, str]:
        both.wait(60)
        calls.append(current_call())
        both.wait(60)
        return no("no") if current_call().attempt == 1 else Success("done")

    def compensate(_: object) -> Result[None, str]:
        calls.append(current_call())
        return Success(None)

    step = Step(execute, compensate, name="a", retries=1, timeout=Soft(7.0))
    saga = par(step, step).nested("both") >> Step(lambda _: no("end"), name="end")
    assert Compensated("end", "end") == run(saga, run_id="r", clock=VirtualClock())
    forward, back = calls[:4], calls[4:]
    assert {
        (f"both/branch[{branch}]/a", attempt, f"r/both/branch[{branch}]/a/execute/{attempt - 1}")
        for branch in (0, 1)
        for attempt in (1, 2)
    } == {(call.path, call.attempt, call.key) for call in forward}
    assert {7_000_000_000} == {call.deadline for call in forward}
    assert {"r/both/branch[0]/a/compensate/2", "r/both/branch[1]/a/compensate/2"} == {
        call.key for call in back
    }
    assert ["end", "end"] == [call.reason for call in back]


def test_what_a_call_of_a_branch_leaves_running_finds_no_call() -> None:
    """A thread that a call has started finds no current call once that is over."""
    found: list[bool] = []
    over = threading.Event()
    asked = threading.Event()

    def ask() -> None:
        over.wait(60)
        try:
            current_call()
        except LookupError:
            found.append(False)
        else:
            found.append(True)
        asked.set()

    def leaving(_: object) -> Result[str, str]:
        threading.Thread(target=copy_context().run, args=(ask,), daemon=True).start()
        return Success("left")

    def ending(_: object) -> Result[str, str]:
        over.set()
        asked.wait(60)
        return Success("ended")

    saga = par(Step(leaving, name="a"), Step(lambda _: Success("b"), name="b")) >> Step(
        ending, name="end"
    )
    assert Ok("ended") == run(saga)
    assert [False] == found


# -- who listens -----------------------------------------------------------------------------------


def test_observers_hear_one_event_after_the_other_in_the_order_of_the_log() -> None:
    """They are called on the caller's thread, never two at once; what they hear is the log."""
    world = World()
    heard: list[Event] = []
    threads: set[int] = set()
    inside = threading.Lock()

    def listen(event: Event) -> None:
        assert inside.acquire(blocking=False)
        threads.add(threading.get_ident())
        heard.append(event)
        inside.release()

    branches = [
        plain(world, f"a{number}", answers=(no("busy"),) * (number % 3), retries=Retry(2, wait=1.0))
        >> plain(world, f"b{number}", answers=(no("no"),) if number == 5 else ())
        for number in range(8)
    ]
    saga = plain(world, "first") >> gather(branches) >> plain(world, "last")
    outcome = run(saga, clock=VirtualClock(), observers=[listen])
    assert Compensated("no", "branch[5]/b5") == outcome
    assert {threading.get_ident()} == threads
    assert list(outcome.log) == heard
    assert same_again(saga, outcome)
    assert undone(world) == set(world.done)


def test_completed_branches_are_compensated_in_the_reverse_of_their_completion() -> None:
    """What completed last is undone first, whatever branch it stands in."""
    world = World()
    second = threading.Event()
    saga = par(
        plain(world, "slow", during=lambda: second.wait(60)),
        plain(world, "fast") >> plain(world, "then", during=second.set),
    ) >> plain(world, "end", answers=(no("no"),))
    outcome = run(saga)
    completed = [event.step for event in outcome.log if isinstance(event, StepOk)]
    assert [("undo", name) for name in reversed(completed)] == world.back
    assert same_again(saga, outcome)


# -- interrupts ------------------------------------------------------------------------------------


class Pressed(VirtualClock):
    """A clock on which somebody presses Ctrl-C while `run` waits for something."""

    def __init__(self, times: int, *, after: threading.Event | None = None) -> None:
        super().__init__()
        self.pressed: list[KeyboardInterrupt] = []
        self._times = times
        self._after = after

    def wait(self, event: threading.Event, seconds: float, /) -> bool:
        """Press Ctrl-C, or wait."""
        if len(self.pressed) < self._times:
            if self._after is not None:
                assert self._after.wait(60)
            interrupt = KeyboardInterrupt()
            self.pressed.append(interrupt)
            raise interrupt
        return super().wait(event, seconds)


@pytest.mark.parametrize("kind", [KeyboardInterrupt, SystemExit, GeneratorExit])
def test_an_interrupt_raised_in_a_branch(kind: type[BaseException]) -> None:
    """It is in doubt there; siblings end, what completed is undone, and that object is raised."""
    world = World()
    interrupt = kind()
    begun = threading.Event()

    def raising() -> None:
        assert begun.wait(60)
        raise interrupt

    saga = plain(world, "first") >> par(
        plain(world, "a", during=raising) >> plain(world, "after a"),
        plain(world, "b", during=begun.set) >> plain(world, "after b"),
    )
    with pytest.raises(kind) as raised:
        run(saga)
    assert interrupt is raised.value
    outcome = outcome_of(interrupt)
    assert outcome is not None
    assert Compensated(Cancelled(), "branch[0]/a", in_doubt=("branch[0]/a",)) == outcome
    assert "after a" not in world.begun
    assert undone(world) == set(world.done)
    assert {"first", "b"} <= set(world.done)
    assert "cancel_requested" in kinds(outcome)
    assert same_again(saga, outcome)


@pytest.mark.parametrize("times", [1, 2, 5, 14])
def test_ctrl_c_while_branches_go_on(times: int, gate: threading.Event) -> None:
    """It ends the pauses at once; calls that cannot be cut end first; no further step is called."""
    world = World()
    failed = threading.Event()

    def fail() -> None:
        failed.set()

    clock = Pressed(times, after=failed)
    saga = plain(world, "first") >> par(
        plain(world, "a", during=lambda: gate.wait(60)) >> plain(world, "after a"),
        plain(
            world,
            "b",
            during=fail,
            answers=(no("busy"),),
            retries=Retry(1, wait=1000.0),
            undo=False,
        ),
    )
    opening = threading.Timer(0.3, gate.set)
    opening.start()
    with pytest.raises(KeyboardInterrupt) as raised:
        run(saga, clock=clock)
    opening.join()
    assert clock.pressed[0] is raised.value
    outcome = outcome_of(raised.value)
    assert isinstance(outcome, Compensated)
    assert Cancelled() == outcome.reason
    assert ["b", "a"] == world.begun[-2:] or ["a", "b"] == world.begun[-2:]
    assert [("undo", "a"), ("undo", "first")] == world.back
    assert clock.now_ns() < 1_000_000_000_000
    assert same_again(saga, outcome)


def test_ctrl_c_walks_away_from_the_calls_of_branches_with_a_hard_timeout(
    gate: threading.Event,
) -> None:
    """As from such a call of a sequence: it is in doubt at once, and not waited for."""
    world = World()
    begun = threading.Barrier(3)
    all_begun = threading.Event()

    def hang() -> None:
        begun.wait(60)
        all_begun.set()
        gate.wait(60)

    clock = Pressed(1, after=all_begun)
    saga = plain(world, "first") >> par(
        plain(world, "a", during=hang, timeout=1000.0, settle=True),
        plain(world, "b", during=hang, timeout=2000.0),
        plain(world, "c", during=lambda: begun.wait(60)),
    )
    with pytest.raises(KeyboardInterrupt) as raised:
        run(saga, clock=clock)
    outcome = outcome_of(raised.value)
    assert isinstance(outcome, Compensated)
    assert ("branch[1]/b",) == outcome.in_doubt
    assert Cancelled() == outcome.reason
    assert {("settle", "a"), ("undo", "c"), ("undo", "first")} == set(world.back)
    assert 0 == clock.now_ns()


# -- time ------------------------------------------------------------------------------------------


def test_a_branch_walks_away_from_a_hard_timeout(
    gate: threading.Event, caplog: pytest.LogCaptureFixture
) -> None:
    """The call is in doubt when its time is up, and siblings go on; its late answer is logged."""
    world = World()
    clock = VirtualClock()
    saga = par(
        plain(world, "a", during=lambda: gate.wait(60), timeout=5.0),
        plain(world, "b") >> plain(world, "then"),
    )
    outcome = run(saga, clock=clock)
    assert Compensated(TimedOut(5.0), "branch[0]/a", in_doubt=("branch[0]/a",)) == outcome
    assert 5_000_000_000 == clock.now_ns()
    assert [("undo", "then"), ("undo", "b")] == world.back
    assert same_again(saga, outcome)
    gate.set()
    join_calls()
    assert ["answered Success" in record.getMessage() for record in caplog.records] == [True]


def test_a_late_answer_while_branches_go_on_is_an_event(gate: threading.Event) -> None:
    """It changes nothing, and a replay reads over it."""
    world = World()
    saga = par(
        plain(world, "a", during=in_turn(gate), timeout=5.0, retries=Retry(1, wait=1.0)),
        plain(world, "b"),
    ) >> par(
        plain(world, "end", during=partial(join_calls_of, "a")) >> plain(world, "last"),
        plain(world, "c"),
    )
    heard: list[Event] = []
    outcome = run(saga, clock=VirtualClock(), observers=[heard.append])
    assert Ok(("last", "c")) == outcome
    assert "late_reply" in kinds(outcome)
    assert list(outcome.log) == heard
    assert same_again(saga, outcome)


def in_turn(gate: threading.Event) -> Callable[[], object]:
    """Make what waits for the gate when it is called first, and then opens it."""
    left: list[Callable[[], object]] = [partial(gate.wait, 60), gate.set]

    def function() -> object:
        return left.pop(0)()

    return function


def join_calls_of(step: str) -> None:
    """Wait until no call of that step goes on."""
    for thread in threading.enumerate():
        if thread.name == f"sagalib {step}":
            thread.join(60)


def test_the_pauses_of_branches_pass_side_by_side() -> None:
    """Two pauses take as long as the longer one; each retry comes when its own is over."""
    world = World()
    clock = VirtualClock()
    when: dict[str, list[int]] = {"a": [], "b": []}

    def step(name: str, wait: float) -> Any:
        return plain(
            world,
            name,
            answers=(no("busy"),),
            retries=Retry(1, wait=wait),
            during=lambda: when[name].append(clock.now_ns() // 1_000_000_000),
        )

    saga = par(step("a", 10.0), step("b", 30.0))
    outcome = run(saga, clock=clock)
    assert Ok(("a", "b")) == outcome
    assert {"a": [0, 10], "b": [0, 30]} == when
    assert same_again(saga, outcome)


def test_retries_of_branches_pause_too() -> None:
    """A `retry` in a branch waits while its siblings go on, and then begins again."""
    world = World()
    clock = VirtualClock()
    body = plain(world, "a") >> plain(world, "b", answers=(no("busy"),))
    saga = par(body.retry(Retry(1, wait=10.0)), plain(world, "c"))
    outcome = run(saga, clock=clock)
    assert Ok(("b", "c")) == outcome
    assert 10_000_000_000 == clock.now_ns()
    assert same_again(saga, outcome)


# -- how many at once ------------------------------------------------------------------------------


def counting(during: threading.Event | None, peak: list[int]) -> Any:
    """Make a function of a step that counts how many go on at once."""
    lock = threading.Lock()
    now = [0]

    def execute(_: object) -> Result[str, str]:
        with lock:
            now[0] += 1
            peak.append(now[0])
            if during is not None and now[0] >= MAX_THREADS:
                during.set()
        if during is not None:
            during.wait(60)
        with lock:
            now[0] -= 1
        return Success("done")

    return execute


def test_no_more_than_32_calls_of_a_run_go_on_at_once() -> None:
    """Forty branches all run: 32 at once, and the others as places become free."""
    peak: list[int] = []
    step = Step(counting(threading.Event(), peak), name="a")
    outcome = run(gather([step] * 40))
    assert Ok(("done",) * 40) == outcome
    assert MAX_THREADS == max(peak)
    assert 40 == len(peak)


def test_a_pause_takes_no_place() -> None:
    """Ninety branches of which 89 pause: the last is called before a pause is over."""
    world = World()
    clock = VirtualClock()
    when: list[int] = []
    busy = [
        plain(world, f"a{number}", answers=(no("busy"),), retries=Retry(1, wait=100.0))
        for number in range(89)
    ]
    last = plain(world, "last", during=lambda: when.append(clock.now_ns()))
    assert isinstance(run(gather([*busy, last]), clock=clock), Ok)
    assert [0] == when


def test_a_limit_bounds_the_branches_in_work() -> None:
    """With `limit=3` never more than three items are in work, and all are."""
    peak: list[int] = []
    saga = each(Step(counting(None, peak), name="a"), limit=3)
    assert Ok(("done",) * 10) == run(saga, range(10))
    assert 3 >= max(peak)
    assert 10 == len(peak)


# -- a sibling that fails --------------------------------------------------------------------------


def test_a_call_that_waits_for_a_place_is_not_made_once_a_sibling_has_interrupted() -> None:
    """With `on_failure="interrupt"` no call begins after the failure, even one that waits."""
    world = World()
    failed = threading.Event()
    full = threading.Semaphore(0)

    def fail(_: object) -> Result[str, str]:
        for _number in range(MAX_THREADS - 1):
            full.acquire(timeout=60)
        failed.set()
        return no("no")

    def hold() -> None:
        full.release()
        failed.wait(60)
        gate.wait(60)

    gate = threading.Event()
    heard: list[Event] = []

    def listen(event: Event) -> None:
        heard.append(event)
        if event.kind == "step_failed":
            gate.set()

    held = [plain(world, f"a{number}", during=hold) for number in range(MAX_THREADS - 1)]
    waiting = [plain(world, f"b{number}", settle=True) for number in range(8)]
    branches = [Step(fail, name="fail"), *held, *waiting]
    saga = gather(branches, on_failure="interrupt")
    outcome = run(saga, observers=[listen])
    assert Compensated("no", "branch[0]/fail") == outcome
    assert [] == [name for name in world.begun if name.startswith("b")]
    assert undone(world) == set(world.done)
    assert same_again(saga, outcome)


def test_an_interrupted_par_is_caught_as_an_awaited_one_is() -> None:
    """That siblings were stopped does not make a failure one that cannot be caught."""
    world = World()
    failed = threading.Event()

    def fail(_: object) -> Result[str, str]:
        failed.set()
        return no("no")

    branches = par(
        Step(fail, name="fail"),
        plain(world, "a", during=lambda: failed.wait(60)) >> plain(world, "b") >> plain(world, "c"),
        on_failure="interrupt",
    )
    saga = branches | plain(world, "other")
    outcome = run(saga)
    assert Ok("other") == outcome
    assert same_again(saga, outcome)


def test_a_scope_in_an_interrupted_branch_neither_pauses_nor_goes_another_way() -> None:
    """A failure in a branch that is to stop passes the `retry` and `or_else` around it at once."""
    world = World()
    clock = VirtualClock()
    failed = threading.Event()
    heard_failure = threading.Event()

    def fail(_: object) -> Result[str, str]:
        failed.set()
        return no("no")

    def listen(event: Event) -> None:
        if event.kind == "step_failed":
            heard_failure.set()

    slow = plain(world, "slow", during=lambda: heard_failure.wait(60), answers=(no("slow"),))
    branch = slow.retry(Retry(3, wait=1000.0)) | plain(world, "other")
    saga = par(Step(fail, name="fail"), branch, on_failure="interrupt")
    outcome = run(saga, clock=clock, observers=[listen])
    assert Compensated("no", "branch[0]/fail") == outcome
    assert ["slow"] == world.begun
    assert 0 == clock.now_ns()
    assert same_again(saga, outcome)


def test_a_scope_in_a_branch_unwinds_while_its_siblings_run() -> None:
    """What a failed alternative has done is undone before its other way, whatever siblings do."""
    world = World()
    other = threading.Event()
    branch = plain(world, "a") >> plain(world, "b", answers=(no("no"),))
    saga = par(
        branch | plain(world, "other", during=other.set),
        plain(world, "sibling", during=lambda: other.wait(60)),
    )
    outcome = run(saga)
    assert Ok(("other", "sibling")) == outcome
    assert [("undo", "a")] == world.back
    assert same_again(saga, outcome)


def test_a_compensation_that_fails_in_a_branch_makes_the_run_fatal() -> None:
    """The others are still called; what is owed is in the residual."""
    world = World()
    saga = par(
        plain(world, "a", back=(no_way_back("stuck"),)),
        plain(world, "b"),
    ) >> plain(world, "end", answers=(no("no"),))
    outcome = run(saga)
    assert isinstance(outcome, Fatal)
    assert ["branch[0]/a"] == [failure.step for failure in outcome.failures]
    assert {"b"} == undone(world)
    assert same_again(saga, outcome)
    assert Ok(None) == run(outcome.residual)
    assert {"a", "b"} == undone(world)


# -- a run inside a branch, and supervisors --------------------------------------------------------


def test_a_run_inside_a_branch_is_a_run_of_its_own() -> None:
    """It has branches too; the call around it is the current one again when it is over."""
    paths: list[str] = []

    def around(_: object) -> Result[str, str]:
        inner: Step[object, str] = Step(lambda _: Success(current_call().run_id), name="inner")
        assert Ok(("in", "in")) == run(par(inner, inner), run_id="in")
        paths.append(current_call().path)
        return Success("around")

    saga = par(Step(around, name="a"), Step(lambda _: Success("b"), name="b"))
    assert Ok(("around", "b")) == run(saga, run_id="out")
    assert ["branch[0]/a"] == paths


def test_a_supervisor_cancels_a_run_with_branches(gate: threading.Event) -> None:
    """Pauses end at once, and calls with a hard timeout are walked away from."""
    world = World()
    hanging = threading.Event()

    def hang() -> None:
        hanging.set()
        gate.wait(60)

    saga = plain(world, "first") >> par(
        plain(world, "a", during=hang, timeout=100_000.0),
        plain(world, "b", answers=(no("busy"),), retries=Retry(1, wait=100_000.0)),
    )
    with Supervisor() as supervisor:
        run_id = supervisor.start(saga)
        assert hanging.wait(60)
        status = supervisor.status(run_id)
        assert status is not None
        supervisor.cancel(run_id)
        outcome = supervisor.wait(run_id, timeout=30.0)
    assert isinstance(outcome, Compensated)
    assert Cancelled() == outcome.reason
    assert ("branch[0]/a",) == outcome.in_doubt
    assert [("undo", "first")] == world.back
    assert same_again(saga, outcome)


def test_overdue_names_the_calls_of_branches(gate: threading.Event) -> None:
    """A call of a branch that takes longer than its soft timeout is overdue."""
    world = World()
    clock = VirtualClock()
    hanging = threading.Event()

    def hang() -> None:
        hanging.set()
        gate.wait(60)

    saga = par(plain(world, "a", during=hang, timeout=Soft(5.0)), plain(world, "b"))
    with Supervisor(clock=clock) as supervisor:
        run_id = supervisor.start(saga)
        assert hanging.wait(60)
        assert () == supervisor.status(run_id).overdue
        clock.advance(6.0)
        assert ("branch[0]/a",) == supervisor.status(run_id).overdue
        gate.set()


# -- a call that does not begin --------------------------------------------------------------------


BEGIN = threading.Thread.start


def on_start(monkeypatch: pytest.MonkeyPatch, hook: Callable[[threading.Thread], object]) -> None:
    """Let something happen when the thread of step `a` is to begin, instead of that."""

    class Thread(threading.Thread):
        @override
        def start(self) -> None:
            if self.name == "sagalib a":
                hook(self)
            else:
                super().start()

    monkeypatch.setattr("sagalib.drivers.threads.threading.Thread", Thread)


def test_a_branch_for_which_there_is_no_thread_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its call was not begun, so it is not in doubt; siblings end, and are undone."""

    def no_more(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    world = World()
    saga = par(plain(world, "a", settle=True), plain(world, "b"))
    on_start(monkeypatch, no_more)
    outcome = run(saga)
    reason = Raised("RuntimeError", "can't start new thread")
    assert Compensated(reason, "branch[0]/a") == outcome
    assert [("undo", "b")] == world.back
    assert same_again(saga, outcome)


@pytest.mark.parametrize("begins", [False, True])
def test_ctrl_c_while_the_thread_of_a_call_begins(
    monkeypatch: pytest.MonkeyPatch, *, begins: bool
) -> None:
    """If the call has begun its answer is awaited; if not it never does, and is in doubt."""
    world = World()
    threads: list[threading.Thread] = []
    begun = threading.Event()

    def press(thread: threading.Thread) -> None:
        threads.append(thread)
        if begins:
            BEGIN(thread)
            assert begun.wait(60)
        raise KeyboardInterrupt

    saga = plain(world, "first") >> par(
        plain(world, "a", during=begun.set, settle=True), plain(world, "b")
    )
    on_start(monkeypatch, press)
    with pytest.raises(KeyboardInterrupt) as raised:
        run(saga)
    outcome = outcome_of(raised.value)
    assert isinstance(outcome, Compensated)
    assert Cancelled() == outcome.reason
    if begins:
        assert [("undo", "a"), ("undo", "first")] == world.back
    else:
        assert [("settle", "a"), ("undo", "first")] == world.back
        BEGIN(threads[0])  # as the system may, later
        threads[0].join(60)
    assert (["first", "a"] if begins else ["first"]) == world.begun
    assert same_again(saga, outcome)


def test_a_call_with_a_hard_timeout_is_refused_when_too_many_go_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It was not begun; a branch without such a timeout is."""
    world = World()
    monkeypatch.setattr("sagalib.drivers.threads.MAX_ABANDONED", 0)
    saga = par(plain(world, "a", timeout=5.0, settle=True), plain(world, "b"))
    outcome = run(saga)
    assert isinstance(outcome, Compensated)
    assert Raised("TooManyAbandonedCalls", _message(outcome)) == outcome.reason
    assert () == outcome.in_doubt
    assert ["b"] == world.begun
    assert [("undo", "b")] == world.back


def _message(outcome: Any) -> str:
    return str(outcome.reason.message)


def test_an_async_step_that_bind_brings_into_a_branch_is_refused() -> None:
    """Its branch fails before it is called, and says what to write instead."""
    world = World()

    def nothing(_: object) -> None:
        return None

    brings: Any = arrow(nothing).bind(lambda _: coroutine(world, "c"))
    outcome = run(par(brings, plain(world, "b")))
    assert isinstance(outcome, Compensated)
    assert isinstance(outcome.reason, Raised)
    assert "WrongColour" == outcome.reason.kind
    assert ["b"] == world.begun


@pytest.mark.parametrize("alone", [False, True])
def test_a_policy_that_always_presses_ctrl_c_does_not_keep_a_run(*, alone: bool) -> None:
    """What a compensation in a branch answered is given up after some interrupts; the rest runs."""
    world = World()
    pressed: list[KeyboardInterrupt] = []

    def press(_: object) -> bool:
        pressed.append(KeyboardInterrupt())
        raise pressed[-1]

    stuck = plain(
        world,
        "a",
        back=(no_way_back("stuck"),) * 9,
        compensation_retries=Retry(5, only=press),
    )
    scope = (stuck >> plain(world, "no", answers=(no("no"),))) | plain(world, "other")
    others = [] if alone else [plain(world, "b")]
    saga = plain(world, "first") >> gather([scope, *others])
    with pytest.raises(KeyboardInterrupt) as raised:
        run(saga)
    assert pressed[0] is raised.value
    outcome = outcome_of(raised.value)
    assert isinstance(outcome, Fatal)
    assert ["branch[0]/a"] == [failure.step for failure in outcome.failures]
    assert ("undo", "first") in world.back


def test_ctrl_c_in_the_only_call_of_the_branches() -> None:
    """A call that is made on the caller's thread is in doubt, and not made again."""
    world = World()
    interrupt = KeyboardInterrupt()

    def press() -> None:
        raise interrupt

    saga = plain(world, "first") >> par(
        plain(world, "a") >> plain(world, "b", during=press), plain(world, "c"), limit=1
    )
    with pytest.raises(KeyboardInterrupt) as raised:
        run(saga)
    assert interrupt is raised.value
    outcome = outcome_of(interrupt)
    assert outcome is not None
    assert Compensated(Cancelled(), "branch[0]/b", in_doubt=("branch[0]/b",)) == outcome
    assert ["first", "a", "b"] == world.begun
    assert [("undo", "a"), ("undo", "first")] == world.back
    assert same_again(saga, outcome)


def test_a_step_that_raises_on_an_item_is_in_doubt() -> None:
    """Items that follow one another are called on the caller's thread; no further one begins."""
    world = World()
    threads: list[int] = []

    def raise_at_once() -> None:
        threads.append(threading.get_ident())
        raise ZeroDivisionError

    def three(_: object) -> list[int]:
        return [1, 2, 3]

    saga = arrow(three) >> each(plain(world, "a", during=raise_at_once, settle=True))
    outcome = run(saga)
    assert isinstance(outcome, Compensated)
    assert isinstance(outcome.reason, Raised)
    assert "ZeroDivisionError" == outcome.reason.kind
    assert [threading.get_ident()] == threads
    assert [("settle", "a")] == world.back
    assert same_again(saga, outcome)
