"""Steps that call a template of another object, as their options for Argo say: a DAG with that one task."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from couler.backends.argo.attributes import attempts, describe
from couler.backends.argo.build import Build, called_template, merge
from couler.backends.argo.files import is_file_type, location
from couler.backends.argo.names import parameter_name, task_name
from couler.backends.argo.units import Holes, Result, ScopeTypes, Unit, inputs_of, outputs_of
from couler.backends.argo.values import Form, text_expression
from couler.core.errors import EngineError
from couler.core.ir.evaluate import as_text
from couler.core.ir.graph import outputs_of_one
from couler.core.ir.model import Constant, ListOf, Output, Step, StoredFile, Value

CALL = "call"


def call(step: Step, scope: ScopeTypes, build: Build) -> Unit:
    """The template of a step that calls one of another object.

    The inputs and variables (``env``) of the step are the arguments of the call, by name, values as plain text, and
    the options may give more; its outputs are read from the outputs of the same names.

    Args:
        step: The step; its task says nothing but which outputs there are.
        scope: The scope in which it stands.
        build: What is being built.

    Raises:
        EngineError: It is given a list of files, which no template takes.
    """
    holes = Holes(scope, step.foreach is not None and len(step.foreach.lists) > 1)
    files: dict[str, Value] = {}
    arguments = _arguments(step, holes, files)
    task = {"name": CALL, **({"arguments": arguments} if arguments else {})}
    merge(task, called_template(step))
    declared = _declared(step, scope)
    values, artifacts, results = _outputs(declared)
    body: dict[str, Any] = {
        **inputs_of(holes.parameters, [{"name": name} for name in files]),
        "dag": {"tasks": [task]},
        **outputs_of(values, artifacts),
    }
    describe(step, body, build)
    attempts(step, body, build)
    build.merge_options(step, body)
    build.note(f"step '{step.name}' runs a template of another object, which decides its image, resources and limits")
    given = {one.name: one.type for one in declared if is_file_type(one.type)}
    return Unit(build.templates.add(task_name(step.name), body), holes.parameters, files, results, given)


def _arguments(step: Step, holes: Holes, files: dict[str, Value]) -> dict[str, Any]:
    parameters, artifacts = [], []
    for one in step.inputs:
        name = parameter_name(one.name)
        if not is_file_type(one.type) and not isinstance(one.value, StoredFile):
            parameters.append({"name": name, "value": _text(one.value, holes)})
        elif isinstance(one.value, StoredFile):
            artifacts.append({"name": name, **location(one.value)})
        elif isinstance(one.value, Constant | ListOf):
            raise EngineError(
                f"step '{step.name}' hands the input '{one.name}' to a template of another object, which takes single "
                "files that steps wrote or that have a URL",
                "give it one file",
            )
        else:
            files[name] = one.value
            artifacts.append({"name": name, "from": f"{{{{inputs.artifacts.{name}}}}}"})
    parameters += [{"name": parameter_name(one.name), "value": _text(one.value, holes)} for one in step.env]
    kinds = {"parameters": parameters, "artifacts": artifacts}
    return {kind: found for kind, found in kinds.items() if found}


def _text(value: Value, holes: Holes) -> str:
    if isinstance(value, Constant) and "{{" not in as_text(value.value):
        return as_text(value.value)
    return f"{{{{={text_expression(value, holes)}}}}}"


def _outputs(declared: list[Output]) -> tuple[list[dict[str, Any]], list[dict[str, Any]], Mapping[str, Result]]:
    values, artifacts, results = [], [], {}
    for output in declared:
        name = parameter_name(output.name)
        if is_file_type(output.type):
            artifacts.append({"name": name, "from": f"{{{{tasks.{CALL}.outputs.artifacts.{name}}}}}"})
            continue
        place = f"parameters.{name}" if output.path or output.name != "result" else "result"
        values.append({"name": name, "valueFrom": {"parameter": f"{{{{tasks.{CALL}.outputs.{place}}}}}"}})
        form: Form = "text" if output.type in ("str", "any") else "parsed"
        results[output.name] = Result(form, output.type)
    return values, artifacts, results


def _declared(step: Step, scope: ScopeTypes) -> list[Output]:
    """The outputs that the step declares, and a standard output that is read: other templates may have none."""
    own = {output.name for output in step.outputs}
    read = scope.read.get(step.name, ())
    return [output for name, output in outputs_of_one(step).items() if name in own or name in read]
