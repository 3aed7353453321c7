"""What a generated saga sees of the world, and what can be seen of its run from outside."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextvars import ContextVar
from typing import Any, Final

from attrs import field, frozen
from returns.result import Failure, Result, Success

from sagalib import (
    Cancel,
    Compensated,
    Event,
    Fatal,
    Late,
    Ok,
    Outcome,
    Saga,
    current_call,
    run,
    run_async,
    simulate,
)
from sagalib.core.events import (
    CompensationGaveUp,
    CompensationRetrying,
    CompensationStarted,
    StepCompensated,
    StepFailed,
    StepInDoubt,
    StepOk,
    StepRetrying,
    StepSettled,
    StepStarted,
)
from tests.model.model import RUN_ID, Answer, Call, Direction, Span, Where, reason_of, value_of
from tests.model.terms import Boom, Making, Term, bits_of, build, names_of
from tests.support.time import VirtualClock, run_virtual

AnyOutcome = Outcome[Any, Any, Any]


class _Unseen:
    """What a call was given that a script answered: equal to anything."""

    def __eq__(self, other: object) -> bool:
        return True

    def __hash__(self) -> int:
        return 0

    def __repr__(self) -> str:
        return "unseen"


UNSEEN: Final = _Unseen()


@frozen
class Case:
    """A term, what it is given, what its calls answer, and what a failed compensation does."""

    term: Term
    answers: Mapping[Where, Answer] = field(factory=dict[Where, Answer], hash=False)
    stop: bool = False
    value: object = "in"

    def answer(self, where: Where) -> Answer:
        """Give the answer of a call."""
        return self.answers.get(where, Answer.OK)

    @property
    def policy(self) -> Any:
        """What `on_compensation_failure` is."""
        return "stop" if self.stop else "continue"


class World:
    """The ledger of all calls of one run."""

    def __init__(self, answer: Callable[[Where], Answer], seed: int = 0) -> None:
        self.ledger: list[Call] = []
        self._answer = answer
        self._numbers: Counter[tuple[str, str]] = Counter()
        self._seed = seed

    def next(self, call: Any) -> tuple[Where, Answer]:
        """Give which call this is, and its answer."""
        where = Where(call.path, call.direction, self._numbers[call.path, call.direction])
        return where, self._answer(where)

    def note(self, call: Any, where: Where, argument: object) -> None:
        """Write a call down."""
        self._numbers[where.path, where.direction] += 1
        self.ledger.append(Call(where, argument, call.attempt, call.key))

    def act(self, argument: object) -> Result[Any, Any]:
        """Receive a call and answer it."""
        call = current_call()
        where, answer = self.next(call)
        self.note(call, where, argument)
        return _returned(where, answer)

    async def act_async(self, argument: object) -> Result[Any, Any]:
        """Receive a call, and answer it some time later."""
        call = current_call()
        where, answer = self.next(call)
        self.note(call, where, argument)
        if answer is Answer.TIMEOUT:
            await asyncio.sleep(1_000)
        delay = bits_of((where, self._seed)) % 5
        if delay:
            await asyncio.sleep(delay / 10)
        return _returned(where, answer)

    def script(self, call: Any) -> Any:
        """Answer a call of a simulation, if its function cannot."""
        where, answer = self.next(call)
        if answer is Answer.CANCEL:
            return Cancel()
        if answer not in {Answer.TIMEOUT, Answer.CUT, Answer.LATE}:
            return None
        self.note(call, where, UNSEEN)
        if answer is Answer.LATE:
            return Late(value_of(where))
        return reason_of(where, answer)


def _returned(where: Where, answer: Answer) -> Result[Any, Any]:
    if answer is Answer.RAISE:
        raise Boom(f"{where.direction}#{where.number}")
    if answer is Answer.ERR:
        return Failure(reason_of(where, answer))
    return Success(value_of(where) if where.direction == "execute" else None)


_WORLD: ContextVar[World] = ContextVar("world of the model")


def act(argument: object) -> Result[Any, Any]:
    """Be any function of any step."""
    return _WORLD.get().act(argument)


async def act_async(argument: object) -> Result[Any, Any]:
    """Be any coroutine function of any step."""
    return await _WORLD.get().act_async(argument)


# -- what is seen --------------------------------------------------------------------------------


@frozen
class Seen:
    """What was seen of a run: how it ended, its calls, and what it left to be called."""

    outcome: AnyOutcome
    calls: tuple[Call, ...]
    spans: Mapping[Where, Span]
    logged: tuple[tuple[Where, int], ...]
    left: tuple[tuple[str, str, object], ...]
    left_ends: str


def _seen(world: World, outcome: AnyOutcome) -> Seen:
    spans, logged = spans_of(outcome.log)
    calls = tuple(world.ledger)
    left: Saga[Any, Any, Any, Any, Any] | None = None
    if isinstance(outcome, Ok):
        left = outcome.compensation
    elif isinstance(outcome, Fatal):
        left = outcome.residual
    if left is None:
        return Seen(outcome, calls, spans, logged, (), "ok")
    after = World(lambda _: Answer.OK)
    token = _WORLD.set(after)
    try:
        if left.is_async:
            ended: AnyOutcome = run_virtual(run_async(left, None))
        else:
            ended = simulate(left, None)
    finally:
        _WORLD.reset(token)
    found = tuple((call.where.path, call.where.direction, call.argument) for call in after.ledger)
    return Seen(outcome, calls, spans, logged, found, kind_of(ended))


def kind_of(outcome: AnyOutcome) -> str:
    """Give the kind of an outcome."""
    match outcome:
        case Ok():
            return "ok"
        case Compensated():
            return "compensated"
        case Fatal():
            return "fatal"


_ENDS_EXECUTE = (StepOk, StepInDoubt, StepFailed, StepRetrying)
_ENDS_BACK = (StepCompensated, StepSettled, CompensationRetrying, CompensationGaveUp)


def spans_of(
    log: Sequence[Event],
) -> tuple[Mapping[Where, Span], tuple[tuple[Where, int], ...]]:
    """Read from a log when each call began and ended, and which calls there were, in order."""
    spans: dict[Where, Span] = {}
    begun: list[tuple[Where, int]] = []
    going: dict[tuple[str, Direction], Where] = {}
    numbers: Counter[tuple[str, Direction]] = Counter()

    def close(path: str, direction: Direction, at: int) -> None:
        where = going.pop((path, direction), None)
        if where is not None:
            spans[where] = Span(spans[where].began, at)

    for number, event in enumerate(log):
        at = 2 * number
        match event:
            case StepStarted(path=path, attempt=attempt):
                direction: Direction = "execute"
            case CompensationStarted(path=path, direction=("compensate" | "settle") as direction):
                attempt = event.attempt
                close(path, direction, at - 1)  # interrupted, and called again
            case _:
                if isinstance(event, _ENDS_EXECUTE):
                    close(event.path, "execute", at)
                elif isinstance(event, _ENDS_BACK):
                    close(event.path, "compensate", at)
                    close(event.path, "settle", at)
                continue
        where = Where(path, direction, numbers[path, direction])
        numbers[path, direction] += 1
        going[path, direction] = where
        spans[where] = Span(at, 2 * len(log))
        begun.append((where, attempt))
    return spans, tuple(begun)


# -- interpreters --------------------------------------------------------------------------------


def by_simulate(case: Case, seed: int = 0) -> Seen:
    """Run a case by `simulate`: of branches, always the first that can, or as dice say."""
    world = World(case.answer)
    making = Making(act, act_async, timed=names_of(case.term))
    dice = random.Random(seed)
    token = _WORLD.set(world)
    try:
        outcome = simulate(
            build(case.term, making),
            case.value,
            world.script,
            run_id=RUN_ID,
            on_compensation_failure=case.policy,
            schedule=dice.randrange if seed else None,
        )
    finally:
        _WORLD.reset(token)
    return _seen(world, outcome)


def by_run(case: Case) -> Seen:
    """Run a case by `run`, on a clock that stands still."""
    world = World(case.answer)
    token = _WORLD.set(world)
    try:
        outcome = run(
            build(case.term, Making(act, act_async)),
            case.value,
            run_id=RUN_ID,
            clock=VirtualClock(),
            on_compensation_failure=case.policy,
        )
    finally:
        _WORLD.reset(token)
    return _seen(world, outcome)


def by_run_async(case: Case, seed: int = 0) -> Seen:
    """Run a case by `run_async` in virtual time; how long calls take is for the seed to say."""
    world = World(case.answer, seed)
    times_out = Answer.TIMEOUT in case.answers.values()
    making = Making(
        act,
        act_async,
        is_async=lambda name: times_out or name != "b",  # steps of both colours
        timed=names_of(case.term) if times_out else frozenset(),
    )
    token = _WORLD.set(world)
    try:
        outcome = run_virtual(
            run_async(
                build(case.term, making),
                case.value,
                run_id=RUN_ID,
                on_compensation_failure=case.policy,
            )
        )
    finally:
        _WORLD.reset(token)
    return _seen(world, outcome)


def interpreters_of(case: Case) -> dict[str, Callable[[], Seen]]:
    """Give what can run a case: a plain function cannot time out, nor a real run be cut at will."""
    found: dict[str, Callable[[], Seen]] = {
        "simulate, the first branch first": lambda: by_simulate(case),
        "simulate, some schedule": lambda: by_simulate(case, 1),
        "simulate, some other schedule": lambda: by_simulate(case, 2),
    }
    answers = set(case.answers.values())
    if not answers & {Answer.CUT, Answer.CANCEL, Answer.LATE}:
        found["run_async"] = lambda: by_run_async(case, 1)
        if Answer.TIMEOUT not in answers:
            found["run"] = lambda: by_run(case)
    return found
