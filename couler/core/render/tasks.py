"""The calls that declare scripts, containers, jobs and pauses."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from couler.core.dsl.artifacts import output_name
from couler.core.dsl.jobs import predicates
from couler.core.errors import CoulerError
from couler.core.ir import model as ir
from couler.core.ir.json import thaw
from couler.core.render.code import Code, Items, call, listed
from couler.core.render.literals import literal, text
from couler.core.render.models import constructed, constructed_list
from couler.core.render.options import Options, seconds_code, step_options
from couler.core.render.scope import Scope
from couler.core.render.values import json_code, value_code

RESULT = ir.Output(name="result", type="str")
"""The standard output, which every script and container has."""
Maker: TypeAlias = Callable[[Scope], Code | None]
"""Writes a call in a scope; None when no verb declares the step."""


def script(step: ir.Step, task: ir.ScriptTask) -> Maker:
    """A script."""

    def make(scope: Scope) -> Code | None:
        content = [line for line in task.source.splitlines() if line.strip()]
        if not content or content[0][0] in " \t" or not task.interpreter:
            return None
        source = scope.module.text_or_name(f"{step.name}_script", task.source, text(task.source))
        parts: list[tuple[str, Code]] = [("image=", text(task.image))] if task.image else []
        parts.append(("source=", source))
        if task.interpreter != ("python",):
            one = len(task.interpreter) == 1
            parts.append(("command=", text(task.interpreter[0]) if one else literal(task.interpreter)))
        parts += _values("args=", task.args, scope)
        packages: Options = [("packages=", literal(task.packages))] if task.packages else []
        return Items("couler.run_script(", (*parts, *_files(step, scope), *_rest(step, "script", scope),
                                            *packages), ")")  # fmt: skip

    return make


def container(step: ir.Step, task: ir.ContainerTask) -> Maker:
    """A container."""

    def make(scope: Scope) -> Code | None:
        if not task.image:
            return None
        parts: list[tuple[str, Code]] = [("", text(task.image)), *_values("command=", task.command, scope)]
        parts += _values("args=", task.args, scope)
        policy: Options = [("pull_policy=", text(task.pull_policy))] if task.pull_policy else []
        return Items("couler.run_container(", (*parts, *_files(step, scope), *policy,
                                               *_rest(step, "container", scope)), ")")  # fmt: skip

    return make


def job(step: ir.Step, task: ir.JobTask) -> Maker:
    """A Kubernetes object."""

    def make(scope: Scope) -> Code | None:
        outputs = {output.name: output.field for output in task.outputs}
        if not task.manifest.get("kind") or len(outputs) < len(task.outputs):
            return None
        if any(output.type != "any" for output in task.outputs):
            return None
        parts: list[tuple[str, Code]] = [("", literal(thaw(task.manifest))), ("", _predicates(task.success))]
        parts += [("", _predicates(task.failure))] if task.failure else []
        parts += [("outputs=", literal(outputs))] if outputs else []
        parts += [("action=", text(task.action))] if task.action != "create" else []
        parts += [] if task.owned else [("set_owner_reference=", "False")]
        parts += [("delete_after=", "True")] if task.delete_after else []
        return Items("couler.run_job(", (*parts, *_rest(step, "job", scope)), ")")

    return make


def suspend(step: ir.Step, task: ir.SuspendTask) -> Maker:
    """A pause."""

    def make(scope: Scope) -> Code | None:
        parts: list[tuple[str, Code]] = []
        if task.duration is not None:
            parts.append(("", seconds_code(task.duration)))
        if task.message:
            parts.append(("message=", json_code(task.message, scope)))
        return Items("couler.suspend(", (*parts, *_rest(step, "suspend", scope)), ")")

    return make


def _rest(step: ir.Step, usual: str, scope: Scope) -> Options:
    named: Options = [("step_name=", text(step.name))] if step.name != usual else []
    return [*named, *step_options(step, scope)]


def _values(before: str, values: tuple[ir.Value, ...], scope: Scope) -> list[tuple[str, Code]]:
    return [(before, listed([value_code(value, scope) for value in values]))] if values else []


def _files(step: ir.Step, scope: Scope) -> list[tuple[str, Code]]:
    """``input=`` and ``output=`` of a script or container."""
    parts: list[tuple[str, Code]] = []
    if step.inputs:
        parts.append(("input=", Items("{", tuple((f"{text(one.name)}: ", _input(one, scope)) for one in step.inputs),
                                      "}")))  # fmt: skip
    declared = step.outputs[:-1] if step.outputs[-1] == RESULT else step.outputs
    if declared:
        parts.append(("output=", _outputs(declared)))
    return parts


def _input(item: ir.Input, scope: Scope) -> Code:
    if isinstance(item.value, ir.StoredFile) and item.type == "file":
        code = value_code(item.value, scope)
    else:
        wanted = item.type
        if isinstance(item.value, ir.StoredFile):
            code = call("couler.explicit.value", constructed(item.value), *([text(wanted)] if wanted != "any" else []))
        else:
            code = value_code(item.value, scope, wanted=wanted)
    return Items("(", (("", code), ("", text(item.path))), ")") if item.path else code


def _outputs(outputs: tuple[ir.Output, ...]) -> Code:
    if all(output == ir.Output(name=output.name, type="file", path=output.path) for output in outputs):
        return Items("{", tuple((f"{text(one.name)}: ", text(one.path)) for one in outputs), "}")
    return listed([_one_output(output) for output in outputs])


def _one_output(output: ir.Output) -> Code:
    plain = ir.Output(name=output.name, type=output.type, path=output.path)
    if output != plain or not output.path:
        return constructed(output)
    type_ = None if output.type == "str" else text(output.type)
    name = None if output_name(output.path) == output.name else text(output.name)
    return call("couler.create_parameter_artifact", text(output.path), type=type_, name=name)


def _predicates(claims: tuple[ir.JobPredicate, ...]) -> Code:
    """Claims as text where it reads back to the same, or from their constructors."""
    written = ", ".join(_claim(claim) for claim in claims)
    try:
        if predicates(written, "job") == claims:
            return text(written)
    except CoulerError:
        pass
    return constructed_list(claims)


def _claim(claim: ir.JobPredicate) -> str:
    value = claim.value
    shown = f"({','.join(map(str, value))})" if isinstance(value, tuple) else str(value)
    return f"{claim.field} {claim.operator} {shown}"
