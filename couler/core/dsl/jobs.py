"""Kubernetes objects as steps."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from couler.core.dsl import options
from couler.core.dsl.conditions import plain
from couler.core.dsl.expr import Output
from couler.core.dsl.steps import new_step
from couler.core.errors import DefinitionError
from couler.core.ir import model as ir

_TERM = re.compile(r"^\s*([\w.\-\[\]]+)\s*(==|!=|<=|>=|=|<|>|in)\s*(.+?)\s*$")


def predicates(text: str | Iterable[ir.JobPredicate], where: str) -> tuple[ir.JobPredicate, ...]:
    """Predicates from text such as ``"status.succeeded > 0, status.phase in (A,B)"``.

    Raises:
        DefinitionError: A term is not of the form field, operator, value.

    >>> predicates("status.succeeded > 0", "x")[0].value
    0
    """
    if not isinstance(text, str):
        return tuple(text)
    terms = [term for term in re.split(r",(?![^(]*\))", text) if term.strip()]
    return tuple(_predicate(term, where) for term in terms)


def _predicate(term: str, where: str) -> ir.JobPredicate:
    match = _TERM.match(term)
    if match is None:
        raise DefinitionError(f"{where}: {term.strip()!r} is no condition on the object", '"status.succeeded > 0"')
    field, operator, value = match.groups()
    operator = "==" if operator == "=" else operator
    if operator == "in":
        return ir.JobPredicate(
            field=field, operator="in", value=[_scalar(item) for item in value.strip("() ").split(",")]
        )
    return ir.JobPredicate(field=field, operator=operator, value=_scalar(value))


def _scalar(text: str) -> Any:
    text = text.strip()
    if re.fullmatch(r"-?\d+", text):
        return int(text)
    if re.fullmatch(r"-?\d+\.\d+", text):
        return float(text)
    return text.strip("'\"")


def run_job(
    manifest: Mapping[str, Any] | str,
    success_condition: str | Iterable[ir.JobPredicate],
    failure_condition: str | Iterable[ir.JobPredicate] = (),
    *,
    step_name: str | None = None,
    outputs: Mapping[str, str] | None = None,
    action: str = "create",
    set_owner_reference: bool = True,
    delete_after: bool = False,
    **step_options: Any,
) -> Output[Any]:
    """Create a Kubernetes object and wait until it has succeeded or failed.

    Args:
        manifest: The object, as a dict or as YAML text of one document.
        success_condition: Terms over the object's fields, all of which must hold, such as ``"status.succeeded > 0"``.
        failure_condition: Terms of which one suffices.
        step_name: A given name.
        outputs: Output name to the field of the finished object that it is read from.
        action: ``create``, ``apply``, ``patch``, ``delete`` or ``get``.
        set_owner_reference: Remove the object with the run.
        delete_after: Remove the object when the step has ended.
        step_options: As in `couler.step`.

    Raises:
        DefinitionError: The manifest is no object, or a condition cannot be read.
    """
    where = f"step '{step_name or 'job'}'"
    fields = {
        "manifest": manifest_of(manifest, where),
        "success": predicates(success_condition, where),
        "failure": predicates(failure_condition, where),
        "outputs": tuple(ir.JobOutput(name=name, field=field) for name, field in (outputs or {}).items()),
        "action": action,
        "owned": set_owner_reference,
        "delete_after": delete_after,
    }
    task = options.build(ir.JobTask, where, fields)
    draft = new_step(
        "job", lambda adopt, given: task, name=step_name, step_options=options.convert(step_options, where)
    )
    draft.known_outputs = tuple(item.name for item in task.outputs)
    return Output(draft, next(iter(draft.known_outputs), "result"))


def manifest_of(manifest: Mapping[str, Any] | str, where: str) -> Any:
    """The object, from a dict or from YAML text of one document.

    Raises:
        DefinitionError: It is no Kubernetes object.
    """
    if isinstance(manifest, str):
        import yaml  # only here: reading YAML is rare, and importing it is not free

        try:
            manifest = yaml.safe_load(manifest)
        except yaml.YAMLError as error:
            raise DefinitionError(f"{where}: the manifest is not YAML: {error}") from None
    if not isinstance(manifest, Mapping) or not manifest.get("kind"):
        raise DefinitionError(f"{where}: the manifest is not a Kubernetes object with apiVersion and kind")
    return plain(manifest, f"{where}: manifest")
