"""``Supervisor``: many runs on threads, watched and cancelled; ``run_many``: a pool over values."""

from __future__ import annotations

import os
import random
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from functools import partial
from types import TracebackType
from typing import Any, Self, TypeAlias, overload

from typing_extensions import TypeVar, override

from sagalib.core.history import History
from sagalib.core.outcomes import Outcome
from sagalib.core.saga import Saga, Sync
from sagalib.drivers.calls import Observer, OnCompensationFailure, logger
from sagalib.drivers.clock import Clock, SystemClock
from sagalib.drivers.records import Board, Record, maker_of, whole
from sagalib.drivers.sync import refuse_async, run, to_the_end
from sagalib.drivers.sync_run import SyncRun

__all__ = ["Supervisor", "run_many"]

A = TypeVar("A")
B = TypeVar("B")
E = TypeVar("E")
F = TypeVar("F")

_SYSTEM_CLOCK = SystemClock()


class _Stop(BaseException):
    """What a cancelled run is interrupted by, as by Ctrl-C; it never leaves this module."""


class _Signal:
    """How a run on a thread is woken, and how it tells that it is over."""

    __slots__ = ("call", "over", "stopped")

    def __init__(self) -> None:
        self.over = threading.Event()
        self.stopped = threading.Event()
        self.call: threading.Event | None = None
        """What is set when the call answers that the run waits for, on a thread of its own."""

    def stop(self) -> None:
        """Wake the run from a pause, or from waiting for a call."""
        self.stopped.set()
        if self.call is not None:
            self.call.set()


_Record: TypeAlias = Record[_Signal]


class _WatchedRun(SyncRun):
    """A run that can be cancelled while it waits: on the way there, not on the way back."""

    record: _Record

    @override
    def sleep(self, seconds: float) -> None:
        if self.is_unwinding():
            super().sleep(seconds)
        else:
            self.clock.wait(self.record.done.stopped, seconds)

    @override
    def wait(self, done: threading.Event, seconds: float | None) -> bool:
        if self.is_unwinding() or self.state.book.cancels:
            return super().wait(done, seconds)
        signal = self.record.done
        signal.call = done  # before the look at `stopped`: whoever stops sets that first
        in_time = not signal.stopped.is_set() and super().wait(done, seconds)
        if signal.stopped.is_set():
            raise _Stop
        return in_time

    @override
    def turns(self) -> Outcome[Any, Any, Any]:
        self.record.outcome = super().turns()  # in no name of this frame: see ``to_the_end``
        return self.record.outcome

    @override
    def close(self) -> None:
        super().close()
        self.audience = None  # which holds the events, as the record does the outcome
        del self.record


def _watched(record: _Record, *arguments: Any) -> SyncRun:
    run = record.run = _WatchedRun(*arguments)
    run.record = record
    return run


