"""From the nodes of a workflow object to steps, attempts and outputs: on a recorded run and on small made ones."""

from __future__ import annotations

import base64
import copy
import gzip
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from couler.backends.argo.client.snapshot import Snapshot, snapshot
from couler.core.errors import EngineError
from couler.core.ir.model import (
    Compare,
    Constant,
    ContainerTask,
    ExitHandler,
    ForEach,
    FunctionTask,
    GroupOutput,
    GroupTask,
    Input,
    ItemRef,
    OutputRef,
    Step,
    SuspendTask,
    Workflow,
)
from couler.core.ir.text import from_text

RECORDED = Path(__file__).parent / "recorded" / "rich.json"
FUNCTION = FunctionTask(source="def f(): ...", entry="f")


def _recorded() -> tuple[Workflow, dict[str, Any]]:
    found = json.loads(RECORDED.read_text())
    return from_text(json.dumps(found["workflow"])), found["object"]


def _node(name: str, phase: str = "Succeeded", kind: str = "Pod", inside: str = "", **fields: Any) -> dict[str, Any]:
    full = f"w-1.{name}" if name else "w-1"
    outputs = {"parameters": [{"name": key, "value": value} for key, value in fields.pop("values", {}).items()]}
    node = {"id": f"id-{name}" if name else "w-1", "name": full, "displayName": name.rpartition(".")[2] or full}
    within = {"boundaryID": f"id-{inside}" if inside else "w-1"} if name else {}
    return {**node, **within, "phase": phase, "type": kind, "outputs": outputs, **fields}


def _object(*nodes: Mapping[str, Any], phase: str = "Succeeded", root: str = "", **fields: Any) -> dict[str, Any]:
    every = [_node("", root or phase, "DAG", values=fields.pop("values", {})), *nodes]
    spec = fields.pop("spec", {})
    status = {"phase": phase, "nodes": {node["id"]: node for node in every}, **fields}
    return {"metadata": {"name": "w-1"}, "spec": spec, "status": status}


def _statuses(found: Snapshot) -> dict[str, str]:
    return {path: step.status for path, step in found.steps.items()}


def test_a_recorded_run_with_every_kind_of_step_reads_as_the_program_wrote_it() -> None:
    workflow, recorded = _recorded()
    found = snapshot(workflow, recorded, "run")
    others = {"rare": "skipped", "risky": "failed"}
    assert found.status == "succeeded"
    assert {path: status for path, status in _statuses(found).items() if status != "succeeded"} == others
    assert [path for path in found.steps if path.startswith("climb")] == ["climb#0", "climb#1", "climb#2", "climb"]
    assert {"double[0]", "double[1]", "search[1]/sum", "search[0]", "search", "bye"} <= set(found.steps)
    assert found.outputs == {
        "total": 2,
        "read": "hello",
        "up": 1.3,
        "echo": "hi\nthere",
        "sums": [0, 4],
        "flaky": "at last",
    }


def test_outputs_of_steps_are_values_texts_and_records_of_files() -> None:
    found = snapshot(*_recorded(), "run").steps
    assert found["double"].outputs == {"result": [0, 2]}
    assert found["double[1]"].outputs == {"result": 2}
    assert found["echo"].outputs == {"result": "hi\nthere"}
    file = (found["write"].outputs or {})["data"]
    assert file["$file"] is True
    assert file["url"].startswith("s3://artifacts/rich-7jb4w/")
    assert file["credentials"]["accesskey_id"] == {"name": "s3-credentials", "key": "accesskey"}


def test_tries_are_attempts_with_exit_codes_kinds_and_pods() -> None:
    attempts = [one for one in snapshot(*_recorded(), "run").attempts if one.path == "flaky"]
    assert [(one.number, one.status, one.exit_code, one.error) for one in attempts] == [
        (1, "failed", 1, "RuntimeError"),
        (2, "succeeded", 0, ""),
    ]
    assert attempts[0].process == "rich-7jb4w-flaky-2225692885"
    assert attempts[0].message == "RuntimeError: not yet"


def test_compressed_nodes_read_as_plain_ones() -> None:
    workflow, recorded = _recorded()
    packed = copy.deepcopy(recorded)
    text = json.dumps(packed["status"].pop("nodes")).encode()
    packed["status"]["compressedNodes"] = base64.b64encode(gzip.compress(text)).decode()
    assert snapshot(workflow, packed, "run") == snapshot(workflow, recorded, "run")


