"""What the cluster needs from the machine, and which of it is missing."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from tests.engines.kubernetes import cache

SWITCH = "COULER_TEST_CLUSTER"
"""Environment variable that lets the test suite start clusters."""

PROGRAMS = {
    "go": "the Go toolchain",
    "containerd": "Debian package containerd",
    "ctr": "Debian package containerd",
    "runc": "Debian package runc",
    "mmdebstrap": "Debian package mmdebstrap",
    "unshare": "Debian package util-linux",
    "nsenter": "Debian package util-linux",
    "ip": "Debian package iproute2",
    "mount": "Debian package mount",
    "openssl": "Debian package openssl",
}

OLDEST_GO = (1, 25, 7)
"""What the ``go.mod`` files ask for."""


def tools_missing() -> list[str]:
    """One line for each thing that the cluster lacks here; empty when it can run."""
    if sys.platform != "linux":
        return ["Linux"]
    missing = [f"{name} ({source})" for name, source in PROGRAMS.items() if not shutil.which(name)]
    if (found := go_version()) and found < OLDEST_GO:
        missing.append(f"Go {_dotted(OLDEST_GO)} or newer (here is {_dotted(found)})")
    if not Path("/usr/lib/cni/bridge").exists():
        missing.append("/usr/lib/cni/bridge (Debian package containernetworking-plugins)")
    if os.geteuid() != 0:
        missing.append("root: containers, mounts and network devices")
    if not Path("/sys/fs/cgroup").is_dir() or not os.access("/sys/fs/cgroup", os.W_OK):
        missing.append("a writable /sys/fs/cgroup")
    return missing


def go_version() -> tuple[int, ...]:
    """The version of the Go toolchain, empty when there is none."""
    if not shutil.which("go"):
        return ()
    said = subprocess.run(["go", "env", "GOVERSION"], capture_output=True, text=True, check=False).stdout
    return tuple(int(part) for part in re.findall(r"\d+", said)[:3])


def _dotted(version: tuple[int, ...]) -> str:
    return ".".join(map(str, version))


def reason_to_skip(build: Callable[[], object]) -> str:
    """Why tests that need a cluster do not run here; empty when they do.

    Args:
        build: Builds what the cluster is made of; tests do not wait for that, so all of it must be in the cache.
    """
    if os.environ.get(SWITCH) != "1":
        return f"starts a cluster: runs with {SWITCH}=1, as in `make conformance-cluster`"
    if missing := tools_missing():
        return "; ".join(f"missing: {line}" for line in missing)
    try:
        with cache.as_it_is():
            build()
    except cache.NotBuiltError as error:
        return f"{error} is not built: python -m tests.engines.argo.cluster build"
    return ""
