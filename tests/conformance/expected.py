"""What a backend must do with a case, computed from what the backend declares."""

from __future__ import annotations

from dataclasses import replace

from couler.backends import registry
from couler.backends.base import Declaration
from couler.core import passes
from couler.core.ir.features import features_of
from couler.core.ir.model import Workflow
from tests.conformance.case import Case


def targets() -> tuple[str, ...]:
    """Every engine with every version, such as ``local`` and ``argo@3.7``."""
    found = []
    for name in registry.names():
        versions = registry.backend(name)[0].versions
        found += [f"{name}@{version}" for version in versions] or [name]
    return tuple(found)


def declared(target: str) -> Declaration:
    """What the engine says that it can do."""
    backend, version = registry.backend(target)
    return backend.declaration(version)


def complete(workflow: Workflow) -> Workflow:
    """The workflow with what is always done to one before it meets an engine."""
    for rewrite in passes.ALWAYS:
        workflow = rewrite(workflow)
    return workflow


def on(case: Case, target: str) -> Case:
    """The case with what the limits of an engine change about it, and where it lets steps go on after a failure."""
    declaration = declared(target)
    limit = (case.passed and declaration.max_passed_value) or declaration.max_value
    limited = case.under_limit(limit or None)
    if declaration.lowered.get("on_failure_stop") and "on_failure_stop" in features_of(complete(case.workflow())):
        return replace(limited, steps={path: _that_may_go_on(status) for path, status in limited.steps.items()})
    return limited


def _that_may_go_on(status: str) -> str:
    """What was cancelled because of a failure elsewhere may have run, and ended in any way."""
    return "cancelled|succeeded|skipped|failed" if status == "cancelled" else status


def refused(case: Case, declaration: Declaration) -> tuple[str, ...]:
    """Features of the case that the engine refuses."""
    used = features_of(complete(case.workflow()))
    return tuple(feature for feature in used if declaration.support(feature) == "refused")
