"""What stands around steps and workflows, as Airflow has it."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest

from couler.backends.airflow.backend import AirflowBackend
from couler.core.ir.model import (
    Constant,
    ContainerTask,
    FunctionTask,
    GroupTask,
    Input,
    Output,
    Resources,
    Retry,
    SecretRef,
    Step,
    StoredFile,
    Workflow,
)
from tests.conformance.readers.airflow import read
from tests.engines.airflow import dagbag
from tests.engines.airflow.test_containers import played, sh

needs_airflow = pytest.mark.skipif(bool(dagbag.reason_to_skip()), reason=dagbag.reason_to_skip())


def text_of(*steps: Step, **around: Any) -> str:
    documents = AirflowBackend().compile(Workflow(name="w", steps=steps, **around)).documents
    return documents["w.py"]


def test_labels_that_are_longer_than_a_tag_are_kept_whole() -> None:
    labels = {"team": "x", "long": "y" * 200}
    workflow = Workflow(name="w", steps=(sh("a", "true"),), labels=labels)
    assert read(AirflowBackend().compile(workflow).documents).workflow["labels"] == labels


def test_descriptions_and_labels_are_shown_with_their_steps() -> None:
    inner = sh("inner", "true")
    group = Step(name="g", task=GroupTask(steps=(inner,)), description="Both.", labels={"a": "b"})
    text = text_of(sh("a", "true", description="Says so.", labels={"team": "x"}), group)
    assert 'doc_md="Says so.\\n\\nLabels: `team=x`"' in text
    assert 'tooltip="Both.\\n\\nLabels: `a=b`"' in text


def test_a_nested_workflow_that_is_tried_again_as_a_whole_is_refused() -> None:
    group = Step(name="g", task=GroupTask(steps=(sh("inner", "true"),)), retry=Retry(limit=1))
    (problem,) = AirflowBackend().compile(Workflow(name="w", steps=(group,))).problems
    assert "set the retry on the steps inside" in problem


def test_what_docker_does_not_have_is_said() -> None:
    step = sh("a", "true", resources=Resources(ephemeral_storage="1Gi", gpu=1, gpu_kind="amd.com/gpu"))
    found = AirflowBackend().compile(Workflow(name="w", steps=(step,)), options={"airflow_containers": "docker"})
    assert [note.partition(" of ")[0] for note in found.notes] == ["the storage", "the GPUs"]


def test_the_service_account_of_a_group_is_that_of_its_pods() -> None:
    group = Step(name="g", task=GroupTask(steps=(sh("inner", "true"),)), service_account="writer")
    documents = (
        AirflowBackend()
        .compile(Workflow(name="w", steps=(group,)), options={"airflow_containers": "kubernetes"})
        .documents
    )
    assert 'with TaskGroup("g", default_args={"service_account_name": "writer"}):' in documents["w.py"]


def test_steps_may_be_called_as_operators_are() -> None:
    function = FunctionTask(source="def f():\n    return 1\n", entry="f")
    steps = [Step(name=name, task=function) for name in ("Function", "Output", "range")]
    text = text_of(*steps)
    assert "Function_2 = Function(" in text
    assert "Output_2 = Function(" in text
    assert "range_2 = Function(" in text


def test_names_that_airflow_does_not_take_are_shown_all_the_same() -> None:
    workflow = Workflow(name="größe", steps=(sh("maß", "true"), sh("plain", "true")))
    (text, *_) = AirflowBackend().compile(workflow).documents.values()
    assert 'dag_display_name="größe"' in text
    assert text.count("task_display_name=") == 1
    assert 'task_display_name="maß"' in text


# --- files outside ---------------------------------------------------------------------------------------------------


def test_secrets_of_a_store_are_references() -> None:
    keys = {"accesskey_id": SecretRef(name="s3", key="id"), "accesskey_secret": SecretRef(name="s3", key="secret")}
    stored = StoredFile(url="s3://b/k", options={"endpoint": "minio:9000", "insecure": "true"}, credentials=keys)
    text = text_of(sh("a", "cat in.txt", inputs=(Input(name="i", type="file", path="in.txt", value=stored),)))
    assert 'options={"endpoint_url": "http://minio:9000", "use_ssl": False}' in text
    assert 'credentials={"key": ("s3", "id"), "secret": ("s3", "secret")}' in text
    assert 'inlets=[Asset("s3://b/k")]' in text


@needs_airflow
def test_files_come_from_urls_and_go_to_them(tmp_path: Path) -> None:
    (tmp_path / "in.txt").write_text("told\n")
    repository = tmp_path / "repository"
    for words in (["init", "-q", str(repository)], ["-C", str(repository), "commit", "-q", "--allow-empty", "-m", "x"]):
        subprocess.run(["git", "-c", "user.name=a", "-c", "user.email=a@b", *words], check=True)
    step = Step(
        name="copy",
        task=ContainerTask(
            image="alpine:3.20",
            command=tuple(Constant(value=word) for word in ("sh", "-c", "ls -a repo; cat in.txt | tee out.txt")),
        ),
        inputs=(
            Input(name="i", type="file", path="in.txt", value=StoredFile(url=f"file://{tmp_path}/in.txt")),
            Input(name="r", type="folder", path="repo", value=StoredFile(url=f"git+file://{repository}")),
        ),
        outputs=(Output(name="result", type="str"),
                 Output(name="o", type="file", path="out.txt", store=StoredFile(url=f"file://{tmp_path}/new/out.txt"))),
    )  # fmt: skip
    found = played("docker", tmp_path / "dags", step, artifacts=f"file://{tmp_path}/artifacts")["copy"]
    assert found["outputs"]["result"] == ".\n..\n.git\ntold"
    assert (tmp_path / "new/out.txt").read_text() == "told\n"


@needs_airflow
def test_what_is_not_there_is_said_without_secrets(tmp_path: Path) -> None:
    stored = StoredFile(url=f"file://{tmp_path}/none.txt")
    step = sh("a", "cat in.txt", inputs=(Input(name="i", type="file", path="in.txt", value=stored),))
    error = played("docker", tmp_path / "dags", step)["a"]["error"]
    assert error.startswith(f"could not read file://{tmp_path}/none.txt: FileNotFoundError")
