"""What stands around a task reaches Argo whole, and what Argo cannot do is said."""

from __future__ import annotations

from typing import Any

import pytest

from couler.backends.argo.backend import ArgoBackend
from couler.core.errors import EngineError, UnsupportedFeatureError
from couler.core.ir.model import (
    Backoff,
    Compare,
    Constant,
    ContainerTask,
    Escalation,
    GroupTask,
    JobPredicate,
    JobTask,
    OutputRef,
    Resources,
    Retry,
    RetryOn,
    Schedule,
    SecretRef,
    SecretUse,
    Sidecar,
    Step,
    SuspendTask,
    Toleration,
    Volume,
    Workflow,
)
from couler.driver.prepare import compile, prepare

IMAGE = "python:3.11-slim"
TASK = ContainerTask(image=IMAGE, command=(Constant(value="true"),))


def document(*steps: Step, **attributes: Any) -> dict[str, Any]:
    workflow = prepare(Workflow(name="w", steps=steps, **attributes), "argo", {}).workflow
    return ArgoBackend().document(workflow)


def template(*steps: Step) -> dict[str, Any]:
    """The template of the first of the steps."""
    return next(one for one in document(*steps)["spec"]["templates"] if one["name"] == steps[0].name)


def notes(*steps: Step, engine: str = "argo") -> str:
    return "\n".join(compile(Workflow(name="w", steps=steps), engine).notes)


def step(name: str = "train", **attributes: Any) -> Step:
    return Step(**{"name": name, "task": TASK, **attributes})


def test_resources_are_requested_and_bounded() -> None:
    found = template(step(resources=Resources(cpu=0.5, memory="1Gi", gpu=2, ephemeral_storage="2Gi")))
    amounts = {"cpu": "500m", "memory": "1Gi", "ephemeral-storage": "2Gi", "nvidia.com/gpu": "2"}
    assert found["container"]["resources"] == {"requests": amounts, "limits": amounts}


def test_places_are_chosen() -> None:
    affinity = {"nodeAffinity": {}}
    toleration = Toleration(key="k", operator="Exists", effect="NoExecute", seconds=5)
    wanted = Resources(node_selector={"a": "b"}, affinity=affinity, priority="high", tolerations=(toleration,))
    found = template(step(resources=wanted))
    assert (found["nodeSelector"], found["affinity"], found["priorityClassName"]) == ({"a": "b"}, affinity, "high")
    assert found["tolerations"] == [
        {"key": "k", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 5}
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("volume", "source"),
    [
        (Volume(path="/v", name="data"), {"persistentVolumeClaim": {"claimName": "data"}}),
        (Volume(path="/v", source="empty", size="1Gi"), {"emptyDir": {"sizeLimit": "1Gi"}}),
        (Volume(path="/v", source="host", name="/var"), {"hostPath": {"path": "/var"}}),
        (Volume(path="/v", source="config_map", name="c"), {"configMap": {"name": "c"}}),
        (Volume(path="/v", source="secret", name="s", read_only=True), {"secret": {"secretName": "s"}}),
    ],
)
def test_volumes_of_every_source(volume: Volume, source: dict[str, Any]) -> None:
    found = template(step(volumes=(volume,)))
    assert found["volumes"] == [{"name": "volume-0", **source}]
    [mount] = found["container"]["volumeMounts"]
    assert mount == {"name": "volume-0", "mountPath": "/v", **({"readOnly": True} if volume.read_only else {})}


def new(name: str = "", size: str = "1Gi") -> Volume:
    return Volume(path="/v", source="new_claim", name=name, size=size)


def claims(*steps: Step) -> list[str]:
    return [one["metadata"]["name"] for one in document(*steps)["spec"]["volumeClaimTemplates"]]


def test_steps_share_a_new_volume_by_its_name() -> None:
    assert claims(step("a", volumes=(new("Work"),)), step("b", volumes=(new("Work"),))) == ["work"]


def test_new_volumes_without_a_name_are_each_step_s_own() -> None:
    inner = step("Train_It", volumes=(new(),))
    groups = [Step(name=name, task=GroupTask(steps=(inner,))) for name in ("one", "two")]
    assert claims(*groups) == ["train-it-0", "train-it-0-2"]


def test_steps_that_want_a_new_volume_differently_are_refused() -> None:
    with pytest.raises(EngineError, match="wants the new volume 'work' with 2Gi"):
        claims(step("a", volumes=(new("work"),)), step("b", volumes=(new("work", "2Gi"),)))


def test_a_secret_is_a_variable_and_a_file() -> None:
    found = template(step(secrets=(SecretUse(secret=SecretRef(name="db", key="pw"), env="PW", path="/run/pw"),)))
    assert found["container"]["env"] == [
        {"name": "PW", "valueFrom": {"secretKeyRef": {"name": "db", "key": "pw"}}}
    ]  # fmt: skip
    [volume] = found["volumes"]
    assert volume["secret"] == {"secretName": "db", "items": [{"key": "pw", "path": "value"}]}
    assert found["container"]["volumeMounts"][0]["mountPath"] == "/run/pw"


def test_texts_of_sidecars_are_not_evaluated() -> None:
    sidecar = Sidecar(name="s", image=IMAGE, command=("sh",), args=("{{workflow.name}}",), env={"A": "$(B) {{x}}"})
    [found] = template(step(sidecars=(sidecar,)))["sidecars"]
    assert found["args"] == ["{$(COULER_BRACE)workflow.name}}"]
    assert found["env"] == [
        {"name": "COULER_BRACE", "value": "{"}, {"name": "A", "value": "$$(B) {$(COULER_BRACE)x}}"}
    ]  # fmt: skip


