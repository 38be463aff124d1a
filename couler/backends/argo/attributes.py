"""What stands around a task in a template: attempts, time, resources, places, variables, secrets and volumes."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from couler.backends.argo.wire import BRACE, quoted
from couler.core.ir.json import thaw
from couler.core.ir.model import Resources, Retry, SecretUse, Step, Toleration, Volume
from couler.core.ir.quantities import amount

FOLDER = "/tmp/couler/work"
"""Where relative paths start in a container."""

RETRY_THIS = 76
"""Exit code by which the runner of functions says: this error is one to retry."""


def number(value: float) -> str:
    """Seconds or cores as Kubernetes writes them.

    >>> number(2.0), number(0.5)
    ('2', '500m')
    """
    return str(int(value)) if value == int(value) else f"{math.ceil(value * 1000)}m"


def duration(seconds: float) -> str:
    """Seconds as a duration of Go.

    >>> duration(90), duration(0.25)
    ('90s', '250ms')
    """
    return f"{int(seconds)}s" if seconds == int(seconds) else f"{math.ceil(seconds * 1000)}ms"


# --- attempts and time --------------------------------------------------------------------------------------------


def retry_strategy(retry: Retry) -> dict[str, Any]:
    """``retryStrategy`` of a template; attempts after any failure unless outcomes are named."""
    strategy: dict[str, Any] = {"limit": str(retry.limit), "retryPolicy": "Always"}
    backoff = retry.backoff
    if backoff.initial:
        strategy["backoff"] = {"duration": duration(backoff.initial), "factor": str(max(1, round(backoff.factor)))}
        if backoff.maximum is not None:
            strategy["backoff"]["cap"] = duration(backoff.maximum)
    if retry.on is not None:
        strategy["expression"] = " || ".join(_outcomes(retry))
    return strategy


def _outcomes(retry: Retry) -> Iterable[str]:
    on = retry.on
    assert on is not None
    codes = [str(code) for code in on.exit_codes] + ([str(RETRY_THIS)] if on.errors else [])
    yield from (f"lastRetry.exitCode == '{code}'" for code in codes)
    if on.out_of_memory:
        yield "lastRetry.exitCode == '137'"
        yield "lastRetry.message matches 'OOMKilled'"
    if on.lost:
        yield "lastRetry.status == 'Error'"
        yield "lastRetry.message matches '(?i)evicted|preempt|pod deleted|node.*(lost|shutdown)'"
    if on.timeout:
        yield "lastRetry.message matches '(?i)deadline'"


def rounded_backoff(retry: Retry | None) -> bool:
    """Whether the engine can only come near the waiting that was asked for."""
    return retry is not None and bool(retry.backoff.initial) and retry.backoff.factor != round(retry.backoff.factor)


def memory_patch(retry: Retry, resources: Resources | None) -> str:
    """A patch of the pod that raises its memory with each attempt; empty when nothing asks for that."""
    if retry.escalation is None or resources is None or resources.memory is None:
        return ""
    start = int(amount(resources.memory))
    highest = retry.escalation.memory_maximum
    grown = f"{start} * ({retry.escalation.memory_factor:g} ** int(retries))"
    bounded = grown if highest is None else f"min({grown}, {int(amount(highest))})"
    bytes_ = "{{=string(int(" + bounded + "))}}"
    return (
        '{"containers":[{"name":"main","resources":'
        f'{{"requests":{{"memory":"{bytes_}"}},"limits":{{"memory":"{bytes_}"}} }} }}]}}'
    )


# --- resources and places ------------------------------------------------------------------------------------------


def container_resources(resources: Resources) -> dict[str, Any]:
    """Requests and limits, which are equal: the step gets what it asked for."""
    amounts: dict[str, str] = {}
    if resources.cpu is not None:
        amounts["cpu"] = number(resources.cpu)
    if resources.memory is not None:
        amounts["memory"] = resources.memory
    if resources.ephemeral_storage is not None:
        amounts["ephemeral-storage"] = resources.ephemeral_storage
    if resources.gpu:
        amounts[resources.gpu_kind] = str(resources.gpu)
    return {"requests": dict(amounts), "limits": amounts} if amounts else {}


def placement(resources: Resources) -> dict[str, Any]:
    """Fields of a template that choose its node."""
    fields: dict[str, Any] = {}
    if resources.node_selector:
        fields["nodeSelector"] = dict(resources.node_selector)
    if resources.tolerations:
        fields["tolerations"] = [_toleration(one) for one in resources.tolerations]
    if resources.affinity:
        fields["affinity"] = thaw(resources.affinity)
    if resources.priority:
        fields["priorityClassName"] = resources.priority
    return fields


def _toleration(one: Toleration) -> dict[str, Any]:
    fields: dict[str, Any] = {"key": one.key, "operator": one.operator, "value": one.value, "effect": one.effect}
    fields = {name: value for name, value in fields.items() if value}
    if one.seconds is not None:
        fields["tolerationSeconds"] = one.seconds
    return fields


# --- variables, secrets, volumes -------------------------------------------------------------------------------------


def variables(step: Step, texts: Sequence[str]) -> list[dict[str, Any]]:
    """Environment variables of a step: the texts of its values, and references to secrets, never their contents."""
    found: list[dict[str, Any]] = [
        {"name": variable.name, "value": text} for variable, text in zip(step.env, texts, strict=True)
    ]
    found += [
        {"name": use.env, "valueFrom": {"secretKeyRef": {"name": use.secret.name, "key": use.secret.key}}}
        for use in step.secrets
        if use.env
    ]
    return found


def with_brace(container: dict[str, Any], *, needed: bool = False) -> None:
    """Add the variable that stands for a brace, first of all, where a text of the container needs it."""
    texts = [*container.get("command", ()), *container.get("args", ())]
    texts += [variable.get("value", "") for variable in container.get("env", ())]
    if needed or any(BRACE in text for text in texts):
        container["env"] = [{"name": BRACE, "value": "{"}, *container.get("env", ())]


def storage(step: Step, claims: dict[str, dict[str, Any]]) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Volumes and mounts of a step.

    Args:
        step: The step.
        claims: Claims that the run makes, by name; new ones are added.
    """
    volumes: list[dict[str, Any]] = []
    mounts: list[dict[str, Any]] = []
    for index, volume in enumerate(step.volumes):
        name = f"volume-{index}"
        if volume.source == "new_claim":
            name = volume.name or f"{step.name}-{index}"
            claims[name] = _claim(name, volume)
        else:
            volumes.append({"name": name, **_SOURCES[volume.source](volume)})
        mount = {"name": name, "mountPath": volume.path}
        mounts.append({**mount, "readOnly": True} if volume.read_only else mount)
    for index, use in enumerate(use for use in step.secrets if use.path):
        name = f"secret-{index}"
        volumes.append(_secret_volume(name, use))
        path = use.path if use.path.startswith("/") else f"{FOLDER}/{use.path}"
        mounts.append({"name": name, "mountPath": path, "subPath": "value", "readOnly": True})
    return volumes, mounts


