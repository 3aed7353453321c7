"""Keywords: those that there are, with values of their types; on steps, stages and policies."""

from sagalib import Retry, Soft, Step, StepSettings, compensating, run, stage, step
from tests.typing.shop import Order, charge_for, release, reserve

right = Step(reserve, release, retries=Retry(2, wait=0.5), timeout=Soft(5), settle_on="failure")

unknown = Step(reserve, retry=2)  # type: ignore
retries_of_text = Step(reserve, retries="2")  # type: ignore
timeout_of_text = Step(reserve, timeout="5 s")  # type: ignore
settled_on_nothing = Step(reserve, settle_on="never")  # type: ignore
named_by_number = Step(reserve, name=7)  # type: ignore
pivot_of_text = Step(reserve, pivot="yes")  # type: ignore

unknown_of_a_stage = stage(charge_for, retry=2)  # type: ignore
unknown_of_a_decorator = step(retry=2)  # type: ignore
about_execute = compensating(release, retries=2)  # type: ignore

times_of_text = Retry("2")  # type: ignore
wait_by_position = Retry(2, 0.5)  # type: ignore
only_a_text = Retry(2, only="OutOfStock")  # type: ignore

shared: StepSettings = {"retries": 2}
unknown_shared: StepSettings = {"retry": 2}  # type: ignore

stops = run(right, Order(1), on_compensation_failure="stop")
unknown_of_run = run(right, Order(1), on_compensation_failure="ignore")  # type: ignore
