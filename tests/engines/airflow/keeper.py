"""The process that owns one Airflow: it starts and ends Airflow's processes, and ends when its last user has gone.

``server.start`` runs it: it prints one line of JSON when Airflow is ready (or why it is not), and goes on in the
background. Users connect to the socket ``keeper`` in
Airflow's home: a user counts as gone when its connection ends, however that comes about. Every orphan among Airflow's
processes becomes a child of the keeper, so that none stays behind.
"""

from __future__ import annotations

import ctypes
import json
import os
import selectors
import signal
import socket
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Mapping
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import psutil

from tests import postgres
from tests.engines.airflow.api import Api
from tests.engines.airflow.settings import Access, Place

ARGUMENTS: Mapping[str, list[str]] = {
    "api-server": ["--workers", "1"],
    "scheduler": ["--skip-serve-logs"],
    "dag-processor": [],
    "triggerer": ["--skip-serve-logs"],
}
"""Airflow's processes; on their own the scheduler and the triggerer would serve logs on all interfaces."""

START_SECONDS = 240.0
FIRST_USER_SECONDS = 30.0
"""How long a ready Airflow waits for somebody who wants it."""

PR_SET_CHILD_SUBREAPER = 36


class Keeper:
    """Airflow's processes, and the users that they run for."""

    def __init__(self, place: Place, spared: set[int]):
        self.place = place
        self._spared = spared
        """Processes that are not Airflow's: the database server."""
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        self.connections = selectors.DefaultSelector()
        """Those of users stay open until all is over."""

    def migrate(self) -> None:
        with (self.place.logs / "migrate.log").open("ab") as log:
            subprocess.run(self._command("db", "migrate"), check=True, stdout=log, stderr=log, **self._surroundings())

    def start(self, name: str) -> None:
        """Start one of the processes, in a process group of its own."""
        if self.process_ids()[name]:
            raise ValueError(f"{name} runs already")
        with (self.place.logs / f"{name}.log").open("ab") as log:
            command = self._command(name, *ARGUMENTS[name])
            self._running[name] = subprocess.Popen(
                command, stdout=log, stderr=log, start_new_session=True, **self._surroundings()
            )

    def kill(self, name: str, number: int) -> None:
        """Send a signal to a process's group and wait for the process to end."""
        process = self._running[name]
        os.killpg(process.pid, number)
        process.wait(60)

    def process_ids(self) -> dict[str, int]:
        """The number of each process, 0 for one that does not run."""
        return {name: self._id_of(name) for name in ARGUMENTS}

    def _id_of(self, name: str) -> int:
        process = self._running.get(name)
        return process.pid if process is not None and process.poll() is None else 0

    def wait_until_healthy(self) -> None:
        api, end = Api(self.place.url), time.monotonic() + START_SECONDS
        while not api.is_healthy():
            ended = [name for name, number in self.process_ids().items() if not number]
            if ended or time.monotonic() > end:
                why = f"ended: {', '.join(ended)}" if ended else f"not healthy after {START_SECONDS:.0f} s"
                raise RuntimeError(f"Airflow did not start ({why})\n{self._last_words()}")
            time.sleep(0.3)  # the health report is there for asking

    def _last_words(self) -> str:
        logs = sorted(self.place.logs.glob("*.log"))
        return "\n".join(f"--- {log.name}\n{log.read_text(errors='replace')[-1500:]}" for log in logs)

    def end_all(self) -> None:
        """Kill Airflow's processes and all that came from them, until there are none."""
        while found := self._descendants():
            for process in found:
                with suppress(psutil.NoSuchProcess):
                    process.kill()
            psutil.wait_procs(found, timeout=10)

    def bury(self) -> None:
        """Take note of the ends of orphans that became children of this process."""
        own = {process.pid for process in self._running.values()} | self._spared
        for child in psutil.Process().children():
            if child.pid not in own:
                os.waitpid(child.pid, os.WNOHANG)

    def _descendants(self) -> list[psutil.Process]:
        me = psutil.Process()
        found = me.children(recursive=True)
        spared = [child for child in me.children() if child.pid in self._spared]
        spared += [process for child in spared for process in child.children(recursive=True)]
        return [process for process in found if process not in spared]

    def _command(self, *words: str) -> list[str]:
        return ["airflow", *words]

    def _surroundings(self) -> dict[str, Any]:
        return {"env": self.place.environment(), "cwd": self.place.home, "stdin": subprocess.DEVNULL}


