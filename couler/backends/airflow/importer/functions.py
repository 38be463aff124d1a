"""Functions of a DAG file as modules that need nothing of Airflow: their text, and what it takes from the file."""

from __future__ import annotations

import ast
import builtins
import sys
from dataclasses import dataclass, field
from typing import Any

from couler.backends.airflow.importer import plain
from couler.backends.airflow.importer.pushing import PUSHED, wrapper
from couler.backends.airflow.importer.references import References
from couler.backends.airflow.importer.rewriting import Rewritten, rewrite
from couler.backends.airflow.importer.values import Function, Imported, Scope, Task, UserClass
from couler.core.dsl.excerpts import at_margin
from couler.core.dsl.literals import is_literal, literal
from couler.core.dsl.names import free_names, names_in_fields
from couler.core.errors import DefinitionError
from couler.core.ir import model as ir

_FUTURE = "from __future__ import annotations"
_FAILURES = frozenset(("AirflowException", "AirflowFailException", "AirflowSensorTimeout", "AirflowNotFoundException"))


class Untranslatable(Exception):  # noqa: N818 - it is an answer
    """The function cannot be cut out; the text says why."""


@dataclass(slots=True)
class Cut:
    """A function as a module.

    Attributes:
        source: The module.
        entry: The function in it.
        parameters: Its parameters in order, each with whether it must be given.
        bound: Parameters that stand for what the function took from Airflow's context.
        secrets: Secrets that it reads from its environment.
        node: The definition.
        pushed: Keys of its result, when it pushes values.
    """

    source: str
    entry: str
    parameters: dict[str, bool]
    bound: dict[str, ir.Value]
    secrets: dict[str, ir.SecretRef]
    node: ast.FunctionDef | ast.AsyncFunctionDef
    pushed: frozenset[str] = frozenset()


def cut(function: Function, task: Task, text: str, references: References, given: set[str], typed: bool) -> Cut:
    """The module of a function.

    Args:
        function: The function.
        task: The task that runs it.
        text: The DAG file.
        references: Of the DAG.
        given: Parameters for which the task has arguments.
        typed: Whether annotations stay.

    Raises:
        Untranslatable: It cannot be cut out.
    """
    name = function.name or f"{_identifier(task.id)}_function"
    definition = _text_of(function, text, name)
    try:
        written = rewrite(definition, task, references, given, typed)
        bundle = _Bundle(text, task, references)
        bundle.names[name] = None
        if written.secrets:
            bundle.names["os"] = bundle.imports["import os"] = None
        inside = bundle.taken_by(written.text, function.scope, name)
    except (SyntaxError, DefinitionError, RecursionError) as error:
        raise Untranslatable(str(error)) from None
    bundle.parts.append(with_imports(written.text.strip("\n"), inside))
    entry = _as_plain(written, name, bundle)
    keys: frozenset[str] = frozenset()
    if written.pushes is not None and isinstance(written.node, ast.FunctionDef):
        entry, keys = f"{name}_pushing", written.pushes.keys
        bundle.parts += [PUSHED, wrapper(written.node, written.pushes, entry)]
    source = bundle.module()
    return Cut(source, entry, written.parameters, written.bound, written.secrets, written.node, keys)


def _identifier(name: str) -> str:
    found = "".join(character if character.isalnum() else "_" for character in name)
    return found if found[:1].isalpha() else f"f_{found}"


def _text_of(function: Function, text: str, name: str) -> str:
    node = function.node
    if isinstance(node, ast.Lambda):
        return f"def {name}({ast.unparse(node.args)}):\n    return {ast.unparse(node.body)}\n"
    lines = text.splitlines(keepends=True)[node.lineno - 1 : node.end_lineno]
    try:
        return at_margin("".join(lines), f"function '{name}'")
    except DefinitionError as error:
        raise Untranslatable(str(error)) from None


def _as_plain(written: Rewritten, name: str, bundle: _Bundle) -> str:
    """The entry; for a coroutine a function that runs it."""
    if isinstance(written.node, ast.FunctionDef):
        return name
    bundle.imports["import asyncio"] = None
    return wrap(bundle.parts, written.node, f"run_{name}", f"    return asyncio.run({call_of(written.node)})")


