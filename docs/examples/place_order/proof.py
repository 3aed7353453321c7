"""The proof that nothing is left over, from the database and not from what the sagas say.

What every placed order is due is known from the orders; what is live stands in the database. The
two must be equal. Where a compensation could not be carried out, they may differ by exactly the
effects that the outcome of the run names as owed or in doubt.
"""

import sqlite3
from collections.abc import Iterable, Iterator, Sequence

from attrs import frozen

from place_order.domain import Order, money
from place_order.placing import Placed
from sagalib import Ok

LIVE = """
    SELECT order_id, 'reserve ' || product_id, quantity FROM reservations WHERE state = 'held'
    UNION ALL SELECT order_id, 'charge', cents FROM payments WHERE state = 'charged'
    UNION ALL SELECT order_id, 'ship', insured FROM shipments WHERE state = 'booked'
"""

STOCK = """
    SELECT opening, on_shelf,
           COALESCE(SUM(quantity) FILTER (WHERE shipments.order_id IS NOT NULL), 0),
           COALESCE(SUM(quantity) FILTER (WHERE shipments.order_id IS NULL), 0)
    FROM stock
    LEFT JOIN reservations
        ON reservations.product_id = stock.product_id AND reservations.state = 'held'
    LEFT JOIN shipments
        ON shipments.order_id = reservations.order_id AND shipments.state = 'booked'
    GROUP BY stock.product_id
"""


@frozen(order=True)
class Effect:
    """Something that stands in the database for an order, put there by a step."""

    order_id: int
    step: str
    amount: int


@frozen
class Claim:
    """A sentence about the database, and whether it is true."""

    sentence: str
    holds: bool


@frozen
class Proof:
    """The claims; and the effects left over that are named, each by the run that left it."""

    claims: tuple[Claim, ...]
    named: tuple[Effect, ...]

    @property
    def holds(self) -> bool:
        """Whether every claim is true."""
        return all(claim.holds for claim in self.claims)


def prove(database: sqlite3.Connection, orders: Sequence[Placed]) -> Proof:
    """Compare what is live in the database with what the placed orders are due."""
    live = {Effect(*row) for row in database.execute(LIVE)}
    kept = [each.order for each in orders if isinstance(each.outcome, Ok)]
    due = {effect for order in kept for effect in due_to(order)}
    owed = {(each.order.id, step) for each in orders for step in each.owed}
    named = {effect for effect in live - due if (effect.order_id, effect.step) in owed}
    unnamed = live - due - named
    return Proof(
        (
            _stock(database),
            *_payments(live - named),
            Claim(f"effects missing from placed orders: {len(due - live)}", due <= live),
            Claim(f"effects left over and named by no run: {len(unnamed)}", not unnamed),
        ),
        tuple(sorted(named)),
    )


def due_to(order: Order) -> Iterator[Effect]:
    """Give what stands in the database for a placed order."""
    for line in order.lines:
        yield Effect(order.id, f"reserve {line.product_id}", line.quantity)
    yield Effect(order.id, "charge", order.cents)
    yield Effect(order.id, "ship", order.cents)


def _stock(database: sqlite3.Connection) -> Claim:
    rows: list[tuple[int, int, int, int]] = database.execute(STOCK).fetchall()
    opening, on_shelf, shipped, kept = (sum(row[i] for row in rows) for i in range(4))
    extra = f" + kept for orders not shipped {kept:,}" if kept else ""
    return Claim(
        f"stock {on_shelf:,} + shipped {shipped:,}{extra} = opening stock {opening:,},"
        f" for each of {len(rows)} products",
        all(row[0] == sum(row[1:]) for row in rows),
    )


def _payments(effects: Iterable[Effect]) -> Iterator[Claim]:
    found = list(effects)
    paid = {effect.order_id: effect.amount for effect in found if effect.step == "charge"}
    shipped = {effect.order_id: effect.amount for effect in found if effect.step == "ship"}
    yield Claim(
        f"{len(paid)} payments of {money(sum(paid.values()))}"
        f" = {len(shipped)} shipped orders of {money(sum(shipped.values()))}",
        paid == shipped,
    )
    alone = len(paid.keys() - shipped.keys())
    yield Claim(f"payments without a shipment: {alone}", not alone)
