"""Upstream's control flow: comparisons, `when`, `concurrent`, `map` and `exec_while`."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from couler.core.dsl import flow
from couler.core.dsl.conditions import Comparison, Deferred, plain
from couler.core.dsl.draft import Draft
from couler.core.errors import DefinitionError
from couler.core.ir import model as ir
from couler.core.templates.output import Output, OutputScript, outputs_in
from couler.core.upstream.differences import refusal
from couler.core.upstream.pods import dress
from couler.core.upstream.state import Line, argo_safe_name, current_scope, of_pods, of_scope, placed, placing

# --- comparisons ------------------------------------------------------------------------------------------------

_NOTHING = object()


@dataclass(frozen=True, slots=True, eq=False)
class Predicate:
    """Two sides compared; without ``post`` the other side is what a loop returns."""

    pre: Any
    operator: ir.CompareOperator
    post: Any = _NOTHING

    def comparison(self) -> Comparison:
        """The condition of this package.

        Raises:
            DefinitionError: A side is missing.
        """
        return Comparison(self.operator, *self.sides())

    def sides(self) -> tuple[Any, Any]:
        """References and plain values; what is compared with a number becomes a number.

        Raises:
            DefinitionError: A side is missing.
        """
        if self.post is _NOTHING or self.pre is None:
            raise DefinitionError("a comparison has one side only, which is for exec_while", 'equal(output, "heads")')
        left, right = self._side(self.pre), self._side(self.post)
        if self._is_about_numbers(left, right):
            left, right = _number(left), _number(right)
        return _referred(left), _referred(right)

    @staticmethod
    def _side(value: Any) -> Any:
        if isinstance(value, (list, tuple)):
            value = value[0] if value else ""  # upstream compares the first output
        if isinstance(value, (Output, Deferred)):
            return value
        return str(value) if isinstance(value, bool) else plain(value, "a comparison")

    def _is_about_numbers(self, left: Any, right: Any) -> bool:
        plain_sides = [side for side in (left, right) if not isinstance(side, (Output, Deferred))]
        if self.operator in ("==", "!="):
            return any(isinstance(side, (int, float)) for side in plain_sides)
        return all(_as_number(side) is not None for side in plain_sides)


def _as_number(value: Any) -> int | float | None:
    if isinstance(value, (int, float)):
        return value
    for kind in (int, float):
        try:
            return kind(value)
        except (TypeError, ValueError):
            continue
    return None


def _number(side: Any) -> Any:
    if isinstance(side, Output):
        declared = side.draft.outputs.get(side.name)
        if declared is not None and declared.type == "str":
            side.draft.outputs = {**side.draft.outputs, side.name: declared.model_copy(update={"type": "float"})}
        return side
    number = _as_number(side)
    return side if number is None else number


def _referred(side: Any) -> Any:
    return side.reference if isinstance(side, Output) else side


def _predicate(pre: Any, operator: ir.CompareOperator, post: Any) -> Predicate:
    left = pre() if callable(pre) and not isinstance(pre, Deferred) else pre
    right = post() if callable(post) and not isinstance(post, Deferred) else post
    return Predicate(left, operator, _NOTHING if right is None else right)


def equal(pre: Any, post: Any = None) -> Predicate:
    """``pre == post``, where a side is a value, an output, or a function that declares a step."""
    return _predicate(pre, "==", post)


def not_equal(pre: Any, post: Any = None) -> Predicate:
    """``pre != post``; as `equal`."""
    return _predicate(pre, "!=", post)


def bigger(pre: Any, post: Any = None) -> Predicate:
    """``pre > post``; as `equal`."""
    return _predicate(pre, ">", post)


def smaller(pre: Any, post: Any = None) -> Predicate:
    """``pre < post``; as `equal`."""
    return _predicate(pre, "<", post)


def bigger_equal(pre: Any, post: Any = None) -> Predicate:
    """``pre >= post``; as `equal`."""
    return _predicate(pre, ">=", post)


def smaller_equal(pre: Any, post: Any = None) -> Predicate:
    """``pre <= post``; as `equal`."""
    return _predicate(pre, "<=", post)


# --- branches and what runs side by side ------------------------------------------------------------------------


def when(condition: Predicate, function: Callable[[], Any]) -> Any:
    """Run what ``function`` declares only if the comparison holds.

    Branches over the same output run side by side.

    Raises:
        DefinitionError: There is no comparison, or no function.

    >>> # couler.when(couler.equal(result, "heads"), lambda: heads())
    """
    if not isinstance(condition, Predicate):
        raise DefinitionError(f"couler.when needs a comparison, not {condition!r}", 'couler.equal(result, "heads")')
    needs_function("when", function)
    comparison = condition.comparison()
    place = placing()
    first = next(iter(outputs_in(condition.pre)), None)
    key = ("when", id(first.draft), first.name) if first is not None else object()
    line = place.line
    if of_scope(place.scope).dag and line is of_scope(place.scope).line:
        line = Line()  # in a DAG, a branch waits for nothing but what it compares
    with placed(line=line, key=key):
        return flow.when(comparison, function)


def concurrent(function_list: Sequence[Callable[[], Any]], subtasks: bool = False) -> list[Any]:
    """Run what several functions declare side by side.

    Args:
        function_list: Each declares steps.
        subtasks: The steps of each function run one after the other, in a group.

    Returns:
        What each function returned.

    Raises:
        DefinitionError: It is no list of functions.
    """
    if not isinstance(function_list, (list, tuple)):
        raise DefinitionError(f"couler.concurrent needs a list of functions, not {function_list!r}", "[train, test]")
    for function in function_list:
        needs_function("concurrent", function)
    with placed(key=object()):
        return [_group(function, "concurrent-task") if subtasks else function() for function in function_list]


def _group(function: Callable[[], Any], word: str) -> list[Output]:
    body = Body(function, word)
    return placed_outputs(flow.group_step(body.call, body.name, {}, {}), body)


# --- repetition -------------------------------------------------------------------------------------------------


def map(function: Callable[..., Any], *arguments: Any) -> list[Output]:
    """Run what ``function`` declares once per item; several lists are taken in step.

    Returns:
        The outputs, each a list in the order of the items.

    Raises:
        DefinitionError: There is no function or no list, or the lists differ in length.

    >>> # couler.map(lambda name: train(name), ["svm", "forest"])
    """
    needs_function("map", function)
    if not arguments:
        raise DefinitionError("couler.map needs a list", 'couler.map(train, ["svm", "forest"])')
    lists = [list(item) if isinstance(item, (list, tuple)) else [item] for item in arguments]
    if len({len(items) for items in lists}) > 1:
        raise refusal("map-lengths", f"couler.map over lists of {', '.join(str(len(items)) for items in lists)} items")
    try:
        return _mapped(function, lists)
    except _NeedsItems:
        return _unrolled(function, lists)


class _NeedsItems(Exception):  # noqa: N818 - it is no error: the function wants to see the items
    pass


def _mapped(function: Callable[..., Any], lists: list[list[Any]]) -> list[Output]:
    body = Body(function, "map", _names_of(function, len(lists)))
    scope = current_scope()
    try:
        reference = flow.map(body.call, *lists)
    except Exception:
        if body.is_running:  # the user's function wants text or numbers, and got references
            raise _NeedsItems from None
        raise
    if body.has_job:  # a manifest is fixed text
        scope.forget([reference._draft])
        raise _NeedsItems
    return placed_outputs(reference._draft, body)


def _unrolled(function: Callable[..., Any], lists: list[list[Any]]) -> list[Output]:
    """One call per item, side by side: for functions that use the items as Python values, and for jobs."""
    key, found = object(), []
    for items in zip(*lists, strict=True):
        with placed(key=key, item=str(items[0])):
            found += outputs_in(function(*items))
    return found


def _names_of(function: Callable[..., Any], count: int) -> list[str]:
    """Names of the parameters that get the items."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        parameters = ()  # type: ignore[assignment]
    plain_kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    names = [parameter.name for parameter in parameters if parameter.kind in plain_kinds]
    return [names[index] if index < len(names) else f"item_{index + 1}" for index in range(count)]


