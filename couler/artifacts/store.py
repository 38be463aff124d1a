"""The artifact store: files and folders by the digest of their content, in a folder or at a URL."""

from __future__ import annotations

import contextlib
import dataclasses
import io
import os
import shutil
import stat
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from couler.artifacts.blobs import Blobs, copy
from couler.artifacts.local import LocalBlobs
from couler.artifacts.manifest import Entry, dump, leaves, load, scan
from couler.artifacts.place import local_folder
from couler.artifacts.records import EXECUTABLE, FOLDER, FileRecord, check
from couler.core.errors import ArtifactError

Place = Callable[[FileRecord, Path, str], None]


class ArtifactStore:
    """Files and folders that outlive the step that made them.

    Who may share it: any number of threads, processes and machines that reach the place. Content is stored once,
    however often it is put, and never changes; what is in the store may be read while others store.

    What a store promises: `put` returned means stored; `put` raised means that no part can be mistaken for an entry.
    `get` and `link` show the destination whole or not at all. What is copied out is compared with its digest, so that
    damage is an error and never a wrong result.

    What must never happen: an entry that changes, a file written outside of the destination (whatever a record or a
    stored folder says), a link followed out of a folder, and a password in a message.

    Args:
        url: A folder, a ``file:`` URL, or any URL that fsspec knows, such as ``s3://bucket/folder``.
        **options: What the protocol needs, such as ``endpoint_url``; see fsspec. Not for folders.

    Raises:
        MissingExtraError: The package for the protocol is not installed.
        ConfigError: There is no such protocol.

    Example:
        >>> import tempfile
        >>> folder = Path(tempfile.mkdtemp())
        >>> _ = (folder / "a.txt").write_text("hello")
        >>> store = ArtifactStore(str(folder / "store"))
        >>> record = store.put(folder / "a.txt")
        >>> record.digest[:15], record.size, record.kind
        ('sha256:2cf24dba', 5, 'file')
        >>> store.get(record, folder / "b.txt")
        >>> (folder / "b.txt").read_text()
        'hello'
    """

    def __init__(self, url: str, **options: Any) -> None:
        self._blobs = _blobs(url, options)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._blobs.shown!r})"

    @property
    def is_local(self) -> bool:
        """Whether the entries are files of this machine, so that `link` makes links."""
        return self._blobs.root is not None

    def put(self, path: Path) -> FileRecord:
        """Store a file, or a folder with all that is in it.

        Kept are names, content, whether a file is executable, empty folders, and links within the folder; other modes,
        owners and times are not. A link given as ``path`` itself is followed.

        Raises:
            ArtifactError: It cannot be read or stored, or a folder holds links that leave it, or pipes and devices.
        """
        try:
            mode = path.stat().st_mode
            if stat.S_ISDIR(mode):
                return self._put_folder(path)
            if stat.S_ISREG(mode):
                return self._put_file(path, bool(mode & stat.S_IXUSR))
        except OSError as error:
            reason = "there is no such file or folder" if isinstance(error, FileNotFoundError) else error.strerror
            where = error.filename or path
            raise ArtifactError(
                f"{where} cannot be stored: {reason}", "look at the path and its permissions"
            ) from error
        raise ArtifactError(
            f"{path} cannot be stored: it is neither a file nor a folder", "store its content as a file"
        )

    def get(self, record: FileRecord, destination: Path) -> None:
        """Copy a stored file or folder to a path; the copy belongs to the caller and may be changed.

        A file that is there is replaced; a folder must not be there, or be empty.

        Raises:
            ArtifactError: The entry is missing or damaged, or the destination cannot be written.
        """
        self._bring(record, destination, self._copy_file)

    def link(self, record: FileRecord, destination: Path) -> None:
        """Show a stored file or folder at a path without copying: as a link, or as a folder of links.

        What is behind the links is read-only. Stores that are not folders of this machine, and disks without links,
        get a copy. Content is compared with its size only; `verify` looks at all of it.

        Raises:
            ArtifactError: The entry is missing or damaged, or the destination cannot be written.
        """
        if self._blobs.root is None:
            self.get(record, destination)
        else:
            self._bring(record, destination, self._link_file)

    def verify(self, record: FileRecord) -> None:
        """Read all of an entry and compare it with its digest.

        Raises:
            ArtifactError: It is missing or damaged; the message has the digest and the key.
        """
        for name, part in self._parts(record):
            self._read(part, name, None)

    def exists(self, record: FileRecord) -> bool:
        """Whether the entry is there with its whole size, and for a folder all of its files."""
        try:
            return all(self._blobs.size(part.key) == part.size for _, part in self._parts(record))
        except _MissingError:
            return False

    # --- storing ---------------------------------------------------------------------------------------------------

    def _put_file(self, path: Path, executable: bool) -> FileRecord:
        blob = self._blobs.add(lambda: path.open("rb"), str(path), EXECUTABLE if executable else "")
        return FileRecord(blob.digest, blob.size, "file", blob.key)

    def _put_folder(self, folder: Path) -> FileRecord:
        entries = [self._with_content(folder, entry) for entry in scan(folder, self._blobs.root)]
        manifest = dump(entries)
        blob = self._blobs.add(lambda: io.BytesIO(manifest), str(folder), FOLDER)
        return FileRecord(blob.digest, sum(entry.size for entry in entries), "folder", blob.key)

    def _with_content(self, folder: Path, entry: Entry) -> Entry:
        if entry.kind != "file":
            return entry
        record = self._put_file(folder / entry.path, entry.executable)
        return dataclasses.replace(entry, digest=record.digest, size=record.size)

    # --- reading ---------------------------------------------------------------------------------------------------

    def _bring(self, record: FileRecord, destination: Path, place: Place) -> None:
        check(record)
        try:
            destination.parent.mkdir(parents=True, exist_ok=True)
            with _beside(destination) as temporary:
                if record.kind == "file":
                    place(record, temporary, str(destination))
                else:
                    self._build_folder(record, temporary, place)
                temporary.replace(destination)
        except OSError as error:
            raise ArtifactError(
                f"the stored {record.kind} {record.key} cannot be brought to {destination}: {error.strerror or error}",
                "a folder's destination must be new or empty; look at the permissions and the space on that disk",
            ) from error

    def _build_folder(self, record: FileRecord, folder: Path, place: Place) -> None:
        folder.mkdir()
        entries = self._entries(record)
        for entry in entries:
            if entry.kind == "folder":
                (folder / entry.path).mkdir()
            elif entry.kind == "file":
                place(entry.record, folder / entry.path, entry.path)
        for entry in entries:  # links come last, so that nothing is ever written through one
            if entry.kind == "link":
                (folder / entry.path).symlink_to(entry.target)
        for entry in entries:
            if entry.kind == "link" and leaves(folder, folder / entry.path):
                raise ArtifactError(
                    f"the stored folder {record.key} is refused: its link '{entry.path}' leads out of it",
                    "it was damaged or forged: run the step that made it again",
                )

    def _copy_file(self, record: FileRecord, path: Path, name: str) -> None:
        self._read(record, name, path)
        if record.key.endswith(EXECUTABLE):
            mode = path.stat().st_mode
            path.chmod(mode | (mode & 0o444) >> 2)

    def _link_file(self, record: FileRecord, path: Path, name: str) -> None:
        assert self._blobs.root is not None
        size = self._blobs.size(record.key)
        if size is None:
            raise self._missing(record, name)
        if size != record.size:
            raise self._damaged(record, name)
        try:
            path.symlink_to(self._blobs.root / record.key)
        except (NotImplementedError, PermissionError):  # Windows without the right to make links
            self._copy_file(record, path, name)

    def _parts(self, record: FileRecord) -> Iterator[tuple[str, FileRecord]]:
        check(record)
        if record.kind == "file":
            yield "", record
            return
        for entry in self._entries(record):
            if entry.kind == "file":
                yield entry.path, entry.record

    def _entries(self, record: FileRecord) -> list[Entry]:
        target = io.BytesIO()
        self._copy(record, "", target)
        return load(target.getvalue())

    def _read(self, record: FileRecord, name: str, path: Path | None) -> None:
        if path is None:
            self._copy(record, name, None)
            return
        with path.open("xb") as target:
            self._copy(record, name, target)

    def _copy(self, record: FileRecord, name: str, target: Any) -> None:
        try:
            digest, _ = copy(self._blobs.read(record.key), target)
        except FileNotFoundError:
            raise self._missing(record, name) from None
        if f"sha256:{digest}" != record.digest:
            raise self._damaged(record, name)

    def _missing(self, record: FileRecord, name: str) -> ArtifactError:
        return _MissingError(
            f"{_named(record, name)} is missing from the artifact store {self._blobs.shown}: "
            f"there is no {record.key} (digest {record.digest})",
            "run the step that made it again, or restore the store from a copy",
        )

    def _damaged(self, record: FileRecord, name: str) -> ArtifactError:
        return ArtifactError(
            f"{_named(record, name)} is damaged in the artifact store {self._blobs.shown}: "
            f"{record.key} no longer has the digest {record.digest}",
            "remove that entry and run the step that made it again, or restore the store from a copy",
        )


class _MissingError(ArtifactError):
    """An entry is not there."""


def _blobs(url: str, options: dict[str, Any]) -> Blobs:
    folder = local_folder(url)
    if folder is not None:
        return LocalBlobs(folder)
    from couler.artifacts.remote import RemoteBlobs  # fsspec is loaded only for those who use it

    return RemoteBlobs(url, options)


@contextlib.contextmanager
def _beside(destination: Path) -> Iterator[Path]:
    """A new path beside the destination, gone afterwards."""
    temporary = destination.parent / f".couler-{uuid.uuid4().hex}"
    try:
        yield temporary
    finally:
        if temporary.is_dir() and not temporary.is_symlink():
            shutil.rmtree(temporary, ignore_errors=True)
        elif os.path.lexists(temporary):
            temporary.unlink()


def _named(record: FileRecord, name: str) -> str:
    return f"the file '{name}'" if name else f"a stored {record.kind}"