def _claim(name: str, volume: Volume) -> dict[str, Any]:
    return {
        "metadata": {"name": name},
        "spec": {"accessModes": [volume.access_mode], "resources": {"requests": {"storage": volume.size}}},
    }


def _secret_volume(name: str, use: SecretUse) -> dict[str, Any]:
    items = [{"key": use.secret.key, "path": "value"}]
    return {"name": name, "secret": {"secretName": use.secret.name, "items": items}}


def _empty(volume: Volume) -> Mapping[str, Any]:
    return {"emptyDir": {"sizeLimit": volume.size} if volume.size else {}}


_SOURCES: Mapping[str, Callable[[Volume], Mapping[str, Any]]] = {
    "claim": lambda volume: {"persistentVolumeClaim": {"claimName": volume.name}},
    "empty": _empty,
    "host": lambda volume: {"hostPath": {"path": volume.name}},
    "config_map": lambda volume: {"configMap": {"name": volume.name}},
    "secret": lambda volume: {"secret": {"secretName": volume.name}},
}


def around(step: Step, body: dict[str, Any], claims: dict[str, dict[str, Any]]) -> None:
    """Write the attributes of a step that stand beside its container into the body of its template."""
    if step.service_account:
        body["serviceAccountName"] = step.service_account
    if step.resources is not None:
        body.update(placement(step.resources))
    if step.labels:
        body["metadata"] = {"labels": dict(step.labels)}
    if step.sidecars:
        body["sidecars"] = [
            {
                "name": one.name,
                "image": one.image,
                **({"command": list(one.command)} if one.command else {}),
                **({"args": list(one.args)} if one.args else {}),
                **({"env": [{"name": k, "value": v} for k, v in one.env.items()]} if one.env else {}),
            }
            for one in step.sidecars
        ]
    if step.daemon:
        body["daemon"] = True
    if step.timeout is not None:
        body["activeDeadlineSeconds"] = str(math.ceil(step.timeout))
    attempts(step, body)


def attempts(step: Step, body: dict[str, Any]) -> None:
    """Write a step's retries into the body of its template."""
    retry = step.retry
    if retry is None or not retry.limit:
        return
    body["retryStrategy"] = retry_strategy(retry)
    patch = memory_patch(retry, step.resources)
    if patch:
        body["podSpecPatch"] = patch


def memo_text(text: str) -> str:
    """A text inside the expression of a memoization key."""
    return quoted(text)
