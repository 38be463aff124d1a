"""JSON values as immutable Python values.

A workflow is a value, so the JSON inside it must not change either: lists become tuples and objects become
`FrozenDict`. `thaw` gives plain lists and dicts back.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from enum import Enum
from typing import Any, NoReturn, TypeAlias

Json: TypeAlias = Any
"""null, bool, int, float, str, list (as tuple) or object (as `FrozenDict`)."""


class FrozenDict(dict[Any, Any]):
    """A dict that refuses to change; equal to a plain dict with the same items."""

    __slots__ = ()

    def _refuse(self, *args: object, **kwargs: object) -> NoReturn:
        raise TypeError("this mapping belongs to a workflow and cannot change; build a new one")

    __setitem__ = __delitem__ = clear = pop = popitem = setdefault = update = __ior__ = _refuse

    def __hash__(self) -> int:  # type: ignore[override]
        return hash(frozenset(self.items()))

    def __reduce__(self) -> tuple[type[FrozenDict], tuple[dict[Any, Any]]]:
        return FrozenDict, (dict(self),)

    def __copy__(self) -> FrozenDict:
        return self

    def __deepcopy__(self, memo: object) -> FrozenDict:
        return self


EMPTY: FrozenDict = FrozenDict()


def freeze(value: Any) -> Json:
    """The immutable form of a JSON value.

    Raises:
        ValueError: The value, or a part of it, is not JSON; the message names the path and the type.

    >>> freeze({"a": [1, 2]})
    {'a': (1, 2)}
    >>> freeze({"a": [float("nan")]})
    Traceback (most recent call last):
    ValueError: at .a[0]: nan is not JSON; use None for a missing number
    """
    return _freeze(value, "")


def _freeze(value: Any, path: str) -> Json:
    kind = type(value)
    if value is None or kind is str or kind is bool or kind is int:
        return value
    if kind is float:
        if not math.isfinite(value):
            raise ValueError(f"{_at(path)}{value!r} is not JSON; use None for a missing number")
        return value
    if isinstance(value, Mapping):
        return FrozenDict({_key(key, path): _freeze(item, f"{path}.{key}") for key, item in value.items()})
    if isinstance(value, (list, tuple)):
        return tuple([_freeze(item, f"{path}[{index}]") for index, item in enumerate(value)])
    if isinstance(value, Enum):
        return _freeze(value.value, path)
    for base in (int, float, str):  # numpy's float64 and str_ are subclasses of these
        if isinstance(value, base):
            return _freeze(base(value), path)
    raise ValueError(
        f"{_at(path)}a value of type {kind.__module__}.{kind.__qualname__} is not JSON; "
        "return null, bool, int, float, str, list or dict, or write a file"
    )


def _key(key: Any, path: str) -> str:
    if type(key) is not str:
        raise ValueError(f"{_at(path)}the key {key!r} is not a string, and JSON objects have only such keys")
    return key


def _at(path: str) -> str:
    return f"at {path}: " if path else ""


def thaw(value: Json) -> Any:
    """Plain lists and dicts again, for callers who want to change them.

    >>> thaw(freeze({"a": [1, 2]}))
    {'a': [1, 2]}
    """
    if isinstance(value, Mapping):
        return {key: thaw(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [thaw(item) for item in value]
    return value
