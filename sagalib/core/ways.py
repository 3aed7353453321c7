"""The ways through a saga, walked with the machine: what ``plan`` is made of."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, Literal, NamedTuple, TypeAlias, final

from attrs import evolve as changed
from attrs import frozen
from returns.result import Failure, Success

from sagalib.core.choice import IsA, NoCase
from sagalib.core.errors import InvalidSaga
from sagalib.core.forward import CANCELLED
from sagalib.core.functions import name_of
from sagalib.core.instructions import (
    Alternative,
    Arrow,
    Bind,
    Choose,
    Deadline,
    Each,
    Enter,
    Fork,
    Guard,
    Instruction,
    Leave,
    Merge,
    Owed,
    Promise,
    Recovery,
    Retrying,
    is_step,
)
from sagalib.core.machine import begin, evolve
from sagalib.core.messages import BEGUN, Cancel, Direction, Expired, Late, Reply, Unknown
from sagalib.core.outcomes import Irreversible, TimedOut
from sagalib.core.owed import failures_of, in_doubt_of
from sagalib.core.policy import Retry, Soft, Timeout, seconds_of
from sagalib.core.saga import Composite
from sagalib.core.state import (
    ROOT,
    AnySaga,
    Branch,
    Compensating,
    Ended,
    Executing,
    Forked,
    Joining,
    Machine,
    Scoped,
    State,
    direction_of,
    oldest_first,
    path_of,
    step_of,
    strand_at,
    strands_of,
)
from sagalib.core.steps import AnyStep, Step

__all__ = ["FailurePoint", "HowItFails", "PlannedCall", "Walked", "walk"]

HowItFails: TypeAlias = Literal[
    "returned", "in_doubt", "late", "cancelled", "cut", "expired", "fail"
]
"""``returned``: it returns a failure. ``in_doubt``: an attempt raises or times out; or is cut,
where that makes no difference. ``late``: it succeeds after its timeout. ``cancelled``: the run is
cancelled before the call. ``cut``: it is cancelled during the call, which no scope catches.
``expired``: a deadline passes before or during the call. ``fail``: not a call, but ``fail(error)``
in the saga."""


@final
@frozen
class PlannedCall:
    """One call that would be made, with all its attempts.

    What ``bind`` brings is one call too, of which no more is known than its path.

    Attributes:
        path: where the step stands in the saga; in the body of ``each`` with ``item[]``.
        direction: ``"execute"``, ``"compensate"`` or ``"settle"``.
        attempts: how often it is called at most, each time that it is come to.
        seconds: how long all of these take at most, with the pauses between; ``math.inf`` if no
            timeout stops it, or if it is called for each of so many items one after the other.
        repeats: how often it is come to at most: more than once in a ``retry``.
    """

    path: str
    direction: str
    attempts: int
    seconds: float
    repeats: int = 1

    def __str__(self) -> str:
        """Show direction and path."""
        return f"{self.direction} {self.path}"


@final
@frozen
class FailurePoint:
    """One way in which the saga can fail, and what is called then if no compensation fails.

    Attributes:
        path: the step that fails; ``None`` for ``fail(error)``.
        direction: which of its calls: ``"execute"``, or a compensation that an earlier run owes.
        how: one of ``HowItFails``.
        calls: what is called then, first to last: the way back; and if a scope catches the failure,
            what goes on from there. In a ``retry`` the attempt is the last one.
        ends: ``"compensated"`` or ``"fatal"``; ``"ok"`` if a scope has caught it.
        pivot: the path of the completed pivot that ends the way back, if one does.
        in_doubt: paths of calls that stay in doubt.
        forward_seconds: how long it takes at most up to the failure; ``math.inf`` if unbounded.
        back_seconds: how long the rest takes at most.
        given: what was chosen or caught before, as far as it is known: ``"is_big"`` or ``"not
            is_big"`` of a predicate, the name of a class, ``"or_else of a"``.
    """

    path: str | None
    direction: str
    how: HowItFails
    calls: tuple[PlannedCall, ...]
    ends: Literal["compensated", "fatal", "ok"]
    pivot: str | None
    in_doubt: tuple[str, ...]
    forward_seconds: float
    back_seconds: float
    given: tuple[str, ...] = ()

    @property
    def seconds(self) -> float:
        """How long such a run takes at most, from its beginning to its end."""
        return self.forward_seconds + self.back_seconds


class Walked(NamedTuple):
    """What the walk has found.

    ``longest`` is how long the inside of each ``deadline`` takes at most, by where it begins.
    """

    forward: tuple[PlannedCall, ...]
    completes: bool
    points: tuple[FailurePoint, ...]
    forward_seconds: float
    longest: Mapping[int, float]


def walk(saga: AnySaga) -> Walked:
    """Walk all ways through a saga.

    The inside of each ``retry`` and ``deadline`` is walked first, innermost first, as a saga of its
    own: how long its attempts take is a part of what is around.

    Raises:
        InvalidSaga: there are more than 1,000 ways.
    """
    word, paths = saga.instructions, saga.paths
    lost: dict[int, float] = {}
    longest: dict[int, float] = {}
    for pc in range(len(word) - 1, -1, -1):
        instruction = word[pc]
        if not (isinstance(instruction, Enter) and isinstance(instruction.scope, _TIMED)):
            continue
        inside = slice(pc + 1, pc + 1 + instruction.size)
        body = _Ways(saga, word[inside], paths[inside], pc + 1, lost).all()
        if isinstance(instruction.scope, Deadline):
            times = (
                point.seconds if point.ends == "ok" else point.forward_seconds
                for point in body.points
            )
            longest[pc] = max(body.forward_seconds, *times, 0.0)
        else:
            lost[pc] = _lost_in_attempts(instruction.scope.policy, body.points)
    return _Ways(saga, word, paths, 0, lost).all()._replace(longest=longest)


def _lost_in_attempts(policy: Retry, points: Iterable[FailurePoint]) -> float:
    """Give how long all attempts but the last take at most, with the pauses after them."""
    failed = [point.seconds for point in points if point.ends == "compensated"]
    again = min(policy.times, _MANY)
    return again * max(failed) + _longest_pauses(policy, again) if failed and again else 0.0


# -- a saga without its functions ------------------------------------------------------------------

_TIMED: Final = (Retrying, Deadline)
_CATCHING: Final = (Alternative, Recovery)
_DONE: Final = Success(None)
_ONCE: Final = Retry(0)
_DOUBT: Final = Unknown(TimedOut(0.0))
_CUT: Final = Unknown(CANCELLED)
_MOST_WAYS: Final = 1_000


def _pass(value: Any) -> Any:
    return value


def _forget(kept: Any, _: Any) -> Any:
    return kept


class _Sides:
    """Which side of each choice is taken next; the first time, the side of the predicate."""

    def __init__(self) -> None:
        self.script: list[bool] = []
        self.taken: list[str] = []
        self._at = 0

    def both(self, follow: Callable[[], State]) -> list[tuple[State, tuple[str, ...]]]:
        """Give the states that ``follow`` leads to, and what was chosen on the way."""
        found: list[tuple[State, tuple[str, ...]]] = []
        self.script = []
        while True:
            self.taken = []
            self._at = 0
            found.append((follow(), tuple(self.taken)))
            while self.script and not self.script[-1]:
                self.script.pop()
            if not self.script:
                return found
            self.script[-1] = False

    def take(self, yes: str, no: str) -> bool:
        """Take a side of a choice, and note it."""
        if self._at == len(self.script):
            self.script.append(True)
        side = self.script[self._at]
        self._at += 1
        label = yes if side else no
        self.taken += [label] if label else []
        return side

    def note(self, label: str) -> bool:
        """Note a side that is the only one."""
        self.taken.append(label)
        return True


def _called_once(step: Any) -> AnyStep:
    # A step's arguments stand in its __init__, where attrs' own would have them.
    once: AnyStep = changed(step, retries=_ONCE, compensation_retries=_ONCE)
    return once


def _owed_once(owing: Any) -> Instruction:
    owed: Instruction = changed(owing, step=_called_once(owing.step))
    return owed


def _bare_scope(opening: Any) -> Instruction:
    entering: Enter = opening
    match entering.scope:
        case Retrying():
            return Enter(Retrying(_ONCE), entering.size)
        case Recovery():
            return Enter(Recovery(_pass), entering.size)
        case _:
            return entering


def _answer(_: Any) -> Any:
    return _DONE


_BROUGHT: Final = Step(_answer, _answer, name="bind", timeout=None)
"""What stands for the saga that bind brings: a step of which nothing is known."""

_BARE: Final[Mapping[type, Callable[[Any], Instruction]]] = {
    Arrow: lambda it: it if isinstance(it.function, NoCase) else Arrow(_pass),
    Guard: lambda _: Guard(_pass),
    Merge: lambda _: Merge(_forget),
    Promise: _owed_once,
    Owed: _owed_once,
    Leave: lambda it: it if it.step is None else _owed_once(it),
    Enter: _bare_scope,
    Each: lambda it: Fork((it.size,), it.limit, it.interrupts),
    Bind: lambda _: _BROUGHT,
}
"""Kind of instruction -> the same without its functions."""


class _Bare(Composite[Any, Any, Any, Any, Any]):
    """A saga with the paths of another."""

    __slots__ = ()

    @classmethod
    def of(cls, word: tuple[Instruction, ...], name: str, paths: tuple[str | None, ...]) -> _Bare:
        """Make it."""
        bare = cls(word, name=name)
        object.__setattr__(bare, "_paths", paths)
        return bare


class _Now(NamedTuple):
    """A state of the walk.

    ``clocks`` is how late it is at most in each strand, ``counted`` the attempts of which ``retry``
    are in it, ``given`` what was chosen and caught.
    """

    state: State
    clocks: dict[int, float]
    counted: frozenset[int]
    given: tuple[str, ...]


class _Around(NamedTuple):
    """A scope around a call: its strand and frame, and the branches that strand is in.

    Those are pairs: what has forked, and which branch; innermost first.
    """

    number: int
    frame: Scoped
    branches: tuple[tuple[int, int], ...]


class _Ways:
    """The ways through a word, which begins at ``start`` of a saga."""

    def __init__(
        self,
        saga: AnySaga,
        word: tuple[Instruction, ...],
        paths: tuple[str | None, ...],
        start: int,
        lost: Mapping[int, float],
    ) -> None:
        self.word, self.paths, self.start, self.lost = word, paths, start, lost
        self.sides = _Sides()
        self.chooses = any(isinstance(one, Choose) for one in word)
        self.known: dict[tuple[int, Direction, int, bool], PlannedCall] = {}
        self.name = saga.name
        bare = tuple(self._without_functions(pc, one) for pc, one in enumerate(word))
        self.bare = _Bare.of(bare, saga.name, paths)
        self.points: dict[tuple[Any, ...], FailurePoint] = {}
        self.forward: dict[int, PlannedCall] = {}
        self.order: dict[int, tuple[int, int]] = {}
        self.caught: dict[tuple[Any, ...], _Now] = {}
        self.seconds = 0.0
        self.completes = False
        self.walks = 0

    def all(self) -> Walked:
        """Walk all ways."""
        waiting = self._beginnings()
        for now in waiting:
            self._follow(now, is_well=True)
        done: set[tuple[Any, ...]] = set()
        while len(done) < len(self.caught):
            for key, now in list(self.caught.items()):
                if key not in done:
                    done.add(key)
                    self._follow(now, is_well=False)
        return Walked(
            tuple(self.forward[pc] for pc in sorted(self.forward, key=self.order.__getitem__)),
            self.completes,
            tuple(self._in_order()),
            self.seconds,
            {},
        )

    def _beginnings(self) -> list[_Now]:
        return [
            _Now(state, _clocks_of(state, {ROOT: 0.0}), frozenset(), given)
            for state, given in self.sides.both(lambda: begin(self.bare, None, "plan"))
        ]

    def _without_functions(self, pc: int, instruction: Instruction) -> Instruction:
        """Take out all that the machine calls: pure functions, predicates, what bind brings."""
        if isinstance(instruction, Choose):
            skip = instruction.skip
            return Choose(self._side_of(instruction.predicate, pc + 1 + skip), skip)
        if is_step(instruction):
            return _called_once(instruction)
        bare: Callable[[Any], Instruction] | None = _BARE.get(type(instruction))
        return instruction if bare is None else bare(instruction)

    def _side_of(self, predicate: object, otherwise: int) -> Callable[[Any], object]:
        sides = self.sides
        if isinstance(predicate, IsA):
            after: Any = self.word[otherwise] if otherwise < len(self.word) else None
            if isinstance(after, Arrow) and isinstance(after.function, NoCase):
                # The types say that there is no other value.
                return lambda _: sides.note(predicate.cls.__qualname__)
            name = predicate.cls.__qualname__
            return lambda _: sides.take(name, "")
        name = name_of(predicate)
        return lambda _: sides.take(name, f"not {name}")

    # -- one way -----------------------------------------------------------------------------------

    def _follow(self, now: _Now, *, is_well: bool) -> None:
        """Go on from a state, all going well, and fail at each call on the way."""
        waiting = [now]
        while waiting:
            self._count()
            now = waiting.pop()
            while (at := _asking(now.state)) is not None:
                machine = strands_of(now.state)[at]
                if _goes_back(machine):
                    break
                call = self._call_of(now.state, at)
                now = self._with_lost(now, at)
                for how, replies, takes in _ways_to_fail(machine, catches=_catches(now.state, at)):
                    self._fail(call, how, now, at, replies, call.seconds if takes else 0.0)
                self.order.setdefault(machine.pc, _turn(machine))
                if is_well:
                    self.forward.setdefault(machine.pc, call)
                now, *others = self._answered(now, at, (_DONE,), call.seconds)
                waiting += reversed(others)
            late = now.clocks[ROOT if at is None else at]
            if is_well:
                self.seconds = max(self.seconds, late)
            if at is None and _ended(now.state).failed is None:
                self.completes = self.completes or is_well
            else:
                self._point(None, "fail", now, ROOT if at is None else at, late)

    def _count(self) -> None:
        self.walks += 1
        if self.walks > _MOST_WAYS:
            msg = (
                f"expected at most {_MOST_WAYS:,} ways through the choices and scopes of a saga, "
                f"and {self.name!r} has more: write plan(part) for parts of it"
            )
            raise InvalidSaga(msg)

    def _answered(
        self, now: _Now, at: int, replies: Sequence[Reply], seconds: float
    ) -> Iterator[_Now]:
        clocks = {**now.clocks, at: now.clocks[at] + seconds}
        parent = _parent_of(strand_at(now.state, at))
        while parent is not None:
            clocks[parent] = max(clocks[parent], clocks[at])
            parent = _parent_of(strand_at(now.state, parent))

        def follow() -> State:
            state, first = now.state, replies[0]
            is_before = isinstance(first, (Cancel, Expired)) and not first.in_flight
            if isinstance(state, Forked) and not is_before:
                state = evolve(state, BEGUN, at)
            for reply in replies:
                state = evolve(state, reply, at)
            return state

        found = self.sides.both(follow) if self.chooses else [(follow(), ())]
        for state, chosen in found:
            yield _Now(state, _clocks_of(state, clocks), now.counted, (*now.given, *chosen))

    def _with_lost(self, now: _Now, at: int) -> _Now:
        """Count the attempts that have failed before, of each retry that is entered."""
        if not self.lost:
            return now
        for number, frame in _scopes_around(now.state, at):
            pc = frame.pc + self.start
            if isinstance(frame.scope, Retrying) and frame.pc not in now.counted:
                lost = self.lost.get(pc, 0.0)
                clocks = {
                    strand: seconds + (lost if number != at or strand == at else 0.0)
                    for strand, seconds in now.clocks.items()
                }
                now = now._replace(clocks=clocks, counted=now.counted | {frame.pc})
        return now

    def _call_of(self, state: State, at: int) -> PlannedCall:
        machine = strands_of(state)[at]
        direction = direction_of(machine)
        repeats = 1
        for _, frame in _scopes_around(state, at):
            around: Any = self.word[frame.pc]
            if isinstance(frame.scope, Retrying):
                repeats *= around.scope.policy.times + 1
        executes = direction is Direction.EXECUTE
        many = "[]" in path_of(machine) and not (executes and self._all_at_once(state, at))
        key = (machine.pc, direction, repeats, many)
        call = self.known.get(key)
        if call is None:
            call = self.known[key] = self._new_call(machine, direction, repeats, many=many)
        return call

    def _new_call(
        self, machine: Machine, direction: Direction, repeats: int, *, many: bool
    ) -> PlannedCall:
        asked: Any = self.word[machine.pc]
        path = path_of(machine)
        if isinstance(asked, Bind):
            return PlannedCall(path, direction.value, 1, math.inf, repeats)
        step: AnyStep = asked if asked.is_step else asked.step
        retry, timeout = (
            (step.retries, step.timeout)
            if direction is Direction.EXECUTE
            else (step.compensation_retries, step.compensation_timeout)
        )
        seconds = _most_seconds(retry, timeout, is_async=step.is_async)
        return PlannedCall(
            path, direction.value, retry.times + 1, math.inf if many else seconds, repeats
        )

    def _all_at_once(self, state: State, at: int) -> bool:
        """Tell whether all items around begin at once."""
        strand = strand_at(state, at)
        forks: Any = strand.place.forks if strand is not None else None
        while forks is not None:
            parent, forks = forks
            forked: Any = strand_at(state, parent)
            if forked.progress.fork.limit is not None:
                return False
        return True

    # -- failure points ----------------------------------------------------------------------------

    def _fail(  # noqa: PLR0917 - the parts of a failure
        self,
        call: PlannedCall,
        how: HowItFails,
        now: _Now,
        at: int,
        replies: Sequence[Reply],
        seconds: float,
    ) -> None:
        reached = now.clocks[at] + seconds
        around = _catching_around(now.state, at)
        for after in self._answered(now, at, replies, seconds):
            clocks = after.clocks
            if "[]" in call.path:  # there may be any number of other items
                clocks = dict.fromkeys(clocks, math.inf)
            self._point(call, how, after._replace(clocks=clocks), at, reached, around)

    def _point(  # noqa: PLR0917 - the parts of a failure
        self,
        failing: PlannedCall | None,
        how: HowItFails,
        now: _Now,
        at: int,
        reached: float,
        around: Sequence[_Around] | None = None,
    ) -> None:
        """Follow a failure to the end, on both sides of each choice that comes."""
        if around is None:
            around = _catching_around(now.state, at)
        waiting: list[tuple[_Now, tuple[PlannedCall, ...], bool]] = [(now, (), False)]
        while waiting:
            now, calls, is_caught = waiting.pop()
            listed = list(calls)
            while True:
                if not is_caught and (caught := self._catch(now, around)) is not None:
                    now, is_caught = caught, True
                asking = _asking(now.state)
                if asking is None:
                    break
                call = self._call_of(now.state, asking)
                now = self._with_lost(now, asking)
                listed.append(call)
                now, *others = self._answered(now, asking, (_DONE,), call.seconds)
                for other in reversed(others):
                    self._count()
                    waiting.append((other, tuple(listed), is_caught))
            self._note(failing, how, now, tuple(listed), reached)

    def _catch(self, now: _Now, around: Sequence[_Around]) -> _Now | None:
        """Give the state if a scope has just caught the failure, and begin a walk there."""
        left = (scope.frame for scope in reversed(around) if _has_left(now.state, scope))
        frame = next(left, None)
        if frame is None:
            return None
        first = next(
            (path for path in self.paths[frame.pc + 1 : frame.after] if path is not None), ""
        )
        kind = "recover" if isinstance(frame.scope, Recovery) else "or_else"
        given = tuple(dict.fromkeys((*now.given, f"{kind} of {first}")))
        if _asking(now.state) is not None:
            known = self.caught.setdefault((given, _shape(now.state)), now._replace(given=given))
            late = {at: max(known.clocks[at], now.clocks[at]) for at in now.clocks}
            self.caught[given, _shape(now.state)] = known._replace(clocks=late)
        return now

    def _note(
        self,
        failing: PlannedCall | None,
        how: HowItFails,
        now: _Now,
        calls: tuple[PlannedCall, ...],
        reached: float,
    ) -> None:
        machine: Any = now.state
        failures = failures_of(machine)
        pivots = [failure.step for failure in failures if isinstance(failure, Irreversible)]
        is_ok = _ended(machine).failed is None
        back = _total(calls) if reached == math.inf else now.clocks[ROOT] - reached
        point = FailurePoint(
            None if failing is None else failing.path,
            Direction.EXECUTE.value if failing is None else failing.direction,
            how,
            calls,
            "ok" if is_ok else "fatal" if failures else "compensated",
            pivots[0] if pivots else None,
            in_doubt_of(machine),
            reached,
            max(back, 0.0),
            now.given,
        )
        same = (
            *(point.path, point.direction, point.how, point.calls, point.ends, point.pivot),
            point.in_doubt,
        )
        known = self.points.get(same)
        if known is not None:
            longer = max(known, point, key=_seconds_of_point)
            shared = tuple(label for label in known.given if label in point.given)
            point = changed(longer, given=shared)
        self.points[same] = point

    def _in_order(self) -> Iterator[FailurePoint]:
        """Give the points in the order of the calls in the word, those of `fail` last."""
        order = {self.paths[pc]: turn for pc, turn in self.order.items()}
        end = (len(self.word), 0)
        return iter(sorted(self.points.values(), key=lambda it: order.get(it.path, end)))


def _seconds_of_point(point: FailurePoint) -> float:
    return point.seconds


def _asking(state: State) -> int | None:
    """Give the first strand that asks for a call."""
    return next((at for at, one in strands_of(state).items() if one.function is not None), None)


def _turn(machine: Machine) -> tuple[int, int]:
    """Give where a call on the way forward stands in the order of all: as in the word.

    What an earlier run owes is called where it is unwound, last first.
    """
    if isinstance(machine.progress, Compensating) and isinstance(machine.frames, Scoped):
        return machine.frames.pc, -machine.pc
    return machine.pc, 0


def _ended(state: State) -> Ended:
    progress: Any = state.progress if isinstance(state, Machine) else None
    ended: Ended = progress
    return ended


def _goes_back(machine: Machine) -> bool:
    """Tell whether a strand goes back.

    What an earlier run owes is compensated on the way forward, in a frame of its own.
    """
    return isinstance(machine.progress, Compensating) and not (
        isinstance(machine.frames, Scoped) and machine.frames.scope is None
    )


def _scopes_around(state: State, at: int) -> list[tuple[int, Scoped]]:
    """Give the scopes around a strand, innermost first, with the numbers of their strands."""
    found: list[tuple[int, Scoped]] = []
    if isinstance(state, Machine) and state.frames is None:
        return found
    around: int | None = at
    while around is not None:
        strand = strand_at(state, around)
        frames: Any = None if strand is None else strand.frames
        while frames is not None:
            if isinstance(frames, Scoped):
                found.append((around, frames))
            frames = frames.below
        around = _parent_of(strand)
    return found


def _catching_around(state: State, at: int) -> list[_Around]:
    return [
        _Around(number, frame, tuple(_branches_around(state, number)))
        for number, frame in _scopes_around(state, at)
        if isinstance(frame.scope, _CATCHING)
    ]


def _branches_around(state: State, number: int) -> Iterator[tuple[int, int]]:
    branch = _branch_of(strand_at(state, number))
    while branch is not None:
        yield branch.parent, branch.number
        branch = _branch_of(strand_at(state, branch.parent))


def _catches(state: State, at: int) -> bool:
    return any(
        isinstance(frame.scope, (*_CATCHING, Retrying)) for _, frame in _scopes_around(state, at)
    )


def _has_left(state: State, scope: _Around) -> bool:
    """Tell whether what is after a scope goes on, or has ended well: the scope has caught it."""
    strand = strand_at(state, scope.number)
    if strand is None:
        return _has_ended_well(state, scope.branches)
    if _has_turned(strand):
        return False
    frames: Any = strand.frames
    while frames is not None:
        if isinstance(frames, Scoped) and frames.pc == scope.frame.pc:
            return False
        frames = frames.below
    return True


def _has_turned(strand: Machine) -> bool:
    progress = strand.progress
    return isinstance(progress, Compensating) or (
        isinstance(progress, Ended) and progress.failed is not None
    )


def _has_ended_well(state: State, branches: Iterable[tuple[int, int]]) -> bool:
    """Tell how a branch has ended that is no more; ``branches`` are those around, innermost first.

    Where they have joined, all have ended well, or what has forked has turned back.
    """
    for parent, index in branches:
        strand = strand_at(state, parent)
        if strand is not None and isinstance(strand.progress, Joining):
            ended = dict(oldest_first(strand.progress.ended))
            return not _has_turned(ended[index])
        if strand is not None:
            return not _has_turned(strand)
    return False


def _branch_of(strand: Machine | None) -> Branch | None:
    """Tell which branch of which strand one is."""
    frames: Any = None if strand is None else strand.frames
    while frames is not None and not isinstance(frames, Branch):
        frames = frames.below
    return frames


def _parent_of(strand: Machine | None) -> int | None:
    branch = _branch_of(strand)
    return None if branch is None else branch.parent


def _clocks_of(state: State, clocks: Mapping[int, float]) -> dict[int, float]:
    """Begin the clock of each branch that has begun when what has forked is as late as it is."""
    later = dict(clocks)
    strands = {ROOT: state} if isinstance(state, Machine) else state.strands
    for number, strand in strands.items():
        if number not in later:
            later[number] = later[_parent_of(strand) or ROOT]
    return {at: late for at, late in later.items() if at in strands}


def _shape(state: State) -> tuple[Any, ...]:
    """Give what tells two states of a walk apart: where each strand stands, and what it owes."""
    strands = {ROOT: state} if isinstance(state, Machine) else state.strands
    shape: list[Any] = []
    for at, strand in strands.items():
        cells, owed = strand.cells, list[int]()
        while cells is not None:
            owed.append(cells.pc)
            cells = cells.below
        kind = type(strand.progress)
        begun = strand.progress.begun if isinstance(strand.progress, Joining) else 0
        shape.append((at, strand.pc, tuple(owed), kind, begun))
    return tuple(shape)


def _ways_to_fail(
    machine: Machine, *, catches: bool
) -> Iterator[tuple[HowItFails, tuple[Reply, ...], bool]]:
    """Give how a call can fail, with the replies, and whether it has taken its time then."""
    yield "returned", (Failure(None),), True
    if not isinstance(machine.progress, Executing):
        yield "in_doubt", (Failure(None),), True
        return
    yield "in_doubt", (_DOUBT,), True
    step = step_of(machine)
    if step.compensate is not None and _can_be_late(step.timeout, is_async=step.is_async):
        yield "late", (Late(None),), True
    yield "cancelled", (Cancel(),), False
    if catches:
        yield "cut", (_CUT,), True
    deadlines: Any = machine.place.deadlines
    while deadlines is not None:
        due, deadlines = deadlines
        yield "expired", (Expired(due.number),), False
        yield "expired", (Expired(due.number, in_flight=True), _DOUBT), True


def _can_be_late(timeout: Timeout, *, is_async: bool) -> bool:
    return timeout is not None and (is_async or isinstance(timeout, Soft))


# -- time ------------------------------------------------------------------------------------------

_MANY: Final = 1 << 1000
"""More retries than a float can count are as good as this many."""


def _total(calls: Iterable[PlannedCall]) -> float:
    return sum((call.seconds for call in calls), 0.0)


def _most_seconds(retry: Retry, timeout: Timeout, *, is_async: bool) -> float:
    """Give how long a call with all its attempts takes at most."""
    seconds = seconds_of(timeout)
    if seconds is None or (isinstance(timeout, Soft) and not is_async):
        return math.inf
    again = min(retry.times, _MANY)
    return (again + 1) * seconds + _longest_pauses(retry, again)


def _longest_pauses(retry: Retry, again: int) -> float:
    total, last = 0.0, -1.0
    for attempt in range(1, again + 1):
        pause = retry.delay(attempt)
        if pause == last:  # it has stopped growing
            return total + pause * (again - attempt + 1)
        total, last = total + pause, pause
    return total
