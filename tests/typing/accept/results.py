"""``.to_result`` and ``.unwrap``: an outcome for those who think in results, or in exceptions."""

from typing import Never, assert_type

from returns.result import Result

from sagalib import Compensated, Fatal, Ok, Outcome
from tests.typing.shop import OutOfStock, RefundRejected, Shipment


def results(
    ok: Ok[Shipment],
    compensated: Compensated[OutOfStock],
    fatal: Fatal[OutOfStock, RefundRejected],
) -> None:
    """Each outcome knows which side it is on."""
    assert_type(ok.to_result(), Result[Shipment, Never])
    assert_type(compensated.to_result(), Result[Never, Compensated[OutOfStock]])
    assert_type(fatal.to_result(), Result[Never, Fatal[OutOfStock, RefundRejected]])
    assert_type(ok.unwrap(), Shipment)


def as_result(
    outcome: Outcome[Shipment, OutOfStock, RefundRejected],
) -> Result[Shipment, Compensated[OutOfStock] | Fatal[OutOfStock, RefundRejected]]:
    """Together they are one result."""
    return outcome.to_result()


def as_value(outcome: Outcome[Shipment, OutOfStock, RefundRejected]) -> Shipment:
    """What is not Ok raises."""
    value = outcome.unwrap()
    assert_type(value, Shipment)
    return value
