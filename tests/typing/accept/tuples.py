"""``star`` and ``last``: functions of many arguments, and of the tuple that holds them."""

from collections.abc import Callable
from typing import assert_type

from returns.result import Result

from sagalib import Step, last, star
from tests.typing.shop import CardDeclined, Order, Payment, Reservation, charge_for

assert_type(star(charge_for), Callable[[tuple[Order, Reservation]], Result[Payment, CardDeclined]])
assert_type(Step(star(charge_for)), Step[tuple[Order, Reservation], Payment, CardDeclined])
assert_type(last((Order(1), Reservation(1))), Reservation)
