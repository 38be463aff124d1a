"""What a migration is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy import Connection


@dataclass(frozen=True, slots=True)
class Migration:
    """One change of the schema.

    It names tables and columns as they were at its time, never those of `couler.runs.schema`, which go on changing.

    Attributes:
        version: The schema version that it leads to.
        title: What it is for, in one sentence.
        apply: Makes the change, in a transaction that somebody else begins and ends.
    """

    version: str
    title: str
    apply: Callable[[Connection], None]
