"""What calls and operators come to on plain values, within bounds; nothing of the file is executed."""

from __future__ import annotations

import ast
import json
import operator
import posixpath
import textwrap
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, timedelta, timezone
from itertools import product
from pathlib import PurePosixPath
from typing import Any
from zoneinfo import ZoneInfo

from couler.backends.airflow.importer.vocabulary import STRING_METHODS

LONGEST = 10_000
"""Items of a list or characters of a text, above which values are not worked out."""

PLAIN = (
    str,
    int,
    float,
    bool,
    type(None),
    list,
    tuple,
    dict,
    set,
    datetime,
    date,
    timedelta,
    timezone,
    ZoneInfo,
    PurePosixPath,
)


class TooMuchError(ValueError):
    """A value is not worked out, since it might be huge."""


def is_plain(value: Any) -> bool:
    """Whether a value is made of plain values only, and of no more than can be looked through."""
    pending = [value]
    for _ in range(10 * LONGEST):
        if not pending:
            return True
        one = pending.pop()
        if not isinstance(one, PLAIN):
            return False
        if isinstance(one, list | tuple | set):
            pending.extend(one)
        elif isinstance(one, dict):
            pending.extend([*one, *one.values()])
    return False


def is_json(value: Any) -> bool:
    """Whether a value is JSON."""
    if isinstance(value, list | tuple):
        return all(map(is_json, value))
    if isinstance(value, dict):
        return all(isinstance(key, str) for key in value) and all(map(is_json, value.values()))
    return isinstance(value, str | int | float | bool | type(None))


def _times(left: Any, right: Any) -> Any:
    for one, other in ((left, right), (right, left)):
        if isinstance(one, str | list | tuple) and isinstance(other, int) and len(one) * other > LONGEST:
            raise TooMuchError
    if isinstance(left, int) and isinstance(right, int) and left.bit_length() + right.bit_length() > 256:
        raise TooMuchError
    return left * right


def _plus(left: Any, right: Any) -> Any:
    if isinstance(left, str | list | tuple) and len(left) + len(right) > LONGEST:
        raise TooMuchError
    return left + right


def _modulo(left: Any, right: Any) -> Any:
    if isinstance(left, str):
        refuse_wide(left)
    return left % right


def refuse_wide(text: str) -> None:
    """Refuse formats that would fill the memory.

    Raises:
        TooMuchError: The text holds a number of more than four digits, or a width from outside.
    """
    digits = 0
    for character in text:
        digits = digits + 1 if character.isdigit() else 0
        if digits > 4 or len(text) > LONGEST:
            raise TooMuchError
    if "*" in text and "%" in text:
        raise TooMuchError


OPERATORS: Mapping[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: _plus,
    ast.Sub: operator.sub,
    ast.Mult: _times,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: _modulo,
    ast.BitOr: operator.or_,
}
COMPARISONS: Mapping[type[ast.cmpop], Callable[[Any, Any], Any]] = {
    ast.Eq: operator.eq, ast.NotEq: operator.ne, ast.Lt: operator.lt, ast.LtE: operator.le, ast.Gt: operator.gt,
    ast.GtE: operator.ge, ast.Is: operator.is_, ast.IsNot: operator.is_not,
    ast.In: lambda one, many: one in many, ast.NotIn: lambda one, many: one not in many,
}  # fmt: skip


def _range(*bounds: int) -> list[int]:
    if len(range(*bounds)) > LONGEST:
        raise TooMuchError
    return list(range(*bounds))


def _product(*lists: Any, repeat: int = 1) -> list[Any]:
    count = 1
    for one in lists * repeat:
        count *= len(one)
    if count > LONGEST or repeat > 10:
        raise TooMuchError
    return list(product(*lists, repeat=repeat))


