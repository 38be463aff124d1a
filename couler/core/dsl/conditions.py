"""Conditions under construction: comparisons, truth and status tests, joined by ``&``, ``|`` and ``~``."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Literal, NoReturn

from couler.core.errors import DefinitionError
from couler.core.ir import model as ir
from couler.core.ir.json import freeze, thaw

if TYPE_CHECKING:
    from couler.core.dsl.draft import Draft

SIMPLE = (str, bool, int, type(None))
"""Types whose values are always JSON, and frozen already."""

Adopt = Callable[[Any], ir.Value]
"""Turns an expression or a plain JSON value into an IR value in the scope where it is used."""

AdoptAll = Callable[[Iterable[Any]], tuple[ir.Value, ...]]
"""As `Adopt`, for several at once."""


class Deferred:
    """A value that is known only when the workflow runs; `couler.core.dsl.expr` says what it can do."""

    __slots__ = ()

    def _label(self) -> str:
        raise NotImplementedError


def holds_deferred(values: Iterable[Any]) -> bool:
    """Whether a list has a reference or a stored file in it, at any depth of lists."""
    return any(
        isinstance(item, (Deferred, ir.StoredFile)) or (isinstance(item, (list, tuple)) and holds_deferred(item))
        for item in values
    )


class ConditionExpression:
    """A condition under construction; combine with ``&``, ``|`` and ``~``."""

    __slots__ = ()

    def _build(self, adopt: Adopt) -> ir.Condition:
        raise NotImplementedError

    def _label(self) -> str:
        raise NotImplementedError

    def __repr__(self) -> str:
        return f"<condition {self._label()}>"

    def __and__(self, other: object) -> ConditionExpression:
        return Combination("and", (self, as_condition(other)))

    def __rand__(self, other: object) -> ConditionExpression:
        return as_condition(other) & self

    def __or__(self, other: object) -> ConditionExpression:
        return Combination("or", (self, as_condition(other)))

    def __ror__(self, other: object) -> ConditionExpression:
        return as_condition(other) | self

    def __invert__(self) -> ConditionExpression:
        return Negation(self)

    def __bool__(self) -> bool:
        raise DefinitionError(
            f"{self!r} is decided only when the workflow runs; `and`, `or`, `not`, `if` and chains such as 0 < x < 1 "
            "ask for it now",
            "use & | ~ with brackets, and `with couler.when(condition): …` instead of `if`",
        )

    def _no_equality(self, other: object) -> NoReturn:
        raise DefinitionError(f"{self!r} cannot be compared", "combine conditions with & | ~")

    __eq__ = __ne__ = _no_equality
    __hash__ = object.__hash__

    def drafts(self) -> Iterator[Draft]:
        """Steps whose status is tested."""
        return iter(())


class Comparison(ConditionExpression):
    """Two values compared."""

    __slots__ = ("left", "operator", "right")

    def __init__(self, operator: ir.CompareOperator, left: Any, right: Any) -> None:
        self.operator = operator
        self.left = _side(left)
        self.right = _side(right)

    def _build(self, adopt: Adopt) -> ir.Condition:
        if isinstance(self.left, Hole):
            raise DefinitionError(
                f"{self!r} has one side only, which is for couler.exec_while", "couler.equal(output, value)"
            )
        return ir.Compare(operator=self.operator, left=adopt(self.left), right=adopt(self.right))

    def _label(self) -> str:
        return f"{_text(self.left)} {self.operator} {_text(self.right)}"


def _side(value: Any) -> Any:
    """One side of a comparison: a reference, a list with references, or checked JSON."""
    if isinstance(value, (Deferred, Hole)):
        return value
    if isinstance(value, (list, tuple)) and holds_deferred(value):
        return [_side(item) for item in value]
    return plain(value, "a condition")


def _text(value: Any) -> str:
    if isinstance(value, Hole):
        return "…"
    return value._label() if isinstance(value, (Deferred, ConditionExpression)) else repr(thaw(value))


class TruthTest(ConditionExpression):
    """A boolean value as a condition."""

    __slots__ = ("value",)

    def __init__(self, value: Deferred | bool) -> None:
        self.value = value

    def _build(self, adopt: Adopt) -> ir.Condition:
        return ir.Truth(value=adopt(self.value))

    def _label(self) -> str:
        return _text(self.value)


class StatusTest(ConditionExpression):
    """How a step ended."""

    __slots__ = ("draft", "status")

    def __init__(self, draft: Draft, status: Literal["succeeded", "failed", "skipped", "ended"]) -> None:
        self.draft = draft
        self.status = status

    def _build(self, adopt: Adopt) -> ir.Condition:
        return ir.StatusIs(step=self.draft.name, status=self.status)

    def _label(self) -> str:
        return f"{self.draft.name}.{self.status}"

    def drafts(self) -> Iterator[Draft]:
        """The step."""
        yield self.draft


class Combination(ConditionExpression):
    """Conditions joined by and / or; nested joins of the same kind become one."""

    __slots__ = ("kind", "parts")

    def __init__(self, kind: Literal["and", "or"], parts: tuple[ConditionExpression, ...]) -> None:
        self.kind = kind
        self.parts: tuple[ConditionExpression, ...] = tuple(
            inner
            for part in parts
            for inner in (part.parts if isinstance(part, Combination) and part.kind == kind else (part,))
        )

    def _build(self, adopt: Adopt) -> ir.Condition:
        parts = tuple(part._build(adopt) for part in self.parts)
        return ir.AllOf(parts=parts) if self.kind == "and" else ir.AnyOf(parts=parts)

    def _label(self) -> str:
        return f" {'&' if self.kind == 'and' else '|'} ".join(f"({part._label()})" for part in self.parts)

    def drafts(self) -> Iterator[Draft]:
        """Steps of all parts."""
        for part in self.parts:
            yield from part.drafts()


class Negation(ConditionExpression):
    """The opposite of a condition."""

    __slots__ = ("part",)

    def __init__(self, part: ConditionExpression) -> None:
        self.part = part

    def __invert__(self) -> ConditionExpression:
        return self.part

    def _build(self, adopt: Adopt) -> ir.Condition:
        return ir.Not(part=self.part._build(adopt))

    def _label(self) -> str:
        return f"~({self.part._label()})"

    def drafts(self) -> Iterator[Draft]:
        """Steps of the part."""
        return self.part.drafts()


class Hole:
    """Stands in ``equal(value)`` for the output that a loop will give."""


def as_condition(value: object) -> ConditionExpression:
    """A condition from a condition, a boolean reference or a bool.

    Raises:
        DefinitionError: It is none of these.
    """
    if isinstance(value, ConditionExpression):
        return value
    if isinstance(value, (Deferred, bool)):
        return TruthTest(value)
    raise DefinitionError(f"{value!r} is not a condition", "compare an output or a parameter, such as accuracy > 0.9")


def plain(value: Any, where: str) -> Any:
    """The frozen JSON form of a plain Python value.

    Raises:
        DefinitionError: It is not JSON.
    """
    if type(value) in SIMPLE:
        return value
    try:
        return freeze(value)
    except ValueError as error:
        if _hides_deferred(value):
            raise DefinitionError(
                f"{where}: a dict cannot hold values that are known only when the workflow runs",
                "pass each of them as an input of its own, or as a list",
            ) from None
        raise DefinitionError(f"{where}: {error}") from None
    except RecursionError:
        raise DefinitionError(f"{where}: the value contains itself, or is nested too deeply for JSON") from None


def exact(text: str) -> str:
    """The text itself of what may be an enum's member or another kind of string."""
    return str.__str__(text)


def _hides_deferred(value: Any) -> bool:
    """Whether a reference stands in a dict, at any depth."""
    if isinstance(value, Mapping):
        return any(isinstance(item, Deferred) or _hides_deferred(item) for item in value.values())
    return isinstance(value, (list, tuple)) and any(_hides_deferred(item) for item in value)
