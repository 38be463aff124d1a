"""Start runs, and find those that exist."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from couler.backends import registry
from couler.config import load_settings
from couler.core.ir.parameters import complete
from couler.driver.handle import Run
from couler.driver.load import as_workflow, capture_while_loading
from couler.driver.prepare import prepare
from couler.driver.progress import watcher
from couler.runs import Changes, EventRecord, open_store

if TYPE_CHECKING:
    from couler.backends.base import Engine
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
    backend, _ = registry.backend(settings.engine)
    driver = backend.engine({**engine_options, "store": store})
    run_id = driver.start(lowered.workflow, values, labels=labels or {})
    notes = [EventRecord(run_id, time.time(), "note", data={"message": note}) for note in lowered.notes]
    if notes:
        store.record(run_id, Changes(events=notes))
    return Run(run_id, store, driver, settings), driver, notes


def _engine_options(settings: Settings) -> dict[str, Any]:
    names = ("root", "artifacts", "runtime", "workers", "cpu", "memory", "max_value", "namespace")
    return {name: getattr(settings, name) for name in names}


def get_run(reference: str = "@latest", *, root: Path | str | None = None, **options: Any) -> Run:
    """The handle of an existing run.

    Args:
        reference: Its id, a unique beginning of it, or ``@latest``.
        root: Folder for what couler remembers; from the settings when None.
        options: Other settings, such as ``store``.

    Raises:
        NotFoundError: There is no such run.
    """
    settings, store = _opened(root, options)
    run_id = store.resolve(reference)
    backend, _ = registry.backend(store.run(run_id).engine)
    return Run(run_id, store, backend.engine({**_engine_options(settings), "store": store}), settings)


def list_runs(
    *,
    limit: int = 50,
    workflow: str | None = None,
    status: str | None = None,
    engine: str | None = None,
    root: Path | str | None = None,
    **options: Any,
) -> list[RunRecord]:
    """Runs that the store knows, newest first."""
    _, store = _opened(root, options)
    return store.runs(limit=limit, workflow=workflow, status=status, engine=engine)


def _opened(root: Path | str | None, options: Mapping[str, Any]) -> tuple[Settings, RunStore]:
    settings = load_settings({"root": root, **options})
    return settings, open_store(settings.store, settings.root)
