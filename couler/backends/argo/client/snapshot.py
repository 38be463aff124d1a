"""How a run stands, read from a workflow object: its steps, attempts and outputs under the names of the program.

The compiler lays a step out as one task, or as templates around it: a map has a task ``item``, a loop the tasks
``round`` and ``next``, and a step whose failure is allowed, or whose outputs others need in another form, is the task
``run`` of a template of its own. Here the way back is found, guided by the workflow's IR. Everything is pure.
"""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from couler.backends.argo.client import nodes as data
from couler.backends.argo.client.nodes import Node, Nodes, nodes_of
from couler.backends.argo.exits import TEMPLATE as EXIT
from couler.backends.argo.large import artifact_name, is_mark
from couler.backends.argo.names import is_part, parameter_name, task_names
from couler.backends.argo.wrappers import ITEM, NEXT, ROUND, RUN
from couler.backends.remote import ledger as remote
from couler.core.ir import graph
from couler.core.ir.evaluate import ABSENT, EvaluationError, holds
from couler.core.ir.model import FunctionTask, GroupTask, Output, OutputRef, Step, SuspendTask, Workflow
from couler.runs.records import AttemptRecord, StepRecord

ITEMS = "couler.io/items"
"""Annotation of a retried run: map to the numbers that its items had at first."""
KNOWN = "couler.io/outputs"
"""Annotation of a retried run: outputs of the workflow that were known before."""
STOPPED = "couler.io/stopped"
"""Annotation of a run that was asked to stop."""
FILES = ("file", "folder")
_ROUND = re.compile(rf"{ROUND}(?:-(\d+))?$")
_BAD = ("failed", "cancelled")
_SIGNALS = (137, 143)
"""Exit codes of processes that were ended from outside."""


@dataclass(frozen=True)
class Snapshot(remote.Snapshot):
    """How a run stands; what waits has the ids of its nodes.

    Attributes:
        partial: Maps of which only some items ran, because this run goes on with an earlier one.
    """

    partial: frozenset[str] = frozenset()


def snapshot(workflow: Workflow, found: Mapping[str, Any], run_id: str) -> Snapshot:
    """How a run stands.

    Args:
        workflow: The IR from which the workflow object was compiled.
        found: The workflow object.
        run_id: couler's id of the run.

    Raises:
        EngineError: Its nodes cannot be read.
    """
    return _Reader(workflow, found, run_id).read()


