"""Parts of the client without a server: rounds, what a retry repeats, files in folders, logs, and stored files."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from pathlib import Path
from typing import Any

import pytest

from couler.backends.airflow.client.deploy import stamped, write
from couler.backends.airflow.client.documents import documents_of, store_of
from couler.backends.airflow.client.files import fetch
from couler.backends.airflow.client.logs import lines_of
from couler.backends.airflow.client.retry import to_repeat
from couler.backends.airflow.client.rounds import goes_on
from couler.backends.airflow.client.snapshot import STOPPED, Found, Instance, snapshot
from couler.core.errors import ArtifactError, ConfigError, EngineError
from couler.core.ir.model import (
    Compare,
    Constant,
    ExitHandler,
    FunctionTask,
    GroupTask,
    Loop,
    LoopOutputRef,
    Output,
    ParameterRef,
    Schedule,
    Step,
    SuspendTask,
    Workflow,
)

TASK = FunctionTask(source="def f():\n    return 1\n", entry="f")
LESS = Compare(operator="<", left=LoopOutputRef(), right=Constant(value=3))


def told(states: dict[str, str | None], left: dict[tuple[str, str], Any] | None = None, **run: Any) -> Found:
    """What Airflow tells: state of each task, ``task[index]`` for items of maps."""
    tasks: dict[Instance, dict[str, Any]] = {}
    for name, state in states.items():
        begun = "1970-01-01T00:00:01Z" if state not in (None, "scheduled", "upstream_failed") else None
        tasks[_instance(name)] = {
            "state": state, "try_number": 1, "start_date": begun, "end_date": None, "pid": 7, "hostname": "h"
        }  # fmt: skip
    found = {(_instance(name), key): json.dumps(value) for (name, key), value in (left or {}).items()}
    fields = {"state": "running", "note": None, "start_date": None, "end_date": None}
    return Found({**fields, **run}, tasks, found)


def _instance(name: str) -> Instance:
    task, _, index = name.rstrip("]").partition("[")
    return task, int(index or -1)


def statuses(workflow: Workflow, found: Found) -> dict[str, str]:
    return {path: step.status for path, step in snapshot(workflow, found, "r").steps.items()}


# --- how a run stands ------------------------------------------------------------------------------------------------


def test_a_round_that_has_not_decided_yet_is_not_shown() -> None:
    workflow = Workflow(name="w", steps=(Step(name="a", task=TASK, loop=Loop(condition=LESS, max_iterations=3)),))
    states = {"a.round-0": "success", "a.round-1": "running", "a.round-2": None, "a.end": None, "end": None}
    last = {("a.round-0", "return_value"): {"outputs": {"result": 3}}}
    assert statuses(workflow, told(states, last)) == {"a": "running", "a#0": "succeeded"}
    more = {("a.round-0", "return_value"): {"outputs": {"result": 2}}}
    assert statuses(workflow, told(states, more)) == {"a": "running", "a#0": "succeeded", "a#1": "running"}


def test_what_a_condition_over_more_than_the_round_comes_to_is_not_known() -> None:
    both = Compare(operator="<", left=LoopOutputRef(), right=ParameterRef(name="n"))
    assert goes_on(Loop(condition=LESS, max_iterations=3), 0, {"result": 1})
    assert not goes_on(Loop(condition=LESS, max_iterations=3), 0, {"result": 3})
    assert not goes_on(Loop(condition=LESS, max_iterations=3), 0, {"result": "x"})
    assert not goes_on(Loop(condition=both, max_iterations=3), 0, {"result": 1})


def test_a_run_that_only_waits_for_people_is_suspended() -> None:
    workflow = Workflow(name="w", steps=(Step(name="ask", task=SuspendTask(message="go?")), Step(name="a", task=TASK)))
    snap = snapshot(workflow, told({"ask": "awaiting_input", "a": "success", "end": None}), "r")
    assert (snap.status, snap.waiting, snap.steps["ask"].message) == ("suspended", {"ask": "ask[-1]"}, "go?")
    assert snapshot(workflow, told({"ask": "awaiting_input", "a": "running", "end": None}), "r").status == "running"


def test_a_run_that_was_stopped_is_cancelled_whatever_airflow_calls_it() -> None:
    workflow = Workflow(name="w", steps=(Step(name="a", task=TASK), Step(name="b", task=TASK, after=("a",))))
    found = told({"a": "failed", "b": "skipped", "end": "skipped"}, state="success", note=STOPPED)
    found.left[("a", -1), "error"] = None  # type: ignore[index]
    snap = snapshot(workflow, found, "r")
    assert (snap.status, snap.message) == ("cancelled", "stopped on request")
    assert snap.steps["a"].status == "cancelled"


# --- what is repeated ------------------------------------------------------------------------------------------------


def test_a_retry_leaves_what_succeeded_or_was_skipped_on_purpose() -> None:
    group = GroupTask(steps=(Step(name="x", task=TASK), Step(name="y", task=TASK)))
    workflow = Workflow(
        name="w",
        steps=(Step(name="a", task=TASK), Step(name="g", task=group), Step(name="l", task=TASK)),
        exit_handlers=(ExitHandler(step=Step(name="tell", task=TASK)),),
    )
    skipped = {"status": "skipped", "soft": False}
    found = told(
        {
            "a": "success",
            "g.start": "success",
            "g.x": "failed",
            "g.y": "skipped",
            "g.end": "failed",
            "m.item[0]": "success",
            "m.item[1]": "failed",
            "m.end": "failed",
            "l.round-0": "success",
            "l.round-1": "skipped",
            "l.end": "success",
            "cancelled": "skipped",
            "late": "upstream_failed",
            "end": "failed",
            "tell": "success",
        },
        {
            ("g.y", "ended"): skipped,
            ("l.round-1", "ended"): {"status": "over", "soft": True},
            ("cancelled", "ended"): {"status": "cancelled", "soft": False},
        },
        state="failed",
    )
    assert to_repeat(workflow, found) == [
        ("g.x", -1),
        ("g.end", -1),
        ("m.item", 1),
        ("m.end", -1),
        ("cancelled", -1),
        ("late", -1),
        ("end", -1),
        ("tell", -1),
    ]


# --- files -----------------------------------------------------------------------------------------------------------


def test_files_are_written_the_dag_file_last_and_what_is_left_of_earlier_ones_goes(tmp_path: Path) -> None:
    first = {"w.py": "1", "w_parts/a.py": "a", "w_parts/sources/old.py": "x", "w_parts/.airflowignore": "*"}
    assert write(first, tmp_path)
    (tmp_path / "other_parts").mkdir()
    (tmp_path / "other_parts" / "kept.py").touch()
    (tmp_path / "w_parts" / "__pycache__").mkdir()
    assert write({"w.py": "2", "w_parts/a.py": "b", "w_parts/.airflowignore": "*"}, tmp_path)
    found = {str(file.relative_to(tmp_path)): file.read_text() for file in tmp_path.rglob("*") if file.is_file()}
    assert found == {"w.py": "2", "w_parts/a.py": "b", "w_parts/.airflowignore": "*", "other_parts/kept.py": ""}
    assert not (tmp_path / "w_parts" / "__pycache__").exists()
    assert not write({"w.py": "2", "w_parts/a.py": "c", "w_parts/.airflowignore": "*"}, tmp_path)


def test_a_dags_folder_that_is_missing_is_not_made(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="does not exist"):
        write({"w.py": ""}, tmp_path / "dags")


def test_the_dag_file_changes_with_any_part_of_it() -> None:
    one, two = (stamped({"w.py": "x\n", "w_parts/sources/a.py": text})["w.py"] for text in ("1", "2"))
    assert one != two
    assert one.startswith("x\n# Parts: ")


def test_what_is_submitted_has_no_schedule_and_files_need_a_place() -> None:
    writes = FunctionTask(source="def f(out): ...", entry="f")
    output = Output(name="data", type="file", path="data.txt")
    workflow = Workflow(
        name="w", steps=(Step(name="a", task=writes, outputs=(output,)),), schedule=Schedule(cron=("0 0 * * *",))
    )
    with pytest.raises(ConfigError, match="no place where all workers reach them"):
        documents_of(workflow, {})
    text = documents_of(workflow, {"dags": "/srv/dags"})["w.py"]
    assert "schedule=None" in text
    in_pods = {"dags": "/srv/dags", "airflow_containers": "kubernetes"}
    assert store_of(in_pods) == ""
    assert store_of({**in_pods, "artifacts": "claim://shared/mnt/files"}) == "file:///mnt/files"


def test_runs_are_started_on_airflow_3_only() -> None:
    with pytest.raises(EngineError, match=r"not on 2\.11") as caught:
        documents_of(Workflow(name="w", steps=(Step(name="a", task=TASK),)), {"version": "2.11"})
    assert "couler compile --engine airflow@2.11" in caught.value.hint


def test_stored_files_and_folders_come_whole_or_not_at_all(tmp_path: Path) -> None:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        (tmp_path / "in").mkdir()
        (tmp_path / "in" / "a.txt").write_text("ü")
        archive.add(tmp_path / "in" / "a.txt", arcname="a.txt")
    for data, kind in ((b"hello", "file"), (packed.getvalue(), "folder")):
        digest = hashlib.sha256(data).hexdigest()
        record = {"$file": True, "digest": f"sha256:{digest}", "kind": kind, "key": f"sha256/{kind}", "size": 0}
        stored = tmp_path / "store" / "sha256" / kind
        stored.parent.mkdir(parents=True, exist_ok=True)
        stored.write_bytes(data)
        fetch(record, f"file://{tmp_path}/store", tmp_path / f"my-{kind}")
        stored.write_bytes(data + b"x")
        with pytest.raises(ArtifactError, match="is damaged"):
            fetch(record, f"file://{tmp_path}/store", tmp_path / "other")
    assert (tmp_path / "my-file").read_bytes() == b"hello"
    assert (tmp_path / "my-folder" / "a.txt").read_text() == "ü"
    with pytest.raises(ArtifactError, match="does this machine reach the place"):
        fetch({**record, "key": "none"}, f"file://{tmp_path}/store", tmp_path / "other")
    assert not (tmp_path / "other").exists()


def test_a_log_has_what_steps_print_and_not_what_airflow_says() -> None:
    content = [
        {"event": "Filling up the DagBag", "logger": "airflow.dag_processing"},
        {"event": "one", "logger": "task.stdout"},
        {"event": "two", "logger": "task.stderr"},
        {"event": "[base] of a pod", "logger": "airflow.providers.cncf.kubernetes.utils.pod_manager.PodManager"},
    ]
    assert lines_of(content) == ["one", "two", "of a pod"]
