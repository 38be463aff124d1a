"""What every rule may ask: the steps with their paths, and the scopes in which they stand."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from couler.core.errors import Problem
from couler.core.ir.graph import links, outputs_of
from couler.core.ir.model import (
    ContainerTask,
    FunctionTask,
    GroupTask,
    Input,
    Output,
    Parameter,
    Scope,
    ScriptTask,
    Step,
    Task,
    Value,
    Workflow,
)


@dataclass(frozen=True, slots=True, eq=False)
class Place:
    """A scope with its names.

    Attributes:
        path: Path of the step that holds it; empty for the workflow.
        steps: By name; of two with one name, the first.
        after_all: Whether it belongs to an exit handler.
        with_result: Names of the steps that have a `result` whatever else they declare.
    """

    path: str
    scope: Scope
    owner: Step | None = None
    after_all: bool = False
    steps: Mapping[str, Step] = field(default_factory=dict)
    parameters: Mapping[str, Parameter] = field(default_factory=dict)
    with_result: frozenset[str] = frozenset()
    _outputs: dict[str, Mapping[str, Output]] = field(default_factory=dict)
    _alike: dict[tuple[int, type[Task]], Mapping[str, Output]] = field(default_factory=dict)

    def outputs(self, step: str) -> Mapping[str, Output]:
        """Outputs of a step of this scope, empty for an unknown step."""
        found = self._outputs.get(step)
        if found is None:
            found = self._outputs[step] = self._find_outputs(self.steps[step]) if step in self.steps else {}
        return found

    def _find_outputs(self, step: Step) -> Mapping[str, Output]:
        """Outputs of a step; steps that share what they declare share these too."""
        if step.foreach is not None or step.name not in self.with_result:
            return outputs_of(step)
        key = (id(step.outputs), type(step.task))
        if key not in self._alike:
            self._alike[key] = outputs_of(step)
        return self._alike[key]

    def __str__(self) -> str:
        return f"the group '{self.path}'" if self.path else "the workflow"


@dataclass(slots=True, eq=False)  # frozen would take three times as long, for each step
class Located:
    """A step with its path, the scope whose names it sees, all its references, and the steps that it waits for."""

    path: str
    step: Step
    place: Place
    references: tuple[Value, ...]
    upstream: tuple[str, ...]
    is_handler: bool = False

    def problem(self, rule: str, message: str, hint: str = "") -> Problem:
        """A problem of this step."""
        return Problem(rule, message, self.path, self.step.location, hint)

    @property
    def after_all(self) -> bool:
        """Whether it runs after everything else: an exit handler, or a step inside one."""
        return self.is_handler or self.place.after_all


@dataclass(frozen=True, slots=True, eq=False)
class Context:
    """A workflow, opened once for all rules.

    Attributes:
        inputs: Those of all steps.
    """

    workflow: Workflow
    places: tuple[Place, ...]
    steps: tuple[Located, ...]
    inputs: Sequence[Input]
    _by_field: Mapping[str, Sequence[Located]]
    _by_kind: Mapping[type[Task], Sequence[Located]]
    _values: dict[str, Sequence[Any]] = field(default_factory=dict)

    @classmethod
    def of(cls, workflow: Workflow) -> Context:
        """Open a workflow: parents before children, exit handlers last."""
        top = _place("", workflow, None, after_all=False)
        places, steps = [top], []
        pending = [
            Located(handler.step.name, handler.step, top, *links(handler.step), True)
            for handler in reversed(workflow.exit_handlers)
        ]
        pending.extend(Located(step.name, step, top, *links(step)) for step in reversed(workflow.steps))
        by_fields: dict[int, tuple[set[str], list[Located]]] = {}
        by_kind: dict[type[Task], list[Located]] = defaultdict(list)
        while pending:
            at = pending.pop()
            step = at.step
            steps.append(at)
            by_kind[type(step.task)].append(at)
            given = step.model_fields_set
            alike = by_fields.get(id(given))
            if alike is None:
                alike = by_fields[id(given)] = (given, [])
            alike[1].append(at)
            if type(step.task) is GroupTask:
                inner = _place(at.path, step.task, step, after_all=at.after_all)
                places.append(inner)
                pending.extend(
                    Located(f"{at.path}/{child.name}", child, inner, *links(child))
                    for child in reversed(step.task.steps)
                )
        by_field: dict[str, list[Located]] = {field: [] for field in Step.model_fields}
        for names, group in by_fields.values():
            for name in names:
                by_field[name] += group
        inputs = [item for at in by_field["inputs"] for item in at.step.inputs]
        return cls(workflow, tuple(places), tuple(steps), inputs, by_field, by_kind)

    def having(self, name: str) -> Sequence[Located]:
        """The steps that say something about an attribute; in all others it has its default."""
        return self._by_field[name]

    def values(self, name: str) -> Sequence[Any]:
        """The values of an attribute, those that several steps share once."""
        if name not in self._values:
            every = [getattr(at.step, name) for at in self._by_field[name]]
            self._values[name] = tuple({id(value): value for value in every}.values())
        return self._values[name]

    def having_amiss(self, name: str, is_amiss: Callable[[Any], bool]) -> Sequence[Located]:
        """The steps whose value of an attribute is amiss; few workflows have any."""
        amiss = {id(value) for value in self.values(name) if is_amiss(value)}
        return [at for at in self._by_field[name] if id(getattr(at.step, name)) in amiss] if amiss else ()

    def of_kind(self, task: type[Task]) -> Sequence[Located]:
        """The steps with a task of one kind."""
        return self._by_kind.get(task, ())

    def paths(self) -> Iterator[str]:
        """Path of every step, in order."""
        return (at.path for at in self.steps)


def _place(path: str, scope: Scope, owner: Step | None, *, after_all: bool) -> Place:
    steps: dict[str, Step] = {}
    for step in scope.steps:
        steps.setdefault(step.name, step)
    parameters = {parameter.name: parameter for parameter in scope.parameters}
    with_result = frozenset([name for name, step in steps.items() if type(step.task) in _WITH_RESULT])
    return Place(path, scope, owner, after_all, steps, parameters, with_result)


_WITH_RESULT = {FunctionTask, ScriptTask, ContainerTask}


Rule: TypeAlias = Callable[[Context], Iterator[Problem]]
"""Finds everything that is wrong in one respect."""


def scope_problem(place: Place, rule: str, message: str, hint: str = "") -> Problem:
    """A problem of a scope: of the step that holds it, or of the workflow."""
    return Problem(rule, message, place.path, place.owner.location if place.owner else "", hint)
