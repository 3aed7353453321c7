"""Draws the examples, each as a saga and as one run: what is committed in the documents.

As a program, ``python -m tests.pictures.examples`` writes them into ``docs/explanation/pictures``.
"""

import sqlite3
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

from returns.result import Failure, Success

import bank
import travel
from place_order.domain import CardDeclined, Line, Order
from place_order.sagas import Checkout
from place_order.services import Inventory, Mail, Payments, Shipping
from sagalib import Call, Outcome, Picture, Saga, draw, run, simulate

FOLDER = Path(__file__).parents[2] / "docs" / "explanation" / "pictures"


def place_order() -> tuple[Saga[object, Any, Any, Any], Outcome[Any, Any, Any]]:
    """Give the saga of an order of two lines, and a run in which the card is declined."""
    database = sqlite3.connect(":memory:")
    checkout = Checkout(Inventory(database), Payments(database), Shipping(database), Mail(database))
    lines = tuple(Line(product, 2, Decimal(14), Decimal(0)) for product in (11, 42))
    saga = checkout.place_order(Order(10248, "VINET", "France", 3, Decimal("32.38"), lines))
    database.close()

    def answer(call: Call) -> Any:
        if call.path == "charge" and call.direction == "execute":
            return TimeoutError("no answer") if call.attempt == 1 else Failure(CardDeclined(5600))
        return Success(None)

    return saga, simulate(saga, None, answer)


def examples() -> Iterator[tuple[str, Picture]]:
    """Give the name of each picture, and the picture."""
    trip = travel.Trip("Ada", "Turin")
    trips = travel.booking(travel.Agency(lost=frozenset({"car"})))
    transfers = bank.transferring(bank.Bank({"ann": 30, "bob": 70}))
    orders, ordered = place_order()
    yield "travel", draw(trips)
    yield "travel-run", draw(trips, simulate(trips, trip).log)
    yield "bank", draw(transfers)
    yield "bank-run", draw(transfers, run(transfers, bank.ORDERS[2]).log)
    yield "place_order", draw(orders)
    yield "place_order-run", draw(orders, ordered.log)


def files() -> dict[str, str]:
    """Give the text of each file, by its name."""
    return {
        f"{name}.{ending}": text
        for name, picture in examples()
        for ending, text in (("mmd", picture.mermaid()), ("dot", picture.dot()))
    }


def write(folder: Path = FOLDER) -> None:
    """Write the files."""
    folder.mkdir(exist_ok=True)
    for name, text in files().items():
        (folder / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    write()
