"""What became of each construct of a document."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from couler.backends import import_report

Outcome = Literal["translated", "carried", "argo only"]

CODES: Mapping[str, tuple[str, Outcome, str]] = {
    "ARGO001": ("document", "translated", "a document is a workflow"),
    "ARGO002": (
        "other document",
        "carried",
        "no kind of workflow; kept beside the workflows and written out unchanged",
    ),
    "ARGO010": ("template", "translated", "a template is a step, or a nested workflow where it has inputs or steps"),
    "ARGO011": ("call", "translated", "a step or task that calls a template"),
    "ARGO012": ("unused template", "carried", "nothing that was translated calls it"),
    "ARGO020": ("when", "translated", "a condition over values"),
    "ARGO021": ("when", "argo only", "a condition that couler's conditions cannot say; elsewhere the step always runs"),
    "ARGO022": ("depends", "translated", "order, or a condition over statuses"),
    "ARGO023": ("depends", "argo only", "statuses that couler does not tell apart; elsewhere the nearest one counts"),
    "ARGO024": ("loop", "translated", "a map over a list"),
    "ARGO025": ("withSequence", "argo only", "a sequence whose bounds are known only at run time"),
    "ARGO030": (
        "tag",
        "argo only",
        "a value that only Argo knows; elsewhere, and in what `couler compile` writes, the text stays as it is",
    ),
    "ARGO031": (
        "source",
        "translated",
        "values are pasted into source text, as Argo does; better pass them as arguments",
    ),
    "ARGO032": ("source", "argo only", "tags in a text that couler hands over unchanged"),
    "ARGO040": ("template", "argo only", "a kind of template that couler lacks; a Workflow of its own stands for it"),
    "ARGO041": ("recursion", "argo only", "a template that calls itself; use couler.loop"),
    "ARGO042": (
        "templateRef",
        "argo only",
        "a template of another object that was not given too; a Workflow of its own stands for it",
    ),
    "ARGO043": ("workflowTemplateRef", "argo only", "the workflow of another object; a Workflow stands for it"),
    "ARGO044": ("templateRef", "translated", "a template of another object that was given too"),
    "ARGO050": ("artifact", "argo only", "a file from a place that couler cannot name"),
    "ARGO060": ("field", "carried", "kept as an option for Argo, without effect elsewhere"),
    "ARGO061": ("field", "argo only", "names parts of the document, so that only `couler import --to argo` keeps it"),
}
"""Code to the construct, what became of it, and what that means. Codes never change their meaning."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What became of one construct.

    Attributes:
        code: One of `CODES`.
        path: Where it stands, such as ``spec.templates[main].steps[0][1].when``.
        detail: Which one it is.
    """

    code: str
    path: str
    detail: str = ""

    @property
    def outcome(self) -> Outcome:
        """``translated``, ``carried`` as an option, or meaningful to Argo only."""
        return CODES[self.code][1]

    def __str__(self) -> str:
        construct, outcome, meaning = CODES[self.code]
        shown = f" {self.detail}" if self.detail else ""
        return f"{self.code} {outcome}: {construct}{shown} at {self.path}: {meaning}"


LOST = "argo only"
"""The outcome of what does not mean the same elsewhere."""


def told(findings: Iterable[Finding], *, all_of_it: bool = False) -> str:
    """The report for people: every finding, or only what does not mean the same elsewhere, and the sums."""
    return import_report.told(findings, LOST, all_of_it)


def summary(findings: Iterable[Finding]) -> dict[str, int]:
    """How many constructs had each outcome."""
    return import_report.summary(findings, LOST)
