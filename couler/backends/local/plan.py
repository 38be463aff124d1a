"""What is known of a scope before it runs: who waits for whom, and whose outputs somebody will still read."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from couler.core.ir.graph import needed, references, references_in, upstream
from couler.core.ir.model import (
    GroupOutput,
    GroupTask,
    ItemRef,
    OutputRef,
    Parameter,
    Step,
)


class StepPlan:
    """A step and its neighbours, as indices within the scope.

    Attributes:
        waits: How many steps must end before this one.
        readers: How many others read its outputs; the scope itself counts as one.
        needed: Values of which none may be absent.
    """

    __slots__ = (
        "after", "consumers", "group", "index", "needed", "producers", "readers", "step", "waits", "when_per_item"
    )  # fmt: skip

    def __init__(self, index: int, step: Step) -> None:
        self.index = index
        self.step = step
        self.consumers: list[int] = []
        self.producers: tuple[int, ...] = ()
        self.after: tuple[int, ...] = ()
        self.waits = 0
        self.readers = 0
        self.needed = tuple(needed(step))
        self.when_per_item = step.when is not None and any(type(ref) is ItemRef for ref in references_in(step.when))
        self.group: Plan | None = None


class Plan:
    """The steps of a scope, ready to be run any number of times."""

    __slots__ = ("indices", "outputs", "parameters", "steps", "waits")

    def __init__(
        self,
        steps: Sequence[Step],
        outputs: tuple[GroupOutput, ...] = (),
        parameters: tuple[Parameter, ...] = (),
        readers_outside: Iterable[str] = (),
    ) -> None:
        self.outputs = outputs
        self.parameters = parameters
        self.steps = [StepPlan(index, step) for index, step in enumerate(steps)]
        self.indices = {step.name: index for index, step in enumerate(steps)}
        for plan in self.steps:
            self._connect(plan)
        read = [ref.step for output in outputs for ref in references_in(output.value) if type(ref) is OutputRef]
        for name in [*read, *readers_outside]:
            if name in self.indices:
                self.steps[self.indices[name]].readers += 1
        self.waits = [plan.waits for plan in self.steps]

    def _connect(self, plan: StepPlan) -> None:
        step, indices = plan.step, self.indices
        refs = [ref.step for ref in references(step) if type(ref) is OutputRef]
        if step.after_condition is not None:
            refs += [ref.step for ref in references_in(step.after_condition) if type(ref) is OutputRef]
        plan.producers = tuple({indices[name]: None for name in refs if name in indices})
        plan.after = tuple(indices[name] for name in step.after if name in indices)
        for producer in plan.producers:
            self.steps[producer].readers += 1
        for name in upstream(step):
            if name in indices:
                self.steps[indices[name]].consumers.append(plan.index)
                plan.waits += 1

    def group(self, plan: StepPlan) -> Plan:
        """The plan of the group in one of the steps, made once."""
        if plan.group is None:
            task = plan.step.task
            assert isinstance(task, GroupTask)
            plan.group = Plan(task.steps, task.outputs, task.parameters)
        return plan.group
