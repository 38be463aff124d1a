"""Upstream's steps that are Kubernetes objects: `run_job`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from couler.core.dsl import jobs
from couler.core.dsl.conditions import AdoptAll
from couler.core.dsl.expr import Expression
from couler.core.dsl.options import build
from couler.core.errors import DefinitionError
from couler.core.ir import model as ir
from couler.core.templates.output import Output, OutputJob, flat
from couler.core.upstream import attributes
from couler.core.upstream.declaring import called, declare, returned
from couler.core.upstream.differences import notice, refusal
from couler.core.upstream.state import function_name, of_pods, placing

_JOB_OUTPUTS = (
    ir.JobOutput(name="job-id", field="metadata.uid", type="str"),
    ir.JobOutput(name="job-name", field="metadata.name", type="str"),
    ir.JobOutput(name="job-obj", field="", type="object"),
)
"""The identity and the name of the finished object, and the object itself, which is its empty field."""


def run_job(
    manifest: Any,
    success_condition: str | None,
    failure_condition: str | None,
    timeout: float | None = None,
    retry: int | None = None,
    step_name: str | None = None,
    pool: str | None = None,
    env: Mapping[str, Any] | None = None,
    action: str = "create",
    set_owner_reference: bool = True,
    cache: Any = None,
) -> list[Output]:
    """Create a Kubernetes object and wait until it has succeeded or failed.

    Args:
        manifest: The object, as YAML text or a dict.
        success_condition: Such as ``"status.succeeded > 0"``.
        failure_condition: The same, for failure.
        timeout: Seconds.
        retry: Further attempts.
        step_name: Name of the step.
        pool: Without effect.
        env: Written to ``spec.env`` of the object.
        action: ``create``, ``apply``, ``patch``, ``delete`` or ``get``.
        set_owner_reference: Remove the object with the workflow.
        cache: A `Cache`.

    Returns:
        One output that stands for the object's identity, its name and the object.

    Raises:
        DefinitionError: The manifest is no object, or a value cannot be used.
    """
    definition = dict(locals())
    base = function_name() or "job"
    where = called(step_name, base)
    if action not in ("create", "apply", "patch", "delete", "get"):
        raise refusal("job-action", where)
    place = placing()
    fields = {
        "manifest": _named(_with_env(jobs.manifest_of(manifest, where), env, place.handed, where), place.item),
        "success": jobs.predicates(success_condition or "", where),
        "failure": jobs.predicates(failure_condition or "", where),
        "action": action,
        "owned": set_owner_reference,
    }
    build(ir.JobTask, where, fields)
    used: set[str] = {"job-name", "job-id"}

    def make_task(adopt_all: AdoptAll, chosen: Mapping[str, Any]) -> ir.Task:
        outputs = tuple(output for output in _JOB_OUTPUTS if output.name in used)
        return build(ir.JobTask, where, {**fields, "outputs": outputs})

    given = {"timeout": timeout, "retry": retry, "pool": pool, "cache": cache}
    draft = declare(
        base, step_name, make_task, definition,
        step_options=attributes.step_options(given, of_pods(place.scope), where),
    )  # fmt: skip
    draft.known_outputs = tuple(output.name for output in _JOB_OUTPUTS)
    return returned(draft, [OutputJob(draft, used=used)])


def _named(manifest: Any, item: str) -> Any:
    """The object of one item of a `map`: named by the item, unless its name says it already."""
    metadata = manifest.get("metadata", {})
    if not item or item in str(metadata.get("name", "")):
        return manifest
    return {**manifest, "metadata": {**metadata, "name": item}}


def _with_env(manifest: Any, env: Any, handed: Sequence[Output], where: str) -> Any:
    if env is None:
        return manifest
    if not isinstance(env, Mapping):
        raise DefinitionError(f"{where}: env is {env!r}, and no dict", 'env={"MODE": "test"}')
    entries: list[Any] = []
    for name, value in env.items():
        if name == "secrets" and isinstance(value, (list, tuple)):
            entries.extend(value)
        elif any(isinstance(item, (Output, Expression)) for item in flat(value)):
            raise refusal("job-env-output", where)
        else:
            entries.append({"name": str(name), "value": value})
    if handed:
        notice("job-inferred-outputs", where)
    return {**manifest, "spec": {**manifest.get("spec", {}), "env": entries}}


def run_canned_step(
    name: str,
    args: Any,
    inputs: Any = None,
    outputs: Any = None,
    step_name: str | None = None,
    cache: Any = None,
) -> list[Output]:
    """Refused: upstream wrote it into no workflow.

    Raises:
        DefinitionError: Always.
    """
    raise refusal("canned-step", called(step_name, name))
