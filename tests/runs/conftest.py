"""Stores to test: SQLite in a file, and a PostgreSQL server of its own on a free port of this machine."""

import os
import shutil
import socket
import subprocess
import tempfile
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from couler.runs import RunStore, open_store

SERVER_USER = "postgres"


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """URL of a PostgreSQL server that lives as long as the tests; skips, and says why, where there is none."""
    pytest.importorskip("psycopg", reason="PostgreSQL is not tested: psycopg is not installed")
    programs = _programs()
    if programs is None:
        pytest.skip(
            "PostgreSQL is not tested: no pg_ctl in PATH or /usr/lib/postgresql/*/bin (apt-get install postgresql)"
        )
    run = _as_server_user()
    folder = Path(tempfile.mkdtemp(prefix="couler-postgres-", dir="/tmp"))
    try:
        if os.getuid() == 0:
            shutil.chown(folder, SERVER_USER)
        data, port = folder / "data", _free_port()
        run(programs / "initdb", "-D", data, "-U", "couler", "-A", "trust", "-E", "UTF8", "--no-sync", "--locale=C")
        options = f"-p {port} -k '' -c listen_addresses=127.0.0.1 -c fsync=off -c shared_buffers=16MB"
        run(programs / "pg_ctl", "-D", data, "-l", folder / "log", "-w", "-o", options, "start")
        try:
            yield f"postgresql://couler@127.0.0.1:{port}"
        finally:
            run(programs / "pg_ctl", "-D", data, "-m", "immediate", "-w", "stop")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def postgres_url(postgres_server: str) -> str:
    """URL of a new, empty PostgreSQL database."""
    import psycopg

    name = f"t{uuid.uuid4().hex}"
    with psycopg.connect(f"{postgres_server}/postgres", autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}"')  # type: ignore[call-overload]
    return f"{postgres_server}/{name}"


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """URL of a new, empty database of each kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'runs.db'}"
    return str(request.getfixturevalue("postgres_url"))


@pytest.fixture
def store(url: str, tmp_path: Path) -> Iterator[RunStore]:
    """A new store of each kind."""
    with open_store(url, tmp_path) as opened:
        yield opened


def _programs() -> Path | None:
    found = shutil.which("pg_ctl")
    if found:
        return Path(found).parent
    installed = Path("/usr/lib/postgresql").glob("*/bin/pg_ctl")
    return next((program.parent for program in sorted(installed, reverse=True)), None)


def _as_server_user() -> Callable[..., None]:
    """PostgreSQL refuses to run as root."""
    prefix: list[str] = []
    if os.getuid() == 0:
        if shutil.which("runuser") is None:
            pytest.skip("PostgreSQL is not tested: it refuses to run as root, and there is no runuser")
        prefix = ["runuser", "-u", SERVER_USER, "--"]

    def run(*command: object) -> None:
        subprocess.run([*prefix, *map(str, command)], check=True, cwd="/", stdout=subprocess.DEVNULL, timeout=60)

    return run


def _free_port() -> int:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        return int(server.getsockname()[1])
