"""The whole document: a Workflow, a WorkflowTemplate or a CronWorkflow."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from functools import partial
from typing import Any

from couler.backends.argo.build import PATCH, Build, merge
from couler.backends.argo.divided import DividedScope
from couler.backends.argo.exits import TEMPLATE as EXIT
from couler.backends.argo.exits import exit_template, exports, reads_failures
from couler.backends.argo.inline import within_cap
from couler.backends.argo.large import stores_files
from couler.backends.argo.names import object_name, parameter_name, task_name
from couler.backends.argo.options import CRON, METADATA, entry_fields, options_of
from couler.backends.argo.patches import combined
from couler.backends.argo.wire import wire
from couler.core.errors import ConfigError, EngineError, near
from couler.core.ir.model import Parameter, Schedule, Workflow
from couler.runner.container import shipped

API = "argoproj.io/v1alpha1"
KINDS = ("Workflow", "WorkflowTemplate", "ClusterWorkflowTemplate", "CronWorkflow")
NAME = "couler.io/workflow"
"""Annotation with the name of the workflow."""
DESCRIPTION = "workflows.argoproj.io/description"
_CONCURRENCY = {"allow": "Allow", "forbid": "Forbid", "replace": "Replace"}


def document(workflow: Workflow, build: Build, kind: str = "", namespace: str = "") -> dict[str, Any]:
    """The workflow as a Kubernetes object.

    Args:
        workflow: The workflow, with native features only.
        build: Settings of the compilation; what is found on the way is left there.
        kind: One of `KINDS`; without it a CronWorkflow when there is a schedule, else a Workflow.
        namespace: Namespace to write into the object; empty leaves it to who creates it.

    Raises:
        ConfigError: There is no such kind.
        EngineError: It cannot be made of this kind.
    """
    options = options_of(workflow)
    cron = options.pop(CRON, {})
    scheduled = workflow.schedule is not None or bool(cron.get("schedules"))
    kind = kind or ("CronWorkflow" if scheduled else "Workflow")
    _check_kind(workflow, kind, scheduled)
    build.workflow_name = workflow.name
    build.stores_files = partial(stores_files, workflow)
    metadata = _metadata(workflow, kind, namespace)
    merge(metadata, options.pop(METADATA, {}))
    spec = _with_options(_spec(workflow, build), options, build)
    if kind in ("WorkflowTemplate", "ClusterWorkflowTemplate"):
        spec["workflowMetadata"] = _metadata_of_runs(workflow, spec.get("workflowMetadata", {}))
    if kind == "CronWorkflow":
        outer = _schedule(workflow.schedule) if workflow.schedule is not None else {}
        merge(outer, cron)
        outer["workflowMetadata"] = _metadata_of_runs(workflow, outer.get("workflowMetadata", {}))
        spec = {**outer, "workflowSpec": spec}
    elif scheduled:
        build.note(f"the schedule is not part of a {kind}; the kind CronWorkflow has it")
    return {"apiVersion": API, "kind": kind, "metadata": metadata, "spec": spec}


def _check_kind(workflow: Workflow, kind: str, scheduled: bool) -> None:
    if kind not in KINDS:
        raise ConfigError(f"Argo has no objects of the kind '{kind}'", near(kind, KINDS, "kinds"))
    if kind == "CronWorkflow" and not scheduled:
        raise EngineError(
            f"workflow '{workflow.name}' has no schedule, and a CronWorkflow needs one",
            'give it one, such as schedule="0 3 * * *"',
        )


def _metadata(workflow: Workflow, kind: str, namespace: str) -> dict[str, Any]:
    if kind == "Workflow":
        metadata: dict[str, Any] = {"generateName": f"{object_name(workflow.name)}-"}
    else:
        metadata = {"name": object_name(workflow.name)}
    if namespace and kind != "ClusterWorkflowTemplate":
        metadata["namespace"] = namespace
    if workflow.labels:
        metadata["labels"] = dict(workflow.labels)
    notes = {NAME: workflow.name}
    if workflow.description:
        notes[DESCRIPTION] = workflow.description
    metadata["annotations"] = notes
    return metadata


def _metadata_of_runs(workflow: Workflow, given: Mapping[str, Any]) -> dict[str, Any]:
    """What the objects get that a template or a schedule makes, which does not hand on its own labels."""
    found: dict[str, Any] = {"annotations": {NAME: workflow.name}}
    if workflow.labels:
        found["labels"] = dict(workflow.labels)
    merge(found, given)
    return found


def _with_options(spec: dict[str, Any], options: dict[str, Any], build: Build) -> dict[str, Any]:
    """The spec with raw fields; one that refers to another object has no templates of its own."""
    own = options.pop(PATCH, "")
    patch = combined(spec.get(PATCH, ""), own)
    if "workflowTemplateRef" in options:
        name = options["workflowTemplateRef"].get("name")
        build.note(f"the steps are those of the template '{name}', as the options for Argo say; these are not written")
        spec = {field: value for field, value in spec.items() if field not in _OF_STEPS}
        patch = own
    merge(spec, options)
    if patch:
        spec[PATCH] = patch
    return spec


_OF_STEPS = ("entrypoint", "onExit", "templates", "volumeClaimTemplates", PATCH)
"""Fields of a spec that belong to its own steps."""


def _spec(workflow: Workflow, build: Build) -> dict[str, Any]:
    exits = {"onExit": build.templates.reserve(EXIT)} if workflow.exit_handlers else {}
    spec: dict[str, Any] = {"entrypoint": build.templates.reserve(task_name(workflow.name)), **exits}
    if workflow.parameters:
        spec["arguments"] = {"parameters": [_parameter(parameter) for parameter in workflow.parameters]}
    if workflow.parallelism is not None:
        spec["parallelism"] = workflow.parallelism
    if workflow.timeout is not None:
        spec["activeDeadlineSeconds"] = math.ceil(workflow.timeout)
    if workflow.service_account:
        spec["serviceAccountName"] = workflow.service_account
    names = exports(workflow)
    build.tells_failures = reads_failures(workflow)
    scope = DividedScope(workflow.steps, workflow.parameters, workflow.outputs, build, top=True, exports=names)
    entry = {"name": spec["entrypoint"], **scope.body()}
    merge(entry, entry_fields(workflow))
    last = [{"name": EXIT, **exit_template(workflow, build, names)}] if workflow.exit_handlers else []
    if build.claims:
        spec["volumeClaimTemplates"] = list(build.claims.values())
    if build.needs_runner:
        spec[PATCH] = json.dumps(_runner_patch())
    templates = [entry, *build.templates.found, *last]
    spec["templates"] = templates if build.tells_failures else within_cap(templates)  # handlers ask for their names
    return spec


def _runner_patch() -> dict[str, Any]:
    """Gives every pod the program that runs functions, written once for all templates."""
    return {"containers": [{"name": "main", "env": [{"name": "COULER_RUNNER", "value": shipped()}]}]}


def _parameter(parameter: Parameter) -> dict[str, Any]:
    entry: dict[str, Any] = {"name": parameter_name(parameter.name)}
    if parameter.help:
        entry["description"] = parameter.help
    if parameter.default is not None:
        entry["value"] = wire(parameter.default.value)
    if parameter.choices:
        entry["enum"] = [wire(choice) for choice in parameter.choices]
    return entry


def _schedule(schedule: Schedule) -> dict[str, Any]:
    fields: dict[str, Any] = {"schedules": list(schedule.cron), "timezone": schedule.timezone}
    fields["concurrencyPolicy"] = _CONCURRENCY[schedule.concurrency]
    if schedule.suspended:
        fields["suspend"] = True
    if schedule.starting_deadline is not None:
        fields["startingDeadlineSeconds"] = math.ceil(schedule.starting_deadline)
    return fields


def with_arguments(made: dict[str, Any], parameters: Mapping[str, Any]) -> dict[str, Any]:
    """The document with values for its parameters.

    >>> made = {"spec": {"arguments": {"parameters": [{"name": "rate", "value": "0.1"}]}}}
    >>> with_arguments(made, {"rate": 0.5})["spec"]["arguments"]["parameters"]
    [{'name': 'rate', 'value': '0.5'}]
    """
    given = {parameter_name(name): wire(value) for name, value in parameters.items()}
    entries = made["spec"].get("arguments", {}).get("parameters", [])
    filled = [{**entry, "value": given[entry["name"]]} if entry["name"] in given else entry for entry in entries]
    spec = {**made["spec"], "arguments": {"parameters": filled}} if filled else made["spec"]
    return {**made, "spec": spec}