def call_of(node: ast.FunctionDef | ast.AsyncFunctionDef) -> str:
    """A call of a function with its own parameters."""
    names = [one.arg for one in (*node.args.args, *node.args.kwonlyargs)]
    return f"{node.name}({', '.join(f'{name}={name}' for name in names)})"


def wrap(parts: list[str], node: ast.FunctionDef | ast.AsyncFunctionDef, name: str, body: str) -> str:
    """Add a function with the same parameters; returns its name."""
    arguments = ast.unparse(node.args)
    parts.append(f"def {name}({arguments}):\n{body}")
    return name


def with_imports(definition: str, imports: list[str]) -> str:
    """A function with imports before its first statement."""
    if not imports:
        return definition
    node = ast.parse(definition).body[0]
    assert isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    first = node.body[0]
    has_text = (
        isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant) and isinstance(first.value.value, str)
    )
    lines = definition.splitlines(keepends=True)
    if first.lineno == node.lineno:
        body = ast.unparse(node).splitlines(keepends=True)
        return with_imports("".join(body), imports)
    margin = " " * first.col_offset
    place = (first.end_lineno or first.lineno) if has_text else first.lineno - 1
    made = [f"{margin}{one}\n" for one in dict.fromkeys(imports)]
    head = lines[:place]
    if head and not head[-1].endswith("\n"):
        head[-1] += "\n"
    return "".join([*head, *made, "\n", *lines[place:]]).rstrip("\n")


def with_wrapper(made: Cut, suffix: str, body: str, imports: str = "") -> Cut:
    """The module with a further function around the entry, which becomes the entry.

    Args:
        made: The module.
        suffix: What the name of the new function ends with.
        body: Its statements, with ``{call}`` where the entry is called.
        imports: A statement before everything.
    """
    parts: list[str] = []
    target = ast.parse(f"def {made.entry}({ast.unparse(made.node.args)}): pass").body[0]
    assert isinstance(target, ast.FunctionDef)
    name = wrap(parts, target, f"{made.entry}_{suffix}", body.format(call=call_of(target)))
    head = made.source.replace(_FUTURE, f"{_FUTURE}\n\n{imports}", 1) if imports else made.source
    target.name = name
    return Cut(f"{head}\n\n{parts[0]}\n", name, made.parameters, made.bound, made.secrets, target)


