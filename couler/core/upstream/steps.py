"""Upstream's steps: `run_script`, `run_container` and `run_job`."""

from __future__ import annotations

import ast
import builtins
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from couler.core.dsl import context, jobs
from couler.core.dsl.builder import ScopeBuilder
from couler.core.dsl.conditions import Adopt
from couler.core.dsl.draft import Draft
from couler.core.dsl.expr import Expression
from couler.core.dsl.options import build
from couler.core.dsl.scripts import script_text
from couler.core.dsl.steps import new_step, receiving_frame
from couler.core.errors import DefinitionError
from couler.core.ir import model as ir
from couler.core.templates.output import (
    Output,
    OutputArtifact,
    OutputEmpty,
    OutputJob,
    OutputParameter,
    OutputScript,
    flat,
)
from couler.core.upstream import attributes
from couler.core.upstream.differences import notice, refusal
from couler.core.upstream.pods import dress
from couler.core.upstream.state import function_name, of_pods, of_scope, placing

# --- declaring --------------------------------------------------------------------------------------------------


def _declare(
    base: str,
    step_name: str | None,
    make_task: Callable[[Adopt, Mapping[str, Any]], ir.Task],
    definition: Mapping[str, Any],
    *,
    inputs: Sequence[tuple[str, Any, str, str]] = (),
    outputs: Sequence[ir.Output] = (),
    step_options: Mapping[str, Any],
    volume_mounts: Any = None,
) -> Draft:
    """A step at its place in the order; in a DAG, the step that was declared before by the same name."""
    place = placing()
    scope = place.scope
    name = _name_in_dag(scope, step_name, definition) if not place.item else None
    known = scope.find_given(name)
    with context.changed(receiving_frame(), reuse=known not in scope.stale):
        draft = new_step(
            step_name or base, make_task, name=name, inputs=inputs, outputs={item.name: item for item in outputs},
            step_options=step_options,
        )  # fmt: skip
    if name is not None:
        scope.given[name] = draft
    place.line.place(draft, place.key)
    dress(draft, volume_mounts, of_pods(scope))
    return draft


def _name_in_dag(scope: ScopeBuilder, step_name: str | None, definition: Mapping[str, Any]) -> str | None:
    """The name that stands for one step; None outside of a DAG, and for a step that nothing names."""
    state = of_scope(scope)
    name = step_name or function_name(or_file=False)
    if not state.dag or not name:
        return None
    declared, known = _fingerprint(definition), scope.find_given(name)
    if known is None or known in scope.stale or state.definitions.get(name, declared) == declared:
        state.definitions[name] = declared
        return name
    if step_name is not None:
        raise refusal("same-name", known.describe())
    return None


def _fingerprint(value: Any) -> object:
    """Equal for two declarations that say the same."""
    match value:
        case Mapping():
            return tuple((key, _fingerprint(item)) for key, item in value.items())
        case list() | tuple():
            return tuple(_fingerprint(item) for item in value)
        case Output():
            return (id(value.draft), value.name)
        case Expression():
            return value._key()
        case _ if callable(value) and hasattr(value, "__code__"):
            code = value.__code__
            return (code.co_filename, code.co_firstlineno, code.co_qualname)
        case _:
            return repr(value)


def _where(step_name: str | None, base: str) -> str:
    if step_name is not None and not isinstance(step_name, str):
        raise DefinitionError(f"step_name is {step_name!r}, and no text", 'step_name="train"')
    return f"step '{step_name or base}'"


def _returned(draft: Draft, found: list[Output]) -> list[Output]:
    state = of_scope(draft.scope)
    state.outputs[draft.given_name or draft.base_name] = found
    return found


def _written(draft: Draft, declared: Sequence[ir.Output]) -> list[Output]:
    return [
        (OutputArtifact if item.type in ("file", "folder") else OutputParameter)(draft, item.name) for item in declared
    ]


_STDOUT = ir.Output(name="result", type="str")

_FUTURE = "from __future__ import annotations\n"


