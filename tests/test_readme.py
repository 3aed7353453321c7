"""The documents are true: every block is executed, and the README keeps to its size."""

import re
from pathlib import Path

import pytest
from sybil.example import SybilFailure

from tests.blocks import execute, fenced_blocks, python_source

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"
DOCUMENTS = [
    README,
    ROOT / "CONTRIBUTING.md",
    ROOT / "SECURITY.md",
    *sorted((ROOT / "docs").rglob("*.md")),
]

MOST_WORDS = 600
MOST_WORDS_BEFORE_CODE = 150
MOST_LINES_OF_CODE = 15


def readme_faults(path: Path) -> list[str]:
    """Give what is wrong with the size and the shape of a README."""
    text = path.read_text(encoding="utf-8")
    blocks = fenced_blocks(path)
    faults: list[str] = []

    if len(text.split()) > MOST_WORDS:
        faults.append(f"more than {MOST_WORDS} words")

    tagline = re.match(r"# [^\n]+\n\n([^\n]+)\n\n", text)
    if tagline is None or not re.fullmatch(r"[^.!?]+[.]", tagline[1]):
        faults.append("no tagline of one sentence on one line below the title")

    before_code = text.partition("```python\n")[0]
    if len(before_code.split()) > MOST_WORDS_BEFORE_CODE:
        faults.append(f"no code within the first {MOST_WORDS_BEFORE_CODE} words")

    languages = [block.language for block in blocks]
    if languages[:2] != ["python", "text"]:
        faults.append("the first two blocks are not code and what it prints")
    faults += [
        f"line {block.line}: more than {MOST_LINES_OF_CODE} lines of code"
        for block in blocks
        if block.language == "python" and len(block.source.splitlines()) > MOST_LINES_OF_CODE
    ]

    heading = text.partition("\n## Run it\n")[0].count("\n") + 1
    commands = [block for block in blocks if block.language == "sh" and block.line > heading]
    if [1, 1] != [len(block.source.splitlines()) for block in commands]:
        faults.append("not two commands of one line each under the heading Run it")
    return faults


def command_faults(path: Path) -> list[str]:
    """Give the files and the nox sessions that a document's blocks of shell name in vain."""
    commands = "\n".join(block.source for block in fenced_blocks(path) if block.language == "sh")
    sessions = re.findall(r"nox -s (\w+)", commands)
    files = re.findall(
        r"(?<![\w./-])(?:[\w-]+/)*[\w-]+(?:\.(?:md|py|svg|toml)|/[\w-]+)\b", commands
    )
    known = re.findall(
        r"^def (\w+)", (ROOT / "noxfile.py").read_text(encoding="utf-8"), re.MULTILINE
    )
    return [
        *(f"no {name}" for name in files if not (ROOT / name).exists()),
        *(f"no nox session {name}" for name in sessions if name not in known),
    ]


GOOD_README = """\
# name

What it is for.

```python
print("hello")
```

```text
hello
```

## Run it

```sh
one
```

```sh
two
```
"""

BAD_READMES = {
    "more than 600 words": GOOD_README + "word " * 590,
    "no tagline of one sentence on one line below the title": GOOD_README.replace(
        "What it is for.", "What it is for. And why."
    ),
    "no code within the first 150 words": GOOD_README.replace(
        "for.\n", "for.\n\n" + "word " * 150 + "\n"
    ),
    "the first two blocks are not code and what it prints": GOOD_README.replace("```text", "```"),
    "line 5: more than 15 lines of code": GOOD_README.replace(
        'print("hello")', "pass\n" * 15 + 'print("hello")'
    ),
    "not two commands of one line each under the heading Run it": GOOD_README.replace(
        "one\n", "one\nand more\n"
    ),
}


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_block_of_a_document_does_what_the_document_shows(path: Path) -> None:
    """Every python block of a document runs and prints what the text block after it shows."""
    blocks = [block for block in fenced_blocks(path) if block.language == "python"]

    assert len(blocks) == execute(path)


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_command_of_a_document_names_what_is_there(path: Path) -> None:
    """The files and the nox sessions that a block of shell names exist."""
    assert [] == command_faults(path)


