"""Tasks as steps: what each operator does."""

from __future__ import annotations

import ast
import re
from typing import Any

from couler.backends.airflow.importer import pods
from couler.backends.airflow.importer.bash import read_bash
from couler.backends.airflow.importer.flow import is_branch, is_circuit
from couler.backends.airflow.importer.functions import Cut, Untranslatable, cut, with_wrapper
from couler.backends.airflow.importer.mapping import Unmappable, lists_of, unfolded
from couler.backends.airflow.importer.references import step_name
from couler.backends.airflow.importer.templates import is_template
from couler.backends.airflow.importer.values import Function, Imported, Item, Output, Task
from couler.backends.airflow.importer.vocabulary import PYTHON
from couler.backends.airflow.importer.work import Unknowable, Work, shown
from couler.core.ir import model as ir
from couler.core.render.annotations import type_text_of
from couler.core.render.literals import text as quoted

Fields = dict[str, Any]

_RUN = """    import subprocess

    done = subprocess.run(["bash", "-c", {call}], stdout=subprocess.PIPE, text=True, check=True)
    print(done.stdout, end="")
    return done.stdout.rstrip("\\n").rpartition("\\n")[2]"""
_CHOSEN = """    chosen = {call}
    return [chosen] if isinstance(chosen, str) else list(chosen or ())"""


def read_task(task: Task, work: Work) -> Fields:
    """The fields of the step for a task: what it does, and what it is given."""
    work.tell("AIRFLOW010", task, f"{task.id} ({task.operator})")
    try:
        return _read(task, work)
    except Unmappable as why:
        return _stub(task, work, "AIRFLOW025", str(why))
    except Untranslatable as why:
        return _stub(task, work, "AIRFLOW042", str(why))
    except Unknowable as why:
        return _stub(task, work, why.code, why.detail)


def _read(task: Task, work: Work) -> Fields:
    lists: dict[str, ir.Value] = {}
    name = step_name(task)
    if task.mapped:
        lists = _mapped(task, work, name)
    fields = _by_operator(task, work)
    if lists:
        limit = task.arguments.get("max_active_tis_per_dagrun")
        parallelism = limit if isinstance(limit, int) and limit > 0 else None
        fields["foreach"] = ir.ForEach(lists=lists, parallelism=parallelism)
    return fields


def _mapped(task: Task, work: Work, name: str) -> dict[str, ir.Value]:
    """The lists of a mapped task; its arguments become items."""
    mapped = dict(task.mapped)
    if "" in mapped:
        mapped = unfolded(task, _wanted(task))
    together = "" in task.mapped
    lists, items, extra = lists_of(name, mapped, task, work.references, together=together)
    if extra is not None:
        work.extra.append(extra)
    decorated = task.operator.startswith("task")
    for key, item in items.items():
        if key == "":
            task.kwargs = {**task.kwargs, **{one: Item(item.name, (one,)) for one in _wanted(task)}}
        elif decorated:
            task.kwargs = {**task.kwargs, key: item}
        elif key == "op_kwargs":
            task.kwargs = {**task.kwargs, **{one: Item("op_kwargs", (one,)) for one in _wanted(task)}}
        elif key == "op_args":
            task.args = tuple(Item("op_args", (index,)) for index in range(len(_wanted(task))))
        else:
            task.arguments = {**task.arguments, key: _item_of(task.mapped.get(key), item)}
    return lists


def _item_of(value: Any, item: Item) -> Any:
    """An item that is an object for which the keys are known, such as ``env``."""
    first = value[0] if isinstance(value, list) and value else None
    if isinstance(first, dict) and all(isinstance(one, dict) and list(one) == list(first) for one in value):
        return {key: Item(item.name, (key,)) for key in first}
    return item


def _wanted(task: Task) -> list[str]:
    """Parameters of the function for which the task gives nothing yet."""
    if task.function is None:
        return []
    arguments = task.function.node.args
    names = [one.arg for one in arguments.args]
    required = names[: len(names) - len(arguments.defaults)]
    return [name for name in required[len(task.args) :] if name not in task.kwargs]


