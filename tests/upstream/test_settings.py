"""Settings of workflows and their pods, secrets, and how a workflow is handed over."""

import subprocess
import sys
from collections.abc import Callable
from contextvars import copy_context
from pathlib import Path
from typing import Any

import pytest

import couler.argo as couler
from couler.argo_submitter import (
    _SUBMITTER_IMPL_ENV_VAR_KEY,
    ArgoSubmitter,
    Submission,
    _SubmitterImplTypes,
)
from couler.core import states
from couler.core.errors import DefinitionError
from couler.core.ir import model as ir
from couler.core.ir.text import to_json
from couler.core.templates.dns import DnsConfig, DnsConfigOption
from couler.core.templates.image_pull_secret import ImagePullSecret
from couler.core.templates.toleration import Toleration
from couler.core.templates.volume import Volume, VolumeMount
from couler.core.templates.volume_claim import VolumeClaimTemplate
from couler.core.utils import argo_safe_name, encode_base64
from couler.driver import Run, load_workflow
from tests.upstream.conftest import Built, Keeper


def work(name: str = "work", **keywords: Any) -> Any:
    return couler.run_container(image="a", command=["echo", "done"], step_name=name, **keywords)


@pytest.fixture
def alone() -> Callable[[Callable[[], Any]], Any]:
    """Runs a function in a copy of the context, so that defaults which it sets end with it."""
    return lambda function: copy_context().run(function)


# --- the workflow


def test_settings_of_the_workflow(build: Callable[[], Built]) -> None:
    couler.config_workflow(
        name="nightly", user_id="me", timeout=3600, time_to_clean=3600 * 1.5, service_account="robot",
        cron_config={
            "schedule": "0 3 * * *", "timezone": "UTC", "concurrency_policy": "Forbid", "suspend": "true",
            "successful_jobs_history_limit": 5, "failed_jobs_history_limit": 2,
        },
    )  # fmt: skip
    work()
    found = build().workflow
    assert (found.name, dict(found.labels), found.timeout, found.service_account) == (
        "nightly", {"user": "me"}, 3600, "robot",
    )  # fmt: skip
    assert found.schedule == ir.Schedule(
        cron=("0 3 * * *",), timezone="UTC", concurrency="forbid", suspended=True, starting_deadline=10
    )
    assert found.engine_options["argo"]["ttlStrategy"] == {"secondsAfterCompletion": 5400}
    assert found.engine_options["argo"]["cronWorkflow"] == {
        "successfulJobsHistoryLimit": 5,
        "failedJobsHistoryLimit": 2,
    }


def test_a_workflow_is_named_after_its_file(tmp_path: Path) -> None:
    file = tmp_path / "night_train.py"
    file.write_text("import couler.argo as couler\ncouler.run_container(image='a', command=['b'])\n")
    workflow = load_workflow(file)
    assert (workflow.name, workflow.steps[0].name) == ("night-train", "night-train")


def test_settings_may_come_in_any_order(build: Callable[[], Built]) -> None:
    work()
    couler.config_workflow(timeout=10)
    couler.config_workflow(name="late")
    found = build().workflow
    assert (found.name, found.timeout) == ("late", 10)


@pytest.mark.parametrize("cron", [{}, {"schedule": "0 3 * * *", "timezone": "UTC", "shedule": "x"}])
def test_a_schedule_that_cannot_be_read_is_refused(cron: dict[str, Any]) -> None:
    with pytest.raises(DefinitionError, match="cron_config"):
        couler.config_workflow(cron_config=cron)


def test_defaults_hold_for_every_later_workflow(alone: Callable[[Callable[[], Any]], Any]) -> None:
    keeper = Keeper()

    def declare() -> None:
        couler.config_defaults(name_salter=lambda name: f"{name}-salted", service_account="robot")
        for name in ("one", "two"):
            couler.config_workflow(name=name)
            work()
            couler.run(keeper)
        work()
        couler.run(keeper)

    alone(declare)
    assert [workflow.name for workflow in keeper.workflows][:2] == ["one-salted", "two-salted"]
    assert {workflow.service_account for workflow in keeper.workflows} == {"robot"}


