"""Observers to hand: of some kinds of events, and to a logger."""

from __future__ import annotations

import logging
from typing import Any

import pytest
from attrs import evolve, frozen
from returns.result import Failure, Success

from sagalib import (
    Event,
    InvalidOption,
    InvalidSaga,
    Outcome,
    Soft,
    Step,
    events,
    log_to,
    observing,
    run,
    simulate,
)
from tests.support.time import VirtualClock
from tests.unit.scenarios import SCENARIOS, run_scenario

SHOP = logging.getLogger("tests.shop")
EIGHT = {
    "saga.started",
    "saga.step_started",
    "saga.step_ok",
    "saga.step_failed",
    "saga.compensating",
    "saga.completed",
    "saga.compensated",
    "saga.fatal",
}
CARD = "4111-1111"


@frozen
class Declined:
    """An error that tells too much."""

    card: str


# -- kinds -----------------------------------------------------------------------------------------


def test_an_observer_hears_the_kinds_it_names() -> None:
    """An observer of some kinds hears those alone, in order; it is a value."""
    heard: list[Event] = []
    log = run_scenario("in doubt").log
    observer = observing(heard.append, events.StepFailed, events.StepInDoubt)
    for event in log:
        observer(event)
    assert ["step_in_doubt", "step_failed"] == [event.kind for event in heard]
    assert observing(print, events.StepOk) == observing(print, events.StepOk)
    assert observing(print, events.StepOk) != observing(print, events.StepFailed)


async def coroutine(_: Event) -> None:
    """Be no observer."""


@pytest.mark.parametrize("observer", [1, None, coroutine])
def test_an_observer_is_a_plain_function(observer: Any) -> None:
    """What cannot hear is refused when it names its kinds."""
    with pytest.raises(InvalidSaga, match="an observer is a"):
        observing(observer, events.StepOk)


@pytest.mark.parametrize("kinds", [(), (int,), ("step_ok",), (events.StepOk, Outcome), (events,)])
def test_kinds_are_classes_of_events(kinds: tuple[Any, ...]) -> None:
    """A kind that no event is of is refused, and so are no kinds."""
    with pytest.raises(InvalidOption, match=r"expected the kinds of events to hear, .* write"):
        observing(print, *kinds)


# -- a logger --------------------------------------------------------------------------------------


def logged(caplog: pytest.LogCaptureFixture, log: Any, *level: int) -> list[logging.LogRecord]:
    """Give the records that a log makes."""
    caplog.clear()
    observer = log_to(SHOP, *level)
    with caplog.at_level(logging.DEBUG, logger=SHOP.name):
        for event in log:
            observer(event)
    return list(caplog.records)


def test_each_event_is_one_line(caplog: pytest.LogCaptureFixture) -> None:
    """A run is told line by line, each with the run and the step as fields."""

    def refuse(_: object) -> Failure[str]:
        return Failure("no")

    def fine(_: object) -> Success[str]:
        return Success("value")

    def undo(_: object) -> Success[None]:
        return Success(None)

    saga = Step(fine, undo, name="reserve") >> Step(refuse, name="charge")
    with caplog.at_level(logging.INFO, logger=SHOP.name):
        run(saga, "in", run_id="order-7", observers=[log_to(SHOP)])
    assert [
        ("INFO", "saga.started run_id=order-7 saga=saga"),
        ("INFO", "saga.step_started run_id=order-7 step=reserve attempt=1"),
        ("INFO", "saga.step_ok run_id=order-7 step=reserve attempt=1"),
        ("INFO", "saga.step_started run_id=order-7 step=charge attempt=1"),
        ("WARNING", "saga.step_failed run_id=order-7 step=charge attempt=1 because=str"),
        ("WARNING", "saga.compensating run_id=order-7 step=charge because=str"),
        (
            "INFO",
            "compensation_started run_id=order-7 step=reserve attempt=1 direction=compensate",
        ),
        ("INFO", "step_compensated run_id=order-7 step=reserve attempt=1"),
        ("WARNING", "saga.compensated run_id=order-7 step=charge because=str"),
    ] == [(record.levelname, record.getMessage()) for record in caplog.records]
    fields: list[Any] = [vars(record) for record in caplog.records]
    assert {"order-7"} == {each["run_id"] for each in fields}
    assert [
        None,
        "reserve",
        "reserve",
        "charge",
        "charge",
        "charge",
        "reserve",
        "reserve",
        "charge",
    ] == [each["step"] for each in fields]
    assert [None, 1, 1, 1, 1, None, 1, 1, None] == [each["attempt"] for each in fields]
    assert "saga.step_ok" == fields[2]["saga_event"]


def test_the_eight_names_of_telemetry_are_visible(caplog: pytest.LogCaptureFixture) -> None:
    """The eight names that events have in telemetry begin the lines; other lines have the kind."""
    named: set[str] = set()
    for name in SCENARIOS:
        log = run_scenario(name).log
        records: list[Any] = logged(caplog, log)
        assert len(log) == len(records)
        named |= {each.saga_event for each in records}
        assert [each.saga_event for each in records] == [
            each.getMessage().split()[0] for each in records
        ]
    assert EIGHT == {name for name in named if name.startswith("saga.")}
    assert "step_retrying" in named


