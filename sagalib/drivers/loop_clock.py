"""The time of an event loop: apart from ``clock``, which needs no asyncio."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import final

from sagalib.drivers.clock import EPOCH, SECOND_NS, Timer

__all__ = ["LoopClock"]


@final
class LoopClock:
    """The time of an event loop: that of a test's loop too."""

    epoch_ns: int = EPOCH

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        """Read the time of ``loop``."""
        self._loop = loop
        if getattr(loop.time, "__func__", None) is asyncio.BaseEventLoop.time:
            # The same time, read without a detour: several times in every run.
            self.now_ns = time.monotonic_ns  # type: ignore[method-assign]

    def now_ns(self) -> int:
        """Give the time of the loop in nanoseconds."""
        return round(self._loop.time() * SECOND_NS)

    async def sleep(self, seconds: float, /) -> None:
        """Wait ``seconds``."""
        await asyncio.sleep(seconds)

    def call_at(self, when_ns: int, callback: Callable[[], object], /) -> Timer:
        """Call ``callback`` once ``now_ns`` has reached ``when_ns``."""
        return self._loop.call_at(when_ns / SECOND_NS, callback)
