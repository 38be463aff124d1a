"""Secrets of upstream Couler with which images are pulled."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ImagePullSecret:
    """The name of a secret in the cluster."""

    name: str
