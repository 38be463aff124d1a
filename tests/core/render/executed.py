"""Execute rendered text and give the workflows back, without the places where steps were declared."""

from __future__ import annotations

import contextvars
import linecache
import sys
import types
from itertools import count
from typing import Any

from couler.core.dsl.workflows import Building, WorkflowFunction
from couler.core.ir.model import ExitHandler, GroupTask, Step, Workflow
from couler.core.ir.text import to_json

_numbers = count()


def executed(text: str) -> list[Workflow]:
    """The workflows that the text declares, in order."""
    name = f"rendered_{next(_numbers)}"
    file = f"/rendered/{name}.py"
    linecache.cache[file] = (len(text), None, text.splitlines(keepends=True), file)
    module = types.ModuleType(name)
    module.__file__ = file
    sys.modules[name] = module
    try:
        return contextvars.Context().run(_workflows, compile(text, file, "exec"), module)
    finally:
        del sys.modules[name], linecache.cache[file]


def _workflows(code: Any, module: types.ModuleType) -> list[Workflow]:
    exec(code, vars(module))
    return [item.build() for item in vars(module).values() if isinstance(item, (Building, WorkflowFunction))]


def without_locations(workflow: Workflow) -> str:
    """The workflow as it is compared: as text, in which 1, 1.0 and true differ."""
    return to_json(_bare_workflow(workflow))


def _bare_workflow(workflow: Workflow) -> Workflow:
    return workflow.model_copy(
        update={
            "steps": tuple(map(_bare, workflow.steps)),
            "exit_handlers": tuple(
                ExitHandler.model_construct(step=_bare(each.step), on=each.on) for each in workflow.exit_handlers
            ),
        }
    )


def _bare(step: Step) -> Step:
    task = step.task
    if isinstance(task, GroupTask):
        task = task.model_copy(update={"steps": tuple(map(_bare, task.steps))})
    return step.model_copy(update={"location": "", "task": task})
