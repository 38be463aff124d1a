"""Volumes of upstream Couler: storage of a workflow, and where a step mounts it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Volume:
    """An existing claim, under a name of the workflow.

    >>> Volume("data", "my-claim").claim_name
    'my-claim'
    """

    name: str
    claim_name: str


@dataclass(frozen=True, slots=True)
class VolumeMount:
    """Where a step mounts a volume; a name that the workflow does not know is an empty folder of the step."""

    name: str
    mount_path: str
