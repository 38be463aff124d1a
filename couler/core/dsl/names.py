"""Names that a piece of Python takes from outside itself."""

from __future__ import annotations

import ast
import symtable
from collections.abc import Iterator


class _Unannotated(ast.NodeTransformer):
    """Removes annotations, which are never evaluated in code that travels."""

    def visit_arg(self, node: ast.arg) -> ast.arg:
        node.annotation = None
        return node

    def _function(self, node: ast.AST) -> ast.AST:
        node.returns = None  # type: ignore[attr-defined]
        return self.generic_visit(node)

    visit_FunctionDef = _function  # noqa: N815 - the name is given by ast
    visit_AsyncFunctionDef = _function  # noqa: N815

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AST:
        if node.value is None:
            return ast.copy_location(ast.Pass(), node)
        return ast.copy_location(ast.Assign(targets=[node.target], value=self.visit(node.value)), node)


def free_names(tree: ast.Module) -> list[tuple[str, int]]:
    r"""Global names that the code reads and does not bind at its top level, each with the line of its first use.

    Raises:
        SyntaxError: The code cannot stand by itself, such as a function with ``nonlocal``.

    >>> free_names(ast.parse("def f(x):\n    y = helper(x)\n    return y + LIMIT"))
    [('helper', 2), ('LIMIT', 3)]
    """
    bare = ast.fix_missing_locations(_Unannotated().visit(ast.parse(ast.unparse(tree))))
    table = symtable.symtable(ast.unparse(bare), "<source>", "exec")
    bound = {symbol.get_name() for symbol in table.get_symbols() if symbol.is_assigned() or symbol.is_imported()}
    wanted = {name for name in _read_globals(table) if name not in bound}
    lines: dict[str, int] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and node.id in wanted:
            lines[node.id] = min(node.lineno, lines.get(node.id, node.lineno))
    found = [(name, lines.get(name, 1)) for name in wanted]
    return sorted(found, key=lambda pair: (pair[1], pair[0].lower()))


def _read_globals(table: symtable.SymbolTable) -> Iterator[str]:
    is_module = table.get_type() == "module"
    for symbol in table.get_symbols():
        if symbol.is_referenced() and (is_module or symbol.is_global()):
            yield symbol.get_name()
    for child in table.get_children():
        yield from _read_globals(child)


def names_in_fields(tree: ast.AST) -> list[str]:
    r"""Names in the annotations of class fields, which dataclasses and validation libraries look up by themselves.

    >>> names_in_fields(ast.parse("class Point:\n    x: Optional[int] = None"))
    ['Optional', 'int']
    """
    fields = [
        statement.annotation
        for node in ast.walk(tree)
        if isinstance(node, ast.ClassDef)
        for statement in node.body
        if isinstance(statement, ast.AnnAssign)
    ]
    found = (name.id for field in fields for name in ast.walk(field) if isinstance(name, ast.Name))
    return list(dict.fromkeys(found))
