"""The control groups that a cluster's containers live in: made before the kubelet starts, removed after the end."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

ROOT = Path("/sys/fs/cgroup")
INHERITED = ("cpuset.cpus", "cpuset.mems")
"""Settings that version 1 leaves empty in a new group, and without which no process can enter it."""


def hierarchies() -> Iterator[Path]:
    """The folders of all controllers (version 1), or the one folder of version 2."""
    if (ROOT / "cgroup.controllers").exists():
        yield ROOT
        return
    for folder in sorted(ROOT.iterdir()):
        if folder.is_dir() and not folder.is_symlink() and (folder / "cgroup.procs").exists():
            yield folder


def create(name: str) -> None:
    for hierarchy in hierarchies():
        group = hierarchy / name
        group.mkdir(exist_ok=True)
        for setting in INHERITED:
            if (group / setting).exists() and not (group / setting).read_text().strip():
                (group / setting).write_text((hierarchy / setting).read_text())


def remove(name: str) -> None:
    """Remove a group and all below it; the processes in it must have ended."""
    for hierarchy in hierarchies():
        for folder, _children, _files in os.walk(hierarchy / name, topdown=False):
            Path(folder).rmdir()


def process_ids(name: str) -> set[int]:
    """The processes that are in a group or below it."""
    return {
        int(line)
        for hierarchy in hierarchies()
        for folder, _children, _files in os.walk(hierarchy / name)
        for line in (Path(folder) / "cgroup.procs").read_text().split()
    }