def exec_while(condition: Predicate, inner_while: Callable[[], Any], max_iterations: int = 100) -> list[Output]:
    """Run what ``inner_while`` declares, again while its first output satisfies the comparison.

    Args:
        condition: With one side, such as ``couler.equal("tails")``.
        inner_while: Declares the body, and returns what is compared.
        max_iterations: The step fails when the comparison still holds after so many rounds.

    Returns:
        The outputs of the last round.

    Raises:
        DefinitionError: The comparison has two sides, or the body returns nothing.
    """
    if not isinstance(condition, Predicate) or condition.post is not _NOTHING:
        raise DefinitionError("couler.exec_while needs a comparison with one side", 'couler.equal("tails")')
    needs_function("exec_while", inner_while)
    body = Body(inner_while, "exec-while", compared_by=condition)
    reference = flow.loop(
        body.call,
        while_=lambda result: Comparison(condition.operator, result, body.other_side),
        max_iterations=max_iterations,
    )
    return placed_outputs(reference._draft, body)


# --- bodies -----------------------------------------------------------------------------------------------------


class Body:
    """A user's function as the body of a group: gives its outputs to the group, and remembers what they were.

    Attributes:
        call: The function for this package's own verbs.
        name: Name of the group.
        returned: Outputs that the user's function returned.
        is_running: Whether the user's function is still running, or ended in an error.
        has_job: Whether it declared a Kubernetes object.
        other_side: In a loop, what the first output is compared with.
    """

    def __init__(
        self,
        function: Callable[..., Any],
        word: str,
        names: Sequence[str] = (),
        compared_by: Predicate | None = None,
    ) -> None:
        name = argo_safe_name(getattr(function, "__name__", "") or "")
        self.name = word if name in ("", "lambda") else name
        self.returned: list[Output] = []
        self.is_running = False
        self.has_job = False
        self.other_side: Any = None

        def call(**items: Any) -> Any:
            self.is_running = True
            self.returned = outputs_in(function(*items.values()))
            self.is_running = False
            return self._exported(compared_by)

        call.__name__ = self.name
        kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
        call.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
            [inspect.Parameter(name, kind) for name in names]
        )
        self.call = call

    def _exported(self, compared_by: Predicate | None) -> Any:
        scope = current_scope()
        self.has_job = any(not draft.outputs and draft.known_outputs for draft in scope.drafts)
        if compared_by is not None:
            self._compare(compared_by)
        if not self.returned:
            return None
        if len(self.returned) == 1 or len(scope.drafts) == 1:
            return self.returned[0].reference
        return dict(zip(self._names(), (output.reference for output in self.returned), strict=True))

    def _compare(self, condition: Predicate) -> None:
        if not self.returned:
            raise DefinitionError(
                f"the body of couler.exec_while, '{self.name}', returns no output", "return what run_script returned"
            )
        _, self.other_side = replace(condition, pre=self.returned[0], post=condition.pre).sides()

    def _names(self) -> list[str]:
        names: list[str] = []
        for output in self.returned:
            name, number = output.name, 2
            while name in names:
                name, number = f"{output.name}_{number}", number + 1
            names.append(name)
        return names

    def outputs(self, draft: Draft) -> list[Output]:
        """What the user's function returned, as outputs of the step that it became."""
        if draft.body is None:
            return [type(output)(draft, output.name) for output in self.returned]
        kinds = [type(output) for output in self.returned]
        if len(draft.outputs) != len(kinds):
            kinds = kinds[:1]
        return [kind(draft, name) for kind, name in zip(kinds, draft.outputs, strict=False)]


def placed_outputs(draft: Draft, body: Body) -> list[Output]:
    """Put a group at its place in the order; returns its outputs."""
    place = placing()
    place.line.place(draft, place.key)
    if draft.body is None:
        dress(draft, None, of_pods(place.scope))
    found = body.outputs(draft)
    of_scope(place.scope).outputs[draft.given_name or draft.base_name] = found or [OutputScript(draft)]
    return found


def needs_function(verb: str, function: Any) -> None:
    """Raise DefinitionError for what cannot be called."""
    if not callable(function):
        raise DefinitionError(f"couler.{verb} needs a function, not {function!r}", "lambda: train()")
