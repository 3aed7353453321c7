"""Time that tests own: a clock for `run`, an event loop whose time jumps for `run_async`."""

from __future__ import annotations

import asyncio
import selectors
import threading
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")

SECOND = 1_000_000_000


class VirtualClock:
    """A clock that stands still until somebody sleeps on it; remembers every sleep, in seconds."""

    epoch_ns = 0

    def __init__(self) -> None:
        self._now = 0
        self._lock = threading.Lock()
        self.sleeps: list[float] = []

    def now_ns(self) -> int:
        """Give the time."""
        return self._now

    def advance(self, seconds: float) -> None:
        """Let time pass, without it being a pause of a driver: what a slow step does."""
        with self._lock:
            self._now += round(seconds * SECOND)

    def sleep(self, seconds: float, /) -> None:
        """Let time pass, as a pause of a driver."""
        self.sleeps.append(seconds)
        self.advance(seconds)

    def wait(self, event: threading.Event, seconds: float, /) -> bool:
        """Wait for a call on another thread; if it hangs, its time is up a moment later."""
        deadline = self._now + round(seconds * SECOND)
        for _ in range(50):
            if self._now >= deadline:
                return event.is_set()
            if event.wait(0.001):
                return True
        with self._lock:
            self._now = max(self._now, deadline)
        return False


class _JumpingSelector(selectors.DefaultSelector):
    """Instead of waiting for a timer, make it due."""

    jump: float = 0.0

    def select(self, timeout: float | None = None) -> Any:
        if timeout is None:  # no timer: something on another thread will wake the loop
            return super().select(None)
        ready = super().select(0)
        if not ready and timeout > 0:
            self.jump += timeout
        return ready


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop on which every sleep and timeout takes no time, in the right order."""

    def __init__(self) -> None:
        self._jumping = _JumpingSelector()
        super().__init__(self._jumping)
        self._clock_resolution = 1e-9

    def time(self) -> float:
        """Give the time, in seconds."""
        return self._jumping.jump


def run_virtual(main: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine to its end on a loop of virtual time."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(main)
