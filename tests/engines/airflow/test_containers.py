"""What steps run in: pods and containers of Docker, played by processes of this machine.

Neither a cluster nor Docker is needed: Airflow's operators make the pod, or the call of Docker's API, and
`play_steps.py` does what those would do.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from couler.backends.airflow.backend import AirflowBackend
from couler.core import passes
from couler.core.errors import EngineError
from couler.core.ir.model import (
    Constant,
    ContainerTask,
    EnvVar,
    Escalation,
    FunctionTask,
    Input,
    JobOutput,
    JobPredicate,
    JobTask,
    Output,
    OutputRef,
    Resources,
    Retry,
    RetryOn,
    ScriptTask,
    SecretRef,
    SecretUse,
    Sidecar,
    Step,
    Toleration,
    Volume,
    Workflow,
)
from tests.conformance.case import Case
from tests.conformance.catalogue import CASES
from tests.conformance.expected import complete, refused
from tests.conformance.readers.airflow import read
from tests.conformance.shape import differences, shape_of
from tests.engines.airflow import dagbag, installation

SCRIPT = Path(__file__).with_name("play_steps.py")
MODES = ("kubernetes", "docker")
NOT_WRITTEN = {"kubernetes": (": starting_deadline:",), "docker": (": starting_deadline:", ": amounts:", ": volumes:")}
"""What a reader cannot tell from the file: Docker counts memory in bytes, and does not say what a volume is."""
needs_airflow = pytest.mark.skipif(bool(dagbag.reason_to_skip()), reason=dagbag.reason_to_skip())
MAKE = "def make(x, s):\n    return {'n': x + 1, 's': s}\n"
HARD = "$(HOME) $$ $ `id` \"q\" 'q' {{ x }} ünï\n"


@cache
def declared(mode: str) -> Any:
    return AirflowBackend().declaration(options={"airflow_containers": mode})


def compiled(workflow: Workflow, mode: str, **options: Any) -> dict[str, str]:
    workflow = complete(workflow)
    for rewrite, (change, _) in passes.LOWERINGS.items():
        if rewrite in declared(mode).lowered.values():
            workflow = change(workflow)
    return dict(AirflowBackend().compile(workflow, options={"airflow_containers": mode, **options}).documents)


SHARED_VOLUMES = "a-volume-of-two-steps"
"""A case that pods cannot have: claims that a run makes for several of its steps."""
TAKEN = [
    (mode, case)
    for mode in MODES
    for case in CASES.values()
    if not refused(case, declared(mode)) and (mode, case.name) != ("kubernetes", SHARED_VOLUMES)
]


@pytest.mark.parametrize(("mode", "case"), TAKEN, ids=str)
def test_every_case_says_its_shape(mode: str, case: Case) -> None:
    workflow = complete(case.workflow())
    for rewrite, (change, _) in passes.LOWERINGS.items():
        if rewrite in declared(mode).lowered.values():
            workflow = change(workflow)
    made = AirflowBackend().compile(workflow, options={"airflow_containers": mode}).documents
    found = differences(shape_of(workflow), read(made))
    assert [one for one in found if not any(fact in one for fact in NOT_WRITTEN[mode])] == []


def written(folder: Path, cases: Sequence[tuple[str, Case]]) -> list[Path]:
    """The DAG files of cases, each with its folder beside it."""
    found = []
    for mode, case in cases:
        for name, text in compiled(case.workflow(), mode).items():
            file = folder / mode / case.name / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text, encoding="utf-8")
            found += [file] if "/" not in name else []
    return found


def test_a_formatter_leaves_the_dag_files_as_they_are(tmp_path: Path) -> None:
    files = written(tmp_path, TAKEN)
    for words in (["format", "--check", "--line-length=120"], ["check", "--preview", "--select=AIR,F,E9"]):
        command, *options = words
        done = subprocess.run(
            [sys.executable, "-m", "ruff", command, "--isolated", *options, *files], capture_output=True, text=True
        )
        assert done.returncode == 0, done.stdout[-3000:]


@needs_airflow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("mode", MODES)
def test_airflow_reads_the_dag_files_without_errors_and_warnings(mode: str, tmp_path: Path) -> None:
    found = dagbag.read(written(tmp_path, [pair for pair in TAKEN if pair[0] == mode][::5]))
    assert {file: (one.errors, one.warnings) for file, one in found.items() if one.errors or one.warnings} == {}
    assert {file: len(one.dags) for file, one in found.items() if len(one.dags) != 1} == {}


# --- played ----------------------------------------------------------------------------------------------------------


def value(of: Any) -> Constant:
    return Constant(value=of)


def function(name: str, source: str, **more: Any) -> Step:
    return Step(name=name, task=FunctionTask(source=source, entry=name), **more)


def sh(name: str, command: str, *args: Any, **more: Any) -> Step:
    words = tuple(map(value, ("sh", "-c", command, "sh")))
    return Step(name=name, task=ContainerTask(image="alpine:3.20", command=words, args=args), **more)


def played(mode: str, folder: Path, *steps: Step, kubeconfig: Path | None = None, **options: Any) -> dict[str, Any]:
    """What comes of steps that are played, or, with a kubeconfig, run in a cluster."""
    for name, text in compiled(Workflow(name="played", steps=steps), mode, **options).items():
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
    settings = {
        "HOME": str(folder), "AIRFLOW_HOME": str(folder), "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{folder}/nowhere/airflow.db",
    }  # fmt: skip
    if kubeconfig is not None:
        extra = {
            "kube_config_path": str(kubeconfig),
            "in_cluster": False,
            "xcom_sidecar_container_image": "alpine:3.20",
        }
        settings["AIRFLOW_CONN_KUBERNETES_DEFAULT"] = json.dumps({"conn_type": "kubernetes", "extra": extra})
    done = subprocess.run(
        [installation.build() / "bin/python", "-I", SCRIPT],
        input=json.dumps({"file": str(folder / "played.py"), "containers": "cluster" if kubeconfig else mode}),
        env={**installation.clean_environment(), **settings}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@needs_airflow
@pytest.mark.parametrize("mode", MODES)
def test_results_of_functions_scripts_and_containers_come_back_as_they_are(mode: str, tmp_path: Path) -> None:
    inputs = (Input(name="x", value=value(3), type="int"), Input(name="s", value=value(HARD)))
    hard = OutputRef(step="make", output="result", path=("s",))
    outputs = (Output(name="n", type="int", path="n.json"), Output(name="result", type="str"))
    source = 'echo "$1"\nprintf 5 > n.json\n'
    made = function("make", MAKE, inputs=inputs)
    shown = sh("show", 'printf "%s|%s" "$1" "$T"; echo told >&2', hard, env=(EnvVar(name="T", value=value(HARD)),))
    task = ScriptTask(source=source, interpreter=("sh",), args=(value(HARD),))
    script = Step(name="script", task=task, outputs=outputs)
    found = played(mode, tmp_path, made, shown, script)
    assert found["make"]["outputs"] == {"result": {"n": 4, "s": HARD}}
    assert found["show"]["outputs"] == {"result": f"{HARD}|{HARD}".removesuffix("\n")}
    assert found["script"]["outputs"] == {"n": 5, "result": HARD}


@needs_airflow
@pytest.mark.parametrize("mode", MODES)
def test_files_go_from_step_to_step(mode: str, tmp_path: Path) -> None:
    (tmp_path / "files").mkdir()
    place = f"claim://shared{tmp_path}/files"
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    outputs = (
        Output(name="near", type="file", path="near.txt"), Output(name="far", type="file", path=f"{elsewhere}/far.txt"),
        Output(name="all", type="folder", path="all"),
    )  # fmt: skip
    inputs = tuple(
        Input(name=name, type=kind, path=path, value=OutputRef(step="write", output=name))
        for name, kind, path in (("near", "file", "in.txt"), ("far", "file", "far.txt"), ("all", "folder", "in/all"))
    )
    read = "def read(near, all):\n    return near.read_text() + (all / 'a.txt').read_text()\n"
    found = played(
        mode, tmp_path / "dags",
        sh("write", f"echo near > near.txt; echo far > {elsewhere}/far.txt; echo a > all/a.txt", outputs=outputs),
        sh("show", "cat in.txt far.txt in/all/a.txt", inputs=inputs),
        function("read", read, inputs=(inputs[0], inputs[2])),
        artifacts=place,
    )  # fmt: skip
    assert found["show"]["outputs"] == {"result": "near\nfar\na"}
    assert found["read"]["outputs"] == {"result": "near\na\n"}
    assert list((tmp_path / "files").glob("attempts/*")) == []


@needs_airflow
@pytest.mark.parametrize("mode", MODES)
def test_failures_are_told_as_elsewhere(mode: str, tmp_path: Path) -> None:
    selective = Retry(limit=1, on=RetryOn(errors=("ValueError",)))
    found = played(
        mode, tmp_path,
        sh("code", "exit 3"),
        sh("killed", "exit 137"),
        function("raises", "def raises():\n    raise ValueError('no')\n"),
        function("chosen", "def chosen():\n    raise ValueError('no')\n", retry=selective),
        sh("unwritten", "true", outputs=(Output(name="n", type="int", path="n.json"),)),
        function("wrong", "def wrong():\n    return 'x'\n", outputs=(Output(name="result", type="int"),)),
    )  # fmt: skip
    assert (found["code"]["error"], found["code"]["kinds"]) == ("exit code 3", ["ExitCode"])
    assert (found["killed"]["error"], found["killed"]["kinds"]) == ("exit code 137", ["OutOfMemory"])
    assert found["raises"]["error"] == "ValueError: no"
    assert found["chosen"]["kinds"] == ["ValueError"]
    assert "without writing its output 'n'" in found["unwritten"]["error"]
    assert "output 'result'" in found["wrong"]["error"]


@needs_airflow
def test_a_pod_has_what_the_step_asks_for(tmp_path: Path) -> None:
    step = sh(
        "show", 'test -n "$PW"',
        resources=Resources(
            cpu=0.5, memory="1Gi", gpu=1, node_selector={"disk": "ssd"}, tolerations=(Toleration(key="gpu"),),
            affinity={"nodeAffinity": {}}, priority="high",
        ),
        labels={"team": "x"}, service_account="writer",
        secrets=(SecretUse(secret=SecretRef(name="db", key="pw"), env="PW", path="pw.txt"),),
        volumes=(
            Volume(path="/data", name="data", read_only=True),
            Volume(path="/scratch", source="empty", size="1Gi"),
            Volume(path="/new", source="new_claim", size="2Gi"),
        ),
        sidecars=(Sidecar(name="redis", image="redis:7", args=("$(X)",)),),
    )  # fmt: skip
    found = played("kubernetes", tmp_path, step)["show"]
    assert found["outputs"] == {"result": ""}
    pod = found["made"]["spec"]
    base, redis, xcom = pod["containers"]
    amounts = {"cpu": "500m", "memory": "1Gi", "nvidia.com/gpu": "1"}
    assert base["resources"] == {"requests": amounts, "limits": amounts}
    assert (redis["image"], redis["args"], xcom["name"]) == ("redis:7", ["$$(X)"], "airflow-xcom-sidecar")
    assert (pod["nodeSelector"], pod["tolerations"]) == ({"disk": "ssd"}, [{"key": "gpu", "operator": "Equal"}])
    assert (pod["serviceAccountName"], pod["priorityClassName"]) == ("writer", "high")
    assert found["made"]["metadata"]["labels"]["team"] == "x"
    assert {"name": "PW", "valueFrom": {"secretKeyRef": {"name": "db", "key": "pw"}}} in base["env"]
    mounts = {one["mountPath"]: one for one in base["volumeMounts"]}
    assert mounts["/data"]["readOnly"]
    assert mounts["/tmp/couler/work/pw.txt"]["subPath"] == "value"
    sources = [next(key for key in one if key != "name") for one in pod["volumes"]]
    assert sources == ["emptyDir", "persistentVolumeClaim", "emptyDir", "ephemeral", "secret"]


@needs_airflow
def test_memory_grows_after_running_out_of_it(tmp_path: Path) -> None:
    retry = Retry(limit=3, escalation=Escalation(memory_factor=2, memory_maximum="3Gi"))
    step = sh("hungry", "exit 137", resources=Resources(memory="1Gi"), retry=retry)
    found = played("kubernetes", tmp_path, step)["hungry"]
    memories = [one["made"]["spec"]["containers"][0]["resources"]["limits"]["memory"] for one in found["tries"]]
    assert memories == ["1Gi", str(2 << 30), str(3 << 30), str(3 << 30)]


@needs_airflow
def test_a_pod_that_the_cluster_ends_is_lost(tmp_path: Path) -> None:
    found = played("kubernetes", tmp_path, sh("gone", "exit 99", retry=Retry(limit=1, on=RetryOn(lost=True))))["gone"]
    assert (found["error"], found["kinds"]) == ("the pod was lost: Evicted", ["lost"])


@needs_airflow
def test_a_pod_that_takes_too_long_is_told_as_that(tmp_path: Path) -> None:
    found = played("kubernetes", tmp_path, sh("slow", "sleep 100", timeout=1))["slow"]
    assert (found["error"], found["kinds"]) == ("ran longer than 1 s and was ended", ["Timeout", "TimeoutError"])


@needs_airflow
def test_a_container_without_a_command_keeps_that_of_its_image(tmp_path: Path) -> None:
    step = Step(name="own", task=ContainerTask(image="tool:1", args=(value("true"),)))
    found = played("kubernetes", tmp_path, step)["own"]
    (base,) = found["made"]["spec"]["containers"]
    assert "command" not in base or not base["command"]
    assert (base["args"], base["workingDir"]) == (["true"], "/tmp/couler/work")
    assert found["outputs"] == {}


def job(*states: Any, **more: Any) -> Step:
    metadata = {"generateName": "w-", "annotations": {"played": json.dumps(states)}}
    manifest = {"apiVersion": "batch/v1", "kind": "Job", "metadata": metadata, "spec": {}}
    task = JobTask(
        manifest=manifest,
        success=(JobPredicate(field="status.succeeded", operator=">=", value=2),),
        failure=(JobPredicate(condition="Failed"),),
        outputs=(JobOutput(name="count", field="status.succeeded", type="int"),),
        **more,
    )
    return Step(name="job", task=task)


@needs_airflow
def test_an_object_is_watched_until_it_has_done_its_work(tmp_path: Path) -> None:
    found = played("kubernetes", tmp_path, job({}, {"succeeded": 1}, {"succeeded": 2}, delete_after=True))["job"]
    assert found["outputs"] == {"count": 2}
    assert found["made"]["asked"] == ["create", "get made", "get made", "get made", "delete made"]


@needs_airflow
def test_an_object_that_failed_fails_its_step(tmp_path: Path) -> None:
    failed = {"conditions": [{"type": "Failed", "status": "True"}]}
    found = played("kubernetes", tmp_path, job({}, failed))["job"]
    assert found["error"] == "the Job failed: :Failed == True"


@needs_airflow
def test_docker_gets_limits_gpus_and_volumes(tmp_path: Path) -> None:
    step = sh("show", "true", resources=Resources(memory="1Gi", gpu=2), labels={"team": "x"},
              volumes=(Volume(path="/data", source="host", name=str(tmp_path)),))  # fmt: skip
    made = played("docker", tmp_path, step)["show"]["made"]
    assert (made["mem_limit"], made["gpus"][0]["Count"], made["labels"]) == (1 << 30, 2, {"team": "x"})
    assert "/data" in made["mounts"]
    assert made["removed"]


# --- refused, and said -----------------------------------------------------------------------------------------------


def test_processes_say_what_they_leave_to_the_worker() -> None:
    step = Step(
        name="train", task=FunctionTask(source="", entry="f", image="torch:2"), resources=Resources(memory="1Gi")
    )
    emitted = AirflowBackend().compile(Workflow(name="w", steps=(step,)))
    images, amounts = emitted.notes
    assert "images of 'train'" in images
    assert "resources of 'train'" in amounts
    assert 'image="torch:2"' in emitted.documents["w.py"]
    assert 'resources={"ram": 1024}' in emitted.documents["w.py"]


def test_outputs_of_an_image_s_own_command_cannot_be_had_from_a_pod() -> None:
    own = Step(name="own", task=ContainerTask(image="tool:1", args=(value("x"),)))
    reader = sh("show", "true", OutputRef(step="own", output="result"))
    for steps, told in (((own,), ()), ((own, reader), ("step 'own' has no command, so its outputs cannot be had",))):
        found = AirflowBackend().compile(Workflow(name="w", steps=steps), options={"airflow_containers": "kubernetes"})
        assert [one[: len(text)] for one, text in zip(found.problems, told, strict=True)] == list(told)


def test_a_new_volume_that_steps_share_is_refused_with_what_to_do() -> None:
    step = sh("show", "true", volumes=(Volume(path="/new", source="new_claim", name="shared", size="1Gi"),))
    with pytest.raises(EngineError, match="no claims that outlive a pod"):
        compiled(Workflow(name="w", steps=(step,)), "kubernetes")


def test_what_steps_run_in_is_one_of_three() -> None:
    with pytest.raises(EngineError, match="cannot run in 'podman'"):
        AirflowBackend().declaration(options={"airflow_containers": "podman"})
