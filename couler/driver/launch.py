"""Start runs, and find those that exist."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from couler.backends import registry
from couler.backends.base import RemoteEngine
from couler.config import load_settings
from couler.core.errors import NotFoundError
from couler.core.ir.parameters import complete
from couler.driver.handle import Run
from couler.driver.load import as_workflow, capture_while_loading
from couler.driver.prepare import prepare
from couler.driver.progress import watcher
from couler.runs import Changes, EventRecord, open_store
from couler.runs.records import ENDED

if TYPE_CHECKING:
    from couler.backends.base import Check, Engine
    from couler.config import Settings
    from couler.runs import RunRecord, RunStore

Observer = Callable[[EventRecord], None]


def run(
    workflow: Any = None,
    parameters: Mapping[str, Any] | None = None,
    *,
    engine: str | None = None,
    root: Path | str | None = None,
    observer: Observer | None = None,
    wait: bool = True,
    labels: Mapping[str, str] | None = None,
    **options: Any,
) -> Run:
    """Run a workflow.

    Args:
        workflow: A function decorated with ``@couler.workflow``, a workflow value, or None for what the statements so
            far have declared.
        parameters: Values of its parameters.
        engine: Engine, such as ``local``; from the settings when None.
        root: Folder for what couler remembers; from the settings when None.
        observer: Called with each event of the run; without it, a notebook shows the run as it goes, and a terminal
            a line a step.
        wait: Return when the run has ended; otherwise as `submit`.
        labels: Kept with the run.
        options: Settings, such as ``runtime="docker"`` or ``workers=4``.

    Returns:
        The handle of the run; it may have failed, see `Run.raise_for_status`.

    Raises:
        InvalidWorkflowError: Rules are broken.
        UnsupportedFeatureError: The engine cannot do what the workflow uses.
        ParameterError: Parameters are missing or wrong.
        ResourceError: A step asks for more than there is.
    """
    started, driver, notes = _started(workflow, parameters, engine, root, labels, options)
    if not wait:
        driver.detach(started.id)
        return started
    told = observer or watcher(started)
    if told is not None:
        for note in notes:
            told(note)
    driver.execute(started.id, "new", told)
    return started


def submit(
    workflow: Any = None,
    parameters: Mapping[str, Any] | None = None,
    *,
    engine: str | None = None,
    root: Path | str | None = None,
    labels: Mapping[str, str] | None = None,
    **options: Any,
) -> Run:
    """Hand a workflow to an engine and return at once; arguments as for `run`."""
    return run(workflow, parameters, engine=engine, root=root, wait=False, labels=labels, **options)


def _started(
    workflow: Any,
    parameters: Mapping[str, Any] | None,
    engine: str | None,
    root: Path | str | None,
    labels: Mapping[str, str] | None,
    options: Mapping[str, Any],
) -> tuple[Run, Engine, list[EventRecord]]:
    found = as_workflow(workflow)
    capture_while_loading(found)
    settings = load_settings({"engine": engine, "root": root, **options})
    engine_options = _engine_options(settings)
    lowered = prepare(found, settings.engine, engine_options)
    values = complete(found, parameters or {})
    store = open_store(settings.store, settings.root)
    backend, version = registry.backend(settings.engine)
    driver = backend.engine({**engine_options, "store": store, "version": version or None})
    run_id = driver.start(lowered.workflow, values, labels=labels or {})
    notes = [EventRecord(run_id, time.time(), "note", data={"message": note}) for note in lowered.notes]
    if notes:
        store.record(run_id, Changes(events=notes))
    return Run(run_id, store, driver, settings), driver, notes


_ENGINE_OPTIONS = (
    *("root", "artifacts", "runtime", "workers", "cpu", "memory", "max_value"),
    *("namespace", "context", "kubeconfig", "service_account", "server", "token", "large_values"),
    *("token_command", "user", "password", "dags", "dags_command", "airflow_containers"),
)


def _engine_options(settings: Settings) -> dict[str, Any]:
    names = _ENGINE_OPTIONS
    return {name: getattr(settings, name) for name in names}


def get_run(
    reference: str = "@latest", *, engine: str | None = None, root: Path | str | None = None, **options: Any
) -> Run:
    """The handle of an existing run.

    Args:
        reference: Its id, a unique beginning of it, or ``@latest``.
        engine: Look there too, when the run store does not know the run; it may then also be named by its workflow.
        root: Folder for what couler remembers; from the settings when None.
        options: Other settings, such as ``store`` or ``namespace``.

    Raises:
        NotFoundError: There is no such run.
    """
    settings, store = _opened(root, options)
    try:
        run_id = store.resolve(reference)
        if engine is not None and store.run(run_id).engine != engine.partition("@")[0]:
            raise NotFoundError(f"run '{run_id}' is not on the engine '{engine}'", "leave --engine away")
    except NotFoundError:
        remote = _remote(engine, settings, store) if engine is not None else None
        if remote is None:
            raise
        run_id = remote.find(reference)
    return Run(run_id, store, _engine(store.run(run_id).engine, settings, store), settings)


def _engine(name: str, settings: Settings, store: RunStore) -> Engine:
    backend, _ = registry.backend(name)
    return backend.engine({**_engine_options(settings), "store": store})


def _remote(name: str, settings: Settings, store: RunStore) -> RemoteEngine | None:
    """The engine, when its runs live elsewhere."""
    engine = _engine(name, settings, store)
    return engine if isinstance(engine, RemoteEngine) else None


def doctor(engine: str, *, root: Path | str | None = None, **options: Any) -> list[Check]:
    """What is right and wrong with the place where an engine runs workflows; nothing for those that run here.

    Raises:
        NotFoundError: There is no such engine.
        MissingExtraError: It needs a package that is not installed.
    """
    settings = load_settings({"root": root, **options})
    backend, _ = registry.backend(engine)
    found = backend.engine(_engine_options(settings))
    return found.doctor() if isinstance(found, RemoteEngine) else []


def list_runs(
    *,
    limit: int = 50,
    workflow: str | None = None,
    status: str | None = None,
    engine: str | None = None,
    root: Path | str | None = None,
    **options: Any,
) -> list[RunRecord]:
    """Runs that the store knows, newest first; with an engine whose runs live elsewhere, also those found there."""
    settings, store = _opened(root, options)
    remote = _remote(engine, settings, store) if engine is not None else None
    name = engine.partition("@")[0] if engine is not None else None
    if remote is None:
        return store.runs(limit=limit, workflow=workflow, status=status, engine=name)
    known = {run.id: run for run in store.runs(limit=10 * limit, engine=name)}
    for run_id, run in known.items():
        if run.status not in ENDED:
            remote.refresh(run_id)
    every = {run.id: run for run in remote.found(10 * limit)}
    every |= {run.id: run for run in store.runs(limit=10 * limit, engine=name)}
    wanted = [
        run for run in every.values() if workflow in (None, run.workflow) and status in (None, run.status)
    ]  # fmt: skip
    return sorted(wanted, key=lambda run: run.created, reverse=True)[:limit]


def _opened(root: Path | str | None, options: Mapping[str, Any]) -> tuple[Settings, RunStore]:
    settings = load_settings({"root": root, **options})
    return settings, open_store(settings.store, settings.root)
