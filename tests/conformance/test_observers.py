"""Cases 113-121 and 123: what observers hear, and faults injected by a script."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Literal

import pytest
from returns.result import Failure, Success

from sagalib import (
    Compensated,
    CompensationFailed,
    Event,
    Fatal,
    Ok,
    Outcome,
    StepStatus,
    events,
    observing,
    simulate,
    status_of,
)
from tests.conformance.world import INTERRUPT, AnySaga, Did, Settled, Undid, World, story

ENDS = ("saga_completed", "saga_compensated", "saga_fatal")


@pytest.mark.parametrize(
    ("last", "undo", "end"),
    [
        (Success("B"), Success(None), "saga_completed"),
        (Failure("no"), Success(None), "saga_compensated"),
        (Failure("no"), Failure("stuck"), "saga_fatal"),
    ],
    ids=["ok", "compensated", "fatal"],
)
def test_113_the_end_is_told_once(world: World, last: object, undo: object, end: str) -> None:
    """An observer is told once how the run ended, after all else."""
    heard: list[Event] = []
    saga = world.step("a", undo=undo) >> world.step("b", last)
    outcome = world.run(saga, observers=[heard.append])
    assert [(len(heard) - 1, end)] == [
        (at, event.kind) for at, event in enumerate(heard) if event.kind in ENDS
    ]
    assert list(outcome.log) == heard


def test_114_an_observer_that_raises_is_reported_once(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    """An observer that raises is reported, once for a run; result and others are as ever."""
    before: list[Event] = []
    after: list[Event] = []
    tries: list[str] = []

    def broken(event: Event) -> None:
        tries.append(event.kind)
        raise LookupError(event.kind)

    saga = world.step("a") >> world.step("b", Failure("no"))
    with caplog.at_level(logging.WARNING, logger="sagalib"):
        outcome = world.run(saga, observers=[before.append, broken, after.append])
    assert Compensated("no", "b") == outcome
    assert list(outcome.log) == before
    assert list(outcome.log) == after
    assert [event.kind for event in outcome.log] == tries
    assert [(logging.WARNING, LookupError)] == [
        (record.levelno, record.exc_info[0]) for record in caplog.records if record.exc_info
    ]
    assert 1 == len(caplog.records)


def test_115_a_tracer_hears_start_and_end_of_every_call(world: World) -> None:
    """Five steps of which the last fails: each start is followed by its end, there and back."""
    told: list[str] = []

    def tracer(event: Event) -> None:
        told.extend(story([event]))
        told.append(f"  {len(world.calls)} calls")

    steps = [world.step(name) for name in ("a", "b", "c", "d")]
    saga = steps[0] >> steps[1] >> steps[2] >> steps[3] >> world.step("e", Failure("no"))
    assert Compensated("no", "e") == world.run(saga, observers=[tracer])
    # The number of calls shows that an event is told when it happens, not at the end.
    assert [
        *("saga_started", "  0 calls"),
        *("step_started a", "  0 calls", "step_ok a", "  1 calls"),
        *("step_started b", "  1 calls", "step_ok b", "  2 calls"),
        *("step_started c", "  2 calls", "step_ok c", "  3 calls"),
        *("step_started d", "  3 calls", "step_ok d", "  4 calls"),
        *("step_started e", "  4 calls", "step_failed e", "  5 calls"),
        *("compensating", "  5 calls"),
        *("compensation_started d", "  5 calls", "step_compensated d", "  6 calls"),
        *("compensation_started c", "  6 calls", "step_compensated c", "  7 calls"),
        *("compensation_started b", "  7 calls", "step_compensated b", "  8 calls"),
        *("compensation_started a", "  8 calls", "step_compensated a", "  9 calls"),
        *("saga_compensated", "  9 calls"),
    ] == told


def _told(world: World, saga: AnySaga) -> list[str]:
    heard: list[Event] = []
    outcome = world.run(saga, observers=[heard.append])
    assert list(outcome.log) == heard
    return story(heard)


@pytest.mark.parametrize(
    ("answers", "retries", "expected"),
    [
        ([Success("A")], 0, ["step_started a", "step_ok a", "saga_completed"]),
        (
            [Failure("busy"), Success("A")],
            1,
            [
                "step_started a",
                "step_retrying a",
                "step_started a",
                "step_ok a",
                "saga_completed",
            ],
        ),
        (
            [Failure("no")],
            0,
            ["step_started a", "step_failed a", "compensating", "saga_compensated"],
        ),
        (
            ["malformed"],
            0,
            [
                "step_started a",
                "step_in_doubt a",
                "step_failed a",
                "compensating",
                "saga_compensated",
            ],
        ),
        (
            [OSError("broken"), Success("A")],
            1,
            [
                "step_started a",
                "step_in_doubt a",
                "step_retrying a",
                "step_started a",
                "step_ok a",
                "saga_completed",
            ],
        ),
    ],
    ids=["success", "retry", "fail", "malformed", "raise and retry"],
)
def test_116_the_events_of_a_step(
    world: World, answers: Sequence[object], retries: int, expected: list[str]
) -> None:
    """Success, retry, failure and a malformed answer give exactly these events."""
    assert ["saga_started", *expected] == _told(world, world.step("a", *answers, retries=retries))


def test_116_the_events_of_an_interrupt(world: World) -> None:
    """An interrupt of a call gives the request to stop, the doubt, and the way back."""
    heard: list[Event] = []
    saga = world.step("a") >> world.step("b", INTERRUPT)
    _, outcome = world.interrupted(saga, observers=[heard.append])
    assert outcome is not None
    assert list(outcome.log) == heard
    assert [
        "saga_started",
        "step_started a",
        "step_ok a",
        "step_started b",
        "cancel_requested",
        "step_in_doubt b",
        "step_failed b",
        "compensating",
        "compensation_started a",
        "step_compensated a",
        "saga_compensated",
    ] == story(heard)


BACK: list[tuple[str, tuple[object, ...], int, list[str]]] = [
    ("ok", (Success(None),), 0, ["started", "made up"]),
    (
        "retry",
        (Failure("busy"), OSError("broken"), Success(None)),
        5,
        ["started", "retrying", "started", "retrying", "started", "made up"],
    ),
    ("retry x5", (Failure("stuck"),), 5, [*["started", "retrying"] * 5, "started", "failed"]),
    ("error", (Failure("stuck"),), 0, ["started", "failed"]),
    ("raise", (OSError("stuck"),), 0, ["started", "failed"]),
    ("malformed", ("stuck",), 0, ["started", "failed"]),
]


@pytest.mark.parametrize(
    ("answers", "retries", "words"), [case[1:] for case in BACK], ids=[case[0] for case in BACK]
)
@pytest.mark.parametrize("direction", ["compensate", "settle"])
def test_117_the_events_of_the_way_back(
    world: World, direction: str, answers: tuple[object, ...], retries: int, words: list[str]
) -> None:
    """Success, retries and failure of a compensate or a settle give exactly these events."""
    kinds = {
        "started": "compensation_started a",
        "retrying": "compensation_retrying a",
        "failed": "compensation_failed a",
        "made up": "step_compensated a" if direction == "compensate" else "step_settled a",
    }
    if direction == "compensate":
        step = world.step("a", undo=answers, compensation_retries=retries)
        saga = step >> world.step("b", Failure("no"))
        forward = ["step_started a", "step_ok a", "step_started b", "step_failed b"]
    else:
        saga = world.step(
            "a",
            Failure("no"),
            settle=answers,
            settle_on="failure",
            compensation_retries=retries,
        )
        forward = ["step_started a", "step_failed a"]
    end = "saga_fatal" if words[-1] == "failed" else "saga_compensated"
    assert [
        "saga_started",
        *forward,
        "compensating",
        *(kinds[word] for word in words),
        end,
    ] == _told(world, saga)


def _eventful(world: World) -> AnySaga:
    """Give a saga that retries, fails, settles, compensates, and has a compensation fail."""
    return (
        world.step("a")
        >> world.step("b", Failure("busy"), Success("B"), retries=1, undo=Failure("stuck"))
        >> world.step("c", OSError("broken"), settle=(Failure("busy"), Success(None)),
                      compensation_retries=1)
    )  # fmt: skip


def test_118_an_observer_that_raises_changes_nothing(world: World) -> None:
    """Whichever event an observer raises on, outcome, log and calls are those without it."""
    expected = world.run(_eventful(world), run_id="r")
    calls = list(world.calls)
    assert [
        Did("a", "in"),
        Did("b", "A"),
        Did("b", "A"),
        Did("c", "B"),
        Settled("c", "B"),
        Settled("c", "B"),
        Undid("b", "B"),
        Undid("a", "A"),
    ] == calls
    for position in range(len(expected.log)):
        heard: list[Event] = []

        def broken(event: Event, heard: list[Event] = heard, position: int = position) -> None:
            heard.append(event)
            if len(heard) - 1 == position:
                raise RuntimeError(event.kind)

        world.calls.clear()
        outcome = world.run(_eventful(world), run_id="r", observers=[broken])
        assert expected == outcome
        assert list(expected.log) == list(outcome.log)
        assert list(expected.log) == heard
        assert calls == world.calls


def test_119_an_observer_given_twice_hears_twice(world: World) -> None:
    """The same observer given twice hears each event twice, in order: it is no mistake."""
    heard: list[Event] = []
    outcome = world.run(world.step("a"), observers=[heard.append, heard.append])
    assert Ok("A") == outcome
    assert [event for event in outcome.log for _ in range(2)] == heard


def _simulated(
    script: dict[str, list[Failure[str]]], policy: Literal["continue", "stop"]
) -> tuple[World, Outcome[object, object, object]]:
    world = World("run")
    saga = world.step("a") >> world.step("b") >> world.step("c") >> world.step("d")
    return world, simulate(saga, "in", script, on_compensation_failure=policy)


@pytest.mark.parametrize("name", ["a", "b", "c", "d"])
def test_120_an_injected_error_replaces_the_call(name: str) -> None:
    """A step for which a script has an error is not called; all before it is undone."""
    world, outcome = _simulated({name: [Failure("injected")]}, "continue")
    assert Compensated("injected", name) == outcome
    done = "abcd"[: "abcd".index(name)]
    forward = [Did(step, value) for step, value in zip(done, ["in", "A", "B", "C"], strict=False)]
    assert [*forward, *(Undid(step, step.upper()) for step in reversed(done))] == world.calls


def test_121_an_injected_error_of_a_compensation_leaves_the_saga_stuck() -> None:
    """Under `stop`, a script's error of a compensation replaces its call, and none follows."""
    script = {"d": [Failure("no")], "b:compensate": [Failure("injected")]}
    world, outcome = _simulated(script, "stop")
    assert Fatal("no", (CompensationFailed("b", "injected"),), "d") == outcome
    assert [Did("a", "in"), Did("b", "A"), Did("c", "B"), Undid("c", "C")] == world.calls
    assert [
        ("a", StepStatus("done", 1)),
        ("b", StepStatus("owed", 1)),
        ("c", StepStatus("compensated", 1)),
        ("d", StepStatus("failed", 1)),
    ] == list(status_of(outcome.log).steps.items())


def test_123_an_observer_hears_the_kinds_that_it_asked_for(world: World) -> None:
    """Of the same run, each observer hears the kinds of events that it named, in order."""
    all_kinds: list[Event] = []
    steps: list[Event] = []
    ends: list[Event] = []
    outcome = world.run(
        world.step("a") >> world.step("b", Failure("no")),
        observers=[
            all_kinds.append,
            observing(steps.append, events.StepOk, events.StepFailed, events.StepCompensated),
            observing(ends.append, events.SagaCompensated),
        ],
    )
    assert list(outcome.log) == all_kinds
    assert ["step_ok a", "step_failed b", "step_compensated a"] == story(steps)
    assert [outcome.log[-1]] == ends
