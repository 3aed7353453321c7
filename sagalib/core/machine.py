"""The pure interpreter: a saga and replies in, what is asked next out.

The machine is an immutable value, and a Moore machine: what it asks is a part of its state
(``function``, ``value``, ``timeout`` of each strand), and ``evolve(state, reply)`` gives the next
state. It reads no clock and throws no dice. A live run, a replay, a resume and a simulation go
through the same ``evolve``; so a test can fork a machine at every decision.

What follows a reply in a strand is decided in ``strand``; here strands begin and end: where a saga
forks there is one for each branch, and where they join there is one again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final, cast

from sagalib.core.errors import IllegalReply
from sagalib.core.forward import CANCELLED, fail, go_on
from sagalib.core.instructions import Fork, Retrying
from sagalib.core.messages import Begun, Cancel, Command, Expired, Invoke, Reply, Sleep, read
from sagalib.core.state import (
    ROOT,
    AnySaga,
    Backing,
    Book,
    Branch,
    Cell,
    Compensating,
    Ended,
    Executing,
    Failed,
    Forked,
    Joining,
    Machine,
    Pausing,
    Place,
    Resting,
    Scoped,
    State,
    call_of,
    direction_of,
    oldest_first,
    path_of,
    step_of,
    strands_of,
)
from sagalib.core.strand import MOVES, TRANSITIONS, moved, stop
from sagalib.core.strands import Strands

__all__ = ["begin", "decide", "evolve", "understand"]

# NamedTuple's own constructor costs as much as a whole transition.
_new: Callable[..., Any] = tuple[Any, ...].__new__
_NOBODY: Final[frozenset[int]] = frozenset()
_NO_ANSWERS: Final[Mapping[str, int]] = MappingProxyType({})
_CALLING: Final = (Executing, Compensating)
_AT_ONCE: Final = frozenset({*MOVES, Joining})


def begin(saga: AnySaga, value: object, run_id: str, *, stop: bool = False) -> State:
    """Give the state of a run that is about to make the first call of ``saga`` on ``value``.

    Args:
        saga: what to run.
        value: its input.
        run_id: the id of the run, a part of every idempotency key.
        stop: whether the first failed compensation ends the unwinding.
    """
    book: Book = _new(
        Book,
        (
            *(saga, run_id, value, stop, 0, False, None, None, None),
            *(_NO_ANSWERS, None, 0, _NOBODY, 0, _NOBODY),
        ),
    )
    place: Place = _new(Place, (saga, saga.instructions, "", (), None, False, None))
    machine = go_on(book, place, 0, value, None, None)
    return _at_rest(machine) if type(machine.progress) in _AT_ONCE else machine


def evolve(state: State, reply: Reply | Begun, at: int = ROOT) -> State:
    """Give the state after ``reply``; pure functions of the saga are called here.

    Args:
        state: the state before.
        reply: the answer to what was asked; or ``Cancel`` or ``Expired``, which are for all; with
            several strands also ``Begun``, before the answer to a call.
        at: the number of the strand that has asked, if there are several.

    Raises:
        IllegalReply: ``reply`` answers something that was not asked.
    """
    if type(state) is Forked:
        return _evolve_one(state, reply, at)
    machine = _answered(cast("Machine", state), reply)
    return _at_rest(machine) if type(machine.progress) in _AT_ONCE else machine


def _answered(machine: Machine, reply: Reply | Begun) -> Machine:
    try:
        transition = TRANSITIONS[type(machine.progress)][type(reply)]
    except KeyError:
        progress = type(machine.progress)
        expected = ", ".join(kind.__name__ for kind in TRANSITIONS.get(progress, ()))
        msg = (
            f"a machine that is {progress.__name__} takes one of {expected or 'nothing'}; "
            f"got {type(reply).__name__}. Ask decide(machine) first"
        )
        raise IllegalReply(msg) from None
    return transition(machine, reply)


def decide(state: State) -> tuple[Command, ...]:
    """Give the commands to carry out now; none if the run has ended."""
    commands = (_decide(strand) for strand in strands_of(state).values())
    return tuple(command for command in commands if command is not None)


def _decide(machine: Machine) -> Command | None:
    if machine.function is not None:
        return Invoke(call_of(machine, None), machine.function, machine.value, machine.timeout)
    match machine.progress:
        case Pausing(attempt=attempt):
            return Sleep(path_of(machine), attempt, step_of(machine).retries)
        case Resting(attempt=attempt):
            return Sleep(path_of(machine), attempt, step_of(machine).compensation_retries)
        case Backing(failed=failed):
            frame = cast("Scoped", machine.frames)
            return Sleep(failed.step or "", frame.attempt, cast("Retrying", frame.scope).policy)
        case _:
            return None


def understand(machine: Machine, returned: object) -> Reply:
    """Read what the function that was asked for has returned.

    A ``Result``, or a mistake, which leaves the call in doubt.
    """
    return read(step_of(machine).name, direction_of(machine), returned)


# -- several strands -------------------------------------------------------------------------------


def _at_rest(machine: Machine) -> State:
    """Make the moves that wait for no reply; a strand that forks becomes several."""
    machine = moved(machine)
    if type(machine.progress) is not Joining:
        return machine
    return _Spreading(machine.book, Strands(), ROOT + 1).spread({ROOT: machine})


def _evolve_one(forked: Forked, reply: Reply | Begun, at: int) -> State:
    if isinstance(reply, (Cancel, Expired)):
        return _told(forked, reply)
    if isinstance(reply, Begun):
        return _begun(forked, at)
    strand = forked.strands.get(at)
    if strand is None or type(strand.progress) is Joining:
        asking = ", ".join(str(number) for number in strands_of(forked))
        msg = f"a reply is for one of the strands that ask, {asking}; got {at!r}"
        raise IllegalReply(msg)
    book = forked.book._replace(turn=forked.book.turn + 1)
    after = moved(_answered(strand._replace(book=book), reply))
    spreading = _Spreading(after.book, forked.strands, forked.following)
    spreading.put(at, after)
    if after.book.halted and not forked.book.halted:
        spreading.stop()
    return spreading.spread({})


def _told(forked: Forked, reply: Cancel | Expired) -> State:
    """Tell all strands; those that have no call in flight stop at once."""
    book = forked.book._replace(turn=forked.book.turn + 1)
    if isinstance(reply, Cancel):
        book = book._replace(cancels=book.cancels + 1)
    else:
        book = book._replace(expired=book.expired | {reply.number})
    spreading = _Spreading(book, forked.strands, forked.following)
    spreading.stop()
    return spreading.spread({})


def _begun(forked: Forked, at: int) -> Forked:
    """Note that the call has begun which a strand asks for: only its reply ends it now."""
    strand = forked.strands[at]
    progress = strand.progress
    if isinstance(progress, _CALLING):
        strand = strand._replace(progress=progress._replace(begun=True))
    return forked._replace(strands=forked.strands.changed({at: strand}), changed=(at,))


class _Spreading:
    """What one reply changes beyond its own strand: branches begin, end, and stop."""

    def __init__(self, book: Book, before: Strands, following: int) -> None:
        self.book = book
        self.before = before
        self.following = following
        self.changes: dict[int, Machine | None] = {}
        self.waiting: list[int] = []

    def get(self, at: int) -> Machine | None:
        """Give a strand as it is now."""
        return self.changes[at] if at in self.changes else self.before.get(at)

    def put(self, at: int, strand: Machine | None) -> None:
        """Change a strand, and look at it again."""
        self.changes[at] = strand
        self.waiting.append(at)

    def stop(self) -> None:
        """Stop the strands that may not go on and have no call in flight."""
        for at in (*self.before, *self.changes):
            strand = self.get(at)
            progress = None if strand is None else strand.progress
            if strand is None or (isinstance(progress, _CALLING) and progress.begun):
                continue
            stopped = stop(strand._replace(book=self.book))
            if stopped is not None:
                after = moved(stopped)
                self.book = after.book
                self.put(at, after)

    def spread(self, changes: Mapping[int, Machine]) -> State:
        """Begin the branches of strands that have forked, and join those that have ended."""
        for at, changed in changes.items():
            self.put(at, changed)
        while self.waiting:
            at = self.waiting.pop()
            strand = self.get(at)
            if strand is None:
                continue
            if isinstance(strand.progress, Joining):
                self.go_on_forking(at, strand, strand.progress)
            elif isinstance(strand.progress, Ended) and isinstance(strand.frames, Branch):
                self.end_branch(at, strand, strand.frames)
        strands = self.before.changed(self.changes)
        root = strands.get(ROOT)
        if root is not None and len(strands) == 1 and type(root.progress) is not Joining:
            return root._replace(book=self.book)
        return Forked(self.book, strands, self.following, tuple(self.changes))

    def go_on_forking(self, at: int, strand: Machine, joining: Joining) -> None:
        """Begin one more branch, or join them if all have ended."""
        if _may_begin(joining, self.book):
            branch = _begin_branch(self.book, strand, joining.begun, at)
            self.book = branch.book
            self.put(at, strand._replace(progress=_with_one_more(joining)))
            self.put(self.following, branch)
            self.following += 1
        elif not joining.running:
            book = self.book._replace(interrupted=self.book.interrupted - {at})
            joined = _join(book, strand)
            self.book = joined.book
            self.put(at, joined)

    def end_branch(self, at: int, strand: Machine, branch: Branch) -> None:
        """Hand what a branch came to over to the strand that has forked."""
        self.changes[at] = None
        parent = cast("Machine", self.get(branch.parent))
        joining = _with_one_less(cast("Joining", parent.progress), branch.number, strand)
        self.put(branch.parent, parent._replace(progress=joining))
        if joining.has_failed and joining.fork.interrupts:
            self.book = self.book._replace(interrupted=self.book.interrupted | {branch.parent})
            self.stop()


def _begin_branch(book: Book, machine: Machine, index: int, at: int) -> Machine:
    """Begin branch ``index`` of ``machine``, which is the strand ``at``."""
    start, items, value = cast("Joining", machine.progress).inputs[index]
    place = machine.place._replace(items=items, forks=(at, machine.place.forks))
    return moved(go_on(book, place, start, value, Branch(at, index), None))


def _join(book: Book, machine: Machine) -> Machine:
    """Make one strand of the branches of ``machine``, which have all ended."""
    joining = cast("Joining", machine.progress)
    ended: list[Machine] = [child for _, child in sorted(oldest_first(joining.ended), key=_index)]
    cells = _merged(machine.cells, [child.cells for child in ended])
    failed = [why for child in ended if (why := cast("Ended", child.progress).failed) is not None]
    if not failed and joining.begun < len(joining.inputs):  # the others were not begun any more
        failed = [Failed(CANCELLED, False, None, machine.value, False)]
    if failed:
        return moved(fail(book, _primary(failed), machine.frames, cells))
    value = tuple(child.value for child in ended)
    fork = joining.fork
    size = sum(fork.sizes) if isinstance(fork, Fork) else fork.size
    return moved(go_on(book, machine.place, machine.pc + 1 + size, value, machine.frames, cells))


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


def _may_begin(joining: Joining, book: Book) -> bool:
    """Tell whether one more branch begins: without a limit, all do, whatever has failed."""
    limit = joining.fork.limit
    return joining.begun < len(joining.inputs) and (
        limit is None or (joining.running < limit and not (joining.has_failed or book.cancels))
    )


def _with_one_more(joining: Joining) -> Joining:
    return joining._replace(begun=joining.begun + 1, running=joining.running + 1)


def _with_one_less(joining: Joining, index: int, ended: Machine) -> Joining:
    failed = cast("Ended", ended.progress).failed is not None
    return joining._replace(
        running=joining.running - 1,
        ended=((index, ended), joining.ended),
        has_failed=joining.has_failed or failed,
    )
