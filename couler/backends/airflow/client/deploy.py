"""Brings DAG files to where Airflow reads them, and waits until it has."""

from __future__ import annotations

import hashlib
import re
import shlex
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from couler.backends.airflow.client.connection import Connection, path
from couler.backends.folders import write_folder
from couler.core.errors import ConfigError, EngineError, EngineUnreachableError, NotFoundError, StateError

LONGEST = 900.0
"""Seconds until a new file must have been read: by default Airflow looks for new ones every five minutes."""
_FIRST, _PAUSE = 0.3, 1.0
_COMMAND_SECONDS = 600.0


def deploy(connection: Connection, documents: Mapping[str, str], options: Mapping[str, Any]) -> None:
    """Let Airflow have these files, and return when it has read them and would start runs.

    Args:
        connection: The server.
        documents: Path to content; the DAG file comes first, and is named as its DAG.
        options: ``dags`` (the DAGs folder) or ``dags_command`` (a program that takes a folder with the files there).

    Raises:
        ConfigError: Neither is set, or the folder cannot be written.
        StateError: Runs of another version of the workflow go on, or its DAG has a schedule.
        EngineError: The program failed, or Airflow cannot import the file.
        EngineUnreachableError: Airflow has not read it in time.
    """
    check_place(options)
    documents = stamped(documents)
    name = next(iter(documents))
    dag = name.removesuffix(".py")
    before = code(connection, dag)
    if before is not None and before != documents[name]:
        _check_free(connection, dag)
    folder = None if options.get("dags_command") else Path(options["dags"])
    known = set(import_errors(connection, name))
    if folder is None:
        with tempfile.TemporaryDirectory(prefix="couler-dags-") as handed:
            write(documents, Path(handed))
            hand_over(str(options["dags_command"]), Path(handed))
    elif not write(documents, folder):
        known = set()
    _wait(connection, name, documents[name], known, folder)
    connection.ask("PATCH", path("dags", dag), {"is_paused": False}, doing=f"unpause DAG '{dag}'")


def check_place(options: Mapping[str, Any]) -> None:
    """Refuse settings that do not say where DAG files go.

    Raises:
        ConfigError: Neither a folder nor a program is set.
    """
    if not options.get("dags_command") and not options.get("dags"):
        raise ConfigError(
            "where Airflow reads DAG files is not set",
            "couler config set dags FOLDER, or dags_command PROGRAM for a repository or another machine",
        )


def stamped(documents: Mapping[str, str]) -> dict[str, str]:
    r"""The files, with a last line of the DAG file that changes when any of them does: Airflow shows that file only.

    >>> list(stamped({"a.py": "x = 1\n", "a_parts/b.py": "y"}).values())
    ['x = 1\n# Parts: 1dc57e3ed8e321ce\n', 'y']
    """
    first, *parts = documents
    digest = hashlib.sha256()
    for part in parts:
        digest.update(f"{part}\0{documents[part]}\0".encode("utf-8", "surrogatepass"))
    return {**documents, first: f"{documents[first]}# Parts: {digest.hexdigest()[:16]}\n"}


def _check_free(connection: Connection, dag: str) -> None:
    """Refuse to take a DAG away from runs that go on, or from its schedule.

    Raises:
        StateError: It is in use.
    """
    hint = "wait for it or stop it, or give the workflow another name"
    doing = f"look for DAG '{dag}'"
    if (schedule := connection.ask("GET", path("dags", dag), doing=doing)["timetable_summary"]) is not None:
        raise StateError(
            f"DAG '{dag}' at {connection.where} runs on a schedule ({schedule}), which this would take away",
            "trigger it in Airflow, or give the workflow another name",
        )
    query = {"state": ["queued", "running"], "limit": "1"}
    others = connection.ask("GET", path("dags", dag, "dagRuns"), query=query, doing=doing)["dag_runs"]
    if others:
        other = others[0]["dag_run_id"]
        raise StateError(f"run '{other}' of another version of DAG '{dag}' goes on at {connection.where}", hint)


def write(documents: Mapping[str, str], folder: Path) -> bool:
    """Write files into the DAGs folder; says whether the DAG file changed.

    Raises:
        ConfigError: The folder is not there or cannot be written.
    """
    if not folder.is_dir():
        raise ConfigError(f"the DAGs folder {folder} does not exist", "couler config set dags FOLDER")
    try:
        return write_folder(documents, folder)
    except OSError as error:
        raise ConfigError(f"the DAGs folder {folder} cannot be written: {error.strerror}") from None


def hand_over(command: str, folder: Path) -> None:
    """Run a program with the folder that holds the files as its last argument.

    Raises:
        EngineError: It failed; the message has its last words.
    """
    words = shlex.split(command)
    try:
        done = subprocess.run(
            [*words, str(folder)], capture_output=True, text=True, timeout=_COMMAND_SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise EngineError(
            f"the program of dags_command did not run: {error}", "couler config set dags_command …"
        ) from None
    if done.returncode:
        told = (done.stderr.strip() or done.stdout.strip())[-1000:]
        raise EngineError(f"the program of dags_command ended with exit code {done.returncode}: {told}")


def _wait(connection: Connection, name: str, text: str, known: set[tuple[str, str]], folder: Path | None) -> None:
    """Wait until Airflow holds this text for the code of the DAG, or cannot import it."""
    waiting = connection.waiting
    end = waiting.clock() + LONGEST
    pause = _FIRST
    while True:
        if code(connection, name.removesuffix(".py")) == text:
            return
        fresh = [error for error in import_errors(connection, name) if error not in known]
        if fresh:
            raise EngineError(
                f"Airflow cannot import {name}: {_last_words(fresh[0][1], name)}",
                "`couler compile --engine airflow` shows the file",
            )
        if folder is not None and not _is_there(folder / name, text):
            raise StateError(f"somebody else has replaced {folder / name} meanwhile", "submit the workflow again")
        if waiting.clock() > end:
            raise EngineUnreachableError(
                f"Airflow has not read {name} within {LONGEST:g} s",
                "`couler doctor --engine airflow` says whether it reads that folder, and how often",
            )
        waiting.sleep(pause)
        pause = min(pause * 1.3, _PAUSE)


def _is_there(file: Path, text: str) -> bool:
    return file.is_file() and file.read_bytes() == text.encode("utf-8", "surrogatepass")


def code(connection: Connection, dag: str) -> str | None:
    """The text of the file from which Airflow has read a DAG; None when it has not, or does so no more."""
    try:
        if connection.ask("GET", path("dags", dag), doing=f"look for DAG '{dag}'")["is_stale"]:
            return None
        return str(connection.ask("GET", path("dagSources", dag), doing=f"read the code of DAG '{dag}'")["content"])
    except NotFoundError:
        return None


def import_errors(connection: Connection, name: str) -> list[tuple[str, str]]:
    """Time and words of what kept a file from being imported."""
    query = {"filename_pattern": name}
    found = connection.pages("/importErrors", "import_errors", query, "read import errors")
    mine = [one for one in found if one["filename"].rpartition("/")[2] == name]
    return [(str(one["timestamp"]), str(one["stack_trace"])) for one in mine]


def _last_words(trace: str, name: str) -> str:
    r"""The end of a traceback, with the last line of the file that it names.

    >>> _last_words('File "/dags/a.py", line 7, in <module>\nFile "/x.py", line 1\nKeyError: 3', "a.py")
    'KeyError: 3 (a.py, line 7)'
    """
    last = trace.strip().rpartition("\n")[2]
    lines = re.findall(rf'{re.escape(name)}", line (\d+)', trace)
    return f"{last} ({name}, line {lines[-1]})" if lines else last
