"""Following a run over lost connections and expired versions, on a double of the Kubernetes API."""

from __future__ import annotations

import base64
import gzip
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from couler.backends.argo.client import verbs
from couler.backends.argo.client.follow import GONE, Ledger, follow
from couler.backends.argo.client.logs import Source, pod_lines, read
from couler.backends.argo.client.server import Server
from couler.core.errors import EngineError, NotFoundError, StateError
from couler.core.ir.model import FunctionTask, Step, SuspendTask, Workflow
from couler.runs import AttemptRecord, EventRecord, RunRecord, RunStore, open_store
from tests.engines.argo.doubles import Answer, Double, refusal, serving

pytest.importorskip("kubernetes")

WORKFLOW = Workflow(name="w", steps=(Step(name="a", task=FunctionTask(source="def f(): ...", entry="f")),))


@pytest.fixture
def store(tmp_path: Path) -> Iterator[RunStore]:
    with open_store(None, tmp_path / "root") as opened:
        opened.create_run(RunRecord("run-1", "w", "argo", "pending", 1.0, remote="w-1"))
        yield opened


def _ledger(store: RunStore, tmp_path: Path, seen: list[EventRecord] | None = None) -> Ledger:
    return Ledger(
        store, "run-1", WORKFLOW, tmp_path / "root" / "runs" / "run-1", seen.append if seen is not None else None
    )


def _state(phase: str, step: str = "", version: str = "1") -> dict[str, Any]:
    nodes = {"w-1": {"id": "w-1", "name": "w-1", "displayName": "w-1", "type": "DAG", "phase": phase}}
    if step:
        nodes["w-1-9"] = {
            "id": "w-1-9", "name": "w-1.a", "displayName": "a", "type": "Pod", "phase": step, "boundaryID": "w-1",
            "templateName": "a",
        }  # fmt: skip
    metadata = {"name": "w-1", "resourceVersion": version}
    return {"metadata": metadata, "spec": {}, "status": {"phase": phase, "nodes": nodes}}


def _event(kind: str, found: Any) -> dict[str, Any]:
    return {"type": kind, "object": found}


def test_a_run_is_followed_over_a_broken_watch_and_an_expired_version(store: RunStore, tmp_path: Path) -> None:
    gone = {"kind": "Status", "code": 410, "reason": "Expired", "message": "too old resource version"}
    script = [
        Answer(200, _state("Running")),
        Answer(lines=(_event("MODIFIED", _state("Running", "Running")),), breaks=True),
        Answer(200, _state("Running", "Running")),
        Answer(lines=(_event("BOOKMARK", {"metadata": {}}), _event("ERROR", gone))),
        refusal(503, "ServiceUnavailable", "restarting"),
        Answer(200, _state("Running", "Running", "7")),
        refusal(410, "Expired", "too old resource version"),
        Answer(200, _state("Running", "Running", "8")),
        Answer(lines=(_event("MODIFIED", _state("Succeeded", "Succeeded")),)),
    ]
    seen: list[EventRecord] = []
    with serving(*script) as double:
        assert follow(double.connection(tmp_path), "w-1", _ledger(store, tmp_path, seen)) == "succeeded"
    assert not double.script
    assert "resourceVersion=8" in double.requests[-1].path
    assert [(event.path, event.data["status"]) for event in seen] == [("a", "running"), ("a", "succeeded")]
    assert [event.kind for event in store.events("run-1")] == ["run-ended"]
    assert [(one.number, one.status) for one in store.attempts("run-1")] == [(1, "succeeded")]


def test_without_the_right_to_watch_the_run_is_looked_at_again_and_again(store: RunStore, tmp_path: Path) -> None:
    script = [
        Answer(200, _state("Running")),
        refusal(403, "Forbidden", "cannot watch resource"),
        Answer(200, _state("Succeeded", "Succeeded")),
    ]
    with serving(*script) as double:
        assert follow(double.connection(tmp_path), "w-1", _ledger(store, tmp_path)) == "succeeded"
    assert double.slept == [2.0]


