"""What a run is between two replies: an immutable value, made of linked tuples.

``Machine`` is the whole of it. The program is the saga's flat word of instructions; ``pc`` says
which one is in hand. ``frames`` are the brackets that enclose it, innermost first; ``cells`` are
the compensations owed, last completed first: one linear stack, pushed at completion and popped in
the unwinding, which is the order that is sound without asking that steps commute (Bruni,
Melgratti and Montanari, POPL 2005; Butler, Hoare and Ferreira, "A Trace Semantics for Long-
Running Transactions", 2005). Every list is a linked tuple, so that a transition costs the same in
a saga of three steps and of a million.

What follows a reply is decided in ``machine``, and nowhere else.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, TypeAlias

from sagalib.core.errors import IllegalReply
from sagalib.core.instructions import Instruction, Owed
from sagalib.core.messages import Call, Direction
from sagalib.core.policy import Timeout
from sagalib.core.saga import Saga
from sagalib.core.steps import AnyStep

__all__ = [
    "AnySaga",
    "Book",
    "Cell",
    "Compensating",
    "Ended",
    "Executing",
    "Failed",
    "Frame",
    "Guarded",
    "Link",
    "Machine",
    "Pausing",
    "Progress",
    "Resting",
    "Returning",
    "Saved",
    "call_of",
    "direction_of",
    "oldest_first",
    "path_at",
    "path_of",
    "step_at",
    "step_of",
]

AnySaga: TypeAlias = Saga[Any, Any, Any, Any, Any]


class Book(NamedTuple):
    """What stays as it is while all goes well. The lists are linked tuples, newest first.

    After one cancel no step is called any more. After a second no pure function is either: it may
    be what was interrupted.
    """

    saga: AnySaga
    program: tuple[Instruction, ...]
    run_id: str
    value: object
    stop: bool
    cancels: int = 0
    halted: bool = False
    doubts: Link = None
    failures: Link = None
    owed: Link = None


Link: TypeAlias = "tuple[Any, Link] | None"


class Cell(NamedTuple):
    """One thing owed: a call of the step at ``pc`` with ``value``.

    Without a direction, a completed pivot, which seals what is below.
    """

    pc: int
    value: object
    direction: Direction | None
    answers: int
    in_doubt: bool
    below: Cell | None


class Saved(NamedTuple):
    """The frame of ``Keep``."""

    value: object
    below: Frame | None


class Guarded(NamedTuple):
    """The frame of ``Guard``."""

    function: Callable[[Any], object]
    below: Frame | None


class Returning(NamedTuple):
    """The frame of ``Unwind``: where to go on, and which failures there were before."""

    pc: int
    failures: Link
    below: Frame | None


Frame: TypeAlias = Saved | Guarded | Returning


class Failed(NamedTuple):
    """Why the saga fails; ``returned`` if a step returned the reason.

    ``step`` and ``context`` are the path and the input of the call that failed.
    """

    reason: object
    returned: bool
    step: str | None
    context: object


class Executing(NamedTuple):
    """An execute is asked for.

    ``answers`` counts the definite answers that its path has; ``in_doubt`` if an attempt was.
    """

    attempt: int
    answers: int
    in_doubt: bool


class Pausing(NamedTuple):
    """The pause before the next attempt of an execute; ``attempt`` is the one that failed."""

    attempt: int
    answers: int
    in_doubt: bool


class Compensating(NamedTuple):
    """A compensate or settle is asked for; the unwinding ends at ``floor``.

    ``interrupted`` if this attempt was once.
    """

    failed: Failed
    floor: Cell | None
    attempt: int
    answers: int
    interrupted: bool


class Resting(NamedTuple):
    """The pause before the next attempt of a compensate or settle.

    ``attempt`` is the one that failed.
    """

    failed: Failed
    floor: Cell | None
    attempt: int
    answers: int


class Ended(NamedTuple):
    """Nothing is asked for any more.

    ``failed`` is ``None`` if the saga went through, to the machine's ``value``.
    """

    failed: Failed | None


Progress: TypeAlias = Executing | Pausing | Compensating | Resting | Ended


class Machine(NamedTuple):
    """One run of a saga, between two replies.

    ``function(value)`` is the call asked for; ``None`` in a pause and at the end.
    """

    book: Book
    pc: int
    value: object
    frames: Frame | None
    cells: Cell | None
    progress: Progress
    function: Callable[[Any], Any] | None
    timeout: Timeout


def path_of(machine: Machine) -> str:
    """Give the rendered path of the step in hand."""
    return path_at(machine.book, machine.pc)


def step_of(machine: Machine) -> AnyStep:
    """Give the step in hand."""
    return step_at(machine.book, machine.pc)


def direction_of(machine: Machine) -> Direction:
    """Give what the call in hand is for."""
    if isinstance(machine.progress, (Executing, Pausing)) or machine.cells is None:
        return Direction.EXECUTE
    return machine.cells.direction or Direction.COMPENSATE


def call_of(machine: Machine, deadline: int | None) -> Call:
    """Describe the call that the machine asks for.

    The key is run id, path, direction, and the number of definite answers that the path has: an
    answer that got lost does not count, so that the receiver can tell a repetition. A call that an
    earlier run owes keeps the run id and the path of that run, and goes on counting.
    """
    progress = machine.progress
    if isinstance(progress, (Pausing, Resting, Ended)):
        msg = f"a call is described while it is asked for; the machine is {type(progress).__name__}"
        raise IllegalReply(msg)
    path = path_of(machine)
    direction = direction_of(machine).value
    return Call(
        run_id=machine.book.run_id,
        path=path,
        step=step_of(machine).name,
        direction=direction,
        attempt=progress.attempt,
        key=f"{_origin(machine)}/{direction}/{progress.answers}",
        deadline=deadline,
        reason=progress.failed.reason if isinstance(progress, Compensating) else None,
    )


def _origin(machine: Machine) -> str:
    instruction = machine.book.program[machine.pc]
    if isinstance(instruction, Owed):
        return f"{instruction.run_id}/{instruction.path}"
    return f"{machine.book.run_id}/{path_of(machine)}"


def step_at(book: Book, pc: int) -> AnyStep:
    """Give the step of an instruction that makes calls."""
    instruction: Any = book.program[pc]
    step: AnyStep = instruction if instruction.is_step else instruction.step
    return step


def path_at(book: Book, pc: int) -> str:
    """Give the rendered path of an instruction that makes calls."""
    return book.saga.paths[pc] or ""


def oldest_first(link: Link) -> list[Any]:
    """Give the items of a linked list in the order in which they were added."""
    items: list[Any] = []
    while link is not None:
        item, link = link  # pyrefly: ignore[not-iterable] # it cannot narrow a recursive alias
        items.append(item)
    return items[::-1]
