"""``catching``: a function that raises becomes one that answers with a Result."""

from collections.abc import Callable, Coroutine
from typing import Any, Never, assert_type

from returns.result import Result

from sagalib import AsyncStep, Step, catching


def parse(text: str, /) -> int:
    """Read a number."""
    return int(text)


async def parse_async(text: str, /) -> int:
    """Read a number."""
    return int(text)


def forget(number: int) -> None:
    """Do nothing."""


assert_type(catching()(parse), Callable[[str], Result[int, Never]])
assert_type(catching(ValueError)(parse), Callable[[str], Result[int, ValueError]])
assert_type(
    catching(ValueError, KeyError)(parse), Callable[[str], Result[int, ValueError | KeyError]]
)
assert_type(
    catching(ValueError, KeyError, OSError)(parse),
    Callable[[str], Result[int, ValueError | KeyError | OSError]],
)
assert_type(
    catching(ValueError, KeyError, OSError, EOFError)(parse),
    Callable[[str], Result[int, ValueError | KeyError | OSError | EOFError]],
)
assert_type(
    catching(ValueError)(parse_async),
    Callable[[str], Coroutine[Any, Any, Result[int, ValueError]]],
)

assert_type(Step(catching(ValueError)(parse), catching()(forget)), Step[str, int, ValueError])
assert_type(AsyncStep(catching(ValueError)(parse_async)), AsyncStep[str, int, ValueError])


@catching(ValueError)
def half(text: str) -> float:
    """Read a number and halve it."""
    return int(text) / 2


assert_type(Step(half), Step[str, float, ValueError])
