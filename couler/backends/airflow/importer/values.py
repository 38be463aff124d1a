"""What names of a DAG file stand for while it is read without being executed."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Unknown:
    """A value that only running the file would tell.

    Attributes:
        text: The expression.
    """

    text: str


@dataclass(frozen=True, slots=True)
class Imported:
    """Something of another module, by its dotted name."""

    dotted: str

    @property
    def airflow(self) -> str:
        """What it is in Airflow, in whichever module a version keeps it; empty when it is none of Airflow's.

        >>> Imported("airflow.operators.bash.BashOperator").airflow, Imported("airflow.sdk.task.branch").airflow
        ('BashOperator', 'task.branch')
        """
        parts = self.dotted.split(".")
        if parts[0] != "airflow" or len(parts) == 1:
            return ""
        for index, part in enumerate(parts):
            if part[:1].isupper() or (part == "task" and index == len(parts) - 2 and parts[-1][:1].islower()):
                return ".".join(parts[index:])
        return parts[-1]


@dataclass(eq=False, slots=True)
class Scope:
    """Names of the module or of one call of a function, with the statements that bound them."""

    parent: Scope | None = None
    values: dict[str, Any] = field(default_factory=dict)
    statements: dict[str, ast.stmt | ast.alias] = field(default_factory=dict)

    def holder(self, name: str) -> Scope | None:
        """The scope in which a name is bound."""
        scope: Scope | None = self
        while scope is not None and name not in scope.values:
            scope = scope.parent
        return scope


@dataclass(eq=False, slots=True)
class Function:
    """A function of the file, not decorated by Airflow."""

    node: ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda
    scope: Scope

    @property
    def name(self) -> str:
        """Its name; empty for a lambda."""
        return "" if isinstance(self.node, ast.Lambda) else self.node.name


@dataclass(eq=False, slots=True)
class UserClass:
    """A class of the file."""

    node: ast.ClassDef
    scope: Scope


@dataclass(eq=False, slots=True)
class Decorated:
    """A function under ``@dag``, ``@task…`` or ``@task_group``, or an operator class under ``partial``.

    Attributes:
        kind: ``dag``, ``task``, ``task.branch``, ``task_group``, or the name of an operator.
        options: Arguments of the decorator, of ``override`` or of ``partial`` of an operator.
        given: Arguments of the function by ``partial``.
    """

    kind: str
    function: Function | None
    options: dict[str, Any]
    given: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Method:
    """An attribute of a value, which is going to be called."""

    owner: Any
    name: str


@dataclass(eq=False, slots=True)
class Dag:
    """A DAG."""

    id: str
    arguments: dict[str, Any]
    line: int
    tasks: list[Task] = field(default_factory=list)
    edges: list[tuple[Node, Node]] = field(default_factory=list)
    groups: dict[str, Group] = field(default_factory=dict)
    parameters: dict[str, Any] = field(default_factory=dict)


@dataclass(eq=False, slots=True)
class Group:
    """A task group.

    Attributes:
        id: Its name with those of the groups around it.
        prefix: What the names of its tasks start with.
        mapped: Arguments of ``expand``, by the parameter of the group's function; those of ``expand_kwargs`` that are
            not known now under an empty name.
        together: Whether the lists go side by side.
    """

    id: str
    prefix: str
    dag: Dag
    parent: Group | None
    line: int
    defaults: dict[str, Any] = field(default_factory=dict)
    mapped: dict[str, Any] = field(default_factory=dict)
    together: bool = False
    result: Any = None

    def around(self) -> Iterator[Group]:
        """This group and those around it."""
        yield self
        if self.parent is not None:
            yield from self.parent.around()


@dataclass(eq=False, slots=True)
class Task:
    """A task.

    Attributes:
        operator: Class of the operator, or ``task…`` for a decorated function.
        arguments: Arguments of the operator, those of ``default_args`` included.
        own: Names of the arguments that do not come from ``default_args``.
        function: The function that it runs.
        args: Positional arguments of the function.
        kwargs: Named arguments of the function.
        mapped: Arguments of ``expand``; those of ``expand_kwargs`` under an empty name.
    """

    id: str
    operator: str
    dag: Dag
    line: int
    arguments: dict[str, Any]
    own: frozenset[str] = frozenset()
    group: Group | None = None
    function: Function | None = None
    args: tuple[Any, ...] = ()
    kwargs: dict[str, Any] = field(default_factory=dict)
    mapped: dict[str, Any] = field(default_factory=dict)
    role: str = ""
    setups: tuple[Task, ...] = ()

    @property
    def mapped_group(self) -> Group | None:
        """The innermost group around it that is mapped."""
        around = self.group.around() if self.group is not None else ()
        return next((group for group in around if group.mapped), None)


Node = Task | Group


@dataclass(frozen=True, slots=True)
class Output:
    """A result of a task: its return value, or what it pushed under a key."""

    task: Task
    path: tuple[str | int, ...] = ()
    key: str = "return_value"


@dataclass(frozen=True, slots=True)
class Given:
    """A parameter of the DAG."""

    name: str
    path: tuple[str | int, ...] = ()


@dataclass(frozen=True, slots=True)
class Item:
    """The item of a list over which a task or group is mapped."""

    name: str
    path: tuple[str | int, ...] = ()


@dataclass(eq=False, slots=True)
class Label:
    """A label on edges: what stands on its sides."""

    left: list[Node] = field(default_factory=list)
    right: list[Node] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Made:
    """An object of Airflow, Kubernetes or Docker that is no task, such as a timetable, ``Param`` or ``Secret``."""

    kind: str
    args: tuple[Any, ...]
    kwargs: dict[str, Any]

    def __hash__(self) -> int:
        return id(self)


def nodes_of(value: Any) -> list[Node]:
    """The tasks and groups that a value means in ``>>``."""
    if isinstance(value, Task | Group):
        return [value]
    if isinstance(value, Output):
        return [value.task]
    if isinstance(value, Dag):
        return []
    if isinstance(value, list | tuple | set):
        return [node for item in value for node in nodes_of(item)]
    if isinstance(value, dict):
        return [node for item in value.values() for node in nodes_of(item)]
    return []


def outputs_in(value: Any) -> Iterator[Output]:
    """Results of tasks anywhere in an argument."""
    if isinstance(value, Output):
        yield value
    elif isinstance(value, list | tuple | set):
        for item in value:
            yield from outputs_in(item)
    elif isinstance(value, dict):
        for item in value.values():
            yield from outputs_in(item)
    elif isinstance(value, Made):
        yield from outputs_in([*value.args, *value.kwargs.values()])
