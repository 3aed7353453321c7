"""The letters of a saga's word: the steps, and what stands between them.

What encloses others is a pair: ``Keep`` .. ``Merge``, ``Guard`` .. ``Unguard``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar, TypeAlias, final

from attrs import field, frozen
from typing_extensions import TypeIs

if TYPE_CHECKING:
    from sagalib.core.messages import Direction
    from sagalib.core.steps import AnyStep

__all__ = [
    "Arrow",
    "Fail",
    "Guard",
    "Instruction",
    "Keep",
    "Merge",
    "Owed",
    "Promise",
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


Instruction: TypeAlias = (
    "AnyStep | Arrow | Fail | Keep | Merge | Guard | Unguard | Promise | Owed | Unwind"
)


def is_step(instruction: Instruction) -> TypeIs[AnyStep]:
    """Tell a step from the instructions that call nothing."""
    return instruction.is_step
