"""Attributes of a step as people write them, turned into those of the IR."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Mapping
from datetime import timedelta
from functools import lru_cache
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from couler.core.dsl.conditions import SIMPLE, plain
from couler.core.dsl.expr import Expression
from couler.core.errors import DefinitionError, near
from couler.core.ir import model as ir

M = TypeVar("M", bound=BaseModel)

_UNITS = {"ms": 0.001, "s": 1, "m": 60, "min": 60, "h": 3600, "d": 86400}
_DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s|min|m|h|d)")


def seconds(value: Any) -> float:
    """A duration in seconds, from a number of seconds, a timedelta, or text such as ``"1h30m"``.

    Raises:
        DefinitionError: It is none of these.

    >>> seconds("1h30m")
    5400.0
    """
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value):
        return float(value)
    if isinstance(value, str) and value and not _DURATION.sub("", value).strip():
        return float(sum(float(number) * _UNITS[unit] for number, unit in _DURATION.findall(value)))
    raise DefinitionError(f"{value!r} is not a duration", 'give seconds, a timedelta, or text such as "90s" or "1h30m"')


def build(model: type[M], name: str, value: Mapping[str, Any]) -> M:
    """A part of the IR from keys and values.

    Raises:
        DefinitionError: A key is unknown or a value cannot be used.
    """
    try:
        return model.model_validate(dict(value))
    except ValidationError as error:
        raise DefinitionError(f"{name}: {reasons(error, model)}") from None


def reasons(error: ValidationError, model: type[BaseModel] | None = None) -> str:
    """What pydantic found, in words."""
    details = []
    for item in error.errors():
        key = ".".join(str(part) for part in item["loc"])
        unknown = item["type"] == "extra_forbidden"
        hint = near(key, model.model_fields) if unknown and model is not None else ""
        text = "is unknown" if unknown else f"cannot be {item['input']!r}: {item['msg']}"
        details.append(f"'{key}' {text}" + (f"; {hint}" if hint else ""))
    return "; ".join(details)


def _resources(value: Any) -> ir.Resources:
    if isinstance(value, ir.Resources):
        return value
    if isinstance(value, str):
        parts = [part.partition("=") for part in value.replace(" ", "").split(",")]
        if not all(key and item for key, _, item in parts):
            raise DefinitionError(f"resources: {value!r} does not look like 'cpu=2,memory=4Gi'")
        value = {key: item for key, _, item in parts}
    if not isinstance(value, Mapping):
        raise DefinitionError(
            f"resources: {value!r} is neither couler.Resources, a dict nor text like 'cpu=2,memory=4Gi'"
        )
    return build(ir.Resources, "resources", value)


@lru_cache(maxsize=1024, typed=True)
def _amounts(**given: float | str) -> ir.Resources:
    """Resources that many steps ask for in the same words are one object."""
    return build(ir.Resources, "resources", given)


def _retry(value: Any) -> ir.Retry | None:
    if value is None or isinstance(value, ir.Retry):
        return value
    if isinstance(value, int) and not isinstance(value, bool):
        return _attempts(value)
    if isinstance(value, Mapping):
        return build(ir.Retry, "retry", value)
    raise DefinitionError(f"retry: {value!r} is neither a number of further attempts nor couler.retry(…)")


@lru_cache(maxsize=1024)
def _attempts(limit: int) -> ir.Retry:
    return build(ir.Retry, "retry", {"limit": limit})


def retry(
    limit: int,
    *,
    delay: Any = 0,
    factor: float = 2,
    max_delay: Any = None,
    jitter: float = 0,
    exit_codes: Iterable[int] = (),
    errors: Iterable[str | type[BaseException]] = (),
    out_of_memory: bool = False,
    lost: bool = False,
    timeout: bool = False,
    memory_factor: float | None = None,
    memory_maximum: str | None = None,
) -> ir.Retry:
    """A retry rule with backoff, the outcomes it is for, and more memory after out of memory.

    Args:
        limit: Further attempts after the first.
        delay: Wait before the second attempt (seconds, timedelta or text such as ``"30s"``).
        factor: Each later wait is so many times the one before.
        max_delay: Upper bound of the wait.
        jitter: Waits vary by up to this fraction (0 to 1).
        exit_codes: Retry after these exit codes of a process.
        errors: Retry after these exceptions, by class or name.
        out_of_memory: Retry when the step ran out of memory.
        lost: Retry when the process or pod vanished.
        timeout: Retry when the attempt took too long.
        memory_factor: Memory of the next attempt after out of memory, times this.
        memory_maximum: Upper bound of that memory, such as ``"16Gi"``.

    Without any outcome named, every failure is retried.

    >>> retry(3, delay="10s", errors=["ConnectionError"]).backoff.initial
    10.0
    """
    names = tuple(error if isinstance(error, str) else getattr(error, "__name__", error) for error in errors)
    on = {
        "exit_codes": tuple(exit_codes),
        "errors": names,
        "out_of_memory": out_of_memory,
        "lost": lost,
        "timeout": timeout,
    }
    backoff = {"initial": seconds(delay), "factor": factor, "jitter": jitter}
    if max_delay is not None:
        backoff["maximum"] = seconds(max_delay)
    rule: dict[str, Any] = {"limit": limit, "backoff": backoff, "on": on if any(on.values()) else None}
    if memory_factor is not None or memory_maximum is not None:
        rule["escalation"] = {"memory_factor": memory_factor or 2, "memory_maximum": memory_maximum}
    return build(ir.Retry, "retry", rule)


def secret(name: str, key: str) -> ir.SecretRef:
    """A secret by reference: the key of a named secret that the engine holds. Its value is never read here."""
    return ir.SecretRef(name=name, key=key)


def _secrets(value: Any) -> tuple[ir.SecretUse, ...]:
    if isinstance(value, Mapping):
        uses = []
        for variable, reference in value.items():
            if not isinstance(reference, ir.SecretRef):
                raise DefinitionError(
                    f"secrets: '{variable}' must be a reference, not a value of type {type(reference).__name__}",
                    f'secrets={{"{variable}": couler.secret("name", "key")}}',
                )
            uses.append(ir.SecretUse(secret=reference, env=variable))
        return tuple(uses)
    uses = list(_sequence("secrets", value))
    if not all(isinstance(use, ir.SecretUse) for use in uses):
        raise DefinitionError("secrets is a dict of variable name to couler.secret(…), or a list of couler.SecretUse")
    return tuple(uses)


def _cache(value: Any) -> ir.CachePolicy | None:
    if value is None or isinstance(value, ir.CachePolicy):
        return value
    if isinstance(value, bool):
        return ir.CachePolicy(enabled=value)
    if isinstance(value, Mapping):
        return build(ir.CachePolicy, "cache", value)
    raise DefinitionError(f"cache: {value!r} is neither True, False nor couler.CachePolicy(…)")


def _env(value: Any) -> dict[str, Any]:
    if not isinstance(value, Mapping):
        raise DefinitionError(f"env: {value!r} is not a dict of variable name to value")
    for name, item in value.items():
        if type(item) in SIMPLE:
            continue
        if isinstance(item, ir.SecretRef):
            raise DefinitionError(f"env: '{name}' is a secret", f'use secrets={{"{name}": couler.secret(…)}}')
        if not isinstance(item, Expression):
            plain(item, f"env '{name}'")
    return dict(value)


def _sequence(name: str, value: Any) -> Iterable[Any]:
    if isinstance(value, (str, Mapping)) or not isinstance(value, Iterable):
        raise DefinitionError(f"{name}: {value!r} is not a list")
    return value


def _models(name: str, model: type[M]) -> Callable[[Any], tuple[M, ...]]:
    def convert(value: Any) -> tuple[M, ...]:
        return tuple(item if isinstance(item, model) else build(model, name, item) for item in _sequence(name, value))

    return convert


def _text(name: str) -> Callable[[Any], str]:
    def convert(value: Any) -> str:
        if isinstance(value, str):
            return value
        raise DefinitionError(f"{name}: {value!r} is not a string")

    return convert


def _flag(name: str) -> Callable[[Any], bool]:
    def convert(value: Any) -> bool:
        if isinstance(value, bool):
            return value
        raise DefinitionError(f"{name}: {value!r} is not True or False")

    return convert


def _labels(name: str) -> Callable[[Any], dict[str, str]]:
    def convert(value: Any) -> dict[str, str]:
        if isinstance(value, Mapping) and all(isinstance(part, str) for item in value.items() for part in item):
            return dict(value)
        raise DefinitionError(f"{name}: {value!r} is not a dict of strings")

    return convert


def _packages(value: Any) -> tuple[str, ...]:
    packages = tuple(_sequence("packages", value))
    if not all(isinstance(package, str) for package in packages):
        raise DefinitionError("packages is a list of requirements such as 'numpy>=2'")
    return packages


def _parallelism(value: Any) -> int:
    if isinstance(value, int) and not isinstance(value, bool) and value > 0:
        return value
    raise DefinitionError(f"parallelism: {value!r} is not a positive number of items at a time")


def _engine_options(value: Any) -> dict[str, Any]:
    if isinstance(value, Mapping) and all(isinstance(item, Mapping) for item in value.values()):
        return {name: plain(item, f"engine_options of {name}") for name, item in value.items()}
    raise DefinitionError('engine_options is a dict such as {"argo": {...}}')


CONVERTERS: dict[str, Callable[[Any], Any]] = {
    "description": _text("description"),
    "image": _text("image"),
    "packages": _packages,
    "resources": _resources,
    "retry": _retry,
    "timeout": lambda value: None if value is None else seconds(value),
    "cache": _cache,
    "env": _env,
    "secrets": _secrets,
    "volumes": _models("volumes", ir.Volume),
    "service_account": _text("service_account"),
    "working_dir": _text("working_dir"),
    "labels": _labels("labels"),
    "sidecars": _models("sidecars", ir.Sidecar),
    "daemon": _flag("daemon"),
    "allow_failure": _flag("allow_failure"),
    "parallelism": _parallelism,
    "engine_options": _engine_options,
}
"""Option name to the function that checks and converts it."""

RESOURCE_SHORTCUTS = ("cpu", "memory", "gpu")


def convert(options: Mapping[str, Any], where: str) -> dict[str, Any]:
    """Check and convert the attributes of a step.

    Args:
        options: As the user gave them; ``cpu``, ``memory`` and ``gpu`` are short for ``resources``.
        where: Which step, for messages.

    Raises:
        DefinitionError: A name is unknown or a value cannot be used.
    """
    return changed({}, options, where)


def changed(given: Mapping[str, Any], changes: Mapping[str, Any], where: str) -> dict[str, Any]:
    """Options with some of them changed; ``cpu``, ``memory`` and ``gpu`` change only that resource.

    Raises:
        DefinitionError: A name is unknown or a value cannot be used.
    """
    result = dict(given)
    shortcuts: dict[str, Any] = {}
    try:
        for name, value in changes.items():
            if (converter := CONVERTERS.get(name)) is not None:
                result[name] = converter(value)
            elif name in RESOURCE_SHORTCUTS:
                if value is not None:
                    shortcuts[name] = value
            else:
                known = [*CONVERTERS, *RESOURCE_SHORTCUTS, "name", "outputs"]
                raise DefinitionError(f"unknown option '{name}'", near(name, known, "options"))
        if shortcuts:
            result["resources"] = _with_shortcuts(result.get("resources"), shortcuts)
    except DefinitionError as error:
        raise DefinitionError(f"{where}: {error.message}", error.hint) from None
    return result


_PLAIN = {int, float, str}


def _with_shortcuts(base: ir.Resources | None, shortcuts: dict[str, Any]) -> ir.Resources:
    if base is None and _PLAIN.issuperset(map(type, shortcuts.values())):
        return _amounts(**shortcuts)
    given = base.model_dump(exclude_defaults=True) if base is not None else {}
    return build(ir.Resources, "resources", {**given, **shortcuts})
