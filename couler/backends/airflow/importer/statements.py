"""Statements of a DAG file, followed without executing anything."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from couler.backends.airflow.importer import plain
from couler.backends.airflow.importer.calls import Calls
from couler.backends.airflow.importer.expressions import EndlessError, bind, items_of
from couler.backends.airflow.importer.report import Report
from couler.backends.airflow.importer.values import (
    Dag,
    Decorated,
    Function,
    Group,
    Imported,
    Node,
    Scope,
    Task,
    Unknown,
    UserClass,
    nodes_of,
    outputs_in,
)

_DEEPEST = 20


class _ReturnError(Exception):
    """A function returns."""

    def __init__(self, value: Any) -> None:
        self.value = value


class _LeaveError(Exception):
    """A loop is left, or goes on with its next item."""

    def __init__(self, *, for_good: bool) -> None:
        self.for_good = for_good


class Reader(Calls):
    """Follows the statements of a file."""

    def __init__(self, report: Report, told: Mapping[str, Any] = {}) -> None:
        super().__init__(report, told)
        self.module = Scope()
        self.uncalled: list[Decorated] = []
        self._depth = 0

    def read(self, tree: ast.Module) -> None:
        """Follow a file from its first line to its last."""
        try:
            self.follow(tree.body, self.module)
        except EndlessError:
            self.report.add("AIRFLOW071", 1, "more statements than are followed")
        except (_ReturnError, _LeaveError):
            pass

    def follow(self, statements: Iterable[ast.stmt], scope: Scope) -> None:
        """Follow statements in order."""
        for statement in statements:
            self.spend()
            handler = _HANDLERS.get(type(statement))
            if handler is None:
                self._unfollowed(statement)
            else:
                handler(self, statement, scope)

    def run(self, function: Function, args: list[Any], kwargs: dict[str, Any]) -> Any:
        """What a function of the file returns; its statements are followed."""
        scope = _called(self, function, args, kwargs)
        if isinstance(function.node, ast.Lambda):
            return self.value(function.node.body, scope)
        if self._depth >= _DEEPEST:
            return Unknown(f"{function.name}()")
        self._depth += 1
        try:
            self.follow(function.node.body, scope)
        except _ReturnError as returned:
            return returned.value
        finally:
            self._depth -= 1
        return None

    # --- what cannot be followed

    def _unfollowed(self, statement: ast.stmt) -> None:
        if self._makes_tasks(statement):
            self.report.add("AIRFLOW071", statement.lineno, ast.unparse(statement).partition("\n")[0])

    def _makes_tasks(self, statement: ast.stmt) -> bool:
        """Whether a statement seems to declare tasks."""
        for node in ast.walk(statement):
            match node:
                case ast.BinOp(op=ast.RShift() | ast.LShift()) | ast.keyword(arg="task_id"):
                    return True
                case ast.Call(func=ast.Name(id=name)):
                    holder = self.module.holder(name)
                    if holder is not None and isinstance(holder.values[name], Decorated):
                        return True
        return False


def _called(self: Reader, function: Function, args: list[Any], kwargs: dict[str, Any]) -> Scope:
    """The scope of a call, with its arguments."""
    scope = Scope(function.scope)
    given = function.node.args
    names = [one.arg for one in (*given.posonlyargs, *given.args)]
    defaults = dict(zip(reversed(names), reversed(given.defaults), strict=False))
    for one, default in zip(given.kwonlyargs, given.kw_defaults, strict=True):
        names.append(one.arg)
        if default is not None:
            defaults[one.arg] = default
    bound = {**dict(zip(names, args, strict=False)), **kwargs}
    for name in names:
        known = name in bound or name in defaults
        scope.values[name] = (
            bound[name] if name in bound else self.value(defaults[name], function.scope) if known else Unknown(name)
        )
    if given.vararg is not None:
        scope.values[given.vararg.arg] = tuple(args[len(names) :])
    if given.kwarg is not None:
        scope.values[given.kwarg.arg] = {name: value for name, value in bound.items() if name not in names}
    return scope


def _import(self: Reader, statement: ast.Import, scope: Scope) -> None:
    for alias in statement.names:
        name = alias.asname or alias.name.partition(".")[0]
        scope.values[name] = Imported(alias.name if alias.asname else name)
        scope.statements[name] = statement


def _import_from(self: Reader, statement: ast.ImportFrom, scope: Scope) -> None:
    module = "." * statement.level + (statement.module or "")
    for alias in statement.names:
        name = alias.asname or alias.name
        dotted = f"{module}.{alias.name}"
        scope.values[name] = plain.CONSTANTS.get(dotted, Imported(dotted))
        scope.statements[name] = statement


def _assign(self: Reader, statement: ast.Assign, scope: Scope) -> None:
    value = self.value(statement.value, scope)
    for target in statement.targets:
        if isinstance(target, ast.Name | ast.Tuple | ast.List):
            bind(target, value, scope, statement)
        elif isinstance(target, ast.Subscript):
            holder, key = self.value(target.value, scope), self.value(target.slice, scope)
            if (isinstance(holder, dict) and isinstance(key, str | int)) or (
                isinstance(holder, list) and isinstance(key, int) and -len(holder) <= key < len(holder)
            ):
                holder[key] = value  # type: ignore[index]
        elif isinstance(target, ast.Attribute):
            for node in nodes_of(holder := self.value(target.value, scope)):
                if isinstance(node, Task):
                    node.arguments[target.attr] = value
            if isinstance(holder, Dag):
                holder.arguments[target.attr] = value


def _annotated(self: Reader, statement: ast.AnnAssign, scope: Scope) -> None:
    if statement.value is not None and isinstance(statement.target, ast.Name):
        bind(statement.target, self.value(statement.value, scope), scope, statement)


def _augmented(self: Reader, statement: ast.AugAssign, scope: Scope) -> None:
    if isinstance(statement.target, ast.Name):
        left = ast.Name(statement.target.id, ast.Load(), lineno=statement.lineno, col_offset=0)
        whole = ast.copy_location(ast.BinOp(left, statement.op, statement.value), statement)
        bind(statement.target, self.value(whole, scope), scope)


def _expression(self: Reader, statement: ast.Expr, scope: Scope) -> None:
    self.value(statement.value, scope)


def _function(self: Reader, statement: ast.FunctionDef | ast.AsyncFunctionDef, scope: Scope) -> None:
    found: Any = Function(statement, scope)
    for node in reversed(statement.decorator_list):
        decorator = self.value(node, scope)
        call = ast.copy_location(ast.Call(node, [], []), node)
        if isinstance(decorator, Unknown) or (isinstance(decorator, Imported) and not decorator.airflow):
            continue
        found = self.call(decorator, [found], {}, call)
    if isinstance(found, Decorated) and found.kind == "dag":
        self.uncalled.append(found)
    scope.values[statement.name] = found
    scope.statements[statement.name] = statement


def _class(self: Reader, statement: ast.ClassDef, scope: Scope) -> None:
    scope.values[statement.name] = UserClass(statement, scope)
    scope.statements[statement.name] = statement


def _with(self: Reader, statement: ast.With, scope: Scope) -> None:
    entered: list[Dag | Group] = []
    held: list[tuple[Task, Dag, int]] = []
    try:
        for item in statement.items:
            value = self.value(item.context_expr, scope)
            if item.optional_vars is not None:
                bind(item.optional_vars, value, scope)
            if isinstance(value, Dag | Group):
                self.around.append(value)
                entered.append(value)
            held += [(one, one.dag, len(one.dag.tasks)) for one in nodes_of(value) if isinstance(one, Task)]
        self.follow(statement.body, scope)
    finally:
        del self.around[len(self.around) - len(entered) :]
    for task, dag, before in held:
        _hold(self, task, dag.tasks[before:])


def _hold(self: Reader, teardown: Task, inside: list[Task]) -> None:
    """Tasks inside of ``with teardown`` run between its setups and it."""
    within: list[Node] = [one for one in inside if one.group is teardown.group]
    given = [one.task for one in outputs_in([teardown.args, teardown.kwargs]) if one.task.role == "setup"]
    self.link([*teardown.setups, *given], within)
    self.link(within, [teardown])


def _for(self: Reader, statement: ast.For, scope: Scope) -> None:
    try:
        items = items_of(self.value(statement.iter, scope))
    except TypeError:
        self._unfollowed(statement)
        return
    self.moving |= {one.id for one in ast.walk(statement.target) if isinstance(one, ast.Name)}
    for item in items:
        self.spend()
        bind(statement.target, item, scope)
        try:
            self.follow(statement.body, scope)
        except _LeaveError as leaving:
            if leaving.for_good:
                return
    self.follow(statement.orelse, scope)


def _if(self: Reader, statement: ast.If, scope: Scope) -> None:
    test = self.value(statement.test, scope)
    if not plain.is_plain(test):
        self._unfollowed(statement)
        test = True
    self.follow(statement.body if test else statement.orelse, scope)


def _try(self: Reader, statement: ast.Try, scope: Scope) -> None:
    self.follow([*statement.body, *statement.orelse, *statement.finalbody], scope)


def _return(self: Reader, statement: ast.Return, scope: Scope) -> None:
    raise _ReturnError(self.value(statement.value, scope))


def _raise(self: Reader, statement: ast.Raise, scope: Scope) -> None:
    raise _ReturnError(None)


def _break(self: Reader, statement: ast.Break, scope: Scope) -> None:
    raise _LeaveError(for_good=True)


def _continue(self: Reader, statement: ast.Continue, scope: Scope) -> None:
    raise _LeaveError(for_good=False)


def _nothing(self: Reader, statement: ast.stmt, scope: Scope) -> None:
    return


_HANDLERS: dict[type[ast.stmt], Callable[[Reader, Any, Scope], None]] = {
    ast.Import: _import,
    ast.ImportFrom: _import_from,
    ast.Assign: _assign,
    ast.AnnAssign: _annotated,
    ast.AugAssign: _augmented,
    ast.Expr: _expression,
    ast.FunctionDef: _function,
    ast.AsyncFunctionDef: _function,
    ast.ClassDef: _class,
    ast.With: _with,
    ast.For: _for,
    ast.If: _if,
    ast.Try: _try,
    ast.Return: _return,
    ast.Raise: _raise,
    ast.Break: _break,
    ast.Continue: _continue,
    ast.Pass: _nothing,
    ast.Assert: _nothing,
    ast.Delete: _nothing,
    ast.Global: _nothing,
    ast.Nonlocal: _nothing,
}
