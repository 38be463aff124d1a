"""Tasks that are containers: pods of Kubernetes, and containers of Docker."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Iterable
from typing import Any, Literal

from couler.backends.airflow.importer.values import Made, Task
from couler.core.ir import model as ir
from couler.core.ir.quantities import amount

Fields = dict[str, Any]
Text = Callable[[Any], ir.Value]
"""An argument as a value, templates included."""

_HELD = str.maketrans({" ": "\0", "'": "\1", '"': "\2"})
_SOURCES: tuple[tuple[str, Literal["claim", "config_map", "secret", "host"], str], ...] = (
    ("persistent_volume_claim", "claim", "claim_name"),
    ("config_map", "config_map", "name"),
    ("secret", "secret", "secret_name"),
    ("host_path", "host", "path"),
)
_QUANTITY = re.compile(r"\d+(\.\d+)?(m|k|M|G|T|P|E|Ki|Mi|Gi|Ti|Pi|Ei)?")


def read_pod(task: Task, text: Text) -> Fields:
    """A step for a KubernetesPodOperator."""
    given = task.arguments
    policy = given.get("image_pull_policy")
    fields: Fields = {
        "task": ir.ContainerTask(
            image=_plain(given.get("image")),
            command=tuple(map(text, _words(given.get("cmds")))),
            args=tuple(map(text, _words(given.get("arguments")))),
            pull_policy=policy if policy in ("Always", "IfNotPresent", "Never") else "",
        ),
        "env": _env(given.get("env_vars"), text),
        "secrets": tuple(_secrets(given.get("secrets"))),
        "volumes": tuple(_volumes(given.get("volumes"), given.get("volume_mounts"))),
        "service_account": _plain(given.get("service_account_name")),
        "outputs": (ir.Output(name="result", type="str"),),
    }
    if given.get("do_xcom_push") is True:
        result = ir.Output(name="return_value", path="/airflow/xcom/return.json", default=ir.Constant(value=None))
        fields["outputs"] = (*fields["outputs"], result)
    if (resources := _resources(given)) is not None:
        fields["resources"] = resources
    return fields


def lost(task: Task, fields: Fields) -> Iterable[str]:
    """What a pod has that its step has not."""
    given = task.arguments
    if len(fields["secrets"]) < len(_words(given.get("secrets"))):
        yield "secrets that are no variables"
    if len(fields["volumes"]) < len(_words(given.get("volume_mounts"))):
        yield "volume_mounts of other kinds"
    if len(fields["env"]) < len(_words_or_keys(given.get("env_vars"))):
        yield "env_vars without a value"
    made = given.get("container_resources")
    parts = made.kwargs if isinstance(made, Made) else {}
    if parts.get("limits") and parts.get("requests") and parts["limits"] != parts["requests"]:
        yield "limits of container_resources, which differ from the requests"


def _words_or_keys(value: Any) -> list[Any]:
    return list(value) if isinstance(value, dict) else _words(value)


def read_docker(task: Task, text: Text) -> Fields:
    """A step for a DockerOperator."""
    given = task.arguments
    entrypoint = given.get("entrypoint")
    resources: Fields = {}
    if isinstance(memory := given.get("mem_limit"), str) and re.fullmatch(r"\d+[kmgKMG]?b?", memory):
        number, unit = memory.rstrip("bkmgKMG"), memory[len(memory.rstrip("bkmgKMG")) :][:1].lower()
        resources["memory"] = number + {"k": "Ki", "m": "Mi", "g": "Gi"}.get(unit, "")
    if isinstance(given.get("cpus"), int | float) and given["cpus"] > 0:
        resources["cpu"] = given["cpus"]
    env = {**_object(given.get("environment")), **_object(given.get("private_environment"))}
    return {
        "task": ir.ContainerTask(
            image=_plain(given.get("image")),
            command=tuple(map(text, _split(entrypoint))),
            args=tuple(map(text, _split(given.get("command")))),
        ),
        "env": _env(env, text),
        "working_dir": _plain(given.get("working_dir")),
        "outputs": (ir.Output(name="result", type="str"),),
        **({"resources": ir.Resources(**resources)} if resources else {}),
    }


def _plain(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _object(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _words(value: Any) -> list[Any]:
    return [value] if value is not None and not isinstance(value, list | tuple) else list(value or ())


def _split(value: Any) -> list[Any]:
    """A command as Docker splits it; templates stay whole."""
    if not isinstance(value, str):
        return _words(value)
    held = re.sub(
        r"\{\{.*?\}\}", lambda match: match[0].replace(" ", "\0").replace("'", "\1").replace('"', "\2"), value
    )
    try:
        words = shlex.split(held)
    except ValueError:
        return [value]
    return [word.replace("\0", " ").replace("\1", "'").replace("\2", '"') for word in words]


def _env(given: Any, text: Text) -> tuple[ir.EnvVar, ...]:
    pairs = given.items() if isinstance(given, dict) else [
        (one.kwargs.get("name"), one.kwargs.get("value")) for one in _words(given) if isinstance(one, Made)
    ]  # fmt: skip
    return tuple(
        ir.EnvVar(name=name, value=text(value))
        for name, value in pairs
        if isinstance(name, str) and name.isidentifier() and value is not None
    )


def _secrets(given: Any) -> Iterable[ir.SecretUse]:
    names = ("deploy_type", "deploy_target", "secret", "key")
    for one in _words(given):
        if not isinstance(one, Made) or one.kind != "Secret":
            continue
        fields = {**dict(zip(names, one.args, strict=False)), **one.kwargs}
        if fields.get("deploy_type") == "env" and all(isinstance(fields.get(name), str) for name in names):
            secret = ir.SecretRef(name=fields["secret"], key=fields["key"])
            yield ir.SecretUse(secret=secret, env=fields["deploy_target"])


def _volumes(volumes: Any, mounts: Any) -> Iterable[ir.Volume]:
    known = {one.kwargs.get("name"): one for one in _words(volumes) if isinstance(one, Made)}
    for mount in _words(mounts):
        volume = known.get(mount.kwargs.get("name")) if isinstance(mount, Made) else None
        path = mount.kwargs.get("mount_path") if isinstance(mount, Made) else None
        if volume is None or not isinstance(path, str):
            continue
        for field, source, name in _SOURCES:
            held = volume.kwargs.get(field)
            if isinstance(held, Made) and isinstance(held.kwargs.get(name), str):
                yield ir.Volume(
                    path=path, name=held.kwargs[name], source=source, read_only=mount.kwargs.get("read_only") is True
                )
        if volume.kwargs.get("empty_dir") is not None:
            yield ir.Volume(path=path, name=str(volume.kwargs.get("name")), source="empty")


def _resources(given: Fields) -> ir.Resources | None:
    fields: Fields = {}
    made = given.get("container_resources")
    amounts = (
        _object(made.kwargs.get("requests")) or _object(made.kwargs.get("limits")) if isinstance(made, Made) else {}
    )
    for name, value in amounts.items():
        shown = str(value)
        if not _QUANTITY.fullmatch(shown):
            continue
        if name == "cpu" and amount(shown) > 0:
            fields["cpu"] = amount(shown)
        elif name in ("memory", "ephemeral-storage"):
            fields[name.replace("-", "_")] = shown
        elif name.endswith("/gpu") and shown.isdigit():
            fields |= {"gpu": int(shown), "gpu_kind": name}
    selector = given.get("node_selector")
    if isinstance(selector, dict) and all(isinstance(one, str) for one in (*selector, *selector.values())):
        fields["node_selector"] = selector
    tolerations = [one.kwargs for one in _words(given.get("tolerations")) if isinstance(one, Made)]
    kept = ("key", "operator", "value", "effect")
    found = [{name: one[name] for name in kept if isinstance(one.get(name), str)} for one in tolerations]
    if found:
        fields["tolerations"] = tuple(ir.Toleration(**one) for one in found)
    return ir.Resources(**fields) if fields else None
