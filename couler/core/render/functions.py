"""Steps that are Python functions: their source becomes ``@couler.step`` functions of the file, where it allows that.

It does when it is imports, constants, helper functions and an entry whose annotations say what the step declares, and
when nothing of it would run where the file is loaded but its imports.
Couler cuts the source out again when the file is executed; imports that nothing uses are lost by that.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass

from couler.core.ir import model as ir
from couler.core.render.annotations import type_text_of
from couler.core.render.code import Items, lines
from couler.core.render.inert import is_inert
from couler.core.render.literals import text
from couler.core.render.models import constructed
from couler.core.render.names import is_usable
from couler.core.render.options import Options
from couler.core.render.scope import Module

_FUTURE = "from __future__ import annotations"
_FILES = ("InFile", "OutFile", "InFolder", "OutFolder")


@dataclass(frozen=True, slots=True)
class StepFunction:
    """What couler reads off a function.

    Attributes:
        inputs: Parameter to its type, those that the function writes left out.
        required: Parameters without a default.
        writes: Parameter that is a file to write, to its type.
        returned: Type of the result.
        node: The definition.
        imports: Import statements of the source.
        helpers: Other statements of the source, by the name that they bind.
        body: Text of the definition.
    """

    inputs: dict[str, str]
    required: frozenset[str]
    writes: dict[str, str]
    returned: str
    node: ast.FunctionDef
    imports: tuple[str, ...]
    helpers: dict[str, str]
    body: str


def read_function(task: ir.FunctionTask) -> StepFunction | None:
    """The function, or None when the source is of another kind."""
    try:
        tree = ast.parse(task.source)
    except (SyntaxError, ValueError, RecursionError):
        return None
    imports: list[str] = []
    helpers: dict[str, str] = {}
    entry: ast.FunctionDef | None = None
    for node in tree.body:
        piece = ast.get_source_segment(task.source, node) or ""
        match node:
            case ast.ImportFrom(module="__future__"):
                if piece != _FUTURE:
                    return None
            case ast.Import() | ast.ImportFrom(level=0):
                imports.append(piece)
            case ast.FunctionDef(name=task.entry, decorator_list=[]):
                entry = node
            case ast.FunctionDef(decorator_list=[], name=name) | ast.ClassDef(decorator_list=[], name=name):
                helpers[name] = piece
            case ast.Assign(targets=[ast.Name(id=name)]):
                helpers[name] = piece
            case _:
                return None
    imported = set(_imported(tree))
    if "Any" not in imported and any(isinstance(node, ast.Name) and node.id == "Any" for node in ast.walk(tree)):
        imports.append("from typing import Any")  # annotations do not travel, so neither did this import
    known = {"couler", "Any", *_FILES, *imported}
    for node in tree.body:
        if not isinstance(node, (ast.Import, ast.ImportFrom)) and not is_inert(node, known):
            return None
        known.add(getattr(node, "name", ""))
    return None if entry is None else _signature(task.source, entry, tuple(imports), helpers)


def _imported(tree: ast.Module) -> Iterator[str]:
    for node in tree.body:
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            yield from ((alias.asname or alias.name).partition(".")[0] for alias in node.names)


def _signature(
    source: str, node: ast.FunctionDef, imports: tuple[str, ...], helpers: dict[str, str]
) -> StepFunction | None:
    given = node.args
    if given.vararg or given.kwarg or given.posonlyargs:
        return None
    inputs: dict[str, str] = {}
    writes: dict[str, str] = {}
    for argument in (*given.args, *given.kwonlyargs):
        type_ = type_text_of(argument.annotation)
        if type_ is None or not is_usable(argument.arg):
            return None
        (writes if _mark(argument).startswith("Out") else inputs)[argument.arg] = type_
    returned = type_text_of(node.returns)
    if returned is None or _is_generator(node):
        return None
    optional = {one.arg for one in given.args[len(given.args) - len(given.defaults) :]}
    optional |= {
        one.arg for one, default in zip(given.kwonlyargs, given.kw_defaults, strict=True) if default is not None
    }
    body = ast.get_source_segment(source, node) or ""
    return StepFunction(inputs, frozenset(set(inputs) - optional), writes, returned, node, imports, helpers, body)


def _is_generator(node: ast.FunctionDef) -> bool:
    return any(isinstance(inner, (ast.Yield, ast.YieldFrom)) for inner in ast.walk(node))


def _mark(argument: ast.arg) -> str:
    match argument.annotation:
        case ast.Name(id=name) | ast.Attribute(attr=name) if name in _FILES:
            return name
        case _:
            return ""


def fits(function: StepFunction, step: ir.Step) -> bool:
    """Whether a call of the decorated function declares this step's inputs and outputs."""
    given = {item.name: item for item in step.inputs}
    if len(given) < len(step.inputs) or not function.required <= set(given):
        return False
    if any(item.path or function.inputs.get(name) != item.type for name, item in given.items()):
        return False
    return _outputs_fit(function, step.outputs)


