"""What couler asks of an argo-server, on a double of one."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

import pytest

from couler.backends.argo.client.artifacts import fetch
from couler.backends.argo.client.server import Server
from couler.backends.remote.retrying import Patience
from couler.config import load_settings
from couler.core.errors import ConfigError, EngineError, EngineUnreachableError
from couler.runs import StepRecord
from tests.engines.argo.doubles import Answer, serving

FILE = {"$file": True, "kind": "file", "url": "s3://bucket/w-1/w-1-a-9/data.txt"}
STEPS = [StepRecord("run", "a", "succeeded", outputs={"data": FILE}, details={"node": "w-1-9"})]


def test_the_token_comes_from_where_its_reference_says_and_is_never_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "token").write_text("from-file\n")
    monkeypatch.setenv("ARGO_TOKEN_OF_TEST", "Bearer from-env")
    with serving(Answer(200, {"version": "v4.0.7"}), Answer(200, {"version": "v4.0.7"})) as double:
        assert Server(double.url, "ml", f"file:{tmp_path / 'token'}").info()["version"] == "v4.0.7"
        server = Server(double.url, "ml", "env:ARGO_TOKEN_OF_TEST")
        assert server.info()["version"] == "v4.0.7"
    assert [one.headers["authorization"] for one in double.requests] == ["Bearer from-file", "Bearer from-env"]
    assert "from-" not in repr(server)


def test_a_token_that_is_not_there_is_named_without_a_request() -> None:
    with serving() as double, pytest.raises(ConfigError, match="NO_SUCH_TOKEN"):
        Server(double.url, "ml", "env:NO_SUCH_TOKEN").info()
    assert double.requests == []


def test_a_token_itself_is_refused_as_a_setting_and_not_repeated() -> None:
    with pytest.raises(ConfigError) as caught:
        load_settings({"token": "eyJhbGciOi"}, env={}, user=Path("none.toml"))
    assert "env:NAME or file:PATH" in str(caught.value)
    assert "eyJ" not in str(caught.value)


def test_archived_runs_are_found_by_name(tmp_path: Path) -> None:
    page = {"items": [{"metadata": {"uid": "u-1", "name": "w-1"}}]}
    with serving(Answer(200, page), Answer(200, {"metadata": {"name": "w-1"}}), Answer(200, {"items": None})) as double:
        server = Server(double.url, "ml")
        assert server.archived("w-1") == {"metadata": {"name": "w-1"}}
        assert server.archived("w-2") is None
    assert "listOptions.fieldSelector=metadata.name%3Dw-1%2Cmetadata.namespace%3Dml" in double.requests[0].path
    assert double.requests[1].path == "/api/v1/archived-workflows/u-1"


def test_a_retry_by_the_server_keeps_the_workflow_object() -> None:
    with serving(Answer(503, {"message": "busy"}), Answer(200, {"metadata": {"name": "w-1"}})) as double:
        made = Server(double.url, "ml", patience=Patience(first=0.0)).retry("w-1")
    assert made["metadata"]["name"] == "w-1"
    assert (double.requests[1].method, double.requests[1].path) == ("PUT", "/api/v1/workflows/ml/w-1/retry")


def test_a_refusal_of_the_server_says_why_and_an_absent_one_is_unreachable() -> None:
    with serving(Answer(403, {"code": 7, "message": "permission denied"})) as double:
        with pytest.raises(EngineError, match="permission denied"):
            Server(double.url, "ml").workflow("w-1")
        url = double.url
    with pytest.raises(EngineUnreachableError):
        Server(url, "ml", patience=Patience(total=0.0)).info()


def test_files_come_through_the_server_by_node_and_name(tmp_path: Path) -> None:
    with serving(Answer(200, b"hello")) as double:
        fetch(FILE, tmp_path / "there" / "data.txt", Server(double.url, "ml"), "w-1", STEPS)
    assert (tmp_path / "there" / "data.txt").read_bytes() == b"hello"
    assert double.requests[0].path == "/artifacts/ml/w-1/w-1-9/data"
    assert [path.name for path in (tmp_path / "there").iterdir()] == ["data.txt"]


def test_files_of_archived_runs_come_by_the_uid(tmp_path: Path) -> None:
    page = {"items": [{"metadata": {"uid": "u-1", "name": "w-1"}}]}
    with serving(Answer(404, b"workflow not found"), Answer(200, page), Answer(200, b"hello")) as double:
        fetch(FILE, tmp_path / "data.txt", Server(double.url, "ml"), "w-1", STEPS)
    assert (tmp_path / "data.txt").read_bytes() == b"hello"
    assert double.requests[-1].path == "/artifacts-by-uid/u-1/w-1-9/data"


def test_a_step_that_waits_is_decided_by_its_node() -> None:
    with serving(Answer(200, {})) as double:
        Server(double.url, "ml").decide("w-1", "w-1-9", "Failed", "rejected")
    asked = double.requests[0]
    assert (asked.method, asked.path) == ("PUT", "/api/v1/workflows/ml/w-1/set")
    assert asked.body == {"nodeFieldSelector": "id=w-1-9", "phase": "Failed", "message": "rejected"}


def test_folders_are_unpacked_into_their_destination(tmp_path: Path) -> None:
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w:gz") as archive:
        entry = tarfile.TarInfo("tree/deep/a.txt")
        entry.size = 2
        archive.addfile(entry, io.BytesIO(b"hi"))
    folder = {**FILE, "kind": "folder"}
    steps = [StepRecord("run", "a", "succeeded", outputs={"data": folder}, details={"node": "w-1-9"})]
    with serving(Answer(200, content.getvalue())) as double:
        fetch(folder, tmp_path / "tree", Server(double.url, "ml"), "w-1", steps)
    assert (tmp_path / "tree" / "deep" / "a.txt").read_text() == "hi"
