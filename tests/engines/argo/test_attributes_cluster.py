"""What documents promise on paper holds on the cluster: more memory, remembered outputs, templates of other objects."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

import couler
from couler.backends.argo.backend import ArgoBackend
from couler.driver.prepare import prepare
from tests.engines.argo import cluster
from tests.engines.argo.cluster import Cluster
from tests.engines.kubernetes.tools import reason_to_skip

WHY_NOT = reason_to_skip(cluster.build)
pytestmark = [pytest.mark.skipif(bool(WHY_NOT), reason=WHY_NOT), pytest.mark.timeout(900)]

OBJECTS = "/apis/argoproj.io/v1alpha1/namespaces/default"
IMAGE = "python:3.11-slim"
ENDED = ("Succeeded", "Failed", "Error")
MIB = 2**20
MORE_MEMORY = {"limit": 3, "on": {"out_of_memory": True}, "escalation": {"memory_factor": 4, "memory_maximum": "512Mi"}}


@pytest.fixture(scope="module")
def running() -> Iterator[Cluster]:
    with cluster.running() as started:
        yield started


@couler.step(resources={"memory": "64Mi"}, retry=MORE_MEMORY)
def hungry() -> int:
    block = bytearray(150 * 2**20)
    block[::4096] = b"x" * len(block[::4096])
    return len(block)


@couler.step(cache=couler.CachePolicy(max_age=3600), retry=1)
def double(number: int) -> int:
    return 2 * number


@couler.workflow
def more_memory():
    eat = "b = bytearray(150 << 20); b[::4096] = b'x' * len(b[::4096]); print(len(b))"
    box = couler.run_container(
        image=IMAGE,
        command=["python3", "-c", eat],
        step_name="box",
        resources={"memory": "64Mi"},
        retry=MORE_MEMORY,
    )
    return {"function": hungry(), "container": box}


@couler.workflow
def remembered(number: int = 3):
    said = couler.run_container(
        image=IMAGE, command=["sh", "-c", "echo $0; date +%N"], args=[number], step_name="say", cache=True
    )
    return {"double": double(number), "all": double.map([1, 2]), "said": said}


@couler.workflow
def calling(word: str = "{{a}} word"):
    library = {"argo": {"task": {"templateRef": {"name": "library", "template": "print"}}}}
    return couler.run_container(
        image=IMAGE, command=["true"], step_name="call", env={"word": word}, engine_options=library
    )


def document(workflow: Any, **options: Any) -> dict[str, Any]:
    return ArgoBackend().document(prepare(workflow.build(), "argo", {}).workflow, options=options)


def run(running: Cluster, made: Mapping[str, Any], **parameters: str) -> dict[str, Any]:
    """The status of a run of a document."""
    for one in made["spec"].get("arguments", {}).get("parameters", ()):
        one["value"] = parameters.get(one["name"], one.get("value"))
    name = running.api.create(f"{OBJECTS}/workflows", dict(made))["metadata"]["name"]
    done = running.api.wait(f"{OBJECTS}/workflows", name, _has_ended, 400)
    status: dict[str, Any] = done["status"]
    assert status["phase"] == "Succeeded", [node.get("message") for node in status["nodes"].values()]
    return status


def _has_ended(found: Mapping[str, Any]) -> bool:
    return (found.get("status") or {}).get("phase") in ENDED


def outputs(status: Mapping[str, Any]) -> dict[str, str]:
    root = next(node for node in status["nodes"].values() if "boundaryID" not in node)
    return {one["name"]: one["value"] for one in root["outputs"]["parameters"]}


def test_what_was_killed_for_lack_of_memory_succeeds_with_more(running: Cluster) -> None:
    status = run(running, document(more_memory))
    assert outputs(status) == {"function": str(150 * MIB), "container": f'"{150 * MIB}"'}
    pods = [node for node in status["nodes"].values() if node["type"] == "Pod"]
    killed = [node for node in pods if node["phase"] == "Failed"]
    assert len(killed) == 2
    assert all("OOMKilled" in node["message"] for node in killed)
    assert len([node for node in pods if node["phase"] == "Succeeded"]) == 2


def test_what_was_remembered_does_not_run_again(running: Cluster) -> None:
    first = run(running, document(remembered))
    again = run(running, document(remembered))
    other = run(running, document(remembered), number="4")
    assert "say" not in _hits(first)
    assert _hits(again) == ["double", "double", "double", "say"]
    assert _hits(other) == ["double", "double"]
    assert outputs(first) == outputs(again)
    assert outputs(other)["double"] == "8"


def _hits(status: Mapping[str, Any]) -> list[str]:
    return sorted(
        node["templateName"] for node in status["nodes"].values() if node.get("memoizationStatus", {}).get("hit")
    )


def test_a_template_of_another_object_gets_values_and_gives_its_output(running: Cluster) -> None:
    echo = {"image": IMAGE, "command": ["printf", "%s", "<{{inputs.parameters.word}}>"]}
    template = {"name": "print", "inputs": {"parameters": [{"name": "word"}]}, "container": echo}
    library = {"kind": "WorkflowTemplate", "metadata": {"name": "library"}, "spec": {"templates": [template]}}
    running.api.create(f"{OBJECTS}/workflowtemplates", {"apiVersion": "argoproj.io/v1alpha1", **library})
    found = outputs(run(running, document(calling), word='"a word"'))
    assert json.loads(found["result"]) == "<a word>"


@pytest.mark.parametrize("kind", ["WorkflowTemplate", "ClusterWorkflowTemplate", "CronWorkflow"])
def test_the_cluster_takes_every_kind(running: Cluster, kind: str) -> None:
    made = document(remembered, kind=kind) if kind != "CronWorkflow" else _scheduled()
    place = OBJECTS.removesuffix("/namespaces/default") if kind.startswith("Cluster") else OBJECTS
    running.api.create(f"{place}/{kind.lower()}s", made)
    assert running.api.get(f"{place}/{kind.lower()}s/{made['metadata']['name']}")["kind"] == kind


def _scheduled() -> dict[str, Any]:
    made = document(remembered)
    options = {"argo": {"cronWorkflow": {"schedules": ["0 3 * * *"], "suspend": True}}}
    workflow = prepare(remembered.build(), "argo", {}).workflow.model_copy(update={"engine_options": options})
    found = ArgoBackend().document(workflow)
    assert found["spec"]["workflowSpec"]["templates"] == made["spec"]["templates"]
    return found


def test_a_workflow_runs_the_template_that_it_refers_to(running: Cluster) -> None:
    made = document(remembered, kind="WorkflowTemplate")
    made["metadata"]["name"] = "whole"
    running.api.create(f"{OBJECTS}/workflowtemplates", made)
    options = {"argo": {"workflowTemplateRef": {"name": "whole"}}}
    workflow = prepare(remembered.build(), "argo", {}).workflow.model_copy(update={"engine_options": options})
    status = run(running, ArgoBackend().document(workflow), number="5")
    assert outputs(status)["double"] == "10"
