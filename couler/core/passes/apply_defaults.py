"""Write the workflow's defaults into the steps that do not say otherwise."""

from __future__ import annotations

from typing import Any

from couler.core.ir.model import ExitHandler, FunctionTask, GroupTask, ScriptTask, Step, StepDefaults, Workflow

_EMPTY = StepDefaults()


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
    if workflow.defaults == _EMPTY:
        return workflow
    return workflow.model_copy(
        update={
            "steps": _steps(workflow.steps, workflow.defaults),
            "exit_handlers": tuple(
                ExitHandler(step=_step(handler.step, workflow.defaults), on=handler.on)
                for handler in workflow.exit_handlers
            ),
            "defaults": _EMPTY,
        }
    )


def _steps(steps: tuple[Step, ...], defaults: StepDefaults) -> tuple[Step, ...]:
    return tuple(_step(step, defaults) for step in steps)


def _step(step: Step, defaults: StepDefaults) -> Step:
    task = step.task
    if isinstance(task, GroupTask):
        return step.model_copy(update={"task": task.model_copy(update={"steps": _steps(task.steps, defaults)})})
    if task.kind == "suspend":
        return step
    changes: dict[str, Any] = {}
    for name in ("retry", "timeout", "cache", "resources", "service_account"):
        if not getattr(step, name) and getattr(defaults, name):
            changes[name] = getattr(defaults, name)
    own = {variable.name for variable in step.env}
    if inherited := tuple(variable for variable in defaults.env if variable.name not in own):
        changes["env"] = (*inherited, *step.env)
    if isinstance(task, (FunctionTask, ScriptTask)):
        of_task = {name: getattr(defaults, name) for name in ("image", "packages") if not getattr(task, name)}
        if any(of_task.values()):
            changes["task"] = task.model_copy(update=of_task)
    return step.model_copy(update=changes) if changes else step
