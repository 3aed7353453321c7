"""The site is built with every warning an error: what is broken in a page breaks the build.

Needs Sphinx, which is there in the nox session `docs`, and on a checkout with the group `dev`.
"""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[1] / "docs"
SPHINX = shutil.which("sphinx-build", path=str(Path(sys.executable).parent))

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(SPHINX is None, reason="the nox session `docs` has Sphinx"),
]

GOOD = """\
# A page

See {py:exc}`sagalib.SagaError` and [below](#below).

## Below

```{eval-rst}
.. autoexception:: sagalib.SagaError
.. autoexception:: sagalib.NoAnswer
```
"""
BROKEN = {
    "a name that is not there": ("SagaError`", "SagaErrors`", "sagalib.SagaErrors"),
    "a page that is not there": ("(#below)", "(other.md)", "other.md"),
    "a heading that is not there": ("(#below)", "(#above)", "above"),
    "an entry that is not there": ("sagalib.NoAnswer", "sagalib.NoAnswers", "NoAnswers"),
    "an entry of a base without one": (".. autoexception:: sagalib.SagaError\n", "", "SagaError"),
}


def build(folder: Path, page: str) -> tuple[int, str]:
    """Build a site of one page, as the nox session does; give the exit code and the warnings."""
    assert SPHINX is not None
    source = folder / "source"
    source.mkdir()
    shutil.copy(DOCS / "conf.py", source)
    (source / "index.md").write_text(page, encoding="utf-8")
    done = subprocess.run(
        [SPHINX, "-q", "-n", "-W", "--keep-going", "-b", "html", source, folder / "site"],
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stderr


def test_a_good_page_is_built(tmp_path: Path) -> None:
    """A page whose references lead somewhere is built without a warning."""
    assert (0, "") == build(tmp_path, GOOD)


@pytest.mark.parametrize("fault", BROKEN)
def test_a_planted_fault_breaks_the_build(fault: str, tmp_path: Path) -> None:
    """A reference that leads nowhere breaks the build, and is named."""
    good, bad, named = BROKEN[fault]
    code, warnings = build(tmp_path, GOOD.replace(good, bad))

    assert code != 0
    assert named in warnings
