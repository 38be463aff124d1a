"""A cluster on this machine in which Argo Workflows runs: ``python -m tests.engines.argo.cluster start``.

Verbs: ``build`` (fill the cache), ``start``, ``status``, ``stop`` (those that ``start`` made; a test's ends with the
test). ``running()`` is the same for tests.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.engines.argo import archive, builds, installation
from tests.engines.kubernetes import images, node, records
from tests.engines.kubernetes.api import Api
from tests.engines.kubernetes.tools import tools_missing
from tests.engines.s3 import server

BUCKET = "artifacts"


@dataclass(frozen=True)
class Cluster:
    """What a test needs to know of a cluster in which Argo runs."""

    kubeconfig: Path
    namespace: str
    argo: str
    """Argo's version."""
    s3: server.S3
    secret: str
    """Name of the Secret with the keys ``accesskey`` and ``secretkey`` of the S3 server, in the namespace."""
    images: tuple[str, ...]
    """Names under which steps find an image; nothing can be pulled."""
    logs: Path
    server: str = ""
    """URL of the argo-server, where there is one."""

    @property
    def api(self) -> Api:
        return Api(self.kubeconfig)

    def prepare_namespace(self, name: str) -> None:
        """Make a further namespace in which workflows can run."""
        installation.prepare_namespace(self.api, name, self.s3)


def build(version: str = builds.DEFAULT) -> None:
    """Fill the cache with everything that a start needs."""
    node.build()
    server.executable()
    builds.build(version)


@contextmanager
def running(version: str = builds.DEFAULT, *, with_archive: bool = False) -> Iterator[Cluster]:
    """A cluster for as long as the block lasts; it also ends when this process does, however that ends."""
    machine, cluster = start(version, with_archive=with_archive)
    try:
        yield cluster
    finally:
        machine.stop()


def start(
    version: str = builds.DEFAULT, *, outlive: bool = False, with_archive: bool = False
) -> tuple[node.Node, Cluster]:
    """Start a node, the S3 server and Argo, and wait until workflows can run.

    Args:
        version: Of Argo.
        outlive: Whether the cluster stays when this process ends.
        with_archive: Whether Argo keeps runs in a database and has a server.
    """
    argo = builds.build(version)
    server.executable()
    forwards = {"s3": server.PORT, **({"argo-server": archive.PORT} if with_archive else {})}
    machine = node.start({name: ("127.0.0.1", port) for name, port in forwards.items()}, outlive=outlive)
    try:
        s3 = server.start(machine, BUCKET)
        installation.install(machine, argo, s3, with_archive=with_archive)
        url = archive.start_server(machine, argo, installation.NAMESPACE) if with_archive else ""
        machine.details.update({"argo": version, "s3": s3.outside, "s3 for pods": s3.endpoint, "bucket": BUCKET})
        machine.details.update({"argo-server": url} if url else {})
        machine.remember()
    except BaseException:
        machine.stop()
        raise
    logs = machine.inside.logs
    return machine, Cluster(machine.kubeconfig, "default", version, s3, server.SECRET, images.TOOLS_NAMES, logs, url)


def say(text: str) -> None:
    sys.stdout.write(text + "\n")


def main(arguments: list[str]) -> int:
    """Carry out one verb of the command line; returns the exit code."""
    verb, version = (*arguments, "status")[0], (*arguments[1:], builds.DEFAULT)[0]
    if verb not in VERBS or version not in builds.VERSIONS:
        say(f"Say one of {', '.join(VERBS)}, and perhaps one of {', '.join(builds.VERSIONS)}.")
        return 2
    if verb in ("build", "start") and (missing := tools_missing()):
        say("\n".join(["The cluster cannot run here; missing:", *missing]))
        return 1
    begin = time.monotonic()
    VERBS[verb](version)
    if verb != "status":
        say(f"{verb}: {time.monotonic() - begin:.1f} s")
    return 0


def _start(version: str) -> None:
    start(version, outlive=True)
    _status(version)


def _status(_version: str) -> None:
    found = list(records.found())
    for record in found:
        say(f"{record.name} {'running' if record.alive else 'ended without being cleaned up'}")
        say(f"  kubeconfig: {record.kubeconfig}")
        for name, value in record.details.items():
            say(f"  {name}: {value}")
    if not found:
        say("No cluster runs.")


def _stop(_version: str) -> None:
    for record in list(records.found()):
        if record.kept or not record.alive:
            records.erase(record)


VERBS: dict[str, Callable[[str], None]] = {"build": build, "start": _start, "status": _status, "stop": _stop}

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