def test_fractions_of_seconds_are_rounded_up() -> None:
    schedule = Schedule(cron=("0 3 * * *",), starting_deadline=1.5)
    made = document(step(timeout=1.2), timeout=2.5, schedule=schedule)
    inner = made["spec"]["workflowSpec"]
    assert (made["spec"]["startingDeadlineSeconds"], inner["activeDeadlineSeconds"]) == (2, 3)
    assert [one["activeDeadlineSeconds"] for one in inner["templates"] if one["name"] == "train"] == ["2"]


def test_a_schedule_is_whole() -> None:
    schedule = Schedule(cron=("0 3 * * *", "0 4 * * *"), timezone="Europe/Berlin", concurrency="forbid", suspended=True)
    spec = document(step(), schedule=schedule)["spec"]
    assert (spec["schedules"], spec["timezone"]) == (["0 3 * * *", "0 4 * * *"], "Europe/Berlin")
    assert (spec["concurrencyPolicy"], spec["suspend"]) == ("Forbid", True)


# --- what Argo does otherwise


@pytest.mark.parametrize("duration", [None, 60])
def test_a_pause_with_a_time_limit_is_refused(duration: float | None) -> None:
    with pytest.raises(UnsupportedFeatureError, match="Argo lets a pause last"):
        template(Step(name="wait", task=SuspendTask(duration=duration), timeout=1))


def test_a_pause_has_fractions_of_seconds() -> None:
    assert template(Step(name="wait", task=SuspendTask(duration=0.5)))["suspend"] == {"duration": "500ms"}


def test_waiting_that_argo_only_comes_near_is_noted() -> None:
    waiting = step(retry=Retry(limit=2, backoff=Backoff(initial=0.5, factor=2.6, maximum=10, jitter=0.1)))
    assert template(waiting)["retryStrategy"]["backoff"] == {"duration": "500ms", "factor": "3", "cap": "10s"}
    found = notes(waiting)
    assert "step 'train' waits 3 times as long each time, not 2.6: factors are whole" in found
    assert "step 'train' waits without jitter" in found
    assert notes(step(retry=Retry(limit=2, backoff=Backoff(initial=1, factor=2, maximum=10)))) == ""


def test_before_argo_3_7_waiting_has_no_bound() -> None:
    waiting = step(retry=Retry(limit=2, backoff=Backoff(initial=1, maximum=10)))
    made = compile(Workflow(name="w", steps=(waiting,)), "argo@3.6")
    assert "cap:" not in made.text
    assert made.problems == ()
    assert made.notes == ("step 'train' may wait longer than 10 seconds: Argo has no bound before 3.7",)


def test_memory_grows_with_each_attempt() -> None:
    only = Retry(
        limit=2, on=RetryOn(out_of_memory=True), escalation=Escalation(memory_factor=1.5, memory_maximum="4Gi")
    )
    found = template(step(resources=Resources(memory="1Gi"), retry=only))
    assert "min(1073741824 * (1.5 ** int(retries)), 4294967296)" in found["podSpecPatch"]
    assert notes(step(resources=Resources(memory="1Gi"), retry=only)) == ""
    more = Retry(limit=2, escalation=Escalation())
    assert "whatever the failure was" in notes(step(resources=Resources(memory="1Gi"), retry=more))


def test_the_address_of_a_daemon_is_noted() -> None:
    assert "{{tasks.train.ip}}" in notes(step(daemon=True))
    assert template(step(daemon=True))["daemon"] is True


def test_descriptions_are_shown_by_argo() -> None:
    about = {"workflows.argoproj.io/description": "Trains { {it}}"}
    group = Step(name="group", description="Trains {{it}}", task=GroupTask(steps=(step("inner"),)))
    asking = Step(name="ask", task=SuspendTask(message="Go on?"))
    assert template(step(description="Trains {{it}}"))["annotations"] == about
    assert template(group)["annotations"] == about
    assert template(asking)["annotations"] == {"workflows.argoproj.io/description": "Go on?"}
    assert "the description of step 'ask' is left out" in notes(asking, engine="argo@3.6")


@pytest.mark.parametrize(("owned", "words"), [(True, "with the workflow"), (False, "by nobody")])
def test_it_is_noted_when_objects_of_jobs_are_deleted(owned: bool, words: str) -> None:
    manifest = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c"}}
    made = (JobPredicate(field="metadata.name", value="c"),)
    job = JobTask(manifest=manifest, success=made, owned=owned, delete_after=True)
    assert f"is deleted {words}" in notes(Step(name="job", task=job))


# --- versions


def skipping() -> tuple[Step, ...]:
    maybe = step("maybe", when=Compare(operator="==", left=Constant(value="a"), right=OutputRef(step="first")))
    last = step("last", inputs=(), env=({"name": "A", "value": OutputRef(step="maybe", default=Constant(value=""))},))
    return step("first"), maybe, last


@pytest.mark.parametrize(
    ("version", "words"), [("4.1", ""), ("4.0", "use 4.0.7 or later"), ("3.7", "use 3.7.16 or later"), ("3.6", "")]
)
def test_releases_that_hang_on_outputs_of_skipped_steps_are_named(version: str, words: str) -> None:
    found = notes(*skipping(), engine=f"argo@{version}")
    assert words in found
    assert ("may be skipped" in found) == bool(words)
    assert "may be skipped" not in notes(step(), engine=f"argo@{version}")
