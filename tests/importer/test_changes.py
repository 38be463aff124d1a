"""The documents are written from the fields of the workflows: what is changed there is changed in them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from couler.backends.argo.importer import Imported, import_argo, to_argo
from couler.backends.argo.importer.conditions import write_when
from couler.backends.argo.importer.tags import Writing
from couler.core.errors import DefinitionError
from couler.core.ir import model as ir
from couler.core.ir.graph import walk
from couler.core.ir.json import thaw
from tests.engines.argo import validator
from tests.importer.meaning import documents

FIXTURES = Path(__file__).parent / "fixtures"
Change = Callable[[ir.Step], dict[str, object]]


def changed(file: str, path: str, change: Change) -> tuple[Any, Any]:
    """The first document before and after a step was changed."""
    imported = import_argo((FIXTURES / f"{file}.yaml").read_text(encoding="utf-8"))
    first, *rest = imported.workflows
    steps = _changed(first.steps, path.split("/"), change)
    edited = first.model_copy(update={"steps": steps})
    after = to_argo(Imported((edited, *rest), (), imported.others))
    return documents(to_argo(imported))[0], documents(after)[0]


def _changed(steps: tuple[ir.Step, ...], path: list[str], change: Change) -> tuple[ir.Step, ...]:
    assert path[0] in [step.name for step in steps]
    return tuple(_with(step, path, change) if step.name == path[0] else step for step in steps)


def _with(step: ir.Step, path: list[str], change: Change) -> ir.Step:
    if len(path) == 1:
        return step.model_copy(update=change(step))
    assert isinstance(step.task, ir.GroupTask)
    inner = step.task.model_copy(update={"steps": _changed(step.task.steps, path[1:], change)})
    return step.model_copy(update={"task": inner})


def template(document: Any, name: str) -> Any:
    return next(one for one in document["spec"]["templates"] if one["name"] == name)


def task(document: Any, name: str) -> Any:
    tasks = template(document, "main")["dag"]["tasks"]
    return next(one for one in tasks if one["name"] == name)


def on_task(**fields: object) -> Change:
    return lambda step: {"task": step.task.model_copy(update=fields)}


def test_an_image() -> None:
    before, after = changed("coin", "flip", on_task(image="python:3.13"))
    assert template(before, "flip")["script"]["image"] == "python:3.12-alpine"
    assert template(after, "flip")["script"]["image"] == "python:3.13"


def test_an_argument() -> None:
    value = ir.Concat(parts=(ir.Constant(value="say "), ir.OutputRef(step="flip")))
    given = ir.Input(name="what_came_up", value=value)
    _, after = changed("coin", "heads", lambda step: {"inputs": (given,)})
    [call, _] = template(after, "flip-and-tell")["steps"][1][::-1]
    assert call["arguments"]["parameters"][0]["value"] == "say {{steps.flip.outputs.result}}"


@pytest.mark.parametrize("step", ["heads", "edge"])
def test_a_condition(step: str) -> None:
    condition = ir.Compare(operator="==", left=ir.OutputRef(step="flip"), right=ir.Constant(value="it's"))
    before, after = changed("coin", step, lambda _: {"when": condition})
    calls = {call["name"]: call for call in template(after, "flip-and-tell")["steps"][1]}
    assert calls[step]["when"] == "{{=steps['flip'].outputs.result=='it\\'s'}}"
    assert before != after
    again = import_argo(yaml.safe_dump(after)).workflows[0]
    assert [one.when for one in again.steps if one.name == step] == [condition]


def test_a_condition_that_goes_away() -> None:
    _, after = changed("coin", "edge", lambda _: {"when": None})
    assert ["when" in call for call in template(after, "flip-and-tell")["steps"][1]] == [False, True]


def test_a_retry_limit_of_one_of_two_calls_makes_a_template_of_its_own() -> None:
    def more(step: ir.Step) -> dict[str, object]:
        assert step.retry is not None
        return {"retry": step.retry.model_copy(update={"limit": 9})}

    before, after = changed("coin", "heads/tell", more)
    assert [one["name"] for one in before["spec"]["templates"]] == ["flip", "flip-and-tell", "tell"]
    assert template(after, "tell")["retryStrategy"]["limit"] == "9"
    assert template(after, "tell-2")["retryStrategy"]["limit"] == "3"
    assert [call["template"] for call in template(after, "flip-and-tell")["steps"][1]] == ["tell-2", "tell"]
    assert template(after, "tell")["retryStrategy"]["retryPolicy"] == "Always"


def test_order_that_is_no_longer_that_of_groups_becomes_a_dag() -> None:
    _, after = changed("coin", "edge", lambda _: {"after": ("heads",)})
    tasks = {one["name"]: one for one in template(after, "flip-and-tell")["dag"]["tasks"]}
    assert tasks["edge"]["depends"] == "heads"
    assert tasks["heads"]["when"] == "{{tasks.flip.outputs.result}}==heads"


def test_order_of_a_task() -> None:
    before, after = changed("build", "lint", lambda _: {"after": ("test",), "after_condition": None})
    assert task(before, "lint")["depends"] == "checkout.Succeeded||checkout.Skipped"
    assert task(after, "lint")["depends"] == "test"


def test_time_resources_env_and_volumes() -> None:
    def more(step: ir.Step) -> dict[str, object]:
        assert step.resources is not None
        volume = step.volumes[0].model_copy(update={"name": "other-claim"})
        return {
            "timeout": 120.0,
            "resources": step.resources.model_copy(update={"cpu": 4.0}),
            "volumes": (volume, *step.volumes[1:]),
            "env": (ir.EnvVar(name="A", value=ir.Constant(value="b")),),
        }

    _, after = changed("build", "test/test", more)
    made = template(after, "test")
    assert made["timeout"] == ("seconds", 120.0)
    assert made["container"]["resources"]["limits"]["cpu"] == ("amount", 4.0)
    assert made["container"]["env"] == [{"name": "A", "value": "b"}]
    claim = next(one for one in after["spec"]["volumes"] if one["name"] == "work")
    assert claim["persistentVolumeClaim"]["claimName"] == "other-claim"
    assert made["container"]["securityContext"] == {"runAsNonRoot": "true"}


def test_items_of_a_loop() -> None:
    items = ir.ForEach(lists={"item": ir.Constant(value=["x"])})
    for step in ("numbers", "sequence", "literal"):
        before, after = changed("loops", step, lambda _: {"foreach": items})
        [call] = [one for one in template(after, "loops")["steps"][0] if one["name"] == step]
        assert call["withItems"] == ["x"]
        assert not call.keys() & {"withSequence", "withParam"}
        assert before != after


def test_a_parameter_and_settings_of_the_workflow() -> None:
    imported = import_argo((FIXTURES / "kinds.yaml").read_text(encoding="utf-8"))
    cron, *rest = imported.workflows
    schedule = ir.Schedule(cron=("1 1 * * *",), concurrency="replace")
    edited = cron.model_copy(update={"schedule": schedule, "labels": {"a": "b"}, "parallelism": 2})
    after = documents(to_argo(Imported((edited, *rest), (), imported.others)))[0]
    assert (after["spec"]["schedules"], after["spec"]["concurrencyPolicy"]) == (["1 1 * * *"], "Replace")
    assert after["metadata"] == {"labels": {"a": "b"}, "name": "nightly", "namespace": "jobs"}
    assert after["spec"]["workflowSpec"]["parallelism"] == "2"


def test_a_new_step() -> None:
    imported = import_argo((FIXTURES / "coin.yaml").read_text(encoding="utf-8"))
    workflow = imported.workflows[0]
    new = ir.Step(name="bye", task=ir.ContainerTask(image="alpine:3"), after=("heads", "edge"))
    edited = workflow.model_copy(update={"steps": (*workflow.steps, new)})
    after = documents(to_argo(Imported((edited,), ())))[0]
    assert template(after, "bye") == {"name": "bye", "container": {"image": "alpine:3"}}
    [task] = [one for one in template(after, "flip-and-tell")["dag"]["tasks"] if one["name"] == "bye"]
    assert task == {"name": "bye", "template": "bye", "depends": "heads&&edge"}


def test_what_the_layout_cannot_say_is_an_error() -> None:
    function = ir.FunctionTask(source="def f():\n    pass\n", entry="f")
    with pytest.raises(DefinitionError, match="a function cannot be written in the layout"):
        changed("coin", "flip", lambda _: {"task": function})


def test_no_text_of_a_translated_field_is_carried() -> None:
    for name in ("build", "coin", "kinds", "loops"):
        for workflow in import_argo((FIXTURES / f"{name}.yaml").read_text(encoding="utf-8")).workflows:
            carried = str(thaw(workflow.engine_options)) + "".join(
                str(thaw(step.engine_options)) for _, step in walk(workflow)
            )
            for field in ("'image':", "'command':", "'args':", "'source':", "'manifest':", "'limit':", "'withItems':"):
                assert field not in carried, name


@pytest.mark.skipif(bool(validator.tools_missing()), reason=validator.tools_missing() or "there")
def test_numbers_are_compared_as_numbers_beside_odd_texts() -> None:
    x = ir.ParameterRef(name="x")
    more = ir.Compare(operator=">", left=x, right=ir.Constant(value=9))
    odd = ir.Compare(operator="!=", left=x, right=ir.Constant(value="a b"))
    when = write_when(ir.AllOf(parts=(more, odd)), Writing(parameters={"x": "inputs.parameters.x"}))
    found = [validator.evaluate([when], {"inputs.parameters.x": given})[0].runs for given in ("10", "9")]
    assert found == [True, False]


@pytest.mark.skipif(bool(validator.tools_missing()), reason=validator.tools_missing() or "there")
@pytest.mark.parametrize("text", ["it's", "a b", "x\\y", "two\nlines", "'", ""])
def test_changed_conditions_compare_texts_as_they_are(text: str) -> None:
    condition = ir.Compare(operator="==", left=ir.ParameterRef(name="x"), right=ir.Constant(value=text))
    when = write_when(condition, Writing(parameters={"x": "inputs.parameters.x"}))
    for given in (text, f"{text}!"):
        [found] = validator.evaluate([when], {"inputs.parameters.x": given})
        assert (found.runs, found.error, found.when_error) == (given == text, "", "")


def test_the_place_of_a_file_among_the_arguments() -> None:
    text = """
