"""What stands around a task in a template: attempts, time, resources, places, variables, secrets and volumes."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

from couler.backends.argo.build import PATCH, Build
from couler.backends.argo.names import NameTable, object_name
from couler.backends.argo.wire import BRACE, static_text
from couler.backends.pods import placement, secret_source, volume_source
from couler.core.errors import EngineError
from couler.core.ir.model import (
    Backoff,
    JobTask,
    Resources,
    Retry,
    RetryOn,
    Sidecar,
    Step,
    SuspendTask,
    Volume,
)
from couler.core.ir.quantities import amount
from couler.runner.container import RETRY_THIS, WORK

FOLDER = WORK
"""Where relative paths start in a container."""


def duration(seconds: float) -> str:
    """Seconds as a duration of Go.

    >>> duration(90), duration(0.25)
    ('90s', '250ms')
    """
    return f"{int(seconds)}s" if seconds == int(seconds) else f"{math.ceil(seconds * 1000)}ms"


# --- attempts and time --------------------------------------------------------------------------------------------


def retry_strategy(step: Step, retry: Retry, build: Build) -> dict[str, Any]:
    """``retryStrategy`` of a template; attempts after any failure unless outcomes are named."""
    strategy: dict[str, Any] = {"limit": str(retry.limit), "retryPolicy": "Always"}
    if retry.backoff.initial:
        strategy["backoff"] = _backoff(step, retry.backoff, build)
    if retry.on is not None:
        strategy["expression"] = " || ".join(_outcomes(retry))
    return strategy


def _backoff(step: Step, backoff: Backoff, build: Build) -> dict[str, Any]:
    """Waiting between attempts, as near as Argo comes."""
    factor = max(1, round(backoff.factor))
    found = {"duration": duration(backoff.initial), "factor": str(factor)}
    if factor != backoff.factor:
        build.note(
            f"step '{step.name}' waits {factor} times as long each time, not {backoff.factor:g}: factors are whole"
        )
    if backoff.jitter:
        build.note(f"step '{step.name}' waits without jitter: Argo has none")
    if backoff.maximum is None:
        return found
    if build.version < WITH_CAP:
        build.note(f"step '{step.name}' may wait longer than {backoff.maximum:g} seconds: Argo has no bound before 3.7")
        return found
    return {**found, "cap": duration(backoff.maximum)}


WITH_CAP = (3, 7)
"""Version of Argo from which on waiting between attempts has a bound."""


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


def storage(step: Step, build: Build) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Volumes and mounts of a step; claims that the run makes are added to those of the build.

    Raises:
        EngineError: Another step wants the claim in another way.
    """
    volumes: list[dict[str, Any]] = []
    mounts: list[dict[str, Any]] = []
    for index, volume in enumerate(step.volumes):
        name = f"volume-{index}"
        if volume.source == "new_claim":
            name = _claim(step, index, volume, build.claims)
        else:
            volumes.append({"name": name, **volume_source(volume)})
        mount = {"name": name, "mountPath": volume.path}
        mounts.append({**mount, "readOnly": True} if volume.read_only else mount)
    for index, use in enumerate(use for use in step.secrets if use.path):
        name = f"secret-{index}"
        volumes.append({"name": name, **secret_source(use)})
        path = use.path if use.path.startswith("/") else f"{FOLDER}/{use.path}"
        mounts.append({"name": name, "mountPath": path, "subPath": "value", "readOnly": True})
    return volumes, mounts


def _claim(step: Step, index: int, volume: Volume, claims: dict[str, dict[str, Any]]) -> str:
    """The name of a claim that the run makes: one for all steps that give it a name, else one of the step's own."""
    name = object_name(volume.name or f"{step.name}-{index}")
    if not volume.name:
        name = NameTable(claims).add(name)
    made = {
        "metadata": {"name": name},
        "spec": {"accessModes": [volume.access_mode], "resources": {"requests": {"storage": volume.size}}},
    }
    if claims.setdefault(name, made) != made:
        raise EngineError(
            f"step '{step.name}' wants the new volume '{volume.name}' with {volume.size} for {volume.access_mode}, and "
            "another step wants it otherwise",
            "give both the same size and access mode, or the volumes different names",
        )
    return name


def around(step: Step, body: dict[str, Any], build: Build) -> None:
    """Write the attributes of a step that stand beside its container into the body of its template."""
    if step.service_account:
        body["serviceAccountName"] = step.service_account
    if step.resources is not None:
        body.update(placement(step.resources))
    if step.labels:
        body["metadata"] = {"labels": dict(step.labels)}
    if step.sidecars:
        body["sidecars"] = [_sidecar(one) for one in step.sidecars]
    if step.daemon:
        body["daemon"] = True
        build.note(
            f"the daemon '{step.name}' has an address of its own on Argo, {{{{tasks.{step.name}.ip}}}}, which other "
            "steps get by an option for their task"
        )
    if step.timeout is not None:
        body["activeDeadlineSeconds"] = str(math.ceil(step.timeout))
    if isinstance(step.task, JobTask) and step.task.delete_after:
        when = "with the workflow" if step.task.owned else "by nobody, as the workflow does not own it"
        build.note(f"the object of step '{step.name}' is deleted {when}: Argo does not do it when the step has ended")
    describe(step, body, build)
    attempts(step, body, build)


def describe(step: Step, body: dict[str, Any], build: Build) -> None:
    """Write what a step is for into the body of its template, where Argo's page shows it."""
    text = step.description
    if isinstance(step.task, SuspendTask) and step.task.message:
        text = f"{text}\n\n{step.task.message}" if text else step.task.message
    if not text:
        return
    if build.version < WITH_ANNOTATIONS:
        build.note(f"the description of step '{step.name}' is left out: Argo shows none before 3.7")
        return
    body["annotations"] = {"workflows.argoproj.io/description": text.replace("{{", "{ {")}


WITH_ANNOTATIONS = (3, 7)
"""Version of Argo from which on templates have descriptions."""


def _sidecar(one: Sidecar) -> dict[str, Any]:
    found: dict[str, Any] = {"name": one.name, "image": one.image}
    if one.command:
        found["command"] = [static_text(text) for text in one.command]
    if one.args:
        found["args"] = [static_text(text) for text in one.args]
    if one.env:
        found["env"] = [{"name": name, "value": static_text(text)} for name, text in one.env.items()]
    with_brace(found)
    return found


def attempts(step: Step, body: dict[str, Any], build: Build) -> None:
    """Write a step's retries into the body of its template."""
    retry = step.retry
    if retry is None or not retry.limit:
        return
    body["retryStrategy"] = retry_strategy(step, retry, build)
    if retry.escalation is None:
        return
    if patch := memory_patch(retry, step.resources):
        body[PATCH] = patch
    if retry.on != RetryOn(out_of_memory=True):
        build.note(f"step '{step.name}' gets more memory with each further attempt, whatever the failure was")
