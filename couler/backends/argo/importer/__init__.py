"""Argo Workflows' YAML as workflows of couler, with a report of what became of each construct, and back.

What has a meaning in couler is translated, and written back from the workflow's own fields. What has none is carried in
``engine_options["argo"]`` of its step or workflow; its key ``layout`` holds names and shapes of the document.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from couler.backends.argo.importer.documents import is_workflow, read_document
from couler.backends.argo.importer.library import library_of
from couler.backends.argo.importer.objects import write_document
from couler.backends.argo.importer.reading import read_documents
from couler.backends.argo.importer.report import CODES, Finding, summary, told
from couler.core.errors import TextFormError
from couler.core.ir.json import thaw
from couler.core.ir.model import Workflow
from couler.core.ir.yaml_form import write_yaml


@dataclass(frozen=True, slots=True)
class Imported:
    """What a file was.

    Attributes:
        workflows: Its workflows; a document that is a library of templates gives one for each that nobody calls.
        report: What became of each construct.
        others: Documents that are no workflows, by their place in the file.
    """

    workflows: tuple[Workflow, ...]
    report: tuple[Finding, ...]
    others: tuple[tuple[int, Any], ...] = ()


def import_argo(*texts: str) -> Imported:
    """Read files of one or several documents; calls of templates of other objects find them in any of the files.

    Raises:
        TextFormError: They are not YAML, or hold no workflow of Argo.

    >>> text = "{kind: Workflow, spec: {entrypoint: a, templates: [{name: a, container: {image: alpine}}]}}"
    >>> import_argo(text).workflows[0].steps[0].task.image
    'alpine'
    """
    documents = [document for text in texts for document in read_documents(text)]
    if not any(is_workflow(document) for document in documents):
        kinds = ", ".join(str(one.get("kind")) for one in documents if isinstance(one, dict)) or "nothing"
        raise TextFormError(
            f"the file holds no workflow of Argo, but {kinds}",
            "give a Workflow, WorkflowTemplate, ClusterWorkflowTemplate or CronWorkflow",
        )
    library = library_of(documents)
    workflows: list[Workflow] = []
    report: list[Finding] = []
    others: list[tuple[int, Any]] = []
    for index, document in enumerate(documents):
        if is_workflow(document):
            found, findings = read_document(document, index, library)
            workflows += found
            report += findings
        else:
            others.append((index, document))
            report.append(Finding("ARGO002", f"document {index + 1}", str(dict(document).get("kind", ""))))
    return Imported(tuple(workflows), tuple(report), tuple(others))


def to_argo(imported: Imported) -> str:
    """The documents again, in the layout that they had, written from the fields of the workflows.

    Raises:
        DefinitionError: A workflow was changed so that this layout cannot say it; ``couler compile`` then can.
    """
    groups: dict[int, list[Workflow]] = {}
    for workflow in imported.workflows:
        layout = thaw(workflow.engine_options.get("argo", {})).get("layout", {})
        groups.setdefault(layout.get("document", 0), []).append(workflow)
    documents: dict[int, Any] = {index: write_document(workflows) for index, workflows in groups.items()}
    documents.update(imported.others)
    return "---\n".join(write_yaml(documents[index]) for index in sorted(documents))


Form = Literal["python", "ir", "argo"]


def written(imported: Imported, form: Form = "python") -> str:
    """The workflows as Python, in couler's text form, or as Argo's YAML."""
    if form == "argo":
        return to_argo(imported)
    if form == "ir":
        from couler.core.ir.text import to_yaml  # only here, as below

        return "---\n".join(map(to_yaml, imported.workflows))
    from couler.backends.argo.importer.python import to_python

    return to_python(imported.workflows)


__all__ = ["CODES", "Finding", "Imported", "import_argo", "summary", "to_argo", "told", "written"]
