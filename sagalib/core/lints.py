"""Advice about sagas: what works, and may surprise when a call fails."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Literal, TypeAlias, final

from attrs import frozen

from sagalib.core.instructions import Fail, Instruction, Owed, Promise, is_step
from sagalib.core.state import AnySaga
from sagalib.core.steps import AnyStep

__all__ = ["Lint", "LintKind", "lints_of_deadline", "lints_of_steps", "shown_time"]

LintKind: TypeAlias = Literal[
    "fallible-after-pivot",
    "uncompensable-before-fallible",
    "deadline-too-short",
    "retries-without-settle",
    "compensation-without-timeout",
]
"""What a plan advises about."""


@final
@frozen
class Lint:
    """Advice about a saga: something that works, and may surprise when a call fails.

    Attributes:
        kind: one of ``LintKind``.
        path: the step that it is about; ``None`` for the whole saga, and for ``fail(error)``.
        message: what, why, and what to write instead.
    """

    kind: LintKind
    path: str | None
    message: str

    def __str__(self) -> str:
        """Show the kind and the message."""
        return f"{self.kind}: {self.message}"


def lints_of_steps(saga: AnySaga) -> Iterator[Lint]:
    """Give the advice about each step and each compensation of a saga, in order."""
    word, paths = saga.instructions, saga.paths
    follows = _what_follows(word)
    pivot: str | None = None
    for pc, (instruction, path) in enumerate(zip(word, paths, strict=True)):
        if isinstance(instruction, Fail) and pivot is not None:
            yield Lint(
                "fallible-after-pivot",
                None,
                f"fail(error) comes after the pivot {pivot!r}: the run ends Fatal, since nothing "
                "at or before the pivot is compensated. Write fail before it",
            )
        if is_step(instruction):
            yield from _lints_of_step(instruction, path, pivot, can_fail_later=follows[pc])
        elif isinstance(instruction, (Promise, Owed)) and not _seals(instruction):
            yield from _lint_of_compensation(instruction.step, path)
        if _seals(instruction):
            pivot = path


def _seals(instruction: Instruction) -> bool:
    if isinstance(instruction, Owed):
        return instruction.direction is None
    return is_step(instruction) and instruction.pivot


def _what_follows(word: tuple[Instruction, ...]) -> list[str | None]:
    """Give for each instruction the name of what can fail next, if it can be compensated then.

    What ``compensating`` promises next to a step is a compensation of the step.
    """
    follows: list[str | None] = []
    following: str | None = None
    for instruction in reversed(word):
        follows.append(following)
        if is_step(instruction):
            following = instruction.name
        elif isinstance(instruction, Fail):
            following = "fail(error)"
        elif isinstance(instruction, Promise):
            following = None
    return follows[::-1]


def _lints_of_step(
    step: AnyStep, path: str | None, pivot: str | None, *, can_fail_later: str | None
) -> Iterator[Lint]:
    if pivot is not None and not step.retries.times:
        yield Lint(
            "fallible-after-pivot",
            path,
            f"{path!r} comes after the pivot {pivot!r} and is not retried: if it fails, the run "
            "ends Fatal, since nothing at or before the pivot is compensated. Write retries=, or "
            "call it before the pivot",
        )
    has_way_back = pivot is None and not step.pivot
    if has_way_back and step.compensate is None and can_fail_later is not None:
        yield Lint(
            "uncompensable-before-fallible",
            path,
            f"{path!r} has no compensation, and {can_fail_later!r} can fail after it: what it did "
            "would stay. Write a compensation, or call it last; if it changes nothing, all is well",
        )
    if step.compensate is not None and step.retries.times and step.settle is None:
        yield Lint(
            "retries-without-settle",
            path,
            f"{path!r} is retried and has no settle: if one attempt is in doubt and the last one "
            "fails, nobody makes up for the first. Write settle=",
        )
    yield from _lint_of_compensation(step, path)


def _lint_of_compensation(step: AnyStep, path: str | None) -> Iterator[Lint]:
    roles = [role for role in ("compensate", "settle") if getattr(step, role) is not None]
    if roles and step.compensation_timeout is None:
        yield Lint(
            "compensation-without-timeout",
            path,
            f"{' or '.join(roles)} of {path!r} has no timeout: if it hangs, the rest of the way "
            "back waits. Write compensation_timeout=",
        )


def lints_of_deadline(
    seconds: float, unbounded: Sequence[str], deadline: float | None
) -> Iterator[Lint]:
    """Give the advice about a run that takes up to ``seconds``, and may take ``deadline``."""
    if deadline is None or seconds <= deadline:
        return
    longest = (
        f"no timeout stops {', '.join(unbounded)}"
        if seconds == math.inf
        else f"it may need {shown_time(seconds)}"
    )
    yield Lint(
        "deadline-too-short",
        None,
        f"the run may take {shown_time(deadline)}, and {longest}. Write shorter timeouts or fewer "
        "retries, or allow more time",
    )


def shown_time(seconds: float) -> str:
    """Show a number of seconds, or that there is no bound."""
    return "no bound" if seconds == math.inf else f"{seconds:,g} s"
