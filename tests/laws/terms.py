"""Terms: sagas as plain data, to be built again with other names, colours or functions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, TypeAlias, cast

from attrs import evolve, field, frozen

from sagalib import (
    AsyncStep,
    Fatal,
    Ok,
    Retry,
    Saga,
    Soft,
    Step,
    arrow,
    async_stage,
    catching,
    chain,
    compensating,
    each,
    fail,
    gather,
    identity,
    last,
    on,
    par,
    stage,
    star,
    step,
    together,
    when,
)
from sagalib.core.instructions import Owed, Promise
from sagalib.core.saga import Composite
from tests.laws.world import Act, Answer, AsyncAct, Boom, Plan, Refusal

AnySaga: TypeAlias = Saga[Any, Any, Any, Any, Any]
Form: TypeAlias = Literal["step", "decorator", "lifted", "stage", "context", "promise"]
Given: TypeAlias = Literal["no", "argument", "method"]
Wrapping: TypeAlias = Literal[
    "map", "contramap", "map_error", "keep", "keep_last", "keep_star", "named"
]
Joining: TypeAlias = Literal["left", "right", "then", "chain"]
Forking: TypeAlias = Literal["&", "par", "gather", "together"]
Choosing: TypeAlias = Literal["when", "on"]
Trying: TypeAlias = Literal["or_else", "|"]


@frozen
class StepTerm:
    """A step, in any of the forms that make one."""

    name: str
    form: Form = "step"
    is_async: bool = False
    compensated: Given = "argument"
    settled: Given = "no"
    settle_on: Literal["doubt", "failure"] = "doubt"
    pivot: bool = False
    retries: int | Retry = 0
    compensation_retries: int | Retry = 0
    timeout: float | Soft | None = None
    compensation_timeout: float | Soft | None = None


@frozen
class Pure:
    """`arrow`; the tag `boom` raises."""

    tag: str


@frozen
class Failing:
    """`fail`."""

    error: str


@frozen
class Joined:
    """Terms one after the other, joined in one of the ways there are; `identity()` for none."""

    parts: tuple[Term, ...]
    how: Joining = "left"


@frozen
class Wrapped:
    """A method of a saga."""

    kind: Wrapping
    tag: str
    inner: Term


@frozen
class Left:
    """What an earlier run of `inner` left: its residual, or the compensation of its success."""

    inner: Term
    plan: Plan = field(hash=False)
    stop: bool
    run_id: str


@frozen
class Beside:
    """Terms side by side; `together` takes stages."""

    parts: tuple[Term, ...]
    how: Forking = "par"
    limit: int | None = None
    interrupts: bool = False


@frozen
class PerItem:
    """`each`, on so many items that are made of what comes."""

    inner: Term
    items: int = 2
    limit: int | None = 1
    interrupts: bool = False


@frozen
class Chosen:
    """`when` with a predicate by its tag, or `on` for tuples and others."""

    tag: str
    inner: Term
    other: Term
    how: Choosing = "when"


@frozen
class Tried:
    """`or_else`."""

    inner: Term
    other: Term
    how: Trying = "or_else"


@frozen
class Recovered:
    """`recover` with a pure function."""

    tag: str
    inner: Term


@frozen
class Again:
    """`retry`."""

    retries: int | Retry
    inner: Term


@frozen
class Nest:
    """`nested`, with or without a compensation of its own."""

    name: str
    inner: Term
    compensated: bool = False


@frozen
class Brought:
    """`bind` to `other`; or, by the tag, to a function that raises or gives no saga."""

    inner: Term
    other: Term
    tag: str = "saga"


@frozen
class Within:
    """`deadline`."""

    seconds: float
    inner: Term


Term: TypeAlias = (
    StepTerm
    | Pure
    | Failing
    | Joined
    | Wrapped
    | Left
    | Beside
    | PerItem
    | Chosen
    | Tried
    | Recovered
    | Again
    | Nest
    | Brought
    | Within
)


@frozen
class Tag:
    """A pure function: it pairs what it gets with a tag, or raises."""

    tag: str

    def __call__(self, value: object) -> object:
        """Pair, or raise."""
        if self.tag == "boom":
            raise Boom("pure")
        return (self.tag, value)


@frozen
class TagTwo:
    """A pure function of two arguments."""

    tag: str

    def __call__(self, one: object, other: object) -> object:
        """Pair, or raise."""
        return Tag(self.tag)((other, one))


def as_context(value: object) -> tuple[object, ...]:
    """Give a context to a stage."""
    if isinstance(value, tuple):
        return cast("tuple[object, ...]", value) or ((),)
    return (value,)


def as_none(_: object) -> None:
    """Give what a residual takes."""


@frozen
class Items:
    """Makes so many items of a value."""

    count: int

    def __call__(self, value: object) -> object:
        """Give them."""
        return tuple((value, number) for number in range(self.count))


@frozen
class Is:
    """A predicate: `yes`, `no`, whether it gets a tuple, or `boom`."""

    tag: str

    def __call__(self, value: object) -> bool:
        """Tell, or raise."""
        if self.tag == "boom":
            raise Boom("predicate")
        return self.tag == "yes" or (self.tag == "tuple" and isinstance(value, tuple))


@frozen
class Bring:
    """What `bind` takes."""

    saga: AnySaga
    tag: str = "saga"

    def __call__(self, _: object) -> Any:
        """Give the saga, raise, or give something else."""
        if self.tag == "boom":
            raise Boom("bind")
        return self.saga if self.tag == "saga" else self.tag


@frozen
class Functions:
    """How functions are made: of a step from `(label, role, lifted)`, pure ones from a tag."""

    plain: Callable[[str, str, bool], Callable[..., Any]] = Act
    coroutine: Callable[[str, str, bool], Callable[..., Any]] = AsyncAct
    pure: Callable[[str], Callable[[Any], Any]] = Tag
    pure_two: Callable[[str], Callable[[Any, Any], Any]] = TagTwo
    predicate: Callable[[str], Callable[[Any], bool]] = Is
    bring: Callable[[AnySaga, str], Callable[[Any], AnySaga]] = Bring


ACTS = Functions()


def build(term: Term, functions: Functions = ACTS) -> AnySaga:  # noqa: PLR0912 - one closed match
    """Build the saga that a term describes."""
    match term:
        case StepTerm():
            return _step(term, functions)
        case Pure(tag):
            return arrow(functions.pure(tag))
        case Failing(error):
            return fail(error)
        case Joined(parts, how):
            return _joined([build(part, functions) for part in parts], how)
        case Wrapped(kind, tag, inner):
            return _wrapped(kind, tag, build(inner, functions), functions)
        case Beside():
            return _beside(term, functions)
        case PerItem(inner, items, limit, interrupts):
            on_failure: Any = "interrupt" if interrupts else "await"
            body: AnySaga = each(build(inner, functions), limit=limit, on_failure=on_failure)
            items_of: AnySaga = arrow(Items(items))
            return items_of >> body
        case Chosen(tag, inner, other, how):
            first, second = build(inner, functions), build(other, functions)
            if how == "on":
                return on(cast("type[object]", tuple), first).on(object, second)
            return when(functions.predicate(tag), first).otherwise(second)
        case Tried(inner, other, how):
            first, second = build(inner, functions), build(other, functions)
            return first | second if how == "|" else first.or_else(second)
        case Recovered(tag, inner):
            return build(inner, functions).recover(functions.pure(tag))
        case Again(retries, inner):
            return build(inner, functions).retry(retries)
        case Nest(name, inner, compensated):
            back = functions.plain(f"{name} step", "compensate", False) if compensated else None
            return build(inner, functions).nested(name, back)
        case Brought(inner, other, tag):
            bring = functions.bring(build(other, functions), tag)
            return build(inner, functions).bind(bring)
        case Within(seconds, inner):
            return build(inner, functions).deadline(seconds)
        case Left(inner, plan, stop, run_id):
            # Interpreters build sagas.
            from tests.laws.interpreters import Case, by_machine

            outcome = by_machine(Case(inner, plan, "before", stop), run_id=run_id).outcome
            left: AnySaga = arrow(as_none)
            if isinstance(outcome, Ok):
                return left >> outcome.compensation
            return left >> outcome.residual if isinstance(outcome, Fatal) else left


def _beside(term: Beside, functions: Functions) -> AnySaga:
    sagas: list[Any] = [build(part, functions) for part in term.parts]
    if term.how == "&":
        first, second = sagas
        return first & second  # type: ignore[no-any-return]
    make: Any = {"par": par, "together": together, "gather": gather}[term.how]
    given = [sagas] if term.how == "gather" else sagas
    forked: AnySaga = make(
        *given, limit=term.limit, on_failure="interrupt" if term.interrupts else "await"
    )
    return arrow(as_context) >> forked if term.how == "together" else forked


def _joined(sagas: list[AnySaga], how: Joining) -> AnySaga:
    if how == "chain":
        return chain(sagas)
    whole: AnySaga = identity()
    if how == "right":
        for saga in reversed(sagas):
            whole = saga >> whole
        return whole
    for saga in sagas:
        whole = whole.then(saga) if how == "then" else whole >> saga
    return whole


def _wrapped(kind: Wrapping, tag: str, inner: AnySaga, functions: Functions) -> AnySaga:
    match kind:
        case "map":
            return inner.map(functions.pure(tag))
        case "contramap":
            return inner.contramap(functions.pure(tag))
        case "map_error":
            return inner.map_error(functions.pure(tag))
        case "keep":
            return inner.keep()
        case "keep_last":
            return inner.keep().map(last)
        case "keep_star":
            return inner.keep().map(star(functions.pure_two(tag)))
        case "named":
            return inner.named(f"named {tag}")


def _step(term: StepTerm, functions: Functions) -> AnySaga:
    make = functions.coroutine if term.is_async else functions.plain
    label = f"{term.name} {term.form}"

    def role(which: str) -> Callable[..., Any]:
        return make(label, which, False)

    settings: dict[str, Any] = {
        "name": term.name,
        "timeout": term.timeout,
        "retries": term.retries,
        "settle_on": term.settle_on,
        "compensation_timeout": term.compensation_timeout,
        "compensation_retries": term.compensation_retries,
        "pivot": term.pivot,
    }
    if term.form == "promise":
        back = {
            key: settings[key] for key in ("name", "compensation_timeout", "compensation_retries")
        }
        promised: AnySaga = compensating(role("compensate"), **back)
        return promised
    compensate = role("compensate") if term.compensated == "argument" else None
    settle = role("settle") if term.settled == "argument" else None
    if term.form in {"stage", "context"}:
        kind: Any = async_stage if term.is_async else stage
        staged: AnySaga = kind(
            role("execute"), compensate, settle=settle, context=term.form == "context", **settings
        )
        return arrow(as_context) >> staged
    made: Any
    if term.form == "decorator":
        decorate: Any = step
        given = {**settings, **({} if compensate is None else {"compensate": compensate})}
        made = decorate(**given)(role("execute"))
        if settle is not None:
            made = made.settled_by(settle)
    else:
        execute = role("execute")
        if term.form == "lifted":
            lifted: Any = catching(Refusal)
            execute = lifted(make(label, "execute", True))
        made = (AsyncStep if term.is_async else Step)(
            execute, compensate, settle=settle, **settings
        )
    if term.compensated == "method":
        made = made.compensated_by(role("compensate"))
    if term.settled == "method":
        made = made.settled_by(role("settle"))
    return made  # type: ignore[no-any-return]


def inside(term: Term) -> tuple[Term, ...]:
    """Give the terms that a term is made of."""
    given: Any = term
    match term:
        case Joined() | Beside():
            return term.parts
        case Chosen() | Tried() | Brought():
            return (given.inner, given.other)
        case StepTerm() | Pure() | Failing():
            return ()
        case _:
            return (given.inner,)


def with_inside(term: Term, parts: tuple[Term, ...]) -> Term:
    """Give the term made of other terms."""
    given: Any = term
    match term:
        case Joined() | Beside():
            return evolve(term, parts=parts)
        case Chosen() | Tried() | Brought():
            return evolve(given, inner=parts[0], other=parts[1])  # type: ignore[no-any-return]
        case StepTerm() | Pure() | Failing():
            return term
        case _:
            return evolve(given, inner=parts[0])  # type: ignore[no-any-return]


def changed(term: Term, change: Callable[[StepTerm], StepTerm]) -> Term:
    """Give the term with every step changed."""
    if isinstance(term, StepTerm):
        return change(term)
    return with_inside(term, tuple(changed(part, change) for part in inside(term)))


def coloured(term: Term, *, is_async: bool) -> Term:
    """Give the term with all steps async, or none."""
    return changed(term, lambda step: evolve(step, is_async=is_async))


def parts_of(term: Term) -> list[Term]:
    """Give a term and all that is in it."""
    return [term, *(inner for part in inside(term) for inner in parts_of(part))]


def steps_of(saga: AnySaga) -> list[tuple[str, str, Any]]:
    """Give path, kind (`step`, `promise`, `owed`) and step of all that makes calls, in order."""
    found: list[tuple[str, str, Any]] = []
    for instruction, path in zip(saga.instructions, saga.paths, strict=True):
        if path is None:
            continue
        if isinstance(instruction, (Promise, Owed)):
            kind = "promise" if isinstance(instruction, Promise) else "owed"
            found.append((path, kind, instruction.step))
        else:
            found.append((path, "step", instruction))
    return found


def with_functions(
    saga: AnySaga, change: Callable[[Callable[..., Any], bool], Callable[..., Any]]
) -> AnySaga:
    """Give the saga with `change(function, is_async)` in the place of each function of a step."""

    def changed_step(made: Any) -> Any:
        roles = ("execute", "compensate", "settle")
        return evolve(
            made,
            **{
                role: change(old, made.is_async)
                for role in roles
                if (old := getattr(made, role)) is not None
            },
        )

    def changed_instruction(instruction: Any) -> Any:
        if instruction.is_step:
            return changed_step(instruction)
        if isinstance(instruction, (Promise, Owed)):
            return evolve(instruction, step=changed_step(instruction.step))
        return instruction

    return Composite(tuple(map(changed_instruction, saga.instructions)), None, saga.name)


_PLAIN = (Answer.OK, Answer.ERR, Answer.RAISE, Answer.BARE, Answer.CUT, Answer.CANCEL)


def answers_for(made: Any, direction: str) -> tuple[Answer, ...]:
    """Give the answers that a call of a step can have in its driver."""
    timeout = made.timeout if direction == "execute" else made.compensation_timeout
    if timeout is None:
        return _PLAIN
    late, cut = (Answer.LATE, Answer.LATE_ERR), (Answer.TIMEOUT,)
    if made.is_async:
        return (*_PLAIN, *late, *cut)
    return (*_PLAIN, *(late if isinstance(timeout, Soft) else cut))
