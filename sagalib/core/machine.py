"""The pure interpreter: the one file that decides what happens next.

The machine is an immutable value, and a Moore machine: what it asks is a part of its state
(``function``, ``value``, ``timeout``), and ``evolve(machine, reply)`` gives the next state. It
reads no clock and throws no dice. A live run, a replay, a resume and a simulation go through the
same ``evolve``; so a test can fork a machine at every decision.

``TRANSITIONS`` is the whole table: what may be answered in which state of progress, and what
follows.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, TypeAlias, assert_never, cast

from returns.result import Failure, Success

from sagalib.core.errors import IllegalReply
from sagalib.core.instructions import (
    Arrow,
    Fail,
    Guard,
    Keep,
    Merge,
    Owed,
    Promise,
    Unguard,
    Unwind,
)
from sagalib.core.messages import (
    Cancel,
    Command,
    Direction,
    Invoke,
    Late,
    Refused,
    Reply,
    Sleep,
    Unknown,
    Woke,
    read,
)
from sagalib.core.outcomes import Cancelled, CompensationFailed, Irreversible, Raised, TimedOut
from sagalib.core.policy import Retry, Soft
from sagalib.core.state import (
    AnySaga,
    Book,
    Cell,
    Compensating,
    Ended,
    Executing,
    Failed,
    Guarded,
    Machine,
    Pausing,
    Progress,
    Resting,
    Returning,
    Saved,
    call_of,
    direction_of,
    path_at,
    path_of,
    step_at,
    step_of,
)
from sagalib.core.steps import AnyStep, AsyncStep, Step

__all__ = ["CANCELLED", "TRANSITIONS", "begin", "decide", "evolve", "understand"]

# NamedTuple's own constructor costs as much as a whole transition.
_new: Callable[..., Any] = tuple[Any, ...].__new__
CANCELLED: Final = Cancelled()
_FIRST: Final = Executing(1, 0, in_doubt=False)
_THROUGH: Final = Ended(None)
# Read once: to look up a member of an Enum costs as much as to build a cell, in CPython 3.11.
_EXECUTE: Final = Direction.EXECUTE
_COMPENSATE: Final = Direction.COMPENSATE
_SETTLE: Final = Direction.SETTLE


# -- what a driver calls ---------------------------------------------------------------------------


def begin(saga: AnySaga, value: object, run_id: str, *, stop: bool = False) -> Machine:
    """Give the machine that is about to make the first call of ``saga`` on ``value``.

    Args:
        saga: what to run.
        value: its input.
        run_id: the id of the run, a part of every idempotency key.
        stop: whether the first failed compensation ends the unwinding.
    """
    book: Book = _new(
        Book, (saga, saga.instructions, run_id, value, stop, 0, False, None, None, None)
    )
    return _go_on(book, 0, value, None, None)


def evolve(machine: Machine, reply: Reply) -> Machine:
    """Give the machine after ``reply``; pure functions of the saga are called here.

    Raises:
        IllegalReply: ``reply`` answers something that the machine did not ask.
    """
    try:
        transition = TRANSITIONS[type(machine.progress)][type(reply)]
    except KeyError:
        progress = type(machine.progress)
        expected = ", ".join(kind.__name__ for kind in TRANSITIONS[progress])
        msg = (
            f"a machine that is {progress.__name__} takes one of {expected}; "
            f"got {type(reply).__name__}. Ask decide(machine) first"
        )
        raise IllegalReply(msg) from None
    return transition(machine, reply)


def decide(machine: Machine) -> tuple[Command, ...]:
    """Give the commands to carry out now; none if the run has ended."""
    if machine.function is not None:
        call = call_of(machine, None)
        return (Invoke(call, machine.function, machine.value, machine.timeout),)
    match machine.progress:
        case Pausing(attempt=attempt):
            return (Sleep(path_of(machine), attempt, step_of(machine).retries),)
        case Resting(attempt=attempt):
            return (Sleep(path_of(machine), attempt, step_of(machine).compensation_retries),)
        case _:
            return ()


def understand(machine: Machine, returned: object) -> Reply:
    """Read what the function that was asked for has returned.

    A ``Result``, or a mistake, which leaves the call in doubt.
    """
    return read(step_of(machine).name, direction_of(machine), returned)


# -- going forward ---------------------------------------------------------------------------------


def _go_on(book: Book, pc: int, value: object, frames: Any, cells: Cell | None) -> Machine:
    """Follow the program to the next step, or to the end."""
    program = book.program
    while pc < len(program):
        instruction = program[pc]
        if book.cancels and (instruction.is_step or book.cancels > 1):
            return _fail(book, Failed(CANCELLED, False, None, value), frames, cells)
        try:
            match instruction:
                case Step() | AsyncStep():
                    asking: Machine = _new(
                        Machine,
                        (
                            book,
                            pc,
                            value,
                            frames,
                            cells,
                            _FIRST,
                            instruction.execute,
                            instruction.timeout,
                        ),
                    )
                    return asking
                case Arrow(function):
                    value = function(value)
                case Keep():
                    frames = Saved(value, frames)
                case Merge(combine):
                    value, frames = combine(frames.value, value), frames.below
                case Guard(function):
                    frames = Guarded(function, frames)
                case Unguard():
                    frames = frames.below
                case Promise():
                    cells = Cell(pc, value, _COMPENSATE, 0, False, cells)
                case Owed():
                    owed = instruction
                    cells = Cell(pc, owed.value, owed.direction, owed.answers, owed.in_doubt, cells)
                case Fail(error):
                    return _fail(book, Failed(error, True, None, value), frames, cells)
                case Unwind(count, reason):
                    returning = Returning(pc + 1, book.failures, frames)
                    return _unwind(
                        book,
                        returning,
                        cells,
                        Failed(reason, False, None, None),
                        _below(cells, count),
                    )
                case _:
                    assert_never(instruction)
        except Exception as error:
            return _fail(book, Failed(Raised.of(error), False, None, value), frames, cells)
        pc += 1
    return Machine(book, pc, value, frames, cells, _THROUGH, None, None)


def _below(cells: Cell | None, count: int) -> Cell | None:
    for _ in range(count):
        cells = cells.below if cells is not None else None
    return cells


def _succeeded(machine: Machine, reply: Any) -> Machine:
    book, pc, _, frames, cells, progress, _, _ = machine
    step, tried, value = (
        cast("AnyStep", book.program[pc]),
        cast("Executing", progress),
        reply.unwrap(),
    )
    if step.compensate is not None:
        owed: Cell = _new(Cell, (pc, value, _COMPENSATE, tried.answers + 1, False, cells))
        cells = owed
    elif step.pivot:
        cells = Cell(pc, None, None, 0, False, cells)
    return _go_on(book, pc + 1, value, frames, cells)


def _came_late(machine: Machine, reply: Any) -> Machine:
    step = step_of(machine)
    done = Success(reply.value)
    if step.compensate is None:
        return _succeeded(machine, done)
    # It has completed and failed at once: its own compensation is the first to run.
    _, answers, _ = _tries(machine)
    cells = Cell(machine.pc, reply.value, _COMPENSATE, answers + 1, False, machine.cells)
    limit = step.timeout.seconds if isinstance(step.timeout, Soft) else step.timeout
    failed = Failed(TimedOut(limit or 0.0), False, path_of(machine), machine.value)
    return _fail(machine.book, failed, machine.frames, cells)


def _returned_failure(machine: Machine, reply: Any) -> Machine:
    attempt, answers, in_doubt = _tries(machine)
    return _attempt_failed(
        machine, reply.failure(), True, Executing(attempt, answers + 1, in_doubt)
    )


def _no_definite_answer(machine: Machine, reply: Any) -> Machine:
    attempt, answers, _ = _tries(machine)
    return _attempt_failed(machine, reply.reason, False, Executing(attempt, answers, True))


def _was_refused(machine: Machine, reply: Any) -> Machine:
    return _attempt_failed(machine, reply.reason, False, Executing(*_tries(machine)))


def _tries(machine: Machine) -> tuple[int, int, bool]:
    progress = cast("Executing | Pausing", machine.progress)
    return progress.attempt, progress.answers, progress.in_doubt


def _attempt_failed(machine: Machine, reason: object, returned: bool, tried: Executing) -> Machine:
    policy = step_of(machine).retries
    if not machine.book.cancels and (returned or not isinstance(reason, Cancelled)):
        again = _allows(policy, tried.attempt, reason)
        if again is True:
            if policy.wait:
                return machine._replace(progress=Pausing(*tried), function=None, timeout=None)
            return _next_attempt(machine, tried)
        if isinstance(again, Raised):
            reason, returned = again, False
    return _step_failed(machine, reason, returned, tried)


def _next_attempt(machine: Machine, tried: Executing | Pausing) -> Machine:
    step = step_of(machine)
    progress = Executing(tried.attempt + 1, tried.answers, tried.in_doubt)
    return machine._replace(progress=progress, function=step.execute, timeout=step.timeout)


def _allows(policy: Retry, attempt: int, reason: object) -> bool | Raised:
    """Ask the policy.

    A predicate that raises says no, and its exception becomes the reason, with the first one in its
    message.
    """
    try:
        return policy.allows(attempt, reason)
    except Exception as error:
        return _beside(error, f"while it was decided whether to retry after {reason!r}")


def _beside(error: Exception, circumstance: str) -> Raised:
    raised = Raised.of(error)
    return Raised(
        raised.kind, f"{raised.message} ({circumstance})", exception=error, bases=raised.bases
    )


def _step_failed(machine: Machine, reason: object, returned: bool, tried: Executing) -> Machine:
    book, cells, step, path = machine.book, machine.cells, step_of(machine), path_of(machine)
    if step.settle is not None and (tried.in_doubt or step.settle_on == "failure"):
        cells = Cell(machine.pc, machine.value, _SETTLE, tried.answers, tried.in_doubt, cells)
    elif tried.in_doubt:
        book = book._replace(doubts=(path, book.doubts))
    return _fail(book, Failed(reason, returned, path, machine.value), machine.frames, cells)


def _woke(machine: Machine, _: Reply) -> Machine:
    progress: Any = machine.progress
    return _next_attempt(machine, progress)


def _cancelled(machine: Machine, reply: Any) -> Machine:
    machine = _noted(machine, reply)
    if reply.in_flight:
        return machine
    attempt, answers, in_doubt = _tries(machine)
    if attempt == 1 and isinstance(machine.progress, Executing):
        return _fail(
            machine.book,
            Failed(CANCELLED, False, None, machine.value),
            machine.frames,
            machine.cells,
        )
    return _step_failed(machine, CANCELLED, False, Executing(attempt, answers, in_doubt))


# -- going back ------------------------------------------------------------------------------------


def _fail(book: Book, failed: Failed, frames: Any, cells: Cell | None) -> Machine:
    """Leave all brackets, mapping a returned error on the way, and turn back."""
    if book.cancels > 1 and failed.returned:
        # As in _go_on: after a second cancel no pure function is called; the error itself stays in
        # the log.
        failed = failed._replace(reason=CANCELLED, returned=False)
    while frames is not None:
        if failed.returned and isinstance(frames, Guarded):
            try:
                failed = failed._replace(reason=frames.function(failed.reason))
            except Exception as error:
                raised = _beside(error, f"while the error {failed.reason!r} was mapped")
                failed = failed._replace(reason=raised, returned=False)
        frames = frames.below
    return _unwind(book, None, cells, failed, None)


def _unwind(
    book: Book, frames: Returning | None, cells: Cell | None, failed: Failed, floor: Cell | None
) -> Machine:
    """Ask for the next compensation, down to ``floor``."""
    if cells is floor or cells is None or book.halted:
        return _unwound(book, frames, cells, failed)
    if cells.direction is None:
        sealed = Irreversible(path_at(book, cells.pc))
        book = book._replace(failures=(sealed, book.failures), halted=True)
        return _unwound(book, frames, cells, failed)
    step = step_at(book, cells.pc)
    function = step.compensate if cells.direction is _COMPENSATE else step.settle
    progress: Compensating = _new(Compensating, (failed, floor, 1, cells.answers, False))
    asking: Machine = _new(
        Machine,
        (book, cells.pc, cells.value, frames, cells, progress, function, step.compensation_timeout),
    )
    return asking


def _unwound(book: Book, frames: Returning | None, cells: Cell | None, failed: Failed) -> Machine:
    """End the run, or go on after an ``Unwind`` that left nothing owed."""
    if frames is None:
        return Machine(book, len(book.program), None, None, cells, Ended(failed), None, None)
    if book.failures is frames.failures:
        return _go_on(book, frames.pc, None, frames.below, cells)
    newest: CompensationFailed[Any] | Irreversible = (
        book.failures[0] if book.failures else Irreversible("")
    )
    again = Failed(_still_owed(newest), False, newest.step, None)
    return _fail(book, again, frames.below, cells)


def _still_owed(newest: CompensationFailed[Any] | Irreversible) -> Raised:
    if isinstance(newest, Irreversible):
        return Raised(
            "Irreversible",
            f"the pivot {newest.step!r} has completed: nothing at or before it is compensated",
        )
    return Raised(
        "CompensationFailed", f"the compensation of {newest.step!r} failed: {newest.reason!r}"
    )


def _made_up_for(machine: Machine, _: Reply) -> Machine:
    progress: Any = machine.progress
    below = machine.cells.below if machine.cells is not None else None
    return _unwind(machine.book, _returning(machine), below, progress.failed, progress.floor)


def _returning(machine: Machine) -> Returning | None:
    return cast("Returning | None", machine.frames)  # an unwinding has left every other bracket


def _compensation_returned_failure(machine: Machine, reply: Any) -> Machine:
    progress: Any = machine.progress
    return _compensation_failed(machine, reply.failure(), progress.answers + 1)


def _compensation_has_no_answer(machine: Machine, reply: Any) -> Machine:
    progress: Any = machine.progress
    if isinstance(reply.reason, Cancelled):
        if progress.interrupted:
            return _gave_up(machine, reply.reason, progress.answers)
        # The same call again, with the same key: an interrupted compensation is not a failed one.
        return machine._replace(progress=progress._replace(interrupted=True))
    return _compensation_failed(machine, reply.reason, progress.answers)


def _compensation_failed(machine: Machine, reason: object, answers: int) -> Machine:
    progress: Any = machine.progress
    policy = step_of(machine).compensation_retries
    again = _allows(policy, progress.attempt, reason)
    if again is not True:
        return _gave_up(machine, again or reason, answers)
    rested = Resting(progress.failed, progress.floor, progress.attempt, answers)
    if policy.wait:
        return machine._replace(progress=rested, function=None, timeout=None)
    return _call_again(machine._replace(progress=rested), reason)


def _call_again(machine: Machine, _: object) -> Machine:
    rested: Any = machine.progress
    step = step_of(machine)
    progress = Compensating(rested.failed, rested.floor, rested.attempt + 1, rested.answers, False)
    settles = direction_of(machine) is _SETTLE
    return machine._replace(
        progress=progress,
        function=step.settle if settles else step.compensate,
        timeout=step.compensation_timeout,
    )


def _gave_up(machine: Machine, reason: Any, answers: int) -> Machine:
    progress: Any = machine.progress
    book, cell, path = machine.book, machine.cells, path_of(machine)
    doubts = (path, book.doubts) if cell is not None and cell.in_doubt else book.doubts
    owed = cell._replace(answers=answers) if cell is not None else None
    book = book._replace(
        failures=(CompensationFailed(path, reason), book.failures),
        owed=(owed, book.owed),
        doubts=doubts,
        halted=book.stop,
    )
    below = cell.below if cell is not None else None
    return _unwind(book, _returning(machine), below, progress.failed, progress.floor)


def _noted(machine: Machine, _: Reply) -> Machine:
    book = machine.book
    return machine._replace(book=book._replace(cancels=book.cancels + 1))


# -- the table -------------------------------------------------------------------------------------

Transition: TypeAlias = Callable[[Machine, Any], Machine]

TRANSITIONS: Final[Mapping[type[Progress], Mapping[type, Transition]]] = {
    Executing: {
        Success: _succeeded,
        Late: _came_late,
        Failure: _returned_failure,
        Unknown: _no_definite_answer,
        Refused: _was_refused,
        Cancel: _cancelled,
    },
    Pausing: {Woke: _woke, Cancel: _cancelled},
    Compensating: {
        Success: _made_up_for,
        Late: _made_up_for,
        Failure: _compensation_returned_failure,
        Unknown: _compensation_has_no_answer,
        Refused: _compensation_has_no_answer,
        Cancel: _noted,
    },
    Resting: {Woke: _call_again, Cancel: _noted},
    Ended: {Cancel: _noted},
}
"""State of progress -> kind of reply -> what follows.

The state diagram in the documentation is made from it.
"""
