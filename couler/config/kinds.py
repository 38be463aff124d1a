"""How the text or TOML value of a setting becomes its Python value."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

Kind = tuple[str, Callable[[Any], Any]]
"""What is expected, in words, and a function that raises ValueError when it is not that."""

_FACTORS = {"": 1, "k": 10**3, "M": 10**6, "G": 10**9, "T": 10**12} | {
    f"{letter}i": 1024**power for power, letter in enumerate("KMGT", start=1)
}
_REFERENCE = re.compile(r"env:[A-Za-z_]\w*|file:.+")
_QUANTITY = re.compile(r"(\d+(?:\.\d+)?)(k|M|G|T|Ki|Mi|Gi|Ti|)")


def text() -> Kind:
    """Any text that is not empty."""
    return "text", _text


def name() -> Kind:
    """A word without spaces."""
    return "a name", _name


def file() -> Kind:
    """The path of a file; ``~`` is the home folder."""
    return "a file", folder()[1]


def folder() -> Kind:
    """A path; ``~`` is the home folder."""
    return "a folder", lambda value: (value if isinstance(value, Path) else Path(_text(value))).expanduser()


def choice(*words: str) -> Kind:
    """One of some words."""

    def read(value: Any) -> str:
        if value not in words:
            raise ValueError
        return str(value)

    return " or ".join(words), read


def whole(least: int) -> Kind:
    """A whole number."""

    def read(value: Any) -> int:
        number = int(value) if isinstance(value, str) else value
        if type(number) is not int or number < least:
            raise ValueError
        return number

    return f"a whole number from {least}", read


def flag() -> Kind:
    """Yes or no."""

    def read(value: Any) -> bool:
        found = {"true": True, "false": False}.get(value.lower()) if isinstance(value, str) else value
        if not isinstance(found, bool):
            raise ValueError
        return found

    return "true or false", read


def fraction() -> Kind:
    """A number above zero."""

    def read(value: Any) -> float:
        if isinstance(value, bool) or not isinstance(value, str | int | float):
            raise ValueError
        number = float(value)
        if not 0 < number < float("inf"):
            raise ValueError
        return number

    return "a number above 0", read


def memory_text() -> Kind:
    """An amount of memory, kept as text."""

    def read(value: Any) -> str:
        _bytes(value)
        return str(value)

    return "an amount such as 8Gi", read


def size() -> Kind:
    """An amount of memory, in bytes."""
    return "an amount such as 1Mi", _bytes


def reference() -> Kind:
    """Where a secret is, never the secret itself: ``env:NAME`` or ``file:PATH``."""

    def read(value: Any) -> str:
        if not _REFERENCE.fullmatch(_text(value)):
            raise ValueError
        return str(value)

    return "env:NAME or file:PATH", read


def shown_reference(value: Any) -> Any:
    """A reference as it is; anything else may be the secret itself, and is hidden.

    >>> shown_reference("env:ARGO_TOKEN"), shown_reference("eyJhbGciOi")
    ('env:ARGO_TOKEN', '***')
    """
    return value if value is None or (isinstance(value, str) and _REFERENCE.fullmatch(value)) else "***"


def _text(value: Any) -> str:
    if not isinstance(value, str) or not value:
        raise ValueError
    return value


def _name(value: Any) -> str:
    if not re.fullmatch(r"[\w.@:/-]+", _text(value)):
        raise ValueError
    return str(value)


def _bytes(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise ValueError
    found = _QUANTITY.fullmatch(str(value))
    if found is None or float(found[1]) == 0:
        raise ValueError
    return int(float(found[1]) * _FACTORS[found[2]])
