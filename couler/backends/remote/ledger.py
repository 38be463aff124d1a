"""Keeps the run store true to runs that live elsewhere.

Any number of processes may follow one run, and each may die at any moment: what is written is computed from what the
engine tells alone, compared with what the store has, and written under the same keys.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from couler.runs import AttemptRecord, Changes, EventRecord, RunRecord, RunStore, StepRecord
from couler.runs.records import ENDED

Observer = Callable[[EventRecord], None]
Stored = tuple[dict[str, StepRecord], dict[tuple[str, int], AttemptRecord]]
"""What a store has of a run: steps by path, and attempts by path and number."""


@dataclass(frozen=True)
class Snapshot:
    """How a run stands.

    Attributes:
        status: As in `couler.runs.RunStatus`.
        outputs: Of the workflow; None before its good end.
        steps: Step instances by path; those that have not begun are not among them.
        waiting: Path of each suspended step to the engine's name of it.
    """

    status: str
    message: str
    started: float | None
    ended: float | None
    outputs: Mapping[str, Any] | None
    steps: Mapping[str, StepRecord]
    attempts: Sequence[AttemptRecord]
    waiting: Mapping[str, str] = field(default_factory=dict)


class Ledger:
    """Writes how one run stands into the run store.

    Args:
        store: The run store.
        run_id: The run.
        folder: The run's folder, for a lock that keeps followers of one machine from telling the same twice.
        observer: Told of every transition of a step.
    """

    def __init__(self, store: RunStore, run_id: str, folder: Path, observer: Observer | None = None) -> None:
        self.store = store
        self.run_id = run_id
        self.folder = folder
        self.observer = observer
        self._known: Stored | None = None
        self._told: dict[str, tuple[str, int]] = {}

    def keep(self, snap: Snapshot, is_current: Callable[[RunRecord], bool] = lambda record: True) -> None:
        """Write how the run stands, unless it stands otherwise by now, and tell of it."""
        with alone(self.folder):
            record = self.store.run(self.run_id)
            if is_current(record):
                self._compare(record.status in ENDED, self._adapted(snap))
        self._tell(snap)

    def _adapted(self, snap: Snapshot) -> Snapshot:
        """The snapshot with what only the store knows."""
        return snap

    def _outputs(self, record: RunRecord, snap: Snapshot) -> Mapping[str, Any] | None:
        """The outputs of the workflow."""
        return snap.outputs

    def gone(self, message: str) -> None:
        """The run exists no more there and had not ended: it ends here too."""
        with alone(self.folder):
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

    def _compare(self, had_ended: bool, snap: Snapshot) -> None:
        steps, attempts = self._stored()
        changed = [step for step in snap.steps.values() if steps.get(step.path) != step]
        fresh = [one for one in snap.attempts if attempts.get((one.path, one.number)) != one]
        ends = snap.status in ENDED and not had_ended
        now = snap.ended or time.time()
        events = [EventRecord(self.run_id, now, "run-ended", data={"status": snap.status})] if ends else []
        if changed or fresh or events:
            self.store.record(self.run_id, Changes(changed, fresh, events))
        steps.update((step.path, step) for step in changed)
        attempts.update(((one.path, one.number), one) for one in fresh)
        self._update(snap)

    def _stored(self) -> Stored:
        """What the store has, read once: whatever another follower writes meanwhile comes from the same source."""
        if self._known is None:
            steps = {step.path: step for step in self.store.steps(self.run_id)}
            attempts = {(one.path, one.number): one for one in self.store.attempts(self.run_id)}
            self._known = steps, attempts
        return self._known

    def _update(self, snap: Snapshot) -> None:
        record = self.store.run(self.run_id)
        wanted = {
            "status": snap.status,
            "started": record.started or snap.started,
            "ended": snap.ended,
            "outputs": self._outputs(record, snap),
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


@contextlib.contextmanager
def alone(folder: Path) -> Iterator[None]:
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
