"""Workflow parameters as typed on a command line or written in a file."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NoReturn

import click

from couler.core.errors import ParameterError, near
from couler.core.ir.model import Parameter
from couler.core.ir.types import mismatch


def value_from_text(type: str, text: str) -> Any:
    """The value that ``text`` means for a parameter of a type; JSON for numbers, lists and objects.

    Raises:
        ValueError: It means no value of that type.

    >>> [value_from_text("float", "0.9"), value_from_text("str", "0.9"), value_from_text("list[int]", "[1, 2]")]
    [0.9, '0.9', [1, 2]]
    """
    if type == "str":
        return text
    try:
        value = json.loads(text, parse_constant=_refuse)
    except ValueError:
        value = {"True": True, "False": False, "None": None}.get(text, text)
    problem = mismatch(type, value)
    if not problem:
        return value
    if not mismatch(type, text):
        return text
    raise ValueError(problem)


def _refuse(word: str) -> NoReturn:
    raise ValueError(word)


def from_pairs(pairs: Iterable[str], declared: Mapping[str, Parameter]) -> dict[str, Any]:
    """Values of ``-p name=value``; the last one of a name wins.

    Raises:
        ParameterError: Pairs are malformed, unknown or of the wrong type; all at once.
    """
    values: dict[str, Any] = {}
    problems: list[str] = []
    for pair in pairs:
        name, equals, text = pair.partition("=")
        if not equals or not name:
            problems.append(f"-p {pair}: expected name=value")
        elif name not in declared:
            problems.append(f"-p {pair}: the workflow has no parameter '{name}'; {_near(name, declared)}")
        else:
            try:
                values[name] = value_from_text(declared[name].type, text)
            except ValueError as error:
                problems.append(f"-p {name}: {error}")
    if problems:
        listed = "\n".join(f"  - {problem}" for problem in problems)
        raise ParameterError(
            f"the parameters have problems:\n{listed}", "`--help` after the file lists the workflow's parameters"
        )
    return values


def _near(name: str, declared: Mapping[str, Parameter]) -> str:
    return near(name, declared, "parameters") or "it has none"


def from_file(path: Path) -> dict[str, Any]:
    """Values from a JSON, YAML or TOML file, by its suffix.

    Raises:
        ParameterError: The file cannot be read or holds no mapping.
    """
    try:
        data = _read(path)
    except OSError as error:
        raise ParameterError(f"{path}: {error.strerror}", "name an existing JSON, YAML or TOML file") from error
    except ValueError as error:
        raise ParameterError(f"{path}: {error}") from error
    if not isinstance(data, dict):
        raise ParameterError(f"{path}: expected parameter names with values, got {type(data).__name__}")
    return data


def _read(path: Path) -> Any:
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".json":
        return json.loads(text)
    if path.suffix == ".toml":
        import tomllib

        return tomllib.loads(text)
    import yaml  # only for such files

    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ValueError(str(error)) from error


class JsonType(click.ParamType):  # type: ignore[type-arg]  # generic only in new versions of click
    """A click type for a couler type."""

    def __init__(self, type: str) -> None:
        self.type = type
        self.name = type

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """The value, or click's own usage error."""
        if not isinstance(value, str):
            return value
        try:
            return value_from_text(self.type, value)
        except ValueError as error:
            self.fail(str(error), param, ctx)


def as_option(parameter: Parameter, variable: str) -> click.Option:
    """A parameter of the workflow as an option such as ``--learning-rate``."""
    flag = f"--{parameter.name.replace('_', '-')}"
    notes = [parameter.help] if parameter.help else []
    if parameter.choices:
        notes.append(f"one of {', '.join(json.dumps(choice, ensure_ascii=False) for choice in parameter.choices)}")
    if parameter.default is not None:
        notes.append(f"[default: {json.dumps(parameter.default.value, ensure_ascii=False)}]")
    else:
        notes.append("[required]")
    if parameter.type == "bool":
        return click.Option([f"{flag}/--no-{flag[2:]}", variable], default=None, help="  ".join(notes))
    return click.Option([flag, variable], type=JsonType(parameter.type), default=None, help="  ".join(notes))
