"""Which values may be larger than a parameter of Argo, and what the documents have for them."""

from __future__ import annotations

import json
from typing import Any

import pytest

import couler
from couler.backends.argo.client.retry import rewritten
from couler.backends.argo.client.snapshot import snapshot
from couler.config import load_settings
from couler.core.ir.model import Workflow
from couler.driver.prepare import prepare
from couler.runs.records import StepRecord

RECORD = {"$file": True, "kind": "file", "url": "s3://b/couler-large-result.json", "options": {}, "credentials": {}}


@couler.step
def text(size: int) -> str:
    return "x" * size


@couler.step
def record() -> dict[str, Any]:
    return {"a": ["x"]}


@couler.step
def same(value: Any) -> Any:
    return value


@couler.step
def length(text: Any) -> int:
    return len(text)


@couler.step
def total(texts: list[Any]) -> int:
    return len(texts)


@couler.step
def note(out: couler.OutFile = couler.out("note.txt")) -> None:
    out.write_text("x")


def compiled(function: Any, **options: Any) -> dict[str, Any]:
    workflow = couler.workflow(name="w")(function)
    found: dict[str, Any] = json.loads(couler.compile(workflow, "argo", format="json", **options).text)
    return found


def large(function: Any, **options: Any) -> dict[str, list[str]]:
    """Template to the artifacts by which it gives and takes large values."""
    options.setdefault("large_values", True)
    found = {}
    for template in compiled(function, **options)["spec"]["templates"]:
        kinds = ("outputs", "inputs") if "script" in template else ()
        artifacts = [one["name"] for kind in kinds for one in template.get(kind, {}).get("artifacts", ())]
        found[template["name"]] = [name for name in artifacts if name.startswith("couler-large-")]
    return {name: names for name, names in found.items() if names}


def test_a_result_for_a_function_has_an_optional_artifact_at_both_ends() -> None:
    def flow() -> None:
        length(text(5))

    made = compiled(flow, large_values=True)
    by_name = {template["name"]: template for template in made["spec"]["templates"]}
    assert by_name["text"]["outputs"]["artifacts"] == [
        {
            "name": "couler-large-result", "path": "/tmp/couler/large/couler-large-result.json",
            "archive": {"none": {}}, "optional": True,
        }
    ]  # fmt: skip
    taken = by_name["length"]["inputs"]["artifacts"][1]
    assert taken == {
        "name": "couler-large-text", "path": "/tmp/couler/large-in/couler-large-text.json", "optional": True,
    }  # fmt: skip
    task = by_name["w"]["dag"]["tasks"][1]
    assert task["arguments"]["artifacts"] == [
        {
            "name": "couler-large-text", "from": "{{tasks.text.outputs.artifacts.couler-large-result}}",
            "optional": True,
        }
    ]  # fmt: skip


def test_parts_and_several_readers_and_none_are_fine() -> None:
    def flow() -> None:
        found = record()
        length(found["a"][0])
        length(found)
        text(5)

    assert large(flow) == {
        "record": ["couler-large-result"], "length": ["couler-large-text"], "length-2": ["couler-large-text"],
        "text": ["couler-large-result"],
    }  # fmt: skip


def _a_condition() -> None:
    found = text(5)
    with couler.when(found == "x"):
        length(found)


def _a_map() -> None:
    length.map(record()["a"])


def _a_mapped_step_beside_its_items() -> None:
    total.map([[1], [2]])
    length(couler.first_of(text(5), text(6)))


def _a_list() -> None:
    total([text(5), text(6)])


def _a_container() -> None:
    couler.run_container("alpine", ["echo"], [text(5)], step_name="echo")


def _an_output_of_the_workflow() -> Any:
    found = text(5)
    length(found)
    return found


def _a_default() -> None:
    length(text(5).or_else("none"))


def _a_cached_step() -> None:
    length(text(5).with_(cache=True))


def _a_cached_reader() -> None:
    length(text(5)).with_(cache=True)


def _a_failure_that_is_an_outcome() -> None:
    length(text(5)).with_(allow_failure=True)


def _an_exit_handler() -> None:
    found = text(5)
    length(found)
    with couler.on_exit():
        length(found)


