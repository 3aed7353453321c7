"""The shop's SQLite file: its tables, how it is opened, and transactions."""

import os
import sqlite3
from collections.abc import Generator, Iterable
from contextlib import closing, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from place_order.domain import InputError, Product

SCHEMA = """
PRAGMA journal_mode = WAL;
PRAGMA synchronous = NORMAL;
BEGIN IMMEDIATE;
PRAGMA application_id = 0x53484F50;     -- "SHOP": tells a shop from every other SQLite file
DROP TABLE IF EXISTS notifications;
DROP TABLE IF EXISTS shipments;
DROP TABLE IF EXISTS payments;
DROP TABLE IF EXISTS reservations;
DROP TABLE IF EXISTS stock;
CREATE TABLE stock (
    product_id INTEGER PRIMARY KEY,
    name       TEXT    NOT NULL,
    opening    INTEGER NOT NULL,
    on_shelf   INTEGER NOT NULL CHECK (on_shelf BETWEEN 0 AND opening)
);
CREATE TABLE reservations (
    order_id   INTEGER NOT NULL,
    product_id INTEGER NOT NULL,
    quantity   INTEGER NOT NULL,
    state      TEXT    NOT NULL CHECK (state IN ('held', 'released')),
    key        TEXT    NOT NULL UNIQUE,
    PRIMARY KEY (order_id, product_id)
);
CREATE TABLE payments (
    order_id   INTEGER PRIMARY KEY,
    cents      INTEGER NOT NULL,
    state      TEXT    NOT NULL CHECK (state IN ('charged', 'refunded')),
    key        TEXT    NOT NULL UNIQUE
);
CREATE TABLE shipments (
    order_id   INTEGER PRIMARY KEY,
    tracking   TEXT    NOT NULL,
    insured    INTEGER NOT NULL,
    state      TEXT    NOT NULL CHECK (state IN ('booked', 'cancelled')),
    key        TEXT    NOT NULL UNIQUE
);
CREATE TABLE notifications (
    order_id   INTEGER PRIMARY KEY,
    message    TEXT    NOT NULL
);
COMMIT;
"""


@contextmanager
def transaction(database: sqlite3.Connection) -> Generator[sqlite3.Connection]:
    """All of the block, or nothing of it."""
    database.execute("BEGIN IMMEDIATE")
    try:
        yield database
    except BaseException:
        database.execute("ROLLBACK")
        raise
    database.execute("COMMIT")


@contextmanager
def open_shop(file: Path | None, products: Iterable[Product]) -> Generator[sqlite3.Connection]:
    """Open a new shop on ``file``, or on a temporary file that is deleted in the end.

    A new file can be read by its owner alone. A shop that is already in the file is started
    afresh; any other file raises InputError and is left as it was.
    """
    with TemporaryDirectory(prefix="place_order-") as folder:
        path = file or Path(folder) / "shop.db"
        _claim(path)
        with closing(sqlite3.connect(path, isolation_level=None)) as database:
            try:
                database.executescript(SCHEMA)
                with transaction(database):
                    database.executemany(
                        "INSERT INTO stock VALUES (?, ?, ?, ?)",
                        [(p.id, p.name, p.opening_stock, p.opening_stock) for p in products],
                    )
            except sqlite3.Error as error:
                raise InputError(f"{path}: cannot be used as a shop database: {error}") from error
            yield database


def _claim(path: Path) -> None:
    try:
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    except FileExistsError:
        if not _is_shop(path):
            raise InputError(f"{path}: not a shop database, so it is left as it is") from None
    except OSError as error:
        raise InputError(f"{path}: cannot be created: {error.strerror}") from error


def _is_shop(path: Path) -> bool:
    if not path.is_file():  # to open a pipe would wait for whoever writes into it
        return False
    try:
        with path.open("rb") as file:
            header = file.read(72)
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from error
    return header.startswith(b"SQLite format 3\0") and header.endswith(b"SHOP")
