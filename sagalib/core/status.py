"""Where a run stands, for people: a fold of its log.

``Status`` is acted on by events, so the status of a longer log is that of a shorter one and the
rest: ``status_of(a + b)`` is ``status_of(b, status_of(a))``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Final, Literal, TypeAlias, final

from attrs import evolve, field, frozen

from sagalib.core import events as e

__all__ = ["PENDING", "RunState", "Status", "StepState", "StepStatus", "status_of"]

RunState: TypeAlias = Literal[
    "pending", "running", "compensating", "completed", "compensated", "fatal"
]
"""Where a run stands, or how it ended."""
StepState: TypeAlias = Literal[
    "running",
    "retrying",
    "done",
    "failed",
    "in_doubt",
    "compensating",
    "compensated",
    "settling",
    "settled",
    "owed",
]
"""Where a step stands; ``owed`` if its compensation has failed."""


@final
@frozen
class StepStatus:
    """Where one step stands, and the number of its latest call in that direction."""

    state: StepState
    attempt: int


@final
@frozen
class Status:
    """Where a run stands.

    Attributes:
        state: ``pending``, ``running``, ``compensating``, or how it ended: ``completed``,
            ``compensated``, ``fatal``.
        step_states: pairs of path and ``StepStatus``, in the order of the first call; ``steps`` is
            the same as a mapping.
        completed: paths of the steps whose effect stands, in the order of completion.
        reason: why the saga fails or failed, or ``None``.
        in_doubt: paths of calls that may have had an effect and have not been settled or answered
            ok.
        overdue: paths of calls in progress that take longer than their timeout. It depends on what
            time it is, so a supervisor fills it in; a log alone leaves it empty.
        started_ns, ended_ns: nanoseconds since the epoch, or ``None``.
    """

    state: RunState = "pending"
    step_states: tuple[tuple[str, StepStatus], ...] = ()
    completed: tuple[str, ...] = ()
    reason: object = None
    in_doubt: tuple[str, ...] = ()
    overdue: tuple[str, ...] = ()
    started_ns: int | None = field(default=None, eq=False)
    ended_ns: int | None = field(default=None, eq=False)

    @property
    def steps(self) -> Mapping[str, StepStatus]:
        """Path -> ``StepStatus``, in the order in which the steps were first called."""
        return MappingProxyType(dict(self.step_states))

    def after(self, event: e.Event) -> Status:
        """Give the status after one more event."""
        return status_of((event,), self)

    def to_dict(self) -> dict[str, object]:
        """Give the status as ``json.dumps`` takes it: dicts, lists, text, numbers and ``None``.

        The keys are the attributes. ``steps`` is path -> ``{"state": ..., "attempt": ...}``.
        ``reason`` is text, the ``repr`` of the reason: whoever may read a status reads that too.
        """
        return {
            "state": self.state,
            "steps": {
                path: {"state": step.state, "attempt": step.attempt}
                for path, step in self.step_states
            },
            "completed": list(self.completed),
            "reason": None if self.reason is None else _text_of(self.reason),
            "in_doubt": list(self.in_doubt),
            "overdue": list(self.overdue),
            "started_ns": self.started_ns,
            "ended_ns": self.ended_ns,
        }


def _text_of(reason: object) -> str:
    try:
        return repr(reason)
    except Exception as broken:
        return f"<{type(reason).__qualname__}: its __repr__ raised {type(broken).__name__}>"


PENDING: Final = Status()

_STEP_STATES: Final[Mapping[type[object], StepState]] = {
    e.StepStarted: "running",
    e.StepOk: "done",
    e.StepInDoubt: "in_doubt",
    e.StepRetrying: "retrying",
    e.StepFailed: "failed",
    e.StepCompensated: "compensated",
    e.StepSettled: "settled",
    e.CompensationGaveUp: "owed",
}
_RUN_STATES: Final[Mapping[type[object], RunState]] = {
    e.SagaStarted: "running",
    e.StepStarted: "running",
    e.Compensating: "compensating",
    e.CompensationStarted: "compensating",
    e.SagaCompleted: "completed",
    e.SagaCompensated: "compensated",
    e.SagaFatal: "fatal",
}


def status_of(log: Iterable[e.Event], status: Status = PENDING) -> Status:
    """Fold a log, or what comes after ``status``, to a ``Status``.

    Args:
        log: the events of one run, in order; all of them, or the first.
        status: where the run stood before ``log``.
    """
    steps, completed, in_doubt = (
        dict(status.step_states),
        dict.fromkeys(status.completed),
        dict.fromkeys(status.in_doubt),
    )
    state, reason, started, ended = status.state, status.reason, status.started_ns, status.ended_ns
    for event in log:
        state = _RUN_STATES.get(type(event), state)
        match event:
            case e.SagaStarted(at_ns=at_ns):
                started = at_ns
            case e.StepOk(path=path):
                completed[path] = None
                in_doubt.pop(path, None)
            case e.StepInDoubt(path=path):
                in_doubt[path] = None
            case e.StepCompensated(path=path):
                completed.pop(path, None)
            case e.StepSettled(path=path):
                in_doubt.pop(path, None)
            case e.Compensating(reason=why):
                reason = why
            case e.SagaCompleted() | e.SagaCompensated() | e.SagaFatal():
                ended, in_doubt = event.at_ns, dict.fromkeys(event.in_doubt)
            case _:
                pass
        changed = _step_state(event, in_doubt)
        if changed is not None:
            path, steps[path] = changed
    return evolve(
        status,
        state=state,
        step_states=tuple(steps.items()),
        completed=tuple(completed),
        reason=reason,
        in_doubt=tuple(in_doubt),
        started_ns=started,
        ended_ns=ended,
    )


def _step_state(event: e.Event, in_doubt: Mapping[str, None]) -> tuple[str, StepStatus] | None:
    match event:
        case e.CompensationStarted(path=path, attempt=attempt, direction=direction):
            return path, StepStatus(
                "settling" if direction == "settle" else "compensating", attempt
            )
        case e.StepFailed(path=path, attempt=attempt) if path in in_doubt:
            return path, StepStatus("in_doubt", attempt)
        case (
            e.StepStarted(path=path, attempt=attempt)
            | e.StepOk(path=path, attempt=attempt)
            | e.StepInDoubt(path=path, attempt=attempt)
            | e.StepRetrying(path=path, attempt=attempt)
            | e.StepFailed(path=path, attempt=attempt)
            | e.StepCompensated(path=path, attempt=attempt)
            | e.StepSettled(path=path, attempt=attempt)
            | e.CompensationGaveUp(path=path, attempt=attempt)
        ):
            return path, StepStatus(_STEP_STATES[type(event)], attempt)
        case _:
            return None
