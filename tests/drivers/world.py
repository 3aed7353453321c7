"""The outside world of a run: what was begun, done, cut short and made up for, in order."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import Any, TypeAlias, TypeVar

from attrs import Factory, define
from returns.result import Failure, Result, Success

from sagalib import Async, AsyncStep, Fatal, Ok, Outcome, Saga, Step, current_call
from sagalib.core.policy import Retry, Soft

T = TypeVar("T")

AsyncPart: TypeAlias = Saga[object, str, str, str, Async]
Part: TypeAlias = Saga[object, str, str, str]
Answer: TypeAlias = Result[str, str]


@define
class World:
    """What the steps of one run did; `back` are the calls on the way back that went well."""

    begun: list[str] = Factory(list[str])
    done: list[str] = Factory(list[str])
    cut: list[str] = Factory(list[str])
    back: list[tuple[str, str]] = Factory(list[tuple[str, str]])
    back_keys: list[str] = Factory(list[str])
    keys: list[str] = Factory(list[str])
    reversible: set[str] = Factory(set[str])

    def called_back(self) -> None:
        """Note a call on the way back."""
        self.keys.append(current_call().key)

    def went_back(self, kind: str, name: str) -> None:
        """Note a call on the way back that answers well."""
        key = current_call().key
        self.back.append((kind, name))
        self.back_keys.append(key)

    def made_up_for(self) -> list[tuple[str, str]]:
        """Give `back`, with a call that was repeated under its key counted once."""
        calls = zip(
            self.back, [None, *self.back], self.back_keys, [None, *self.back_keys], strict=False
        )
        return [
            call for call, before, key, key_before in calls if (call, key) != (before, key_before)
        ]

    def owed(self, outcome: Outcome[Any, Any, Any]) -> list[str]:
        """Give the steps that owe something, last begun first, without what the outcome names."""
        given_up = (
            [failure.step for failure in outcome.failures] if isinstance(outcome, Fatal) else []
        )
        named = {*outcome.in_doubt, *given_up}
        return [name for name in reversed(self.effects()) if name in self.reversible - named]

    def effects(self) -> list[str]:
        """Give the steps that have or may have had an effect, first begun first."""
        return [name for name in dict.fromkeys(self.begun) if name in {*self.done, *self.cut}]


USUAL = Soft(30.0)


def no_time() -> None:
    """Take no time."""


def plain(
    world: World,
    name: str,
    *,
    answers: tuple[Answer, ...] = (),
    back: tuple[Result[None, str], ...] = (),
    during: Callable[[], object] = no_time,
    during_back: Callable[[], object] = no_time,
    settle: bool = False,
    undo: bool = True,
    timeout: float | Soft | None = USUAL,
    retries: int | Retry = 0,
    compensation_retries: int | Retry = 0,
    compensation_timeout: float | Soft | None = None,
    pivot: bool = False,
) -> Part:
    """Make a step of plain functions that gives its name.

    Args:
        world: where it leaves its marks.
        name: its name, and its value.
        answers: what execute returns, call after call; then `Success(name)`.
        back: what compensate and settle return, call after call; then `Success(None)`.
        during: called inside execute; what it raises, execute raises.
        during_back: called inside compensate and settle.
        settle: whether it has a settle.
        undo: whether it has a compensation.
        timeout: as `Step` takes it.
        retries: as `Step` takes it.
        compensation_retries: as `Step` takes it.
        compensation_timeout: as `Step` takes it.
        pivot: as `Step` takes it.
    """
    left, left_back = list(answers), list(back)
    if undo or settle:
        world.reversible.add(name)

    def execute(_: object) -> Answer:
        world.begun.append(name)
        try:
            during()
        except BaseException:
            world.cut.append(name)
            raise
        answer: Answer = left.pop(0) if left else Success(name)
        if isinstance(answer, Success):
            world.done.append(name)
        return answer

    def go_back(kind: str) -> Result[None, str]:
        world.called_back()
        during_back()
        answer: Result[None, str] = left_back.pop(0) if left_back else Success(None)
        if isinstance(answer, Success):
            world.went_back(kind, name)
        return answer

    return Step(
        execute,
        (lambda _: go_back("undo")) if undo else None,
        settle=(lambda _: go_back("settle")) if settle else None,
        name=name,
        timeout=timeout,
        retries=retries,
        compensation_retries=compensation_retries,
        compensation_timeout=compensation_timeout,
        pivot=pivot,
    )


async def two_ticks() -> None:
    """Suspend twice."""
    await asyncio.sleep(0)
    await asyncio.sleep(1)


async def for_ever() -> None:
    """Suspend until cancelled; on a loop of virtual time even this comes to an end."""
    await asyncio.sleep(1e6)


def coroutine(
    world: World,
    name: str,
    *,
    answers: tuple[Answer, ...] = (),
    back: tuple[Result[None, str], ...] = (),
    during: Callable[[], Any] = two_ticks,
    during_back: Callable[[], Any] = two_ticks,
    settle: bool = False,
    undo: bool = True,
    timeout: float | Soft | None = USUAL,
    retries: int | Retry = 0,
    compensation_retries: int | Retry = 0,
    compensation_timeout: float | Soft | None = None,
    pivot: bool = False,
) -> AsyncPart:
    """Make a step like `plain`, of coroutine functions."""
    left, left_back = list(answers), list(back)
    if undo or settle:
        world.reversible.add(name)

    async def execute(_: object) -> Answer:
        world.begun.append(name)
        try:
            await during()
        except BaseException:
            world.cut.append(name)
            raise
        answer: Answer = left.pop(0) if left else Success(name)
        if isinstance(answer, Success):
            world.done.append(name)
        return answer

    async def go_back(kind: str) -> Result[None, str]:
        world.called_back()
        await during_back()
        answer: Result[None, str] = left_back.pop(0) if left_back else Success(None)
        if isinstance(answer, Success):
            world.went_back(kind, name)
        return answer

    async def undoing(_: object) -> Result[None, str]:
        return await go_back("undo")

    async def settling(_: object) -> Result[None, str]:
        return await go_back("settle")

    return AsyncStep(
        execute,
        undoing if undo else None,
        settle=settling if settle else None,
        name=name,
        timeout=timeout,
        retries=retries,
        compensation_retries=compensation_retries,
        compensation_timeout=compensation_timeout,
        pivot=pivot,
    )


def no(reason: str) -> Answer:
    """Give a definite failure."""
    return Failure(reason)


def no_way_back(reason: str) -> Result[None, str]:
    """Give a definite failure of a compensation."""
    return Failure(reason)


def kinds(outcome: Outcome[Any, Any, Any] | None) -> list[str]:
    """Give the kinds of the events of an outcome, in order."""
    return [] if outcome is None else [event.kind for event in outcome.log]


def value_of(outcome: Outcome[T, Any, Any]) -> T:
    """Give the value of an outcome that must be Ok."""
    assert isinstance(outcome, Ok), outcome
    return outcome.value


def threads_of_calls() -> list[threading.Thread]:
    """Give the threads on which calls with a hard timeout go on."""
    return [thread for thread in threading.enumerate() if thread.name.startswith("sagalib")]


def join_calls() -> None:
    """Wait until no call goes on any more."""
    for thread in threads_of_calls():
        thread.join(60)
        assert not thread.is_alive(), f"{thread.name} hangs: its gate is closed"
