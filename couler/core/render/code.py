"""Pieces of Python code that know how to break themselves over lines, in the style of the common formatters."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeAlias

WIDTH = 100
"""Characters in a line, where the code can be broken at all."""
STEP = "    "


@dataclass(frozen=True, slots=True)
class Items:
    """Code between brackets: a call, a list, a tuple or a dict.

    Attributes:
        start: What stands before the first part, with its bracket, such as ``train(``.
        parts: Each the text before the value, such as ``cpu=`` or ``"a": ``, and the value.
        end: The closing bracket and what follows it.
        comma: Whether a single part needs a comma, as in a tuple.
    """

    start: str
    parts: tuple[tuple[str, Code], ...]
    end: str
    comma: bool = False


@dataclass(frozen=True, slots=True)
class Joined:
    """Conditions joined by an operator; they stand below each other where they are too long."""

    parts: tuple[str, ...]
    sign: str


Code: TypeAlias = str | Items | Joined
"""An expression: text that stays on one line, something with brackets, or operands."""


def call(name: str, /, *arguments: Code, **named: Code | None) -> Items:
    """A call; named arguments that are None are left out.

    >>> one_line(call("f", "1", x="2", y=None))
    'f(1, x=2)'
    """
    parts = [("", argument) for argument in arguments]
    parts += [(f"{key}=", argument) for key, argument in named.items() if argument is not None]
    return Items(f"{name}(", tuple(parts), ")")


def listed(values: list[Code]) -> Items:
    """A list."""
    return Items("[", tuple(("", value) for value in values), "]")


def one_line(code: Code) -> str:
    """The code on one line."""
    if isinstance(code, str):
        return code
    if isinstance(code, Joined):
        return f" {code.sign} ".join(code.parts)
    inner = ", ".join(before + one_line(value) for before, value in code.parts)
    return f"{code.start}{inner}{',' if code.comma and len(code.parts) == 1 else ''}{code.end}"


def lines(before: str, code: Code, after: str = "", indent: int = 0, width: int = WIDTH) -> Iterator[str]:
    r"""The code as lines, broken where it is too long.

    >>> print(*lines("x = ", call("f", "a" * 50, "b" * 50)), sep="\n")
    x = f(
        aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa,
        bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb,
    )
    """
    margin = STEP * indent
    whole = f"{margin}{before}{one_line(code)}{after}"
    if isinstance(code, str) or not code.parts or len(whole) <= width:
        yield whole
        return
    if isinstance(code, Joined):
        yield f"{margin}{before}{code.parts[0]}"
        yield from (f"{margin}{code.sign} {part}" for part in code.parts[1:-1])
        yield f"{margin}{code.sign} {code.parts[-1]}{after}"
        return
    yield f"{margin}{before}{code.start}"
    for name, value in code.parts:
        yield from lines(name, value, ",", indent + 1, width)
    yield f"{margin}{code.end}{after}"
