"""The boxes and arrows of a saga, found by one walk over its word.

Whatever is around the present place is kept in one list, so that nothing recurses, however deep
sagas are nested. Where a failure leads is a place as the boxes are; one that is not drawn yet, or
may not be drawn at all, has a number below 0 until the walk has ended.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final, Literal, TypeAlias, cast, final

from attrs import define, evolve, field, frozen
from returns.result import Success

from sagalib.core.choice import IsA, NoCase
from sagalib.core.functions import name_of
from sagalib.core.instructions import (
    Alternative,
    Arrow,
    Bind,
    Choose,
    Deadline,
    Each,
    Enter,
    Fail,
    Fork,
    Instruction,
    Jump,
    Leave,
    Nested,
    Owed,
    Promise,
    Recovery,
    Retrying,
    ScopeKind,
    Unwind,
    is_step,
)
from sagalib.core.messages import Direction
from sagalib.core.policy import Retry, Soft, Timeout, seconds_of
from sagalib.core.saga import Saga
from sagalib.core.status import Status
from sagalib.core.steps import AnyStep, Step

__all__ = ["Box", "Edge", "Key", "Kind", "Layout", "Node", "Way", "in_short", "shown_reason"]

Kind: TypeAlias = Literal[
    "start",
    "step",
    "pivot",
    "compensation",
    "choice",
    "fork",
    "join",
    "bind",
    "handler",
    "junction",
    "end",
    "more",
]
Way: TypeAlias = Literal["forward", "back", "not_reached"]
Key: TypeAlias = tuple[str, Direction]

_LONGEST: Final = 60
_TIMEOUT: Final[Timeout] = Step(Success, name="of the default").timeout


@final
@frozen
class Node:
    """A box: what it is called, further lines, and in a run the state of what it stands for.

    ``around`` is the number of the box that it stands in; ``depth`` how far its line is indented.
    """

    name: str
    kind: Kind
    notes: tuple[str, ...] = ()
    state: str = ""
    around: int | None = None
    depth: int = 0

    @property
    def lines(self) -> tuple[str, ...]:
        """What stands in the box, short and without characters that do not print."""
        return tuple(in_short(line) for line in (self.name, *self.notes) if line)


@final
@frozen
class Box:
    """What is drawn around nodes, and around other boxes: a scope, or ``each``.

    ``level`` is the number of the boxes around it.
    """

    name: str
    around: int | None
    depth: int
    level: int


@final
@frozen
class Edge:
    """An arrow between two nodes, which are numbered from 0."""

    source: int
    target: int
    way: Way = "forward"
    label: str = ""


def in_short(text: str) -> str:
    """Show the characters that do not print as escapes, and cut what is long."""
    cut = text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"
    if cut.isprintable():
        return cut
    return "".join(
        letter if letter.isprintable() else letter.encode("unicode_escape").decode()
        for letter in cut
    )


def shown_reason(reason: object) -> str:
    """Show a reason as a status does."""
    return str(Status(reason=reason).to_dict()["reason"])


_OK: Final = Node("Ok", "end", state="completed")
_COMPENSATED: Final = Node("Compensated", "end", state="compensated")
_FATAL: Final = Node("Fatal", "end", ("no way back after a pivot",), state="fatal")
# Where a failure leads that meets no compensation: these ends are placed last.
_TO_COMPENSATED: Final = -1
_TO_FATAL: Final = -2
_NO_ENDS: Final = -3

_Here: TypeAlias = list[tuple[int, str]]
"""The ends of arrows that lead to what comes next, and what stands at them."""


_Part: TypeAlias = Literal["then", "else", "scope", "alternative", "branch"]


@define(eq=False)
class _Open:
    """A part of the word that ends at ``end``, and how things stood where it began."""

    kind: _Part
    end: int
    top: int
    fails: int | None
    around: int | None
    depth: int
    here: _Here = field(factory=list[tuple[int, str]])
    scope: ScopeKind | None = None
    handler: int | None = None
    pivots: int = 0
    first: int | None = None
    by_class: bool = False
    fork: Fork | Each | None = None
    junction: int = 0
    tops: list[int] = field(factory=list[int])


@final
class Layout:
    """The nodes, boxes and edges of a saga.

    Attributes:
        nodes: the first is the saga itself.
        boxes: what is around nodes; each has a smaller number than those inside.
        places: path and direction of a call -> the number of its node.
        way: the calls that a run comes by if all goes well, in each branch and each case.
        binds: path of a ``bind`` -> the number of its node.
    """

    def __init__(self, saga: Saga[Any, Any, Any, Any, Any]) -> None:
        """Walk over the word."""
        self.nodes: list[Node] = [Node(saga.name, "start")]
        self.boxes: list[Box] = []
        self.places: dict[Key, int] = {}
        self.way: list[Key] = []
        self.binds: dict[str, int] = {}
        self._edges: list[Edge] = []
        self._open: list[_Open] = []
        self._unbegun: list[_Open] = []
        self._here: _Here = [(0, "")]
        self._top = _TO_COMPENSATED
        self._fails_to: int | None = None  # in a branch: not what it owes itself, but all
        self._around: int | None = None
        self._depth = 0
        self._pivots = 0
        self._continued = -1
        self._following = _NO_ENDS
        self._below: dict[int, int] = {}
        self._chained = {_TO_COMPENSATED, _TO_FATAL}
        self._junctions: dict[int, tuple[int, ...] | None] = {}
        self._junction_nodes: dict[int, Node] = {}
        self._exits: dict[int, list[tuple[int, int]]] = {}
        self._drawn: dict[int, int] = {}
        self._targets: set[int] = set()
        self._walk(saga.instructions, saga.paths)
        self._lead_what_is_owed()

    def whole(self) -> tuple[list[Node], list[Edge]]:
        """Give the nodes and edges, with the ends that are reached."""
        if self._here:
            self._depth, self._around = 0, None
            self._forward(_OK)
        nodes, drawn = list(self.nodes), dict(self._drawn)
        for place, node in self._junction_nodes.items():
            if place in self._targets:
                drawn[place] = len(nodes)
                nodes.append(node)
        for place, node in ((_TO_COMPENSATED, _COMPENSATED), (_TO_FATAL, _FATAL)):
            if place in self._targets:
                drawn[place] = len(nodes)
                nodes.append(node)
        edges = [
            Edge(
                drawn.get(edge.source, edge.source),
                drawn.get(edge.target, edge.target),
                edge.way,
                edge.label,
            )
            for edge in self._edges
        ]
        return nodes, edges

    # -- the walk ----------------------------------------------------------------------------------

    def _walk(self, word: tuple[Instruction, ...], paths: tuple[str | None, ...]) -> None:
        pc = 0
        while True:
            while self._open and self._open[-1].end == pc:
                self._close(self._open.pop(), word[pc] if pc < len(word) else None, paths, pc)
                pc = self._next
            if pc >= len(word):
                return
            if self._here:
                self._draw(word[pc], paths[pc] or "", pc)
                pc += 1
            else:  # what follows is never reached
                pc = self._open[-1].end if self._open else len(word)

    def _draw(self, instruction: Instruction, path: str, pc: int) -> None:
        if is_step(instruction):
            self._step(instruction, path)
            return
        match instruction:
            case Promise(step):
                self._owe(self._back(step, path, Direction.COMPENSATE))
            case Owed():
                self._owed(instruction, path)
            case Unwind(count):
                self._unwind(count)
            case Fail(error):
                self._fails(self._forward(Node("fail", "step", (shown_reason(error),))))
                self._here = []
            case Arrow(function) if isinstance(function, NoCase):
                self._fails(self._here[0][0], "no case")
                self._here = []
            case _:
                self._draw_form(instruction, path, pc)

    def _draw_form(self, instruction: Instruction, path: str, pc: int) -> None:
        match instruction:
            case Choose(predicate, skip):
                self._choose(predicate, pc, skip)
            case Enter(scope, size):
                self._enter(scope, pc + 1 + size)
            case Fork() | Each():
                self._fork(instruction, pc)
            case Bind(function):
                notes = ("brings a saga when it runs",)
                place = self._forward(Node(f"bind {name_of(function)}", "bind", notes))
                self.binds[path] = place
                self._fails(place, "after its own way back")
            case _:
                pass

    def _close(
        self, opened: _Open, closing: object, paths: tuple[str | None, ...], pc: int
    ) -> None:
        self._next = pc + 1
        match opened.kind:
            case "then":
                place = opened.first or 0
                self._open.append(
                    evolve(
                        opened,
                        kind="else",
                        end=pc + 1 + cast("Jump", closing).skip,
                        here=self._here,
                        tops=[self._top] if self._here else [],
                    )
                )
                self._here, self._top = [(place, "" if opened.by_class else "no")], opened.top
                self._continued = pc + 1 if opened.by_class else -1
            case "else" | "alternative":
                self._next = pc
                self._depth = opened.depth
                tops = [*opened.tops, *([self._top] if self._here else [])]
                self._here = [*opened.here, *self._here]
                self._top = self._merged(tops, opened.top)
            case "scope":
                self._leave(opened, cast("Leave", closing), paths[pc] or "", pc)
            case "branch":
                self._end_branch(opened, pc)

    def _add(self, node: Node) -> int:
        self.nodes.append(evolve(node, around=self._around, depth=self._depth))
        return len(self.nodes) - 1

    def _edge(self, source: int, target: int, way: Way = "back", label: str = "") -> None:
        self._edges.append(Edge(source, target, way, label))
        self._targets.add(target)

    def _forward(self, node: Node) -> int:
        place = self._add(node)
        for source, label in self._here:
            self._edge(source, place, "forward", label)
        self._here = [(place, "")]
        for opened in self._unbegun:
            opened.first = place
        self._unbegun = []
        return place

    def _step(self, step: AnyStep, path: str) -> None:
        kind: Kind = "pivot" if step.pivot else "step"
        notes = (
            *(("pivot",) if step.pivot else ()),
            *_terms(step.retries, step.timeout, _TIMEOUT),
        )
        place = self._forward(Node(path, kind, notes))
        self.places[path, Direction.EXECUTE] = place
        self.way.append((path, Direction.EXECUTE))
        if step.settle is not None:
            settle = self._back(step, path, Direction.SETTLE)
            label = "in doubt" if step.settle_on == "doubt" else ""
            self._edge(place, settle, "back", label)
            self._below[settle] = self._top if self._fails_to is None else self._fails_to
            self._lead(settle)
        if step.settle is None or step.settle_on == "doubt":
            self._fails(place)
        if step.compensate is not None:
            self._owe(self._back(step, path, Direction.COMPENSATE))
        elif step.pivot:
            self._top = _TO_FATAL
            self._pivots += 1

    def _back(self, step: AnyStep, path: str, direction: Direction) -> int:
        if direction is Direction.SETTLE:
            function, what = cast("object", step.settle), f"settles {path}"
        else:
            function, what = cast("object", step.compensate), f"makes up for {path}"
        notes = (what, *_terms(step.compensation_retries, step.compensation_timeout, None))
        place = self._add(Node(name_of(function), "compensation", notes))
        self.places[path, direction] = place
        return place

    # -- the way back ------------------------------------------------------------------------------

    def _owe(self, place: int) -> None:
        self._below[place] = self._top
        self._top = place

    def _owed(self, owed: Owed, path: str) -> None:
        if owed.direction is None:
            self._top = _TO_FATAL
            self._pivots += 1
        else:
            self._owe(self._back(owed.step, path, owed.direction))
            self.way.append((path, owed.direction))

    def _fails(self, place: int, label: str = "") -> None:
        """Lead from a place back."""
        target = self._top if self._fails_to is None else self._fails_to
        self._edge(place, target, "back", label)
        self._lead(target)

    def _lead(self, place: int) -> None:
        """Lead from a place on the way back down to the end, as far as nothing did before."""
        waiting = [place]
        while waiting:
            place = waiting.pop()
            for handler, outside in self._exits.pop(place, ()):
                self._edge(handler, outside, "back", "failed later")
                waiting.append(outside)
            if place in self._chained:
                continue
            self._chained.add(place)
            targets = self._junctions.get(place, ()) or self._below.get(place)
            for target in (targets,) if isinstance(targets, int) else targets or ():
                self._edge(place, target)
                waiting.append(target)

    def _lead_what_is_owed(self) -> None:
        """Lead from the compensations that are owed at the end, after which nothing fails."""
        waiting = [self._top]
        self._exits = {}
        while waiting:
            place = waiting.pop()
            if place not in self._junctions:
                self._lead(place)
            elif place not in self._targets:
                waiting += self._junctions[place] or ()

    def _virtual(self) -> int:
        place = self._following
        self._following -= 1
        return place

    def _junction(self, label: str, targets: tuple[int, ...] | None) -> int:
        place = self._virtual()
        self._junctions[place] = targets
        self._junction_nodes[place] = Node(
            label, "junction", around=self._around, depth=self._depth
        )
        return place

    def _merged(self, tops: list[int], otherwise: int) -> int:
        """Give where the way back begins after one of several ways there."""
        several = tuple(dict.fromkeys(tops))
        if len(several) > 1:
            return self._junction("the way that was taken", several)
        return several[0] if several else otherwise

    def _unwind(self, count: int) -> None:
        """Go back through the last compensations, and on from there."""
        for _ in range(count):
            if self._top < 0:
                break
            for source, label in self._here:
                self._edge(source, self._top, "back", label)
            self._here, self._top = [(self._top, "")], self._below[self._top]

    # -- choice, scopes, branches ------------------------------------------------------------------

    def _opened(self, kind: _Part, end: int, **more: Any) -> _Open:  # noqa: ANN401 - as of _Open
        opened = _Open(kind, end, self._top, self._fails_to, self._around, self._depth, **more)
        self._open.append(opened)
        return opened

    def _choose(self, predicate: object, pc: int, skip: int) -> None:
        by_class, yes = isinstance(predicate, IsA), "yes"
        place, inside = self._here[0][0], self._depth
        if by_class:
            yes = cast("IsA", predicate).cls.__qualname__
        if pc != self._continued or not by_class:
            name = "by class" if by_class else f"{name_of(predicate)}?"
            place, inside = self._forward(Node(name, "choice")), self._depth + 1
        self._opened("then", pc + skip, first=place, by_class=by_class)
        self._here, self._depth = [(place, yes)], inside

    def _enter(self, scope: ScopeKind, end: int) -> None:
        opened = self._opened("scope", end, scope=scope, pivots=self._pivots)
        self._unbegun.append(opened)
        self._surround(_name_of_scope(scope))
        if isinstance(scope, (Alternative, Recovery, Retrying)) or self._fails_to is not None:
            opened.handler = self._top = self._virtual()
            self._chained.add(self._top)
        self._fails_to = None

    def _surround(self, name: str) -> None:
        """Begin a box."""
        level = 0 if self._around is None else self.boxes[self._around].level + 1
        self.boxes.append(Box(name, self._around, self._depth, level))
        self._around = len(self.boxes) - 1
        self._depth += 1

    def _leave(self, opened: _Open, leave: Leave, path: str, pc: int) -> None:
        if self._unbegun and self._unbegun[-1] is opened:
            self._unbegun.pop()
        handler, owes = opened.handler, self._top not in {opened.handler, opened.top}
        node = None
        if handler is not None and (handler in self._targets or (owes and leave.step is None)):
            node = self._drawn[handler] = self._add(_node_of_handler(opened.scope))
        self._around, self._depth, self._fails_to = opened.around, opened.depth, opened.fails
        through = [self._top] if self._here else []
        self._top = opened.top
        if leave.step is not None and self._here:
            self._owe(self._back(leave.step, path, Direction.COMPENSATE))
            through = [self._top]
        elif not owes:
            through = [opened.top] if through else []
        elif handler is not None and through and opened.pivots == self._pivots:
            self._exits.setdefault(through[0], []).append((handler, opened.top))
        self._top = through[0] if through else opened.top
        if isinstance(opened.scope, Alternative):
            self._opened("alternative", pc + 1 + leave.skip, here=self._here, tops=through)
            self._here = [] if node is None else [(node, "")]
            self._top = opened.top
        elif node is not None:
            self._handle(opened, node, through)

    def _handle(self, opened: _Open, node: int, through: list[int]) -> None:
        """Lead on from where a failure leaves a scope."""
        top, self._top = self._top, opened.top
        if isinstance(opened.scope, Retrying):
            if opened.first is not None:
                self._edge(node, opened.first, "forward")
            self._fails(node, "no attempt left")
        elif isinstance(opened.scope, Recovery):
            self._fails(node, "not returned")
            self._here.append((node, ""))
            top = self._merged([*through, opened.top], opened.top)
        else:
            self._fails(node)
        self._top = top

    def _fork(self, fork: Fork | Each, pc: int) -> None:
        opened = self._opened("branch", 0, fork=fork)
        if isinstance(fork, Each):
            limit = "no limit" if fork.limit is None else f"limit {fork.limit}"
            self._surround(f"each, {limit}")
        notes = (
            *((f"limit {fork.limit}",) if isinstance(fork, Fork) and fork.limit else ()),
            *(("stops the others if one fails",) if fork.interrupts else ()),
        )
        name = "side by side" if isinstance(fork, Fork) else "each item"
        opened.first = self._forward(Node(name, "fork", notes))
        opened.junction = self._junction("what has completed, last first", None)
        self._depth += 1
        if isinstance(fork, Fork) and not fork.sizes:
            self._open.pop()
            self._join(opened, [])
            return
        self._begin_branch(opened, pc + 1)

    def _begin_branch(self, opened: _Open, start: int) -> None:
        fork = cast("Fork | Each", opened.fork)
        sizes = fork.sizes if isinstance(fork, Fork) else (fork.size,)
        opened.end = start + sizes[len(opened.tops)] - 1
        self._here, self._top = [(opened.first or 0, "")], opened.top
        self._fails_to = opened.junction if opened.fails is None else opened.fails

    def _end_branch(self, opened: _Open, pc: int) -> None:
        fork = cast("Fork | Each", opened.fork)
        opened.tops.append(self._top)
        opened.pivots += not self._here  # how many branches have no end
        opened.here += self._here
        if isinstance(fork, Fork) and len(opened.tops) < len(fork.sizes):
            self._open.append(opened)
            self._begin_branch(opened, pc + 1)
        else:
            self._here = opened.here if not opened.pivots else []
            self._join(opened, opened.tops)

    def _join(self, opened: _Open, tops: list[int]) -> None:
        """Join the branches; what they owe is owed together."""
        self._depth -= 1
        if self._here:
            name = "all have ended" if isinstance(opened.fork, Fork) else "all items"
            self._forward(Node(name, "join"))
        self._around, self._depth, self._fails_to = opened.around, opened.depth, opened.fails
        owed = tuple(top for top in dict.fromkeys(tops) if top != opened.top)
        self._junctions[opened.junction] = owed or (opened.top,)
        self._top = opened.junction if owed else opened.top
        if opened.junction in self._chained:  # a branch has led here before it was known whence
            self._chained.discard(opened.junction)
            self._lead(opened.junction)


def _name_of_scope(scope: ScopeKind) -> str:
    match scope:
        case Retrying(policy):
            wait = f", wait {policy.wait:g} s" if policy.wait else ""
            return f"retry {policy.times}{wait}"
        case Deadline(seconds):
            return f"deadline {seconds:g} s"
        case Nested(name):
            return name
        case Recovery():
            return "recover"
        case Alternative():
            return "or_else"


def _node_of_handler(scope: ScopeKind | None) -> Node:
    match scope:
        case Retrying():
            return Node("again", "handler")
        case Recovery(function):
            return Node(name_of(function), "handler", ("makes a value of the error",))
        case Alternative():
            return Node("or else", "handler")
        case _:
            return Node("undone", "handler")


def _terms(retries: Retry, timeout: Timeout, default: Timeout) -> Iterator[str]:
    if retries.times:
        yield f"retries {retries.times}"
    if timeout != default:
        seconds = seconds_of(timeout)
        soft = "soft " if isinstance(timeout, Soft) else ""
        yield "no timeout" if seconds is None else f"{soft}timeout {seconds:g} s"
