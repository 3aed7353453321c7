"""What a run and the rules disagree about."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from sagalib import CompensationFailed, Fatal, Ok, Raised
from tests.model.model import (
    Ending,
    calls_in,
    endings,
    entries_in,
    is_linear_extension,
    is_order_of_completion,
)
from tests.model.terms import is_concurrent
from tests.model.world import Case, Seen, interpreters_of, kind_of

OURS = frozenset({"NotASaga", "PivotInParallel"})
"""Kinds of `Raised` whose messages are for people."""


def is_same(expected: object, seen: object) -> bool:
    """Compare two reasons; a message may say more than that of the exception."""
    if not isinstance(expected, Raised):
        return expected == seen
    return (
        isinstance(seen, Raised)
        and seen.kind == expected.kind
        and (seen.kind in OURS or seen.message.startswith(expected.message))
    )


def differences(case: Case, seen: Seen) -> list[str]:
    """Give what is different from the nearest ending that the rules allow; `[]` for none."""
    found: list[list[str]] = []
    for ending in endings(case.term, case.value, case.answer, stop=case.stop):
        found.append(list(_differences(ending, seen, sequential=not is_concurrent(case.term))))
        if not found[-1]:
            return []
    return min(found, key=len)


def _differences(ending: Ending, seen: Seen, *, sequential: bool) -> Iterator[str]:
    outcome = seen.outcome

    def compare(what: str, expected: object, came: object) -> Iterator[str]:
        if expected != came:
            yield f"{what}: the rules say {expected}, and it was {came}"

    yield from compare("kind", ending.kind, kind_of(outcome))
    if isinstance(outcome, Ok):
        yield from compare("value", ending.value, outcome.value)
    else:
        reasons = outcome.reasons
        pairs = zip(ending.reasons, reasons, strict=False)
        if len(reasons) != len(ending.reasons) or not all(is_same(*pair) for pair in pairs):
            yield f"reasons: the rules say {ending.reasons}, and it was {reasons}"
        yield from compare("reason", reasons[0], outcome.reason)
        yield from compare("step", ending.step, outcome.step)
        yield from compare("context", ending.context, outcome.context)
    failures = outcome.failures if isinstance(outcome, Fatal) else ()
    yield from compare(
        "failures", _ordered(ending.failures, sequential), _ordered(failures, sequential)
    )
    yield from compare(
        "in_doubt", _ordered(ending.in_doubt, sequential), _ordered(outcome.in_doubt, sequential)
    )
    expected = tuple(calls_in(ending.trace))
    yield from compare("calls", _ordered(expected, sequential), _ordered(seen.calls, sequential))
    yield from compare(
        "log",
        sorted((call.where, call.attempt) for call in seen.calls),
        sorted(seen.logged),
    )
    made = {call.where for call in expected} <= seen.spans.keys()
    if made and not is_linear_extension(ending.trace, seen.spans):
        order = [where for where, _ in seen.logged]
        yield f"order: the rules say {ending.trace}, and it was {order}"
    if kind_of(outcome) == ending.kind and made:
        yield from _left_differs(ending, seen, sequential=sequential)


def _ordered(found: Sequence[object], sequential: bool) -> Sequence[object]:
    """Forget the order where that is for the schedule to say."""
    return tuple(found) if sequential else sorted(found, key=str)


def _left_differs(ending: Ending, seen: Seen, *, sequential: bool) -> Iterator[str]:
    if ending.residual is None:
        if (seen.left, seen.left_ends) != ((), "fatal"):
            yield f"left: a pivot has completed, and left was {seen.left}, {seen.left_ends}"
        return
    expected = [(entry.path, entry.direction, entry.value) for entry in ending.residual]
    order = [] if sequential else sorted(expected, key=str)
    came = list(seen.left) if sequential else sorted(seen.left, key=str)
    if (order or expected) != came or seen.left_ends != "ok":
        yield f"left: the rules say {expected}, and it was {seen.left}, {seen.left_ends}"
    elif isinstance(seen.outcome, Fatal) and not sequential:
        failed = [one.step for one in seen.outcome.failures if isinstance(one, CompensationFailed)]
        if failed != [path for path, _, _ in seen.left]:
            yield f"left: {failed} failed, and left was {seen.left}"
    elif isinstance(seen.outcome, Ok) and not sequential:
        entries = {(one.path, one.direction): one for one in entries_in(ending.owed)}
        back = [entries[path, direction] for path, direction, _ in seen.left]  # type: ignore[index]
        if not is_order_of_completion(ending.owed, back[::-1], seen.spans):
            yield f"left: not in reverse order of completion: {seen.left}"


def disagreements(case: Case) -> dict[str, list[str]]:
    """Run a case wherever it can be run; give what is not as the rules say."""
    found = {name: differences(case, run()) for name, run in interpreters_of(case).items()}
    return {name: different for name, different in found.items() if different}
