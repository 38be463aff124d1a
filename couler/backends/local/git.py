"""Checks revisions of git repositories out; credentials travel in the environment of git, never on a command line."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

from couler.artifacts.place import shown
from couler.core.errors import ArtifactError

_HELPER = (
    "!f() { test \"$1\" = get && printf 'username=%s\\npassword=%s\\n' "
    '"$COULER_GIT_USERNAME" "$COULER_GIT_PASSWORD"; }; f'
)
_EVERYTHING = ("+refs/heads/*:refs/remotes/origin/*", "+refs/tags/*:refs/tags/*")


def checkout(address: str, options: Mapping[str, str], secrets: Mapping[str, str], target: Path) -> None:
    """Make a checkout at ``target``, without history where the server can give a revision alone.

    Args:
        address: URL or path of the repository; ``#revision`` may follow.
        options: ``revision``: branch, tag or commit; the repository's default branch without.
        secrets: ``username`` and ``password``, of which a token needs only the second.
        target: A path at which nothing is.

    Raises:
        ArtifactError: git is not installed, or cannot read the repository or find the revision.
    """
    if shutil.which("git") is None:
        raise ArtifactError("git is not on this machine", "install git")
    address, _, revision = address.partition("#")
    revision = options.get("revision") or revision or "HEAD"
    environment = _environment(address, secrets)
    _git(["init", "--quiet", "--", str(target)], None, environment)
    try:
        _git(["fetch", "--quiet", "--depth", "1", "--", address, revision], target, environment)
        revision = "FETCH_HEAD"
    except ArtifactError:  # the server gives no commit by its hash, or no history in part
        _git(["fetch", "--quiet", "--", address, *_EVERYTHING], target, environment)
    commit = _commit(revision, address, target, environment)
    _git(["checkout", "--quiet", "--detach", commit], target, environment)


def _commit(revision: str, address: str, target: Path, environment: Mapping[str, str]) -> str:
    for name in (revision, f"refs/remotes/origin/{revision}"):
        done = _run(["rev-parse", "--verify", "--quiet", "--end-of-options", f"{name}^{{commit}}"], target, environment)
        if done.returncode == 0:
            return done.stdout.strip()
    raise ArtifactError(f"{shown(address)} has no revision '{revision}'", "name a branch, a tag or a commit")


def _environment(address: str, secrets: Mapping[str, str]) -> dict[str, str]:
    environment = {"GIT_SSH_COMMAND": "ssh -o BatchMode=yes", **os.environ, "GIT_TERMINAL_PROMPT": "0", "LC_ALL": "C"}
    for name in [name for name in environment if name.startswith("COULER_SECRET_")]:
        del environment[name]
    if not secrets:
        return environment
    parts = urlsplit(address)
    server = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"  # credentials go to this server only
    count = int(environment.get("GIT_CONFIG_COUNT") or 0)
    for number, value in enumerate(("", _HELPER), count):  # the empty one takes the user's own helpers away
        environment[f"GIT_CONFIG_KEY_{number}"] = f"credential.{server}.helper"
        environment[f"GIT_CONFIG_VALUE_{number}"] = value
    environment["GIT_CONFIG_COUNT"] = str(count + 2)
    environment["COULER_GIT_USERNAME"] = secrets.get("username", "git").strip()
    environment["COULER_GIT_PASSWORD"] = secrets.get("password", "").strip()
    return environment


def _git(arguments: list[str], folder: Path | None, environment: Mapping[str, str]) -> None:
    done = _run(arguments, folder, environment)
    if done.returncode:
        words = done.stderr.strip()[-500:] or f"git {arguments[0]} failed"
        raise ArtifactError(words, "check the URL, the revision and the credentials")


def _run(arguments: list[str], folder: Path | None, environment: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["git", *arguments], cwd=folder, env=dict(environment), stdin=subprocess.DEVNULL, capture_output=True,
        text=True, errors="replace", check=False,
    )  # fmt: skip
