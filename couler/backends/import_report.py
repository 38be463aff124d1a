"""The report of an import, for every importer: what became of each construct of the file."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol


class Finding(Protocol):
    """What became of one construct; its text is for people."""

    @property
    def outcome(self) -> str:
        """``translated``, ``carried``, or the word of its importer for what is lost elsewhere."""
        ...


def told(findings: Iterable[Finding], lost: str, all_of_it: bool) -> str:
    """Every finding, or only those with the outcome ``lost``, and the sums."""
    found = tuple(findings)
    shown = [finding for finding in found if all_of_it or finding.outcome == lost]
    sums = ", ".join(f"{count} {outcome}" for outcome, count in summary(found, lost).items())
    return "\n".join([*map(str, shown), sums])


def summary(findings: Iterable[Finding], lost: str) -> dict[str, int]:
    """How many constructs had each outcome."""
    counts = {"translated": 0, "carried": 0, lost: 0}
    for finding in findings:
        counts[finding.outcome] += 1
    return counts
