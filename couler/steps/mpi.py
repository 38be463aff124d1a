"""Distributed training with MPI: a job of the Kubeflow MPI operator (``kubeflow.org/v2beta1``)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from couler.core.errors import DefinitionError, near
from couler.core.templates.output import Output
from couler.core.upstream.differences import refusal
from couler.core.upstream.jobs import run_job
from couler.core.upstream.settings import get_secret

_RESOURCES = {"cpu": "cpu", "memory": "memory", "disk": "ephemeral-storage", "gpu": "nvidia.com/gpu"}


def train(
    image: str | None = None,
    command: Any = "",
    secret: str | None = None,
    launcher_image: str | None = None,
    launcher_resources: str | None = None,
    launcher_command: Any = None,
    num_workers: int = 0,
    worker_image: str | None = None,
    worker_resources: str | None = None,
    worker_command: Any = None,
    clean_pod_policy: str = "Running",
    timeout: float | None = None,
) -> list[Output]:
    """Run a command on workers, started by a launcher, and wait until the launcher has ended.

    Args:
        image: Image of launcher and workers.
        command: Command of both, as a list.
        secret: Name of a secret of `couler.argo.obtain_secret`; its keys become environment variables.
        launcher_image: Image of the launcher, if another one.
        launcher_resources: Such as ``"cpu=0.5,memory=1024,gpu=1"``; memory and disk are in MiB without a unit.
        launcher_command: Command of the launcher, if another one.
        num_workers: How many workers.
        worker_image: Image of the workers, if another one.
        worker_resources: As ``launcher_resources``, for each worker.
        worker_command: Command of the workers, if another one.
        clean_pod_policy: What is removed in the end: ``Running``, ``All`` or ``None``.
        timeout: Seconds.

    Returns:
        One output that stands for the job.

    Raises:
        DefinitionError: There is no image, or a resource cannot be read.

    >>> # mpi.train(image="my/horovod", command=["mpirun", "python", "train.py"], num_workers=4)
    """
    env = _env(secret)
    replicas = {"Launcher": _replica(launcher_image or image, launcher_command or command, launcher_resources, env, 1)}
    if num_workers:
        replicas["Worker"] = _replica(
            worker_image or image, worker_command or command, worker_resources, env, num_workers
        )
    manifest = {
        "apiVersion": "kubeflow.org/v2beta1",
        "kind": "MPIJob",
        "metadata": {"generateName": "mpi-train-"},
        "spec": {
            "slotsPerWorker": 1,
            "runPolicy": {"cleanPodPolicy": clean_pod_policy, "backoffLimit": 0},
            "mpiReplicaSpecs": replicas,
        },
    }
    return run_job(
        manifest,
        success_condition="status.replicaStatuses.Launcher.succeeded == 1",
        failure_condition="status.replicaStatuses.Launcher.failed > 0",
        timeout=timeout,
    )


def _env(secret: str | None) -> list[dict[str, Any]]:
    if secret is None:
        return []
    found = get_secret(secret)
    if found is None:
        raise refusal("unknown-secret", "mpi.train", name=secret)
    return found.to_env_list()


def _replica(
    image: str | None, command: Any, resources: str | None, env: Sequence[Mapping[str, Any]], replicas: int
) -> dict[str, Any]:
    if not image:
        raise DefinitionError("mpi.train has no image", 'image="my/horovod"')
    container: dict[str, Any] = {"name": "mpi", "image": image}
    if command:
        container["command"] = [command] if isinstance(command, str) else list(command)
    if env:
        container["env"] = list(env)
    if resources:
        container["resources"] = {"limits": dict(_limits(resources))}
    return {"replicas": replicas, "template": {"spec": {"containers": [container]}}}


def _limits(resources: str) -> list[tuple[str, Any]]:
    found: list[tuple[str, Any]] = []
    for part in resources.replace(" ", "").split(","):
        name, _, value = part.partition("=")
        if name not in _RESOURCES or not value:
            hint = near(name, _RESOURCES, "resources") or 'such as "cpu=0.5,memory=1024,gpu=1"'
            raise DefinitionError(f"mpi.train: {part!r} is no resource", hint)
        is_bare_size = name in ("memory", "disk") and value.isdecimal()
        found.append((_RESOURCES[name], f"{value}Mi" if is_bare_size else value))
    return found
