"""Explicit graphs and exit handlers mean what they meant in upstream, on the engine of this machine."""

from collections.abc import Callable
from typing import Any

import pytest

import couler.argo as couler
from couler.core.errors import DefinitionError
from couler.core.ir import model as ir
from couler.core.templates.output import Output
from couler.driver import Run
from tests.upstream.conftest import Built


def job(name: str, *words: Any, **keywords: Any) -> list[Output]:
    return couler.run_container(image="a", command=["echo"], args=list(words) or [name], step_name=name, **keywords)


def fails(name: str) -> list[Output]:
    return couler.run_container(image="a", command=["sh", "-c", "exit 1"], step_name=name)


def statuses(run: Run) -> dict[str, str]:
    return {path: step.status for path, step in run.steps.items()}


def results(run: Run) -> dict[str, Any]:
    return {path: (step.outputs or {}).get("result") for path, step in run.steps.items()}


DIAMOND = {"A": set(), "B": {"A"}, "C": {"A"}, "D": {"B", "C"}}


def test_a_diamond_by_chains(build: Callable[[], Built]) -> None:
    couler.dag(
        [
            [lambda: job("A")],
            [lambda: job("A"), lambda: job("B")],
            [lambda: job("A"), lambda: job("C")],
            [lambda: job("B"), lambda: job("D")],
            [lambda: job("C"), lambda: job("D")],
        ]
    )
    assert build().after() == DIAMOND


def test_a_diamond_by_dependencies(build: Callable[[], Built]) -> None:
    couler.set_dependencies(lambda: job("A"), dependencies=None)
    couler.set_dependencies(lambda: job("B"), dependencies=["A"])
    couler.set_dependencies(lambda: job("C"), dependencies="A")
    couler.set_dependencies(lambda: job("D"), dependencies="B && C")
    assert build().after() == DIAMOND


def test_a_function_stands_for_one_step_of_a_dag(build: Callable[[], Built]) -> None:
    def fetch() -> list[Output]:
        return couler.run_container(image="a", command=["b"])

    def train() -> list[Output]:
        return couler.run_container(image="a", command=["c"])

    couler.dag([[fetch], [fetch, train]])
    assert build().after() == {"fetch": set(), "train": {"fetch"}}


def test_a_step_with_outputs_may_be_named_twice(build: Callable[[], Built]) -> None:
    def fetch() -> list[Output]:
        outputs = [couler.create_parameter_artifact("/out/a"), couler.create_local_artifact("/out/b")]
        return job("fetch", output=outputs, volume_mounts=[couler.VolumeMount("x", "/x")])

    couler.dag([[fetch], [fetch, lambda: job("train")], [fetch, lambda: job("test")]])
    assert build().after() == {"fetch": set(), "train": {"fetch"}, "test": {"fetch"}}


def test_a_function_that_says_something_else_is_another_step(build: Callable[[], Built]) -> None:
    def fetch(what: str) -> list[Output]:
        return couler.run_container(image="a", command=["b"], args=[what])

    couler.dag([[lambda: fetch("x"), lambda: fetch("y")], [lambda: fetch("x")]])
    assert build().after() == {"fetch": set(), "fetch-2": {"fetch"}}


def test_a_dependency_may_be_an_output(build: Callable[[], Built]) -> None:
    first = job("A")
    couler.set_dependencies(lambda: job("B"), dependencies=[first])
    assert build().after() == {"A": set(), "B": {"A"}}


def test_steps_of_one_function_run_one_after_the_other(build: Callable[[], Built]) -> None:
    couler.set_dependencies(lambda: job("A"))
    couler.set_dependencies(lambda: (job("B"), job("C")), dependencies=["A"])
    assert build().after() == {"A": set(), "B": {"A"}, "C": {"B"}}


def test_plain_statements_beside_a_dag_are_kept(build: Callable[[], Built]) -> None:
    job("first")
    job("second")
    couler.set_dependencies(lambda: job("third"), dependencies=["first"])
    job("fourth")
    couler.map(lambda word: couler.run_container(image="a", command=["b"], args=[word], step_name="fifth"), ["x"])
    assert build().after() == {
        "first": set(), "second": {"first"}, "third": {"first"}, "fourth": {"third"}, "fifth": {"fourth"},
    }  # fmt: skip


