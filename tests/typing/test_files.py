"""The files of the type tests: what they name, that they build, and how mistakes are marked."""

import ast
import importlib
import tokenize
from collections.abc import Iterator
from pathlib import Path

import pytest

import sagalib

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
ACCEPTED = sorted((HERE / "accept").glob("[!_]*.py"))
REJECTED = sorted((HERE / "reject").glob("[!_]*.py"))
EXAMPLES = sorted((ROOT / "docs" / "examples").rglob("*.py"))


def names_used(path: Path) -> set[str]:
    """Give the names that a file imports from sagalib and uses."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    imported = {
        alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module == "sagalib"
        for alias in node.names
    }
    return imported & {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}


def comments(path: Path) -> Iterator[str]:
    """Give the comments of a file."""
    with tokenize.open(path) as file:
        for token in tokenize.generate_tokens(file.readline):
            if token.type == tokenize.COMMENT:
                yield token.string


def escapes(path: Path) -> list[str]:
    """Give what a file does to get past a type checker."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    named = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    named |= {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    ignored = [comment for comment in comments(path) if "ignore" in comment]
    return sorted(named & {"Any", "cast"}) + ignored


def test_every_public_name_has_a_type_test() -> None:
    """Every name of the front door is used in a file that must be accepted."""
    used = {name for path in ACCEPTED for name in names_used(path)}

    assert [] == sorted(set(sagalib.__all__) - used)


@pytest.mark.parametrize("path", ACCEPTED, ids=lambda path: path.stem)
def test_what_is_accepted_can_be_built(path: Path) -> None:
    """What type-checks does not raise when it is built, simulated and run."""
    module = importlib.import_module(f"tests.typing.accept.{path.stem}")

    assert str(path) == module.__file__


@pytest.mark.parametrize("path", ACCEPTED, ids=lambda path: path.stem)
def test_what_is_accepted_needs_no_ignore(path: Path) -> None:
    """No mistake hides in a file that must be accepted."""
    assert [] == [comment for comment in comments(path) if "ignore" in comment]


@pytest.mark.parametrize("path", REJECTED, ids=lambda path: path.stem)
def test_a_mistake_is_marked_so_that_every_checker_reads_it(path: Path) -> None:
    """Each must-fail file has marked lines, all with the bare comment that four checkers read."""
    marks = [comment for comment in comments(path) if "ignore" in comment]

    assert marks
    assert ["# type: ignore"] * len(marks) == marks


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_an_example_needs_no_way_around_the_types(path: Path) -> None:
    """The examples have neither Any nor cast nor an ignored error."""
    assert [] == escapes(path)


def test_a_way_around_the_types_is_found(tmp_path: Path) -> None:
    """Any, cast and ignored errors are found in whatever form they are written."""
    path = tmp_path / "planted.py"
    path.write_text(
        "import typing\nfrom typing import Any\n"
        "x: list[Any] = typing.cast(str, 1)  # type: ignore[valid-type]\n",
        encoding="utf-8",
    )

    assert ["Any", "cast", "# type: ignore[valid-type]"] == escapes(path)
