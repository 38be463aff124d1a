"""DAGs as workflows."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from couler.backends.airflow.importer.attributes import of_dag, of_task, parameters_of
from couler.backends.airflow.importer.flow import (
    DEFAULT,
    Flow,
    Unit,
    condition_of,
    either,
    every,
    is_branch,
    rule_of,
)
from couler.backends.airflow.importer.groups import enclosed
from couler.backends.airflow.importer.mapping import Unmappable, lists_of
from couler.backends.airflow.importer.operators import read_task
from couler.backends.airflow.importer.references import References, step_name
from couler.backends.airflow.importer.report import Report
from couler.backends.airflow.importer.schedules import read_schedule
from couler.backends.airflow.importer.scripts import last_line
from couler.backends.airflow.importer.values import Dag, Group, Task
from couler.backends.airflow.importer.work import Work
from couler.core.ir import model as ir
from couler.core.ir.graph import references as references_of
from couler.core.ir.validate import problems

_ONE_LINE = re.compile(r"\s*(echo|printf|date|cat|pwd|hostname|whoami)\b[^\n;&|]*\s*")


def workflow_of(dag: Dag, text: str, report: Report) -> ir.Workflow:
    """The workflow of a DAG.

    Args:
        dag: As it was read.
        text: The file.
        report: Told what becomes of each construct.
    """
    report.add("AIRFLOW001", dag.line, dag.id)
    untyped: set[str] = set()
    while True:
        made = _Translation(dag, text, report, untyped).workflow()
        wrong = {problem.step.rpartition("/")[2] for problem in problems(made) if problem.rule in _OF_TYPES}
        names = {task.id for task in dag.tasks if step_name(task) in wrong} - untyped
        if not names:
            return made
        untyped |= names


_OF_TYPES = frozenset(("type-mismatch", "condition-type", "comparison", "default-type"))


@dataclass(slots=True)
class _Saved:
    """What translating changes in a task."""

    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    arguments: dict[str, Any]


class _Translation:
    """One DAG."""

    def __init__(self, dag: Dag, text: str, report: Report, untyped: set[str]) -> None:
        self.dag = dag
        self.flow = Flow(dag)
        self.references = References(dag, report, self.flow)
        self.references.parameters = parameters_of(dag, self.references)
        self.work = Work(text, self.references, untyped)

    def workflow(self) -> ir.Workflow:
        """All of it."""
        saved = {task: _Saved(task.args, task.kwargs, task.arguments) for task in self.dag.tasks}
        for group in self.dag.groups.values():
            self.references.report.add("AIRFLOW026", group.line, group.id)
        bodies = {task: read_task(task, self.work) for unit in self.flow.ordered() for task in self._tasks(unit)}
        for task, before in saved.items():
            task.args, task.kwargs, task.arguments = before.args, before.kwargs, before.arguments
        steps: list[ir.Step] = []
        for unit in self.flow.ordered():
            made = self._group(unit, bodies) if isinstance(unit, Group) else self._step(unit, bodies[unit])
            steps += [one for one in self.work.extra if one.name == f"{made.name}.items"]
            steps.append(made)
        fields = of_dag(self.dag, self.references)
        return ir.Workflow(
            name=self.dag.id,
            parameters=tuple(self.references.parameters.values()),
            steps=tuple(steps),
            schedule=read_schedule(self.dag, self.references.report),
            **fields,
        )

    def _tasks(self, unit: Unit) -> list[Task]:
        return self.flow.inside(unit) if isinstance(unit, Group) else [unit]

    # --- steps

    def _step(self, task: Task, body: dict[str, Any]) -> ir.Step:
        known = task not in self.work.stubs
        fields = of_task(task, self.references, failing=self.flow.fails_run(task), known=known)
        if isinstance(body["task"], ir.SuspendTask):
            fields = {name: value for name, value in fields.items() if name not in ("retry", "timeout")}
        made = ir.Step(name=step_name(task), **{**fields, **self._body(task, body)})
        return made.model_copy(update=self._order(task, made))

    def _body(self, task: Task, body: dict[str, Any]) -> dict[str, Any]:
        """What a task does; the result of a script is its last line where somebody asks for it."""
        kept = {name: value for name, value in body.items() if value not in ("", ())}
        made = kept["task"]
        if task in self.references.used and isinstance(made, ir.ScriptTask) and not _ONE_LINE.fullmatch(made.source):
            kept["task"] = last_line(made)
        return kept

    def _order(self, unit: Unit, made: ir.Step) -> dict[str, Any]:
        before = self.flow.direct[unit]
        names = {_name(one): one for one in before}
        fields: dict[str, Any] = {}
        rule = self._rule(unit)
        given = {one.step for one in references_of(made) if isinstance(one, ir.OutputRef) and one.default is None}
        if rule in ("always", "dummy") or not names:
            names = {}
        elif rule == "all_done_setup_success":
            fields["after_condition"] = _after_all(before)
        elif rule == DEFAULT and not any(self.flow.may_skip(one) for name, one in names.items() if name not in given):
            fields["after"] = tuple(name for name in names if name not in given)
        else:
            first = {name for name, one in names.items() if not self.flow.direct[one]}
            condition = condition_of(rule, list(names), first)
            fields["after_condition" if condition is not None else "after"] = condition or tuple(names)
        conditions = self._chosen(unit, before)
        if conditions:
            fields["when"] = every(conditions)
        return fields

    def _rule(self, unit: Unit) -> str:
        rule = rule_of(unit)
        line = unit.line
        if rule == DEFAULT:
            return rule
        if isinstance(unit, Task) and unit.role == "teardown":
            self.references.report.add("AIRFLOW023", line, unit.id)
            return rule
        try:
            condition_of("all_done" if rule in ("always", "dummy") else rule, ["x"], set())
        except KeyError:
            self.references.report.add("AIRFLOW021", line, rule)
            return DEFAULT
        self.references.report.add("AIRFLOW020", line, rule)
        return rule

    # --- branches

    def _chosen(self, unit: Unit, before: list[Unit]) -> list[ir.Condition]:
        branches = [one for one in before if isinstance(one, Task) and is_branch(one)]
        found = [self._choice(branch, unit) for branch in branches]
        for circuit in self.flow.circuits_before(unit):
            default = ir.Constant(value=True) if self.flow.may_skip(circuit) else None
            found.append(ir.Truth(value=ir.OutputRef(step=_name(circuit), default=default)))
        return found

    def _choice(self, branch: Task, unit: Unit) -> ir.Condition:
        """That a branch chose a task, or another one right after it that leads to the task."""
        chosen = [one for one in self.flow.after[branch] if one is unit or self.flow.reaches(one, unit)]
        ids = dict.fromkeys(name for one in sorted(chosen, key=lambda one: one is not unit)
                            for name in _ids(one, branch))  # fmt: skip
        result = ir.OutputRef(step=_name(branch))
        several = self.work.choices.get(branch, True)
        return either([
            ir.Compare(operator="in", left=ir.Constant(value=name), right=result) if several else
            ir.Compare(operator="==", left=result, right=ir.Constant(value=name)) for name in ids
        ])  # fmt: skip

    # --- mapped groups

    def _group(self, group: Group, bodies: dict[Task, dict[str, Any]]) -> ir.Step:
        inside = self.flow.inside(group)
        steps = [self._step(task, bodies[task]) for task in inside]
        shared = [step_name(task) for task in inside if task in self.references.exported]
        results = {name: ir.OutputRef(step=name) for name in shared}
        values: dict[str, ir.Value]
        try:
            lists, items, extra = lists_of(group.id, group.mapped, inside[0], self.references, together=group.together)
            values = {name or "item": ir.ItemRef(name=item.name, path=item.path) for name, item in items.items()}
        except Unmappable as why:
            self.references.report.add("AIRFLOW025", group.line, str(why))
            lists, extra = {"item": ir.Constant(value=[None])}, None
            values = {name or "item": ir.Constant(value=None) for name in group.mapped}
        if extra is not None:
            self.work.extra.append(extra)
        made = enclosed(group.id, steps, results, lists, values)
        made = made.model_copy(update={"location": f"{self.references.report.file}:{group.line}"})
        return made.model_copy(update=self._order(group, made))


def _name(unit: Unit) -> str:
    return unit.id if isinstance(unit, Group) else step_name(unit)


def _ids(unit: Unit, branch: Task) -> list[str]:
    """What a branch may call a task: its name, or that of a group around it that the branch is not in."""
    group = unit.group if isinstance(unit, Task) else unit.parent
    around = list(group.around()) if group is not None else []
    own = set(branch.group.around()) if branch.group is not None else set()
    return [unit.id, *(one.id for one in around if one not in own)]


def _after_all(before: list[Unit]) -> ir.Condition:
    """The rule of teardowns: all have ended, and what set things up succeeded."""
    parts: list[ir.Condition] = []
    for one in before:
        is_setup = isinstance(one, Task) and one.role == "setup"
        parts.append(ir.StatusIs(step=_name(one), status="succeeded" if is_setup else "ended"))
    return every(parts)
