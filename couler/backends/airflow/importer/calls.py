"""Calls in a DAG file that make DAGs, groups, tasks and edges."""

from __future__ import annotations

import ast
from abc import abstractmethod
from itertools import pairwise
from typing import Any

from couler.backends.airflow.importer.expressions import Expressions
from couler.backends.airflow.importer.values import (
    Dag,
    Decorated,
    Function,
    Given,
    Group,
    Imported,
    Item,
    Label,
    Made,
    Method,
    Output,
    Task,
    Unknown,
    UserClass,
    nodes_of,
)

_NOT_FOR_TASKS = frozenset(("task_id", "dag", "task_group", "default_args", "trigger_dag_id"))
_KINDS = frozenset(("dag", "task_group", "setup", "teardown"))
_OPERATORS = ("Operator", "Sensor", "SensorAsync", "OperatorAsync")


class Calls(Expressions):
    """Knows what Airflow's names do when they are called."""

    @abstractmethod
    def run(self, function: Function, args: list[Any], kwargs: dict[str, Any]) -> Any:
        """What a function of the file returns."""

    # --- where one is

    @property
    def dag(self) -> Dag | None:
        """The DAG around."""
        return next((one for one in reversed(self.around) if isinstance(one, Dag)), None)

    @property
    def group(self) -> Group | None:
        """The task group around."""
        return self.around[-1] if self.around and isinstance(self.around[-1], Group) else None

    # --- dispatch

    def call(self, function: Any, args: list[Any], kwargs: dict[str, Any], node: ast.Call) -> Any:
        """What a call comes to."""
        match function:
            case Imported():
                return self._imported(function, args, kwargs, node)
            case Function():
                return self.run(function, args, kwargs)
            case Decorated(kind="partial"):
                return Unknown(ast.unparse(node))
            case Decorated(function=None):
                return self._decorate(function.kind, function.options, args)
            case Decorated():
                return self._call_decorated(function, args, kwargs, node)
            case Method(owner=owner, name=name):
                return self._method(owner, name, args, kwargs, node)
            case UserClass() if kwargs.get("task_id") is not None or self._is_operator(function):
                return self._operator(function.node.name, args, kwargs, node)
            case UserClass():
                return Made(function.node.name, tuple(args), kwargs)
            case _:
                if "task_id" in kwargs:
                    return self._operator(ast.unparse(node.func).rpartition(".")[2], args, kwargs, node)
                return Unknown(ast.unparse(node))

    def _is_operator(self, made: UserClass) -> bool:
        bases = [self.value(base, made.scope) for base in made.node.bases]
        return any(
            (isinstance(base, Imported) and base.airflow.endswith(_OPERATORS))
            or (isinstance(base, UserClass) and self._is_operator(base))
            for base in bases
        )

    def _imported(self, function: Imported, args: list[Any], kwargs: dict[str, Any], node: ast.Call) -> Any:
        name = function.airflow
        base, _, last = name.rpartition(".")
        if base and base[0].isupper() and last in ("partial", "as_setup", "as_teardown"):
            return Decorated(base, None, kwargs) if last == "partial" else Unknown(ast.unparse(node))
        match name:
            case "DAG":
                return self._dag(args, kwargs, node)
            case "TaskGroup":
                return self._task_group(args, kwargs, node)
            case "dag" | "task_group" | "setup" | "teardown":
                return self._decorate(name, kwargs, args)
            case "asset" | "asset.multi":
                return Decorated("asset", None, kwargs) if not args else Unknown(name)
            case "chain" | "chain_linear":
                return self._chain(args, linear=name == "chain_linear")
            case "cross_downstream":
                self.link(nodes_of(args[0]), nodes_of(args[1]))
                return None
            case "Label" | "EdgeModifier":
                return Label()
            case "XComArg" if args and nodes_of(args[0]):
                return Output(nodes_of(args[0])[0], (), kwargs.get("key", "return_value"))  # type: ignore[arg-type]
            case "literal":
                return Made("literal", tuple(args), {})
        if name in ("task.run_if", "task.skip_if"):
            self.report.add("AIRFLOW061", node.lineno, f"@{name}")
            return Decorated("as it is", None, {})
        if name == "Variable.get" and len(args) == 1 and isinstance(args[0], str) and "deserialize_json" not in kwargs:
            return f"{{{{ var.value.{args[0]} }}}}"
        if name == "task" or name.startswith("task."):
            return self._decorate(name, kwargs, args)
        if name.endswith(_OPERATORS) or "task_id" in kwargs:
            return self._operator(name or function.dotted.rpartition(".")[2], args, kwargs, node)
        if function.dotted == "functools.partial" and isinstance(args[0], Function):
            return Decorated("partial", args[0], {"op_args": args[1:]}, kwargs)
        if function.dotted in ("os.getenv", "os.environ.get"):
            self.report.add("AIRFLOW072", node.lineno, ast.unparse(node))
            return args[1] if len(args) > 1 else kwargs.get("default")
        last = (name or function.dotted).rpartition(".")[2]
        return Made(last, tuple(args), kwargs) if last[:1].isupper() else Unknown(ast.unparse(node))

    def _decorate(self, kind: str, options: dict[str, Any], args: list[Any]) -> Any:
        """``@task``, ``@task(...)``, and ``task(function)``."""
        if not args:
            return Decorated(kind, None, options)
        [target] = args[:1]
        if kind in ("setup", "teardown"):
            return self._as_role(target, kind, options)
        if kind == "as it is":
            return target
        if isinstance(target, Function) and kind == "asset":
            return self._asset(target, options)
        if isinstance(target, Function):
            return Decorated(kind, target, options)
        if kind == "dag" and isinstance(target, str):
            return Decorated(kind, None, {"dag_id": target, **options})
        if kind == "task_group" and isinstance(target, str):
            return Decorated(kind, None, {"group_id": target, **options})
        return Unknown(kind)

    def _as_role(self, target: Any, role: str, options: dict[str, Any]) -> Any:
        if isinstance(target, Function):
            return Decorated("task", target, {**options, "role": role})
        if isinstance(target, Decorated):
            return Decorated(target.kind, target.function, {**target.options, **options, "role": role})
        return target

    # --- DAGs and groups

    def _dag(self, args: list[Any], kwargs: dict[str, Any], node: ast.AST) -> Dag:
        name = kwargs.pop("dag_id", args[0] if args else None)
        line = getattr(node, "lineno", 1)
        if not isinstance(name, str) or not name:
            self.report.add("AIRFLOW070", line, "dag_id")
            name = f"dag-{line}"
        dag = Dag(name, kwargs, line)
        self.dags.append(dag)
        return dag

    def _asset(self, function: Function, options: dict[str, Any]) -> Any:
        """A function that makes an asset: a DAG of its own with one task."""
        name = options.get("name") or options.get("dag_id") or function.name
        dag = self._dag([], {"dag_id": name, "schedule": options.get("schedule")}, function.node)
        outlets = [Made("Asset", (name,), {})]
        self.task("task", {"task_id": function.name, "outlets": outlets}, dag, function.node, function)
        return outlets[0]

    def _task_group(self, args: list[Any], kwargs: dict[str, Any], node: ast.AST) -> Group | Unknown:
        dag = kwargs.get("dag") or self.dag
        name = kwargs.get("group_id", args[0] if args else None)
        if not isinstance(dag, Dag) or not isinstance(name, str):
            return Unknown("TaskGroup")
        parent = kwargs.get("parent_group") or self.group
        parent = parent if isinstance(parent, Group) else None
        before = parent.prefix if parent is not None else ""
        whole = _unused(f"{before}{name}", set(dag.groups))
        prefix = f"{whole}." if kwargs.get("prefix_group_id", True) is not False else before
        defaults = {**(parent.defaults if parent is not None else {}), **_object(kwargs.get("default_args"))}
        group = Group(whole, prefix, dag, parent, getattr(node, "lineno", 1), defaults)
        dag.groups[whole] = group
        return group

    def _chain(self, args: list[Any], *, linear: bool) -> None:
        for left, right in pairwise(args):
            pairs = isinstance(left, list | tuple) and isinstance(right, list | tuple) and not linear
            if pairs and len(left) == len(right):
                for one, other in zip(left, right, strict=True):
                    self.shift(one, other)
            else:
                self.shift(left, right)

    # --- operators

    def _operator(self, name: str, args: list[Any], kwargs: dict[str, Any], node: ast.AST) -> Any:
        dag = kwargs.get("dag") if isinstance(kwargs.get("dag"), Dag) else self.dag
        if not isinstance(dag, Dag):  # made before its DAG: it belongs to the first one that it meets, as in Airflow
            dag = Dag("", {}, getattr(node, "lineno", 1))
        called = kwargs.get("python_callable")
        function = called.function if isinstance(called, Decorated) else called
        made = self.task(name, kwargs, dag, node, function if isinstance(function, Function) else None)
        made.args = tuple(items) if isinstance(items := kwargs.get("op_args", ()), list | tuple) else (items,)
        given = kwargs.get("op_kwargs") or {}
        made.kwargs = given if isinstance(given, dict) else {"": given}
        if isinstance(called, Decorated) and called.kind == "partial":
            made.args, made.kwargs = (*called.options["op_args"], *made.args), {**called.given, **made.kwargs}
        return made

    def task(self, operator: str, kwargs: dict[str, Any], dag: Dag, node: ast.AST, function: Function | None) -> Task:
        """Add a task to a DAG."""
        line = getattr(node, "lineno", 1)
        group = kwargs.get("task_group") if isinstance(kwargs.get("task_group"), Group) else self.group
        wanted = kwargs.get("task_id")
        if not isinstance(wanted, str) or not wanted:
            self.report.add("AIRFLOW070", line, "task_id")
            wanted = f"{operator.rpartition('.')[2].lower()}-{line}"
        before = group.prefix if isinstance(group, Group) else ""
        defaults = {**_object(dag.arguments.get("default_args")), **(group.defaults if group else {})}
        defaults |= _object(kwargs.get("default_args"))
        own = {key: value for key, value in kwargs.items() if key not in _NOT_FOR_TASKS or key == "trigger_dag_id"}
        name = _unused(f"{before}{wanted}", {one.id for one in dag.tasks} | set(dag.groups))
        made = Task(name, operator, dag, line, {**defaults, **own}, frozenset(own), group, function)
        role = own.get("role")
        made.role = role if isinstance(role, str) else ""
        dag.tasks.append(made)
        return made

    # --- functions under decorators

    def _call_decorated(self, called: Decorated, args: list[Any], kwargs: dict[str, Any], node: ast.Call) -> Any:
        assert called.function is not None
        if called.kind == "dag":
            return self._call_dag(called, args, kwargs, node)
        if called.kind == "task_group":
            return self._call_group(called, args, {**called.given, **kwargs}, {}, node)
        return self._call_task(called, args, {**called.given, **kwargs}, {}, node)

    def _call_task(
        self, called: Decorated, args: list[Any], kwargs: dict[str, Any], mapped: dict[str, Any], node: ast.AST
    ) -> Any:
        dag = self.dag or Dag("", {}, getattr(node, "lineno", 1))
        assert called.function is not None
        options = {"task_id": called.function.name or "task", **called.options}
        made = self.task(called.kind, options, dag, node, called.function)
        made.args, made.kwargs, made.mapped = tuple(args), kwargs, mapped
        return Output(made)

    def _call_group(
        self, called: Decorated, args: list[Any], kwargs: dict[str, Any], mapped: dict[str, Any], node: ast.AST
    ) -> Any:
        assert called.function is not None
        group = self._task_group([], {"group_id": called.function.name, **called.options}, node)
        if isinstance(group, Unknown):
            return group
        group.mapped, group.together = _side_by_side(mapped), "" in mapped
        items: dict[str, Any] = {name: Item(name) for name in group.mapped if name}
        if "" in group.mapped:
            names = [one.arg for one in called.function.node.args.args]
            items = {name: Item("item", (name,)) for name in names if name not in kwargs}
        self.around.append(group)
        try:
            group.result = self.run(called.function, args, {**kwargs, **items})
        finally:
            self.around.pop()
        return group if group.result is None else group.result

    def _call_dag(self, called: Decorated, args: list[Any], kwargs: dict[str, Any], node: ast.AST) -> Dag:
        function = called.function
        assert function is not None
        assert not isinstance(function.node, ast.Lambda)
        options = {"dag_id": function.name, **called.options}
        options.setdefault("doc_md", ast.get_docstring(function.node))
        dag = self._dag([], options, function.node)
        arguments = function.node.args
        names = [one.arg for one in (*arguments.posonlyargs, *arguments.args)]
        defaults = dict(zip(reversed(names), reversed(arguments.defaults), strict=False))
        given = {**dict(zip(names, args, strict=False)), **kwargs}
        for one, default in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True):
            names.append(one.arg)
            if default is not None:
                defaults[one.arg] = default
        for name in names:
            default = given[name] if name in given else self.value(defaults.get(name), function.scope)
            dag.parameters[name] = default if name in given or name in defaults else Made("Param", (), {})
        self.around.append(dag)
        try:
            self.run(function, [], {name: Given(name) for name in names})
        finally:
            self.around.pop()
        return dag

    # --- methods

    def _method(self, owner: Any, name: str, args: list[Any], kwargs: dict[str, Any], node: ast.Call) -> Any:
        if isinstance(owner, Decorated):
            return self._of_decorated(owner, name, args, kwargs, node)
        if isinstance(owner, UserClass):
            return Decorated(owner.node.name, None, kwargs)
        nodes = nodes_of(owner)
        match name:
            case "set_downstream":
                self.link(nodes, nodes_of(args[0]))
            case "set_upstream":
                self.link(nodes_of(args[0]), nodes)
            case "as_setup" | "as_teardown" if len(nodes) == 1 and isinstance(nodes[0], Task):
                nodes[0].role = name.removeprefix("as_")
                setups = nodes_of(kwargs.get("setups", []))
                nodes[0].setups += tuple(one for one in setups if isinstance(one, Task))
                for one in nodes[0].setups:
                    one.role = "setup"
                self.link(setups, nodes)
                return owner
            case "map" | "zip" | "concat" | "filter":
                return Unknown(ast.unparse(node))
            case _:
                return Unknown(ast.unparse(node))
        return None

    def _of_decorated(
        self, owner: Decorated, name: str, args: list[Any], kwargs: dict[str, Any], node: ast.Call
    ) -> Any:
        if name == "override":
            return Decorated(owner.kind, owner.function, {**owner.options, **kwargs}, owner.given)
        if name == "partial":
            return Decorated(owner.kind, owner.function, owner.options, {**owner.given, **kwargs})
        if name not in ("expand", "expand_kwargs"):
            return Unknown(ast.unparse(node))
        mapped = kwargs if name == "expand" else {"": args[0] if args else next(iter(kwargs.values()))}
        if owner.kind in _KINDS:
            return self._call_group(owner, [], dict(owner.given), mapped, node)
        if owner.function is not None:
            return self._call_task(owner, [], dict(owner.given), mapped, node)
        made = self._operator(owner.kind, [], owner.options, node)
        made.mapped = mapped
        return made

    # --- attributes

    def attribute(self, owner: Any, name: str, node: ast.Attribute) -> Any:
        """An attribute of something of Airflow."""
        if isinstance(owner, Task) and name in ("output", "task_id", "task_group"):
            return {"output": Output(owner), "task_id": owner.id, "task_group": owner.group}[name]
        if isinstance(owner, Output) and name == "operator":
            return owner.task
        if isinstance(owner, Dag) and name in ("dag_id", "params", "default_args"):
            return owner.id if name == "dag_id" else owner.arguments.get(name, {})
        if isinstance(owner, UserClass) and name == "partial":
            return Method(owner, name)
        if isinstance(owner, Group) and name == "group_id":
            return owner.id
        if isinstance(owner, Decorated) and name == "function":
            return owner.function
        if isinstance(owner, Task | Output | Group | Decorated):
            return Method(owner, name)
        return Unknown(ast.unparse(node))


def _unused(name: str, taken: set[str]) -> str:
    """Airflow's way to tell tasks apart that have one name.

    >>> _unused("load", {"load", "load__1"})
    'load__2'
    """
    found, number = name, 0
    while found in taken:
        number += 1
        found = f"{name}__{number}"
    return found


def _side_by_side(mapped: dict[str, Any]) -> dict[str, Any]:
    """What ``expand_kwargs`` is given, by argument, where it is known now."""
    rows = mapped.get("")
    if not isinstance(rows, list | tuple) or not all(isinstance(row, dict) for row in rows) or not rows:
        return mapped
    names = list(rows[0])
    return {name: [row[name] for row in rows] for name in names} if all(list(row) == names for row in rows) else mapped


def _object(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
