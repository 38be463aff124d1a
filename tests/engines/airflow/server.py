"""A real Airflow on this machine, for a test, for all tests of a session, or until it is stopped.

```python
from tests.engines.airflow import server

with server.running() as airflow:
    (airflow.dags / "hello.py").write_text(...)
    airflow.api().post("/api/v2/dags/hello/dagRuns", {"logical_date": None})
    airflow.processes["scheduler"].kill()
    airflow.processes["scheduler"].start()
```
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from tests import postgres
from tests.engines.airflow import api, installation, keeper
from tests.engines.airflow.settings import USER, Access, Place
from tests.engines.kubernetes import cache

ROOT = Path(__file__).resolve().parents[3]
READY_SECONDS = 120.0
"""How long a process that was started again may take to send its first heartbeat."""

Database = Literal["postgresql", "sqlite"]


class StartError(Exception):
    """Airflow did not start; carries what its processes said last."""


@dataclass(frozen=True)
class Process:
    """One of Airflow's processes."""

    name: str
    airflow: Airflow

    @property
    def id(self) -> int:
        """Its number, which is that of its process group too; 0 while it does not run."""
        return int(self.airflow.ask({"do": "look"})[self.name])

    def kill(self, number: signal.Signals = signal.SIGKILL) -> None:
        """Send a signal to all of its process group; returns when the process has ended."""
        self.airflow.ask({"do": "kill", "name": self.name, "number": number})

    def start(self) -> None:
        """Start it again; returns when Airflow is healthy and every component has sent a heartbeat since."""
        begin = time.time()
        self.airflow.ask({"do": "start", "name": self.name})
        while not api.Api(self.airflow.url).is_healthy(begin):
            if time.time() > begin + READY_SECONDS:
                raise TimeoutError(f"no heartbeat {READY_SECONDS:.0f} s after the start of {self.name}")
            time.sleep(0.3)  # the health report is there for asking


@dataclass(frozen=True)
class Airflow:
    """What a test needs to know of a running Airflow."""

    place: Place
    keeper: int
    """The number of the process that owns it."""

    @property
    def url(self) -> str:
        """Without ``/api/v2``."""
        return self.place.url

    @property
    def home(self) -> Path:
        return self.place.home

    @property
    def dags(self) -> Path:
        """The folder that Airflow reads DAG files from."""
        return self.place.dags

    @property
    def logs(self) -> Path:
        """What Airflow's processes say, a file for each; the logs of tasks are in ``logs`` of the home."""
        return self.place.logs

    @property
    def user(self) -> str:
        return USER

    @property
    def password(self) -> str:
        return self.place.secret

    @property
    def environment(self) -> dict[str, str]:
        """The environment variables that Airflow's commands need, all of them."""
        return self.place.environment()

    @property
    def processes(self) -> Mapping[str, Process]:
        """By name: ``api-server``, ``scheduler``, ``dag-processor``, ``triggerer``."""
        return {name: Process(name, self) for name in keeper.ARGUMENTS}

    def token(self) -> str:
        """A new token, good for a day."""
        return api.token(self.url, *((self.user, self.password) if self.place.access == "password" else ()))

    def api(self) -> api.Api:
        return api.Api(self.url, self.token())

    def command(self, *words: str) -> str:
        """What one of Airflow's commands prints: ``airflow.command("dags", "reserialize")``."""
        done = subprocess.run(
            ["airflow", *words], env=self.environment, cwd=self.home, check=True, stdout=-1, text=True
        )
        return done.stdout

    def ask(self, request: Mapping[str, object]) -> dict[str, int]:
        """Let the keeper do something; returns the number of each process."""
        with self.used() as line:
            line.write(json.dumps(request) + "\n")
            line.flush()
            found = json.loads(line.readline())
        if "error" in found:
            raise RuntimeError(found["error"])
        return dict(found["processes"])

    @contextmanager
    def used(self) -> Iterator[Any]:
        """Airflow keeps running in this block; if no other user is left at its end, Airflow has then ended."""
        with socket.socket(socket.AF_UNIX) as connection, connection.makefile("rw") as line:
            connection.connect(str(self.home / "keeper"))
            try:
                yield line
            finally:
                with suppress(OSError):  # somebody has stopped it
                    connection.shutdown(socket.SHUT_WR)
                line.readline()

    def stop(self) -> None:
        """End it, whoever uses it; returns when no process is left."""
        with self.used() as line:
            line.write(json.dumps({"do": "stop"}) + "\n")
            line.flush()

    def write_state(self, path: Path) -> None:
        """Write down where it is, for ``read_state``."""
        path.write_text(json.dumps({"place": self.place.as_json(), "keeper": self.keeper}))
        path.chmod(0o600)


