"""Two workflows that are built at once, one after the other, or again, never mix."""

import asyncio
import contextvars
import gc
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

import couler
from couler.core.dsl.workflows import implicit_exists, take_implicit
from couler.core.errors import DefinitionError


@couler.step
def add(a: int, b: int = 1) -> int:
    return a + b


def job(name: str) -> Any:
    return couler.run_container("alpine:3.20", ["echo"], step_name=name)


def names(workflow: couler.Workflow) -> list[str]:
    return [step.name for step in workflow.steps]


def test_two_threads_build_workflows_of_their_own() -> None:
    barrier = threading.Barrier(2, timeout=20)

    def implicit(label: str) -> list[str]:
        for number in range(20):
            job(f"{label}{number}")
            barrier.wait()
        return names(take_implicit())

    @couler.workflow
    def declared(label: str) -> None:
        for number in range(20):
            barrier.wait()
            add(number)

    with ThreadPoolExecutor(2) as pool:
        one, two = pool.map(implicit, ["a", "b"])
        built = list(pool.map(lambda _: declared.build(), range(2)))
    assert one == [f"a{number}" for number in range(20)]
    assert two == [f"b{number}" for number in range(20)]
    assert [len(workflow.steps) for workflow in built] == [20, 20]


def test_two_tasks_build_workflows_of_their_own_although_one_was_begun_before() -> None:
    async def implicit(label: str, turn: asyncio.Event, other: asyncio.Event) -> list[str]:
        for number in range(5):
            await turn.wait()
            turn.clear()
            job(f"{label}{number}")
            other.set()
        return names(take_implicit())

    async def main() -> tuple[list[str], list[str], list[str]]:
        job("outer")
        first, second = asyncio.Event(), asyncio.Event()
        first.set()
        one, two = await asyncio.gather(implicit("a", first, second), implicit("b", second, first))
        return one, two, names(take_implicit())

    assert asyncio.run(main()) == ([f"a{n}" for n in range(5)], [f"b{n}" for n in range(5)], ["outer"])


def test_tasks_inside_of_a_block_declare_steps_of_that_block() -> None:
    async def main() -> list[str]:
        with couler.new_workflow("together") as building:

            async def part(name: str) -> None:
                await asyncio.sleep(0)
                job(name)

            await asyncio.gather(part("a"), part("b"), asyncio.to_thread(job, "c"))
        return sorted(names(building.build()))

    assert asyncio.run(main()) == ["a", "b", "c"]


def test_a_later_task_never_takes_over_the_workflow_of_one_that_ended() -> None:
    found: list[bool] = []

    async def begin() -> contextvars.Context:
        job("left open")
        return contextvars.copy_context()

    async def look() -> None:
        found.append(implicit_exists())

    async def main() -> None:
        copied = await asyncio.create_task(begin())
        gc.collect()
        for _ in range(50):
            await asyncio.create_task(look(), context=copied)

    asyncio.run(main())
    assert found == [False] * 50


def test_a_failed_function_leaves_nothing_open() -> None:
    @couler.workflow
    def broken(x: int = 1) -> None:
        add(x)
        with couler.when(x > 1):
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        broken.build()
    with pytest.raises(ZeroDivisionError), couler.new_workflow("other"):
        raise ZeroDivisionError
    assert not implicit_exists()
    assert add(1, 2) == 3


def test_building_again_gives_an_equal_workflow() -> None:
    @couler.workflow
    def again(x: int = 1) -> Any:
        return couler.map(lambda y: add(add(y, x)), [1, 2])

    assert again.build() == again.build()


def test_running_inside_of_a_block_is_refused() -> None:
    with couler.new_workflow("open"), pytest.raises(DefinitionError, match=r"couler\.run stands inside a workflow"):
        take_implicit()
    with pytest.raises(DefinitionError, match="no step was declared yet"):
        take_implicit()


def test_steps_are_named_by_functions_and_never_by_variables_or_callers() -> None:
    @couler.workflow
    def outer() -> None:
        some_variable = add(1)

        def caller() -> Any:
            return add(some_variable)

        caller()

    assert names(outer.build()) == ["add", "add-2"]
