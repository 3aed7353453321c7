"""A day in the shop: place all orders, prove; pay what is still owed, prove again."""

import sqlite3
from collections.abc import Callable, Sequence

from attrs import frozen

from place_order.async_sagas import AsyncCheckout
from place_order.domain import Order
from place_order.placing import Placed, pay_debts, pay_debts_async, place_all, place_all_async
from place_order.proof import Proof, prove
from place_order.sagas import Checkout
from place_order.services import Inventory, Mail, Payments, Shipping
from place_order.totals import Totals, add_up
from place_order.weather import Weather


@frozen
class Day:
    """What came of a day: first as the sagas left it, then with debts paid."""

    placed: tuple[Placed, ...]
    proof: Proof
    paid: tuple[Placed, ...]
    final_proof: Proof
    totals: Totals

    @property
    def is_proved(self) -> bool:
        """Whether nothing was left over but what its run named, and nothing at all in the end."""
        owed = any(each.owed for each in self.paid)
        return self.proof.holds and self.final_proof.holds and not owed


def ignore(_: Placed) -> None:
    """Nobody is watching."""


def spend_day(
    database: sqlite3.Connection,
    orders: Sequence[Order],
    weather: Weather,
    tell: Callable[[Placed], object] = ignore,
) -> Day:
    """Place the orders with ``run_many``; tell of each when it is placed."""
    checkout = Checkout(
        Inventory(database, weather.wire),
        Payments(database, weather.wire),
        Shipping(database, weather.wire),
        Mail(database, weather.wire),
    )
    placed: list[Placed] = []
    for each in place_all(weather, checkout, orders):
        placed.append(each)
        tell(each)
    weather.end()
    proof = prove(database, placed)
    paid = tuple(pay_debts(weather, placed))
    return Day(tuple(placed), proof, paid, prove(database, paid), add_up(database, paid))


async def spend_day_async(
    database: sqlite3.Connection,
    orders: Sequence[Order],
    weather: Weather,
    tell: Callable[[Placed], object] = ignore,
) -> Day:
    """Place the orders with ``run_many_async``; tell of each when it is placed."""
    checkout = AsyncCheckout(
        Inventory(database, weather.wire),
        Payments(database, weather.wire),
        Shipping(database, weather.wire),
        Mail(database, weather.wire),
    )
    placed: list[Placed] = []
    async for each in place_all_async(weather, checkout, orders):
        placed.append(each)
        tell(each)
    weather.end()
    proof = prove(database, placed)
    paid = tuple([each async for each in pay_debts_async(weather, placed)])
    return Day(tuple(placed), proof, paid, prove(database, paid), add_up(database, paid))
