"""Raw settings for Argo are checked against its fields: path, near name, expected type, version."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from couler.backends.argo import schema as product
from tests.engines.argo import schema as crds
from tests.engines.argo import write_fields

SIZE_LIMIT = 60_000

CASES: list[tuple[str, Any, str]] = [
    ("Template", {"retryStrategy": {"backof": {}}}, "retryStrategy.backof: unknown field; did you mean 'backoff'?"),
    ("Template", {"container": 5}, "container: takes a mapping, and got the number 5"),
    ("Template.container", {"args": "x"}, "args: takes a list, and got the text 'x'"),
    ("Container", {"env": [{"name": "A", "value": 1}]}, "env[0].value: takes text, and got the number 1; write \"1\""),
    ("Container", {"env": [{"name": True}]}, 'env[0].name: takes text, and got true; write "true"'),
    ("Container", {"tty": "yes"}, "tty: takes true or false, and got the text 'yes'"),
    ("WorkflowSpec", {"parallelism": True}, "parallelism: takes a whole number, and got true"),
    ("WorkflowSpec", {"priority": None}, "priority: takes a whole number, and got nothing (null)"),
    ("WorkflowSpec", {"nodeSelector": {"a": 1}}, 'nodeSelector.a: takes text, and got the number 1; write "1"'),
    ("WorkflowSpec", {"nodeSelector": {1: "a"}}, "nodeSelector.1: keys are text, and this is the number 1; write '1'"),
    ("WorkflowSpec", {"archiveLogs": []}, "archiveLogs: takes true or false, and got a list"),
    ("WorkflowSpec", {"podGC": {"strategy": "Never"}}, "podGC.strategy: takes one of 'OnPodCompletion',"),
    ("WorkflowSpec", {"templates": [{"steps": [[{"inline": {"scrip": 1}}]]}]}, "templates[0].steps[0][0].inline.scrip"),
    ("WorkflowSpec", {"synchronization": {"mutex": {}}}, "synchronization.mutex: unknown field; Argo 4.0 took it out"),
    ("CronWorkflow", {"spec": {"schedule": "x"}}, "spec.schedule: unknown field; Argo 4.0 took it out"),
    ("PodSpec", {"hostNetwork": 1}, "hostNetwork: takes true or false, and got the number 1"),
    ("Template.dag.tasks", [{"depend": "a"}], "[0].depend: unknown field; did you mean 'depends'?"),
    ("Template.dag.tasks.arguments", {"parameter": []}, "parameter: unknown field; did you mean 'parameters'?"),
    ("Artifact", {"archive": {"none": {"a": 1}}}, "archive.none.a: unknown field; none belong here"),
    ("Template", "x", "takes a mapping, and got the text 'x'"),
    ("Template", {"container": {"command": {1, 2}}}, "container.command: takes a list, and got a value of the type"),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "data", "message"), CASES)
def test_what_does_not_fit_is_said_with_its_place(kind: str, data: Any, message: str) -> None:
    found = product.problems_of(kind, data)
    assert any(problem.startswith(message) for problem in found), found


def test_all_problems_are_said_at_once() -> None:
    assert len(product.problems_of("Template", {"a": 1, "container": {"b": 1}, "daemon": "yes"})) == 3


@pytest.mark.parametrize(
    ("kind", "data"),
    [
        ("Template", {"retryStrategy": {"limit": 3}, "activeDeadlineSeconds": "10", "plugin": {"x": {"y": 1}}}),
        ("Container", {"resources": {"limits": {"cpu": 1, "memory": "1Gi"}}, "securityContext": {"runAsUser": 0}}),
        ("WorkflowStep", {"withItems": [1, "a", {"k": []}], "inline": {"suspend": {}}}),
        ("PodSpec", {"containers": [{"name": "main", "$patch": "delete"}], "tolerations": [{"key": "gpu"}]}),
        ("WorkflowSpec", {"ttlStrategy": {"secondsAfterCompletion": 0}, "podGC": {"strategy": ""}}),
        ("Workflow", {"metadata": {"labels": {"a": "b"}}, "spec": {}}),
    ],
)
def test_what_fits_is_left_in_peace(kind: str, data: dict[str, Any]) -> None:
    assert product.problems_of(kind, data) == []


@pytest.mark.parametrize(
    ("version", "data", "since"),
    [("4.0", {"pendingTimeout": "1s"}, "4.1"), ("3.6", {"retryStrategy": {"backoff": {"cap": "1s"}}}, "3.7")],
)
def test_newer_fields_are_told_from_unknown_ones(version: str, data: dict[str, Any], since: str) -> None:
    assert product.problems_of("Template", data) == []
    [problem] = product.problems_of("Template", data, version)
    assert problem.endswith(f"exists since Argo {since}, and the workflow is written for {version}")


def test_an_unknown_kind_is_a_mistake_of_the_caller() -> None:
    with pytest.raises(ValueError, match="did you mean 'Template'"):
        product.problems_of("Templat", {})
    with pytest.raises(ValueError, match="did you mean 'container'"):
        product.problems_of("Template.contaner", {})
    with pytest.raises(ValueError, match="has no fields"):
        product.fields_of("Template.name")


def test_argo_has_as_many_fields_as_its_documentation_says() -> None:
    counts = [len(product.fields_of(kind)) for kind in ("WorkflowSpec", "Template", "DAGTask", "WorkflowStep")]
    assert counts == [44, 42, 14, 12]


def test_the_committed_list_is_the_one_made_from_the_definitions() -> None:
    text = Path(product.__file__).with_name("fields.json").read_text()
    assert text == write_fields.text()
    assert len(text) < SIZE_LIMIT


def test_every_type_named_in_the_list_stands_in_it() -> None:
    types = json.loads(write_fields.text())
    plain = {"string", "boolean", "integer", "number", "int-or-string", "object", "any", "empty"}
    written = {of.partition("@")[0] for fields in types.values() for of in fields.values() if not of.startswith("=")}
    assert {re.sub(r"[\[\]{}]", "", of) for of in written} <= types.keys() | plain


ANY = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5) | st.integers(), inner, max_size=3),
)
FIELDS = sorted({name for kind in ("WorkflowSpec", "Template", "Container") for name in product.fields_of(kind)})


@given(data=ANY | st.dictionaries(st.sampled_from(FIELDS), ANY), kind=st.sampled_from(["WorkflowSpec", "Template"]))
def test_no_data_makes_the_check_fail_itself(data: Any, kind: str) -> None:
    assert all(isinstance(problem, str) for problem in product.problems_of(kind, data))


@given(fields=st.dictionaries(st.sampled_from(FIELDS), ANY, max_size=4))
def test_what_is_left_in_peace_has_a_shape_that_the_full_definitions_take(fields: dict[str, Any]) -> None:
    checker = crds.checker("Workflow")
    template = checker.evolve(schema=crds.schema("Workflow")["properties"]["spec"]["properties"]["templates"]["items"])
    if product.problems_of("Template", fields) == []:
        shapes = {"additionalProperties", "type", "enum"}
        errors = [error for error in template.iter_errors(fields) if error.validator in shapes]
        assert [error.message for error in errors if error.validator != "type" or error.instance is not None] == []
