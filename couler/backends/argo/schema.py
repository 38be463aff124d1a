"""Which fields Argo's objects have, and whether data given for them fits: a path, a near name and the type expected.

The list in ``fields.json`` is made from the full definitions of Argo Workflows 4.1.2 (Apache License 2.0, The Argo
Authors) and says of newer fields since when they exist. Only shapes are checked here: names of fields, kinds of
values, and words where only some are allowed.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Iterator, Mapping
from importlib import resources
from typing import Any, Final

from couler.core.errors import near

NEWEST: Final = "4.1"
SINCE: Final = "exists since Argo"
"""Words of a problem with a field that only newer versions have."""

_PLAIN: Final[Mapping[str, tuple[type | tuple[type, ...], str]]] = {
    "string": (str, "text"),
    "boolean": (bool, "true or false"),
    "integer": (int, "a whole number"),
    "number": ((int, float), "a number"),
    "int-or-string": ((int, str), "a whole number or text"),
    "object": (Mapping, "a mapping"),
    "any": (object, "anything"),
}
"""Type as the list writes it, to what Python calls it and what people do."""

_REMOVED: Final[Mapping[str, str]] = {
    "mutex": "Argo 4.0 took it out; write 'mutexes', a list",
    "semaphore": "Argo 4.0 took it out; write 'semaphores', a list",
    "schedule": "Argo 4.0 took it out; write 'schedules', a list",
    "podPriority": "Argo 3.7 took it out; write 'podPriorityClassName'",
}


def problems_of(kind: str, data: Any, version: str = NEWEST) -> list[str]:
    """What does not fit, as ``path: what is wrong``; empty when all of it fits.

    Required fields are not asked for: ``data`` may be a fragment that is merged into a whole.

    Args:
        kind: A type such as ``WorkflowSpec``, ``Template``, ``Container``, ``PodSpec`` or ``CronWorkflow``, or a path
            that starts at one, such as ``Template.retryStrategy``.
        data: The value given.
        version: Version of Argo that has to understand it; empty for the newest known.

    Raises:
        ValueError: There is no such kind.

    Example:
        >>> problems_of("Template", {"retryStrategy": {"limit": 2, "backoff": {"faktor": 2}}})
        ["retryStrategy.backoff.faktor: unknown field; did you mean 'factor'?"]
        >>> problems_of("Template", {"pendingTimeout": "5m"}, version="4.0")
        ['pendingTimeout: exists since Argo 4.1, and the workflow is written for 4.0']
    """
    return list(_check(_type_at(kind), data, "", _number(version or NEWEST)))


def fields_of(kind: str) -> Mapping[str, str]:
    """Field to type for a kind; ``[T]`` is a list, ``{T}`` a mapping from text, ``=a|b`` one of some words.

    A type may end in ``@`` and the version of Argo that brought it.

    Example:
        >>> fields_of("WorkflowSpec")["templates"], fields_of("Template")["pendingTimeout"]
        ('[Template]', 'string@4.1')

    Raises:
        ValueError: There is no such kind, or it has no fields.
    """
    found = _types().get(_type_at(kind))
    if found is None:
        raise ValueError(f"{kind!r} has no fields")
    return found


def _check(expected: str, value: Any, path: str, version: tuple[int, ...]) -> Iterator[str]:
    if expected.startswith("["):
        yield from _check_list(expected[1:-1], value, path, version)
    elif expected.startswith("{"):
        yield from _check_map(expected[1:-1], value, path, version)
    elif expected.startswith("="):
        yield from _check_word(expected[1:].split("|"), value, path)
    elif expected in _PLAIN:
        yield from _check_plain(expected, value, path)
    else:
        yield from _check_object(expected, value, path, version)


def _check_object(expected: str, value: Any, path: str, version: tuple[int, ...]) -> Iterator[str]:
    if not isinstance(value, Mapping):
        yield _wrong(path, "a mapping", value)
        return
    fields = _types().get(expected, {})
    for name, given in value.items():
        where = f"{path}.{name}" if path else str(name)
        of, _, since = fields.get(str(name), "").partition("@")
        if str(name).startswith("$"):
            continue  # an instruction of a strategic merge patch
        if not of:
            yield f"{where}: unknown field{_hint(str(name), fields)}"
        elif since and _number(since) > version:
            yield f"{where}: {SINCE} {since}, and the workflow is written for {'.'.join(map(str, version))}"
        else:
            yield from _check(of, given, where, version)


def _check_list(of: str, value: Any, path: str, version: tuple[int, ...]) -> Iterator[str]:
    if not isinstance(value, list | tuple):
        yield _wrong(path, "a list", value)
        return
    for index, item in enumerate(value):
        yield from _check(of, item, f"{path}[{index}]", version)


def _check_map(of: str, value: Any, path: str, version: tuple[int, ...]) -> Iterator[str]:
    if not isinstance(value, Mapping):
        yield _wrong(path, "a mapping", value)
        return
    for key, item in value.items():
        where = f"{path}.{key}" if path else str(key)
        if isinstance(key, str):
            yield from _check(of, item, where, version)
        else:
            yield f"{where}: keys are text, and this is {_describe(key)}; write {str(key)!r}"


def _check_word(words: list[str], value: Any, path: str) -> Iterator[str]:
    if value not in words:
        known = [word for word in words if word]
        yield f"{_at(path)}takes one of {', '.join(map(repr, known))}, and got {_describe(value)}"


def _check_plain(expected: str, value: Any, path: str) -> Iterator[str]:
    python, words = _PLAIN[expected]
    is_stray_boolean = isinstance(value, bool) and expected not in ("boolean", "any")
    if not isinstance(value, python) or is_stray_boolean:
        written = f"; write {json.dumps(str(value).lower() if isinstance(value, bool) else str(value))}"
        is_scalar = isinstance(value, bool | int | float)
        yield _wrong(path, words, value) + (written if expected == "string" and is_scalar else "")


def _wrong(path: str, expected: str, value: Any) -> str:
    return f"{_at(path)}takes {expected}, and got {_describe(value)}"


def _at(path: str) -> str:
    return f"{path}: " if path else ""


def _describe(value: Any) -> str:
    match value:
        case None:
            return "nothing (null)"
        case bool():
            return str(value).lower()
        case int() | float():
            return f"the number {value}"
        case str():
            return f"the text {value[:40]!r}"
        case Mapping():
            return "a mapping"
        case list() | tuple():
            return "a list"
    return f"a value of the type {type(value).__name__}"


def _hint(name: str, fields: Mapping[str, str]) -> str:
    if not fields:
        return "; none belong here"
    return f"; {_REMOVED.get(name) or near(name, fields, 'fields')}"


def _type_at(kind: str) -> str:
    """The type that a path such as ``Template.dag.tasks`` leads to."""
    first, *rest = kind.split(".")
    if first not in _types():
        raise ValueError(f"no kind {first!r}; {near(first, _types())}")
    found = first
    for name in rest:
        fields = _types().get(found, {})
        if name not in fields:
            raise ValueError(f"{found} has no field {name!r}; {near(name, fields, 'fields')}")
        found = fields[name].partition("@")[0]
        while name != rest[-1] and found[0] in "[{":
            found = found[1:-1]
    return found


@functools.cache
def _types() -> Mapping[str, Mapping[str, str]]:
    text = resources.files(__package__).joinpath("fields.json").read_text()
    found: dict[str, dict[str, str]] = json.loads(text)
    found.setdefault("empty", {})
    return found


def _number(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))
