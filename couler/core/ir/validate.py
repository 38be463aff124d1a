"""Whether a workflow keeps the rules: all problems at once, each with its step, its place and what to do."""

from __future__ import annotations

from couler.core.collector import collector_paused
from couler.core.errors import InvalidWorkflowError, Problem
from couler.core.ir.model import Workflow
from couler.core.ir.rules import conditions, flow, names, references, schedules, settings, tasks, values
from couler.core.ir.rules.context import Context, Rule

RULES: tuple[Rule, ...] = (
    names.usable_names,
    names.duplicate_steps,
    names.duplicate_parts,
    names.variable_names,
    references.known_references,
    references.known_scope_outputs,
    references.known_after,
    references.no_cycles,
    references.reachable_failures,
    values.known_types,
    values.paths_into_values,
    values.input_types,
    values.group_inputs,
    values.parameter_values,
    values.scope_output_types,
    conditions.comparable,
    flow.either_map_or_loop,
    flow.maps,
    flow.loops,
    tasks.functions,
    tasks.output_paths,
    tasks.safe_paths,
    tasks.stored_outputs,
    tasks.runnable,
    tasks.jobs,
    settings.time_limits,
    settings.retries,
    settings.resources,
    settings.needs_a_process,
    settings.secrets,
    settings.volumes,
    settings.encodable,
    schedules.schedules,
)
"""Every rule; each finds all that is wrong in one respect."""


def problems(workflow: Workflow) -> tuple[Problem, ...]:
    """Everything that is wrong with a workflow: first of the workflow itself, then in the order of its steps.

    >>> problems(Workflow(name=""))[0].message
    'the name is empty'
    """
    with collector_paused():
        context = Context.of(workflow)
        found = [problem for rule in RULES for problem in rule(context)]
    if found:
        position = {path: index for index, path in enumerate(context.paths())}
        found.sort(key=lambda problem: position.get(problem.step, -1))
    return tuple(dict.fromkeys(found))


def check(workflow: Workflow) -> None:
    """Do nothing when the workflow keeps every rule.

    Raises:
        InvalidWorkflowError: It does not; ``problems`` of the error holds everything that is wrong.
    """
    found = problems(workflow)
    if found:
        raise InvalidWorkflowError(workflow.name, found)