class Supervisor(Board[_Signal]):
    """Starts, watches and cancels runs of plain functions, each on a thread of its own.

    ::

        with Supervisor(max_running=8) as supervisor:
            run_id = supervisor.start(place_order, order)
            supervisor.status(run_id)
            outcome = supervisor.wait(run_id)

    Leaving the ``with`` waits for all runs. Leaving it by an exception (that of a Ctrl-C in
    ``wait``, too), or Ctrl-C while it waits, cancels them all, waits for their compensations, and
    raises. The threads are no daemons: an interpreter that ends waits for them too, until Ctrl-C
    ends it. All methods may be called from any thread. A run sees the context variables of the
    ``start`` that began it.

    ``SystemExit`` and the like, raised inside a step, end that run alone: it compensates, its
    outcome says ``Cancelled``, and the exception is logged.

    A cancel ends a pause at once, and walks away from a call with a hard timeout, which is then in
    doubt. Any other call cannot be cut on a thread: it ends first.

    Args:
        max_running: how many runs go on at once, 1 or more; the rest is ``pending``.
        keep: how many runs that have ended are remembered, 0 or more; the first to end is the first
            to be forgotten.
        observers: as for ``run``, of all runs; called on their threads, so of different runs at
            once.
        clock: the time; the system's by default. Its ``wait`` is used for pauses too, since a
            cancel ends them.
        dice: as for ``run``.
        on_compensation_failure: as for ``run``.

    Raises:
        InvalidSaga, InvalidOption: an argument is not as it should be.
    """

    def __init__(
        self,
        max_running: int = 32,
        keep: int = 1000,
        *,
        observers: Iterable[Observer] = (),
        clock: Clock = _SYSTEM_CLOCK,
        dice: Callable[[], float] = random.random,
        on_compensation_failure: OnCompensationFailure = "continue",
    ) -> None:
        """Start nothing yet."""
        super().__init__(max_running, keep, observers, dice, on_compensation_failure)
        self._clock: Clock = clock
        self._process = os.getpid()
        self._threads: dict[threading.Thread, threading.Event] = {}
        """Those that have not ended, and what is set when they have."""

    @overload
    def start(self, saga: Saga[None, Any, Any, Any, Sync], *, run_id: str | None = None) -> str: ...
    @overload
    def start(
        self, saga: Saga[A, Any, Any, Any, Sync], value: A, run_id: str | None = None
    ) -> str: ...
    def start(
        self, saga: Saga[Any, Any, Any, Any, Sync], value: Any = None, run_id: str | None = None
    ) -> str:
        """Start a run, and give its id at once.

        Args:
            saga: what to run; without async steps.
            value: its input; may be left out for a saga that takes ``None``.
            run_id: as for ``run``; made up if left out.

        Raises:
            RunIdInUse: a run of that id goes on in this process, or is kept here.
            SupervisorClosed: the ``with`` of this supervisor has been left.
            WrongColour: the saga has an async step.
            InvalidSaga, InvalidOption: an argument is not as it should be.
        """
        return self._start(saga, value, run_id).run_id

    def wait(self, run_id: str, timeout: float | None = None) -> Outcome[Any, Any, Any]:
        """Wait until a run has ended; give its outcome, whatever it is.

        A run that was cancelled gives its outcome too, with ``Cancelled`` as the reason; or ``Ok``,
        if the last call was going on and went well, so that nothing was left to stop.

        Args:
            run_id: what ``start`` gave.
            timeout: seconds; ``None`` waits as long as it takes.

        Raises:
            TimeoutError: the run had not ended by then; it goes on.
            UnknownRun: no run of that id was started here, or it is no longer kept.
        """
        record = self._find(run_id)
        over = record.done.over
        if timeout is None:
            over.wait()
        elif not self._clock.wait(over, timeout):
            raise TimeoutError(f"run {run_id} has not ended within {timeout} seconds; it goes on")
        return self._outcome(record)

    def __enter__(self) -> Self:
        """Give the supervisor itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Wait for all runs; cancel them first if an exception comes."""
        if self._process != os.getpid():
            return  # a forked child has none of the threads: the runs are those of its parent
        interrupt: BaseException | None = None
        is_waiting = True
        while is_waiting:
            try:
                self._close()
                others = self._others()
                if error is not None or interrupt is not None:
                    self._cancel_all()
                for thread, ended in others:
                    ended.wait()  # join() alone is for threads that have begun, and for once:
                    thread.join()  # in CPython 3.11, one that was interrupted waits no more
                is_waiting = bool(others)
            except BaseException as another:
                interrupt = interrupt or another
        if interrupt is not None and (error is None or isinstance(error, Exception)):
            raise interrupt

    def _start(self, saga: Any, value: Any, run_id: str | None) -> _Record:
        record = self._enter(saga, value, run_id, self._clock.epoch_ns, _Signal())
        if self._take_place():
            try:
                self._spawn(self._work, places=1)
            except RuntimeError:  # no more threads, or the interpreter is shutting down
                if self._withdraw(record):
                    raise
        return record

    @override
    def _refuse(self, saga: Saga[Any, Any, Any, Any, Any]) -> None:
        refuse_async(saga, "Supervisor", "AsyncSupervisor")

    @override
    def _interrupt(self, record: _Record) -> None:
        record.interrupts.append(_Stop())
        record.done.stop()

    @override
    def _begin(self, records: list[_Record]) -> None:
        # Not on this thread: Ctrl-C, which is for whoever cancels, would be one for the run.
        with suppress(RuntimeError):  # no more threads: they end in their turn
            self._spawn(partial(self._end, records), places=0)

    def _end(self, records: list[_Record]) -> None:
        for record in records:
            if self._take(record):
                self._perform(record)

    def _others(self) -> list[tuple[threading.Thread, threading.Event]]:
        """Give the threads that this one can wait for, once each run has one that sees to it."""
        if self._take_place():  # a start that was interrupted, or is going on, has left it free
            try:
                self._spawn(self._work, places=1)
            except RuntimeError:  # no more threads: those there are will do, or this one
                if not self._threads and self._take_place():
                    self._work()
        this = threading.current_thread()
        threads = self._threads.copy().items()  # at once: each thread takes itself out
        return [(thread, ended) for thread, ended in threads if thread is not this]

    def _spawn(self, work: Callable[[], None], *, places: int) -> None:
        """Begin a thread, for which so many places were taken; give them back if it cannot."""
        ended = threading.Event()
        thread = threading.Thread(
            target=self._on_thread, args=(work, ended), name="sagalib supervisor", daemon=False
        )
        try:
            self._threads[thread] = ended
            thread.start()
        except BaseException:
            with self._lock:
                if thread.ident is None:  # it has not begun; if it does yet, it finds itself gone
                    self._threads.pop(thread, None)
                    self._running -= places
            raise

    def _on_thread(self, work: Callable[[], None], ended: threading.Event) -> None:
        thread = threading.current_thread()
        with self._lock:
            is_wanted = thread in self._threads
        try:
            if is_wanted:
                work()
        finally:
            self._threads.pop(thread, None)
            ended.set()
            del self, work  # as in _drive: an exception that an outcome holds, holds its thread

    def _work(self) -> None:
        """Perform what is pending, run after run."""
        while (record := self._next()) is not None:
            self._perform(record)
        del self

    def _perform(self, record: _Record) -> None:
        """Take a run to its end, whatever comes of it."""
        try:
            record.context.run(self._drive, record)
        except _Stop:
            pass  # the outcome tells
        except BaseException as passed:
            record.passed = passed
            logger.warning("run %s was interrupted", record.run_id, exc_info=True)
        self._leave(record)
        record.done.over.set()
        del self, record  # as in _drive

    def _drive(self, record: _Record) -> None:
        clock, given, stop = self._clock, record.given, self._policy == "stop"
        past = History(*given, record.run_id, stop, clock.now_ns(), clock.epoch_ns)
        try:
            to_the_end(
                past,
                record.audience,
                clock,
                self._dice,
                interrupts=record.interrupts,
                make=partial(_watched, record),
            )
        finally:
            del self, past, record  # as in ``to_the_end``: no ring of frames is to stay


