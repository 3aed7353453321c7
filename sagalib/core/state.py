"""What a run is between two replies: an immutable value, made of linked tuples.

``Machine`` is one strand of a run, and the whole of it as long as there is only one. The program is
the saga's flat word of instructions; ``pc`` says which one is in hand. ``frames`` are the brackets
that enclose it, innermost first; ``cells`` are the compensations owed, last completed first: one
linear stack, pushed at completion and popped in the unwinding, which is the order that is sound
without asking that steps commute (Bruni, Melgratti and Montanari, POPL 2005; Butler, Hoare and
Ferreira, "A Trace Semantics for Long-Running Transactions", 2005). Every list is a linked tuple, so
that a transition costs the same in a saga of three steps and of a million.

``Forked`` is a run of several strands: a flat mapping, however deep branches are nested. A strand
that has forked waits in it; each of its branches keeps the cells of its own, and where they join,
the stacks become one again, in the order of completion.

What follows a reply is decided in ``machine``, and nowhere else.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final, NamedTuple, TypeAlias

from sagalib.core.errors import IllegalReply
from sagalib.core.instructions import Each, Fork, Instruction, Owed, ScopeKind
from sagalib.core.messages import Call, Direction
from sagalib.core.paths import with_items
from sagalib.core.policy import Timeout
from sagalib.core.saga import Saga
from sagalib.core.steps import AnyStep
from sagalib.core.strands import Strands

__all__ = [
    "ROOT",
    "AnySaga",
    "Backing",
    "Book",
    "Bound",
    "Branch",
    "Cell",
    "Compensating",
    "Due",
    "Ended",
    "Executing",
    "Failed",
    "Failing",
    "Forked",
    "Frame",
    "Going",
    "Guarded",
    "Joining",
    "Link",
    "Machine",
    "Pausing",
    "Place",
    "Progress",
    "Resting",
    "Saved",
    "Scoped",
    "State",
    "call_of",
    "direction_of",
    "oldest_first",
    "path_at",
    "path_of",
    "step_at",
    "step_of",
    "strand_at",
    "strands_of",
]

AnySaga: TypeAlias = Saga[Any, Any, Any, Any, Any]


Link: TypeAlias = "tuple[Any, Link] | None"


class Book(NamedTuple):
    """What all strands of a run share. The lists are linked tuples, newest first.

    After one cancel no step is called any more. After a second no pure function is either: it may
    be what was interrupted. ``doubts`` are paths, each with the number of definite answers in its
    key, if that key will be repeated. ``answers`` is how many a path had when the latest attempt of
    a ``retry`` began, ``heard`` what has come since. ``turn`` counts the replies while there are
    several strands, ``interrupted`` has the forks whose branches are to stop. ``entered`` counts
    the deadlines, ``expired`` has those that have passed.
    """

    saga: AnySaga
    run_id: str
    value: object
    stop: bool
    cancels: int = 0
    halted: bool = False
    doubts: Link = None
    failures: Link = None
    owed: Link = None
    answers: Mapping[str, int] = MappingProxyType({})
    heard: Link = None
    turn: int = 0
    interrupted: frozenset[int] = frozenset()
    entered: int = 0
    expired: frozenset[int] = frozenset()


class Place(NamedTuple):
    """Which word a strand follows, and what holds there.

    Attributes:
        saga: what the word is that of.
        program: its instructions.
        prefix: what stands before the paths of a saga that ``bind`` has brought.
        items: the numbers of the items around, of each ``each``, outermost first.
        forks: the strands that have forked to here, innermost first.
        counts: whether a ``retry`` is around, so that a path may come again.
        deadlines: the deadlines around, each a ``Due``, innermost first.
    """

    saga: AnySaga
    program: tuple[Instruction, ...]
    prefix: str = ""
    items: tuple[int, ...] = ()
    forks: Link = None
    counts: bool = False
    deadlines: Link = None


class Cell(NamedTuple):
    """One thing owed: a call of the step at ``pc`` with ``value``.

    Without a direction, a completed pivot, which seals what is below. ``turn`` is when it came.
    """

    pc: int
    value: object
    direction: Direction | None
    answers: int
    in_doubt: bool
    below: Cell | None
    place: Place
    turn: int


class Due(NamedTuple):
    """A deadline that has been entered: the how-manieth of the run, and its seconds."""

    number: int
    seconds: float


class Saved(NamedTuple):
    """The frame of ``Keep``."""

    value: object
    below: Frame | None


class Guarded(NamedTuple):
    """The frame of ``Guard``."""

    function: Callable[[Any], object]
    below: Frame | None


class Bound(NamedTuple):
    """The frame of ``Bind``: where to go on after the saga that it has brought."""

    place: Place
    pc: int
    below: Frame | None


class Scoped(NamedTuple):
    """The frame of a scope, or of ``Unwind``.

    What the scope is, where it began and where it ends, the place around it, its input, what was
    owed before it, and the number of the attempt.
    """

    scope: ScopeKind | Due | None
    pc: int
    after: int
    place: Place
    value: object
    floor: Cell | None
    attempt: int
    below: Frame | None


class Branch(NamedTuple):
    """The outermost frame of a branch: which strand has forked, and the number of the branch."""

    parent: int
    number: int
    below: None = None


Frame: TypeAlias = Saved | Guarded | Bound | Scoped | Branch


class Failed(NamedTuple):
    """Why the saga fails; ``returned`` if a step returned the reason.

    ``step`` and ``context`` are the path and the input of the call that failed. ``catchable`` if a
    scope may go on: nothing was cancelled, and all that had completed has been compensated; if
    ``due``, only around the deadline of that number. ``others`` are the reasons of the branches to
    the right of that one, and whether they were returned. ``stopped`` if it is only that a sibling
    has failed.
    """

    reason: object
    returned: bool
    step: str | None
    context: object
    catchable: bool = True
    others: tuple[tuple[object, bool], ...] = ()
    due: int | None = None
    stopped: bool = False


class Executing(NamedTuple):
    """An execute is asked for.

    ``answers`` counts the definite answers that its path has; ``in_doubt`` if an attempt was, and
    ``same_key`` if all those that were have the key of this one; ``begun``, with several strands,
    if this one has begun.
    """

    attempt: int
    answers: int
    in_doubt: bool
    same_key: bool = True
    begun: bool = False


class Pausing(NamedTuple):
    """The pause before the next attempt of an execute; ``attempt`` is the one that failed."""

    attempt: int
    answers: int
    in_doubt: bool
    same_key: bool = True


class Compensating(NamedTuple):
    """A compensate or settle is asked for; ``interrupted`` if this attempt was once.

    ``begun`` as in ``Executing``.
    """

    failed: Failed
    attempt: int
    answers: int
    interrupted: bool
    begun: bool = False


class Resting(NamedTuple):
    """The pause before the next attempt of a compensate or settle.

    ``attempt`` is the one that failed.
    """

    failed: Failed
    attempt: int
    answers: int


class Backing(NamedTuple):
    """The pause before the next attempt of a ``retry``, whose frame is the innermost."""

    failed: Failed


class Joining(NamedTuple):
    """Branches go on: ``begun`` of as many as there are ``inputs``; the ended ones, newest first.

    ``inputs`` are where each begins, its items, and its value.
    """

    fork: Fork | Each
    inputs: tuple[tuple[int, tuple[int, ...], object], ...]
    begun: int
    running: int
    ended: Link
    has_failed: bool


class Failing(NamedTuple):
    """On the way to what is owed next; nothing is asked for, and no reply is waited for."""

    failed: Failed


class Going(NamedTuple):
    """On the way to the next step; nothing is asked for, and no reply is waited for."""


class Ended(NamedTuple):
    """Nothing is asked for any more.

    ``failed`` is ``None`` if the saga went through, to the machine's ``value``.
    """

    failed: Failed | None


Progress: TypeAlias = (
    Executing | Pausing | Backing | Compensating | Resting | Joining | Failing | Going | Ended
)


class Machine(NamedTuple):
    """One strand of a run, between two replies.

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
    place: Place


