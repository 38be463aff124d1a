"""The values of a workflow's parameters for one run: complete, of the right type, and all mistakes at once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from couler.core.errors import ParameterError, near
from couler.core.ir.json import freeze, thaw
from couler.core.ir.model import Parameter, Workflow
from couler.core.ir.types import mismatch


def complete(workflow: Workflow, given: Mapping[str, Any]) -> dict[str, Any]:
    """The given values and the defaults of the others.

    Raises:
        ParameterError: Values are missing, unknown, of the wrong type or not among the choices.

    >>> from couler.core.ir.model import Constant
    >>> w = Workflow(name="w", parameters=(Parameter(name="rate", type="float", default=Constant(value=0.1)),))
    >>> complete(w, {})
    {'rate': 0.1}
    """
    known = {parameter.name: parameter for parameter in workflow.parameters}
    problems = [f"unknown parameter '{name}'; {near(name, known, 'parameters')}" for name in given if name not in known]
    values: dict[str, Any] = {}
    for parameter in workflow.parameters:
        if parameter.name in given:
            problems += _problems(parameter, given[parameter.name])
            values[parameter.name] = given[parameter.name]
        elif parameter.default is not None:
            values[parameter.name] = thaw(parameter.default.value)
        else:
            problems.append(f"parameter '{parameter.name}' ({parameter.type}) has no value and no default")
    if problems:
        first = next((name for name, item in known.items() if item.default is None), next(iter(known), "name"))
        raise ParameterError(
            "\n".join([f"workflow '{workflow.name}' cannot start:", *(f"  - {problem}" for problem in problems)]),
            f"give values as -p {first}=… on the command line, or as {first}=… in Python",
        )
    return values


def _problems(parameter: Parameter, value: Any) -> Iterator[str]:
    try:
        frozen = freeze(value)
    except ValueError as error:
        yield f"parameter '{parameter.name}': {error}"
        return
    if found := mismatch(parameter.type, frozen):
        yield f"parameter '{parameter.name}': {found}"
    elif parameter.choices and frozen not in parameter.choices:
        choices = ", ".join(repr(thaw(choice)) for choice in parameter.choices)
        yield f"parameter '{parameter.name}': {value!r} is not one of {choices}"