@dataclass(slots=True)
class _Bundle:
    """What travels with a function."""

    text: str
    task: Task
    references: References
    imports: dict[str, None] = field(default_factory=dict)
    parts: list[str] = field(default_factory=list)
    names: dict[str, None] = field(default_factory=dict)

    def module(self) -> str:
        parts = [_FUTURE, "\n".join(self.imports), *self.parts]
        return "\n\n".join(part for part in parts if part) + "\n"

    def taken_by(self, text: str, scope: Scope, own: str) -> list[str]:
        """Bring along everything that a piece of code takes from outside; returns imports that it makes itself."""
        tree = ast.parse(text)
        inside: list[str] = []
        for node in ast.walk(tree):
            module = node.module if isinstance(node, ast.ImportFrom) else None
            module = node.names[0].name if isinstance(node, ast.Import) else module
            if module is not None and module.split(".")[0] == "airflow":
                self._uses_airflow(ast.unparse(node))
        for name, _ in free_names(tree):
            if name != own and (statement := self._foreign(name, scope)):
                inside.append(statement)
            elif name != own:
                self._bring(name, scope)
        for name in names_in_fields(tree):
            if scope.holder(name) is not None:
                self._bring(name, scope)
        return inside

    def _foreign(self, name: str, scope: Scope) -> str:
        """The import of a name that is not Python's own; it is made where the step runs, and not by the program."""
        holder = scope.holder(name)
        value, statement = (holder.values[name], holder.statements.get(name)) if holder is not None else (None, None)
        if not isinstance(value, Imported) or not isinstance(statement, ast.Import | ast.ImportFrom):
            return ""
        if value.airflow in _FAILURES or value.dotted.partition(".")[0] in sys.stdlib_module_names:
            return ""
        if value.dotted.startswith("."):
            raise Untranslatable(f"'{name}' comes from a module beside the file")
        if value.dotted.partition(".")[0] == "airflow":
            self._uses_airflow(_only(statement, name))
        return _only(statement, name)

    def _uses_airflow(self, what: str) -> None:
        self.references.report.add("AIRFLOW041", self.task.line, what)

    def _bring(self, name: str, scope: Scope) -> None:
        if name in self.names:
            return
        if name == "__file__":
            raise Untranslatable("it uses the path of the DAG file")
        holder = scope.holder(name)
        if holder is None:
            if not hasattr(builtins, name) and name not in ("__name__", "__doc__"):
                raise Untranslatable(f"the name '{name}' is not defined in this file")
            return
        self.names[name] = None
        value, statement = holder.values[name], holder.statements.get(name)
        if isinstance(value, Imported) and isinstance(statement, ast.Import | ast.ImportFrom):
            self._import(name, value, statement)
        elif isinstance(statement, ast.Import | ast.ImportFrom):
            self.imports[_only(statement, name)] = None
        elif isinstance(value, Function | UserClass) and not isinstance(value.node, ast.Lambda):
            self._define(value, name)
        elif isinstance(statement, ast.Assign | ast.AnnAssign):
            self._assign(name, value, statement, holder)
        elif is_literal(value):
            self.parts.append(f"{name} = {literal(value)}")
        else:
            raise Untranslatable(f"'{name}' cannot travel with the step")

    def _import(self, name: str, value: Imported, statement: ast.Import | ast.ImportFrom) -> None:
        if value.airflow in _FAILURES:
            self.parts.append(f'class {name}(Exception):\n    """A failure."""')
            return
        self.imports[_only(statement, name)] = None

    def _define(self, value: Function | UserClass, name: str) -> None:
        node = value.node
        assert not isinstance(node, ast.Lambda)
        first = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])
        lines = self.text.splitlines(keepends=True)[first - 1 : node.end_lineno]
        definition = at_margin("".join(lines), f"'{name}'").strip("\n")
        inside = self.taken_by(definition, value.scope, name)
        if inside and isinstance(value, UserClass):
            raise Untranslatable(f"the class '{name}' needs {', '.join(inside)}")
        self.parts.append(with_imports(definition, inside))

    def _assign(self, name: str, value: Any, statement: ast.Assign | ast.AnnAssign, holder: Scope) -> None:
        simple = isinstance(statement, ast.AnnAssign) or [
            one.id for one in statement.targets if isinstance(one, ast.Name)
        ] == [name]
        if isinstance(value, str) and "{{ var.value." in value and not _is_display(statement.value):
            raise Untranslatable(f"'{name}' is a variable of Airflow: read it inside of the function")
        if is_literal(value) and (holder.parent is not None or not simple or not _is_display(statement.value)):
            self.parts.append(f"{name} = {literal(value)}")
        elif simple and holder.parent is None and (plain.is_plain(value) or not _is_airflows(value)):
            definition = ast.get_source_segment(self.text, statement) or ast.unparse(statement)
            for imported in self.taken_by(definition, holder, name):
                self.imports[imported] = None
            self.parts.append(definition)
        else:
            raise Untranslatable(f"'{name}' cannot travel with the step")


def _is_display(node: ast.expr | None) -> bool:
    try:
        ast.literal_eval(node or "")
    except (ValueError, TypeError, SyntaxError):
        return False
    return True


def _is_airflows(value: Any) -> bool:
    return type(value).__module__.startswith("couler.") and type(value).__name__ not in ("Unknown", "Made", "Function")


def _only(statement: ast.Import | ast.ImportFrom, name: str) -> str:
    """The part of an import that binds a name."""
    aliases = [one for one in statement.names if (one.asname or one.name.partition(".")[0]) == name or
               one.asname == name]  # fmt: skip
    if isinstance(statement, ast.Import):
        return ast.unparse(ast.Import(aliases))
    return ast.unparse(ast.ImportFrom(statement.module, aliases, statement.level))
