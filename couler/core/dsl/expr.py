"""References to values that exist only when the workflow runs, and the operators that build conditions from them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any, Generic, NoReturn, TypeVar

from couler.core.dsl.conditions import Comparison, ConditionExpression, Deferred, StatusTest, as_condition, plain
from couler.core.errors import DefinitionError, near
from couler.core.ir import model as ir

if TYPE_CHECKING:
    from couler.core.dsl.builder import ScopeBuilder
    from couler.core.dsl.draft import Draft

T = TypeVar("T")


class Expression(Deferred):
    """A value known only at run time. Comparing it builds a condition; it cannot be used as a Python value.

    >>> accuracy = Expression(ir.ParameterRef(name="accuracy"), "float", None)
    >>> accuracy > 0.9
    <condition accuracy > 0.9>
    """

    __slots__ = ("_scope", "_type", "_value")

    def __init__(self, value: ir.Value | None, type_: str, scope: ScopeBuilder | None) -> None:
        self._value = value
        self._type = type_
        self._scope = scope

    # --- what subclasses refine

    def _ir(self) -> ir.Value:
        """The value as seen in its own scope."""
        assert self._value is not None
        return self._value

    def _key(self) -> object:
        """Equal for references to the same value."""
        return self._value

    def _label(self) -> str:
        value = self._value
        name = getattr(value, "name", None) or getattr(value, "field", None) or getattr(value, "kind", "value")
        return f"{name}{_path_text(getattr(value, 'path', ()))}"

    def _with_path(self, path: ir.Path) -> Expression:
        value = self._value
        if value is None or "path" not in type(value).model_fields:
            raise DefinitionError(f"{self!r} has no parts", "index only parameters, items and step outputs")
        longer = value.model_copy(update={"path": (*value.path, *path)})  # type: ignore[union-attr]
        return Expression(longer, _part_type(self._type, path), self._scope)

    # --- parts

    def __getitem__(self, key: str | int) -> Any:
        if not isinstance(key, (str, int)) or isinstance(key, bool):
            raise DefinitionError(f"{self!r} can be indexed by a string or a number, not by {key!r}")
        return self._with_path((key,))

    def __iter__(self) -> Iterator[Any]:
        raise DefinitionError(
            f"{self!r} cannot be iterated while the workflow is built: its length is known only when it runs",
            "use step.map(values) or couler.map(function, values)",
        )

    def __len__(self) -> int:
        raise DefinitionError(f"the length of {self!r} is known only when the workflow runs", "compute it in a step")

    def __contains__(self, item: object) -> bool:
        raise DefinitionError(
            f"`in {self!r}` cannot be decided yet", "write couler.contains(values, item) or x.in_(values)"
        )

    # --- conditions

    def __eq__(self, other: object) -> ConditionExpression:  # type: ignore[override]
        return Comparison("==", self, other)

    def __ne__(self, other: object) -> ConditionExpression:  # type: ignore[override]
        return Comparison("!=", self, other)

    def __lt__(self, other: object) -> ConditionExpression:
        return Comparison("<", self, other)

    def __le__(self, other: object) -> ConditionExpression:
        return Comparison("<=", self, other)

    def __gt__(self, other: object) -> ConditionExpression:
        return Comparison(">", self, other)

    def __ge__(self, other: object) -> ConditionExpression:
        return Comparison(">=", self, other)

    def in_(self, values: Iterable[Any] | Expression) -> ConditionExpression:
        """True when the value is one of ``values``."""
        if isinstance(values, Expression):
            return Comparison("in", self, values)
        if isinstance(values, (str, bytes)) or not isinstance(values, Iterable):
            raise DefinitionError(f"{self!r}.in_: {values!r} is not a list", 'output.in_(["a", "b"])')
        return Comparison("in", self, list(values))

    def __and__(self, other: object) -> ConditionExpression:
        return as_condition(self) & other

    def __or__(self, other: object) -> ConditionExpression:
        return as_condition(self) | other

    def __invert__(self) -> ConditionExpression:
        return ~as_condition(self)

    def __bool__(self) -> bool:
        raise DefinitionError(
            f"{self!r} has no truth value while the workflow is built",
            "write `with couler.when(condition): …` instead of `if`",
        )

    __hash__ = object.__hash__

    # --- text

    def __repr__(self) -> str:
        return f"<{self._label()}: {self._type}>"

    def __str__(self) -> str:
        raise DefinitionError(
            f"{self!r} is no text yet, so it cannot stand in str() or an f-string",
            'write couler.concat("--rate=", rate) instead of f"--rate={rate}"',
        )

    def __format__(self, spec: str) -> str:
        return str(self)

    def _no_arithmetic(self, *others: object) -> NoReturn:
        raise DefinitionError(f"{self!r} has no arithmetic while the workflow is built", "compute it in a step")

    __add__ = __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = __truediv__ = __rtruediv__ = _no_arithmetic
    __floordiv__ = __rfloordiv__ = __mod__ = __rmod__ = __pow__ = __rpow__ = __matmul__ = __rmatmul__ = _no_arithmetic
    __neg__ = __pos__ = __abs__ = __round__ = __float__ = __int__ = __complex__ = __index__ = _no_arithmetic
    __divmod__ = __rdivmod__ = __xor__ = __rxor__ = _no_arithmetic


if TYPE_CHECKING:
    # Outputs are passed where values are expected, so type checkers take them for values of any type.
    class _Anything(Expression, Any): ...  # type: ignore[misc] # that it is Any is the purpose
else:
    _Anything = Expression


class Output(_Anything, Generic[T]):
    """An output of a step, and the handle of the step itself."""

    __slots__ = ("_default", "_draft", "_output", "_path")

    def __init__(
        self, draft: Draft, output: str = "result", path: ir.Path = (), default: ir.Constant | None = None
    ) -> None:
        super().__init__(None, "any", draft.scope)
        self._draft = draft
        self._output = output
        self._path = path
        self._default = default

    def _ir(self) -> ir.OutputRef:
        if not self._path and self._default is None:
            return self._draft.reference(self._output)
        return ir.OutputRef(step=self._draft.name, output=self._output, path=self._path, default=self._default)

    def _key(self) -> object:
        return (id(self._draft), self._output, self._path, self._default)

    def _label(self) -> str:
        return f"{self._draft.name}.{self._output}{_path_text(self._path)}"

    def __repr__(self) -> str:
        return f"<output {self._label()}>"

    def _with_path(self, path: ir.Path) -> Output[Any]:
        return Output(self._draft, self._output, (*self._path, *path), self._default)

    def __iter__(self) -> Iterator[Any]:
        """Unpack a result that is declared as a tuple of fixed length."""
        length = self._draft.tuple_length if self._output == "result" and not self._path else None
        if length is None:
            return super().__iter__()
        return iter([self[index] for index in range(length)])

    def __getattr__(self, name: str) -> Output[Any]:
        if name.startswith("_"):
            raise AttributeError(name)
        try:
            return self.output(name)
        except DefinitionError as error:
            raise AttributeError(str(error)) from None

    def output(self, name: str) -> Output[Any]:
        """The output called ``name`` of the same step.

        Raises:
            DefinitionError: The step has no such output.
        """
        known = self._draft.output_names()
        if name not in known:
            raise DefinitionError(
                f"step '{self._draft.name}' ({self._draft.location}) has no output '{name}'",
                near(name, known, "outputs"),
            )
        return Output(self._draft, name)

    def or_else(self, value: Any) -> Output[T]:
        """The same output, with a value for the case that the step is skipped."""
        if isinstance(value, Deferred):
            raise DefinitionError(
                f"{self!r}: or_else takes a plain value, not {value!r}", "couler.first_of(output, other)"
            )
        constant = ir.Constant(value=plain(value, f"{self!r}: or_else"))
        return Output(self._draft, self._output, self._path, constant)

    # --- the step behind the output

    def after(self, *others: Any) -> Output[T]:
        """Start the step only when ``others`` have ended: outputs, step names, or one condition over statuses.

        >>> # report.after(train, clean); cleanup.after(train.failed | clean.skipped)
        """
        self._draft.order_after(others)
        return self

    def __rshift__(self, other: Any) -> Any:
        for target in other if isinstance(other, (list, tuple)) else [other]:
            if not isinstance(target, Output):
                raise DefinitionError(f"{self!r} >> {target!r}: the right side is no output of a step")
            target.after(self)
        return other

    def __rrshift__(self, others: Iterable[Any]) -> Output[T]:
        return self.after(*others)

    def named(self, name: str) -> Output[T]:
        """Give the step a name; it must be unique in its workflow."""
        self._draft.give_name(name)
        return self

    def with_(self, **options: Any) -> Output[T]:
        """Change attributes of this one step; the same names as in `couler.step`."""
        self._draft.change(options)
        return self

    @property
    def succeeded(self) -> ConditionExpression:
        """For ``after``: the step succeeded, or its outputs came from the cache."""
        return StatusTest(self._draft, "succeeded")

    @property
    def failed(self) -> ConditionExpression:
        """For ``after``: the step failed. It needs ``allow_failure=True``, or the run ends there."""
        return StatusTest(self._draft, "failed")

    @property
    def skipped(self) -> ConditionExpression:
        """For ``after``: the step was skipped."""
        return StatusTest(self._draft, "skipped")

    @property
    def ended(self) -> ConditionExpression:
        """For ``after``: the step ended, however it did."""
        return StatusTest(self._draft, "ended")


class Concatenation(Expression):
    """Text made of strings and values."""

    __slots__ = ("parts",)

    def __init__(self, parts: tuple[Any, ...]) -> None:
        super().__init__(None, "str", None)
        self.parts = parts

    def _label(self) -> str:
        return "concat"


class FirstPresent(Expression):
    """The first of several outputs that was not skipped."""

    __slots__ = ("default", "options")

    def __init__(self, options: tuple[Output[Any], ...], default: ir.Constant | None) -> None:
        super().__init__(None, "any", None)
        self.options = options
        self.default = default

    def _label(self) -> str:
        return "first_of"

    def _with_path(self, path: ir.Path) -> FirstPresent:
        """The same part of each option, and of the default."""
        default = None if self.default is None else ir.Constant(value=_part(self.default.value, path))
        return FirstPresent(tuple(option._with_path(path) for option in self.options), default)


def concat(*parts: Any) -> Expression:
    """Text made of parts: strings as they are, other values as JSON.

    >>> concat("--rate=", Expression(ir.ParameterRef(name="rate"), "float", None))
    <concat: str>
    """
    return Concatenation(tuple(part if isinstance(part, Expression) else plain(part, "concat") for part in parts))


_NOTHING = object()


def first_of(*outputs: Any, default: Any = _NOTHING) -> Any:
    """The first of ``outputs`` whose step was not skipped: the join after ``when`` / ``otherwise``.

    Args:
        outputs: Outputs of steps, in the order of preference.
        default: The value when all were skipped; without it the consumer is skipped too.

    Raises:
        DefinitionError: One of them is not the output of a step, or there are none.
    """
    if not outputs:
        raise DefinitionError("couler.first_of needs at least one output")
    for output in outputs:
        if not isinstance(output, Output):
            raise DefinitionError(f"couler.first_of joins outputs of steps, and {output!r} is none")
    return FirstPresent(outputs, None if default is _NOTHING else ir.Constant(value=plain(default, "first_of")))


def contains(values: Any, item: Any) -> ConditionExpression:
    """True when ``item`` is one of ``values``, a list known at run time."""
    return Comparison("in", item, values)


def _part(value: Any, path: ir.Path) -> Any:
    for key in path:
        try:
            value = value[key]
        except (LookupError, TypeError):
            raise DefinitionError(f"the default {value!r} of couler.first_of has no part {key!r}") from None
    return value


def _path_text(path: ir.Path) -> str:
    return "".join(f"[{part!r}]" for part in path)


def _part_type(type_: str, path: ir.Path) -> str:
    for part in path:
        type_ = type_[5:-1] if isinstance(part, int) and type_.startswith("list[") else "any"
    return type_
