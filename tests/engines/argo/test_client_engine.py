"""The engine's decisions, on doubles of the Kubernetes API and of an argo-server."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import couler
from couler.backends.argo.client import objects
from couler.backends.argo.client.engine import ArgoEngine
from couler.backends.base import RemoteEngine
from couler.backends.remote.runs import pack, unpack
from couler.core.errors import EngineError, NotFoundError, StateError
from couler.core.ir.model import FunctionTask, Output, Parameter, Step, Workflow
from couler.runs import Changes, RunStore, StepRecord, open_store
from tests.engines.argo.doubles import Answer, Double, Request, kubeconfig, refusal, serving

pytest.importorskip("kubernetes")

TASK = FunctionTask(source="def f():\n    return 1\n", entry="f")
WORKFLOW = Workflow(
    name="w",
    parameters=(Parameter(name="n", type="str"),),
    steps=(Step(name="a", task=TASK), Step(name="b", task=TASK, after=("a",))),
)
ABSENT = refusal(404, "NotFound", 'workflows.argoproj.io "w" not found')


@pytest.fixture
def store(tmp_path: Path) -> Iterator[RunStore]:
    with open_store(None, tmp_path / ".couler") as opened:
        yield opened


def _engine(double: Double, store: RunStore, tmp_path: Path, **options: Any) -> ArgoEngine:
    file = tmp_path / "kubeconfig.json"
    file.write_text(json.dumps(kubeconfig(double.url)))
    return ArgoEngine(tmp_path / ".couler", store=store, kubeconfig=str(file), namespace="ml", **options)


def _created(request: Request) -> Answer:
    return Answer(201, {**request.body, "metadata": {**request.body["metadata"], "uid": "u-1"}})


def test_the_engine_is_one_whose_runs_live_elsewhere(store: RunStore) -> None:
    assert isinstance(ArgoEngine(store=store), RemoteEngine)


def test_a_submitted_object_has_the_marks_by_which_it_is_found_again(store: RunStore, tmp_path: Path) -> None:
    with serving(_created) as double:
        engine = _engine(double, store, tmp_path, service_account="runner", runtime="process", workers=2)
        run_id = engine.start(WORKFLOW, {"n": "{{x}}"}, labels={"team": "a"})
        engine.detach(run_id)
    sent = double.requests[0].body
    metadata, record = sent["metadata"], store.run(run_id)
    assert metadata["name"] == record.remote == f"w-{run_id[-6:]}"
    assert metadata["labels"][objects.RUN] == run_id
    assert unpack(metadata["annotations"][objects.IR], "the mark") == WORKFLOW
    assert json.loads(metadata["annotations"][objects.VALUES]) == {"n": "{{x}}"}
    assert sent["spec"]["serviceAccountName"] == "runner"
    assert sent["spec"]["arguments"]["parameters"] == [{"name": "n", "value": '"{\\u007bx}}"'}]
    assert record.options["namespace"] == "ml"


def test_a_run_that_was_started_is_not_started_again(store: RunStore, tmp_path: Path) -> None:
    with serving(_created) as double:
        engine = _engine(double, store, tmp_path)
        run_id = engine.start(WORKFLOW, {"n": "1"})
        engine.detach(run_id)
        store.update_run(run_id, status="running")
        with pytest.raises(StateError, match="was started before"):
            engine.detach(run_id)


def test_a_run_whose_submission_was_interrupted_is_created_by_resume(store: RunStore, tmp_path: Path) -> None:
    with serving(refusal(403, "Forbidden", "no"), ABSENT, _created) as double:
        engine = _engine(double, store, tmp_path)
        run_id = engine.start(WORKFLOW, {"n": "1"})
        with pytest.raises(EngineError, match="cannot create workflow"):
            engine.detach(run_id)
        engine.detach(run_id, "resume")
    assert [request.method for request in double.requests] == ["POST", "GET", "POST"]


def _failed(engine: ArgoEngine, store: RunStore, workflow: Workflow = WORKFLOW) -> str:
    run_id = engine.start(workflow, {"n": "1"})
    store.update_run(run_id, status="failed", remote=f"w-{run_id[-6:]}", ended=5.0, message="step 'b' failed")
    steps = [StepRecord(run_id, "a", "succeeded", outputs={"result": 1}), StepRecord(run_id, "b", "failed")]
    store.record(run_id, Changes(steps))
    return run_id


def test_a_retry_sends_only_what_is_left(store: RunStore, tmp_path: Path) -> None:
    with serving(_created) as double:
        engine = _engine(double, store, tmp_path)
        run_id = _failed(engine, store)
        engine.detach(run_id, "retry")
    sent = double.requests[0].body
    assert sent["metadata"]["name"] == f"w-{run_id[-6:]}-r2"
    assert [task["name"] for task in sent["spec"]["templates"][0]["dag"]["tasks"]] == ["b"]
    assert {step.path: step.status for step in store.steps(run_id)} == {"a": "succeeded", "b": "pending"}
    assert store.run(run_id).status == "pending"


def test_a_retry_lets_large_values_pass_where_the_run_did(store: RunStore, tmp_path: Path) -> None:
    note = FunctionTask(source="def f(note): note.touch()\n", entry="f")
    wrote = Step(name="a", task=note, outputs=(Output(name="note", type="file", path="note.txt"),))
    with serving(_created, _created) as double:
        engine = _engine(double, store, tmp_path)
        for first in (WORKFLOW.steps[0], wrote):
            workflow = WORKFLOW.model_copy(update={"steps": (first, WORKFLOW.steps[1])})
            engine.detach(_failed(engine, store, workflow), "retry")
    without, with_a_file = (
        next(one for one in request.body["spec"]["templates"] if "script" in one) for request in double.requests
    )
    assert "artifacts" not in without["outputs"]
    assert [one["name"] for one in with_a_file["outputs"]["artifacts"]] == ["couler-large-result"]


def test_a_retry_is_left_to_an_argo_server_that_is_named(store: RunStore, tmp_path: Path) -> None:
    with serving(Answer(200, {"metadata": {"name": "w"}}), Answer(200, {"metadata": {"name": "w"}})) as double:
        engine = _engine(double, store, tmp_path, server=double.url)
        run_id = _failed(engine, store)
        name = store.run(run_id).remote
        engine.detach(run_id, "retry")
    assert (double.requests[1].method, double.requests[1].path) == ("PUT", f"/api/v1/workflows/ml/{name}/retry")
    assert store.run(run_id).remote == name
    assert store.step(run_id, "b").status == "pending"


def test_stop_uses_the_time_limit_where_exit_handlers_must_end(store: RunStore, tmp_path: Path) -> None:
    for spec, expected in (({"onExit": "x"}, "activeDeadlineSeconds"), ({}, "shutdown")):
        found = {"metadata": {"name": "w"}, "spec": spec, "status": {"phase": "Running", "nodes": {}}}
        with serving(Answer(200, found), Answer(200, found), Answer(200, {})) as double:
            engine = _engine(double, store, tmp_path)
            run_id = engine.start(WORKFLOW, {"n": "1"})
            store.update_run(run_id, status="running", remote="w")
            engine.stop(run_id)
        assert expected in double.requests[-1].body["spec"]
        assert double.requests[-1].body["metadata"]["annotations"]


def test_a_run_that_ended_cannot_be_stopped(store: RunStore, tmp_path: Path) -> None:
    with serving() as double:
        engine = _engine(double, store, tmp_path)
        run_id = _failed(engine, store)
        with pytest.raises(StateError, match="already failed"):
            engine.stop(run_id)


def _listed(*runs: tuple[str, str, int]) -> Answer:
    items = [
        {
            "metadata": {
                "name": objects.name_of(workflow, run_id, number),
                "labels": {objects.RUN: run_id, objects.NUMBER: str(number), "workflows.argoproj.io/phase": "Running"},
                "annotations": {objects.NAME: workflow, objects.IR: pack(Workflow(name=workflow))},
                "creationTimestamp": f"2026-01-01T00:00:0{index}Z",
            }
        }
        for index, (workflow, run_id, number) in enumerate(runs)
    ]
    return Answer(200, {"items": items, "metadata": {}})


def test_runs_are_listed_once_newest_first_with_retries_as_one(store: RunStore, tmp_path: Path) -> None:
    page = _listed(("w", "w-1-aaaaaa", 1), ("v", "v-1-bbbbbb", 1), ("w", "w-1-aaaaaa", 2))
    with serving(page) as double:
        found = _engine(double, store, tmp_path).found()
    assert [(run.id, run.remote, run.status) for run in found] == [
        ("w-1-aaaaaa", "w-aaaaaa-r2", "running"),
        ("v-1-bbbbbb", "v-bbbbbb", "running"),
    ]
    assert "PartialObjectMetadataList" in double.requests[0].headers["accept"]


def test_an_unknown_run_is_an_error_that_offers_the_near_one(store: RunStore, tmp_path: Path) -> None:
    with serving(_listed(("train", "train-1-aaaaaa", 1))) as double, pytest.raises(NotFoundError) as caught:
        _engine(double, store, tmp_path).find("train-1-aaaaab")
    assert caught.value.hint == "did you mean 'train-1-aaaaaa'?"


def test_a_run_whose_workflow_is_gone_from_the_cluster_has_ended(store: RunStore, tmp_path: Path) -> None:
    with serving(ABSENT) as double:
        engine = _engine(double, store, tmp_path)
        run_id = engine.start(WORKFLOW, {"n": "1"})
        store.update_run(run_id, status="running", remote="w")
        assert engine.is_driven(run_id) is False
    assert store.run(run_id).status == "cancelled"
    assert "deleted from the cluster" in store.run(run_id).message


def test_an_archived_run_is_read_from_the_server(store: RunStore, tmp_path: Path) -> None:
    archived = {"metadata": {"name": "w"}, "status": {"phase": "Succeeded", "nodes": {}}}
    page = Answer(200, {"items": [{"metadata": {"uid": "u"}}]})
    with serving(ABSENT, page, Answer(200, archived)) as double:
        engine = _engine(double, store, tmp_path, server=double.url)
        run_id = engine.start(WORKFLOW, {"n": "1"})
        store.update_run(run_id, status="running", remote="w")
        engine.refresh(run_id)
    assert store.run(run_id).status == "succeeded"


def test_the_local_engine_has_no_verbs_of_remote_ones(tmp_path: Path) -> None:
    run = couler.run(Workflow(name="w", steps=()), root=tmp_path / ".couler")
    with pytest.raises(StateError, match="cannot suspend runs"):
        run.suspend()
    run.delete()
    with pytest.raises(NotFoundError):
        couler.get_run(run.id, root=tmp_path / ".couler")


def test_doctor_says_what_is_missing_and_what_to_ask_for(store: RunStore, tmp_path: Path) -> None:
    def answer(request: Request) -> Answer:
        path = request.path.partition("?")[0]
        if path == "/version":
            return Answer(200, {"gitVersion": "v1.34.4"})
        if path == "/apis/argoproj.io/v1alpha1":
            return Answer(200, {"resources": [{"name": "workflows"}, {"name": "workflowtaskresults"}]})
        if "accessreviews" in path:
            attributes = request.body["spec"]["resourceAttributes"]
            allowed = attributes["verb"] != "watch" and attributes["resource"] != "workflowtaskresults"
            return Answer(201, {"status": {"allowed": allowed}})
        return refusal(403, "Forbidden", "not yours")

    with serving(*[answer] * 40) as double:
        found = {check.check: check for check in _engine(double, store, tmp_path).doctor()}
    assert found["argo: cluster"].state == "ok"
    assert found["argo: your rights"].state == "fail"
    assert found["argo: your rights"].found == "missing in namespace ml: watch workflows"
    assert "kubectl create role couler --verb=watch --resource=workflows.argoproj.io" in found["argo: your rights"].hint
    account = found["argo: rights of service account default"]
    assert (account.state, account.found) == (
        "fail",
        "missing: create workflowtaskresults, patch workflowtaskresults",
    )
    assert found["argo: controller"].state == "warn"


def test_doctor_of_a_cluster_without_argo_says_how_to_install_it(store: RunStore, tmp_path: Path) -> None:
    with serving(
        Answer(200, {"gitVersion": "v1.34.4"}), *[refusal(404, "NotFound", "404 page not found")] * 9
    ) as double:
        found = _engine(double, store, tmp_path).doctor()
    installed = next(check for check in found if check.check == "argo: definitions")
    assert installed.state == "fail"
    assert "argo-workflows.readthedocs.io" in installed.hint


def test_a_run_of_another_machine_is_taken_over_with_its_retries(store: RunStore, tmp_path: Path) -> None:
    one = Workflow(name="w", steps=(Step(name="a", task=TASK), Step(name="b", task=TASK, after=("a",))))
    left = Workflow(name="w", steps=(Step(name="b", task=TASK),))

    def found(number: int, workflow: Workflow, phases: dict[str, str], phase: str) -> Answer:
        name = objects.name_of("w", "w-1-aaaaaa", number)
        nodes = {name: {"id": name, "name": name, "displayName": name, "type": "DAG", "phase": phase}}
        for step, state in phases.items():
            nodes[f"{name}-{step}"] = {
                "id": f"{name}-{step}", "name": f"{name}.{step}", "displayName": step, "type": "Pod", "phase": state,
                "boundaryID": name, "templateName": "f",
            }  # fmt: skip
        metadata = {
            "name": name,
            "labels": {objects.RUN: "w-1-aaaaaa", objects.NUMBER: str(number)},
            "annotations": {objects.NAME: "w", objects.IR: pack(workflow), objects.VALUES: '{"n": 1}'},
            "creationTimestamp": "2026-01-01T00:00:00Z",
        }
        return Answer(200, {"metadata": metadata, "spec": {}, "status": {"phase": phase, "nodes": nodes}})

    page = _listed(("w", "w-1-aaaaaa", 1), ("w", "w-1-aaaaaa", 2))
    first = found(1, one, {"a": "Succeeded", "b": "Failed"}, "Failed")
    second = found(2, left, {"b": "Succeeded"}, "Succeeded")
    with serving(page, first, second) as double:
        assert _engine(double, store, tmp_path).find("w") == "w-1-aaaaaa"
    record = store.run("w-1-aaaaaa")
    assert (record.status, record.remote, record.parameters) == ("succeeded", "w-aaaaaa-r2", {"n": 1})
    assert {step.path: (step.status, step.attempts) for step in store.steps("w-1-aaaaaa")} == {
        "a": ("succeeded", 1),
        "b": ("succeeded", 2),
    }


def test_a_workflow_that_couler_did_not_submit_says_so(store: RunStore, tmp_path: Path) -> None:
    page = _listed(("w", "w-1-aaaaaa", 1))
    foreign = {"metadata": {"name": "w-aaaaaa", "labels": {objects.RUN: "w-1-aaaaaa"}}, "spec": {}}
    with serving(page, Answer(200, foreign)) as double, pytest.raises(EngineError, match="not submitted by couler"):
        _engine(double, store, tmp_path).find("w")
