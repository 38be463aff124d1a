"""What engines whose runs live elsewhere share: the run store, how fresh a look is, and what a run's state allows."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from couler.backends.remote.ledger import Observer
from couler.core.errors import NotFoundError, StateError
from couler.core.ir.model import Workflow
from couler.core.ir.text import to_json
from couler.runs import RunRecord, RunStore, open_store
from couler.runs.records import ENDED

if TYPE_CHECKING:
    from couler.backends.base import Mode

_FRESH = 1.0
"""Seconds for which what was read from elsewhere counts as news."""


class RemoteEngine(ABC):
    """Keeps what was last seen of runs in a run store, and looks again when that is old.

    Args:
        root: Folder for what couler remembers.
        store: The run store, or its URL; None means the one below the root.
    """

    name: ClassVar[str]
    place: ClassVar[str]
    """Where runs live, in words."""
    not_there: ClassVar[str]
    """What a run is not yet that does not live there."""

    def __init__(self, root: Path, store: RunStore | str | None) -> None:
        self.root = Path(root)
        self._store_url = store if isinstance(store, str) else None
        self._store = store if isinstance(store, RunStore) else None
        self._looked: dict[str, float] = {}

    @property
    def store(self) -> RunStore:
        """The run store, opened when first needed."""
        if self._store is None:
            self._store = open_store(self._store_url, self.root)
        return self._store

    @abstractmethod
    def detach(self, run_id: str, mode: Mode = "new") -> None:
        """Bring the run to where it lives if it is not there, or let it go on; it needs nobody here."""

    @abstractmethod
    def _follow(self, record: RunRecord, observer: Observer | None) -> str:
        """Follow a run to its end and give its status."""

    @abstractmethod
    def _look(self, record: RunRecord) -> None:
        """Bring the run store up to date."""

    @abstractmethod
    def _end(self, record: RunRecord, at_once: bool) -> None:
        """Stop a run that has not ended."""

    @abstractmethod
    def _decide(self, record: RunRecord, path: str, is_approved: bool) -> None:
        """Answer a suspended step."""

    # --- starting --------------------------------------------------------------------------------------------------

    def _remember(
        self,
        run_id: str,
        workflow: Workflow,
        values: Mapping[str, Any],
        labels: Mapping[str, str],
        options: Mapping[str, Any],
    ) -> None:
        """Keep a new run."""
        record = RunRecord(
            run_id,
            workflow.name,
            self.name,
            "pending",
            time.time(),
            parameters=values,
            document=to_json(workflow),
            labels={**workflow.labels, **labels},
            options=dict(options),
        )
        self.store.create_run(record)

    def execute(self, run_id: str, mode: Mode = "new", observer: Observer | None = None) -> str:
        """Bring the run to where it lives if it is not there, follow it to its end and give its status.

        Raises:
            KeyboardInterrupt: The user pressed Ctrl-C; following ends, and the run goes on.
        """
        self.detach(run_id, mode)
        record = self.store.run(run_id)
        try:
            return self._follow(record, observer)
        except KeyboardInterrupt as error:
            error.add_note(
                f"run {run_id} goes on on {self.place}: `couler wait {run_id}` waits for it, "
                f"`couler stop {run_id}` stops it"
            )
            raise

    # --- requests --------------------------------------------------------------------------------------------------

    def stop(self, run_id: str) -> None:
        """Ask the run to stop: what runs is ended, and exit handlers run.

        Raises:
            StateError: It has ended.
        """
        self._shut_down(run_id, at_once=False)

    def terminate(self, run_id: str) -> None:
        """End the run at once; whether its exit handlers run is the engine's to say.

        Raises:
            StateError: It has ended.
        """
        self._shut_down(run_id, at_once=True)

    def _shut_down(self, run_id: str, at_once: bool) -> None:
        self.refresh(run_id)
        record = self.store.run(run_id)
        if record.status in ENDED:
            raise StateError(f"run '{run_id}' has already {record.status}", "there is nothing to stop")
        if not record.remote:
            self.store.update_run(run_id, status="cancelled", ended=time.time(), message="stopped on request")
            return
        self._end(record, at_once)
        self._looked.pop(run_id, None)

    def approve(self, run_id: str, path: str) -> None:
        """Let a suspended step go on.

        Raises:
            StateError: No such step waits.
        """
        self._decide(self._unended(run_id), path, True)
        self._looked.pop(run_id, None)

    def reject(self, run_id: str, path: str) -> None:
        """Fail a suspended step.

        Raises:
            StateError: No such step waits.
        """
        self._decide(self._unended(run_id), path, False)
        self._looked.pop(run_id, None)

    def _unended(self, run_id: str) -> RunRecord:
        record = self.store.run(run_id)
        if record.status in ENDED:
            raise StateError(f"run '{run_id}' has already {record.status}", "start a new run")
        if not record.remote:
            raise StateError(f"run '{run_id}' was not {self.not_there} yet", f"couler resume {run_id}")
        return record

    # --- looking ---------------------------------------------------------------------------------------------------

    def refresh(self, run_id: str) -> None:
        """Bring the run store up to date, unless the run has ended or was looked at a moment ago."""
        if time.monotonic() - self._looked.get(run_id, -_FRESH) < _FRESH:
            return
        record = self.store.run(run_id)
        if record.status in ENDED or not record.remote:
            return
        self._look(record)
        self._looked[run_id] = time.monotonic()

    def _has_ended(self, run_id: str) -> bool:
        self.refresh(run_id)
        return self.store.run(run_id).status in ENDED

    def _is_known(self, run_id: str) -> bool:
        try:
            self.store.run(run_id)
        except NotFoundError:
            return False
        return True

    def _folder(self, run_id: str) -> Path:
        return self.root / "runs" / run_id
