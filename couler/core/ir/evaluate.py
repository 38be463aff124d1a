"""What a value or a condition comes to: the reference semantics that every engine must reproduce.

Everything here is pure; the state of the run comes in through a `Lookup`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from enum import Enum
from operator import ge, gt, le, lt
from typing import Final, Literal, Protocol, TypeGuard

from couler.core.errors import CoulerError, near
from couler.core.ir.json import FrozenDict, Json
from couler.core.ir.model import (
    AllOf,
    AnyOf,
    Compare,
    CompareOperator,
    Concat,
    Condition,
    Constant,
    FirstOf,
    ItemRef,
    ListOf,
    LoopOutputRef,
    Not,
    OutputRef,
    ParameterRef,
    Path,
    RoundRef,
    RunRef,
    StatusIs,
    StoredFile,
    Truth,
    Value,
)
from couler.core.ir.types import FILE_MARK, described, kind_of


class EvaluationError(CoulerError):
    """A value cannot be worked out from what the steps gave."""


class Absence(Enum):
    """The one thing that is no value."""

    ABSENT = "absent"

    def __repr__(self) -> str:
        return "ABSENT"

    def __bool__(self) -> bool:
        raise TypeError("ABSENT is no value; compare with `is ABSENT`")


ABSENT: Final = Absence.ABSENT
"""Stands where a value would be, had its step not been skipped; whoever needs it is skipped too."""


class Lookup(Protocol):
    """What a value may ask of the run. Files are objects with ``"$file": true``."""

    def parameter(self, name: str) -> Json:
        """A parameter of the scope."""

    def output(self, step: str, output: str) -> Json:
        """An output of a step of the scope; `ABSENT` when the step was skipped."""

    def item(self, name: str) -> Json:
        """The current item of the step's ``foreach``."""

    def loop_output(self, name: str) -> Json:
        """An output of the step's last round."""

    def round(self) -> int:
        """The number of the current round, from 0."""

    def run(self, field: str) -> Json:
        """``id``, ``name``, ``status`` or ``failed_steps`` of the run."""

    def status(self, step: str) -> str:
        """How a step ended: ``succeeded``, ``failed``, ``skipped``, ``cached`` or ``cancelled``."""


def resolve(value: Value, lookup: Lookup) -> Json:
    """What a value comes to, or `ABSENT` when it needs an output of a skipped step.

    Raises:
        EvaluationError: A path leads nowhere; the message shows the path and what was there.
    """
    match value:
        case Constant():
            return value.value
        case ParameterRef():
            return _follow(lookup.parameter(value.name), value.path, f"parameter '{value.name}'")
        case OutputRef():
            return _output(value, lookup)
        case ItemRef():
            return _follow(lookup.item(value.name), value.path, f"item '{value.name}'")
        case LoopOutputRef():
            return _follow(lookup.loop_output(value.output), value.path, f"output '{value.output}' of the last round")
        case RoundRef():
            return lookup.round()
        case FirstOf():
            return _first(value, lookup)
        case Concat():
            parts = [resolve(part, lookup) for part in value.parts]
            return ABSENT if any(part is ABSENT for part in parts) else "".join(map(as_text, parts))
        case ListOf():
            items = tuple([resolve(item, lookup) for item in value.items])
            return ABSENT if any(item is ABSENT for item in items) else items
        case RunRef():
            return lookup.run(value.field)
        case StoredFile():
            return FrozenDict({FILE_MARK: True, "kind": "file", "url": value.url, "options": value.options})


def _output(ref: OutputRef, lookup: Lookup) -> Json:
    found = lookup.output(ref.step, ref.output)
    if found is ABSENT:
        return ABSENT if ref.default is None else ref.default.value
    return _follow(found, ref.path, f"output '{ref.output}' of step '{ref.step}'")


def _first(value: FirstOf, lookup: Lookup) -> Json:
    for option in value.options:
        found = _output(option, lookup)
        if found is not ABSENT:
            return found
    return ABSENT if value.default is None else value.default.value


def _follow(value: Json, path: Path, what: str) -> Json:
    """The part of a JSON value at a path. Indices count from 0, negative ones from the end."""
    if value is ABSENT:
        return ABSENT
    for depth, key in enumerate(path):
        if not _has(value, key):
            raise _nothing_there(value, key, f"{what}{path_text(path[:depth])}")
        value = value[key]
    return value


def _has(value: Json, key: str | int) -> bool:
    if isinstance(key, str):
        return isinstance(value, Mapping) and key in value
    return isinstance(value, (list, tuple)) and -len(value) <= key < len(value)


def _nothing_there(value: Json, key: str | int, where: str) -> EvaluationError:
    if isinstance(key, str) and isinstance(value, Mapping):
        return EvaluationError(f"{where} has no key {key!r}", near(key, map(str, value), "keys"))
    if isinstance(key, int) and isinstance(value, (list, tuple)):
        return EvaluationError(f"{where} has no item [{key}]; it has {len(value)}")
    wanted = "an object with the key" if isinstance(key, str) else "a list with the item"
    return EvaluationError(f"{where} should be {wanted} {key!r}, but it is {described(value)}")


