"""What of a document a rebuilt one lacks, and how the two come together again.

Lists of objects with names are taken by name. Scalars are compared as texts, durations in seconds, quantities as
amounts, and texts that hold JSON or YAML as what they hold.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from couler.backends.argo.importer.reading import as_text, read_documents
from couler.core.errors import CoulerError
from couler.core.ir.quantities import amount

NOTHING: Any = object()
"""No difference."""

_DURATIONS = frozenset(["duration", "timeout", "cap", "maxDuration"])
_AMOUNTS = frozenset(["cpu", "memory", "ephemeral-storage", "storage"])
_UNIT = {"ms": 0.001, "s": 1, "m": 60, "h": 3600}
_PIECE = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h)?")


def missing(original: Any, rebuilt: Any, key: str = "") -> Any:
    """What must be merged into the rebuilt value so that it means the original; `NOTHING` when it does already.

    >>> missing({"a": 1, "b": {"c": 2}}, {"a": "1", "b": {}})
    {'b': {'c': 2}}
    """
    if isinstance(original, Mapping) and isinstance(rebuilt, Mapping):
        found = {}
        for name, value in original.items():
            if name not in rebuilt:
                if value is not None:
                    found[name] = value
            elif (inner := missing(value, rebuilt[name], name)) is not NOTHING:
                found[name] = inner
        return found or NOTHING
    if named(original) and named(rebuilt):
        return _missing_items(original, rebuilt, key)
    return NOTHING if same(original, rebuilt, key) else original


def _missing_items(original: Any, rebuilt: Any, key: str) -> Any:
    known = {name_of(item): item for item in rebuilt}
    found = []
    for item in original:
        name = name_of(item)
        if name not in known:
            found.append(item)
        elif (inner := missing(item, known[name], key)) is not NOTHING:
            found.append({**({"name": name} if "name" in item else {"metadata": {"name": name}}), **inner})
    return found or NOTHING


def named(value: Any) -> bool:
    """Whether this is a list of objects that each have a name of their own."""
    if not isinstance(value, (list, tuple)) or not all(isinstance(item, Mapping) for item in value):
        return False
    names = [name_of(item) for item in value]
    return all(names) and len(set(names)) == len(names)


def name_of(item: Mapping[str, Any]) -> Any:
    """The name of an object in a list."""
    metadata = item.get("metadata")
    return item.get("name") or (metadata.get("name") if isinstance(metadata, Mapping) else None)


def merged(rebuilt: Any, more: Any) -> Any:
    """The rebuilt value with what it lacked; where both say something, the rebuilt one is right.

    >>> merged({"b": [{"name": "x", "y": 1}]}, {"b": [{"name": "x", "z": 2}, {"name": "w"}]})
    {'b': [{'name': 'x', 'y': 1, 'z': 2}, {'name': 'w'}]}
    """
    if isinstance(rebuilt, Mapping) and isinstance(more, Mapping):
        result = dict(rebuilt)
        for key, value in more.items():
            result[key] = merged(rebuilt[key], value) if key in rebuilt else value
        return result
    if named(rebuilt) and named(more):
        by_name = {name_of(item): item for item in more}
        result_list = [merged(item, by_name.pop(name_of(item), {})) for item in rebuilt]
        return [*result_list, *by_name.values()]
    return rebuilt


# --- meaning ---------------------------------------------------------------------------------------------------


def same(left: Any, right: Any, key: str = "") -> bool:
    """Whether two values mean the same to Argo."""
    if isinstance(left, Mapping) and isinstance(right, Mapping):
        keys = {name for one in (left, right) for name, value in one.items() if value is not None}
        return all(same(left.get(name), right.get(name), name) for name in keys)
    if isinstance(left, (list, tuple)) and isinstance(right, (list, tuple)):
        return len(left) == len(right) and all(same(one, two, key) for one, two in zip(left, right, strict=True))
    if isinstance(left, (Mapping, list, tuple)) or isinstance(right, (Mapping, list, tuple)):
        return False
    one, two = as_text(left), as_text(right)
    return one == two or _same_text(one, two, key)


def _same_text(one: str, two: str, key: str) -> bool:
    if key in _DURATIONS:
        return seconds(one) is not None and seconds(one) == seconds(two)
    if key in _AMOUNTS:
        return _amount(one) is not None and _amount(one) == _amount(two)
    if key == "manifest":
        return _data(one) is not None and _data(one) == _data(two)
    if key in ("successCondition", "failureCondition"):
        return "".join(one.split()).replace("==", "=") == "".join(two.split()).replace("==", "=")
    if key in ("when", "depends"):
        return "".join(one.split()) == "".join(two.split())
    if one[:1] in ("[", "{") and not one.startswith("{{"):
        return _json(one) is not NOTHING and _json(one) == _json(two)
    return _trimmed(one) == _trimmed(two)


def _trimmed(text: str) -> str:
    """Blanks inside of simple tags do not count: Argo cuts them off."""
    return re.sub(r"\{\{\s*([^={}][^{}]*?)\s*\}\}", r"{{\1}}", text)


def seconds(text: str) -> float | None:
    """A duration of Go, or a plain number of seconds; None when it is neither.

    >>> seconds("1m30s"), seconds("20"), seconds("{{x}}")
    (90.0, 20.0, None)
    """
    if not text or _PIECE.sub("", text):
        return None
    return float(sum(float(number) * _UNIT[unit or "s"] for number, unit in _PIECE.findall(text)))


def _amount(text: str) -> float | None:
    try:
        return amount(text)
    except ValueError:
        return None


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return NOTHING


def _data(text: str) -> Any:
    try:
        return read_documents(text)
    except CoulerError:
        return None
