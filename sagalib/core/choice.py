"""Choice: ``when(predicate, saga).otherwise(other)``, ``on(Card, saga).on(Cash, other)``."""

from __future__ import annotations

from typing import Any, final

from attrs import frozen

from sagalib.core.errors import InvalidSaga, shown
from sagalib.core.instructions import Choose, Jump
from sagalib.core.saga import Composite, Saga, arrow, in_a_row

__all__ = ["Cases", "When", "on", "when"]


@final
@frozen
class When:
    """A saga for the values of which a predicate holds; ``otherwise`` makes it whole."""

    predicate: Any
    saga: Any

    def otherwise(self, saga: Any, /) -> Any:
        """Give the saga for the other values."""
        return _choose(self.predicate, self.saga, _checked("otherwise", saga))


def when(predicate: Any, saga: Any, /) -> When:
    """Choose by the value: ``when(predicate, saga).otherwise(other)``.

    The value goes on unchanged, to one of both. ``predicate`` is pure: it is called again on
    replay. If it raises, the saga fails with ``Raised``.

    Raises:
        InvalidSaga: not a function, or not a saga.
    """
    if not callable(predicate):
        msg = (
            f"when takes a predicate, got {shown(predicate)}: "
            "write when(lambda order: order.total > 0, charge).otherwise(identity())"
        )
        raise InvalidSaga(msg)
    return When(predicate, _checked("when", saga))


def _checked(what: str, given: object) -> Saga[Any, Any, Any, Any, Any]:
    if not isinstance(given, Saga):
        msg = f"{what} takes a saga, got {type(given).__qualname__}: write {what}(..., Step(function))"
        raise InvalidSaga(msg)
    saga: Saga[Any, Any, Any, Any, Any] = given
    return saga


def _choose(predicate: Any, saga: Any, other: Any) -> Saga[Any, Any, Any, Any, Any]:
    jump: Saga[Any, Any, Any, Any, Any] = Composite((Jump(other.length),))
    choose: Saga[Any, Any, Any, Any, Any] = Composite((Choose(predicate, saga.length + 1),))
    return in_a_row(choose, saga, jump, other)


@frozen
class _IsA:
    """Whether a value is of a class."""

    cls: type

    def __call__(self, value: object, /) -> bool:
        return isinstance(value, self.cls)


@frozen
class _NoCase:
    """Refuses a value for which there is no case."""

    names: tuple[str, ...]

    def __call__(self, value: object, /) -> object:
        expected = ", ".join(self.names)
        msg = (
            f"no case for {type(value).__qualname__}: expected {expected}. Add "
            f".on({type(value).__qualname__}, saga)"
        )
        raise TypeError(msg)


@final
class Cases(Composite[Any, Any, Any, Any, Any]):
    """A choice by the class of the value: a saga, to which ``on`` adds a case."""

    __slots__ = ("_cases",)

    _cases: tuple[tuple[type, Saga[Any, Any, Any, Any, Any]], ...]

    def __init__(self, cases: tuple[tuple[type, Saga[Any, Any, Any, Any, Any]], ...]) -> None:
        """Try cases in order."""
        refuse: Any = arrow(_NoCase(tuple(cls.__qualname__ for cls, _ in cases)))
        whole: Any = refuse
        for cls, saga in reversed(cases):
            whole = _choose(_IsA(cls), saga, whole)
        super().__init__(whole.instructions)
        object.__setattr__(self, "_cases", cases)

    def on(self, cls: Any, saga: Any, /) -> Any:
        """Add a case: values of ``cls`` go to ``saga``, if no case before took them."""
        return Cases((*self._cases, _case(cls, saga)))


def on(cls: Any, saga: Any, /) -> Any:
    """Choose by the class of the value: ``on(Card, charge).on(Cash, take)``.

    The first case whose class the value is an instance of takes it, unchanged. The type of the
    whole says which classes it takes; a value of none of them fails with ``Raised``.

    Raises:
        InvalidSaga: not a class, or not a saga.
    """
    return Cases((_case(cls, saga),))


def _case(cls: object, saga: object) -> tuple[type, Saga[Any, Any, Any, Any, Any]]:
    if not isinstance(cls, type):
        msg = f"on takes a class, got {shown(cls)}: write on(Card, charge).on(Cash, take)"
        raise InvalidSaga(msg)
    return cls, _checked("on", saga)
