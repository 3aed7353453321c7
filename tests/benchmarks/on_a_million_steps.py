"""G10: composition copies nothing, and nothing that is done with a saga recurses."""

from __future__ import annotations

import gc
import pickle
import tracemalloc
from collections.abc import Callable
from functools import partial
from time import thread_time_ns
from typing import Any, Final, TypeVar

from sagalib import Compensated, Ok, Saga, Step, fail, identity, run
from tests.benchmarks.measuring import plain, quiet
from tests.benchmarks.rows import Comparison, Row
from tests.benchmarks.work import add_one, undo

MILLION: Final = 1_000_000
FEW: Final = 10

AnySaga = Saga[Any, Any, Any, Any, Any]
T = TypeVar("T")

STEP: AnySaga = Step(add_one, undo)


def to_the_left(size: int) -> AnySaga:
    """Build `((a >> a) >> a) ...`."""
    saga: AnySaga = identity()
    for _ in range(size):
        saga = saga >> STEP
    return saga


def to_the_right(size: int) -> AnySaga:
    """Build `a >> (a >> (a ...))`."""
    saga: AnySaga = identity()
    for _ in range(size):
        saga = STEP >> saga
    return saga


NESTINGS: Final = {"to the left": to_the_left, "to the right": to_the_right}


def composition(seconds: float) -> list[Row]:
    """Compare `>>` on a million steps with `>>` on ten."""
    rows: list[Row] = []
    for nesting, build in NESTINGS.items():
        long, short = build(MILLION), build(FEW)
        rows += Comparison(
            goal="G10",
            what=f"`>>`, that is `then`, on {MILLION:,} steps nested {nesting}, beside {FEW}",
            ours=plain(long.then, STEP),
            baseline=plain(short.then, STEP),
            gate=5,
        ).rows(seconds)
    return rows


def life(_: float) -> list[Row]:
    """Do all that is done with a saga, once, with a million steps; a recursion would raise."""
    return [row for nesting in NESTINGS for row in _life(nesting)]


def _life(nesting: str) -> list[Row]:
    rows: list[Row] = []

    def timed(what: str, work: Callable[[], T]) -> T:
        gc.collect()
        began = thread_time_ns()
        made = work()
        each = (thread_time_ns() - began) / MILLION
        rows.append(Row(goal="G10", what=f"a saga nested {nesting}: {what}, per step", ours=each))
        return made

    build = partial(NESTINGS[nesting], MILLION)
    made = [timed("built", build)]
    timed("dropped unread", made.clear)
    made, other = [build()], build()
    with quiet():
        checks = [
            timed("written out and compared", lambda: made[0] == other),
            timed("hashed", lambda: hash(made[0])) == hash(other),
            timed("printed", lambda: len(repr(made[0]))) < MILLION,
            timed("pickled and back", lambda: pickle.loads(pickle.dumps(made[0]))) == other,
            isinstance(timed("run", lambda: run(other, 0)), Ok),
            isinstance(timed("compensated", lambda: run(other >> fail("no"), 0)), Compensated),
        ]
        timed("dropped", made.clear)
    if not all(checks):
        msg = f"expected a saga of {MILLION:,} steps to do all that one of ten does, got {checks}"
        raise AssertionError(msg)
    return rows


def memory(_: float) -> list[Row]:
    """Measure what composition holds for each step, beyond the step itself."""
    rows: list[Row] = []
    for nesting, build in NESTINGS.items():
        with quiet():
            tracemalloc.start()
            saga = build(MILLION)
            built, _peak = tracemalloc.get_traced_memory()
            length = len(saga.instructions)
            read, _peak = tracemalloc.get_traced_memory()
            tracemalloc.stop()
        rows += [
            Row(
                goal="G10",
                what=f"a saga nested {nesting}: memory beyond the steps, {when}, per step",
                unit="B",
                ours=held / length,
                brave=90,
            )
            for when, held in (("as built", built), ("written out", read))
        ]
    return rows
