"""The store of runs: what was run, what happened in each step, what it used, and what people asked of it.

Importing this room is cheap; the database libraries are loaded when a store is opened.
"""

from __future__ import annotations

from couler.runs.base import RunStore
from couler.runs.opening import open_store
from couler.runs.records import (
    AttemptRecord,
    Changes,
    EventRecord,
    RequestKind,
    RequestRecord,
    RunRecord,
    RunStatus,
    StepRecord,
    StepStatus,
)

__all__ = [
    "AttemptRecord",
    "Changes",
    "EventRecord",
    "RequestKind",
    "RequestRecord",
    "RunRecord",
    "RunStatus",
    "RunStore",
    "StepRecord",
    "StepStatus",
    "open_store",
]
