"""Rewrites of the IR: one pass a file, a function of the file's name; the order is the tuple below."""

from __future__ import annotations

from collections.abc import Callable

from couler.core.ir.model import Workflow
from couler.core.passes.apply_defaults import apply_defaults
from couler.core.passes.drop_schedule import drop_schedule

Pass = Callable[[Workflow], Workflow]

ALWAYS: tuple[Pass, ...] = (apply_defaults,)
"""Run on every workflow before it meets an engine."""

LOWERINGS: dict[str, tuple[Pass, str]] = {
    "drop_schedule": (drop_schedule, "the schedule is ignored: the workflow runs once, now"),
}
"""Pass to the note for the reader, in the order in which they run. An engine's declaration names what it needs."""
