"""A saga, or one run over it, as a picture: Mermaid, Graphviz DOT and plain text.

``draw`` makes nodes and edges, which are data; each of the three texts is a fold over them. Nothing
here recurses, however long the saga is.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final, Literal, final

from attrs import evolve, field, frozen

from sagalib.core import events as e
from sagalib.core.errors import InvalidOption, LogMismatch, shown
from sagalib.core.messages import Direction
from sagalib.core.saga import Saga
from sagalib.core.status import StepStatus, status_of
from sagalib.layout import Box, Edge, Key, Kind, Layout, Node, Way, in_short, shown_reason

__all__ = ["Edge", "Node", "Picture", "draw"]

_MOST: Final = 150
_DEEPEST: Final = 20


@final
@frozen
class Picture:
    """A saga or a run, as ``draw`` gives it; ``str()`` of it is the text.

    In JupyterLab a cell that ends with a picture shows it.
    """

    _nodes: tuple[Node, ...] = field(repr=False)
    _edges: tuple[Edge, ...] = field(repr=False)
    _boxes: tuple[Box, ...] = field(repr=False, default=())

    def mermaid(self, most: int = _MOST) -> str:
        """Give the picture as a flowchart of Mermaid: forward solid, the way back dashed.

        Args:
            most: the most boxes, 3 or more. Of a larger picture the middle is left out, and a box
                says how many are missing: Mermaid refuses a flowchart of more than 500 arrows.
                Boxes around others are drawn up to 20 deep.

        Raises:
            InvalidOption: ``most`` is not a whole number, 3 or more.
        """
        return _mermaid(*_cut(self._nodes, self._edges, most), self._boxes)

    def dot(self, most: int = _MOST) -> str:
        """Give the picture in Graphviz's DOT language: forward solid, the way back dashed.

        Args:
            most: the most boxes, as for ``mermaid``.

        Raises:
            InvalidOption: ``most`` is not a whole number, 3 or more.
        """
        return _dot(*_cut(self._nodes, self._edges, most), self._boxes)

    def text(self) -> str:
        """Give the picture as text, a line for each box, however many.

        What stands after ``-->`` is on the way there, what stands after ``- ->`` on the way back.
        A box around others is a line in brackets, and what stands in it is indented, as are the
        branches of a fork and the cases of a choice.
        """
        return "\n".join(_lines(self._nodes, self._edges, self._boxes))

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
    took if more than one, and the way back that was really walked. The steps are those of the log:
    one for each item of ``each``, and those that ``bind`` brought. A call that a ``retry`` repeats
    is drawn once, in the order of the first. The reason of a failure is shown with its ``repr``:
    whoever may see the picture reads that too.

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
    layout = Layout(saga)
    if log is not None:
        return _run_picture(layout, tuple(log))
    nodes, edges = layout.whole()
    return Picture(tuple(nodes), tuple(edges), tuple(layout.boxes))


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


_ITEM: Final = re.compile(r"(^|/)(item(?:~\d+)?)\[\d+\]")
"""A segment with the number of an item: no name of a step has a bracket in its path."""


def _run_picture(layout: Layout, log: tuple[e.Event, ...]) -> Picture:
    """Give the steps, reached or not, and the way back that was walked."""
    drawn = dict(_calls(layout, log))
    walk = list(drawn)
    whole, called = status_of(log), frozenset(walk)
    # The status of a step that is compensated is that of its compensation; how the step itself
    # went is the status after a log without the way back.
    there = status_of(event for event in log if not isinstance(event, _BACK)).steps
    now = whole.steps

    nodes = [layout.nodes[0]]
    edges: list[Edge] = []
    places: dict[Key, int] = {}
    begun = {(_template(path), direction) for path, direction in walk}
    way = [key for key in layout.way if key in called or key not in begun]
    for key in dict.fromkeys((*_in_order(way, walk), *walk)):
        path, direction = key
        turns = (there, now) if direction is Direction.EXECUTE else (now,)
        found = [states[path] for states in turns if key in called]
        places[key] = len(nodes)
        node = drawn.get(key) or layout.nodes[layout.places[key]]
        nodes.append(_seen(evolve(node, depth=_depth_of(node, layout.boxes)), found))
    here = 0
    for key in walk:
        line: Way = "forward" if key[1] is Direction.EXECUTE else "back"
        edges.append(Edge(here, places[key], line))
        here = places[key]
    if whole.state in _ENDS:
        is_ok = whole.state == "completed"
        notes = () if is_ok else (shown_reason(whole.reason),)
        edges.append(Edge(here, len(nodes), "forward" if is_ok else "back"))
        nodes.append(Node(_ENDS[whole.state], "end", notes, whole.state))
    here = max((places[key] for key in way if key in called), default=0)
    for key in way:
        if key not in called:
            edges.append(Edge(here, places[key], "not_reached"))
            here = places[key]
    boxes = (evolve(box, depth=box.level) for box in layout.boxes)
    return Picture(tuple(nodes), tuple(edges), tuple(boxes))


def _depth_of(node: Node, boxes: list[Box]) -> int:
    """Give how far the line of a call is indented in a run: the way back is not, it is one."""
    return 0 if node.kind == "compensation" or node.around is None else boxes[node.around].level + 1


def _in_order(way: list[Key], walk: list[Key]) -> Iterator[Key]:
    """Give the way with the calls that it has no place for behind those that they came after."""
    known, behind, last = frozenset(way), dict[Key | None, list[Key]](), None
    for key in walk:
        if key in known:
            last = key
        elif key[1] is Direction.EXECUTE:
            behind.setdefault(last, []).append(key)
    yield from behind.get(None, ())
    for key in way:
        yield key
        yield from behind.get(key, ())


def _template(path: str) -> str:
    return _ITEM.sub(r"\1\2[]", path)


def _calls(layout: Layout, log: Iterable[e.Event]) -> Iterator[tuple[Key, Node]]:
    """Give the calls of a log, and what is drawn for each."""
    for event in log:
        match event:
            case e.StepStarted(path=path):
                key = (path, Direction.EXECUTE)
            case e.CompensationStarted(path=path, direction=direction):
                key = (path, Direction(direction))
            case _:
                continue
        node = _node_of(layout, *key)
        if node is None:
            raise LogMismatch(
                f"expected calls of {layout.nodes[0].name!r} only; got {event!r}: write "
                "draw(saga, log) with the saga that wrote the log"
            )
        yield key, node


def _node_of(layout: Layout, path: str, direction: Direction) -> Node | None:
    """Give what is drawn for a call, which may be one of an item, or of what ``bind`` brought."""
    template = _template(path)
    place = layout.places.get((template, direction))
    if place is not None:
        node = layout.nodes[place]
        return node if template == path else evolve(node, **_renamed(node, template, path))
    slash = template.find("/")
    while slash >= 0:
        place = layout.binds.get(template[:slash])
        if place is not None:
            bind = layout.nodes[place]
            if direction is Direction.EXECUTE:
                return evolve(bind, name=path, kind="step", notes=())
            what = "settles" if direction is Direction.SETTLE else "makes up for"
            name = direction.value
            return evolve(bind, name=name, kind="compensation", notes=(f"{what} {path}",))
        slash = template.find("/", slash + 1)
    return None


def _renamed(node: Node, template: str, path: str) -> dict[str, Any]:
    if node.kind != "compensation":
        return {"name": path}
    first, *others = node.notes
    return {"notes": (first.removesuffix(template) + path, *others)}


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


def _nested(
    nodes: list[Node], boxes: tuple[Box, ...]
) -> Iterator[tuple[int, Literal["node", "begin", "end"], int]]:
    """Give nodes, and where boxes begin and end, in order: how deep, what, and its number.

    A box that stands deeper than others may is left out, and what it has stands in the one around.
    """
    inside: dict[int | None, list[int]] = {None: []}
    for place, node in enumerate(nodes):
        at = node.around
        while at is not None and boxes[at].level >= _DEEPEST:
            at = boxes[at].around
        inside.setdefault(at, []).append(place)
    used: set[int] = set()
    for number in inside:
        at = number
        while at is not None and at not in used:
            used.add(at)
            at = boxes[at].around
    held: dict[int | None, list[int]] = {}
    for number in sorted(used):
        held.setdefault(boxes[number].around, []).append(number)
    waiting: list[tuple[int, Literal["node", "begin", "end"], int | None]] = [(0, "begin", None)]
    while waiting:
        level, what, number = waiting.pop()
        if number is not None:
            yield level, what, number
        if what == "begin":
            if number is not None:
                waiting.append((level, "end", number))
            waiting.extend((level + 1, "begin", box) for box in reversed(held.get(number, ())))
            waiting.extend((level + 1, "node", place) for place in reversed(inside.get(number, ())))


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

_DASHED: Final = frozenset({"compensation", "junction", "handler"})

_MERMAID_SHAPES: Final[Mapping[Kind, tuple[str, str]]] = {
    "start": ("([", "])"),
    "step": ("[", "]"),
    "pivot": ("{{", "}}"),
    "compensation": ("(", ")"),
    "choice": ("{", "}"),
    "fork": ("[[", "]]"),
    "join": ("[[", "]]"),
    "bind": ("[/", "/]"),
    "handler": (">", "]"),
    "junction": ("((", "))"),
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


def _mermaid(nodes: list[Node], edges: list[Edge], boxes: tuple[Box, ...]) -> str:
    lines = ["flowchart TD"]
    for level, what, at in _nested(nodes, boxes):
        margin = "    " * level
        if what == "node":
            left, right = _MERMAID_SHAPES[nodes[at].kind]
            lines.append(f"{margin}n{at}{left}{_mermaid_label(nodes[at].lines)}{right}")
        elif what == "begin":
            lines.append(f"{margin}subgraph b{at}[{_mermaid_label([in_short(boxes[at].name)])}]")
        else:
            lines.append(f"{margin}end")
    for edge in edges:
        label = f"|{_mermaid_label([in_short(edge.label)])}|" if edge.label else ""
        arrow = _MERMAID_ARROWS[edge.way]
        lines.append(f"    n{edge.source} {arrow}{label} n{edge.target}")
    dim = [str(at) for at, edge in enumerate(edges) if edge.way == "not_reached"]
    lines += [f"    linkStyle {','.join(dim)} stroke:#adb5bd"] if dim else []
    back = [f"n{at}" for at, node in enumerate(nodes) if node.kind in _DASHED]
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
    "choice": "diamond",
    "fork": "trapezium",
    "join": "invtrapezium",
    "bind": "parallelogram",
    "handler": "cds",
    "junction": "ellipse",
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


def _dot(nodes: list[Node], edges: list[Edge], boxes: tuple[Box, ...]) -> str:
    lines = [
        "digraph saga {",
        '    node [fontname="sans-serif"]',
        '    edge [fontname="sans-serif"]',
    ]
    for level, what, at in _nested(nodes, boxes):
        margin = "    " * level
        if what == "begin":
            label = _dot_label([in_short(boxes[at].name)])
            lines += [f"{margin}subgraph cluster_{at} {{", f"{margin}    graph [label={label}]"]
            continue
        if what == "end":
            lines.append(f"{margin}}}")
            continue
        node = nodes[at]
        styles = ["rounded", "dashed"] if node.kind in _DASHED else []
        colours: list[str] = []
        if node.state:
            fill, border = _COLOURS[node.state]
            styles.append("filled")
            colours = [f'fillcolor="{fill}"', f'color="{border}"']
        look = [f'style="{",".join(styles)}"'] if styles else []
        label, shape = f"label={_dot_label(node.lines)}", f'shape="{_DOT_SHAPES[node.kind]}"'
        lines.append(f"{margin}n{at} [{', '.join([label, shape, *look, *colours])}]")
    for edge in edges:
        label = f"label={_dot_label([in_short(edge.label)])}" if edge.label else ""
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
    "choice": "--> ",
    "fork": "--> ",
    "join": "--> ",
    "bind": "--> ",
    "handler": "    - -> ",
    "junction": "",
    "end": "--> ",
    "more": "",
}


def _lines(nodes: Iterable[Node], edges: Iterable[Edge], boxes: tuple[Box, ...]) -> Iterator[str]:
    """Give the lines of the text: what stands at an arrow of a choice stands in that arrow."""
    cases: dict[int, str] = {}
    for edge in edges:
        if edge.way == "forward":  # where several meet again, it is no case
            cases[edge.target] = "" if edge.target in cases else edge.label
    begun: set[int] = set()
    for place, node in enumerate(nodes):
        if node.kind == "junction":  # it is nothing but a place where arrows meet
            continue
        around, at = list[int](), node.around
        while at is not None and at not in begun:
            around.append(at)
            begun.add(at)
            at = boxes[at].around
        for number in reversed(around):
            yield f"{_margin(boxes[number].depth)}[{in_short(boxes[number].name)}]"
        yield _margin(node.depth) + _line(node, in_short(cases.get(place, "")))


def _margin(depth: int) -> str:
    return "    " * min(depth, _DEEPEST)


def _line(node: Node, case: str) -> str:
    turned = node.kind == "end" and node.state != "completed"
    arrow = _TEXT_ARROWS["compensation" if turned else node.kind]
    name, *notes = node.lines
    return (f"--{case}--> " if case else arrow) + name + (f" ({'; '.join(notes)})" if notes else "")
