"""What Airflow would not take, or would fail on, though it has every feature of it: found before anything is sent."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from couler.backends.airflow.names import ITEM, ITEMS, START, is_newest, round_of, task_names
from couler.core.ir.graph import walk
from couler.core.ir.json import thaw
from couler.core.ir.model import Constant, GroupTask, Step, Workflow

LONGEST_ID = 250
"""Characters of a task's id with those of its groups, from Airflow's database."""
MOST_ITEMS = 1024
"""Items of a map, Airflow's default of ``core.max_map_length``."""


def problems(workflow: Workflow, version: str) -> tuple[str, ...]:
    """Each problem of a workflow in a sentence, with what to do."""
    return (
        *_required(workflow),
        *_expressions(workflow, version),
        *_long_lists(workflow),
        *_long_ids(workflow),
        *_repeated_groups(workflow),
    )


def _required(workflow: Workflow) -> Iterator[str]:
    if workflow.schedule is None:
        return
    for one in workflow.parameters:
        if one.default is None:
            yield (
                f"parameter '{one.name}' has no default; Airflow refuses a schedule then, since nobody gives a value; "
                "give it a default"
            )


def _expressions(workflow: Workflow, version: str) -> Iterator[str]:
    if workflow.schedule is not None and len(workflow.schedule.cron) > 1 and not is_newest(version):
        yield (
            f"the schedule has {len(workflow.schedule.cron)} cron expressions, and Airflow takes one before version 3; "
            "write one, or use airflow@3.3"
        )


def _long_lists(workflow: Workflow) -> Iterator[str]:
    for path, step in walk(workflow):
        lists = step.foreach.lists.values() if step.foreach is not None else ()
        for value in lists:
            found = thaw(value.value) if isinstance(value, Constant) else None
            if isinstance(found, list) and len(found) > MOST_ITEMS:
                yield (
                    f"step '{path}' maps over {len(found):,} items, and Airflow takes {MOST_ITEMS:,} "
                    "(core.max_map_length); map over parts of the list"
                )


def _repeated_groups(workflow: Workflow) -> Iterator[str]:
    for path, step in walk(workflow):
        if isinstance(step.task, GroupTask) and step.retry is not None and step.retry.limit:
            yield (
                f"step '{path}' is a nested workflow that is to be tried again as a whole, and Airflow tries tasks "
                "again; set the retry on the steps inside"
            )


def _long_ids(workflow: Workflow) -> Iterator[str]:
    handlers = [handler.step for handler in workflow.exit_handlers]
    for path, task in (*_ids(workflow.steps, "", ""), *_ids(handlers, "", "")):
        if len(task) > LONGEST_ID:
            yield (
                f"step '{path}' becomes a task whose id has {len(task)} characters, and Airflow takes {LONGEST_ID}; "
                "give it, or the groups around it, a shorter name"
            )


def _ids(steps: Iterable[Step], path: str, prefix: str) -> Iterator[tuple[str, str]]:
    """Each step and the longest id of the tasks that are made for it alone."""
    steps = list(steps)
    names = task_names(step.name for step in steps)
    for step in steps:
        own = f"{prefix}{names[step.name]}"
        task = own if step.foreach is None else f"{own}.{ITEM}"
        if step.loop is not None:
            task += f".{round_of(step.loop.max_iterations - 1)}"
        here = f"{path}{step.name}"
        if isinstance(step.task, GroupTask):
            yield here, f"{task}.{START}"
            yield from _ids(step.task.steps, f"{here}/", f"{task}.")
        else:
            yield here, task if step.foreach is None else f"{own}.{ITEMS}"
