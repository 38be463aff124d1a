"""The local engine: runs a workflow on this machine, in the foreground or by itself."""

from __future__ import annotations

import os
import re
import secrets as randomness
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from couler.artifacts import ArtifactStore
from couler.backends.local import admission, containers, daemons, logs
from couler.backends.local.admission import machine_share
from couler.backends.local.journal import Journal, owner, previous_of, tell_lost
from couler.backends.local.layout import RunFolder
from couler.backends.local.lock import RunLock, holder
from couler.backends.local.machine import Machine
from couler.backends.local.pool import WorkerProcess, end_leftovers, hello
from couler.backends.local.scheduler import Limits, Scheduler
from couler.backends.local.spares import SPARES
from couler.backends.local.tasks import Tasks
from couler.backends.local.work import Previous
from couler.core.errors import StateError
from couler.core.ir.graph import walk
from couler.core.ir.model import Workflow
from couler.core.ir.parameters import complete
from couler.core.ir.text import from_text, to_json
from couler.core.passes.apply_defaults import apply_defaults
from couler.runs import EventRecord, RunRecord, RunStore, open_store
from couler.runs.records import ENDED

MODES = ("new", "resume", "retry")
Observer = Callable[[EventRecord], None]
MEBIBYTE = 1024 * 1024


class LocalEngine:
    """Runs workflows in processes of this machine.

    Any number of runs may go on at once below one root; each is driven by one process at a time. Every method may be
    called from another process than the driver's.

    Args:
        root: Folder for state, usually ``.couler``.
        runtime: What runs images: ``process`` (the command itself, on this machine), ``docker`` or ``podman``.
        workers: Worker processes at most; None means one per core.
        cpu: Cores that steps may take; None means those of this machine.
        memory: Bytes or a quantity that steps may take; None means the machine's, or the limit of its cgroup.
        gpu: GPUs that steps may take; None means those found here.
        max_value_bytes: The greatest value of an output, in bytes of JSON.
        grace: Seconds between asking a process to end and ending it.
        store: The run store, or its URL; None means the one below the root.
        artifacts: URL of the artifact store; None means a folder below the root.
        observer: Told of every transition, as an event of kind ``step``, after it was stored.

    Raises:
        EngineError: The runtime's program is not installed.

    Example:
        >>> engine = LocalEngine(Path(".couler"))  # doctest: +SKIP
        >>> run_id = engine.start(workflow, {"epochs": 3})  # doctest: +SKIP
        >>> engine.execute(run_id)  # doctest: +SKIP
        'succeeded'
    """

    name = "local"

    def __init__(
        self,
        root: Path = Path(".couler"),
        *,
        runtime: str = "process",
        workers: int | None = None,
        cpu: float | None = None,
        memory: int | str | None = None,
        gpu: int | None = None,
        max_value_bytes: int = 16 * MEBIBYTE,
        grace: float = 5.0,
        store: RunStore | str | None = None,
        artifacts: str | None = None,
        observer: Observer | None = None,
    ) -> None:
        self.root = Path(root)
        self.options = {
            "runtime": runtime, "workers": workers, "cpu": cpu, "memory": memory, "gpu": gpu,
            "max_value_bytes": max_value_bytes, "grace": grace, "artifacts": artifacts,
        }  # fmt: skip
        self.store_url = store if isinstance(store, str) else None
        self.observer = observer
        self._created: dict[str, Workflow] = {}
        self._store = store if isinstance(store, RunStore) else None

    @property
    def store(self) -> RunStore:
        """The run store, opened when first needed."""
        if self._store is None:
            self._store = open_store(self.store_url, self.root)
        return self._store

    def close(self) -> None:
        """Let go of the run store."""
        if self._store is not None:
            self._store.close()

    # --- runs ----------------------------------------------------------------------------------------------------

    def start(
        self,
        workflow: Workflow,
        parameters: Mapping[str, Any],
        run_id: str | None = None,
        labels: Mapping[str, str] = {},
    ) -> str:
        """Create a run and give its id; `execute` or `detach` make it go.

        Raises:
            ParameterError: A parameter is missing, unknown or of the wrong type.
            ResourceError: A step asks for more than the machine has.
            UnsupportedFeatureError: A daemon is repeated, asks for GPUs, or its output is read.
            EngineError: The runtime's program is not installed.
        """
        workflow = apply_defaults(workflow)
        containers.check(str(self.options["runtime"]))
        values = complete(workflow, parameters)
        daemons.check(workflow)
        admission.check(walk(workflow), self._limits(self.options).total)
        if self.options["artifacts"]:
            ArtifactStore(str(self.options["artifacts"]))  # a URL that cannot be used leaves no run behind
        run_id = run_id or new_id(workflow.name)
        self.store.create_run(
            RunRecord(
                run_id,
                workflow.name,
                self.name,
                "pending",
                time.time(),
                parameters=values,
                document=to_json(workflow),
                labels={**workflow.labels, **labels},
                options={key: value for key, value in self.options.items() if value is not None},
            )
        )
        self._created[run_id] = workflow
        return run_id

    def execute(self, run_id: str, mode: str = "new", observer: Observer | None = None) -> str:
        """Drive a run to its end in this process and give its status.

        Args:
            run_id: The run.
            mode: ``new``; ``resume`` goes on after a crash or a stop and keeps what had ended; ``retry`` also runs
                failed steps again.
            observer: Told of every transition instead of the engine's own.

        Raises:
            StateError: Another process drives the run, or it is not in a state for this mode.
            KeyboardInterrupt: The user pressed Ctrl-C; the run was cancelled and its state is clean.
        """
        record = self.store.run(run_id)
        folder = RunFolder(self.root, run_id)
        patience = 5.0 if record.status in ENDED else 0.3  # its driver may be tidying up; others only look
        lock = RunLock(folder.lock, run_id, patience)
        try:
            record = self.store.run(run_id)
            _check_state(record, mode)
            if mode != "new":
                end_leftovers(folder.workers, run_id)
            return self._drive(record, folder, mode, observer or self.observer)
        finally:
            lock.release()

    def _drive(self, record: RunRecord, folder: RunFolder, mode: str, observer: Observer | None) -> str:
        folder.create()
        warm = SPARES.recruit(hello(folder.root, folder.scratch, record.id), sys.executable, folder.workers)
        try:
            machine, scheduler, journal = self._build(record, folder, mode, observer, warm)
        except BaseException:
            warm.close(idle=True)
            raise
        store, run_id = self.store, record.id
        now = time.time()
        store.update_run(run_id, status="running", started=record.started or now, ended=None, owner=owner(), message="")
        journal.tell("run-started", now, mode=mode)
        _tell_of_runtime(journal, machine.workflow, scheduler.tasks.runtime, now)
        interrupted = False
        try:
            scheduler.run()
        except KeyboardInterrupt:
            interrupted = True
        self._finish(machine, journal, run_id)
        _tidy(folder)
        if interrupted:
            raise KeyboardInterrupt
        return machine.status

    def _build(
        self, record: RunRecord, folder: RunFolder, mode: str, observer: Observer | None, warm: WorkerProcess
    ) -> tuple[Machine, Scheduler, Journal]:
        """Everything that drives a run; the first worker starts up meanwhile."""
        options = {**self.options, **record.options}
        limits = self._limits(options)
        store, run_id = self.store, record.id
        workflow = self._created.pop(record.id, None) or from_text(record.document)
        admission.check(walk(workflow), limits.total)
        if mode != "new":
            tell_lost(store, run_id, workflow)
        previous = {} if mode == "new" else previous_of(store, run_id)
        if record.status in ENDED:
            _forget_handlers(previous, workflow)
        machine = Machine(workflow, record.parameters, run_id, previous, retry=mode == "retry")
        if mode != "new":
            _forget_stops(store, run_id)
        journal = Journal(store, run_id, observer)
        artifacts = ArtifactStore(str(options["artifacts"] or folder.root / "artifacts"))
        tasks = Tasks(workflow, folder, artifacts, str(options["runtime"]), int(options["max_value_bytes"]), run_id)
        return machine, Scheduler(machine, store, folder, tasks, journal, limits, warm), journal

    def _finish(self, machine: Machine, journal: Journal, run_id: str) -> None:
        now = time.time()
        journal.tell("run-ended", now, status=machine.status)
        journal.flush()
        self.store.update_run(
            run_id, status=machine.status, ended=now, outputs=machine.outputs, message=machine.message, owner=""
        )

    def detach(self, run_id: str, mode: str = "new") -> None:
        """Let the run go on in a process of its own, and return at once."""
        folder = RunFolder(self.root, run_id)
        folder.create()
        command = [sys.executable, "-m", "couler.backends.local", run_id, "--root", str(self.root), "--mode", mode]
        if self.store_url:
            command += ["--store-url-from-env"]
        own = ("COULER_RUN_ID", "COULER_STEP", "COULER_ATTEMPT")  # a run that a step starts is no part of the step
        environment = {name: value for name, value in os.environ.items() if name not in own}
        environment["COULER_ENGINE_STORE"] = self.store_url or ""
        with (folder.path / "runner.txt").open("ab") as log:
            process = subprocess.Popen(
                command, start_new_session=True, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environment
            )
        # Somebody must collect its exit status while this process lives, or it stays behind as a zombie.
        threading.Thread(target=process.wait, name=f"couler-{run_id}", daemon=True).start()

    # --- requests ------------------------------------------------------------------------------------------------

    def stop(self, run_id: str, message: str = "stopped on request") -> None:
        """Cancel a run: its driver ends the running steps, and exit handlers run.

        Raises:
            StateError: The run has ended.
        """
        record = self.store.run(run_id)
        if record.status in ENDED:
            raise StateError(f"run '{run_id}' has already {_in_words(record.status)}", "there is nothing to stop")
        self.store.request(run_id, "stop", data={"message": message})  # first: a driver that starts just now hears it
        if not self.is_driven(run_id):
            self.store.update_run(run_id, status="cancelled", ended=time.time(), message=message, owner="")

    def approve(self, run_id: str, path: str, message: str = "") -> None:
        """Let a suspended step go on.

        Raises:
            StateError: No such step waits for a person.
        """
        self._answer(run_id, "approve", path, message)

    def reject(self, run_id: str, path: str, message: str = "") -> None:
        """Fail a suspended step.

        Raises:
            StateError: No such step waits for a person.
        """
        self._answer(run_id, "reject", path, message)

    def _answer(self, run_id: str, kind: str, path: str, message: str) -> None:
        record = self.store.run(run_id)
        if record.status in ENDED:
            raise StateError(f"run '{run_id}' has already {_in_words(record.status)}", "start a new run")
        step = self.store.step(run_id, path)
        if step.status != "running":
            raise StateError(f"step '{path}' of run '{run_id}' does not wait: it is {step.status}")
        self.store.request(run_id, kind, path, {"message": message} if message else None)

    # --- looking -------------------------------------------------------------------------------------------------

    def is_driven(self, run_id: str) -> bool:
        """Whether a process drives the run now."""
        return holder(RunFolder(self.root, run_id).lock) is not None

    def logs(self, run_id: str, step: str | None = None, follow: bool = False) -> Iterator[tuple[str, str]]:
        """Pairs of step path and line; with ``follow`` they go on until the run ends."""
        self.store.run(run_id)
        folder = RunFolder(self.root, run_id)
        started = lambda: [known.path for known in self.store.steps(run_id)]  # noqa: E731 - asked only for several logs
        return logs.read(folder, step, follow, lambda: self._is_silent(run_id), started)

    def _is_silent(self, run_id: str) -> bool:
        """Whether nothing more will be logged: the run has ended, or its driver has died."""
        status = self.store.run(run_id).status
        return status in ENDED or (status != "pending" and not self.is_driven(run_id))

    def _limits(self, options: Mapping[str, Any]) -> Limits:
        total = machine_share(options.get("cpu"), options.get("memory"), options.get("gpu"))
        workers = options.get("workers") or max(1, int(total.cpu))
        return Limits(total, int(workers), float(options.get("grace") or 0.0))


