"""Every keyword of the steps does what its name says."""

from collections.abc import Callable
from typing import Any

import pytest

import couler.argo as couler
from couler.core.dsl.jobs import predicates
from couler.core.errors import DefinitionError
from couler.core.ir import model as ir
from couler.core.templates.output import OutputArtifact, OutputEmpty, OutputJob, OutputParameter, OutputScript
from couler.driver import Run
from tests.upstream.conftest import Built

LIMIT = 3


def hello() -> None:
    print("hello")  # noqa: T201 - what a script returns


def uses_its_module() -> None:
    print(LIMIT)  # noqa: T201


def statuses(run: Run) -> dict[str, str]:
    return {path: step.status for path, step in run.steps.items()}


def results(run: Run) -> dict[str, Any]:
    return {path: (step.outputs or {}).get("result") for path, step in run.steps.items()}


def constants(values: tuple[ir.Value, ...]) -> list[Any]:
    return [value.value for value in values if isinstance(value, ir.Constant)]


# --- scripts and containers


def test_a_function_is_run_as_a_script(run_here: Callable[[], Run]) -> None:
    couler.run_script(image="python:3.12", source=hello, step_name="greet")
    run = run_here()
    assert results(run) == {"greet": "hello"}


def test_a_script_may_use_names_of_its_module(run_here: Callable[[], Run]) -> None:
    couler.run_script(image="python:3.12", source=uses_its_module, step_name="greet")
    assert results(run_here()) == {"greet": "3"}


def test_a_function_runs_in_old_pythons_too(build: Callable[[], Built]) -> None:
    def plain(a: int = 1) -> None:
        print(a)  # noqa: T201

    def modern(a: int | None = None) -> None:
        print(a)  # noqa: T201

    couler.run_script(image="python:3.6", source=plain, step_name="plain")
    couler.run_script(image="python:3.6", source=modern, step_name="modern")
    sources = [step.task.source for step in build().workflow.steps if isinstance(step.task, ir.ScriptTask)]
    assert ["__future__" in source for source in sources] == [False, True]


def test_source_text_is_run_by_the_command(run_here: Callable[[], Run]) -> None:
    couler.run_script(image="bash", command=["bash", "-e"], source="echo $((2 + 3)) $1", args="five", step_name="add")
    assert results(run_here()) == {"add": "5 five"}


def test_a_script_needs_source() -> None:
    with pytest.raises(DefinitionError, match="has no source"):
        couler.run_script(image="python:3.12")


def test_a_container_gets_command_and_arguments_as_text(build: Callable[[], Built]) -> None:
    couler.run_container(image="alpine:3.20", command="echo", args=["a", 1, True, 0.5])
    task = build().only.task
    assert isinstance(task, ir.ContainerTask)
    assert constants(task.command) == ["echo"]
    assert constants(task.args) == ["a", "1", "True", "0.5"]


def test_a_single_argument_needs_no_list(build: Callable[[], Built]) -> None:
    couler.run_container(image="alpine:3.20", command=["echo"], args="a")
    task = build().only.task
    assert isinstance(task, ir.ContainerTask)
    assert constants(task.args) == ["a"]


def test_an_argument_that_is_no_text_is_refused() -> None:
    with pytest.raises(DefinitionError, match="neither text, a number nor an output"):
        couler.run_container(image="alpine:3.20", command=["echo"], args=[{"a": 1}])


def test_a_container_needs_an_image() -> None:
    with pytest.raises(DefinitionError, match="has no image"):
        couler.run_container(image="")


def test_what_a_step_prints_is_an_argument_of_the_next(run_here: Callable[[], Run]) -> None:
    first = couler.run_container(image="alpine:3.20", command=["echo"], args=["one"], step_name="first")
    second = couler.run_script(image="python:3.12", source="print('two')", step_name="second")
    couler.run_container(image="alpine:3.20", command=["echo"], args=[first, second, "three"], step_name="last")
    assert results(run_here())["last"] == "one two three"


def test_a_value_from_a_file_is_the_first_output(run_here: Callable[[], Run]) -> None:
    written = couler.run_container(
        image="alpine:3.20",
        command=["sh", "-c", "echo 42 > answer.txt; echo noise"],
        output=couler.create_parameter_artifact(path="answer.txt"),
        step_name="ask",
    )
    assert [type(output) for output in written] == [OutputParameter]
    couler.run_container(image="alpine:3.20", command=["echo"], args=written, step_name="tell")
    assert results(run_here())["tell"] == "42"


