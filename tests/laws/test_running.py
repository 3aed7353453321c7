"""C. failure and compensation: L15-L29; with section 0 on doubt, outcomes and residuals."""

from __future__ import annotations

import re
from typing import Any, Final

from attrs import evolve
from hypothesis import given

from sagalib import (
    Cancelled,
    Compensated,
    CompensationFailed,
    Fatal,
    Irreversible,
    Ok,
    Raised,
    TimedOut,
    identity,
)
from sagalib.core.events import StepCompensated, StepOk
from tests.laws.interpreters import Case, Seen, everywhere, interpreters_of
from tests.laws.reading import Way, back, completed_pivot, forward, is_in_doubt, is_late, owed, ways
from tests.laws.strategies import COMPENSABLE, HALF, OWN, cases, resumed_cases
from tests.laws.terms import StepTerm, Term, changed, parts_of, steps_of
from tests.laws.world import SECONDS, SUCCEEDED, Answer, Effect, Refusal, output_of

PLAIN: Final = evolve(OWN, promises=False)
"""All that is called on the way back was called on the way forward."""


@given(cases())
def test_l15_the_call_that_failed_is_never_compensated(case: Case) -> None:
    """A step whose last call failed is not compensated; one that succeeded too late is, first."""
    own = {path: made for path, kind, made in steps_of(case.saga) if kind == "step"}
    for name, seen in everywhere(case).items():
        compensated = [way.path for way in back(seen) if way.direction == "compensate"]
        failed = [way.path for way in forward(seen) if not way.succeeded]
        assert (name, []) == (name, [path for path in compensated if path in failed])
        late = [
            way for way in forward(seen) if is_late(way) and own[way.path].compensate is not None
        ]
        if late:
            assert (name, late[-1]) == (name, forward(seen)[-1])
            position = ways(seen).index(late[-1])
            assert (name, (late[-1].path, "compensate")) == (name, ways(seen)[position + 1].what)
            assert (name, late[-1].path) == (name, getattr(seen.outcome, "step", None))


def given_back(way: Way, seen: Seen) -> tuple[object, ...]:
    """Give what the compensate or settle of a step is to get."""
    execute = next(other for other in forward(seen) if other.path == way.path)
    values: Any = execute.values
    if way.direction == "settle":
        return tuple(values)
    output = output_of(way.path)
    return (*values, output) if way.entries[0].label.endswith("context") else (output,)


@given(cases(PLAIN))
def test_l16_a_compensation_gets_what_its_own_step_gave(case: Case) -> None:
    """A compensation follows its step's success and gets its output; a settle gets its input."""
    for name, seen in everywhere(case).items():
        for position, way in enumerate(ways(seen)):
            if way.direction == "execute":
                continue
            before = [
                other for other in ways(seen)[:position] if other.what == (way.path, "execute")
            ]
            assert (name, [way.direction == "compensate"]) == (
                name,
                [other.succeeded for other in before],
            )
            for entry in way.entries:
                if entry.values is not None and before[0].values is not None:
                    assert (name, given_back(way, seen)) == (name, entry.values)


@given(cases())
def test_l17_nothing_is_compensated_twice(case: Case) -> None:
    """What has succeeded, an execute, a compensate or a settle, is not called again."""
    for name, seen in everywhere(case).items():
        succeeded: list[tuple[str, str]] = []
        for entry in seen.ledger:
            assert (name, (entry.path, entry.direction)) not in [(name, done) for done in succeeded]
            if entry.answer in SUCCEEDED:
                succeeded.append((entry.path, entry.direction))


@given(cases(OWN))
def test_l18_fatal_if_and_only_if_a_compensation_failed_or_a_pivot_was_crossed(case: Case) -> None:
    """The failures are the compensations that failed, in order, and then the pivot in the way."""
    saga = case.saga
    for name, seen in everywhere(case).items():
        failed = [(CompensationFailed, way.path) for way in back(seen) if not way.succeeded]
        pivot = completed_pivot(saga, seen)
        halted = case.stop and failed != []
        sealed = [] if pivot is None or halted else [(Irreversible, pivot)]
        match seen.outcome:
            case Ok():
                assert (name, []) == (name, failed)
            case Compensated():
                assert (name, []) == (name, [*failed, *sealed])
            case Fatal(failures=failures):
                assert (name, [*failed, *sealed]) == (
                    name,
                    [(type(one), one.step) for one in failures],
                )
                assert failures != ()


@given(cases(COMPENSABLE))
def test_l19_compensated_leaves_the_world_as_it_was(case: Case) -> None:
    """If all can be made up for, after `Compensated` nothing stands but what `in_doubt` names."""
    for name, seen in everywhere(case).items():
        if isinstance(seen.outcome, Compensated):
            left = [effect for effect in seen.standing if effect.path not in seen.outcome.in_doubt]
            assert (name, []) == (name, left)


