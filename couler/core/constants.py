"""Constants where programs of upstream Couler import them."""

from couler.core.upstream.constants import (
    OVERWRITE_GPU_ENVS,
    ArtifactType,
    CronWorkflowCRD,
    ImagePullPolicy,
    WFStatus,
    WorkflowCRD,
)

__all__ = [
    "OVERWRITE_GPU_ENVS",
    "ArtifactType",
    "CronWorkflowCRD",
    "ImagePullPolicy",
    "WFStatus",
    "WorkflowCRD",
]
