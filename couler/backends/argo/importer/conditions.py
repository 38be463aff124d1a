"""Argo's ``when`` and ``depends`` as conditions, and back."""

from __future__ import annotations

import re
from collections.abc import Mapping

from couler.backends.argo.importer.tags import TAG, Reading, Writing, constant_text
from couler.core.dsl import status_text
from couler.core.errors import DefinitionError
from couler.core.ir import model as ir

_TOKEN = re.compile(
    r"""\s*(?:(?P<sign>&&|\|\||==|!=|>=|<=|>|<|!(?!=)|\(|\))|'(?P<single>[^']*)'|"(?P<double>[^"]*)"|"""
    r"""(?P<word>(?:\{\{.*?\}\}|[^\s&|!=<>()'"])+))"""
)
_COMPARES = ("==", "!=", ">=", "<=", ">", "<")
_NUMBER = re.compile(r"-?\d+(\.\d+)?")
_OUTCOMES = {"Succeeded": "succeeded", "Failed": "failed"}


class Untranslatable(Exception):  # noqa: N818 - it is caught where it is raised for, and is no failure
    """Couler's conditions cannot say this."""


# --- when ------------------------------------------------------------------------------------------------------


def read_when(text: str, reading: Reading) -> ir.Condition:
    """The condition that a ``when`` says.

    Raises:
        Untranslatable: It uses what couler's conditions lack.
    """
    if "{{=" in text:
        raise Untranslatable("an expression")
    for match in TAG.finditer(text):
        if reading.reference(match[1].strip()) is None:
            raise Untranslatable(match[0])
    tokens = _tokens(text)
    parser = _When(tokens, reading)
    found = parser.either()
    if parser.rest:
        raise Untranslatable(parser.rest[0][1])
    return found


def _tokens(text: str) -> list[tuple[str, str]]:
    found, position = [], 0
    while text[position:].strip():
        match = _TOKEN.match(text, position)
        if match is None:
            raise Untranslatable(text[position : position + 10])
        kind = match.lastgroup or ""
        found.append(("quoted" if kind in ("single", "double") else kind, match[kind]))
        position = match.end()
    return found


class _When:
    """Reads tokens by recursive descent: or, and, not, comparisons."""

    def __init__(self, tokens: list[tuple[str, str]], reading: Reading) -> None:
        self.rest = tokens
        self._reading = reading

    def either(self) -> ir.Condition:
        parts = [self._both()]
        while self._takes("||"):
            parts.append(self._both())
        return parts[0] if len(parts) == 1 else ir.AnyOf(parts=tuple(parts))

    def _both(self) -> ir.Condition:
        parts = [self._single()]
        while self._takes("&&"):
            parts.append(self._single())
        return parts[0] if len(parts) == 1 else ir.AllOf(parts=tuple(parts))

    def _single(self) -> ir.Condition:
        if self._takes("!"):
            return ir.Not(part=self._single())
        if self._takes("("):
            inner = self.either()
            if not self._takes(")"):
                raise Untranslatable("a bracket is missing")
            return inner
        left = self._operand()
        for sign in _COMPARES:
            if self._takes(sign):
                return _compared(sign, left, self._operand())
        if isinstance(left, ir.Constant) and left.value in ("true", "false"):
            return ir.Truth(value=ir.Constant(value=left.value == "true"))
        if isinstance(left, ir.Constant):
            raise Untranslatable(str(left.value))
        return ir.Compare(operator="==", left=left, right=ir.Constant(value="true"))

    def _operand(self) -> ir.Value:
        if not self.rest or self.rest[0][0] == "sign":
            raise Untranslatable("an operand is missing")
        kind, text = self.rest.pop(0)
        if kind == "word" and text in ("in", "=~"):
            raise Untranslatable(text)
        return self._reading.value(text)

    def _takes(self, sign: str) -> bool:
        if self.rest and self.rest[0] == ("sign", sign):
            self.rest.pop(0)
            return True
        return False


def _compared(sign: str, left: ir.Value, right: ir.Value) -> ir.Condition:
    if isinstance(right, ir.Constant) and left == ir.RunRef(field="status"):
        if right.value not in _OUTCOMES:
            raise Untranslatable(str(right.value))
        right = ir.Constant(value=_OUTCOMES[right.value])
    if sign not in ("==", "!="):
        left, right = _number(left), _number(right)
    return ir.Compare(operator=sign, left=left, right=right)


def _number(value: ir.Value) -> ir.Value:
    if isinstance(value, ir.Constant):
        if not _NUMBER.fullmatch(value.value):
            raise Untranslatable(f"{value.value} is no number")
        return ir.Constant(value=float(value.value) if "." in value.value else int(value.value))
    return value


