"""The services of the shop: inventory, payments, shipping and mail, each with its own table.

They meet a saga half-way:

* a call repeated with the same idempotency key gets the first answer and changes nothing;
* to compensate or to settle twice is the same as once;
* to settle *closes* the order: a request that was given up and arrives after all is refused.
"""

import sqlite3
from typing import TypeVar

from attrs import frozen
from returns.result import Failure, Result, Success

from place_order.database import transaction
from place_order.domain import (
    CARD_LIMIT,
    FREIGHT_LIMIT,
    CardDeclined,
    Line,
    NoCourier,
    Order,
    OutOfStock,
    Payment,
    Refused,
    Reservation,
    Shipment,
)
from place_order.wire import Wire, direct, remote

T = TypeVar("T")


@frozen
class Inventory:
    """The warehouse."""

    database: sqlite3.Connection
    wire: Wire = direct

    @remote
    def reserve(
        self, key: str, line: Line, order: Order
    ) -> Result[Reservation, OutOfStock | Refused]:
        """Take one line of an order from the shelf."""
        reservation = Reservation(order.id, line.product_id, line.quantity)
        with transaction(self.database) as database:
            known: tuple[str] | None = database.execute(
                "SELECT key FROM reservations WHERE order_id = ? AND product_id = ?",
                (order.id, line.product_id),
            ).fetchone()
            if known:
                return first_answer(reservation, key, *known)
            (left,) = database.execute(
                "SELECT on_shelf FROM stock WHERE product_id = ?", (line.product_id,)
            ).fetchone()
            if left < line.quantity:
                return Failure(OutOfStock(line.product_id, line.quantity, left))
            database.execute(
                "UPDATE stock SET on_shelf = on_shelf - ? WHERE product_id = ?",
                (line.quantity, line.product_id),
            )
            database.execute(
                "INSERT INTO reservations VALUES (?, ?, ?, 'held', ?)",
                (order.id, line.product_id, line.quantity, key),
            )
        return Success(reservation)

    @remote
    def release(self, _key: str, reservation: Reservation) -> Result[None, Refused]:
        """Compensation: put exactly these units back."""
        with transaction(self.database) as database:
            self._put_back(database, reservation.order_id, reservation.product_id)
        return Success(None)

    @remote
    def settle(self, key: str, line: Line, order: Order) -> Result[None, Refused]:
        """Nobody knows if the line was taken: put it back if it was, and let nobody take it."""
        with transaction(self.database) as database:
            self._put_back(database, order.id, line.product_id)
            database.execute(
                "INSERT OR IGNORE INTO reservations VALUES (?, ?, 0, 'released', ?)",
                (order.id, line.product_id, key),
            )
        return Success(None)

    def _put_back(self, database: sqlite3.Connection, order_id: int, product_id: int) -> None:
        released: list[tuple[int]] = database.execute(
            "UPDATE reservations SET state = 'released'"
            " WHERE order_id = ? AND product_id = ? AND state = 'held' RETURNING quantity",
            (order_id, product_id),
        ).fetchall()
        for (quantity,) in released:
            database.execute(
                "UPDATE stock SET on_shelf = on_shelf + ? WHERE product_id = ?",
                (quantity, product_id),
            )


@frozen
class Payments:
    """The card company."""

    database: sqlite3.Connection
    wire: Wire = direct

    @remote
    def charge(self, key: str, order: Order) -> Result[Payment, CardDeclined | Refused]:
        """Take the price of an order from the customer's card."""
        with transaction(self.database) as database:
            known: tuple[str] | None = database.execute(
                "SELECT key FROM payments WHERE order_id = ?", (order.id,)
            ).fetchone()
            if known:
                return first_answer(Payment(order.id, order.cents), key, *known)
            if order.cents > CARD_LIMIT:
                return Failure(CardDeclined(order.cents))
            database.execute(
                "INSERT INTO payments VALUES (?, ?, 'charged', ?)",
                (order.id, order.cents, key),
            )
        return Success(Payment(order.id, order.cents))

    @remote
    def refund(self, _key: str, payment: Payment) -> Result[None, Refused]:
        """Compensation: give the money back."""
        with transaction(self.database) as database:
            database.execute(
                "UPDATE payments SET state = 'refunded' WHERE order_id = ?", (payment.order_id,)
            )
        return Success(None)

    @remote
    def void(self, key: str, order: Order) -> Result[None, Refused]:
        """Nobody knows if the card was charged: give the money back if it was, and take none."""
        with transaction(self.database) as database:
            database.execute(
                "INSERT INTO payments VALUES (?, 0, 'refunded', ?)"
                " ON CONFLICT (order_id) DO UPDATE SET state = 'refunded'",
                (order.id, key),
            )
        return Success(None)


@frozen
class Shipping:
    """The couriers."""

    database: sqlite3.Connection
    wire: Wire = direct

    @remote
    def ship(
        self, key: str, order: Order, payment: Payment
    ) -> Result[Shipment, NoCourier | Refused]:
        """Hand a paid order to a courier."""
        shipment = Shipment(order.id, f"{order.shipper_id}-{order.id:06}", payment.cents)
        with transaction(self.database) as database:
            known: tuple[str] | None = database.execute(
                "SELECT key FROM shipments WHERE order_id = ?", (order.id,)
            ).fetchone()
            if known:
                return first_answer(shipment, key, *known)
            if order.freight > FREIGHT_LIMIT:
                return Failure(NoCourier(order.freight))
            database.execute(
                "INSERT INTO shipments VALUES (?, ?, ?, 'booked', ?)",
                (order.id, shipment.tracking, payment.cents, key),
            )
        return Success(shipment)

    @remote
    def cancel(self, _key: str, shipment: Shipment) -> Result[None, Refused]:
        """Compensation: stop the parcel."""
        with transaction(self.database) as database:
            database.execute(
                "UPDATE shipments SET state = 'cancelled' WHERE order_id = ?", (shipment.order_id,)
            )
        return Success(None)

    @remote
    def recall(self, key: str, order: Order, payment: Payment) -> Result[None, Refused]:
        """Nobody knows if the parcel left: stop it if it did, and let none leave."""
        with transaction(self.database) as database:
            database.execute(
                "INSERT INTO shipments VALUES (?, '', ?, 'cancelled', ?)"
                " ON CONFLICT (order_id) DO UPDATE SET state = 'cancelled'",
                (order.id, payment.cents, key),
            )
        return Success(None)


@frozen
class Mail:
    """The mail server, reached by the kind of client that raises."""

    database: sqlite3.Connection
    wire: Wire = direct

    def send(self, order: Order, shipment: Shipment) -> None:
        """Tell the customer that the parcel is on its way; raises OSError when that fails."""

        def deliver() -> Result[None, Refused]:
            self.database.execute(
                "INSERT OR IGNORE INTO notifications VALUES (?, ?)",
                (order.id, f"{order.customer}: {shipment.tracking} is on its way"),
            )
            return Success(None)

        if self.wire(deliver) != Success(None):
            raise ConnectionRefusedError("the mail server is busy")


def first_answer(answer: T, key: str, first_key: str) -> Result[T, Refused]:
    """Answer a call for what the call with ``first_key`` has done already, or closed."""
    return Success(answer) if key == first_key else Failure(Refused("the order is closed"))
