"""Runs a case on the local engine, in this process."""

from __future__ import annotations

from pathlib import Path

import couler
from couler.backends import registry
from couler.backends.base import Engine
from couler.config import load_settings
from couler.core.ir.parameters import complete
from couler.driver.prepare import prepare
from couler.runs import EventRecord, open_store
from tests.conformance.case import LEDGER, Case
from tests.conformance.outcome import Outcome


def outcome_on_local(case: Case, root: Path) -> Outcome:
    """Run a case below a folder and tell what came of it."""
    keep_secrets(case, root)
    workflow = case.workflow()
    values = complete(workflow, given(case, root))
    store = open_store(load_settings({"root": root}).store, root)
    engine = registry.backend("local")[0].engine({"root": root, "store": store})
    run_id = engine.start(prepare(workflow, "local", {}).workflow, values)
    engine.execute(run_id, "new", Decisions(case, engine))
    return outcome_of(couler.get_run(run_id, root=root))


def given(case: Case, root: Path) -> dict[str, object]:
    """The parameters of a run, with a fresh ledger where the case needs one."""
    if not case.uses_ledger:
        return dict(case.parameters)
    ledger = root / "ledgers" / case.name
    ledger.mkdir(parents=True)
    return {**case.parameters, LEDGER: str(ledger)}


def keep_secrets(case: Case, root: Path) -> None:
    """Put the case's secrets where the local engine finds them."""
    for (name, key), value in case.secrets.items():
        folder = root / "secrets" / name
        folder.mkdir(parents=True, exist_ok=True)
        (folder / key).write_text(value, encoding="utf-8")


class Decisions:
    """The person who approves and rejects: answers each pause that the case has an answer for, once it waits."""

    def __init__(self, case: Case, engine: Engine) -> None:
        self._open = dict(case.decisions)
        self._engine = engine

    def __call__(self, event: EventRecord) -> None:
        if event.data.get("status") != "running" or event.path not in self._open:
            return
        decide = self._engine.approve if self._open.pop(event.path) == "approve" else self._engine.reject
        decide(event.run, event.path)


def outcome_of(run: couler.Run) -> Outcome:
    """What a handle tells of a run that has ended; the same words for every engine."""
    steps = run.steps
    return Outcome(
        status=run.status,
        steps={path: step.status for path, step in steps.items()},
        outputs=run.outputs,
        messages={"": run.record.message} | {path: step.message for path, step in steps.items()},
        attempts={path: step.attempts for path, step in steps.items()},
    )
