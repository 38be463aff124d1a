"""The paper's verbs, over the same builder."""

from typing import Any

import pytest

import couler
from couler.core.dsl import context
from couler.core.dsl.status_text import parse
from couler.core.dsl.workflows import take_implicit
from couler.core.errors import DefinitionError
from couler.core.ir import model as ir
from couler.core.ir.text import from_text, to_json
from couler.core.ir.validate import problems


def taken() -> ir.Workflow:
    workflow = take_implicit()
    assert problems(workflow) == ()
    assert from_text(to_json(workflow)) == workflow
    return workflow


def job(name: str) -> Any:
    return couler.run_container(image="alpine:3.20", command=["echo"], args=[name], step_name=name)


def silent(name: str) -> None:
    job(name)


def afters(workflow: ir.Workflow) -> dict[str, tuple[str, ...]]:
    return {step.name: step.after for step in workflow.steps}


def refused(function: Any) -> str:
    try:
        with pytest.raises(DefinitionError) as caught:
            function()
    finally:
        context.end_implicit()
    return str(caught.value)


@pytest.mark.parametrize(
    ("verb", "operator"),
    [
        (couler.equal, "=="), (couler.not_equal, "!="), (couler.bigger, ">"), (couler.smaller, "<"),
        (couler.bigger_equal, ">="), (couler.smaller_equal, "<="),
    ],
)  # fmt: skip
def test_comparisons_build_conditions_with_one_side_and_with_two(verb: Any, operator: Any) -> None:
    flip = job("flip")
    couler.when(verb(flip, "heads"), lambda: job("heads"))
    couler.exec_while(verb("heads"), lambda: job("again"), max_iterations=7)
    steps = taken().steps
    left = ir.OutputRef(step="flip")
    assert steps[1].when == ir.Compare(operator=operator, left=left, right=ir.Constant(value="heads"))
    compared = ir.Compare(operator=operator, left=ir.LoopOutputRef(), right=ir.Constant(value="heads"))
    assert steps[2].loop == ir.Loop(condition=compared, max_iterations=7)


def test_exec_while_needs_a_condition_with_one_side() -> None:
    assert "couler.exec_while compares the output of the loop" in refused(
        lambda: couler.exec_while(couler.equal(job("a"), "x"), lambda: job("b"))
    )


def test_dag_takes_the_same_name_for_the_same_step() -> None:
    couler.dag(
        [
            [lambda: silent("A")],
            [lambda: silent("A"), lambda: silent("B")],
            [lambda: silent("A"), lambda: silent("C")],
            [lambda: silent("B"), lambda: silent("D")],
            [lambda: silent("C"), lambda: silent("D")],
        ]
    )
    assert afters(taken()) == {"A": (), "B": ("A",), "C": ("A",), "D": ("B", "C")}


def test_dag_takes_the_same_function_for_the_same_step() -> None:
    def nameless() -> None:
        couler.run_container("alpine:3.20", ["true"])

    first, second = nameless, lambda: silent("second")
    couler.dag([[first, second], [first, lambda: silent("third")], [second, lambda: silent("third")]])
    assert afters(taken()) == {"container": (), "second": ("container",), "third": ("container", "second")}


def test_a_large_dag_is_built_in_linear_time() -> None:
    couler.dag([[lambda n=n: silent(f"s{n}"), lambda n=n: silent(f"s{n + 1}")] for n in range(3000)])
    assert len(take_implicit().steps) == 3001


def test_wrong_dags_are_refused() -> None:
    assert "couler.dag takes a list of lists, and 'ab' is no list" in refused(lambda: couler.dag(["ab"]))
    assert "3 declares no step" in refused(lambda: couler.dag([[3]]))
    assert "declared no step" in refused(lambda: couler.dag([[lambda: None]]))


def test_set_dependencies_by_names_outputs_and_expressions() -> None:
    couler.set_dependencies(lambda: silent("A"), dependencies=None)
    b = couler.set_dependencies(lambda: job("B"), dependencies=["A"])
    couler.set_dependencies(lambda: job("C"), dependencies=[b])
    couler.set_dependencies(lambda: job("D"), dependencies="A && B")
    couler.set_dependencies(lambda: job("E"), dependencies="A && (B.Failed || !C.Skipped)")
    workflow = taken()
    assert afters(workflow) == {"A": (), "B": ("A",), "C": ("B",), "D": ("A", "B"), "E": ()}
    assert [step.name for step in workflow.steps if step.allow_failure] == ["B"]

    def status(step: str, name: Any) -> ir.StatusIs:
        return ir.StatusIs(step=step, status=name)

    ended_well = ir.AnyOf(parts=(status("A", "succeeded"), status("A", "skipped")))
    either = ir.AnyOf(parts=(status("B", "failed"), ir.Not(part=status("C", "skipped"))))
    assert workflow.steps[4].after_condition == ir.AllOf(parts=(ended_well, either))


