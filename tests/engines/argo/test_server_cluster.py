"""A real argo-server in front of a database: what it adds to a cluster, as couler's client uses it."""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import couler
from couler.backends.argo.client.server import Server
from couler.core.errors import EngineError, NotFoundError
from couler.driver.handle import Run
from tests import postgres
from tests.engines.argo import cluster
from tests.engines.argo.cluster import Cluster
from tests.engines.argo.test_client_cluster import Place, numbers, pipeline, sleeps
from tests.engines.kubernetes.tools import reason_to_skip

WHY_NOT = reason_to_skip(cluster.build) or postgres.reason_missing()
pytestmark = [pytest.mark.skipif(bool(WHY_NOT), reason=WHY_NOT), pytest.mark.timeout(600)]

ARCHIVED = "workflows.argoproj.io/workflow-archiving-status"
TOKEN = "COULER_TOKEN_OF_TESTS"


@pytest.fixture(scope="module")
def running() -> Iterator[Cluster]:
    named = os.environ.get("COULER_TEST_SERVER")
    if named:  # of a cluster that runs already
        yield Cluster(Path(os.environ["COULER_TEST_KUBECONFIG"]), "default", "4.0.7", None, "", (), Path(), named)  # type: ignore[arg-type]
        return
    with cluster.running(with_archive=True) as started:
        yield started


@pytest.fixture
def bare(running: Cluster, tmp_path: Path) -> Place:
    """The cluster without the server."""
    return Place(running, tmp_path)


