"""The option to stop at the first compensation that fails, with several branches."""

from __future__ import annotations

from typing import Any

from returns.result import Failure, Success

from sagalib import Fatal, Saga, Step, fail, simulate
from sagalib.core.instructions import Owed


def test_under_stop_no_compensation_begins_in_another_branch() -> None:
    """What another branch has asked for is not called any more once one has failed; it is owed."""
    called: list[object] = []

    def undo(value: object) -> Any:
        called.append(value)
        return Failure("stuck") if value == "a" else Success(None)

    def scope(name: str) -> Saga[object, Any, str, Any]:
        def execute(_: object) -> Any:
            return Success(name)

        return (Step(execute, undo, name=name) >> fail("no")).nested(f"in {name}")

    outcome: Any = simulate(
        scope("a") & scope("b"), "x", schedule=[1, 0, 0], on_compensation_failure="stop"
    )

    assert ["a"] == called
    owed = [made.step.name for made in outcome.residual.instructions if isinstance(made, Owed)]
    assert ["a", "b"] == sorted(owed)
    assert isinstance(outcome, Fatal)
