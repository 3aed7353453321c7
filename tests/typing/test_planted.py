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
    """A signature, and one in its place that accepts too much."""

    source: str
    right: str
    wrong: str


COMPOSED = "Saga[A_contra, C, E_co | E2, F_co | F2, M_co | M2]"
BESIDE = "Saga[A_contra, tuple[B_co, C], E_co | E2, F_co | F2, M_co | M2]"
INSTEAD = "Saga[A_contra, B_co | C, E2, F_co | F2, M_co | M2]"

PLANTS = [
    *(
        Plant(
            source="sagalib/core/saga.py",
            right=f"""\
    def {name}(
        self, following: Saga[B_co, C, E2, F2, M2], /
    ) -> {COMPOSED}:
""",
            wrong=f"""\
    def {name}(
        self, following: Any, /
    ) -> Saga[A_contra, Any, Any, Any, M_co]:
""",
        )
        for name in ("__rshift__", "then")
    ),
    *(
        Plant(
            source="sagalib/core/saga.py",
            right=f"""\
    def {name}(
        self, other: Saga[A_contra, C, E2, F2, M2], /
    ) -> {combined}:
""",
            wrong=f"""\
    def {name}(
        self, other: Any, /
    ) -> Saga[A_contra, Any, Any, Any, M_co]:
""",
        )
        for name, combined in (("__and__", BESIDE), ("__or__", INSTEAD), ("or_else", INSTEAD))
    ),
    Plant(
        source="sagalib/core/saga.py",
        right="def map(self, function: Callable[[B_co], C], /)",
        wrong="def map(self, function: Callable[..., C], /)",
    ),
    Plant(
        source="sagalib/drivers/sync.py",
        right="    saga: Saga[A, B, E, F, Sync],\n",
        wrong="    saga: Saga[A, B, E, F, Any],\n",
    ),
]

# By must-fail file: the marked lines that then pass, all of them and no others.
PASSING = {
    "composition.py": r"(= Step\(reserve\)|return accepted, saga)( >> |\.then\()",
    "modes.py": r"= run\(",
    "parallel.py": r"= (reserving|paying|billing) & |g >> |= run\((notifying|par\(|each\(A)",
    "pure_functions.py": r"step\.map\(|step >> ",
    "scopes.py": r"= (reserving|paying|Step\(notify\)) \| |\.or_else\(|= run\(",
}


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


def marked(rejected: str) -> set[int]:
    """Give the numbers of the marked lines of a must-fail file that pass with the plants."""
    text = (ROOT / "tests" / "typing" / "reject" / rejected).read_text(encoding="utf-8")
    return {
        number
        for number, line in enumerate(text.splitlines(), 1)
        if line.endswith("# type: ignore") and re.search(PASSING[rejected], line)
    }


@pytest.mark.slow
@pytest.mark.skipif(find_spec("mypy") is None, reason="run by the nox session `types`")
@pytest.mark.parametrize("checker", CHECKERS)
def test_planted_signatures_are_seen(checker: str, checkout: Path) -> None:
    """Each checker says of exactly the lines that now pass that their ignore is not needed."""
    done = subprocess.run(
        CHECKERS[checker], cwd=checkout, capture_output=True, text=True, check=False
    )
    reported = {
        rejected: {
            int(number)
            for number in re.findall(
                rf"reject/{re.escape(rejected)}:(\d+)", done.stdout + done.stderr
            )
        }
        for rejected in PASSING
    }
    passing = {rejected: marked(rejected) for rejected in PASSING}

    assert 1 == done.returncode
    assert all(passing.values())
    assert passing == reported
