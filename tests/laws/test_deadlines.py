"""K. deadlines: L83-L90, by `run` on a clock of its own; each execute takes a second."""

from __future__ import annotations

from typing import Final

from attrs import evolve

from sagalib import Compensated, Ok, Retry, TimedOut
from tests.laws.spots import Sight, timed
from tests.laws.terms import Tag
from tests.laws.wholes import LINEAR, Case, law
from tests.laws.world import Answer
from tests.laws.written import again, nest, pure, step, then, tried, within

SPOKEN: Final = (Answer.ERR, Answer.RAISE, Answer.BARE)
QUICK: Final = evolve(LINEAR, answers=SPOKEN, most=4)
CLEAN: Final = evolve(QUICK, back=(), pivots=False)
SECONDS: Final = (0.5, 2.5, 4.5)
"""Deadlines between calls."""
LONG: Final = 1e6


def _same(left: Sight, right: Sight) -> None:
    assert left.told == right.told
    assert left.keyed == right.keyed
    assert left.effects == right.effects


@law(QUICK, stop=None)
def test_l83_a_deadline_that_never_comes_is_nesting(case: Case) -> None:
    """`p.deadline(d)` is `[p]`, if d is long enough."""
    _same(timed(nest(case.p), case.run)[0], timed(within(LONG, case.p), case.run)[0])


@law(CLEAN)
def test_l84_of_two_deadlines_the_shorter_counts(case: Case) -> None:
    """`p.deadline(d).deadline(e)` ends as `p.deadline(min(d, e))`, and leaves the same."""
    for one in SECONDS:
        for other in SECONDS:
            both, _ = timed(within(one, within(other, case.p)), case.run)
            shorter, _ = timed(within(min(one, other), case.p), case.run)
            assert shorter.kind == both.kind
            assert shorter.told.value == both.told.value
            assert shorter.effects == both.effects


@law(QUICK)
def test_l85_what_takes_no_time_has_no_deadline(case: Case) -> None:
    """`arrow(f).deadline(d)` is `arrow(f)`, also with no time at all."""
    for seconds in (0, 1):
        plain = then(case.p, pure(Tag("f")))
        _same(
            timed(plain, case.run)[0],
            timed(then(case.p, within(seconds, pure(Tag("f")))), case.run)[0],
        )


@law(QUICK, stop=None)
def test_l86_what_is_quicker_than_its_deadline_does_not_notice_it(case: Case) -> None:
    """If p takes less than d, `p.deadline(d)` is `[p]`."""
    nested, took = timed(nest(case.p), case.run)
    _same(nested, timed(within(took + 0.5, case.p), case.run)[0])


@law(QUICK)
def test_l87_a_longer_deadline_changes_nothing_once_it_is_ok(case: Case) -> None:
    """What is ok within d is the same within more."""
    for seconds in SECONDS:
        short, _ = timed(within(seconds, case.p), case.run)
        if isinstance(short.outcome, Ok):
            _same(short, timed(within(seconds + 3, case.p), case.run)[0])


@law(CLEAN)
def test_l88_a_deadline_that_has_passed_can_be_caught(case: Case) -> None:
    """All that has completed is undone first; then an alternative begins, with the input."""
    for seconds in SECONDS:
        alone, _ = timed(within(seconds, case.p), case.run)
        if alone.kind == "Ok" or TimedOut(seconds) not in alone.told.reasons:
            continue
        assert isinstance(alone.outcome, Compensated)
        caught, _ = timed(tried(within(seconds, case.p), step("z1")), case.run)
        assert alone.keyed == caught.keyed[:-1]
        assert ("z1", "execute", 1, (case.run.value,)) == caught.seen[-1][:4]
        assert "Ok" == caught.kind


@law(CLEAN, CLEAN)
def test_l89_a_deadline_cuts_no_compensation_and_is_not_inherited(case: Case) -> None:
    """However long compensations take, all are called; what follows has all the time it needs."""
    for seconds in SECONDS:
        quick, _ = timed(within(seconds, case.p), case.run)
        if quick.kind != "Ok":
            if _goes_straight(quick):
                slow, _ = timed(within(seconds, case.p), case.run, back=100.0)
                _same(quick, slow)
            continue
        _same(
            timed(then(nest(case.p), case.q), case.run)[0],
            timed(then(within(seconds, case.p), case.q), case.run)[0],
        )


def _goes_straight(sight: Sight) -> bool:
    """Tell whether nothing was called forward once the way back had begun."""
    directions = [made.direction == "execute" for made in sight.ledger]
    return sorted(directions, reverse=True) == directions


@law(CLEAN)
def test_l90_a_deadline_bounds_the_time(case: Case) -> None:
    """In a retry each attempt has its own; around one it is for all. A plain call may overrun."""
    for seconds in SECONDS:
        _, took = timed(again(2, within(seconds, case.p)), case.run)
        assert took <= 3 * (seconds + 1)
        _, took = timed(within(seconds, again(Retry(2), case.p)), case.run)
        assert took <= seconds + 1
