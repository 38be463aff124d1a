"""Follows a run on its cluster and keeps the run store true to it.

Any number of processes may follow one run, and each may die at any moment: what is written is computed from the
workflow object alone, compared with what the store has, and written under the same keys.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from couler.backends.argo.client.answers import explained
from couler.backends.argo.client.connection import Connection
from couler.backends.argo.client.nodes import is_offloaded
from couler.backends.argo.client.objects import get
from couler.backends.argo.client.snapshot import Snapshot, snapshot
from couler.backends.remote import ledger as remote
from couler.backends.remote.ledger import Observer
from couler.backends.remote.retrying import AnswerError, Patience
from couler.core.errors import EngineError, NotFoundError
from couler.core.ir.model import Workflow
from couler.runs import AttemptRecord, RunRecord, RunStore, StepRecord
from couler.runs.records import ENDED

if TYPE_CHECKING:
    from couler.backends.argo.client.server import Server

WATCH_SECONDS = 240
"""How long one watch lasts before it is asked for again."""
UNWATCHED_PAUSE = 2.0
"""Seconds between two looks where watching is not allowed."""
GONE = "the workflow was deleted from the cluster"
_PATIENT = Patience(total=600.0)


class UnknownToServerError(EngineError):
    """The cluster has a workflow object, and its argo-server has not: it is another's, or the object went meanwhile."""


class Ledger(remote.Ledger):
    """Writes what a workflow object tells into the run store.

    Args:
        store: The run store.
        run_id: The run.
        workflow: The workflow that the object was compiled from.
        folder: The run's folder, for a lock that keeps followers of one machine from telling the same twice.
        observer: Told of every transition of a step.
        server: Has the nodes that Argo keeps in its database, and archived objects; None without one.
    """

    def __init__(
        self,
        store: RunStore,
        run_id: str,
        workflow: Workflow,
        folder: Path,
        observer: Observer | None = None,
        server: Server | None = None,
    ) -> None:
        super().__init__(store, run_id, folder, observer)
        self.workflow = workflow
        self.server = server
        self._name = ""
        self._earlier: dict[str, int] = {}

    def write(self, found: Mapping[str, Any]) -> Snapshot:
        """Write how the run stands; gives it."""
        name = str(found["metadata"]["name"])
        if self.server is not None and is_offloaded(found):
            found = self._whole(self.server, name)
        snap = snapshot(self.workflow, found, self.run_id)
        if self._name != name:
            self._name, self._known = name, None
        self.keep(snap, lambda record: record.remote == name)
        return snap

    @staticmethod
    def _whole(server: Server, name: str) -> dict[str, Any]:
        try:
            return server.workflow(name)
        except NotFoundError as error:
            raise UnknownToServerError(
                f"the argo-server {server.url} does not know the workflow '{name}'",
                "name the argo-server of the cluster that the run is on with --server",
            ) from error

    def write_archived(self, name: str) -> bool:
        """Write how a workflow object ended that exists no more; says whether the archive has it."""
        found = self.server.archived(name) if self.server is not None else None
        if found is not None:
            self.write(found)
        return found is not None

    def _adapted(self, snap: remote.Snapshot) -> remote.Snapshot:
        """The snapshot with what earlier objects of the run have left."""
        assert isinstance(snap, Snapshot)
        before, earlier = self._stored()[0], self._earlier
        steps = {path: _with(step, earlier.get(path, 0)) for path, step in snap.steps.items()}
        steps |= {path: _whole(steps[path], before, snap) for path in snap.partial if path in steps}
        attempts = [_numbered(one, earlier.get(one.path, 0)) for one in snap.attempts]
        return dataclasses.replace(snap, steps=steps, attempts=attempts)

    def _stored(self) -> remote.Stored:
        """What the store has; with it, how many attempts each step had in earlier objects is known."""
        if self._known is None:
            self._earlier = {}
            for one in super()._stored()[1].values():
                if not one.process.startswith(f"{self._name}-"):
                    self._earlier[one.path] = max(self._earlier.get(one.path, 0), one.number)
        return super()._stored()

    def _outputs(self, record: RunRecord, snap: remote.Snapshot) -> Mapping[str, Any] | None:
        return None if snap.outputs is None else {**record.options.get("kept_outputs", {}), **snap.outputs}


