from __future__ import annotations

import sys
from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, given, settings

from couler.core.ir.features import FEATURES, features_of
from couler.core.ir.graph import cycle, links, links_remembered, order, outputs_of, references, upstream, walk
from couler.core.ir.model import (
    AllOf,
    Compare,
    Concat,
    Constant,
    ContainerTask,
    EnvVar,
    ExitHandler,
    FirstOf,
    ForEach,
    FunctionTask,
    GroupOutput,
    GroupTask,
    Input,
    ItemRef,
    JobOutput,
    JobTask,
    ListOf,
    Loop,
    LoopOutputRef,
    Output,
    OutputRef,
    Parameter,
    ParameterRef,
    Resources,
    Retry,
    RoundRef,
    ScriptTask,
    StatusIs,
    Step,
    StoredFile,
    SuspendTask,
    Workflow,
)
from couler.core.ir.text import from_data, to_data, to_json
from couler.core.ir.validate import problems
from tests.core.ir.strategies import workflows

WAIT = SuspendTask(duration=0)
relaxed = settings(deadline=None, max_examples=30, suppress_health_check=list(HealthCheck))


def step(name: str, task: object = WAIT, **attributes: object) -> Step:
    return Step(name=name, task=task, **attributes)  # type: ignore[arg-type]


def out(name: str) -> OutputRef:
    return OutputRef(step=name)


def test_references_are_found_wherever_a_value_may_stand() -> None:
    task = ContainerTask(image="i", command=(out("b"),), args=(Concat(parts=(constant("-"), out("c"), RoundRef())),))
    busy = step(
        "busy",
        task,
        inputs=(
            Input(name="x", value=FirstOf(options=(out("a"), out("a2")))),
            Input(name="f", value=StoredFile(url="u")),
        ),
        env=(EnvVar(name="E", value=ParameterRef(name="p")),),
        foreach=ForEach(lists={"item": ListOf(items=(out("d"),))}),
        when=AllOf(parts=(Compare(operator="==", left=out("e"), right=constant(1)),)),
        loop=Loop(condition=Compare(operator="<", left=LoopOutputRef(), right=out("f")), max_iterations=2),
        after=("g", "a"),
        after_condition=StatusIs(step="h", status="failed"),
    )
    names = [getattr(ref, "step", ref.kind) for ref in references(busy)]
    assert names == ["a", "a2", "b", "c", "round", "parameter", "d", "e", "loop_output", "f"]
    assert upstream(busy) == ("a", "a2", "b", "c", "d", "e", "f", "g", "h")


def constant(value: object) -> Constant:
    return Constant(value=value)


def test_order_keeps_the_declaration_where_it_can() -> None:
    steps = (step("d", after=("b",)), step("c"), step("b", after=("a",)), step("a"), step("e", after=("unknown",)))
    assert [each.name for each in order(steps)] == ["c", "a", "b", "d", "e"]


def test_order_of_a_cycle_names_it() -> None:
    steps = (step("a", after=("c",)), step("b", after=("a",)), step("c", after=("b",)), step("d"))
    assert cycle(steps) == ("a", "b", "c")
    assert cycle(steps[3:]) == ()
    with pytest.raises(ValueError, match=r"^steps wait for each other: a -> b -> c -> a$"):
        order(steps)


def test_walk_gives_paths_of_children_and_exit_handlers() -> None:
    inner = GroupTask(steps=(step("deep", GroupTask(steps=(step("leaf"),))), step("next")))
    workflow = Workflow(
        name="w", steps=(step("g", inner), step("a")), exit_handlers=(ExitHandler(step=step("h", inner)),)
    )
    paths = [path for path, _ in walk(workflow)]
    assert paths == ["g", "g/deep", "g/deep/leaf", "g/next", "a", "h", "h/deep", "h/deep/leaf", "h/next"]


@pytest.mark.parametrize(
    ("task", "expected"),
    [
        (FunctionTask(source="", entry="f"), {"result": "any"}),
        (ScriptTask(source=""), {"result": "str"}),
        (ContainerTask(image="i"), {"result": "str"}),
        (JobTask(manifest={}, outputs=(JobOutput(name="pod", field="f", type="str"),)), {"pod": "str"}),
        (GroupTask(outputs=(GroupOutput(name="best", type="float", value=Constant()),)), {"best": "float"}),
        (WAIT, {}),
    ],
)
def test_every_task_has_its_implied_outputs(task: object, expected: dict[str, str]) -> None:
    assert {name: output.type for name, output in outputs_of(step("a", task)).items()} == expected
    mapped = step("a", task, foreach=ForEach(lists={"item": Constant(value=())}))
    lists = {name: "list" if kind == "any" else f"list[{kind}]" for name, kind in expected.items()}
    assert {name: output.type for name, output in outputs_of(mapped).items()} == lists


def test_a_declared_result_replaces_the_implied_one() -> None:
    typed = step("a", FunctionTask(source="", entry="f"), outputs=(Output(name="result", type="int"),))
    assert outputs_of(typed)["result"].type == "int"


@relaxed
@given(workflows())
def test_order_is_topological_and_upstream_has_no_duplicates(workflow: Workflow) -> None:
    seen: set[str] = set()
    for each in order(workflow.steps):
        needed = upstream(each)
        assert len(set(needed)) == len(needed)
        assert seen.issuperset(needed)
        seen.add(each.name)
    assert seen == {each.name for each in workflow.steps}


