"""Upstream's own programs run unchanged: its six examples and its seven integration examples.

    COULER_UPSTREAM=~/src/couler python -m pytest tests/upstream/test_checkout.py

The variable names a checkout of https://github.com/couler-proj/couler; nothing of it is kept here.
"""

import itertools
import os
import runpy
import warnings
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

import couler
from couler import argo, argo_submitter
from couler.core.errors import UnsupportedFeatureError
from couler.core.ir import model as ir
from couler.core.ir.validate import problems
from couler.core.upstream.differences import UpstreamNotice
from couler.driver import Run
from tests.engines.argo import schema, validator

CHECKOUT = os.environ.get("COULER_UPSTREAM", "")
pytestmark = pytest.mark.skipif(not CHECKOUT, reason="COULER_UPSTREAM names no checkout of upstream Couler")

Order = dict[str, set[str]]
LINEAR: Order = {"A": set(), "B": {"A"}, "C": {"A"}, "D": {"B"}}
COIN: Order = {"flip-coin": set(), "heads": {"flip-coin"}, "tails": {"flip-coin"}}
BRANCHED: Order = {**LINEAR, "condition-parent": {"D"}, "condition-child": {"condition-parent"}}

PROGRAMS: dict[str, list[tuple[str, str, Order]]] = {
    "examples/hello_world.py": [("default", "hello-world", {"hello-world": set()})],
    "examples/coin_flip.py": [("default", "coin-flip", COIN)],
    "examples/dag.py": [("default", "dag", LINEAR)],
    "examples/depends.py": [
        (
            "default",
            "depends",
            {name: set() for name in ("task1", "task2", "task3", "task4", "allfail", "anysucceeded")},
        )
    ],
    "examples/default_submitter.py": [
        ("my_namespace", "default-submitter", {"default-submitter": set()}),
        ("other_namespace", "default-submitter", {"default-submitter": set()}),
    ],
    "examples/node_assign.py": [("<nodepool_namespace>", "node-assign", {"Whale-Noise": set()})],
    "integration_tests/dag_depends_example.py": [
        (
            "argo",
            "dag-depends-example",
            {
                "A": set(), "B": {"A"}, "C": {"A"}, "should-execute-1": set(), "should-execute-2": set(),
                "should-not-execute": {"B", "C"}, "should-execute-3": set(),
            },
        )
    ],
    "integration_tests/dag_example.py": [("argo", "dag-go", BRANCHED), ("argo", "dag-python", BRANCHED)],
    "integration_tests/flip_coin_example.py": [("argo", "flip-coin-go", COIN), ("argo", "flip-coin-python", COIN)],
    "integration_tests/flip_coin_security_context_example.py": [("argo", "flip-coin-sc-python", COIN)],
    "integration_tests/memoization_example.py": [
        ("argo", "memoization-go", {"memoization-example": set()}),
        ("argo", "memoization-python", {"memoization-example": set()}),
    ],
    "integration_tests/mpi_example.py": [
        ("argo", "mpijob-go", {"mpi-example": set()}), ("argo", "mpijob-python", {"mpi-example": set()}),
    ],
    "integration_tests/volume_example.py": [("argo", "volume-python", {"volume-example": set()})],
}  # fmt: skip
"""Program to what it submits: namespace, name, and the order of the steps."""

IMPOSSIBLE_HERE = {"integration_tests/mpi_example.py": "job", "integration_tests/volume_example.py": "volumes"}
"""What the engine of this machine cannot do with processes."""

Submitted = list[tuple[str, ir.Workflow]]


@pytest.fixture
def submitted(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], Submitted]]:
    """Runs a program with a submitter that keeps what it gets."""
    found: Submitted = []

    class Keeping(argo_submitter.ArgoSubmitter):
        def submit(self, workflow: ir.Workflow) -> Any:
            found.append((self.namespace, workflow))
            return {"metadata": {"name": workflow.name}}

    monkeypatch.setattr(argo_submitter, "ArgoSubmitter", Keeping)
    monkeypatch.setenv("SUBMITTER_IMPLEMENTATION", "Python")

    def run(program: str) -> Submitted:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UpstreamNotice)
            runpy.run_path(str(Path(CHECKOUT) / program), run_name="__main__")
        return found

    yield run
    argo.set_default_submitter(Keeping())
    argo_submitter.default_submitter.set(None)


