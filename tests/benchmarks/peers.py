"""What else there is for the same job: the stacks of `contextlib`, and three packages.

Nothing else imports these packages, which only the nox session `bench` installs. They take
functions that raise; `logging` is switched off for them.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import AsyncExitStack, ExitStack, suppress
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from typing import Any, Final

from returns.result import Result, Success

from tests.benchmarks.measuring import Timed, awaited, plain
from tests.benchmarks.work import (
    Refused,
    add_one,
    add_one_later,
    add_three,
    add_three_later,
    add_two,
    add_two_later,
    plus_one,
    plus_one_later,
    plus_three,
    plus_three_later,
    plus_two,
    plus_two_later,
    refuse,
    refuse_later,
    say_no,
    say_no_later,
    take_back,
    take_back_later,
    undo,
    undo_later,
)

_RAISING: Final = ", of functions that raise"

Outcome = Result[Any, str]
Peers = dict[str, Timed | str]


# ------------------------------------------------------------------ contextlib


def three_on_a_stack(value: int) -> Outcome:
    """Three steps that go well."""
    with ExitStack() as undos:
        first = add_one(value)
        if Success is not type(first):
            return first
        one = first.unwrap()
        undos.callback(undo, one)
        second = add_two(one)
        if Success is not type(second):
            return second
        two = second.unwrap()
        undos.callback(undo, two)
        third = add_three(two)
        if Success is not type(third):
            return third
        undos.pop_all()
        return third


def failure_on_a_stack(value: int) -> Outcome:
    """Two steps that go well, and one that fails."""
    with ExitStack() as undos:
        first = add_one(value)
        if Success is not type(first):
            return first
        one = first.unwrap()
        undos.callback(undo, one)
        second = add_two(one)
        if Success is not type(second):
            return second
        two = second.unwrap()
        undos.callback(undo, two)
        third = refuse(two)
        if Success is not type(third):
            return third
        undos.pop_all()
        return third


async def three_on_an_async_stack(value: int) -> Outcome:
    """Three steps that go well."""
    async with AsyncExitStack() as undos:
        first = await add_one_later(value)
        if Success is not type(first):
            return first
        one = first.unwrap()
        undos.push_async_callback(undo_later, one)
        second = await add_two_later(one)
        if Success is not type(second):
            return second
        two = second.unwrap()
        undos.push_async_callback(undo_later, two)
        third = await add_three_later(two)
        if Success is not type(third):
            return third
        undos.pop_all()
        return third


async def failure_on_an_async_stack(value: int) -> Outcome:
    """Two steps that go well, and one that fails."""
    async with AsyncExitStack() as undos:
        first = await add_one_later(value)
        if Success is not type(first):
            return first
        one = first.unwrap()
        undos.push_async_callback(undo_later, one)
        second = await add_two_later(one)
        if Success is not type(second):
            return second
        two = second.unwrap()
        undos.push_async_callback(undo_later, two)
        third = await refuse_later(two)
        if Success is not type(third):
            return third
        undos.pop_all()
        return third


def three_that_raise_on_a_stack(value: int) -> int:
    """Three steps that go well, of functions that could raise."""
    with ExitStack() as undos:
        one = plus_one(value)
        undos.callback(take_back, one)
        two = plus_two(one)
        undos.callback(take_back, two)
        three = plus_three(two)
        undos.pop_all()
        return three


# ------------------------------------------------------------------ packages


def _of_package(package: str, make: Callable[[], Timed | str], remark: str = "") -> Peers:
    try:
        name = f"{package} {version(package)}{remark}"
    except PackageNotFoundError:
        return {package: "not installed"}
    return {name: make()}


def simple_saga(third: Callable[[int], int]) -> Timed:
    """Use `SyncSaga` of simple-saga."""
    package: Any = import_module("simple_saga")
    logging.getLogger("simple_saga").setLevel(logging.CRITICAL + 1)

    def work(value: int) -> None:
        with suppress(Refused), package.SyncSaga() as saga:
            one = saga.step(plus_one, take_back, action_args=(value,))
            two = saga.step(plus_two, take_back, action_args=(one,))
            saga.step(third, take_back, action_args=(two,))

    return plain(work, 1)


def simple_saga_async(third: Callable[[int], Any]) -> Timed:
    """Use `Saga` of simple-saga."""
    package: Any = import_module("simple_saga")
    logging.getLogger("simple_saga").setLevel(logging.CRITICAL + 1)

    async def work(value: int) -> None:
        with suppress(Refused):
            async with package.Saga() as saga:
                one = await saga.step(plus_one_later, take_back_later, action_args=(value,))
                two = await saga.step(plus_two_later, take_back_later, action_args=(one,))
                await saga.step(third, take_back_later, action_args=(two,))

    return awaited(work, 1)


def saga_py(third: Callable[[int], int]) -> Timed:
    """Use `SagaBuilder` of saga-py, whose steps take and give keywords; built once."""
    package: Any = import_module("saga")

    def second(value: int) -> dict[str, int]:
        return {"value": plus_two(value)}

    def last(value: int) -> dict[str, int]:
        return {"value": third(value)}

    saga = (
        package.SagaBuilder.create()
        .action(lambda: {"value": plus_one(1)}, lambda: take_back(1))
        .action(second, take_back)
        .action(last, take_back)
        .build()
    )

    def work(_: int) -> None:
        with suppress(package.SagaError):
            saga.execute()

    return plain(work, 1)


def sagaz(third: Callable[[int], Any]) -> Timed:
    """Use `Saga` of sagaz, whose steps share a dict; built once."""
    package: Any = import_module("sagaz")
    logging.getLogger("sagaz").setLevel(logging.CRITICAL + 1)

    async def one(context: dict[str, int]) -> dict[str, int]:
        return {"one": await plus_one_later(context["value"])}

    async def two(context: dict[str, int]) -> dict[str, int]:
        return {"two": await plus_two_later(context["one"])}

    async def three(context: dict[str, int]) -> dict[str, int]:
        return {"three": await third(context["two"])}

    async def no_one(context: dict[str, int]) -> None:
        await take_back_later(context["one"])

    async def no_two(context: dict[str, int]) -> None:
        await take_back_later(context["two"])

    saga = package.Saga(name="three")
    saga.add_step("one", one, no_one)
    saga.add_step("two", two, no_two, depends_on=["one"])
    saga.add_step("three", three, depends_on=["two"])

    async def work(value: int) -> None:
        with suppress(Refused):
            await saga.run({"value": value})

    return awaited(work, 1)


def three() -> Peers:
    """Three steps that go well, of functions that could raise."""
    return {
        "contextlib.ExitStack": plain(three_that_raise_on_a_stack, 1),
        **_of_package("simple-saga", lambda: simple_saga(plus_three)),
        **_of_package("saga-py", lambda: saga_py(plus_three)),
        **_of_package("sagaz", lambda: "asyncio only"),
    }


def failure() -> Peers:
    """Two steps that go well, and one that raises."""
    return {
        "contextlib.ExitStack": plain(failure_on_a_stack, 1),
        **_of_package("simple-saga", lambda: simple_saga(say_no), _RAISING),
        **_of_package("saga-py", lambda: saga_py(say_no), _RAISING),
        **_of_package("sagaz", lambda: "asyncio only"),
    }


def three_async() -> Peers:
    """Three steps that go well, of coroutine functions that could raise."""
    return {
        "contextlib.AsyncExitStack": awaited(three_on_an_async_stack, 1),
        **_of_package("simple-saga", lambda: simple_saga_async(plus_three_later), _RAISING),
        **_of_package("saga-py", lambda: "no asyncio"),
        **_of_package("sagaz", lambda: sagaz(plus_three_later), _RAISING),
    }


def failure_async() -> Peers:
    """Two steps that go well, and one that raises."""
    return {
        "contextlib.AsyncExitStack": awaited(failure_on_an_async_stack, 1),
        **_of_package("simple-saga", lambda: simple_saga_async(say_no_later), _RAISING),
        **_of_package("saga-py", lambda: "no asyncio"),
        **_of_package("sagaz", lambda: sagaz(say_no_later), _RAISING),
    }
