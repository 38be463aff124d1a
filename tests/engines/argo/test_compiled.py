"""What couler compiles for Argo is taken by the API server, by Argo's validator and by its YAML reader."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from couler.backends.argo.backend import VERSIONS, ArgoBackend
from couler.backends.argo.preflight import preflight
from couler.backends.argo.schema import problems_of
from couler.core.errors import UnsupportedFeatureError
from couler.core.ir.model import Workflow
from couler.driver import load_workflow
from couler.driver.prepare import prepare
from tests.conformance.catalogue import CASES
from tests.engines.argo import schema, validator

EXAMPLES = Path(__file__).resolve().parents[3] / "examples"
TEMPLATE_KINDS = ("WorkflowTemplate", "ClusterWorkflowTemplate")
Documents = Mapping[str, dict[str, Any]]
"""Name to the data of a compiled document."""


def workflows() -> dict[str, Workflow]:
    """Every conformance case and example, as far as Argo can do it."""
    found = {name: case.workflow() for name, case in CASES.items()}
    programs = [*sorted((EXAMPLES / "paper").glob("*.py")), *sorted(EXAMPLES.glob("*.py"))]
    found |= {f"{path.parent.name}/{path.stem}": load_workflow(str(path)) for path in programs}
    lowered = {}
    for name, workflow in found.items():
        try:
            lowered[name] = prepare(workflow, "argo", {}).workflow
        except UnsupportedFeatureError:
            assert not name.startswith("paper/"), "Argo can do all listings of the paper"
    return lowered


@pytest.fixture(scope="module")
def lowered() -> dict[str, Workflow]:
    return workflows()


@pytest.fixture(scope="module")
def compiled(lowered: dict[str, Workflow]) -> Documents:
    return {name: _data(workflow) for name, workflow in lowered.items()}


@pytest.fixture(scope="module")
def templates(lowered: dict[str, Workflow]) -> Documents:
    return {
        f"{name} as {kind}": _data(workflow, kind=kind) for name, workflow in lowered.items() for kind in TEMPLATE_KINDS
    }


def _data(workflow: Workflow, **options: str) -> dict[str, Any]:
    [text] = ArgoBackend().compile(workflow, options={"format": "json", **options}).documents.values()
    found: dict[str, Any] = json.loads(text)
    return found


def test_most_cases_compile(compiled: Documents) -> None:
    assert len(compiled) > 0.9 * len(CASES)


def test_documents_keep_the_full_definitions(compiled: Documents) -> None:
    broken = {name: schema.problems(document) for name, document in compiled.items()}
    assert {name: problems for name, problems in broken.items() if problems} == {}


def test_templates_keep_the_full_definitions(templates: Documents) -> None:
    broken = {name: schema.problems(document) for name, document in templates.items()}
    assert {name: problems for name, problems in broken.items() if problems} == {}


@pytest.mark.parametrize("version", VERSIONS)
def test_fields_that_a_version_lacks_are_refused(lowered: dict[str, Workflow], version: str) -> None:
    unsaid = {}
    for name, workflow in lowered.items():
        made = ArgoBackend().compile(workflow, version, {"format": "json"})
        [text] = made.documents.values()
        document = json.loads(text)
        problems = problems_of(document["kind"], document, version)
        if problems and not all(any(problem in said for said in made.problems) for problem in problems):
            unsaid[name] = problems
    assert unsaid == {}


def test_preflight_finds_nothing_but_parameters_to_give(compiled: Documents) -> None:
    found = {name: preflight([document]) for name, document in compiled.items()}
    others = {
        name: [finding.message for finding in findings if finding.rule != "argument-without-value"]
        for name, findings in found.items()
    }
    assert {name: messages for name, messages in others.items() if messages} == {}


def test_yaml_and_json_say_the_same(lowered: dict[str, Workflow], compiled: Documents) -> None:
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    different = [name for name, text in _texts(lowered).items() if yaml.load(text, loader) != compiled[name]]
    assert different == []


needs_validator = pytest.mark.skipif(bool(validator.tools_missing()), reason=validator.tools_missing())


@needs_validator
def test_argo_accepts_every_document(compiled: Documents) -> None:
    assert _refused(compiled) == {}


@pytest.mark.parametrize("version", [version for version in VERSIONS if version in validator.VERSIONS])
def test_older_lines_of_argo_accept_what_is_compiled_for_them(lowered: dict[str, Workflow], version: str) -> None:
    if reason := validator.tools_missing(version):
        pytest.skip(reason)
    made = {name: ArgoBackend().compile(workflow, version, {"format": "json"}) for name, workflow in lowered.items()}
    taken = {name: one for name, one in made.items() if not one.problems}
    assert len(taken) > 0.95 * len(made)
    documents = {name: json.loads(text) for name, one in taken.items() for text in one.documents.values()}
    assert _refused(documents, version=version) == {}


@needs_validator
def test_argo_accepts_every_template(templates: Documents) -> None:
    assert _refused(templates) == {}


@needs_validator
def test_argo_would_start_every_workflow_once_its_parameters_are_given(compiled: Documents) -> None:
    given = json.loads(json.dumps(compiled))
    for document in given.values():
        if document["kind"] == "Workflow":
            for parameter in document["spec"].get("arguments", {}).get("parameters", ()):
                parameter.setdefault("value", "null")
    assert _refused(given, submit=True) == {}


@needs_validator
def test_kubernetes_reads_the_yaml_as_it_was_meant(lowered: dict[str, Workflow], compiled: Documents) -> None:
    texts = _texts(lowered)
    read = dict(zip(texts, validator.read_yaml_texts(list(texts.values())), strict=True))
    assert [name for name, documents in read.items() if documents != [compiled[name]]] == []


def _texts(lowered: Mapping[str, Workflow]) -> dict[str, str]:
    texts = {}
    for name, workflow in lowered.items():
        [texts[name]] = ArgoBackend().compile(workflow).documents.values()
    return texts


def _refused(documents: Documents, *, submit: bool = False, version: str = validator.DEFAULT) -> dict[str, str]:
    groups = {name: {name: json.dumps(document)} for name, document in documents.items()}
    verdicts = validator.validate_groups(groups, submit=submit, version=version)
    return {name: found[name] for name, found in verdicts.items() if found[name]}
