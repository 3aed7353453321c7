"""What a saga would do: the calls of both directions, before anything is called.

The machine itself is asked. It walks the saga with its functions taken out: the pure ones pass on
what they get, and nothing is retried, since a retry repeats a call and changes no order. Every
answer is one that ``evolve`` takes, so the plan of a failure is what the machine does after it, and
not a second opinion. That ``simulate`` makes the same calls is a law, tested over generated sagas.

How long a call may take stands in its policies: attempts times timeout, and the longest pauses
between. That is a bound only where the timeout stops the call; where it does not, the plan says
``math.inf`` and not a number that is wishful.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from itertools import groupby
from typing import Any, Final, Literal, TypeAlias, final

from attrs import evolve as changed
from attrs import field, frozen
from returns.result import Failure, Success

from sagalib.core.errors import InvalidSaga
from sagalib.core.forward import CANCELLED
from sagalib.core.instructions import (
    Arrow,
    Guard,
    Instruction,
    Merge,
    Owed,
    Promise,
    is_step,
)
from sagalib.core.lints import Lint, lints_of_deadline, lints_of_steps, shown_time
from sagalib.core.machine import begin, evolve
from sagalib.core.messages import Cancel, Direction, Late, Reply, Unknown
from sagalib.core.outcomes import Irreversible
from sagalib.core.owed import failures_of, in_doubt_of
from sagalib.core.policy import Retry, Soft, Timeout, check_seconds, seconds_of
from sagalib.core.saga import Composite, Saga
from sagalib.core.state import (
    AnySaga,
    Compensating,
    Ended,
    Executing,
    Machine,
    direction_of,
    path_of,
    step_of,
)
from sagalib.core.steps import AnyStep

__all__ = ["FailurePoint", "HowItFails", "Plan", "PlannedCall", "plan"]

HowItFails: TypeAlias = Literal["returned", "in_doubt", "late", "cancelled", "fail"]
"""``returned``: it returns a failure. ``in_doubt``: an attempt raises, times out or is cut.
``late``: it succeeds after its timeout. ``cancelled``: the run is cancelled before the call.
``fail``: not a call, but ``fail(error)`` in the saga."""


@final
@frozen
class PlannedCall:
    """One call that would be made, with all its attempts.

    Attributes:
        path: where the step stands in the saga.
        direction: ``"execute"``, ``"compensate"`` or ``"settle"``.
        attempts: how often it is called at most.
        seconds: how long all of these take at most, with the pauses between; ``math.inf`` if no
            timeout stops it.
    """

    path: str
    direction: str
    attempts: int
    seconds: float

    def __str__(self) -> str:
        """Show direction and path."""
        return f"{self.direction} {self.path}"


@final
@frozen
class FailurePoint:
    """One way in which the saga can fail, and what is called then if no compensation fails.

    Attributes:
        path: the step that fails; ``None`` for ``fail(error)``.
        direction: which of its calls: ``"execute"``, or a compensation that an earlier run owes.
        how: ``"returned"``, ``"in_doubt"``, ``"late"``, ``"cancelled"`` or ``"fail"``.
        calls: what is called on the way back, first to last.
        ends: ``"compensated"`` or ``"fatal"``.
        pivot: the path of the completed pivot that ends the way back, if one does.
        in_doubt: paths of calls that stay in doubt.
        forward_seconds: how long it takes at most up to the failure; ``math.inf`` if unbounded.
        back_seconds: how long the way back takes at most.
    """

    path: str | None
    direction: str
    how: HowItFails
    calls: tuple[PlannedCall, ...]
    ends: Literal["compensated", "fatal"]
    pivot: str | None
    in_doubt: tuple[str, ...]
    forward_seconds: float
    back_seconds: float

    @property
    def seconds(self) -> float:
        """How long such a run takes at most, from its beginning to its end."""
        return self.forward_seconds + self.back_seconds


@final
@frozen
class Plan:
    """What a saga would do: forward, and back from every failure point.

    ``str(plan)`` is a text for people, ``to_dict()`` data for programs.

    Attributes:
        name: of the saga.
        forward: what is called if all goes well, first to last.
        completes: whether all can go well: no ``fail(error)`` is in the way.
        failures: every failure point, in the order of the calls.
        lints: advice, in the order of the calls.
        forward_seconds: how long it takes at most if all goes well; ``math.inf`` if unbounded.
    """

    name: str
    forward: tuple[PlannedCall, ...]
    completes: bool
    failures: tuple[FailurePoint, ...]
    lints: tuple[Lint, ...] = field(repr=False)
    forward_seconds: float

    @property
    def seconds(self) -> float:
        """How long a run takes at most; ``math.inf`` if unbounded.

        A compensation that fails is no longer than one that succeeds at the last attempt. One that
        an interrupt cuts is called once more, which is not counted.
        """
        return max([self.forward_seconds, *(point.seconds for point in self.failures)])

    @property
    def unbounded(self) -> tuple[str, ...]:
        """The calls that no timeout stops, each once and in order, as ``"execute charge"``."""
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
                }
                for point in self.failures
            ],
            "lints": [
                {"kind": lint.kind, "path": lint.path, "message": lint.message}
                for lint in self.lints
            ],
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
        stops an async call by cancelling it: a coroutine that does not give way takes longer.

    Raises:
        InvalidSaga: ``saga`` is not one.
        InvalidOption: ``deadline`` is not a number of seconds above 0.
    """
    came: Any = saga
    if not isinstance(came, Saga):
        msg = f"expected a saga to plan, got {type(saga).__qualname__}: write plan(saga)"
        raise InvalidSaga(msg)
    if deadline is not None:
        check_seconds("deadline", deadline, instead=". Write deadline=None for no deadline")
    forward, completes, failures = _walk(saga)
    planned = Plan(saga.name, forward, completes, failures, (), _total(forward))
    lints = [
        *lints_of_steps(saga),
        *lints_of_deadline(planned.seconds, planned.unbounded, deadline),
    ]
    return changed(planned, lints=tuple(lints))


