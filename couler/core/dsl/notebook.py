"""Running a notebook cell again replaces the steps that it declared before."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from couler.core.dsl.location import caller_frame

if TYPE_CHECKING:
    from couler.core.dsl.context import Frame


def forget_earlier_execution(frame: Frame) -> None:
    """In a notebook, drop what an earlier execution of the current cell added to the implicit workflow."""
    if frame.owner is None:
        return
    shell = _shell()
    if shell is None:
        return
    scope, cell, execution = frame.scope, _cell(shell), shell.execution_count
    known = scope.cells.get(cell)
    if known is None or known[0] != execution:
        scope.forget(list(scope.stale))
        scope.stale = list(known[1]) if known is not None else []
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
    frame, name = caller_frame(), ""
    while frame is not None:  # the outermost frame of the notebook is the cell; the others may be functions of it
        if frame.f_globals is shell.user_ns and frame.f_code.co_name == "<module>":
            name = frame.f_code.co_filename
        frame = frame.f_back
    return name
