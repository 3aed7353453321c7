"""How other libraries behave in cases that matter: `python -m tests.benchmarks.facts_of_peers`.

Each fact is a function that shows it and fails where it is not so (any more). The nox session
`bench` runs them; the packages are those of the group `bench`.
"""

from __future__ import annotations

import asyncio
import logging
import platform
from contextlib import AsyncExitStack, ExitStack, suppress
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from typing import Any, Final

from returns.result import Failure, Result

Calls = list[object]


class Refused(Exception):
    """What a step that fails raises."""


def say_no(*_: object, **__: object) -> Any:
    """Fail."""
    raise Refused


def shown(calls: Calls, expected: Calls) -> None:
    """Check what was seen."""
    if calls != expected:
        msg = f"expected {expected}, saw {calls}"
        raise AssertionError(msg)


# ------------------------------------------------------------------ contextlib


def stack_undoes_last_first(calls: Calls) -> Calls:
    """It undoes last first, and gives each callback the value that was pushed with it."""
    with suppress(Refused), ExitStack() as stack:
        stack.callback(calls.append, "one")
        stack.callback(calls.append, "two")
        say_no()
    return ["two", "one"]


def stack_drops_results(calls: Calls) -> Calls:
    """What a callback gives is dropped: a compensation that answers `Failure` goes unnoticed."""

    def undo() -> Result[None, str]:
        return Failure("not undone")

    with ExitStack() as stack:
        stack.callback(undo)
        calls.append("left")
    return ["left"]


def stack_raises_the_last_error(calls: Calls) -> Calls:
    """A callback that raises takes the place of the error, which becomes its `__context__`."""
    try:
        with ExitStack() as stack:
            stack.callback(lambda: 1 / 0)
            say_no()
    except ArithmeticError as error:
        calls += [type(error), type(error.__context__)]
    return [ZeroDivisionError, Refused]


def async_stack_is_cut(calls: Calls) -> Calls:
    """A task that is cancelled again while it undoes cuts the callback in progress."""

    async def undo(name: str) -> None:
        await asyncio.sleep(0)
        calls.append(name)

    async def work() -> None:
        async with AsyncExitStack() as stack:
            stack.push_async_callback(undo, "one")
            stack.push_async_callback(undo, "two")
            await asyncio.Event().wait()

    asyncio.run(_cancelled_twice(work))
    return ["one"]


# ------------------------------------------------------------------ simple-saga


def simple_saga_undoes_last_first(calls: Calls) -> Calls:
    """It undoes last first, and gives each compensation what its own step gave."""
    package: Any = import_module("simple_saga")
    with suppress(Refused), package.SyncSaga() as saga:
        saga.step(lambda: "one", calls.append)
        saga.step(lambda: "two", calls.append)
        saga.step(say_no, calls.append)
    return ["two", "one"]


def simple_saga_only_logs_failed_compensations(calls: Calls) -> Calls:
    """A compensation that fails is logged by `logging`; what the caller sees is the same."""
    package: Any = import_module("simple_saga")
    for compensation in (calls.append, say_no):
        try:
            with package.SyncSaga() as saga:
                saga.step(lambda: "one", compensation)
                saga.step(lambda: 1 / 0, say_no)
        except ArithmeticError as error:
            calls += [type(error), error.__context__, getattr(error, "__notes__", None)]
    return ["one", *[ZeroDivisionError, None, None] * 2]


def simple_saga_is_cut(calls: Calls) -> Calls:
    """A task that is cancelled again while it undoes leaves out the compensations that remain."""
    package: Any = import_module("simple_saga")

    async def give(name: str) -> str:
        return name

    async def undo(name: str) -> None:
        await asyncio.sleep(0)
        calls.append(name)

    async def work() -> None:
        async with package.Saga() as saga:
            await saga.step(give, undo, action_args=("one",))
            await saga.step(give, undo, action_args=("two",))
            await asyncio.Event().wait()

    asyncio.run(_cancelled_twice(work))
    return []


# ------------------------------------------------------------------ saga-py


def saga_py_compensates_with_the_input(calls: Calls) -> Calls:
    """A compensation gets what its step was given, not what the step gave."""
    package: Any = import_module("saga")

    def second(value: str) -> dict[str, str]:
        return {"value": f"{value}, two"}

    def undo(value: str = "nothing") -> None:
        calls.append(value)

    saga = (
        package.SagaBuilder.create()
        .action(lambda: {"value": "one"}, undo)
        .action(second, undo)
        .action(say_no, undo)
        .build()
    )
    with suppress(package.SagaError):
        saga.execute()
    return ["one, two", "one", "nothing"]


def saga_py_compensates_what_failed(calls: Calls) -> Calls:
    """The compensation of the action that failed is called too."""
    package: Any = import_module("saga")
    saga = package.SagaBuilder.create().action(say_no, lambda: calls.append("undone")).build()
    with suppress(package.SagaError):
        saga.execute()
    return ["undone"]


