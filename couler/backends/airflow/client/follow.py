"""Reads how a run stands on its Airflow, and follows it to its end."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import Any

from couler.backends.airflow.client.connection import Connection, path
from couler.backends.airflow.client.snapshot import VALUE, Found, Instance, snapshot, wanted
from couler.backends.airflow.names import END, ITEM, ITEMS, START
from couler.backends.remote.ledger import Ledger, Snapshot
from couler.backends.remote.retrying import Patience
from couler.core.errors import NotFoundError
from couler.core.ir.model import Workflow
from couler.runs.records import ENDED

GONE = "the run was deleted from Airflow"
_PATIENT = Patience(total=600.0)
_AT_ONCE = 3
_SHORTEST, _LONGEST = 0.5, 30.0
"""Seconds between two looks; a look that takes long is followed by a longer pause."""
_ALL_AGAIN = 20
"""Looks after which all tasks are read again."""
_MARGIN = timedelta(seconds=10)
"""How far the clocks of Airflow's machines may be apart."""
_Key = tuple[Instance, int, str]


class Reader:
    """Reads one run again and again, and what does not change only once.

    Args:
        connection: The server.
        dag: Id of the DAG.
        run_id: Id of the run, there and here.
        workflow: The IR from which the DAG file was compiled.
    """

    def __init__(self, connection: Connection, dag: str, run_id: str, workflow: Workflow) -> None:
        self.connection = connection
        self.run_id = run_id
        self.workflow = workflow
        self._place = ("dags", dag, "dagRuns", run_id)
        self._tasks: dict[Instance, dict[str, Any]] = {}
        self._reads = 0
        self._left: dict[tuple[_Key, str], Any] = {}
        self._tries: dict[_Key, list[dict[str, Any]]] = {}

    def read(self, patience: Patience | None = None) -> Snapshot:
        """How the run stands now.

        Raises:
            NotFoundError: There is no such run.
        """
        return snapshot(self.workflow, self.found(patience), self.run_id)

    def found(self, patience: Patience | None = None) -> Found:
        """What Airflow tells of the run."""
        run = self.connection.ask("GET", path(*self._place), doing=f"read run '{self.run_id}'", patience=patience)
        tasks = self._listed(run["state"] in ("success", "failed"), patience)
        keys = {instance: (instance, int(one["try_number"]), str(one["state"])) for instance, one in tasks.items()}
        self._fetch(tasks, keys, patience)
        left = {
            (instance, name): self._left[keys[instance], name]
            for instance, name in _worth_reading(tasks)
        }  # fmt: skip
        tries = {instance: self._tries[key] for instance, key in keys.items() if key in self._tries}
        return Found(run, tasks, left, tries)

    def _listed(self, over: bool, patience: Patience | None) -> dict[Instance, dict[str, Any]]:
        """All task instances; mostly only those are asked for that have changed since the last time."""
        since = None if over or self._reads % _ALL_AGAIN == 0 else _newest(self._tasks.values())
        query = {} if since is None else {"updated_at_gte": since}
        place, doing = path(*self._place, "taskInstances"), f"read the tasks of run '{self.run_id}'"
        listed = self.connection.pages(place, "task_instances", query, doing, patience)
        fresh = {(str(one["task_id"]), int(one["map_index"])): one for one in listed}
        whole = fresh if since is None else {**self._tasks, **fresh}
        expanded = {task for task, index in whole if index == 0}
        self._tasks = {one: task for one, task in whole.items() if one[1] >= 0 or one[0] not in expanded}
        self._reads += 1
        return self._tasks

    def _fetch(
        self, tasks: Mapping[Instance, Mapping[str, Any]], keys: Mapping[Instance, _Key], patience: Patience | None
    ) -> None:
        values = [
            (instance, name) for instance, name in _worth_reading(tasks) if (keys[instance], name) not in self._left
        ]
        again = [
            instance for instance, key in keys.items() if key[1] > 1 and key not in self._tries
        ]  # fmt: skip
        if not values and not again:
            return
        with ThreadPoolExecutor(min(_AT_ONCE, len(values) + len(again))) as pool:
            found = pool.map(lambda one: self._value(one[0], one[1], patience), values)
            tries = pool.map(lambda one: self._tries_of(one, patience), again)
            self._left.update(zip([(keys[instance], name) for instance, name in values], found, strict=True))
            self._tries.update(zip([keys[instance] for instance in again], tries, strict=True))

    def _value(self, instance: Instance, name: str, patience: Patience | None) -> Any:
        place = path(*self._place, "taskInstances", instance[0], "xcomEntries", name)
        try:
            doing = f"read what task '{instance[0]}' left"
            query = {"map_index": str(instance[1])}
            answer = self.connection.ask("GET", place, query=query, doing=doing, patience=patience)
        except NotFoundError:
            return None
        return answer["value"]

    def _tries_of(self, instance: Instance, patience: Patience | None) -> list[dict[str, Any]]:
        task, index = instance
        mapped = (task,) if index < 0 else (task, index)
        place = path(*self._place, "taskInstances", *mapped, "tries")
        doing = f"read the tries of task '{task}'"
        return list(self.connection.ask("GET", place, doing=doing, patience=patience)["task_instances"])


def _newest(tasks: Iterable[Mapping[str, Any]]) -> str | None:
    """A time before which everything was read that is known; None when nothing is."""
    names = ("scheduled_when", "queued_when", "start_date", "end_date")
    times = [datetime.fromisoformat(one[name]) for one in tasks for name in names if one.get(name)]
    return (max(times) - _MARGIN).isoformat() if times else None


def _worth_reading(tasks: Mapping[Instance, Mapping[str, Any]]) -> Iterator[tuple[Instance, str]]:
    """Tasks and what is to be read of them: not what nobody looks at, or what another task has too."""
    for instance, task in tasks.items():
        name = wanted(task)
        if name and not (name == VALUE and _is_elsewhere(instance, tasks)):
            yield instance, name


def _is_elsewhere(instance: Instance, tasks: Mapping[Instance, Mapping[str, Any]]) -> bool:
    """Whether nobody needs the value of a task, or the end of its map has it, or will have it."""
    task, index = instance
    last = task.rpartition(".")[2]
    if last in (START, ITEMS):
        return True
    item = task.removesuffix(f".{END}")
    if index < 0 or not item.endswith(f".{ITEM}"):
        return False
    end = tasks.get((f"{item.removesuffix(ITEM)}{END}", -1))
    return end is not None and end["state"] not in ("failed", "skipped", "upstream_failed", "removed")


def follow(reader: Reader, ledger: Ledger) -> str:
    """Follow a run to its end and give its status; lost connections are made again.

    Raises:
        EngineUnreachableError: Airflow gave no answer for ten minutes; the run itself goes on.
    """
    waiting = reader.connection.waiting
    while True:
        began = waiting.clock()
        try:
            snap = reader.read(_PATIENT)
        except NotFoundError:
            ledger.gone(GONE)
            return ledger.store.run(ledger.run_id).status
        ledger.keep(snap)
        if snap.status in ENDED:
            return snap.status
        waiting.sleep(min(_LONGEST, max(_SHORTEST, 2 * (waiting.clock() - began))))
