"""Wrong machines: each differs from the machine in one line, and is caught by the law it breaks."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager
from importlib import import_module
from typing import Any, Final

import pytest
from attrs import frozen

from sagalib.core import scopes
from sagalib.core.forward import FOLLOW
from sagalib.core.instructions import Alternative, Recovery, Retrying
from sagalib.core.scopes import HANDLERS
from sagalib.core.strand import MOVES, TRANSITIONS
from tests.laws import (
    test_branches,
    test_choice_and_nesting,
    test_deadlines,
    test_recovery_and_retry,
    test_rules,
    test_wholes,
)
from tests.laws.wholes import LAWS, diced

EXAMPLES: Final = 400
"""So many dice are thrown at most until a law notices the mutant; most need a few."""
MODULES: Final = (
    test_branches,
    test_choice_and_nesting,
    test_deadlines,
    test_recovery_and_retry,
    test_rules,
    test_wholes,
)


@frozen
class Mutant:
    """A wrong machine.

    Attributes:
        what: what is wrong with it.
        place: module of the core and function.
        old: what stands there.
        new: what stands there instead.
        law: the beginning of the name of the law's test that catches it.
    """

    what: str
    place: str
    old: str
    new: str
    law: str

    @property
    def laws(self) -> list[str]:
        """The names of the tests of the law."""
        return [name for name in LAWS if name.startswith(f"test_{self.law}")]


def _m(what: str, place: str, old: str, new: str, law: str) -> Mutant:
    return Mutant(what, place, old, new, law)


MUTANTS: Final = (
    # order
    _m("the stacks of branches are merged in declared order", "machine._merged",
       "sorted(completed, key=_turn)", "completed", "l67_the_way_back"),
    _m("the stacks of branches are merged first completed first", "machine._merged",
       "sorted(completed, key=_turn)", "sorted(completed, key=_turn, reverse=True)",
       "l67_the_way_back"),
    _m("the stack of a branch is turned round", "machine._merged",
       "reversed(cells)", "cells", "l62"),
    _m("what was owed before the branches is forgotten", "machine._join",
       "_merged(machine.cells, ", "_merged(None, ", "l62"),
    _m("branches give their values in the order in which they ended", "machine._join",
       "sorted(oldest_first(joining.ended), key=_index)", "oldest_first(joining.ended)",
       "l67_the_schedule"),
    _m("the primary reason is that of the last branch", "machine._primary",
       "first, *others = told", "*others, first = told", "s0_reasons"),
    _m("of the reasons only the first is told", "machine._primary",
       "others=tuple(reasons)", "others=()", "l60"),
    _m("a dirty branch is forgotten, if another fails first", "machine._primary",
       "catchable=catchable", "catchable=True", "l52_what"),
    _m("no branch begins once one has failed, also without a limit", "machine._may_begin",
       "limit is None or", "(limit is None and not joining.has_failed) or limit and", "l65"),
    _m("with a limit, branches begin after a failure", "machine._may_begin",
       "not (joining.has_failed or book.cancels)", "True", "s0_with_a_limit"),
    _m("a limit is one more", "machine._may_begin",
       "joining.running < limit", "joining.running <= limit", "s0_at_most"),
    _m("branches are on their own under a cancel", "machine._told",
       "cancels=book.cancels + 1", "cancels=book.cancels", "l74"),
    _m("a failed branch stops the others", "machine._Spreading:end_branch",
       "joining.fork.interrupts", "True", "l65"),
    _m("after branches the first instruction is passed over", "machine._join",
       "machine.pc + 1 + size", "machine.pc + 2 + size", "l63"),
    _m("a branch begins with what the branch before it gave", "machine._begin_branch",
       "start, value, Branch", "start, (value,), Branch", "l62"),
    # forward
    _m("a choice takes the other side", "forward._choose",
       "0 if made.predicate(value) else made.skip", "made.skip if made.predicate(value) else 0",
       "l30"),
    _m("a choice gives on what the predicate said", "forward._choose",
       "pc + 1 + skip, value", "pc + 1 + skip, bool(skip)", "l31"),
    _m("after the first side comes the second", "forward._jump",
       "pc + 1 + made.skip", "pc + 1", "l31"),
    _m("after a scope comes its alternative", "forward._leave",
       "pc + 1 + made.skip", "pc + 1", "l49"),
    _m("a scope that has gone through owes nothing", "forward._leave",
       "scope.below, cells", "scope.below, scope.floor", "l42"),
    _m("a compensation of its own is owed beside those of the steps", "forward._leave",
       "False, below", "False, cells", "l44"),
    _m("a compensation of its own gets the input", "forward._leave",
       "Cell(pc, value, _COMP", "Cell(pc, scope.value, _COMP", "l44"),
    _m("a scope remembers no floor", "forward._enter",
       "around, value, cells, 1", "around, value, None, 1", "l62"),
    _m("keep forgets the input", "forward._merge",
       "made.combine(frames.value, value)", "made.combine(value, value)", "s0_keep"),
    _m("what follows bind is passed over", "forward._bind",
       "Bound(place, pc + 1, frames)", "Bound(place, pc + 2, frames)", "s0_bind"),
    _m("a pivot is no seal", "strand._succeeded",
       "elif step.pivot:", "elif False:", "l71"),
    _m("a step owes what it got", "strand._succeeded",
       "Cell, (pc, value", "Cell, (pc, machine.value", "l16"),
    _m("a late success is not compensated", "strand._came_late",
       "machine.frames, cells)", "machine.frames, machine.cells)", "l19"),
    _m("attempts are not counted", "strand._next_attempt",
       "tried.attempt + 1", "tried.attempt", "s0_attempts"),
    _m("a raise counts as a definite answer", "strand._no_definite_answer",
       "_tries(machine)._replace(in_doubt=True)",
       "_tries(machine)._replace(in_doubt=True, answers=_tries(machine).answers + 1)", "l82"),
    _m("a returned failure does not count", "strand._returned_failure",
       "answers + 1", "answers", "l82"),
    _m("a raise is no doubt", "strand._no_definite_answer",
       "in_doubt=True", "in_doubt=False", "l19"),
    _m("settle is forgotten", "strand._step_failed",
       'tried.in_doubt or step.settle_on == "failure"', "False", "s0_settle"),
    _m("settle runs also without doubt", "strand._step_failed",
       '(tried.in_doubt or step.settle_on == "failure")', "True", "s0_settle"),
    _m("doubt without settle is not told", "strand._step_failed",
       "elif tried.in_doubt:", "elif False:", "l19"),
    _m("the context is not that of the call", "strand._step_failed",
       "context=machine.value", "context=None", "s0_context"),
    # back
    _m("a scope undoes what is below it", "strand._unwind",
       "cells is floor or", "", "l43"),
    _m("a seal is passed over", "strand._unwind",
       "halted=True", "halted=False", "l39"),
    _m("a dirty abort is caught", "strand._gave_up",
       "progress.failed._replace(catchable=False)", "progress.failed", "l52_what"),
    _m("under stop the way back goes on", "strand._gave_up",
       "halted=book.stop", "halted=False", "s0_under_stop_the"),
    _m("under continue it stops", "strand._gave_up",
       "halted=book.stop", "halted=True", "s0_what_was_given_up"),
    _m("what failed is not owed", "strand._gave_up",
       "owed=(owed, book.owed)", "owed=book.owed", "s0_what_was_given_up"),
    _m("a compensation is called once more", "strand._compensation_failed",
       "progress.attempt, reason)", "progress.attempt - 1, reason)", "s0_attempts"),
    _m("answers on the way back do not count", "strand._made_up_for",
       "progress.answers + 1", "progress.answers", "l82"),
    _m("a compensation is passed over after one that was ok", "strand._made_up_for",
       "machine.cells.below if machine.cells is not None else None",
       "machine.cells.below and machine.cells.below.below", "l19"),
    _m("errors of other branches are not mapped", "strand._mapped",
       "if failed.others:", "if False:", "s0_map_error"),
    _m("a guard maps what was raised", "strand._mapped",
       "if failed.returned:", "if True:", "s0_map_error"),
    # deadlines
    _m("a deadline is inherited", "forward._leave",
       "return book, around", "return book, place", "l89"),
    _m("a deadline that has passed cannot be caught", "scopes._pass_deadline",
       "failed._replace(due=None)", "failed", "l88"),
    _m("the inner of two deadlines stops the outer", "forward.stopping",
       "else due", "else None", "l84"),
    # scopes
    _m("the alternative gets the input of the run", "scopes._try_alternative",
       "frame.value)", "book.value)", "l45"),
    _m("the alternative begins before what it stands for is undone", "scopes._try_alternative",
       "frame, cells, frame.value", "frame, frame.floor and frame.floor.below, frame.value", "l45"),
    _m("a cancellation is caught", "scopes._of_catchable",
       "passing or stopping(book, frame.place) is not None",
       "failed.due is not None or book.halted", "l52_a"),
    _m("recover catches what was raised", "scopes._recover",
       "if not failed.returned:", "if False:", "s0_recover"),
    _m("recover gives the input", "scopes._recover",
       "scope.function(failed.reason)", "frame.value", "s0_recover"),
    _m("a retry has one attempt more", "scopes._retry",
       "frame.attempt, failed", "frame.attempt - 1, failed", "l53"),
    _m("all retries share a counter", "scopes.again",
       "frame._replace(attempt=frame.attempt + 1)", "frame._replace(attempt=frame.attempt + 2)",
       "l54"),
    _m("a retry goes on after the scope", "scopes.again",
       "frame.value,", "book.value,", "l54"),
    _m("answers of a path begin anew in a retry", "scopes.again",
       "if heard:", "if False:", "l82"),
    _m("the order of answers is turned round", "scopes.again",
       "dict(reversed(heard))", "dict(heard)", "l82"),
    _m("nothing is heard in a retry", "scopes.again",
       "frame.place._replace(counts=True)", "frame.place", "l82"),
)  # fmt: skip


def _function(place: str) -> tuple[Any, str, Any]:
    module, _, name = place.partition(".")
    owner: Any = import_module(f"sagalib.core.{module}")
    cls, _, method = name.partition(":")
    if method:
        owner, name = getattr(owner, cls), method
    return owner, name, getattr(owner, name)


def rewritten(mutant: Mutant) -> Callable[..., Any]:
    """Give the function with the mutant in it."""
    _, name, true = _function(mutant.place)
    text = inspect.getsource(true)
    assert 1 <= text.count(mutant.old), f"{mutant.place} has no {mutant.old!r}"
    text = text.replace(mutant.old, mutant.new)
    namespace: dict[str, Any] = {}
    text = inspect.cleandoc("\n" + text) if text.startswith(" ") else text
    exec(  # noqa: S102 - the source of the machine, with one line changed
        compile(text, mutant.place, "exec"), true.__globals__, namespace
    )
    found: Callable[..., Any] = namespace[name]
    return found


@contextmanager
def wrong_machine(mutant: Mutant) -> Generator[None]:
    """Put the wrong function everywhere where the true one is, for the length of a test."""
    owner, name, true = _function(mutant.place)
    wrong = rewritten(mutant)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(owner, name, wrong)
        for loaded in tuple(sys.modules.values()):
            if getattr(loaded, "__name__", "").startswith("sagalib.core"):
                for other, value in tuple(vars(loaded).items()):
                    if value is true:
                        patch.setattr(loaded, other, wrong)
        tables: list[Any] = [FOLLOW, HANDLERS, MOVES, *TRANSITIONS.values()]
        for table in tables:
            for key, value in tuple(table.items()):
                if value is true:
                    patch.setitem(table, key, wrong)
        inside: Any = vars(scopes)
        table = tables[1]
        for key, which in (
            (Alternative, "_try_alternative"),
            (Recovery, "_recover"),
            (Retrying, "_retry"),
        ):
            patch.setitem(table, key, inside["_of_catchable"](inside[which]))
        yield


def catches(name: str, examples: int = EXAMPLES) -> bool:
    """Tell whether a law notices the machine that is there."""
    law = LAWS[name]
    for seed in range(examples):
        try:
            law.check(diced(seed, law.shapes, stop=law.stop))
        except AssertionError:
            return True
    return False


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.what)
def test_a_wrong_machine_breaks_its_law(mutant: Mutant) -> None:
    """The law that is named notices the machine in which one line is wrong."""
    assert [] != mutant.laws
    with wrong_machine(mutant):
        assert any(catches(name) for name in mutant.laws)


def test_there_are_enough_wrong_machines() -> None:
    """At least forty, each with a name of its own."""
    assert 40 <= len({mutant.what for mutant in MUTANTS}) == len(MUTANTS)