@pytest.fixture
def place(running: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    """The cluster with the server."""
    monkeypatch.setenv(TOKEN, json.loads(running.kubeconfig.read_text())["users"][0]["user"]["token"])
    found = Place(running, tmp_path)
    found.options |= {"server": running.server, "token": f"env:{TOKEN}"}
    return found


@couler.step
def store(
    text: str, data: couler.OutFile = couler.out("data.txt"), tree: couler.OutFolder = couler.out("tree")
) -> None:
    print("storing", text)  # noqa: T201 - a step's output is its log
    data.write_text(text)
    (tree / "deep").mkdir(parents=True)
    (tree / "deep" / "a.txt").write_text(text)


@couler.workflow
def stores(text: str = "hello") -> Any:
    kept = store(text)
    return {"data": kept.data, "tree": kept.tree, "numbers": numbers(2)}


@couler.workflow
def asks() -> Any:
    couler.suspend(step_name="ask")
    return numbers(2).after("ask")


def _archive(place: Place, run: Run) -> None:
    """Wait until the run's object is in the archive, and delete it."""
    [found] = place.objects(run)
    workflows = f"/apis/argoproj.io/v1alpha1/namespaces/{place.namespace}/workflows"
    name = found["metadata"]["name"]
    place.cluster.api.wait(workflows, name, lambda one: one["metadata"]["labels"].get(ARCHIVED) == "Archived", 60)
    place.cluster.api.delete(f"{workflows}/{name}?propagationPolicy=Foreground")
    end = time.monotonic() + 60
    while place.objects(run) or _pods(place, name):
        assert time.monotonic() < end
        time.sleep(0.5)  # Kubernetes deletes in the background


def _pods(place: Place, workflow: str) -> list[Any]:
    path = f"/api/v1/namespaces/{place.namespace}/pods?labelSelector=workflows.argoproj.io/workflow%3D{workflow}"
    found: list[Any] = place.cluster.api.get(path)["items"]
    return found


# --- steps in the database --------------------------------------------------------------------------------------------


def test_steps_in_the_database_are_read_through_the_server(place: Place, bare: Place) -> None:
    run = place.submit(stores).wait()
    [found] = place.objects(run)
    assert "nodes" not in found["status"]
    assert "compressedNodes" not in found["status"]
    assert run.status == "succeeded"
    assert {path: step.status for path, step in run.steps.items()} == {"store": "succeeded", "numbers": "succeeded"}
    assert run.output("numbers") == [0, 1]


def test_steps_in_the_database_are_asked_for_where_no_server_is_named(bare: Place) -> None:
    run = bare.submit(stores)
    with pytest.raises(EngineError, match="kept in Argo's database") as caught:
        run.wait()
    assert "--server" in caught.value.hint


def test_another_machine_reads_them_too(place: Place, tmp_path: Path) -> None:
    run = place.submit(stores).wait()
    elsewhere = Place(place.cluster, tmp_path / "elsewhere")
    elsewhere.root.mkdir()
    server = ("--engine", "argo", "--server", place.options["server"], "--token", place.options["token"])
    shown = json.loads(elsewhere.say("status", run.id, *server, "-o", "json"))
    assert [step["status"] for step in shown["steps"]] == ["succeeded", "succeeded"]


@pytest.mark.parametrize("decision", ["approve", "reject"])
def test_a_waiting_step_in_the_database_is_decided(decision: str, place: Place) -> None:
    run = place.submit(asks)
    place.until(run, lambda run: "ask" in run.steps and run.steps["ask"].status == "running")
    run.resume(**{decision: "ask"})
    assert run.wait().status == ("succeeded" if decision == "approve" else "failed")


# --- retry ------------------------------------------------------------------------------------------------------------


def test_the_server_retries_a_run_in_its_own_object(place: Place) -> None:
    permit = f"permit-{time.time_ns()}"
    run = place.submit(pipeline, {"permit": permit}).wait()
    assert run.status == "failed"
    first = {path: step.started for path, step in run.steps.items()}
    place.permit(permit)
    place.again(run).retry()
    assert run.status == "succeeded"
    assert run.output("text") == "30 {{workflow.name}} said hello"
    assert run.output("result", "picky") == [0, 10, 20]
    kept = ("numbers", "write", "picky[0]", "picky[2]", "never")
    assert {path: run.steps[path].started for path in kept} == {path: first[path] for path in kept}
    assert len(place.objects(run)) == 1


# --- files and logs ---------------------------------------------------------------------------------------------------


def test_files_and_folders_come_through_the_server(place: Place, tmp_path: Path) -> None:
    run = place.submit(stores, {"text": "kept"}).wait()
    run.file("data", tmp_path / "data.txt")
    run.file("tree", tmp_path / "tree")
    assert (tmp_path / "data.txt").read_text() == "kept"
    assert (tmp_path / "tree" / "deep" / "a.txt").read_text() == "kept"


# --- the archive ------------------------------------------------------------------------------------------------------


def test_a_run_of_which_only_the_archive_knows_is_read_from_it(place: Place, tmp_path: Path) -> None:
    run = place.submit(stores, {"text": "late"})
    name = place.objects(run)[0]["metadata"]["name"]
    workflows = f"/apis/argoproj.io/v1alpha1/namespaces/{place.namespace}/workflows"
    place.cluster.api.wait(workflows, name, lambda one: one.get("status", {}).get("phase") == "Succeeded", 240)
    _archive(place, run)
    assert run.status == "succeeded"
    assert run.output("numbers") == [0, 1]
    run.file("data", tmp_path / "data.txt")
    assert (tmp_path / "data.txt").read_text() == "late"
    assert list(run.logs("store")) == [("store", "storing late")]


def test_an_archived_run_that_failed_is_retried(place: Place) -> None:
    permit = f"permit-{time.time_ns()}"
    run = place.submit(pipeline, {"permit": permit}).wait()
    _archive(place, run)
    place.permit(permit)
    run.retry()
    assert run.status == "succeeded"
    assert run.output("result", "picky") == [0, 10, 20]


def test_a_run_that_is_deleted_while_it_is_followed_ends_as_cancelled(place: Place) -> None:
    run = place.submit(sleeps)
    place.until(run, lambda run: "nap" in run.steps and run.steps["nap"].status == "running")
    told = threading.Event()
    follow = place.again(run)._engine.execute
    follower = threading.Thread(target=follow, args=(run.id, "resume", lambda _: told.set()))
    follower.start()
    assert told.wait(60)
    workflows = f"/apis/argoproj.io/v1alpha1/namespaces/{place.namespace}/workflows"
    place.cluster.api.delete(f"{workflows}/{place.objects(run)[0]['metadata']['name']}")
    follower.join(60)
    assert run.status == "cancelled"
    assert run.steps["nap"].status == "cancelled"


# --- the server itself ------------------------------------------------------------------------------------------------


def test_the_doctor_greets_the_server(place: Place) -> None:
    [check] = [one for one in place.submit(stores)._engine.doctor() if one.check == "argo: server"]
    assert check.state == "ok"
    assert f"argo-server v{place.cluster.argo}" in check.found


def test_refusals_of_the_server_are_told(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    server = Server(place.options["server"], "default", f"env:{TOKEN}")
    with pytest.raises(NotFoundError):
        server.workflow("no-such-workflow")
    assert server.archived("no-such-workflow") is None
    account = "/api/v1/namespaces/default/serviceaccounts/default/token"
    request = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}}
    monkeypatch.setenv(TOKEN, place.cluster.api.create(account, request)["status"]["token"])
    with pytest.raises(EngineError, match="you lack a right there"):
        Server(place.options["server"], "kube-system", f"env:{TOKEN}").workflow("any")
    monkeypatch.setenv(TOKEN, "nobody")
    with pytest.raises(EngineError, match="does not know you"):
        server.workflow("any")