def test_a_workflow_that_is_deleted_while_it_is_followed_ends_as_cancelled(store: RunStore, tmp_path: Path) -> None:
    running = _state("Running", "Running")
    with serving(Answer(200, running), Answer(lines=(_event("DELETED", running),))) as double:
        assert follow(double.connection(tmp_path), "w-1", _ledger(store, tmp_path)) == "cancelled"
    assert store.run("run-1").message == GONE
    assert store.step("run-1", "a").status == "cancelled"


def test_a_cluster_that_forbids_reading_ends_the_following_and_says_so(store: RunStore, tmp_path: Path) -> None:
    forbidden = refusal(403, "Forbidden", "cannot get resource workflows")
    with serving(forbidden) as double, pytest.raises(EngineError, match="cannot get resource workflows"):
        follow(double.connection(tmp_path), "w-1", _ledger(store, tmp_path))


def test_an_old_follower_writes_nothing_into_a_run_that_was_retried(store: RunStore, tmp_path: Path) -> None:
    store.update_run("run-1", remote="w-1-r2")
    _ledger(store, tmp_path).write(_state("Failed", "Failed"))
    assert store.run("run-1").status == "pending"
    assert store.steps("run-1") == []


def test_attempts_of_a_retried_run_count_on(store: RunStore, tmp_path: Path) -> None:
    ledger = _ledger(store, tmp_path)
    ledger.write(_state("Failed", "Failed"))
    store.update_run("run-1", remote="w-1-r2", status="pending")
    again = json.loads(json.dumps(_state("Succeeded", "Succeeded")).replace('"w-1', '"w-1-r2'))
    ledger.write(again)
    ledger.write(again)
    attempts = [(one.number, one.status, one.process) for one in store.attempts("run-1")]
    assert attempts == [(1, "failed", "w-1-a-9"), (2, "succeeded", "w-1-r2-a-9")]
    assert store.step("run-1", "a").attempts == 2


def test_the_answer_for_a_suspended_step_goes_into_compressed_nodes_too(tmp_path: Path) -> None:
    node = {
        "id": "w-1-9",
        "name": "w-1.ask",
        "displayName": "ask",
        "type": "Suspend",
        "phase": "Running",
        "boundaryID": "w-1",
    }
    nodes = {"w-1": {"id": "w-1", "name": "w-1", "type": "DAG", "phase": "Running"}, "w-1-9": node}
    packed = base64.b64encode(gzip.compress(json.dumps(nodes).encode())).decode()
    found = {
        "metadata": {"name": "w-1", "resourceVersion": "5"},
        "status": {"phase": "Running", "compressedNodes": packed},
    }
    workflow = Workflow(name="w", steps=(Step(name="ask", task=SuspendTask()),))
    record = RunRecord("run-1", "w", "argo", "running", 1.0, remote="w-1")
    conflict = refusal(409, "Conflict", "the object has been modified; please apply your changes to the latest version")
    with serving(Answer(200, found), conflict, Answer(200, found), Answer(200, {})) as double:
        verbs.decide(double.connection(tmp_path), record, lambda _: workflow, "ask", "Succeeded", "")
    sent = double.requests[-1]
    assert sent.headers["content-type"] == "application/merge-patch+json"
    assert sent.body["metadata"] == {"resourceVersion": "5"}
    inside = json.loads(gzip.decompress(base64.b64decode(sent.body["status"]["compressedNodes"])))
    assert inside["w-1-9"]["phase"] == "Succeeded"
    assert inside["w-1-9"]["finishedAt"]
    with serving(Answer(200, found)) as double, pytest.raises(StateError, match="does not wait") as caught:
        verbs.decide(double.connection(tmp_path), record, lambda _: workflow, "aks", "Succeeded", "")
    assert caught.value.hint == "did you mean 'ask'?"


def test_a_log_goes_on_behind_its_last_line_after_a_lost_connection(tmp_path: Path) -> None:
    def stamped(*lines: str) -> bytes:
        return "".join(f"{line}\n" for line in lines).encode()

    first = stamped("2026-01-01T00:00:01.1Z one", "2026-01-01T00:00:01.2Z two")
    second = stamped(
        "2026-01-01T00:00:01.1Z one", "2026-01-01T00:00:01.2Z two",
        '2026-01-01T00:00:02.0Z time=x level=INFO msg="sub-process exited" argo=true', "2026-01-01T00:00:02.5Z three",
    )  # fmt: skip
    with serving(Answer(200, first, breaks=True), Answer(200, second)) as double:
        assert list(pod_lines(double.connection(tmp_path), "p", follow=True)) == ["one", "two", "three"]
    assert "sinceTime=2026-01-01T00%3A00%3A01Z" in double.requests[1].path


