"""Bugs that are planted for the length of a test, to see that a check notices them."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import contextmanager
from importlib import import_module
from typing import Any

import pytest

from sagalib.core.state import Ended, Failed, Machine, Progress
from sagalib.core.strand import TRANSITIONS, Transition


@contextmanager
def planted_transition(
    progress: type[Progress], reply: type, make: Callable[[Transition], Transition]
) -> Generator[None]:
    """Put another entry into the table of transitions; `make` gets the true one."""
    with pytest.MonkeyPatch.context() as patch:
        table = TRANSITIONS[progress]
        patch.setitem(table, reply, make(table[reply]))
        yield


@contextmanager
def planted(owner: str, name: str, make: Callable[[Any], Any]) -> Generator[None]:
    """Put another value for a name of a module, or of a class (`module:Class`); `make` gets it."""
    module, _, cls = owner.partition(":")
    holder: object = true_one(module, cls) if cls else import_module(module)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(holder, name, make(vars(holder)[name]))
        yield


def true_one(module: str, name: str) -> Any:
    """Give what a module calls `name`, private or not."""
    return vars(import_module(module))[name]


def ended(machine: Machine, reason: object) -> Machine:
    """End a run at once: nothing is unwound, and nothing is said to be owed."""
    failed = Failed(reason, returned=False, step=None, context=None)
    return machine._replace(
        progress=Ended(failed), function=None, timeout=None, cells=None, value=None
    )


def notices() -> pytest.RaisesExc[AssertionError]:
    """Give what a check does when the bug it looks for is there."""
    return pytest.raises(AssertionError)
