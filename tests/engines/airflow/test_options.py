"""Raw settings for Airflow: checked against the arguments of the real operators, and merged last."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from couler.backends.airflow import options as product
from couler.backends.airflow.backend import AirflowBackend
from couler.core.errors import InvalidWorkflowError
from couler.core.ir.model import Constant, ContainerTask, ForEach, FunctionTask, GroupTask, Step, Workflow
from tests.engines.airflow import dagbag, write_arguments

needs_airflow = pytest.mark.skipif(bool(dagbag.reason_to_skip()), reason=dagbag.reason_to_skip())
TASK = FunctionTask(source="def f():\n    return 1\n", entry="f")


def step(name: str = "a", **given: Any) -> Step:
    return Step(name=name, task=TASK, engine_options={"airflow": given})


def workflow(*steps: Step, **given: Any) -> Workflow:
    return Workflow(name="w", steps=steps, engine_options={"airflow": given} if given else {})


def compiled(found: Workflow, mode: str = "process") -> str:
    return AirflowBackend().compile(found, options={"airflow_containers": mode}).documents["w.py"]


WRONG: list[tuple[Workflow, str, str]] = [
    (workflow(tag=1), "process", "airflow'].tag: no argument of Airflow's DAGs; did you mean 'tags'?"),
    (workflow(tags="x"), "process", "tags: takes a list of texts, and got \"x\""),
    (workflow(dag_id="x"), "process", "dag_id: couler names the DAG; rename the workflow"),
    (workflow(start_date="soon"), "process", "start_date: takes a time such as"),
    (workflow(default_args={"pol": 1}), "process", "default_args.pol: no argument of Airflow's operators"),
    (workflow(step(pol="x")), "process", "pol: no argument of Airflow's operators; did you mean 'pool'?"),
    (workflow(step(priority_weight="x")), "process", "priority_weight: takes a whole number, and got \"x\""),
    (workflow(step(inlets=[])), "process", "inlets: it takes Python objects, and options are data"),
    (workflow(step(trigger_rule="x")), "process", "trigger_rule: couler decides when a task starts"),
    (workflow(step(get_logs=False)), "process", "only steps that run in pods have it; set airflow_containers to kube"),
    (workflow(step(tty=True)), "kubernetes", "only steps that run in Docker have it; set airflow_containers to docker"),
    (workflow(step(ports=[])), "kubernetes", "ports: write it as Kubernetes does, in `pod_template_dict`"),
    (workflow(step(image="x")), "kubernetes", "image: declare the image of the step"),
    (workflow(step(tolerations=["x"])), "kubernetes", "tolerations: takes a list of mappings"),
    (workflow(step(deferrable=True)), "kubernetes", "deferrable: the worker waits for the pod"),
    (workflow(step(python_callable="x")), "process", "python_callable: no argument of Airflow's operators"),
]  # fmt: skip


@pytest.mark.parametrize(("found", "mode", "message"), WRONG, ids=lambda given: given if isinstance(given, str) else "")
def test_what_does_not_fit_is_said_with_its_place(found: Workflow, mode: str, message: str) -> None:
    with pytest.raises(InvalidWorkflowError) as caught:
        compiled(found, mode)
    assert message in str(caught.value)


def test_all_problems_are_said_at_once() -> None:
    with pytest.raises(InvalidWorkflowError, match="3 problems"):
        compiled(workflow(step(pol=1, queue=2), tag=1))


def test_options_for_other_engines_are_noted() -> None:
    found = Workflow(name="w", steps=(Step(name="a", task=TASK, engine_options={"argo": {"daemon": True}}),))
    assert AirflowBackend().compile(found).notes == ("options for other engines are ignored",)


@needs_airflow
@pytest.mark.timeout(300)
def test_the_real_operators_get_them(tmp_path: Path) -> None:
    inner = Step(name="inner", task=TASK)
    group = Step(name="g", task=GroupTask(steps=(inner,)), engine_options={"airflow": {"pool": "of_group"}})
    items = ForEach(lists={"item": Constant(value=[1])}, parallelism=2)
    each = Step(name="m", task=TASK, foreach=items, engine_options={"airflow": {"max_active_tis_per_dagrun": 1}})
    found = workflow(
        step(pool="gpu", queue="big", priority_weight=3, weight_rule="absolute", execution_timeout=5, doc_md="Told."),
        group, each,
        tags=["more"], start_date="2026-01-01T00:00:00+00:00", dagrun_timeout=60, default_args={"owner": "me"},
    )  # fmt: skip
    file = tmp_path / "w.py"
    for name, text in AirflowBackend().compile(found).documents.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    report = dagbag.read([file])[file]
    assert (report.errors, report.warnings) == ([], [])
    (dag,) = report.dags.values()
    assert sorted(dag["tags"]) == ["couler", "more"]
    assert dag["dagrun_timeout"] == 60
    tasks = {one["__var"]["task_id"]: one["__var"] for one in dag["tasks"]}
    assert (tasks["a"]["pool"], tasks["a"]["queue"], tasks["a"]["priority_weight"]) == ("gpu", "big", 3)
    assert (tasks["a"]["doc_md"], tasks["a"]["owner"]) == ("Told.", "me")
    assert tasks["g.inner"]["pool"] == "of_group"
    assert tasks["m.item"]["partial_kwargs"]["max_active_tis_per_dagrun"] == 1


@pytest.mark.parametrize(
    ("mode", "given"),
    [
        ("kubernetes", {"get_logs": False, "annotations": {"a": "b"}, "pod_template_dict": {"spec": {}}}),
        ("docker", {"network_mode": "host", "shm_size": 64, "dns": ["10.0.0.1"]}),
    ],
)  # fmt: skip
def test_containers_have_arguments_of_their_own(mode: str, given: dict[str, Any]) -> None:
    task = ContainerTask(image="alpine:3.20", command=(Constant(value="true"),))
    text = compiled(Workflow(name="w", steps=(Step(name="a", task=task, engine_options={"airflow": given}),)), mode)
    assert all(f"{name}=" in text for name in given)


def test_what_all_pods_have_stands_once() -> None:
    text = compiled(workflow(step(), default_args={"image_pull_secrets": "registry"}), "kubernetes")
    assert '"image_pull_secrets": "registry"' in text


@needs_airflow
def test_the_list_of_arguments_is_that_of_the_real_airflow() -> None:
    file = Path(product.__file__).with_name("arguments.json")
    assert file.read_text(encoding="utf-8") == write_arguments.text(), "python -m tests.engines.airflow.write_arguments"