class _Reader:
    def __init__(self, workflow: Workflow, found: Mapping[str, Any], run_id: str) -> None:
        self.workflow = workflow
        self.run_id = run_id
        self.name = str(found["metadata"]["name"])
        self.status: Mapping[str, Any] = found.get("status") or {}
        self.spec: Mapping[str, Any] = found.get("spec") or {}
        self.nodes: Nodes = nodes_of(found)
        notes = found["metadata"].get("annotations") or {}
        self.stopped = STOPPED in notes or bool(self.spec.get("shutdown"))
        self.items: Mapping[str, Sequence[int]] = json.loads(notes.get(ITEMS) or "{}")
        self.known: Mapping[str, Any] = json.loads(notes.get(KNOWN) or "{}")
        self.repository = (self.status.get("artifactRepositoryRef") or {}).get("artifactRepository") or {}
        self.over = self.status.get("phase") in data.ENDED
        self.steps: dict[str, StepRecord] = {}
        self.attempts: list[AttemptRecord] = []
        self.waiting: dict[str, str] = {}

    def read(self) -> Snapshot:
        root = self.nodes.by_id.get(self.name)
        started, ended = data.seconds(self.status.get("startedAt")), data.seconds(self.status.get("finishedAt"))
        if root is not None:
            self._scope(self.workflow.steps, "", self._latest(root), self.over or data.has_ended(root))
        elif self.over:
            self._none_began(self.workflow.steps)
        self._handlers()
        status = self._run_status(root)
        outputs = {**self.known, **self._outputs(root)} if status == "succeeded" and root is not None else None
        message = self._run_message(status)
        return Snapshot(
            status, message, started, ended if self.over else None, outputs, self.steps, self.attempts, self.waiting,
            frozenset(self.items),
        )  # fmt: skip

    # --- the run ------------------------------------------------------------------------------------------------

    def _run_status(self, root: Node | None) -> str:
        phase = self.status.get("phase")
        if phase == "Succeeded":
            return "succeeded"
        if phase in ("Failed", "Error"):
            return "cancelled" if self.stopped else "failed"
        if self.spec.get("suspend"):
            return "suspended"
        return "running" if phase == "Running" else "pending"

    def _run_message(self, status: str) -> str:
        if status == "cancelled":
            return "stopped on request"
        if status != "failed":
            return str(self.status.get("message") or "") if status == "pending" else ""
        for step in self.workflow.steps:
            record = self.steps.get(step.name)
            if record is not None and record.status == "failed" and not step.allow_failure:
                return f"step '{step.name}' failed" + (f": {record.message}" if record.message else "")
        return str(self.status.get("message") or "the run failed")

    def _outputs(self, root: Node) -> dict[str, Any]:
        texts, files = data.parameters(root), data.artifacts(root)
        found: dict[str, Any] = {}
        for output in self.workflow.outputs:
            name = parameter_name(output.name)
            if name in files:
                kind = output.type if output.type in FILES else self._file_kind(output.value)
                record = data.file_record(files[name], kind, self.repository)
                if record is not None:
                    found[output.name] = record
            elif name in texts:
                exists, value = data.wire_value(texts[name])
                if exists:
                    found[output.name] = value
        return found

    def _file_kind(self, value: Any) -> str:
        refs = graph.references_in(value)
        steps = {step.name: step for step in self.workflow.steps}
        for ref in refs:
            if isinstance(ref, OutputRef) and ref.step in steps:
                declared = graph.outputs_of(steps[ref.step]).get(ref.output)
                if declared is not None and declared.type in FILES:
                    return declared.type
        return "file"

    def _handlers(self) -> None:
        root = next((node for node in self.nodes.by_id.values() if node["name"] == f"{self.name}.onExit"), None)
        steps = [handler.step for handler in self.workflow.exit_handlers]
        if root is None or not steps or root.get("templateName", EXIT) != EXIT:
            return
        before = len(self.steps)
        self._scope(steps, "", root, self.over, skips=True)
        assert len(self.steps) >= before

    # --- scopes -------------------------------------------------------------------------------------------------

    def _latest(self, node: Node) -> Node:
        """The last attempt of a DAG that is tried again."""
        attempts = self.nodes.attempts(node)
        return attempts[-1] if attempts else node

    def _scope(self, steps: Iterable[Step], prefix: str, node: Node, over: bool, *, skips: bool = False) -> None:
        """The steps of a workflow or group; ``skips``: Argo's word for a skipped one is taken as it is."""
        steps = graph.order(tuple(steps))
        names = task_names(step.name for step in steps)
        tasks = self._with_parts(node, frozenset(names.values()))
        view = _View(prefix, self.steps)
        for step in steps:
            found = tasks.get(names[step.name])
            path = prefix + step.name
            if found is None:
                if over:
                    self._put(path, "cancelled")
            elif found.get("phase") in ("Skipped", "Omitted"):
                status = data.status_of(found) if skips else _verdict(step, view, data.status_of(found))
                self._put(path, status, found)
            else:
                self._unit(step, path, found)

    def _with_parts(self, node: Node, steps: frozenset[str]) -> dict[str, Node]:
        """The tasks of a scope; large ones stand in several templates."""
        found: dict[str, Node] = {}
        for name, task in self.nodes.tasks(node).items():
            if is_part(name, steps):
                found = {**self._with_parts(task, steps), **found}
            else:
                found[name] = task
        return found

    def _none_began(self, steps: Iterable[Step]) -> None:
        for step in steps:
            self._put(step.name, "cancelled")

    # --- one step ------------------------------------------------------------------------------------------------

    def _unit(self, step: Step, path: str, node: Node, stage: str = "map") -> None:
        """Record a step and all inside it; ``stage`` is what may still be found: a map, a loop, or the task."""
        if node.get("phase") in ("Skipped", "Omitted"):
            self._put(path, data.status_of(node), node)
            return
        if stage == "map" and step.foreach is None:
            stage = "loop"
        if stage == "loop" and step.loop is None:
            stage = "task"
        tasks = self.nodes.tasks(self._latest(node))
        if self._is_shell(step, node, tasks, stage):
            self._unit(step, path, tasks[RUN], stage)
            self._overrule(path, node)
        elif stage == "map":
            self._map(step, path, node, tasks)
        elif stage == "loop":
            self._loop(step, path, node)
        elif isinstance(step.task, GroupTask):
            latest = self._latest(node)
            self._scope(step.task.steps, f"{path}/", latest, self.over or data.has_ended(latest))
            inside = (f"{path}/{inner.name}" for inner in step.task.steps if not inner.allow_failure)
            self._composite(step, path, node, self._first_failure(inside, "step '{path}' failed"))
        else:
            self._leaf(step, path, node)

    def _is_shell(self, step: Step, node: Node, tasks: Mapping[str, Node], stage: str) -> bool:
        """Whether a DAG only stands around the step: it has the task ``run``, and that is no step of a group."""
        if RUN not in tasks:
            return False
        if stage != "task" or not isinstance(step.task, GroupTask):
            return True
        own = set(task_names(inner.name for inner in step.task.steps).values())
        return RUN not in own or bool(re.search(rf"-{RUN}(-\d+)?$", str(node.get("templateName"))))

    def _overrule(self, path: str, node: Node) -> None:
        """What stands around a step may fail though the step did not, as when its outputs cannot be read."""
        record = self.steps[path]
        if data.status_of(node) == "failed" and record.status not in _BAD:
            message = self._reason(node) or record.message
            self.steps[path] = dataclasses.replace(
                record, status="failed", message=message, outputs=None, ended=data.seconds(node.get("finishedAt"))
            )

    def _map(self, step: Step, path: str, node: Node, tasks: Mapping[str, Node]) -> None:
        items = sorted(
            (task for name, task in tasks.items() if name.startswith(f"{ITEM}(")), key=data.index_of
        )  # fmt: skip
        numbers = self.items.get(path)
        paths = []
        for item in items:
            index = data.index_of(item)
            paths.append(f"{path}[{numbers[index] if numbers and index < len(numbers) else index}]")
            self._unit(step, paths[-1], item, "loop")
        failed = None
        if not step.allow_failure:
            failed = self._first_failure(paths, "item {index} failed")
        self._composite(step, path, node, failed, gathered=True)

    def _loop(self, step: Step, path: str, node: Node) -> None:
        level: Node | None = node
        number = 0
        last = ""
        while level is not None:
            tasks = self.nodes.tasks(level)
            rounds = sorted((int(match[1] or 0), name) for name in tasks if (match := _ROUND.match(name)))
            for _, name in rounds:
                if tasks[name].get("phase") not in ("Skipped", "Omitted"):
                    last = f"{path}#{number}"
                    self._unit(step, last, tasks[name], "task")
                    number += 1
            following = tasks.get(NEXT)
            level = following if following is not None and following.get("type") == "DAG" else None
        failed = self._first_failure([last] if last else [], f"round {number - 1} failed")
        self._composite(step, path, node, failed)

    def _first_failure(self, paths: Iterable[str], text: str) -> str | None:
        for path in paths:
            record = self.steps.get(path)
            if record is not None and record.status == "failed":
                index = path.rpartition("[")[2].rstrip("]")
                return text.format(path=path, index=index) + (f": {record.message}" if record.message else "")
        return None

    # --- records -------------------------------------------------------------------------------------------------

    def _put(self, path: str, status: str, node: Node | None = None) -> None:
        ended = data.seconds(node.get("finishedAt")) if node is not None else None
        self.steps[path] = StepRecord(self.run_id, path, status, ended=ended)

    def _status(self, node: Node) -> str:
        """Argo may end a run before all of its steps, and calls pods that it ended for a stop failed or lost."""
        status = data.status_of(node)
        if self.over and status in ("running", "pending"):
            return "cancelled"
        ended = node.get("phase") == "Error" or data.exit_code(node) in _SIGNALS
        return "cancelled" if self.stopped and status == "failed" and ended else status

    def _reason(self, node: Node) -> str:
        """Why a DAG failed: its own words, or those of a helper inside it."""
        found = data.words(node)
        for task in () if found else self.nodes.tasks(node).values():
            if task.get("phase") in ("Failed", "Error") and (found := self._reason(task)):
                break
        return found

    def _was_cancelled(self, path: str) -> bool:
        """Whether something inside was ended."""
        inside = tuple(f"{path}{sign}" for sign in "/[#")
        return any(step.status == "cancelled" for other, step in self.steps.items() if other.startswith(inside))

    def _composite(self, step: Step, path: str, node: Node, failed: str | None, *, gathered: bool = False) -> None:
        """A map, a loop or a group: its outputs are JSON."""
        status = self._status(node)
        if status == "failed" and failed is None and not node.get("message") and self._was_cancelled(path):
            status = "cancelled"
        outputs = None
        if status in ("succeeded", "cached"):
            declared = graph.outputs_of(step) if gathered else graph.outputs_of_one(step)
            outputs = self._json_outputs(node, declared)
        message = (failed or self._reason(node)) if status == "failed" else ""
        self.steps[path] = StepRecord(
            self.run_id, path, status, data.seconds(node.get("startedAt")), _end(node), 0, outputs, message,
            {"node": node["id"]},
        )  # fmt: skip

    def _leaf(self, step: Step, path: str, node: Node) -> None:
        is_shell = node.get("type") in ("DAG", "Steps", "TaskGroup")  # in which nothing has begun yet
        tries = [] if is_shell else self.nodes.attempts(node)
        begun = [one for one in tries if one.get("phase") not in (None, "", "Pending", "Skipped", "Omitted")]
        status = self._status(node)
        if status == "running" and not begun and not isinstance(step.task, SuspendTask):
            status = "pending"
        if status == "failed" and step.timeout is None and data.is_late(tries[-1] if tries else node):
            status = "cancelled"  # it was the time of the whole run that was over
        outputs = self._leaf_outputs(step, node) if status in ("succeeded", "cached") else None
        message = data.words(tries[-1] if tries else node, step.timeout) if status == "failed" else ""
        if status == "pending":
            message = str((tries[-1] if tries else node).get("message") or "")
        if isinstance(step.task, SuspendTask):
            message = self._suspended(step.task, path, node, message)
        details = {"node": node["id"]}
        self.steps[path] = StepRecord(
            self.run_id, path, status, data.seconds(node.get("startedAt")), _end(node), len(begun), outputs, message,
            details,
        )  # fmt: skip
        if not isinstance(step.task, SuspendTask):
            self.attempts += [self._attempt(step, path, number, one) for number, one in enumerate(begun, 1)]

    def _suspended(self, task: SuspendTask, path: str, node: Node, message: str) -> str:
        if data.has_ended(node):
            return message
        self.waiting[path] = node["id"]
        return task.message

    def _attempt(self, step: Step, path: str, number: int, node: Node) -> AttemptRecord:
        status = self._status(node)
        started, ended = data.seconds(node.get("startedAt")), _end(node)
        failed = status == "failed"
        return AttemptRecord(
            self.run_id, path, number, status, started, ended, data.exit_code(node),
            data.kind_of_error(node) if failed else "",
            data.words(node, step.timeout) if failed else "",
            wall_seconds=ended - started if started is not None and ended is not None else None,
            host=str(node.get("hostNodeName") or ""),
            process=data.pod_name(node, self.name),
        )  # fmt: skip

    # --- outputs -------------------------------------------------------------------------------------------------

    def _json_outputs(self, node: Node, declared: Mapping[str, Output]) -> dict[str, Any]:
        texts = data.parameters(node)
        found = self._files(node, declared)
        for name, output in declared.items():
            text = texts.get(parameter_name(name))
            if text is not None and output.type not in FILES:
                exists, value = data.wire_value(text)
                if exists:
                    found[name] = self._in_file(node, name) or value if is_mark(value) else value
        return found

    def _in_file(self, node: Node, name: str) -> dict[str, Any] | None:
        """The file with a value that was too large for its parameter."""
        artifact = data.artifacts(node).get(artifact_name(name))
        return None if artifact is None else data.file_record(artifact, "file", self.repository)

    def _leaf_outputs(self, step: Step, node: Node) -> dict[str, Any]:
        declared = graph.outputs_of_one(step)
        if isinstance(step.task, FunctionTask):
            return self._json_outputs(node, declared)
        texts = dict(data.parameters(node))
        stdout = (node.get("outputs") or {}).get("result")
        found = self._files(node, declared)
        for name, output in declared.items():
            text = texts.get(parameter_name(name))
            if text is None and not output.path and name == "result":
                text = stdout
            if text is not None and output.type not in FILES:
                found[name] = text if output.type in ("str", "any") else data.wire_value(text)[1]
        return found

    def _files(self, node: Node, declared: Mapping[str, Output]) -> dict[str, Any]:
        files = data.artifacts(node)
        found: dict[str, Any] = {}
        for name, output in declared.items():
            artifact = files.get(parameter_name(name))
            if output.type in FILES and artifact is not None:
                record = data.file_record(artifact, output.type, self.repository)
                if record is not None:
                    found[name] = record
        return found


