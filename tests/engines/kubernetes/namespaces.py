"""Namespaces of the cluster's own, held by one process: what runs in them ends when that process ends."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

HOLDER = Path(__file__).with_name("holder.py")


@dataclass
class Namespaces:
    """PID, mount and network namespaces, and the processes started in them."""

    keeper: int
    """The ``unshare`` process: when it ends, so does everything inside."""
    holder: int
    logs: Path
    ports: dict[str, int]
    """Ports on the loopback interface outside that lead to (host, port) inside, by name."""
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    def start(self, name: str, command: Sequence[str], environment: Mapping[str, str] | None = None) -> None:
        """Start a process inside that runs until the namespaces end; its output goes to ``<logs>/<name>.log``."""
        with (self.logs / f"{name}.log").open("ab") as log:
            self.processes[name] = subprocess.Popen(
                [*self._enter(), *command],
                env={**os.environ, **(environment or {})},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def run(self, *command: str) -> str:
        """Run a command inside, to its end, and return what it printed.

        Raises:
            RuntimeError: It failed; carries what it said.
        """
        done = subprocess.run([*self._enter(), *command], capture_output=True, text=True, check=False)
        if done.returncode:
            raise RuntimeError(f"{' '.join(command)} failed: {done.stderr[-2000:]}")
        return done.stdout

    def succeeds(self, *command: str) -> bool:
        """Whether a command inside ends well."""
        return subprocess.run([*self._enter(), *command], capture_output=True, check=False).returncode == 0

    def dead(self) -> str | None:
        """What a process that should be running last said, if one has ended."""
        for name, process in self.processes.items():
            if process.poll() is not None:
                said = (self.logs / f"{name}.log").read_text(errors="replace")[-3000:]
                return f"{name} ended with {process.returncode}:\n{said}"
        return None

    def end(self) -> None:
        """Kill the holder, and with it all that runs inside; returns when the started processes have gone."""
        kill(self.keeper)
        for process in self.processes.values():
            process.wait()

    def _enter(self) -> list[str]:
        return ["nsenter", f"--target={self.holder}", "--mount", "--net", "--pid", "--"]


def create(
    memory: Path,
    logs: Path,
    addresses: Sequence[str],
    forwards: Mapping[str, tuple[str, int]],
    *,
    outlive: bool,
) -> Namespaces:
    """Make the namespaces and wait until they are prepared.

    Args:
        memory: Mount point of a file system in memory that is visible only inside.
        logs: Folder for the output of what is started inside.
        addresses: IPv4 addresses that the machine has inside.
        forwards: (host, port) inside that are to be reachable from outside, by name.
        outlive: Whether the namespaces stay when this process ends.

    Returns:
        The namespaces, with a free port outside for each forward.
    """
    listeners = {name: socket.create_server(("127.0.0.1", 0)) for name in forwards}
    plan = {
        "memory": str(memory),
        "addresses": list(addresses),
        "forwards": {listeners[name].fileno(): target for name, target in forwards.items()},
    }
    command = ["unshare", "--pid", "--mount", "--net", "--fork", "--kill-child", "--mount-proc"]
    if not outlive:
        command = ["setpriv", "--pdeathsig", "KILL", *command]
    with (logs / "holder.log").open("ab") as log:
        keeper = subprocess.Popen(
            [*command, sys.executable, "-I", "-S", str(HOLDER), json.dumps(plan)],
            pass_fds=[listener.fileno() for listener in listeners.values()],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=log,
            start_new_session=True,
        )
    ports = {name: listener.getsockname()[1] for name, listener in listeners.items()}
    for listener in listeners.values():
        listener.close()
    assert keeper.stdout is not None
    with keeper.stdout as said:
        if said.readline() != b"ready\n":
            raise RuntimeError(f"no namespaces could be made:\n{(logs / 'holder.log').read_text()[-3000:]}")
    children = Path(f"/proc/{keeper.pid}/task/{keeper.pid}/children").read_text().split()
    namespaces = Namespaces(keeper.pid, int(children[0]), logs, ports)
    namespaces.processes["holder"] = keeper
    return namespaces


def kill(process_id: int) -> None:
    """End a process, if it has not ended already."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(process_id, signal.SIGKILL)
