"""What follows when a scope has failed, and what completed inside has been compensated.

A scope is a handler: it sees one failure, after its body is undone, and either lets it pass or goes
on (Plotkin and Pretnar, "Handlers of Algebraic Effects", 2009). A failure that is not catchable
passes: a cancellation, and one after which something is still owed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, TypeAlias

from sagalib.core.forward import stopping
from sagalib.core.instructions import Alternative, Nested, Recovery, Retrying
from sagalib.core.outcomes import CompensationFailed, Irreversible, Raised
from sagalib.core.policy import Retry
from sagalib.core.state import (
    Backing,
    Book,
    Cell,
    Due,
    Failed,
    Failing,
    Going,
    Machine,
    Scoped,
)

__all__ = ["HANDLERS", "again", "allows", "beside"]

_GOING: Final = Going()


def _goes_on(book: Book, frame: Scoped, cells: Cell | None, value: object) -> Machine:
    """Go on after the scope."""
    return Machine(book, frame.after, value, frame.below, cells, _GOING, None, None, frame.place)


def passes(book: Book, frame: Scoped, cells: Cell | None, failed: Failed) -> Machine:
    """Let the failure pass to what is around."""
    return Machine(
        book, frame.pc, None, frame.below, cells, Failing(failed), None, None, frame.place
    )


def _try_alternative(book: Book, frame: Scoped, cells: Cell | None, _: Failed) -> Machine:
    return _goes_on(book, frame, cells, frame.value)


def _recover(book: Book, frame: Scoped, cells: Cell | None, failed: Failed) -> Machine:
    if not failed.returned:
        return passes(book, frame, cells, failed)
    scope: Any = frame.scope
    try:
        value = scope.function(failed.reason)
    except Exception as error:
        raised = beside(error, f"while the saga recovered from {failed.reason!r}")
        mapped = failed._replace(reason=raised, returned=False, others=())
        return passes(book, frame, cells, mapped)
    return _goes_on(book, frame, cells, value)


def _retry(book: Book, frame: Scoped, cells: Cell | None, failed: Failed) -> Machine:
    scope: Any = frame.scope
    answer = allows(scope.policy, frame.attempt, failed.reason)
    if isinstance(answer, Raised):
        failed = failed._replace(reason=answer, returned=False)
    if answer is not True:
        return passes(book, frame, cells, failed)
    if scope.policy.wait:
        return Machine(
            book, frame.pc, frame.value, frame, cells, Backing(failed), None, None, frame.place
        )
    return again(book, frame, cells)


def again(book: Book, frame: Scoped, cells: Cell | None) -> Machine:
    """Begin the next attempt of a scope: the answers that came so far go on counting."""
    heard: list[tuple[str, int]] = []
    link: Any = book.heard
    while link is not None:
        newest, link = link
        heard.append(newest)
    if heard:
        book = book._replace(answers={**book.answers, **dict(reversed(heard))}, heard=None)
    return Machine(
        book,
        frame.pc + 1,
        frame.value,
        frame._replace(attempt=frame.attempt + 1),
        cells,
        _GOING,
        None,
        None,
        frame.place._replace(counts=True),
    )


def _pass_deadline(book: Book, frame: Scoped, cells: Cell | None, failed: Failed) -> Machine:
    scope: Any = frame.scope
    if failed.due == scope.number:
        failed = failed._replace(due=None)
    return passes(book, frame, cells, failed)


def _end_unwinding(book: Book, frame: Scoped, cells: Cell | None, failed: Failed) -> Machine:
    """Go on after an ``Unwind`` that left nothing owed; otherwise fail with what is."""
    if failed.catchable:
        return _goes_on(book, frame, cells, None)
    newest: Any = book.failures[0] if book.failures else Irreversible("")
    return passes(book, frame, cells, Failed(_still_owed(newest), False, newest.step, None))


def _still_owed(newest: CompensationFailed[Any] | Irreversible) -> Raised:
    if isinstance(newest, Irreversible):
        return Raised(
            "Irreversible",
            f"the pivot {newest.step!r} has completed: nothing at or before it is compensated",
        )
    return Raised(
        "CompensationFailed", f"the compensation of {newest.step!r} failed: {newest.reason!r}"
    )


def allows(policy: Retry, attempt: int, reason: object) -> bool | Raised:
    """Ask the policy.

    A predicate that raises says no, and its exception becomes the reason, with the first one in its
    message.
    """
    try:
        return policy.allows(attempt, reason)
    except Exception as error:
        return beside(error, f"while it was decided whether to retry after {reason!r}")


def beside(error: Exception, circumstance: str) -> Raised:
    """Describe what a function raised while something else had failed."""
    raised = Raised.of(error)
    return Raised(
        raised.kind, f"{raised.message} ({circumstance})", exception=error, bases=raised.bases
    )


def _of_catchable(handler: Handler) -> Handler:
    def handle(book: Book, frame: Scoped, cells: Cell | None, failed: Failed) -> Machine:
        passing = not failed.catchable or failed.stopped or failed.due is not None or book.halted
        if passing or stopping(book, frame.place) is not None:
            return passes(book, frame, cells, failed)
        return handler(book, frame, cells, failed)

    return handle


Handler: TypeAlias = Callable[[Book, Scoped, "Cell | None", Failed], Machine]

HANDLERS: Final[Mapping[type[object], Handler]] = {
    Alternative: _of_catchable(_try_alternative),
    Recovery: _of_catchable(_recover),
    Retrying: _of_catchable(_retry),
    Nested: passes,
    Due: _pass_deadline,
    type(None): _end_unwinding,
}
"""Kind of scope -> what follows its failure, once its body is undone."""
