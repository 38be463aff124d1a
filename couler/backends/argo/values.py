"""Values and conditions of a workflow as texts and expressions of Argo."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple, Protocol

from couler.backends.argo.wire import dynamic_text, json_of, literal, member, quoted, safe, static_text, wire
from couler.core.errors import EngineError
from couler.core.ir.evaluate import as_text
from couler.core.ir.model import (
    AllOf,
    AnyOf,
    Compare,
    Concat,
    Condition,
    Constant,
    FirstOf,
    ItemRef,
    ListOf,
    LoopOutputRef,
    Not,
    OutputRef,
    ParameterRef,
    Path,
    RoundRef,
    RunRef,
    StatusIs,
    StoredFile,
    Truth,
    Value,
)

Form = Literal["json", "text", "parsed"]


class Source(NamedTuple):
    """Where Argo holds a value.

    Attributes:
        tag: Dotted variable, such as ``tasks.a.outputs.parameters.x``.
        form: ``json``: as `wire` writes it; ``text``: a text as it is; ``parsed``: JSON as a task wrote it.
        type: Type of the value.
        exists: Expressions that all hold when the value exists; empty when it always does.
        expression: Given when an expression other than the variable gives it.
        prefix: Keys that lead to the value in what the variable holds.
    """

    tag: str
    form: Form = "json"
    type: str = "any"
    exists: tuple[str, ...] = ()
    expression: str = ""
    prefix: Path = ()

    @property
    def read(self) -> str:
        """The expression for its text; safe where the value may be missing."""
        found = self.expression or member(self.tag)
        return f"({found} ?? '')" if self.exists else found


class View(Protocol):
    """What can be seen from a place in a workflow."""

    def whole(self, value: Value) -> Source | None:
        """A value that is handed in as a whole here, or None to take it apart."""

    def parameter(self, name: str) -> Source:
        """A parameter of the workflow or of the group."""

    def output(self, step: str, output: str) -> Source:
        """An output of a step."""

    def item(self, name: str) -> Source:
        """The current item."""

    def round(self) -> Source:
        """The number of the round."""

    def loop_output(self, output: str) -> Source:
        """An output of the last round."""

    def run(self, field: str) -> Source:
        """A fact about the run."""

    def status(self, step: str, wanted: str) -> str:
        """An expression for how a step ended."""


def source_of(value: Value, view: View) -> tuple[Source, Path] | None:
    """Where a reference leads, or None for values that are made of others."""
    found = view.whole(value)
    if found is not None:
        return found, found.prefix
    match value:
        case ParameterRef():
            found = view.parameter(value.name)
        case OutputRef():
            found = view.output(value.step, value.output)
        case ItemRef():
            found = view.item(value.name)
        case LoopOutputRef():
            found = view.loop_output(value.output)
        case RoundRef():
            found = view.round()
        case RunRef():
            found = view.run(value.field)
        case _:
            return None
    return found, (*found.prefix, *getattr(value, "path", ()))


def _fallback(value: Value) -> Constant | None:
    return value.default if isinstance(value, OutputRef | FirstOf) else None


# --- as values of expressions -------------------------------------------------------------------------------------


def native(value: Value, view: View) -> str:
    """An expression for the value itself."""
    if isinstance(value, Constant):
        return literal(value.value)
    found = source_of(value, view)
    if found is None:
        return _native_of_parts(value, view)
    return _or_else(value, found[0], _follow(_native_of(found[0]), found[1]), literal)


def _native_of(source: Source) -> str:
    return source.read if source.form == "text" else f"fromJSON({source.read})"


def _follow(expression: str, path: Path) -> str:
    return expression + "".join(f"[{literal(key)}]" for key in path)


def _native_of_parts(value: Value, view: View) -> str:
    match value:
        case Concat():
            return _joined(value, view)
        case ListOf():
            return f"[{', '.join(native(item, view) for item in value.items)}]"
        case FirstOf():
            return _first(value, view, native)
        case StoredFile():
            return literal({"$file": True, "kind": "file", "url": value.url, "options": value.options})
    raise EngineError(f"a value of kind '{value.kind}' cannot stand in an expression of Argo")


def _or_else(value: Value, source: Source, expression: str, write: object) -> str:
    """The expression, or the default where the value does not exist."""
    default = _fallback(value)
    if default is None or not source.exists:
        return expression
    assert callable(write)
    return f"({conjunction(source.exists)} ? {expression} : {write(default.value)})"


def _first(value: FirstOf, view: View, write: object) -> str:
    """The first option that exists."""
    assert callable(write)
    text = write(value.default, view) if value.default is not None else ""
    for option in reversed(value.options):
        found = source_of(option, view)
        assert found is not None
        plain = write(option.model_copy(update={"default": None}), view)
        claim = conjunction(found[0].exists)
        text = f"({claim} ? {plain} : {text})" if text and claim else plain
    return text


def conjunction(claims: Sequence[str]) -> str:
    """Claims that must all hold, as one expression.

    >>> conjunction(["a", "b", "a"])
    'a && b'
    """
    return " && ".join(dict.fromkeys(claims))


# --- as JSON text -------------------------------------------------------------------------------------------------


def wire_expression(value: Value, view: View) -> str:
    """An expression for the value as JSON text."""
    if isinstance(value, Constant):
        return quoted(wire(value.value))
    found = source_of(value, view)
    if found is not None:
        source, path = found
        text = json_of(_follow(_native_of(source), path)) if path else wire_of(source)
        return _or_else(value, source, text, lambda default: quoted(wire(default)))
    match value:
        case ListOf():
            parts = " + ',' + ".join(wire_expression(item, view) for item in value.items)
            return f"'[' + {parts} + ']'" if parts else "'[]'"
        case FirstOf():
            return _first(value, view, wire_expression)
    return json_of(native(value, view))


def wire_of(source: Source) -> str:
    """An expression for a value as JSON text, from where Argo holds it."""
    if source.form == "json":
        return source.read
    return json_of(source.read) if source.form == "text" else safe(source.read)


def argument(value: Value, view: View) -> str:
    """The value as JSON text for an argument of a task: a constant, a plain tag, or an expression."""
    if isinstance(value, Constant):
        return wire(value.value)
    found = source_of(value, view)
    if found is not None:
        source, path = found
        optional = _fallback(value) is not None and source.exists
        if not path and source.form == "json" and not source.expression and not optional:
            return f"{{{{{source.tag}}}}}"
    return f"{{{{={wire_expression(value, view)}}}}}"


# --- as plain text ------------------------------------------------------------------------------------------------


def text_expression(value: Value, view: View) -> str:
    """An expression for the value as a piece of text: strings as they are, other values as JSON."""
    if isinstance(value, Constant):
        return quoted(as_text(value.value))
    found = source_of(value, view)
    if found is None:
        return _text_of_parts(value, view)
    source, path = found
    return _or_else(value, source, _text_of(source, path), lambda default: quoted(as_text(default)))


def _text_of(source: Source, path: Path) -> str:
    if source.form == "text" and not path:
        return source.read
    inner = _follow(_native_of(source), path)
    if source.type == "str" and not path:
        return inner
    other = _plain_json(f"toJson({inner})") if path or source.form == "parsed" else _unparted(source.read)
    if source.type in _NEVER_TEXT and not path:
        return other
    return f"(type({inner}) == 'string' ? {inner} : {other})"


_NEVER_TEXT = frozenset(["int", "float", "bool", "null", "object", "list"])
_NUMBERS = frozenset(["int", "float", "bool"])


def _unparted(expression: str) -> str:
    """JSON text with its braces as they were before `wire` parted them."""
    for code, sign in (("007b", r"\u007b"), ("0024", "$"), ("005c", r"\u005c\u005c")):
        expression = rf"replace({expression}, '\u005cu{code}', '{sign}')"
    return expression


def _plain_json(expression: str) -> str:
    """JSON text of Go, which escapes three signs more than others do."""
    for code, sign in (("003c", "<"), ("003e", ">"), ("0026", "&")):
        expression = rf"replace({expression}, '\u005cu{code}', '{sign}')"
    return expression


def _text_of_parts(value: Value, view: View) -> str:
    match value:
        case Concat():
            return _joined(value, view)
        case FirstOf():
            return _first(value, view, text_expression)
    return _plain_json(f"toJson({native(value, view)})")


def _joined(value: Concat, view: View) -> str:
    return " + ".join(text_expression(part, view) for part in value.parts) or "''"


def container_text(value: Value, view: View) -> str:
    """The value as an argument or a variable of a container."""
    parts = _flat(value)
    if len(parts) == 1 and isinstance(parts[0], Constant):
        return static_text(as_text(parts[0].value))
    return "".join(_part(part, view) for part in parts)


def _flat(value: Value) -> list[Value]:
    if isinstance(value, Concat):
        return [inner for part in value.parts for inner in _flat(part)]
    return [value]


def _part(part: Value, view: View) -> str:
    if isinstance(part, Constant):
        return static_text(as_text(part.value), before_more=True)
    found = source_of(part, view)
    if found is not None:
        source, path = found
        if not path and source.form == "json" and source.type in _NUMBERS and not source.exists:
            return f"{{{{{source.tag}}}}}"
    return dynamic_text(text_expression(part, view))


# --- conditions ----------------------------------------------------------------------------------------------------


def condition_expression(condition: Condition, view: View) -> str:
    """An expression that gives true when the condition holds."""
    match condition:
        case Compare():
            left, right = native(condition.left, view), native(condition.right, view)
            return f"{left} {condition.operator} {right}"
        case Truth():
            return native(condition.value, view)
        case StatusIs():
            return view.status(condition.step, condition.status)
        case Not():
            return f"!({condition_expression(condition.part, view)})"
        case AllOf():
            return _connected(condition.parts, "&&", "true", view)
        case AnyOf():
            return _connected(condition.parts, "||", "false", view)


def _connected(parts: Sequence[Condition], sign: str, empty: str, view: View) -> str:
    if not parts:
        return empty
    return "(" + f" {sign} ".join(condition_expression(part, view) for part in parts) + ")"


def claims(value: Value, view: View) -> tuple[str, ...]:
    """Expressions that must hold so that the value exists."""
    match value:
        case Constant() | ItemRef() | RoundRef() | RunRef() | StoredFile():
            return ()
        case Concat():
            return tuple(claim for part in value.parts for claim in claims(part, view))
        case ListOf():
            return tuple(claim for item in value.items for claim in claims(item, view))
        case FirstOf():
            return _claims_of_first(value, view)
    if _fallback(value) is not None:
        return ()
    found = source_of(value, view)
    return found[0].exists if found is not None else ()


def _claims_of_first(value: FirstOf, view: View) -> tuple[str, ...]:
    if value.default is not None:
        return ()
    options = [conjunction(claims(option, view)) for option in value.options]
    if not all(options):
        return ()
    return ("(" + " || ".join(options) + ")",)