def test_nodes_in_argos_database_need_a_server() -> None:
    found = {"metadata": {"name": "w-1"}, "status": {"phase": "Running", "offloadNodeStatusVersion": "fnv:1"}}
    with pytest.raises(EngineError, match="kept in Argo's database") as caught:
        snapshot(Workflow(name="w"), found, "run")
    assert "--server" in caught.value.hint


def test_what_had_not_begun_when_the_run_failed_is_cancelled() -> None:
    steps = (
        Step(name="a", task=FUNCTION),
        Step(name="b", task=FUNCTION, after=("a",)),
        Step(name="c", task=FUNCTION, after=("b",)),
    )
    nodes = [_node("a", "Failed", message="main: Error (exit code 3)"), _node("b", "Omitted", "Skipped")]
    found = snapshot(Workflow(name="w", steps=steps), _object(*nodes, phase="Failed"), "run")
    assert _statuses(found) == {"a": "failed", "b": "cancelled", "c": "cancelled"}
    assert found.message == "step 'a' failed: exit code 3"


def test_an_invalid_spec_is_the_message_of_the_run() -> None:
    found = {"metadata": {"name": "w-1"}, "status": {"phase": "Failed", "message": "invalid spec: no such template"}}
    seen = snapshot(Workflow(name="w", steps=(Step(name="a", task=FUNCTION),)), found, "run")
    assert (seen.status, seen.message) == ("failed", "invalid spec: no such template")
    assert _statuses(seen) == {"a": "cancelled"}


def test_a_stopped_run_is_cancelled_with_the_steps_that_ran() -> None:
    nodes = [
        _node("a", "Failed", message="workflow shutdown with strategy:  Stop"),
        _node("b", "Error", message="pod deleted"),
        _node("c", "Failed", message="main: Error (exit code 1): boom"),
        _node("d", "Running"),
    ]
    steps = tuple(Step(name=name, task=FUNCTION) for name in "abcd")
    found = _object(*nodes, phase="Failed", spec={"shutdown": "Stop"})
    seen = snapshot(Workflow(name="w", steps=steps), found, "run")
    assert seen.status == "cancelled"
    assert _statuses(seen) == {"a": "cancelled", "b": "cancelled", "c": "failed", "d": "cancelled"}


def test_skipped_is_cancelled_where_a_failure_that_was_allowed_is_the_reason() -> None:
    risky = Step(name="risky", task=FUNCTION, allow_failure=True)
    needs = Step(name="needs", task=FUNCTION, inputs=(Input(name="x", value=OutputRef(step="risky")),))
    unwanted = Step(
        name="unwanted",
        task=FUNCTION,
        when=Compare(operator=">", left=Constant(value=1), right=Constant(value=2)),
    )
    nodes = [
        _node("risky", "Succeeded", "DAG", values={"result": "absent", "couler-status": "failed"}),
        _node("risky.run", "Failed", inside="risky", message="main: Error (exit code 1): boom"),
        _node("needs", "Skipped", "Skipped"),
        _node("unwanted", "Skipped", "Skipped"),
    ]
    found = snapshot(Workflow(name="w", steps=(risky, needs, unwanted)), _object(*nodes), "run")
    assert _statuses(found) == {"risky": "failed", "needs": "cancelled", "unwanted": "skipped"}
    assert found.status == "succeeded"


def test_items_are_numbered_as_in_the_list_and_an_empty_map_has_none() -> None:
    over = ForEach(lists={"x": Constant(value=tuple(range(11)))})
    step = Step(name="m", task=FUNCTION, inputs=(Input(name="x", value=ItemRef(name="x")),), foreach=over)
    items = [_node(f"m.item({n}:{n})", inside="m", values={"result": f"={n}"}) for n in (10, 2, 0)]
    root = _node("m", "Running", "DAG")
    found = snapshot(Workflow(name="w", steps=(step,)), _object(root, *items, phase="Running"), "run")
    assert list(found.steps) == ["m[0]", "m[2]", "m[10]", "m"]
    assert found.steps["m[10]"].outputs == {"result": 10}
    none = _object(_node("m", kind="DAG", values={"result": "[]"}), _node("m.item", "Skipped", "Skipped", "m"))
    empty = snapshot(Workflow(name="w", steps=(step,)), none, "run")
    assert _statuses(empty) == {"m": "succeeded"}
    assert empty.steps["m"].outputs == {"result": []}


