"""What the cluster needs from the machine, and which of it is missing."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

PROGRAMS = {
    "go": "the Go toolchain (1.25 or newer)",
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


def tools_missing() -> list[str]:
    """One line for each thing that the cluster lacks here; empty when it can run."""
    if sys.platform != "linux":
        return ["Linux"]
    missing = [f"{name} ({source})" for name, source in PROGRAMS.items() if not shutil.which(name)]
    if not Path("/usr/lib/cni/bridge").exists():
        missing.append("/usr/lib/cni/bridge (Debian package containernetworking-plugins)")
    if os.geteuid() != 0:
        missing.append("root: containers, mounts and network devices")
    if not Path("/sys/fs/cgroup").is_dir() or not os.access("/sys/fs/cgroup", os.W_OK):
        missing.append("a writable /sys/fs/cgroup")
    return missing