# --- pods


def test_volumes_are_found_by_name_before_and_after_the_step(build: Callable[[], Built]) -> None:
    couler.add_volume(Volume("data", "claim-of-data"))
    mounts = [VolumeMount("data", "/data"), VolumeMount("work", "/work"), VolumeMount("scratch", "/scratch")]
    work(volume_mounts=mounts)
    couler.create_workflow_volume(VolumeClaimTemplate("work", ["ReadWriteMany"], "2Gi"))
    assert build().only.volumes == (
        ir.Volume(path="/data", name="claim-of-data", source="claim"),
        ir.Volume(path="/work", name="work", source="new_claim", size="2Gi", access_mode="ReadWriteMany"),
        ir.Volume(path="/scratch", name="scratch", source="empty"),
    )


def test_a_toleration_is_for_all_steps(build: Callable[[], Built]) -> None:
    work("before", resources={"cpu": 1})
    couler.add_toleration(Toleration("pool", "NoSchedule", "Exists"))
    couler.add_toleration(Toleration("pool", "NoSchedule", "Exists"))
    work("after")
    wanted = (ir.Toleration(key="pool", operator="Exists", effect="NoSchedule"),)
    steps = build().steps
    assert steps["before"].resources == ir.Resources(cpu=1, tolerations=wanted)
    assert steps["after"].resources == ir.Resources(tolerations=wanted)


def test_other_settings_of_pods_are_argos_own(build: Callable[[], Built]) -> None:
    couler.add_image_pull_secret(ImagePullSecret("one"))
    couler.add_image_pull_secret(ImagePullSecret("two"))
    couler.set_dns("None", DnsConfig(["1.2.3.4"], [DnsConfigOption("ndots", "2")], ["example.org"]))
    couler.states.workflow.set_security_context(security_context={"runAsUser": 1000})
    work()
    found = build().workflow.engine_options["argo"]
    assert found["imagePullSecrets"] == ({"name": "one"}, {"name": "two"})
    assert (found["dnsPolicy"], found["securityContext"]) == ("None", {"runAsUser": 1000})
    assert found["dnsConfig"] == {
        "nameservers": ("1.2.3.4",), "options": ({"name": "ndots", "value": "2"},), "searches": ("example.org",),
    }  # fmt: skip


def test_the_current_workflow_has_the_verbs_of_pods(build: Callable[[], Built]) -> None:
    current = states.workflow
    current.name = "mine"
    current.add_volume(Volume("data", "claim"))
    current.add_pvc_template(VolumeClaimTemplate("work", ["ReadWriteOnce"], "1Gi"))
    current.add_toleration(Toleration("a", "NoExecute", "Exists"))
    current.add_image_pull_secret(ImagePullSecret("one"))
    current.set_dns("Default", None)
    work(volume_mounts=[VolumeMount("data", "/data"), VolumeMount("work", "/work")])
    assert current.name == "mine"
    found = build()
    assert [volume.source for volume in found.only.volumes] == ["claim", "new_claim"]
    assert set(found.workflow.engine_options["argo"]) == {"imagePullSecrets", "dnsPolicy"}


def test_cleaning_up_forgets_what_was_declared(build: Callable[[], Built]) -> None:
    work("one")
    states.workflow.cleanup()
    work("two")
    assert list(build().steps) == ["two"]


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: couler.states.workflow.set_security_context("root"),  # type: ignore[arg-type]
        lambda: couler.create_workflow_volume(VolumeClaimTemplate("work", ["Sometimes"], "1Gi")),
        lambda: couler.create_workflow_volume(VolumeClaimTemplate("work", ["ReadWriteOnce"], "much")),
    ],
)
def test_a_setting_that_cannot_be_used_is_refused(wrong: Callable[[], Any]) -> None:
    with pytest.raises(DefinitionError):
        wrong()


