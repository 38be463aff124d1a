"""A real one-node Kubernetes: etcd, API server, controllers, scheduler, kubelet and containerd, in own namespaces."""

from __future__ import annotations

import json
import os
import secrets
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from tests.engines.kubernetes import certificates, cgroups, golang, images, namespaces, records, settings
from tests.engines.kubernetes.api import Api, answers

HERE = Path(__file__).resolve().parent
VERSION = "v1.34.4"
START_SECONDS = 300.0
STORAGE_CLASS = {
    "apiVersion": "storage.k8s.io/v1",
    "kind": "StorageClass",
    "metadata": {"name": "standard", "annotations": {"storageclass.kubernetes.io/is-default-class": "true"}},
    "provisioner": "kubernetes.io/host-path",
}


def executable() -> Path:
    """All parts of Kubernetes in one executable, built from its Go modules."""
    versions = ("k8s.io/component-base/version.gitVersion", "k8s.io/client-go/pkg/version.gitVersion")
    return golang.executable("bin/kubernetes", HERE / "binaries", variables=dict.fromkeys(versions, VERSION))


def pause_image() -> Path:
    return images.of_executable("pause", golang.executable("bin/pause", HERE / "pause"), settings.PAUSE_IMAGE)


def build() -> None:
    """Make everything that starting a node takes from the cache."""
    executable()
    pause_image()
    images.tools()


class Node:
    """A running node. ``api`` talks to it; ``stop`` ends it and removes all that it left on the machine."""

    def __init__(self, name: str, paths: settings.Paths, inside: namespaces.Namespaces):
        self.name = name
        self.paths = paths
        self.inside = inside
        self.details: dict[str, str] = {}

    @property
    def kubeconfig(self) -> Path:
        return self.paths.kubeconfig

    @property
    def api(self) -> Api:
        return Api(self.kubeconfig)

    def load(self, archives: Iterable[Path]) -> None:
        """Bring images into the container runtime."""
        for archive in archives:
            self.inside.run("ctr", "--namespace=k8s.io", "images", "import", "--digests=false", str(archive))

    def until(self, condition: Callable[[], bool], what: str, seconds: float = START_SECONDS) -> None:
        """Wait for a condition, unless a part of the node ends first.

        Raises:
            RuntimeError: A part ended; carries its last words.
            TimeoutError: The condition did not come true in time.
        """
        end = time.monotonic() + seconds
        while not condition():
            if said := self.inside.dead():
                raise RuntimeError(f"waited until {what}, but {said}")
            if time.monotonic() > end:
                raise TimeoutError(f"waited {seconds} s until {what}; logs: {self.inside.logs}")
            time.sleep(0.05)

    def remember(self) -> None:
        """Write down what others need to find and to use this node."""
        records.write(records.of_process(self.name, self.inside.keeper, str(self.kubeconfig), self.details))

    def stop(self) -> None:
        self.inside.end()
        records.erase(next(record for record in records.found() if record.name == self.name))


def start(forwards: Mapping[str, tuple[str, int]] | None = None, *, outlive: bool = False) -> Node:
    """Start a node and wait until pods can run on it.

    Args:
        forwards: Further (host, port) inside the node's network to be reached from outside, by name.
        outlive: Whether it stays when this process ends.

    Returns:
        The node; its files are below the cache folder.
    """
    build()
    records.erase_stale()
    name = f"couler-{secrets.token_hex(3)}"
    node = _prepare(name, {"api": ("127.0.0.1", 443), **(forwards or {})}, outlive=outlive)
    try:
        _start_parts(node)
    except BaseException:
        node.inside.end()
        raise
    return node


def _prepare(name: str, forwards: Mapping[str, tuple[str, int]], *, outlive: bool) -> Node:
    files = records.folder() / name
    for folder in ("logs", "certificates", "network", "memory"):
        (files / folder).mkdir(parents=True)
    records.write(records.of_process(name, os.getpid()))  # so that it is found, should making the namespaces fail
    paths = settings.Paths(files, files / "memory", executable())
    addresses = [settings.API_ADDRESS, settings.NODE_ADDRESS]
    node = Node(name, paths, namespaces.create(paths.memory, files / "logs", addresses, forwards, outlive=outlive))
    node.details["ends"] = records.BY_HAND if outlive else records.WITH_OWNER
    node.remember()
    cgroups.create(name)
    _write_files(node)
    return node


def _write_files(node: Node) -> None:
    paths, token = node.paths, secrets.token_urlsafe(24)
    certificates.write_key(paths.certificates / "accounts.key")
    certificates.write_certificate(
        paths.certificate, paths.key, ["127.0.0.1", settings.API_ADDRESS, settings.NODE_ADDRESS]
    )
    outside = f"https://127.0.0.1:{node.inside.ports['api']}"
    texts = {
        paths.files / "tokens.csv": f'{token},admin,admin,"system:masters"\n',
        paths.kubeconfig: json.dumps(settings.kubeconfig(outside, paths.certificate, token)),
        paths.kubeconfig_inside: json.dumps(settings.kubeconfig("https://127.0.0.1:443", paths.certificate, token)),
        paths.files / "scheduler.json": json.dumps(settings.scheduler_file(paths)),
        paths.files / "kubelet.json": json.dumps(settings.kubelet_file(f"/{node.name}")),
        paths.files / "containerd.toml": settings.containerd_file(paths),
        paths.files / "network" / "pods.conflist": settings.network_file(),
    }
    for path, text in texts.items():
        path.touch(mode=0o600)
        path.write_text(text)


def _start_parts(node: Node) -> None:
    paths, inside = node.paths, node.inside
    inside.start("etcd", settings.etcd(paths))
    inside.start("containerd", settings.containerd(paths))
    inside.start("api-server", settings.api_server(paths))
    node.until(lambda: inside.succeeds("ctr", "version"), "containerd answers")
    node.load([pause_image(), images.tools()])
    node.until(lambda: answers(node.api, "/readyz"), "the API server is ready")
    inside.start("kubelet", settings.kubelet(paths))
    inside.start("controller-manager", settings.controller_manager(paths))
    inside.start("scheduler", settings.scheduler(paths))
    node.api.apply(STORAGE_CLASS)
    node.until(lambda: _pods_can_run(node.api), "the node is ready")


def _pods_can_run(api: Api) -> bool:
    nodes = api.get("/api/v1/nodes")["items"]
    accounts = api.get("/api/v1/namespaces/default/serviceaccounts")["items"]
    authorities = api.get("/api/v1/namespaces/default/configmaps")["items"]
    ready = any(
        condition["type"] == "Ready" and condition["status"] == "True"
        for node in nodes
        for condition in node["status"].get("conditions", [])
    )
    untainted = all(not node["spec"].get("taints") for node in nodes)
    return ready and untainted and bool(accounts) and bool(authorities)
