"""The pure interpreter: a saga and replies in, what is asked next out.

The machine is an immutable value, and a Moore machine: what it asks is a part of its state
(``function``, ``value``, ``timeout`` of each strand), and ``evolve(state, reply)`` gives the next
state. It reads no clock and throws no dice. A live run, a replay, a resume and a simulation go
through the same ``evolve``; so a test can fork a machine at every decision.

What follows a reply in a strand is decided in ``strand``; here strands begin and end: where a saga
forks there is one for each branch, and where they join there is one again.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, cast

from sagalib.core.errors import IllegalReply
from sagalib.core.instructions import Retrying
from sagalib.core.messages import Cancel, Command, Expired, Invoke, Reply, Sleep, read
from sagalib.core.state import (
    ROOT,
    AnySaga,
    Backing,
    Book,
    Branch,
    Ended,
    Forked,
    Joining,
    Machine,
    Pausing,
    Resting,
    Scoped,
    State,
    call_of,
    direction_of,
    path_of,
    step_of,
    strands_of,
)
from sagalib.core.strand import MOVES, TRANSITIONS, begin_branch, first, join, moved, stop

__all__ = ["begin", "decide", "evolve", "understand"]

_AT_ONCE: Final = frozenset({*MOVES, Joining})


def begin(saga: AnySaga, value: object, run_id: str, *, stop: bool = False) -> State:
    """Give the state of a run that is about to make the first call of ``saga`` on ``value``.

    Args:
        saga: what to run.
        value: its input.
        run_id: the id of the run, a part of every idempotency key.
        stop: whether the first failed compensation ends the unwinding.
    """
    return _at_rest(first(saga, value, run_id, stop=stop))


def evolve(state: State, reply: Reply, at: int = ROOT) -> State:
    """Give the state after ``reply``; pure functions of the saga are called here.

    Args:
        state: the state before.
        reply: the answer to what was asked; or ``Cancel`` or ``Expired``, which are for all.
        at: the number of the strand that has asked, if there are several.

    Raises:
        IllegalReply: ``reply`` answers something that was not asked.
    """
    if type(state) is Forked:
        return _evolve_one(state, reply, at)
    machine = _answered(cast("Machine", state), reply)
    return _at_rest(machine) if type(machine.progress) in _AT_ONCE else machine


def _answered(machine: Machine, reply: Reply) -> Machine:
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
    return _spread(machine.book, {ROOT: machine}, ROOT + 1, [ROOT])


def _evolve_one(forked: Forked, reply: Reply, at: int) -> State:
    if isinstance(reply, (Cancel, Expired)):
        return _told(forked, reply)
    strand = forked.strands.get(at)
    if strand is None or type(strand.progress) is Joining:
        asking = ", ".join(str(number) for number in strands_of(forked))
        msg = f"a reply is for one of the strands that ask, {asking}; got {at!r}"
        raise IllegalReply(msg)
    book = forked.book._replace(turn=forked.book.turn + 1)
    after = moved(_answered(strand._replace(book=book), reply))
    return _spread(after.book, {**forked.strands, at: after}, forked.following, [at])


def _told(forked: Forked, reply: Cancel | Expired) -> State:
    """Tell all strands; those that have no call in flight stop at once."""
    book = forked.book._replace(turn=forked.book.turn + 1)
    if isinstance(reply, Cancel):
        book = book._replace(cancels=book.cancels + 1)
    else:
        book = book._replace(expired=book.expired | {reply.number})
    strands, changed = dict(forked.strands), list[int]()
    book = _stop(book, strands, reply.calls, changed)
    return _spread(book, strands, forked.following, changed)


def _stop(
    book: Book, strands: dict[int, Machine], calls: frozenset[int], changed: list[int]
) -> Book:
    """Stop the strands that may not go on and have no call in flight; add them to ``changed``."""
    for at, strand in tuple(strands.items()):
        stopped = None if at in calls else stop(strand._replace(book=book))
        if stopped is not None:
            strands[at] = after = moved(stopped)
            book = after.book
            changed.append(at)
    return book


def _executing(strands: Mapping[int, Machine]) -> frozenset[int]:
    return frozenset(at for at, strand in strands.items() if strand.function is not None)


def _spread(book: Book, strands: dict[int, Machine], following: int, changed: list[int]) -> State:
    """Begin the branches of strands that have forked, and join those that have ended."""
    while changed:
        at = changed.pop()
        strand = strands.get(at)
        if strand is None:
            continue
        progress, frames = strand.progress, strand.frames
        if isinstance(progress, Joining):
            if _may_begin(progress, book):
                begun = begin_branch(book, strand, progress.begun, at)
                book, strands[following] = begun.book, begun
                strands[at] = strand._replace(progress=_with_one_more(progress))
                changed += (at, following)
                following += 1
            elif not progress.running:
                book = book._replace(interrupted=book.interrupted - {at})
                strands[at] = joined = join(book, strand)
                book = joined.book
                changed.append(at)
        elif isinstance(progress, Ended) and isinstance(frames, Branch):
            del strands[at]
            parent = strands[frames.parent]
            joining = _with_one_less(cast("Joining", parent.progress), frames.index, strand)
            strands[frames.parent] = parent._replace(progress=joining)
            changed.append(frames.parent)
            if joining.has_failed and joining.fork.interrupts:
                book = book._replace(interrupted=book.interrupted | {frames.parent})
                book = _stop(book, strands, _executing(strands), changed)
    root = strands.get(ROOT)
    if root is not None and len(strands) == 1 and type(root.progress) is not Joining:
        return root._replace(book=book)
    return Forked(book, strands, following)


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
