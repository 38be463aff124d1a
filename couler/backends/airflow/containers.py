"""What steps run in: processes of the worker, pods, or containers of Docker; and what stands around them there."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from couler.backends.airflow.attributes import told
from couler.backends.airflow.expressions import flag, mapping, sequence
from couler.backends.pods import container_resources, placement, volume_source
from couler.core.errors import EngineError
from couler.core.ir.graph import references, references_in, walk
from couler.core.ir.json import thaw
from couler.core.ir.model import (
    ContainerTask,
    FunctionTask,
    GroupTask,
    JobPredicate,
    JobTask,
    OutputRef,
    Resources,
    ScriptTask,
    Sidecar,
    Step,
    SuspendTask,
    Value,
    Volume,
    Workflow,
)
from couler.core.ir.quantities import amount
from couler.core.render.code import Code, Items
from couler.core.render.literals import literal, text

PROCESS, KUBERNETES, DOCKER = "process", "kubernetes", "docker"
MODULES: Mapping[str, tuple[str, ...]] = {
    PROCESS: (),
    KUBERNETES: ("images.py", "jobs.py", "pods.py"),
    DOCKER: ("docker_steps.py", "images.py"),
}
"""What steps run in to the modules that a DAG file needs for that."""
RUNNING = frozenset({"Function", "Script", "Container"})
"""Operators that run something."""
_MODULE_OF = {"Job": "jobs", "Again": "again", **dict.fromkeys(("End", "Gather", "Items", "Rounds", "Start"), "groups")}
IMAGE = "python:3.11-slim"
"""Where functions and scripts run that name no image."""
MIB = 1 << 20
CLAIM = "claim://"
NVIDIA = "nvidia.com/gpu"


def chosen(options: Mapping[str, Any]) -> str:
    """What steps run in.

    Raises:
        EngineError: It is none of those that there are.
    """
    mode: str = options.get("airflow_containers") or PROCESS
    if mode not in MODULES:
        raise EngineError(
            f"steps on Airflow cannot run in '{mode}'", f"airflow_containers is one of {', '.join(MODULES)}"
        )
    return mode


def files_in(options: Mapping[str, Any]) -> tuple[str, str]:
    """URL of the folder for files between steps, and the claim that holds it, if there is one.

    A claim is named as ``claim://NAME/PATH``, with the path at which workers mount it.

    >>> files_in({"artifacts": "claim://shared/mnt/files"}), files_in({"artifacts": "s3://bucket/files"})
    (('file:///mnt/files', 'shared'), ('s3://bucket/files', ''))
    """
    url = options.get("artifacts") or ""
    if not url.startswith(CLAIM):
        return Path(url).absolute().as_uri() if url and "://" not in url else url, ""
    claim, _, path = url.removeprefix(CLAIM).partition("/")
    return f"file:///{path}", claim


def module_of(operator: str, mode: str) -> str:
    """The module that has an operator."""
    if operator in RUNNING:
        return {KUBERNETES: "pods", DOCKER: "docker_steps"}.get(mode, "steps")
    return _MODULE_OF.get(operator, "steps")


def of_job(task: JobTask) -> dict[str, Code | None]:
    """Arguments of the operator of a Kubernetes object."""
    return {
        "manifest": literal(thaw(task.manifest)),
        "action": text(task.action) if task.action != "create" else None,
        "success": sequence([_claim(one) for one in task.success]),
        "failure": sequence([_claim(one) for one in task.failure]),
        "results": mapping({one.name: _tuple(text(one.field), text(one.type)) for one in task.outputs}),
        "delete_after": flag(task.delete_after),
    }


def _claim(one: JobPredicate) -> Code:
    return _tuple(text(one.field or f":{one.condition}"), text(one.operator), literal(thaw(one.value)))


def _tuple(*parts: Code) -> Code:
    return Items("(", tuple(("", part) for part in parts), ")")


def around(step: Step, mode: str) -> dict[str, Code]:
    """Arguments of the operator of a step that say where it runs and what it has there."""
    if isinstance(step.task, GroupTask | SuspendTask | JobTask):
        return {"doc_md": text(told(step.description, step.labels))} if step.labels else {}
    image = step.task.image
    found = {"image": text(image) if image else None, **_AROUND[mode](step)}
    return {name: code for name, code in found.items() if code is not None}


def of_run(workflow: Workflow, mode: str, options: Mapping[str, Any]) -> dict[str, Code]:
    """Arguments of every task."""
    if mode == PROCESS:
        return {}
    found = {"image": options.get("image") or IMAGE}
    if mode == KUBERNETES:
        found |= {
            "namespace": options.get("namespace"),
            "service_account_name": workflow.service_account or options.get("service_account"),
            "claim": files_in(options)[1],
        }
    return {name: text(value) for name, value in found.items() if value}


def problems(workflow: Workflow, mode: str) -> Iterator[str]:
    """What cannot be where steps run: a pod that runs its image's own command gives nothing."""
    if mode != KUBERNETES:
        return
    read = set(_read(workflow))
    for path, step in walk(workflow):
        if isinstance(step.task, ContainerTask) and not step.task.command:
            if step.sidecars:
                yield f"step '{path}' has no command, so nobody sees its end beside its sidecars; give it a command"
            elif path in read or step.outputs:
                yield f"step '{path}' has no command, so its outputs cannot be had from its pod; give it a command"


