"""What follows a reply in one strand of a run, on the way there and on the way back.

``TRANSITIONS`` is the whole table: what may be answered in which state of progress, and what
follows. ``MOVES`` are the transitions that wait for no reply.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, TypeAlias, cast

from returns.result import Failure, Success

from sagalib.core.forward import CANCELLED, fail, go_on, stopping
from sagalib.core.messages import (
    Cancel,
    Direction,
    Expired,
    Late,
    Refused,
    Reply,
    Unknown,
    Woke,
)
from sagalib.core.outcomes import Cancelled, CompensationFailed, Irreversible, Raised, TimedOut
from sagalib.core.policy import Soft
from sagalib.core.scopes import HANDLERS, again, allows, beside
from sagalib.core.state import (
    Backing,
    Book,
    Bound,
    Branch,
    Cell,
    Compensating,
    Ended,
    Executing,
    Failed,
    Failing,
    Going,
    Guarded,
    Link,
    Machine,
    Pausing,
    Progress,
    Resting,
    Saved,
    Scoped,
    direction_of,
    oldest_first,
    path_at,
    path_of,
    step_at,
    step_of,
)
from sagalib.core.steps import AnyStep

__all__ = ["MOVES", "TRANSITIONS", "Transition", "moved", "stop"]

# NamedTuple's own constructor costs as much as a whole transition.
_new: Callable[..., Any] = tuple[Any, ...].__new__
_NOWHERE: Final[Any] = None
_BRACKETS: Final = frozenset({Saved, Guarded, Bound})
# Read once: to look up a member of an Enum costs as much as to build a cell, in CPython 3.11.
_COMPENSATE: Final = Direction.COMPENSATE
_SETTLE: Final = Direction.SETTLE


def moved(machine: Machine) -> Machine:
    """Make the moves that wait for no reply."""
    while (move := MOVES.get(type(machine.progress))) is not None:
        machine = move(machine)
    return machine


def _go(machine: Machine) -> Machine:
    book, pc, value, frames, cells, _, _, _, place = machine
    return go_on(book, place, pc, value, frames, cells)


def _succeeded(machine: Machine, reply: Any) -> Machine:
    book, pc, _, frames, cells, progress, _, _, place = machine
    step, tried, value = (
        cast("AnyStep", place.program[pc]),
        cast("Executing", progress),
        reply.unwrap(),
    )
    if place.counts:
        book = _answered_ok(book, machine, tried.answers)
    if step.compensate is not None:
        owed: Cell = _new(
            Cell, (pc, value, _COMPENSATE, tried.answers + 1, False, cells, place, book.turn)
        )
        cells = owed
    elif step.pivot:
        cells = Cell(pc, None, None, 0, False, cells, place, book.turn)
    return go_on(book, place, pc + 1, value, frames, cells)


def _heard(book: Book, machine: Machine, answers: int) -> Book:
    """Note how many definite answers a path has, which may come again."""
    return book._replace(heard=((path_of(machine), answers), book.heard))


def _answered_ok(book: Book, machine: Machine, before: int) -> Book:
    """Note a success; a call that it repeats, with the same key, is in doubt no longer."""
    book = _heard(book, machine, before + 1)
    known = (path_of(machine), before)
    doubts: Link = None
    for doubt in oldest_first(book.doubts):
        doubts = doubts if doubt == known else (doubt, doubts)
    return book._replace(doubts=doubts)


def _came_late(machine: Machine, reply: Any) -> Machine:
    step = step_of(machine)
    done = Success(reply.value)
    if step.compensate is None:
        return _succeeded(machine, done)
    # It has completed and failed at once: its own compensation is the first to run.
    answers, book = _tries(machine).answers, machine.book
    if machine.place.counts:
        book = _answered_ok(book, machine, answers)
    cells = Cell(
        machine.pc,
        reply.value,
        _COMPENSATE,
        answers + 1,
        False,
        machine.cells,
        machine.place,
        book.turn,
    )
    limit = step.timeout.seconds if isinstance(step.timeout, Soft) else step.timeout
    failed = Failed(TimedOut(limit or 0.0), False, path_of(machine), machine.value)
    return fail(book, failed, machine.frames, cells)


def _returned_failure(machine: Machine, reply: Any) -> Machine:
    attempt, answers, in_doubt, _, _ = _tries(machine)
    tried = Executing(attempt, answers + 1, in_doubt, not in_doubt)
    return _attempt_failed(machine, reply.failure(), True, tried)


def _no_definite_answer(machine: Machine, reply: Any) -> Machine:
    return _attempt_failed(machine, reply.reason, False, _tries(machine)._replace(in_doubt=True))


def _was_refused(machine: Machine, reply: Any) -> Machine:
    return _attempt_failed(machine, reply.reason, False, _tries(machine))


def _tries(machine: Machine) -> Executing:
    """Give what is known of the attempts so far; none goes on."""
    attempt, answers, in_doubt, same_key, *_ = cast("Executing | Pausing", machine.progress)
    return Executing(attempt, answers, in_doubt, same_key)


def _attempt_failed(machine: Machine, reason: object, returned: bool, tried: Executing) -> Machine:
    policy, stop = step_of(machine).retries, stopping(machine.book, machine.place)
    is_cut = not returned and isinstance(reason, Cancelled)
    if stop is None and not is_cut:
        answer = allows(policy, tried.attempt, reason)
        if answer is True:
            if policy.wait:
                paused = Pausing(*tried[:-1])
                return machine._replace(progress=paused, function=None, timeout=None)
            return _next_attempt(machine, tried)
        if isinstance(answer, Raised):
            reason, returned = answer, False
    failed = Failed(reason, returned, None, None, not is_cut)
    if stop is not None:  # no scope inside of a deadline that has passed goes on either
        stopped = is_cut and stop.stopped
        catchable = stopped or not is_cut
        failed = failed._replace(due=stop.due, stopped=stopped, catchable=catchable)
    return _step_failed(machine, failed, tried)


def _next_attempt(machine: Machine, tried: Executing | Pausing) -> Machine:
    step = step_of(machine)
    progress = Executing(tried.attempt + 1, tried.answers, tried.in_doubt, tried.same_key)
    return machine._replace(progress=progress, function=step.execute, timeout=step.timeout)


def _step_failed(machine: Machine, failed: Failed, tried: Executing) -> Machine:
    book, cells, step, path = machine.book, machine.cells, step_of(machine), path_of(machine)
    if machine.place.counts:
        book = _heard(book, machine, tried.answers)
    if step.settle is not None and (tried.in_doubt or step.settle_on == "failure"):
        cells = Cell(
            machine.pc,
            machine.value,
            _SETTLE,
            tried.answers,
            tried.in_doubt,
            cells,
            machine.place,
            book.turn,
        )
    elif tried.in_doubt:
        key = tried.answers if tried.same_key else None
        book = book._replace(doubts=((path, key), book.doubts))
    return fail(book, failed._replace(step=path, context=machine.value), machine.frames, cells)


def _woke(machine: Machine, _: Reply) -> Machine:
    progress: Any = machine.progress
    return stop(machine) or _next_attempt(machine, progress)


def _begin_again(machine: Machine, _: Reply) -> Machine:
    frame = cast("Scoped", machine.frames)
    return again(machine.book, frame, machine.cells)


def _cancelled(machine: Machine, reply: Any) -> Machine:
    machine = _noted(machine, reply)
    return machine if reply.in_flight else stop(machine) or machine


def _expired(machine: Machine, reply: Any) -> Machine:
    book = machine.book
    machine = machine._replace(book=book._replace(expired=book.expired | {reply.number}))
    return machine if reply.in_flight else stop(machine) or machine


def stop(machine: Machine) -> Machine | None:
    """Stop on the way forward, if no step may be called here any more; nothing is in flight."""
    progress = machine.progress
    if isinstance(progress, Backing):
        frame = cast("Scoped", machine.frames)
        failed = stopping(machine.book, frame.place)
        if failed is None:
            return None
        return fail(machine.book, failed._replace(context=frame.value), frame, machine.cells)
    if isinstance(progress, (Compensating, Resting)) and machine.book.halted:
        return _unwind(machine.book, _scope(machine), machine.cells, progress.failed)
    if not isinstance(progress, (Executing, Pausing)):
        return None
    failed = stopping(machine.book, machine.place)
    if failed is None:
        return None
    tried = _tries(machine)
    if tried.attempt == 1 and isinstance(progress, Executing):
        failed = failed._replace(context=machine.value)
        return fail(machine.book, failed, machine.frames, machine.cells)
    return _step_failed(machine, failed, tried)


# -- going back ------------------------------------------------------------------------------------


def _go_back(machine: Machine) -> Machine:
    """Leave the brackets up to the next scope, and ask for what is owed in it."""
    book, _, _, frames, cells, progress, _, _, _ = machine
    failed = cast("Failing", progress).failed
    if book.cancels > 1 and failed.returned:
        # As in go_on: after a second cancel no pure function is called; the error itself stays in
        # the log.
        failed = Failed(CANCELLED, False, failed.step, failed.context, False)
    while type(frames) in _BRACKETS:
        if isinstance(frames, Guarded):
            failed = _mapped(failed, frames.function)
        frames = cast("Any", frames).below
    if type(frames) is Branch:  # what its branch owes is for the strand that has forked
        return Machine(book, 0, None, frames, cells, Ended(failed), None, None, _NOWHERE)
    return _unwind(book, cast("Scoped | None", frames), cells, failed)


def _mapped(failed: Failed, function: Callable[[Any], object]) -> Failed:
    """Map the errors that were returned."""
    if failed.returned:
        try:
            failed = failed._replace(reason=function(failed.reason))
        except Exception as error:
            raised = beside(error, f"while the error {failed.reason!r} was mapped")
            failed = failed._replace(reason=raised, returned=False)
    if failed.others:
        others: list[tuple[object, bool]] = []
        for reason, returned in failed.others:
            one = _mapped(Failed(reason, returned, None, None), function)
            others.append((one.reason, one.returned))
        failed = failed._replace(others=tuple(others))
    return failed


def _unwind(book: Book, scope: Scoped | None, cells: Cell | None, failed: Failed) -> Machine:
    """Ask for the next compensation that is owed in the scope."""
    floor = None if scope is None else scope.floor
    if cells is floor or cells is None or book.halted:
        return _unwound(book, scope, cells, failed)
    pc, value, direction, answers, _, _, place, _ = cells
    if direction is None:
        sealed = Irreversible(path_at(place, pc))
        book = book._replace(failures=(sealed, book.failures), halted=True)
        return _unwound(book, scope, cells, failed._replace(catchable=False))
    step = step_at(place, pc)
    function = step.compensate if direction is _COMPENSATE else step.settle
    progress: Compensating = _new(Compensating, (failed, 1, answers, False, False))
    asking: Machine = _new(
        Machine,
        (book, pc, value, scope, cells, progress, function, step.compensation_timeout, place),
    )
    return asking


def _unwound(book: Book, scope: Scoped | None, cells: Cell | None, failed: Failed) -> Machine:
    """End the run, or do what the scope does about a failure."""
    if scope is None:
        end = len(book.saga.instructions)
        return Machine(book, end, None, None, cells, Ended(failed), None, None, _NOWHERE)
    return HANDLERS[type(scope.scope)](book, scope, cells, failed)


def _made_up_for(machine: Machine, _: Reply) -> Machine:
    progress: Any = machine.progress
    book = machine.book
    if machine.place.counts:
        book = _heard(book, machine, progress.answers + 1)
    below = machine.cells.below if machine.cells is not None else None
    return _unwind(book, _scope(machine), below, progress.failed)


def _scope(machine: Machine) -> Scoped | None:
    return cast("Scoped | None", machine.frames)  # an unwinding has left every other bracket


def _compensation_returned_failure(machine: Machine, reply: Any) -> Machine:
    progress: Any = machine.progress
    return _compensation_failed(machine, reply.failure(), progress.answers + 1)


def _compensation_has_no_answer(machine: Machine, reply: Any) -> Machine:
    progress: Any = machine.progress
    if isinstance(reply.reason, Cancelled):
        if progress.interrupted:
            return _gave_up(machine, reply.reason, progress.answers)
        # The same call again, with the same key: an interrupted compensation is not a failed one.
        return machine._replace(progress=progress._replace(interrupted=True, begun=False))
    return _compensation_failed(machine, reply.reason, progress.answers)


def _compensation_failed(machine: Machine, reason: object, answers: int) -> Machine:
    progress: Any = machine.progress
    policy = step_of(machine).compensation_retries
    answer = allows(policy, progress.attempt, reason)
    if answer is not True:
        return _gave_up(machine, answer or reason, answers)
    rested = Resting(progress.failed, progress.attempt, answers)
    if policy.wait:
        return machine._replace(progress=rested, function=None, timeout=None)
    return _call_again(machine._replace(progress=rested), reason)


def _call_again(machine: Machine, _: object) -> Machine:
    rested: Any = machine.progress
    step = step_of(machine)
    progress = Compensating(rested.failed, rested.attempt + 1, rested.answers, False)
    settles = direction_of(machine) is _SETTLE
    return machine._replace(
        progress=progress,
        function=step.settle if settles else step.compensate,
        timeout=step.compensation_timeout,
    )


def _gave_up(machine: Machine, reason: Any, answers: int) -> Machine:
    progress: Any = machine.progress
    book, cell, path = machine.book, machine.cells, path_of(machine)
    in_doubt = cell is not None and cell.in_doubt
    doubts = ((path, None), book.doubts) if in_doubt else book.doubts
    owed = cell._replace(answers=answers) if cell is not None else None
    if machine.place.counts:
        book = _heard(book, machine, answers)
    book = book._replace(
        failures=(CompensationFailed(path, reason), book.failures),
        owed=(owed, book.owed),
        doubts=doubts,
        halted=book.stop,
    )
    below = cell.below if cell is not None else None
    return _unwind(book, _scope(machine), below, progress.failed._replace(catchable=False))


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
        Expired: _expired,
    },
    Pausing: {Woke: _woke, Cancel: _cancelled, Expired: _expired},
    Backing: {Woke: _begin_again, Cancel: _cancelled, Expired: _expired},
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

MOVES: Final[Mapping[type[Progress], Callable[[Machine], Machine]]] = {
    Going: _go,
    Failing: _go_back,
}
"""State of progress -> what follows without a reply."""
