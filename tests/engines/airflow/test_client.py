"""The engine on a real Airflow: from submission to the end, every verb, and what is refused."""

from __future__ import annotations

import signal
import uuid
from pathlib import Path
from typing import Any

import pytest

import couler
from couler.backends.airflow.client import runs
from couler.backends.airflow.client.connection import Connection
from couler.backends.airflow.client.deploy import deploy
from couler.core.errors import EngineError, StateError
from couler.core.ir.model import Workflow
from tests.engines.airflow import installation
from tests.engines.airflow.place import Place, until
from tests.engines.airflow.server import Airflow

WHY_NOT = installation.reason_to_skip()
pytestmark = [pytest.mark.skipif(bool(WHY_NOT), reason=WHY_NOT), pytest.mark.timeout(300)]


@pytest.fixture
def place(shared_airflow: Airflow, tmp_path: Path) -> Place:
    return Place(shared_airflow, tmp_path)


# --- programs --------------------------------------------------------------------------------------------------------


@couler.step
def count(folder: str, name: str) -> int:
    """How often it has run."""
    from pathlib import Path

    with Path(folder, name).open("a") as file:
        file.write("x")
    print("counted", name)  # noqa: T201 - a step's output is its log
    return Path(folder, name).stat().st_size


@couler.step
def needs(x: int, file: str) -> int:
    """Fails as long as a file is missing."""
    from pathlib import Path

    if not Path(file).exists():
        raise ValueError(f"there is no {Path(file).name}")
    return x + 1


@couler.step
def sleeps(folder: str) -> str:
    import time
    from pathlib import Path

    Path(folder, "began").touch()
    for _ in range(600):
        if Path(folder, "wake").exists():
            return "awake"
        time.sleep(0.1)
    return "slept"


@couler.step
def tell(folder: str, status: str) -> None:
    from pathlib import Path

    Path(folder, "told").write_text(status)


@couler.step
def write(text: str, data: couler.OutFile = couler.out("data.txt")) -> None:
    data.write_text(text)


@couler.step
def speaks(folder: str) -> None:
    import time
    from pathlib import Path

    print("one", flush=True)  # noqa: T201
    while not Path(folder, "wake").exists():
        time.sleep(0.1)
    print("two")  # noqa: T201


def named(declare: Any) -> Workflow:
    """A workflow with a name of its own, because tests share the Airflow."""
    made: Workflow = couler.workflow(name=f"client-{uuid.uuid4().hex[:8]}")(declare).build()
    return made


def greeting(folder: str) -> couler.Output:
    return couler.map(lambda word: count(folder, word), ["a", "ü {{ x }}"])


def picky(folder: str) -> couler.Output:
    first = count(folder, "first")
    return couler.map(lambda name: needs(first, couler.concat(folder, "/", name)), ["a", "b"])


# --- verbs -----------------------------------------------------------------------------------------------------------

FLOW = """
import couler


@couler.step
def add(a: int, b: int) -> int:
    print("adding", a, "and", b)
    return a + b


@couler.workflow(name="{name}")
def sums(n: int = 3):
    return add(n, add(n, 1))
"""


def test_a_run_of_the_command_line_is_shown_and_found_from_elsewhere(place: Place, tmp_path: Path) -> None:
    name = f"client-{uuid.uuid4().hex[:8]}"
    (tmp_path / "flow.py").write_text(FLOW.format(name=name))
    shown = place.say("run", "flow.py", "--engine", "airflow", "-p", "n=4")
    assert "succeeded" in shown
    assert "result: 9" in shown
    assert "add | adding 4 and 1" in place.say("logs")
    other = tmp_path / "other"
    assert name in place.say("list", "--engine", "airflow", root=other)
    assert "result: 9" in place.say("status", name, "--engine", "airflow", root=other)
    assert "add-2 | adding 4 and 5" in place.say("logs", root=other)
    place.say("delete", root=other)
    assert name not in place.say("list", "--engine", "airflow", root=tmp_path / "third")


def test_files_of_a_run_come_here(place: Place, tmp_path: Path) -> None:
    def writes() -> couler.Output:
        return write("hello ü")

    run = place.submit(named(writes)).wait().raise_for_status()
    assert run.file("data", tmp_path / "copy.txt", step="write").read_text() == "hello ü"


