"""Runs images with the docker or podman program instead of as processes on this machine."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

from couler.backends.local.layout import RunFolder, file_name
from couler.backends.local.work import Work
from couler.core.errors import EngineError
from couler.core.ir.model import ContainerTask, FunctionTask, ScriptTask
from couler.runner import function

PROCESS = "process"
RUNTIMES = (PROCESS, "docker", "podman")
HINTS = {
    "docker": "install Docker and start it, or use --runtime process",
    "podman": "install Podman, or use --runtime process",
}


def check(runtime: str) -> None:
    """Refuse a runtime that is not installed.

    Raises:
        EngineError: There is no such program on the search path.
    """
    if runtime not in RUNTIMES:
        raise EngineError(f"unknown runtime '{runtime}'", f"runtimes: {', '.join(RUNTIMES)}")
    if runtime != PROCESS and shutil.which(runtime) is None:
        raise EngineError(f"the program '{runtime}' is not on this machine", HINTS[runtime])


def name_of(run_id: str, path: str) -> str:
    """The name of a step's container."""
    return "couler-" + "".join(c if c.isalnum() else "-" for c in f"{run_id}-{file_name(path)}")[:100]


def wrap(runtime: str, work: Work, message: dict[str, Any], folder: RunFolder, run_id: str) -> None:
    """Make the message run its task in a container: the step's folder is mounted at its own path.

    Variables travel by name only, so that their values show in no list of processes.
    """
    task = work.step.task
    step_folder = message["folder"]
    name = name_of(run_id, work.path)
    stored = str(folder.root / "artifacts")
    mounts = [(step_folder, step_folder, ""), (stored, stored, ":ro")]
    image, command, entrypoint = "", list(work.arguments), ""
    if isinstance(task, ContainerTask):
        image = task.image
        if task.command:
            entrypoint, command = command[0], command[1:]
    elif isinstance(task, ScriptTask):
        image = task.image
        source = Path(step_folder + ".script")
        source.write_text(task.source, encoding="utf-8", newline="")
        mounts.append((str(source), "/couler/script", ":ro"))
        entrypoint, command = task.interpreter[0], [*task.interpreter[1:], "/couler/script", *command]
    elif isinstance(task, FunctionTask):
        image = task.image
        payload = Path(step_folder + ".payload")
        keys = ("step", "inputs", "outputs", "limit", "files")
        body = {"source": task.source, "entry": task.entry, **{key: message[key] for key in keys if key in message}}
        payload.write_text(json.dumps(body), encoding="utf-8")
        mounts += [(function.__file__, "/couler/function.py", ":ro"), (str(payload), "/couler/payload.json", ":ro")]
        message["function_result"] = step_folder + "/.couler-result.json"
        entrypoint, command = "python", ["/couler/function.py", "/couler/payload.json", message["function_result"]]
    arguments = [runtime, "run", "--rm", "--name", name, "--workdir", message.get("working_dir", step_folder)]
    for source_path, target, mode in mounts:
        arguments += ["--volume", f"{source_path}:{target}{mode}"]
    arguments += _volumes(work)
    arguments += _limits(runtime, work)
    for variable in sorted([*message["env"], "COULER_RUN_ID"]):
        arguments += ["--env", variable]
    if isinstance(task, ContainerTask) and task.pull_policy:
        arguments += ["--pull", {"Always": "always", "IfNotPresent": "missing", "Never": "never"}[task.pull_policy]]
    if entrypoint:
        arguments += ["--entrypoint", entrypoint]
    message["argv"] = [*arguments, image, *command]
    message["after_kill"] = [runtime, "kill", name]


def _volumes(work: Work) -> list[str]:
    found = []
    for volume in work.step.volumes:
        mode = ":ro" if volume.read_only else ""
        match volume.source:
            case "host" | "claim" | "new_claim":
                found += ["--volume", f"{volume.name}:{volume.path}{mode}"]
            case "empty":
                found += ["--volume", volume.path]
            case source:
                raise EngineError(
                    f"step '{work.step.name}' mounts a {source.replace('_', ' ')}, which only Kubernetes has",
                    "give the step a secret or a file instead, or use an engine on Kubernetes",
                )
    return found


def _limits(runtime: str, work: Work) -> list[str]:
    found = []
    if work.memory is not None:
        found += ["--memory", str(work.memory)]
    resources = work.step.resources
    if resources is not None and resources.cpu is not None:
        found += ["--cpus", f"{resources.cpu:g}"]
    if work.devices and runtime == "docker":
        found += ["--gpus", f'"device={",".join(work.devices)}"']  # the quotes keep docker from cutting at the commas
    elif work.devices:
        found += [part for device in work.devices for part in ("--device", f"nvidia.com/gpu={device}")]
    return found
