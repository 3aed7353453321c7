"""A saga of each form there is, and a run over it: what pictures are to show."""

from typing import Any

from returns.result import Failure, Result, Success

from sagalib import Picture, Saga, Step, draw, each, fail, identity, on, par, simulate, when

AnySaga = Saga[Any, Any, Any, Any, Any]


def execute(value: Any) -> Result[Any, Any]:
    """Give the value."""
    return Success(value)


def undo(value: Any) -> Result[None, Any]:
    """Make up for it."""
    return Success(None)


def is_big(value: Any) -> bool:
    """Choose."""
    return bool(value == "big")


def rescue(error: Any) -> Any:
    """Make a value of an error."""
    return error


def brings(value: Any) -> AnySaga:
    """Bring a saga."""
    return step("later")


class Card:
    """One kind of value."""


class Cash:
    """Another kind of value."""


def step(name: str, **settings: Any) -> AnySaga:
    """Make a step with a compensation."""
    return Step(execute, undo, name=name, **settings)


def bare(name: str, **settings: Any) -> AnySaga:
    """Make a step without one."""
    return Step(execute, name=name, **settings)


def forms(name: str = "pay") -> dict[str, AnySaga]:
    """Give a saga of each form; ``name`` is what `nested` is called."""
    a, b, d = step("a"), step("b"), bare("d")
    return {
        "when": step("z") >> when(is_big, a).otherwise(b) >> d,
        "when without an other": when(is_big, a).otherwise(identity()) >> d,
        "when one fails": when(is_big, fail("no")).otherwise(a) >> d,
        "on": on(Card, a).on(Cash, b) >> d,
        "par": step("z") >> par(a >> step("c"), b, limit=2, on_failure="interrupt") >> d,
        "par of nothing": par() >> d,
        "par of scopes": par(a.nested(name), b.retry(1), b.or_else(a)) >> d,
        "each": each(a >> b, limit=3) >> d,
        "each of each": each(each(a)) >> d,
        "or_else": step("z") >> (a >> b).or_else(step("c")) >> d,
        "recover": (a >> b).recover(rescue) >> d,
        "retry": step("z") >> (a >> b).retry(2) >> d,
        "deadline": (a >> b).deadline(5) >> d,
        "nested": (a >> b).nested(name) >> d,
        "nested with a compensation": (a >> b).nested(name, undo) >> d,
        "bind": a.bind(brings) >> d,
        "pivot in a scope": (a >> bare("b", pivot=True) >> step("c")).retry(1) >> d,
    }


INPUTS: dict[str, Any] = {"on": Cash(), "each": [1, 2], "each of each": [[1], [2, 3]]}


def pictures(name: str = "pay") -> list[Picture]:
    """Give the picture of each form, and of a run of it that fails at its end."""
    found: list[Picture] = []
    for form, saga in forms(name).items():
        outcome = simulate(saga, INPUTS.get(form, "in"), {"d": [Failure("no")]})
        found += [draw(saga), draw(saga, outcome.log)]
    return found