BROKEN = {
    "A.Faild": "unknown status 'Faild'; did you mean 'Failed'?",
    "A &&": "a name is missing at the end",
    "": "a name is missing at the end",
    "(A || B": "a closing bracket is missing",
    "A B": "'B' is unexpected",
    "A & B": "'&' is unexpected",
    "&& A": "'&&' is unexpected",
    "A)": "')' is unexpected",
    "!": "a name is missing at the end",
}


@pytest.mark.parametrize("text", BROKEN)
def test_a_broken_status_expression_says_where(text: str) -> None:
    assert refused(lambda: parse(text)) == (
        f'status expression {text!r}: {BROKEN[text]}\n  hint: it looks like "A && (B.Failed || C)"'
    )


def test_names_in_status_expressions_may_have_dashes_and_dots() -> None:
    assert repr(parse("train-1.2.Succeeded")) == "<condition train-1.2.succeeded>"


def test_exit_handlers_by_status() -> None:
    job("A")
    couler.set_exit_handler(couler.WFStatus.Succeeded, lambda: job("good"))
    couler.set_exit_handler(couler.WFStatus.Failed, lambda: job("bad"))
    couler.set_exit_handler(None, lambda: job("any"))
    assert [(handler.step.name, handler.on) for handler in taken().exit_handlers] == [
        ("good", "success"), ("bad", "failure"), ("any", "always"),
    ]  # fmt: skip
    assert "unknown workflow status 'Faild'\n  hint: did you mean 'Failed'?" in refused(
        lambda: couler.set_exit_handler("Faild", lambda: job("x"))
    )


def test_artifacts_are_inputs_and_outputs_at_declared_places() -> None:
    place = couler.create_parameter_artifact(path="/tmp/accuracy.txt")
    key = couler.secret("store", "id")
    bucket = couler.create_s3_artifact("/data/x.csv", "bucket", "x.csv", accesskey_id=key, endpoint="http://s3")
    out = couler.create_oss_artifact("/data/y.csv", "bucket", "/y.csv")
    one = couler.run_container("a", ["run"], input=[bucket], output=[place, out])
    couler.run_container("b", ["echo"], args=[one, one.y_csv], input={"again": (one.y_csv, "/in/y.csv")})
    couler.run_container("c", input=[couler.create_git_artifact("/src", "https://h/p.git", "main")])
    couler.run_container("d", input=[couler.create_hdfs_artifact("/h", "hdfs://n:1/h"),
                                     couler.create_gcs_artifact("/g", "b", "k")])  # fmt: skip
    steps = take_implicit().steps
    (read,) = steps[0].inputs
    stored = ir.StoredFile(
        url="s3://bucket/x.csv", options={"endpoint": "http://s3"}, credentials={"accesskey_id": key}
    )
    assert (read.value, read.type, read.path) == (stored, "file", "/data/x.csv")
    assert [(item.name, item.type, item.path) for item in steps[0].outputs] == [
        ("accuracy_txt", "str", "/tmp/accuracy.txt"), ("y_csv", "file", "/data/y.csv"), ("result", "str", ""),
    ]  # fmt: skip
    assert steps[0].outputs[1].store == ir.StoredFile(url="oss://bucket/y.csv")
    assert steps[1].inputs[0].value == ir.OutputRef(step="container", output="y_csv")
    assert steps[1].inputs[0].path == "/in/y.csv"
    assert (steps[2].inputs[0].type, steps[2].inputs[0].value.url) == ("folder", "git+https://h/p.git")  # type: ignore[union-attr]
    assert [item.value.url for item in steps[3].inputs] == ["hdfs://n:1/h", "gs://b/k"]  # type: ignore[union-attr]


def test_a_plaintext_credential_is_refused_without_showing_it() -> None:
    message = refused(lambda: couler.create_s3_artifact("/x", "b", "k", accesskey_secret="hunter2"))  # type: ignore[arg-type]
    assert message == (
        "accesskey_secret must be a reference to a secret; a value would end up in the workflow's text"
        '\n  hint: accesskey_secret=couler.secret("store", "accesskey_secret")'
    )


