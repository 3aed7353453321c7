"""The checks, as nox sessions: `nox -s quick` while working, `.ci/run` for everything."""

import os
import re
import shutil
import sys
from pathlib import Path

import nox

nox.needs_version = ">=2025.10.14"
nox.options.default_venv_backend = "uv|virtualenv"
nox.options.reuse_venv = "yes"
nox.options.sessions = ["lint", "types", "quick"]

PYPROJECT = nox.project.load_toml("pyproject.toml")
DEPENDENCIES: list[str] = PYPROJECT["project"]["dependencies"]

# The interpreter that runs nox is there for sure: it measures the coverage.
HERE = f"{sys.version_info.major}.{sys.version_info.minor}"
PYTHONS = sorted({"3.11", "3.12", "3.13", HERE}, key=lambda version: int(version.split(".")[1]))

MOST_MILLISECONDS_OF_IMPORT = 150
ROUNDS_OF_IMPORT = 15


def group(name: str) -> list[str]:
    """Give the requirements of a dependency group."""
    return list(nox.project.dependency_groups(PYPROJECT, name))


def install_wheel(session: nox.Session, *others: str) -> None:
    """Build the wheel and install it, with other requirements, into the session."""
    session.install("hatchling", *others, *DEPENDENCIES)
    folder = Path(session.virtualenv.location) / "wheel"
    shutil.rmtree(folder, ignore_errors=True)
    session.run("python", "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder))
    (wheel,) = folder.glob("*.whl")
    # The environment is reused and the version stays the same: without force the old code would.
    session.install("--force-reinstall", "--no-deps", str(wheel))


def run_tests(session: nox.Session, *arguments: str, profile: str) -> None:
    """Run the tests on the installed wheel.

    The program is `pytest`, not `python -m pytest`, which would put the checkout on the path.
    """
    session.run(
        "pytest",
        *arguments,
        *session.posargs,
        env={"HYPOTHESIS_PROFILE": profile, "SAGALIB_FROM_WHEEL": "1"},
    )


@nox.session
def quick(session: nox.Session) -> None:
    """Run the tests with few examples, without the slow ones: under a minute."""
    install_wheel(session, *group("test"))
    run_tests(session, "-m", "not slow", profile="quick")


@nox.session(python=PYTHONS)
def tests(session: nox.Session) -> None:
    """Run all tests on each supported Python, with the coverage gate on one of them."""
    install_wheel(session, *group("test"))
    coverage = ["--cov", "--cov-config=pyproject.toml"] if session.python == HERE else []
    run_tests(session, *coverage, profile="ci")


@nox.session
def lowest(session: nox.Session) -> None:
    """Run the tests with the oldest dependencies that pyproject.toml allows."""
    install_wheel(session, *group("test"))
    session.install(*[name.replace(">=", "==") for name in DEPENDENCIES])
    run_tests(session, profile="quick")


@nox.session
def long(session: nox.Session) -> None:
    """Run the tests with many fresh examples."""
    install_wheel(session, *group("test"))
    run_tests(session, profile="long")


@nox.session
def lint(session: nox.Session) -> None:
    """Check style, format and import contracts."""
    session.install(*group("lint"), *DEPENDENCIES)
    session.run("ruff", "check")
    session.run("ruff", "format", "--check")
    session.run("lint-imports", "--no-logo")


@nox.session
def types(session: nox.Session) -> None:
    """Check the types of the package, the examples, the tests and the code of the README."""
    install_wheel(session, *group("test"), *group("types"))
    session.run("mypy")
    session.run("pyright")

    folder = Path(session.virtualenv.location) / "readme"
    folder.mkdir(exist_ok=True)
    readme = folder / "readme.py"
    session.run("python", "tests/blocks.py", "README.md", str(readme))
    session.run("mypy", str(readme))
    session.run("pyright", str(readme))

    # From another folder, so that the installed wheel is looked at.
    session.chdir(folder)
    session.run("pyright", "--verifytypes", "sagalib", "--ignoreexternal")


@nox.session
def import_time(session: nox.Session) -> None:
    """Check that `import sagalib` is fast: the best of several rounds, as Python counts it."""
    install_wheel(session)
    session.chdir(session.virtualenv.location)
    best = min(_import_milliseconds(session) for _ in range(ROUNDS_OF_IMPORT))
    session.log(f"import sagalib: {best:.0f} ms, at most {MOST_MILLISECONDS_OF_IMPORT} allowed")
    if best > MOST_MILLISECONDS_OF_IMPORT:
        session.error("import sagalib takes too long: python -X importtime -c 'import sagalib'")


def _import_milliseconds(session: nox.Session) -> float:
    printed = session.run(
        "python", "-X", "importtime", "-c", "import sagalib", silent=True, log=False
    )
    line = re.search(r"import time: +\d+ \| +(\d+) \| sagalib$", str(printed), re.MULTILINE)
    if line is None:
        session.error(f"python -X importtime shows no line for sagalib:{os.linesep}{printed}")
    return int(line[1]) / 1000
