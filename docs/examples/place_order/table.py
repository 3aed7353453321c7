"""CSV files, read so that whatever is wrong is reported by file and row."""

import csv
import io
import re
from collections.abc import Iterator, Sequence
from datetime import date
from decimal import Decimal
from pathlib import Path

from attrs import frozen

from place_order.domain import InputError

WHOLE = re.compile(r"[0-9]{1,12}")
AMOUNT = re.compile(r"[0-9]{1,12}(\.[0-9]{1,20})?")
SHOWN = 40

DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


def shown(cell: str) -> str:
    """Quote a cell for a message of one line."""
    return repr(cell if len(cell) <= SHOWN else f"{cell[:SHOWN]}...")


@frozen
class Row:
    """One row of a file, as text by column; its number counts the lines of the file from 1."""

    file: Path
    number: int
    cells: dict[str, str]

    def wrong(self, why: str) -> InputError:
        """Make the error that names this row."""
        return InputError(f"{self.file}, row {self.number}: {why}")

    def text(self, column: str) -> str:
        """Give a cell as it is."""
        return self.cells[column]

    def whole(self, column: str, *, least: int = 0) -> int:
        """Give a cell as a whole number of ``least`` or more."""
        cell = self.cells[column]
        if not WHOLE.fullmatch(cell) or int(cell) < least:
            raise self.wrong(f"{column} must be a whole number, {least} or more, not {shown(cell)}")
        return int(cell)

    def amount(self, column: str) -> Decimal:
        """Give a cell as an amount of money: 0 or more, a plain decimal."""
        cell = self.cells[column]
        if not AMOUNT.fullmatch(cell):
            raise self.wrong(f"{column} must be an amount, such as 12.50, not {shown(cell)}")
        return Decimal(cell)

    def share(self, column: str) -> Decimal:
        """Give a cell as a share of the whole, from 0 to 1."""
        cell = self.cells[column]
        if not AMOUNT.fullmatch(cell) or Decimal(cell) > 1:
            raise self.wrong(f"{column} must be from 0 to 1, such as 0.15, not {shown(cell)}")
        return Decimal(cell)

    def day(self, column: str) -> date:
        """Give a cell as a date."""
        cell = self.cells[column]
        try:
            if DAY.fullmatch(cell):
                return date.fromisoformat(cell)
        except ValueError:
            pass  # 1996-02-31 looks like a date and is none
        raise self.wrong(f"{column} must be a date such as 1996-07-04, not {shown(cell)}")


def read_rows(file: Path, columns: Sequence[str]) -> Iterator[Row]:
    """Read the rows of a UTF-8 file whose header has at least these columns."""
    reader = csv.reader(io.StringIO(_text_of(file), newline=""), strict=True)
    try:
        header = next(reader, list[str]())
        for column in columns:
            if header.count(column) != 1:
                found = "twice" if column in header else "not"
                raise InputError(f"{file}, row 1: column {column!r} is {found} in the header")
        for cells in reader:
            row = Row(file, reader.line_num, dict(zip(header, cells, strict=False)))
            if cells and len(cells) != len(header):
                raise row.wrong(f"expected {len(header)} cells, as in the header, not {len(cells)}")
            if cells:
                yield row
    except csv.Error as error:
        raise InputError(f"{file}, row {reader.line_num}: not CSV: {error}") from error


def _text_of(file: Path) -> str:
    try:
        text = file.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise InputError(f"{file}: cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        row = error.object.count(b"\n", 0, error.start) + 1
        raise InputError(f"{file}, row {row}: not UTF-8 text: {error.reason}") from error
    if "\0" in text:
        row = text.count("\n", 0, text.index("\0")) + 1
        raise InputError(f"{file}, row {row}: a NUL character: this is not a text file")
    return text
