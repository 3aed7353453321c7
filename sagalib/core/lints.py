"""Advice about sagas: what works, and may surprise when a call fails."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from itertools import accumulate, pairwise
from typing import Final, Literal, TypeAlias, final

from attrs import frozen

from sagalib.core.instructions import (
    Alternative,
    Bind,
    Choose,
    Deadline,
    Each,
    Enter,
    Fail,
    Fork,
    Instruction,
    Join,
    Jump,
    Leave,
    Owed,
    Promise,
    Recovery,
    Retrying,
    ScopeKind,
    is_step,
)
from sagalib.core.state import AnySaga
from sagalib.core.steps import AnyStep

__all__ = [
    "Lint",
    "LintKind",
    "lints_of_deadline",
    "lints_of_scopes",
    "lints_of_steps",
    "shown_time",
]

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
    pivots = _pivots_before(word, paths)
    scopes: list[tuple[int, str | None, ScopeKind]] = []
    for pc, (instruction, path) in enumerate(zip(word, paths, strict=True)):
        while scopes and scopes[-1][0] < pc:
            scopes.pop()
        pivot = pivots[pc]
        if isinstance(instruction, Enter):
            scopes.append((pc + 1 + instruction.size, pivot, instruction.scope))
            continue
        around = [scope for _, before, scope in scopes if before == pivot]
        is_caught = any(isinstance(scope, _CATCHING) for scope in around)
        if isinstance(instruction, Fail) and pivot is not None and not is_caught:
            yield Lint(
                "fallible-after-pivot",
                None,
                f"fail(error) comes after the pivot {pivot!r}: the run ends Fatal, since nothing "
                "at or before the pivot is compensated. Write fail before it",
            )
        if is_step(instruction):
            is_retried = bool(instruction.retries.times) or any(map(_begins_again, around))
            if pivot is not None and not (is_retried or is_caught):
                yield _lint_after_pivot(path, pivot)
            can_fail = follows[pc] if pivot is None else None
            yield from _lints_of_step(instruction, path, can_fail, is_retried=is_retried)
        elif isinstance(instruction, (Promise, Owed)) and not _seals(instruction):
            yield from _lint_of_compensation(instruction.step, path)


_CATCHING: Final = (Alternative, Recovery, Retrying)


def _begins_again(scope: ScopeKind) -> bool:
    return isinstance(scope, Retrying) and scope.policy.times > 0


def _seals(instruction: Instruction) -> bool:
    if isinstance(instruction, Owed):
        return instruction.direction is None
    return is_step(instruction) and instruction.pivot


def _pivots_before(
    word: tuple[Instruction, ...], paths: tuple[str | None, ...]
) -> list[str | None]:
    """Give for each instruction the path of a pivot that may have completed before it.

    What a scope catches is a failure in which no pivot has completed.
    """
    arriving: dict[int, str | None] = {}
    before: list[str | None] = []
    pivot: str | None = None
    for pc, instruction in enumerate(word):
        pivot = arriving.pop(pc, None) or pivot
        before.append(pivot)
        match instruction:
            case Choose(skip=skip):
                _arrive(arriving, pc + 1 + skip, pivot)
            case Enter(Alternative() | Recovery(), size):
                _arrive(arriving, pc + 2 + size, pivot)
            case Jump(skip) | Leave(skip=skip) if skip:
                _arrive(arriving, pc + 1 + skip, pivot)
                pivot = None  # what follows is come to from elsewhere
            case _ if _seals(instruction):
                pivot = paths[pc] or ""
            case _:
                pass
    return before


def _arrive(arriving: dict[int, str | None], pc: int, pivot: str | None) -> None:
    arriving[pc] = arriving.get(pc) or pivot


def _what_follows(word: tuple[Instruction, ...]) -> list[str | None]:
    """Give for each instruction the name of what can fail next, if it can be compensated then.

    What ``compensating`` promises next to a step is a compensation of the step, and so is that of
    ``nested``. In a branch, its siblings can fail next as well.
    """
    first: list[str | None] = [None] * (len(word) + 1)
    siblings = _siblings(word)
    for pc in range(len(word) - 1, -1, -1):
        instruction = word[pc]
        if is_step(instruction):
            first[pc] = instruction.name
            continue
        match instruction:
            case Fail():
                first[pc] = "fail(error)"
            case Bind():
                first[pc] = "bind"
            case Promise():
                first[pc] = None
            case Choose(skip=skip):
                first[pc] = first[pc + 1] or first[pc + 1 + skip]
            case Jump(skip):
                first[pc] = first[pc + 1 + skip]
            case Leave(skip, step):
                first[pc] = first[pc + 1 + skip] if step is None else None
            case Join():
                sibling, after = siblings[pc]
                first[pc] = sibling or first[after]
            case _:
                first[pc] = first[pc + 1]
    return first[1:]


def _siblings(word: tuple[Instruction, ...]) -> dict[int, tuple[str | None, int]]:
    """Give for each ``Join`` a step of another branch, or item, and where the branches end."""
    found: dict[int, tuple[str | None, int]] = {}
    for pc, instruction in enumerate(word):
        if not isinstance(instruction, (Fork, Each)):
            continue
        sizes = instruction.sizes if isinstance(instruction, Fork) else (instruction.size,)
        starts = list(accumulate(sizes, initial=pc + 1))
        steps = [
            next((one.name for one in word[start:end] if is_step(one)), None)
            for start, end in pairwise(starts)
        ]
        for index, end in enumerate(starts[1:]):
            others = steps if isinstance(instruction, Each) else steps[:index] + steps[index + 1 :]
            found[end - 1] = next(filter(None, others), None), starts[-1]
    return found


def _lint_after_pivot(path: str | None, pivot: str) -> Lint:
    return Lint(
        "fallible-after-pivot",
        path,
        f"{path!r} comes after the pivot {pivot!r} and is not retried: if it fails, the run ends "
        "Fatal, since nothing at or before the pivot is compensated. Write retries=, or call it "
        "before the pivot",
    )


def _lints_of_step(
    step: AnyStep, path: str | None, can_fail_later: str | None, *, is_retried: bool
) -> Iterator[Lint]:
    if not step.pivot and step.compensate is None and can_fail_later is not None:
        yield Lint(
            "uncompensable-before-fallible",
            path,
            f"{path!r} has no compensation, and {can_fail_later!r} can fail after it: what it did "
            "would stay. Write a compensation, or call it last; if it changes nothing, all is well",
        )
    if step.compensate is not None and is_retried and step.settle is None:
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


def lints_of_scopes(saga: AnySaga, longest: Mapping[int, float]) -> Iterator[Lint]:
    """Give the advice about deadlines in a saga, of which the inside takes up to ``longest``."""
    word, paths = saga.instructions, saga.paths
    for pc, seconds in sorted(longest.items()):
        opening = word[pc]
        if not (isinstance(opening, Enter) and isinstance(opening.scope, Deadline)):
            continue
        allowed = opening.scope.seconds
        if seconds <= allowed:
            continue
        inside = (path for path in paths[pc + 1 : pc + 1 + opening.size] if path is not None)
        path = next(inside, None)
        bound = f"may need {shown_time(seconds)}"
        need = "has no bound on its time" if seconds == math.inf else bound
        yield Lint(
            "deadline-too-short",
            path,
            f"the deadline of {shown_time(allowed)} around {path!r} can pass: what is inside "
            f"{need}. Write shorter timeouts or fewer retries, or allow more time",
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
