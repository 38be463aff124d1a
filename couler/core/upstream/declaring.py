"""Putting a step of upstream's interface into the workflow: its name, its place in the order, and what it returns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from couler.core.dsl import context
from couler.core.dsl.builder import ScopeBuilder
from couler.core.dsl.draft import Draft, TaskMaker
from couler.core.dsl.expr import Expression
from couler.core.dsl.steps import new_step, receiving_frame
from couler.core.errors import DefinitionError
from couler.core.ir import model as ir
from couler.core.templates.output import Output, OutputArtifact, OutputParameter
from couler.core.upstream.differences import refusal
from couler.core.upstream.pods import dress
from couler.core.upstream.state import function_name, of_pods, of_scope, placing


def declare(
    base: str,
    step_name: str | None,
    make_task: TaskMaker,
    definition: Mapping[str, Any],
    *,
    inputs: Sequence[tuple[str, Any, str, str]] = (),
    outputs: Sequence[ir.Output] = (),
    step_options: Mapping[str, Any],
    volume_mounts: Any = None,
) -> Draft:
    """A step at its place in the order; in a DAG, the step that was declared before by the same name.

    Args:
        base: Name of the step when nothing names it.
        step_name: Name that the program gives.
        make_task: Makes the task when the workflow is built.
        definition: What the program said, to tell two declarations of one name apart.
        inputs: Files that appear in the step.
        outputs: What it writes and prints.
        step_options: Attributes of the step.
        volume_mounts: Volumes as the program gives them.

    Raises:
        DefinitionError: A name of the DAG stands for something else already.
    """
    place = placing()
    scope = place.scope
    name = _name_in_dag(scope, step_name, definition) if not place.item else None
    known = scope.find_given(name)
    with context.changed(receiving_frame(), reuse=known not in scope.stale):
        draft = new_step(
            step_name or base, make_task, name=name, inputs=inputs, outputs={item.name: item for item in outputs},
            step_options=step_options,
        )  # fmt: skip
    if name is not None:
        scope.given[name] = draft
    place.line.place(draft, place.key)
    dress(draft, volume_mounts, of_pods(scope))
    return draft


def _name_in_dag(scope: ScopeBuilder, step_name: str | None, definition: Mapping[str, Any]) -> str | None:
    """The name that stands for one step; None outside of a DAG, and for a step that nothing names."""
    state = of_scope(scope)
    name = step_name or function_name(or_file=False)
    if not state.dag or not name:
        return None
    declared, known = _fingerprint(definition), scope.find_given(name)
    if known is None or known in scope.stale or state.definitions.get(name, declared) == declared:
        state.definitions[name] = declared
        return name
    if step_name is not None:
        raise refusal("same-name", known.describe())
    return None


def _fingerprint(value: Any) -> object:
    """Equal for two declarations that say the same."""
    match value:
        case Mapping():
            return tuple((key, _fingerprint(item)) for key, item in value.items())
        case list() | tuple():
            return tuple(_fingerprint(item) for item in value)
        case Output():
            return (id(value.draft), value.name)
        case Expression():
            return value._key()
        case _ if callable(value) and hasattr(value, "__code__"):
            code = value.__code__
            return (code.co_filename, code.co_firstlineno, code.co_qualname)
        case _:
            return repr(value)


def called(step_name: str | None, base: str) -> str:
    """How messages call a step."""
    if step_name is not None and not isinstance(step_name, str):
        raise DefinitionError(f"step_name is {step_name!r}, and no text", 'step_name="train"')
    return f"step '{step_name or base}'"


def returned(draft: Draft, found: list[Output]) -> list[Output]:
    """The outputs that the program gets, remembered for `get_step_output`."""
    state = of_scope(draft.scope)
    state.outputs[draft.given_name or draft.base_name] = found
    return found


def written(draft: Draft, declared: Sequence[ir.Output]) -> list[Output]:
    """The declared outputs of a step, as programs get them."""
    return [
        (OutputArtifact if item.type in ("file", "folder") else OutputParameter)(draft, item.name) for item in declared
    ]


def get_step_output(step_name: str) -> list[Output] | None:
    """What the declaration of a step returned, by the name of the step; None for an unknown one."""
    return of_scope(placing().scope).outputs.get(step_name)
