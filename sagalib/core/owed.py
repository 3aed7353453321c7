"""What is left of a run at its end: what is owed, what failed, what is in doubt."""

from __future__ import annotations

from typing import Any

from attrs import evolve

from sagalib.core.forward import CANCELLED
from sagalib.core.instructions import Instruction, Owed, Unwind
from sagalib.core.outcomes import CompensationFailed, Irreversible
from sagalib.core.saga import Composite, Saga, identity
from sagalib.core.state import (
    Book,
    Cell,
    Ended,
    Failed,
    Machine,
    State,
    oldest_first,
    path_at,
    step_at,
)

__all__ = ["failures_of", "in_doubt_of", "owed_by"]


def owed_by(machine: State) -> Saga[None, None, Any, Any, Any]:
    """Give what an ended run owes, as a saga.

    After success all that completed, after a failure what is still to be made up for.
    """
    if not (isinstance(machine, Machine) and isinstance(machine.progress, Ended)):
        return identity()
    book, cells = machine.book, machine.cells
    failed = machine.progress.failed
    failing, left = oldest_first(book.owed), _down_to_pivot(cells)
    if failed is None:
        sealed = left[-1].below if left else cells
        todo = [sealed] if sealed is not None else left
    else:
        todo = [*failing, *left]
    if not todo:
        return identity()
    owed: list[Instruction] = [_as_owed(book, cell) for cell in reversed(todo)]
    suffix = ":compensation" if failed is None else ":residual"
    unwind = Unwind(len(owed), CANCELLED if failed is None else _first_reason(book, failed))
    return Composite((*owed, unwind), name=book.saga.name.removesuffix(suffix)[:180] + suffix)


def _first_reason(book: Book, failed: Failed) -> object:
    """Give why the first of a line of residuals is owed: that of a residual is that of its run."""
    program = book.saga.instructions
    last = program[-1] if program else None
    is_residual = isinstance(last, Unwind) and last.count + 1 == len(program)
    return last.reason if is_residual and isinstance(last, Unwind) else failed.reason


def _as_owed(book: Book, cell: Cell) -> Owed:
    instruction = cell.place.program[cell.pc]
    if isinstance(instruction, Owed):
        return evolve(instruction, answers=cell.answers)
    return Owed(
        step_at(cell.place, cell.pc),
        path_at(cell.place, cell.pc),
        cell.direction,
        cell.value,
        cell.in_doubt,
        book.run_id,
        cell.answers,
    )


def _down_to_pivot(cells: Cell | None) -> list[Cell]:
    above: list[Cell] = []
    while cells is not None and cells.direction is not None:
        above.append(cells)
        cells = cells.below
    return above


def failures_of(machine: Machine) -> tuple[CompensationFailed[Any] | Irreversible, ...]:
    """Give each compensation that failed and each pivot in the way, in the order they happened."""
    return tuple(oldest_first(machine.book.failures))


def in_doubt_of(machine: Machine) -> tuple[str, ...]:
    """Give the paths of calls that may have had an effect and are neither settled nor ok."""
    book = machine.book
    if book.doubts is None and not book.halted:
        return ()
    paths = [path for path, _ in oldest_first(book.doubts)]
    if book.halted:
        paths += [
            path_at(cell.place, cell.pc) for cell in _down_to_pivot(machine.cells) if cell.in_doubt
        ]
    return tuple(dict.fromkeys(paths))
