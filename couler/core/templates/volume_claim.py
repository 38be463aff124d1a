"""Claims of upstream Couler that are made for each run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class VolumeClaimTemplate:
    """Storage that is made when a run starts; ``size`` is a Kubernetes quantity such as ``1Gi``."""

    claim_name: str
    access_modes: Sequence[str] = ("ReadWriteOnce",)
    size: str = "1Gi"
