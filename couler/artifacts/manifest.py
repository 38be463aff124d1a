"""What is in a folder: the same text for the same content, whatever machine it was read on."""

from __future__ import annotations

import json
import os
import posixpath
import stat
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from couler.artifacts.records import EXECUTABLE, FileRecord, check, key_of
from couler.core.errors import ArtifactError

_VERSION = 1
_SHOWN = 10


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing in a folder.

    Attributes:
        path: Relative to the folder, with slashes.
        digest: ``sha256:…`` of a file.
        size: Bytes of a file.
        target: What a symbolic link points to, relative to the link's own folder.
    """

    path: str
    kind: Literal["file", "folder", "link"]
    digest: str = ""
    size: int = 0
    executable: bool = False
    target: str = ""

    @property
    def record(self) -> FileRecord:
        """Where the content of a file lies."""
        suffix = EXECUTABLE if self.executable else ""
        return FileRecord(self.digest, self.size, "file", key_of(self.digest.removeprefix("sha256:"), suffix))


def scan(folder: Path, store: Path | None) -> list[Entry]:
    """Everything in a folder, files still without digest, sorted by path.

    Symbolic links stay links when they lead to a place in the folder. Those into the store (``store`` is its folder)
    are taken as the files that they stand for, because that is how couler hands files to steps.

    Raises:
        ArtifactError: There are links that leave the folder, or things that are neither file, folder nor link; all of
            them are named.
        OSError: A part cannot be read.
    """
    root = folder.resolve()
    refused: list[str] = []
    entries = sorted(_walk(root, store and store.resolve(), refused), key=lambda entry: entry.path)
    if refused:
        more = f" and {len(refused) - _SHOWN} more" if len(refused) > _SHOWN else ""
        raise ArtifactError(
            f"the folder {folder} cannot be stored: {'; '.join(sorted(refused)[:_SHOWN])}{more}",
            "copy what the links point to into the folder (cp -rL), and remove pipes, sockets and devices",
        )
    return entries


def dump(entries: list[Entry]) -> bytes:
    """The manifest's text."""
    listed = [{name: value for name, value in asdict(entry).items() if value} for entry in entries]
    return json.dumps({"version": _VERSION, "entries": listed}, separators=(",", ":"), sort_keys=True).encode("ascii")


def load(text: bytes) -> list[Entry]:
    """The entries of a manifest; parents stand before what is in them.

    Raises:
        ArtifactError: The manifest is damaged, or forged to write outside of the folder.
    """
    try:
        data = json.loads(text)
        if data["version"] != _VERSION:
            raise ArtifactError(f"the folder was stored in form {data['version']!r:.50}", "pip install -U couler")
        entries = [Entry(**entry) for entry in data["entries"]]
    except (ValueError, TypeError, KeyError):
        raise ArtifactError("the list of a stored folder's files cannot be read", _FORGED_HINT) from None
    folders = {""}
    seen: set[str] = set()
    for entry in entries:
        if reason := _unsound(entry, folders, seen):
            raise ArtifactError(f"the list of a stored folder's files is refused: {reason}", _FORGED_HINT)
        seen.add(entry.path)
        if entry.kind == "folder":
            folders.add(entry.path)
    return entries


def leaves(root: Path, link: Path) -> bool:
    """Whether a symbolic link leads out of a folder."""
    return not Path(os.path.realpath(link)).is_relative_to(root.resolve())


def _walk(root: Path, store: Path | None, refused: list[str]) -> Iterator[Entry]:
    waiting = [""]
    while waiting:
        prefix = waiting.pop()
        with os.scandir(root / prefix) as found:
            for item in found:
                path = prefix + item.name
                if item.is_symlink():
                    yield from _link(root, path, store, refused)
                elif item.is_dir():
                    yield Entry(path, "folder")
                    waiting.append(path + "/")
                elif item.is_file():
                    yield _file(path, item.stat().st_mode)
                else:
                    refused.append(f"'{path}' is neither a file nor a folder")


def _link(root: Path, path: str, store: Path | None, refused: list[str]) -> Iterator[Entry]:
    link = root / path
    real = Path(os.path.realpath(link))  # unlike Path.resolve, gives an answer for links in a circle
    if real.is_relative_to(root):
        # the plain way from here to there: no detour by the folder's own name, which is another one where it is read
        yield Entry(path, "link", target=os.path.relpath(real, link.parent).replace(os.sep, "/"))
    elif store is not None and real.is_relative_to(store) and real.is_file():
        yield _file(path, real.stat().st_mode)
    else:
        refused.append(f"'{path}' is a link to {link.readlink()}, outside of the folder")


def _file(path: str, mode: int) -> Entry:
    return Entry(path, "file", executable=bool(mode & stat.S_IXUSR))


def _unsound(entry: Entry, folders: set[str], seen: set[str]) -> str:
    path: Any = entry.path
    if not _nameable(path) or (os.name == "nt" and set(path) & set("\\:")):
        return f"{path!r:.200} is no path"
    if any(part in ("", ".", "..") for part in path.split("/")):
        return f"{path!r:.200} leads out of the folder"
    if path in seen:
        return f"{path!r:.200} is there twice"
    if posixpath.dirname(path) not in folders:
        return f"{path!r:.200} is in no folder of the list"
    if entry.kind == "link":
        return _unsound_target(entry)
    if entry.kind == "file":
        return _unsound_content(entry)
    return "" if entry.kind == "folder" else f"{path!r:.200} is of unknown kind {entry.kind!r:.50}"


def _nameable(path: Any) -> bool:
    """Whether a file of this machine can have such a path."""
    try:
        return isinstance(path, str) and path != "" and b"\0" not in os.fsencode(path)
    except UnicodeEncodeError:
        return False


def _unsound_target(entry: Entry) -> str:
    target: Any = entry.target
    if not _nameable(target) or target.startswith("/"):
        return f"the link {entry.path!r:.200} has no target in the folder"
    end = posixpath.normpath(posixpath.join(posixpath.dirname(entry.path), target))
    return f"the link {entry.path!r:.200} leads out of the folder" if end.split("/")[0] == ".." else ""


def _unsound_content(entry: Entry) -> str:
    try:
        check(entry.record)
    except (ArtifactError, AttributeError):
        return f"{entry.path!r:.200} has no digest"
    sized = isinstance(entry.size, int) and not isinstance(entry.size, bool) and entry.size >= 0
    return "" if sized and isinstance(entry.executable, bool) else f"{entry.path!r:.200} has no size"


_FORGED_HINT = "it was damaged or forged: run the step that made it again"
