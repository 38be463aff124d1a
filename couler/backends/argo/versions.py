"""What differs between versions of Argo in how workflows run, beyond the fields that they know."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

_READS_OF_SKIPPED: Final = re.compile(r"tasks(?:\.[\w-]+|\['[^']+'\])\.status != 'Skipped'")
"""How a scope asks whether an output of a step exists that may have been skipped."""

_GOOD_RELEASES: Final[Mapping[str, str]] = {
    "3.7": "3.7.11 to 3.7.15 wait for it for ever; use 3.7.16 or later",
    "4.0": "4.0.0 to 4.0.6 wait for it for ever; use 4.0.7 or later",
}
"""Line of Argo to the releases of it that hang on outputs of skipped tasks (argo-workflows 15837, 15949, 16123)."""


def notes_on_version(document: Mapping[str, Any], version: str) -> Iterator[str]:
    """What the reader should know of the releases of a version.

    >>> document = {"when": "{{=tasks.a.status != 'Skipped' && true}}"}
    >>> print(*notes_on_version(document, "4.0"))
    an output of a step is read that may be skipped: 4.0.0 to 4.0.6 wait for it for ever; use 4.0.7 or later
    >>> list(notes_on_version(document, "4.1"))
    []
    """
    if version in _GOOD_RELEASES and _reads_of_skipped(document):
        yield f"an output of a step is read that may be skipped: {_GOOD_RELEASES[version]}"


def _reads_of_skipped(document: Mapping[str, Any]) -> bool:
    return _READS_OF_SKIPPED.search(json.dumps(document)) is not None
