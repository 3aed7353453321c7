"""What a saga would do: the calls of both directions, before anything is called.

The machine itself is asked. It walks the saga with its functions taken out: the pure ones pass on
what they get, and nothing is retried, since a retry repeats calls and changes no order. Every
answer is one that ``evolve`` takes, so the plan of a failure is what the machine does after it, and
not a second opinion. That ``simulate`` makes the same calls is a law, tested over generated sagas.

At a choice the walk goes both ways, and where a scope catches a failure, a walk begins of its own.
Branches are walked one after the other: a schedule that a run may have, among others.

How long a call may take stands in its policies: attempts times timeout, and the longest pauses
between. That is a bound only where the timeout stops the call; where it does not, the plan says
``math.inf`` and not a number that is wishful.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from itertools import groupby
from typing import Any, Final, final

from attrs import evolve as changed
from attrs import field, frozen

from sagalib.core.errors import InvalidSaga
from sagalib.core.instructions import Bind, Each, Fork
from sagalib.core.lints import (
    Lint,
    lints_of_deadline,
    lints_of_scopes,
    lints_of_steps,
    shown_time,
)
from sagalib.core.messages import Direction
from sagalib.core.policy import check_seconds
from sagalib.core.saga import Saga
from sagalib.core.state import AnySaga
from sagalib.core.ways import FailurePoint, HowItFails, PlannedCall, walk

__all__ = ["FailurePoint", "HowItFails", "Plan", "PlannedCall", "plan"]


@final
@frozen
class Plan:
    """What a saga would do: forward, and back from every failure point.

    ``str(plan)`` is a text for people, ``to_dict()`` data for programs.

    Attributes:
        name: of the saga.
        forward: what is called if all goes well, first to last, on every side of each choice.
        completes: whether all can go well: no ``fail(error)`` is in the way.
        failures: every failure point, in the order of the calls; more than one of a call where it
            matters what was chosen or caught before.
        lints: advice, in the order of the calls.
        forward_seconds: how long it takes at most if all goes well, but for attempts of a ``retry``
            that have failed before; ``math.inf`` if unbounded.
        notes: what the plan cannot know of branches, items and ``bind``.
    """

    name: str
    forward: tuple[PlannedCall, ...]
    completes: bool
    failures: tuple[FailurePoint, ...]
    lints: tuple[Lint, ...] = field(repr=False)
    forward_seconds: float
    notes: tuple[str, ...] = ()

    @property
    def seconds(self) -> float:
        """How long a run takes at most; ``math.inf`` if unbounded.

        A compensation that fails is no longer than one that succeeds at the last attempt. One that
        an interrupt cuts is called once more, which is not counted.
        """
        return max([self.forward_seconds, *(point.seconds for point in self.failures)])

    @property
    def unbounded(self) -> tuple[str, ...]:
        """The calls without a bound on their time, as ``"execute charge"``, each once, in order.

        No timeout stops them, or they are made for each of so many items.
        """
        back = (call for point in self.failures for call in point.calls)
        every = [*self.forward, *back]
        return tuple(dict.fromkeys(str(call) for call in every if call.seconds == math.inf))

    def to_dict(self) -> dict[str, object]:
        """Give the plan as ``json.dumps`` takes it; an unbounded time is ``None``."""
        return {
            "name": self.name,
            "completes": self.completes,
            "seconds": _finite(self.seconds),
            "unbounded": list(self.unbounded),
            "forward": {
                "seconds": _finite(self.forward_seconds),
                "calls": list(map(_as_dict, self.forward)),
            },
            "failures": [
                {
                    "path": point.path,
                    "direction": point.direction,
                    "how": point.how,
                    "calls": list(map(_as_dict, point.calls)),
                    "ends": point.ends,
                    "pivot": point.pivot,
                    "in_doubt": list(point.in_doubt),
                    "forward_seconds": _finite(point.forward_seconds),
                    "back_seconds": _finite(point.back_seconds),
                    "seconds": _finite(point.seconds),
                    "given": list(point.given),
                }
                for point in self.failures
            ],
            "lints": [
                {"kind": lint.kind, "path": lint.path, "message": lint.message}
                for lint in self.lints
            ],
            "notes": list(self.notes),
        }

    def __str__(self) -> str:
        """Show the plan as a text of a few lines for each step."""
        return "\n".join(_text_of(self))


def plan(saga: Saga[Any, Any, Any, Any, Any], *, deadline: float | None = None) -> Plan:
    """Tell what ``saga`` would do, without calling any function of it.

    Args:
        saga: plain or async, of any length. The plan lists the way back from each step, so its size
            grows with the square of that.
        deadline: how many seconds a run may take, if it may not take as long as it likes; a saga
            that may take longer gets a lint. Nothing enforces it.

    Returns:
        The plan. It takes every call to need all its attempts, each attempt its whole timeout, and
        each pause its whole length. Pure functions take no time in it and do not raise. A timeout
        stops an async call by cancelling it: a coroutine that does not give way takes longer. A
        ``deadline`` makes nothing shorter. Branches of which a number goes on at once are taken to
        go on one after the other; all at once, the longest counts.

    Raises:
        InvalidSaga: ``saga`` is not one, or has more than 1,000 ways through its choices and
            scopes.
        InvalidOption: ``deadline`` is not a number of seconds above 0.
    """
    came: Any = saga
    if not isinstance(came, Saga):
        msg = f"expected a saga to plan, got {type(saga).__qualname__}: write plan(saga)"
        raise InvalidSaga(msg)
    if deadline is not None:
        check_seconds("deadline", deadline, instead=". Write deadline=None for no deadline")
    walked = walk(saga)
    planned = Plan(
        saga.name,
        walked.forward,
        walked.completes,
        walked.points,
        (),
        walked.forward_seconds,
        tuple(_notes(saga)),
    )
    lints = [
        *lints_of_steps(saga),
        *lints_of_scopes(saga, walked.longest),
        *lints_of_deadline(planned.seconds, planned.unbounded, deadline),
    ]
    return changed(planned, lints=tuple(lints))


def _notes(saga: AnySaga) -> Iterator[str]:
    kinds = {type(instruction) for instruction in saga.instructions}
    if Fork in kinds:
        yield (
            "branches are planned one after the other: in a run their calls mix, and the way back "
            "is last completed first"
        )
    if Each in kinds:
        yield (
            "the body of each is planned once, for one item: what is called for one after the "
            "other has no bound on its time"
        )
    if Bind in kinds:
        yield "what bind brings is not planned: it is one call, with a compensation"


def _as_dict(call: PlannedCall) -> dict[str, object]:
    return {
        "path": call.path,
        "direction": call.direction,
        "attempts": call.attempts,
        "repeats": call.repeats,
        "seconds": _finite(call.seconds),
    }


def _finite(seconds: float) -> float | None:
    return None if seconds == math.inf else seconds


# -- text ------------------------------------------------------------------------------------------

_HOW: Final[dict[HowItFails, str]] = {
    "returned": "fails",
    "in_doubt": "in doubt",
    "late": "late",
    "cancelled": "cancelled before",
    "cut": "cut",
    "expired": "past the deadline",
    "fail": "fails",
}
_SHOWN: Final = 6
_HEAD: Final = ("if", "then", "ends", "at most")


def _at_most(seconds: float) -> str:
    return "no bound on the time" if seconds == math.inf else f"at most {shown_time(seconds)}"


def _in_short(calls: tuple[PlannedCall, ...], show: Callable[[PlannedCall], str]) -> str:
    shown = [show(call) for call in calls]
    if len(shown) > _SHOWN:
        shown[_SHOWN - 1 : -1] = [f"... {len(shown) - _SHOWN:,} more"]
    return ", ".join(shown) or "nothing"


def _forward(call: PlannedCall) -> str:
    shown = call.path if call.direction == Direction.EXECUTE.value else str(call)
    times = call.attempts * call.repeats
    return shown if times == 1 else f"{shown} (up to {times:,} times)"


def _text_of(planned: Plan) -> Iterator[str]:
    end = "" if planned.completes else ", then fail(error)"
    yield f"{planned.name}: {_at_most(planned.seconds)}"
    forward = f"{_in_short(planned.forward, _forward)}{end}"
    yield f"forward: {forward}; {_at_most(planned.forward_seconds)}"
    rows = [_HEAD, *_rows(planned)]
    if planned.failures:
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        yield ""
        for row in rows:
            cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
            yield "  ".join(cells).rstrip()
    if planned.unbounded:
        yield ""
        yield f"no timeout stops: {', '.join(planned.unbounded)}"
    if planned.notes:
        yield ""
        yield from planned.notes
    if planned.lints:
        yield ""
        yield from map(str, planned.lints)


def _rows(planned: Plan) -> Iterator[tuple[str, ...]]:
    """Give a row for each failure point; those of a call that lead to the same share one."""
    for (path, direction), points in groupby(
        planned.failures, key=lambda point: (point.path, point.direction)
    ):
        alike: dict[tuple[object, ...], list[FailurePoint]] = {}
        for point in points:
            same = (point.calls, point.ends, point.in_doubt, point.given)
            alike.setdefault(same, []).append(point)
        for group in alike.values():
            first = group[0]
            what = "fail(error)" if path is None else path
            if direction != Direction.EXECUTE.value:
                what = f"{direction} {what}"
            how = " or ".join(dict.fromkeys(_HOW[point.how] for point in group))
            how += f", given {' and '.join(first.given)}" if first.given else ""
            ends = f"fatal: pivot {first.pivot}" if first.pivot else first.ends
            if first.in_doubt:
                ends += f", in doubt: {', '.join(first.in_doubt)}"
            at_most = max(point.seconds for point in group)
            yield (
                f"{what}{how.removeprefix('fails')}" if path is None else f"{what} {how}",
                _in_short(first.calls, str),
                ends,
                shown_time(at_most),
            )
