"""What each part of the cluster is told: its command line and its files, as pure functions of where things are."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

API_ADDRESS = "10.96.0.1"
"""Address of the API server as pods know it: the first of the service range, owned by the node itself."""
NODE_ADDRESS = "10.97.0.1"
"""Address of the node, and of whatever else listens on it for pods (the S3 server)."""
PODS = "10.98.0.0/16"
SERVICES = "10.96.0.0/24"
NODE = "node"
PAUSE_IMAGE = "couler.test/pause:1"
KEPT_PODS = 150
"""Ended pods, with their logs; older ones go, for each costs the kubelet time every second."""
MAX_PODS = 24
"""Pods that run at a time; more wait in the queue. Each of Argo's keeps a copy of its executor (110 MB) in memory."""


@dataclass(frozen=True)
class Paths:
    """Where a running cluster keeps its files: ``files`` on disk, ``memory`` in a file system that dies with it."""

    files: Path
    memory: Path
    kubernetes: Path
    """The executable that holds all parts of Kubernetes."""

    @property
    def kubeconfig_inside(self) -> Path:
        """For processes inside the cluster's network."""
        return self.files / "kubeconfig-inside.json"

    @property
    def kubeconfig(self) -> Path:
        """For everybody else on this machine."""
        return self.files / "kubeconfig.json"

    @property
    def certificates(self) -> Path:
        return self.files / "certificates"

    @property
    def certificate(self) -> Path:
        return self.certificates / "api.crt"

    @property
    def key(self) -> Path:
        return self.certificates / "api.key"


def etcd(paths: Paths) -> list[str]:
    return [
        str(paths.kubernetes),
        "etcd",
        f"--data-dir={paths.memory}/etcd",
        "--listen-client-urls=http://127.0.0.1:2379",
        "--advertise-client-urls=http://127.0.0.1:2379",
        "--listen-peer-urls=http://127.0.0.1:2380",
        "--initial-advertise-peer-urls=http://127.0.0.1:2380",
        "--initial-cluster=default=http://127.0.0.1:2380",
        "--unsafe-no-fsync",
        f"--quota-backend-bytes={4 << 30}",
        "--log-level=warn",
    ]


def api_server(paths: Paths) -> list[str]:
    return [
        str(paths.kubernetes),
        "kube-apiserver",
        "--etcd-servers=http://127.0.0.1:2379",
        "--bind-address=0.0.0.0",
        "--secure-port=443",
        f"--advertise-address={NODE_ADDRESS}",
        f"--service-cluster-ip-range={SERVICES}",
        f"--tls-cert-file={paths.certificate}",
        f"--tls-private-key-file={paths.key}",
        f"--token-auth-file={paths.files}/tokens.csv",
        "--authorization-mode=RBAC",
        "--service-account-issuer=https://kubernetes.default.svc",
        f"--service-account-key-file={paths.certificates}/accounts.key",
        f"--service-account-signing-key-file={paths.certificates}/accounts.key",
        "--kubelet-preferred-address-types=InternalIP",
        "--allow-privileged",
        "--profiling=false",
    ]


def controller_manager(paths: Paths) -> list[str]:
    return [
        str(paths.kubernetes),
        "kube-controller-manager",
        f"--kubeconfig={paths.kubeconfig_inside}",
        f"--service-account-private-key-file={paths.certificates}/accounts.key",
        f"--root-ca-file={paths.certificate}",
        "--bind-address=127.0.0.1",
        "--leader-elect=false",
        "--enable-hostpath-provisioner",
        f"--terminated-pod-gc-threshold={KEPT_PODS}",
        "--kube-api-qps=200",
        "--kube-api-burst=400",
        "--profiling=false",
    ]


def scheduler(paths: Paths) -> list[str]:
    return [
        str(paths.kubernetes),
        "kube-scheduler",
        f"--config={paths.files}/scheduler.json",
        "--bind-address=127.0.0.1",
    ]


def kubelet(paths: Paths) -> list[str]:
    return [
        str(paths.kubernetes),
        "kubelet",
        f"--config={paths.files}/kubelet.json",
        f"--kubeconfig={paths.kubeconfig_inside}",
        f"--hostname-override={NODE}",
        f"--node-ip={NODE_ADDRESS}",
        f"--cert-dir={paths.certificates}/kubelet",
    ]


def containerd(paths: Paths) -> list[str]:
    return ["containerd", "--config", str(paths.files / "containerd.toml")]


def kubeconfig(server: str, certificate: Path, token: str) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "test", "cluster": {"server": server, "certificate-authority": str(certificate)}}],
        "users": [{"name": "admin", "user": {"token": token}}],
        "contexts": [{"name": "test", "context": {"cluster": "test", "user": "admin", "namespace": "default"}}],
        "current-context": "test",
    }


def scheduler_file(paths: Paths) -> dict[str, Any]:
    return {
        "apiVersion": "kubescheduler.config.k8s.io/v1",
        "kind": "KubeSchedulerConfiguration",
        "leaderElection": {"leaderElect": False},
        "clientConnection": {"kubeconfig": str(paths.kubeconfig_inside), "qps": 200, "burst": 400},
    }


def kubelet_file(cgroup: str) -> dict[str, Any]:
    return {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "address": NODE_ADDRESS,
        "readOnlyPort": 0,
        "healthzBindAddress": "127.0.0.1",
        "authentication": {"anonymous": {"enabled": True}, "webhook": {"enabled": False}},
        "authorization": {"mode": "AlwaysAllow"},
        "containerRuntimeEndpoint": "unix:///run/containerd/containerd.sock",
        "cgroupDriver": "cgroupfs",
        "cgroupRoot": cgroup,
        "enforceNodeAllocatable": [],
        "failCgroupV1": False,
        "failSwapOn": False,
        "resolvConf": "",
        "podLogsDir": "/var/log/pods",
        "makeIPTablesUtilChains": False,
        "localStorageCapacityIsolation": False,
        "maxPods": MAX_PODS,
        "evictionHard": {
            "memory.available": "100Mi",
            "nodefs.available": "0%",
            "imagefs.available": "0%",
            "nodefs.inodesFree": "0%",
        },
        "imageGCHighThresholdPercent": 100,
        "kubeAPIQPS": 200,
        "kubeAPIBurst": 400,
        "eventRecordQPS": 0,
        "serializeImagePulls": False,
        "volumeStatsAggPeriod": "-1s",
        "shutdownGracePeriod": "0s",
    }


def containerd_file(paths: Paths) -> str:
    return f"""\
version = 2
root = "{paths.memory}/containerd"
state = "/run/containerd"
oom_score = 0
disabled_plugins = ["io.containerd.snapshotter.v1.btrfs", "io.containerd.snapshotter.v1.zfs",
  "io.containerd.snapshotter.v1.aufs", "io.containerd.snapshotter.v1.devmapper", "io.containerd.internal.v1.opt"]

[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "{PAUSE_IMAGE}"
  disable_apparmor = true
  restrict_oom_score_adj = true
  [plugins."io.containerd.grpc.v1.cri".containerd]
    snapshotter = "overlayfs"
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "{paths.files}/network"
"""


def network_file() -> str:
    bridge = {
        "type": "bridge",
        "bridge": "pods",
        "isGateway": True,
        "hairpinMode": True,
        "ipam": {
            "type": "host-local",
            "dataDir": "/run/pod-addresses",
            "ranges": [[{"subnet": PODS}]],
            "routes": [{"dst": "0.0.0.0/0"}],
        },
    }
    return json.dumps({"cniVersion": "0.4.0", "name": "pods", "plugins": [bridge]})