def test_the_states_module_knows_no_other_names() -> None:
    with pytest.raises(AttributeError, match="_when_prefix"):
        states._when_prefix  # noqa: B018


# --- secrets


def test_a_secret_is_a_reference_and_its_keys_are_variables(build: Callable[[], Built]) -> None:
    name = couler.obtain_secret(["user", "word"], name="store")
    work(secret=name, env={"TOKEN": couler.secret("other", "token"), "secrets": states._secrets[name].to_env_list()})
    uses = {(use.secret.name, use.secret.key, use.env) for use in build().only.secrets}
    assert uses == {("other", "token", "TOKEN"), ("store", "user", "user"), ("store", "word", "word")}


def test_a_secret_without_values_may_be_created_by_name() -> None:
    assert couler.create_secret({"token": ""}, name="store", dry_run=True, use_existing=True) == "store"
    found = couler.get_secret("store")
    assert repr(found) == "Secret('default', ['token'], name='store')"
    assert couler.get_secret("other") is None


def test_the_value_of_a_secret_is_refused_and_not_repeated() -> None:
    with pytest.raises(DefinitionError) as refused:
        couler.create_secret({"token": "s3cr3t-value"}, name="store")
    assert "kubectl create secret generic store --from-literal=token=…" in refused.value.hint
    assert "obtain_secret(['token'], name='store')" in refused.value.hint
    assert "s3cr3t-value" not in str(refused.value)


def test_the_value_of_a_key_of_a_store_is_refused_and_not_repeated() -> None:
    with pytest.raises(DefinitionError) as refused:
        couler.create_s3_artifact("/a", "bucket", "me", "s3cr3t-value", "key")  # type: ignore[arg-type]
    assert 'accesskey_id=couler.secret("name-of-the-secret", "accesskey_id")' in refused.value.hint
    assert "s3cr3t-value" not in str(refused.value)


@pytest.mark.parametrize("data", ["token", [], {}, [5], 7])
def test_keys_that_are_no_keys_are_refused(data: Any) -> None:
    with pytest.raises(DefinitionError):
        couler.Secret("default", data, name="store")


def test_a_near_name_of_a_secret_is_offered() -> None:
    couler.obtain_secret(["user"], name="store")
    with pytest.raises(DefinitionError, match="did you mean 'store'"):
        work(secret="stroe")


def test_no_value_of_a_secret_is_in_the_text_of_a_workflow(build: Callable[[], Built]) -> None:
    work(secret=couler.obtain_secret(["user"], name="store"))
    assert '"secret"' in to_json(build().workflow)


# --- handing over


def test_a_submitter_gets_the_workflow_and_its_answer_is_returned() -> None:
    keeper = Keeper()
    work()
    assert couler.run(submitter=keeper) == {"metadata": {"name": keeper.workflows[0].name}}


def test_a_class_is_made_a_submitter() -> None:
    class Counting:
        def submit(self, workflow: ir.Workflow) -> int:
            return len(workflow.steps)

    work()
    assert couler.run(Counting) == 1


def test_the_default_submitter_is_used_when_none_is_given(alone: Callable[[Callable[[], Any]], Any]) -> None:
    usual, other = Keeper(), Keeper()

    def declare() -> None:
        couler.set_default_submitter(usual)
        couler.set_default_submitter(None)
        for name, submitter in (("one", None), ("two", other), ("three", None)):
            work(name)
            couler.run(submitter)

    alone(declare)
    assert [[step.name for step in workflow.steps] for workflow in usual.workflows] == [["one"], ["three"]]
    assert len(other.workflows) == 1


def test_without_a_submitter_one_is_asked_for_and_nothing_is_lost(build: Callable[[], Built]) -> None:
    work()
    with pytest.raises(DefinitionError, match="no submitter"):
        couler.run()
    with pytest.raises(DefinitionError, match="cannot submit"):
        couler.run(submitter=5)
    assert list(build().steps) == ["work"]


