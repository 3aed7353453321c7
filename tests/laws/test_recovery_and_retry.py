"""F. forward recovery, G. retry: L45-L59."""

from __future__ import annotations

from typing import Any, Final

from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st
from returns.result import Failure, Success

from sagalib import Cancelled, Compensated, Fatal, Ok, Retry, Step, run
from tests.laws.spots import Run, Sight, simulated
from tests.laws.terms import AnySaga, Tag
from tests.laws.wholes import ANY, LINEAR, Case, law
from tests.laws.world import Answer
from tests.laws.written import (
    AT_THE_TOP,
    NO,
    again,
    assert_same,
    assert_same_if_ok,
    nest,
    pure,
    schedules,
    sights,
    step,
    then,
    tried,
)
from tests.support.time import VirtualClock

SMALL: Final = evolve(ANY, most=2)


# -- F. forward recovery ---------------------------------------------------------------------------


@law(ANY)
def test_l45_the_alternative_of_a_failure_is_the_saga(case: Case) -> None:
    """`fail(e) | q` is `q`."""
    assert_same(case, case.p, tried(NO, case.p))


@law(ANY)
def test_l46_what_cannot_fail_needs_no_alternative(case: Case) -> None:
    """`arrow(f) | q` is `arrow(f)`."""
    assert_same(case, pure(Tag("f")), tried(pure(Tag("f")), case.p))


@law(SMALL, SMALL, SMALL)
def test_l47_alternatives_are_associative(case: Case) -> None:
    """`(p | q) | r` is `p | (q | r)`."""
    p, q, r = case.p, case.q, case.r
    assert_same(case, tried(tried(p, q), r), tried(p, tried(q, r)))


@law(SMALL, SMALL)
def test_l48_what_has_an_alternative_is_nested_already(case: Case) -> None:
    """`[p] | q` is `p | q`."""
    assert_same(case, tried(case.p, case.q), tried(nest(case.p), case.q))


@law(SMALL, SMALL)
def test_l49_what_goes_through_needs_no_alternative(case: Case) -> None:
    """If `p` is ok, `p | q` is `p`."""
    assert_same_if_ok(case, case.p, tried(case.p, case.q))


def _but_for_the_reason(sight: Sight) -> tuple[object, ...]:
    told = evolve(sight.told, reasons=(), step=None, context=None)
    owed = tuple(one for one in told.owed if one[0] != "unwind")
    return (evolve(told, owed=owed), sight.keyed, sight.effects)


@law(ANY)
def test_l50_an_alternative_that_fails_is_nesting_but_for_the_reason(case: Case) -> None:
    """`p | fail(e)` is `[p]`, but that it fails with `e`, where `p` was undone."""
    for name, context in AT_THE_TOP.items():
        one, other = context(nest(case.p)), context(tried(case.p, NO))
        for turns in schedules(one):
            left, right = (simulated(each, case.run, turns) for each in (one, other))
            assert (name, _but_for_the_reason(left)) == (name, _but_for_the_reason(right))
    for alone in sights(case, case.p).values():
        if isinstance(alone.outcome, Compensated):
            ended: Any = simulated(tried(case.p, NO), case.run).outcome
            assert "no" == ended.reason


@law(SMALL, SMALL)
def test_l51_the_alternative_begins_where_its_saga_began(case: Case) -> None:
    """It gets the input, once all of `p` is undone, and runs as it does alone."""
    for name, first in sights(case, case.p).items():
        if not isinstance(first.outcome, Compensated):
            continue
        second = sights(case, case.q).get(name) or sights(case, case.q)["first"]
        whole = sights(case, tried(case.p, case.q))[name]
        assert first.seen == whole.seen[: len(first.seen)]
        if name == "first":
            assert [*first.keyed, *second.keyed] == whole.keyed
            in_doubt = (*first.told.in_doubt, *second.told.in_doubt)
            assert evolve(second.told, in_doubt=in_doubt) == whole.told


@law(ANY, stop=None)
def test_l52_what_is_left_undone_is_not_caught(case: Case) -> None:
    """After a failed compensation or a pivot no alternative, retry or handler goes on."""
    following = then(step("z1"), step("z2"))
    for name, first in sights(case, case.p).items():
        if not isinstance(first.outcome, Fatal):
            continue
        for whole in (tried(case.p, following), again(Retry(3), case.p)):
            came = sights(case, whole)[name]
            assert (name, first.told) == (name, came.told)
            assert (name, first.keyed) == (name, came.keyed)


