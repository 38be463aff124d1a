"""What several processes, their sudden deaths, and bad disks do to a run store: nothing."""

import os
import signal
import sqlite3
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from couler.core.errors import StoreError
from couler.runs import Changes, EventRecord, RunRecord, RunStore, StepRecord, open_store

WRITER = """
    import sys
    from pathlib import Path
    from couler.runs import *
    url, run, first, count = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
    with open_store(url, Path()) as store:
        print("ready", flush=True)
        sys.stdin.readline()
        for number in range(first, first + count):
            store.record(run, Changes(
                [
                    StepRecord(run, f"s{number}", "succeeded", outputs={"result": number}),
                    StepRecord(run, "last", str(number)),
                ],
                [AttemptRecord(run, f"s{number}", 1, "succeeded")],
                [EventRecord(run, 0.0, "started", f"s{number}"), EventRecord(run, 0.0, "ended", f"s{number}")],
            ))
            print(number, flush=True)
"""


def start_writer(url: str, run: str, first: int, count: int) -> "subprocess.Popen[str]":
    command = [sys.executable, "-c", textwrap.dedent(WRITER), url, run, str(first), str(count)]
    child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert child.stdout is not None
    assert child.stdout.readline() == "ready\n"
    return child


def go(child: "subprocess.Popen[str]") -> None:
    assert child.stdin is not None
    child.stdin.write("\n")
    child.stdin.flush()


def new_run(store: RunStore, name: str = "r") -> None:
    store.create_run(RunRecord(name, "wf", "local", "running", 1.0))


def test_two_processes_write_one_run_and_nothing_is_lost(url: str, store: RunStore) -> None:
    new_run(store)
    writers = [start_writer(url, "r", first, 150) for first in (0, 1000)]
    for writer in writers:
        go(writer)
    errors = [writer.communicate(timeout=120)[1] for writer in writers]
    assert errors == ["", ""]
    assert len(store.steps("r")) == 301
    assert len(store.attempts("r")) == 300
    assert len(store.events("r")) == 600


def test_a_reader_sees_whole_batches_and_every_event_once_during_writes(url: str, store: RunStore) -> None:
    new_run(store)
    writers = [start_writer(url, "r", first, 150) for first in (0, 1000)]
    for writer in writers:
        go(writer)
    seen: list[EventRecord] = []
    while len(seen) < 600:
        seen += store.events("r", after=seen[-1].sequence if seen else 0)
        assert len(seen) % 2 == 0
        steps = len(store.steps("r"))
        assert steps == 0 or steps > len(seen) // 2
    for writer in writers:
        assert writer.communicate(timeout=60)[1] == ""
    assert len({event.sequence for event in seen}) == 600
    assert [event.kind for event in seen] == ["started", "ended"] * 300


@pytest.mark.parametrize("after", [1, 37, 120])
def test_a_killed_writer_leaves_every_batch_that_it_reported(url: str, store: RunStore, after: int) -> None:
    new_run(store)
    writer = start_writer(url, "r", 0, 100_000)
    assert writer.stdout is not None
    go(writer)
    for line in writer.stdout:
        if int(line) >= after:
            break
    os.kill(writer.pid, signal.SIGKILL)
    reported = [after, *map(int, writer.communicate()[0].splitlines()[:-1])][-1]
    steps = [step for step in store.steps("r") if step.path != "last"]
    assert len(steps) >= reported + 1
    assert [step.outputs for step in steps] == [{"result": number} for number in range(len(steps))]
    assert store.step("r", "last").status == str(len(steps) - 1)
    assert len(store.events("r")) == 2 * len(steps)
    store.record("r", Changes([StepRecord("r", "after", "succeeded")]))  # and nothing is locked
    if url.startswith("sqlite"):
        assert _check(Path(url.removeprefix("sqlite:///"))) == "ok"


def _check(path: Path) -> str:
    connection = sqlite3.connect(path)
    try:
        return str(connection.execute("PRAGMA integrity_check").fetchone()[0])
    finally:
        connection.close()


def test_a_forked_child_may_use_the_store(url: str, store: RunStore) -> None:
    new_run(store)
    store.record("r", Changes([StepRecord("r", "parent", "succeeded")]))
    child = os.fork()
    if child == 0:  # pragma: no cover - in another process
        try:
            store.record("r", Changes([StepRecord("r", "child", "succeeded")]))
            os._exit(0 if len(store.steps("r")) == 2 else 1)
        finally:
            os._exit(2)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    store.record("r", Changes([StepRecord("r", "after", "succeeded")]))
    assert [step.path for step in store.steps("r")] == ["parent", "child", "after"]


def test_a_lost_connection_is_opened_again(postgres_url: str, tmp_path: Path) -> None:
    import psycopg

    with open_store(postgres_url, tmp_path) as store:
        new_run(store)
        store.record("r", Changes([StepRecord("r", "a", "succeeded")]))
        with psycopg.connect(postgres_url, autocommit=True) as other:
            other.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE pid <> pg_backend_pid() AND datname = current_database()"
            )
        store.record("r", Changes([StepRecord("r", "b", "succeeded")], events=[EventRecord("r", 0.0, "once")]))
        assert [step.path for step in store.steps("r")] == ["a", "b"]
        assert len(store.events("r")) == 1


# --- disks ----------------------------------------------------------------------------------------------------------