@pytest.fixture
def cowsay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The command of the image that the examples use."""
    command = tmp_path / "bin" / "cowsay"
    command.parent.mkdir()
    command.write_text('#!/bin/sh\necho "moo: $*"\n', encoding="utf-8")
    command.chmod(0o755)
    monkeypatch.setenv("PATH", f"{command.parent}{os.pathsep}{os.environ['PATH']}")


def test_there_are_six_examples_and_seven_integration_examples() -> None:
    found = {f"{folder}/{file.name}" for folder in ("examples", "integration_tests")
             for file in (Path(CHECKOUT) / folder).glob("*.py")}  # fmt: skip
    assert found == set(PROGRAMS)
    assert len(found) == 13


@pytest.mark.parametrize("program", PROGRAMS)
def test_a_program_submits_what_it_says(program: str, submitted: Callable[[str], Submitted]) -> None:
    found = submitted(program)
    assert [
        (namespace, workflow.name, {step.name: set(step.after) for step in workflow.steps})
        for namespace, workflow in found
    ] == PROGRAMS[program]
    assert [problem for _, workflow in found for problem in problems(workflow)] == []


@pytest.mark.parametrize("program", PROGRAMS)
def test_argo_takes_a_program(program: str, submitted: Callable[[str], Submitted]) -> None:
    texts = {}
    for number, (_, workflow) in enumerate(submitted(program)):
        compiled = couler.compile(workflow, "argo")
        assert schema.problems(yaml.safe_load(compiled.text)) == []
        texts[f"{workflow.name}-{number}"] = compiled.text
    if not validator.tools_missing():
        assert set(validator.validate(texts).values()) == {""}


def one_branch(statuses: Mapping[str, str], results: Mapping[str, Any]) -> None:
    side = results["flip-coin"]
    assert {name for name in ("heads", "tails") if statuses[name] == "succeeded"} == {side}
    assert results[side] == f"it was {side}"


def as_statuses_say(statuses: Mapping[str, str], results: Mapping[str, Any]) -> None:
    ends = [statuses[f"task{number}"] for number in (1, 2, 3, 4)]
    assert (statuses["anysucceeded"] == "succeeded") == ("succeeded" in ends)
    assert (statuses["allfail"] == "succeeded") == (ends == ["failed"] * 4)
    assert all(later == "skipped" for earlier, later in itertools.pairwise(ends) if earlier != "failed")


def as_names_say(statuses: Mapping[str, str], results: Mapping[str, Any]) -> None:
    assert all(statuses[f"should-execute-{number}"] == "succeeded" for number in (1, 2, 3))
    assert statuses["should-not-execute"] == "cancelled"


def child_after_heads(statuses: Mapping[str, str], results: Mapping[str, Any]) -> None:
    assert (statuses["condition-child"] == "succeeded") == (results["condition-parent"] == "heads")
    assert (statuses["success-exit"], statuses["failure-exit"]) == ("succeeded", "skipped")
    assert results["D"] == "moo: D"


def says(step: str, words: str) -> Callable[[Mapping[str, str], Mapping[str, Any]], None]:
    def check(statuses: Mapping[str, str], results: Mapping[str, Any]) -> None:
        assert results[step] == words

    return check


OUTCOMES = {
    "examples/hello_world.py": says("hello-world", "moo: hello world"),
    "examples/coin_flip.py": one_branch,
    "examples/dag.py": says("D", "moo: D"),
    "examples/depends.py": as_statuses_say,
    "examples/default_submitter.py": lambda statuses, results: None,
    "examples/node_assign.py": says("Whale-Noise", "moo: Whale-Noise"),
    "integration_tests/dag_depends_example.py": as_names_say,
    "integration_tests/dag_example.py": child_after_heads,
    "integration_tests/flip_coin_example.py": one_branch,
    "integration_tests/flip_coin_security_context_example.py": one_branch,
    "integration_tests/memoization_example.py": says("memoization-example", "Hello world"),
}


@pytest.mark.usefixtures("cowsay")
@pytest.mark.parametrize("program", OUTCOMES)
def test_a_program_does_here_what_it_does_in_upstream(
    program: str, submitted: Callable[[str], Submitted], tmp_path: Path
) -> None:
    for _, workflow in submitted(program):
        run: Run = couler.run(workflow, engine="local", root=tmp_path / ".couler")
        assert run.status == "succeeded"
        OUTCOMES[program](
            {path: step.status for path, step in run.steps.items()},
            {path: (step.outputs or {}).get("result") for path, step in run.steps.items()},
        )


@pytest.mark.parametrize("program", IMPOSSIBLE_HERE)
def test_what_needs_a_cluster_is_refused_here_with_the_reason(
    program: str, submitted: Callable[[str], Submitted], tmp_path: Path
) -> None:
    for _, workflow in submitted(program):
        with pytest.raises(UnsupportedFeatureError) as refused:
            couler.run(workflow, engine="local", root=tmp_path / ".couler")
        assert refused.value.features == (IMPOSSIBLE_HERE[program],)
