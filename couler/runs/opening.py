"""Opens the run store that a URL or a project folder names."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from couler.core.errors import StoreError

if TYPE_CHECKING:
    from couler.runs.base import RunStore

FILE_NAME = "runs.db"


def open_store(url: str | None, root: Path) -> RunStore:
    """The run store at a URL, or the project's own.

    Args:
        url: ``sqlite:///path`` or ``postgresql://user:password@host/database``; None means ``root``/runs.db.
        root: The project's folder for what couler remembers, usually ``.couler``; made when it is missing, and
            made invisible to git.

    Raises:
        StoreError: The folder or the database cannot be written.
        StoreTooNewError: The store was written by a newer couler.
        MissingExtraError: The URL needs a driver that is not installed.
        ConfigError: The URL is none.

    Example:
        >>> store = open_store(None, Path(".couler"))  # doctest: +SKIP
    """
    from couler.runs.store import SqlRunStore  # 0.2 s of database libraries, which `import couler` must not pay

    if url is None:
        prepare_root(root)
        url = _sqlite_url(root / FILE_NAME)
    return SqlRunStore(url)


def prepare_root(root: Path) -> None:
    """Make the folder, and the ``.gitignore`` in it that keeps all of it out of version control.

    Raises:
        StoreError: The folder cannot be made or written.
    """
    try:
        root.mkdir(parents=True, exist_ok=True)
        ignore = root / ".gitignore"
        if not ignore.exists():
            ignore.write_text("*\n")
    except OSError as error:
        raise StoreError(
            f"the folder {root} for couler's run store cannot be made: {error.strerror or error}",
            "change its permissions, free space, or name another folder or store",
        ) from error


def _sqlite_url(path: Path) -> str:
    from sqlalchemy import URL

    return URL.create("sqlite", database=str(path.absolute())).render_as_string()
