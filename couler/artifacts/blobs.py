"""The port below the artifact store: immutable entries by key, on a disk or in a bucket."""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, TypeAlias

CHUNK = 1 << 20
"""Bytes read at a time; files are never held in memory."""

Source: TypeAlias = Callable[[], BinaryIO]
"""Opens what is to be stored, from its beginning."""


@dataclass(frozen=True, slots=True)
class Blob:
    """A stored entry."""

    digest: str
    size: int
    key: str


class Blobs(ABC):
    """Entries that are written once and never change; the key is made of the content's digest.

    Who may share it: all threads and processes, on all machines that reach the place, at once. Two that add the same
    content end with one entry.

    What must never happen: an entry that is seen before all of its content is there, an entry whose content changes,
    and a key that leads out of the place.

    All methods raise `ArtifactError`, with the place and the reason, when the place cannot be read or written.
    """

    shown: str
    """The place, for people: no passwords."""

    root: Path | None = None
    """The folder when the entries are files of this machine."""

    @abstractmethod
    def add(self, source: Source, name: str, suffix: str = "") -> Blob:
        """Store content; ``name`` says in messages what it is."""

    @abstractmethod
    def read(self, key: str) -> Iterator[bytes]:
        """The content of an entry in pieces.

        Raises:
            FileNotFoundError: There is none.
        """

    @abstractmethod
    def size(self, key: str) -> int | None:
        """Bytes of an entry; None when there is none."""


def pieces(source: BinaryIO) -> Iterator[bytes]:
    """What is left in an open file, a chunk at a time."""
    while chunk := source.read(CHUNK):
        yield chunk


def copy(source: Iterable[bytes], target: BinaryIO | None) -> tuple[str, int]:
    """Write pieces to a file; the SHA-256 digest of all in hexadecimal, and the number of bytes."""
    digest = hashlib.sha256()
    size = 0
    for piece in source:
        digest.update(piece)
        if target is not None:
            target.write(piece)
        size += len(piece)
    return digest.hexdigest(), size
