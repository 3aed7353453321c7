"""All that crosses the boundary between the machine and a driver: a Command out, a Reply in.

The machine asks (``Invoke``, ``Sleep``); a driver carries it out and answers with data, never by
raising. A definite answer is the ``Result`` that the user's function returned, as it is. The others
say what a driver knows: ``Late`` (it succeeded, after its soft timeout), ``Unknown`` (it may have
had an effect), ``Refused`` (it was not begun), ``Woke`` (the pause is over). ``Cancel`` is an input
that nobody asked for.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from enum import Enum
from typing import Any, Final, TypeAlias, final

from attrs import field, frozen
from returns.result import Failure, Result, Success

from sagalib.core.outcomes import Cancelled, Raised, TimedOut
from sagalib.core.policy import Retry, Timeout

__all__ = [
    "BEGUN",
    "RESULTS",
    "Begun",
    "Call",
    "Cancel",
    "Command",
    "Direction",
    "Expired",
    "Invoke",
    "Late",
    "Refused",
    "Reply",
    "Sleep",
    "Unknown",
    "Woke",
    "read",
]


class Direction(Enum):
    """What a call is for."""

    EXECUTE = "execute"
    COMPENSATE = "compensate"
    SETTLE = "settle"


@final
@frozen
class Call:
    """One invocation of a step's execute, compensate or settle: what ``current_call()`` gives.

    Attributes:
        run_id: the id of the run.
        path: where the step stands in the saga, by names.
        step: the name of the step.
        direction: ``"execute"``, ``"compensate"`` or ``"settle"``.
        attempt: the number of this call, from 1.
        key: the idempotency key. Two calls have the same key if and only if one repeats the other,
            whose answer is not known.
        deadline: when the call is late, in nanoseconds of the driver's clock; ``None`` without a
            timeout.
        reason: why the saga fails, in compensate and settle; ``None`` in execute.
    """

    run_id: str
    path: str
    step: str
    direction: str
    attempt: int
    key: str
    deadline: int | None
    reason: object = field(repr=False)


@final
@frozen
class Invoke:
    """Call ``function(argument)`` within ``timeout``; answer with what it returned or is known."""

    call: Call
    function: Callable[[Any], object] = field(repr=False)
    argument: object = field(repr=False)
    timeout: Timeout


@final
@frozen
class Sleep:
    """Wait ``retry.delay(attempt, dice)`` seconds, then answer ``Woke()``.

    ``attempt`` is the one that failed.
    """

    path: str
    attempt: int
    retry: Retry


Command: TypeAlias = Invoke | Sleep


@final
@frozen
class Late:
    """The call succeeded with ``value``, but took longer than its timeout."""

    value: object


@final
@frozen
class Unknown:
    """The call gave no definite answer, for ``reason``: it may have had an effect."""

    reason: TimedOut | Raised | Cancelled


@final
@frozen
class Refused:
    """The driver did not begin the call, for ``reason``."""

    reason: Raised


@final
@frozen
class Woke:
    """The pause is over."""


@final
@frozen
class Cancel:
    """Stop before the next execute, and compensate.

    ``in_flight`` says that the call asked for has begun, so that its reply follows. It is for runs
    of one strand: of several, ``Begun`` has told.
    """

    in_flight: bool = False


@final
@frozen
class Expired:
    """The deadline of that ``number`` has passed: as ``Cancel``, for what it encloses."""

    number: int
    in_flight: bool = False


@final
@frozen
class Begun:
    """No reply: with several strands, that the call which one asks for has begun."""


Reply: TypeAlias = Result[Any, Any] | Late | Unknown | Refused | Woke | Cancel | Expired

BEGUN: Final = Begun()
RESULTS: Final = frozenset({Success, Failure})
# To compare a type with by `is`: no type checker makes `Success[Unknown]` of what it is.
SUCCESS: Final[Any] = Success
FAILURE: Final[Any] = Failure


def late(reply: Any) -> Any:
    """Read the reply of a call that took longer than its timeout.

    A success is late, a failure is that failure.
    """
    return Late(reply.unwrap()) if _is_success(reply) else reply


def _is_success(reply: object) -> bool:
    return isinstance(reply, Success)


def read(step: str, direction: Direction, returned: object) -> Reply:
    """Read what a user's function returned.

    A ``Result`` is the reply; anything else is a mistake, and leaves the call in doubt.

    A coroutine is closed, so that it does not warn later that nobody awaited it.
    """
    came: Any = returned
    if isinstance(returned, Result):
        result: Result[Any, Any] = came
        return result
    kind = f"{type(returned).__module__}.{type(returned).__qualname__}".removeprefix("builtins.")
    what = (
        f"step {step!r}"
        if direction is Direction.EXECUTE
        else f"{direction.value} of step {step!r}"
    )
    if inspect.iscoroutine(returned):
        returned.close()
        hint = "use AsyncStep for coroutine functions"
    elif inspect.isawaitable(returned):
        hint = "use AsyncStep for coroutine functions"
    elif direction is Direction.EXECUTE:
        hint = "forgot `return Success(...)`? A plain function is lifted by catching()(function)"
    elif returned is None:
        hint = "write `return Success(None)`, or lift the plain function: catching()(function)"
    else:
        hint = "return Success(None) when it has worked"
    return Unknown(
        Raised(
            "NotAResult",
            f"{what} must return Success(...) or Failure(...), and returned {kind}: {hint}",
        )
    )
