"""How the mutants that live are compared with the list."""

from __future__ import annotations

from typing import Any

import pytest

from tests.mutants.survivors import LIST, Mutant, compare, mutant_of, read, written

DIFF = """\
--- sagalib/core/walk.py
+++ sagalib/core/walk.py
@@ -10,7 +10,7 @@
     step = word[pc]
-    if pc > back:
+    if pc >= back:
         return None
"""
LONGER = """\
@@ -1,4 +1,3 @@
     return f(
-        1,
-        2,
+        2,
     )
"""
WALK, COURSE = "sagalib/core/walk.py", "sagalib/core/course.py"
FOUND = Mutant(WALK, "way_back", "if pc > back:", "if pc >= back:")
OTHER = Mutant(WALK, "way_back", "return None", "return 1")
NONE: list[Mutant] = []
ELSEWHERE = Mutant(COURSE, "course_of", "break", "return")


def test_a_mutant_is_known_by_its_lines() -> None:
    """Neither the place in the file nor the indentation is part of a mutant."""
    moved = DIFF.replace("@@ -10,7 +10,7 @@", "@@ -90,7 +90,7 @@").replace("    if", "        if")

    assert FOUND == mutant_of(WALK, "way_back", DIFF) == mutant_of(WALK, "way_back", moved)
    assert Mutant(WALK, "g", "1,\n2,", "2,") == mutant_of(WALK, "g", LONGER)


@pytest.mark.parametrize(
    "text",
    [
        "plain",
        "two\nlines",
        'say "no"',
        "say 'no'",
        "'no'\n'''no'''",
        "\"\\n\" in 'x'",
        "\\d",
        "\n  ",
        "",
    ],
)
def test_what_is_printed_can_be_listed(text: str) -> None:
    """A mutant is printed as the table that lists it, once a reason is written into it."""
    mutant = Mutant(WALK, "f", text, text + "x")
    table = written(mutant)

    assert [mutant] == read(table.replace('why = ""', 'why = "It is the same."'))
    with pytest.raises(ValueError, match="with a reason"):
        read(table)


@pytest.mark.parametrize("key", ["file", "function", "before", "after", "why"])
def test_a_table_says_everything(key: str) -> None:
    """A table that lacks a key, or has another, is refused."""
    lines = written(FOUND).replace('""', '"so"').splitlines()
    lacking = [line for line in lines if not line.startswith(key)]

    for wrong in (lacking, [*lines, "line = 7"]):
        with pytest.raises(ValueError, match="a survivor has"):
            read("\n".join(wrong))


@pytest.mark.parametrize(
    ("alive", "listed", "expected"),
    [
        ([FOUND], [FOUND], (NONE, NONE)),
        ([FOUND, OTHER], [FOUND], ([OTHER], NONE)),
        ([FOUND], [FOUND, OTHER], (NONE, [OTHER])),
        ([FOUND, FOUND], [FOUND], ([FOUND], NONE)),
        ([FOUND], [FOUND, FOUND], (NONE, [FOUND])),
        (NONE, [ELSEWHERE], (NONE, NONE)),
        ([FOUND], [ELSEWHERE], ([FOUND], NONE)),
    ],
    ids=["agree", "unlisted", "stale", "one of two", "two of one", "not looked at", "both"],
)
def test_what_lives_is_listed_and_what_is_listed_lives(
    alive: list[Mutant], listed: list[Mutant], expected: tuple[list[Mutant], list[Mutant]]
) -> None:
    """Each mutant of the files that were looked at is in both, as often in one as in the other."""
    assert expected == compare(alive, listed, [WALK])


def test_the_list_is_whole() -> None:
    """The list can be read, and is about files and functions that there are."""
    root = LIST.parents[2]
    for mutant in read(LIST.read_text()):
        source = (root / mutant.file).read_text()
        assert f"def {mutant.function.rpartition('.')[2]}(" in source
        for line in mutant.before.splitlines():
            assert line in source


def test_what_is_planted_besides() -> None:
    """Conditions are negated, statements dropped and answers taken away."""
    cst = pytest.importorskip("libcst", reason="comes with mutmut, which the session has")
    operators: Any = pytest.importorskip("tests.mutants.operators").OPERATORS
    source = "if a:\n    f()\nelif b < c:\n    raise E\nwhile g(): h = [i for i in j if i]\n"
    found: list[str] = []

    class Visitor(cst.CSTVisitor):  # type: ignore[misc,name-defined]
        def on_visit(self, node: Any) -> bool:
            for kind, operator in operators:
                if isinstance(node, kind):
                    found.extend(
                        cst.Module([]).code_for_node(node.deep_clone()).split("\n")[0]
                        + " -> "
                        + cst.Module([]).code_for_node(mutated).split("\n")[0]
                        for mutated in operator(node)
                    )
            return True

    cst.parse_module(source).visit(Visitor())
    assert [
        "if a: -> if not a:",
        "f() -> pass",
        "raise E -> pass",
        "while g(): h = [i for i in j if i] -> while not g(): h = [i for i in j if i]",
        " if i ->  if not i",
    ] == found
