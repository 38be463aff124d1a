"""Argo Workflows as couler knows it: what it can do, its documents, and the engine that runs them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from couler.backends.argo.build import IMAGE, LIMIT, Build
from couler.backends.argo.document import document
from couler.backends.base import Declaration
from couler.core.ir.features import FEATURES
from couler.core.ir.model import Workflow
from couler.core.ir.yaml_form import write_yaml

if TYPE_CHECKING:
    from couler.backends.base import Engine

VERSIONS = ("4.1", "4.0", "3.7", "3.6")

_LOWERED = {"cache": "drop_cache"}


class ArgoBackend:
    """Compiles workflows to Argo's documents and runs them on a cluster."""

    name = "argo"
    versions = VERSIONS

    def declaration(self, version: str = "", options: Mapping[str, Any] = {}) -> Declaration:
        """What Argo can do."""
        native = frozenset(feature for feature in FEATURES if feature not in _LOWERED)
        return Declaration("argo", version or VERSIONS[0], native=native, lowered=_LOWERED)

    def compile(self, workflow: Workflow, version: str = "", options: Mapping[str, Any] = {}) -> Mapping[str, str]:
        """The workflow as YAML, or as JSON with the option ``format="json"``."""
        made = self.document(workflow, options)
        if options.get("format") == "json":
            return {f"{workflow.name}.argo.json": json.dumps(made, ensure_ascii=False, indent=2) + "\n"}
        return {f"{workflow.name}.argo.yaml": write_yaml(made)}

    def document(self, workflow: Workflow, options: Mapping[str, Any] = {}) -> dict[str, Any]:
        """The workflow as a Kubernetes object."""
        build = Build(options.get("image") or IMAGE, options.get("max_value") or LIMIT, workflow.on_failure == "stop")
        return document(workflow, build, options.get("kind") or "")

    def engine(self, options: Mapping[str, Any]) -> Engine:
        """The engine, with its cluster."""
        from couler.backends.argo.client.engine import ArgoEngine

        return ArgoEngine(**options)
