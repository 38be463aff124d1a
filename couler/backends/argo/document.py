"""The whole document: a Workflow, a WorkflowTemplate or a CronWorkflow."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

from couler.backends.argo.build import Build, merge
from couler.backends.argo.exits import TEMPLATE as EXIT
from couler.backends.argo.exits import exit_template, exports
from couler.backends.argo.names import object_name, parameter_name, task_name
from couler.backends.argo.scope import Scope
from couler.backends.argo.wire import wire
from couler.core.ir.json import thaw
from couler.core.ir.model import Parameter, Schedule, Workflow
from couler.runner.container import shipped

API = "argoproj.io/v1alpha1"
KINDS = ("Workflow", "WorkflowTemplate", "ClusterWorkflowTemplate", "CronWorkflow")
_CONCURRENCY = {"allow": "Allow", "forbid": "Forbid", "replace": "Replace"}


def document(workflow: Workflow, build: Build, kind: str = "") -> dict[str, Any]:
    """The workflow as a Kubernetes object.

    Args:
        workflow: The workflow, with native features only.
        build: Settings of the compilation; what is found on the way is left there.
        kind: One of `KINDS`; without it a CronWorkflow when there is a schedule, else a Workflow.
    """
    kind = kind or ("CronWorkflow" if workflow.schedule is not None else "Workflow")
    build.workflow_name = workflow.name
    spec = _spec(workflow, build)
    metadata = _metadata(workflow, kind)
    options = thaw(workflow.engine_options.get("argo", {}))
    merge(metadata, options.pop("metadata", {}))
    cron = options.pop("cronWorkflow", {})
    merge(spec, options)
    if kind == "CronWorkflow":
        assert workflow.schedule is not None
        spec = {**_schedule(workflow.schedule), **cron, "workflowSpec": spec}
    return {"apiVersion": API, "kind": kind, "metadata": metadata, "spec": spec}


def _metadata(workflow: Workflow, kind: str) -> dict[str, Any]:
    if kind == "Workflow":
        metadata: dict[str, Any] = {"generateName": f"{object_name(workflow.name)}-"}
    else:
        metadata = {"name": object_name(workflow.name)}
    if workflow.labels:
        metadata["labels"] = dict(workflow.labels)
    notes = {"couler.io/workflow": workflow.name}
    if workflow.description:
        notes["workflows.argoproj.io/description"] = workflow.description
    metadata["annotations"] = notes
    return metadata


def _spec(workflow: Workflow, build: Build) -> dict[str, Any]:
    spec: dict[str, Any] = {"entrypoint": build.templates.reserve(task_name(workflow.name))}
    if workflow.exit_handlers:
        spec["onExit"] = build.templates.reserve(EXIT)
    if workflow.parameters:
        spec["arguments"] = {"parameters": [_parameter(parameter) for parameter in workflow.parameters]}
    if workflow.parallelism is not None:
        spec["parallelism"] = workflow.parallelism
    if workflow.timeout is not None:
        spec["activeDeadlineSeconds"] = math.ceil(workflow.timeout)
    if workflow.service_account:
        spec["serviceAccountName"] = workflow.service_account
    names = exports(workflow)
    scope = Scope(workflow.steps, workflow.parameters, workflow.outputs, build, top=True, exports=names)
    entry = {"name": spec["entrypoint"], **scope.body()}
    last = [{"name": EXIT, **exit_template(workflow, build, names)}] if workflow.exit_handlers else []
    if build.claims:
        spec["volumeClaimTemplates"] = list(build.claims.values())
    if build.needs_runner:
        spec["podSpecPatch"] = json.dumps(_runner_patch())
    spec["templates"] = [entry, *build.templates.found, *last]
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
