"""What programs declare goes to Argo: its own validator takes it, and its documents say what was asked for."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

import couler as face
import couler.argo as couler
from couler.core.templates.output import Output
from couler.steps import mpi
from tests.conformance.double import in_words, names_of
from tests.conformance.readers.play import play
from tests.engines.argo import schema, validator


def job(name: str, *words: Any, **keywords: Any) -> list[Output]:
    return couler.run_container(image="alpine:3.20", command=["echo"], args=list(words), step_name=name, **keywords)


def branches() -> None:
    result = couler.run_script(image="python:3.12", source="print('heads')", step_name="flip")
    couler.when(couler.equal(result, "heads"), lambda: job("heads"))
    couler.when(couler.bigger(job("number", 5), 4), lambda: job("bigger"))
    couler.concurrent([lambda: job("a"), lambda: [*job("b"), *job("c")]])
    couler.concurrent([lambda: job("d"), lambda: [*job("e"), *job("f")]], subtasks=True)


def repetitions() -> None:
    couler.exec_while(couler.equal("tails"), lambda: couler.run_script("python:3.12", source="print('heads')"))
    found = couler.map(lambda word, number: job("each", word, number), ["a", "b"], [1, 2])
    couler.map(lambda word: job("text", f"{word}!"), ["a", "b"])
    couler.map(lambda word: job("say", job("prepare", word)), ["a", "b"])
    job("all", found)


def files_and_values() -> None:
    reference = couler.secret("store", "key")
    value = couler.create_parameter_artifact("/out/value.txt", is_global=True)
    produced = job("produce", output=value)
    job("consume", produced)
    model = job("train", output=couler.create_local_artifact("/out/model"))
    job(
        "publish",
        input=model,
        output=couler.create_s3_artifact(
            "/tmp/p", bucket="b", key="k", accesskey_id=reference, accesskey_secret=reference
        ),
    )
    job("fetch", input=couler.create_oss_artifact("/in/data", bucket="b", key="k", endpoint="oss.example.org"))


def graph() -> None:
    couler.set_dependencies(lambda: job("A", output=couler.create_parameter_artifact("/out/x")))
    couler.set_dependencies(lambda: job("B"), dependencies=["A"])
    couler.set_dependencies(lambda: job("C"), dependencies="A && (B.Failed || B.Succeeded)")
    couler.set_dependencies(lambda: job("D"), dependencies="B.Failed")
    couler.set_dependencies(lambda: job("E"), dependencies=["D"])
    couler.set_exit_handler(couler.WFStatus.Succeeded, lambda: job("good"))
    couler.set_exit_handler(couler.WFStatus.Failed, lambda: [*job("bad", job("why"))])


def everything_of_a_pod() -> None:
    couler.config_workflow(
        name="pods", user_id="me", timeout=100, time_to_clean=50, service_account="robot",
        cron_config={"schedule": "0 3 * * *", "timezone": "UTC", "failed_jobs_history_limit": 4},
    )  # fmt: skip
    couler.add_volume(couler.Volume("data", "claim"))
    couler.create_workflow_volume(couler.VolumeClaimTemplate("work", ["ReadWriteOnce"], "1Gi"))
    couler.add_toleration(couler.Toleration("pool", "NoSchedule", "Exists"))
    couler.add_image_pull_secret(couler.ImagePullSecret("registry"))
    couler.set_dns("None", couler.DnsConfig(["1.1.1.1"], [couler.DnsConfigOption("ndots", "2")]))
    couler.states.workflow.set_security_context({"runAsUser": 1000})
    job(
        "pod", "x", env={"A": 1}, env_from=[{"configMapRef": {"name": "c"}}],
        secret=couler.obtain_secret(["token"], name="store"), resources={"cpu": 1, "memory": "1Gi"}, timeout=10,
        retry=2, image_pull_policy=couler.ImagePullPolicy.Always, working_dir="/w", node_selector={"a": "b"},
        volume_mounts=[couler.VolumeMount(name, f"/{name}") for name in ("data", "work", "scratch")],
        cache=couler.Cache("cache", "key", "1h"),
    )  # fmt: skip
    couler.run_script(image="bash", command="bash", source="echo hi", image_pull_policy="Never", daemon=True)


def objects() -> None:
    manifest = {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "x"}, "spec": {}}
    (done,) = couler.run_job(manifest, "status.succeeded > 0", "status.failed > 3", step_name="job", env={"A": "b"})
    job("show", done)
    mpi.train(image="horovod", command=["mpirun"], num_workers=2, worker_resources="cpu=1,memory=1024,gpu=1")


PROGRAMS = [branches, repetitions, files_and_values, graph, everything_of_a_pod, objects]


def document() -> dict[str, Any]:
    found = couler.workflow_yaml()
    couler._cleanup()
    return found


@pytest.mark.parametrize("program", PROGRAMS)
def test_argo_takes_what_a_program_declares(program: Callable[[], None]) -> None:
    program()
    found = document()
    assert schema.problems(found) == []
    if not validator.tools_missing():
        assert validator.validate({"w": yaml.safe_dump(found)}) == {"w": ""}


def statuses() -> None:
    couler.set_dependencies(lambda: job("A"))
    couler.set_dependencies(
        lambda: couler.run_container(image="a", command=["sh", "-c", "exit 3"], step_name="B"), dependencies=["A"]
    )
    couler.set_dependencies(lambda: job("C"), dependencies="A && (B.Failed || B.Succeeded)")
    couler.set_dependencies(lambda: job("D"), dependencies="B.Succeeded || A.Failed")
    couler.set_dependencies(lambda: job("E"), dependencies=["D"])
    couler.set_dependencies(lambda: (job("F"), job("G")), dependencies="B.Failed")
    couler.set_exit_handler(couler.WFStatus.Succeeded, lambda: job("good"))
    couler.set_exit_handler(couler.WFStatus.Failed, lambda: [*job("bad", job("why"))])


@pytest.mark.parametrize("program", [branches, repetitions, statuses])
def test_a_program_means_the_same_on_argo(program: Callable[[], None], tmp_path: Path) -> None:
    """On a double of Argo's controller, which plays the compiled documents with processes."""
    program()
    compiled = face.compile(couler.states.workflow.build(), "argo")
    run = couler.run(engine="local", root=tmp_path / ".couler")
    folder = tmp_path / "pods"
    folder.mkdir()
    played = in_words(compiled.workflow, play(compiled.documents, names_of(compiled.workflow), folder, {}, {}, []))
    assert played.status == run.status == "succeeded"
    assert played.steps == {path: step.status for path, step in run.steps.items()}


