"""From Python annotations to the types of the IR."""

from __future__ import annotations

import collections.abc
import inspect
import re
import types
import typing
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, TypeAlias, Union, get_args, get_origin

from couler.core.dsl.location import file_label
from couler.core.errors import DefinitionError


@dataclass(frozen=True, slots=True)
class FileMark:
    """Says that a parameter is a file or folder that the step reads or writes."""

    direction: Literal["in", "out"]
    type: Literal["file", "folder"]


InFile: TypeAlias = Annotated[Path, FileMark("in", "file")]
"""A parameter that is a file of an earlier step; the function gets its path."""
OutFile: TypeAlias = Annotated[Path, FileMark("out", "file")]
"""A parameter that is a path at which the function writes a file; it becomes an output of the same name."""
InFolder: TypeAlias = Annotated[Path, FileMark("in", "folder")]
"""As `InFile`, for a folder."""
OutFolder: TypeAlias = Annotated[Path, FileMark("out", "folder")]
"""As `OutFile`; the folder exists when the function starts."""


@dataclass(frozen=True, slots=True)
class OutPath:
    """Default of an `OutFile` parameter, which says what the file is called."""

    path: str


def out(path: str) -> Path:
    """The default of an `OutFile` or `OutFolder` parameter: the name of what is written, relative to the step's folder.

    >>> def train(rate: float, model: OutFile = out("model.pkl")) -> float: ...
    """
    return typing.cast(Path, OutPath(path))


@dataclass(frozen=True, slots=True)
class Param:
    """Default of a workflow parameter with more to say about it."""

    default: Any
    help: str
    choices: tuple[Any, ...]


REQUIRED: Any = inspect.Parameter.empty


def param(default: Any = REQUIRED, *, help: str = "", choices: collections.abc.Iterable[Any] = ()) -> Any:
    """The default of a workflow parameter together with its help text and its choices.

    >>> def train_all(rate: float = param(0.1, help="learning rate", choices=[0.1, 0.2])): ...
    """
    return Param(default, help, tuple(choices))


@dataclass(frozen=True, slots=True)
class Argument:
    """One parameter of a user's function.

    Attributes:
        type: Type text of the IR.
        mark: Set for files and folders.
        default: The default, or ``REQUIRED``.
        choices: From ``Literal[…]``.
    """

    name: str
    type: str
    mark: FileMark | None
    default: Any
    choices: tuple[Any, ...]

    @property
    def writes(self) -> bool:
        """Whether the function writes a file here."""
        return self.mark is not None and self.mark.direction == "out"


@dataclass(frozen=True, slots=True)
class Signature:
    """What a user's function takes and returns.

    Attributes:
        outputs: Output name to type text; empty when the function returns nothing.
        tuple_length: Length of the returned tuple, where it is fixed.
    """

    arguments: tuple[Argument, ...]
    outputs: dict[str, str]
    tuple_length: int | None

    @property
    def inputs(self) -> tuple[Argument, ...]:
        """The arguments that a caller gives."""
        return tuple(argument for argument in self.arguments if not argument.writes)


_SIMPLE: dict[Any, str] = {
    Any: "any", inspect.Parameter.empty: "any", object: "any", None: "null", type(None): "null", bool: "bool", int:
        "int",
    float: "float", str: "str", list: "list", tuple: "list", dict: "object",
}  # fmt: skip
_LISTS = (list, tuple, collections.abc.Sequence, collections.abc.Iterable)
_OBJECTS = (dict, collections.abc.Mapping, collections.abc.MutableMapping)


def type_text(annotation: Any, where: str) -> str:
    """The IR's type text for an annotation.

    Args:
        annotation: A resolved annotation.
        where: What it annotates, for the message.

    Raises:
        DefinitionError: Values of that type are not JSON.

    >>> type_text(list[int] | None, "x")
    'list[int]|null'
    """
    try:
        if annotation in _SIMPLE:
            return _SIMPLE[annotation]
    except TypeError:  # unhashable
        pass
    origin = get_origin(annotation)
    if origin is Annotated:
        mark = _mark(annotation)
        return mark.type if mark else type_text(get_args(annotation)[0], where)
    if origin is Literal:
        return _union([type_text(type(choice), where) for choice in get_args(annotation)])
    if origin in (Union, types.UnionType):
        return _union([type_text(part, where) for part in get_args(annotation)])
    if origin in _LISTS:
        return _list(get_args(annotation), where, is_record=origin is tuple and ... not in get_args(annotation))
    if origin in _OBJECTS or annotation in _OBJECTS or typing.is_typeddict(annotation):
        return "object"
    if annotation in _LISTS:
        return "list"
    raise DefinitionError(
        f"{where} has the type {_name(annotation)}, and values between steps are JSON",
        "use bool, int, float, str, list or dict, or hand it over as a file: couler.InFile, couler.OutFile",
    )


