"""A retry that runs only what is left gives what a run gives that never failed: on cases of the suite, locally."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import couler
from couler.backends.argo.client.retry import rewritten
from couler.core.ir.features import features_of
from couler.core.ir.graph import upstream
from couler.core.ir.model import Workflow
from couler.core.ir.validate import check
from couler.driver.handle import Run
from couler.runs import StepRecord
from tests.conformance.case import Case
from tests.conformance.catalogue import CASES

MOST_STEPS = 12
NOT_HERE = frozenset({"files", "folders", "stored_files", "job", "volumes"})
"""Features that the local engine lacks, or whose records name places in its own store."""
EVERY = 6
"""One case in so many: each takes two runs."""


def _suitable() -> Iterator[Case]:
    for case in CASES.values():
        if case.status != "succeeded" or case.secrets or case.uses_ledger or case.decisions:
            continue
        workflow = case.workflow()
        used = features_of(workflow)
        if 1 < len(workflow.steps) <= MOST_STEPS and not NOT_HERE.intersection(used) and not _is_about_itself(workflow):
            yield case


def _is_about_itself(workflow: Workflow) -> bool:
    """Whether its outputs tell of the run; those of another run are others."""
    return '"kind":"run"' in workflow.model_dump_json()


def as_if_failed(workflow: Workflow, run: Run, name: str) -> list[StepRecord]:
    """The records of a run as they were, had one step failed: of it and of what needs it nothing is known."""
    lost = {name}
    for _ in workflow.steps:
        lost |= {step.name for step in workflow.steps if lost & set(upstream(step))}
    return [
        step for step in run.steps.values() if step.path.replace("[", "/").replace("#", "/").split("/")[0] not in lost
    ]


@pytest.mark.parametrize("case", list(_suitable())[::EVERY], ids=lambda case: case.name)
def test_what_is_left_after_a_failure_gives_the_same(case: Case, tmp_path: Path) -> None:
    workflow = case.workflow()
    options: dict[str, Any] = {"root": tmp_path / ".couler", "max_value": 4 * 1024 * 1024}
    whole = couler.run(workflow, case.parameters, **options)
    assert whole.status == "succeeded"
    failing = workflow.steps[len(workflow.steps) // 2].name
    again = rewritten(whole.workflow, as_if_failed(whole.workflow, whole, failing))
    check(again.workflow)
    rest = couler.run(again.workflow, case.parameters, **options)
    assert rest.status == "succeeded", rest.record.message
    assert {**again.outputs, **rest.outputs} == whole.outputs
    kept = {path: whole.steps[path].status for path in again.kept if path in whole.steps}
    assert kept == {path: status for path, status in again.kept.items() if path in whole.steps}
