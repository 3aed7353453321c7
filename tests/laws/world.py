"""The outside world of a generated saga: what each call answers, and a ledger of all calls.

A plan says what the calls of each path answer, one after the other. The functions of all generated
steps are `Act` and `AsyncAct`: they write down what they were given, and then act out the answer,
in the real drivers too: a timeout hangs, a cut is interrupted.
"""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from enum import Enum
from typing import Any, Final, NamedTuple, TypeAlias

from attrs import frozen
from returns.result import Failure, Result, Success

from sagalib import Call, Event, current_call
from sagalib.core.events import CompensationStarted, StepStarted
from sagalib.core.policy import Soft
from tests.support.time import SECOND, VirtualClock

SECONDS: Final = 5.0
"""The length of every timeout."""
SOFT: Final = Soft(SECONDS)
HARD: Final = SECONDS


class Answer(Enum):
    """What a call answers, or what happens to it."""

    OK = "ok"
    ERR = "returns an error"
    RAISE = "raises"
    BARE = "returns no Result"
    TIMEOUT = "hangs until it is given up"
    LATE = "succeeds after its soft timeout"
    LATE_ERR = "returns an error after its soft timeout"
    CUT = "is interrupted"
    CANCEL = "the run is cancelled before it"
    REFUSED = "is not begun by the driver"


SUCCEEDED: Final = frozenset({Answer.OK, Answer.LATE})
DEFINITE: Final = frozenset({Answer.OK, Answer.LATE, Answer.ERR, Answer.LATE_ERR})
IN_DOUBT: Final = frozenset({Answer.RAISE, Answer.BARE, Answer.TIMEOUT, Answer.CUT})

Plan: TypeAlias = Mapping[str, tuple[Answer, ...]]
"""`path`, `path:compensate` or `path:settle` -> the answers of its calls; further ones are ok."""


class Refusal(Exception):
    """The error that generated steps return; equal by its text, so that runs can be compared."""

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Refusal) and self.args == other.args

    def __hash__(self) -> int:
        return hash(self.args)


class Boom(Exception):
    """What generated functions raise."""


class Lost(Exception):
    """How an act tells an interpreter without time that the call has no answer."""


class Interrupt(BaseException):
    """What interrupts a run, as Ctrl-C does."""


class Entry(NamedTuple):
    """One call, as the outside world saw it; `values` is `None` if a script answered it unseen."""

    path: str
    direction: str
    attempt: int
    key: str
    values: tuple[object, ...] | None
    answer: Answer
    label: str = ""


class Effect(NamedTuple):
    """What a step has done to the outside world; `output` is `None` if nobody was told."""

    path: str
    output: str | None


def where(path: str, direction: str) -> str:
    """Give the key of a plan."""
    return path if direction == "execute" else f"{path}:{direction}"


def output_of(path: str) -> str:
    """Give what the step at `path` gives."""
    return f"<{path}>"


