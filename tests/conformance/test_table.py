"""The table of behaviours in the documentation agrees with the tests."""

import ast
import re
from pathlib import Path

from attrs import frozen

HERE = Path(__file__).parent
TABLE = HERE.parents[1] / "docs" / "explanation" / "conformance.md"
FORMS = (
    "bind",
    "choice",
    "fault injection",
    "nesting",
    "parallel",
    "recover",
    "rendering",
    "resume",
    "scopes",
)
ROW = re.compile(r"\| (\d+) \| ([^|]+) \| ([^|]+) \| ([^|]*) \|")
NAMED = re.compile(r"`(test_\w+\.py)::(test_\w+)`")
DECIDED = re.compile(r"decided otherwise: .+ \(the semantics, .+\)")
LATER = re.compile(r"later: ([a-z]+(?: [a-z]+)?)")


@frozen
class Row:
    """One behaviour: its number, the words for it, and where it is tested or why it is not."""

    number: int
    behaviour: str
    where: str
    note: str

    @property
    def tests(self) -> list[str]:
        """The tests that the row names, as `file::name`."""
        return ["::".join(found) for found in NAMED.findall(self.where)]


def _rows() -> list[Row]:
    """Read the table; a line of it that is no row is a mistake."""
    lines = TABLE.read_text(encoding="utf-8").splitlines()
    rows: list[Row] = []
    for line in lines[lines.index("|---|---|---|---|") + 1 :]:
        found = ROW.fullmatch(line)
        assert found is not None, f"not a row of the table: {line!r}"
        number, behaviour, where, note = found.groups()
        rows.append(Row(int(number), behaviour, where, note.strip()))
    return rows


def _tests() -> list[tuple[int, str]]:
    """Give number and `file::name` of each numbered test, by number."""
    found = [
        (int(numbered.group(1)), f"{path.name}::{node.name}")
        for path in sorted(HERE.glob("test_*.py"))
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef)
        if (numbered := re.match(r"test_(\d{3})_", node.name))
    ]
    return sorted(found, key=lambda test: test[0])


def test_the_table_has_every_behaviour_once() -> None:
    """The table has the numbers from 1 to 128, each once and in order."""
    assert list(range(1, 129)) == [row.number for row in _rows()]


def test_the_table_names_exactly_the_tests_there_are() -> None:
    """Every numbered test stands in the row of its number, and every named test exists."""
    assert _tests() == [(row.number, test) for row in _rows() for test in row.tests]


def test_every_row_has_a_test_or_a_reason() -> None:
    """A row has a test, or a rule that decides otherwise, or one known form that it waits for."""
    for row in _rows():
        reason = NAMED.sub("", row.where).strip("; ")
        later = LATER.fullmatch(reason)
        if later is not None:
            assert later.group(1) in FORMS, row
            assert [] == row.tests, row
        elif reason:
            assert DECIDED.fullmatch(reason), row
        else:
            assert [] != row.tests, row
        assert all(form in FORMS for form in LATER.findall(row.note)), row
