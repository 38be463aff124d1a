"""Write the workflow's defaults into the steps that do not say otherwise."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from couler.core.ir.model import FunctionTask, GroupTask, ScriptTask, Step, StepDefaults, SuspendTask, Workflow
from couler.core.passes.each_step import each_step

_EMPTY = StepDefaults()
_OF_STEP = ("retry", "timeout", "cache", "resources", "service_account")
_OF_TASK = ("image", "packages")


def apply_defaults(workflow: Workflow) -> Workflow:
    """Every step says all about itself; the defaults are empty.

    Steps in groups get them too. Variables of the environment are merged by name. Groups and pauses run nothing
    themselves and get none.

    >>> from couler.core.ir.model import Retry
    >>> step = Step(name="train", task=ScriptTask(source="print()"))
    >>> workflow = Workflow(name="w", steps=(step,), defaults=StepDefaults(retry=Retry(limit=2)))
    >>> apply_defaults(workflow).steps[0].retry.limit
    2
    """
    defaults = workflow.defaults
    if defaults == _EMPTY:
        return workflow
    return each_step(workflow, lambda step: _changes(step, defaults)).model_copy(update={"defaults": _EMPTY})


def _changes(step: Step, defaults: StepDefaults) -> Mapping[str, Any]:
    if isinstance(step.task, (GroupTask, SuspendTask)):
        return {}
    changes = {
        name: getattr(defaults, name) for name in _OF_STEP if not getattr(step, name) and getattr(defaults, name)
    }
    own = {variable.name for variable in step.env}
    if inherited := tuple(variable for variable in defaults.env if variable.name not in own):
        changes["env"] = (*inherited, *step.env)
    if isinstance(step.task, (FunctionTask, ScriptTask)):
        of_task = {name: getattr(defaults, name) for name in _OF_TASK if not getattr(step.task, name)}
        if any(of_task.values()):
            changes["task"] = step.task.model_copy(update=of_task)
    return changes