class Forked(NamedTuple):
    """A run of several strands: those that ask, and those that wait for their branches.

    ``book`` is that of all; the one in a strand is as old as its latest reply. ``following`` is the
    number of the next strand; ``changed`` are those that the latest reply has changed.
    """

    book: Book
    strands: Strands
    following: int
    changed: tuple[int, ...] = ()


State: TypeAlias = Machine | Forked

ROOT: Final = 0
"""The strand with which a run begins, and ends."""


def strands_of(state: State) -> Mapping[int, Machine]:
    """Give the strands that ask for something, or have ended, by their numbers."""
    if isinstance(state, Machine):
        return {ROOT: state}
    return {
        at: strand for at, strand in state.strands.items() if type(strand.progress) is not Joining
    }


def strand_at(state: State, at: int) -> Machine | None:
    """Give the strand ``at``, if it goes on."""
    if isinstance(state, Machine):
        return state if at == ROOT else None
    return state.strands.get(at)


def path_of(machine: Machine) -> str:
    """Give the rendered path of the step in hand."""
    return path_at(machine.place, machine.pc)


def step_of(machine: Machine) -> AnyStep:
    """Give the step in hand."""
    return step_at(machine.place, machine.pc)


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
    if not isinstance(progress, (Executing, Compensating)):
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
    instruction = machine.place.program[machine.pc]
    if isinstance(instruction, Owed):
        return f"{instruction.run_id}/{instruction.path}"
    return f"{machine.book.run_id}/{path_of(machine)}"


def step_at(place: Place, pc: int) -> AnyStep:
    """Give the step of an instruction that makes calls."""
    instruction: Any = place.program[pc]
    step: AnyStep = instruction if instruction.is_step else instruction.step
    return step


def path_at(place: Place, pc: int) -> str:
    """Give the rendered path of an instruction that makes calls."""
    path = place.saga.paths[pc] or ""
    if not (place.items or place.prefix):
        return path
    return place.prefix + with_items(path, place.items)


def oldest_first(link: Link) -> list[Any]:
    """Give the items of a linked list in the order in which they were added."""
    items: list[Any] = []
    while link is not None:
        item, link = link  # pyrefly: ignore[not-iterable] # it cannot narrow a recursive alias
        items.append(item)
    return items[::-1]
