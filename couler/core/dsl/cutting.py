"""Cut couler out of the text of a function: its decorators, and the defaults of file outputs."""

from __future__ import annotations

import ast
import inspect
import types
from collections.abc import Mapping
from typing import Any

from couler.core.dsl.annotations import OutPath

Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


def is_couler(value: Any) -> bool:
    """Whether a value is couler, or something of it."""
    module = value.__name__ if isinstance(value, types.ModuleType) else getattr(value, "__module__", None)
    if not isinstance(module, str):
        module = ""
    return "couler" in (module.partition(".")[0], type(value).__module__.partition(".")[0])


def without_couler(source: str, definition: Definition, function: Any, scope: Mapping[str, Any], wrapped: bool) -> str:
    """The text with couler's parts blanked; lines keep their numbers.

    Args:
        source: Text that ``definition`` was parsed from.
        definition: The function or class in it.
        function: The function or class itself.
        scope: Its global names.
        wrapped: Whether couler decorated it: then a decorator that is no global name, as for functions inside of
            functions, is couler's.
    """
    lines = source.encode().splitlines(keepends=True)
    for decorator in definition.decorator_list:
        meaning = _meaning(decorator, scope)
        if is_couler(meaning) or (wrapped and meaning is None and _root(decorator) not in scope):
            _blank(lines, decorator.lineno, 0, decorator.end_lineno or decorator.lineno, None)
    if not isinstance(definition, ast.ClassDef):
        defaults = {name: item.default for name, item in inspect.signature(function).parameters.items()}
        nodes = [
            node for name, node in _default_nodes(definition.args).items() if isinstance(defaults.get(name), OutPath)
        ]
        for node in sorted(nodes, key=lambda node: (node.lineno, node.col_offset), reverse=True):
            _blank(lines, node.lineno, node.col_offset, node.end_lineno or node.lineno, node.end_col_offset, b"None")
    return b"".join(lines).decode()


def _blank(lines: list[bytes], first: int, start: int, last: int, stop: int | None, instead: bytes = b"") -> None:
    """Replace a piece of text, counted as in `ast`, by ``instead`` and as many ends of lines as it had."""
    tail = b"\n" if stop is None else lines[last - 1][stop:]
    head = lines[first - 1][:start] + instead
    if first == last:
        lines[first - 1] = head + tail
        return
    lines[first - 1] = head + b"\n"
    lines[first : last - 1] = [b"\n"] * (last - 1 - first)
    lines[last - 1] = tail


def _default_nodes(arguments: ast.arguments) -> dict[str, ast.expr]:
    positional = [*arguments.posonlyargs, *arguments.args]
    pairs = list(zip(reversed(positional), reversed(arguments.defaults), strict=False))
    pairs += [(name, node) for name, node in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True) if node]
    return {name.arg: node for name, node in pairs}


def _root(node: ast.expr) -> str:
    while isinstance(node, (ast.Call, ast.Attribute)):
        node = node.func if isinstance(node, ast.Call) else node.value
    return node.id if isinstance(node, ast.Name) else ""


def _meaning(node: ast.expr, scope: Mapping[str, Any]) -> Any:
    """What a decorator refers to, by names and attributes only."""
    if isinstance(node, ast.Call):
        return _meaning(node.func, scope)
    if isinstance(node, ast.Name):
        return scope.get(node.id)
    if isinstance(node, ast.Attribute):
        return getattr(_meaning(node.value, scope), node.attr, None)
    return None