def path_text(path: Path) -> str:
    """A path for people.

    >>> path_text(("scores", 0))
    '.scores[0]'
    """
    return "".join(f"[{key}]" if isinstance(key, int) else f".{key}" for key in path)


def holds(condition: Condition, lookup: Lookup) -> bool | Absence:
    """Whether a condition holds, or `ABSENT` when any value in it needs an output of a skipped step.

    Parts of `AllOf` and `AnyOf` are worked out from left to right, no further than needed; but a value that is absent
    makes the whole absent, wherever it stands.

    Raises:
        EvaluationError: Values of different types are ordered, ``in`` looks into something that is no list, a value
            used as a condition is no bool, or a path leads nowhere.
    """
    if any(_is_absent(operand, lookup) for operand in operands(condition)):
        return ABSENT
    return _holds(condition, lookup)


def operands(condition: Condition) -> tuple[Value, ...]:
    """The values that a condition compares or tests, in order."""
    match condition:
        case Compare():
            return (condition.left, condition.right)
        case Truth():
            return (condition.value,)
        case Not():
            return operands(condition.part)
        case AllOf() | AnyOf():
            return tuple(value for part in condition.parts for value in operands(part))
        case StatusIs():
            return ()


def _is_absent(value: Value, lookup: Lookup) -> bool:
    match value:
        case OutputRef():
            return value.default is None and lookup.output(value.step, value.output) is ABSENT
        case LoopOutputRef():
            return lookup.loop_output(value.output) is ABSENT
        case FirstOf():
            return value.default is None and all(_is_absent(option, lookup) for option in value.options)
        case Concat():
            return any(_is_absent(part, lookup) for part in value.parts)
        case ListOf():
            return any(_is_absent(item, lookup) for item in value.items)
        case _:
            return False


def _holds(condition: Condition, lookup: Lookup) -> bool:
    match condition:
        case Compare():
            return compare(condition.operator, resolve(condition.left, lookup), resolve(condition.right, lookup))
        case Truth():
            return _truth(resolve(condition.value, lookup))
        case StatusIs():
            return _status_is(condition.status, lookup.status(condition.step))
        case AllOf():
            return all(_holds(part, lookup) for part in condition.parts)
        case AnyOf():
            return any(_holds(part, lookup) for part in condition.parts)
        case Not():
            return not _holds(condition.part, lookup)


def _truth(value: Json) -> bool:
    if type(value) is not bool:
        raise EvaluationError(
            f"a condition needs true or false, but its value is {described(value)}",
            'compare it, for example with `!= 0` or `!= ""`',
        )
    return value


def _status_is(wanted: str, status: str) -> bool:
    if wanted == "succeeded":
        return status in ("succeeded", "cached")
    return wanted == "ended" or wanted == status


def compare(operator: CompareOperator, left: Json, right: Json) -> bool:
    """One comparison of two values.

    Numbers compare as numbers, text by code points; values of different types are never equal, and true is not 1.

    Raises:
        EvaluationError: Neither two numbers nor two texts are ordered, or ``in`` looks into something that is no list.

    >>> compare("==", 1, 1.0), compare("==", 1, True), compare("in", "a", ["a", "b"]), compare("<", 2, 10)
    (True, False, True, True)
    """
    match operator:
        case "==":
            return equal(left, right)
        case "!=":
            return not equal(left, right)
        case "in":
            if not isinstance(right, (list, tuple)):
                raise EvaluationError(f"`in` needs a list on its right side, but there is {described(right)}")
            return any(equal(left, item) for item in right)
        case "<" | "<=" | ">" | ">=":
            return _ordered(operator, left, right)


def _ordered(operator: Literal["<", "<=", ">", ">="], left: Json, right: Json) -> bool:
    if not ((_is_number(left) and _is_number(right)) or (isinstance(left, str) and isinstance(right, str))):
        raise EvaluationError(
            f"`{operator}` cannot order {described(left)} and {described(right)}",
            "only two numbers or two strings have an order",
        )
    return _ORDERINGS[operator](left, right)


_ORDERINGS: Mapping[str, Callable[[Json, Json], bool]] = {
    "<": lt,
    "<=": le,
    ">": gt,
    ">=": ge,
}


def equal(left: Json, right: Json) -> bool:
    """Whether two JSON values are equal: numbers by value, everything else only within one type.

    >>> equal([1, {"a": 2}], [1.0, {"a": 2.0}]), equal([True], [1]), equal(None, False)
    (True, False, False)
    """
    if isinstance(left, Mapping) and isinstance(right, Mapping):
        return left.keys() == right.keys() and all(equal(item, right[key]) for key, item in left.items())
    if isinstance(left, (list, tuple)) and isinstance(right, (list, tuple)):
        return len(left) == len(right) and all(map(equal, left, right))
    if _is_number(left) and _is_number(right):
        return bool(left == right)
    return kind_of(left) == kind_of(right) and bool(left == right)


def _is_number(value: Json) -> TypeGuard[int | float]:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def as_text(value: Json) -> str:
    """A value as a piece of text: a string as it is, everything else as compact JSON.

    >>> as_text("a"), as_text(True), as_text(None), as_text([1, {"ä": 2.0}])
    ('a', 'true', 'null', '[1,{"ä":2.0}]')
    """
    if isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
