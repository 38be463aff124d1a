"""Argo Workflows as couler knows it: what it can do, its documents, and the engine that runs them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from couler.backends.argo.build import IMAGE, LIMIT, Build
from couler.backends.argo.document import document
from couler.backends.argo.preflight import preflight
from couler.backends.base import Declaration, Emitted
from couler.core.errors import EngineLimitError
from couler.core.ir.features import FEATURES
from couler.core.ir.model import Workflow
from couler.core.ir.yaml_form import write_yaml

if TYPE_CHECKING:
    from couler.backends.base import Engine

VERSIONS = ("4.1", "4.0", "3.7", "3.6")

_LOWERED = {"cache": "drop_cache"}

_REFUSED = {
    "map_files": "Argo cannot gather files; store them at a URL that the item names, and return the URL",
    "loop_files": "a template cannot hand a file to itself; store it at a URL, and carry the URL",
    "group_timeout": "Argo limits the time of pods and of whole workflows; set the limit on the steps inside",
    "job_conditions": "Argo compares plain fields; name a field such as status.succeeded instead of a condition",
}


class ArgoBackend:
    """Compiles workflows to Argo's documents and runs them on a cluster."""

    name = "argo"
    versions = VERSIONS

    def declaration(self, version: str = "", options: Mapping[str, Any] = {}) -> Declaration:
        """What Argo can do."""
        native = frozenset(feature for feature in FEATURES if feature not in _LOWERED and feature not in _REFUSED)
        limit = options.get("max_value") or LIMIT
        return Declaration("argo", version or VERSIONS[0], native, _LOWERED, _REFUSED, limit)

    def compile(self, workflow: Workflow, version: str = "", options: Mapping[str, Any] = {}) -> Emitted:
        """The workflow as YAML, or as JSON with the option ``format="json"``."""
        build = _build(workflow, options)
        made = document(workflow, build, options.get("kind") or "")
        findings = preflight([made], version or VERSIONS[0])
        problems = tuple(f"{one.message}; {one.do}" for one in findings if one.severity == "error")
        notes = (*build.notes, *(f"{one.message}; {one.do}" for one in findings if one.severity == "warning"))
        if options.get("format") == "json":
            documents = {f"{workflow.name}.argo.json": json.dumps(made, ensure_ascii=False, indent=2) + "\n"}
        else:
            documents = {f"{workflow.name}.argo.yaml": write_yaml(made)}
        return Emitted(documents, notes, problems)

    def document(self, workflow: Workflow, version: str = "", options: Mapping[str, Any] = {}) -> dict[str, Any]:
        """The workflow as a Kubernetes object.

        Raises:
            EngineLimitError: Argo would not take it, or could not finish it.
        """
        made = document(workflow, _build(workflow, options), options.get("kind") or "")
        findings = preflight([made], version or VERSIONS[0])
        if problems := [f"{one.message}; {one.do}" for one in findings if one.severity == "error"]:
            raise EngineLimitError(workflow.name, f"argo@{version or VERSIONS[0]}", problems)
        return made

    def engine(self, options: Mapping[str, Any]) -> Engine:
        """The engine, with its cluster."""
        from couler.backends.argo.client.engine import ArgoEngine

        return ArgoEngine(**options)


def _build(workflow: Workflow, options: Mapping[str, Any]) -> Build:
    return Build(options.get("image") or IMAGE, options.get("max_value") or LIMIT, workflow.on_failure == "stop")
