"""What is planted besides the mutants of ``mutmut``: conditions negated, statements dropped.

A condition that is a bare name or a call, a call for its effect, a ``raise`` and what is returned
are left alone by ``mutmut``.
"""

from collections.abc import Callable, Iterable
from typing import Any

import libcst as cst

__all__ = ["OPERATORS", "UNTOUCHED_CALLS"]

# What the arguments of these say is read by type checkers only.
UNTOUCHED_CALLS = {"TypeVar", "assert_never", "cast"}

# Conditions with an operator of their own, which is mutated already.
_WITH_OPERATOR = (cst.Comparison, cst.BooleanOperation, cst.UnaryOperation)


def _negated(condition: cst.BaseExpression) -> cst.BaseExpression:
    if isinstance(condition, cst.NamedExpr):
        condition = condition.with_changes(lpar=[cst.LeftParen()], rpar=[cst.RightParen()])
    return cst.UnaryOperation(cst.Not(), condition)


def negate_condition(node: cst.If | cst.While | cst.CompIf) -> Iterable[cst.CSTNode]:
    """``if found:`` -> ``if not found:``."""
    if not isinstance(node.test, _WITH_OPERATOR):
        yield node.with_changes(test=_negated(node.test))


def negate_guard(node: cst.MatchCase) -> Iterable[cst.CSTNode]:
    """``case kind if found:`` -> ``case kind if not found:``."""
    if node.guard is not None and not isinstance(node.guard, _WITH_OPERATOR):
        yield node.with_changes(guard=_negated(node.guard))


def drop_statement(node: cst.Expr | cst.Raise) -> Iterable[cst.CSTNode]:
    """``found.append(it)`` -> ``pass``."""
    if isinstance(node, cst.Raise) or isinstance(node.value, cst.Call | cst.Yield):
        yield cst.Pass()


def return_none(node: cst.Return) -> Iterable[cst.CSTNode]:
    """``return found`` -> ``return None``."""
    if node.value is not None and not _is_none(node.value):
        yield node.with_changes(value=cst.Name("None"))


def _is_none(node: cst.BaseExpression) -> bool:
    return isinstance(node, cst.Name) and node.value == "None"


OPERATORS: list[tuple[type, Callable[[Any], Iterable[cst.CSTNode]]]] = [
    (cst.If, negate_condition),
    (cst.While, negate_condition),
    (cst.CompIf, negate_condition),
    (cst.MatchCase, negate_guard),
    (cst.Expr, drop_statement),
    (cst.Raise, drop_statement),
    (cst.Return, return_none),
]
"""What is mutated, and into what."""
