"""Steps, and the sugar around them.

A step is one named action with its own compensation (Garcia-Molina and Salem, "Sagas", SIGMOD
1987), and is itself a saga. ``Step`` holds plain functions, ``AsyncStep`` coroutine functions; all
of them give a ``returns.result.Result``.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import (
    Any,
    ClassVar,
    Literal,
    Never,
    ParamSpec,
    Protocol,
    TypeAlias,
    cast,
    final,
    overload,
)

import attrs
from attrs import field, frozen
from returns.result import Result, Success
from typing_extensions import TypedDict, TypeVar, TypeVarTuple, Unpack

from sagalib.core.errors import InvalidOption, InvalidSaga, WrongColour, shown
from sagalib.core.functions import is_coroutine_function, name_of
from sagalib.core.instructions import Instruction, Promise
from sagalib.core.paths import check_name
from sagalib.core.policy import Retry, Soft, Timeout, as_retry, check_timeout, limit_of
from sagalib.core.saga import Async, Composite, Saga, Sync

__all__ = [
    "AnyStep",
    "AsyncStep",
    "Leaf",
    "Step",
    "StepSettings",
    "check_colour",
    "compensating",
    "step",
]

A = TypeVar("A")
A_contra = TypeVar("A_contra", contravariant=True)
B = TypeVar("B")
C = TypeVar("C")
E = TypeVar("E")
E_co = TypeVar("E_co", covariant=True, default=Never)
F = TypeVar("F", default=Never)
F2 = TypeVar("F2", default=Never)
G = TypeVar("G")
F_co = TypeVar("F_co", covariant=True, default=Never)
M_co = TypeVar("M_co", bound=Async, covariant=True, default=Sync)
X_co = TypeVar("X_co", bound=Exception, covariant=True, default=Never)
Ts = TypeVarTuple("Ts")
P = ParamSpec("P")
R = TypeVar("R")

_DEFAULT_TIMEOUT = Soft(30.0)


class StepSettings(TypedDict, total=False, closed=True):
    """The keywords that every way of writing a step takes beside its name.

    A dict of this type is how the steps of a service share their terms: ``Step(f, **terms)``. The
    defaults are those that ``Step`` lists.
    """

    timeout: Timeout
    retries: int | Retry
    settle_on: Literal["doubt", "failure"]
    compensation_timeout: Timeout
    compensation_retries: int | Retry
    pivot: bool


class CompensationSettings(TypedDict, total=False, closed=True):
    """The keywords that are about compensations only."""

    name: str | None
    compensation_timeout: Timeout
    compensation_retries: int | Retry


@frozen(init=False, repr=False, slots=True)
class Leaf(Saga[A_contra, B, E_co, F_co, M_co]):
    """What both kinds of step share: how they are called, retried and timed."""

    is_step: ClassVar[bool] = True

    # Frozen fields; for pyrefly the base would have to call them read-only too.
    is_async: bool = field(init=False)  # pyrefly: ignore[bad-override]
    has_pivot: bool = field(init=False, eq=False)  # pyrefly: ignore[bad-override]
    length: int = field(init=False, eq=False)  # pyrefly: ignore[bad-override]
    name: str  # pyrefly: ignore[bad-override]
    timeout: Timeout
    retries: Retry
    settle_on: Literal["doubt", "failure"]
    compensation_timeout: Timeout
    compensation_retries: Retry
    pivot: bool
    limit: int = field(init=False, eq=False)
    """How long execute may take, in nanoseconds: see ``limit_of``."""

    @property
    def instructions(self) -> tuple[Instruction, ...]:
        """The step itself: a word of one letter."""
        return (cast("AnyStep", self),)

    def _hold(
        self,
        functions: dict[str, Callable[..., object] | None],
        *,
        is_async: bool,
        name: str | None = None,
        timeout: Timeout = _DEFAULT_TIMEOUT,
        retries: int | Retry = 0,
        settle_on: Literal["doubt", "failure"] = "doubt",
        compensation_timeout: Timeout = None,
        compensation_retries: int | Retry = 0,
        pivot: bool = False,
        **unknown: object,
    ) -> None:
        kind = type(self).__name__
        for keyword in unknown:
            known = ", ".join(["name", "settle", *StepSettings.__annotations__])
            msg = f"{kind} takes the keywords {known}; got {keyword!r}. Write one of them"
            raise InvalidSaga(msg)
        for role, function in functions.items():
            check_colour(kind, role, function, is_async=is_async)
        check_timeout("timeout", timeout)
        check_timeout("compensation_timeout", compensation_timeout)
        if settle_on not in ("doubt", "failure"):
            msg = f'settle_on must be "doubt" or "failure", got {shown(settle_on)}'
            raise InvalidOption(msg)
        if pivot and functions["compensate"] is not None:
            msg = (
                "a pivot is a point of no return: expected no compensation, "
                f"got {name_of(functions['compensate'])}. Drop pivot=True or the compensation"
            )
            raise InvalidOption(msg)
        values = {
            **functions,
            "is_async": is_async,
            "name": check_name(name_of(functions["execute"]) if name is None else name),
            "timeout": timeout,
            "retries": as_retry(retries),
            "settle_on": settle_on,
            "compensation_timeout": compensation_timeout,
            "compensation_retries": as_retry(compensation_retries),
            "pivot": bool(pivot),
            "has_pivot": bool(pivot),
            "length": 1,
            "limit": limit_of(timeout),
        }
        for field_name, value in values.items():
            object.__setattr__(self, field_name, value)

    def _with(self, **changes: object) -> Any:
        values = {
            made.name: getattr(self, made.name) for made in attrs.fields(type(self)) if made.init
        }
        return type(self)(**{**values, **changes})

    def _show(self, compensate: object, settle: object) -> str:
        parts = [repr(self.name)]
        parts += [
            f"{role}={name_of(made)}"
            for role, made in (("compensate", compensate), ("settle", settle))
            if made is not None
        ]
        parts += [f"retries={self.retries.times}"] if self.retries.times else []
        parts += ["pivot=True"] if self.pivot else []
        return f"{type(self).__name__}({', '.join(parts)})"


def check_colour(kind: str, role: str, function: object, *, is_async: bool) -> None:
    """Refuse what is no function, or one of the other colour."""
    if function is None and role != "execute":
        return
    if not callable(function):
        msg = (
            f"{kind} takes a function to {role}, got {type(function).__qualname__}: write "
            f"{kind}(function, compensate)"
        )
        raise InvalidSaga(msg)
    if is_coroutine_function(function) is not is_async:
        name = name_of(function)
        msg = (
            f"{kind} takes coroutine functions, and {role} {name!r} is a plain function: "
            f"use Step, or write `async def {name}`"
            if is_async
            else f"{kind} takes plain functions, and {role} {name!r} is a coroutine "
            "function: use AsyncStep"
        )
        raise WrongColour(msg)


def _refuse_second(step_name: str, role: str, present: object, given: object) -> None:
    if present is not None:
        msg = (
            f"step {step_name!r} has a {role} already ({name_of(present)}): expected none. "
            "Write a step of its own"
        )
        raise InvalidSaga(msg)
    if given is None:
        msg = (
            f"a {role} of step {step_name!r} is a function, got None: write a function, or nothing"
        )
        raise InvalidSaga(msg)


@final
@frozen(init=False, repr=False, slots=True)
class Step(Leaf[A_contra, B, E_co, F_co, Sync]):  # type: ignore[override] # attrs' own __attrs_init__, never called
    """One action with its compensation, as plain functions: ``Step(execute, compensate)``.

    Args:
        execute: ``A -> Result[B, E]``. A returned ``Failure`` is definite: it says that nothing
            happened.
        compensate: ``B -> Result[None, F]``: makes up for a completed step; gets what the step
            gave.
        settle: ``A -> Result[None, F]``: makes up for an attempt whose outcome nobody knows; gets
            the step's input.
        name: what logs, paths and keys call the step; the name of the function by default.
        timeout: seconds for one call. A number is hard: the caller goes on at the deadline and the
            call is in doubt; it runs on a thread of its own, so a retry may overlap it: the
            idempotency key is the cure. ``Soft(seconds)``, by default 30, stays on the caller's
            thread and is judged when the call returns. ``None`` is no timeout.
        retries: further attempts after a failed one, or a ``Retry``; 0 by default.
        settle_on: ``"doubt"``: settle only after a call in doubt; ``"failure"``: whenever the step
            did not end ok.
        compensation_timeout: as ``timeout``, for compensate and settle; none by default.
        compensation_retries: as ``retries``, for compensate and settle.
        pivot: a point of no return: once it has completed, nothing at or before it is compensated.

    Raises:
        InvalidSaga: an argument that is not a function.
        WrongColour: a coroutine function.
        InvalidOption: a keyword outside its range.
    """

    execute: Callable[[A_contra], Result[B, E_co]]
    compensate: Callable[[B], Result[None, F_co]] | None
    settle: Callable[[A_contra], Result[None, F_co]] | None

    def __init__(
        self,
        execute: Callable[[A_contra], Result[B, E_co]],
        compensate: Callable[[B], Result[None, F_co]] | None = None,
        *,
        settle: Callable[[A_contra], Result[None, F_co]] | None = None,
        name: str | None = None,
        **settings: Unpack[StepSettings],
    ) -> None:
        """Check the arguments; call none of them."""
        self._hold(
            {"execute": execute, "compensate": compensate, "settle": settle},
            is_async=False,
            name=name,
            **settings,
        )

    def named(self, name: str, /) -> Step[A_contra, B, E_co, F_co]:
        """Give the same step under another name."""
        step: Step[A_contra, B, E_co, F_co] = self._with(name=name)
        return step

    def compensated_by(
        self, compensate: Callable[[B], Result[None, F2]], /
    ) -> Step[A_contra, B, E_co, F_co | F2]:
        """Give the step with this compensation; a decorator for it.

        Raises:
            InvalidSaga: the step has one already.
        """
        _refuse_second(self.name, "compensation", self.compensate, compensate)
        step: Step[A_contra, B, E_co, F_co | F2] = self._with(compensate=compensate)
        return step

    def settled_by(
        self, settle: Callable[[A_contra], Result[None, F2]], /
    ) -> Step[A_contra, B, E_co, F_co | F2]:
        """Give the step with this settle; a decorator for it.

        Raises:
            InvalidSaga: the step has one already.
        """
        _refuse_second(self.name, "settle", self.settle, settle)
        step: Step[A_contra, B, E_co, F_co | F2] = self._with(settle=settle)
        return step

    def __repr__(self) -> str:
        """Show the names and what is not as usual."""
        return self._show(self.compensate, self.settle)


@final
@frozen(init=False, repr=False, slots=True)
class AsyncStep(Leaf[A_contra, B, E_co, F_co, Async]):  # type: ignore[override] # as for Step
    """One action with its compensation, as coroutine functions: ``AsyncStep(execute, compensate)``.

    Takes what ``Step`` takes. Under asyncio every timeout cuts: the call's task is cancelled and
    awaited, never abandoned, since it could act after its compensation.

    Raises:
        InvalidSaga: an argument that is not a function.
        WrongColour: a plain function.
        InvalidOption: a keyword outside its range.
    """

    execute: Callable[[A_contra], Coroutine[Any, Any, Result[B, E_co]]]
    compensate: Callable[[B], Coroutine[Any, Any, Result[None, F_co]]] | None
    settle: Callable[[A_contra], Coroutine[Any, Any, Result[None, F_co]]] | None

    def __init__(
        self,
        execute: Callable[[A_contra], Coroutine[Any, Any, Result[B, E_co]]],
        compensate: Callable[[B], Coroutine[Any, Any, Result[None, F_co]]] | None = None,
        *,
        settle: Callable[[A_contra], Coroutine[Any, Any, Result[None, F_co]]] | None = None,
        name: str | None = None,
        **settings: Unpack[StepSettings],
    ) -> None:
        """Check the arguments; call none of them."""
        self._hold(
            {"execute": execute, "compensate": compensate, "settle": settle},
            is_async=True,
            name=name,
            **settings,
        )

    def named(self, name: str, /) -> AsyncStep[A_contra, B, E_co, F_co]:
        """Give the same step under another name."""
        step: AsyncStep[A_contra, B, E_co, F_co] = self._with(name=name)
        return step

    def compensated_by(
        self, compensate: Callable[[B], Coroutine[Any, Any, Result[None, F2]]], /
    ) -> AsyncStep[A_contra, B, E_co, F_co | F2]:
        """Give the step with this compensation; a decorator for it.

        Raises:
            InvalidSaga: the step has one already.
        """
        _refuse_second(self.name, "compensation", self.compensate, compensate)
        step: AsyncStep[A_contra, B, E_co, F_co | F2] = self._with(compensate=compensate)
        return step

    def settled_by(
        self, settle: Callable[[A_contra], Coroutine[Any, Any, Result[None, F2]]], /
    ) -> AsyncStep[A_contra, B, E_co, F_co | F2]:
        """Give the step with this settle; a decorator for it.

        Raises:
            InvalidSaga: the step has one already.
        """
        _refuse_second(self.name, "settle", self.settle, settle)
        step: AsyncStep[A_contra, B, E_co, F_co | F2] = self._with(settle=settle)
        return step

    def __repr__(self) -> str:
        """Show the names and what is not as usual."""
        return self._show(self.compensate, self.settle)


AnyStep: TypeAlias = Step[Any, Any, Any, Any] | AsyncStep[Any, Any, Any, Any]


class _Decorator(Protocol[B, F_co]):
    """What ``step(compensate=...)`` gives: it makes a step of a function."""

    def __call__(self, execute: Callable[[A], Result[B, E]], /) -> Step[A, B, E, F_co]: ...


class _AsyncDecorator(Protocol[B, F_co]):
    """What ``step(compensate=...)`` gives for a coroutine function."""

    def __call__(
        self, execute: Callable[[A], Coroutine[Any, Any, Result[B, E]]], /
    ) -> AsyncStep[A, B, E, F_co]: ...


class _SettledDecorator(Protocol[A, B, F_co]):
    """What ``step(compensate=..., settle=...)`` gives: both ends of the function are known."""

    def __call__(self, execute: Callable[[A], Result[B, E]], /) -> Step[A, B, E, F_co]: ...


class _SettledAsyncDecorator(Protocol[A, B, F_co]):
    """What ``step(compensate=..., settle=...)`` gives for a coroutine function."""

    def __call__(
        self, execute: Callable[[A], Coroutine[Any, Any, Result[B, E]]], /
    ) -> AsyncStep[A, B, E, F_co]: ...


class _PlainDecorator(Protocol):
    """What ``step(name=...)`` gives: it makes a step of a function of either colour."""

    @overload
    def __call__(
        self, execute: Callable[[A], Coroutine[Any, Any, Result[B, E]]], /
    ) -> AsyncStep[A, B, E]: ...
    @overload
    def __call__(self, execute: Callable[[A], Result[B, E]], /) -> Step[A, B, E]: ...


@overload
def step(execute: Callable[[A], Coroutine[Any, Any, Result[B, E]]], /) -> AsyncStep[A, B, E]: ...
@overload
def step(execute: Callable[[A], Result[B, E]], /) -> Step[A, B, E]: ...
@overload
def step(
    *,
    compensate: Callable[[B], Coroutine[Any, Any, Result[None, G]]],
    settle: Callable[[A], Coroutine[Any, Any, Result[None, G]]],
    name: str | None = None,
    **settings: Unpack[StepSettings],
) -> _SettledAsyncDecorator[A, B, G]: ...
@overload
def step(
    *,
    compensate: Callable[[B], Result[None, G]],
    settle: Callable[[A], Result[None, G]],
    name: str | None = None,
    **settings: Unpack[StepSettings],
) -> _SettledDecorator[A, B, G]: ...
@overload
def step(
    *,
    compensate: Callable[[B], Coroutine[Any, Any, Result[None, F]]],
    name: str | None = None,
    **settings: Unpack[StepSettings],
) -> _AsyncDecorator[B, F]: ...
@overload
def step(
    *,
    compensate: Callable[[B], Result[None, F]],
    name: str | None = None,
    **settings: Unpack[StepSettings],
) -> _Decorator[B, F]: ...
@overload
def step(*, name: str | None = None, **settings: Unpack[StepSettings]) -> _PlainDecorator: ...
def step(
    execute: Any = None,
    /,
    *,
    compensate: Any = None,
    settle: Any = None,
    name: str | None = None,
    **settings: Unpack[StepSettings],
) -> Any:
    """Make a step of the function below: ``@step`` or ``@step(compensate=release, retries=2)``.

    A plain function makes a ``Step``, a coroutine function an ``AsyncStep``. Takes their keywords
    and raises as they do; ``settle`` beside ``compensate``, or later with ``settled_by``.
    """

    def decorate(function: object, /) -> object:
        return _step_of(function)(function, compensate, settle=settle, name=name, **settings)

    return decorate if execute is None else decorate(execute)


def _step_of(function: object) -> Callable[..., object]:
    return AsyncStep if is_coroutine_function(function) else Step


def _pass(value: Any) -> Result[Any, Never]:
    return Success(value)  # pragma: no cover - the execute of a promise is never called


async def _pass_on(value: Any) -> Result[Any, Never]:
    return Success(value)  # pragma: no cover - as above


@overload
def compensating(
    compensate: Callable[[A], Coroutine[Any, Any, Result[None, F]]],
    /,
    **settings: Unpack[CompensationSettings],
) -> Saga[A, A, Never, F, Async]: ...
@overload
def compensating(
    compensate: Callable[[A], Result[None, F]], /, **settings: Unpack[CompensationSettings]
) -> Saga[A, A, Never, F]: ...
def compensating(compensate: Any, /, **settings: Unpack[CompensationSettings]) -> Any:
    """Call nothing forward; on the way back, call ``compensate`` with the value that passed.

    Args:
        compensate: ``A -> Result[None, F]``, a plain or a coroutine function.
        settings: ``name``, ``compensation_timeout``, ``compensation_retries``, as for ``Step``.

    Raises:
        InvalidSaga: ``compensate`` is not a function.
        InvalidOption: a keyword outside its range, or one that is about execute.
    """
    if not callable(compensate):
        msg = (
            "compensating takes a function to compensate, got "
            f"{type(compensate).__qualname__}: write compensating(release)"
        )
        raise InvalidSaga(msg)
    for keyword in settings:
        if keyword not in CompensationSettings.__annotations__:
            msg = (
                f"compensating takes {', '.join(CompensationSettings.__annotations__)}, "
                f"got {keyword}: "
                "nothing is called forward. Write compensation_retries=, compensation_timeout="
            )
            raise InvalidOption(msg)
    if settings.get("name") is None:
        settings["name"] = name_of(compensate)
    undo: Any = compensate
    passing: AnyStep = (
        AsyncStep(_pass_on, undo, **settings)
        if is_coroutine_function(undo)
        else Step(_pass, undo, **settings)
    )
    promised: Saga[Any, Any, Any, Any, Any] = Composite((Promise(passing),))
    return promised
