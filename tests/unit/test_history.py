"""What a driver knows of a run, before and after its machine has taken it in."""

from __future__ import annotations

from typing import Any

import pytest
from returns.result import Failure, Success

from sagalib import (
    Cancel,
    Cancelled,
    CompensationFailed,
    Fatal,
    Late,
    Refused,
    TimedOut,
    Unknown,
    fail,
    identity,
)
from sagalib.core import events as e
from sagalib.core.history import (
    History,
    Known,
    answered,
    asked,
    conclude,
    opening,
    reply_of,
    taken_in,
)
from sagalib.core.machine import begin, evolve
from sagalib.core.messages import Woke
from tests.unit.test_machine import (
    AGAIN,
    BUSY,
    LATER,
    LOST,
    PATIENT,
    SETTLED,
    STUBBORN,
    A,
    B,
    Run,
)


def test_a_call_is_in_progress_from_its_beginning_to_its_answer() -> None:
    """On the course the call in progress is that of the machine after what has come back."""
    past = History(A >> B, "x", "run", began=5)
    assert (None, 0) == past.in_progress()

    past.calling = past.ahead
    assert (begin(A >> B, "x", "run"), 5) == past.in_progress()

    past.ahead, past.now = (Success(1), 5, None), 8
    assert (None, 0) == past.in_progress()

    past.calling = past.ahead
    machine, began = past.in_progress()
    assert machine is not None
    assert (1, 1, 8) == (machine.pc, machine.value, began)

    past.has_left_course = True
    assert (None, 0) == past.in_progress()


def test_what_is_ahead_is_taken_in_once_and_in_order() -> None:
    """A call ends when the next begins; what was taken in before is not taken in again."""
    past = History(A >> B, "x", "run", began=5, epoch=100)
    past.ahead, past.now = (Success(1), 5, None), 8
    first = past.replies()
    past.ahead, past.now = (Failure("no"), 8, past.ahead), 9
    second = past.replies()

    assert first is not None
    assert second is not None
    assert (past.start, Success(1), 5, 8, None) == (*first[:4], first.earlier)
    assert (first.after, Failure("no"), 8, 9) == second[:4]
    assert second.earlier is first
    assert past.end is second.after
    assert [105, 105, 108, 108, 109, 109] == [event.at_ns for event in past.log()][:6]


def test_after_the_course_the_trace_is_what_counts() -> None:
    """Once a run has left its course, nothing that is ahead is taken in."""
    past = History(A, "x", "run", began=5)
    past.ahead, past.has_left_course = (Success(1), 5, None), True

    assert past.replies() is None
    assert past.start is past.end


@pytest.mark.parametrize(
    ("returned", "took", "expected"),
    [
        (Success(1), 5_000_000_000, Success(1)),
        (Success(1), 5_000_000_001, Late(1)),
        (Failure("no"), 5_000_000_001, Failure("no")),
        (Known(Refused(BUSY)), 5_000_000_001, Refused(BUSY)),
    ],
    ids=["in time", "late", "a late failure", "known"],
)
def test_what_returned_is_read_with_regard_to_its_time(
    returned: object, took: int, expected: object
) -> None:
    """A success is late when it took longer than its timeout, to the nanosecond."""
    assert expected == reply_of(Run(A).machine(), returned, 7, 7 + took)


def test_a_late_reply_is_told_with_its_time() -> None:
    """The answer of a call that was given up is an event, which changes nothing."""
    late = e.LateReply(*ON_A, 1, "execute", "Success")
    (told,) = answered(Run(A).machine(), late, Run(A).machine(), 7)

    assert (late, 7) == (told, told.at_ns)


def test_the_outcome_has_all_that_the_machine_says() -> None:
    """An outcome tells the reason, the step, its input, what is in doubt and what has failed."""
    past = History(A >> LATER, "x", "run")
    past.has_left_course = True
    for reply in (Success(1), Unknown(LOST), Cancel(), Failure("stuck")):
        past.trace = taken_in(past.end, reply, None, None, past.trace)
    outcome: Any = conclude(past)

    assert (
        Fatal(Cancelled(), (CompensationFailed("a", "stuck"),), "a~2", 1, in_doubt=("a~2",))
        == outcome
    )
    assert (1, past) == (outcome.context, outcome.past)


ON_A = ("run", "a", "a")
FAILED = e.Compensating("run", "no", "b")
BACK = (Success(1), Failure("no"))

