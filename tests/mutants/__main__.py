"""Plant mutants in files of the core, and compare those that live with the list.

``python -m tests.mutants [FILE ...]``, in the root of the project; without a file, those that
decide what happens. For the rest of the core no list has been made yet.
Nothing but the folder ``mutants`` is written.
"""

import shutil
import sys
from collections import Counter
from pathlib import Path

from mutmut.__main__ import cli as mutmut
from mutmut.mutation.data import SourceFileMutationData
from mutmut.mutation.diff_apply import get_diff_for_mutant
from mutmut.mutation.file_mutation import NEVER_MUTATE_FUNCTION_CALLS
from mutmut.mutation.mutators import mutation_operators
from mutmut.stats import status_by_exit_code
from mutmut.utils.format_utils import orig_function_and_class_names_from_key

from tests.mutants.operators import OPERATORS, UNTOUCHED_CALLS
from tests.mutants.survivors import LIST, Mutant, compare, mutant_of, read, written

CORE = Path("sagalib/core")
LISTED = ["course", "history", "owed", "replay", "state", "status", "walk"]
# A mutant that hangs, or that ends the interpreter, was noticed.
DEAD = {"killed", "timeout", "segfault"}
ALIVE = {"survived", "no tests"}


def main(arguments: list[str]) -> int:
    """Run; 0 if the list and what was found agree."""
    files = sorted(arguments or [str(CORE / f"{name}.py") for name in LISTED])
    listed = read(LIST.read_text())
    missing = [file for file in files if not Path(file).is_file()]
    if missing:
        print(f"expected files like {CORE}/walk.py, got {', '.join(missing)}")
        return 2
    shutil.rmtree("mutants", ignore_errors=True)
    _plant(files)
    verdicts = {file: _verdicts(file) for file in files}
    for file, of_file in verdicts.items():
        counted = Counter(of_file.values())
        print(f"{file}: {len(of_file)} mutants", *[f"{n} {kind}" for kind, n in counted.items()])
    alive = [
        _mutant(file, name)
        for file, of_file in verdicts.items()
        for name, verdict in of_file.items()
        if verdict in ALIVE
    ]
    unknown = {
        f"{name}: {verdict}"
        for of_file in verdicts.values()
        for name, verdict in of_file.items()
        if verdict not in ALIVE | DEAD
    }
    unlisted, stale = compare(alive, listed, files)
    _print("have no verdict: run again", sorted(unknown))
    _print("live and are not listed: test what they break, or list why nothing can tell", unlisted)
    _print("are listed and do not live: take them off the list", stale)
    return 1 if unknown or unlisted or stale else 0


def _plant(files: list[str]) -> None:
    mutation_operators.extend(OPERATORS)  # type: ignore[attr-defined] # a list, typed as a Sequence
    NEVER_MUTATE_FUNCTION_CALLS.update(UNTOUCHED_CALLS)
    patterns = [f"{file.removesuffix('.py').replace('/', '.')}.*" for file in files]
    mutmut.main(["run", "--max-children", "1", *patterns], standalone_mode=False)


def _verdicts(file: str) -> dict[str, str]:
    data = SourceFileMutationData(path=file)
    data.load()
    return {name: status_by_exit_code[code] for name, code in data.exit_code_by_key.items()}


def _mutant(file: str, name: str) -> Mutant:
    function, class_name = orig_function_and_class_names_from_key(name)
    full_name = function if class_name is None else f"{class_name}.{function}"
    return mutant_of(file, full_name, get_diff_for_mutant(name, path=file))


def _print(what: str, found: list[Mutant] | list[str]) -> None:
    if found:
        print(f"\n{len(found)} {what}\n")
    for one in found:
        print(one if isinstance(one, str) else written(one) + "\n")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
