"""The letters of a saga's word: the steps, and what stands between them.

What encloses others is a pair: ``Keep`` .. ``Merge``, ``Guard`` .. ``Unguard``, ``Enter`` ..
``Leave``; each branch of ``Fork`` and the body of ``Each`` end with ``Join``. Jumps are relative,
so that a word is the same wherever it stands in another.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar, TypeAlias, final

from attrs import field, frozen
from typing_extensions import TypeIs

if TYPE_CHECKING:
    from sagalib.core.messages import Direction
    from sagalib.core.policy import Retry
    from sagalib.core.steps import AnyStep

__all__ = [
    "Alternative",
    "Arrow",
    "Bind",
    "Choose",
    "Deadline",
    "Each",
    "Enter",
    "Fail",
    "Fork",
    "Guard",
    "Instruction",
    "Join",
    "Jump",
    "Keep",
    "Leave",
    "Merge",
    "Nested",
    "Owed",
    "Promise",
    "Recovery",
    "Retrying",
    "ScopeKind",
    "Unguard",
    "Unwind",
    "is_step",
]


@frozen
class _Instruction:
    """What all instructions but the steps share.

    They call nothing that can fail, wait or have an effect.
    """

    is_step: ClassVar[bool] = False
    is_async: ClassVar[bool] = False


@final
@frozen
class Arrow(_Instruction):
    """Apply a pure function to the value."""

    function: Callable[[Any], object]


@final
@frozen
class Fail(_Instruction):
    """Fail with an error."""

    error: object


@final
@frozen
class Keep(_Instruction):
    """Open a bracket: remember the value until the matching ``Merge``."""


@final
@frozen
class Merge(_Instruction):
    """Close ``Keep``: make the new value of the remembered one and the present one."""

    combine: Callable[[Any, Any], object]


@final
@frozen
class Guard(_Instruction):
    """Open a bracket: until the matching ``Unguard``, map returned errors with ``function``."""

    function: Callable[[Any], object]


@final
@frozen
class Unguard(_Instruction):
    """Close ``Guard``."""


@final
@frozen
class Promise:
    """Owe the step's compensation, with the value that passes; call nothing forward."""

    is_step: ClassVar[bool] = False
    step: AnyStep

    @property
    def is_async(self) -> bool:
        """Whether the compensation is a coroutine function."""
        return self.step.is_async


@final
@frozen
class Owed:
    """Owe what an earlier run still owes: a call of the step in ``direction`` with ``value``.

    Without a direction it is a completed pivot. ``run_id``, ``path`` and ``answers`` make the key.
    """

    is_step: ClassVar[bool] = False
    step: AnyStep
    path: str
    direction: Direction | None
    value: object = field(repr=False)
    in_doubt: bool
    run_id: str
    answers: int

    @property
    def is_async(self) -> bool:
        """Whether the call is one of a coroutine function."""
        return self.step.is_async


@final
@frozen
class Unwind(_Instruction):
    """Call the last ``count`` owed compensations, last first, and give ``None``.

    ``reason`` is why they are owed.
    """

    count: int
    reason: object = field(repr=False)


@final
@frozen
class Choose(_Instruction):
    """Go on if the predicate holds of the value; otherwise pass over ``skip`` instructions."""

    predicate: Callable[[Any], object]
    skip: int


@final
@frozen
class Jump(_Instruction):
    """Pass over ``skip`` instructions."""

    skip: int


@final
@frozen
class Alternative:
    """The scope of ``or_else``: what follows ``Leave`` is tried instead."""


@final
@frozen
class Recovery:
    """The scope of ``recover``: a returned error is made a value."""

    function: Callable[[Any], object]


@final
@frozen
class Retrying:
    """The scope of ``retry``: it begins again, as often as ``policy`` says."""

    policy: Retry


@final
@frozen
class Deadline:
    """The scope of ``deadline``: it has failed when ``seconds`` have passed."""

    seconds: float


@final
@frozen
class Nested:
    """The scope of ``nested``: a saga that is one step to what is around it."""

    name: str


ScopeKind: TypeAlias = "Alternative | Recovery | Retrying | Deadline | Nested"


@final
@frozen
class Enter(_Instruction):
    """Open a scope around the next ``size`` instructions: what fails inside is undone inside."""

    scope: ScopeKind
    size: int


@final
@frozen
class Leave:
    """Close the scope, and pass over ``skip`` instructions.

    With a ``step``, its compensation is owed instead of all that the scope owes.
    """

    is_step: ClassVar[bool] = False
    skip: int = 0
    step: AnyStep | None = None

    @property
    def is_async(self) -> bool:
        """Whether the compensation is a coroutine function."""
        return self.step is not None and self.step.is_async


@final
@frozen
class Fork(_Instruction):
    """Begin branches with the same value; ``sizes`` are their lengths, with their ``Join``.

    At most ``limit`` at once, if it is not ``None``. ``interrupts`` if a failed branch stops the
    others at their next call.
    """

    sizes: tuple[int, ...]
    limit: int | None = None
    interrupts: bool = False


@final
@frozen
class Each(_Instruction):
    """Begin a branch with each item of the value; ``size`` is the length, with the ``Join``."""

    size: int
    limit: int | None = None
    interrupts: bool = False


@final
@frozen
class Join(_Instruction):
    """End a branch."""


@final
@frozen
class Bind(_Instruction):
    """Go on with the saga that ``function`` makes of the value."""

    function: Callable[[Any], object]


_NoStep: TypeAlias = (
    Arrow
    | Fail
    | Keep
    | Merge
    | Guard
    | Unguard
    | Promise
    | Owed
    | Unwind
    | Choose
    | Jump
    | Enter
    | Leave
    | Fork
    | Each
    | Join
    | Bind
)
Instruction: TypeAlias = "AnyStep | _NoStep"


def is_step(instruction: Instruction) -> TypeIs[AnyStep]:
    """Tell a step from the instructions that call nothing."""
    return instruction.is_step
