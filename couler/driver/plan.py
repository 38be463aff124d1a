"""What a run would do, step by step and with reasons, without doing it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from couler.core.ir import graph
from couler.core.ir.model import Constant, GroupTask, Step, SuspendTask, Workflow
from couler.core.ir.parameters import complete
from couler.driver.load import as_workflow
from couler.driver.prepare import prepare
from couler.views.words import condition_text, value_text


@dataclass(frozen=True, slots=True)
class PlanRow:
    """One step of a plan.

    Attributes:
        action: ``run``, ``run if``, ``map``, ``loop``, ``wait`` or ``at exit``.
        reason: Why, when and how often, in words.
    """

    step: str
    action: str
    reason: str


@dataclass(frozen=True, slots=True)
class Plan:
    """What a run would do.

    Attributes:
        rows: Steps in an order in which they can run.
        notes: What was lowered or ignored for the engine.
    """

    workflow: str
    engine: str
    parameters: Mapping[str, Any]
    rows: tuple[PlanRow, ...]
    notes: tuple[str, ...]


def plan(
    workflow: Any = None, parameters: Mapping[str, Any] | None = None, *, engine: str = "local", **options: Any
) -> Plan:
    """What a run would do, without running or submitting anything.

    Raises:
        ParameterError: Parameters are missing or wrong.
        InvalidWorkflowError: Rules are broken.
        UnsupportedFeatureError: The engine cannot do what the workflow uses.
    """
    found = as_workflow(workflow)
    lowered = prepare(found, engine, options)
    values = complete(found, parameters or {})
    return Plan(found.name, lowered.declaration.target, values, tuple(_rows(lowered.workflow)), lowered.notes)


def _rows(workflow: Workflow) -> list[PlanRow]:
    rows = [row for step in graph.order(workflow.steps) for row in _step_rows(step, "")]
    for handler in workflow.exit_handlers:
        when = {"always": "always", "success": "if the run succeeds", "failure": "if the run fails"}[handler.on]
        rows.append(PlanRow(handler.step.name, "at exit", when))
    return rows


def _step_rows(step: Step, prefix: str) -> list[PlanRow]:
    path = prefix + step.name
    rows = [PlanRow(path, _action(step), "; ".join(_reasons(step)))]
    if isinstance(step.task, GroupTask):
        rows += [row for inner in graph.order(step.task.steps) for row in _step_rows(inner, f"{path}/")]
    return rows


def _action(step: Step) -> str:
    if step.when is not None or step.after_condition is not None:
        return "run if"
    if step.foreach is not None:
        return "map"
    if step.loop is not None:
        return "loop"
    return "wait" if isinstance(step.task, SuspendTask) else "run"


def _reasons(step: Step) -> list[str]:
    reasons = []
    if step.when is not None:
        reasons.append(condition_text(step.when))
    if step.after_condition is not None:
        reasons.append(condition_text(step.after_condition))
    if step.foreach is not None:
        lists = [_list_text(name, value) for name, value in step.foreach.lists.items()]
        bound = f", {step.foreach.parallelism} at a time" if step.foreach.parallelism else ""
        reasons.append(f"once per {' and '.join(lists)}{bound}")
    if step.loop is not None:
        reasons.append(f"again while {condition_text(step.loop.condition)}, at most {step.loop.max_iterations} times")
    before = graph.upstream(step)
    reasons.append(f"after {', '.join(before)}" if before else "nothing to wait for")
    if step.retry is not None:
        reasons.append(f"up to {step.retry.limit + 1} attempts")
    return reasons


def _list_text(name: str, value: Any) -> str:
    if isinstance(value, Constant) and isinstance(value.value, tuple):
        return f"{name} ({len(value.value)} items)"
    return f"{name} of {value_text(value)}"
