"""What the machine makes of each reply: the whole next state, and what it asks for."""

from __future__ import annotations

from functools import reduce
from typing import Any

import pytest
from returns.result import Failure, Success

from sagalib import (
    Cancel,
    Cancelled,
    Compensated,
    CompensationFailed,
    Fatal,
    Irreversible,
    Late,
    Ok,
    Raised,
    Refused,
    Retry,
    Soft,
    Step,
    TimedOut,
    Unknown,
    compensating,
    fail,
    run,
)
from sagalib.core.machine import begin, decide, evolve
from sagalib.core.messages import Call, Direction, Invoke, Sleep, Woke
from sagalib.core.state import (
    Book,
    Cell,
    Compensating,
    Ended,
    Executing,
    Failed,
    Guarded,
    Machine,
    Pausing,
    Place,
    Resting,
    Saved,
)
from tests.defects.colours import AnySaga, World, pass_on, refuse

COMPENSATE, SETTLE = Direction.COMPENSATE, Direction.SETTLE
BUSY = Raised("Busy", "full")
LOST = TimedOut(1.0)


def undo(_: object) -> Any:
    """Make up for a step."""
    return Success(None)


def ask(_: object) -> Any:
    """Settle a step."""
    return Success(None)


A = Step(pass_on, undo, name="a", timeout=Soft(5.0), compensation_timeout=3.0)
B = Step(pass_on, undo, name="b", timeout=None)
P = Step(pass_on, name="p", pivot=True, timeout=None)
AGAIN = Step(pass_on, undo, name="a", timeout=Soft(5.0), retries=Retry(1))
LATER = Step(pass_on, undo, name="a", timeout=Soft(5.0), retries=Retry(2, wait=9.0))
SETTLED = Step(pass_on, undo, settle=ask, name="a", retries=Retry(1), compensation_timeout=3.0)
STUBBORN = Step(pass_on, undo, name="a", compensation_retries=Retry(1), compensation_timeout=3.0)
PATIENT = Step(
    pass_on,
    undo,
    settle=ask,
    name="a",
    compensation_retries=Retry(1, wait=9.0),
    compensation_timeout=3.0,
)


class Run:
    """A run of a saga on "x", which gets replies; the machine is made in the test, not before."""

    def __init__(self, saga: AnySaga, *replies: Any, stop: bool = False) -> None:
        self.saga, self.replies, self.stop = saga, replies, stop

    def machine(self) -> Machine:
        """Give the machine after the replies."""
        start: Any = begin(self.saga, "x", "run", stop=self.stop)
        after: Machine = reduce(evolve, self.replies, start)
        return after


def machine(saga: AnySaga, *state: Any, **book: Any) -> Machine:
    """Give a machine on ``saga`` with the rest of its fields, and what its book has noted."""
    place = Place(saga, saga.instructions)
    if "owed" in book:
        book["owed"] = (placed(book["owed"][0], place), None)
    noted = Book(saga, "run", "x", book.pop("stop", False), **book)
    pc, value, frames, cells, progress, function, timeout = state
    failed = isinstance(progress, Ended) and progress.failed is not None
    there: Any = None if failed else place
    return Machine(
        noted, pc, value, frames, placed(cells, place), progress, function, timeout, there
    )


def cell(*parts: Any) -> Cell:
    """Give a cell whose place is that of its machine."""
    there: Any = None
    pc, value, direction, answers, in_doubt, below = parts
    return Cell(pc, value, direction, answers, in_doubt, below, there, 0)


def placed(cells: Cell | None, place: Place) -> Cell | None:
    """Give cells at a place."""
    return cells and cells._replace(place=place, below=placed(cells.below, place))


NO = Failed("no", True, "b", 1)
DIRTY = NO._replace(catchable=False)
OWED_A = cell(0, 1, COMPENSATE, 1, False, None)

