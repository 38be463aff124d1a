"""The node is a real Kubernetes: containers run, limits hold, claims are bound, and nothing stays on the machine."""

from __future__ import annotations

import os
import select
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.engines.kubernetes import cgroups, holder, node, records
from tests.engines.kubernetes.node import Node
from tests.engines.kubernetes.tools import reason_to_skip

WHY_NOT = reason_to_skip(node.build)
pytestmark = [pytest.mark.skipif(bool(WHY_NOT), reason=WHY_NOT), pytest.mark.timeout(600)]

PODS = "/api/v1/namespaces/default/pods"
ROOT = Path(__file__).resolve().parents[3]
OWNER = """
import sys
from tests.engines.kubernetes import node
print(node.start().name, flush=True)
sys.stdin.read()
"""


@pytest.fixture(scope="module")
def machine() -> Iterator[Node]:
    started = node.start()
    yield started
    started.stop()


def test_a_pod_runs_its_program_and_its_output_is_its_log(machine: Node) -> None:
    done = _run(machine, "prints", ["python3", "-c", "import socket; print(socket.gethostname())"])
    assert done["status"]["phase"] == "Succeeded"
    assert machine.api.text(f"{PODS}/prints/log") == "prints\n"


def test_a_pod_reaches_the_api_server_by_the_address_it_is_told(machine: Node) -> None:
    ask = 'curl --silent --insecure "https://$KUBERNETES_SERVICE_HOST:$KUBERNETES_SERVICE_PORT/readyz"'
    _run(machine, "asks", ["sh", "-c", ask])
    assert machine.api.text(f"{PODS}/asks/log") == "ok"


def test_more_memory_than_the_limit_ends_the_container(machine: Node) -> None:
    limits = {"resources": {"limits": {"memory": "64Mi"}}}
    done = _run(machine, "eats", ["python3", "-c", "b = bytearray(200 << 20)"], limits)
    ended = done["status"]["containerStatuses"][0]["state"]["terminated"]
    assert (ended["reason"], ended["exitCode"]) == ("OOMKilled", 137)


def test_a_claim_is_given_a_volume_that_outlives_a_pod(machine: Node) -> None:
    claim = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Mi"}}}
    path = "/api/v1/namespaces/default/persistentvolumeclaims"
    machine.api.create(path, {"metadata": {"name": "kept"}, "spec": claim})
    volumes = {"volumes": [{"name": "kept", "persistentVolumeClaim": {"claimName": "kept"}}]}
    mounts = {"volumeMounts": [{"name": "kept", "mountPath": "/kept"}]}
    _run(machine, "writes", ["sh", "-c", "echo words > /kept/file"], mounts, volumes)
    _run(machine, "reads", ["cat", "/kept/file"], mounts, volumes)
    assert machine.api.text(f"{PODS}/reads/log") == "words\n"


def test_settings_of_the_whole_machine_stay_as_they_were(machine: Node) -> None:
    shown = {name: machine.inside.run("cat", f"/proc/sys/{name}").strip() for name in holder.KERNEL_SETTINGS}
    assert shown == dict(holder.KERNEL_SETTINGS)
    assert "sys/vm/overcommit_memory" not in Path("/proc/self/mounts").read_text()


def test_a_killed_owner_takes_its_cluster_along_and_the_next_start_cleans_up() -> None:
    owner = subprocess.Popen(
        [sys.executable, "-c", OWNER], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert owner.stdout is not None
    name = owner.stdout.readline().strip()
    record = next(record for record in records.found() if record.name == name)
    keeper = os.pidfd_open(record.keeper)
    inside = cgroups.process_ids(name)
    owner.kill()
    owner.communicate()
    select.select([keeper], [], [], 30)
    os.close(keeper)
    assert not record.alive
    assert name in records.erase_stale()
    assert not (records.folder() / name).exists()
    assert not any((hierarchy / name).exists() for hierarchy in cgroups.hierarchies())
    assert not any(Path(f"/proc/{process}").exists() for process in inside)


def _run(machine: Node, name: str, command: list[str], container: Any = None, pod: Any = None) -> dict[str, Any]:
    """Run one container to its end; ``container`` and ``pod`` are further fields of the two."""
    main = {"name": "main", "image": "python:3.11-slim", "command": command, **(container or {})}
    spec = {"restartPolicy": "Never", "containers": [main], **(pod or {})}
    machine.api.create(PODS, {"metadata": {"name": name}, "spec": spec})
    return machine.api.wait(PODS, name, lambda found: found["status"]["phase"] in ("Succeeded", "Failed"), 60)