# -- the walk --------------------------------------------------------------------------------------

_DONE: Final = Success(None)
_ONCE: Final = Retry(0)


def _pass(value: Any) -> Any:
    return value


def _forget(kept: Any, _: Any) -> Any:
    return kept


def _without_functions(instruction: Instruction) -> Instruction:
    """Take out all that the machine calls: pure functions, and predicates of retries."""
    match instruction:
        case Arrow():
            return Arrow(_pass)
        case Guard():
            return Guard(_pass)
        case Merge():
            return Merge(_forget)
        case Promise(step) | Owed(step=step):
            return changed(instruction, step=_called_once(step))
        case _:
            return _called_once(instruction) if is_step(instruction) else instruction


def _called_once(step: Any) -> AnyStep:
    # A step's arguments stand in its __init__, where attrs' own would have them.
    once: AnyStep = changed(step, retries=_ONCE, compensation_retries=_ONCE)
    return once


def _walk(saga: AnySaga) -> tuple[tuple[PlannedCall, ...], bool, tuple[FailurePoint, ...]]:
    word = saga.instructions
    # The paths are made of the names, so they stay what they are.
    bare: AnySaga = Composite(tuple(map(_without_functions, word)), name=saga.name)
    machine = begin(bare, None, "plan")
    forward: list[PlannedCall] = []
    points: list[FailurePoint] = []
    before = 0.0
    while not _has_turned(machine):
        call = _call_of(machine, word)
        until = before + call.seconds
        for how, reply in _ways_to_fail(machine):
            reached = before if how == "cancelled" else until
            after = evolve(machine, reply)
            points.append(_point(call, how, after, word, reached))
        forward.append(call)
        before = until
        machine = evolve(machine, _DONE)
    completes = isinstance(machine.progress, Ended) and machine.progress.failed is None
    if not completes:
        points.append(_point(None, "fail", machine, word, before))
    return tuple(forward), completes, tuple(points)


def _has_turned(machine: Machine) -> bool:
    """Tell whether the run goes back, or has ended.

    What an earlier run owes is compensated on the way forward; it has a frame to return to.
    """
    progress = machine.progress
    return isinstance(progress, Ended) or (
        isinstance(progress, Compensating) and machine.frames is None
    )


