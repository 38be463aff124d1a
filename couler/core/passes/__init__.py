"""Rewrites of the IR: one pass a file, a function of the file's name; the order is the tables below."""

from __future__ import annotations

from collections.abc import Callable

from couler.core.ir.model import Workflow
from couler.core.passes.apply_defaults import apply_defaults
from couler.core.passes.drop_cache import drop_cache
from couler.core.passes.drop_engine_options import drop_engine_options
from couler.core.passes.drop_placement import drop_placement
from couler.core.passes.drop_schedule import drop_schedule
from couler.core.passes.drop_service_accounts import drop_service_accounts
from couler.core.passes.go_on_after_failures import go_on_after_failures

Pass = Callable[[Workflow], Workflow]

ALWAYS: tuple[Pass, ...] = (apply_defaults,)
"""Run on every workflow before it meets an engine."""

LOWERINGS: dict[str, tuple[Pass, str]] = {
    "drop_schedule": (drop_schedule, "the schedule is ignored: the workflow runs once, now"),
    "drop_placement": (drop_placement, "node selectors, tolerations, affinity and priority are ignored: one machine"),
    "drop_service_accounts": (drop_service_accounts, "service accounts are ignored: steps run as you"),
    "drop_cache": (drop_cache, "cache policies are ignored: every step runs"),
    "go_on_after_failures": (
        go_on_after_failures,
        "after a failure, steps that do not depend on it go on until they end; then the run fails",
    ),
    "drop_engine_options": (drop_engine_options, "options for other engines are ignored"),
}
"""Pass to the note for the reader, in the order in which they run. An engine's declaration names what it needs."""
