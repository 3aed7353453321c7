"""Functions as values: their names and colours, and wrappers that change what they take or give.

A wrapper is equal to another of the same function, pickles, and keeps the name and the colour
(plain or coroutine) of what it wraps.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Coroutine
from typing import Any, Generic, Never, ParamSpec, final, overload

from attrs import frozen
from returns.result import Failure, Result, Success
from typing_extensions import TypeVar, TypeVarTuple, Unpack

from sagalib.core.errors import InvalidSaga

__all__ = [
    "Catching",
    "Star",
    "Wrapper",
    "catching",
    "is_coroutine_function",
    "last",
    "name_of",
    "star",
]

B = TypeVar("B")
R = TypeVar("R")
X_co = TypeVar("X_co", bound=Exception, covariant=True, default=Never)
X1 = TypeVar("X1", bound=Exception)
X2 = TypeVar("X2", bound=Exception)
X3 = TypeVar("X3", bound=Exception)
X4 = TypeVar("X4", bound=Exception)
Ts = TypeVarTuple("Ts")
P = ParamSpec("P")


@frozen
class Wrapper:
    """A function made of another."""

    function: Callable[..., Any]


def _unwrapped(function: object) -> object:
    while isinstance(function, (functools.partial, Wrapper)):
        function = function.func if isinstance(function, functools.partial) else function.function
    return function


def name_of(function: object) -> str:
    """Give the name of a function, of what it wraps, or of its class."""
    function = _unwrapped(function)
    name = getattr(function, "__name__", None)
    return name if isinstance(name, str) else type(function).__name__


def is_coroutine_function(function: object) -> bool:
    """Tell the colour of a function, or of what it wraps."""
    function = _unwrapped(function)
    return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(
        getattr(type(function), "__call__", None)  # noqa: B004 - its colour is asked, not whether it is there
    )


def not_a_tuple(values: object) -> str:
    """Say what to write in place of a stage that begins a pipeline."""
    return (
        "a stage, or star(f), takes a tuple of all that is known, "
        f"got {type(values).__qualname__}: begin the pipeline with Step(f, undo).keep()"
    )


@frozen
class Star(Wrapper):
    """A function of many arguments as a function of one tuple; equal if the functions are."""

    def __call__(self, values: Any, /) -> Any:
        """Call the function; refuse what is no tuple, which ``*`` might spread silently."""
        if not isinstance(values, tuple):
            raise TypeError(not_a_tuple(values))
        return self.function(*values)


def star(function: Callable[[Unpack[Ts]], R], /) -> Callable[[tuple[*Ts]], R]:
    """Make a function of one tuple of a function of many arguments.

    ``star(f)((1, 2)) == f(1, 2)``.
    """
    return Star(function)


def last(values: tuple[*Ts, B], /) -> B:
    """Give the last item of a tuple: of a growing context, what the last stage gave."""
    return values[-1]


@frozen
class _Caught(Wrapper):
    """A function whose exceptions of some classes are returned as ``Failure``."""

    exceptions: tuple[type[Exception], ...]

    def __call__(self, *args: Any, **kwargs: Any) -> Result[Any, Any]:
        try:
            return Success(self.function(*args, **kwargs))
        except self.exceptions as error:
            return Failure(error)


@frozen
class _CaughtAsync(Wrapper):
    """The same for coroutine functions."""

    exceptions: tuple[type[Exception], ...]

    async def __call__(self, *args: Any, **kwargs: Any) -> Result[Any, Any]:
        try:
            return Success(await self.function(*args, **kwargs))
        except self.exceptions as error:
            return Failure(error)


@final
@frozen
class Catching(Generic[X_co]):
    """What ``catching(...)`` gives.

    It lifts a function that raises to one that returns a ``Result``.
    """

    exceptions: tuple[type[Exception], ...]

    @overload
    def __call__(  # type: ignore[overload-overlap] # pyright: ignore[reportOverlappingOverload] # the first that fits is meant
        self, function: Callable[P, Coroutine[Any, Any, R]], /
    ) -> Callable[P, Coroutine[Any, Any, Result[R, X_co]]]: ...
    @overload
    def __call__(self, function: Callable[P, R], /) -> Callable[P, Result[R, X_co]]: ...
    def __call__(self, function: Any, /) -> Any:
        """Lift ``function``, plain or coroutine."""
        if not callable(function):
            msg = (
                f"catching(...) lifts a function, got {type(function).__qualname__}: write "
                "catching(ValueError)(function)"
            )
            raise InvalidSaga(msg)
        lifted: Any = function
        kind = _CaughtAsync if is_coroutine_function(lifted) else _Caught
        return kind(lifted, self.exceptions)


@overload
def catching() -> Catching[Never]: ...
@overload
def catching(first: type[X1], /) -> Catching[X1]: ...
@overload
def catching(first: type[X1], second: type[X2], /) -> Catching[X1 | X2]: ...
@overload
def catching(first: type[X1], second: type[X2], third: type[X3], /) -> Catching[X1 | X2 | X3]: ...
@overload
def catching(
    first: type[X1], second: type[X2], third: type[X3], fourth: type[X4], /
) -> Catching[X1 | X2 | X3 | X4]: ...
def catching(*exceptions: Any) -> Any:
    """Lift a function that raises.

    Exceptions of the given classes become ``Failure``, any other leaves the call in doubt.

    ``catching(ValueError, KeyError)(function)`` for up to four classes. A caught exception says
    that nothing happened: name only those of which that is true. With no class it only wraps what
    the function returns in ``Success``.

    Raises:
        InvalidSaga: an argument that is not a class of exceptions.
    """
    for cls in exceptions:
        if not (isinstance(cls, type) and issubclass(cls, Exception)):
            msg = (
                f"catching takes classes of Exception, got {cls!r}: write "
                "catching(ValueError)(function)"
            )
            raise InvalidSaga(msg)
    return Catching(exceptions)
