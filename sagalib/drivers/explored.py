"""``explore``: every way in which the calls of a saga can be answered, one run after the other.

A machine is a value, so a run can be forked at every call: the machine before it is kept, and takes
each of the answers in turn. No step is called. While there are several branches, each of those that
wait for an answer may be the next to get one: every order is walked.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final, Generic, NamedTuple, Self, TypeAlias, cast, final

from attrs import frozen
from returns.result import Failure, Success
from typing_extensions import TypeVar

from sagalib.core.errors import InvalidOption, InvalidSaga, shown
from sagalib.core.history import History, Trace, begun, conclude, taken_in
from sagalib.core.messages import Call, Cancel, Late
from sagalib.core.outcomes import Cancelled, Outcome, Raised, TimedOut
from sagalib.core.paths import check_run_id
from sagalib.core.policy import Soft, seconds_of
from sagalib.core.saga import Saga
from sagalib.core.state import (
    ROOT,
    AnySaga,
    Ended,
    Executing,
    Forked,
    Link,
    Machine,
    State,
    call_of,
    oldest_first,
    step_of,
    strands_of,
)
from sagalib.drivers.calls import WOKE, OnCompensationFailure, check
from sagalib.drivers.simulated import Answer, check_keys, key_of, reply_to

__all__ = ["Answers", "Exploration", "Schedule", "explore"]

A = TypeVar("A")
B = TypeVar("B")
E = TypeVar("E")
F = TypeVar("F")
B_co = TypeVar("B_co", covariant=True)
E_co = TypeVar("E_co", covariant=True)
F_co = TypeVar("F_co", covariant=True)

Answers: TypeAlias = Mapping[str, Sequence[Answer]] | Callable[[Call], Iterable[Answer] | None]
"""Path of a step -> the answers that a call of its execute may have; ``"path:compensate"`` and
``"path:settle"`` for the way back. Or a function of the call; ``None`` is for the usual ones."""


@final
@frozen
class Schedule(Generic[B_co, E_co, F_co]):
    """One way in which the calls were answered, and how the run ended.

    Attributes:
        answers: pairs of key and answer, in the order of the calls; the keys are those of a script:
            ``"charge"``, ``"charge:compensate"``, ``"charge:settle"``.
        outcome: how the run ended, with its log.
        order: which branch went on, each time that several could: a schedule for ``simulate``.
    """

    answers: tuple[tuple[str, Answer], ...]
    outcome: Outcome[B_co, E_co, F_co]
    order: tuple[int, ...] = ()

    @property
    def script(self) -> dict[str, list[Answer]]:
        """The answers as a script, with which ``simulate`` makes the same run."""
        script: dict[str, list[Answer]] = {}
        for key, answer in self.answers:
            script.setdefault(key, []).append(answer)
        return script


class _Fork(NamedTuple):
    """A machine and an answer that it has not taken yet; at the beginning of a run there is none.

    ``taken`` are the keys and answers up to this one, ``chosen`` the branches, newest first; ``at``
    is the strand that the answer is for.
    """

    state: State
    answer: Answer | None
    trace: Trace
    taken: Link
    chosen: Link = None
    at: int = ROOT

    @property
    def answers(self) -> tuple[tuple[str, Answer], ...]:
        """The keys and answers, first to last."""
        return tuple(oldest_first(self.taken))


@final
class Exploration(Generic[B, E, F]):
    """The schedules of a saga, an iterator: each is walked when it is asked for.

    Attributes:
        walked: how many schedules it has given so far.
        bound: how many it gives at most.
    """

    __slots__ = ("_answers", "_history", "_waiting", "bound", "walked")

    walked: int
    bound: int

    def __init__(
        self,
        history: Callable[[], History],
        answers: Callable[[Machine], Sequence[Answer]],
        bound: int,
    ) -> None:
        """Begin before the first call; see ``explore``."""
        self._history = history
        self._answers = answers
        start = history().start
        self._waiting: list[_Fork] = [_Fork(start, None, None, None)]
        self.walked = 0
        self.bound = bound

    def __iter__(self) -> Self:
        """Give itself: what was given is not given again."""
        return self

    def __next__(self) -> Schedule[B, E, F]:
        """Walk the next schedule to its end."""
        if not self._waiting or self.walked >= self.bound:
            raise StopIteration
        fork = self._waiting.pop()
        while (ended := self._walked(fork)) is None:
            fork = self._waiting.pop()
        self.walked += 1
        return ended

    @property
    def cut(self) -> tuple[tuple[tuple[str, Answer], ...], ...]:
        """The beginnings that were not followed, each as its answers, first to last.

        Each stands for one schedule or more; there are none once all are walked.
        """
        return tuple(fork.answers for fork in reversed(self._waiting))

    @property
    def is_complete(self) -> bool:
        """Whether every schedule has been walked."""
        return not self._waiting

    def __repr__(self) -> str:
        """Show how many schedules were walked, and how many beginnings were cut."""
        return f"<Exploration: {self.walked:,} walked, {len(self._waiting):,} beginnings cut>"

    def _walked(self, fork: _Fork) -> Schedule[B, E, F] | None:
        """Follow a fork to the next call, whose answers wait then, or to the end."""
        state, trace = fork.state, fork.trace
        if fork.answer is not None:
            reply = reply_to(fork.answer)
            if isinstance(state, Forked) and not isinstance(reply, Cancel):
                trace = begun(state, fork.at, None, trace)
            trace = taken_in(state, reply, None, None, trace, fork.at)
            state = trace.after
        while (pausing := _pausing(state)) is not None:
            trace = taken_in(state, WOKE, None, None, trace, pausing)
            state = trace.after
        if isinstance(state, Machine) and isinstance(state.progress, Ended):
            history = self._history()
            history.trace = trace
            outcome: Outcome[B, E, F] = conclude(history)
            return Schedule(fork.answers, outcome, tuple(oldest_first(fork.chosen)))
        strands = strands_of(state)
        for index, (at, strand) in reversed(list(enumerate(strands.items()))):
            key = key_of(call_of(strand, None))
            chosen = fork.chosen if len(strands) == 1 else (index, fork.chosen)
            self._waiting += [
                _Fork(state, answer, trace, ((key, answer), fork.taken), chosen, at)
                for answer in reversed(self._answers(strand))
            ]
        return None


def _pausing(state: State) -> int | None:
    """Give a strand that waits for the end of a pause: pauses take no time."""
    for at, strand in strands_of(state).items():
        if strand.function is None and not isinstance(strand.progress, Ended):
            return at
    return None


def explore(
    saga: Saga[A, B, E, F, Any],
    value: A,
    answers: Answers | None = None,
    *,
    bound: int,
    run_id: str = "explored",
    on_compensation_failure: OnCompensationFailure = "continue",
) -> Exploration[B, E, F]:
    """Walk every way in which the calls of ``saga`` can be answered; no step is called.

    Without clock and threads, as ``simulate``: pauses take no time. Pure functions and the
    predicates of retries are called, with the values that the answers give.

    Args:
        saga: what to run, with plain and async steps.
        value: its input.
        answers: path of a step -> the answers that each call of its execute may have;
            ``"path:compensate"`` and ``"path:settle"`` for the way back. They are those of a
            script: see ``Answer``. Or a function that gives them for a ``Call``. A call that is
            not named, or for which the function gives ``None``, has the usual answers. For an
            execute: ``Success`` with the path of the step, ``Failure("failed")``, an exception, a
            cut (``Cancelled()``); ``TimedOut`` and ``Late`` if its timeout allows them. For a
            compensate or settle: ``Success(None)`` and ``Failure("failed")``. ``Cancel()``, which
            cancels the run before a call, is left out once a run is cancelled.
        bound: how many schedules are walked at most, 1 or more. There may be very many: they grow
            as a power of the number of steps. ``Exploration.cut`` tells what was not walked.
        run_id: the id of the runs, a part of every idempotency key.
        on_compensation_failure: as for ``run``.

    Returns:
        An iterator of ``Schedule``, which walks each when it is asked for; the first takes the
        first answer to each call, and of two that are alike up to a call, the one that takes an
        earlier answer comes first.

    Raises:
        InvalidSaga, InvalidOption: an argument is not as it should be, or a path in ``answers`` is
            none of the saga; while it is walked, if a call has no answers.
        IllegalReply: while it is walked, if an answer is none.
    """
    check(saga, (), on_compensation_failure)
    choose = _choices(answers, saga)
    count: Any = bound
    if not isinstance(count, int) or isinstance(count, bool) or count < 1:
        msg = f"bound must be a whole number, 1 or more; got {shown(bound)}. Write bound=10_000"
        raise InvalidOption(msg)
    stop = on_compensation_failure == "stop"
    check_run_id(run_id)

    def history() -> History:
        return History(saga, value, run_id, stop)

    def answers_to(machine: Machine) -> Sequence[Answer]:
        call = call_of(machine, None)
        chosen = choose(call)
        listed = _usual(machine, call.path) if chosen is None else list(chosen)
        if machine.book.cancels:
            listed = [answer for answer in listed if not isinstance(answer, Cancel)]
        if not listed:
            msg = (
                f"{call.direction} of {call.path!r}, attempt {call.attempt}, has no answers: "
                f"expected one or more. Write {{{key_of(call)!r}: [Success(1)]}}"
            )
            raise InvalidOption(msg)
        return listed

    return Exploration(history, answers_to, bound)


def _choices(answers: Answers | None, saga: AnySaga) -> Callable[[Call], Iterable[Answer] | None]:
    given: Any = {} if answers is None else answers
    if isinstance(given, Mapping):
        table = cast("Mapping[str, Sequence[Answer]]", given)
        check_keys(table, saga)
        return lambda call: table.get(key_of(call))
    if callable(given):
        return cast("Callable[[Call], Iterable[Answer] | None]", given)
    msg = (
        "answers are a mapping from paths to lists of answers, or a function of a call; "
        f'got {type(given).__qualname__}: write {{"charge": [Success(1), Failure("declined")]}}'
    )
    raise InvalidSaga(msg)


_RAISED: Final = Raised("Exception", "raised")


def _usual(machine: Machine, path: str) -> list[Answer]:
    """Give what a call may answer as far as the library can tell."""
    if not isinstance(machine.progress, Executing):
        return [Success(None), Failure("failed")]
    usual: list[Answer] = [Success(path), Failure("failed"), _RAISED, Cancelled()]
    seconds, is_async = seconds_of(machine.timeout), step_of(machine).is_async
    is_soft = isinstance(machine.timeout, Soft)
    if seconds is not None and (is_async or not is_soft):
        usual.append(TimedOut(seconds))
    if seconds is not None and (is_async or is_soft):
        usual.append(Late(path))
    return usual