def _by_operator(task: Task, work: Work) -> Fields:
    name = task.operator
    if name in PYTHON:
        return _function(task, work)
    match name:
        case "BashOperator":
            return read_bash(task, work)
        case "EmptyOperator" | "DummyOperator":
            return {"task": ir.SuspendTask(duration=0)}
        case "KubernetesPodOperator" | "DockerOperator" if not _is_known_text(task.arguments.get("image")):
            raise Unknowable("AIRFLOW070", f"image={shown(task.arguments.get('image'))}")
        case "KubernetesPodOperator":
            fields = pods.read_pod(task, work.text_of(task))
            for one in pods.lost(task, fields):
                work.tell("AIRFLOW061", task, one)
            return fields
        case "DockerOperator":
            return pods.read_docker(task, work.text_of(task))
        case "ApprovalOperator":
            if task.arguments.get("fail_on_reject") is not True:
                work.tell("AIRFLOW061", task, "a rejection, which skips what follows there")
            subject = task.arguments.get("subject")
            return {"task": ir.SuspendTask(message=subject if isinstance(subject, str) else "")}
        case "LatestOnlyOperator":
            work.tell("AIRFLOW014", task)
            return {"task": ir.SuspendTask(duration=0)}
        case "TriggerDagRunOperator":
            raise Unknowable("AIRFLOW013", str(task.arguments.get("trigger_dag_id", "")))
        case "task.sensor":
            raise Unknowable("AIRFLOW012", task.operator)
        case _ if name.endswith(("Sensor", "SensorAsync")):
            raise Unknowable("AIRFLOW012", name)
        case _:
            raise Unknowable("AIRFLOW011", name)


def _is_known_text(value: Any) -> bool:
    return isinstance(value, str) and not is_template(value)


def _stub(task: Task, work: Work, code: str, detail: str) -> Fields:
    """A step that says what is missing."""
    work.tell(code, task, detail)
    work.stubs.add(task)
    entry = re.sub(r"\W", "_", task.id)
    entry = entry if entry[:1].isalpha() else f"task_{entry}"
    message = f"task '{task.id}' ({task.operator}) of Airflow was not translated"
    source = f"from __future__ import annotations\n\ndef {entry}():\n    raise NotImplementedError({quoted(message)})\n"
    return {"task": ir.FunctionTask(source=source, entry=entry), "outputs": (ir.Output(name="result"),)}


# --- functions -----------------------------------------------------------------------------------------------


def _function(task: Task, work: Work) -> Fields:
    function = task.function
    if function is None:
        return _imported_function(task, work)
    given = _arguments(task, function)
    made = cut(function, task, work.text, work.references, set(given), task.id not in work.untyped)
    inputs = _inputs(task, work, given, made)
    returned = "any" if made.pushed else type_text_of(made.node.returns) or "any"
    if made.pushed:
        work.references.pushed[task] = made.pushed
    made, returned = _decided(task, work, made, returned)
    image = task.arguments.get("image") if task.operator in ("task.docker", "task.kubernetes") else ""
    packages = task.arguments.get("requirements")
    if isinstance(packages, str):
        packages = [line.strip() for line in packages.splitlines() if line.strip()]
    listed = isinstance(packages, list | tuple) and all(isinstance(one, str) for one in packages)
    return {
        "task": ir.FunctionTask(
            source=made.source,
            entry=made.entry,
            image=image if isinstance(image, str) else "",
            packages=tuple(packages) if listed and packages else (),
        ),
        "inputs": inputs,
        "outputs": (ir.Output(name="result", type=returned),),
        "secrets": tuple(ir.SecretUse(secret=secret, env=name) for name, secret in made.secrets.items()),
        "description": "",
    }


def _imported_function(task: Task, work: Work) -> Fields:
    """A function of another module, which must be there where the step runs."""
    called = task.arguments.get("python_callable")
    module, _, name = called.dotted.rpartition(".") if isinstance(called, Imported) else ("", "", "")
    if not isinstance(called, Imported) or called.airflow or not module.strip("."):
        raise Unknowable("AIRFLOW042", getattr(called, "dotted", "") or getattr(called, "text", "") or task.id)
    if module.startswith(".") or "" in task.kwargs:
        raise Unknowable("AIRFLOW042", called.dotted)
    work.tell("AIRFLOW044", task, called.dotted)
    given = {f"value_{index}": value for index, value in enumerate(task.args, start=1)}
    passed = [*given, *(f"{one}={one}" for one in task.kwargs)]
    given |= task.kwargs
    entry = f"{name}_function"
    source = (
        f"from __future__ import annotations\n\ndef {entry}({', '.join(given)}):\n"
        f"    from {module} import {name}\n\n    return {name}({', '.join(passed)})\n"
    )
    node = ast.parse(source).body[1]
    assert isinstance(node, ast.FunctionDef)
    made = Cut(source, entry, dict.fromkeys(given, True), {}, {}, node)
    inputs = _inputs(task, work, given, made)
    made, returned = _decided(task, work, made, "any")
    return {
        "task": ir.FunctionTask(source=made.source, entry=made.entry),
        "inputs": inputs,
        "outputs": (ir.Output(name="result", type=returned),),
    }


