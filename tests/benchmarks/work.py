"""What the steps of the benchmarks do: next to nothing, so that what is around them is measured."""

from __future__ import annotations

from asyncio import sleep
from typing import Any

from returns.result import Failure, Result, Success

# ------------------------------------------------------------------ functions that give results


def add_one(value: int) -> Result[int, str]:
    """Go well."""
    return Success(value + 1)


def add_two(value: int) -> Result[int, str]:
    """Go well."""
    return Success(value + 2)


def add_three(value: int) -> Result[int, str]:
    """Go well."""
    return Success(value + 3)


def refuse(value: int) -> Result[int, str]:
    """Fail."""
    return Failure("no")


def undo(value: Any) -> Result[None, str]:
    """Compensate."""
    return Success(None)


Context = dict[str, int]


def with_stock(context: Context) -> Result[Context, str]:
    """Copy the context, and add to it."""
    return Success({**context, "stock": 1})


def with_payment(context: Context) -> Result[Context, str]:
    """Copy the context, and add to it."""
    return Success({**context, "payment": 2})


def with_parcel(context: Context) -> Result[Context, str]:
    """Copy the context, and add to it."""
    return Success({**context, "parcel": 3})


# ------------------------------------------------------------------ coroutine functions


async def add_one_later(value: int) -> Result[int, str]:
    """Suspend once; go well."""
    await sleep(0)
    return Success(value + 1)


async def add_two_later(value: int) -> Result[int, str]:
    """Suspend once; go well."""
    await sleep(0)
    return Success(value + 2)


async def add_three_later(value: int) -> Result[int, str]:
    """Suspend once; go well."""
    await sleep(0)
    return Success(value + 3)


async def refuse_later(value: int) -> Result[int, str]:
    """Suspend once; fail."""
    await sleep(0)
    return Failure("no")


async def undo_later(value: Any) -> Result[None, str]:
    """Suspend once; compensate."""
    await sleep(0)
    return Success(None)


# ------------------------------------------------------------------ functions that raise


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


async def plus_one_later(value: int) -> int:
    """Suspend once; go well."""
    await sleep(0)
    return value + 1


async def plus_two_later(value: int) -> int:
    """Suspend once; go well."""
    await sleep(0)
    return value + 2


async def plus_three_later(value: int) -> int:
    """Suspend once; go well."""
    await sleep(0)
    return value + 3


async def say_no_later(value: int) -> int:
    """Suspend once; fail."""
    await sleep(0)
    raise Refused


async def take_back_later(value: int) -> None:
    """Suspend once; compensate."""
    await sleep(0)
