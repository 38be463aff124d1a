"""Collecting drafts of steps in scopes, and turning them into the IR at the end.

Names, references and captures are settled only in `ScopeBuilder.finish`, so a step may be renamed or changed after it
was used. A scope that uses a value of an enclosing scope gets a parameter for it, bound by the step that holds the
scope.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager
from functools import cache
from typing import Any, TypeVar

from couler.core.dsl import context
from couler.core.dsl.conditions import Adopt, holds_deferred, plain
from couler.core.dsl.draft import Draft
from couler.core.dsl.expr import Concatenation, Expression, FirstPresent, Output
from couler.core.dsl.source import portable_source
from couler.core.errors import DefinitionError
from couler.core.ir import model as ir

P = TypeVar("P")


@cache
def _blank_constant() -> ir.Constant:
    return ir.Constant()


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
        self._texts: dict[str, ir.Constant] = root._texts if parent is not None else {}
        self._variables: dict[tuple[str, str], ir.EnvVar] = root._variables if parent is not None else {}
        self._tuples: dict[tuple[int, ...], tuple[Any, ...]] = root._tuples if parent is not None else {}
        self.last_branch: tuple[context.Frame, Any] | None = None
        self.merged_into: ScopeBuilder | None = None
        self.touched: list[Draft] = []
        self.declared_by: dict[Any, list[Draft]] = {}
        self.given: dict[str, Draft] = {}
        self.stale: list[Draft] = []
        self.tolerated: set[str] = set()
        self.settings: dict[str, Any] = {}
        self.extras: dict[str, Any] = {}  # what other front ends keep with the scope, by their names

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
        if draft.given_name is not None:
            self.given.setdefault(draft.given_name, draft)
        self._place(draft)
        if self.current_cell is not None:
            self.cells[self.current_cell][1].append(draft)
        return draft

    def _place(self, draft: Draft) -> None:
        """Append the draft, or put it where the one stood that it replaces when a notebook cell runs again."""
        drafts = self.drafts if draft.exit_event is None else self.exit_drafts
        for old in self.stale:
            if old.base_name == draft.base_name and old.exit_event == draft.exit_event:
                self.stale.remove(old)
                old.successor = draft
                drafts[drafts.index(old)] = draft
                return
        drafts.append(draft)

    def forget(self, stale: list[Draft]) -> None:
        """Take drafts out for good, those that nothing has replaced."""
        self.drafts = [draft for draft in self.drafts if draft not in stale]
        self.exit_drafts = [draft for draft in self.exit_drafts if draft not in stale]
        for draft in stale:
            draft.removed = draft.successor is None
            if draft.given_name is not None and self.given.get(draft.given_name) is draft:
                del self.given[draft.given_name]
        self.stale = [draft for draft in self.stale if draft not in stale]

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
        found = self.given.get(name or "")
        return found if found is not None and found.given_name == name else None

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
        if type(raw) is str:
            return self._texts.get(raw) or self._text(raw)
        if isinstance(raw, Expression):
            scope = raw._scope
            if type(raw) is Output and scope is self and not raw._draft.is_gone():  # by far the most frequent
                return raw._ir()
            if isinstance(raw, Concatenation):
                return ir.Concat(parts=tuple(self.adopt(part) for part in raw.parts))
            if isinstance(raw, FirstPresent):
                if raw.options[0]._scope is not self:
                    return self._capture(raw, raw.options[0]._scope)
                return ir.FirstOf(options=tuple(self._option(option) for option in raw.options), default=raw.default)
            if isinstance(raw, Output) and raw._draft.is_gone():
                raise DefinitionError(
                    f"{raw!r} belongs to a step that is no longer declared, since its cell was run again",
                    "run the cell that uses it again",
                )
            if scope is self or scope is None:
                return raw._ir()
            return self._adopt_from(scope, raw)
        if isinstance(raw, (list, tuple)) and holds_deferred(raw):
            return ir.ListOf(items=tuple(self.adopt(item) for item in raw))
        if type(raw) is ir.StoredFile:
            return raw
        return ir.Constant(value=raw)

    def adopt_all(self, raws: Iterable[Any]) -> tuple[ir.Value, ...]:
        """Several values, as `adopt` gives them."""
        known = self._texts
        return tuple([(known.get(raw) if type(raw) is str else None) or self.adopt(raw) for raw in raws])

    def shared(self, parts: Iterable[P]) -> tuple[P, ...]:
        """The parts as a tuple; steps of a workflow that have the same ones get the same tuple."""
        made = tuple(parts)
        return self._tuples.setdefault(tuple(map(id, made)), made)

    def _text(self, raw: str) -> ir.Constant:
        """A text as a value; equal texts of a workflow are one object."""
        made = self._texts[raw] = ir.made(_blank_constant(), {"value": raw})
        return made

    def variables(self, env: Mapping[str, Any]) -> tuple[ir.EnvVar, ...]:
        """Environment variables, as seen from this scope; equal texts of a workflow are one object."""
        known = self._variables
        return self.shared(
            [
                (known.get((name, raw)) if type(raw) is str else None) or self._variable(name, raw)
                for name, raw in env.items()
            ]
        )

    def _variable(self, name: str, raw: Any) -> ir.EnvVar:
        if type(raw) is not str:
            return ir.EnvVar(name=name, value=self.adopt(raw))
        made = self._variables[name, raw] = ir.EnvVar(name=name, value=self.adopt(raw))
        return made

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
        self.forget(list(self.stale))
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
    if isinstance(raw, (list, tuple)) and holds_deferred(raw):
        types = list(dict.fromkeys(type_of(item) for item in raw))
        return f"list[{types[0]}]" if len(types) == 1 else "list"
    return raw._type if isinstance(raw, Expression) else "any"


def element_type(type_: str) -> str:
    """Type of an item of a list."""
    return type_[5:-1] if type_.startswith("list[") and type_.endswith("]") else "any"