STATES: dict[str, tuple[Run, Machine]] = {
    "the beginning": (
        Run(A, stop=True),
        machine(A, 0, "x", None, None, Executing(1, 0, False), pass_on, Soft(5.0), stop=True),
    ),
    "a success": (
        Run(A >> B, Success(1)),
        machine(A >> B, 1, 1, None, OWED_A, Executing(1, 0, False), pass_on, None),
    ),
    "a success at the second attempt": (
        Run(AGAIN >> B, Failure("busy"), Success(1)),
        machine(
            AGAIN >> B,
            1,
            1,
            None,
            cell(0, 1, COMPENSATE, 2, False, None),
            Executing(1, 0, False),
            pass_on,
            None,
        ),
    ),
    "a success of a pivot": (
        Run(A >> P >> B, Success(1), Success(2)),
        machine(
            A >> P >> B,
            2,
            2,
            None,
            cell(1, None, None, 0, False, OWED_A),
            Executing(1, 0, False),
            pass_on,
            None,
        ),
    ),
    "the last success": (
        Run(A, Success(1)),
        machine(A, 1, 1, None, OWED_A, Ended(None), None, None),
    ),
    "a bracket that keeps": (
        Run(B.keep() >> A),
        machine(
            B.keep() >> A, 1, "x", Saved("x", None), None, Executing(1, 0, False), pass_on, None
        ),
    ),
    "a bracket that guards": (
        Run(A.map_error(str.upper)),
        machine(
            A.map_error(str.upper),
            1,
            "x",
            Guarded(str.upper, None),
            None,
            Executing(1, 0, False),
            pass_on,
            Soft(5.0),
        ),
    ),
    "a promise": (
        Run(compensating(undo, name="z") >> A),
        machine(
            compensating(undo, name="z") >> A,
            1,
            "x",
            None,
            cell(0, "x", COMPENSATE, 0, False, None),
            Executing(1, 0, False),
            pass_on,
            Soft(5.0),
        ),
    ),
    "a late success": (
        Run(AGAIN, Failure("busy"), Late("late")),
        machine(
            AGAIN,
            0,
            "late",
            None,
            cell(0, "late", COMPENSATE, 2, False, None),
            Compensating(Failed(TimedOut(5.0), False, "a", "x"), 1, 2, False),
            undo,
            None,
        ),
    ),
    "a late success after a hard timeout": (
        Run(Step(pass_on, undo, name="a", timeout=4.0), Late("late")),
        machine(
            Step(pass_on, undo, name="a", timeout=4.0),
            0,
            "late",
            None,
            cell(0, "late", COMPENSATE, 1, False, None),
            Compensating(Failed(TimedOut(4.0), False, "a", "x"), 1, 1, False),
            undo,
            None,
        ),
    ),
    "a late success where nothing is late": (
        Run(B, Late("late")),
        machine(
            B,
            0,
            "late",
            None,
            cell(0, "late", COMPENSATE, 1, False, None),
            Compensating(Failed(TimedOut(0.0), False, "b", "x"), 1, 1, False),
            undo,
            None,
        ),
    ),
    "a late success without a compensation": (
        Run(Step(pass_on, name="a"), Late("late")),
        machine(Step(pass_on, name="a"), 1, "late", None, None, Ended(None), None, None),
    ),
    "a failure": (
        Run(A >> B, Success(1), Failure("no")),
        machine(A >> B, 0, 1, None, OWED_A, Compensating(NO, 1, 1, False), undo, 3.0),
    ),
    "a failure of the first step": (
        Run(A, Failure("no")),
        machine(A, 1, None, None, None, Ended(Failed("no", True, "a", "x")), None, None),
    ),
    "a failure that is tried again": (
        Run(AGAIN, Failure("busy")),
        machine(AGAIN, 0, "x", None, None, Executing(2, 1, False), pass_on, Soft(5.0)),
    ),
    "a pause": (
        Run(LATER, Failure("busy")),
        machine(LATER, 0, "x", None, None, Pausing(1, 1, False), None, None),
    ),
    "the end of a pause": (
        Run(LATER, Unknown(LOST), Woke()),
        machine(LATER, 0, "x", None, None, Executing(2, 0, True), pass_on, Soft(5.0)),
    ),
    "no answer": (
        Run(A, Unknown(LOST)),
        machine(
            A,
            1,
            None,
            None,
            None,
            Ended(Failed(LOST, False, "a", "x")),
            None,
            None,
            doubts=(("a", 0), None),
        ),
    ),
    "no answer from a step with settle": (
        Run(SETTLED, Failure("busy"), Unknown(LOST)),
        machine(
            SETTLED,
            0,
            "x",
            None,
            cell(0, "x", SETTLE, 1, True, None),
            Compensating(Failed(LOST, False, "a", "x"), 1, 1, False),
            ask,
            3.0,
        ),
    ),
    "a refusal": (
        Run(A, Refused(BUSY)),
        machine(A, 1, None, None, None, Ended(Failed(BUSY, False, "a", "x")), None, None),
    ),
    "a refusal that is tried again": (
        Run(AGAIN, Refused(BUSY)),
        machine(AGAIN, 0, "x", None, None, Executing(2, 0, False), pass_on, Soft(5.0)),
    ),
    "a cancel before the first attempt": (
        Run(A >> B, Success(1), Cancel()),
        machine(
            A >> B,
            0,
            1,
            None,
            OWED_A,
            Compensating(Failed(Cancelled(), False, None, 1, False), 1, 1, False),
            undo,
            3.0,
            cancels=1,
        ),
    ),
    "a cancel between attempts": (
        Run(LATER, Unknown(LOST), Cancel()),
        machine(
            LATER,
            1,
            None,
            None,
            None,
            Ended(Failed(Cancelled(), False, "a", "x", False)),
            None,
            None,
            cancels=1,
            doubts=(("a", 0), None),
        ),
    ),
    "a cancel before the second attempt of a step with settle": (
        Run(SETTLED, Unknown(LOST), Cancel()),
        machine(
            SETTLED,
            0,
            "x",
            None,
            cell(0, "x", SETTLE, 0, True, None),
            Compensating(Failed(Cancelled(), False, "a", "x", False), 1, 0, False),
            ask,
            3.0,
            cancels=1,
        ),
    ),
    "two cancels in flight": (
        Run(A, Cancel(in_flight=True), Cancel(in_flight=True)),
        machine(A, 0, "x", None, None, Executing(1, 0, False), pass_on, Soft(5.0), cancels=2),
    ),
    "a success after a cancel in flight": (
        Run(A >> B, Cancel(in_flight=True), Success(1)),
        machine(
            A >> B,
            0,
            1,
            None,
            OWED_A,
            Compensating(Failed(Cancelled(), False, None, 1, False), 1, 1, False),
            undo,
            3.0,
            cancels=1,
        ),
    ),
    "a failure after a cancel in flight": (
        Run(AGAIN, Cancel(in_flight=True), Failure("no")),
        machine(
            AGAIN, 1, None, None, None, Ended(Failed("no", True, "a", "x")), None, None, cancels=1
        ),
    ),
    "a failure after two cancels in flight": (
        Run(AGAIN, Cancel(in_flight=True), Cancel(in_flight=True), Failure("no")),
        machine(
            AGAIN,
            1,
            None,
            None,
            None,
            Ended(Failed(Cancelled(), False, "a", "x", False)),
            None,
            None,
            cancels=2,
        ),
    ),
    "an attempt that is interrupted": (
        Run(AGAIN, Unknown(Cancelled())),
        machine(
            AGAIN,
            1,
            None,
            None,
            None,
            Ended(Failed(Cancelled(), False, "a", "x", False)),
            None,
            None,
            doubts=(("a", 0), None),
        ),
    ),
    "a compensation": (
        Run(A >> B, Success(1), Failure("no"), Success(None)),
        machine(A >> B, 2, None, None, None, Ended(NO), None, None),
    ),
    "a late compensation": (
        Run(A >> B, Success(1), Failure("no"), Late(None)),
        machine(A >> B, 2, None, None, None, Ended(NO), None, None),
    ),
    "a failed compensation": (
        Run(A >> B, Success(1), Failure("no"), Failure("stuck")),
        machine(
            A >> B,
            2,
            None,
            None,
            None,
            Ended(DIRTY),
            None,
            None,
            failures=(CompensationFailed("a", "stuck"), None),
            owed=(cell(0, 1, COMPENSATE, 2, False, None), None),
        ),
    ),
    "a failed compensation under stop": (
        Run(A >> B, Success(1), Failure("no"), Failure("stuck"), stop=True),
        machine(
            A >> B,
            2,
            None,
            None,
            None,
            Ended(DIRTY),
            None,
            None,
            stop=True,
            halted=True,
            failures=(CompensationFailed("a", "stuck"), None),
            owed=(cell(0, 1, COMPENSATE, 2, False, None), None),
        ),
    ),
    "a failed settle": (
        Run(SETTLED, Unknown(LOST), Unknown(LOST), Failure("unknown")),
        machine(
            SETTLED,
            1,
            None,
            None,
            None,
            Ended(Failed(LOST, False, "a", "x", False)),
            None,
            None,
            failures=(CompensationFailed("a", "unknown"), None),
            owed=(cell(0, "x", SETTLE, 1, True, None), None),
            doubts=(("a", None), None),
        ),
    ),
    "a pivot in the way": (
        Run(P >> B, Success(1), Failure("no")),
        machine(
            P >> B,
            2,
            None,
            None,
            cell(0, None, None, 0, False, None),
            Ended(DIRTY),
            None,
            None,
            halted=True,
            failures=(Irreversible("p"), None),
        ),
    ),
    "a compensation without an answer": (
        Run(A >> B, Success(1), Failure("no"), Unknown(LOST)),
        machine(
            A >> B,
            2,
            None,
            None,
            None,
            Ended(DIRTY),
            None,
            None,
            failures=(CompensationFailed("a", LOST), None),
            owed=(OWED_A, None),
        ),
    ),
    "an interrupted compensation": (
        Run(A >> B, Success(1), Failure("no"), Unknown(Cancelled())),
        machine(A >> B, 0, 1, None, OWED_A, Compensating(NO, 1, 1, True), undo, 3.0),
    ),
    "a compensation that is interrupted twice": (
        Run(A >> B, Success(1), Failure("no"), *[Unknown(Cancelled())] * 2),
        machine(
            A >> B,
            2,
            None,
            None,
            None,
            Ended(DIRTY),
            None,
            None,
            failures=(CompensationFailed("a", Cancelled()), None),
            owed=(OWED_A, None),
        ),
    ),
    "a compensation that is tried again": (
        Run(STUBBORN >> B, Success(1), Failure("no"), Unknown(Cancelled()), Failure("stuck")),
        machine(STUBBORN >> B, 0, 1, None, OWED_A, Compensating(NO, 2, 2, False), undo, 3.0),
    ),
    "a rest": (
        Run(PATIENT >> B, Success(1), Failure("no"), Failure("stuck")),
        machine(PATIENT >> B, 0, 1, None, OWED_A, Resting(NO, 1, 2), None, None),
    ),
    "the end of a rest": (
        Run(PATIENT >> B, Success(1), Failure("no"), Failure("stuck"), Woke()),
        machine(PATIENT >> B, 0, 1, None, OWED_A, Compensating(NO, 2, 2, False), undo, 3.0),
    ),
    "the end of a rest before a settle": (
        Run(PATIENT, Unknown(LOST), Unknown(LOST), Woke()),
        machine(
            PATIENT,
            0,
            "x",
            None,
            cell(0, "x", SETTLE, 0, True, None),
            Compensating(Failed(LOST, False, "a", "x"), 2, 0, False),
            ask,
            3.0,
        ),
    ),
    "a cancel in a rest": (
        Run(PATIENT >> B, Success(1), Failure("no"), Failure("stuck"), Cancel()),
        machine(PATIENT >> B, 0, 1, None, OWED_A, Resting(NO, 1, 2), None, None, cancels=1),
    ),
    "a cancel on the way back": (
        Run(A >> B, Success(1), Failure("no"), Cancel(in_flight=True)),
        machine(A >> B, 0, 1, None, OWED_A, Compensating(NO, 1, 1, False), undo, 3.0, cancels=1),
    ),
    "a cancel after the end": (
        Run(A, Success(1), Cancel()),
        machine(A, 1, 1, None, OWED_A, Ended(None), None, None, cancels=1),
    ),
}


