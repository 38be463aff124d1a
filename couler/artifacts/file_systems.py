"""The file systems behind URLs, by fsspec, and what to install where it or the package of a protocol is missing."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from couler.core.errors import MissingExtraError

_EXTRAS = {"s3": "s3", "s3a": "s3", "gs": "gcs", "gcs": "gcs"}
_REST = "remote"
_COMPLETE = ("http", "https")
"""Protocols of the extra for the rest that need no package of their own."""


def file_system(url: str, options: Mapping[str, Any], verb: str) -> tuple[Any, str]:
    """The file system of a URL, and the path in it.

    Args:
        url: An address of a protocol that fsspec knows.
        options: What fsspec's class for the protocol wants.
        verb: What is done there, for the message: ``keeping files at``.

    Raises:
        MissingExtraError: fsspec or the package of the protocol is not installed.
        ValueError: fsspec knows no such protocol, or not these options.
    """
    protocol = url.partition("://")[0]
    try:
        import fsspec  # type: ignore[import-untyped]
    except ImportError as error:
        raise _missing(protocol, verb, "") from error
    try:
        files, path = fsspec.core.url_to_fs(url, **options)
    except ImportError as error:
        raise _missing(protocol, verb, _package(error)) from error
    return files, str(path)


def extra_of(url: str) -> str:
    """The extra that a remote URL needs.

    >>> extra_of("gs://bucket"), extra_of("https://host/file")
    ('gcs', 'remote')
    """
    return _EXTRAS.get(url.partition("://")[0], _REST)


def _missing(protocol: str, verb: str, package: str) -> MissingExtraError:
    missing = MissingExtraError(f"{verb} {protocol}://", extra_of(protocol))
    if package and missing.extra == _REST and protocol not in _COMPLETE:
        missing.hint += f" {package}"
    return missing


def _package(error: ImportError) -> str:
    """The package that fsspec asks for: in words, or else by the name of the module that was not found."""
    words = re.search(r'^Install (\S+) to |"([\w.-]+)"', str(error))
    if words:
        return str(words[1] or words[2])
    module = getattr(error.__cause__, "name", None) or error.name or ""
    return module.partition(".")[0]
