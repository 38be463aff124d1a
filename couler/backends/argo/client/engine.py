"""The Argo engine: runs of workflows on a cluster, behind the verbs that every engine has."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from couler.backends.argo.client import logs, objects, retry, verbs
from couler.backends.argo.client.connection import Connection
from couler.backends.argo.client.follow import GONE, Ledger, follow, look
from couler.backends.argo.client.objects import workflow_of
from couler.backends.argo.large import stores_files
from couler.backends.argo.names import object_name
from couler.backends.remote.engine import RemoteEngine
from couler.backends.remote.ledger import Observer
from couler.backends.remote.runs import check_mode, new_id
from couler.core.errors import NotFoundError
from couler.core.ir.json import thaw
from couler.core.ir.model import Workflow
from couler.core.ir.parameters import complete
from couler.core.ir.text import from_text, to_json
from couler.core.passes.apply_defaults import apply_defaults
from couler.runs import Changes, EventRecord, RunRecord, RunStore
from couler.runs.records import ENDED

if TYPE_CHECKING:
    from couler.backends.argo.client.server import Server
    from couler.backends.base import Check, Mode

_CREATING = 60.0
"""Seconds that a new run may have no workflow object yet."""
_OPTIONS = (
    *("namespace", "context", "kubeconfig", "service_account", "server", "token"),
    *("image", "max_value", "large_values", "version"),
)


class ArgoEngine(RemoteEngine):
    """Runs workflows with Argo on a Kubernetes cluster; nothing has to run on this machine meanwhile.

    The run store holds what was last seen; every look refreshes it. May be shared by threads, and any number of
    processes and machines may look at a run, steer it and follow it.

    Args:
        root: Folder for what couler remembers.
        store: The run store, or its URL; None means the one below the root.
        namespace: Namespace; None means that of the context.
        context: Context of the kubeconfig.
        kubeconfig: File with clusters and who we are there.
        service_account: Service account of pods, where the workflow names none.
        server: URL of an argo-server, for archived runs, offloaded nodes and artifacts; not needed otherwise.
        token: Where the server's token is: ``env:NAME`` or ``file:PATH``.
        image: Image of functions and scripts that name none.
        max_value: Bytes that one value may have.
        large_values: Whether values over 256 KiB go from function to function as artifacts; None: if files are stored.
        version: Version of Argo to compile for; the newest when None.
        **others: Settings of other engines, which do not matter here.

    Example:
        >>> engine = ArgoEngine(Path(".couler"), namespace="ml")  # doctest: +SKIP
        >>> run_id = engine.start(workflow, {"epochs": 3})  # doctest: +SKIP
        >>> engine.execute(run_id)  # doctest: +SKIP
        'succeeded'
    """

    name = "argo"
    place = "the cluster"
    not_there = "created on the cluster"

    def __init__(
        self,
        root: Path = Path(".couler"),
        *,
        store: RunStore | str | None = None,
        namespace: str | None = None,
        context: str | None = None,
        kubeconfig: Path | str | None = None,
        service_account: str | None = None,
        server: str | None = None,
        token: str | None = None,
        image: str | None = None,
        max_value: int | None = None,
        large_values: bool | None = None,
        version: str | None = None,
        **others: Any,
    ) -> None:
        super().__init__(root, store)
        kubeconfig = None if kubeconfig is None else str(kubeconfig)
        where = (namespace, context, kubeconfig, service_account, server, token)
        given = (*where, image, max_value, large_values, version)
        self.options = {name: value for name, value in zip(_OPTIONS, given, strict=True) if value is not None}
        self._connections: dict[tuple[Any, ...], Connection] = {}
        self._workflows: dict[str, Workflow] = {}

    def connection(self, options: Mapping[str, Any] | None = None) -> Connection:
        """The cluster of a run, or the one of the settings."""
        options = self.options if options is None else {**self.options, **options}
        key = (options.get("kubeconfig"), options.get("context"), options.get("namespace"))
        if key not in self._connections:
            file, context, namespace = (None if place is None else str(place) for place in key)
            self._connections[key] = Connection(file, context, namespace)
        return self._connections[key]

    # --- starting --------------------------------------------------------------------------------------------------

    def start(
        self,
        workflow: Workflow,
        parameters: Mapping[str, Any],
        run_id: str | None = None,
        labels: Mapping[str, str] = {},
    ) -> str:
        """Remember a new run and give its id; `execute` or `detach` create it on the cluster.

        Raises:
            ParameterError: A parameter is missing, unknown or of the wrong type.
            EngineError: The workflow cannot be compiled.
            EngineUnreachableError: There is no kubeconfig.
        """
        workflow = apply_defaults(workflow)
        values = complete(workflow, parameters)
        objects.document_of(workflow, self.options)
        connection = self.connection()
        run_id = run_id or new_id(object_name(workflow.name, 40))
        options = {**self.options, "namespace": connection.namespace}
        self._remember(run_id, workflow, values, labels, options)
        self._workflows[run_id] = workflow
        return run_id

    def _follow(self, record: RunRecord, observer: Observer | None) -> str:
        return follow(self.connection(record.options), record.remote, self._ledger(record, observer))

    def detach(self, run_id: str, mode: Mode = "new") -> None:
        """Create the run on the cluster if it is not there, or let it go on; it needs nobody here.

        Raises:
            StateError: The run is not in a state for this mode.
            EngineError: The cluster refuses it.
        """
        record = self.store.run(run_id)
        check_mode(record, mode)
        if mode == "retry":
            self._retry(record)
        elif not record.remote or not self._exists(record):
            self._create(record, from_text(record.document), 1)
        elif mode == "resume":
            verbs.unsuspend(self.connection(record.options), record.remote)
        self._looked.pop(run_id, None)

    def _create(
        self, record: RunRecord, workflow: Workflow, number: int, more: Mapping[str, str] = {}, **fields: Any
    ) -> None:
        name = objects.name_of(record.workflow, record.id, number)
        options = {**record.options, **fields.pop("options", {})}
        made = objects.document_of(workflow, options)
        document, packed = objects.marked(made, workflow, record.id, name, record.parameters, more)
        self.store.update_run(record.id, remote=name, options=options, **fields)
        created = objects.create(self.connection(record.options), document, packed)
        self._workflows[name] = workflow
        mode = "new" if number == 1 else "retry"
        event = EventRecord(record.id, time.time(), "run-started", data={"mode": mode, "remote": name})
        if created:
            self.store.record(record.id, Changes(events=[event]))

    def _retry(self, record: RunRecord) -> None:
        """Create another object, in which what has succeeded is known and not run again; or let a server do it."""
        steps = self.store.steps(record.id)
        server = self.server(record.options)
        if server is not None and self._exists(record):
            server.retry(record.remote)
            self.store.record(record.id, Changes(retry.unended(steps)))
            self.store.update_run(record.id, status="pending", ended=None, message="")
            return
        workflow = from_text(record.document)
        again = retry.rewritten(workflow, steps)
        self.store.record(record.id, Changes(retry.changed(again, steps)))
        self._create(
            record,
            again.workflow,
            objects.number_in(record.remote) + 1,
            status="pending",
            ended=None,
            message="",
            more=retry.marks(again),
            options={
                "kept_outputs": {**record.options.get("kept_outputs", {}), **thaw(again.outputs)},
                "large_values": record.options.get("large_values", stores_files(workflow)),
            },
        )

    def _exists(self, record: RunRecord) -> bool:
        try:
            objects.get(self.connection(record.options), record.remote)
        except NotFoundError:
            return False
        return True

    # --- requests --------------------------------------------------------------------------------------------------

    def _end(self, record: RunRecord, at_once: bool) -> None:
        how = verbs.terminate if at_once else verbs.stop
        how(self.connection(record.options), record.remote)

    def suspend(self, run_id: str) -> None:
        """Let no new step start until `detach` with the mode ``resume``."""
        record = self._unended(run_id)
        verbs.suspend(self.connection(record.options), record.remote)
        self._looked.pop(run_id, None)

    def _decide(self, record: RunRecord, path: str, is_approved: bool) -> None:
        phase, message = ("Succeeded", "") if is_approved else ("Failed", "rejected")
        connection = self.connection(record.options)
        workflow = partial(self._workflow, record, connection)
        verbs.decide(connection, record, workflow, path, phase, message, self.server(record.options))

    def delete(self, run_id: str) -> None:
        """Delete the run's objects from the cluster, with their pods; whoever keeps its record forgets it."""
        record = self.store.run(run_id)
        verbs.delete(self.connection(record.options), record.id)

    # --- looking ---------------------------------------------------------------------------------------------------

    def _look(self, record: RunRecord) -> None:
        try:
            look(self.connection(record.options), record.remote, self._ledger(record, None))
        except NotFoundError:
            ledger = self._ledger(record, None)
            is_old = time.time() - record.created > _CREATING or record.status != "pending"
            if not ledger.write_archived(record.remote) and is_old:
                ledger.gone(GONE)

    def is_driven(self, run_id: str) -> bool:
        """Whether the run exists on the cluster and has not ended."""
        self.refresh(run_id)
        record = self.store.run(run_id)
        return bool(record.remote) and record.status not in ENDED

    def logs(self, run_id: str, step: str | None = None, follow: bool = False) -> Iterator[tuple[str, str]]:
        """Pairs of step path and line, read from the pods as long as they exist."""
        self.refresh(run_id)
        record = self.store.run(run_id)
        source = logs.Source(self.connection(record.options), self.server(record.options), run_id, record.remote)
        return logs.read(source, lambda: self.store.attempts(run_id), step, follow, partial(self._has_ended, run_id))

    def fetch(self, run_id: str, file: Mapping[str, Any], destination: Path) -> None:
        """Copy a stored file or folder to a path.

        Raises:
            ArtifactError: It cannot be read.
        """
        from couler.backends.argo.client.artifacts import fetch

        record = self.store.run(run_id)
        fetch(file, destination, self.server(record.options), record.remote, self.store.steps(run_id))

    def found(self, limit: int = 50) -> list[RunRecord]:
        """Runs on the cluster that couler submitted from anywhere, newest first."""
        connection = self.connection()
        options = {**self.options, "namespace": connection.namespace}
        return [objects.record_of(one, "", options) for one in verbs.listed(connection, limit)]

    def find(self, reference: str) -> str:
        """The id of a run on the cluster, taken into the run store if it is not there.

        Args:
            reference: Its id or its beginning, the name of its workflow object, or the name of the workflow.

        Raises:
            NotFoundError: There is none.
        """
        connection = self.connection()
        every = verbs.objects_of(connection, reference)
        first = every[0]
        run_id = str(first["metadata"]["labels"][objects.RUN])
        if self._is_known(run_id):
            self.refresh(run_id)
            return run_id
        options = {**self.options, "namespace": connection.namespace}
        record = objects.record_of(first, to_json(workflow_of(connection, first)), options)
        self.store.create_run(dataclasses.replace(record, status="pending", ended=None))
        for one in every:
            name = one["metadata"]["name"]
            self.store.update_run(run_id, remote=name)
            workflow = workflow_of(connection, one)
            Ledger(self.store, run_id, workflow, self._folder(run_id), server=self.server(options)).write(one)
        return run_id

    def server(self, options: Mapping[str, Any]) -> Server | None:
        """The argo-server, when one is named."""
        url = options.get("server") or self.options.get("server")
        if not url:
            return None
        from couler.backends.argo.client.server import Server

        token = options.get("token") or self.options.get("token")
        return Server(str(url), str(options.get("namespace") or "default"), str(token or ""))

    def doctor(self) -> list[Check]:
        """What is right and wrong with the cluster, and what to do about it."""
        from couler.backends.argo.client.doctor import checks

        return checks(self.connection, self.options, self.server(self.options))

    # --- inside ----------------------------------------------------------------------------------------------------

    def _ledger(self, record: RunRecord, observer: Observer | None) -> Ledger:
        workflow = self._workflow(record, self.connection(record.options), None)
        server = self.server(record.options)
        return Ledger(self.store, record.id, workflow, self._folder(record.id), observer, server)

    def _workflow(self, record: RunRecord, connection: Connection, found: Mapping[str, Any] | None) -> Workflow:
        """The workflow from which the run's latest object was compiled."""
        name = record.remote
        if name not in self._workflows:
            if objects.number_in(name) == 1:
                self._workflows[name] = from_text(record.document)
            else:
                self._workflows[name] = workflow_of(connection, found or objects.get(connection, name))
        return self._workflows[name]
