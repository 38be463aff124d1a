"""What must hold for runs on Airflow: it answers and is well, it knows you, and it reads the folder that is written."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

from couler.artifacts.place import shown
from couler.backends.airflow.client.connection import Connection, path
from couler.backends.base import Check
from couler.backends.remote.retrying import AnswerError, Patience
from couler.core.errors import CoulerError

_QUICK = Patience(total=5.0)
_OLDEST = (3, 3)
_PARTS = {
    "scheduler": "runs stay pending without it",
    "dag_processor": "new DAG files are not read without it",
    "triggerer": "steps that wait for a person cannot go on without it",
}
"""Airflow's processes, by their names in its report, and what they are needed for."""


def checks(connect: Callable[[], Connection], options: Mapping[str, Any], store: str) -> list[Check]:
    """All findings, in the order in which they build on each other.

    Args:
        connect: Makes the connection.
        options: Settings.
        store: URL of the folder for files between steps; empty when there is none.
    """
    try:
        connection = connect()
    except CoulerError as error:
        return [Check("fail", "airflow: server", error.message, error.hint)]
    return list(_checks(connection, options, store))


def _checks(connection: Connection, options: Mapping[str, Any], store: str) -> Iterator[Check]:
    answers = _server(connection)
    yield answers
    if answers.state != "fail":
        yield from _processes(connection)
        knows = _access(connection)
        yield knows
        if options.get("dags_command"):
            yield _check("ok", "DAG files", "a program brings them there; the first submission shows whether it does")
        else:
            yield from _folder(connection if knows.state == "ok" else None, str(options.get("dags") or ""))
    elif options.get("dags"):
        yield from _folder(None, str(options["dags"]))
    yield _files(store)


def _check(state: Literal["ok", "warn", "fail"], name: str, found: str, hint: str = "") -> Check:
    return Check(state, f"airflow: {name}", found, hint)


def _server(connection: Connection) -> Check:
    try:
        version = str(connection.public("/version", _QUICK)["version"])
    except AnswerError as error:
        hint = "does it run, and is this the URL of its api-server? couler config set server https://HOST:8080"
        return _check("fail", "server", f"{connection.where}: {error.message or error.reason}", hint)
    found = tuple(int(part) for part in version.split(".")[:2] if part.isdigit())
    if found < _OLDEST:
        return _check("warn", "server", f"Airflow {version} at {connection.where}", "couler writes DAG files for 3.3")
    return _check("ok", "server", f"Airflow {version} at {connection.where}")


def _processes(connection: Connection) -> Iterator[Check]:
    report = connection.public("/monitor/health", _QUICK)
    for name, purpose in _PARTS.items():
        state = (report.get(name) or {}).get("status") or "none is seen"
        if state == "healthy":
            yield _check("ok", name.replace("_", "-"), "is well")
        else:
            yield _check("fail" if name == "scheduler" else "warn", name.replace("_", "-"), state, purpose)


def _access(connection: Connection) -> Check:
    shown_as = connection.access.shown
    try:
        connection.once("GET", path("dags"), query={"limit": "1"}, patience=_QUICK)
    except AnswerError as error:
        words = f"{shown_as}: {error.message or error.reason}"
        return _check("fail", "your access", words, "set token, token_command, or user and password")
    except CoulerError as error:
        return _check("fail", "your access", error.message, error.hint)
    return _check("ok", "your access", shown_as)


def _folder(connection: Connection | None, dags: str) -> Iterator[Check]:
    """Whether DAG files can be written, and whether Airflow reads them there."""
    if not dags:
        yield _check("fail", "DAGs folder", "is not set", "couler config set dags FOLDER, or dags_command PROGRAM")
        return
    try:
        with tempfile.TemporaryFile(dir=dags):
            yield _check("ok", "DAGs folder", f"{dags} can be written")
    except OSError as error:
        yield _check("fail", "DAGs folder", f"{dags}: {error.strerror}", "couler config set dags FOLDER")
        return
    if connection is not None:
        yield _is_read(connection, Path(dags))


def _is_read(connection: Connection, folder: Path) -> Check:
    """Whether the files of DAGs that Airflow knows lie in the folder; their paths there may be other than here."""
    name = "folder that is read"
    try:
        query = {"limit": "100", "order_by": "-last_parsed_time"}
        known = connection.once("GET", path("dags"), query=query, patience=_QUICK)["dags"]
    except AnswerError as error:
        return _check("warn", name, f"cannot be looked at: {error.message}")
    if any((folder / str(one["relative_fileloc"])).is_file() for one in known):
        return _check("ok", name, "DAGs that Airflow knows lie in it")
    if not known:
        return _check("ok", name, "not known yet: Airflow has no DAGs")
    there = str(known[0]["fileloc"]).removesuffix(str(known[0]["relative_fileloc"]))
    hint = "set dags to the folder that Airflow reads; a new one is seen with the first submission"
    return _check("warn", name, f"none of Airflow's DAGs lies in it; it reads {there}", hint)


def _files(store: str) -> Check:
    if store:
        return _check("ok", "files between steps", shown(store))
    return _check(
        "warn", "files between steps", "have no place", "couler config set artifacts URL, for workflows with files"
    )
