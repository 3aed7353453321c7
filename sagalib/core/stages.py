"""Stages: steps over a growing context.

A stage takes everything known so far, as arguments, and adds what it gives. The context is a tuple,
so its type is known position by position.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any, Literal, Never, overload

from attrs import frozen
from returns.result import Result, Success
from typing_extensions import TypeVar, TypeVarTuple, Unpack

from sagalib.core.functions import Star, Wrapper
from sagalib.core.saga import Async, Saga, enclose
from sagalib.core.steps import AsyncStep, Step, StepSettings, check_colour

__all__ = ["async_stage", "stage"]

B = TypeVar("B")
E = TypeVar("E")
F = TypeVar("F", default=Never)
F2 = TypeVar("F2", default=Never)
Ts = TypeVarTuple("Ts")


def _append(values: tuple[Any, ...], value: object) -> tuple[Any, ...]:
    return (*values, value)


@frozen
class _WithContext(Wrapper):
    """An execute that gives its arguments and its value, for ``stage(..., context=True)``."""

    def __call__(self, values: tuple[Any, ...], /) -> Result[Any, Any]:
        answer = self.function(*values)
        return Success((*values, answer.unwrap())) if isinstance(answer, Success) else answer


@frozen
class _WithContextAsync(Wrapper):
    """The same for coroutine functions."""

    async def __call__(self, values: tuple[Any, ...], /) -> Result[Any, Any]:
        answer = await self.function(*values)
        return Success((*values, answer.unwrap())) if isinstance(answer, Success) else answer


def _starred(function: Any) -> Any:
    if function is not None and not callable(function):
        return function  # the step says what is wrong with it
    return None if function is None else Star(function)


def _stage(
    execute: Any,
    compensate: Any,
    settle: Any,
    name: str | None,
    settings: StepSettings,
    *,
    context: bool,
    is_async: bool,
) -> Any:
    kind: Any = AsyncStep if is_async else Step
    if not (context and callable(execute)):
        return enclose(
            kind(_starred(execute), compensate, settle=_starred(settle), name=name, **settings),
            _append,
        )
    check_colour(kind.__name__, "execute", execute, is_async=is_async)
    stated: Any = execute
    with_context = _WithContextAsync(stated) if is_async else _WithContext(stated)
    return kind(with_context, _starred(compensate), settle=_starred(settle), name=name, **settings)


# A settle that cannot fail stands first: of `F | F2`, both Never, pyright 1.1.414 makes Unknown.
@overload
def stage(
    execute: Callable[[Unpack[Ts]], Result[B, E]],
    compensate: Callable[[B], Result[None, F]] | None = None,
    *,
    settle: Callable[[Unpack[Ts]], Result[None, Never]] | None = None,
    context: Literal[False] = False,
    name: str | None = None,
    **settings: Unpack[StepSettings],
) -> Saga[tuple[*Ts], tuple[*Ts, B], E, F]: ...
@overload
def stage(
    execute: Callable[[Unpack[Ts]], Result[B, E]],
    compensate: Callable[[B], Result[None, F]] | None = None,
    *,
    settle: Callable[[Unpack[Ts]], Result[None, F2]],
    context: Literal[False] = False,
    name: str | None = None,
    **settings: Unpack[StepSettings],
) -> Saga[tuple[*Ts], tuple[*Ts, B], E, F | F2]: ...
@overload
def stage(
    execute: Callable[[Unpack[Ts]], Result[B, E]],
    compensate: Callable[[Unpack[Ts], B], Result[None, F]],
    *,
    settle: Callable[[Unpack[Ts]], Result[None, Never]] | None = None,
    context: Literal[True],
    name: str | None = None,
    **settings: Unpack[StepSettings],
) -> Saga[tuple[*Ts], tuple[*Ts, B], E, F]: ...
@overload
def stage(
    execute: Callable[[Unpack[Ts]], Result[B, E]],
    compensate: Callable[[Unpack[Ts], B], Result[None, F]],
    *,
    settle: Callable[[Unpack[Ts]], Result[None, F2]],
    context: Literal[True],
    name: str | None = None,
    **settings: Unpack[StepSettings],
) -> Saga[tuple[*Ts], tuple[*Ts, B], E, F | F2]: ...
def stage(
    execute: Any,
    compensate: Any = None,
    *,
    settle: Any = None,
    context: bool = False,
    name: str | None = None,
    **settings: Unpack[StepSettings],
) -> Any:
    """Add a stage to a growing context.

    ``execute`` gets all that is known so far as arguments, and its value is added.

    ``Saga[tuple[*Ts], tuple[*Ts, B]]``. The first stage of a pipeline over one value is ``Step(f,
    undo).keep()``.

    Args:
        execute: ``(*Ts) -> Result[B, E]``.
        compensate: ``(B) -> Result[None, F]``; with ``context=True`` ``(*Ts, B) -> Result[None,
            F]``.
        settle: ``(*Ts) -> Result[None, F2]``.
        context: whether ``compensate`` gets all that was known when the stage completed.
        name: as for ``Step``.
        settings: the other keywords of ``Step``.

    Raises:
        InvalidSaga: an argument that is not a function.
        WrongColour: a coroutine function.
        InvalidOption: a keyword outside its range.
    """
    return _stage(execute, compensate, settle, name, settings, context=context, is_async=False)


@overload
def async_stage(
    execute: Callable[[Unpack[Ts]], Coroutine[Any, Any, Result[B, E]]],
    compensate: Callable[[B], Coroutine[Any, Any, Result[None, F]]] | None = None,
    *,
    settle: Callable[[Unpack[Ts]], Coroutine[Any, Any, Result[None, Never]]] | None = None,
    context: Literal[False] = False,
    name: str | None = None,
    **settings: Unpack[StepSettings],
) -> Saga[tuple[*Ts], tuple[*Ts, B], E, F, Async]: ...
@overload
def async_stage(
    execute: Callable[[Unpack[Ts]], Coroutine[Any, Any, Result[B, E]]],
    compensate: Callable[[B], Coroutine[Any, Any, Result[None, F]]] | None = None,
    *,
    settle: Callable[[Unpack[Ts]], Coroutine[Any, Any, Result[None, F2]]],
    context: Literal[False] = False,
    name: str | None = None,
    **settings: Unpack[StepSettings],
) -> Saga[tuple[*Ts], tuple[*Ts, B], E, F | F2, Async]: ...
@overload
def async_stage(
    execute: Callable[[Unpack[Ts]], Coroutine[Any, Any, Result[B, E]]],
    compensate: Callable[[Unpack[Ts], B], Coroutine[Any, Any, Result[None, F]]],
    *,
    settle: Callable[[Unpack[Ts]], Coroutine[Any, Any, Result[None, Never]]] | None = None,
    context: Literal[True],
    name: str | None = None,
    **settings: Unpack[StepSettings],
) -> Saga[tuple[*Ts], tuple[*Ts, B], E, F, Async]: ...
@overload
def async_stage(
    execute: Callable[[Unpack[Ts]], Coroutine[Any, Any, Result[B, E]]],
    compensate: Callable[[Unpack[Ts], B], Coroutine[Any, Any, Result[None, F]]],
    *,
    settle: Callable[[Unpack[Ts]], Coroutine[Any, Any, Result[None, F2]]],
    context: Literal[True],
    name: str | None = None,
    **settings: Unpack[StepSettings],
) -> Saga[tuple[*Ts], tuple[*Ts, B], E, F | F2, Async]: ...
def async_stage(
    execute: Any,
    compensate: Any = None,
    *,
    settle: Any = None,
    context: bool = False,
    name: str | None = None,
    **settings: Unpack[StepSettings],
) -> Any:
    """Add a stage to a growing context, as ``stage`` does, with coroutine functions.

    Raises:
        InvalidSaga: an argument that is not a function.
        WrongColour: a plain function.
        InvalidOption: a keyword outside its range.
    """
    return _stage(execute, compensate, settle, name, settings, context=context, is_async=True)
