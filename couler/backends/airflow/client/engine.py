"""The Airflow engine: runs of workflows on an Airflow, behind the verbs that every engine has."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from couler.backends.airflow.client import logs, retry, runs
from couler.backends.airflow.client.access import Access
from couler.backends.airflow.client.connection import Connection
from couler.backends.airflow.client.deploy import check_place, deploy
from couler.backends.airflow.client.documents import documents_of, store_of
from couler.backends.airflow.client.follow import GONE, Reader, follow
from couler.backends.airflow.client.snapshot import Instance, instance_of
from couler.backends.airflow.names import dag_name, identifier, task_names
from couler.backends.remote.engine import RemoteEngine
from couler.backends.remote.ledger import Ledger, Observer
from couler.backends.remote.runs import check_mode, new_id
from couler.core.errors import NotFoundError, StateError, near
from couler.core.ir.model import Workflow
from couler.core.ir.parameters import complete
from couler.core.ir.text import from_text, to_json
from couler.core.passes.apply_defaults import apply_defaults
from couler.runs import Changes, EventRecord, RunRecord, RunStore
from couler.runs.records import ENDED

if TYPE_CHECKING:
    from couler.backends.base import Check, Mode

_ACCESS = ("token", "token_command", "user", "password")
_KEPT = (
    *("server", "dags", "dags_command", "artifacts", "python", "max_value", "version"),
    *("airflow_containers", "image", "namespace", "service_account"),
)
"""What a run remembers: where it is, and how it was compiled."""


class AirflowEngine(RemoteEngine):
    """Runs workflows with Airflow; nothing has to run on this machine meanwhile.

    The run store holds what was last seen; every look refreshes it. May be shared by threads, and any number of
    processes and machines may look at a run, steer it and follow it.

    Args:
        root: Folder for what couler remembers.
        store: The run store, or its URL; None means the one below the root.
        server: URL of Airflow's api-server.
        token: Where a token is: ``env:NAME`` or ``file:PATH``.
        token_command: A program that prints a token.
        user: Name for logging in, where there is no token.
        password: Where the password is: ``env:NAME`` or ``file:PATH``.
        dags: The folder from which Airflow reads DAG files.
        dags_command: A program that brings a folder with DAG files there; the folder is its last argument.
        artifacts: URL of the folder for files between steps, for all workers; beside ``dags`` when None.
        python: Interpreter of functions; that of the workers when None.
        max_value: Bytes that one value may have.
        version: Version of Airflow to compile for; the newest when None.
        airflow_containers: What steps run in: ``process``, ``kubernetes`` or ``docker``.
        image: Image of functions and scripts that name none, in containers.
        namespace: Namespace of pods.
        service_account: Service account of pods, where the workflow names none.
        **others: Settings of other engines, which do not matter here.

    Example:
        >>> engine = AirflowEngine(Path(".couler"), server="http://localhost:8080", dags="dags")  # doctest: +SKIP
        >>> run_id = engine.start(workflow, {"epochs": 3})  # doctest: +SKIP
        >>> engine.execute(run_id)  # doctest: +SKIP
        'succeeded'
    """

    name = "airflow"
    place = "Airflow"
    not_there = "brought to Airflow"

    def __init__(
        self,
        root: Path = Path(".couler"),
        *,
        store: RunStore | str | None = None,
        server: str | None = None,
        token: str | None = None,
        token_command: str | None = None,
        user: str | None = None,
        password: str | None = None,
        dags: Path | str | None = None,
        dags_command: str | None = None,
        artifacts: str | None = None,
        python: str | None = None,
        max_value: int | None = None,
        version: str | None = None,
        airflow_containers: str | None = None,
        image: str | None = None,
        namespace: str | None = None,
        service_account: str | None = None,
        **others: Any,
    ) -> None:
        super().__init__(root, store)
        dags = None if dags is None else str(Path(dags).absolute())
        where = (server, dags, dags_command, artifacts)
        given = (*where, python, max_value, version, airflow_containers, image, namespace, service_account)
        self.options = {name: value for name, value in zip(_KEPT, given, strict=True) if value is not None}
        self.access = Access(token or "", token_command or "", user or "", password or "")
        self._connections: dict[str, Connection] = {}
        self._readers: dict[str, Reader] = {}

    def connection(self, options: Mapping[str, Any] | None = None) -> Connection:
        """The Airflow of a run, or the one of the settings."""
        server = str((options or {}).get("server") or self.options.get("server") or "")
        if server not in self._connections:
            self._connections[server] = Connection(server, self.access)
        return self._connections[server]

    # --- starting --------------------------------------------------------------------------------------------------

    def start(
        self,
        workflow: Workflow,
        parameters: Mapping[str, Any],
        run_id: str | None = None,
        labels: Mapping[str, str] = {},
    ) -> str:
        """Remember a new run and give its id; `execute` or `detach` bring it to Airflow.

        Raises:
            ParameterError: A parameter is missing, unknown or of the wrong type.
            EngineError: The workflow cannot be compiled.
            ConfigError: No server is set, or no place for DAG files or for files between steps.
        """
        workflow = apply_defaults(workflow)
        values = complete(workflow, parameters)
        self.connection()
        check_place(self.options)
        documents_of(workflow, self.options)
        run_id = run_id or new_id(identifier(workflow.name)[:40])
        self._remember(run_id, workflow, values, labels, self.options)
        return run_id

    def _follow(self, record: RunRecord, observer: Observer | None) -> str:
        return follow(self._reader(record), self._ledger(record.id, observer))

    def detach(self, run_id: str, mode: Mode = "new") -> None:
        """Bring the run to Airflow if it is not there, or let it go on; it needs nobody here.

        Raises:
            StateError: The run is not in a state for this mode.
            EngineError: Airflow refuses it.
        """
        record = self.store.run(run_id)
        check_mode(record, mode)
        if mode == "retry":
            self._retry(record)
        elif mode == "new" or not self._exists(record):
            self._create(record)
        self._looked.pop(run_id, None)

    def _create(self, record: RunRecord) -> None:
        workflow, connection = from_text(record.document), self.connection(record.options)
        dag = dag_name(record.workflow)
        deploy(connection, documents_of(workflow, record.options), self._where(record))
        self.store.update_run(record.id, remote=dag)
        conf = {**record.parameters, runs.MARK: runs.mark_of(workflow, record.id)}
        if runs.trigger(connection, dag, record.id, conf):
            self._begun(record.id, "new", [])

    def _exists(self, record: RunRecord) -> bool:
        return bool(record.remote) and runs.exists(self.connection(record.options), record.remote, record.id)

    def _retry(self, record: RunRecord) -> None:
        workflow, connection = from_text(record.document), self.connection(record.options)
        found = self._reader(record).found()
        if found.run["state"] in ("success", "failed"):
            deploy(connection, documents_of(workflow, record.options), self._where(record))
            runs.again(connection, record.remote, record.id, retry.to_repeat(workflow, found))
        steps = retry.before(workflow, self.store.steps(record.id))
        self.store.update_run(record.id, status="pending", ended=None, message="", outputs=None)
        self._begun(record.id, "retry", steps)

    def _begun(self, run_id: str, mode: Mode, steps: list[Any]) -> None:
        event = EventRecord(run_id, time.time(), "run-started", data={"mode": mode})
        self.store.record(run_id, Changes(steps, (), [event]))

    # --- requests --------------------------------------------------------------------------------------------------

    def _end(self, record: RunRecord, at_once: bool) -> None:
        connection = self.connection(record.options)
        runs.stop(connection, record.remote, record.id)
        for task, index in self._handlers(record) if at_once else ():
            runs.end_task(connection, record.remote, record.id, task, index)

    def _handlers(self, record: RunRecord) -> list[Instance]:
        """Tasks of exit handlers that have not ended."""
        handlers = {next(iter(task_names([one.step.name]).values())) for one in self._workflow(record).exit_handlers}
        return [
            instance
            for instance, task in self._reader(record).found().tasks.items()
            if instance[0].partition(".")[0] in handlers and task["end_date"] is None
        ]

    def suspend(self, run_id: str) -> None:
        """Not to be had: Airflow pauses DAGs with all their runs.

        Raises:
            StateError: Always.
        """
        raise StateError("Airflow cannot pause a single run", f"couler stop {run_id}, and later couler retry {run_id}")

    def _decide(self, record: RunRecord, path: str, is_approved: bool) -> None:
        waiting = self._reader(record).read().waiting
        if path not in waiting:
            hint = near(path, waiting, "waiting steps") or "no step waits"
            raise StateError(f"step '{path}' of run '{record.id}' does not wait for a person", hint)
        task, _ = instance_of(waiting[path])
        choice = "Approve" if is_approved else "Reject"
        runs.decide(self.connection(record.options), record.remote, record.id, task, choice)

    def delete(self, run_id: str) -> None:
        """Delete the run from Airflow; its DAG stays. Whoever keeps its record forgets it."""
        record = self.store.run(run_id)
        if record.remote:
            runs.delete(self.connection(record.options), record.remote, run_id)

    # --- looking ---------------------------------------------------------------------------------------------------

    def _look(self, record: RunRecord) -> None:
        try:
            self._ledger(record.id, None).keep(self._reader(record).read())
        except NotFoundError:
            if record.status != "pending":  # else it is being triggered
                self._ledger(record.id, None).gone(GONE)

    def is_driven(self, run_id: str) -> bool:
        """Whether the run is on Airflow and has not ended."""
        self.refresh(run_id)
        record = self.store.run(run_id)
        if record.status == "pending":
            return self._exists(record)
        return bool(record.remote) and record.status not in ENDED

    def logs(self, run_id: str, step: str | None = None, follow: bool = False) -> Iterator[tuple[str, str]]:
        """Pairs of step path and line, read from Airflow's logs."""
        self.refresh(run_id)
        record = self.store.run(run_id)
        source = logs.Logs(self.connection(record.options), record.remote, run_id)
        return source.read(lambda: self.store.attempts(run_id), step, follow, partial(self._has_ended, run_id))

    def fetch(self, run_id: str, file: Mapping[str, Any], destination: Path) -> None:
        """Copy a stored file or folder to a path.

        Raises:
            ArtifactError: It cannot be read.
        """
        from couler.backends.airflow.client.files import fetch

        fetch(file, store_of(self.store.run(run_id).options), destination)

    def found(self, limit: int = 50) -> list[RunRecord]:
        """Runs on Airflow that couler started from anywhere, newest first."""
        return [runs.record_of(one, "", self.options) for one in runs.listed(self.connection(), limit)]

    def find(self, reference: str) -> str:
        """The id of a run on Airflow, taken into the run store if it is not there.

        Args:
            reference: Its id or its beginning, or the name of the workflow or the DAG.

        Raises:
            NotFoundError: There is none.
        """
        connection = self.connection()
        found = runs.search(connection, reference)
        run_id = str(found["dag_run_id"])
        if not self._is_known(run_id):
            record = runs.record_of(found, to_json(runs.workflow_of(connection, found)), self.options)
            self.store.create_run(dataclasses.replace(record, status="pending", ended=None))
        self.refresh(run_id)
        return run_id

    def doctor(self) -> list[Check]:
        """What is right and wrong with Airflow, and what to do about it."""
        from couler.backends.airflow.client.doctor import checks

        return checks(self.connection, self.options, store_of(self.options))

    # --- inside ----------------------------------------------------------------------------------------------------

    def _where(self, record: RunRecord) -> dict[str, Any]:
        """Where DAG files go: as the settings say now, or as when the run was started."""
        names = ("dags", "dags_command")
        is_set = any(name in self.options for name in names)
        return {name: (self.options if is_set else record.options).get(name) for name in names}

    def _ledger(self, run_id: str, observer: Observer | None) -> Ledger:
        return Ledger(self.store, run_id, self._folder(run_id), observer)

    def _workflow(self, record: RunRecord) -> Workflow:
        return self._reader(record).workflow

    def _reader(self, record: RunRecord) -> Reader:
        if record.id not in self._readers:
            connection, workflow = self.connection(record.options), from_text(record.document)
            self._readers[record.id] = Reader(connection, record.remote, record.id, workflow)
        return self._readers[record.id]
