"""The log of a run: read, replayed, and folded to a status."""

from __future__ import annotations

import json
from typing import Any

import pytest

from sagalib import (
    Compensated,
    Event,
    Fatal,
    Ok,
    Outcome,
    Status,
    StepStatus,
    Suspended,
    replay,
    run,
    simulate,
    status_of,
)
from sagalib.core import events, history
from sagalib.core.messages import Invoke, Sleep
from tests.defects.colours import (
    SYNC,
    AnyOutcome,
    AnySaga,
    Colour,
    World,
    both_colours,
    pass_on,
    refuse,
)
from tests.unit.scenarios import SCENARIOS, A, run_scenario

every_scenario = pytest.mark.parametrize("name", SCENARIOS)
both_policies = pytest.mark.parametrize("policy", ["continue", "stop"])


def kinds(log: Any) -> list[str]:
    """Give the kinds of the events of a log."""
    return [event.kind for event in log]


# ------------------------------------------------------------------ what stands in a log


def test_the_log_tells_a_run_that_compensates() -> None:
    """Each call, each answer and the turn stand in the log, in order."""
    assert [
        "saga_started",
        "step_started",
        "step_ok",
        "step_started",
        "step_in_doubt",
        "step_retrying",
        "step_started",
        "step_failed",
        "compensating",
        "compensation_started",
        "step_compensated",
        "saga_compensated",
    ] == kinds(run_scenario("in doubt").log)


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("nothing", ["saga_started", "saga_completed"]),
        ("fails at once", ["saga_started", "compensating", "saga_compensated"]),
        (
            "cancelled at the second attempt",
            ["step_started", "step_in_doubt", "step_retrying", "cancel_requested", "step_failed"],
        ),
        (
            "cancelled in flight",
            ["step_started", "cancel_requested", "step_ok"],
        ),
        (
            "settle jams",
            ["compensation_started", "compensation_failed", "compensation_started"],
        ),
        ("patient", ["compensation_retrying", "compensation_started", "step_compensated"]),
        ("settled", ["compensating", "compensation_started", "step_settled"]),
        ("irreversible", ["step_failed", "compensating", "saga_fatal"]),
    ],
)
def test_a_part_of_the_log(name: str, told: list[str]) -> None:
    """What happened stands together, in this order, in the log."""
    log = kinds(run_scenario(name).log)

    assert told in [log[start : start + len(told)] for start in range(len(log))]


def test_eight_events_have_a_name_in_telemetry() -> None:
    """The names in telemetry are the eight that the events of a saga have always had."""
    named = {
        event.kind: event.telemetry_name for name in SCENARIOS for event in run_scenario(name).log
    }

    assert {
        "saga_started": "saga.started",
        "step_started": "saga.step_started",
        "step_ok": "saga.step_ok",
        "step_failed": "saga.step_failed",
        "compensating": "saga.compensating",
        "saga_completed": "saga.completed",
        "saga_compensated": "saga.compensated",
        "saga_fatal": "saga.fatal",
    } == {kind: name for kind, name in named.items() if name is not None}


@both_colours
def test_drivers_note_the_time(colour: Colour) -> None:
    """Events of a driver have times that never go back; a simulation has none."""
    saga = colour.step(refuse)
    times: list[Any] = [event.at_ns for event in colour.run(saga, "x").log]

    assert sorted(times) == times
    assert [None] * len(times) == [
        event.at_ns for event in simulate(SYNC.step(refuse), "x", {}).log
    ]


def test_the_log_is_worked_out_when_it_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """No event is made in a run that nobody observes, and reading the log makes them once."""
    made: list[str] = []
    true_opening = history.opening

    def noting(*arguments: Any) -> list[Event]:
        made.append("opening")
        return true_opening(*arguments)

    monkeypatch.setattr(history, "opening", noting)
    outcome = run(A, "x")
    assert [] == made

    assert outcome.log is outcome.log
    assert ["opening"] == made


@both_colours
@pytest.mark.parametrize("end", ["ok", "compensated", "jammed", "irreversible"])
def test_observers_hear_what_the_log_tells(colour: Colour, end: str) -> None:
    """The events that an observer hears are those of the log, in both drivers."""
    world, heard = World(colour), list[Event]()
    undo: Any = ValueError("jammed") if "jammed" == end else None
    saga = world.step("a", undo=undo) >> world.step("p", pivot="irreversible" == end)
    if "ok" != end:
        saga = saga >> colour.step(refuse, retries=1)

    outcome = colour.run(saga, "x", observers=[heard.append])

    assert heard == list(outcome.log)
    assert [event.at_ns for event in heard] == [event.at_ns for event in outcome.log]


# ------------------------------------------------------------------ replay


def forbidden(_: object) -> Any:
    """Fail the test: no step may be called."""
    message = "a step was called"
    raise AssertionError(message)


