"""The time of the running event loop: apart from ``clock``, which needs no asyncio."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import final

from sagalib.drivers.clock import EPOCH, SECOND_NS, Timer

__all__ = ["LoopClock"]


@final
class LoopClock:
    """The time of the running event loop: that of a test's loop too."""

    epoch_ns: int = EPOCH

    def now_ns(self) -> int:
        """Give the time of the loop in nanoseconds."""
        return round(asyncio.get_running_loop().time() * SECOND_NS)

    async def sleep(self, seconds: float, /) -> None:
        """Wait ``seconds``."""
        await asyncio.sleep(seconds)

    def call_at(self, when_ns: int, callback: Callable[[], object], /) -> Timer:
        """Call ``callback`` once ``now_ns`` has reached ``when_ns``."""
        return asyncio.get_running_loop().call_at(when_ns / SECOND_NS, callback)
