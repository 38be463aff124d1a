"""Templates of other objects that are read together are resolved; the document still names the other object."""

from __future__ import annotations

from pathlib import Path

from couler import driver
from couler.backends.argo.importer import Imported, import_argo, to_argo, written
from couler.core.ir.graph import walk
from couler.core.ir.validate import problems
from tests.core.render.executed import executed, without_locations
from tests.importer.meaning import documents

SHARED = """
apiVersion: argoproj.io/v1alpha1
kind: WorkflowTemplate
metadata: {name: words}
spec:
  templates:
  - name: shout
    inputs: {parameters: [{name: the-word}, {name: mark, value: "!"}]}
    steps:
    - - name: up
        template: upper
        arguments: {parameters: [{name: word, value: "{{inputs.parameters.the-word}}{{inputs.parameters.mark}}"}]}
    outputs:
      parameters: [{name: loud, valueFrom: {parameter: "{{steps.up.outputs.result}}"}}]
  - name: upper
    inputs: {parameters: [{name: word}]}
    container:
      image: alpine:3.20
      command: [sh, -c, 'printf %s "$1" | tr a-z A-Z', sh]
      args: ["{{inputs.parameters.word}} {{workflow.parameters.who}}"]
"""
CLUSTER_WIDE = """
apiVersion: argoproj.io/v1alpha1
kind: ClusterWorkflowTemplate
metadata: {name: words}
spec:
  templates:
  - name: again
    inputs: {parameters: [{name: word}]}
    steps:
    - - name: shouted
        templateRef: {name: words, template: shout}
        arguments: {parameters: [{name: the-word, value: "{{inputs.parameters.word}}"}]}
    outputs:
      parameters: [{name: loud, valueFrom: {parameter: "{{steps.shouted.outputs.parameters.loud}}"}}]
"""
CALLS = """
apiVersion: argoproj.io/v1alpha1
kind: Workflow
metadata: {name: calls}
spec:
  entrypoint: main
  arguments: {parameters: [{name: who, value: ada}]}
  templates:
  - name: main
    dag:
      tasks:
      - name: once
        templateRef: {name: words, template: shout}
        arguments: {parameters: [{name: the-word, value: hi}]}
      - name: twice
        dependencies: [once]
        templateRef: {name: words, template: again, clusterScope: true}
        arguments: {parameters: [{name: word, value: "{{tasks.once.outputs.parameters.loud}}"}]}
    outputs:
      parameters: [{name: said, valueFrom: {parameter: "{{tasks.twice.outputs.parameters.loud}}"}}]
"""
CIRCLE = """
apiVersion: argoproj.io/v1alpha1
kind: WorkflowTemplate
metadata: {name: %s}
spec:
  entrypoint: main
  templates:
  - name: main
    steps: [[{name: next, templateRef: {name: %s, template: main}}]]
"""


def _codes(imported: Imported) -> list[str]:
    return [finding.code for finding in imported.report if finding.code in ("ARGO042", "ARGO044")]


def test_templates_of_other_files_are_steps_that_run_here(tmp_path: Path) -> None:
    imported = import_argo(CALLS, SHARED, CLUSTER_WIDE)
    calls = imported.workflows[0]

    assert [problems(workflow) for workflow in imported.workflows if problems(workflow)] == []
    assert set(_codes(imported)) == {"ARGO044"}
    assert "twice/shouted/up/upper" in dict(walk(calls))
    run = driver.run(calls, {"who": "bob"}, root=tmp_path / ".couler")
    assert run.outputs == {"said": "HI! BOB! BOB"}


def test_the_documents_still_name_the_other_object() -> None:
    imported = import_argo(CALLS, SHARED, CLUSTER_WIDE)

    assert documents(to_argo(imported)) == documents("---".join((CALLS, SHARED, CLUSTER_WIDE)))
    found = executed(written(imported, "python"))
    assert list(map(without_locations, found)) == list(map(without_locations, imported.workflows))


def test_one_file_may_hold_them_all() -> None:
    together = import_argo("---".join((CALLS, SHARED, CLUSTER_WIDE)))

    assert together.workflows == import_argo(CALLS, SHARED, CLUSTER_WIDE).workflows


def test_templates_that_were_not_given_are_reported() -> None:
    imported = import_argo(CALLS, SHARED)

    assert _codes(imported) == ["ARGO044", "ARGO042"]
    assert "was not given too" in str(next(one for one in imported.report if one.code == "ARGO042"))


def test_objects_that_call_each_other_are_a_recursion_and_no_endless_reading() -> None:
    imported = import_argo(CIRCLE % ("a", "b"), CIRCLE % ("b", "a"))

    assert "ARGO042" in _codes(imported)
    assert documents(to_argo(imported)) == documents("---".join((CIRCLE % ("a", "b"), CIRCLE % ("b", "a"))))
