"""Every error of couler, in one tree.

    CoulerError
    ├── DefinitionError            a line of the user's Python cannot become part of a workflow
    ├── InvalidWorkflowError       the finished workflow breaks rules (all of them at once)
    ├── TextFormError              a JSON or YAML document is not a workflow
    ├── UnsupportedFeatureError    the chosen engine cannot do what the workflow uses
    ├── ParameterError             workflow parameters are missing, unknown or of the wrong type
    ├── ResourceError              a step asks for more than the machine or its owner allows
    ├── ConfigError                a setting is unknown, malformed or out of range
    ├── MissingExtraError          an optional package is not installed
    ├── NotFoundError              no such run, step, engine, file or parameter
    ├── RunFailedError             the run ended without success
    ├── StateError                 the run is not in a state that allows the request
    ├── ArtifactError              a file could not be stored, found or read
    ├── StoreError                 the run store cannot be read or written
    │   └── StoreTooNewError       it was written by a newer couler
    └── EngineError                an engine refused or failed
        └── EngineUnreachableError it did not answer

Each carries ``message`` (what is wrong and where) and ``hint`` (what to type next).
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass


class CoulerError(Exception):
    """Base of all errors that couler raises on purpose.

    Args:
        message: What is wrong, and in which step and line.
        hint: What the reader can do about it; empty when nothing is known.
    """

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message}\n  hint: {self.hint}" if self.hint else self.message


class DefinitionError(CoulerError):
    """A line of the user's Python cannot become part of a workflow."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong with a workflow.

    Attributes:
        rule: Name of the rule that found it, such as ``unknown-reference``.
        message: What is wrong.
        step: Path of the step, such as ``search/train``; empty for the workflow itself.
        location: ``file:line`` of the step's declaration; empty when unknown.
        hint: What to do about it.
    """

    rule: str
    message: str
    step: str = ""
    location: str = ""
    hint: str = ""

    def __str__(self) -> str:
        where = f"step '{self.step}'" if self.step else "workflow"
        if self.location:
            where += f" ({self.location})"
        text = f"{where}: {self.message} [{self.rule}]"
        return f"{text}\n    hint: {self.hint}" if self.hint else text


def _listing(title: str, problems: Iterable[object]) -> str:
    return "\n".join([title, *(f"  - {problem}" for problem in problems)])


class InvalidWorkflowError(CoulerError):
    """The workflow breaks rules; ``problems`` holds every one of them."""

    def __init__(self, workflow: str, problems: tuple[Problem, ...]) -> None:
        count = "1 problem" if len(problems) == 1 else f"{len(problems)} problems"
        super().__init__(_listing(f"workflow '{workflow}' has {count}:", problems))
        self.problems = problems


class TextFormError(CoulerError):
    """A document is not a couler workflow in JSON or YAML form."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """A feature that an engine lacks, with the steps that use it."""

    feature: str
    description: str
    steps: tuple[str, ...]
    reason: str = ""
    engines: tuple[str, ...] = ()

    def __str__(self) -> str:
        where = ", ".join(self.steps) if self.steps else "the workflow itself"
        able = f"; engines that can: {', '.join(self.engines)}" if self.engines else ""
        because = f" ({self.reason})" if self.reason else ""
        return f"{self.feature}: {self.description}{because}, used by {where}{able}"


class UnsupportedFeatureError(CoulerError):
    """The engine cannot do what the workflow uses; ``refusals`` holds every reason."""

    def __init__(self, workflow: str, engine: str, refusals: tuple[Refusal, ...]) -> None:
        title = f"workflow '{workflow}' cannot run on {engine}, which lacks:"
        super().__init__(
            _listing(title, refusals),
            "`couler engines` shows what each engine can do",
        )
        self.refusals = refusals
        self.features = tuple(refusal.feature for refusal in refusals)


class ParameterError(CoulerError):
    """Workflow parameters are missing, unknown or of the wrong type."""


class ResourceError(CoulerError):
    """A step asks for more than the machine has or its owner allows."""


class ConfigError(CoulerError):
    """A setting is unknown, malformed or out of range."""


class MissingExtraError(CoulerError):
    """An optional package is not installed."""

    def __init__(self, purpose: str, extra: str) -> None:
        super().__init__(f"{purpose} needs a package that is not installed", f'pip install "couler[{extra}]"')
        self.extra = extra


class NotFoundError(CoulerError):
    """No such run, step, engine, file or parameter."""


class RunFailedError(CoulerError):
    """The run ended without success."""


class StateError(CoulerError):
    """The run is not in a state that allows the request."""


class ArtifactError(CoulerError):
    """A file could not be stored, found or read."""


class StoreError(CoulerError):
    """The run store cannot be read or written."""


class StoreTooNewError(StoreError):
    """The run store was written by a newer couler."""


class EngineError(CoulerError):
    """An engine refused a request or failed."""


class EngineLimitError(EngineError):
    """A workflow is beyond what an engine takes, though it uses nothing that the engine lacks; all reasons at once.

    >>> print(EngineLimitError("wide", "argo@4.1", ["template wide has 300 tasks; split it"]))
    workflow 'wide' is beyond the limits of argo@4.1:
      - template wide has 300 tasks; split it
    """

    def __init__(self, workflow: str, target: str, problems: Iterable[str]) -> None:
        self.problems = tuple(problems)
        lines = "".join(f"\n  - {problem}" for problem in self.problems)
        super().__init__(f"workflow '{workflow}' is beyond the limits of {target}:{lines}")


class EngineUnreachableError(EngineError):
    """An engine did not answer."""


def near(name: str, known: Iterable[str], what: str = "") -> str:
    """A sentence that offers the nearest known name, or lists the known ones.

    >>> near("trian", ["train", "split"])
    "did you mean 'train'?"
    >>> near("zzz", ["train", "split"], "steps")
    'known steps: split, train'
    """
    names = sorted(set(known))
    close = difflib.get_close_matches(name, names, n=1)
    if close:
        return f"did you mean '{close[0]}'?"
    if not names or not what:
        return ""
    shown = ", ".join(names[:10]) + (", …" if len(names) > 10 else "")
    return f"known {what}: {shown}"
