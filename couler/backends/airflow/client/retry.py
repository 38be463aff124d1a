"""Which tasks of a run that failed are to run again."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import replace

from couler.backends.airflow.client.snapshot import MARK, Found, Instance
from couler.backends.airflow.names import END, task_names
from couler.core.ir.model import Workflow
from couler.runs import StepRecord


def to_repeat(workflow: Workflow, found: Found) -> list[Instance]:
    """All that did not succeed and was not skipped on purpose, the end of the workflow, and its exit handlers."""
    handlers = {next(iter(task_names([one.step.name]).values())) for one in workflow.exit_handlers}
    return [
        instance
        for instance in found.tasks
        if instance[0] == END or instance[0].partition(".")[0] in handlers or _is_open(instance, found)
    ]


def _is_open(instance: Instance, found: Found) -> bool:
    state = found.tasks[instance]["state"]
    if state in ("success", "removed"):
        return False
    if state == "skipped":
        mark = found.left.get((instance, MARK))
        if isinstance(mark, str) and json.loads(mark)["status"] == "skipped":
            return False
    return not any(_succeeded(one, found) for one in _ends_around(instance))


def _ends_around(instance: Instance) -> Iterator[Instance]:
    """Ends of the groups, maps and loops in which a task stands."""
    task, index = instance
    while "." in task:
        task = task.rpartition(".")[0]
        yield f"{task}.{END}", index
        yield f"{task}.{END}", -1


def _succeeded(instance: Instance, found: Found) -> bool:
    return instance in found.tasks and found.tasks[instance]["state"] == "success"


def before(workflow: Workflow, steps: Iterable[StepRecord]) -> list[StepRecord]:
    """Records of steps that run again, as they are before they do."""
    handlers = {one.step.name for one in workflow.exit_handlers}
    return [
        replace(step, status="pending", ended=None, outputs=None, message="")
        for step in steps
        if step.status in ("failed", "cancelled") or step.path in handlers
    ]
