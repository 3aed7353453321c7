"""Runs of sagas of all forms, seen so that two can be compared in which a step has other paths.

A *spot* is what stays of a path when a saga is written in another way: the numbers of the items
around, and the name of the step, without branches, scopes and ordinals. The plan of a run says what
the calls at each spot answer; the steps of a law have names of their own, so that two calls at one
spot are of two copies of a step.
"""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from random import Random
from types import MappingProxyType
from typing import Any, Final, NamedTuple, TypeAlias

from attrs import field, frozen
from returns.result import Failure, Result, Success

from sagalib import (
    Call,
    Cancel,
    Cancelled,
    Event,
    Fatal,
    Late,
    Ok,
    Outcome,
    TimedOut,
    current_call,
    run,
    run_async,
    simulate,
)
from sagalib.core.instructions import Each, Fork, Owed, Unwind
from tests.laws.terms import AnySaga, Functions
from tests.laws.world import (
    DEFINITE,
    IN_DOUBT,
    SECONDS,
    SUCCEEDED,
    Answer,
    Boom,
    Effect,
    Plan,
    Refusal,
    where,
)
from tests.support.time import SECOND, VirtualClock, run_virtual

RUN_ID: Final = "run:1"
NO_FAULTS: Final[Plan] = MappingProxyType({})
Choice: TypeAlias = Callable[[int], int]


def spot_of(path: str) -> str:
    """Give what stays of a path: the numbers of the items around, and the name of the step."""
    *around, last = path.split("/")
    items = [segment[segment.index("[") :] for segment in around if segment.startswith("item")]
    return "".join([*items, last.partition("~")[0]])


class Made(NamedTuple):
    """One call, as the outside world saw it; `values` is `None` if a script answered it unseen."""

    spot: str
    direction: str
    attempt: int
    k: int
    values: tuple[object, ...] | None
    answer: Answer
    path: str
    key: str
    output: object = None

    @property
    def what(self) -> tuple[str, str]:
        """The step and the direction."""
        return (self.spot, self.direction)

    @property
    def seen(self) -> tuple[object, ...]:
        """All but what depends on how the saga is written, and on how often it has been tried."""
        return (self.spot, self.direction, self.attempt, self.values, self.answer)

    @property
    def succeeded(self) -> bool:
        """Whether it answered ok."""
        return self.answer in SUCCEEDED

    @property
    def where(self) -> tuple[str, str]:
        """The path and the direction: what a retry of the same scope has again, and no copy."""
        return (self.path, self.direction)


class Outside:
    """A ledger, and the effects that stand; idempotent by key, and in doubt assumes the worst."""

    def __init__(self, plan: Plan = NO_FAULTS, rests: Choice | None = None) -> None:
        self.plan = plan
        self.ledger: list[Made] = []
        self.effects: dict[str, Effect] = {}
        self.rests = rests
        self.passes: Callable[[str], object] = lambda _: None
        """Lets time pass in a call, by its direction."""
        self._lock = threading.RLock()  # branches may be on threads of their own
        self._taken: Counter[str] = Counter()
        self._succeeded: Counter[str] = Counter()

    @property
    def functions(self) -> Functions:
        """The functions of steps that live in this world."""
        return Functions(plain=self._plain, coroutine=self._coroutine)

    def _plain(self, label: str, role: str, lifted: bool) -> Callable[..., Any]:
        def act(*values: object) -> object:
            return self._answered(current_call(), values)

        return act

    def _coroutine(self, label: str, role: str, lifted: bool) -> Callable[..., Any]:
        async def act(*values: object) -> object:
            call = current_call()
            for _ in range(0 if self.rests is None else self.rests(4)):
                await asyncio.sleep(0)
            return self._answered(call, values)

        return act

    def peek(self, call: Call) -> Answer:
        """Give the answer that is next."""
        place = where(spot_of(call.path), call.direction)
        answers, taken = self.plan.get(place, ()), self._taken[place]
        return answers[taken] if taken < len(answers) else Answer.OK

    def _answered(self, call: Call, values: tuple[object, ...]) -> object:
        with self._lock:
            answer = self.peek(call)
            self.passes(call.direction)
            returned = self.note(call, values)
        if answer is Answer.RAISE:
            raise Boom("boom")
        return None if answer is Answer.BARE else returned

    def note(self, call: Call, values: tuple[object, ...] | None) -> Result[Any, Any]:
        """Write a call down and give what it returns."""
        spot, answer = spot_of(call.path), self.peek(call)
        self._taken[where(spot, call.direction)] += 1
        k = int(call.key.rpartition("/")[2])
        if answer in {Answer.ERR, Answer.LATE_ERR}:
            returned: Result[Any, Any] = Failure(Refusal(f"{spot} {call.direction}"))
        elif call.direction == "execute" and answer in SUCCEEDED:
            self._succeeded[spot] += 1
            times = self._succeeded[spot]
            returned = Success(f"<{spot}>" if times == 1 else f"<{spot} {times}>")
        else:
            returned = Success(None)
        output = returned.value_or(None)
        self.ledger.append(
            Made(spot, call.direction, call.attempt, k, values, answer, call.path, call.key, output)
        )
        self._act(call, spot, answer, returned, values)
        return returned

    def _act(
        self,
        call: Call,
        spot: str,
        answer: Answer,
        returned: Result[Any, Any],
        values: tuple[object, ...] | None,
    ) -> None:
        effects = self.effects
        match call.direction:
            case "execute" if answer in SUCCEEDED:
                effects.pop(call.key, None)
                effects[call.key] = Effect(spot, returned.unwrap())
            case "execute" if answer in IN_DOUBT:
                effects.setdefault(call.key, Effect(spot, None))
            case "execute":
                effects.pop(call.key, None)
            case "compensate" if answer in SUCCEEDED:
                output = None if values is None else str(values[-1])
                self._undo(
                    [
                        key
                        for key, effect in effects.items()
                        if effect.path == spot
                        and effect.output is not None
                        and output in {None, effect.output}
                    ][-1:]
                )
            case "settle" if answer in SUCCEEDED:
                self._undo([key for key, one in effects.items() if one == Effect(spot, None)])
            case _:
                pass

    def _undo(self, keys: Sequence[str]) -> None:
        for key in keys:
            del self.effects[key]


