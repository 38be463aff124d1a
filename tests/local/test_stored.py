"""Files at URLs: brought before a step, stored after one, with credentials that show nowhere."""

from __future__ import annotations

import base64
import functools
import http.server
import os
import subprocess
import threading
from pathlib import Path

import pytest

from couler.backends.local.git import checkout
from couler.backends.local.stored import connection, fetch, store
from couler.core.errors import ArtifactError
from couler.core.ir.model import (
    Constant,
    ForEach,
    GroupTask,
    Input,
    ItemRef,
    ListOf,
    Output,
    Parameter,
    ParameterRef,
    SecretRef,
    Step,
    StoredFile,
)
from tests.local.conftest import flow, function, out

READ = "def f(x):\n    return x.read_text()\n"
WRITE = "def f(file):\n    file.write_text('new')\n"
LIST = "def f(x):\n    return sorted(p.name for p in x.iterdir() if p.name != '.git')\n"
PASSWORD = {"password": SecretRef(name="git", key="password"), "username": SecretRef(name="git", key="user")}


def stored_at(url, kind="file", **more):
    return (Output(name="file", type=kind, path="out", store=StoredFile(url=url, **more)),)


# --- outputs -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("as_url", [False, True])
def test_an_output_is_also_stored_at_its_url(run, tmp_path, as_url):
    target = tmp_path / "my files" / "model.bin"
    url = target.as_uri() if as_url else str(target)
    read = function("r", READ, {"x": out("w", "file")}, types={"x": "file"})
    result = run(flow(function("w", WRITE, outputs=stored_at(url)), read, outputs={"r": out("r")}))
    assert result.outputs == {"r": "new"}
    assert target.read_text() == "new"
    assert [path.name for path in target.parent.iterdir()] == ["model.bin"]


def test_a_folder_is_stored_with_all_that_is_in_it(run, tmp_path):
    source = "def f(file):\n    (file / 'a').mkdir()\n    (file / 'a' / 'b').write_text('B')\n"
    result = run(flow(function("w", source, outputs=stored_at(str(tmp_path / "there"), "folder"))))
    assert result.status == "succeeded"
    assert (tmp_path / "there" / "a" / "b").read_text() == "B"


def test_an_output_that_cannot_be_stored_fails_its_step(run, tmp_path):
    (tmp_path / "taken").write_text("a file, where a folder should be")
    result = run(flow(function("w", WRITE, outputs=stored_at(str(tmp_path / "taken" / "model")))))
    assert result.status == "failed"
    assert result.error("w").startswith(f"cannot write {tmp_path}/taken/model: ")
    assert result.attempts("w")[0].error == "ArtifactError"


def test_a_missing_credential_of_an_output_fails_its_step(run, tmp_path):
    token = {"token": SecretRef(name="store", key="token")}
    result = run(flow(function("w", WRITE, outputs=stored_at(str(tmp_path / "m"), credentials=token))))
    assert "COULER_SECRET_STORE_TOKEN" in result.error("w")


def test_stores_of_all_kinds_take_and_give_files_and_folders(tmp_path):
    (tmp_path / "folder" / "sub").mkdir(parents=True)
    (tmp_path / "folder" / "sub" / "file").write_text("text")
    store(tmp_path / "folder", "memory://bucket/folder", {}, {})
    fetch("memory://bucket/folder", {}, {}, tmp_path / "back")
    assert (tmp_path / "back" / "sub" / "file").read_text() == "text"
    store(tmp_path / "folder" / "sub" / "file", "memory://bucket/one", {}, {})
    fetch("memory://bucket/one", {}, {}, tmp_path / "one")
    assert (tmp_path / "one").read_text() == "text"


