"""Follows a run on its cluster and keeps the run store true to it.

Any number of processes may follow one run, and each may die at any moment: what is written is computed from the
workflow object alone, compared with what the store has, and written under the same keys.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from couler.backends.argo.client.answers import explained
from couler.backends.argo.client.connection import Connection
from couler.backends.argo.client.nodes import is_offloaded
from couler.backends.argo.client.objects import get
from couler.backends.argo.client.snapshot import Snapshot, snapshot
from couler.backends.remote.retrying import AnswerError, Patience
from couler.core.errors import EngineError, NotFoundError
from couler.core.ir.model import Workflow
from couler.runs import AttemptRecord, Changes, EventRecord, RunStore, StepRecord
from couler.runs.records import ENDED

if TYPE_CHECKING:
    from couler.backends.argo.client.server import Server

Observer = Callable[[EventRecord], None]
_Stored = tuple[dict[str, StepRecord], dict[tuple[str, int], AttemptRecord], dict[str, int]]
WATCH_SECONDS = 240
"""How long one watch lasts before it is asked for again."""
UNWATCHED_PAUSE = 2.0
"""Seconds between two looks where watching is not allowed."""
GONE = "the workflow was deleted from the cluster"
_PATIENT = Patience(total=600.0)


class UnknownToServerError(EngineError):
    """The cluster has a workflow object, and its argo-server has not: it is another's, or the object went meanwhile."""


class Ledger:
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
        self.store = store
        self.run_id = run_id
        self.workflow = workflow
        self.folder = folder
        self.observer = observer
        self.server = server
        self._cache: tuple[str, _Stored] | None = None
        self._told: dict[str, tuple[str, int]] = {}

    def write(self, found: Mapping[str, Any]) -> Snapshot:
        """Write how the run stands; gives it."""
        if self.server is not None and is_offloaded(found):
            found = self._whole(self.server, str(found["metadata"]["name"]))
        snap = snapshot(self.workflow, found, self.run_id)
        name = str(found["metadata"]["name"])
        with _alone(self.folder):
            record = self.store.run(self.run_id)
            if record.remote == name:
                self._compare(record.status in ENDED, name, snap)
        self._tell(snap)
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

    def gone(self, message: str = GONE) -> None:
        """The object exists no more and had not ended: so does the run."""
        with _alone(self.folder):
            if self.store.run(self.run_id).status in ENDED:
                return
            now = time.time()
            steps = [step for step in self.store.steps(self.run_id) if step.status in ("running", "pending")]
            ended = [
                StepRecord(self.run_id, step.path, "cancelled", step.started, now, step.attempts) for step in steps
            ]
            event = EventRecord(self.run_id, now, "run-ended", data={"status": "cancelled"})
            self.store.record(self.run_id, Changes(ended, (), [event]))
            self.store.update_run(self.run_id, status="cancelled", ended=now, message=message)

    def _compare(self, had_ended: bool, name: str, snap: Snapshot) -> None:
        before, known, earlier = self._stored(name)
        steps = [_with(step, earlier.get(step.path, 0)) for step in snap.steps.values()]
        steps = [_whole(step, before, snap) if step.path in snap.partial else step for step in steps]
        attempts = [_numbered(one, earlier.get(one.path, 0)) for one in snap.attempts]
        changed = [step for step in steps if before.get(step.path) != step]
        fresh = [one for one in attempts if known.get((one.path, one.number)) != one]
        ends = snap.status in ENDED and not had_ended
        now = snap.ended or time.time()
        events = [EventRecord(self.run_id, now, "run-ended", data={"status": snap.status})] if ends else []
        if changed or fresh or events:
            self.store.record(self.run_id, Changes(changed, fresh, events))
        before.update((step.path, step) for step in changed)
        known.update(((one.path, one.number), one) for one in fresh)
        self._update(snap)

    def _stored(self, name: str) -> _Stored:
        """What the store has, and how many attempts each step had in earlier objects; read once.

        Whatever another follower writes meanwhile is the same: it comes from the same object.
        """
        if self._cache is None:
            steps = {step.path: step for step in self.store.steps(self.run_id)}
            attempts = {(one.path, one.number): one for one in self.store.attempts(self.run_id)}
            earlier: dict[str, int] = {}
            for one in attempts.values():
                if not one.process.startswith(f"{name}-"):
                    earlier[one.path] = max(earlier.get(one.path, 0), one.number)
            self._cache = name, (steps, attempts, earlier)
        if self._cache[0] != name:
            self._cache = None
            return self._stored(name)
        return self._cache[1]

    def _update(self, snap: Snapshot) -> None:
        record = self.store.run(self.run_id)
        outputs = None if snap.outputs is None else {**record.options.get("kept_outputs", {}), **snap.outputs}
        wanted = {
            "status": snap.status,
            "started": record.started or snap.started,
            "ended": snap.ended,
            "outputs": outputs,
            "message": snap.message,
        }
        fields = {field: value for field, value in wanted.items() if getattr(record, field) != value}
        if fields:
            self.store.update_run(self.run_id, **fields)

    def _tell(self, snap: Snapshot) -> None:
        if self.observer is None:
            return
        for step in snap.steps.values():
            state = (step.status, step.attempts)
            if self._told.get(step.path) == state:
                continue
            self._told[step.path] = state
            when = step.ended or step.started or time.time()
            data = {"status": step.status, "message": step.message, "attempts": step.attempts}
            if step.ended and step.started:
                data["seconds"] = step.ended - step.started
            self.observer(EventRecord(self.run_id, when, "step", step.path, data))


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
                ledger.gone()
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
                ledger.gone()
                return ledger.store.run(ledger.run_id).status
            if kind in ("ADDED", "MODIFIED"):
                snap = ledger.write(found)
                if snap.status in ENDED:
                    return snap.status
    return ""


def look(connection: Connection, name: str, ledger: Ledger) -> None:
    """Write how the run stands now."""
    ledger.write(get(connection, name))


@contextlib.contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """One process of this machine at a time, where the system has such locks."""
    try:
        import fcntl
    except ImportError:
        yield
        return
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "follow.lock").open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


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
