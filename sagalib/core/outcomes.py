"""How a run ends, and why.

``Ok``, ``Compensated`` or ``Fatal``; for the user's own errors, ``TimedOut``, ``Raised`` or
``Cancelled``.

The three are the marks of the compensating-transaction literature: success, abort with everything
made up for, and abnormal termination (Bruni, Melgratti and Montanari, "Theoretical Foundations for
Compensations in Flow Composition Languages", POPL 2005). They are a closed union, so ``match`` over
them is checked for exhaustiveness.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Generic, Never, Protocol, TypeAlias, final

from attrs import field, frozen
from returns.result import Failure, Result, Success
from typing_extensions import TypeVar

from sagalib.core.errors import RunCompensated, RunFatal

if TYPE_CHECKING:
    from sagalib.core.events import Event
    from sagalib.core.saga import Saga

__all__ = [
    "Cancelled",
    "Compensated",
    "CompensationFailed",
    "Fatal",
    "Irreversible",
    "Ok",
    "Outcome",
    "Past",
    "Raised",
    "Reason",
    "TimedOut",
]

B_co = TypeVar("B_co", covariant=True)
E_co = TypeVar("E_co", covariant=True, default=Never)
F_co = TypeVar("F_co", covariant=True, default=Never)
B = TypeVar("B")
E = TypeVar("E")
F = TypeVar("F")


@final
@frozen
class TimedOut:
    """A call took longer than its timeout of ``seconds``.

    Whether it had an effect is in doubt, unless it ended well but late.
    """

    seconds: float


@final
@frozen
class Cancelled:
    """The run was cancelled.

    A task's cancellation, Ctrl-C, ``SystemExit`` or a caller did it.
    """


@final
@frozen
class Raised:
    """User code raised, or answered something that is not a ``Result``.

    Two are equal if ``kind`` (the class of the exception, with its module unless builtin) and
    ``message`` are. ``exception`` is the live object, or ``None`` where there is none: after a
    resume, or for a wrong return value.
    """

    kind: str
    message: str
    exception: BaseException | None = field(default=None, eq=False, repr=False, kw_only=True)
    bases: tuple[str, ...] = field(default=(), eq=False, repr=False, kw_only=True)

    @classmethod
    def of(cls, exception: BaseException) -> Raised:
        """Describe ``exception``, whose class and message are all that a journal may keep of it."""
        bases = tuple(map(_class_name, type(exception).__mro__))
        try:
            message = str(exception)
        except Exception as broken:
            message = f"<no message: its __str__ raised {type(broken).__name__}>"
        return cls(bases[0], message, exception=exception, bases=bases)

    def is_a(self, cls: type) -> bool:
        """Tell whether the exception was of class ``cls``, by the recorded names of its classes."""
        return _class_name(cls) in (self.bases or (self.kind,))

    def __getstate__(self) -> tuple[str, str, tuple[str, ...]]:
        """Leave the live exception behind: its traceback holds frames."""
        return (self.kind, self.message, self.bases)

    def __setstate__(self, state: tuple[str, str, tuple[str, ...]]) -> None:
        """Restore what ``__getstate__`` kept."""
        for name, value in zip(("kind", "message", "bases"), state, strict=True):
            object.__setattr__(self, name, value)
        object.__setattr__(self, "exception", None)


def _class_name(cls: type) -> str:
    return (
        cls.__qualname__ if cls.__module__ == "builtins" else f"{cls.__module__}.{cls.__qualname__}"
    )


Reason: TypeAlias = E | TimedOut | Raised | Cancelled
"""Why a saga failed: an error that a step returned, or one of the three that the library adds."""


@final
@frozen
class CompensationFailed(Generic[F_co]):
    """A compensation, or a settle, that failed after its own retries.

    What it makes up for is still owed.
    """

    step: str
    reason: Reason[F_co]


@final
@frozen
class Irreversible:
    """A completed pivot stood in the way: nothing at or before it is compensated."""

    step: str


class Past(Protocol):
    """What an outcome remembers of its run, worked out only when asked."""

    @property
    def run_id(self) -> str:
        """The id of the run."""
        ...

    def log(self) -> Sequence[Event]:
        """Give the events of the run, first to last."""
        ...

    def owed(self) -> Saga[None, None, Never, Any]:
        """Give the compensations that can still be run, as a saga."""
        ...

    def others(self) -> tuple[Any, ...]:
        """Give why the other branches failed, in declared order."""
        ...


@frozen
class _NoPast:
    """The past of an outcome that was written down, not run."""

    run_id: str = ""

    def log(self) -> Sequence[Event]:
        return ()

    def owed(self) -> Saga[None, None, Never, Any]:
        from sagalib.core.saga import identity  # noqa: PLC0415 - saga.py stands above this module

        return identity()

    def others(self) -> tuple[Any, ...]:
        return ()


_NO_PAST = _NoPast()


@frozen(repr=False)
class _Ended:
    """What the three outcomes share."""

    in_doubt: tuple[str, ...] = field(default=(), kw_only=True)
    past: Past = field(default=_NO_PAST, eq=False, kw_only=True)

    @property
    def run_id(self) -> str:
        """The id of the run."""
        return self.past.run_id

    @property
    def log(self) -> Sequence[Event]:
        """The events of the run, first to last; worked out when first read."""
        return self.past.log()

    def __repr__(self) -> str:
        """Show what happened, neither contexts nor logs; doubt only where there is some."""
        names = [name for name in _SHOWN if hasattr(self, name)]
        parts = [f"{name}={getattr(self, name)!r}" for name in names]
        parts += [f"in_doubt={self.in_doubt!r}"] if self.in_doubt else []
        return f"{type(self).__name__}({', '.join(parts)})"


_SHOWN = ("value", "reason", "failures", "step")


@final
@frozen(repr=False)
class Ok(_Ended, Generic[B_co]):
    """The saga went through.

    Attributes:
        value: what the saga gives.
        in_doubt: paths of calls that may have had an effect and were neither settled nor answered
            ok.
        log: the events of the run.
    """

    value: B_co

    @property
    def compensation(self) -> Saga[None, None, Never, object]:
        """The compensations of all completed steps as a saga, last first.

        After a completed pivot it runs nothing and is ``Fatal`` (irreversible).
        """
        return self.past.owed()

    def to_result(self) -> Result[B_co, Never]:
        """Give ``Success(value)``."""
        return Success(self.value)

    def unwrap(self) -> B_co:
        """Give the value."""
        return self.value


def went_through(value: B, past: Past) -> Ok[B]:
    """Give ``Ok(value, past=past)``, in half the time."""
    outcome: Any = _new(Ok)
    _set_value(outcome, value)
    _set_in_doubt(outcome, ())
    _set_past(outcome, past)
    made: Ok[B] = outcome
    return made


@final
@frozen(repr=False)
class Compensated(_Ended, Generic[E_co]):
    """The saga failed, and all that had completed was compensated.

    Attributes:
        reason: the error that a step returned, or ``TimedOut``, ``Raised`` or ``Cancelled``.
        step: the path of the call that failed; ``None`` if no call did.
        context: the input of that call.
        in_doubt: paths of calls that may have had an effect and were neither settled nor answered
            ok.
        log: the events of the run.

    ``==`` compares reason, step and in_doubt.
    """

    reason: Reason[E_co]
    step: str | None = None
    context: object = field(default=None, eq=False)

    @property
    def reasons(self) -> tuple[Reason[E_co], ...]:
        """The reason, and those of the other branches that failed, in declared order."""
        return (self.reason, *self.past.others())

    def to_result(self) -> Result[Never, Compensated[E_co]]:
        """Give ``Failure(self)``."""
        return Failure(self)

    def unwrap(self) -> Never:
        """Raise.

        Raises:
            RunCompensated: always; it carries this outcome and is chained from the exception of a
                ``Raised``.
        """
        raise RunCompensated(self) from _exception_of(self.reason)


@final
@frozen(repr=False)
class Fatal(_Ended, Generic[E_co, F_co]):
    """The saga failed, and something of it is left that was not, or cannot be, compensated.

    Attributes:
        reason: why the saga failed: always the original failure.
        failures: each compensation that failed and each pivot that stood in the way, in the order
            they happened.
        step: the path of the call that failed; ``None`` if no call did.
        context: the input of that call.
        in_doubt: paths of calls that may have had an effect and were neither settled nor answered
            ok.
        log: the events of the run.

    ``==`` compares reason, failures, step and in_doubt.
    """

    reason: Reason[E_co]
    failures: tuple[CompensationFailed[F_co] | Irreversible, ...] = ()
    step: str | None = None
    context: object = field(default=None, eq=False)

    @property
    def residual(self) -> Saga[None, None, Never, F_co]:
        """What is still owed, as a saga; run it to try the rest of the way back again."""
        return self.past.owed()

    @property
    def reasons(self) -> tuple[Reason[E_co], ...]:
        """The reason, and those of the other branches that failed, in declared order."""
        return (self.reason, *self.past.others())

    def to_result(self) -> Result[Never, Fatal[E_co, F_co]]:
        """Give ``Failure(self)``."""
        return Failure(self)

    def unwrap(self) -> Never:
        """Raise.

        Raises:
            RunFatal: always; it carries this outcome and is chained from the exception of a
                ``Raised``.
        """
        raise RunFatal(self) from _exception_of(self.reason)


def went_back(reason: object, step: str | None, context: object, past: Past) -> Compensated[Any]:
    """Give ``Compensated(reason, step, context, past=past)``, in half the time."""
    outcome: Any = _new(Compensated)
    _set_reason(outcome, reason)
    _set_step(outcome, step)
    _set_context(outcome, context)
    _set_in_doubt(outcome, ())
    _set_past(outcome, past)
    made: Compensated[Any] = outcome
    return made


# The slots' own setters take half the time of attrs' constructor.
_new: Any = object.__new__
_set_in_doubt, _set_past = (_Ended.__dict__[name].__set__ for name in ("in_doubt", "past"))
_set_value = Ok.__dict__["value"].__set__
_set_reason, _set_step, _set_context = (
    Compensated.__dict__[name].__set__ for name in ("reason", "step", "context")
)


def _exception_of(reason: object) -> BaseException | None:
    return reason.exception if isinstance(reason, Raised) else None


Outcome: TypeAlias = Ok[B] | Compensated[E] | Fatal[E, F]
"""``Ok[B] | Compensated[E] | Fatal[E, F]``: every run ends in exactly one of them."""