def follow(connection: Connection, name: str, ledger: Ledger) -> str:
    """Follow a workflow object to its end and give the run's status; lost connections are made again.

    Raises:
        EngineUnreachableError: The cluster gave no answer for ten minutes; the run itself goes on.
    """
    failures, is_unknown = 0, False
    while True:
        try:
            found = connection.ask("GET", f"{connection.workflows}/{name}", doing=f"read '{name}'", patience=_PATIENT)
        except NotFoundError:
            if not ledger.write_archived(name):
                ledger.gone(GONE)
            return ledger.store.run(ledger.run_id).status
        try:
            snap = ledger.write(found)
            if snap.status in ENDED:
                return snap.status
            ended = _watch(connection, name, str(found["metadata"]["resourceVersion"]), ledger)
            failures, is_unknown = 0, False
        except UnknownToServerError:
            if is_unknown:
                raise
            is_unknown = True
            continue
        except AnswerError as error:
            if not (error.is_transient or error.code in (403, 410)):
                raise explained(error, f"watch '{name}'", connection.where) from error
            failures += 1
            pause = UNWATCHED_PAUSE if error.code == 403 else _PATIENT.delay(failures, connection.waiting.chance())
            connection.waiting.sleep(pause)
            continue
        if ended:
            return ended


def _watch(connection: Connection, name: str, version: str, ledger: Ledger) -> str:
    """Write each change of an object; gives the status when it has ended, or nothing when the watch is over."""
    query = {
        "watch": "true",
        "fieldSelector": f"metadata.name={name}",
        "resourceVersion": version,
        "timeoutSeconds": str(WATCH_SECONDS),
        "allowWatchBookmarks": "true",
    }
    with connection.lines(connection.workflows, query, WATCH_SECONDS + 30.0) as lines:
        for line in lines:
            if not line.strip():
                continue
            event = json.loads(line)
            kind, found = event["type"], event["object"]
            if kind == "ERROR":
                code = int(found.get("code") or 500)
                raise AnswerError(code, str(found.get("reason")), str(found.get("message")))
            if kind == "DELETED":
                with contextlib.suppress(UnknownToServerError):  # what is deleted, the server has not any more
                    ledger.write(found)
                ledger.gone(GONE)
                return ledger.store.run(ledger.run_id).status
            if kind in ("ADDED", "MODIFIED"):
                snap = ledger.write(found)
                if snap.status in ENDED:
                    return snap.status
    return ""


def look(connection: Connection, name: str, ledger: Ledger) -> None:
    """Write how the run stands now."""
    ledger.write(get(connection, name))


def _whole(step: StepRecord, before: Mapping[str, StepRecord], snap: Snapshot) -> StepRecord:
    """A map of which only some items ran again, with the outputs of all of them."""
    if step.outputs is None:
        return step
    known = {**before, **snap.steps}
    items: list[StepRecord] = []
    while (item := known.get(f"{step.path}[{len(items)}]")) is not None:
        items.append(item)
    outputs = {name: [(item.outputs or {}).get(name) for item in items] for name in step.outputs}
    return dataclasses.replace(step, outputs=outputs)


def _with(step: StepRecord, earlier: int) -> StepRecord:
    if not earlier:
        return step
    return dataclasses.replace(step, attempts=step.attempts + earlier)


def _numbered(one: AttemptRecord, earlier: int) -> AttemptRecord:
    if not earlier:
        return one
    return dataclasses.replace(one, number=one.number + earlier)
