"""One handle for a run, whatever engine it is on."""

from __future__ import annotations

import functools
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from couler.artifacts import ArtifactStore, FileRecord, is_file
from couler.backends.base import Engine, Mode, RemoteEngine
from couler.core.errors import NotFoundError, RunFailedError, StateError, near
from couler.core.ir.model import Workflow
from couler.core.ir.text import from_text
from couler.driver.outputs import fetch_files
from couler.runs.records import ENDED
from couler.views.html import html_run

if TYPE_CHECKING:
    from pathlib import Path

    from couler.config import Settings
    from couler.runs import AttemptRecord, EventRecord, RunRecord, RunStore, StepRecord

START_TIME = 60.0
"""Seconds after which a submitted run that nothing drives is taken for abandoned."""


class Run:
    """A run of a workflow: its state, its outputs, and what can be asked of it.

    Everything is read afresh from the run store, so a handle made anywhere shows the same; where a run lives elsewhere,
    the store is brought up to date before.

    Attributes:
        id: The run's id.
    """

    def __init__(self, run_id: str, store: RunStore, engine: Engine, settings: Settings) -> None:
        self.id = run_id
        self._store = store
        self._engine = engine
        self._settings = settings

    # --- what it is

    @property
    def record(self) -> RunRecord:
        """All that is known of the run itself."""
        self._refresh()
        return self._store.run(self.id)

    def _refresh(self) -> None:
        if self._remote is not None:
            self._remote.refresh(self.id)

    @property
    def _remote(self) -> RemoteEngine | None:
        return self._engine if isinstance(self._engine, RemoteEngine) else None

    def _asked_remote(self, what: str) -> RemoteEngine:
        if self._remote is None:
            raise StateError(f"the engine '{self.engine}' cannot {what} runs", "`couler stop` ends one")
        return self._remote

    @functools.cached_property
    def workflow(self) -> Workflow:
        """The workflow as it was submitted."""
        return from_text(self.record.document)

    @property
    def engine(self) -> str:
        """Name of the engine."""
        return self.record.engine

    @property
    def parameters(self) -> dict[str, Any]:
        """Values of the workflow's parameters."""
        return dict(self.record.parameters)

    @property
    def status(self) -> str:
        """``pending``, ``running``, ``suspended``, ``succeeded``, ``failed`` or ``cancelled``."""
        return self.record.status

    @property
    def steps(self) -> dict[str, StepRecord]:
        """Path of each step instance to its state, in order of start."""
        self._refresh()
        return {step.path: step for step in self._store.steps(self.id)}

    @property
    def outputs(self) -> dict[str, Any]:
        """Outputs of the workflow by name; empty before the end. Files are records: see `files`."""
        return dict(self.record.outputs or {})

    @property
    def result(self) -> Any:
        """The workflow's output, when it has one called ``result``.

        Raises:
            NotFoundError: It has none, or not yet.
        """
        return self.output("result")

    def output(self, name: str, step: str | None = None) -> Any:
        """An output of the workflow, or of a step.

        Args:
            name: Name of the output.
            step: Path of the step, such as ``train`` or ``train[2]``; None for the workflow.

        Raises:
            NotFoundError: There is no such step or output.
        """
        found = self.outputs if step is None else dict(self._step(step).outputs or {})
        if name not in found:
            owner = f"step '{step}'" if step else f"run {self.id} ({self.status})"
            raise NotFoundError(f"{owner} has no output '{name}'", near(name, found, "outputs"))
        return found[name]

    def file(self, name: str, destination: Path | str, step: str | None = None) -> Path:
        """Copy a file or folder that is an output to ``destination``, and return its path.

        Raises:
            NotFoundError: There is no such output, or it is a value.
            ArtifactError: It cannot be read from the artifact store.
        """
        from pathlib import Path

        record = self.output(name, step)
        if not is_file(record):
            raise NotFoundError(f"output '{name}' is a value and no file", "read it with .output(name)")
        target = Path(destination)
        if self._remote is not None:
            self._remote.fetch(self.id, record, target)
        else:
            self._artifacts.get(FileRecord.from_json(record), target)
        return target

    @property
    def files(self) -> dict[str, Path]:
        """Outputs of the workflow that are files or folders, as paths below couler's folder; do not change them.

        Raises:
            ArtifactError: One of them cannot be read from the artifact store.
        """
        folder = self._settings.root / "runs" / self.id / "outputs"
        return fetch_files(self.workflow, self.outputs, self._bring, folder)

    def _bring(self, record: Mapping[str, Any], target: Path) -> None:
        if self._remote is not None:
            self._remote.fetch(self.id, record, target)
        else:
            self._artifacts.link(FileRecord.from_json(record), target)

    @functools.cached_property
    def _artifacts(self) -> ArtifactStore:
        return ArtifactStore(self._settings.artifacts or str(self._settings.root / "artifacts"))

    def _step(self, path: str) -> StepRecord:
        steps = self.steps
        if path not in steps:
            raise NotFoundError(f"run {self.id} has no step '{path}'", near(path, steps, "steps"))
        return steps[path]

    def logs(self, step: str | None = None, follow: bool = False) -> Iterator[tuple[str, str]]:
        """Lines that steps have written, each with the path of its step.

        Args:
            step: One step only.
            follow: Go on until the run has ended.
        """
        return self._engine.logs(self.id, step, follow)

    def attempts(self, step: str | None = None) -> list[AttemptRecord]:
        """Attempts of all steps or of one, with their errors and the resources that they used."""
        self._refresh()
        return self._store.attempts(self.id, step)

    def events(self, after: int = 0) -> list[EventRecord]:
        """What has happened, in order; ``after`` is the sequence number of the last known event."""
        return self._store.events(self.id, after)

    # --- what can be asked of it

    def wait(self, timeout: float | None = None) -> Run:
        """Wait until the run has ended.

        Args:
            timeout: Seconds; None waits for ever.

        Raises:
            StateError: It has not ended in time, or nothing drives it any more.
        """
        deadline = None if timeout is None else time.monotonic() + timeout
        pause = 0.02
        while self.status not in ENDED:
            if deadline is not None and time.monotonic() >= deadline:
                raise StateError(f"run {self.id} has not ended after {timeout:g} s", f"couler wait {self.id}")
            if self._is_abandoned():
                raise StateError(f"run {self.id} is {self.status}, and nothing drives it", f"couler resume {self.id}")
            time.sleep(pause)  # the run may be driven by another process or machine, which cannot notify this one
            pause = min(pause * 1.5, 0.5)
        return self

    def _is_abandoned(self) -> bool:
        """Whether the run goes on nowhere; one that was just submitted gets the time to start."""
        if self._engine.is_driven(self.id):
            return False
        record = self.record
        fresh = record.status == "pending" and time.time() - record.created < START_TIME
        return record.status not in ENDED and not fresh

    def raise_for_status(self) -> Run:
        """Return the run if it succeeded.

        Raises:
            RunFailedError: It failed or was cancelled; the message says which steps and why.
        """
        record = self.record
        if record.status in ("failed", "cancelled"):
            raise RunFailedError(f"run {self.id} {record.status}: {record.message}", f"couler logs {self.id}")
        return self

    def stop(self) -> None:
        """Ask the run to stop: running steps are cancelled, and exit handlers run.

        Raises:
            StateError: It has ended already.
        """
        if self.status in ENDED:
            raise StateError(f"run {self.id} has already {self.status}")
        self._engine.stop(self.id)

    def terminate(self) -> None:
        """End the run at once, without its exit handlers; for engines whose runs live elsewhere.

        Raises:
            StateError: It has ended, or the engine runs here.
        """
        self._asked_remote("terminate").terminate(self.id)

    def suspend(self) -> None:
        """Let no new step start until `resume`; for engines whose runs live elsewhere.

        Raises:
            StateError: It has ended, or the engine runs here.
        """
        self._asked_remote("suspend").suspend(self.id)

    def delete(self) -> None:
        """Forget the run: its record, its folder here, and, where it lives elsewhere, what there is of it.

        Raises:
            StateError: It goes on; stop it first.
        """
        if self.status not in ENDED and self._engine.is_driven(self.id):
            raise StateError(f"run {self.id} is {self.status}", f"couler stop {self.id}")
        if self._remote is not None:
            self._remote.delete(self.id)
        self._store.delete_run(self.id)
        shutil.rmtree(self._settings.root / "runs" / self.id, ignore_errors=True)

    def retry(self, *, wait: bool = True, observer: Callable[[EventRecord], None] | None = None) -> Run:
        """Run what failed or was cancelled again; what succeeded is kept.

        Raises:
            StateError: The run has not ended, or succeeded.
        """
        if self.status not in ("failed", "cancelled"):
            raise StateError(f"run {self.id} is {self.status}, and only failed or cancelled runs can be retried")
        return self._go_on("retry", wait, observer)

    def resume(
        self,
        *,
        approve: str | None = None,
        reject: str | None = None,
        wait: bool = True,
        observer: Callable[[EventRecord], None] | None = None,
    ) -> Run:
        """Go on with a run whose driver died, or decide about a step that waits for approval.

        Args:
            approve: Path of a suspended step that may go on.
            reject: Path of a suspended step that must fail.
            wait: Drive the run here to its end; otherwise it goes on by itself.
            observer: Called with each event.
        """
        if self.status in ENDED:
            raise StateError(
                f"run {self.id} has already {self.status}", f"couler retry {self.id} runs what failed again"
            )
        if approve is not None:
            self._engine.approve(self.id, approve)
        if reject is not None:
            self._engine.reject(self.id, reject)
        if (approve is not None or reject is not None) and self._engine.is_driven(self.id):
            return self._watched(wait, observer)
        return self._go_on("resume", wait, observer)

    def _watched(self, wait: bool, observer: Callable[[EventRecord], None] | None) -> Run:
        """Leave a run to its driver; take it over when the driver dies."""
        if not wait:
            return self
        try:
            return self.wait()
        except StateError:
            if self.status in ENDED:
                return self
            return self._go_on("resume", wait, observer)

    def _go_on(self, mode: Mode, wait: bool, observer: Callable[[EventRecord], None] | None) -> Run:
        if wait:
            self._engine.execute(self.id, mode, observer)
        else:
            self._engine.detach(self.id, mode)
        return self

    # --- how it is shown

    def to_dict(self) -> dict[str, Any]:
        """The run and its steps as plain values."""
        record = self.record
        return {
            "id": record.id,
            "workflow": record.workflow,
            "engine": record.engine,
            "status": record.status,
            "created": record.created,
            "started": record.started,
            "ended": record.ended,
            "parameters": dict(record.parameters),
            "outputs": None if record.outputs is None else dict(record.outputs),
            "message": record.message,
            "labels": dict(record.labels),
            "steps": [
                {
                    "path": step.path,
                    "status": step.status,
                    "started": step.started,
                    "ended": step.ended,
                    "attempts": step.attempts,
                    "outputs": None if step.outputs is None else dict(step.outputs),
                    "message": step.message,
                }
                for step in self._store.steps(self.id)
            ],
        }

    def __repr__(self) -> str:
        return f"<Run {self.id} of '{self.record.workflow}': {self.status}>"

    def _repr_html_(self) -> str:
        return html_run(self.record, self._store.steps(self.id), self.workflow)
