"""The rules of the calculus as an evaluator: what a run of a term is, given what its calls answer.

`forward` has one case for each form. It never runs what it owes; it gives it back, and a scope runs
it. The calls of a run are a series-parallel order (`Then`, `Beside`) with the ways back in it
(`Back`), in which whatever completed last is compensated first.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from enum import Enum
from functools import partial
from itertools import pairwise
from typing import Any, Literal, NamedTuple, TypeAlias

from attrs import evolve, field, frozen

from sagalib import Cancelled, CompensationFailed, Irreversible, Raised, TimedOut
from tests.model.terms import (
    COLOURS,
    Action,
    Again,
    Bind,
    Boom,
    Each,
    ErrorMap,
    Fail,
    Function,
    Identity,
    Items,
    Keep,
    Map,
    MapError,
    Nested,
    On,
    OrElse,
    Par,
    Predicate,
    Pure,
    Recover,
    Refusal,
    Sequence,
    Term,
    Value,
    When,
    bits_of,
    place,
)

RUN_ID = "run:1"
SECONDS = 5.0
"""The length of every timeout."""

Direction: TypeAlias = Literal["execute", "compensate", "settle"]


class Answer(Enum):
    """What a call answers, or what happens to it."""

    OK = "ok"
    LATE = "ok, but after its timeout"
    ERR = "returns an error"
    RAISE = "raises"
    TIMEOUT = "times out"
    CUT = "is cancelled while it is in progress"
    CANCEL = "the run is cancelled before it"


class Where(NamedTuple):
    """A call: the path of its step, what it is for, and its number among those, from 0."""

    path: str
    direction: Direction
    number: int


class Call(NamedTuple):
    """A call, and what it is given."""

    where: Where
    argument: object
    attempt: int
    key: str


Plan: TypeAlias = Callable[[Where], Answer]


def value_of(where: Where) -> Value:
    """Give what a step gives that answers ok."""
    text = f"{where.path}#{where.number}"
    return COLOURS[bits_of(text) % len(COLOURS)](text)


def reason_of(where: Where, answer: Answer) -> object:
    """Give why a call failed."""
    match answer:
        case Answer.ERR:
            return Refusal(f"{where.path}:{where.direction}#{where.number}")
        case Answer.RAISE:
            return Raised.of(Boom(f"{where.direction}#{where.number}"))
        case Answer.TIMEOUT | Answer.LATE:
            return TimedOut(SECONDS)
        case _:
            return Cancelled()


# -- the order of calls --------------------------------------------------------------------------


@frozen
class Then:
    """One after the other."""

    parts: tuple[Trace, ...] = ()


@frozen
class Beside:
    """In any order, at most `limit` parts at a time."""

    parts: tuple[Trace, ...]
    limit: int | None = None


@frozen
class Entry:
    """What is owed: a compensation or a settle; of a pivot, its seal.

    It was owed from the end of `since` on, and so it is after that in the order of completion.
    """

    path: str
    direction: Direction | Literal["seal"]
    value: object
    since: Trace = field(repr=False)
    retries: int = 0
    doubtful: tuple[Call, ...] = ()
    called: tuple[Call, ...] = ()


@frozen
class Back:
    """A way back: what was owed, as `Then` and `Beside` in the order of completion."""

    owed: Trace


Trace: TypeAlias = "Call | Entry | Then | Beside | Back"


def calls_in(trace: Trace) -> Iterator[Call]:
    """Give all calls; those of a way back last completed first, as if branches had no siblings."""
    match trace:
        case Call():
            yield trace
        case Then(parts) | Beside(parts):
            for part in parts:
                yield from calls_in(part)
        case Back(owed):
            for entry in reversed(list(entries_in(owed))):
                yield from entry.called
        case Entry():
            pass


def entries_in(trace: Trace) -> Iterator[Entry]:
    """Give all entries, in the order of completion, as if branches had no siblings."""
    match trace:
        case Entry():
            yield trace
        case Then(parts) | Beside(parts):
            for part in parts:
                yield from entries_in(part)
        case _:
            pass


class Span(NamedTuple):
    """When something began and ended: places in a log."""

    began: int
    ended: int


Spans: TypeAlias = Mapping[Where, Span]


def span_of(calls: Iterable[Call], spans: Spans) -> Span | None:
    """Give when the first of some calls began and the last ended; `None` if there is none."""
    found = [spans[call.where] for call in calls]
    return Span(min(one.began for one in found), max(one.ended for one in found)) if found else None


def is_linear_extension(trace: Trace, spans: Spans) -> bool:
    """Tell whether calls that were made at these times kept to the order."""
    match trace:
        case Then(parts):
            whole = [span_of(calls_in(part), spans) for part in parts]
            known = [span for span in whole if span is not None]
            return all(is_linear_extension(part, spans) for part in parts) and all(
                one.ended < other.began for one, other in pairwise(known)
            )
        case Beside(parts, limit):
            whole = [span_of(calls_in(part), spans) for part in parts]
            known = [span for span in whole if span is not None]
            return all(is_linear_extension(part, spans) for part in parts) and all(
                limit is None
                or sum(one.began <= other.began <= one.ended for one in known) <= limit
                for other in known
            )
        case Back(owed):
            walked = [entry for entry in entries_in(owed) if entry.called]
            walked.sort(key=lambda entry: spans[entry.called[0].where].began)
            chains = Then(tuple(Then(entry.called) for entry in walked))
            return is_linear_extension(chains, spans) and is_order_of_completion(
                owed, walked[::-1], spans
            )
        case _:
            return True


def is_order_of_completion(owed: Trace, order: list[Entry], spans: Spans) -> bool:
    """Tell whether entries are in the order in which they came to be owed, the first one first."""
    rank = {(entry.path, entry.direction): number for number, entry in enumerate(order)}

    def ranks(part: Trace) -> list[int]:
        found = (rank.get((entry.path, entry.direction)) for entry in entries_in(part))
        return [one for one in found if one is not None]

    def is_kept(part: Trace) -> bool:
        match part:
            case Then(parts):
                each = [ranks(inner) for inner in parts]
                known = [found for found in each if found]
                return all(map(is_kept, parts)) and all(
                    max(one) < min(other) for one, other in pairwise(known)
                )
            case Beside(parts):
                return all(map(is_kept, parts))
            case _:
                return True

    ends = [span_of(calls_in(entry.since), spans) for entry in order]
    known = [span.ended for span in ends if span is not None]
    return is_kept(owed) and known == sorted(known)


# -- results -------------------------------------------------------------------------------------


@frozen
class Why:
    """Why a saga fails: the reason, and the call that gave it, with its input."""

    reason: object
    returned: bool
    step: str | None
    context: object


@frozen
class Went:
    """It went through."""

    value: object
    trace: Trace = Then()
    owed: Trace = Then()


class Halt(Enum):
    """Why nothing more is compensated."""

    POLICY = "on_compensation_failure is stop"
    PIVOT = "a pivot has completed"


Failure: TypeAlias = "CompensationFailed[Any] | Irreversible"


@frozen
class Stuck:
    """It failed: the reasons, the first of which is the primary one; and what came of it so far."""

    whys: tuple[Why, ...]
    trace: Trace = Then()
    owed: Trace = Then()
    failures: tuple[Failure, ...] = ()
    halt: Halt | None = None
    residual: tuple[Entry, ...] = ()

    @property
    def primary(self) -> Why:
        """The leftmost reason."""
        return self.whys[0]

    @property
    def is_catchable(self) -> bool:
        """Whether all is as it was before, and nobody has cancelled the run."""
        cancelled = any(why.reason == Cancelled() for why in self.whys)
        return not self.failures and self.halt is None and not cancelled


Result: TypeAlias = "Went | Stuck"


@frozen
class Ending:
    """All that the rules say of a run."""

    kind: Literal["ok", "compensated", "fatal"]
    value: object
    reasons: tuple[object, ...]
    step: str | None
    context: object
    failures: tuple[Failure, ...]
    in_doubt: tuple[str, ...]
    trace: Trace
    residual: tuple[Entry, ...] | None
    owed: Trace


# -- the rules -----------------------------------------------------------------------------------


@frozen
class Rules:
    """One run: what calls answer, and how often each path has been called and has answered."""

    plan: Plan
    stop: bool = False
    unknown_yet: Callable[[], bool] = lambda: False
    """Whether a branch begins although one has failed that began before, which is not known yet."""
    made: Counter[tuple[str, Direction]] = field(factory=Counter[tuple[str, Direction]])
    definite: Counter[str] = field(factory=Counter[str])
    doubts: list[Call] = field(factory=list[Call])
    """The calls in doubt of steps that did not end well."""

    # -- calls

    def call(
        self, path: str, direction: Direction, argument: object, attempt: int
    ) -> tuple[Call, Answer]:
        """Make a call."""
        where = Where(path, direction, self.made[path, direction])
        answer = self.plan(where)
        if answer is not Answer.CANCEL or direction == "execute":
            self.made[path, direction] += 1
        key = f"{RUN_ID}/{path}/{direction}/{self.definite[path]}"
        self.definite[path] += answer in {Answer.OK, Answer.LATE, Answer.ERR}
        return Call(where, argument, attempt, key), answer

    def step(self, term: Action, path: str, value: object, *, beside: bool) -> Result:
        """STEP-OK, PIVOT-OK, STEP-FAIL, CANCEL.

        What succeeds late has completed and failed at once, unless nothing compensates it.
        """
        if term.pivot and beside:
            refused = Raised("PivotInParallel", "")
            return Stuck((Why(refused, returned=False, step=path, context=value),))
        calls: list[Call] = []
        doubtful: list[Call] = []
        attempt = 1
        while True:
            call, answer = self.call(path, "execute", value, attempt)
            reason = reason_of(call.where, answer)
            if answer is not Answer.CANCEL:
                calls.append(call)
            trace = Then(tuple(calls))
            if answer in {Answer.OK, Answer.LATE}:
                self._are_known([one for one in self.doubts if one.key == call.key])
                went = self._completed(term, path, value_of(call.where), trace)
                if answer is Answer.OK or not term.compensate:
                    return went
                why = Why(reason, returned=False, step=path, context=value)
                return Stuck((why,), trace, went.owed)
            if answer in {Answer.RAISE, Answer.TIMEOUT, Answer.CUT}:
                doubtful.append(call)
            given_up = answer in {Answer.CUT, Answer.CANCEL}
            if given_up or not term.retries.allows(attempt, reason):
                break
            attempt += 1
        self.doubts.extend(doubtful)
        why = Why(reason, returned=answer is Answer.ERR, step=path, context=value)
        if answer is Answer.CANCEL:
            why = evolve(why, step=path if calls else None)
        settles = term.settle and (bool(doubtful) or (term.settle_on == "failure" and bool(calls)))
        owed = Entry(path, "settle", value, trace, term.compensation_retries, tuple(doubtful))
        return Stuck((why,), trace, owed if settles else Then())

    def _completed(self, term: Action, path: str, value: object, trace: Trace) -> Went:
        owed: Trace = Then()
        if term.pivot:
            owed = Entry(path, "seal", value, trace)
        elif term.compensate:
            owed = Entry(path, "compensate", value, trace, term.compensation_retries)
        return Went(value, trace, owed)

    def _are_known(self, calls: Iterable[Call]) -> None:
        """Note that some calls are in doubt no longer."""
        for call in calls:
            self.doubts.remove(call)

    def undo(self, entry: Entry) -> tuple[Entry, object | None]:
        """U-OK, U-FAIL, U-RETRY: give the entry with its calls, and why it failed."""
        assert entry.direction != "seal"
        calls: list[Call] = []
        attempt, was_cut = 1, False
        while True:
            call, answer = self.call(entry.path, entry.direction, entry.value, attempt)
            calls.append(call)
            if answer is Answer.OK:
                self._are_known(entry.doubtful)
                return evolve(entry, called=tuple(calls)), None
            if answer is Answer.CUT and not was_cut:
                was_cut = True  # the same attempt again
                continue
            if answer is Answer.CUT or attempt > entry.retries:
                reason = reason_of(call.where, answer)
                return evolve(entry, called=tuple(calls)), reason
            attempt, was_cut = attempt + 1, False

    # -- forward

    def forward(  # noqa: PLR0912 - a case for each form
        self, term: Term, value: object, items: tuple[int, ...] = (), *, beside: bool = False
    ) -> Result:
        """Give what a placed term comes to; it compensates nothing that is not in a scope."""

        def within(inner: Term, given: object) -> Result:
            return self.forward(inner, given, items, beside=beside)

        match term:
            case Identity():
                return Went(value)
            case Pure(tag):
                return _pure(Function(tag), value)
            case Fail(error):
                return Stuck((Why(Refusal(error), returned=True, step=None, context=value),))
            case Action(name):
                return self.step(term, at(name, items), value, beside=beside)
            case Sequence(parts):
                whole: Result = Went(value)
                for part in parts:
                    whole = and_then(whole, partial(within, part))
                return whole
            case Map(inner, tag):
                return and_then(within(inner, value), lambda given: _pure(Function(tag), given))
            case ErrorMap(inner, tag):
                result = within(inner, value)
                if isinstance(result, Stuck):
                    return evolve(result, whys=tuple(_mapped(why, tag) for why in result.whys))
                return result
            case Keep(inner):
                return and_then(within(inner, value), lambda given: Went((value, given)))
            case When(tag, yes, no):
                choice = _pure(Predicate(tag), value)
                return and_then(choice, lambda holds: within(yes if holds else no, value))
            case On(cases):
                for cls, case in zip(COLOURS, cases, strict=False):
                    if isinstance(value, cls):
                        return within(case, value)
                no_case = Raised("TypeError", "no case for ")
                return Stuck((Why(no_case, returned=False, step=None, context=value),))
            case Nested(inner, name, compensate):
                result = self.unwound(within(inner, value))
                if isinstance(result, Went) and compensate:
                    own = Entry(at(name, items), "compensate", result.value, result.trace)
                    seals = [
                        entry for entry in entries_in(result.owed) if entry.direction == "seal"
                    ]
                    return evolve(result, owed=Then((*seals[-1:], own)))
                return result
            case OrElse(first, second):
                result = self.unwound(within(first, value))
                if isinstance(result, Stuck) and result.is_catchable:
                    return _after(result.trace, within(second, value))
                return result
            case Recover(inner, tag):
                result = self.unwound(within(inner, value))
                if not isinstance(result, Stuck) or not result.is_catchable:
                    return result
                if not result.primary.returned:
                    return result
                return _recovered(result, tag)
            case Again(inner, retries):
                before: Trace = Then()
                attempt = 1
                while True:
                    result = self.unwound(within(inner, value))
                    if (
                        isinstance(result, Went)
                        or not result.is_catchable
                        or not retries.allows(attempt, result.primary.reason)
                    ):
                        return _after(before, result)
                    before, attempt = Then((before, result.trace)), attempt + 1
            case Par(branches, limit):
                return self.par([(branch, value, items) for branch in branches], limit)
            case Each(body, count, limit):
                many = enumerate(Items(count)(value))
                return self.par([(body, item, (*items, number)) for number, item in many], limit)
            case Bind(inner):
                brought = _Bringing(self, term, at(term.path, items), beside=beside)
                return and_then(within(inner, value), brought)

    def par(
        self, branches: list[tuple[Term, object, tuple[int, ...]]], limit: int | None
    ) -> Result:
        """PAR-OK, PAR-FAIL; with a limit no branch begins once another is known to have failed."""
        results: list[Result] = []
        for number, (branch, value, items) in enumerate(branches):
            if limit is not None and not self._begins(number, limit, results):
                break
            results.append(self.forward(branch, value, items, beside=True))
        traces, owed = (
            tuple(result.trace for result in results),
            tuple(result.owed for result in results),
        )
        trace: Trace = Then(traces) if limit == 1 else Beside(traces, limit)
        due: Trace = Then(owed) if limit == 1 else Beside(owed)
        stuck = [result for result in results if isinstance(result, Stuck)]
        if not stuck:
            values = tuple(result.value for result in results if isinstance(result, Went))
            return Went(values, trace, due)
        return Stuck(
            tuple(why for one in stuck for why in one.whys),
            trace,
            due,
            tuple(failure for one in stuck for failure in one.failures),
            next((one.halt for one in stuck if one.halt is not None), None),
            tuple(entry for one in stuck for entry in one.residual),
        )

    def _begins(self, number: int, limit: int, results: list[Result]) -> bool:
        """Tell whether a branch begins after the ones before it.

        It has to wait for others to end well. If one has failed, that may be known by then.
        """
        failed = [result for result in results if isinstance(result, Stuck)]
        if not failed:
            return True
        if number < limit:
            at_once = any(not any(calls_in(result.trace)) for result in failed)
            return not at_once or self.unknown_yet()
        return len(results) - len(failed) > number - limit and self.unknown_yet()

    # -- back

    def unwound(self, result: Result) -> Result:
        """SCOPE-OK, SCOPE-NO, SCOPE-HALT."""
        if isinstance(result, Went):
            return result
        halt, failures, residual = result.halt, list(result.failures), list(result.residual)
        walked: dict[int, Entry] = {}
        for number, entry in reversed(list(enumerate(entries_in(result.owed)))):
            if halt is Halt.PIVOT or (halt is Halt.POLICY and entry.direction == "seal"):
                break
            if halt is Halt.POLICY:
                residual.append(entry)
            elif entry.direction == "seal":
                failures.append(Irreversible(entry.path))
                halt = Halt.PIVOT
            else:
                walked[number], reason = self.undo(entry)
                if reason is not None:
                    failures.append(CompensationFailed(entry.path, reason))
                    residual.append(walked[number])
                    halt = Halt.POLICY if self.stop else None
        back = Back(_replaced(result.owed, walked))
        return Stuck(
            result.whys,
            Then((result.trace, back)),
            Then(),
            tuple(failures),
            halt,
            tuple(residual),
        )


@frozen
class _Bringing:
    """What `bind` does with the value of its saga."""

    rules: Rules
    term: Bind
    path: str
    beside: bool = field(kw_only=True)

    def __call__(self, value: object) -> Result:
        choice = _pure(self.term.choose, value)
        if isinstance(choice, Stuck):
            return choice
        chosen: Any = choice.value
        if chosen is None:
            no_saga = Raised("NotASaga", "")
            return Stuck((Why(no_saga, returned=False, step=None, context=value),))
        return self.rules.forward(place(chosen, f"{self.path}/"), value, beside=self.beside)


def at(path: str, items: tuple[int, ...]) -> str:
    """Put the numbers of items into a path, from left to right."""
    for item in items:
        path = path.replace("[]", f"[{item}]", 1)
    return path


def _pure(function: Callable[[Any], object], value: object) -> Result:
    try:
        return Went(function(value))
    except Boom as boom:
        return Stuck((Why(Raised.of(boom), returned=False, step=None, context=value),))


def _mapped(why: Why, tag: str) -> Why:
    if not why.returned:
        return why
    try:
        return evolve(why, reason=MapError(tag)(why.reason))
    except Boom as boom:
        return evolve(why, reason=Raised.of(boom), returned=False)


def _recovered(stuck: Stuck, tag: str) -> Result:
    try:
        return Went(Function(tag)(stuck.primary.reason), stuck.trace)
    except Boom as boom:
        why = evolve(stuck.primary, reason=Raised.of(boom), returned=False)
        return evolve(stuck, whys=(why,))


def and_then(result: Result, following: Callable[[object], Result]) -> Result:
    """SEQ-OK, SEQ-FAIL: what is owed later is compensated earlier."""
    if isinstance(result, Stuck):
        return result
    after = following(result.value)
    return evolve(
        after, trace=Then((result.trace, after.trace)), owed=Then((result.owed, after.owed))
    )


def _after(trace: Trace, result: Result) -> Result:
    return evolve(result, trace=Then((trace, result.trace)))


def _replaced(owed: Trace, walked: Mapping[int, Entry]) -> Trace:
    """Put entries in the place of others, by their number from left to right."""
    numbers = iter(range(len(list(entries_in(owed)))))

    def replace(part: Trace) -> Trace:
        match part:
            case Entry():
                return walked.get(next(numbers), part)
            case Then(parts):
                return Then(tuple([replace(inner) for inner in parts]))
            case Beside(parts):
                return Beside(tuple([replace(inner) for inner in parts]))
            case _:
                return part

    return replace(owed)


def evaluate(
    term: Term,
    value: object,
    plan: Plan,
    *,
    stop: bool = False,
    unknown_yet: Callable[[], bool] = lambda: False,
) -> Ending:
    """RUN: give all that the rules say of a run of a term."""
    rules = Rules(plan, stop, unknown_yet)
    result = rules.unwound(rules.forward(place(term), value))
    in_doubt = tuple(dict.fromkeys(call.where.path for call in rules.doubts))
    if isinstance(result, Went):
        sealed = any(entry.direction == "seal" for entry in entries_in(result.owed))
        owed = tuple(reversed(list(entries_in(result.owed))))
        return Ending(
            "ok",
            result.value,
            (),
            None,
            None,
            (),
            in_doubt,
            result.trace,
            None if sealed else owed,
            result.owed,
        )
    return Ending(
        "fatal" if result.failures else "compensated",
        None,
        tuple(why.reason for why in result.whys),
        result.primary.step,
        result.primary.context,
        result.failures,
        in_doubt,
        result.trace,
        result.residual,
        Then(),
    )


def endings(term: Term, value: object, plan: Plan, *, stop: bool = False) -> Iterator[Ending]:
    """Give every ending that the rules allow.

    There is one, but where branches have a limit and one fails: how many have begun by then is for
    the schedule to say.
    """
    waiting: list[tuple[bool, ...]] = [()]
    while waiting:
        given = waiting.pop()
        asked: list[bool] = []

        def unknown_yet(given: tuple[bool, ...] = given, asked: list[bool] = asked) -> bool:
            asked.append(given[len(asked)] if len(asked) < len(given) else False)
            return asked[-1]

        yield evaluate(term, value, plan, stop=stop, unknown_yet=unknown_yet)
        waiting += [(*asked[:number], True) for number in range(len(given), len(asked))]
