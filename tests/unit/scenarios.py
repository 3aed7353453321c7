"""Runs of every kind, for tests that look at logs."""

from __future__ import annotations

from typing import Any

from returns.result import Failure, Success

from sagalib import (
    Cancel,
    Late,
    Raised,
    Refused,
    Retry,
    Step,
    TimedOut,
    compensating,
    fail,
    identity,
    simulate,
)
from tests.defects.colours import AnyOutcome, AnySaga, pass_on

A = Step(pass_on, pass_on, name="a")
B = Step(pass_on, pass_on, name="b", retries=2, settle=pass_on)
C = Step(pass_on, pass_on, name="c", retries=Retry(1, wait=5))
PIVOT = Step(pass_on, name="p", pivot=True)
PATIENT = Step(pass_on, pass_on, name="a", compensation_retries=Retry(1, wait=5))

SCENARIOS: dict[str, tuple[AnySaga, dict[str, list[Any]]]] = {
    "nothing": (identity(), {}),
    "fails at once": (fail("no"), {}),
    "ok": (A >> B, {}),
    "compensated": (A >> B, {"b": [Failure(1), Failure(2), Failure(3)]}),
    "ok after doubt": (A >> B, {"b": [TimedOut(1)]}),
    "settled": (A >> B, {"b": [TimedOut(1), Failure(2), Raised("E", "x")]}),
    "settle jams": (A >> B, {"b": [TimedOut(1)] * 3, "b:settle": [Failure("jammed")]}),
    "in doubt": (A >> C, {"c": [Raised("E", "x"), Failure("no")]}),
    "refused": (A >> C, {"c": [Refused(Raised("Busy", ""))] * 2}),
    "paused": (A >> C, {"c": [Failure(1)]}),
    "late": (A >> C, {"c": [Late(5)]}),
    "late without compensation": (PIVOT, {"p": [Late(5)]}),
    "cancelled": (A >> B, {"b": [Cancel()]}),
    "cancelled at the second attempt": (A >> B, {"b": [TimedOut(1), Cancel()]}),
    "cancelled in flight": (A >> B, {"b": [Cancel(in_flight=True), Success(1)]}),
    "cancelled on the way back": (A >> B, {"b": [Failure(1)] * 3, "a:compensate": [Cancel()]}),
    "jammed": (A >> B, {"b": [Failure(1)] * 3, "a:compensate": [Failure("jammed")]}),
    "raised on the way back": (A >> B, {"b": [Failure(1)] * 3, "a:compensate": [Raised("E", "")]}),
    "patient": (PATIENT >> C, {"c": [Failure(1)] * 2, "a:compensate": [Failure("jammed")]}),
    "irreversible": (A >> PIVOT >> B, {"b": [Failure(1)] * 3}),
    "promised": (compensating(pass_on, name="x") >> fail("no"), {}),
}


def run_scenario(name: str, policy: Any = "continue") -> AnyOutcome:
    """Run a scenario."""
    saga, script = SCENARIOS[name]
    return simulate(saga, "x", script, run_id="run", on_compensation_failure=policy)
