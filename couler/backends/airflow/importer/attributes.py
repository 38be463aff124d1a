"""Arguments that all operators and DAGs have: retries, timeouts, pools, callbacks."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import timedelta
from typing import Any

from couler.backends.airflow.importer import plain
from couler.backends.airflow.importer.references import References
from couler.backends.airflow.importer.values import Dag, Made, Task
from couler.backends.airflow.importer.vocabulary import (
    BASH,
    CARRIED,
    COMMON,
    DAG_READ,
    DAG_WITHOUT_MEANING,
    DOCKER,
    FUNCTIONS,
    POD,
    READ,
    WITHOUT_MEANING,
)
from couler.core.ir import model as ir

Fields = dict[str, Any]

DELAY = 300.0
"""Seconds between attempts, where Airflow is told nothing."""

_BY_OPERATOR = {"BashOperator": BASH, "KubernetesPodOperator": POD, "DockerOperator": DOCKER}
_LABEL = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?")


def of_task(task: Task, references: References, *, failing: bool, known: bool) -> Fields:
    """Attributes of a step.

    Args:
        task: The task.
        references: Of the DAG.
        failing: Whether the run fails when the step does.
        known: Whether the task was translated; of others only what all operators have is told.
    """
    given = task.arguments
    fields: Fields = {"location": f"{references.report.file}:{task.line}"}
    if (retry := _retry(given)) is not None:
        fields["retry"] = retry
    if isinstance(limit := given.get("execution_timeout"), timedelta):
        fields["timeout"] = limit.total_seconds()
    for name in ("doc_md", "doc"):
        if isinstance(given.get(name), str):
            fields["description"] = given[name].strip()
    if not failing or task.role == "teardown":
        fields["allow_failure"] = True
    read = READ | _BY_OPERATOR.get(task.operator, FUNCTIONS) | {"subject"}
    rest = {name: value for name, value in given.items() if name not in read and (known or name in CARRIED | COMMON)}
    carried = _carried(rest, task.line, references, task.own, CARRIED)
    if carried:
        fields["engine_options"] = {"airflow": carried}
    return fields


def _retry(given: Fields) -> ir.Retry | None:
    limit = given.get("retries")
    if not isinstance(limit, int) or isinstance(limit, bool) or limit <= 0:
        return None
    delay, longest = given.get("retry_delay"), given.get("max_retry_delay")
    factor = given.get("retry_exponential_backoff")
    return ir.Retry(
        limit=limit,
        backoff=ir.Backoff(
            initial=_seconds(delay, DELAY),
            factor=2 if factor is True else max(1, factor) if isinstance(factor, int | float) and factor else 1,
            maximum=_seconds(longest, 0) or None,
        ),
    )


def _seconds(value: Any, default: float) -> float:
    if isinstance(value, timedelta):
        return value.total_seconds()
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else default


def _carried(
    given: Fields, line: int, references: References, own: Iterable[str], kept: frozenset[str]
) -> dict[str, Any]:
    """Arguments that are kept as options; the report tells of all others."""
    carried = {}
    for name, value in given.items():
        if value is None or value is False or value in ([], {}):
            continue
        if name in WITHOUT_MEANING | DAG_WITHOUT_MEANING:
            if name in own:
                references.report.add("AIRFLOW062", line, name)
            continue
        shown = f"{name}={value!r}" if plain.is_json(value) else name
        if name in kept and plain.is_json(value):
            carried[name] = value
            references.report.add("AIRFLOW060", line, shown)
        else:
            references.report.add("AIRFLOW061", line, shown)
    return carried


def of_dag(dag: Dag, references: References) -> Fields:
    """Attributes of a workflow."""
    given = dag.arguments
    stops = given.get("fail_fast") is True or given.get("fail_stop") is True
    fields: Fields = {"on_failure": "stop" if stops else "continue"}
    described = given.get("description") or given.get("doc_md")
    if isinstance(described, str):
        fields["description"] = described.strip()
    if isinstance(limit := given.get("dagrun_timeout"), timedelta):
        fields["timeout"] = limit.total_seconds()
    for name in ("max_active_tasks", "concurrency"):
        if isinstance(given.get(name), int) and given[name] > 0:
            fields["parallelism"] = given[name]
    fields["labels"] = _labels(dag, references)
    if given.get("catchup") is True:
        references.report.add("AIRFLOW061", dag.line, "catchup=True")
    rest = {name: value for name, value in given.items() if name not in DAG_READ and (name, value) != ("catchup", True)}
    _carried(rest, dag.line, references, rest, frozenset())
    return fields


def _labels(dag: Dag, references: References) -> dict[str, str]:
    """Tags and the owner as labels."""
    labels = {}
    defaults = dag.arguments.get("default_args")
    owner = defaults.get("owner") if isinstance(defaults, dict) else None
    if isinstance(owner, str) and owner != "airflow" and _LABEL.fullmatch(owner):
        labels["owner"] = owner
    tags = dag.arguments.get("tags")
    for tag in tags if isinstance(tags, list | tuple | set) else ():
        key, _, value = str(tag).partition("=")
        if _LABEL.fullmatch(key) and (not value or _LABEL.fullmatch(value)):
            labels[key] = value or "true"
            references.report.add("AIRFLOW060", dag.line, f"tag {tag}")
        else:
            references.report.add("AIRFLOW061", dag.line, f"tag {tag}")
    return labels


_TYPES = {"string": "str", "integer": "int", "number": "float", "boolean": "bool", "array": "list",
          "object": "object", "null": "null"}  # fmt: skip


def parameters_of(dag: Dag, references: References) -> dict[str, ir.Parameter]:
    """Parameters that a DAG declares."""
    declared = dag.arguments.get("params")
    given: dict[str, Any] = {**(declared if isinstance(declared, dict) else {}), **dag.parameters}
    found = {}
    for name, value in given.items():
        if isinstance(name, str):
            found[name] = _parameter(name, value, dag, references)
    return found


def _parameter(name: str, value: Any, dag: Dag, references: References) -> ir.Parameter:
    if not isinstance(value, Made):
        if not plain.is_json(value):
            references.report.add("AIRFLOW070", dag.line, f"params: {name}")
            return ir.Parameter(name=name)
        kind = {str: "str", bool: "bool", int: "int", float: "float"}.get(type(value), "any")
        return ir.Parameter(name=name, type=kind, default=ir.Constant(value=value))
    fields = value.kwargs
    default = fields.get("default", value.args[0] if value.args else None)
    types = fields.get("type")
    names = [_TYPES[one] for one in (types if isinstance(types, list | tuple) else [types]) if one in _TYPES]
    choices = fields.get("enum")
    has_default = (value.args or "default" in fields) and plain.is_json(default)
    help_ = fields.get("description") or fields.get("title")
    made = ir.Parameter(
        name=name,
        type="|".join(names) or "any",
        default=ir.Constant(value=default) if has_default and (default is not None or "null" in names) else None,
        help=help_ if isinstance(help_, str) else "",
        choices=tuple(choices) if isinstance(choices, list | tuple) and plain.is_json(choices) else (),
    )
    lost = sorted(set(fields) - {"default", "type", "description", "title", "enum", "description_md", "section"})
    if lost:
        references.report.add("AIRFLOW061", dag.line, f"{', '.join(lost)} of params.{name}")
    return made
