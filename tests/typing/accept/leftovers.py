"""``Fatal.residual`` and ``Ok.compensation``: what is owed, and the way back, as sagas to run."""

from collections.abc import Sequence
from typing import Never, assert_type

from sagalib import Event, Fatal, Ok, Outcome, Saga, run
from tests.typing.shop import OutOfStock, RefundRejected, Shipment


def again(
    fatal: Fatal[OutOfStock, RefundRejected],
) -> Outcome[None, Never, RefundRejected]:
    """Try the rest of the way back again."""
    assert_type(fatal.residual, Saga[None, None, Never, RefundRejected])
    return run(fatal.residual)


def undo(ok: Ok[Shipment]) -> Outcome[None, Never, object]:
    """Take back what has gone well."""
    assert_type(ok.compensation, Saga[None, None, Never, object])
    return run(ok.compensation)


def remembered(outcome: Outcome[Shipment, OutOfStock, RefundRejected]) -> Sequence[Event]:
    """Every outcome has a log, an id, and what is in doubt."""
    assert_type(outcome.run_id, str)
    assert_type(outcome.in_doubt, tuple[str, ...])
    return outcome.log
