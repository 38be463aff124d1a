"""Tasks that are scripts for bash."""

from __future__ import annotations

import ast
import re
from typing import Any

from couler.backends.airflow.importer.scripts import pasted, read_script
from couler.backends.airflow.importer.templates import is_template
from couler.backends.airflow.importer.values import Made, Task
from couler.backends.airflow.importer.work import Unknowable, Work, shown
from couler.core.ir import model as ir


def read_bash(task: Task, work: Work) -> dict[str, Any]:
    """The fields of the step for a BashOperator."""
    given = task.arguments
    command = given.get("bash_command")
    env: tuple[ir.EnvVar, ...] = ()
    secrets: tuple[ir.SecretUse, ...] = ()
    if isinstance(command, Made) and command.kind == "literal" and isinstance(command.args[0], str):
        made = ir.ScriptTask(source=command.args[0], interpreter=("bash",))
    elif isinstance(command, str):
        made, env, secrets = read_script(command, task, work.references)
        if command.endswith((".sh", ".bash")):
            work.tell("AIRFLOW033", task, f"{command}: Airflow reads the file of this name")
    elif (value := work.value(command, task)) is not None:
        made = pasted(value)
    else:
        raise Unknowable("AIRFLOW070", shown(command))
    if re.search(r"\bexit 99\b", made.source) and given.get("skip_on_exit_code", 99) == 99:
        work.tell("AIRFLOW061", task, "exit 99, which skips the task there and fails the step here")
    more, others = _environment(task, work)
    cwd = given.get("cwd")
    return {
        "task": made,
        "env": (*(one for one in more if one.name not in {two.name for two in env}), *env),
        "secrets": (*(one for one in others if one.env not in {two.env for two in secrets}), *secrets),
        "working_dir": cwd if isinstance(cwd, str) and not is_template(cwd) else "",
        "outputs": (ir.Output(name="result", type="str"),),
    }


_VARIABLE = re.compile(r"[A-Za-z_]\w*", re.ASCII)
_WHOLE = re.compile(r"\s*\{\{\s*(?:var\.(?:value|json)|conn)\.[^{}]*\}\}\s*")


def _environment(task: Task, work: Work) -> tuple[tuple[ir.EnvVar, ...], tuple[ir.SecretUse, ...]]:
    given = task.arguments.get("env") or {}
    if not isinstance(given, dict):
        work.tell("AIRFLOW070", task, "env")
        return (), ()
    env: list[ir.EnvVar] = []
    secrets: list[ir.SecretUse] = []
    read = work.text_of(task)
    for name, value in given.items():
        if not isinstance(name, str) or not _VARIABLE.fullmatch(name):
            work.tell("AIRFLOW061", task, f"env: {name}")
            continue
        if isinstance(value, str) and _WHOLE.fullmatch(value):
            expression = ast.parse(value.strip().strip("{} "), mode="eval").body
            found = work.references.expression(expression, task)
            if isinstance(found, ir.SecretRef):
                work.tell("AIRFLOW032", task, value)
                secrets.append(ir.SecretUse(secret=found, env=name))
                continue
        env.append(ir.EnvVar(name=name, value=read(value)))
    return tuple(env), tuple(secrets)
