"""Files that exist outside of the workflow: brought from a URL before a step, stored at one after it."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from couler.artifacts.file_systems import file_system
from couler.artifacts.place import local_folder, shown
from couler.backends.local import git
from couler.core.errors import ArtifactError, CoulerError, MissingExtraError
from couler.core.ir.graph import walk
from couler.core.ir.model import ListOf, StoredFile, Value, Workflow

_NO = ("", "0", "false", "no")


def fetch(url: str, options: Mapping[str, str], secrets: Mapping[str, str], target: Path) -> None:
    """Copy the file or folder at a URL to a path.

    Args:
        url: A path, or an address of a protocol that fsspec or git knows.
        options: Settings of the store, as in `couler.core.ir.model.StoredFile`.
        secrets: Its credentials, by name; they stand in no message.
        target: A path at which nothing is.

    Raises:
        ArtifactError: It does not exist or cannot be read.
        MissingExtraError: A package for the protocol is not installed.
    """
    with _in_words("read", url, secrets):
        if url.startswith("git+"):
            git.checkout(url.removeprefix("git+"), options, secrets, target)
            return
        source = local_folder(url)
        if source is not None:
            _copy(source, target)
            return
        files, path = _file_system(url, options, secrets)
        if not url.startswith("http") and files.isdir(path):  # any web page with links would count as a folder
            files.get(path.rstrip("/") + "/", f"{target}/", recursive=True)
        else:
            files.get_file(path, str(target))


def store(source: Path, url: str, options: Mapping[str, str], secrets: Mapping[str, str]) -> None:
    """Copy a file or folder to a URL.

    A file on this machine appears whole or not at all; a folder is merged into one that is there already.

    Args:
        source: What to copy.
        url: A path, or an address of a protocol that fsspec knows.
        options: Settings of the store, as in `couler.core.ir.model.StoredFile`.
        secrets: Its credentials, by name; they stand in no message.

    Raises:
        ArtifactError: It cannot be written there.
        MissingExtraError: A package for the protocol is not installed.
    """
    with _in_words("write", url, secrets):
        if url.startswith("git+"):
            raise ArtifactError("a file cannot be stored in a git repository", "store it at another URL")
        target = local_folder(url)
        if target is not None:
            _copy(source, target)
            return
        files, path = _file_system(url, options, secrets)
        if source.is_dir():
            files.put(f"{source}/", path.rstrip("/") + "/", recursive=True)
        else:
            _put_file(files, source, path)


def _put_file(files: Any, source: Path, path: str) -> None:
    try:
        files.put_file(str(source), path)
    except FileNotFoundError:  # a store with real folders
        files.makedirs(path.rpartition("/")[0], exist_ok=True)
        files.put_file(str(source), path)


def declared(workflow: Workflow) -> dict[str, StoredFile]:
    """The stored files that a workflow names, by URL: where credentials come from, never out of a value."""
    found: dict[str, StoredFile] = {}
    for _, step in walk(workflow):
        values = [given.value for given in step.inputs]
        if step.foreach is not None:
            values += step.foreach.lists.values()
        for stored in _stored_in(values):
            found.setdefault(stored.url, stored)
    return found


def _stored_in(values: Iterable[Value]) -> Iterator[StoredFile]:
    for value in values:
        if isinstance(value, StoredFile):
            yield value
        elif isinstance(value, ListOf):
            yield from _stored_in(value.items)


def connection(protocol: str, options: Mapping[str, str], secrets: Mapping[str, str]) -> dict[str, Any]:
    """What fsspec's class for a protocol wants to be given.

    Args:
        protocol: Such as ``s3``.
        options: Settings under couler's names; others are handed on as they are.
        secrets: Credentials under couler's names.

    Raises:
        ArtifactError: A credential has not the form that the store gave it.

    >>> connection("s3", {"endpoint": "minio:9000", "insecure": "true"}, {"accesskey_id": "me"})
    {'endpoint_url': 'http://minio:9000', 'use_ssl': False, 'key': 'me'}
    """
    given: dict[str, Any] = {**options}
    match protocol:
        case "s3" | "s3a":
            given = {**_s3_options(given), **_renamed(secrets, {"session_token": "token"})}
        case "gs" | "gcs" if "service_account_key" in secrets:
            rest = {name: value for name, value in secrets.items() if name != "service_account_key"}
            given = {**given, **rest, "token": _json_key(secrets["service_account_key"])}
        case _:
            given.update(_renamed(secrets, {}))
    return given


def _renamed(secrets: Mapping[str, str], names: Mapping[str, str]) -> dict[str, str]:
    names = {"accesskey_id": "key", "accesskey_secret": "secret", **names}
    return {names.get(name, name): value for name, value in secrets.items()}


def _s3_options(options: Mapping[str, Any]) -> dict[str, Any]:
    given = dict(options)
    insecure = str(given.pop("insecure", "")).lower() not in _NO
    endpoint, region = given.pop("endpoint", ""), given.pop("region", "")
    if endpoint:
        given["endpoint_url"] = endpoint if "://" in endpoint else f"{'http' if insecure else 'https'}://{endpoint}"
    if insecure:
        given["use_ssl"] = False
    if region:
        given["client_kwargs"] = {"region_name": region}
    return given


def _json_key(text: str) -> Any:
    try:
        key = json.loads(text)
    except ValueError:
        key = None
    if not isinstance(key, dict):
        raise ArtifactError("the service account key is not JSON", "give the content of the key file that Google gave")
    return key


def _file_system(url: str, options: Mapping[str, str], secrets: Mapping[str, str]) -> tuple[Any, str]:
    given = connection(url.partition("://")[0], options, secrets)
    return file_system(url, {**given, "skip_instance_cache": True}, "reading and writing files at")


def _copy(source: Path, target: Path) -> None:
    if source.is_dir():
        shutil.copytree(source, target, dirs_exist_ok=True)
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(f".{target.name}.{os.getpid()}.part")
    try:
        shutil.copyfile(source, part)
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)


@contextlib.contextmanager
def _in_words(verb: str, url: str, secrets: Mapping[str, str]) -> Iterator[None]:
    try:
        yield
    except MissingExtraError:
        raise
    except Exception as error:  # fsspec's stores raise errors of their own kinds
        text = error.message if isinstance(error, CoulerError) else f"{type(error).__name__}: {error}"
        hint = error.hint if isinstance(error, CoulerError) and error.hint else "check the URL and the credentials"
        raise ArtifactError(f"cannot {verb} {shown(url)}: {_masked(text, secrets)}", hint) from None


def _masked(text: str, secrets: Mapping[str, str]) -> str:
    for value in sorted(filter(None, map(str.strip, secrets.values())), key=len, reverse=True):
        text = text.replace(value, "***")
    return text
