"""Workflows of the IR as whole documents of Argo, in the layout that they had."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from couler.backends.argo.importer.difference import merged
from couler.backends.argo.importer.jobs import spec_of_child
from couler.backends.argo.importer.process import Facts, write_volume
from couler.backends.argo.importer.reading import as_text
from couler.backends.argo.importer.stores import write_location
from couler.backends.argo.importer.tags import Writing, constant_text
from couler.backends.argo.importer.types import calls_of
from couler.backends.argo.importer.writing import TemplateWriter, options_of, with_raw
from couler.core.ir import model as ir
from couler.core.ir.json import thaw

ABOUT = "workflows.argoproj.io/description"
"""The annotation that holds the description of a workflow."""
CRON = "cronWorkflow"
"""The option that holds fields of the CronWorkflow around a workflow."""
_VERSION = "argoproj.io/v1alpha1"


def write_document(workflows: list[ir.Workflow]) -> dict[str, Any]:
    """The document of a workflow, or of several that are the roots of one library."""
    first = workflows[0]
    layouts = [thaw(one.engine_options.get("argo", {})).get("layout", {}) for one in workflows]
    facts: dict[str, Facts] = {}
    for layout in layouts:
        facts |= layout.get("templates", {})
    writer = TemplateWriter(facts)
    spec: dict[str, Any] = {}
    for workflow, layout in zip(workflows, layouts, strict=True):
        spec = merged(spec, _entry(workflow, layout, writer))
    spec |= _settings(first)
    if writer.templates:
        spec["templates"] = list(_in_order(writer.templates, spec))
    _add_volumes(spec, writer)
    return _document(first, layouts[0], spec)


def _in_order(templates: Mapping[str, Mapping[str, Any]], spec: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Templates in the order in which a reader meets them, with their names first."""
    pending: list[Any] = [*reversed([*templates]), spec.get("onExit"), spec.get("entrypoint")]
    seen: set[str] = set()
    while pending:
        name = pending.pop()
        if name in seen or name not in templates:
            continue
        seen.add(name)
        template = templates[name]
        yield {"name": name, **template}
        pending += [call.get("template") for call in reversed(calls_of(template))]


def _document(workflow: ir.Workflow, layout: Facts, spec: dict[str, Any]) -> dict[str, Any]:
    options = options_of(workflow)
    metadata, cron = options.pop("metadata", {}), options.pop(CRON, {})
    kind = layout.get("kind", "Workflow")
    named: dict[str, Any] = {}
    name = layout.get("name", workflow.name)
    if layout.get("named") == "generateName":
        named["generateName"] = f"{name}{layout.get('suffix', '-')}"
    elif layout.get("named", "name"):
        named["name"] = name
    if workflow.labels:
        named["labels"] = dict(workflow.labels)
    if workflow.description:
        named["annotations"] = {ABOUT: workflow.description}
    spec = merged(spec, options)
    if kind == "CronWorkflow":
        spec = merged({**_cron(workflow.schedule), "workflowSpec": spec}, cron)
    head = {"apiVersion": _VERSION, "kind": kind, "metadata": merged(named, metadata)}
    return {**{key: value for key, value in head.items() if value}, **({"spec": spec} if spec else {})}


def _entry(workflow: ir.Workflow, layout: Facts, writer: TemplateWriter) -> dict[str, Any]:
    """What the workflow's own steps make: templates, the name of the first, arguments and the exit handler."""
    spec: dict[str, Any] = {}
    originals = layout.get("names", {})
    names = {originals.get(one.name, one.name): one for one in workflow.parameters}
    inputs = layout.get("inputs", [])
    name = layout.get("entrypoint") or layout.get("root") or "main"
    tags = tags_of({key: one.name for key, one in names.items()}, inputs)
    writing = Writing(parameters=tags, files=layout.get("files", {}))
    reference = spec_of_child(workflow.steps[0]) if layout.get("reference") and workflow.steps else None
    if reference is not None:
        spec["workflowTemplateRef"] = reference["workflowTemplateRef"]
    else:
        name = writer.add(name, _first_template(workflow, name, layout, names, writer, writing))
    if layout.get("entrypoint") or not layout:
        spec["entrypoint"] = name
    if "root" not in layout:
        own = layout.get("own", {})
        parameters = [_argument(key, one) for key, one in names.items() if key not in own]
        artifacts = [{"name": key, **write_location(file)} for key, file in writing.used.items()]
        arguments = {kind: found for kind, found in (("parameters", parameters), ("artifacts", artifacts)) if found}
        spec |= {"arguments": arguments} if arguments else {}
        spec |= _exit(workflow, layout, writer)
    return spec


