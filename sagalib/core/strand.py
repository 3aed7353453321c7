"""One strand of a run: what follows a reply, on the way forward and on the way back.

``TRANSITIONS`` is the whole table: what may be answered in which state of progress, and what
follows. ``MOVES`` are the transitions that wait for no reply.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final, TypeAlias, assert_never, cast

from returns.result import Failure, Success

from sagalib.core.instructions import (
    Arrow,
    Bind,
    Choose,
    Deadline,
    Each,
    Enter,
    Fail,
    Fork,
    Guard,
    Instruction,
    Join,
    Jump,
    Keep,
    Leave,
    Merge,
    Owed,
    Promise,
    Retrying,
    Unguard,
    Unwind,
)
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
from sagalib.core.saga import Saga
from sagalib.core.scopes import HANDLERS, again, allows, beside
from sagalib.core.state import (
    AnySaga,
    Backing,
    Book,
    Bound,
    Branch,
    Cell,
    Compensating,
    Due,
    Ended,
    Executing,
    Failed,
    Failing,
    Going,
    Guarded,
    Joining,
    Machine,
    Pausing,
    Place,
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
from sagalib.core.steps import AnyStep, AsyncStep, Step

__all__ = [
    "CANCELLED",
    "MOVES",
    "TRANSITIONS",
    "begin_branch",
    "first",
    "join",
    "moved",
    "stop",
    "stopping",
]

# NamedTuple's own constructor costs as much as a whole transition.
_new: Callable[..., Any] = tuple[Any, ...].__new__
CANCELLED: Final = Cancelled()
_FIRST: Final = Executing(1, 0, in_doubt=False)
_THROUGH: Final = Ended(None)
_NOBODY: Final[frozenset[int]] = frozenset()
_NO_ANSWERS: Final[Mapping[str, int]] = MappingProxyType({})
_NOWHERE: Final[Any] = None
_USED_UP: Final = (
    "each takes a collection, and got {}, which can be walked only once: a retry or a replay would "
    "find it empty. Write .map(list) before it"
)
_BRACKETS: Final = frozenset({Saved, Guarded, Bound})
# Read once: to look up a member of an Enum costs as much as to build a cell, in CPython 3.11.
_COMPENSATE: Final = Direction.COMPENSATE
_SETTLE: Final = Direction.SETTLE


def first(saga: AnySaga, value: object, run_id: str, *, stop: bool) -> Machine:
    """Give the strand with which a run begins."""
    book: Book = _new(
        Book,
        (
            *(saga, run_id, value, stop, 0, False, None, None, None),
            *(_NO_ANSWERS, None, 0, _NOBODY, 0, _NOBODY),
        ),
    )
    place: Place = _new(Place, (saga, saga.instructions, "", (), None, False, None))
    return moved(_go_on(book, place, 0, value, None, None))


# -- going forward ---------------------------------------------------------------------------------


def _go_on(  # noqa: PLR0917 - the parts of a machine
    book: Book, place: Place, pc: int, value: object, frames: Any, cells: Cell | None
) -> Machine:
    """Follow the program to the next step, to branches, to a failure, or to the end."""
    program = place.program
    while True:
        while pc == len(program) and type(frames) is Bound:
            bound: Any = frames
            place, pc, frames = bound.place, bound.pc, bound.below
            program = place.program
        if pc >= len(program):
            return Machine(book, pc, value, frames, cells, _THROUGH, None, None, place)
        instruction: Instruction = program[pc]
        if book.cancels > 1:
            return _fail(book, Failed(CANCELLED, False, None, value, False), frames, cells)
        try:
            match instruction:
                case Step() | AsyncStep():
                    if book.cancels or book.expired or place.forks is not None:
                        stop = stopping(book, place) or _misplaced(place, pc, instruction)
                        if stop is not None:
                            return _fail(book, stop._replace(context=value), frames, cells)
                    if book.answers and (k := book.answers.get(path_at(place, pc), 0)):
                        progress = Executing(1, k, False)
                    else:
                        progress = _FIRST
                    asking: Machine = _new(
                        Machine,
                        (
                            book,
                            pc,
                            value,
                            frames,
                            cells,
                            progress,
                            instruction.execute,
                            instruction.timeout,
                            place,
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
                case Choose(predicate, skip):
                    if not predicate(value):
                        pc += skip
                case Jump(skip):
                    pc += skip
                case Enter(scope, size):
                    after = pc + size + 2
                    if isinstance(scope, Deadline):
                        book = book._replace(entered=book.entered + 1)
                        due = Due(book.entered, scope.seconds)
                        frames = Scoped(due, pc, after, place, value, cells, 1, frames)
                        place = place._replace(deadlines=(due, place.deadlines))
                    else:
                        frames = Scoped(scope, pc, after, place, value, cells, 1, frames)
                        if isinstance(scope, Retrying):
                            place = place._replace(counts=True)
                case Leave(skip, step):
                    if book.expired and (stop := _too_late(book, place, frames, cells)) is not None:
                        return _fail(book, stop._replace(context=value), frames, cells)
                    if step is not None:
                        k = book.answers.get(path_at(frames.place, pc), 0)
                        cells = Cell(
                            pc, value, _COMPENSATE, k, False, frames.floor, frames.place, book.turn
                        )
                    place, frames = frames.place, frames.below
                    pc += skip
                case Fork() | Each():
                    return Machine(
                        book,
                        pc,
                        value,
                        frames,
                        cells,
                        _joining(instruction, pc, place, value),
                        None,
                        None,
                        place,
                    )
                case Join():
                    return Machine(book, pc, value, frames, cells, _THROUGH, None, None, place)
                case Bind(function):
                    saga = function(value)
                    if not isinstance(saga, Saga):
                        wrong = Failed(_not_a_saga(saga), False, None, value)
                        return _fail(book, wrong, frames, cells)
                    frames = Bound(place, pc + 1, frames)
                    prefix = path_at(place, pc) + "/"
                    place = place._replace(
                        saga=saga, program=saga.instructions, prefix=prefix, items=()
                    )
                    program, pc = place.program, -1
                case Promise():
                    k = book.answers.get(path_at(place, pc), 0) if book.answers else 0
                    cells = Cell(pc, value, _COMPENSATE, k, False, cells, place, book.turn)
                case Owed():
                    owed = instruction
                    cells = Cell(
                        pc,
                        owed.value,
                        owed.direction,
                        owed.answers,
                        owed.in_doubt,
                        cells,
                        place,
                        book.turn,
                    )
                case Fail(error):
                    return _fail(book, Failed(error, True, None, value), frames, cells)
                case Unwind(count, reason):
                    scoped = Scoped(None, pc, pc + 1, place, None, _below(cells, count), 1, frames)
                    return _fail(book, Failed(reason, False, None, None), scoped, cells)
                case _:
                    assert_never(instruction)
        except Exception as error:
            return _fail(book, Failed(Raised.of(error), False, None, value), frames, cells)
        pc += 1


def _fail(book: Book, failed: Failed, frames: Any, cells: Cell | None) -> Machine:
    failing: Machine = _new(
        Machine, (book, 0, None, frames, cells, Failing(failed), None, None, _NOWHERE)
    )
    return failing


def stopping(book: Book, place: Place) -> Failed | None:
    """Give why no step may be called at ``place`` any more, or ``None``."""
    if book.cancels:
        return Failed(CANCELLED, False, None, None, False)
    forks, due, deadlines = place.forks, None, place.deadlines
    while deadlines is not None:
        newest, deadlines = deadlines  # pyrefly: ignore[not-iterable] # a recursive alias
        due = newest if newest.number in book.expired else due
    if due is not None:
        return Failed(TimedOut(due.seconds), False, None, None, due=due.number)
    stops = forks is not None and book.halted
    while forks is not None and book.interrupted and not stops:
        fork, forks = forks
        stops = fork in book.interrupted
    return Failed(CANCELLED, False, None, None, False, stopped=True) if stops else None


def _too_late(book: Book, place: Place, scope: Scoped, cells: Cell | None) -> Failed | None:
    """Give why a scope that has gone through has failed after all, or ``None``.

    Behind a pivot it is as with a late step that cannot be compensated: what is done is done.
    """
    while cells is not scope.floor and cells is not None:
        if cells.direction is None:
            return None
        cells = cells.below
    return stopping(book, place)


def _misplaced(place: Place, pc: int, step: AnyStep) -> Failed | None:
    """Give why a pivot may not be called in a branch, or ``None``."""
    if not step.pivot or place.forks is None:
        return None
    path = path_at(place, pc)
    message = (
        f"the pivot {path!r} stands in a branch, and what its siblings have done could not be "
        "compensated after it: expected none there. Put it behind the branches"
    )
    return Failed(Raised("PivotInParallel", message), False, path, None)


def _not_a_saga(brought: object) -> Raised:
    return Raised(
        "NotASaga",
        f"bind takes a function that gives a saga, and it gave {type(brought).__qualname__}: "
        "write .bind(lambda value: Step(function)), or .map(function) for a value",
    )


def _joining(fork: Fork | Each, pc: int, place: Place, value: Any) -> Joining:
    """Work out where each branch begins, and with what."""
    inputs: list[tuple[int, tuple[int, ...], object]] = []
    start = pc + 1
    if isinstance(fork, Fork):
        for size in fork.sizes:
            inputs.append((start, place.items, value))
            start += size
    else:
        if iter(value) is value:
            raise TypeError(_USED_UP.format(type(value).__qualname__))
        inputs.extend((start, (*place.items, at), item) for at, item in enumerate(value))
    return Joining(fork, tuple(inputs), 0, 0, None, False)


def _below(cells: Cell | None, count: int) -> Cell | None:
    for _ in range(count):
        cells = cells.below if cells is not None else None
    return cells


def begin_branch(book: Book, machine: Machine, index: int, at: int) -> Machine:
    """Begin branch ``index`` of ``machine``, which is the strand ``at``."""
    start, items, value = cast("Joining", machine.progress).inputs[index]
    place = machine.place._replace(items=items, forks=(at, machine.place.forks))
    return moved(_go_on(book, place, start, value, Branch(at, index), None))


def join(book: Book, machine: Machine) -> Machine:
    """Make one strand of the branches of ``machine``, which have all ended."""
    joining = cast("Joining", machine.progress)
    ended: list[Machine] = [child for _, child in sorted(oldest_first(joining.ended), key=_index)]
    cells = _merged(machine.cells, [child.cells for child in ended])
    failed = [why for child in ended if (why := cast("Ended", child.progress).failed) is not None]
    if failed:
        return moved(_fail(book, _primary(failed), machine.frames, cells))
    value = tuple(child.value for child in ended)
    fork = joining.fork
    size = sum(fork.sizes) if isinstance(fork, Fork) else fork.size
    return moved(_go_on(book, machine.place, machine.pc + 1 + size, value, machine.frames, cells))


def _index(ended: tuple[int, Machine]) -> int:
    return ended[0]


def _primary(failed: list[Failed]) -> Failed:
    """Give the leftmost failure, with the reasons of the others."""
    told = [each for each in failed if not each.stopped] or failed
    first, *others = told
    reasons = list(first.others)
    for other in others:
        reasons += [(other.reason, other.returned), *other.others]
    catchable = all(each.catchable for each in failed)
    return first._replace(catchable=catchable, others=tuple(reasons))


def _merged(below: Cell | None, stacks: list[Cell | None]) -> Cell | None:
    """Put the stacks of branches on top of what was owed before, in the order of completion."""
    completed: list[Cell] = []
    for top in stacks:
        cells: list[Cell] = []
        cell = top
        while cell is not None:
            cells.append(cell)
            cell = cell.below
        completed += reversed(cells)
    for cell in sorted(completed, key=_turn):
        below = cell._replace(below=below)
    return below


def _turn(cell: Cell) -> int:
    return cell.turn


def moved(machine: Machine) -> Machine:
    """Make the moves that wait for no reply."""
    while (move := MOVES.get(type(machine.progress))) is not None:
        machine = move(machine)
    return machine


def _go(machine: Machine) -> Machine:
    book, pc, value, frames, cells, _, _, _, place = machine
    return _go_on(book, place, pc, value, frames, cells)


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
    return _go_on(book, place, pc + 1, value, frames, cells)


def _heard(book: Book, machine: Machine, answers: int) -> Book:
    """Note how many definite answers a path has, which may come again."""
    return book._replace(heard=((path_of(machine), answers), book.heard))


def _answered_ok(book: Book, machine: Machine, before: int) -> Book:
    """Note a success; a call that it repeats, with the same key, is in doubt no longer."""
    book = _heard(book, machine, before + 1)
    doubts, known = None, (path_of(machine), before)
    for doubt in oldest_first(book.doubts):
        doubts = doubts if doubt == known else (doubt, doubts)
    return book._replace(doubts=doubts)


def _came_late(machine: Machine, reply: Any) -> Machine:
    step = step_of(machine)
    done = Success(reply.value)
    if step.compensate is None:
        return _succeeded(machine, done)
    # It has completed and failed at once: its own compensation is the first to run.
    _, answers, _ = _tries(machine)
    book = machine.book
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
    return _fail(book, failed, machine.frames, cells)


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
    policy, stop = step_of(machine).retries, stopping(machine.book, machine.place)
    is_cut = not returned and isinstance(reason, Cancelled)
    if stop is None and not is_cut:
        answer = allows(policy, tried.attempt, reason)
        if answer is True:
            if policy.wait:
                paused = Pausing(tried.attempt, tried.answers, tried.in_doubt)
                return machine._replace(progress=paused, function=None, timeout=None)
            return _next_attempt(machine, tried)
        if isinstance(answer, Raised):
            reason, returned = answer, False
    failed = Failed(reason, returned, None, None, not is_cut)
    if stop is not None:  # no scope inside of a deadline that has passed goes on either
        failed = failed._replace(due=stop.due, stopped=is_cut and stop.stopped)
    return _step_failed(machine, failed, tried)


def _next_attempt(machine: Machine, tried: Executing | Pausing) -> Machine:
    step = step_of(machine)
    progress = Executing(tried.attempt + 1, tried.answers, tried.in_doubt)
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
        repeatable = tried.answers == book.answers.get(path, 0)
        key = tried.answers if repeatable else None
        book = book._replace(doubts=((path, key), book.doubts))
    return _fail(book, failed._replace(step=path, context=machine.value), machine.frames, cells)


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
        return _fail(machine.book, failed._replace(context=frame.value), frame, machine.cells)
    if not isinstance(progress, (Executing, Pausing)):
        return None
    failed = stopping(machine.book, machine.place)
    if failed is None:
        return None
    attempt, answers, in_doubt = _tries(machine)
    if attempt == 1 and isinstance(progress, Executing):
        failed = failed._replace(context=machine.value)
        return _fail(machine.book, failed, machine.frames, machine.cells)
    return _step_failed(machine, failed, Executing(attempt, answers, in_doubt))


# -- going back ------------------------------------------------------------------------------------


def _go_back(machine: Machine) -> Machine:
    """Leave the brackets up to the next scope, and ask for what is owed in it."""
    book, _, _, frames, cells, progress, _, _, _ = machine
    failed = cast("Failing", progress).failed
    if book.cancels > 1 and failed.returned:
        # As in _go_on: after a second cancel no pure function is called; the error itself stays in
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
    progress: Compensating = _new(Compensating, (failed, 1, answers, False))
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
        return machine._replace(progress=progress._replace(interrupted=True))
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
