"""Cases 51-67: retries, backoff, and what ends them."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from returns.result import Failure, Success

from sagalib import (
    AsyncStep,
    Cancelled,
    Compensated,
    CompensationFailed,
    Fatal,
    InvalidOption,
    Ok,
    Raised,
    Retry,
    Step,
    current_call,
)
from sagalib.core.events import StepFailed
from tests.conformance.world import Did, Undid, World, story


class Permanent(Exception):
    """An error after which nothing is worth another attempt."""


def test_051_a_step_is_retried_until_it_works(world: World) -> None:
    """A step with three retries that fails twice is executed three times, and the saga is Ok."""
    flaky = world.step("b", Failure("1st"), Failure("2nd"), Success("B"), retries=3)
    assert Ok("C") == world.run(world.step("a") >> flaky >> world.step("c"))
    assert [
        Did("a", "in"),
        Did("b", "A"),
        Did("b", "A"),
        Did("b", "A"),
        Did("c", "B"),
    ] == world.calls


def test_052_after_the_last_retry_the_saga_turns_back(world: World) -> None:
    """With two retries there are exactly three attempts, and the error is that of the last."""
    answers = (Failure("1st"), Failure("2nd"), Failure("3rd"), Success("B"))
    saga = world.step("a") >> world.step("b", *answers, retries=Retry(2))
    assert Compensated("3rd", "b") == world.run(saga)
    assert [
        Did("a", "in"),
        Did("b", "A"),
        Did("b", "A"),
        Did("b", "A"),
        Undid("a", "A"),
    ] == world.calls


def test_053_no_error_is_made_up_when_retries_are_exhausted(world: World) -> None:
    """A step that fails with None keeps None as the reason; step and count are in its event."""
    outcome = world.run(world.step("a") >> world.step("b", Failure(None), retries=2))
    assert Compensated(None, "b") == outcome
    failed = [event for event in outcome.log if isinstance(event, StepFailed)]
    assert [StepFailed(outcome.run_id, "b", "b", 3, None, returned=True)] == failed


def test_054_an_exception_is_retried_too(world: World) -> None:
    """A raised exception uses a retry, as an error does; a definite answer ends the doubt."""
    flaky = world.step("b", OSError("1st"), OSError("2nd"), Success("B"), retries=2)
    assert Ok("B", in_doubt=()) == world.run(world.step("a") >> flaky)
    assert [Did("a", "in"), Did("b", "A"), Did("b", "A"), Did("b", "A")] == world.calls


def test_056_each_step_has_retries_of_its_own(world: World) -> None:
    """A step that used up all its retries leaves those of the next step untouched."""
    first = world.step("a", Failure(1), Failure(2), Success("A"), retries=2)
    second = world.step("b", Failure(3), Failure(4), Success("B"), retries=2)
    assert Ok("B") == world.run(first >> second)
    assert [*[Did("a", "in")] * 3, *[Did("b", "A")] * 3] == world.calls


FOR_GOOD = Permanent("for good")


@pytest.mark.parametrize(
    ("answer", "reason", "in_doubt"),
    [
        (Failure(FOR_GOOD), FOR_GOOD, ()),
        (FOR_GOOD, Raised(f"{Permanent.__module__}.Permanent", "for good"), ("b",)),
    ],
    ids=["returned", "raised"],
)
def test_057_a_permanent_error_is_not_retried(
    world: World, answer: object, reason: object, in_doubt: tuple[str, ...]
) -> None:
    """A step whose error is permanent is not called again, and all completed ones are undone."""
    policy = Retry(5, wait=1.0, unless=Permanent)
    saga = world.step("a") >> world.step("b", Failure("busy"), answer, retries=policy)
    assert Compensated(reason, "b", in_doubt=in_doubt) == world.run(saga)
    assert [Did("a", "in"), Did("b", "A"), Did("b", "A"), Undid("a", "A")] == world.calls
    assert [1.0] == world.pauses


def test_058_a_permanent_error_of_a_compensation_is_not_retried(world: World) -> None:
    """A compensation whose error is permanent is not called again, nor is any step."""
    permanent = Permanent("for good")
    broken = world.step(
        "b", undo=Failure(permanent), compensation_retries=Retry(5, unless=Permanent)
    )
    saga = world.step("a") >> broken >> world.step("c", Failure("no"), retries=1)
    outcome = world.run(saga)
    assert Fatal("no", (CompensationFailed("b", permanent),), "c") == outcome
    assert [
        Did("a", "in"),
        Did("b", "A"),
        Did("c", "B"),
        Did("c", "B"),
        Undid("b", "B"),
        Undid("a", "A"),
    ] == world.calls


def test_060_what_a_compensation_gives_is_ignored(world: World) -> None:
    """A value that a compensation gives does not turn the saga forward again."""
    saga = (
        world.step("a") >> world.step("b", undo=Success("go on")) >> world.step("c", Failure("no"))
    )
    assert Compensated("no", "c") == world.run(saga)
    assert [Undid("b", "B"), Undid("a", "A")] == world.calls[3:]


@pytest.mark.parametrize(
    ("jitter", "expected"),
    [(0.0, [0.02, 0.4, 5.0, 5.0]), (1.0, [0.01, 0.2, 2.5, 2.5]), (0.5, [0.015, 0.3, 3.75, 3.75])],
)
def test_061_pauses_grow_up_to_the_cap(world: World, jitter: float, expected: list[float]) -> None:
    """Pauses grow by the factor up to the cap; jitter shortens them by its share of the dice."""
    policy = Retry(4, wait=0.02, factor=20, cap=5.0, jitter=jitter)
    outcome = world.run(world.step("a", Failure("no"), retries=policy), dice=lambda: 0.5)
    assert Compensated("no", "a") == outcome
    assert [Did("a", "in")] * 5 == world.calls
    assert expected == world.pauses


@given(
    attempt=st.integers(1, 2_000), jitter=st.floats(0, 1), dice=st.floats(0, 1, exclude_max=True)
)
def test_061_jitter_stays_within_the_pause(attempt: int, jitter: float, dice: float) -> None:
    """With jitter a pause is never negative, nor longer than without."""
    exact = Retry(1, wait=0.02, factor=20, cap=5.0)
    jittered = Retry(1, wait=0.02, factor=20, cap=5.0, jitter=jitter)
    assert 0 <= jittered.delay(attempt, dice) <= exact.delay(attempt) <= 5.0


def test_062_without_backoff_there_is_no_pause(world: World) -> None:
    """Retries without a wait, forward and on the way back, are made at once."""
    undo = (Failure("busy"), Success(None))
    saga = world.step("a", undo=undo, compensation_retries=1) >> world.step(
        "b", Failure("no"), retries=3
    )
    assert Compensated("no", "b") == world.run(saga)
    assert [Did("a", "in"), *[Did("b", "A")] * 4, *[Undid("a", "A")] * 2] == world.calls
    assert [] == world.pauses


@pytest.mark.parametrize("kind", [Step, AsyncStep])
@pytest.mark.parametrize("keyword", ["retries", "compensation_retries"])
@pytest.mark.parametrize("value", [-1, "three", 1.5, None])
def test_063_invalid_retries_are_refused_at_definition(
    kind: Callable[..., object], keyword: str, value: object
) -> None:
    """Retries that are no whole number from 0 are refused when the step is made."""

    def plain(_: object) -> object:
        raise AssertionError("nothing is called")

    async def coroutine(_: object) -> object:
        raise AssertionError("nothing is called")

    settings = {keyword: value}
    with pytest.raises(InvalidOption, match="retries must be a whole number, 0 or more"):
        kind(plain if kind is Step else coroutine, **settings)


def test_064_a_policy_sees_the_very_error(world: World) -> None:
    """The predicate of a retry policy gets the error as returned, and decides by it."""
    seen: list[object] = []

    def is_worth_it(reason: object) -> bool:
        seen.append(reason)
        return reason != "hopeless"

    answers = (Failure("busy"), Failure("slow"), Failure("hopeless"), Success("A"))
    step = world.step("a", *answers, retries=Retry(9, wait=2.0, factor=1.0, only=is_worth_it))
    assert Compensated("hopeless", "a") == world.run(step)
    assert ["busy", "slow", "hopeless"] == seen
    assert [2.0, 2.0] == world.pauses


def test_065_a_pause_is_one_wait(world: World) -> None:
    """A driver waits once for each pause, for the whole of it, and the call comes right after."""
    policy = Retry(2, wait=100.0, factor=2.0)
    outcome = world.run(world.step("a", Failure(1), Failure(2), Success("A"), retries=policy))
    assert Ok("A") == outcome
    assert [100.0, 200.0] == world.pauses
    times = [
        None if event.at_ns is None else (event.at_ns - (outcome.log[0].at_ns or 0)) / 1e9
        for event in outcome.log
        if event.kind == "step_started"
    ]
    assert [0.0, 100.0, 300.0] == times


def test_065_a_pause_can_be_interrupted(world: World) -> None:
    """A run that is interrupted during a pause turns back at once, and does not wait to its end."""
    world.interrupts_pauses = True
    retried = world.step("b", Failure("no"), Success("B"), retries=Retry(1, wait=1_000.0))
    _, outcome = world.interrupted(world.step("a") >> retried)
    assert Compensated(Cancelled(), "b") == outcome
    assert [Did("a", "in"), Did("b", "A"), Undid("a", "A")] == world.calls
    assert outcome is not None
    assert [
        "saga_started",
        "step_started a",
        "step_ok a",
        "step_started b",
        "step_retrying b",
        "cancel_requested",
        "step_failed b",
        "compensating",
        "compensation_started a",
        "step_compensated a",
        "saga_compensated",
    ] == story(outcome.log)
    assert outcome.log[0].at_ns == outcome.log[-1].at_ns


def test_067_a_call_can_read_its_attempt(world: World) -> None:
    """Each attempt can read its number, from 1, forward and on the way back."""
    attempts: list[tuple[str, int]] = []

    def noting(answer: object) -> object:
        def note(_: object) -> object:
            attempts.append((current_call().direction, current_call().attempt))
            return answer

        return note

    saga = world.step(
        "a",
        noting(Failure(1)),
        noting(Failure(2)),
        noting(Success("A")),
        undo=(noting(Failure(3)), noting(Success(None))),
        retries=2,
        compensation_retries=1,
    )
    assert Compensated("no", "b") == world.run(saga >> world.step("b", Failure("no")))
    assert [
        ("execute", 1),
        ("execute", 2),
        ("execute", 3),
        ("compensate", 1),
        ("compensate", 2),
    ] == attempts
