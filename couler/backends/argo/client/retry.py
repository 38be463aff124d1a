"""Going on with a failed run without an argo-server: another workflow that does only what is left."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Iterable, Mapping
from typing import Any

from couler.backends.argo.client.snapshot import FILES, ITEMS, KNOWN
from couler.core.ir.graph import outputs_of, references
from couler.core.ir.json import thaw
from couler.core.ir.model import FunctionTask, OutputRef, Step, Workflow
from couler.core.ir.types import FILE_MARK
from couler.core.passes.settled import GOOD, Ending, Settled, settled
from couler.runs.records import StepRecord

_ITEM = re.compile(r"\[(\d+)\]$")
_TOP = re.compile(r"[/\[#]")
_LARGEST_MARK = 30_000


def rewritten(workflow: Workflow, steps: Iterable[StepRecord]) -> Settled:
    """What is left of a workflow after a run of it.

    Steps that succeeded or were skipped are kept as wholes; of maps over known lists, their items.
    """
    records = {step.path: step for step in steps}
    endings: dict[str, Ending] = {}
    for step in workflow.steps:
        record = records.get(step.name)
        if record is None:
            continue
        if record.status in GOOD:
            endings[step.name] = Ending("succeeded", dict(record.outputs or {}))
        elif record.status == "skipped":
            endings[step.name] = Ending("skipped")
        elif step.foreach is not None and (items := _items(step.name, records)):
            endings[step.name] = Ending("failed", items=items)
    return settled(workflow, _without_values_in_files(workflow, endings))


def _without_values_in_files(workflow: Workflow, endings: dict[str, Ending]) -> dict[str, Ending]:
    """Without steps whose values Argo keeps as files, where a step that is left needs them: these run again."""
    kept = dict(endings)
    steps = {step.name: step for step in workflow.steps}
    left = [step for step in workflow.steps if kept.get(step.name, _FAILED).status == "failed"]
    while left:
        for ref in references(left.pop()):
            if isinstance(ref, OutputRef) and ref.step in kept and _is_in_file(steps[ref.step], ref.output, kept):
                del kept[ref.step]
                left.append(steps[ref.step])
    return kept


_FAILED = Ending("failed")


def _is_in_file(step: Step, output: str, endings: Mapping[str, Ending]) -> bool:
    value = endings[step.name].outputs.get(output)
    is_value = isinstance(step.task, FunctionTask) and outputs_of(step)[output].type not in FILES
    return is_value and step.foreach is None and isinstance(value, Mapping) and bool(value.get(FILE_MARK))


def _items(name: str, records: Mapping[str, StepRecord]) -> dict[int, Mapping[str, Any] | None]:
    found: dict[int, Mapping[str, Any] | None] = {}
    for path, record in records.items():
        match = _ITEM.search(path)
        if match and path[: match.start()] == name and record.status in (*GOOD, "skipped"):
            found[int(match[1])] = None if record.status == "skipped" else dict(record.outputs or {})
    return found


def changed(again: Settled, steps: Iterable[StepRecord]) -> list[StepRecord]:
    """Records of steps as they are before the other workflow begins: what is repeated is pending."""
    left = {step.name for step in again.workflow.steps}
    left |= {handler.step.name for handler in again.workflow.exit_handlers}
    found = []
    for step in steps:
        top = _TOP.split(step.path, maxsplit=1)[0]
        if top in left and not _is_kept_item(step.path, top, again):
            found.append(dataclasses.replace(step, status="pending", ended=None, outputs=None, message=""))
        elif step.path in again.kept and step.status not in (*GOOD, "skipped"):
            found.append(dataclasses.replace(step, status=again.kept[step.path], message=""))
    return found


def unended(steps: Iterable[StepRecord]) -> list[StepRecord]:
    """Records of failed and cancelled steps as pending, where an argo-server runs them again."""
    return [
        dataclasses.replace(step, status="pending", ended=None, message="")
        for step in steps
        if step.status in ("failed", "cancelled")
    ]


def _is_kept_item(path: str, top: str, again: Settled) -> bool:
    if top not in again.items:
        return False
    match = re.match(r"\[(\d+)\]", path[len(top) :])
    return match is not None and int(match[1]) not in again.items[top]


def marks(again: Settled) -> dict[str, str]:
    """Annotations by which other machines understand the other workflow."""
    found = {ITEMS: json.dumps({name: list(numbers) for name, numbers in again.items.items()})} if again.items else {}
    known = json.dumps(thaw(dict(again.outputs)), ensure_ascii=False)
    if again.outputs and len(known) <= _LARGEST_MARK:
        found[KNOWN] = known
    return found
