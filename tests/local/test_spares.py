"""Warm workers that wait for the next run of the same process."""

import os
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

import couler
from couler.backends.local.spares import SPARES


@couler.step
def who() -> int:
    import os

    return os.getpid()


@couler.step
def variable(name: str) -> str:
    import os

    return os.environ.get(name, "")


@couler.step
def stay(name: str) -> int:
    import os
    import threading

    threading.Thread(target=threading.Event().wait, daemon=True).start()
    return os.getpid()


@couler.workflow
def asking():
    return who()


@couler.workflow
def reading(name: str):
    return {"value": variable(name), "run": variable("COULER_RUN_ID")}


@couler.workflow
def staying():
    return stay("x")


@pytest.fixture(autouse=True)
def _none_before_and_after():
    SPARES.close()
    yield
    SPARES.close()


def test_the_next_run_gets_the_same_worker(tmp_path: Path) -> None:
    first = couler.run(asking, root=tmp_path).result

    assert couler.run(asking, root=tmp_path).result == first


def test_another_root_and_run_id_are_told_to_the_worker(tmp_path: Path) -> None:
    couler.run(reading, {"name": "X"}, root=tmp_path / "a")
    run = couler.run(reading, {"name": "X"}, root=tmp_path / "b")

    assert run.outputs["run"] == run.id


def test_a_changed_environment_gets_a_new_worker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = couler.run(asking, root=tmp_path).result
    monkeypatch.setenv("NEW_SETTING", "on")

    assert couler.run(reading, {"name": "NEW_SETTING"}, root=tmp_path).outputs["value"] == "on"
    assert couler.run(asking, root=tmp_path).result != first


def test_a_worker_that_a_step_left_a_thread_in_is_not_kept(tmp_path: Path) -> None:
    left = couler.run(staying, root=tmp_path).result

    assert couler.run(asking, root=tmp_path).result != left


def test_a_worker_that_died_meanwhile_is_replaced(tmp_path: Path) -> None:
    first = couler.run(asking, root=tmp_path).result
    psutil.Process(first).kill()
    psutil.wait_procs([psutil.Process(child.pid) for child in psutil.Process().children() if child.pid == first], 5)

    assert couler.run(asking, root=tmp_path).status == "succeeded"


def test_waiting_workers_end_with_their_process(tmp_path: Path) -> None:
    code = (
        "import couler, sys\n"
        f"sys.path.insert(0, {str(Path(__file__).parent)!r})\n"
        "import test_spares\n"
        f"print(couler.run(test_spares.asking, root={str(tmp_path)!r}).result)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)

    worker = int(done.stdout)
    assert worker != os.getpid()
    assert not psutil.pid_exists(worker) or psutil.Process(worker).status() == psutil.STATUS_ZOMBIE
