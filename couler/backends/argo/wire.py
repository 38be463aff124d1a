"""How values and texts are written so that Argo passes them on and evaluates nothing in them.

Argo replaces ``{{…}}`` in the whole text of a template, several times over, also in what it has put there itself.
So every value of a workflow travels as JSON in which no two braces stand together, and no character that Argo's
replacement cannot carry (argo-workflows issue 15512). What a container gets as plain text is written with the
variables of Kubernetes, which are expanded last of all, after everything that Argo does. They are expanded in the
variable that carries a template to its pod, too, so that ``$$`` and ``$(`` are parted in values and sources as well.
"""

from __future__ import annotations

import json
import re
from typing import Any

BRACE = "COULER_BRACE"
"""Variable that holds one opening brace, in containers whose texts need it."""

_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode
_AWKWARD = re.compile("[\x7f\ud800-\udfff\U00010000-\U0010ffff]")
_RISKY = re.compile(r"\{\{|\$[$(]|\x7f|\\\\u00(7b|24)")
_EXPANDED = re.compile(r"\$(?=[$(])")
_ESCAPED = re.compile(r"\\\\u00(7b|24)")
_PLAIN_IN_EXPRESSION = re.compile(r"[^'\\{}\"\x00-\x1f\x7f\ud800-\udfff\U00010000-\U0010ffff]*")


def wire(value: Any) -> str:
    r"""A JSON value as text that any pass of Argo leaves alone.

    >>> wire({"a": "{{workflow.name}}"})
    '{"a":"{\\u007bworkflow.name}}"}'
    """
    text = _encode(value)
    if text.isascii() and not _RISKY.search(text):
        return text
    text = _ESCAPED.sub(r"\\u005cu00\1", text).replace("{{", "{\\u007b")
    text = _EXPANDED.sub(r"\\u0024", text)
    return _AWKWARD.sub(_escaped_if_unprintable, text)


def _escaped_if_unprintable(match: re.Match[str]) -> str:
    character = match[0]
    return character if character.isprintable() else json.dumps(character)[1:-1]


def quoted(text: str) -> str:
    r"""A text as a literal of Argo's expressions.

    >>> quoted("it's {{x}}")
    "'it\\u0027s \\u007b\\u007bx\\u007d\\u007d'"
    """
    if _PLAIN_IN_EXPRESSION.fullmatch(text):
        return f"'{text}'"
    return "'" + "".join(_in_expression(character) for character in text) + "'"


def _in_expression(character: str) -> str:
    if _PLAIN_IN_EXPRESSION.fullmatch(character):
        return character
    code = ord(character)
    if code < 0x10000:
        return f"\\u{code:04x}"
    return character if character.isprintable() else f"\\U{code:08x}"


def literal(value: Any) -> str:
    """A JSON value as a literal of Argo's expressions.

    >>> literal("a"), literal(True), literal(None), literal([1, 2])
    ("'a'", 'true', 'nil', "fromJSON('[1,2]')")
    """
    if value is None:
        return "nil"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return quoted(value)
    if isinstance(value, int) and abs(value) < 2**53:
        return str(value)
    if isinstance(value, int | float):
        return repr(float(value))
    return f"fromJSON({quoted(wire(value))})"


def member(path: str) -> str:
    """A dotted variable of Argo as an expression.

    >>> member("tasks.a-b.outputs.parameters.x")
    "tasks['a-b'].outputs.parameters.x"
    """
    first, *rest = path.split(".")
    return first + "".join([f".{part}" if part.isascii() and part.isidentifier() else f"['{part}']" for part in rest])


def safe(expression: str) -> str:
    """An expression for JSON text, with the braces in it parted as `wire` does."""
    parted = rf"replace({expression}, '\u007b\u007b', '\u007b\u005cu007b')"
    return rf"replace(replace({parted}, '$', '\u005cu0024'), '\u007f', '\u005cu007f')"


def json_of(expression: str) -> str:
    """An expression for the JSON text of what another gives, as `wire` writes it."""
    return safe(f"toJson({expression})")


def static_text(text: str, *, before_more: bool = False) -> str:
    """A text that a container gets as it stands: an argument, or the value of a variable.

    Args:
        text: The text.
        before_more: Whether something unknown comes after it.

    >>> static_text("{{workflow.name}} $(X) $HOME")
    '{$(COULER_BRACE)workflow.name}} $$(X) $HOME'
    """
    if "$" not in text and "{" not in text:
        return text
    text = text.replace("$", "$$") if before_more else re.sub(r"\$(?=[($])", "$$", text)
    text = text.replace("{{", f"{{$({BRACE})")
    if before_more and text.endswith("{"):
        text = f"{text[:-1]}$({BRACE})"
    return text


def dynamic_text(expression: str) -> str:
    """A tag that puts the text of an expression into an argument or a variable, so that nothing in it is expanded."""
    return rf"{{{{=replace(replace({expression}, '$', '$$'), '\u007b', '$({BRACE})')}}}}"
