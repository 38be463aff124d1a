"""Argo's ``when`` as conditions over values, and back."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from couler.backends.argo.importer.tags import TAG, Reading, Writing, constant_text
from couler.core.errors import DefinitionError
from couler.core.ir import model as ir
from couler.core.ir.json import Json

_TOKEN = re.compile(
    r"""\s*(?:(?P<sign>&&|\|\||==|!=|>=|<=|>|<|!(?!=)|\(|\))|'(?P<single>(?:[^'\\]|\\.)*)'|"(?P<double>(?:[^"\\]|\\.)*)"|"""
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
        return _read_expression(text, reading)
    for match in TAG.finditer(text):
        if reading.reference(match[1].strip()) is None:
            raise Untranslatable(match[0])
    tokens = _tokens(text)
    parser = _When(tokens, reading)
    found = parser.either()
    if parser.rest:
        raise Untranslatable(parser.rest[0][1])
    return found


_EXPRESSION = re.compile(r"\{\{=(.*)\}\}", re.DOTALL)
_KEY = r"""\[(?:'([^']+)'|"([^"]+)")\]"""
_PATH = re.compile(
    rf"(?P<numeric>as(?:Int|Float)\()?(?P<path>(?:steps|tasks){_KEY}\.outputs\.(?:result|parameters{_KEY})|"
    rf"(?:inputs|workflow)\.parameters(?:{_KEY}|\.\w+)|workflow\.status)(?(numeric)\))"
)


def _read_expression(text: str, reading: Reading) -> ir.Condition:
    """A condition written as one expression: comparisons of references with texts, or of numbers with numbers."""
    match = _EXPRESSION.fullmatch(text.strip())
    if match is None:
        raise Untranslatable("an expression")
    plain = _PATH.sub(_as_tag, match[1])
    words = _PLAIN_PARTS.sub("", plain)
    orders = re.search(r"[<>]", _QUOTED.sub("", match[1])) is not None
    wrapped = [found["numeric"] is not None for found in _PATH.finditer(match[1])]
    if words.strip() or re.search(r"[=!]=\s*\d", plain) or any(one != orders for one in wrapped):
        raise Untranslatable("an expression")
    return read_when(plain, reading)


_QUOTED = re.compile(r"""'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*[\"]""")
_PLAIN_PARTS = re.compile(rf"\{{\{{[^{{}}]*\}}\}}|{_QUOTED.pattern}|-?\d+(?:\.\d+)?|&&|\|\||[!=<>]=|[<>!()]")


def _as_tag(found: re.Match[str]) -> str:
    return "{{" + re.sub(_KEY, lambda key: f".{key[1] or key[2]}", found["path"]) + "}}"


def _tokens(text: str) -> list[tuple[str, str]]:
    found, position = [], 0
    while text[position:].strip():
        match = _TOKEN.match(text, position)
        if match is None:
            raise Untranslatable(text[position : position + 10])
        kind = match.lastgroup or ""
        if kind in ("single", "double"):
            found.append(("quoted", re.sub(r"\\(.)", r"\1", match[kind])))
        else:
            found.append((kind, match[kind]))
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

    Comparisons with words are written as Argo's users write them. Other texts would be taken apart by Argo after it has
    filled in the tags, so that conditions with them are written as one expression.

    Raises:
        DefinitionError: Argo's conditions cannot say it.
    """
    if all(_WORD.fullmatch(constant_text(constant)) for constant in _constants(condition)):
        return _written(condition, lambda value: _bare(value, writing), lambda text: text)
    text = _written(condition, lambda value: _operand(value, writing), lambda text: f"asFloat({text})")
    if "}}" in text:
        raise DefinitionError("a condition with the text '}}' cannot be written, since Argo ends a tag there")
    return "{{= " + text + " }}"


_WORD = re.compile(r"\w+|\d+\.\d+")


def _constants(condition: ir.Condition) -> Iterator[Json]:
    match condition:
        case ir.Compare():
            yield from (side.value for side in (condition.left, condition.right) if isinstance(side, ir.Constant))
        case ir.AllOf() | ir.AnyOf():
            for part in condition.parts:
                yield from _constants(part)
        case ir.Not():
            yield from _constants(condition.part)
        case _:
            pass


def _written(condition: ir.Condition, operand: Callable[[ir.Value], str], number: Callable[[str], str]) -> str:
    match condition:
        case ir.Compare(operator="<" | "<=" | ">" | ">="):
            sides = [
                operand(side) if isinstance(side, ir.Constant) else number(operand(side))
                for side in (condition.left, condition.right)
            ]
            return f"{sides[0]} {condition.operator} {sides[1]}"
        case ir.Compare() if condition.operator != "in":
            right = condition.right
            if condition.left == ir.RunRef(field="status") and isinstance(right, ir.Constant):
                known = {outcome: word for word, outcome in _OUTCOMES.items()}
                right = ir.Constant(value=known.get(right.value, right.value))
            return f"{operand(condition.left)} {condition.operator} {operand(right)}"
        case ir.Truth(value=ir.Constant(value=bool(known))):
            return "true" if known else "false"
        case ir.Truth():
            return f"{operand(condition.value)} == {operand(ir.Constant(value='true'))}"
        case ir.AllOf() | ir.AnyOf():
            sign = " && " if isinstance(condition, ir.AllOf) else " || "
            inner = [
                (isinstance(part, (ir.AllOf, ir.AnyOf)), _written(part, operand, number)) for part in condition.parts
            ]
            return sign.join(f"({text})" if nested else text for nested, text in inner)
        case ir.Not():
            return f"!({_written(condition.part, operand, number)})"
        case _:
            raise DefinitionError(f"a condition of the kind '{condition.kind}' cannot be written as `when`")


def _bare(value: ir.Value, writing: Writing) -> str:
    return constant_text(value.value) if isinstance(value, ir.Constant) else writing.text(value)


def _operand(value: ir.Value, writing: Writing) -> str:
    """One side of a comparison in an expression."""
    if isinstance(value, ir.Constant) and isinstance(value.value, str):
        escaped = value.value.replace("\\", "\\\\").replace("'", "\\'").replace("\n", "\\n")
        return f"'{escaped}'"
    if isinstance(value, ir.Constant):
        return constant_text(value.value)
    first, *rest = writing.tag(value).split(".", 3 if writing.tag(value).startswith(("steps.", "tasks.")) else 2)
    if first in ("steps", "tasks"):
        name, _, output = rest
        kind, _, parameter = output.partition(".")
        return f"{first}['{name}'].outputs." + (f"{kind}['{parameter}']" if parameter else kind)
    if len(rest) == 2:
        return f"{first}.{rest[0]}['{rest[1]}']"
    return ".".join([first, *rest])
