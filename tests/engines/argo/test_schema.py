"""The strict reading of the CRDs refuses what the API server of a cluster with Argo would refuse."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.engines.argo import schema


def container(name: str = "leaf", **fields: Any) -> dict[str, Any]:
    return {"name": name, "container": {"image": "python:3.11", "command": ["true"]}, **fields}


def workflow(*templates: dict[str, Any], **spec: Any) -> dict[str, Any]:
    return {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "Workflow",
        "metadata": {"generateName": "w-"},
        "spec": {"entrypoint": "main", "templates": list(templates), **spec},
    }


def dag(*tasks: dict[str, Any], name: str = "main", **fields: Any) -> dict[str, Any]:
    return {"name": name, "dag": {"tasks": list(tasks)}, **fields}


def task(name: str = "a", **fields: Any) -> dict[str, Any]:
    return {"name": name, "template": "leaf", **fields}


def artifact(**fields: Any) -> dict[str, Any]:
    return container(inputs={"artifacts": [{"name": "f", "path": "/f", **fields}]})


def gauge(**fields: Any) -> dict[str, Any]:
    metric = {"name": "m", "help": "h", "gauge": fields}
    return container(metrics={"prometheus": [metric]})


def resource(**fields: Any) -> dict[str, Any]:
    return {"name": "leaf", "resource": {"action": "create", **fields}}


BROKEN: list[tuple[str, dict[str, Any], str]] = [
    ("an unknown field of a container", container(initContainers=[{"name": "i", "image": "x", "imag": "y"}]), "'imag'"),
    ("an unknown field of an inline template", dag(task(inline={"container": {"image": "x", "imag": 1}})), "'imag'"),
    ("fields where none belong", artifact(archive={"none": {"x": 1}}), "takes no fields"),
    ("a number as a parameter", container(inputs={"parameters": [{"name": "p", "value": 1}]}), "not of type 'string'"),
    ("an empty enum", container(inputs={"parameters": [{"name": "p", "enum": []}]}), "should be non-empty"),
    ("an underscore in a template name", container("a_b"), "does not match"),
    ("a template name of 129 characters", container("a" * 129), "too long"),
    ("an artifact mode over 0777", artifact(mode=512), "greater than the maximum"),
    ("an unknown retry policy", container(retryStrategy={"retryPolicy": "Sometimes"}), "is not one of"),
    ("an unknown action", {"name": "leaf", "resource": {"action": "watch"}}, "is not one of"),
    ("items that are no list", dag(task(withItems={"a": 1})), "not a list"),
    ("a variable twice", container(script={"env": [{"name": "A"}, {"name": "A"}]}), "repeats"),
    ("201 tasks", dag(*[task(f"t{number}") for number in range(201)]), "too long"),
    ("501 inputs", container(inputs={"parameters": [{"name": f"p{n}"} for n in range(501)]}), "too long"),
    ("two locations of an artifact", artifact(raw={"data": "x"}, s3={"key": "k"}), "at most one artifact location"),
    ("resource use in a live gauge", gauge(realtime=True, value="{{resourcesDuration.cpu}}"), "real-time gauges"),
    ("depends with dependencies", dag(task(depends="b", dependencies=["b"])), "both 'depends' and 'dependencies'"),
    ("depends with continueOn", dag(task(depends="b", continueOn={"failed": True})), "cannot use 'continueOn'"),
    ("a digit first with depends", dag(task("1a", depends="b")), "cannot begin with a digit"),
    ("count with end", dag(task(withSequence={"count": "1", "end": "2"})), "only one of count or end"),
    ("two manifests", resource(manifest="x", manifestFrom={"artifact": {"name": "a"}}), "only one of manifest"),
    ("two template types", container(suspend={}), "at most one template type"),
    ("a timeout on a DAG", dag(task(), timeout="10s"), "timeout cannot be applied"),
    ("a deadline on a DAG", dag(task(), activeDeadlineSeconds="10"), "only valid for leaf templates"),
]


@pytest.mark.parametrize(("template", "reason"), [case[1:] for case in BROKEN], ids=[case[0] for case in BROKEN])
def test_what_the_server_refuses_is_refused(template: dict[str, Any], reason: str) -> None:
    found = schema.problems(workflow(template))
    assert any(reason in problem for problem in found), found


def test_a_document_as_couler_writes_them_is_accepted() -> None:
    sound = workflow(
        container(retryStrategy={"limit": "2", "backoff": {"duration": "1s", "factor": "2"}}),
        dag(task("1a"), task("b", depends="1a", when="{{=true}}", withItems=[1, "x", {"a": 1}]), failFast=False),
        parallelism=3,
    )
    assert schema.problems(sound) == []


def test_every_rule_of_the_crds_is_ported_and_none_besides() -> None:
    stated = {rule for kind in schema.FILES for rule in _rules(schema.schema(kind))}
    assert stated == set(schema.RULES)


def test_the_whole_workflow_has_caps_too() -> None:
    found = schema.problems(workflow(*[container(f"t{number}") for number in range(201)], parallelism=0))
    assert any(problem.startswith("spec.templates: ") and "too long" in problem for problem in found)
    assert any(problem.startswith("spec.parallelism: ") for problem in found)


def test_a_cron_workflow_is_checked_inside() -> None:
    document = {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "CronWorkflow",
        "metadata": {"name": "c"},
        "spec": {"schedule": "* * * * *", "schedules": ["* * * * *"], "workflowSpec": {"entrypont": "x"}},
    }
    assert schema.problems(document) == [
        "spec.workflowSpec: unknown field 'entrypont'",
        "spec: unknown field 'schedule'",
    ]


@pytest.mark.parametrize(
    ("metadata", "reason"),
    [
        ({}, "neither name nor generateName"),
        ({"name": "Upper"}, "no DNS subdomain"),
        ({"name": "a" * 254}, "no DNS subdomain"),
        ({"name": "a", "labels": {"k": "not ok"}}, "no label value"),
        ({"name": "a", "labels": {"k": "v" * 64}}, "no label value"),
        ({"name": "a", "annotations": {"k": True}}, "is no text"),
        ({"name": "a", "annotations": {"k": "v" * 262_145}}, "more than 262144 bytes"),
        ({"name": "a", "uid": "1"}, "unknown or read-only field 'uid'"),
    ],
)
def test_metadata_follow_kubernetes(metadata: dict[str, Any], reason: str) -> None:
    found = schema.problems({**workflow(container()), "metadata": metadata})
    assert any(reason in problem for problem in found), found


def test_other_kinds_and_versions_are_named() -> None:
    assert schema.problems({"kind": "Pod"})[0].startswith("kind: 'Pod' is none of")
    assert schema.problems({**workflow(container()), "apiVersion": "v1"}) == [
        "apiVersion: 'v1' is not 'argoproj.io/v1alpha1'"
    ]


def _rules(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        for rule in node.get("x-kubernetes-validations", []):
            if isinstance(rule, dict):
                yield rule["rule"]
        for child in node.values():
            yield from _rules(child)
    elif isinstance(node, list):
        for child in node:
            yield from _rules(child)
