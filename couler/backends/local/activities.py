"""What can be under way in a run: a scope, a map, a loop and, at the leaves, attempts at a task.

Every activity has a parent, which it tells when it has ended. None of them reads a clock, opens a file or starts
anything: they speak to the `Machine`, which collects what has to be done.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from couler.backends.local.frames import Frame
from couler.backends.local.plan import Plan, StepPlan
from couler.core.ir.evaluate import ABSENT, EvaluationError, holds, resolve
from couler.core.ir.graph import outputs_of_one
from couler.core.ir.model import GroupTask, Step, Value

if TYPE_CHECKING:
    from couler.backends.local.machine import Machine

GOOD = ("succeeded", "cached")
NOTHING: Mapping[str, Any] = {}


class Activity:
    """Something that has begun and not ended.

    Attributes:
        index: Its place in the parent: of the step in a scope, of the item in a map, of the round in a loop.
        blocked: Nothing new may start inside, because something failed or the run was stopped.
        killed: The status that it gets when its processes have been ended by force; empty normally.
    """

    __slots__ = ("blocked", "ended", "frame", "index", "killed", "parent", "path", "plan", "reason", "started")

    def __init__(self, parent: Activity | None, index: int, plan: StepPlan | None, path: str, frame: Frame) -> None:
        self.parent = parent
        self.index = index
        self.plan = plan
        self.path = path
        self.frame = frame
        self.blocked = False
        self.ended = False
        self.killed = ""
        self.reason = ""
        self.started: float | None = None

    @property
    def step(self) -> Step:
        """The step that this belongs to."""
        assert self.plan is not None
        return self.plan.step

    def child_ended(
        self, machine: Machine, index: int, status: str, outputs: Mapping[str, Any], message: str, soft: bool
    ) -> None:
        """Hear how a child ended; ``soft`` marks an end that does not fail the run."""
        raise NotImplementedError

    def is_closed(self) -> bool:
        """Whether this or anything around it is blocked."""
        activity: Activity | None = self
        while activity is not None:
            if activity.blocked:
                return True
            activity = activity.parent
        return False

    def is_inside(self, other: Activity) -> bool:
        """Whether this is the other or under way within it."""
        activity: Activity | None = self
        while activity is not None and activity is not other:
            activity = activity.parent
        return activity is other


class Leaf(Activity):
    """A task that is tried until it succeeds or its retries are used up.

    Attributes:
        attempt: Number of the attempt, from 1; goes on after a resume.
        failures: Failed attempts so far.
        memory: Bytes that the next attempt asks for, when escalated.
    """

    __slots__ = ("attempt", "failures", "memory")

    def __init__(self, parent: Activity, index: int, plan: StepPlan, path: str, frame: Frame) -> None:
        super().__init__(parent, index, plan, path, frame)
        self.attempt = 1
        self.failures = 0
        self.memory: int | None = None


class ScopeRun(Activity):
    """A workflow or a group under way: starts each step when what it waits for has ended."""

    __slots__ = (
        "attempt", "cancelled", "failed", "message", "outputs", "parameters", "prefix", "readers", "remaining", "scope",
        "soft", "statuses", "waits",
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
        before = machine.remembered(path)
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
        if plan.producers and any(is_absent(value, frame) for value in plan.needed):
            return absent
        return "", False

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
        for consumer in plan.consumers:
            self.waits[consumer] -= 1
            if self.waits[consumer] == 0:
                machine.todo.append((self, consumer))
        for producer in plan.producers:
            self.readers[producer] -= 1
            if self.readers[producer] == 0:
                self.outputs.pop(producer, None)
        if self.remaining == 0:
            machine.todo.append((self, -1))

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


class MapRun(Activity):
    """A step that runs once per item; items are begun one by one, so that long lists cost nothing in advance."""

    __slots__ = ("active", "cancelled", "count", "failed", "items", "limit", "message", "next", "queued", "results")

    def __init__(
        self, parent: Activity, index: int, plan: StepPlan, path: str, frame: Frame, items: Mapping[str, Any]
    ) -> None:
        super().__init__(parent, index, plan, path, frame)
        foreach = plan.step.foreach
        assert foreach is not None
        self.items = items
        self.count = min(len(listed) for listed in items.values())
        self.limit = foreach.parallelism or self.count
        self.results: list[Mapping[str, Any] | None] = [None] * self.count
        self.next = 0
        self.active = 0
        self.failed = False
        self.cancelled = False
        self.queued = False
        self.message = ""

    def begin(self, machine: Machine) -> None:
        """Queue the first item, or end when there is none."""
        if self.count:
            self._queue(machine)
        else:
            machine.todo.append((self, -1))

    def _queue(self, machine: Machine) -> None:
        if not self.queued and self.next < self.count and self.active < self.limit:
            self.queued = True
            machine.feeds.append(self)

    def feed(self, machine: Machine) -> None:
        """Begin the next item."""
        self.queued = False
        if self.is_closed():
            self.cancelled = True
            self.next = self.count
            if self.active == 0:
                machine.todo.append((self, -1))
            return
        index = self.next
        self.next += 1
        self.active += 1
        self._start_item(machine, index)
        self._queue(machine)

    def _start_item(self, machine: Machine, index: int) -> None:
        assert self.plan is not None
        path = f"{self.path}[{index}]"
        before = machine.remembered(path)
        if before is not None:
            self.child_ended(machine, index, before.status, before.outputs or NOTHING, before.message, False)
            return
        frame = self.frame.with_item({name: listed[index] for name, listed in self.items.items()})
        when = self.step.when
        try:
            wanted = when is None or not self.plan.when_per_item or holds(when, frame) is True
        except EvaluationError as error:
            machine.note(path, "failed", message=str(error))
            machine.remember_failure(self, self.step, path)
            self.child_ended(machine, index, "failed", NOTHING, str(error), False)
            return
        if wanted:
            machine.start_item(self, index, self.plan, path, frame)
        else:
            machine.note(path, "skipped")
            self.child_ended(machine, index, "skipped", NOTHING, "", False)

    def child_ended(
        self, machine: Machine, index: int, status: str, outputs: Mapping[str, Any], message: str, soft: bool
    ) -> None:
        """Hear how an item ended."""
        self.active -= 1
        if status in GOOD:
            self.results[index] = outputs
        elif status == "failed" and not self.step.allow_failure:
            if not self.failed:
                self.message = f"item {index} failed" + (f": {message}" if message else "")
            self.failed = True
            machine.block(self)
        elif status == "cancelled" and not soft:
            self.cancelled = True
        self._queue(machine)
        if self.active == 0 and self.next >= self.count:
            machine.todo.append((self, -1))

    def advance(self, machine: Machine, index: int) -> None:
        """End: every item that was begun has ended."""
        if self.ended:
            return
        if self.failed:
            machine.end(self, "failed", NOTHING, self.message)
        elif self.cancelled:
            machine.end(self, "cancelled", NOTHING, "")
        else:
            names = outputs_of_one(self.step)
            machine.end(self, "succeeded", {name: self._gathered(name) for name in names}, "")

    def _gathered(self, name: str) -> list[Any]:
        return [None if result is None else result.get(name) for result in self.results]


class LoopRun(Activity):
    """A step that runs again while its condition over the outputs of the last round holds."""

    __slots__ = ("last",)

    def __init__(self, parent: Activity, index: int, plan: StepPlan, path: str, frame: Frame) -> None:
        super().__init__(parent, index, plan, path, frame)
        self.last: Mapping[str, Any] = NOTHING

    def begin(self, machine: Machine) -> None:
        """Start round 0."""
        machine.todo.append((self, 0))

    def advance(self, machine: Machine, index: int) -> None:
        """Start a round."""
        assert self.plan is not None
        path = f"{self.path}#{index}"
        before = machine.remembered(path)
        if before is not None:
            self.child_ended(machine, index, before.status, before.outputs or NOTHING, before.message, False)
        elif self.is_closed():
            machine.end(self, "cancelled", NOTHING, "")
        else:
            machine.start_body(self, index, self.plan, path, self.frame.with_round(index, self.last))

    def child_ended(
        self, machine: Machine, index: int, status: str, outputs: Mapping[str, Any], message: str, soft: bool
    ) -> None:
        """Hear how a round ended and decide whether another follows."""
        loop = self.step.loop
        assert loop is not None
        if status not in GOOD:
            machine.end(self, status, NOTHING, f"round {index} failed: {message}" if status == "failed" else message)
            return
        self.last = outputs
        try:
            again = holds(loop.condition, self.frame.with_round(index, outputs))
        except EvaluationError as error:
            machine.end(self, "failed", NOTHING, f"the condition of the loop: {error}", fresh=True)
            return
        if again is ABSENT:
            text = f"the condition of the loop needs an output that round {index} does not have"
            machine.end(self, "failed", NOTHING, text, fresh=True)
        elif again is not True:
            machine.end(self, "succeeded", outputs, "")
        elif index + 1 >= loop.max_iterations:
            text = f"the condition of the loop still holds after {loop.max_iterations} rounds, the most it may run"
            machine.end(self, "failed", NOTHING, text, fresh=True)
        else:
            machine.todo.append((self, index + 1))


def is_absent(value: Value, frame: Frame) -> bool:
    """Whether a value needs an output that does not exist; items are not known yet and count as present."""
    match value.kind:
        case "output":
            return value.default is None and frame.output(value.step, value.output) is ABSENT
        case "first_of":
            return value.default is None and all(is_absent(option, frame) for option in value.options)
        case "concat":
            return any(is_absent(part, frame) for part in value.parts)
        case _:
            return False


def items_of(plan: StepPlan, frame: Frame) -> dict[str, Any]:
    """The lists of a ``foreach``.

    Raises:
        EvaluationError: One of them is no list, or their lengths differ.
    """
    foreach = plan.step.foreach
    assert foreach is not None
    lists = {name: resolve(value, frame) for name, value in foreach.lists.items()}
    for name, listed in lists.items():
        if not isinstance(listed, list | tuple):
            raise EvaluationError(f"map over '{name}' needs a list, got {type(listed).__name__}")
    lengths = {name: len(listed) for name, listed in lists.items()}
    if len(set(lengths.values())) > 1:
        shown = ", ".join(f"'{name}' has {length}" for name, length in lengths.items())
        raise EvaluationError(f"lists that are mapped together need equal lengths: {shown}")
    return lists


def group_parameters(plan: StepPlan, frame: Frame) -> dict[str, Any]:
    """Values of a group's parameters: the inputs of its step, or their defaults."""
    task = plan.step.task
    assert isinstance(task, GroupTask)
    given = frame.inputs(plan.step)
    for parameter in task.parameters:
        if parameter.name not in given and parameter.default is not None:
            given[parameter.name] = parameter.default.value
    return given
