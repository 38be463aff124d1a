"""Any valid workflow is refused with reasons, or compiled to a DAG file that Airflow reads and that says its shape."""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings

from couler.backends.airflow.backend import AirflowBackend
from couler.core import passes
from couler.core.ir.features import features_of
from couler.core.ir.model import Workflow
from couler.core.ir.validate import problems
from tests.conformance.readers.airflow import dag_text, read
from tests.conformance.shape import differences, shape_of
from tests.core.ir.strategies import without_what_kubernetes_checks, workflows
from tests.engines.airflow import dagbag

BACKEND = AirflowBackend()


def taken(workflow: Workflow) -> Workflow | None:
    """The workflow with what Airflow has; None when it is invalid or refused."""
    declared = BACKEND.declaration()
    if problems(workflow) or any(declared.support(feature) == "refused" for feature in features_of(workflow)):
        return None
    for name, (rewrite, _) in passes.LOWERINGS.items():
        if name in declared.lowered.values():
            workflow = rewrite(workflow)
    return without_what_kubernetes_checks(workflow)


@pytest.mark.skipif(bool(dagbag.reason_to_skip()), reason=dagbag.reason_to_skip())
@pytest.mark.timeout(600)
def test_what_compiles_is_read_by_airflow(tmp_path: Path) -> None:
    files: list[Path] = []

    @settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
    @given(workflows())
    def compile_one(workflow: Workflow) -> None:
        lowered = taken(workflow)
        if lowered is None:
            return
        made = BACKEND.compile(lowered)
        documents = made.documents
        assert differences(shape_of(lowered), read(documents)) == []
        if made.problems:
            return
        for name, text in documents.items():
            file = tmp_path / str(len(files)) / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text, encoding="utf-8")
        files.append(
            tmp_path / str(len(files)) / next(name for name in documents if documents[name] == dag_text(documents))
        )

    compile_one()

    assert len(files) >= 20, "enough of them compile"
    found = dagbag.read(files)
    assert {file: one.errors for file, one in found.items() if one.errors} == {}
