"""``AsyncSupervisor``: what ``Supervisor`` is, with a task for each run; ``run_many_async``."""

from __future__ import annotations

import asyncio
import random
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator
from functools import partial
from types import TracebackType
from typing import Any, Self, TypeAlias, overload

from typing_extensions import TypeVar, override

from sagalib.core.history import History
from sagalib.core.outcomes import Outcome
from sagalib.core.policy import SECOND_NS
from sagalib.core.saga import Async, Saga
from sagalib.drivers.aio import run_async, to_the_end
from sagalib.drivers.aio_run import AsyncRun
from sagalib.drivers.calls import CURRENT, Observer, OnCompensationFailure
from sagalib.drivers.clock import AsyncClock
from sagalib.drivers.records import Board, Record, maker_of, whole
from sagalib.drivers.watchdog import watchdog_of

__all__ = ["AsyncSupervisor", "run_many_async"]

A = TypeVar("A")
B = TypeVar("B")
E = TypeVar("E")
F = TypeVar("F")

_Record: TypeAlias = Record[asyncio.Future[None]]


class _WatchedRun(AsyncRun):
    """A run that tells its outcome, also when it raises in the end."""

    record: _Record

    @override
    async def turns(self) -> Outcome[Any, Any, Any]:
        self.record.outcome = await super().turns()  # in no name of this frame
        return self.record.outcome

    @override
    def close(self) -> None:
        super().close()
        self.audience = None  # which holds the events, as the record does the outcome
        del self.record


def _watched(record: _Record, *arguments: Any, **more: Any) -> AsyncRun:
    run = record.run = _WatchedRun(*arguments, **more)
    run.record = record
    return run


