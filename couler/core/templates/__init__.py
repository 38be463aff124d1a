"""Parts of a workflow as programs of upstream Couler import them."""

from couler.core.templates.artifact import Artifact, LocalArtifact, OssArtifact, S3Artifact, TypedArtifact
from couler.core.templates.cache import Cache
from couler.core.templates.dns import DnsConfig, DnsConfigOption
from couler.core.templates.image_pull_secret import ImagePullSecret
from couler.core.templates.output import (
    Output,
    OutputArtifact,
    OutputEmpty,
    OutputJob,
    OutputParameter,
    OutputScript,
)
from couler.core.templates.secret import Secret
from couler.core.templates.toleration import Toleration
from couler.core.templates.volume import Volume, VolumeMount
from couler.core.templates.volume_claim import VolumeClaimTemplate

__all__ = [
    "Artifact",
    "Cache",
    "DnsConfig",
    "DnsConfigOption",
    "ImagePullSecret",
    "LocalArtifact",
    "OssArtifact",
    "Output",
    "OutputArtifact",
    "OutputEmpty",
    "OutputJob",
    "OutputParameter",
    "OutputScript",
    "S3Artifact",
    "Secret",
    "Toleration",
    "TypedArtifact",
    "Volume",
    "VolumeClaimTemplate",
    "VolumeMount",
]
