"""The strands of a run by their numbers: an immutable mapping that shares what has not changed.

In two levels, so that a change copies two short dicts instead of a long one. A trace holds every
state of a run, and a saga over a thousand items has thousands of them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, final

if TYPE_CHECKING:
    from sagalib.core.state import Machine

__all__ = ["Strands"]

_BITS = 5


@final
class Strands(Mapping[int, "Machine"]):
    """Number -> strand, in the order in which they began."""

    __slots__ = ("_rows", "_size")

    def __init__(self, rows: Mapping[int, Mapping[int, Machine]] = {}, size: int = 0) -> None:
        """Hold rows of strands."""
        self._rows: Mapping[int, Mapping[int, Machine]] = rows
        self._size: int = size

    def __getitem__(self, at: int) -> Machine:
        """Give a strand."""
        return self._rows[at >> _BITS][at]

    def __iter__(self) -> Iterator[int]:
        """Give the numbers."""
        for row in self._rows.values():
            yield from row

    def __len__(self) -> int:
        """Count the strands."""
        return self._size

    def changed(self, changes: Mapping[int, Machine | None]) -> Strands:
        """Give the mapping with other strands at some numbers; ``None`` takes one away."""
        rows, size = dict(self._rows), self._size
        copied: dict[int, dict[int, Machine]] = {}
        for at, strand in changes.items():
            number = at >> _BITS
            row = copied.get(number)
            if row is None:
                rows[number] = row = copied[number] = dict(rows.get(number, {}))
            size -= at in row
            if strand is None:
                row.pop(at, None)
            else:
                row[at] = strand
                size += 1
        for number, row in copied.items():
            if not row:
                del rows[number]
        return Strands(rows, size)