@given(cases(COMPENSABLE))
def test_l20_completions_and_compensations_are_balanced(case: Case) -> None:
    """If all can be compensated, the log of a compensated run is a word of matching brackets."""
    for name, seen in everywhere(case).items():
        if not isinstance(seen.outcome, Compensated):
            continue
        opened: list[str] = []
        for event in seen.log:
            if isinstance(event, StepOk):
                opened.append(event.path)
            elif isinstance(event, StepCompensated):
                assert (name, event.path) == (name, opened.pop())
        assert (name, []) == (name, opened)


@given(cases(OWN))
def test_l21_after_ok_all_that_completed_stands(case: Case) -> None:
    """The effects that stand after `Ok` are the completions, in order."""
    for name, seen in everywhere(case).items():
        if isinstance(seen.outcome, Ok):
            completed = [Effect(way.path, output_of(way.path)) for way in forward(seen)]
            assert (name, completed) == (name, list(seen.standing))


@given(cases(PLAIN))
def test_l22_compensation_is_in_reverse_order_of_completion(case: Case) -> None:
    """What a failed saga owes is called, all of it, the last completed first."""
    saga = case.saga
    for name, seen in everywhere(case).items():
        tried = [way.what for way in back(seen)]
        expected = [] if isinstance(seen.outcome, Ok) else owed(saga, seen)
        if case.stop:
            broken = [position for position, way in enumerate(back(seen)) if not way.succeeded]
            expected = expected[: broken[0] + 1] if broken else expected
        assert (name, expected) == (name, tried)


@given(cases(OWN))
def test_l23_after_ok_nothing_was_compensated(case: Case) -> None:
    """A run that ends `Ok` has called no compensate and no settle."""
    for name, seen in everywhere(case).items():
        if isinstance(seen.outcome, Ok):
            assert (name, []) == (name, back(seen))


@HALF
@given(cases(OWN))
def test_l24_a_failing_run_goes_the_way_of_the_run_without_faults_and_then_back(case: Case) -> None:
    """Completions are a prefix of those without faults; no execute follows a compensation."""
    for name, interpret in interpreters_of(case).items():
        quiet, seen = interpret(evolve(case, plan={})), interpret(case)
        done = [(way.path, way.values) for way in forward(seen) if way.succeeded]
        if name != "simulate":  # where a scripted answer hides the values
            assert (name, done) == (
                name,
                [(way.path, way.values) for way in forward(quiet)][: len(done)],
            )
        assert (name, [path for path, _ in done]) == (
            name,
            [way.path for way in forward(quiet)][: len(done)],
        )
        assert (name, [*forward(seen), *back(seen)]) == (name, ways(seen))
        assert (name, [True] * (len(forward(seen)) - 1)) == (
            name,
            [way.succeeded for way in forward(seen)][:-1],
        )


RENAMED: Final = {"alfa": "golf", "bravo": "hotel", "charlie": "india", "delta": "juliett"}
_OLD: Final = re.compile("|".join(RENAMED))


def _renamed(text: str) -> str:
    return _OLD.sub(lambda found: RENAMED[found.group()], text)


def _with_other_names(term: Term) -> Term:
    return changed(term, lambda step: evolve(step, name=RENAMED[step.name]))


@HALF
@given(cases(OWN))
def test_l25_renaming_steps_renames_the_log_and_nothing_else(case: Case) -> None:
    """Steps under other names make the same calls, events and outcome, but for the names."""
    plan = {_renamed(place): answers for place, answers in case.plan.items()}
    other = everywhere(evolve(case, term=_with_other_names(case.term), plan=plan))
    for name, seen in everywhere(case).items():
        came = other[name]
        assert (name, _renamed(repr(seen.told))) == (name, repr(came.told))
        assert (name, _renamed(repr(seen.ledger))) == (name, repr(came.ledger))
        assert (name, _renamed(repr(seen.log))) == (name, repr(came.log))


@HALF
@given(cases(OWN))
def test_l26_continue_and_stop_end_in_the_same_kind(case: Case) -> None:
    """The policy for failed compensations changes neither kind nor reason of the outcome."""
    stopping, going_on = everywhere(evolve(case, stop=True)), everywhere(evolve(case, stop=False))
    for name, seen in stopping.items():
        assert (name, type(going_on[name].outcome)) == (name, type(seen.outcome))
        reasons = [getattr(one.outcome, "reason", None) for one in (going_on[name], seen)]
        assert (name, reasons[0]) == (name, reasons[1])