def template(found: dict[str, Any], name: str) -> dict[str, Any]:
    spec = found["spec"].get("workflowSpec", found["spec"])
    (only,) = (item for item in spec["templates"] if item["name"] == name)
    return dict(only)


def test_settings_of_pods_are_in_the_document() -> None:
    everything_of_a_pod()
    found = document()
    spec, container = found["spec"]["workflowSpec"], template(found, "pod")["container"]
    assert (found["kind"], found["spec"]["schedules"], found["spec"]["failedJobsHistoryLimit"]) == (
        "CronWorkflow", ["0 3 * * *"], 4,
    )  # fmt: skip
    assert spec["ttlStrategy"] == {"secondsAfterCompletion": 50}
    assert spec["securityContext"] == {"runAsUser": 1000}
    assert spec["imagePullSecrets"] == [{"name": "registry"}]
    assert (spec["dnsPolicy"], spec["dnsConfig"]["nameservers"]) == ("None", ["1.1.1.1"])
    assert [claim["metadata"]["name"] for claim in spec["volumeClaimTemplates"]] == ["work"]
    assert template(found, "pod")["tolerations"] == [{"key": "pool", "operator": "Exists", "effect": "NoSchedule"}]
    assert container["envFrom"] == [{"configMapRef": {"name": "c"}}]
    assert {"name": "token", "valueFrom": {"secretKeyRef": {"name": "store", "key": "token"}}} in container["env"]
    assert template(found, "pod")["memoize"] == {
        "key": "key", "maxAge": "1h", "cache": {"configMap": {"name": "cache"}},
    }  # fmt: skip


def test_the_folder_of_an_output_is_mounted() -> None:
    job("produce", output=couler.create_parameter_artifact("/out/value.txt"))
    found = template(document(), "produce")
    assert found["container"]["volumeMounts"] == [{"name": "couler-out-dir-0", "mountPath": "/out"}]
    assert found["volumes"] == [{"name": "couler-out-dir-0", "emptyDir": {}}]


def test_the_document_does_not_end_the_workflow() -> None:
    job("first")
    couler.workflow_yaml()
    job("second")
    names = [task["name"] for task in document()["spec"]["templates"][0]["dag"]["tasks"]]
    assert names == ["first", "second"]


# --- MPI


def test_a_training_with_mpi_has_a_launcher_and_workers() -> None:
    mpi.train(
        image="horovod", command="mpirun", secret=couler.obtain_secret(["token"], name="store"), num_workers=2,
        worker_image="worker", worker_command=["sleep"], launcher_resources="cpu=0.5,disk=2048", timeout=60,
    )  # fmt: skip
    found = document()
    (resource,) = (item["resource"] for item in found["spec"]["templates"] if "resource" in item)
    manifest = yaml.safe_load(resource["manifest"])
    replicas = manifest["spec"]["mpiReplicaSpecs"]
    launcher, worker = (replicas[name]["template"]["spec"]["containers"][0] for name in ("Launcher", "Worker"))
    assert (manifest["apiVersion"], replicas["Worker"]["replicas"]) == ("kubeflow.org/v2beta1", 2)
    assert (launcher["image"], launcher["command"]) == ("horovod", ["mpirun"])
    assert launcher["resources"] == {"limits": {"cpu": "0.5", "ephemeral-storage": "2048Mi"}}
    assert (worker["image"], worker["command"], worker["env"][0]["name"]) == ("worker", ["sleep"], "token")


@pytest.mark.parametrize(
    ("keywords", "words"),
    [
        ({}, "has no image"),
        ({"image": "a", "secret": "store"}, "ran the step without the secret"),
        ({"image": "a", "launcher_resources": "cpus=1"}, "did you mean 'cpu'"),
        ({"image": "a", "launcher_resources": "cpu"}, "is no resource"),
    ],
)
def test_a_training_that_cannot_be_declared_is_refused(keywords: dict[str, Any], words: str) -> None:
    with pytest.raises(couler.CoulerError, match=words):
        mpi.train(**keywords)
