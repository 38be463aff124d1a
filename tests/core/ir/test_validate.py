# ruff: noqa: E501
from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings

from couler.core.errors import InvalidWorkflowError
from couler.core.ir.model import (
    AllOf,
    Backoff,
    Compare,
    Concat,
    Constant,
    ContainerTask,
    EnvVar,
    Escalation,
    ExitHandler,
    FirstOf,
    ForEach,
    FunctionTask,
    GroupOutput,
    GroupTask,
    Input,
    ItemRef,
    JobOutput,
    JobPredicate,
    JobTask,
    ListOf,
    Loop,
    LoopOutputRef,
    Not,
    Output,
    OutputRef,
    Parameter,
    ParameterRef,
    Resources,
    Retry,
    RetryOn,
    RoundRef,
    RunRef,
    Schedule,
    ScriptTask,
    SecretRef,
    SecretUse,
    Sidecar,
    StatusIs,
    Step,
    StepDefaults,
    StoredFile,
    SuspendTask,
    Truth,
    Volume,
    Workflow,
)
from couler.core.ir.rules.schedules import cron_trouble
from couler.core.ir.validate import check, problems
from tests.core.ir.strategies import workflows

SCRIPT = ScriptTask(source="print(1)")
WAIT = SuspendTask(duration=1)
CONTAINER = ContainerTask(image="busybox")
TYPED = FunctionTask(source="def f(x: int = 1) -> int:\n    return x\n", entry="f")


def step(name: str = "a", task: object = SCRIPT, **attributes: object) -> Step:
    return Step(name=name, task=task, location=f"pipeline.py:{len(name)}", **attributes)  # type: ignore[arg-type]


def flow(*steps: Step, **attributes: object) -> Workflow:
    return Workflow(name="w", steps=steps, **attributes)  # type: ignore[arg-type]


def constant(value: object) -> Constant:
    return Constant(value=value)


def takes(value: object, kind: str = "any", name: str = "x", **attributes: object) -> tuple[Input, ...]:
    return (Input(name=name, value=value, type=kind, **attributes),)  # type: ignore[arg-type]


def gives(kind: str, name: str = "result", path: str = "") -> tuple[Output, ...]:
    return (Output(name=name, type=kind, path=path),)


def out(name: str, output: str = "result", *path: str | int) -> OutputRef:
    return OutputRef(step=name, output=output, path=path)


def compare(left: object, operator: str, right: object) -> Compare:
    return Compare(left=left, operator=operator, right=right)  # type: ignore[arg-type]


def loop(condition: object, **attributes: object) -> Loop:
    return Loop(condition=condition, max_iterations=3, **attributes)  # type: ignore[arg-type]


NUMBER = step("number", TYPED, outputs=gives("int"))
TEXT = step("text")
LIST = step("list", TYPED, outputs=gives("list[int]"))
GROUP = GroupTask(
    parameters=(Parameter(name="size", type="int"), Parameter(name="mode", type="str", default=constant("fast"))),
    steps=(step("inner", inputs=takes(ParameterRef(name="size"))),),
    outputs=(GroupOutput(name="score", type="str", value=out("inner")),),
)
HOLDS = compare(LoopOutputRef(), "==", constant("again"))
JOB = {"apiVersion": "batch/v1", "kind": "Job"}

