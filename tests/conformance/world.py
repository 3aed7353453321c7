"""One description of a saga for every driver: scripted steps, and the calls that they got."""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Callable, Iterable
from typing import Any, Final, Literal, TypeAlias, TypedDict, cast

from attrs import frozen
from returns.result import Failure, Result, Success
from typing_extensions import Unpack

from sagalib import (
    AsyncStep,
    Event,
    Observer,
    Outcome,
    Saga,
    Step,
    arrow,
    async_stage,
    identity,
    outcome_of,
    run,
    run_async,
    stage,
)
from tests.support.time import SECOND, VirtualClock, run_virtual

__all__ = [
    "DONE",
    "HANG",
    "INTERRUPT",
    "MODES",
    "PLAIN_MODES",
    "UNIT",
    "AnySaga",
    "Call",
    "Did",
    "Mode",
    "Settled",
    "Takes",
    "Undid",
    "World",
    "by_fault",
    "opened",
    "story",
]

AnySaga: TypeAlias = Saga[Any, Any, Any, Any, Any]
UNIT: Final[AnySaga] = identity()

Mode: TypeAlias = Literal["run", "run_async", "run_async with plain steps"]
MODES: Final[tuple[Mode, ...]] = ("run", "run_async", "run_async with plain steps")
PLAIN_MODES: Final[tuple[Mode, ...]] = ("run", "run_async with plain steps")


@frozen
class Did:
    """An execute was called with the value."""

    step: str
    value: object


@frozen
class Undid:
    """A compensate was called with the value; of a stage with context, with the tuple."""

    step: str
    value: object


@frozen
class Settled:
    """A settle was called with the value."""

    step: str
    value: object


Call: TypeAlias = Did | Undid | Settled


@frozen
class Takes:
    """An answer that takes its time."""

    seconds: float
    then: object


@frozen
class _Hang:
    """A call that gives no answer before the run has ended."""


@frozen
class _Interrupt:
    """A call during which the run is interrupted.

    A plain function raises KeyboardInterrupt; in a coroutine function the task of the run is
    cancelled, and the function goes on if that does not reach it.
    """


HANG: Final = _Hang()
INTERRUPT: Final = _Interrupt()
DONE: Final[Result[None, Any]] = Success(None)


class _PlainClock(VirtualClock):
    """The clock of `run`, with a say before each pause."""

    def __init__(self, before_pause: Callable[[], None]) -> None:
        super().__init__()
        self._before_pause = before_pause

    def sleep(self, seconds: float, /) -> None:
        self._before_pause()
        super().sleep(seconds)


class _TaskClock:
    """The clock of `run_async`: virtual time of the loop, and what plain functions take of it."""

    epoch_ns = 0

    def __init__(self, before_pause: Callable[[], None]) -> None:
        self._before_pause = before_pause
        self._taken = 0
        self.sleeps: list[float] = []

    def now_ns(self) -> int:
        return round(asyncio.get_running_loop().time() * SECOND) + self._taken

    def advance(self, seconds: float) -> None:
        self._taken += round(seconds * SECOND)

    async def sleep(self, seconds: float, /) -> None:
        self._before_pause()
        self.sleeps.append(seconds)
        await asyncio.sleep(seconds)

    def call_at(self, when_ns: int, callback: Callable[[], object], /) -> asyncio.TimerHandle:
        loop = asyncio.get_running_loop()
        return loop.call_at((when_ns - self._taken) / SECOND, callback)


class Options(TypedDict, total=False):
    """The keywords that both drivers take."""

    run_id: str
    observers: Iterable[Observer]
    dice: Callable[[], float]
    on_compensation_failure: Literal["continue", "stop"]


