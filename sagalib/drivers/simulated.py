"""``simulate``: a saga without clock or threads, answered from a script."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from threading import get_ident
from types import MappingProxyType
from typing import Any, TypeAlias, cast

from returns.result import Result
from typing_extensions import TypeVar

from sagalib.core.errors import InvalidOption, InvalidSaga, NoAnswer, shown
from sagalib.core.history import History, begun, conclude, taken_in
from sagalib.core.instructions import Bind
from sagalib.core.machine import understand
from sagalib.core.messages import Call, Cancel, Late, Refused, Reply, Unknown
from sagalib.core.outcomes import Cancelled, Outcome, Raised, TimedOut
from sagalib.core.paths import check_run_id
from sagalib.core.saga import Saga
from sagalib.core.state import (
    ROOT,
    AnySaga,
    Ended,
    Forked,
    Machine,
    State,
    call_of,
    step_of,
    strands_of,
)
from sagalib.drivers.calls import (
    CURRENT,
    NOTHING,
    WOKE,
    CallInHand,
    OnCompensationFailure,
    check,
    raised,
)

_NUMBER = re.compile(r"(?<=item)\[[0-9]+\]|(?<=~)([0-9]+)\[[0-9]+\]")

__all__ = ["Answer", "Script", "check_keys", "key_of", "reply_to", "simulate"]

A = TypeVar("A")
B = TypeVar("B")
E = TypeVar("E")
F = TypeVar("F")

Answer: TypeAlias = (
    Result[Any, Any] | Late | Unknown | Refused | Cancel | TimedOut | Raised | Cancelled | Exception
)
"""``Success`` or ``Failure``; ``TimedOut``, ``Raised``, ``Cancelled`` or an exception for a call in
doubt; ``Cancel()`` to cancel the run before the call."""

Script: TypeAlias = Mapping[str, Sequence[Answer]] | Callable[[Call], Answer | None]
"""Path of a step -> its answers, one for each call of its execute; ``"path:compensate"`` and
``"path:settle"`` for the way back. Or a function of the call; ``None`` leaves the call to the
step's own function."""


def simulate(
    saga: Saga[A, B, E, F, Any],
    value: A,
    script: Script = MappingProxyType({}),
    *,
    run_id: str = "simulated",
    on_compensation_failure: OnCompensationFailure = "continue",
    schedule: Sequence[int] | Callable[[int], int] | None = None,
) -> Outcome[B, E, F]:
    """Run ``saga`` without clock and threads.

    Calls are answered by ``script``, pauses take no time.

    A call for which the script has no answer, or none left, is made: the step's own function is
    called. So a script names only the faults.

    Args:
        saga: what to run, with plain and async steps.
        value: its input.
        script: path of a step -> its answers, one for each call of its execute;
            ``"path:compensate"`` and ``"path:settle"`` for the way back. An answer is ``Success``,
            ``Failure``, ``Late`` or ``Refused``; ``TimedOut``, ``Raised``, ``Cancelled`` or an
            exception for a call in doubt; ``Cancel()`` to cancel the run before the call. Or a
            function that gives the answer to a ``Call``, or ``None`` to have the call made.
        run_id: the id of the run, a part of every idempotency key.
        on_compensation_failure: as for ``run``.
        schedule: which branch goes on next, each time that several can: a number from 0, taken
            modulo how many there are; numbers one after the other, or a function of how many. The
            first, if left out or used up.

    Raises:
        NoAnswer: the script has no answer for a call of an async step.
        InvalidSaga, InvalidOption: an argument is not as it should be, or a path of the script is
            none of the saga.
    """
    check(saga, (), on_compensation_failure)
    given: Any = script
    if not callable(given) and not isinstance(given, Mapping):
        msg = (
            "a script is a mapping from paths to answers, or a function of a call; "
            f'got {type(given).__qualname__}: write script={{"charge": [Failure("declined")]}}'
        )
        raise InvalidSaga(msg)
    # For ty a mapping might be a function too.
    answer: Callable[[Call], Answer | None]
    answer = script if callable(script) else _from_table(script, saga)  # ty: ignore[invalid-assignment]
    choose = _chooser(schedule)
    history = History(saga, value, check_run_id(run_id), on_compensation_failure == "stop")
    state = history.start
    token = CURRENT.set(None)
    try:
        while isinstance(state, Forked) or not isinstance(state.progress, Ended):
            at, strand = _next(state, choose)
            reply = WOKE if strand.function is None else _reply(strand, answer)
            if isinstance(state, Forked) and strand.function and not isinstance(reply, Cancel):
                history.trace = begun(state, at, None, history.trace)
            history.trace = taken_in(state, reply, None, None, history.trace, at)
            state = history.end
    finally:
        CURRENT.reset(token)
    outcome: Outcome[B, E, F] = conclude(history)
    return outcome


