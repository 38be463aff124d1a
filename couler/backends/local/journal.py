"""Writes the transitions of a run down: everything that one turn of the scheduler changed, in one transaction."""

from __future__ import annotations

import os
import platform
import re
import time
from collections.abc import Callable, Mapping
from typing import Any

from couler.backends.local.work import Change, Failure, Outcome, Previous, Work
from couler.core.ir.graph import walk
from couler.core.ir.model import Workflow
from couler.runs import AttemptRecord, Changes, EventRecord, RunStore, StepRecord

LOST = "Lost"
_LOST_WORDS = "the process that drove the run died during this attempt"
_INSTANCE = re.compile(r"\[\d+\]|#\d+")
HOST = platform.node()
Observer = Callable[[EventRecord], None]


class Journal:
    """Collects what happened and stores it at `flush`.

    Args:
        observer: Told of each event after it was stored.
    """

    def __init__(self, store: RunStore, run_id: str, observer: Observer | None = None) -> None:
        self.store = store
        self.run_id = run_id
        self.observer = observer
        self.steps: dict[str, StepRecord] = {}
        self.attempts: list[AttemptRecord] = []
        self.events: list[EventRecord] = []
        self.seen: list[EventRecord] = []

    def changed(self, changes: list[Change], now: float) -> None:
        """Take transitions over from the state machine."""
        run = self.run_id
        for change in changes:
            self.steps[change.path] = StepRecord(
                run, change.path, change.status, change.started, change.ended, change.attempts, change.outputs,
                change.message,
            )  # fmt: skip
            if self.observer is not None:
                data = {"status": change.status, "message": change.message, "attempts": change.attempts}
                self.seen.append(EventRecord(run, now, "step", change.path, data))

    def attempted(
        self, work: Work, outcome: Outcome, answer: Mapping[str, Any] | None, started: float, now: float, process: int
    ) -> None:
        """An attempt ended."""
        failure = outcome.failure or Failure("", "")
        used = answer or {}
        self.attempts.append(
            AttemptRecord(
                self.run_id,
                work.path,
                work.attempt,
                outcome.status,
                started,
                now,
                _exit_code(work, outcome),
                failure.kind,
                failure.message,
                used.get("memory"),
                used.get("cpu"),
                used.get("wall", now - started),
                HOST,
                str(process),
            )
        )

    def tell(self, kind: str, now: float, path: str = "", **data: Any) -> None:
        """An event of the run itself."""
        event = EventRecord(self.run_id, now, kind, path, data)
        self.events.append(event)
        if self.observer is not None:
            self.seen.append(event)

    def flush(self) -> None:
        """Store everything collected, then tell the observer."""
        if self.steps or self.attempts or self.events:
            self.store.record(self.run_id, Changes(list(self.steps.values()), self.attempts, self.events))
            self.steps, self.attempts, self.events = {}, [], []
        if self.seen:
            seen, self.seen = self.seen, []
            for event in seen:
                assert self.observer is not None
                self.observer(event)


def _exit_code(work: Work, outcome: Outcome) -> int | None:
    if outcome.failure is not None:
        return outcome.failure.exit_code
    return None if work.step.task.kind == "function" else 0


def tell_lost(store: RunStore, run_id: str, workflow: Workflow) -> None:
    """Write down as failed the attempts that were going on when the runner died."""
    known = {(attempt.path, attempt.number) for attempt in store.attempts(run_id)}
    tasks = {path for path, step in walk(workflow) if step.task.kind not in ("group", "suspend")}
    now = time.time()
    lost = [
        AttemptRecord(run_id, step.path, step.attempts, "failed", step.started, now, error=LOST, message=_LOST_WORDS)
        for step in store.steps(run_id)
        if step.status == "running" and step.attempts and (step.path, step.attempts) not in known
        if _INSTANCE.sub("", step.path) in tasks
    ]
    if lost:
        store.record(run_id, Changes(attempts=lost))


def previous_of(store: RunStore, run_id: str) -> dict[str, Previous]:
    """How far each step instance of a run had come."""
    failures: dict[str, int] = {}
    numbers: dict[str, int] = {}
    for attempt in store.attempts(run_id):
        numbers[attempt.path] = max(numbers.get(attempt.path, 0), attempt.number)
        counts = attempt.status == "failed" and attempt.error != LOST  # what killed the runner is not the step's fault
        failures[attempt.path] = failures.get(attempt.path, 0) + counts
    return {
        step.path: Previous(
            step.status,
            step.outputs,
            max(step.attempts, numbers.get(step.path, 0)),
            step.message,
            failures.get(step.path, 0),
        )
        for step in store.steps(run_id)
    }


def owner() -> str:
    """This process, as a run record names its driver."""
    return f"{HOST}:{os.getpid()}"
