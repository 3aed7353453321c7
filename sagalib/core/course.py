"""How far a machine has nothing to decide, worked out once for a saga.

While one step follows another and each answers in time, what a machine asks next stands in the
saga. So a driver to which nobody listens may follow the word by itself and only note the answers;
the machine takes them in when it is needed: at the first answer that is off the course, or when
somebody reads the log. That a machine asks the same is a law, tested over generated sagas.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from sagalib.core.instructions import Instruction, Keep, Merge, is_step
from sagalib.core.policy import Soft, Timeout

__all__ = ["Course", "course_of"]


class Course(NamedTuple):
    """How far a word can be followed.

    Attributes:
        word: the instructions before the first that is off the course: one that calls a function of
            the user in the machine, or that needs a thread of its own.
        is_whole: whether that is the whole word of the saga.
        back: where the last of them stands at which a failure leads straight back, through
            compensations on the caller's thread.
    """

    word: tuple[Any, ...]
    is_whole: bool
    back: int


def course_of(word: tuple[Instruction, ...]) -> Course:
    """Work out the course of a saga in normal form."""
    end, back = len(word), None
    for pc, instruction in enumerate(word):
        if is_step(instruction):
            if _needs_thread(instruction.timeout, is_async=instruction.is_async):
                end = pc
                break
            if back is None and (
                instruction.pivot
                or _needs_thread(instruction.compensation_timeout, is_async=instruction.is_async)
            ):
                back = pc
        elif not isinstance(instruction, (Keep, Merge)):
            end = pc
            break
    return Course(word[:end], end == len(word), end if back is None else back)


def _needs_thread(timeout: Timeout, *, is_async: bool) -> bool:
    return not (is_async or timeout is None or isinstance(timeout, Soft))
