"""Small Argo documents for tests of what judges them."""

from __future__ import annotations

from typing import Any


def leaf(name: str = "leaf", **fields: Any) -> dict[str, Any]:
    """A template that runs a container."""
    return {"name": name, "container": {"image": "python:3.11", "command": ["true"]}, **fields}


def dag(*tasks: dict[str, Any], name: str = "main", **fields: Any) -> dict[str, Any]:
    """A template of tasks."""
    return {"name": name, "dag": {"tasks": list(tasks)}, **fields}


def steps(*groups: list[dict[str, Any]], name: str = "main", **fields: Any) -> dict[str, Any]:
    """A template of groups of steps."""
    return {"name": name, "steps": list(groups), **fields}


def task(name: str = "a", template: str = "leaf", **fields: Any) -> dict[str, Any]:
    """A task, or a step, that calls a template of the same document."""
    return {"name": name, "template": template, **fields}


def workflow(*templates: dict[str, Any], metadata: dict[str, Any] | None = None, **spec: Any) -> dict[str, Any]:
    """A workflow that starts at ``main``."""
    return {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "Workflow",
        "metadata": metadata or {"generateName": "w-"},
        "spec": {"entrypoint": "main", "templates": list(templates), **spec},
    }


def around(template: dict[str, Any], **spec: Any) -> dict[str, Any]:
    """A workflow that calls a template under its own name."""
    return workflow(dag(task(template=template["name"])), template, **spec)


def cron(name: str, inner: dict[str, Any]) -> dict[str, Any]:
    """A schedule for a workflow."""
    return {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "CronWorkflow",
        "metadata": {"name": name},
        "spec": {"schedules": ["0 3 * * *"], "workflowSpec": inner["spec"]},
    }


def template_object(name: str, inner: dict[str, Any]) -> dict[str, Any]:
    """A WorkflowTemplate of a workflow's templates."""
    return {**inner, "kind": "WorkflowTemplate", "metadata": {"name": name}}


def parameters(*names: str, **values: Any) -> dict[str, Any]:
    """A list of parameters: names alone, and names with values."""
    found: list[dict[str, Any]] = [{"name": name} for name in names]
    return {"parameters": found + [{"name": name, "value": value} for name, value in values.items()]}
