"""sagalib: sagas as values.

Steps with compensations, composed with ``>>``, interpreted by a pure machine, run by small drivers.

A saga is a sequence of steps, each with a compensation. If a step fails, the completed ones are
compensated, last completed first.
Read ``sagalib.core`` in the order that its docstring gives.
"""

import importlib
from typing import TYPE_CHECKING

from sagalib.core import events
from sagalib.core.errors import (
    IllegalReply,
    InvalidOption,
    InvalidSaga,
    LogMismatch,
    NoAnswer,
    NoCurrentCall,
    RunCompensated,
    RunFailed,
    RunFatal,
    RunIdInUse,
    SagaError,
    SupervisorClosed,
    UnknownRun,
    WrongColour,
)
from sagalib.core.events import Event
from sagalib.core.functions import catching, last, star
from sagalib.core.messages import Call, Cancel, Invoke, Late, Refused, Sleep, Unknown
from sagalib.core.outcomes import (
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
from sagalib.core.policy import Retry, Soft, Timeout
from sagalib.core.saga import Async, Saga, Sync, arrow, chain, fail, identity
from sagalib.core.stages import async_stage, stage
from sagalib.core.steps import AsyncStep, Step, StepSettings, compensating, step
from sagalib.drivers.calls import Observer, OnCompensationFailure, current_call, outcome_of
from sagalib.drivers.clock import AsyncClock, Clock
from sagalib.drivers.sync import run

if TYPE_CHECKING:
    from sagalib.core.choice import Cases, When, on, when
    from sagalib.core.lints import Lint, LintKind
    from sagalib.core.parallel import OnFailure, each, gather, par, together
    from sagalib.core.plan import FailurePoint, HowItFails, Plan, PlannedCall, plan
    from sagalib.core.replay import Suspended, replay
    from sagalib.core.status import RunState, Status, StepState, StepStatus, status_of
    from sagalib.drivers.aio import run_async
    from sagalib.drivers.aio_supervisor import AsyncSupervisor, run_many_async
    from sagalib.drivers.explored import Answers, Exploration, Schedule, explore
    from sagalib.drivers.simulated import Answer, Script, simulate
    from sagalib.drivers.supervisor import Supervisor, run_many
    from sagalib.pictures import Picture, draw
    from sagalib.telemetry import log_to, observing

__all__ = [
    "Answer",
    "Answers",
    "Async",
    "AsyncClock",
    "AsyncStep",
    "AsyncSupervisor",
    "Call",
    "Cancel",
    "Cancelled",
    "Cases",
    "Clock",
    "Compensated",
    "CompensationFailed",
    "Event",
    "Exploration",
    "FailurePoint",
    "Fatal",
    "HowItFails",
    "IllegalReply",
    "InvalidOption",
    "InvalidSaga",
    "Invoke",
    "Irreversible",
    "Late",
    "Lint",
    "LintKind",
    "LogMismatch",
    "NoAnswer",
    "NoCurrentCall",
    "Observer",
    "Ok",
    "OnCompensationFailure",
    "OnFailure",
    "Outcome",
    "Picture",
    "Plan",
    "PlannedCall",
    "Raised",
    "Reason",
    "Refused",
    "Retry",
    "RunCompensated",
    "RunFailed",
    "RunFatal",
    "RunIdInUse",
    "RunState",
    "Saga",
    "SagaError",
    "Schedule",
    "Script",
    "Sleep",
    "Soft",
    "Status",
    "Step",
    "StepSettings",
    "StepState",
    "StepStatus",
    "Supervisor",
    "SupervisorClosed",
    "Suspended",
    "Sync",
    "TimedOut",
    "Timeout",
    "Unknown",
    "UnknownRun",
    "When",
    "WrongColour",
    "arrow",
    "async_stage",
    "catching",
    "chain",
    "compensating",
    "current_call",
    "draw",
    "each",
    "events",
    "explore",
    "fail",
    "gather",
    "identity",
    "last",
    "log_to",
    "observing",
    "on",
    "outcome_of",
    "par",
    "plan",
    "replay",
    "run",
    "run_async",
    "run_many",
    "run_many_async",
    "simulate",
    "stage",
    "star",
    "status_of",
    "step",
    "together",
    "when",
]


_LATER = {
    "sagalib.core.choice": ("Cases", "When", "on", "when"),
    "sagalib.core.lints": ("Lint", "LintKind"),
    "sagalib.core.parallel": ("OnFailure", "each", "gather", "par", "together"),
    "sagalib.core.plan": ("FailurePoint", "HowItFails", "Plan", "PlannedCall", "plan"),
    "sagalib.core.replay": ("Suspended", "replay"),
    "sagalib.core.status": ("RunState", "Status", "StepState", "StepStatus", "status_of"),
    "sagalib.drivers.aio": ("run_async",),
    "sagalib.drivers.aio_supervisor": ("AsyncSupervisor", "run_many_async"),
    "sagalib.drivers.explored": ("Answers", "Exploration", "Schedule", "explore"),
    "sagalib.drivers.simulated": ("Answer", "Script", "simulate"),
    "sagalib.drivers.supervisor": ("Supervisor", "run_many"),
    "sagalib.pictures": ("Picture", "draw"),
    "sagalib.telemetry": ("log_to", "observing"),
}
_HOMES = {name: module for module, names in _LATER.items() for name in names}


def __getattr__(name: str) -> object:
    """Import a name when it is first asked for: who only runs plain sagas needs none of these."""
    if name in _HOMES:
        globals()[name] = found = getattr(importlib.import_module(_HOMES[name]), name)
        return found
    message = f"module {__name__!r} has no attribute {name!r}"
    raise AttributeError(message)


def __dir__() -> list[str]:
    """Give all names, also those that nobody has asked for yet."""
    return sorted({*globals(), *_HOMES})
