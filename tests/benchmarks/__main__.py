"""`python -m tests.benchmarks [GOAL ...]`: measure, and print the table."""

from __future__ import annotations

import argparse
import json
import platform
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from tests.benchmarks import on_a_million_steps, on_asyncio, on_branches, on_plain_functions
from tests.benchmarks.rows import SLACK, Row, Scenario, as_data, between_markers, missed, table

SCENARIOS: list[tuple[str, Scenario]] = [
    *((made.goal, made.rows) for made in on_plain_functions.COMPARISONS),
    *((made.goal, made.rows) for made in on_asyncio.COMPARISONS),
    ("G8", on_asyncio.memory),
    *((made.goal, made.rows) for made in on_branches.COMPARISONS),
    ("G10", on_a_million_steps.composition),
    ("G10", on_a_million_steps.life),
    ("G10", on_a_million_steps.memory),
]

PACKAGES = ["sagalib", "returns", "attrs"]


def cpu_model() -> str:
    """Name the kind of processor, where the system tells it."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text(encoding="utf-8").splitlines() if info.exists() else []
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return models[0] if models else platform.processor() or platform.machine()


def machine() -> dict[str, str]:
    """Say when, with what and on what kind of machine this is measured."""
    return {
        "date": datetime.now(tz=UTC).date().isoformat(),
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "packages": ", ".join(f"{name} {version(name)}" for name in PACKAGES),
        "system": f"{platform.system()} {platform.machine()}",
        "cpu": cpu_model(),
    }


def main(
    arguments: Sequence[str] | None = None,
    scenarios: Sequence[tuple[str, Scenario]] = SCENARIOS,
) -> int:
    """Measure what is asked for."""
    goals = list(dict.fromkeys(goal for goal, _ in scenarios))
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument("goals", nargs="*", metavar="GOAL", help=f"of {' '.join(goals)}; all")
    parser.add_argument("--seconds", type=float, default=3.0, help="CPU time for each scenario")
    parser.add_argument("--gate", action="store_true", help="exit 1 if a gate is missed")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures")
    parser.add_argument("--write", type=Path, metavar="PAGE", help="put the table into a page")
    options = parser.parse_args(arguments)
    if unknown := sorted(set(options.goals) - set(goals)):
        parser.error(f"expected goals of {' '.join(goals)}, got {' '.join(unknown)}")

    rows: list[Row] = []
    for goal, scenario in scenarios:
        if not options.goals or goal in options.goals:
            print(f"{goal} ...", file=sys.stderr, flush=True)
            rows += scenario(options.seconds)
    where = machine()
    text = f"{table(rows)}\n\n{'; '.join(where.values())}."
    print(text)
    if options.json:
        options.json.write_text(json.dumps(as_data(rows, where), indent=2), encoding="utf-8")
    if options.write:
        page = options.write.read_text(encoding="utf-8")
        options.write.write_text(between_markers(page, text), encoding="utf-8")
    for row in missed(rows) if options.gate else []:
        print(f"{row.goal} {row.what}: {row.judged:.2f}, gate {row.gate} x {SLACK}")
    return 1 if options.gate and missed(rows) else 0


if __name__ == "__main__":
    sys.exit(main())
