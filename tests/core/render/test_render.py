"""Rendered text declares the workflow that it was rendered from, and reads as if it had been written by hand."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings

from couler.core.ir import model as ir
from couler.core.ir.graph import walk
from couler.core.render import render
from couler.driver import load_workflow
from tests.conformance.catalogue import CASES
from tests.core.ir.strategies import NASTY, workflows
from tests.core.render.executed import executed, without_locations

EXAMPLES = sorted((Path(__file__).resolve().parents[3] / "examples").rglob("*.py"))
RESULT = ir.Output(name="result", type="str")


def container(name: str, *args: object, **attributes: object) -> ir.Step:
    values = tuple(arg if isinstance(arg, ir.Model) else ir.Constant(value=arg) for arg in args)
    task = ir.ContainerTask(image="alpine:3.20", command=(ir.Constant(value="echo"),), args=values)
    return ir.Step(name=name, task=task, outputs=(RESULT,), **attributes)  # type: ignore[arg-type]


def round_trip(workflow: ir.Workflow) -> str:
    text = render(workflow)
    assert without_locations(executed(text)[0]) == without_locations(workflow)
    return text


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(workflows(depth=2))
def test_any_workflow_comes_back_equal(workflow: ir.Workflow) -> None:
    [found] = executed(render(workflow))
    assert without_locations(found) == without_locations(workflow)


@pytest.mark.parametrize("file", EXAMPLES, ids=lambda file: file.stem)
def test_examples_need_no_explicit_part(file: Path) -> None:
    workflow = load_workflow(file)
    text = round_trip(workflow)
    assert "couler.explicit" not in text
    assert render(workflow) == text


@pytest.mark.parametrize("file", [file for file in EXAMPLES if file.parent.name == "paper"], ids=lambda file: file.stem)
def test_the_text_is_formatted(file: Path, tmp_path: Path) -> None:
    text = render(load_workflow(file))
    if "SCRIPT = " in text:
        text = text.partition("\n\n\n@")[2]  # what travels with a step is left as its author wrote it
    written = tmp_path / "rendered.py"
    written.write_text(text if text.startswith("import") else f"@{text}", encoding="utf-8")
    command = [sys.executable, "-m", "ruff", "format", "--isolated", "--line-length", "100", "--diff", str(written)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("name", CASES)
def test_conformance_cases_come_back_equal(name: str) -> None:
    round_trip(CASES[name].workflow())


def test_texts_are_data() -> None:
    steps = tuple(container(f"s{index}", text, description=text) for index, text in enumerate(NASTY))
    workflow = ir.Workflow(name="nasty", description='"""', steps=steps, labels={text: text for text in NASTY})
    assert round_trip(workflow).isprintable() is False  # it has line ends, and nothing else that does not print
    assert all(line.isprintable() for line in render(workflow).replace("\t", "").split("\n"))


def test_branches_read_as_when_and_otherwise() -> None:
    heads = ir.Compare(operator="==", left=ir.OutputRef(step="flip"), right=ir.Constant(value="heads"))
    steps = (container("flip"), container("yes", when=heads), container("no", when=ir.Not(part=heads)))
    assert round_trip(ir.Workflow(name="coin", steps=steps)).splitlines()[3:] == [
        "@couler.workflow",
        "def coin():",
        '    flip = couler.run_container("alpine:3.20", command=["echo"], step_name="flip")',
        '    with couler.when(flip == "heads"):',
        '        couler.run_container("alpine:3.20", command=["echo"], step_name="yes")',
        "    with couler.otherwise():",
        '        couler.run_container("alpine:3.20", command=["echo"], step_name="no")',
    ]


def test_numbers_and_bools_are_told_apart() -> None:
    x = ir.ParameterRef(name="x")
    values = (1, True, 1.0)
    conditions = [ir.Compare(operator="==", left=x, right=ir.Constant(value=value)) for value in values]
    steps = tuple(container(f"s{index}", when=condition) for index, condition in enumerate(conditions))
    groups = tuple(
        ir.Step(
            name=f"g{index}", task=ir.GroupTask(parameters=(ir.Parameter(name="a", default=ir.Constant(value=value)),))
        )
        for index, value in enumerate(values)
    )
    round_trip(ir.Workflow(name="w", parameters=(ir.Parameter(name="x"),), steps=(*steps, *groups)))


def test_equal_groups_are_one_nested_function() -> None:
    say = ir.GroupTask(
        parameters=(ir.Parameter(name="word"),),
        steps=(container("say", ir.ParameterRef(name="word")),),
        outputs=(ir.GroupOutput(name="result", value=ir.OutputRef(step="say"), type="str"),),
    )
    steps = tuple(
        ir.Step(name=name, task=say, inputs=(ir.Input(name="word", value=ir.Constant(value=name)),))
        for name in ("one", "two")
    )
    text = round_trip(ir.Workflow(name="words", steps=steps))
    assert text.count("def say(word):") == 1
    assert 'say(word="two").named("two")' in text


def test_a_reference_to_a_later_step_is_explicit() -> None:
    steps = (container("first", ir.OutputRef(step="second")), container("second"))
    assert 'couler.explicit.value(ir.OutputRef(step="second"))' in round_trip(ir.Workflow(name="w", steps=steps))


def test_several_workflows_share_a_file() -> None:
    one, two = (ir.Workflow(name=name, steps=(container("same"),)) for name in ("one", "two"))
    found = executed(render(one, two))
    assert [workflow.name for workflow in found] == ["one", "two"]


@pytest.mark.parametrize(
    "line",
    ["X = open('x')", "def helper(a=print('x')): pass", "class A(print('x')): pass", "def helper(a: print('x')): pass",
     "print('x')", "@print\ndef helper(): pass", "def helper(a: Unknown): pass"],
)  # fmt: skip
def test_code_of_a_step_does_not_run_when_the_program_is_loaded(line: str, capsys: pytest.CaptureFixture[str]) -> None:
    source = f"from __future__ import annotations\n\n{line}\n\ndef train() -> int:\n    return 1\n"
    task = ir.FunctionTask(source=source, entry="train")
    step = ir.Step(name="train", task=task, outputs=(ir.Output(name="result", type="int"),))
    assert "couler.explicit.step" in round_trip(ir.Workflow(name="w", steps=(step,)))
    assert capsys.readouterr().out == ""


def test_a_step_and_its_function_of_one_name_do_not_hide_each_other() -> None:
    source = "from __future__ import annotations\n\ndef train(rate: float) -> float:\n    return rate\n"
    task = ir.FunctionTask(source=source, entry="train")
    rate = ir.Input(name="rate", value=ir.Constant(value=0.5), type="float")
    output = (ir.Output(name="result", type="float"),)
    first = ir.Step(name="train", task=task, inputs=(rate,), outputs=output)
    again = ir.Input(name="rate", value=ir.OutputRef(step="train"), type="float")
    second = ir.Step(name="train-2", task=task, inputs=(again,), outputs=output, retry=ir.Retry(limit=2))
    workflow = ir.Workflow(name="train", steps=(first, second))
    text = render(workflow)
    [found] = executed(text)
    assert [step.inputs for _, step in walk(found)] == [(rate,), (again,)]
    assert 'train(train_output).named("train-2").with_(retry=2)' in text
