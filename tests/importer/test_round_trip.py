"""What is imported is written back with the same meaning, also when it has been Python in between."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from couler.backends.argo.importer import Imported, import_argo, to_argo, written
from couler.core.errors import CoulerError, TextFormError
from couler.core.ir.text import from_text
from couler.core.ir.validate import problems
from couler.driver.prepare import prepare
from tests.core.render.executed import executed, without_locations
from tests.engines.argo import validator
from tests.importer.meaning import documents

FIXTURES = sorted((Path(__file__).parent / "fixtures").glob("*.yaml"))
EXAMPLES = os.environ.get("COULER_ARGO_EXAMPLES", "")
NEWER_FIELDS = ("podResources", "resourceClaims", "executorPlugins")
"""Fields of Argo 4.1, which the validator of 4.0 does not know yet."""


@pytest.fixture(params=FIXTURES, ids=lambda file: file.stem)
def text(request: pytest.FixtureRequest) -> str:
    return str(request.param.read_text(encoding="utf-8"))


def test_the_documents_mean_the_same(text: str) -> None:
    assert documents(to_argo(import_argo(text))) == documents(text)


def test_workflows_keep_the_rules(text: str) -> None:
    assert [problems(workflow) for workflow in import_argo(text).workflows if problems(workflow)] == []


def test_python_in_between_changes_nothing(text: str) -> None:
    imported = import_argo(text)
    found = executed(written(imported, "python"))
    assert list(map(without_locations, found)) == list(map(without_locations, imported.workflows))
    assert to_argo(Imported(tuple(found), (), imported.others)) == to_argo(imported)


def test_the_text_form_in_between_changes_nothing(text: str) -> None:
    imported = import_argo(text)
    found = tuple(map(from_text, written(imported, "ir").split("\n---\n")))
    assert found == imported.workflows


def test_the_same_text_is_written_each_time(text: str) -> None:
    assert written(import_argo(text), "python") == written(import_argo(text), "python")
    assert to_argo(import_argo(to_argo(import_argo(text)))) == to_argo(import_argo(text))


@pytest.mark.skipif(bool(validator.tools_missing()), reason=validator.tools_missing() or "there")
def test_argo_accepts_what_is_written() -> None:
    texts = {file.stem: to_argo(import_argo(file.read_text(encoding="utf-8"))) for file in FIXTURES}
    assert {name: error for name, error in validator.validate(texts).items() if error} == {}


def test_a_file_without_workflows_is_refused() -> None:
    with pytest.raises(TextFormError, match="no workflow of Argo, but ConfigMap"):
        import_argo("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x}\n")


# --- the examples of Argo itself -------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def examples() -> dict[str, str]:
    """The files of Argo's examples that hold a workflow."""
    if not EXAMPLES:
        pytest.skip("COULER_ARGO_EXAMPLES does not name a folder with the examples of argo-workflows")
    files = sorted(Path(EXAMPLES).rglob("*.yaml"))
    texts = {str(file.relative_to(EXAMPLES)): file.read_text(encoding="utf-8") for file in files}
    return {name: text for name, text in texts.items() if "kind: ConfigMap\n" not in text[:60] and _is_workflow(text)}


def _is_workflow(text: str) -> bool:
    try:
        return bool(import_argo(text))
    except TextFormError:
        return False


def test_all_examples_come_back(examples: dict[str, str]) -> None:
    lost = [name for name, text in examples.items() if documents(to_argo(import_argo(text))) != documents(text)]
    assert lost == []
    assert len(examples) >= 210


@pytest.mark.skipif(bool(validator.tools_missing()), reason=validator.tools_missing() or "there")
def test_argo_judges_the_examples_as_before(examples: dict[str, str]) -> None:
    before = validator.validate(examples)
    after = validator.validate({name: to_argo(import_argo(text)) for name, text in examples.items()})
    worse = {name: error for name, error in after.items() if error and not before[name]}
    refused = [name for name, error in after.items() if error and not any(field in error for field in NEWER_FIELDS)]
    assert worse == {}
    assert refused == []


def test_the_examples_as_python_are_the_same_workflows(examples: dict[str, str]) -> None:
    for name, text in examples.items():
        imported = import_argo(text)
        found = list(map(without_locations, executed(written(imported))))
        assert found == list(map(without_locations, imported.workflows)), name


def test_most_examples_go_on_to_the_local_engine(examples: dict[str, str]) -> None:
    able = [name for name, text in examples.items() if _compiles(text)]
    assert len(able) >= 160


def _compiles(text: str) -> bool:
    try:
        for workflow in import_argo(text).workflows:
            prepare(workflow, "local", {"runtime": "docker"})
    except CoulerError:
        return False
    return True
