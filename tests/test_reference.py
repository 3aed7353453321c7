"""The reference has every public name, and every one of them has a docstring."""

import ast
import inspect
import re
from functools import cache
from itertools import pairwise
from operator import attrgetter
from pathlib import Path
from typing import get_args

import pytest

import sagalib
from sagalib import events

REFERENCE = Path(__file__).parents[1] / "docs" / "reference"
PACKAGE = Path(sagalib.__file__).parent
ENTRY = re.compile(r"^\.\. auto(?:class|data|exception|function):: (\S+)$", re.MULTILINE)
PUBLIC = [
    *(f"sagalib.{name}" for name in sagalib.__all__ if name != "events"),
    *(f"sagalib.events.{kind.__name__}" for kind in get_args(events.Event)),
]


def entries(folder: Path) -> list[str]:
    """Give the names that the pages of a reference document."""
    pages = sorted(folder.glob("*.md"))
    return [name for page in pages for name in ENTRY.findall(page.read_text(encoding="utf-8"))]


def docstring(name: str) -> str | None:
    """Give the docstring of a public name: its own, or what stands below an alias."""
    made = attrgetter(name.removeprefix("sagalib."))(sagalib)
    if inspect.isclass(made):
        own = vars(made).get("__doc__")
        return own if isinstance(own, str) else None
    if inspect.isfunction(made):
        return made.__doc__
    return aliases().get(name.rpartition(".")[2])


@cache
def aliases() -> dict[str, str]:
    """Give the names that are assigned in the package with a docstring below them."""
    found: dict[str, str] = {}
    for path in PACKAGE.rglob("*.py"):
        body = ast.parse(path.read_text(encoding="utf-8")).body
        for statement, below in pairwise(body):
            match statement, below:
                case (
                    ast.AnnAssign(target=ast.Name(id=name)),
                    ast.Expr(value=ast.Constant(value=str(text))),
                ):
                    found[name] = text
                case _:
                    pass
    return found


def test_every_public_name_has_one_entry() -> None:
    """Each name of `sagalib.__all__` and each event is documented once, and nothing else is."""
    assert sorted(PUBLIC) == sorted(entries(REFERENCE))


def test_the_module_of_the_events_has_its_entry() -> None:
    """`sagalib.events` is documented where the events are."""
    page = (REFERENCE / "events.md").read_text(encoding="utf-8")

    assert f".. automodule:: {events.__name__}\n" in page
    assert events.__doc__


@pytest.mark.parametrize("name", PUBLIC)
def test_every_public_name_has_a_docstring(name: str) -> None:
    """A public name says what it is, in more than its signature, which attrs would write."""
    begins = (docstring(name) or "").strip().partition("(")[0]

    assert begins not in {"", name.rpartition(".")[2]}


def test_a_name_without_an_entry_is_missed(tmp_path: Path) -> None:
    """A reference in which one entry is gone, or stands twice, has other entries."""
    for page in REFERENCE.glob("*.md"):
        text = page.read_text(encoding="utf-8").replace(".. autofunction:: sagalib.run\n", "")
        (tmp_path / page.name).write_text(text, encoding="utf-8")

    assert {"sagalib.run"} == set(PUBLIC) - set(entries(tmp_path))