def test_a_file_appears_where_it_was_written(run_here: Callable[[], Run]) -> None:
    written = couler.run_container(
        image="alpine:3.20",
        command=["sh", "-c", "echo model > model.txt"],
        output=couler.create_local_artifact(path="model.txt"),
        step_name="train",
    )
    assert [type(output) for output in written] == [OutputArtifact]
    couler.run_container(
        image="alpine:3.20", command=["cat", "model.txt"], input=written, args=written, step_name="evaluate"
    )
    assert results(run_here())["evaluate"] == "model"


def test_the_outputs_of_a_script_end_with_what_it_prints(build: Callable[[], Built]) -> None:
    found = couler.run_script(
        image="python:3.12",
        source=hello,
        output=[couler.create_parameter_artifact("/tmp/a/x"), couler.create_parameter_artifact("/tmp/b/x")],
    )
    assert [type(output) for output in found] == [OutputParameter, OutputParameter, OutputScript]
    assert [output.name for output in found] == ["x", "x_2", "result"]
    assert [output.path for output in build().only.outputs] == ["/tmp/a/x", "/tmp/b/x", ""]


def test_a_container_without_outputs_gives_what_it_prints() -> None:
    found = couler.run_container(image="alpine:3.20", command=["echo", "a"], step_name="say")
    assert [(type(output), output.name) for output in found] == [(OutputEmpty, "result")]
    assert found[0].value == "couler.say.say.outputs.result"
    assert found[0].is_global is False


def test_the_old_name_of_a_declared_output() -> None:
    (found,) = couler.run_container(
        image="alpine:3.20", output=couler.create_local_artifact("/tmp/model"), step_name="train"
    )
    assert found.value == "couler.train.train.outputs.artifacts.model"
    assert repr(found) == "<OutputArtifact train.model>"


def test_what_surrounds_a_step(build: Callable[[], Built]) -> None:
    couler.run_container(
        image="alpine:3.20",
        command=["env"],
        env={"MODE": "test", "N": 3, "FLAG": True},
        resources={"cpu": "500m", "memory": "1Gi", "ephemeral-storage": "2Gi", "nvidia.com/gpu": 1},
        node_selector={"pool": "big"},
        timeout=60,
        retry=3,
        image_pull_policy=couler.ImagePullPolicy.Always,
        daemon=True,
        working_dir="/work",
        cache=couler.Cache(name="results", key="train", max_age="1h30m"),
    )
    step = build().only
    assert isinstance(step.task, ir.ContainerTask)
    assert [variable.name for variable in step.env] == ["MODE", "N", "FLAG"]
    assert constants(tuple(variable.value for variable in step.env)) == ["test", "3", "True"]
    assert step.resources == ir.Resources(
        cpu=0.5, memory="1Gi", ephemeral_storage="2Gi", gpu=1, node_selector={"pool": "big"}
    )
    assert (step.timeout, step.retry, step.daemon) == (60, ir.Retry(limit=3), True)
    assert (step.working_dir, step.task.pull_policy) == ("/work", "Always")
    assert step.cache == ir.CachePolicy(max_age=5400, salt="results/train")
    assert step.engine_options["argo"] == {
        "memoize": {"key": "train", "maxAge": "1h30m", "cache": {"configMap": {"name": "results"}}}
    }


def test_other_keys_for_a_gpu(build: Callable[[], Built]) -> None:
    couler.run_container(image="a", command=["b"], resources={"cpu": 1, "amd.com/gpu": 2}, step_name="one")
    couler.run_container(image="a", command=["b"], resources={"gpu": 1}, step_name="two")
    steps = build().steps
    assert steps["one"].resources == ir.Resources(cpu=1, gpu=2, gpu_kind="amd.com/gpu")
    assert steps["two"].resources == ir.Resources(gpu=1)


def test_an_output_in_the_environment(run_here: Callable[[], Run]) -> None:
    found = couler.run_script(image="python:3.12", source=hello, step_name="greet")
    couler.run_container(image="a", command=["sh", "-c", "echo $WORD"], env={"WORD": found}, step_name="say")
    assert results(run_here())["say"] == "hello"


def test_zero_retries_are_none(build: Callable[[], Built]) -> None:
    couler.run_container(image="a", command=["b"], retry=0)
    assert build().only.retry is None


