"""The harness of the benchmarks: its arithmetic, its verdicts, its table; nothing is timed here."""

from __future__ import annotations

import asyncio
import gc
import json
import sys
from collections.abc import Callable, Coroutine
from functools import partial
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

from sagalib import run, run_async
from tests.benchmarks import on_asyncio, on_plain_functions, peers
from tests.benchmarks.__main__ import SCENARIOS, main
from tests.benchmarks.measuring import (
    FEWEST_ROUNDS,
    Timed,
    measure,
    median_of_ratios,
    quiet,
    times_that_fill,
)
from tests.benchmarks.rows import (
    BEGIN,
    END,
    SLACK,
    Comparison,
    Row,
    between_markers,
    missed,
    table,
)


def takes(each: int) -> Timed:
    """Make a candidate that claims to take so many nanoseconds each time."""
    return lambda times: times * each


# ------------------------------------------------------------------ measuring


def test_the_ratio_is_taken_round_by_round() -> None:
    """The median is that of the ratios of each round, not the ratio of two medians."""
    assert 2 == median_of_ratios([10, 2, 9], [5, 2, 3])


def test_rounds_are_compared_one_to_one() -> None:
    """Candidates with unequal numbers of rounds are an error."""
    with pytest.raises(ValueError, match="zip"):
        median_of_ratios([1, 2], [1])


