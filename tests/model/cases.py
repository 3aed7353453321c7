"""Generated cases: one generator, led by hypothesis or by dice, that reaches every form."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

from attrs import evolve, field, frozen, mutable
from hypothesis import strategies as st

from sagalib.core.paths import parse
from tests.model.model import Answer, Where, endings
from tests.model.terms import (
    CLASSES,
    Action,
    Again,
    Bind,
    Each,
    ErrorMap,
    Fail,
    Identity,
    Keep,
    Map,
    Nested,
    On,
    OrElse,
    Par,
    Pure,
    Recover,
    Retries,
    Sequence,
    Term,
    When,
    is_concurrent,
)
from tests.model.world import Case

NAMES = ("a", "b", "c", "m")
NESTED = ("m", "n")

Pick = Callable[[int], int]
"""Give a number from 0 up to, and without, another; hypothesis shrinks towards 0."""


@frozen
class Inside:
    """Where a part of a term stands: not visibly beside others, if it may have a pivot."""

    pivots: bool = True
    in_bind: bool = False


@mutable
class Generator:
    """Makes terms and answers of picks."""

    pick: Pick
    left: int = field(default=0)

    def one(self, *choices: Any) -> Any:
        """Take one of some choices."""
        return choices[self.pick(len(choices))]

    def chance(self, of: int) -> bool:
        """Be true once in so many times."""
        return self.pick(of) == of - 1

    def case(self) -> Case:
        """Make a case: the rules say which calls there may be, and each is given an answer."""
        self.left = 2 + self.pick(9)
        term = self.term(Inside(), 4)
        sequential = not is_concurrent(term)
        faults = self.one(4, 2, 8)
        answers: dict[Where, Answer] = {}

        def plan(where: Where) -> Answer:
            if where not in answers:
                answers[where] = self.answer(where, faults, sequential=sequential)
            return answers[where]

        stop = sequential and self.chance(3)
        for _ in endings(term, "in", plan, stop=stop):
            pass
        faulty = {where: one for where, one in answers.items() if one is not Answer.OK}
        return Case(term, faulty, stop)

    def answer(self, where: Where, faults: int, *, sequential: bool) -> Answer:
        """Make an answer, which fails once in `faults` times."""
        if not self.chance(faults):
            return Answer.OK
        usual = [Answer.ERR, Answer.RAISE, Answer.ERR, Answer.TIMEOUT]
        if where.direction == "compensate" and parse(where.path)[-1].name in NESTED:
            usual.pop()  # it has no timeout
        if where.direction != "execute":
            return self.one(*usual, Answer.CUT)  # type: ignore[no-any-return]
        if sequential and self.chance(6):
            return self.one(Answer.CANCEL, Answer.CUT)  # type: ignore[no-any-return]
        if self.chance(10):
            return Answer.LATE
        return self.one(*usual)  # type: ignore[no-any-return]

    def retries(self, most: int) -> Retries:
        """Make a policy."""
        retries = Retries(self.pick(most + 1), wait=self.one(0.0, 0.0, 1.0))
        match self.pick(6):
            case 5:
                return evolve(retries, only=self.one(*CLASSES))
            case 4:
                return evolve(retries, unless=self.one(*CLASSES))
            case _:
                return retries

    def term(self, inside: Inside, depth: int) -> Term:
        """Make a term of at most that depth."""
        if depth == 0 or self.left <= 0:
            return self.leaf(inside)
        makers = (self.leaf, self.row, self.row, self.wrapped, self.wrapped, self.forked, self.fork)
        return self.one(*makers)(  # type: ignore[no-any-return]
            inside, depth
        )

    def leaf(self, inside: Inside, _: int = 0) -> Term:
        """Make a term without parts."""
        self.left -= 1
        match self.pick(14):
            case 13:
                return Identity()
            case 12:
                return Fail("no")
            case 11:
                return Pure(self.one("red", "tag", "blue", "green", "boom"))
            case _:
                return self.action(inside)

    def action(self, inside: Inside) -> Term:
        """Make a step."""
        pivot = inside.pivots and self.chance(3 if inside.in_bind else 8)
        return Action(
            self.one(*NAMES),
            compensate=not pivot and not self.chance(5),
            settle=self.chance(3),
            settle_on=self.one("doubt", "failure"),
            pivot=pivot,
            retries=self.retries(2) if self.chance(3) else Retries(),
            compensation_retries=self.pick(2) if self.chance(3) else 0,
        )

    def row(self, inside: Inside, depth: int) -> Term:
        """Make a sequence."""
        count = 2 + self.pick(2)
        return Sequence(tuple([self.term(inside, depth - 1) for _ in range(count)]))

    def wrapped(self, inside: Inside, depth: int) -> Term:
        """Make a term around one other."""
        kind = self.pick(9)
        if kind == 0:
            return self.bind(inside, depth)
        inner = self.term(inside, depth - 1)
        match kind:
            case 1:
                return Map(inner, self.one("red", "tag", "blue", "boom"))
            case 2:
                inner = self.fork(inside, depth) if self.chance(2) else inner
                return ErrorMap(inner, self.one("tag", "tag", "other", "boom"))
            case 3:
                return Keep(inner)
            case 4 | 5:
                return Nested(inner, self.one(*NESTED), compensate=self.pick(2) == 1)
            case 6:
                return Recover(inner, self.one("red", "tag", "blue", "boom"))
            case _:
                return Again(inner, self.retries(2))

    def bind(self, inside: Inside, depth: int) -> Term:
        """Make a bind; what it brings may have a pivot that nobody can see beforehand."""
        inner = self.term(inside, depth - 1)
        if self.chance(10):
            return Bind(inner, ())
        unseen = evolve(inside, pivots=True, in_bind=True)
        choices = [
            None if self.chance(8) else self.term(unseen, depth - 1)
            for _ in range(1 + self.pick(2))
        ]
        return Bind(inner, tuple(choices))

    def forked(self, inside: Inside, depth: int) -> Term:
        """Make a term around several others."""
        beside = evolve(inside, pivots=False)
        match self.pick(6):
            case 0:
                tag = self.one("yes", "no", "odd", "odd", "odd", "boom")
                return When(tag, self.term(inside, depth - 1), self.term(inside, depth - 1))
            case 1:
                colour = Pure(self.one("red", "blue", "green", "tag"))
                cases = [self.term(inside, depth - 1) for _ in range(1 + self.pick(3))]
                return Sequence((self.one(colour, Identity()), On(tuple(cases))))
            case 2:
                return OrElse(self.term(inside, depth - 1), self.term(inside, depth - 1))
            case 3:
                body = self.term(beside, depth - 1)
                return Each(body, self.pick(4), self.one(1, 2, None))
            case _:
                return self.fork(inside, depth)

    def fork(self, inside: Inside, depth: int) -> Term:
        """Make branches."""
        beside = evolve(inside, pivots=False)
        form = self.one("par", "and", "gather")
        if form == "and":
            return Par((self.term(beside, depth - 1), self.term(beside, depth - 1)), None, "and")
        branches = [self.term(beside, depth - 1) for _ in range(self.one(2, 3, 4, 1, 0))]
        return Par(tuple(branches), self.one(None, None, 1, 2), form)


def random_case(seed: int) -> Case:
    """Give the case of a seed."""
    dice = random.Random(seed)
    return Generator(dice.randrange).case()


@st.composite
def cases(draw: st.DrawFn) -> Case:
    """Give cases, with small ones for the failing ones."""
    return Generator(lambda below: draw(st.integers(0, below - 1))).case()
