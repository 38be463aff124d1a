"""What exit handlers compile to; what they see is played and run by the conformance cases."""

from __future__ import annotations

import json
from typing import Any

import pytest

import couler
from couler.core.errors import EngineError
from couler.core.ir.model import Workflow

IMAGE = "python:3.12-slim"


@couler.step
def boom() -> int:
    raise RuntimeError("boom")


@couler.step
def grow(number: int) -> int:
    return number + 1


def writes() -> Any:
    return couler.run_container(IMAGE, ["sh", "-c", "echo > made.txt"], output={"made": "made.txt"}, step_name="writes")


def reads(file: Any) -> None:
    with couler.on_exit():
        couler.run_container(IMAGE, ["cat", "in.txt"], input={"file": (file, "in.txt")}, step_name="reads")


def _built(declare: Any) -> Workflow:
    built: Workflow = couler.workflow(name="exits")(declare).build()
    return built


def _templates(workflow: Workflow) -> dict[str, Any]:
    [text] = couler.compile(workflow, "argo", format="json").documents.values()
    return {template["name"]: template for template in json.loads(text)["spec"]["templates"]}


def test_a_file_has_its_global_name_at_the_pod_and_is_there_only_when_the_step_succeeded() -> None:
    templates = _templates(_built(lambda: reads(writes().made)))

    [file] = templates["writes"]["outputs"]["artifacts"]
    [around] = [one for one in templates.values() if "steps" in one]
    [told] = [one for one in around["outputs"]["parameters"] if "globalName" in one]
    assert told["globalName"] == file["globalName"]
    assert told["valueFrom"] == {"expression": "'true'"}
    assert not any("globalName" in one for one in around["outputs"]["artifacts"])


def test_files_of_groups_are_refused_with_what_to_do() -> None:
    def declare() -> None:
        (made,) = couler.concurrent([lambda: writes().made], subtasks=True)
        reads(made)

    with pytest.raises(EngineError, match=r"reads the file .* which is a nested workflow") as raised:
        couler.compile(_built(declare), "argo")
    assert raised.value.hint == "store the file at a URL, and hand on the URL"


def test_a_workflow_may_be_called_like_the_template_of_its_exit_handlers() -> None:
    def declare() -> None:
        writes()
        with couler.on_exit():
            couler.run_container(IMAGE, ["true"], step_name="tells")

    made = couler.workflow(name="exit-handlers")(declare).build()

    assert list(_templates(made)) == ["exit-handlers-2", "writes", "tells", "exit-handlers"]


def test_repeated_groups_are_noted_where_handlers_ask_for_failures() -> None:
    def declare() -> None:
        couler.concurrent([boom], subtasks=True)[0].named("deep").with_(retry=1)
        with couler.on_exit():
            couler.run_container(IMAGE, ["echo"], [couler.failed_steps()], step_name="tells")

    [note] = [one for one in couler.compile(_built(declare), "argo").notes if "exit handlers" in one]
    assert note.startswith("exit handlers are told of failed steps in 'deep' also when a further attempt succeeds")


def test_loops_of_groups_are_noted_where_handlers_ask_for_failures() -> None:
    def body(number: int) -> Any:
        return grow(number)

    def declare() -> None:
        couler.loop(body, 1, until=lambda number: number > 5, max_iterations=2, carry={"number": "result"}).named(
            "again"
        )
        with couler.on_exit():
            couler.run_container(IMAGE, ["echo"], [couler.failed_steps()], step_name="tells")

    [note] = [one for one in couler.compile(_built(declare), "argo").notes if "exit handlers" in one]
    assert note.endswith("in 'again', and not of the loop itself when it reaches its bound")
