"""Statements, branches, maps and loops mean what they meant in upstream, on the engine of this machine."""

import asyncio
import threading
from collections.abc import Callable
from typing import Any

import pytest

import couler.argo as couler
from couler.core.errors import DefinitionError, InvalidWorkflowError
from couler.core.ir import model as ir
from couler.core.templates.output import Output
from couler.driver import Run
from tests.upstream.conftest import Built, Keeper


def echo(*words: Any, name: str | None = None) -> list[Output]:
    return couler.run_container(image="alpine:3.20", command=["echo"], args=list(words), step_name=name)


def flip() -> list[Output]:
    return couler.run_script(image="python:3.12", source="print('heads')", step_name="flip")


def statuses(run: Run) -> dict[str, str]:
    return {path: step.status for path, step in run.steps.items()}


def results(run: Run) -> dict[str, Any]:
    return {path: (step.outputs or {}).get("result") for path, step in run.steps.items()}


# --- statements


def test_statements_run_one_after_the_other(build: Callable[[], Built]) -> None:
    for name in "abc":
        echo(name=name)
    assert build().after() == {"a": set(), "b": {"a"}, "c": {"b"}}


def test_a_step_is_named_after_the_function_around_it(build: Callable[[], Built]) -> None:
    def train_model() -> list[Output]:
        return couler.run_container(image="a", command=["b"])

    train_model()
    train_model()
    assert list(build().steps) == ["train-model", "train-model-2"]


def test_a_step_that_nothing_names_is_named_after_what_it_is(build: Callable[[], Built]) -> None:
    couler.concurrent([lambda: couler.run_container(image="a", command=["b"])])
    assert list(build().steps) == ["container"]


def test_each_call_of_a_function_keeps_what_it_was_given(build: Callable[[], Built]) -> None:
    def job(image: str) -> list[Output]:
        return couler.run_container(image=image, command=["b"])

    job("one")
    job("two")
    tasks = [step.task for step in build().workflow.steps]
    assert [task.image for task in tasks if isinstance(task, ir.ContainerTask)] == ["one", "two"]


def test_one_name_twice_is_two_steps_outside_of_a_dag(build: Callable[[], Built]) -> None:
    echo("a", name="say")
    echo("b", name="say")
    assert build().after() == {"say": set(), "say-2": {"say"}}


def test_the_output_of_a_step_is_found_by_its_name() -> None:
    found = echo(name="say")
    assert couler.get_step_output("say") is found
    assert couler.states.get_step_output("say") is found
    assert couler.get_step_output("other") is None


# --- comparisons and branches


def test_the_branch_that_holds_runs(run_here: Callable[[], Run]) -> None:
    result = flip()
    couler.when(couler.equal(result, "heads"), lambda: echo("it was heads", name="heads"))
    couler.when(couler.equal(result, "tails"), lambda: echo("it was tails", name="tails"))
    echo("end", name="end")
    assert statuses(run_here()) == {"flip": "succeeded", "heads": "succeeded", "tails": "skipped", "end": "succeeded"}


def test_branches_over_one_output_run_side_by_side(build: Callable[[], Built]) -> None:
    result = flip()
    couler.when(couler.equal(result, "heads"), lambda: echo(name="heads"))
    echo(name="between")
    couler.when(couler.equal(result, "tails"), lambda: echo(name="tails"))
    assert build().after() == {"flip": set(), "heads": {"flip"}, "tails": {"flip"}, "between": {"heads", "tails"}}


def test_a_side_may_be_a_function_that_declares_a_step(run_here: Callable[[], Run]) -> None:
    couler.when(couler.equal(flip, lambda: echo("heads", name="wanted")), lambda: echo("same", name="same"))
    assert statuses(run_here())["same"] == "succeeded"


@pytest.mark.parametrize(
    ("comparison", "holds"),
    [
        (couler.equal, [False, True, False]),
        (couler.not_equal, [True, False, True]),
        (couler.bigger, [False, False, True]),
        (couler.smaller, [True, False, False]),
        (couler.bigger_equal, [False, True, True]),
        (couler.smaller_equal, [True, True, False]),
    ],
)
def test_numbers_compare_as_numbers(
    comparison: Callable[..., Any], holds: list[bool], run_here: Callable[[], Run]
) -> None:
    for value in (9, 10, 11):
        printed = echo(value, name=f"give-{value}")
        couler.when(comparison(printed, 10), lambda value=value: echo(name=f"is-{value}"))  # type: ignore[misc]
    found = statuses(run_here())
    assert [found[f"is-{value}"] == "succeeded" for value in (9, 10, 11)] == holds


def test_a_number_in_quotes_orders_as_a_number_too(run_here: Callable[[], Run]) -> None:
    couler.when(couler.bigger(echo("10", name="ten"), "9"), lambda: echo(name="bigger"))
    assert statuses(run_here())["bigger"] == "succeeded"


