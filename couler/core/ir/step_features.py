"""Which features one step uses, and the parts that steps share with the defaults of a workflow."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from couler.core.ir.evaluate import operands
from couler.core.ir.graph import outputs_of_one
from couler.core.ir.model import (
    CachePolicy,
    Concat,
    Condition,
    Constant,
    ContainerTask,
    EnvVar,
    FirstOf,
    FunctionTask,
    GroupTask,
    Input,
    ItemRef,
    JobTask,
    ListOf,
    Loop,
    Output,
    OutputRef,
    Resources,
    Retry,
    RoundRef,
    RunRef,
    ScriptTask,
    Step,
    StoredFile,
    SuspendTask,
    Value,
)


class StepFeatures:
    """Finds the features of steps; parts that several steps share are looked at once."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, int], tuple[object, frozenset[str]]] = {}  # the part is kept, so that its id stays

    def of(self, step: Step) -> frozenset[str]:
        """The features of one step."""
        found = _of_task(step)
        for name in step.model_fields_set & _TELLING:
            if name in _OF_PART:
                part = getattr(step, name)
                known = self._known.get((name, id(part)))
                if known is None:
                    known = self._known[name, id(part)] = (part, frozenset(_OF_PART[name](part)))
                found |= known[1]
            elif name in _OF_STEP:
                found.update(_OF_STEP[name](step))
            elif getattr(step, name):
                found.add(name)
        return frozenset(found)


def _of_task(step: Step) -> set[str]:
    task = step.task
    found: set[str] = {task.kind}
    if type(task) is ContainerTask:
        found |= of_values(task.command)
        found |= of_values(task.args)
    elif type(task) is FunctionTask or type(task) is ScriptTask:
        if task.packages:
            found.add("packages")
        if task.image:
            found.add("image")
        if type(task) is ScriptTask:
            found |= of_values(task.args)
    elif type(task) is SuspendTask:
        found.add("suspend_approval" if task.duration is None else "suspend_duration")
    elif type(task) is GroupTask:
        found.update(of_values(output.value for output in task.outputs))
        found.update(_of_types(outputs_of_one(step).values()))
    elif type(task) is JobTask:
        if any(one.condition for one in (*task.success, *task.failure)):
            found.add("job_conditions")
        found.update(_of_types(outputs_of_one(step).values()))
    return found


def _of_foreach(step: Step) -> Iterator[str]:
    if step.foreach is None:
        return
    lists = step.foreach.lists
    yield "map"
    yield from true(
        {
            "map_dynamic": any(type(value) is not Constant for value in lists.values()),
            "map_zip": len(lists) > 1,
            "map_parallelism": step.foreach.parallelism is not None,
            "map_group": type(step.task) is GroupTask,
            "map_files": _maps_files(step) and type(step.task) is FunctionTask,
            "map_container_files": _maps_files(step) and type(step.task) is not FunctionTask,
        }
    )
    yield from of_values(lists.values())


def _maps_files(step: Step) -> bool:
    """Whether items of a map are files, or write some."""
    given = any(_is_file(item.type) and type(item.value) is ItemRef for item in step.inputs)
    return given or any(_is_file(output.type) for output in outputs_of_one(step).values())


def _of_loop(step: Step) -> Iterator[str]:
    if step.loop is None:
        return
    yield "loop"
    yield from true({"loop_carry": step.loop.carry, "loop_files": _carries_files(step, step.loop)})
    yield from of_values(operands(step.loop.condition))


def _carries_files(step: Step, loop: Loop) -> bool:
    outputs = outputs_of_one(step)
    return any(_is_file(outputs[name].type) for name in loop.carry.values() if name in outputs)


def _of_condition(feature: str, condition: Condition | None) -> Iterator[str]:
    if condition is not None:
        yield feature
        yield from of_values(operands(condition))


def _is_file(kind: str) -> bool:
    return "file" in kind or "folder" in kind


