"""From any workflow to one that an engine can take: checked, lowered, or refused with all reasons at once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from couler.backends import registry
from couler.backends.base import Compiled, Declaration, Support
from couler.core import passes
from couler.core.collector import collector_paused
from couler.core.errors import EngineLimitError, MissingExtraError, Refusal, UnsupportedFeatureError
from couler.core.ir.features import FEATURES, features_after, features_of
from couler.core.ir.graph import links_remembered
from couler.core.ir.model import Workflow
from couler.core.ir.validate import check
from couler.driver.load import as_workflow


@dataclass(frozen=True, slots=True)
class Lowered:
    """A workflow that uses only what an engine has, and what was done to get there."""

    workflow: Workflow
    notes: tuple[str, ...]
    declaration: Declaration


def prepare(workflow: Workflow, target: str, options: Mapping[str, Any]) -> Lowered:
    """Validate, apply what is always applied, lower what the engine lacks, and refuse the rest.

    Raises:
        InvalidWorkflowError: Rules are broken.
        UnsupportedFeatureError: The engine cannot do what the workflow uses.
    """
    check(workflow)
    for rewrite in passes.ALWAYS:
        workflow = rewrite(workflow)
    backend, version = registry.backend(target)
    declaration = backend.declaration(version, options)
    lowered, notes, used = _lower(workflow, declaration)
    _refuse(workflow, used, declaration)
    return Lowered(lowered, notes, declaration)


Used: TypeAlias = Mapping[str, tuple[str, ...]]
"""Feature to the paths of the steps that use it."""


def _lower(workflow: Workflow, declaration: Declaration) -> tuple[Workflow, tuple[str, ...], Used]:
    """The lowered workflow, what was done to it, and the features that it uses now."""
    before, used = workflow, features_of(workflow)
    wanted = {declaration.lowered[feature] for feature in used if declaration.support(feature) == "lowered"}
    notes = []
    for name, (rewrite, note) in passes.LOWERINGS.items():
        if name in wanted:
            workflow = rewrite(workflow)
            notes.append(note)
    return workflow, tuple(notes), features_after(workflow, before, used)


def _refuse(original: Workflow, used: Used, declaration: Declaration) -> None:
    missing = [feature for feature in used if declaration.support(feature) != "native"]
    if not missing:
        return
    refusals = tuple(
        Refusal(feature, FEATURES[feature], used[feature], declaration.reasons.get(feature, ""), _able(feature))
        for feature in missing
    )
    raise UnsupportedFeatureError(original.name, declaration.target, refusals)


def _able(feature: str) -> tuple[str, ...]:
    """Engines that can do it, as they are by default."""
    return tuple(
        name for name in registry.names() if (found := _declaration(name)) and found.support(feature) != "refused"
    )


def _declaration(name: str) -> Declaration | None:
    try:
        return registry.backend(name)[0].declaration()
    except MissingExtraError:
        return None


def validate(workflow: Any = None, engine: str | None = None, **options: Any) -> Workflow:
    """Check a workflow, and whether an engine can take it.

    Args:
        workflow: Whatever `couler.run` takes.
        engine: Engine, such as ``local`` or ``argo@4.1``; None checks the workflow by itself.
        options: Settings of the engine, such as ``runtime``.

    Returns:
        The workflow as a value.

    Raises:
        InvalidWorkflowError: Rules are broken; all of them are listed.
        UnsupportedFeatureError: The engine cannot do what the workflow uses.
        EngineLimitError: The engine can do it, but the workflow is beyond its limits.
    """
    found = as_workflow(workflow)
    if engine is None:
        check(found)
        return found
    compiled = compile(found, engine, **options)
    if compiled.problems:
        raise EngineLimitError(found.name, compiled.target, compiled.problems)
    return found


def compile(workflow: Any = None, engine: str = "local", **options: Any) -> Compiled:
    """The workflow in an engine's own form.

    Args:
        workflow: Whatever `couler.run` takes.
        engine: Engine, such as ``local`` or ``argo@4.1``.
        options: Settings of the engine.

    Returns:
        Documents by file name, notes, and the lowered workflow.

    Raises:
        InvalidWorkflowError: Rules are broken.
        UnsupportedFeatureError: The engine cannot do what the workflow uses.
    """
    with collector_paused(), links_remembered():
        lowered = prepare(as_workflow(workflow), engine, options)
        backend, version = registry.backend(engine)
        made = backend.compile(lowered.workflow, version, options)
    notes = (*lowered.notes, *made.notes)
    return Compiled(lowered.declaration.target, made.documents, notes, lowered.workflow, made.problems)


@dataclass(frozen=True, slots=True)
class EngineInfo:
    """What an engine can do, for people.

    Attributes:
        features: Feature to ``native``, ``lowered`` or ``refused``.
        reasons: Refused feature to the reason.
        hint: What to do when it is not installed.
    """

    name: str
    versions: tuple[str, ...]
    features: Mapping[str, Support] = field(default_factory=dict)
    reasons: Mapping[str, str] = field(default_factory=dict)
    installed: bool = True
    hint: str = ""


def engines() -> list[EngineInfo]:
    """All engines that this installation knows, with what each can do."""
    found = []
    for name in registry.names():
        try:
            backend, _ = registry.backend(name)
        except MissingExtraError as error:
            found.append(EngineInfo(name, (), installed=False, hint=error.hint))
            continue
        declaration = backend.declaration()
        features = {feature: declaration.support(feature) for feature in FEATURES}
        found.append(EngineInfo(name, backend.versions, features, declaration.reasons))
    return found