@HALF
@given(cases(OWN))
def test_l27_the_log_under_stop_is_a_prefix(case: Case) -> None:
    """Under `stop` a run makes the first calls of that under `continue`, and writes its events."""
    stopping, going_on = everywhere(evolve(case, stop=True)), everywhere(evolve(case, stop=False))
    for name, seen in stopping.items():
        longer = going_on[name]
        assert (name, seen.ledger) == (name, longer.ledger[: len(seen.ledger)])
        body = seen.body[:-1]
        assert (name, body) == (name, longer.body[: len(body)])
        failed = [way for way in back(seen) if not way.succeeded]
        assert (name, failed) == (name, back(seen)[-1:] if failed else [])


@given(cases(evolve(PLAIN, gaps=False), stop=True))
def test_l28_under_stop_what_stands_is_a_prefix_of_the_completions(case: Case) -> None:
    """Under `stop`, and at a pivot, the completed steps that still stand are the first ones."""
    for name, seen in everywhere(case).items():
        completed = [
            Effect(way.path, output_of(way.path)) for way in forward(seen) if way.succeeded
        ]
        standing = [effect for effect in seen.standing if effect.output is not None]
        assert (name, completed[: len(standing)]) == (name, standing)


@HALF
@given(cases(OWN, stop=False))
def test_l29_which_compensations_are_tried_does_not_depend_on_how_they_end(case: Case) -> None:
    """Under `continue` the same is tried, in order and with its values, as if all succeeded."""
    quiet = evolve(
        case, plan={place: answers for place, answers in case.plan.items() if ":" not in place}
    )
    without = everywhere(quiet)
    for name, seen in everywhere(case).items():
        expected = [(way.what, way.values) for way in back(without[name])]
        came = [(way.what, way.values) for way in back(seen)]
        if name == "simulate":
            expected, came = (
                [(what, None) for what, _ in expected],
                [(what, None) for what, _ in came],
            )
        assert (name, expected) == (name, came)


# -- section 0 -----------------------------------------------------------------------------------


@given(cases(PLAIN))
def test_s0_each_step_and_direction_has_its_own_attempts(case: Case) -> None:
    """Calls are numbered from 1 for each step and direction, and a retry has as many as it says."""
    own = {path: made for path, _, made in steps_of(case.saga)}
    for name, seen in everywhere(case).items():
        for way in ways(seen):
            numbers = [1]
            for entry in way.entries[:-1]:
                # An interrupted compensation is called again as the same attempt.
                same = way.direction != "execute" and entry.answer is Answer.CUT
                numbers.append(numbers[-1] + (not same))
            assert (name, numbers) == (name, [entry.attempt for entry in way.entries])
            made = own[way.path]
            policy = made.retries if way.direction == "execute" else made.compensation_retries
            conditional = policy.only is not None or policy.unless is not None
            assert numbers[-1] <= policy.times + 1
            if not way.succeeded and not conditional and not seen.interrupted:
                assert (name, way.what, policy.times + 1) == (name, way.what, numbers[-1])


@given(cases(OWN), resumed_cases())
def test_s0_no_execute_is_called_once_the_run_is_cancelled(case: Case, resumed: Case) -> None:
    """After a cancellation is told, no further execute begins, on the way back and after it."""
    for one in (case, resumed):
        for name, seen in everywhere(one).items():
            kinds = [event.kind for event in seen.log]
            after = kinds[kinds.index("cancel_requested") :] if "cancel_requested" in kinds else []
            assert (name, 0) == (name, after.count("step_started"))


@given(cases(PLAIN))
def test_s0_an_interrupted_compensation_is_called_again(case: Case) -> None:
    """A compensation is given up for an interrupt only after two of the same attempt."""
    for name, seen in everywhere(case).items():
        for way in back(seen):
            if way.entries[-1].answer is Answer.CUT:
                again = way.entries[-2:]
                assert (name, 2, 1) == (name, len(again), len({entry.attempt for entry in again}))
                assert (name, [Answer.CUT] * 2) == (name, [entry.answer for entry in again])


@given(cases(OWN))
def test_s0_in_doubt_is_what_was_neither_settled_nor_answered_ok(case: Case) -> None:
    """The step that failed after an attempt in doubt is in `in_doubt`, unless it was settled."""
    for name, seen in everywhere(case).items():
        settled = [way.path for way in back(seen) if way.direction == "settle" and way.succeeded]
        doubtful = tuple(
            way.path for way in forward(seen) if is_in_doubt(way) and way.path not in settled
        )
        assert (name, doubtful) == (name, seen.outcome.in_doubt)


