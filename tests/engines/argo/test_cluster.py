"""Argo runs on the cluster for real: values, files, retries, waiting, daemons, sidecars and objects that steps make."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.engines.argo import cluster
from tests.engines.argo.cluster import Cluster
from tests.engines.kubernetes.tools import reason_to_skip

WHY_NOT = reason_to_skip(cluster.build)
pytestmark = [pytest.mark.skipif(bool(WHY_NOT), reason=WHY_NOT), pytest.mark.timeout(600)]

WORKFLOWS = "/apis/argoproj.io/v1alpha1/namespaces/default/workflows"
ENDED = ("Succeeded", "Failed", "Error")


@pytest.fixture(scope="module")
def running() -> Iterator[Cluster]:
    with cluster.running() as started:
        yield started


def test_values_pass_through_a_list_and_files_through_the_store(running: Cluster) -> None:
    make = "import json; json.dump([1, 2, 3], open('/tmp/items', 'w')); open('/tmp/file', 'w').write('words')"
    square = "open('/tmp/square', 'w').write(str({{inputs.parameters.x}} ** 2))"
    collect = "print('{{inputs.parameters.all}}', open('/tmp/in').read())"
    tasks = [
        {"name": "make", "template": "make"},
        {
            "name": "each",
            "depends": "make",
            "template": "square",
            "withParam": "{{tasks.make.outputs.parameters.items}}",
            "arguments": {"parameters": [{"name": "x", "value": "{{item}}"}]},
        },
        {
            "name": "collect",
            "depends": "each",
            "template": "collect",
            "arguments": {
                "parameters": [{"name": "all", "value": "{{tasks.each.outputs.parameters.square}}"}],
                "artifacts": [{"name": "file", "from": "{{tasks.make.outputs.artifacts.file}}"}],
            },
        },
    ]
    made = {"parameters": [_value("items")], "artifacts": [{"name": "file", "path": "/tmp/file"}]}
    templates = [
        {"name": "main", "dag": {"tasks": tasks}},
        {"name": "make", "script": _python(make), "outputs": made},
        {
            "name": "square",
            "inputs": {"parameters": [{"name": "x"}]},
            "script": _python(square),
            "outputs": {"parameters": [_value("square")]},
        },
        {
            "name": "collect",
            "inputs": {"parameters": [{"name": "all"}], "artifacts": [{"name": "file", "path": "/tmp/in"}]},
            "script": _python(collect),
            "outputs": {"parameters": [{"name": "none", "valueFrom": {"path": "/tmp/none", "default": "no"}}]},
        },
    ]
    nodes = _run(running, templates)
    assert nodes["main"]["phase"] == "Succeeded"
    assert '["1","4","9"] words\n' in _log(running, nodes["collect"])
    assert nodes["collect"]["outputs"]["parameters"][0]["value"] == "no"


def test_a_step_is_tried_again_as_its_expression_says_and_with_more_memory(running: Cluster) -> None:
    patch = {
        "containers": [
            {"name": "main", "resources": {"limits": {"memory": "{{= string(64 * (1 + 4 * asInt(retries))) }}Mi"}}}
        ]
    }
    limited = {**_python("b = bytearray(150 << 20)"), "resources": {"limits": {"memory": "64Mi"}}}
    templates = [
        {"name": "main", "dag": {"tasks": [_task("thrice"), _task("hungry")]}},
        {
            "name": "thrice",
            "retryStrategy": {"limit": "3", "expression": "asInt(lastRetry.exitCode) == 3"},
            "container": _shell("test {{retries}} -ge 2 || exit 3"),
        },
        {
            "name": "hungry",
            "retryStrategy": {"limit": "1", "retryPolicy": "Always"},
            "podSpecPatch": json.dumps(patch),
            "script": limited,
        },
    ]
    nodes = _run(running, templates)
    assert nodes["main"]["phase"] == "Succeeded"
    assert [nodes[f"thrice({attempt})"]["phase"] for attempt in range(3)] == ["Failed", "Failed", "Succeeded"]
    assert nodes["hungry(0)"]["message"] == "main: OOMKilled (exit code 137)"
    assert nodes["hungry(1)"]["phase"] == "Succeeded"


def test_daemons_sidecars_waiting_and_objects_made_by_steps(running: Cluster) -> None:
    serve = {"image": "python:3.11-slim", "command": ["python3", "-m", "http.server", "8000"]}
    probe = {"readinessProbe": {"httpGet": {"path": "/", "port": 8000}, "periodSeconds": 1}}
    patient = "curl --silent --fail --retry 20 --retry-delay 1 --retry-connrefused http://{}:8000/"
    wait = {"name": "wait", "suspend": {"duration": "1"}}
    config = {"kind": "ConfigMap", "apiVersion": "v1", "metadata": {"name": "made-by-a-step"}, "data": {"a": "b"}}
    templates = [
        {"name": "main", "dag": {"tasks": [_task("wait"), _task("serve"), _task("make"), _task("beside"), _ask()]}},
        wait,
        {"name": "serve", "daemon": True, "container": {**serve, **probe}},
        {
            "name": "ask",
            "inputs": {"parameters": [{"name": "ip"}]},
            "container": _shell(patient.format("{{inputs.parameters.ip}}")),
        },
        {"name": "beside", "container": _shell(patient.format("127.0.0.1")), "sidecars": [{"name": "web", **serve}]},
        {"name": "make", "resource": {"action": "create", "manifest": json.dumps(config)}},
        {"name": "bye", "container": _shell("test {{workflow.status}} = Succeeded")},
    ]
    nodes = _run(running, templates, onExit="bye")
    assert {name: nodes[name]["phase"] for name in ("main", "wait", "ask", "beside", "make")} == dict.fromkeys(
        ("main", "wait", "ask", "beside", "make"), "Succeeded"
    )
    assert next(node["phase"] for name, node in nodes.items() if name.endswith("onExit")) == "Succeeded"
    assert running.api.get("/api/v1/namespaces/default/configmaps/made-by-a-step")["data"] == {"a": "b"}


def _run(running: Cluster, templates: list[Any], **spec: Any) -> dict[str, Any]:
    """Run a workflow to its end; returns its nodes by name, the workflow's own as ``main``."""
    document = {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "Workflow",
        "metadata": {"generateName": "test-"},
        "spec": {"entrypoint": "main", "templates": templates, **spec},
    }
    name = running.api.create(WORKFLOWS, document)["metadata"]["name"]
    ended = running.api.wait(WORKFLOWS, name, lambda found: found.get("status", {}).get("phase") in ENDED, 180)
    nodes = ended["status"]["nodes"].values()
    return {"main" if node["name"] == name else node["displayName"]: node for node in nodes}


def _log(running: Cluster, node: dict[str, Any]) -> str:
    workflow, _, number = node["id"].rpartition("-")
    pod = f"{workflow}-{node['templateName']}-{number}"
    return running.api.text(f"/api/v1/namespaces/default/pods/{pod}/log?container=main")


def _value(name: str) -> dict[str, Any]:
    return {"name": name, "valueFrom": {"path": f"/tmp/{name}"}}


def _python(source: str) -> dict[str, Any]:
    return {"image": "python:3.11-slim", "command": ["python3"], "source": source}


def _shell(line: str) -> dict[str, Any]:
    return {"image": "alpine:3.20", "command": ["sh", "-c", line]}


def _task(name: str) -> dict[str, Any]:
    return {"name": name, "template": name}


def _ask() -> dict[str, Any]:
    arguments = {"parameters": [{"name": "ip", "value": "{{tasks.serve.ip}}"}]}
    return {"name": "ask", "template": "ask", "depends": "serve", "arguments": arguments}
