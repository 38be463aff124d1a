"""Argo Workflows on a running node: its definitions, its rights, its settings, its controller."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from tests.engines.argo import archive
from tests.engines.argo.builds import Argo
from tests.engines.kubernetes.api import Api, ApiError, Object
from tests.engines.kubernetes.node import Node
from tests.engines.s3.server import REGION, S3, SECRET

NAMESPACE = "argo"
"""Where the controller keeps its settings; workflows run in any other namespace too."""
HEALTH = "http://127.0.0.1:6060/healthz"

WORKERS = ("--workflow-workers=16", "--pod-cleanup-workers=4", "--qps=200", "--burst=400")
STEP_RIGHTS: Object = {
    "apiVersion": "rbac.authorization.k8s.io/v1",
    "kind": "ClusterRole",
    "metadata": {"name": "workflow-steps"},
    "rules": [
        {"apiGroups": ["argoproj.io"], "resources": ["workflowtaskresults"], "verbs": ["create", "patch"]},
        {"apiGroups": ["argoproj.io"], "resources": ["workflows"], "verbs": ["*"]},
        {
            "apiGroups": ["argoproj.io"],
            "resources": ["workflowtasksets", "workflowtasksets/status", "workflowartifactgctasks/status"],
            "verbs": ["list", "watch", "get", "patch"],
        },
    ],
}
"""What the service account of a step needs beside Kubernetes' own role ``edit``."""

ENVIRONMENT = {"LEADER_ELECTION_DISABLE": "true", "DEFAULT_REQUEUE_TIME": "1s"}


def install(node: Node, argo: Argo, s3: S3, *, with_archive: bool = False) -> None:
    """Bring Argo onto the node and wait until its controller works.

    Args:
        node: The node.
        argo: What was built.
        s3: Where artifacts are kept.
        with_archive: Whether Argo keeps runs in a database, and logs in the artifact repository.
    """
    api = node.api
    node.load([argo.executor_image])
    for file in sorted(argo.definitions.glob("argoproj.io_*.yaml")):
        api.apply_text(_definition_place(file), file.read_text())
    api.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}})
    api.apply(STEP_RIGHTS)
    api.apply(settings(s3, archive.start_database(node, NAMESPACE) if with_archive else None), NAMESPACE)
    prepare_namespace(api, "default", s3)
    node.until(lambda: _served(api), "Argo's definitions are served")
    _start_controller(node, argo, {**ENVIRONMENT, **(archive.CONTROLLER_ENVIRONMENT if with_archive else {})})


def prepare_namespace(api: Api, name: str, s3: S3) -> None:
    """Make a namespace in which workflows can run: steps may report results, create objects and store artifacts."""
    if name != "default":
        api.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    api.apply(s3.credentials(), name)
    for role in (STEP_RIGHTS["metadata"]["name"], "edit"):
        api.apply(_binding(role, name), name)


def _binding(role: str, namespace: str) -> Object:
    return {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "RoleBinding",
        "metadata": {"name": role},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role},
        "subjects": [{"kind": "ServiceAccount", "name": "default", "namespace": namespace}],
    }


def settings(s3: S3, persistence: Object | None = None) -> Object:
    """The controller's ConfigMap."""
    repository = {
        "archiveLogs": persistence is not None,
        "s3": {
            "endpoint": s3.endpoint,
            "bucket": s3.bucket,
            "region": REGION,
            "insecure": True,
            "accessKeySecret": {"name": SECRET, "key": "accesskey"},
            "secretKeySecret": {"name": SECRET, "key": "secretkey"},
        },
    }
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "workflow-controller-configmap"},
        "data": {
            "artifactRepository": json.dumps(repository),
            "executor": json.dumps({"imagePullPolicy": "IfNotPresent"}),
            "workflowEvents": json.dumps({"enabled": False}),
            "nodeEvents": json.dumps({"enabled": False}),
            **({"persistence": json.dumps(persistence)} if persistence else {}),
        },
    }


def _definition_place(file: Path) -> str:
    group, _, plural = file.stem.partition("_")
    return f"/apis/apiextensions.k8s.io/v1/customresourcedefinitions/{plural}.{group}"


def _served(api: Api) -> bool:
    try:
        resources = api.get("/apis/argoproj.io/v1alpha1")["resources"]
    except ApiError:
        return False
    kinds = {resource["kind"] for resource in resources}
    return {"Workflow", "WorkflowTemplate", "ClusterWorkflowTemplate", "CronWorkflow", "WorkflowTaskResult"} <= kinds


def _start_controller(node: Node, argo: Argo, environment: Mapping[str, str]) -> None:
    command = [
        str(argo.controller),
        f"--kubeconfig={node.paths.kubeconfig_inside}",
        f"--namespace={NAMESPACE}",
        "--configmap=workflow-controller-configmap",
        f"--executor-image={argo.executor_image_name}",
        "--executor-image-pull-policy=IfNotPresent",
        *WORKERS,
    ]
    node.inside.start("argo-controller", command, environment)
    node.until(lambda: node.inside.succeeds("curl", "--silent", "--fail", HEALTH), "Argo's controller is healthy")
