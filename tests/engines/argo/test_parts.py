"""Scopes with more steps than a DAG template of Argo may have are cut into parts, and no edge is lost."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import couler
from couler.backends.argo.names import NameTable, is_part
from couler.backends.argo.parts import Part, cut
from couler.core.ir.graph import upstream
from couler.core.ir.model import Constant, ContainerTask, OutputRef, Step, Workflow
from tests.engines.argo import validator

CAP = 200


def _parts(steps: tuple[Step, ...], most: int) -> Part:
    needs = {step.name: upstream(step) for step in steps}
    return cut(steps, needs, dict.fromkeys(needs, 1), most, NameTable(needs))


def _every(part: Part) -> Iterator[Part]:
    yield part
    for inner in part.parts:
        yield from _every(inner)


def _step(name: str, *after: str) -> Step:
    return Step(name=name, task=ContainerTask(image="alpine:3"), after=after)


@st.composite
def graphs(draw: st.DrawFn) -> tuple[Step, ...]:
    """Steps that wait for each other without a circle, declared in any order."""
    names = [f"s{number}" for number in range(draw(st.integers(1, 40)))]
    needs = [draw(st.lists(st.sampled_from(names[:index] or ["elsewhere"]), max_size=3)) for index in range(len(names))]
    steps = [_step(name, *after) for name, after in zip(names, needs, strict=True)]
    return tuple(draw(st.permutations(steps)))


@given(steps=graphs(), most=st.integers(2, 6))
def test_every_step_stands_in_one_part_after_all_that_it_needs(steps: tuple[Step, ...], most: int) -> None:
    whole = _parts(steps, most)

    cut_steps = [step for part in whole.leaves() for step in part.steps]
    position = {step.name: index for index, step in enumerate(cut_steps)}
    assert sorted(position) == sorted(step.name for step in steps)
    assert len(cut_steps) == len(steps)
    for step in cut_steps:
        assert all(position[name] < position[step.name] for name in upstream(step) if name in position)
    assert all(len(part.steps) <= most and len(part.parts) <= most for part in _every(whole))
    names = [part.task for part in _every(whole) if part is not whole]
    assert len(names) == len({*names, *position}) - len(position)


def test_independent_chains_stay_together() -> None:
    chains = tuple(
        Step(
            name=f"s-{row}-{chain}",
            task=ContainerTask(image="alpine:3"),
            after=(f"s-{row - 1}-{chain}",) if row else (),
        )
        for row in range(4)
        for chain in range(3)
    )

    found = [[step.name for step in part.steps] for part in _parts(chains, 4).leaves()]

    assert found == [[f"s-{row}-{chain}" for row in range(4)] for chain in range(3)]


def layered(count: int, width: int = 20, **settings: Any) -> Workflow:
    """Steps in layers; each waits for three of the layer before, and reads one of them."""
    steps = []
    for index in range(count):
        layer, place = divmod(index, width)
        before = [f"step-{(layer - 1) * width + (place + more) % width}" for more in range(3)] if layer else []
        inputs = (OutputRef(step=before[0]),) if before else ()
        task = ContainerTask(
            image="alpine:3", command=(Constant(value="echo"),), args=(Constant(value=str(index)), *inputs)
        )
        steps.append(Step(name=f"step-{index}", task=task, after=tuple(before[1:])))
    return Workflow(name="layered", steps=tuple(steps), **settings)


def _templates(made: Mapping[str, Any]) -> dict[str, Any]:
    return {template["name"]: template for template in made["spec"]["templates"]}


def _caps_kept(made: Mapping[str, Any]) -> None:
    templates = _templates(made)
    assert len(templates) <= CAP
    assert max(len(template["dag"]["tasks"]) for template in templates.values() if "dag" in template) <= CAP


def _edges(made: Mapping[str, Any], steps: set[str]) -> dict[str, set[str]]:
    """Steps that each step waits for: those in its part by name, and all in the parts that its own waits for."""
    templates = _templates(made)

    def tasks(template: str, before: frozenset[str]) -> Iterator[tuple[str, set[str]]]:
        inside = {task["name"]: task for task in templates[template]["dag"]["tasks"]}
        for name, task in inside.items():
            needs = set(re.findall(r"[a-z0-9-]+", task.get("depends", ""))) & set(inside)
            ahead = {step for need in needs for step in all_in(inside[need])} | before
            if is_part(name, steps):
                yield from tasks(task["template"], frozenset(ahead))
            elif name in steps:
                yield name, ahead

    def all_in(task: Mapping[str, Any]) -> Iterator[str]:
        if not is_part(task["name"], steps):
            yield task["name"]
            return
        for inner in templates[task["template"]]["dag"]["tasks"]:
            yield from all_in(inner)

    return dict(tasks(made["spec"]["entrypoint"], frozenset()))


@pytest.mark.parametrize("on_failure", ["stop", "continue"])
def test_a_thousand_steps_keep_their_edges_within_the_caps(on_failure: str) -> None:
    workflow = layered(1_000, on_failure=on_failure)

    compiled = couler.compile(workflow, "argo", format="json")

    made = json.loads(compiled.text)
    _caps_kept(made)
    edges = _edges(made, {step.name for step in workflow.steps})
    for step in workflow.steps:
        assert set(upstream(step)) <= edges[step.name]
    assert compiled.problems == ()


def test_argo_itself_takes_a_thousand_steps_in_parts() -> None:
    if reason := validator.tools_missing():
        pytest.skip(reason)
    texts = {mode: couler.compile(layered(1_000, on_failure=mode), "argo").text for mode in ("stop", "continue")}

    assert validator.validate(texts) == {"stop": "", "continue": ""}


def test_many_parts_stand_in_parts_of_parts() -> None:
    workflow = layered(600, width=4)

    made = json.loads(couler.compile(workflow, "argo", format="json", max_tasks=12).text)

    names = {task["name"] for task in _templates(made)["layered"]["dag"]["tasks"]} - {"failures"}
    assert names == {f"parts-{number}" for number in range(1, len(names) + 1)}
    assert len(names) > 1
    steps = {step.name for step in workflow.steps}
    assert max(len(template["dag"]["tasks"]) for template in made["spec"]["templates"] if "dag" in template) <= 13, (
        "and the task that judges"
    )
    assert set(_edges(made, steps)) == steps


def test_a_value_passes_through_the_parts_between() -> None:
    steps = tuple(
        Step(name=name, task=ContainerTask(image="alpine:3", args=args), inputs=inputs, after=after)
        for name, args, inputs, after in (
            ("first", (), (), ()),
            ("second", (), (), ("first",)),
            ("third", (), (), ("second",)),
            ("last", (OutputRef(step="first"),), (), ("third",)),
        )
    )

    made = json.loads(couler.compile(Workflow(name="w", steps=steps), "argo", format="json", max_tasks=2).text)

    second = next(task for task in _templates(made)["w"]["dag"]["tasks"] if task["name"] == "part-2")
    taken = [{"name": "first-result", "value": "{{tasks.part-1.outputs.parameters.first-result}}"}]
    assert second == {
        "name": "part-2", "template": "w-part-2", "depends": "part-1", "arguments": {"parameters": taken},
    }  # fmt: skip
    last = _templates(made)["w-part-2"]["dag"]["tasks"][-1]
    assert last["arguments"]["parameters"][0]["value"] == "{{inputs.parameters.first-result}}"


def test_a_step_called_like_a_part_is_a_step() -> None:
    steps = tuple(Step(name=f"part-{number}", task=ContainerTask(image="alpine:3")) for number in (1, 2, 3))

    made = json.loads(couler.compile(Workflow(name="w", steps=steps), "argo", format="json", max_tasks=2).text)

    parts = [task["name"] for template in made["spec"]["templates"] if "dag" in template
             for task in template["dag"]["tasks"] if "-part-" in task["template"]]  # fmt: skip
    assert parts
    assert not set(parts) & {step.name for step in steps}


def _different(count: int) -> Workflow:
    """Steps of which no two can share a template; each reads the one before."""
    steps = []
    for index in range(count):
        args = (OutputRef(step=f"step-{index - 1}"),) if index else ()
        task = ContainerTask(image=f"alpine:3.{index}", command=(Constant(value="echo"),), args=args)
        steps.append(Step(name=f"step-{index}", task=task))
    return Workflow(name="different", steps=tuple(steps))


def test_templates_beyond_the_cap_stand_in_their_tasks() -> None:
    compiled = couler.compile(_different(150), "argo", format="json")

    made = json.loads(compiled.text)
    templates = _templates(made)
    inside = [
        task["inline"]["container"]["image"]
        for template in templates.values()
        for task in template.get("dag", {}).get("tasks", ())
        if "inline" in task
    ]
    named = [template["container"]["image"] for template in templates.values() if "container" in template]
    assert len(templates) == CAP
    assert sorted([*inside, *named]) == sorted(f"alpine:3.{index}" for index in range(150))
    assert compiled.problems == ()


def test_argo_itself_takes_templates_in_tasks() -> None:
    if reason := validator.tools_missing():
        pytest.skip(reason)

    assert validator.validate({"w": couler.compile(_different(150), "argo").text}) == {"w": ""}
