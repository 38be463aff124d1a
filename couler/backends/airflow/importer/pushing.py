"""Functions that push values under keys: they are handed something to push to, and all of it is their result."""

from __future__ import annotations

import ast
from dataclasses import dataclass

from couler.backends.airflow.importer.flow import is_branch, is_circuit
from couler.backends.airflow.importer.values import Task

_HANDLES = ("ti", "task_instance")
PUSHED = '''class Pushed:
    """What the function pushes, by key."""

    def __init__(self):
        self.values = {}

    def xcom_push(self, key, value):
        self.values[key] = value'''


@dataclass(frozen=True, slots=True)
class Pushes:
    """What a function pushes.

    Attributes:
        parameter: The parameter by which it gets the task instance, or that for all of the context.
        names: What the task instance is called where it is handed over.
        keys: The keys.
    """

    parameter: str
    names: tuple[str, ...]
    keys: frozenset[str]


def pushes_of(node: ast.FunctionDef | ast.AsyncFunctionDef, whole: str, task: Task) -> Pushes | None:
    """What a function pushes, when it uses Airflow's context for nothing else.

    Args:
        node: The function.
        whole: Its parameter for all of the context, or the empty string.
        task: The task that runs it.
    """
    if task.mapped or is_branch(task) or is_circuit(task) or isinstance(node, ast.AsyncFunctionDef):
        return None
    aliases = {one.targets[0].id: one.value for one in node.body if _is_alias(one, whole)}  # type: ignore[attr-defined]
    keys: set[str] = set()
    names: set[str] = set()
    handled: set[int] = set()
    for one in ast.walk(node):
        match one:
            case ast.Call(func=ast.Attribute(value=owner, attr="xcom_push")):
                owner = aliases.get(owner.id, owner) if isinstance(owner, ast.Name) else owner
                name, key = _handle(owner, whole), _key(one)
                if not name or not key:
                    return None
                names.add(name)
                keys.add(key)
                handled |= {id(inner) for inner in ast.walk(one.func)}
            case ast.Assign() if _is_alias(one, whole):
                handled |= {id(inner) for inner in ast.walk(one)}
    used = {whole, *_HANDLES} - {""}
    further = [one for one in ast.walk(node) if isinstance(one, ast.Name) and one.id in used and id(one) not in handled]
    parameters = [one.arg for one in (*node.args.args, *node.args.kwonlyargs) if one.arg in _HANDLES]
    if not keys or further or len(parameters) + bool(whole) != 1:
        return None
    return Pushes(parameters[0] if parameters else whole, tuple(sorted(names)), frozenset(keys))


def _is_alias(node: ast.stmt, whole: str) -> bool:
    match node:
        case ast.Assign(targets=[ast.Name(id=name)], value=value) if name in _HANDLES:
            return bool(_handle(value, whole)) and not isinstance(value, ast.Name)
    return False


def _handle(node: ast.expr, whole: str) -> str:
    """The name of the task instance that an expression is."""
    match node:
        case ast.Name(id=name) if name in _HANDLES:
            return name
        case ast.Subscript(value=ast.Name(id=holder), slice=ast.Constant(value=str(name))):
            return name if holder == whole and name in _HANDLES else ""
    return ""


def _key(node: ast.Call) -> str:
    given = dict(zip(("key", "value"), node.args, strict=False))
    given |= {one.arg: one.value for one in node.keywords if one.arg is not None}
    match given:
        case {"key": ast.Constant(value=str(key)), "value": _, **rest} if not rest and key != "return_value":
            return key
    return ""


def wrapper(node: ast.FunctionDef, pushes: Pushes, name: str) -> str:
    """A function that calls another one with something to push to, without the parameter for it."""
    made = ast.parse(f"def {name}({ast.unparse(node.args)}): pass").body[0]
    assert isinstance(made, ast.FunctionDef)
    without_parameter(made.args, pushes.parameter)
    given = [f"{one.arg}={one.arg}" for one in (*made.args.args, *made.args.kwonlyargs)]
    call = ", ".join([*given, *(f"{one}=pushed" for one in pushes.names)])
    return (
        f"def {name}({ast.unparse(made.args)}):\n    pushed = Pushed()\n    returned = {node.name}({call})\n"
        '    return {**pushed.values, "return_value": returned}'
    )


def without_parameter(arguments: ast.arguments, name: str) -> None:
    """Leave a parameter out."""
    first = len(arguments.args) - len(arguments.defaults)
    defaults = {one.arg: default for one, default in zip(arguments.args[first:], arguments.defaults, strict=True)}
    arguments.args = [one for one in arguments.args if one.arg != name]
    arguments.defaults = [defaults[one.arg] for one in arguments.args if one.arg in defaults]
    pairs = [pair for pair in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True) if pair[0].arg != name]
    arguments.kwonlyargs, arguments.kw_defaults = [one for one, _ in pairs], [default for _, default in pairs]
    if arguments.kwarg is not None and arguments.kwarg.arg == name:
        arguments.kwarg = None
