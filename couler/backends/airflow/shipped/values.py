"""Values and conditions of a workflow: where an argument comes from, and when a step runs.

A value is what a step gives (`Output`), a parameter of the run (`Parameter`) or of a group (`Given`), the item of a map
(`Item`), a fact about the run (`Run`), something made of those, or itself when it is plain JSON. Numbers compare as
numbers, texts by code points, and values of different types are never equal.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from operator import ge, gt, le, lt
from typing import Any

from couler.runner.value_types import kind_of

Keys = tuple[str | int, ...]


class Missing:
    """Stands for a value whose step was skipped."""

    def __repr__(self) -> str:
        return "MISSING"


MISSING = Missing()
NO_DEFAULT = Missing()


class NoValueError(Exception):
    """A value cannot be worked out from what the steps gave."""


class Value:
    """Something that is known when a step starts."""


@dataclass(frozen=True)
class Output(Value):
    """What a step gave: the task, the name of its output, and the keys that lead to the part that is meant."""

    task: str
    name: str = "result"
    path: Keys = ()
    default: Any = NO_DEFAULT


@dataclass(frozen=True)
class Parameter(Value):
    """A parameter of the run."""

    name: str
    path: Keys = ()


@dataclass(frozen=True)
class Given(Value):
    """A parameter of the group in which the step stands; ``task`` is the first task of the group."""

    task: str
    name: str
    path: Keys = ()


@dataclass(frozen=True)
class Item(Value):
    """The item of the step's own map."""

    name: str = "item"
    path: Keys = ()


@dataclass(frozen=True)
class Last(Value):
    """An output of the round before."""

    name: str = "result"
    path: Keys = ()


@dataclass(frozen=True)
class Round(Value):
    """The number of the round, from 0."""


@dataclass(frozen=True)
class Run(Value):
    """A fact about the run: ``id``, ``name``, ``status`` or ``failed_steps``."""

    field: str


@dataclass(frozen=True)
class Stored(Value):
    """A file outside of the workflow: its URL, settings of its store, and secrets of it by name and key."""

    url: str
    options: Mapping[str, Any] | None = None
    credentials: Mapping[str, tuple[str, str]] | None = None

    def record(self) -> dict[str, Any]:
        """What travels in the place of the file."""
        stored: dict[str, Any] = {"url": self.url}
        stored |= {"options": dict(self.options)} if self.options else {}
        stored |= {"credentials": {key: list(one) for key, one in self.credentials.items()}} if self.credentials else {}
        name = self.url.rstrip("/").rpartition("/")[2].partition("?")[0]
        return {"$file": True, "stored": stored, "name": name or "file"}


@dataclass(frozen=True, init=False)
class First(Value):
    """The first output whose step was not skipped."""

    options: tuple[Output, ...]
    default: Any

    def __init__(self, *options: Output, default: Any = NO_DEFAULT) -> None:
        object.__setattr__(self, "options", options)
        object.__setattr__(self, "default", default)


@dataclass(frozen=True, init=False)
class Text(Value):
    """A text made of parts: texts as they are, everything else as JSON."""

    parts: tuple[Any, ...]

    def __init__(self, *parts: Any) -> None:
        object.__setattr__(self, "parts", parts)


@dataclass(frozen=True, init=False)
class List(Value):
    """A list of values."""

    items: tuple[Any, ...]

    def __init__(self, *items: Any) -> None:
        object.__setattr__(self, "items", items)


class Condition:
    """Something that holds or not when a step could start."""


@dataclass(frozen=True)
class Compare(Condition):
    """Two values compared by ``==``, ``!=``, ``<``, ``<=``, ``>``, ``>=`` or ``in``."""

    left: Any
    sign: str
    right: Any


@dataclass(frozen=True)
class Truth(Condition):
    """A value that is true or false."""

    value: Any


@dataclass(frozen=True)
class Status(Condition):
    """How a task ended: ``succeeded``, ``failed``, ``skipped`` or ``ended``."""

    task: str
    status: str


@dataclass(frozen=True, init=False)
class AllOf(Condition):
    """Holds when every part does."""

    parts: tuple[Condition, ...]

    def __init__(self, *parts: Condition) -> None:
        object.__setattr__(self, "parts", parts)


@dataclass(frozen=True, init=False)
class AnyOf(Condition):
    """Holds when one part does."""

    parts: tuple[Condition, ...]

    def __init__(self, *parts: Condition) -> None:
        object.__setattr__(self, "parts", parts)


@dataclass(frozen=True)
class Not(Condition):
    """Holds when the part does not."""

    part: Condition


Lookup = Callable[[Value], Any]
"""Gives what an `Output`, `Parameter`, `Given`, `Item`, `Last`, `Round` or `Run` comes to, before its path; or
`MISSING`."""


def resolve(value: Any, lookup: Lookup) -> Any:
    """What a value comes to; `MISSING` when it needs an output of a skipped step."""
    if isinstance(value, (Output, First)):
        options = value.options if isinstance(value, First) else (value,)
        found = [one for option in options if (one := _output(option, lookup)) is not MISSING]
        if found:
            return found[0]
        return MISSING if value.default is NO_DEFAULT else value.default
    if isinstance(value, (Text, List)):
        parts = [resolve(part, lookup) for part in (value.parts if isinstance(value, Text) else value.items)]
        if any(part is MISSING for part in parts):
            return MISSING
        return "".join(map(as_text, parts)) if isinstance(value, Text) else parts
    if isinstance(value, Value):
        return _follow(lookup(value), getattr(value, "path", ()), value)
    return value


