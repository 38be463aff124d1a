"""What expressions about the run mean, in templates and in functions: ``params.x``, ``ti.xcom_pull(...)``, ``ds``."""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass, field
from typing import Any

from couler.backends.airflow.importer import plain
from couler.backends.airflow.importer.flow import DEFAULT, Flow, rule_of
from couler.backends.airflow.importer.report import Report
from couler.backends.airflow.importer.values import Dag, Given, Item, Made, Output, Task, Unknown
from couler.core.ir import model as ir

"""Names that Airflow hands to templates and functions."""

VARIABLES = "airflow-variables"
"""The secret that stands for Airflow's variables; that of a connection is ``airflow-connection-ID``."""


@dataclass(slots=True)
class References:
    """Translates references of one DAG; collects the parameters of its workflow.

    Attributes:
        parameters: Of the workflow.
        used: Tasks whose results are used.
        exported: Those of mapped groups whose results are used outside.
        pushed: Task to the keys under which it pushes values.
    """

    dag: Dag
    report: Report
    flow: Flow
    parameters: dict[str, ir.Parameter] = field(default_factory=dict)
    used: set[Task] = field(default_factory=set)
    exported: set[Task] = field(default_factory=set)
    pushed: dict[Task, frozenset[str]] = field(default_factory=dict)

    def expression(self, node: ast.expr, task: Task) -> ir.Value | ir.SecretRef | None:
        """What an expression means; None when couler has no word for it."""
        match node:
            case ast.Constant(value=str() | int() | float()):
                return ir.Constant(value=node.value)
            case ast.Name(id="run_id") | ast.Attribute(value=ast.Name(id="dag_run" | "ti"), attr="run_id"):
                return ir.RunRef(field="id")
            case ast.Attribute(value=ast.Name(id="dag" | "ti" | "task_instance" | "dag_run"), attr="dag_id"):
                return ir.Constant(value=self.dag.id)
            case ast.Attribute(value=ast.Name(id="task" | "ti" | "task_instance"), attr="task_id"):
                return ir.Constant(value=task.id)
        path, root = _path(node)
        match root:
            case ast.Name(id="params") if path and isinstance(path[0], str):
                if path[0] in (own := task.arguments.get("params") or {}) and plain.is_json(own[path[0]]):
                    return ir.Constant(value=own[path[0]])
                return ir.ParameterRef(name=self.parameter(path[0]), path=tuple(path[1:]))
            case ast.Attribute(value=ast.Name(id="dag_run"), attr="conf") if path and isinstance(path[0], str):
                return ir.ParameterRef(name=self.parameter(path[0]), path=tuple(path[1:]))
            case ast.Name(id="dag_run") if len(path) > 1 and path[0] == "conf" and isinstance(path[1], str):
                return ir.ParameterRef(name=self.parameter(path[1]), path=tuple(path[2:]))
            case ast.Call():
                return self._call(root, tuple(path), task)
            case ast.Name(id="var") if len(path) == 2 and path[0] in ("value", "json"):
                return ir.SecretRef(name=VARIABLES, key=str(path[1]))
            case ast.Name(id="conn") if len(path) == 2:
                return ir.SecretRef(name=f"airflow-connection-{path[0]}", key=str(path[1]))
        return None

    def _call(self, node: ast.Call, path: tuple[str | int, ...], task: Task) -> ir.Value | ir.SecretRef | None:
        match node:
            case ast.Call(func=ast.Attribute(value=ast.Name(id="ti" | "task_instance"), attr="xcom_pull")):
                return self._pulled(node, path, task)
            case ast.Call(func=ast.Attribute(value=owner, attr="get"), args=[ast.Constant(value=str(name)), *rest]):
                leading, root = _path(owner)
                in_conf = isinstance(root, ast.Name) and (root.id, leading) == ("dag_run", ["conf"])
                if in_conf or (isinstance(root, ast.Name) and (root.id, leading) == ("params", [])):
                    default = rest[0].value if rest and isinstance(rest[0], ast.Constant) else None
                    return ir.ParameterRef(name=self.parameter(name, default), path=path)
                if isinstance(root, ast.Name) and root.id == "var" and leading in (["value"], ["json"]):
                    return ir.SecretRef(name=VARIABLES, key=name)
        return None

    def _pulled(self, node: ast.Call, path: tuple[str | int, ...], task: Task) -> ir.Value | None:
        given = dict(zip(("task_ids", "dag_id", "key"), node.args, strict=False))
        given |= {keyword.arg: keyword.value for keyword in node.keywords if keyword.arg is not None}
        if set(given) - {"task_ids", "key"}:
            return None
        key, wanted = given.get("key", ast.Constant(value="return_value")), given.get("task_ids")
        if not isinstance(key, ast.Constant):
            return None
        match wanted:
            case None if len(nearest := self._directly_before(task)) == 1:
                return self.pushed_value(nearest[0], str(key.value), path, task)
            case ast.Constant(value=str(name)):
                found = self._earlier(name, task)
                return None if found is None else self.pushed_value(found, str(key.value), path, task)
            case _ if key.value != "return_value":
                return None
            case ast.List(elts=items) | ast.Tuple(elts=items):
                each = [self._earlier(item.value, task) for item in items if isinstance(item, ast.Constant)]
                if not path and len(each) == len(items):
                    return ir.ListOf(items=tuple(self.output(one, (), task) for one in each if one is not None))
        return None

    def _directly_before(self, task: Task) -> list[Task]:
        return [left for left, right in self.dag.edges if right is task and isinstance(left, Task)]

    def _earlier(self, name: Any, task: Task) -> Task | None:
        """The task of a name that ends before another one starts."""
        names = [name, f"{task.group.prefix}{name}"] if task.group is not None else [name]
        return next((one for one in self.flow.before.get(task, ()) if one.id in names), None)

    def pushed_value(self, task: Task, key: str, path: tuple[str | int, ...], user: Task) -> ir.OutputRef | None:
        """What a task returned, or pushed under a key; None when it does not push it."""
        keys = self.pushed.get(task, frozenset())
        if key == "return_value":
            return self.output(task, path, user)
        return self.output(task, path, user, key) if key in keys else None

    def output(self, task: Task, path: tuple[str | int, ...], user: Task, key: str = "return_value") -> ir.OutputRef:
        """The result of a task, seen from another one; one that runs after skipped tasks gets None for theirs."""
        self.used.add(task)
        weak = rule_of(user) != DEFAULT and self.flow.may_be_missing(task)
        default = ir.Constant(value=None) if weak else None
        path = (key, *path) if task in self.pushed else path
        output = output_name(task)
        group = task.mapped_group
        if group is not None and user.mapped_group is not group:
            self.exported.add(task)
            return ir.OutputRef(step=group.id, output=step_name(task), default=default)
        return ir.OutputRef(step=step_name(task), output=output, path=path, default=default)

    def parameter(self, name: str, default: Any = None) -> str:
        """The name of a parameter of the workflow, which is declared when it is not yet."""
        if name not in self.parameters:
            self.parameters[name] = ir.Parameter(name=name, default=ir.Constant(value=default))
        return name

    def missing(self, text: str, line: int) -> ir.ParameterRef:
        """A parameter that stands for what only Airflow knows; its default is the template."""
        self.report.add("AIRFLOW031", line, f"{{{{ {text} }}}}")
        name = re.sub(r"\W+", "_", text).strip("_")[:40].strip("_") or "value"
        name = f"value_{name}" if name[0].isdigit() else name
        if name not in self.parameters:
            template = f"{{{{ {text} }}}}"
            self.parameters[name] = ir.Parameter(
                name=name, type="str", default=ir.Constant(value=template), help=f"stands for {template} of Airflow"
            )
        return ir.ParameterRef(name=name)

    # --- values of arguments

    def given(self, value: Any, task: Task) -> ir.Value | None:
        """An argument as a value of the workflow; None when it has no meaning there."""
        if isinstance(value, Output):
            return self.pushed_value(value.task, value.key, value.path, task)
        if isinstance(value, Given):
            return ir.ParameterRef(name=self.parameter(value.name), path=value.path)
        if isinstance(value, Item):
            return ir.ItemRef(name=value.name, path=value.path)
        if isinstance(value, list | tuple) and not plain.is_json(value):
            items = [self.given(item, task) for item in value]
            found = tuple(item for item in items if item is not None)
            return ir.ListOf(items=found) if len(found) == len(items) else None
        if isinstance(value, Made) and value.kind == "literal":
            return self.given(value.args[0], task)
        if isinstance(value, Unknown | Made) or not plain.is_json(value):
            shown = _jsonable(value)
            return None if shown is None else ir.Constant(value=shown)
        return ir.Constant(value=value)


