"""Situations in which a step may find itself: how others ended, what they gave, which item or round it is."""

from __future__ import annotations

import itertools
import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from couler.core.ir.evaluate import ABSENT
from couler.core.ir.graph import outputs_of, outputs_of_one, references, references_in, upstream
from couler.core.ir.model import (
    AllOf,
    AnyOf,
    Compare,
    Condition,
    Constant,
    ItemRef,
    LoopOutputRef,
    Not,
    OutputRef,
    ParameterRef,
    Path,
    Scope,
    Step,
    Value,
)

STATUSES = ("succeeded", "skipped", "failed")
MOST = 48
"""Situations of one step, at most; with more to combine, one thing is varied at a time."""

Key = tuple[str, ...]
"""``("output", step, output)``, ``("parameter", name)``, ``("item", name)`` or ``("loop", output)``."""


@dataclass(frozen=True)
class Situation:
    """What a step finds.

    Attributes:
        statuses: Name of a step of the same scope to how it ended; others succeeded.
        values: What can be read; see `Key`.
        number: Of the round.
        facts: About the run.
        types: Type text of what can be read.
    """

    statuses: Mapping[str, str] = field(default_factory=dict)
    values: Mapping[Key, Any] = field(default_factory=dict)
    number: int = 0
    facts: Mapping[str, Any] = field(default_factory=dict)
    types: Mapping[Key, str] = field(default_factory=dict)

    # --- the `Lookup` of couler.core.ir.evaluate

    def parameter(self, name: str) -> Any:
        """A parameter of the scope."""
        return self.values["parameter", name]

    def output(self, step: str, output: str) -> Any:
        """An output of a step that succeeded; absent otherwise."""
        if self.status(step) != "succeeded":
            return ABSENT
        return self.values["output", step, output]

    def item(self, name: str) -> Any:
        """The current item."""
        return self.values["item", name]

    def loop_output(self, name: str) -> Any:
        """An output of the last round."""
        return self.values["loop", name]

    def round(self) -> int:
        """The number of the round."""
        return self.number

    def run(self, field: str) -> Any:
        """A fact about the run."""
        return self.facts[field]

    def status(self, step: str) -> str:
        """How a step ended."""
        return self.statuses.get(step, "succeeded")

    def __str__(self) -> str:
        ended = ", ".join(f"{name} {status}" for name, status in self.statuses.items() if status != "succeeded")
        given = ", ".join(f"{'.'.join(key[1:])}={value!r}" for key, value in self.values.items())
        return f"[{ended or 'all succeeded'}; {given[:300]}]"


FACTS = {"id": "run-1", "name": "flow", "status": "failed", "failed_steps": ["a", "b/c"]}


def situations(scope: Scope, step: Step, outer: Scope | None = None) -> list[Situation]:
    """Situations that tell apart what a step might do.

    Args:
        scope: Where the step stands; for an exit handler the workflow.
        step: The step.
        outer: Given for exit handlers, which wait for nobody: the scope whose outputs they read.
    """
    plain = _plain(scope, step)
    found = [plain]
    found += [replace(plain, statuses=statuses) for statuses in _endings(upstream(step)) if statuses]
    found += [replace(plain, values={**plain.values, **given}) for given in _deciding(step, plain)]
    if step.loop is not None:
        found.append(replace(plain, number=2))
    return found


def again_situations(scope: Scope, step: Step) -> list[Situation]:
    """Situations that tell apart conditions of a loop."""
    assert step.loop is not None
    plain = _plain(scope, step)
    return [
        plain,
        *(replace(plain, values={**plain.values, **given}) for given in _samples(step.loop.condition, plain)),
    ]


def _plain(scope: Scope, step: Step) -> Situation:
    """Everything succeeded, and every value can be told from every other."""
    types = dict(_types(scope, step))
    paths: dict[Key, list[Path]] = {key: [] for key in types}
    for ref in _references_around(scope, step):
        if (key := _key(ref)) in paths:
            paths[key].append(getattr(ref, "path", ()))
    values = {key: _sample(key, type_, paths[key]) for key, type_ in types.items()}
    return Situation({}, values, 0, FACTS, types)


def _types(scope: Scope, step: Step) -> Iterator[tuple[Key, str]]:
    for parameter in scope.parameters:
        yield ("parameter", parameter.name), parameter.type
    for other in scope.steps:
        for name, output in outputs_of(other).items():
            yield ("output", other.name, name), output.type
    for name in step.foreach.lists if step.foreach else ():
        yield ("item", name), _item_type(step, name)
    for name, output in outputs_of_one(step).items() if step.loop else ():
        yield ("loop", name), output.type


def _item_type(step: Step, name: str) -> str:
    """What the inputs that take the item expect."""
    wanted = [item.type for item in step.inputs if isinstance(item.value, ItemRef) and item.value.name == name]
    return wanted[0] if len(wanted) == 1 else "any"


def _references_around(scope: Scope, step: Step) -> Iterable[Value]:
    """References of all steps of the scope: what is read of a value anywhere shapes the sample everywhere."""
    yield from references(step)
    for other in scope.steps:
        yield from references(other)
    for output in scope.outputs:
        yield from references_in(output.value)


