"""Generators of sequential sagas and of what their calls answer."""

from __future__ import annotations

from functools import cache
from itertools import count, pairwise, product
from random import Random
from typing import Any, Final

from attrs import evolve, frozen
from hypothesis import settings
from hypothesis import strategies as st

from sagalib import Retry
from tests.laws.interpreters import Case
from tests.laws.terms import (
    AnySaga,
    Failing,
    Form,
    Given,
    Joined,
    Joining,
    Left,
    Pure,
    StepTerm,
    Term,
    Wrapped,
    Wrapping,
    answers_for,
    build,
    steps_of,
)
from tests.laws.world import HARD, SOFT, Answer, Boom, Plan, Refusal, where

HALF: Final = settings(max_examples=max(25, settings().max_examples // 2))
"""For properties that run a saga many times."""

NAMES: Final = ("alfa", "bravo", "charlie", "delta")
STRANGE_NAMES: Final = (
    "execute",
    "0",
    "a/b",
    "a~2",
    "a",
    "~",
    "%2F",
    "x[1]",
    "compensate/1",
    "é ü",
)


def not_for_ever(reason: object) -> bool:
    """Tell whether a reason is worth a retry, and fail to for an exception."""
    if not isinstance(reason, Refusal):
        raise Boom("predicate")
    return True


RETRIES: Final[tuple[int | Retry, ...]] = (
    0,
    1,
    2,
    Retry(2, wait=0.5),
    Retry(1, wait=1.0, only=Refusal),
    Retry(2, wait=0.25, factor=3.0, unless=Refusal),
    Retry(1, wait=0.5, only=not_for_ever),
)
TIMEOUTS: Final = (None, SOFT, HARD)


@frozen
class Shape:
    """What may be in a saga.

    Attributes:
        names: of the steps.
        tags: of pure functions, and in the names that `named` gives.
        is_async: the colours that a step may have.
        pivots: whether there may be points of no return.
        gaps: whether there may be steps without a compensation.
        promises: whether there may be compensations without an execute.
        failing: whether there may be `fail` and pure functions that raise.
        left: whether what an earlier run left may be in it.
        most: how many parts there are at most at the top.
    """

    names: tuple[str, ...] = NAMES
    tags: tuple[str, ...] = ("m", "n")
    is_async: tuple[bool, ...] = (False, True)
    pivots: bool = True
    gaps: bool = True
    promises: bool = True
    failing: bool = True
    left: bool = True
    most: int = 6


ANY: Final = Shape()
SYNC: Final = Shape(is_async=(False,))
OWN: Final = Shape(left=False)
"""Without what earlier runs left, whose compensations are called on the way forward."""
OTHER: Final[dict[str, Any]] = {"names": ("xray", "yankee", "zulu"), "tags": ("o", "p")}
"""Names and tags that no other shape has."""
COMPENSABLE: Final = Shape(left=False, pivots=False, gaps=False, promises=False)
"""Every effect can be made up for, and every compensation makes up for an effect."""
GIVEN: Final[tuple[Given, ...]] = ("argument", "method")
FORMS: Final[tuple[Form, ...]] = ("step", "decorator", "lifted", "stage", "context")


WRAPPINGS: Final[tuple[Wrapping, ...]] = (
    "map",
    "contramap",
    "map_error",
    "keep",
    "keep_last",
    "keep_star",
    "named",
)
JOININGS: Final[tuple[Joining, ...]] = ("left", "right", "then", "chain")


@cache
def _pick(*options: Any) -> st.SearchStrategy[Any]:
    # A strategy that is made anew in each example costs more than the run that it is for.
    return st.sampled_from(options)


class _Sketch:
    """Draws the parts of a term; few and cheap draws, since a law needs many sagas."""

    def __init__(self, draw: st.DrawFn, shape: Shape) -> None:
        self.draw = draw
        self.shape = shape
        self.runs = count(1)
        kinds = ["step"] * 24
        kinds += ["pure", "identity", "joined", "wrapped", "wrapped", "wrapped"]
        kinds += ["left"] * 2 if shape.left else []
        kinds += ["failing", "boom"] if shape.failing else []
        self.kinds = tuple(kinds)

    def whole(self) -> Term:
        term = self.joined(self.shape.most, 0)
        return self.wrapped(term) if self.draw(_pick(False, False, True)) else term

    def joined(self, most: int, depth: int) -> Joined:
        size = self.draw(
            _pick(
                *range(most + 1), *range(most // 2 + 1, most + 1), *range(most // 2 + 1, most + 1)
            )
        )
        return Joined(tuple(self.part(depth) for _ in range(size)), self.draw(_pick(*JOININGS)))

    def wrapped(self, inner: Term) -> Term:
        tags = (*self.shape.tags * 2, "boom") if self.shape.failing else self.shape.tags
        return Wrapped(self.draw(_pick(*WRAPPINGS)), self.draw(_pick(*tags)), inner)

    def part(self, depth: int) -> Term:
        kind = self.draw(_pick(*self.kinds)) if depth < 3 else "step"
        match kind:
            case "pure":
                return Pure(self.draw(_pick(*self.shape.tags)))
            case "boom":
                return Pure("boom")
            case "failing":
                return Failing(self.draw(_pick("no", "never")))
            case "identity":
                return Joined(())
            case "joined":
                return self.joined(2, depth + 1)
            case "wrapped":
                return self.wrapped(self.part(depth + 1))
            case "left":
                return self.left()
            case _:
                return self.step()

    def step(self) -> StepTerm:
        shape = self.shape
        return StepTerm(
            name=self.draw(_pick(*shape.names)),
            is_async=self.draw(_pick(*shape.is_async)),
            **self.draw(_forms(shape)),
            **self.draw(_POLICIES),
        )

    def left(self) -> Left:
        inner = _Sketch(self.draw, evolve(self.shape, left=False))
        parts: list[Term] = [inner.step() for _ in range(self.draw(_pick(1, 2, 3)))]
        if self.draw(_pick(True, False)):
            parts.append(Failing("no"))
        term = Joined(tuple(parts))
        plan, stop = draw_plan(self.draw, build(term)), self.draw(_pick(False, True))
        # Runs have ids of their own, and so have the keys of what they left.
        return Left(term, plan, stop, f"earlier:{next(self.runs)}")


@cache
def _forms(shape: Shape) -> st.SearchStrategy[dict[str, Any]]:
    """List the ways in which a step can be written, as fields of a term."""
    found: list[dict[str, Any]] = []
    for form in FORMS:
        ways: tuple[Given, ...] = ("argument",) if form in {"stage", "context"} else GIVEN
        compensated: tuple[Given, ...] = (*ways, "no") if shape.gaps and form != "context" else ways
        for given in compensated:
            found.extend(
                {"form": form, "compensated": given, "settled": settled}
                for settled in ("no", *ways)
            )
            found += [
                {"form": form, "compensated": given, "settled": ways[0], "settle_on": "failure"}
            ] * 4
        if shape.pivots and form != "context":
            found.append({"form": form, "compensated": "no", "settled": "no", "pivot": True})
            found.append({"form": form, "compensated": "no", "settled": ways[0], "pivot": True})
    if shape.promises:
        found += [{"form": "promise"}] * 3
    return _mixed(found)


def _mixed(options: list[Any]) -> st.SearchStrategy[Any]:
    """Draw one of many: the simplest is the first, the others are in no order."""
    rest = options[1:]
    Random(0).shuffle(rest)
    return st.sampled_from([options[0], *rest])


_POLICIES: Final = _mixed(
    [
        {
            "retries": retries,
            "compensation_retries": again,
            "timeout": timeout,
            "compensation_timeout": back,
        }
        for back in TIMEOUTS
        for timeout in TIMEOUTS
        for again in RETRIES
        for retries in RETRIES
    ]
)


@cache
def terms(shape: Shape = ANY) -> st.SearchStrategy[Term]:
    """Draw a saga, as a term."""
    return st.composite(lambda draw: _Sketch(draw, shape).whole())()


def draw_plan(draw: st.DrawFn, saga: AnySaga, *, refused: bool = False) -> Plan:
    """Draw what the calls answer: mostly, one of the last steps fails and others stumble."""
    extra = (Answer.REFUSED,) if refused else ()
    plan: dict[str, tuple[Answer, ...]] = {}
    calling = steps_of(saga)
    own = [path for path, kind, _ in calling if kind == "step"]
    victim = draw(_pick(*own[::-1], *own[-3:], *own[-2:], *own[-1:], *own[-1:], None))
    for path, kind, made in calling:
        if path == victim:
            plan[path] = draw(_faults((*answers_for(made, "execute"), *extra)))
        elif kind == "step" and draw(_SELDOM):
            plan[path] = draw(_stumbles(answers_for(made, "execute"), made.retries.times))
        for direction in ("compensate", "settle"):
            if getattr(made, direction) is not None and draw(_OFTEN[direction]):
                legal = (*answers_for(made, direction), *extra)
                plan[where(path, direction)] = draw(_faults(legal))
    return {place: answers for place, answers in plan.items() if answers}


_SELDOM: Final = st.sampled_from((False, False, True))
_OFTEN: Final = {
    "compensate": st.sampled_from((False, True)),
    "settle": st.sampled_from((False, True, True, True)),  # since few settles are called
}
_ENDS_A_STEP: Final = {Answer.OK, Answer.LATE, Answer.CUT, Answer.CANCEL}


@cache
def _stumbles(legal: tuple[Answer, ...], times: int) -> st.SearchStrategy[tuple[Answer, ...]]:
    """Draw fewer faults than a step has attempts, in one draw."""
    faults = [answer for answer in legal if answer not in _ENDS_A_STEP]
    lists = [one for number in range(1, times + 1) for one in product(faults, repeat=number)]
    return _mixed([(), *lists])


@cache
def _faults(legal: tuple[Answer, ...]) -> st.SearchStrategy[tuple[Answer, ...]]:
    """Draw one to three faults, in one draw; a run is cancelled once at most before a call."""
    faults = [answer for answer in legal if answer is not Answer.OK]
    lasting = [(one,) * 3 for one in faults for _ in faults]
    refusing = [(Answer.ERR,) * 3 for _ in range(2 * len(lasting))]
    doubtful = [(one, Answer.ERR, Answer.ERR) for one in faults for _ in faults]
    late = [(one,) for one in faults if one is Answer.LATE for _ in range(2 * len(faults))]
    cancelled = [(one, Answer.CANCEL) for one in faults for _ in faults[::2]]
    longer = [one for number in (1, 2, 3) for one in product(faults, repeat=number)]
    lists = [(faults[0],), *lasting, *refusing, *doubtful, *late, *cancelled, *longer]
    return _mixed([one for one in lists if (Answer.CANCEL, Answer.CANCEL) not in pairwise(one)])


def values() -> st.SearchStrategy[object]:
    """Draw what a saga gets."""
    return _pick("in", ("in", "put"), None, 0)


@st.composite
def cases(
    draw: st.DrawFn, shape: Shape = ANY, *, refused: bool = False, stop: bool | None = None
) -> Case:
    """Draw a saga, what it gets, what its calls answer, and the policy for failed compensations."""
    term = _Sketch(draw, shape).whole()
    plan = draw_plan(draw, build(term), refused=refused)
    return Case(term, plan, draw(values()), draw(_pick(False, True)) if stop is None else stop)


@st.composite
def resumed_cases(draw: st.DrawFn) -> Case:
    """Draw sagas that begin with what an earlier run left, and go on."""
    sketch = _Sketch(draw, OWN)
    term = Joined((sketch.left(), sketch.step(), sketch.step()))
    return Case(term, draw_plan(draw, build(term)), "in", draw(_pick(False, True)))


@frozen
class Joint:
    """Several sagas, and a case of them one after the other."""

    terms: tuple[Term, ...]
    case: Case

    @property
    def sagas(self) -> list[AnySaga]:
        """The sagas, built anew."""
        return [build(term) for term in self.terms]


@st.composite
def joint_cases(draw: st.DrawFn, *shapes: Shape) -> Joint:
    """Draw a saga of each shape, and what the calls of their sequence answer."""
    parts = tuple(_Sketch(draw, shape).whole() for shape in shapes)
    whole = Joined(parts)
    case = Case(whole, draw_plan(draw, build(whole)), draw(values()), draw(_pick(False, True)))
    return Joint(parts, case)
