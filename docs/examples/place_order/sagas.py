"""The saga of an order: reserve every line, charge, ship, tell the customer."""

from functools import partial
from typing import Never, TypeAlias, TypeVar

from attrs import frozen
from returns.pipeline import is_successful
from returns.result import Result, Success

from place_order.domain import (
    CardDeclined,
    Line,
    NoCourier,
    Order,
    OutOfStock,
    Payment,
    Receipt,
    Refusal,
    Refused,
    Shipment,
)
from place_order.services import Inventory, Mail, Payments, Shipping
from sagalib import (
    Retry,
    Saga,
    Soft,
    Step,
    StepSettings,
    arrow,
    catching,
    chain,
    last,
    stage,
)

A = TypeVar("A")

PlaceOrder: TypeAlias = Saga[object, Receipt, Refusal, Refused]
"""Gives a receipt, or fails with a Refusal; a service may also refuse (Refused) to compensate."""

AGAIN = Retry(2, wait=0.1, unless=(OutOfStock, CardDeclined, NoCourier))
"""Two more attempts, unless the answer is final. A lost answer does no harm: see services.py."""

CAREFUL: StepSettings = {
    "retries": AGAIN,
    "compensation_retries": AGAIN,
    "compensation_timeout": Soft(30.0),
}
"""How every service is called, there and back."""


@frozen
class Checkout:
    """Places orders with the services of the shop."""

    inventory: Inventory
    payments: Payments
    shipping: Shipping
    mail: Mail

    def place_order(self, order: Order) -> PlaceOrder:
        """Reserve every line, charge, ship and notify, or leave nothing behind."""
        payments, shipping = self.payments, self.shipping
        reserve = chain(map(self.reserve, order.lines))
        pay = Step(payments.charge, payments.refund, settle=payments.void, **CAREFUL).keep()
        ship = stage(shipping.ship, shipping.cancel, settle=shipping.recall, **CAREFUL)
        notify = stage(self.notify, timeout=None)
        return (given(order) >> reserve >> pay >> ship >> notify).map(last).named("place_order")

    def reserve(self, line: Line) -> Saga[Order, Order, OutOfStock | Refused, Refused]:
        """Reserve one line and pass the order on; on the way back, release exactly this line."""
        take, settle = partial(self.inventory.reserve, line), partial(self.inventory.settle, line)
        step = Step(take, self.inventory.release, settle=settle, **CAREFUL)
        return step.named(f"reserve {line.product_id}").keep().map(first)

    def notify(self, order: Order, payment: Payment, shipment: Shipment) -> Result[Receipt, Never]:
        """Fire and forget: the order stays placed whatever becomes of the mail."""
        sent = catching(Exception)(self.mail.send)(order, shipment)
        return Success(Receipt(order.id, payment.cents, shipment.tracking, is_successful(sent)))


def given(order: Order) -> Saga[object, Order]:
    """Begin with this order."""
    return arrow(lambda _: order)


def first(pair: tuple[A, object]) -> A:
    """Give the first of two."""
    return pair[0]
