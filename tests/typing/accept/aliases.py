"""Names for the types that functions take: in signatures of one's own."""

from collections.abc import Sequence
from typing import Never

from returns.result import Failure

from sagalib import (
    Answer,
    Call,
    Invoke,
    OnCompensationFailure,
    Outcome,
    RunState,
    Script,
    Sleep,
    Soft,
    Status,
    Step,
    StepState,
    StepStatus,
    Suspended,
    Timeout,
    run,
    simulate,
)
from tests.typing.shop import Order, OutOfStock, Reservation, release, reserve


def patient(timeout: Timeout) -> Step[Order, Reservation, OutOfStock]:
    """Take a timeout."""
    return Step(reserve, release, timeout=timeout)


patient(None)
patient(3.0)
patient(Soft(1.0))


def carefully(
    order: Order, policy: OnCompensationFailure
) -> Outcome[Reservation, OutOfStock, Never]:
    """Take a policy."""
    return run(patient(None), order, on_compensation_failure=policy)


def scripted(answers: Sequence[Answer]) -> Script:
    """Give a script."""
    return {"reserve": answers}


def always(call: Call) -> Answer | None:
    """Be a script."""
    return Failure(call.attempt)


simulate(patient(None), Order(1), scripted([]))
simulate(patient(None), Order(1), always)


def is_over(status: Status) -> bool:
    """Read a state."""
    state: RunState = status.state
    return state in {"completed", "compensated", "fatal"}


def shown(step: StepStatus) -> StepState:
    """Read the state of a step."""
    return step.state


def next_paths(suspended: Suspended) -> list[str]:
    """Read what is asked for next."""
    paths: list[str] = []
    for command in suspended.commands:
        match command:
            case Invoke(call=call):
                paths.append(call.path)
            case Sleep(path=path):
                paths.append(path)
    return paths
