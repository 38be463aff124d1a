"""Repetition: maps and loops that can run."""

from __future__ import annotations

from collections.abc import Iterator

from couler.core.errors import Problem, near
from couler.core.ir.graph import outputs_of_one
from couler.core.ir.model import Constant
from couler.core.ir.rules.context import Context, Located
from couler.core.ir.rules.values import misfit
from couler.core.ir.types import accepts


def either_map_or_loop(context: Context) -> Iterator[Problem]:
    """A step has foreach or loop, not both: which one is inside would be a guess."""
    for at in context.having("foreach"):
        if at.step.foreach is not None and at.step.loop is not None:
            yield at.problem(
                "map-and-loop",
                "the step has both foreach and loop",
                "put the inner one on a step inside a group, and the outer one on the group",
            )


def maps(context: Context) -> Iterator[Problem]:
    """A map has lists, and those that are known have one length."""
    for at in context.having("foreach"):
        if at.step.foreach is None:
            continue
        lists = at.step.foreach.lists
        if not lists:
            yield at.problem("foreach", "foreach has no list", "name at least one list of items")
        lengths: dict[str, int] = {}
        for name, value in lists.items():
            if trouble := misfit("list", value, at.place, at.step):
                yield at.problem("foreach", f"list '{name}' of foreach: {trouble}")
            elif type(value) is Constant:
                lengths[name] = len(value.value)
        if len(set(lengths.values())) > 1:
            shown = ", ".join(f"'{name}' has {length}" for name, length in lengths.items())
            yield at.problem("foreach", f"the lists of foreach have different lengths: {shown}")


def loops(context: Context) -> Iterator[Problem]:
    """What a loop carries comes from an output and goes into an input."""
    for at in context.having("loop"):
        if at.step.loop is None:
            continue
        inputs = {item.name: item for item in at.step.inputs}
        outputs = outputs_of_one(at.step)
        for name, output in at.step.loop.carry.items():
            if name not in inputs:
                hint = near(name, inputs, "inputs") or "the step has no inputs; the input's value is that of round 0"
                yield at.problem("loop-carry", f"the loop carries into the input '{name}', which is not there", hint)
            if output not in outputs:
                hint = near(output, outputs, "outputs") or "the step has no outputs"
                yield at.problem("loop-carry", f"the loop carries the output '{output}', which is not there", hint)
            if name in inputs and output in outputs:
                yield from _carried_type(at, name, inputs[name].type, output, outputs[output].type)


def _carried_type(at: Located, name: str, wanted: str, output: str, given: str) -> Iterator[Problem]:
    try:
        fits = accepts(wanted, given)
    except ValueError:  # reported as an unknown type
        return
    if not fits:
        yield at.problem(
            "type-mismatch", f"the loop carries output '{output}' ({given}) into input '{name}', which expects {wanted}"
        )
