"""A PostgreSQL server of one's own, on a free port of this machine, for as long as a block lasts."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

SERVER_USER = "postgres"


def reason_missing() -> str:
    """Why no server can be started here; empty when one can."""
    if programs() is None:
        return "no pg_ctl in PATH or /usr/lib/postgresql/*/bin (apt-get install postgresql)"
    if os.getuid() == 0 and shutil.which("runuser") is None:
        return "PostgreSQL refuses to run as root, and there is no runuser"
    return ""


@contextmanager
def server() -> Iterator[str]:
    """The URL of the server, without a database's name; ``postgres`` is an empty one.

    Raises:
        FileNotFoundError: There is no PostgreSQL; ``reason_missing`` tells it beforehand.
    """
    found = programs()
    if found is None:
        raise FileNotFoundError(reason_missing())
    folder = Path(tempfile.mkdtemp(prefix="couler-postgres-", dir="/tmp"))
    try:
        if os.getuid() == 0:
            shutil.chown(folder, SERVER_USER)
        data, port = folder / "data", free_port()
        _run(found / "initdb", "-D", data, "-U", "couler", "-A", "trust", "-E", "UTF8", "--no-sync", "--locale=C")
        options = f"-p {port} -k '' -c listen_addresses=127.0.0.1 -c fsync=off -c shared_buffers=16MB"
        _run(found / "pg_ctl", "-D", data, "-l", folder / "log", "-w", "-o", options, "start")
        try:
            yield f"postgresql://couler@127.0.0.1:{port}"
        finally:
            _run(found / "pg_ctl", "-D", data, "-m", "immediate", "-w", "stop")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def free_port() -> int:
    """A port of the loopback interface that nobody listens at now."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return int(listening.getsockname()[1])


def programs() -> Path | None:
    """The folder of PostgreSQL's programs."""
    found = shutil.which("pg_ctl")
    if found:
        return Path(found).resolve().parent
    installed = Path("/usr/lib/postgresql").glob("*/bin/pg_ctl")
    return next((program.parent for program in sorted(installed, reverse=True)), None)


def _run(*command: object) -> None:
    as_server_user = ["runuser", "-u", SERVER_USER, "--"] if os.getuid() == 0 else []
    subprocess.run([*as_server_user, *map(str, command)], check=True, cwd="/", stdout=subprocess.DEVNULL, timeout=60)