def _key(ref: Value) -> Key:
    match ref:
        case OutputRef():
            return ("output", ref.step, ref.output)
        case ParameterRef():
            return ("parameter", ref.name)
        case ItemRef():
            return ("item", ref.name)
        case LoopOutputRef():
            return ("loop", ref.output)
        case _:
            return (ref.kind,)


# --- samples ---------------------------------------------------------------------------------------------------


def _sample(key: Key, type_: str, paths: list[Path]) -> Any:
    """A value of a type that has all the parts that are read of it."""
    deeper = [path for path in paths if path]
    if deeper:
        return _with_parts(key, deeper)
    return _of_type(".".join(key[1:]), type_)


def _of_type(name: str, type_: str) -> Any:
    number = zlib.crc32(name.encode()) % 1000
    if type_.startswith("list[") and type_.endswith("]"):
        return [_of_type(f"{name}[{index}]", type_[5:-1]) for index in range(2)]
    first = type_.split("|")[0]
    samples = {
        "int": number, "float": number + 0.5, "bool": number % 2 == 0, "null": None, "list": [f"{name}[0]", number],
        "object": {"of": name, "number": number}, "file": f"file {name}", "folder": f"folder {name}",
    }  # fmt: skip
    return samples.get(first, f"'{name}' {{{{workflow.name}}}} $(x)\n\"é\"")


def _with_parts(key: Key, paths: list[Path]) -> Any:
    heads = {path[0] for path in paths}
    rest = {head: [path[1:] for path in paths if path[0] == head] for head in heads}
    inner = {head: _sample((*key, str(head)), "any", rest[head]) for head in heads}
    if all(isinstance(head, int) for head in heads):
        size = max(head + 1 if head >= 0 else -head for head in heads)
        listed: list[Any] = [f"{'.'.join(key)}[{index}]" for index in range(size)]
        for head, value in inner.items():
            listed[head] = value
        return listed
    return inner


def _endings(names: tuple[str, ...]) -> Iterator[dict[str, str]]:
    """Ways in which steps may end: every combination of a few, one after the other of many."""
    if len(STATUSES) ** len(names) <= MOST:
        for ends in itertools.product(STATUSES, repeat=len(names)):
            yield dict(zip(names, ends, strict=True))
        return
    for status in STATUSES[1:]:
        yield dict.fromkeys(names, status)
        for name in names[:MOST]:
            yield {name: status}


def _deciding(step: Step, plain: Situation) -> Iterator[dict[Key, Any]]:
    if step.when is not None:
        yield from _samples(step.when, plain)


def _samples(condition: Condition, plain: Situation) -> Iterator[dict[Key, Any]]:
    """Values on both sides of every comparison."""
    pools: dict[Key, list[Any]] = {}
    for ref, values in _compared(condition):
        key = _key(ref)
        if key in plain.values:
            whole = [_put(plain.values[key], getattr(ref, "path", ()), value) for value in values]
            pools.setdefault(key, []).extend(whole)
    combinations = 1
    for pool in pools.values():
        combinations *= len(pool)
    if combinations <= MOST:
        for chosen in itertools.product(*pools.values()):
            yield dict(zip(pools, chosen, strict=True))
        return
    first = {key: pool[0] for key, pool in pools.items()}
    for key, pool in pools.items():
        yield from ({**first, key: value} for value in pool)


def _compared(condition: Condition) -> Iterator[tuple[Value, list[Any]]]:
    """References with values that are worth trying for them."""
    match condition:
        case Compare():
            left, right = condition.left, condition.right
            for one, other in ((left, right), (right, left)):
                values = _around(other.value if isinstance(other, Constant) else "left", condition.operator)
                for ref in references_in(one):
                    yield ref, values
        case Not():
            yield from _compared(condition.part)
        case AllOf() | AnyOf():
            for part in condition.parts:
                yield from _compared(part)
        case _:
            for ref in references_in(condition):
                yield ref, [True, False]


def _around(constant: Any, operator: str) -> list[Any]:
    """Values that are equal, smaller, greater, or of another type where types may differ."""
    if operator == "in" and isinstance(constant, (list, tuple)):
        return [*constant[:4], *(_another(item) for item in constant[:2])]
    if isinstance(constant, bool) or constant is None:
        return [constant, not constant, 1]
    if isinstance(constant, (int, float)):
        other = [str(constant)] if operator in ("==", "!=") else []
        return [constant, constant - 1, constant + 0.5, *other]
    if isinstance(constant, str):
        return [constant, f"{constant}!", constant[:-1]]
    return [constant, [], None]


def _another(item: Any) -> Any:
    return str(item) if isinstance(item, (int, float)) else f"{item}!"


def _put(value: Any, path: Path, part: Any) -> Any:
    """The value with another part."""
    if not path:
        return part
    head, *rest = path
    if isinstance(value, Mapping):
        return {**value, head: _put(value[head], tuple(rest), part)}
    changed = list(value)
    changed[head] = _put(value[head], tuple(rest), part)  # type: ignore[index]
    return changed
