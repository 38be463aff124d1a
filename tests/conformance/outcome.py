"""What came of a run, on any engine, and how it differs from what its case says."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.conformance.case import Case


@dataclass(frozen=True, slots=True)
class Outcome:
    """What an engine tells of a run that has ended.

    Attributes:
        status: Of the run.
        steps: Path of each step instance to its status.
        outputs: Of the workflow; empty when there are none.
        messages: Path to what the engine says of a step; the empty path is the run.
        attempts: Path to the number of attempts.
    """

    status: str
    steps: Mapping[str, str]
    outputs: Mapping[str, Any]
    messages: Mapping[str, str] = field(default_factory=dict)
    attempts: Mapping[str, int] = field(default_factory=dict)


def differences(case: Case, found: Outcome) -> list[str]:
    """Everything in which an outcome is not what the case says, in words; empty when it is."""
    return [
        *_of_status(case, found),
        *_of_steps(case, found),
        *_of_outputs(case, found),
        *_of_attempts(case, found),
        *_of_messages(case, found),
    ]


def _of_status(case: Case, found: Outcome) -> Iterator[str]:
    if found.status != case.status:
        yield f"the run {found.status} instead of {case.status}: {found.messages.get('', '')}"


def _of_steps(case: Case, found: Outcome) -> Iterator[str]:
    wanted = {path.removesuffix("?"): status for path, status in case.steps.items()}
    optional = {path.removesuffix("?") for path in case.steps if path.endswith("?")}
    for path, status in wanted.items():
        if path not in found.steps:
            if path not in optional:
                yield f"step '{path}' is missing; it should be {status}"
        elif found.steps[path] not in status.split("|"):
            yield f"step '{path}' is {found.steps[path]} instead of {status}: {found.messages.get(path, '')}"
    for path in found.steps:
        if path not in wanted:
            yield f"there is a step '{path}' ({found.steps[path]}) that should not be"


def _of_outputs(case: Case, found: Outcome) -> Iterator[str]:
    if case.outputs is None:
        return
    for name, value in case.outputs.items():
        if name not in found.outputs:
            yield f"there is no output '{name}'"
        elif _written(found.outputs[name]) != _written(value):
            yield f"output '{name}' is {_shown(found.outputs[name])} instead of {_shown(value)}"
    for name in found.outputs:
        if name not in case.outputs:
            yield f"there is an output '{name}' that should not be"


def _written(value: Any) -> str:
    """JSON text: true is not 1 there, and 1 is not 1.0."""
    return json.dumps(value, sort_keys=True)


def _shown(value: Any) -> str:
    text = _written(value)
    return text if len(text) <= 400 else f"{text[:400]}… ({len(text)} characters)"


def _of_attempts(case: Case, found: Outcome) -> Iterator[str]:
    for path, count in case.attempts.items():
        if found.attempts.get(path) != count:
            yield f"step '{path}' had {found.attempts.get(path)} attempts instead of {count}"


def _of_messages(case: Case, found: Outcome) -> Iterator[str]:
    text = found.messages.get(case.failing, "")
    for words in case.says:
        if words not in text:
            yield f"step '{case.failing}' says {text!r}, without {words!r}"