CASES: dict[str, tuple[Workflow, str]] = {
    # names
    "empty workflow name": (
        Workflow(name=""),
        'workflow: the name is empty [name]',
    ),
    "empty step name": (
        flow(Step(name="", task=SCRIPT)),
        'workflow: a step has an empty name [name]',
    ),
    "slash in a name": (
        flow(step("a/b")),
        "step 'a/b' (pipeline.py:3): the name 'a/b' contains '/', which paths of steps and files need [name]",
    ),
    "control character": (
        flow(step("a\nb")),
        "step 'a\n"
        "b' (pipeline.py:3): the name 'a\\nb' contains '\\n', which paths of steps and files need [name]",
    ),
    "folder name": (
        flow(step("..")),
        "step '..' (pipeline.py:2): the name '..' means a folder [name]",
    ),
    "spaces around a name": (
        flow(step(" a")),
        "step ' a' (pipeline.py:2): the name ' a' begins or ends with a space [name]",
    ),
    "long name": (
        flow(Step(name="a" * 201, task=SCRIPT)),
        "step 'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa': the name 'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa'\u2026 has 201 characters; at most 200 are allowed [name]",
    ),
    "unusable input name": (
        flow(step(inputs=takes(constant(1), name="a#b"))),
        "step 'a' (pipeline.py:1): an input: the name 'a#b' contains '#', which paths of steps and files need [name]",
    ),
    "unusable argument": (
        flow(step(task=TYPED, inputs=takes(constant(1), name="x y"))),
        "step 'a' (pipeline.py:1): the input 'x y' cannot be an argument of a function [name]\n"
        "step 'a' (pipeline.py:1): the function 'f' has no argument 'x y' [unknown-input]\n"
        '    hint: known arguments: x',
    ),
    "unusable output of a group": (
        flow(step("g", GROUP.model_copy(update={"parameters": (), "steps": (step("inner"),), "outputs": (GroupOutput(name="", value=out("inner")),)}))),
        "step 'g' (pipeline.py:1): an output: the name is empty [name]",
    ),
    "unusable variable": (
        flow(step(env=(EnvVar(name="1 A", value=constant("")),))),
        "step 'a' (pipeline.py:1): the environment variable '1 A' is not made of letters, digits and `_`, or begins with a digit [name]",
    ),
    "duplicate steps": (
        flow(step("train"), Step(name="train", task=WAIT, location="pipeline.py:9")),
        "step 'train' (pipeline.py:9): the name 'train' is already given to another step at pipeline.py:5 [duplicate-step]\n"
        "    hint: rename one of them, for example 'train-2'",
    ),
    "duplicate steps without lines": (
        flow(Step(name="a", task=WAIT), Step(name="a", task=WAIT)),
        "step 'a': the name 'a' is already given to another step [duplicate-step]\n"
        "    hint: rename one of them, for example 'a-2'",
    ),
    "handler with a step's name": (
        flow(step("a"), exit_handlers=(ExitHandler(step=step("a")),)),
        "step 'a' (pipeline.py:1): the name 'a' is already given to another step at pipeline.py:1 [duplicate-step]\n"
        "    hint: rename one of them, for example 'a-2'",
    ),
    "duplicate parameters": (
        flow(parameters=(Parameter(name="p"), Parameter(name="p"))),
        "workflow: the parameter 'p' is declared twice [duplicate-parameter]",
    ),
    "duplicate workflow outputs": (
        flow(TEXT, outputs=(GroupOutput(name="o", value=out("text")),) * 2),
        "workflow: the output 'o' is declared twice [duplicate-output]",
    ),
    "duplicate inputs": (
        flow(step(inputs=takes(constant(1)) * 2)),
        "step 'a' (pipeline.py:1): the input 'x' is given twice [duplicate-input]",
    ),
    "duplicate outputs": (
        flow(step(outputs=(Output(name="m", path="a"), Output(name="m", path="b")))),
        "step 'a' (pipeline.py:1): the output 'm' is declared twice [duplicate-output]",
    ),
    "duplicate env": (
        flow(step(env=(EnvVar(name="A", value=constant("1")), EnvVar(name="A", value=constant("2"))))),
        "step 'a' (pipeline.py:1): the environment variable 'A' is given twice [duplicate-env]",
    ),
    "secret clashes with env": (
        flow(step(env=(EnvVar(name="A", value=constant("1")),), secrets=(SecretUse(secret=SecretRef(name="s", key="k"), env="A"),))),
        "step 'a' (pipeline.py:1): the environment variable 'A' is given by a secret and once more [duplicate-env]\n"
        '    hint: rename one of them',
    ),
    # references
    "unknown step": (
        flow(step("train"), step("b", inputs=takes(out("trian")))),
        "step 'b' (pipeline.py:1): input 'x' refers to the step 'trian', which does not exist [unknown-step]\n"
        "    hint: did you mean 'train'?",
    ),
    "unknown step among none alike": (
        flow(step("b", inputs=takes(out("zzz")))),
        "step 'b' (pipeline.py:1): input 'x' refers to the step 'zzz', which does not exist [unknown-step]",
    ),
    "unknown output": (
        flow(step("a", outputs=gives("any", "model", "m")), step("b", inputs=takes(out("a", "modle")))),
        "step 'b' (pipeline.py:1): input 'x' refers to output 'modle' of step 'a', which has none such [unknown-output]\n"
        "    hint: did you mean 'model'?",
    ),
    "output of a pause": (
        flow(step("a", WAIT), step("b", inputs=takes(out("a")))),
        "step 'b' (pipeline.py:1): input 'x' refers to output 'result' of step 'a', which has none such [unknown-output]\n"
        '    hint: it has no outputs',
    ),
    "unknown parameter": (
        flow(step(inputs=takes(ParameterRef(name="epoch"))), parameters=(Parameter(name="epochs"),)),
        "step 'a' (pipeline.py:1): input 'x' refers to the parameter 'epoch', which the workflow does not have [unknown-parameter]\n"
        "    hint: did you mean 'epochs'?",
    ),
    "no parameters at all": (
        flow(step(inputs=takes(ParameterRef(name="epoch")))),
        "step 'a' (pipeline.py:1): input 'x' refers to the parameter 'epoch', which the workflow does not have [unknown-parameter]\n"
        '    hint: the workflow has no parameters',
    ),
    "unknown reference in an argument": (
        flow(step("a", ContainerTask(image="i", command=(constant("x"), out("b")), args=(Concat(parts=(out("c"), constant("d"))),)))),
        "step 'a' (pipeline.py:1): command part 2 refers to the step 'b', which does not exist [unknown-step]\n"
        "step 'a' (pipeline.py:1): argument 1 refers to the step 'c', which does not exist [unknown-step]",
    ),
    "unknown reference in env": (
        flow(step(env=(EnvVar(name="A", value=FirstOf(options=(out("b"), out("c")))),))),
        "step 'a' (pipeline.py:1): environment variable 'A' refers to the step 'b', which does not exist [unknown-step]\n"
        "step 'a' (pipeline.py:1): environment variable 'A' refers to the step 'c', which does not exist [unknown-step]",
    ),
    "unknown reference in when": (
        flow(step(when=compare(out("b"), "==", constant("x")))),
        "step 'a' (pipeline.py:1): when refers to the step 'b', which does not exist [unknown-step]",
    ),
    "unknown reference in a workflow output": (
        flow(outputs=(GroupOutput(name="o", value=out("b")), GroupOutput(name="q", value=ParameterRef(name="p")))),
        "workflow: output 'o' refers to the step 'b', which does not exist [unknown-step]\n"
        "workflow: output 'q' refers to the parameter 'p', which the workflow does not have [unknown-parameter]\n"
        '    hint: the workflow has no parameters',
    ),
    "item in a workflow output": (
        flow(TEXT, outputs=(GroupOutput(name="o", value=ItemRef()),)),
        "workflow: output 'o' uses what exists only inside one step [misplaced-item]\n"
        '    hint: refer to an output of a step instead',
    ),
    "run status in a workflow output": (
        flow(outputs=(GroupOutput(name="o", value=RunRef(field="status")),)),
        "workflow: output 'o' uses the run's status, which is known only when everything has ended [misplaced-run-fact]\n"
        '    hint: use it in an exit handler',
    ),
    "output of a step inside a group": (
        flow(step("search", GROUP, inputs=takes(constant(1), "any", "size")), step("b", inputs=takes(out("inner")))),
        "step 'b' (pipeline.py:1): input 'x' refers to 'inner', which is inside the group 'search' [outside-scope]\n"
        "    hint: an output of a step inside a group can be used outside only through the group's outputs: add it to the outputs of 'search' and refer to that",
    ),
    "outer step seen from a group": (
        flow(step("load"), step("search", GroupTask(steps=(step("inner", inputs=takes(out("load"))),)))),
        "step 'search/inner' (pipeline.py:5): input 'x' refers to 'load', which is outside the group 'search' [outside-scope]\n"
        "    hint: a group sees only its own parameters: pass the value as an input of 'search'",
    ),
    "outer parameter seen from a group": (
        flow(step("search", GroupTask(steps=(step("inner", inputs=takes(ParameterRef(name="p"))),))), parameters=(Parameter(name="p", default=constant(1)),)),
        "step 'search/inner' (pipeline.py:5): input 'x' refers to the parameter 'p', which the group 'search' does not have [unknown-parameter]\n"
        "    hint: a group sees only its own parameters: give it the parameter 'p', and 'search' an input for it",
    ),
    "exit handler as a dependency": (
        flow(step("a", after=("report",)), exit_handlers=(ExitHandler(step=step("report")),)),
        "step 'a' (pipeline.py:1): after refers to 'report', which is an exit handler and runs after everything else [outside-scope]\n"
        '    hint: only steps of the workflow can be referred to',
    ),
    "exit handler with after": (
        flow(step("a"), exit_handlers=(ExitHandler(step=step("report", after=("a",))),)),
        "step 'report' (pipeline.py:6): an exit handler runs after everything else and cannot be ordered by after [handler-after]\n"
        '    hint: remove after; steps that must run in order belong into one group',
    ),
    "unknown after": (
        flow(step("train"), step("b", after=("trian",))),
        "step 'b' (pipeline.py:1): after refers to the step 'trian', which does not exist [unknown-step]\n"
        "    hint: did you mean 'train'?",
    ),
    "unknown status": (
        flow(step("train"), step("b", after_condition=StatusIs(step="trian", status="skipped"))),
        "step 'b' (pipeline.py:1): after_condition refers to the step 'trian', which does not exist [unknown-step]\n"
        "    hint: did you mean 'train'?",
    ),
    "status in when": (
        flow(step("train"), step("b", when=StatusIs(step="train", status="skipped"))),
        "step 'b' (pipeline.py:1): when tests the status of 'train', which only after_condition may do [misplaced-status]\n"
        '    hint: move the test to after_condition',
    ),
    "status in a loop": (
        flow(step("train"), step("b", loop=loop(StatusIs(step="train", status="skipped")))),
        "step 'b' (pipeline.py:1): the condition of the loop tests the status of 'train', which only after_condition may do [misplaced-status]\n"
        '    hint: move the test to after_condition',
    ),
    "failure that cannot be seen": (
        flow(step("train"), step("b", after_condition=Not(part=StatusIs(step="train", status="failed")))),
        "step 'b' (pipeline.py:1): after_condition tests whether 'train' failed, but after that failure no step starts any more [never-runs]\n"
        '    hint: set allow_failure on \'train\', or on_failure="continue" on the workflow',
    ),
    "item without foreach": (
        flow(step(inputs=takes(ItemRef()))),
        "step 'a' (pipeline.py:1): input 'x' uses an item, but the step has no foreach [misplaced-item]\n"
        '    hint: items exist in inputs, arguments and env of the step with foreach; a group gets them as inputs',
    ),
    "item in when": (
        flow(step(foreach=ForEach(lists={"item": constant([1])}), when=compare(ItemRef(), "==", constant(1)))),
        "step 'a' (pipeline.py:1): when uses an item, but it is worked out once for all items [misplaced-item]\n"
        '    hint: items exist in inputs, arguments and env of the step with foreach; a group gets them as inputs',
    ),
    "unknown item": (
        flow(step(inputs=takes(ItemRef(name="rwo")), foreach=ForEach(lists={"row": constant([1])}))),
        "step 'a' (pipeline.py:1): input 'x' uses the item 'rwo', which foreach does not have [unknown-item]\n"
        "    hint: did you mean 'row'?",
    ),
    "round without loop": (
        flow(step(inputs=takes(RoundRef()))),
        "step 'a' (pipeline.py:1): input 'x' uses the number of the round, but the step has no loop [misplaced-round]\n"
        '    hint: it exists in inputs, arguments, env and the condition of the step with loop',
    ),
    "round in when": (
        flow(step(loop=loop(HOLDS), when=compare(RoundRef(), "<", constant(1)))),
        "step 'a' (pipeline.py:1): when uses the number of the round, but it is worked out once for all rounds [misplaced-round]\n"
        '    hint: it exists in inputs, arguments, env and the condition of the step with loop',
    ),
    "loop output in an input": (
        flow(step(inputs=takes(LoopOutputRef()))),
        "step 'a' (pipeline.py:1): input 'x' uses an output of the step's own last round, which exists only in the condition of its loop [misplaced-loop-output]\n"
        '    hint: use carry to hand an output to the next round',
    ),
    "unknown loop output": (
        flow(step(loop=loop(compare(LoopOutputRef(output="reslut"), "==", constant(""))))),
        "step 'a' (pipeline.py:1): the condition of the loop refers to its output 'reslut', which it does not have [unknown-output]\n"
        "    hint: did you mean 'result'?",
    ),
    "run status before the end": (
        flow(step(inputs=takes(RunRef(field="failed_steps")))),
        "step 'a' (pipeline.py:1): input 'x' uses the run's failed_steps, which is known only when everything has ended [misplaced-run-fact]\n"
        '    hint: use it in an exit handler',
    ),
    "step waits for itself": (
        flow(step("a", inputs=takes(out("a")))),
        "step 'a' (pipeline.py:1): the step waits for itself: a -> a [cycle]\n"
        '    hint: to repeat a step, use a loop; otherwise remove one of these references',
    ),
    "cycle of three": (
        flow(step("a", inputs=takes(out("c"))), step("b", inputs=takes(out("a"))), step("c", after=("b",))),
        "step 'a' (pipeline.py:1): steps wait for each other: a -> b -> c -> a [cycle]\n"
        '    hint: to repeat a step, use a loop; otherwise remove one of these references',
    ),
    "two cycles": (
        flow(step("a", after=("b",)), step("b", after=("a",)), step("c", after=("c",))),
        "step 'a' (pipeline.py:1): steps wait for each other: a -> b -> a [cycle]\n"
        '    hint: to repeat a step, use a loop; otherwise remove one of these references\n'
        "step 'c' (pipeline.py:1): the step waits for itself: c -> c [cycle]\n"
        '    hint: to repeat a step, use a loop; otherwise remove one of these references',
    ),
    "cycle in a group": (
        flow(step("g", GroupTask(steps=(step("a", after=("b",)), step("b", after=("a",)))))),
        "step 'g/a' (pipeline.py:1): steps wait for each other: a -> b -> a [cycle]\n"
        '    hint: to repeat a step, use a loop; otherwise remove one of these references',
    ),
    # types
    "unknown type": (
        flow(step(inputs=takes(constant(1), "integer"), outputs=gives("list[strr]", "o", "p")), parameters=(Parameter(name="p", type="number"),), outputs=(GroupOutput(name="o", type="list[", value=constant(1)),)),
        "workflow: parameter 'p': unknown type 'number'; known types: any, bool, file, float, folder, int, list, null, object, str [type-text]\n"
        "workflow: output 'o': brackets do not match in the type 'list[' [type-text]\n"
        "step 'a' (pipeline.py:1): input 'x': unknown type 'integer'; did you mean 'int'? [type-text]\n"
        "step 'a' (pipeline.py:1): output 'o': unknown type 'strr'; did you mean 'str'? [type-text]",
    ),
    "unknown type of a job output": (
        flow(step("j", JobTask(manifest=JOB, success=(JobPredicate(condition="Complete"),), outputs=(JobOutput(name="o", field="f", type="nul"),)))),
        "step 'j' (pipeline.py:1): output 'o': unknown type 'nul'; did you mean 'null'? [type-text]",
    ),
    "unknown type of a map that may fail": (
        flow(
            step("m", TYPED, outputs=gives("strr"), foreach=ForEach(lists={"item": constant([1])}), allow_failure=True),
            step(inputs=takes(out("m"), "list[str]")),
        ),
        "step 'm' (pipeline.py:1): output 'result': unknown type 'strr'; did you mean 'str'? [type-text]",
    ),
    "file as workflow parameter": (
        flow(parameters=(Parameter(name="data", type="list[file]"),)),
        "workflow: the workflow's parameter 'data' is list[file], but only values can be given [file-parameter]\n"
        '    hint: take a URL as a str parameter, or use a stored file',
    ),
    "constant of the wrong type": (
        flow(step(inputs=takes(constant("5"), "int"))),
        "step 'a' (pipeline.py:1): input 'x': expected int, got str '5' [type-mismatch]",
    ),
    "item of a constant list": (
        flow(step(inputs=takes(constant([1, True]), "list[int]"))),
        "step 'a' (pipeline.py:1): input 'x': at [1]: expected int, got bool true [type-mismatch]",
    ),
    "output of the wrong type": (
        flow(TEXT, step(inputs=takes(out("text"), "int"))),
        "step 'a' (pipeline.py:1): input 'x': expected int, but output 'result' of step 'text' gives str [type-mismatch]",
    ),
    "optional output": (
        flow(step("n", TYPED, outputs=gives("int | null")), step(inputs=takes(out("n"), "int"))),
        "step 'a' (pipeline.py:1): input 'x': expected int, but output 'result' of step 'n' gives int | null [type-mismatch]",
    ),
    "parameter of the wrong type": (
        flow(step(inputs=takes(ParameterRef(name="p"), "int")), parameters=(Parameter(name="p", type="str"),)),
        "step 'a' (pipeline.py:1): input 'x': expected int, but parameter 'p' gives str [type-mismatch]",
    ),
    "item of the wrong type": (
        flow(LIST, step(inputs=takes(ItemRef(), "str"), foreach=ForEach(lists={"item": out("list")}))),
        "step 'a' (pipeline.py:1): input 'x': expected str, but item 'item' gives int [type-mismatch]",
    ),
    "round as text": (
        flow(step(inputs=takes(RoundRef(), "str"), loop=loop(HOLDS))),
        "step 'a' (pipeline.py:1): input 'x': expected str, but the number of the round gives int [type-mismatch]",
    ),
    "text made of parts as a number": (
        flow(step(inputs=takes(Concat(parts=(constant("a"),)), "int"))),
        "step 'a' (pipeline.py:1): input 'x': expected int, but a text made of parts gives str [type-mismatch]",
    ),
    "list of values": (
        flow(TEXT, step(inputs=takes(ListOf(items=(out("text"), constant(1))), "list[int]"))),
        "step 'a' (pipeline.py:1): input 'x': expected list[int], but a list of values gives list[int | str] [type-mismatch]",
    ),
    "first of several": (
        flow(TEXT, NUMBER, step(inputs=takes(FirstOf(options=(out("text"), out("number"))), "int"))),
        "step 'a' (pipeline.py:1): input 'x': expected int, but the first of several outputs gives int | str [type-mismatch]",
    ),
    "run fact as a number": (
        flow(step(inputs=takes(RunRef(field="id"), "int"))),
        "step 'a' (pipeline.py:1): input 'x': expected int, but the run's id gives str [type-mismatch]",
    ),
    "stored file as text": (
        flow(step(inputs=takes(StoredFile(url="s3://a/b"), "str"))),
        "step 'a' (pipeline.py:1): input 'x': expected str, got a stored file [type-mismatch]",
    ),
    "default of the wrong type": (
        flow(NUMBER, step(inputs=takes(OutputRef(step="number", default=constant("none")), "int"))),
        "step 'a' (pipeline.py:1): input 'x': expected int, but output 'result' of step 'number' gives int | str [type-mismatch]",
    ),
    "mapped output is a list": (
        flow(step("n", TYPED, outputs=gives("int"), foreach=ForEach(lists={"item": constant([1])})), step(inputs=takes(out("n"), "int"))),
        "step 'a' (pipeline.py:1): input 'x': expected int, but output 'result' of step 'n' gives list[int] [type-mismatch]",
    ),
    "path into a number": (
        flow(NUMBER, step(inputs=takes(out("number", "result", "score", 0)))),
        "step 'a' (pipeline.py:1): output 'result' of step 'number' is int, so it has no .score[0] [value-path]",
    ),
    "group input missing": (
        flow(step("g", GROUP)),
        "step 'g' (pipeline.py:1): the group needs the input 'size', which is not given [missing-input]\n"
        "    hint: give it as an input, or give the parameter 'size' a default",
    ),
    "group input unknown": (
        flow(step("g", GROUP, inputs=takes(constant(1), "any", "size") + takes(constant(1), "any", "sise"))),
        "step 'g' (pipeline.py:1): the group has no parameter for the input 'sise' [unknown-input]\n"
        "    hint: did you mean 'size'?",
    ),
    "group input of the wrong type": (
        flow(step("g", GROUP, inputs=takes(constant("1"), "any", "size"))),
        "step 'g' (pipeline.py:1): input 'size': expected int, got str '1' [type-mismatch]",
    ),
    "group input declared otherwise": (
        flow(step("g", GROUP, inputs=takes(constant("1"), "str", "size"))),
        "step 'g' (pipeline.py:1): input 'size': the group's parameter is int, but the input is declared str [type-mismatch]",
    ),
    "group output of the wrong type": (
        flow(step("g", GroupTask(steps=(NUMBER,), outputs=(GroupOutput(name="o", type="str", value=out("number")),)))),
        "step 'g' (pipeline.py:1): output 'o': expected str, but output 'result' of step 'number' gives int [type-mismatch]",
    ),
    "default and choices": (
        flow(parameters=(Parameter(name="p", type="int", default=constant("1"), choices=("a", 2)), Parameter(name="q", default=constant(3), choices=(1, 2)))),
        "workflow: parameter 'p': a choice does not fit: expected int, got str 'a' [parameter-choices]\n"
        "workflow: parameter 'p': the default does not fit: expected int, got str '1' [parameter-default]\n"
        "workflow: parameter 'q': the default int 3 is not one of the choices [parameter-default]",
    ),
    # conditions
    "different types compared": (
        flow(NUMBER, step(when=compare(out("number"), "==", constant("0.9")))),
        "step 'a' (pipeline.py:1): when: `==` compares int with str, which are never equal [comparison]",
    ),
    "different types ordered": (
        flow(NUMBER, step(when=compare(out("number"), "<", constant("0.9")))),
        "step 'a' (pipeline.py:1): when: `<` orders int and str; only two numbers or two strings have an order [comparison]",
    ),
    "no order": (
        flow(LIST, step(when=compare(out("list"), ">", constant(1)))),
        "step 'a' (pipeline.py:1): when: `>` orders a value of type list[int]; only numbers and strings have an order [comparison]",
    ),
    "bools have no order": (
        flow(step(when=compare(constant(True), ">", constant(1)))),
        "step 'a' (pipeline.py:1): when: `>` orders a value of type bool; only numbers and strings have an order [comparison]",
    ),
    "in something that is no list": (
        flow(TEXT, step(when=compare(constant("a"), "in", out("text")))),
        "step 'a' (pipeline.py:1): when: `in` looks into a value of type str; it needs a list on its right side [comparison]",
    ),
    "in a list of another type": (
        flow(LIST, step(when=AllOf(parts=(compare(constant("a"), "in", out("list")),)))),
        "step 'a' (pipeline.py:1): when: `in` looks for str in list[int], where it never is [comparison]",
    ),
    "a number as a condition": (
        flow(NUMBER, step(when=Not(part=Truth(value=out("number"))))),
        "step 'a' (pipeline.py:1): when uses a value of type int as a condition; only a bool can be one [condition-type]\n"
        '    hint: compare it, for example with `!= 0` or `!= ""`',
    ),
    "loop condition of different types": (
        flow(step(loop=loop(compare(LoopOutputRef(), "<", constant(0.9))))),
        "step 'a' (pipeline.py:1): the condition of the loop: `<` orders str and float; only two numbers or two strings have an order [comparison]",
    ),
    # maps and loops
    "map and loop": (
        flow(step(foreach=ForEach(lists={"item": constant([1])}), loop=loop(HOLDS))),
        "step 'a' (pipeline.py:1): the step has both foreach and loop [map-and-loop]\n"
        '    hint: put the inner one on a step inside a group, and the outer one on the group',
    ),
    "map over nothing": (
        flow(step(foreach=ForEach(lists={}))),
        "step 'a' (pipeline.py:1): foreach has no list [foreach]\n"
        '    hint: name at least one list of items',
    ),
    "map over a number": (
        flow(NUMBER, step(foreach=ForEach(lists={"a": out("number"), "b": constant("abc")}))),
        "step 'a' (pipeline.py:1): list 'a' of foreach: expected list, but output 'result' of step 'number' gives int [foreach]\n"
        "step 'a' (pipeline.py:1): list 'b' of foreach: expected list, got str 'abc' [foreach]",
    ),
    "lists of different lengths": (
        flow(step(foreach=ForEach(lists={"a": constant([1]), "b": constant([1, 2])}))),
        "step 'a' (pipeline.py:1): the lists of foreach have different lengths: 'a' has 1, 'b' has 2 [foreach]",
    ),
    "loop carries what is not there": (
        flow(step(inputs=takes(constant(1), name="model"), loop=loop(HOLDS, carry={"modell": "reslut"}))),
        "step 'a' (pipeline.py:1): the loop carries into the input 'modell', which is not there [loop-carry]\n"
        "    hint: did you mean 'model'?\n"
        "step 'a' (pipeline.py:1): the loop carries the output 'reslut', which is not there [loop-carry]\n"
        "    hint: did you mean 'result'?",
    ),
    "loop carries another type": (
        flow(step(inputs=takes(constant(1), "int"), loop=loop(HOLDS, carry={"x": "result"}))),
        "step 'a' (pipeline.py:1): the loop carries output 'result' (str) into input 'x', which expects int [type-mismatch]",
    ),
    # tasks
    "source is not Python": (
        flow(step("f", FunctionTask(source="def f(:", entry="f"))),
        "step 'f' (pipeline.py:1): the source of the function is not Python: invalid syntax (line 1) [function-source]",
    ),
    "source with a NUL": (
        flow(step("f", FunctionTask(source="def f(): '\0'", entry="f"))),
        "step 'f' (pipeline.py:1): the source of the function is not Python: source code string cannot contain null bytes [function-source]",
    ),
    "entry is missing": (
        flow(step("f", FunctionTask(source="def train(): pass", entry="trian"))),
        "step 'f' (pipeline.py:1): the source does not define the function 'trian' [function-entry]\n"
        "    hint: did you mean 'train'?",
    ),
    "argument is missing": (
        flow(step("f", FunctionTask(source="def f(x, y, *, z, k=1): pass", entry="f"), inputs=takes(constant(1)) + takes(constant(1), name="kk"))),
        "step 'f' (pipeline.py:1): the function 'f' has no argument 'kk' [unknown-input]\n"
        "    hint: did you mean 'k'?\n"
        "step 'f' (pipeline.py:1): the function 'f' needs the argument 'y', which is not given [missing-input]\n"
        "    hint: give it as an input, or give 'y' a default\n"
        "step 'f' (pipeline.py:1): the function 'f' needs the argument 'z', which is not given [missing-input]\n"
        "    hint: give it as an input, or give 'z' a default",
    ),
    "file output without a path": (
        flow(step(outputs=gives("file", "model"))),
        "step 'a' (pipeline.py:1): the file output 'model' has no path [output-path]\n"
        '    hint: say at which path the task writes it',
    ),
    "value output without a path": (
        flow(step("c", CONTAINER, outputs=gives("int", "score"))),
        "step 'c' (pipeline.py:1): the output 'score' has no path [output-path]\n"
        "    hint: say at which path the task writes it, or name it 'result' to take the standard output",
    ),
    "outputs at one path": (
        flow(step(outputs=gives("str", "a", "./x") + gives("str", "b", "x"))),
        "step 'a' (pipeline.py:1): the outputs 'a' and 'b' have the same path 'x' [output-path]",
    ),
    "output of a pause is declared": (
        flow(step("s", WAIT, outputs=gives("int", "score"))),
        "step 's' (pipeline.py:1): nothing in the pause produces the output 'score' [output-path]\n"
        '    hint: a pause has no outputs',
    ),
    "output that no job gives": (
        flow(step("j", JobTask(manifest=JOB, success=(JobPredicate(condition="Complete"),)), outputs=gives("int", "score"))),
        "step 'j' (pipeline.py:1): nothing in the job produces the output 'score' [output-path]\n"
        '    hint: declare it among the outputs of the job',
    ),
    "path out of the folder": (
        flow(step(inputs=takes(constant(1), "file", path="a/../../x"), outputs=gives("file", "o", "../o"))),
        "step 'a' (pipeline.py:1): input 'x': expected file, got int 1 [type-mismatch]\n"
        "step 'a' (pipeline.py:1): input 'x': the path 'a/../../x' leads out of the step's folder [path]\n"
        '    hint: use a path inside the folder, or an absolute path\n'
        "step 'a' (pipeline.py:1): output 'o': the path '../o' leads out of the step's folder [path]\n"
        '    hint: use a path inside the folder, or an absolute path',
    ),
    "path with a NUL": (
        flow(step(outputs=gives("file", "o", "a\0b"))),
        "step 'a' (pipeline.py:1): output 'o': the path 'a\\x00b' contains a NUL character [path]",
    ),
    "path of a value": (
        flow(step(inputs=takes(constant(1), "int", path="x.txt"))),
        "step 'a' (pipeline.py:1): input 'x' is int, but only files and folders appear at a path [path]\n"
        '    hint: declare it as a file, or remove the path',
    ),
    "container without an image": (
        flow(step("c", ContainerTask(image=""))),
        "step 'c' (pipeline.py:1): the container has no image [image]\n"
        '    hint: for example image="python:3.12-slim"',
    ),
    "sidecar without an image": (
        flow(step(sidecars=(Sidecar(name="db", image=""),))),
        "step 'a' (pipeline.py:1): the sidecar 'db' has no image [image]\n"
        '    hint: for example image="redis:7"',
    ),
    "script without an interpreter": (
        flow(step("s", ScriptTask(source="x", interpreter=()))),
        "step 's' (pipeline.py:1): the script has no interpreter [interpreter]\n"
        '    hint: for example ("python",) or ("sh", "-e")',
    ),
    "daemons that cannot be": (
        flow(step("s", WAIT, daemon=True), step("g", GroupTask(), daemon=True)),
        "step 's' (pipeline.py:1): a pause cannot be a daemon [daemon]\n"
        '    hint: set daemon on a container, script or function\n'
        "step 'g' (pipeline.py:1): a group cannot be a daemon [daemon]\n"
        '    hint: set daemon on a container, script or function',
    ),
    "job without success": (
        flow(step("j", JobTask(manifest={"kind": "Job"}))),
        "step 'j' (pipeline.py:1): the manifest of the job has no 'apiVersion' [job]\n"
        "step 'j' (pipeline.py:1): the job does not say when it has succeeded [job]\n"
        '    hint: give success a predicate, for example condition="Complete" or field="status.succeeded", value=1',
    ),
    "job predicates": (
        flow(step("j", JobTask(manifest=JOB, success=(JobPredicate(),), failure=(JobPredicate(field="a", condition="b"),)))),
        "step 'j' (pipeline.py:1): a success predicate of the job has neither field nor condition [job]\n"
        '    hint: set exactly one of them\n'
        "step 'j' (pipeline.py:1): a failure predicate of the job has both field and condition [job]\n"
        '    hint: set exactly one of them',
    ),
    # attributes
    "no time": (
        flow(step(timeout=0), timeout=0, defaults=StepDefaults(timeout=0)),
        "workflow: the workflow's timeout is 0 seconds [timeout]\n"
        '    hint: leave it out for no limit\n'
        'workflow: the default timeout of steps is 0 seconds [timeout]\n'
        '    hint: leave it out for no limit\n'
        "step 'a' (pipeline.py:1): the timeout is 0 seconds [timeout]\n"
        '    hint: leave it out for no limit',
    ),
    "retry of nothing": (
        flow(step(retry=Retry(limit=0)), step("b", retry=Retry(limit=1, backoff=Backoff(initial=9, maximum=3), on=RetryOn()))),
        "step 'a' (pipeline.py:1): retry has the limit 0, so nothing is tried again [retry]\n"
        '    hint: give a limit of 1 or more, or leave retry out\n'
        "step 'b' (pipeline.py:1): backoff starts at 9 s, over its maximum of 3 s [retry]\n"
        "step 'b' (pipeline.py:1): retry is limited to no outcome at all [retry]\n"
        '    hint: name outcomes in on, or leave on out to retry all failures',
    ),
    "escalation": (
        flow(step(retry=Retry(limit=1, escalation=Escalation(), on=RetryOn(lost=True))), step("b", resources=Resources(memory="4Gi"), retry=Retry(limit=1, escalation=Escalation(memory_maximum="1Gi")))),
        "step 'a' (pipeline.py:1): memory is raised after out of memory, which is not among the outcomes to retry [retry]\n"
        "    hint: set out_of_memory=True in retry's on\n"
        "step 'a' (pipeline.py:1): memory is raised after out of memory, but the step does not say how much it starts with [retry]\n"
        '    hint: for example resources memory="2Gi"\n'
        "step 'b' (pipeline.py:1): memory may be raised up to 1Gi, which is less than the 4Gi it starts with [retry]",
    ),
    "default retry of nothing": (
        flow(defaults=StepDefaults(retry=Retry(limit=0))),
        'workflow: defaults: retry has the limit 0, so nothing is tried again [retry]\n'
        '    hint: give a limit of 1 or more, or leave retry out',
    ),
    "resources of nothing": (
        flow(step(resources=Resources(memory="0", ephemeral_storage="500m", gpu=1, gpu_kind=""))),
        "step 'a' (pipeline.py:1): memory '0' is less than one byte [resources]\n"
        "    hint: for example '512Mi'\n"
        "step 'a' (pipeline.py:1): ephemeral_storage '500m' is less than one byte [resources]\n"
        "    hint: for example '512Mi'\n"
        "step 'a' (pipeline.py:1): the GPU has no kind [resources]\n"
        "    hint: for example 'nvidia.com/gpu'",
    ),
    "malformed quantity": (
        flow(step(resources=Resources.model_construct(memory="2 GB"))),
        "step 'a' (pipeline.py:1): memory: '2 GB' is no quantity; write a number with a unit, such as '512Mi', '2Gi' or '500M' [resources]",
    ),
    "attributes without a process": (
        flow(step("g", GroupTask(), resources=Resources(cpu=1)), step("s", WAIT, env=(EnvVar(name="A", value=constant("")),)), step("j", JobTask(manifest=JOB, action="get"), working_dir="/w")),
        "step 'g' (pipeline.py:1): a group has no process of its own for resources [no-process]\n"
        '    hint: set it on the steps inside the group\n'
        "step 's' (pipeline.py:1): a pause has no process of its own for env [no-process]\n"
        '    hint: remove it\n'
        "step 'j' (pipeline.py:1): a job has no process of its own for working_dir [no-process]\n"
        '    hint: write it into the manifest',
    ),
    "secret in plain text": (
        flow(step(env=(EnvVar(name="DB_PASSWORD", value=constant("hunter2")), EnvVar(name="GITHUB_TOKEN", value=constant("ghp")), EnvVar(name="TOKENIZERS_PARALLELISM", value=constant("false")), EnvVar(name="PASSWORD_FILE", value=constant("/run/x")), EnvVar(name="SECRET", value=constant("")))), defaults=StepDefaults(env=(EnvVar(name="OPENAI_APIKEY", value=constant("sk")),))),
        "workflow: defaults: the environment variable 'OPENAI_APIKEY' looks like a secret, and its value stands in plain text [plaintext-secret]\n"
        "    hint: keep it in the engine's secret store and refer to it with couler.secret(...)\n"
        "step 'a' (pipeline.py:1): the environment variable 'DB_PASSWORD' looks like a secret, and its value stands in plain text [plaintext-secret]\n"
        "    hint: keep it in the engine's secret store and refer to it with couler.secret(...)\n"
        "step 'a' (pipeline.py:1): the environment variable 'GITHUB_TOKEN' looks like a secret, and its value stands in plain text [plaintext-secret]\n"
        "    hint: keep it in the engine's secret store and refer to it with couler.secret(...)",
    ),
    "secret for nobody": (
        flow(step(secrets=(SecretUse(secret=SecretRef(name="s", key="k")),))),
        "step 'a' (pipeline.py:1): the secret 's' is given neither as a variable nor as a file [secret]\n"
        '    hint: set env or path',
    ),
    "volumes": (
        flow(step(volumes=(Volume(path="data"), Volume(path="/d", source="new_claim"), Volume(path="/d", source="empty")))),
        "step 'a' (pipeline.py:1): the volume at 'data' needs an absolute path [volume]\n"
        "    hint: for example '/data'\n"
        "step 'a' (pipeline.py:1): the volume at 'data' has no name [volume]\n"
        '    hint: name the claim to mount\n'
        "step 'a' (pipeline.py:1): the new volume at '/d' has no size [volume]\n"
        "    hint: for example size='10Gi'\n"
        "step 'a' (pipeline.py:1): two volumes are mounted at '/d' [volume]",
    ),
    "half a surrogate pair": (
        flow(step("c", ContainerTask(image="i", args=(constant("\ud800"),)), inputs=takes(constant({"a": ["\udc80"]})), env=(EnvVar(name="A", value=constant("\ud800")),))),
        "step 'c' (pipeline.py:1): input 'x' contains half of a surrogate pair, which no encoding can carry [encoding]\n"
        "    hint: read bytes with errors='replace', or write the character as a whole\n"
        "step 'c' (pipeline.py:1): environment variable 'A' contains half of a surrogate pair, which no encoding can carry [encoding]\n"
        "    hint: read bytes with errors='replace', or write the character as a whole\n"
        "step 'c' (pipeline.py:1): argument 1 contains half of a surrogate pair, which no encoding can carry [encoding]\n"
        "    hint: read bytes with errors='replace', or write the character as a whole",
    ),
    "schedule": (
        flow(schedule=Schedule(cron=("* * * *", "61 * * * *"), timezone="Europe/Berln")),
        "workflow: cron expression '* * * *': it has 4 fields instead of 5 [schedule]\n"
        '    hint: the fields are minute, hour, day of the month, month, day of the week\n'
        "workflow: cron expression '61 * * * *': '61' is no minute (0 to 59) [schedule]\n"
        '    hint: the fields are minute, hour, day of the month, month, day of the week\n'
        "workflow: the time zone 'Europe/Berln' does not exist [schedule]\n"
        "    hint: did you mean 'Europe/Berlin'?",
    ),
    "stored outputs": (
        flow(
            step("a", outputs=(Output(name="n", type="int", path="n", store=StoredFile(url="s3://b/n")), Output(name="f", type="file", path="f", store=StoredFile(url="s3://b/f")))),
            step("m", foreach=ForEach(lists={"item": constant([1, 2])}), outputs=(Output(name="f", type="file", path="f", store=StoredFile(url="s3://b/f")),)),
        ),
        "step 'a' (pipeline.py:1): the output 'n' is stored at a URL, and its type is int [stored-output]\n"
        "    hint: only files and folders are; give it the type file\n"
        "step 'm' (pipeline.py:1): the output 'f' of each item would be stored at the same URL [stored-output]\n"
        '    hint: store what a later step makes of all items',
    ),
    "empty schedule": (
        flow(schedule=Schedule(cron=(), timezone="../etc/passwd")),
        'workflow: the schedule has no cron expression [schedule]\n'
        '    hint: for example `0 3 * * *` for every day at 3:00\n'
        "workflow: the time zone '../etc/passwd' does not exist [schedule]\n"
        "    hint: use a name such as 'UTC' or 'Europe/Berlin'",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_bad_input_is_named_with_its_place_and_remedy(case: str) -> None:
    workflow, expected = CASES[case]
    assert "\n".join(map(str, problems(workflow))) == expected


@settings(deadline=None, max_examples=40, suppress_health_check=list(HealthCheck))
@given(workflows())
def test_a_workflow_that_keeps_the_rules_has_no_problems(workflow: Workflow) -> None:
    assert problems(workflow) == ()
    check(workflow)


def test_all_problems_are_reported_at_once_in_the_order_of_the_steps() -> None:
    workflow = flow(step("a", timeout=0), step("b", inputs=takes(out("aa"))), step("c", timeout=0), timeout=0)
    with pytest.raises(InvalidWorkflowError) as error:
        check(workflow)
    assert [problem.step for problem in error.value.problems] == ["", "a", "b", "c"]
    assert str(error.value).startswith(
        "workflow 'w' has 4 problems:\n  - workflow: the workflow's timeout is 0 seconds"
    )


def test_a_failure_may_be_tested_where_something_still_starts() -> None:
    report = step("report", after_condition=StatusIs(step="train", status="failed"))
    assert problems(flow(step("train", allow_failure=True), report)) == ()
    assert problems(flow(step("train"), report, on_failure="continue")) == ()
    assert problems(flow(step("train"), exit_handlers=(ExitHandler(step=report),))) == ()


def test_an_exit_handler_reads_the_run_and_the_steps() -> None:
    handler = step("report", inputs=takes(RunRef(field="status"), name="status") + takes(out("train"), name="score"))
    assert problems(flow(step("train"), exit_handlers=(ExitHandler(step=handler),))) == ()


def test_limit_zero_turns_a_default_retry_off() -> None:
    assert problems(flow(step(retry=Retry(limit=0)), defaults=StepDefaults(retry=Retry(limit=2)))) == ()


def test_a_secret_in_plain_text_is_never_shown() -> None:
    workflow = flow(step(env=(EnvVar(name="DB_PASSWORD", value=constant("hunter2")),)))
    assert "hunter2" not in "".join(map(str, problems(workflow)))


@pytest.mark.parametrize("expression", ["* * * * *", "*/5 0-6/2 1,15 jan-MAR 7", "59 23 31 12 sun"])
def test_a_cron_expression_has_five_fields_in_range(expression: str) -> None:
    assert cron_trouble(expression) == ""


@pytest.mark.parametrize("expression", ["", "@daily", "* * * * * *", "60 * * * *", "* 24 * * *", "* * 0 * *", "* * * foo *", "5-1 * * * *", "*/0 * * * *", "1,,2 * * * *", "* * * * 8"])  # fmt: skip
def test_other_cron_expressions_are_refused(expression: str) -> None:
    assert cron_trouble(expression) != ""
