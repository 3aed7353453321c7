"""``draw`` takes any saga, with or without a log, and gives a ``Picture``."""

from collections.abc import Sequence
from typing import assert_type

from sagalib import Async, Event, Picture, Saga, draw
from tests.typing.shop import Order, OutOfStock, Reservation


def pictures(
    plain: Saga[Order, Reservation, OutOfStock, str],
    other: Saga[Order, Reservation, OutOfStock, str, Async],
    log: Sequence[Event],
) -> tuple[str, str, str]:
    """Draw sagas of either mode."""
    assert_type(draw(plain), Picture)
    picture = draw(other, log)
    assert_type(picture.mermaid(), str)
    return picture.mermaid(most=40), picture.dot(most=40), picture.text()
