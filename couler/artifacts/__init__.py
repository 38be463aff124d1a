"""Where files live: stored by the digest of their content, in a folder by default, at any URL by choice."""

from couler.artifacts.records import FileKind, FileRecord, is_file
from couler.artifacts.store import ArtifactStore

__all__ = ["ArtifactStore", "FileKind", "FileRecord", "is_file"]