def of_retry(retry: Retry | None) -> Iterator[str]:
    """Features of a rule for further attempts."""
    if retry is None:
        return
    if retry.limit:
        yield "retry"
    if retry.backoff.initial:
        yield "retry_backoff"
    if retry.on is not None:
        yield "retry_on"
    if retry.escalation is not None:
        yield "retry_escalation"


def of_resources(given: Resources | None) -> Iterator[str]:
    """Features of what a step needs."""
    if given is None:
        return
    if given.cpu or given.memory or given.ephemeral_storage:
        yield "resources"
    if given.gpu:
        yield "gpu"
    if given.node_selector or given.tolerations or given.affinity or given.priority:
        yield "placement"


def _of_timeout(step: Step) -> Iterator[str]:
    if step.timeout is not None:
        yield "timeout"
        yield from true(
            {"group_timeout": type(step.task) is GroupTask, "suspend_timeout": type(step.task) is SuspendTask}
        )


def _of_inputs(step: Step) -> Iterator[str]:
    yield from of_values([item.value for item in step.inputs])
    yield from _of_types(step.inputs)


def _of_outputs(outputs: Sequence[Output]) -> Iterator[str]:
    yield from _of_types(outputs)
    for output in outputs:
        if output.default is not None:
            yield "output_default"
        if output.store is not None:
            yield "stored_outputs"


def of_env(env: Sequence[EnvVar]) -> Iterator[str]:
    """Features of environment variables."""
    if env:
        yield "env"
        yield from of_values(variable.value for variable in env)


def of_cache(cache: CachePolicy | None) -> Sequence[str]:
    """Features of a cache policy."""
    return ("cache",) if cache is not None and cache.enabled else ()


def of_values(values: Iterable[Value]) -> set[str]:
    """Features of values, with the parts inside them."""
    found: set[str] = set()
    for value in values:
        kind = type(value)
        if kind is Constant:
            continue
        if kind in _FEATURE_OF_VALUE:
            found.add(_FEATURE_OF_VALUE[kind])
            found |= of_values(_parts(value))
        elif type(value) is OutputRef and value.default is not None:
            found.add("reference_default")
        if getattr(value, "path", ()):
            found.add("value_path")
    return found


_FEATURE_OF_VALUE: Mapping[type[Value], str] = {
    FirstOf: "first_of",
    Concat: "concat",
    ListOf: "list_of",
    RunRef: "run_facts",
    RoundRef: "round",
    StoredFile: "stored_files",
}


def _parts(value: Value) -> Sequence[Value]:
    match value:
        case FirstOf():
            return value.options
        case Concat():
            return value.parts
        case ListOf():
            return value.items
        case _:
            return ()


def _of_types(declared: Iterable[Input | Output]) -> Iterator[str]:
    """Files and folders among inputs or outputs, also in lists."""
    for item in declared:
        if "file" in item.type:
            yield "files"
        if "folder" in item.type:
            yield "folders"


_OF_PART: Mapping[str, Callable[[Any], Iterable[str]]] = {
    "outputs": _of_outputs,
    "retry": of_retry,
    "resources": of_resources,
    "cache": of_cache,
    "env": of_env,
}
"""Attribute of a step to the features that its value brings."""

_OF_STEP: Mapping[str, Callable[[Step], Iterable[str]]] = {
    "inputs": _of_inputs,
    "foreach": _of_foreach,
    "loop": _of_loop,
    "when": lambda step: _of_condition("when", step.when),
    "after_condition": lambda step: _of_condition("after_status", step.after_condition),
    "timeout": _of_timeout,
}
"""Attribute of a step to the features that it brings there, beside the other attributes."""

_NAMESAKES = {
    "allow_failure", "secrets", "volumes", "service_account", "working_dir", "labels", "sidecars", "daemon",
    "engine_options",
}  # fmt: skip
"""Attributes that are a feature of the same name when they are set."""

_TELLING = _NAMESAKES | _OF_PART.keys() | _OF_STEP.keys()


def true(claims: Mapping[str, object]) -> Iterator[str]:
    """Features whose claim holds."""
    return (feature for feature, claim in claims.items() if claim)