def _arguments(task: Task, function: Function) -> dict[str, Any]:
    """The arguments of a call by name."""
    arguments = function.node.args
    names = [one.arg for one in (*arguments.posonlyargs, *arguments.args)]
    if len(task.args) > len(names) or (arguments.vararg is not None and len(task.args) >= len(names)):
        raise Untranslatable(f"{function.name} takes any number of arguments")
    given = {**dict(zip(names, task.args, strict=False)), **task.kwargs}
    if "" in given:
        raise Unmappable("op_kwargs")
    every = {*names, *(one.arg for one in arguments.kwonlyargs)}
    return {name: value for name, value in given.items() if name in every or arguments.kwarg is not None}


def _inputs(task: Task, work: Work, given: dict[str, Any], made: Cut) -> tuple[ir.Input, ...]:
    arguments = made.node.args
    types = {one.arg: type_text_of(one.annotation) or "any" for one in (*arguments.args, *arguments.kwonlyargs)}
    inputs = []
    for name in made.parameters:
        if name in made.bound:
            inputs.append(ir.Input(name=name, value=made.bound[name], type=types.get(name, "any")))
        elif name in given:
            value = work.value(given[name], task)
            if value is None:
                code = "AIRFLOW040" if isinstance(given[name], Output) else "AIRFLOW070"
                work.tell(code, task, f"{name}={shown(given[name])}")
                value = ir.Constant(value=None)
            inputs.append(ir.Input(name=name, value=value, type=types.get(name, "any")))
        elif made.parameters[name]:
            work.tell("AIRFLOW040", task, f"{name} in {made.entry}")
            inputs.append(ir.Input(name=name, value=ir.Constant(value=None), type=types.get(name, "any")))
    return tuple(inputs)


def _decided(task: Task, work: Work, made: Cut, returned: str) -> tuple[Cut, str]:
    """What a function decides, made into what a condition can ask."""
    if task.operator == "task.bash":
        return with_wrapper(made, "in_bash", _RUN), "str"
    if is_branch(task):
        work.tell("AIRFLOW022", task, task.id)
        kinds = {_kind(one) for one in _returned(made.node)}
        work.choices[task] = kinds != {"text"}
        if kinds in ({"text"}, {"list"}):
            return made, returned if returned != "any" and kinds == {"text"} and returned == "str" else "any"
        return with_wrapper(made, "chosen", _CHOSEN), "any"
    if is_circuit(task):
        work.tell("AIRFLOW022", task, task.id)
        if {_kind(one) for one in _returned(made.node)} == {"bool"}:
            return made, returned if returned == "bool" else "any"
        return with_wrapper(made, "holds", "    return bool({call})"), "any"
    return made, returned


def _returned(node: ast.FunctionDef | ast.AsyncFunctionDef) -> list[ast.expr | None]:
    found = [one.value for one in ast.walk(node) if isinstance(one, ast.Return)]
    ends = isinstance(node.body[-1], ast.Return | ast.Raise) or (
        isinstance(node.body[-1], ast.If) and bool(node.body[-1].orelse)
    )
    return found if ends else [*found, None]


def _kind(node: ast.expr | None) -> str:
    match node:
        case ast.Constant(value=bool()) | ast.Compare() | ast.UnaryOp(op=ast.Not()):
            return "bool"
        case ast.Constant(value=str()) | ast.JoinedStr():
            return "text"
        case ast.List() | ast.ListComp():
            return "list"
        case ast.IfExp(body=one, orelse=other) if _kind(one) == _kind(other):
            return _kind(one)
        case ast.Call(func=ast.Attribute(attr="startswith" | "endswith" | "exists")):
            return "bool"
        case _:
            return "unknown"
