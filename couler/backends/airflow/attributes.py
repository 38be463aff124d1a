"""What stands around steps and workflows, as arguments of Airflow's operators and DAGs."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any

from couler.backends.airflow.expressions import Names, flag, mapping, pair, stored_parts
from couler.backends.airflow.names import dag_name, is_newest
from couler.core.ir.graph import outputs_of_one
from couler.core.ir.json import thaw
from couler.core.ir.model import (
    FunctionTask,
    GroupTask,
    JobTask,
    Output,
    Parameter,
    Retry,
    Step,
    StoredFile,
    SuspendTask,
    Workflow,
)
from couler.core.ir.types import parse
from couler.core.render.code import Code, Items, call, listed
from couler.core.render.literals import literal, text


def of_dag(workflow: Workflow, options: Mapping[str, Any], sdk: set[str]) -> dict[str, Code | None]:
    """Arguments of the DAG."""
    schedule = workflow.schedule
    arguments: dict[str, Code | None] = {
        "dag_display_name": text(workflow.name) if dag_name(workflow.name) != workflow.name else None,
        "description": text(workflow.description) if workflow.description else None,
        "schedule": "None",
        "catchup": "False",
    }
    if schedule is not None:
        arguments["schedule"] = _schedule(schedule.cron, schedule.timezone, sdk)
        arguments["max_active_runs"] = "1" if schedule.concurrency == "forbid" else None
        arguments["is_paused_upon_creation"] = "True" if schedule.suspended else None
    if workflow.parameters:
        sdk.add("Param")
        entries = {one.name: _param(one) for one in workflow.parameters}
        arguments["params"] = mapping(entries)
    if workflow.parallelism is not None:
        arguments["max_active_tasks"] = str(workflow.parallelism)
    if workflow.timeout is not None:
        arguments["dagrun_timeout"] = seconds(workflow.timeout)
    labels = {key: f"{key}={value}" for key, value in workflow.labels.items()}
    short = [label for label in labels.values() if len(label) <= LONGEST_TAG]
    arguments["tags"] = listed([text("couler"), *map(text, short)])
    long = {key: workflow.labels[key] for key, label in labels.items() if len(label) > LONGEST_TAG}
    arguments["doc_md"] = text(told("", long)) if long else None
    defaults: dict[str, Code] = {"workflow": text(workflow.name)}
    if workflow.on_failure == "continue":
        defaults["stop"] = "False"
    for name in ("store", "python", "limit"):
        if options.get(name):
            defaults[name] = literal(options[name])
    defaults |= options["defaults"]
    arguments["default_args"] = mapping(defaults | options["of_tasks"])
    given: dict[str, Code] = dict(options["of_dag"])
    tags = given.pop("tags", None)
    if isinstance(tags, Items):
        shown = arguments["tags"]
        assert isinstance(shown, Items)
        arguments["tags"] = Items("[", (*shown.parts, *tags.parts), "]")
    return {**arguments, **given}


def _schedule(cron: tuple[str, ...], timezone: str, sdk: set[str]) -> Code:
    if len(cron) == 1:
        sdk.add("CronTriggerTimetable")
        return call("CronTriggerTimetable", text(cron[0]), timezone=text(timezone))
    sdk.add("MultipleCronTriggerTimetable")
    return call("MultipleCronTriggerTimetable", *map(text, cron), timezone=text(timezone))


LONGEST_TAG = 100
"""Characters that a tag of a DAG may have."""


def told(description: str, labels: Mapping[str, str]) -> str:
    """What a page of Airflow shows of a step or workflow."""
    shown = ", ".join(f"`{key}={value}`" for key, value in labels.items())
    return "\n\n".join(filter(None, [description, f"Labels: {shown}" if shown else ""]))


_TYPES = {
    "bool": "boolean", "int": "integer", "float": "number", "str": "string", "list": "array", "object": "object",
    "null": "null",
}  # fmt: skip


def _param(parameter: Parameter) -> Code:
    arguments: dict[str, Code | None] = {}
    kinds = [_TYPES[atom.name] for atom in parse(parameter.type).alternatives if atom.name in _TYPES]
    if kinds:
        arguments["type"] = text(kinds[0]) if len(kinds) == 1 else listed([text(kind) for kind in kinds])
    if parameter.help:
        arguments["description"] = text(parameter.help)
    if parameter.choices:
        arguments["enum"] = literal(thaw(parameter.choices))
    default = [] if parameter.default is None else [literal(thaw(parameter.default.value))]
    return call("Param", *default, **arguments)


def seconds(count: float) -> Code:
    """A duration."""
    return call("timedelta", seconds=number(count))


def number(count: float) -> Code:
    """A number, without a fraction that is none."""
    return literal(int(count) if count == math.floor(count) else count)


def of_step(step: Step, names: Names, version: str) -> dict[str, Code | None]:
    """Arguments of an operator, less those of its task."""
    arguments: dict[str, Code | None] = {
        "inputs": mapping({one.name: names.value(one.value) for one in step.inputs}),
        "allow_failure": "True" if step.allow_failure else None,
        "doc_md": text(step.description) if step.description else None,
    }
    if not isinstance(step.task, GroupTask | SuspendTask | JobTask):
        arguments |= _of_process(step, names)
    if step.retry is not None and step.retry.limit:
        arguments |= {"retries": str(step.retry.limit), "retry_policy": _again(step.retry, names)}
        arguments |= _waits(step.retry, version)
    if step.timeout is not None and isinstance(step.task, SuspendTask):
        arguments["most"] = number(step.timeout)
    elif step.timeout is not None:
        arguments["execution_timeout"] = seconds(step.timeout)
    return arguments


def _of_process(step: Step, names: Names) -> dict[str, Code | None]:
    declared = step.outputs if isinstance(step.task, FunctionTask) else outputs_of_one(step).values()
    files = {one.name: text(one.path) for one in step.inputs if "file" in one.type or "folder" in one.type or one.path}
    return {
        "outputs": listed([_declared(output) for output in declared]) if declared else None,
        "types": mapping(
            {one.name: text(one.type) for one in step.inputs if one.type != "any" and one.name not in files}
        ),
        "file_inputs": mapping(files),
        "env": mapping({one.name: names.value(one.value) for one in step.env}),
        "secrets": mapping({use.env: pair(use.secret.name, use.secret.key) for use in step.secrets if use.env}),
        "secret_files": mapping({use.path: pair(use.secret.name, use.secret.key) for use in step.secrets if use.path}),
        "working_dir": text(step.working_dir) if step.working_dir else None,
    }


def assets(step: Step) -> tuple[list[str], list[str]]:
    """URLs of files outside of the workflow that a step reads and writes, where Airflow takes them as names."""
    read = [one.value.url for one in step.inputs if isinstance(one.value, StoredFile)]
    written = [one.store.url for one in step.outputs if one.store is not None]
    return [*filter(_ASSET.fullmatch, read)], [*filter(_ASSET.fullmatch, written)]


_ASSET = re.compile(r"[a-z][a-z0-9+.-]*://[!-?A-~]{1,1000}")


def _declared(output: Output) -> Code:
    entries: dict[str, Code] = {"name": text(output.name), "type": text(output.type), "path": text(output.path)}
    if output.default is not None:
        entries["default"] = literal(thaw(output.default.value))
    if output.store is not None:
        url, options, credentials = stored_parts(output.store)
        parts = {"url": url, "options": options, "credentials": credentials}
        entries["store"] = mapping({name: part for name, part in parts.items() if part is not None}) or "{}"
    found = mapping(entries)
    assert found is not None
    return found


def _waits(retry: Retry, version: str) -> dict[str, Code | None]:
    """How long Airflow waits before another attempt where it does not ask the policy.

    After the loss of a worker it asks none, and Airflow 2 never does; it would wait for five minutes.
    """
    backoff = retry.backoff
    found: dict[str, Code | None] = {"retry_delay": seconds(backoff.initial or 0)}
    if is_newest(version):
        return found
    return found | {
        "retry_exponential_backoff": flag(bool(backoff.initial) and backoff.factor > 1),
        "max_retry_delay": None if backoff.maximum is None else seconds(backoff.maximum),
    }


def _again(retry: Retry, names: Names) -> Code | None:
    """The policy of further attempts; Airflow's own would wait for five minutes."""
    backoff, on = retry.backoff, retry.on
    chosen: list[Code] = []
    if on is not None:
        chosen += [*map(str, on.exit_codes), *map(text, on.errors)]
        chosen += [text("OutOfMemory")] * on.out_of_memory + [text("Timeout")] * on.timeout
        chosen += [text("lost")] * on.lost
    return names.make(
        "Again",
        initial=literal(backoff.initial) if backoff.initial else None,
        factor=literal(backoff.factor) if backoff.initial and backoff.factor != 2 else None,
        maximum=literal(backoff.maximum) if backoff.maximum is not None else None,
        jitter=literal(backoff.jitter) if backoff.jitter else None,
        on=listed(chosen) if on is not None else None,
    )
