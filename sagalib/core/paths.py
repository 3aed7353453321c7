"""Where a call stands in its saga: paths made of names, never of positions.

A path is a sequence of segments. A segment is a name, with an ordinal (``~2``) if it is not the
first of that name in its scope, and a number (``[3]``) for an item or a branch. An inserted step
shifts the path of no other step, so a log and an idempotency key stay good when a saga grows.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NamedTuple
from urllib.parse import quote, unquote

from sagalib.core.errors import InvalidOption, shown

__all__ = [
    "NAME_LENGTH",
    "Names",
    "Segment",
    "check_name",
    "check_run_id",
    "encode",
    "parse",
    "render",
    "with_items",
]

NAME_LENGTH = 200
_RESERVED = re.compile(r"[%/~\[\]\x00-\x1f\x7f-\x9f\u2028\u2029]")
_SEGMENT = re.compile(r"([^/~\[\]]*)(?:~([1-9][0-9]{0,9}))?(?:\[([0-9]{1,10})\])?")
_ORDINAL = re.compile(r"~[0-9]+$")
_RUN_ID = re.compile(r"[A-Za-z0-9._:-]{1,200}")


class Segment(NamedTuple):
    """One part of a path.

    A name, its ordinal among equal names in its scope (from 1), a number if it is one of many
    items.
    """

    name: str
    ordinal: int = 1
    item: int | None = None


def render(path: Iterable[Segment]) -> str:
    """Write a path as text.

    ``/`` stands between segments, ``~2`` marks the second of a name, ``[0]`` an item.

    ``% / ~ [ ]`` and control characters in names are percent-encoded, so ``parse(render(path)) ==
    path``.
    """
    return "/".join(
        _encoded(name)
        + (f"~{ordinal}" if ordinal > 1 else "")
        + (f"[{item}]" if item is not None else "")
        for name, ordinal, item in path
    )


def _encoded(name: str) -> str:
    if name.isidentifier():  # as the name of nearly every step
        return name
    quoted = _RESERVED.sub(lambda found: quote(found.group(), safe=""), name)
    # quote() leaves "~" as it is, being unreserved in URLs; here it is a separator.
    return quoted.replace("~", "%7E")


def parse(text: str) -> tuple[Segment, ...]:
    """Read what ``render`` wrote.

    Raises:
        InvalidOption: ``text`` is not a rendered path.
    """
    segments: list[Segment] = []
    for part in text.split("/"):
        found = _SEGMENT.fullmatch(part)
        if found is None:
            msg = f"a path must look like 'scope/step~2[0]'; got {shown(text)}"
            raise InvalidOption(msg)
        name, ordinal, item = found.groups()
        segments.append(
            Segment(unquote(name), int(ordinal or 1), None if item is None else int(item))
        )
    return tuple(segments)


class Names:
    """The paths that are taken in a saga."""

    __slots__ = ("_latest", "_taken")

    def __init__(self) -> None:
        """Have none taken."""
        self._taken: set[str] = set()
        self._latest: dict[str, int] = {}

    def take(self, path: str) -> str:
        """Give a rendered path, with the next free ordinal on its last segment if it is taken."""
        free = path
        if free in self._taken:
            base = _ORDINAL.sub("", path)
            while free in self._taken:
                self._latest[base] = self._latest.get(base, 1) + 1
                free = f"{base}~{self._latest[base]}"
        self._taken.add(free)
        return free


def encode(name: str) -> str:
    """Write a name as a segment."""
    return name if name.isidentifier() else _encoded(name)


def with_items(template: str, items: Iterable[int]) -> str:
    """Put numbers into the segments ``item[]`` of a path, from left to right."""
    for item in items:
        template = template.replace("[]", f"[{item}]", 1)
    return template


def check_name(name: object, what: str = "name") -> str:
    """Give ``name`` back if it may name a step or a saga.

    Raises:
        InvalidOption: not text, empty, longer than 200 characters, or with characters that do not
            print: controls, marks of direction.
    """
    if isinstance(name, str) and 0 < len(name) <= NAME_LENGTH and name.isprintable():
        return name
    msg = (
        f"{what} must be text of 1 to {NAME_LENGTH} characters without control "
        f"characters; got {shown(name)}. "
        f'Write {what}="charge"'
    )
    raise InvalidOption(msg)


def check_run_id(run_id: object) -> str:
    """Give ``run_id`` back if it may be the id of a run.

    Raises:
        InvalidOption: not 1 to 200 characters of ``A-Z a-z 0-9 . _ : -``.
    """
    if isinstance(run_id, str) and _RUN_ID.fullmatch(run_id):
        return run_id
    msg = (
        "run_id must be 1 to 200 characters of A-Z a-z 0-9 . _ : - ; "
        f'got {shown(run_id)}. Write run_id="order:10248"'
    )
    raise InvalidOption(msg)
