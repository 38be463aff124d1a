"""What becomes of an imported workflow in couler's own layout: what names nothing of the document is kept."""

from __future__ import annotations

import json
from typing import Any

import couler
from couler.backends.argo.importer import Imported, import_argo
from couler.core.ir.model import Workflow

LIMITS = """
apiVersion: argoproj.io/v1alpha1
kind: Workflow
metadata: {name: limits}
spec:
  entrypoint: main
  templates:
  - name: main
    parallelism: 2
    metrics: {prometheus: [{name: runs, help: Runs, counter: {value: "1"}}]}
    dag:
      failFast: false
      target: a
      tasks: [{name: a, template: leaf}, {name: b, template: leaf}]
  - name: leaf
    container: {image: "alpine:3.20", command: ["true"]}
"""
NAMES = """
apiVersion: argoproj.io/v1alpha1
kind: Workflow
metadata: {name: names}
spec:
  entrypoint: main
  templates:
  - name: main
    steps:
    - - {name: a, template: leaf}
    - - {name: b, template: leaf, when: "{{steps.a.status}} =~ 'Suc'"}
  - name: leaf
    container: {image: "alpine:3.20", command: ["true"]}
"""


def _entry(workflow: Workflow) -> dict[str, Any]:
    [text] = couler.compile(workflow, "argo", format="json").documents.values()
    spec = json.loads(text)["spec"]
    return next(template for template in spec["templates"] if template["name"] == spec["entrypoint"])


def _found(imported: Imported, code: str) -> list[str]:
    return [finding.path for finding in imported.report if finding.code == code]


def test_limits_of_the_first_template_are_compiled_and_what_names_its_steps_is_reported() -> None:
    imported = import_argo(LIMITS)
    entry = _entry(imported.workflows[0])

    assert entry["parallelism"] == 2
    assert entry["metrics"]["prometheus"][0]["name"] == "runs"
    assert entry["dag"]["failFast"] is False
    assert "target" not in entry["dag"]
    assert _found(imported, "ARGO061") == ["spec.templates[main].dag.target"]


def test_options_that_name_parts_of_the_document_are_reported_and_refused() -> None:
    imported = import_argo(NAMES)

    assert _found(imported, "ARGO061") == ["spec.templates[main].b.when"]
    [problem] = couler.compile(imported.workflows[0], "argo").problems
    assert "a tag names 'steps.a', which this template does not have" in problem
    assert "couler import --to argo" in problem
