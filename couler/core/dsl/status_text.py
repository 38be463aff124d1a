"""Status expressions as text: ``"A && (B.Failed || C)"``."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Literal

from couler.core.dsl.conditions import Adopt, Combination, ConditionExpression, Negation
from couler.core.errors import DefinitionError, near
from couler.core.ir import model as ir

Status = Literal["succeeded", "failed", "skipped", "ended"]

_STATUSES: dict[str, Status] = {
    "Succeeded": "succeeded",
    "Failed": "failed",
    "Errored": "failed",
    "Skipped": "skipped",
    "Omitted": "skipped",
    "Ended": "ended",
}
_TOKEN = re.compile(r"\s*(?:(&&|\|\||!|\(|\))|([^\s&|!()]+))")


class NamedStatus(ConditionExpression):
    """How the step of a name ended; without a status: succeeded or skipped."""

    __slots__ = ("name", "status")

    def __init__(self, name: str, status: Status | None) -> None:
        self.name = name
        self.status = status

    def _label(self) -> str:
        return f"{self.name}.{self.status}" if self.status else self.name

    def _build(self, adopt: Adopt) -> ir.Condition:
        if self.status is not None:
            return ir.StatusIs(step=self.name, status=self.status)
        either: tuple[Status, Status] = ("succeeded", "skipped")
        return ir.AnyOf(parts=tuple(ir.StatusIs(step=self.name, status=status) for status in either))


def parse(text: str) -> ConditionExpression:
    """The condition that a status expression says.

    Args:
        text: Names with or without ``.Succeeded``, ``.Failed``, ``.Skipped`` (also Argo's ``.Errored`` and
            ``.Omitted``),
            joined by ``&&``, ``||``, ``!`` and brackets.

    Raises:
        DefinitionError: It is not of that form; the message shows where.
    """
    tokens = list(_tokens(text))
    condition, rest = _either(tokens, text)
    if rest:
        raise _error(text, f"'{rest[0]}' is unexpected")
    return condition


def names_with_failure(condition: ConditionExpression) -> Iterator[str]:
    """Names of steps whose failure the condition asks for."""
    if isinstance(condition, NamedStatus) and condition.status == "failed":
        yield condition.name
    elif isinstance(condition, Combination):
        for part in condition.parts:
            yield from names_with_failure(part)
    elif isinstance(condition, Negation):
        yield from names_with_failure(condition.part)


def plain_names(condition: ConditionExpression) -> list[str] | None:
    """The names, when the condition is nothing but names joined by ``&&``."""
    parts = condition.parts if isinstance(condition, Combination) and condition.kind == "and" else (condition,)
    names = [part.name for part in parts if isinstance(part, NamedStatus) and part.status is None]
    return names if len(names) == len(parts) else None


def _tokens(text: str) -> Iterator[str]:
    position = 0
    while position < len(text.rstrip()):
        match = _TOKEN.match(text, position)
        if match is None:
            raise _error(text, f"'{text[position:].strip()[:1]}' is unexpected")
        yield match[1] or match[2]
        position = match.end()


def _either(tokens: list[str], text: str) -> tuple[ConditionExpression, list[str]]:
    left, tokens = _both(tokens, text)
    while tokens and tokens[0] == "||":
        right, tokens = _both(tokens[1:], text)
        left = left | right
    return left, tokens


def _both(tokens: list[str], text: str) -> tuple[ConditionExpression, list[str]]:
    left, tokens = _single(tokens, text)
    while tokens and tokens[0] == "&&":
        right, tokens = _single(tokens[1:], text)
        left = left & right
    return left, tokens


def _single(tokens: list[str], text: str) -> tuple[ConditionExpression, list[str]]:
    if not tokens:
        raise _error(text, "a name is missing at the end")
    first, rest = tokens[0], tokens[1:]
    if first == "!":
        inner, rest = _single(rest, text)
        return ~inner, rest
    if first == "(":
        inner, rest = _either(rest, text)
        if not rest or rest[0] != ")":
            raise _error(text, "a closing bracket is missing")
        return inner, rest[1:]
    if first in ("&&", "||", ")"):
        raise _error(text, f"'{first}' is unexpected")
    name, dot, status = first.rpartition(".")
    if not dot:
        return NamedStatus(first, None), rest
    if status not in _STATUSES:
        raise _error(text, f"unknown status '{status}'; {near(status, _STATUSES, 'statuses')}")
    return NamedStatus(name, _STATUSES[status]), rest


def _error(text: str, problem: str) -> DefinitionError:
    return DefinitionError(f"status expression {text!r}: {problem}", 'it looks like "A && (B.Failed || C)"')
