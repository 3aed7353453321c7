"""What happened in a run, as past-tense facts: all that a journal stores and a telemetry sink sees.

An event carries no function and nothing that can be worked out from the saga. ``at_ns`` is the time
in nanoseconds since the epoch, from the driver's clock; ``None`` where no clock was involved, as in
a simulation. Two events are equal whatever their times.
"""

from __future__ import annotations

from typing import ClassVar, TypeAlias, final

from attrs import field, fields, frozen

from sagalib.core.outcomes import CompensationFailed, Irreversible

__all__ = [
    "CancelRequested",
    "Compensating",
    "CompensationGaveUp",
    "CompensationRetrying",
    "CompensationStarted",
    "DeadlineExpired",
    "Event",
    "LateReply",
    "SagaCompensated",
    "SagaCompleted",
    "SagaFatal",
    "SagaStarted",
    "StepCompensated",
    "StepFailed",
    "StepInDoubt",
    "StepOk",
    "StepRetrying",
    "StepSettled",
    "StepStarted",
]


@frozen(eq=False, repr=False)
class _Event:
    """What all events share.

    Comparing, hashing and showing stand here once: made for each class, they would be half of the
    time that the package takes to import.
    """

    kind: ClassVar[str]
    telemetry_name: ClassVar[str | None] = None
    """The name of the event in telemetry, as ``saga.started``, or ``None``."""

    run_id: str
    at_ns: int | None = field(default=None, eq=False, kw_only=True)

    def _compared(self) -> tuple[object, ...]:
        return tuple(getattr(self, made.name) for made in fields(type(self)) if made.eq)

    def __eq__(self, other: object) -> bool:
        """Compare all but the time."""
        if not isinstance(other, _Event) or type(other) is not type(self):
            return NotImplemented
        return self._compared() == other._compared()

    def __hash__(self) -> int:
        """Agree with ``==``."""
        return hash((type(self), self._compared()))

    def __repr__(self) -> str:
        """Show all but values, which may be secret."""
        shown = [
            f"{made.name}={getattr(self, made.name)!r}" for made in fields(type(self)) if made.repr
        ]
        return f"{type(self).__name__}({', '.join(shown)})"


@frozen(eq=False, repr=False)
class _CallEvent(_Event):
    """What all events of one call share.

    They are the path of the step, its name, and the number of the call, from 1.
    """

    path: str
    step: str
    attempt: int


@final
@frozen(eq=False, repr=False)
class SagaStarted(_Event):
    """A run has begun.

    It says with which saga, on which input, and what is done when a compensation fails.
    """

    kind: ClassVar[str] = "saga_started"
    telemetry_name: ClassVar[str | None] = "saga.started"

    saga: str
    value: object = field(repr=False)
    on_compensation_failure: str


@final
@frozen(eq=False, repr=False)
class StepStarted(_CallEvent):
    """An execute is about to be called."""

    kind: ClassVar[str] = "step_started"
    telemetry_name: ClassVar[str | None] = "saga.step_started"


@final
@frozen(eq=False, repr=False)
class StepOk(_CallEvent):
    """An execute returned ``Success(value)``; ``late`` if it took longer than its soft timeout."""

    kind: ClassVar[str] = "step_ok"
    telemetry_name: ClassVar[str | None] = "saga.step_ok"

    value: object = field(repr=False)
    late: bool = False


@final
@frozen(eq=False, repr=False)
class StepInDoubt(_CallEvent):
    """An execute gave no definite answer: it may have had an effect.

    ``StepRetrying`` or ``StepFailed`` follows.
    """

    kind: ClassVar[str] = "step_in_doubt"

    reason: object


@final
@frozen(eq=False, repr=False)
class StepRetrying(_CallEvent):
    """An attempt failed and another follows.

    ``returned`` tells whether the reason is an error that the step returned.
    """

    kind: ClassVar[str] = "step_retrying"

    reason: object
    returned: bool


