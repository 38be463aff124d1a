"""What may break while a run goes on: its task process, the scheduler, the api-server. One Airflow of one's own."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

import couler
from couler.core.errors import EngineError
from tests.engines.airflow import installation, server
from tests.engines.airflow.place import Place, until
from tests.engines.airflow.server import Airflow

WHY_NOT = installation.reason_to_skip()
pytestmark = [pytest.mark.skipif(bool(WHY_NOT), reason=WHY_NOT), pytest.mark.timeout(600)]

SOON = {
    "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": "10",
    "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT_DETECTION_INTERVAL": "2",
    "AIRFLOW__SCHEDULER__SCHEDULER_HEALTH_CHECK_THRESHOLD": "10",
    "AIRFLOW__SCHEDULER__ORPHANED_TASKS_CHECK_INTERVAL": "5",
}
"""That Airflow sees soon what was lost, and tries it again soon; by default that takes minutes."""


@couler.step
def first(folder: str) -> str:
    from pathlib import Path

    with Path(folder, "first").open("a") as file:
        file.write("x")
    return folder


@couler.step
def long(folder: str) -> str:
    """Ends at its second attempt, or when it is told."""
    import os
    import time
    from pathlib import Path

    attempts = Path(folder, "attempts")
    with attempts.open("a") as file:
        file.write(f"{os.getpid()}\n")
    for _ in range(600):
        if len(attempts.read_text().splitlines()) > 1 or Path(folder, "go").exists():
            return "done"
        time.sleep(0.1)
    return "never told"


@couler.workflow
def lasting(folder: str) -> couler.Output:
    return long(first(folder)).with_(retry=couler.retry(2))


@couler.workflow
def lasting_once(folder: str) -> couler.Output:
    return long(first(folder))


@pytest.fixture(scope="module")
def airflow() -> Iterator[Airflow]:
    with server.running(access="password", further=SOON) as started:
        yield started


@pytest.fixture
def place(airflow: Airflow, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    monkeypatch.setenv("AIRFLOW_PASSWORD", airflow.password)
    return Place(airflow, tmp_path, user=airflow.user, password="env:AIRFLOW_PASSWORD")


def worker(airflow: Airflow, run: couler.Run, task: str) -> int:
    """The process of a task."""
    found = airflow.api().get(f"/api/v2/dags/{run.workflow.name}/dagRuns/{run.id}/taskInstances/{task}")
    return int(found["pid"])


def begun(tmp_path: Path) -> None:
    until((tmp_path / "attempts").exists)


def test_a_wrong_password_is_told_and_not_shown(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW_PASSWORD", "wr0ng-one")
    with pytest.raises(EngineError, match=r"401|Invalid|invalid|password") as caught:
        place.submit(lasting, {"folder": "x"})
    assert "wr0ng-one" not in str(caught.value)
    assert "user and password" in str(caught.value.hint)
    assert "your access" in place.cli("doctor", "--engine", "airflow").communicate()[0]


def test_a_worker_that_is_killed_is_another_attempt(place: Place, tmp_path: Path) -> None:
    run = place.submit(lasting, {"folder": str(tmp_path)})
    begun(tmp_path)
    os.kill(worker(place.airflow, run, "long"), signal.SIGKILL)
    run.wait(timeout=200)
    assert (run.status, run.result) == ("succeeded", "done")
    assert [one.status for one in run.attempts("long")] == ["failed", "succeeded"]
    assert (tmp_path / "first").read_text() == "x"


def test_a_worker_that_is_killed_for_good_fails_its_step_and_a_retry_goes_on(place: Place, tmp_path: Path) -> None:
    run = place.submit(lasting_once, {"folder": str(tmp_path)})
    begun(tmp_path)
    os.kill(worker(place.airflow, run, "long"), signal.SIGKILL)
    assert run.wait(timeout=200).status == "failed"
    assert "the worker ended the task, or was lost" in run.steps["long"].message
    run.retry()
    assert (run.status, run.result) == ("succeeded", "done")
    assert (tmp_path / "first").read_text() == "x"


def test_a_run_survives_the_loss_of_the_scheduler(place: Place, tmp_path: Path) -> None:
    run = place.submit(lasting, {"folder": str(tmp_path)})
    begun(tmp_path)
    scheduler = place.airflow.processes["scheduler"]
    scheduler.kill()
    assert run.status == "running"
    scheduler.start()
    run.wait(timeout=300)
    assert (run.status, run.result) == ("succeeded", "done")
    assert (tmp_path / "first").read_text() == "x"


def test_who_follows_survives_the_loss_of_the_api_server(place: Place, tmp_path: Path) -> None:
    run = place.submit(lasting, {"folder": str(tmp_path)})
    begun(tmp_path)
    ended: list[str] = []
    follower = threading.Thread(target=lambda: ended.append(run.wait(timeout=300).status))
    follower.start()
    api_server = place.airflow.processes["api-server"]
    api_server.kill()
    api_server.start()
    (tmp_path / "go").touch()
    follower.join(300)
    assert (ended, run.result) == (["succeeded"], "done")