# --- options and credentials -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("protocol", "options", "secrets", "expected"),
    [
        (
            "s3",
            {"endpoint": "https://minio", "region": "eu"},
            {"accesskey_id": "i", "accesskey_secret": "s"},
            {"endpoint_url": "https://minio", "client_kwargs": {"region_name": "eu"}, "key": "i", "secret": "s"},
        ),
        (
            "s3",
            {"endpoint": "minio:1", "insecure": "true"},
            {},
            {"endpoint_url": "http://minio:1", "use_ssl": False},
        ),
        ("s3", {"insecure": "false"}, {"session_token": "t"}, {"token": "t"}),
        (
            "oss",
            {"endpoint": "e"},
            {"accesskey_id": "i", "accesskey_secret": "s"},
            {"endpoint": "e", "key": "i", "secret": "s"},
        ),
        ("gs", {"project": "p"}, {"service_account_key": '{"a": 1}'}, {"project": "p", "token": {"a": 1}}),
        ("hdfs", {"user": "u"}, {}, {"user": "u"}),
        ("abfs", {"account_name": "n"}, {"account_key": "k"}, {"account_name": "n", "account_key": "k"}),
    ],
)
def test_settings_get_the_names_that_fsspec_has_for_them(protocol, options, secrets, expected):
    assert connection(protocol, options, secrets) == expected


def test_a_malformed_key_is_refused_and_not_shown():
    with pytest.raises(ArtifactError) as caught:
        connection("gs", {}, {"service_account_key": "hunter2!"})
    assert "is not JSON" in str(caught.value)
    assert "hunter2!" not in str(caught.value)


def test_credentials_are_found_for_files_in_lists_and_groups(run):
    secret = {"token": SecretRef(name="store", key="token")}
    files = ListOf(items=(StoredFile(url="file:///none", credentials=secret),))
    mapped = function(
        "m", READ, {"x": ItemRef()}, types={"x": "file"}, foreach=ForEach(lists={"item": files}), allow_failure=True
    )
    inner = function("s", READ, {"x": ParameterRef(name="p")}, types={"x": "file"}, allow_failure=True)
    given = StoredFile(url="file:///other", credentials=secret)
    group = Step(
        name="g",
        task=GroupTask(parameters=(Parameter(name="p", type="file"),), steps=(inner,)),
        inputs=(Input(name="p", value=given, type="file"),),
    )
    result = run(flow(mapped, group))
    for path in ("m[0]", "g/s"):
        assert "COULER_SECRET_STORE_TOKEN" in result.error(path)


def test_a_value_cannot_ask_for_credentials(run, monkeypatch, tmp_path):
    monkeypatch.setenv("COULER_SECRET_STORE_TOKEN", "hunter2!")
    (tmp_path / "x").write_text("text")
    forged = {
        "$file": True, "kind": "file", "url": str(tmp_path / "x"),
        "credentials": {"token": {"name": "store", "key": "token"}},
    }  # fmt: skip
    liar = function("l", "def f(x):\n    return dict(x)\n", {"x": Constant(value={"a": forged})})
    result = run(flow(liar))
    assert "hunter2!" not in str(result.steps)


# --- git ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def repository(tmp_path, monkeypatch):
    """A repository with two commits, a branch and a tag; gives its path and the hash of the first commit."""
    for name in ("GIT_AUTHOR_NAME", "GIT_AUTHOR_EMAIL", "GIT_COMMITTER_NAME", "GIT_COMMITTER_EMAIL"):
        monkeypatch.setenv(name, "somebody@localhost")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    folder = tmp_path / "project"

    def git(*arguments: str) -> str:
        return subprocess.run(
            ["git", *arguments], cwd=folder, check=True, capture_output=True, text=True
        ).stdout.strip()

    folder.mkdir()
    git("init", "--quiet", "--initial-branch", "main")
    for name in ("one", "two"):
        (folder / name).write_text(name)
        git("add", name)
        git("commit", "--quiet", "--message", name)
    first = git("rev-parse", "HEAD~1")
    git("branch", "group/old", first)
    git("tag", "v1", first)
    git("update-server-info")
    return folder, first


@pytest.mark.parametrize("revision", ["HEAD", "main", "group/old", "v1", "hash", "short"])
def test_a_checkout_of_any_revision_arrives(run, repository, revision):
    folder, first = repository
    name = {"hash": first, "short": first[:9]}.get(revision, revision)
    given = StoredFile(url=f"git+{folder.as_uri()}", options={"revision": name})
    step = function("s", LIST, {"x": given}, types={"x": "folder"})
    result = run(flow(step, outputs={"r": out("s")}))
    assert result.message == ""
    assert result.outputs == {"r": ["one", "two"] if revision in ("HEAD", "main") else ["one"]}


