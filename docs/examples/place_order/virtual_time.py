"""Clocks for which nobody has to wait: their time passes when somebody sleeps, or says so."""

import asyncio
from collections.abc import Callable
from threading import Event

from attrs import define, field, frozen

SECOND_NS = 1_000_000_000


@define(eq=False)
class Alarm:
    """A function to be called at a time, unless it is cancelled before."""

    when_ns: int
    callback: Callable[[], object]
    is_cancelled: bool = False

    def cancel(self) -> None:
        """Call nothing any more."""
        self.is_cancelled = True

    def ring(self) -> None:
        """Call the function now."""
        if not self.is_cancelled:
            self.callback()


@define(eq=False)
class Time:
    """The time itself, in nanoseconds, and what waits for it."""

    now_ns: int = 0
    alarms: list[Alarm] = field(factory=list[Alarm])

    def passes(self, seconds: float) -> None:
        """Go on by so many seconds; the event loop rings what is due by then."""
        self.now_ns += int(seconds * SECOND_NS)
        due = [alarm for alarm in self.alarms if alarm.when_ns <= self.now_ns]
        for alarm in sorted(due, key=lambda alarm: alarm.when_ns):
            self.alarms.remove(alarm)
            asyncio.get_running_loop().call_soon(alarm.ring)


@frozen
class VirtualClock:
    """A clock for ``run``."""

    time: Time
    epoch_ns: int = 0

    def now_ns(self) -> int:
        """Give the time in nanoseconds."""
        return self.time.now_ns

    def sleep(self, seconds: float, /) -> None:
        """Let the time pass."""
        self.time.passes(seconds)

    def wait(self, event: Event, seconds: float, /) -> bool:
        """Let the time pass: nothing happens meanwhile on another thread."""
        self.time.passes(seconds)
        return event.is_set()


@frozen
class AsyncVirtualClock:
    """A clock for ``run_async``."""

    time: Time
    epoch_ns: int = 0

    def now_ns(self) -> int:
        """Give the time in nanoseconds."""
        return self.time.now_ns

    async def sleep(self, seconds: float, /) -> None:
        """Let the time pass."""
        self.time.passes(seconds)

    def call_at(self, when_ns: int, callback: Callable[[], object], /) -> Alarm:
        """Have the event loop call ``callback`` once it is ``when_ns``."""
        alarm = Alarm(when_ns, callback)
        self.time.alarms.append(alarm)
        return alarm