def _output(output: Output, lookup: Lookup) -> Any:
    found = lookup(output)
    if found is MISSING and output.default is not NO_DEFAULT:
        return output.default
    return _follow(found, output.path, output)


def _follow(found: Any, path: Keys, value: Value) -> Any:
    for depth, key in enumerate(path):
        if found is MISSING:
            break
        if not _has(found, key):
            raise NoValueError(_nothing_there(found, key, f"{_named(value)}{_shown(path[:depth])}"))
        found = found[key]
    return found


def _has(found: Any, key: str | int) -> bool:
    if isinstance(key, str):
        return isinstance(found, Mapping) and key in found
    return isinstance(found, list) and -len(found) <= key < len(found)


def _nothing_there(found: Any, key: str | int, where: str) -> str:
    if isinstance(key, str) and isinstance(found, Mapping):
        return f"{where} has no key {key!r}"
    if isinstance(key, int) and isinstance(found, list):
        return f"{where} has no item [{key}]; it has {len(found)}"
    wanted = "an object with the key" if isinstance(key, str) else "a list with the item"
    return f"{where} should be {wanted} {key!r}, but it is {kind_of(found)}"


def _named(value: Value) -> str:
    match value:
        case Output():
            return f"output '{value.name}' of task '{value.task}'"
        case Parameter() | Given():
            return f"parameter '{value.name}'"
        case Item():
            return f"item '{value.name}'"
        case Last():
            return f"output '{value.name}' of the last round"
        case _:
            return str(value)


def _shown(path: Keys) -> str:
    return "".join(f"[{key}]" if isinstance(key, int) else f".{key}" for key in path)


def parts_of(value: Any) -> Iterable[Any]:
    """Every value inside a value or condition that must be there for it to be worked out."""
    match value:
        case Compare():
            yield value.left
            yield value.right
        case Truth():
            yield value.value
        case Not():
            yield from parts_of(value.part)
        case AllOf() | AnyOf():
            for part in value.parts:
                yield from parts_of(part)


def producers(value: Any) -> Iterable[str]:
    """The tasks whose outputs a value or condition reads."""
    match value:
        case Output():
            yield value.task
        case First():
            for option in value.options:
                yield option.task
        case Text() | List():
            for part in value.parts if isinstance(value, Text) else value.items:
                yield from producers(part)
        case Condition():
            for part in parts_of(value):
                yield from producers(part)


def holds(condition: Condition, lookup: Lookup, status: Callable[[str], str]) -> bool | Missing:
    """Whether a condition holds; `MISSING` when a value in it needs an output of a skipped step."""
    if any(is_missing(value, lookup) for value in parts_of(condition)):
        return MISSING
    return _holds(condition, lookup, status)


def is_missing(value: Any, lookup: Lookup) -> bool:
    """Whether a value needs an output of a skipped step."""
    match value:
        case Output():
            return value.default is NO_DEFAULT and lookup(value) is MISSING
        case First():
            return value.default is NO_DEFAULT and all(is_missing(option, lookup) for option in value.options)
        case Text():
            return any(is_missing(part, lookup) for part in value.parts)
        case List():
            return any(is_missing(item, lookup) for item in value.items)
        case Last():
            return lookup(value) is MISSING
        case _:
            return False


def _holds(condition: Condition, lookup: Lookup, status: Callable[[str], str]) -> bool:
    match condition:
        case Compare():
            return compare(condition.sign, resolve(condition.left, lookup), resolve(condition.right, lookup))
        case Truth():
            value = resolve(condition.value, lookup)
            if type(value) is not bool:
                raise NoValueError(f"a condition needs true or false, but its value is {kind_of(value)}")
            return value
        case Status():
            found = status(condition.task)
            return condition.status in (found, "ended")
        case AllOf():
            return all(_holds(part, lookup, status) for part in condition.parts)
        case AnyOf():
            return any(_holds(part, lookup, status) for part in condition.parts)
        case Not():
            return not _holds(condition.part, lookup, status)
    raise TypeError(f"{condition!r} is no condition")


def compare(sign: str, left: Any, right: Any) -> bool:
    """One comparison of two values.

    >>> compare("==", 1, 1.0), compare("==", 1, True), compare("in", "a", ["a"]), compare("<", 2, 10)
    (True, False, True, True)
    """
    if sign == "==":
        return equal(left, right)
    if sign == "!=":
        return not equal(left, right)
    if sign == "in":
        if not isinstance(right, list):
            raise NoValueError(f"`in` needs a list on its right side, but there is {kind_of(right)}")
        return any(equal(left, item) for item in right)
    if not ((_is_number(left) and _is_number(right)) or (isinstance(left, str) and isinstance(right, str))):
        raise NoValueError(f"`{sign}` cannot order {kind_of(left)} and {kind_of(right)}")
    return bool({"<": lt, "<=": le, ">": gt, ">=": ge}[sign](left, right))


def equal(left: Any, right: Any) -> bool:
    """Whether two JSON values are equal: numbers by value, everything else only within one type."""
    if isinstance(left, dict) and isinstance(right, dict):
        return left.keys() == right.keys() and all(equal(item, right[key]) for key, item in left.items())
    if isinstance(left, list) and isinstance(right, list):
        return len(left) == len(right) and all(map(equal, left, right))
    if _is_number(left) and _is_number(right):
        return bool(left == right)
    return type(left) is type(right) and bool(left == right)


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def as_text(value: Any) -> str:
    """A value as a piece of text: a string as it is, everything else as compact JSON."""
    if isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
