"""Container images made on this machine, without any registry: a tar of one layer under as many names as wanted."""

from __future__ import annotations

import hashlib
import io
import json
import subprocess
import tarfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.engines.kubernetes import cache

TOOLS_NAMES = (
    "python:3.11",
    "python:3.11-slim",
    "python:3.12",
    "python:3.12-slim",
    "python:3.12-alpine",
    "python:3.13-slim",
    "alpine:3",
    "alpine:3.20",
    "busybox:1",
    "busybox:1.36",
    "debian:12",
)
"""All these are one root file system here: Debian 12 with Python 3.11, a shell and the usual small tools."""

TOOLS_PACKAGES = (
    "base-files",
    "bash",
    "ca-certificates",
    "coreutils",
    "curl",
    "dash",
    "diffutils",
    "findutils",
    "grep",
    "gzip",
    "hostname",
    "libpython3.11-stdlib",
    "mawk",
    "netbase",
    "procps",
    "python3-minimal",
    "sed",
    "tar",
    "tzdata",
    "util-linux",
)

TRIM = 'cd "$1" && rm -rf usr/share/doc usr/share/man usr/share/locale usr/share/info usr/share/perl* usr/lib/*/perl*'
ADD = (
    'cd "$1" && ln -sf python3.11 usr/bin/python && mkdir -p root tmp work && chmod 1777 tmp'
    ' && echo "root:x:0:0:root:/root:/bin/sh" > etc/passwd && echo "root:x:0:" > etc/group'
)


def tools() -> Path:
    """The image that steps run in, from Debian's packages; needs ``mmdebstrap``."""
    return cache.kept("images/tools.tar", [*TOOLS_NAMES, *TOOLS_PACKAGES, TRIM, ADD, _own_source()], _make_tools)


def _make_tools(target: Path) -> None:
    layer = target.with_suffix(".layer")
    command = [
        "mmdebstrap",
        "--quiet",
        "--variant=extract",
        '--aptopt=APT::Install-Recommends "false"',
        f"--include={','.join(TOOLS_PACKAGES)}",
        f"--extract-hook={TRIM}",
        f"--extract-hook={ADD}",
        "--format=tar",
        "bookworm",
        str(layer),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)} failed:\n{done.stderr[-4000:]}")
    write(target, layer.read_bytes(), TOOLS_NAMES, {"Env": ["PATH=/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin"]})
    layer.unlink()


def of_executable(name: str, executable: Path, image: str, files: Mapping[str, str] | None = None) -> Path:
    """An image that holds one static executable in ``/bin`` and a few text files, and starts the executable."""
    texts = dict(files or {})

    def make(target: Path) -> None:
        write(target, _layer(executable, texts), (image,), {"Entrypoint": [f"/bin/{executable.name}"]})

    return cache.kept(f"images/{name}.tar", [executable, image, json.dumps(texts), _own_source()], make)


def _layer(executable: Path, texts: Mapping[str, str]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for folder, mode in (("bin", 0o755), ("etc", 0o755), ("tmp", 0o1777)):
            entry = tarfile.TarInfo(folder)
            entry.type, entry.mode = tarfile.DIRTYPE, mode
            archive.addfile(entry)
        for path, text in texts.items():
            _add(archive, path.lstrip("/"), text.encode(), 0o644)
        _add(archive, f"bin/{executable.name}", executable.read_bytes(), 0o755)
    return buffer.getvalue()


def _add(archive: tarfile.TarFile, path: str, content: bytes, mode: int) -> None:
    entry = tarfile.TarInfo(path)
    entry.size, entry.mode = len(content), mode
    archive.addfile(entry, io.BytesIO(content))


def write(target: Path, layer: bytes, names: tuple[str, ...], config: Mapping[str, Any]) -> None:
    """Write an OCI image archive of one uncompressed layer, which ``ctr images import`` reads."""
    layer_digest = _digest(layer)
    settings = _json(
        {
            "architecture": "amd64",
            "os": "linux",
            "config": dict(config),
            "rootfs": {"type": "layers", "diff_ids": [layer_digest]},
        }
    )
    manifest = _json(
        {
            "schemaVersion": 2,
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "config": _descriptor("application/vnd.oci.image.config.v1+json", settings),
            "layers": [_descriptor("application/vnd.oci.image.layer.v1.tar", layer)],
        }
    )
    entry = _descriptor("application/vnd.oci.image.manifest.v1+json", manifest)
    index = {
        "schemaVersion": 2,
        "manifests": [{**entry, "annotations": {"io.containerd.image.name": full_name(name)}} for name in names],
    }
    with tarfile.open(target, mode="w") as archive:
        _add(archive, "oci-layout", _json({"imageLayoutVersion": "1.0.0"}), 0o644)
        _add(archive, "index.json", _json(index), 0o644)
        for blob in (layer, settings, manifest):
            _add(archive, f"blobs/sha256/{_digest(blob).removeprefix('sha256:')}", blob, 0o644)


def full_name(name: str) -> str:
    """The name as the container runtime keeps it: ``alpine:3`` is ``docker.io/library/alpine:3``."""
    first, slash, _rest = name.partition("/")
    if not slash:
        return f"docker.io/library/{name}"
    return name if "." in first or ":" in first else f"docker.io/{name}"


def _descriptor(media_type: str, content: bytes) -> dict[str, Any]:
    return {"mediaType": media_type, "digest": _digest(content), "size": len(content)}


def _digest(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def _json(value: Any) -> bytes:
    return json.dumps(value, sort_keys=True).encode()


def _own_source() -> Path:
    return Path(__file__)
