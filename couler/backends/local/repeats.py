"""A step that runs many times: once per item of a list, or round after round."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from couler.backends.local.activities import GOOD, NOTHING, Activity
from couler.backends.local.frames import Frame
from couler.backends.local.plan import StepPlan
from couler.core.ir.evaluate import ABSENT, EvaluationError, holds, resolve
from couler.core.ir.graph import outputs_of_one

if TYPE_CHECKING:
    from couler.backends.local.machine import Machine


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
        before = machine.remembered(path, self.step)
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
        before = machine.remembered(path, self.step)
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
