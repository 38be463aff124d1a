"""Plays documents for Argo on the double of its controller, and tells of steps by their paths."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.conformance.readers.argo import STATUS, Names, workflow_in, wrapper
from tests.conformance.readers.controller import Controller
from tests.conformance.readers.nodes import NodeState
from tests.conformance.readers.parts import nodes_of_tasks
from tests.conformance.readers.pods import Pods

Json = dict[str, Any]
ABSENT = "absent"
INNER = ("couler-items-", STATUS)

_STATUSES = {
    "Succeeded": "succeeded", "Failed": "failed", "Error": "failed", "Skipped": "skipped", "Omitted": "cancelled",
    "Running": "running",
}  # fmt: skip


@dataclass(slots=True)
class Played:
    """What came of a run on the double.

    Attributes:
        status: Of the run.
        steps: Path to status.
        outputs: Of the workflow, as JSON.
        messages: Path to message; the empty path is the run.
        attempts: Path to the number of attempts.
        pods: Path to the template of its pod, with everything put in.
    """

    status: str = "succeeded"
    steps: dict[str, str] = field(default_factory=dict)
    outputs: dict[str, Any] = field(default_factory=dict)
    messages: dict[str, str] = field(default_factory=dict)
    attempts: dict[str, int] = field(default_factory=dict)
    pods: dict[str, Json] = field(default_factory=dict)


def play(
    documents: Mapping[str, str],
    names: Names,
    folder: Path,
    parameters: Mapping[str, str] = {},
    secrets: Mapping[tuple[str, str], str] = {},
    decisions: Iterable[str] = (),
) -> Played:
    """Run compiled documents on the double.

    Args:
        documents: File name to text.
        names: The names that the documents' own names stand for.
        folder: For pods and files.
        parameters: Values of the run, as JSON text, in the order of declaration.
        secrets: Name and key to value.
        decisions: ``approve`` or ``reject``, for pauses in turn.
    """
    workflow, spec = workflow_in(documents)
    limit = spec.get("activeDeadlineSeconds")
    declared = [one["name"] for one in spec.get("arguments", {}).get("parameters", ())]
    parameters = dict(zip(declared, parameters.values(), strict=True))
    pods = Pods(folder, runner_of(spec), secrets, iter(decisions), None if limit is None else float(limit))
    controller = Controller(workflow, pods, parameters)
    root, handlers = controller.run()
    teller = _Teller(spec, names)
    teller.scope(root, "", "")
    told = teller.told
    told.status = _STATUSES[root.phase]
    told.messages[""] = root.message
    if root.outputs is not None and told.status == "succeeded":
        told.outputs = teller.outputs(root)
    if handlers is not None:
        teller.handlers(handlers)
    return told


def runner_of(spec: Json) -> str:
    """The runner that every pod gets."""
    for container in json.loads(spec.get("podSpecPatch", "{}")).get("containers", ()):
        for variable in container.get("env", ()):
            if variable["name"] == "COULER_RUNNER":
                return str(variable["value"])
    return ""


class _Teller:
    """Finds the steps of the workflow in the nodes of a run."""

    def __init__(self, spec: Json, names: Names) -> None:
        self.templates = {template["name"]: template for template in spec["templates"]}
        self.names = names
        self.told = Played()

    def outputs(self, root: NodeState) -> dict[str, Any]:
        assert root.outputs is not None
        values = [text for name, text in root.outputs.parameters.items() if not name.startswith(INNER)]
        pairs = zip(self.names.outputs, values, strict=True)
        return {name: json.loads(text) for name, text in pairs if text != ABSENT}

    def scope(self, node: NodeState, path: str, bare: str, names: Mapping[str, str] | None = None) -> None:
        """Tell of the steps of a workflow or group."""
        known = self.names.steps[bare] if names is None else names
        children = nodes_of_tasks(node, known)
        for task, name in known.items():
            inside = f"{path}/{name}" if path else name
            inside_bare = f"{bare}/{name}" if bare else name
            child = children.get(task)
            if child is None:
                self._tell(inside, "cancelled", "")
            else:
                self._step(child, inside, inside_bare)

    def handlers(self, node: NodeState) -> None:
        """Tell of the exit handlers."""
        self.scope(node, "", "", self.names.handlers)

    def _tell(self, path: str, status: str, message: str) -> None:
        self.told.steps[path] = status
        self.told.messages[path] = message

    def _step(self, node: NodeState, path: str, bare: str) -> None:
        """Tell of one step, through the templates around it."""
        self._tell(path, _STATUSES[node.phase], node.message)
        if node.kind == "Retry":
            self.told.attempts[path] = node.attempts
            node = node.children[-1]
        if node.kind in ("Pod", "Suspend"):
            self.told.pods[path] = node.body
            self.told.attempts.setdefault(path, 1)
        if node.kind != "DAG":
            return
        shape = wrapper(self.templates[node.template])
        if shape == "shell":
            self._shell(node, path, bare)
        elif shape == "map":
            for item in node.children[0].children if node.children else ():
                self._step(item, f"{path}[{item.task.partition('(')[2].rstrip(')')}]", bare)
        elif shape == "loop":
            self._rounds(node, path, bare, 0)
        else:
            self.scope(node, path, bare)

    def _shell(self, node: NodeState, path: str, bare: str) -> None:
        status = self.told.steps[path]
        for child in node.children:
            if child.task == "run":
                self._step(child, path, bare)
        found = node.outputs.parameters.get(STATUS, "") if node.outputs is not None else ""
        if found:
            self.told.steps[path] = found
        elif status == "failed":
            self._tell(path, status, self.told.messages.get(path) or node.message)

    def _rounds(self, node: NodeState, path: str, bare: str, number: int) -> None:
        for child in node.children:
            if child.task == "next":
                if child.kind == "DAG":
                    self._rounds(child, path, bare, number)
            elif child.kind != "Skipped":
                self._step(child, f"{path}#{number}", bare)
                number += 1
