"""Raw settings for Argo: what workflows and steps give in ``engine_options["argo"]``, checked before it is merged.

Keys of a step are fields of its template; ``container`` holds fields of its container or script, and ``task`` fields
of its task in the DAG. Keys of a workflow are fields of its spec; ``metadata`` holds fields of the object's metadata,
and ``cronWorkflow`` fields of the CronWorkflow around it. What couler itself writes comes first: objects are merged
key by key, lists are appended, list items with the same name are merged, and other values are replaced.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from couler.backends.argo.patches import PatchError, read_patch
from couler.backends.argo.schema import problems_of
from couler.core.errors import InvalidWorkflowError, Problem
from couler.core.ir.graph import walk
from couler.core.ir.json import thaw
from couler.core.ir.model import ContainerTask, FunctionTask, GroupTask, JobTask, ScriptTask, Step, Workflow

ENGINE: Final = "argo"
TASK: Final = "task"
CONTAINER: Final = "container"
METADATA: Final = "metadata"
CRON: Final = "cronWorkflow"
LAYOUT: Final = "layout"
"""Where the importer keeps names and shapes of the document that it read; no field of Argo."""
CALLS: Final = ("templateRef", "inline")
"""Fields by which a task calls a template that is not the step's own."""
TEMPLATE_TYPES: Final = (
    "container", "script", "containerSet", "dag", "data", "http", "plugin", "resource", "steps", "suspend",
)  # fmt: skip
"""Fields of a template of which one says what it does."""
RULE: Final = "engine-options"

_TAKEN: Final[Mapping[str, Mapping[str, str]]] = {
    "Template": {"name": "couler names the templates; rename the step"},
    "DAGTask": {
        "name": "couler names the tasks; rename the step",
        "template": "couler names the templates; use templateRef, or inline",
        "dependencies": "couler writes `depends`, and Argo takes one of the two; order the steps with `after`",
        "continueOn": "couler writes `depends`, and Argo takes one of the two; use allow_failure",
    },
    "CronWorkflowSpec": {"workflowSpec": "fields of the spec stand at the top of the options"},
}
"""Fields that are couler's own, by type, and what to do instead."""


def options_of(holder: Workflow | Step) -> dict[str, Any]:
    """The options for Argo of a workflow or step, as plain data that may be changed."""
    found: dict[str, Any] = thaw(holder.engine_options.get(ENGINE, {}))
    found.pop(LAYOUT, None)
    return found


def entry_fields(workflow: Workflow) -> dict[str, Any]:
    """What an imported document says of the template that runs first and couler has no word for.

    Its outputs and targets name steps as the document calls them, and have no meaning here.

    >>> layout = {"first": {"parallelism": 2, "dag": {"failFast": False, "target": "a"}, "outputs": {}}}
    >>> entry_fields(Workflow(name="w", engine_options={"argo": {"layout": layout}}))
    {'parallelism': 2, 'dag': {'failFast': False}}
    """
    first: dict[str, Any] = thaw(workflow.engine_options.get(ENGINE, {}).get(LAYOUT, {}).get("first", {}))
    found = {name: value for name, value in first.items() if name in OF_ENTRY}
    fail_fast = first.get("dag", {}).get("failFast")
    return found if fail_fast is None else {**found, "dag": {"failFast": fail_fast}}


OF_ENTRY: Final = (
    "activeDeadlineSeconds", "annotations", "failFast", "metadata", "metrics", "parallelism", "retryStrategy",
    "synchronization", "timeout",
)  # fmt: skip
"""Fields of the template that runs first that mean the same whatever steps are in it."""


def runs_a_container(step: Step) -> bool:
    """Whether the template of a step has a container or a script."""
    return isinstance(step.task, FunctionTask | ScriptTask | ContainerTask)


def check_options(workflow: Workflow, version: str = "") -> None:
    """Refuse options that Argo would not understand.

    Args:
        workflow: The workflow.
        version: Version of Argo, such as ``3.7``; the newest when empty.

    Raises:
        InvalidWorkflowError: Fields are unknown or have the wrong type; all of them are listed.
    """
    found = tuple(_problems(workflow, version))
    if found:
        raise InvalidWorkflowError(workflow.name, found)


def _problems(workflow: Workflow, version: str) -> Iterator[Problem]:
    for message in _of_workflow(options_of(workflow), version):
        yield Problem(RULE, message)
    for path, step in walk(workflow):
        if ENGINE in step.engine_options:
            for message in _of_step(step, version):
                yield Problem(RULE, message, path, step.location)


def _of_workflow(options: dict[str, Any], version: str) -> Iterator[str]:
    yield from _checked("ObjectMeta", options.pop(METADATA, {}), version, METADATA)
    yield from _checked("CronWorkflowSpec", options.pop(CRON, {}), version, CRON)
    yield from _checked("WorkflowSpec", options, version)
    yield from _of_patch(options, version)


def _of_step(step: Step, version: str) -> Iterator[str]:
    options = options_of(step)
    task = options.pop(TASK, {})
    yield from _checked("DAGTask", task, version, TASK)
    for name in CALLS if isinstance(step.task, FunctionTask | GroupTask | JobTask) else ():
        if isinstance(task, Mapping) and name in task:
            yield f"{_shown(f'{TASK}.{name}')}: what the step does would not run; make it a container, script or pause"
    if runs_a_container(step) and CONTAINER in options:
        kind = "Container" if isinstance(step.task, ContainerTask) else "ScriptTemplate"
        yield from _checked(kind, options.pop(CONTAINER), version, CONTAINER)
    yield from _checked("Template", options, version)
    yield from _of_patch(options, version)
    kinds = [name for name in TEMPLATE_TYPES if name in options]
    if len(kinds) > 1:
        yield f"{_shown(kinds[1])}: a template is one of {' and '.join(kinds)}, not both"


def _checked(kind: str, given: Any, version: str, under: str = "") -> Iterator[str]:
    """Problems with what was given for a type, with the path from the options on."""
    separator = "" if not under else "." if isinstance(given, Mapping) else ": "
    for problem in problems_of(kind, given, version):
        if "{{" not in problem:  # a tag is text until the run
            yield _shown(f"{under}{separator}{problem}")
    if isinstance(given, Mapping):
        taken = _TAKEN.get(kind, {})
        yield from (_shown(f"{under}{separator}{name}: {taken[name]}") for name in given if name in taken)


def _of_patch(options: Mapping[str, Any], version: str) -> Iterator[str]:
    text = options.get("podSpecPatch")
    if not isinstance(text, str):
        return
    try:
        patch = read_patch(text)
    except PatchError as error:
        yield f"{_shown('podSpecPatch')}: {error}"
        return
    yield from _checked("PodSpec", patch, version, "podSpecPatch")


def _shown(path: str) -> str:
    return f"engine_options['{ENGINE}'].{path}"
