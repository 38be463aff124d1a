"""Names: usable, and not given twice."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from functools import lru_cache

from couler.core.errors import Problem
from couler.core.ir.model import FunctionTask, GroupTask, JobTask
from couler.core.ir.rules.context import Context, Located, Place, scope_problem

LONGEST = 200
"""Characters that a name may have."""

_FORBIDDEN = re.compile(r"[/\\\[\]#\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_ENV_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*")


def usable_names(context: Context) -> Iterator[Problem]:
    """Names of the workflow, of steps and of what they hold can be parts of paths."""
    trouble = _trouble(context.workflow.name)
    if trouble:
        yield Problem("name", trouble)
    for place in context.places:
        for what, name in _names_of_scope(place):
            if trouble := _trouble(name):
                yield scope_problem(place, "name", f"{what}: {trouble}")
    for at in context.steps:
        if trouble := _trouble(at.step.name):
            yield at.problem("name", trouble if at.step.name else "a step has an empty name")
    if all(name.isidentifier() and len(name) <= LONGEST for name in set(_names_of_parts(context))):
        return
    for what, name, at in _names_in_steps(context):
        if trouble := _trouble_of_part(name):
            yield at.problem("name", f"{what}: {trouble}")
        elif what == "an input" and type(at.step.task) is FunctionTask and not name.isidentifier():
            yield at.problem("name", f"the input {name!r} cannot be an argument of a function")


def _trouble(name: str) -> str:
    """Why a name is not usable, or the empty string."""
    if name.replace("-", "_").isidentifier() and len(name) <= LONGEST:
        return ""
    if not name:
        return "the name is empty"
    if found := _FORBIDDEN.search(name):
        return f"the name {name!r} contains {found[0]!r}, which paths of steps and files need"
    if name in (".", ".."):
        return f"the name {name!r} means a folder"
    if name != name.strip():
        return f"the name {name!r} begins or ends with a space"
    if len(name) > LONGEST:
        return f"the name {name[:40]!r}… has {len(name)} characters; at most {LONGEST} are allowed"
    return ""


_trouble_of_part = lru_cache(maxsize=4096)(_trouble)  # the parts of many steps have the same names


def _names_of_scope(place: Place) -> Iterator[tuple[str, str]]:
    yield from (("a parameter", parameter.name) for parameter in place.scope.parameters)
    yield from (("an output", output.name) for output in place.scope.outputs)


def _names_of_parts(context: Context) -> Iterator[str]:
    """The names that `_names_in_steps` gives; of outputs that several steps share, once."""
    yield from [item.name for item in context.inputs]
    yield from [output.name for outputs in context.values("outputs") for output in outputs]
    yield from [read.name for at in context.of_kind(JobTask) for read in at.step.task.outputs]  # type: ignore[union-attr]
    yield from [name for foreach in context.values("foreach") if foreach for name in foreach.lists]


def _names_in_steps(context: Context) -> Iterator[tuple[str, str, Located]]:
    for at in context.having("inputs"):
        for item in at.step.inputs:
            yield "an input", item.name, at
    for at in context.having("outputs"):
        for output in at.step.outputs:
            yield "an output", output.name, at
    for at in context.of_kind(JobTask):
        if type(at.step.task) is JobTask:
            for read in at.step.task.outputs:
                yield "an output", read.name, at
    for at in context.having("foreach"):
        if at.step.foreach is not None:
            for name in at.step.foreach.lists:
                yield "a list of foreach", name, at


def duplicate_steps(context: Context) -> Iterator[Problem]:
    """Each name stands once in its scope; exit handlers share the workflow's."""
    first: dict[str, Located] = {}
    for at in context.steps:
        earlier = first.setdefault(at.path, at)
        if earlier is not at and earlier.place is at.place:
            where = f" at {earlier.step.location}" if earlier.step.location else ""
            yield at.problem(
                "duplicate-step",
                f"the name '{at.step.name}' is already given to another step{where}",
                f"rename one of them, for example '{at.step.name}-2'",
            )


def duplicate_parts(context: Context) -> Iterator[Problem]:
    """Inputs, outputs, variables and parameters each stand once."""
    for place in context.places:
        for what, names in (
            ("parameter", [parameter.name for parameter in place.scope.parameters]),
            ("output", [output.name for output in place.scope.outputs]),
        ):
            for name in _repeated(names):
                yield scope_problem(place, f"duplicate-{what}", f"the {what} '{name}' is declared twice")
    for at in context.having("inputs"):
        for name in _repeated([item.name for item in at.step.inputs]):
            yield at.problem("duplicate-input", f"the input '{name}' is given twice")
    several = context.having_amiss("outputs", lambda outputs: len(outputs) > 1)
    for at in dict.fromkeys((*several, *context.of_kind(JobTask), *context.of_kind(GroupTask))):
        for name in _repeated(_declared_outputs(at)):
            yield at.problem("duplicate-output", f"the output '{name}' is declared twice")
    several = context.having_amiss("env", lambda env: len(env) > 1)
    for at in dict.fromkeys((*several, *context.having("secrets"))):
        yield from _duplicate_variables(at)


def _declared_outputs(at: Located) -> list[str]:
    names = [output.name for output in at.step.outputs]
    if isinstance(at.step.task, JobTask | GroupTask):
        names.extend(output.name for output in at.step.task.outputs)
    return names


def _duplicate_variables(at: Located) -> Iterator[Problem]:
    given = [variable.name for variable in at.step.env]
    for name in _repeated(given):
        yield at.problem("duplicate-env", f"the environment variable '{name}' is given twice")
    secret = [use.env for use in at.step.secrets if use.env]
    for name in _repeated([*dict.fromkeys(given), *secret]):
        yield at.problem(
            "duplicate-env",
            f"the environment variable '{name}' is given by a secret and once more",
            "rename one of them",
        )


def _repeated(names: list[str]) -> list[str]:
    """Names that stand more than once, each once."""
    if len(names) < 2 or len(set(names)) == len(names):
        return []
    return [name for name, count in Counter(names).items() if count > 1]


def variable_names(context: Context) -> Iterator[Problem]:
    """Environment variables have names that shells and containers take."""
    for variable in context.workflow.defaults.env:
        if not _is_variable(variable.name):
            yield Problem("name", f"the environment variable {variable.name!r} {_ENV_RULE}")
    for at in context.having_amiss("env", lambda env: not all(_is_variable(variable.name) for variable in env)):
        for variable in at.step.env:
            if not _is_variable(variable.name):
                yield at.problem("name", f"the environment variable {variable.name!r} {_ENV_RULE}")
    for at in context.having("secrets"):
        for use in at.step.secrets:
            if use.env and not _is_variable(use.env):
                yield at.problem("name", f"the environment variable {use.env!r} {_ENV_RULE}")


@lru_cache(maxsize=4096)
def _is_variable(name: str) -> bool:
    return _ENV_NAME.fullmatch(name) is not None


_ENV_RULE = "is not made of letters, digits and `_`, or begins with a digit"
