"""Entries at any URL that fsspec knows: S3, GCS, Azure, HDFS, SFTP, memory and others."""

from __future__ import annotations

import contextlib
import uuid
from collections.abc import Iterator, Mapping
from typing import Any

from couler.artifacts.blobs import Blob, Blobs, Source, copy, pieces
from couler.artifacts.file_systems import file_system
from couler.artifacts.place import shown
from couler.artifacts.records import key_of
from couler.core.errors import ArtifactError, ConfigError, near


class RemoteBlobs(Blobs):
    """Entries below a URL.

    An entry is uploaded under ``tmp`` and moved, because only few stores make an upload visible at its end.

    Args:
        url: The place, such as ``s3://bucket/folder``.
        options: What the protocol needs, such as ``endpoint_url``; see fsspec.

    Raises:
        MissingExtraError: The package for this protocol is not installed.
        ConfigError: There is no such protocol.
    """

    def __init__(self, url: str, options: Mapping[str, Any]) -> None:
        self.shown = shown(url)
        self._files, root = _file_system(url, options, self.shown)
        self._root = root.rstrip("/")

    def add(self, source: Source, name: str, suffix: str = "") -> Blob:
        """Store content; see `Blobs.add`."""
        with self._in_words(f"{name} cannot be stored"):
            with source() as content:
                hexadecimal, size = copy(pieces(content), None)
            blob = Blob(f"sha256:{hexadecimal}", size, key_of(hexadecimal, suffix))
            if self._size(blob.key) != size:
                self._upload(source, name, blob)
            return blob

    def read(self, key: str) -> Iterator[bytes]:
        """The content of an entry; see `Blobs.read`."""
        with self._in_words(f"{key} cannot be read"), self._files.open(self._at(key), "rb") as content:
            yield from pieces(content)

    def size(self, key: str) -> int | None:
        """Bytes of an entry; see `Blobs.size`."""
        with self._in_words(f"{key} cannot be looked up"):
            return self._size(key)

    def _upload(self, source: Source, name: str, blob: Blob) -> None:
        temporary, entry = self._at(f"tmp/{uuid.uuid4().hex}"), self._at(blob.key)
        try:
            for path in (temporary, entry):
                self._files.makedirs(path.rpartition("/")[0], exist_ok=True)
            with source() as content, self._files.open(temporary, "wb") as target:
                hexadecimal, _ = copy(pieces(content), target)
            if f"sha256:{hexadecimal}" != blob.digest:
                raise ArtifactError(f"{name} changed while it was being stored", "end its writer first, then try again")
            self._files.mv(temporary, entry)
        except BaseException:
            with contextlib.suppress(Exception):
                self._files.rm(temporary)
            raise

    def _size(self, key: str) -> int | None:
        try:
            return int(self._files.info(self._at(key))["size"])
        except FileNotFoundError:
            return None

    def _at(self, key: str) -> str:
        return f"{self._root}/{key}"

    @contextlib.contextmanager
    def _in_words(self, what: str) -> Iterator[None]:
        try:
            yield
        except (ArtifactError, FileNotFoundError):
            raise
        except Exception as error:  # each protocol's library has errors of its own
            raise ArtifactError(
                f"{what} at {self.shown}: {type(error).__name__}: {error}",
                "look at the address, the credentials and the network, then try again",
            ) from error


def _file_system(url: str, options: Mapping[str, Any], where: str) -> tuple[Any, str]:
    try:
        return file_system(url, options, "keeping files at")
    except ValueError as error:
        if "rotocol not known" not in str(error):
            raise ConfigError(f"files cannot be kept at {where}: {error}", "look at the address") from error
    protocol = url.partition("://")[0]
    hint = near(protocol, _protocols()) or "couler keeps files in folders, s3://, gs:// and all of fsspec"
    raise ConfigError(f"files cannot be kept at {where}: there is no protocol '{protocol}'", hint)


def _protocols() -> list[str]:
    import fsspec  # type: ignore[import-untyped]

    return list(fsspec.available_protocols())