def test_words_compare_as_words(run_here: Callable[[], Run]) -> None:
    couler.when(couler.equal(echo("True", name="truth"), True), lambda: echo(name="yes"))
    couler.when(couler.smaller(echo("a", name="a"), "b"), lambda: echo(name="ordered"))
    found = statuses(run_here())
    assert (found["yes"], found["ordered"]) == ("succeeded", "succeeded")


def test_a_branch_in_a_branch_needs_both(run_here: Callable[[], Run]) -> None:
    first, second = flip(), echo("no", name="second")
    couler.when(
        couler.equal(first, "heads"),
        lambda: (couler.when(couler.equal(second, "yes"), lambda: echo(name="inner")), echo(name="outer")),
    )
    found = statuses(run_here())
    assert (found["inner"], found["outer"]) == ("skipped", "succeeded")


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: couler.when("heads", flip),  # type: ignore[arg-type]
        lambda: couler.when(couler.equal("heads"), flip),
        lambda: couler.when(couler.equal(1, 1), "flip"),  # type: ignore[arg-type]
        lambda: couler.concurrent(flip),  # type: ignore[arg-type]
        lambda: couler.concurrent([flip, 5]),  # type: ignore[list-item]
        lambda: couler.map(flip),
        lambda: couler.map("flip", [1]),  # type: ignore[arg-type]
        lambda: couler.exec_while(couler.equal(1, 2), flip),
        lambda: couler.exec_while("heads", flip),  # type: ignore[arg-type]
        lambda: couler.exec_while(couler.equal("heads"), lambda: None),
        lambda: couler.dag(flip),  # type: ignore[arg-type]
        lambda: couler.dag([flip]),
        lambda: couler.dag([[5]]),
    ],
)
def test_what_is_no_function_or_no_comparison_is_refused_where_it_stands(wrong: Callable[[], Any]) -> None:
    with pytest.raises(DefinitionError, match=r"couler\.|a comparison"):
        wrong()


# --- side by side


def test_concurrent_steps_wait_only_for_what_stands_before(build: Callable[[], Built]) -> None:
    echo(name="first")
    returned = couler.concurrent([lambda: echo(name="a"), lambda: [*echo(name="b"), *echo(name="c")]])
    echo(name="last")
    assert [len(found) for found in returned] == [1, 2]
    assert build().after() == {
        "first": set(), "a": {"first"}, "b": {"first"}, "c": {"first"}, "last": {"a", "b", "c"},
    }  # fmt: skip


def test_subtasks_run_one_after_the_other_inside(run_here: Callable[[], Run]) -> None:
    def branch() -> list[Output]:
        one = echo("one", name="one")
        return echo(one, "two", name="two")

    left, right = couler.concurrent([branch, lambda: echo("right", name="right")], subtasks=True)
    echo(left, right, name="join")
    run = run_here()
    groups = {step.name: step for step in run.workflow.steps}
    assert isinstance(groups["branch"].task, ir.GroupTask)
    assert groups["branch"].task.steps[1].after == ("one",)
    assert set(groups["join"].after) == {"branch", "concurrent-task"}
    assert results(run)["join"] == "one two right"


# --- map


def test_a_map_gives_the_outputs_in_the_order_of_the_items(run_here: Callable[[], Run]) -> None:
    found = couler.map(lambda word, number: echo(word, number, name="say"), ["a", "b"], [1, 2])
    echo(found, name="all")
    run = run_here()
    assert results(run)["all"] == '["a 1","b 2"]'
    assert run.workflow.steps[0].foreach is not None


def test_items_that_are_used_as_text_are_written_out(run_here: Callable[[], Run]) -> None:
    def say(word: str) -> list[Output]:
        return echo(f"<{word}>", name=f"say-{word}")

    echo(name="first")
    couler.map(say, ["a", "b"])
    run = run_here()
    assert results(run) == {"first": "", "say-a": "<a>", "say-b": "<b>"}
    assert all(set(step.after) == {"first"} for step in run.workflow.steps[1:])


def test_an_error_of_the_function_is_not_hidden() -> None:
    def wrong(word: str) -> list[Output]:
        raise ValueError(word)

    with pytest.raises(ValueError, match=r"^a$"):
        couler.map(wrong, ["a", "b"])


def test_a_map_over_jobs_names_each_by_its_item(build: Callable[[], Built]) -> None:
    manifest = {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "x"}}
    couler.map(lambda item: couler.run_job(manifest, "status.succeeded > 0", None, step_name="job"), ["one", "two"])
    tasks = [step.task for step in build().workflow.steps]
    assert [task.manifest["metadata"]["name"] for task in tasks if isinstance(task, ir.JobTask)] == ["one", "two"]