def test_what_fails_is_a_warning_and_what_is_owed_an_error(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The level of an event goes by its kind; the level that is given is the least."""
    levels: dict[str, str] = {}
    for name in SCENARIOS:
        for record, event in zip(
            logged(caplog, run_scenario(name).log), run_scenario(name).log, strict=True
        ):
            levels[event.kind] = record.levelname
    assert {
        "cancel_requested": "INFO",
        "compensating": "WARNING",
        "compensation_failed": "ERROR",
        "compensation_retrying": "WARNING",
        "compensation_started": "INFO",
        "saga_compensated": "WARNING",
        "saga_completed": "INFO",
        "saga_fatal": "ERROR",
        "saga_started": "INFO",
        "step_compensated": "INFO",
        "step_failed": "WARNING",
        "step_in_doubt": "WARNING",
        "step_ok": "INFO",
        "step_retrying": "WARNING",
        "step_settled": "INFO",
        "step_started": "INFO",
    } == dict(sorted(levels.items()))
    log = run_scenario("irreversible").log
    assert {"CRITICAL"} == {each.levelname for each in logged(caplog, log, logging.CRITICAL)}
    late = events.LateReply("r", "a", "a", 1, "execute", "Success")
    assert ["WARNING"] == [each.levelname for each in logged(caplog, [late], logging.DEBUG)]


def test_no_value_is_written(caplog: pytest.LogCaptureFixture) -> None:
    """Neither inputs nor results nor what errors say reach the log: of a reason its kind alone."""
    calls: list[object] = []

    def charge(_: object) -> Failure[Declined]:
        calls.append(1)
        if len(calls) == 1:
            raise PermissionError(CARD)
        return Failure(Declined(CARD))

    def fine(_: object) -> Success[str]:
        return Success(CARD)

    def stuck(_: object) -> Failure[Declined]:
        return Failure(Declined(CARD))

    saga = Step(fine, stuck, name="a") >> Step(charge, retries=1)
    outcome = run(saga, CARD)
    assert CARD in repr(outcome)
    told = [
        (each.getMessage(), {name: repr(value) for name, value in vars(each).items()})
        for each in logged(caplog, outcome.log)
    ]
    assert CARD not in repr(told)
    because = [words for line, _ in told for words in line.split() if words.startswith("because=")]
    assert ["because=PermissionError"] * 2 + ["because=Declined"] * 4 == because


def test_lateness_and_doubt_are_told(caplog: pytest.LogCaptureFixture) -> None:
    """A late answer and what is left in doubt stand in the lines."""
    clock = VirtualClock()

    def slow(_: object) -> Success[str]:
        clock.advance(60)
        return Success("slow")

    log = run(Step(slow, timeout=Soft(30.0)), None, clock=clock).log
    assert logged(caplog, log)[2].getMessage().endswith("step=slow attempt=1 late=True")
    doubt = simulate(Step(slow), None, {"slow": [ConnectionError()]}).log
    assert (
        logged(caplog, doubt)[-1]
        .getMessage()
        .endswith("in_doubt=('slow',) because=ConnectionError")
    )


def test_a_logger_that_does_not_listen_is_told_nothing(caplog: pytest.LogCaptureFixture) -> None:
    """Below the level of the logger, not even a line is made."""
    observer = log_to(SHOP)
    with caplog.at_level(logging.WARNING, logger=SHOP.name):
        for event in run_scenario("in doubt").log:
            observer(event)
    assert {"WARNING"} == {record.levelname for record in caplog.records}


def test_a_logger_adapter_is_a_logger(caplog: pytest.LogCaptureFixture) -> None:
    """`log_to` takes an adapter too; two observers of one logger are equal."""
    observer = log_to(logging.LoggerAdapter(SHOP, {}))
    with caplog.at_level(logging.INFO, logger=SHOP.name):
        observer(events.SagaStarted("r", "saga", "in", "continue"))
    assert ["saga.started run_id=r saga=saga"] == [each.getMessage() for each in caplog.records]
    assert log_to(SHOP) == log_to(SHOP)


def test_an_adapter_adds_to_what_is_told(caplog: pytest.LogCaptureFixture) -> None:
    """An adapter of an adapter may add fields and change the line; it takes none away."""

    class Loud(logging.LoggerAdapter[Any]):
        def process(self, msg: Any, kwargs: Any) -> Any:
            return msg.upper(), kwargs

    adapter = Loud(logging.LoggerAdapter(SHOP, {"tenant": "north"}), None)
    with caplog.at_level(logging.INFO, logger=SHOP.name):
        log_to(adapter)(events.StepStarted("r", "a", "a", 1))
    (record,) = caplog.records
    told = vars(record)
    assert "SAGA.STEP_STARTED RUN_ID=R STEP=A ATTEMPT=1" == record.getMessage()
    assert ["north", "saga.step_started", "r", "a", 1] == [
        told[name] for name in ("tenant", "saga_event", "run_id", "step", "attempt")
    ]


@pytest.mark.parametrize(
    ("logger", "level", "said"),
    [
        ("shop", logging.INFO, "log_to takes a logger"),
        (print, logging.INFO, "log_to takes a logger"),
        (SHOP, "INFO", "level must be a number"),
        (SHOP, True, "level must be a number"),
    ],
)
def test_a_logger_and_a_level_are_called_for(logger: Any, level: Any, said: str) -> None:
    """What cannot log is refused, and so is what is no level."""
    with pytest.raises(InvalidOption, match=said):
        log_to(logger, level)


def test_equal_events_make_equal_lines(caplog: pytest.LogCaptureFixture) -> None:
    """The time of an event is that of the record, and is not written."""
    (event, *_) = run_scenario("in doubt").log
    one, two = logged(caplog, [event, evolve(event, at_ns=7)])
    assert one.getMessage() == two.getMessage()
