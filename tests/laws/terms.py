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
    fail,
    identity,
    last,
    stage,
    star,
    step,
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


Term: TypeAlias = "StepTerm | Pure | Failing | Joined | Wrapped | Left"


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
class Functions:
    """How functions are made: of a step from `(label, role, lifted)`, pure ones from a tag."""

    plain: Callable[[str, str, bool], Callable[..., Any]] = Act
    coroutine: Callable[[str, str, bool], Callable[..., Any]] = AsyncAct
    pure: Callable[[str], Callable[[Any], Any]] = Tag
    pure_two: Callable[[str], Callable[[Any, Any], Any]] = TagTwo


ACTS = Functions()


def build(term: Term, functions: Functions = ACTS) -> AnySaga:
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
        case Left(inner, plan, stop, run_id):
            # Interpreters build sagas.
            from tests.laws.interpreters import Case, by_machine

            outcome = by_machine(Case(inner, plan, "before", stop), run_id=run_id).outcome
            left: AnySaga = arrow(as_none)
            if isinstance(outcome, Ok):
                return left >> outcome.compensation
            return left >> outcome.residual if isinstance(outcome, Fatal) else left


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


def changed(term: Term, change: Callable[[StepTerm], StepTerm]) -> Term:
    """Give the term with every step changed."""
    match term:
        case StepTerm():
            return change(term)
        case Joined(parts):
            return evolve(term, parts=tuple(changed(part, change) for part in parts))
        case Wrapped(inner=inner) | Left(inner=inner):
            return evolve(term, inner=changed(inner, change))
        case _:
            return term


def coloured(term: Term, *, is_async: bool) -> Term:
    """Give the term with all steps async, or none."""
    return changed(term, lambda step: evolve(step, is_async=is_async))


def parts_of(term: Term) -> list[Term]:
    """Give a term and all that is in it."""
    match term:
        case Joined(parts):
            return [term, *(inner for part in parts for inner in parts_of(part))]
        case Wrapped(inner=inner) | Left(inner=inner):
            return [term, *parts_of(inner)]
        case _:
            return [term]


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
