"""Which clusters run on this machine, and the cleaning up after one whose owner was killed."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from tests.engines.kubernetes import cache, cgroups
from tests.engines.kubernetes.namespaces import kill

BY_HAND, WITH_OWNER = "when it is stopped", "with the process that made it"
"""When a cluster ends."""

GONE_SECONDS = 20.0
"""How long killed processes may take to leave their control groups."""


@dataclass(frozen=True)
class Record:
    """What is needed to find a cluster again and to end it."""

    name: str
    keeper: int
    started: str
    """Start time of the keeper as the kernel tells it: another process with its number has another."""
    kubeconfig: str
    details: dict[str, str]
    """What else its users need to know: addresses, names."""

    @property
    def alive(self) -> bool:
        return bool(self.started) and start_time(self.keeper) == self.started

    @property
    def kept(self) -> bool:
        """Whether it stays when the process that made it ends, until somebody stops it."""
        return self.details.get("ends") == BY_HAND


def of_process(name: str, keeper: int, kubeconfig: str = "", details: Mapping[str, str] | None = None) -> Record:
    """The record of a cluster that lives as long as a running process does."""
    return Record(name, keeper, start_time(keeper), kubeconfig, dict(details or {}))


def folder() -> Path:
    return cache.folder() / "running"


def write(record: Record) -> None:
    path = folder() / record.name / "cluster.json"
    path.with_suffix(".new").write_text(json.dumps(asdict(record), indent=2))
    path.with_suffix(".new").rename(path)


def found() -> Iterator[Record]:
    for path in sorted(folder().glob("*/cluster.json")):
        yield Record(**json.loads(path.read_text()))


def erase(record: Record) -> None:
    """End a cluster, if it still runs, and remove what it left: its control groups and its folder."""
    if record.alive:
        kill(record.keeper)
    _remove_groups(record.name)
    shutil.rmtree(folder() / record.name)


def erase_stale() -> list[str]:
    """Clean up after clusters whose keeper has ended; returns their names."""
    stale = [record for record in found() if not record.alive]
    for record in stale:
        erase(record)
    return [record.name for record in stale]


def start_time(process_id: int) -> str:
    """Field 22 of ``/proc/<pid>/stat``, or nothing when there is no such process (or only its remains)."""
    try:
        fields = Path(f"/proc/{process_id}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return ""
    return "" if fields[0] in "ZX" else fields[19]


def _remove_groups(name: str) -> None:
    end = time.monotonic() + GONE_SECONDS
    while True:
        try:
            cgroups.remove(name)
        except OSError:
            if time.monotonic() > end:
                raise
            time.sleep(0.05)  # the kernel tells nobody when the last process has left a group
        else:
            return
