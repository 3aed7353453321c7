"""What other libraries do in the same places; nothing else imports them."""

from __future__ import annotations


class Refused(Exception):
    """What a step that fails raises."""


def plus_one(value: int) -> int:
    """Go well."""
    return value + 1


def plus_two(value: int) -> int:
    """Go well."""
    return value + 2


def plus_three(value: int) -> int:
    """Go well."""
    return value + 3


def say_no(value: int) -> int:
    """Fail."""
    raise Refused


def take_back(value: int) -> None:
    """Compensate."""
