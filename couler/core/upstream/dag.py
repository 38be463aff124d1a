"""Upstream's explicit graphs and exit handlers: `dag`, `set_dependencies` and `set_exit_handler`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from couler.core.dsl import flow, status_text
from couler.core.dsl.builder import ScopeBuilder
from couler.core.dsl.conditions import Combination, ConditionExpression, Negation
from couler.core.dsl.context import ExitEvent
from couler.core.dsl.status_text import NamedStatus
from couler.core.errors import DefinitionError, near
from couler.core.templates.output import (
    Output,
    OutputArtifact,
    OutputJob,
    OutputParameter,
    outputs_in,
)
from couler.core.upstream.constants import WFStatus
from couler.core.upstream.differences import notice
from couler.core.upstream.flow import Body, needs_function
from couler.core.upstream.state import Line, current_scope, of_pods, of_scope, placed

_HANDED = (OutputArtifact, OutputParameter, OutputJob)


def dag(dependency_graph: Sequence[Any]) -> None:
    """Declare a DAG by chains: in ``[a, b]`` the step of b runs after that of a. A name is one step everywhere.

    Raises:
        DefinitionError: It is no list of lists of functions.

    >>> # couler.dag([[lambda: job("A")], [lambda: job("A"), lambda: job("B")]])
    """
    if not isinstance(dependency_graph, (list, tuple)):
        raise DefinitionError(f"couler.dag needs a list of lists, not {dependency_graph!r}", "[[a], [a, b]]")
    scope = current_scope()
    state = of_scope(scope)
    state.dag = True
    for chain in dependency_graph:
        if not isinstance(chain, (list, tuple)):
            raise DefinitionError(f"couler.dag needs a list of lists, and {chain!r} is no list", "[[a], [a, b]]")
        line = Line()
        for function in chain:
            needs_function("dag", function)
            with placed(line=line, key=None, handed=()):
                function()
        if line.stages:
            state.line.note(line.stages[-1])


def set_dependencies(step_function: Callable[[], Any], dependencies: Any = None) -> Any:
    """Declare steps and what they run after.

    Args:
        step_function: Declares the steps; they run one after the other.
        dependencies: Names of steps, whose declared outputs become arguments, or an expression over statuses such as
            ``"A && (B.Failed || C)"``.

    Returns:
        What ``step_function`` returns.

    Raises:
        DefinitionError: The dependencies are neither, or no step is declared.
    """
    needs_function("set_dependencies", step_function)
    scope = current_scope()
    state = of_scope(scope)
    state.dag = True
    if dependencies is not None and not isinstance(dependencies, (list, tuple, str)):
        raise DefinitionError(
            f"couler.set_dependencies: {dependencies!r} is neither a list of names nor text",
            '["A", "B"] or "A && B.Failed"',
        )
    line = _from_text(scope, dependencies) if isinstance(dependencies, str) else _from_names(scope, dependencies or ())
    handed = () if isinstance(dependencies, str) else tuple(_outputs_of(scope, dependencies or ()))
    with placed(line=line, key=None, handed=handed):
        returned = step_function()
    if not line.stages:
        raise DefinitionError(
            f"couler.set_dependencies: {step_function!r} declared no step", "call run_container or run_script in it"
        )
    state.line.note(line.stages[-1])
    return returned


def _names(dependencies: Sequence[Any]) -> list[str]:
    names: list[str] = []
    for item in dependencies:
        if isinstance(item, str):
            names.append(item)
        elif found := outputs_in(item):
            names.append(found[0].draft.name)
        else:
            raise DefinitionError(f"couler.set_dependencies: {item!r} is no name of a step", '["A", "B"]')
    return names


def _outputs_of(scope: ScopeBuilder, dependencies: Sequence[Any]) -> Iterator[Output]:
    for name in _names(dependencies):
        yield from (output for output in of_scope(scope).outputs.get(name, ()) if isinstance(output, _HANDED))


def _from_names(scope: ScopeBuilder, dependencies: Sequence[Any]) -> Line:
    """Plain names; one that a status expression may leave out must have succeeded, as Argo leaves out what follows."""
    before: list[str] = []
    condition: ConditionExpression | None = None
    for name in _names(dependencies):
        if _may_be_left_out(scope, name):
            succeeded = NamedStatus(name, "succeeded")
            condition = succeeded if condition is None else condition & succeeded
        else:
            before.append(name)
    return Line(before, condition)


def _from_text(scope: ScopeBuilder, text: str) -> Line:
    condition = status_text.parse(text)
    names = status_text.plain_names(condition)
    if names is not None:
        return _from_names(scope, names)
    scope.tolerated.update(status_text.names_with_failure(condition))
    if not scope.tolerated.issuperset(_named(condition)) and _may_hold_after_failure(condition):
        scope.root.settings["on_failure"] = "continue"
    return Line((), _strict(scope, condition))


def _may_be_left_out(scope: ScopeBuilder, name: str) -> bool:
    known = scope.find_given(name)
    return known is not None and known.after_condition is not None


def _strict(scope: ScopeBuilder, condition: ConditionExpression) -> ConditionExpression:
    match condition:
        case NamedStatus(status=None) if _may_be_left_out(scope, condition.name):
            return NamedStatus(condition.name, "succeeded")
        case Combination():
            return Combination(condition.kind, tuple(_strict(scope, part) for part in condition.parts))
        case Negation():
            return ~_strict(scope, condition.part)
        case _:
            return condition


def _named(condition: ConditionExpression) -> Iterator[str]:
    match condition:
        case NamedStatus():
            yield condition.name
        case Combination():
            for part in condition.parts:
                yield from _named(part)
        case Negation():
            yield from _named(condition.part)


def _may_hold_after_failure(condition: ConditionExpression) -> bool:
    """Whether a step that is named may fail, and the condition still come true: there is an ``||`` or a ``!``."""
    match condition:
        case Combination():
            return condition.kind == "or" or any(_may_hold_after_failure(part) for part in condition.parts)
        case Negation():
            return True
        case _:
            return False


_EVENTS: dict[str, ExitEvent] = {"Succeeded": "success", "Failed": "failure", "Error": "failure"}


def set_exit_handler(status: WFStatus | str, exit_handler: Callable[[], Any]) -> list[Output]:
    """Run what ``exit_handler`` declares when the workflow has ended with a status.

    Raises:
        DefinitionError: The status is unknown, or there is no function.
    """
    needs_function("set_exit_handler", exit_handler)
    name = status.value if isinstance(status, WFStatus) else str(getattr(status, "value", status))
    if name not in _EVENTS:
        raise DefinitionError(f"unknown workflow status {status!r}", near(name, _EVENTS, "statuses"))
    handlers = of_pods(current_scope()).handlers
    other = {"Failed": "Error", "Error": "Failed"}.get(name)
    if other in handlers:
        if handlers[other] is exit_handler:
            return []
        notice("error-handler", "couler.set_exit_handler")
    body = Body(exit_handler, "exit-handler")
    with flow.on_exit(_EVENTS[name]):
        draft = flow.collapsed(flow.group_step(body.call, body.name, {}, {}))
    handlers[name] = exit_handler
    return body.outputs(draft)
