"""Whether Argo would take and run compiled documents: limits and traps that its own linter does not know.

A rule is a row of `RULES`: a function that finds places, and in words the reason, its source, and what to do.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from couler.backends.argo.preflight.findings import Finding, Rule, Severity
from couler.backends.argo.preflight.reading import Document
from couler.backends.argo.preflight.table import RULES
from couler.backends.argo.schema import NEWEST

__all__ = ["RULES", "Document", "Finding", "Rule", "Severity", "findings", "preflight"]


def preflight(documents: Sequence[Mapping[str, Any]], version: str = NEWEST) -> tuple[Finding, ...]:
    """Everything that is wrong with documents, errors first; objects of other kinds than Argo's are passed over.

    An error means that the API server or Argo refuses the document or that its run cannot end well; a warning, that it
    may behave otherwise than it looks.

    Args:
        documents: Workflow, WorkflowTemplate, ClusterWorkflowTemplate and CronWorkflow objects, as mappings.
        version: Version of Argo that they are written for; empty for the newest known.

    Example:
        >>> documents = [{"kind": "CronWorkflow", "metadata": {"name": "n" * 53}}]
        >>> finding = preflight(documents)[0]
        >>> finding.severity, finding.rule, finding.what
        ('error', 'name-length', "the name has 53 characters, and a CronWorkflow's may have 52")
    """
    read = (Document.of(data, version or NEWEST) for data in documents)
    return findings([document for document in read if document is not None])


def findings(documents: Sequence[Document]) -> tuple[Finding, ...]:
    """As `preflight`, of documents that have been read."""
    found = [finding for document in documents for rule in RULES for finding in rule.findings(document)]
    return tuple(sorted(found, key=lambda finding: finding.severity != "error"))