def _outputs_fit(function: StepFunction, outputs: tuple[ir.Output, ...]) -> bool:
    files = outputs[len(outputs) - len(function.writes) :] if function.writes else ()
    values = outputs[: len(outputs) - len(files)]
    for output, (name, type_) in zip(files, function.writes.items(), strict=False):
        if output != ir.Output(name=name, type=type_, path=output.path) or not output.path:
            return False
    plain = all(output == ir.Output(name=output.name, type=output.type) for output in values)
    return len(files) == len(function.writes) and plain and bool(values)


def reserve_names(function: StepFunction, entry: str, module: Module) -> None:
    """Keep the names of a function and of its helpers from being given to something else."""
    for name in (entry, *function.helpers):
        if not module.names.is_taken(name):
            module.names.take(name)
            module.reserved.add(name)


def declare_function(function: StepFunction, step: ir.Step, options: Options, module: Module) -> bool:
    """Put the decorated function at the top of the file; False when a name in it is taken by something else."""
    task = step.task
    assert isinstance(task, ir.FunctionTask)
    paths = {output.name: output.path for output in step.outputs}
    body = _with_paths(function, task.source, paths)
    decorator = _decorator(function, step, options)
    definition = "\n".join([*decorator, body])
    parts = {**function.helpers, task.entry: definition}
    for name, piece in parts.items():
        if module.parts.get(name, piece) != piece or name not in module.reserved:
            return False
    for statement in function.imports:
        module.imports[statement] = None
    module.parts |= parts
    marks = {_mark(argument) for argument in (*function.node.args.args, *function.node.args.kwonlyargs)
             if isinstance(argument.annotation, ast.Name)} - {""}  # fmt: skip
    for mark in sorted(marks):
        module.imports[f"from couler import {mark}"] = None
    return True


def _decorator(function: StepFunction, step: ir.Step, options: Options) -> list[str]:
    task = step.task
    assert isinstance(task, ir.FunctionTask)
    values = step.outputs[: len(step.outputs) - len(function.writes)]
    given: Options = []
    if [(output.name, output.type) for output in values] != [("result", function.returned)]:
        declared = tuple((f"{text(output.name)}: ", text(output.type)) for output in values)
        given.append(("outputs=", Items("{", declared, "}")))
    if task.image:
        given.append(("image=", text(task.image)))
    if task.packages:
        given.append(("packages=", constructed(task.packages)))
    given += options
    return list(lines("@", Items("couler.step(", tuple(given), ")"))) if given else ["@couler.step"]


def _with_paths(function: StepFunction, source: str, paths: dict[str, str]) -> str:
    """The text of the function, in which files to write have ``couler.out(path)`` as their default."""
    arguments = function.node.args
    pairs = list(zip(reversed(arguments.args), reversed(arguments.defaults), strict=False))
    pairs += [(one, node) for one, node in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True) if node]
    changed = source.encode().splitlines(keepends=True)
    for argument, default in sorted(pairs, key=lambda pair: (pair[1].lineno, pair[1].col_offset), reverse=True):
        if argument.arg in function.writes:
            line = changed[default.lineno - 1]
            new = f"couler.out({text(paths[argument.arg])})".encode()
            changed[default.lineno - 1] = line[: default.col_offset] + new + line[default.end_col_offset :]
    node = function.node
    return b"".join(changed[node.lineno - 1 : node.end_lineno]).decode().rstrip("\n")