def _read(workflow: Workflow) -> Iterator[str]:
    """Paths of steps whose outputs others read."""
    for path, step in walk(workflow):
        scope = path.rpartition("/")[0]
        yield from _in_scope(scope, references(step))
        if isinstance(step.task, GroupTask):
            yield from _in_scope(path, [ref for one in step.task.outputs for ref in references_in(one.value)])
    yield from _in_scope("", [ref for one in workflow.outputs for ref in references_in(one.value)])


def _in_scope(scope: str, refs: Iterable[Value]) -> Iterator[str]:
    return (f"{scope}/{ref.step}".lstrip("/") for ref in refs if isinstance(ref, OutputRef))


def notes(workflow: Workflow, mode: str) -> Iterator[str]:
    """What the reader should know of where steps run."""
    owned = [path for path, step in walk(workflow) if isinstance(step.task, JobTask) and _stays(step.task)]
    if owned:
        yield f"the objects of {_some(owned)} stay in the cluster: nothing there stands for a run, to own them"
    if mode == DOCKER:
        yield from _left_by_docker(workflow)
    if mode != PROCESS:
        return
    steps = [
        (path, step)
        for path, step in walk(workflow)
        if isinstance(step.task, FunctionTask | ScriptTask | ContainerTask)
    ]
    imaged = [path for path, step in steps if step.task.image]  # type: ignore[union-attr]
    if imaged:
        yield (
            f"the images of {_some(imaged)} are written down only: steps run as processes of Airflow's worker; for "
            "their images set airflow_containers to kubernetes or docker"
        )
    limited = [path for path, step in steps if step.resources is not None and amounts(step.resources)]
    if limited:
        yield (
            f"the resources of {_some(limited)} are written down only: workers give each step what they have; for "
            "limits set airflow_containers to kubernetes or docker"
        )


def _left_by_docker(workflow: Workflow) -> Iterator[str]:
    """What Docker has no limit or choice for."""
    steps = list(walk(workflow))
    stored = [path for path, step in steps if step.resources is not None and step.resources.ephemeral_storage]
    if stored:
        yield f"the storage of {_some(stored)} is not limited: Docker has no limit for it"
    sized = [path for path, step in steps if any(volume.size for volume in step.volumes)]
    if sized:
        yield f"the volumes of {_some(sized)} are as large as the disk: Docker has no size for them"
    pulled = [path for path, step in steps if getattr(step.task, "pull_policy", "") == "Never"]
    if pulled:
        yield f"the images of {_some(pulled)} are pulled when they are missing: Airflow's operator always does"
    kinds = [path for path, step in steps if step.resources is not None and step.resources.gpu
             and step.resources.gpu_kind != NVIDIA]  # fmt: skip
    if kinds:
        yield f"the GPUs of {_some(kinds)} are any that Docker has: it tells kinds apart by its own settings"


def _stays(task: JobTask) -> bool:
    return task.owned and task.action in ("create", "apply") and not task.delete_after


def _some(paths: list[str]) -> str:
    shown = ", ".join(f"'{path}'" for path in paths[:3])
    return shown if len(paths) < 4 else f"{shown} and {len(paths) - 3} more"


# --- processes -------------------------------------------------------------------------------------------------------


def amounts(resources: Resources) -> dict[str, float]:
    """Cores, and MiB of memory and storage, as Airflow counts them."""
    found = {"cpus": resources.cpu}
    for name, quantity in (("ram", resources.memory), ("disk", resources.ephemeral_storage)):
        found[name] = amount(quantity) / MIB if quantity is not None else None
    return {name: int(value) if value == int(value) else value for name, value in found.items() if value is not None}


