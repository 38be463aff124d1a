"""Python values as the text of an expression that makes them again."""

from __future__ import annotations

import math
from typing import Any

_ATOMS = (str, bytes, bool, int, float, complex, type(None), type(...))


def is_literal(value: Any, depth: int = 0) -> bool:
    """Whether `literal` can write the value: plain constants and containers of them, nested up to 50 deep."""
    kind = type(value)
    if kind in _ATOMS:
        return True
    if depth > 50:
        return False
    if kind in (list, tuple, set, frozenset):
        return all(is_literal(item, depth + 1) for item in value)
    return kind is dict and all(
        is_literal(key, depth + 1) and is_literal(item, depth + 1) for key, item in value.items()
    )


def literal(value: Any) -> str:
    """The expression. Sets are sorted, so that the text is the same in every process.

    >>> literal({"limits": (float("inf"), {2, 1}), "name": "x"})
    "{'limits': (float('inf'), {1, 2}), 'name': 'x'}"
    """
    kind = type(value)
    if kind is float and not math.isfinite(value):
        return f"float('{value}')"
    if kind is complex:
        return f"complex({literal(value.real)}, {literal(value.imag)})"
    if kind is list:
        return f"[{_joined(value)}]"
    if kind is tuple:
        return f"({_joined(value)}{',' if len(value) == 1 else ''})"
    if kind is set:
        return f"{{{', '.join(sorted(map(literal, value)))}}}" if value else "set()"
    if kind is frozenset:
        return f"frozenset({literal(set(value))})"
    if kind is dict:
        return "{" + ", ".join(f"{literal(key)}: {literal(item)}" for key, item in value.items()) + "}"
    return repr(value)


def _joined(values: Any) -> str:
    return ", ".join(literal(item) for item in values)
