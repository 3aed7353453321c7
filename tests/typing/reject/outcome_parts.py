"""An outcome has what its kind has: a value only if it is Ok, failures only if it is Fatal."""

from sagalib import Compensated, Fatal, Ok, Outcome
from tests.typing.shop import OutOfStock, RefundRejected, Reservation, Shipment


def of_any_kind(outcome: Outcome[Shipment, OutOfStock, RefundRejected]) -> None:
    """Ask before knowing which it is."""
    print(outcome.log, outcome.in_doubt, outcome.run_id)
    print(outcome.value)  # type: ignore
    print(outcome.reason)  # type: ignore
    print(outcome.failures)  # type: ignore
    print(outcome.residual)  # type: ignore


def of_its_kind(
    ok: Ok[Shipment], compensated: Compensated[OutOfStock], fatal: Fatal[OutOfStock, RefundRejected]
) -> None:
    """Ask the wrong one."""
    print(ok.value, ok.compensation, compensated.reason, fatal.reason, fatal.failures)
    print(ok.reason)  # type: ignore
    print(compensated.residual)  # type: ignore
    print(fatal.value)  # type: ignore


def of_another_type(
    ok: Ok[Shipment], compensated: Compensated[OutOfStock], fatal: Fatal[OutOfStock, RefundRejected]
) -> None:
    """Take it for something else."""
    value: Shipment = ok.value
    other_value: Reservation = ok.value  # type: ignore
    other_reason: str = compensated.reason  # type: ignore
    cannot_owe: Fatal[OutOfStock] = fatal  # type: ignore
    print(value, other_value, other_reason, cannot_owe)
