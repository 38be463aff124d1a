"""Where a reference looks: the scope around it, the item of its map and the round of its loop."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from couler.core.ir.evaluate import ABSENT, EvaluationError, as_text, resolve
from couler.core.ir.model import ContainerTask, ScriptTask, Step

if TYPE_CHECKING:
    from couler.backends.local.scopes import ScopeRun

_NOTHING: Mapping[str, Any] = {}


class Frame:
    """The `couler.core.ir.evaluate.Lookup` of one step instance."""

    __slots__ = ("facts", "items", "last", "number", "outer", "scope")

    def __init__(self, scope: ScopeRun, facts: Mapping[str, Any] = _NOTHING, outer: ScopeRun | None = None) -> None:
        self.scope = scope
        self.items: Mapping[str, Any] = _NOTHING
        self.last: Mapping[str, Any] = _NOTHING
        self.number = 0
        self.facts: Mapping[str, Any] = facts or (scope.frame.facts if scope is not None else _NOTHING)
        self.outer: ScopeRun | None = outer or (scope.frame.outer if scope is not None else None)

    def with_item(self, items: Mapping[str, Any]) -> Frame:
        """The frame of one item."""
        frame = Frame(self.scope, self.facts, self.outer)
        frame.items = items
        return frame

    def with_round(self, number: int, last: Mapping[str, Any]) -> Frame:
        """The frame of one round, with the outputs of the round before."""
        frame = Frame(self.scope, self.facts, self.outer)
        frame.items = self.items
        frame.number = number
        frame.last = last
        return frame

    def parameter(self, name: str) -> Any:
        """A parameter of the scope."""
        try:
            return self.scope.parameters[name]
        except KeyError:
            raise EvaluationError(f"the parameter '{name}' has no value") from None

    def output(self, step: str, output: str) -> Any:
        """An output of a step of the scope; an exit handler sees those of the whole workflow."""
        index = self.scope.scope.indices.get(step)
        if index is not None:
            return self.scope.outputs.get(index, _NOTHING).get(output, ABSENT)
        outer = self.outer
        if outer is not None and step in outer.scope.indices:
            return outer.outputs.get(outer.scope.indices[step], _NOTHING).get(output, ABSENT)
        return ABSENT

    def item(self, name: str) -> Any:
        """The current item of the step's own map."""
        return self.items.get(name, ABSENT)

    def loop_output(self, name: str) -> Any:
        """An output of the last round."""
        return self.last.get(name, ABSENT)

    def round(self) -> int:
        """The number of the current round."""
        return self.number

    def run(self, field: str) -> Any:
        """A fact about the run."""
        return self.facts[field]

    def status(self, step: str) -> str:
        """How a step of the scope ended."""
        index = self.scope.scope.indices.get(step)
        if index is not None:
            return self.scope.statuses[index]
        outer = self.outer
        return outer.statuses[outer.scope.indices[step]] if outer is not None else "skipped"

    def inputs(self, step: Step) -> dict[str, Any]:
        """The inputs of a step; from the second round of a loop on, the carried ones are outputs of the last.

        Raises:
            EvaluationError: An input has no value.
        """
        found = {given.name: resolve(given.value, self) for given in step.inputs}
        if self.number and step.loop is not None:
            for name, output in step.loop.carry.items():
                found[name] = self.loop_output(output)
        for name, value in found.items():
            if value is ABSENT:
                raise EvaluationError(f"input '{name}' has no value")
        return found

    def arguments(self, step: Step) -> list[str]:
        """Command and arguments as text."""
        task = step.task
        if isinstance(task, ContainerTask):
            return [self._text(part) for part in (*task.command, *task.args)]
        if isinstance(task, ScriptTask):
            return [self._text(part) for part in task.args]
        return []

    def env(self, step: Step) -> dict[str, str]:
        """Environment variables as text."""
        return {variable.name: self._text(variable.value) for variable in step.env}

    def _text(self, value: Any) -> str:
        found = resolve(value, self)
        if found is ABSENT:
            raise EvaluationError("an argument has no value, because the step that gives it was skipped")
        return as_text(found)
