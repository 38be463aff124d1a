"""Expressions of a DAG file, worked out without executing anything."""

from __future__ import annotations

import ast
import builtins
import operator
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from copy import deepcopy
from pathlib import PurePosixPath
from typing import Any

from couler.backends.airflow.importer import plain
from couler.backends.airflow.importer.report import Report
from couler.backends.airflow.importer.values import (
    Dag,
    Function,
    Given,
    Group,
    Imported,
    Item,
    Label,
    Method,
    Node,
    Output,
    Scope,
    Task,
    Unknown,
    nodes_of,
)

STEPS = 200_000
"""Expressions and statements that are worked out of one file."""


class EndlessError(Exception):
    """The file makes more than is worked out."""


class Expressions(ABC):
    """Works out expressions; what calls do is left to those who know Airflow."""

    def __init__(self, report: Report, told: Mapping[str, Any] = {}) -> None:
        self.report = report
        self.told = told
        self.asked: dict[str, None] = {}
        self.moving: set[str] = set()
        self.dags: list[Dag] = []
        self.around: list[Dag | Group] = []
        self.spent = 0

    @abstractmethod
    def call(self, function: Any, args: list[Any], kwargs: dict[str, Any], node: ast.Call) -> Any:
        """What a call of something that is no plain function comes to."""

    @abstractmethod
    def attribute(self, owner: Any, name: str, node: ast.Attribute) -> Any:
        """An attribute of something of Airflow."""

    def spend(self) -> None:
        """Count a piece of work.

        Raises:
            EndlessError: It was too much.
        """
        self.spent += 1
        if self.spent > STEPS:
            raise EndlessError

    def value(self, node: ast.expr | None, scope: Scope) -> Any:
        """What an expression comes to; `Unknown` when only running the file would tell."""
        if node is None:
            return None
        self.spend()
        reader = _READERS.get(type(node))
        try:
            found = reader(self, node, scope) if reader is not None else Unknown(ast.unparse(node))
        except (TypeError, ValueError, KeyError, IndexError, AttributeError, ArithmeticError, LookupError, OSError):
            found = Unknown(ast.unparse(node))
        return self._asked(node, found) if isinstance(found, Unknown) and scope.parent is None else found

    def _asked(self, node: ast.expr, unknown: Unknown) -> Any:
        """What running the file has told of an expression of the module, whose names mean the same all the time."""
        text = ast.unparse(node)
        if any(isinstance(one, ast.Name) and one.id in self.moving for one in ast.walk(node)):
            return unknown
        self.asked[text] = None
        return deepcopy(self.told[text]) if text in self.told else unknown

    def link(self, left: list[Node], right: list[Node]) -> None:
        """Order tasks and groups: each of the right ones after each of the left ones."""
        for one in left:
            for other in right:
                _adopt(one, other.dag)
                _adopt(other, one.dag)
                one.dag.edges.append((one, other))

    def shift(self, left: Any, right: Any) -> Any:
        """``left >> right``."""
        if isinstance(right, Label):
            right.left.extend(nodes_of(left))
            self.link(right.left, right.right)
        elif isinstance(left, Label):
            left.right.extend(nodes_of(right))
            self.link(left.left, nodes_of(right))
        else:
            self.link(nodes_of(left), nodes_of(right))
        return right


def _adopt(node: Node, dag: Dag) -> None:
    """A task without a DAG belongs to that of the first task that it is linked with."""
    if isinstance(node, Task) and not node.dag.id and dag.id:
        node.dag = dag
        dag.tasks.append(node)


def _name(self: Expressions, node: ast.Name, scope: Scope) -> Any:
    holder = scope.holder(node.id)
    if holder is not None:
        return holder.values[node.id]
    if node.id in ("__name__", "__file__"):
        return "dag_file" if node.id == "__name__" else self.report.file
    return Imported(f"builtins.{node.id}") if hasattr(builtins, node.id) else Unknown(node.id)


def _attribute(self: Expressions, node: ast.Attribute, scope: Scope) -> Any:
    owner = self.value(node.value, scope)
    if isinstance(owner, Imported):
        dotted = f"{owner.dotted}.{node.attr}"
        found = Imported(dotted)
        if found.airflow.startswith(("TriggerRule.", "WeightRule.")):
            return node.attr.lower()
        return plain.CONSTANTS.get(dotted, found)
    if isinstance(owner, Unknown):
        return Unknown(ast.unparse(node))
    if isinstance(owner, PurePosixPath) and node.attr in ("stem", "name"):
        return getattr(owner, node.attr)
    if isinstance(owner, plain.PLAIN):
        return Method(owner, node.attr) if plain.method(owner, node.attr) else Unknown(ast.unparse(node))
    return self.attribute(owner, node.attr, node)


