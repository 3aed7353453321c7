"""Messages about logs that do not fit, replies that nobody asked for, scripts without an answer."""

from __future__ import annotations

from typing import Any

import pytest
from returns.result import Failure, Success

from sagalib import (
    Cancel,
    Event,
    IllegalReply,
    LogMismatch,
    NoAnswer,
    Raised,
    Retry,
    Step,
    TimedOut,
    Unknown,
    chain,
    replay,
    run,
    simulate,
)
from sagalib.core.events import LateReply, StepCompensated, StepOk
from sagalib.core.machine import begin, evolve
from sagalib.core.messages import Woke
from sagalib.core.state import Machine, State, call_of
from tests.defects.colours import ASYNC, SYNC, AnySaga, pass_on, refuse
from tests.errors.test_building import anything, message_of

A = Step(pass_on, pass_on, name="a")
B = Step(pass_on, name="b")
NO = Step(refuse, name="no")


def log_of(saga: AnySaga) -> list[Event]:
    """Run a saga; give its log."""
    return list(run(saga, "x", run_id="run").log)


def mismatch(saga: AnySaga, log: list[Event]) -> str:
    """Replay a log that does not fit; give the message."""
    return message_of(LogMismatch, lambda: replay(saga, "x", log))


# ------------------------------------------------------------------ logs

FITS = "replay a log with the saga that wrote it"


def test_an_empty_log_has_no_beginning() -> None:
    """A log without events is refused: it names no run."""
    assert (
        "a log begins with SagaStarted, got nothing: pass the whole log of one run"
    ) == mismatch(A, [])


def test_a_log_that_is_cut_at_its_start_is_refused() -> None:
    """A log without its first event is refused by what stands there."""
    assert (
        "a log begins with SagaStarted, got step_started of 'a': pass the whole log of one run"
    ) == mismatch(A, log_of(A)[1:])


def test_the_log_of_another_saga_is_refused() -> None:
    """A log is refused at the first event that the saga would not have written."""
    assert (
        "event 1 of the log is step_started of 'a', and this saga writes step_started of 'b' "
        f"there (path: 'a', not 'b') (step: 'a', not 'b'): {FITS}"
    ) == mismatch(chain([B, A]), log_of(chain([A, B])))


def test_the_log_of_a_longer_saga_is_refused() -> None:
    """A log that goes on after the end of the saga is refused."""
    longer, shorter = chain([A, B]).named("saga"), chain([A, B, B]).named("saga")

    assert (
        "event 5 of the log is saga_completed, and this saga writes step_started of 'b~2' there: "
        f"{FITS}"
    ) == mismatch(shorter, log_of(longer))
    assert (
        "event 5 of the log is step_started of 'b~2', and this saga writes saga_completed there: "
        f"{FITS}"
    ) == mismatch(longer, log_of(shorter))


def test_the_log_of_a_saga_of_another_name_is_refused() -> None:
    """The name of the saga is a part of its log."""
    message = mismatch(chain([A, B]).named("ours"), log_of(chain([A, B]).named("theirs")))

    assert message.startswith("event 0 of the log is saga_started")
    assert message.endswith(FITS)
    assert "ours" in message
    assert "theirs" in message


def test_a_foreign_event_is_refused() -> None:
    """An event that cannot stand there is named, with the state in which the saga is."""
    log = log_of(A >> NO)
    foreign = StepCompensated("run", "a", "a", 1)

    assert (
        f"this saga is Executing here and cannot have written step_compensated of 'a': {FITS}"
    ) == mismatch(A >> NO, [*log[:2], foreign, *log[2:]])


def test_events_in_another_order_are_refused() -> None:
    """A log with two events exchanged is refused."""
    log = log_of(A >> NO)
    log[1], log[2] = log[2], log[1]

    assert (
        f"event 1 of the log is step_ok of 'a', and this saga writes step_started of 'a' there: "
        f"{FITS}"
    ) == mismatch(A >> NO, log)


def test_every_exchange_of_neighbours_is_refused() -> None:
    """No two neighbours of a log can be exchanged without it being noticed."""
    saga = A >> Step(refuse, name="no", retries=1)
    log = log_of(saga)

    for first in range(len(log) - 1):
        exchanged = [*log[:first], log[first + 1], log[first], *log[first + 2 :]]
        with pytest.raises(LogMismatch):
            replay(saga, "x", exchanged)


def test_every_missing_event_is_refused() -> None:
    """A log with a gap is refused, wherever the gap is."""
    saga = A >> Step(refuse, name="no", retries=1)
    log = log_of(saga)

    for gap in range(len(log) - 1):
        with pytest.raises(LogMismatch):
            replay(saga, "x", [*log[:gap], *log[gap + 1 :]])


def test_every_doubled_event_is_refused() -> None:
    """A log with an event twice is refused, wherever it is."""
    saga = A >> Step(refuse, name="no", retries=1)
    log = log_of(saga)

    for twice in range(len(log)):
        with pytest.raises(LogMismatch):
            replay(saga, "x", [*log[: twice + 1], *log[twice:]])


def test_what_comes_after_the_end_is_refused() -> None:
    """After the last event of a run there is no other."""
    log = log_of(A)
    after = StepOk("run", "a", "a", 1, "x")

    message = mismatch(A, [*log, after])

    assert f"this saga is Ended here and cannot have written step_ok of 'a': {FITS}" == message