def for_old_pythons(text: str) -> str:
    r"""The source of a function without the statement that Python 3.6 does not know, where nothing needs it.

    >>> for_old_pythons("from __future__ import annotations\n\ndef f() -> None: ...\n")
    'def f() -> None: ...\n'
    """
    nodes = [inner for node in ast.walk(ast.parse(text)) for inner in ast.walk(_annotations(node))]
    if any(isinstance(node, (ast.Subscript, ast.BinOp, ast.Attribute)) for node in nodes):
        return text
    if any(isinstance(node, ast.Name) and not hasattr(builtins, node.id) for node in nodes):
        return text
    return text.removeprefix(_FUTURE).lstrip("\n")


def _annotations(node: ast.AST) -> ast.Tuple:
    found = [getattr(node, name, None) for name in ("annotation", "returns")]
    return ast.Tuple([item for item in found if isinstance(item, ast.expr)])


# --- the verbs --------------------------------------------------------------------------------------------------


def run_script(
    image: str,
    command: Any = None,
    source: Any = None,
    args: Any = None,
    output: Any = None,
    input: Any = None,
    env: Mapping[str, Any] | None = None,
    secret: str | None = None,
    resources: Mapping[str, Any] | None = None,
    timeout: float | None = None,
    retry: int | None = None,
    step_name: str | None = None,
    image_pull_policy: Any = None,
    pool: str | None = None,
    enable_ulogfs: bool = True,
    daemon: bool = False,
    volume_mounts: Any = None,
    working_dir: str | None = None,
    node_selector: Mapping[str, str] | None = None,
    cache: Any = None,
) -> list[Output]:
    """Run source text, or the body of a Python function, in an image.

    Args:
        image: The image.
        command: The interpreter; ``python`` when None.
        source: Source text, or a function without parameters.
        args: Texts, numbers and outputs of other steps.
        output: What `create_parameter_artifact` and its like return.
        input: Files from stores or from other steps.
        env: Environment variables.
        secret: Name of a secret of `obtain_secret`; its keys become environment variables.
        resources: ``cpu``, ``memory``, ``ephemeral-storage`` and GPUs.
        timeout: Seconds.
        retry: Further attempts.
        step_name: Name of the step.
        image_pull_policy: One of `ImagePullPolicy`.
        pool: Without effect.
        enable_ulogfs: Without effect.
        daemon: Keep it running beside the steps that follow.
        volume_mounts: List of `VolumeMount`.
        working_dir: Where the script starts.
        node_selector: Labels of nodes.
        cache: A `Cache`.

    Returns:
        The declared outputs, and last what the script prints.

    Raises:
        DefinitionError: There is no source, or a value cannot be used.
    """
    if source is None:
        raise DefinitionError(f"{_where(step_name, 'script')} has no source", "source=a function or text")
    definition = dict(locals())
    base = function_name() or getattr(source, "__name__", "script").strip("<>")
    where = _where(step_name, base)
    place = placing()
    interpreter = tuple(flat(command)) or ("python",)
    text = script_text(source, interpreter, where)
    attributes.refuse_tags(text, where)
    text = for_old_pythons(text) if callable(source) else text
    values, files = attributes.arguments(args, place.handed, where)
    declared = attributes.outputs(output, where)
    policy = attributes.pull_policy(image_pull_policy, where)
    given = {**definition, "script_pull_policy": policy, "declared": declared}

    def make_task(adopt: Adopt, chosen: Mapping[str, Any]) -> ir.Task:
        return ir.ScriptTask(
            source=text, interpreter=interpreter, args=tuple(adopt(value) for value in values), image=image
        )

    draft = _declare(
        base, step_name, make_task, definition,
        inputs=attributes.inputs(input, files, where), outputs=[*declared, _STDOUT],
        step_options=attributes.step_options(given, of_pods(place.scope), where), volume_mounts=volume_mounts,
    )  # fmt: skip
    return _returned(draft, [*_written(draft, declared), OutputScript(draft)])


