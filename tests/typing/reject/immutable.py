"""Sagas, policies and outcomes are values: nothing of them can be set."""

from sagalib import Ok, Retry, Step
from tests.typing.shop import reserve

step = Step(reserve)
retry = Retry(2)
outcome = Ok(1)

longer = step.named("hold")
step.name = "hold"  # type: ignore
step.retries = Retry(3)  # type: ignore
step.compensate = None  # type: ignore
retry.times = 3  # type: ignore
outcome.value = 2  # type: ignore