def test_a_map_that_is_written_out_may_use_one_name(build: Callable[[], Built]) -> None:
    couler.set_dependencies(lambda: job("A"))
    couler.set_dependencies(lambda: couler.map(lambda word: job("B", f"{word}!"), ["x", "y"]), dependencies=["A"])
    assert build().after() == {"A": set(), "B": {"A"}, "B-2": {"A"}}


def test_concurrent_steps_of_a_dag_stand_side_by_side(build: Callable[[], Built]) -> None:
    couler.set_dependencies(lambda: job("A"))
    couler.set_dependencies(
        lambda: (couler.concurrent([lambda: job("B"), lambda: job("C")]), job("D")), dependencies=["A"]
    )
    assert build().after() == DIAMOND


def test_a_branch_in_a_dag_waits_for_what_it_compares(run_here: Callable[[], Run]) -> None:
    couler.set_dependencies(lambda: job("A"))
    couler.set_dependencies(
        lambda: couler.when(couler.equal(job("parent", "heads"), "heads"), lambda: job("child")), dependencies=["A"]
    )
    couler.when(couler.equal(couler.get_step_output("A"), "B"), lambda: job("never"))
    run = run_here()
    steps = {step.name: step for step in run.workflow.steps}
    assert (steps["parent"].after, steps["child"].after, steps["never"].after) == (("A",), ("parent",), ())
    assert statuses(run) == {"A": "succeeded", "parent": "succeeded", "child": "succeeded", "never": "skipped"}


# --- what is handed over


def test_declared_outputs_of_dependencies_become_arguments(run_here: Callable[[], Run]) -> None:
    written = couler.create_parameter_artifact(path="out.txt")
    couler.set_dependencies(
        lambda: couler.run_container(
            image="a", command=["sh", "-c", "echo value > out.txt"], output=written, step_name="A"
        )
    )
    couler.set_dependencies(lambda: job("B", "got"), dependencies=["A"])
    couler.set_dependencies(
        lambda: couler.run_container(image="a", command=["echo"], step_name="C"), dependencies=["A", "B"]
    )
    run = run_here()
    assert (results(run)["B"], results(run)["C"]) == ("got value", "value")


def test_an_output_that_is_given_anyway_is_handed_over_once(run_here: Callable[[], Run]) -> None:
    def write() -> list[Output]:
        return couler.run_container(
            image="a", command=["sh", "-c", "echo value > out.txt"],
            output=couler.create_parameter_artifact(path="out.txt"), step_name="A",
        )  # fmt: skip

    found = couler.set_dependencies(write)
    couler.set_dependencies(lambda: job("B", found), dependencies=["A"])
    assert results(run_here())["B"] == "value"


def test_files_of_dependencies_appear_by_themselves(run_here: Callable[[], Run]) -> None:
    couler.set_dependencies(
        lambda: couler.run_container(
            image="a", command=["sh", "-c", "echo data > data.txt"],
            output=couler.create_local_artifact(path="data.txt"), step_name="A",
        )
    )  # fmt: skip
    couler.set_dependencies(
        lambda: couler.run_container(image="a", command=["cat", "data.txt"], step_name="B"), dependencies=["A"]
    )
    assert results(run_here())["B"] == "data"


# --- statuses


def test_a_status_expression_decides(run_here: Callable[[], Run]) -> None:
    couler.set_dependencies(lambda: job("A"), dependencies=None)
    couler.set_dependencies(lambda: job("B"), dependencies="A")
    couler.set_dependencies(lambda: fails("C"), dependencies="A")
    couler.set_dependencies(lambda: job("either-end"), dependencies="A && (C.Succeeded || C.Failed)")
    couler.set_dependencies(lambda: job("one-of-two"), dependencies="B || C")
    couler.set_dependencies(lambda: job("both"), dependencies="B && C")
    couler.set_dependencies(lambda: job("after-left-out"), dependencies="one-of-two.Succeeded || both")
    run = run_here()
    assert run.status == "succeeded"
    assert statuses(run) == {
        "A": "succeeded", "B": "succeeded", "C": "failed", "either-end": "succeeded", "one-of-two": "succeeded",
        "both": "cancelled", "after-left-out": "succeeded",
    }  # fmt: skip


