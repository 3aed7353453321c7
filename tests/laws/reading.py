"""What a ledger says, read without the library: what was done, and what is owed, in order."""

from __future__ import annotations

from attrs import frozen

from tests.laws.interpreters import Seen
from tests.laws.terms import AnySaga, steps_of
from tests.laws.world import IN_DOUBT, SUCCEEDED, Answer, Entry


@frozen
class Way:
    """All calls of one step in one direction."""

    path: str
    direction: str
    entries: tuple[Entry, ...]

    @property
    def succeeded(self) -> bool:
        """Whether the last call succeeded."""
        return self.entries[-1].answer in SUCCEEDED

    @property
    def what(self) -> tuple[str, str]:
        """The step and the direction."""
        return (self.path, self.direction)

    @property
    def values(self) -> tuple[object, ...] | None:
        """What it was given, each time."""
        return self.entries[0].values


def ways(seen: Seen) -> list[Way]:
    """Give the calls of a run, those of one step in one direction together, in order."""
    found: list[list[Entry]] = []
    for entry in seen.ledger:
        if found and (found[-1][0].path, found[-1][0].direction) == (entry.path, entry.direction):
            found[-1].append(entry)
        else:
            found.append([entry])
    return [Way(entries[0].path, entries[0].direction, tuple(entries)) for entries in found]


def forward(seen: Seen) -> list[Way]:
    """Give the executes."""
    return [way for way in ways(seen) if way.direction == "execute"]


def back(seen: Seen) -> list[Way]:
    """Give the compensates and settles."""
    return [way for way in ways(seen) if way.direction != "execute"]


def completed_pivot(saga: AnySaga, seen: Seen) -> str | None:
    """Give the path of the last pivot that completed."""
    pivots = {path for path, kind, made in steps_of(saga) if kind == "step" and made.pivot}
    done = [way.path for way in forward(seen) if way.succeeded and way.path in pivots]
    return done[-1] if done else None


def owed(saga: AnySaga, seen: Seen) -> list[tuple[str, str]]:
    """Give what a saga without promises owes after a failure, the last first, down to a pivot."""
    stack: list[tuple[str, str]] = []
    done = {way.path: way for way in forward(seen)}
    for path, _, made in steps_of(saga):
        way = done.get(path)
        if way is None:
            continue
        if way.succeeded and made.pivot:
            stack = []
        elif way.succeeded and made.compensate is not None:
            stack.append((path, "compensate"))
        elif (
            not way.succeeded
            and made.settle is not None
            and (made.settle_on == "failure" or is_in_doubt(way))
        ):
            stack.append((path, "settle"))
    return stack[::-1]


def is_in_doubt(way: Way) -> bool:
    """Tell whether a step may have had an effect although it did not end ok."""
    return not way.succeeded and any(entry.answer in IN_DOUBT for entry in way.entries)


def is_late(way: Way) -> bool:
    """Tell whether a step succeeded too late."""
    return way.entries[-1].answer is Answer.LATE
