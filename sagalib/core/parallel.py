"""Sagas side by side: ``par``, ``gather``, ``together``, ``each``.

Branches get the same input. What fails in one is known once all have ended; then what has completed
is compensated, one after the other, last completed first, in all of them.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Literal, Never, TypeAlias, overload

from typing_extensions import TypedDict, TypeVar, TypeVarTuple, Unpack

from sagalib.core.errors import InvalidOption, InvalidSaga, shown
from sagalib.core.instructions import Each
from sagalib.core.saga import JOIN, Async, Saga, Sync, branch_of, enclose, fork, in_a_row, word

__all__ = ["OnFailure", "each", "gather", "par", "together"]

A = TypeVar("A")
B = TypeVar("B")
E = TypeVar("E")
F = TypeVar("F", default=Never)
M = TypeVar("M", bound=Async, default=Sync)
M1 = TypeVar("M1", bound=Async)
Ts = TypeVarTuple("Ts")
B1 = TypeVar("B1")
B2 = TypeVar("B2")
B3 = TypeVar("B3")
B4 = TypeVar("B4")
B5 = TypeVar("B5")
B6 = TypeVar("B6")
B7 = TypeVar("B7")
B8 = TypeVar("B8")
E1 = TypeVar("E1")
E2 = TypeVar("E2")
E3 = TypeVar("E3")
E4 = TypeVar("E4")
E5 = TypeVar("E5")
E6 = TypeVar("E6")
E7 = TypeVar("E7")
E8 = TypeVar("E8")
F1 = TypeVar("F1")
F2 = TypeVar("F2")
F3 = TypeVar("F3")
F4 = TypeVar("F4")
F5 = TypeVar("F5")
F6 = TypeVar("F6")
F7 = TypeVar("F7")
F8 = TypeVar("F8")

OnFailure: TypeAlias = Literal["await", "interrupt"]
"""What is done with the other branches when one fails: await them, or stop them."""


class BranchSettings(TypedDict, total=False, closed=True):
    """The keywords of ``par`` and ``together``."""

    limit: int | None
    on_failure: OnFailure


def gather(
    sagas: Iterable[Saga[A, B, E, F, M]],
    /,
    *,
    limit: int | None = None,
    on_failure: OnFailure = "await",
) -> Saga[A, tuple[B, ...], E, F, M]:
    """Run any number of sagas side by side, as ``par`` does; give a tuple.

    Args:
        sagas: the branches, all of one type; ``par`` is for a few of different types.
        limit: as for ``par``.
        on_failure: as for ``par``.

    Raises:
        InvalidSaga: not an iterable, or an item is not a saga, or has a pivot.
        InvalidOption: ``limit`` or ``on_failure`` is not one of those.
    """
    given: Any = sagas
    if not hasattr(given, "__iter__"):
        msg = (
            f"gather takes an iterable of sagas, got {type(given).__qualname__}: "
            "write gather([first, second])"
        )
        raise InvalidSaga(msg)
    return _side_by_side("gather", given, limit, on_failure)


def each(
    saga: Saga[A, B, E, F, M], /, *, limit: int | None = 1, on_failure: OnFailure = "await"
) -> Saga[Iterable[A], tuple[B, ...], E, F, M]:
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
    return in_a_row(word(Each(body.length + 1, limit, on_failure == "interrupt")), body, JOIN)


# Of `E1 | E2`, both Never, pyright 1.1.414 makes Unknown: so sagas that cannot fail have signatures
# of their own, and sagas whose compensations cannot. What two of them take, the first takes.
@overload
def par(**settings: Unpack[BranchSettings]) -> Saga[object, tuple[()]]: ...
@overload
def par(
    a: Saga[A, B1, E1, F1, M1],
    /,
    **settings: Unpack[BranchSettings],
) -> Saga[A, tuple[B1], E1, F1, M1]: ...
@overload
def par(
    a: Saga[A, B1, Never, Never, M1],
    b: Saga[A, B2, Never, Never, M1],
    /,
    **settings: Unpack[BranchSettings],
) -> Saga[A, tuple[B1, B2], Never, Never, M1]: ...
@overload
def par(  # type: ignore[overload-overlap] # as above
    a: Saga[A, B1, E1, Never, M1],
    b: Saga[A, B2, E2, Never, M1],
    /,
    **settings: Unpack[BranchSettings],
) -> Saga[A, tuple[B1, B2], E1 | E2, Never, M1]: ...
@overload
def par(
    a: Saga[A, B1, Never, F1, M1],
    b: Saga[A, B2, Never, F2, M1],
    /,
    **settings: Unpack[BranchSettings],
) -> Saga[A, tuple[B1, B2], Never, F1 | F2, M1]: ...
@overload
def par(
    a: Saga[A, B1, E1, F1, M1],
    b: Saga[A, B2, E2, F2, M1],
    /,
    **settings: Unpack[BranchSettings],
) -> Saga[A, tuple[B1, B2], E1 | E2, F1 | F2, M1]: ...
@overload
def par(
    a: Saga[A, B1, Never, Never, M1],
    b: Saga[A, B2, Never, Never, M1],
    c: Saga[A, B3, Never, Never, M1],
    /,
    **settings: Unpack[BranchSettings],
) -> Saga[A, tuple[B1, B2, B3], Never, Never, M1]: ...
@overload
def par(  # type: ignore[overload-overlap] # as above
    a: Saga[A, B1, E1, Never, M1],
    b: Saga[A, B2, E2, Never, M1],
    c: Saga[A, B3, E3, Never, M1],
    /,
    **settings: Unpack[BranchSettings],
) -> Saga[A, tuple[B1, B2, B3], E1 | E2 | E3, Never, M1]: ...
@overload
def par(
    a: Saga[A, B1, Never, F1, M1],
    b: Saga[A, B2, Never, F2, M1],
    c: Saga[A, B3, Never, F3, M1],
    /,
    **settings: Unpack[BranchSettings],
) -> Saga[A, tuple[B1, B2, B3], Never, F1 | F2 | F3, M1]: ...
@overload
def par(
    a: Saga[A, B1, E1, F1, M1],
    b: Saga[A, B2, E2, F2, M1],
    c: Saga[A, B3, E3, F3, M1],
    /,
    **settings: Unpack[BranchSettings],
) -> Saga[A, tuple[B1, B2, B3], E1 | E2 | E3, F1 | F2 | F3, M1]: ...
@overload
def par(
    a: Saga[A, B1, Never, Never, M1],
    b: Saga[A, B2, Never, Never, M1],
    c: Saga[A, B3, Never, Never, M1],
    d: Saga[A, B4, Never, Never, M1],
    /,
    **settings: Unpack[BranchSettings],
) -> Saga[A, tuple[B1, B2, B3, B4], Never, Never, M1]: ...
@overload
def par(  # type: ignore[overload-overlap] # as above
    a: Saga[A, B1, E1, Never, M1],
    b: Saga[A, B2, E2, Never, M1],
    c: Saga[A, B3, E3, Never, M1],
    d: Saga[A, B4, E4, Never, M1],
    /,
    **settings: Unpack[BranchSettings],
) -> Saga[A, tuple[B1, B2, B3, B4], E1 | E2 | E3 | E4, Never, M1]: ...
@overload
def par(
    a: Saga[A, B1, Never, F1, M1],
    b: Saga[A, B2, Never, F2, M1],
    c: Saga[A, B3, Never, F3, M1],
    d: Saga[A, B4, Never, F4, M1],
    /,
    **settings: Unpack[BranchSettings],
) -> Saga[A, tuple[B1, B2, B3, B4], Never, F1 | F2 | F3 | F4, M1]: ...
@overload
def par(
    a: Saga[A, B1, E1, F1, M1],
    b: Saga[A, B2, E2, F2, M1],
    c: Saga[A, B3, E3, F3, M1],
    d: Saga[A, B4, E4, F4, M1],
    /,
    **settings: Unpack[BranchSettings],
) -> Saga[A, tuple[B1, B2, B3, B4], E1 | E2 | E3 | E4, F1 | F2 | F3 | F4, M1]: ...
@overload
def par(
    a: Saga[A, B1, Never, Never, M1],
    b: Saga[A, B2, Never, Never, M1],
    c: Saga[A, B3, Never, Never, M1],
    d: Saga[A, B4, Never, Never, M1],
    e: Saga[A, B5, Never, Never, M1],
    /,
    **settings: Unpack[BranchSettings],
) -> Saga[A, tuple[B1, B2, B3, B4, B5], Never, Never, M1]: ...
@overload
def par(  # type: ignore[overload-overlap] # as above
    a: Saga[A, B1, E1, Never, M1],
    b: Saga[A, B2, E2, Never, M1],
    c: Saga[A, B3, E3, Never, M1],
    d: Saga[A, B4, E4, Never, M1],
    e: Saga[A, B5, E5, Never, M1],
    /,
    **settings: Unpack[BranchSettings],
) -> Saga[A, tuple[B1, B2, B3, B4, B5], E1 | E2 | E3 | E4 | E5, Never, M1]: ...
@overload
def par(
    a: Saga[A, B1, Never, F1, M1],
    b: Saga[A, B2, Never, F2, M1],
    c: Saga[A, B3, Never, F3, M1],
    d: Saga[A, B4, Never, F4, M1],
    e: Saga[A, B5, Never, F5, M1],
    /,
    **settings: Unpack[BranchSettings],
) -> Saga[A, tuple[B1, B2, B3, B4, B5], Never, F1 | F2 | F3 | F4 | F5, M1]: ...
@overload
def par(
    a: Saga[A, B1, E1, F1, M1],
    b: Saga[A, B2, E2, F2, M1],
    c: Saga[A, B3, E3, F3, M1],
    d: Saga[A, B4, E4, F4, M1],
    e: Saga[A, B5, E5, F5, M1],
    /,
    **settings: Unpack[BranchSettings],
) -> Saga[A, tuple[B1, B2, B3, B4, B5], E1 | E2 | E3 | E4 | E5, F1 | F2 | F3 | F4 | F5, M1]: ...
@overload
def par(
    a: Saga[A, B1, Never, Never, M1],
    b: Saga[A, B2, Never, Never, M1],
    c: Saga[A, B3, Never, Never, M1],
    d: Saga[A, B4, Never, Never, M1],
    e: Saga[A, B5, Never, Never, M1],
    f: Saga[A, B6, Never, Never, M1],
    /,
    **settings: Unpack[BranchSettings],
) -> Saga[A, tuple[B1, B2, B3, B4, B5, B6], Never, Never, M1]: ...
@overload
def par(  # type: ignore[overload-overlap] # as above
    a: Saga[A, B1, E1, Never, M1],
    b: Saga[A, B2, E2, Never, M1],
    c: Saga[A, B3, E3, Never, M1],
    d: Saga[A, B4, E4, Never, M1],
    e: Saga[A, B5, E5, Never, M1],
    f: Saga[A, B6, E6, Never, M1],
    /,
    **settings: Unpack[BranchSettings],
) -> Saga[A, tuple[B1, B2, B3, B4, B5, B6], E1 | E2 | E3 | E4 | E5 | E6, Never, M1]: ...
@overload
def par(
    a: Saga[A, B1, Never, F1, M1],
    b: Saga[A, B2, Never, F2, M1],
    c: Saga[A, B3, Never, F3, M1],
    d: Saga[A, B4, Never, F4, M1],
    e: Saga[A, B5, Never, F5, M1],
    f: Saga[A, B6, Never, F6, M1],
    /,
    **settings: Unpack[BranchSettings],
) -> Saga[A, tuple[B1, B2, B3, B4, B5, B6], Never, F1 | F2 | F3 | F4 | F5 | F6, M1]: ...
@overload
def par(
    a: Saga[A, B1, E1, F1, M1],
    b: Saga[A, B2, E2, F2, M1],
    c: Saga[A, B3, E3, F3, M1],
    d: Saga[A, B4, E4, F4, M1],
    e: Saga[A, B5, E5, F5, M1],
    f: Saga[A, B6, E6, F6, M1],
    /,
    **settings: Unpack[BranchSettings],
) -> Saga[
    A, tuple[B1, B2, B3, B4, B5, B6], E1 | E2 | E3 | E4 | E5 | E6, F1 | F2 | F3 | F4 | F5 | F6, M1
]: ...
@overload
def par(
    a: Saga[A, B1, Never, Never, M1],
    b: Saga[A, B2, Never, Never, M1],
    c: Saga[A, B3, Never, Never, M1],
    d: Saga[A, B4, Never, Never, M1],
    e: Saga[A, B5, Never, Never, M1],
    f: Saga[A, B6, Never, Never, M1],
    g: Saga[A, B7, Never, Never, M1],
    /,
    **settings: Unpack[BranchSettings],
) -> Saga[A, tuple[B1, B2, B3, B4, B5, B6, B7], Never, Never, M1]: ...
@overload
def par(  # type: ignore[overload-overlap] # as above
    a: Saga[A, B1, E1, Never, M1],
    b: Saga[A, B2, E2, Never, M1],
    c: Saga[A, B3, E3, Never, M1],
    d: Saga[A, B4, E4, Never, M1],
    e: Saga[A, B5, E5, Never, M1],
    f: Saga[A, B6, E6, Never, M1],
    g: Saga[A, B7, E7, Never, M1],
    /,
    **settings: Unpack[BranchSettings],
) -> Saga[A, tuple[B1, B2, B3, B4, B5, B6, B7], E1 | E2 | E3 | E4 | E5 | E6 | E7, Never, M1]: ...
@overload
def par(
    a: Saga[A, B1, Never, F1, M1],
    b: Saga[A, B2, Never, F2, M1],
    c: Saga[A, B3, Never, F3, M1],
    d: Saga[A, B4, Never, F4, M1],
    e: Saga[A, B5, Never, F5, M1],
    f: Saga[A, B6, Never, F6, M1],
    g: Saga[A, B7, Never, F7, M1],
    /,
    **settings: Unpack[BranchSettings],
) -> Saga[A, tuple[B1, B2, B3, B4, B5, B6, B7], Never, F1 | F2 | F3 | F4 | F5 | F6 | F7, M1]: ...
@overload
def par(
    a: Saga[A, B1, E1, F1, M1],
    b: Saga[A, B2, E2, F2, M1],
    c: Saga[A, B3, E3, F3, M1],
    d: Saga[A, B4, E4, F4, M1],
    e: Saga[A, B5, E5, F5, M1],
    f: Saga[A, B6, E6, F6, M1],
    g: Saga[A, B7, E7, F7, M1],
    /,
    **settings: Unpack[BranchSettings],
) -> Saga[
    A,
    tuple[B1, B2, B3, B4, B5, B6, B7],
    E1 | E2 | E3 | E4 | E5 | E6 | E7,
    F1 | F2 | F3 | F4 | F5 | F6 | F7,
    M1,
]: ...
@overload
def par(
    a: Saga[A, B1, Never, Never, M1],
    b: Saga[A, B2, Never, Never, M1],
    c: Saga[A, B3, Never, Never, M1],
    d: Saga[A, B4, Never, Never, M1],
    e: Saga[A, B5, Never, Never, M1],
    f: Saga[A, B6, Never, Never, M1],
    g: Saga[A, B7, Never, Never, M1],
    h: Saga[A, B8, Never, Never, M1],
    /,
    **settings: Unpack[BranchSettings],
) -> Saga[A, tuple[B1, B2, B3, B4, B5, B6, B7, B8], Never, Never, M1]: ...
@overload
def par(  # type: ignore[overload-overlap] # as above
    a: Saga[A, B1, E1, Never, M1],
    b: Saga[A, B2, E2, Never, M1],
    c: Saga[A, B3, E3, Never, M1],
    d: Saga[A, B4, E4, Never, M1],
    e: Saga[A, B5, E5, Never, M1],
    f: Saga[A, B6, E6, Never, M1],
    g: Saga[A, B7, E7, Never, M1],
    h: Saga[A, B8, E8, Never, M1],
    /,
    **settings: Unpack[BranchSettings],
) -> Saga[
    A, tuple[B1, B2, B3, B4, B5, B6, B7, B8], E1 | E2 | E3 | E4 | E5 | E6 | E7 | E8, Never, M1
]: ...
@overload
def par(
    a: Saga[A, B1, Never, F1, M1],
    b: Saga[A, B2, Never, F2, M1],
    c: Saga[A, B3, Never, F3, M1],
    d: Saga[A, B4, Never, F4, M1],
    e: Saga[A, B5, Never, F5, M1],
    f: Saga[A, B6, Never, F6, M1],
    g: Saga[A, B7, Never, F7, M1],
    h: Saga[A, B8, Never, F8, M1],
    /,
    **settings: Unpack[BranchSettings],
) -> Saga[
    A, tuple[B1, B2, B3, B4, B5, B6, B7, B8], Never, F1 | F2 | F3 | F4 | F5 | F6 | F7 | F8, M1
]: ...
@overload
def par(
    a: Saga[A, B1, E1, F1, M1],
    b: Saga[A, B2, E2, F2, M1],
    c: Saga[A, B3, E3, F3, M1],
    d: Saga[A, B4, E4, F4, M1],
    e: Saga[A, B5, E5, F5, M1],
    f: Saga[A, B6, E6, F6, M1],
    g: Saga[A, B7, E7, F7, M1],
    h: Saga[A, B8, E8, F8, M1],
    /,
    **settings: Unpack[BranchSettings],
) -> Saga[
    A,
    tuple[B1, B2, B3, B4, B5, B6, B7, B8],
    E1 | E2 | E3 | E4 | E5 | E6 | E7 | E8,
    F1 | F2 | F3 | F4 | F5 | F6 | F7 | F8,
    M1,
]: ...
def par(*sagas: Any, limit: int | None = None, on_failure: OnFailure = "await") -> Any:
    """Run sagas side by side with the same input; give their outputs as a tuple.

    Args:
        sagas: the branches. The types are known for up to 8; ``gather`` takes any number.
        limit: how many go on at once at most; all, without one. Then no further branch begins once
            one has failed.
        on_failure: ``"await"`` the other branches when one fails, or ``"interrupt"`` them: they
            stop before their next call, and under ``run_async`` a call in progress is cancelled,
            awaited and in doubt.

    Raises:
        InvalidSaga: one is not a saga, or has a pivot.
        InvalidOption: ``limit`` or ``on_failure`` is not one of those.
    """
    return _side_by_side("par", sagas, limit, on_failure)


@overload
def together(
    a: Saga[tuple[*Ts], tuple[*Ts, B1], Never, Never, M1],
    b: Saga[tuple[*Ts], tuple[*Ts, B2], Never, Never, M1],
    /,
    **settings: Unpack[BranchSettings],
) -> Saga[tuple[*Ts], tuple[*Ts, B1, B2], Never, Never, M1]: ...
@overload
def together(  # type: ignore[overload-overlap] # as above
    a: Saga[tuple[*Ts], tuple[*Ts, B1], E1, Never, M1],
    b: Saga[tuple[*Ts], tuple[*Ts, B2], E2, Never, M1],
    /,
    **settings: Unpack[BranchSettings],
) -> Saga[tuple[*Ts], tuple[*Ts, B1, B2], E1 | E2, Never, M1]: ...
@overload
def together(
    a: Saga[tuple[*Ts], tuple[*Ts, B1], Never, F1, M1],
    b: Saga[tuple[*Ts], tuple[*Ts, B2], Never, F2, M1],
    /,
    **settings: Unpack[BranchSettings],
) -> Saga[tuple[*Ts], tuple[*Ts, B1, B2], Never, F1 | F2, M1]: ...
@overload
def together(
    a: Saga[tuple[*Ts], tuple[*Ts, B1], E1, F1, M1],
    b: Saga[tuple[*Ts], tuple[*Ts, B2], E2, F2, M1],
    /,
    **settings: Unpack[BranchSettings],
) -> Saga[tuple[*Ts], tuple[*Ts, B1, B2], E1 | E2, F1 | F2, M1]: ...
@overload
def together(
    a: Saga[tuple[*Ts], tuple[*Ts, B1], Never, Never, M1],
    b: Saga[tuple[*Ts], tuple[*Ts, B2], Never, Never, M1],
    c: Saga[tuple[*Ts], tuple[*Ts, B3], Never, Never, M1],
    /,
    **settings: Unpack[BranchSettings],
) -> Saga[tuple[*Ts], tuple[*Ts, B1, B2, B3], Never, Never, M1]: ...
@overload
def together(  # type: ignore[overload-overlap] # as above
    a: Saga[tuple[*Ts], tuple[*Ts, B1], E1, Never, M1],
    b: Saga[tuple[*Ts], tuple[*Ts, B2], E2, Never, M1],
    c: Saga[tuple[*Ts], tuple[*Ts, B3], E3, Never, M1],
    /,
    **settings: Unpack[BranchSettings],
) -> Saga[tuple[*Ts], tuple[*Ts, B1, B2, B3], E1 | E2 | E3, Never, M1]: ...
@overload
def together(
    a: Saga[tuple[*Ts], tuple[*Ts, B1], Never, F1, M1],
    b: Saga[tuple[*Ts], tuple[*Ts, B2], Never, F2, M1],
    c: Saga[tuple[*Ts], tuple[*Ts, B3], Never, F3, M1],
    /,
    **settings: Unpack[BranchSettings],
) -> Saga[tuple[*Ts], tuple[*Ts, B1, B2, B3], Never, F1 | F2 | F3, M1]: ...
@overload
def together(
    a: Saga[tuple[*Ts], tuple[*Ts, B1], E1, F1, M1],
    b: Saga[tuple[*Ts], tuple[*Ts, B2], E2, F2, M1],
    c: Saga[tuple[*Ts], tuple[*Ts, B3], E3, F3, M1],
    /,
    **settings: Unpack[BranchSettings],
) -> Saga[tuple[*Ts], tuple[*Ts, B1, B2, B3], E1 | E2 | E3, F1 | F2 | F3, M1]: ...
@overload
def together(
    a: Saga[tuple[*Ts], tuple[*Ts, B1], Never, Never, M1],
    b: Saga[tuple[*Ts], tuple[*Ts, B2], Never, Never, M1],
    c: Saga[tuple[*Ts], tuple[*Ts, B3], Never, Never, M1],
    d: Saga[tuple[*Ts], tuple[*Ts, B4], Never, Never, M1],
    /,
    **settings: Unpack[BranchSettings],
) -> Saga[tuple[*Ts], tuple[*Ts, B1, B2, B3, B4], Never, Never, M1]: ...
@overload
def together(  # type: ignore[overload-overlap] # as above
    a: Saga[tuple[*Ts], tuple[*Ts, B1], E1, Never, M1],
    b: Saga[tuple[*Ts], tuple[*Ts, B2], E2, Never, M1],
    c: Saga[tuple[*Ts], tuple[*Ts, B3], E3, Never, M1],
    d: Saga[tuple[*Ts], tuple[*Ts, B4], E4, Never, M1],
    /,
    **settings: Unpack[BranchSettings],
) -> Saga[tuple[*Ts], tuple[*Ts, B1, B2, B3, B4], E1 | E2 | E3 | E4, Never, M1]: ...
@overload
def together(
    a: Saga[tuple[*Ts], tuple[*Ts, B1], Never, F1, M1],
    b: Saga[tuple[*Ts], tuple[*Ts, B2], Never, F2, M1],
    c: Saga[tuple[*Ts], tuple[*Ts, B3], Never, F3, M1],
    d: Saga[tuple[*Ts], tuple[*Ts, B4], Never, F4, M1],
    /,
    **settings: Unpack[BranchSettings],
) -> Saga[tuple[*Ts], tuple[*Ts, B1, B2, B3, B4], Never, F1 | F2 | F3 | F4, M1]: ...
@overload
def together(
    a: Saga[tuple[*Ts], tuple[*Ts, B1], E1, F1, M1],
    b: Saga[tuple[*Ts], tuple[*Ts, B2], E2, F2, M1],
    c: Saga[tuple[*Ts], tuple[*Ts, B3], E3, F3, M1],
    d: Saga[tuple[*Ts], tuple[*Ts, B4], E4, F4, M1],
    /,
    **settings: Unpack[BranchSettings],
) -> Saga[tuple[*Ts], tuple[*Ts, B1, B2, B3, B4], E1 | E2 | E3 | E4, F1 | F2 | F3 | F4, M1]: ...
def together(*stages: Any, limit: int | None = None, on_failure: OnFailure = "await") -> Any:
    """Run stages side by side over the same context; add what each gives.

    ``Saga[tuple[*Ts], tuple[*Ts, X, Y]]``.

    Args:
        stages: the branches, each of which takes the context and gives it with one more value. The
            types are known for 2 to 4.
        limit: as for ``par``.
        on_failure: as for ``par``.

    Raises:
        InvalidSaga: one is not a saga, or has a pivot.
        InvalidOption: ``limit`` or ``on_failure`` is not one of those.
    """
    return enclose(_side_by_side("together", stages, limit, on_failure), _append_newest)


def _append_newest(context: tuple[Any, ...], branches: tuple[tuple[Any, ...], ...]) -> object:
    return (*context, *(branch[-1] for branch in branches))


def _side_by_side(
    name: str, sagas: Iterable[Any], limit: int | None, on_failure: str
) -> Saga[Any, Any, Any, Any, Any]:
    _check(limit, on_failure)
    return fork(sagas, name, limit, interrupts=on_failure == "interrupt")


def _check(limit: object, on_failure: object) -> None:
    if limit is not None and not (
        isinstance(limit, int) and not isinstance(limit, bool) and limit > 0
    ):
        msg = (
            f"limit must be a whole number, 1 or more, or None; got {shown(limit)}. "
            "Write limit=None for all at once"
        )
        raise InvalidOption(msg)
    if on_failure not in ("await", "interrupt"):
        msg = (
            f'on_failure must be "await" or "interrupt"; got {shown(on_failure)}. '
            'Write on_failure="await" to let the others end'
        )
        raise InvalidOption(msg)
