"""Tasks: each can do its work, and says where its outputs come from."""

from __future__ import annotations

import ast
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import PurePosixPath

from couler.core.errors import Problem, near
from couler.core.ir.model import (
    ContainerTask,
    FunctionTask,
    GroupTask,
    JobPredicate,
    JobTask,
    ScriptTask,
    SuspendTask,
)
from couler.core.ir.rules.context import Context, Located
from couler.core.ir.types import accepts


def functions(context: Context) -> Iterator[Problem]:
    """The source of a function is Python, defines the entry, and takes the inputs."""
    for at in context.of_kind(FunctionTask):
        task = at.step.task
        if type(task) is FunctionTask:
            inputs = tuple([item.name for item in at.step.inputs])
            outputs = tuple([output.name for output in at.step.outputs])
            for finding in _function_findings(task.source, task.entry, inputs, outputs):
                yield at.problem(*finding)


@lru_cache(maxsize=16384)
def _function_findings(
    source: str, entry: str, inputs: tuple[str, ...], outputs: tuple[str, ...]
) -> tuple[tuple[str, str, str], ...]:
    """Rule, message and hint of everything that is wrong with a function; many steps share one."""
    module = _read_source(source)
    if module.trouble:
        return (("function-source", f"the source of the function is not Python: {module.trouble}", ""),)
    if entry not in module.functions:
        hint = near(entry, module.functions, "functions") or "the source defines no function"
        return (("function-entry", f"the source does not define the function '{entry}'", hint),)
    return tuple(_argument_findings(entry, module.functions[entry], inputs, outputs))


@dataclass(frozen=True, slots=True)
class _Signature:
    arguments: tuple[str, ...] = ()
    required: tuple[str, ...] = ()
    takes_any: bool = True


@dataclass(frozen=True, slots=True)
class _Source:
    functions: dict[str, _Signature]
    trouble: str = ""


@lru_cache(maxsize=16384)
def _read_source(source: str) -> _Source:
    """What a module defines at its top level."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # such as for invalid escapes, which the author has seen already
            tree = ast.parse(source)
    except SyntaxError as error:
        return _Source({}, f"{error.msg} (line {error.lineno})" if error.lineno else error.msg)
    except (ValueError, RecursionError, MemoryError) as error:
        return _Source({}, str(error) or "it is nested too deeply")
    found: dict[str, _Signature] = {}
    for node in tree.body:
        match node:
            case ast.FunctionDef() | ast.AsyncFunctionDef() if not node.decorator_list:
                found[node.name] = _signature(node.args)
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
                found[node.name] = _Signature()
            case ast.Assign():
                found.update((target.id, _Signature()) for target in node.targets if isinstance(target, ast.Name))
            case ast.AnnAssign(target=ast.Name(id=name)):
                found[name] = _Signature()
            case ast.Import() | ast.ImportFrom():
                found.update((alias.asname or alias.name, _Signature()) for alias in node.names)
            case _:
                pass
    return _Source(found)


def _signature(arguments: ast.arguments) -> _Signature:
    positional = [argument.arg for argument in arguments.args]
    required = positional[: len(positional) - len(arguments.defaults)]
    keywords = zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True)
    required += [argument.arg for argument, default in keywords if default is None]
    names = (*positional, *(argument.arg for argument in arguments.kwonlyargs))
    return _Signature(names, tuple(required), arguments.kwarg is not None)


def _argument_findings(
    entry: str, signature: _Signature, inputs: tuple[str, ...], outputs: tuple[str, ...]
) -> Iterator[tuple[str, str, str]]:
    if not signature.takes_any:
        for name in inputs:
            if name not in signature.arguments:
                hint = near(name, signature.arguments, "arguments") or "the function has no arguments"
                yield "unknown-input", f"the function '{entry}' has no argument '{name}'", hint
    for name in signature.required:
        if name not in inputs and name not in outputs:
            hint = f"give it as an input, or give '{name}' a default"
            yield "missing-input", f"the function '{entry}' needs the argument '{name}', which is not given", hint


def output_paths(context: Context) -> Iterator[Problem]:
    """Every declared output says where it is written, unless it is implied, and no two share a place."""
    for at in context.having("outputs"):
        if len(at.step.outputs) == 1 and _is_implied(at):
            continue
        match at.step.task:
            case ScriptTask() | ContainerTask():
                yield from _check_written(at)
            case GroupTask() | JobTask() as task:
                yield from _check_produced(at, [output.name for output in task.outputs], task.kind)
            case SuspendTask():
                yield from _check_produced(at, [], "suspend")
            case _:
                pass
        yield from _check_shared_paths(at)


def _is_implied(at: Located) -> bool:
    """Whether the only output is what the task gives anyway: the quick answer for nearly every step."""
    kind, output = type(at.step.task), at.step.outputs[0]
    if kind is ContainerTask or kind is ScriptTask:
        return output.name == "result" and output.type == "str"
    return kind is FunctionTask


def _check_written(at: Located) -> Iterator[Problem]:
    for output in at.step.outputs:
        if output.path:
            continue
        if _is_file(output.type):
            yield at.problem(
                "output-path",
                f"the {output.type} output '{output.name}' has no path",
                "say at which path the task writes it",
            )
        elif output.name != "result":
            yield at.problem(
                "output-path",
                f"the output '{output.name}' has no path",
                "say at which path the task writes it, or name it 'result' to take the standard output",
            )


_WORDS = {"suspend": "pause"}


def _check_produced(at: Located, produced: list[str], kind: str) -> Iterator[Problem]:
    for output in at.step.outputs:
        if output.name not in produced:
            hint = "a pause has no outputs" if kind == "suspend" else f"declare it among the outputs of the {kind}"
            yield at.problem(
                "output-path", f"nothing in the {_WORDS.get(kind, kind)} produces the output '{output.name}'", hint
            )


def _check_shared_paths(at: Located) -> Iterator[Problem]:
    first: dict[str, str] = {}
    for output in at.step.outputs:
        if output.path and first.setdefault(str(PurePosixPath(output.path)), output.name) != output.name:
            other = first[str(PurePosixPath(output.path))]
            yield at.problem(
                "output-path", f"the outputs '{other}' and '{output.name}' have the same path {output.path!r}"
            )


def _is_file(text: str) -> bool:
    try:
        return text != "any" and accepts("file | folder", text)
    except ValueError:  # reported as an unknown type
        return False


def safe_paths(context: Context) -> Iterator[Problem]:
    """No relative path leads out of the step's folder, and only files and folders appear at a path."""
    placed = any(item.path for item in context.inputs)
    for at in context.having("inputs") if placed else ():
        for item in at.step.inputs:
            if item.path:
                yield from _check_path(at, f"input '{item.name}'", item.path)
                if item.type != "any" and not _is_file(item.type):
                    message = f"input '{item.name}' is {item.type}, but only files and folders appear at a path"
                    yield at.problem("path", message, "declare it as a file, or remove the path")
    for at in context.having_amiss("outputs", lambda outputs: any(output.path for output in outputs)):
        for output in at.step.outputs:
            if output.path:
                yield from _check_path(at, f"output '{output.name}'", output.path)