@every_scenario
@both_policies
def test_a_log_is_replayed(name: str, policy: str) -> None:
    """A replay gives outcome, log, doubts and context of the run, and calls no step."""
    outcome: Any = run_scenario(name, policy)
    again: Any = replay(SCENARIOS[name][0], "x", outcome.log)

    assert outcome == again
    assert list(outcome.log) == list(again.log)
    assert getattr(outcome, "context", None) == getattr(again, "context", None)
    assert owed_of(outcome) == owed_of(again)


def owed_of(outcome: AnyOutcome) -> AnySaga | None:
    """Give what an outcome owes."""
    match outcome:
        case Ok():
            return outcome.compensation
        case Fatal():
            return outcome.residual
        case Compensated():
            return None


@every_scenario
@both_policies
def test_every_prefix_of_a_log_is_suspended(name: str, policy: str) -> None:
    """A log that breaks off asks for the next command; a call that has begun is in doubt."""
    log = list(run_scenario(name, policy).log)
    for length in range(1, len(log)):
        suspended: Any = replay(SCENARIOS[name][0], "x", log[:length])
        if isinstance(suspended, Ok | Compensated | Fatal):
            # Only the events that the last reply brings with it may be missing.
            assert log[length].kind in {
                "compensating",
                "saga_completed",
                "saga_compensated",
                "saga_fatal",
            }
            continue
        assert isinstance(suspended, Suspended)
        began = log[length - 1].kind in {"step_started", "compensation_started"}
        assert began is suspended.in_doubt or "cancel_requested" == log[length - 1].kind
        (command,) = suspended.commands
        assert isinstance(command, Invoke | Sleep)


@every_scenario
def test_a_suspension_asks_for_the_call_that_follows(name: str) -> None:
    """The call that a broken log asks for is the next one that the run has made."""
    log = list(run_scenario(name).log)
    for length in range(1, len(log)):
        suspended = replay(SCENARIOS[name][0], "x", log[:length])
        if not isinstance(suspended, Suspended) or suspended.in_doubt:
            continue
        (command,) = suspended.commands
        following: Any = next(
            (event for event in log[length:] if event.kind.endswith("n_started")), None
        )
        steps: Any = next((event for event in log[length:] if "step_started" == event.kind), None)
        if isinstance(command, Invoke) and "cancel_requested" not in kinds(log):
            expected = steps if "execute" == command.call.direction else following
            assert (expected.path, expected.attempt) == (command.call.path, command.call.attempt)


def test_a_pause_is_suspended_as_a_pause() -> None:
    """A log that ends in a pause asks for the pause, with the attempt that failed."""
    saga, _ = SCENARIOS["paused"]
    log = list(run_scenario("paused").log)
    position = kinds(log).index("step_retrying") + 1

    suspended = replay(saga, "x", log[:position])

    assert isinstance(suspended, Suspended)
    (command,) = suspended.commands
    assert isinstance(command, Sleep)
    assert ("c", 1, 5.0) == (command.path, command.attempt, command.retry.wait)


# ------------------------------------------------------------------ status


@every_scenario
@both_policies
def test_a_status_is_that_of_a_prefix_and_the_rest(name: str, policy: str) -> None:
    """The status of a log is that of any first part, followed by the rest."""
    log = list(run_scenario(name, policy).log)
    step_by_step = Status()

    for length in range(len(log) + 1):
        first = status_of(log[:length])
        assert step_by_step == first
        assert status_of(log) == status_of(log[length:], first)
        step_by_step = step_by_step.after(log[length]) if length < len(log) else step_by_step


STATES: dict[type[Any], str] = {Ok: "completed", Compensated: "compensated", Fatal: "fatal"}


@every_scenario
@both_policies
def test_a_status_ends_as_its_outcome(name: str, policy: str) -> None:
    """At the end the status says what the outcome says."""
    outcome: Outcome[Any, Any, Any] = run_scenario(name, policy)
    status = status_of(outcome.log)

    assert STATES[type(outcome)] == status.state
    assert outcome.in_doubt == status.in_doubt
    assert getattr(outcome, "reason", None) == status.reason


def test_a_status_at_every_prefix() -> None:
    """The state of the run and of its steps after each event of a run."""
    log = run_scenario("in doubt").log
    told = [
        (status.state, {path: step.state for path, step in status.steps.items()})
        for status in (status_of(log[:length]) for length in range(len(log) + 1))
    ]

    assert [
        ("pending", {}),
        ("running", {}),
        ("running", {"a": "running"}),
        ("running", {"a": "done"}),
        ("running", {"a": "done", "c": "running"}),
        ("running", {"a": "done", "c": "in_doubt"}),
        ("running", {"a": "done", "c": "retrying"}),
        ("running", {"a": "done", "c": "running"}),
        ("running", {"a": "done", "c": "in_doubt"}),
        ("compensating", {"a": "done", "c": "in_doubt"}),
        ("compensating", {"a": "compensating", "c": "in_doubt"}),
        ("compensating", {"a": "compensated", "c": "in_doubt"}),
        ("compensated", {"a": "compensated", "c": "in_doubt"}),
    ] == told