def new_id(workflow: str) -> str:
    """An id for a run, readable and unique: name, time, chance."""
    name = "".join(c if c.isalnum() or c == "-" else "-" for c in workflow.lower())[:40].strip("-") or "run"
    return f"{name}-{time.strftime('%Y%m%d-%H%M%S')}-{randomness.token_hex(3)}"


def _check_state(record: RunRecord, mode: str) -> None:
    status = record.status
    if mode not in MODES:
        raise StateError(f"unknown mode '{mode}'", f"modes: {', '.join(MODES)}")
    if mode == "new" and status != "pending":
        raise StateError(f"run '{record.id}' was started before: it is {status}", f"couler resume {record.id}")
    if mode == "resume" and status == "succeeded":
        raise StateError(f"run '{record.id}' has already succeeded", "start a new run")
    if mode == "resume" and status == "failed":
        raise StateError(f"run '{record.id}' has failed", f"`couler retry {record.id}` runs its failed steps again")
    if mode == "retry" and status not in ("failed", "cancelled"):
        raise StateError(f"run '{record.id}' is {status}: only failed and cancelled runs can be retried")


def _forget_handlers(previous: dict[str, Previous], workflow: Workflow) -> None:
    """Exit handlers of a run that had ended run again: they belong to the end that is coming."""
    names = {handler.step.name for handler in workflow.exit_handlers}
    for path in [path for path in previous if re.split(r"[/\[#]", path, maxsplit=1)[0] in names]:
        del previous[path]


def _forget_stops(store: RunStore, run_id: str) -> None:
    """Drop wishes to stop from before the run was told to go on; answers to waiting steps stay."""
    for request in store.take_requests(run_id):
        if request.kind != "stop":
            store.request(run_id, request.kind, request.path, request.data)


def _in_words(status: str) -> str:
    return "been cancelled" if status == "cancelled" else status


def _tell_of_runtime(journal: Journal, workflow: Workflow, runtime: str, now: float) -> None:
    if runtime == "process" and any(getattr(step.task, "image", "") for _, step in walk(workflow)):
        journal.tell(
            "note", now, message="the process runtime runs the commands of images on this machine, without the images"
        )


def _tidy(folder: RunFolder) -> None:
    for path in (folder.scripts, folder.scratch):
        shutil.rmtree(path, ignore_errors=True)
    for path in (folder.steps, folder.workers):
        if path.is_dir() and not any(path.iterdir()):
            path.rmdir()
