"""Every wait of a driver goes through a clock: only the two files of clocks know the time."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import sagalib.drivers

FORBIDDEN = {
    "time": {
        "sleep",
        "time",
        "time_ns",
        "monotonic",
        "monotonic_ns",
        "perf_counter",
        "perf_counter_ns",
    },
    "asyncio": {"sleep", "wait_for", "timeout", "timeout_at"},
}
CLOCKS = ("clock.py", "loop_clock.py")
FILES = sorted(Path(sagalib.drivers.__path__[0]).glob("*.py"))


def uses(source: str) -> list[str]:
    """Give the forbidden functions that a module names or imports, with their lines."""
    found: list[str] = []
    tree = ast.parse(source)
    modules: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            modules |= {alias.asname or alias.name: alias.name for alias in node.names}
    for node in ast.walk(tree):
        match node:
            case ast.ImportFrom(module=str(module), names=names):
                found += [
                    f"{node.lineno}: {module}.{alias.name}"
                    for alias in names
                    if alias.name in FORBIDDEN.get(module, ())
                ]
            case ast.Attribute(attr="call_later"):
                found.append(f"{node.lineno}: call_later")
            case ast.Attribute(value=ast.Name(id=name), attr=attribute):
                module = modules.get(name, "")
                found += [f"{node.lineno}: {module}.{attribute}"] * (
                    attribute in FORBIDDEN.get(module, ())
                )
            case _:
                pass
    return found


@pytest.mark.parametrize(
    "file", [file for file in FILES if file.name not in CLOCKS], ids=lambda file: file.name
)
def test_no_driver_waits_beside_its_clock(file: Path) -> None:
    """No driver but a clock sleeps, waits or reads the time by itself."""
    assert [] == uses(file.read_text(encoding="utf-8"))


def test_the_clocks_do() -> None:
    """The rule finds the places in the clocks, so it can find them elsewhere."""
    clocks = [file.read_text(encoding="utf-8") for file in FILES if file.name in CLOCKS]
    named = {use.partition(": ")[2] for clock in clocks for use in uses(clock)}
    assert {"time.sleep", "asyncio.sleep", "time.monotonic_ns"} <= named


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("import time\ntime.sleep(1)", ["2: time.sleep"]),
        ("import asyncio as a\nawait_ = a.wait_for", ["2: asyncio.wait_for"]),
        ("from asyncio import timeout", ["1: asyncio.timeout"]),
        ("import time\ndef f(now=time.monotonic): ...", ["2: time.monotonic"]),
        ("def f(loop): loop.call_later(1, print)", ["1: call_later"]),
        ("def f(clock): clock.sleep(1)", []),
    ],
)
def test_the_rule_sees_every_spelling(source: str, expected: list[str]) -> None:
    """A planted wait is found under every spelling, and a wait through a clock is not one."""
    assert expected == uses(source)


def test_the_drivers_are_looked_at() -> None:
    """The files that are looked at are the drivers."""
    assert {"sync.py", "aio.py", "threads.py", "watchdog.py", "calls.py", "clock.py"} <= {
        file.name for file in FILES
    }
