"""Tolerations of upstream Couler."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Toleration:
    """A taint of nodes that all steps of a workflow accept."""

    key: str
    effect: str
    operator: str
