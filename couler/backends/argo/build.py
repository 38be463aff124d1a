"""What is collected while a workflow is compiled."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from couler.backends.argo.options import CALLS, CONTAINER, ENGINE, TASK, TEMPLATE_TYPES, options_of
from couler.backends.argo.patches import combined
from couler.backends.argo.units import Templates
from couler.core.ir.model import Step

IMAGE = "python:3.11-slim"
"""Where functions and scripts run that name no image."""
LIMIT = 256 * 1024
"""Bytes that one value may have: what Argo keeps of a standard output, and what fits into its objects."""
LARGEST = 1024 * 1024
"""Bytes that a value may have which goes from function to function as an artifact: the default of the settings."""
PATCH = "podSpecPatch"
_OF_CALL = (*CALLS, "arguments")

MOST_TASKS = 180
"""Steps in one DAG template: Argo allows 200 tasks, and some are added to those of the steps."""


class Build:
    """One compilation.

    Attributes:
        image: Image of functions and scripts that name none.
        artifact_store: Kind of the repository for files.
        limit: Bytes that one value may have.
        stops: Whether nothing new starts after a failure.
        templates: Templates so far.
        pause: Name of the template that does nothing; empty until a task needs it.
        claims: Volume claims of the run, by name.
        needs_runner: Whether a template runs a function.
        notes: What the reader should know.
        base_names: File names of outputs, by scope, step and output.
        version: Version of Argo, such as ``4.1``.
        most_tasks: Steps, and what is added to them, that one DAG template holds.
        largest: Bytes that a value may have which goes from function to function as an artifact.
        large_values: Whether values do that; None leaves it to `passes_large`.
        stores_files: Whether steps of the workflow write files, so that Argo has a place for them.
    """

    def __init__(
        self,
        image: str = IMAGE,
        limit: int = LIMIT,
        stops: bool = True,
        version: str = "4.1",
        most_tasks: int = MOST_TASKS,
        largest: int = LARGEST,
        large_values: bool | None = None,
    ) -> None:
        self.version = tuple(int(part) for part in version.split("."))
        self.image = image
        self.artifact_store = "s3"
        self.limit = limit
        self.stops = stops
        self.templates = Templates()
        self.pause = ""
        self.claims: dict[str, dict[str, Any]] = {}
        self.needs_runner = False
        self.notes: dict[str, None] = {}
        self.base_names: dict[tuple[int, str, str], str] = {}
        self.workflow_name = ""
        self.tells_failures = False
        self.failing: dict[str, str] = {}
        self.most_tasks = most_tasks
        self.largest = largest
        self.large_values = large_values
        self.stores_files: Callable[[], bool] = lambda: False

    def passes_large(self) -> bool:
        """Whether values over the limit go from function to function as artifacts; asked for only by functions."""
        if self.large_values is None:
            self.large_values = self.stores_files()
        return self.large_values

    def fails_with(self, template: str, inner: str) -> None:
        """What fails in a template around a step is the step's failure to exit handlers."""
        if inner in self.failing:
            self.failing[template] = self.failing[inner]

    def note(self, text: str) -> None:
        """Remember something for the reader, once."""
        self.notes[text] = None

    def merge_options(self, step: Step, body: dict[str, Any]) -> None:
        """Merge a step's raw options for Argo into its template; those of its task are merged elsewhere.

        A kind of template that the step does not have takes the place of what the step does.
        """
        if ENGINE not in step.engine_options:
            return
        given = {name: value for name, value in options_of(step).items() if name != TASK}
        own = next((kind for kind in ("container", "script") if kind in body), "")
        if own and CONTAINER in given:
            merge(body[own], given.pop(CONTAINER))
        other = next((kind for kind in TEMPLATE_TYPES if kind in given and kind not in body), "")
        if other:
            self.note(f"step '{step.name}' is a template of the kind '{other}', as its options for Argo say")
            for name in (*TEMPLATE_TYPES, "outputs"):
                body.pop(name, None)
        patch = combined(body.get(PATCH, ""), given.pop(PATCH, ""))
        merge(body, given)
        if patch:
            body[PATCH] = patch


def called_template(step: Step) -> Mapping[str, Any]:
    """The fields by which the options of a step call another template than its own; empty when they do not."""
    if ENGINE not in step.engine_options:
        return {}
    task = options_of(step).get(TASK, {})
    return {name: task[name] for name in _OF_CALL if name in task} if any(name in task for name in CALLS) else {}


def merge_task(step: Step, task: dict[str, Any]) -> None:
    """Merge a step's raw options for its task in the DAG; conditions and dependencies are added to couler's."""
    if ENGINE not in step.engine_options:
        return
    elsewhere = called_template(step)
    given = {name: value for name, value in options_of(step).get(TASK, {}).items() if name not in elsewhere}
    for name in ("depends", "when"):
        if task.get(name) and given.get(name):
            given[name] = f"({task[name]}) && ({given[name]})"
    merge(task, given)


def merge(target: dict[str, Any], given: Mapping[str, Any]) -> None:
    """Merge raw fields into others: objects key by key, lists by appending, the rest by replacing.

    Items of lists that Argo and Kubernetes know by name are merged when they have the same one.

    >>> body = {"a": {"x": 1}, "b": [1], "env": [{"name": "A", "value": "1"}]}
    >>> merge(body, {"a": {"y": 2}, "b": [2], "c": 3, "env": [{"name": "A", "value": "2"}, {"name": "B"}]})
    >>> body
    {'a': {'x': 1, 'y': 2}, 'b': [1, 2], 'env': [{'name': 'A', 'value': '2'}, {'name': 'B'}], 'c': 3}
    """
    for name, value in given.items():
        old = target.get(name)
        if isinstance(old, dict) and isinstance(value, Mapping):
            merge(old, value)
        elif isinstance(old, list) and isinstance(value, list):
            target[name] = _merged_by_name(old, value) if name in _NAMED else [*old, *value]
        else:
            target[name] = value


_NAMED = frozenset(
    ("artifacts", "containers", "env", "initContainers", "parameters", "sidecars", "templates", "volumes")
)


def _merged_by_name(old: list[Any], given: list[Any]) -> list[Any]:
    found = list(old)
    for item in given:
        name = item.get("name")
        index = next((index for index, one in enumerate(found) if name and one.get("name") == name), None)
        if index is None:
            found.append(item)
        else:
            found[index] = dict(found[index])
            merge(found[index], item)
    return found
