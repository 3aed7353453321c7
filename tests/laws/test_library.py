"""J. log, replay, status, interpreters: L76, L78-L82, L91."""

from __future__ import annotations

import asyncio
import logging
import re
import threading
from collections.abc import Callable
from typing import Any, Final

from attrs import evolve
from hypothesis import example, given
from hypothesis import strategies as st

from sagalib import Event, Fatal, Retry, Status, Suspended, replay, status_of
from sagalib.core.messages import Invoke
from sagalib.core.paths import parse
from tests.laws.interpreters import (
    RUN_ID,
    Case,
    Seen,
    by_machine,
    by_run,
    by_run_async,
    everywhere,
    in_loop,
    interpreters_of,
    told,
)
from tests.laws.strategies import ANY, HALF, OWN, STRANGE_NAMES, SYNC, cases
from tests.laws.terms import AnySaga, StepTerm, coloured, with_functions
from tests.laws.test_algebra import Forbidden, ForbiddenAsync
from tests.laws.world import DEFINITE, HARD, Answer, Boom
from tests.support.time import run_virtual

LATE_REPLY_AMID_AN_INTERRUPT: Final = Case(
    StepTerm("alfa", settled="argument", timeout=HARD),
    {"alfa": (Answer.TIMEOUT,), "alfa:settle": (Answer.CUT,)},
)
CANCELLED_AFTER_A_PAUSE: Final = Case(
    StepTerm("alfa", retries=Retry(1, wait=1.0)), {"alfa": (Answer.ERR, Answer.CANCEL)}
)


def _forbidden(saga: AnySaga) -> AnySaga:
    return with_functions(
        saga, lambda _, is_async: ForbiddenAsync("step") if is_async else Forbidden("step")
    )


@given(cases())
@example(LATE_REPLY_AMID_AN_INTERRUPT)
@example(CANCELLED_AFTER_A_PAUSE)
def test_l76_replay_gives_the_outcome_and_calls_no_step(case: Case) -> None:
    """Replaying a log gives all that the run told, with steps that must not be called."""
    saga = case.saga
    for name, seen in everywhere(case, saga).items():
        again: Any = replay(_forbidden(saga), case.value, seen.outcome.log)
        assert (name, seen.told) == (name, told(again))
        assert (name, tuple(seen.outcome.log)) == (name, tuple(again.log))


@given(cases())
def test_l76_a_log_that_breaks_off_suspends_at_the_next_call(case: Case) -> None:
    """Replaying the first events of a log gives the next call, and tells whether it had begun."""
    saga = case.saga
    seen = by_machine(case, saga)
    log = seen.outcome.log
    for length in range(1, len(log)):
        halfway: Any = replay(_forbidden(saga), case.value, log[:length])
        if not isinstance(halfway, Suspended):
            assert told(halfway) == seen.told
            assert [] == [event.kind for event in log[length:] if event.kind.endswith("_started")]
            continue
        following = log[length]
        invokes = [command for command in halfway.commands if isinstance(command, Invoke)]
        if following.kind in {"step_started", "compensation_started"} and invokes:
            assert (following.path, following.attempt, False) == (  # type: ignore[union-attr]
                invokes[0].call.path,
                invokes[0].call.attempt,
                halfway.in_doubt,
            )
        if log[length - 1].kind in {"step_started", "compensation_started"}:
            assert halfway.in_doubt


@given(cases())
def test_l78_status_is_an_action_of_logs(case: Case) -> None:
    """Wherever a log is cut, its status is that of the rest after that of the first part."""
    for interpret in interpreters_of(case).values():
        log = interpret(case).outcome.log
        whole = status_of(log)
        live = Status()
        for cut, event in enumerate(log):
            assert whole == status_of(log[cut:], status_of(log[:cut]))
            assert live == status_of(log[:cut])
            live = live.after(event)
        assert whole == live


@HALF
@given(cases(OWN))
def test_l78_the_status_of_a_whole_log_is_that_of_its_outcome(case: Case) -> None:
    """A finished log has the state, reason and doubts of its outcome, and names what stands."""
    states = {"ok": "completed", "compensated": "compensated", "fatal": "fatal"}
    for name, seen in everywhere(case).items():
        status = status_of(seen.outcome.log)
        assert (name, states[str(seen.told[0])]) == (name, status.state)
        assert (name, getattr(seen.outcome, "reason", None)) == (name, status.reason)
        assert (name, seen.outcome.in_doubt) == (name, status.in_doubt)
        assert (name, seen.outcome.in_doubt) == (name, status_of(seen.log[:-1]).in_doubt)
        own = [effect.path for effect in seen.standing if effect.output is not None]
        assert (name, own) == (name, list(status.completed))


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
OF_A_STEP: Final = re.compile(rf"({_FORWARD})?((Uu)*U[csx])?")
_ENDS: Final = "(saga_completed|saga_compensated|saga_fatal)"
_THERE: Final = r"(step_(?!compensated|settled)\w+ |cancel_requested )*"
_BACK: Final = r"compensating (compensation_\w+ |step_(compensated|settled) |cancel_requested )*"
OF_A_RUN: Final = re.compile(rf"saga_started {_THERE}({_BACK})?{_ENDS} ")