_BUILTINS: Mapping[str, Callable[..., Any]] = {
    "range": _range, "len": len, "str": str, "int": int, "float": float, "bool": bool, "list": list, "tuple": tuple,
    "dict": dict, "set": set, "sorted": sorted, "min": min, "max": max, "sum": sum, "any": any, "all": all, "abs": abs,
    "round": round, "enumerate": lambda *given: list(enumerate(*given)),
    "zip": lambda *given: list(zip(*given, strict=False)),
    "reversed": lambda one: list(reversed(one)), "print": lambda *_, **__: None,
}  # fmt: skip


def _zone(name: Any = "UTC") -> Any:
    return name if not isinstance(name, str) else ZoneInfo(name)


def _moment(year: int, month: int, day: int, *rest: Any, tz: Any = "UTC", tzinfo: Any = None) -> datetime:
    return datetime(year, month, day, *rest[:4]).replace(tzinfo=tzinfo or _zone(tz))


_KNOWN: Mapping[str, Callable[..., Any]] = {
    "datetime.timedelta": timedelta,
    "datetime.datetime": datetime,
    "datetime.date": date,
    "pendulum.datetime": _moment,
    "pendulum.DateTime": _moment,
    "pendulum.duration": timedelta,
    "pendulum.timezone": _zone,
    "pendulum.tz.timezone": _zone,
    "pytz.timezone": _zone,
    "zoneinfo.ZoneInfo": _zone,
    "airflow.utils.timezone.datetime": _moment,
    "airflow.sdk.timezone.datetime": _moment,
    "pathlib.Path": PurePosixPath,
    "os.path.basename": posixpath.basename,
    "os.path.splitext": posixpath.splitext,
    "airflow.utils.dates.days_ago": lambda *_, **__: datetime(1970, 1, 1, tzinfo=UTC),  # some midnight
    "json.dumps": json.dumps,
    "json.loads": json.loads,
    "textwrap.dedent": textwrap.dedent,
    "itertools.product": _product,
    "copy.deepcopy": lambda one: one,
}
CONSTANTS: Mapping[str, Any] = {
    "datetime.timezone.utc": UTC, "datetime.UTC": UTC, "pendulum.UTC": UTC,
    "pendulum.tz.UTC": UTC, "airflow.utils.timezone.utc": UTC, "airflow.sdk.timezone.utc":
    UTC, "typing.TYPE_CHECKING": True,
}  # fmt: skip
_METHODS: Mapping[type, frozenset[str]] = {
    str: STRING_METHODS,
    list: frozenset(["append", "extend", "insert", "index", "count", "copy", "pop"]),
    dict: frozenset(["keys", "values", "items", "get", "copy", "update", "setdefault", "pop"]),
    tuple: frozenset(("index", "count")),
    set: frozenset(("add", "union")),
    datetime: frozenset(("isoformat", "replace", "date", "strftime")),
    timedelta: frozenset(("total_seconds",)),
}


def builtin(name: str) -> Callable[..., Any] | None:
    """A builtin that is worked out here."""
    return _BUILTINS.get(name)


def known(dotted: str) -> Callable[..., Any] | None:
    """Something of another module that is worked out here."""
    return _KNOWN.get(dotted)


def method(owner: Any, name: str) -> Callable[..., Any] | None:
    """A method of a plain value that is worked out here."""
    if name not in _METHODS.get(type(owner), ()):
        return None
    found = getattr(owner, name)
    if name in ("keys", "values", "items"):
        return lambda: list(found())
    return lambda *args, **kwargs: _bounded(found, name, owner, args, kwargs)


def _bounded(found: Callable[..., Any], name: str, owner: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    sizes = [len(one) for one in (owner, *args, *kwargs.values()) if isinstance(one, str | list | tuple | dict)]
    if sum(sizes) > LONGEST:
        raise TooMuchError
    if name in ("format", "strftime"):
        refuse_wide(owner if name == "format" else str(args))
        if name == "format" and any("." in part or "[" in part for part in owner.split("{")[1:]):
            raise TooMuchError
    return found(*args, **kwargs)
