"""Where an artifact store lies: a folder of this machine, or a URL."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import unquote

from couler.core.errors import ConfigError


def local_folder(url: str) -> Path | None:
    """The folder that a path or a ``file:`` URL names; None for other URLs.

    Raises:
        ConfigError: A ``file:`` URL is not absolute.

    >>> local_folder("file:///data/my%20files").as_posix()
    '/data/my files'
    >>> local_folder("s3://bucket/files") is None
    True
    """
    scheme, separator, rest = url.partition("://")
    if not separator:
        return Path(url).expanduser()
    if scheme not in ("file", "local"):
        return None
    if not rest.startswith("/"):
        raise ConfigError(f"the address '{url}' of the files is not absolute", f"write file:///{rest} or a plain path")
    return Path(unquote(rest))


def shown(url: str) -> str:
    """The URL for people: without user, password and query.

    >>> shown("s3://key:secret@bucket/files?token=secret")
    's3://bucket/files'
    """
    return re.sub(r"://[^/]*@", "://", url.partition("?")[0])
