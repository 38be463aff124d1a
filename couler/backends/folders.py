"""Writes the files of a workflow into a folder that others may read meanwhile."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path


def write_folder(documents: Mapping[str, str], folder: Path) -> bool:
    """Write files, each at once as a whole, the first one last; says whether that changed.

    What lies in sub-folders of the documents and is none of them goes: it is of an earlier version.

    Args:
        documents: Path to content; the first one refers to the others.
        folder: Made when it is missing.

    Raises:
        OSError: It cannot be written.
    """
    first, *parts = documents
    for part in parts:
        _put(folder / part, documents[part])
    for package in {part.partition("/")[0] for part in parts if "/" in part}:
        _tidy(folder / package, {folder / part for part in parts})
    return _put(folder / first, documents[first])


def _put(target: Path, text: str) -> bool:
    data = text.encode("utf-8", "surrogatepass")
    if target.is_file() and target.read_bytes() == data:
        return False
    target.parent.mkdir(parents=True, exist_ok=True)
    handle, fresh = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
    with os.fdopen(handle, "wb") as file:
        file.write(data)
    Path(fresh).chmod(0o644)
    Path(fresh).replace(target)
    return True


def _tidy(package: Path, kept: set[Path]) -> None:
    for found in sorted(package.rglob("*"), reverse=True):
        if found.is_dir():
            if found.name == "__pycache__":
                shutil.rmtree(found, ignore_errors=True)
            elif not any(found.iterdir()):
                found.rmdir()
        elif found not in kept and not found.name.startswith("."):
            found.unlink(missing_ok=True)
