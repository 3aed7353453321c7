"""`run` and Ctrl-C while branches go on: at every line and every instruction of the library."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable
from typing import Any

import pytest
from typing_extensions import override

from sagalib import Compensated, Ok, Outcome, Retry, par, replay
from tests.drivers.test_interrupts import (
    Attempt,
    PatientClock,
    check_aftermath,
    interrupted_at,
    usually,
)
from tests.drivers.world import World, no, plain
from tests.support.time import VirtualClock


class ImpatientClock(VirtualClock):
    """A clock of pauses: nothing but a pause is waited for long."""

    def __init__(self, interrupt: BaseException | None = None) -> None:
        super().__init__()
        self._interrupt = interrupt

    @override
    def wait(self, event: threading.Event, seconds: float, /) -> bool:
        """Wait, or be interrupted."""
        if self._interrupt is not None:
            interrupt, self._interrupt = self._interrupt, None
            raise interrupt
        if not event.wait(0.005):
            self.advance(seconds)
        is_set: bool = event.is_set()
        return is_set


def through(world: World) -> Any:
    """Go through two branches, one of which pauses, to a step that completes."""
    branches = par(
        plain(world, "a", answers=(no("busy"),), retries=Retry(1, wait=5.0), settle=True),
        plain(world, "b") >> plain(world, "c"),
    )
    return plain(world, "first") >> branches >> plain(world, "last")


def failing(world: World) -> Any:
    """Fail in one of three branches, and in a scope of another, which goes another way."""
    branches = par(
        plain(world, "a") >> plain(world, "b", answers=(no("no"),)),
        (plain(world, "c") >> plain(world, "d", answers=(no("not so"),))) | plain(world, "e"),
        plain(world, "f"),
    )
    return plain(world, "first") >> branches


def one_by_one(world: World) -> Any:
    """Take branches one after the other; the third fails."""
    return par(
        plain(world, "a"),
        plain(world, "b"),
        plain(world, "c", answers=(no("no"),)),
        plain(world, "d"),
        limit=1,
        on_failure="interrupt",
    )


def hard(world: World) -> Any:
    """Make calls that can be walked away from, before a step that fails."""
    return par(
        plain(world, "a", timeout=5.0, settle=True), plain(world, "b", timeout=5.0)
    ) >> plain(world, "end", answers=(no("no"),))


def same(attempt: Attempt, again: Any) -> bool:
    """Tell whether a replay gives the outcome, and its log, again."""
    outcome: Outcome[Any, Any, Any] | None = attempt.outcome
    assert outcome is not None
    return again == outcome and list(again.log) == list(outcome.log)


def check_interrupted(attempt: Attempt, scenario: Callable[[World], Any], usual: World) -> None:
    """Check that nothing is left over, lost or done too often, compared with the `usual`."""
    world, outcome, at = attempt.world, attempt.outcome, attempt.at
    if outcome is None:
        # Before the first call, or when the run had ended.
        assert not world.begun or set(usual.done) == set(world.done), at
        return
    assert same(attempt, replay(scenario(World()), None, outcome.log)), at
    if isinstance(outcome, Ok):
        assert sorted(usual.done) == sorted(world.done), at
        assert [] == world.back, at
        return
    assert isinstance(outcome, Compensated), at
    # A call whose answer is lost is in doubt: it is named, or settled.
    made_up_for = world.made_up_for()
    doubted = {path.rpartition("/")[2] for path in outcome.in_doubt}
    undone = [name for kind, name in made_up_for if kind == "undo"]
    settled = {name for kind, name in made_up_for if kind == "settle"}
    assert sorted(set(world.done) - doubted - settled) == sorted(undone), at
    assert len(undone) == len(set(undone)), at
    assert len(world.back) - len(made_up_for) <= 1, at
    # No call is made twice, whatever comes, but a repeated attempt of its own.
    assert all(world.begun.count(name) <= max(1, usual.begun.count(name)) for name in usual.begun)


SCENARIOS = [
    (through, ImpatientClock),
    (failing, ImpatientClock),
    (one_by_one, ImpatientClock),
    (hard, PatientClock),
]


@pytest.mark.slow
@pytest.mark.parametrize("event", ["line", "opcode"])
@pytest.mark.parametrize(("scenario", "clock"), SCENARIOS)
def test_ctrl_c_at_every_point(scenario: Callable[[World], Any], clock: Any, event: str) -> None:
    """Wherever Ctrl-C comes, what completed is compensated, and Ctrl-C is raised again."""
    usual = usually(scenario, clock=clock).world
    number = 0
    for number in itertools.count(1):
        attempt = interrupted_at(number, event, scenario, clock=clock)
        if attempt.at is None:
            break
        assert attempt.raised is attempt.interrupt, attempt.at
        check_interrupted(attempt, scenario, usual)
        check_aftermath()
    assert number >= 300


@pytest.mark.slow
def test_ctrl_c_at_every_line_that_somebody_listens_to() -> None:
    """Observers change nothing about that."""
    usual = usually(failing, clock=ImpatientClock).world
    for number in itertools.count(1):
        attempt = interrupted_at(number, "line", failing, clock=ImpatientClock, observe=True)
        if attempt.at is None:
            break
        assert attempt.raised is attempt.interrupt, attempt.at
        check_interrupted(attempt, failing, usual)
        check_aftermath()


@pytest.mark.slow
def test_ctrl_c_at_every_line_after_another() -> None:
    """A second Ctrl-C, after one that came in a pause, takes away no compensation either."""
    usual = interrupted_at(
        0, "line", through, first=KeyboardInterrupt(), clock=ImpatientClock
    ).world
    for number in itertools.count(1):
        first = KeyboardInterrupt()
        attempt = interrupted_at(number, "line", through, first=first, clock=ImpatientClock)
        if attempt.at is None:
            break
        assert attempt.raised in {first, attempt.interrupt}, attempt.at
        check_interrupted(attempt, through, usual)
        check_aftermath()
