"""What the cluster is made of is built once and kept in the user's cache folder until one of its inputs changes."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path

import platformdirs


class NotBuiltError(Exception):
    """A thing is not in the cache, and is not to be built now."""


_may_build: ContextVar[bool] = ContextVar("may_build", default=True)


@contextmanager
def as_it_is() -> Iterator[None]:
    """In this block nothing is built: what is not kept raises ``NotBuiltError``."""
    token = _may_build.set(False)
    try:
        yield
    finally:
        _may_build.reset(token)


def folder() -> Path:
    """The folder of everything kept: ``~/.cache/couler/cluster``, or under ``XDG_CACHE_HOME``."""
    return platformdirs.user_cache_path("couler") / "cluster"


def kept(name: str, inputs: list[Path | str], make: Callable[[Path], None]) -> Path:
    """The file or folder ``name`` of the cache, made anew when an input differs from those that it was made from.

    Args:
        name: Path below the cache folder.
        inputs: What the result depends on: texts, and files or folders by their content.
        make: Writes the result to the path that it is given.

    Returns:
        Where the result is.

    Raises:
        NotBuiltError: It would have to be made, in a block of ``as_it_is``.
    """
    target, digest = folder() / name, digest_of(inputs)
    if _is_kept(target, digest):
        return target
    if not _may_build.get():
        raise NotBuiltError(name)
    with locked(target):
        if not _is_kept(target, digest):
            new = target.with_name(target.name + ".new")
            _remove(new)
            make(new)
            _remove(target)
            new.rename(target)
            _stamp(target).write_text(digest)
    return target


def _is_kept(target: Path, digest: str) -> bool:
    stamp = _stamp(target)
    return target.exists() and stamp.exists() and stamp.read_text() == digest


def _stamp(target: Path) -> Path:
    return target.with_name(target.name + ".made-from")


def digest_of(inputs: list[Path | str]) -> str:
    digest = hashlib.sha256()
    for item in inputs:
        for part in _bytes_of(item):
            digest.update(len(part).to_bytes(8, "big") + part)
    return digest.hexdigest()


def _bytes_of(item: Path | str) -> Iterator[bytes]:
    if isinstance(item, str):
        yield item.encode()
    elif item.is_dir():
        for file in sorted(path for path in item.rglob("*") if path.is_file()):
            yield from (str(file.relative_to(item)).encode(), file.read_bytes())
    else:
        yield item.read_bytes()


@contextmanager
def locked(target: Path) -> Iterator[None]:
    """One process at a time makes a thing; the others wait for it."""
    target.parent.mkdir(parents=True, exist_ok=True)
    handle = os.open(target.with_name(target.name + ".lock"), os.O_CREAT | os.O_RDWR, 0o644)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
