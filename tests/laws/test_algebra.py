"""A. category, B. functor: L01-L14; L92."""

from __future__ import annotations

import operator
from typing import Any, Final

import pytest
from attrs import evolve, frozen
from hypothesis import given

from sagalib import Ok, Saga, chain, fail, identity
from tests.laws.interpreters import Case, Seen, by_machine, everywhere, interpreters_of
from tests.laws.strategies import (
    ANY,
    HALF,
    OTHER,
    OWN,
    Joint,
    cases,
    joint_cases,
    terms,
)
from tests.laws.terms import AnySaga, Functions, Joined, Tag, Term, Wrapped, build, steps_of

P: Final = evolve(ANY, most=3)
Q: Final = evolve(P, **OTHER)
TOTAL: Final = evolve(OWN, failing=False, pivots=False, most=3)
"""Sagas that succeed whenever their steps do."""


def assert_same_runs(case: Case, expected: AnySaga, came: AnySaga) -> None:
    """Check that two sagas cannot be told apart by running them, whoever runs them."""
    left, right = everywhere(case, expected), everywhere(case, came)
    for name, seen in left.items():
        if name not in right:
            continue  # `run` takes one of the two: the other has async steps, which are not reached
        other = right[name]
        assert (name, seen.told) == (name, other.told)
        assert (name, seen.ledger) == (name, other.ledger)
        assert (name, seen.body) == (name, other.body)
        assert (name, seen.standing) == (name, other.standing)
        assert (name, seen.interrupted) == (name, other.interrupted)


def back_calls(seen: Seen) -> list[tuple[object, ...]]:
    """Give all calls on the way back, with what they got."""
    return [
        (entry.path, entry.direction, entry.values)
        for entry in seen.ledger
        if entry.direction != "execute"
    ]


@HALF
@given(cases())
def test_l01_identity_before_a_saga_is_the_saga(case: Case) -> None:
    """`identity() >> p` runs as `p` does."""
    unit: AnySaga = identity()
    assert_same_runs(case, case.saga, unit >> case.saga)


@HALF
@given(cases())
def test_l02_identity_after_a_saga_is_the_saga(case: Case) -> None:
    """`p >> identity()` runs as `p` does."""
    unit: AnySaga = identity()
    assert_same_runs(case, case.saga, case.saga >> unit)


@HALF
@given(joint_cases(P, Q, P))
def test_l03_sequence_is_associative(joint: Joint) -> None:
    """Both bracketings of three sagas run alike."""
    p, q, r = joint.sagas
    assert_same_runs(joint.case, (p >> q) >> r, p >> (q >> r))


@HALF
@given(joint_cases(P, Q, P))
def test_l04_chain_is_the_fold_of_sequence(joint: Joint) -> None:
    """`chain` of sagas runs as they do joined one by one, of one as itself, of none as identity."""
    p, q, r = joint.sagas
    assert_same_runs(joint.case, p >> q >> r, chain(joint.sagas))
    assert_same_runs(joint.case, p, chain([p]))
    assert_same_runs(joint.case, identity(), chain([]))


@given(joint_cases(P, Q, P))
def test_l05_the_laws_of_sequence_hold_for_equality_and_hash(joint: Joint) -> None:
    """Associativity, units and `chain` hold for `==` and `hash`; other words are not equal."""
    p, q, r = joint.sagas
    pairs: list[tuple[AnySaga, AnySaga]] = [
        ((p >> q) >> r, p >> (q >> r)),
        ((p >> q).then(r), p.then(q.then(r))),
        (identity() >> p, p),
        (p >> identity(), p),
        (chain([p, q, r]), p >> q >> r),
        (chain([p]), p),
        (build(joint.terms[0]), p),
    ]
    for left, right in pairs:
        assert left == right
        assert hash(left) == hash(right)
    assert (q.instructions == ()) is (p >> q >> r == p >> r)
    assert (p >> r).named("one") != (p >> r).named("other")


@given(joint_cases(P, Q))
def test_l06_nothing_follows_a_failure(joint: Joint) -> None:
    """`fail(e) >> p` is `fail(e)`: its context is what reached it, and no step is called."""
    assert_same_runs(joint.case, fail("no"), fail("no") >> joint.sagas[0])
    assert [] == [
        entry
        for seen in everywhere(joint.case, fail("no") >> joint.sagas[0]).values()
        for entry in seen.ledger
    ]


@given(joint_cases(P, Q))
def test_l07_what_follows_a_saga_that_fails_changes_nothing(joint: Joint) -> None:
    """If `p` fails, `p >> q` runs as `p` does."""
    p, q = joint.sagas
    failing = p >> fail("no")
    assert_same_runs(joint.case, failing, failing >> q)


@HALF
@given(joint_cases(TOTAL, evolve(TOTAL, **OTHER)))
def test_l08_the_compensation_of_a_sequence_is_that_of_its_parts_the_second_first(
    joint: Joint,
) -> None:
    """After `p >> q`, all that `q` owes is called, then all that `p` owes, with its own values."""
    p, q = joint.sagas
    quiet = evolve(joint.case, plan={})
    between = by_machine(quiet, p).outcome
    assert isinstance(between, Ok)
    after_p, after_q = quiet, evolve(quiet, value=between.value)
    for name, interpret in interpreters_of(quiet, p >> q).items():
        parts = [
            back_calls(interpret(after_q, q >> fail("no"))),
            back_calls(interpret(after_p, p >> fail("no"))),
        ]
        assert (name, [*parts[0], *parts[1]]) == (
            name,
            back_calls(interpret(quiet, p >> q >> fail("no"))),
        )
        whole: Any = interpret(quiet, p >> q).outcome
        undone = interpret(evolve(quiet, value=None), whole.compensation)
        assert (name, [*parts[0], *parts[1]]) == (name, back_calls(undone))
        assert (name, Ok(None)) == (name, undone.outcome)


