"""What a plan says is what happens: its calls and its times, over generated sagas."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import groupby
from typing import Any, Final

from attrs import evolve
from hypothesis import example, given
from hypothesis import strategies as st
from returns.result import Failure, Result, Success

from sagalib import (
    Call,
    Cancel,
    Compensated,
    Event,
    Fatal,
    Irreversible,
    Late,
    Ok,
    Plan,
    Soft,
    TimedOut,
    events,
    explore,
    plan,
    simulate,
)
from tests.laws.strategies import HALF, OWN, Shape, cases, terms
from tests.laws.terms import (
    AnySaga,
    Functions,
    Joined,
    Left,
    StepTerm,
    Term,
    Wrapped,
    build,
    changed,
    steps_of,
)
from tests.laws.world import Refusal


def together(*values: object) -> tuple[object, ...]:
    """Be a pure function that never raises."""
    return values


PURE: Final = Functions(pure=lambda _: together, pure_two=lambda _: together)
"""Pure functions that never raise: a plan takes them to be total."""
SMALL: Final = Shape(left=False, most=2)


class Listener:
    """Functions of steps and pure ones that note that they were called."""

    def __init__(self) -> None:
        self.heard: list[tuple[object, ...]] = []

    def plain(self, *values: object) -> Any:
        """Be a plain function."""
        self.heard.append(values)
        return Success(None)

    async def coroutine(self, *values: object) -> Any:
        """Be a coroutine function."""
        return self.plain(*values)


def called(saga: AnySaga, answers: Any) -> tuple[list[tuple[str, str]], Any]:
    """Simulate; give path and direction of all calls but repeated ones, and the outcome."""
    calls: list[tuple[str, str]] = []

    def answer(call: Call) -> Any:
        given = answers(call)
        if not isinstance(given, Cancel):
            calls.append((call.path, call.direction))
        return given

    outcome = simulate(saga, "in", answer)
    return [call for call, _ in groupby(calls)], outcome


def all_well(_: Call) -> Result[int, object]:
    """Answer a call well."""
    return Success(1)


def faults_at(point: Any) -> Any:
    """Give the script in which the saga fails at a point of a plan, and nothing else does."""
    # The error is one that most of the generated policies retry; that must not change the order.
    fault: Any = {
        "returned": Failure(Refusal("planned")),
        "in_doubt": TimedOut(1.0),
        "late": Late("late"),
        "cancelled": Cancel(),
        "fail": None,
    }[point.how]

    def answer(call: Call) -> Any:
        return fault if (call.path, call.direction) == (point.path, point.direction) else Success(1)

    return answer


def expected_of(planned: Plan, point: Any) -> list[tuple[str, str]]:
    """Give the calls that a plan says for a failure point, from the beginning."""
    forward: list[tuple[str, str]] = []
    for call in planned.forward:
        here = (call.path, call.direction) == (point.path, point.direction)
        if here and point.how == "cancelled":
            break
        forward.append((call.path, call.direction))
        if here:
            break
    return forward + [(call.path, call.direction) for call in point.calls]


@HALF
@given(terms())
def test_the_calls_of_a_plan_are_those_of_a_run(term: Term) -> None:
    """For each failure point a simulation that fails there makes the planned calls, in order."""
    saga = build(term, PURE)
    planned = plan(saga)
    for point in planned.failures:
        calls, outcome = called(saga, faults_at(point))
        assert (point, expected_of(planned, point)) == (point, calls)
        assert (point, point.in_doubt) == (point, outcome.in_doubt)
        pivots = [
            failure.step
            for failure in getattr(outcome, "failures", ())
            if isinstance(failure, Irreversible)
        ]
        assert (point.ends, point.pivot) == (
            {Compensated: "compensated", Fatal: "fatal"}[type(outcome)],
            pivots[0] if pivots else None,
        )


@given(terms())
def test_the_forward_calls_of_a_plan_are_those_of_a_run(term: Term) -> None:
    """If nothing fails, the planned calls are made, up to a `fail` that is in the way."""
    saga = build(term, PURE)
    planned = plan(saga)
    calls, outcome = called(saga, all_well)
    back = [] if planned.completes else list(planned.failures[-1].calls)
    assert calls == [(call.path, call.direction) for call in [*planned.forward, *back]]
    assert planned.completes is isinstance(outcome, Ok)


@given(terms())
def test_every_step_that_is_called_has_its_failure_points(term: Term) -> None:
    """A plan fails each forward call in every way in which that call can fail."""
    saga = build(term, PURE)
    planned = plan(saga)
    found = [
        ((path, direction), {point.how for point in points})
        for (path, direction), points in groupby(
            planned.failures, key=lambda point: (point.path, point.direction)
        )
        if path is not None
    ]
    assert [(call.path, call.direction) for call in planned.forward] == [who for who, _ in found]
    executes = {path: made for path, kind, made in steps_of(saga) if kind == "step"}
    for (path, direction), how in found:
        least = {"returned", "in_doubt"}
        assert least | ({"cancelled"} if direction == "execute" else set()) == how - {"late"}
        if direction == "execute":
            made = executes[path]
            may_return_late = made.is_async or isinstance(made.timeout, Soft)
            can_be_late = made.timeout is not None and may_return_late
            assert (made.compensate is not None and can_be_late) is ("late" in how)


@given(terms())
@example(Wrapped("map_error", "m", StepTerm("alfa")))
@example(Wrapped("keep_star", "m", StepTerm("alfa")))
def test_a_plan_calls_no_function(term: Term) -> None:
    """Neither the functions of steps nor pure ones are called."""
    listener = Listener()
    saga = build(
        term,
        Functions(
            plain=lambda _, __, ___: listener.plain,
            coroutine=lambda _, __, ___: listener.coroutine,
            pure=lambda _: listener.plain,
            pure_two=lambda _: listener.plain,
        ),
    )
    planned = plan(saga)
    assert [] == listener.heard
    assert planned == plan(build(term, PURE))


@HALF
@given(terms(OWN))
def test_a_call_is_made_as_often_as_planned_at_most(term: Term) -> None:
    """However a call fails, it is attempted as often as planned, and not more."""
    saga = build(term, PURE)
    planned = plan(saga)
    most = {(call.path, call.direction): call.attempts for call in planned.forward}
    policies = {path: made.retries for path, _, made in steps_of(saga)}
    for point in planned.failures:
        if point.how != "returned":
            continue
        attempts: list[int] = []

        def answer(call: Call) -> Any:
            if call.path == point.path and call.direction == "execute":
                attempts.append(call.attempt)
                return Failure(Refusal("always"))
            return Success(1)

        simulate(saga, "in", answer)
        asked_for = policies[str(point.path)]
        bound = most[str(point.path), "execute"]
        assert bound >= len(attempts)
        assert asked_for.unless is not None or bound == len(attempts)


@given(cases(SMALL), st.booleans())
def test_each_schedule_is_the_simulation_of_its_script(case: Any, stop: bool) -> None:
    """What is explored is what `simulate` gives when it is answered so, log and all."""
    saga = build(case.term, PURE)
    policy: Any = "stop" if stop else "continue"
    seen: list[object] = []
    for schedule in explore(saga, "in", bound=40, on_compensation_failure=policy):
        again: Any = simulate(
            saga, "in", schedule.script, run_id="explored", on_compensation_failure=policy
        )
        assert again == schedule.outcome
        assert tuple(again.log) == tuple(schedule.outcome.log)
        seen.append([(key, repr(answer)) for key, answer in schedule.answers])
    assert all(one not in seen[:index] for index, one in enumerate(seen))
    assert seen


SECONDS: Final = {"alfa": 3.0, "bravo": 7.0, "charlie": 19.0, "delta": 53.0}


def seconds_of(saga: AnySaga, log: Iterable[Event]) -> float:
    """Give how long a run takes in which each call takes its whole timeout."""
    made = {path: step for path, _, step in steps_of(saga)}
    seconds = 0.0
    for event in log:
        match event:
            case events.StepStarted(path=path):
                seconds += made[path].timeout
            case events.CompensationStarted(path=path):
                seconds += made[path].compensation_timeout
            case events.StepRetrying(path=path, attempt=attempt):
                seconds += made[path].retries.delay(attempt)
            case events.CompensationRetrying(path=path, attempt=attempt):
                seconds += made[path].compensation_retries.delay(attempt)
            case _:
                pass
    return seconds


@HALF
@given(terms(SMALL))
def test_the_longest_of_all_runs_takes_as_long_as_planned(term: Term) -> None:
    """Of all schedules none takes longer than the plan says, and one takes just as long."""

    def timed(step: StepTerm) -> StepTerm:
        seconds = SECONDS[step.name]
        return evolve(step, timeout=seconds, compensation_timeout=2 * seconds)

    saga = build(changed(term, timed), PURE)
    is_async = {path: made.is_async for path, _, made in steps_of(saga)}

    def answers(call: Call) -> list[Any]:
        # Each of the generated policies retries the first or the last.
        usual: list[Any] = [Failure(Refusal("no")), Success(1), TimedOut(1.0)]
        can_be_late = call.direction == "execute" and is_async[call.path]
        return [*usual, Late(1)] if can_be_late else usual

    schedules = explore(saga, "in", answers, bound=2_000)
    longest = max(seconds_of(saga, schedule.outcome.log) for schedule in schedules)
    assert plan(saga).seconds >= longest
    assert not schedules.is_complete or plan(saga).seconds == longest


def test_the_laws_reach_what_earlier_runs_owe() -> None:
    """A compensation that an earlier run owes is planned on the way forward, and can fail."""
    left = Left(Joined((StepTerm("alfa"), StepTerm("bravo"))), {}, stop=False, run_id="earlier")
    planned = plan(build(Joined((StepTerm("charlie"), left)), PURE))
    assert [
        ("charlie", "execute"),
        ("bravo", "compensate"),
        ("alfa", "compensate"),
    ] == [(call.path, call.direction) for call in planned.forward]
    after = [
        [(call.path, call.direction) for call in point.calls]
        for point in planned.failures
        if (point.path, point.how) == ("bravo", "returned")
    ]
    assert [[("alfa", "compensate"), ("charlie", "compensate")]] == after
