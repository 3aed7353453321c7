"""A ``match`` that leaves a case out is found, by ``assert_never`` or by the missing return."""

from typing import assert_never

from sagalib import (
    Cancelled,
    Compensated,
    CompensationFailed,
    Event,
    Fatal,
    Irreversible,
    Ok,
    Outcome,
    Raised,
    Reason,
    TimedOut,
    events,
)
from tests.typing.shop import CardDeclined, OutOfStock, RefundRejected, Shipment


def without_fatal(outcome: Outcome[Shipment, OutOfStock, RefundRejected]) -> str:
    """Leave out Fatal."""
    match outcome:
        case Ok(shipment):
            return shipment.tracking
        case Compensated():
            return "compensated"
        case _ as other:
            assert_never(other)  # type: ignore


def without_compensated(outcome: Outcome[Shipment, OutOfStock, RefundRejected]) -> str:
    """Leave out Compensated."""
    match outcome:
        case Ok(shipment):
            return shipment.tracking
        case Fatal():
            return "fatal"
        case _ as other:
            assert_never(other)  # type: ignore


def without_one_of_ours(reason: Reason[OutOfStock | CardDeclined]) -> str:
    """Leave out CardDeclined."""
    match reason:
        case OutOfStock():
            return "sold out"
        case TimedOut() | Raised() | Cancelled():
            return "in doubt"
        case _ as other:
            assert_never(other)  # type: ignore


def without_one_of_the_library(reason: Reason[OutOfStock]) -> str:
    """Leave out Cancelled."""
    match reason:
        case OutOfStock():
            return "sold out"
        case TimedOut() | Raised():
            return "in doubt"
        case _ as other:
            assert_never(other)  # type: ignore


def without_irreversible(failure: CompensationFailed[RefundRejected] | Irreversible) -> str:
    """Leave out Irreversible."""
    match failure:
        case CompensationFailed(step):
            return step
        case _ as other:
            assert_never(other)  # type: ignore


def without_an_event(event: Event) -> str:
    """Leave out LateReply, and what ends a run."""
    match event:
        case events.SagaStarted() | events.CancelRequested() | events.Compensating():
            return "run"
        case events.StepStarted() | events.StepOk() | events.StepInDoubt() | events.StepFailed():
            return "step"
        case events.StepRetrying() | events.CompensationStarted() | events.CompensationRetrying():
            return "call"
        case events.StepCompensated() | events.StepSettled() | events.CompensationGaveUp():
            return "back"
        case _ as other:
            assert_never(other)  # type: ignore
