"""The text form of a workflow: JSON or YAML, versioned, strict, and back to an equal value.

Keys with default values are left out; ``apiVersion``, ``name`` and ``kind`` are always written.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from functools import cache
from typing import Any, NoReturn, cast

from pydantic import BaseModel, ValidationError
from pydantic.json_schema import GenerateJsonSchema
from pydantic_core import PydanticSerializationError
from pydantic_core import to_json as encode_json

from couler.core.errors import TextFormError
from couler.core.ir.json import FrozenDict, thaw
from couler.core.ir.model import API_VERSION, Workflow
from couler.core.ir.text_errors import explained, path_text

SCHEMA_ID = "urn:couler:schema:workflow:v1"
_ALWAYS = frozenset({"kind", "api_version", "name"})


def to_data(workflow: Workflow) -> dict[str, Any]:
    """The workflow as plain dicts and lists, without keys that have their default value.

    >>> to_data(Workflow(name="empty"))
    {'apiVersion': 'couler/v1', 'name': 'empty'}
    """
    return cast(dict[str, Any], _plain(workflow))


def _plain(value: Any) -> Any:
    kind = type(value)
    if kind is str or value is None or kind is int or kind is float or kind is bool:
        return value
    if isinstance(value, BaseModel):
        return _plain_model(value)
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, (tuple, list)):
        return [_plain(item) for item in value]
    return value


def _plain_model(model: BaseModel) -> dict[str, Any]:
    values = model.__dict__
    data: dict[str, Any] = {}
    for name, key, default in _fields(type(model)):
        value = values[name]
        if name in _ALWAYS or (value is not default and value != default):
            data[key] = _plain(value)
    return data


@cache
def _fields(model: type[BaseModel]) -> tuple[tuple[str, str, Any], ...]:
    """Name, key in the text, and default of each field."""
    return tuple((name, field.alias or name, field.default) for name, field in model.model_fields.items())


def to_json(workflow: Workflow, indent: int | None = 2) -> str:
    """The workflow as JSON; text in other scripts is written as it is.

    Raises:
        TextFormError: A text in the workflow contains half of a surrogate pair, which no encoding can carry.

    >>> print(to_json(Workflow(name="empty")))
    {
      "apiVersion": "couler/v1",
      "name": "empty"
    }
    """
    data = to_data(workflow)
    try:
        return encode_json(data, indent=indent).decode()
    except (PydanticSerializationError, UnicodeEncodeError):
        _refuse_surrogates(data)
        raise


def to_yaml(workflow: Workflow) -> str:
    """The workflow as YAML that readers of YAML 1.1 and 1.2 understand alike.

    Raises:
        TextFormError: A text in the workflow contains half of a surrogate pair, which no encoding can carry.

    >>> print(to_yaml(Workflow(name="y")), end="")
    apiVersion: couler/v1
    name: "y"
    """
    from couler.core.ir.yaml_form import write_yaml  # most programs never write YAML

    data = to_data(workflow)
    text = write_yaml(data)
    if not _encodes(text):
        _refuse_surrogates(data)
    return text


def from_data(data: Mapping[str, Any]) -> Workflow:
    """The workflow that plain dicts and lists describe.

    Raises:
        TextFormError: The data is no workflow; the message lists every place that is wrong.

    >>> from_data({"apiVersion": "couler/v1", "name": "empty"}).name
    'empty'
    """
    _check_version(data)
    try:
        return Workflow.model_validate(data)
    except ValidationError as error:
        raise explained(error) from None
    except RecursionError:
        raise TextFormError("the document is nested too deeply") from None


def _check_version(data: Any) -> None:
    if not isinstance(data, Mapping):
        raise TextFormError(f"a workflow is an object with keys, but the document is {_described(data)}", _FIRST_LINES)
    if "apiVersion" not in data:
        raise TextFormError("the document has no 'apiVersion'", _version_hint(data))
    if data["apiVersion"] != API_VERSION:
        raise TextFormError(
            f"apiVersion {data['apiVersion']!r} is not supported; this couler reads '{API_VERSION}'",
            f"write apiVersion: {API_VERSION}, or install a couler that reads the other version",
        )


_FIRST_LINES = f"begin with `apiVersion: {API_VERSION}` and `name: …`"


def _version_hint(data: Mapping[str, Any]) -> str:
    close = [key for key in data if isinstance(key, str) and key.lower().replace("_", "") == "apiversion"]
    return f"write '{close[0]}' as 'apiVersion'" if close else _FIRST_LINES


def _described(data: Any) -> str:
    names = {type(None): "empty", str: "a text", list: "a list", bool: "a bool", int: "a number", float: "a number"}
    return names.get(type(data), type(data).__name__)


def from_text(text: str) -> Workflow:
    r"""The workflow that a JSON or YAML document describes.

    YAML is read by the rules of version 1.2 (``on`` and ``y`` are text, ``1e3`` is a number), without anchors and tags.

    Raises:
        TextFormError: The document is not JSON or YAML, has a key twice, or is no workflow.

    >>> from_text("apiVersion: couler/v1\nname: hello").name
    'hello'
    """
    data = _parsed(text)
    if not _encodes(text) or _ESCAPED_SURROGATE.search(text):
        _refuse_surrogates(data)
    return from_data(data)


_ESCAPED_SURROGATE = re.compile(r"\\[uU](?:0000)?[dD][89a-fA-F]")


def _parsed(text: str) -> Any:
    if text.lstrip("\ufeff \t\r\n")[:1] not in ("{", "["):
        return _parsed_yaml(text)
    try:
        return json.loads(text.lstrip("\ufeff"), object_pairs_hook=_unique, parse_constant=_refuse_constant)
    except RecursionError:
        raise TextFormError("the document is nested too deeply") from None
    except json.JSONDecodeError as json_error:
        try:  # what begins like JSON may still be YAML in flow style
            return _parsed_yaml(text)
        except TextFormError:
            where = f"line {json_error.lineno}, column {json_error.colno}"
            raise TextFormError(f"the document is not JSON: {json_error.msg} at {where}") from None
    except ValueError:  # Python reads no more than 4300 digits
        raise TextFormError("a number has too many digits", "write it as a string") from None


def _parsed_yaml(text: str) -> Any:
    from couler.core.ir.yaml_form import read_yaml  # most programs never read YAML

    return read_yaml(text)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    data = dict(pairs)
    if len(data) < len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in data if keys.count(key) > 1)
        raise TextFormError(f"the key {twice!r} stands twice in one object", "remove or rename one of them")
    return data


def _refuse_constant(name: str) -> NoReturn:
    raise TextFormError(f"{name} is not JSON", "use null for a missing number")


def _encodes(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _refuse_surrogates(data: Any, path: tuple[str | int, ...] = ()) -> None:
    """Raise for the first text that contains half of a surrogate pair."""
    match data:
        case str() if not _encodes(data):
            character = next(character for character in data if "\ud800" <= character <= "\udfff")
            raise TextFormError(
                f"{path_text(path)}: the text contains half of a surrogate pair (U+{ord(character):04X}), "
                "which no encoding can carry",
                "read bytes with errors='replace', or write the character as a whole",
            )
        case Mapping():
            for key, item in data.items():
                _refuse_surrogates(key, (*path, "(key)"))
                _refuse_surrogates(item, (*path, key))
        case list() | tuple():
            for index, item in enumerate(data):
                _refuse_surrogates(item, (*path, index))
        case _:
            pass


def json_schema() -> dict[str, Any]:
    """The JSON Schema of the text form, as committed in ``couler-v1.schema.json``."""
    schema = Workflow.model_json_schema(by_alias=True, schema_generator=_SchemaWriter)
    for part in [schema, *schema["$defs"].values()]:
        tags = [key for key in ("apiVersion", "kind") if "const" in part.get("properties", {}).get(key, {})]
        if tags:
            part["required"] = list(dict.fromkeys([*tags, *part.get("required", [])]))
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": SCHEMA_ID,
        **schema,
        "title": f"couler workflow ({API_VERSION})",
    }


class _SchemaWriter(GenerateJsonSchema):
    """Writes frozen defaults as the plain ones that they equal."""

    def encode_default(self, dft: Any) -> Any:
        return super().encode_default(thaw(dft) if isinstance(dft, FrozenDict) else dft)