@pytest.mark.parametrize("each", [10, 3_000, 5_000_000])
def test_a_block_is_filled(each: int) -> None:
    """A candidate does its work as often as fits into a block, and at least once."""
    assert max(1, 2_000_000 // each) == times_that_fill(takes(each), 2_000_000)


def test_samples_are_of_one_piece_of_work() -> None:
    """A sample is the time of one piece of work, however often a block does it."""
    expected = {"fast": [50.0] * FEWEST_ROUNDS, "slow": [700.0] * FEWEST_ROUNDS}

    assert expected == measure({"fast": takes(50), "slow": takes(700)}, seconds=0)


def test_candidates_take_turns_and_each_is_first_in_turn() -> None:
    """In each round every candidate works once, and another one begins."""
    order: list[str] = []

    def noted(name: str) -> Timed:
        def timed(times: int) -> int:
            order.append(name)
            return times * 1_000_000_000

        return timed

    measure({name: noted(name) for name in "abc"}, seconds=0)

    rounds = order[-3 * FEWEST_ROUNDS :]
    assert ["a", "b", "c", "b", "c", "a", "c", "a", "b"] == rounds[:9]


def test_the_garbage_collector_is_off_while_it_is_quiet() -> None:
    """The collector is off inside, and on again afterwards, even after an error."""
    with pytest.raises(KeyError), quiet():
        assert not gc.isenabled()
        raise KeyError
    assert gc.isenabled()


# ------------------------------------------------------------------ verdicts


@pytest.mark.parametrize(
    ("ratio", "verdict"),
    [
        (1.6, "brave"),
        (1.61, "met"),
        (2.5, "met"),
        (2.51, "in the slack"),
        (2.5 * SLACK, "in the slack"),
        (2.5 * SLACK + 0.01, "MISSED"),
    ],
)
def test_a_ratio_is_judged(ratio: float, verdict: str) -> None:
    """A ratio is brave, meets its gate, is in the slack above it, or misses it."""
    row = Row(goal="G1", what="x", ours=99, baseline=1, ratio=ratio, gate=2.5, brave=1.6)

    assert verdict == row.verdict
    assert ([row] if verdict == "MISSED" else []) == missed([row])


def test_a_figure_without_baseline_is_judged_itself() -> None:
    """Where there is no ratio, the goal is about the figure."""
    assert "brave" == Row(goal="G10", what="x", unit="B", ours=90, brave=90).verdict
    assert "not brave" == Row(goal="G10", what="x", unit="B", ours=91, brave=90).verdict


def test_without_a_goal_there_is_no_verdict() -> None:
    """What stands beside is not judged."""
    assert not Row(goal="", what="x", ours=9, baseline=1, ratio=9).verdict


# ------------------------------------------------------------------ rows and table


def test_a_comparison_gives_a_row_for_each_that_stands_beside() -> None:
    """Ours comes first; then the others, or the word that says why one is missing."""
    comparison = Comparison(
        goal="G1",
        what="x",
        ours=takes(600),
        baseline=takes(300),
        gate=2.5,
        brave=1.6,
        pieces=3,
        beside=lambda: {"peer 1.0": takes(1500), "other": "not installed"},
    )

    assert [
        Row(goal="G1", what="x", ours=200, baseline=100, ratio=2, gate=2.5, brave=1.6),
        Row(goal="", what="  peer 1.0", ours=500, baseline=100, ratio=5),
        Row(goal="", what="  other", note="not installed"),
    ] == comparison.rows(0)


ROWS = [
    Row(goal="G1", what="x", ours=2500, baseline=1000, ratio=2.5, gate=2.5, brave=1.6),
    Row(goal="", what="  other", note="not installed"),
    Row(goal="G8", what="memory", unit="B", ours=72, brave=90),
]

TABLE = """\
| goal | what    |          each | baseline | ratio | gate | brave | verdict |
| ---- | ------- | ------------: | -------: | ----: | ---: | ----: | ------- |
| G1   | x       |      2,500 ns |    1,000 |  2.50 | 2.50 |  1.60 | met     |
|      |   other | not installed |          |       |      |       |         |
| G8   | memory  |        72.0 B |          |       |      | 90.00 | brave   |"""


def test_the_table_is_markdown_with_aligned_columns() -> None:
    """Figures stand to the right, words to the left."""
    assert TABLE == table(ROWS)


def test_the_table_goes_between_the_markers() -> None:
    """What stands between the markers is replaced, whatever it is; the rest of the page stays."""
    page = f"before\n\n{BEGIN}\nold\n{END}\n\nafter\n"

    once = between_markers(page, r"new \1")
    assert f"before\n\n{BEGIN}\n\nnew \\1\n\n{END}\n\nafter\n" == once
    assert once == between_markers(once, r"new \1")


def test_a_page_without_markers_is_refused() -> None:
    """A page without the markers is an error that names them."""
    with pytest.raises(ValueError, match="write them into it"):
        between_markers("no markers", "new")


# ------------------------------------------------------------------ the command


def fixed(row: Row) -> list[tuple[str, Callable[[float], list[Row]]]]:
    """Make scenarios of which one gives this row, and one that must not be measured."""

    def not_asked_for(_: float) -> list[Row]:
        raise AssertionError

    return [("G1", lambda _: [row]), ("G2", not_asked_for)]


@pytest.mark.parametrize(("ratio", "code"), [(2.5, 0), (2.6, 0), (3.0, 1)])
def test_the_gate_decides_about_the_exit(
    ratio: float, code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    """With `--gate` a ratio above gate and slack exits 1 and is named; without it, none does."""
    scenarios = fixed(Row(goal="G1", what="x", ours=1, baseline=1, ratio=ratio, gate=2.5))

    assert code == main(["G1", "--gate"], scenarios)
    assert bool(code) is (f"G1 x: {ratio:.2f}, gate 2.5" in capsys.readouterr().out)
    assert 0 == main(["G1"], scenarios)


def test_an_unknown_goal_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    """A goal that is none of the list is an error that shows the list."""
    with pytest.raises(SystemExit, match="2"):
        main(["G1", "G99"], fixed(ROWS[0]))
    assert "expected goals of G1 G2, got G99" in capsys.readouterr().err


def test_results_are_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The table goes to the output and into a page, all figures into a file."""
    page, data = tmp_path / "page.md", tmp_path / "data.json"
    page.write_text(f"{BEGIN}\n{END}\n", encoding="utf-8")

    main(["G1", "--json", str(data), "--write", str(page)], fixed(ROWS[0]))

    assert table(ROWS[:1]) in capsys.readouterr().out
    assert table(ROWS[:1]) in page.read_text(encoding="utf-8")
    written = json.loads(data.read_text(encoding="utf-8"))
    assert [("G1", 2.5, "met")] == [
        (row["goal"], row["ratio"], row["verdict"]) for row in written["rows"]
    ]
    assert {"date", "python", "packages", "system", "cpu"} == set(written["machine"])


def test_every_goal_has_a_scenario() -> None:
    """The goals that this package can measure alone are all there."""
    expected = ["G1", "G2", "G3", "G4", "G5", "G7", "G8", "G9", "P1", "P2", "G10"]
    assert expected == list(dict.fromkeys(goal for goal, _ in SCENARIOS))


# ------------------------------------------------------------------ candidates


def calls_of(work: Callable[[], object]) -> list[str]:
    """Give the steps and compensations that are called, in order."""
    names: list[str] = []

    def note(frame: FrameType, event: str, argument: object) -> None:
        if event == "call" and frame.f_code.co_filename.endswith("work.py"):
            names.append(frame.f_code.co_name)

    sys.setprofile(note)
    try:
        work()
    finally:
        sys.setprofile(None)
    return names


@pytest.mark.parametrize(
    "work",
    [
        partial(run, on_plain_functions.THREE),
        on_plain_functions.three_by_hand,
        peers.three_on_a_stack,
    ],
)
def test_success_is_the_same_for_all(work: Callable[[int], object]) -> None:
    """Ours, by hand and on a stack, the same three steps are called."""
    assert ["add_one", "add_two", "add_three"] == calls_of(lambda: work(1))


@pytest.mark.parametrize(
    "work",
    [
        partial(run, on_plain_functions.FAILURE),
        on_plain_functions.failure_by_hand,
        peers.failure_on_a_stack,
    ],
)
def test_failure_is_the_same_for_all(work: Callable[[int], object]) -> None:
    """Ours, by hand and on a stack, the third step fails and two compensations are called."""
    assert ["add_one", "add_two", "refuse", "undo", "undo"] == calls_of(lambda: work(1))


@pytest.mark.parametrize(
    "work",
    [
        partial(run_async, on_asyncio.FAILURE),
        on_asyncio.failure_by_hand,
        peers.failure_on_an_async_stack,
    ],
)
def test_async_failure_is_the_same_for_all(
    work: Callable[[int], Coroutine[Any, Any, object]],
) -> None:
    """The same under asyncio, where each call is resumed once."""
    expected = ["add_one_later", "add_two_later", "refuse_later", "undo_later", "undo_later"]
    assert [name for name in expected for _ in range(2)] == calls_of(lambda: asyncio.run(work(1)))
