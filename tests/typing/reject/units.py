"""``identity`` changes nothing, ``fail`` gives nothing, the links of a ``chain`` fit each other."""

from returns.result import Result, Success

from sagalib import Saga, Step, chain, fail, identity
from tests.typing.shop import Order, OutOfStock, Reservation, charge, reserve


def claim(order: Order) -> Result[Order, OutOfStock]:
    """Pass an order on."""
    return Success(order)


right: Saga[Order, Order] = identity()
changes: Saga[Order, Reservation] = right  # type: ignore

right_failure: Saga[Order, Reservation, OutOfStock] = fail(OutOfStock())
other_failure: Saga[Order, Reservation, OutOfStock] = fail("sold out")  # type: ignore

right_chain = chain([Step(claim), Step(claim)])
no_link = chain([Step(reserve)])  # type: ignore
no_links = chain([Step(reserve), Step(charge)])  # type: ignore
no_saga = chain([claim])  # type: ignore
