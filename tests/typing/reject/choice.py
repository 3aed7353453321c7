"""A choice is whole, both ways take the value, and every class that may come has its case."""

from returns.result import Result, Success

from sagalib import AsyncStep, Saga, Step, on, run, when
from tests.typing.shop import (
    Card,
    CardDeclined,
    Cash,
    Cheque,
    Invoice,
    NoChange,
    Order,
    OutOfStock,
    Payment,
    Reservation,
    bill,
    charge,
    choose,
    is_large,
    notify,
    release,
    reserve,
    reserve_async,
    take_card,
    take_cash,
)

reserving = Step(reserve, release)
paying = Step(charge)

right = run(when(is_large, reserving).otherwise(Step(bill)), Order(1))
not_whole = run(when(is_large, reserving), Order(1))  # type: ignore
not_whole_amid = Step(bill) >> when(is_large, reserving)  # type: ignore
of_another_input = run(when(is_large, paying).otherwise(paying), Order(1))  # type: ignore
of_another_input_otherwise = when(is_large, reserving).otherwise(paying)  # type: ignore
of_a_function = when(is_large, reserve)  # type: ignore
of_a_function_otherwise = when(is_large, reserving).otherwise(notify)  # type: ignore
no_predicate = when(True, reserving)  # type: ignore
a_saga_first = when(reserving, is_large)  # type: ignore
no_answer = when(reserve, reserving)  # type: ignore
one_output: Saga[Order, Reservation, OutOfStock] = when(is_large, reserving).otherwise(Step(bill))  # type: ignore
no_error: Saga[Order, Reservation | str] = when(is_large, reserving).otherwise(Step(notify))  # type: ignore
async_in_run = run(when(is_large, Step(notify)).otherwise(AsyncStep(reserve_async)), Order(1))  # type: ignore


def choose_of_three(reservation: Reservation) -> Result[Card | Cash | Cheque, OutOfStock]:
    """Ask how to pay."""
    return Success(Cheque())


by_card = Step(take_card)
by_cash = Step(take_cash)
of_two = on(Card, by_card).on(Cash, by_cash)

right_cases = Step(choose) >> of_two
cases_are_missing = Step(choose_of_three) >> of_two  # type: ignore
one_case_of_two = Step(choose) >> on(Card, by_card)  # type: ignore
cases_are_missing_inline = Step(choose_of_three) >> on(Card, by_card).on(Cash, by_cash)  # type: ignore
of_no_case = run(of_two, Cheque())  # type: ignore
of_another_class = on(Cash, by_card)  # type: ignore
of_another_class_later = on(Card, by_card).on(Cheque, by_cash)  # type: ignore
no_class = on("Card", by_card)  # type: ignore
no_class_later = on(Card, by_card).on("Cash", by_cash)  # type: ignore
no_saga = on(Card, take_card)  # type: ignore
no_saga_later = on(Card, by_card).on(Cash, take_cash)  # type: ignore
right_error: Saga[Card | Cash, Payment, CardDeclined | NoChange] = of_two
one_error: Saga[Card | Cash, Payment, CardDeclined] = of_two  # type: ignore
another_output: Saga[Card | Cash, Invoice, CardDeclined | NoChange] = of_two  # type: ignore