def _an_exit_handler_of_the_reader() -> None:
    size = length(text(5))
    with couler.on_exit():
        length(size)


@couler.workflow
def inside(given: str) -> None:
    length(given)


def _a_group() -> None:
    inside(text(5))


@pytest.mark.parametrize(
    "flow",
    [
        _a_condition, _a_map, _a_mapped_step_beside_its_items, _a_list, _a_container, _an_output_of_the_workflow,
        _a_default, _a_cached_step, _a_cached_reader, _a_failure_that_is_an_outcome, _an_exit_handler,
        _an_exit_handler_of_the_reader, _a_group,
    ],
    ids=lambda flow: flow.__name__.lstrip("_"),
)  # fmt: skip
def test_what_anything_else_reads_keeps_its_limit(flow: Any) -> None:
    assert large(flow) == {}


def test_without_the_option_a_workflow_that_stores_files_decides() -> None:
    def plain() -> None:
        length(text(5))

    def with_a_file() -> None:
        note()
        length(text(5))

    assert large(plain, large_values=None) == {}
    assert large(with_a_file, large_values=None) == large(plain)
    assert large(with_a_file, large_values=False) == {}


def test_the_setting_of_the_largest_value_holds_for_large_ones_too() -> None:
    def flow() -> None:
        length(text(5))

    def payload(**options: Any) -> dict[str, Any]:
        template = next(one for one in compiled(flow, **options)["spec"]["templates"] if one["name"] == "text")
        found: dict[str, Any] = json.loads(
            template["inputs"]["artifacts"][0]["raw"]["data"].replace("{{inputs.parameters.size}}", "0")
        )
        return found

    found = payload(large_values=True, max_value=1_000_000)
    assert (found["limit"], found["limits"]) == (262_144, {"result": 1_000_000})
    assert "limits" not in payload(max_value=1_000_000)
    assert payload(large_values=True)["limits"] == {"result": load_settings(env={}).max_value}


def test_workflows_without_functions_are_as_ever() -> None:
    def flow() -> None:
        couler.run_container("alpine", ["echo"], [couler.run_container("alpine", ["date"], step_name="date")])

    assert compiled(flow, large_values=True) == compiled(flow, large_values=False)


# --- runs ------------------------------------------------------------------------------------------------------------


def _lowered() -> Workflow:
    def flow() -> None:
        length(same(text(5)).named("second"))

    return prepare(couler.workflow(name="w")(flow).build(), "argo", {}).workflow


def test_a_large_value_is_recorded_as_the_file_in_which_it_is() -> None:
    artifact = {"name": "couler-large-result", "s3": {"bucket": "b", "key": "couler-large-result.json"}}
    parameters = [{"name": "result", "value": '{"$couler-large":300000}'}]
    nodes = [
        {"id": "w-1", "name": "w-1", "displayName": "w-1", "type": "DAG", "phase": "Succeeded"},
        {
            "id": "a", "name": "w-1.text", "displayName": "text", "type": "Pod", "phase": "Succeeded",
            "boundaryID": "w-1", "outputs": {"parameters": parameters, "artifacts": [artifact]},
        },
        {
            "id": "b", "name": "w-1.second", "displayName": "second", "type": "Pod", "phase": "Succeeded",
            "boundaryID": "w-1", "outputs": {"parameters": parameters},
        },
    ]  # fmt: skip
    status = {"phase": "Succeeded", "nodes": {node["id"]: node for node in nodes}}
    found = snapshot(_lowered(), {"metadata": {"name": "w-1"}, "spec": {}, "status": status}, "run")

    assert found.steps["text"].outputs == {"result": RECORD}
    assert found.steps["second"].outputs == {"result": {"$couler-large": 300_000}}, "a value that only looks like it"


def test_a_step_with_a_large_value_runs_again_when_what_is_left_needs_it() -> None:
    def left(**outputs: Any) -> list[str]:
        steps = [StepRecord("run", name, "succeeded", outputs={"result": value}) for name, value in outputs.items()]
        return [step.name for step in rewritten(_lowered(), steps).workflow.steps]

    assert left(text="small", second=RECORD) == ["second", "length"]
    assert left(text=RECORD, second="small") == ["length"]
    assert left(text=RECORD, second=RECORD) == ["text", "second", "length"]
