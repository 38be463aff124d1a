"""DAG files as Airflow itself reads them, its own examples among them: the same DAGs, tasks and order.

python -m tests.importer.test_airflow_itself      the counts that docs/importing.md shows
"""

from __future__ import annotations

import sys
from collections import Counter
from functools import cache
from pathlib import Path

import pytest

from couler import driver
from couler.backends.airflow.importer import Imported, import_dags, read_dags, summary, written
from couler.backends.airflow.importer.flow import edges_of
from couler.backends.airflow.importer.report import Report
from couler.core.errors import TextFormError
from couler.core.ir.validate import problems
from tests.core.render.executed import executed
from tests.engines.airflow import dagbag, installation
from tests.importer.test_airflow import DAGS, shape

WHY_NOT = dagbag.reason_to_skip()
pytestmark = [pytest.mark.skipif(bool(WHY_NOT), reason=WHY_NOT), pytest.mark.timeout(600)]

OURS = tuple(DAGS / f"{name}.py" for name in ("orders", "rules", "mapped"))


def examples() -> list[Path]:
    """The examples that the packages of Airflow bring along."""
    [packages] = (installation.build() / "lib").glob("python3*/site-packages")
    folders = (packages / "airflow/example_dags", packages / "airflow/providers/standard/example_dags")
    return [file for folder in folders for file in sorted(folder.rglob("*.py")) if file.name != "__init__.py"]


@cache
def imported(file: Path) -> Imported | None:
    """What becomes of a file; None when it holds no DAG."""
    try:
        return import_dags(file.read_text(encoding="utf-8"), file.name)
    except TextFormError:
        return None


Order = dict[str, dict[str, set[str]]]
"""DAG to task to the tasks right after it."""


def order_here(file: Path) -> Order:
    found: Order = {}
    dags = read_dags(file.read_text(encoding="utf-8"), Report(file.name)) if imported(file) is not None else []
    for dag in dags:
        found[dag.id] = {task.id: set() for task in dag.tasks}
        for left, right in edges_of(dag):
            if left is not right and left.mapped_group is None and right.mapped_group is None:
                found[dag.id][left.id].add(right.id)
    return found


def order_there(report: dagbag.Report) -> Order:
    """The same as Airflow has it; inside of mapped groups and into them couler has groups."""
    found: Order = {}
    for name, dag in report.dags.items():
        tasks = {one["__var"]["task_id"]: set(one["__var"].get("downstream_task_ids", ())) for one in dag["tasks"]}
        mapped = tuple(f"{group}." for group in _mapped(dag["task_group"]))
        inside = {task for task in tasks if task.startswith(mapped)}
        found[name] = {task: set() if task in inside else after - inside for task, after in tasks.items()}
    return found


def _mapped(group: dict[str, object]) -> list[str]:
    children = group.get("children")
    assert isinstance(children, dict)
    found = [str(group["_group_id"])] if group.get("is_mapped") else []
    return [*found, *(one for kind, inner in children.values() if kind == "taskgroup" for one in _mapped(inner))]


def test_airflow_reads_the_same_tasks_in_the_same_order() -> None:
    files = [file for file in (*OURS, *examples()) if imported(file) is not None]
    reports = dagbag.read(files)
    read = {file: report for file, report in reports.items() if not report.errors}
    assert len(read) >= len(files) - 3  # those ask for plugins
    for file, report in read.items():
        assert order_here(file) == order_there(report), file.name


def test_every_example_becomes_a_program_that_declares_the_same_workflow() -> None:
    for file in examples():
        found = imported(file)
        if found is not None:
            assert [problems(one) for one in found.workflows if problems(one)] == []
            assert list(map(shape, executed(written(found)))) == list(map(shape, found.workflows)), file.name


def counts() -> Counter[str]:
    """How many examples come through."""
    found: Counter[str] = Counter()
    for file in examples():
        one = imported(file)
        if one is None:
            found["files without a DAG"] += 1
            continue
        found["files with losses" if summary(one.report)["loss"] else "files without loss"] += 1
        for workflow in one.workflows:
            found["DAGs"] += 1
            for engine in ("argo", "airflow"):
                found[f"DAGs that compile to {engine}"] += bool(driver.compile(workflow, engine))
    return found


def test_the_page_has_the_counts() -> None:
    page = " ".join((DAGS.parents[2] / "docs/importing.md").read_text(encoding="utf-8").split())
    found = counts()
    files = found["files without loss"] + found["files with losses"]
    assert f"with {files} example files that hold {found['DAGs']} DAGs" in page
    assert f"{found['files without loss']} files without a loss and {found['files with losses']} with losses" in page
    assert found["DAGs"] == found["DAGs that compile to argo"] == found["DAGs that compile to airflow"]


def main() -> None:
    """Print the counts."""
    sys.stdout.write("".join(f"{count:4} {what}\n" for what, count in counts().items()))


if __name__ == "__main__":
    main()
