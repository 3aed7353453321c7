"""Sagas side by side: ``par``, ``gather``, ``together``, ``each``.

Branches get the same input. What fails in one is known once all have ended; then what has completed
is compensated, one after the other, last completed first, in all of them.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Literal, TypeAlias

from sagalib.core.errors import InvalidOption, InvalidSaga, shown
from sagalib.core.instructions import Each
from sagalib.core.saga import JOIN, Composite, branch_of, enclose, fork, in_a_row

__all__ = ["OnFailure", "each", "gather", "par", "together"]

OnFailure: TypeAlias = Literal["await", "interrupt"]
"""What is done with the other branches when one fails: await them, or stop them."""


def par(*sagas: Any, limit: int | None = None, on_failure: OnFailure = "await") -> Any:
    """Run sagas side by side with the same input; give their outputs as a tuple.

    Args:
        sagas: the branches.
        limit: how many go on at once at most; all, without one. Then no further branch begins once
            one has failed.
        on_failure: ``"await"`` the other branches when one fails, or ``"interrupt"`` them: they stop
            before their next call, and under ``run_async`` a call in progress is cancelled, awaited
            and in doubt.

    Raises:
        InvalidSaga: one is not a saga, or has a pivot.
        InvalidOption: ``limit`` or ``on_failure`` is not one of those.
    """
    return gather(sagas, limit=limit, on_failure=on_failure)


def gather(
    sagas: Iterable[Any], /, *, limit: int | None = None, on_failure: OnFailure = "await"
) -> Any:
    """Run any number of sagas side by side, as ``par`` does; give a tuple."""
    given: Any = sagas
    if not hasattr(given, "__iter__"):
        msg = (
            f"gather takes an iterable of sagas, got {type(given).__qualname__}: "
            "write gather([first, second])"
        )
        raise InvalidSaga(msg)
    _check(limit, on_failure)
    return fork(given, "par", limit, interrupts=on_failure == "interrupt")


def each(saga: Any, /, *, limit: int | None = 1, on_failure: OnFailure = "await") -> Any:
    """Run ``saga`` on each item of what comes; give the outputs as a tuple, in that order.

    Args:
        saga: what to run on an item. The paths of its steps are ``item[0]/...``, ``item[1]/...``.
        limit: how many items are in work at once at most: one after the other by default, all at
            once with ``None``.
        on_failure: as for ``par``.

    Raises:
        InvalidSaga: not a saga, or it has a pivot.
        InvalidOption: ``limit`` or ``on_failure`` is not one of those.
    """
    _check(limit, on_failure)
    body = branch_of(saga, "each")
    opening = Each(body.length + 1, limit, on_failure == "interrupt")
    return in_a_row(Composite((opening,)), body, JOIN)


def together(*stages: Any, limit: int | None = None, on_failure: OnFailure = "await") -> Any:
    """Run stages side by side over the same context; add what each gives.

    ``Saga[tuple[*Ts], tuple[*Ts, X, Y]]``.
    """
    branches = par(*stages, limit=limit, on_failure=on_failure)
    return enclose(branches, _append_newest)


def _append_newest(context: tuple[Any, ...], branches: tuple[tuple[Any, ...], ...]) -> object:
    return (*context, *(branch[-1] for branch in branches))


def _check(limit: object, on_failure: object) -> None:
    if limit is not None and not (
        isinstance(limit, int) and not isinstance(limit, bool) and limit > 0
    ):
        msg = f"limit must be a whole number, 1 or more, or None; got {shown(limit)}"
        raise InvalidOption(msg)
    if on_failure not in ("await", "interrupt"):
        msg = f'on_failure must be "await" or "interrupt", got {shown(on_failure)}'
        raise InvalidOption(msg)
