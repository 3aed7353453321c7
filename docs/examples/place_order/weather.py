"""What a day in the shop depends on: the wire to the services, and how sagas are run."""

from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from typing import Protocol, TypeVar

from returns.result import Result

from place_order.domain import Refused
from place_order.wire import Wire
from sagalib import Async, Outcome, Saga, run, run_async, run_many, run_many_async

A = TypeVar("A")
T = TypeVar("T")
B = TypeVar("B")
E = TypeVar("E")
F = TypeVar("F")


class Weather(Protocol):
    """Good or bad weather."""

    @property
    def wire(self) -> Wire:
        """What requests travel on."""
        ...

    def run(self, saga: Saga[None, B, E, F], run_id: str, /) -> Outcome[B, E, F]:
        """Run a saga."""
        ...

    async def run_async(self, saga: Saga[None, B, E, F, Async], run_id: str, /) -> Outcome[B, E, F]:
        """Run a saga that may have async steps."""
        ...

    def run_many(
        self,
        saga: Callable[[A], Saga[A, B, E, F]],
        values: Iterable[A],
        run_id: Callable[[A], str],
        /,
    ) -> Iterator[Outcome[B, E, F]]:
        """Run the saga of each value, one after the other."""
        ...

    def run_many_async(
        self,
        saga: Callable[[A], Saga[A, B, E, F, Async]],
        values: Iterable[A],
        run_id: Callable[[A], str],
        /,
    ) -> AsyncIterator[Outcome[B, E, F]]:
        """Run the saga of each value, one after the other; it may have async steps."""
        ...

    def end(self) -> None:
        """Let everything that is underway arrive, and all be calm from here on."""
        ...


class Calm:
    """Every request arrives, and nothing is out of the ordinary."""

    def wire(self, request: Callable[[], Result[T, E]], /) -> Result[T, E | Refused]:
        """Deliver the request."""
        return request()

    def run(self, saga: Saga[None, B, E, F], run_id: str, /) -> Outcome[B, E, F]:
        """Run a saga."""
        return run(saga, run_id=run_id)

    async def run_async(self, saga: Saga[None, B, E, F, Async], run_id: str, /) -> Outcome[B, E, F]:
        """Run a saga that may have async steps."""
        return await run_async(saga, run_id=run_id)

    def run_many(
        self,
        saga: Callable[[A], Saga[A, B, E, F]],
        values: Iterable[A],
        run_id: Callable[[A], str],
        /,
    ) -> Iterator[Outcome[B, E, F]]:
        """Run the saga of each value, one after the other."""
        return run_many(saga, values, limit=1, run_id=run_id)

    def run_many_async(
        self,
        saga: Callable[[A], Saga[A, B, E, F, Async]],
        values: Iterable[A],
        run_id: Callable[[A], str],
        /,
    ) -> AsyncIterator[Outcome[B, E, F]]:
        """Run the saga of each value, one after the other; it may have async steps."""
        return run_many_async(saga, values, limit=1, run_id=run_id)

    def end(self) -> None:
        """Let nothing change."""