class World:
    """A ledger, and the effects that stand.

    In doubt is assumed to be the worst: the effect is there. The world is idempotent by key: a call
    that repeats another's key repeats its effect, and an error answers for the key, so that nothing
    of it stands.
    """

    def __init__(self, plan: Plan, *, scripted: bool = False) -> None:
        self.plan = plan
        self.scripted = scripted
        self.ledger: list[Entry] = []
        self.effects: dict[str, Effect] = {}
        self.call: Call | None = None
        self.cancelled = False
        self.advance: Callable[[float], object] = lambda _: None
        self._taken: Counter[str] = Counter()
        self.hangs = 0
        self._hung: list[tuple[threading.Event, threading.Thread]] = []
        self._latest = ""

    @contextmanager
    def entered(self) -> Generator[None]:
        """Be the world of all acts inside."""
        token = _WORLD.set(self)
        try:
            yield
        finally:
            self.release()
            _WORLD.reset(token)

    def peek(self, place: str) -> Answer:
        """Give the answer that is next."""
        answers, taken = self.plan.get(place, ()), self._taken[place]
        return answers[taken] if taken < len(answers) else Answer.OK

    def take(self, place: str) -> Answer:
        """Give the next answer and go on to the one after it."""
        answer = self.peek(place)
        self._taken[place] += 1
        return answer

    def takes(self, place: str, answer: Answer) -> bool:
        """Take the next answer if it is this one."""
        return self.peek(place) is answer and self.take(place) is answer

    def listen(self, event: Event) -> None:
        """Interrupt the run before a call that the plan cancels: an observer."""
        if isinstance(event, (StepStarted, CompensationStarted)):
            direction = event.direction if isinstance(event, CompensationStarted) else "execute"
            if self.takes(where(event.path, direction), Answer.CANCEL):
                raise Interrupt

    def pause(self) -> None:
        """Interrupt the pause before a call that the plan cancels."""
        if self.takes(self._latest, Answer.CANCEL):
            raise Interrupt

    def release(self) -> None:
        """Let hanging calls end, and wait until they have."""
        hung, self._hung = self._hung, []
        for event, thread in hung:
            event.set()
            thread.join()

    def note(
        self, call: Call, values: tuple[object, ...] | None, answer: Answer, label: str = ""
    ) -> Result[Any, Any]:
        """Write a call down and give what it returns."""
        self.ledger.append(
            Entry(call.path, call.direction, call.attempt, call.key, values, answer, label)
        )
        self._latest = where(call.path, call.direction)
        effects, path = self.effects, call.path
        match call.direction:
            case "execute" if answer in SUCCEEDED:
                effects.pop(call.key, None)
                effects[call.key] = Effect(path, output_of(path))
            case "execute" if answer in IN_DOUBT:
                effects.setdefault(call.key, Effect(path, None))
            case "execute":
                effects.pop(call.key, None)
            case "compensate" if answer in SUCCEEDED:
                self._undo(Effect(path, output_of(path) if values is None else str(values[-1])))
            case "settle" if answer in SUCCEEDED:
                self._undo(Effect(path, None))
            case _:
                pass
        if answer in {Answer.ERR, Answer.LATE_ERR}:
            return Failure(Refusal(f"{path} {call.direction}"))
        return Success(output_of(path) if call.direction == "execute" else None)

    def _undo(self, effect: Effect) -> None:
        self.effects = {key: other for key, other in self.effects.items() if other != effect}

    def begin(
        self, values: tuple[object, ...], label: str, *, lifted: bool
    ) -> tuple[Answer, Result[Any, Any]]:
        """Receive a call."""
        self.release()
        call = self.call or current_call()
        answer = self.take(where(call.path, call.direction))
        if lifted and answer is Answer.BARE:
            answer = Answer.RAISE  # a lifted function has no Result to forget
        if answer in {Answer.CANCEL, Answer.REFUSED}:
            msg = f"a call was made whose plan says that it {answer.value}: {call}"
            raise Interrupt(msg)
        return answer, self.note(call, values, answer, label)

    def act(self, values: tuple[object, ...], label: str, *, lifted: bool) -> object:
        """Receive a call and act out its answer on this thread."""
        answer, result = self.begin(values, label, lifted=lifted)
        match answer:
            case Answer.RAISE:
                raise Boom("boom")
            case Answer.BARE:
                return None
            case Answer.TIMEOUT | Answer.CUT if self.scripted:
                raise Lost
            case Answer.CUT:
                raise Interrupt
            case Answer.LATE | Answer.LATE_ERR:
                self.advance(SECONDS + 1)
            case Answer.TIMEOUT:
                released = threading.Event()
                self._hung.append((released, threading.current_thread()))
                self.advance(SECONDS + 1)
                self.hangs += 1
                released.wait()
            case _:
                pass
        return _lifted(result) if lifted else result

    async def act_async(self, values: tuple[object, ...], label: str, *, lifted: bool) -> object:
        """Receive a call and act out its answer in this task."""
        if self.scripted:
            return self.act(values, label, lifted=lifted)
        answer, result = self.begin(values, label, lifted=lifted)
        await asyncio.sleep(0)
        match answer:
            case Answer.RAISE:
                raise Boom("boom")
            case Answer.BARE:
                return None
            case Answer.CUT:
                await self._be_cut()
            case Answer.LATE | Answer.LATE_ERR:
                await self._outlast()
            case Answer.TIMEOUT:
                self.advance(SECONDS + 1)
                await asyncio.sleep(0)
                raise Interrupt("a call was not cut at its deadline")
            case _:
                pass
        return _lifted(result) if lifted else result

    async def _be_cut(self) -> None:
        task = asyncio.current_task()
        if task is None or self.ledger[-1].direction != "execute":
            raise Interrupt
        task.cancel()
        await asyncio.sleep(0)

    async def _outlast(self) -> None:
        self.advance(SECONDS + 1)
        try:
            await asyncio.sleep(0)
        except asyncio.CancelledError:
            return  # a call that has a result to give, although its time is up
        raise Interrupt("a call was not cut at its deadline")


