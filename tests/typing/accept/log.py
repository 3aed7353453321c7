"""A ``match`` over the events of a log, and what is read from a log: ``Status``, ``replay``."""

from collections.abc import Mapping, Sequence
from typing import Never, assert_never, assert_type

from sagalib import (
    Event,
    Outcome,
    Saga,
    Status,
    StepStatus,
    Suspended,
    events,
    replay,
    status_of,
)
from tests.typing.shop import Order, OutOfStock, Reservation


def told(event: Event) -> str:
    """Say what happened."""
    match event:
        case events.SagaStarted():
            return f"{event.saga} began"
        case events.StepStarted() | events.CompensationStarted():
            return f"{event.path}, call {event.attempt}"
        case events.StepOk(path=path) | events.StepCompensated(path=path):
            assert_type(path, str)
            return f"{path} done"
        case events.StepInDoubt() | events.StepRetrying() | events.StepFailed():
            return f"{event.step}: {event.reason}"
        case events.CompensationRetrying() | events.CompensationGaveUp():
            return f"{event.step}: {event.reason}"
        case events.StepSettled() | events.LateReply():
            return event.step
        case events.CancelRequested() | events.DeadlineExpired() | events.Compensating():
            return "back"
        case events.SagaCompleted() | events.SagaCompensated() | events.SagaFatal():
            return f"{event.run_id} ended"
        case _ as other:
            assert_never(other)


def read(log: Sequence[Event], saga: Saga[Order, Reservation, OutOfStock]) -> None:
    """A log gives a status, and with its saga an outcome or the place where it breaks off."""
    status = status_of(log)
    assert_type(status, Status)
    assert_type(status.steps, Mapping[str, StepStatus])
    assert_type(replay(saga, Order(1), log), Outcome[Reservation, OutOfStock, Never] | Suspended)