@frozen
class Told:
    """What an outcome tells, with spots for paths."""

    kind: str
    value: object = None
    reasons: tuple[object, ...] = ()
    step: str | None = None
    context: object = None
    failures: tuple[tuple[object, ...], ...] = ()
    in_doubt: tuple[str, ...] = ()
    owed: tuple[tuple[object, ...], ...] = ()


@frozen
class Sight:
    """What can be seen of a run."""

    outcome: Outcome[Any, Any, Any]
    ledger: tuple[Made, ...]
    standing: tuple[Effect, ...]

    @property
    def seen(self) -> list[tuple[object, ...]]:
        """The calls, in order, without their keys."""
        return [made.seen for made in self.ledger]

    @property
    def keyed(self) -> list[tuple[object, ...]]:
        """The calls, in order, with the number in their keys."""
        return [(*made.seen, made.k) for made in self.ledger]

    @property
    def executed(self) -> list[Made]:
        """The calls on the way forward."""
        return [made for made in self.ledger if made.direction == "execute"]

    @property
    def undone(self) -> list[Made]:
        """The calls on the way back."""
        return [made for made in self.ledger if made.direction != "execute"]

    @property
    def effects(self) -> list[str]:
        """The effects that stand, in no order."""
        return sorted(f"{effect.path} {effect.output}" for effect in self.standing)

    @property
    def kind(self) -> str:
        """The class of the outcome."""
        return type(self.outcome).__name__

    @property
    def told(self) -> Told:
        """What the outcome tells."""
        outcome = self.outcome
        in_doubt = tuple(map(spot_of, outcome.in_doubt))
        match outcome:
            case Ok(value):
                return Told("Ok", value, in_doubt=in_doubt, owed=_owed(outcome.compensation))
            case Fatal(failures=failures):
                failed = tuple(
                    (type(one).__name__, spot_of(one.step), getattr(one, "reason", None))
                    for one in failures
                )
                owed = _owed(outcome.residual)
            case _:
                failed = owed = ()
        step = None if outcome.step is None else spot_of(outcome.step)
        return Told(
            self.kind,
            None,
            outcome.reasons,
            step,
            outcome.context,
            failed,
            in_doubt,
            owed,
        )


def _owed(saga: AnySaga) -> tuple[tuple[object, ...], ...]:
    """Read a residual or a compensation: what is owed, oldest first, and why."""
    found: list[tuple[object, ...]] = []
    for instruction in saga.instructions:
        if isinstance(instruction, Owed):
            found.append(
                (
                    spot_of(instruction.path),
                    instruction.direction,
                    instruction.value,
                    instruction.in_doubt,
                )
            )
        elif isinstance(instruction, Unwind):
            found.append(("unwind", instruction.count, instruction.reason))
        else:
            found.append(("unexpected", instruction))
    return tuple(found)


# -- how branches take turns ---------------------------------------------------------------------


@frozen
class Turns:
    """A schedule: always the first, always the last, or by dice."""

    name: str
    seed: int | None = None

    def choice(self) -> Choice:
        """Give what chooses one of so many, anew."""
        if self.seed is None:
            return (lambda _: 0) if self.name == "first" else (lambda ready: ready - 1)
        return Random(self.seed).randrange


FIRST: Final = Turns("first")
SCHEDULES: Final = (FIRST, Turns("last"), Turns("dice 1", 1), Turns("dice 2", 2))


def has_branches(saga: AnySaga) -> bool:
    """Tell whether several strands may come of a saga, as far as its word tells."""
    return any(isinstance(instruction, (Fork, Each)) for instruction in saga.instructions)


# -- the drivers ---------------------------------------------------------------------------------