@final
@frozen(eq=False, repr=False)
class StepFailed(_CallEvent):
    """An attempt failed and none follows.

    ``returned`` tells whether the reason is an error that the step returned.
    """

    kind: ClassVar[str] = "step_failed"
    telemetry_name: ClassVar[str | None] = "saga.step_failed"

    reason: object
    returned: bool


@final
@frozen(eq=False, repr=False)
class LateReply(_CallEvent):
    """A call that had been given up by a hard timeout has answered after all.

    It changes nothing.
    """

    kind: ClassVar[str] = "late_reply"

    direction: str
    reply: str


@final
@frozen(eq=False, repr=False)
class CancelRequested(_Event):
    """The run was asked to stop: no execute is called any more."""

    kind: ClassVar[str] = "cancel_requested"


@final
@frozen(eq=False, repr=False)
class DeadlineExpired(_Event):
    """The time of a ``deadline`` is up; ``number`` counts the deadlines of the run, from 1."""

    kind: ClassVar[str] = "deadline_expired"

    number: int


@final
@frozen(eq=False, repr=False)
class Compensating(_Event):
    """The saga has failed and turns back: why, and by which step (``None`` if by no call)."""

    kind: ClassVar[str] = "compensating"
    telemetry_name: ClassVar[str | None] = "saga.compensating"

    reason: object
    step: str | None


@final
@frozen(eq=False, repr=False)
class CompensationStarted(_CallEvent):
    """A compensate or a settle (``direction``) is about to be called."""

    kind: ClassVar[str] = "compensation_started"

    direction: str


@final
@frozen(eq=False, repr=False)
class CompensationRetrying(_CallEvent):
    """A compensate or settle failed and is called again.

    ``returned`` tells whether the reason is an error that it returned.
    """

    kind: ClassVar[str] = "compensation_retrying"

    direction: str
    reason: object
    returned: bool


@final
@frozen(eq=False, repr=False)
class StepCompensated(_CallEvent):
    """A compensate succeeded: the step is made up for."""

    kind: ClassVar[str] = "step_compensated"


@final
@frozen(eq=False, repr=False)
class StepSettled(_CallEvent):
    """A settle succeeded: whatever the call in doubt did is made up for."""

    kind: ClassVar[str] = "step_settled"


@final
@frozen(eq=False, repr=False)
class CompensationGaveUp(_CallEvent):
    """A compensate or settle failed and is not called again: it is still owed."""

    kind: ClassVar[str] = "compensation_failed"

    direction: str
    reason: object
    returned: bool


@final
@frozen(eq=False, repr=False)
class SagaCompleted(_Event):
    """The run ended ``Ok``."""

    kind: ClassVar[str] = "saga_completed"
    telemetry_name: ClassVar[str | None] = "saga.completed"

    value: object = field(repr=False)
    in_doubt: tuple[str, ...]


@final
@frozen(eq=False, repr=False)
class SagaCompensated(_Event):
    """The run ended ``Compensated``."""

    kind: ClassVar[str] = "saga_compensated"
    telemetry_name: ClassVar[str | None] = "saga.compensated"

    reason: object
    step: str | None
    in_doubt: tuple[str, ...]


@final
@frozen(eq=False, repr=False)
class SagaFatal(_Event):
    """The run ended ``Fatal``."""

    kind: ClassVar[str] = "saga_fatal"
    telemetry_name: ClassVar[str | None] = "saga.fatal"

    reason: object
    failures: tuple[CompensationFailed[object] | Irreversible, ...]
    step: str | None
    in_doubt: tuple[str, ...]


Event: TypeAlias = (
    SagaStarted
    | StepStarted
    | StepOk
    | StepInDoubt
    | StepRetrying
    | StepFailed
    | LateReply
    | CancelRequested
    | DeadlineExpired
    | Compensating
    | CompensationStarted
    | CompensationRetrying
    | StepCompensated
    | StepSettled
    | CompensationGaveUp
    | SagaCompleted
    | SagaCompensated
    | SagaFatal
)
"""Any of the facts above."""
