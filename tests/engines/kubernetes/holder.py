"""The first process of the cluster's own namespaces: prepares them, and forwards ports into them until it ends.

Everything that the cluster starts lives in the PID, mount and network namespaces that this process holds. When it
ends, however it ends, the kernel ends every process in them and drops every mount and network device.

Run by ``cluster.py`` through ``unshare``; standard library only, no import from this repository.
"""

from __future__ import annotations

import asyncio
import json
import signal
import socket
import subprocess
import sys
from pathlib import Path

PRIVATE_FOLDERS = ("/run", "/var/log", "/var/lib/kubelet", "/tmp/hostpath_pv")
"""Folders that Kubernetes writes to by default: the cluster gets empty ones of its own, in memory."""

KERNEL_SETTINGS = {"vm/overcommit_memory": "1", "kernel/panic": "10", "kernel/panic_on_oops": "1"}
"""Settings of the whole machine that a kubelet insists on: it is shown files that say so, the machine stays as is."""


def main() -> None:
    """Prepare the namespaces, say ``ready`` on standard output, forward until killed."""
    plan = json.loads(sys.argv[1])
    mount_private_folders(Path(plan["memory"]))
    mask_kernel_settings(Path("/run/kernel-settings"))
    give_addresses(plan["addresses"])
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # orphans of the namespace become children of this process: reap them
    asyncio.run(forward_all({int(fd): target for fd, target in plan["forwards"].items()}))


def mount_private_folders(memory: Path) -> None:
    for folder in (*PRIVATE_FOLDERS, memory):
        Path(folder).mkdir(parents=True, exist_ok=True)
        _do("mount", "-t", "tmpfs", "-o", "mode=755", "tmpfs", str(folder))


def mask_kernel_settings(folder: Path) -> None:
    for name, value in KERNEL_SETTINGS.items():
        shown = folder / name
        shown.parent.mkdir(parents=True, exist_ok=True)
        shown.write_text(f"{value}\n")
        _do("mount", "--bind", str(shown), f"/proc/sys/{name}")


def give_addresses(addresses: list[str]) -> None:
    _do("ip", "link", "set", "lo", "up")
    for address in addresses:
        _do("ip", "address", "add", f"{address}/32", "dev", "lo")


async def forward_all(forwards: dict[int, list[str | int]]) -> None:
    """Accept on sockets that were opened outside the namespaces and connect to (host, port) inside them."""
    servers = [await _forward(socket.socket(fileno=fd), str(host), int(port)) for fd, (host, port) in forwards.items()]
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    await asyncio.gather(*(server.serve_forever() for server in servers))


async def _forward(listener: socket.socket, host: str, port: int) -> asyncio.Server:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            inner_reader, inner_writer = await asyncio.open_connection(host, port)
        except OSError:
            writer.close()
            return
        await asyncio.gather(_copy(reader, inner_writer), _copy(inner_reader, writer))

    return await asyncio.start_server(serve, sock=listener)


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(1 << 16):
            writer.write(data)
            await writer.drain()
    except OSError:
        pass  # one side went away: the other is closed below
    finally:
        writer.close()


def _do(*command: str) -> None:
    subprocess.run(command, check=True)


if __name__ == "__main__":
    main()
