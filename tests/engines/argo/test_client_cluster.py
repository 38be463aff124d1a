"""The engine on a real cluster: from submission to the end, and whatever may happen on the way."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import couler
from couler.backends.argo.client import objects
from couler.driver.handle import Run
from couler.runs import EventRecord
from tests.engines.argo import cluster
from tests.engines.argo.cluster import Cluster
from tests.engines.kubernetes.tools import reason_to_skip

WHY_NOT = reason_to_skip(cluster.build)
pytestmark = [pytest.mark.skipif(bool(WHY_NOT), reason=WHY_NOT), pytest.mark.timeout(600)]

IMAGE = "alpine:3.20"
AGE = 15
"""Seconds after which Argo takes a pod that vanishes for lost; younger ones it makes again at once."""
NAP = 20
WORKFLOWS = "/apis/argoproj.io/v1alpha1/namespaces/{}/workflows"


class Place:
    """One namespace of a cluster, a folder, and ways to use couler with both."""

    def __init__(self, running: Cluster, root: Path, namespace: str = "default") -> None:
        self.cluster = running
        self.root = root
        self.namespace = namespace
        self.options: dict[str, Any] = {
            "root": root / ".couler",
            "kubeconfig": str(running.kubeconfig),
            "namespace": namespace,
        }

    def submit(self, workflow: Any, parameters: dict[str, Any] | None = None) -> Run:
        return couler.submit(workflow, parameters, engine="argo", **self.options)

    def again(self, run: Run) -> Run:
        """The same run as another process sees it."""
        return couler.get_run(run.id, **self.options)

    def cli(self, *words: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "couler", *words, "--root", str(self.options["root"])]
        environment = {
            **os.environ,
            "COULER_KUBECONFIG": self.options["kubeconfig"],
            "COULER_NAMESPACE": self.namespace,
        }
        return subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=self.root, env=environment
        )

    def say(self, *words: str) -> str:
        """What a verb prints; it must end well."""
        process = self.cli(*words)
        text = process.communicate(timeout=300)[0]
        assert process.returncode == 0, text
        return text

    def objects(self, run: Run) -> list[dict[str, Any]]:
        path = f"{WORKFLOWS.format(self.namespace)}?labelSelector={objects.RUN}%3D{run.id}"
        found: list[dict[str, Any]] = self.cluster.api.get(path)["items"]
        return found

    def until(self, run: Run, holds: Callable[[Run], bool], seconds: float = 240) -> None:
        end = time.monotonic() + seconds
        while not holds(run):
            assert time.monotonic() < end, run.to_dict()
            time.sleep(0.5)  # the cluster tells nobody here

    def permit(self, name: str) -> None:
        """Make the ConfigMap for which `picky` looks."""
        path = f"/api/v1/namespaces/{self.namespace}/configmaps"
        self.cluster.api.create(path, {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}})


@pytest.fixture(scope="module")
def running() -> Iterator[Cluster]:
    named = os.environ.get("COULER_TEST_KUBECONFIG")
    if named:  # one that runs already
        yield Cluster(Path(named), "default", "", None, "", (), Path())  # type: ignore[arg-type]
        return
    with cluster.running() as started:
        yield started


@pytest.fixture
def place(running: Cluster, tmp_path: Path) -> Place:
    return Place(running, tmp_path, os.environ.get("COULER_TEST_NAMESPACE", "default"))


# --- programs -------------------------------------------------------------------------------------------------------


@couler.step
def numbers(count: int) -> list[int]:
    print("counting to", count)  # noqa: T201 - a step's output is its log
    return list(range(count))


@couler.step
def write(text: str, data: couler.OutFile = couler.out("data.txt")) -> None:
    data.write_text(text)


@couler.step
def picky(x: int, permit: str) -> int:
    """Fails for 1 as long as a ConfigMap is missing."""
    import os
    import ssl
    import urllib.request
    from pathlib import Path

    if x == 1:
        folder = "/var/run/secrets/kubernetes.io/serviceaccount/"
        namespace, token = (Path(folder + name).read_text() for name in ("namespace", "token"))
        host = os.environ["KUBERNETES_SERVICE_HOST"] + ":" + os.environ["KUBERNETES_SERVICE_PORT"]
        url = "https://" + host + "/api/v1/namespaces/" + namespace + "/configmaps/" + permit
        request = urllib.request.Request(url, headers={"Authorization": "Bearer " + token})
        urllib.request.urlopen(request, context=ssl._create_unverified_context()).read()
    return x * 10


@couler.step
def together(values: list[int], path: couler.InFile) -> str:
    return f"{sum(values)} {path.read_text()}"


@couler.workflow
def pipeline(permit: str = "none", count: int = 3) -> dict[str, Any]:
    listed = numbers(count)
    note = write("{{workflow.name}} said hello")
    values = picky.map(listed, permit=permit)
    with couler.when(listed[0] > 5):
        numbers(1).named("never")
    return {"text": together(values, note.data), "listed": listed, "note": note.data}


@couler.workflow
def sleeps(seconds: int = 600) -> Any:
    first = couler.run_container(IMAGE, ["sh", "-c", "echo started; exec sleep $0"], [seconds], step_name="nap")
    with couler.on_exit():
        couler.run_container(IMAGE, ["echo", "goodbye"], step_name="goodbye")
    return first


@couler.workflow
def asks() -> Any:
    couler.suspend(step_name="ask")
    return numbers(2).after("ask")


@couler.workflow
def naps() -> Any:
    result = None
    for number in range(4):
        step = couler.run_container(IMAGE, ["sh", "-c", "echo line; sleep 2; echo last"], step_name=f"nap-{number}")
        result = step if result is None else step.after(result)
        result = step
    return result


def _naps_done(run: Run) -> int:
    return sum(step.status == "succeeded" for step in run.steps.values())


# --- from submission to the end --------------------------------------------------------------------------------------


def test_a_run_that_failed_is_retried_and_ends_as_if_it_never_had(place: Place) -> None:
    permit = f"permit-{time.time_ns()}"
    run = place.submit(pipeline, {"permit": permit}).wait()
    assert run.status == "failed"
    assert run.steps["picky[1]"].status == "failed"
    assert run.steps["together"].status == "cancelled"
    assert "HTTPError" in run.record.message or "HTTP Error 404" in run.record.message
    first = {path: step.started for path, step in run.steps.items()}
    place.permit(permit)
    place.again(run).retry()
    assert run.status == "succeeded"
    assert run.output("text") == "30 {{workflow.name}} said hello"
    assert run.output("listed") == [0, 1, 2]
    assert run.output("note")["url"].endswith("/data.txt")
    kept = ("numbers", "write", "picky[0]", "picky[2]", "never")
    assert {path: run.steps[path].started for path in kept} == {path: first[path] for path in kept}
    assert run.output("result", "picky") == [0, 10, 20]
    assert [(one.number, one.status) for one in run.attempts("picky[1]")] == [(1, "failed"), (2, "succeeded")]
    assert len(place.objects(run)) == 2


def test_another_machine_finds_the_run_by_the_name_of_its_workflow(place: Place, tmp_path: Path) -> None:
    run = place.submit(naps).wait()
    elsewhere = Place(place.cluster, tmp_path / "elsewhere", place.namespace)
    elsewhere.root.mkdir()
    shown = json.loads(elsewhere.say("status", run.id, "--engine", "argo", "-o", "json"))
    assert shown["status"] == "succeeded"
    assert [step["path"] for step in shown["steps"]] == ["nap-0", "nap-1", "nap-2", "nap-3"]
    by_name = json.loads(elsewhere.say("status", "naps", "--engine", "argo", "-o", "json"))
    assert by_name["workflow"] == "naps"
    assert run.id in elsewhere.say("list", "--engine", "argo", "-o", "name")
    assert elsewhere.say("logs", run.id, "--step", "nap-2") == "line\nlast\n"


def test_logs_are_followed_while_the_run_goes(place: Place) -> None:
    run = place.submit(naps)
    lines = list(run.logs(follow=True))
    assert lines == [(f"nap-{number}", line) for number in range(4) for line in ("line", "last")]


# --- requests --------------------------------------------------------------------------------------------------------


def test_stop_cancels_what_runs_and_lets_exit_handlers_run(place: Place) -> None:
    run = place.submit(sleeps)
    place.until(run, lambda run: run.steps.get("nap") is not None and run.steps["nap"].status == "running")
    place.again(run).stop()
    run.wait()
    assert run.status == "cancelled"
    assert {path: step.status for path, step in run.steps.items()} == {"nap": "cancelled", "goodbye": "succeeded"}


def test_terminate_ends_a_run_without_its_exit_handlers(place: Place) -> None:
    run = place.submit(sleeps)
    place.until(run, lambda run: "nap" in run.steps and run.steps["nap"].status == "running")
    assert "asked run" in place.say("stop", run.id, "--now")
    assert run.wait().status == "cancelled"
    assert run.steps["goodbye"].status in ("cancelled", "skipped") if "goodbye" in run.steps else True


@pytest.mark.parametrize("decision", ["approve", "reject"])
def test_a_waiting_step_is_approved_or_rejected(decision: str, place: Place) -> None:
    run = place.submit(asks)
    place.until(run, lambda run: "ask" in run.steps and run.steps["ask"].status == "running")
    place.say("resume", run.id, f"--{decision}", "ask") if decision == "approve" else run.resume(reject="ask")
    assert run.wait().status == ("succeeded" if decision == "approve" else "failed")
    assert run.steps["ask"].status == ("succeeded" if decision == "approve" else "failed")
    assert run.steps["numbers"].status == ("succeeded" if decision == "approve" else "cancelled")


def test_a_suspended_run_starts_nothing_until_it_is_resumed(place: Place) -> None:
    run = place.submit(naps)
    run.suspend()
    place.until(run, lambda run: run.status == "suspended")
    place.again(run).resume()
    assert run.status == "succeeded"


def test_a_deleted_run_leaves_nothing_behind(place: Place) -> None:
    run = place.submit(numbers_only, {}).wait()
    assert place.objects(run)
    place.say("delete", run.id)
    place_left = lambda: place.objects(run)  # noqa: E731 - asked again and again
    end = time.monotonic() + 60
    while place_left() and time.monotonic() < end:
        time.sleep(0.5)  # Kubernetes deletes in the background
    assert place_left() == []


@couler.workflow
def numbers_only() -> Any:
    return numbers(2)


# --- what may happen -------------------------------------------------------------------------------------------------


def test_two_followers_tell_the_same_and_store_each_end_once(place: Place) -> None:
    run = place.submit(naps)
    seen: dict[int, list[EventRecord]] = {0: [], 1: []}
    handles = [place.again(run), place.again(run)]
    threads = [
        threading.Thread(target=lambda n=n: handles[n]._engine.execute(run.id, "resume", seen[n].append))  # type: ignore[misc]
        for n in (0, 1)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    ends = [{event.path for event in told if event.data["status"] == "succeeded"} for told in seen.values()]
    assert ends[0] == ends[1] == {"nap-0", "nap-1", "nap-2", "nap-3"}
    assert [event.kind for event in run.events()].count("run-ended") == 1


def test_a_killed_follower_is_replaced_by_another_process(place: Place, tmp_path: Path) -> None:
    run = place.submit(naps)
    follower = place.cli("wait", run.id)
    place.until(run, lambda run: _naps_done(run) >= 1)
    follower.send_signal(signal.SIGKILL)
    follower.communicate()
    assert follower.returncode == -signal.SIGKILL
    assert "succeeded" in place.say("wait", run.id)
    assert _naps_done(run) == 4


def test_ctrl_c_leaves_the_run_to_the_cluster_and_says_so(place: Place) -> None:
    (place.root / "nap.py").write_text(
        "import couler\n\n\n@couler.workflow\ndef nap():\n"
        f"    couler.run_container({IMAGE!r}, ['sleep', '8'], step_name='one')\n"
    )
    process = place.cli("run", "nap.py", "--engine", "argo")
    store = place.options["root"] / "runs.db"
    end = time.monotonic() + 120
    while time.monotonic() < end and not (store.exists() and _remote_of_latest(place)):
        time.sleep(0.2)  # the other process tells nobody
    process.send_signal(signal.SIGINT)
    text = process.communicate(timeout=60)[0]
    assert process.returncode == 130, text
    assert "goes on on the cluster" in text
    assert couler.get_run(**place.options).wait().status == "succeeded"


def _remote_of_latest(place: Place) -> str:
    runs = couler.list_runs(root=place.options["root"])
    return runs[0].remote if runs else ""


def test_a_cluster_that_is_away_for_a_while_is_waited_for(place: Place) -> None:
    with _gate(place.cluster.kubeconfig, place.root) as gate:
        place.options["kubeconfig"] = str(gate.kubeconfig)
        run = place.submit(naps)
        place.until(run, lambda run: _naps_done(run) >= 1)
        done = threading.Event()
        ended: list[str] = []

        def follow() -> None:
            ended.append(place.again(run)._engine.execute(run.id, "resume"))
            done.set()

        follower = threading.Thread(target=follow)
        follower.start()
        gate.close()
        assert not done.wait(3.0)
        gate.open()
        follower.join(300)
    assert ended == ["succeeded"]


@pytest.mark.parametrize("loss", ["deleted", "evicted"])
def test_the_work_of_a_lost_pod_is_done_again(loss: str, place: Place) -> None:
    workflow = couler.workflow(name="lost-pod")(_lost_pod)
    run = place.submit(workflow)
    place.until(run, lambda run: any(time.time() - (one.started or 0) > AGE for one in run.attempts("nap")))
    pod = run.attempts("nap")[0].process
    path = f"/api/v1/namespaces/{place.namespace}/pods/{pod}"
    if loss == "deleted":
        place.cluster.api.delete(f"{path}?gracePeriodSeconds=0")
    else:
        metadata = {"name": pod, "namespace": place.namespace}
        eviction = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": metadata}
        place.cluster.api.create(f"{path}/eviction", eviction)
    assert run.wait().status == "succeeded"
    *before, last = run.attempts("nap")  # Argo makes the pod again within the attempt, or the step is tried again
    assert last.status == "succeeded"
    assert all(one.error in ("Lost", "ExitCode") for one in before)
    assert (run.steps["nap"].ended or 0) - (run.steps["nap"].started or 0) > AGE + NAP - 5


def _lost_pod() -> Any:
    return couler.run_container(IMAGE, ["sleep", str(NAP)], step_name="nap").with_(retry=couler.retry(2))


def test_an_exceeded_quota_is_waited_for(place: Place) -> None:
    name = f"quota-{time.time_ns()}"
    if place.cluster.s3 is None:
        pytest.skip("needs a namespace of its own")
    place.cluster.prepare_namespace(name)
    place.cluster.api.create(
        f"/api/v1/namespaces/{name}/resourcequotas",
        {
            "apiVersion": "v1",
            "kind": "ResourceQuota",
            "metadata": {"name": "few"},
            "spec": {"hard": {"count/workflows.argoproj.io": "0"}},
        },
    )
    small = Place(place.cluster, place.root, name)
    threading.Timer(
        3.0, lambda: place.cluster.api.delete(f"/api/v1/namespaces/{name}/resourcequotas/few")
    ).start()  # fmt: skip
    assert small.submit(numbers_only).record.remote


# --- a door before the cluster ---------------------------------------------------------------------------------------


class _Gate:
    """A port that leads to the cluster while it is open, and drops every connection when it is closed."""

    def __init__(self, target: tuple[str, int], kubeconfig: Path) -> None:
        import socket

        self.target = target
        self.kubeconfig = kubeconfig
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.pairs: list[tuple[Any, Any]] = []
        self.is_open = True
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        import socket

        while True:
            try:
                outside, _ = self.listener.accept()
            except OSError:
                return
            if not self.is_open:
                outside.close()
                continue
            inside = socket.create_connection(self.target)
            self.pairs.append((outside, inside))
            for source, sink in ((outside, inside), (inside, outside)):
                threading.Thread(target=self._pass, args=(source, sink), daemon=True).start()

    @staticmethod
    def _pass(source: Any, sink: Any) -> None:
        try:
            while data := source.recv(65536):
                sink.sendall(data)
        except OSError:
            pass

    def open(self) -> None:
        self.is_open = True

    def close(self) -> None:
        import contextlib
        import socket

        self.is_open = False
        for pair in self.pairs:
            for one in pair:
                with contextlib.suppress(OSError):
                    one.shutdown(socket.SHUT_RDWR)
                one.close()
        self.pairs.clear()

    def __enter__(self) -> _Gate:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
        self.listener.close()


def _gate(kubeconfig: Path, folder: Path) -> _Gate:
    from urllib.parse import urlsplit

    config = json.loads(kubeconfig.read_text())
    server = urlsplit(config["clusters"][0]["cluster"]["server"])
    gate = _Gate((server.hostname or "", server.port or 443), folder / "gate.json")
    config["clusters"][0]["cluster"]["server"] = f"https://127.0.0.1:{gate.listener.getsockname()[1]}"
    gate.kubeconfig.write_text(json.dumps(config))
    return gate
