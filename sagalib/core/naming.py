"""The path of each instruction of a word, by the names of what stands around it."""

from __future__ import annotations

from sagalib.core.instructions import (
    Bind,
    Each,
    Enter,
    Fork,
    Instruction,
    Leave,
    Nested,
    Owed,
    Promise,
    is_step,
)
from sagalib.core.paths import Names, encode

__all__ = ["BIND", "BRANCH", "ITEM", "paths_of"]

BRANCH = "branch"
ITEM = "item"
BIND = "bind"


def paths_of(  # noqa: C901 - one branch for each kind of instruction
    word: tuple[Instruction, ...],
) -> tuple[str | None, ...]:
    """Give the rendered path of each instruction that makes calls, or brings the saga that does.

    ``None`` for the others. ``nested`` puts its name before the paths inside, ``par``
    ``branch[0]``, ``each`` ``item[]``, where the number of the item is to be put, and ``bind``
    ``bind``.
    """
    names = Names()
    prefix = ""
    turns: dict[int, str] = {}  # where another prefix begins; what is around was there first
    owned: dict[int, str] = {}  # the paths of scopes, at their Leave
    paths: list[str | None] = []
    for pc, instruction in enumerate(word):
        if turns:
            prefix = turns.pop(pc, prefix)
        path = None
        if is_step(instruction):
            path = names.take(prefix + encode(instruction.name))
        elif isinstance(instruction, Promise):
            path = names.take(prefix + encode(instruction.step.name))
        elif isinstance(instruction, Owed):
            path = names.take(prefix + instruction.path)
        elif isinstance(instruction, Bind):
            path = names.take(prefix + BIND)
        elif isinstance(instruction, Leave):
            around = owned.pop(pc, None)
            path = None if instruction.step is None else around
        elif isinstance(instruction, Enter) and isinstance(instruction.scope, Nested):
            end = pc + 1 + instruction.size
            owned[end] = names.take(prefix + encode(instruction.scope.name))
            turns.setdefault(end, prefix)
            if instruction.size:
                turns[pc + 1] = owned[end] + "/"
        elif isinstance(instruction, (Fork, Each)):
            sizes = instruction.sizes if isinstance(instruction, Fork) else (instruction.size,)
            fork = names.take(prefix + (BRANCH if isinstance(instruction, Fork) else ITEM))
            start = pc + 1
            turns.setdefault(start + sum(sizes), prefix)
            for index, size in enumerate(sizes):
                number = index if isinstance(instruction, Fork) else ""
                turns[start] = f"{fork}[{number}]/"
                start += size
        paths.append(path)
    return tuple(paths)
