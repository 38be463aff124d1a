"""The shape of a workflow: plain facts about each step, and what the step does in any situation.

A shape is made from a workflow by `shape_of`, and from an engine's documents by a reader that knows nothing of couler's
backends. Both must be equal; `differences` asks them the same questions.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from couler.core.ir.evaluate import ABSENT, EvaluationError, as_text, holds, resolve
from couler.core.ir.graph import references, references_in
from couler.core.ir.json import thaw
from couler.core.ir.model import (
    ContainerTask,
    FunctionTask,
    GroupTask,
    JobTask,
    Model,
    OutputRef,
    Scope,
    ScriptTask,
    Step,
    SuspendTask,
    Value,
    Workflow,
)
from tests.conformance.situations import Situation, again_situations, situations


@dataclass(frozen=True, slots=True)
class Action:
    """What a step that runs is given.

    Attributes:
        inputs: By name, as JSON; files as words that say which file.
        command: Command and arguments of a container, arguments of a script.
        env: Variables of the environment.
    """

    inputs: Mapping[str, Any] = field(default_factory=dict)
    command: tuple[str, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)


Deed = Action | str
"""An action, or why there is none: ``skipped``, ``never`` (what it needs failed) or ``fails`` (an error)."""


@dataclass(frozen=True, slots=True)
class StepShape:
    """One step.

    Attributes:
        facts: What does not depend on the situation, as plain values.
        acts: What it does in a situation; for a map, for one item.
        lists: The lists of its map in a situation; None for steps without one.
        again: Whether its loop goes on after a round with the outputs of a situation; None for steps without one.
    """

    facts: Mapping[str, Any]
    acts: Callable[[Situation], Deed]
    lists: Callable[[Situation], Mapping[str, Any]] | None = None
    again: Callable[[Situation], bool | str] | None = None


@dataclass(frozen=True, slots=True)
class Shape:
    """A whole workflow.

    Attributes:
        facts: About the workflow itself.
        steps: By path, exit handlers among them.
        gives: Path of a scope (the empty one is the workflow) to its outputs in a situation.
    """

    facts: Mapping[str, Any]
    steps: Mapping[str, StepShape]
    gives: Mapping[str, Callable[[Situation], Mapping[str, Any]]]


# --- from a workflow -------------------------------------------------------------------------------------------


def shape_of(workflow: Workflow) -> Shape:
    """The shape of a workflow that has no defaults any more."""
    steps = {path: _step_shape(scope, step) for path, scope, step in each_step(workflow)}
    gives = {path: _giver(scope) for path, scope in each_scope(workflow)}
    return Shape(_workflow_facts(workflow), steps, gives)


def each_scope(workflow: Workflow) -> Iterator[tuple[str, Scope]]:
    """The workflow and every group, with their paths."""
    yield "", workflow
    for path, _, step in each_step(workflow):
        if isinstance(step.task, GroupTask):
            yield path, step.task


def each_step(scope: Scope, prefix: str = "") -> Iterator[tuple[str, Scope, Step]]:
    """Every step with its path and the scope that it stands in, exit handlers after the others."""
    handlers = [handler.step for handler in scope.exit_handlers] if isinstance(scope, Workflow) else []
    for step in (*scope.steps, *handlers):
        path = f"{prefix}{step.name}"
        yield path, scope, step
        if isinstance(step.task, GroupTask):
            yield from each_step(step.task, f"{path}/")


def _workflow_facts(workflow: Workflow) -> dict[str, Any]:
    return {
        "name": workflow.name,
        "parameters": {
            item.name: [plain(item.default.value)] if item.default is not None else [] for item in workflow.parameters
        },
        "exits": {handler.step.name: handler.on for handler in workflow.exit_handlers},
        "on_failure": workflow.on_failure,
        "parallelism": workflow.parallelism,
        "timeout": workflow.timeout,
        "service_account": workflow.service_account,
        "labels": dict(workflow.labels),
        "schedule": None if workflow.schedule is None else written(workflow.schedule),
    }


def _step_shape(scope: Scope, step: Step) -> StepShape:
    foreach, loop = step.foreach, step.loop
    return StepShape(
        _step_facts(step),
        lambda situation: _deed(scope, step, situation),
        None if foreach is None else lambda situation: _resolved(foreach.lists, situation),
        None if loop is None else lambda situation: _decided(lambda: holds(loop.condition, situation)),
    )


def _giver(scope: Scope) -> Callable[[Situation], Mapping[str, Any]]:
    return lambda situation: _resolved({output.name: output.value for output in scope.outputs}, situation)


def _resolved(values: Mapping[str, Value], situation: Situation) -> dict[str, Any]:
    """Values that exist."""
    found = {name: resolve(value, situation) for name, value in values.items()}
    return {name: plain(value) for name, value in found.items() if value is not ABSENT}


# --- what a step does, from the rules ----------------------------------------------------------------------------


def _deed(scope: Scope, step: Step, situation: Situation) -> Deed:
    try:
        return _verdict(scope, step, situation) or _action(step, situation)
    except EvaluationError:
        return "fails"


def _verdict(scope: Scope, step: Step, situation: Situation) -> str:
    """Why the step does not run; empty when it does."""
    is_handler = all(step is not other for other in scope.steps)
    tolerant = {other.name for other in scope.steps if other.allow_failure}
    failed = {name for name in _producers(step) if situation.status(name) == "failed"}
    if any(situation.status(name) == "failed" for name in step.after):
        return "never"
    if failed - tolerant and step.after_condition is None and not is_handler:
        return "never"
    if step.after_condition is not None and holds(step.after_condition, situation) is not True:
        return "skipped"
    absent = "never" if failed and not is_handler else "skipped"
    if step.when is not None:
        held = holds(step.when, situation)
        if held is ABSENT:
            return absent
        if held is False:
            return "skipped"
    return absent if any(resolve(value, situation) is ABSENT for value in _needed(step)) else ""


def _producers(step: Step) -> set[str]:
    return {ref.step for ref in references(step) if isinstance(ref, OutputRef)}


def _needed(step: Step) -> Iterator[Value]:
    yield from (item.value for item in step.inputs)
    yield from _command(step)
    yield from (variable.value for variable in step.env)
    if step.foreach is not None:
        yield from step.foreach.lists.values()


def _command(step: Step) -> tuple[Value, ...]:
    match step.task:
        case ContainerTask():
            return (*step.task.command, *step.task.args)
        case ScriptTask():
            return step.task.args
        case _:
            return ()


def _action(step: Step, situation: Situation) -> Action:
    inputs = {item.name: plain(resolve(item.value, situation)) for item in step.inputs}
    if step.loop is not None and situation.number:
        inputs |= {name: plain(situation.loop_output(output)) for name, output in step.loop.carry.items()}
    return Action(
        inputs,
        tuple(as_text(resolve(value, situation)) for value in _command(step)),
        {variable.name: as_text(resolve(variable.value, situation)) for variable in step.env},
    )


def _decided(question: Callable[[], Any]) -> bool | str:
    try:
        found = question()
    except EvaluationError:
        return "fails"
    return "fails" if found is ABSENT else bool(found)


# --- plain facts -----------------------------------------------------------------------------------------------


def _step_facts(step: Step) -> dict[str, Any]:
    return {
        "task": _task_facts(step),
        "after": sorted({ref.step for ref in references(step) if isinstance(ref, OutputRef)} | set(step.after)),
        "outputs": {output.name: _output_facts(output) for output in step.outputs if output.path},
        "files": {item.name: item.path for item in step.inputs if item.type in ("file", "folder")},
        "map": None
        if step.foreach is None
        else {"over": sorted(step.foreach.lists), "at_once": step.foreach.parallelism},
        "loop": None if step.loop is None else {"most": step.loop.max_iterations, "carry": dict(step.loop.carry)},
        "allow_failure": step.allow_failure,
        "retry": None if step.retry is None or not step.retry.limit else written(step.retry),
        "timeout": step.timeout,
        "resources": None if step.resources is None else written(step.resources),
        "secrets": [written(use) for use in step.secrets],
        "volumes": [written(volume) for volume in step.volumes],
        "sidecars": [written(sidecar) for sidecar in step.sidecars],
        "service_account": step.service_account,
        "working_dir": step.working_dir,
        "labels": dict(step.labels),
        "daemon": step.daemon,
    }


def _output_facts(output: Any) -> dict[str, Any]:
    found: dict[str, Any] = {"kind": output.type if output.type in ("file", "folder") else "value", "path": output.path}
    if output.default is not None:
        found["default"] = plain(output.default.value)
    return found


def _task_facts(step: Step) -> dict[str, Any]:
    task = step.task
    match task:
        case FunctionTask():
            facts = {
                "source": digest(task.source),
                "entry": task.entry,
                "image": task.image,
                "packages": list(task.packages),
            }
        case ScriptTask():
            facts = {"source": digest(task.source), "interpreter": list(task.interpreter), "image": task.image}
        case ContainerTask():
            facts = {"image": task.image, "pull_policy": task.pull_policy}
        case SuspendTask():
            facts = {"duration": task.duration}
        case JobTask():
            facts = {**written(task), "manifest": thaw(task.manifest)}
        case GroupTask():
            facts = {
                "parameters": [parameter.name for parameter in task.parameters],
                "steps": [inner.name for inner in task.steps],
            }
    return {"kind": task.kind, **facts}


def digest(text: str) -> str:
    """Enough of a text to tell it from others."""
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def written(model: Model) -> dict[str, Any]:
    """What a part of a workflow says other than by default."""
    found: dict[str, Any] = thaw(model.model_dump(mode="json", exclude_defaults=True))
    return found


def plain(value: Any) -> Any:
    """A value with ordinary lists and dicts."""
    return thaw(value)


# --- comparing -------------------------------------------------------------------------------------------------


def differences(workflow: Workflow, read: Shape) -> list[str]:
    """Everything in which a shape that was read back is not that of the workflow."""
    wanted = shape_of(workflow)
    found = [*_unequal("workflow", wanted.facts, read.facts)]
    found += [f"step '{path}' is missing" for path in wanted.steps if path not in read.steps]
    found += [f"step '{path}' is one too many" for path in read.steps if path not in wanted.steps]
    for path, scope, step in each_step(workflow):
        if path in read.steps:
            found += _unequal(path, wanted.steps[path].facts, read.steps[path].facts)
            found += _unequal_deeds(path, scope, step, wanted.steps[path], read.steps[path])
    for path, scope in each_scope(workflow):
        found += _unequal_outputs(path, scope, wanted.gives[path], read.gives.get(path))
    return found


def _unequal(where: str, wanted: Any, found: Any) -> Iterator[str]:
    if isinstance(wanted, Mapping) and isinstance(found, Mapping):
        for key in {**wanted, **found}:
            yield from _unequal(f"{where}.{key}", wanted.get(key), found.get(key))
    elif wanted != found:
        yield f"{where}: {found!r} instead of {wanted!r}"


def _unequal_deeds(path: str, scope: Scope, step: Step, wanted: StepShape, found: StepShape) -> Iterator[str]:
    for situation in situations(scope, step):
        yield from _unequal_answers(f"{path} {situation}", wanted.acts, found.acts, situation)
        if wanted.lists is not None:
            yield from _unequal_answers(f"{path} {situation}: lists", wanted.lists, found.lists, situation)
    if wanted.again is not None:
        for situation in again_situations(scope, step):
            yield from _unequal_answers(f"{path} {situation}: another round", wanted.again, found.again, situation)


def _unequal_outputs(path: str, scope: Scope, wanted: Any, found: Any) -> Iterator[str]:
    if not scope.outputs:
        return
    reader = Step(name="outputs", task=SuspendTask(), inputs=tuple(_as_inputs(scope)))
    for situation in situations(scope, reader):
        yield from _unequal_answers(f"outputs of '{path}' {situation}", wanted, found, situation)


def _as_inputs(scope: Scope) -> Iterator[Any]:
    from couler.core.ir.model import Input

    for output in scope.outputs:
        if references_in(output.value):
            yield Input(name=output.name, value=output.value, type=output.type)


def _unequal_answers(where: str, wanted: Any, found: Any, situation: Situation) -> Iterator[str]:
    if found is None:
        yield f"{where}: there is nothing of the kind"
        return
    one, other = wanted(situation), found(situation)
    if isinstance(one, Action) and isinstance(other, Action):
        for name in Action.__dataclass_fields__:
            yield from _unequal(f"{where}: {name}", getattr(one, name), getattr(other, name))
    else:
        yield from _unequal(where, one, other)
