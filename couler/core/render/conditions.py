"""Conditions as code: comparisons with operators, joined by ``&``, ``|`` and ``~``."""

from __future__ import annotations

from couler.core.ir import model as ir
from couler.core.render.code import Code, Items, Joined, call, one_line
from couler.core.render.models import constructed
from couler.core.render.scope import Scope
from couler.core.render.values import value_code

_VERBS = {"==": "equal", "!=": "not_equal", "<": "smaller", "<=": "smaller_equal", ">": "bigger", ">=": "bigger_equal"}
_TEXT_ONLY = (ir.Constant, ir.ListOf, ir.StoredFile)


def condition_code(condition: ir.Condition, scope: Scope) -> Code:
    """The code of a condition."""
    found = _said(condition, scope)
    return call("couler.explicit.condition", constructed(condition)) if found is None else found


def _said(condition: ir.Condition, scope: Scope) -> Code | None:
    match condition:
        case ir.Compare():
            return _compare(condition, scope)
        case ir.Truth() if not isinstance(condition.value, _TEXT_ONLY):
            return value_code(condition.value, scope, place="reference")
        case ir.StatusIs():
            known = scope.steps.get(condition.step)
            if known is None:
                return None
            scope.used.add(condition.step)
            return f"{known.variable}.{condition.status}"
        case ir.AllOf() | ir.AnyOf() if len(condition.parts) > 1:
            if any(isinstance(part, type(condition)) for part in condition.parts):
                return None
            sign = "&" if isinstance(condition, ir.AllOf) else "|"
            return Joined(tuple(_bracketed(part, scope) for part in condition.parts), sign)
        case ir.Not() if not isinstance(condition.part, ir.Not):
            return f"~{_bracketed(condition.part, scope)}"
        case _:
            return None


def _bracketed(condition: ir.Condition, scope: Scope) -> str:
    said = _said(condition, scope)
    if said is None:
        return one_line(condition_code(condition, scope))
    by_operator = isinstance(condition, (ir.AllOf, ir.AnyOf)) or (
        isinstance(condition, ir.Compare) and not isinstance(said, Items)
    )
    return f"({one_line(said)})" if by_operator else one_line(said)


def _compare(condition: ir.Compare, scope: Scope) -> Code:
    left = value_code(condition.left, scope, place="reference")
    right = value_code(condition.right, scope, place="reference")
    if condition.operator == "in":
        return call("couler.contains", right, left)
    if isinstance(condition.left, _TEXT_ONLY[:1]):
        return call(f"couler.{_VERBS[condition.operator]}", left, right)
    return f"{one_line(left)} {condition.operator} {one_line(right)}"
