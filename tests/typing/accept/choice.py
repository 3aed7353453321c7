"""``when`` and ``on``: one of two, and one for each class of the value."""

from typing import Never, assert_type

from sagalib import Async, AsyncStep, Cases, Saga, Step, When, fail, identity, on, when
from tests.typing.shop import (
    Card,
    CardDeclined,
    Cash,
    Invoice,
    LedgerClosed,
    NoChange,
    Order,
    OutOfStock,
    Payment,
    RefundRejected,
    Reservation,
    bill,
    choose,
    is_large,
    notify,
    refund,
    release,
    reserve,
    reserve_async,
    take_card,
    take_cash,
    write_off,
)

reserving = Step(reserve, release)
billing = Step(bill, write_off)
notifying = Step(notify)

assert_type(when(is_large, reserving), When[Order, Reservation, OutOfStock])
assert_type(
    when(is_large, reserving).otherwise(billing),
    Saga[Order, Reservation | Invoice, OutOfStock, LedgerClosed],
)
assert_type(when(is_large, notifying).otherwise(notifying), Saga[Order, str])
assert_type(
    when(is_large, reserving).otherwise(identity()), Saga[Order, Reservation | Order, OutOfStock]
)
assert_type(when(is_large, notifying).otherwise(fail(OutOfStock())), Saga[Order, str, OutOfStock])

# Of which mode it is, both sides say.
either: Saga[Order, str | Reservation, OutOfStock, Never, Async]
either = when(is_large, notifying).otherwise(AsyncStep(reserve_async))

# The predicate may be written where it stands.
small: Saga[Order, Reservation | str, OutOfStock]
small = when(lambda order: order.number < 10, reserving).otherwise(notifying)

by_card = Step(take_card, refund)
by_cash = Step(take_cash)
paying = on(Card, by_card).on(Cash, by_cash)

assert_type(on(Card, by_card), Cases[Card, Payment, CardDeclined, RefundRejected])
assert_type(paying, Cases[Card | Cash, Payment, CardDeclined | NoChange, RefundRejected])
assert_type(
    reserving >> Step(choose) >> paying,
    Saga[Order, Payment, OutOfStock | CardDeclined | NoChange, RefundRejected],
)
assert_type(
    Step(choose) >> on(Card, Step(take_card)).on(Cash, Step(take_cash)),
    Saga[Reservation, Payment, CardDeclined | NoChange],
)

# More cases than values is no mistake, nor is a saga that takes more than its class.
card: Saga[Card, Payment, CardDeclined | NoChange, RefundRejected] = paying


def with_any(shred: Saga[object, None]) -> Saga[Card | Cash, Payment | None, CardDeclined]:
    """Shred what is no card."""
    return on(Card, Step(take_card)).on(object, shred)