@pytest.mark.parametrize("name", STATES)
def test_the_next_state(name: str) -> None:
    """Nothing of a state is left open: each field follows from the saga and the replies."""
    given, expected = STATES[name][0].machine(), STATES[name][1]

    assert expected == given
    assert list(map(type, expected)) == list(map(type, given))


def test_a_run_goes_on_after_a_failed_compensation_unless_told_otherwise() -> None:
    """Without a word about it, a machine does not stop at the first failed compensation."""
    assert begin(A, "x", "run").book.stop is False


def test_after_one_cancel_pure_functions_are_still_called() -> None:
    """What a call in flight has answered goes through the functions up to the next step."""
    given = Run(A.map(str), Cancel(in_flight=True), Success(1)).machine()

    assert ("1", Ended(None)) == (given.value, given.progress)


def test_after_two_cancels_pure_functions_are_not_called() -> None:
    """A second cancel may mean that a function of the saga is what hangs: none is called."""
    called: list[object] = []
    cancels = [Cancel(in_flight=True)] * 2
    given = Run(A.map(called.append), *cancels, Success(1)).machine()

    expected = Compensating(Failed(Cancelled(), False, None, 1, False), 1, 1, False)
    assert (expected, []) == (given.progress, called)


def call(direction: str, attempt: int, answers: int, reason: object = None) -> Call:
    """Give a call of the step "a" of the run."""
    key = f"run/a/{direction}/{answers}"
    return Call("run", "a", "a", direction, attempt, key, None, reason)


