"""Declaring steps: decorated functions, scripts, containers, jobs and pauses."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Mapping
from pathlib import PurePath
from typing import Any, Generic, ParamSpec, TypeVar, overload

from couler.core.dsl import context, notebook, options
from couler.core.dsl.annotations import REQUIRED, Argument, OutPath, Signature, describe, signature_of, type_text
from couler.core.dsl.artifacts import Artifact
from couler.core.dsl.builder import ScopeBuilder, element_type, type_of
from couler.core.dsl.conditions import AdoptAll, plain
from couler.core.dsl.draft import Draft, TaskMaker
from couler.core.dsl.expr import Expression, Output
from couler.core.dsl.source import refuse_shapes
from couler.core.errors import DefinitionError, near
from couler.core.ir import model as ir

P = ParamSpec("P")
R = TypeVar("R")


def receiving_frame() -> context.Frame:
    """The frame that receives the next step; begins an implicit workflow outside of any."""
    frame = context.current()
    if frame is None:
        frame = context.begin_implicit(ScopeBuilder(label="the workflow of this script"))
    notebook.forget_earlier_execution(frame)
    return frame


def new_step(
    base_name: str,
    make_task: TaskMaker,
    *,
    name: str | None = None,
    inputs: Iterable[tuple[str, Any, str, str]] = (),
    outputs: Mapping[str, ir.Output] | None = None,
    step_options: Mapping[str, Any] = {},
    tuple_length: int | None = None,
    body: ScopeBuilder | None = None,
) -> Draft:
    """Declare a step in the current scope."""
    scope = receiving_frame().scope
    draft = Draft(
        scope, base_name, make_task, given_name=name, inputs=inputs, outputs=outputs, step_options=step_options,
        tuple_length=tuple_length, body=body,
    )  # fmt: skip
    return scope.add(draft)


class StepFunction(Generic[P, R]):
    """A Python function that becomes a step when it is called inside a workflow, and stays callable outside of one."""

    def __init__(
        self, function: Callable[P, R], name: str | None, step_options: Mapping[str, Any], outputs: Any
    ) -> None:
        self.__couler_function__ = function
        self._what = describe(function, "step")
        self._given_name = name
        self._options = step_options
        self._declared_outputs = outputs
        functools.update_wrapper(self, function)

    @functools.cached_property
    def signature(self) -> Signature:
        """Parameters and outputs as read off the function."""
        return signature_of(self.__couler_function__, self._what)

    @functools.cached_property
    def _outputs(self) -> dict[str, ir.Output]:
        return _function_outputs(self.signature, self._declared_outputs, self._what)

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> Output[R]:
        """Declare a step, inside of a workflow; call the function, outside of one."""
        if context.current() is None and not _holds_reference(args, kwargs):
            return self.__couler_function__(*args, **kwargs)  # type: ignore[return-value]
        return Output(self._draft(self._bind(args, kwargs)), next(iter(self._outputs)))

    def map(self, *lists: Any, parallelism: int | None = None, **fixed: Any) -> Output[list[R]]:
        """Run the step once per item.

        Args:
            lists: Lists, or references to lists, for the first parameters in order; several are taken in step.
            parallelism: At most so many items at a time.
            fixed: Arguments that are the same for every item; wrap a list in `couler.each` to map over it by name.

        Returns:
            The gathered results, a list in the order of the items.

        >>> # scores = train.map(["svm", "forest"], data=data)
        """
        names = [argument.name for argument in self.signature.inputs]
        if len(lists) > len(names):
            raise DefinitionError(f"{self._what} takes {len(names)} inputs, and map was given {len(lists)} lists")
        given: dict[str, Any] = {name: Each(values) for name, values in zip(names, lists, strict=False)}
        if clash := sorted(set(given) & set(fixed)):
            raise DefinitionError(f"{self._what}: map got '{clash[0]}' twice")
        given.update(fixed)
        mapped = {name: item.values for name, item in given.items() if isinstance(item, Each)}
        if not mapped:
            raise DefinitionError(
                f"{self._what}: map needs a list", "step.map([1, 2, 3]) or step.map(x=couler.each(values))"
            )
        draft = self._draft(self._bind((), given))
        draft.lists = {name: check_list(values, f"{self._what}: map over '{name}'") for name, values in mapped.items()}
        if parallelism is not None:
            draft.change({"parallelism": parallelism})
        return Output(draft, next(iter(self._outputs)))

    def named(self, name: str) -> StepFunction[P, R]:
        """The same step with a given name; the name must then be unique."""
        return StepFunction(self.__couler_function__, name, self._options, self._declared_outputs)

    def with_(self, **changes: Any) -> StepFunction[P, R]:
        """The same step with other attributes."""
        merged = options.changed(self._options, changes, self._what)
        return StepFunction(self.__couler_function__, self._given_name, merged, self._declared_outputs)

    def __get__(self, instance: Any, owner: Any) -> Any:
        if instance is not None:
            raise DefinitionError(
                f"{self._what} is a method, and an object cannot travel with the step", "use a function"
            )
        return self

    def __repr__(self) -> str:
        return f"<{self._what}>"

    def _bind(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> list[tuple[str, Any, str, str]]:
        arguments = {argument.name: argument for argument in self.signature.inputs}
        if len(args) > len(arguments):
            raise DefinitionError(f"{self._what} takes {len(arguments)} inputs, and {len(args)} were given")
        given = dict(zip(arguments, args, strict=False))
        for name, raw in kwargs.items():
            if any(argument.name == name for argument in self.signature.arguments if argument.writes):
                raise DefinitionError(
                    f"{self._what}: '{name}' is a file that the step writes; it gets no value",
                    f"read it as the output .{name} of what the call returns",
                )
            if name not in arguments:
                raise DefinitionError(f"{self._what} has no parameter '{name}'", near(name, arguments, "parameters"))
            if name in given:
                raise DefinitionError(f"{self._what}: parameter '{name}' is given twice")
            given[name] = raw
        missing = [name for name, argument in arguments.items() if name not in given and argument.default is REQUIRED]
        if missing:
            raise DefinitionError(f"{self._what} needs a value for: {', '.join(missing)}")
        return [self._input(arguments[name], raw) for name, raw in given.items()]

    def _input(self, argument: Argument, raw: Any) -> tuple[str, Any, str, str]:
        if isinstance(raw, Each):
            raw = Expression(ir.ItemRef(name=argument.name), element_type(type_of(raw.values)), None)
        else:
            if argument.mark is not None:
                raw = _as_file(raw)
            elif argument.type in ("list[file]", "list[folder]") and isinstance(raw, (list, tuple)):
                raw = [_as_file(item) for item in raw]
            raw = check_raw(raw, f"{self._what}: parameter '{argument.name}'")
        return (argument.name, raw, argument.type, "")

    def _draft(self, inputs: list[tuple[str, Any, str, str]]) -> Draft:
        function = self.__couler_function__
        root = receiving_frame().scope.root

        def make_task(adopt_all: AdoptAll, given: Mapping[str, Any]) -> ir.Task:
            return root.function_task(function, given.get("image", ""), given.get("packages", ()))

        return new_step(
            function.__name__, make_task, name=self._given_name, inputs=inputs, outputs=self._outputs,
            step_options=self._options, tuple_length=self.signature.tuple_length,
        )  # fmt: skip


def _as_file(raw: Any) -> Any:
    """A file that exists outside the workflow, when a path, a URL or an artifact is given."""
    if isinstance(raw, (str, PurePath)):
        return ir.StoredFile(url=str(raw))
    return raw.source if isinstance(raw, Artifact) else raw


class Each:
    """Marks a list in `StepFunction.map`: one run per item."""

    def __init__(self, values: Any) -> None:
        self.values = values


def each(values: Any) -> Any:
    """Map over this argument by name: ``train.map(rate=couler.each([0.1, 0.2]), data=data)``."""
    return Each(values)


def check_list(values: Any, where: str) -> Any:
    """A list that can be mapped over: a reference, or a plain sequence that is checked.

    Raises:
        DefinitionError: It is neither.
    """
    if isinstance(values, Expression):
        return values
    if isinstance(values, (str, bytes, Mapping)) or not isinstance(values, Iterable):
        raise DefinitionError(f"{where}: {values!r} is not a list")
    return check_raw(list(values), where)


def check_raw(raw: Any, where: str) -> Any:
    """A plain value checked to be JSON; references, lists of references and stored files as they are.

    Raises:
        DefinitionError: It is not JSON.
    """
    if isinstance(raw, (Expression, ir.StoredFile)):
        return raw
    if isinstance(raw, (list, tuple)) and any(
        isinstance(item, (Expression, ir.StoredFile, list, tuple)) for item in raw
    ):
        return [check_raw(item, where) for item in raw]
    if isinstance(raw, StepFunction):
        raise DefinitionError(f"{where} is {raw!r} itself", "call it, so that its output is passed")
    return plain(raw, where)


def _holds_reference(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> bool:
    return any(isinstance(item, (Expression, ir.StoredFile)) for item in (*args, *kwargs.values()))


def _function_outputs(signature: Signature, declared: Any, what: str) -> dict[str, ir.Output]:
    if declared is not None and not isinstance(declared, Mapping):
        raise DefinitionError(f"{what}: outputs: {declared!r} is not a dict of name to type", 'outputs={"loss": float}')
    outputs = {name: ir.Output(name=name, type=type_) for name, type_ in signature.outputs.items()}
    for name, annotation in (declared or {}).items():
        outputs.pop("result", None)
        outputs[name] = ir.Output(
            name=name, type=annotation if isinstance(annotation, str) else type_text(annotation, what)
        )
    for argument in signature.arguments:
        if not argument.writes:
            continue
        if argument.name in outputs:
            raise DefinitionError(f"{what}: '{argument.name}' is both a file output and a value output", "rename one")
        path = argument.default.path if isinstance(argument.default, OutPath) else argument.name
        kind = argument.mark.type if argument.mark else argument.type
        outputs[argument.name] = ir.Output(name=argument.name, type=kind, path=path)
    return outputs


@overload
def step(function: Callable[P, R], /) -> StepFunction[P, R]: ...
@overload
def step(
    *, name: str | None = None, outputs: Mapping[str, Any] | None = None, **step_options: Any
) -> Callable[[Callable[P, R]], StepFunction[P, R]]: ...
def step(
    function: Callable[P, R] | None = None,
    /,
    *,
    name: str | None = None,
    outputs: Mapping[str, Any] | None = None,
    **step_options: Any,
) -> StepFunction[P, R] | Callable[[Callable[P, R]], StepFunction[P, R]]:
    """Make a typed Python function a step.

    Args:
        function: The function; its source travels to where the step runs.
        name: A given name; without it the function's name is used and made unique.
        outputs: Names and types of several results, which the function returns as a dict.
        step_options: ``image``, ``packages``, ``resources`` (or ``cpu``, ``memory``, ``gpu``), ``retry``,
            ``timeout``, ``cache``,
            ``env``, ``secrets``, ``volumes``, ``allow_failure``, ``labels``, ``service_account``, ``working_dir``,
            ``sidecars``,
            ``description``, ``engine_options``.

    Raises:
        DefinitionError: An option is unknown or cannot be used.

    >>> @step(cpu=2, retry=3)
    ... def add(a: int, b: int) -> int:
    ...     return a + b
    >>> add(1, 2)  # outside of a workflow it is a plain function
    3
    """

    def decorate(target: Callable[P, R]) -> StepFunction[P, R]:
        what = describe(target, "step")
        refuse_shapes(target)
        return StepFunction(target, name, options.convert(step_options, what), outputs)

    return decorate if function is None else decorate(function)
