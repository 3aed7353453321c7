"""A stage takes exactly what is known so far, in that order."""

from returns.result import Result, Success

from sagalib import Step, last, stage, star
from tests.typing.shop import (
    NoCourier,
    Order,
    Payment,
    Reservation,
    Shipment,
    charge,
    charge_for,
    release,
    reserve,
    ship_for,
)


def ship_backwards(
    payment: Payment, reservation: Reservation, order: Order
) -> Result[Shipment, NoCourier]:
    """Take what is known in another order."""
    return Success(Shipment("parcel"))


begun = Step(reserve, release).keep()
paid = begun >> stage(charge_for)

right = (paid >> stage(ship_for)).map(last)
too_early = begun >> stage(ship_for)  # type: ignore
too_little = paid >> stage(charge_for)  # type: ignore
in_another_order = paid >> stage(ship_backwards)  # type: ignore
not_a_context = Step(reserve) >> stage(charge_for)  # type: ignore
not_starred = begun >> Step(charge)  # type: ignore

right_star = begun >> Step(star(charge_for))
star_of_another = begun >> Step(star(ship_for))  # type: ignore
last_of_no_tuple = last(Order(1))  # type: ignore
