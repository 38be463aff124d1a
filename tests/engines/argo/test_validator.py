"""The Go program around Argo's packages answers as Argo does."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.engines.argo import validator

needs_validator = pytest.mark.skipif(bool(validator.tools_missing()), reason=validator.tools_missing())

CALLER = """
apiVersion: argoproj.io/v1alpha1
kind: Workflow
metadata: {generateName: caller-}
spec:
  entrypoint: main
  arguments: {parameters: [{name: needed}]}
  templates:
  - name: main
    dag: {tasks: [{name: a, templateRef: {name: shared, template: leaf}}]}
"""
SHARED = """
apiVersion: argoproj.io/v1alpha1
kind: WorkflowTemplate
metadata: {name: shared}
spec:
  templates:
  - {name: leaf, container: {image: x, command: [a]}}
"""
CRON = """
apiVersion: argoproj.io/v1alpha1
kind: CronWorkflow
metadata: {name: nightly}
spec:
  schedules: ["61 * * * *"]
  workflowSpec:
    entrypoint: leaf
    templates:
    - {name: leaf, container: {image: x, command: [a]}}
"""


@needs_validator
def test_templates_are_known_to_the_documents_beside_them_and_to_no_others() -> None:
    verdicts = validator.validate_groups({"with": {"a": CALLER, "b": SHARED}, "without": {"a": CALLER}})
    assert verdicts["with"] == {"a": "", "b": ""}
    assert 'workflowtemplates.argoproj.io "shared" not found' in verdicts["without"]["a"]


@needs_validator
def test_one_text_may_hold_several_documents() -> None:
    assert validator.validate({"both": f"{CALLER}---{SHARED}"}) == {"both": ""}


@needs_validator
def test_starting_a_workflow_demands_its_arguments() -> None:
    assert "needed" in validator.validate({"a": CALLER, "b": SHARED}, submit=True)["a"]


@needs_validator
def test_unknown_fields_and_broken_yaml_are_errors_however_many_documents_are_sound() -> None:
    verdicts = validator.validate(
        {"field": SHARED.replace("image: x", "image: x, imag: y"), "yaml": f"{SHARED}---\na: [", "json": "{}"}
    )
    assert 'unknown field "spec.templates[0].container.imag"' in verdicts["field"]
    assert "cannot be read as YAML" in verdicts["yaml"]
    assert verdicts["json"].startswith("holds no Workflow")


@needs_validator
def test_cron_workflows_are_validated() -> None:
    assert "cron schedule 61 * * * * is malformed" in validator.validate({"cron": CRON})["cron"]
    assert validator.validate({"cron": CRON.replace("61", "1")}) == {"cron": ""}


@needs_validator
def test_json_is_validated_as_yaml_is() -> None:
    document = json.dumps(validator.read_yaml(SHARED)[0])
    assert validator.validate({"json": document}) == {"json": ""}


@needs_validator
def test_yaml_is_read_as_kubernetes_reads_it() -> None:
    assert validator.read_yaml("a: 1e3\nb: 0o17\nc: y\nd: 2001-01-01\n---\n- '1e3'") == [
        {"a": 1000, "b": 15, "c": True, "d": "2001-01-01"},
        ["1e3"],
    ]
    with pytest.raises(ValueError, match="already set"):
        validator.read_yaml("a: 1\na: 2")


@needs_validator
def test_expressions_are_worth_what_the_controller_finds() -> None:
    scope = {"tasks.a-b.outputs.parameters.x": "5", "tasks.c.outputs.parameters.y": None}
    compared, default, unknown, text = validator.evaluate(
        [
            "{{=fromJSON(tasks['a-b'].outputs.parameters['x']) > 3}}",
            "{{=tasks.c.outputs.parameters.y ?? 'd'}}",
            "{{tasks.d.outputs.result}}",
            "plain",
        ],
        scope,
    )
    assert (compared.value, compared.runs) == ("true", True)
    assert (default.value, default.runs) == ("d", None)
    assert "failed to resolve {{tasks.d.outputs.result}}" in unknown.error
    assert text.when_error == "expected a boolean, got plain"


@needs_validator
def test_in_bodies_of_templates_what_fails_stays_as_it_stands() -> None:
    [evaluation] = validator.evaluate(["{{=fromJSON('oops')}}"], {}, strict=False)
    assert evaluation.value == "{{=fromJSON('oops')}}"


def test_without_go_the_reason_is_given(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert validator.tools_missing() == "the validator of Argo 4.0 is not built here; `make conformance-lint` builds it"
    assert validator.build() == "go is not installed"
    done = subprocess.run([sys.executable, "-m", validator.__name__], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (validator.CANNOT_BE_HAD, "go is not installed\n")


def test_modules_that_cannot_be_had_are_a_reason_and_no_failure(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    if shutil.which("go") is None:
        pytest.skip("go is not installed")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("GOMODCACHE", str(tmp_path / "modules"))
    monkeypatch.setenv("GOPROXY", "off")
    assert validator.build().startswith("Argo's Go modules cannot be had: ")
