"""Images that are made here have the form that container runtimes read."""

from __future__ import annotations

import hashlib
import json
import tarfile
from pathlib import Path
from typing import Any

import pytest

from tests.engines.kubernetes import images


def test_every_name_of_an_image_leads_to_its_one_layer(tmp_path: Path) -> None:
    images.write(tmp_path / "image.tar", b"layer", ("alpine:3", "quay.io/a/b:1"), {"Entrypoint": ["/bin/x"]})
    with tarfile.open(tmp_path / "image.tar") as archive:
        index = _read(archive, "index.json")
        names = [entry["annotations"]["io.containerd.image.name"] for entry in index["manifests"]]
        manifests = [_blob(archive, entry["digest"]) for entry in index["manifests"]]
        layer = archive.extractfile(_path(manifests[0]["layers"][0]["digest"]))
        assert layer is not None
        content = layer.read()
        config = _blob(archive, manifests[0]["config"]["digest"])
    assert names == ["docker.io/library/alpine:3", "quay.io/a/b:1"]
    assert manifests[0] == manifests[1]
    assert content == b"layer"
    assert config["rootfs"]["diff_ids"] == ["sha256:" + hashlib.sha256(b"layer").hexdigest()]
    assert config["config"] == {"Entrypoint": ["/bin/x"]}


@pytest.mark.parametrize(
    ("name", "full"),
    [
        ("alpine:3", "docker.io/library/alpine:3"),
        ("some/tool:1", "docker.io/some/tool:1"),
        ("quay.io/argoproj/argoexec:v4", "quay.io/argoproj/argoexec:v4"),
        ("localhost:5000/tool:1", "localhost:5000/tool:1"),
    ],
)
def test_names_are_written_out_as_runtimes_keep_them(name: str, full: str) -> None:
    assert images.full_name(name) == full


def _read(archive: tarfile.TarFile, path: str) -> Any:
    member = archive.extractfile(path)
    assert member is not None
    return json.loads(member.read())


def _blob(archive: tarfile.TarFile, digest: str) -> Any:
    return _read(archive, _path(digest))


def _path(digest: str) -> str:
    return f"blobs/sha256/{digest.removeprefix('sha256:')}"
