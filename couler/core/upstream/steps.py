"""Upstream's steps: `run_script` and `run_container`."""

from __future__ import annotations

import ast
import builtins
from collections.abc import Mapping
from typing import Any

from couler.core.dsl.conditions import AdoptAll
from couler.core.dsl.options import build
from couler.core.dsl.scripts import script_text
from couler.core.errors import DefinitionError
from couler.core.ir import model as ir
from couler.core.templates.output import Output, OutputEmpty, OutputScript, flat
from couler.core.upstream import attributes
from couler.core.upstream.declaring import called, declare, returned, written
from couler.core.upstream.state import function_name, of_pods, placing

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
        raise DefinitionError(f"{called(step_name, 'script')} has no source", "source=a function or text")
    definition = dict(locals())
    base = function_name() or getattr(source, "__name__", "script").strip("<>")
    where = called(step_name, base)
    place = placing()
    interpreter = tuple(flat(command)) or ("python",)
    text = script_text(source, interpreter, where)
    attributes.refuse_tags(text, where)
    text = for_old_pythons(text) if callable(source) else text
    values, files = attributes.arguments(args, place.handed, where)
    declared = attributes.outputs(output, where)
    policy = attributes.pull_policy(image_pull_policy, where)
    given = {**definition, "script_pull_policy": policy, "declared": declared}

    def make_task(adopt_all: AdoptAll, chosen: Mapping[str, Any]) -> ir.Task:
        return ir.ScriptTask(source=text, interpreter=interpreter, args=adopt_all(values), image=image)

    draft = declare(
        base, step_name, make_task, definition,
        inputs=attributes.inputs(input, files, where), outputs=[*declared, _STDOUT],
        step_options=attributes.step_options(given, of_pods(place.scope), where), volume_mounts=volume_mounts,
    )  # fmt: skip
    return returned(draft, [*written(draft, declared), OutputScript(draft)])


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
    where = called(step_name, base)
    if not isinstance(image, str) or not image:
        raise DefinitionError(f"{where} has no image", 'image="alpine:3.20"')
    place = placing()
    values, files = attributes.arguments(args, place.handed, where)
    texts = [attributes.as_text(word, where, "the command") for word in flat(command)]
    words = [attributes.with_tags(word, values, where) for word in texts]
    declared = attributes.outputs(output, where)
    given = {**definition, "declared": declared}
    policy = attributes.pull_policy(image_pull_policy, where)

    def make_task(adopt_all: AdoptAll, chosen: Mapping[str, Any]) -> ir.Task:
        fields = {
            "image": image,
            "command": adopt_all(words),
            "args": adopt_all(values),
            "pull_policy": policy,
        }
        return build(ir.ContainerTask, where, fields)

    draft = declare(
        base, step_name, make_task, definition,
        inputs=attributes.inputs(input, files, where), outputs=[*declared, _STDOUT],
        step_options=attributes.step_options(given, of_pods(place.scope), where), volume_mounts=volume_mounts,
    )  # fmt: skip
    return returned(draft, written(draft, declared) or [OutputEmpty(draft)])