def test_a_map_over_a_callable_object_and_over_star_arguments(build: Callable[[], Built]) -> None:
    class Say:
        def __call__(self, word: str) -> list[Output]:
            return echo(word, name="object")

    couler.map(Say(), ["a"])
    couler.map(lambda *words: echo(*words, name="stars"), ["a"], ["b"])
    found = {name: step.foreach.lists for name, step in build().steps.items() if step.foreach is not None}
    assert {name: len(lists) for name, lists in found.items()} == {"object": 1, "stars": 2}


def test_a_map_over_several_steps_is_a_group(run_here: Callable[[], Run]) -> None:
    def prepare_and_say(word: str) -> list[Output]:
        return echo(echo(word, name="prepare"), "!", name="say")

    couler.map(prepare_and_say, ["a", "b"])
    run = run_here()
    assert results(run)["prepare-and-say"] == ["a !", "b !"]


def test_lists_of_different_lengths_are_refused() -> None:
    with pytest.raises(DefinitionError, match="over lists of 2, 1 items"):
        couler.map(lambda a, b: echo(a, b), [1, 2], [3])


# --- loops

COUNT = """
import pathlib
file = pathlib.Path("{path}")
number = len(file.read_text()) + 1 if file.exists() else 1
file.write_text("x" * number)
print({printed})
"""


def test_a_loop_runs_while_its_output_satisfies_the_comparison(run_here: Callable[[], Run], tmp_path: Any) -> None:
    source = COUNT.format(path=tmp_path / "count", printed="'heads' if number == 3 else 'tails'")
    found = couler.exec_while(
        couler.equal("tails"), lambda: couler.run_script(image="python:3.12", source=source, step_name="flip")
    )
    echo(found, name="end")
    run = run_here()
    assert [path for path in run.steps if path.startswith("flip#")] == ["flip#0", "flip#1", "flip#2"]
    assert results(run)["end"] == "heads"


def test_a_loop_over_numbers_of_several_steps(run_here: Callable[[], Run], tmp_path: Any) -> None:
    source = COUNT.format(path=tmp_path / "count", printed="number")

    def body() -> list[Output]:
        couler.run_script(image="python:3.12", source="print('in')", step_name="before")
        return couler.run_script(image="python:3.12", source=source, step_name="count")

    couler.exec_while(couler.smaller(2), body)
    run = run_here()
    assert results(run)["body"] == 2
    assert run.workflow.steps[0].loop is not None


def test_a_loop_has_a_bound(run_here: Callable[[], Run]) -> None:
    couler.exec_while(couler.equal("heads"), flip, max_iterations=2)
    run = run_here()
    assert run.status == "failed"
    assert "2" in run.steps["flip"].message


# --- no global state


def test_two_threads_declare_two_workflows() -> None:
    barrier, keeper = threading.Barrier(2), Keeper()

    def declare(name: str) -> None:
        barrier.wait()
        couler.config_workflow(name=name)
        for number in range(30):
            echo(name=f"{name}-{number}")
        couler.run(keeper)

    threads = [threading.Thread(target=declare, args=(name,)) for name in ("one", "two")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted((workflow.name, len(workflow.steps)) for workflow in keeper.workflows) == [("one", 30), ("two", 30)]


def test_two_tasks_declare_two_workflows() -> None:
    keeper = Keeper()

    async def declare(name: str) -> None:
        couler.config_workflow(name=name)
        for number in range(3):
            echo(name=f"{name}-{number}")
            await asyncio.sleep(0)
        couler.run(keeper)

    async def both() -> None:
        await asyncio.gather(declare("one"), declare("two"))

    asyncio.run(both())
    assert sorted((workflow.name, len(workflow.steps)) for workflow in keeper.workflows) == [("one", 3), ("two", 3)]


def test_an_error_inside_a_block_leaves_nothing_locked(build: Callable[[], Built]) -> None:
    def wrong() -> None:
        raise KeyError("wrong")

    result = flip()
    for block in (
        lambda: couler.when(couler.equal(result, "heads"), wrong),
        lambda: couler.exec_while(couler.equal("heads"), wrong),
        lambda: couler.concurrent([wrong]),
        lambda: couler.concurrent([wrong], subtasks=True),
        lambda: couler.set_exit_handler(couler.WFStatus.Failed, wrong),
    ):
        with pytest.raises(KeyError):
            block()
    echo(name="after")
    assert build().after() == {"flip": set(), "after": {"flip"}}


def test_declaring_again_after_a_run_starts_afresh(build: Callable[[], Built]) -> None:
    echo(name="one")
    build()
    echo(name="two")
    assert list(build().steps) == ["two"]


def test_a_broken_workflow_is_refused_by_the_engine(run_here: Callable[[], Run]) -> None:
    couler.set_dependencies(lambda: echo(name="a"), dependencies=["b"])
    with pytest.raises(InvalidWorkflowError, match="'b'"):
        run_here()
