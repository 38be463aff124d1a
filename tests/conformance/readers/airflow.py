"""Reads documents for Airflow back into the shape of the workflow that they were made from."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from typing import Any

from tests.conformance.readers.airflow_file import DagFile, Made, Task, read_file
from tests.conformance.shape import Facts, Shape, digest, is_file

KINDS = {
    "Function": "function",
    "Script": "script",
    "Container": "container",
    "Job": "job",
    "Pause": "suspend",
    "Approval": "suspend",
}


def dag_text(documents: Mapping[str, str]) -> str:
    """The DAG file among documents."""
    (text,) = [text for name, text in documents.items() if "/" not in name]
    return text


def read(documents: Mapping[str, str]) -> Shape:
    """The shape of the workflow that documents say.

    Raises:
        ValueError: They are not understood.
    """
    return _Reader(read_file(dag_text(documents)), _sources(documents)).shape()


def _sources(documents: Mapping[str, str]) -> dict[str, str]:
    parts = (name.split("/") for name in documents)
    return {rest[-1]: documents["/".join(rest)] for rest in parts if rest[1:2] == ["sources"]}


class _Reader:
    def __init__(self, file: DagFile, sources: Mapping[str, str]) -> None:
        self.file = file
        self.sources = sources
        self.read: set[str] = set()

    def shape(self) -> Shape:
        end = self.file.tasks["end"]
        steps = dict(self._scope(end, "", ""))
        handlers = list(self._handlers())
        for name, face in handlers:
            steps.update(self._step(name, face, {}, "", ""))
            steps[name] = {**steps[name], "after": []}
        self.read.add("end")
        if left := set(self.file.tasks) - self.read:
            raise ValueError(f"tasks that belong to no step: {', '.join(sorted(left))}")
        return Shape(self._workflow(end, handlers), steps)

    # --- the workflow

    def _workflow(self, end: Task, handlers: list[tuple[str, Task]]) -> Facts:
        given = self.file.arguments
        limit = given.get("dagrun_timeout")
        return {
            "parameters": [list(one.arguments) for one in given.get("params", {}).values()],
            "exits": {name: self._handler_on(face) for name, face in handlers},
            "parallelism": given.get("max_active_tasks"),
            "timeout": None if limit is None else math.ceil(limit.named["seconds"]),
            "service_account": given["default_args"].get("service_account_name", ""),
            "labels": dict(tag.split("=", 1) for tag in given["tags"] if tag != "couler") | _labels(given),
            "schedule": self._schedule(),
            "outputs": len(end.arguments["outputs"]),
        }

    def _schedule(self) -> Facts | None:
        given = self.file.arguments
        schedule = given["schedule"]
        if schedule is None:
            return None
        return {
            "cron": list(schedule.arguments),
            "timezone": schedule.named["timezone"],
            "concurrency": "forbid" if given.get("max_active_runs") == 1 else "allow",
            "suspended": given.get("is_paused_upon_creation", False),
            "starting_deadline": None,
        }

    def _handlers(self) -> Iterator[tuple[str, Task]]:
        """Name and last task of each exit handler."""
        teardown = {name for name, task in self.file.tasks.items() if task.teardown}
        for name in self.file.tasks:
            if name in teardown and not any(earlier == name for earlier, later in self.file.edges):
                task = self.file.tasks[name]
                yield task.arguments.get("step", name), task

    def _handler_on(self, face: Task) -> str:
        words = {"": "always", "succeeded": "success", "failed": "failure"}
        firsts = [task for name, task in self.file.tasks.items() if _of(face.task_id, name)]
        (on,) = {words[one.arguments.get("on", "")] for one in firsts if "end" in self.file.before(one.task_id)}
        return on

    # --- steps

    def _scope(self, end: Task, prefix: str, start: str) -> Iterator[tuple[str, Facts]]:
        faces = {face: name for name, face in end.arguments["steps"].items()}
        for face, name in faces.items():
            yield from self._step(f"{prefix}{name}", self.file.tasks[face], faces, start, prefix)
            if not self._reaches(face, end.task_id):
                raise ValueError(f"{end.task_id} does not wait for {face}")

    def _reaches(self, task: str, end: str) -> bool:
        left, seen = [task], {task}
        while left:
            one = left.pop()
            later = {later for earlier, later in self.file.edges if earlier == one} - seen
            seen |= later
            left += later
        return end in seen

    def _step(
        self, path: str, face: Task, faces: Mapping[str, str], start: str, prefix: str
    ) -> Iterator[tuple[str, Facts]]:
        told = face.arguments.get("step", face.task_id)
        if told != path:
            raise ValueError(f"the task {face.task_id} calls its step {told}, and it is {path}")
        inner, facts = face, dict[str, Any](map=None, loop=None)
        facts["may_fail"] = face.arguments.get("allow_failure", False) and face.kind != "Gather"
        if inner.kind == "Gather":
            inner = self._unmapped(inner, facts)
        if inner.kind == "Rounds":
            inner = self._unrolled(inner, path, facts)
        self.read.add(face.task_id)
        after = self._after(face, faces, start)
        yield path, {"after": after, **facts, **self._facts(inner)}
        if inner.kind == "End":
            yield from self._scope(inner, f"{path}/", f"{inner.task_id.removesuffix('.end')}.start")

    def _unmapped(self, gather: Task, facts: dict[str, Any]) -> Task:
        """What runs for each item of a map."""
        items = self.file.tasks[gather.arguments["over"]]
        each = self.file.tasks[gather.arguments["each"]]
        self.read |= {items.task_id, each.task_id}
        if each.mapped:
            facts["map"] = {"at_once": each.arguments.get("max_active_tis_per_dagrun")}
        else:
            start = self.file.tasks[f"{items.task_id.removesuffix('.items')}.item.start"]
            self.read.add(start.task_id)
            facts["map"] = {"at_once": start.arguments.get("at_once")}
        return each

    def _unrolled(self, rounds: Task, path: str, facts: dict[str, Any]) -> Task:
        """What runs in a round; rounds are alike."""
        ends = [self.file.tasks[name] for name in rounds.arguments["rounds"]]
        facts["loop"] = len(ends)
        self.read.add(rounds.task_id)
        kinds = {(one.kind, one.arguments.get("step")) for one in ends}
        if len(kinds) > 1:
            raise ValueError(f"rounds of {path} differ: {kinds}")
        for number, end in enumerate(ends):
            first = self.file.tasks[_first(end)]
            if first.arguments["number"] != number:
                raise ValueError(f"round {number} of {path} has the number {first.arguments['number']}")
            if number and first.arguments["previous"] != ends[number - 1].task_id:
                raise ValueError(f"round {number} of {path} does not follow the round before it")
            if number and end.kind == "End":
                prefix = f"{end.task_id.removesuffix('.end')}."
                self.read |= {name for name in self.file.tasks if name.startswith(prefix)}
            self.read.add(end.task_id)
        return ends[0]

    def _after(self, face: Task, faces: Mapping[str, str], start: str) -> list[str]:
        """The steps that come directly before a step; tasks that stand for none go by their ids."""
        own = {name for name in self.file.tasks if _of(face.task_id, name)}
        before = {earlier for earlier, later in self.file.edges if later in own} - own
        if start and start not in before:
            raise ValueError(f"{face.task_id} does not wait for {start}")
        return sorted(faces.get(task, task) for task in before - {start})

    # --- one task

    def _facts(self, task: Task) -> Facts:
        self.read.add(task.task_id)
        given = task.arguments
        if task.kind == "End":
            self.read.add(_first(task))
            return {"kind": "group", "steps": list(given["steps"])}
        kind = KINDS[task.kind]
        if kind == "suspend":
            seconds = given.get("seconds")
            return {"kind": kind, "duration": None if seconds is None else math.ceil(seconds)}
        return {"kind": kind, **self._runnable(kind, given), **_around(given)}

    def _runnable(self, kind: str, given: Mapping[str, Any]) -> Facts:
        image = given.get("image", "")
        if kind == "job":
            return {"action": given.get("action", "create"), "manifest": given["manifest"]}
        if kind == "container":
            return {"image": image, "words": len(given.get("command", ())) + len(given.get("args", ()))}
        source = digest(self.sources[given["source"]])
        if kind == "script":
            return {"source": source, "image": image}
        return {
            "source": source, "image": image, "entry": given["entry"], "packages": given.get("packages", []),
            "inputs": sorted(given.get("inputs", {})),
        }  # fmt: skip


def _of(face: str, task: str) -> bool:
    """Whether a task belongs to the step that another stands for."""
    return task == face or (face.endswith(".end") and task.startswith(face.removesuffix("end")))


def _first(task: Task) -> str:
    """The first task of a group, or the task itself."""
    return f"{task.task_id.removesuffix('.end')}.start" if task.kind == "End" else task.task_id


def _around(given: Mapping[str, Any]) -> Facts:
    limit = given.get("execution_timeout")
    outputs = given.get("outputs", ())
    return {
        "retry": _retry(given),
        "timeout": None if limit is None else math.ceil(limit.named["seconds"]),
        "service_account": given.get("service_account_name", ""),
        "labels": given.get("labels", {}) | _labels(given),
        "daemon": False,
        "sidecars": [one["name"] for one in given.get("sidecars", ())],
        "env": list(given.get("env", {})),
        "secrets": sorted(_secrets(given)),
        "volumes": sorted(_volumes(given)),
        "files_in": sorted(given.get("file_inputs", {})),
        "files_out": sorted(one["name"] for one in outputs if is_file(one["type"])),
        "defaults": sorted(one["name"] for one in outputs if "default" in one),
        "amounts": _limits(given.get("container_resources", {})) or _amounts(given.get("resources", {})),
        "place": {
            "nodeSelector": given.get("node_selector", {}),
            "tolerations": [one.get("key", "") for one in given.get("tolerations", ())],
            "affinity": given.get("affinity", {}),
            "priority": given.get("priority_class_name", ""),
        },
    }


def _limits(resources: Mapping[str, Any]) -> Facts:
    """What a container has at most; cores as a number."""
    limits = dict(resources.get("limits", {}))
    if limits.get("cpu", "").endswith("m"):
        limits["cpu"] = f"{int(limits['cpu'][:-1]) / 1000:g}"
    return limits


SOURCES = {
    "persistentVolumeClaim": "claim", "ephemeral": "new_claim", "emptyDir": "empty", "hostPath": "host",
    "configMap": "config_map", "secret": "secret",
}  # fmt: skip


def _volumes(given: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Path and source of each volume of a pod."""
    pods = [one for one in given.get("volumes", ()) if isinstance(one, dict)]  # Docker's are told otherwise
    sources = {one["name"]: SOURCES[key] for one in pods for key in one if key != "name"}
    for mount in given.get("volume_mounts", ()):
        yield mount["mountPath"], sources[mount["name"]]