def test_a_retry_runs_what_failed_again_and_nothing_else(place: Place, tmp_path: Path) -> None:
    (tmp_path / "a").touch()
    run = place.submit(named(picky), {"folder": str(tmp_path)}).wait()
    assert run.status == "failed"
    assert "there is no b" in run.record.message
    assert {path: step.status for path, step in run.steps.items()} == {
        "count": "succeeded",
        "needs": "failed",
        "needs[0]": "succeeded",
        "needs[1]": "failed",
    }
    (tmp_path / "b").touch()
    place.again(run).retry()
    assert run.status == "succeeded"
    assert run.result == [2, 2]
    assert {path: step.attempts for path, step in run.steps.items()} == {
        "count": 1,
        "needs": 0,
        "needs[0]": 1,
        "needs[1]": 2,
    }
    assert (tmp_path / "first").read_text() == "x"


def sleepy(folder: str) -> couler.Output:
    woken = sleeps(folder)
    with couler.on_exit():
        tell(folder, couler.run_status())
    return woken


def test_a_run_that_is_stopped_ends_what_runs_tells_its_exit_handlers_and_goes_on_when_retried(
    place: Place, tmp_path: Path
) -> None:
    run = place.submit(named(sleepy), {"folder": str(tmp_path)})
    until((tmp_path / "began").exists)
    run.stop()
    run.wait()
    assert (run.status, run.record.message) == ("cancelled", "stopped on request")
    assert run.steps["sleeps"].status == "cancelled"
    assert run.steps["tell"].status == "succeeded"
    (tmp_path / "wake").touch()
    run.retry()
    assert (run.status, run.result) == ("succeeded", "awake")
    assert (tmp_path / "told").read_text() == "succeeded"


def test_a_run_that_is_terminated_ends_without_its_exit_handlers(place: Place, tmp_path: Path) -> None:
    run = place.submit(named(sleepy), {"folder": str(tmp_path)})
    until((tmp_path / "began").exists)
    run.terminate()
    assert run.wait().status == "cancelled"
    assert not (tmp_path / "told").exists()


@pytest.mark.parametrize(("answer", "status"), [("approve", "succeeded"), ("reject", "failed")])
def test_a_pause_waits_for_its_answer(place: Place, tmp_path: Path, answer: str, status: str) -> None:
    def asking(folder: str) -> couler.Output:
        couler.suspend(message="Go on?", step_name="ask")
        return count(folder, "after")

    run = place.submit(named(asking), {"folder": str(tmp_path)})
    until(lambda: run.status == "suspended")
    assert run.steps["ask"].message == "Go on?"
    with pytest.raises(StateError, match="does not wait"):
        run.resume(approve="count")
    place.say("resume", run.id, f"--{answer}", "ask") if answer == "approve" else run.resume(reject="ask")
    assert run.wait().status == status
    with pytest.raises(StateError, match="already"):
        run.resume(approve="ask")


def test_who_follows_may_go_and_come_back(place: Place, tmp_path: Path) -> None:
    run = place.submit(named(sleepy), {"folder": str(tmp_path)})
    follower = place.cli("wait", run.id)
    until((tmp_path / "began").exists)
    follower.send_signal(signal.SIGINT)
    text = follower.communicate(timeout=60)[0]
    assert follower.returncode == 130, text
    (tmp_path / "wake").touch()
    assert "result: awake" in place.say("wait", run.id)


def test_logs_are_followed_while_they_are_written(place: Place, tmp_path: Path) -> None:
    def speaking(folder: str) -> couler.Output:
        return speaks(folder)

    run = place.submit(named(speaking), {"folder": str(tmp_path)})
    lines = run.logs(follow=True)
    assert next(lines) == ("speaks", "one")
    assert run.status == "running"
    (tmp_path / "wake").touch()
    assert list(lines) == [("speaks", "two")]


# --- DAG files -------------------------------------------------------------------------------------------------------


