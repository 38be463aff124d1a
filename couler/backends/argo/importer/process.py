"""Containers and scripts: the process of a template, what it is given, and back."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from couler.backends.argo.importer.reading import as_text, items_of
from couler.backends.argo.importer.stores import read_location
from couler.backends.argo.importer.tags import NOWHERE, Reading, Writing
from couler.core.ir import model as ir
from couler.core.ir.quantities import amount

Facts = dict[str, Any]
"""Facts of a template's layout for which the IR has no word."""
Fields = dict[str, Any]
"""Fields of a step."""

_FLAGS = {"python": "-c", "python3": "-c", "bash": "-c", "sh": "-c", "ash": "-c", "zsh": "-c", "node": "-e",
          "perl": "-e", "ruby": "-e"}  # fmt: skip
_POLICIES = ("Always", "IfNotPresent", "Never")
_SECRET_NAME = re.compile(r"PASSWORD|PASSWD|SECRET|API_?KEY|(?<![A-Z])TOKEN(?![A-Z])|ACCESS_?KEY", re.IGNORECASE)
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*")
_GPU = re.compile(r"[\w.-]+/gpu")


def read_container(container: Mapping[str, Any], reading: Reading) -> ir.ContainerTask:
    """The task of a container template."""
    policy = container.get("imagePullPolicy", "")
    return ir.ContainerTask(
        image=as_text(container.get("image")),
        command=tuple(reading.value(part) for part in container.get("command") or ()),
        args=tuple(reading.value(part) for part in container.get("args") or ()),
        pull_policy=policy if policy in _POLICIES else "",
    )


def read_script(script: Mapping[str, Any], reading: Reading, facts: Facts) -> ir.ScriptTask | ir.ContainerTask:
    """The task of a script template; one with references in its source becomes a container that gets the text."""
    command = [as_text(part) for part in script.get("command") or ()]
    source = as_text(script.get("source"))
    flag = _FLAGS.get(command[0].rpartition("/")[2]) if command else None
    if flag is not None and reading.has_references(source):
        facts["script"] = "as it is" if command[-1] == flag else "with flag"
        whole = command if command[-1] == flag else [*command, flag]
        parts = tuple(ir.Constant(value=part) for part in whole)
        return ir.ContainerTask(image=as_text(script.get("image")), command=parts, args=(reading.value(source),))
    return ir.ScriptTask(source=source, interpreter=tuple(command), image=as_text(script.get("image")))


def write_process(step: ir.Step, facts: Facts, writing: Writing) -> dict[str, Any]:
    """``container`` or ``script`` of a template."""
    task = step.task
    if isinstance(task, ir.ScriptTask):
        made: dict[str, Any] = {"image": task.image, "command": list(task.interpreter), "source": task.source}
        return {
            "script": {key: value for key, value in {**made, **_surroundings(step, facts, writing)}.items() if value}
        }
    assert isinstance(task, ir.ContainerTask)
    command = [writing.text(part) for part in task.command]
    arguments = [writing.text(part) for part in task.args]
    if facts.get("script") and len(arguments) == 1 and command and command[-1] in ("-c", "-e"):
        shown = command if facts["script"] == "as it is" else command[:-1]
        made = {"image": task.image, "command": shown, "source": arguments[0]}
        return {"script": {**made, **_surroundings(step, facts, writing)}}
    made = {"image": task.image, "imagePullPolicy": task.pull_policy, "command": command, "args": arguments}
    return {
        "container": {key: value for key, value in {**made, **_surroundings(step, facts, writing)}.items() if value}
    }


def _surroundings(step: ir.Step, facts: Facts, writing: Writing) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if env := _write_env(step, facts, writing):
        found["env"] = env
    if resources := write_resources(step.resources, facts):
        found["resources"] = resources
    if step.volumes:
        found["volumeMounts"] = [_mount(volume, facts) for volume in step.volumes]
    if step.working_dir:
        found["workingDir"] = step.working_dir
    return found


def read_surroundings(
    container: Mapping[str, Any], reading: Reading, facts: Facts, volumes: Mapping[str, Any]
) -> Fields:
    """Env, secrets, resources, volumes and working directory of a process."""
    fields: Fields = {}
    env, secrets = _read_env(container, reading, facts)
    if env:
        fields["env"] = env
    if secrets:
        fields["secrets"] = secrets
    if (resources := read_resources(container.get("resources"), facts)) is not None:
        fields["resources"] = resources
    if mounted := _read_mounts(container, volumes, facts):
        fields["volumes"] = mounted
    directory = as_text(container.get("workingDir"))
    if directory and "{{" not in directory:
        fields["working_dir"] = directory
    return fields


