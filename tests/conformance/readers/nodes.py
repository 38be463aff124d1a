"""What a run of a compiled workflow consists of: nodes, as Argo has them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

FAILED = ("Failed", "Error")


@dataclass(slots=True)
class Outputs:
    """What a node gives.

    Attributes:
        parameters: Values, as text.
        artifacts: Files and folders, where the double keeps them.
        result: Standard output.
        exit_code: Of the main container.
    """

    parameters: dict[str, str] = field(default_factory=dict)
    artifacts: dict[str, Path] = field(default_factory=dict)
    result: str | None = None
    exit_code: str = ""


@dataclass(slots=True)
class NodeState:
    """A node of a run.

    Attributes:
        task: Name of the task, with the index of its item: ``item(2)``.
        template: Name of the template.
        kind: ``Pod``, ``DAG``, ``TaskGroup``, ``Skipped``, ``Suspend`` or ``Retry``.
        phase: Of Argo, such as ``Succeeded`` or ``Omitted``.
        body: The template of a pod with everything put in.
        inputs: Input parameters.
        children: Nodes inside.
        attempts: Pods that were run one after the other.
    """

    task: str
    template: str = ""
    kind: str = "Skipped"
    phase: str = "Pending"
    message: str = ""
    outputs: Outputs | None = None
    body: dict[str, Any] = field(default_factory=dict)
    inputs: dict[str, str] = field(default_factory=dict)
    children: list[NodeState] = field(default_factory=list)
    attempts: int = 1

    @property
    def failed(self) -> bool:
        """Whether it ended badly."""
        return self.phase in FAILED

    def walk(self) -> Iterator[NodeState]:
        """This node and all inside."""
        yield self
        for child in self.children:
            yield from child.walk()


def one_failed(node: NodeState) -> bool:
    """Whether the node, or a node inside it, failed."""
    return any(inner.failed for inner in node.walk())
