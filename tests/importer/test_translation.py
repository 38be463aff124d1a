"""What constructs of Argo are in couler, and what the report says about them."""

from __future__ import annotations

from pathlib import Path

import pytest

from couler.backends.argo.importer import CODES, import_argo, summary, told
from couler.backends.argo.importer.conditions import Untranslatable, read_when
from couler.backends.argo.importer.reading import read_documents
from couler.backends.argo.importer.tags import Reading
from couler.core.ir import model as ir

FIXTURES = Path(__file__).parent / "fixtures"


def workflow(file: str) -> ir.Workflow:
    return import_argo((FIXTURES / f"{file}.yaml").read_text(encoding="utf-8")).workflows[0]


def step(steps: tuple[ir.Step, ...], path: str) -> ir.Step:
    name, _, rest = path.partition("/")
    found = next(one for one in steps if one.name == name)
    if not rest:
        return found
    assert isinstance(found.task, ir.GroupTask)
    return step(found.task.steps, rest)


def test_templates_with_inputs_are_groups_and_others_are_steps() -> None:
    steps = workflow("coin").steps
    assert [type(one.task).__name__ for one in steps] == ["ScriptTask", "GroupTask", "GroupTask"]
    assert step(steps, "heads/tell").task == ir.ContainerTask(
        image="alpine:3.20",
        command=(ir.Constant(value="echo"),),
        args=(ir.Constant(value="it was"), ir.ParameterRef(name="what_came_up")),
    )
    assert step(steps, "heads/tell").retry == ir.Retry(limit=3, backoff=ir.Backoff(initial=60, factor=2))
    assert workflow("coin").description == "Flip a coin and say what came up."


def test_groups_of_steps_are_order() -> None:
    steps = workflow("coin").steps
    assert [one.after for one in steps] == [(), ("flip",), ("flip",)]


def test_conditions_compare_outputs() -> None:
    flip = ir.OutputRef(step="flip")
    assert step(workflow("coin").steps, "heads").when == ir.Compare(
        operator="==", left=flip, right=ir.Constant(value="heads")
    )


def test_a_source_with_tags_becomes_an_argument_of_its_interpreter() -> None:
    task = step(workflow("build").steps, "lint/say").task
    assert isinstance(task, ir.ContainerTask)
    assert task.command == (ir.Constant(value="bash"), ir.Constant(value="-c"))
    [source] = task.args
    assert isinstance(source, ir.Concat)
    assert source.parts[1:4:2] == (ir.ParameterRef(name="text"), ir.ParameterRef(name="level"))


def test_parameters_of_the_workflow_reach_nested_templates_through_inputs() -> None:
    [text, level] = step(workflow("build").steps, "lint").inputs
    assert (text.value, level.value) == (ir.Constant(value="lint"), ir.ParameterRef(name="level"))


def test_what_surrounds_a_process() -> None:
    test = step(workflow("build").steps, "test/test")
    assert test.timeout == 90
    assert test.resources is not None
    assert (test.resources.cpu, test.resources.memory) == (1.5, "2Gi")
    assert test.resources.node_selector == {"disk": "ssd"}
    assert [volume.source for volume in test.volumes] == ["claim", "config_map"]
    assert test.sidecars[0].env == {"POSTGRES_DB": "x"}
    checkout = step(workflow("build").steps, "checkout/checkout")
    assert checkout.secrets == (ir.SecretUse(secret=ir.SecretRef(name="git", key="password"), env="GIT_PASS"),)
    assert [output.name for output in checkout.outputs] == ["hash", "source", "result"]


def test_statuses_and_exit_handlers() -> None:
    build = workflow("build")
    report = step(build.steps, "report")
    assert (report.after, report.after_condition) == (("lint",), ir.StatusIs(step="test", status="failed"))
    assert step(build.steps, "test").allow_failure
    [handler] = build.exit_handlers
    when = step((handler.step,), "tidy/tell").when
    assert when == ir.Compare(operator="!=", left=ir.RunRef(field="status"), right=ir.Constant(value="succeeded"))


def test_loops_are_maps_over_json() -> None:
    steps = workflow("loops").steps
    lists = {one.name: one.foreach.lists["item"] for one in steps if one.foreach is not None}
    assert lists["sequence"] == ir.Constant(value=["host-05", "host-04", "host-03", "host-02"])
    assert lists["given"] == ir.ParameterRef(name="names")
    assert workflow("loops").parameters[0] == ir.Parameter(
        name="names", type="list", default=ir.Constant(value=["ada", "grace"])
    )
    assert lists["made"] == ir.OutputRef(step="make")
    assert step(steps, "make").outputs[-1] == ir.Output(name="result", type="list")
    [given] = step(steps, "maps").inputs
    assert isinstance(given.value, ir.Concat)
    assert given.value.parts[0] == ir.ItemRef(path=("os",))
    assert step(steps, "counted").after_condition == ir.StatusIs(step="made", status="ended")