def step_name(task: Task) -> str:
    """The name of a task among the steps beside it."""
    group = task.mapped_group
    return task.id.removeprefix(group.prefix) if group is not None else task.id


def output_name(task: Task) -> str:
    """The output that holds the result of a task; pods write theirs to a file."""
    pod = task.operator in ("KubernetesPodOperator", "task.kubernetes_cmd")
    return "return_value" if pod and task.arguments.get("do_xcom_push") is True else "result"


def _jsonable(value: Any) -> Any:
    """Plain values that are no JSON as what Airflow's templates would show."""
    if isinstance(value, set):
        return sorted(value) if all(isinstance(one, str) for one in value) else None
    if plain.is_plain(value) and hasattr(value, "isoformat"):
        return value.isoformat()
    return None


def _path(node: ast.expr) -> tuple[list[str | int], ast.expr]:
    """Keys and attributes behind an expression, and the expression.

    >>> path, root = _path(ast.parse("params.a['b'][0]", mode="eval").body)
    >>> path, ast.unparse(root)
    (['a', 'b', 0], 'params')
    """
    match node:
        case ast.Attribute(value=inner, attr=name):
            path, root = _path(inner)
            return [*path, name], root
        case ast.Subscript(value=inner, slice=ast.Constant(value=str() | int() as key)):
            path, root = _path(inner)
            return [*path, key], root
        case _:
            return [], node
