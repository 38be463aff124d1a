"""Mapped task groups as groups: what their steps take from outside becomes parameters."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from couler.core.ir import model as ir


def enclosed(
    name: str,
    steps: list[ir.Step],
    results: Mapping[str, ir.Value],
    lists: Mapping[str, ir.Value],
    items: Mapping[str, ir.Value],
) -> ir.Step:
    """A mapped step whose group holds the steps.

    Args:
        name: Of the step.
        steps: With items, parameters of the workflow and outputs of other steps as their values.
        results: Outputs of the group.
        lists: What it is mapped over.
        items: Parameter of the group to its item.
    """
    inside = {step.name for step in steps}
    inputs: dict[str, ir.Value] = dict(items)

    def bind(value: ir.Value, wish: str) -> ir.ParameterRef:
        base = re.sub(r"\W+", "_", wish)
        found, number = base, 2
        while inputs.get(found, value) != value:
            found, number = f"{base}_{number}", number + 1
        inputs[found] = value
        return ir.ParameterRef(name=found)

    def change(part: Any) -> Any:
        match part:
            case ir.ItemRef(name=item):
                return ir.ParameterRef(name=item, path=part.path)
            case ir.ParameterRef():
                return bind(ir.ParameterRef(name=part.name), part.name).model_copy(update={"path": part.path})
            case ir.OutputRef() if part.step not in inside:
                return bind(part, part.step)
        return part

    changed = tuple(replaced(step, change) for step in steps)
    return ir.Step(
        name=name,
        task=ir.GroupTask(
            parameters=tuple(ir.Parameter(name=one) for one in inputs),
            steps=changed,
            outputs=tuple(ir.GroupOutput(name=one, value=value) for one, value in results.items()),
        ),
        inputs=tuple(ir.Input(name=one, value=value) for one, value in inputs.items()),
        foreach=ir.ForEach(lists=dict(lists)),
    )


def replaced(part: Any, change: Callable[[Any], Any]) -> Any:
    """A part of a workflow with its values changed, wherever they stand."""
    if isinstance(part, ir.Model):
        new = change(part)
        if new is not part:
            return new
        updates = {name: replaced(getattr(part, name), change) for name in part.model_fields_set}
        return part.model_copy(update=updates)
    if isinstance(part, tuple):
        return tuple(replaced(one, change) for one in part)
    return part