def _ways_to_fail(machine: Machine) -> Iterator[tuple[HowItFails, Reply]]:
    yield "returned", Failure(None)
    # Any reason is as good, and a cut is the one that no policy retries.
    doubt = Unknown(CANCELLED) if isinstance(machine.progress, Executing) else Failure(None)
    yield "in_doubt", doubt
    if not isinstance(machine.progress, Executing):
        return
    step = step_of(machine)
    if step.compensate is not None and _can_be_late(step.timeout, is_async=step.is_async):
        yield "late", Late(None)
    yield "cancelled", Cancel()


def _can_be_late(timeout: Timeout, *, is_async: bool) -> bool:
    return timeout is not None and (is_async or isinstance(timeout, Soft))


def _point(
    failing: PlannedCall | None,
    how: HowItFails,
    machine: Machine,
    word: tuple[Instruction, ...],
    reached: float,
) -> FailurePoint:
    calls: list[PlannedCall] = []
    while not isinstance(machine.progress, Ended):
        calls.append(_call_of(machine, word))
        machine = evolve(machine, _DONE)
    failures = failures_of(machine)
    pivots = [failure.step for failure in failures if isinstance(failure, Irreversible)]
    return FailurePoint(
        None if failing is None else failing.path,
        Direction.EXECUTE.value if failing is None else failing.direction,
        how,
        tuple(calls),
        "fatal" if failures else "compensated",
        pivots[0] if pivots else None,
        in_doubt_of(machine),
        reached,
        _total(calls),
    )


def _call_of(machine: Machine, word: tuple[Instruction, ...]) -> PlannedCall:
    direction = direction_of(machine)
    asked: Any = word[machine.pc]
    step: AnyStep = asked if asked.is_step else asked.step
    retry, timeout = (
        (step.retries, step.timeout)
        if direction is Direction.EXECUTE
        else (step.compensation_retries, step.compensation_timeout)
    )
    seconds = _most_seconds(retry, timeout, is_async=step.is_async)
    return PlannedCall(path_of(machine), direction.value, retry.times + 1, seconds)


# -- time ------------------------------------------------------------------------------------------

_MANY: Final = 1 << 1000
"""More retries than a float can count are as good as this many."""


def _total(calls: Iterable[PlannedCall]) -> float:
    return sum((call.seconds for call in calls), 0.0)


def _most_seconds(retry: Retry, timeout: Timeout, *, is_async: bool) -> float:
    """Give how long a call with all its attempts takes at most."""
    seconds = seconds_of(timeout)
    if seconds is None or (isinstance(timeout, Soft) and not is_async):
        return math.inf
    again = min(retry.times, _MANY)
    return (again + 1) * seconds + _longest_pauses(retry, again)


def _longest_pauses(retry: Retry, again: int) -> float:
    total, last = 0.0, -1.0
    for attempt in range(1, again + 1):
        pause = retry.delay(attempt)
        if pause == last:  # it has stopped growing
            return total + pause * (again - attempt + 1)
        total, last = total + pause, pause
    return total


def _as_dict(call: PlannedCall) -> dict[str, object]:
    return {
        "path": call.path,
        "direction": call.direction,
        "attempts": call.attempts,
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
    return shown if call.attempts == 1 else f"{shown} (up to {call.attempts} times)"


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
            same = (point.calls, point.ends, point.in_doubt)
            alike.setdefault(same, []).append(point)
        for group in alike.values():
            first = group[0]
            what = "fail(error)" if path is None else path
            if direction != Direction.EXECUTE.value:
                what = f"{direction} {what}"
            how = " or ".join(_HOW[point.how] for point in group)
            ends = f"fatal: pivot {first.pivot}" if first.pivot else first.ends
            if first.in_doubt:
                ends += f", in doubt: {', '.join(first.in_doubt)}"
            at_most = max(point.seconds for point in group)
            yield (
                what if path is None else f"{what} {how}",
                _in_short(first.calls, str),
                ends,
                shown_time(at_most),
            )