def _subscript(self: Expressions, node: ast.Subscript, scope: Scope) -> Any:
    owner = self.value(node.value, scope)
    if isinstance(node.slice, ast.Slice):
        bounds = [self.value(one, scope) for one in (node.slice.lower, node.slice.upper, node.slice.step)]
        return owner[slice(*bounds)]
    key = self.value(node.slice, scope)
    if isinstance(owner, Output) and isinstance(key, str | int):
        return Output(owner.task, (*owner.path, key), owner.key)
    if isinstance(owner, Given | Item) and isinstance(key, str | int):
        return type(owner)(owner.name, (*owner.path, key))
    if isinstance(owner, Dag | Group):
        return self.attribute(owner, "[]", ast.Attribute(value=node.value, attr=str(key)))
    return owner[key] if isinstance(owner, list | tuple | dict | str) else Unknown(ast.unparse(node))


def _list(self: Expressions, node: ast.List | ast.Tuple | ast.Set, scope: Scope) -> Any:
    found: list[Any] = []
    for item in node.elts:
        if isinstance(item, ast.Starred):
            found += list(self.value(item.value, scope))
        else:
            found.append(self.value(item, scope))
    return tuple(found) if isinstance(node, ast.Tuple) else found


def _dict(self: Expressions, node: ast.Dict, scope: Scope) -> Any:
    found: dict[Any, Any] = {}
    for key, item in zip(node.keys, node.values, strict=True):
        given = self.value(item, scope)
        if key is not None:
            found[self.value(key, scope)] = given
        elif isinstance(given, dict):
            found |= given
        else:
            return Unknown(ast.unparse(node))
    return found


def as_text(value: Any) -> str | None:
    """``str(value)`` as Airflow would give it, with templates for what is known only at run time."""
    if isinstance(value, Output):
        keys = "".join(f"[{key!r}]" for key in value.path)
        key = "" if value.key == "return_value" else f", key={value.key!r}"
        return f"{{{{ ti.xcom_pull(task_ids={value.task.id!r}{key}){keys} }}}}"
    if isinstance(value, Given):
        return f"{{{{ params.{value.name} }}}}"
    return str(value) if plain.is_plain(value) else None


def _joined(self: Expressions, node: ast.JoinedStr, scope: Scope) -> Any:
    parts = []
    for part in node.values:
        if isinstance(part, ast.Constant):
            parts.append(str(part.value))
            continue
        assert isinstance(part, ast.FormattedValue)
        found = self.value(part.value, scope)
        if part.format_spec is not None:
            spec = self.value(part.format_spec, scope)
            plain.refuse_wide(spec)
            shown = format(found, spec) if isinstance(found, plain.PLAIN) else None
        else:
            shown = repr(found) if part.conversion == 114 and plain.is_plain(found) else as_text(found)
        if shown is None:
            return Unknown(ast.unparse(node))
        parts.append(shown)
        if sum(map(len, parts)) > plain.LONGEST:
            return Unknown(ast.unparse(node))
    return "".join(parts)


def _binary(self: Expressions, node: ast.BinOp, scope: Scope) -> Any:
    left, right = self.value(node.left, scope), self.value(node.right, scope)
    if isinstance(node.op, ast.RShift):
        return self.shift(left, right)
    if isinstance(node.op, ast.LShift):
        self.shift(right, left)
        return right
    if not isinstance(left, plain.PLAIN) or not isinstance(right, plain.PLAIN):
        if isinstance(node.op, ast.Add) and None not in (as_text(left), as_text(right)):
            return f"{as_text(left)}{as_text(right)}"
        return Unknown(ast.unparse(node))
    return plain.OPERATORS[type(node.op)](left, right)


def _unary(self: Expressions, node: ast.UnaryOp, scope: Scope) -> Any:
    given = self.value(node.operand, scope)
    if not isinstance(given, plain.PLAIN):
        return Unknown(ast.unparse(node))
    if isinstance(node.op, ast.Not):
        return not given
    return operator.neg(given) if isinstance(node.op, ast.USub) else given  # type: ignore[arg-type]


def _either(self: Expressions, node: ast.BoolOp, scope: Scope) -> Any:
    found: Any = None
    for part in node.values:
        found = self.value(part, scope)
        if not isinstance(found, plain.PLAIN):
            return Unknown(ast.unparse(node))
        if bool(found) is isinstance(node.op, ast.Or):
            return found
    return found


def _compare(self: Expressions, node: ast.Compare, scope: Scope) -> Any:
    sides = [self.value(one, scope) for one in (node.left, *node.comparators)]
    if not all(map(plain.is_plain, sides)):
        return Unknown(ast.unparse(node))
    pairs = zip(node.ops, sides, sides[1:], strict=False)
    return all(plain.COMPARISONS[type(op)](left, right) for op, left, right in pairs)


def _choice(self: Expressions, node: ast.IfExp, scope: Scope) -> Any:
    test = self.value(node.test, scope)
    if not isinstance(test, plain.PLAIN):
        return Unknown(ast.unparse(node))
    return self.value(node.body if test else node.orelse, scope)