def test_kinds_and_libraries() -> None:
    found = import_argo((FIXTURES / "kinds.yaml").read_text(encoding="utf-8"))
    assert [one.name for one in found.workflows] == ["nightly", "library", "library-three", "shared", "from-library"]
    assert found.workflows[0].schedule == ir.Schedule(
        cron=("0 3 * * *", "0 15 * * 1-5"), timezone="Europe/Berlin", concurrency="forbid", starting_deadline=30
    )
    job = found.workflows[3].steps[0].task
    assert isinstance(job, ir.JobTask)
    assert job.manifest["kind"] == "Job"
    assert job.success == (ir.JobPredicate(field="status.succeeded", operator=">", value=0),)
    assert [index for index, _ in found.others] == [1]


def test_the_report_names_what_only_argo_can_do() -> None:
    report = import_argo((FIXTURES / "odd.yaml").read_text(encoding="utf-8")).report
    alone = {(one.code, one.path) for one in report if one.outcome == "argo only"}
    assert alone == {
        ("ARGO040", "spec.templates[fetch]"),
        ("ARGO042", "spec.templates[main].other"),
        ("ARGO030", "spec.templates[main].here.inline"),
        ("ARGO041", "spec.templates[again].more"),
        ("ARGO021", "spec.templates[main].maybe.when"),
        ("ARGO021", "spec.templates[main].pattern.when"),
        ("ARGO061", "spec.templates[main].maybe.when"),
        ("ARGO061", "spec.templates[main].pattern.when"),
    }
    paths = {one.path for one in report if one.code == "ARGO060"}
    assert {"spec.templates[flip].memoize.key", "spec.templates[main].maybe.hooks.exit", "spec.hooks.running"} <= paths
    assert told(report).splitlines()[-1] == "{translated} translated, {carried} carried, {argo} argo only".format(
        **summary(report), argo=summary(report)["argo only"]
    )
    assert all(one.code in CODES for one in report)


READING = Reading({"x": "x"}, {}, {"a": {"result": None}}, lambda name: None, lambda tag: None)


@pytest.mark.parametrize(
    ("text", "operator", "right"),
    [
        ("{{inputs.parameters.x}} == yes", "==", "yes"),
        ("'{{inputs.parameters.x}}' != \"no way\"", "!=", "no way"),
        ("{{inputs.parameters.x}} >= 2.5", ">=", 2.5),
        ("({{steps.a.outputs.result}} < 3)", "<", 3),
        ("{{inputs.parameters.x}}", "==", "true"),
        ("{{= inputs.parameters['x'] == 'it\\'s' }}", "==", "it's"),
        ('{{=steps["a"].outputs.result != "b c"}}', "!=", "b c"),
        ("{{=asInt(inputs.parameters.x) > 3}}", ">", 3),
    ],
)
def test_comparisons(text: str, operator: str, right: object) -> None:
    found = read_when(text, READING)
    assert isinstance(found, ir.Compare)
    assert (found.operator, found.right) == (operator, ir.Constant(value=right))


@pytest.mark.parametrize(
    "text",
    [
        "{{=1 > x}}",
        "{{=inputs.parameters.x > 'a'}}",
        "{{=inputs.parameters.x == 5}}",
        "{{=len('a') > 0}}",
        "{{inputs.parameters.y}} == 1",
        "{{inputs.parameters.x}} =~ 'a'",
        "a",
        "{{steps.a.status}} == b",
    ],
)
def test_other_conditions_are_not_guessed(text: str) -> None:
    with pytest.raises(Untranslatable):
        read_when(text, READING)


def test_yaml_is_read_as_kubernetes_reads_it() -> None:
    text = "a: &x {b: yes, c: 0o17, d: 1e3, e: 2001-01-01, f: ~, g: =, h: 010}\ni: *x\nj: {<<: *x, b: 1}"
    [found] = read_documents(text)
    first = {"b": True, "c": 15, "d": 1000.0, "e": "2001-01-01", "f": None, "g": "=", "h": 8}
    assert found == {"a": first, "i": first, "j": {**first, "b": 1}}


def test_the_page_lists_every_code() -> None:
    page = (Path(__file__).resolve().parents[2] / "docs" / "importing.md").read_text(encoding="utf-8")
    rows = [f"| {code} | {' | '.join(about)} |" for code, about in CODES.items()]
    assert [line for line in page.splitlines() if line.startswith("| ARGO")] == rows


def test_what_is_carried_stands_where_it_belongs() -> None:
    odd = workflow("odd").engine_options["argo"]
    assert odd["layout"]["first"] == {"parallelism": 2}
    assert [one["name"] for one in odd["templates"]] == ["notify"]
    again = step(workflow("odd").steps, "maybe/flip").engine_options["argo"]
    assert set(again) == {"memoize", "synchronization", "container"}
    assert set(step(workflow("odd").steps, "maybe").engine_options["argo"]["task"]) == {"when", "hooks"}
    script = "{image: x, command: [sh], source: y, tty: true}"
    text = f"{{kind: Workflow, spec: {{entrypoint: a, templates: [{{name: a, script: {script}}}]}}}}"
    [alone] = import_argo(text).workflows
    assert alone.steps[0].engine_options == {"argo": {"container": {"tty": True}}}
    assert set(alone.engine_options["argo"]) == {"layout"}