kind: Workflow
metadata: {name: page}
spec:
  entrypoint: main
  arguments: {artifacts: [{name: page, s3: {bucket: old, key: page, keyFormat: x}}]}
  templates:
  - name: main
    inputs: {artifacts: [{name: page}]}
    steps:
    - - {name: show, template: show, arguments: {artifacts: [{name: page, from: "{{inputs.artifacts.page}}"}]}}
  - name: show
    inputs: {artifacts: [{name: page, path: /page}]}
    container: {image: "alpine:3", command: [cat, /page]}
"""
    imported = import_argo(text)
    assert documents(to_argo(imported)) == documents(f"apiVersion: argoproj.io/v1alpha1\n{text}")
    [show] = imported.workflows[0].steps
    file = ir.StoredFile(url="s3://old/page", options={"region": "eu-west-1"})
    [given] = [item.model_copy(update={"value": file}) for item in show.inputs]
    edited = imported.workflows[0].model_copy(update={"steps": (show.model_copy(update={"inputs": (given,)}),)})
    [after] = documents(to_argo(Imported((edited,), ())))
    [artifact] = after["spec"]["arguments"]["artifacts"]
    assert artifact["s3"] == {"bucket": "old", "key": "page", "region": "eu-west-1", "keyFormat": "x"}
