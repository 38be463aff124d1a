"""Which features a workflow uses: the words in which engines say what they can do."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import islice

from couler.core.ir.graph import order, upstream, walk
from couler.core.ir.model import FunctionTask, GroupTask, Step, StepDefaults, Workflow
from couler.core.ir.step_features import StepFeatures, of_cache, of_env, of_resources, of_retry, of_values, true

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
    "schedule_replace": "a start by the clock that ends the run before it",
    "schedule_deadline": "a latest time for each start by the clock",
    "parallelism": "a bound on the steps at a time",
}
"""Every feature, in words for people."""


def features_of(workflow: Workflow) -> dict[str, tuple[str, ...]]:
    """The features that a workflow uses, with the paths of the steps that use them, in the order of `FEATURES`.

    Features of the workflow itself, and of its defaults for all steps, have no paths.

    >>> from couler.core.ir.model import Schedule, SuspendTask
    >>> pause = Step(name="wait", task=SuspendTask(duration=60))
    >>> features_of(Workflow(name="w", steps=(pause,), schedule=Schedule(cron=("0 3 * * *",))))
    {'suspend': ('wait',), 'suspend_duration': ('wait',), 'schedule': ()}
    """
    return _joined(workflow, _of_steps(workflow))


def features_after(
    workflow: Workflow, before: Workflow, known: Mapping[str, tuple[str, ...]]
) -> dict[str, tuple[str, ...]]:
    """As `features_of`, for a workflow that was rewritten, when those of the one before are known already."""
    if workflow.steps is before.steps and workflow.exit_handlers is before.exit_handlers:
        return _joined(workflow, {feature: paths for feature, paths in known.items() if paths})
    return features_of(workflow)


def _joined(workflow: Workflow, of_steps: Mapping[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
    found = {**dict.fromkeys(_of_workflow(workflow), ()), **of_steps}
    return {feature: found[feature] for feature in FEATURES if feature in found}


def _of_steps(workflow: Workflow) -> dict[str, tuple[str, ...]]:
    found: dict[str, list[str]] = {}
    steps, repeated = StepFeatures(), _Repeated()
    for path, step in walk(workflow):
        for feature in steps.of(step) | repeated.features(path, step):
            if feature in found:
                found[feature].append(path)
            else:
                found[feature] = [path]
    return {feature: tuple(paths) for feature, paths in found.items()}


def _of_workflow(workflow: Workflow) -> Iterator[str]:
    schedule = workflow.schedule
    claims = {
        "parameters": workflow.parameters,
        "choices": any(parameter.choices for parameter in workflow.parameters),
        "workflow_outputs": workflow.outputs,
        "exit_handlers": workflow.exit_handlers,
        "exit_handlers_by_status": any(handler.on != "always" for handler in workflow.exit_handlers),
        "on_failure_continue": workflow.on_failure == "continue",
        "on_failure_stop": workflow.on_failure == "stop" and _stops_more_than_functions(workflow),
        "schedule": schedule is not None,
        "schedule_replace": schedule is not None and schedule.concurrency == "replace",
        "schedule_deadline": schedule is not None and schedule.starting_deadline is not None,
        "parallelism": workflow.parallelism is not None,
        "workflow_timeout": workflow.timeout is not None,
        "service_account": workflow.service_account,
        "labels": workflow.labels,
        "engine_options": workflow.engine_options,
    }
    yield from true(claims)
    yield from _of_defaults(workflow.defaults)
    yield from of_values(output.value for output in workflow.outputs)


def _of_defaults(defaults: StepDefaults) -> Iterator[str]:
    yield from of_retry(defaults.retry)
    yield from of_resources(defaults.resources)
    yield from of_env(defaults.env)
    yield from of_cache(defaults.cache)
    yield from true(
        {
            "image": defaults.image,
            "packages": defaults.packages,
            "timeout": defaults.timeout is not None,
            "service_account": defaults.service_account,
        }
    )


def _stops_more_than_functions(workflow: Workflow) -> bool:
    """Whether, after a failure, something other than plain functions must be kept from starting."""
    return _scope_stops(workflow.steps, bool(workflow.exit_handlers), workflow.parallelism is not None)


def _scope_stops(steps: Sequence[Step], read_after: bool, bounded: bool) -> bool:
    for step in steps:
        task = step.task
        if step.foreach is not None and (bounded or step.foreach.parallelism or type(task) is GroupTask):
            return True
        if type(task) is GroupTask and _scope_stops(task.steps, False, bounded):
            return True
    matters = read_after or len(steps) > _MOST_TOGETHER or not all(_is_plain(step) for step in steps)
    return matters and _stand_side_by_side(steps)


_MOST_TOGETHER = 150


def _is_plain(step: Step) -> bool:
    around = step.foreach or step.loop or step.retry or step.allow_failure or step.daemon
    return type(step.task) is FunctionTask and not around


def _stand_side_by_side(steps: Sequence[Step]) -> bool:
    """Whether two of the steps do not wait for each other, directly or through others."""
    names = {step.name for step in steps}
    beginnings = (step for step in steps if names.isdisjoint(upstream(step)))
    if len(tuple(islice(beginnings, 2))) > 1:
        return True
    before: str | None = None
    for step in order(steps) if len(steps) > 1 else ():
        needs = names.intersection(upstream(step))
        if before is not None and before not in needs:
            return True  # in a chain each step waits for the one before it
        before = step.name
    return False


class _Repeated:
    """Finds maps inside maps and loops inside loops while steps come by, parents first."""

    def __init__(self) -> None:
        self._mapped: set[str] = set()
        self._looped: set[str] = set()

    def features(self, path: str, step: Step) -> frozenset[str]:
        if step.foreach is None and step.loop is None and "/" not in path:
            return _NONE
        parent = path.rpartition("/")[0]
        return frozenset(
            [
                *_inside("map_in_map", step.foreach is not None, parent, path, self._mapped),
                *_inside("loop_in_loop", step.loop is not None, parent, path, self._looped),
            ]
        )


_NONE: frozenset[str] = frozenset()


def _inside(feature: str, repeats: bool, parent: str, path: str, repeated: set[str]) -> Iterator[str]:
    """The feature, when a step that repeats stands inside another; ``repeated`` is added to."""
    if parent in repeated and repeats:
        yield feature
    if parent in repeated or repeats:
        repeated.add(path)
