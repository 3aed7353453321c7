"""The words of the shop: orders, what the services hand out, and the errors they answer with."""

from decimal import ROUND_HALF_UP, Decimal, localcontext

from attrs import frozen

CARD_LIMIT = 4_000_00
"""A card pays at most this, in cents."""

FREIGHT_LIMIT = Decimal("100.00")
"""A courier carries at most this freight."""


class InputError(Exception):
    """What was given cannot be used; the message is one line for the person who gave it."""


def money(cents: int) -> str:
    """Show cents as an amount: 123456 is 1,234.56."""
    return f"{cents // 100:,}.{cents % 100:02}"


@frozen
class Product:
    """A thing on sale."""

    id: int
    name: str
    units_in_stock: int

    @property
    def opening_stock(self) -> int:
        """The units with which the warehouse opens."""
        return 10 * self.units_in_stock


@frozen
class Line:
    """So many units of one product, as they were ordered."""

    product_id: int
    quantity: int
    unit_price: Decimal
    discount: Decimal

    @property
    def cents(self) -> int:
        """Price x quantity x (1 - discount), in whole cents, half a cent rounded up."""
        with localcontext(prec=100):
            exact = self.unit_price * self.quantity * (1 - self.discount) * 100
            return int(exact.quantize(Decimal(1), ROUND_HALF_UP))


@frozen
class Order:
    """What one customer wants."""

    id: int
    customer: str
    country: str
    shipper_id: int
    freight: Decimal
    lines: tuple[Line, ...]

    @property
    def cents(self) -> int:
        """The price of all lines, in cents."""
        return sum(line.cents for line in self.lines)


@frozen
class Reservation:
    """Units that the inventory keeps for an order."""

    order_id: int
    product_id: int
    quantity: int


@frozen
class Payment:
    """Money taken for an order."""

    order_id: int
    cents: int


@frozen
class Shipment:
    """A parcel handed to a courier, insured for what was paid."""

    order_id: int
    tracking: str
    insured_cents: int


@frozen
class Receipt:
    """What the customer gets for a placed order; ``told`` says if the mail went out."""

    order_id: int
    cents: int
    tracking: str
    told: bool


@frozen
class OutOfStock:
    """The inventory has fewer units left than were wanted."""

    product_id: int
    wanted: int
    left: int


@frozen
class CardDeclined:
    """The card does not pay this much."""

    cents: int


@frozen
class NoCourier:
    """No courier takes a parcel of this freight."""

    freight: Decimal


@frozen
class Refused:
    """A service did nothing: it is busy, or the order is closed."""

    why: str


Refusal = OutOfStock | CardDeclined | NoCourier | Refused
"""Every error with which a service refuses to go forward."""
