"""How a run stands, read from Airflow's task instances and what they left: under the names of the program.

A plain step is one task. A group, a map or a loop is several, and the one that ends them stands for the step; see
`couler.backends.airflow.dag`. Everything is pure.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from couler.backends.airflow.client.rounds import goes_on
from couler.backends.airflow.names import END, ITEM, ITEMS, START, round_of, task_names
from couler.backends.remote.ledger import Snapshot
from couler.core.ir.model import GroupTask, Step, SuspendTask, Workflow
from couler.runs.records import ENDED, AttemptRecord, StepRecord

STOPPED = "stopped by couler"
"""Note on a run that was asked to stop."""
VALUE, MARK, ERROR = "return_value", "ended", "error"
"""Keys of what tasks leave: outputs; how a skip is meant; why it failed."""
_ENDED = ("success", "failed", "skipped", "upstream_failed", "removed")
_WAITING = ("awaiting_input", "deferred")
_ACTIVE = ("running", "restarting", "up_for_retry", "up_for_reschedule", *_WAITING)
_GONE = ("over", "")

Instance = tuple[str, int]
"""Id of a task, and number of the item in its map, or -1."""


@dataclass(frozen=True, slots=True)
class Found:
    """What Airflow tells of a run, as its API gives it.

    Attributes:
        run: The DAG run.
        tasks: Task instances.
        left: What they left, by key.
        tries: Earlier tries of those that had several, and the last one.
    """

    run: Mapping[str, Any]
    tasks: Mapping[Instance, Mapping[str, Any]]
    left: Mapping[tuple[Instance, str], Any] = field(default_factory=dict)
    tries: Mapping[Instance, Sequence[Mapping[str, Any]]] = field(default_factory=dict)


def snapshot(workflow: Workflow, found: Found, run_id: str) -> Snapshot:
    """How a run stands.

    Args:
        workflow: The IR from which the DAG file was compiled.
        found: What Airflow tells.
        run_id: couler's id of the run.
    """
    return _Reader(workflow, found, run_id).read()


def wanted(task: Mapping[str, Any]) -> str:
    """What is to be read of a task instance in its state; empty when there is nothing."""
    return {"success": VALUE, "skipped": MARK, "failed": ERROR}.get(str(task["state"]), "")


def was_stopped(run: Mapping[str, Any]) -> bool:
    """Whether couler asked the run to stop."""
    return STOPPED in (run.get("note") or "")


class _Reader:
    def __init__(self, workflow: Workflow, found: Found, run_id: str) -> None:
        self.workflow = workflow
        self.found = found
        self.run_id = run_id
        self.stopped = was_stopped(found.run)
        self.over = found.run["state"] in ("success", "failed")
        self.steps: dict[str, StepRecord] = {}
        self.attempts: list[AttemptRecord] = []
        self.waiting: dict[str, str] = {}

    def read(self) -> Snapshot:
        self._scope(self.workflow.steps, "", "", -1)
        for handler in self.workflow.exit_handlers:
            self._handler(handler.step)
        run = self.found.run
        status = self._run_status()
        outputs = self._outputs((END, -1)) if status == "succeeded" else None
        ended = seconds(run.get("end_date")) if status in ENDED else None
        started, message = seconds(run.get("start_date")), self._run_message(status)
        return Snapshot(status, message, started, ended, outputs, self.steps, self.attempts, self.waiting)

    # --- the run -----------------------------------------------------------------------------------------------------

    def _run_status(self) -> str:
        state = self.found.run["state"]
        if state in ("success", "failed"):
            return "cancelled" if self.stopped else "succeeded" if state == "success" else "failed"
        if self.waiting and not any(self._goes_on(task) for task in self.found.tasks.values()):
            return "suspended"
        return "running" if state == "running" else "pending"

    def _goes_on(self, task: Mapping[str, Any]) -> bool:
        return task["state"] in ("queued", "scheduled", "running", "restarting", "up_for_retry", "up_for_reschedule")

    def _run_message(self, status: str) -> str:
        if status == "cancelled":
            return "stopped on request"
        if status != "failed":
            return ""
        for step in self.workflow.steps:
            record = self.steps.get(step.name)
            if record is not None and record.status == "failed" and not step.allow_failure:
                return f"step '{step.name}' failed" + (f": {record.message}" if record.message else "")
        if message := self._error((END, -1)):
            return message
        if self.workflow.timeout is not None:
            return f"the workflow ran longer than {self.workflow.timeout:g} s"
        return "the run failed"

    def _handler(self, step: Step) -> None:
        """An exit handler, once the turn is at it."""
        task = next(iter(task_names([step.name]).values()))
        if self.found.run["state"] == "queued" or not self._has_ended((END, -1)):
            return
        self._unit(step, task, step.name, -1)

    # --- scopes ------------------------------------------------------------------------------------------------------

    def _scope(self, steps: Iterable[Step], task: str, path: str, index: int) -> None:
        steps = tuple(steps)
        ids = task_names(step.name for step in steps)
        for step in steps:
            self._unit(step, f"{task}{ids[step.name]}", f"{path}{step.name}", index)

    def _unit(self, step: Step, task: str, path: str, index: int) -> None:
        """A step and all inside it."""
        if step.foreach is not None:
            self._map(step, task, path)
        else:
            self._one(step, task, path, index)

    def _one(self, step: Step, task: str, path: str, index: int) -> None:
        """A step without its map."""
        if step.loop is not None:
            self._loop(step, task, path, index)
        else:
            self._body(step, task, path, index)

    def _body(self, step: Step, task: str, path: str, index: int) -> None:
        if isinstance(step.task, GroupTask):
            start = (f"{task}.{START}", index)
            if self._state(start) == "success":
                self._scope(step.task.steps, f"{task}.", f"{path}/", index)
            self._composite(path, (f"{task}.{END}", index), start)
        else:
            self._leaf(step, path, (task, index))

    def _map(self, step: Step, task: str, path: str) -> None:
        items, end = (f"{task}.{ITEMS}", -1), (f"{task}.{END}", -1)
        inner = f"{task}.{ITEM}"
        leaf = step.loop is None and not isinstance(step.task, GroupTask)
        marker = inner if leaf else f"{inner}.{START}"
        numbers = sorted(index for name, index in self.found.tasks if name == marker and index >= 0)
        if self._state(items) == "success":
            for index in numbers:
                self._one(step, inner, f"{path}[{index}]", index)
        self._composite(path, end, items)
        gathered = self.steps[path].outputs if path in self.steps else None
        for index in numbers if gathered is not None else ():
            self._gathered(f"{path}[{index}]", index, gathered or {})

    def _gathered(self, path: str, index: int, gathered: Mapping[str, Any]) -> None:
        """The outputs of an item, which the map has too."""
        item = self.steps.get(path)
        if item is not None and item.status == "succeeded" and item.outputs is None:
            outputs = {name: values[index] for name, values in gathered.items() if index < len(values)}
            self.steps[path] = replace(item, outputs=outputs)

    def _loop(self, step: Step, task: str, path: str, index: int) -> None:
        assert step.loop is not None
        leaf = not isinstance(step.task, GroupTask)
        first, last = (f"{task}.{round_of(0)}" if leaf else f"{task}.{round_of(0)}.{START}"), ""
        for number in range(step.loop.max_iterations):
            inner = f"{task}.{round_of(number)}"
            opening = (inner if leaf else f"{inner}.{START}", index)
            if not self._has_begun(opening):
                break
            before = self._outputs((last, index)) if last else None
            if last and not self._has_ended(opening) and not goes_on(step.loop, number - 1, before):
                break
            self._body(step, inner, f"{path}#{number}", index)
            last = inner if leaf else f"{inner}.{END}"
        self._composite(path, (f"{task}.{END}", index), (first, index))

    # --- tasks -------------------------------------------------------------------------------------------------------

    def _state(self, instance: Instance) -> str:
        task = self.found.tasks.get(instance)
        return str(task["state"] or "") if task is not None else ""

    def _has_ended(self, instance: Instance) -> bool:
        return self._state(instance) in _ENDED

    def _has_begun(self, instance: Instance) -> bool:
        """Whether a task has done something, or was ended while it did."""
        state = self._state(instance)
        if state == "skipped":
            return self._was_ended(instance)
        return state in ("success", "failed", *_ACTIVE)

    def _was_ended(self, instance: Instance) -> bool:
        """Whether Airflow ended a task that ran: a task that skips itself says how that is meant."""
        task = self.found.tasks[instance]
        return self._left(instance, MARK) is None and bool(task.get("pid"))

    def _left(self, instance: Instance, key: str) -> Any:
        text = self.found.left.get((instance, key))
        return json.loads(text) if isinstance(text, str) else None

    def _error(self, instance: Instance) -> str:
        return str(self._left(instance, ERROR) or "")

    def _outputs(self, instance: Instance) -> dict[str, Any] | None:
        found = self._left(instance, VALUE)
        return None if found is None else dict(found["outputs"])

    def _status(self, instance: Instance) -> str:
        """How a task stands, as couler says it; ``over`` and nothing are for what is not there."""
        state = self._state(instance)
        if state == "skipped":
            return str((self._left(instance, MARK) or {"status": "cancelled"})["status"])
        if state == "failed":
            ended = self.stopped and (instance, ERROR) in self.found.left and not self._error(instance)
            return "cancelled" if ended else "failed"
        if state in _ACTIVE:
            return "running"
        known = {"success": "succeeded", "upstream_failed": "cancelled", "removed": "over"}
        return known.get(state, "cancelled" if self.over else "pending" if state else "")

    # --- records -----------------------------------------------------------------------------------------------------

    def _composite(self, path: str, end: Instance, first: Instance) -> None:
        """A map, a loop or a group, by the task that ends it and the one that starts it."""
        status = self._status(end)
        if status in ("", "pending", "running"):
            begun = self._has_begun(first) or status == "running"
            status = "running" if begun else self._status(first)
            status = "pending" if status in ("skipped", "cancelled", "failed", "over") else status
        if status in _GONE:
            return
        message = (self._error(end) or self._error(first)) if status == "failed" else ""
        outputs = self._outputs(end) if status == "succeeded" else None
        started = self._time(first, "start_date") if status != "skipped" else None
        ended = self._time(end, "end_date") if self._has_ended(end) else None
        details = {"task": end[0], "index": end[1]}
        self.steps[path] = StepRecord(self.run_id, path, status, started, ended, 0, outputs, message, details)

    def _leaf(self, step: Step, path: str, instance: Instance) -> None:
        status = self._status(instance)
        suspends = isinstance(step.task, SuspendTask) and step.task.duration is None
        if suspends and status == "running" and self._state(instance) not in _WAITING:
            status = "pending"
        if status in _GONE:
            return
        begun = self._begun(instance)
        message = self._error(instance) if status == "failed" else ""
        if status == "failed" and not message:
            message = "the worker ended the task, or was lost; its log says more"
        if suspends and status == "running":
            assert isinstance(step.task, SuspendTask)
            message = step.task.message
            self.waiting[path] = f"{instance[0]}[{instance[1]}]"
        outputs = self._outputs(instance) if status == "succeeded" else None
        if outputs is not None and isinstance(step.task, SuspendTask):
            outputs = {}
        started = self._time(instance, "start_date") if begun else None
        ended = self._time(instance, "end_date") if self._has_ended(instance) else None
        details = {"task": instance[0], "index": instance[1]}
        self.steps[path] = StepRecord(self.run_id, path, status, started, ended, len(begun), outputs, message, details)
        if not isinstance(step.task, SuspendTask):
            self.attempts += [self._attempt(path, number, one, instance) for number, one in enumerate(begun, 1)]

    def _begun(self, instance: Instance) -> list[Mapping[str, Any]]:
        """The tries in which the task did something, in their order."""
        task = self.found.tasks[instance]
        tries = {int(one["try_number"]): one for one in self.found.tries.get(instance, ())}
        tries[int(task["try_number"])] = task
        return [tries[number] for number in sorted(tries) if self._did_something(tries[number], instance)]

    def _did_something(self, one: Mapping[str, Any], instance: Instance) -> bool:
        if one["state"] == "skipped" and one["try_number"] == self.found.tasks[instance]["try_number"]:
            return self._was_ended(instance)
        return bool(one.get("start_date")) and one["state"] in ("success", "failed", *_ACTIVE)

    def _attempt(self, path: str, number: int, one: Mapping[str, Any], instance: Instance) -> AttemptRecord:
        is_last = one["try_number"] == self.found.tasks[instance]["try_number"]
        status = self._status(instance) if is_last else "failed" if one["state"] != "success" else "succeeded"
        if is_last and one["state"] == "up_for_retry":
            status = "failed"
        started = seconds(one.get("start_date"))
        ended = seconds(one.get("end_date")) if status != "running" else None
        return AttemptRecord(
            self.run_id, path, number, status, started, ended,
            message=self._error(instance) if is_last and status == "failed" else "",
            wall_seconds=ended - started if started is not None and ended is not None else None,
            host=str(one.get("hostname") or ""),
            process=process(instance, int(one["try_number"])),
        )  # fmt: skip

    def _time(self, instance: Instance, name: str) -> float | None:
        task = self.found.tasks.get(instance)
        return None if task is None else seconds(task.get(name))


def process(instance: Instance, number: int) -> str:
    """Airflow's name of a try, as attempts have it.

    >>> process(("m.item", 3), 1), instance_of("m.item[3]/1")
    ('m.item[3]/1', (('m.item', 3), 1))
    """
    return f"{instance[0]}[{instance[1]}]/{number}"


def instance_of(text: str) -> tuple[Instance, int]:
    """The task instance and the number of a try from its name; without a number it is 0."""
    name, _, number = text.rpartition("/") if "/" in text else (text, "", "0")
    task, _, index = name.rpartition("[")
    return (task, int(index.rstrip("]"))), int(number)


def seconds(time: str | None) -> float | None:
    """A time of the API as seconds since the epoch.

    >>> seconds("1970-01-01T00:01:00Z")
    60.0
    """
    return None if time is None else datetime.fromisoformat(time).timestamp()
