"""The promises of the artifact store, by the same words for folders and for URLs."""

import hashlib
import json
import os
import socket
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import fsspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from couler.artifacts import ArtifactStore, FileRecord, is_file
from couler.artifacts.blobs import CHUNK
from couler.artifacts.manifest import load, scan
from couler.artifacts.records import key_of
from couler.core.errors import ArtifactError

Tree = dict[str, bytes | None]


@pytest.fixture(params=["folder", "file", "memory"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[ArtifactStore]:
    if request.param == "memory":
        name = uuid.uuid4().hex
        yield ArtifactStore(f"memory://{name}/files")
        fsspec.filesystem("memory").rm(f"/{name}", recursive=True) if _stored(name) else None
    elif request.param == "file":
        yield ArtifactStore((tmp_path / "store of ü").as_uri())
    else:
        yield ArtifactStore(str(tmp_path / "store"))


@pytest.fixture
def local(tmp_path: Path) -> ArtifactStore:
    return ArtifactStore(str(tmp_path / "store"))


def _stored(name: str) -> bool:
    return bool(fsspec.filesystem("memory").exists(f"/{name}"))


def make(root: Path, tree: Tree) -> Path:
    """A folder with these files; None makes an empty folder."""
    root.mkdir(parents=True, exist_ok=True)
    for path, content in tree.items():
        place = root / path
        if content is None:
            place.mkdir(parents=True, exist_ok=True)
        else:
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(content)
    return root


def read(root: Path) -> Tree:
    found: Tree = {}
    for place in root.rglob("*"):
        name = place.relative_to(root).as_posix()
        if place.is_file():
            found[name] = place.read_bytes()
        elif not any(place.iterdir()):
            found[name] = None
    return found


TREE: Tree = {
    "a.txt": b"one",
    "b/c.bin": b"\x00\xff",
    "b/again.txt": b"one",
    "b/empty": None,
    "größe/写.txt": b"",
    ".hidden": b"x",
}


def test_a_file_comes_back_with_digest_and_size(store: ArtifactStore, tmp_path: Path) -> None:
    source = tmp_path / "model.bin"
    source.write_bytes(b"weights")
    record = store.put(source)
    assert record.digest == "sha256:" + hashlib.sha256(b"weights").hexdigest()
    assert (record.size, record.kind) == (7, "file")
    store.get(record, tmp_path / "deep" / "copy.bin")
    assert (tmp_path / "deep" / "copy.bin").read_bytes() == b"weights"


def test_the_store_keeps_what_was_put_when_the_source_changes(store: ArtifactStore, tmp_path: Path) -> None:
    source = tmp_path / "a"
    source.write_text("first")
    record = store.put(source)
    source.write_text("second")
    store.get(record, tmp_path / "copy")
    assert (tmp_path / "copy").read_text() == "first"


def test_an_empty_file_is_a_file(store: ArtifactStore, tmp_path: Path) -> None:
    (tmp_path / "empty").touch()
    record = store.put(tmp_path / "empty")
    store.get(record, tmp_path / "copy")
    assert record.size == 0
    assert (tmp_path / "copy").read_bytes() == b""


def test_a_file_larger_than_a_chunk_comes_back(store: ArtifactStore, tmp_path: Path) -> None:
    content = os.urandom(2 * CHUNK + 17)
    (tmp_path / "large").write_bytes(content)
    record = store.put(tmp_path / "large")
    store.get(record, tmp_path / "copy")
    assert (tmp_path / "copy").read_bytes() == content


def test_a_folder_comes_back_with_unicode_names_and_empty_folders(store: ArtifactStore, tmp_path: Path) -> None:
    record = store.put(make(tmp_path / "data", TREE))
    store.get(record, tmp_path / "copy")
    assert read(tmp_path / "copy") == TREE
    assert (record.kind, record.size) == ("folder", 9)


def test_an_empty_folder_comes_back(store: ArtifactStore, tmp_path: Path) -> None:
    record = store.put(make(tmp_path / "data", {}))
    store.get(record, tmp_path / "copy")
    assert (tmp_path / "copy").is_dir()
    assert record.size == 0


def test_equal_folders_have_equal_digests_wherever_they_lie(store: ArtifactStore, tmp_path: Path) -> None:
    one = store.put(make(tmp_path / "one", TREE))
    other = store.put(make(tmp_path / "two" / "name", dict(reversed(TREE.items()))))
    assert one == other


@pytest.mark.parametrize("change", [{"a.txt": b"two"}, {"b/more": None}, {"new": b""}])
def test_any_difference_changes_the_digest(local: ArtifactStore, tmp_path: Path, change: Tree) -> None:
    one = local.put(make(tmp_path / "one", TREE))
    other = local.put(make(tmp_path / "two", TREE | change))
    assert one.digest != other.digest


def test_executable_files_stay_executable_alone_and_in_folders(store: ArtifactStore, tmp_path: Path) -> None:
    folder = make(tmp_path / "bin", {"run": b"#!/bin/sh\n", "data": b"#!/bin/sh\n"})
    (folder / "run").chmod(0o755)
    store.get(store.put(folder), tmp_path / "copy")
    store.get(store.put(folder / "run"), tmp_path / "alone")
    store.get(store.put(folder / "data"), tmp_path / "plain")
    modes = [
        bool(p.stat().st_mode & 0o100) for p in (tmp_path / "copy/run", tmp_path / "copy/data", tmp_path / "alone")
    ]
    assert modes == [True, False, True]
    assert not (tmp_path / "plain").stat().st_mode & 0o111


def test_read_only_sources_are_stored_and_the_copy_may_be_changed(store: ArtifactStore, tmp_path: Path) -> None:
    folder = make(tmp_path / "data", {"a": b"1"})
    (folder / "a").chmod(0o444)
    folder.chmod(0o555)
    record = store.put(folder)
    folder.chmod(0o755)
    store.get(record, tmp_path / "copy")
    assert (tmp_path / "copy" / "a").stat().st_mode & 0o200
    assert (tmp_path / "copy").stat().st_mode & 0o200


def test_links_within_a_folder_stay_links(store: ArtifactStore, tmp_path: Path) -> None:
    folder = make(tmp_path / "data", {"a/real": b"1", "b": None})
    (folder / "b" / "relative").symlink_to("../a/real")
    (folder / "absolute").symlink_to(folder / "a" / "real")
    (folder / "by-name").symlink_to("../data/a")
    (folder / "dangling").symlink_to("nowhere")
    store.get(store.put(folder), tmp_path / "copy")
    copy = tmp_path / "copy"
    assert (copy / "b" / "relative").readlink() == Path("../a/real")
    assert (copy / "absolute").readlink() == Path("a/real")
    assert (copy / "by-name" / "real").read_bytes() == b"1"
    assert (copy / "by-name").readlink() == Path("a")
    assert (copy / "dangling").is_symlink()


def test_links_out_of_a_folder_are_refused_with_all_names(store: ArtifactStore, tmp_path: Path) -> None:
    folder = make(tmp_path / "data", {"sub": None})
    (folder / "passwords").symlink_to("/etc/passwd")
    (folder / "sub" / "up").symlink_to("../..")
    with pytest.raises(ArtifactError) as caught:
        store.put(folder)
    assert "'passwords' is a link to /etc/passwd, outside of the folder" in str(caught.value)
    assert "'sub/up' is a link to ../.., outside of the folder" in str(caught.value)
    assert "cp -rL" in caught.value.hint


def test_pipes_and_sockets_are_refused_by_name(local: ArtifactStore, tmp_path: Path) -> None:
    folder = make(tmp_path / "d", {})
    os.mkfifo(folder / "pipe")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(folder / "sock"))
        with pytest.raises(ArtifactError, match="'pipe' is neither a file nor a folder; 'sock' is neither"):
            local.put(folder)
        with pytest.raises(ArtifactError, match="neither a file nor a folder"):
            local.put(folder / "pipe")


def test_a_linked_input_can_be_part_of_an_output_folder(local: ArtifactStore, tmp_path: Path) -> None:
    record = local.put(make(tmp_path / "data", {"a": b"1", "b/c": b"2"}))
    local.link(record, tmp_path / "input")
    assert local.put(tmp_path / "input") == record
    assert local.put(tmp_path / "input" / "a") == local.put(tmp_path / "data" / "a")


def test_a_missing_source_is_named(store: ArtifactStore, tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match=r"nothing\.txt cannot be stored: there is no such file or folder"):
        store.put(tmp_path / "nothing.txt")


def test_a_file_replaces_a_file_and_a_folder_refuses_a_full_folder(store: ArtifactStore, tmp_path: Path) -> None:
    (tmp_path / "a").write_text("new")
    (tmp_path / "old").write_text("old")
    store.get(store.put(tmp_path / "a"), tmp_path / "old")
    assert (tmp_path / "old").read_text() == "new"
    folder = store.put(make(tmp_path / "data", {"a": b"1"}))
    store.get(folder, make(tmp_path / "empty", {}))
    assert read(tmp_path / "empty") == {"a": b"1"}
    full = make(tmp_path / "full", {"mine": b"1"})
    with pytest.raises(ArtifactError, match=r"cannot be brought to .*full: "):
        store.get(folder, full)
    assert read(full) == {"mine": b"1"}
    assert not list(tmp_path.glob(".couler-*"))


def test_exists_says_what_get_would(store: ArtifactStore, tmp_path: Path) -> None:
    record = store.put(make(tmp_path / "data", TREE))
    assert store.exists(record)
    assert not store.exists(FileRecord("sha256:" + "0" * 64, 1, "file", key_of("0" * 64)))
    assert not store.exists(FileRecord("sha256:" + "0" * 64, 1, "folder", key_of("0" * 64, ".folder")))


def test_a_missing_entry_is_named_with_digest_and_key(store: ArtifactStore, tmp_path: Path) -> None:
    record = FileRecord("sha256:" + "0" * 64, 1, "file", key_of("0" * 64))
    for use in (store.get, store.link):
        with pytest.raises(ArtifactError) as caught:
            use(record, tmp_path / "copy")
        assert record.digest in str(caught.value)
        assert record.key in str(caught.value)
        assert not os.path.lexists(tmp_path / "copy")
    with pytest.raises(ArtifactError, match="is missing from the artifact store"):
        store.verify(record)


def test_a_damaged_entry_is_found_and_never_handed_out(local: ArtifactStore, tmp_path: Path) -> None:
    record = local.put(make(tmp_path / "data", {"sub/a": b"good"}))
    local.verify(record)
    entry = tmp_path / "store" / local.put(tmp_path / "data" / "sub" / "a").key
    entry.chmod(0o644)
    entry.write_bytes(b"evil")
    for use in (lambda: local.verify(record), lambda: local.get(record, tmp_path / "copy")):
        with pytest.raises(ArtifactError, match=r"the file 'sub/a' is damaged in the artifact store .* sha256/"):
            use()
    assert not (tmp_path / "copy").exists()
    entry.write_bytes(b"longer than it was")
    with pytest.raises(ArtifactError, match="the file 'sub/a' is damaged"):
        local.link(record, tmp_path / "copy")
    assert not local.exists(record)


def test_storing_again_repairs_a_damaged_entry(local: ArtifactStore, tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"good")
    record = local.put(tmp_path / "a")
    entry = tmp_path / "store" / record.key
    entry.chmod(0o644)
    entry.write_bytes(b"evil")
    local.put(tmp_path / "a")
    local.verify(record)


def test_a_link_points_to_a_read_only_entry(local: ArtifactStore, tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"1")
    record = local.put(tmp_path / "a")
    local.link(record, tmp_path / "in" / "a")
    assert (tmp_path / "in" / "a").is_symlink()
    assert (tmp_path / "in" / "a").read_bytes() == b"1"
    assert (tmp_path / "in" / "a").stat().st_mode & 0o777 == 0o444


def test_a_linked_folder_looks_like_the_folder(store: ArtifactStore, tmp_path: Path) -> None:
    record = store.put(make(tmp_path / "data", TREE))
    store.link(record, tmp_path / "in")
    assert read(tmp_path / "in") == TREE
    assert (tmp_path / "in" / "a.txt").is_symlink() == store.is_local


def test_the_same_content_is_stored_once(local: ArtifactStore, tmp_path: Path) -> None:
    local.put(make(tmp_path / "one", TREE))
    local.put(make(tmp_path / "two", TREE))
    entries = [p for p in (tmp_path / "store" / "sha256").rglob("*") if p.is_file()]
    assert len(entries) == 5  # "one", two bytes, nothing, "x", and the manifest


def test_threads_may_put_the_same_content_at_once(store: ArtifactStore, tmp_path: Path) -> None:
    folder = make(tmp_path / "data", TREE | {"large": b"x" * 200_000})
    with ThreadPoolExecutor(8) as pool:
        records = set(pool.map(lambda _: store.put(folder), range(24)))
    assert len(records) == 1
    store.verify(records.pop())


def test_nothing_temporary_stays(local: ArtifactStore, tmp_path: Path) -> None:
    local.put(make(tmp_path / "data", TREE))
    assert list((tmp_path / "store" / "tmp").iterdir()) == []


def test_a_new_store_removes_what_killed_processes_left_long_ago(tmp_path: Path) -> None:
    stale, fresh = make(tmp_path / "store" / "tmp", {"stale": b"1", "fresh": b"1"}).iterdir()
    stale, fresh = sorted((stale, fresh), reverse=True)
    os.utime(stale, (0, 0))
    (tmp_path / "a").touch()
    ArtifactStore(str(tmp_path / "store")).put(tmp_path / "a")
    assert (stale.exists(), fresh.exists()) == (False, True)


NAMES = st.text(st.characters(codec="utf-8", exclude_characters="/\0"), min_size=1, max_size=8).filter(
    lambda s: s not in (".", "..")
)
TREES = st.dictionaries(NAMES, st.one_of(st.none(), st.binary(max_size=20)), max_size=5)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(tree=TREES)
def test_any_folder_comes_back_unchanged(tmp_path: Path, tree: Tree) -> None:
    case = tmp_path / uuid.uuid4().hex
    store = ArtifactStore(str(case / "store"))
    record = store.put(make(case / "data", tree))
    store.get(record, case / "copy")
    assert read(case / "copy") == tree
    assert scan(case / "copy", None) == scan(case / "data", None)


def test_names_that_are_no_utf8_come_back(local: ArtifactStore, tmp_path: Path) -> None:
    folder = make(tmp_path / "data", {})
    (folder / os.fsdecode(b"caf\xe9")).write_bytes(b"1")
    local.get(local.put(folder), tmp_path / "copy")
    assert os.listdir(os.fsencode(tmp_path / "copy")) == [b"caf\xe9"]  # noqa: PTH208 - bytes


# --- records --------------------------------------------------------------------------------------------------------


def test_a_record_survives_json(local: ArtifactStore, tmp_path: Path) -> None:
    record = local.put(make(tmp_path / "data", TREE))
    data = json.loads(json.dumps(record.to_json()))
    assert data["$file"] is True
    assert is_file(data)
    assert FileRecord.from_json(data) == record
    assert FileRecord.from_json(data | {"name": "data"}) == record  # whoever keeps it may note more


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("key", "../../etc/passwd"),
        ("key", "/etc/passwd"),
        ("key", "sha256/00/../../secret"),
        ("key", key_of("1" * 64)),
        ("key", key_of("0" * 64, ".folder")),
        ("key", 5),
        ("digest", "md5:0"),
        ("digest", None),
        ("kind", "folder"),
        ("kind", "device"),
        ("size", -1),
        ("size", "1"),
        ("size", True),
        ("$file", "yes"),
    ],
)
def test_a_forged_record_is_refused(field: str, value: object) -> None:
    sound = FileRecord("sha256:" + "0" * 64, 1, "file", key_of("0" * 64)).to_json()
    assert FileRecord.from_json(sound).size == 1
    with pytest.raises(ArtifactError):
        FileRecord.from_json(sound | {field: value})