def test_what_follows_a_step_that_was_left_out_is_left_out_too(run_here: Callable[[], Run]) -> None:
    couler.set_dependencies(lambda: job("A"))
    couler.set_dependencies(lambda: job("rescue"), dependencies="A.Failed")
    couler.set_dependencies(lambda: job("report"), dependencies=["rescue", "A"])
    couler.set_dependencies(lambda: job("letter"), dependencies="report")
    couler.set_dependencies(lambda: job("either"), dependencies="A && (rescue || !rescue.Succeeded)")
    assert statuses(run_here()) == {
        "A": "succeeded", "rescue": "skipped", "report": "skipped", "letter": "skipped", "either": "succeeded",
    }  # fmt: skip


def test_every_step_of_a_function_has_the_condition(run_here: Callable[[], Run]) -> None:
    couler.set_dependencies(lambda: job("A"))
    couler.set_dependencies(lambda: (job("B"), job("C")), dependencies="A.Failed || A.Skipped")
    assert statuses(run_here()) == {"A": "succeeded", "B": "skipped", "C": "skipped"}


def test_a_failure_that_no_expression_asks_for_fails_the_run_in_the_end(run_here: Callable[[], Run]) -> None:
    couler.set_dependencies(lambda: job("A"))
    couler.set_dependencies(lambda: fails("B"))
    couler.set_dependencies(lambda: job("C"), dependencies="A || B")
    run = run_here()
    assert (run.status, statuses(run)["C"]) == ("failed", "succeeded")


def test_a_failure_stops_plain_dependencies(run_here: Callable[[], Run]) -> None:
    couler.set_dependencies(lambda: fails("A"))
    couler.set_dependencies(lambda: job("B"), dependencies=["A"])
    run = run_here()
    assert (run.status, statuses(run)["B"]) == ("failed", "cancelled")


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (lambda: couler.set_dependencies("A"), "needs a function"),  # type: ignore[arg-type]
        (lambda: couler.set_dependencies(lambda: job("A"), dependencies=5), "neither a list of names nor text"),
        (lambda: couler.set_dependencies(lambda: job("A"), dependencies=[5]), "no name of a step"),
        (lambda: couler.set_dependencies(lambda: None), "declared no step"),
        (lambda: couler.set_dependencies(lambda: job("A"), dependencies="A &&"), "status expression"),
    ],
)
def test_dependencies_that_cannot_be_read_are_refused(wrong: Callable[[], Any], words: str) -> None:
    with pytest.raises(DefinitionError, match=words):
        wrong()


def test_one_name_for_two_things_is_refused() -> None:
    couler.set_dependencies(lambda: job("A", "one"))
    with pytest.raises(DefinitionError, match=r"step 'A' \(test_dag\.py:\d+\)"):
        couler.set_dependencies(lambda: job("A", "two"))


# --- exit handlers


@pytest.mark.parametrize(("fail", "expected"), [(False, "on-success"), (True, "on-failure")])
def test_the_handler_of_the_outcome_runs(fail: bool, expected: str, run_here: Callable[[], Run]) -> None:
    (fails if fail else job)("work")
    couler.set_exit_handler(couler.WFStatus.Succeeded, lambda: job("on-success"))
    couler.set_exit_handler(couler.WFStatus.Failed, lambda: job("on-failure"))
    found = statuses(run_here())
    assert {name for name in ("on-success", "on-failure") if found[name] == "succeeded"} == {expected}


def test_a_handler_of_several_steps_is_a_group(run_here: Callable[[], Run]) -> None:
    result = job("work", "done")

    def report() -> list[Output]:
        return job("second", job("first", result), "!")

    couler.set_exit_handler("Succeeded", report)
    run = run_here()
    assert isinstance(run.workflow.exit_handlers[0].step.task, ir.GroupTask)
    assert results(run)["report"] == "done !"


def test_one_function_for_failed_and_error_is_one_handler(build: Callable[[], Built]) -> None:
    def tell() -> list[Output]:
        return job("tell")

    job("work")
    couler.set_exit_handler(couler.WFStatus.Failed, tell)
    couler.set_exit_handler(couler.WFStatus.Error, tell)
    assert list(build().handlers) == ["tell"]


def test_an_unknown_status_is_refused() -> None:
    with pytest.raises(DefinitionError, match="unknown workflow status"):
        couler.set_exit_handler("Done", lambda: job("tell"))