class World:
    """Makes steps that answer from a script, runs them by one driver, and remembers the calls.

    An answer is a `Result` to return, an exception to raise, `Takes(seconds, answer)`, `HANG`,
    `INTERRUPT`, a function of the input that gives an answer, or any other value, which is returned
    as it is. There is one for each call; the last one is for all further calls.
    """

    def __init__(self, mode: Mode) -> None:
        self.mode = mode
        self.calls: list[Call] = []
        self.interrupts: list[BaseException] = []
        """What the interrupted functions and pauses raised or saw."""
        self.interrupts_pauses = False
        self.is_repaired = False
        """Whether every call succeeds from now on, whatever the scripts say."""
        self._plain_clock = _PlainClock(self._before_pause)
        self._task_clock = _TaskClock(self._before_pause)
        self._released = threading.Event()
        self._hanging: list[threading.Thread] = []
        self._task: asyncio.Task[Any] | None = None

    @property
    def pauses(self) -> list[float]:
        """The pauses between attempts, in seconds."""
        return (self._plain_clock if self.mode == "run" else self._task_clock).sleeps

    @property
    def is_async(self) -> bool:
        """Whether the steps are made of coroutine functions."""
        return self.mode == "run_async"

    def step(
        self,
        name: str,
        *answers: object,
        undo: object = DONE,
        settle: object = None,
        **settings: object,
    ) -> AnySaga:
        """Make a step; by default it gives its name in capitals, and its compensation succeeds.

        Args:
            name: the name of the step.
            answers: what execute answers.
            undo: what compensate answers: one answer or a tuple of them; `None` for none.
            settle: what settle answers, in the same way.
            settings: the keywords of `Step`.
        """
        kind: Any = AsyncStep if self.is_async else Step
        made: AnySaga = kind(
            self._function(Did, name, answers or (Success(name.upper()),)),
            self._function(Undid, name, undo),
            settle=self._function(Settled, name, settle),
            name=name,
            **settings,
        )
        return made

    def stage(
        self,
        name: str,
        *answers: object,
        undo: object = DONE,
        settle: object = None,
        **settings: object,
    ) -> AnySaga:
        """Make a stage of a growing context, as `step` does; it records the tuple of its inputs."""
        kind: Any = async_stage if self.is_async else stage
        spread = bool(settings.get("context"))
        made: AnySaga = kind(
            self._function(Did, name, answers or (Success(name.upper()),), spread=True),
            self._function(Undid, name, undo, spread=spread),
            settle=self._function(Settled, name, settle, spread=True),
            name=name,
            **settings,
        )
        return made

    def run(
        self, saga: AnySaga, value: object = "in", **options: Unpack[Options]
    ) -> Outcome[Any, Any, Any]:
        """Run a saga to its end, by the driver of this world."""
        if self.mode == "run":
            return run(saga, value, clock=self._plain_clock, **options)
        return run_virtual(self._run_async(saga, value, options))

    def interrupted(
        self, saga: AnySaga, value: object = "in", **options: Unpack[Options]
    ) -> tuple[BaseException, Outcome[Any, Any, Any] | None]:
        """Run a saga that an exception passes through; give the exception, and its outcome."""
        if self.mode == "run":
            try:
                run(saga, value, clock=self._plain_clock, **options)
            except BaseException as passed:
                return passed, outcome_of(passed)
            raise AssertionError("the run raised nothing")
        return run_virtual(self._interrupted_async(saga, value, options))

    def release(self) -> None:
        """Let the plain functions go on that hang, and wait for the end of their threads."""
        self._released.set()
        for thread in self._hanging:
            thread.join(timeout=10)

    async def _run_async(
        self, saga: AnySaga, value: object, options: Options
    ) -> Outcome[Any, Any, Any]:
        self._task = asyncio.current_task()
        return await run_async(saga, value, clock=self._task_clock, **options)

    async def _interrupted_async(
        self, saga: AnySaga, value: object, options: Options
    ) -> tuple[BaseException, Outcome[Any, Any, Any] | None]:
        try:
            await self._run_async(saga, value, options)
        except BaseException as passed:
            return passed, outcome_of(passed)
        raise AssertionError("the run raised nothing")

    def _before_pause(self) -> None:
        if not self.interrupts_pauses:
            return
        if self.mode == "run":
            self._raise_interrupt()
        self._cancel()

    def _raise_interrupt(self) -> None:
        interrupt = KeyboardInterrupt()
        self.interrupts.append(interrupt)
        raise interrupt

    def _cancel(self) -> None:
        if self._task is not None:
            self._task.cancel()

    def _function(
        self, record: type[Call], name: str, answers: object, *, spread: bool = False
    ) -> Callable[..., object] | None:
        if answers is None:
            return None
        left: deque[object] = deque()
        if isinstance(answers, tuple):
            left.extend(cast("tuple[object, ...]", answers))
        else:
            left.append(answers)

        def called(values: tuple[object, ...]) -> tuple[object, object]:
            value = values if spread else values[0]
            self.calls.append(record(name, value))
            if self.is_repaired:
                return DONE, value
            return (left.popleft() if len(left) > 1 else left[0]), value

        def plain(*values: object) -> object:
            return self._answer(*called(values))

        async def coroutine(*values: object) -> object:
            return await self._answer_in_task(*called(values))

        return coroutine if self.is_async else plain

    def _answer(self, answer: object, value: object) -> object:
        match answer:
            case Takes(seconds, then):
                (self._plain_clock if self.mode == "run" else self._task_clock).advance(seconds)
                return self._answer(then, value)
            case _Hang():
                self._hanging.append(threading.current_thread())
                self._released.wait()
                return DONE
            case _Interrupt():
                self._raise_interrupt()
            case BaseException():
                raise answer
            case _ if callable(answer):
                return self._answer(answer(value), value)
            case _:
                pass
        return answer

    async def _answer_in_task(self, answer: object, value: object) -> object:
        match answer:
            case Takes(seconds, then):
                await asyncio.sleep(seconds)
                return await self._answer_in_task(then, value)
            case _Hang():
                await asyncio.Event().wait()
            case _Interrupt():
                self._cancel()
                try:
                    await asyncio.sleep(1)
                except asyncio.CancelledError as cancelled:
                    self.interrupts.append(cancelled)
                    raise
                return DONE
            case BaseException():
                raise answer
            case _ if callable(answer):
                return await self._answer_in_task(answer(value), value)
            case _:
                pass
        return answer


def story(events: Iterable[Event]) -> list[str]:
    """Give the kinds of events, each with the path of its step if it has one."""
    return [f"{event.kind} {getattr(event, 'path', '')}".rstrip() for event in events]


def _alone(value: object) -> tuple[object]:
    return (value,)


def opened() -> AnySaga:
    """Open a growing context that holds the input alone."""
    return arrow(_alone)


def by_fault(fault: str, name: str) -> object:
    """Give the answer that a word stands for: `ok`, `fails` or `raises`."""
    answers: dict[str, object] = {
        "ok": Success(name.upper()),
        "fails": Failure(f"{name} failed"),
        "raises": OSError(f"{name} broke"),
    }
    return answers[fault]