def _end(node: Node) -> float | None:
    return data.seconds(node.get("finishedAt")) if data.has_ended(node) else None


# --- skipped or cancelled --------------------------------------------------------------------------------------------


class _View:
    """What a condition sees of the scope: how its steps ended, and their outputs."""

    def __init__(self, prefix: str, steps: Mapping[str, StepRecord]) -> None:
        self._prefix = prefix
        self._steps = steps

    def status(self, step: str) -> str:
        record = self._steps.get(self._prefix + step)
        return record.status if record is not None else "pending"

    def output(self, step: str, output: str) -> Any:
        record = self._steps.get(self._prefix + step)
        return ((record.outputs if record is not None else None) or {}).get(output, ABSENT)

    def parameter(self, name: str) -> Any:
        raise EvaluationError(f"the parameter '{name}' is not known here")

    item = loop_output = run = parameter

    def round(self) -> int:
        return 0


def _verdict(step: Step, view: _View, status: str) -> str:
    """Whether a step that Argo did not run was skipped, or cancelled because of an earlier one that failed.

    Argo says Skipped for both where a failure was allowed; the local engine tells them apart, by these rules.
    """
    if status != "skipped" or any(view.status(name) in _BAD for name in step.after):
        return "cancelled"
    producers = [ref.step for ref in graph.references(step) if isinstance(ref, OutputRef)]
    if not any(view.status(name) in _BAD for name in producers):
        return "skipped"
    for condition in (step.after_condition, step.when):
        try:
            if condition is not None and holds(condition, view) is False:
                return "skipped"
        except EvaluationError:
            return "cancelled"
    return "cancelled"