def _in_process(step: Step) -> dict[str, Code | None]:
    needs = amounts(step.resources) if step.resources is not None else {}
    return {
        "resources": literal(needs) if needs else None,
        "doc_md": text(told(step.description, step.labels)) if step.labels else None,
    }


# --- pods ------------------------------------------------------------------------------------------------------------


def _in_pod(step: Step) -> dict[str, Code | None]:
    found: dict[str, Any] = {}
    if isinstance(step.task, ContainerTask) and step.task.pull_policy:
        found["image_pull_policy"] = step.task.pull_policy
    if step.resources is not None:
        place = placement(step.resources)
        found |= {
            "container_resources": container_resources(step.resources),
            "node_selector": place.get("nodeSelector"),
            "tolerations": place.get("tolerations"),
            "affinity": place.get("affinity"),
            "priority_class_name": place.get("priorityClassName"),
        }
    found |= {
        "service_account_name": step.service_account,
        "labels": dict(step.labels),
        "volumes": [_named(step, index, volume) for index, volume in enumerate(step.volumes)],
        "volume_mounts": [_mount(index, volume) for index, volume in enumerate(step.volumes)],
        "sidecars": [_sidecar(one) for one in step.sidecars],
    }
    return {name: literal(value) for name, value in found.items() if value} | {"more_memory": _more_memory(step)}


def _named(step: Step, index: int, volume: Volume) -> dict[str, Any]:
    name = f"volume-{index}"
    if volume.source != "new_claim":
        return {"name": name, **volume_source(volume)}
    if volume.name:
        raise EngineError(
            f"step '{step.name}' shares the new volume '{volume.name}' with other steps, and Airflow makes no claims "
            "that outlive a pod",
            f"create the claim in the cluster, and mount it: source='claim', name='{volume.name}'",
        )
    spec = {"accessModes": [volume.access_mode], "resources": {"requests": {"storage": volume.size}}}
    return {"name": name, "ephemeral": {"volumeClaimTemplate": {"spec": spec}}}


def _mount(index: int, volume: Volume) -> dict[str, Any]:
    mount = {"name": f"volume-{index}", "mountPath": volume.path}
    return {**mount, "readOnly": True} if volume.read_only else mount


def _sidecar(one: Sidecar) -> dict[str, Any]:
    """A container as Kubernetes writes it, with nothing in it that Kubernetes replaces."""
    found: dict[str, Any] = {"name": one.name, "image": one.image}
    found |= {
        "command": [_plain(word) for word in one.command],
        "args": [_plain(word) for word in one.args],
        "env": [{"name": name, "value": _plain(value)} for name, value in one.env.items()],
    }
    return {name: value for name, value in found.items() if value}


def _plain(word: str) -> str:
    return word.replace("$", "$$")


def _more_memory(step: Step) -> Code | None:
    """Factor and most bytes of the memory after running out of it."""
    if step.retry is None or step.retry.escalation is None or step.resources is None or not step.resources.memory:
        return None
    most = step.retry.escalation.memory_maximum
    highest = literal(None if most is None else int(amount(most)))
    return _tuple(literal(step.retry.escalation.memory_factor), highest)


# --- Docker ----------------------------------------------------------------------------------------------------------


def _in_docker(step: Step) -> dict[str, Code | None]:
    found: dict[str, Code | None] = {"labels": mapping({name: text(value) for name, value in step.labels.items()})}
    if isinstance(step.task, ContainerTask) and step.task.pull_policy == "Always":
        found["force_pull"] = "True"
    resources = step.resources
    if resources is not None:
        found |= {
            "cpus": literal(resources.cpu) if resources.cpu else None,
            "mem_limit": literal(int(amount(resources.memory))) if resources.memory else None,
            "gpus": str(resources.gpu) if resources.gpu else None,
        }
    return {**found, "volumes": sequence([_folder(step, volume) for volume in step.volumes])}


def _folder(step: Step, volume: Volume) -> Code:
    if volume.source in ("config_map", "secret"):
        raise EngineError(
            f"step '{step.name}' mounts a {volume.source.replace('_', ' ')}, which only Kubernetes has",
            "give the step a secret or a file instead, or set airflow_containers to kubernetes",
        )
    name = None if volume.source == "empty" or not volume.name else volume.name
    return _tuple(literal(name), text(volume.path), literal(volume.read_only))


_AROUND: Mapping[str, Callable[[Step], dict[str, Code | None]]] = {
    PROCESS: _in_process,
    KUBERNETES: _in_pod,
    DOCKER: _in_docker,
}
