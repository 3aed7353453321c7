"""The library does what the rules say: random terms, run everywhere, against the model."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterator
from typing import Final, get_args

import pytest
from attrs import evolve
from hypothesis import given

from sagalib import Cancelled, CompensationFailed, Irreversible, Ok, Raised, TimedOut
from tests.model.cases import cases, random_case
from tests.model.comparison import disagreements
from tests.model.model import Answer, Ending, Span, calls_in, endings, is_linear_extension
from tests.model.terms import Mapped, Refusal, Term, is_concurrent, parts_of
from tests.model.world import Case, Seen, by_simulate

QUICK: Final = 2_000
SLOW: Final = 20_000


def _check(first: int, last: int) -> None:
    for seed in range(first, last):
        case = random_case(seed)
        assert (seed, case, {}) == (seed, case, disagreements(case))


@given(cases())
def test_a_run_is_what_the_rules_say(case: Case) -> None:
    """Every interpreter ends, calls and leaves what the rules say; hypothesis finds small terms."""
    assert {} == disagreements(case)


def test_thousands_of_runs_are_what_the_rules_say() -> None:
    """So they do for 2,000 terms of a fixed list."""
    _check(0, QUICK)


@pytest.mark.slow
def test_many_thousands_of_runs_are_what_the_rules_say() -> None:
    """So they do for 20,000 others."""
    _check(QUICK, QUICK + SLOW)


def _first(case: Case) -> Ending:
    return next(endings(case.term, case.value, case.answer, stop=case.stop))


def test_the_generator_reaches_everything() -> None:
    """Every form, answer, kind of outcome, of reason, of failure, and both policies occur."""
    seen: Counter[object] = Counter()
    for seed in range(QUICK):
        case = random_case(seed)
        ending = _first(case)
        seen.update({type(part).__name__ for part in parts_of(case.term)})
        seen.update({case.stop, *case.answers.values()})
        seen.update({(ending.kind, len(ending.reasons) > 1, ending.in_doubt != ())})
        seen.update({type(failure) for failure in ending.failures})
        seen.update({("reason", type(reason)) for reason in ending.reasons})
        seen.update({("raised", r.kind) for r in ending.reasons if isinstance(r, Raised)})
        seen.update({("left", bool(ending.residual), ending.kind)})
        seen.update({call.where.direction for call in calls_in(ending.trace)})
    forms = {form.__name__ for form in get_args(Term)}
    endings_of = {
        (kind, more, doubt)
        for kind in ("compensated", "fatal")
        for more in (False, True)
        for doubt in (False, True)
    }
    expected: set[object] = {
        *forms,
        *(answer for answer in Answer if answer is not Answer.OK),
        *endings_of,
        ("ok", False, False),
        ("ok", False, True),
        CompensationFailed,
        Irreversible,
        *(("reason", cls) for cls in (Refusal, Mapped, Raised, TimedOut, Cancelled)),
        *(("raised", kind) for kind in ("NotASaga", "PivotInParallel", "TypeError")),
        *(("left", some, kind) for some in (False, True) for kind in ("ok", "fatal")),
        "execute",
        "compensate",
        "settle",
        True,
        False,
    }
    assert set() == expected - {what for what, times in seen.items() if times >= 5}


def test_schedules_reach_more_than_one_order() -> None:
    """Two schedules give the calls of branches in different orders, and both keep to the rules."""
    orders = Counter[int]()
    for seed in range(300):
        case = random_case(seed)
        seen = [by_simulate(case, schedule) for schedule in range(3)]
        orders[len({one.logged for one in seen})] += 1
    assert orders[2] + orders[3] > 20


def test_an_order_that_the_rules_forbid_is_noticed() -> None:
    """Of two calls that follow each other, or are compensated, the wrong order is no extension."""
    wrong = 0
    for seed in range(300):
        case = random_case(seed)
        trace = _first(case).trace
        seen = by_simulate(case)
        if not {call.where for call in calls_in(trace)} <= seen.spans.keys():
            continue  # the one ending of several that was not this one
        assert is_linear_extension(trace, seen.spans)
        last = max((span.ended for span in seen.spans.values()), default=0)
        backwards = {
            where: Span(last - span.ended, last - span.began) for where, span in seen.spans.items()
        }
        wrong += not is_linear_extension(trace, backwards)
    assert wrong > 100


def _concurrent_cases(count: int) -> Iterator[Case]:
    found = (case for case in map(random_case, itertools.count()) if is_concurrent(case.term))
    yield from itertools.islice(found, count)


def _starts_after(kind: str, starts: set[str], seen: Seen) -> list[str]:
    kinds = [event.kind for event in seen.outcome.log]
    after = kinds[kinds.index(kind) :] if kind in kinds else []
    return [one for one in after if one in starts]


def test_a_run_that_is_cancelled_calls_no_step_and_compensates_all_that_completed() -> None:
    """Whatever goes on in branches: no execute begins after it, and no scope catches it."""
    cancelled = 0
    for number, case in enumerate(_concurrent_cases(300)):
        calls = [call.where for call in by_simulate(case).calls]
        forward = [where for where in calls if where.direction == "execute"]
        if not forward:
            continue
        answers = {**case.answers, forward[number % len(forward)]: Answer.CANCEL}
        for schedule in range(3):
            seen = by_simulate(evolve(case, answers=answers), schedule)
            log = seen.outcome.log
            if not any(event.kind == "cancel_requested" for event in log):
                continue  # another schedule, under which that call is not made
            cancelled += 1
            assert [] == _starts_after("cancel_requested", {"step_started"}, seen)
            assert not isinstance(seen.outcome, Ok)
            assert Cancelled() in seen.outcome.reasons
    assert cancelled > 300
