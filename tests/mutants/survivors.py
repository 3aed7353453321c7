"""Which mutants may live: the list, and how what was found is compared with it.

A mutant is known by its file, its function and the text of the lines that differ, not by a number
or a line number; so a change elsewhere leaves the list as it is.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from tomllib import loads
from typing import Any, NamedTuple

__all__ = ["LIST", "Mutant", "compare", "mutant_of", "read", "written"]

LIST = Path(__file__).with_name("survivors.toml")


class Mutant(NamedTuple):
    """One change of one function."""

    file: str
    function: str
    before: str
    after: str


class Comparison(NamedTuple):
    """What is wrong with a list.

    Attributes:
        unlisted: those that live and are not in the list.
        stale: those in the list that do not live any more, or are no mutants any more.
    """

    unlisted: list[Mutant]
    stale: list[Mutant]


def mutant_of(file: str, function: str, diff: str) -> Mutant:
    """Read a unified diff of ``function``; its lines count without their indentation."""
    lines = [line for line in diff.splitlines() if not line.startswith(("---", "+++", "@@"))]

    def of(sign: str) -> str:
        return "\n".join(line[1:].strip() for line in lines if line.startswith(sign))

    return Mutant(file, function, of("-"), of("+"))


def read(text: str) -> list[Mutant]:
    """Read a list: tables ``[[survivor]]`` with the fields of a mutant, and ``why`` it lives.

    Raises:
        ValueError: a table has other keys, or no reason.
    """
    return [_listed(table) for table in loads(text).get("survivor", [])]


def _listed(table: dict[str, Any]) -> Mutant:
    expected = {*Mutant._fields, "why"}
    if set(table) != expected:
        raise ValueError(f"a survivor has {sorted(expected)}; got {sorted(table)}")
    if not table["why"].strip():
        raise ValueError(f"a survivor is listed with a reason; got none in {table}")
    return Mutant(**{name: table[name] for name in Mutant._fields})


def compare(alive: Iterable[Mutant], listed: Iterable[Mutant], files: Sequence[str]) -> Comparison:
    """Compare those found alive in ``files`` with those that the list says of these files.

    Two mutants of one function may read the same: each is listed.
    """
    found = Counter(alive)
    known = Counter(mutant for mutant in listed if mutant.file in files)
    return Comparison(list((found - known).elements()), list((known - found).elements()))


def written(mutant: Mutant) -> str:
    """Write a mutant as a table of the list, the reason left open."""
    fields = [f"{name} = {_quoted(text)}" for name, text in mutant._asdict().items()]
    return "\n".join(["[[survivor]]", *fields, 'why = ""'])


def _quoted(text: str) -> str:
    """Quote for TOML: as it stands, or escaped where the quotes stand in it."""
    if "'''" in text or text.endswith("'"):
        escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
        return f'"{escaped}"'
    if "\n" in text:
        return f"'''\n{text}'''"
    return f"'''{text}'''" if "'" in text else f"'{text}'"