def _list(parts: tuple[Any, ...], where: str, is_record: bool) -> str:
    """Type of a list; the items of a tuple such as ``tuple[int, str]`` have types of their own, so they are open."""
    texts = [type_text(part, where) for part in parts if part is not Ellipsis]
    if not texts or (is_record and len(set(texts)) > 1):
        return "list"
    return f"list[{_union(texts)}]"


def _union(texts: list[str]) -> str:
    unique = list(dict.fromkeys(texts))
    return "any" if "any" in unique else "|".join(unique)


def _mark(annotation: Any) -> FileMark | None:
    if get_origin(annotation) in (Union, types.UnionType):
        return next((mark for part in get_args(annotation) if (mark := _mark(part))), None)
    if get_origin(annotation) is not Annotated:
        return None
    return next((extra for extra in get_args(annotation)[1:] if isinstance(extra, FileMark)), None)


def _name(annotation: Any) -> str:
    module = getattr(annotation, "__module__", "")
    name = getattr(annotation, "__qualname__", None) or str(annotation)
    return f"{module}.{name}" if module and module != "builtins" and module not in name else name


def signature_of(function: Callable[..., Any], what: str) -> Signature:
    """Read parameters, files, types and outputs off a function.

    Args:
        function: The user's function.
        what: How messages call it, such as ``step 'train' (train.py:3)``.

    Raises:
        DefinitionError: An annotation cannot be resolved or is not JSON, or there are ``*args`` or ``**kwargs``.
    """
    hints = _hints(function, what)
    arguments = tuple(
        _argument(parameter, hints, what) for parameter in inspect.signature(function).parameters.values()
    )
    returned = hints.get("return", Any)
    return Signature(arguments, _outputs(returned, what), _tuple_length(returned))


def _hints(function: Callable[..., Any], what: str) -> dict[str, Any]:
    try:
        return typing.get_type_hints(function, include_extras=True)
    except NameError as error:
        raise DefinitionError(f"{what}: an annotation uses the unknown name '{error.name}'", "import it") from None
    except (TypeError, AttributeError, SyntaxError) as error:
        raise DefinitionError(
            f"{what}: an annotation cannot be read: {error}", "use types that exist when the workflow is built"
        ) from None


def _argument(parameter: inspect.Parameter, hints: dict[str, Any], what: str) -> Argument:
    if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
        raise DefinitionError(
            f"{what} takes *{parameter.name}, and the inputs of a step have names",
            "list the parameters, or take one list",
        )
    if parameter.kind is parameter.POSITIONAL_ONLY:
        raise DefinitionError(
            f"{what}: parameter '{parameter.name}' is positional-only", "remove the / from the signature"
        )
    annotation = hints.get(parameter.name, Any)
    return Argument(
        parameter.name,
        type_text(annotation, f"{what}: parameter '{parameter.name}'"),
        _mark(annotation),
        parameter.default,
        get_args(annotation) if get_origin(annotation) is Literal else (),
    )


def _outputs(returned: Any, what: str) -> dict[str, str]:
    if isinstance(returned, type) and issubclass(returned, tuple) and hasattr(returned, "_fields"):
        hints = typing.get_type_hints(returned, include_extras=True)
        return {name: type_text(hints.get(name, Any), f"{what}: output '{name}'") for name in returned._fields}
    return {"result": type_text(returned, f"{what}: its result")}


def _tuple_length(returned: Any) -> int | None:
    parts = get_args(returned)
    return len(parts) if get_origin(returned) is tuple and Ellipsis not in parts else None


_ARGUMENT_LINE = re.compile(r"^\s+(\w+)(?:\s*\([^)]*\))?:\s+(.+)$")


def parameter_help(function: Callable[..., Any]) -> dict[str, str]:
    """Help texts from the ``Args:`` section of a docstring, by parameter name."""
    lines = inspect.cleandoc(function.__doc__ or "").splitlines()
    if "Args:" not in lines:
        return {}
    texts: dict[str, str] = {}
    for line in lines[lines.index("Args:") + 1 :]:
        if line and not line.startswith(" "):
            break
        if match := _ARGUMENT_LINE.match(line):
            texts[match[1]] = match[2].strip()
    return texts


def summary(function: Callable[..., Any]) -> str:
    """First line of a function's docstring."""
    return inspect.cleandoc(function.__doc__ or "").partition("\n")[0]


def describe(function: Callable[..., Any], word: str) -> str:
    """``step 'train' (train.py:3)``: how messages call a function."""
    code = getattr(function, "__code__", None)
    where = f" ({file_label(code.co_filename)}:{code.co_firstlineno})" if code else ""
    return f"{word} '{getattr(function, '__name__', repr(function))}'{where}"