def start(
    database: Database | None = None,
    access: Access = "open",
    further: Mapping[str, str] | None = None,
    *,
    stay: bool = False,
) -> Airflow:
    """Start Airflow; it ends with its last user, or, when it is to stay, by ``stop``.

    Args:
        database: PostgreSQL where it is installed, if nothing is said.
        access: Whether everybody is an administrator, or a user and a password are asked for.
        further: Further environment variables of Airflow, such as its settings, connections and variables.
        stay: Whether it goes on when nobody uses it.

    Raises:
        StartError: It is not healthy; what was started has ended again.
    """
    installation.build()
    chosen = database or ("sqlite" if postgres.reason_missing() else "postgresql")
    wanted = json.dumps({"database": chosen, "access": access, "further": dict(further or {}), "stay": stay})
    command = [sys.executable, "-m", "tests.engines.airflow.keeper", wanted]
    said = subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True).stdout
    found = json.loads(said or '{"error": "the keeper was ended"}')
    if "error" in found:
        raise StartError(found["error"])
    return _of_state(found)


@contextmanager
def running(
    database: Database | None = None, access: Access = "open", further: Mapping[str, str] | None = None
) -> Iterator[Airflow]:
    """An Airflow of one's own for as long as the block lasts; it also ends with this process, however that ends."""
    airflow = start(database, access, further)
    with airflow.used():
        yield airflow


@contextmanager
def shared() -> Iterator[Airflow]:
    """The Airflow whose state file ``COULER_TEST_AIRFLOW`` names, or one for all tests of this session.

    All processes of one pytest session get the same: who comes first starts it, and it ends with the last.

    Raises:
        StartError: None runs that the variable names, or none could be started.
    """
    named = os.environ[installation.SWITCH]
    if named != "1":
        if not is_running(Path(named)):
            raise StartError(f"no Airflow runs that {named} tells of: python -m tests.engines.airflow start")
        yield read_state(Path(named))
        return
    sessions = installation.folder() / "sessions"
    state = sessions / f"{os.environ.get('PYTEST_XDIST_TESTRUNUID') or os.getpid()}.json"
    with ExitStack() as stack:
        with cache.locked(sessions / "all"):
            for other in sessions.glob("*.json"):
                if not is_running(other):
                    other.unlink()
            if not state.exists():
                start().write_state(state)
            airflow = read_state(state)
            stack.enter_context(airflow.used())
        yield airflow


def read_state(path: Path) -> Airflow:
    """The Airflow that a state file tells of; whether it runs is another matter."""
    return _of_state(json.loads(path.read_text()))


def is_running(path: Path) -> bool:
    """Whether there is a state file and the Airflow that it tells of runs."""
    try:
        read_state(path).ask({"do": "look"})
    except OSError:
        return False
    return True


def _of_state(found: dict[str, Any]) -> Airflow:
    place = found["place"]
    return Airflow(Place(**{**place, "home": Path(place["home"])}), found["keeper"])


def state_file() -> Path:
    """Where the Airflow that developers keep running is written down."""
    return installation.folder() / "running.json"


def words_of(airflow: Airflow) -> Sequence[str]:
    """What people want to know of it, a line each."""
    return (
        f"url: {airflow.url}",
        f"dags: {airflow.dags}",
        f"home: {airflow.home}",
        f"logs: {airflow.logs}",
        f"database: {airflow.place.database}",
        f"access: {airflow.place.access}",
        f"keeper: {airflow.keeper}",
    )
