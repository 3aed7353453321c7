"""N1-N9: equations that look like laws and are none, each with a run that shows the difference."""

from __future__ import annotations

from sagalib import Retry
from tests.laws.spots import FIRST, SCHEDULES, Build, Run, Sight, Turns, simulated
from tests.laws.world import Answer
from tests.laws.written import NO, again, beside, nest, of, step, then, tried

P, Q, R = step("p"), step("q"), step("r")
ONCE = (Answer.ERR,)
ALWAYS = (Answer.ERR,) * 9


def _seen(saga: Build, plan: dict[str, tuple[Answer, ...]] | None = None, **how: Turns) -> Sight:
    return simulated(saga, Run(plan or {}), how.get("turns", FIRST))


def _calls(sight: Sight) -> list[str]:
    return [made.spot if made.direction == "execute" else f"-{made.spot}" for made in sight.ledger]


def test_n1_a_failure_after_a_saga_is_not_the_failure() -> None:
    """`p >> fail(e)` is not `fail(e)`: p is called, and undone."""
    assert [] == _calls(_seen(NO))
    assert ["p", "-p"] == _calls(_seen(then(P, NO)))


def test_n2_what_follows_does_not_go_into_an_alternative() -> None:
    """`(p | q) >> r` is not `(p >> r) | (q >> r)`: there a failure of r is caught."""
    outside, inside = then(tried(P, Q), R), tried(then(P, R), then(Q, R))
    assert ["p", "r", "-p"] == _calls(_seen(outside, {"r": ONCE}))
    assert ["p", "r", "-p", "q", "r"] == _calls(_seen(inside, {"r": ONCE}))


def test_n3_what_is_before_does_not_go_into_an_alternative() -> None:
    """`r >> (p | q)` is not `(r >> p) | (r >> q)`: there r is undone, and called again."""
    outside, inside = then(R, tried(P, Q)), tried(then(R, P), then(R, Q))
    assert ["r", "p", "q"] == _calls(_seen(outside, {"p": ONCE}))
    assert ["r", "p", "-r", "r", "q"] == _calls(_seen(inside, {"p": ONCE}))


def test_n4_a_retry_of_a_sequence_is_not_one_of_its_end() -> None:
    """`(p >> q).retry(n)` is not `p >> q.retry(n)`: it undoes p and calls it again."""
    assert ["p", "q", "-p", "p", "q"] == _calls(_seen(again(1, then(P, Q)), {"q": ONCE}))
    assert ["p", "q", "q"] == _calls(_seen(then(P, again(1, Q)), {"q": ONCE}))


def test_n5_nesting_shows_in_a_branch() -> None:
    """`[p]` is not `p` beside another: it is undone before the other has ended."""
    failing, other = then(P, NO), then(Q, R)
    assert ["p", "q", "r", "-r", "-q", "-p"] == _calls(_seen(beside(failing, other)))
    assert ["p", "-p", "q", "r", "-r", "-q"] == _calls(_seen(beside(nest(failing), other)))


def test_n6_side_by_side_is_not_in_sequence() -> None:
    """`p & q` is not `p >> q`: both get the same input, and q is called if p fails."""
    assert ["p", "q", "-q"] == _calls(_seen(beside(P, Q), {"p": ONCE}))
    assert ["p"] == _calls(_seen(then(P, Q), {"p": ONCE}))


def test_n7_exchange_is_no_equation() -> None:
    """Two sequences side by side make calls that their halves side by side do not make."""

    def times(one: Build, other: Build) -> Build:
        return beside(of(lambda pair: pair[0], one), of(lambda pair: pair[1], other))

    s = step("s")
    run, last = Run(value=("in", "put")), SCHEDULES[1]
    left = simulated(times(then(P, Q), then(R, s)), run, FIRST)
    right = simulated(then(times(P, R), times(Q, s)), run, FIRST)
    assert ["p", "q", "r", "s"] == _calls(left)
    assert ["p", "r", "q", "s"] == _calls(right)
    for turns in (FIRST, last):
        calls = _calls(simulated(then(times(P, R), times(Q, s)), run, turns))
        assert {"p", "r"} == {*calls[:2]}


def test_n8_alternatives_do_not_change_places() -> None:
    """`p | q` is not `q | p`."""
    assert ["p"] == _calls(_seen(tried(P, Q)))
    assert ["q"] == _calls(_seen(tried(Q, P)))


def test_n9_a_retry_is_not_the_saga() -> None:
    """`p.retry(n)` is not `p`, unless that is ok at once."""
    assert ["p"] == _calls(_seen(P, {"p": ALWAYS}))
    assert ["p", "p", "p"] == _calls(_seen(again(Retry(2), P), {"p": ALWAYS}))
