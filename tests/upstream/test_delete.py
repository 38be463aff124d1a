"""Deleting a workflow asks the cluster as upstream did; a small server stands in for the cluster."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml

import couler.argo as couler
from couler.core.errors import NotFoundError

pytest.importorskip("kubernetes")


class Cluster(ThreadingHTTPServer):
    """Knows one workflow, and notes what it is asked."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Answer)
        self.asked: list[tuple[str, dict[str, Any]]] = []


class Answer(BaseHTTPRequestHandler):
    server: Cluster

    def do_DELETE(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.asked.append((self.path, body))
        known = self.path.endswith("/my-workflow")
        answer = {"kind": "Status", "status": "Success" if known else "Failure", "code": 200 if known else 404}
        text = json.dumps(answer | ({} if known else {"reason": "NotFound", "message": "not found"})).encode()
        self.send_response(answer["code"])  # type: ignore[arg-type]
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


def test_a_workflow_is_deleted_with_upstreams_options(cluster: Cluster, kubeconfig: str) -> None:
    answer = couler.delete("my-workflow", namespace="argo", config_file=kubeconfig, grace_period_seconds=7)
    assert answer["status"] == "Success"
    ((path, options),) = cluster.asked
    assert path == "/apis/argoproj.io/v1alpha1/namespaces/argo/workflows/my-workflow"
    assert (options["gracePeriodSeconds"], options["propagationPolicy"]) == (7, "Background")


@pytest.mark.usefixtures("cluster")
def test_a_workflow_that_is_not_there_is_named(kubeconfig: str) -> None:
    with pytest.raises(NotFoundError, match="other-workflow"):
        couler.delete("other-workflow", namespace="argo", config_file=kubeconfig, context="test")