@law(LINEAR)
def test_l52_a_cancellation_is_not_caught(case: Case) -> None:
    """A run that is cancelled at any call ends with that, whatever handlers are around."""
    alone = simulated(case.p, case.run)
    for boundary in range(min(len(alone.executed), 6)):
        first = simulated(case.p, case.run, cancel_before=boundary)
        for whole in (tried(case.p, step("z1")), again(Retry(3), case.p)):
            came = simulated(whole, case.run, cancel_before=boundary)
            assert isinstance(came.told.reasons[0], Cancelled)
            assert (first.told, first.keyed) == (came.told, came.keyed)


# -- G. retry --------------------------------------------------------------------------------------


@law(ANY)
def test_l53_no_retry_is_nesting(case: Case) -> None:
    """`p.retry(0)` is `[p]`."""
    assert_same(case, nest(case.p), again(0, case.p))


@law(ANY)
def test_l54_a_retry_is_an_alternative_that_is_the_same_saga(case: Case) -> None:
    """`p.retry(n + 1)` is `p | p.retry(n)`."""
    for retries in (0, 1):
        left, right = again(retries + 1, case.p), tried(case.p, again(retries, case.p))
        # The copies of a step have paths of their own, so their keys begin anew.
        assert_same(case, left, right, keys=False)


@law(SMALL)
def test_l55_retries_of_retries_multiply(case: Case) -> None:
    """`p.retry(n).retry(m)` is `p.retry((m + 1) * (n + 1) - 1)`."""
    for m, n in ((1, 1), (0, 2), (2, 1)):
        left, right = again(m, again(n, case.p)), again((m + 1) * (n + 1) - 1, case.p)
        assert_same(case, right, left)


@law(ANY)
def test_l56_what_goes_through_at_once_needs_no_retry(case: Case) -> None:
    """If `p` is ok, `p.retry(n)` is `p`."""
    assert_same_if_ok(case, case.p, again(2, case.p))


@law(ANY)
def test_l57_further_retries_change_nothing_once_it_is_ok(case: Case) -> None:
    """If `p.retry(n)` is ok, so is `p.retry(n + 2)`, by the same calls."""
    for retries in (0, 1):
        for name, few in sights(case, again(retries, case.p)).items():
            if isinstance(few.outcome, Ok):
                more = sights(case, again(retries + 2, case.p))[name]
                assert (name, few.told, few.keyed) == (name, more.told, more.keyed)


@given(st.integers(0, 4), st.integers(0, 6), st.sampled_from([Answer.ERR, Answer.RAISE]))
def test_l58_attempts_go_on_until_the_first_success(
    retries: int, failing: int, answer: Answer
) -> None:
    """A step is called until it succeeds, but at most once more than its scope has retries."""
    seen = simulated(again(retries, step("p1")), Run({"p1": (answer,) * failing}))
    expected = min(failing, retries) + 1
    assert ["p1"] * expected == [made.spot for made in seen.ledger]
    assert [1] * expected == [made.attempt for made in seen.ledger]
    assert ("Ok" if failing <= retries else "Compensated") == seen.kind
    k = range(expected) if answer is Answer.ERR else [0] * expected
    assert [*k] == [made.k for made in seen.ledger]


@law(evolve(LINEAR, answers=(Answer.ERR, Answer.RAISE, Answer.BARE)))
def test_l59_pauses_change_nothing_but_the_time(case: Case) -> None:
    """A retry that waits makes the calls of one that does not."""
    waits = Retry(2, wait=0.5, factor=3.0)
    assert_same(case, again(2, case.p), again(waits, case.p), around=AT_THE_TOP)


@given(st.integers(0, 4), st.sampled_from([1.0, 2.0, 3.0]), st.integers(0, 5))
def test_l59_the_pauses_are_those_of_the_schedule(times: int, factor: float, failing: int) -> None:
    """A run waits for the delays of the retries that it makes, in order, and no longer."""
    policy = Retry(times, wait=0.5, factor=factor)
    answers = iter([Failure("no")] * failing + [Success("yes")] * 9)
    clock = VirtualClock()
    flaky: AnySaga = Step(lambda _: next(answers))
    outcome = run(flaky.retry(policy), "in", clock=clock)
    expected = [policy.delay(number) for number in range(1, min(times, failing) + 1)]
    assert expected == clock.sleeps
    assert sum(expected) == clock.now_ns() / 1e9
    assert (Ok("yes") if failing <= times else Compensated("no", "<lambda>")) == outcome
