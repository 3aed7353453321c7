"""The loop over the orders: one saga each, and first come is first served."""

from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from typing import Literal, TypeAlias, assert_never

from attrs import evolve, frozen

from place_order.async_sagas import AsyncCheckout
from place_order.domain import CardDeclined, NoCourier, Order, OutOfStock, Receipt, Refusal, Refused
from place_order.sagas import Checkout
from place_order.weather import Weather
from sagalib import (
    Cancelled,
    Compensated,
    Fatal,
    Ok,
    Outcome,
    Raised,
    TimedOut,
)

Ending: TypeAlias = Literal[
    "ok", "out_of_stock", "declined", "no_courier", "refused", "timed_out", "raised", "cancelled"
]


@frozen
class Placed:
    """An order, how its saga ended, and the steps of which an effect may be left over."""

    order: Order
    outcome: Outcome[Receipt, Refusal, Refused]
    owed: tuple[str, ...]

    @property
    def ending(self) -> Ending:  # noqa: PLR0911 - a word for each reason
        """Why the order was not placed, in a word, or "ok"."""
        if isinstance(self.outcome, Ok):
            return "ok"
        match self.outcome.reason:
            case OutOfStock():
                return "out_of_stock"
            case CardDeclined():
                return "declined"
            case NoCourier():
                return "no_courier"
            case Refused():
                return "refused"
            case TimedOut():
                return "timed_out"
            case Raised():
                return "raised"
            case Cancelled():
                return "cancelled"
            case _ as other:
                assert_never(other)


def owed_by(outcome: Outcome[object, object, object]) -> tuple[str, ...]:
    """Name the steps of which an effect may be left over: owed, or in doubt."""
    match outcome:
        case Fatal(failures=failures):
            steps = (*outcome.in_doubt, *(failure.step for failure in failures))
            return tuple(dict.fromkeys(steps))  # a settle that failed is in both
        case Ok() | Compensated():
            return outcome.in_doubt


def place_all(weather: Weather, checkout: Checkout, orders: Sequence[Order]) -> Iterator[Placed]:
    """Run the saga of every order."""
    outcomes = weather.run_many(checkout.place_order, orders, run_id_of)
    for order, outcome in zip(orders, outcomes, strict=True):
        yield Placed(order, outcome, owed_by(outcome))


def run_id_of(order: Order) -> str:
    """Name the run of an order."""
    return f"order-{order.id}"


def pay_debts(weather: Weather, placed: Iterable[Placed]) -> Iterator[Placed]:
    """Run what is owed once more: the residual of a run that ended Fatal is itself a saga."""
    for each in placed:
        if isinstance(each.outcome, Fatal):
            outcome = weather.run(each.outcome.residual, f"{run_id_of(each.order)}-residual")
            yield evolve(each, owed=owed_by(outcome))
        else:
            yield each


async def place_all_async(
    weather: Weather, checkout: AsyncCheckout, orders: Sequence[Order]
) -> AsyncIterator[Placed]:
    """Run the saga of every order, as place_all does."""
    placed = iter(orders)
    async for outcome in weather.run_many_async(checkout.place_order, orders, run_id_of):
        yield Placed(next(placed), outcome, owed_by(outcome))


async def pay_debts_async(weather: Weather, placed: Iterable[Placed]) -> AsyncIterator[Placed]:
    """Run what is owed once more, as pay_debts does."""
    for each in placed:
        if isinstance(each.outcome, Fatal):
            saga = each.outcome.residual
            outcome = await weather.run_async(saga, f"{run_id_of(each.order)}-residual")
            yield evolve(each, owed=owed_by(outcome))
        else:
            yield each
