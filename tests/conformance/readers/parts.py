"""Scopes whose steps stand in several templates: where the nodes of their tasks are."""

from __future__ import annotations

import re
from collections.abc import Container

from tests.conformance.readers.nodes import NodeState

_PART = re.compile(r"parts?-\d+(-\d+)?")


def nodes_of_tasks(node: NodeState, tasks: Container[str]) -> dict[str, NodeState]:
    """Task to node for the steps of a scope, those in its parts too.

    Args:
        node: The node of the scope, or of a part.
        tasks: Names of the tasks of all steps of the scope; others with the name of a part are parts.
    """
    found: dict[str, NodeState] = {}
    for child in node.children:
        if child.task not in tasks and _PART.fullmatch(child.task):
            found = {**nodes_of_tasks(child, tasks), **found}
        found[child.task] = child
    return found
