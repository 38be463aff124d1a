"""Rewrite every step of a workflow, in groups and exit handlers too: the common part of many passes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from couler.core.ir.model import ExitHandler, GroupTask, Step, Workflow

Change = Callable[[Step], Mapping[str, Any]]
"""From a step to the fields that change."""


def each_step(workflow: Workflow, change: Change) -> Workflow:
    """The workflow with ``change`` applied to every step; what does not change is shared with the original.

    >>> from couler.core.ir.model import SuspendTask
    >>> before = Workflow(name="w", steps=(Step(name="ask", task=SuspendTask(), description="old"),))
    >>> each_step(before, lambda step: {"description": "new"}).steps[0].description
    'new'
    """
    handlers = tuple(
        ExitHandler(step=_changed(handler.step, change), on=handler.on) for handler in workflow.exit_handlers
    )
    return workflow.model_copy(update={"steps": _all(workflow.steps, change), "exit_handlers": handlers})


def _all(steps: tuple[Step, ...], change: Change) -> tuple[Step, ...]:
    return tuple(_changed(step, change) for step in steps)


def _changed(step: Step, change: Change) -> Step:
    changes = dict(change(step))
    if isinstance(step.task, GroupTask):
        changes["task"] = step.task.model_copy(update={"steps": _all(step.task.steps, change)})
    return step.model_copy(update=changes) if changes else step
