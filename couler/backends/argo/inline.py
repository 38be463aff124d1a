"""Templates that stand in the task that calls them, where a workflow would have more than Argo allows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

Json = dict[str, Any]
MOST_TEMPLATES = 200
"""Templates that a workflow may have by name."""


def within_cap(templates: Sequence[Json], most: int = MOST_TEMPLATES) -> list[Json]:
    """The templates, less those that had to move into the one task that calls them.

    Only templates that call no others move: Argo knows no inline templates inside inline ones.

    Args:
        templates: All templates, of which the tasks of others are changed in place.
        most: Templates that may stay.

    >>> leaf = {"name": "a", "suspend": {}}
    >>> dag = {"name": "main", "dag": {"tasks": [{"name": "x", "template": "a"}]}}
    >>> within_cap([dag, leaf], most=1)
    [{'name': 'main', 'dag': {'tasks': [{'name': 'x', 'inline': {'suspend': {}}}]}}]
    """
    surplus = len(templates) - most
    if surplus <= 0:
        return list(templates)
    calls = list(_calls(templates))
    uses = Counter(call["template"] for call in calls)
    tasks = {call["template"]: call for call in calls if uses[call["template"]] == 1}
    moved: set[str] = set()
    for template in templates:
        name = template["name"]
        if len(moved) < surplus and name in tasks and "dag" not in template and "steps" not in template:
            moved.add(name)
            tasks[name]["inline"] = {key: value for key, value in template.items() if key != "name"}
            del tasks[name]["template"]
    return [template for template in templates if template["name"] not in moved]


def _calls(templates: Sequence[Json]) -> Iterator[Json]:
    """Everything that calls a template by name: tasks, and their hooks, which keep their template in use."""
    for template in templates:
        for task in template.get("dag", {}).get("tasks", ()):
            if "template" in task:
                yield task
            for hook in task.get("hooks", {}).values():
                if "template" in hook:
                    yield from (hook, hook)
