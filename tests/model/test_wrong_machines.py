"""Machines with one rule changed: the model notices each of them."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from typing import Any, Final, TypeAlias, cast

import pytest

from sagalib.core.instructions import Alternative, Nested, Recovery, Retrying
from sagalib.core.messages import Refused, Unknown
from sagalib.core.outcomes import TimedOut
from sagalib.core.scopes import HANDLERS
from sagalib.core.state import Compensating, Executing
from sagalib.core.strand import TRANSITIONS
from tests.defects.planted import planted, planted_transition, true_one
from tests.model.cases import random_case
from tests.model.comparison import differences
from tests.model.world import by_simulate

TRIES: Final = 6_000
"""How many random terms may be needed to notice."""

FORWARD: Final = "sagalib.core.forward"
MACHINE: Final = "sagalib.core.machine"
SCOPES: Final = "sagalib.core.scopes"
STRAND: Final = "sagalib.core.strand"

Change: TypeAlias = Callable[[Any], Any]


@contextmanager
def planted_handler(kind: type, make: Change) -> Generator[None]:
    """Let something else follow when a scope has failed; `make` gets what is true."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(cast("dict[type, Any]", HANDLERS), kind, make(HANDLERS[kind]))
        yield


# -- what is wrong: each gets the true function and gives another ----------------------------------


def _other(module: str, name: str) -> Change:
    """Put another function of a module there."""
    return lambda _: true_one(module, name)


def _passing(_: Any) -> Any:
    return HANDLERS[Nested]


def _of_nothing(true: Any) -> Any:
    def handle(book: Any, frame: Any, cells: Any, failed: Any) -> Any:
        return true(book, frame._replace(value=0), cells, failed)

    return handle


def _but_for_timeouts(true: Any) -> Any:
    def allows(policy: Any, attempt: int, reason: object) -> Any:
        return not isinstance(reason, TimedOut) and true(policy, attempt, reason)

    return allows


def _negative(true: Any) -> Any:
    def index(ended: Any) -> Any:
        return -true(ended)

    return index


def _in_declared_order(true: Any) -> Any:
    def all_at_once(cell: Any) -> Any:
        return cell and cell._replace(turn=0, below=all_at_once(cell.below))

    def merged(below: Any, stacks: Any) -> Any:
        return true(below, [all_at_once(top) for top in stacks])

    return merged


def _last_first(true: Any) -> Any:
    def primary(failed: list[Any]) -> Any:
        return true(failed[::-1])

    return primary


def _first_only(true: Any) -> Any:
    def mapped(failed: Any, function: Any) -> Any:
        return true(failed._replace(others=()), function)._replace(others=failed.others)

    return mapped


def _whatever_has_failed(true: Any) -> Any:
    def may_begin(joining: Any, book: Any) -> Any:
        return true(joining._replace(has_failed=False), book)

    return may_begin


def _up_to_three(true: Any) -> Any:
    def may_begin(joining: Any, book: Any) -> Any:
        more = joining.fork.limit is not None and joining.running == joining.fork.limit
        return true(joining._replace(running=joining.running - more), book)

    return may_begin


def _nowhere(_: Any) -> Any:
    def misplaced(*_: object) -> None:
        """Find nothing wrong."""

    return misplaced


def _beginning_anew(true: Any) -> Any:
    def again(book: Any, frame: Any, cells: Any) -> Any:
        return true(book._replace(heard=None), frame, cells)

    return again


def _staying_in_doubt(_: Any) -> Any:
    def answered_ok(book: Any, machine: Any, before: int) -> Any:
        return true_one(STRAND, "_heard")(book, machine, before + 1)

    return answered_ok


def _with(**changes: Any) -> Change:
    """Change what is known of the attempts so far, before a reply is taken in."""

    def make(true: Any) -> Any:
        def transition(machine: Any, reply: Any) -> Any:
            progress = machine.progress
            new = {name: change(getattr(progress, name)) for name, change in changes.items()}
            return true(machine._replace(progress=progress._replace(**new)), reply)

        return transition

    return make


def _one_more(number: int) -> int:
    return number + 1


def _yes(_: bool) -> bool:
    return True


def _as_if_refused(_: Any) -> Any:
    return TRANSITIONS[Executing][Refused]


MUTANTS: Final[Mapping[str, Callable[[], AbstractContextManager[None]]]] = {
    "a dirty abort is caught by or_else": partial(
        planted_handler, Alternative, _other(SCOPES, "_try_alternative")
    ),
    "a dirty abort is recovered from": partial(
        planted_handler, Recovery, _other(SCOPES, "_recover")
    ),
    "a dirty abort is retried": partial(planted_handler, Retrying, _other(SCOPES, "_retry")),
    "or_else does not catch": partial(planted_handler, Alternative, _passing),
    "recover does not catch": partial(planted_handler, Recovery, _passing),
    "retry does not try again": partial(planted_handler, Retrying, _passing),
    "the alternative does not get the input": partial(planted_handler, Alternative, _of_nothing),
    "a timeout is not retried by a scope": partial(planted, SCOPES, "allows", _but_for_timeouts),
    "a timeout is not retried by a step": partial(planted, STRAND, "allows", _but_for_timeouts),
    "branches are joined from right to left": partial(planted, MACHINE, "_index", _negative),
    "what branches owe is in declared order": partial(
        planted, MACHINE, "_merged", _in_declared_order
    ),
    "the primary reason is the rightmost": partial(planted, MACHINE, "_primary", _last_first),
    "only the primary reason is mapped": partial(planted, STRAND, "_mapped", _first_only),
    "a branch begins after a failure": partial(
        planted, MACHINE, "_may_begin", _whatever_has_failed
    ),
    "one branch more than the limit": partial(planted, MACHINE, "_may_begin", _up_to_three),
    "a pivot is called in a branch": partial(planted, FORWARD, "_misplaced", _nowhere),
    "the answers of a path begin anew with a retry": partial(
        planted, SCOPES, "again", _beginning_anew
    ),
    "a repeated call stays in doubt": partial(planted, STRAND, "_answered_ok", _staying_in_doubt),
    "a raise counts as an answer": partial(
        planted_transition, Executing, Unknown, _with(answers=_one_more)
    ),
    "a raise is no doubt": partial(planted_transition, Executing, Unknown, _as_if_refused),
    "a compensation that is cut has failed": partial(
        planted_transition, Compensating, Unknown, _with(interrupted=_yes)
    ),
}
"""What is wrong -> how it is planted."""


@pytest.mark.parametrize("mutant", MUTANTS)
def test_a_wrong_machine_is_noticed(mutant: str) -> None:
    """Some term, of the fixed list, does not do what the rules say, and does with the true one."""
    assert any(_is_noticed(mutant, seed) for seed in range(TRIES))


def _is_noticed(mutant: str, seed: int) -> bool:
    case, schedule = random_case(seed), seed % 3
    with MUTANTS[mutant]():
        wrong = by_simulate(case, schedule)
    return bool(differences(case, wrong)) and not differences(case, by_simulate(case, schedule))
