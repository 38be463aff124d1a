"""Whether a value fits a type, as `couler.core.ir.types.mismatch` decides it, where couler is not installed."""

from __future__ import annotations

import json

TYPE_CHECKING = False  # the module typing costs milliseconds
if TYPE_CHECKING:
    from typing import Any

_KINDS = {type(None): "null", bool: "bool", int: "int", float: "float", str: "str", list: "list"}


def kind_of(value: Any) -> str:
    """The type of a JSON value.

    >>> kind_of(None), kind_of(True), kind_of({})
    ('null', 'bool', 'object')
    """
    return _KINDS.get(type(value), "object")


def mismatch(wanted: str, value: Any) -> str:
    """What was expected and what is there; empty when the value fits.

    >>> mismatch("int", 5), mismatch("int", "5")
    ('', "expected int, got str '5'")
    """
    if _fits(wanted, value):
        return ""
    kind = kind_of(value)
    text = repr(value) if kind == "str" else json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    shown = kind if kind == "null" else f"{kind} {text:.60}"
    return f"expected {wanted}, got {shown}"


def _fits(wanted: str, value: Any) -> bool:
    kind = kind_of(value)
    for one in _alternatives(wanted):
        if one in ("any", kind) or (one == "float" and kind == "int"):
            return True
        if one.startswith("list[") and kind == "list" and all(_fits(one[5:-1], item) for item in value):
            return True
    return False


def _alternatives(text: str) -> list[str]:
    """The parts of a type between the bars that stand in no brackets."""
    parts, depth = [""], 0
    for character in text:
        depth += {"[": 1, "]": -1}.get(character, 0)
        if character == "|" and depth == 0:
            parts.append("")
        else:
            parts[-1] += character
    return [part.strip() for part in parts]
