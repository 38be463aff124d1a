"""Reads a DAG file as data: its tasks, their arguments and their order. Nothing of it is run."""

from __future__ import annotations

import ast
import operator
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

OPERATORS = {"Function", "Script", "Container", "Job", "Pause", "Approval", "Start", "End", "Items", "Gather", "Rounds"}


@dataclass(frozen=True)
class Made:
    """A call of something that a DAG file imports: its name and arguments."""

    name: str
    arguments: tuple[Any, ...]
    named: Mapping[str, Any]


@dataclass(eq=False)
class Task:
    """A task.

    Attributes:
        task_id: With the groups that it stands in.
        kind: Its class.
        arguments: As they are given.
        mapped: Whether it runs once for each item.
        teardown: Whether it runs after everything else.
    """

    task_id: str
    kind: str
    arguments: Mapping[str, Any]
    mapped: bool = False
    teardown: bool = False

    @property
    def output(self) -> Task:
        return self


@dataclass(eq=False)
class Group:
    """A mapped task group."""

    group_id: str


@dataclass
class DagFile:
    """What a DAG file says.

    Attributes:
        arguments: Of the DAG; ``dag_id`` is among them.
        tasks: By id.
        edges: Pairs of ids, the earlier first.
    """

    arguments: dict[str, Any] = field(default_factory=dict)
    tasks: dict[str, Task] = field(default_factory=dict)
    edges: set[tuple[str, str]] = field(default_factory=set)

    def before(self, task: str) -> set[str]:
        """The tasks that come directly before one."""
        return {earlier for earlier, later in self.edges if later == task}


def read_file(text: str) -> DagFile:
    """What the text of a DAG file says.

    Raises:
        ValueError: It has a statement or an expression that is not read here.
    """
    reader = _Reader()
    reader.run(ast.parse(text).body)
    return reader.found


_SIGNS: Mapping[type[ast.operator], Any] = {ast.Sub: operator.sub, ast.Add: operator.add}


