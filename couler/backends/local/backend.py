"""The local engine as couler knows it: what it can do, its own text form, and the engine that runs it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from couler.backends.base import Declaration, Emitted
from couler.core.ir.features import FEATURES
from couler.core.ir.model import Workflow
from couler.core.ir.text import to_yaml
from couler.runner.function import DEFAULT_LIMIT

if TYPE_CHECKING:
    from couler.backends.base import Engine

_LOWERED = {
    "schedule": "drop_schedule",
    "schedule_replace": "drop_schedule",
    "schedule_deadline": "drop_schedule",
    "placement": "drop_placement",
    "service_account": "drop_service_accounts",
    "cache": "drop_cache",
    "engine_options": "drop_engine_options",
}

_REFUSED = {
    "job": "it needs a Kubernetes cluster",
    "job_conditions": "it needs a Kubernetes cluster",
    "sidecars": "a process has no neighbours; run the service as a step of its own, or outside",
}

_NEEDS_CONTAINER = {
    "volumes": "paths can be mounted only in containers: use --runtime docker or --runtime podman",
}


class LocalBackend:
    """Runs workflows on this machine; its compiled form is couler's own text form, lowered."""

    name = "local"
    versions: tuple[str, ...] = ()

    def declaration(self, version: str = "", options: Mapping[str, Any] = {}) -> Declaration:
        """What runs here; volumes need a container runtime."""
        refused = dict(_REFUSED)
        if options.get("runtime", "process") == "process":
            refused.update(_NEEDS_CONTAINER)
        native = frozenset(feature for feature in FEATURES if feature not in refused and feature not in _LOWERED)
        limit = options.get("max_value") or DEFAULT_LIMIT
        return Declaration("local", "", native, _LOWERED, refused, limit)

    def compile(self, workflow: Workflow, version: str = "", options: Mapping[str, Any] = {}) -> Emitted:
        """The lowered workflow as YAML."""
        return Emitted({f"{workflow.name}.couler.yaml": to_yaml(workflow)})

    def engine(self, options: Mapping[str, Any]) -> Engine:
        """The engine, with its run store and folders."""
        from couler.backends.local.engine import LocalEngine

        names = ("root", "runtime", "workers", "cpu", "memory", "store", "artifacts")
        chosen = {name: options[name] for name in names if options.get(name) is not None}
        if options.get("max_value") is not None:
            chosen["max_value_bytes"] = options["max_value"]
        return LocalEngine(**chosen)
