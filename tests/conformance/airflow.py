"""Runs cases on a real Airflow of this machine, through the engine that users have."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import couler
from couler.backends import registry
from couler.core.ir.parameters import complete
from couler.driver.prepare import prepare
from couler.runs import open_store
from tests.conformance.case import Case
from tests.conformance.local import Decisions, given, outcome_of
from tests.conformance.outcome import Outcome
from tests.engines.airflow import installation, server
from tests.engines.airflow.api import ApiError


class OnAirflow:
    """Runs cases on one Airflow; several at a time, from threads."""

    def __init__(self, airflow: server.Airflow) -> None:
        self._airflow = airflow
        self._api = airflow.api()

    def __call__(self, case: Case, root: Path) -> Outcome:
        """Run a case and tell what came of it."""
        self._keep_secrets(case)
        folder = root / "airflow" / case.name
        folder.mkdir(parents=True)
        where = {"root": folder, "server": self._airflow.url, "dags": self._airflow.dags}
        engine = registry.backend("airflow")[0].engine({**where, "store": open_store(None, folder)})
        workflow = case.workflow()
        run_id = engine.start(prepare(workflow, "airflow", {}).workflow, complete(workflow, given(case, folder)))
        engine.execute(run_id, "new", Decisions(case, engine))
        return outcome_of(couler.get_run(run_id, **where))

    def _keep_secrets(self, case: Case) -> None:
        for (name, key), value in case.secrets.items():
            with suppress(ApiError):  # it is there from an earlier time
                self._api.post("/api/v2/variables", {"key": f"{name}.{key}", "value": value})


@contextmanager
def opened() -> Iterator[OnAirflow]:
    """The Airflow that tests share, or one of its own outside of tests."""
    with server.shared() if installation.SWITCH in os.environ else server.running() as airflow:
        yield OnAirflow(airflow)
