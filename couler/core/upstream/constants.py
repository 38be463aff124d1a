"""Constants of upstream Couler."""

from __future__ import annotations

from enum import Enum
from typing import Final

OVERWRITE_GPU_ENVS: Final = {"NVIDIA_VISIBLE_DEVICES": "", "NVIDIA_DRIVER_CAPABILITIES": ""}
"""Variables that hide GPUs from a container."""


class WorkflowCRD:
    """Argo's kind of workflows."""

    PLURAL = "workflows"
    KIND = "Workflow"
    GROUP = "argoproj.io"
    VERSION = "v1alpha1"
    NAME_MAX_LENGTH = 45
    NAME_PATTERN = r"[a-z]([-a-z0-9]*[a-z0-9])?"


class CronWorkflowCRD(WorkflowCRD):
    """Argo's kind of workflows that start by the clock."""

    PLURAL = "cronworkflows"
    KIND = "CronWorkflow"


class ImagePullPolicy(Enum):
    """When an image is pulled."""

    IfNotPresent = "IfNotPresent"
    Always = "Always"
    Never = "Never"

    @classmethod
    def valid(cls, value: str) -> bool:
        """Whether there is a policy of that name."""
        return value in cls.__members__

    @classmethod
    def values(cls) -> list[str]:
        """Names of all policies."""
        return list(cls.__members__)


class WFStatus(Enum):
    """How a workflow ended, for `set_exit_handler`."""

    Succeeded = "Succeeded"
    Failed = "Failed"
    Error = "Error"


class ArtifactType:
    """Where an artifact is kept."""

    LOCAL = "local"
    S3 = "s3"
    OSS = "oss"