def test_a_forged_key_is_refused_by_every_method(store: ArtifactStore, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("s")
    forged = FileRecord("sha256:" + "0" * 64, 1, "file", "../secret")
    for use in (store.verify, store.exists):
        with pytest.raises(ArtifactError, match="is not sound"):
            use(forged)
    for bring in (store.get, store.link):
        with pytest.raises(ArtifactError, match="is not sound"):
            bring(forged, tmp_path / "copy")


# --- manifests ------------------------------------------------------------------------------------------------------

_DIGEST = "sha256:" + "0" * 64


def _manifest(*entries: object, version: object = 1) -> bytes:
    return json.dumps({"version": version, "entries": entries}).encode()


@pytest.mark.parametrize(
    ("entries", "reason"),
    [
        ([{"path": "../x", "kind": "folder"}], "leads out of the folder"),
        ([{"path": "/x", "kind": "folder"}], "leads out of the folder"),
        ([{"path": "a/../../x", "kind": "folder"}], "leads out of the folder"),
        ([{"path": "a//b", "kind": "folder"}], "leads out of the folder"),
        ([{"path": "", "kind": "folder"}], "is no path"),
        ([{"path": "a\x00b", "kind": "folder"}], "is no path"),
        ([{"path": "a\ud800b", "kind": "folder"}], "is no path"),
        ([{"path": 5, "kind": "folder"}], "is no path"),
        ([{"path": "a", "kind": "folder"}, {"path": "a", "kind": "folder"}], "is there twice"),
        ([{"path": "a/b", "kind": "folder"}], "is in no folder of the list"),
        ([{"path": "a", "kind": "link", "target": "b"}, {"path": "a/b", "kind": "folder"}], "is in no folder"),
        ([{"path": "a", "kind": "link", "target": "/etc"}], "has no target in the folder"),
        ([{"path": "a", "kind": "link", "target": "../x"}], "leads out of the folder"),
        ([{"path": "a", "kind": "link"}], "has no target"),
        ([{"path": "a", "kind": "device"}], "unknown kind 'device'"),
        ([{"path": "a", "kind": "file", "digest": "sha256:../../x"}], "has no digest"),
        ([{"path": "a", "kind": "file", "digest": 7}], "has no digest"),
        ([{"path": "a", "kind": "file", "digest": _DIGEST, "size": -1}], "has no size"),
        ([{"path": "a", "kind": "folder", "mode": 1}], "cannot be read"),
        (["a"], "cannot be read"),
    ],
)
def test_a_forged_manifest_is_refused(entries: list[object], reason: str) -> None:
    with pytest.raises(ArtifactError, match=reason):
        load(_manifest(*entries))


@pytest.mark.parametrize("text", [b"", b"[]", b"{}", b"\xff", b'{"version": 1}'])
def test_a_damaged_manifest_is_refused(text: bytes) -> None:
    with pytest.raises(ArtifactError, match="cannot be read"):
        load(text)


def test_a_manifest_of_a_later_couler_says_to_upgrade() -> None:
    with pytest.raises(ArtifactError, match="stored in form 2") as caught:
        load(_manifest(version=2))
    assert caught.value.hint == "pip install -U couler"


def test_links_that_lead_out_only_together_are_refused(local: ArtifactStore, tmp_path: Path) -> None:
    text = _manifest(
        {"path": "d", "kind": "folder"},
        {"path": "d/e", "kind": "folder"},
        {"path": "d/e/top", "kind": "link", "target": "../.."},
        {"path": "out", "kind": "link", "target": "d/e/top/../secret"},
    )
    (tmp_path / "manifest").write_bytes(text)
    blob = local.put(tmp_path / "manifest")
    entry = tmp_path / "store" / blob.key
    entry.rename(entry.with_suffix(".folder"))
    make(tmp_path / "work", {"secret": b"1"})
    with pytest.raises(ArtifactError, match="its link 'out' leads out of it"):
        local.get(FileRecord(blob.digest, 0, "folder", blob.key + ".folder"), tmp_path / "work" / "copy")
    assert read(tmp_path / "work") == {"secret": b"1"}
