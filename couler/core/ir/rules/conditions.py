"""Conditions: what they compare can be compared."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache

from couler.core.errors import Problem
from couler.core.ir.model import AllOf, AnyOf, Compare, Condition, Not, Truth
from couler.core.ir.rules.context import Context, Located
from couler.core.ir.rules.values import type_of
from couler.core.ir.types import may_equal, parse


def comparable(context: Context) -> Iterator[Problem]:
    """Both sides of a comparison can be equal, ordered, or one in the other."""
    for at in context.having("when"):
        if at.step.when is not None:
            yield from _check(at, "when", at.step.when)
    for at in context.having("loop"):
        if at.step.loop is not None:
            yield from _check(at, "the condition of the loop", at.step.loop.condition)
    for at in context.having("after_condition"):
        if at.step.after_condition is not None:
            yield from _check(at, "after_condition", at.step.after_condition)


def _check(at: Located, where: str, condition: Condition) -> Iterator[Problem]:
    match condition:
        case Compare():
            yield from _check_compare(at, where, condition)
        case Truth():
            given = type_of(condition.value, at.place, at.step)
            if given and not _shares("bool", given):
                message = f"{where} uses a value of type {given} as a condition; only a bool can be one"
                yield at.problem("condition-type", message, 'compare it, for example with `!= 0` or `!= ""`')
        case AllOf() | AnyOf():
            for part in condition.parts:
                yield from _check(at, where, part)
        case Not():
            yield from _check(at, where, condition.part)
        case _:
            pass


def _check_compare(at: Located, where: str, condition: Compare) -> Iterator[Problem]:
    left = type_of(condition.left, at.place, at.step)
    right = type_of(condition.right, at.place, at.step)
    if left and right and (trouble := _trouble(condition.operator, left, right)):
        yield at.problem("comparison", f"{where}: {trouble}")


@lru_cache(maxsize=4096)
def _trouble(operator: str, left: str, right: str) -> str:
    """Why two types cannot be compared so, or the empty string."""
    if operator == "in":
        return _trouble_of_in(left, right)
    if operator in ("==", "!="):
        if may_equal(left, right):
            return ""
        return f"`{operator}` compares {left} with {right}, which are never equal"
    if any(_shares(kind, left) and _shares(kind, right) for kind in ("int | float", "str")):
        return ""
    if not _orderable(left) or not _orderable(right):
        unordered = right if _orderable(left) else left
        return f"`{operator}` orders a value of type {unordered}; only numbers and strings have an order"
    return f"`{operator}` orders {left} and {right}; only two numbers or two strings have an order"


def _trouble_of_in(left: str, right: str) -> str:
    lists = [atom for atom in parse(right).alternatives if atom.name in ("list", "any")]
    if not lists:
        return f"`in` looks into a value of type {right}; it needs a list on its right side"
    if any(atom.item is None or may_equal(left, str(atom.item)) for atom in lists):
        return ""
    return f"`in` looks for {left} in {right}, where it never is"


def _shares(kind: str, given: str) -> bool:
    return may_equal(kind, given)


def _orderable(given: str) -> bool:
    return may_equal("int | float | str", given)
