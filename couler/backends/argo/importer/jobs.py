"""Resource templates as jobs, and jobs that stand for what couler lacks: a Workflow object of its own; and back."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from couler.backends.argo.importer.process import Facts
from couler.backends.argo.importer.reading import as_text, items_of, read_documents
from couler.core.dsl.jobs import predicates
from couler.core.errors import CoulerError
from couler.core.ir import model as ir
from couler.core.ir.json import thaw
from couler.core.ir.yaml_form import write_yaml

_EXISTS = ir.JobPredicate(field="metadata.name", operator="!=", value="")
"""What a resource template without conditions waits for."""
_TEXT = "ManifestText"
"""Kind of the object that stands for a manifest that is no YAML before Argo has filled it in."""
_ACTIONS = ("create", "apply", "patch", "delete", "get")
_PLAIN_PATH = re.compile(r"\{\.(\w[\w.\-\[\]]*)\}")
_DONE = (ir.JobPredicate(field="status.phase", value="Succeeded"),)
_FAILED = (ir.JobPredicate(field="status.phase", operator="in", value=("Failed", "Error")),)


def read_resource(template: Mapping[str, Any], facts: Facts) -> ir.JobTask:
    """The task of a resource template."""
    resource = template["resource"]
    action = resource.get("action")
    return ir.JobTask(
        manifest=_read_manifest(as_text(resource.get("manifest"))),
        success=_claims(resource.get("successCondition")) or (_EXISTS,),
        failure=_claims(resource.get("failureCondition")),
        outputs=_read_outputs(template),
        action=action if action in _ACTIONS else "create",
        owned=resource.get("setOwnerReference") is True,
    )


def write_resource(task: ir.JobTask) -> dict[str, Any]:
    """``resource`` and ``outputs`` of a template."""
    made: dict[str, Any] = {"action": task.action}
    if manifest := _write_manifest(task.manifest):
        made["manifest"] = manifest
    if task.success and task.success != (_EXISTS,):
        made["successCondition"] = _claims_text(task.success)
    if task.failure:
        made["failureCondition"] = _claims_text(task.failure)
    if task.owned:
        made["setOwnerReference"] = True
    parameters = [{"name": one.name, "valueFrom": _source(one.field)} for one in task.outputs]
    return {"resource": made, **({"outputs": {"parameters": parameters}} if parameters else {})}


def _read_manifest(text: str) -> dict[str, Any]:
    try:
        documents = read_documents(text)
    except CoulerError:
        documents = []
    if len(documents) == 1 and isinstance(documents[0], Mapping) and _is_object(documents[0]):
        return dict(documents[0])
    return {"apiVersion": "argoproj.io/v1alpha1", "kind": _TEXT, "text": text}


def _is_object(document: Mapping[str, Any]) -> bool:
    plain = all(isinstance(document.get(key), str) and "{{" not in document[key] for key in ("apiVersion", "kind"))
    try:
        ir.JobTask(manifest=dict(document))
    except ValueError:  # keys that are no texts
        return False
    return plain


def _write_manifest(manifest: Mapping[str, Any]) -> str:
    if manifest.get("kind") == _TEXT:
        return as_text(manifest.get("text"))
    return write_yaml(thaw(manifest))


def _claims(text: Any) -> tuple[ir.JobPredicate, ...]:
    try:
        found = predicates(as_text(text), "resource")
    except CoulerError:
        return ()
    return found if "".join(_claims_text(found).split()) == "".join(as_text(text).split()) else ()


def _claims_text(claims: tuple[ir.JobPredicate, ...]) -> str:
    return ", ".join(_claim(claim) for claim in claims)


def _claim(claim: ir.JobPredicate) -> str:
    value = claim.value
    shown = f"({', '.join(map(str, value))})" if isinstance(value, tuple) else as_text(value)
    return f"{claim.field or claim.condition} {claim.operator} {shown}"


def _read_outputs(template: Mapping[str, Any]) -> tuple[ir.JobOutput, ...]:
    found = []
    for item in items_of((template.get("outputs") or {}).get("parameters")):
        source = item.get("valueFrom") or {}
        path = _PLAIN_PATH.fullmatch(as_text(source.get("jsonPath")))
        field = path[1] if path else as_text(source.get("jsonPath") or source.get("jqFilter"))
        if field and item.get("name"):
            found.append(ir.JobOutput(name=item["name"], field=field))
    return tuple(found)


def _source(field: str) -> dict[str, str]:
    if re.fullmatch(r"\w[\w.\-\[\]]*", field):
        return {"jsonPath": f"{{.{field}}}"}
    return {"jsonPath": field} if field.startswith("{") else {"jqFilter": field}


# --- a Workflow object for what couler lacks -------------------------------------------------------------------


def child(name: str, spec: Mapping[str, Any], outputs: Mapping[str, Any]) -> ir.JobTask:
    """A job that runs a part of the document as a Workflow of its own."""
    manifest = {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "Workflow",
        "metadata": {"generateName": f"{name}-"},
        "spec": dict(spec),
    }
    read = tuple(ir.JobOutput(name=output, field=f"status.outputs.{output}") for output in outputs)
    return ir.JobTask(manifest=manifest, success=_DONE, failure=_FAILED, outputs=read)


def spec_of_child(step: ir.Step) -> dict[str, Any] | None:
    """The spec inside of such a job; None for other steps."""
    task = step.task
    if isinstance(task, ir.JobTask) and task.manifest.get("kind") == "Workflow" and task.success == _DONE:
        spec: dict[str, Any] = thaw(task.manifest["spec"])
        return spec
    return None
