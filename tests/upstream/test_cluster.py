"""Submitting and deleting ask the cluster as upstream did; a small server stands in for the cluster."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml

import couler.argo as couler
from couler.argo_submitter import ArgoSubmitter
from couler.core.errors import NotFoundError

pytest.importorskip("kubernetes")


class Cluster(ThreadingHTTPServer):
    """Keeps objects by their paths, and notes what it is asked."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Answer)
        self.objects: dict[str, dict[str, Any]] = {}
        self.asked: list[tuple[str, str, Any]] = []


class Answer(BaseHTTPRequestHandler):
    server: Cluster

    def do_POST(self) -> None:
        made = self.note()
        made["metadata"] |= {"uid": "1", "resourceVersion": "1", "creationTimestamp": "2030-01-01T00:00:00Z"}
        self.server.objects[f"{self.path}/{made['metadata']['name']}"] = made
        self.answer(201, made)

    def do_GET(self) -> None:
        self.note()
        self.answer_with(self.server.objects.get(self.path))

    def do_DELETE(self) -> None:
        self.note()
        gone = self.server.objects.pop(self.path, None)
        self.answer_with(None if gone is None else {"kind": "Status", "status": "Success", "code": 200})

    def note(self) -> Any:
        body = json.loads(self.rfile.read(int(self.headers.get("Content-Length", 0))) or "null")
        self.server.asked.append((self.command, self.path, body))
        return body

    def answer_with(self, found: Any) -> None:
        missing = {"kind": "Status", "code": 404, "reason": "NotFound", "message": "not found"}
        self.answer(404, missing) if found is None else self.answer(200, found)

    def answer(self, code: int, body: Any) -> None:
        text = json.dumps(body).encode()
        self.send_response(code)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, format: str, *args: Any) -> None:
        pass


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    server = Cluster()
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def kubeconfig(cluster: Cluster, tmp_path: Path) -> str:
    file = tmp_path / "kubeconfig"
    found = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "test",
        "contexts": [{"name": "test", "context": {"cluster": "test", "user": "test"}}],
        "clusters": [{"name": "test", "cluster": {"server": f"http://127.0.0.1:{cluster.server_address[1]}"}}],
        "users": [{"name": "test", "user": {}}],
    }
    file.write_text(yaml.safe_dump(found), encoding="utf-8")
    return str(file)


WORKFLOWS = "/apis/argoproj.io/v1alpha1/namespaces/argo/workflows"


def test_a_workflow_is_submitted_and_deleted(
    cluster: Cluster, kubeconfig: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    couler.config_workflow(name="coin-flip")
    couler.run_container(image="alpine:3.20", command=["echo", "heads"], step_name="heads")

    answer = couler.run(submitter=ArgoSubmitter(namespace="argo", config_file=kubeconfig))

    name = answer["metadata"]["name"]
    method, path, made = cluster.asked[0]
    assert (method, path, made["kind"], made["metadata"]["name"]) == ("POST", WORKFLOWS, "Workflow", name)
    assert made["spec"]["templates"][1]["container"]["command"] == ["echo", "heads"]
    assert (answer.run.engine, answer.run.workflow.name) == ("argo", "coin-flip")

    gone = couler.delete(name, namespace="argo", config_file=kubeconfig, context="test", grace_period_seconds=7)

    method, path, options = cluster.asked[-1]
    assert (method, path, cluster.objects) == ("DELETE", f"{WORKFLOWS}/{name}", {})
    assert (options["gracePeriodSeconds"], options["propagationPolicy"]) == (7, "Background")
    assert gone["status"] == "Success"


@pytest.mark.usefixtures("cluster")
def test_a_workflow_that_is_not_there_is_named(kubeconfig: str) -> None:
    with pytest.raises(NotFoundError, match="other-workflow"):
        couler.delete("other-workflow", namespace="argo", config_file=kubeconfig)
