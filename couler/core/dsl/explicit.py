"""Parts of a workflow exactly as the IR has them, for programs that are written by programs.

Everything here fits into the other verbs: an explicit value may stand wherever an output may, an explicit condition
wherever a comparison may, and an explicit step beside steps that were declared in the usual way. Explicit parts refer
to steps and parameters of their scope by name.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from couler.core.dsl.conditions import Adopt, ConditionExpression, as_condition
from couler.core.dsl.draft import Draft
from couler.core.dsl.expr import Expression, Output
from couler.core.dsl.flow import LoopOutput
from couler.core.dsl.steps import check_list, receiving_frame
from couler.core.errors import DefinitionError
from couler.core.ir import model as ir
from couler.core.ir.graph import outputs_of


def value(value: ir.Value, type: str = "any") -> Any:
    """A value of the IR, with the type that others see.

    >>> value(ir.OutputRef(step="later"), "int")
    <output: int>
    """
    return Expression(value, type, None)


def item(name: str = "item", type: str = "any") -> Any:
    """The current item of the list of that name in `for_each`."""
    return value(ir.ItemRef(name=name), type)


def round_number() -> Any:
    """The number of the current round of the step's own loop, from 0."""
    return value(ir.RoundRef(), "int")


class _ReadyCondition(ConditionExpression):
    """A condition that is finished already."""

    __slots__ = ("_condition",)

    def __init__(self, condition: ir.Condition) -> None:
        self._condition = condition

    def _build(self, adopt: Adopt) -> ir.Condition:
        return self._condition

    def _label(self) -> str:
        return str(self._condition.kind)


def condition(condition: ir.Condition) -> ConditionExpression:
    """A condition of the IR."""
    return _ReadyCondition(condition)


class _ReadyDraft(Draft):
    """A step that is finished already."""

    __slots__ = ("_step",)

    def __init__(self, step: ir.Step) -> None:
        outputs = outputs_of(step)
        super().__init__(
            receiving_frame().scope,
            step.name,
            lambda _, given: step.task,
            given_name=step.name,
            outputs=outputs,
        )
        self._step = step

    def finish(self) -> ir.Step:
        added = (self.options, self.order, self.lists, self.iteration, self.after_condition)
        if any(added) or (self.conditions and self._step.when is not None):
            raise DefinitionError(
                f"{self.describe()} is an explicit step, and something is added to it from outside",
                "write order and attributes into the step itself",
            )
        fields: dict[str, Any] = {"name": self.final_name, "location": self.location}
        self._add_flow(fields, self.scope.adopt)
        return self._step.model_copy(update=fields)


def step(step: ir.Step) -> Output[Any]:
    """Declare a step that is written in full.

    Returns:
        Its first output; ``.output(name)`` gives the others.
    """
    draft = _ReadyDraft(step)
    draft.scope.add(draft)
    return Output(draft, next(iter(draft.outputs), "result"))


def for_each(call: Output[Any], lists: Mapping[str, Any], *, parallelism: int | None = None) -> Any:
    """Run a declared step once per item, also one whose inputs are `item` in part only.

    Args:
        call: What the declaration of the step returned.
        lists: Name of the item to the list that it is from; several are taken in step.
        parallelism: At most so many items at a time.

    Returns:
        The gathered results, a list in the order of the items.
    """
    draft = call._draft
    draft.lists = {name: check_list(values, f"{draft.describe()}: list '{name}'") for name, values in lists.items()}
    if parallelism is not None:
        draft.change({"parallelism": parallelism})
    return call


def repeat(
    call: Output[Any], *, while_: Callable[[Any], Any], max_iterations: int, carry: Mapping[str, str] | None = None
) -> Any:
    """Run a declared step again while a condition over its outputs holds; see `couler.loop`."""
    draft = call._draft
    names = draft.output_names()
    draft.iteration = (as_condition(while_(LoopOutput(next(iter(names), "result"), names))), max_iterations)
    draft.carry = dict(carry or {})
    return call
