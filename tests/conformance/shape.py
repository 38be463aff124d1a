"""The shape of a workflow: its steps by path, what orders, repeats and limits them, and what stands around them.

`shape_of` makes it from a workflow. A reader makes it from an engine's documents, knowing nothing of couler's backends.
Both must be equal. What values and conditions come to is no part of it: that is seen by playing the documents.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from couler.core.ir.graph import outputs_of_one, upstream
from couler.core.ir.json import thaw
from couler.core.ir.model import (
    ContainerTask,
    FunctionTask,
    GroupTask,
    JobTask,
    Retry,
    Scope,
    ScriptTask,
    Step,
    SuspendTask,
    Workflow,
)

Facts = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Shape:
    """A whole workflow.

    Attributes:
        workflow: Facts about the workflow itself.
        steps: Path, without indices, to the facts about a step; exit handlers are among them.
    """

    workflow: Facts
    steps: Mapping[str, Facts]


def shape_of(workflow: Workflow) -> Shape:
    """The shape of a workflow whose defaults have been applied."""
    steps = {path: _step_facts(scope, step) for path, scope, step in each_step(workflow)}
    return Shape(_workflow_facts(workflow), steps)


def each_step(scope: Scope, prefix: str = "") -> Iterator[tuple[str, Scope, Step]]:
    """Every step with its path and the scope that it stands in, exit handlers after the others."""
    handlers = [handler.step for handler in scope.exit_handlers] if isinstance(scope, Workflow) else []
    for step in (*scope.steps, *handlers):
        path = f"{prefix}{step.name}"
        yield path, scope, step
        if isinstance(step.task, GroupTask):
            yield from each_step(step.task, f"{path}/")


def _workflow_facts(workflow: Workflow) -> Facts:
    schedule = workflow.schedule
    return {
        "parameters": [
            [] if item.default is None else [thaw(item.default.value)] for item in workflow.parameters
        ],
        "exits": {handler.step.name: handler.on for handler in workflow.exit_handlers},
        "parallelism": workflow.parallelism,
        "timeout": None if workflow.timeout is None else math.ceil(workflow.timeout),
        "service_account": workflow.service_account,
        "labels": dict(workflow.labels),
        "schedule": None if schedule is None else thaw(schedule.model_dump(mode="json")),
        "outputs": len(workflow.outputs),
    }  # fmt: skip


def _step_facts(scope: Scope, step: Step) -> Facts:
    """What is true of a step, less what an engine may write in a way of its own."""
    facts: dict[str, Any] = {
        "kind": step.task.kind,
        "after": sorted(upstream(step)) if step in scope.steps else [],
        "map": None if step.foreach is None else {"at_once": step.foreach.parallelism},
        "loop": None if step.loop is None else step.loop.max_iterations,
        "may_fail": step.allow_failure and step.foreach is None,
        **_task_facts(step),
    }
    if not isinstance(step.task, (GroupTask, SuspendTask)):
        facts.update(_around(step))
    return facts


def _task_facts(step: Step) -> Facts:
    match step.task:
        case FunctionTask():
            task = step.task
            return {
                "source": digest(task.source), "image": task.image, "entry": task.entry,
                "packages": list(task.packages),
                "inputs": sorted(item.name for item in step.inputs),
            }  # fmt: skip
        case ScriptTask():
            return {"source": digest(step.task.source), "image": step.task.image}
        case ContainerTask():
            return {"image": step.task.image, "words": len(step.task.command) + len(step.task.args)}
        case SuspendTask():
            return {"duration": None if step.task.duration is None else math.ceil(step.task.duration)}
        case JobTask():
            return {"action": step.task.action, "manifest": thaw(step.task.manifest)}
        case GroupTask():
            return {"steps": [inner.name for inner in step.task.steps]}


def _around(step: Step) -> Facts:
    resources = step.resources
    facts: dict[str, Any] = {
        "retry": retry_facts(step.retry),
        "timeout": None if step.timeout is None else math.ceil(step.timeout),
        "service_account": step.service_account,
        "labels": dict(step.labels),
        "daemon": step.daemon,
        "sidecars": [sidecar.name for sidecar in step.sidecars],
        "env": [variable.name for variable in step.env],
        "secrets": sorted(
            (use.secret.name, use.secret.key, way)
            for use in step.secrets
            for way in (use.env, "file" * bool(use.path))
            if way
        ),
        "volumes": sorted((volume.path, volume.source) for volume in step.volumes),
        "files_in": sorted(item.name for item in step.inputs if is_file(item.type)),
        "files_out": sorted(name for name, output in outputs_of_one(step).items() if is_file(output.type)),
        "defaults": sorted(output.name for output in step.outputs if output.default is not None),
    }
    if resources is not None:
        facts["amounts"] = {
            key: value
            for key, value in {
                "cpu": None if resources.cpu is None else f"{round(resources.cpu, 3):g}",
                "memory": resources.memory,
                "ephemeral-storage": resources.ephemeral_storage,
                resources.gpu_kind: str(resources.gpu) if resources.gpu else None,
            }.items()
            if value
        }
        facts["place"] = {
            "nodeSelector": dict(resources.node_selector),
            "tolerations": [one.key for one in resources.tolerations],
            "affinity": thaw(resources.affinity),
            "priority": resources.priority,
        }
    else:
        facts.update(amounts={}, place={"nodeSelector": {}, "tolerations": [], "affinity": {}, "priority": ""})
    return facts


def retry_facts(retry: Retry | None) -> Facts | None:
    """How often an attempt is repeated, when, and how long it waits."""
    if retry is None or not retry.limit:
        return None
    on = retry.on
    return {
        "limit": retry.limit,
        "wait": retry.backoff.initial,
        "most": retry.backoff.maximum if retry.backoff.initial else None,
        "codes": sorted(on.exit_codes) if on is not None else [],
        "selective": on is not None,
        "more_memory": retry.escalation is not None,
    }


def is_file(type_: str) -> bool:
    """Whether values of a type are files or folders, or lists of them."""
    return "file" in type_ or "folder" in type_


def digest(text: str) -> str:
    """Enough of a text to tell it from others."""
    return hashlib.sha256(text.strip().encode()).hexdigest()[:16]


def differences(wanted: Shape, found: Shape) -> list[str]:
    """Everything in which one shape is not another, in words."""
    return [
        *_unequal("workflow", wanted.workflow, found.workflow),
        *(f"step '{path}' is missing" for path in wanted.steps if path not in found.steps),
        *(f"step '{path}' is one too many" for path in found.steps if path not in wanted.steps),
        *(
            difference
            for path in wanted.steps
            if path in found.steps
            for difference in _unequal(f"step '{path}'", wanted.steps[path], found.steps[path])
        ),
    ]


def _unequal(where: str, wanted: Any, found: Any) -> Iterator[str]:
    if isinstance(wanted, Mapping) and isinstance(found, Mapping):
        for key in {**wanted, **found}:
            yield from _unequal(f"{where}: {key}", wanted.get(key), found.get(key))
    elif wanted != found:
        yield f"{where}: {found!r} instead of {wanted!r}"
