"""One test for both colours: plain functions in `run`, and coroutine functions in `run_async`."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable
from typing import Any, TypeAlias

import pytest
from attrs import frozen
from returns.result import Failure, Result, Success

from sagalib import AsyncStep, Outcome, Saga, Step, run, run_async
from tests.support.time import SECOND, VirtualClock, run_virtual

AnySaga: TypeAlias = Saga[Any, Any, Any, Any, Any]
AnyOutcome: TypeAlias = Outcome[Any, Any, Any]
Function: TypeAlias = Callable[[Any], Any]


def coroutine_function(function: Function) -> Function:
    """Give a coroutine function that lets others run, and then does what `function` does."""

    @functools.wraps(function)
    async def lifted(value: Any) -> Any:
        await asyncio.sleep(0)
        return function(value)

    return lifted


def _timed(keywords: dict[str, Any]) -> dict[str, Any]:
    return {"clock": VirtualClock(), **keywords}


@frozen
class Colour:
    """How steps are written and sagas are run."""

    is_async: bool

    def step(
        self,
        execute: Function,
        compensate: Function | None = None,
        *,
        settle: Function | None = None,
        **settings: Any,
    ) -> AnySaga:
        """Make a step of plain functions, in this colour."""
        if not self.is_async:
            return Step(execute, compensate, settle=settle, **settings)
        return AsyncStep(
            coroutine_function(execute),
            None if compensate is None else coroutine_function(compensate),
            settle=None if settle is None else coroutine_function(settle),
            **settings,
        )

    def run(self, saga: AnySaga, value: Any = None, **keywords: Any) -> AnyOutcome:
        """Run a saga in virtual time; a clock is only for plain steps."""
        if not self.is_async:
            return run(saga, value, **_timed(keywords))
        keywords.pop("clock", None)
        return run_virtual(run_async(saga, value, **keywords))

    def now_ns(self, clock: VirtualClock) -> int:
        """Give the time inside a run: that of the loop, or of the clock that the run was given."""
        if not self.is_async:
            return clock.now_ns()
        return round(asyncio.get_running_loop().time() * SECOND)

    def interrupt_of(self, saga: AnySaga, value: Any = None, **keywords: Any) -> BaseException:
        """Run a saga that must be interrupted; give what it raises."""

        async def caught() -> BaseException | None:
            try:
                await run_async(saga, value, **keywords)
            except BaseException as interrupt:
                return interrupt
            return None

        interrupt: BaseException | None = None
        if self.is_async:
            interrupt = run_virtual(caught())
        else:
            try:
                run(saga, value, **_timed(keywords))
            except BaseException as raised:
                interrupt = raised
        assert interrupt is not None, "the run raised nothing"
        return interrupt


SYNC = Colour(is_async=False)
ASYNC = Colour(is_async=True)
both_colours = pytest.mark.parametrize("colour", [SYNC, ASYNC], ids=["sync", "async"])


class World:
    """What the calls of a saga did, in order."""

    def __init__(self, colour: Colour = SYNC) -> None:
        self.colour = colour
        self.calls: list[tuple[str, Any]] = []

    def does(self, name: str, answer: Any) -> Function:
        """Give a function that notes its call, and then answers, or raises an exception."""

        def function(value: Any) -> Any:
            self.calls.append((name, value))
            given = answer(value) if callable(answer) else answer
            if isinstance(given, BaseException):
                raise given
            return given

        function.__name__ = name
        return function

    def step(
        self,
        name: str,
        answer: Any = None,
        undo: Any = None,
        *,
        settle: Any = None,
        **settings: Any,
    ) -> AnySaga:
        """Give a step that adds its name to the text that it gets, and can be undone."""

        def adding(value: Any) -> Any:
            return Success(f"{value}+{name}")

        execute = self.does(name, adding if answer is None else answer)
        compensate = None
        if undo is not False and not settings.get("pivot"):
            compensate = self.does(f"undo {name}", Success(None) if undo is None else undo)
        settled = None if settle is None else self.does(f"settle {name}", settle)
        return self.colour.step(execute, compensate, settle=settled, name=name, **settings)

    @property
    def names(self) -> list[str]:
        """The calls, without their arguments."""
        return [name for name, _ in self.calls]


def pass_on(value: Any) -> Result[Any, Any]:
    """Succeed with what came."""
    return Success(value)


def refuse(value: Any) -> Result[Any, Any]:
    """Fail with what came."""
    return Failure(value)
