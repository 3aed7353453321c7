"""The rules of section 0 and of single forms, over sagas of all forms."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from attrs import evolve

from sagalib import Cancelled, Compensated, Fatal, Ok, Raised, TimedOut
from tests.laws.spots import SCHEDULES, Build, Made, Sight, simulated
from tests.laws.terms import AnySaga, Bring, Functions, StepTerm, Tag, parts_of
from tests.laws.wholes import ANY, CLEAN, LINEAR, LOOSE, NO_PIVOT, Case, law
from tests.laws.world import Answer
from tests.laws.written import AFTER, assert_same, beside, sights, then

WHOLE: Final = evolve(LOOSE, most=4)
SMALL: Final = evolve(NO_PIVOT, most=2)


def steps_by_name(case: Case) -> dict[str, StepTerm]:
    """Give the steps of the first saga by their names."""
    return {part.name: part for part in parts_of(case.terms[0]) if isinstance(part, StepTerm)}


def tries(seen: Sight) -> list[list[Made]]:
    """Give the calls of a run, those together that are attempts of one call."""
    open_ones: dict[tuple[str, str], list[Made]] = {}
    found: list[list[Made]] = []
    for made in seen.ledger:
        if made.attempt == 1 or made.where not in open_ones:
            open_ones[made.where] = []
            found.append(open_ones[made.where])
        open_ones[made.where].append(made)
    return found


def name_of(made: Made) -> str:
    """Give the name of the step that was called."""
    return made.spot.rpartition("]")[2]


def _times(retries: Any) -> int:
    return retries if isinstance(retries, int) else retries.times


@law(WHOLE, stop=None)
def test_s0_attempts_in_any_form_are_those_of_the_policy(case: Case) -> None:
    """A call is tried again as often as its step says, and no oftener, with numbers from 1."""
    own = steps_by_name(case)
    for name, seen in sights(case, case.p).items():
        for attempts in tries(seen):
            numbers = [made.attempt for made in attempts]
            assert (name, [*range(1, len(numbers) + 1)]) == (name, numbers)
            one = own.get(name_of(attempts[0]))
            if one is None:
                continue  # the compensation of `nested`
            policy = one.retries if attempts[0].direction == "execute" else one.compensation_retries
            assert (name, True) == (name, len(numbers) <= _times(policy) + 1)
            late = attempts[-1].answer is Answer.LATE
            if not attempts[-1].succeeded and not late and not case.run.stop:
                assert (name, _times(policy) + 1) == (name, len(numbers))


@law(evolve(CLEAN, most=4))
def test_s0_settle_in_any_form_runs_if_it_has_to(case: Case) -> None:
    """A step that did not end ok is settled if an attempt was in doubt, or if it asks for that."""
    own = steps_by_name(case)
    for name, seen in sights(case, then(case.p, AFTER)).items():
        expected: list[str] = []
        for attempts in tries(seen):
            one = own.get(name_of(attempts[0]))
            failed = attempts[0].direction == "execute" and not attempts[-1].succeeded
            if one is None or not failed or one.settled == "no":
                continue
            doubt = any(
                made.answer not in {Answer.OK, Answer.ERR, Answer.LATE} for made in attempts
            )
            if doubt or one.settle_on == "failure":
                expected.append(attempts[0].path)
        settled = [made.path for made in seen.ledger if made.direction == "settle"]
        assert (name, sorted(expected)) == (name, sorted(settled))


@law(evolve(LINEAR, most=4))
def test_s0_context_in_any_form_is_the_input_of_the_call_that_failed(case: Case) -> None:
    """An outcome names the call that failed last on the way forward, and what that was given."""
    seen = simulated(case.p, case.run)
    outcome: Any = seen.outcome
    if seen.kind == "Ok" or outcome.step is None:
        return
    calls = [made for made in seen.executed if made.path == outcome.step]
    if not calls:
        return  # a rule of a residual
    assert not calls[-1].succeeded or calls[-1].answer is Answer.LATE
    if calls[-1].values is not None:
        assert calls[-1].values == (outcome.context,)


@law(evolve(LINEAR, most=4, answers=(Answer.LATE, Answer.LATE, Answer.ERR)))
def test_s0_late_success_without_a_compensation_is_a_success(case: Case) -> None:
    """A step that succeeds too late and cannot be compensated has succeeded."""
    own = steps_by_name(case)
    seen = simulated(case.p, case.run)
    for made in seen.executed:
        if made.answer is Answer.LATE and own[name_of(made)].compensated == "no":
            assert made.spot != seen.told.step or not isinstance(seen.told.reasons[0], TimedOut)


@law(WHOLE, stop=True)
def test_s0_under_stop_the_call_that_was_given_up_is_the_last(case: Case) -> None:
    """After the first failed compensation nothing is called any more, in any scope."""
    for name, seen in sights(case, then(case.p, AFTER)).items():
        given_up = [
            at
            for at, made in enumerate(seen.ledger)
            if made.direction != "execute"
            and not made.succeeded
            and not any(
                later.where == made.where and later.attempt == made.attempt + 1
                for later in seen.ledger[at:]
            )
        ]
        assert (name, given_up) in ((name, []), (name, [len(seen.ledger) - 1]))


@law(evolve(NO_PIVOT, most=4))
def test_s0_what_was_given_up_in_any_form_is_owed(case: Case) -> None:
    """Under `continue` the residual is the compensations that failed, and nothing else."""
    for name, seen in sights(case, then(case.p, AFTER)).items():
        if isinstance(seen.outcome, Fatal):
            failed = [one[1] for one in seen.told.failures]
            owed = [one[0] for one in seen.told.owed]
            assert (name, [*failed[::-1], "unwind"]) == (name, owed)


def _is_returned(reason: object) -> bool:
    return not isinstance(reason, (Raised, TimedOut, Cancelled))


def _with(change: Callable[[AnySaga], AnySaga], inner: Build) -> Build:
    return lambda functions: change(inner(functions))


@law(evolve(ANY, most=4))
def test_s0_map_error_maps_what_was_returned(case: Case) -> None:
    """Of all reasons those that steps returned are mapped, and no others."""
    mapped = _with(lambda saga: saga.map_error(Tag("g")), case.p)
    for name, plain in sights(case, case.p).items():
        came = sights(case, mapped)[name]
        expected = tuple(("g", one) if _is_returned(one) else one for one in plain.told.reasons)
        assert (name, expected) == (name, came.told.reasons)
        assert (name, plain.keyed) == (name, came.keyed)


@law(evolve(ANY, most=4))
def test_s0_recover_makes_a_value_of_a_returned_error(case: Case) -> None:
    """If a saga fails cleanly with a returned error, that is the value; else nothing changes."""
    recovered = _with(lambda saga: saga.recover(Tag("g")), case.p)
    for name, plain in sights(case, case.p).items():
        came = sights(case, recovered)[name]
        assert (name, plain.keyed) == (name, came.keyed)
        outcome = plain.outcome
        if isinstance(outcome, Compensated) and _is_returned(outcome.reason):
            assert (name, Ok(("g", outcome.reason), in_doubt=outcome.in_doubt)) == (
                name,
                came.outcome,
            )
        else:
            assert (name, plain.told) == (name, came.told)


@law(evolve(ANY, most=4))
def test_s0_keep_gives_the_input_too(case: Case) -> None:
    """`p.keep()` runs as `p`, and gives a pair."""
    kept = _with(lambda saga: saga.keep(), case.p)
    for name, plain in sights(case, case.p).items():
        came = sights(case, kept)[name]
        assert (name, plain.keyed) == (name, came.keyed)
        if isinstance(plain.outcome, Ok):
            assert (name, (case.run.value, plain.told.value)) == (name, came.told.value)
        else:
            assert (name, plain.told) == (name, came.told)


@law(evolve(ANY, most=2), evolve(ANY, most=2))
def test_s0_bind_to_a_saga_is_sequence(case: Case) -> None:
    """`p.bind(lambda _: q) >> r` runs as `p >> q >> r`."""

    def bound(functions: Functions) -> AnySaga:
        return case.p(functions).bind(Bring(case.q(functions)))

    assert_same(case, then(case.p, case.q), bound)


@law(SMALL, SMALL, SMALL)
def test_s0_with_a_limit_no_branch_begins_after_a_failure(case: Case) -> None:
    """One at a time, in declared order; what stands behind a branch that failed is not called."""
    parts = (case.p, case.q, case.r)
    for turns in SCHEDULES[:2]:
        seen = simulated(beside(*parts, limit=1), case.run, turns)
        expected: list[tuple[object, ...]] = []
        for part in parts:
            alone = simulated(part, case.run, turns)
            expected += [made.seen for made in alone.executed]
            if alone.kind != "Ok":
                break
        assert sorted(map(repr, expected)) == sorted(repr(made.seen) for made in seen.executed)


@law(SMALL, SMALL, SMALL)
def test_s0_at_most_so_many_branches_are_in_work(case: Case) -> None:
    """With a limit of two, the third branch makes no call before one of the others has ended."""
    for turns in SCHEDULES:
        seen = simulated(beside(case.p, case.q, case.r, limit=2), case.run, turns)
        ledger = [name_of(made)[0] for made in seen.executed]
        ends = {name: max(at for at, one in enumerate(ledger) if one == name) for name in {*ledger}}
        if {"p", "q", "r"} == {*ledger}:
            assert ledger.index("r") > min(ends["p"], ends["q"])


@law(SMALL, SMALL)
def test_s0_reasons_of_branches_are_in_declared_order(case: Case) -> None:
    """All branches that fail are told, and the leftmost one first, whichever failed first."""
    for turns in SCHEDULES:
        seen = simulated(beside(case.p, case.q), case.run, turns)
        alone = [simulated(part, case.run, turns).told.reasons for part in (case.p, case.q)]
        assert (*alone[0], *alone[1]) == seen.told.reasons