def _lifted(result: Result[Any, Any]) -> object:
    if isinstance(result, Success):
        return result.unwrap()
    raise result.failure()


_WORLD: ContextVar[World] = ContextVar("world")


@frozen
class Act:
    """The function of a generated step, in one of its roles."""

    label: str
    role: str
    lifted: bool = False

    def __call__(self, *values: object) -> Any:
        """Act out what the world answers."""
        return _WORLD.get().act(values, self.label, lifted=self.lifted)


@frozen
class AsyncAct:
    """The same as a coroutine function."""

    label: str
    role: str
    lifted: bool = False

    async def __call__(self, *values: object) -> Any:
        """Act out what the world answers."""
        return await _WORLD.get().act_async(values, self.label, lifted=self.lifted)


class PlanClock(VirtualClock):
    """The clock of `run`, whose pauses are interrupted where the plan says so."""

    def __init__(self, world: World) -> None:
        super().__init__()
        self._world = world
        self._given_up = 0
        world.advance = self.advance

    def sleep(self, seconds: float, /) -> None:
        """Let time pass, unless the pause is interrupted."""
        self._world.pause()
        super().sleep(seconds)

    def wait(self, event: threading.Event, seconds: float, /) -> bool:
        """Wait until the call has answered or hangs, however long its thread takes to get there."""
        while not event.wait(0.001):
            if self._world.hangs > self._given_up:
                self._given_up = self._world.hangs
                return False
        return True


class _Timer:
    def __init__(self, when_ns: int, callback: Callable[[], object]) -> None:
        self.when_ns = when_ns
        self.callback = callback
        self.cancelled = False

    def cancel(self) -> None:
        self.cancelled = True


class PlanAsyncClock:
    """The clock of `run_async`: it stands still until an act advances it, from whichever thread."""

    epoch_ns = 0

    def __init__(self, world: World) -> None:
        self._world = world
        self._now = 0
        self._timers: list[_Timer] = []
        self._thread = threading.current_thread()
        self._loop = asyncio.get_running_loop()
        world.advance = self._advance

    def now_ns(self) -> int:
        """Give the time."""
        return self._now

    async def sleep(self, seconds: float, /) -> None:
        """Let time pass, unless the pause is interrupted."""
        self._world.pause()
        self._move(seconds)
        await asyncio.sleep(0)

    def call_at(self, when_ns: int, callback: Callable[[], object], /) -> _Timer:
        """Call back once the time has come."""
        timer = _Timer(when_ns, callback)
        self._timers.append(timer)
        return timer

    def _advance(self, seconds: float) -> None:
        if threading.current_thread() is self._thread:
            self._move(seconds)
        else:  # in the loop, where the driver has set its timer by then
            self._loop.call_soon_threadsafe(self._move, seconds)

    def _move(self, seconds: float) -> None:
        self._now += round(seconds * SECOND)
        while due := [timer for timer in self._timers if timer.when_ns <= self._now]:
            self._timers = [timer for timer in self._timers if timer not in due]
            for timer in due:
                if not timer.cancelled:
                    timer.callback()
