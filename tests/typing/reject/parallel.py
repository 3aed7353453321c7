"""Branches are sagas of one input; what they give is a tuple, and nothing else."""

from sagalib import AsyncStep, Saga, Step, each, gather, par, run
from tests.typing.shop import (
    Invoice,
    Order,
    OutOfStock,
    Reservation,
    bill,
    charge,
    notify,
    release,
    reserve,
    reserve_async,
    write_off,
)

reserving = Step(reserve, release)
billing = Step(bill, write_off)
notifying = Step(notify)
paying = Step(charge)

right_pair: Saga[Order, tuple[Reservation, str], OutOfStock] = reserving & notifying
of_another_input = reserving & paying  # type: ignore
of_another_input_first = paying & reserving  # type: ignore
a_function = reserving & notify  # type: ignore
a_function_first = notify & reserving  # type: ignore
a_value = reserving & 1  # type: ignore
in_another_order: Saga[Order, tuple[str, Reservation], OutOfStock] = reserving & notifying  # type: ignore
without_its_error: Saga[Order, tuple[Reservation, str]] = reserving & notifying  # type: ignore
without_that_of_its_way_back: Saga[Order, tuple[Invoice, str]] = billing & notifying  # type: ignore
async_in_run = run(notifying & AsyncStep(reserve_async), Order(1))  # type: ignore

right = run(par(reserving, notifying, billing, limit=2, on_failure="interrupt"), Order(1))
# Of inputs that differ, pyrefly 1.4 makes a union: only what is neither does it refuse. `&` is
# right in all four.
par_of_two_inputs: Saga[Invoice, object, object] = par(reserving, paying)  # type: ignore
par_of_a_function = par(reserving, notify)  # type: ignore
par_of_a_list = par([reserving, notifying])  # type: ignore
par_into_too_little: Saga[Order, tuple[Reservation], OutOfStock] = par(reserving, notifying)  # type: ignore
par_without_its_error: Saga[Order, tuple[Reservation, str]] = par(reserving, notifying)  # type: ignore
par_async_in_run = run(par(notifying, AsyncStep(reserve_async)), Order(1))  # type: ignore
no_limit = par(reserving, notifying, limit="all")  # type: ignore
no_policy = par(reserving, notifying, on_failure="stop")  # type: ignore
no_keyword = par(reserving, notifying, at_most=2)  # type: ignore

# However many there are, a branch of every signature counts.
later = AsyncStep(reserve_async)
six_async = run(par(later, later, later, later, billing, later), Order(1))  # type: ignore
seven_async = run(par(billing, later, later, later, later, later, later), Order(1))  # type: ignore
eight_async = run(par(later, later, later, later, later, later, later, later), Order(1))  # type: ignore
eight_both = run(par(later, later, later, billing, later, later, later, later), Order(1))  # type: ignore

right_gather = run(gather([notifying, notifying], limit=1), Order(1))
gather_of_one = gather(notifying)  # type: ignore
gather_of_functions = gather([notify, notify])  # type: ignore
gather_of_another_input = run(gather([reserving, reserving]), Reservation(1))  # type: ignore
gather_limit = gather([notifying], limit="all")  # type: ignore

right_each = run(each(reserving, limit=3), [Order(1), Order(2)])
each_of_a_function = each(notify)  # type: ignore
each_of_one_item = run(each(reserving), Order(1))  # type: ignore
each_of_other_items = run(each(reserving), [Reservation(1)])  # type: ignore
each_after_one_value = reserving >> each(paying)  # type: ignore
each_into_one_value: Saga[list[Order], Reservation, OutOfStock] = each(reserving)  # type: ignore
each_limit = each(reserving, limit=1.5)  # type: ignore
each_async_in_run = run(each(AsyncStep(reserve_async)), [Order(1)])  # type: ignore
