"""A wire that fails on purpose.

With a chance of four in ten, a call to a service meets one of these fates:

busy
    The service answers that it did nothing.
lost
    The request never arrives, and the caller sees a broken connection.
unanswered
    The request arrives, and its answer is lost.
slow
    The request arrives, and its answer comes after the deadline.
stuck
    The caller gives up; the request arrives later, in the middle of other calls.
repeated
    The request arrives twice.

All comes from seeded dice and a clock of its own: a seed gives the same storm again, and nobody has
to wait for it.
"""

import random
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from typing import TypeVar

from attrs import Factory, define, field
from returns.result import Failure, Result

from place_order.domain import Refused
from place_order.virtual_time import AsyncVirtualClock, Time, VirtualClock
from sagalib import Async, Outcome, Saga, run, run_async, run_many, run_many_async

A = TypeVar("A")
T = TypeVar("T")
B = TypeVar("B")
E = TypeVar("E")
F = TypeVar("F")

CHANCE = 0.4
FATES = ("busy", "lost", "unanswered", "slow", "stuck", "repeated")
TOO_LONG = 60.0
"""Seconds; no call of the shop may take so long."""


@define
class Storm:
    """Bad weather, until it ``is_over``."""

    dice: random.Random
    time: Time = Factory(Time)
    is_over: bool = False
    underway: list[Callable[[], object]] = field(factory=list[Callable[[], object]])

    def run(self, saga: Saga[None, B, E, F], run_id: str, /) -> Outcome[B, E, F]:
        """Run a saga on the time of the storm."""
        return run(saga, run_id=run_id, clock=VirtualClock(self.time), dice=self.dice.random)

    async def run_async(self, saga: Saga[None, B, E, F, Async], run_id: str, /) -> Outcome[B, E, F]:
        """Run a saga that may have async steps on the time of the storm."""
        clock = AsyncVirtualClock(self.time)
        return await run_async(saga, run_id=run_id, clock=clock, dice=self.dice.random)

    def run_many(
        self,
        saga: Callable[[A], Saga[A, B, E, F]],
        values: Iterable[A],
        run_id: Callable[[A], str],
        /,
    ) -> Iterator[Outcome[B, E, F]]:
        """Run the saga of each value, one after the other."""
        clock, dice = VirtualClock(self.time), self.dice.random
        return run_many(saga, values, limit=1, run_id=run_id, clock=clock, dice=dice)

    def run_many_async(
        self,
        saga: Callable[[A], Saga[A, B, E, F, Async]],
        values: Iterable[A],
        run_id: Callable[[A], str],
        /,
    ) -> AsyncIterator[Outcome[B, E, F]]:
        """Run the saga of each value, one after the other; it may have async steps."""
        clock, dice = AsyncVirtualClock(self.time), self.dice.random
        return run_many_async(saga, values, limit=1, run_id=run_id, clock=clock, dice=dice)

    def wire(self, request: Callable[[], Result[T, E]], /) -> Result[T, E | Refused]:
        """Deliver the request, well or badly."""
        if self.is_over:
            return request()
        if self.underway and self.dice.random() < CHANCE:
            self.underway.pop(0)()
        fate = self.dice.choice(FATES) if self.dice.random() < CHANCE else "good"
        if fate == "busy":
            return Failure(Refused("the service is busy"))
        if fate == "lost":
            raise ConnectionError("the request was lost")
        if fate == "stuck":
            self.underway.append(request)
            self.time.passes(TOO_LONG)
            raise TimeoutError("no answer")
        if fate == "repeated":
            request()
        answer = request()
        if fate == "unanswered":
            raise ConnectionError("the answer was lost")
        if fate == "slow":
            self.time.passes(TOO_LONG)
        return answer

    def end(self) -> None:
        """Let everything that is underway arrive, and all be calm from here on."""
        self.is_over = True
        for request in self.underway:
            request()
        self.underway.clear()
