"""C. failure and compensation, J. log and interpreters, over sagas of all forms.

L16-L21, L76-L82, L91, L92: the laws that need no condition on the form.
"""

from __future__ import annotations

import re
from collections import Counter
from typing import Any, Final, get_args

from attrs import evolve

from sagalib import Compensated, Fatal, Irreversible, Ok, Suspended, replay, status_of
from sagalib.core.events import CompensationGaveUp, Event, StepCompensated, StepOk
from sagalib.core.messages import Invoke
from tests.laws.spots import (
    FIRST,
    SCHEDULES,
    Made,
    Run,
    Sight,
    by_run,
    by_run_async,
    definite,
    simulated,
    spot_of,
)
from tests.laws.terms import (
    Beside,
    Failing,
    Joined,
    StepTerm,
    Tried,
    build,
    coloured,
    parts_of,
    with_functions,
)
from tests.laws.test_algebra import FORBIDDEN, Forbidden
from tests.laws.wholes import ANY, CLEAN, LINEAR, LOOSE, Case, builds, diced, law
from tests.laws.world import Answer, Boom
from tests.laws.written import (
    AFTER,
    assert_alike,
    schedules,
    sights,
    then,
)

DRAWS: Final = 800
WHOLE: Final = evolve(LOOSE, most=4)
RESTORED: Final = evolve(
    CLEAN,
    compensable=True,
    owning=False,
    most=4,
    answers=(Answer.ERR, Answer.RAISE, Answer.TIMEOUT, Answer.LATE),
)
"""Each effect is made up for by its step's own compensation or settle, or is told in doubt."""
SPOKEN: Final = evolve(ANY, answers=(Answer.ERR, Answer.RAISE, Answer.BARE), most=4)
"""What a step answers by itself, in any driver."""


# -- C. failure and compensation -------------------------------------------------------------------


@law(WHOLE, stop=None)
def test_l16_a_compensation_in_any_form_gets_what_its_own_step_gave(case: Case) -> None:
    """A compensation follows a success of its step and gets that output; a settle the input."""
    own = {part.name for part in parts_of(case.terms[0]) if isinstance(part, StepTerm)}
    promised = {
        part.name
        for part in parts_of(case.terms[0])
        if isinstance(part, StepTerm) and part.form == "promise"
    }
    for name, seen in sights(case, case.p).items():
        for at, made in enumerate(seen.ledger):
            bare = made.spot.rpartition("]")[2]
            if made.direction == "execute" or bare not in own or bare in promised:
                continue
            before = [one for one in seen.ledger[:at] if one.where == (made.path, "execute")]
            assert before != [], name
            if made.direction == "settle":
                assert (name, False) == (name, before[-1].succeeded)
                assert made.values is not None
                if before[-1].values is not None:
                    assert (name, before[-1].values) == (name, made.values)
            else:
                assert (name, True) == (name, before[-1].succeeded)
                assert made.values is not None
                assert (name, before[-1].output) == (name, made.values[-1])


@law(WHOLE, stop=None)
def test_l17_nothing_in_any_form_is_compensated_twice(case: Case) -> None:
    """Each completion is compensated once at most, and is not completed again before that."""
    kept = {
        part.name
        for part in parts_of(case.terms[0])
        if isinstance(part, StepTerm) and part.compensated == "no"
    }
    for name, seen in sights(case, case.p).items():
        balance: Counter[str] = Counter()
        for made in seen.ledger:
            if made.spot.rpartition("]")[2] in kept:
                continue  # nothing is ever compensated
            if made.succeeded and made.direction == "execute":
                balance[made.path] += 1
                assert (name, made.path, True) == (name, made.path, balance[made.path] <= 1)
            elif made.succeeded and made.direction == "compensate":
                if any(one.where == (made.path, "execute") for one in seen.ledger):
                    balance[made.path] -= 1
                assert (name, made.path, True) == (name, made.path, balance[made.path] >= 0)


@law(WHOLE, stop=None)
def test_l18_a_saga_of_any_form_is_fatal_if_something_was_left_undone(case: Case) -> None:
    """Fatal if and only if a compensation was given up or a completed pivot was in the way."""
    pivots = {
        part.name for part in parts_of(case.terms[0]) if isinstance(part, StepTerm) and part.pivot
    }
    for name, seen in sights(case, case.p).items():
        gave_up = [
            event.path for event in seen.outcome.log if isinstance(event, CompensationGaveUp)
        ]
        match seen.outcome:
            case Fatal(failures=failures):
                sealed = [one.step for one in failures if isinstance(one, Irreversible)]
                others = [one.step for one in failures if not isinstance(one, Irreversible)]
                assert (name, gave_up) == (name, others)
                assert (name, True) == (name, bool(failures))
                stands = {effect.path for effect in seen.standing if effect.output is not None}
                assert {spot_of(path) for path in sealed} <= stands & pivots
            case _:
                assert (name, []) == (name, gave_up)
        lost = [made for made in seen.undone if not made.succeeded and not _again(made, seen)]
        assert (name, sorted(gave_up)) == (name, sorted(made.path for made in lost))


