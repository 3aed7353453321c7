"""How far a driver to which nobody listens follows a saga, and what it leaves to the machine."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from returns.result import Failure, Success

from sagalib import Retry, Soft, Step, compensating, run
from sagalib.core.course import course_of
from sagalib.core.history import History
from sagalib.core.walk import WayBack, way_back
from tests.defects.colours import ASYNC, SYNC, AnySaga, World, pass_on
from tests.support.time import VirtualClock

Build = Callable[[World, VirtualClock], AnySaga]


def slow(clock: VirtualClock) -> Callable[[Any], Any]:
    """Give a function that takes a minute."""

    def take_long(value: Any) -> Any:
        clock.advance(60)
        return Success(value)

    return take_long


SAGAS: dict[str, Build] = {
    "all goes well": lambda w, _: w.step("a") >> w.step("b") >> w.step("c"),
    "a growing context": lambda w, _: w.step("a").keep() >> w.step("b", Success("b")).keep(),
    "a failure": lambda w, _: w.step("a") >> w.step("b") >> w.step("c", Failure("no")),
    "a failure in a bracket": lambda w, _: (
        w.step("a").keep() >> w.step("b") >> w.step("c", Failure("no")).keep()
    ),
    "no compensation between": lambda w, _: (
        w.step("a") >> SYNC.step(Success, name="b") >> w.step("c", Failure("no"))
    ),
    "a failure that is tried again": lambda w, _: (
        w.step("a") >> w.step("b", Failure("no"), retries=Retry(1))
    ),
    "a failure that is settled": lambda w, _: (
        w.step("a") >> w.step("b", Failure("no"), settle=Success(None), settle_on="failure")
    ),
    "a failure after a pivot": lambda w, _: (
        w.step("a") >> w.step("p", pivot=True) >> w.step("b", Failure("no"))
    ),
    "a pivot that fails": lambda w, _: w.step("a") >> w.step("p", Failure("no"), pivot=True),
    "an exception": lambda w, _: w.step("a") >> w.step("b", ValueError("lost")) >> w.step("c"),
    "no result": lambda w, _: w.step("a") >> w.step("b", 7) >> w.step("c"),
    "a late success": lambda w, clock: (
        w.step("a") >> w.step("b", slow(clock), timeout=Soft(30.0)) >> w.step("c")
    ),
    "a pure function": lambda w, _: w.step("a").map(str) >> w.step("b", Failure("no")),
    "a pure function that raises": lambda w, _: w.step("a").map(int) >> w.step("b"),
    "an error that is mapped": lambda w, _: (
        w.step("a") >> w.step("b", Failure("no")).map_error(str.upper)
    ),
    "a promise": lambda w, _: (
        w.step("a") >> compensating(lambda value: Success(None)) >> w.step("b", Failure("no"))
    ),
    "a failed compensation": lambda w, _: (
        w.step("a") >> w.step("b", undo=Failure("stuck")) >> w.step("c", Failure("no"))
    ),
    "a compensation that raises": lambda w, _: (
        w.step("a") >> w.step("b", undo=ValueError("lost")) >> w.step("c", Failure("no"))
    ),
    "a compensation on a thread": lambda w, _: (
        w.step("a", compensation_timeout=5.0) >> w.step("b", Failure("no"))
    ),
    "a step on a thread": lambda w, _: w.step("a", timeout=5.0) >> w.step("b", Failure("no")),
}


@pytest.mark.parametrize("name", SAGAS)
def test_nobody_sees_whether_anybody_listens(name: str) -> None:
    """The calls with their values, the outcome, the log and what is owed are the same."""
    seen: list[tuple[object, ...]] = []
    for observers in ((), (str,)):
        world, clock = World(), VirtualClock()
        outcome: Any = run(
            SAGAS[name](world, clock), "x", run_id="run", observers=observers, clock=clock
        )
        times = [event.at_ns for event in outcome.log]
        seen.append((world.calls, outcome, outcome.log, times))

    assert seen[0] == seen[1]


def after_answers(saga: AnySaga, *answers: Any) -> WayBack | None:
    """Give the way back where calls on the course have come back with ``answers``."""
    past = History(saga, "x", "run")
    for answer in answers:
        past.ahead = (answer, 0, past.ahead)
    return way_back(past)


def undo_a(_: object) -> Any:
    """Make up for a."""
    return Success(None)


def undo_b(_: object) -> Any:
    """Make up for b."""
    return Success(None)


A = Step(pass_on, undo_a, name="a")
B = Step(pass_on, undo_b, name="b")
P = Step(pass_on, name="p", pivot=True)


def test_a_failure_on_the_course_leads_straight_back() -> None:
    """No machine is needed to know what is called after a failure, why, and where it was."""
    back = after_answers(A >> B >> A, Success(1), Success(2), Failure("no"))

    assert back is not None
    assert [(undo_b, 2), (undo_a, 1)] == back.calls
    assert [B, A] == back.steps
    assert ("no", "a~2") == (back.reason, back.step)


def test_a_pivot_that_fails_leads_straight_back() -> None:
    """The first pivot is the last step from which the way back is known."""
    back = after_answers(A >> P >> P, Success(1), Failure("no"))

    assert back is not None
    assert [(undo_a, 1)] == back.calls
    assert after_answers(A >> P >> P, Success(1), Success(2), Failure("no")) is None


@pytest.mark.parametrize(
    ("last", "answer"),
    [
        (B, Success(2)),
        (B, ValueError("lost")),
        (Step(pass_on, name="b", retries=1), Failure("no")),
        (Step(pass_on, name="b", settle=undo_b), Failure("no")),
    ],
    ids=["a success", "an exception", "a retry", "a settle"],
)
def test_what_is_no_plain_failure_is_left_to_the_machine(last: AnySaga, answer: object) -> None:
    """Where the machine may decide otherwise, no way back is given."""
    assert after_answers(A >> last, Success(1), answer) is None


SYNC_CALL = Step(pass_on, undo_a, timeout=None, compensation_timeout=None)


@pytest.mark.parametrize(
    ("saga", "end", "back"),
    [
        (SYNC_CALL, 1, 1),
        (SYNC.step(pass_on, undo_a, timeout=5.0, compensation_timeout=None), 0, 0),
        (SYNC.step(pass_on, undo_a, timeout=Soft(5.0), compensation_timeout=5.0), 1, 0),
        (ASYNC.step(pass_on, undo_a, timeout=5.0, compensation_timeout=None), 1, 1),
        (ASYNC.step(pass_on, undo_a, timeout=5.0, compensation_timeout=5.0), 1, 1),
    ],
    ids=["plain", "thread", "thread on the way back", "async", "async on the way back"],
)
def test_the_course_ends_before_a_thread(saga: AnySaga, end: int, back: int) -> None:
    """A hard timeout of a plain function needs a thread, one of a coroutine function does not."""
    word = saga.instructions

    assert (word[:end], end == len(word), back) == course_of(word)