def _word(saga: AnySaga) -> tuple[str, ...]:
    """Fold into the free monoid: the steps, in order."""
    return tuple(f"{kind} {made!r}" for _, kind, made in steps_of(saga))


def _cost(saga: AnySaga) -> int:
    """Fold into numbers under addition: the most calls that a run forward can make."""
    return sum(1 + made.retries.times for _, kind, made in steps_of(saga) if kind == "step")


def _longest(saga: AnySaga) -> int:
    """Fold into numbers under the maximum: the most retries of any step."""
    return max((made.retries.times for _, _, made in steps_of(saga)), default=0)


@given(joint_cases(P, Q))
def test_l09_a_fold_of_instructions_is_a_functor(joint: Joint) -> None:
    """Folding a saga into any monoid turns `>>` into its operation and identity into its unit."""
    p, q = joint.sagas

    monoids: list[tuple[Any, Any]] = [(_word, operator.add), (_cost, operator.add), (_longest, max)]
    for measure, combine in monoids:
        unit = measure(identity())
        assert combine(measure(p), measure(q)) == measure(p >> q)
        assert combine(unit, measure(p)) == measure(p) == combine(measure(p), unit)
    assert (p.is_async or q.is_async) is (p >> q).is_async


def _same(value: object) -> object:
    return value


@HALF
@given(cases())
def test_l10_mapping_identity_changes_nothing(case: Case) -> None:
    """`p.map(identity)` runs as `p` does."""
    assert_same_runs(case, case.saga, case.saga.map(_same))


@HALF
@given(cases())
def test_l11_mapping_twice_is_mapping_the_composition(case: Case) -> None:
    """`p.map(f).map(g)` runs as `p.map(g after f)` does, and gives `g(f(value))`."""
    f, g = Tag("f"), Tag("g")
    assert_same_runs(case, case.saga.map(lambda value: g(f(value))), case.saga.map(f).map(g))
    plain, mapped = by_machine(case).outcome, by_machine(case, case.saga.map(f).map(g)).outcome
    assert (
        plain == mapped
        if not isinstance(plain, Ok)
        else ("g", ("f", plain.value)) == mapped.unwrap()
    )


@HALF
@given(cases())
def test_l12_contramapping_identity_changes_nothing(case: Case) -> None:
    """`p.contramap(identity)` runs as `p` does."""
    assert_same_runs(case, case.saga, case.saga.contramap(_same))


@given(cases())
def test_l13_contramap_is_applied_to_what_the_saga_gets(case: Case) -> None:
    """`p.contramap(f)` on a value runs as `p` does on `f(value)`."""
    f = Tag("f")
    direct = everywhere(evolve(case, value=f(case.value)), case.saga)
    for name, seen in everywhere(case, case.saga.contramap(f)).items():
        assert (name, direct[name].told) == (name, seen.told)
        assert (name, direct[name].ledger) == (name, seen.ledger)
        assert (name, direct[name].body) == (name, seen.body)


@HALF
@given(cases())
def test_l14_mapping_never_changes_what_a_compensation_gets(case: Case) -> None:
    """All calls of `p.map(f)`, there and back and still owed, are those of `p`, with its values."""
    plain, mapped = case.saga >> fail("no"), case.saga.map(Tag("f")) >> fail("no")
    expected, came = everywhere(case, plain), everywhere(case, mapped)
    for name, seen in expected.items():
        assert (name, seen.ledger) == (name, came[name].ledger)
    ok, ok_mapped = by_machine(case), by_machine(case, case.saga.map(Tag("f")))
    if isinstance(ok.outcome, Ok):
        assert ok.told[2:] == ok_mapped.told[2:]


@frozen
class Forbidden:
    """A function that must not be called: an error in it cannot be mistaken for that of a step."""

    label: str

    def __call__(self, *_: object) -> Any:
        """Raise."""
        raise ForbiddenCall(self.label)


@frozen
class ForbiddenAsync:
    """The same as a coroutine function."""

    label: str

    async def __call__(self, *_: object) -> Any:
        """Raise."""
        raise ForbiddenCall(self.label)


class ForbiddenCall(BaseException):
    """A function was called that must not be."""


FORBIDDEN: Final = Functions(
    plain=lambda label, role, _: Forbidden(f"{label} {role}"),
    coroutine=lambda label, role, _: ForbiddenAsync(f"{label} {role}"),
    pure=Forbidden,
    pure_two=Forbidden,
    predicate=Forbidden,
    bring=lambda _, tag: Forbidden(tag),
)


@given(terms(OWN))
def test_l92_construction_calls_no_function(term: Term) -> None:
    """Building, comparing, hashing, showing and reading a saga call none of its functions."""
    saga: Saga[Any, Any, Any, Any, Any] = build(term, FORBIDDEN)
    assert saga == build(term, FORBIDDEN)
    assert hash(saga) == hash(build(term, FORBIDDEN))
    assert repr(saga) == repr(build(term, FORBIDDEN))
    assert len(saga.instructions) == len(saga.paths)


def test_l92_sees_a_call() -> None:
    """The functions of the test above do raise what no driver takes for an answer."""
    with pytest.raises(ForbiddenCall, match="m"):
        by_machine(Case(Joined(())), build(Wrapped("map", "m", Joined(())), FORBIDDEN))
