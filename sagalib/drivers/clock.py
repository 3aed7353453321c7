"""Clocks.

Every wait of a driver goes through one, so that a test can make time stand still or jump.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Final, Protocol, final

__all__ = ["EPOCH", "AsyncClock", "Clock", "SystemClock", "Timer"]

SECOND_NS: Final[int] = 1_000_000_000
EPOCH: Final = time.time_ns() - time.monotonic_ns()


class Clock(Protocol):
    """The time of ``run``."""

    @property
    def epoch_ns(self) -> int:
        """What to add to ``now_ns`` to get nanoseconds since the epoch: the time of an event."""
        ...

    def now_ns(self) -> int:
        """Give the time in nanoseconds; never goes back."""
        ...

    def sleep(self, seconds: float, /) -> None:
        """Wait ``seconds``."""
        ...

    def wait(self, event: threading.Event, seconds: float, /) -> bool:
        """Wait until ``event`` is set, ``seconds`` at the most; tell whether it is."""
        ...


class Timer(Protocol):
    """What ``call_at`` gives."""

    def cancel(self) -> None:
        """Call nothing any more."""
        ...


class AsyncClock(Protocol):
    """The time of ``run_async``."""

    @property
    def epoch_ns(self) -> int:
        """What to add to ``now_ns`` to get nanoseconds since the epoch: the time of an event."""
        ...

    def now_ns(self) -> int:
        """Give the time in nanoseconds; never goes back."""
        ...

    async def sleep(self, seconds: float, /) -> None:
        """Wait ``seconds``."""
        ...

    def call_at(self, when_ns: int, callback: Callable[[], object], /) -> Timer:
        """Call ``callback`` in the event loop once ``now_ns`` has reached ``when_ns``."""
        ...


@final
class SystemClock:
    """The machine's own time, monotonic."""

    epoch_ns: int = EPOCH
    # pyrefly takes the descriptor for what it gives.
    now_ns: staticmethod[[], int] = staticmethod(time.monotonic_ns)  # pyrefly: ignore[bad-assignment]

    def sleep(self, seconds: float, /) -> None:
        """Wait ``seconds``."""
        time.sleep(min(seconds, threading.TIMEOUT_MAX))

    def wait(self, event: threading.Event, seconds: float, /) -> bool:
        """Wait until ``event`` is set, ``seconds`` at the most."""
        return event.wait(min(seconds, threading.TIMEOUT_MAX))
