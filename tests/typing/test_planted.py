"""Planted mistakes in the signatures of the package are seen by each of the four checkers.

Run by the nox session `types`, which has the checkers.
"""

import re
import shutil
import subprocess
from importlib.util import find_spec
from pathlib import Path

import pytest
from attrs import frozen

ROOT = Path(__file__).parents[2]

CHECKERS = {
    "mypy": ["mypy", "tests/typing/reject"],
    "pyright": ["pyright"],
    "ty": ["ty", "check", "--output-format", "concise", "tests/typing/reject"],
    "pyrefly": ["pyrefly", "check", "--output-format", "min-text", "tests/typing/reject"],
}


@frozen
class Plant:
    """A signature that accepts too much, and the lines of a must-fail file that then pass."""

    source: str
    right: str
    wrong: str
    rejected: str
    lines: str


PLANTS = [
    Plant(
        source="sagalib/core/saga.py",
        right="""\
    def __rshift__(
        self, following: Saga[B_co, C, E2, F2, M2], /
    ) -> Saga[A_contra, C, E_co | E2, F_co | F2, M_co | M2]:
""",
        wrong="""\
    def __rshift__(
        self, following: Any, /
    ) -> Saga[A_contra, Any, Any, Any, M_co]:
""",
        rejected="composition.py",
        lines=r"(= Step\(reserve\)|return accepted, saga) >> ",
    ),
    Plant(
        source="sagalib/drivers/sync.py",
        right="    saga: Saga[A, B, E, F, Sync],\n",
        wrong="    saga: Saga[A, B, E, F, Any],\n",
        rejected="modes.py",
        lines=r"= run\(",
    ),
]


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a copy of the package and its type tests, with all the plants in it."""
    folder = tmp_path_factory.mktemp("planted")
    for name in ("sagalib", "tests/typing"):
        ignored = shutil.ignore_patterns("__pycache__", "stubs", "test_*.py")
        shutil.copytree(ROOT / name, folder / name, ignore=ignored)
    for name in ("pyproject.toml", "tests/__init__.py", "noxfile.py"):
        shutil.copy(ROOT / name, folder / name)
    shutil.copytree(ROOT / "docs" / "examples", folder / "docs" / "examples")
    for plant in PLANTS:
        path = folder / plant.source
        source = path.read_text(encoding="utf-8")
        assert plant.right in source, f"{plant.source} has another signature: plant in that one"
        path.write_text(source.replace(plant.right, plant.wrong), encoding="utf-8")
    return folder


def marked(rejected: str, lines: str) -> set[int]:
    """Give the numbers of the marked lines of a must-fail file that match ``lines``."""
    text = (ROOT / "tests" / "typing" / "reject" / rejected).read_text(encoding="utf-8")
    return {
        number
        for number, line in enumerate(text.splitlines(), 1)
        if line.endswith("# type: ignore") and re.search(lines, line)
    }


@pytest.mark.slow
@pytest.mark.skipif(find_spec("mypy") is None, reason="run by the nox session `types`")
@pytest.mark.parametrize("checker", CHECKERS)
def test_a_planted_signature_is_seen(checker: str, checkout: Path) -> None:
    """Each checker says of exactly the lines that now pass that their ignore is not needed."""
    done = subprocess.run(
        CHECKERS[checker], cwd=checkout, capture_output=True, text=True, check=False
    )
    reported = {
        plant.rejected: {
            int(number)
            for number in re.findall(
                rf"reject/{re.escape(plant.rejected)}:(\d+)", done.stdout + done.stderr
            )
        }
        for plant in PLANTS
    }
    passing = {plant.rejected: marked(plant.rejected, plant.lines) for plant in PLANTS}

    assert done.returncode == 1
    assert all(passing.values())
    assert passing == reported
