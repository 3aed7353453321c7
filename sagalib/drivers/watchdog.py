"""Timeouts under asyncio: one timer for all calls of equal length, instead of one for each.

Calls with the same timeout come due in the order in which they began. So the calls in progress
stand in line by the length of their timeout, and only the first of each line needs a timer: a call
that ends in time costs two operations on a dict.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from typing import Any

from sagalib.drivers.clock import SECOND_NS, AsyncClock, Timer
from sagalib.drivers.loop_clock import LoopClock

__all__ = ["Watch", "Watchdog", "watchdog_of"]


class Watch:
    """One call that is cut at ``due_ns``."""

    __slots__ = ("due_ns", "fired", "task")

    def __init__(self, task: asyncio.Task[object], due_ns: int) -> None:
        """Watch what ``task`` awaits."""
        self.task: asyncio.Task[object] = task
        self.due_ns: int = due_ns
        self.fired: bool = False


class Watchdog:
    """The calls in progress on one clock.

    ``shared`` if more runs will come, so that an idle timer may stay.
    """

    __slots__ = ("_lines", "_shared", "_timers", "clock")

    def __init__(self, clock: AsyncClock, *, shared: bool) -> None:
        """Watch nothing yet."""
        self.clock: AsyncClock = clock
        self._shared = shared
        self._lines: defaultdict[float, dict[Watch, None]] = defaultdict(dict)
        self._timers: dict[float, Timer] = {}

    def watch(self, task: asyncio.Task[object], seconds: float, began_ns: int) -> Watch:
        """Cancel ``task`` in ``seconds``, unless ``release`` comes first."""
        watch = Watch(task, began_ns + int(seconds * SECOND_NS))
        self._lines[seconds][watch] = None
        if seconds not in self._timers:
            self._set_timer(seconds, watch.due_ns)
        return watch

    def release(self, seconds: float, watch: Watch) -> None:
        """Forget a call that has ended."""
        line = self._lines.get(seconds, {})
        line.pop(watch, None)
        if not line and not self._shared and seconds in self._timers:
            self._timers.pop(seconds).cancel()

    def _set_timer(self, seconds: float, due_ns: int) -> None:
        self._timers[seconds] = self.clock.call_at(due_ns, lambda: self._due(seconds))

    def _due(self, seconds: float) -> None:
        """Cut what is due, and set the timer for the next in line."""
        del self._timers[seconds]
        now = self.clock.now_ns()
        for watch in list(self._lines[seconds]):
            if watch.due_ns > now:
                self._set_timer(seconds, watch.due_ns)
                return
            del self._lines[seconds][watch]
            watch.fired = True
            watch.task.cancel()
        del self._lines[seconds]


def watchdog_of(clock: AsyncClock | None) -> Watchdog:
    """Give the watchdog that all runs of the running event loop share.

    One of its own for any other clock.
    """
    if clock is not None:
        return Watchdog(clock, shared=False)
    loop: Any = asyncio.get_running_loop()
    watchdog: Watchdog | None = getattr(loop, "_sagalib_watchdog", None)
    if watchdog is None:
        watchdog = Watchdog(LoopClock(loop), shared=True)
        # On the loop itself: it holds the loop, and is to go with it.
        loop._sagalib_watchdog = watchdog  # noqa: SLF001 - ours
    return watchdog
