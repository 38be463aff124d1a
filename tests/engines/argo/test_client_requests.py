"""Requests to a cluster: which answers are tried again, which end at once, and what the user reads."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from couler.backends.argo.client import objects
from couler.backends.argo.client.connection import Connection
from couler.core.errors import (
    ConfigError,
    EngineError,
    EngineUnreachableError,
    MissingExtraError,
    NotFoundError,
    StateError,
)
from tests.engines.argo.doubles import Answer, Request, kubeconfig, refusal, serving

pytest.importorskip("kubernetes")

FINE = Answer(200, {"items": []})
BUSY = (
    refusal(429, "TooManyRequests", "slow down", Retry_After="3"),
    refusal(503, "ServiceUnavailable", "leader is changing"),
    refusal(500, "InternalError", "etcdserver: request timed out"),
    refusal(403, "Forbidden", "workflows is forbidden: exceeded quota: runs, requested: 1, used: 5, limited: 5"),
    refusal(409, "Conflict", "Operation cannot be fulfilled: the object has been modified"),
    Answer(0),
)


def test_transient_answers_are_tried_again_with_growing_waits(tmp_path: Path) -> None:
    with serving(*BUSY, FINE) as double:
        assert double.connection(tmp_path).ask("GET", "/things") == {"items": []}
    assert len(double.requests) == len(BUSY) + 1
    assert double.slept == [3.0, 0.4, 0.8, 1.6, 3.2, 6.4]


@pytest.mark.parametrize(
    ("code", "reason", "kind", "hint"),
    [
        (401, "Unauthorized", EngineError, "log in again"),
        (403, "Forbidden", EngineError, "couler doctor --engine argo"),
        (404, "NotFound", NotFoundError, "--namespace"),
        (422, "Invalid", EngineError, "couler compile --engine argo"),
    ],
)
def test_permanent_answers_stop_at_once_with_the_reason_and_what_to_do(
    code: int, reason: str, kind: type[EngineError], hint: str, tmp_path: Path
) -> None:
    with serving(refusal(code, reason, "because of the rule")) as double, pytest.raises(kind) as caught:
        double.connection(tmp_path).ask("GET", "/things", doing="list things")
    assert len(double.requests) == 1
    assert "cannot list things at http://127.0.0.1" in caught.value.message
    assert "because of the rule" in caught.value.message
    assert hint in caught.value.hint


def test_a_document_that_is_too_large_is_not_sent_again(tmp_path: Path) -> None:
    too_large = refusal(500, "InternalError", "etcdserver: request is too large")
    with serving(too_large) as double, pytest.raises(EngineError) as caught:
        double.connection(tmp_path).ask("POST", "/things", {})
    assert len(double.requests) == 1
    assert "larger than the cluster takes" in caught.value.hint


def test_a_cluster_that_never_answers_is_unreachable_after_the_patience(tmp_path: Path) -> None:
    with serving(*[Answer(0)] * 50) as double, pytest.raises(EngineUnreachableError) as caught:
        double.connection(tmp_path, total=10.0).ask("GET", "/things")
    assert sum(double.slept) <= 10.0
    assert len(double.requests) == len(double.slept) + 1
    assert "couler doctor" in caught.value.hint


def test_the_token_is_sent_and_never_shown(tmp_path: Path) -> None:
    with serving(refusal(401, "Unauthorized", "Unauthorized")) as double, pytest.raises(EngineError) as caught:
        double.connection(tmp_path).ask("GET", "/things")
    assert double.requests[0].headers["authorization"] == "Bearer secret-token-of-the-test"
    assert "secret-token" not in str(caught.value)


DOCUMENT = {
    "apiVersion": "argoproj.io/v1alpha1",
    "kind": "Workflow",
    "metadata": {"name": "w-1", "labels": {objects.RUN: "run-1"}},
}


def _existing(run: str) -> Answer:
    return Answer(200, {"metadata": {"name": "w-1", "labels": {objects.RUN: run}}})


def test_a_create_whose_answer_was_lost_finds_its_own_object(tmp_path: Path) -> None:
    exists = refusal(409, "AlreadyExists", 'workflows.argoproj.io "w-1" already exists')
    with serving(Answer(0), exists, _existing("run-1")) as double:
        made = objects.create(double.connection(tmp_path), DOCUMENT)
    assert made["metadata"]["labels"] == {objects.RUN: "run-1"}
    assert [request.method for request in double.requests] == ["POST", "POST", "GET"]


def test_an_object_of_another_run_is_not_taken_for_ones_own(tmp_path: Path) -> None:
    exists = refusal(409, "AlreadyExists", "already exists")
    with serving(exists, _existing("run-2")) as double, pytest.raises(StateError, match="of another run"):
        objects.create(double.connection(tmp_path), DOCUMENT)


def test_a_workflow_too_large_for_an_annotation_goes_into_a_config_map(tmp_path: Path) -> None:
    def made(request: Request) -> Answer:
        return Answer(201, {**DOCUMENT, "metadata": {**DOCUMENT["metadata"], "uid": "u-1"}})  # type: ignore[dict-item]

    with serving(made, Answer(201, {})) as double:
        objects.create(double.connection(tmp_path), DOCUMENT, packed="packed")
    kept = double.requests[1]
    assert kept.path == "/api/v1/namespaces/ml/configmaps"
    assert kept.body["data"] == {"workflow": "packed"}
    assert kept.body["metadata"]["ownerReferences"][0]["uid"] == "u-1"


# --- kubeconfigs -----------------------------------------------------------------------------------------------------


def test_the_namespace_is_that_of_the_context_unless_one_is_given(tmp_path: Path) -> None:
    file = tmp_path / "config"
    file.write_text(json.dumps(kubeconfig("http://127.0.0.1:1")))
    assert Connection(str(file)).namespace == "of-context"
    assert Connection(str(file), namespace="mine").namespace == "mine"


def test_an_unknown_context_is_an_error_that_lists_the_known_ones(tmp_path: Path) -> None:
    file = tmp_path / "config"
    file.write_text(json.dumps(kubeconfig("http://127.0.0.1:1")))
    with pytest.raises(ConfigError) as caught:
        Connection(str(file), "prod")
    assert caught.value.hint == "contexts there: double"


def test_a_missing_kubeconfig_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="there is no kubeconfig"):
        Connection(str(tmp_path / "none"))


def test_without_kubeconfig_and_outside_of_a_pod_no_cluster_is_known(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "none"))
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    with pytest.raises(EngineUnreachableError, match="no cluster is known") as caught:
        Connection()
    assert "--kubeconfig" in caught.value.hint


def test_without_the_package_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "kubernetes", None)
    with pytest.raises(MissingExtraError) as caught:
        Connection()
    assert caught.value.hint == 'pip install "couler[argo]"'