@given(cases(evolve(ANY, left=False), refused=True))
def test_l79_the_events_of_each_step_are_a_word_of_the_grammar(case: Case) -> None:
    """Per step and direction: failed attempts, then one end; per run: there, back, an end."""
    for name, seen in everywhere(case).items():
        words: dict[str, str] = {}
        for event in seen.log:
            if event.kind in _LETTERS:
                path = str(getattr(event, "path"))
                words[path] = words.get(path, "") + _LETTERS[event.kind]
        assert (name, {}) == (
            name,
            {path: word for path, word in words.items() if not OF_A_STEP.fullmatch(word)},
        )
        whole = "".join(f"{event.kind} " for event in seen.log)
        assert OF_A_RUN.fullmatch(whole), (name, whole)
        compensated = [
            word for word in words.values() if "c" in word and "S" in word and "So" not in word
        ]
        assert (name, []) == (name, compensated)


@given(cases())
def test_l79_appending_leaves_the_log_as_it_was(case: Case) -> None:
    """What an observer has heard at any time is the beginning of the log."""
    if any(Answer.CANCEL in answers for answers in case.plan.values()):
        return  # an observer that cancels a run has heard of a call that is then not made
    for name, interpret in _drivers(case).items():
        heard: list[Event] = []
        seen = interpret(case, None, [heard.append])
        assert (name, tuple(seen.outcome.log)) == (name, tuple(heard))


def _drivers(case: Case) -> dict[str, Callable[..., Seen]]:
    return {
        name: interpret
        for name, interpret in interpreters_of(case).items()
        if name.startswith("run")
    }


def assert_agree(name: str, machine: Seen, other: Seen) -> None:
    """Check that an interpreter has done and told what the machine has."""
    assert (name, machine.told) == (name, other.told)
    assert (name, machine.calls) == (name, other.calls)
    for expected, came in zip(machine.ledger, other.ledger, strict=True):
        assert (name, expected if came.values is not None else expected[:4]) == (
            name,
            came if came.values is not None else came[:4],
        )
    assert (name, machine.log) == (name, other.log)
    assert (name, machine.standing) == (name, other.standing)
    assert (name, machine.interrupted) == (name, other.interrupted)


@given(cases(refused=True))
def test_l80_interpreters_agree(case: Case) -> None:
    """Machine, `simulate` and `run_async` make the same calls, and tell the same."""
    seen = everywhere(case)
    machine = seen.pop("machine")
    for name, other in seen.items():
        assert_agree(name, machine, other)


@given(cases(SYNC))
def test_l80_interpreters_agree_on_plain_sagas(case: Case) -> None:
    """For plain functions `run` agrees too, and `run_async` for the same saga made async."""
    seen = everywhere(case)
    machine = seen.pop("machine")
    assert sorted(["run", "run_async", "simulate"]) == sorted(seen)
    for name, other in seen.items():
        assert_agree(name, machine, other)
    twin = evolve(case, term=coloured(case.term, is_async=True))
    other = by_run_async(twin)
    if any(Answer.CUT in answers for answers in case.plan.values()):
        # A plain call on its own thread has ended before the run hears of its interrupt.
        assert machine.told == other.told
    else:
        assert_agree("twin", machine, other)


class _Spy:
    """Counts the calls of a function."""

    def __init__(self, function: Callable[..., Any], calls: list[object]) -> None:
        self.function = function
        self.calls = calls

    def __call__(self, *values: object) -> Any:
        self.calls.append(self.function)
        return self.function(*values)


class _AsyncSpy(_Spy):
    async def __call__(self, *values: object) -> Any:
        self.calls.append(self.function)
        return await self.function(*values)


def _spied(saga: AnySaga, calls: list[object]) -> AnySaga:
    return with_functions(saga, lambda old, is_async: (_AsyncSpy if is_async else _Spy)(old, calls))


@HALF
@given(cases())
def test_l81_instrumenting_steps_is_invisible(case: Case) -> None:
    """A saga whose functions are watched runs as before, and each call is seen once."""
    for name, interpret in _drivers(case).items():
        calls: list[object] = []
        spied = _spied(case.saga, calls)
        plain, seen = interpret(case), interpret(case, spied)
        assert (name, plain.told) == (name, seen.told)
        assert (name, plain.ledger) == (name, seen.ledger)
        assert (name, plain.log) == (name, seen.log)
        assert (name, len(plain.ledger)) == (name, len(calls))


class _Reports(logging.Handler):
    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        if record.getMessage().startswith("observer"):
            self.lines.append(record.getMessage())


def _broken(_: Event) -> None:
    raise Boom("observer")