@pytest.mark.parametrize(
    ("command", "faults"),
    [
        ("python tests/blocks.py README.md OUT", []),
        ("python tests/block.py README.md", ["no tests/block.py"]),
        ("cat READ.md", ["no READ.md"]),
        (".venv/bin/nox -s docs -- -x", []),
        (".venv/bin/nox -s doc", ["no nox session doc"]),
    ],
)
def test_a_command_that_names_something_else_is_found(
    command: str, faults: list[str], tmp_path: Path
) -> None:
    """A planted name of a file or of a session is missed."""
    assert faults == command_faults(document(tmp_path, f"```sh\n{command}\n```\n"))


def test_the_readme_keeps_its_limits() -> None:
    """The README is short: a tagline, early and short code with its output, two commands."""
    assert [] == readme_faults(README)


def test_a_good_readme_has_no_faults(tmp_path: Path) -> None:
    """The check of the README accepts a small README of the right shape."""
    path = tmp_path / "README.md"
    path.write_text(GOOD_README, encoding="utf-8")

    assert [] == readme_faults(path)


@pytest.mark.parametrize("fault", BAD_READMES)
def test_a_planted_fault_of_the_readme_is_found(fault: str, tmp_path: Path) -> None:
    """Each limit of the README is checked: a README that breaks it alone is found out."""
    path = tmp_path / "README.md"
    path.write_text(BAD_READMES[fault], encoding="utf-8")

    assert [fault] == readme_faults(path)


def test_the_readme_shows_code() -> None:
    """The README has at least one python block that runs."""
    assert execute(README) >= 1


def document(tmp_path: Path, text: str) -> Path:
    """Write a document and give its path."""
    path = tmp_path / "planted.md"
    path.write_text(text, encoding="utf-8")
    return path


def test_blocks_share_one_namespace(tmp_path: Path) -> None:
    """A block sees what the blocks before it defined, and `...` stands for any output."""
    path = document(
        tmp_path,
        "```python\nx = 6\n```\n\n```\nfree\n```\n\n"
        "```python\nprint('about', x * 7, 'or so')\n```\n\n```text\nabout 42 ...\n```\n",
    )

    assert 2 == execute(path)


def test_a_block_that_raises_fails(tmp_path: Path) -> None:
    """What a planted broken block raises comes out of the check."""
    path = document(tmp_path, "```python\nraise LookupError('planted')\n```\n")

    with pytest.raises(LookupError, match="planted"):
        execute(path)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("```python\nprint(1)\n```\n\n```text\n2\n```\n", "line 5, .*\n.*shows\n2\n.*prints\n1"),
        ("```python\npass\n```\n\n```text\n2\n```\n", "line 5, .*\n.*shows\n2\n.*prints\n"),
        ("```python\nprint(1)\n```\n\n```sh\nls\n```\n", "line 5, .*\nno text block shows"),
        ("```text\n2\n```\n", "line 1, .*\n.*: there is none"),
        ("```python\nprint(1)\n```\n\n```text\n1\n```\n\n```text\n1\n```\n", "line 9, "),
    ],
    ids=["other output", "no output", "not shown", "no code before", "shown twice"],
)
def test_a_block_that_shows_something_else_fails(text: str, complaint: str, tmp_path: Path) -> None:
    """Output that differs, is missing or is not shown fails, with the line of the block."""
    with pytest.raises(SybilFailure, match=complaint):
        execute(document(tmp_path, text))


def test_output_at_the_end_must_be_shown(tmp_path: Path) -> None:
    """The last block of a document may not print without showing what it prints."""
    path = document(tmp_path, "```python\nprint(1)\n```\n")

    with pytest.raises(AssertionError, match="no text block shows"):
        execute(path)


def test_the_extracted_source_keeps_the_line_numbers(tmp_path: Path) -> None:
    """A line of the extracted Python has the number that it has in the document."""
    path = document(tmp_path, "# t\n\n```python\nx = 1\n```\n\nand\n\n```python\ny = x\n```\n")

    assert "\n\n\nx = 1\n\n\n\n\n\ny = x\n" == python_source(path)
