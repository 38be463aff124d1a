"""Arguments of Airflow are reached by couler's words or by options, as the page of them says."""

from __future__ import annotations

import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from couler.backends.airflow.backend import AirflowBackend
from couler.backends.airflow.options import arguments_of
from couler.core import passes
from couler.core.ir.model import Constant, ContainerTask, Step, Workflow
from tests.conformance.expected import complete
from tests.engines.airflow.reach import MODES, WORDS, WORKINGS, everything, rows, shares

ROOT = Path(__file__).resolve().parents[3]
ROWS = list(rows())
SAMPLES: dict[str, Any] = {
    "text": "x", "flag": True, "whole": 1, "number": 1.5, "seconds": 5, "time": "2026-01-31T00:00:00+00:00",
    "object": {}, "objects": [{}], "texts": ["x"], "code": [],
}  # fmt: skip


@cache
def written(mode: str) -> str:
    """Everything that is written for a workflow with all words."""
    workflow = complete(everything(mode))
    lowered = AirflowBackend().declaration(options={"airflow_containers": mode}).lowered.values()
    for name, (rewrite, _) in passes.LOWERINGS.items():
        if name in lowered:
            workflow = rewrite(workflow)
    options = {"airflow_containers": mode, "namespace": "jobs"}
    return "\n".join(AirflowBackend().compile(workflow, options=options).documents.values())


def test_every_word_and_every_working_is_an_argument() -> None:
    for kind in MODES:
        assert WORDS[kind].keys() | WORKINGS[kind] <= arguments_of(kind).keys()


@pytest.mark.parametrize("row", [row for row in ROWS if row.by == "words"], ids=lambda row: f"{row.kind}.{row.name}")
def test_words_lead_to_the_argument(row: Any) -> None:
    assert WORDS[row.kind][row.name][1] in written(MODES[row.kind])


@pytest.mark.parametrize(
    "row", [row for row in ROWS if row.words == "option"], ids=lambda row: f"{row.kind}.{row.name}"
)
def test_an_option_is_the_argument(row: Any) -> None:
    given = {"airflow": {row.name: SAMPLES[arguments_of(row.kind)[row.name]]}}
    task = ContainerTask(image="alpine:3.20", command=(Constant(value="true"),))
    of_dag = row.kind == "dag"
    step = Step(name="a", task=task, engine_options={} if of_dag else given)
    workflow = Workflow(name="w", steps=(step,), engine_options=given if of_dag else {})
    found = AirflowBackend().compile(workflow, options={"airflow_containers": MODES[row.kind]})
    assert f"{row.name}=" in found.documents["w.py"]


def test_most_constructs_are_reached_by_words_and_nearly_all_by_words_or_options() -> None:
    found = shares(ROWS)
    assert found["words"] >= 0.6, found
    assert found["words"] + found["option"] >= 0.95, found


def test_the_page_of_arguments_is_up_to_date() -> None:
    page = [sys.executable, str(ROOT / "docs/airflow_fields.py"), "--check"]
    done = subprocess.run(page, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