def _labels(given: Mapping[str, Any]) -> dict[str, str]:
    """Labels that stand in a text for people."""
    return dict(re.findall(r"`([^=`]+)=([^`]*)`", given.get("doc_md", "").rpartition("Labels: ")[2]))


def _amounts(resources: Mapping[str, Any]) -> Facts:
    """Airflow counts memory and storage in MiB."""
    units = {"cpus": ("cpu", ""), "ram": ("memory", "Mi"), "disk": ("ephemeral-storage", "Mi")}
    return {units[name][0]: f"{amount:g}{units[name][1]}" for name, amount in resources.items()}


def _secrets(given: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    for variable, (name, key) in given.get("secrets", {}).items():
        yield name, key, variable
    for name, key in given.get("secret_files", {}).values():
        yield name, key, "file"


def _retry(given: Mapping[str, Any]) -> Facts | None:
    if "retries" not in given:
        return None
    policy: Made = given["retry_policy"]
    on = policy.named.get("on")
    initial = policy.named.get("initial", 0)
    return {
        "limit": given["retries"],
        "wait": initial,
        "most": policy.named.get("maximum") if initial else None,
        "codes": sorted(one for one in on or () if isinstance(one, int)),
        "selective": on is not None,
        "more_memory": "more_memory" in given,
    }
