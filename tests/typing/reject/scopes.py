"""Alternatives take the same input, handlers the errors there are, names are text."""

from sagalib import AsyncStep, Saga, Step, run
from tests.typing.shop import (
    CardDeclined,
    Invoice,
    NoCourier,
    Order,
    OutOfStock,
    Payment,
    Reservation,
    Shipment,
    bill,
    charge,
    notify,
    refund,
    refund_async,
    release,
    reserve,
    reserve_async,
    ship,
    write_off,
)

reserving = Step(reserve, release)
paying = Step(charge, refund)

right_alternative: Saga[Order, Reservation | str] = reserving | Step(notify)
of_another_input = reserving | paying  # type: ignore
of_another_input_first = paying | reserving  # type: ignore
of_another_input_named = reserving.or_else(paying)  # type: ignore
a_function = reserving | notify  # type: ignore
a_function_first = notify | reserving  # type: ignore
a_function_named = reserving.or_else(notify)  # type: ignore
a_value = reserving | 1  # type: ignore
one_output: Saga[Order, Reservation] = reserving | Step(notify)  # type: ignore
its_own_error: Saga[Order, str | Reservation] = Step(notify) | reserving  # type: ignore
without_that_of_its_way_back: Saga[Order, Reservation | Invoice] = reserving | Step(bill, write_off)  # type: ignore
async_in_run = run(Step(notify) | AsyncStep(reserve_async), Order(1))  # type: ignore


def of_stock(error: OutOfStock) -> str:
    """Make a value of an error."""
    return "later"


def of_a_card(error: CardDeclined) -> str:
    """Make a value of another error."""
    return "cash"


right_recovery: Saga[Order, Reservation | str] = reserving.recover(of_stock)
of_another_error = reserving.recover(of_a_card)  # type: ignore
of_no_function = reserving.recover("later")  # type: ignore
into_one_output: Saga[Order, Reservation] = reserving.recover(of_stock)  # type: ignore

right_scopes = reserving.retry(2).deadline(1.5).nested("hold", release)
no_number = reserving.retry("twice")  # type: ignore
no_seconds = reserving.deadline("1 s")  # type: ignore
no_seconds_at_all = reserving.deadline(None)  # type: ignore
no_name = reserving.nested(1)  # type: ignore
without_a_name = reserving.nested()  # type: ignore
of_another_output = reserving.nested("hold", refund)  # type: ignore
no_compensation = paying.nested("pay", charge)  # type: ignore
without_its_error: Saga[Reservation, Payment, CardDeclined] = Step(charge).nested("pay", refund)  # type: ignore
of_the_other_colour = run(Step(charge).nested("pay", refund_async), Reservation(1))  # type: ignore


def parcel(payment: Payment) -> Saga[Payment, Shipment, NoCourier]:
    """Make a saga of a value."""
    return Step(ship)


right_bind = paying.bind(parcel)
of_a_value_of_another = reserving.bind(parcel)  # type: ignore
of_no_saga = paying.bind(ship)  # type: ignore
of_a_saga = paying.bind(Step(ship))  # type: ignore
of_a_saga_of_another_input = reserving.bind(lambda reservation: Step(ship))  # type: ignore
bound_without_its_error: Saga[Reservation, Shipment, CardDeclined] = Step(charge).bind(parcel)  # type: ignore
