"""Runs a case on the double of Argo: compiled, read back, and played with processes of this machine."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import couler
from couler.backends.argo.names import task_names
from couler.core.ir.graph import references, upstream, walk
from couler.core.ir.model import GroupTask, OutputRef, Step, Workflow
from couler.core.ir.parameters import complete as with_defaults
from tests.conformance.case import Case
from tests.conformance.local import given
from tests.conformance.outcome import Outcome
from tests.conformance.readers.argo import Names
from tests.conformance.readers.play import Played, play


def names_of(workflow: Workflow) -> Names:
    """The names that compiled names stand for."""
    scopes = {"": _tasks(workflow.steps)}
    for path, step in walk(workflow):
        if isinstance(step.task, GroupTask):
            scopes[path] = _tasks(step.task.steps)
    handlers = _tasks(tuple(handler.step for handler in workflow.exit_handlers))
    return Names(scopes, handlers, tuple(output.name for output in workflow.outputs))


def _tasks(steps: tuple[Step, ...]) -> dict[str, str]:
    return {task: step for step, task in task_names(step.name for step in steps).items()}


def outcome_on_double(case: Case, target: str, root: Path, **options: Any) -> Outcome:
    """Compile a case with options of the engine, play the documents, and tell what came of it in couler's words."""
    workflow = case.workflow()
    values = with_defaults(workflow, given(case, root))
    compiled = couler.compile(workflow, target, **options)
    folder = root / "pods" / case.name
    folder.mkdir(parents=True)
    parameters = {name: json.dumps(value).replace("{{", "{\\u007b") for name, value in values.items()}
    decisions = case.decisions.values()
    played = play(compiled.documents, names_of(compiled.workflow), folder, parameters, case.secrets, decisions)
    return in_words(compiled.workflow, played)


def in_words(workflow: Workflow, played: Played) -> Outcome:
    """Skipped steps that could not run because something failed are cancelled in couler's words."""
    steps = dict(played.steps)
    known = dict(walk(workflow))
    for path, status in played.steps.items():
        step = known.get(_bare(path))
        if status != "skipped" or step is None or step.after_condition is not None:
            continue
        prefix = path.rpartition("/")[0]
        needed = {ref.step for ref in references(step) if isinstance(ref, OutputRef)} | set(step.after)
        before = [steps.get(f"{prefix}/{name}" if prefix else name) for name in upstream(step) if name in needed]
        if any(one in ("failed", "cancelled") for one in before) and step in workflow.steps:
            steps[path] = "cancelled"
    return Outcome(played.status, steps, played.outputs, played.messages, played.attempts)


def _bare(path: str) -> str:
    return re.sub(r"\[\d+\]|#\d+", "", path)