def test_the_pull_policy_of_a_script_and_env_from_are_argos_own(build: Callable[[], Built]) -> None:
    couler.run_script(image="a", source=hello, image_pull_policy="Never", step_name="script")
    couler.run_container(image="a", command=["b"], env_from=[{"configMapRef": {"name": "c"}}], step_name="container")
    steps = build().steps
    assert steps["script"].engine_options["argo"] == {"container": {"imagePullPolicy": "Never"}}
    assert steps["container"].engine_options["argo"] == {"container": {"envFrom": ({"configMapRef": {"name": "c"}},)}}


@pytest.mark.parametrize(
    ("keywords", "words"),
    [
        ({"env": ["A"]}, "env is"),
        ({"resources": "cpu=1"}, "resources is"),
        ({"resources": {"cpu": "many"}}, "no number of cores"),
        ({"resources": {"fpga": 1}}, "fpga"),
        ({"retry": "often"}, "number of further attempts"),
        ({"image_pull_policy": "always"}, "did you mean 'Always'"),
        ({"cache": couler.Cache("a", "b", "soon")}, "max_age of the cache"),
        ({"step_name": 5}, "no text"),
        ({"output": "/tmp/x"}, "is no output"),
        ({"volume_mounts": "/tmp"}, "is no mount"),
        ({"env": {"secrets": [{"name": "A", "value": "b"}]}}, "secretKeyRef"),
    ],
)
def test_a_value_that_cannot_be_used_is_named(keywords: dict[str, Any], words: str) -> None:
    with pytest.raises(DefinitionError, match=words):
        couler.run_container(image="a", command=["b"], **keywords)


def test_a_password_in_the_environment_is_found() -> None:
    from couler.core.ir.validate import problems

    couler.run_container(image="a", command=["b"], env={"DB_PASSWORD": "hunter2"})
    from couler.core.dsl.workflows import take_implicit

    assert [problem.rule for problem in problems(take_implicit())] == ["plaintext-secret"]


# --- tags for Argo


def test_the_tag_of_an_argument_is_the_argument(run_here: Callable[[], Run]) -> None:
    word = couler.run_script(image="python:3.12", source=hello, step_name="greet")
    couler.run_container(
        image="a", command=["sh", "-c", "echo 'got {{inputs.parameters.para-say-0}}'"], args=[word], step_name="say"
    )
    assert results(run_here())["say"] == "got hello"


def test_the_name_of_the_workflow_may_stand_in_texts(run_here: Callable[[], Run]) -> None:
    couler.config_workflow(name="mine")
    couler.run_container(
        image="a", command=["sh", "-c", 'echo "$1 $A"', "sh"], args=["{{workflow.name}}"],
        env={"A": "of {{ workflow.name }}"}, step_name="say",
    )  # fmt: skip
    assert results(run_here())["say"] == "mine of mine"


def test_other_braces_are_text(run_here: Callable[[], Run]) -> None:
    couler.run_container(image="a", command=["echo"], args=["{{ page.title }}", "{{"], step_name="say")
    couler.run_script(image="python:3.12", source="print('{{ item.name }}')", step_name="script")
    found = results(run_here())
    assert (found["say"], found["script"]) == ("{{ page.title }} {{", "{{ item.name }}")


# --- files outside the workflow


def test_the_folders_of_outputs_exist_on_argo(build: Callable[[], Built]) -> None:
    couler.run_container(
        image="a",
        command=["b"],
        output=[couler.create_parameter_artifact(path) for path in ("/out/a", "/out/b", "/data/c", "d", "/e")],
        volume_mounts=[couler.VolumeMount("data", "/data")],
    )
    assert build().only.engine_options["argo"] == {
        "container": {"volumeMounts": ({"name": "couler-out-dir-0", "mountPath": "/out"},)},
        "volumes": ({"name": "couler-out-dir-0", "emptyDir": {}},),
    }


