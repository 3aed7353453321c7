"""Retries, backoff and timeouts as values.

A policy decides nothing by itself and reads no clock and no dice: the machine asks ``allows``, a
driver asks ``delay`` with the dice of its own. Exponential backoff with a cap and full or partial
jitter is as in Brooker, "Exponential Backoff And Jitter" (AWS Architecture Blog, 2015).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Final, TypeAlias, TypeGuard

from attrs import field, frozen

from sagalib.core.errors import InvalidOption, shown
from sagalib.core.outcomes import Raised

__all__ = [
    "SECOND_NS",
    "Retry",
    "Soft",
    "Timeout",
    "as_retry",
    "check_seconds",
    "check_timeout",
    "is_hard",
    "limit_of",
    "seconds_of",
]

SECOND_NS: Final[int] = 1_000_000_000
_NO_LIMIT: Final = 1 << 100

_DAY = 86_400.0

Matcher: TypeAlias = "type | tuple[type, ...] | Callable[[object], bool]"


def _is_number(value: object) -> TypeGuard[int | float]:
    """Tell a number that can be counted with.

    A flag, NaN, an infinity and what no float can hold are none.
    """
    try:
        return (
            isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
        )
    except OverflowError:
        return False


def check_seconds(name: str, value: object, *, zero: bool = False, instead: str = "") -> None:
    """Refuse what is not a number of seconds above 0, or from 0 on."""
    if _is_number(value) and (value > 0 or (zero and value == 0)):
        return
    least = "0 or more" if zero else "more than 0"
    msg = f"{name} must be a number of seconds, {least}; got {shown(value)}{instead}"
    raise InvalidOption(msg)


@frozen
class Soft:
    """A timeout that never moves the call: it is judged when the call returns.

    Args:
        seconds: more than 0. A call that takes longer is late. In asyncio, where a call can be cut
            without another thread, a soft timeout cuts as a plain number does.

    Raises:
        InvalidOption: ``seconds`` is not a number above 0.
    """

    seconds: float = field()

    def __attrs_post_init__(self) -> None:
        """Refuse what is not a number of seconds above 0."""
        check_seconds("Soft(seconds)", self.seconds, instead=". Write timeout=None for no timeout")


Timeout: TypeAlias = "float | Soft | None"
"""A number of seconds is hard: the caller is free at the deadline. ``None`` is no timeout."""


def seconds_of(timeout: Timeout) -> float | None:
    """Give the seconds of a timeout of either kind."""
    return timeout.seconds if isinstance(timeout, Soft) else timeout


def is_hard(timeout: Timeout) -> bool:
    """Tell whether the caller is free when the time is up."""
    return timeout is not None and not isinstance(timeout, Soft)


def limit_of(timeout: Timeout) -> int:
    """Give how long a call may take, in nanoseconds; without a timeout, more than any call does."""
    seconds = seconds_of(timeout)
    return _NO_LIMIT if seconds is None else int(seconds * SECOND_NS)


def check_timeout(name: str, timeout: object) -> None:
    """Refuse a timeout that is neither ``None`` nor ``Soft`` nor a number of seconds above 0."""
    if timeout is not None and not isinstance(timeout, Soft):
        check_seconds(
            name, timeout, instead=f", nor Soft(seconds) nor None. Write {name}=None for no timeout"
        )


def _is_tuple(value: object) -> bool:
    return isinstance(value, tuple)


def _classes_of(matcher: Any) -> tuple[Any, ...]:
    return matcher if _is_tuple(matcher) else (matcher,)


def _matches(matcher: Matcher, reason: object) -> bool:
    if isinstance(matcher, (type, tuple)):
        classes = _classes_of(matcher)
        # A Raised is matched by the recorded names of the exception's classes, so that a replay,
        # which has no live exception, decides as the run did.
        return isinstance(reason, classes) or (
            isinstance(reason, Raised) and any(reason.is_a(cls) for cls in classes)
        )
    return bool(matcher(reason))


@frozen
class Retry:
    """How often and how soon a failed call is made again: a pure value.

    Args:
        times: further attempts after the first, 0 or more.
        wait: seconds before the second attempt, 0 or more.
        factor: what each further wait is multiplied by, 1 or more.
        cap: the longest wait, in seconds; a day by default.
        jitter: the part of each wait that is left to the dice, from 0 (none) to 1 (all of it).
        only: retry only reasons of these classes, or for which this predicate is true.
        unless: never retry reasons of these classes, or for which this predicate is true: permanent
            errors.

    A class matches an error value by ``isinstance``, and a ``Raised`` by the class of the exception
    that was raised.

    Raises:
        InvalidOption: an argument outside its range.
    """

    times: int
    wait: float = field(default=0.0, kw_only=True)
    factor: float = field(default=2.0, kw_only=True)
    cap: float = field(default=_DAY, kw_only=True)
    jitter: float = field(default=0.0, kw_only=True)
    only: Matcher | None = field(default=None, kw_only=True)
    unless: Matcher | None = field(default=None, kw_only=True)

    def __attrs_post_init__(self) -> None:
        """Refuse arguments outside their range."""
        times: Any = self.times
        if not (isinstance(times, int) and not isinstance(times, bool) and times >= 0):
            msg = (
                f"retries must be a whole number, 0 or more; got {shown(self.times)}. Write "
                "retries=0 for none"
            )
            raise InvalidOption(msg)
        check_seconds("Retry(wait=)", self.wait, zero=True)
        check_seconds("Retry(cap=)", self.cap, zero=True)
        if not (_is_number(self.factor) and self.factor >= 1):
            msg = f"Retry(factor=) must be a number, 1 or more; got {shown(self.factor)}"
            raise InvalidOption(msg)
        if not (_is_number(self.jitter) and 0 <= self.jitter <= 1):
            msg = f"Retry(jitter=) must be between 0 and 1; got {shown(self.jitter)}"
            raise InvalidOption(msg)
        for name in ("only", "unless"):
            _check_matcher(name, getattr(self, name))

    def allows(self, attempt: int, reason: object) -> bool:
        """Tell whether an attempt (from 1) that failed for ``reason`` is followed by another."""
        return (
            attempt <= self.times
            and (self.only is None or _matches(self.only, reason))
            and (self.unless is None or not _matches(self.unless, reason))
        )

    def delay(self, attempt: int, dice: float = 0.0) -> float:
        """Give the seconds to wait after attempt number ``attempt`` (from 1) has failed.

        Args:
            attempt: the attempt that failed; 1 is the first call.
            dice: a number from 0 up to 1, as ``random.random()`` gives; it shortens the wait by up
                to ``jitter``.
        """
        try:
            grown = self.wait * self.factor ** (attempt - 1)
        except OverflowError:
            grown = self.cap if self.wait else 0.0
        return min(self.cap, grown) * (1 - self.jitter * dice)


def _check_matcher(name: str, matcher: Any) -> None:
    if (
        matcher is None
        or callable(matcher)
        or all(isinstance(cls, type) for cls in _classes_of(matcher))
    ):
        return
    msg = (
        f"Retry({name}=) must be an error class, a tuple of them, or a predicate over the reason; "
        f"got {shown(matcher)}"
    )
    raise InvalidOption(msg)


def as_retry(retries: int | Retry) -> Retry:
    """Read a bare number of retries as ``Retry(number)``.

    Raises:
        InvalidOption: a number below 0, or something that is neither.
    """
    return retries if isinstance(retries, Retry) else Retry(retries)
