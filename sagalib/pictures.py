"""A saga, or one run over it, as a picture: Mermaid, Graphviz DOT and plain text.

``draw`` makes nodes and edges, which are data; each of the three texts is a fold over them. Nothing
here recurses, however long the saga is.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final, Literal, TypeAlias, cast, final

from attrs import evolve, field, frozen
from returns.result import Success

from sagalib.core import events as e
from sagalib.core.errors import InvalidOption, LogMismatch, shown
from sagalib.core.functions import name_of
from sagalib.core.instructions import Fail, Owed, Promise, Unwind, is_step
from sagalib.core.messages import Direction
from sagalib.core.policy import Retry, Soft, Timeout, seconds_of
from sagalib.core.saga import Saga
from sagalib.core.status import Status, StepStatus, status_of
from sagalib.core.steps import AnyStep, Step

__all__ = ["Edge", "Node", "Picture", "draw"]

Kind: TypeAlias = Literal["start", "step", "pivot", "compensation", "end", "more"]
Way: TypeAlias = Literal["forward", "back", "not_reached"]
Key: TypeAlias = tuple[str, Direction]

_MOST: Final = 150
_LONGEST: Final = 60
_TIMEOUT: Final[Timeout] = Step(Success, name="of the default").timeout


@final
@frozen
class Node:
    """A box: what it is called, further lines, and in a run the state of what it stands for."""

    name: str
    kind: Kind
    notes: tuple[str, ...] = ()
    state: str = ""

    @property
    def lines(self) -> tuple[str, ...]:
        """What stands in the box, short and without characters that do not print."""
        return tuple(_short(line) for line in (self.name, *self.notes) if line)


@final
@frozen
class Edge:
    """An arrow between two nodes, which are numbered from 0."""

    source: int
    target: int
    way: Way = "forward"
    label: str = ""


@final
@frozen
class Picture:
    """A saga or a run, as ``draw`` gives it; ``str()`` of it is the text.

    In JupyterLab a cell that ends with a picture shows it.
    """

    _nodes: tuple[Node, ...] = field(repr=False)
    _edges: tuple[Edge, ...] = field(repr=False)

    def mermaid(self, most: int = _MOST) -> str:
        """Give the picture as a flowchart of Mermaid: forward solid, the way back dashed.

        Args:
            most: the most boxes, 3 or more. Of a larger picture the middle is left out, and a box
                says how many are missing: Mermaid refuses a flowchart of more than 500 arrows.

        Raises:
            InvalidOption: ``most`` is not a whole number, 3 or more.
        """
        return _mermaid(*_cut(self._nodes, self._edges, most))

    def dot(self, most: int = _MOST) -> str:
        """Give the picture in Graphviz's DOT language: forward solid, the way back dashed.

        Args:
            most: the most boxes, as for ``mermaid``.

        Raises:
            InvalidOption: ``most`` is not a whole number, 3 or more.
        """
        return _dot(*_cut(self._nodes, self._edges, most))

    def text(self) -> str:
        """Give the picture as text, a line for each box, however many.

        What stands after ``-->`` is on the way there, what stands after ``- ->`` on the way back.
        """
        return "\n".join(map(_line, self._nodes))

    def __str__(self) -> str:
        """Give the text."""
        return self.text()

    def _repr_mermaid_(self) -> str:
        return self.mermaid()

    def _repr_mimebundle_(self, **_: object) -> dict[str, str]:
        """Give what IPython asks of a value that it shows."""
        return {"text/vnd.mermaid": self._repr_mermaid_(), "text/plain": self.text()}


def draw(saga: Saga[Any, Any, Any, Any, Any], log: Iterable[e.Event] | None = None, /) -> Picture:
    """Draw a saga, or one run over it.

    A saga: each step, its retries and timeout where they are not the default, what leads on, and
    where a failure of it leads: through the compensations of the steps before it, last first. After
    a pivot, a failure leads to ``Fatal``. Left out are pure functions, which have no effect to make
    up for; that a step which answers too late is itself the first to be compensated; and that a
    compensation may fail, which makes a run ``Fatal``.

    A run: what was called, in which state it is (in words, and in a colour), how many attempts it
    took if more than one, and the way back that was really walked. The reason of a failure is shown
    with its ``repr``: whoever may see the picture reads that too.

    ::

        print(draw(saga))
        print(draw(saga, run(saga, order).log).mermaid())

    Args:
        saga: what to draw.
        log: the events of one run of ``saga``, all or the first; without it the saga is drawn.

    Raises:
        InvalidOption: ``saga`` is not a saga.
        LogMismatch: ``log`` has a call of a step that ``saga`` does not have.
    """
    given: Any = saga
    if not isinstance(given, Saga):
        raise InvalidOption(f"draw takes a saga; got {shown(saga)}: write draw(saga, outcome.log)")
    plan = _Plan(saga)
    return plan.picture() if log is None else _run_picture(plan, tuple(log))


# -- the saga --------------------------------------------------------------------------------------

_OK: Final = Node("Ok", "end", state="completed")
_COMPENSATED: Final = Node("Compensated", "end", state="compensated")
_FATAL: Final = Node("Fatal", "end", ("no way back after a pivot",), state="fatal")
# Where a failure leads that meets no compensation: these ends are placed last.
_TO_COMPENSATED: Final = -1
_TO_FATAL: Final = -2


class _Plan:
    """The nodes and edges of a saga, found by one walk over its instructions."""

    def __init__(self, saga: Saga[Any, Any, Any, Any, Any]) -> None:
        self.nodes: list[Node] = [Node(saga.name, "start")]
        self.edges: list[Edge] = []
        self.places: dict[Key, int] = {}
        self.way: list[Key] = []
        """What a run comes by if all goes well."""
        self._last = 0
        self._ends = True
        self._top = _TO_COMPENSATED
        self._below: dict[int, int] = {}
        self._chained = {_TO_COMPENSATED, _TO_FATAL}
        for instruction, path in zip(saga.instructions, saga.paths, strict=True):
            if is_step(instruction):
                self._step(instruction, path or "")
            elif isinstance(instruction, Promise):
                self._owe(self._back(instruction.step, path or "", Direction.COMPENSATE))
            elif isinstance(instruction, Owed):
                self._owed(instruction, path or "")
            elif isinstance(instruction, Unwind):
                self._unwind(instruction.count)
            elif isinstance(instruction, Fail):
                self._forward(Node("fail", "step", (_text_of(instruction.error),)))
                self._fails()
                self._ends = False  # what follows is never reached
                break
        self._lead(self._top)

    def picture(self) -> Picture:
        """Give the picture, with the ends that are reached."""
        if self._ends:
            self._forward(_OK)
        ends = {edge.target for edge in self.edges if edge.target < 0}
        places: dict[int, int] = {}
        for place, end in ((_TO_COMPENSATED, _COMPENSATED), (_TO_FATAL, _FATAL)):
            if place in ends:
                places[place] = len(self.nodes)
                self.nodes.append(end)
        edges = (
            edge if edge.target >= 0 else Edge(edge.source, places[edge.target], edge.way)
            for edge in self.edges
        )
        return Picture(tuple(self.nodes), tuple(edges))

    def _add(self, node: Node) -> int:
        self.nodes.append(node)
        return len(self.nodes) - 1

    def _forward(self, node: Node) -> int:
        place = self._add(node)
        self.edges.append(Edge(self._last, place))
        self._last = place
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
            self.edges.append(Edge(place, settle, "back", label))
            self._below[settle] = self._top
            self._lead(settle)
        if step.settle is None or step.settle_on == "doubt":
            self._fails()
        if step.compensate is not None:
            self._owe(self._back(step, path, Direction.COMPENSATE))
        elif step.pivot:
            self._top = _TO_FATAL

    def _back(self, step: AnyStep, path: str, direction: Direction) -> int:
        if direction is Direction.SETTLE:
            function, what = cast("object", step.settle), f"settles {path}"
        else:
            function, what = cast("object", step.compensate), f"makes up for {path}"
        notes = (what, *_terms(step.compensation_retries, step.compensation_timeout, None))
        place = self._add(Node(name_of(function), "compensation", notes))
        self.places[path, direction] = place
        return place

    def _owe(self, place: int) -> None:
        self._below[place] = self._top
        self._top = place

    def _owed(self, owed: Owed, path: str) -> None:
        if owed.direction is None:
            self._top = _TO_FATAL
        else:
            self._owe(self._back(owed.step, path, owed.direction))
            self.way.append((path, owed.direction))

    def _fails(self, *, lead: bool = True) -> None:
        """Lead from the present place back."""
        self.edges.append(Edge(self._last, self._top, "back"))
        if lead:
            self._lead(self._top)

    def _lead(self, place: int) -> None:
        """Lead from a compensation down to the end, as far as nothing did before."""
        while place not in self._chained:
            self._chained.add(place)
            self.edges.append(Edge(place, self._below[place], "back"))
            place = self._below[place]

    def _unwind(self, count: int) -> None:
        """Go back through the last compensations, and on from there."""
        for _ in range(count):
            if self._top < 0:
                break
            self._fails(lead=False)
            self._last, self._top = self._top, self._below[self._top]


def _terms(retries: Retry, timeout: Timeout, default: Timeout) -> Iterator[str]:
    if retries.times:
        yield f"retries {retries.times}"
    if timeout != default:
        seconds = seconds_of(timeout)
        soft = "soft " if isinstance(timeout, Soft) else ""
        yield "no timeout" if seconds is None else f"{soft}timeout {seconds:g} s"


def _text_of(reason: object) -> str:
    return str(Status(reason=reason).to_dict()["reason"])


# -- a run -----------------------------------------------------------------------------------------

_BACK: Final = (
    e.CompensationStarted,
    e.CompensationRetrying,
    e.StepCompensated,
    e.StepSettled,
    e.CompensationGaveUp,
)
_ENDS: Final[Mapping[str, str]] = {
    "completed": "Ok",
    "compensated": "Compensated",
    "fatal": "Fatal",
}


def _run_picture(plan: _Plan, log: tuple[e.Event, ...]) -> Picture:
    """Give the steps, reached or not, and the way back that was walked."""
    walk = list(dict.fromkeys(_calls(plan, log)))
    whole, called = status_of(log), frozenset(walk)
    # The status of a step that is compensated is that of its compensation; how the step itself
    # went is the status after a log without the way back.
    there = status_of(event for event in log if not isinstance(event, _BACK)).steps
    now = whole.steps

    nodes = [plan.nodes[0]]
    edges: list[Edge] = []
    places: dict[Key, int] = {}
    for key in dict.fromkeys((*plan.way, *walk)):
        path, direction = key
        turns = (there, now) if direction is Direction.EXECUTE else (now,)
        found = [states[path] for states in turns if key in called]
        places[key] = len(nodes)
        nodes.append(_seen(plan.nodes[plan.places[key]], found))
    here = 0
    for key in walk:
        way: Way = "forward" if key[1] is Direction.EXECUTE else "back"
        edges.append(Edge(here, places[key], way))
        here = places[key]
    if whole.state in _ENDS:
        is_ok = whole.state == "completed"
        notes = () if is_ok else (_text_of(whole.reason),)
        edges.append(Edge(here, len(nodes), "forward" if is_ok else "back"))
        nodes.append(Node(_ENDS[whole.state], "end", notes, whole.state))
    here = max((places[key] for key in plan.way if key in called), default=0)
    for key in plan.way:
        if key not in called:
            edges.append(Edge(here, places[key], "not_reached"))
            here = places[key]
    return Picture(tuple(nodes), tuple(edges))


def _calls(plan: _Plan, log: Iterable[e.Event]) -> Iterator[Key]:
    for event in log:
        match event:
            case e.StepStarted(path=path):
                key = (path, Direction.EXECUTE)
            case e.CompensationStarted(path=path, direction=direction):
                key = (path, Direction(direction))
            case _:
                continue
        if key not in plan.places:
            raise LogMismatch(
                f"expected calls of {plan.nodes[0].name!r} only; got {event!r}: write "
                "draw(saga, log) with the saga that wrote the log"
            )
        yield key


def _seen(node: Node, found: list[StepStatus]) -> Node:
    """Give the node with its states instead of its terms; the last state gives the colour."""
    states: list[str] = [status.state for status in found] or ["not_reached"]
    attempt = found[0].attempt if found else 1
    notes = (
        *(("pivot",) if node.kind == "pivot" else ()),
        *(node.notes[:1] if node.kind == "compensation" else ()),
        ", ".join(dict.fromkeys(states)).replace("_", " "),
        *((f"attempt {attempt}",) if attempt > 1 else ()),
    )
    return evolve(node, notes=notes, state=states[-1])


# -- the texts -------------------------------------------------------------------------------------


def _short(text: str) -> str:
    """Show the characters that do not print as escapes, and cut what is long."""
    cut = text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"
    if cut.isprintable():
        return cut
    return "".join(
        letter if letter.isprintable() else letter.encode("unicode_escape").decode()
        for letter in cut
    )


def _cut(
    nodes: tuple[Node, ...], edges: tuple[Edge, ...], most: int
) -> tuple[list[Node], list[Edge]]:
    """Put one node in the place of the middle, if there are too many."""
    number: Any = most
    if not isinstance(number, int) or isinstance(number, bool) or number < 3:  # noqa: PLR2004 - first, last and what is between
        raise InvalidOption(
            f"most must be a whole number, 3 or more; got {shown(most)}: write most={_MOST}"
        )
    if len(nodes) <= most:
        return list(nodes), list(edges)
    head = most // 2
    tail = most - head - 1
    missing = len(nodes) - head - tail

    def place(old: int) -> int:
        return min(old, head) if old < len(nodes) - tail else old - missing + 1

    kept: dict[Edge, None] = {}
    for edge in edges:
        source, target = place(edge.source), place(edge.target)
        if source != target:
            kept[Edge(source, target, edge.way, edge.label)] = None
    more = Node(f"... {missing:,} more", "more")
    return [*nodes[:head], more, *nodes[len(nodes) - tail :]], list(kept)


_COLOURS: Final[Mapping[str, tuple[str, str]]] = {
    "running": ("#fff3bf", "#b08800"),
    "retrying": ("#fff3bf", "#b08800"),
    "compensating": ("#fff3bf", "#b08800"),
    "settling": ("#fff3bf", "#b08800"),
    "done": ("#d3f9d8", "#2b8a3e"),
    "completed": ("#d3f9d8", "#2b8a3e"),
    "compensated": ("#d0ebff", "#1864ab"),
    "settled": ("#d0ebff", "#1864ab"),
    "failed": ("#ffe3e3", "#c92a2a"),
    "owed": ("#ffe3e3", "#c92a2a"),
    "fatal": ("#ffe3e3", "#c92a2a"),
    "in_doubt": ("#ffe8cc", "#d9480f"),
    "not_reached": ("#f8f9fa", "#adb5bd"),
}
"""Of each state: what fills the box, and its border. The state stands in the box in words too."""

_MERMAID_SHAPES: Final[Mapping[Kind, tuple[str, str]]] = {
    "start": ("([", "])"),
    "step": ("[", "]"),
    "pivot": ("{{", "}}"),
    "compensation": ("(", ")"),
    "end": ("([", "])"),
    "more": ("[", "]"),
}
_MERMAID_ARROWS: Final[Mapping[Way, str]] = {
    "forward": "-->",
    "back": "-.->",
    "not_reached": "-->",
}
# Kept as they are: letters, digits, single spaces, and `_`, `-` between letters or digits. All else
# might be markup, Markdown, an icon, a comment or a directive somewhere.
_MERMAID_ESCAPED: Final = re.compile(r"(?<![^\W_])[_-]|[_-](?![^\W_])|(?<= ) |[^\w\- ]")


def _mermaid_label(lines: Iterable[str]) -> str:
    escaped = (_MERMAID_ESCAPED.sub(lambda it: f"#{ord(it.group())};", line) for line in lines)
    return f'"{"<br/>".join(escaped)}"'


def _mermaid(nodes: list[Node], edges: list[Edge]) -> str:
    lines = ["flowchart TD"]
    for place, node in enumerate(nodes):
        left, right = _MERMAID_SHAPES[node.kind]
        lines.append(f"    n{place}{left}{_mermaid_label(node.lines)}{right}")
    for edge in edges:
        label = f"|{_mermaid_label([edge.label])}|" if edge.label else ""
        arrow = _MERMAID_ARROWS[edge.way]
        lines.append(f"    n{edge.source} {arrow}{label} n{edge.target}")
    dim = [str(at) for at, edge in enumerate(edges) if edge.way == "not_reached"]
    lines += [f"    linkStyle {','.join(dim)} stroke:#adb5bd"] if dim else []
    back = [f"n{at}" for at, node in enumerate(nodes) if node.kind == "compensation"]
    if back:
        lines += [
            "    classDef back stroke-dasharray:5 5",
            f"    class {','.join(back)} back",
        ]
    for state in dict.fromkeys(node.state for node in nodes if node.state):
        fill, border = _COLOURS[state]
        members = ",".join(f"n{at}" for at, node in enumerate(nodes) if node.state == state)
        lines += [
            f"    classDef {state} fill:{fill},stroke:{border},color:#212529",
            f"    class {members} {state}",
        ]
    return "\n".join([*lines, ""])


_DOT_SHAPES: Final[Mapping[Kind, str]] = {
    "start": "oval",
    "step": "box",
    "pivot": "hexagon",
    "compensation": "box",
    "end": "oval",
    "more": "plaintext",
}
_DOT_ARROWS: Final[Mapping[Way, str]] = {
    "forward": "",
    "back": 'style="dashed"',
    "not_reached": 'color="#adb5bd"',
}
# A label is decoded twice: as a string with escapes, and as text with entities of HTML.
_DOT_ESCAPES: Final = str.maketrans({"\\": "\\\\", '"': '\\"', "&": "&amp;"})


def _dot_label(lines: Iterable[str]) -> str:
    return '"{}"'.format("\\n".join(line.translate(_DOT_ESCAPES) for line in lines))


def _dot(nodes: list[Node], edges: list[Edge]) -> str:
    lines = [
        "digraph saga {",
        '    node [fontname="sans-serif"]',
        '    edge [fontname="sans-serif"]',
    ]
    for place, node in enumerate(nodes):
        styles = ["rounded", "dashed"] if node.kind == "compensation" else []
        colours: list[str] = []
        if node.state:
            fill, border = _COLOURS[node.state]
            styles.append("filled")
            colours = [f'fillcolor="{fill}"', f'color="{border}"']
        look = [f'style="{",".join(styles)}"'] if styles else []
        label, shape = f"label={_dot_label(node.lines)}", f'shape="{_DOT_SHAPES[node.kind]}"'
        lines.append(f"    n{place} [{', '.join([label, shape, *look, *colours])}]")
    for edge in edges:
        label = f"label={_dot_label([edge.label])}" if edge.label else ""
        attributes = ", ".join(filter(None, (_DOT_ARROWS[edge.way], label)))
        lines.append(
            f"    n{edge.source} -> n{edge.target}" + (f" [{attributes}]" if attributes else "")
        )
    return "\n".join([*lines, "}", ""])


_TEXT_ARROWS: Final[Mapping[Kind, str]] = {
    "start": "",
    "step": "--> ",
    "pivot": "--> ",
    "compensation": "    - -> ",
    "end": "--> ",
    "more": "",
}


def _line(node: Node) -> str:
    turned = node.kind == "end" and node.state != "completed"
    arrow = _TEXT_ARROWS["compensation" if turned else node.kind]
    name, *notes = node.lines
    return f"{arrow}{name}" + (f" ({'; '.join(notes)})" if notes else "")
