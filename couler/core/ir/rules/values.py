"""Types: what a value is fits where it goes, as far as both are known."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import lru_cache

from couler.core.errors import Problem, near
from couler.core.ir.evaluate import path_text
from couler.core.ir.graph import outputs_of_one
from couler.core.ir.model import (
    Concat,
    Constant,
    FirstOf,
    GroupTask,
    Input,
    ItemRef,
    JobTask,
    ListOf,
    LoopOutputRef,
    OutputRef,
    ParameterRef,
    Path,
    RoundRef,
    RunRef,
    Step,
    StoredFile,
    Value,
)
from couler.core.ir.rules.context import Context, Located, Place, scope_problem
from couler.core.ir.types import accepts, described, infer, list_of, mismatch, parse, union_of

FILE_OR_FOLDER = "file | folder"


def known_types(context: Context) -> Iterator[Problem]:
    """Every type text names a type; parameters of the workflow hold values, no files."""
    for place in context.places:
        for parameter in place.scope.parameters:
            if trouble := _type_trouble(parameter.type):
                yield scope_problem(place, "type-text", f"parameter '{parameter.name}': {trouble}")
            elif place.owner is None and _holds_files(parameter.type):
                message = (
                    f"the workflow's parameter '{parameter.name}' is {parameter.type}, but only values can be given"
                )
                yield Problem("file-parameter", message, hint="take a URL as a str parameter, or use a stored file")
        for output in place.scope.outputs:
            if trouble := _type_trouble(output.type):
                yield scope_problem(place, "type-text", f"output '{output.name}': {trouble}")
    troubled = any(map(_type_trouble, {item.type for item in context.inputs}))
    for at in context.having("inputs") if troubled else ():
        for item in at.step.inputs:
            if trouble := _type_trouble(item.type):
                yield at.problem("type-text", f"input '{item.name}': {trouble}")
    for at in context.having_amiss("outputs", lambda outputs: any(_type_trouble(made.type) for made in outputs)):
        for made in at.step.outputs:
            if trouble := _type_trouble(made.type):
                yield at.problem("type-text", f"output '{made.name}': {trouble}")
    for at in context.of_kind(JobTask):
        if type(at.step.task) is JobTask:
            for read in at.step.task.outputs:
                if trouble := _type_trouble(read.type):
                    yield at.problem("type-text", f"output '{read.name}': {trouble}")


@lru_cache(maxsize=4096)
def _type_trouble(text: str) -> str:
    try:
        parse(text)
    except ValueError as error:
        return str(error)
    return ""


def _holds_files(text: str) -> bool:
    atoms = parse(text).alternatives
    return any(atom.name in ("file", "folder") or (atom.item and _holds_files(str(atom.item))) for atom in atoms)


def _known(text: str) -> str:
    """The text, or ``any`` for one that names no type and is reported as such."""
    return "any" if _type_trouble(text) else text


def type_of(value: Value, place: Place, step: Step | None = None) -> str:
    """The type of a value as far as it is known: ``any`` for references that lead nowhere, empty for paths that cannot.

    Args:
        value: The value.
        place: The scope whose names it sees.
        step: The step in which it stands, when it stands in one.
    """
    match value:
        case OutputRef():
            output = place.outputs(value.step).get(value.output)
            found = _inside(_known(output.type), value.path) if output is not None else "any"
            return found if value.default is None else union_of(found or "any", infer(value.default.value))
        case Constant():
            return infer(value.value)
        case ParameterRef():
            parameter = place.parameters.get(value.name)
            return _inside(_known(parameter.type), value.path) if parameter is not None else "any"
        case ItemRef():
            return _inside(_item_type(value.name, place, step), value.path)
        case LoopOutputRef():
            output = outputs_of_one(step).get(value.output) if step is not None else None
            return _inside(_known(output.type), value.path) if output is not None else "any"
        case RoundRef():
            return "int"
        case FirstOf():
            types = [type_of(option, place, step) or "any" for option in value.options]
            if value.default is not None:
                types.append(infer(value.default.value))
            return union_of(*types) if types else "any"
        case Concat():
            return "str"
        case ListOf():
            known = (item for item in value.items if not isinstance(item, StoredFile))  # those fit as file and folder
            items = [type_of(item, place, step) or "any" for item in known]
            return list_of(union_of(*items)) if items else "list"
        case RunRef():
            return "list[str]" if value.field == "failed_steps" else "str"
        case _:
            return FILE_OR_FOLDER


def _item_type(name: str, place: Place, step: Step | None) -> str:
    lists = step.foreach.lists if step is not None and step.foreach is not None else {}
    return _inside(type_of(lists[name], place, step), (0,)) or "any" if name in lists else "any"


@lru_cache(maxsize=16384)
def _inside(text: str, path: Path) -> str:
    """The type at a path into a value of a type; empty when a path cannot lead there."""
    for key in path:
        wanted = "object" if isinstance(key, str) else "list"
        atoms = [atom for atom in parse(text).alternatives if atom.name in ("any", wanted)]
        if not atoms:
            return ""
        text = union_of(*("any" if atom.item is None else str(atom.item) for atom in atoms))
    return text


def paths_into_values(context: Context) -> Iterator[Problem]:
    """A path into a value leads into an object or a list."""
    for at in context.steps:
        for ref in at.references:
            path: Path = getattr(ref, "path", ())
            if path and not type_of(ref, at.place, at.step):
                whole = ref.model_copy(update={"path": ()})
                given = type_of(whole, at.place, at.step)
                yield at.problem("value-path", f"{_source(whole)} is {given}, so it has no {path_text(path)}")


def input_types(context: Context) -> Iterator[Problem]:
    """The value of each input fits the type that the input declares."""
    for at in context.having("inputs"):
        for item in at.step.inputs:
            wanted, value = item.type, item.value
            if wanted == "any" or (type(value) is Constant and type(value.value) is _EXACT.get(wanted)):
                continue
            if _type_trouble(wanted):
                continue
            if trouble := misfit(wanted, value, at.place, at.step):
                yield at.problem("type-mismatch", f"input '{item.name}': {trouble}")


_EXACT: Mapping[str, type] = {"str": str, "int": int, "bool": bool}
"""Types that all values of a Python type have: the quick answer for most constants."""


def misfit(wanted: str, value: Value, place: Place, step: Step | None = None) -> str:
    """Why a value does not fit a type, or the empty string."""
    if type(value) is OutputRef and not value.path and value.default is None:  # by far the most frequent
        output = place.outputs(value.step).get(value.output)
        if output is None or output.type == wanted:
            return ""
    match value:
        case Constant():
            return mismatch(wanted, value.value)
        case StoredFile():
            fits = accepts(wanted, "file") or accepts(wanted, "folder")
            return "" if fits else f"expected {wanted}, got a stored file"
        case _:
            given = type_of(value, place, step)
            fits = not given or accepts(wanted, given)
            return "" if fits else f"expected {wanted}, but {_source(value)} gives {given}"


def _source(value: Value) -> str:
    match value:
        case OutputRef():
            return f"output '{value.output}' of step '{value.step}'{path_text(value.path)}"
        case ParameterRef():
            return f"parameter '{value.name}'{path_text(value.path)}"
        case ItemRef():
            return f"item '{value.name}'{path_text(value.path)}"
        case RunRef():
            return f"the run's {value.field}"
        case RoundRef():
            return "the number of the round"
        case Concat():
            return "a text made of parts"
        case ListOf():
            return "a list of values"
        case _:
            return "the first of several outputs"


def group_inputs(context: Context) -> Iterator[Problem]:
    """A group gets every parameter that it needs, and no others."""
    for at in context.of_kind(GroupTask):
        task = at.step.task
        if type(task) is not GroupTask:
            continue
        parameters = {parameter.name: parameter for parameter in task.parameters}
        given = {item.name: item for item in at.step.inputs}
        for name, parameter in parameters.items():
            if parameter.default is None and name not in given:
                hint = f"give it as an input, or give the parameter '{name}' a default"
                yield at.problem("missing-input", f"the group needs the input '{name}', which is not given", hint)
        for name, item in given.items():
            if name not in parameters:
                hint = near(name, parameters, "parameters") or "the group has no parameters"
                yield at.problem("unknown-input", f"the group has no parameter for the input '{name}'", hint)
            elif trouble := _group_misfit(parameters[name].type, item, at):
                yield at.problem("type-mismatch", f"input '{name}': {trouble}")


def _group_misfit(wanted: str, item: Input, at: Located) -> str:
    if _type_trouble(wanted) or _type_trouble(item.type):
        return ""
    if item.type == "any":
        return misfit(wanted, item.value, at.place, at.step)
    if accepts(wanted, item.type):
        return ""
    return f"the group's parameter is {wanted}, but the input is declared {item.type}"


def parameter_values(context: Context) -> Iterator[Problem]:
    """Defaults and choices have the parameter's type, and the default is one of the choices."""
    for place in context.places:
        for parameter in place.scope.parameters:
            if _type_trouble(parameter.type):
                continue
            what = f"parameter '{parameter.name}'"
            for choice in parameter.choices:
                if trouble := mismatch(parameter.type, choice):
                    yield scope_problem(place, "parameter-choices", f"{what}: a choice does not fit: {trouble}")
            if parameter.default is None:
                continue
            default = parameter.default.value
            if trouble := mismatch(parameter.type, default):
                yield scope_problem(place, "parameter-default", f"{what}: the default does not fit: {trouble}")
            elif parameter.choices and default not in parameter.choices:
                yield scope_problem(
                    place, "parameter-default", f"{what}: the default {described(default)} is not one of the choices"
                )


def scope_output_types(context: Context) -> Iterator[Problem]:
    """Outputs of the workflow and of groups give what they declare."""
    for place in context.places:
        for output in place.scope.outputs:
            if output.type == "any" or _type_trouble(output.type):
                continue
            if trouble := misfit(output.type, output.value, place):
                yield scope_problem(place, "type-mismatch", f"output '{output.name}': {trouble}")
