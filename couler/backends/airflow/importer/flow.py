"""Which tasks wait for which, and on what conditions they run."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from couler.backends.airflow.importer.values import Dag, Group, Node, Task, outputs_in
from couler.backends.airflow.importer.vocabulary import TOLERANT
from couler.core.ir import model as ir

Unit = Task | Group
"""What is one step: a task, or a task group that is mapped."""

DEFAULT = "all_success"
_BRANCHES = ("BranchPythonOperator", "BranchPythonVirtualenvOperator", "BranchExternalPythonOperator", "task.branch",
             "task.branch_virtualenv", "task.branch_external_python")  # fmt: skip
_CIRCUITS = ("ShortCircuitOperator", "task.short_circuit")


def unit_of(task: Task) -> Unit:
    """The step in which a task is seen from outside."""
    return task.mapped_group or task


def rule_of(unit: Unit) -> str:
    """The trigger rule."""
    if isinstance(unit, Group):
        return DEFAULT
    given = unit.arguments.get("trigger_rule", DEFAULT)
    rule = given.lower() if isinstance(given, str) else DEFAULT
    return "all_done_setup_success" if unit.role == "teardown" else rule


def is_branch(unit: Unit) -> bool:
    """Whether a task chooses among those after it."""
    return isinstance(unit, Task) and unit.operator in _BRANCHES


def is_circuit(unit: Unit) -> bool:
    """Whether a task decides if those after it run."""
    return isinstance(unit, Task) and unit.operator in _CIRCUITS


class Flow:
    """The order of one DAG.

    Attributes:
        units: What is a step of the workflow.
        direct: Units, and tasks inside of mapped groups, each with those right before it in the same scope.
        after: The same with those right after it.
        before: Task to all tasks that end before it starts.
    """

    def __init__(self, dag: Dag) -> None:
        self.dag = dag
        edges = dict.fromkeys(edges_of(dag))
        known = set(dag.tasks)
        self.units: list[Unit] = list(dict.fromkeys(unit_of(task) for task in dag.tasks))
        self.direct: dict[Unit, list[Unit]] = {unit: [] for unit in (*self.units, *dag.tasks)}
        self.after: dict[Unit, list[Unit]] = {unit: [] for unit in self.direct}
        for left, right in edges:
            if left is right or left not in known or right not in known:
                continue
            one, other = unit_of(left), unit_of(right)
            if one is other:
                one, other = left, right
            if one not in self.direct[other]:
                self.direct[other].append(one)
                self.after[one].append(other)
        self.before = self._closed(edges)
        self._skips: dict[Unit, bool] = {}
        self._hard: dict[Unit, bool] = {}

    def _closed(self, edges: Iterable[tuple[Task, Task]]) -> dict[Task, set[Task]]:
        direct: dict[Task, list[Task]] = {task: [] for task in self.dag.tasks}
        for left, right in edges:
            if left in direct and right in direct:
                direct[right].append(left)
        found: dict[Task, set[Task]] = {}
        for start in self.dag.tasks:
            seen: set[Task] = set()
            pending = list(direct[start])
            while pending:
                one = pending.pop()
                if one in found:
                    seen |= {one, *found[one]}
                elif one not in seen:
                    seen.add(one)
                    pending.extend(direct[one])
            found[start] = seen
        return found

    def ordered(self) -> list[Unit]:
        """The steps, each after those that it waits for, otherwise in order of declaration."""
        return _sorted(self.units, self.direct)

    def inside(self, group: Group) -> list[Task]:
        """The tasks of a mapped group, in such an order."""
        members = [task for task in self.dag.tasks if task.mapped_group is group]
        return _sorted(members, self.direct)

    # --- what may become of a step

    def may_skip(self, unit: Unit) -> bool:
        """Whether a step may be skipped."""
        if unit not in self._skips:
            self._skips[unit] = False  # in a circle, which is refused later
            before = self.direct[unit]
            decided = any(is_branch(one) or is_circuit(one) for one in before)
            tolerates = rule_of(unit) in ("none_failed", "always", "dummy", "all_done")
            chosen = rule_of(unit) not in (DEFAULT, "none_failed", "always", "dummy", "all_done")
            inherited = not tolerates and any(self.may_skip(one) for one in before)
            self._skips[unit] = decided or chosen or inherited
        return self._skips[unit]

    def may_be_missing(self, task: Task) -> bool:
        """Whether there may be no result of a task when those after it start."""
        return self.may_skip(unit_of(task)) or not self.fails_run(unit_of(task))

    def fails_run(self, unit: Unit) -> bool:
        """Whether the run fails when the step does: Airflow looks at the last tasks only."""
        if unit not in self._hard:
            self._hard[unit] = True
            after = [one for one in self.after[unit] if not (isinstance(one, Task) and one.role == "teardown")]
            self._hard[unit] = not after or any(rule_of(one) not in TOLERANT and self.fails_run(one) for one in after)
        return self._hard[unit]

    def reaches(self, start: Unit, end: Unit) -> bool:
        """Whether a step ends before another one starts."""
        seen: set[Unit] = set()
        pending = [start]
        while pending:
            one = pending.pop()
            if one is end:
                return True
            if one not in seen:
                seen.add(one)
                pending.extend(self.after[one])
        return False

    def circuits_before(self, unit: Unit) -> list[Unit]:
        """Short circuits that skip a step whatever its trigger rule says."""
        found = []
        for one in self.direct:
            direct = one in self.direct[unit]
            everything = isinstance(one, Task) and one.arguments.get("ignore_downstream_trigger_rules", True) is True
            further = everything and rule_of(unit) != DEFAULT and self.reaches(one, unit)
            if is_circuit(one) and one is not unit and (direct or further):
                found.append(one)
        return found


def _sorted(units: list[Any], before: dict[Any, list[Any]]) -> list[Any]:
    done: dict[Any, None] = {}
    pending = list(units)
    while pending:
        ready = next((one for one in pending if all(other in done for other in before[one])), pending[0])
        done[ready] = None
        pending.remove(ready)
    return list(done)


def edges_of(dag: Dag) -> Iterable[tuple[Task, Task]]:
    """Which task waits for which: by ``>>``, by results, and through groups."""
    arranged: list[tuple[Node, Node]] = list(dag.edges)
    for task in dag.tasks:
        given = [task.args, task.kwargs, task.mapped, task.arguments]
        arranged += [(output.task, task) for output in outputs_in(given)]
        for group in task.group.around() if task.group is not None else ():
            arranged += [(output.task, task) for output in outputs_in(group.mapped)]
    tasks = [(left, right) for left, right in arranged if isinstance(left, Task) and isinstance(right, Task)]
    yield from tasks
    for left, right in arranged:
        if isinstance(left, Group) or isinstance(right, Group):
            for one in _ends(left, tasks, last=True):
                for other in _ends(right, tasks, last=False):
                    yield one, other


def _ends(node: Node, edges: list[tuple[Task, Task]], *, last: bool) -> list[Task]:
    """The first or last tasks of a group."""
    if isinstance(node, Task):
        return [node]
    members = [task for task in node.dag.tasks if task.group is not None and node in task.group.around()]
    inner = [(left, right) for left, right in edges if left in members and right in members]
    linked = {(left if last else right) for left, right in inner}
    return [one for one in members if one not in linked and not (last and one.role == "teardown")]


# --- trigger rules -------------------------------------------------------------------------------------------


def condition_of(rule: str, names: list[str], first: set[str]) -> ir.Condition | None:
    """A trigger rule over steps as a condition; None for plain order.

    Args:
        rule: The rule.
        names: Steps before.
        first: Those that wait for nothing, so that they cannot fail for what came before.

    Raises:
        KeyError: It is no rule of Airflow.

    >>> condition_of("one_success", ["a"], set())
    StatusIs(kind='status', step='a', status='succeeded')
    """
    succeeded: list[ir.Condition] = [ir.StatusIs(step=name, status="succeeded") for name in names]
    skipped: list[ir.Condition] = [ir.StatusIs(step=name, status="skipped") for name in names]
    ended: list[ir.Condition] = [ir.StatusIs(step=name, status="ended") for name in names]
    failed: list[ir.Condition] = [
        ir.StatusIs(step=name, status="failed") if name in first else ir.Not(part=ir.AnyOf(parts=(well, left)))
        for name, well, left in zip(names, succeeded, skipped, strict=True)
    ]
    fine: list[ir.Condition] = [ir.AnyOf(parts=pair) for pair in zip(succeeded, skipped, strict=True)]
    makers: dict[str, Callable[[], ir.Condition | None]] = {
        "all_success": lambda: every(succeeded),
        "none_failed": lambda: None,
        "none_failed_min_one_success": lambda: every([*fine, either(succeeded)]),
        "none_failed_or_skipped": lambda: every([*fine, either(succeeded)]),
        "all_done": lambda: every(ended),
        "all_done_min_one_success": lambda: every([*ended, either(succeeded)]),
        "all_failed": lambda: every(failed),
        "one_failed": lambda: either(failed),
        "one_success": lambda: either(succeeded),
        "one_done": lambda: either([*succeeded, *failed]),
        "none_skipped": lambda: every([ir.Not(part=one) for one in skipped]),
        "all_skipped": lambda: every(skipped),
    }
    return makers[rule]()


def every(parts: list[ir.Condition]) -> ir.Condition:
    """True when every part is."""
    return parts[0] if len(parts) == 1 else ir.AllOf(parts=tuple(parts))


def either(parts: list[ir.Condition]) -> ir.Condition:
    """True when one part is."""
    return parts[0] if len(parts) == 1 else ir.AnyOf(parts=tuple(parts))
