"""A step while it is being written; names and references are settled only at the end."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import cache
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from couler.core.dsl import context, options
from couler.core.dsl.conditions import Adopt, AdoptAll, Combination, ConditionExpression, exact
from couler.core.dsl.expr import Output
from couler.core.dsl.location import caller
from couler.core.errors import DefinitionError
from couler.core.ir import model as ir

if TYPE_CHECKING:
    from couler.core.dsl.builder import ScopeBuilder

TaskMaker = Callable[[AdoptAll, Mapping[str, Any]], ir.Task]
"""Makes the task, given how to turn raw values into IR values and the options of the step."""

NO_OPTIONS: Mapping[str, Any] = {}


_CHECKED = {
    "name", "task", "location", "inputs", "outputs", "after", "after_condition", "when", "foreach", "loop", "retry",
    "cache", "resources", "env", "secrets", "volumes", "sidecars", "daemon", "allow_failure",
}  # fmt: skip
"""Attributes that hold parts of the IR when a draft is finished; others hold what the user gave."""


@cache
def _blank_step() -> ir.Step:
    return ir.sharing_keys(ir.Step(name="", task=ir.ContainerTask(image="")))


@cache
def _blank_input() -> ir.Input:
    return ir.Input(name="", value=ir.Constant())


@cache
def _blank_reference() -> ir.OutputRef:
    return ir.OutputRef(step="")


def _output_ref(step: str, output: str) -> ir.OutputRef:
    if type(step) is str and type(output) is str:
        return ir.made(_blank_reference(), {"step": step, "output": output})
    return ir.OutputRef(step=step, output=output)


def _input(name: Any, value: ir.Value, type_: str, path: Any) -> ir.Input:
    fields = {"name": name, "value": value, "type": type_, "path": path}
    if type(name) is str and type(path) is str:
        return ir.made(_blank_input(), fields)
    return ir.Input.model_validate(fields)


class Draft:
    """A step while it is being written."""

    __slots__ = (
        "after_condition",
        "base_name",
        "body",
        "carry",
        "conditions",
        "exit_event",
        "final_name",
        "given_name",
        "inputs",
        "iteration",
        "known_outputs",
        "lists",
        "location",
        "make_task",
        "options",
        "order",
        "outputs",
        "reference_made",
        "removed",
        "scope",
        "successor",
        "tuple_length",
    )

    def __init__(
        self,
        scope: ScopeBuilder,
        base_name: str,
        make_task: TaskMaker,
        *,
        given_name: str | None = None,
        inputs: Iterable[tuple[str, Any, str, str]] = (),
        outputs: Mapping[str, ir.Output] | None = None,
        step_options: Mapping[str, Any] = NO_OPTIONS,
        tuple_length: int | None = None,
        body: ScopeBuilder | None = None,
    ) -> None:
        self.scope = scope
        self.base_name = base_name
        self.given_name = given_name
        self.final_name = ""
        self.make_task = make_task
        self.inputs = tuple(inputs)
        self.outputs: Mapping[str, ir.Output] = outputs or {}
        self.options = step_options
        self.tuple_length = tuple_length
        self.body = body
        self.order: list[Draft | str] = []
        self.after_condition: ConditionExpression | None = None
        self.conditions: tuple[ConditionExpression, ...] = ()
        self.exit_event: context.ExitEvent | None = None
        self.lists: dict[str, Any] | None = None
        self.iteration: tuple[ConditionExpression, int] | None = None
        self.carry: Mapping[str, str] = NO_OPTIONS
        self.known_outputs: tuple[str, ...] = ()
        self.reference_made: ir.OutputRef | None = None
        self.successor: Draft | None = None
        self.removed = False
        self.location = caller()

    @property
    def name(self) -> str:
        """The final name; before the end of building, the best guess."""
        if self.successor is not None:
            return self.successor.name
        return self.final_name or self.given_name or self.base_name

    def is_gone(self) -> bool:
        """Whether its notebook cell ran again and declared no such step any more."""
        return self.successor.is_gone() if self.successor is not None else self.removed

    def describe(self) -> str:
        """``step 'train' (train.py:3)``."""
        return f"step '{self.name}'" + (f" ({self.location})" if self.location else "")

    def output_names(self) -> list[str]:
        """Names that `Output.output` accepts."""
        return [*self.outputs, *self.known_outputs]

    def reference(self, output: str) -> ir.OutputRef:
        """The reference to one of the outputs, shared by those who use it one after another; names must be settled."""
        known = self.reference_made
        if known is None or known.output != output or known.step != self.name:
            known = self.reference_made = _output_ref(self.name, output)
        return known

    def output_type(self, name: str) -> str:
        """Type text of an output as others see it: a list for a mapped step."""
        declared = self.outputs.get(name)
        text = declared.type if declared else "any"
        return f"list[{text}]" if self.lists is not None else text

    def give_name(self, name: str) -> None:
        """Set a name that must be unique."""
        if not isinstance(name, str) or not name.strip():
            raise DefinitionError(f"{self.describe()}: {name!r} is not a name")
        self.given_name = name
        self.scope.given[name] = self

    def change(self, changes: Mapping[str, Any]) -> None:
        """Set attributes, checked."""
        rest = dict(changes)
        if "name" in rest:
            self.give_name(rest.pop("name"))
        self.options = options.changed(self.options, rest, self.describe())

    def order_after(self, others: Iterable[Any]) -> None:
        """Add ordering after outputs, names or a condition over statuses."""
        for other in others:
            if isinstance(other, Output):
                self.order.append(self._neighbour(other._draft))
            elif isinstance(other, str):
                self.order.append(other)
            elif isinstance(other, ConditionExpression):
                for draft in other.drafts():
                    self._neighbour(draft)
                self.after_condition = other if self.after_condition is None else self.after_condition & other
            elif isinstance(other, (list, tuple)):
                self.order_after(other)
            else:
                raise DefinitionError(
                    f"{self.describe()}: cannot be ordered after {other!r}", "give outputs of steps, or names"
                )

    def _neighbour(self, other: Draft) -> Draft:
        if other.scope is not self.scope:
            raise DefinitionError(
                f"{self.describe()} cannot be ordered after {other.describe()}, which stands in another scope",
                "order the map, loop or sub-workflow that contains it",
            )
        return other

    def finish(self) -> ir.Step:
        """The step of the IR."""
        scope = self.scope
        adopt = scope.adopt
        try:
            fields: dict[str, Any] = {"name": self.final_name, "task": self.make_task(scope.adopt_all, self.options)}
            if self.location:
                fields["location"] = self.location
            if self.inputs or self.body is not None:
                inputs = [_input(name, adopt(raw), type_, path) for name, raw, type_, path in self.inputs]
                if self.body is not None:
                    inputs += self.body.captured_inputs(adopt)
                if inputs:
                    fields["inputs"] = tuple(inputs)
            if self.body is None and self.outputs:
                fields["outputs"] = scope.shared(self.outputs.values())
            self._add_order(fields)
            self._add_flow(fields, adopt)
            for name, value in self.options.items():
                if name == "env":
                    fields["env"] = scope.variables(value)
                elif name not in ("image", "packages", "parallelism"):
                    fields[name] = value
            if self.final_name in scope.tolerated:
                fields["allow_failure"] = True
            self._refuse_unused(fields["task"])
            if type(self.final_name) is str and fields.keys() <= _CHECKED:
                return ir.made(_blank_step(), fields)
            return ir.Step(**fields)
        except ValidationError as error:
            raise DefinitionError(f"{self.describe()}: {options.reasons(error)}") from None
        except DefinitionError as error:
            if f"step '{self.name}'" in error.message:
                raise
            raise DefinitionError(f"{self.describe()}: {error.message}", error.hint) from None

    def _refuse_unused(self, task: ir.Task) -> None:
        for name in ("image", "packages"):
            if self.options.get(name) and not hasattr(task, name):
                raise DefinitionError(f"{self.describe()}: a {task.kind} has no {name}", f"leave out {name}=")

    def _add_order(self, fields: dict[str, Any]) -> None:
        if self.order:
            names = [exact(other if isinstance(other, str) else other.name) for other in self.order]
            fields["after"] = tuple(dict.fromkeys(names))
        if self.after_condition is not None:
            fields["after_condition"] = self.after_condition._build(self.scope.adopt)

    def _add_flow(self, fields: dict[str, Any], adopt: Adopt) -> None:
        if self.conditions:
            parts = self.conditions
            whole = parts[0] if len(parts) == 1 else Combination("and", parts)
            fields["when"] = whole._build(adopt)
        if self.lists is not None:
            lists = {name: adopt(values) for name, values in self.lists.items()}
            fields["foreach"] = ir.ForEach(lists=lists, parallelism=self.options.get("parallelism"))
        if self.iteration is not None:
            condition, bound = self.iteration
            fields["loop"] = ir.Loop(condition=condition._build(adopt), max_iterations=bound, carry=self.carry)
