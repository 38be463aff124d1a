"""Python values as the code that makes them again: texts in double quotes, containers broken over lines."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from couler.core.render.code import Code, Items, listed

_ESCAPES = {"\n": "\\n", "\r": "\\r", "\t": "\\t", "\\": "\\\\"}


def text(value: str) -> str:
    r"""A string literal on one line.

    >>> print(text('a "b"\n'), text("it's"))
    'a "b"\n' "it's"
    """
    quote = "'" if value.count('"') > value.count("'") else '"'
    return quote + "".join(_character(one, quote) for one in value) + quote


def _character(one: str, quote: str) -> str:
    if one in _ESCAPES:
        return _ESCAPES[one]
    if one == quote:
        return f"\\{one}"
    return one if one.isprintable() else _escaped(one)


def _escaped(one: str) -> str:
    number = ord(one)
    if number < 0x100:
        return f"\\x{number:02x}"
    return f"\\u{number:04x}" if number < 0x10000 else f"\\U{number:08x}"


def is_block(value: object) -> bool:
    """Whether a value is a text of several lines, which reads better as a block of its own."""
    if not isinstance(value, str) or value.count("\n") < 2:
        return False
    return all(one.isprintable() or one in "\n\t" for one in value)


def block(value: str) -> str:
    r"""A string literal between triple quotes, from the left margin.

    >>> block("a\nb\n").splitlines()[1]
    'a'
    """
    inner = value.replace("\\", "\\\\").replace('"""', '\\"\\"\\"')
    if inner.endswith('"'):
        inner = inner[:-1] + '\\"'
    return f'"""\\\n{inner}"""'


def literal(value: Any) -> Code:
    """A JSON value, plain or frozen.

    >>> from couler.core.render.code import one_line
    >>> one_line(literal({"a": (1, 2.5, None), "b": "x"}))
    '{"a": [1, 2.5, None], "b": "x"}'
    """
    if isinstance(value, str):
        return text(value)
    if isinstance(value, float):
        return repr(value).replace("e+", "e")
    if isinstance(value, Mapping):
        return Items("{", tuple((f"{text(key)}: ", literal(item)) for key, item in value.items()), "}")
    if isinstance(value, (list, tuple)):
        return listed([literal(item) for item in value])
    return repr(value)
