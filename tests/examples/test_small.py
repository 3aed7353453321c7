"""The small examples print what they promise: bank.py and travel.py, as programs."""

import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[2] / "docs" / "examples"

PRINTED = {
    "bank.py": """\
70 to bob {'ann': 30, 'bob': 70}
not enough on ann {'ann': 30, 'bob': 70}
eve is closed, the money is back {'ann': 30, 'bob': 70}
70 to bob {'ann': 30, 'bob': 70}
not enough on ann {'ann': 30, 'bob': 70}
eve is closed, the money is back {'ann': 30, 'bob': 70}
""",
    "travel.py": """\
Ada goes to Turin ['car', 'flight', 'hotel']
Ada stays: no hotel left []
Ada stays: no answer about the car []
Ada stays: no visa []
Ada stays and pays: no car left, then (CompensationFailed(step='branch[1]/book_hotel', \
reason=TooLateToCancel(what='hotel')),) ['hotel']
""",
}


@pytest.mark.parametrize("program", PRINTED)
def test_a_small_example_prints_how_its_runs_end(program: str) -> None:
    """Each program runs by itself, and says of every run how it ended and what is left of it."""
    done = subprocess.run(
        [sys.executable, EXAMPLES / program], capture_output=True, text=True, check=False
    )

    assert (0, "") == (done.returncode, done.stderr)
    assert PRINTED[program] == done.stdout
