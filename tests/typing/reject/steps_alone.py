"""``compensated_by`` and ``settled_by`` belong to one step: a whole saga has neither."""

from sagalib import Step
from tests.typing.shop import charge, refund, reserve, void

right = Step(reserve) >> Step(charge).compensated_by(refund).settled_by(void)
whole = Step(reserve) >> Step(charge)
compensated = whole.compensated_by(refund)  # type: ignore
settled = whole.settled_by(void)  # type: ignore