def test_a_run_is_triggered_once_however_often_that_is_asked(place: Place, tmp_path: Path) -> None:
    run = place.submit(named(greeting), {"folder": str(tmp_path)}).wait()
    connection = Connection(place.airflow.url)
    conf = {**run.parameters, runs.MARK: runs.mark_of(run.workflow, run.id)}
    assert runs.trigger(connection, run.workflow.name, run.id, conf) is False
    assert run.result == [1, 1]
    others = f"{run.id}-by-hand"
    by_hand = {"dag_run_id": others, "logical_date": None, "conf": run.parameters}
    place.airflow.api().post(f"/api/v2/dags/{run.workflow.name}/dagRuns", by_hand)
    with pytest.raises(StateError, match="is another's"):
        runs.trigger(connection, run.workflow.name, others, conf)


def test_a_submission_that_broke_off_is_taken_up_by_resume(
    place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def breaks(*arguments: Any) -> bool:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(runs, "trigger", breaks)
        with pytest.raises(KeyboardInterrupt):
            place.submit(named(greeting), {"folder": str(tmp_path)})
    run = couler.get_run(**place.options)
    assert run.status == "pending"
    run.resume()
    assert (run.status, run.result) == ("succeeded", [1, 1])


def test_a_dag_is_not_changed_under_a_run_and_old_parts_go(place: Place, tmp_path: Path) -> None:
    def one(folder: str) -> couler.Output:
        return sleeps(folder)

    def two(folder: str) -> couler.Output:
        return count(folder, "first")

    first = named(one)
    second = named(two).model_copy(update={"name": first.name})
    run = place.submit(first, {"folder": str(tmp_path)})
    parts = place.airflow.dags / f"{first.name.replace('-', '_')}_parts" / "sources"
    assert [file.name for file in parts.iterdir()] == ["sleeps.py"]
    with pytest.raises(StateError, match=f"run '{run.id}' of another version"):
        place.submit(second, {"folder": str(tmp_path)})
    (tmp_path / "wake").touch()
    run.wait().raise_for_status()
    assert place.submit(second, {"folder": str(tmp_path)}).wait().result == 1
    assert [file.name for file in parts.iterdir()] == ["count.py"]


def test_the_schedule_of_a_dag_is_not_taken_away(place: Place, tmp_path: Path) -> None:
    workflow = named(greeting)
    arguments = 'schedule="0 0 1 1 *", is_paused_upon_creation=True'
    text = f'from airflow.sdk import DAG\n\ndag = DAG("{workflow.name}", {arguments})\n'
    (place.airflow.dags / f"{workflow.name}.py").write_text(text)
    place.airflow.api().until(f"/api/v2/dags/{workflow.name}", bool, 60)
    with pytest.raises(StateError, match="runs on a schedule"):
        place.submit(workflow, {"folder": str(tmp_path)})


def test_an_import_error_is_shown_with_its_line(place: Place) -> None:
    name = f"client-{uuid.uuid4().hex[:8]}"
    documents = {f"{name}.py": "from airflow.sdk import DAG\n\nraise KeyError('no such thing')\n"}
    with pytest.raises(EngineError, match=rf"KeyError: 'no such thing' \({name}.py, line 3\)"):
        deploy(Connection(place.airflow.url), documents, place.options)


def test_a_program_brings_the_files(place: Place, tmp_path: Path) -> None:
    command = f"""sh -c 'cp -r "$1"/. "{place.airflow.dags}"' bring"""
    other = Place(place.airflow, tmp_path, dags=None, dags_command=command)
    run = other.submit(named(greeting), {"folder": str(tmp_path)}).wait()
    assert run.raise_for_status().result == [1, 1]


def test_a_program_that_fails_says_why(place: Place, tmp_path: Path) -> None:
    other = Place(place.airflow, tmp_path, dags=None, dags_command="sh -c 'echo no way >&2; exit 3'")
    with pytest.raises(EngineError, match="exit code 3: no way"):
        other.submit(named(greeting), {"folder": str(tmp_path)})


def test_doctor_says_that_all_is_well(place: Place) -> None:
    place.submit(named(greeting), {"folder": str(place.root)}).wait()
    text = place.say("doctor", "--engine", "airflow")
    parts = ("scheduler", "dag-processor", "triggerer")
    for row in ("server", *parts, "your access", "DAGs folder", "folder that is read", "files between steps"):
        assert f"airflow: {row}" in text
