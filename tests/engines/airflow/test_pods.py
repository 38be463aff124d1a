"""Pods of steps on a Kubernetes cluster of this machine: by their operators alone, and by a whole Airflow."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from couler.backends.airflow.backend import AirflowBackend
from couler.core.ir.model import (
    Escalation,
    ForEach,
    Input,
    ItemRef,
    JobOutput,
    JobPredicate,
    JobTask,
    OutputRef,
    Resources,
    Retry,
    RetryOn,
    Sidecar,
    Step,
    Volume,
    Workflow,
)
from tests.engines.airflow import dagbag, server
from tests.engines.airflow.test_containers import HARD, MAKE, function, played, sh, value
from tests.engines.kubernetes import node, tools

WHY_NOT = tools.reason_to_skip(node.build) or dagbag.reason_to_skip()
pytestmark = [pytest.mark.skipif(bool(WHY_NOT), reason=WHY_NOT), pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def kubeconfig() -> Iterator[Path]:
    machine = node.start({})
    yield machine.kubeconfig
    machine.stop()


def test_a_cluster_runs_the_pods(kubeconfig: Path, tmp_path: Path) -> None:
    inputs = (Input(name="x", value=value(3), type="int"), Input(name="s", value=value(HARD)))
    hard = OutputRef(step="make", output="result", path=("s",))
    beside = Sidecar(name="side", image="alpine:3.20", command=("sleep", "1000"))
    container = {"name": "a", "image": "alpine:3.20", "command": ["true"]}
    pod = {"restartPolicy": "Never", "containers": [container]}
    manifest = {
        "apiVersion": "batch/v1", "kind": "Job", "metadata": {"generateName": "w-"},
        "spec": {"backoffLimit": 0, "template": {"spec": pod}},
    }  # fmt: skip
    done = (JobPredicate(field="status.succeeded", operator=">=", value=1),)
    counted = (JobOutput(name="n", field="status.succeeded", type="int"),)
    hungry = Retry(limit=1, on=RetryOn(out_of_memory=True), escalation=Escalation(memory_maximum="64Mi"))
    found = played(
        "kubernetes", tmp_path,
        function("make", MAKE, inputs=inputs),
        sh("show", 'printf "%s" "$1"; echo told >&2; ls /scratch', hard, sidecars=(beside,),
           volumes=(Volume(path="/scratch", source="empty"),), resources=Resources(cpu=0.1, memory="64Mi")),
        sh("code", "exit 3"),
        sh("hungry", "head -c 200000000 /dev/zero | tail", resources=Resources(memory="32Mi"), retry=hungry),
        Step(name="job", task=JobTask(manifest=manifest, success=done, outputs=counted, delete_after=True)),
        kubeconfig=kubeconfig,
    )  # fmt: skip
    assert found["make"]["outputs"] == {"result": {"n": 4, "s": HARD}}
    assert found["show"]["outputs"] == {"result": HARD.removesuffix("\n")}
    assert (found["code"]["error"], found["code"]["kinds"]) == ("exit code 3", ["ExitCode"])
    assert [one["kinds"] for one in found["hungry"]["tries"]] == [["OutOfMemory"]] * 2
    assert found["job"]["outputs"] == {"n": 1}


def test_airflow_runs_pods_as_it_runs_processes(
    kubeconfig: Path, shared_airflow: server.Airflow, tmp_path: Path
) -> None:
    connection, name = f"cluster_{tmp_path.name}", f"pods-{tmp_path.parent.name}"
    extra = {"kube_config_path": str(kubeconfig), "in_cluster": False, "xcom_sidecar_container_image": "alpine:3.20"}
    api = shared_airflow.api()
    api.post(
        "/api/v2/connections", {"connection_id": connection, "conn_type": "kubernetes", "extra": json.dumps(extra)}
    )
    items = ForEach(lists={"item": OutputRef(step="make", output="result")})
    steps = (
        function("make", "def make():\n    return [1, 2]\n"),
        sh("each", 'echo "$1"', ItemRef(name="item"), foreach=items),
        sh("slow", "sleep 100", timeout=5, allow_failure=True),
    )
    options = {"airflow": {"default_args": {"kubernetes_conn_id": connection}}}
    workflow = Workflow(name=name, steps=steps, engine_options=options)
    documents = AirflowBackend().compile(workflow, options={"airflow_containers": "kubernetes"}).documents
    for file, text in reversed(documents.items()):
        path = shared_airflow.dags / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    api.until(f"/api/v2/dags/{name}", bool, 120)
    run = f"/api/v2/dags/{name}/dagRuns"
    api.post(run, {"dag_run_id": "one", "logical_date": None, "conf": {}})
    ended = api.until(f"{run}/one", lambda found: found["state"] in ("success", "failed"), 300)
    said = {task: api.get(f"{run}/one/taskInstances/{task}/xcomEntries/{key}")["value"]
            for task, key in (("each.end", "return_value"), ("slow", "error"))}  # fmt: skip
    assert ended["state"] == "success"
    assert json.loads(said["each.end"])["outputs"] == {"result": ["1", "2"]}
    assert json.loads(said["slow"]) == "ran longer than 5 s and was ended"
