"""Kubernetes objects that a step creates and waits for, as resource templates."""

from __future__ import annotations

import json
import re
from typing import Any

from couler.backends.argo.units import Result
from couler.backends.argo.wire import wire
from couler.core.errors import EngineError
from couler.core.ir.json import thaw
from couler.core.ir.model import JobPredicate, JobTask, Step

_LABEL_VALUE = re.compile(r"([A-Za-z0-9]([A-Za-z0-9_.-]*[A-Za-z0-9])?)?")


def resource_template(step: Step, task: JobTask) -> tuple[dict[str, Any], dict[str, Result]]:
    """The body of the template, and how its outputs are read.

    Raises:
        EngineError: A predicate cannot be said in Argo's conditions.
    """
    resource: dict[str, Any] = {"action": task.action, "manifest": _manifest(task)}
    if task.owned and task.action in ("create", "apply"):
        resource["setOwnerReference"] = True
    if task.success:
        resource["successCondition"] = ",".join(_term(step, one) for one in task.success)
    if task.failure:
        resource["failureCondition"] = ",".join(_term(step, one) for one in task.failure)
    results = {one.name: Result("text" if one.type in ("str", "any") else "parsed", one.type) for one in task.outputs}
    outputs = [{"name": one.name, "valueFrom": {"jsonPath": f"{{.{one.field}}}"}} for one in task.outputs]
    return {"resource": resource, **({"outputs": {"parameters": outputs}} if outputs else {})}, results


def _manifest(task: JobTask) -> str:
    """The object as JSON, which is YAML too, with its braces parted."""
    text = wire(thaw(task.manifest))
    return json.dumps(json.loads(text), indent=2) if "u007b" not in text else text


def _term(step: Step, predicate: JobPredicate) -> str:
    if predicate.condition:
        raise EngineError(
            f"step '{step.name}' waits for the condition '{predicate.condition}' of an object, and Argo compares "
            "plain fields only",
            "name a field, such as status.succeeded, in the predicate",
        )
    value = predicate.value
    if predicate.operator == "in" and isinstance(value, list | tuple):
        return f"{predicate.field} in ({','.join(_value(step, one) for one in value)})"
    if predicate.operator in ("<=", ">=") and isinstance(value, int):
        sign, value = ("<", value + 1) if predicate.operator == "<=" else (">", value - 1)
        return f"{predicate.field} {sign} {value}"
    return f"{predicate.field} {predicate.operator} {_value(step, value)}"


def _value(step: Step, value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value)
    if not _LABEL_VALUE.fullmatch(text):
        raise EngineError(
            f"step '{step.name}' compares a field of an object with {text!r}, which Argo's conditions cannot say",
            "compare with letters, digits, '-', '_' and '.' only",
        )
    return text
