"""Brings files that exist outside of the workflow, by URL."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from couler.core.errors import ArtifactError, MissingExtraError


def fetch(url: str, options: Mapping[str, Any], target: Path) -> None:
    """Copy the file or folder at a URL to a path.

    Raises:
        ArtifactError: It does not exist or cannot be read.
        MissingExtraError: A package for the protocol is not installed.
    """
    if url.startswith("git+"):
        _clone(url, target)
        return
    import fsspec  # type: ignore[import-untyped]

    protocol = url.split("://", 1)[0]
    try:
        files, path = fsspec.core.url_to_fs(url, **options)
        files.get(path, str(target), recursive=files.isdir(path))
    except ImportError:
        raise MissingExtraError(f"reading {protocol}:// URLs", protocol) from None
    except Exception as error:  # fsspec's stores raise errors of their own kinds
        raise ArtifactError(f"cannot read {url}: {error}", "check the URL and the credentials") from error


def _clone(url: str, target: Path) -> None:
    address, _, revision = url.removeprefix("git+").partition("#")
    command = ["git", "clone", "--quiet", "--depth", "1"]
    if revision:
        command += ["--branch", revision]
    done = subprocess.run(
        [*command, "--", address, str(target)], capture_output=True, text=True, stdin=subprocess.DEVNULL
    )
    if done.returncode:
        raise ArtifactError(f"cannot clone {address}: {done.stderr.strip()[-500:]}", "check the URL and the revision")