# --- env -------------------------------------------------------------------------------------------------------


def _read_env(
    container: Mapping[str, Any], reading: Reading, facts: Facts
) -> tuple[tuple[ir.EnvVar, ...], tuple[ir.SecretUse, ...]]:
    items = items_of(container.get("env"))
    names = [as_text(item.get("name")) for item in items]
    if len(set(names)) < len(names):
        return (), ()
    env, secrets = [], []
    for name, item in zip(names, items, strict=True):
        key = (item.get("valueFrom") or {}).get("secretKeyRef")
        if not _VARIABLE.fullmatch(name):
            continue
        if key and key.get("name") and "{{" not in f"{key}":
            secrets.append(ir.SecretUse(secret=ir.SecretRef(name=key["name"], key=as_text(key["key"])), env=name))
        elif "value" in item and not (_SECRET_NAME.search(name) and "{{" not in as_text(item["value"])):
            env.append(ir.EnvVar(name=name, value=reading.value(item["value"])))
    if [one.name for one in env] + [use.env for use in secrets] != names:
        facts["env"] = names
    return tuple(env), tuple(secrets)


def _write_env(step: ir.Step, facts: Facts, writing: Writing) -> list[dict[str, Any]]:
    made: dict[str, dict[str, Any]] = {}
    for one in step.env:
        made[one.name] = {"name": one.name, "value": writing.text(one.value)}
    for use in step.secrets:
        if use.env:
            key = {"name": use.secret.name, "key": use.secret.key}
            made[use.env] = {"name": use.env, "valueFrom": {"secretKeyRef": key}}
    known = facts.get("env", ())
    order = [name for name in known if name in made] + [name for name in made if name not in known]
    return [made[name] for name in order]


# --- resources -------------------------------------------------------------------------------------------------


def read_resources(given: Any, facts: Facts) -> ir.Resources | None:
    """What a process needs, where limits and requests say one thing."""
    if not isinstance(given, Mapping):
        return None
    parts = {kind: given[kind] for kind in ("limits", "requests") if given.get(kind)}
    first = next(iter(parts.values()), None)
    if not first or any(part != first for part in parts.values()) or "{{" in f"{first}":
        return None
    fields: dict[str, Any] = {}
    for name, value in first.items():
        if name == "cpu" and amount(as_text(value)) > 0:
            fields["cpu"] = amount(as_text(value))
        elif name in ("memory", "ephemeral-storage"):
            fields[name.replace("-", "_")] = as_text(value)
        elif _GPU.fullmatch(name) and as_text(value).isdigit():
            fields |= {"gpu": int(value), "gpu_kind": name}
    facts["resources"] = list(parts)
    return ir.Resources(**fields) if fields else None


def write_resources(resources: ir.Resources | None, facts: Facts) -> dict[str, Any]:
    """``resources`` of a container."""
    if resources is None:
        return {}
    amounts: dict[str, Any] = {}
    if resources.cpu is not None:
        whole = resources.cpu == int(resources.cpu)
        amounts["cpu"] = str(int(resources.cpu)) if whole else f"{round(resources.cpu * 1000)}m"
    if resources.memory is not None:
        amounts["memory"] = resources.memory
    if resources.ephemeral_storage is not None:
        amounts["ephemeral-storage"] = resources.ephemeral_storage
    if resources.gpu:
        amounts[resources.gpu_kind] = str(resources.gpu)
    return {kind: dict(amounts) for kind in facts.get("resources", ("requests", "limits"))} if amounts else {}


# --- volumes ---------------------------------------------------------------------------------------------------


def read_volume(definition: Mapping[str, Any]) -> dict[str, Any] | None:
    """What a volume is, for `couler.Volume`; None when couler has no word for it."""
    name = as_text(definition.get("name"))
    if "{{" in f"{definition}":
        return None
    match definition:
        case {"persistentVolumeClaim": {"claimName": claim}}:
            return {"source": "claim", "name": claim}
        case {"emptyDir": _}:
            return {"source": "empty", "name": name}
        case {"hostPath": {"path": path}}:
            return {"source": "host", "name": path}
        case {"configMap": {"name": named}}:
            return {"source": "config_map", "name": named}
        case {"secret": {"secretName": named}}:
            return {"source": "secret", "name": named}
        case {"metadata": {"name": claim}, "spec": {"resources": {"requests": {"storage": size}}} as spec}:
            modes = spec.get("accessModes") or ["ReadWriteOnce"]
            return {"source": "new_claim", "name": claim, "size": as_text(size), "access_mode": modes[0]}
        case _:
            return None


