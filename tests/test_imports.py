"""Who may import whom: the contracts of pyproject.toml, private names, and the front door."""

import ast
import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

import sagalib

ROOT = Path(__file__).parents[1]
PACKAGE = Path(sagalib.__file__).parent
DEPENDENCIES = frozenset({"attrs", "returns", "typing_extensions"})


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """Copy the package and its contracts to a folder where a violation can be planted."""
    shutil.copytree(PACKAGE, tmp_path / "sagalib", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


def plant(copy: Path, module: str, line: str) -> None:
    """Append a line to a module of the copy."""
    path = copy / "sagalib" / module
    path.write_text(f"{path.read_text(encoding='utf-8')}\n{line}\n", encoding="utf-8")


def lint_imports(copy: Path) -> tuple[int, str]:
    """Check the contracts in the copy; give the exit code and what is printed."""
    program = shutil.which("lint-imports", path=str(Path(sys.executable).parent))
    assert program is not None
    done = subprocess.run(
        [program, "--no-cache", "--no-logo"], cwd=copy, capture_output=True, text=True, check=False
    )
    return done.returncode, done.stdout


# ------------------------------------------------------------------ contracts


def test_the_contracts_hold(copy: Path) -> None:
    """The package as installed keeps every import contract."""
    code, printed = lint_imports(copy)

    assert 0 == code, printed
    assert " 0 broken." in printed


@pytest.mark.parametrize(
    ("module", "line", "broken"),
    [
        ("core/__init__.py", "import time", "core is pure"),
        ("core/__init__.py", "def f() -> None:\n    import asyncio", "core is pure"),
        ("core/__init__.py", "import sagalib.drivers", "drivers import core"),
        ("core/__init__.py", "import sagalib", "the front door"),
        ("drivers/aio.py", "import sagalib.drivers.sync", "do not know each other"),
        ("drivers/sync.py", "import sagalib.drivers.aio", "do not know each other"),
        ("drivers/sync.py", "import rich", "no optional dependency"),
        ("drivers/sync.py", "import sagalib.telemetry", "drivers import core"),
        ("drivers/sync.py", "import sagalib.pictures", "drivers import core"),
        ("pictures.py", "import sagalib.drivers.sync", "drivers import core"),
        ("drivers/supervisor.py", "import asyncio", "its own colour alone"),
        ("drivers/aio_supervisor.py", "import sagalib.drivers.sync", "of asyncio alone"),
    ],
)
def test_a_planted_import_breaks_a_contract(
    copy: Path, module: str, line: str, broken: str
) -> None:
    """An import that a contract forbids makes the check fail and is named with its contract."""
    plant(copy, module, line)

    code, printed = lint_imports(copy)

    assert 1 == code, printed
    assert any(broken in row for row in printed.splitlines() if row.endswith(" BROKEN"))


# ------------------------------------------------------------------ private names, foreign names


def imports(root: Path) -> Iterator[tuple[str, str, list[str]]]:
    """Give every import below root/sagalib: the importing package, the module, the names."""
    for path in sorted((root / "sagalib").rglob("*.py")):
        package = ".".join(path.parent.relative_to(root).parts)
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                for alias in node.names:
                    yield package, alias.name, []
            elif isinstance(node, ast.ImportFrom):
                base = package.split(".")[: len(package.split(".")) + 1 - node.level]
                module = [*(base if node.level else []), *filter(None, [node.module])]
                yield package, ".".join(module), [alias.name for alias in node.names]


def is_private(name: str) -> bool:
    """Tell whether a name is one that only its own package uses."""
    return name.startswith("_") and not name.endswith("__")


def private_imports(root: Path) -> list[str]:
    """Give the imports of private names and modules from another package."""
    found: list[str] = []
    for package, module, names in imports(root):
        parts = module.split(".")
        folder = root.joinpath(*parts)
        owner = parts if folder.is_dir() else parts[:-1]
        private = [name for name in [*parts, *names] if is_private(name)]
        if private and package != ".".join(owner):
            found.append(f"{package} imports {', '.join(private)} from {module}")
    return found


def foreign_imports(root: Path) -> list[str]:
    """Give the modules that are imported and neither ours, nor Python's, nor a dependency's."""
    known = sys.stdlib_module_names | DEPENDENCIES | {"sagalib"}
    return [module for _, module, _ in imports(root) if module.split(".")[0] not in known]


def test_no_private_name_crosses_a_package() -> None:
    """No module imports a private name or a private module of another package."""
    assert [] == private_imports(PACKAGE.parent)


@pytest.mark.parametrize(
    ("line", "found"),
    [
        (
            "from sagalib.core.saga import _Node",
            "sagalib.drivers imports _Node from sagalib.core.saga",
        ),
        ("from ..core.saga import _Node", "sagalib.drivers imports _Node from sagalib.core.saga"),
        ("from sagalib.core import _nodes", "sagalib.drivers imports _nodes from sagalib.core"),
        ("import returns._internal", "sagalib.drivers imports _internal from returns._internal"),
    ],
)
def test_a_planted_private_import_is_found(copy: Path, line: str, found: str) -> None:
    """A private name that is imported from another package is named with both packages."""
    plant(copy, "drivers/sync.py", line)

    assert [found] == private_imports(copy)


@pytest.mark.parametrize(
    "line",
    ["from sagalib.drivers.aio import _loop", "from .aio import _loop", "from . import _loops"],
)
def test_a_package_imports_its_own_private_names(copy: Path, line: str) -> None:
    """A private name may be imported within its package."""
    plant(copy, "drivers/sync.py", line)

    assert [] == private_imports(copy)


def test_only_the_dependencies_are_imported() -> None:
    """The package imports itself, the standard library and its three dependencies."""
    assert [] == foreign_imports(PACKAGE.parent)


def test_a_planted_foreign_import_is_found(copy: Path) -> None:
    """A module of another distribution is found, also inside a function."""
    plant(copy, "core/__init__.py", "def f() -> None:\n    import numpy.linalg")

    assert ["numpy.linalg"] == foreign_imports(copy)


def test_importing_the_package_loads_no_extra() -> None:
    """After `import sagalib` only the dependencies were loaded from outside Python."""
    program = (
        "import json, sys; before = set(sys.modules); import sagalib;"
        "print(json.dumps(sorted(set(sys.modules) - before)))"
    )
    # -I: neither the current folder nor PYTHONPATH; the package is found where it is installed.
    done = subprocess.run(
        [sys.executable, "-I", "-c", program], capture_output=True, text=True, check=True
    )
    loaded = {name.split(".")[0] for name in json.loads(done.stdout)}

    assert "sagalib" in loaded
    assert [] == sorted(loaded - sys.stdlib_module_names - DEPENDENCIES - {"attr", "sagalib"})
    assert loaded.isdisjoint({"asyncio", "concurrent"})  # only run_async and supervisors need them


# ------------------------------------------------------------------ the front door


def test_the_front_door_is_sorted() -> None:
    """`sagalib.__all__` is sorted and names nothing twice."""
    assert sorted(set(sagalib.__all__)) == list(sagalib.__all__)


def test_the_front_door_is_complete() -> None:
    """What `sagalib` defines or imports is in `__all__`; of its modules only `events` is."""
    public = [
        name
        for name in dir(sagalib)  # some are imported when they are first asked for
        if not name.startswith("_")
        and not isinstance(getattr(sagalib, name), ModuleType)
        and name != "TYPE_CHECKING"
    ]

    assert sorted([*public, "events"]) == list(sagalib.__all__)
