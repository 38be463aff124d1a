"""Control flow: branches, maps, loops, groups and exit handlers."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from types import TracebackType
from typing import Any

from couler.core.dsl import context
from couler.core.dsl.annotations import describe
from couler.core.dsl.builder import ScopeBuilder, element_type, type_of
from couler.core.dsl.conditions import ConditionExpression, as_condition
from couler.core.dsl.draft import Draft
from couler.core.dsl.expr import Expression, Output
from couler.core.dsl.location import caller
from couler.core.dsl.steps import Each, StepFunction, check_list, check_raw, new_step, receiving_frame
from couler.core.errors import DefinitionError, near
from couler.core.ir import model as ir

# --- branches --------------------------------------------------------------------------------------------------


class Branch:
    """Steps declared inside run only when the condition holds. ``otherwise()`` gives the opposite branch."""

    def __init__(self, condition: ConditionExpression, is_opposite: bool = False) -> None:
        self.condition = condition
        self._is_opposite = is_opposite
        self._entered: Any = None

    def __enter__(self) -> Branch:
        frame = receiving_frame()
        self._entered = context.changed(frame, conditions=(*frame.conditions, self.condition))
        self._entered.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._entered.__exit__(kind, error, trace)
        frame = receiving_frame()
        frame.scope.last_branch = None if self._is_opposite else (frame, self)

    def otherwise(self) -> Branch:
        """The branch for the case that the condition does not hold."""
        return Branch(~self.condition, is_opposite=True)


def when(condition: Any, function: Callable[[], Any] | None = None) -> Any:
    """Run steps only if a condition over values holds.

    Args:
        condition: Such as ``accuracy > 0.9``; combine with ``&``, ``|`` and ``~``.
        function: Declares the steps; without it, use the call in a ``with`` statement.

    Returns:
        What ``function`` returns, or a context manager.

    Raises:
        DefinitionError: It is not a condition.

    >>> # with couler.when(accuracy > 0.9):
    >>> #     publish(model)
    """
    branch = Branch(as_condition(condition))
    if function is None:
        return branch
    with branch:
        return function()


def otherwise(function: Callable[[], Any] | None = None) -> Any:
    """The steps for the case that the condition of the ``when`` just before does not hold."""
    frame = receiving_frame()
    before, branch = frame.scope.last_branch or (None, None)
    same_block = before is not None and (before.conditions, before.exit_event) == (frame.conditions, frame.exit_event)
    if branch is None or not same_block:
        raise DefinitionError(
            f"couler.otherwise at {caller()} follows no couler.when of the same block",
            "put it right after the `with couler.when(…)` block that it belongs to",
        )
    opposite = branch.otherwise()
    if function is None:
        return opposite
    with opposite:
        return function()


# --- exit handlers ---------------------------------------------------------------------------------------------


@contextmanager
def on_exit(event: context.ExitEvent = "always") -> Iterator[None]:
    """Steps declared inside run after everything else: always, on ``"success"`` or on ``"failure"``.

    They can read `run_status`, `failed_steps` and any output that exists.

    Raises:
        DefinitionError: It stands inside a map, a loop, a sub-workflow or a branch, or the event is unknown.

    >>> # with couler.on_exit("failure"):
    >>> #     notify(couler.failed_steps())
    """
    frame = receiving_frame()
    if event not in ("always", "success", "failure"):
        raise DefinitionError(f"unknown event {event!r}", near(str(event), ("always", "success", "failure"), "events"))
    if frame.scope.parent is not None or frame.conditions or frame.exit_event:
        raise DefinitionError(
            f"couler.on_exit at {caller()} stands inside another block", "exit handlers belong to the whole workflow"
        )
    with context.changed(frame, exit_event=event):
        yield


def run_status() -> Any:
    """In an exit handler: ``"succeeded"``, ``"failed"`` or ``"cancelled"``."""
    return Expression(ir.RunRef(field="status"), "str", None)


def failed_steps() -> Any:
    """In an exit handler: the declared steps that failed, such as ``search/train``, in order of declaration."""
    return Expression(ir.RunRef(field="failed_steps"), "list[str]", None)


def run_id() -> Any:
    """The identity of the run."""
    return Expression(ir.RunRef(field="id"), "str", None)


def workflow_name() -> Any:
    """The name of the workflow."""
    return Expression(ir.RunRef(field="name"), "str", None)


# --- groups ----------------------------------------------------------------------------------------------------


def group_step(
    function: Callable[..., Any],
    base_name: str,
    bound: Mapping[str, tuple[Any, str]],
    passed: Mapping[str, Any],
    declared: Iterable[ir.Parameter] = (),
) -> Draft:
    """A step whose body is what ``function`` declares.

    Args:
        function: Called once, with references to the group's parameters.
        base_name: Name of the step.
        bound: Group parameter to the raw value that it gets, and its type.
        passed: Arguments that are handed to the function as they are.
        declared: Further group parameters, with defaults.
    """
    frame = receiving_frame()
    body = ScopeBuilder(frame.scope, label=f"the body of '{base_name}' ({caller()})")
    references = {parameter.name: body.add_parameter(parameter) for parameter in declared}
    for name, (_, type_) in bound.items():
        references[name] = body.add_parameter(body.parameters.get(name) or ir.Parameter(name=name, type=type_))
    with body.inside():
        body.set_outputs(function(**references, **passed))
    outputs = {name: ir.Output(name=name, type=type_of(raw)) for name, raw in body.outputs.items()}
    inputs = [(name, raw, body.parameters[name].type, "") for name, (raw, _) in bound.items()]
    return new_step(base_name, lambda adopt_all, given: body.finish_group(), inputs=inputs, outputs=outputs, body=body)


def _first_output(draft: Draft) -> Output[Any]:
    return Output(draft, next(iter(draft.outputs), "result"))


def _name_of(function: Any, word: str) -> str:
    name = getattr(function, "__name__", word)
    return word if name == "<lambda>" else name


def _by_keyword(function: Any, values: tuple[Any, ...], named: Mapping[str, Any], what: str) -> dict[str, Any]:
    """Arguments by name, for a function that is not a step."""
    target = getattr(function, "__couler_function__", function)
    try:
        bound = inspect.signature(target).bind(*values, **named)
    except TypeError as error:
        raise DefinitionError(f"{what}: {error}") from None
    if any(parameter.kind in _GATHERING for parameter in bound.signature.parameters.values()):
        raise DefinitionError(
            f"{what} takes *args or **kwargs, and what is mapped or looped over has names", "list the parameters"
        )
    return dict(bound.arguments)


_GATHERING = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD, inspect.Parameter.POSITIONAL_ONLY)


def map(function: Callable[..., Any], *lists: Any, parallelism: int | None = None, **fixed: Any) -> Any:
    """Run a step, a workflow or a function that declares steps, once per item.

    Args:
        function: Its first parameters get the items.
        lists: Lists, or references to lists; several are taken in step.
        parallelism: At most so many items at a time.
        fixed: Arguments that are the same for every item.

    Returns:
        The gathered results, a list in the order of the items.

    >>> # scores = couler.map(lambda rate: evaluate(train(rate)), [0.1, 0.2])
    """
    if isinstance(function, StepFunction):
        return function.map(*lists, parallelism=parallelism, **fixed)
    what = describe(function, "map over")
    given = _by_keyword(function, tuple(Each(values) for values in lists), fixed, what)
    mapped = {name: check_list(item.values, what) for name, item in given.items() if isinstance(item, Each)}
    if not mapped:
        raise DefinitionError(f"{what}: map needs a list", "couler.map(function, [1, 2, 3])")
    items = {
        name: (Expression(ir.ItemRef(name=name), element_type(type_of(values)), None), element_type(type_of(values)))
        for name, values in mapped.items()
    }
    rest = {name: item for name, item in given.items() if name not in mapped}
    draft = collapsed(
        group_step(function, _name_of(function, "map"), items, rest, _declared_parameters(function, rest)), set(items)
    )
    draft.lists = mapped
    if parallelism is not None:
        draft.change({"parallelism": parallelism})
    return _first_output(draft)


def _declared_parameters(function: Any, passed: Mapping[str, Any]) -> tuple[ir.Parameter, ...]:
    """Parameters that a workflow function declares itself, less those that are passed as they are."""
    declared = getattr(function, "parameters", ())
    return tuple(parameter for parameter in declared if parameter.name not in passed)


def collapsed(draft: Draft, items: Collection[str] = ()) -> Draft:
    """The single step of a group in place of the group, where that means the same."""
    body = draft.body
    if body is None or len(body.drafts) != 1 or set(body.parameters) - set(items):
        return draft
    inner = body.drafts[0]
    returned = body.outputs.get("result")
    plain = inner.lists is None and inner.iteration is None and not inner.conditions and inner.body is None
    same = not body.outputs or (
        len(body.outputs) == 1
        and isinstance(returned, Output)
        and returned._draft is inner
        and returned._output == next(iter(inner.outputs), "result")
        and not returned._path
        and returned._default is None
    )
    if not (plain and same) or inner.order or inner.after_condition is not None:
        return draft
    scope = draft.scope
    body.merged_into = scope
    inner.scope = scope
    inner.conditions, inner.exit_event = draft.conditions, draft.exit_event
    scope.replace(draft, inner)
    return inner


class LoopOutput(Expression):
    """In the condition of a loop: an output of the round that just ended."""

    __slots__ = ("_names",)

    def __init__(self, output: str, names: Iterable[str]) -> None:
        super().__init__(ir.LoopOutputRef(output=output), "any", None)
        self._names = tuple(names)

    def _label(self) -> str:
        return "loop output"

    def __getattr__(self, name: str) -> Expression:
        if name.startswith("_"):
            raise AttributeError(name)
        if name not in self._names:
            raise AttributeError(f"the loop's body has no output '{name}'; {near(name, self._names, 'outputs')}")
        return LoopOutput(name, self._names)


def loop(
    function: Callable[..., Any],
    *args: Any,
    max_iterations: int,
    while_: Callable[[Any], Any] | None = None,
    until: Callable[[Any], Any] | None = None,
    carry: Mapping[str, str] | None = None,
    **kwargs: Any,
) -> Any:
    """Do-while: run a step, a workflow or a function that declares steps, again and again.

    Args:
        function: The body.
        args: Its arguments in the first round.
        max_iterations: The step fails when the condition still asks for another round after so many.
        while_: From the outputs of a round to the condition for another one.
        until: As ``while_``, but the condition to stop.
        carry: Parameter of the body to the output of the last round that it gets from the second round on.
        kwargs: Arguments of the first round by name.

    Returns:
        The outputs of the last round.

    Raises:
        DefinitionError: Neither or both of ``while_`` and ``until`` are given, or the body cannot be used.

    >>> # model = couler.loop(improve, start, until=lambda out: out.loss < 0.1, max_iterations=20, carry={"model":
    "model"})
    """
    what = describe(function, "loop over")
    if (while_ is None) == (until is None):
        raise DefinitionError(f"{what} needs either while_= or until=", "until=lambda result: result > 0.9")
    if not isinstance(max_iterations, int) or isinstance(max_iterations, bool) or max_iterations < 1:
        raise DefinitionError(f"{what}: max_iterations must be a positive number, not {max_iterations!r}")
    draft = _loop_draft(function, args, kwargs, what)
    ask = while_ or until
    assert ask is not None
    condition = as_condition(ask(LoopOutput(next(iter(draft.outputs), "result"), draft.outputs)))
    draft.iteration = (condition if while_ is not None else ~condition, max_iterations)
    draft.carry = dict(carry or {})
    return _first_output(draft)


def _loop_draft(function: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any], what: str) -> Draft:
    if isinstance(function, StepFunction):
        return function(*args, **kwargs)._draft if context.current() else _in_new_workflow(function, args, kwargs)
    given = _by_keyword(function, args, kwargs, what)
    bound = {name: (check_raw(raw, f"{what}: '{name}'"), type_of(raw)) for name, raw in given.items()}
    draft = group_step(function, _name_of(function, "loop"), bound, {}, _declared_parameters(function, {}))
    return collapsed(draft)


def _in_new_workflow(function: StepFunction[Any, Any], args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Draft:
    receiving_frame()
    draft: Draft = function(*args, **kwargs)._draft
    return draft


def concurrent(functions: Iterable[Callable[[], Any]], subtasks: bool = False) -> list[Any]:
    """Declare steps that run side by side.

    Args:
        functions: Each declares steps.
        subtasks: Make each of them a group of its own.

    Returns:
        What each function returned, in order.

    >>> # results = couler.concurrent([lambda: train_forest(data), lambda: train_svm(data)])
    """
    frame = receiving_frame()
    results = []
    if not isinstance(functions, Iterable):
        raise DefinitionError(
            f"couler.concurrent needs a list of functions, not {functions!r}", "[lambda: train(data)]"
        )
    for function in functions:
        if not callable(function):
            raise DefinitionError(
                f"couler.concurrent needs functions, and {function!r} is none", "[lambda: train(data)]"
            )
        if subtasks:
            results.append(_first_output(group_step(function, _name_of(function, "concurrent"), {}, {})))
        else:
            with context.entered(frame):
                results.append(function())
    return results
