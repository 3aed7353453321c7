"""Four ways to run the same case, which give what can be seen of it from outside."""

from __future__ import annotations

import asyncio
import inspect
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final, TypeAlias, cast

from attrs import field, frozen
from returns.result import Success

from sagalib import (
    Call,
    Cancel,
    Cancelled,
    Compensated,
    Event,
    Fatal,
    Late,
    Observer,
    Ok,
    Outcome,
    Raised,
    Refused,
    TimedOut,
    Unknown,
    outcome_of,
    run,
    run_async,
    simulate,
)
from sagalib.core.events import CancelRequested, LateReply
from sagalib.core.history import answered, asked, opening
from sagalib.core.instructions import Owed, Unwind
from sagalib.core.machine import begin, decide, evolve, understand
from sagalib.core.messages import Invoke, Reply, Woke
from sagalib.core.owed import failures_of, in_doubt_of, owed_by
from sagalib.core.policy import Soft
from sagalib.core.state import Ended, Machine, direction_of, path_of, step_of
from tests.laws.terms import AnySaga, Term, build, steps_of
from tests.laws.world import (
    SECONDS,
    Answer,
    Effect,
    Entry,
    Interrupt,
    Plan,
    PlanAsyncClock,
    PlanClock,
    World,
    where,
)
from tests.support.time import run_virtual

RUN_ID: Final = "run:1"


@frozen
class Case:
    """A saga, what it gets, what its calls answer, and what is done when a compensation fails."""

    term: Term
    plan: Plan = field(default=MappingProxyType({}), hash=False)
    value: object = "in"
    stop: bool = False

    @property
    def saga(self) -> AnySaga:
        """The saga, built anew."""
        return build(self.term)

    @property
    def policy(self) -> Any:
        """What `on_compensation_failure` is."""
        return "stop" if self.stop else "continue"


@frozen
class Asked:
    """One question of the machine and its reply."""

    call: Call | None
    answer: Answer
    reply: Reply


@frozen
class Seen:
    """What can be seen of a run."""

    outcome: Outcome[Any, Any, Any]
    ledger: tuple[Entry, ...]
    standing: tuple[Effect, ...]
    interrupted: bool
    asked: tuple[Asked, ...] = ()
    pairs: frozenset[tuple[type, type]] = frozenset()

    @property
    def log(self) -> tuple[Event, ...]:
        """The events without what changes nothing: late replies, and a second cancellation."""
        kept: list[Event] = []
        for event in self.outcome.log:
            again = isinstance(event, CancelRequested) and event in kept
            if not again and not isinstance(event, LateReply):
                kept.append(event)
        return tuple(kept)

    @property
    def body(self) -> tuple[Event, ...]:
        """The events but the first, which names the saga and its input."""
        return self.log[1:]

    @property
    def calls(self) -> list[tuple[str, str, int, str, Answer]]:
        """All calls, in order, without the values that they were given."""
        return [(e.path, e.direction, e.attempt, e.key, e.answer) for e in self.ledger]

    @property
    def told(self) -> tuple[object, ...]:
        """All that an outcome tells, as something to compare."""
        return told(self.outcome)


def told(outcome: Outcome[Any, Any, Any]) -> tuple[object, ...]:
    """Give the kind of an outcome, its fields, and what is left to be done."""
    match outcome:
        case Ok(value):
            return ("ok", value, outcome.in_doubt, left(outcome.compensation))
        case Compensated(reason, step, context):
            return ("compensated", reason, step, context, outcome.in_doubt)
        case Fatal(reason, failures, step, context):
            return (
                "fatal",
                reason,
                failures,
                step,
                context,
                outcome.in_doubt,
                left(outcome.residual),
            )


def left(saga: AnySaga) -> list[tuple[object, ...]]:
    """Read a residual or a compensation: what is owed, oldest first, and how it ends."""
    found: list[tuple[object, ...]] = []
    for instruction in saga.instructions:
        if isinstance(instruction, Owed):
            found.append(
                (instruction.path, instruction.direction, instruction.value, instruction.in_doubt)
            )
        elif isinstance(instruction, Unwind):
            found.append(("unwind", instruction.count, instruction.reason))
        else:
            found.append(("unexpected", instruction))
    return found


# -- the machine ---------------------------------------------------------------------------------


@frozen
class _Past:
    """The past of an outcome that the loop below has put together by itself."""

    run_id: str
    events: tuple[Event, ...]
    left: AnySaga

    def log(self) -> Sequence[Event]:
        """Give the events."""
        return self.events

    def owed(self) -> AnySaga:
        """Give what is left to be done."""
        return self.left

    def others(self) -> tuple[object, ...]:
        """Give the reasons of other branches: there are none."""
        return ()


