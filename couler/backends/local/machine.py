"""The state machine of a run: what may start, and what each end leads to.

Pure: time and chance come in as arguments, and what has to be done goes out as values. Whoever executes calls
`take` for work, tells `started` and `ended`, writes `changes` down, fires `timers` and ends the processes of `kills`.
The work of a whole run is proportional to its steps and edges.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Literal

from couler.backends.local import retrying
from couler.backends.local.activities import NOTHING, Activity, Leaf
from couler.backends.local.frames import Frame
from couler.backends.local.plan import Plan, StepPlan
from couler.backends.local.repeats import LoopRun, MapRun, items_of
from couler.backends.local.scopes import ScopeRun, group_parameters
from couler.backends.local.work import Change, Failure, Outcome, Previous, Work
from couler.core.ir.evaluate import EvaluationError
from couler.core.ir.graph import outputs_of_one, references, walk
from couler.core.ir.json import Json
from couler.core.ir.model import GroupTask, OutputRef, Step, SuspendTask, Workflow
from couler.core.ir.types import mismatch
from couler.core.passes.apply_defaults import apply_defaults

KEPT = ("succeeded", "skipped", "cached")
_INSTANCE = re.compile(r"\[\d+\]|#\d+")


class Machine:
    """One run, from its first step to the end of its exit handlers.

    Args:
        workflow: A checked workflow.
        parameters: A value for each parameter without default.
        run_id: For references to the run.
        previous: Step instances of an interrupted run, by path. Those that succeeded, were skipped or cached are kept;
            failed ones too, unless ``retry``; the others start again.
        retry: Run failed steps again.

    Attributes:
        changes: Transitions since the last look, for the one who executes to write down and clear.
        timers: ``(time, call)`` pairs: call ``fire`` with the second at that time.
        kills: Leaves whose processes have to end.
        status: How the run ended; ``running`` until then.
        outputs: Outputs of the workflow when it succeeded.

    Example:
        >>> machine = Machine(Workflow(name="empty"), {}, "run-1")
        >>> machine.begin(0.0)
        >>> machine.finished, machine.status
        (True, 'succeeded')
    """

    def __init__(
        self,
        workflow: Workflow,
        parameters: Mapping[str, Json],
        run_id: str,
        previous: Mapping[str, Previous] | None = None,
        *,
        retry: bool = False,
    ) -> None:
        self.workflow = workflow = apply_defaults(workflow)
        self.parameters = {
            **{p.name: p.default.value for p in workflow.parameters if p.default is not None},
            **parameters,
        }
        self.facts: dict[str, Any] = {"id": run_id, "name": workflow.name}
        self.previous = dict(previous or {})
        self.retry = retry
        self.now = 0.0
        self.todo: deque[tuple[Any, int]] = deque()
        self.feeds: deque[MapRun] = deque()
        self.ready: deque[Leaf] = deque()
        self.changes: list[Change] = []
        self.timers: list[tuple[float, Callable[[], None]]] = []
        self.kills: list[Leaf] = []
        self.running: dict[str, Leaf] = {}
        self.waiting: dict[str, Leaf] = {}
        self.suspended: dict[str, Leaf] = {}
        self.attempts: dict[str, int] = {}
        self.failed_steps: list[str] = []
        self.status = "running"
        self.message = ""
        self.outputs: Mapping[str, Any] | None = None
        self.stopping: Literal["", "cancelled", "failed"] = ""
        self.finished = False
        handlers = [handler.step for handler in workflow.exit_handlers]
        read = [ref.step for step in handlers for ref in references(step) if type(ref) is OutputRef]
        self.plan = Plan(workflow.steps, workflow.outputs, workflow.parameters, read)
        self.root = ScopeRun(None, 0, None, "", Frame(None, self.facts), self.plan, self.parameters)  # type: ignore[arg-type]
        self.exits: ScopeRun | None = None

    # --- what the one who executes calls ---------------------------------------------------------------------

    def begin(self, now: float) -> None:
        """Start the run."""
        self.now = now
        self.root.begin(self)
        self._settle_all()

    def take(self, now: float) -> Work | None:
        """The next attempt to start, or None when nothing can start now."""
        self.now = now
        while True:
            self._settle_all()
            if self.ready:
                work = self._prepare(self.ready.popleft())
                if work is not None:
                    return work
            elif self.feeds:
                self.feeds.popleft().feed(self)
            else:
                return None

    def has_work(self) -> bool:
        """Whether `take` may give something."""
        return bool(self.ready or self.feeds or self.todo)

    def started(self, leaf: Leaf, now: float) -> None:
        """Hear that the attempt's process was given the work."""
        self.now = now
        if leaf.started is None:
            leaf.started = now
        self.running[leaf.path] = leaf
        self.note(leaf.path, "running", leaf)
        if leaf.killed:  # a daemon that is not needed any more
            self.kills.append(leaf)

    def daemon_up(self, leaf: Leaf, now: float) -> None:
        """Hear that the process of a daemon runs."""
        self.now = now
        if isinstance(leaf.parent, ScopeRun):
            leaf.parent.daemon_up(self, leaf)
            self._settle_all()

    def ended(self, leaf: Leaf, outcome: Outcome, now: float, chance: float = 0.5) -> None:
        """Hear how an attempt ended; ``chance`` in 0…1 varies the time to the next one."""
        self.now = now
        self.running.pop(leaf.path, None)
        if outcome.status in ("succeeded", "cached"):
            outcome = _typed(leaf.step, outcome)
        if outcome.status in ("succeeded", "cached"):
            self.end(leaf, outcome.status, outcome.outputs, "")
        elif leaf.killed or outcome.failure is None:
            self.end(leaf, leaf.killed or "cancelled", NOTHING, leaf.reason)
        else:
            self._attempt_failed(leaf, outcome.failure, chance)
        self._settle_all()

    def fire(self, call: Callable[[], None], now: float) -> None:
        """A time of `timers` has come."""
        self.now = now
        call()
        self._settle_all()

    def stop(self, now: float, message: str, status: Literal["cancelled", "failed"] = "cancelled") -> None:
        """End the run: cancel everything; exit handlers still run."""
        self.now = now
        if self.exits is None:
            self.stopping = self.stopping or status
            self.message = self.message or message
        self._cancel_inside(self.exits or self.root, message)
        self._settle_all()

    def approve(self, path: str, now: float) -> bool:
        """A person agrees: the suspended step has succeeded. False when no such step waits."""
        return self._resolve_suspended(path, "succeeded", "", now)

    def reject(self, path: str, message: str, now: float) -> bool:
        """A person refuses: the suspended step has failed. False when no such step waits."""
        return self._resolve_suspended(path, "failed", message or "rejected", now)

    # --- what the activities call ----------------------------------------------------------------------------

    def remembered(self, path: str, step: Step) -> Previous | None:
        """How the instance ended under an earlier runner, when that still counts; daemons start again."""
        if not self.previous:
            return None
        before = self.previous.get(path)
        if before is None or not (before.status in KEPT or (before.status == "failed" and not self.retry)):
            return None
        if step.daemon and before.status == "succeeded":
            return None
        if before.status == "failed":
            self.failed_steps.append(path)
        return self.previous.pop(path)

    def start(self, scope: ScopeRun, index: int, plan: StepPlan, path: str, frame: Frame) -> None:
        """Start a step of a scope: as a map, or as one instance."""
        if plan.step.foreach is None:
            self.start_item(scope, index, plan, path, frame)
            return
        try:
            items = items_of(plan, frame)
        except EvaluationError as error:
            self._fail_at_once(scope, index, plan, path, str(error))
            return
        self._begin(MapRun(scope, index, plan, path, frame, items))

    def start_item(self, parent: Activity, index: int, plan: StepPlan, path: str, frame: Frame) -> None:
        """Start one instance: as a loop, or its body."""
        if plan.step.loop is None:
            self.start_body(parent, index, plan, path, frame)
        else:
            self._begin(LoopRun(parent, index, plan, path, frame))

    def start_body(self, parent: Activity, index: int, plan: StepPlan, path: str, frame: Frame) -> None:
        """Start what a step does: a group or a task."""
        task = plan.step.task
        if isinstance(task, GroupTask):
            self._start_group(parent, index, plan, path, frame, 1)
            return
        leaf = Leaf(parent, index, plan, path, frame)
        before = self.previous.pop(path, None) if self.previous else None
        if before is not None:
            leaf.attempt = before.attempts + 1
            leaf.failures = 0 if self.retry else before.failures
        elif self.attempts:
            leaf.attempt = self.attempts.get(path, 0) + 1
        if isinstance(task, SuspendTask):
            self._suspend(leaf, task)
        else:
            self.ready.append(leaf)

    def _start_group(self, parent: Activity, index: int, plan: StepPlan, path: str, frame: Frame, attempt: int) -> None:
        try:
            parameters = group_parameters(plan, frame)
        except EvaluationError as error:
            self._fail_at_once(parent, index, plan, path, str(error))
            return
        scope = frame.scope.scope
        group = ScopeRun(parent, index, plan, path, frame, scope.group(plan), parameters)
        group.attempt = attempt
        self._begin(group)
        if plan.step.timeout is not None:
            self.timers.append((self.now + plan.step.timeout, lambda: self._expire(group)))

    def _begin(self, activity: MapRun | LoopRun | ScopeRun) -> None:
        activity.started = self.now
        self.note(activity.path, "running", activity)
        activity.begin(self)

    def _fail_at_once(self, parent: Activity, index: int, plan: StepPlan, path: str, message: str) -> None:
        self.note(path, "failed", message=message)
        self.remember_failure(parent, plan.step, path)
        parent.child_ended(self, index, "failed", NOTHING, message, False)

    def note(
        self,
        path: str,
        status: str,
        activity: Activity | None = None,
        outputs: Mapping[str, Any] | None = None,
        message: str = "",
    ) -> None:
        """Write a transition down."""
        ended = None if status in ("running", "pending", "suspended") else self.now
        started = activity.started if activity is not None else None
        attempts = activity.attempt if isinstance(activity, Leaf) and activity.started is not None else 0
        self.changes.append(Change(path, status, started, ended, attempts, outputs, message))

    def end(
        self, activity: Activity, status: str, outputs: Mapping[str, Any], message: str, *, fresh: bool = False
    ) -> None:
        """An activity has ended; ``fresh`` marks a failure that is its own and not that of something inside."""
        if activity.ended:
            return
        activity.ended = True
        self.note(activity.path, status, activity, outputs if status in ("succeeded", "cached") else None, message)
        parent = activity.parent
        assert parent is not None
        if status == "failed" and (fresh or isinstance(activity, Leaf)):
            self.remember_failure(parent, activity.step, activity.path)
        parent.child_ended(self, activity.index, status, outputs, message, False)

    def scope_ended(self, scope: ScopeRun, status: str, outputs: Mapping[str, Any], message: str) -> None:
        """All steps of a scope have ended."""
        if scope is self.root:
            scope.ended = True
            self._root_ended(status, outputs, message)
        elif scope is self.exits:
            scope.ended = True
            self.finished = True
        elif status == "failed" and self._may_repeat(scope):
            scope.ended = True
            self._repeat(scope)
        else:
            self.end(scope, status, outputs, message, fresh=bool(scope.killed))

    def stop_daemon(self, leaf: Leaf) -> None:
        """All that a daemon was started for has ended: it is ended, and that is its success."""
        if leaf.killed:
            return
        leaf.killed = "succeeded"
        if self.waiting.pop(leaf.path, None) is not None:
            self.end(leaf, "succeeded", NOTHING, "")
        elif leaf.path in self.running:
            self.kills.append(leaf)

    def block(self, activity: Activity) -> None:
        """Something inside failed for good: nothing new starts there, unless the workflow goes on after failures.

        The block spreads outwards until a step that allows its failure or that will be tried again.
        """
        if self.workflow.on_failure == "continue":
            return
        current: Activity | None = activity
        while current is not None:
            current.blocked = True
            if current.plan is not None and current.step.allow_failure:
                return
            if isinstance(current, ScopeRun) and self._may_repeat(current):
                return
            current = current.parent

    def remember_failure(self, parent: Activity, step: Step, path: str) -> None:
        """Keep the path of a step that failed and was not allowed to."""
        if self.exits is None and not step.allow_failure:
            self.failed_steps.append(path)

    # --- inside ----------------------------------------------------------------------------------------------

    def _settle_all(self) -> None:
        todo = self.todo
        while todo:
            activity, index = todo.popleft()
            activity.advance(self, index)

    def _prepare(self, leaf: Leaf) -> Work | None:
        assert leaf.plan is not None
        if leaf.parent is not None and leaf.parent.is_closed() and (leaf.started is None or self.stopping):
            self.end(leaf, "cancelled", NOTHING, "")
            return None
        if leaf.killed:
            self.end(leaf, leaf.killed, NOTHING, leaf.reason)
            return None
        step, frame = leaf.step, leaf.frame
        try:
            inputs = frame.inputs(step)
            _check_inputs(step, inputs)
            work = Work(leaf, leaf.path, step, leaf.attempt, inputs, frame.arguments(step), frame.env(step))
        except EvaluationError as error:
            self.end(leaf, "failed", NOTHING, str(error))
            return None
        resources = step.resources
        if resources is not None and resources.memory is not None:
            work.memory = leaf.memory or retrying.size(resources.memory)
        return work

    def _attempt_failed(self, leaf: Leaf, failure: Failure, chance: float) -> None:
        leaf.failures += 1
        retry = leaf.step.retry
        if self.stopping or retry is None or not retrying.deserves(retry, failure, leaf.failures):
            self.attempts[leaf.path] = leaf.attempt
            self.end(leaf, "failed", NOTHING, failure.message)
            return
        leaf.attempt += 1
        resources = leaf.step.resources
        if resources is not None and resources.memory is not None:
            leaf.memory = retrying.escalated(retry, leaf.memory or retrying.size(resources.memory), failure)
        seconds = retrying.delay(retry, leaf.failures, chance)
        if seconds <= 0:
            self.ready.appendleft(leaf)
        else:
            self.waiting[leaf.path] = leaf
            self.timers.append((self.now + seconds, lambda: self._wait_is_over(leaf)))

    def _wait_is_over(self, leaf: Leaf) -> None:
        if self.waiting.pop(leaf.path, None) is not None:
            self.ready.appendleft(leaf)

    def _suspend(self, leaf: Leaf, task: SuspendTask) -> None:
        leaf.started = self.now
        self.suspended[leaf.path] = leaf
        self.note(leaf.path, "running", leaf, message=task.message)
        if task.duration is not None:
            self.timers.append((self.now + task.duration, lambda: self._suspension_over(leaf, "succeeded", "")))
        if leaf.step.timeout is not None:
            text = f"nobody approved within {leaf.step.timeout:g} s"
            self.timers.append((self.now + leaf.step.timeout, lambda: self._suspension_over(leaf, "failed", text)))

    def _suspension_over(self, leaf: Leaf, status: str, message: str) -> None:
        if self.suspended.get(leaf.path) is leaf:
            del self.suspended[leaf.path]
            self.end(leaf, status, NOTHING, message)

    def _resolve_suspended(self, path: str, status: str, message: str, now: float) -> bool:
        self.now = now
        leaf = self.suspended.get(path)
        if leaf is None:
            return False
        self._suspension_over(leaf, status, message)
        self._settle_all()
        return True

    def _may_repeat(self, scope: ScopeRun) -> bool:
        if scope.plan is None or self.stopping or (scope.parent is not None and scope.parent.is_closed()):
            return False
        retry = scope.step.retry
        return retry is not None and scope.attempt <= retry.limit and (retry.on is None or not scope.killed)

    def _repeat(self, scope: ScopeRun) -> None:
        retry = scope.step.retry
        assert retry is not None
        prefix = scope.prefix
        self.failed_steps = [path for path in self.failed_steps if not path.startswith(prefix)]
        for path in [path for path in self.previous if path.startswith(prefix)]:
            del self.previous[path]
        seconds = retrying.delay(retry, scope.attempt, 0.5)
        if seconds <= 0:
            self._start_again(scope)
        else:
            self.timers.append((self.now + seconds, lambda: self._start_again(scope)))

    def _start_again(self, scope: ScopeRun) -> None:
        assert scope.parent is not None
        assert scope.plan is not None
        if scope.parent.is_closed():
            scope.ended = False
            self.end(scope, "cancelled", NOTHING, "")
            return
        self._start_group(scope.parent, scope.index, scope.plan, scope.path, scope.frame, scope.attempt + 1)

    def _expire(self, group: ScopeRun) -> None:
        if group.ended:
            return
        group.killed = "failed"
        group.reason = f"step '{group.path}' ran longer than {group.step.timeout:g} s"
        self._cancel_inside(group, group.reason)

    def _cancel_inside(self, activity: Activity, message: str) -> None:
        activity.blocked = True
        for leaf in self.running.values():
            if leaf.is_inside(activity) and not leaf.killed:
                leaf.killed, leaf.reason = "cancelled", message
                self.kills.append(leaf)
        for waiting in (self.waiting, self.suspended):
            for path, leaf in list(waiting.items()):
                if leaf.is_inside(activity):
                    del waiting[path]
                    self.end(leaf, "cancelled", NOTHING, message)

    def _root_ended(self, status: str, outputs: Mapping[str, Any], message: str) -> None:
        self.status = self.stopping or status
        if self.status == "succeeded":
            self.outputs = outputs
        else:
            self.message = self.message or message
        good = self.status == "succeeded"
        steps = []
        for handler in self.workflow.exit_handlers:
            if handler.on == "always" or (handler.on == "success") == good:
                steps.append(handler.step)
            else:
                self.note(handler.step.name, "skipped")
        if not steps:
            self.finished = True
            return
        self.facts.update(status=self.status, failed_steps=_declared(self.workflow, self.failed_steps))
        plan = Plan(steps)
        frame = Frame(None, self.facts, self.root)  # type: ignore[arg-type]
        self.exits = ScopeRun(None, 0, None, "", frame, plan, self.parameters)
        self.exits.begin(self)


def _declared(workflow: Workflow, failed: Iterable[str]) -> list[str]:
    """The steps whose instances failed, in order of declaration, less those in a group whose failure is allowed."""
    steps = {_INSTANCE.sub("", path) for path in failed}
    allowed = tuple(f"{path}/" for path, step in walk(workflow) if step.allow_failure)
    return [path for path, _ in walk(workflow) if path in steps and not f"{path}/".startswith(allowed)]


def _check_inputs(step: Step, inputs: Mapping[str, Any]) -> None:
    for given in step.inputs:
        if given.type != "any":
            problem = mismatch(given.type, inputs[given.name])
            if problem:
                raise EvaluationError(f"input '{given.name}': {problem}")


def _typed(step: Step, outcome: Outcome) -> Outcome:
    """The outcome, or a failure when an output is not of its declared type."""
    declared = outputs_of_one(step)
    for name, value in outcome.outputs.items():
        output = declared.get(name)
        if output is not None and output.type != "any":
            problem = mismatch(output.type, value)
            if problem:
                return Outcome("failed", failure=Failure("OutputTypeError", f"output '{name}': {problem}"))
    return outcome
