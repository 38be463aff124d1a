"""Every case on Airflow, without a server: read back from its DAG file, and read by Airflow itself."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from couler.backends.airflow.backend import AirflowBackend
from couler.core import passes
from couler.core.ir.model import Workflow
from tests.conformance.case import Case
from tests.conformance.catalogue import CASES
from tests.conformance.expected import complete, refused
from tests.conformance.readers.airflow import dag_text, read
from tests.conformance.shape import differences, shape_of
from tests.engines.airflow import dagbag

DECLARED = AirflowBackend().declaration()
TAKEN = [case for case in CASES.values() if not refused(case, DECLARED)]


@cache
def lowered(name: str) -> Workflow:
    """A case with what Airflow has."""
    workflow = complete(CASES[name].workflow())
    for rewrite, (change, _) in passes.LOWERINGS.items():
        if rewrite in DECLARED.lowered.values():
            workflow = change(workflow)
    return workflow


def documents(name: str) -> dict[str, str]:
    """A case in Airflow's form, made afresh."""
    return dict(AirflowBackend().compile(lowered(name)).documents)


@pytest.mark.parametrize("case", TAKEN, ids=str)
def test_its_dag_file_says_its_shape(case: Case) -> None:
    assert differences(shape_of(lowered(case.name)), read(documents(case.name))) == []


@pytest.mark.parametrize("case", TAKEN, ids=str)
def test_its_documents_are_the_same_each_time(case: Case) -> None:
    assert documents(case.name) == documents(case.name)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """The DAG files of all cases, each with its folder beside it."""
    return list(_written(tmp_path_factory.mktemp("dags")))


def _written(root: Path) -> Iterator[Path]:
    for case in TAKEN:
        made = documents(case.name)
        for name, text in made.items():
            file = root / case.name / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text, encoding="utf-8")
            if text == dag_text(made):
                yield file


def test_a_formatter_leaves_the_dag_files_as_they_are(files: list[Path]) -> None:
    ruff(["format", "--check", "--line-length=120"], files)


def test_no_rule_finds_fault_with_the_dag_files(files: list[Path]) -> None:
    ruff(["check", "--preview", "--select=AIR,F,E9"], files)


def ruff(words: list[str], files: list[Path]) -> None:
    command, *options = words
    done = subprocess.run(
        [sys.executable, "-m", "ruff", command, "--isolated", *options, *files], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout


@pytest.mark.skipif(bool(dagbag.reason_to_skip()), reason=dagbag.reason_to_skip())
@pytest.mark.timeout(600)
def test_airflow_reads_the_dag_files_without_errors_and_warnings(files: list[Path]) -> None:
    found = dagbag.read(files)
    assert {file.name: (one.errors, one.warnings) for file, one in found.items() if one.errors or one.warnings} == {}
    assert {file.name: len(one.dags) for file, one in found.items() if len(one.dags) != 1} == {}