@pytest.mark.parametrize(
    ("given", "command"),
    [
        (Run(A), Invoke(call("execute", 1, 0), pass_on, "x", Soft(5.0))),
        (Run(LATER, Failure("busy")), Sleep("a", 1, Retry(2, wait=9.0))),
        (
            Run(A >> B, Success(1), Failure("no")),
            Invoke(call("compensate", 1, 1, "no"), undo, 1, 3.0),
        ),
        (
            Run(PATIENT >> B, Success(1), Failure("no"), Failure("stuck")),
            Sleep("a", 1, Retry(1, wait=9.0)),
        ),
        (
            Run(PATIENT, Unknown(LOST), Unknown(LOST), Woke()),
            Invoke(call("settle", 2, 0, LOST), ask, "x", 3.0),
        ),
    ],
    ids=["execute", "pause", "compensate", "rest", "settle"],
)
def test_what_is_asked_for(given: Run, command: object) -> None:
    """There is one command, with all that a driver needs to carry it out."""
    assert (command,) == decide(given.machine())


# ------------------------------------------------------------------ brackets and errors


@pytest.mark.parametrize(
    ("saga", "replies"),
    [
        (A, [Refused(BUSY)]),
        (A, [Late(1)]),
        (A, [Unknown(LOST)]),
        (A, [Cancel()]),
        (A.map(int), [Success("x")]),
        (LATER, [Failure("busy"), Cancel()]),
    ],
    ids=["refused", "late", "no answer", "cancelled", "raised", "cancelled in a pause"],
)
def test_only_errors_of_steps_are_mapped(saga: AnySaga, replies: list[Any]) -> None:
    """What the library itself gives as a reason passes `map_error` as it is."""
    mapped: list[object] = []
    progress: Any = Run(saga.map_error(mapped.append), *replies).machine().progress

    assert [] == mapped
    assert progress.failed.returned is False