def test_a_full_disk_is_a_clear_error_and_loses_nothing(small_disk: Path) -> None:
    with open_store(None, small_disk / ".couler") as store:
        new_run(store)
        stored: list[str] = []
        with pytest.raises(StoreError) as caught:
            _fill(store, stored)
        assert "database or disk is full" in caught.value.message
        assert str(small_disk) in caught.value.message
        assert caught.value.hint == "free some space on the disk and try again; nothing that was stored is lost"
        assert [step.path for step in store.steps("r")] == stored
        assert len(stored) > 10
        subprocess.run(["mount", "-o", "remount,size=8m", str(small_disk)], check=True)
        store.record("r", Changes([StepRecord("r", "after", "succeeded")]))
        assert len(store.steps("r")) == len(stored) + 1


def _fill(store: RunStore, stored: list[str]) -> None:
    for number in range(10_000):
        step = StepRecord("r", f"s{number}", "succeeded", outputs={"result": "x" * 10_000})
        store.record("r", Changes([step]))
        stored.append(step.path)


def test_a_disk_without_any_room_is_a_clear_error(small_disk: Path) -> None:
    (small_disk / "full").write_bytes(bytes(1 << 20))
    with pytest.raises(StoreError, match=r"the folder .*\.couler for couler's run store cannot be made|disk is full"):
        open_store(None, small_disk / ".couler")


def test_a_file_size_limit_is_a_clear_error_and_loses_nothing(tmp_path: Path) -> None:
    code = """
        import resource, signal, sys
        from pathlib import Path
        from couler.runs import *
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        store = open_store(None, Path(sys.argv[1]))
        store.create_run(RunRecord("r", "wf", "local", "running", 1.0))
        resource.setrlimit(resource.RLIMIT_FSIZE, (400_000, 400_000))
        number = 0
        try:
            while True:
                store.record("r", Changes([StepRecord("r", f"s{number}", "running", outputs={"r": "x" * 10_000})]))
                number += 1
        except Exception as error:
            print(type(error).__name__, number, len(store.steps("r")))
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code), str(tmp_path)], capture_output=True, text=True, check=False
    )
    name, stored, found = done.stdout.split()
    assert (name, stored) == ("StoreError", found)
    with open_store(None, tmp_path) as store:
        assert len(store.steps("r")) == int(stored) > 10
        store.record("r", Changes([StepRecord("r", "after", "succeeded")]))


def _as_nobody(*arguments: object) -> str:
    code = """
        import os, sys
        from pathlib import Path
        from couler.runs import *
        import couler.runs.store
        if os.getuid() == 0:
            os.setuid(65534)
        try:
            with open_store(None, Path(sys.argv[1])) as store:
                print(len(store.runs()))
                store.create_run(RunRecord("r", "wf", "local", "running", 1.0))
        except Exception as error:
            print(type(error).__name__, error)
    """
    command = [sys.executable, "-c", textwrap.dedent(code), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout


@pytest.fixture
def open_to_all(tmp_path: Path) -> Path:
    depth = 3 if "PYTEST_XDIST_WORKER" in os.environ else 2  # each worker has a folder of its own in between
    for folder in (tmp_path, *tmp_path.parents[:depth]):
        folder.chmod(0o755)
    return tmp_path


def test_a_folder_that_may_not_be_written_is_a_clear_error(open_to_all: Path) -> None:
    said = _as_nobody(open_to_all / ".couler")
    assert said.startswith(
        f"StoreError the folder {open_to_all}/.couler for couler's run store cannot be made: Permission denied"
    )
    (open_to_all / "made").mkdir(mode=0o755)
    (open_to_all / "made" / ".gitignore").write_text("*\n")
    said = _as_nobody(open_to_all / "made")
    assert said.startswith(
        f"StoreError the run store sqlite:///{open_to_all}/made/runs.db cannot be read: unable to open"
    )
    assert "name another store" in said


def test_a_file_that_may_not_be_written_is_a_clear_error(open_to_all: Path) -> None:
    root = open_to_all / ".couler"
    with open_store(None, root) as store:
        store.create_run(RunRecord("mine", "wf", "local", "running", 1.0))
    said = _as_nobody(root)
    assert "StoreError" in said
    assert "runs.db cannot be" in said


def test_a_folder_that_is_a_file_is_a_clear_error(tmp_path: Path) -> None:
    (tmp_path / ".couler").touch()
    with pytest.raises(StoreError, match=r"the folder .*\.couler for couler's run store cannot be made: File exists"):
        open_store(None, tmp_path / ".couler")


@pytest.mark.parametrize("damage", ["other file", "cut", "garbage inside"])
def test_a_damaged_file_is_an_error_that_names_it(tmp_path: Path, damage: str) -> None:
    path = tmp_path / "runs.db"
    with open_store(None, tmp_path) as store:
        new_run(store)
        store.record("r", Changes([StepRecord("r", f"s{number}", "succeeded") for number in range(500)]))
    content = path.read_bytes()
    if damage == "other file":
        path.write_bytes(b"this is a letter and no database at all\n" * 100)
    elif damage == "cut":
        path.write_bytes(content[: len(content) // 2])
    else:
        path.write_bytes(content[:4096] + b"\xff" * (len(content) - 4096))
    with pytest.raises(StoreError) as caught, open_store(None, tmp_path) as store:
        store.steps("r")
    assert str(path) in caught.value.message
    assert "move it away" in caught.value.hint
