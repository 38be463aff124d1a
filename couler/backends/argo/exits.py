"""Exit handlers as the template that Argo runs after everything else."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from couler.backends.argo.build import Build
from couler.backends.argo.names import parameter_name
from couler.backends.argo.scope import Scope
from couler.backends.argo.units import ABSENT
from couler.backends.argo.values import Source
from couler.core.ir.graph import references, references_in
from couler.core.ir.model import OutputRef, RunRef, Step, Workflow

TEMPLATE = "exit-handlers"
_STATUS = {"success": "workflow.status == 'Succeeded'", "failure": "workflow.status != 'Succeeded'"}


def exports(workflow: Workflow) -> dict[str, dict[str, str]]:
    """Outputs of steps that exit handlers read: step to output to the name under which all see it."""
    known = {step.name for step in workflow.steps}
    found: dict[str, dict[str, str]] = {}
    for handler in workflow.exit_handlers:
        for ref in _read(handler.step):
            if ref.step in known:
                names = found.setdefault(ref.step, {})
                names[parameter_name(ref.output)] = _global_name(len(found), ref.output)
    return found


def reads_failures(workflow: Workflow) -> bool:
    """Whether an exit handler asks which steps failed."""
    refs = [ref for handler in workflow.exit_handlers for ref in references(handler.step)]
    return any(isinstance(ref, RunRef) and ref.field == "failed_steps" for ref in refs)


def _read(step: Step) -> list[OutputRef]:
    refs = list(references(step))
    if step.when is not None:
        refs += references_in(step.when)
    return [
        option for ref in refs for option in (getattr(ref, "options", None) or (ref,)) if isinstance(option, OutputRef)
    ]


def _global_name(number: int, output: str) -> str:
    return f"couler_{number}_{parameter_name(output).replace('-', '_')}"


class _ExitScope(Scope):
    """Handlers see outputs of the workflow's steps under their global names, as far as they exist."""

    def __init__(self, workflow: Workflow, build: Build, names: Mapping[str, Mapping[str, str]]) -> None:
        self._handlers = {handler.step.name: handler for handler in workflow.exit_handlers}
        self._globals = names
        steps = [handler.step for handler in workflow.exit_handlers]
        super().__init__(steps, workflow.parameters, (), build, top=True)
        self.fail_fast = False
        self.certain = set()  # each has a condition

    def output(self, step: str, output: str) -> Source:
        name = self._globals[step][parameter_name(output)]
        path = f"workflow.outputs?.parameters?.{name}"
        return Source(f"workflow.outputs.parameters.{name}", exists=(f"({path} ?? '{ABSENT}') != '{ABSENT}'",))

    def _file_tag(self, value: Any) -> str:
        if isinstance(value, OutputRef):
            return f"workflow.outputs.artifacts.{self._globals[value.step][parameter_name(value.output)]}"
        return super()._file_tag(value)

    def _find_guards(self, step: Step) -> Any:
        wanted = _STATUS.get(self._handlers[step.name].on)
        if wanted:
            yield wanted
        yield from super()._find_guards(step)

    def _depends(self, step: Step) -> str:
        return ""

    def _task(self, step: Step) -> dict[str, Any]:
        return {**super()._task(step), "continueOn": {"failed": True, "error": True}}


def exit_template(workflow: Workflow, build: Build, names: Mapping[str, Mapping[str, str]]) -> dict[str, Any]:
    """The template with all handlers; it succeeds whatever becomes of them, as their failure changes nothing."""
    scope = _ExitScope(workflow, build, names)
    return scope.body()
