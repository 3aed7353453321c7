"""``>>`` and ``.then``: what the left gives must be what the right takes, and both are sagas."""

from sagalib import Saga, Step
from tests.typing.shop import Payment, Reservation, charge, release, reserve, ship

right = Step(reserve, release) >> Step(charge) >> Step(ship)

not_what_it_takes = Step(reserve) >> Step(ship)  # type: ignore
not_what_then_takes = Step(reserve).then(Step(ship))  # type: ignore
not_what_the_last_takes = Step(reserve) >> Step(charge) >> Step(charge)  # type: ignore

a_function = Step(reserve) >> charge  # type: ignore
a_function_first = reserve >> Step(charge)  # type: ignore
a_value = Step(reserve) >> 1  # type: ignore
a_function_to_then = Step(reserve).then(charge)  # type: ignore


def with_any_saga(saga: Saga[Reservation, Payment]) -> tuple[object, object]:
    """What a saga gives counts, whatever it is made of."""
    accepted = Step(reserve) >> saga >> Step(ship)
    return accepted, saga >> saga  # type: ignore
