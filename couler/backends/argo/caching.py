"""Steps whose outputs are remembered, by Argo's memoization: the key is a hash of what runs and of its inputs."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from couler.backends.argo.attributes import duration
from couler.backends.argo.build import Build
from couler.backends.argo.names import object_name
from couler.backends.argo.units import ScopeTypes
from couler.backends.argo.wire import member, quoted
from couler.core.ir.model import CachePolicy, Step, SuspendTask

YEAR: Final = 365 * 24 * 3600
NAMESPACE: Final = "workflow.namespace"
"""Part of each key: caches lie beside the controller, which may serve several namespaces that share nothing."""
_HASHED: Final = ("image", "command", "args", "source")
_TAG: Final = re.compile(r"\{\{(.*?)\}\}", re.DOTALL)
_OUTSIDE: Final = re.compile(r"workflow\.(?:parameters(?:\.([A-Za-z0-9_-]+)|\['([^']+)'\])|(name|status|failures))")
"""What the text of a template sees without having it as an input."""


def memoize(step: Step, body: dict[str, Any], scope: ScopeTypes, build: Build) -> None:
    """Let Argo remember the outputs of a step, if its policy asks for that and Argo can tell when they hold.

    Args:
        step: The step.
        body: Its template, inputs included; ``memoize`` is added.
        scope: The scope in which it stands.
        build: What is being built; gets a note with what the cache needs, or why there is none.
    """
    policy = step.cache
    if policy is None or not policy.enabled:
        return
    if reason := _obstacle(step, body):
        build.note(f"step '{step.name}' runs each time, though it may be cached: {reason}")
        return
    age = YEAR if policy.max_age is None else policy.max_age
    name = f"couler-cache-{object_name(build.workflow_name)}"
    body["memoize"] = {
        "key": _key(step, policy, body, scope),
        "maxAge": duration(age),
        "cache": {"configMap": {"name": name}},
    }
    build.note(
        f"cached outputs are kept in the ConfigMap {name} beside Argo's controller, 1 MiB in all, and for a year when "
        "no age is given; the controller needs the verbs create and update on ConfigMaps there, or cached steps fail"
    )
    if unknown := sorted(set(policy.env) - {variable.name for variable in step.env}):
        build.note(
            f"step '{step.name}' wants the variables {', '.join(unknown)} in the key of its cache, and sets none of "
            "them itself; on Argo it does not depend on them"
        )


def _obstacle(step: Step, body: Mapping[str, Any]) -> str:
    """Why outputs of a step cannot be remembered, or nothing."""
    if isinstance(step.task, SuspendTask):
        return "a pause has no outputs"
    artifacts = body.get("inputs", {}).get("artifacts", ())
    if any("raw" not in artifact for artifact in artifacts):
        return "Argo cannot see whether its input files have changed"
    return ""


def _key(step: Step, policy: CachePolicy, body: Mapping[str, Any], scope: ScopeTypes) -> str:
    """An expression for a letter and 64 hexadecimal digits."""
    fixed = json.dumps(_content(step, policy, body, scope), sort_keys=True, ensure_ascii=False)
    digest = hashlib.sha256(fixed.encode("utf-8", "surrogatepass")).hexdigest()
    inputs = (member(f"inputs.parameters.{one['name']}") for one in body.get("inputs", {}).get("parameters", ()))
    values = [quoted(digest), NAMESPACE, *inputs, *_outside(fixed)]
    return f"c{{{{=sprig.sha256sum(toJson([{', '.join(values)}]))}}}}"


def _content(step: Step, policy: CachePolicy, body: Mapping[str, Any], scope: ScopeTypes) -> dict[str, Any]:
    """What the outputs depend on and is known now: what runs, and which outputs are asked for."""
    process: dict[str, Any] = next((body[kind] for kind in ("container", "script", "resource") if kind in body), {})
    if "resource" not in body:
        process = {name: process[name] for name in (*_HASHED, "env") if name in process}
        process["env"] = [one for one in process.get("env", ()) if one["name"] != "COULER_ATTEMPT"]
    return {
        "process": process,
        "inputs": body.get("inputs", {}),
        "outputs": body.get("outputs", {}),
        "read": [*sorted(scope.read.get(step.name, ())), *sorted(scope.exports.get(step.name, ())), bool(step.loop)],
        "policy": [policy.salt, policy.version],
    }


def _outside(text: str) -> Iterator[str]:
    """Values of the whole workflow that a template mentions in its tags, each once."""
    found: Iterable[re.Match[str]] = (match for tag in _TAG.finditer(text) for match in _OUTSIDE.finditer(tag[1]))
    names = {f"parameters.{match[1] or match[2]}" if match[1] or match[2] else match[3] for match in found}
    yield from (member(f"workflow.{name}") for name in sorted(names))
