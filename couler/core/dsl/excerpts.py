"""The text of one function or class of the user, what it takes from outside, and what it closes over."""

from __future__ import annotations

import ast
import inspect
from typing import Any

from couler.core.dsl.cutting import Definition, without_couler
from couler.core.dsl.names import free_names
from couler.core.dsl.origins import Origin
from couler.core.errors import DefinitionError


def source_of(target: Any, origin: Origin, what: str) -> tuple[str, int]:
    """The text, moved to the left margin, and the number of its first line."""
    try:
        lines, first = inspect.getsourcelines(target)
    except (OSError, TypeError):
        text = origin.class_text(target.__name__) if inspect.isclass(target) else None
        if text is None:
            raise DefinitionError(
                f"{what}: the source of '{target.__name__}' cannot be found, so it cannot travel to where the step "
                "runs",
                "define it in a file or a notebook cell, not in exec() or the interactive prompt",
            ) from None
        lines, first = [text], 1
    return at_margin("".join(lines), what), first


def at_margin(text: str, what: str) -> str:
    """Indented code moved to the left; lines inside of strings stay as they are, since they are part of values."""
    margin = text[: len(text) - len(text.lstrip(" \t"))]
    if not margin:
        return text
    strings = (
        node for node in ast.walk(parsed(f"if True:\n{text}", what)) if isinstance(node, (ast.Constant, ast.JoinedStr))
    )
    kept = {line for node in strings for line in range(node.lineno - 1, (node.end_lineno or 1) - 1)}
    lines = text.split("\n")  # a line of text is one line later in what was parsed
    moved = [
        line if number in kept else line.removeprefix(margin) if line.startswith(margin) else line.lstrip(" \t")
        for number, line in enumerate(lines)
    ]
    return "\n".join(moved)


def parsed(source: str, what: str) -> ast.Module:
    """The syntax tree of code of the user."""
    try:
        return ast.parse(source)
    except SyntaxError as error:
        raise DefinitionError(
            f"{what}: its source cannot be read by itself: {error.msg}", "define it with def on lines of its own"
        ) from None


def definition_of(tree: ast.Module) -> Definition:
    """The one definition that the text of a function or class consists of."""
    first = tree.body[0]
    assert isinstance(first, Definition)
    return first


def names_taken_by(tree: ast.Module, what: str) -> list[tuple[str, int]]:
    """Names from outside, each with its line, as `couler.core.dsl.names.free_names` gives them."""
    try:
        return free_names(tree)
    except SyntaxError as error:
        raise DefinitionError(
            f"{what}: it cannot stand by itself: {error.msg}",
            "a step has no variables of the function around it; take them as parameters",
        ) from None


def is_decorated(function: Any) -> bool:
    """Whether other decorators than couler's stand above a function."""
    try:
        source, _ = source_of(function, Origin.of(function), "")
        definition = definition_of(parsed(source, ""))
    except (DefinitionError, AssertionError):
        return False
    text = without_couler(source, definition, function, Origin.of(function).scope, True)
    return bool(definition_of(parsed(text, "")).decorator_list)


def closure_of(function: Any) -> dict[str, Any]:
    """Variables of the functions around it that a function uses, with their values."""
    if not inspect.isfunction(function) or not function.__closure__:
        return {}
    values = {}
    for name, cell in zip(function.__code__.co_freevars, function.__closure__, strict=True):
        try:
            values[name] = cell.cell_contents
        except ValueError:  # not assigned yet
            continue
    return {name: value for name, value in values.items() if name != "__class__"}
