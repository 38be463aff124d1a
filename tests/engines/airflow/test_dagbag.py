"""What is wrong with a DAG file is said without a server."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.engines.airflow import dagbag, installation

WHY_NOT = dagbag.reason_to_skip()
pytestmark = [pytest.mark.skipif(bool(WHY_NOT), reason=WHY_NOT), pytest.mark.timeout(600)]

HEAD = """
from airflow.sdk import DAG
from airflow.providers.standard.operators.bash import BashOperator
"""
GOOD = """
with DAG("good", schedule=None):
    BashOperator(task_id="a", bash_command="true") >> BashOperator(task_id="b", bash_command="true")
"""
CYCLE = """
with DAG("cycle", schedule=None):
    a, b = (BashOperator(task_id=name, bash_command="true") for name in "ab")
    a >> b >> a
"""
OLD = """
from airflow.operators.bash import BashOperator as Old
with DAG("old", schedule=None):
    Old(task_id="a", bash_command="true")
"""


def test_errors_and_warnings_and_what_is_stored_come_by_file(tmp_path: Path) -> None:
    good, cycle, old = (_write(tmp_path, name, text) for name, text in (("good", GOOD), ("cycle", CYCLE), ("old", OLD)))
    found = dagbag.read([good, cycle, old])
    assert (found[good].errors, found[good].warnings) == ([], [])
    assert [task["__var"]["task_id"] for task in found[good].dags["good"]["tasks"]] == ["a", "b"]
    assert "Cycle detected" in found[cycle].errors[0]
    assert found[cycle].dags == {}
    assert "deprecated" in found[old].warnings[0]
    assert list(found[old].dags) == ["old"]


def test_a_file_that_ends_the_process_is_an_error_with_its_words(tmp_path: Path) -> None:
    ends = _write(tmp_path, "ends", "import os, sys; print('goodbye', file=sys.stderr, flush=True); os._exit(7)")
    with pytest.raises(dagbag.ReadError, match=r"(?s)exit code 7.*goodbye"):
        dagbag.read([ends])


def test_rules_for_airflow_find_what_has_moved(tmp_path: Path) -> None:
    old = _write(tmp_path, "old", OLD)
    assert [(found.file, found.rule) for found in dagbag.lint([old], ignore=["AIR001"])] == [(old, "AIR312")]
    assert dagbag.lint([_write(tmp_path, "good", GOOD)]) == []


def test_the_environment_does_not_contain_couler() -> None:
    done = subprocess.run([installation.python(), "-I", "-c", "import couler"], capture_output=True, text=True)
    assert "No module named 'couler'" in done.stderr


def _write(folder: Path, name: str, text: str) -> Path:
    file = folder / f"{name}.py"
    file.write_text(HEAD + text)
    return file
