"""Upstream Couler's programming interface: ``import couler.argo as couler`` runs programs that were written for it.

What is different here stands in one table, `couler.core.upstream.differences.DIFFERENCES`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from couler.argo_submitter import Submitter, default_submitter
from couler.core import states
from couler.core.constants import (
    OVERWRITE_GPU_ENVS,
    ArtifactType,
    CronWorkflowCRD,
    ImagePullPolicy,
    WFStatus,
    WorkflowCRD,
)
from couler.core.dsl.artifacts import create_gcs_artifact, create_git_artifact, create_hdfs_artifact
from couler.core.dsl.options import secret
from couler.core.errors import CoulerError, DefinitionError
from couler.core.states import _cleanup, get_secret, get_step_output, workflow
from couler.core.templates import (
    Artifact,
    Cache,
    DnsConfig,
    DnsConfigOption,
    ImagePullSecret,
    LocalArtifact,
    OssArtifact,
    S3Artifact,
    Secret,
    Toleration,
    Volume,
    VolumeClaimTemplate,
    VolumeMount,
)
from couler.core.upstream.dag import dag, set_dependencies, set_exit_handler
from couler.core.upstream.differences import UpstreamNotice, refusal
from couler.core.upstream.flow import (
    bigger,
    bigger_equal,
    concurrent,
    equal,
    exec_while,
    map,
    not_equal,
    smaller,
    smaller_equal,
    when,
)
from couler.core.upstream.jobs import run_canned_step, run_job
from couler.core.upstream.pods import (
    add_image_pull_secret,
    add_toleration,
    add_volume,
    create_workflow_volume,
    set_dns,
)
from couler.core.upstream.settings import (
    config_defaults,
    config_workflow,
    create_secret,
    obtain_secret,
    refuse_cluster_config,
)
from couler.core.upstream.steps import run_container, run_script

if TYPE_CHECKING:
    from couler.core.ir.model import SecretRef

__all__ = [
    "OVERWRITE_GPU_ENVS",
    "Artifact",
    "ArtifactType",
    "Cache",
    "CoulerError",
    "CronWorkflowCRD",
    "DnsConfig",
    "DnsConfigOption",
    "ImagePullPolicy",
    "ImagePullSecret",
    "LocalArtifact",
    "OssArtifact",
    "S3Artifact",
    "Secret",
    "Toleration",
    "UpstreamNotice",
    "Volume",
    "VolumeClaimTemplate",
    "VolumeMount",
    "WFStatus",
    "WorkflowCRD",
    "_cleanup",
    "add_image_pull_secret",
    "add_toleration",
    "add_volume",
    "bigger",
    "bigger_equal",
    "concurrent",
    "config_defaults",
    "config_workflow",
    "create_gcs_artifact",
    "create_git_artifact",
    "create_hdfs_artifact",
    "create_local_artifact",
    "create_oss_artifact",
    "create_parameter_artifact",
    "create_s3_artifact",
    "create_secret",
    "create_workflow_volume",
    "dag",
    "delete",
    "equal",
    "exec_while",
    "get_secret",
    "get_step_output",
    "init_yaml_dump",
    "map",
    "not_equal",
    "obtain_secret",
    "run",
    "run_canned_step",
    "run_container",
    "run_job",
    "run_script",
    "secret",
    "set_default_submitter",
    "set_dependencies",
    "set_dns",
    "set_exit_handler",
    "smaller",
    "smaller_equal",
    "states",
    "validate_workflow_yaml",
    "when",
    "workflow",
    "workflow_yaml",
]

# --- running ----------------------------------------------------------------------------------------------------


def run(submitter: Any = None, *, engine: str | None = None, **options: Any) -> Any:
    """Hand over what was declared so far; the statements after it declare another workflow.

    When the submission fails, everything stays declared.

    Args:
        submitter: An `ArgoSubmitter`, or any object or class with ``submit``; None for the default submitter.
        engine: Run it on this engine instead, such as ``local``, as `couler.run` does.
        options: Settings for the engine.

    Returns:
        What the submitter returns; with ``engine``, the handle of the run.

    Raises:
        DefinitionError: There is no submitter, or nothing was declared.

    >>> # couler.run(submitter=ArgoSubmitter(namespace="argo"))
    """
    refuse_cluster_config()
    chosen = None if engine is not None else _submitter(submitter)
    declared, failed = workflow.build(), False
    try:
        if chosen is not None:
            return chosen.submit(declared)
        from couler import driver

        return driver.run(declared, engine=engine, **options)
    except Exception:
        failed = True
        raise
    finally:
        if not failed:
            _cleanup()


def _submitter(given: Any) -> Submitter:
    found = given if given is not None else default_submitter.get()
    if found is None:
        raise DefinitionError(
            "couler.run got no submitter, and there is no default one",
            'couler.run(submitter=ArgoSubmitter(namespace="argo")), or couler.run(engine="local")',
        )
    if isinstance(found, type):
        found = found()
    if not callable(getattr(found, "submit", None)):
        raise DefinitionError(f"couler.run: {found!r} cannot submit", 'ArgoSubmitter(namespace="argo")')
    return cast(Submitter, found)


def set_default_submitter(submitter: Any = None) -> None:
    """Set the submitter for every `run` of this thread or task that names none."""
    if submitter is not None:
        default_submitter.set(_submitter(submitter))


def delete(
    name: str,
    namespace: str = "default",
    config_file: str | None = None,
    context: str | None = None,
    client_configuration: Any = None,
    persist_config: bool = True,
    grace_period_seconds: int = 5,
    propagation_policy: str = "Background",
) -> dict[str, Any]:
    """Delete a workflow from a cluster, whoever submitted it.

    Args:
        name: Name of the workflow on the cluster.
        namespace: Where it is.
        config_file: A kubeconfig; None for the usual one, or that of the pod.
        context: Of the kubeconfig.
        client_configuration: Refused.
        persist_config: Without effect: nothing is written to the kubeconfig.
        grace_period_seconds: Time that its pods get to end.
        propagation_policy: ``Background``, ``Foreground`` or ``Orphan``, as in Kubernetes.

    Returns:
        The cluster's answer.

    Raises:
        NotFoundError: There is none of this name.
        EngineError: The cluster refuses.
        EngineUnreachableError: It cannot be reached.
    """
    if client_configuration is not None:
        raise refusal("client-configuration", "couler.delete")
    from couler.backends.argo.client.connection import Connection

    connection = Connection(config_file, context, namespace)
    options = {
        "apiVersion": "v1",
        "kind": "DeleteOptions",
        "gracePeriodSeconds": grace_period_seconds,
        "propagationPolicy": propagation_policy,
    }
    path = f"{connection.workflows}/{name}"
    found: dict[str, Any] = connection.ask("DELETE", path, options, doing=f"delete workflow '{name}'")
    return found


# --- Argo's own form --------------------------------------------------------------------------------------------


def workflow_yaml() -> dict[str, Any]:
    """What was declared so far, as Argo's object.

    Raises:
        DefinitionError: Nothing was declared.
    """
    import yaml

    from couler import driver

    compiled = driver.compile(workflow.build(), "argo")
    found: dict[str, Any] = yaml.safe_load(compiled.text)
    return found


def validate_workflow_yaml(original_wf: Any) -> None:
    """Without effect: every workflow is checked when it is compiled."""


def init_yaml_dump() -> None:
    """Without effect: Argo's form is written by the compiler."""


