"""The way forward: the word of a saga, followed to the next call.

Nothing here waits for a reply. ``stopping`` says why no step may be called any more.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, TypeAlias

from sagalib.core.instructions import (
    Arrow,
    Bind,
    Choose,
    Deadline,
    Each,
    Enter,
    Fail,
    Fork,
    Guard,
    Join,
    Jump,
    Keep,
    Leave,
    Merge,
    Owed,
    Promise,
    Retrying,
    Unguard,
    Unwind,
)
from sagalib.core.messages import (
    Direction,
)
from sagalib.core.outcomes import Cancelled, Raised, TimedOut
from sagalib.core.saga import Saga
from sagalib.core.state import (
    Book,
    Bound,
    Cell,
    Due,
    Ended,
    Executing,
    Failed,
    Failing,
    Guarded,
    Joining,
    Machine,
    Place,
    Saved,
    Scoped,
    path_at,
)
from sagalib.core.steps import AnyStep

__all__ = ["CANCELLED", "FOLLOW", "fail", "go_on", "stopping"]

# NamedTuple's own constructor costs as much as a whole transition.
_new: Callable[..., Any] = tuple[Any, ...].__new__
CANCELLED: Final = Cancelled()
_FIRST: Final = Executing(1, 0, in_doubt=False)
_THROUGH: Final = Ended(None)
_NOWHERE: Final[Any] = None
_USED_UP: Final = (
    "each takes a collection, and got {}, which can be walked only once: a retry or a replay would "
    "find it empty. Write .map(list) before it"
)
# Read once: to look up a member of an Enum costs as much as to build a cell, in CPython 3.11.
_COMPENSATE: Final = Direction.COMPENSATE


def go_on(  # noqa: PLR0917 - the parts of a machine
    book: Book, place: Place, pc: int, value: object, frames: Any, cells: Cell | None
) -> Machine:
    """Follow the program to the next step, to branches, to a failure, or to the end."""
    while True:
        while pc == len(place.program) and type(frames) is Bound:
            bound: Any = frames
            place, pc, frames = bound.place, bound.pc, bound.below
        if pc >= len(place.program):
            return Machine(book, pc, value, frames, cells, _THROUGH, None, None, place)
        instruction: Any = place.program[pc]
        if book.cancels > 1:
            return fail(book, Failed(CANCELLED, False, None, value, False), frames, cells)
        if instruction.is_step:
            return _ask(instruction, (book, place, pc, value, frames, cells))
        try:
            follow = FOLLOW[type(instruction)]
            following = follow(instruction, (book, place, pc, value, frames, cells))
        except Exception as error:
            return fail(book, Failed(Raised.of(error), False, None, value), frames, cells)
        if isinstance(following, Machine):
            return following
        book, place, pc, value, frames, cells = following


def fail(book: Book, failed: Failed, frames: Any, cells: Cell | None) -> Machine:
    """Turn back; see ``strand`` for what comes then."""
    failing: Machine = _new(
        Machine, (book, 0, None, frames, cells, Failing(failed), None, None, _NOWHERE)
    )
    return failing


# -- the instructions ------------------------------------------------------------------------------

Here: TypeAlias = "tuple[Book, Place, int, Any, Any, Cell | None]"
"""Book, place, pc, value, frames and cells, on the way from one instruction to the next."""


def _ask(step: AnyStep, here: Here) -> Machine:
    book, place, pc, value, frames, cells = here
    if book.cancels or book.expired or place.forks is not None:
        stop = stopping(book, place) or _misplaced(place, pc, step)
        if stop is not None:
            return fail(book, stop._replace(context=value), frames, cells)
    progress = _FIRST
    if book.answers and (answers := _answers(book, place, pc)):
        progress = Executing(1, answers, False)
    asking: Machine = _new(
        Machine,
        (book, pc, value, frames, cells, progress, step.execute, step.timeout, place),
    )
    return asking


def _answers(book: Book, place: Place, pc: int) -> int:
    return book.answers.get(path_at(place, pc), 0)


def _apply(made: Arrow, here: Here) -> Here:
    book, place, pc, value, frames, cells = here
    return book, place, pc + 1, made.function(value), frames, cells


def _keep(_: Keep, here: Here) -> Here:
    book, place, pc, value, frames, cells = here
    return book, place, pc + 1, value, Saved(value, frames), cells


def _merge(made: Merge, here: Here) -> Here:
    book, place, pc, value, frames, cells = here
    return book, place, pc + 1, made.combine(frames.value, value), frames.below, cells


def _guard(made: Guard, here: Here) -> Here:
    book, place, pc, value, frames, cells = here
    return book, place, pc + 1, value, Guarded(made.function, frames), cells


def _unguard(_: Unguard, here: Here) -> Here:
    book, place, pc, value, frames, cells = here
    return book, place, pc + 1, value, frames.below, cells


def _choose(made: Choose, here: Here) -> Here:
    book, place, pc, value, frames, cells = here
    skip = 0 if made.predicate(value) else made.skip
    return book, place, pc + 1 + skip, value, frames, cells


def _jump(made: Jump, here: Here) -> Here:
    book, place, pc, value, frames, cells = here
    return book, place, pc + 1 + made.skip, value, frames, cells


def _enter(made: Enter, here: Here) -> Here:
    book, around, pc, value, frames, cells = here
    scope: Any = made.scope
    place = around
    if isinstance(scope, Deadline):
        book = book._replace(entered=book.entered + 1)
        scope = Due(book.entered, scope.seconds)
        place = around._replace(deadlines=(scope, around.deadlines))
    elif isinstance(scope, Retrying):
        place = around._replace(counts=True)
    entered = Scoped(scope, pc, pc + made.size + 2, around, value, cells, 1, frames)
    return book, place, pc + 1, value, entered, cells


def _leave(made: Leave, here: Here) -> Here | Machine:
    book, place, pc, value, scope, cells = here
    stop = _too_late(book, place, scope, cells) if book.expired else None
    if stop is not None:
        return fail(book, stop._replace(context=value), scope, cells)
    around = scope.place
    if made.step is not None:
        k, below = _answers(book, around, pc), _seal(cells, scope.floor) or scope.floor
        cells = Cell(pc, value, _COMPENSATE, k, False, below, around, book.turn)
    return book, around, pc + 1 + made.skip, value, scope.below, cells


def _seal(cells: Cell | None, floor: Cell | None) -> Cell | None:
    """Give the newest pivot that has completed above ``floor``, if there is one."""
    while cells is not floor and cells is not None and cells.direction is not None:
        cells = cells.below
    return None if cells is floor else cells


def _fork(made: Fork | Each, here: Here) -> Machine:
    book, place, pc, value, frames, cells = here
    joining = _joining(made, pc, place, value)
    return Machine(book, pc, value, frames, cells, joining, None, None, place)


def _end_branch(_: Join, here: Here) -> Machine:
    book, place, pc, value, frames, cells = here
    return Machine(book, pc, value, frames, cells, _THROUGH, None, None, place)


def _bind(made: Bind, here: Here) -> Here | Machine:
    book, place, pc, value, frames, cells = here
    saga = made.function(value)
    if not isinstance(saga, Saga):
        return fail(book, Failed(_not_a_saga(saga), False, None, value), frames, cells)
    prefix = path_at(place, pc) + "/"
    brought = place._replace(saga=saga, program=saga.instructions, prefix=prefix, items=())
    return book, brought, 0, value, Bound(place, pc + 1, frames), cells


def _promise(_: Promise, here: Here) -> Here:
    book, place, pc, value, frames, cells = here
    k = _answers(book, place, pc) if book.answers else 0
    cells = Cell(pc, value, _COMPENSATE, k, False, cells, place, book.turn)
    return book, place, pc + 1, value, frames, cells


def _owe(made: Owed, here: Here) -> Here:
    book, place, pc, value, frames, cells = here
    owed = (made.value, made.direction, made.answers, made.in_doubt)
    return book, place, pc + 1, value, frames, Cell(pc, *owed, cells, place, book.turn)


def _fail(made: Fail, here: Here) -> Machine:
    book, _, _, value, frames, cells = here
    return fail(book, Failed(made.error, True, None, value), frames, cells)


def _unwind(made: Unwind, here: Here) -> Machine:
    book, place, pc, _, frames, cells = here
    floor = cells
    for _ in range(made.count):
        floor = floor.below if floor is not None else None
    scope = Scoped(None, pc, pc + 1, place, None, floor, 1, frames)
    return fail(book, Failed(made.reason, False, None, None), scope, cells)


FOLLOW: Final[Mapping[type[object], Callable[[Any, Here], Here | Machine]]] = {
    Arrow: _apply,
    Keep: _keep,
    Merge: _merge,
    Guard: _guard,
    Unguard: _unguard,
    Choose: _choose,
    Jump: _jump,
    Enter: _enter,
    Leave: _leave,
    Fork: _fork,
    Each: _fork,
    Join: _end_branch,
    Bind: _bind,
    Promise: _promise,
    Owed: _owe,
    Fail: _fail,
    Unwind: _unwind,
}
"""Kind of instruction -> what it does, but for the steps, which are asked for."""


# -- what keeps a step from being called -----------------------------------------------------------


def stopping(book: Book, place: Place) -> Failed | None:
    """Give why no step may be called at ``place`` any more, or ``None``."""
    if book.cancels:
        return Failed(CANCELLED, False, None, None, False)
    forks, due, deadlines = place.forks, None, place.deadlines
    while deadlines is not None:
        newest, deadlines = deadlines  # pyrefly: ignore[not-iterable] # a recursive alias
        due = newest if newest.number in book.expired else due
    if due is not None:
        return Failed(TimedOut(due.seconds), False, None, None, due=due.number)
    stops = forks is not None and book.halted
    while forks is not None and book.interrupted and not stops:
        fork, forks = forks
        stops = fork in book.interrupted
    return Failed(CANCELLED, False, None, None, stopped=True) if stops else None


def _too_late(book: Book, place: Place, scope: Scoped, cells: Cell | None) -> Failed | None:
    """Give why a scope that has gone through has failed after all, or ``None``.

    Behind a pivot it is as with a late step that cannot be compensated: what is done is done.
    """
    return None if _seal(cells, scope.floor) is not None else stopping(book, place)


def _misplaced(place: Place, pc: int, step: AnyStep) -> Failed | None:
    """Give why a pivot may not be called in a branch, or ``None``."""
    if not step.pivot or place.forks is None:
        return None
    path = path_at(place, pc)
    message = (
        f"the pivot {path!r} stands in a branch, and what its siblings have done could not be "
        "compensated after it: expected none there. Put it behind the branches"
    )
    return Failed(Raised("PivotInParallel", message), False, path, None)


def _not_a_saga(brought: object) -> Raised:
    return Raised(
        "NotASaga",
        f"bind takes a function that gives a saga, and it gave {type(brought).__qualname__}: "
        "write .bind(lambda value: Step(function)), or .map(function) for a value",
    )


def _joining(fork: Fork | Each, pc: int, place: Place, value: Any) -> Joining:
    """Work out where each branch begins, and with what."""
    inputs: list[tuple[int, tuple[int, ...], object]] = []
    start = pc + 1
    if isinstance(fork, Fork):
        for size in fork.sizes:
            inputs.append((start, place.items, value))
            start += size
    else:
        if iter(value) is value:
            raise TypeError(_USED_UP.format(type(value).__qualname__))
        inputs.extend((start, (*place.items, at), item) for at, item in enumerate(value))
    return Joining(fork, tuple(inputs), 0, 0, None, False)
