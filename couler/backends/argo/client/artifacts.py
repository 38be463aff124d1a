"""Brings stored files of a run to this machine: through an argo-server, or from their object store."""

from __future__ import annotations

import importlib
import os
import shutil
import tarfile
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from couler.artifacts.file_systems import extra_of
from couler.backends.argo.client.server import Server
from couler.backends.argo.names import parameter_name
from couler.core.errors import ArtifactError, CoulerError, MissingExtraError
from couler.runs import StepRecord


def fetch(
    file: Mapping[str, Any], destination: Path, server: Server | None, workflow: str, steps: Iterable[StepRecord]
) -> None:
    """Copy a stored file or folder to a path.

    Args:
        file: Its record.
        destination: A file is replaced; a folder must be new or empty.
        server: Asked first, when there is one: it needs no keys of the store.
        workflow: Name of the workflow object that wrote it.
        steps: Steps of the run, to find out which wrote it.

    Raises:
        ArtifactError: It cannot be read.
        MissingExtraError: The package for its store is not installed.
    """
    destination.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=destination.parent, prefix=".couler-") as folder:
        fresh = Path(folder) / "file"
        writer = _writer(file, steps) if server is not None else None
        if server is not None and writer is not None:
            server.artifact(_object_of(file, workflow), writer[0], writer[1], fresh)
        else:
            _from_store(file, fresh)
        if file.get("kind") == "folder":
            fresh = _unpacked(fresh, Path(folder) / "folder", str(file["url"]))
            if destination.is_dir() and not any(destination.iterdir()):
                destination.rmdir()
        shutil.move(fresh, destination)


def _writer(file: Mapping[str, Any], steps: Iterable[StepRecord]) -> tuple[str, str] | None:
    """Node and name of the artifact."""
    for step in steps:
        for name, value in (step.outputs or {}).items():
            if isinstance(value, Mapping) and value.get("url") == file["url"] and "node" in step.details:
                return str(step.details["node"]), parameter_name(name)
    return None


def _object_of(file: Mapping[str, Any], workflow: str) -> str:
    """The workflow object that wrote a file: in Argo's default keys its name comes first."""
    parts = str(file["url"]).split("/")
    return next((part for part in parts[3:] if part.startswith(workflow.partition("-r")[0])), workflow)


def _from_store(file: Mapping[str, Any], target: Path) -> None:
    """Read it with the reader's own keys, as the packages for object stores find them."""
    url = str(file["url"])
    try:
        fsspec: Any = importlib.import_module("fsspec")
        options = _options(url.partition("://")[0], file.get("options") or {})
        with fsspec.open(url, "rb", **options) as source, target.open("wb") as copy:
            shutil.copyfileobj(source, copy)
    except ImportError as error:
        raise MissingExtraError(f"the file {url}", extra_of(url)) from error
    except CoulerError:
        raise
    except Exception as error:  # each store's package has errors of its own
        raise ArtifactError(
            f"the stored file {url} cannot be read: {type(error).__name__}: {error}",
            "give this machine keys for the store (for S3: AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, and "
            "AWS_ENDPOINT_URL when pods know it by another address), or name an argo-server with --server",
        ) from error


def _options(protocol: str, known: Mapping[str, str]) -> dict[str, Any]:
    if protocol != "s3" or "endpoint" not in known or os.environ.get("AWS_ENDPOINT_URL"):
        return {}
    endpoint = known["endpoint"]
    if endpoint == "s3.amazonaws.com":
        return {}
    return {"endpoint_url": endpoint if "://" in endpoint else f"https://{endpoint}"}


def _unpacked(archive: Path, folder: Path, url: str) -> Path:
    folder.mkdir()
    try:
        with tarfile.open(archive) as content:
            content.extractall(folder, filter="data")
    except tarfile.TarError as error:
        raise ArtifactError(f"the stored folder {url} is no archive: {error}") from error
    inside = list(folder.iterdir())  # Argo keeps the folder itself in the archive
    return inside[0] if len(inside) == 1 and inside[0].is_dir() else folder