# --- artifacts --------------------------------------------------------------------------------------------------


def create_parameter_artifact(path: str, is_global: bool = False) -> Artifact:
    """A value that a step writes to a file."""
    return Artifact(path, "parameters", is_global)


def create_local_artifact(path: str, is_global: bool = False) -> LocalArtifact:
    """A file or folder in the engine's own store."""
    return LocalArtifact(path, is_global)


def create_oss_artifact(
    path: str,
    bucket: str | None = None,
    accesskey_id: SecretRef | None = None,
    accesskey_secret: SecretRef | None = None,
    key: str | None = None,
    endpoint: str | None = None,
    is_global: bool = False,
) -> OssArtifact:
    """A file in Alibaba Cloud's object store; keys of the store are references made by `secret`.

    Raises:
        DefinitionError: A key of the store is a value, or bucket or key is missing.
    """
    return OssArtifact(path, accesskey_id, accesskey_secret, bucket, key, endpoint, is_global)


def create_s3_artifact(
    path: str,
    bucket: str | None = None,
    accesskey_id: SecretRef | None = None,
    accesskey_secret: SecretRef | None = None,
    key: str | None = None,
    endpoint: str | None = None,
    is_global: bool = False,
    insecure: bool = False,
) -> S3Artifact:
    """A file in S3 or a store with its API; keys of the store are references made by `secret`.

    Raises:
        DefinitionError: A key of the store is a value, or bucket or key is missing.
    """
    return S3Artifact(path, accesskey_id, accesskey_secret, bucket, key, endpoint, is_global, insecure)
