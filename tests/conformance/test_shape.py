"""Shapes tell workflows apart: whatever a reader gets wrong shows as a difference."""

from collections.abc import Callable
from typing import Any

import pytest

import couler
from couler.core.ir.model import Compare, Retry, Step, Workflow
from tests.conformance.cases.parts import IMAGE, add, boom, collect, give
from tests.conformance.expected import complete
from tests.conformance.shape import differences, shape_of


@couler.workflow(timeout=60)
def example(limit: int = 3) -> Any:
    first = give(5).named("first")
    risky = boom().named("risky").with_(allow_failure=True, retry=2, timeout=5)
    with couler.when(first > limit):
        yes = add(first, limit).named("yes").with_(env={"N": first})
    with couler.otherwise():
        no = give("{{x}}").named("no")
    joined = collect([couler.first_of(yes, no), risky.or_else(0)]).named("joined").after(risky.ended)
    mapped = add.map([1, 2], b=first).named("mapped").after(risky.failed)
    looped = couler.loop(add, 1, 5, until=lambda n: n > 20, max_iterations=10, carry={"a": "result"}).named("looped")
    with couler.on_exit("failure"):
        couler.run_container(IMAGE, ["echo"], [couler.failed_steps()], step_name="tell")
    return {"joined": joined, "mapped": mapped, "looped": looped}


def _changed(name: str, **changes: Any) -> Callable[[Workflow], Workflow]:
    """One step with other attributes."""

    def change(step: Step) -> Step:
        return step.model_copy(update=changes) if step.name == name else step

    return lambda workflow: workflow.model_copy(update={"steps": tuple(map(change, workflow.steps))})


def _step(name: str) -> Step:
    return next(step for step in complete(example.build()).steps if step.name == name)


def _when(operator: str) -> Any:
    condition = _step("yes").when
    assert isinstance(condition, Compare)
    return condition.model_copy(update={"operator": operator})


def _loop(**changes: Any) -> Any:
    loop = _step("looped").loop
    assert loop is not None
    return loop.model_copy(update=changes)


CHANGES: dict[str, Callable[[Workflow], Workflow]] = {
    "an edge is dropped": _changed("mapped", after_condition=None),
    "retries are forgotten": _changed("risky", retry=None),
    "a retry too few": _changed("risky", retry=Retry(limit=1)),
    "a time limit is dropped": _changed("risky", timeout=None),
    "allow_failure is lost": _changed("risky", allow_failure=False),
    "variables are lost": _changed("yes", env=()),
    "a loop's bound": _changed("looped", loop=_loop(max_iterations=9)),
    "a step is gone": lambda workflow: workflow.model_copy(update={"steps": workflow.steps[:-1]}),
    "an exit handler is gone": lambda workflow: workflow.model_copy(update={"exit_handlers": ()}),
    "an exit handler on another outcome": lambda workflow: workflow.model_copy(
        update={"exit_handlers": (workflow.exit_handlers[0].model_copy(update={"on": "always"}),)}
    ),
    "the workflow's time limit": lambda workflow: workflow.model_copy(update={"timeout": None}),
    "an output is gone": lambda workflow: workflow.model_copy(update={"outputs": workflow.outputs[1:]}),
}  # fmt: skip


@pytest.mark.parametrize("change", CHANGES.values(), ids=list(CHANGES))
def test_a_change_of_the_workflow_is_a_difference(change: Callable[[Workflow], Workflow]) -> None:
    workflow = complete(example.build())

    assert differences(shape_of(workflow), shape_of(change(workflow))) != []