def _check_path(at: Located, what: str, path: str) -> Iterator[Problem]:
    if "\0" in path:
        yield at.problem("path", f"{what}: the path {path!r} contains a NUL character")
    elif _escapes(path):
        hint = "use a path inside the folder, or an absolute path"
        yield at.problem("path", f"{what}: the path {path!r} leads out of the step's folder", hint)


def _escapes(path: str) -> bool:
    if ".." not in path or path.startswith("/"):
        return False
    depth = 0
    for part in PurePosixPath(path).parts:
        depth += -1 if part == ".." else 1
        if depth < 0:
            return True
    return False


def stored_outputs(context: Context) -> Iterator[Problem]:
    """What is also stored at a URL is a file or folder, and only one."""
    mapped = {at.path for at in context.having("foreach") if at.step.foreach is not None}
    for at in context.having_amiss("outputs", lambda outputs: any(output.store for output in outputs)):
        for output in at.step.outputs:
            if output.store is None:
                continue
            if not _is_file(output.type):
                message = f"the output '{output.name}' is stored at a URL, and its type is {output.type}"
                yield at.problem("stored-output", message, "only files and folders are; give it the type file")
            elif not mapped.isdisjoint(_paths_around(at.path)):
                message = f"the output '{output.name}' of each item would be stored at the same URL"
                yield at.problem("stored-output", message, "store what a later step makes of all items")


def _paths_around(path: str) -> Iterator[str]:
    """The path of a step and of each group around it."""
    while path:
        yield path
        path = path.rpartition("/")[0]


def runnable(context: Context) -> Iterator[Problem]:
    """A container has an image, a script an interpreter, and a daemon a process."""
    for at in context.steps:
        task = at.step.task
        if type(task) is ContainerTask:
            if not task.image and not context.workflow.defaults.image:
                yield at.problem("image", "the container has no image", 'for example image="python:3.12-slim"')
        elif type(task) is ScriptTask and not task.interpreter:
            yield at.problem("interpreter", "the script has no interpreter", 'for example ("python",) or ("sh", "-e")')
    for at in context.having("daemon"):
        kind = type(at.step.task)
        if at.step.daemon and (kind is GroupTask or kind is SuspendTask):
            what = "a group" if kind is GroupTask else "a pause"
            yield at.problem("daemon", f"{what} cannot be a daemon", "set daemon on a container, script or function")
    for at in context.having("sidecars"):
        for sidecar in at.step.sidecars:
            if not sidecar.image:
                yield at.problem("image", f"the sidecar '{sidecar.name}' has no image", 'for example image="redis:7"')


def jobs(context: Context) -> Iterator[Problem]:
    """A job says what it creates and how one sees that it succeeded."""
    for at in context.of_kind(JobTask):
        task = at.step.task
        if type(task) is not JobTask:
            continue
        for key in ("apiVersion", "kind"):
            if not task.manifest.get(key):
                yield at.problem("job", f"the manifest of the job has no '{key}'")
        if task.action in ("create", "apply") and not task.success:
            yield at.problem(
                "job",
                "the job does not say when it has succeeded",
                'give success a predicate, for example condition="Complete" or field="status.succeeded", value=1',
            )
        for what, predicates in (("success", task.success), ("failure", task.failure)):
            for predicate in predicates:
                yield from _check_predicate(at, what, predicate)


def _check_predicate(at: Located, what: str, predicate: JobPredicate) -> Iterator[Problem]:
    if bool(predicate.field) == bool(predicate.condition):
        given = "both field and condition" if predicate.field else "neither field nor condition"
        yield at.problem("job", f"a {what} predicate of the job has {given}", "set exactly one of them")
