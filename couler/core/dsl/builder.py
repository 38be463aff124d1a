"""Collecting drafts of steps in scopes, and turning them into the IR at the end.

Names, references and captures are settled only in `ScopeBuilder.finish`, so a step may be renamed or changed after it
was used. A scope that uses a value of an enclosing scope gets a parameter for it, bound by the step that holds the
scope.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager
from typing import Any

from couler.core.dsl import context, options
from couler.core.dsl.expr import (
    Adopt,
    Combination,
    Concatenation,
    ConditionExpression,
    Expression,
    FirstPresent,
    Output,
    plain,
)
from couler.core.dsl.location import caller
from couler.core.dsl.source import portable_source
from couler.core.errors import DefinitionError
from couler.core.ir import model as ir

TaskMaker = Callable[[Adopt, Mapping[str, Any]], ir.Task]
"""Makes the task, given how to turn raw values into IR values and the options of the step."""

NO_OPTIONS: Mapping[str, Any] = {}


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
        "references",
        "scope",
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
        self.inputs = list(inputs)
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
        self.carry: dict[str, str] = {}
        self.known_outputs: tuple[str, ...] = ()
        self.references: dict[str, ir.OutputRef] = {}
        self.location = caller()

    @property
    def name(self) -> str:
        """The final name; before the end of building, the best guess."""
        return self.final_name or self.given_name or self.base_name

    def describe(self) -> str:
        """``step 'train' (train.py:3)``."""
        return f"step '{self.name}'" + (f" ({self.location})" if self.location else "")

    def output_names(self) -> list[str]:
        """Names that `Output.output` accepts."""
        return [*self.outputs, *self.known_outputs]

    def reference(self, output: str) -> ir.OutputRef:
        """The reference to one of the outputs, shared by all who use it; names must be settled."""
        known = self.references.get(output)
        if known is None or known.step != self.name:
            known = self.references[output] = ir.OutputRef(step=self.name, output=output)
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

    def change(self, changes: Mapping[str, Any]) -> None:
        """Set attributes, checked."""
        rest = dict(changes)
        if "name" in rest:
            self.give_name(rest.pop("name"))
        self.options = {**self.options, **options.convert(rest, self.describe())}

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
            fields: dict[str, Any] = {"name": self.final_name, "task": self.make_task(adopt, self.options)}
            if self.location:
                fields["location"] = self.location
            inputs = [
                ir.Input(name=name, value=adopt(raw), type=type_, path=path) for name, raw, type_, path in self.inputs
            ]
            if self.body is not None:
                inputs += self.body.captured_inputs(adopt)
            if inputs:
                fields["inputs"] = tuple(inputs)
            if self.body is None and self.outputs:
                fields["outputs"] = tuple(self.outputs.values())
            self._add_order(fields)
            self._add_flow(fields, adopt)
            for name, value in self.options.items():
                if name == "env":
                    fields["env"] = tuple(ir.EnvVar(name=key, value=adopt(item)) for key, item in value.items())
                elif name not in ("image", "packages", "parallelism"):
                    fields[name] = value
            if self.final_name in scope.tolerated:
                fields["allow_failure"] = True
            return ir.Step(**fields)
        except DefinitionError as error:
            if self.name in error.message:
                raise
            raise DefinitionError(f"{self.describe()}: {error.message}", error.hint) from None

    def _add_order(self, fields: dict[str, Any]) -> None:
        if self.order:
            names = (other if isinstance(other, str) else other.final_name for other in self.order)
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


class ScopeBuilder:
    """A scope: drafts of steps, parameters, and what is captured from outside."""

    def __init__(self, parent: ScopeBuilder | None = None, label: str = "workflow") -> None:
        self.parent = parent
        self.label = label
        self.drafts: list[Draft] = []
        self.exit_drafts: list[Draft] = []
        self.parameters: dict[str, ir.Parameter] = {}
        self.outputs: dict[str, Any] = {}
        self._captured: dict[object, tuple[str, Expression]] = {}
        root = self
        while root.parent is not None:
            root = root.parent
        self.root = root
        self._sources: dict[Any, str] = {}
        self.cells: dict[str, tuple[int, list[Draft]]] = {}
        self.current_cell: str | None = None
        self._tasks: dict[object, ir.FunctionTask] = {}
        self.last_branch: tuple[tuple[ConditionExpression, ...], Any] | None = None
        self.merged_into: ScopeBuilder | None = None
        self.touched: list[Draft] = []
        self.declared_by: dict[Any, list[Draft]] = {}
        self.tolerated: set[str] = set()
        self.settings: dict[str, Any] = {}

    # --- declaring

    def add(self, draft: Draft) -> Draft:
        """Add a draft under the conditions of the current frame."""
        frame = context.current()
        if frame is not None and frame.scope is self:
            draft.conditions = frame.conditions
            draft.exit_event = frame.exit_event
            if frame.reuse and (known := self.find_given(draft.given_name)):
                self.touched.append(known)
                return known
        self.touched.append(draft)
        (self.drafts if draft.exit_event is None else self.exit_drafts).append(draft)
        if self.current_cell is not None:
            self.cells[self.current_cell][1].append(draft)
        return draft

    def function_task(self, function: Any, image: str, packages: tuple[str, ...]) -> ir.FunctionTask:
        """The task of a function; its source is read once per workflow and the task shared by all its steps."""
        key = (function, image, packages)
        if key not in self._tasks:
            if function not in self._sources:
                self._sources[function] = portable_source(function)
            self._tasks[key] = ir.FunctionTask(
                source=self._sources[function], entry=function.__name__, image=image, packages=packages
            )
        return self._tasks[key]

    def replace(self, old: Draft, new: Draft) -> None:
        """Put ``new`` where ``old`` stood."""
        for drafts in (self.drafts, self.exit_drafts, self.touched, *(cell[1] for cell in self.cells.values())):
            for index in range(len(drafts) - 1, -1, -1):
                if drafts[index] is old:
                    drafts[index] = new
                    break

    def find_given(self, name: str | None) -> Draft | None:
        """The draft that was given ``name``."""
        return next((draft for draft in self.drafts if name and draft.given_name == name), None)

    def add_parameter(self, parameter: ir.Parameter) -> Expression:
        """Declare a parameter and return the reference to it."""
        self.parameters[parameter.name] = parameter
        return Expression(ir.ParameterRef(name=parameter.name), parameter.type, self)

    def inside(self) -> AbstractContextManager[context.Frame]:
        """Make this scope the one that receives steps, for a block."""
        return context.entered(context.Frame(self))

    def set_outputs(self, returned: Any) -> None:
        """Declare the scope's outputs from what a user's function returned.

        Raises:
            DefinitionError: It is neither a value, nor a dict or tuple of values.
        """
        if returned is None:
            return
        if hasattr(returned, "_asdict"):
            returned = returned._asdict()
        if isinstance(returned, Mapping) and any(isinstance(item, Expression) for item in returned.values()):
            self.outputs = dict(returned)
        else:
            self.outputs = {"result": returned}
        for name, item in self.outputs.items():
            if not isinstance(item, (Expression, list, tuple)):
                plain(item, f"{self.label} returns as '{name}'")

    # --- finishing

    def adopt(self, raw: Any) -> ir.Value:
        """The IR value, as seen from this scope, of an expression or a plain JSON value."""
        if isinstance(raw, Expression):
            scope = raw._scope
            if isinstance(raw, Concatenation):
                return ir.Concat(parts=tuple(self.adopt(part) for part in raw.parts))
            if isinstance(raw, FirstPresent):
                if raw.options[0]._scope is not self:
                    return self._capture(raw, raw.options[0]._scope)
                return ir.FirstOf(options=tuple(self._option(option) for option in raw.options), default=raw.default)
            if scope is self or scope is None:
                return raw._ir()
            return self._adopt_from(scope, raw)
        if isinstance(raw, (list, tuple)) and _holds_expression(raw):
            return ir.ListOf(items=tuple(self.adopt(item) for item in raw))
        if isinstance(raw, ir.StoredFile):
            return raw
        return ir.Constant(value=raw)

    def _adopt_from(self, scope: ScopeBuilder, raw: Expression) -> ir.Value:
        if scope.merged_into is None:
            return self._capture(raw, scope)
        value = raw._ir()
        if isinstance(value, ir.ParameterRef):
            return ir.ItemRef(name=value.name, path=value.path)
        return value if scope.merged_into is self else self._capture(raw, scope.merged_into)

    def _option(self, option: Output[Any]) -> ir.OutputRef:
        if option._scope is not self:
            raise DefinitionError(f"couler.first_of joins outputs of one scope, and {option!r} stands in another")
        return option._ir()

    def _capture(self, raw: Expression, origin: ScopeBuilder | None) -> ir.Value:
        key = (id(origin), raw._key()) if not isinstance(raw, FirstPresent) else id(raw)
        if key not in self._captured:
            if not self._is_inside(origin):
                raise DefinitionError(
                    f"{raw!r} belongs to {origin.label if origin else 'another workflow'} and cannot "
                    f"be used in {self.label}",
                    "return it from the function that builds that scope, and use the output of the map, loop or "
                    "sub-workflow instead",
                )
            self._captured[key] = (self._free_name(raw), raw)
        return ir.ParameterRef(name=self._captured[key][0])

    def _is_inside(self, origin: ScopeBuilder | None) -> bool:
        scope = self.parent
        while scope is not None:
            if scope is origin:
                return True
            scope = scope.parent
        return False

    def _free_name(self, raw: Expression) -> str:
        label = "".join(char if char.isalnum() else "_" for char in raw._label()).strip("_") or "value"
        taken = {name for name, _ in self._captured.values()} | set(self.parameters)
        name, number = label, 2
        while name in taken:
            name, number = f"{label}_{number}", number + 1
        return name

    def captured_inputs(self, adopt: Adopt) -> list[ir.Input]:
        """Bindings, in the enclosing scope, of what this scope uses from there."""
        return [ir.Input(name=name, value=adopt(raw), type=type_of(raw)) for name, raw in self._captured.values()]

    def all_parameters(self) -> tuple[ir.Parameter, ...]:
        """Declared parameters and one for each captured value; complete only after `finish_steps`."""
        captured = (ir.Parameter(name=name, type=type_of(raw)) for name, raw in self._captured.values())
        return (*self.parameters.values(), *captured)

    def finish_steps(self) -> tuple[ir.Step, ...]:
        """The steps of the IR, named."""
        self.settle_names()
        return tuple([draft.finish() for draft in self.drafts])

    def finish_outputs(self) -> tuple[ir.GroupOutput, ...]:
        """The outputs of the scope."""
        return tuple(
            ir.GroupOutput(name=name, value=self.adopt(raw), type=type_of(raw)) for name, raw in self.outputs.items()
        )

    def finish_group(self) -> ir.GroupTask:
        """The scope as the task of a step."""
        steps, outputs = self.finish_steps(), self.finish_outputs()
        return ir.GroupTask(parameters=self.all_parameters(), steps=steps, outputs=outputs)

    def settle_names(self) -> None:
        """Give every draft its final name: given names as they are, others made unique in order of declaration."""
        given: dict[str, Draft] = {}
        everything = [*self.drafts, *self.exit_drafts]
        for draft in everything:
            if draft.given_name is None:
                continue
            if draft.given_name in given:
                first = given[draft.given_name]
                raise DefinitionError(
                    f"two steps are named '{draft.given_name}': at {first.location} and at {draft.location}",
                    "give one of them another name, or leave the name out",
                )
            given[draft.given_name] = draft
            draft.final_name = draft.given_name
        counts: dict[str, int] = {}
        taken = set(given)
        for draft in everything:
            if draft.given_name is not None:
                continue
            name, number = draft.base_name, counts.get(draft.base_name, 1)
            while name in taken:
                number += 1
                name = f"{draft.base_name}-{number}"
            counts[draft.base_name] = number
            taken.add(name)
            draft.final_name = name


def _holds_expression(values: Iterable[Any]) -> bool:
    return any(
        isinstance(item, Expression) or (isinstance(item, (list, tuple)) and _holds_expression(item)) for item in values
    )


def type_of(raw: Any) -> str:
    """The type text of a raw value as far as it is known while building."""
    if isinstance(raw, Output):
        if raw._path:
            whole = raw._draft.output_type(raw._output)
            return element_type(whole) if len(raw._path) == 1 and isinstance(raw._path[0], int) else "any"
        return raw._draft.output_type(raw._output)
    if isinstance(raw, FirstPresent):
        types = list(dict.fromkeys(type_of(option) for option in raw.options))
        return types[0] if len(types) == 1 else "any"
    if isinstance(raw, (list, tuple)) and _holds_expression(raw):
        types = list(dict.fromkeys(type_of(item) for item in raw))
        return f"list[{types[0]}]" if len(types) == 1 else "list"
    return raw._type if isinstance(raw, Expression) else "any"


def element_type(type_: str) -> str:
    """Type of an item of a list."""
    return type_[5:-1] if type_.startswith("list[") and type_.endswith("]") else "any"