def test_after_one_cancel_an_error_is_still_mapped() -> None:
    """The error of the call that a cancel found in flight is mapped as ever."""
    given = Run(A.map_error(str.upper), Cancel(in_flight=True), Failure("no"))
    progress: Any = given.machine().progress

    assert Failed("NO", True, "a", "x") == progress.failed


def test_an_error_is_mapped_by_every_guard_around_it() -> None:
    """An error meets the guards from the inside out, past every other bracket."""
    inner = A.map_error(lambda error: f"{error}, inner").keep()
    saga = inner.map_error(lambda error: f"{error}, outer")
    progress: Any = Run(saga, Failure("no")).machine().progress

    assert Failed("no, inner, outer", True, "a", "x") == progress.failed


def test_a_guard_that_is_closed_leaves_the_one_around_it() -> None:
    """An error after an inner guard meets the outer one alone."""
    inner = A.map_error(lambda error: f"{error}, inner")
    saga = (inner >> B).map_error(lambda error: f"{error}, outer")
    progress: Any = Run(saga, Success(1), Failure("no")).machine().progress

    assert Failed("no, outer", True, "b", 1) == progress.failed


def test_an_error_that_the_saga_itself_gives_is_mapped() -> None:
    """`fail` counts as returned: its error meets the guards, and the value then is the context."""
    progress: Any = Run(fail("no").map_error(str.upper)).machine().progress

    assert Failed("NO", True, None, "x") == progress.failed
    assert progress.failed.returned is True