def test_a_status_of_settling() -> None:
    """A step in doubt is settling, and then settled and out of doubt."""
    log = list(run_scenario("settled").log)
    position = kinds(log).index("compensation_started") + 1

    settling, settled = status_of(log[:position]), status_of(log[: position + 1])

    assert (StepStatus("settling", 1), ("b",)) == (settling.steps["b"], settling.in_doubt)
    assert (StepStatus("settled", 1), ()) == (settled.steps["b"], settled.in_doubt)


def test_a_status_of_a_doubt_that_is_answered() -> None:
    """A step in doubt is out of doubt when a later attempt has worked, before the run has ended."""
    log = list(run_scenario("ok after doubt").log)
    doubtful, answered = kinds(log).index("step_in_doubt") + 1, len(log) - 1

    assert ("b",) == status_of(log[:doubtful]).in_doubt
    assert (StepStatus("done", 2), ()) == (
        status_of(log[:answered]).steps["b"],
        status_of(log[:answered]).in_doubt,
    )


def test_a_status_of_a_failure_in_doubt() -> None:
    """A step that has failed while an attempt is in doubt is so, with the number of its attempt."""
    assert StepStatus("in_doubt", 2) == status_of(run_scenario("in doubt").log).steps["c"]


def test_a_status_of_a_failure_that_is_settled() -> None:
    """A step that is settled after a plain failure was never in doubt."""
    b = SYNC.step(refuse, name="b", settle=pass_on, settle_on="failure")
    status = status_of(run(A >> b, "x").log)

    assert (StepStatus("settled", 1), ()) == (status.steps["b"], status.in_doubt)


def test_a_status_of_what_is_owed() -> None:
    """A compensation that has failed is owed, and its step still stands as completed."""
    status = status_of(run_scenario("jammed").log)

    assert "fatal" == status.state
    assert StepStatus("owed", 1) == status.steps["a"]
    assert ("a",) == status.completed


def test_a_status_knows_what_stands() -> None:
    """The completed steps are in the order of completion."""
    assert ("a", "b") == status_of(run_scenario("ok").log).completed
    assert ("a", "p") == status_of(run_scenario("irreversible").log).completed
    assert () == status_of(run_scenario("compensated").log).completed


def test_a_status_knows_the_time() -> None:
    """A status has the times of the first and the last event, which are not compared."""
    log = run(A, "x", run_id="run").log
    status = status_of(log)

    assert (log[0].at_ns, log[-1].at_ns) == (status.started_ns, status.ended_ns)
    assert status == status_of(simulate(A, "x", {}, run_id="run").log)


# ------------------------------------------------------------------ a status for others


def test_a_status_is_a_dict_for_others() -> None:
    """`to_dict` gives what `json.dumps` takes, and all of it comes back."""
    told = status_of(run_scenario("in doubt").log).to_dict()

    assert told == json.loads(json.dumps(told))
    assert {
        "state",
        "steps",
        "completed",
        "reason",
        "in_doubt",
        "overdue",
        "started_ns",
        "ended_ns",
    } == set(told)


def test_the_dict_of_a_status_says_what_the_status_says() -> None:
    """Steps are a dict by path, in order; lists are lists, and a reason is its repr."""

    class Wordless:
        def __repr__(self) -> str:
            raise LookupError

    status = Status(
        "compensating",
        (("a", StepStatus("done", 1)), ("b", StepStatus("failed", 2))),
        ("a",),
        ValueError("no"),
        ("b",),
        ("a",),
        1,
        2,
    )
    expected: dict[str, object] = {
        "state": "compensating",
        "steps": {"a": {"state": "done", "attempt": 1}, "b": {"state": "failed", "attempt": 2}},
        "completed": ["a"],
        "reason": "ValueError('no')",
        "in_doubt": ["b"],
        "overdue": ["a"],
        "started_ns": 1,
        "ended_ns": 2,
    }

    assert list(expected.items()) == list(status.to_dict().items())
    assert Status().to_dict()["reason"] is None
    wordless = Status(reason=Wordless()).to_dict()["reason"]
    assert "Wordless: its __repr__ raised LookupError>" in str(wordless)


def test_events_are_compared_by_kind_and_content() -> None:
    """An event equals another of its kind that says the same, whenever it was; nothing else."""
    event = events.StepStarted("run", "a", "a", 1, at_ns=1)

    assert events.StepStarted("run", "a", "a", 1, at_ns=2) == event
    assert hash(events.StepStarted("run", "a", "a", 1)) == hash(event)
    assert events.StepStarted("run", "a", "a", 2) != event
    assert events.LateReply("run", "a", "a", 1, "execute", "Success") != event
    assert "StepStarted" != event
    assert "StepStarted(run_id='run', at_ns=1, path='a', step='a', attempt=1)" == repr(event)
