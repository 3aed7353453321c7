"""Sagas written in two ways, which no context can tell apart: how laws are stated and checked."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, TypeAlias

from attrs import evolve

from sagalib import arrow, fail, gather, identity, when
from tests.laws.spots import (
    FIRST,
    SCHEDULES,
    Build,
    Run,
    Sight,
    Turns,
    has_branches,
    out_of_order,
    simulated,
)
from tests.laws.terms import ACTS, AnySaga, Functions, StepTerm, parts_of
from tests.laws.wholes import Case, builds

Around: TypeAlias = Callable[[Build], Build]
TAGS: Final = ("yes", "no", "tuple")


# -- the constructors, of builders -----------------------------------------------------------------


def made(saga: AnySaga) -> Build:
    """Give what builds a saga without steps."""
    return lambda _: saga


UNIT: Final = made(identity())
AFTER: Final = made(fail("after"))
NO: Final = made(fail("no"))


def step(name: str, **fields: Any) -> Build:
    """Give what builds a step."""
    return builds(StepTerm(name, **fields))


def pure(function: Callable[[Any], Any]) -> Build:
    """Give what builds an arrow."""
    return made(arrow(function))


def then(*parts: Build) -> Build:
    """Give the sequence."""

    def make(functions: Functions) -> AnySaga:
        whole: AnySaga = identity()
        for part in parts:
            whole = whole >> part(functions)
        return whole

    return make


def choose(predicate: Callable[[Any], bool], one: Build, other: Build) -> Build:
    """Give the choice."""
    return lambda functions: when(predicate, one(functions)).otherwise(other(functions))


def nest(inner: Build, name: str = "z0") -> Build:
    """Give the saga nested."""
    return lambda functions: inner(functions).nested(name)


def tried(*parts: Build) -> Build:
    """Give `one | other | ...`, from the left."""

    def make(functions: Functions) -> AnySaga:
        first, *others = (part(functions) for part in parts)
        for other in others:
            first = first | other
        return first

    return make


def again(retries: Any, inner: Build) -> Build:
    """Give the saga that is tried again."""
    return lambda functions: inner(functions).retry(retries)


def within(seconds: float, inner: Build) -> Build:
    """Give the saga with a deadline."""
    return lambda functions: inner(functions).deadline(seconds)


def beside(*parts: Build, **options: Any) -> Build:
    """Give the branches."""
    return lambda functions: gather((part(functions) for part in parts), **options)


def mapped(inner: Build, function: Callable[[Any], Any]) -> Build:
    """Give the saga with a function after it."""
    return lambda functions: inner(functions).map(function)


def of(function: Callable[[Any], Any], inner: Build) -> Build:
    """Give the saga with a function before it."""
    return lambda functions: inner(functions).contramap(function)


# -- contexts --------------------------------------------------------------------------------------


def _alone(saga: Build) -> Build:
    return saga


def _failing(saga: Build) -> Build:
    return then(step("z1"), saga, AFTER)


def _amid(saga: Build) -> Build:
    return tried(then(step("z1"), saga, step("z2"), AFTER), step("z3"))


def _again(saga: Build) -> Build:
    return again(1, then(step("z1"), saga, AFTER))


def _in_a_branch(saga: Build) -> Build:
    return then(step("z1"), beside(saga, then(step("z2"), step("z3"))), AFTER)


AT_THE_TOP: Final[Mapping[str, Around]] = {
    "alone": _alone,
    "before a failure": _failing,
    "in an alternative": _amid,
    "in a retry": _again,
}
IN_A_BRANCH: Final[Mapping[str, Around]] = {"in a branch": _in_a_branch}


def contexts(case: Case) -> Mapping[str, Around]:
    """Give all contexts in which the sagas of a case may stand."""
    pivots = any(
        isinstance(part, StepTerm) and part.pivot for term in case.terms for part in parts_of(term)
    )
    return AT_THE_TOP if pivots else {**AT_THE_TOP, **IN_A_BRANCH}


def schedules(*sagas: Build) -> Iterable[Turns]:
    """Give the schedules that are worth a try."""
    return SCHEDULES if any(has_branches(one(ACTS)) for one in sagas) else (FIRST,)


# -- equalities ------------------------------------------------------------------------------------


def assert_same(
    case: Case,
    expected: Build,
    came: Build,
    *,
    around: Mapping[str, Around] | None = None,
    keys: bool = True,
) -> None:
    """Check that two sagas are denoted alike: same calls and outcome, wherever they stand."""
    for name, context in (contexts(case) if around is None else around).items():
        one, other = context(expected), context(came)
        for turns in tuple(schedules(one, other))[::2]:
            left, right = (simulated(each, case.run, turns) for each in (one, other))
            at = (name, turns.name)
            assert (at, left.told) == (at, right.told)
            assert (at, left.seen) == (at, right.seen)
            if keys:  # copies of a step have keys of their own, and so may their effects
                assert (at, left.keyed) == (at, right.keyed)
                assert (at, left.effects) == (at, right.effects)


def ends(sight: Sight) -> tuple[object, ...]:
    """Give how a run ends, in no order; of several reasons, whichever comes first."""
    told = sight.told
    owed = [repr(one) for one in told.owed if one[0] != "unwind"]
    return (
        told.kind,
        told.value,
        sorted(map(repr, told.reasons)),
        sorted(map(repr, told.failures)),
        sorted(told.in_doubt),
        sorted(owed),
        sight.effects,
    )


def assert_alike(left: Sight, right: Sight, at: object = None) -> None:
    """Check that two runs are the same but for the order of what branches do."""
    assert (at, ends(left)) == (at, ends(right))
    assert (at, sorted(map(repr, left.seen))) == (at, sorted(map(repr, right.seen)))
    assert (at, []) == (at, out_of_order(left, right))


def sights(case: Case, saga: Build, run: Run | None = None) -> dict[str, Sight]:
    """Run a saga under all schedules."""
    given = case.run if run is None else run
    return {turns.name: simulated(saga, given, turns) for turns in schedules(saga)}


def on_value(case: Case, value: object) -> Run:
    """Give how the case is run on another value."""
    return evolve(case.run, value=value)


def spots_with(prefix: str, sight: Sight) -> list[tuple[object, ...]]:
    """Give the calls of the saga whose steps have names that begin with `prefix`."""
    return [made.seen for made in sight.ledger if made.spot.rpartition("]")[2].startswith(prefix)]


def assert_same_if_ok(case: Case, plain: Build, came: Build) -> None:
    """Check that two sagas are the same wherever the first one goes through."""
    once = ("alone", "before a failure", "in a branch")
    for name, context in contexts(case).items():
        if name not in once:
            continue  # there the saga may fail, and what is around go on
        one, other = context(plain), context(came)
        for turns in schedules(one):
            left = simulated(one, case.run, turns)
            if left.told.kind == "Ok" or left.told.reasons == ("after",):
                right = simulated(other, case.run, turns)
                assert (name, left.told) == (name, right.told)
                assert (name, left.keyed) == (name, right.keyed)
                assert (name, left.effects) == (name, right.effects)
