"""Cases 101, 104, 109 and 112: a log that is replayed, and the way back of a run that went well."""

from __future__ import annotations

import pytest
from returns.result import Failure, Success

from sagalib import Compensated, CompensationFailed, Fatal, LogMismatch, Ok, replay
from tests.conformance.world import Undid, World


@pytest.mark.parametrize("last", [Success("B"), Failure("no"), OSError("broken")])
def test_101_the_log_of_a_finished_run_gives_its_outcome(world: World, last: object) -> None:
    """Replaying the log of a finished run calls nothing, and gives the same outcome and log."""
    saga = world.step("a") >> world.step("b", last)
    outcome = world.run(saga)
    world.calls.clear()
    again = replay(saga, "in", outcome.log)
    assert outcome == again
    assert isinstance(again, (Ok, Compensated, Fatal))
    assert list(outcome.log) == list(again.log)
    assert [] == world.calls


def test_104_the_log_of_a_stuck_run_is_still_stuck(world: World) -> None:
    """Replaying the log of a stuck run calls nothing, and gives the same two errors."""
    saga = world.step("a", undo=Failure("stuck")) >> world.step("b", Failure("no"))
    outcome = world.run(saga, on_compensation_failure="stop")
    world.calls.clear()
    again = replay(saga, "in", outcome.log)
    assert Fatal("no", (CompensationFailed("a", "stuck"),), "b") == again
    assert [] == world.calls


def test_109_a_log_that_the_saga_cannot_have_written_is_refused(world: World) -> None:
    """A log with an unknown step, or an impossible event, is refused by naming what is wrong."""
    saga = world.step("a") >> world.step("b")
    log = list(world.run(saga).log)
    other = world.step("a") >> world.step("c")
    with pytest.raises(LogMismatch, match=r"step_started of 'b'.*step_started of 'c'"):
        replay(other, "in", log)
    with pytest.raises(LogMismatch, match=r"Executing here and cannot have written saga_completed"):
        replay(saga, "in", [*log[:2], log[-1]])
    with pytest.raises(LogMismatch, match=r"begins with SagaStarted, got step_started of 'a'"):
        replay(saga, "in", log[1:])


def test_112_a_run_that_went_well_can_be_undone_later(world: World) -> None:
    """The compensation of an Ok outcome undoes all steps, newest first; others have none."""
    saga = world.step("a") >> world.step("b") >> world.step("c")
    outcome = world.run(saga)
    assert isinstance(outcome, Ok)
    world.calls.clear()
    assert Ok(None) == world.run(outcome.compensation, None)
    assert [Undid("c", "C"), Undid("b", "B"), Undid("a", "A")] == world.calls
    failed = world.run(saga >> world.step("d", Failure("no")))
    assert Compensated("no", "d") == failed
    assert not hasattr(failed, "compensation")