@given(cases())
@example(LATE_REPLY_AMID_AN_INTERRUPT)
def test_l81_observers_change_nothing(case: Case) -> None:
    """With observers, one of which raises on each event, a run is the same and reports it once."""
    logger, reports = logging.getLogger("sagalib"), _Reports()
    for name, interpret in _drivers(case).items():
        plain = interpret(case)
        heard: list[Event] = []
        reports.lines.clear()
        logger.addHandler(reports)
        try:
            seen = interpret(case, None, [_broken, heard.append])
        finally:
            logger.removeHandler(reports)
        assert (name, plain.told) == (name, seen.told)
        assert (name, plain.ledger) == (name, seen.ledger)
        assert (name, plain.log) == (name, seen.log)
        assert (name, 1) == (name, len(reports.lines))
        if Answer.CANCEL not in {answer for answers in case.plan.values() for answer in answers}:
            # A run that an observer cancels has told of a call that is then not made.
            assert (name, list(seen.outcome.log)) == (name, heard)


@given(cases())
def test_l82_two_calls_share_a_key_if_and_only_if_one_repeats_the_other(case: Case) -> None:
    """A key is shared by calls of a path and direction without a definite answer between, only."""
    for name, seen in everywhere(case).items():
        for later, call in enumerate(seen.ledger):
            for earlier, other in enumerate(seen.ledger[:later]):
                between = [e.answer for e in seen.ledger[earlier:later] if e.path == call.path]
                repeats = (call.path, call.direction) == (
                    other.path,
                    other.direction,
                ) and not DEFINITE.intersection(between)
                assert (name, repeats) == (name, call.key == other.key)


@given(cases(evolve(OWN, names=STRANGE_NAMES)), st.sampled_from(["r", "r:1", "r-1.execute", "0"]))
def test_l82_keys_are_injective(case: Case, run_id: str) -> None:
    """From a key, whatever the names, run id, path, direction and count of answers can be read."""
    for name, interpret in _drivers(case).items():
        seen = interpret(case, None, (), run_id)
        answers: dict[str, int] = {}
        for entry in seen.ledger:
            run, rest = entry.key.split("/", 1)
            path, direction, number = rest.rsplit("/", 2)
            assert (name, run_id, entry.path, entry.direction) == (name, run, path, direction)
            assert (name, answers.get(path, 0)) == (name, int(number))
            assert parse(path)[-1].name in {*STRANGE_NAMES, "named m", "named n", "named boom"}
            answers[path] = answers.get(path, 0) + (entry.answer in DEFINITE)


@given(cases(evolve(OWN, promises=False)))
def test_l82_a_residual_goes_on_with_the_keys_of_its_run(case: Case) -> None:
    """What a residual calls has the key of the call that it repeats, or a new one of its run."""
    for name, interpret in interpreters_of(case).items():
        seen = interpret(case)
        if not isinstance(seen.outcome, Fatal):
            continue
        used = {(entry.path, entry.direction): entry for entry in seen.ledger}
        for entry in interpret(Case(case.term), seen.outcome.residual).ledger:
            before = used.get((entry.path, entry.direction))
            if before is not None and before.answer not in DEFINITE:
                assert (name, before.key) == (name, entry.key)
            else:
                assert entry.key not in [other.key for other in seen.ledger]
                assert entry.key.startswith(f"{RUN_ID}/{entry.path}/{entry.direction}/")


def _kinds(seen: Seen) -> list[tuple[object, ...]]:
    return [
        (event.kind, getattr(event, "path", None), getattr(event, "attempt", None))
        for event in seen.log
    ]


def assert_alike(expected: Seen, came: Seen) -> None:
    """Check that two runs of different ids did the same."""
    assert expected.told == came.told
    assert _kinds(expected) == _kinds(came)
    assert [evolve_key(entry) for entry in expected.ledger] == [
        evolve_key(entry) for entry in came.ledger
    ]


def evolve_key(entry: Any) -> Any:
    """Give an entry without its run id."""
    return entry._replace(key=entry.key.split("/", 1)[1])


@HALF
@given(cases())
def test_l91_running_changes_no_value(case: Case) -> None:
    """A saga that has run is equal to itself before, hashes alike, and runs again alike."""
    saga, other = case.saga, case.saga
    before = hash(saga), repr(saga), saga.instructions
    seen = everywhere(case, saga)
    assert saga == other
    assert before == (hash(saga), repr(saga), saga.instructions)
    assert seen == everywhere(case, saga)


@given(cases(SYNC))
def test_l91_a_saga_runs_in_two_threads_at_once(case: Case) -> None:
    """Two runs of one saga in two threads at the same time do what one does alone."""
    saga, found = case.saga, dict[int, Seen]()
    start = threading.Barrier(2)

    def work(number: int) -> None:
        start.wait()
        found[number] = by_run(case, saga, (), f"run:{number}")

    threads = [threading.Thread(target=work, args=(number,)) for number in (1, 2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    alone = by_run(case)
    for number in (1, 2):
        assert_alike(alone, found[number])


@given(cases())
def test_l91_a_saga_runs_in_two_tasks_at_once(case: Case) -> None:
    """Two runs of one saga in two tasks of one loop do what one does alone."""
    saga = case.saga

    async def both() -> list[Seen]:
        tasks = [asyncio.create_task(in_loop(case, saga, (), f"run:{number}")) for number in (1, 2)]
        return [await task for task in tasks]

    alone = by_run_async(case)
    for seen in run_virtual(both()):
        assert_alike(alone, seen)
