"""Deadlines of scopes, on virtual time: laws L83 to L90, in both drivers."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from returns.result import Result, Success

from sagalib import (
    Compensated,
    Ok,
    Outcome,
    Retry,
    Soft,
    Step,
    TimedOut,
    arrow,
    current_call,
    each,
    par,
    replay,
    run,
    run_async,
)
from sagalib.core.events import DeadlineExpired
from tests.drivers.world import World, coroutine, for_ever, no, plain
from tests.support.time import SECOND, VirtualClock, run_virtual


class Timed:
    """A run on virtual time: what came of it, and how many seconds it took."""

    def __init__(self, make: Callable[[Any], Any], *, is_async: bool) -> None:
        self.world = World()
        self.clock = VirtualClock()
        self.is_async = is_async
        saga = make(self)
        if is_async:
            self.outcome, self.seconds = run_virtual(self._run_async(saga))
        else:
            self.outcome = run(saga, clock=self.clock, dice=lambda: 1.0)
            self.seconds = self.clock.now_ns() / SECOND
        # An expiry is read from the log, not worked out: without a clock all comes out the same.
        again: Any = replay(saga, None, self.outcome.log)
        assert again == self.outcome
        assert list(again.log) == list(self.outcome.log)

    async def _run_async(self, saga: Any) -> tuple[Outcome[Any, Any, Any], float]:
        outcome = await run_async(saga, dice=lambda: 1.0)
        return outcome, asyncio.get_running_loop().time()

    def step(self, name: str, takes: float = 0.0, back_takes: float = 0.0, **settings: Any) -> Any:
        """Make a step that takes so many seconds, there and back, without a timeout of its own."""
        settings.setdefault("timeout", None)
        if self.is_async:
            return coroutine(
                self.world,
                name,
                during=lambda: asyncio.sleep(takes),
                during_back=lambda: asyncio.sleep(back_takes),
                **settings,
            )
        return plain(
            self.world,
            name,
            during=lambda: self.clock.advance(takes),
            during_back=lambda: self.clock.advance(back_takes),
            **settings,
        )

    @property
    def expiries(self) -> list[int]:
        """Give the numbers of the deadlines that have expired."""
        return [e.number for e in self.outcome.log if isinstance(e, DeadlineExpired)]


both = pytest.mark.parametrize("is_async", [False, True], ids=["run", "run_async"])


# -- nothing expires -------------------------------------------------------------------------------


@both
def test_a_deadline_that_does_not_pass_changes_nothing(*, is_async: bool) -> None:
    """L83, L86 and L87: what takes less than its deadline is as without one."""

    def steps(run: Timed, deadline: float) -> Any:
        return (run.step("a", 2.0) >> run.step("b", 2.0)).deadline(deadline)

    for deadline in (4.5, 1e6):
        timed = Timed(partial(steps, deadline=deadline), is_async=is_async)
        assert Ok("b") == timed.outcome
        assert [] == timed.expiries
        assert pytest.approx(4.0) == timed.seconds


@both
def test_a_pure_function_has_no_deadline(*, is_async: bool) -> None:
    """L85: nothing is asked for there, so nothing is late."""
    timed = Timed(
        lambda run: run.step("a", 1.0) >> arrow(str.upper).deadline(0.001), is_async=is_async
    )
    assert Ok("A") == timed.outcome


@both
def test_a_deadline_is_not_inherited_by_what_follows(*, is_async: bool) -> None:
    """L89: after the scope the steps have all the time they take."""
    timed = Timed(
        lambda run: run.step("a", 1.0).deadline(2.0) >> run.step("b", 60.0), is_async=is_async
    )
    assert Ok("b") == timed.outcome
    assert [] == timed.expiries


# -- it passes -------------------------------------------------------------------------------------


def test_an_async_call_is_cut_at_the_deadline() -> None:
    """It is in doubt; what has completed inside is undone."""
    timed = Timed(
        lambda run: run.step("first") >> (run.step("a", 2.0) >> run.step("b", 60.0)).deadline(5.0),
        is_async=True,
    )
    assert Compensated(TimedOut(5.0), "b", in_doubt=("b",)) == timed.outcome
    assert [1] == timed.expiries
    assert pytest.approx(5.0) == timed.seconds
    assert [("undo", "a"), ("undo", "first")] == timed.world.back


@pytest.mark.parametrize("timeout", [30.0, 5.0001])
def test_a_hard_call_is_cut_at_the_deadline(timeout: float, gate: threading.Event) -> None:
    """`run` walks away from it when the time of the scope is up, before its own is."""
    timed = Timed(
        lambda run: (
            run.step("a", 2.0)
            >> plain(run.world, "b", during=lambda: gate.wait(60), timeout=timeout)
        ).deadline(5.0),
        is_async=False,
    )
    assert Compensated(TimedOut(5.0), "b", in_doubt=("b",)) == timed.outcome
    assert [1] == timed.expiries
    assert pytest.approx(5.0) == timed.seconds


def test_a_call_keeps_its_own_timeout_if_that_is_shorter(gate: threading.Event) -> None:
    """The effective time is the smaller of both; the deadline has not expired."""
    timed = Timed(
        lambda _: plain(World(), "b", during=lambda: gate.wait(60), timeout=3.0).deadline(5.0),
        is_async=False,
    )
    assert Compensated(TimedOut(3.0), "b", in_doubt=("b",)) == timed.outcome
    assert [] == timed.expiries
    timed = Timed(lambda run: run.step("b", 60.0, timeout=3.0).deadline(5.0), is_async=True)
    assert Compensated(TimedOut(3.0), "b", in_doubt=("b",)) == timed.outcome


def test_a_soft_call_is_judged_when_it_returns() -> None:
    """It has completed, and is undone: the scope has failed; the overrun is that of one call."""
    timed = Timed(
        lambda run: (run.step("a", 9.0, timeout=Soft(30.0)) >> run.step("b")).deadline(5.0),
        is_async=False,
    )
    assert Compensated(TimedOut(5.0)) == timed.outcome
    assert [1] == timed.expiries
    assert ["a"] == timed.world.begun
    assert [("undo", "a")] == timed.world.back


def test_the_last_soft_call_of_a_scope_is_judged_too() -> None:
    """Nothing follows it inside: the scope fails all the same."""
    timed = Timed(lambda run: run.step("a", 9.0).deadline(5.0) >> run.step("after"), is_async=False)
    assert Compensated(TimedOut(5.0)) == timed.outcome
    assert ["a"] == timed.world.begun


def test_a_late_failure_is_that_failure() -> None:
    """What a call returned after the deadline is the reason, and no retry follows."""
    timed = Timed(
        lambda run: run.step("a", 9.0, answers=(no("no"),), retries=5).deadline(5.0),
        is_async=False,
    )
    assert Compensated("no", "a") == timed.outcome
    assert ["a"] == timed.world.begun


@both
def test_a_pause_is_cut_at_the_deadline(*, is_async: bool) -> None:
    """The step is not called again."""
    timed = Timed(
        lambda run: (
            run.step("a") >> run.step("b", answers=(no("busy"),), retries=Retry(1, wait=100.0))
        ).deadline(5.0),
        is_async=is_async,
    )
    assert Compensated(TimedOut(5.0), "b") == timed.outcome
    assert pytest.approx(5.0) == timed.seconds
    assert ["a", "b"] == timed.world.begun
    assert [("undo", "a")] == timed.world.back


@both
def test_the_pause_of_a_retry_is_cut_at_the_deadline(*, is_async: bool) -> None:
    """L90: `retry` inside takes no longer than the deadline; nothing of it begins again."""
    calls: list[object] = []

    def count(value: object) -> object:
        calls.append(value)
        return value

    timed = Timed(
        lambda run: (
            (arrow(count) >> run.step("a", 1.0, answers=(no("busy"),)))
            .retry(Retry(3, wait=100.0))
            .deadline(5.0)
        ),
        is_async=is_async,
    )
    assert Compensated(TimedOut(5.0)) == timed.outcome
    assert pytest.approx(5.0) == timed.seconds
    assert ["a"] == timed.world.begun
    assert 2 == len(calls)  # that of the run, and that of the replay


@both
def test_a_retry_of_what_succeeds_without_a_call_does_not_begin_again_late(
    *, is_async: bool
) -> None:
    """A pause that the deadline has cut is not one that is over."""
    calls: list[object] = []

    def fail_once(value: object) -> object:
        calls.append(value)
        if len(calls) == 1:
            raise ValueError
        return value

    saga = arrow(fail_once).retry(Retry(1, wait=100.0)).deadline(5.0)
    clock = VirtualClock()
    outcome: Outcome[Any, Any, Any] = (
        run_virtual(run_async(saga, 1)) if is_async else run(saga, 1, clock=clock)
    )
    assert Compensated(TimedOut(5.0)) == outcome
    assert [1] == calls


def test_a_retry_does_not_pause_after_the_deadline() -> None:
    """L90: when a call has been cut at the deadline of the scope around, no pause follows."""
    timed = Timed(
        lambda run: run.step("a", 60.0).retry(Retry(3, wait=100.0)).deadline(5.0), is_async=True
    )
    assert Compensated(TimedOut(5.0), "a", in_doubt=("a",)) == timed.outcome
    assert pytest.approx(5.0) == timed.seconds


@both
def test_retry_around_a_deadline_gives_each_attempt_its_time(*, is_async: bool) -> None:
    """L90: (n + 1) d and the pauses at most; each attempt has a deadline of its own."""
    timed = Timed(
        lambda run: (
            run.step("a", 4.0, answers=(no("busy"), no("busy")), retries=Retry(2, wait=3.0))
            .deadline(5.0)
            .retry(Retry(2, wait=1.0))
        ),
        is_async=is_async,
    )
    assert Ok("a") == timed.outcome
    assert [1, 2] == timed.expiries
    assert pytest.approx(5.0 + 1.0 + 5.0 + 2.0 + 4.0) == timed.seconds


# -- who catches it --------------------------------------------------------------------------------


@both
def test_a_fired_deadline_is_caught_outside(*, is_async: bool) -> None:
    """L88: what has completed inside is undone first; then the other way is gone."""
    timed = Timed(
        lambda run: (
            (run.step("a", 2.0) >> run.step("b", 4.0) >> run.step("c")).deadline(5.0)
            | run.step("other", 60.0)
        ),
        is_async=is_async,
    )
    assert isinstance(timed.outcome, Ok)
    assert "other" == timed.outcome.value
    assert ("undo", "a") in timed.world.back
    assert "c" not in timed.world.begun


@both
@pytest.mark.parametrize("inner", ["step", "pure", "retry"])
def test_a_scope_inside_does_not_catch_the_deadline_around_it(
    inner: str, *, is_async: bool
) -> None:
    """Neither another way, nor a pure one, nor another attempt is begun in time that is up."""

    def make(run: Timed) -> Any:
        late = run.step("a", 2.0) >> run.step("b", 60.0)
        caught = {
            "step": lambda: late | run.step("other"),
            "pure": lambda: late | arrow(lambda _: "other"),
            "retry": lambda: late.retry(2),
        }[inner]()
        return caught.deadline(5.0)

    timed = Timed(make, is_async=is_async)
    assert isinstance(timed.outcome, Compensated)
    assert TimedOut(5.0) == timed.outcome.reason
    assert ["a", "b"] == timed.world.begun
    assert [1] == timed.expiries


@both
@pytest.mark.parametrize(("outer", "inner"), [(5.0, 9.0), (9.0, 5.0)])
def test_of_two_deadlines_the_shorter_counts(outer: float, inner: float, *, is_async: bool) -> None:
    """L84, and only what is around that one catches it."""

    def make(run: Timed) -> Any:
        body = run.step("a", 2.0) >> run.step(
            "b", answers=(no("busy"),), retries=Retry(1, wait=100.0)
        )
        return (body.deadline(inner) | run.step("other")).deadline(outer)

    timed = Timed(make, is_async=is_async)
    if outer < inner:
        assert Compensated(TimedOut(5.0), "b") == timed.outcome
        assert [1] == timed.expiries
    else:
        assert Ok("other") == timed.outcome
        assert [2] == timed.expiries
    assert pytest.approx(5.0) == timed.seconds


# -- the way back ----------------------------------------------------------------------------------


@both
def test_a_deadline_never_cuts_a_compensation(*, is_async: bool) -> None:
    """L89: neither its call nor the pause before its next attempt."""

    def make(run: Timed) -> Any:
        slow = run.step(
            "a",
            2.0,
            back_takes=60.0,
            back=(no_way_back(),),
            compensation_retries=Retry(1, wait=50.0),
        )
        return (
            slow >> run.step("b", answers=(no("busy"),), retries=Retry(1, wait=100.0))
        ).deadline(5.0)

    timed = Timed(make, is_async=is_async)
    assert Compensated(TimedOut(5.0), "b") == timed.outcome
    assert [("undo", "a")] == timed.world.back
    assert pytest.approx(5.0 + 60.0 + 50.0 + 60.0) == timed.seconds


def no_way_back() -> Any:
    """Give a definite failure of a compensation."""
    return no("later")


@both
def test_a_deadline_that_passes_on_the_way_back_is_not_told(*, is_async: bool) -> None:
    """A scope that has failed by itself is not late as well."""
    timed = Timed(
        lambda run: (
            (run.step("a", 2.0, back_takes=60.0) >> run.step("b", answers=(no("no"),))).deadline(
                5.0
            )
            | run.step("other")
        ),
        is_async=is_async,
    )
    assert Ok("other") == timed.outcome
    assert [] == timed.expiries


# -- branches --------------------------------------------------------------------------------------


@both
def test_a_deadline_around_branches(*, is_async: bool) -> None:
    """Pauses of branches are cut, async calls too; what completed in any of them is undone."""

    def make(run: Timed) -> Any:
        branches = par(
            run.step("a"),
            run.step("b", answers=(no("busy"),), retries=Retry(1, wait=100.0)),
            run.step("c") >> run.step("d", 60.0 if run.is_async else 0.0),
        )
        return (branches.deadline(5.0) | run.step("other")) >> run.step("after")

    timed = Timed(make, is_async=is_async)
    assert isinstance(timed.outcome, Ok)
    assert "after" == timed.outcome.value
    assert [1] == timed.expiries
    assert pytest.approx(5.0) == timed.seconds
    assert {"a", "c"} <= {name for _, name in timed.world.back}


def test_hard_calls_of_branches_are_cut_at_a_deadline_around_them(gate: threading.Event) -> None:
    """Neither another way nor a pure one inside is gone after that."""

    def make(run: Timed) -> Any:
        hangs = plain(run.world, "a", during=lambda: gate.wait(60), timeout=30.0, settle=True)
        return par(hangs | arrow(lambda _: "pure"), run.step("b")).deadline(5.0)

    timed = Timed(make, is_async=False)
    assert isinstance(timed.outcome, Compensated)
    assert TimedOut(5.0) == timed.outcome.reason
    assert [1] == timed.expiries
    assert pytest.approx(5.0) == timed.seconds
    assert {("settle", "a"), ("undo", "b")} == set(timed.world.back)


@both
def test_deadlines_in_branches_are_their_own(*, is_async: bool) -> None:
    """One that passes stops its branch alone, which may go another way."""

    def make(run: Timed) -> Any:
        busy = run.step("a", answers=(no("busy"),), retries=Retry(1, wait=100.0))
        slow = run.step("b", answers=(no("busy"),), retries=Retry(1, wait=20.0))
        return par(busy.deadline(5.0) | run.step("other"), slow.deadline(50.0))

    timed = Timed(make, is_async=is_async)
    assert Ok(("other", "b")) == timed.outcome
    assert [1] == timed.expiries
    assert pytest.approx(20.0) == timed.seconds


@both
def test_each_item_has_a_deadline_of_its_own(*, is_async: bool) -> None:
    """Its time begins when its item does."""

    def three(_: object) -> range:
        return range(3)

    def make(run: Timed) -> Any:
        return arrow(three) >> each(run.step("a", 4.0).deadline(5.0))

    timed = Timed(make, is_async=is_async)
    assert Ok(("a",) * 3) == timed.outcome
    assert pytest.approx(12.0) == timed.seconds


def test_a_soft_call_of_a_branch_is_judged_when_it_returns() -> None:
    """It is not cut; it is undone."""
    timed = Timed(
        lambda run: par(run.step("a", 9.0, timeout=Soft(30.0)), run.step("b")).deadline(5.0),
        is_async=False,
    )
    assert isinstance(timed.outcome, Compensated)
    assert TimedOut(5.0) == timed.outcome.reason
    assert {("undo", "a"), ("undo", "b")} == set(timed.world.back)


# -- what a call knows -----------------------------------------------------------------------------


@both
def test_current_call_has_the_deadline_that_comes_first(*, is_async: bool) -> None:
    """`deadline` is the smaller of the call's own and that of the scopes around."""
    seen: list[int | None] = []

    def look(_: object) -> Result[str, str]:
        seen.append(current_call().deadline)
        return Success("seen")

    def make(run: Timed) -> Any:
        looks = Step(look, name="look", timeout=Soft(30.0))
        steps = run.step("a", 2.0) >> looks
        return steps.deadline(5.0) >> par(looks.deadline(4.0), looks) >> looks

    timed = Timed(make, is_async=is_async)
    assert Ok("seen") == timed.outcome
    in_seconds = [None if at is None else at / SECOND for at in seen]
    assert 5.0 == in_seconds[0]
    assert [6.0, 32.0] == sorted(in_seconds[1:3])  # type: ignore[type-var] # none is None
    assert 32.0 == in_seconds[3]


def test_a_step_that_hangs_for_ever_is_cut() -> None:
    """Without a timeout of its own, too."""
    world = World()
    saga = coroutine(world, "a", during=for_ever, timeout=None).deadline(5.0)
    outcome = run_virtual(run_async(saga))
    assert Compensated(TimedOut(5.0), "a", in_doubt=("a",)) == outcome
