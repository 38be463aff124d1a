"""Files outside of the workflow: brought from a URL before a step, and stored at one after it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from .processes import AttemptError as ArtifactError
from .version import ObjectStoragePath

Secret = Callable[[str, str], str]
"""Gives a secret by its name and key."""


def fetch(stored: Mapping[str, Any], target: Path, secret: Secret) -> None:
    """Copy the file or folder at a URL to a path.

    Raises:
        ArtifactError: It cannot be read.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        if stored["url"].startswith("git+"):
            _checkout(stored, target, secret)
            return
        files, path = _opened(stored, secret)
        if not stored["url"].startswith("http") and files.isdir(path):  # a web page with links would count as a folder
            files.get(path.rstrip("/") + "/", f"{target}/", recursive=True)
        else:
            files.get_file(path, str(target))
    except Exception as error:
        raise _told("read", stored, error) from None


def store(source: Path, stored: Mapping[str, Any], secret: Secret) -> None:
    """Copy a file or folder to a URL.

    Raises:
        ArtifactError: It cannot be written there.
    """
    try:
        files, path = _opened(stored, secret)
        if source.is_dir():
            files.put(f"{source}/", path.rstrip("/") + "/", recursive=True)
            return
        if not files.exists(path.rpartition("/")[0]):
            files.makedirs(path.rpartition("/")[0], exist_ok=True)
        files.put_file(str(source), path)
    except Exception as error:
        raise _told("write", stored, error) from None


def _checkout(stored: Mapping[str, Any], target: Path, secret: Secret) -> None:
    from . import git  # type: ignore[attr-defined] # beside DAG files that name a repository

    secrets = {name: secret(*where) for name, where in stored.get("credentials", {}).items()}
    git.checkout(stored["url"].removeprefix("git+"), stored.get("options", {}), secrets, target)


def _opened(stored: Mapping[str, Any], secret: Secret) -> tuple[Any, str]:
    """The file system of a URL and the path there; without settings it is that of Airflow's own connections."""
    url, settings = stored["url"], dict(stored.get("options", {}))
    settings |= {name: secret(*where) for name, where in stored.get("credentials", {}).items()}
    if not settings and not url.startswith("http"):
        found = ObjectStoragePath(url)
        return found.fs, found.path
    import fsspec  # type: ignore[import-untyped]

    if url.startswith("gs") and "token" in settings:
        settings["token"] = json.loads(settings["token"])
    return fsspec.core.url_to_fs(url, **settings)


def shown(url: str) -> str:
    """A URL for people: without user, password and query.

    >>> shown("s3://key:secret@bucket/files?token=secret")
    's3://bucket/files'
    """
    return re.sub(r"://[^/]*@", "://", url.partition("?")[0])


def _told(what: str, stored: Mapping[str, Any], error: Exception) -> ArtifactError:
    """An error in words without settings, which may be secrets."""
    safe = isinstance(error, ArtifactError) or not stored.get("credentials")
    why = str(error) if isinstance(error, ArtifactError) else f"{type(error).__name__}: {error}"
    why = why if safe else type(error).__name__
    return ArtifactError(f"could not {what} {shown(stored['url'])}: {why}", (type(error).__name__, "ArtifactError"))
