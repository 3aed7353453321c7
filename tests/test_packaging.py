"""What is built and installed: the wheel, what it needs, and what the tests import."""

import os
import subprocess
import sys
import sysconfig
import tomllib
from email.message import Message
from email.parser import Parser
from importlib.metadata import version
from pathlib import Path
from zipfile import ZipFile

import pytest

import sagalib

ROOT = Path(__file__).parents[1]
# Set by the nox sessions, which install the wheel; in an editable install it is not set.
FROM_WHEEL = "SAGALIB_FROM_WHEEL"


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> ZipFile:
    """Build the wheel of this checkout."""
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    (path,) = folder.iterdir()
    return ZipFile(path)


@pytest.fixture(scope="module")
def metadata(wheel: ZipFile) -> Message:
    """Give the metadata of the wheel."""
    (name,) = [name for name in wheel.namelist() if name.endswith(".dist-info/METADATA")]
    return Parser().parsestr(wheel.read(name).decode())


def test_the_tests_import_what_is_installed() -> None:
    """Under nox the package under test is the installed wheel, else it is the checkout."""
    home = Path(sysconfig.get_path("purelib")) if os.environ.get(FROM_WHEEL) else ROOT

    assert str(home / "sagalib" / "__init__.py") == sagalib.__file__


def test_the_wheel_holds_the_package_alone(wheel: ZipFile) -> None:
    """The wheel has every file of the package, its metadata, and nothing else."""
    package = [
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / "sagalib").rglob("*")
        if path.is_file() and path.parent.name != "__pycache__"
    ]
    built = [name for name in wheel.namelist() if ".dist-info/" not in name]

    assert sorted(package) == sorted(built)
    assert "sagalib/py.typed" in built


def test_the_wheel_needs_three_packages(metadata: Message) -> None:
    """The runtime dependencies are attrs, returns and typing-extensions, and no others."""
    needed = [line for line in metadata.get_all("Requires-Dist", []) if "extra ==" not in line]

    assert ["attrs", "returns", "typing-extensions"] == [line.split(">=")[0] for line in needed]


def test_the_wheel_has_one_extra(metadata: Message) -> None:
    """The examples are the only extra; what development needs is not in the metadata."""
    assert ["examples"] == metadata.get_all("Provides-Extra")


def test_the_wheel_asks_for_python_3_11(metadata: Message) -> None:
    """Python 3.11 is the oldest that the wheel installs on."""
    assert ">=3.11" == metadata["Requires-Python"]


def test_the_installed_version_is_the_one_of_the_checkout() -> None:
    """The version of the installed package is the one that pyproject.toml names."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]

    assert project["version"] == version("sagalib")