def _logs(double: Double, server: Server | None, folder: Path) -> list[tuple[str, str]]:
    attempt = AttemptRecord("run-1", "a", 1, "succeeded", process="w-1-a-9")
    source = Source(double.connection(folder), server, "run-1", "w-1")
    return list(read(source, lambda: [attempt], None, False, lambda: True))


def test_logs_of_pods_that_are_gone_are_told_so(tmp_path: Path) -> None:
    gone = refusal(404, "NotFound", 'pods "w-1-a-9" not found')
    with serving(gone) as double, pytest.raises(NotFoundError, match="are gone") as caught:
        _logs(double, None, tmp_path)
    assert "archiveLogs" in caught.value.hint


def test_logs_of_pods_that_are_gone_come_from_a_server_that_kept_them(tmp_path: Path) -> None:
    gone = refusal(404, "NotFound", 'pods "w-1-a-9" not found')
    with serving(gone, Answer(200, b"one\ntime=x argo=true\ntwo\n")) as double:
        assert _logs(double, Server(double.url, "ml"), tmp_path) == [("a", "one"), ("a", "two")]
    assert double.requests[1].path == "/artifacts/ml/w-1/w-1-9/main-logs"


def test_nodes_in_argos_database_are_read_through_the_server(store: RunStore, tmp_path: Path) -> None:
    ledger = _ledger(store, tmp_path)
    offloaded = {"metadata": {"name": "w-1"}, "status": {"phase": "Succeeded", "offloadNodeStatusVersion": "fnv:1"}}
    with serving(Answer(200, _state("Succeeded", "Succeeded"))) as double:
        ledger.server = Server(double.url, "ml")
        assert ledger.write(offloaded).steps["a"].status == "succeeded"
    assert double.requests[0].path == "/api/v1/workflows/ml/w-1"


def test_a_workflow_is_deleted_with_its_nodes_in_argos_database(store: RunStore, tmp_path: Path) -> None:
    ledger = _ledger(store, tmp_path)
    running = _state("Running", "Running")
    gone = {**running, "status": {"phase": "Running", "offloadNodeStatusVersion": "fnv:1"}}
    answers = (Answer(200, running), Answer(lines=(_event("DELETED", gone),)))
    with serving(*answers) as cluster, serving(refusal(404, "NotFound", "no w-1")) as double:
        ledger.server = Server(double.url, "ml")
        assert follow(cluster.connection(tmp_path), "w-1", ledger) == "cancelled"
    assert store.step("run-1", "a").status == "cancelled"


def test_a_server_of_another_cluster_ends_the_following_and_not_the_run(store: RunStore, tmp_path: Path) -> None:
    ledger = _ledger(store, tmp_path)
    offloaded = {**_state("Running"), "status": {"phase": "Running", "offloadNodeStatusVersion": "fnv:1"}}
    unknown = refusal(404, "NotFound", "no w-1")
    with serving(Answer(200, offloaded), Answer(200, offloaded)) as cluster, serving(unknown, unknown) as double:
        ledger.server = Server(double.url, "ml")
        connection = cluster.connection(tmp_path)
        with pytest.raises(EngineError, match="does not know the workflow 'w-1'"):
            follow(connection, "w-1", ledger)
    assert store.run("run-1").status == "pending"


def test_a_follower_that_missed_the_end_finds_it_in_the_archive(store: RunStore, tmp_path: Path) -> None:
    ledger = _ledger(store, tmp_path)
    page = {"items": [{"metadata": {"uid": "u-1", "name": "w-1"}}]}
    archive = (Answer(200, page), Answer(200, _state("Succeeded", "Succeeded")))
    with serving(refusal(404, "NotFound", "no w-1")) as cluster, serving(*archive) as double:
        ledger.server = Server(double.url, "ml")
        assert follow(cluster.connection(tmp_path), "w-1", ledger) == "succeeded"
