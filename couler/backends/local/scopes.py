"""A workflow or a group under way: who may start when, and what an end means for the others."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from couler.backends.local.activities import NOTHING, Activity, Leaf
from couler.backends.local.frames import Frame
from couler.backends.local.plan import Plan, StepPlan
from couler.core.ir.evaluate import ABSENT, EvaluationError, holds, resolve
from couler.core.ir.model import GroupTask, Value

if TYPE_CHECKING:
    from couler.backends.local.machine import Machine


class ScopeRun(Activity):
    """A workflow or a group under way: starts each step when what it waits for has ended."""

    __slots__ = (
        "attempt", "cancelled", "daemons", "failed", "message", "outputs", "parameters", "prefix", "readers",
        "remaining", "scope", "soft", "statuses", "waits",
    )  # fmt: skip

    def __init__(
        self,
        parent: Activity | None,
        index: int,
        plan: StepPlan | None,
        path: str,
        frame: Frame,
        scope: Plan,
        parameters: Mapping[str, Any],
    ) -> None:
        super().__init__(parent, index, plan, path, frame)
        self.scope = scope
        self.parameters = parameters
        self.prefix = f"{path}/" if path else ""
        self.waits = list(scope.waits)
        self.readers = [step.readers for step in scope.steps]
        self.statuses: list[str] = [""] * len(scope.steps)
        self.outputs: dict[int, Mapping[str, Any]] = {}
        self.soft: set[int] = set()
        self.daemons: dict[int, Leaf] = {}
        self.remaining = len(scope.steps)
        self.failed = False
        self.cancelled = False
        self.message = ""
        self.attempt = 1

    def begin(self, machine: Machine) -> None:
        """Start every step that waits for none."""
        for index, count in enumerate(self.waits):
            if count == 0:
                machine.todo.append((self, index))
        if self.remaining == 0:
            machine.todo.append((self, -1))

    def advance(self, machine: Machine, index: int) -> None:
        """Decide what becomes of a step now that everything it waits for has ended."""
        if index < 0:
            self._finish(machine)
            return
        plan = self.scope.steps[index]
        path = self.prefix + plan.step.name
        before = machine.remembered(path, plan.step)
        if before is not None:
            self._settle(machine, plan, before.status, before.outputs or NOTHING, before.message, False)
            return
        frame = Frame(self)
        try:
            verdict, soft = self._verdict(plan, frame)
        except EvaluationError as error:
            verdict, soft = "failed", False
            self._end_unstarted(machine, plan, path, verdict, str(error), soft)
            return
        if verdict:
            self._end_unstarted(machine, plan, path, verdict, "", soft)
            return
        machine.start(self, index, plan, path, frame)

    def _end_unstarted(
        self, machine: Machine, plan: StepPlan, path: str, status: str, message: str, soft: bool
    ) -> None:
        machine.note(path, status, message=message)
        if status == "failed":
            machine.remember_failure(self, plan.step, path)
        self._settle(machine, plan, status, NOTHING, message, soft)

    def _verdict(self, plan: StepPlan, frame: Frame) -> tuple[str, bool]:
        """``skipped`` or ``cancelled``, or empty when the step may start; and whether that leaves the run unharmed."""
        if self.is_closed():
            return "cancelled", False
        step, statuses = plan.step, self.statuses
        for index in plan.after:
            if statuses[index] in ("failed", "cancelled"):
                return "cancelled", index in self.soft
        weak = False
        tested = step.after_condition is not None
        for index in plan.producers:
            if statuses[index] in ("failed", "cancelled"):
                weak = True
                if index not in self.soft and not tested:
                    return "cancelled", False
        if tested and step.after_condition is not None and holds(step.after_condition, frame) is not True:
            return "skipped", False
        absent = ("cancelled", True) if weak else ("skipped", False)
        if step.when is not None and not plan.when_per_item:
            held = holds(step.when, frame)
            if held is not True:
                return absent if held is ABSENT else ("skipped", False)
        reads = plan.producers or frame.outer is not None  # exit handlers read the outputs of another scope
        if reads and any(is_absent(value, frame) for value in plan.needed):
            return absent
        return "", False

    def daemon_up(self, machine: Machine, leaf: Leaf) -> None:
        """A daemon runs: those ordered after it may start; it goes on until all other steps have ended."""
        index = leaf.index
        if index not in self.daemons:
            self.daemons[index] = leaf
            self.statuses[index] = "succeeded"
            self._release(machine, self.scope.steps[index])
        self._stop_daemons(machine)

    def _stop_daemons(self, machine: Machine) -> None:
        if self.remaining == len(self.daemons):
            for leaf in list(self.daemons.values()):
                machine.stop_daemon(leaf)

    def _release(self, machine: Machine, plan: StepPlan) -> None:
        for consumer in plan.consumers:
            self.waits[consumer] -= 1
            if self.waits[consumer] == 0:
                machine.todo.append((self, consumer))

    def child_ended(
        self, machine: Machine, index: int, status: str, outputs: Mapping[str, Any], message: str, soft: bool
    ) -> None:
        """Hear how a step ended."""
        self._settle(machine, self.scope.steps[index], status, outputs, message, soft)

    def _settle(
        self, machine: Machine, plan: StepPlan, status: str, outputs: Mapping[str, Any], message: str, soft: bool
    ) -> None:
        index = plan.index
        self.statuses[index] = status
        self.remaining -= 1
        self._judge(machine, plan, status, message, soft)
        if outputs and self.readers[index]:
            self.outputs[index] = outputs
        if self.daemons.pop(index, None) is None:
            self._release(machine, plan)
        for producer in plan.producers:
            self.readers[producer] -= 1
            if self.readers[producer] == 0:
                self.outputs.pop(producer, None)
        if self.remaining == 0:
            machine.todo.append((self, -1))
        elif self.daemons:
            self._stop_daemons(machine)

    def _judge(self, machine: Machine, plan: StepPlan, status: str, message: str, soft: bool) -> None:
        if status == "failed":
            if plan.step.allow_failure:
                self.soft.add(plan.index)
                return
            if not self.failed:
                self.message = f"step '{self.prefix}{plan.step.name}' failed" + (f": {message}" if message else "")
            self.failed = True
            machine.block(self)
        elif status == "cancelled":
            if soft:
                self.soft.add(plan.index)
            else:
                self.cancelled = True

    def _finish(self, machine: Machine) -> None:
        if self.ended:
            return
        status = self.killed or ("failed" if self.failed else "cancelled" if self.cancelled else "succeeded")
        outputs: Mapping[str, Any] = NOTHING
        message = self.reason or self.message
        if status == "succeeded":
            try:
                outputs = self._collect()
            except EvaluationError as error:
                status, message = "failed", str(error)
        machine.scope_ended(self, status, outputs, message)

    def _collect(self) -> dict[str, Any]:
        frame = Frame(self)
        found = ((output.name, resolve(output.value, frame)) for output in self.scope.outputs)
        return {name: value for name, value in found if value is not ABSENT}


def is_absent(value: Value, frame: Frame) -> bool:
    """Whether a value needs an output that does not exist; items are not known yet and count as present."""
    match value.kind:
        case "output":
            return value.default is None and frame.output(value.step, value.output) is ABSENT
        case "first_of":
            return value.default is None and all(is_absent(option, frame) for option in value.options)
        case "concat":
            return any(is_absent(part, frame) for part in value.parts)
        case "list":
            return any(is_absent(item, frame) for item in value.items)
        case _:
            return False


def group_parameters(plan: StepPlan, frame: Frame) -> dict[str, Any]:
    """Values of a group's parameters: the inputs of its step, or their defaults."""
    task = plan.step.task
    assert isinstance(task, GroupTask)
    given = frame.inputs(plan.step)
    for parameter in task.parameters:
        if parameter.name not in given and parameter.default is not None:
            given[parameter.name] = parameter.default.value
    return given