def run_container(
    image: str,
    command: Any = None,
    args: Any = None,
    output: Any = None,
    input: Any = None,
    env: Mapping[str, Any] | None = None,
    env_from: Any = None,
    secret: str | None = None,
    resources: Mapping[str, Any] | None = None,
    timeout: float | None = None,
    retry: int | None = None,
    step_name: str | None = None,
    image_pull_policy: Any = None,
    pool: str | None = None,
    enable_ulogfs: bool = True,
    daemon: bool = False,
    volume_mounts: Any = None,
    working_dir: str | None = None,
    node_selector: Mapping[str, str] | None = None,
    cache: Any = None,
    parallelism: int | None = None,
) -> list[Output]:
    """Run a command in an image.

    Args:
        image: The image.
        command: The command, as a list or one word.
        args: Texts, numbers and outputs of other steps.
        output: What `create_parameter_artifact` and its like return.
        input: Files from stores or from other steps.
        env: Environment variables.
        env_from: ``envFrom`` of Argo's container, as Kubernetes writes it.
        secret: Name of a secret of `obtain_secret`; its keys become environment variables.
        resources: ``cpu``, ``memory``, ``ephemeral-storage`` and GPUs.
        timeout: Seconds.
        retry: Further attempts.
        step_name: Name of the step.
        image_pull_policy: One of `ImagePullPolicy`.
        pool: Without effect.
        enable_ulogfs: Without effect.
        daemon: Keep it running beside the steps that follow.
        volume_mounts: List of `VolumeMount`.
        working_dir: Where the command starts.
        node_selector: Labels of nodes.
        cache: A `Cache`.
        parallelism: Without effect.

    Returns:
        The declared outputs; without any, what the container prints.

    Raises:
        DefinitionError: There is no image, or a value cannot be used.
    """
    definition = dict(locals())
    base = function_name() or "container"
    where = _where(step_name, base)
    if not isinstance(image, str) or not image:
        raise DefinitionError(f"{where} has no image", 'image="alpine:3.20"')
    place = placing()
    values, files = attributes.arguments(args, place.handed, where)
    texts = [attributes.as_text(word, where, "the command") for word in flat(command)]
    words = [attributes.with_tags(word, values, where) for word in texts]
    declared = attributes.outputs(output, where)
    given = {**definition, "declared": declared}
    policy = attributes.pull_policy(image_pull_policy, where)

    def make_task(adopt: Adopt, chosen: Mapping[str, Any]) -> ir.Task:
        fields = {
            "image": image,
            "command": tuple(adopt(word) for word in words),
            "args": tuple(adopt(value) for value in values),
            "pull_policy": policy,
        }
        return build(ir.ContainerTask, where, fields)

    draft = _declare(
        base, step_name, make_task, definition,
        inputs=attributes.inputs(input, files, where), outputs=[*declared, _STDOUT],
        step_options=attributes.step_options(given, of_pods(place.scope), where), volume_mounts=volume_mounts,
    )  # fmt: skip
    return _returned(draft, _written(draft, declared) or [OutputEmpty(draft)])


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
    where = _where(step_name, base)
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

    def make_task(adopt: Adopt, chosen: Mapping[str, Any]) -> ir.Task:
        outputs = tuple(output for output in _JOB_OUTPUTS if output.name in used)
        return build(ir.JobTask, where, {**fields, "outputs": outputs})

    given = {"timeout": timeout, "retry": retry, "pool": pool, "cache": cache}
    draft = _declare(
        base, step_name, make_task, definition,
        step_options=attributes.step_options(given, of_pods(place.scope), where),
    )  # fmt: skip
    draft.known_outputs = tuple(output.name for output in _JOB_OUTPUTS)
    return _returned(draft, [OutputJob(draft, used=used)])


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
    raise refusal("canned-step", _where(step_name, name))


def get_step_output(step_name: str) -> list[Output] | None:
    """What the declaration of a step returned, by the name of the step; None for an unknown one."""
    return of_scope(placing().scope).outputs.get(step_name)