def _again(made: Made, seen: Sight) -> bool:
    """Tell whether a compensation was called again after this call."""
    following = [one for one in seen.ledger[seen.ledger.index(made) + 1 :] if one.path == made.path]
    return following != [] and following[0].what == made.what and following[0].attempt > 1


@law(RESTORED)
def test_l19_compensated_in_any_form_leaves_the_world_as_it_was(case: Case) -> None:
    """After `Compensated` nothing stands but what `in_doubt` names."""
    for whole in (case.p, then(case.p, AFTER)):
        for name, seen in sights(case, whole).items():
            assert (name, False) == (name, isinstance(seen.outcome, Fatal))
            if isinstance(seen.outcome, Compensated):
                left = {effect.path for effect in seen.standing} - set(seen.told.in_doubt)
                assert (name, set()) == (name, left)


@law(RESTORED)
def test_l20_completions_and_compensations_in_any_form_are_balanced(case: Case) -> None:
    """In the log of a compensated run each completion is compensated; without branches, nested."""
    for name, seen in sights(case, then(case.p, AFTER)).items():
        opened: list[str] = []
        for event in seen.outcome.log:
            if isinstance(event, StepOk):
                opened.append(event.path)
            elif isinstance(event, StepCompensated):
                assert event.path in opened
                opened.remove(event.path)
        assert (name, []) == (name, opened)


@law(evolve(RESTORED).without("beside", "each"))
def test_l20_without_branches_the_log_is_a_word_of_matching_brackets(case: Case) -> None:
    """Where nothing is side by side, the last that completed is always the next compensated."""
    seen = simulated(then(case.p, AFTER), case.run)
    opened: list[str] = []
    for event in seen.outcome.log:
        if isinstance(event, StepOk):
            opened.append(event.path)
        elif isinstance(event, StepCompensated):
            assert event.path == opened.pop()
    assert [] == opened


@law(evolve(ANY, most=4, compensable=True, owning=False, pivots=False))
def test_l21_after_ok_in_any_form_what_completed_and_was_not_undone_stands(case: Case) -> None:
    """The effects after `Ok` are the completions without those that a scope has compensated."""
    for name, seen in sights(case, case.p).items():
        if not isinstance(seen.outcome, Ok):
            continue
        completed: Counter[str] = Counter()
        for event in seen.outcome.log:
            if isinstance(event, StepOk):
                completed[spot_of(event.path)] += 1
            elif isinstance(event, StepCompensated):
                completed[spot_of(event.path)] -= 1
        standing = Counter(one.path for one in seen.standing if one.output is not None)
        assert (name, +completed) == (name, standing)


# -- J. log, replay, status, interpreters ----------------------------------------------------------


@law(WHOLE, stop=None)
def test_l76_replay_in_any_form_gives_the_outcome_and_calls_no_step(case: Case) -> None:
    """Replaying a log gives all that the run told, with steps that must not be called."""
    saga = with_functions(build(case.terms[0]), lambda _function, _is_async: Forbidden("step"))
    # What `bind` brings has functions of its own; in a replay they are not called either.
    for turns in schedules(case.p):
        seen = simulated(case.p, case.run, turns)
        again: Any = replay(saga, case.run.value, seen.outcome.log)
        came = Sight(again, seen.ledger, seen.standing)
        assert seen.told == came.told
        assert tuple(seen.outcome.log) == tuple(again.log)


@law(WHOLE, stop=None)
def test_l77_every_prefix_of_a_log_says_what_comes_next(case: Case) -> None:
    """A log that breaks off gives the calls that are next, of which one is the next in the log."""
    for turns in tuple(schedules(case.p))[::2]:
        seen = simulated(case.p, case.run, turns)
        log = seen.outcome.log
        for length in range(1, len(log)):
            halfway: Any = replay(build(case.terms[0]), case.run.value, log[:length])
            if not isinstance(halfway, Suspended):
                assert Sight(halfway, seen.ledger, seen.standing).told == seen.told
                rest = [event.kind for event in log[length:]]
                assert [] == [kind for kind in rest if kind.endswith("_started")]
                continue
            following = log[length]
            asked = [
                (command.call.path, command.call.attempt)
                for command in halfway.commands
                if isinstance(command, Invoke)
            ]
            if following.kind in {"step_started", "compensation_started"}:
                waits = len(asked) < len(halfway.commands)
                call = (getattr(following, "path"), getattr(following, "attempt"))
                assert waits or call in asked


