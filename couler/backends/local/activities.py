"""What can be under way in a run, and the smallest of it: a task that is being tried.

Every activity has a parent, which it tells when it has ended. None of them reads a clock, opens a file or starts
anything: they speak to the `Machine`, which collects what has to be done.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from couler.backends.local.frames import Frame
from couler.backends.local.plan import StepPlan
from couler.core.ir.model import Step

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
