"""The verbs of the Couler paper (ICDE 2024, arXiv 2403.07608), over the same builder as the fluent style."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from couler.core.dsl import context, flow, status_text
from couler.core.dsl.conditions import Comparison, ConditionExpression, Hole
from couler.core.dsl.draft import Draft
from couler.core.dsl.expr import Output
from couler.core.dsl.steps import receiving_frame
from couler.core.errors import DefinitionError, near
from couler.core.ir import model as ir

_NOTHING = object()


def _compare(operator: ir.CompareOperator, pre: Any, post: Any) -> ConditionExpression:
    return Comparison(operator, Hole(), pre) if post is _NOTHING else Comparison(operator, pre, post)


def equal(pre: Any, post: Any = _NOTHING) -> ConditionExpression:
    """``pre == post``; with one argument, for `exec_while`: the output of the loop equals it."""
    return _compare("==", pre, post)


def not_equal(pre: Any, post: Any = _NOTHING) -> ConditionExpression:
    """``pre != post``; with one argument as for `equal`."""
    return _compare("!=", pre, post)


def bigger(pre: Any, post: Any = _NOTHING) -> ConditionExpression:
    """``pre > post``; with one argument as for `equal`."""
    return _compare(">", pre, post)


def smaller(pre: Any, post: Any = _NOTHING) -> ConditionExpression:
    """``pre < post``; with one argument as for `equal`."""
    return _compare("<", pre, post)


def bigger_equal(pre: Any, post: Any = _NOTHING) -> ConditionExpression:
    """``pre >= post``; with one argument as for `equal`."""
    return _compare(">=", pre, post)


def smaller_equal(pre: Any, post: Any = _NOTHING) -> ConditionExpression:
    """``pre <= post``; with one argument as for `equal`."""
    return _compare("<=", pre, post)


def exec_while(condition: ConditionExpression, inner: Callable[[], Any], max_iterations: int = 100) -> Any:
    """Run what ``inner`` declares, again while its output satisfies ``condition``: the paper's recursion.

    Args:
        condition: One-sided, such as ``couler.equal("tails")``.
        inner: Declares the body; its result is compared.
        max_iterations: The step fails when the condition still holds after so many rounds.

    Returns:
        The output of the last round.

    Raises:
        DefinitionError: The condition names both sides, so it would never change.
    """
    if not isinstance(condition, Comparison) or not isinstance(condition.left, Hole):
        raise DefinitionError(
            f"couler.exec_while compares the output of the loop, and {condition!r} compares something else",
            'couler.exec_while(couler.equal("tails"), lambda: flip())',
        )
    operator, value = condition.operator, condition.right
    return flow.loop(inner, while_=lambda result: Comparison(operator, result, value), max_iterations=max_iterations)


def _declared_by(function: Any) -> list[Draft]:
    """The steps that a function declares, or that an output belongs to."""
    if isinstance(function, Output):
        return [function._draft]
    if not callable(function):
        raise DefinitionError(f"{function!r} declares no step", "give a function such as lambda: job(name='A')")
    frame = receiving_frame()
    known = frame.scope.declared_by.get(function)
    if known is not None:
        return known
    before = len(frame.scope.touched)
    with context.changed(frame, reuse=True):
        function()
    drafts = frame.scope.touched[before:]
    if not drafts:
        raise DefinitionError(
            f"{function!r} declared no step", "call couler.run_container, couler.run_script or a step in it"
        )
    frame.scope.declared_by[function] = drafts
    return drafts


def dag(dependency_graph: Iterable[Iterable[Any]]) -> None:
    """Declare a DAG by chains: in ``[A, B]`` step B runs after step A. A given name means the same step everywhere.

    Args:
        dependency_graph: Lists of functions that each declare a step, or of outputs.

    Raises:
        DefinitionError: An entry is not a list, or declares nothing.

    >>> # couler.dag([[lambda: job("A")], [lambda: job("A"), lambda: job("B")], [lambda: job("A"), lambda: job("C")]])
    """
    for chain in dependency_graph:
        if isinstance(chain, str) or not isinstance(chain, Iterable):
            raise DefinitionError(f"couler.dag takes a list of lists, and {chain!r} is no list", "[[a], [a, b]]")
        before: list[Draft] = []
        for function in chain:
            drafts = _declared_by(function)
            for draft in drafts:
                draft.order_after(Output(earlier) for earlier in before if earlier not in draft.order)
            before = drafts


def set_dependencies(step_function: Any, dependencies: str | Iterable[Any] | None = None) -> Any:
    """Declare a step and what it depends on.

    Args:
        step_function: Declares the step.
        dependencies: Names of steps (or outputs), or a status expression such as ``"A && (B.Failed || C)"``. Steps
            whose
            failure it asks for get ``allow_failure``, since otherwise their failure ends the run.

    Returns:
        The step's output.
    """
    drafts = _declared_by(step_function)
    scope = receiving_frame().scope
    for draft in drafts:
        if isinstance(dependencies, str):
            condition = status_text.parse(dependencies)
            scope.tolerated.update(status_text.names_with_failure(condition))
            names = status_text.plain_names(condition)
            draft.order_after([condition] if names is None else names)
        elif dependencies is not None:
            draft.order_after(dependencies)
    return Output(drafts[-1], next(iter(drafts[-1].outputs), "result"))


class WFStatus:
    """Outcomes of a workflow, for `set_exit_handler`."""

    Succeeded = "Succeeded"
    Failed = "Failed"
    Error = "Error"


_EVENTS: dict[str, context.ExitEvent] = {
    "Succeeded": "success",
    "Failed": "failure",
    "Error": "failure",
    "Always": "always",
}


def set_exit_handler(status: str | None, exit_handler: Callable[[], Any]) -> Any:
    """Run what ``exit_handler`` declares when the workflow has ended with ``status`` (`WFStatus`; None for any)."""
    name = "Always" if status is None else str(status)
    if name not in _EVENTS:
        raise DefinitionError(f"unknown workflow status {status!r}", near(name, _EVENTS, "statuses"))
    with flow.on_exit(_EVENTS[name]):
        return exit_handler()