def test_config_workflow_sets_properties_of_the_whole() -> None:
    couler.config_workflow(
        "nightly", user_id="ada", timeout="1h", service_account="bot", labels={"team": "x"},
        cron_config={"schedule": "0 3 * * *", "concurrency_policy": "Forbid", "timezone": "Europe/Berlin"},
    )  # fmt: skip
    couler.config_workflow(user_id="bob")
    job("A")
    workflow = taken()
    assert (workflow.name, workflow.timeout, workflow.service_account) == ("nightly", 3600, "bot")
    assert workflow.labels == {"team": "x", "user": "bob"}
    assert workflow.schedule == ir.Schedule(cron=("0 3 * * *",), timezone="Europe/Berlin", concurrency="forbid")


def test_config_workflow_counts_inside_of_a_workflow_function() -> None:
    @couler.workflow
    def wf() -> None:
        couler.config_workflow("other", timeout=5)
        job("A")

    assert (wf.build().name, wf.build().timeout) == ("other", 5)


def test_wrong_settings_are_refused() -> None:
    def inside() -> None:
        couler.map(lambda item: couler.config_workflow("x"), [1])

    assert "unknown setting 'timeuot'" in refused(lambda: couler.config_workflow(timeuot=1))
    assert "cron_config: unknown key 'cron'" in refused(lambda: couler.config_workflow(cron_config={"cron": "x"}))
    assert "cron_config: 'schedule' is missing" in refused(lambda: couler.config_workflow(cron_config={}))
    assert "'concurrency' cannot be 'sometimes'" in refused(
        lambda: couler.config_workflow(cron_config={"schedule": "0 3 * * *", "concurrency_policy": "sometimes"})
    )
    assert "couler.config_workflow stands inside of a map" in refused(inside)


def test_run_job_waits_for_conditions_of_an_object() -> None:
    made = couler.run_job(
        "apiVersion: batch/v1\nkind: Job\nmetadata: {generateName: x-}",
        "status.succeeded > 0, status.phase in (A,B)",
        "status.failed >= 1.5",
        outputs={"pods": "status.succeeded"},
    )
    couler.run_container("a", args=[made.pods])
    task = taken().steps[0].task
    assert isinstance(task, ir.JobTask)
    assert [(item.field, item.operator, item.value) for item in (*task.success, *task.failure)] == [
        ("status.succeeded", ">", 0), ("status.phase", "in", ("A", "B")), ("status.failed", ">=", 1.5),
    ]  # fmt: skip


def test_wrong_jobs_are_refused() -> None:
    good = {"apiVersion": "v1", "kind": "Pod"}
    assert "the manifest is not a Kubernetes object" in refused(lambda: couler.run_job({}, "a == 1"))
    assert "the manifest is not YAML" in refused(lambda: couler.run_job("a: [", "a == 1"))
    assert "'succeeded' is no condition on the object" in refused(lambda: couler.run_job(good, "succeeded"))
    assert "step 'x': 'action' cannot be 'make'" in refused(
        lambda: couler.run_job(good, "a == 1", action="make", step_name="x")
    )


def test_scripts_and_containers_are_checked_where_they_stand() -> None:
    def with_input(x: int) -> None: ...

    def plain() -> None: ...

    assert "has no image" in refused(lambda: couler.run_container(""))
    assert "has no source" in refused(lambda: couler.run_script("a", "  "))
    assert "the function takes 'x', and a script has no parameters" in refused(
        lambda: couler.run_script("a", with_input)
    )
    assert "a Python function cannot be run by bash" in refused(lambda: couler.run_script("a", plain, command="bash"))
    assert "step 'suspend': 'soon' is not a duration" in refused(lambda: couler.suspend("soon"))
    assert "step 'ask': 'duration' cannot be -1.0" in refused(lambda: couler.suspend(-1, step_name="ask"))
    assert "is not an output" in refused(lambda: couler.run_container("a", output=["x"]))
    assert "argument 0: a value of type builtins.object is not JSON" in refused(
        lambda: couler.run_container("a", args=[object()])
    )
    assert "step 'x': 'pull_policy' cannot be 'always'" in refused(
        lambda: couler.run_container("a", pull_policy="always", step_name="x")
    )


def test_the_text_of_a_script_arrives_as_it_is_written() -> None:
    text = "cat <<E\n  {{x}} $(y)\n   \n\ty\nE\n"
    couler.run_script("a", text, command=["bash", "-e"])
    couler.run_script("a", "\n    import sys\n    print(1)\n")
    first, second = (step.task for step in taken().steps)
    assert isinstance(first, ir.ScriptTask)
    assert isinstance(second, ir.ScriptTask)
    assert first.source == text
    assert second.source == "\nimport sys\nprint(1)\n"
