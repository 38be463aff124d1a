"""Brings files that steps have stored to this machine."""

from __future__ import annotations

import hashlib
import importlib
import shutil
import tarfile
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from couler.artifacts.file_systems import extra_of
from couler.artifacts.place import local_folder, shown
from couler.core.errors import ArtifactError, MissingExtraError

_PIECE = 1 << 20


def fetch(file: Mapping[str, Any], store: str, destination: Path) -> None:
    """Copy a stored file or folder to a path.

    Args:
        file: Its record.
        store: URL of the folder where the steps store files.
        destination: A file is replaced; a folder must be new or empty.

    Raises:
        ArtifactError: It cannot be read, or is damaged.
        MissingExtraError: The package for the store is not installed.
    """
    destination.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=destination.parent, prefix=".couler-") as folder:
        fresh = Path(folder) / "file"
        digest = _copied(store, str(file["key"]), fresh)
        if f"sha256:{digest}" != file["digest"]:
            raise ArtifactError(f"the stored file {file['key']} at {shown(store)} is damaged", "run the step again")
        if file["kind"] == "folder":
            packed, fresh = fresh, Path(folder) / "folder"
            fresh.mkdir()
            with tarfile.open(packed) as content:
                content.extractall(fresh, filter="data")
            if destination.is_dir():
                destination.rmdir()
        shutil.move(fresh, destination)


def _copied(store: str, key: str, target: Path) -> str:
    """Copy a stored file, and give the digest of its content."""
    digest = hashlib.sha256()
    try:
        with _opened(store, key) as source, target.open("wb") as copy:
            while piece := source.read(_PIECE):
                digest.update(piece)
                copy.write(piece)
    except ImportError as error:
        raise MissingExtraError(f"the files at {shown(store)}", extra_of(store)) from error
    except Exception as error:  # each store's package has errors of its own
        raise ArtifactError(
            f"the stored file {key} at {shown(store)} cannot be read: {type(error).__name__}: {error}",
            "does this machine reach the place where Airflow's workers store files? It is the setting artifacts",
        ) from error
    return digest.hexdigest()


def _opened(store: str, key: str) -> Any:
    folder = local_folder(store)
    if folder is not None:
        return (folder / key).open("rb")
    fsspec: Any = importlib.import_module("fsspec")
    return fsspec.open(f"{store.rstrip('/')}/{key}", "rb")
