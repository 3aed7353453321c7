"""Choice: ``when(predicate, saga).otherwise(other)``, ``on(Card, saga).on(Cash, other)``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, Never, final

from attrs import frozen
from typing_extensions import TypeVar

from sagalib.core.errors import InvalidSaga, shown
from sagalib.core.instructions import Choose, Jump
from sagalib.core.saga import (
    A_contra,
    Async,
    B_co,
    Composite,
    E_co,
    F_co,
    M_co,
    Saga,
    Sync,
    arrow,
    checked,
    in_a_row,
    word,
)

__all__ = ["Cases", "IsA", "NoCase", "When", "on", "when"]

A = TypeVar("A")
A2 = TypeVar("A2")
B = TypeVar("B")
B2 = TypeVar("B2")
E = TypeVar("E")
E2 = TypeVar("E2")
F = TypeVar("F", default=Never)
F2 = TypeVar("F2", default=Never)
M = TypeVar("M", bound=Async, default=Sync)
M2 = TypeVar("M2", bound=Async, default=Sync)


@final
@frozen
class When(Generic[A_contra, B_co, E_co, F_co, M_co]):
    """A saga for the values of which a predicate holds; ``otherwise`` makes it whole."""

    predicate: Callable[[A_contra], bool]
    saga: Saga[A_contra, B_co, E_co, F_co, M_co]

    def otherwise(
        self, saga: Saga[A_contra, B2, E2, F2, M2], /
    ) -> Saga[A_contra, B_co | B2, E_co | E2, F_co | F2, M_co | M2]:
        """Give the saga that runs this one, or ``saga`` with the other values.

        Raises:
            InvalidSaga: not a saga.
        """
        return _choose(self.predicate, self.saga, checked(saga, "otherwise"))


def when(predicate: Callable[[A], bool], saga: Saga[A, B, E, F, M], /) -> When[A, B, E, F, M]:
    """Choose by the value: ``when(predicate, saga).otherwise(other)``.

    The value goes on unchanged, to one of both. ``predicate`` is pure: it is called again on
    replay. If it raises, the saga fails with ``Raised``.

    Raises:
        InvalidSaga: not a function, or not a saga.
    """
    given: Any = predicate
    if not callable(given):
        msg = (
            f"when takes a predicate, got {shown(given)}: "
            "write when(lambda order: order.total > 0, charge).otherwise(identity())"
        )
        raise InvalidSaga(msg)
    checked(saga, "when")
    return When(predicate, saga)


def _choose(predicate: Any, saga: Any, other: Any) -> Saga[Any, Any, Any, Any, Any]:
    return in_a_row(word(Choose(predicate, saga.length + 1)), saga, word(Jump(other.length)), other)


@frozen
class IsA:
    """Whether a value is of a class."""

    cls: type

    def __call__(self, value: object, /) -> bool:
        """Tell whether it is."""
        return isinstance(value, self.cls)


@frozen
class NoCase:
    """Refuses a value for which there is no case."""

    names: tuple[str, ...]

    def __call__(self, value: object, /) -> object:
        """Raise, and say which cases there are."""
        expected = ", ".join(self.names)
        msg = (
            f"no case for {type(value).__qualname__}: expected {expected}. Add "
            f".on({type(value).__qualname__}, saga)"
        )
        raise TypeError(msg)


@final
class Cases(Composite[A_contra, B_co, E_co, F_co, M_co]):
    """A choice by the class of the value: a saga, to which ``on`` adds a case.

    ``Cases[Card | Cash, ...]`` takes both; a saga that may give something else does not compose
    with it.
    """

    __slots__ = ("_cases",)

    _cases: tuple[tuple[type, Saga[Any, Any, Any, Any, Any]], ...]

    def __init__(self, cases: tuple[tuple[type, Saga[Any, Any, Any, Any, Any]], ...]) -> None:
        """Try cases in order."""
        refuse: Any = arrow(NoCase(tuple(cls.__qualname__ for cls, _ in cases)))
        whole: Any = refuse
        for cls, saga in reversed(cases):
            whole = _choose(IsA(cls), saga, whole)
        super().__init__(whole.instructions)
        object.__setattr__(self, "_cases", cases)

    def on(
        self, cls: type[A2], saga: Saga[A2, B2, E2, F2, M2], /
    ) -> Cases[A_contra | A2, B_co | B2, E_co | E2, F_co | F2, M_co | M2]:
        """Add a case: values of ``cls`` go to ``saga``, if no case before took them.

        Raises:
            InvalidSaga: not a class, or not a saga.
        """
        return Cases((*self._cases, _case(cls, saga)))


def on(cls: type[A], saga: Saga[A, B, E, F, M], /) -> Cases[A, B, E, F, M]:
    """Choose by the class of the value: ``on(Card, charge).on(Cash, take)``.

    The first case whose class the value is an instance of takes it, unchanged. The type of the
    whole says which classes it takes; a value of none of them fails with ``Raised``.

    Raises:
        InvalidSaga: not a class, or not a saga.
    """
    return Cases((_case(cls, saga),))


def _case(cls: object, saga: Any) -> tuple[type, Saga[Any, Any, Any, Any, Any]]:
    if not isinstance(cls, type):
        msg = f"on takes a class, got {shown(cls)}: write on(Card, charge).on(Cash, take)"
        raise InvalidSaga(msg)
    return cls, checked(saga, "on")
