"""Options for Argo are checked, merged last, and refused all at once when Argo would not understand them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from couler.backends.argo.backend import ArgoBackend
from couler.backends.argo.patches import PatchError, combined, read_patch
from couler.core.errors import ConfigError, EngineError, InvalidWorkflowError
from couler.core.ir.model import (
    Concat,
    Constant,
    ContainerTask,
    Escalation,
    FunctionTask,
    GroupTask,
    Input,
    Output,
    OutputRef,
    Resources,
    Retry,
    Schedule,
    Step,
    Workflow,
)
from couler.driver.prepare import compile, prepare
from tests.engines.argo import schema, validator
from tests.engines.argo.documents import around, leaf, template_object

IMAGE = "python:3.11-slim"
FUNCTION = FunctionTask(source="def f():\n    return 1\n", entry="f")
needs_validator = pytest.mark.skipif(bool(validator.tools_missing()), reason=validator.tools_missing())


def step(name: str = "train", **attributes: Any) -> Step:
    task = ContainerTask(image=IMAGE, command=(Constant(value="true"),))
    return Step(**{"name": name, "task": task, **attributes})


def with_options(*steps: Step, **options: Any) -> Workflow:
    return Workflow(name="w", steps=steps or (step(),), engine_options={"argo": options})


def with_step_options(**options: Any) -> Workflow:
    return Workflow(name="w", steps=(step(engine_options={"argo": options}, location="w.py:7"),))


def document(workflow: Workflow, version: str = "", **settings: Any) -> dict[str, Any]:
    return ArgoBackend().document(prepare(workflow, "argo", {}).workflow, version, settings)


def template(made: dict[str, Any], name: str) -> dict[str, Any]:
    return next(one for one in made["spec"]["templates"] if one["name"] == name)


# --- what is refused


def problems(workflow: Workflow, version: str = "") -> tuple[str, ...]:
    with pytest.raises(InvalidWorkflowError) as caught:
        document(workflow, version)
    return tuple(map(str, caught.value.problems))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"retryStrategy": {"limitt": 2}}, ".retryStrategy.limitt: unknown field; did you mean 'limit'?"),
        ({"priorityClasName": "high"}, ".priorityClasName: unknown field; did you mean 'priorityCla"),
        ({"initContainers": {"name": "a"}}, ".initContainers: takes a list, and got a mapping"),
        ({"container": {"envFrm": []}}, ".container.envFrm: unknown field; did you mean 'envFrom'?"),
        ({"container": 5}, ".container: takes a mapping, and got the number 5"),
        ({"task": {"templateReff": {}}}, ".task.templateReff: unknown field; did you mean 'template"),
        ({"task": {"template": "x"}}, ".task.template: couler names the templates; use templateRef"),
        ({"name": "x"}, ".name: couler names the templates; rename the step"),
        ({"http": {"url": "a"}, "data": {}}, ".http: a template is one of data and http, not both"),
        ({"podSpecPatch": "{{=x}} y"}, ".podSpecPatch: is no"),
        ({"podSpecPatch": "containrs: []"}, ".podSpecPatch.containrs: unknown field; did you mean"),
    ],
)  # fmt: skip
def test_a_bad_option_of_a_step_is_named(options: dict[str, Any], words: str) -> None:
    [problem] = problems(with_step_options(**options))
    assert problem.startswith("step 'train' (w.py:7): ")
    assert f"engine_options['argo']{words}" in problem
    assert "[engine-options]" in problem


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"ttlStrategy": {"secondsAfter": 5}}, ".ttlStrategy.secondsAfter: unknown field; did you mean 'secondsAfter"),
        ({"metadata": {"label": {}}}, ".metadata.label: unknown field; did you mean 'labels'?"),
        ({"cronWorkflow": {"schedule": "* * * * *"}}, ".cronWorkflow.schedule: unknown field; Argo 4.0 took it out;"),
        ({"cronWorkflow": {"workflowSpec": {}}}, ".cronWorkflow.workflowSpec: fields of the spec stand at the top"),
        ({"podPriority": 5}, ".podPriority: unknown field; Argo 3.7 took it out; write 'podPriorityClassName'"),
        ({"suspend": "yes"}, ".suspend: takes true or false, and got the text 'yes'"),
    ],
)
def test_a_bad_option_of_the_workflow_is_named(options: dict[str, Any], words: str) -> None:
    [problem] = problems(with_options(**options))
    assert problem.startswith(f"workflow: engine_options['argo']{words}")


@pytest.mark.parametrize("task", [FUNCTION, GroupTask(steps=(step(),))], ids=["function", "group"])
def test_only_a_container_or_script_may_stand_for_a_template_of_another_object(task: Any) -> None:
    options = {"task": {"templateRef": {"name": "library", "template": "leaf"}}}
    [problem] = problems(Workflow(name="w", steps=(Step(name="s", task=task, engine_options={"argo": options}),)))
    assert ".task.templateRef: what the step does would not run; make it a container, script or pause" in problem


def test_all_problems_are_listed_at_once() -> None:
    inner = step("inner", engine_options={"argo": {"a": 1, "b": 2}})
    group = Step(name="group", task=GroupTask(steps=(inner,)))
    found = problems(with_options(group, step("other", engine_options={"argo": {"c": 3}}), d=4))
    assert [one.partition(": ")[0] for one in found] == ["workflow", *["step 'group/inner'"] * 2, "step 'other'"]


def test_a_field_of_a_newer_version_is_refused() -> None:
    workflow = with_step_options(podResources={"limits": {"memory": "1Gi"}})
    assert document(workflow)
    [problem] = problems(workflow, "4.0")
    assert "podResources: exists since Argo 4.1, and the workflow is written for 4.0" in problem


def test_tags_are_texts_of_any_type() -> None:
    made = document(with_step_options(activeDeadlineSeconds="{{y}}", priorityClassName="{{x}}"))
    assert template(made, "train")["priorityClassName"] == "{{x}}"


def test_options_of_other_engines_are_ignored_with_a_note() -> None:
    workflow = Workflow(name="w", steps=(step(engine_options={"airflow": {"pool": "big"}}),))
    assert "options for other engines are ignored" in compile(workflow, "argo").notes
    assert compile(Workflow(name="w", steps=(step(),)), "argo").notes == ()


# --- what is merged


def test_options_are_merged_last() -> None:
    made = document(
        Workflow(
            name="w",
            steps=(
                step(
                    labels={"team": "vision"},
                    env=({"name": "MODE", "value": Constant(value="a")},),
                    retry=Retry(limit=1),
                    engine_options={
                        "argo": {
                            "metadata": {"labels": {"more": "x"}},
                            "container": {"env": [{"name": "MODE", "value": "b"}, {"name": "NEW", "value": "c"}]},
                            "retryStrategy": {"retryPolicy": "OnError"},
                        }
                    },
                ),
            ),
        )
    )
    found = template(made, "train")
    assert found["metadata"]["labels"] == {"team": "vision", "more": "x"}
    assert [one["value"] for one in found["container"]["env"] if one["name"] in ("MODE", "NEW")] == ["b", "c"]
    assert (found["retryStrategy"]["limit"], found["retryStrategy"]["retryPolicy"]) == ("1", "OnError")


def test_the_container_of_a_function_is_its_script() -> None:
    made = document(Workflow(name="w", steps=(
        Step(name="f", task=FUNCTION, engine_options={"argo": {"container": {"imagePullPolicy": "Never"}}}),
    )))  # fmt: skip
    assert template(made, "f")["script"]["imagePullPolicy"] == "Never"


def test_inputs_of_options_are_added() -> None:
    made = document(Workflow(name="w", steps=(
        Step(name="f", task=FUNCTION, engine_options={"argo": {"inputs": {"parameters": [{"name": "x"}]}}}),
    )))  # fmt: skip
    inputs = template(made, "f")["inputs"]
    assert [one["name"] for one in inputs["artifacts"]] == ["couler-payload"]
    assert inputs["parameters"] == [{"name": "x"}]


def test_conditions_and_dependencies_of_options_are_added() -> None:
    made = document(
        Workflow(
            name="w",
            steps=(
                step("a"),
                step("b"),
                step(
                    "c", after=("a",), engine_options={"argo": {"task": {"depends": "b.Succeeded", "when": "1 == 1"}}}
                ),
            ),
        )
    )
    [task] = [one for one in made["spec"]["templates"][0]["dag"]["tasks"] if one["name"] == "c"]
    assert (task["depends"], task["when"]) == ("(a) && (b.Succeeded)", "1 == 1")


def test_another_kind_of_template_takes_the_place_of_the_container() -> None:
    workflow = with_step_options(http={"url": "https://example.org"})
    made = compile(workflow, "argo", format="json")
    found = template(json.loads(made.text), "train")
    assert set(found) == {"name", "http"}
    assert made.notes == ("step 'train' is a template of the kind 'http', as its options for Argo say",)


# --- patches of pods


def patch(made: dict[str, Any]) -> dict[str, Any]:
    return read_patch(made["spec"]["podSpecPatch"])


def test_a_patch_of_the_user_joins_the_one_that_ships_the_runner() -> None:
    text = "terminationGracePeriodSeconds: 60\ncontainers:\n- name: main\n  env: [{name: A, value: b}]\n- name: x\n"
    made = document(
        Workflow(name="w", steps=(Step(name="f", task=FUNCTION),), engine_options={"argo": {"podSpecPatch": text}})
    )
    found = patch(made)
    assert found["terminationGracePeriodSeconds"] == 60
    main, other = found["containers"]
    assert [one["name"] for one in main["env"]] == ["COULER_RUNNER", "A"]
    assert other == {"name": "x"}


def test_a_patch_of_a_step_joins_the_one_that_raises_its_memory() -> None:
    more = step(
        resources=Resources(memory="1Gi"),
        retry=Retry(limit=2, escalation=Escalation()),
        engine_options={"argo": {"podSpecPatch": '{"containers":[{"name":"main","tty":true}],"hostname":"h"}'}},
    )
    found = read_patch(template(document(Workflow(name="w", steps=(more,))), "train")["podSpecPatch"])
    [main] = found["containers"]
    assert (main["tty"], found["hostname"]) == (True, "h")
    assert main["resources"]["limits"]["memory"].startswith("{{=string(")


@pytest.mark.parametrize("text", ["", "- a", "a: [", "5"])
def test_a_patch_that_is_no_object_cannot_be_combined(text: str) -> None:
    with pytest.raises(PatchError):
        read_patch(text)


def test_what_patches_both_say_is_said_by_the_last() -> None:
    found = combined('{"containers":[{"name":"a","tty":true}],"tolerations":[1]}', "", "tolerations: [2]")
    assert read_patch(found) == {"containers": [{"name": "a", "tty": True}], "tolerations": [2]}


# --- templates of other objects


@needs_validator
def test_a_step_calls_a_template_of_another_object() -> None:
    more = {"parameters": [{"name": "mode", "value": "fast"}]}
    made_elsewhere = {"templateRef": {"name": "library", "template": "leaf"}, "arguments": more}
    called = step(
        "call",
        inputs=(Input(name="word", value=Concat(parts=(Constant(value="a-"), OutputRef(step="first")))),),
        env=({"name": "case", "value": Constant(value="{{lower}}")},),
        outputs=(Output(name="size", type="int", path="/size"),),
        engine_options={"argo": {"task": made_elsewhere}},
    )
    last = step("last", env=({"name": "SIZE", "value": OutputRef(step="call", output="size")},
                             {"name": "TEXT", "value": OutputRef(step="call")}))  # fmt: skip
    made = document(Workflow(name="w", steps=(step("first"), called, last)))
    [task] = template(made, "call")["dag"]["tasks"]
    assert task["templateRef"] == {"name": "library", "template": "leaf"}
    assert [one["name"] for one in task["arguments"]["parameters"]] == ["word", "case", "mode"]
    library = leaf(
        inputs={"parameters": [{"name": name} for name in ("word", "case", "mode")]},
        outputs={"parameters": [{"name": "size", "valueFrom": {"path": "/size"}}]},
    )
    other = template_object("library", around(library))
    other["spec"] = {"templates": [library]}
    assert schema.problems(made) == []
    assert validator.validate({"w": json.dumps(made), "t": json.dumps(other)}) == {"w": "", "t": ""}


def test_a_workflow_refers_to_a_template_as_a_whole() -> None:
    made = document(with_options(workflowTemplateRef={"name": "training"}))
    assert made["spec"] == {"workflowTemplateRef": {"name": "training"}}
    assert schema.problems(made) == []


# --- kinds


def test_each_kind_has_its_name_and_marks_what_it_makes() -> None:
    schedule = Schedule(cron=("0 3 * * *",))
    workflow = Workflow(name="My W", steps=(step(),), labels={"team": "vision"}, schedule=schedule)
    mark = {"annotations": {"couler.io/workflow": "My W"}, "labels": {"team": "vision"}}
    cron = document(workflow, namespace="prod")
    assert (cron["kind"], cron["metadata"]["name"], cron["metadata"]["namespace"]) == ("CronWorkflow", "my-w", "prod")
    assert cron["spec"]["workflowMetadata"] == mark
    for kind in ("WorkflowTemplate", "ClusterWorkflowTemplate"):
        made = document(workflow, kind=kind, namespace="prod")
        assert (made["metadata"]["name"], made["spec"]["workflowMetadata"]) == ("my-w", mark)
        assert ("namespace" in made["metadata"]) == (kind == "WorkflowTemplate")
    assert document(workflow, kind="Workflow")["metadata"]["generateName"] == "my-w-"


def test_a_kind_without_the_schedule_says_so() -> None:
    workflow = Workflow(name="w", steps=(step(),), schedule=Schedule(cron=("0 3 * * *",)))
    notes = compile(workflow, "argo", kind="Workflow").notes
    assert notes == ("the schedule is not part of a Workflow; the kind CronWorkflow has it",)


def test_a_schedule_of_options_makes_a_cron_workflow() -> None:
    made = document(with_options(cronWorkflow={"schedules": ["@daily"], "successfulJobsHistoryLimit": 2}))
    assert (made["kind"], made["spec"]["successfulJobsHistoryLimit"]) == ("CronWorkflow", 2)
    assert schema.problems(made) == []


def test_kinds_that_cannot_be_are_refused() -> None:
    with pytest.raises(ConfigError, match="did you mean 'CronWorkflow'"):
        document(with_options(), kind="CronWorkflo")
    with pytest.raises(EngineError, match="has no schedule, and a CronWorkflow needs one"):
        document(with_options(), kind="CronWorkflow")
