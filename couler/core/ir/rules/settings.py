"""Attributes around a task: numbers that mean something, and no secrets in plain sight."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache

from couler.core.errors import Problem
from couler.core.ir.json import Json
from couler.core.ir.model import (
    Constant,
    ContainerTask,
    EnvVar,
    GroupTask,
    JobTask,
    Resources,
    Retry,
    ScriptTask,
    SuspendTask,
    Task,
    Value,
)
from couler.core.ir.quantities import amount
from couler.core.ir.rules.context import Context, Located

Finding = tuple[str, str, str]
"""Rule, message and hint."""


def time_limits(context: Context) -> Iterator[Problem]:
    """A time limit leaves some time."""
    workflow = context.workflow
    if workflow.timeout == 0:
        yield Problem("timeout", "the workflow's timeout is 0 seconds", hint=_TIMEOUT_HINT)
    if workflow.defaults.timeout == 0:
        yield Problem("timeout", "the default timeout of steps is 0 seconds", hint=_TIMEOUT_HINT)
    for at in context.having("timeout"):
        if at.step.timeout == 0:
            yield at.problem("timeout", "the timeout is 0 seconds", _TIMEOUT_HINT)


_TIMEOUT_HINT = "leave it out for no limit"


def retries(context: Context) -> Iterator[Problem]:
    """A retry tries again, and its parts agree with each other."""
    defaults = context.workflow.defaults
    if defaults.retry is not None:
        for rule, message, hint in _check_retry(defaults.retry, defaults.resources):
            yield Problem(rule, f"defaults: {message}", hint=hint)
    for at in context.having_amiss("retry", _is_doubtful):
        retry, resources = at.step.retry, at.step.resources or defaults.resources
        if retry is None or (retry.limit == 0 and defaults.retry is not None):  # limit 0 turns the default off
            continue
        for finding in _check_retry(retry, resources):
            yield at.problem(*finding)


def _is_doubtful(retry: Retry | None) -> bool:
    """Whether something is wrong with it, or may be: an escalation depends on the resources of the step."""
    return retry is not None and (retry.escalation is not None or any(_check_retry(retry, None)))


def _check_retry(retry: Retry, resources: Resources | None) -> Iterator[Finding]:
    if retry.limit == 0:
        yield (
            "retry",
            "retry has the limit 0, so nothing is tried again",
            "give a limit of 1 or more, or leave retry out",
        )
    backoff = retry.backoff
    if backoff.maximum is not None and backoff.maximum < backoff.initial:
        yield "retry", f"backoff starts at {backoff.initial:g} s, over its maximum of {backoff.maximum:g} s", ""
    on = retry.on
    if on is not None and not (on.exit_codes or on.errors or on.out_of_memory or on.lost or on.timeout):
        yield (
            "retry",
            "retry is limited to no outcome at all",
            "name outcomes in on, or leave on out to retry all failures",
        )
    if retry.escalation is None:
        return
    if on is not None and not on.out_of_memory:
        yield "retry", "memory is raised after out of memory, which is not among the outcomes to retry", _OOM_HINT
    if resources is None or resources.memory is None:
        yield (
            "retry",
            "memory is raised after out of memory, but the step does not say how much it starts with",
            _MEMORY,
        )
    elif _amount(retry.escalation.memory_maximum) < _amount(resources.memory):
        limit, start = retry.escalation.memory_maximum, resources.memory
        yield "retry", f"memory may be raised up to {limit}, which is less than the {start} it starts with", ""


_OOM_HINT = "set out_of_memory=True in retry's on"
_MEMORY = 'for example resources memory="2Gi"'


def _amount(quantity: str | None) -> float:
    """The amount, or infinity for a missing or malformed one."""
    try:
        return amount(quantity) if quantity is not None else float("inf")
    except ValueError:
        return float("inf")


def resources(context: Context) -> Iterator[Problem]:
    """Resources are amounts of something."""
    defaults = context.workflow.defaults
    if defaults.resources is not None:
        for rule, message, hint in _check_resources(defaults.resources):
            yield Problem(rule, f"defaults: {message}", hint=hint)
    for at in context.having_amiss("resources", lambda given: given is not None and any(_check_resources(given))):
        if at.step.resources is not None:
            for finding in _check_resources(at.step.resources):
                yield at.problem(*finding)


def _check_resources(given: Resources) -> Iterator[Finding]:
    for what, quantity in (("memory", given.memory), ("ephemeral_storage", given.ephemeral_storage)):
        if quantity is None:
            continue
        try:
            if amount(quantity) < 1:
                yield "resources", f"{what} {quantity!r} is less than one byte", "for example '512Mi'"
        except ValueError as error:
            yield "resources", f"{what}: {error}", ""
    if given.gpu and not given.gpu_kind:
        yield "resources", "the GPU has no kind", "for example 'nvidia.com/gpu'"


def needs_a_process(context: Context) -> Iterator[Problem]:
    """What is given to a process stands on a step that has one."""
    for task, (what, hint) in _WITHOUT_PROCESS.items():
        for at in context.of_kind(task):
            for name in ("env", "secrets", "volumes", "sidecars", "resources", "working_dir"):
                if getattr(at.step, name):
                    yield at.problem("no-process", f"{what} has no process of its own for {name}", hint)


_WITHOUT_PROCESS: Mapping[type[Task], tuple[str, str]] = {
    GroupTask: ("a group", "set it on the steps inside the group"),
    SuspendTask: ("a pause", "remove it"),
    JobTask: ("a job", "write it into the manifest"),
}


def secrets(context: Context) -> Iterator[Problem]:
    """A secret goes somewhere, and nothing that looks like one stands in plain text."""
    for name in _exposed(context.workflow.defaults.env):
        yield Problem("plaintext-secret", f"defaults: {_exposed_text(name)}", hint=_SECRET_HINT)
    for at in context.having_amiss("env", lambda env: bool(_exposed(env))):
        for name in _exposed(at.step.env):
            yield at.problem("plaintext-secret", _exposed_text(name), _SECRET_HINT)
    for at in context.having("secrets"):
        for use in at.step.secrets:
            if not use.env and not use.path:
                yield at.problem(
                    "secret",
                    f"the secret '{use.secret.name}' is given neither as a variable nor as a file",
                    "set env or path",
                )


_SECRET_NAME = re.compile(r"PASSWORD|PASSWD|SECRET|API_?KEY|(?<![A-Z])TOKEN(?![A-Z])|ACCESS_?KEY", re.IGNORECASE)
_NAME_OF_SOMETHING_ELSE = re.compile(r"(_FILE|_PATH|_DIR|_NAME|_URL|_URI|_ENDPOINT|_TTL|_REF)$", re.IGNORECASE)
_SECRET_HINT = "keep it in the engine's secret store and refer to it with couler.secret(...)"


def _exposed(env: Iterable[EnvVar]) -> list[str]:
    return [variable.name for variable in env if _names_a_secret(variable.name) and _is_text(variable.value)]


def _is_text(value: Value) -> bool:
    return isinstance(value, Constant) and isinstance(value.value, str) and value.value != ""


@lru_cache(maxsize=4096)
def _names_a_secret(name: str) -> bool:
    return _SECRET_NAME.search(name) is not None and _NAME_OF_SOMETHING_ELSE.search(name) is None


def _exposed_text(name: str) -> str:
    return f"the environment variable '{name}' looks like a secret, and its value stands in plain text"


def volumes(context: Context) -> Iterator[Problem]:
    """Volumes have a place of their own and say where they come from."""
    for at in context.having("volumes"):
        yield from _check_volumes(at)


def _check_volumes(at: Located) -> Iterator[Problem]:
    seen: set[str] = set()
    for volume in at.step.volumes:
        if not volume.path.startswith("/"):
            yield at.problem("volume", f"the volume at {volume.path!r} needs an absolute path", "for example '/data'")
        if volume.path in seen:
            yield at.problem("volume", f"two volumes are mounted at {volume.path!r}")
        seen.add(volume.path)
        if volume.source == "new_claim" and volume.size is None:
            yield at.problem("volume", f"the new volume at {volume.path!r} has no size", "for example size='10Gi'")
        if volume.source not in ("new_claim", "empty") and not volume.name:
            yield at.problem(
                "volume", f"the volume at {volume.path!r} has no name", f"name the {volume.source} to mount"
            )


def encodable(context: Context) -> Iterator[Problem]:
    """Constants are texts that can be written in some encoding."""
    if _can_be_written("".join([text if type(text) is str else _texts(text) for text in _constants(context)])):
        return
    for at in context.having("inputs"):
        for item in at.step.inputs:
            if not _encodes(item.value):
                yield _unencodable(at, f"input '{item.name}'")
    for at in context.having("env"):
        for variable in at.step.env:
            if not _encodes(variable.value):
                yield _unencodable(at, f"environment variable '{variable.name}'")
    for at in context.steps:
        task = at.step.task
        if type(task) is ContainerTask or type(task) is ScriptTask:
            for index, part in enumerate(task.args, start=1):
                if not _encodes(part):
                    yield _unencodable(at, f"argument {index}")


def _constants(context: Context) -> list[Json]:
    """Constants that may hold text, of all inputs, variables and arguments."""
    parts = [item.value for item in context.inputs]
    parts += [variable.value for env in context.values("env") for variable in env]
    for kind in (ContainerTask, ScriptTask):
        parts += [part for at in context.of_kind(kind) for part in at.step.task.args]  # type: ignore[union-attr]
    return [part.value for part in parts if type(part) is Constant]


def _unencodable(at: Located, where: str) -> Problem:
    return at.problem(
        "encoding",
        f"{where} contains half of a surrogate pair, which no encoding can carry",
        "read bytes with errors='replace', or write the character as a whole",
    )


def _encodes(value: Value) -> bool:
    """Whether a value is no constant, or one that can be written."""
    if type(value) is not Constant:
        return True
    return _can_be_written(_texts(value.value))


def _can_be_written(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _texts(value: object) -> str:
    """All texts inside a JSON value, one after the other."""
    if isinstance(value, str):
        return value
    if isinstance(value, dict):
        return "".join(key + _texts(item) for key, item in value.items())
    return "".join(map(_texts, value)) if isinstance(value, (list, tuple)) else ""