class AsyncSupervisor(Board["asyncio.Future[None]"]):
    """Starts, watches and cancels runs, each in a task of its own.

    ::

        async with AsyncSupervisor(max_running=8) as supervisor:
            run_id = supervisor.start(place_order, order)
            supervisor.status(run_id)
            outcome = await supervisor.wait(run_id)

    Leaving the ``async with`` waits for all runs. Leaving it by an exception, or a cancellation
    while it waits, cancels them all, waits for their compensations whatever else is cancelled, and
    raises. The tasks are held, so that none is lost. All is to be called in one event loop. A run
    sees the context variables of the ``start`` that began it.

    ``KeyboardInterrupt`` and ``SystemExit``, raised inside a step, leave the event loop after the
    compensations of that run, as they do from any task.

    A cancel cuts the call in progress at once, which is then in doubt, as that of a task does.

    Args:
        max_running: how many runs go on at once, 1 or more; the rest is ``pending``.
        keep: how many runs that have ended are remembered, 0 or more; the first to end is the first
            to be forgotten.
        observers: as for ``run_async``, of all runs.
        clock: the time; the event loop's by default.
        dice: as for ``run_async``.
        on_compensation_failure: as for ``run_async``.

    Raises:
        InvalidSaga, InvalidOption: an argument is not as it should be.
    """

    def __init__(
        self,
        max_running: int = 32,
        keep: int = 1000,
        *,
        observers: Iterable[Observer] = (),
        clock: AsyncClock | None = None,
        dice: Callable[[], float] = random.random,
        on_compensation_failure: OnCompensationFailure = "continue",
    ) -> None:
        """Start nothing yet."""
        super().__init__(max_running, keep, observers, dice, on_compensation_failure)
        self._clock: AsyncClock | None = clock
        self._tasks: dict[str, asyncio.Task[None]] = {}

    @overload
    def start(
        self, saga: Saga[None, Any, Any, Any, Async], *, run_id: str | None = None
    ) -> str: ...
    @overload
    def start(
        self, saga: Saga[A, Any, Any, Any, Async], value: A, run_id: str | None = None
    ) -> str: ...
    def start(
        self, saga: Saga[Any, Any, Any, Any, Async], value: Any = None, run_id: str | None = None
    ) -> str:
        """Start a run, and give its id at once; its first step is called when the loop turns.

        Args:
            saga: what to run, with plain and async steps.
            value: its input; may be left out for a saga that takes ``None``.
            run_id: as for ``run_async``; made up if left out.

        Raises:
            RunIdInUse: a run of that id goes on in this process, or is kept here.
            SupervisorClosed: the ``async with`` of this supervisor has been left.
            InvalidSaga, InvalidOption: an argument is not as it should be.
        """
        return self._start(saga, value, run_id).run_id

    async def wait(self, run_id: str, timeout: float | None = None) -> Outcome[Any, Any, Any]:  # noqa: ASYNC109 - as Supervisor has it, and on the clock of the supervisor
        """Wait until a run has ended; give its outcome, whatever it is.

        A run that was cancelled gives its outcome too, with ``Cancelled`` as the reason; or ``Ok``,
        if nothing was left to stop. Whoever waits may be cancelled: the run goes on.

        Args:
            run_id: what ``start`` gave.
            timeout: seconds; ``None`` waits as long as it takes.

        Raises:
            TimeoutError: the run had not ended by then; it goes on.
            UnknownRun: no run of that id was started here, or it is no longer kept.
        """
        record = self._find(run_id)
        if not await self._over(record, timeout):
            raise TimeoutError(f"run {run_id} has not ended within {timeout} seconds; it goes on")
        return self._outcome(record)

    async def __aenter__(self) -> Self:
        """Give the supervisor itself."""
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Wait for all runs; cancel them first if an exception comes."""
        self._close()
        interrupt: asyncio.CancelledError | None = None
        while self._tasks:
            if error is not None or interrupt is not None:
                self._cancel_all()
            try:
                await asyncio.wait(self._tasks.values())
            except asyncio.CancelledError as another:
                interrupt = interrupt or another
        if interrupt is not None and (error is None or isinstance(error, Exception)):
            raise interrupt

    def _start(self, saga: Any, value: Any, run_id: str | None) -> _Record:
        epoch_ns = watchdog_of(self._clock).clock.epoch_ns
        over = asyncio.get_running_loop().create_future()
        record = self._enter(saga, value, run_id, epoch_ns, over)
        self._fill_place()
        return record

    def _fill_place(self) -> None:
        if self._take_place() and (record := self._next()) is not None:
            self._spawn(record, self._give_place)

    def _give_place(self) -> None:
        """Begin the run that has been pending longest in the place of one that is over."""
        if (record := self._next()) is not None:
            self._spawn(record, self._give_place)

    @override
    def _interrupt(self, record: _Record) -> None:
        task = self._tasks.get(record.run_id)
        if task is None or record.run is None:  # a task cancelled before its first step makes none
            record.interrupts.append(asyncio.CancelledError())
        else:
            task.cancel()

    @override
    def _begin(self, records: list[_Record]) -> None:
        for record in records:
            self._take(record)  # it is: nothing else runs meanwhile in this loop
            self._spawn(record, _nothing)

    def _spawn(self, record: _Record, then: Callable[[], None]) -> None:
        def over(task: asyncio.Task[None]) -> None:
            del self._tasks[record.run_id]
            record.passed = asyncio.CancelledError() if task.cancelled() else task.exception()
            self._leave(record)
            record.done.set_result(None)
            then()

        task = asyncio.get_running_loop().create_task(
            self._drive(record), name=f"sagalib run {record.run_id}", context=record.context
        )
        self._tasks[record.run_id] = task
        task.add_done_callback(over)

    async def _drive(self, record: _Record) -> None:
        CURRENT.set(None)  # whoever starts a run inside a step: the call is not that of the run

        watchdog, given, stop = watchdog_of(self._clock), record.given, self._policy == "stop"
        clock = watchdog.clock
        past = History(*given, record.run_id, stop, clock.now_ns(), clock.epoch_ns)
        try:
            await to_the_end(
                past,
                record.audience,
                watchdog,
                self._dice,
                interrupts=record.interrupts,
                make=partial(_watched, record),
            )
        except asyncio.CancelledError:
            if record.outcome is None:
                raise
        finally:
            del past, record, self  # as in ``to_the_end``: no ring of frames is to stay

    async def _over(self, record: _Record, seconds: float | None) -> bool:
        """Wait until a run is over, ``seconds`` at the most; tell whether it is."""
        clock = watchdog_of(self._clock).clock
        woken = asyncio.get_running_loop().create_future()

        def wake(_: object = None) -> None:
            if not woken.done():
                woken.set_result(None)

        due = None if seconds is None else clock.now_ns() + int(seconds * SECOND_NS)
        timer = None if due is None else clock.call_at(due, wake)
        record.done.add_done_callback(wake)
        try:
            await woken
        finally:
            record.done.remove_done_callback(wake)
            if timer is not None:
                timer.cancel()
        return record.done.done()


def _nothing() -> None:
    """Do nothing: a run that began out of turn has no place to give."""


class _Pool(AsyncSupervisor):
    """A supervisor that hands its runs to one who takes them in order."""

    def submit(self, saga: Any, value: Any, run_id: str | None) -> _Record:
        return self._start(saga, value, run_id)

    async def result(self, record: _Record) -> Outcome[Any, Any, Any]:
        """Wait for an outcome."""
        await self._over(record, None)
        return self._outcome(record)


def run_many_async(
    saga: Saga[A, B, E, F, Async] | Callable[[A], Saga[A, B, E, F, Async]],
    values: Iterable[A],
    *,
    limit: int,
    run_id: Callable[[A], str] | None = None,
    observers: Iterable[Observer] = (),
    clock: AsyncClock | None = None,
    dice: Callable[[], float] = random.random,
    on_compensation_failure: OnCompensationFailure = "continue",
) -> AsyncIterator[Outcome[B, E, F]]:
    """Run ``saga`` on each of ``values``; give the outcomes one by one, in the order of the values.

    ::

        async for outcome in run_many_async(place_order, orders, limit=8): ...

    A value is taken only when there is a place for its run: at most ``limit`` values are ahead of
    the outcomes that were given. With ``limit=1`` the runs follow one another in this task, as with
    ``run_async``; with more, each has a task of its own.

    If taking a value raises, the runs that were started end, their outcomes are given, and then it
    is raised. A cancellation, and ``aclose()``, cancel the runs in progress and wait for their
    compensations. A ``break`` alone leaves the ``aclose()`` to the event loop: write ``async with
    contextlib.aclosing(...)`` to wait for it there and then.

    Args:
        saga: what to run on every value; or a function that gives the saga for a value.
        values: the inputs; may be endless.
        limit: how many runs go on at once, 1 or more.
        run_id: gives the id of the run of a value; ids are made up if left out.
        observers: as for ``run_async``, of all runs.
        clock: the time; the event loop's by default.
        dice: as for ``run_async``.
        on_compensation_failure: as for ``run_async``.

    Raises:
        InvalidSaga, InvalidOption: an argument is not as it should be; nothing has been called.
        asyncio.CancelledError, KeyboardInterrupt, ...: what interrupted a run, as for
            ``run_async``.
    """
    whole("limit", limit, least=1)
    make, name, heard = maker_of(saga, _nameless), run_id or _nameless, tuple(observers)
    pool = _Pool(
        limit,
        0,
        observers=heard,
        clock=clock,
        dice=dice,
        on_compensation_failure=on_compensation_failure,
    )
    if limit > 1:
        return _pooled(pool, (pool.submit(make(each), each, name(each)) for each in values), limit)
    return _one_by_one(
        lambda value: run_async(
            make(value),
            value,
            run_id=name(value),
            observers=heard,
            clock=clock,
            dice=dice,
            on_compensation_failure=on_compensation_failure,
        ),
        values,
    )


async def _one_by_one(
    perform: Callable[[Any], Awaitable[Outcome[Any, Any, Any]]], values: Iterable[Any]
) -> AsyncIterator[Outcome[Any, Any, Any]]:
    for value in values:
        yield await perform(value)


def _nameless(_: object) -> None:
    """Leave it to the driver to make up an id."""


async def _pooled(
    pool: _Pool, started: Iterator[_Record], limit: int
) -> AsyncIterator[Outcome[Any, Any, Any]]:
    waiting: deque[_Record] = deque()
    failure: Exception | None = None
    async with pool:
        while failure is None:
            try:
                waiting.append(next(started))
            except StopIteration:
                break
            except Exception as error:
                failure = error
            if len(waiting) == limit:
                yield await pool.result(waiting.popleft())
        while waiting:
            yield await pool.result(waiting.popleft())
    if failure is not None:
        raise failure