def by_machine(case: Case, saga: AnySaga | None = None, run_id: str = RUN_ID) -> Seen:
    """Run a case by a loop of our own over the pure machine."""
    world = World(case.plan, scripted=True)
    machine: Any = begin(case.saga if saga is None else saga, case.value, run_id, stop=case.stop)
    questions: list[Asked] = []
    pairs: set[tuple[type, type]] = set()
    log = list(opening(machine))
    with world.entered():
        while commands := decide(machine):
            (command,) = commands
            begun = False
            for question in _replies(world, machine, command):
                if isinstance(command, Invoke) and question.reply != Cancel() and not begun:
                    log.append(asked(machine))
                    begun = True
                progress: object = machine.progress
                pairs.add((type(progress), type(question.reply)))
                questions.append(question)
                before, machine = machine, evolve(machine, question.reply)
                log += answered(before, question.reply, machine)
    cancelled = any(isinstance(question.reply, Cancel) for question in questions)
    # After the end a cancellation changes nothing.
    progress = machine.progress
    pairs.add((type(progress), Cancel))
    before, machine = machine, evolve(machine, Cancel())
    log += answered(before, Cancel(), machine)
    return Seen(
        _outcome(machine, tuple(log)),
        tuple(world.ledger),
        tuple(world.effects.values()),
        cancelled,
        tuple(questions),
        frozenset(pairs),
    )


def _outcome(machine: Machine, log: tuple[Event, ...]) -> Outcome[Any, Any, Any]:
    in_doubt, failures, past = (
        in_doubt_of(machine),
        failures_of(machine),
        _Past(machine.book.run_id, log, owed_by(machine)),
    )
    progress = machine.progress
    assert isinstance(progress, Ended)
    failed = progress.failed
    if failed is None:
        return Ok(machine.value, in_doubt=in_doubt, past=past)
    reason: Any = failed.reason
    if failures:
        return Fatal(reason, failures, failed.step, failed.context, in_doubt=in_doubt, past=past)
    return Compensated(reason, failed.step, failed.context, in_doubt=in_doubt, past=past)


def _replies(world: World, machine: Machine, command: object) -> Iterator[Asked]:
    place = where(path_of(machine), direction_of(machine).value)
    if world.takes(place, Answer.CANCEL) and not world.cancelled:
        world.cancelled = True  # a run is told once
        yield Asked(command.call if isinstance(command, Invoke) else None, Answer.CANCEL, Cancel())
        return
    if not isinstance(command, Invoke):
        yield Asked(None, Answer.OK, Woke())
        return
    if world.takes(place, Answer.REFUSED):
        yield Asked(command.call, Answer.REFUSED, Refused(Raised("Refused", "not begun")))
        return
    reply = _perform(world, machine, command)
    answer = world.ledger[-1].answer
    first, world.cancelled = not world.cancelled, world.cancelled or answer is Answer.CUT
    if answer is not Answer.CUT or not first:
        yield Asked(command.call, answer, reply)
    elif machine.timeout is None or isinstance(machine.timeout, Soft) or step_of(machine).is_async:
        yield Asked(command.call, answer, Cancel(in_flight=True))
        yield Asked(command.call, answer, reply)
    else:  # on a thread of its own, the call has ended when the run hears of the interrupt
        yield Asked(command.call, answer, reply)
        yield Asked(command.call, answer, Cancel())


def _perform(world: World, machine: Machine, command: Invoke) -> Reply:
    world.call = command.call
    try:
        returned: Any = command.function(command.argument)
        if inspect.iscoroutine(returned):
            returned = _driven(returned)
    except Exception as error:
        match world.ledger[-1].answer:
            case Answer.TIMEOUT:
                return Unknown(TimedOut(SECONDS))
            case Answer.CUT:
                return Unknown(Cancelled())
            case _:
                return Unknown(Raised.of(error))
    finally:
        world.call = None
    reply = understand(machine, returned)
    late = isinstance(reply, Success) and world.ledger[-1].answer is Answer.LATE
    return Late(cast("Success[Any]", reply).unwrap()) if late else reply


def _driven(coroutine: Any) -> object:
    try:
        coroutine.send(None)
    except StopIteration as stopped:
        return stopped.value
    msg = "a scripted act never waits"
    raise AssertionError(msg)


# -- the drivers ---------------------------------------------------------------------------------

_OWN = {Answer.OK, Answer.ERR, Answer.RAISE, Answer.BARE}


def by_simulate(case: Case, saga: AnySaga | None = None) -> Seen:
    """Run a case by `simulate`: plain steps answer for themselves where they can."""
    built = case.saga if saga is None else saga
    world = World(case.plan, scripted=True)
    script = _Script(world, built, by_machine(case, built).asked)
    with world.entered():
        outcome = simulate(
            built, case.value, script, run_id=RUN_ID, on_compensation_failure=case.policy
        )
    # An interrupt on a call's own thread may be heard of after the run has ended.
    waiting = any(isinstance(question.reply, Cancel) for question in script.waiting)
    standing = tuple(world.effects.values())
    return Seen(outcome, tuple(world.ledger), standing, script.cancelled or waiting)


