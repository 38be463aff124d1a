"""Files between steps: stored by the digest of their content where every worker can reach them."""

from __future__ import annotations

import hashlib
import shutil
import tarfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from .version import ObjectStoragePath

PIECE = 1 << 20


def keep(path: Path, kind: str, store: str) -> dict[str, Any]:
    """Store a file or folder, and give its record."""
    if kind == "folder":
        packed = path.with_name(f".{path.name}.tar")
        size = sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
        _pack(path, packed)
        digest = _copied(packed, store, ".tar")
        packed.unlink()
        key = f"sha256/{digest[:2]}/{digest}.tar"
    else:
        size = path.stat().st_size
        digest = _copied(path, store, "")
        key = f"sha256/{digest[:2]}/{digest}"
    return {"$file": True, "digest": f"sha256:{digest}", "size": size, "kind": kind, "key": key, "name": path.name}


def _pack(folder: Path, packed: Path) -> None:
    """The folder as an archive that depends on names, contents and modes alone."""

    def plain(entry: tarfile.TarInfo) -> tarfile.TarInfo:
        entry.mtime = entry.uid = entry.gid = 0
        entry.uname = entry.gname = ""
        return entry

    with tarfile.open(packed, "w", format=tarfile.PAX_FORMAT) as archive:
        for path in sorted(folder.rglob("*")):
            archive.add(path, arcname=str(path.relative_to(folder)), recursive=False, filter=plain)


def _copied(path: Path, store: str, suffix: str) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while piece := file.read(PIECE):
            digest.update(piece)
    name = digest.hexdigest()
    target = ObjectStoragePath(store) / "sha256" / name[:2] / f"{name}{suffix}"
    if not target.exists():
        target.parent.mkdir(parents=True, exist_ok=True)
        part = target.parent / f".{name}.{path.stat().st_ino}.part"
        with path.open("rb") as source, part.open("wb") as copy:
            shutil.copyfileobj(source, copy, PIECE)
        part.rename(target)
    return name


def appear(record: Mapping[str, Any], target: Path, store: str) -> None:
    """Put a stored file or folder at a path."""
    target.parent.mkdir(parents=True, exist_ok=True)
    if target.is_dir() and not target.is_symlink():
        shutil.rmtree(target)
    target.unlink(missing_ok=True)
    source = ObjectStoragePath(store) / record["key"]
    if record["kind"] == "folder":
        target.mkdir()
        with source.open("rb") as packed, tarfile.open(fileobj=packed, mode="r|") as archive:
            archive.extractall(target, filter="data")
        return
    with source.open("rb") as stored, target.open("wb") as file:
        shutil.copyfileobj(stored, file, PIECE)


def is_record(value: Any) -> bool:
    """Whether a value is the record of a stored file."""
    return isinstance(value, Mapping) and value.get("$file") is True
