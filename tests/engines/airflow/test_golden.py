"""The DAG files of small programs stay as they are written down in ``golden/``.

python -m tests.engines.airflow.test_golden    # writes them, for a change that is meant; read the difference
"""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

import couler
from couler.backends.airflow.names import VERSIONS
from couler.core.dsl.workflows import WorkflowFunction
from tests.engines import programs
from tests.engines.airflow import dagbag

FOLDER = Path(__file__).resolve().parent / "golden"
ON_ANOTHER_ENGINE = {"a_template_of_another_object", "a_schedule"}
PROGRAMS = {
    name: found
    for name, found in vars(programs).items()
    if isinstance(found, WorkflowFunction) and name not in ON_ANOTHER_ENGINE
}
IN_PODS = {"a_morning_in_pods"}
"""Programs with what only pods have."""
CASES = [(version, name) for version in VERSIONS for name in PROGRAMS]


def documents(version: str, name: str) -> dict[str, str]:
    containers = "kubernetes" if name in IN_PODS else "process"
    return dict(couler.compile(PROGRAMS[name], f"airflow@{version}", airflow_containers=containers).documents)


def dag_file(version: str, name: str) -> str:
    (found,) = [text for file, text in documents(version, name).items() if "/" not in file]
    return found


@pytest.mark.parametrize(("version", "name"), CASES)
def test_a_dag_file_is_the_one_written_down(version: str, name: str) -> None:
    kept = FOLDER / version / f"{name}.py"
    assert kept.exists(), "write it with `python -m tests.engines.airflow.test_golden`"
    assert dag_file(version, name) == kept.read_text(encoding="utf-8")


def test_every_dag_file_that_is_kept_has_a_program() -> None:
    assert {(path.parent.name, path.stem) for path in FOLDER.glob("*/*.py")} == set(CASES)


@pytest.mark.skipif(bool(dagbag.reason_to_skip()), reason=dagbag.reason_to_skip())
def test_airflow_reads_the_newest(tmp_path: Path) -> None:
    files = []
    for name in PROGRAMS:
        for file, text in documents(VERSIONS[0], name).items():
            path = tmp_path / name / file
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
            files += [path] if "/" not in file else []
    found = dagbag.read(files)
    assert {file.name: (one.errors, one.warnings) for file, one in found.items() if one.errors or one.warnings} == {}


def main() -> int:
    """Write every DAG file."""
    for version, name in CASES:
        file = FOLDER / version / f"{name}.py"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(dag_file(version, name), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
