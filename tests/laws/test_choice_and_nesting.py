"""D. choice, E. nesting: L30-L44."""

from __future__ import annotations

from typing import Final

from attrs import evolve

from sagalib import Compensated, Ok, arrow, fail, identity
from tests.laws.spots import Made, Sight, simulated, spot_of
from tests.laws.terms import AnySaga, Is, Joined, Nest, Tag, Term, inside, with_inside
from tests.laws.wholes import ANY, LINEAR, NO_PIVOT, Case, builds, law
from tests.laws.written import (
    AFTER,
    AT_THE_TOP,
    TAGS,
    assert_same,
    assert_same_if_ok,
    beside,
    choose,
    contexts,
    ends,
    made,
    nest,
    pure,
    schedules,
    sights,
    step,
    then,
)

SMALL: Final = evolve(ANY, most=2)
PLAIN: Final = evolve(LINEAR, pivots=False)


# -- D. choice -------------------------------------------------------------------------------------


@law(SMALL, SMALL)
def test_l30_a_constant_predicate_chooses(case: Case) -> None:
    """A choice of which the predicate always holds is the first saga; never, the second."""
    assert_same(case, case.p, choose(Is("yes"), case.p, case.q))
    assert_same(case, case.q, choose(Is("no"), case.p, case.q))


@law(ANY)
def test_l31_a_choice_between_a_saga_and_itself_is_the_saga(case: Case) -> None:
    """Whatever the predicate says, the same saga on both sides runs as the saga does."""
    for tag in TAGS:
        assert_same(case, case.p, choose(Is(tag), case.p, case.p))


@law(SMALL, SMALL, SMALL)
def test_l32_what_follows_a_choice_may_be_written_in_both_sides(case: Case) -> None:
    """`when(P, p).otherwise(q) >> r` is `when(P, p >> r).otherwise(q >> r)`."""
    p, q, r = case.p, case.q, case.r
    for tag in TAGS:
        predicate = Is(tag)
        left, right = then(choose(predicate, p, q), r), choose(predicate, then(p, r), then(q, r))
        assert_same(case, left, right)


@law(SMALL, SMALL)
def test_l33_a_pure_function_may_go_through_a_choice(case: Case) -> None:
    """`arrow(f) >> when(P, p).otherwise(q)` chooses by `P` after `f`, and applies `f` in both."""
    f = Tag("f")

    def after(value: object) -> bool:
        return Is("tuple")(f(value))

    left = then(pure(f), choose(Is("tuple"), case.p, case.q))
    assert_same(case, left, choose(after, then(pure(f), case.p), then(pure(f), case.q)))


@law(SMALL, SMALL)
def test_l34_a_negated_predicate_changes_the_sides(case: Case) -> None:
    """`when(not P, p).otherwise(q)` is `when(P, q).otherwise(p)`."""
    for tag in TAGS:
        predicate = Is(tag)

        def negated(value: object, predicate: Is = predicate) -> bool:
            return not predicate(value)

        assert_same(case, choose(negated, case.p, case.q), choose(predicate, case.q, case.p))


def _events(sight: Sight) -> list[tuple[object, ...]]:
    """Give the events, with spots for paths."""
    return [
        (event.kind, spot_of(getattr(event, "path", "")), getattr(event, "attempt", None))
        for event in sight.outcome.log
    ]


@law(SMALL, SMALL)
def test_l35_a_choice_leaves_no_event_and_owes_nothing(case: Case) -> None:
    """The log of a choice is that of the side that is taken, event by event."""
    for tag, taken in (("yes", case.p), ("no", case.q)):
        chosen = choose(Is(tag), case.p, case.q)
        for turns in schedules(chosen):
            expected, came = (simulated(one, case.run, turns) for one in (taken, chosen))
            assert _events(expected) == _events(came)
            assert expected.told.owed == came.told.owed


# -- E. nesting ------------------------------------------------------------------------------------


@law(SMALL)
def test_l36_a_nested_saga_without_steps_is_that_saga(case: Case) -> None:
    """`nested` changes nothing about `identity()`, `arrow(f)` and `fail(e)`."""
    plain: tuple[AnySaga, ...] = (identity(), arrow(Tag("f")), fail("no"))
    for bare in plain:
        around = then(case.p, made(bare))
        assert_same(case, around, then(case.p, nest(made(bare))))