class _Reader:
    def __init__(self) -> None:
        self.found = DagFile()
        self.names: dict[str, Any] = {}
        self.groups: list[str] = []
        self.defaults: list[Mapping[str, Any]] = []

    # --- statements

    def run(self, body: list[ast.stmt]) -> None:
        for statement in body:
            self._statement(statement)

    def _statement(self, node: ast.stmt) -> None:
        match node:
            case ast.Import() | ast.ImportFrom() | ast.If() | ast.Expr(value=ast.Constant()):
                pass
            case ast.Assign(targets=[ast.Name(id="HERE" | "SOURCES")]):
                pass
            case ast.Assign(targets=[ast.Name(id=name)]):
                self.names[name] = self.value(node.value)
            case ast.With(items=[item]):
                self._with(self.value(item.context_expr), node.body)
            case ast.For(target=ast.Name(id=name)):
                for value in self.value(node.iter):
                    self.names[name] = value
                    self.run(node.body)
            case ast.FunctionDef(name=name, decorator_list=[decorator]):
                self.names[name] = (self.value(decorator), node)
            case ast.Expr():
                self.value(node.value)
            case _:
                raise ValueError(f"line {node.lineno}: {ast.unparse(node)[:80]} is not read")

    def _with(self, opened: Made, body: list[ast.stmt]) -> None:
        if opened.name == "DAG":
            self.found.arguments = {"dag_id": opened.arguments[0], **opened.named}
            self.run(body)
        else:
            self._inside(opened.arguments[0], opened, body)

    def _inside(self, name: str, opened: Made, body: list[ast.stmt]) -> None:
        self.groups.append(name)
        self.defaults.append(opened.named.get("default_args", {}))
        self.run(body)
        self.groups.pop()
        self.defaults.pop()

    # --- expressions

    def value(self, node: ast.expr) -> Any:
        match node:
            case ast.Constant():
                return node.value
            case ast.Name(id="SOURCES"):
                return "sources"
            case ast.Name():
                return self.names[node.id]
            case ast.JoinedStr():
                return "".join(str(self.value(part)) for part in node.values)
            case ast.FormattedValue():
                return self.value(node.value)
            case ast.List():
                return [self.value(item) for item in node.elts]
            case ast.Tuple():
                return tuple(self.value(item) for item in node.elts)
            case ast.Dict():
                return {
                    self.value(key): self.value(item) for key, item in zip(node.keys, node.values, strict=True) if key
                }
            case ast.UnaryOp(op=ast.USub()):
                return -self.value(node.operand)
            case ast.BinOp(op=ast.RShift()):
                return self._order(self.value(node.left), self.value(node.right))
            case ast.BinOp(op=ast.Div()):
                return self.value(node.right)
            case ast.BinOp():
                return _SIGNS[type(node.op)](self.value(node.left), self.value(node.right))
            case ast.BoolOp(op=ast.Or(), values=[first, second]):
                return self.value(first) or self.value(second)
            case ast.IfExp():
                return self.value(node.body if self.value(node.test) else node.orelse)
            case ast.Subscript(slice=ast.Slice(lower=ast.expr() as lower)):
                return self.value(node.value)[self.value(lower) :]
            case ast.ListComp(generators=[ast.comprehension(target=ast.Name(id=name), iter=values)]):
                return list(self._each(name, self.value(values), node.elt))
            case ast.Attribute(attr="output"):
                return self.value(node.value)
            case ast.Call():
                return self._call(node)
        raise ValueError(f"line {node.lineno}: {ast.unparse(node)[:80]} is not read")

    def _each(self, name: str, values: list[Any], made: ast.expr) -> Iterator[Any]:
        for value in values:
            self.names[name] = value
            yield self.value(made)

    def _call(self, node: ast.Call) -> Any:
        named = {word.arg: self.value(word.value) for word in node.keywords if word.arg}
        match node.func:
            case ast.Name(id="range"):
                return range(self.value(node.args[0]))
            case ast.Name(id=name) if name in OPERATORS:
                return self._task(name, named)
            case ast.Name(id=name):
                return Made(name, tuple(self.value(one) for one in node.args), named)
            case ast.Attribute(attr="partial", value=ast.Name(id=name)):
                return self._task(name, named, mapped=True)
            case ast.Attribute(attr="expand"):
                return self._expand(self.value(node.func.value), named["item"])
            case ast.Attribute(attr="append"):
                return self.value(node.func.value).append(self.value(node.args[0]))
            case ast.Attribute(attr="as_teardown"):
                self.value(node.func.value).teardown = True
                return None
            case ast.Attribute(attr="fromisoformat"):
                return self.value(node.args[0])
        raise ValueError(f"line {node.lineno}: {ast.unparse(node)[:80]} is not read")

    def _task(self, kind: str, named: dict[str, Any], mapped: bool = False) -> Task:
        task_id = ".".join([*self.groups, named["task_id"]])
        if task_id in self.found.tasks:
            raise ValueError(f"there are two tasks {task_id}")
        arguments = {key: value for given in (*self.defaults, named) for key, value in given.items()}
        task = self.found.tasks[task_id] = Task(task_id, kind, arguments, mapped)
        return task

    def _expand(self, mapped: Task | tuple[Made, ast.FunctionDef], items: Task) -> Task | Group:
        if isinstance(mapped, Task):
            self._order(items, mapped)
            return mapped
        decorator, function = mapped
        group = Group(".".join([*self.groups, decorator.named["group_id"]]))
        known = set(self.found.tasks)
        self.names[function.args.args[0].arg] = items
        self._inside(decorator.named["group_id"], decorator, function.body)
        for task in [task for name, task in self.found.tasks.items() if name not in known]:
            if not self.found.before(task.task_id):
                self._order(items, task)
        return group

    def _order(self, before: Any, after: Any) -> None:
        earlier = before if isinstance(before, list) else [before]
        later = after if isinstance(after, list) else [after]
        self.found.edges |= {(one, two) for one in self._ids(earlier) for two in self._ids(later)}

    def _ids(self, given: list[Any]) -> list[str]:
        """Ids of tasks; a group stands for those that nothing in it comes after."""
        found = []
        for one in given:
            if isinstance(one, list):
                found += self._ids(one)
            elif isinstance(one, Group):
                inner = {name for name in self.found.tasks if name.startswith(f"{one.group_id}.")}
                found += sorted(inner - {earlier for earlier, later in self.found.edges if later in inner})
            else:
                found.append(one.task_id)
        return found
