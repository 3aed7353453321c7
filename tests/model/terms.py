"""Terms of the calculus as plain data, and the sagas that they describe.

A term says all that a saga says. `build` makes the saga through the public names only; `place`
gives every step its path, from the names alone.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from functools import reduce
from typing import Any, Literal, TypeAlias
from zlib import crc32

from attrs import evolve, fields, frozen

from sagalib import (
    AsyncStep,
    Raised,
    Retry,
    Saga,
    Step,
    TimedOut,
    arrow,
    each,
    fail,
    gather,
    identity,
    on,
    par,
    when,
)

AnySaga: TypeAlias = Saga[Any, Any, Any, Any, Any]


# -- values, errors and pure functions -----------------------------------------------------------


@frozen
class Value:
    """What passes from step to step; `text` tells where it has come from."""

    text: str


@frozen
class Red(Value):
    """A value of one class."""


@frozen
class Blue(Value):
    """A value of another class."""


@frozen
class Green(Value):
    """A value of a third class."""


COLOURS: tuple[type[Value], ...] = (Red, Blue, Green)


@frozen
class Refusal:
    """What a step returns as its error."""

    text: str


@frozen
class Mapped:
    """What `map_error` makes of an error."""

    tag: str
    error: object


class Boom(Exception):
    """What functions raise."""


def bits_of(value: object) -> int:
    """Give a number that looks like dice and is the same every time."""
    return crc32(repr(value).encode())


@frozen
class Function:
    """A pure function: `boom` raises, `red`, `blue`, `green` give that class, others pair."""

    tag: str

    def __call__(self, value: object) -> object:
        """Give a value of another."""
        match self.tag:
            case "boom":
                raise Boom("pure")
            case "red" | "blue" | "green":
                return {"red": Red, "blue": Blue, "green": Green}[self.tag](f"{bits_of(value):x}")
            case _:
                return (self.tag, value)


@frozen
class MapError:
    """A pure function of an error; `boom` raises."""

    tag: str

    def __call__(self, error: object) -> object:
        """Give an error of another."""
        if self.tag == "boom":
            raise Boom("error")
        return Mapped(self.tag, error)


@frozen
class Predicate:
    """A predicate: `yes`, `no`, `odd` (half of all values), or `boom`, which raises."""

    tag: str

    def __call__(self, value: object) -> bool:
        """Answer."""
        if self.tag == "boom":
            raise Boom("predicate")
        return self.tag == "yes" or (self.tag == "odd" and bits_of(value) % 2 == 1)


@frozen
class Items:
    """A pure function that makes so many items of a value."""

    count: int

    def __call__(self, value: object) -> tuple[object, ...]:
        """Give the items."""
        return tuple((number, value) for number in range(self.count))


# -- terms ---------------------------------------------------------------------------------------


@frozen
class Retries:
    """How often something is tried again, and for which reasons."""

    times: int = 0
    only: type | None = None
    unless: type | None = None
    wait: float = 0.0

    def allows(self, attempt: int, reason: object) -> bool:
        """Tell whether another attempt follows the one of that number, counted from 1."""

        def is_a(cls: type) -> bool:
            return isinstance(reason, cls) or (isinstance(reason, Raised) and reason.is_a(cls))

        return (
            attempt <= self.times
            and (self.only is None or is_a(self.only))
            and (self.unless is None or not is_a(self.unless))
        )


CLASSES: tuple[type, ...] = (Refusal, Boom, TimedOut)
"""What retries may be for, or not for."""


@frozen
class Identity:
    """`identity()`."""


@frozen
class Pure:
    """`arrow(function)`."""

    tag: str


@frozen
class Fail:
    """`fail(error)`."""

    error: str


@frozen
class Action:
    """A step."""

    name: str
    compensate: bool = True
    settle: bool = False
    settle_on: Literal["doubt", "failure"] = "doubt"
    pivot: bool = False
    retries: Retries = Retries()
    compensation_retries: int = 0


@frozen
class Sequence:
    """Terms one after the other."""

    parts: tuple[Term, ...]


@frozen
class Map:
    """`.map(function)`."""

    inner: Term
    tag: str


@frozen
class ErrorMap:
    """`.map_error(function)`."""

    inner: Term
    tag: str


@frozen
class Keep:
    """`.keep()`."""

    inner: Term


@frozen
class When:
    """`when(predicate, yes).otherwise(no)`."""

    tag: str
    yes: Term
    no: Term


@frozen
class On:
    """`on(Red, first).on(Blue, second)`, for as many classes as there are cases."""

    cases: tuple[Term, ...]


@frozen
class Nested:
    """`.nested(name)`, or `.nested(name, compensate)`."""

    inner: Term
    name: str
    compensate: bool = False


@frozen
class OrElse:
    """`first | second`."""

    first: Term
    second: Term


@frozen
class Recover:
    """`.recover(function)`."""

    inner: Term
    tag: str


@frozen
class Again:
    """`.retry(n)`, or `.retry(Retry(...))`."""

    inner: Term
    retries: Retries


@frozen
class Par:
    """`par(...)`, `gather([...])`, or `a & b`."""

    branches: tuple[Term, ...]
    limit: int | None = None
    form: Literal["par", "gather", "and"] = "par"


@frozen
class Each:
    """`arrow(Items(count)) >> each(body, limit=limit)`."""

    body: Term
    count: int
    limit: int | None = 1


@frozen
class Bind:
    """`.bind(function)`, which takes one of `choices` by the value.

    Of none it raises, and of `None` it gives no saga.
    """

    inner: Term
    choices: tuple[Term | None, ...]
    path: str = "bind"

    def choose(self, value: object) -> Term | None:
        """Take one."""
        if not self.choices:
            raise Boom("bind")
        return self.choices[bits_of(value) % len(self.choices)]


Term: TypeAlias = (
    Identity
    | Pure
    | Fail
    | Action
    | Sequence
    | Map
    | ErrorMap
    | Keep
    | When
    | On
    | Nested
    | OrElse
    | Recover
    | Again
    | Par
    | Each
    | Bind
)


# -- what a term is made of ----------------------------------------------------------------------


def rewritten(term: Term, change: Callable[[Term], Term]) -> Term:
    """Give the term with `change` of all that is directly in it, from left to right."""
    whole: Any = term
    made: dict[str, object] = {}
    for one in fields(type(term)):
        old: Any = getattr(term, one.name)
        if one.name in {"inner", "yes", "no", "first", "second", "body"}:
            made[one.name] = change(old)
        elif one.name in {"parts", "cases", "branches"}:
            made[one.name] = tuple(map(change, old))
    changed: Term = evolve(whole, **made)
    return changed


def parts_of(term: Term) -> Iterator[Term]:
    """Give the term and all that is in it, also what a bind may bring."""
    yield term
    below: list[Term] = []

    def collect(part: Term) -> Term:
        below.append(part)
        return part

    rewritten(term, collect)
    if isinstance(term, Bind):
        below += [choice for choice in term.choices if choice is not None]
    for part in below:
        yield from parts_of(part)


def names_of(term: Term) -> frozenset[str]:
    """Give the names of all steps."""
    return frozenset(part.name for part in parts_of(term) if isinstance(part, Action))


def is_concurrent(term: Term) -> bool:
    """Tell whether what happens may depend on a schedule."""
    return any(isinstance(part, Par | Each) and part.limit != 1 for part in parts_of(term))


def place(term: Term, prefix: str = "", taken: Counter[str] | None = None) -> Term:
    """Give the term with paths for names.

    Equal names of a scope get ordinals, in the order in which they are written down. `item[]`
    stands for whichever item it will be.
    """
    names: Counter[str] = Counter() if taken is None else taken

    def take(name: str) -> str:
        names[name] += 1
        return f"{prefix}{name}~{names[name]}" if names[name] > 1 else f"{prefix}{name}"

    def beside(part: Term) -> Term:
        return place(part, prefix, names)

    match term:
        case Action(name):
            return evolve(term, name=take(name))
        case Nested(inner, name):
            own = take(name)
            return evolve(term, inner=place(inner, f"{own}/"), name=own)
        case Par(branches):
            own = take("branch")
            placed = [place(one, f"{own}[{i}]/") for i, one in enumerate(branches)]
            return evolve(term, branches=tuple(placed))
        case Each(body):
            return evolve(term, body=place(body, f"{take('item')}[]/"))
        case Bind(inner):
            before = beside(inner)
            return evolve(term, inner=before, path=take("bind"))
        case _:
            return rewritten(term, beside)


# -- sagas ---------------------------------------------------------------------------------------


@frozen
class Making:
    """What the functions of all steps are, and of which steps they are coroutine functions.

    `timed` has the names of the steps that are given a timeout.
    """

    plain: Callable[[Any], Any]
    coroutine: Callable[[Any], Any]
    is_async: Callable[[str], bool] = lambda _: False
    timeout: float = 5.0
    timed: frozenset[str] = frozenset()

    def function(self, name: str) -> Callable[[Any], Any]:
        """Give the functions of a step."""
        return self.coroutine if self.is_async(name) else self.plain


def build(term: Term, making: Making) -> AnySaga:  # noqa: PLR0912 - a case for each form
    """Build the saga that a term describes."""

    def made(part: Term) -> AnySaga:
        return build(part, making)

    match term:
        case Identity():
            return identity()
        case Pure(tag):
            return arrow(Function(tag))
        case Fail(error):
            return fail(Refusal(error))
        case Action():
            return _step(term, making)
        case Sequence(parts):
            start: AnySaga = identity()
            return reduce(lambda whole, part: whole >> made(part), parts, start)
        case Map(inner, tag):
            return made(inner).map(Function(tag))
        case ErrorMap(inner, tag):
            return made(inner).map_error(MapError(tag))
        case Keep(inner):
            return made(inner).keep()
        case When(tag, yes, no):
            return when(Predicate(tag), made(yes)).otherwise(made(no))
        case On(cases):
            first, *others = zip(COLOURS, cases, strict=False)
            chosen: Any = on(first[0], made(first[1]))
            for cls, case in others:
                chosen = chosen.on(cls, made(case))
            return chosen  # type: ignore[no-any-return]
        case Nested(inner, name, compensate):
            whole: Any = made(inner)
            if compensate:
                return whole.nested(name, making.function(name))  # type: ignore[no-any-return]
            return whole.nested(name)  # type: ignore[no-any-return]
        case OrElse(one, other):
            return made(one) | made(other)
        case Recover(inner, tag):
            return made(inner).recover(Function(tag))
        case Again(inner, retries):
            return made(inner).retry(_retry(retries))
        case Par(branches, limit, form):
            if form == "and":
                left, right = branches
                return made(left) & made(right)
            sagas = [made(branch) for branch in branches]
            if form == "gather":
                return gather(sagas, limit=limit)
            side_by_side: Any = par  # as many branches as come, not one of the typed numbers
            return side_by_side(*sagas, limit=limit)  # type: ignore[no-any-return]
        case Each(body, count, limit):
            many: AnySaga = each(made(body), limit=limit)
            return arrow(Items(count)) >> many
        case Bind(inner):

            def bring(value: object) -> Any:
                chosen = term.choose(value)
                return None if chosen is None else made(chosen)

            return made(inner).bind(bring)


def _retry(retries: Retries) -> int | Retry:
    if retries == Retries(retries.times):
        return retries.times
    return Retry(retries.times, wait=retries.wait, only=retries.only, unless=retries.unless)


def _step(term: Action, making: Making) -> AnySaga:
    kind: Any = AsyncStep if making.is_async(term.name) else Step
    function = making.function(term.name)
    timeout = making.timeout if term.name in making.timed else None
    settings: dict[str, Any] = {"settle": function} if term.settle else {}
    if term.compensate:
        settings["compensate"] = function
    return kind(  # type: ignore[no-any-return]
        function,
        name=term.name,
        settle_on=term.settle_on,
        pivot=term.pivot,
        retries=_retry(term.retries),
        compensation_retries=term.compensation_retries,
        timeout=timeout,
        compensation_timeout=timeout,
        **settings,
    )
