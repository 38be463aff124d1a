"""What is collected while a workflow is compiled."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from couler.backends.argo.units import Templates
from couler.core.ir.json import thaw
from couler.core.ir.model import Step

IMAGE = "python:3.11-slim"
"""Where functions and scripts run that name no image."""
LIMIT = 256 * 1024
"""Bytes that one value may have: what Argo keeps of a standard output, and what fits into its objects."""


class Build:
    """One compilation.

    Attributes:
        image: Image of functions and scripts that name none.
        limit: Bytes that one value may have.
        stops: Whether nothing new starts after a failure.
        templates: Templates so far.
        claims: Volume claims of the run, by name.
        needs_runner: Whether a template runs a function.
        notes: What the reader should know.
        base_names: File names of outputs, by scope, step and output.
        task_options: Raw fields for the tasks of steps, by the identity of the step.
    """

    def __init__(self, image: str = IMAGE, limit: int = LIMIT, stops: bool = True) -> None:
        self.image = image
        self.limit = limit
        self.stops = stops
        self.templates = Templates()
        self.claims: dict[str, dict[str, Any]] = {}
        self.needs_runner = False
        self.notes: dict[str, None] = {}
        self.base_names: dict[tuple[int, str, str], str] = {}
        self.workflow_name = ""

    def note(self, text: str) -> None:
        """Remember something for the reader, once."""
        self.notes[text] = None

    def merge_options(self, step: Step, body: dict[str, Any]) -> None:
        """Merge a step's raw options for Argo into its template; those of its task are merged elsewhere."""
        options = step.engine_options.get("argo")
        if options:
            given = {name: value for name, value in thaw(options).items() if name != "task"}
            container = next((body[kind] for kind in ("container", "script") if kind in body), None)
            if container is not None and "container" in given and "container" not in body:
                merge(container, given.pop("container"))
            merge(body, given)


def merge(target: dict[str, Any], given: Mapping[str, Any]) -> None:
    """Merge raw fields into others: objects key by key, lists by appending, the rest by replacing.

    >>> body = {"a": {"x": 1}, "b": [1]}
    >>> merge(body, {"a": {"y": 2}, "b": [2], "c": 3})
    >>> body
    {'a': {'x': 1, 'y': 2}, 'b': [1, 2], 'c': 3}
    """
    for name, value in given.items():
        old = target.get(name)
        if isinstance(old, dict) and isinstance(value, Mapping):
            merge(old, value)
        elif isinstance(old, list) and isinstance(value, list):
            target[name] = [*old, *value]
        else:
            target[name] = value


def task_options(step: Step) -> Mapping[str, Any]:
    """Raw fields for the task of a step."""
    found: Mapping[str, Any] = thaw(step.engine_options.get("argo", {})).get("task", {})
    return found
