"""H. parallel, I. pivot and cancellation: L60-L75."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, cast

from attrs import evolve

from sagalib import Cancel, Cancelled, Compensated, Fatal, Irreversible, Ok
from sagalib.core.history import History
from sagalib.core.machine import evolve as evolve_machine
from sagalib.core.owed import failures_of, in_doubt_of, owed_by
from sagalib.core.state import Ended, Machine
from tests.laws.spots import (
    SCHEDULES,
    Build,
    Sight,
    Turns,
    out_of_order,
    simulated,
)
from tests.laws.terms import StepTerm, Term, changed
from tests.laws.wholes import (
    ANY,
    CLEAN,
    EXACT,
    LINEAR,
    NO_PIVOT,
    STRAIGHT,
    Case,
    builds,
    law,
)
from tests.laws.written import (
    AFTER,
    AT_THE_TOP,
    NO,
    UNIT,
    assert_alike,
    assert_same,
    beside,
    ends,
    mapped,
    of,
    pure,
    sights,
    step,
    then,
)

BRANCH: Final = evolve(NO_PIVOT, most=2)


def _first(pair: Any) -> object:
    return pair[0]


def _second(pair: Any) -> object:
    return pair[1]


def _turned(pair: Any) -> object:
    return (pair[1], pair[0])


def assert_alike_everywhere(case: Case, left: Build, right: Build) -> None:
    """Check that two sagas with branches are the same but for the order of these."""
    for name in ("alone", "before a failure"):
        context = AT_THE_TOP[name]
        for turns in SCHEDULES:
            one, other = (simulated(context(each), case.run, turns) for each in (left, right))
            assert_alike(one, other, (name, turns.name))


# -- H. parallel -----------------------------------------------------------------------------------


@law(BRANCH, BRANCH)
def test_l60_branches_may_change_places(case: Case) -> None:
    """`p & q` is `q & p` with the pair turned round, but for which reason is the first."""
    p, q = case.p, case.q
    for turns in SCHEDULES:
        for context in (AT_THE_TOP["alone"], AT_THE_TOP["before a failure"]):
            left = simulated(context(beside(p, q)), case.run, turns)
            right = simulated(context(mapped(beside(q, p), _turned)), case.run, turns)
            assert sorted(map(repr, left.seen)) == sorted(map(repr, right.seen))
            assert ends(left) == ends(right)
            assert [] == out_of_order(left, right)


@law(BRANCH, BRANCH, BRANCH)
def test_l61_branches_of_branches_are_branches(case: Case) -> None:
    """`(p & q) & r`, `p & (q & r)` and `par(p, q, r)` are the same, but for the tuples."""
    p, q, r = case.p, case.q, case.r

    def from_left(value: Any) -> object:
        return (*value[0], value[1])

    def from_right(value: Any) -> object:
        return (value[0], *value[1])

    flat = beside(p, q, r)
    assert_alike_everywhere(case, flat, mapped(beside(beside(p, q), r), from_left))
    assert_alike_everywhere(case, flat, mapped(beside(p, beside(q, r)), from_right))


@law(NO_PIVOT)
def test_l62_a_branch_that_does_nothing_changes_nothing(case: Case) -> None:
    """`(p & identity()).map(first)` is `p`."""
    assert_same(case, case.p, mapped(beside(case.p, UNIT), _first))


@law(NO_PIVOT)
def test_l63_one_branch_is_the_saga_and_none_the_empty_tuple(case: Case) -> None:
    """`par(p).map(first)` is `p`, and `par()` is `arrow(lambda _: ())`."""
    assert_same(case, case.p, mapped(beside(case.p), _first))
    around = then(case.p, beside())
    assert_same(case, then(case.p, pure(lambda _: ())), around)


def _only(sight: Sight, prefix: str) -> Sight:
    """Give what a run did of the saga whose steps have names that begin with `prefix`."""
    return evolve(sight, ledger=tuple(one for one in sight.ledger if prefix in one.spot[:-1]))


@law(BRANCH, BRANCH)
def test_l64_the_way_back_of_branches_is_those_of_the_branches(case: Case) -> None:
    """After `p & q`, what `p` owes is called as after `p` alone, and so is what `q` owes."""
    for name, whole in sights(case, then(beside(case.p, case.q), AFTER)).items():
        if whole.told.reasons != ("after",):
            continue
        for prefix, one in (("p", case.p), ("q", case.q)):
            alone = simulated(then(one, AFTER), case.run)
            part = _only(whole, prefix)
            calls = sorted(map(repr, alone.seen))
            assert (name, calls) == (name, sorted(map(repr, part.seen)))
            assert (name, []) == (name, out_of_order(alone, part))


@law(BRANCH, BRANCH)
def test_l65_all_branches_go_as_far_as_they_can(case: Case) -> None:
    """What is called forward in `p & q` is what is in `p` and in `q` alone, whatever fails."""
    for name, whole in sights(case, beside(case.p, case.q)).items():
        for prefix, one in (("p", case.p), ("q", case.q)):
            alone = [made.seen for made in simulated(one, case.run).executed]
            part = [made.seen for made in _only(whole, prefix).executed]
            assert (name, sorted(map(repr, alone))) == (name, sorted(map(repr, part)))


@law(BRANCH)
def test_l66_a_branch_that_fails_undoes_the_others(case: Case) -> None:
    """`p & fail(e)` is never ok, and calls what `p >> fail(e)` calls."""
    for name, whole in sights(case, beside(case.p, NO)).items():
        assert (name, False) == (name, whole.kind == "Ok")
        alone = simulated(then(case.p, NO), case.run, dict_of_turns()[name])
        assert (name, sorted(map(repr, alone.seen))) == (name, sorted(map(repr, whole.seen)))
        assert (name, []) == (name, out_of_order(alone, whole))
        assert (name, alone.effects) == (name, whole.effects)


def dict_of_turns() -> dict[str, Turns]:
    """Give the schedules by name."""
    return {turns.name: turns for turns in SCHEDULES}


def unwinding_is_reversed(sight: Sight) -> bool:
    """Tell whether the way back after the last execute is in reverse order of completion."""
    last = max(
        (at for at, one in enumerate(sight.ledger) if one.direction == "execute"), default=-1
    )
    completed = {
        (one.path, one.output): at
        for at, one in enumerate(sight.ledger)
        if one.direction == "execute" and one.succeeded
    }
    back = [
        completed[one.path, one.values[-1]]
        for one in sight.ledger[last + 1 :]
        if one.direction == "compensate" and one.values and (one.path, one.values[-1]) in completed
    ]
    return back == sorted(back, reverse=True)


@law(evolve(NO_PIVOT, most=4))
def test_l67_the_schedule_changes_nothing_but_the_order_of_siblings(case: Case) -> None:
    """Under any schedule a run ends alike, and calls the same, in the order that is required."""
    for context in (AT_THE_TOP["alone"], AT_THE_TOP["before a failure"]):
        first, *others = (simulated(context(case.p), case.run, turns) for turns in SCHEDULES)
        for other in others:
            assert_alike(first, other)


@law(
    evolve(CLEAN, most=4, compensable=True, owning=False).without(
        "nest", "recovered", "again", "tried"
    )
)
def test_l67_the_way_back_is_in_reverse_order_of_completion(case: Case) -> None:
    """What branches have done is undone one by one, the last completed first, after all ended."""
    for turns in SCHEDULES:
        seen = simulated(then(case.p, AFTER), case.run, turns)
        assert unwinding_is_reversed(seen)
        directions = [one.direction == "execute" for one in seen.ledger]
        assert sorted(directions, reverse=True) == directions


def _exchanged(case: Case, turns: Turns) -> tuple[Sight, Sight]:
    p1, p2, q1, q2 = (case.saga(number) for number in range(4))

    def times(one: Build, other: Build) -> Build:
        return beside(of(_first, one), of(_second, other))

    run = evolve(case.run, value=("in", "put"))
    return (
        simulated(times(then(p1, q1), then(p2, q2)), run, turns),
        simulated(then(times(p1, p2), times(q1, q2)), run, turns),
    )


_TWO: Final = evolve(EXACT, most=2)


@law(_TWO, _TWO, _TWO, _TWO)
def test_l68_exchange_ends_alike(case: Case) -> None:
    """Two sequences side by side leave what their halves side by side, in sequence, leave."""
    for turns in SCHEDULES:
        left, right = _exchanged(case, turns)
        assert left.kind == right.kind
        assert left.told.value == right.told.value
        assert left.effects == right.effects


@law(_TWO, _TWO, _TWO, _TWO)
def test_l69_exchange_only_orders_more(case: Case) -> None:
    """If it is ok, each half in sequence makes the calls that the sequences side by side make."""
    for turns in SCHEDULES:
        left, right = _exchanged(case, turns)
        if right.kind != "Ok":
            continue
        assert sorted(map(repr, left.seen)) == sorted(map(repr, right.seen))
        for one, other in (("p", "r"), ("q", "s")):
            # The order in each branch of the left is that on the right.
            assert [] == out_of_order(_only_of(left, one, other), _only_of(right, one, other))


def _only_of(sight: Sight, *prefixes: str) -> Sight:
    return evolve(
        sight,
        ledger=tuple(one for one in sight.ledger if one.spot.rpartition("]")[2][0] in prefixes),
    )


# -- I. pivot, cancellation ------------------------------------------------------------------------


def _harmless(term: Term) -> Term:
    def tame(one: StepTerm) -> StepTerm:
        return evolve(one, pivot=False)

    return changed(term, tame)


@law(ANY)
def test_l70_a_pivot_is_a_step_as_long_as_all_goes_well(case: Case) -> None:
    """If a saga with pivots is ok, it runs as it does without them."""
    tame = builds(_harmless(case.terms[0]))
    for name, seen in sights(case, case.p).items():
        if isinstance(seen.outcome, Ok):
            other = sights(case, tame)[name]
            assert (name, evolve(seen.told, owed=())) == (name, evolve(other.told, owed=()))
            assert (name, seen.keyed) == (name, other.keyed)


@law(evolve(ANY, most=2), evolve(NO_PIVOT, most=2))
def test_l71_what_fails_after_a_pivot_is_fatal(case: Case) -> None:
    """Once a pivot has completed, a failure is fatal, and the pivot stands."""
    pivot = step("z1", compensated="no", pivot=True)
    for turns in SCHEDULES:
        seen = simulated(then(case.p, pivot, case.q, AFTER), case.run, turns)
        if not any(made.spot == "z1" for made in seen.ledger):
            continue
        outcome = seen.outcome
        assert isinstance(outcome, Fatal)
        assert Irreversible("z1") == outcome.failures[-1]
        assert "z1 <z1>" in seen.effects


@law(STRAIGHT)
def test_l72_nothing_at_or_before_a_pivot_is_undone(case: Case) -> None:
    """What had completed when a pivot had is never compensated, nor said to be owed."""
    pivots = {part.name for part in _steps(case.terms[0]) if part.pivot}
    seen = simulated(then(case.p, AFTER), case.run)
    crossed = [
        at
        for at, made in enumerate(seen.ledger)
        if made.spot in pivots and made.direction == "execute" and made.succeeded
    ]
    if not crossed:
        return
    before = {made.spot for made in seen.ledger[: crossed[-1] + 1]}
    back = [made.spot for made in seen.undone]
    assert set() == before & set(back)
    owed = [one[0] for one in seen.told.owed]
    assert set() == before & set(owed)
    assert isinstance(seen.outcome, Fatal)


def _steps(term: Term) -> list[StepTerm]:
    from tests.laws.terms import parts_of

    return [part for part in parts_of(term) if isinstance(part, StepTerm)]


@law(evolve(ANY, promises=False), stop=None)
def test_l73_cancelled_before_the_start_nothing_is_called(case: Case) -> None:
    """A run that is cancelled before its first call makes none, and is compensated."""
    for turns in SCHEDULES:
        if simulated(case.p, case.run, turns).ledger == ():
            continue
        seen = simulated(case.p, case.run, turns, cancel_before=0)
        assert () == seen.ledger
        assert isinstance(seen.outcome, Compensated)
        # A branch may have failed before: for that, no call was needed.
        assert any(isinstance(reason, Cancelled) for reason in seen.told.reasons)


@law(LINEAR, stop=None)
def test_l74_a_cancelled_run_goes_on_only_back(case: Case) -> None:
    """Cancelled before call k, a run makes the calls before it, and then only undoes."""
    whole = simulated(then(case.p, step("z9")), case.run)
    for boundary in range(len(whole.executed)):
        seen = simulated(then(case.p, step("z9")), case.run, cancel_before=boundary)
        cut = [at for at, made in enumerate(whole.ledger) if made.direction == "execute"][boundary]
        assert whole.keyed[:cut] == seen.keyed[:cut]
        assert [] == [made for made in seen.ledger[cut:] if made.direction == "execute"]
        assert isinstance(seen.told.reasons[0], Cancelled)


@law(evolve(NO_PIVOT, most=4, back=()), stop=None)
def test_l74_a_cancelled_run_with_branches_goes_on_only_back(case: Case) -> None:
    """Cancelled at any call, no branch makes a further call, and all that completed is undone."""
    for turns in SCHEDULES[:3]:
        whole = simulated(then(case.p, step("z9")), case.run, turns)
        for boundary in range(len(whole.executed)):
            seen = simulated(then(case.p, step("z9")), case.run, turns, cancel_before=boundary)
            assert boundary == len(seen.executed)
            assert isinstance(seen.outcome, Compensated)
            assert any(isinstance(reason, Cancelled) for reason in seen.told.reasons)


@law(ANY, stop=None)
def test_l75_cancelled_after_the_last_call_nothing_changes(case: Case) -> None:
    """A run that has ended is what it was, also if it is cancelled then."""
    seen = simulated(case.p, case.run)
    past: Any = seen.outcome.past
    end = cast("History", past).end
    after = evolve_machine(end, Cancel())
    assert isinstance(end, Machine)
    assert isinstance(after, Machine)
    assert isinstance(after.progress, Ended)
    for read in (failures_of, in_doubt_of, owed_by):
        look: Callable[[Machine], object] = read
        assert look(end) == look(after)
    assert (end.progress, end.value) == (after.progress, after.value)
