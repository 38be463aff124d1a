"""A cluster counts as alive only while the very process that keeps it runs."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from tests.engines.kubernetes import records

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="processes are looked up in /proc")


@pytest.fixture(autouse=True)
def own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def test_a_record_is_read_as_it_was_written() -> None:
    record = records.of_process("couler-test-a", os.getpid(), "/k", {"s3": "http://127.0.0.1:1"})
    (records.folder() / record.name).mkdir(parents=True)
    records.write(record)
    assert list(records.found()) == [record]


def test_a_running_process_is_alive_and_one_of_another_start_is_not() -> None:
    record = records.of_process("couler-test-b", os.getpid())
    assert record.alive
    assert not replace(record, started="1").alive


def test_an_ended_process_is_not_alive_though_nobody_has_waited_for_it() -> None:
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    record = records.of_process("couler-test-c", process.pid)
    assert record.alive
    process.communicate()
    assert not record.alive
    assert not records.of_process("couler-test-d", process.pid).alive


def test_what_a_dead_cluster_left_is_erased_and_a_living_one_stays() -> None:
    for name, started in (("couler-test-dead", "1"), ("couler-test-alive", records.start_time(os.getpid()))):
        (records.folder() / name / "logs").mkdir(parents=True)
        records.write(replace(records.of_process(name, os.getpid()), started=started))
    assert records.erase_stale() == ["couler-test-dead"]
    assert [path.name for path in records.folder().iterdir()] == ["couler-test-alive"]