@pytest.mark.parametrize("revision", ["none", "--upload-pack=touch pwned", "-x"])
def test_a_revision_that_does_not_exist_is_told(repository, tmp_path, revision):
    folder, _ = repository
    with pytest.raises(ArtifactError) as caught:
        checkout(str(folder), {"revision": revision}, {}, tmp_path / "there")
    assert caught.value.message == f"{folder} has no revision '{revision}'"


class Guarded(http.server.SimpleHTTPRequestHandler):
    """Serves files to one user."""

    asked: list[str]

    def do_GET(self) -> None:
        given = self.headers.get("Authorization", "")
        self.asked.append(given)
        if given == "Basic " + base64.b64encode(b"me:hunter2!").decode():
            super().do_GET()
            return
        self.send_response(401)
        self.send_header("WWW-Authenticate", 'Basic realm="here"')
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *given: object) -> None:
        """Stay silent."""


@pytest.fixture
def server(repository):
    """The repository on a server that asks for a password; gives its URL and the headers it got."""
    handler = type("Handler", (Guarded,), {"asked": []})
    with http.server.ThreadingHTTPServer(
        ("127.0.0.1", 0), functools.partial(handler, directory=str(repository[0] / ".git"))
    ) as served:
        thread = threading.Thread(target=served.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{served.server_port}/", handler.asked
        served.shutdown()
        thread.join()


def test_a_password_reaches_the_server_and_nothing_else(run, server, monkeypatch, tmp_path):
    url, _ = server
    monkeypatch.setenv("COULER_SECRET_GIT_USER", "me")
    monkeypatch.setenv("COULER_SECRET_GIT_PASSWORD", "hunter2!")
    given = StoredFile(url=f"git+{url}", credentials=PASSWORD, options={"revision": "v1"})
    result = run(flow(function("s", LIST, {"x": given}, types={"x": "folder"}), outputs={"r": out("s")}))
    assert result.message == ""
    assert result.outputs == {"r": ["one"]}
    kept = [path for path in (tmp_path / ".couler").rglob("*") if path.is_file() and b"hunter2!" in path.read_bytes()]
    assert kept == []


def test_a_wrong_password_is_refused_and_not_shown(run, server, monkeypatch):
    url, asked = server
    monkeypatch.setenv("COULER_SECRET_GIT_USER", "me")
    monkeypatch.setenv("COULER_SECRET_GIT_PASSWORD", "wrong-one")
    given = StoredFile(url=f"git+{url}", credentials=PASSWORD)
    result = run(flow(function("s", LIST, {"x": given}, types={"x": "folder"})))
    assert result.status == "failed"
    assert f"cannot read git+{url}" in result.error("s")
    assert "wrong-one" not in result.error("s")
    assert any(header for header in asked)


# --- S3 ----------------------------------------------------------------------------------------------------------


def test_s3_takes_and_gives_files(run, monkeypatch, tmp_path):
    moto = pytest.importorskip("moto.server", reason="needs moto[server] and s3fs")
    s3fs = pytest.importorskip("s3fs")
    monkeypatch.setenv("COULER_SECRET_S3_ID", "me")
    monkeypatch.setenv("COULER_SECRET_S3_SECRET", "hunter2!")
    secrets = {"accesskey_id": SecretRef(name="s3", key="id"), "accesskey_secret": SecretRef(name="s3", key="secret")}
    server = moto.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        options = {"endpoint": f"{host}:{port}", "insecure": "true"}
        s3fs.S3FileSystem(key="me", secret="hunter2!", endpoint_url=f"http://{host}:{port}").mkdir("bucket")
        place = StoredFile(url="s3://bucket/a/model", options=options, credentials=secrets)
        write = function("w", WRITE, outputs=(Output(name="file", type="file", path="out", store=place),))
        read = function("r", READ, {"x": place}, types={"x": "file"}, after=("w",))
        result = run(flow(write, read, outputs={"r": out("r")}))
        assert result.message == ""
        assert result.outputs == {"r": "new"}
        store(Path(__file__).parent, "s3://bucket/tests", options, {"accesskey_id": "me", "accesskey_secret": "x"})
        fetch("s3://bucket/tests", options, {"accesskey_id": "me", "accesskey_secret": "x"}, tmp_path / "back")
        assert (tmp_path / "back" / Path(__file__).name).read_text() == Path(__file__).read_text()
    finally:
        server.stop()
