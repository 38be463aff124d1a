"""Templates and their calls from the steps of the IR, in the layout that the imported document had."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from couler.backends.argo.importer.attributes import duration, write_attributes
from couler.backends.argo.importer.conditions import Untranslatable, read_when, write_when
from couler.backends.argo.importer.depends import order_after, read_depends, write_depends
from couler.backends.argo.importer.difference import merged
from couler.backends.argo.importer.jobs import spec_of_child, write_resource
from couler.backends.argo.importer.loops import write_loop
from couler.backends.argo.importer.process import Facts, volume_name, write_outputs, write_process
from couler.backends.argo.importer.reading import as_text
from couler.backends.argo.importer.stores import write_location
from couler.backends.argo.importer.tags import NOWHERE, Reading, Writing, constant_text
from couler.core.errors import CoulerError, DefinitionError
from couler.core.ir import model as ir
from couler.core.ir.graph import references_in, statuses
from couler.core.ir.json import thaw

_FILES = ("file", "folder")
_ORDER = ("name", "template", "templateRef", "inline", "inputs", "outputs", "arguments", "depends", "dependencies",
          "when")  # fmt: skip


def options_of(holder: ir.Step | ir.Workflow) -> dict[str, Any]:
    """The options for Argo, without the layout."""
    found: dict[str, Any] = thaw(holder.engine_options.get("argo", {}))
    return {key: value for key, value in found.items() if key != "layout"}


class TemplateWriter:
    """Collects the templates of one document; equal ones are written once.

    Attributes:
        templates: Name to template, in order of first use.
        volumes: Volumes that processes mount, by their names.
    """

    def __init__(self, facts: Mapping[str, Facts]) -> None:
        self.templates: dict[str, dict[str, Any]] = {}
        self.volumes: dict[str, ir.Volume] = {}
        self._facts = facts

    def facts(self, template: str) -> Facts:
        """What the layout says about a template."""
        return dict(self._facts.get(template, {}))

    def add(self, name: str, template: dict[str, Any]) -> str:
        """Keep a template; one that differs from an earlier one of its name gets another name."""
        found, number = name, 2
        while found in self.templates and self.templates[found] != {**template, "name": found}:
            found, number = f"{name}-{number}", number + 1
        self.templates[found] = {**template, "name": found}
        return found

    # --- templates

    def of_step(self, step: ir.Step, key: str) -> dict[str, Any]:
        """The template of a step: a leaf, a leaf with inputs, or nested steps."""
        facts, task = self.facts(key), step.task
        if not isinstance(task, ir.GroupTask):
            return with_raw(self.leaf(step, facts, Writing(prefix="")), step)
        writing = writing_of(task.parameters, facts)
        if facts.get("kind") == "leaf" and len(task.steps) == 1:
            inner = task.steps[0]
            made = merged(self.leaf(inner, facts, writing), _inputs(task.parameters, facts))
            return with_raw(made, inner)
        made = {**_inputs(task.parameters, facts), **self.nested(task, key, writing), **write_attributes(step, facts)}
        return with_raw(made, step)

    def leaf(self, step: ir.Step, facts: Facts, writing: Writing) -> dict[str, Any]:
        """The template of a task that is no group."""
        made: dict[str, Any] = {}
        if artifacts := [_input_file(item, writing) for item in step.inputs if item.path]:
            made["inputs"] = {"artifacts": artifacts}
        task = step.task
        if facts.get("child") and (spec := spec_of_child(step)) is not None:
            made = merged(made, {key: value for key, value in spec["templates"][0].items() if key != "name"})
        elif isinstance(task, ir.JobTask):
            made |= write_resource(task)
        elif isinstance(task, ir.SuspendTask):
            made["suspend"] = {"duration": duration(task.duration)} if task.duration is not None else {}
        elif isinstance(task, (ir.ContainerTask, ir.ScriptTask)):
            made |= write_process(step, facts, writing)
            if outputs := write_outputs(step.outputs):
                made["outputs"] = outputs
            for volume in step.volumes:
                self.volumes.setdefault(volume_name(volume, facts), volume)
        else:
            raise DefinitionError(
                f"step '{step.name}': a {task.kind} cannot be written in the layout of an imported workflow",
                "`couler compile --engine argo` writes it in couler's own layout",
            )
        return {**made, **write_attributes(step, facts)}

    def nested(self, scope: ir.Scope, key: str, writing: Writing) -> dict[str, Any]:
        """``steps`` or ``dag`` of a template, and its outputs."""
        facts = self.facts(key)
        tolerant = tolerant_steps(scope.steps)
        groups = facts.get("groups") if facts.get("kind") == "steps" else None
        as_groups = groups is not None and _fits_groups(scope.steps, groups, tolerant)
        writing.prefix = "steps" if as_groups else "tasks"
        calls = {step.name: self._call(step, key, writing, tolerant, ordered=not as_groups) for step in scope.steps}
        made: dict[str, Any] = {}
        if as_groups:
            made["steps"] = [[calls[name] for name in group if name in calls] for group in groups or ()]
        else:
            made["dag"] = {"tasks": list(calls.values())}
        if outputs := _outputs(scope.outputs, writing):
            made["outputs"] = outputs
        return made

    # --- calls

    def _call(
        self, step: ir.Step, key: str, writing: Writing, tolerant: Mapping[str, bool], *, ordered: bool
    ) -> dict[str, Any]:
        facts = self.facts(key)
        call: dict[str, Any] = {"name": step.name, **self._callee(step, key, facts)}
        if arguments := self._arguments(step, key, facts, writing):
            call["arguments"] = arguments
        raw, spelling = _of_call(step), facts.get("spelling", {}).get(step.name, {})
        if ordered and (step.after or step.after_condition is not None):
            if facts.get("dependencies") and step.after_condition is None:
                call["dependencies"] = list(step.after)
            else:
                call["depends"] = _depends(step, as_text(spelling.get("depends")), tolerant)
        if step.when is not None:
            call["when"] = _when(step.when, as_text(spelling.get("when")), writing)
        if step.foreach is not None:
            call |= write_loop(step.foreach, spelling, writing)
        if tolerant[step.name]:
            call["continueOn"] = merged({"failed": True}, facts.get("continueOn", {}).get(step.name, {}))
        elif "failed" not in (other := facts.get("continueOn", {}).get(step.name, {"failed": True})):
            call["continueOn"] = other
        return _sorted(merged(call, raw))

    def _callee(self, step: ir.Step, key: str, facts: Facts) -> dict[str, Any]:
        spec = spec_of_child(step)
        if step.name in facts.get("refs", ()) and spec is not None:
            if "templates" in spec:
                return {"templateRef": spec["templates"][0]["steps"][0][0]["templateRef"]}
            return {"template": spec["entrypoint"]}
        if step.name in facts.get("templateRefs", ()):
            return {"templateRef": facts["templateRefs"][step.name]}
        if step.name in facts.get("inline", ()):
            return {"inline": self.of_step(step, f"{key}/{step.name}")}
        name = facts.get("calls", {}).get(step.name, step.name)
        return {"template": self.add(name, self.of_step(step, name))}

    def _arguments(self, step: ir.Step, key: str, facts: Facts, writing: Writing) -> dict[str, Any]:
        inline = step.name in facts.get("inline", ())
        callee = self.facts(f"{key}/{step.name}" if inline else facts.get("calls", {}).get(step.name, step.name))
        task = step.task
        if not isinstance(task, ir.GroupTask) and step.name not in facts.get("refs", ()):
            return {}
        types = {one.name: one.type for one in task.parameters} if isinstance(task, ir.GroupTask) else {}
        parameters, artifacts = [], []
        for item in step.inputs:
            name = callee.get("names", {}).get(item.name, item.name)
            if item.name in callee.get("globals", {}) or item.value == ir.Constant():
                continue
            if types.get(item.name, item.type) in _FILES:
                artifacts += _argument_file(name, item.value, writing)
            else:
                parameters.append({"name": name, "value": writing.text(item.value)})
        found = {"parameters": parameters, "artifacts": artifacts}
        return {kind: items for kind, items in found.items() if items}


# --- pieces ----------------------------------------------------------------------------------------------------


def _sorted(call: dict[str, Any]) -> dict[str, Any]:
    known = [key for key in _ORDER if key in call]
    return {key: call[key] for key in (*known, *(key for key in call if key not in known))}


def with_raw(made: dict[str, Any], step: ir.Step) -> dict[str, Any]:
    """A template with the raw options of its step; ``container`` among them is also what a script lacks."""
    raw = {key: value for key, value in options_of(step).items() if key != "task"}
    if "script" in made and "container" in raw:
        raw["script"] = raw.pop("container")
    found: dict[str, Any] = merged(made, raw)
    return found


def _of_call(step: ir.Step) -> dict[str, Any]:
    return dict(options_of(step).get("task", {}))


def writing_of(parameters: Iterable[ir.Parameter], facts: Facts) -> Writing:
    """Tags of the parameters of a template."""
    tags = {}
    for parameter in parameters:
        name = facts.get("names", {}).get(parameter.name, parameter.name)
        if parameter.name in facts.get("globals", {}):
            tags[parameter.name] = f"workflow.parameters.{facts['globals'][parameter.name]}"
        else:
            tags[parameter.name] = f"inputs.{'artifacts' if parameter.type in _FILES else 'parameters'}.{name}"
    return Writing(parameters=tags)


def _inputs(parameters: Iterable[ir.Parameter], facts: Facts) -> dict[str, Any]:
    found: dict[str, list[dict[str, Any]]] = {"parameters": [], "artifacts": []}
    for parameter in parameters:
        if parameter.name in facts.get("globals", {}):
            continue
        item: dict[str, Any] = {"name": facts.get("names", {}).get(parameter.name, parameter.name)}
        if parameter.default is not None and parameter.default.value is not None:
            item["value" if parameter.name in facts.get("fixed", ()) else "default"] = constant_text(
                parameter.default.value
            )
        if parameter.help:
            item["description"] = parameter.help
        if parameter.choices:
            item["enum"] = [as_text(choice) for choice in parameter.choices]
        found["artifacts" if parameter.type in _FILES else "parameters"].append(item)
    kept = {kind: items for kind, items in found.items() if items}
    return {"inputs": kept} if kept else {}


def _input_file(item: ir.Input, writing: Writing) -> dict[str, Any]:
    made: dict[str, Any] = {"name": item.name, "path": item.path}
    if isinstance(item.value, ir.StoredFile) and item.value.url not in writing.files:
        return {**made, **write_location(item.value)}
    tag = writing.tag(item.value, file=True)
    return {**made, "name": tag.rpartition(".")[2]}


def _argument_file(name: str, value: ir.Value, writing: Writing) -> list[dict[str, Any]]:
    if isinstance(value, ir.StoredFile) and not value.url.removeprefix(NOWHERE):
        return []
    stored = isinstance(value, ir.StoredFile) and not value.url.startswith(NOWHERE)
    if isinstance(value, ir.StoredFile) and stored and value.url not in writing.files:
        return [{"name": name, **write_location(value)}]
    return [{"name": name, "from": "{{" + writing.tag(value, file=True) + "}}"}]


def _outputs(outputs: tuple[ir.GroupOutput, ...], writing: Writing) -> dict[str, Any]:
    parameters, artifacts = [], []
    for output in outputs:
        if output.type in _FILES:
            artifacts.append({"name": output.name, "from": "{{" + writing.tag(output.value, file=True) + "}}"})
        else:
            parameters.append({"name": output.name, "valueFrom": {"parameter": writing.text(output.value)}})
    return {kind: items for kind, items in (("parameters", parameters), ("artifacts", artifacts)) if items}


def tolerant_steps(steps: tuple[ir.Step, ...]) -> dict[str, bool]:
    """Steps that ``continueOn`` lets others follow although they failed."""
    tested = tested_for_failure(steps)
    return {step.name: step.allow_failure and step.name not in tested for step in steps}


def tested_for_failure(steps: Iterable[ir.Step]) -> set[str]:
    """Steps whose failure another one asks for."""
    return {test.step for step in steps for test in statuses(step.after_condition) if test.status == "failed"}


def _fits_groups(steps: tuple[ir.Step, ...], groups: list[list[str]], tolerant: Mapping[str, bool]) -> bool:
    """Whether the order of the steps is still that of groups one after the other."""
    place = {name: index for index, group in enumerate(groups) for name in group}
    for step in steps:
        if step.name not in place:
            return False
        index = place[step.name]
        before = [name for name in groups[index - 1] if name in tolerant] if index else []
        if (set(step.after), step.after_condition) != (
            set(order_after(before, tolerant)[0]),
            order_after(before, tolerant)[1],
        ):
            return False
    return True


def _depends(step: ir.Step, kept: str, tolerant: Mapping[str, bool]) -> str:
    """The text that was imported as long as it says what the step says, or a new one."""
    try:
        if kept and read_depends(kept, tolerant) == (step.after, step.after_condition):
            return kept
    except CoulerError:
        pass
    return write_depends(step.after, step.after_condition, tolerant)


def _when(condition: ir.Condition, kept: str, writing: Writing) -> str:
    """As for ``depends``."""
    references = {writing.tag(reference): reference for reference in references_in(condition)}
    try:
        if kept and read_when(kept, _Known(references)) == condition:
            return kept
    except Untranslatable:
        pass
    return write_when(condition, writing)


class _Known(Reading):
    """Knows the references that a condition uses, by their tags."""

    def __init__(self, references: Mapping[str, ir.Value]) -> None:
        super().__init__({}, {}, {}, lambda name: None, lambda tag: None)
        self._references = references

    def reference(self, tag: str) -> ir.Value | None:
        return self._references.get(tag)