def serve(keeper: Keeper, listening: socket.socket, stay: bool) -> None:
    """Do what users ask for until the last has gone, or, with ``stay``, until one says ``stop``.

    A user's connection that is the last one ends only with this process: who waits for that knows that all is over.
    """
    waiting, users = keeper.connections, 0
    waiting.register(listening, selectors.EVENT_READ)
    end = time.monotonic() + FIRST_USER_SECONDS
    while users or stay or time.monotonic() < end:
        for key, _ in waiting.select(timeout=1):
            if key.fileobj is listening:
                connection, _ = listening.accept()
                waiting.register(connection, selectors.EVENT_READ, connection.makefile("rw"))
                users += 1
            elif line := key.data.readline():
                request = json.loads(line)
                if request["do"] == "stop":
                    return
                key.data.write(json.dumps(answer(keeper, **request)) + "\n")
                key.data.flush()
            else:
                users -= 1
                if not users and not stay:
                    return
                waiting.unregister(key.fileobj)
                key.data.close()
                key.fileobj.close()  # type: ignore[union-attr]
        keeper.bury()


def answer(keeper: Keeper, do: str, name: str = "", number: int = signal.SIGKILL) -> dict[str, Any]:
    """What one request of a user is answered with: the processes, or why it could not be done."""
    try:
        if do == "start":
            keeper.start(name)
        elif do == "kill":
            keeper.kill(name, number)
    except (KeyError, ValueError, OSError, subprocess.SubprocessError) as error:
        return {"error": f"{do} {name}: {error!r}"}
    return {"processes": keeper.process_ids()}


def keep(database: str, access: Access, further: dict[str, str], stay: bool, say: Callable[[Any], None]) -> None:
    """Start Airflow, say that it is ready, serve its users, and end it."""
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    with ExitStack() as stack:
        home = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="couler-airflow-", dir="/tmp")))
        place = Place(home, postgres.free_port(), _database(database, home, stack), access, further=further)
        place.prepare()
        keeper = Keeper(place, {child.pid for child in psutil.Process().children()})
        stack.callback(keeper.end_all)
        keeper.migrate()
        for name in ARGUMENTS:
            keeper.start(name)
        keeper.wait_until_healthy()
        with socket.socket(socket.AF_UNIX) as listening:
            listening.bind(str(home / "keeper"))
            listening.listen()
            say({"place": place.as_json(), "keeper": os.getpid()})
            serve(keeper, listening, stay)


def _database(kind: str, home: Path, stack: ExitStack) -> str:
    if kind == "sqlite":
        return f"sqlite:///{home}/airflow.db"
    server = stack.enter_context(postgres.server())
    return server.replace("postgresql://", "postgresql+psycopg2://") + "/postgres"


def leave(*_: object) -> None:
    """End in good order, once."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    sys.exit(0)


def main(arguments: list[str]) -> int:
    """Go on in the background, and wait until that process is ready or has failed."""
    reading, writing = os.pipe()
    if os.fork():
        os.close(writing)
        with os.fdopen(reading) as line:
            sys.stdout.write(line.readline())
        return 0
    os.setsid()
    nowhere = os.open(os.devnull, os.O_RDWR)
    for standard in (0, 1, 2):
        os.dup2(nowhere, standard)
    signal.signal(signal.SIGTERM, leave)
    with os.fdopen(writing, "w") as line:

        def say(found: dict[str, Any]) -> None:
            line.write(json.dumps(found) + "\n")
            line.close()

        try:
            keep(**json.loads(arguments[0]), say=say)
        except Exception:
            if not line.closed:
                say({"error": traceback.format_exc()})
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