def test_the_log_of_two_runs_is_refused() -> None:
    """Events of another run do not belong to a log."""
    log = log_of(A >> NO)
    other = list(run(A >> NO, "x", run_id="other").log)

    message = mismatch(A >> NO, [*log[:3], *other[3:]])

    assert message.startswith("event 3 of the log is step_started of 'no'")
    assert message.endswith(FITS)


def test_a_late_reply_may_stand_before_any_call_and_at_the_end() -> None:
    """A late reply is no transition: with one the log still fits, and keeps it with its time."""
    log = log_of(A >> NO)
    late = LateReply("run", "a", "a", 1, "execute", "Success", at_ns=7)
    calls = [place for place, event in enumerate(log) if event.kind.endswith("n_started")]
    calls += [place for place, event in enumerate(log) if "step_started" == event.kind]

    for position in [*calls, len(log)]:
        outcome: Any = replay(A >> NO, "x", [*log[:position], late, *log[position:]])
        assert [*log[:position], late, *log[position:]] == list(outcome.log)
        assert 7 == outcome.log[position].at_ns


# ------------------------------------------------------------------ replies


def executing() -> State:
    """Give a machine that asks for an execute."""
    return begin(A >> Step(refuse, name="no", retries=Retry(1, wait=1)), "x", "run")


def ended() -> State:
    """Give a machine that has ended."""
    return evolve(begin(B, "x", "run"), Success("x"))


def pausing() -> State:
    """Give a machine in the pause before a second attempt."""
    return evolve(evolve(executing(), Success("x")), Failure("no"))


def compensating() -> State:
    """Give a machine that asks for a compensation."""
    return evolve(evolve(pausing(), Woke()), Failure("no"))


def resting() -> State:
    """Give a machine in the pause before a second attempt of a compensation."""
    a = Step(pass_on, pass_on, compensation_retries=Retry(1, wait=1))
    return evolve(evolve(evolve(begin(a >> NO, "x", "run"), Success("x")), Failure(1)), Failure(2))


@pytest.mark.parametrize(
    ("machine", "reply", "message"),
    [
        (
            executing(),
            Woke(),
            (
                "a machine that is Executing takes one of Success, Late, Failure, Unknown, "
                "Refused, Cancel, Expired; got Woke. Ask decide(machine) first"
            ),
        ),
        (
            pausing(),
            Success(1),
            (
                "a machine that is Pausing takes one of Woke, Cancel, Expired; got Success. "
                "Ask decide(machine) first"
            ),
        ),
        (
            compensating(),
            Woke(),
            (
                "a machine that is Compensating takes one of Success, Late, Failure, Unknown, "
                "Refused, Cancel; got Woke. Ask decide(machine) first"
            ),
        ),
        (
            resting(),
            Failure(1),
            (
                "a machine that is Resting takes one of Woke, Cancel; got Failure. "
                "Ask decide(machine) first"
            ),
        ),
        (
            ended(),
            Unknown(TimedOut(1)),
            "a machine that is Ended takes one of Cancel; got Unknown. Ask decide(machine) first",
        ),
        (
            executing(),
            "done",
            (
                "a machine that is Executing takes one of Success, Late, Failure, Unknown, "
                "Refused, Cancel, Expired; got str. Ask decide(machine) first"
            ),
        ),
    ],
    ids=["executing", "pausing", "compensating", "resting", "ended", "text"],
)
def test_a_reply_that_was_not_asked_for_is_refused(
    machine: Machine, reply: Any, message: str
) -> None:
    """A reply that does not fit the state names the state and the replies that do."""
    assert message == message_of(IllegalReply, lambda: evolve(machine, reply))


@pytest.mark.parametrize(
    ("machine", "state"),
    [(pausing(), "Pausing"), (resting(), "Resting"), (ended(), "Ended")],
    ids=["pausing", "resting", "ended"],
)
def test_no_call_is_described_when_none_is_asked_for(machine: Machine, state: str) -> None:
    """In a pause and at the end there is no call to describe."""
    assert (f"a call is described while it is asked for; the machine is {state}") == message_of(
        IllegalReply, lambda: call_of(machine, None)
    )


@pytest.mark.parametrize("answer", [5, "done", [Success(1)], None.__class__])
def test_a_script_with_a_bare_answer_is_refused(answer: Any) -> None:
    """An answer in a script that is no answer is refused by its type."""
    message = message_of(IllegalReply, lambda: simulate(A, "x", {"a": [answer]}))

    assert f"got {type(answer).__name__}" in message
    assert "Success" in message


# ------------------------------------------------------------------ scripts


@pytest.mark.parametrize(
    ("script", "message"),
    [
        (
            {},
            (
                "the script has no answer for execute of the async step 'a', attempt 1: "
                "expected one. Write script={'a': [Success(...)]}"
            ),
        ),
        (
            {"a": [Failure("no")]},
            (
                "the script has no answer for execute of the async step 'a', attempt 2: "
                "expected one. Write script={'a': [Success(...)]}"
            ),
        ),
        (
            {"a": [Success(1), Success(2)], "b": [Raised("E", ""), Cancel()]},
            (
                "the script has no answer for compensate of the async step 'a', attempt 1: "
                "expected one. Write script={'a:compensate': [Success(...)]}"
            ),
        ),
    ],
    ids=["execute", "second attempt", "compensate"],
)
def test_an_async_step_needs_an_answer(script: Any, message: str) -> None:
    """A call of an async step without an answer names the call, and the script to write."""
    saga = ASYNC.step(pass_on, pass_on, name="a", retries=1) >> SYNC.step(pass_on, name="b")

    assert message == message_of(NoAnswer, lambda: anything.simulate(saga, "x", script))
