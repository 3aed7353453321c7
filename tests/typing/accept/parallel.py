"""``&``, ``par``, ``gather`` and ``each``: the same input, a tuple of outputs, errors add up."""

from collections.abc import Iterable
from typing import Never, assert_type

from sagalib import Async, AsyncStep, OnFailure, Saga, Step, each, gather, par, run, run_async
from tests.typing.shop import (
    Invoice,
    LedgerClosed,
    Order,
    OutOfStock,
    Reservation,
    bill,
    notify,
    release,
    reserve,
    reserve_async,
    write_off,
)

reserving = Step(reserve, release)
billing = Step(bill, write_off)
notifying = Step(notify)

assert_type(notifying & notifying, Saga[Order, tuple[str, str]])
assert_type(
    reserving & billing,
    Saga[Order, tuple[Reservation, Invoice], OutOfStock, LedgerClosed],
)
assert_type(
    reserving & billing & notifying,
    Saga[Order, tuple[tuple[Reservation, Invoice], str], OutOfStock, LedgerClosed],
)

assert_type(par(), Saga[object, tuple[()]])
assert_type(par(reserving), Saga[Order, tuple[Reservation], OutOfStock])
# What cannot fail in any branch, cannot fail; not Unknown, in any of the four.
assert_type(par(notifying, notifying), Saga[Order, tuple[str, str]])
assert_type(par(reserving, notifying), Saga[Order, tuple[Reservation, str], OutOfStock])
assert_type(par(billing, notifying), Saga[Order, tuple[Invoice, str], Never, LedgerClosed])
assert_type(
    par(reserving, billing), Saga[Order, tuple[Reservation, Invoice], OutOfStock, LedgerClosed]
)
assert_type(
    par(notifying, billing, notifying, reserving, limit=2, on_failure="interrupt"),
    Saga[Order, tuple[str, Invoice, str, Reservation], OutOfStock, LedgerClosed],
)
assert_type(
    par(notifying, notifying, notifying, notifying, notifying, notifying, notifying, notifying),
    Saga[Order, tuple[str, str, str, str, str, str, str, str]],
)
assert_type(
    par(AsyncStep(reserve_async), notifying),
    Saga[Order, tuple[Reservation, str], OutOfStock, Never, Async],
)

# An async branch makes the whole async, however many there are.
_later = AsyncStep(reserve_async)
_two = par(_later, billing)
_three = par(_later, billing, billing)
_four = par(_later, billing, billing, billing)
_five = par(_later, billing, billing, billing, billing)
_six = par(_later, billing, billing, billing, billing, billing)
_seven = par(_later, billing, billing, billing, billing, billing, billing)
_eight = par(_later, billing, billing, billing, billing, billing, billing, billing)
_modes: list[Saga[Order, object, OutOfStock, LedgerClosed, Async]]
_modes = [_two, _three, _four, _five, _six, _seven, _eight]

assert_type(gather([billing, billing]), Saga[Order, tuple[Invoice, ...], Never, LedgerClosed])
assert_type(gather(notifying for _ in range(9)), Saga[Order, tuple[str, ...]])

assert_type(each(notifying), Saga[Iterable[Order], tuple[str, ...]])
assert_type(
    each(reserving >> Step(release), limit=None, on_failure="interrupt"),
    Saga[Iterable[Order], tuple[None, ...], OutOfStock],
)


def carefully(
    on_failure: OnFailure,
) -> Saga[Order, tuple[Reservation, Invoice], OutOfStock, LedgerClosed]:
    """What is done with the others has a name of its own."""
    return par(reserving, billing, on_failure=on_failure)


def all_of(orders: list[Order]) -> None:
    """A list of inputs is one that ``each`` takes."""
    outcome = run(each(reserving), orders)
    assert_type(outcome.unwrap(), tuple[Reservation, ...])


async def run_them() -> None:
    """Branches with an async one need ``run_async``."""
    outcome = await run_async(notifying & AsyncStep(reserve_async), Order(1))
    assert_type(outcome.unwrap(), tuple[str, Reservation])
