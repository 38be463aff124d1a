"""What became of each construct of a DAG file."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from couler.backends import import_report

Outcome = Literal["translated", "carried", "loss"]


class Code(NamedTuple):
    """What a code says: the construct, what became of it, why, and what to do."""

    construct: str
    outcome: Outcome
    meaning: str
    advice: str = ""


CODES: Mapping[str, Code] = {
    "AIRFLOW001": Code("DAG", "translated", "a DAG is a workflow"),
    "AIRFLOW010": Code("task", "translated", "a task is a step"),
    "AIRFLOW011": Code(
        "operator",
        "loss",
        "couler has nothing like it; a step that fails and says so stands for it",
        "write what it does into the function of that step",
    ),
    "AIRFLOW012": Code(
        "sensor",
        "loss",
        "couler does not wait for things outside; a step that fails and says so stands for it",
        "wait in the function of that step, or start the workflow when the thing is there",
    ),
    "AIRFLOW013": Code(
        "TriggerDagRunOperator",
        "loss",
        "the other DAG is another workflow; a step that fails and says so stands for it",
        "call the other workflow's function in this one",
    ),
    "AIRFLOW014": Code(
        "LatestOnlyOperator",
        "loss",
        "couler makes up for no missed runs; a step that does nothing stands for it",
        "remove the step",
    ),
    "AIRFLOW020": Code("trigger rule", "translated", "a condition over how the tasks before it ended"),
    "AIRFLOW021": Code(
        "trigger rule",
        "loss",
        "a rule that couler does not know; the step runs when all before it succeeded",
        "say with after() when it is to run",
    ),
    "AIRFLOW022": Code("branch", "translated", "the tasks after it run on a condition over its result"),
    "AIRFLOW023": Code("setup or teardown", "translated", "order, and a condition over statuses"),
    "AIRFLOW024": Code("mapping", "translated", "a map over a list; an empty list gives an empty list"),
    "AIRFLOW025": Code(
        "mapping",
        "loss",
        "the lists or what is taken from them cannot be told; a step that fails and says so stands for the task",
        "map over the result of a step",
    ),
    "AIRFLOW026": Code("task group", "translated", "its tasks carry its name"),
    "AIRFLOW030": Code("template", "translated", "a reference to a parameter, a result or the run"),
    "AIRFLOW031": Code(
        "template",
        "loss",
        "only Airflow knows this value; a parameter of the workflow stands for it",
        "give the parameter, or work the value out in a step",
    ),
    "AIRFLOW032": Code("variable or connection", "translated", "a secret by reference, which the engine must hold"),
    "AIRFLOW033": Code(
        "template",
        "loss",
        "statements of Jinja, or a text that is no template for couler; it stays as it is",
        "build the text in a function",
    ),
    "AIRFLOW034": Code("script", "translated", "values are variables of the script and no longer part of its text"),
    "AIRFLOW035": Code("script", "translated", "values are pasted into its text, as in Airflow; better pass variables"),
    "AIRFLOW040": Code(
        "context",
        "loss",
        "the function uses what Airflow hands to tasks, and fails there",
        "take what it needs as parameters, and return what it gives",
    ),
    "AIRFLOW041": Code(
        "function",
        "loss",
        "it uses Airflow's own code, which must be installed where the step runs",
        "do without it, or choose an image that has it",
    ),
    "AIRFLOW042": Code(
        "function",
        "loss",
        "its source cannot be told from this file; a step that fails and says so stands for it",
        "write the function into the file",
    ),
    "AIRFLOW043": Code("context", "translated", "what the function took from Airflow's context is a parameter of it"),
    "AIRFLOW044": Code("function", "translated", "of another module, which must be there where the step runs"),
    "AIRFLOW045": Code("xcom_push", "translated", "what the function pushes is part of its result"),
    "AIRFLOW050": Code("schedule", "translated", "the schedule of the workflow"),
    "AIRFLOW051": Code(
        "schedule",
        "loss",
        "no cron expression says it; the workflow has no schedule",
        "choose a cron expression, or start runs from outside",
    ),
    "AIRFLOW060": Code("argument", "carried", "kept as a label or as an option for Airflow, without effect elsewhere"),
    "AIRFLOW061": Code("argument", "loss", "couler has nothing like it", "see whether the workflow needs it"),
    "AIRFLOW062": Code("argument", "translated", "without meaning for a workflow of couler, or its default there"),
    "AIRFLOW070": Code(
        "value",
        "loss",
        "known only when the file runs; it is left out",
        "write it into the file, make it a parameter, or import with --execute",
    ),
    "AIRFLOW071": Code(
        "statement",
        "loss",
        "its course is known only when the file runs; tasks that it makes may be missing",
        "write the tasks out, or import with --execute",
    ),
    "AIRFLOW072": Code(
        "environment",
        "loss",
        "read where the file is loaded; the default in the file is used",
        "make it a parameter",
    ),
}
"""Code to what it says. Codes never change their meaning."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What became of one construct.

    Attributes:
        code: One of `CODES`.
        path: Where it stands: ``file:line``.
        detail: Which one it is.
    """

    code: str
    path: str
    detail: str = ""

    @property
    def outcome(self) -> Outcome:
        """``translated``, ``carried`` as a label or option, or a ``loss``."""
        return CODES[self.code].outcome

    def __str__(self) -> str:
        construct, outcome, meaning, advice = CODES[self.code]
        shown = f" {self.detail}" if self.detail else ""
        advised = f"; {advice}" if advice else ""
        return f"{self.code} {outcome}: {construct}{shown} at {self.path}: {meaning}{advised}"


@dataclass(slots=True)
class Report:
    """Collects the findings of one file; each is told once."""

    file: str
    found: dict[Finding, None] = field(default_factory=dict)

    def add(self, code: str, line: int, detail: str = "") -> None:
        """Tell what became of the construct in a line."""
        short = " ".join(detail.split())
        self.found[Finding(code, f"{self.file}:{line}", short if len(short) <= 100 else f"{short[:99]}…")] = None


LOST = "loss"
"""The outcome of what does not mean the same elsewhere."""


def told(findings: Iterable[Finding], *, all_of_it: bool = False) -> str:
    """The report for people: every finding, or only the losses, and the sums."""
    return import_report.told(findings, LOST, all_of_it)


def summary(findings: Iterable[Finding]) -> dict[str, int]:
    """How many constructs had each outcome."""
    return import_report.summary(findings, LOST)
