"""Running a notebook cell again replaces the steps that it declared before."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from couler.core.dsl.location import caller_frame

if TYPE_CHECKING:
    from couler.core.dsl.context import Frame


def forget_earlier_execution(frame: Frame) -> None:
    """In a notebook, drop what an earlier execution of the current cell added to the implicit workflow."""
    shell = _shell()
    if frame.owner is None or shell is None:
        return
    scope, cell, execution = frame.scope, _cell(shell), shell.execution_count
    known = scope.cells.get(cell)
    if known is not None and known[0] != execution:
        stale = known[1]
        scope.drafts = [draft for draft in scope.drafts if draft not in stale]
        scope.exit_drafts = [draft for draft in scope.exit_drafts if draft not in stale]
        known = None
    if known is None:
        scope.cells[cell] = (execution, [])
    scope.current_cell = cell


def _shell() -> Any:
    module = sys.modules.get("IPython")
    return module.get_ipython() if module is not None else None


def _cell(shell: Any) -> str:
    """What stays the same when a cell runs again: its identity where the notebook tells it, else its text."""
    try:
        identity = shell.get_parent()["metadata"].get("cellId")
    except (AttributeError, KeyError, TypeError):
        identity = None
    if identity:
        return str(identity)
    frame = caller_frame()
    return frame.f_code.co_filename if frame is not None else ""
