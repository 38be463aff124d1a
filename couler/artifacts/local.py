"""Entries as read-only files in a folder of this machine."""

from __future__ import annotations

import contextlib
import os
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

from couler.artifacts.blobs import Blob, Blobs, Source, copy, pieces
from couler.artifacts.records import EXECUTABLE, key_of
from couler.core.errors import ArtifactError

_STALE_SECONDS = 24 * 3600


class LocalBlobs(Blobs):
    """Entries below a folder, which is made when the first one is stored.

    An entry is written under ``tmp`` and renamed, so it appears whole or not at all. An entry that is stored again
    replaces the old one, which has the same content unless it was damaged. After a loss of power the last entries may
    be missing or damaged, and reading them says so.
    """

    def __init__(self, root: Path) -> None:
        self.root: Path = root.absolute()
        self.shown = str(self.root)
        self._ready = False

    def add(self, source: Source, name: str, suffix: str = "") -> Blob:
        """Store content; see `Blobs.add`."""
        try:
            return self._add(source, suffix)
        except OSError as error:
            where = "" if error.filename in (None, name) else f" ({error.filename})"
            raise ArtifactError(
                f"{name} cannot be stored in {self.shown}: {error.strerror or error}{where}",
                "free space there, change the permissions, or name another place for files; nothing was half stored",
            ) from error

    def read(self, key: str) -> Iterator[bytes]:
        """The content of an entry; see `Blobs.read`."""
        with self._readable(key), (self.root / key).open("rb") as content:
            yield from pieces(content)

    def size(self, key: str) -> int | None:
        """Bytes of an entry; see `Blobs.size`."""
        try:
            with self._readable(key):
                return (self.root / key).stat().st_size
        except FileNotFoundError:
            return None

    @contextlib.contextmanager
    def _readable(self, key: str) -> Iterator[None]:
        try:
            yield
        except FileNotFoundError:
            raise
        except OSError as error:
            raise ArtifactError(
                f"{key} cannot be read in {self.shown}: {error.strerror or error}",
                "look at the permissions and the health of that disk",
            ) from error

    def _add(self, source: Source, suffix: str) -> Blob:
        temporary = self._temporary()
        try:
            with source() as content, temporary.open("xb") as target:
                hexadecimal, size = copy(pieces(content), target)
            temporary.chmod(0o555 if suffix == EXECUTABLE else 0o444)
            entry = self.root / key_of(hexadecimal, suffix)
            entry.parent.mkdir(parents=True, exist_ok=True)
            temporary.replace(entry)
        except BaseException:
            with contextlib.suppress(OSError):
                temporary.unlink(missing_ok=True)
            raise
        return Blob(f"sha256:{hexadecimal}", size, key_of(hexadecimal, suffix))

    def _temporary(self) -> Path:
        folder = self.root / "tmp"
        if not self._ready:
            folder.mkdir(parents=True, exist_ok=True)
            _remove_stale(folder)
            self._ready = True
        return folder / uuid.uuid4().hex


def _remove_stale(folder: Path) -> None:
    """Remove what processes that were killed left behind."""
    limit = time.time() - _STALE_SECONDS
    with os.scandir(folder) as entries:
        for entry in entries:
            with contextlib.suppress(OSError):  # another process removes them too
                if entry.stat(follow_symlinks=False).st_mtime < limit:
                    Path(entry.path).unlink()