class _Script:
    """Answers the calls of a simulation as the machine was answered, or leaves them to the step."""

    def __init__(self, world: World, saga: AnySaga, asked_before: Iterable[Asked]) -> None:
        self.world = world
        self.is_async = {path: made.is_async for path, _, made in steps_of(saga)}
        self.waiting = deque(question for question in asked_before if question.call is not None)
        self.cancelled = False

    def __call__(self, call: Call) -> Any:
        place = where(call.path, call.direction)
        if self.is_cancelled_at(place):
            self.cancelled = True
            return Cancel()
        question = self.waiting.popleft() if self.waiting else None
        if question is None or question.call != call:
            msg = f"simulate asks {call}, and the machine {question}"
            raise Interrupt(msg)
        if isinstance(question.reply, Cancel):
            self.cancelled = True
            if question.answer is Answer.CANCEL:
                self.world.take(place)
            return question.reply
        if question.answer in _OWN and not self.is_async[call.path]:
            return None
        self.world.take(place)
        if question.answer is not Answer.REFUSED:
            self.world.note(call, None, question.answer)
        reply = question.reply
        return reply.reason if isinstance(reply, Unknown) else reply

    def is_cancelled_at(self, place: str) -> bool:
        """Tell whether the machine was cancelled just before the call, but not in place of it."""
        following = self.waiting[0] if self.waiting else None
        if following is not None and following.answer is Answer.CUT and following.reply == Cancel():
            self.waiting.popleft()  # the interrupt of a call on its own thread
            return True
        in_place = following is not None and following.answer is Answer.CANCEL
        in_pause = not in_place and self.world.takes(place, Answer.CANCEL)
        return in_pause and not self.cancelled


def by_run(
    case: Case,
    saga: AnySaga | None = None,
    observers: Iterable[Observer] = (),
    run_id: str = RUN_ID,
) -> Seen:
    """Run a case by `run`, on a clock of its own."""
    world = World(case.plan)
    interrupted: BaseException | None = None
    with world.entered():
        try:
            outcome: Any = run(
                case.saga if saga is None else saga,
                case.value,
                run_id=run_id,
                observers=[*observers, *_listening(world)],
                clock=PlanClock(world),
                dice=lambda: 0.0,
                on_compensation_failure=case.policy,
            )
        except Interrupt as interrupt:
            outcome, interrupted = _outcome_of(interrupt), interrupt
    return Seen(
        outcome, tuple(world.ledger), tuple(world.effects.values()), interrupted is not None
    )


def by_run_async(
    case: Case,
    saga: AnySaga | None = None,
    observers: Iterable[Observer] = (),
    run_id: str = RUN_ID,
) -> Seen:
    """Run a case by `run_async`, on a loop and a clock of its own."""
    return run_virtual(in_loop(case, saga, observers, run_id))


async def in_loop(
    case: Case,
    saga: AnySaga | None = None,
    observers: Iterable[Observer] = (),
    run_id: str = RUN_ID,
) -> Seen:
    """Run a case by `run_async` in this task."""
    world = World(case.plan)
    interrupted: BaseException | None = None
    with world.entered():
        try:
            outcome: Any = await run_async(
                case.saga if saga is None else saga,
                case.value,
                run_id=run_id,
                observers=[*observers, *_listening(world)],
                clock=PlanAsyncClock(world),
                dice=lambda: 0.0,
                on_compensation_failure=case.policy,
            )
        except (Interrupt, asyncio.CancelledError) as interrupt:
            outcome, interrupted = _outcome_of(interrupt), interrupt
        task = asyncio.current_task()
        while task is not None and task.cancelling():
            task.uncancel()
    return Seen(
        outcome, tuple(world.ledger), tuple(world.effects.values()), interrupted is not None
    )


def _listening(world: World) -> list[Observer]:
    # Without an observer the drivers go another way; so there is one only where it is needed.
    return (
        [world.listen] if any(Answer.CANCEL in answers for answers in world.plan.values()) else []
    )


def _outcome_of(interrupt: BaseException) -> Outcome[Any, Any, Any]:
    outcome = outcome_of(interrupt)
    if outcome is None:
        raise interrupt
    return outcome


Interpreter: TypeAlias = Callable[..., Seen]


def interpreters_of(case: Case, saga: AnySaga | None = None) -> Mapping[str, Interpreter]:
    """Give the interpreters that can run a case."""
    found: dict[str, Interpreter] = {"machine": by_machine, "simulate": by_simulate}
    if not any(Answer.REFUSED in answers for answers in case.plan.values()):
        found["run_async"] = by_run_async
        if not (case.saga if saga is None else saga).is_async:
            found["run"] = by_run
    return found


def everywhere(case: Case, saga: AnySaga | None = None) -> dict[str, Seen]:
    """Run a case in every interpreter that can."""
    return {name: interpret(case, saga) for name, interpret in interpreters_of(case, saga).items()}
