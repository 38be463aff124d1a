"""The one context variable: which scope is being built here, and under which conditions."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from couler.core.dsl.builder import ScopeBuilder
    from couler.core.dsl.conditions import ConditionExpression

ExitEvent = Literal["always", "success", "failure"]


@dataclass(frozen=True, slots=True)
class Frame:
    """What the next declared step belongs to.

    Attributes:
        scope: The scope that receives it.
        conditions: Conditions of the ``when`` blocks around it, outermost first.
        exit_event: Set inside an exit handler.
        reuse: Declaring a given name again means the same step (inside ``dag``).
        owner: Who may go on with an implicit workflow; None for one that was opened explicitly.
    """

    scope: ScopeBuilder
    conditions: tuple[ConditionExpression, ...] = ()
    exit_event: ExitEvent | None = None
    reuse: bool = False
    owner: tuple[object, object] | None = None


_frame: ContextVar[Frame | None] = ContextVar("couler_frame", default=None)


def current() -> Frame | None:
    """The frame of this thread and asyncio task, or None outside of any workflow.

    An implicit workflow begun by another thread or task is not seen, although contexts are copied to new tasks.
    """
    frame = _frame.get()
    if frame is None or frame.owner is None:
        return frame
    thread, task = _executor()
    return frame if frame.owner[0] is thread and frame.owner[1] is task else None


@contextmanager
def entered(frame: Frame) -> Iterator[Frame]:
    """Make ``frame`` current for a block."""
    token = _frame.set(frame)
    try:
        yield frame
    finally:
        _frame.reset(token)


@contextmanager
def changed(frame: Frame, **changes: object) -> Iterator[Frame]:
    """Make a changed copy of ``frame`` current for a block."""
    with entered(replace(frame, **changes)) as inner:  # type: ignore[arg-type]
        yield inner


def begin_implicit(scope: ScopeBuilder) -> Frame:
    """Open a workflow for statements that stand in no block; it ends with `end_implicit`."""
    frame = Frame(scope, owner=_executor())
    _frame.set(frame)
    return frame


def end_implicit() -> None:
    """Close the workflow that `begin_implicit` opened."""
    _frame.set(None)


def _executor() -> tuple[object, object]:
    """The thread and task themselves: their numbers are given to others when they have ended."""
    asyncio = sys.modules.get("asyncio")  # importing it is slow, and without it there is no task
    task = None
    if asyncio is not None:
        try:
            task = asyncio.current_task()
        except RuntimeError:  # no loop runs in this thread
            task = None
    return threading.current_thread(), None if task is None or _is_cell(task) else task


def _is_cell(task: Any) -> bool:
    """Whether the task runs a notebook's cell: each cell gets a task of its own, and they share one workflow."""
    frame = getattr(task.get_coro(), "cr_frame", None)
    module = frame.f_globals.get("__name__", "") if frame is not None else ""
    return bool(module.partition(".")[0] in ("ipykernel", "IPython"))
