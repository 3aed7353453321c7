"""The way back along the course of a saga: see ``course``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from sagalib.core.history import History
from sagalib.core.messages import FAILURE

__all__ = ["WayBack", "way_back"]


class WayBack(NamedTuple):
    """What a failure on the course leads to, if all goes well.

    Attributes:
        calls: compensations and their arguments, in order.
        steps: those that they make up for, in the same order.
        reason: the error that the step returned.
        step: its path.
    """

    calls: list[tuple[Callable[[Any], Any], Any]]
    steps: list[Any]
    reason: object
    step: str | None


def way_back(past: History) -> WayBack | None:
    """Give the way back from the call that has come back last.

    ``None`` if that is for the machine to decide.
    """
    newest: Any = past.ahead
    failed, _, completed = newest
    if type(failed) is not FAILURE:
        return None
    pc = _place_of_call(past, completed)
    word, _, back = past.saga.course
    step = word[pc]
    if pc > back or step.retries.times or step.settle is not None:
        return None
    calls: list[tuple[Callable[[Any], Any], Any]] = []
    steps: list[Any] = []
    for at in range(pc - 1, -1, -1):
        step = word[at]
        if step.is_step:
            if step.compensate is not None:
                calls.append((step.compensate, completed[0].unwrap()))
                steps.append(step)
            completed = completed[2]
    return WayBack(calls, steps, failed.failure(), past.saga.paths[pc])


def _place_of_call(past: History, earlier: Any) -> int:
    """Give where the step stands that was called after ``earlier``."""
    calls = 0
    while earlier is not None:
        calls, earlier = calls + 1, earlier[2]
    word = past.saga.course.word
    pc = -1
    while calls >= 0:
        pc += 1
        calls -= word[pc].is_step
    return pc