def write_when(condition: ir.Condition, writing: Writing) -> str:
    """The ``when`` that says a condition.

    Raises:
        DefinitionError: Argo's conditions cannot say it.
    """
    match condition:
        case ir.Compare() if condition.operator != "in":
            right = condition.right
            if condition.left == ir.RunRef(field="status") and isinstance(right, ir.Constant):
                known = {outcome: word for word, outcome in _OUTCOMES.items()}
                right = ir.Constant(value=known.get(right.value, right.value))
            return f"{_operand(condition.left, writing)} {condition.operator} {_operand(right, writing)}"
        case ir.Truth(value=ir.Constant(value=bool(known))):
            return "true" if known else "false"
        case ir.Truth():
            return f"{_operand(condition.value, writing)} == true"
        case ir.AllOf() | ir.AnyOf():
            sign = " && " if isinstance(condition, ir.AllOf) else " || "
            return sign.join(_bracketed(part, writing) for part in condition.parts)
        case ir.Not():
            return f"!({write_when(condition.part, writing)})"
        case _:
            raise DefinitionError(f"a condition of the kind '{condition.kind}' cannot be written as `when`")


def _bracketed(condition: ir.Condition, writing: Writing) -> str:
    text = write_when(condition, writing)
    return f"({text})" if isinstance(condition, (ir.AllOf, ir.AnyOf)) else text


def _operand(value: ir.Value, writing: Writing) -> str:
    if isinstance(value, ir.Constant):
        text = constant_text(value.value)
        plain = re.fullmatch(r"\w+|\d+\.\d+", text) is not None
        return text if plain else f"'{text}'"
    return writing.text(value)


# --- depends ---------------------------------------------------------------------------------------------------


def ended_well(name: str, tolerant: Mapping[str, bool]) -> ir.Condition:
    """What a bare name says: the step succeeded or was skipped, or ended anyhow where it may fail."""
    if tolerant.get(name):
        return ir.StatusIs(step=name, status="ended")
    options = tuple(ir.StatusIs(step=name, status=status) for status in ("succeeded", "skipped"))
    return ir.AnyOf(parts=options)


def order_after(names: list[str], tolerant: Mapping[str, bool]) -> tuple[tuple[str, ...], ir.Condition | None]:
    """``after`` and ``after_condition`` of a step that waits for all of some others."""
    plain = tuple(dict.fromkeys(name for name in names if not tolerant.get(name)))
    rest = [ended_well(name, tolerant) for name in dict.fromkeys(names) if tolerant.get(name)]
    if not rest:
        return plain, None
    return plain, rest[0] if len(rest) == 1 else ir.AllOf(parts=tuple(rest))


def read_depends(text: str, tolerant: Mapping[str, bool]) -> tuple[tuple[str, ...], ir.Condition | None]:
    """``after`` and ``after_condition`` for what a ``depends`` says.

    Raises:
        DefinitionError: It is not of the form that couler knows.
    """
    condition = status_text.parse(text)
    names = status_text.plain_names(condition)
    if names is not None:
        return order_after(names, tolerant)
    built = condition._build(lambda raw: ir.Constant(value=raw))
    return (), _with_tolerant(built, tolerant)


def _with_tolerant(condition: ir.Condition, tolerant: Mapping[str, bool]) -> ir.Condition:
    match condition:
        case ir.AnyOf(parts=(ir.StatusIs(step=name), ir.StatusIs())) if condition == ended_well(name, {}):
            return ended_well(name, tolerant)
        case ir.AllOf() | ir.AnyOf():
            parts = tuple(_with_tolerant(part, tolerant) for part in condition.parts)
            return condition.model_copy(update={"parts": parts})
        case ir.Not():
            return ir.Not(part=_with_tolerant(condition.part, tolerant))
        case _:
            return condition


def write_depends(after: tuple[str, ...], condition: ir.Condition | None, tolerant: Mapping[str, bool]) -> str:
    """The ``depends`` that says ``after`` and ``after_condition``."""
    parts = list(after)
    if condition is not None:
        inner = _status(condition, tolerant)
        parts.append(f"({inner})" if parts and isinstance(condition, ir.AnyOf) and " || " in inner else inner)
    return " && ".join(parts)


def _status(condition: ir.Condition, tolerant: Mapping[str, bool]) -> str:
    match condition:
        case ir.StatusIs(status="ended"):
            name = condition.step
            every = " || ".join(f"{name}.{word}" for word in ("Succeeded", "Failed", "Errored", "Skipped", "Omitted"))
            return name if tolerant.get(name) else f"({every})"
        case ir.StatusIs():
            return f"{condition.step}.{condition.status.capitalize()}"
        case ir.AnyOf(parts=(ir.StatusIs(step=name), ir.StatusIs())) if condition == ended_well(name, {}):
            return name
        case ir.AllOf() | ir.AnyOf():
            sign = " && " if isinstance(condition, ir.AllOf) else " || "
            written = [(part, _status(part, tolerant)) for part in condition.parts]
            return sign.join(f"({text})" if f"{sign[1]}{sign[2]}" not in text and " " in text else text
                             for _, text in written)  # fmt: skip
        case ir.Not():
            inner = _status(condition.part, tolerant)
            return f"!({inner})" if " " in inner else f"!{inner}"
        case _:
            raise DefinitionError(f"a condition of the kind '{condition.kind}' cannot be written as `depends`")


def statuses_told_apart(text: str) -> bool:
    """Whether a ``depends`` asks for statuses that couler has as well."""
    return not re.search(r"\.(Errored|Omitted|Daemoned|AnySucceeded|AllFailed)\b", text)