@relaxed
@given(workflows())
def test_renaming_every_step_changes_nothing_but_names(workflow: Workflow) -> None:
    renamed = from_data(_renamed(to_data(workflow)))
    assert problems(renamed) == ()
    assert _edges(renamed) == [(_new(a), _new(b)) for a, b in _edges(workflow)]
    features, others = features_of(workflow), features_of(renamed)
    assert {name: len(paths) for name, paths in features.items()} == {
        name: len(paths) for name, paths in others.items()
    }
    assert features.keys() <= FEATURES.keys()


def _edges(workflow: Workflow) -> list[tuple[str, str]]:
    return [(needed, path) for path, each in walk(workflow) for needed in upstream(each)]


def _new(path: str) -> str:
    return "/".join(f"{part}.new" for part in path.split("/"))


def _renamed(data: object, key: str = "") -> object:
    """Every step's name and every reference to a step, with ``.new`` behind it."""
    if isinstance(data, list):
        return [f"{item}.new" if key == "after" else _renamed(item, key) for item in data]
    if not isinstance(data, dict) or (key in ("value", "manifest", "engine_options", "labels") and "kind" not in data):
        return data
    if data.get("kind") == "constant" or key in ("manifest", "engine_options", "labels", "affinity"):
        return data
    new = {name: _renamed(item, name) for name, item in data.items()}
    if "task" in data:
        new["name"] = f"{data['name']}.new"
    if data.get("kind") in ("output", "status"):
        new["step"] = f"{data['step']}.new"
    return new


def test_chains_of_any_length_need_no_recursion() -> None:
    steps = tuple(step(f"s{i}", after=(f"s{i - 1}",) if i else ()) for i in range(100_000))
    assert order(tuple(reversed(steps))) == steps
    assert cycle(steps) == ()
    looped = (step("s0", after=("s99999",)), *steps[1:])
    assert len(cycle(looped)) == 100_000


def large(count: int) -> Workflow:
    """Steps with three edges each, parameters, resources and retry."""
    task = FunctionTask(source="def f(a, b, c, p):\n    return 1\n", entry="f")

    def edge(index: int, back: int) -> OutputRef | Constant:
        return OutputRef(step=f"s{index - back}") if index >= back else constant(1)

    steps = tuple(
        Step(
            name=f"s{index}",
            task=task,
            inputs=(
                *(Input(name=name, type="int", value=edge(index, back)) for back, name in enumerate("abc", start=1)),
                Input(name="p", type="int", value=ParameterRef(name="p")),
            ),
            outputs=(Output(name="result", type="int"),),
            resources=Resources(cpu=1, memory="1Gi"),
            retry=Retry(limit=2),
        )
        for index in range(count)
    )
    return Workflow(name="large", parameters=(Parameter(name="p", type="int", default=constant(1)),), steps=steps)


def calls_made_by(action: Callable[[Workflow], object], workflow: Workflow) -> int:
    """How many functions are called, of Python and of C: a measure of work that no other program disturbs."""
    count = 0

    def hear(frame: object, event: str, argument: object) -> None:
        nonlocal count
        count += event in ("call", "c_call")

    sys.setprofile(hear)
    try:
        action(workflow)
    finally:
        sys.setprofile(None)
    return count


def test_the_work_for_a_check_grows_with_the_number_of_steps_and_not_faster() -> None:
    few, many = large(200), large(2000)
    assert problems(many) == ()
    actions: tuple[Callable[[Workflow], object], ...] = (problems, lambda workflow: order(workflow.steps), to_json)
    for action in actions:
        assert calls_made_by(action, many) < 11 * calls_made_by(action, few)


@pytest.mark.parametrize(
    ("attributes", "feature"),
    [
        ({"retry": Retry(limit=1)}, "retry"),
        ({"resources": Resources(gpu=1)}, "gpu"),
        ({"allow_failure": True}, "allow_failure"),
        ({"foreach": ForEach(lists={"item": ParameterRef(name="p")})}, "map_dynamic"),
        ({"foreach": ForEach(lists={"a": constant([1]), "b": constant([1])})}, "map_zip"),
        ({"inputs": (Input(name="x", value=ItemRef(path=("a",))),)}, "value_path"),
        ({"inputs": (Input(name="x", value=OutputRef(step="b", default=constant(1))),)}, "reference_default"),
        ({"inputs": (Input(name="x", type="list[folder]", value=out("b")),)}, "folders"),
        ({"outputs": (Output(name="x", type="file", path="p"),)}, "files"),
        ({"when": Compare(operator="==", left=FirstOf(options=(out("b"),)), right=constant(1))}, "first_of"),
    ],
)
def test_a_feature_is_found_at_its_step(attributes: dict[str, object], feature: str) -> None:
    workflow = Workflow(name="w", steps=(step("g", GroupTask(steps=(step("a", **attributes), step("b")))),))
    assert features_of(workflow)[feature] == ("g/a",)


def test_maps_in_maps_are_told_apart_from_maps() -> None:
    again = ForEach(lists={"item": constant([1])})
    inner = GroupTask(steps=(step("inner", GroupTask(steps=(step("leaf", foreach=again),))),))
    found = features_of(Workflow(name="w", steps=(step("outer", inner, foreach=again),)))
    assert found["map"] == ("outer", "outer/inner/leaf")
    assert found["map_in_map"] == ("outer/inner/leaf",)


def test_links_are_found_once_for_each_step_within_a_block() -> None:
    def waits_for(name: str) -> Step:
        return Step.model_validate({"name": "a", "task": {"kind": "suspend"}, "after": (name,)})

    first = waits_for("b")
    with links_remembered():
        assert links(first) is links(first)
        assert [links(waits_for(name))[1] for name in "bcd"] == [("b",), ("c",), ("d",)]
    assert links(first) == ((), ("b",))
    assert links(first) is not links(first)