@law(WHOLE, stop=None)
def test_l78_status_in_any_form_is_an_action_of_logs(case: Case) -> None:
    """Wherever a log is cut, its status is that of the rest after that of the first part."""
    states = {"Ok": "completed", "Compensated": "compensated", "Fatal": "fatal"}
    for seen in sights(case, case.p).values():
        log = seen.outcome.log
        whole = status_of(log)
        for cut in range(len(log)):
            assert whole == status_of(log[cut:], status_of(log[:cut]))
        assert states[seen.kind] == whole.state
        assert sorted(seen.outcome.in_doubt) == sorted(whole.in_doubt)


_LETTERS: Final = {
    "step_started": "S",
    "step_in_doubt": "d",
    "step_retrying": "r",
    "step_failed": "f",
    "step_ok": "o",
    "compensation_started": "U",
    "compensation_retrying": "u",
    "step_compensated": "c",
    "step_settled": "s",
    "compensation_failed": "x",
}
_FORWARD: Final = r"(Sd?r|r)*(So|Sd?f|d?f)"
OF_A_STEP: Final = re.compile(rf"(({_FORWARD})?((Uu)*U[csx])?)*")


@law(WHOLE, stop=None)
def test_l79_the_events_in_any_form_are_words_of_the_grammar(case: Case) -> None:
    """Per path: failed attempts, then one end, then the way back; and again, if it is retried."""
    for name, seen in sights(case, case.p).items():
        words: dict[str, str] = {}
        for event in seen.outcome.log:
            if event.kind in _LETTERS:
                path = str(getattr(event, "path"))
                words[path] = words.get(path, "") + _LETTERS[event.kind]
        wrong = {path: word for path, word in words.items() if not OF_A_STEP.fullmatch(word)}
        assert (name, {}) == (name, wrong)
        started = Counter(event.kind for event in seen.outcome.log)
        assert started["step_started"] == len(seen.executed)
        assert started["compensation_started"] == len(seen.undone)
        ends = [
            event.kind
            for event in seen.outcome.log
            if event.kind in {"saga_completed", "saga_compensated", "saga_fatal"}
        ]
        assert [seen.outcome.log[-1].kind] == ends


@law(SPOKEN, stop=None)
def test_l80_run_and_simulate_agree_in_any_form(case: Case) -> None:
    """`run` ends as `simulate` does, with the same calls, in an order that is allowed."""
    expected = simulated(case.p, case.run)
    assert_equal_or_alike(case, expected, by_run(case.p, case.run))


@law(SPOKEN, stop=None)
def test_l80_run_async_and_simulate_agree_in_any_form(case: Case) -> None:
    """So does `run_async`, however long the calls of its branches take."""
    term = coloured(case.terms[0], is_async=True)
    for turns in SCHEDULES[:3]:
        expected = simulated(case.p, case.run)
        assert_equal_or_alike(case, expected, by_run_async(builds(term), case.run, turns))


def assert_equal_or_alike(case: Case, expected: Sight, came: Sight) -> None:
    """Check that two runs are equal; with branches, that they are the same in another order."""
    if len(tuple(schedules(case.p))) == 1:
        assert expected.told == came.told
        assert expected.keyed == came.keyed
        assert _kinds(expected) == _kinds(came)
    elif not case.run.stop:
        assert_alike(expected, came)


def _kinds(sight: Sight) -> list[tuple[object, ...]]:
    return [
        (event.kind, getattr(event, "path", None), getattr(event, "attempt", None))
        for event in sight.outcome.log
    ]


@law(SPOKEN, stop=None)
def test_l81_observers_change_nothing_in_any_form(case: Case) -> None:
    """With observers, one of which raises, a run ends as without; they hear the log, in order."""

    def broken(_: object) -> None:
        raise Boom("observer")

    heard: list[Any] = []
    seen = by_run(case.p, case.run, observers=[broken, heard.append])
    assert_equal_or_alike(case, simulated(case.p, case.run), seen)
    assert list(seen.outcome.log) == heard
    heard.clear()
    term = builds(coloured(case.terms[0], is_async=True))
    seen = by_run_async(term, case.run, SCHEDULES[2], observers=[broken, heard.append])
    assert_equal_or_alike(case, simulated(case.p, case.run), seen)
    assert list(seen.outcome.log) == heard