def test_files_in_stores(build: Callable[[], Built]) -> None:
    reference = couler.secret("store", "key")
    couler.run_container(
        image="a",
        command=["b"],
        input=[
            couler.create_s3_artifact(
                path="/in/a", bucket="bucket", accesskey_id=reference, accesskey_secret=reference, key="k/a",
                endpoint="minio:9000", insecure=True,
            ),
            couler.create_gcs_artifact("/in/b", "bucket", "b"),
        ],
        output=couler.create_oss_artifact(path="/out/", bucket="bucket", key="k/out"),
    )  # fmt: skip
    step = build().only
    first, second = (item.value for item in step.inputs)
    assert isinstance(first, ir.StoredFile)
    assert isinstance(second, ir.StoredFile)
    assert (first.url, dict(first.options)) == ("s3://bucket/k/a", {"endpoint": "minio:9000", "insecure": "true"})
    assert set(first.credentials) == {"accesskey_id", "accesskey_secret"}
    assert [item.path for item in step.inputs] == ["/in/a", "/in/b"]
    assert second.url == "gs://bucket/b"
    stored = step.outputs[0]
    assert (stored.type, stored.store) == ("folder", ir.StoredFile(url="oss://bucket/k/out"))


def test_the_classes_of_artifacts_say_what_was_given() -> None:
    artifact = couler.create_s3_artifact("/a", bucket="b", key="c", is_global=True)
    assert (artifact.type, artifact.bucket, artifact.key, artifact.is_global) == ("s3", "b", "c", True)
    assert isinstance(couler.create_oss_artifact("/a", bucket="b", key="c"), couler.OssArtifact)
    assert isinstance(couler.create_local_artifact("/a"), couler.LocalArtifact)
    assert couler.create_local_artifact("/a").type == couler.ArtifactType.LOCAL


# --- jobs

JOB = """
apiVersion: batch/v1
kind: Job
metadata: {name: pi}
spec: {template: {}}
"""


def test_a_job_keeps_its_manifest_conditions_and_action(build: Callable[[], Built]) -> None:
    couler.run_job(
        manifest=JOB, success_condition="status.succeeded > 0", failure_condition="status.failed > 3", timeout=60,
        retry=1, step_name="pi", env={"A": "b"}, action="apply", set_owner_reference=False,
    )  # fmt: skip
    step = build().only
    assert isinstance(step.task, ir.JobTask)
    assert step.task.manifest["spec"]["env"] == ({"name": "A", "value": "b"},)
    assert step.task.success == predicates("status.succeeded > 0", "here")
    assert step.task.failure == predicates("status.failed > 3", "here")
    assert (step.task.action, step.task.owned, step.timeout) == ("apply", False, 60)


def test_a_job_hands_on_its_identity_name_and_object(build: Callable[[], Built]) -> None:
    (job,) = couler.run_job(JOB, "status.succeeded > 0", None, step_name="pi")
    assert isinstance(job, OutputJob)
    couler.run_container(image="a", command=["echo"], args=[job], step_name="show")
    steps = build().steps
    assert isinstance(steps["pi"].task, ir.JobTask)
    assert isinstance(steps["show"].task, ir.ContainerTask)
    assert [output.name for output in steps["pi"].task.outputs] == ["job-id", "job-name", "job-obj"]
    names = [value.output for value in steps["show"].task.args if isinstance(value, ir.OutputRef)]
    assert names == ["job-id", "job-name", "job-obj"]


def test_a_part_of_a_job_is_an_argument_of_its_own(build: Callable[[], Built]) -> None:
    (job,) = couler.run_job(JOB, "status.succeeded > 0", None, step_name="pi")
    assert isinstance(job, OutputJob)
    couler.run_container(image="a", command=["echo"], args=[job.job_obj, job.job_id, job.job_name], step_name="show")
    task = build().steps["show"].task
    assert isinstance(task, ir.ContainerTask)
    assert [value.output for value in task.args if isinstance(value, ir.OutputRef)] == ["job-obj", "job-id", "job-name"]


def test_secrets_of_a_job_are_references(build: Callable[[], Built]) -> None:
    entry = {"name": "TOKEN", "valueFrom": {"secretKeyRef": {"name": "store", "key": "token"}}}
    couler.run_job({"apiVersion": "v1", "kind": "X"}, "status.a == b", "", env={"secrets": [entry]})
    task = build().only.task
    assert isinstance(task, ir.JobTask)
    assert task.manifest["spec"]["env"] == (entry,)


def test_a_manifest_that_is_no_object_is_refused() -> None:
    with pytest.raises(DefinitionError, match="not a Kubernetes object"):
        couler.run_job("just text", "status.a == b", None)
    with pytest.raises(DefinitionError, match="env is"):
        couler.run_job(JOB, "status.a == b", None, env=["A"])  # type: ignore[arg-type]
