"""Draws the states of a run: a table and a picture, from the machine's own table of transitions.

``TRANSITIONS`` says what may be answered in which state; where a reply leads is found by following
all replies through the machines of a few small sagas. As a program, ``python -m tests.states``
writes both into ``docs/explanation``.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final, TypeAlias

from attrs import frozen
from returns.result import Failure, Success

from sagalib import Cancel, Fatal, Late, Raised, Refused, Retry, Saga, Step, Unknown, simulate
from sagalib.core.machine import begin, evolve
from sagalib.core.messages import Expired, Reply, Woke
from sagalib.core.outcomes import Cancelled, TimedOut
from sagalib.core.state import (
    Backing,
    Compensating,
    Ended,
    Executing,
    Machine,
    Pausing,
    Progress,
    Resting,
)
from sagalib.core.strand import TRANSITIONS

State: TypeAlias = type[Progress]
Edge: TypeAlias = tuple[State, State]

FOLDER = Path(__file__).parents[1] / "docs" / "explanation"
PICTURE = "states.svg"
PAGE = "states.md"
FENCE = "<!-- made by tests/states.py -->"

REPLIES: Final[tuple[Reply, ...]] = (
    Success(1),
    Late(1),
    Failure("no"),
    Unknown(TimedOut(1.0)),
    Unknown(Cancelled()),
    Refused(Raised("Busy", "no thread is free")),
    Woke(),
    Cancel(),
    Cancel(in_flight=True),
    Expired(1),
    Expired(1, in_flight=True),
)
LONGEST = 4


def _answer(_: object) -> Any:
    return Success(None)


def _sagas() -> Iterator[Saga[Any, Any, Any, Any]]:
    for retries in (Retry(0), Retry(1), Retry(1, wait=1.0)):
        back = Step(_answer, _answer, retries=retries, compensation_retries=retries)
        last = Step(_answer, retries=retries)
        yield back >> last
        yield back >> back >> last
        yield (back >> last).retry(retries)
        yield last.deadline(1.0)
        yield last.retry(retries).deadline(1.0)
        yield back >> (back >> last).retry(retries).deadline(1.0)
    broken = simulate(
        Step(_answer, _answer, name="first") >> Step(_answer, name="second"),
        None,
        {"first:compensate": [Failure("no")], "second": [Failure("no")]},
    )
    assert isinstance(broken, Fatal)
    yield broken.residual >> Step(_answer, name="third")


def transitions(longest: int = LONGEST) -> Mapping[tuple[State, type], frozenset[State]]:
    """Give the states that each reply leads to: (state, kind of reply) -> states.

    Args:
        longest: how many replies are followed, one after the other.
    """
    found: dict[tuple[State, type], frozenset[State]] = {}
    for saga in _sagas():
        machines = [begun for begun in (begin(saga, None, "run"),) if isinstance(begun, Machine)]
        for _ in range(longest):
            machines = [after for before in machines for after in _followed(before, found)]
    return found


def _followed(
    machine: Machine, found: dict[tuple[State, type], frozenset[State]]
) -> Iterator[Machine]:
    state = type(machine.progress)
    for reply in REPLIES:
        if type(reply) in TRANSITIONS[state] and _can_come(reply, machine):
            after = evolve(machine, reply)
            assert isinstance(after, Machine)
            seen = (state, type(reply))
            found[seen] = found.get(seen, frozenset()) | {type(after.progress)}
            yield after


def _can_come(reply: Reply, machine: Machine) -> bool:
    """Tell whether a call is in flight if the reply says so, and the deadline has been entered."""
    if isinstance(reply, Expired) and reply.number > machine.book.entered:
        return False
    in_flight = isinstance(reply, (Cancel, Expired)) and reply.in_flight
    return machine.function is not None or not in_flight


# -- the table -------------------------------------------------------------------------------------


def table(found: Mapping[tuple[State, type], frozenset[State]]) -> str:
    """Give the transitions as a table in Markdown."""
    rows = ["| in the state | the reply | leads to |", "|---|---|---|"]
    for state, replies in TRANSITIONS.items():
        for reply in replies:
            targets = [other.__name__ for other in TRANSITIONS if other in found[state, reply]]
            rows.append(f"| {state.__name__} | `{reply.__name__}` | {', '.join(targets)} |")
    return "\n".join(rows)


# -- the picture -----------------------------------------------------------------------------------

WIDTH, HEIGHT = 1180, 620
BOX_WIDTH, BOX_HEIGHT = 130, 40
PLACES: Final[Mapping[State, tuple[int, int]]] = {
    Pausing: (110, 150),
    Executing: (430, 150),
    Backing: (740, 330),
    Compensating: (430, 510),
    Resting: (110, 510),
    Ended: (1090, 330),
}
STYLE = """\
<style>
  text { fill: #5f6c7b; font: 13px sans-serif; text-anchor: middle }
  .way { fill: none; stroke: #5f6c7b; marker-end: url(#tip) }
  .tip { fill: #5f6c7b }
  .paper, .state { fill: #ffffff }
  .state { stroke: #1f2933; stroke-width: 1.5px }
  .name { fill: #1f2933; font-weight: bold }
</style>"""


@frozen
class Bend:
    """How an edge is drawn: how far it bends to its left, and where its label stands.

    ``at`` is the part of the way at which it stands, ``shift`` how far it is moved from there.
    """

    bend: int = 0
    at: float = 0.5
    shift: tuple[int, int] = (0, 0)


BENDS: Final[Mapping[Edge, Bend]] = {
    (Executing, Pausing): Bend(-26, shift=(12, -12)),
    (Pausing, Executing): Bend(-26, shift=(0, 18)),
    (Executing, Compensating): Bend(60, shift=(96, 0)),
    (Compensating, Executing): Bend(60, shift=(-46, 0)),
    (Executing, Ended): Bend(60, at=0.36, shift=(44, -36)),
    (Executing, Backing): Bend(26, at=0.62, shift=(94, -2)),
    (Pausing, Compensating): Bend(0, at=0.42, shift=(-52, 24)),
    (Pausing, Ended): Bend(370, at=0.3, shift=(0, -8)),
    (Backing, Executing): Bend(26, at=0.4, shift=(-30, 14)),
    (Backing, Compensating): Bend(26, at=0.4, shift=(84, 14)),
    (Backing, Ended): Bend(0, shift=(0, -8)),
    (Compensating, Resting): Bend(-26, shift=(0, -12)),
    (Resting, Compensating): Bend(-26, shift=(0, 20)),
    (Compensating, Backing): Bend(26, at=0.7, shift=(-52, -2)),
    (Compensating, Ended): Bend(-60, shift=(70, 26)),
}


def picture(found: Mapping[tuple[State, type], frozenset[State]]) -> str:
    """Give the transitions as a picture in SVG."""
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img">',
        "<title>The states of a run, and the replies that lead from one to another</title>",
        STYLE,
        '<defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="8"',
        '  markerHeight="8" orient="auto"><path class="tip" d="M0 0L8 4L0 8z"/></marker></defs>',
        f'<rect class="paper" width="{WIDTH}" height="{HEIGHT}" rx="8"/>',
    ]
    for edge, names in _edges(found).items():
        lines += _loop(edge[0], names) if edge[0] is edge[1] else _arrow(edge, names)
    for state, (x, y) in PLACES.items():
        left, top, corner = x - BOX_WIDTH // 2, y - BOX_HEIGHT // 2, 4 if state is Ended else 20
        lines += [
            f'<rect class="state" x="{left}" y="{top}" rx="{corner}"',
            f'  width="{BOX_WIDTH}" height="{BOX_HEIGHT}"/>',
            f'<text class="name" x="{x}" y="{y + 5}">{state.__name__}</text>',
        ]
    return "\n".join([*lines, "</svg>", ""])


def _edges(found: Mapping[tuple[State, type], frozenset[State]]) -> Mapping[Edge, list[str]]:
    edges: dict[Edge, list[str]] = {}
    for state, replies in TRANSITIONS.items():
        for target in TRANSITIONS:
            names = [made.__name__ for made in replies if target in found[state, made]]
            if names:
                edges[state, target] = names
    return edges


def _label(x: float, y: float, names: list[str]) -> list[str]:
    rows = [", ".join(names[first : first + 3]) for first in range(0, len(names), 3)]
    top = y - 8 * (len(rows) - 1)
    return [
        f'<text x="{x:.0f}" y="{top + 16 * row:.0f}">{text}</text>' for row, text in enumerate(rows)
    ]


def _loop(state: State, names: list[str]) -> list[str]:
    x, y = PLACES[state]
    way = -1 if y < HEIGHT / 2 else 1
    edge, far = y + way * BOX_HEIGHT // 2, y + way * (BOX_HEIGHT // 2 + 44)
    return [
        f'<path class="way" d="M{x - 22} {edge}C{x - 34} {far} {x + 34} {far} {x + 22} {edge}"/>',
        *_label(x, far + (-4 if way < 0 else 12) + way * 8 * (len(names) > 3), names),
    ]


def _arrow(edge: Edge, names: list[str]) -> list[str]:
    (x1, y1), (x2, y2) = (PLACES[state] for state in edge)
    way = BENDS[edge]
    length = math.hypot(x2 - x1, y2 - y1)
    middle_x = (x1 + x2) / 2 + way.bend * (y2 - y1) / length
    middle_y = (y1 + y2) / 2 - way.bend * (x2 - x1) / length
    start, end = _border((x1, y1), (middle_x, middle_y)), _border((x2, y2), (middle_x, middle_y))
    t = way.at
    x = (1 - t) ** 2 * start[0] + 2 * t * (1 - t) * middle_x + t * t * end[0] + way.shift[0]
    y = (1 - t) ** 2 * start[1] + 2 * t * (1 - t) * middle_y + t * t * end[1] + way.shift[1]
    first, over, last = (
        f"{to_x:.0f} {to_y:.0f}" for to_x, to_y in (start, (middle_x, middle_y), end)
    )
    return [
        f'<path class="way" d="M{first}Q{over} {last}"/>',
        *_label(x, y, names),
    ]


def _border(box: tuple[int, int], towards: tuple[float, float]) -> tuple[float, float]:
    """Give the point at which a line from the middle of a box leaves it."""
    dx, dy = towards[0] - box[0], towards[1] - box[1]
    part = min(
        (BOX_WIDTH / 2 + 3) / abs(dx) if dx else math.inf,
        (BOX_HEIGHT / 2 + 3) / abs(dy) if dy else math.inf,
    )
    return box[0] + dx * part, box[1] + dy * part


def page(text: str, found: Mapping[tuple[State, type], frozenset[State]]) -> str:
    """Give the text of the page with the table in it."""
    before, _, rest = text.partition(FENCE)
    after = rest.partition(FENCE)[2]
    return f"{before}{FENCE}\n\n{table(found)}\n\n{FENCE}{after}"


def write(folder: Path = FOLDER) -> None:
    """Write the picture and the table."""
    found = transitions()
    text = (folder / PAGE).read_text(encoding="utf-8")
    (folder / PICTURE).write_text(picture(found), encoding="utf-8")
    (folder / PAGE).write_text(page(text, found), encoding="utf-8")


if __name__ == "__main__":
    write()