@law(WHOLE, stop=None)
def test_l82_a_key_in_any_form_counts_the_definite_answers_of_its_path(case: Case) -> None:
    """The number in a key is how many definite answers the path has had, in all directions."""
    for name, seen in sights(case, case.p).items():
        answers: Counter[str] = Counter()
        for made in seen.ledger:
            assert (name, made.path, answers[made.path]) == (name, made.path, made.k)
            answers[made.path] += definite(made)
            assert f"run:1/{made.path}/{made.direction}/{made.k}" == made.key


@law(WHOLE, stop=None)
def test_l82_calls_in_any_form_share_a_key_only_if_one_repeats_the_other(case: Case) -> None:
    """Of the calls that share a key, all but the last are in doubt."""
    for name, seen in sights(case, case.p).items():
        shared: dict[str, list[Made]] = {}
        for made in seen.ledger:
            shared.setdefault(made.key, []).append(made)
        for calls in shared.values():
            assert (name, []) == (name, [one for one in calls[:-1] if definite(one)])
            assert (name, 1) == (name, len({one.where for one in calls}))


@law(SPOKEN, stop=None)
def test_l91_running_changes_no_value_in_any_form(case: Case) -> None:
    """A saga of any form runs again alike, by any driver."""
    saga = build(case.terms[0], FORBIDDEN)
    before = (hash(saga), repr(saga), saga.instructions)
    one, other = (simulated(case.p, case.run, FIRST) for _ in range(2))
    assert (one.told, one.keyed, _kinds(one)) == (other.told, other.keyed, _kinds(other))
    for run_id in ("run:2", "run:3"):
        assert_equal_or_alike(case, one, by_run(case.p, case.run, run_id=run_id))
    assert before == (hash(saga), repr(saga), saga.instructions)


@law(evolve(LINEAR, forms=ANY.forms))
def test_l92_construction_in_any_form_calls_no_function(case: Case) -> None:
    """Building, comparing, hashing, showing and reading a saga call none of its functions."""
    saga = build(case.terms[0], FORBIDDEN)
    assert saga == build(case.terms[0], FORBIDDEN)
    assert hash(saga) == hash(build(case.terms[0], FORBIDDEN))
    assert repr(saga) == repr(build(case.terms[0], FORBIDDEN))
    assert len(saga.instructions) == len(saga.paths)


def test_s0_under_stop_no_branch_makes_a_further_call() -> None:
    """Once a compensation is given up under `stop`, nothing is called in the other branches."""
    term = Beside(
        (StepTerm("p1"), Tried(Joined((StepTerm("p2"), Failing("no"))), StepTerm("p3"))), "&"
    )
    run = Run({"p2:compensate": (Answer.ERR,)}, stop=True)
    seen = simulated(builds(term), run, SCHEDULES[1])
    assert [("p2", "execute"), ("p2", "compensate")] == [made.what for made in seen.ledger]


def test_the_sagas_reach_every_form_and_every_end() -> None:
    """In a fixed number of dice all constructors, answers, outcomes and transitions occur."""
    forms: Counter[str] = Counter()
    kinds: Counter[object] = Counter()
    answers: Counter[tuple[str, Answer]] = Counter()
    events: Counter[str] = Counter()
    for seed in range(DRAWS):
        case = diced(seed, (WHOLE,), stop=None)
        forms.update(type(part).__name__ for part in parts_of(case.terms[0]))
        seen = simulated(case.p, case.run, SCHEDULES[seed % len(SCHEDULES)])
        kinds[seen.kind, bool(seen.outcome.in_doubt)] += 1
        answers.update((made.direction, made.answer) for made in seen.ledger)
        events.update(event.kind for event in seen.outcome.log)
    made = {"StepTerm", "Pure", "Failing", "Joined", "Wrapped", "Beside", "PerItem", "Chosen"}
    made |= {"Tried", "Recovered", "Again", "Nest", "Brought"}
    assert made == {*forms}
    ends = {(kind, doubt) for kind in ("Ok", "Compensated", "Fatal") for doubt in (False, True)}
    assert ends == {*kinds}
    assert 3 <= min(kinds.values())
    expected = {("execute", one) for one in (*WHOLE.answers, Answer.OK)}
    expected |= {(way, one) for way in ("compensate", "settle") for one in (*WHOLE.back, Answer.OK)}
    assert expected == {*answers}
    never = {"cancel_requested", "deadline_expired", "late_reply"}
    assert {event.kind for event in get_args(Event)} - never == {*events}
