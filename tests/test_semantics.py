"""The pages that point at tests and facts point at what exists; every law and fact has its row."""

import ast
import re
from functools import cache
from pathlib import Path

from tests.benchmarks.facts_of_peers import FACTS

TESTS = Path(__file__).parent
DOCS = TESTS.parent / "docs"
LAW = re.compile(r"test_l(\d\d)_")


@cache
def functions() -> frozenset[str]:
    """Give the names of all test functions."""
    return frozenset(
        node.name
        for path in TESTS.rglob("test_*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    )


def named(text: str) -> set[str]:
    """Give the names of tests that a page names in code font, with or without their file."""
    return set(re.findall(r"`(?:[\w./]+::)?(test_\w+)`", text))


def test_the_names_of_the_tests_are_found() -> None:
    """The name of this test is among those that are found."""
    assert "test_the_names_of_the_tests_are_found" in functions()


def test_every_test_that_a_page_names_exists() -> None:
    """A page that points at a test points at one that is there."""
    for page in sorted(DOCS.rglob("*.md")):
        assert set() == named(page.read_text(encoding="utf-8")) - functions(), page


def test_a_test_that_is_not_there_is_missed() -> None:
    """A planted name of a test is found, in either form."""
    assert {"test_no", "test_none"} == named(
        "see `test_no`, `tests/a.py::test_none`, `tests/test_b.py`"
    )


def test_every_law_has_its_row() -> None:
    """The table of laws has the laws that are tested, in order, each with its test."""
    text = (DOCS / "explanation" / "semantics.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| L(\d\d) \|.*`test_l(\d\d)_\w+` \|$", text, re.MULTILINE)
    tested = sorted({found[1] for name in functions() if (found := LAW.match(name))})

    assert [(number, number) for number in tested] == rows


def test_every_fact_about_a_peer_has_its_row() -> None:
    """The comparison has the facts that are shown about other libraries, in order."""
    text = (DOCS / "explanation" / "comparison.md").read_text(encoding="utf-8")
    facts = [fact.__name__ for facts in FACTS.values() for fact in facts]

    assert facts == re.findall(r"^\| .* \| `(\w+)` \| .* \|$", text, re.MULTILINE)
