"""Steps that may be cached have a key of what they run and of their inputs, and of nothing else."""

from __future__ import annotations

import re
from typing import Any

import pytest

from couler.backends.argo.backend import ArgoBackend
from couler.core.ir.model import (
    CachePolicy,
    Concat,
    Constant,
    ContainerTask,
    EnvVar,
    FunctionTask,
    Input,
    OutputRef,
    Parameter,
    ParameterRef,
    Resources,
    RunRef,
    Step,
    StoredFile,
    SuspendTask,
    Workflow,
)
from couler.driver.prepare import compile, prepare
from tests.engines.argo import validator

SOURCE = "def double(n):\n    return 2 * n\n"
needs_validator = pytest.mark.skipif(bool(validator.tools_missing()), reason=validator.tools_missing())


def container(*texts: Any, **attributes: Any) -> Step:
    parts = tuple(text if not isinstance(text, str) else Constant(value=text) for text in texts)
    task = ContainerTask(image="python:3.11-slim", command=(Constant(value="echo"),), args=parts)
    return Step(**{"name": "say", "task": task, "cache": CachePolicy(), **attributes})


def function(source: str = SOURCE, value: int = 1, **attributes: Any) -> Step:
    given = (Input(name="n", value=Constant(value=value)),)
    task = FunctionTask(source=source, entry="double")
    return Step(**{"name": "say", "task": task, "inputs": given, "cache": CachePolicy(), **attributes})


def workflow(*steps: Step) -> Workflow:
    return Workflow(name="w", steps=steps, parameters=(Parameter(name="word", default=Constant(value="a")),))


def memoize(*steps: Step) -> dict[str, Any]:
    """``memoize`` of the template of the step ``say``."""
    made = ArgoBackend().document(prepare(workflow(*steps), "argo", {}).workflow)
    found = next(one for one in made["spec"]["templates"] if one["name"] == "say")
    return dict(found.get("memoize", {}))


def key(*steps: Step) -> str:
    return str(memoize(*steps)["key"])


def test_the_cache_belongs_to_the_workflow_and_keeps_for_the_given_time() -> None:
    found = memoize(container("a", cache=CachePolicy(max_age=90)))
    assert (found["maxAge"], found["cache"]) == ("90s", {"configMap": {"name": "couler-cache-w"}})
    assert memoize(container("a"))["maxAge"] == "31536000s"
    assert memoize(container("a", cache=CachePolicy(enabled=False))) == {}
    assert memoize(container("a", cache=None)) == {}


def test_what_runs_is_in_the_key() -> None:
    base = key(function())
    assert key(function(SOURCE.replace("2", "3"))) != base
    assert key(function(cache=CachePolicy(version="2"))) != base
    assert key(function(cache=CachePolicy(salt="x"))) != base
    assert key(function(env=(EnvVar(name="MODE", value=Constant(value="fast")),))) != base
    assert key(container("a")) != key(container("b"))


def test_where_it_runs_is_not_in_the_key() -> None:
    base = key(function())
    assert key(function(resources=Resources(cpu=2, memory="1Gi"), timeout=5, labels={"a": "b"})) == base
    assert key(function(cache=CachePolicy(max_age=5))) == base


def test_inputs_are_read_when_the_step_runs() -> None:
    assert key(function(value=1)) == key(function(value=2))
    assert "inputs.parameters.n" in key(function())
    first = container("a", name="first", cache=None)
    said = key(first, container(Concat(parts=(ParameterRef(name="word"), OutputRef(step="first")))))
    assert "workflow.parameters.word" in said
    assert "inputs.parameters.first" in said
    assert "workflow.name]" in key(container(RunRef(field="id")))
    assert "workflow.name]" not in key(container("{{workflow.name}}"))


def test_namespaces_share_nothing() -> None:
    assert "workflow.namespace" in key(function())


def test_outputs_that_are_read_are_in_the_key_as_others_are_not_kept() -> None:
    reader = container(OutputRef(step="say"), name="reader", cache=None)
    assert key(container("a"), reader) != key(container("a"))


@needs_validator
def test_a_key_is_a_letter_and_a_hash_that_tells_inputs_apart() -> None:
    text = key(function())
    found = []
    for value in ("1", "2", "1"):
        [evaluated] = validator.evaluate(
            [text], {"inputs.parameters.n": value, "workflow.namespace": "a"}, strict=False
        )
        assert evaluated.value is not None
        assert re.fullmatch("c[0-9a-f]{64}", evaluated.value)
        found.append(evaluated.value)
    assert found[0] == found[2] != found[1]


@pytest.mark.parametrize(
    ("step", "why"),
    [
        (Step(name="say", task=SuspendTask(duration=1), cache=CachePolicy()), "a pause has no outputs"),
        (
            function(inputs=(Input(name="n", value=StoredFile(url="s3://bucket/key"), type="file"),)),
            "whether its input files have changed",
        ),
    ],
)
def test_what_cannot_be_remembered_runs_each_time_and_says_so(step: Step, why: str) -> None:
    assert memoize(step) == {}
    [note] = compile(workflow(step), "argo").notes
    assert note.startswith("step 'say' runs each time, though it may be cached: ")
    assert why in note


def test_what_the_cache_needs_is_said_once() -> None:
    notes = compile(workflow(container("a"), container("b", name="other")), "argo").notes
    [note] = [note for note in notes if "cache" in note]
    assert "the ConfigMap couler-cache-w" in note
    assert "the verbs create and update on ConfigMaps" in note


def test_variables_that_the_step_does_not_set_are_named() -> None:
    _, note = compile(workflow(container("a", cache=CachePolicy(env=("HOME",)))), "argo").notes
    assert note.startswith("step 'say' wants the variables HOME in the key of its cache, and sets none of them itself")
