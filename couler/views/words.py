"""Values, conditions and kinds of steps in words for people."""

from __future__ import annotations

import json

from couler.core.ir.json import thaw
from couler.core.ir.model import (
    AllOf,
    AnyOf,
    Compare,
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
    RoundRef,
    RunRef,
    StatusIs,
    Step,
    StoredFile,
    Truth,
    Value,
)

ICONS = {"function": "ƒ", "script": "$", "container": "▣", "job": "{}", "suspend": "‖", "group": "▤"}
"""One sign for each kind of task."""


_OPPOSITE = {"==": "!=", "!=": "==", "<": ">=", "<=": ">", ">": "<=", ">=": "<"}


def value_text(value: Value) -> str:
    """A value in words.

    >>> value_text(OutputRef(step="train", path=("accuracy",)))
    'train.accuracy'
    """
    match value:
        case Constant():
            return json.dumps(thaw(value.value), ensure_ascii=False)
        case ParameterRef() | ItemRef():
            return value.name + _path_text(value.path)
        case OutputRef():
            name = value.step if value.output == "result" else f"{value.step}.{value.output}"
            return name + _path_text(value.path)
        case LoopOutputRef():
            return value.output + _path_text(value.path)
        case RoundRef():
            return "round"
        case FirstOf():
            return f"first_of({', '.join(value_text(option) for option in value.options)})"
        case Concat():
            return "".join(_part_text(part) for part in value.parts)
        case ListOf():
            return f"[{', '.join(value_text(item) for item in value.items)}]"
        case RunRef():
            return f"run.{value.field}"
        case StoredFile():
            return value.url


def _part_text(part: Value) -> str:
    if type(part) is Constant and isinstance(part.value, str):
        return part.value
    return f"<{value_text(part)}>"


def _path_text(path: tuple[str | int, ...]) -> str:
    return "".join(f"[{key}]" if isinstance(key, int) else f".{key}" for key in path)


def condition_text(condition: Condition) -> str:
    """A condition in words.

    >>> left = OutputRef(step="flip")
    >>> condition_text(Not(part=Compare(operator="==", left=left, right=Constant(value="heads"))))
    'flip != "heads"'
    """
    match condition:
        case Compare():
            return f"{value_text(condition.left)} {condition.operator} {value_text(condition.right)}"
        case Truth():
            return value_text(condition.value)
        case StatusIs():
            return f"{condition.step} {condition.status}"
        case Not(part=Compare() as compare) if compare.operator in _OPPOSITE:
            return condition_text(compare.model_copy(update={"operator": _OPPOSITE[compare.operator]}))
        case Not():
            return f"not {_inner_text(condition.part)}"
        case AllOf():
            return " and ".join(_inner_text(part) for part in condition.parts)
        case AnyOf():
            return " or ".join(_inner_text(part) for part in condition.parts)


def _inner_text(condition: Condition) -> str:
    text = condition_text(condition)
    return f"({text})" if isinstance(condition, AllOf | AnyOf) else text


def step_text(step: Step) -> str:
    """What a step is, in a few words.

    >>> from couler.core.ir.model import Retry, SuspendTask
    >>> step_text(Step(name="ask", task=SuspendTask(), retry=Retry(limit=2)))
    'suspend, retry 2'
    """
    parts: list[str] = ["steps" if step.task.kind == "group" else step.task.kind]
    if step.foreach is not None:
        lists = ", ".join(value_text(value) for value in step.foreach.lists.values())
        parts.append(f"for each of {lists}")
    if step.loop is not None:
        parts.append(f"while {condition_text(step.loop.condition)}, at most {step.loop.max_iterations} rounds")
    if step.retry is not None and step.retry.limit:
        parts.append(f"retry {step.retry.limit}")
    if step.cache is not None and step.cache.enabled:
        parts.append("cache")
    return ", ".join(parts)