def _chooser(schedule: Sequence[int] | Callable[[int], int] | None) -> Callable[[int], int]:
    """Give what chooses one of so many strands."""
    given: Any = schedule or ()
    if callable(given):
        return cast("Callable[[int], int]", given)
    if not hasattr(given, "__iter__"):
        msg = (
            "a schedule is a list of numbers, or a function of how many branches can go on; "
            f"got {type(given).__qualname__}: write schedule=[0, 1, 1]"
        )
        raise InvalidSaga(msg)
    numbers: Iterator[int] = iter(given)
    return lambda _: next(numbers, 0)


def _next(state: State, choose: Callable[[int], int]) -> tuple[int, Machine]:
    """Give the strand that goes on next."""
    if isinstance(state, Machine):
        return ROOT, state
    ready = list(strands_of(state).items())
    return ready[choose(len(ready)) % len(ready)] if len(ready) > 1 else ready[0]


def key_of(call: Call) -> str:
    """Give the key of a script that answers a call."""
    return call.path if call.direction == "execute" else f"{call.path}:{call.direction}"


def check_keys(table: Mapping[str, Sequence[Answer]], saga: AnySaga) -> None:
    """Refuse a script with the path of no step, or without a list of answers for one.

    Raises:
        InvalidOption: it is such a script.
    """
    paths = [path for path in saga.paths if path is not None]
    known = {f"{path}{suffix}" for path in paths for suffix in ("", ":compensate", ":settle")}
    brought = tuple(
        f"{path}/"
        for path, made in zip(saga.paths, saga.instructions, strict=True)
        if isinstance(made, Bind)
    )
    key: Any
    for key, answers in table.items():
        template = _NUMBER.sub("[]", key) if isinstance(key, str) else key
        if (
            key not in known
            and template not in known
            and not (brought and template.startswith(brought))
        ):
            msg = (
                f"a script answers the calls of {', '.join(paths[:10])}, also :compensate and "
                f":settle; got {shown(key)}. Write one of these paths"
            )
            raise InvalidOption(msg)
        given: Any = answers
        if not isinstance(given, (list, tuple)):
            msg = (
                f"a script gives a list of answers for each path, got {type(given).__qualname__} "
                f"for {shown(key)}: write {{{key!r}: [Success(1)]}}"
            )
            raise InvalidOption(msg)


def _from_table(
    table: Mapping[str, Sequence[Answer]], saga: AnySaga
) -> Callable[[Call], Answer | None]:
    check_keys(table, saga)
    left = {key: deque(answers) for key, answers in table.items()}

    def answer(call: Call) -> Answer | None:
        answers = left.get(key_of(call))
        return answers.popleft() if answers else None

    return answer


def _reply(machine: Machine, answer: Callable[[Call], Answer | None]) -> Reply:
    call = call_of(machine, None)
    given = answer(call)
    return _own_answer(machine, call) if given is None else reply_to(given)


def reply_to(answer: Answer) -> Reply:
    """Read an answer of a script as a reply."""
    match answer:
        case TimedOut() | Raised() | Cancelled():
            return Unknown(answer)
        case Exception():
            return Unknown(raised(answer))
        case _:
            return answer


def _own_answer(machine: Machine, call: Call) -> Reply:
    if step_of(machine).is_async:
        key = key_of(call)
        msg = (
            f"the script has no answer for {call.direction} of the async step "
            f"{call.path!r}, attempt {call.attempt}: "
            f"expected one. Write script={{{key!r}: [Success(...)]}}"
        )
        raise NoAnswer(msg)
    in_hand = CallInHand(machine, 0, get_ident())
    CURRENT.set(in_hand)
    returned: Any = NOTHING
    try:
        returned = machine.function(machine.value) if machine.function is not None else None
    except Exception as error:
        return Unknown(raised(error))
    finally:
        in_hand.is_over()
    return understand(machine, returned)