_WHY: Final = {
    Answer.RAISE: Raised,
    Answer.BARE: Raised,
    Answer.TIMEOUT: TimedOut,
    Answer.CUT: Cancelled,
    Answer.ERR: Refusal,
    Answer.LATE_ERR: Refusal,
    Answer.LATE: TimedOut,
}


def _maps_errors(term: Term) -> bool:
    return any(getattr(part, "kind", None) == "map_error" for part in parts_of(term))


def _asks_a_predicate(term: Term) -> bool:
    return any(
        isinstance(part, StepTerm) and getattr(part.retries, "only", None) is not None
        for part in parts_of(term)
    )


@given(cases(PLAIN))
def test_s0_reason_step_and_context_are_those_of_the_call_that_failed(case: Case) -> None:
    """An outcome names why and where the last call failed, and what that call was given."""
    if _maps_errors(case.term) or _asks_a_predicate(case.term):
        return
    own = {path: made for path, _, made in steps_of(case.saga)}
    for name, seen in everywhere(case).items():
        outcome = seen.outcome
        if isinstance(outcome, Ok) or not forward(seen):
            continue
        last = forward(seen)[-1]
        answer = last.entries[-1].answer
        failed = not last.succeeded or (
            answer is Answer.LATE and own[last.path].compensate is not None
        )
        if not failed or (seen.interrupted and answer is not Answer.CUT):
            continue
        assert (name, _WHY[answer], last.path) == (name, type(outcome.reason), outcome.step)
        if isinstance(outcome.reason, TimedOut):
            assert (name, SECONDS) == (name, outcome.reason.seconds)
        if last.values is not None:
            staged = last.entries[0].label.split()[1] in {"stage", "context"}
            assert (name, last.values) == (name, outcome.context if staged else (outcome.context,))


@given(cases(PLAIN))
def test_s0_the_residual_is_what_is_still_owed_in_unwinding_order(case: Case) -> None:
    """Running a residual calls what failed, then what was not reached, with the same values."""
    saga = case.saga
    for name, interpret in interpreters_of(case).items():
        seen = interpret(case)
        if not isinstance(seen.outcome, Fatal):
            continue
        tried = back(seen)
        failed = [way.what for way in tried if not way.succeeded]
        unreached = [what for what in owed(saga, seen) if what not in [way.what for way in tried]]
        residual = seen.outcome.residual
        assert (name, [*failed, *unreached] == []) == (name, residual == identity())
        again = interpret(Case(case.term, {}, None), residual)
        assert (name, [*failed, *unreached]) == (name, [way.what for way in back(again)])
        assert (name, Ok(None)) == (name, again.outcome)
        if name in {"run", "run_async"}:
            assert (name, [given_back(way, seen) for way in back(again)]) == (
                name,
                [way.values for way in back(again)],
            )


@given(cases(PLAIN))
def test_s0_a_residual_that_fails_owes_what_failed(case: Case) -> None:
    """If all that a residual calls fails, it goes on past the first, and owes the same again."""
    for name, interpret in interpreters_of(case).items():
        seen = interpret(case)
        if not isinstance(seen.outcome, Fatal) or seen.outcome.residual == identity():
            continue
        residual = seen.outcome.residual
        plan = {
            f"{path}:{direction}": (Answer.ERR,) * 9 for path, direction in owed(case.saga, seen)
        }
        again = interpret(Case(case.term, plan, None), residual)
        paths = [path for path, kind, _ in steps_of(residual) if kind == "owed"][::-1]
        assert isinstance(again.outcome, Fatal)
        assert (name, paths) == (name, [one.step for one in again.outcome.failures])
        once_more = interpret(Case(case.term, {}, None), again.outcome.residual)
        assert (name, paths) == (name, [way.path for way in back(once_more)])
        assert (name, Ok(None)) == (name, once_more.outcome)


@given(cases(PLAIN))
def test_s0_after_a_pivot_the_compensation_of_a_success_runs_nothing(case: Case) -> None:
    """`ok.compensation` calls all that completed, the last first; after a pivot it is fatal."""
    saga = case.saga
    for name, interpret in interpreters_of(case).items():
        seen = interpret(case)
        if not isinstance(seen.outcome, Ok):
            continue
        undone = interpret(Case(case.term, {}, None), seen.outcome.compensation)
        pivot = completed_pivot(saga, seen)
        if pivot is None:
            assert (name, owed(saga, seen)) == (name, [way.what for way in back(undone)])
            assert (name, Ok(None)) == (name, undone.outcome)
        else:
            assert (name, []) == (name, undone.calls)
            assert isinstance(undone.outcome, Fatal)
            assert (name, (Irreversible(pivot),)) == (name, undone.outcome.failures)