TOLD: dict[str, tuple[Run, list[e.Event]]] = {
    "a success": (Run(A >> B, Success(1)), [e.StepOk(*ON_A, 1, 1, late=False)]),
    "the last success": (
        Run(A, Success(1)),
        [e.StepOk(*ON_A, 1, 1, late=False), e.SagaCompleted("run", 1, ())],
    ),
    "a late success": (
        Run(LATER, Late(1)),
        [e.StepOk(*ON_A, 1, 1, late=True), e.Compensating("run", TimedOut(5.0), "a")],
    ),
    "a failure": (
        Run(A >> B, *BACK),
        [e.StepFailed("run", "b", "b", 1, "no", returned=True), FAILED],
    ),
    "a failure before a pause": (
        Run(LATER, Failure("busy")),
        [e.StepRetrying(*ON_A, 1, "busy", returned=True)],
    ),
    "a failure that is tried again at once": (
        Run(AGAIN, Failure("busy")),
        [e.StepRetrying(*ON_A, 1, "busy", returned=True)],
    ),
    "no answer": (
        Run(LATER, Unknown(LOST)),
        [e.StepInDoubt(*ON_A, 1, LOST), e.StepRetrying(*ON_A, 1, LOST, returned=False)],
    ),
    "the last answer that is missing": (
        Run(A, Unknown(LOST)),
        [
            e.StepInDoubt(*ON_A, 1, LOST),
            e.StepFailed(*ON_A, 1, LOST, returned=False),
            e.Compensating("run", LOST, "a"),
            e.SagaCompensated("run", LOST, "a", ("a",)),
        ],
    ),
    "a refusal": (
        Run(A, Refused(BUSY)),
        [
            e.StepFailed(*ON_A, 1, BUSY, returned=False),
            e.Compensating("run", BUSY, "a"),
            e.SagaCompensated("run", BUSY, "a", ()),
        ],
    ),
    "the end of a pause": (Run(LATER, Failure("busy"), Woke()), []),
    "a cancel": (
        Run(A >> B, Success(1), Cancel()),
        [e.CancelRequested("run"), e.Compensating("run", Cancelled(), None)],
    ),
    "a cancel in a pause": (
        Run(LATER, Failure("busy"), Cancel()),
        [
            e.CancelRequested("run"),
            e.StepFailed(*ON_A, 1, Cancelled(), returned=False),
            e.Compensating("run", Cancelled(), "a"),
            e.SagaCompensated("run", Cancelled(), "a", ()),
        ],
    ),
    "a cancel before the second attempt": (
        Run(SETTLED, Failure("busy"), Cancel()),
        [
            e.CancelRequested("run"),
            e.StepFailed(*ON_A, 1, Cancelled(), returned=False),
            e.Compensating("run", Cancelled(), "a"),
            e.SagaCompensated("run", Cancelled(), "a", ()),
        ],
    ),
    "a cancel in flight of the second attempt": (
        Run(AGAIN, Failure("busy"), Cancel(in_flight=True)),
        [e.CancelRequested("run")],
    ),
    "a compensation": (
        Run(A >> B, *BACK, Success(None)),
        [e.StepCompensated(*ON_A, 1), e.SagaCompensated("run", "no", "b", ())],
    ),
    "a late compensation": (
        Run(A >> B, *BACK, Late(None)),
        [e.StepCompensated(*ON_A, 1), e.SagaCompensated("run", "no", "b", ())],
    ),
    "a settle": (
        Run(SETTLED, Unknown(LOST), Unknown(LOST), Success(None)),
        [e.StepSettled(*ON_A, 1), e.SagaCompensated("run", LOST, "a", ())],
    ),
    "a compensation that fails": (
        Run(A >> B, *BACK, Failure("stuck")),
        [
            e.CompensationGaveUp(*ON_A, 1, "compensate", "stuck", returned=True),
            e.SagaFatal("run", "no", (CompensationFailed("a", "stuck"),), "b", ()),
        ],
    ),
    "a settle without an answer": (
        Run(PATIENT, Unknown(LOST), Unknown(LOST)),
        [e.CompensationRetrying(*ON_A, 1, "settle", LOST, returned=False)],
    ),
    "a compensation that is tried again": (
        Run(STUBBORN >> B, *BACK, Failure("stuck")),
        [e.CompensationRetrying(*ON_A, 1, "compensate", "stuck", returned=True)],
    ),
    "the end of a rest": (Run(PATIENT >> B, *BACK, Failure("stuck"), Woke()), []),
    "a cancel on the way back": (
        Run(A >> B, *BACK, Cancel(in_flight=True)),
        [e.CancelRequested("run")],
    ),
    "a cancel in a rest": (
        Run(PATIENT >> B, *BACK, Failure("stuck"), Cancel()),
        [e.CancelRequested("run")],
    ),
    "a cancel after the end": (Run(A, Success(1), Cancel()), []),
}


@pytest.mark.parametrize("name", TOLD)
def test_what_a_reply_is_told_as(name: str) -> None:
    """The events of a reply have every field, and all the time of the reply."""
    given, expected = TOLD[name]
    *earlier, reply = given.replies
    before = Run(given.saga, *earlier).machine()
    told = answered(before, reply, evolve(before, reply), 7)

    assert expected == told
    assert [7] * len(told) == [event.at_ns for event in told]


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (Run(A), e.StepStarted(*ON_A, 1)),
        (Run(AGAIN, Failure("busy")), e.StepStarted(*ON_A, 2)),
        (Run(A >> B, *BACK), e.CompensationStarted(*ON_A, 1, "compensate")),
        (
            Run(PATIENT, Unknown(LOST), Unknown(LOST), Woke()),
            e.CompensationStarted(*ON_A, 2, "settle"),
        ),
    ],
    ids=["execute", "second attempt", "compensate", "settle"],
)
def test_what_a_call_is_told_as(given: Run, expected: e.Event) -> None:
    """The event of a call says which, and when it began."""
    told = asked(given.machine(), 7)

    assert expected == told
    assert 7 == told.at_ns


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (Run(A), [e.SagaStarted("run", "a", "x", "continue")]),
        (Run(A.named("order"), stop=True), [e.SagaStarted("run", "order", "x", "stop")]),
        (
            Run(fail("no")),
            [
                e.SagaStarted("run", "saga", "x", "continue"),
                e.Compensating("run", "no", None),
                e.SagaCompensated("run", "no", None, ()),
            ],
        ),
        (
            Run(identity()),
            [e.SagaStarted("run", "saga", "x", "continue"), e.SagaCompleted("run", "x", ())],
        ),
    ],
    ids=["a step", "stop", "a failure", "nothing"],
)
def test_what_a_beginning_is_told_as(given: Run, expected: list[e.Event]) -> None:
    """The events of a beginning go up to the first call, or to the end, and have its time."""
    told = opening(given.machine(), 7)

    assert expected == told
    assert [7] * len(told) == [event.at_ns for event in told]