def saga_py_gives_nothing(calls: Calls) -> Calls:
    """A saga that went well gives `None`: what its last action made is lost."""
    package: Any = import_module("saga")
    saga = package.SagaBuilder.create().action(lambda: {"value": 1}, lambda: None).build()
    calls.append(saga.execute())
    return [None]


def saga_py_hides_interrupts(calls: Calls) -> Calls:
    """Ctrl-C comes out as a `SagaError`; errors of compensations are kept in it."""
    package: Any = import_module("saga")

    def interrupt() -> None:
        raise KeyboardInterrupt

    saga = package.SagaBuilder.create().action(interrupt, say_no).build()
    try:
        saga.execute()
    except package.SagaError as error:
        calls += [type(error.action), [type(made) for made in error.compensations]]
    return [KeyboardInterrupt, [Refused]]


# ------------------------------------------------------------------ sagaz


def sagaz_compensates_with_a_shared_dict(calls: Calls) -> Calls:
    """Compensations share one dict: a later step that writes the same key changes their value."""
    saga = _sagaz()

    async def first(_: dict[str, Any]) -> dict[str, Any]:
        return {"booking": "hotel"}

    async def second(_: dict[str, Any]) -> dict[str, Any]:
        return {"booking": "flight"}

    async def third(_: dict[str, Any]) -> None:
        raise Refused

    async def undo(context: dict[str, Any]) -> None:
        calls.append(context["booking"])

    saga.add_step("first", first, undo)
    saga.add_step("second", second, undo, depends_on=["first"])
    saga.add_step("third", third, depends_on=["second"])
    with suppress(Refused):
        asyncio.run(saga.run({}))
    return ["flight", "flight"]


def sagaz_hides_failed_compensations(calls: Calls) -> Calls:
    """A compensation that fails changes nothing in what the caller sees: the step's own error."""
    saga = _sagaz()

    async def go(_: dict[str, Any]) -> None:
        pass

    async def fail(_: dict[str, Any]) -> None:
        raise Refused

    async def undo(_: dict[str, Any]) -> None:
        raise ArithmeticError

    saga.add_step("go", go, undo)
    saga.add_step("fail", fail, depends_on=["go"])
    try:
        asyncio.run(saga.run({}))
    except Refused as error:
        calls += [error.__context__, getattr(error, "__notes__", None)]
    return [None, None]


def sagaz_does_not_compensate_when_cancelled(calls: Calls) -> Calls:
    """A task that is cancelled compensates nothing."""
    saga = _sagaz()

    async def go(_: dict[str, Any]) -> None:
        calls.append("done")

    async def wait(_: dict[str, Any]) -> None:
        await asyncio.Event().wait()

    async def undo(_: dict[str, Any]) -> None:
        calls.append("undone")

    saga.add_step("go", go, undo)
    saga.add_step("wait", wait, depends_on=["go"])

    async def cancelled() -> None:
        task = asyncio.ensure_future(saga.run({}))
        await _turns(10)
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task

    asyncio.run(cancelled())
    return ["done"]


def sagaz_does_not_retry(calls: Calls) -> Calls:
    """`add_step(max_retries=3)` of `sagaz.Saga` does not retry the step."""
    saga = _sagaz()

    async def fail(_: dict[str, Any]) -> None:
        calls.append("called")
        raise Refused

    saga.add_step("fail", fail, max_retries=3)
    with suppress(Refused):
        asyncio.run(saga.run({}))
    return ["called"]


# ------------------------------------------------------------------ all


def _sagaz() -> Any:
    package: Any = import_module("sagaz")
    return package.Saga(name="facts")


async def _turns(turns: int) -> None:
    for _ in range(turns):
        await asyncio.sleep(0)


async def _cancelled_twice(work: Any) -> None:
    """Cancel at the third step, and again while the first compensation is in progress."""
    task = asyncio.ensure_future(work())
    await _turns(3)
    task.cancel()
    await _turns(1)
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


FACTS: Final = {
    "contextlib": [
        stack_undoes_last_first,
        stack_drops_results,
        stack_raises_the_last_error,
        async_stack_is_cut,
    ],
    "simple-saga": [
        simple_saga_undoes_last_first,
        simple_saga_only_logs_failed_compensations,
        simple_saga_is_cut,
    ],
    "saga-py": [
        saga_py_compensates_with_the_input,
        saga_py_compensates_what_failed,
        saga_py_gives_nothing,
        saga_py_hides_interrupts,
    ],
    "sagaz": [
        sagaz_compensates_with_a_shared_dict,
        sagaz_hides_failed_compensations,
        sagaz_does_not_compensate_when_cancelled,
        sagaz_does_not_retry,
    ],
}


def main() -> None:
    """Show all facts, and print them."""
    logging.disable(logging.CRITICAL)
    for name, facts in FACTS.items():
        try:
            which = version(name)
        except PackageNotFoundError:
            which = f"of Python {platform.python_version()}"
            if name != "contextlib":
                print(f"{name}: not installed")
                continue
        print(f"{name} {which}")
        for fact in facts:
            calls: Calls = []
            expected = fact(calls)
            shown(calls, expected)
            print(f"  {fact.__doc__}")


if __name__ == "__main__":
    main()
