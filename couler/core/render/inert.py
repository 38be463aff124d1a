"""Whether definitions do nothing when a file is loaded: code of a step must not run where the workflow is built."""

from __future__ import annotations

import ast
import builtins
from collections.abc import Iterator

_ALLOWED = (ast.Name, ast.Attribute, ast.Subscript, ast.BinOp, ast.BitOr, ast.Constant, ast.Tuple, ast.List, ast.Load)


def is_inert(node: ast.stmt, known: set[str]) -> bool:
    """Whether a definition runs no code of its own when it is executed.

    Args:
        node: A function, a class or an assignment.
        known: Names that exist when it is.

    >>> [is_inert(ast.parse(text).body[0], set()) for text in ("LIMIT = [1, -2]", "X = open('x')")]
    [True, False]
    """
    match node:
        case ast.Assign(value=value) | ast.AnnAssign(value=ast.expr() as value):
            return _is_literal(value) and all(_is_harmless(one, known) for one in _annotations(node))
        case ast.FunctionDef(decorator_list=[]):
            defaults = [*node.args.defaults, *(one for one in node.args.kw_defaults if one is not None)]
            return all(map(_is_literal, defaults)) and all(_is_harmless(one, known) for one in _annotations(node))
        case ast.ClassDef(decorator_list=[], keywords=[]):
            return all(_is_harmless(base, known) for base in node.bases) and all(
                is_inert(inner, known | {node.name}) for inner in node.body
            )
        case ast.AnnAssign(value=None) | ast.Pass() | ast.Expr(value=ast.Constant()):
            return all(_is_harmless(one, known) for one in _annotations(node))
        case _:
            return False


def _is_literal(node: ast.expr) -> bool:
    try:
        ast.literal_eval(node)
    except (ValueError, TypeError, RecursionError, MemoryError):
        return False
    return True


def _annotations(node: ast.stmt) -> Iterator[ast.expr]:
    if isinstance(node, ast.AnnAssign):
        yield node.annotation
    if isinstance(node, ast.FunctionDef):
        given = node.args
        every = [*given.posonlyargs, *given.args, *given.kwonlyargs, given.vararg, given.kwarg]
        yield from (one.annotation for one in every if one is not None and one.annotation is not None)
        if node.returns is not None:
            yield node.returns


def _is_harmless(node: ast.expr, known: set[str]) -> bool:
    """Whether an expression only names types that exist."""
    names = (one.id for one in ast.walk(node) if isinstance(one, ast.Name))
    return all(isinstance(one, _ALLOWED) for one in ast.walk(node)) and all(
        name in known or hasattr(builtins, name) for name in names
    )