def write_volume(volume: ir.Volume, name: str) -> dict[str, Any]:
    """The definition of a volume."""
    match volume.source:
        case "claim":
            return {"name": name, "persistentVolumeClaim": {"claimName": volume.name}}
        case "empty":
            return {"name": name, "emptyDir": {}}
        case "host":
            return {"name": name, "hostPath": {"path": volume.name}}
        case "config_map":
            return {"name": name, "configMap": {"name": volume.name}}
        case "secret":
            return {"name": name, "secret": {"secretName": volume.name}}
        case _:
            spec = {"accessModes": [volume.access_mode], "resources": {"requests": {"storage": volume.size}}}
            return {"metadata": {"name": name}, "spec": spec}


def _read_mounts(container: Mapping[str, Any], volumes: Mapping[str, Any], facts: Facts) -> tuple[ir.Volume, ...]:
    mounts = items_of(container.get("volumeMounts"))
    if not mounts:
        return ()
    names = [as_text(mount.get("name")) for mount in mounts]
    paths = [as_text(mount.get("mountPath")) for mount in mounts]
    known = all(volumes.get(name) for name in names) and all(path.startswith("/") for path in paths)
    if not known or len(set(names)) < len(names) or len(set(paths)) < len(paths):
        return ()
    facts["volumes"] = dict(zip(paths, names, strict=True))
    return tuple(
        ir.Volume(path=path, read_only=bool(mount.get("readOnly", False)), **volumes[name])
        for path, name, mount in zip(paths, names, mounts, strict=True)
    )


def volume_name(volume: ir.Volume, facts: Facts) -> str:
    """What the volume is called in the document."""
    known = facts.get("volumes", {}).get(volume.path)
    return str(known or re.sub(r"[^a-z0-9]+", "-", f"{volume.source}-{volume.name}".lower()).strip("-"))


def _mount(volume: ir.Volume, facts: Facts) -> dict[str, Any]:
    mount: dict[str, Any] = {"name": volume_name(volume, facts), "mountPath": volume.path}
    return {**mount, "readOnly": True} if volume.read_only else mount


# --- inputs and outputs of a process ---------------------------------------------------------------------------


def read_files(template: Mapping[str, Any], reading: Reading) -> tuple[ir.Input, ...]:
    """Input artifacts with a path."""
    found = []
    for item in items_of((template.get("inputs") or {}).get("artifacts")):
        name, path = as_text(item.get("name")), as_text(item.get("path"))
        if not name or not path or "{{" in path:
            continue
        known = reading.artifacts.get(name)
        value: ir.Value = ir.ParameterRef(name=known) if known else read_location(item)
        if value == ir.StoredFile(url=NOWHERE) and name in reading.files:
            value = reading.files[name]
        found.append(ir.Input(name=name, value=value, type="file", path=path))
    return tuple(found)


def read_outputs(template: Mapping[str, Any], types: Mapping[str, str]) -> tuple[ir.Output, ...]:
    """Outputs that the process writes, and its standard output."""
    outputs = template.get("outputs") or {}
    found: dict[str, ir.Output] = {}
    for item in items_of(outputs.get("parameters")):
        name, source = as_text(item.get("name")), item.get("valueFrom") or {}
        if name and name != "result" and source.get("path") and "{{" not in source["path"]:
            default = ir.Constant(value=as_text(source["default"])) if "default" in source else None
            found[name] = ir.Output(name=name, type=types.get(name, "str"), path=source["path"], default=default)
    for item in items_of(outputs.get("artifacts")):
        name, path = as_text(item.get("name")), as_text(item.get("path"))
        taken = {output.path for output in found.values()}
        if name and name not in (*found, "result") and path and "{{" not in path and path not in taken:
            found[name] = ir.Output(name=name, type="file", path=path)
    return (*found.values(), ir.Output(name="result", type=types.get("result", "str")))


def write_outputs(outputs: tuple[ir.Output, ...]) -> dict[str, Any]:
    """``outputs`` of a template."""
    parameters, artifacts = [], []
    for output in outputs:
        if output.type in ("file", "folder"):
            artifacts.append({"name": output.name, "path": output.path})
        elif output.path:
            source = {"path": output.path}
            if output.default is not None:
                source["default"] = as_text(output.default.value)
            parameters.append({"name": output.name, "valueFrom": source})
    return {key: value for key, value in (("parameters", parameters), ("artifacts", artifacts)) if value}
