"""What is wrong with a document, in words: pydantic's findings by path, with what was expected and the near key."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from couler.core.errors import TextFormError, near
from couler.core.ir.model import Workflow

SHOWN = 50
"""At most so many findings are listed."""


def explained(error: ValidationError) -> TextFormError:
    """One error that lists every finding."""
    lines = list(dict.fromkeys(_line(details) for details in error.errors(include_url=False)))
    count = "1 mistake" if len(lines) == 1 else f"{len(lines)} mistakes"
    shown = lines[:SHOWN]
    if len(lines) > SHOWN:
        shown.append(f"… and {len(lines) - SHOWN} more")
    return TextFormError("\n".join([f"the document has {count}:", *(f"  - {line}" for line in shown)]))


def path_text(path: tuple[str | int, ...]) -> str:
    """A path into a document.

    >>> path_text(("steps", 0, "task"))
    'steps[0].task'
    """
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path)
    return text.removeprefix(".") or "the document"


def _line(details: ErrorDetails) -> str:
    path, model, expected = _place(details["loc"])
    if details["type"] == "extra_forbidden":
        hint = near(str(path[-1]), _fields(model), "keys") if model else ""
        return f"{path_text(path[:-1])}: unknown key '{path[-1]}'" + (f"; {hint}" if hint else "")
    if details["type"] == "missing":
        return f"{path_text(path[:-1])}: '{path[-1]}' is missing"
    return f"{path_text(path)}: {_expectation(details, [str(_kind(option)) for option in _models(expected)])}"


def _expectation(details: ErrorDetails, kinds: list[str]) -> str:
    context = details.get("ctx", {})
    given = details["input"]
    match details["type"]:
        case "union_tag_not_found":
            if isinstance(given, Mapping):
                return f"'kind' is missing; expected one of {', '.join(kinds)}"
            return f"expected an object with 'kind', got {_got(given)}"
        case "union_tag_invalid":
            tag = str(context["tag"])
            return f"unknown kind {tag!r}; {near(tag, kinds, 'kinds')}"
        case "literal_error":
            return f"expected {context['expected']}, got {_got(given)}"
        case "value_error":
            return str(context["error"])
        case "string_pattern_mismatch":
            return f"expected a quantity such as '512Mi' or '0.5', got {_got(given)}"
        case "string_unicode":
            return "the text contains half of a surrogate pair, which no encoding can carry"
        case "recursion_loop":
            return "the document is nested too deeply"
        case kind:
            return f"expected {_EXPECTED[kind]}, got {_got(given)}" if kind in _EXPECTED else _sentence(details)


_EXPECTED = {
    "string_type": "a string",
    "int_type": "a whole number",
    "int_parsing": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "float_parsing": "a number",
    "finite_number": "a finite number",
    "bool_type": "true or false",
    "bool_parsing": "true or false",
    "tuple_type": "a list",
    "dict_type": "an object",
    "mapping_type": "an object",
    "model_type": "an object",
    "model_attributes_type": "an object",
}


def _sentence(details: ErrorDetails) -> str:
    text = details["msg"].removeprefix("Input should be ")
    return f"expected a value {text}, got {_got(details['input'])}" if text != details["msg"] else text


def _got(value: Any) -> str:
    if isinstance(value, Mapping):
        return "an object"
    if isinstance(value, (list, tuple)):
        return "a list"
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:59]}…"


def _place(location: tuple[str | int, ...]) -> tuple[tuple[str | int, ...], type[BaseModel] | None, Any]:
    """The path without pydantic's tags, the model in which its last key stands, and the annotation of that key."""
    path: list[str | int] = []
    holder: type[BaseModel] | None = None
    annotation: Any = Workflow
    for part in location:
        if len(options := _models(annotation)) > 1:  # pydantic names the chosen kind before it goes on
            annotation = next((model for model in options if _kind(model) == part), None)
            continue
        if options:
            holder = options[0]
            annotation = _fields(holder).get(str(part))
        elif get_origin(annotation) in (tuple, dict):
            annotation = get_args(annotation)[0 if get_origin(annotation) is tuple else 1]
        else:
            break
        path.append(part)
        annotation = _bare(annotation)
    return tuple(path), holder, annotation


def _bare(annotation: Any) -> Any:
    """An annotation without ``Annotated`` and ``None``."""
    while get_origin(annotation) is Annotated:
        annotation = get_args(annotation)[0]
    if get_origin(annotation) in (Union, UnionType):
        rest = [option for option in get_args(annotation) if option is not type(None)]
        return _bare(rest[0]) if len(rest) == 1 else annotation
    return annotation


def _models(annotation: Any) -> tuple[type[BaseModel], ...]:
    options = get_args(annotation) if get_origin(annotation) in (Union, UnionType) else (annotation,)
    return tuple(option for option in options if isinstance(option, type) and issubclass(option, BaseModel))


def _kind(model: type[BaseModel]) -> Any:
    return model.model_fields["kind"].default if "kind" in model.model_fields else None


@cache
def _fields(model: type[BaseModel]) -> dict[str, Any]:
    """Key in the text to annotation."""
    model.model_rebuild()
    return {field.alias or name: field.annotation for name, field in model.model_fields.items()}
