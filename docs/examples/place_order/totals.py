"""The result of a day in six numbers."""

import sqlite3
from collections import Counter
from collections.abc import Iterable

from attrs import frozen

from place_order.placing import Placed


@frozen
class Totals:
    """How many orders ended how; what was earned, in cents; how many units are left."""

    ok: int
    out_of_stock: int
    declined: int
    no_courier: int
    cents: int
    stock_left: int


def add_up(database: sqlite3.Connection, placed: Iterable[Placed]) -> Totals:
    """Count the endings; the money and the stock are what the database has."""
    endings = Counter(each.ending for each in placed)
    (cents,) = database.execute(
        "SELECT COALESCE(SUM(cents), 0) FROM payments WHERE state = 'charged'"
    ).fetchone()
    (stock_left,) = database.execute("SELECT COALESCE(SUM(on_shelf), 0) FROM stock").fetchone()
    return Totals(
        ok=endings["ok"],
        out_of_stock=endings["out_of_stock"],
        declined=endings["declined"],
        no_courier=endings["no_courier"],
        cents=cents,
        stock_left=stock_left,
    )
