"""What is known of a stored file or folder: its digest, its size, and the key of its entry in the store."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from couler.core.errors import ArtifactError

FileKind: TypeAlias = Literal["file", "folder"]

MARK = "$file"
EXECUTABLE = ".x"
FOLDER = ".folder"

_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_KEY = re.compile(r"sha256/([0-9a-f]{2})/(\1[0-9a-f]{62})(\.x|\.folder)?")


@dataclass(frozen=True, slots=True)
class FileRecord:
    """A file or folder in an artifact store.

    Attributes:
        digest: ``sha256:`` and 64 hexadecimal digits; of a file's content, or of a folder's manifest.
        size: Bytes; of a folder, of all files in it.
        kind: ``file`` or ``folder``.
        key: Where the entry lies, relative to the store's root.
    """

    digest: str
    size: int
    kind: FileKind
    key: str

    def to_json(self) -> dict[str, Any]:
        """The record as a JSON object, marked so that it is told from other objects."""
        return {MARK: True, "digest": self.digest, "size": self.size, "kind": self.kind, "key": self.key}

    @classmethod
    def from_json(cls, data: Any) -> FileRecord:
        """The record that `to_json` wrote.

        Raises:
            ArtifactError: This is no such object, or its key is not the one of its digest.

        >>> record = FileRecord("sha256:" + "0" * 64, 3, "file", key_of("0" * 64))
        >>> FileRecord.from_json(record.to_json()) == record
        True
        """
        if not is_file(data):
            raise ArtifactError(f"this is no record of a stored file: {data!r:.200}", _RECORD_HINT)
        fields = {name: data.get(name) for name in ("digest", "size", "kind", "key")}
        if not isinstance(fields["size"], int) or isinstance(fields["size"], bool) or fields["size"] < 0:
            raise ArtifactError(f"the record of a stored file has no size: {data!r:.200}", _RECORD_HINT)
        record = cls(**fields)
        check(record)
        return record


def is_file(value: Any) -> bool:
    """Whether a JSON value is the record of a stored file."""
    return isinstance(value, Mapping) and value.get(MARK) is True


def key_of(hexadecimal: str, suffix: str = "") -> str:
    """The key of an entry by its SHA-256 digest.

    >>> key_of("ab" + "0" * 62)[:12]
    'sha256/ab/ab'
    """
    return f"sha256/{hexadecimal[:2]}/{hexadecimal}{suffix}"


def check(record: FileRecord) -> None:
    """Refuse a record whose parts contradict each other, or whose key leads elsewhere.

    Raises:
        ArtifactError: The record was damaged or forged.
    """
    digest, key = record.digest, record.key
    match = _KEY.fullmatch(key) if isinstance(key, str) else None
    sound = (
        isinstance(digest, str)
        and _DIGEST.fullmatch(digest) is not None
        and match is not None
        and f"sha256:{match[2]}" == digest
        and record.kind in ("file", "folder")
        and (match[3] == FOLDER) == (record.kind == "folder")
    )
    if not sound:
        raise ArtifactError(
            f"the record of a stored {record.kind} is not sound: its key is {key!r} and its digest {digest!r}",
            "use the record that the store gave when the file was stored",
        )


_RECORD_HINT = "use the JSON that FileRecord.to_json gave"
