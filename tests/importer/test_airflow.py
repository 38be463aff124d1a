"""DAG files of Airflow in its common styles: what they are in couler, and what they give when they run here."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from couler import driver
from couler.backends.airflow.importer import Imported, import_dags, written
from couler.backends.airflow.importer.groups import replaced
from couler.core.ir import model as ir
from couler.core.ir.validate import problems
from tests.core.render.executed import executed, without_locations

DAGS = Path(__file__).parent / "dags"
FILES = ("orders", "classic", "rules", "mapped", "pods")


def imported(file: str) -> Imported:
    return import_dags((DAGS / f"{file}.py").read_text(encoding="utf-8"), f"{file}.py")


def workflow(file: str) -> ir.Workflow:
    [found] = imported(file).workflows
    return found


def step(found: ir.Workflow, name: str) -> ir.Step:
    return next(one for one in found.steps if one.name == name)


def shape(found: ir.Workflow) -> str:
    """The workflow without the sources of functions, which couler cuts out of the program again."""

    def bare(part: Any) -> Any:
        return part.model_copy(update={"source": ""}) if isinstance(part, ir.FunctionTask) else part

    return without_locations(replaced(found, bare))


def ended(file: str, root: Path, **parameters: Any) -> dict[str, tuple[str, Any]]:
    [program] = executed(written(imported(file)))
    run = driver.run(program, parameters, root=root / ".couler")
    assert run.status == "succeeded"
    return {name: (one.status, (one.outputs or {}).get("result")) for name, one in run.steps.items()}


@pytest.mark.parametrize("file", FILES)
def test_the_program_declares_the_same_workflow(file: str) -> None:
    found = imported(file)
    assert [problems(one) for one in found.workflows] == [()]
    again = executed(written(found))
    assert list(map(shape, again)) == list(map(shape, found.workflows))


@pytest.mark.parametrize("file", FILES)
def test_nothing_of_these_styles_is_lost(file: str) -> None:
    assert [str(one) for one in imported(file).report if one.outcome == "loss"] == []


# --- TaskFlow of Airflow 3


def test_what_a_dag_says_about_itself() -> None:
    orders = workflow("orders")
    assert (orders.name, orders.description) == ("orders", "What came in.")
    assert orders.schedule == ir.Schedule(cron=("0 0 * * *",), timezone="Europe/Berlin")
    assert orders.labels == {"owner": "sales", "shop": "true"}
    assert orders.on_failure == "continue"
    [limit] = orders.parameters
    assert (limit.name, limit.type, limit.default) == ("limit", "int", ir.Constant(value=3))
    assert step(orders, "extract").retry == ir.Retry(limit=2, backoff=ir.Backoff(initial=1, factor=1))


def test_results_and_context_are_inputs() -> None:
    orders = workflow("orders")
    assert [one.name for one in orders.steps][:4] == ["extract", "convert.one", "convert.total", "load"]
    assert step(orders, "convert.one").foreach == ir.ForEach(lists={"order": ir.OutputRef(step="extract")})
    assert [one.value for one in step(orders, "load").inputs] == [
        ir.OutputRef(step="convert.total"),
        ir.RunRef(field="id"),
    ]
    task = step(orders, "convert.one").task
    assert isinstance(task, ir.FunctionTask)
    assert 'RATES = {"eur": 1.0, "usd": 0.5}' in task.source
    assert "airflow" not in task.source


def test_orders_run_here(tmp_path: Path) -> None:
    few = ended("orders", tmp_path)
    assert few["load"] == ("succeeded", '{"total": 30.0, "runs": true}')
    assert few["big"] == ("skipped", None)
    assert few["small"] == ("succeeded", "small 3")
    assert (few["done"][0], few["after_small"][0]) == ("succeeded", "succeeded")


def test_the_other_branch_skips_what_follows_it(tmp_path: Path) -> None:
    many = ended("orders", tmp_path, limit=5)
    assert many["big"] == ("succeeded", 'big {"total": 75.0, "runs": true}')
    assert (many["small"][0], many["after_small"][0], many["done"][0]) == ("skipped", "skipped", "succeeded")


# --- operators of Airflow 2


def test_a_dag_of_operators() -> None:
    classic = workflow("classic")
    assert classic.schedule == ir.Schedule(cron=("30 6 * * *",), concurrency="forbid")
    assert (classic.parallelism, classic.timeout) == (4, 7200)
    assert step(classic, "numbers").after == ("start",)
    assert step(classic, "numbers").retry == ir.Retry(limit=1, backoff=ir.Backoff(initial=2, factor=2))
    assert step(classic, "last").retry is None
    assert step(classic, "other").engine_options == {"airflow": {"pool": "api", "priority_weight": 5}}
    assert [one.after for one in classic.steps if one.name.startswith("hear_")] == [("say_b", "other")] * 2
    assert step(classic, "clean").after_condition == ir.StatusIs(step="last", status="ended")


def test_the_dag_of_operators_runs_here(tmp_path: Path) -> None:
    found = ended("classic", tmp_path)
    assert found["add"] == ("succeeded", 18)
    assert found["say_a"] == ("succeeded", "A-a")  # the last line only, since others ask for it
    assert found["hear_1"] == ("succeeded", "A-a 1")
    assert (found["last"][0], found["clean"][0]) == ("failed", "succeeded")  # as in Airflow the last task decides


# --- skips and failures


def test_skips_and_failures_spread_as_in_airflow(tmp_path: Path) -> None:
    found = ended("rules", tmp_path)
    assert found["choose"][1] == ["left"]
    assert (found["left"], found["right"]) == (("succeeded", "l"), ("skipped", None))
    assert found["gather"] == ("succeeded", ["l", None])
    assert found["enough"][0] == "succeeded"
    assert [found[name][0] for name in ("many", "after_many", "anyway")] == ["skipped"] * 3
    assert [found[name] for name in ("mend", "report")] == [("succeeded", "mended"), ("succeeded", "reported")]
    assert (found["breaks"][0], found["never"][0], found["at_last"][0]) == ("failed", "skipped", "succeeded")


def test_a_branch_may_name_several_or_none(tmp_path: Path) -> None:
    both = ended("rules", tmp_path, wanted=["left", "right"], enough=4)
    assert (both["left"][0], both["right"][0], both["enough"][0]) == ("succeeded", "succeeded", "skipped")
    none = ended("rules", tmp_path, wanted=[])
    assert (none["left"][0], none["right"][0]) == ("skipped", "skipped")


# --- maps


def test_maps_run_here(tmp_path: Path) -> None:
    found = {name: result for name, (_, result) in ended("mapped", tmp_path).items()}
    assert (found["joined"], found["joined_twice"]) == ("hello ada, hello grace", "bye x, bye y")
    assert (found["area"], found["later"]) == ([3, 4, 6, 8], [5, 6, 10, 12])  # every width with every height
    assert (found["pairs"], found["objects"]) == ([6], [9])
    assert found["all_shouted"] == "ADA!, GRACE!"
    assert (found["all_marked"], found["two_marked"]) == ("X?, Y!", "A1, B2")
    assert (found["echo"], found["with_env"]) == (["1", "2"], ["ab"])


def test_a_mapped_group_takes_what_it_needs_from_outside() -> None:
    group = step(workflow("mapped"), "shouted")
    assert isinstance(group.task, ir.GroupTask)
    assert [one.name for one in group.task.steps] == ["loud", "marked"]
    assert group.foreach == ir.ForEach(lists={"name": ir.OutputRef(step="names")})
    assert step(workflow("mapped"), "pairs").foreach == ir.ForEach(
        lists={"width": ir.Constant(value=[2]), "height": ir.Constant(value=[3])}, parallelism=1
    )


# --- containers


def test_pods_and_containers() -> None:
    pods = workflow("pods")
    train, report = step(pods, "train"), step(pods, "report")
    rate = ir.Concat(parts=(ir.Constant(value="--rate="), ir.ParameterRef(name="rate")))
    assert train.task == ir.ContainerTask(
        image="ghcr.io/shop/train:1",
        command=(ir.Constant(value="python"),),
        args=(ir.Constant(value="train.py"), rate),
        pull_policy="Always",
    )
    assert train.env == (ir.EnvVar(name="MODE", value=ir.Constant(value="full")),)
    assert train.secrets == (ir.SecretUse(secret=ir.SecretRef(name="store", key="token"), env="TOKEN"),)
    assert train.resources == ir.Resources(
        cpu=0.5, memory="2Gi", gpu=1, node_selector={"disk": "ssd"},
        tolerations=(ir.Toleration(key="gpu", operator="Exists"),),
    )  # fmt: skip
    assert train.volumes == (ir.Volume(path="/data", name="orders", source="claim", read_only=True),)
    assert [one.path for one in train.outputs] == ["", "/airflow/xcom/return.json"]
    assert report.task == ir.ContainerTask(
        image="alpine:3.20",
        args=(
            ir.Constant(value="echo"),
            ir.Concat(parts=(ir.OutputRef(step="train", output="return_value", path=("score",)),)),
            ir.Constant(value="two words"),
        ),
    )
    assert report.resources == ir.Resources(memory="512Mi")
