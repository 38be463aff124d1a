"""An imported file as couler Python, in which the functions have the names of the templates."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from couler.core.ir import model as ir
from couler.core.ir.json import thaw
from couler.core.render import render


def to_python(workflows: tuple[ir.Workflow, ...]) -> str:
    """The text of a Python file that declares the workflows."""
    named = [pair for workflow in workflows for pair in _named(workflow)]
    return render(*workflows, named=named)


def _named(workflow: ir.Workflow) -> Iterator[tuple[ir.GroupTask, str]]:
    """The groups of a workflow with the templates that they were."""
    layout = thaw(workflow.engine_options.get("argo", {})).get("layout", {})
    facts = layout.get("templates", {})
    first = layout.get("entrypoint") or layout.get("root", "")
    yield from _in_scope(workflow.steps, first, facts)
    for handler in workflow.exit_handlers:
        yield from _of_step(handler.step, layout.get("onExit", handler.step.name), facts)


def _in_scope(
    steps: tuple[ir.Step, ...], template: str, facts: Mapping[str, Any]
) -> Iterator[tuple[ir.GroupTask, str]]:
    calls = facts.get(template, {}).get("calls", {})
    for step in steps:
        yield from _of_step(step, calls.get(step.name, step.name), facts)


def _of_step(step: ir.Step, template: str, facts: Mapping[str, Any]) -> Iterator[tuple[ir.GroupTask, str]]:
    if isinstance(step.task, ir.GroupTask):
        yield step.task, template
        yield from _in_scope(step.task.steps, template, facts)
