"""Cases 124, 125, 127 and 128: laws of every saga."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import product
from typing import Literal

import pytest
from attrs import frozen
from hypothesis import given, settings
from hypothesis import strategies as st

from sagalib import (
    Compensated,
    CompensationFailed,
    Event,
    Fatal,
    Ok,
    Outcome,
    Raised,
    chain,
    fail,
    status_of,
)
from sagalib.core.events import StepCompensated, StepOk
from tests.conformance.world import (
    MODES,
    UNIT,
    AnySaga,
    Call,
    Did,
    Mode,
    Settled,
    Undid,
    World,
    by_fault,
)

FAULTS = ("ok", "fails", "raises")


def _placements() -> Iterator[tuple[tuple[str, ...], tuple[str, ...]]]:
    """Give every placement of faults in three steps: what they answer, there and back."""
    ahead: list[tuple[str, ...]] = [("ok", "ok", "ok")]
    for fault in ("fails", "raises"):
        ahead += [(fault, "ok", "ok"), ("ok", fault, "ok"), ("ok", "ok", fault)]
    yield from product(ahead, product(("ok", "raises"), repeat=3))


def _steps(world: World, forward: Sequence[str], back: Sequence[str]) -> list[AnySaga]:
    return [
        world.step(name, by_fault(ahead, name), undo=by_fault(behind, name))
        for name, ahead, behind in zip("abc", forward, back, strict=True)
    ]


def _lived(
    world: World, saga: AnySaga
) -> tuple[Outcome[object, object, object], list[Event], list[Call]]:
    """Give all that can be told of a run, with a fixed id."""
    world.calls.clear()
    outcome = world.run(saga, run_id="r")
    return outcome, list(outcome.log), list(world.calls)


@pytest.mark.parametrize("mode", MODES)
def test_124_composition_is_associative(mode: Mode) -> None:
    """Both bracketings of three steps have the same outcome, log and calls, whatever fails."""
    kinds: list[str] = []
    for forward, back in _placements():
        world = World(mode)
        a, b, c = _steps(world, forward, back)
        left = _lived(world, (a >> b) >> c)
        assert left == _lived(world, a >> (b >> c))
        assert (a >> b) >> c == a >> (b >> c)
        assert hash((a >> b) >> c) == hash(a >> (b >> c))
        kinds.append(type(left[0]).__name__)
    assert ["Compensated", "Fatal", "Ok"] == sorted(set(kinds))


@pytest.mark.parametrize("mode", MODES)
def test_125_the_empty_saga_is_the_unit(mode: Mode) -> None:
    """The empty saga before or after a saga changes neither its outcome, nor log, nor calls."""
    for forward, back in _placements():
        world = World(mode)
        saga = chain(_steps(world, forward, back))
        alone = _lived(world, saga)
        assert alone == _lived(world, UNIT >> saga)
        assert alone == _lived(world, saga >> UNIT)
        assert UNIT >> saga == saga
        assert saga >> UNIT == saga


@frozen
class Plan:
    """What a step of a generated saga has, and how often its calls fail before they work."""

    name: str
    ahead: str
    fails_ahead: int
    retries: int
    back: str
    fails_back: int
    retries_back: int
    has_undo: bool
    has_settle: bool
    settle_on: Literal["doubt", "failure"]

    def made(self, world: World) -> AnySaga:
        """Make the step."""
        back = _script(self.back, self.fails_back, self.name)
        return world.step(
            self.name,
            *_script(self.ahead, self.fails_ahead, self.name),
            undo=back if self.has_undo else None,
            settle=back if self.has_settle else None,
            settle_on=self.settle_on,
            retries=self.retries,
            compensation_retries=self.retries_back,
        )


def _script(fault: str, times: int, name: str) -> tuple[object, ...]:
    return (*[by_fault(fault, name)] * times, by_fault("ok", name))


def _reason(fault: str, name: str) -> object:
    return f"{name} failed" if fault == "fails" else Raised("OSError", f"{name} broke")


def _plans() -> st.SearchStrategy[list[Plan]]:
    faults = st.sampled_from(FAULTS)
    plan = st.builds(
        Plan,
        name=st.sampled_from(["a", "b", "c"]),
        ahead=st.sampled_from(["ok", "ok", "ok", *FAULTS]),
        fails_ahead=st.integers(1, 3),
        retries=st.integers(0, 2),
        back=faults,
        fails_back=st.integers(1, 3),
        retries_back=st.integers(0, 2),
        has_undo=st.sampled_from([True, True, True, False]),
        has_settle=st.booleans(),
        settle_on=st.sampled_from(["doubt", "failure"]),
    )
    return st.lists(plan, max_size=6)


@frozen
class Expected:
    """What a list of plans must lead to."""

    outcome: Outcome[object, object, object]
    back: list[Call]
    """All calls on the way back, in order."""
    owed: list[Call]
    """The calls of the residual, in order: what is not made up for."""


def _paths(plans: Sequence[Plan]) -> list[str]:
    names = [plan.name for plan in plans]
    counts = [names[: at + 1].count(name) for at, name in enumerate(names)]
    return [
        name if count == 1 else f"{name}~{count}" for name, count in zip(names, counts, strict=True)
    ]


def _expected(plans: Sequence[Plan], *, stop: bool) -> Expected:
    """Work out, from the plans alone, what must be compensated, and what must be left."""
    effects: list[tuple[Plan, str, Call]] = []
    value = "in"
    for plan, path in zip(plans, _paths(plans), strict=True):
        if plan.ahead != "ok" and plan.fails_ahead > plan.retries:
            doubt = plan.ahead == "raises"
            is_settled = plan.has_settle and (doubt or plan.settle_on == "failure")
            if is_settled:
                effects.append((plan, path, Settled(plan.name, value)))
            is_open = doubt and (not is_settled or _gives_up(plan))
            in_doubt = (path,) if is_open else ()
            back, owed, failures = _way_back(effects, stop=stop)
            reason = _reason(plan.ahead, plan.name)
            if failures:
                return Expected(Fatal(reason, failures, path, in_doubt=in_doubt), back, owed)
            return Expected(Compensated(reason, path, in_doubt=in_doubt), back, owed)
        value = plan.name.upper()
        if plan.has_undo:
            effects.append((plan, path, Undid(plan.name, value)))
    return Expected(Ok(value), [], [])


def _gives_up(plan: Plan) -> bool:
    return plan.back != "ok" and plan.fails_back > plan.retries_back


def _way_back(
    effects: Sequence[tuple[Plan, str, Call]], *, stop: bool
) -> tuple[list[Call], list[Call], tuple[CompensationFailed[object], ...]]:
    back: list[Call] = []
    owed: list[Call] = []
    failures: list[CompensationFailed[object]] = []
    for plan, path, call in reversed(effects):
        if stop and failures:
            owed.append(call)
            continue
        fails = 0 if plan.back == "ok" else min(plan.fails_back, plan.retries_back)
        back += [call] * (1 + fails)
        if _gives_up(plan):
            owed.append(call)
            failures.append(CompensationFailed(path, _reason(plan.back, plan.name)))
    return back, owed, tuple(failures)


@pytest.mark.parametrize("mode", MODES)
@given(plans=_plans(), stop=st.booleans())
def test_127_each_effect_is_compensated_once_or_left_in_the_residual(
    mode: Mode, plans: list[Plan], *, stop: bool
) -> None:
    """Whatever fails, each possible effect is made up for once, or is what the residual calls."""
    world = World(mode)
    saga = chain([plan.made(world) for plan in plans])
    expected = _expected(plans, stop=stop)
    outcome = world.run(saga, on_compensation_failure="stop" if stop else "continue")
    assert expected.outcome == outcome
    assert expected.back == [call for call in world.calls if not isinstance(call, Did)]
    if isinstance(outcome, Fatal):
        world.calls.clear()
        world.is_repaired = True
        assert Ok(None) == world.run(outcome.residual, None)
        assert expected.owed == world.calls


@pytest.mark.parametrize("mode", MODES)
@given(plans=_plans(), stop=st.booleans(), fails_last=st.booleans())
def test_128_the_log_folds_to_the_status_that_the_run_reported(
    mode: Mode, plans: list[Plan], *, stop: bool, fails_last: bool
) -> None:
    """The log of any run folds to the state, reason, doubts and standing steps of its outcome."""
    world = World(mode)
    steps = [plan.made(world) for plan in plans]
    saga = chain([*steps, fail("at the end")] if fails_last else steps)
    heard: list[Event] = []
    outcome = world.run(
        saga, observers=[heard.append], on_compensation_failure="stop" if stop else "continue"
    )
    status = status_of(outcome.log)
    state = {Ok: "completed", Compensated: "compensated", Fatal: "fatal"}[type(outcome)]
    reason = None if isinstance(outcome, Ok) else outcome.reason
    assert (state, reason, outcome.in_doubt) == (status.state, status.reason, status.in_doubt)
    undone = [event.path for event in outcome.log if isinstance(event, StepCompensated)]
    done = [event.path for event in outcome.log if isinstance(event, StepOk)]
    assert [path for path in done if path not in undone] == list(status.completed)
    assert status == status_of(heard)


@pytest.mark.slow
def test_127_the_plans_reach_every_ending() -> None:
    """The generated sagas end in every outcome, with doubts and residuals of all kinds."""
    seen: set[tuple[str, bool, bool, bool]] = set()

    @settings(max_examples=600, derandomize=True, database=None)
    @given(plans=_plans(), stop=st.booleans())
    def draw(plans: list[Plan], *, stop: bool) -> None:
        expected = _expected(plans, stop=stop)
        seen.add(
            (
                type(expected.outcome).__name__,
                bool(expected.outcome.in_doubt),
                any(isinstance(call, Settled) for call in expected.owed),
                len(expected.owed) > 1,
            )
        )

    draw()
    assert [
        ("Compensated", False, False, False),
        ("Compensated", True, False, False),
        ("Fatal", False, False, False),
        ("Fatal", False, False, True),
        ("Fatal", False, True, False),
        ("Fatal", False, True, True),
        ("Fatal", True, False, False),
        ("Fatal", True, False, True),
        ("Fatal", True, True, False),
        ("Fatal", True, True, True),
        ("Ok", False, False, False),
    ] == sorted(seen)