class _Pool(Supervisor):
    """A supervisor that hands its runs to one who takes them in order."""

    def submit(self, saga: Any, value: Any, run_id: str | None) -> _Record:
        return self._start(saga, value, run_id)

    def result(self, record: _Record) -> Outcome[Any, Any, Any]:
        """Wait for an outcome; raise what passed through the run, as ``run`` does."""
        record.done.over.wait()
        if record.passed is not None:
            raise record.passed
        return self._outcome(record)


def run_many(
    saga: Saga[A, B, E, F, Sync] | Callable[[A], Saga[A, B, E, F, Sync]],
    values: Iterable[A],
    *,
    limit: int,
    run_id: Callable[[A], str] | None = None,
    observers: Iterable[Observer] = (),
    clock: Clock = _SYSTEM_CLOCK,
    dice: Callable[[], float] = random.random,
    on_compensation_failure: OnCompensationFailure = "continue",
) -> Iterator[Outcome[B, E, F]]:
    """Run ``saga`` on each of ``values``; give the outcomes one by one, in the order of the values.

    ::

        for outcome in run_many(place_order, orders, limit=8): ...

    A value is taken only when there is a place for its run: at most ``limit`` values are ahead of
    the outcomes that were given. With ``limit=1`` the runs follow one another on this thread, as
    with ``run``; with more, each has a thread of its own.

    If taking a value raises, the runs that were started end, their outcomes are given, and then it
    is raised. Whoever stops early (``break`` and ``close()``, Ctrl-C) has the runs in progress
    cancelled, and waits for their compensations.

    Args:
        saga: what to run on every value; or a function that gives the saga for a value.
        values: the inputs; may be endless.
        limit: how many runs go on at once, 1 or more.
        run_id: gives the id of the run of a value; ids are made up if left out.
        observers: as for ``Supervisor``.
        clock: as for ``Supervisor``.
        dice: as for ``run``.
        on_compensation_failure: as for ``run``.

    Raises:
        WrongColour, InvalidSaga, InvalidOption: an argument is not as it should be; nothing has
            been called.
        KeyboardInterrupt, SystemExit, ...: what interrupted a run, as for ``run``.
    """
    whole("limit", limit, least=1)
    make = maker_of(saga, lambda one: refuse_async(one, "run_many", "run_many_async"))
    name, heard = run_id or _nameless, tuple(observers)
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
    return (
        run(
            make(each),
            each,
            run_id=name(each),
            observers=heard,
            clock=clock,
            dice=dice,
            on_compensation_failure=on_compensation_failure,
        )
        for each in values
    )


def _nameless(_: object) -> None:
    """Leave it to the driver to make up an id."""


def _pooled(
    pool: _Pool, started: Iterator[_Record], limit: int
) -> Iterator[Outcome[Any, Any, Any]]:
    waiting: deque[_Record] = deque()
    failure: Exception | None = None
    with pool:
        while failure is None:
            try:
                waiting.append(next(started))
            except StopIteration:
                break
            except Exception as error:
                failure = error
            if len(waiting) == limit:
                yield pool.result(waiting.popleft())
        while waiting:
            yield pool.result(waiting.popleft())
    if failure is not None:
        raise failure
