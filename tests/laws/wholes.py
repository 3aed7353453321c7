"""Generators of sagas of all forms, and of what their calls answer.

A sketch takes its choices from anything that picks one of several: from hypothesis, which makes
small examples of failures, or from dice, for the mutants, of which each needs a few examples only.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import count
from random import Random
from typing import Any, Final, TypeAlias, TypeVar

from attrs import evolve, field, frozen
from hypothesis import given
from hypothesis import strategies as st

from sagalib import Retry
from tests.laws.spots import Build, Run
from tests.laws.terms import (
    Again,
    AnySaga,
    Beside,
    Brought,
    Chosen,
    Failing,
    Functions,
    Joined,
    Nest,
    PerItem,
    Pure,
    Recovered,
    StepTerm,
    Term,
    Tried,
    Wrapped,
    build,
    inside,
)
from tests.laws.world import SOFT, Answer, Plan, Refusal

T = TypeVar("T")
Pick: TypeAlias = Callable[[Any], Any]
"""Gives one of a sequence; the first is the simplest."""

FORMS: Final = (
    "step",
    "joined",
    "pure",
    "wrapped",
    "failing",
    "beside",
    "each",
    "chosen",
    "tried",
    "recovered",
    "again",
    "nest",
    "brought",
)
_OFTEN: Final = {
    "step": 10,
    "joined": 2,
    "wrapped": 2,
    "beside": 3,
    "tried": 2,
    "again": 2,
    "nest": 2,
}


@frozen
class Shape:
    """What may be in a saga.

    Attributes:
        forms: the constructors.
        compensable: whether every step has a compensation, and what is in doubt is settled or told.
        pivots: whether there may be points of no return, outside branches.
        answers: what an execute may answer, but ok.
        back: what a compensate or settle may answer, but ok.
        retries: whether steps may retry.
        most: how many parts there are at most at the top.
        limits: of branches.
        owning: whether `nested` may have a compensation of its own.
        promises: whether there may be compensations without an execute.
        raising: whether pure functions, predicates and `bind` may raise.
    """

    forms: tuple[str, ...] = FORMS
    compensable: bool = False
    pivots: bool = True
    answers: tuple[Answer, ...] = (
        Answer.ERR,
        Answer.RAISE,
        Answer.TIMEOUT,
        Answer.LATE,
        Answer.BARE,
    )
    back: tuple[Answer, ...] = (Answer.ERR, Answer.RAISE)
    retries: bool = True
    most: int = 3
    limits: tuple[int | None, ...] = (None, None, 1)
    owning: bool = True
    promises: bool = True
    raising: bool = True

    def without(self, *forms: str) -> Shape:
        """Give the shape without some constructors."""
        return evolve(self, forms=tuple(form for form in self.forms if form not in forms))


ANY: Final = Shape()
LOOSE: Final = evolve(ANY, limits=(None, 1, 2))
"""Also with limits under which which branches begin depends on the schedule."""
NO_PIVOT: Final = evolve(ANY, pivots=False)
CLEAN: Final = evolve(NO_PIVOT, back=())
"""Whatever fails is undone."""
LINEAR: Final = ANY.without("beside", "each")
STRAIGHT: Final = Shape(forms=("step", "joined", "pure", "wrapped", "chosen", "nest", "brought"))
"""One way forward, and then one way back."""
EXACT: Final = evolve(CLEAN, compensable=True, owning=False, answers=(Answer.ERR,), raising=False)
"""Every effect is known, and can be made up for."""
SCOPE_RETRIES: Final[tuple[int | Retry, ...]] = (
    1,
    2,
    0,
    Retry(1, wait=0.5),
    Retry(2, only=Refusal),
    Retry(2, unless=Refusal),
)
STEP_RETRIES: Final[tuple[int | Retry, ...]] = (0, 0, 0, 1, 2, Retry(1, wait=0.5))
WRAPPINGS: Final = ("map", "contramap", "map_error", "keep", "keep_last")


class Sketch:
    """Draws a term; its steps have names of their own."""

    def __init__(self, pick: Pick, shape: Shape, prefix: str) -> None:
        self.pick = pick
        self.shape = shape
        self.names = (f"{prefix}{number}" for number in count(1))
        kinds = [form for form in shape.forms for _ in range(_OFTEN.get(form, 1))]
        self.kinds = tuple(kinds)
        self.branches = 0

    def whole(self) -> Term:
        """Draw one."""
        return self.joined(self.shape.most, 0)

    def joined(self, most: int, depth: int) -> Term:
        """Draw some, one after the other."""
        size = self.pick(range(1, most + 1))
        parts = tuple(self.part(depth) for _ in range(size))
        return parts[0] if size == 1 else Joined(parts)

    def part(self, depth: int) -> Term:
        """Draw a part."""
        pick, depth = self.pick, depth + 1
        kind = pick(self.kinds) if depth < 4 else "step"
        tags = ("m", "n", "m", "n", "boom") if self.shape.raising else ("m", "n")
        match kind:
            case "joined":
                return self.joined(2, depth)
            case "pure":
                return Pure(pick(tags))
            case "wrapped":
                return Wrapped(pick(WRAPPINGS), pick(tags), self.joined(2, depth))
            case "failing":
                return Failing("no")
            case "beside" | "each":
                return self.forked(kind, depth)
            case "chosen":
                test = pick(("yes", "no", "tuple", *(("boom",) if self.shape.raising else ())))
                how = pick(("when", "on"))
                return Chosen(test, self.joined(2, depth), self.joined(2, depth), how)
            case "tried":
                how = pick(("or_else", "|"))
                return Tried(self.joined(2, depth), self.joined(2, depth), how)
            case "recovered":
                return Recovered(pick(tags), self.joined(2, depth))
            case "again":
                return Again(pick(SCOPE_RETRIES), self.joined(2, depth))
            case "nest":
                own = self.shape.owning and pick((False, False, True))
                return Nest(next(self.names), self.joined(2, depth), own)
            case "brought":
                brings = ("saga", "saga", "saga", "saga", "boom", "none")
                tag = pick(brings if self.shape.raising else ("saga",))
                return Brought(self.joined(2, depth), self.joined(2, depth), tag)
            case _:
                return self.step()

    def forked(self, kind: str, depth: int) -> Term:
        """Draw branches."""
        pick, limit = self.pick, self.pick(self.shape.limits)
        self.branches += 1
        if kind == "each":
            found: Term = PerItem(self.joined(2, depth), pick((2, 0, 1, 3)), limit)
        else:
            how = pick(("&", "par", "par", "gather", "together"))
            size = 2 if how == "&" else pick((2, 3, 1, 0) if how != "together" else (2, 1))
            if how == "together":
                parts: Iterable[Term] = (evolve(self.step(), form="stage") for _ in range(size))
            else:
                parts = (self.joined(2, depth) for _ in range(size))
            found = Beside(tuple(parts), how, None if how == "&" else limit)
        self.branches -= 1
        return found

    def step(self) -> StepTerm:
        """Draw a step."""
        pick, shape = self.pick, self.shape
        compensated, settled, settle_on = pick(
            (
                ("argument", "no", "doubt"),
                ("argument", "argument", "doubt"),
                ("argument", "argument", "failure"),
            )
            if shape.compensable
            else (
                ("argument", "no", "doubt"),
                ("argument", "no", "doubt"),
                ("argument", "argument", "doubt"),
                ("argument", "argument", "failure"),
                ("no", "no", "doubt"),
                ("no", "argument", "doubt"),
            )
        )
        pivot = shape.pivots and not self.branches and compensated == "no" and pick((False, True))
        form: Any = "step"
        promises = shape.promises and not shape.compensable
        if not pivot and promises and pick((False,) * 9 + (True,)):
            return StepTerm(next(self.names), form="promise")
        return StepTerm(
            next(self.names),
            form=form,
            compensated=compensated,
            settled=settled,
            settle_on=settle_on,
            pivot=pivot,
            retries=pick(STEP_RETRIES) if shape.retries else 0,
            compensation_retries=pick((0, 0, 1)) if shape.retries else 0,
            timeout=SOFT,
        )


# -- what calls answer -----------------------------------------------------------------------------


def spots(term: Term, around: str = "") -> list[tuple[str, str]]:
    """Give spot and direction of all calls that a term may make, each once."""
    found: list[tuple[str, str]] = []
    if isinstance(term, StepTerm):
        spot = around + term.name
        if term.form != "promise":
            found.append((spot, "execute"))
        if term.compensated == "argument" or term.form == "promise":
            found.append((spot, "compensate"))
        if term.settled == "argument":
            found.append((spot, "settle"))
    if isinstance(term, Nest) and term.compensated:
        found.append((around + term.name, "compensate"))
    if isinstance(term, PerItem):
        for item in range(term.items):
            found += spots(term.inner, f"{around}[{item}]")
    else:
        for part in inside(term):
            found += spots(part, around)
    return list(dict.fromkeys(found))


def draw_plan(pick: Pick, terms: Iterable[Term], shape: Shape) -> Plan:
    """Draw what calls answer: most are ok."""
    plan: dict[str, tuple[Answer, ...]] = {}
    for term in terms:
        for spot, direction in spots(term):
            faults = shape.answers if direction == "execute" else shape.back
            seldom = (False, True, False) if direction == "execute" else (False, False, True, False)
            if not faults or not pick(seldom):
                continue
            one = pick(faults)
            place = spot if direction == "execute" else f"{spot}:{direction}"
            plan[place] = pick(
                ((one,), (one,) * 9, (Answer.OK, one), (one, pick(faults)), (one, Answer.OK, one))
            )
    return plan


# -- the cases of a law ----------------------------------------------------------------------------


@frozen
class Case:
    """What a law is about: sagas as terms, and how they are run."""

    terms: tuple[Term, ...]
    run: Run = field(factory=Run)

    @property
    def p(self) -> Build:
        """The first saga."""
        return self.saga(0)

    @property
    def q(self) -> Build:
        """The second."""
        return self.saga(1)

    @property
    def r(self) -> Build:
        """The third."""
        return self.saga(2)

    def saga(self, number: int) -> Build:
        """Give what builds one of the sagas."""
        return builds(self.terms[number])

    def without(self, *answers: Answer) -> Case:
        """Give the case without some answers; all are faults, if none is named."""
        plan: Plan = {
            place: kept
            for place, planned in self.run.plan.items()
            if answers and (kept := tuple(one for one in planned if one not in answers))
        }
        return evolve(self, run=evolve(self.run, plan=plan))


def builds(term: Term) -> Build:
    """Give what builds the saga of a term with the functions of a world."""

    def make(functions: Functions) -> AnySaga:
        return build(term, functions)

    return make


def draw_case(pick: Pick, shapes: tuple[Shape, ...], *, stop: bool | None = False) -> Case:
    """Draw a saga of each shape, and what their calls answer."""
    terms = tuple(
        Sketch(pick, shape, prefix).whole() for shape, prefix in zip(shapes, "pqrs", strict=False)
    )
    plan: dict[str, tuple[Answer, ...]] = {}
    for term, shape in zip(terms, shapes, strict=True):
        plan.update(draw_plan(pick, [term], shape))
    value = pick(("in", ("in", "put"), None))
    policy = pick((False, True)) if stop is None else stop
    return Case(terms, Run(plan, value, policy))


@st.composite
def wholes(draw: st.DrawFn, shapes: tuple[Shape, ...], *, stop: bool | None = False) -> Case:
    """Draw a case by hypothesis."""

    def pick(options: Any) -> Any:
        return draw(st.sampled_from(options))

    return draw_case(pick, shapes, stop=stop)


def diced(seed: int, shapes: tuple[Shape, ...], *, stop: bool | None = False) -> Case:
    """Draw a case by dice."""
    return draw_case(Random(seed).choice, shapes, stop=stop)


Check: TypeAlias = Callable[[Case], None]


@frozen
class Law:
    """A law: what it is about, and what has to hold of each case."""

    shapes: tuple[Shape, ...]
    stop: bool | None
    check: Check


LAWS: Final[dict[str, Law]] = {}
"""All laws by the names of their tests."""


def law(*shapes: Shape, stop: bool | None = False) -> Callable[[Check], Callable[[], None]]:
    """Make the test of a law, over cases with a saga of each shape."""

    def decorate(check: Check) -> Callable[[], None]:
        LAWS[check.__name__] = Law(shapes, stop, check)
        tested: Callable[[], None] = given(wholes(shapes, stop=stop))(check)
        return tested

    return decorate
