"""Airflow runs for real: it finds a DAG, runs it, survives the loss of its scheduler, and leaves nothing behind."""

from __future__ import annotations

import subprocess
import sys
import time
import uuid
from collections.abc import Iterator

import psutil
import pytest

from tests.engines.airflow import installation, server
from tests.engines.airflow.api import ApiError, token
from tests.engines.airflow.server import Airflow

WHY_NOT = installation.reason_to_skip()
pytestmark = [pytest.mark.skipif(bool(WHY_NOT), reason=WHY_NOT), pytest.mark.timeout(600)]

HELLO = """
from airflow.sdk import DAG, literal
from airflow.providers.standard.operators.bash import BashOperator

with DAG("hello", schedule=None):
    BashOperator(task_id="say", bash_command=literal("echo {{hello}}"))
"""


SHARES = """
from tests.engines.airflow import server
with server.shared() as airflow:
    print(airflow.keeper, flush=True)
    input()
    print(airflow.api().get("/api/v2/dags")["total_entries"], flush=True)
"""


@pytest.fixture(scope="module")
def airflow() -> Iterator[Airflow]:
    """One that these tests may break."""
    with server.running(access="password") as started:
        (started.dags / "hello.py").write_text(HELLO)
        started.api().until("/api/v2/dags/hello", bool, 120)
        yield started


def test_a_run_that_the_api_starts_succeeds_and_its_output_is_in_the_log(airflow: Airflow) -> None:
    _run(airflow, "first")
    task = "/api/v2/dags/hello/dagRuns/first/taskInstances/say"
    assert airflow.api().get(f"{task}/xcomEntries/return_value")["value"] == "{{hello}}"
    events = airflow.api().get(f"{task}/logs/1?full_content=true")["content"]
    assert any("{{hello}}" in event["event"] for event in events)


def test_after_the_loss_of_the_scheduler_another_goes_on(airflow: Airflow) -> None:
    scheduler = airflow.processes["scheduler"]
    before = scheduler.id
    scheduler.kill()
    assert scheduler.id == 0
    airflow.api().post("/api/v2/dags/hello/dagRuns", {"dag_run_id": "waits", "logical_date": None})
    scheduler.start()
    assert scheduler.id not in (0, before)
    _ends_well(airflow, "waits")
    _run(airflow, "second")


def test_a_changed_file_is_read_again_at_once(airflow: Airflow) -> None:
    (airflow.dags / "hello.py").write_text(HELLO.replace("schedule=None", 'schedule=None, description="changed"'))
    airflow.api().until("/api/v2/dags/hello", lambda dag: dag["description"] == "changed", 30)


def test_who_has_no_password_is_turned_away(airflow: Airflow) -> None:
    with pytest.raises(ApiError) as refused:
        token(airflow.url, airflow.user, "guessed")
    assert refused.value.code == 401


def test_nothing_listens_outside_the_loopback_interface(airflow: Airflow) -> None:
    keeper = psutil.Process(airflow.keeper)
    found = [connection for process in keeper.children(recursive=True) for connection in process.net_connections()]
    listening = {connection.laddr for connection in found if connection.status == psutil.CONN_LISTEN}
    assert {address.ip for address in listening} == {"127.0.0.1"}


def test_commands_know_the_same_airflow(airflow: Airflow) -> None:
    assert "hello" in airflow.command("dags", "list", "--output", "plain")


def test_no_process_and_no_folder_is_left_even_of_a_running_step_on_sqlite() -> None:
    with server.running("sqlite") as started:
        (started.dags / "hello.py").write_text(HELLO.replace("echo {{hello}}", "sleep 98765"))
        api = started.api()
        api.until("/api/v2/dags/hello", bool, 120)
        api.post("/api/v2/dags/hello/dagRuns", {"dag_run_id": "long", "logical_date": None})
        keeper = psutil.Process(started.keeper)
        processes = _with_a(keeper, "sleep")
    assert not [process for process in processes if process.is_running()]
    assert not started.home.exists()
    keeper.wait(10)


def _with_a(keeper: psutil.Process, name: str) -> list[psutil.Process]:
    """The processes of an Airflow, as soon as one of that name is among them."""
    while True:
        found = keeper.children(recursive=True)
        if any(process.name() == name for process in found):
            return found
        time.sleep(0.2)  # nobody tells when a process begins


def test_workers_of_a_session_share_one_which_ends_with_the_last(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(installation.SWITCH, "1")
    monkeypatch.setenv("PYTEST_XDIST_TESTRUNUID", uuid.uuid4().hex)
    command = [sys.executable, "-c", SHARES]
    workers = [subprocess.Popen(command, cwd=server.ROOT, stdin=-1, stdout=-1, text=True) for _ in range(2)]
    first, second = (psutil.Process(int(worker.stdout.readline())) for worker in workers if worker.stdout)
    assert first == second
    for worker in workers:
        assert first.is_running()
        assert worker.communicate("\n")[0] == "0\n"
    first.wait(10)


def test_an_airflow_ends_with_the_process_that_started_it_even_if_that_is_killed() -> None:
    code = "from tests.engines.airflow import server\nwith server.running() as a: print(a.keeper, flush=True); input()"
    owner = subprocess.Popen([sys.executable, "-c", code], cwd=server.ROOT, stdin=-1, stdout=-1, text=True)
    assert owner.stdout
    keeper = psutil.Process(int(owner.stdout.readline()))
    processes = [keeper, *keeper.children(recursive=True)]
    owner.kill()
    owner.communicate()
    assert psutil.wait_procs(processes, timeout=60)[1] == []


def test_a_failed_start_says_why_and_leaves_no_process() -> None:
    mark = uuid.uuid4().hex
    with pytest.raises(server.StartError, match=r"(?s)ended: .*scheduler.*NoSuchExecutor"):
        server.start(further={"AIRFLOW__CORE__EXECUTOR": "NoSuchExecutor", "MARK": mark})
    assert not [process for process in psutil.process_iter() if _is_marked(process, mark)]


def _is_marked(process: psutil.Process, mark: str) -> bool:
    try:
        return mark in "".join(process.cmdline()) or process.environ().get("MARK") == mark
    except (psutil.NoSuchProcess, psutil.AccessDenied):
        return False


def _run(airflow: Airflow, name: str) -> None:
    airflow.api().post("/api/v2/dags/hello/dagRuns", {"dag_run_id": name, "logical_date": None})
    _ends_well(airflow, name)


def _ends_well(airflow: Airflow, name: str) -> None:
    begin = time.monotonic()
    path = f"/api/v2/dags/hello/dagRuns/{name}"
    run = airflow.api().until(path, lambda found: found["state"] in ("success", "failed"), 120)
    assert run["state"] == "success", f"after {time.monotonic() - begin:.0f} s: {run}"