def test_a_failed_submission_can_be_repeated() -> None:
    class Unreliable(Keeper):
        failures = 1

        def submit(self, workflow: ir.Workflow) -> dict[str, Any]:
            if self.failures:
                self.failures -= 1
                raise ConnectionError("no answer")
            return super().submit(workflow)

    submitter = Unreliable()
    work("first")
    with pytest.raises(ConnectionError):
        couler.run(submitter)
    couler.run(submitter)
    work("second")
    couler.run(submitter)
    assert [[step.name for step in workflow.steps] for workflow in submitter.workflows] == [["first"], ["second"]]


def test_running_nothing_is_refused() -> None:
    with pytest.raises(DefinitionError, match="no step was declared"):
        couler.run(Keeper())
    with pytest.raises(DefinitionError, match="no step was declared"):
        couler.workflow_yaml()


def test_the_submitter_keeps_namespace_and_connection() -> None:
    submitter = ArgoSubmitter("argo", config_file="~/.kube/other", context="test", persist_config=False, trust_env=True)
    assert submitter.namespace == "argo"
    assert submitter.options == {"kubeconfig": "~/.kube/other", "context": "test", "trust_env": True}


def test_names_are_checked_by_upstreams_rule() -> None:
    ArgoSubmitter.check_name("my-workflow")
    for name in ("a" * 46, "a.b", "a_b", "A"):
        with pytest.raises(DefinitionError):
            ArgoSubmitter.check_name(name)


def test_the_answer_of_a_submission_has_upstreams_keys(run_here: Callable[[], Run]) -> None:
    work()
    run = run_here()
    answer = Submission(run, "Workflow", "argo")
    assert answer["metadata"] == {"name": run.id, "namespace": "argo"}
    assert (answer["kind"], answer["apiVersion"], answer.run) == ("Workflow", "argoproj.io/v1alpha1", run)


def test_a_program_is_captured_by_the_command_that_loads_it(tmp_path: Path) -> None:
    file = tmp_path / "program.py"
    file.write_text(
        "import couler.argo as couler\nfrom couler.argo_submitter import ArgoSubmitter\n"
        "couler.run_container(image='a', command=['echo', 'hi'], step_name='say')\n"
        "couler.run(submitter=ArgoSubmitter(namespace='argo'))\n"
    )
    assert [step.name for step in load_workflow(file).steps] == ["say"]


def test_names_that_programs_import() -> None:
    assert (_SUBMITTER_IMPL_ENV_VAR_KEY, _SubmitterImplTypes.GO) == ("SUBMITTER_IMPLEMENTATION", "Go")
    assert couler.WFStatus.Failed.value == "Failed"
    assert couler.ImagePullPolicy.valid("Always")
    assert couler.CronWorkflowCRD.PLURAL == "cronworkflows"
    assert (couler.WorkflowCRD.KIND, couler.OVERWRITE_GPU_ENVS["NVIDIA_VISIBLE_DEVICES"]) == ("Workflow", "")
    assert (argo_safe_name("<a_b.c>"), encode_base64("abc")) == ("a-b-c", "YWJj")
    assert couler.init_yaml_dump() is None  # type: ignore[func-returns-value]
    assert couler.validate_workflow_yaml({}) is None  # type: ignore[func-returns-value]


def test_all_names_exist() -> None:
    assert sorted(couler.__all__) == sorted(set(couler.__all__))
    assert [name for name in couler.__all__ if not hasattr(couler, name)] == []


def test_importing_couler_imports_none_of_it() -> None:
    code = "import sys, couler; print([name for name in sys.modules if 'upstream' in name or name == 'couler.argo'])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_importing_it_loads_no_engine() -> None:
    code = (
        "import sys, couler.argo; "
        "print([n for n in ('sqlalchemy', 'yaml', 'kubernetes', 'rich', 'click') if n in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