def boom(reason: object) -> Any:
    """Raise instead of deciding or mapping."""
    raise ZeroDivisionError(reason)


@pytest.mark.parametrize(
    ("saga", "circumstance"),
    [
        (
            Step(pass_on, name="a", retries=Retry(1, only=boom)),
            "while it was decided whether to retry after 'no'",
        ),
        (Step(pass_on, name="a").map_error(boom), "while the error 'no' was mapped"),
    ],
    ids=["a predicate", "a mapping"],
)
def test_what_is_raised_over_an_error_is_the_reason(saga: AnySaga, circumstance: str) -> None:
    """The exception becomes the reason, live and with its classes; the error is in its message."""
    progress: Any = Run(saga, Failure("no")).machine().progress
    reason = progress.failed.reason

    assert Raised("ZeroDivisionError", f"no ({circumstance})") == reason
    assert progress.failed.returned is False
    assert isinstance(reason.exception, ZeroDivisionError)
    assert reason.is_a(ArithmeticError)


# ------------------------------------------------------------------ an unwinding in the middle


def residual_of(world: World, answers: list[Any], retries: int = 0) -> AnySaga:
    """Give what a run owes whose step "r" is made up for with ``answers``, of which some failed."""

    def undo_r(_: object) -> Any:
        return answers.pop(0)

    owing = world.step("r", undo=undo_r, compensation_retries=retries)
    fatal: Any = run(owing >> Step(refuse, name="no"), "x")
    world.calls.clear()
    residual: AnySaga = fatal.residual
    return residual


@pytest.mark.parametrize("retries", [0, 1], ids=["once", "after a retry"])
def test_an_unwinding_in_the_middle_ends_where_it_began(retries: int) -> None:
    """A residual calls what it owes, and leaves alone what the saga around it has completed."""
    world = World()
    jammed = [Failure("jammed")] * (1 + 2 * retries)
    residual = residual_of(world, [*jammed, Success(None)], retries)
    outcome: Any = run(world.step("a") >> residual >> world.step("b"), "x")

    assert ["a", *["undo r"] * (1 + retries), "b"] == world.names
    assert "None+b" == outcome.unwrap()


def test_after_an_unwinding_in_the_middle_the_rest_is_still_owed() -> None:
    """A failure after a residual is compensated to the beginning of the saga."""
    world = World()
    residual = residual_of(world, [Failure("jammed"), Success(None)])
    outcome = run(world.step("a") >> residual >> Step(refuse, name="no"), "x")

    assert Compensated(None, "no") == outcome
    assert ["a", "undo r", "undo a"] == world.names


def test_an_unwinding_in_a_bracket_leaves_it_open() -> None:
    """What encloses a residual encloses what follows it too."""
    world = World()
    residual = residual_of(world, [Failure("jammed"), Success(None)])
    outcome = run(world.step("a") >> residual.map(lambda _: "done").keep(), "x")

    assert Ok(("x+a", "done")) == outcome


def test_an_unwinding_begins_with_the_reason_for_which_it_is_owed() -> None:
    """The first call of a residual is told why the first run failed, which no step returned now."""
    residual = residual_of(World(), [Failure("jammed")])
    progress: Any = Run(residual).machine().progress

    assert Failed("x+r", False, None, None) == progress.failed
    assert (1, 2, False) == progress[1:4]


def test_an_unwinding_that_fails_in_the_middle_fails_the_saga() -> None:
    """A residual that owes something still fails its saga, for that reason, and past all guards."""
    world, mapped = World(), list[object]()
    residual = residual_of(world, [Failure("jammed"), Failure("stuck")])
    outcome: Any = run((world.step("a") >> residual).map_error(mapped.append), "x")

    reason = Raised("CompensationFailed", "the compensation of 'r' failed: 'stuck'")
    alone: Any = Run(residual, Failure("stuck")).machine().progress
    assert Failed(reason, False, "r", None) == alone.failed
    assert Fatal(reason, (CompensationFailed("r", "stuck"),), "r") == outcome
    assert ["a", "undo r", "undo a"] == world.names
    assert [] == mapped
