"""Small workflows for the tests of pictures."""

from __future__ import annotations

import random

from couler.core.ir.model import (
    Compare,
    Constant,
    ContainerTask,
    ExitHandler,
    ForEach,
    GroupTask,
    Input,
    OutputRef,
    Parameter,
    ParameterRef,
    ScriptTask,
    StatusIs,
    Step,
    Workflow,
)


def script(name: str, *needs: str, **attributes: object) -> Step:
    inputs = tuple(Input(name=f"in{number}", value=OutputRef(step=need)) for number, need in enumerate(needs))
    return Step.model_validate({"name": name, "task": ScriptTask(source="print(1)"), "inputs": inputs, **attributes})


def selection() -> Workflow:
    body = GroupTask(parameters=(Parameter(name="model"),), steps=(script("fit"), script("score", "fit")))
    good = Compare(operator=">", left=OutputRef(step="train"), right=Constant(value=0.95))
    return Workflow(
        name="selection",
        steps=(
            script("load"),
            Step(name="train", task=body, foreach=ForEach(lists={"model": ParameterRef(name="models")})),
            Step(name="publish", task=ContainerTask(image="alpine"), when=good),
            script("mourn", after_condition=StatusIs(step="publish", status="failed")),
            script("report", "load", after=("publish",)),
        ),
        exit_handlers=(ExitHandler(step=script("notify"), on="failure"),),
    )


def tangle(count: int) -> Workflow:
    draw = random.Random(7)
    steps = []
    for number in range(count):
        needs = {draw.randrange(max(0, number - 40), number) for _ in range(min(3, number))}
        steps.append(script(f"s{number}", *[f"s{need}" for need in sorted(needs)]))
    return Workflow(name="tangle", steps=tuple(steps))


HOSTILE = '<script>alert("x")</script> & {{y}} \' ] --> "z" %% `k` \\ \x07 訓練 #quot;'
