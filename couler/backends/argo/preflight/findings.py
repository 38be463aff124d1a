"""What a rule is, and what it says about a document."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Literal, TypeAlias

from couler.backends.argo.preflight.reading import Document

Severity: TypeAlias = Literal["error", "warning"]
Places: TypeAlias = Iterable[tuple[str, str]]
"""Pairs of where (empty for the document itself) and what."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong with a document.

    Attributes:
        rule: Name of the rule.
        severity: ``error`` or ``warning``.
        document: Kind and name of the document.
        where: Template and task, such as ``template main, task a``; empty for the document itself.
        what: What is wrong there.
        why: The reason, and where the limit comes from.
        do: What to do about it.
    """

    rule: str
    severity: Severity
    document: str
    where: str
    what: str
    why: str
    do: str

    @property
    def message(self) -> str:
        """Place, what and why in one sentence."""
        place = f"{self.document}, {self.where}" if self.where else self.document
        return f"{place}: {self.what}; {self.why}"


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule: the places that break it, why it exists, and what to do."""

    name: str
    severity: Severity
    places: Callable[[Document], Places]
    why: str
    do: str

    def findings(self, document: Document) -> Iterator[Finding]:
        """What breaks the rule in a document."""
        for where, what in self.places(document):
            yield Finding(self.name, self.severity, document.title, where, what, self.why, self.do)
