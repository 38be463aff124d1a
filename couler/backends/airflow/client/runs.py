"""The DAG run of a run: triggered and marked, so that it is found again from anywhere, and what is asked of it.

The run has couler's id on both sides. Its ``conf`` holds the values of the parameters, and a mark with the workflow.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from couler.backends.airflow.client.connection import Connection, explained, path
from couler.backends.airflow.client.snapshot import STOPPED, was_stopped
from couler.backends.remote.retrying import AnswerError
from couler.backends.remote.runs import pack, unpack
from couler.core.errors import EngineError, NotFoundError, StateError, near
from couler.core.ir.model import Workflow
from couler.runs import RunRecord

MARK = "couler.io/run"
"""Key of ``conf`` that no parameter has."""
_LARGEST = 1_000_000
"""Characters of a packed workflow that travels with its run: every task is handed them."""
_RACE = 3.0
"""Seconds that a pause must have lasted: an answer within the first makes Airflow 3.3 fail the task."""


def place(dag: str, run_id: str, *more: str | int) -> str:
    """Path of a DAG run, or of something of it."""
    return path("dags", dag, "dagRuns", run_id, *more)


def mark_of(workflow: Workflow, run_id: str) -> dict[str, str]:
    """What tells a run of couler from others."""
    packed = pack(workflow)
    return {"id": run_id, "name": workflow.name, "workflow": packed if len(packed) <= _LARGEST else ""}


def trigger(connection: Connection, dag: str, run_id: str, conf: Mapping[str, Any]) -> bool:
    """Create a DAG run; one that exists already, because an answer was lost, is left as it is and False is given.

    Raises:
        StateError: Another's run has this id.
        EngineError: Airflow refuses it.
    """
    body = {"dag_run_id": run_id, "logical_date": None, "conf": dict(conf)}
    try:
        connection.once("POST", path("dags", dag, "dagRuns"), body)
        return True
    except AnswerError as error:
        if error.code != 409:
            raise explained(error, f"start run '{run_id}'", connection.where) from error
    made = connection.ask("GET", place(dag, run_id), doing=f"read run '{run_id}'")
    if _mark(made).get("id") != run_id:
        raise StateError(f"run '{run_id}' exists at {connection.where} and is another's", "start a new run")
    return False


def exists(connection: Connection, dag: str, run_id: str) -> bool:
    """Whether a DAG run is there."""
    try:
        connection.ask("GET", place(dag, run_id), doing=f"read run '{run_id}'")
    except NotFoundError:
        return False
    return True


def stop(connection: Connection, dag: str, run_id: str) -> None:
    """End what runs, let nothing new start, and let exit handlers run to their end."""
    body = {"state": "failed", "note": STOPPED}
    connection.ask("PATCH", place(dag, run_id), body, doing=f"stop run '{run_id}'")


def end_task(connection: Connection, dag: str, run_id: str, task: str, index: int) -> None:
    """End a task, whether it runs or waits."""
    where = place(dag, run_id, "taskInstances", task, *(() if index < 0 else (index,)))
    connection.ask("PATCH", where, {"new_state": "failed"}, doing=f"end task '{task}' of run '{run_id}'")


def again(connection: Connection, dag: str, run_id: str, tasks: list[tuple[str, int]]) -> None:
    """Let tasks run again, and their run go on."""
    connection.ask("PATCH", place(dag, run_id), {"note": ""}, doing=f"change run '{run_id}'")
    body = {
        "dry_run": False,
        "only_failed": False,
        "dag_run_id": run_id,
        "task_ids": [task if index < 0 else [task, index] for task, index in tasks],
    }
    connection.ask("POST", path("dags", dag, "clearTaskInstances"), body, doing=f"retry run '{run_id}'")


def decide(connection: Connection, dag: str, run_id: str, task: tuple[str, int], choice: str) -> None:
    """Answer a pause, ``Approve`` or ``Reject``.

    Raises:
        StateError: It was answered before.
    """
    where = place(dag, run_id, "taskInstances", *task, "hitlDetails")
    pause = connection.ask("GET", where, doing=f"read the question of task '{task[0]}'")
    since = datetime.fromisoformat(pause["created_at"]).timestamp()
    connection.waiting.sleep(min(_RACE, max(0.0, since + _RACE - time.time())))
    try:
        connection.once("PATCH", where, {"chosen_options": [choice], "params_input": {}})
    except AnswerError as error:
        if error.code == 409:
            raise StateError(
                f"the question of task '{task[0]}' was answered before", f"couler status {run_id}"
            ) from None
        raise explained(error, f"answer the question of task '{task[0]}'", connection.where) from error


def delete(connection: Connection, dag: str, run_id: str) -> None:
    """Remove a DAG run; one that is gone is fine."""
    try:
        connection.once("DELETE", place(dag, run_id))
    except AnswerError as error:
        if error.code != 404:
            raise explained(error, f"delete run '{run_id}'", connection.where) from error


# --- which runs there are --------------------------------------------------------------------------------------------


def listed(connection: Connection, limit: int) -> list[dict[str, Any]]:
    """DAG runs that couler started, from anywhere, newest first."""
    query = {"conf_contains": MARK, "order_by": "-run_after"}
    found = connection.pages(path("dags", "~", "dagRuns"), "dag_runs", query, "list runs", most=limit)
    return [one for one in found if _mark(one)][:limit]


def search(connection: Connection, reference: str) -> dict[str, Any]:
    """The DAG run that is meant.

    Raises:
        NotFoundError: None fits.
    """
    known = listed(connection, 1000)
    found = next((one for claim in _CLAIMS for one in known if claim(one, reference)), None)
    if found is None:
        names = [str(one["dag_run_id"]) for one in known]
        hint = near(reference, names, "runs") or "`couler list --engine airflow` shows the runs there"
        raise NotFoundError(f"no run '{reference}' of couler at {connection.where}", hint)
    return found


_CLAIMS: tuple[Callable[[Mapping[str, Any], str], bool], ...] = (
    lambda run, wanted: wanted == "@latest",
    lambda run, wanted: run["dag_run_id"] == wanted,
    lambda run, wanted: wanted in (run["dag_id"], _mark(run)["name"]),
    lambda run, wanted: str(run["dag_run_id"]).startswith(wanted),
)
"""Whether a run is meant, the surest claim first."""


def workflow_of(connection: Connection, run: Mapping[str, Any]) -> Workflow:
    """The workflow from which a DAG run was made.

    Raises:
        EngineError: It is too large to travel.
    """
    text = _mark(run)["workflow"]
    if not text:
        raise EngineError(
            f"the workflow of run '{run['dag_run_id']}' at {connection.where} is too large to be kept there",
            "use the run store of the machine that submitted it",
        )
    return unpack(text, f"conf of run '{run['dag_run_id']}'")


def record_of(run: Mapping[str, Any], document: str, options: Mapping[str, Any]) -> RunRecord:
    """What is known of a run from its DAG run alone, for run stores that do not have it."""
    states = {"success": "succeeded", "failed": "failed", "running": "running"}
    started, ended = (None if run[name] is None else _seconds(run[name]) for name in ("start_date", "end_date"))
    return RunRecord(
        run["dag_run_id"],
        _mark(run)["name"],
        "airflow",
        "cancelled" if was_stopped(run) and ended else states.get(run["state"], "pending"),
        _seconds(run["run_after"]),
        started=started,
        ended=ended,
        parameters={name: value for name, value in run["conf"].items() if name != MARK},
        document=document,
        options=dict(options),
        remote=run["dag_id"],
    )


def _mark(run: Mapping[str, Any]) -> Mapping[str, Any]:
    found = (run.get("conf") or {}).get(MARK)
    return found if isinstance(found, Mapping) else {}


def _seconds(time: str) -> float:
    return datetime.fromisoformat(time).timestamp()
