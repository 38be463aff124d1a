"""Scopes whose steps stand in several DAG templates: what a task is called, and where its node is."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from couler.backends.argo.names import is_part, task_names
from tests.conformance.readers.nodes import NodeState

Json = dict[str, Any]


def called(templates: Mapping[str, Json], template: Json, steps: Sequence[str]) -> dict[str, str]:
    """Task to step for the steps of a scope; in one template they stand in order, with helpers after them."""
    tasks = [task["name"] for task in template["dag"]["tasks"]]
    if not is_divided(template, steps):
        return dict(zip(tasks, steps, strict=False))
    names = {task: step for step, task in task_names(steps).items()}
    return {task["name"]: names[task["name"]] for task in inner_tasks(templates, template) if task["name"] in names}


def is_divided(template: Json, steps: Sequence[str]) -> bool:
    """Whether the steps of a scope stand in parts."""
    return is_part(template["dag"]["tasks"][0]["name"], task_names(steps).values())


def inner_tasks(templates: Mapping[str, Json], template: Json) -> Iterator[Json]:
    """The tasks of a scope, those in its parts too."""
    for task in template["dag"]["tasks"]:
        yield task
        if is_part(task["name"], ()):
            yield from inner_tasks(templates, templates[task["template"]])


def nodes_of_tasks(node: NodeState) -> dict[str, NodeState]:
    """Task to node for the steps of a scope, those in its parts too."""
    found: dict[str, NodeState] = {}
    for child in node.children:
        if is_part(child.task, ()):
            found = {**nodes_of_tasks(child), **found}
        found[child.task] = child
    return found
