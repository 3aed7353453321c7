"""The saga of an order once more, with services that are called as coroutines."""

import asyncio
from collections.abc import Callable, Coroutine
from functools import partial, wraps
from typing import Never, ParamSpec, TypeAlias, TypeVar

from attrs import frozen
from returns.pipeline import is_successful
from returns.result import Result, Success

from place_order.domain import (
    Line,
    Order,
    OutOfStock,
    Payment,
    Receipt,
    Refusal,
    Refused,
    Shipment,
)
from place_order.sagas import CAREFUL, first, given
from place_order.services import Inventory, Mail, Payments, Shipping
from sagalib import Async, AsyncStep, Saga, async_stage, catching, chain, last

P = ParamSpec("P")
R = TypeVar("R")

PlaceOrderAsync: TypeAlias = Saga[object, Receipt, Refusal, Refused, Async]
"""What PlaceOrder is, for ``run_async`` alone."""


def remotely(call: Callable[P, R]) -> Callable[P, Coroutine[None, None, R]]:
    """Make a coroutine function of a call; it suspends on the way there and on the way back."""

    @wraps(call)
    async def travel(*args: P.args, **kwargs: P.kwargs) -> R:
        await asyncio.sleep(0)
        answer = call(*args, **kwargs)
        await asyncio.sleep(0)
        return answer

    return travel


@frozen
class AsyncCheckout:
    """Places orders with the services of the shop, as Checkout does."""

    inventory: Inventory
    payments: Payments
    shipping: Shipping
    mail: Mail

    def place_order(self, order: Order) -> PlaceOrderAsync:
        """Reserve every line, charge, ship and notify, or leave nothing behind."""
        payments, shipping = self.payments, self.shipping
        reserve = chain(map(self.reserve, order.lines))
        pay = AsyncStep(
            remotely(payments.charge),
            remotely(payments.refund),
            settle=remotely(payments.void),
            **CAREFUL,
        )
        ship = async_stage(
            remotely(shipping.ship),
            remotely(shipping.cancel),
            settle=remotely(shipping.recall),
            **CAREFUL,
        )
        notify = async_stage(self.notify, timeout=None)
        whole = given(order) >> reserve >> pay.keep() >> ship >> notify
        return whole.map(last).named("place_order")

    def reserve(self, line: Line) -> Saga[Order, Order, OutOfStock | Refused, Refused, Async]:
        """Reserve one line and pass the order on; on the way back, release exactly this line."""
        step = AsyncStep(
            remotely(partial(self.inventory.reserve, line)),
            remotely(self.inventory.release),
            settle=remotely(partial(self.inventory.settle, line)),
            **CAREFUL,
        )
        return step.named(f"reserve {line.product_id}").keep().map(first)

    async def notify(
        self, order: Order, payment: Payment, shipment: Shipment
    ) -> Result[Receipt, Never]:
        """Fire and forget: the order stays placed whatever becomes of the mail."""
        sent = await catching(Exception)(remotely(self.mail.send))(order, shipment)
        return Success(Receipt(order.id, payment.cents, shipment.tracking, is_successful(sent)))