def _exit(workflow: ir.Workflow, layout: Facts, writer: TemplateWriter) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for handler in workflow.exit_handlers:
        called = layout.get("onExit", handler.step.name)
        found["onExit"] = writer.add(called, writer.of_step(handler.step, called))
    return found


def _first_template(
    workflow: ir.Workflow,
    name: str,
    layout: Facts,
    names: Mapping[str, ir.Parameter],
    writer: TemplateWriter,
    writing: Writing,
) -> dict[str, Any]:
    made: dict[str, Any] = {}
    facts = writer.facts(name)
    if facts.get("kind") is None and len(workflow.steps) == 1:
        writing.prefix = ""
        made = writer.leaf(workflow.steps[0], facts, writing)
        made = with_raw(made, workflow.steps[0])
    else:
        made = writer.nested(workflow, name, writing)
    declared = [_declared_input(one, names[one], layout) for one in layout.get("inputs", ()) if one in names]
    if declared:
        made = merged({"inputs": {"parameters": declared}}, made)
    whole: dict[str, Any] = merged(made, layout.get("first", {}))
    return whole


def _declared_input(name: str, parameter: ir.Parameter, layout: Facts) -> dict[str, Any]:
    """An input of the first template; one that is no argument of the workflow has its value there."""
    kind = layout.get("own", {}).get(name)
    if kind and parameter.default is not None and parameter.default.value is not None:
        return {"name": name, kind: constant_text(parameter.default.value)}
    return {"name": name}


def _argument(name: str, parameter: ir.Parameter) -> dict[str, Any]:
    made: dict[str, Any] = {"name": name}
    if parameter.default is not None and parameter.default.value is not None:
        made["value"] = constant_text(parameter.default.value)
    if parameter.help:
        made["description"] = parameter.help
    if parameter.choices:
        made["enum"] = [as_text(one) for one in parameter.choices]
    return made


def _settings(workflow: ir.Workflow) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if workflow.parallelism is not None:
        found["parallelism"] = workflow.parallelism
    if workflow.timeout is not None:
        found["activeDeadlineSeconds"] = int(workflow.timeout)
    if workflow.service_account:
        found["serviceAccountName"] = workflow.service_account
    return found


def _cron(schedule: ir.Schedule | None) -> dict[str, Any]:
    if schedule is None:
        return {}
    found: dict[str, Any] = {"schedules": list(schedule.cron)}
    if schedule.timezone != "UTC":
        found["timezone"] = schedule.timezone
    if schedule.concurrency != "allow":
        found["concurrencyPolicy"] = schedule.concurrency.capitalize()
    if schedule.suspended:
        found["suspend"] = True
    if schedule.starting_deadline is not None:
        found["startingDeadlineSeconds"] = int(schedule.starting_deadline)
    return found


def _add_volumes(spec: dict[str, Any], writer: TemplateWriter) -> None:
    for name, volume in writer.volumes.items():
        kind = "volumeClaimTemplates" if volume.source == "new_claim" else "volumes"
        spec.setdefault(kind, []).append(write_volume(volume, name))


def tags_of(idents: Mapping[str, str], inputs: list[str]) -> dict[str, str]:
    """Tags of the parameters of the whole workflow, in the template that runs first."""
    return {ident: f"{'inputs' if name in inputs else 'workflow'}.parameters.{name}" for name, ident in idents.items()}
