"""A ``match`` is complete: over the outcomes, over reasons, over what was not compensated."""

from typing import Never, assert_never, assert_type

from sagalib import (
    Cancelled,
    Compensated,
    CompensationFailed,
    Fatal,
    Irreversible,
    Ok,
    Outcome,
    Raised,
    Reason,
    TimedOut,
)
from tests.typing.shop import CardDeclined, OutOfStock, RefundRejected, Shipment


def told(outcome: Outcome[Shipment, OutOfStock | CardDeclined, RefundRejected]) -> str:
    """Say how it ended."""
    match outcome:
        case Ok(shipment):
            assert_type(shipment, Shipment)
            return shipment.tracking
        case Compensated(reason):
            assert_type(reason, OutOfStock | CardDeclined | TimedOut | Raised | Cancelled)
            return why(reason)
        case Fatal(reason, failures):
            assert_type(failures, tuple[CompensationFailed[RefundRejected] | Irreversible, ...])
            return f"{why(reason)}: {', '.join(map(left, failures))}"
        case _ as other:
            assert_never(other)


def why(reason: Reason[OutOfStock | CardDeclined]) -> str:
    """Say why."""
    match reason:
        case OutOfStock():
            return "sold out"
        case CardDeclined():
            return "no money"
        case TimedOut(seconds):
            assert_type(seconds, float)
            return "too slow"
        case Raised(kind, message):
            assert_type(kind, str)
            return message
        case Cancelled():
            return "stopped"
        case _ as other:
            assert_never(other)


def left(failure: CompensationFailed[RefundRejected] | Irreversible) -> str:
    """Say what was not compensated."""
    match failure:
        case CompensationFailed(step, reason):
            assert_type(reason, RefundRejected | TimedOut | Raised | Cancelled)
            return step
        case Irreversible(step):
            return step
        case _ as other:
            assert_never(other)


def with_no_error_of_ours(outcome: Outcome[Shipment, Never, Never]) -> str:
    """Say how it ended, without a last case: a function that gives text proves it complete."""
    match outcome:
        case Ok(shipment):
            return shipment.tracking
        case Compensated(reason):
            assert_type(reason, TimedOut | Raised | Cancelled)
            return "compensated"
        case Fatal():
            return "fatal"
