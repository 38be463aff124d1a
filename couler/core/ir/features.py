"""Which features a workflow uses: the words in which engines say what they can do."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from couler.core.ir.evaluate import operands
from couler.core.ir.graph import order, outputs_of_one, upstream, walk
from couler.core.ir.model import (
    Concat,
    Constant,
    ContainerTask,
    FirstOf,
    FunctionTask,
    GroupTask,
    ItemRef,
    JobTask,
    ListOf,
    OutputRef,
    Resources,
    Retry,
    RoundRef,
    RunRef,
    ScriptTask,
    Step,
    StepDefaults,
    StoredFile,
    SuspendTask,
    Value,
    Workflow,
)

FEATURES: Mapping[str, str] = {
    # tasks
    "function": "Python functions",
    "script": "scripts",
    "container": "containers with a command",
    "job": "Kubernetes objects to create and wait for",
    "job_conditions": "waiting for a condition of a Kubernetes object by its type",
    "suspend": "pauses",
    "suspend_approval": "pauses until a person approves",
    "suspend_duration": "pauses of a given duration",
    "suspend_timeout": "a time limit for a pause",
    "group": "nested workflows",
    "packages": "packages to install before a task",
    "image": "an image for functions and scripts",
    # repetition
    "map": "a step for each item of a list",
    "map_dynamic": "a step for each item of a list that is known at run time",
    "map_zip": "a step for each tuple of items of several lists",
    "map_parallelism": "a bound on the items at a time",
    "map_group": "a nested workflow for each item of a list",
    "map_in_map": "a map inside a map",
    "map_files": "files for each item of a map",
    "map_container_files": "files for each item of a map of scripts, containers or nested workflows",
    "loop": "repeating a step while a condition holds",
    "loop_carry": "inputs of a round from the round before",
    "loop_in_loop": "a loop inside a loop",
    "loop_files": "files from round to round",
    "round": "the number of the round",
    # order and conditions
    "when": "conditions over values",
    "first_of": "the first output whose step was not skipped",
    "reference_default": "a default for an output of a skipped step",
    "after_status": "order by how another step ended",
    "exit_handlers": "steps that run after everything else",
    "exit_handlers_by_status": "exit handlers for success or failure only",
    "on_failure_continue": "independent branches that go on after a failure",
    "on_failure_stop": "nothing new after a failure, where more than plain functions stand side by side",
    "allow_failure": "failures that do not fail the run",
    # values and files
    "parameters": "parameters of the workflow",
    "choices": "parameters with a list of choices",
    "workflow_outputs": "outputs of the workflow",
    "value_path": "parts of a JSON value",
    "concat": "texts made of several values",
    "list_of": "lists made of several values",
    "run_facts": "facts about the run, such as its id",
    "output_default": "defaults for outputs that a task did not write",
    "files": "files from step to step",
    "folders": "folders from step to step",
    "stored_files": "files that exist outside the workflow",
    "stored_outputs": "files that are also stored at a URL",
    # attempts and time
    "retry": "further attempts after a failure",
    "retry_backoff": "waiting between attempts",
    "retry_on": "further attempts after certain failures only",
    "retry_escalation": "more memory after running out of it",
    "timeout": "a time limit for an attempt of a step",
    "group_timeout": "a time limit for a nested workflow",
    "workflow_timeout": "a time limit for the whole workflow",
    "cache": "outputs remembered from earlier runs",
    # surroundings
    "resources": "CPU, memory and storage for a step",
    "gpu": "GPUs",
    "placement": "choosing nodes by labels, taints, affinity or priority",
    "env": "environment variables",
    "secrets": "secrets",
    "volumes": "mounted storage",
    "service_account": "service accounts",
    "working_dir": "a working directory",
    "labels": "labels",
    "sidecars": "containers beside a task",
    "daemon": "steps that keep running beside the others",
    "engine_options": "raw settings for one engine",
    # the whole
    "schedule": "starting by the clock",
    "parallelism": "a bound on the steps at a time",
}
"""Every feature, in words for people."""


def features_of(workflow: Workflow) -> dict[str, tuple[str, ...]]:
    """The features that a workflow uses, with the paths of the steps that use them, in the order of `FEATURES`.

    Features of the workflow itself, and of its defaults for all steps, have no paths.

    >>> from couler.core.ir.model import Schedule
    >>> pause = Step(name="wait", task=SuspendTask(duration=60))
    >>> features_of(Workflow(name="w", steps=(pause,), schedule=Schedule(cron=("0 3 * * *",))))
    {'suspend': ('wait',), 'suspend_duration': ('wait',), 'schedule': ()}
    """
    found: dict[str, dict[str, None]] = {feature: {} for feature in _of_workflow(workflow)}
    repeated = _Repeated()
    for path, step in walk(workflow):
        for feature in (*_of_step(step), *repeated.features(path, step)):
            found.setdefault(feature, {})[path] = None
    return {feature: tuple(found[feature]) for feature in FEATURES if feature in found}


def _of_workflow(workflow: Workflow) -> Iterator[str]:
    claims = {
        "parameters": workflow.parameters,
        "choices": any(parameter.choices for parameter in workflow.parameters),
        "workflow_outputs": workflow.outputs,
        "exit_handlers": workflow.exit_handlers,
        "exit_handlers_by_status": any(handler.on != "always" for handler in workflow.exit_handlers),
        "on_failure_continue": workflow.on_failure == "continue",
        "on_failure_stop": workflow.on_failure == "stop" and _stops_more_than_functions(workflow),
        "schedule": workflow.schedule is not None,
        "parallelism": workflow.parallelism is not None,
        "workflow_timeout": workflow.timeout is not None,
        "service_account": workflow.service_account,
        "labels": workflow.labels,
        "engine_options": workflow.engine_options,
    }
    yield from _true(claims)
    yield from _of_defaults(workflow.defaults)
    yield from _of_values(output.value for output in workflow.outputs)


def _of_defaults(defaults: StepDefaults) -> Iterator[str]:
    yield from _of_retry(defaults.retry)
    yield from _of_resources(defaults.resources)
    yield from _of_values(variable.value for variable in defaults.env)
    yield from _true(
        {
            "image": defaults.image,
            "packages": defaults.packages,
            "timeout": defaults.timeout is not None,
            "cache": defaults.cache is not None and defaults.cache.enabled,
            "env": defaults.env,
            "service_account": defaults.service_account,
        }
    )


def _true(claims: Mapping[str, object]) -> Iterator[str]:
    return (feature for feature, claim in claims.items() if claim)


def _stops_more_than_functions(workflow: Workflow) -> bool:
    """Whether, after a failure, something other than plain functions must be kept from starting."""
    return _scope_stops(workflow.steps, bool(workflow.exit_handlers), workflow.parallelism is not None)


def _scope_stops(steps: Sequence[Step], read_after: bool, bounded: bool) -> bool:
    for step in steps:
        is_group = type(step.task) is GroupTask
        if step.foreach is not None and (bounded or step.foreach.parallelism or is_group):
            return True
        if isinstance(step.task, GroupTask) and _scope_stops(step.task.steps, False, bounded):
            return True
    return _stand_side_by_side(steps) and (
        read_after or len(steps) > _MOST_TOGETHER or not all(_is_plain(step) for step in steps)
    )


_MOST_TOGETHER = 150


def _is_plain(step: Step) -> bool:
    around = step.foreach or step.loop or step.retry or step.allow_failure or step.daemon
    return type(step.task) is FunctionTask and not around


def _stand_side_by_side(steps: Sequence[Step]) -> bool:
    """Whether two of the steps do not wait for each other, directly or through others."""
    names = {step.name for step in steps}
    before: str | None = None
    for step in order(steps) if len(steps) > 1 else ():
        needs = names.intersection(upstream(step))
        if before is not None and before not in needs:
            return True  # in a chain each step waits for the one before it
        before = step.name
    return False


def _of_step(step: Step) -> Iterator[str]:
    yield from _of_task(step)
    yield from _of_flow(step)
    yield from _of_retry(step.retry)
    yield from _of_resources(step.resources)
    yield from _of_values(_values(step))
    yield from _of_types(step)
    yield from _true(
        {
            "allow_failure": step.allow_failure,
            "timeout": step.timeout is not None,
            "group_timeout": step.timeout is not None and type(step.task) is GroupTask,
            "suspend_timeout": step.timeout is not None and type(step.task) is SuspendTask,
            "cache": step.cache is not None and step.cache.enabled,
            "env": step.env,
            "secrets": step.secrets,
            "volumes": step.volumes,
            "service_account": step.service_account,
            "working_dir": step.working_dir,
            "labels": step.labels,
            "sidecars": step.sidecars,
            "daemon": step.daemon,
            "engine_options": step.engine_options,
            "output_default": any(output.default is not None for output in step.outputs),
            "stored_outputs": any(output.store is not None for output in step.outputs),
        }
    )


def _of_task(step: Step) -> Iterator[str]:
    task = step.task
    yield task.kind
    match task:
        case FunctionTask() | ScriptTask():
            yield from _true({"packages": task.packages, "image": task.image})
        case SuspendTask():
            yield "suspend_approval" if task.duration is None else "suspend_duration"
        case GroupTask():
            yield from _of_values(output.value for output in task.outputs)
        case JobTask():
            yield from _true({"job_conditions": any(one.condition for one in (*task.success, *task.failure))})
        case _:
            pass


def _of_flow(step: Step) -> Iterator[str]:
    if step.foreach is not None:
        lists = step.foreach.lists
        yield "map"
        yield from _true(
            {
                "map_dynamic": any(type(value) is not Constant for value in lists.values()),
                "map_zip": len(lists) > 1,
                "map_parallelism": step.foreach.parallelism is not None,
                "map_group": type(step.task) is GroupTask,
                "map_files": _maps_files(step) and type(step.task) is FunctionTask,
                "map_container_files": _maps_files(step) and type(step.task) is not FunctionTask,
            }
        )
    if step.loop is not None:
        yield "loop"
        yield from _true({"loop_carry": step.loop.carry, "loop_files": _carries_files(step)})
    yield from _true({"when": step.when is not None, "after_status": step.after_condition is not None})


def _maps_files(step: Step) -> bool:
    """Whether items of a map are files, or write some."""
    given = any(_is_file(item.type) and type(item.value) is ItemRef for item in step.inputs)
    return given or any(_is_file(output.type) for output in outputs_of_one(step).values())


def _carries_files(step: Step) -> bool:
    assert step.loop is not None
    outputs = outputs_of_one(step)
    return any(_is_file(outputs[name].type) for name in step.loop.carry.values() if name in outputs)


def _is_file(kind: str) -> bool:
    return "file" in kind or "folder" in kind


def _of_retry(retry: Retry | None) -> Iterator[str]:
    if retry is None:
        return
    yield from _true(
        {
            "retry": retry.limit,
            "retry_backoff": retry.backoff.initial,
            "retry_on": retry.on is not None,
            "retry_escalation": retry.escalation is not None,
        }
    )


def _of_resources(resources: Resources | None) -> Iterator[str]:
    if resources is None:
        return
    yield from _true(
        {
            "resources": resources.cpu or resources.memory or resources.ephemeral_storage,
            "gpu": resources.gpu,
            "placement": resources.node_selector or resources.tolerations or resources.affinity or resources.priority,
        }
    )


def _values(step: Step) -> Iterator[Value]:
    """Every value that the step holds, not opened."""
    yield from (item.value for item in step.inputs)
    if isinstance(step.task, ContainerTask):
        yield from step.task.command
    if isinstance(step.task, ContainerTask | ScriptTask):
        yield from step.task.args
    yield from (variable.value for variable in step.env)
    if step.foreach is not None:
        yield from step.foreach.lists.values()
    for condition in (step.when, step.after_condition, None if step.loop is None else step.loop.condition):
        if condition is not None:
            yield from operands(condition)


def _of_values(values: Iterable[Value]) -> Iterator[str]:
    for value in values:
        match value:
            case Constant():
                continue
            case OutputRef():
                yield from _true({"reference_default": value.default is not None})
            case FirstOf():
                yield "first_of"
                yield from _of_values(value.options)
            case Concat():
                yield "concat"
                yield from _of_values(value.parts)
            case ListOf():
                yield "list_of"
                yield from _of_values(value.items)
            case RunRef():
                yield "run_facts"
            case RoundRef():
                yield "round"
            case StoredFile():
                yield "stored_files"
            case _:
                pass
        if getattr(value, "path", ()):
            yield "value_path"


def _of_types(step: Step) -> Iterator[str]:
    """Files and folders among inputs and outputs, also in lists."""
    texts = {item.type for item in step.inputs} | {output.type for output in outputs_of_one(step).values()}
    for text in texts:
        if _is_file(text):
            yield from _true({"files": "file" in text, "folders": "folder" in text})


class _Repeated:
    """Finds maps inside maps and loops inside loops while steps come by, parents first."""

    def __init__(self) -> None:
        self._mapped: set[str] = set()
        self._looped: set[str] = set()

    def features(self, path: str, step: Step) -> Iterator[str]:
        parent = path.rpartition("/")[0]
        in_map, in_loop = parent in self._mapped, parent in self._looped
        yield from _true({"map_in_map": in_map and step.foreach, "loop_in_loop": in_loop and step.loop})
        if in_map or step.foreach is not None:
            self._mapped.add(path)
        if in_loop or step.loop is not None:
            self._looped.add(path)