def test_a_group_with_a_step_called_run_is_not_taken_for_a_shell() -> None:
    group = GroupTask(
        steps=(Step(name="run", task=FUNCTION),), outputs=(GroupOutput(name="result", value=OutputRef(step="run")),)
    )
    nodes = [
        _node("g", kind="DAG", values={"result": "5"}, templateName="g"),
        _node("g.run", inside="g", values={"result": "5"}),
    ]
    found = snapshot(Workflow(name="w", steps=(Step(name="g", task=group),)), _object(*nodes), "run")
    assert _statuses(found) == {"g/run": "succeeded", "g": "succeeded"}


def test_a_step_that_waits_for_a_person_shows_its_question_and_its_node() -> None:
    ask = Step(name="ask", task=SuspendTask(message="deploy?"))
    found = snapshot(
        Workflow(name="w", steps=(ask,)), _object(_node("ask", "Running", "Suspend"), phase="Running"), "run"
    )
    assert found.waiting == {"ask": "id-ask"}
    assert (found.steps["ask"].status, found.steps["ask"].message) == ("running", "deploy?")


def test_a_pod_that_cannot_start_is_pending_and_says_why() -> None:
    step = Step(name="a", task=ContainerTask(image="nowhere/none:1"))
    node = _node("a", "Pending", message="ImagePullBackOff: Back-off pulling image")
    found = snapshot(Workflow(name="w", steps=(step,)), _object(node, phase="Running"), "run")
    assert (found.steps["a"].status, found.steps["a"].attempts) == ("pending", 0)
    assert found.steps["a"].message == "ImagePullBackOff: Back-off pulling image"


@pytest.mark.parametrize(
    ("phase", "message", "kind", "words"),
    [
        ("Failed", "main: OOMKilled (exit code 137)", "OutOfMemory", "lack of memory"),
        ("Failed", "Pod was active on the node longer than the specified deadline", "Timeout", "longer than 7 s"),
        ("Error", "pod deleted", "Lost", "pod deleted"),
        ("Failed", "main: Error (exit code 1): KeyError: 'x'", "KeyError", "KeyError: 'x'"),
        ("Failed", "main: Error (exit code 2)", "ExitCode", "exit code 2"),
    ],
)
def test_failures_have_a_kind_and_the_words_of_the_task(phase: str, message: str, kind: str, words: str) -> None:
    step = Step(name="a", task=FUNCTION, timeout=7)
    found = snapshot(
        Workflow(name="w", steps=(step,)), _object(_node("a", phase, message=message), phase="Failed"), "run"
    )
    assert found.attempts[0].error == kind
    assert words in found.steps["a"].message


def test_handlers_that_were_not_for_this_end_are_skipped() -> None:
    handlers = tuple(ExitHandler(step=Step(name=f"on-{on}", task=FUNCTION), on=on) for on in ("success", "failure"))  # type: ignore[arg-type]
    root = {**_node("onExit", kind="DAG"), "boundaryID": ""}
    nodes = [
        root,
        _node("onExit.on-success", inside="onExit"),
        _node("onExit.on-failure", "Skipped", "Skipped", "onExit"),
    ]
    found = snapshot(Workflow(name="w", exit_handlers=handlers), _object(*nodes), "run")
    assert _statuses(found) == {"on-success": "succeeded", "on-failure": "skipped"}


def test_steps_of_a_large_scope_are_found_in_its_parts() -> None:
    steps = tuple(Step(name=name, task=FUNCTION) for name in ("a", "b", "part-1"))
    nodes = [
        _node("parts-1", kind="DAG"),
        _node("part-2", kind="DAG", inside="parts-1"),
        _node("b", inside="part-2"),
        _node("a", inside="parts-1"),
        _node("part-1"),
    ]
    found = snapshot(Workflow(name="w", steps=steps), _object(*nodes), "run")
    assert _statuses(found) == {"a": "succeeded", "b": "succeeded", "part-1": "succeeded"}


def test_what_stands_around_a_step_is_no_attempt_of_it() -> None:
    step = Step(name="a", task=FUNCTION, allow_failure=True)
    found = snapshot(Workflow(name="w", steps=(step,)), _object(_node("a", "Running", "DAG"), phase="Running"), "run")
    assert found.attempts == []
    assert found.steps["a"].status == "pending"