Build: TypeAlias = Callable[[Functions], AnySaga]
"""Makes a saga of the functions of a world."""
_SCRIPTED: Final = {Answer.TIMEOUT, Answer.LATE, Answer.LATE_ERR, Answer.CUT}


@frozen
class Run:
    """How a saga is run: on what, what its calls answer, and by which policy."""

    plan: Plan = field(default=NO_FAULTS, hash=False)
    value: object = "in"
    stop: bool = False

    @property
    def policy(self) -> Any:
        """What `on_compensation_failure` is."""
        return "stop" if self.stop else "continue"


def simulated(
    build: Build,
    given: Run,
    turns: Turns = FIRST,
    *,
    cancel_before: int | None = None,
    run_id: str = RUN_ID,
) -> Sight:
    """Run a saga by `simulate`; `cancel_before` so many calls of executes cancels it."""
    world = Outside(given.plan)
    cancelled = False

    def answer(call: Call) -> Any:
        nonlocal cancelled
        made = sum(one.direction == "execute" for one in world.ledger)
        if call.direction == "execute" and made == cancel_before and not cancelled:
            cancelled = True
            return Cancel()
        following = world.peek(call)
        if following not in _SCRIPTED:
            return None
        returned = world.note(call, None)
        match following:
            case Answer.TIMEOUT:
                return TimedOut(SECONDS)
            case Answer.LATE:
                return Late(returned.unwrap())
            case Answer.CUT:
                return Cancelled()
            case _:
                return returned

    outcome = simulate(
        build(world.functions),
        given.value,
        answer,
        run_id=run_id,
        on_compensation_failure=given.policy,
        schedule=turns.choice(),
    )
    return Sight(outcome, tuple(world.ledger), tuple(world.effects.values()))


def by_run(
    build: Build,
    given: Run,
    *,
    observers: Sequence[Callable[[Event], None]] = (),
    run_id: str = RUN_ID,
) -> Sight:
    """Run a saga without async steps by `run`."""
    world = Outside(given.plan)
    outcome = run(
        build(world.functions),
        given.value,
        run_id=run_id,
        observers=observers,
        clock=VirtualClock(),
        dice=lambda: 0.0,
        on_compensation_failure=given.policy,
    )
    return Sight(outcome, tuple(world.ledger), tuple(world.effects.values()))


def timed(
    build: Build, given: Run, *, there: float = 1.0, back: float = 0.0
) -> tuple[Sight, float]:
    """Run a saga by `run`, with calls that last some seconds; give how long it took, too."""
    world, clock = Outside(given.plan), VirtualClock()
    world.passes = lambda direction: clock.advance(there if direction == "execute" else back)
    outcome = run(
        build(world.functions),
        given.value,
        run_id=RUN_ID,
        clock=clock,
        dice=lambda: 0.0,
        on_compensation_failure=given.policy,
    )
    sight = Sight(outcome, tuple(world.ledger), tuple(world.effects.values()))
    return sight, clock.now_ns() / SECOND


def by_run_async(
    build: Build,
    given: Run,
    turns: Turns = FIRST,
    *,
    observers: Sequence[Callable[[Event], None]] = (),
) -> Sight:
    """Run a saga by `run_async`; its steps rest as often as the turns say."""
    world = Outside(given.plan, turns.choice())

    async def main() -> Outcome[Any, Any, Any]:
        return await run_async(
            build(world.functions),
            given.value,
            run_id=RUN_ID,
            observers=observers,
            dice=lambda: 0.0,
            on_compensation_failure=given.policy,
        )

    outcome = run_virtual(main())
    return Sight(outcome, tuple(world.ledger), tuple(world.effects.values()))


# -- the order that is required ------------------------------------------------------------------


def are_siblings(one: str, other: str) -> bool:
    """Tell whether two paths are in different branches of the same fork."""
    for left, right in zip(one.split("/"), other.split("/"), strict=False):
        if left != right:
            left_fork, right_fork = left.rpartition("[")[0], right.rpartition("[")[0]
            return left_fork != "" and left_fork == right_fork
    return False


def numbered(sight: Sight) -> list[tuple[tuple[object, ...], Made]]:
    """Give the calls, each with the how-manieth of its spot and direction it is."""
    seen: Counter[tuple[str, str]] = Counter()
    found: list[tuple[tuple[object, ...], Made]] = []
    for made in sight.ledger:
        seen[made.what] += 1
        found.append(((*made.what, seen[made.what]), made))
    return found


def out_of_order(one: Sight, other: Sight) -> list[tuple[object, object]]:
    """Give the pairs of calls that two runs make in a different order, but for siblings."""
    first, second = numbered(one), numbered(other)
    position = {name: at for at, (name, _) in enumerate(second)}
    return [
        (name, later)
        for at, (name, made) in enumerate(first)
        for later, following in first[at + 1 :]
        if name in position and later in position and position[later] < position[name]
        if not are_siblings(made.path, following.path)
    ]


def definite(made: Made) -> bool:
    """Tell whether a call had a definite answer."""
    return made.answer in DEFINITE


Plans: TypeAlias = Mapping[str, tuple[Answer, ...]]
