"""Tasks under ``expand``: the lists they are mapped over, and what each item gives them."""

from __future__ import annotations

from itertools import product
from typing import Any

from couler.backends.airflow.importer import plain
from couler.backends.airflow.importer.references import References
from couler.backends.airflow.importer.values import Item, Output, Task
from couler.core.ir import model as ir

_PAIRS = """from __future__ import annotations


def every_combination({names}):
    from itertools import product

    return [list(items) for items in product({names})]
"""


class Unmappable(Exception):  # noqa: N818 - it is an answer
    """The lists cannot be told."""


def listed(value: Any) -> list[Any] | None:
    """The items of a list that is known now; a dict gives its pairs."""
    if isinstance(value, dict):
        return [list(pair) for pair in value.items()]
    return list(value) if isinstance(value, list | tuple) else None


def unfolded(task: Task, wanted: list[str]) -> dict[str, Any]:
    """What ``expand_kwargs`` gives, as ``expand`` of single arguments or items of one list.

    Args:
        task: The task.
        wanted: Arguments that it needs, where the list is not known now.

    Raises:
        Unmappable: The arguments cannot be told.
    """
    value = task.mapped[""]
    items = listed(value)
    if items is None:
        if not isinstance(value, Output) or not wanted:
            raise Unmappable("expand_kwargs")
        return {"": value}
    names = list(items[0]) if items and isinstance(items[0], dict) else []
    if not names or any(not isinstance(item, dict) or list(item) != names for item in items):
        raise Unmappable("expand_kwargs with different arguments")
    return {name: [item[name] for item in items] for name in names}


def lists_of(
    name: str, mapped: dict[str, Any], task: Task, references: References, *, together: bool = False
) -> tuple[dict[str, ir.Value], dict[str, Item], ir.Step | None]:
    """The lists of a map, what stands for each argument, and a step that combines the lists if one is needed.

    Args:
        name: Of the step.
        mapped: Arguments and their lists.
        task: The task, or one of the group, that is mapped.
        references: Of the DAG.
        together: The lists go side by side; otherwise each item meets each other.

    Raises:
        Unmappable: A list cannot be told.
    """
    references.report.add("AIRFLOW024", task.line, name)
    known = {key: listed(value) for key, value in mapped.items()}
    if len(mapped) > 1 and not together:
        columns = [items for items in known.values() if items is not None and plain.is_json(items)]
        if len(columns) < len(mapped):
            return _combined(name, mapped, task, references)
        rows = list(product(*columns))
        lists: dict[str, ir.Value] = {
            key: ir.Constant(value=[row[index] for row in rows]) for index, key in enumerate(mapped)
        }
        return lists, {key: Item(key) for key in mapped}, None
    lists = {key or "item": _value(known[key] or value, task, references) for key, value in mapped.items()}
    return lists, {key: Item(key or "item") for key in mapped}, None


def _combined(
    name: str, mapped: dict[str, Any], task: Task, references: References
) -> tuple[dict[str, ir.Value], dict[str, Item], ir.Step]:
    inputs = tuple(
        ir.Input(name=key, value=_value(listed(value) or value, task, references)) for key, value in mapped.items()
    )
    source = _PAIRS.format(names=", ".join(mapped))
    step = ir.Step(
        name=f"{name}.items",
        task=ir.FunctionTask(source=source, entry="every_combination"),
        inputs=inputs,
        outputs=(ir.Output(name="result"),),
    )
    items = {key: Item("item", (index,)) for index, key in enumerate(mapped)}
    return {"item": ir.OutputRef(step=step.name)}, items, step


def _value(value: Any, task: Task, references: References) -> ir.Value:
    found = references.given(value, task)
    if found is None or (isinstance(found, ir.Constant) and not isinstance(found.value, list | tuple)):
        raise Unmappable(getattr(value, "text", "") or "expand")
    return found
