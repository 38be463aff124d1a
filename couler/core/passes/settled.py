"""Take what has ended already out of a workflow: its outputs become constants, and it is not run again.

This is how a run is retried on engines that only know whole workflows: the rewritten one does what is left.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from couler.core.ir import graph
from couler.core.ir.evaluate import ABSENT, EvaluationError, holds
from couler.core.ir.json import FrozenDict, thaw
from couler.core.ir.model import (
    AllOf,
    AnyOf,
    Compare,
    Concat,
    Condition,
    Constant,
    ContainerTask,
    ExitHandler,
    FirstOf,
    GroupOutput,
    ListOf,
    Not,
    OutputRef,
    ScriptTask,
    StatusIs,
    Step,
    StoredFile,
    Truth,
    Value,
    Workflow,
)
from couler.core.ir.types import FILE_MARK

GOOD = ("succeeded", "cached")


@dataclass(frozen=True, slots=True)
class Ending:
    """How a step ended.

    Attributes:
        status: ``succeeded``, ``cached`` or ``skipped``.
        outputs: Its outputs; files as objects with ``"$file": true`` and a URL.
        items: Of a map that did not succeed: number of each item that did, to its outputs (None: skipped).
    """

    status: str
    outputs: Mapping[str, Any] = field(default_factory=dict)
    items: Mapping[int, Mapping[str, Any] | None] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Settled:
    """What is left of a workflow.

    Attributes:
        workflow: Without the steps that have ended.
        outputs: Outputs of the workflow that are known; the new one has only the others.
        kept: Steps that are not in it, with their status.
        items: Map to the numbers that its items had before, in the order of the new ones.
    """

    workflow: Workflow
    outputs: Mapping[str, Any]
    kept: Mapping[str, str]
    items: Mapping[str, tuple[int, ...]]


class _Absent(Exception):  # noqa: N818 - no error: the value of a skipped step
    """A value needs an output of a step that was skipped."""


def settled(workflow: Workflow, endings: Mapping[str, Ending]) -> Settled:
    """The workflow that does what is left, and what is known already.

    Steps that succeeded are taken out and what read their outputs gets constants and stored files; what was skipped
    stays so. Of a map over a list that is known, only the items that did not succeed run again, and its readers get
    the list with both. Outputs of both workflows together equal those of a run in which nothing failed.

    Args:
        workflow: As it ran.
        endings: Name of each top-level step that succeeded or was skipped, and of maps with items that did.

    Before: ``load -> train -> report`` where train failed; after: ``train(constant) -> report``.

    >>> from couler.core.ir.model import Input, SuspendTask
    >>> load = Step(name="load", task=ScriptTask(source="1"))
    >>> train = Step(name="train", task=ScriptTask(source="2"), inputs=(Input(name="x", value=OutputRef(step="load")),))
    >>> left = settled(Workflow(name="w", steps=(load, train)), {"load": Ending("succeeded", {"result": "1"})})
    >>> [(step.name, step.inputs[0].value.value) for step in left.workflow.steps]
    [('train', '1')]
    """
    return _Rewrite(workflow, endings).result()


class _Rewrite:
    def __init__(self, workflow: Workflow, endings: Mapping[str, Ending]) -> None:
        self.workflow = workflow
        self.endings = dict(endings)
        self.kept: dict[str, str] = {}
        self.items: dict[str, tuple[int, ...]] = {}
        self.lists: dict[str, tuple[int, Ending, dict[int, int]]] = {}

    def result(self) -> Settled:
        while (again := self._files_behind_unknown()) is not None:
            del self.endings[again]
        left = [rewritten for step in graph.order(self.workflow.steps) if (rewritten := self._step(step)) is not None]
        place = {step.name: index for index, step in enumerate(self.workflow.steps)}
        left.sort(key=lambda step: place[step.name])
        outputs, known = self._outputs()
        workflow = self.workflow.model_copy(
            update={"steps": tuple(left), "outputs": outputs, "exit_handlers": tuple(self._handlers())}
        )
        return Settled(workflow, known, self.kept, self.items)

    def _files_behind_unknown(self) -> str | None:
        """A step that must run again: its file is the second choice of a join whose first choice is not known."""
        for step in self.workflow.steps:
            if self._ending(step.name) is not None:
                continue
            for value in (given.value for given in step.inputs):
                if isinstance(value, FirstOf):
                    unknown = False
                    for option in value.options:
                        ending = self._ending(option.step)
                        if ending is None:
                            unknown = True
                        elif unknown and _has_files(ending.outputs.get(option.output)):
                            return option.step
        return None

    def _ending(self, name: str) -> Ending | None:
        """How a step ended that is not run again, not even in part."""
        ending = self.endings.get(name)
        return ending if ending is not None and (ending.status in GOOD or ending.status == "skipped") else None

    # --- steps -------------------------------------------------------------------------------------------------------

    def _step(self, step: Step) -> Step | None:
        ending = self._ending(step.name)
        if ending is not None:
            self.kept[step.name] = ending.status
            return None
        try:
            changed = self._changed(step)
        except _Absent:
            changed = None
        if changed is None:
            self.kept[step.name] = "skipped"
            self.endings[step.name] = Ending("skipped")
            return None
        return self._only_items_left(step.name, changed)

    def _changed(self, step: Step) -> Step | None:
        """The step with constants for what is known; None when it will be skipped.

        Raises:
            _Absent: It needs an output of a skipped step.
        """
        update: dict[str, Any] = {"after": tuple(name for name in step.after if self._ending(name) is None)}
        if step.after_condition is not None:
            update["after_condition"] = folded = self._condition(step.after_condition)
            if folded is False:
                return None
            if folded is True:
                update["after_condition"] = None
        if step.when is not None:
            update["when"] = held = self._condition(step.when)
            if held is False:
                return None
            if held is True:
                update["when"] = None
        update["inputs"] = tuple(one.model_copy(update={"value": self._value(one.value)}) for one in step.inputs)
        update["env"] = tuple(one.model_copy(update={"value": self._value(one.value)}) for one in step.env)
        if step.foreach is not None:
            lists = {name: self._value(value) for name, value in step.foreach.lists.items()}
            update["foreach"] = step.foreach.model_copy(update={"lists": FrozenDict(lists)})
        if step.loop is not None:
            condition = self._condition(step.loop.condition)
            if isinstance(condition, bool):
                condition = Truth(value=Constant(value=condition))
            update["loop"] = step.loop.model_copy(update={"condition": condition})
        task = step.task
        if isinstance(task, ContainerTask):
            update["task"] = task.model_copy(
                update={"command": self._values(task.command), "args": self._values(task.args)}
            )
        elif isinstance(task, ScriptTask):
            update["task"] = task.model_copy(update={"args": self._values(task.args)})
        return step.model_copy(update=update)

    def _only_items_left(self, name: str, step: Step) -> Step:
        """A map over known lists without the items that have succeeded."""
        ending = self.endings.get(name)
        if ending is None or step.foreach is None or not ending.items:
            return step
        lists = step.foreach.lists
        known = [value.value for value in lists.values() if isinstance(value, Constant)]
        if len(known) < len(lists) or len({len(listed) for listed in known}) != 1:
            return step
        count = len(known[0])
        left = [index for index in range(count) if index not in ending.items]
        shorter = {
            key: Constant(value=tuple(value.value[index] for index in left))
            for key, value in lists.items()
            if isinstance(value, Constant)
        }
        self.items[name] = tuple(left)
        self.lists[name] = (count, ending, {index: new for new, index in enumerate(left)})
        return step.model_copy(update={"foreach": step.foreach.model_copy(update={"lists": FrozenDict(shorter)})})

    def _handlers(self) -> Iterable[ExitHandler]:
        for handler in self.workflow.exit_handlers:
            try:
                changed = self._changed(handler.step)
            except _Absent:
                changed = None
            if changed is None:
                self.kept[handler.step.name] = "skipped"
            else:
                yield handler.model_copy(update={"step": changed})

    def _outputs(self) -> tuple[tuple[GroupOutput, ...], dict[str, Any]]:
        left, known = [], {}
        for output in self.workflow.outputs:
            try:
                value = self._value(output.value)
            except _Absent:
                continue
            exists, plain = _plain(value)
            if exists:
                known[output.name] = plain
            else:
                left.append(output.model_copy(update={"value": value}))
        return tuple(left), known

    # --- values ------------------------------------------------------------------------------------------------------

    def _values(self, values: Iterable[Value]) -> tuple[Value, ...]:
        return tuple(self._value(value) for value in values)

    def _value(self, value: Value) -> Value:
        match value:
            case OutputRef():
                return self._output(value)
            case FirstOf():
                return self._first(value)
            case Concat():
                return value.model_copy(update={"parts": self._values(value.parts)})
            case ListOf():
                return _list(self._values(value.items))
        return value

    def _output(self, ref: OutputRef) -> Value:
        if ref.step in self.lists:
            return self._part_of_list(ref)
        ending = self._ending(ref.step)
        if ending is None:
            return ref
        found = ending.outputs.get(ref.output, ABSENT) if ending.status in GOOD else ABSENT
        if found is ABSENT:
            if ref.default is not None:
                return ref.default
            raise _Absent
        for key in ref.path:
            found = found[key]
        return _constant(found)

    def _part_of_list(self, ref: OutputRef) -> Value:
        """The list of a map of which only some items run again, or a part of it."""
        count, ending, places = self.lists[ref.step]
        whole = [self._item(ref, index, ending, places) for index in range(count)]
        if not ref.path:
            return _list(whole)
        chosen, *rest = ref.path
        item = whole[int(chosen)]
        if isinstance(item, OutputRef):
            return item.model_copy(update={"path": (*item.path, *rest)})
        value = item.value if isinstance(item, Constant) else None
        for key in rest:
            value = value[key]  # type: ignore[index]
        return _constant(value) if rest else item

    def _item(self, ref: OutputRef, index: int, ending: Ending, places: Mapping[int, int]) -> Value:
        if index in places:
            return OutputRef(step=ref.step, output=ref.output, path=(places[index],))
        return _constant((ending.items[index] or {}).get(ref.output))

    def _first(self, value: FirstOf) -> Value:
        unknown: list[OutputRef] = []
        for option in value.options:
            try:
                found = self._output(option)
            except _Absent:
                continue
            if isinstance(found, OutputRef):
                unknown.append(found)
            elif not unknown:
                return found
            else:
                fallback = found if isinstance(found, Constant) else value.default
                return FirstOf(options=tuple(unknown), default=fallback)
        if unknown:
            return value.model_copy(update={"options": tuple(unknown)})
        if value.default is not None:
            return value.default
        raise _Absent

    # --- conditions --------------------------------------------------------------------------------------------------

    def _condition(self, condition: Condition) -> Condition | bool:
        """The condition over what is left; a boolean where it is decided.

        Raises:
            _Absent: It needs an output of a skipped step.
        """
        match condition:
            case StatusIs():
                return self._status(condition)
            case Not():
                part = self._condition(condition.part)
                return (not part) if isinstance(part, bool) else Not(part=part)
            case AllOf() | AnyOf():
                return self._several(condition)
            case Compare():
                sides = {"left": self._value(condition.left), "right": self._value(condition.right)}
                return _decided(condition.model_copy(update=sides))
            case Truth():
                return _decided(condition.model_copy(update={"value": self._value(condition.value)}))

    def _several(self, condition: AllOf | AnyOf) -> Condition | bool:
        decisive = isinstance(condition, AnyOf)
        parts = [self._condition(part) for part in condition.parts]
        if decisive in parts:
            return decisive
        left = tuple(part for part in parts if not isinstance(part, bool))
        if not left:
            return not decisive
        return left[0] if len(left) == 1 else type(condition)(parts=left)

    def _status(self, test: StatusIs) -> Condition | bool:
        ending = self._ending(test.step)
        if ending is None:
            return test
        status = "succeeded" if ending.status in GOOD else ending.status
        return test.status in ("ended", status)


class _Nothing:
    """Constants ask nothing."""

    def _refuse(self, name: str, output: str = "") -> Any:
        raise EvaluationError(f"'{name}' is not known")

    parameter = output = item = loop_output = run = status = _refuse

    def round(self) -> int:
        return 0


_NOTHING = _Nothing()


def _decided(condition: Compare | Truth) -> Condition | bool:
    """What a condition over constants comes to; others stay."""
    values = (condition.left, condition.right) if isinstance(condition, Compare) else (condition.value,)
    if not all(isinstance(value, Constant) for value in values):
        return condition
    try:
        return holds(condition, _NOTHING) is True
    except EvaluationError:
        return condition  # the engine says so, at the step


def _list(items: Iterable[Value]) -> Value:
    items = tuple(items)
    if all(isinstance(item, Constant) for item in items):
        return Constant(value=tuple(item.value for item in items if isinstance(item, Constant)))
    return ListOf(items=items)


def _constant(value: Any) -> Value:
    """A known value as a part of a workflow: files by their URL."""
    if isinstance(value, Mapping) and value.get(FILE_MARK) is True:
        return StoredFile(
            url=value["url"], options=dict(value.get("options") or {}), credentials=dict(value.get("credentials") or {})
        )
    if isinstance(value, list | tuple) and any(_has_files(item) for item in value):
        return ListOf(items=tuple(_constant(item) for item in value))
    return Constant(value=value)


def _has_files(value: Any) -> bool:
    if isinstance(value, Mapping):
        return value.get(FILE_MARK) is True
    return isinstance(value, list | tuple) and any(_has_files(item) for item in value)


def _plain(value: Value) -> tuple[bool, Any]:
    """Whether a value is known, and the plain value."""
    match value:
        case Constant():
            return True, thaw(value.value)
        case StoredFile():
            return True, {
                FILE_MARK: True,
                "kind": "file",
                "url": value.url,
                "options": dict(value.options),
                "credentials": {name: secret.model_dump() for name, secret in value.credentials.items()},
            }
    return False, None
