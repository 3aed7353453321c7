"""What a plan says of choices, scopes and branches is what happens: against simulations."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from itertools import count, groupby, product
from typing import Any, Final, TypeAlias

from hypothesis import example, given
from hypothesis import strategies as st
from returns.result import Failure, Result, Success

from sagalib import (
    Call,
    Cancel,
    Cancelled,
    Compensated,
    Fatal,
    Irreversible,
    Late,
    Ok,
    Retry,
    Saga,
    Soft,
    Step,
    TimedOut,
    each,
    events,
    explore,
    fail,
    identity,
    par,
    plan,
    simulate,
    when,
)
from sagalib.core.instructions import Choose
from tests.laws.strategies import HALF

AnySaga: TypeAlias = Saga[Any, Any, Any, Any, Any]
Term: TypeAlias = tuple[Any, ...]
Where: TypeAlias = tuple[str, str]
"""Path and direction of a call."""


def execute(value: Any) -> Result[Any, Any]:
    """Be a step that is not called."""
    raise AssertionError(value)


def undo(value: Any) -> Result[None, Any]:
    """Be a compensation that is not called."""
    raise AssertionError(value)


def one_item(_: object) -> tuple[int]:
    """Give what `each` takes: a plan has its body once."""
    return (0,)


def rescued(_: object) -> int:
    """Make a value of an error."""
    return 0


class Side:
    """A predicate, whose answer is said from outside."""

    taken: Mapping[str, bool] = {}

    def __init__(self, name: str) -> None:
        """Have a name."""
        self.__name__ = name

    def __call__(self, _: object) -> bool:
        """Give the side that is to be taken."""
        return Side.taken[self.__name__]


# ------------------------------------------------------------------ terms

TIMED: Final[dict[str, Any]] = {"timeout": 2.0, "compensation_timeout": 1.0}
SOFT: Final[dict[str, Any]] = {"timeout": Soft(2.0), "compensation_timeout": 1.0}
KINDS: Final = (
    *("bare", "undone", "undone", "settled", "retried", "pivot"),
    *("fail", "none", "row", "row", "when", "or_else", "or_else", "recover", "retry"),
    *("nested", "programmed", "deadline", "par", "each"),
)


LEAVES: Final[Mapping[str, Callable[[str], AnySaga]]] = {
    "bare": lambda name: Step(execute, name=name, timeout=2.0),
    "undone": lambda name: Step(execute, undo, name=name, **TIMED),
    "settled": lambda name: Step(execute, undo, settle=undo, name=name, **SOFT),
    "retried": lambda name: Step(execute, undo, name=name, retries=1, **TIMED),
    "pivot": lambda name: Step(execute, name=name, timeout=2.0, pivot=True),
    "fail": fail,
    "none": lambda _: identity(),
}
ONES: Final[Mapping[str, Callable[[AnySaga, str], AnySaga]]] = {
    "recover": lambda one, _: one.recover(rescued),
    "nested": lambda one, name: one.nested(name),
    "programmed": lambda one, name: one.nested(name, undo),
    "deadline": lambda one, _: one.deadline(5.0),
    "each": lambda one, _: each(one).contramap(one_item),
}
PAIRS: Final[Mapping[str, Callable[[AnySaga, AnySaga, str], AnySaga]]] = {
    "row": lambda one, other, _: one >> other,
    "when": lambda one, other, name: when(Side(name), one).otherwise(other),
    "or_else": lambda one, other, _: one.or_else(other),
    "par": lambda one, other, _: par(one, other),
}


def made(term: Term, *, again: bool, names: Iterator[int] | None = None) -> AnySaga:
    """Build a saga; without `again`, what `retry` retries is tried once."""
    numbers = count() if names is None else names
    kind, *inner = term
    parts = [made(one, again=again, names=numbers) for one in inner]
    name = f"s{next(numbers)}"
    if kind == "retry":
        retried: AnySaga = parts[0].retry(Retry(2 if again else 0, wait=1.0))
        return retried
    if kind in LEAVES:
        return LEAVES[kind](name)
    return ONES[kind](parts[0], name) if kind in ONES else PAIRS[kind](parts[0], parts[1], name)


@st.composite
def terms(draw: st.DrawFn, *, without: frozenset[str] = frozenset()) -> Term:
    """Draw a term of a few parts, with what may stand in a branch in branches."""

    def part(depth: int, *, branch: bool) -> Term:
        kinds = [
            kind
            for kind in (KINDS if depth < 4 else ("bare", "undone", "settled", "retried"))
            if kind not in without and not (branch and kind == "pivot")
        ]
        kind = draw(st.sampled_from(kinds))
        size = 0 if kind in LEAVES else 2 if kind in PAIRS else 1
        inside = branch or kind in {"par", "each"}
        return (kind, *(part(depth + 1, branch=inside) for _ in range(size)))

    return ("row", part(0, branch=False), ("row", part(0, branch=False), ("undone",)))


# ------------------------------------------------------------------ runs

FAULTS: Final[Mapping[str, Any]] = {
    "returned": Failure("planned"),
    "in_doubt": TimedOut(2.0),
    "late": Late("late"),
    "cancelled": Cancel(),
    "cut": Cancelled(),
}
ENDS: Final = {Ok: "ok", Compensated: "compensated", Fatal: "fatal"}
MOST: Final = 150


def planned_path(path: str) -> str:
    """Give the path as it stands in a plan."""
    return path.replace("item[0]", "item[]").replace("item~2[0]", "item~2[]")


def called(saga: AnySaga, faults: Mapping[Where, str]) -> tuple[list[Where], Any]:
    """Simulate with faults; give the calls, a repeated one once, and the outcome."""
    calls: list[Where] = []

    def answer(call: Call) -> Any:
        where = (planned_path(call.path), call.direction)
        fault = faults.get(where)
        if fault != "cancelled":
            calls.append(where)
        return Success(0) if fault is None else FAULTS[fault]

    outcome = simulate(saga, 0, answer)
    return [call for call, _ in groupby(calls)], outcome


def what_happened(calls: list[Where], outcome: Any) -> tuple[Any, ...]:
    """Give what a plan says of a failure."""
    pivots = [one.step for one in getattr(outcome, "failures", ()) if isinstance(one, Irreversible)]
    return (calls, ENDS[type(outcome)], pivots[0] if pivots else None)


def happening(point: Any) -> tuple[Any, ...]:
    """Give the same of a failure point."""
    calls = [(call.path, call.direction) for call in point.calls]
    return ([call for call, _ in groupby(calls)], point.ends, point.pivot)


def sides_of(saga: AnySaga) -> Iterator[dict[str, bool]]:
    """Give each way to choose."""
    word: tuple[Any, ...] = saga.instructions
    names = [
        one.predicate.__name__
        for one in word
        if isinstance(one, Choose) and isinstance(one.predicate, Side)
    ]
    for answers in product((True, False), repeat=len(names)):
        yield dict(zip(names, answers, strict=True))


def agrees(given_: tuple[str, ...], sides: Mapping[str, bool]) -> bool:
    """Tell whether a point can be of a run in which these sides were taken."""
    chosen = [label for label in given_ if " of " not in label]
    return all(sides[label.removeprefix("not ")] is (label[:4] != "not ") for label in chosen)


def faults_that_come(
    once: AnySaga, sides: Mapping[str, bool]
) -> Iterator[tuple[Where, str, dict[Where, str], list[Where], Any]]:
    """Give runs with one fault, and more where one is caught: the last fault and the run."""
    Side.taken = sides
    waiting: list[tuple[dict[Where, str], int]] = [({}, 0)]
    for _ in range(MOST):
        if not waiting:
            return
        faults, seen = waiting.pop()
        calls, _ = called(once, faults)
        for at, where in enumerate(calls):
            if at < seen or where[1] != "execute" or any(_beside(it[0], where[0]) for it in faults):
                continue
            for how in FAULTS:
                if how == "late" and not _may_be_late(once, where[0]):
                    continue
                more = {**faults, where: how}
                after, outcome = called(once, more)
                yield where, how, more, after, outcome
                if how == "returned":
                    waiting.append((more, at + 1))


def _beside(one: str, other: str) -> bool:
    """Tell whether calls are the same, or stand in branches side by side: a plan fails one."""
    parts = [re.split(r"\[(\d+)\]", path) for path in (one, other)]
    differ = [at for at, pair in enumerate(zip(*parts, strict=False)) if pair[0] != pair[1]]
    return one == other or bool(differ and differ[0] % 2)


def _may_be_late(saga: AnySaga, path: str) -> bool:
    found: Any = saga.instructions[saga.paths.index(path)]
    return isinstance(found.timeout, Soft)


# ------------------------------------------------------------------ the laws


@HALF
@given(terms())
@example(("or_else", ("row", ("undone",), ("when", ("fail",), ("undone",))), ("settled",)))
def test_what_comes_after_a_failure_is_planned(term: Term) -> None:
    """Each run in which calls fail, and are caught, goes on as a failure point says."""
    once = made(term, again=False)
    planned = plan(made(term, again=True))
    told: dict[tuple[str | None, str], list[Any]] = {}
    for point in planned.failures:
        told.setdefault((point.path, point.how), []).append(point)
    for sides in sides_of(once):
        for where, how, faults, calls, outcome in faults_that_come(once, sides):
            place = calls.index(where) + 1 if how != "cancelled" else None
            if place is None:
                before = called(once, {key: it for key, it in faults.items() if key != where})[0]
                place = before.index(where)
            happened = what_happened(calls[place:], outcome)
            as_told = how if how != "cut" or (where[0], "cut") in told else "in_doubt"
            doubts = tuple(map(planned_path, outcome.in_doubt))
            points = [
                one
                for one in told[where[0], as_told]
                if agrees(one.given, sides) and (len(faults) > 1 or one.in_doubt == doubts)
            ]
            assert happened in [happening(one) for one in points], (faults, sides)


@HALF
@given(terms(without=frozenset({"fail"})))
def test_what_is_planned_can_happen(term: Term) -> None:
    """Each failure point is that of a run: there are faults after which it comes to be."""
    once = made(term, again=False)
    planned = plan(made(term, again=True))
    missing = [
        (point.path, point.how, happening(point))
        for point in planned.failures
        if point.how not in {"expired", "fail"}
    ]
    runs = 0
    for sides in sides_of(once):
        for where, how, faults, calls, outcome in faults_that_come(once, sides):
            runs += 1
            before = called(once, {key: it for key, it in faults.items() if key != where})[0]
            place = before.index(where) + (how != "cancelled")
            found = (where[0], how, what_happened(calls[place:], outcome))
            missing = [one for one in missing if one != found]
    assert runs >= MOST or missing == []


@HALF
@given(terms(without=frozenset({"pivot"})))
def test_all_going_well_is_planned(term: Term) -> None:
    """The calls of a run in which all goes well are planned, in that order, on every side."""
    once = made(term, again=False)
    planned = plan(made(term, again=True))
    forward = [(call.path, call.direction) for call in planned.forward]
    for sides in sides_of(once):
        Side.taken = sides
        calls, outcome = called(once, {})
        if isinstance(outcome, Ok) and not any(place == "compensate" for _, place in calls):
            assert planned.completes or ("or_else" in repr(term) or "recover" in repr(term))
            assert [call for call in forward if call in calls] == calls or "or_else" in repr(term)


def seconds_of(saga: AnySaga, log: Any) -> float:
    """Give how long a run takes in which each call takes its whole timeout."""
    seconds = 0.0
    for event in log:
        match event:
            case events.StepStarted():
                seconds += 2.0
            case events.CompensationStarted():
                seconds += 1.0
            case _ if "retrying" in event.kind:
                seconds += 1.0
            case _:
                pass
    return seconds


TIMED_TERMS: Final = frozenset({"pivot", "par", "each", "programmed", "settled", "retried"})


@HALF
@given(terms(without=TIMED_TERMS))
@example(("row", ("retry", ("row", ("undone",), ("undone",))), ("undone",)))
def test_no_run_takes_longer_than_planned(term: Term) -> None:
    """Of all runs, also those which begin again, none takes longer than the plan says."""
    saga = made(term, again=True)
    most = plan(saga).seconds
    for sides in sides_of(saga):
        Side.taken = sides

        def answers(call: Call) -> list[Any]:
            return [Failure("no"), Success(0)] if call.direction == "execute" else [Success(0)]

        for schedule in explore(saga, 0, answers, bound=60):
            assert most >= seconds_of(saga, schedule.outcome.log)
