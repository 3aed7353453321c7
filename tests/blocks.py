"""Executes the fenced blocks of a Markdown document, and extracts its Python for type checkers.

A `python` block is executed, in one namespace per document. What it prints is shown in the `text`
block that follows it, where `...` stands for any text. A `python` block that prints without such a
block fails, and so does a `text` block that no `python` block stands before: a listing that nothing
checks has another info string, or none.

As a program, `python -m tests.blocks README.md OUT.py` writes the Python of a document to a file,
every line at the line number that it has in the document.
"""

import sys
from collections.abc import Iterable
from contextlib import redirect_stdout
from doctest import ELLIPSIS, OutputChecker
from io import StringIO
from pathlib import Path
from types import ModuleType

from attrs import define, frozen
from sybil import Document, Example, Region
from sybil.evaluators.python import PythonEvaluator
from sybil.parsers.markdown.lexers import FencedCodeBlockLexer

EVALUATOR = PythonEvaluator()


@frozen
class Block:
    """A fenced block: its info string, its text, and the line of its opening fence, from 1."""

    language: str
    source: str
    line: int


def _regions(document: Document) -> Iterable[Region]:
    for region in FencedCodeBlockLexer(language=r"[^\n`]*")(document):
        # The evaluator of the regions, which Sybil calls with an Example, reads this.
        region.parsed = region.lexemes["source"]
        yield region


def fenced_blocks(path: Path) -> list[Block]:
    """Give the fenced blocks of a document, in order."""
    return [
        Block(
            language=example.region.lexemes["language"],
            source=str(example.parsed),
            line=example.line,
        )
        for example in Document.parse(str(path), _regions)
    ]


@define
class _Runner:
    """Evaluates the blocks of one document; keeps what the last block printed until it is shown."""

    after_python: bool = False
    printed: str = ""
    executed: int = 0

    def __call__(self, example: Example) -> str | None:
        """Give what is wrong with a block; what its code raises is raised."""
        language = example.region.lexemes["language"]
        if language == "text":
            return self._compare(example)
        fault = self.unshown()
        self.after_python = language == "python"
        if fault is None and self.after_python:
            with redirect_stdout(StringIO()) as out:
                EVALUATOR(example)
            self.printed = out.getvalue()
            self.executed += 1
        return fault

    def _compare(self, example: Example) -> str | None:
        if not self.after_python:
            return "a text block shows what the python block before it prints: there is none"
        shown, printed = str(example.parsed), self.printed
        self.after_python, self.printed = False, ""
        if OutputChecker().check_output(shown, printed, ELLIPSIS):
            return None
        return f"the block shows\n{shown}the code prints\n{printed}"

    def unshown(self) -> str | None:
        """Give what is wrong if output was printed and not shown."""
        if not self.printed:
            return None
        return f"no text block shows what the last python block prints:\n{self.printed}"


def execute(path: Path) -> int:
    """Execute the blocks of a document and give the number of python blocks.

    Raises:
        AssertionError: a block prints something else than the document shows.
        Exception: whatever a block raises.
    """
    runner = _Runner()
    document = Document.parse(str(path), _regions)
    # A module of its own, since classes look up the module in which they are defined.
    module = ModuleType(f"blocks of {path.name}")
    document.namespace = module.__dict__
    sys.modules[module.__name__] = module
    try:
        for example in document:
            document.evaluate(example, runner)
    finally:
        del sys.modules[module.__name__]
    fault = runner.unshown()
    if fault is not None:
        message = f"{path}: {fault}"
        raise AssertionError(message)
    return runner.executed


def python_source(path: Path) -> str:
    """Give the text of the python blocks, each line at its line number in the document."""
    lines: list[str] = []
    for block in fenced_blocks(path):
        if block.language == "python":
            lines += [""] * (block.line - len(lines))
            lines += block.source.splitlines()
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    Path(sys.argv[2]).write_text(python_source(Path(sys.argv[1])), encoding="utf-8")
