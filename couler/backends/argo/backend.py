"""Argo Workflows as couler knows it: what it can do, its documents, and the engine that runs them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from couler.backends.argo.build import IMAGE, LARGEST, LIMIT, MOST_TASKS, Build
from couler.backends.argo.document import document
from couler.backends.argo.options import check_options
from couler.backends.argo.preflight import Document, findings
from couler.backends.argo.versions import notes_on_version
from couler.backends.base import Declaration, Emitted
from couler.backends.notes import on_other_options
from couler.core.errors import EngineLimitError
from couler.core.ir.features import FEATURES
from couler.core.ir.model import Workflow
from couler.core.ir.yaml_form import write_yaml

if TYPE_CHECKING:
    from couler.backends.base import Engine

VERSIONS = ("4.1", "4.0", "3.7", "3.6")

_LOWERED = {"on_failure_stop": "go_on_after_failures"}
"""``failFast`` of a template ends it while nested templates in it still run, and Argo then waits for these for ever."""

_REFUSED = {
    "map_container_files": "Argo gathers files of functions only; store them at a URL, and return the URL",
    "loop_files": "a template cannot hand a file to itself; store it at a URL, and carry the URL",
    "group_timeout": "Argo limits the time of pods and of whole workflows; set the limit on the steps inside",
    "suspend_timeout": "Argo lets a pause last; leave the limit out, or set one for the whole workflow",
    "job_conditions": "Argo compares plain fields; name a field such as status.succeeded instead of a condition",
}


class ArgoBackend:
    """Compiles workflows to Argo's documents and runs them on a cluster."""

    name = "argo"
    versions = VERSIONS

    def declaration(self, version: str = "", options: Mapping[str, Any] = {}) -> Declaration:
        """What Argo can do."""
        native = frozenset(feature for feature in FEATURES if feature not in _REFUSED and feature not in _LOWERED)
        largest = options.get("max_value") or LARGEST
        return Declaration(
            "argo", version or VERSIONS[0], native, _LOWERED, _REFUSED, min(largest, LIMIT), max_passed_value=largest
        )

    def compile(self, workflow: Workflow, version: str = "", options: Mapping[str, Any] = {}) -> Emitted:
        """The workflow as YAML, or as JSON.

        Args:
            workflow: The workflow, with native features only.
            version: Version of Argo; the newest when empty.
            options: ``format`` (``yaml`` or ``json``), ``kind`` (of the object, such as ``WorkflowTemplate``; a
                CronWorkflow when there is a schedule, else a Workflow), ``namespace``, ``image`` (for functions and
                scripts that name none), ``max_value`` (bytes that one value may have), ``large_values`` (whether
                values over 256 KiB go from function to function as artifacts; when the workflow stores files anyway,
                without it) and ``max_tasks`` (steps in one template, after which they are written as several).

        Raises:
            InvalidWorkflowError: Options for Argo are none that Argo has.
            EngineError: Argo cannot say what the workflow says.
        """
        made, notes, problems = _made(workflow, version or VERSIONS[0], options)
        if options.get("format") == "json":
            documents = {f"{workflow.name}.argo.json": made.text}
        else:
            documents = {f"{workflow.name}.argo.yaml": write_yaml(made.data)}
        return Emitted(documents, notes, problems)

    def document(self, workflow: Workflow, version: str = "", options: Mapping[str, Any] = {}) -> dict[str, Any]:
        """The workflow as a Kubernetes object.

        Raises:
            EngineLimitError: Argo would not take it, or could not finish it.
        """
        found, _, problems = _made(workflow, version or VERSIONS[0], options)
        if problems:
            raise EngineLimitError(workflow.name, f"argo@{version or VERSIONS[0]}", problems)
        return dict(found.data)

    def engine(self, options: Mapping[str, Any]) -> Engine:
        """The engine, with its cluster."""
        from couler.backends.argo.client.engine import ArgoEngine

        return ArgoEngine(**options)


def _made(
    workflow: Workflow, version: str, options: Mapping[str, Any]
) -> tuple[Document, tuple[str, ...], tuple[str, ...]]:
    """The object, what the reader should know of it, and why Argo would not take or finish it."""
    check_options(workflow, version)
    largest = options.get("max_value") or LARGEST
    build = Build(
        options.get("image") or IMAGE,
        min(largest, LIMIT),
        workflow.on_failure == "stop",
        version,
        options.get("max_tasks") or MOST_TASKS,
        largest,
        options.get("large_values"),
    )
    for note in on_other_options(workflow, "argo"):
        build.note(note)
    made = document(workflow, build, options.get("kind") or "", options.get("namespace") or "")
    read = Document.of(made, version)
    assert read is not None
    found = findings([read])
    problems = [f"{one.message}; {one.do}" for one in found if one.severity == "error"]
    warnings = [f"{one.message}; {one.do}" for one in found if one.severity == "warning"]
    notes = (*build.notes, *notes_on_version(made, version), *warnings)
    return read, notes, tuple(problems)
