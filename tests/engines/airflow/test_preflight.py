"""What Airflow itself refuses is said before, with what to do."""

from pathlib import Path
from typing import Any

import pytest

import couler
from couler.backends.airflow.backend import AirflowBackend
from couler.core.ir.model import FunctionTask, GroupTask, Step, Workflow
from couler.driver.load import as_workflow
from tests.engines.airflow import dagbag


@couler.step
def double(x: int) -> int:
    return 2 * x


def problems(workflow: Any) -> tuple[str, ...]:
    return AirflowBackend().compile(as_workflow(workflow)).problems


def errors(workflow: Any, folder: Path) -> list[str]:
    """What Airflow says of the DAG file."""
    documents = AirflowBackend().compile(as_workflow(workflow)).documents
    for name, text in documents.items():
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
    (file,) = [folder / name for name in documents if "/" not in name]
    return dagbag.read([file])[file].errors


def nightly() -> Any:
    @couler.workflow(schedule="0 3 * * *")
    def score(x: int) -> Any:
        return double(x)

    return score


def deep(name: str) -> Workflow:
    """A function in groups of such names, five deep."""
    step = Step(name=name, task=FunctionTask(source="def f():\n    return 1\n", entry="f"))
    for _ in range(4):
        step = Step(name=name, task=GroupTask(steps=(step,)))
    return Workflow(name="deep", steps=(step,))


def test_a_schedule_needs_defaults() -> None:
    (problem,) = problems(nightly())
    assert "parameter 'x' has no default" in problem
    assert "give it a default" in problem


@pytest.mark.skipif(bool(dagbag.reason_to_skip()), reason=dagbag.reason_to_skip())
def test_airflow_refuses_a_schedule_without_defaults(tmp_path: Path) -> None:
    (error,) = errors(nightly(), tmp_path)
    assert "required params without default values" in error


def test_a_list_that_is_known_may_not_be_too_long() -> None:
    @couler.workflow
    def wide() -> Any:
        return double.map(list(range(1025)))

    (problem,) = problems(wide)
    assert "'double' maps over 1,025 items, and Airflow takes 1,024" in problem


def test_a_list_at_the_bound_is_taken() -> None:
    @couler.workflow
    def wide() -> Any:
        return double.map(list(range(1024)))

    assert problems(wide) == ()


@pytest.mark.skipif(bool(dagbag.reason_to_skip()), reason=dagbag.reason_to_skip())
@pytest.mark.parametrize(("length", "most"), [(49, True), (50, False)], ids=["at-the-bound", "over-it"])
def test_ids_of_tasks_have_a_most(length: int, most: bool, tmp_path: Path) -> None:
    found = problems(deep("a" * length))
    assert (found == ()) == most, found
    assert (errors(deep("a" * length), tmp_path) == []) == most
