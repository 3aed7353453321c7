"""The table: rows, their verdicts, and how they are written out."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from statistics import median
from typing import Any, Final, TypeAlias

from attrs import asdict, frozen

from tests.benchmarks.measuring import Timed, measure, median_of_ratios

SLACK: Final = 1.15
"""A ratio may be this much above its gate before `--gate` fails: machines are noisy."""

BEGIN: Final = "<!-- benchmarks: begin -->"
END: Final = "<!-- benchmarks: end -->"


@frozen(kw_only=True)
class Row:
    """One line of the table."""

    goal: str
    what: str
    unit: str = "ns"
    ours: float | None = None
    baseline: float | None = None
    ratio: float | None = None
    gate: float | None = None
    brave: float | None = None
    note: str = ""

    @property
    def judged(self) -> float | None:
        """What gate and brave goal are about: the ratio, or the figure that has no baseline."""
        return self.ours if self.ratio is None else self.ratio

    @property
    def verdict(self) -> str:
        """Say which of the two goals is met; nothing if there is none."""
        if self.judged is None or (self.gate is None and self.brave is None):
            return ""
        if self.brave is not None and self.judged <= self.brave:
            return "brave"
        if self.gate is None:
            return "not brave"
        if self.judged <= self.gate:
            return "met"
        return "in the slack" if self.judged <= self.gate * SLACK else "MISSED"


@frozen(kw_only=True)
class Comparison:
    """One scenario: ours against the baseline, and others beside them.

    What stands beside is made when it is measured: a candidate, or a word that says why there is
    none.
    """

    goal: str
    what: str
    ours: Timed
    baseline: Timed
    gate: float | None = None
    brave: float | None = None
    pieces: int = 1
    beside: Callable[[], Mapping[str, Timed | str]] = dict

    def rows(self, seconds: float) -> list[Row]:
        """Measure."""
        beside = self.beside()
        candidates = {name: made for name, made in beside.items() if not isinstance(made, str)}
        samples = measure({"ours": self.ours, "baseline": self.baseline, **candidates}, seconds)
        ns = {name: median(rounds) / self.pieces for name, rounds in samples.items()}
        ratio = {
            name: median_of_ratios(rounds, samples["baseline"]) for name, rounds in samples.items()
        }
        first = Row(
            goal=self.goal,
            what=self.what,
            ours=ns["ours"],
            baseline=ns["baseline"],
            ratio=ratio["ours"],
            gate=self.gate,
            brave=self.brave,
        )
        return [first] + [
            Row(goal="", what=f"  {name}", note=timed)
            if isinstance(timed, str)
            else Row(
                goal="",
                what=f"  {name}",
                ours=ns[name],
                baseline=ns["baseline"],
                ratio=ratio[name],
            )
            for name, timed in beside.items()
        ]


Scenario: TypeAlias = Callable[[float], list[Row]]
"""Measures for about so many seconds, and gives its rows."""


def _figure(value: float | None, digits: int = 2) -> str:
    return "" if value is None else f"{value:,.{digits}f}"


def _cells(row: Row) -> list[str]:
    digits = 0 if row.unit == "ns" else 1
    ours = _figure(row.ours, digits)
    return [
        row.goal,
        row.what,
        row.note or f"{ours} {row.unit}".strip(),
        _figure(row.baseline, digits),
        _figure(row.ratio),
        _figure(row.gate),
        _figure(row.brave),
        row.verdict,
    ]


HEAD: Final = ["goal", "what", "each", "baseline", "ratio", "gate", "brave", "verdict"]


def table(rows: Sequence[Row]) -> str:
    """Write the rows as a Markdown table with aligned columns."""
    cells = [HEAD, *map(_cells, rows)]
    widths = [max(len(line[column]) for line in cells) for column in range(len(HEAD))]
    numbers = range(2, len(HEAD) - 1)

    def line(texts: Sequence[str]) -> str:
        padded = [
            text.rjust(width) if column in numbers else text.ljust(width)
            for column, (text, width) in enumerate(zip(texts, widths, strict=True))
        ]
        return f"| {' | '.join(padded)} |"

    rule = [
        "-" * (width - 1) + (":" if column in numbers else "-")
        for column, width in enumerate(widths)
    ]
    return "\n".join([line(HEAD), line(rule), *map(line, cells[1:])])


def missed(rows: Sequence[Row]) -> list[Row]:
    """Give the rows that miss their gate, slack included."""
    return [row for row in rows if row.verdict == "MISSED"]


def as_data(rows: Sequence[Row], machine: Mapping[str, str]) -> dict[str, Any]:
    """Give all that was measured, for `json`."""
    return {
        "machine": dict(machine),
        "rows": [{**asdict(row), "verdict": row.verdict} for row in rows],
    }


def between_markers(page: str, text: str) -> str:
    """Put `text` between the two markers of a page.

    Raises:
        ValueError: the page has no such markers.
    """
    pattern = re.compile(f"{re.escape(BEGIN)}.*{re.escape(END)}", re.DOTALL)
    if not pattern.search(page):
        msg = f"expected a page with the lines {BEGIN} and {END}, found none: write them into it"
        raise ValueError(msg)
    return pattern.sub(lambda _: f"{BEGIN}\n\n{text}\n\n{END}", page)