def _comprehension(self: Expressions, node: ast.expr, scope: Scope) -> Any:
    found: list[Any] = []
    inner = Scope(scope)
    for _ in _turns(self, node.generators, inner):  # type: ignore[attr-defined]
        if isinstance(node, ast.DictComp):
            found.append((self.value(node.key, inner), self.value(node.value, inner)))
        else:
            found.append(self.value(node.elt, inner))  # type: ignore[attr-defined]
    return dict(found) if isinstance(node, ast.DictComp) else found


def _turns(self: Expressions, generators: list[ast.comprehension], scope: Scope) -> Iterator[None]:
    if not generators:
        yield None
        return
    first, *rest = generators
    for item in items_of(self.value(first.iter, scope)):
        bind(first.target, item, scope)
        if all(self.value(test, scope) is True for test in first.ifs):
            yield from _turns(self, rest, scope)


def items_of(value: Any) -> list[Any]:
    """The items of what a loop goes over.

    Raises:
        TypeError: Only running the file would tell.
    """
    if isinstance(value, dict | list | tuple | set | str):
        return list(value)
    raise TypeError


def bind(target: ast.expr, value: Any, scope: Scope, statement: ast.stmt | None = None) -> None:
    """Give a value to names."""
    if isinstance(target, ast.Name):
        scope.values[target.id] = value
        if statement is not None:
            scope.statements[target.id] = statement
        else:
            scope.statements.pop(target.id, None)
    elif isinstance(target, ast.Tuple | ast.List):
        items = list(value) if isinstance(value, list | tuple) and len(value) == len(target.elts) else None
        for index, one in enumerate(target.elts):
            known = items is not None and not isinstance(one, ast.Starred)
            bind(one, items[index] if items is not None and known else Unknown(ast.unparse(one)), scope)


def _call(self: Expressions, node: ast.Call, scope: Scope) -> Any:
    function = self.value(node.func, scope)
    args: list[Any] = []
    for item in node.args:
        if isinstance(item, ast.Starred):
            args += items_of(self.value(item.value, scope))
        else:
            args.append(self.value(item, scope))
    kwargs: dict[str, Any] = {}
    for keyword in node.keywords:
        given = self.value(keyword.value, scope)
        if keyword.arg is not None:
            kwargs[keyword.arg] = given
        elif isinstance(given, dict):
            kwargs |= given
        else:
            self.report.add("AIRFLOW070", node.lineno, f"**{ast.unparse(keyword.value)}")
    if (found := _plain_function(function)) is not None:
        if function == Imported("builtins.str") and len(args) == 1 and (shown := as_text(args[0])) is not None:
            return shown
        inserts = isinstance(function, Method) and not isinstance(function.owner, str)
        if inserts or all(map(plain.is_plain, [*args, *kwargs.values()])) or _only_arranges(function):
            return found(*args, **kwargs)
        return Unknown(ast.unparse(node))
    return self.call(function, args, kwargs, node)


def _only_arranges(function: Any) -> bool:
    """Whether a builtin does nothing with the items that it is given."""
    names = ("list", "tuple", "enumerate", "zip", "reversed", "dict", "len", "print")
    return isinstance(function, Imported) and function.dotted in {f"builtins.{name}" for name in names}


def _plain_function(function: Any) -> Callable[..., Any] | None:
    if isinstance(function, Method):
        return plain.method(function.owner, function.name)
    if not isinstance(function, Imported):
        return None
    module, _, name = function.dotted.rpartition(".")
    return plain.builtin(name) if module == "builtins" else plain.known(function.dotted)


def _lambda(self: Expressions, node: ast.Lambda, scope: Scope) -> Any:
    return Function(node, scope)


def _assigned(self: Expressions, node: ast.NamedExpr, scope: Scope) -> Any:
    found = self.value(node.value, scope)
    bind(node.target, found, scope)
    return found


_READERS: dict[type[ast.expr], Callable[[Expressions, Any, Scope], Any]] = {
    ast.Constant: lambda self, node, scope: node.value,
    ast.Name: _name,
    ast.Attribute: _attribute,
    ast.Subscript: _subscript,
    ast.List: _list,
    ast.Tuple: _list,
    ast.Set: _list,
    ast.Dict: _dict,
    ast.JoinedStr: _joined,
    ast.BinOp: _binary,
    ast.UnaryOp: _unary,
    ast.BoolOp: _either,
    ast.Compare: _compare,
    ast.IfExp: _choice,
    ast.ListComp: _comprehension,
    ast.SetComp: _comprehension,
    ast.GeneratorExp: _comprehension,
    ast.DictComp: _comprehension,
    ast.Call: _call,
    ast.Lambda: _lambda,
    ast.NamedExpr: _assigned,
}