@law(ANY)
def test_l37_nesting_twice_is_nesting_once(case: Case) -> None:
    """A saga nested twice is the saga nested."""
    assert_same(case, nest(case.p), nest(nest(case.p, "inner"), "outer"), keys=True)


@law(SMALL, SMALL)
def test_l38_a_part_of_a_nested_saga_need_not_be_nested(case: Case) -> None:
    """`[[p] >> q]` is `[p >> q]`, and so is `[p >> [q]]`."""
    p, q = case.p, case.q
    whole = nest(then(p, q))
    assert_same(case, whole, nest(then(nest(p, "inner"), q)))
    assert_same(case, whole, nest(then(p, nest(q, "inner"))))


@law(ANY, stop=None)
def test_l39_a_nested_saga_runs_as_the_saga(case: Case) -> None:
    """A run of `[p]` is a run of `p`."""
    assert_same(case, case.p, nest(case.p), around={"alone": AT_THE_TOP["alone"]})


@law(SMALL, SMALL, stop=None)
def test_l40_nesting_at_the_top_changes_no_run(case: Case) -> None:
    """`[p] >> q` runs as `p >> q` does, where no branch is around."""
    assert_same(
        case,
        then(case.p, case.q),
        then(nest(case.p), case.q),
        around={"alone": AT_THE_TOP["alone"]},
    )


def _flat(term: Term) -> Term:
    """Give the term without `nested`, but where it has a compensation of its own."""
    parts = tuple(map(_flat, inside(term)))
    if isinstance(term, Nest) and not term.compensated:
        return Joined(parts)
    return with_inside(term, parts)


@law(evolve(NO_PIVOT, most=4), stop=False)
def test_l41_nesting_anywhere_changes_no_end(case: Case) -> None:
    """A saga and the same without any `nested` end alike, and leave the same, also in branches."""
    flat = builds(_flat(case.terms[0]))
    for context in contexts(case).values():
        one, other = context(case.p), context(flat)
        for turns in schedules(one):
            assert ends(simulated(one, case.run, turns)) == ends(simulated(other, case.run, turns))


@law(SMALL)
def test_l42_a_nested_saga_that_goes_through_is_that_saga(case: Case) -> None:
    """If `p` is ok, `[p]` is `p`: later failures compensate its steps one by one."""
    assert_same_if_ok(case, case.p, nest(case.p))


def _last(ledger: tuple[Made, ...], prefix: str, direction: str | None = None) -> int:
    """Give the place of the last call of the steps whose names begin with `prefix`, from 1."""
    return max(
        (
            at
            for at, one in enumerate(ledger, 1)
            if one.spot.startswith(prefix) and direction in {None, one.direction}
        ),
        default=0,
    )


@law(PLAIN)
def test_l43_a_nested_saga_that_failed_owes_nothing(case: Case) -> None:
    """A failed `[p]` is undone before anything around it goes on, as one failed step."""
    alone = simulated(case.p, case.run)
    if alone.kind == "Ok":
        return
    in_turn = simulated(beside(nest(case.p), step("z1")), case.run)
    calls = [one.seen for one in in_turn.ledger]
    # The first branch goes first: its way back is over before the second makes a call.
    assert [*alone.seen, *calls[len(alone.ledger) :]] == calls
    assert ["z1", "z1"] == [one.spot for one in in_turn.ledger[len(alone.ledger) :]]
    after = simulated(then(step("z1"), nest(case.p)), case.run)
    assert _last(after.ledger, "z1", "execute") == 1
    if after.kind == "Ok":  # on what it got there
        return
    assert len(after.ledger) == _last(after.ledger, "z1", "compensate")


@law(evolve(NO_PIVOT, most=2), stop=None)
def test_l44_a_compensation_of_its_own_stands_for_those_of_the_steps(case: Case) -> None:
    """`[p]` with a compensation owes that, with the output of `p`, and nothing of its steps."""
    owned = builds(Nest("z0", case.terms[0], compensated=True))
    for name, alone in sights(case, case.p).items():
        later = sights(case, then(owned, AFTER))[name]
        if isinstance(alone.outcome, Ok):
            own = [("z0", "compensate", 1, (alone.outcome.value,))]
            assert [*alone.seen, *own] == [
                *later.seen[: len(alone.seen)],
                *(one[:4] for one in later.seen[len(alone.seen) :]),
            ]
            assert isinstance(later.outcome, Compensated)
        else:
            assert (alone.told, alone.seen) == (later.told, later.seen)
